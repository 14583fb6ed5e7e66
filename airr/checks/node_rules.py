"""What the probe told, or that it told nothing -> findings. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from airr.checks.finding import Finding, failed, ok, warning
from airr.checks.node import Heard, Unheard
from airr.checks.probe_report import ProbeReport, StepSeen
from airr.cluster.protocol import TaskState

SLOW_SECONDS = 60.0
"""Above this a new file of a node takes longer than NFS's own caches explain."""
SKEW_SECONDS = 5.0
TROUBLED = {TaskState.CANCELLED, TaskState.PREEMPTED, TaskState.NODE_FAIL}
NEVER_STARTED = "JobLaunchFailure"
"""Slurm's reason where the node could not so much as open the job's log."""
HEADROOM = 0.95
"""What a node reports as memory is a little less than what is sold as such."""

SHARE = "put root= on a folder that this machine and the compute nodes share"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a run of the environment counts on, on each of its nodes; or those that share one."""

    root: str
    folders: Collection[str]
    """Those of the environment and its data that this machine sees."""
    airr_version: str
    sandbox: str
    nodes: int
    gpus: int
    cpus: int
    memory_gb: float
    disk_gb: float
    passed_on: Collection[str]


def judge_silence(unheard: Unheard, root: str) -> Finding:
    """Judge a probe that left no report."""
    last = unheard.last
    where = f" on {last.node}" if last.node else ""
    waited = f"{unheard.waited_seconds:.0f} s"
    if last.state is TaskState.PENDING:
        why = f" ({last.detail})" if last.detail else ""
        return warning(
            "probe",
            f"still queued after {waited}{why} and cancelled; the rest is known without it",
            "wait longer with check.patience=3600, or try at a quieter hour",
        )
    if last.state is TaskState.UNSATISFIABLE:
        return failed(
            "probe",
            f"it can never start: {last.detail}",
            "set cluster.partition, account and qos so that Slurm may start it",
        )
    if last.state is TaskState.RUNNING:
        return failed("probe", f"no report{where} in {waited}: {unheard.log or 'no log'}", SHARE)
    never_started = last.detail == NEVER_STARTED
    if last.state in TROUBLED and not never_started:
        return warning("probe", f"it ended{where} as {last.state}", "run the check again")
    if not unheard.log:
        return failed(
            "shared folder",
            f"the probe ended{where} ({last.detail or last.state}) and left nothing in {root}: "
            "that node does not see the folder, or may not write there",
            SHARE,
        )
    return failed(
        "python",
        f"the probe ended{where} ({last.state}): {unheard.log}",
        "install airr where nodes see it too, or load its Python in cluster.setup",
    )


def judge_report(heard: Heard, expected: Expected) -> Iterator[Finding]:
    """Yield what a node's report means for runs of the environment."""
    report = heard.report
    job = f" in job {report.job_id}" if report.job_id else ""
    yield ok("probe", f"ran on {report.node}{job}")
    yield _folder(heard, expected)
    yield _clock(heard)
    if report.step:
        yield _step(report.step, expected)
    yield _data(report, expected)
    yield _python(report, expected)
    yield _torch(report, expected)
    yield _sandbox(report, expected)
    yield _scratch(report, expected)
    yield _cpus(report, expected)
    yield _memory(report, expected)
    yield _secrets(report, expected)


def _folder(heard: Heard, expected: Expected) -> Finding:
    name, report = "shared folder", heard.report
    if report.token_sha256 != heard.token_sha256:
        found = f"{report.node} reads a file in {expected.root} otherwise than it was written"
        return failed(name, found, f"ask the admins about that file system, or {SHARE}")
    if report.rename_trouble:
        found = f"{report.node} cannot replace a file in {expected.root}: {report.rename_trouble}"
        return failed(name, found, SHARE)
    if heard.echoed_at is None:
        found = f"{report.node} did not see a new file in {expected.root} for two minutes"
        return warning(name, found, "ask the admins, or put root= on another file system")
    seconds = (heard.echoed_at - report.written_at) / 2
    found = f"{expected.root}: read, written and renamed; a new file is seen after {seconds:.1f} s"
    if seconds > SLOW_SECONDS:
        return warning(name, found, "raise cluster.lost_after_seconds to several times that")
    return ok(name, found)


def _clock(heard: Heard) -> Finding:
    """Compare the clocks as NTP does: the head answered between the node's two times."""
    first, answered = heard.report.written_at, heard.echoed_at
    if answered is None:
        return warning("clock", "not compared: the node did not see the head's answer", "see above")
    ahead = (first + answered) / 2 - heard.seen_at
    error = (answered - first) / 2
    way = "ahead of" if ahead >= 0 else "behind"
    found = f"{heard.report.node} is {abs(ahead):.1f} s {way} this machine (± {error:.1f} s)"
    if abs(ahead) - error > SKEW_SECONDS:
        return warning("clock", found, "ask the admins to synchronise the clocks (NTP)")
    return ok("clock", found)


