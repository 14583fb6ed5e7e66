"""A job array -> the options of its sbatch script; and what it means when sbatch refuses it."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterable
from typing import Any

from airr.cluster.command import Answer
from airr.cluster.protocol import JobArray, SubmissionLimited, SubmissionUnknown
from airr.cluster.slurm_settings import GpuDirective, Memory, SlurmSettings
from airr.errors import ClusterError, ConfigError

OURS = frozenset(
    {
        *("job_name", "array", "dependency", "signal", "requeue", "no_requeue", "time"),
        *("output", "error", "open_mode", "chdir", "export", "export_file", "get_user_env"),
        *("nodes", "ntasks", "ntasks_per_node", "wrap", "wait", "hold", "test_only", "parsable"),
    }
)
"""Options that `cluster.extra` may not touch: the promises of airr rest on them."""

REMEDIES = (
    ("invalid partition|partition name", "set cluster.partition to one that `sinfo` lists"),
    ("group not permitted to use this partition", "set cluster.partition to one open to you"),
    ("invalid account", "set cluster.account (`sacctmgr show associations user=$USER`)"),
    ("invalid qos", "set cluster.qos to one that your account has (`sacctmgr show qos`)"),
    ("feature specification", "set cluster.constraint to a feature that `sinfo -o %f` lists"),
    ("gres|TRES", "set cluster.gres and cluster.gpu_directive as this site names its GPUs"),
    (
        "node configuration is not available|processors requested|Node count|CPU count"
        "|Memory (specification|required)|Invalid --mem",
        "no node offers this: look at env.nodes, env.gpus, env.cpus, env.memory_gb and "
        "cluster.gres, cpus_per_gpu, mem, pack, exclude",
    ),
    ("accounting/QOS policy", "ask for less, or set cluster.qos and cluster.account"),
    ("time limit|--time", "lower env.budget_seconds, or set cluster.partition or cluster.qos"),
    ("reservation", "set cluster.reservation to one that `scontrol show reservation` lists"),
    ("node name", "set cluster.exclude to nodes of this cluster"),
    ("job array specification", "submit arrays below MaxArraySize (`scontrol show config`)"),
    ("wckey|license|burst buffer|core specification", "mend it under cluster.extra"),
    ("(unrecognized|invalid) option|requires an argument|Invalid --", "mend cluster.extra"),
    ("Access/permission denied|Invalid user id", "ask the site whether you may submit jobs"),
    ("Unspecified error", "a site's own rule refused it: do as it says"),
)
"""What sbatch says when it will say the same again (slurm_errno.c of 21.08 to 24.11), and the
cure. Whatever is not listed may be weather: its outcome is unknown, not a failure."""

WEATHER = re.compile("timed out|unable to contact|communication|temporarily|try again|standby")
PREFIXES = re.compile("(sbatch: error|allocation failure): ")
EXPECTED_START = re.compile(r"Job \d+ (to start at .*)")
SUBMIT_LIMIT = re.compile(r"(Assoc|QOS)\w*Submit\w*|MaxSubmitJobs\w*")


def script_command(array: JobArray) -> str:
    """Return the script's last line. `exec` makes the worker the batch step that gets USR1."""
    return f'exec {shlex.join(array.command)} "$SLURM_ARRAY_TASK_ID"'


def script_options(array: JobArray, settings: SlurmSettings) -> dict[str, Any]:
    """Return sbatch's options by their long names, with underscores; None means left out.

    Raises:
        ConfigError: `cluster.extra` names an option that is airr's own.
    """
    return (
        _identity(array, settings)
        | _place(array, settings)
        | _resources(array, settings)
        | _extra(settings)
    )


def _identity(array: JobArray, settings: SlurmSettings) -> dict[str, Any]:
    """The name is the key and `singleton` the mutex; see DESIGN, "A campaign on shared storage"."""
    folder = str(array.folder).replace("%", "%%")
    return {
        "job_name": array.name,
        "array": f"{index_ranges(array.indices)}%{width(array, settings)}",
        "dependency": "singleton",
        "requeue" if settings.requeue else "no_requeue": True,
        "output": f"{folder}/%A_%a.log",
        "chdir": str(array.folder),
        # everything that sbatch itself was given: by then an allow-list. Naming variables here
        # would make Slurm load the user's login environment on the node, with its keys
        "export": "ALL",
        "mail_user": settings.mail,
        "mail_type": "FAIL" if settings.mail else None,
    }


