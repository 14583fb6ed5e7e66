"""Hostile candidates against the real worker: each is a diff, each has a fate that was promised.

Toy scale, 40 steps of training, real gates, real processes, real sandbox. A candidate is never
rewarded: it fails with its reason, or its score gains nothing over the unmodified codebase.
"""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import yaml

from airr.batch import Plan, Result
from airr.executor.codebases import Tree, read_tree
from airr.executor.diffs import Rejection, apply_answer
from airr.nodelocal import node_folder
from airr.seals import seal
from tests import toy
from tests.envs import nanogpt

CANDIDATES = Path(__file__).parent / "candidates"
STEPS = 40
TOKENS = 32_768
"""How many validation tokens count here."""
SETTINGS = nanogpt.settings()
RESULT = "e00-i000.r0.a0.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """A candidate, what it tries, and what is to become of it.

    `fate` is a stage and a reason, or `score no_gain`; where chance decides between two, both, with
    `or` between them. By `slack`, in nats, its score may be lower
    than the baseline's: training that differs a little comes out a little better or worse.
    """

    name: str
    tries: str
    fate: str
    diff: str
    slack: float = 0.001
    steps: int = STEPS
    protocol: str = "stream"
    batch: int = SETTINGS.score_settings["batch"]
    start_seconds: float = 60.0
    budget_seconds: float = 90.0
    score_seconds: float = 120.0
    memory_gb: float = SETTINGS.memory_gb
    disk_gb: float = SETTINGS.disk_gb


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a candidate."""

    word: str
    metric: float | None
    detail: str
    log: str


def attacks() -> dict[str, Attack]:
    """Return every hostile candidate by name."""
    return {
        path.stem: Attack(name=path.stem, **yaml.safe_load(path.read_text()))
        for path in sorted(CANDIDATES.glob("*.yaml"))
    }


