"""The sbatch script of an array, the allow-list, and what sbatch's refusals mean."""

from dataclasses import replace
from pathlib import Path

import pytest

from airr.cluster.job_environment import job_environment
from airr.cluster.protocol import SubmissionLimited, SubmissionUnknown
from airr.cluster.sbatch import index_ranges, refusal, script_options
from airr.cluster.slurm_settings import GpuDirective
from airr.errors import ClusterError, ConfigError
from tests.slurm.bench import PLAIN, shell_array

EIGHT = shell_array("toy-b001", Path("/runs/toy 100%"), "true", 4, gpus=8, cpus=64, memory_gb=1.5)


def test_the_name_is_guarded_by_singleton_and_nothing_is_requeued():
    options = script_options(EIGHT, PLAIN)
    assert options["job_name"] == EIGHT.name
    assert options["dependency"] == "singleton"
    assert options["no_requeue"] is True
    assert "requeue" not in options


def test_logs_carry_the_array_and_the_task_in_a_folder_whose_percent_signs_are_kept():
    assert script_options(EIGHT, PLAIN)["output"] == "/runs/toy 100%%/%A_%a.log"


def test_the_time_limit_is_the_worker_s_own_and_a_margin_rounded_up_to_minutes():
    options = script_options(replace(EIGHT, seconds=1500), replace(PLAIN, time_margin=301))
    assert options["time"] == 31
    assert options["signal"] == "B:USR1@150"


@pytest.mark.parametrize(
    ("directive", "gres", "options"),
    [
        (GpuDirective.GRES, "gpu", {"gres": "gpu:8"}),
        (GpuDirective.GRES, "gpu:h100", {"gres": "gpu:h100:8"}),
        (GpuDirective.GPUS_PER_NODE, "gpu", {"gpus_per_node": 8}),
        (GpuDirective.GPUS_PER_NODE, "gpu:h100", {"gpus_per_node": "h100:8"}),
        (GpuDirective.NONE, "gpu", {}),
    ],
)
def test_gpus_are_asked_for_as_the_site_wants(
    directive: GpuDirective, gres: str, options: dict[str, object]
):
    found = script_options(EIGHT, replace(PLAIN, gpu_directive=directive, gres=gres))
    assert {name: found[name] for name in ("gres", "gpus_per_node") if name in found} == options


@pytest.mark.parametrize(
    ("mem", "options"),
    [("environment", {"mem": "1536M"}), ("0", {"mem": "0"}), ("none", {})],
)
def test_memory_is_the_environment_s_or_the_site_s_or_not_asked_for(
    mem: str, options: dict[str, str]
):
    found = script_options(EIGHT, replace(PLAIN, mem=mem))
    assert {name: found[name] for name in ("mem",) if name in found} == options


def test_max_nodes_bounds_the_tasks_that_run_at_once():
    wide = replace(EIGHT, nodes=2)
    assert script_options(wide, replace(PLAIN, max_nodes=6))["array"] == "0-3%3"
    assert script_options(wide, replace(PLAIN, max_nodes=1))["array"] == "0-3%1"
    assert script_options(wide, PLAIN)["array"] == "0-3%4"


def test_bad_nodes_join_those_that_the_site_excludes():
    array = replace(EIGHT, exclude_nodes=("node3", "node[5-6]"))
    assert script_options(array, replace(PLAIN, exclude="old[1-9]"))["exclude"] == (
        "old[1-9],node3,node[5-6]"
    )
    assert script_options(EIGHT, PLAIN)["exclude"] is None


def test_extra_options_pass_through_and_false_leaves_one_out():
    extra: dict[str, str | int | bool] = {"exclusive": True, "tmp": "9G", "overcommit": False}
    options = script_options(EIGHT, replace(PLAIN, extra=extra))
    assert options["exclusive"] is True
    assert options["tmp"] == "9G"
    assert "overcommit" not in options


