"""Outcomes and reports of nodes -> findings: one case for each way in which they can end."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airr.checks.candidates import Candidate, Expected
from airr.checks.finding import Finding, Verdict
from airr.checks.node import Heard, Unheard
from airr.checks.node_rules import Expected as ExpectedNode
from airr.checks.node_rules import judge_report, judge_silence
from airr.checks.probe import secrets_in
from airr.checks.probe_report import ProbeReport, StepSeen, TorchSeen
from airr.checks.self_test_rules import judge_baseline, judge_candidate, judge_seeds
from airr.cluster.protocol import TaskState, TaskStatus
from airr.records import BASELINE, Outcome, Reason, Stage
from tests.builders import BASELINE_SCORE, LOSS, failed, scored
from tests.envs import nanogpt

OTHER_SEED = scored(BASELINE, 2.01, repeat=1)

HONEST = ProbeReport(
    node="node1",
    job_id="7",
    written_at=100.0,
    token_sha256="abc",
    rename_trouble="",
    unseen_folders=(),
    step=StepSeen(nodes=("node1",)),
    airr_version="1.0",
    python_version="3.11.7",
    torch=TorchSeen(version="2.13", gpus=("H100 80 GB",) * 8, seconds=3.0),
    torch_in_sandbox=TorchSeen(version="2.13", gpus=("H100 80 GB",) * 8, seconds=3.0),
    has_sandbox=True,
    scratch="/tmp/airr-0/check",
    scratch_trouble="",
    scratch_free_bytes=int(1e12),
    cpus=64,
    memory_bytes=int(256e9),
    secrets=(),
)
EXPECTED = ExpectedNode(
    root="/lustre/runs",
    folders=("/d", "/e"),
    nodes=1,
    airr_version="1.0",
    sandbox="bubblewrap",
    gpus=8,
    cpus=64,
    memory_gb=256,
    disk_gb=32,
    passed_on=(),
)


def judged(expected: Expected, outcome: Outcome) -> Finding:
    candidate = Candidate(name="it", what="a patch", answer="", expected=expected)
    return judge_candidate(candidate, outcome, BASELINE_SCORE, OTHER_SEED, LOSS)


@pytest.mark.parametrize(
    ("expected", "outcome", "verdict", "said"),
    [
        (Expected.SAME, scored("it", 2.0), Verdict.OK, "to the last digit"),
        (Expected.SAME, scored("it", 2.02), Verdict.OK, "within two standard errors"),
        (Expected.SAME, scored("it", 2.05), Verdict.FAILED, "0.0500 from the baseline"),
        (
            Expected.SAME,
            scored("it", 2.01, standard_error=None),
            Verdict.WARNING,
            "one seed differ",
        ),
        (Expected.SAME, scored("it", 2.5, standard_error=None), Verdict.FAILED, "0.5000 from"),
        (Expected.SAME, failed("it", Reason.CRASH), Verdict.FAILED, "crash while train"),
        (Expected.NOTHING, failed("it", Reason.NO_CHECKPOINT), Verdict.OK, "no_checkpoint"),
        (Expected.NOTHING, failed("it", Reason.CRASH), Verdict.WARNING, "where no_checkpoint"),
        (Expected.NOTHING, scored("it", 2.0), Verdict.FAILED, "scored 2.0000"),
        (Expected.NO_GAIN, failed("it", Reason.NOT_CAUSAL), Verdict.OK, "not_causal while train"),
        (Expected.NO_GAIN, scored("it", 3.0), Verdict.OK, "a gain of -1.0000"),
        (Expected.NO_GAIN, scored("it", 1.98), Verdict.OK, "which is noise"),
        (Expected.NO_GAIN, scored("it", 1.9), Verdict.FAILED, "a gain of +0.1000"),
        (Expected.NO_GAIN, scored("it", 1.99, standard_error=None), Verdict.FAILED, "+0.0100"),
        (Expected.NO_GAIN, failed("it", Reason.NO_PATCH), Verdict.WARNING, "not tried"),
        (Expected.NO_GAIN, failed("it", Reason.NODE_FAIL), Verdict.WARNING, "not tried"),
        (Expected.NOTHING, failed("it", Reason.CANCELLED), Verdict.WARNING, "not tried"),
    ],
)
def test_a_candidate_is_judged_by_what_is_known_of_it(
    expected: Expected, outcome: Outcome, verdict: Verdict, said: str
):
    finding = judged(expected, outcome)
    assert (finding.verdict, said in finding.found) == (verdict, True), finding
    assert bool(finding.remedy) is (verdict is not Verdict.OK)


def test_a_noisy_environment_is_a_warning_where_seeds_lie_further_apart():
    far = scored(BASELINE, 2.1, repeat=1)
    candidate = Candidate(name="it", what="a patch", answer="", expected=Expected.SAME)
    finding = judge_candidate(candidate, scored("it", 2.05), BASELINE_SCORE, far, LOSS)
    assert finding.verdict is Verdict.WARNING


def test_the_baseline_and_its_second_seed_are_judged():
    env = nanogpt.settings()
    crash = failed(BASELINE, Reason.CRASH, stage=Stage.TRAIN, detail="Traceback\n  x\nKeyError: y")
    assert judge_baseline(crash, env).found == "crash while train: Traceback ... KeyError: y"
    assert judge_baseline(BASELINE_SCORE, env).verdict is Verdict.OK
    assert judge_seeds(BASELINE_SCORE, OTHER_SEED).verdict is Verdict.OK
    assert judge_seeds(BASELINE_SCORE, crash).verdict is Verdict.FAILED
    same = judge_seeds(BASELINE_SCORE, replace(BASELINE_SCORE, repeat=1))
    assert (same.verdict, "the very same score" in same.found) == (Verdict.WARNING, True)


def node(report: dict[str, Any], expected: dict[str, Any], **heard: Any) -> dict[str, Finding]:
    times = {"seen_at": 100.5, "echoed_at": 101.0} | heard
    answer = Heard(report=replace(HONEST, **report), token_sha256="abc", **times)
    return {one.name: one for one in judge_report(answer, replace(EXPECTED, **expected))}


def test_a_node_with_all_that_a_run_asks_for_is_fine():
    found = node({}, {})
    assert {one.verdict for one in found.values()} == {Verdict.OK}
    assert found["shared folder"].found.endswith("a new file is seen after 0.5 s")
    assert found["clock"].found == "node1 is 0.0 s ahead of this machine (± 0.5 s)"
    assert found["torch"].found == "torch 2.13 sees 8 GPUs (H100 80 GB); imported in 3 s"


@pytest.mark.parametrize(
    ("name", "report", "verdict", "said"),
    [
        ("shared folder", {"token_sha256": "x"}, Verdict.FAILED, "otherwise than it was written"),
        ("shared folder", {"rename_trouble": "EXDEV"}, Verdict.FAILED, "cannot replace a file"),
        ("data", {"unseen_folders": ("/d",)}, Verdict.FAILED, "here, but not on node1: /d"),
        ("step", {"step": StepSeen(trouble="no")}, Verdict.FAILED, "srun starts none: no"),
        ("step", {"step": StepSeen()}, Verdict.FAILED, "of 1 nodes, 0 see /lustre/runs"),
        ("python", {"airr_version": "0.9"}, Verdict.FAILED, "airr 0.9; here it is airr 1.0"),
        ("torch", {"torch": TorchSeen(trouble="No module")}, Verdict.FAILED, "No module"),
        (
            "torch",
            {"torch": TorchSeen(version="2.13+cpu")},
            Verdict.FAILED,
            "sees 0 GPUs; imported in 0 s; a job asks for 8",
        ),
        ("sandbox", {"has_sandbox": False}, Verdict.FAILED, "does not work on node1"),
        (
            "sandbox",
            {"torch_in_sandbox": TorchSeen(trouble="no libcuda")},
            Verdict.FAILED,
            "torch does not start within: no libcuda",
        ),
        ("scratch", {"scratch_trouble": "read-only"}, Verdict.FAILED, "read-only"),
        ("scratch", {"scratch_free_bytes": 10**9}, Verdict.WARNING, "1 GB free; a run may fill 32"),
        ("cpus", {"cpus": 4}, Verdict.WARNING, "may use 4; a job asks for 64"),
        ("memory", {"memory_bytes": 10**9}, Verdict.WARNING, "may use 1 GB; a job asks for 256 GB"),
        ("secrets", {"secrets": ("MY_TOKEN",)}, Verdict.FAILED, "reached the job: MY_TOKEN"),
    ],
)
def test_what_a_node_lacks_is_told_with_its_remedy(
    name: str, report: dict[str, Any], verdict: Verdict, said: str
):
    finding = node(report, {})[name]
    assert (finding.verdict, said in finding.found) == (verdict, True), finding
    assert finding.remedy


def test_a_key_that_is_passed_on_by_name_is_the_users_own_choice():
    finding = node({"secrets": ("HF_TOKEN",)}, {"passed_on": ("HF_TOKEN",)})["secrets"]
    assert (finding.verdict, "HF_TOKEN" in finding.found) == (Verdict.OK, True)


def test_data_that_is_nowhere_is_no_fault_of_the_node():
    assert node({"unseen_folders": ("/not/made",)}, {})["data"].verdict is Verdict.OK


def test_where_no_gpu_is_asked_for_a_missing_torch_is_a_warning():
    none = TorchSeen(trouble="No module named 'torch'")
    found = node({"torch": none, "torch_in_sandbox": none}, {"gpus": 0})
    assert found["torch"].verdict is Verdict.WARNING
    assert found["sandbox"].verdict is Verdict.OK
    assert "torch was not tried within it" in found["sandbox"].found


def test_no_sandbox_on_request_is_a_warning():
    finding = node({"has_sandbox": False}, {"sandbox": "none"})["sandbox"]
    assert finding.verdict is Verdict.WARNING
    assert "with all your rights" in finding.found


@pytest.mark.parametrize(
    ("seen_at", "verdict"), [(100.5, Verdict.OK), (106.0, Verdict.OK), (110.0, Verdict.WARNING)]
)
def test_clocks_are_compared_as_closely_as_files_travel(seen_at: float, verdict: Verdict):
    assert node({}, {}, seen_at=seen_at, echoed_at=101.0)["clock"].verdict is verdict


def test_a_slow_or_blind_folder_is_a_warning():
    blind = node({}, {}, echoed_at=None)
    assert {blind[name].verdict for name in ("shared folder", "clock")} == {Verdict.WARNING}
    slow = node({}, {}, seen_at=180.0, echoed_at=260.0)
    assert slow["shared folder"].found.endswith("a new file is seen after 80.0 s")
    assert slow["shared folder"].verdict is Verdict.WARNING


@pytest.mark.parametrize(
    ("state", "log", "name", "verdict"),
    [
        (TaskState.PENDING, "", "probe", Verdict.WARNING),
        (TaskState.UNSATISFIABLE, "", "probe", Verdict.FAILED),
        (TaskState.RUNNING, "", "probe", Verdict.FAILED),
        (TaskState.NODE_FAIL, "", "probe", Verdict.WARNING),
        (TaskState.CANCELLED, "", "probe", Verdict.WARNING),
        (TaskState.FAILED, "", "shared folder", Verdict.FAILED),
        (TaskState.FAILED, "No module named airr", "python", Verdict.FAILED),
    ],
)
def test_silence_is_explained_by_what_the_scheduler_says(
    state: TaskState, log: str, name: str, verdict: Verdict
):
    last = TaskStatus(state=state, node="node3", detail="Resources")
    unheard = Unheard(last=last, waited_seconds=300, folder=Path("/x"), log=log)
    finding = judge_silence(unheard, "/lustre/runs")
    assert (finding.name, finding.verdict) == (name, verdict)
    assert finding.remedy
    assert log in finding.found


def test_a_report_survives_its_journey():
    assert ProbeReport.from_json(HONEST.to_json()) == HONEST
    bare = replace(HONEST, torch_in_sandbox=None, step=None)
    assert ProbeReport.from_json(bare.to_json()) == bare


def test_secrets_are_known_by_their_names():
    secret = (
        "ANTHROPIC_API_KEY",
        "WANDB_API_KEY",
        "GH_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "DB_PASSWORD",
        "DEPLOY_KEY",
    )
    harmless = ("PATH", "KEYBOARD", "XKB_KEYMAP", "TOKENIZERS_PARALLELISM", "SLURM_JOB_ID")
    assert secrets_in([*secret, *harmless]) == tuple(sorted(secret))
