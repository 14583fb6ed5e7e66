"""When a chain of heads goes in circles; and what of one job its successor is given."""

from pathlib import Path

import pytest

from airr.cluster.head_job import carried_options, name_of_heads, parse_queue
from airr.legs import MOST_FRUITLESS, SHORT_SECONDS, Leg, end_leg, goes_in_circles, read_legs
from airr.legs import write_legs as write

SHOWN = """\
JobId=7 JobName=airr-head
   Priority=4294901759 Nice=0 Account=lab QOS=normal
   RunTime=00:00:04 TimeLimit=1-00:00:00 TimeMin=N/A
   Partition=gpu AllocNode:Sid=localhost:17123
   ReqNodeList=(null) ExcNodeList=node[3-4]
   NumNodes=1 NumCPUs=2 NumTasks=1 CPUs/Task=2 ReqB:S:C:T=0:0:*:*
   MinCPUsNode=2 MinMemoryNode=2G MinTmpDiskNode=0
   Features=(null) DelayBoot=00:00:00
   StdOut=/home/me/my runs/100%/airr-head-7.log
   Power=
"""


def legs(*, count: int, lasting: float, progress: str = "same") -> list[Leg]:
    return [
        Leg(job_id=str(n), started_at=n * 5000.0, ended_at=n * 5000.0 + lasting, progress=progress)
        for n in range(count)
    ]


def test_a_few_short_legs_without_progress_are_a_circle():
    now = Leg(job_id="9", started_at=1e6, progress="same")
    assert goes_in_circles(legs(count=MOST_FRUITLESS, lasting=1), now)
    assert not goes_in_circles(legs(count=MOST_FRUITLESS - 1, lasting=1), now)


def test_legs_that_lasted_or_moved_the_campaign_on_are_none():
    now = Leg(job_id="9", started_at=1e6, progress="same")
    assert not goes_in_circles(legs(count=MOST_FRUITLESS, lasting=SHORT_SECONDS), now)
    *before, last = legs(count=MOST_FRUITLESS, lasting=1)
    assert not goes_in_circles([*before, last], Leg(job_id="9", started_at=1e6, progress="more"))


def test_a_killed_leg_lasted_until_the_next_one_at_most():
    killed = [
        Leg(job_id=str(n), started_at=n * 20.0, progress="same") for n in range(MOST_FRUITLESS + 1)
    ]
    assert goes_in_circles(killed[:-1], killed[-1])
    late = Leg(job_id="9", started_at=1e6, progress="same")
    assert not goes_in_circles(killed[:-1], late)


def test_legs_are_kept_from_one_job_to_the_next(tmp_path: Path):
    path = tmp_path / ".heads" / "name.json"
    assert read_legs(path) == ()
    write(path, [Leg(job_id="1", started_at=1.0, progress="p")])
    end_leg(path, 2.0)
    assert read_legs(path) == (Leg(job_id="1", started_at=1.0, progress="p", ended_at=2.0),)
    path.write_text("torn")
    assert read_legs(path) == ()


def test_a_successor_is_asked_for_as_its_predecessor_was():
    assert carried_options(SHOWN) == {
        "partition": "gpu",
        "account": "lab",
        "qos": "normal",
        "time": "1-00:00:00",
        "cpus-per-task": "2",
        "mem": "2G",
        "exclude": "node[3-4]",
        "output": "/home/me/my runs/100%%/airr-head-7.log",
    }


def test_other_jobs_of_the_name_are_told_apart():
    queue = parse_queue("7|RUNNING\n8|PENDING\n5|RUNNING\n", "7")
    assert (queue.running, queue.waiting) == (("5",), ("8",))


@pytest.mark.parametrize("other", ["there/nanogpt-s1", "elsewhere/nanogpt-s0"])
def test_campaigns_have_heads_of_their_own_names(other: str, tmp_path: Path):
    here = tmp_path / "there" / "nanogpt-s0"
    assert name_of_heads([here]).startswith("airr-head-nanogpt-s0-")
    assert name_of_heads([here]) != name_of_heads([tmp_path / other])
