"""What Slurm's commands print, and what stands between them and us: wrappers, banners, old ones."""

from __future__ import annotations

import json

from airr.checks.site_facts import (
    parse_associations,
    parse_controller,
    parse_minutes,
    parse_nodes,
    parse_partitions,
    parse_qos_limits,
    parse_version,
)
from airr.cluster import head_job, queue
from airr.cluster.sacct import parse_sacct
from airr.cluster.sbatch import refusal
from airr.cluster.slurm import parse_site
from airr.cluster.slurm_states import Row, spell_out
from airr.cluster.squeue import ids_of, parse_squeue
from airr.cluster.submission import complaint_in
from airr.cluster.twins import split_twins
from airr.errors import ClusterError
from tests.fuzz.target import Target

CONFIG = (
    b"Configuration data as of 2026-11-28T13:00:00\nAccountingStorageType   = "
    b"accounting_storage/slurmdbd\nClusterName             = toy\nMaxArraySize            = 1001\n"
    b"MinJobAge               = 300 sec\nPreemptMode             = OFF\nPreemptType             = "
    b"preempt/none\n"
)
SHOWN_JOB = (
    b"JobId=7 JobName=airr-head\n   UserId=u(1000) Account=lab QOS=normal\n   Partition=cpu "
    b"TimeLimit=1-00:00:00 CPUs/Task=2 MinMemoryNode=4G Features=(null)\n   StdOut=/home/u/%j.log\n"
)
PARTITION = (
    b"PartitionName=gpu AllowGroups=ALL Default=YES QoS=N/A MaxTime=1-00:00:00 State=UP "
    b"PreemptMode=OFF TRES=cpu=8,mem=32G\n"
)
NODES = b"gpu|n1|idle|64|515000|gpu:h100:8(S:0-1)\ngpu|n2|drained*|64+|515000+|(null)\n"
NAME = "airr-abc-0001"


def _text(data: bytes) -> str:
    return data.decode(errors="replace")  # as run_command does


def _settled(rows: tuple[Row, ...]) -> None:
    """Do with rows what a survey does."""
    spelt = [*spell_out([row for row in rows if row.name == NAME], range(4))]
    kept, _ = split_twins(rows)
    assert len(kept) <= len(rows)
    for row in spelt:
        row.status()
    ids_of(rows, {row.name: {0, 1} for row in rows})


def _queue(data: bytes) -> None:
    queue.describe(queue.parse_queue(_text(data)))


def _controller(data: bytes) -> None:
    for parse in (parse_site, parse_controller):
        parse(_text(data))


def _accounts(data: bytes) -> None:
    parse_associations(_text(data))
    parse_qos_limits(_text(data))


def _nodes(data: bytes) -> None:
    for node in parse_nodes(_text(data)):
        assert node.gpus("gpu:h100") <= node.gpus("gpu")


TARGETS = (
    Target(
        name="squeue",
        reads=(
            "airr.cluster.squeue.parse_squeue",
            "airr.cluster.slurm_states.spell_out",
            "airr.cluster.twins.split_twins",
        ),
        read=lambda data: _settled(parse_squeue(_text(data))),
        seeds=lambda: (
            b"7|0|RUNNING|n1|airr-abc-0001|None\n7|1|PENDING||airr-abc-0001|Resources\n"
            b"9|N/A|CANCELLED||airr-abc-0001|BadConstraints\n",
        ),
        words=(b"|", b"7|0|", b"|PENDING|", b"QOSMaxWallPerJobLimit", b"airr-abc-0001"),
    ),
    Target(
        name="sacct",
        reads=("airr.cluster.sacct.parse_sacct",),
        read=lambda data: _settled(parse_sacct(_text(data))),
        seeds=lambda: (
            b"7_3|FAILED|n1|1:0|airr-abc-0001\n7_[4-9%2]|CANCELLED by 0|None assigned|0:0|"
            b"airr-abc-0001\n8_[1,3,5-9:2]|TIMEOUT|n2|0:0|airr-abc-0001\n",
        ),
        words=(b"_[0-4294967294]", b"7_[0-9:0]", b",1-9", b"|FAILED|n|1:0|", b"%4]"),
    ),
    Target(
        name="queue",
        reads=("airr.cluster.queue.parse_queue",),
        read=_queue,
        seeds=lambda: (
            b"airr-abc-0001|RUNNING|n1|2026-11-28T10:00:00|None\n"
            b"airr-abc-0001|PENDING||N/A|Priority\nairr-abc-0001|PENDING||2026-11-29T10:00:00|x\n",
        ),
        words=(b"|PENDING||", b"0001-01-01T00:00:00", b"9999-12-31T23:59:59", b"|", b"+14:00"),
    ),
    Target(
        name="head_queue",
        reads=("airr.cluster.head_job.parse_queue",),
        read=lambda data: head_job.parse_queue(_text(data), "7"),
        seeds=lambda: (b"7|RUNNING\n8|PENDING\n",),
        words=(b"|", b"|PENDING\n", b"Welcome to the cluster\n"),
    ),
    Target(
        name="scontrol_job",
        reads=("airr.cluster.head_job.carried_options",),
        read=lambda data: head_job.carried_options(_text(data)),
        seeds=lambda: (SHOWN_JOB,),
        words=(b"=", b" ", b"StdOut=", b"(null)", b"%"),
    ),
    Target(
        name="scontrol_config",
        reads=("airr.cluster.slurm.parse_site", "airr.checks.site_facts.parse_controller"),
        read=_controller,
        seeds=lambda: (CONFIG,),
        refusals=(ClusterError,),
        words=(b" = ", b"MaxArraySize", b"sec", b"ClusterName = x\n"),
    ),
    Target(
        name="scontrol_partition",
        reads=("airr.checks.site_facts.parse_partitions", "airr.checks.site_facts.parse_minutes"),
        read=lambda data: (parse_partitions(_text(data)), parse_minutes(_text(data))),
        seeds=lambda: (PARTITION, PARTITION * 2, b"1-02:03:04"),
        words=(b"PartitionName=", b"MaxTime=UNLIMITED", b" ", b"="),
    ),
    Target(
        name="sinfo",
        reads=("airr.checks.site_facts.parse_nodes",),
        read=_nodes,
        seeds=lambda: (NODES,),
        words=(b"|", b"gpu:1(", b",gpu:2", b"(S:0)", b"+"),
    ),
    Target(
        name="sacctmgr",
        reads=(
            "airr.checks.site_facts.parse_associations",
            "airr.checks.site_facts.parse_qos_limits",
        ),
        read=_accounts,
        seeds=lambda: (b"lab|100|normal\nother||\n", b"normal|10\nlong|\n"),
        words=(b"|", b"\n"),
    ),
    Target(
        name="sbatch_version",
        reads=("airr.checks.site_facts.parse_version",),
        read=lambda data: parse_version(_text(data)),
        seeds=lambda: (b"slurm 23.11.4\n", b"slurm-wlm 22.05.8"),
        words=(b"slurm ", b"slurm-", b"."),
    ),
    Target(
        name="submission",
        reads=("airr.cluster.submission.complaint_in",),
        read=lambda data: refusal(NAME, complaint_in(_text(data)) or ""),
        seeds=lambda: (
            json.dumps({"job_id": "7"}).encode(),
            json.dumps({"complaint": "sbatch: error: x\ny"}).encode(),
        ),
        refusals=(ValueError,),
    ),
)