def _step(step: StepSeen, expected: Expected) -> Finding:
    """Judge the step that srun starts on each node, which is what a training is."""
    if step.trouble:
        remedy = "a training is such a step: ask the admins why srun fails in a batch job"
        return failed("step", f"srun starts none: {step.trouble}", remedy)
    nodes = ", ".join(step.nodes)
    if len(step.nodes) < expected.nodes:
        found = f"of {expected.nodes} nodes, {len(step.nodes)} see {expected.root} ({nodes})"
        return failed("step", found, SHARE)
    return ok("step", f"srun starts a step on {nodes}")


def _data(report: ProbeReport, expected: Expected) -> Finding:
    unseen = [folder for folder in report.unseen_folders if folder in expected.folders]
    if not unseen:
        return ok("data", "the environment and its data are seen there too")
    return failed(
        "data",
        f"here, but not on {report.node}: {', '.join(unseen)}",
        "put data=, and airr itself, on a folder that nodes share",
    )


def _python(report: ProbeReport, expected: Expected) -> Finding:
    found = f"Python {report.python_version}, airr {report.airr_version}"
    if report.airr_version != expected.airr_version:
        return failed(
            "python",
            f"{found}; here it is airr {expected.airr_version}",
            "install one version, in a folder that nodes share",
        )
    return ok("python", found)


def _torch(report: ProbeReport, expected: Expected) -> Finding:
    torch = report.torch
    if torch.trouble:
        remedy = "install torch into the Python that runs airr, or load what it lacks"
        if not expected.gpus:  # such an environment may need no torch; if it does, its runs tell
            return warning("torch", torch.trouble, f"where the codebase needs it, {remedy}")
        return failed("torch", torch.trouble, f"{remedy} in cluster.setup")
    gpus = f"{len(torch.gpus)} GPUs" + (f" ({torch.gpus[0]})" if torch.gpus else "")
    found = f"torch {torch.version} sees {gpus}; imported in {torch.seconds:.0f} s"
    if len(torch.gpus) < expected.gpus:
        return failed(
            "torch",
            f"{found}; a job asks for {expected.gpus}",
            "`nvidia-smi` in a job tells whether the driver works; a torch without CUDA sees none; "
            "cluster.gres and cluster.gpu_directive decide what Slurm gives",
        )
    return ok("torch", found)


def _sandbox(report: ProbeReport, expected: Expected) -> Finding:
    if expected.sandbox != "bubblewrap":
        return warning(
            "sandbox",
            "none: candidates run with all your rights",
            "install bubblewrap and set cluster.sandbox=bubblewrap",
        )
    shielded = report.torch_in_sandbox
    if not report.has_sandbox:
        return failed(
            "sandbox",
            f"bubblewrap does not work on {report.node}",
            "ask the admins for bubblewrap and user namespaces on compute nodes; "
            "cluster.sandbox=none runs candidates with all your rights",
        )
    if shielded and shielded.trouble and report.torch.trouble and not expected.gpus:
        return ok("sandbox", f"bubblewrap works on {report.node}; torch was not tried within it")
    if shielded and shielded.trouble:
        remedy = "keep Python and its libraries outside of /tmp and of folders mounted on demand"
        return failed("sandbox", f"torch does not start within: {shielded.trouble}", remedy)
    return ok("sandbox", f"bubblewrap works on {report.node}, and torch within it")


def _scratch(report: ProbeReport, expected: Expected) -> Finding:
    remedy = 'name another folder of the node in cluster.setup: ["export TMPDIR=/scratch"]'
    if report.scratch_trouble:
        return failed("scratch", f"no folder of the node's own: {report.scratch_trouble}", remedy)
    free = report.scratch_free_bytes / 1e9
    found = f"{report.scratch} is writable, {free:.0f} GB free"
    if free < expected.disk_gb:
        return warning("scratch", f"{found}; a run may fill {expected.disk_gb:g} GB", remedy)
    return ok("scratch", found)


def _cpus(report: ProbeReport, expected: Expected) -> Finding:
    found = f"the job may use {report.cpus}"
    if report.cpus < expected.cpus:
        remedy = "set env.cpus or cluster.cpus_per_gpu to what nodes have"
        return warning("cpus", f"{found}; a job asks for {expected.cpus}", remedy)
    return ok("cpus", found)


def _memory(report: ProbeReport, expected: Expected) -> Finding:
    have = report.memory_bytes / 1e9
    found = f"the job may use {have:.0f} GB"
    if have < expected.memory_gb * HEADROOM:
        remedy = "set cluster.mem, or lower env.memory_gb"
        return warning("memory", f"{found}; a job asks for {expected.memory_gb:g} GB", remedy)
    return ok("memory", found)


def _secrets(report: ProbeReport, expected: Expected) -> Finding:
    """Judge by names alone which keys reached the job; what the user passes on is the user's."""
    leaked = [name for name in report.secrets if name not in expected.passed_on]
    if leaked:
        return failed(
            "secrets",
            f"variables that look like keys reached the job: {', '.join(leaked)}",
            "the site or cluster.setup sets them there: unset them in cluster.setup",
        )
    passed = ", ".join(report.secrets)
    return ok("secrets", f"cluster.pass_env passes on {passed}" if passed else "none reached it")
