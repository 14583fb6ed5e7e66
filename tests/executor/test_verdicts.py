"""What the scheduler says of a run without a result, and what is concluded from it."""

import pytest

from airr.cluster.protocol import TaskState
from airr.executor.verdicts import ENDED_AS, REASONS, Absence, Verdict, verdict_of
from airr.records import Reason

LONG = Absence(looks=5, seconds=600)
PATIENCE = 120.0


def judge(state: TaskState, absence: Absence = LONG, *, was_seen: bool = True) -> Verdict:
    return verdict_of(state, was_seen=was_seen, absence=absence, patience_seconds=PATIENCE)


@pytest.mark.parametrize("state", [TaskState.PENDING, TaskState.RUNNING])
def test_a_run_that_is_queued_or_running_is_waited_for_however_long(state: TaskState):
    assert judge(state) is Verdict.WAIT


@pytest.mark.parametrize("state", [TaskState.COMPLETED, TaskState.NODE_FAIL, TaskState.GONE])
def test_one_negative_look_concludes_nothing(state: TaskState):
    assert judge(state, Absence(looks=1, seconds=1000)) is Verdict.WAIT


@pytest.mark.parametrize("state", [TaskState.COMPLETED, TaskState.FAILED, TaskState.GONE])
def test_a_result_gets_time_to_show_up_on_a_shared_file_system(state: TaskState):
    assert judge(state, Absence(looks=9, seconds=PATIENCE - 1)) is Verdict.WAIT
    assert judge(state, Absence(looks=9, seconds=PATIENCE)) is Verdict.ENDED


def test_a_run_that_left_no_trace_at_all_was_never_submitted():
    assert judge(TaskState.GONE, was_seen=False) is Verdict.RESUBMIT
    assert judge(TaskState.GONE, was_seen=True) is Verdict.ENDED


def test_a_request_that_can_never_be_met_is_given_up_at_once():
    assert judge(TaskState.UNSATISFIABLE, Absence(looks=1, seconds=0)) is Verdict.ENDED


def test_every_way_to_leave_the_cluster_has_a_state_and_a_reason():
    left = set(TaskState) - {TaskState.PENDING, TaskState.RUNNING}
    assert set(ENDED_AS) == left
    assert {REASONS[state] for state in ENDED_AS.values()} <= set(Reason)
