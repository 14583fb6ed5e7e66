"""What a site says of itself, as Slurm 21.08 to 22.05 prints it, against what a run asks for."""

from dataclasses import replace
from pathlib import Path

import pytest

from airr.checks.finding import Verdict
from airr.checks.site_facts import (
    Controller,
    Node,
    parse_associations,
    parse_controller,
    parse_minutes,
    parse_nodes,
    parse_partitions,
    parse_qos_limits,
    parse_version,
)
from airr.checks.site_rules import (
    NEEDED,
    Needs,
    choose_partitions,
    judge_accounting,
    judge_commands,
    judge_limits,
    judge_nodes,
    judge_preemption,
    judge_request,
    judge_time,
    needs_of,
)
from airr.cluster.command import Answer
from airr.cluster.protocol import JobArray
from airr.cluster.slurm_settings import GpuDirective
from tests.slurm.bench import PLAIN

PARTITIONS = """\
PartitionName=gpu AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL AllocNodes=ALL Default=YES QoS=N/A DefaultTime=01:00:00 DisableRootJobs=NO ExclusiveUser=NO GraceTime=0 Hidden=NO MaxNodes=UNLIMITED MaxTime=7-00:00:00 MinNodes=0 LLN=NO MaxCPUsPerNode=UNLIMITED Nodes=node[1-4] PriorityJobFactor=1 PriorityTier=10 RootOnly=NO ReqResv=NO OverSubscribe=NO OverTimeLimit=NONE PreemptMode=OFF State=UP TotalCPUs=64 TotalNodes=4 SelectTypeParameters=NONE JobDefaults=(null) DefMemPerNode=UNLIMITED MaxMemPerNode=UNLIMITED TRES=cpu=64,mem=250G,node=4,billing=64,gres/gpu=32
PartitionName=debug AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL AllocNodes=ALL Default=NO QoS=N/A DefaultTime=NONE DisableRootJobs=NO ExclusiveUser=NO GraceTime=0 Hidden=NO MaxNodes=1 MaxTime=00:10:00 MinNodes=0 LLN=NO MaxCPUsPerNode=UNLIMITED Nodes=node[1-4] PriorityJobFactor=1 PriorityTier=10 RootOnly=NO ReqResv=NO OverSubscribe=NO OverTimeLimit=NONE PreemptMode=GANG,SUSPEND State=DRAIN TotalCPUs=64 TotalNodes=4 SelectTypeParameters=NONE DefMemPerNode=UNLIMITED MaxMemPerNode=UNLIMITED
PartitionName=scavenger AllowGroups=ALL Default=NO QoS=scavenge MaxTime=UNLIMITED PreemptMode=REQUEUE State=UP
"""  # noqa: E501 - as scontrol prints it

CONFIG = """\
Configuration data as of 2026-11-25T07:15:04
AccountingStorageType   = accounting_storage/slurmdbd
ClusterName             = virtual
MaxArraySize            = 1001
MinJobAge               = 300 sec
PowerPlugin             =
PreemptMode             = REQUEUE
PreemptType             = preempt/partition_prio
SLURM_VERSION           = 21.08.8-2

Slurmctld(primary) at head is UP
"""

NODES = """\
gpu|node1|mixed|64|512000|gpu:a100:4(S:0-1),shard:16
gpu|node2|idle~|64|512000|gpu:a100:4(S:0-1)
gpu|node3|down*|64|512000|gpu:a100:4
gpu|node4|drained|96|1024000+|gpu:h100:8,nvme:1
gpu|node5|idle*|64|512000|gpu:a100:4
"""

NEEDS = Needs(env="mine", nodes=1, gpus=4, cpus=32, memory_mb=262144, minutes=36, resource="gpu")


def test_releases_are_read_from_both_forms_of_the_version():
    assert parse_version("slurm 21.08.8-2") == (21, 8)
    assert parse_version("slurm-wlm 22.05.8") == (22, 5)
    assert parse_version("PBS 1.0") is None


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("7-00:00:00", 10080), ("00:10:30", 10.5), ("UNLIMITED", None), ("1-12:00:00", 2160)],
)
def test_times_are_read_in_minutes(text: str, minutes: float | None):
    assert parse_minutes(text) == minutes