@pytest.mark.parametrize("name", ["job-name", "array", "dependency", "export", "no_requeue"])
def test_extra_options_cannot_take_away_what_the_promises_rest_on(name: str):
    with pytest.raises(ConfigError, match=name.replace("-", "_")):
        script_options(EIGHT, replace(PLAIN, extra={name: "x"}))


@pytest.mark.parametrize(
    ("indices", "ranges"),
    [((0,), "0"), ((0, 1, 2), "0-2"), ((0, 2, 3, 4, 9), "0,2-4,9"), ((5, 7), "5,7")],
)
def test_indices_are_written_as_ranges(indices: tuple[int, ...], ranges: str):
    assert index_ranges(indices) == ranges


def test_keys_and_the_marks_of_another_job_stay_behind():
    shell = {
        "PATH": "/bin",
        "LC_ALL": "C",
        "SLURM_CONF": "/etc/slurm.conf",
        "ANTHROPIC_API_KEY": "secret",
        "WANDB_API_KEY": "secret",
        "HF_TOKEN": "secret",
        "https_proxy": "http://user:secret@proxy",
        "SLURM_JOB_ID": "7",
        "SBATCH_PARTITION": "wrong",
        "PMIX_RANK": "0",
    }
    assert job_environment(shell).keys() == {"PATH", "LC_ALL", "SLURM_CONF"}
    assert "WANDB_API_KEY" in job_environment(shell, ["WANDB_API_KEY"])


SUBMIT = "sbatch: error: Batch job submission failed: "


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("sbatch: error: invalid partition specified: nope", "cluster.partition"),
        (
            SUBMIT + "Invalid account or account/partition combination specified",
            "cluster.account",
        ),
        (SUBMIT + "Invalid qos specification", "cluster.qos"),
        (SUBMIT + "Invalid feature specification", "cluster.constraint"),
        ("sbatch: error: Invalid generic resource (gres) specification", "cluster.gres"),
        (SUBMIT + "Requested node configuration is not available", "env.gpus"),
        (SUBMIT + "Requested time limit is invalid (missing or exceeds some limit)", "budget"),
        (SUBMIT + "Invalid job array specification", "MaxArraySize"),
        (SUBMIT + "Requested reservation is invalid", "cluster.reservation"),
        (SUBMIT + "Invalid node name specified", "cluster.exclude"),
        ("sbatch: unrecognized option '--foo'", "cluster.extra"),
        (
            "sbatch: error: QOSMaxWallDurationPerJobLimit / " + SUBMIT + "Job violates "
            "accounting/QOS policy (job submit limit, user's size and/or time limits)",
            "cluster.qos",
        ),
    ],
)
def test_a_certain_refusal_says_what_to_change(said: str, remedy: str):
    error = refusal("toy-b001", said)
    assert isinstance(error, ClusterError)
    assert remedy in str(error)
    assert said in str(error)


@pytest.mark.parametrize(
    "limit",
    ["QOSMaxSubmitJobPerUserLimit", "AssocMaxSubmitJobLimit", "AssocGrpSubmitJobsLimit"],
)
def test_a_submit_limit_is_no_refusal(limit: str):
    said = f"sbatch: error: {limit} / {SUBMIT}Job violates accounting/QOS policy (job submit limit)"
    assert isinstance(refusal("toy-b001", said), SubmissionLimited)


@pytest.mark.parametrize(
    "said",
    [
        SUBMIT + "Socket timed out on send/recv operation",
        SUBMIT + "Unable to contact slurm controller (connect failure)",
        SUBMIT + "Required partition not available (inactive or drain)",
        SUBMIT + "Something that Slurm 31 invented",
        "sbatch: warning: partition gpu is busy / " + SUBMIT + "Socket timed out",
        "",
    ],
)
def test_weather_and_riddles_leave_the_outcome_unknown(said: str):
    assert isinstance(refusal("toy-b001", said), SubmissionUnknown)
