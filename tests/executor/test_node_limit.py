"""Who may submit how much under one limit on nodes."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from airr.cluster.protocol import JobArray, TaskState, TaskStatus
from airr.executor.node_limit import Demand, Found, NodeLimit, fair_shares, room

DEMANDS = st.lists(
    st.builds(
        Demand,
        size=st.integers(1, 3),
        held=st.integers(0, 4),
        ready=st.integers(0, 6),
    ),
    min_size=1,
    max_size=6,
)


def small(held: int, ready: int) -> Demand:
    return Demand(size=1, held=held, ready=ready)


@given(st.integers(3, 20), DEMANDS, st.data())
def test_what_is_held_never_comes_to_exceed_the_limit(nodes: int, demands, data):
    mine = data.draw(st.integers(0, len(demands) - 1))
    used = sum(one.held * one.size for one in demands)
    taken = room(nodes, demands, mine) * demands[mine].size
    assert used + taken <= max(nodes, used)


@given(st.integers(3, 20), DEMANDS)
def test_some_campaign_may_submit_while_a_node_is_free_for_it(nodes: int, demands):
    free = nodes - sum(one.held * one.size for one in demands)
    waiting = [i for i, one in enumerate(demands) if one.ready and free >= max(3, one.size)]
    if waiting and all(one.size == demands[0].size for one in demands):
        assert any(room(nodes, demands, i) for i in range(len(demands)))


def test_shares_are_as_even_as_the_demands_allow():
    assert fair_shares(8, [small(0, 20), small(0, 2), small(0, 20)]) == [3, 2, 3]
    assert fair_shares(8, [small(0, 20), small(0, 0)]) == [8, 0]


def test_a_greedy_campaign_takes_no_more_until_the_others_have_theirs():
    greedy, late = small(8, 20), small(0, 20)
    assert room(8, [greedy, late], 0) == 0
    one_ended = small(7, 20)
    assert room(8, [one_ended, late], 0) == 0
    assert room(8, [one_ended, late], 1) == 1


def test_a_task_of_several_nodes_gets_its_turn():
    wide, narrow = Demand(size=4, held=0, ready=1), small(3, 9)
    assert room(4, [wide, narrow], 1) == 0, "the narrow ones drain"
    assert room(4, [wide, small(0, 9)], 0) == 1


class Campaign:
    """A scheduler as the limit sees it."""

    task_nodes = 1

    def __init__(self, name: str, ready: int) -> None:
        self.name = name
        self.ready_tasks = ready
        self.submitted: list[JobArray] = []

    def open_arrays(self) -> list[JobArray]:
        return self.submitted

    def submit(self, limit: NodeLimit, tasks: int) -> None:
        self.submitted = [array(self.name, tasks)]
        self.ready_tasks -= tasks
        limit.take(self)


def array(name: str, tasks: int) -> JobArray:
    return JobArray(
        name=name,
        folder=Path(),
        indices=tuple(range(tasks)),
        command=("true",),
        nodes=1,
        gpus=0,
        cpus=1,
        memory_gb=1,
        seconds=1,
    )


async def test_a_task_counts_until_it_has_left_the_cluster_though_its_result_is_in():
    running: Found = {"first": {0: TaskStatus(state=TaskState.RUNNING)}}
    states: Found = running

    async def look(arrays: object) -> Found | None:
        return states

    limit = NodeLimit(1, look)
    first, second = Campaign("first", 1), Campaign("second", 0)
    with limit.counting(second):
        with limit.counting(first):
            assert await limit.room_for(first) == 1
            first.submit(limit, 1)
            first.submitted = []
            second.ready_tasks = 1
            assert await limit.room_for(second) == 0
        assert await limit.room_for(second) == 0, "nor does the end of its head free a node"
        states = {"first": {0: TaskStatus(state=TaskState.COMPLETED)}}
        assert await limit.room_for(second) == 1


async def test_what_was_submitted_while_the_cluster_answered_counts():
    first, second = Campaign("first", 1), Campaign("second", 1)

    async def look(arrays: object) -> Found | None:
        first.submit(limit, 1)
        return {}

    limit = NodeLimit(1, look)
    with limit.counting(first), limit.counting(second):
        assert await limit.room_for(second) == 0


async def test_nothing_may_be_submitted_while_the_cluster_does_not_answer():
    async def look(arrays: object) -> Found | None:
        return None

    limit, member = NodeLimit(4, look), Campaign("first", 3)
    with limit.counting(member):
        assert await limit.room_for(member) == 0
