"""What a site offers, against what a run asks for -> findings. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from airr.checks.finding import Finding, failed, ok, warning
from airr.checks.site_facts import Association, Controller, Node, Partition, names
from airr.cluster.command import Answer
from airr.cluster.protocol import JobArray, SubmissionLimited
from airr.cluster.sbatch import PREFIXES, refusal, remedy_for, script_options, verdict_on
from airr.cluster.slurm_settings import GpuDirective, SlurmSettings
from airr.errors import ClusterError

OLDEST = (21, 8)
"""The oldest Slurm whose options are known to be those that airr uses."""

NEEDED = ("sbatch", "squeue", "scontrol", "scancel", "sinfo", "srun")
MEGABYTES = {"K": 1 / 1024, "M": 1, "G": 1024, "T": 1024**2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a run of an environment asks for, in the numbers that sbatch is given.

    `gpus`, `cpus` and `memory_mb` are those of each node. GPUs are counted only where Slurm is
    asked for them, and a memory of None is not asked for.
    """

    env: str
    nodes: int
    gpus: int
    cpus: int
    memory_mb: int | None
    minutes: int
    resource: str


def needs_of(env: str, array: JobArray, settings: SlurmSettings) -> Needs:
    """Return what the tasks of an array of environment `env` ask for."""
    options = script_options(array, settings)
    return Needs(
        env=env,
        nodes=array.nodes,
        gpus=0 if settings.gpu_directive is GpuDirective.NONE else array.gpus,
        cpus=options["cpus_per_task"],
        memory_mb=_megabytes(str(options.get("mem", "0"))),
        minutes=options["time"],
        resource=settings.gres,
    )


def judge_commands(present: Collection[str], version: tuple[int, int] | None) -> Finding:
    """Judge which commands are on PATH, and how old they are."""
    if missing := [name for name in NEEDED if name not in present]:
        return failed(
            "commands",
            f"{', '.join(missing)} not on PATH",
            "log in to a submit node, or load Slurm's module there",
        )
    release = f"Slurm {version[0]}.{version[1]:02}" if version else "Slurm of an unknown version"
    if version and version < OLDEST:
        return warning(
            "commands",
            f"{release} is older than {OLDEST[0]}.{OLDEST[1]:02}",
            "nobody has tried airr with it: ask the admins for a newer one if sbatch complains",
        )
    return ok("commands", f"{', '.join(NEEDED)}: {release}")


def choose_partitions(
    partitions: Sequence[Partition], wanted: str | None
) -> tuple[Sequence[Partition], Finding]:
    """Return the partitions that jobs would go to, and what is to be said of them."""
    if wanted is None:
        chosen = [partition for partition in partitions if partition.is_default]
        missing = "" if chosen else "no partition is the default"
    else:
        asked = wanted.split(",")
        chosen = [partition for partition in partitions if partition.name in asked]
        unknown = set(asked) - {partition.name for partition in chosen}
        missing = f"there is no partition {', '.join(sorted(unknown))}" if unknown else ""
    if missing:
        remedy = f"set cluster.partition to one of {names(partitions)}"
        return (), failed("partition", missing, remedy)
    if closed := [partition for partition in chosen if partition.state != "UP"]:
        found = ", ".join(f"'{one.name}' is {one.state.lower()}" for one in closed)
        remedy = "jobs would wait: ask the admins, or set another cluster.partition"
        return chosen, failed("partition", found, remedy)
    return chosen, ok("partition", f"'{names(chosen)}' is up")


def judge_nodes(nodes: Sequence[Node], needs: Needs, where: str) -> Finding:
    """Judge whether nodes of the partitions `where` have what a run asks of each of its nodes."""
    if not nodes:
        return failed("nodes", f"partition '{where}' has no nodes", "set cluster.partition")
    if short := _shortage(nodes, needs, where):
        return short
    fit = [node for node in nodes if _fits(node, needs)]
    if not fit:
        return failed(
            "nodes",
            f"no single node of partition '{where}' has all that env '{needs.env}' asks for: "
            f"{needs.gpus} GPUs, {needs.cpus} CPUs and {needs.memory_mb} MB",
            "set env.cpus, env.memory_gb or cluster.cpus_per_gpu to a node's share",
        )
    up = [node for node in fit if node.takes_jobs]
    states = Counter(node.state.rstrip("*~#!%$@^-+") for node in fit)
    said = ", ".join(f"{count} {state}" for state, count in states.most_common())
    if len(up) < needs.nodes:
        return failed(
            "nodes",
            f"{len(up)} of {len(fit)} nodes that fit take jobs ({said}); a run takes {needs.nodes}",
            f"ask the admins (`sinfo --partition={where} --list-reasons`)",
        )
    asked = f"{needs.gpus} GPUs, {needs.cpus} CPUs" if needs.gpus else f"{needs.cpus} CPUs"
    return ok("nodes", f"{len(fit)} of {len(nodes)} nodes offer {asked} ({said})")


def judge_time(partitions: Sequence[Partition], needs: Needs) -> Finding:
    """Judge whether a run fits into the partition's time limit."""
    limits = [p.max_minutes for p in partitions if p.max_minutes is not None]
    if limits and max(limits) < needs.minutes and len(limits) == len(partitions):
        return failed(
            "time limit",
            f"a run of env '{needs.env}' asks for {needs.minutes} minutes; partition "
            f"'{names(partitions)}' allows {max(limits):g}",
            "set cluster.partition, or lower env.budget_seconds or cluster.time_margin",
        )
    allowed = f"{min(limits):g} minutes are allowed" if limits else "no limit"
    return ok("time limit", f"a run asks for {needs.minutes} minutes; {allowed}")