class Arena:
    """A campaign's surroundings with everything in them that an attack is after."""

    def __init__(self, root: Path) -> None:
        """Prepare data and plant what is worth stealing below `root`."""
        self.root = root
        self.data = root / "data" / "nanogpt_tiny"
        self.data.mkdir(parents=True)
        done = nanogpt.prepare(self.data, "stdlib")
        assert done.returncode == 0, done.stderr
        for name in nanogpt.DATA_FOLDERS[:2]:
            (self.data / name).rename(self.data / name.removesuffix("_data"))
        self.campaign = root / "runs" / "attacked"
        text = (self.data / "sealed" / "000000.bin").read_bytes()[1024::2]
        (self.campaign / "ledger").mkdir(parents=True)
        (self.campaign / "ledger" / "outcomes.parquet").write_bytes(text)
        self.neighbour = node_folder() / f"neighbour-{secrets.token_hex(4)}" / "output"
        self.neighbour.mkdir(parents=True)
        (self.neighbour / "stolen.txt").write_bytes(text)
        self.mark = root / "executed"
        self.marker = f"300.{secrets.randbelow(10**9):09d}"
        self.calls: list[bytes] = []
        self._listener = socket.create_server(("", 0))
        self._baselines: dict[tuple[Any, ...], Fate] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        """Leave nothing on the node."""
        self._listener.close()
        shutil.rmtree(self.neighbour.parent)

    def _listen(self) -> None:
        """Take note of whoever calls."""
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.calls.append(connection.recv(100))

    def fight(self, attack: Attack) -> Fate:
        """Take a candidate through gates and worker, and return what became of it."""
        answer = f"```diff\n{self._aimed(attack.diff)}```"
        tree = apply_answer(
            answer,
            read_tree(nanogpt.CODEBASE),
            editable=SETTINGS.editable,
            limit_kb=SETTINGS.patch_limit_kb,
        )
        if isinstance(tree, Rejection):
            return Fate(f"implement {tree.reason}", None, tree.detail, "")
        return self._run(attack, tree)

    def baseline(self, attack: Attack) -> Fate:
        """Return what the unmodified codebase comes to where it is asked like this candidate."""
        how = (attack.steps, attack.protocol, attack.batch)
        if how not in self._baselines:
            honest = replace(
                attack,
                name=f"baseline-{len(self._baselines)}",
                start_seconds=60.0,
                budget_seconds=90.0,
            )
            self._baselines[how] = self._run(
                replace(honest, score_seconds=120.0, memory_gb=2.0, disk_gb=1.0),
                read_tree(nanogpt.CODEBASE),
            )
        return self._baselines[how]

    def _aimed(self, diff: str) -> str:
        """Tell the candidate all that a spy could have told it."""
        known: Mapping[str, Any] = {
            "root": self.root,
            "campaign": self.campaign,
            "neighbour": self.neighbour.parent,
            "mark": self.mark,
            "marker": self.marker,
            "port": self._listener.getsockname()[1],
            "host": _own_address(),
            "result": RESULT,
        }
        for name, value in known.items():
            diff = diff.replace(f"<<{name}>>", str(value))
        return diff

    def _run(self, attack: Attack, tree: Tree) -> Fate:
        folder = self.campaign / attack.name
        (folder / "jobs").mkdir(parents=True)
        (folder / "inbox").mkdir()
        batch = toy.write_batch(folder, tree, self._plan(attack), f"airr-attack-{attack.name}")
        worker = (sys.executable, "-m", "airr.worker", str(batch), "0")
        done = subprocess.run(worker, capture_output=True, text=True, check=False, timeout=240)
        assert done.returncode == 0, done.stderr
        assert [path.name for path in (folder / "inbox").iterdir()] == [RESULT]
        result = Result.from_json((folder / "inbox" / RESULT).read_bytes())
        word = f"{result.stage} {result.reason}" if result.reason else "score no_gain"
        return Fate(word, result.metric, result.detail, result.log_tail)

    def _plan(self, attack: Attack) -> Plan:
        env, sealed = str(nanogpt.FOLDER), str(self.data / "sealed")
        asked = {"protocol": attack.protocol, "batch": attack.batch, "tokens": TOKENS}
        variables = {**SETTINGS.train.environment, "AIRR_STEPS": str(attack.steps)}
        return toy.plan(
            self.root,
            env_folder=env,
            train_data=str(self.data / "train"),
            sealed_data=sealed,
            train=replace(SETTINGS.train, environment=variables),
            score=SETTINGS.score,
            score_settings={
                **SETTINGS.score_settings,
                **asked,
                "start_seconds": attack.start_seconds,
            },
            checkpoint=SETTINGS.checkpoint,
            checkpoint_limit_mb=SETTINGS.checkpoint_limit_mb,
            budget_seconds=attack.budget_seconds,
            score_seconds=attack.score_seconds,
            memory_gb=attack.memory_gb,
            disk_gb=attack.disk_gb,
            seals={folder: seal(Path(folder)) for folder in (env, sealed)},
        )

    def harm(self) -> list[str]:
        """Return what candidates have done to anything outside of their sandbox."""
        left = [
            f"process {p.pid} lives on"
            for p in psutil.process_iter(["cmdline"])
            if self.marker in (p.info["cmdline"] or ())
        ]
        if self.mark.exists():
            left.append("a program ran outside of the sandbox")
        if self.calls:
            left.append(f"somebody called: {self.calls}")
        left += [f"{path} was written" for path in Path("/tmp").glob("*-was-imported")]
        return left


def _own_address() -> str:
    """Return an address of this machine other than loopback, where it has one."""
    found = [
        address.address
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family == socket.AF_INET and not address.address.startswith("127.")
    ]
    return (found or ["127.0.0.1"])[0]


def table(fates: Mapping[str, tuple[Attack, Fate, Fate]]) -> str:
    """Return what was tried and what came of it, one line for each attack."""
    lines = []
    for name, (attack, fate, honest) in fates.items():
        outcome = fate.word
        if fate.metric is not None and honest.metric is not None:
            outcome = f"scored, gain {honest.metric - fate.metric:+.4f}"
        lines.append(f"{name:36} {outcome:28} {attack.tries}")
    return "\n".join(lines)
