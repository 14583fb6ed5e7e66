"""Reading squeue, sacct and scontrol: recorded answers, and hostile ones."""

import pytest

from airr.cluster.protocol import TaskState
from airr.cluster.sacct import parse_sacct
from airr.cluster.slurm import Site, parse_site
from airr.cluster.slurm_states import Row, spell_out
from airr.cluster.squeue import ids_of, parse_squeue

# Slurm 22.05.8, squeue --array --states=all
QUEUE = """\
47123014|N/A|CANCELLED||a|JobArrayTaskLimit
47123014|4|PENDING||a|JobArrayTaskLimit
47123014|2|RUNNING|node1|a|None
47123015|0|FAILED|node[1-2]|b|NonZeroExitCode
47123022|0|PENDING||d|ReqNodeNotAvail, UnavailableNodes:node[3-4]
"""

# Slurm 22.05.8, sacct --parsable2 --allocations
ACCOUNTING = """\
47123014_0|CANCELLED by 0|node3|0:15|a
47123014_[2-4,7,9-13:2%4]|CANCELLED by 0|None assigned|0:0|a
47123017|OUT_OF_MEMORY|node1|0:125|c
47123018_5|RUNNING|node1|0:0|c
"""


def row(word: str, reason: str = "", *, node: str = "", index: int | None = 0) -> Row:
    return Row(name="a", job_id="7", index=index, word=word, node=node, reason=reason)


def test_squeue_rows_carry_index_state_node_and_reason():
    cancelled, pending, running, failed, waiting = parse_squeue(QUEUE)
    assert (cancelled.index, cancelled.state) == (None, TaskState.CANCELLED)
    assert (pending.index, pending.state) == (4, TaskState.PENDING)
    assert running.status().job_id == "47123014_2"
    assert (running.node, running.reason) == ("node1", "")
    assert (failed.state, failed.node) == (TaskState.FAILED, "node[1-2]")
    assert waiting.reason == "ReqNodeNotAvail, UnavailableNodes:node[3-4]"
    assert waiting.state is TaskState.PENDING


def test_tasks_are_cancelled_one_by_one_only_beside_others_that_go_on():
    rows = parse_squeue(QUEUE)
    array = [found for found in rows if found.name == "a" and found.index is not None]
    assert ids_of(array, {"a": {2, 4}}) == ["47123014"]
    assert ids_of(array, {"a": {4}}) == ["47123014_4"]
    assert ids_of(array, {"a": {9}}) == []


@pytest.mark.parametrize(
    "noise",
    [
        "",
        "\n\n",
        "slurm_load_jobs error: Invalid user id",
        "|||||",
        "JOBID|K|T|N|j|r",
        "12|1|RUNNING",
        "\x00\x1b[31m|\u202e",
        "²|1|RUNNING|node1|a|None",
    ],
)
def test_lines_of_another_shape_are_left_out(noise: str):
    assert parse_squeue(noise + "\n" + QUEUE) == parse_squeue(QUEUE)
    assert parse_sacct(noise + "\n" + ACCOUNTING) == parse_sacct(ACCOUNTING)


def test_bars_in_the_reason_stay_in_the_reason():
    (found,) = parse_squeue("7|0|PENDING||a|odd|reason|7|0|COMPLETED\n")
    assert (found.name, found.reason) == ("a", "odd|reason|7|0|COMPLETED")


def test_sacct_rows_spell_out_index_lists_and_take_the_first_word_of_the_state():
    rows = parse_sacct(ACCOUNTING)
    assert [found.index for found in rows] == [0, 2, 3, 4, 7, 9, 11, 13, None]
    assert rows[0].state is TaskState.CANCELLED
    assert rows[0].reason == "CANCELLED by 0, exit code 0:15"
    assert rows[1].node == ""
    assert rows[-1].state is TaskState.OOM


def test_what_accounting_takes_for_live_while_the_queue_is_silent_is_not_reported():
    assert "47123018" not in {found.job_id for found in parse_sacct(ACCOUNTING)}


def test_an_index_list_cut_short_by_slurm_is_not_guessed():
    assert parse_sacct("7_[1,3,5...]|FAILED|node1|1:0|a\n") == ()


@pytest.mark.parametrize("word", ["COMPLETING", "SUSPENDED", "STAGE_OUT", "FRESHLY_INVENTED"])
def test_a_state_that_is_not_known_is_live(word: str):
    assert row(word, node="node1").state is TaskState.RUNNING


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("PREEMPTED", TaskState.PREEMPTED),
        ("TIMEOUT", TaskState.TIMEOUT),
        ("OUT_OF_MEMORY", TaskState.OOM),
        ("NODE_FAIL", TaskState.NODE_FAIL),
        ("BOOT_FAIL", TaskState.NODE_FAIL),
        ("REQUEUED", TaskState.PENDING),
    ],
)
def test_each_end_has_its_own_name(word: str, state: TaskState):
    assert row(word).state is state


@pytest.mark.parametrize(
    "reason",
    [
        "PartitionNodeLimit",
        "PartitionTimeLimit",
        "BadConstraints",
        "QOSMaxWallDurationPerJobLimit",
        "QOSMaxGRESPerJob",
        "AssocMaxNodePerJobLimit",
        "QOSMinGRES",
    ],
)
def test_a_request_that_breaks_a_limit_by_itself_is_unsatisfiable(reason: str):
    assert row("PENDING", reason).state is TaskState.UNSATISFIABLE
    assert row("PENDING", reason).is_live


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "Priority",
        "Resources",
        "Dependency",
        "BeginTime",
        "JobHeldUser",
        "JobHeldAdmin",
        "PartitionDown",
        "PartitionInactive",
        "ReqNodeNotAvail, UnavailableNodes:node[1-4]",
        "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority "
        "partitions",
        "AssocMaxJobsLimit",
        "AssocGrpGRESMinutes",
        "QOSMaxJobsPerUserLimit",
        "QOSMaxCpuPerUserLimit",
        "QOSGrpNodeLimit",
    ],
)
def test_a_reason_that_others_or_an_admin_may_lift_is_waited_for(reason: str):
    assert row("PENDING", reason).state is TaskState.PENDING


def test_a_node_that_cannot_launch_is_to_blame_itself():
    assert row("FAILED", "JobLaunchFailure").state is TaskState.NODE_FAIL


def test_the_record_of_a_refused_submission_is_unsatisfiable():
    assert row("FAILED", "BadConstraints", index=None).state is TaskState.UNSATISFIABLE


def test_a_row_without_index_stands_for_the_tasks_not_listed():
    rows = [row("CANCELLED", index=None), row("COMPLETED", node="node1", index=1)]
    spelled = {found.index: found.state for found in spell_out(rows, range(3))}
    assert spelled == {
        0: TaskState.CANCELLED,
        1: TaskState.COMPLETED,
        2: TaskState.CANCELLED,
    }


@pytest.mark.parametrize(
    ("storage", "accounted"),
    [
        ("accounting_storage/slurmdbd", True),
        ("accounting_storage/none", False),
        ("(null)", False),
    ],
)
def test_the_site_tells_its_array_limit_and_whether_it_has_accounting(
    storage: str, accounted: bool
):
    text = f"AccountingStorageType   = {storage}\nMaxArraySize            = 4001\nX = y = z\n"
    assert parse_site(text) == Site(largest_array=4001, has_accounting=accounted)