def judge_request(name: str, answer: Answer) -> Finding:
    """Judge what `sbatch --test-only` said of a job like those of a campaign."""
    if answer.succeeded:
        return ok("request", verdict_on(name, answer))
    said = PREFIXES.sub("", answer.complaint)
    refused = refusal(name, said)
    if isinstance(refused, ClusterError):
        return failed("request", f"Slurm refuses it: {said}", remedy_for(said) or "")
    if isinstance(refused, SubmissionLimited):
        return warning("request", f"too many jobs of yours: {said}", "airr waits; nothing to do")
    return warning("request", f"sbatch --test-only said: {said}", "try again later")


def judge_limits(
    controller: Controller,
    partitions: Sequence[Partition],
    associations: Sequence[Association],
    qos_limits: Mapping[str, int],
    settings: SlurmSettings,
) -> Finding:
    """Tell how large arrays may be, and how many jobs of this user the site holds at once."""
    mine = [one for one in associations if settings.account in {None, one.account}]
    qos = {settings.qos} if settings.qos else {one.default_qos for one in mine}
    qos |= {one.qos for one in partitions}
    limits = {
        f"account {one.account}": one.max_submit for one in mine if one.max_submit is not None
    }
    limits |= {f"QOS {name}": limit for name, limit in qos_limits.items() if name in qos}
    arrays = f"array indices below {controller.largest_array} (MaxArraySize)"
    if not limits:
        return ok("limits", f"{arrays}; no bound on your jobs is stated")
    name, least = min(limits.items(), key=lambda limit: limit[1])
    found = f"{arrays}; {name} holds {least} jobs of yours at once"
    if least == 0:
        return failed("limits", found, "set cluster.account or cluster.qos, or ask the admins")
    return ok("limits", f"{found}, which airr keeps to")


def judge_accounting(controller: Controller, answer: Answer | None) -> Finding:
    """Judge whether accounting can tell what became of a job that the queue has forgotten.

    `answer` is that of sacct, where the site has accounting.
    """
    age = f"{controller.remembers_seconds} s"
    if answer is None:
        return warning(
            "accounting",
            f"there is none: {age} after its end (MinJobAge) only files tell of a job",
            "add +site=no_accounting, which looks more often and waits longer for files",
        )
    if not answer.succeeded:
        return warning(
            "accounting",
            f"sacct does not answer: {answer.complaint}",
            f"airr does without it for what ended within {age}; ask the admins about slurmdbd",
        )
    return ok("accounting", f"sacct answers; the controller itself remembers a job for {age}")


def judge_preemption(
    controller: Controller, partitions: Sequence[Partition], settings: SlurmSettings
) -> Finding:
    """Tell what happens to jobs that others push aside."""
    modes = {one.preempt_mode for one in partitions} if controller.preempts else {"OFF"}
    suspending = [mode for mode in modes if "SUSPEND" in mode or "GANG" in mode]
    if suspending:
        return warning(
            "preemption",
            f"jobs of '{names(partitions)}' may be suspended, and their time runs on",
            "set cluster.partition or cluster.qos to one whose jobs are not suspended",
        )
    if modes == {"OFF"}:
        return ok("preemption", f"jobs of '{names(partitions)}' are not preempted")
    how = "Slurm puts them" if settings.requeue else "airr puts them"
    mode = ", ".join(sorted(modes - {"OFF"})).lower()
    return ok(
        "preemption",
        f"jobs of '{names(partitions)}' may be preempted ({mode}): {how} back into the queue "
        f"(cluster.requeue={str(settings.requeue).lower()})",
    )


def _shortage(nodes: Sequence[Node], needs: Needs, where: str) -> Finding | None:
    """Return what even the largest node lacks, by name."""
    offers = (
        ("GPUs", needs.gpus, max(node.gpus(needs.resource) for node in nodes), "env.gpus"),
        ("CPUs", needs.cpus, max(node.cpus for node in nodes), "env.cpus"),
        ("MB", needs.memory_mb or 0, max(node.memory_mb for node in nodes), "env.memory_gb"),
    )
    for unit, asked, offered, setting in offers:
        if asked > offered:
            what = f"{unit} of memory" if unit == "MB" else unit
            named = f" ('{needs.resource}')" if unit == "GPUs" and needs.resource != "gpu" else ""
            return failed(
                "nodes",
                f"env '{needs.env}' asks for {asked} {what} per node{named}; "
                f"partition '{where}' offers {offered}",
                f"set cluster.partition or {setting}",
            )
    return None


def _fits(node: Node, needs: Needs) -> bool:
    return (
        node.gpus(needs.resource) >= needs.gpus
        and node.cpus >= needs.cpus
        and node.memory_mb >= (needs.memory_mb or 0)
    )


def _megabytes(amount: str) -> int | None:
    """Return sbatch's word for memory in MB; None for all of a node's, or none asked for."""
    number, unit = amount.rstrip("KMGTB"), amount.lstrip("0123456789.")[:1] or "M"
    return int(float(number) * MEGABYTES[unit]) or None
