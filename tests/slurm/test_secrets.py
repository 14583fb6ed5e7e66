"""No key of the head's shell is in the environment of any process of a job."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests import toy
from tests.campaigns import Command
from tests.slurm.cluster import VirtualCluster
from tests.slurm.daemons import wait_until

KEYS = {
    "ANTHROPIC_API_KEY": "sk-ant-secret",
    "OPENAI_API_KEY": "sk-secret",
    "WANDB_API_KEY": "wandb-wanted",
    "HF_TOKEN": "hf-secret",
}
PROCESSES = ("bwrap ", "airr.worker.step ", "srun ", "airr.worker ", "train.py ")
"""What a run on a node consists of; the batch script becomes the worker.

Their command lines name each other: a process is the first of these that its own names.
"""


def environments_of(campaign: Path) -> dict[str, list[dict[str, str]]]:
    """Return what the processes of a campaign's jobs see, by which of `PROCESSES` they are."""
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for process in with_descendants([p for p in psutil.process_iter() if is_ours(p, campaign)]):
        with suppress(psutil.Error):  # it ended meanwhile
            if kind := kind_of(" ".join([*process.cmdline(), ""])):
                found[kind].append(process.environ())
    return found


def is_ours(process: psutil.Process, campaign: Path) -> bool:
    """Tell a worker, or the step that srun has started for it, by its command line."""
    with suppress(psutil.Error):
        line = " ".join(process.cmdline())
        return "airr.worker" in line and f"{campaign}/jobs/" in line
    return False


def with_descendants(processes: Sequence[psutil.Process]) -> set[psutil.Process]:
    found = {*processes}
    for process in processes:
        with suppress(psutil.Error):
            found |= {*process.children(recursive=True)}
    return found


def kind_of(line: str) -> str | None:
    program = line.partition(" ")[0].rpartition("/")[2]
    kinds = [kind for kind in PROCESSES if kind in line]
    return f"{program} " if program in {"srun", "bwrap"} else next(iter(kinds), None)


def test_no_key_of_the_shell_is_in_any_process_of_a_job_unless_it_is_named(
    cluster: VirtualCluster, tmp_path: Path
):
    settings = [
        *toy.make_campaign_env(tmp_path),
        *("llm=offline", "cluster=slurm", "cluster.tick_seconds=0.5"),
        *("search.epochs=1", "search.ideas_per_epoch=2", "campaign=keys"),
        "env.train.argv=[/bin/sh,-c,'sleep 3; {python} train.py']",
        "cluster.pass_env=[WANDB_API_KEY]",
    ]
    command = Command(settings, tmp_path / "log.txt", {**cluster.environment, **KEYS})
    seen: dict[str, list[dict[str, str]]] = defaultdict(list)

    def all_were_seen() -> bool:
        for kind, environments in environments_of(tmp_path / "runs" / "keys").items():
            seen[kind] += environments
        return all(seen[kind] for kind in PROCESSES)

    with command.running() as head:
        wait_until("every kind of process of a job", all_were_seen, seconds=60)
        assert head.wait(timeout=90) == 0, command.log.read_text()[-2000:]
    everything = [one for environments in seen.values() for one in environments]
    shown = [name for one in everything for name in KEYS if name in one]
    assert set(shown) == {"WANDB_API_KEY"}
    assert not [one for one in everything if "secret" in " ".join(one.values())]
    assert all(one["WANDB_API_KEY"] == "wandb-wanted" for one in seen["airr.worker "])
    assert not [one for one in seen["train.py "] if "WANDB_API_KEY" in one], "not to the candidate"