def _place(array: JobArray, settings: SlurmSettings) -> dict[str, Any]:
    excluded = ",".join(filter(None, (settings.exclude, *array.exclude_nodes)))
    return {
        "partition": settings.partition,
        "account": settings.account,
        "qos": settings.qos,
        "constraint": settings.constraint,
        "reservation": settings.reservation,
        "exclude": excluded or None,
    }


def _resources(array: JobArray, settings: SlurmSettings) -> dict[str, Any]:
    # Slurm counts in minutes, and may signal up to 60 s early: the warning gets half the margin
    return {
        "nodes": array.nodes,
        "ntasks_per_node": 1,
        "cpus_per_task": array.cpus,
        "time": math.ceil((array.seconds + settings.time_margin) / 60),
        "signal": f"B:USR1@{max(1, settings.time_margin // 2)}",
        **_gpus(array.gpus, settings),
        **_memory(array, settings),
    }


def _gpus(count: int, settings: SlurmSettings) -> dict[str, Any]:
    if not count or settings.gpu_directive is GpuDirective.NONE:
        return {}
    if settings.gpu_directive is GpuDirective.GRES:
        return {"gres": f"{settings.gres}:{count}"}
    kind = settings.gres.partition(":")[2]
    return {"gpus_per_node": f"{kind}:{count}" if kind else count}


def _memory(array: JobArray, settings: SlurmSettings) -> dict[str, Any]:
    if settings.mem == Memory.NONE:
        return {}
    if settings.mem == Memory.ENVIRONMENT:
        return {"mem": f"{math.ceil(array.memory_gb * 1024)}M"}
    return {"mem": settings.mem}


def _extra(settings: SlurmSettings) -> dict[str, Any]:
    extra = {name.replace("-", "_"): value for name, value in settings.extra.items()}
    if taken := sorted(OURS & extra.keys()):
        raise ConfigError(
            f"cluster.extra sets {', '.join(taken)}, which airr sets itself: "
            "use the settings of conf/cluster/slurm.yaml instead"
        )
    return {name: value for name, value in extra.items() if value is not False}


def width(array: JobArray, settings: SlurmSettings) -> int:
    """Return how many tasks of the array may run at once."""
    if settings.max_nodes is None:
        return len(array.indices)
    return max(1, settings.max_nodes // array.nodes)


def index_ranges(indices: Iterable[int]) -> str:
    """Return ascending indices as sbatch writes them: `0-3,7,9-10`."""
    ranges: list[list[int]] = []
    for index in indices:
        if ranges and index == ranges[-1][-1] + 1:
            ranges[-1] = [ranges[-1][0], index]
        else:
            ranges.append([index])
    return ",".join("-".join(map(str, bounds)) for bounds in ranges)


def verdict_on(name: str, answer: Answer) -> str:
    """Return in words whether the site would take array `name`, as `--test-only` answered."""
    if not answer.succeeded:
        return str(refusal(name, PREFIXES.sub("", answer.complaint)))
    start = EXPECTED_START.search(answer.stderr)
    return f"Slurm would take it, {start[1]}" if start else "Slurm would take it"


def refusal(name: str, complaint: str) -> Exception:
    """Return the exception that stands for what sbatch complained of when given array `name`."""
    if WEATHER.search(complaint.lower()):
        return SubmissionUnknown(f"{name}: {complaint}")
    if SUBMIT_LIMIT.search(complaint):
        return SubmissionLimited(f"{name}: the site holds no more jobs of yours: {complaint}")
    if remedy := remedy_for(complaint):
        return ClusterError(f"Slurm refuses {name}: {complaint}: {remedy}")
    return SubmissionUnknown(f"{name}: {complaint}")


def remedy_for(complaint: str) -> str | None:
    """Return the cure for what sbatch will say again, or None for what may be weather."""
    found = (r for pattern, r in REMEDIES if re.search(pattern, complaint, re.IGNORECASE))
    return next(found, None)
