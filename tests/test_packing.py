"""Which runs share a task, when it goes out, and what each run has of its node."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hypothesis import given
from hypothesis import strategies as st

from airr.cancellation import Cancellation, Job
from airr.cluster.protocol import TaskState
from airr.cohorts import cohorts
from airr.composition import plain
from airr.config import Config
from airr.display.cancelled import told_of
from airr.errors import ConfigError
from airr.estimates import seeding_of
from airr.executor.gathering import groups_to_submit, tasks_of
from airr.executor.openruns import Ready
from airr.executor.plans import training_plan
from airr.forecast import full_tasks, left_of
from airr.machine import cores_of
from airr.packing import Packing
from airr.parsing import parse_config
from airr.records import Codebase, RunKey
from airr.resources import resource
from airr.worker.shares import Holding, Share, owned_cpus, share_of, visible_gpus
from tests.builders import LOSS, SEARCH

RUNS = st.integers(1, 200)
PACK = st.integers(1, 16)


@given(RUNS, PACK)
def test_every_run_has_its_place_in_one_of_the_fewest_tasks(runs: int, most: int):
    packing = Packing(runs=runs, most=most)
    tasks = [packing.runs_of(task) for task in range(packing.tasks)]
    assert [run for task in tasks for run in task] == list(range(runs))
    assert all(packing.task_of(run) == index for index, task in enumerate(tasks) for run in task)
    assert all(1 <= len(task) <= packing.places for task in tasks)
    assert packing.tasks == -(-runs // most)
    assert packing.places <= most


@pytest.mark.parametrize(
    ("runs", "most", "sizes"),
    [(8, 8, [8]), (9, 8, [5, 4]), (17, 8, [6, 6, 5]), (1, 8, [1]), (3, 1, [1, 1, 1])],
)
def test_no_task_asks_for_more_than_an_even_spread_needs(runs: int, most: int, sizes: list[int]):
    packing = Packing(runs=runs, most=most)
    assert [len(packing.runs_of(task)) for task in range(packing.tasks)] == sizes
    assert packing.places == sizes[0]


def ready(number: int, *, exclude: tuple[str, ...] = ()) -> Ready:
    codebase = Codebase(idea_id=f"e00-i{number:03d}", path="", sha256="")
    return Ready(codebase, RunKey(idea_id=codebase.idea_id), exclude, since=0)


def groups_of(
    waiting: list[Ready], pack: int, most: int = 100, due: frozenset[Ready] = frozenset()
) -> list[list[Ready]]:
    groups = groups_to_submit(waiting, pack=pack, most=most, is_due=due.__contains__)
    return [list(group) for group in groups]


@given(st.lists(st.sampled_from(["", "a", "b"]), max_size=40), PACK, st.integers(0, 12))
def test_groups_make_no_more_tasks_than_there_is_room_for(nodes: list[str], pack: int, most: int):
    waiting = [ready(i, exclude=(node,)) for i, node in enumerate(nodes)]
    groups = groups_of(waiting, pack, most, due=frozenset(waiting))
    assert sum(-(-len(group) // pack) for group in groups) <= most
    gone = [one for group in groups for one in group]
    assert len(gone) == len({*gone})
    assert all(len({one.exclude_nodes for one in group}) == 1 for group in groups)
    if most >= tasks_of(waiting, pack):
        assert len(gone) == len(waiting)


def test_a_task_that_is_not_full_goes_only_once_one_of_its_runs_is_due():
    six = [ready(number) for number in range(6)]
    other = ready(6, exclude=("node1",))
    assert groups_of([*six, other], pack=4) == [six[:4]]
    assert groups_of([*six, other], pack=4, due=frozenset({six[2]})) == [six]
    assert groups_of([*six, other], pack=4, due=frozenset({other})) == [six[:4], [other]]


def test_waiting_runs_count_as_the_tasks_that_they_make():
    assert tasks_of([ready(0), ready(1), ready(2)], pack=2) == 2
    assert tasks_of([ready(0), ready(1, exclude=("node1",))], pack=2) == 2
    assert tasks_of([], pack=2) == 0


EIGHT = tuple(map(str, range(8)))


def holding(gpus: tuple[str, ...] = EIGHT, cpus: int = 16) -> Holding:
    return Holding(gpus=gpus, cpus=tuple(range(cpus)))


def shares(held: Holding, places: int = 8, *, gpus: int = 1, cpus: int = 2) -> list[Share]:
    return [share_of(held, place, places=places, gpus=gpus, cpus=cpus) for place in range(places)]


def test_each_run_has_gpus_and_cpus_of_its_own():
    cut = shares(holding(("GPU-ab", "GPU-cd", "GPU-ef", "GPU-01")), places=2, gpus=2)
    assert cut[0] == Share(gpus=("GPU-ab", "GPU-cd"), cpus=frozenset({0, 1}))
    assert cut[1] == Share(gpus=("GPU-ef", "GPU-01"), cpus=frozenset({2, 3}))


@given(PACK, st.integers(1, 8), st.integers(0, 64))
def test_no_cpu_is_given_twice_and_nobody_gets_more_than_was_promised(
    places: int, cpus: int, held: int
):
    cut = shares(holding(cpus=held), places, cpus=cpus)
    given_out = [cpu for share in cut for cpu in share.cpus]
    assert len(given_out) == len({*given_out})
    assert len({len(share.cpus) for share in cut}) == 1
    assert len(cut[0].cpus) <= cpus
    assert len(cut[0].cpus) == cpus or held < places * cpus


def test_a_node_with_too_few_gpus_lets_the_last_runs_down_and_no_others():
    cut = shares(holding(EIGHT[:7]))
    assert [share.gpus for share in cut] == [*((gpu,) for gpu in EIGHT[:7]), ()]


@pytest.mark.parametrize(
    ("named", "seen"),
    [
        (None, ("0", "1")),
        ("", ()),
        ("3,5", ("3", "5")),
        ("GPU-1f, MIG-2a", ("GPU-1f", "MIG-2a")),
    ],
)
def test_gpus_are_those_that_the_scheduler_names_or_all(named: str | None, seen: tuple[str, ...]):
    environment = {} if named is None else {"CUDA_VISIBLE_DEVICES": named}
    assert visible_gpus(environment, installed=2) == seen


def test_threads_of_one_core_go_to_one_run():
    cores = {0: (0, 0), 1: (0, 1), 2: (1, 0), 3: (1, 1), 4: (0, 0), 5: (0, 1), 6: (1, 0), 7: (1, 1)}
    assert owned_cpus(range(8), 8, cores) == (0, 4, 1, 5, 2, 6, 3, 7)


def test_cpus_that_the_site_does_not_confine_a_task_to_are_not_divided():
    assert owned_cpus(range(8), 4, {}) == ()
    assert owned_cpus(range(4), 8, {}) == (0, 1, 2, 3)
    assert owned_cpus(range(4), None, {}) == (0, 1, 2, 3)


def test_cores_are_those_that_the_kernel_tells_of(tmp_path: Path):
    topology = tmp_path / "cpu3" / "topology"
    topology.mkdir(parents=True)
    (topology / "physical_package_id").write_text("1\n")
    (topology / "core_id").write_text("7\n")
    assert cores_of([3, 4], tmp_path) == {3: (1, 7)}


def config_of(*overrides: str) -> Config:
    with initialize_config_dir(str(resource("conf")), version_base="1.3"):
        raw = plain(compose("evolve", ["cluster=slurm", *overrides]))
    return parse_config({key: raw[key] for key in raw.keys() - {"fork", "once"}})


def test_runs_that_span_nodes_cannot_be_packed():
    with pytest.raises(ConfigError, match=r"cluster\.pack=8 .* takes 2 whole ones: set"):
        config_of("cluster.pack=8", "env.nodes=2")
    with pytest.raises(ConfigError, match=r"cluster\.pack=0: it must be at least 1"):
        config_of("cluster.pack=0")


def test_cpus_per_gpu_replaces_the_environment_s_cpus_only_where_there_are_gpus():
    by_gpu = ["cluster.cpus_per_gpu=12", "env.cpus=3"]
    assert training_plan(config_of(*by_gpu, "env.gpus=2")).cpus == 24
    assert training_plan(config_of(*by_gpu, "env.gpus=0")).cpus == 3
    assert training_plan(config_of("env.cpus=3", "env.gpus=2")).cpus == 3


def test_what_may_share_a_task_is_what_is_ready_in_the_same_stretch():
    seeding = seeding_of(SEARCH)
    left = left_of(cohorts(2, 9, None), [], {}, seeding=seeding, metric=LOSS)
    assert left.runs == (1, 9, 9)
    assert full_tasks(left, pack=8) == 1 + 2 + 2
    assert full_tasks(left, pack=1) == left.total_runs


def test_runs_that_share_a_task_are_cancelled_as_one_job():
    jobs = {
        **{
            f"a{run}": Job(batch="first", task=run // 4, state=TaskState.RUNNING)
            for run in range(6)
        },
        "b": Job(batch="second", task=0, state=TaskState.PENDING),
    }
    said = told_of("mine", Cancellation(jobs=jobs, holder=None, companions=()), is_dry=True)
    assert "would cancel 3 jobs of 2 arrays\n  first: 2 running\n  second: 1 queued" in said