def test_a_configuration_is_read_though_some_of_its_values_are_empty():
    assert parse_controller(CONFIG) == Controller(
        cluster="virtual",
        largest_array=1001,
        has_accounting=True,
        remembers_seconds=300,
        preempts=True,
        preempt_mode="REQUEUE",
    )


def test_gpus_are_counted_by_name_and_by_type():
    first, _, _, last, _ = parse_nodes(NODES)
    assert [first.gpus(name) for name in ("gpu", "gpu:a100", "gpu:h100", "shard")] == [4, 4, 0, 16]
    assert (last.gpus("gpu"), last.memory_mb) == (8, 1024000)


def test_nodes_that_are_down_or_silent_take_no_jobs_and_those_asleep_do():
    assert [node.takes_jobs for node in parse_nodes(NODES)] == [True, True, False, False, False]


def test_a_missing_command_is_named():
    finding = judge_commands([name for name in NEEDED if name != "scancel"], (22, 5))
    assert finding.verdict is Verdict.FAILED
    assert finding.found == "scancel not on PATH"


def test_an_old_release_is_a_warning():
    assert judge_commands(NEEDED, (20, 11)).verdict is Verdict.WARNING
    assert judge_commands(NEEDED, (21, 8)).verdict is Verdict.OK


def test_the_default_partition_is_chosen_where_none_is_named():
    chosen, finding = choose_partitions(parse_partitions(PARTITIONS), None)
    assert [one.name for one in chosen] == ["gpu"]
    assert finding.verdict is Verdict.OK


def test_a_partition_that_is_not_there_is_named_with_those_that_are():
    chosen, finding = choose_partitions(parse_partitions(PARTITIONS), "gpu,nope")
    assert not chosen
    assert finding.found == "there is no partition nope"
    assert finding.remedy == "set cluster.partition to one of gpu, debug, scavenger"


def test_a_partition_that_is_closed_is_told():
    _, finding = choose_partitions(parse_partitions(PARTITIONS), "debug")
    assert finding.verdict is Verdict.FAILED
    assert "'debug' is drain" in finding.found


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"gpus": 16}, "env 'mine' asks for 16 GPUs per node; partition 'gpu' offers 8"),
        (
            {"gpus": 8, "resource": "gpu:a100"},
            "env 'mine' asks for 8 GPUs per node ('gpu:a100'); partition 'gpu' offers 4",
        ),
        ({"cpus": 128}, "env 'mine' asks for 128 CPUs per node; partition 'gpu' offers 96"),
        (
            {"memory_mb": 2000000},
            "env 'mine' asks for 2000000 MB of memory per node; partition 'gpu' offers 1024000",
        ),
        ({"gpus": 8}, "0 of 1 nodes that fit take jobs (1 drained); a run takes 1"),
        ({"nodes": 3}, "2 of 5 nodes that fit take jobs"),
        (
            {"resource": "gpu:a100", "cpus": 96},
            "no single node of partition 'gpu' has all that env 'mine' asks for",
        ),
    ],
)
def test_what_nodes_lack_is_told_in_numbers(changes: dict[str, int | str], found: str):
    finding = judge_nodes(parse_nodes(NODES), replace(NEEDS, **changes), "gpu")  # type: ignore[arg-type]
    assert finding.verdict is Verdict.FAILED
    assert finding.found.startswith(found)


def test_nodes_that_fit_are_counted():
    finding = judge_nodes(parse_nodes(NODES), NEEDS, "gpu")
    assert finding.verdict is Verdict.OK
    assert finding.found.startswith("5 of 5 nodes offer 4 GPUs, 32 CPUs")


def test_a_run_longer_than_the_partition_allows_is_told_in_minutes():
    gpu, debug, scavenger = parse_partitions(PARTITIONS)
    finding = judge_time([debug], NEEDS)
    assert finding.verdict is Verdict.FAILED
    assert "asks for 36 minutes; partition 'debug' allows 10" in finding.found
    assert judge_time([debug, scavenger], NEEDS).verdict is Verdict.OK
    assert judge_time([gpu], NEEDS).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("complaint", "verdict", "said"),
    [
        (
            "allocation failure: Invalid qos specification",
            Verdict.FAILED,
            "set cluster.qos to one that your account has",
        ),
        (
            "allocation failure: Invalid account or account/partition combination specified",
            Verdict.FAILED,
            "set cluster.account",
        ),
        ("sbatch: error: Unable to contact slurm controller", Verdict.WARNING, "try again later"),
        (
            "allocation failure: Job violates accounting/QOS policy (QOSMaxSubmitJobPerUserLimit)",
            Verdict.WARNING,
            "airr waits",
        ),
    ],
)
def test_a_refusal_comes_with_its_remedy(complaint: str, verdict: Verdict, said: str):
    finding = judge_request("probe", Answer(succeeded=False, stdout="", stderr=complaint))
    assert finding.verdict is verdict
    assert said in finding.remedy
    assert "allocation failure" not in finding.found


@pytest.mark.parametrize(
    ("account", "qos", "partition", "said"),
    [
        ("lab", "normal", "gpu", "account lab holds 200 jobs of yours at once"),
        ("lab", "short", "gpu", "QOS short holds 4 jobs of yours at once"),
        ("other", None, "gpu", "QOS small holds 9 jobs of yours at once"),
        ("lab", None, "scavenger", "QOS scavenge holds 50 jobs of yours at once"),
        (None, "normal", "gpu", "account other holds 60 jobs of yours at once"),
        ("free", "normal", "gpu", "no bound on your jobs is stated"),
    ],
)
def test_the_limit_that_counts_is_that_of_account_qos_or_partition(
    account: str | None, qos: str | None, partition: str, said: str
):
    associations = parse_associations("lab|200|normal\nother|60|small\nfree||\n")
    limits = parse_qos_limits("normal|\nshort|4\nsmall|9\nscavenge|50\n")
    partitions = [one for one in parse_partitions(PARTITIONS) if one.name == partition]
    settings = replace(PLAIN, account=account, qos=qos)
    finding = judge_limits(parse_controller(CONFIG), partitions, associations, limits, settings)
    assert (finding.verdict, said in finding.found) == (Verdict.OK, True), finding
    assert "below 1001" in finding.found


def test_a_limit_of_no_jobs_at_all_fails():
    none = parse_associations("lab|0|normal\n")
    assert judge_limits(parse_controller(CONFIG), [], none, {}, PLAIN).verdict is Verdict.FAILED


def test_a_site_without_accounting_is_a_warning():
    controller = parse_controller(CONFIG)
    silent = Answer(succeeded=False, stdout="", stderr="sacct: error: slurmdbd is down")
    assert judge_accounting(controller, None).verdict is Verdict.WARNING
    assert judge_accounting(controller, silent).verdict is Verdict.WARNING
    answers = Answer(succeeded=True, stdout="", stderr="")
    assert judge_accounting(controller, answers).verdict is Verdict.OK


def test_suspension_is_a_warning_and_requeueing_is_not():
    controller, (gpu, debug, scavenger) = parse_controller(CONFIG), parse_partitions(PARTITIONS)
    verdicts = [
        judge_preemption(controller, [one], PLAIN).verdict for one in (gpu, debug, scavenger)
    ]
    assert verdicts == [Verdict.OK, Verdict.WARNING, Verdict.OK]
    assert (
        "(requeue): airr puts them back" in judge_preemption(controller, [scavenger], PLAIN).found
    )


def test_needs_are_those_of_the_script_that_is_submitted():
    array = JobArray(
        name="x",
        folder=Path("/x"),
        indices=(0,),
        command=("true",),
        nodes=2,
        gpus=8,
        cpus=64,
        memory_gb=256,
        seconds=1860,
    )
    needs = needs_of("mine", array, replace(PLAIN, gres="gpu:h100"))
    assert (needs.nodes, needs.gpus, needs.cpus, needs.minutes) == (2, 8, 64, 32)
    assert (needs.memory_mb, needs.resource) == (262144, "gpu:h100")
    whole = needs_of("mine", array, replace(PLAIN, gpu_directive=GpuDirective.NONE))
    assert whole.gpus == 0, "a partition of whole nodes need not list its GPUs"
    for mem, megabytes in (("480G", 491520), ("0", None), ("none", None), ("2000", 2000)):
        assert needs_of("mine", array, replace(PLAIN, mem=mem)).memory_mb == megabytes


def test_a_node_may_be_in_several_states_and_partitions():
    (node,) = parse_nodes("gpu*|node1|maint$|8|1000|(null)\n")
    assert node == Node(
        partition="gpu*", name="node1", state="maint$", cpus=8, memory_mb=1000, gres="(null)"
    )
    assert not node.takes_jobs
    assert node.gpus("gpu") == 0
