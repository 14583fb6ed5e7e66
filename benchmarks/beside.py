"""airr beside OpenEvolve and ShinkaEvolve: the same model, an instant evaluator, the same run.

    python benchmarks/beside.py --venvs FOLDER [--candidates 200] [--latencies 0 1] [--quick]

Installs openevolve==0.4.0 and shinka-evolve==0.0.7 into venvs of their own below FOLDER, unless
they are there, and runs each through its public interface (benchmarks/rivals) on one small program
against one loopback model, 16 requests in flight. `processor` is what the process and its children
used, `memory` the most that all of them held together. Then each is killed with SIGKILL, children
included, at half of the time that it took, and started again as its documentation says: `asked
again` are the model's answers beyond one for each candidate, which were paid for and lost.

- `airr`: the head with the stand-ins of benchmarks/instant.py for preflights and workers;
- `airr, local`: the same with real ones, three processes for each preflight and each run.

airr asks for ideas first and for their diffs then, the others for programs alone.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
import venv
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from benchmarks.measured import in_bytes, in_seconds, machine, on_disk, processor_seconds
from tests.llm.loopback import KEY

RIVALS = Path(__file__).parent / "rivals"
PACKAGES = {"openevolve": "openevolve==0.4.0", "shinka": "shinka-evolve==0.0.7"}
IN_FLIGHT = 16
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Arm:
    """One system: an interpreter, a script, and what else it is told."""

    name: str
    python: str
    script: str
    more: tuple[str, ...] = ()

    def command(self, url: str, candidates: int, folder: Path) -> list[str]:
        """Return what runs it, or goes on with it."""
        script = str(RIVALS / self.script)
        return [self.python, script, url, str(candidates), str(IN_FLIGHT), str(folder), *self.more]


@dataclass(slots=True)
class Server:
    """The model, and once it has ended how many answers for candidates it gave."""

    url: str
    answers: int = 0


def main() -> None:
    """Run every system at every latency, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--venvs", type=Path, help="where the others are, or are to be installed")
    parser.add_argument("--candidates", type=int, default=200)
    parser.add_argument("--latencies", type=float, nargs="*", default=[0.0, 1.0])
    parser.add_argument("--quick", action="store_true", help="airr alone, 20 candidates")
    asked = parser.parse_args()
    candidates, latencies = (20, [0.0]) if asked.quick else (asked.candidates, asked.latencies)
    arms = [
        Arm("airr", sys.executable, "run_airr.py"),
        Arm("airr, local", sys.executable, "run_airr.py", ("real",)),
    ]
    if asked.venvs:
        arms += [
            Arm(name, installed(asked.venvs / name, package), f"run_{name}.py")
            for name, package in PACKAGES.items()
        ]
    table = Table(title=f"{machine()}; {candidates} candidates, {IN_FLIGHT} in flight")
    for column in ("answers after", "system", "candidates / s", "clock", "processor", "memory"):
        table.add_column(column, justify="left" if column == "system" else "right")
    for column in ("on disk", "files", "asked again"):
        table.add_column(column, justify="right")
    for latency in latencies:
        for arm in arms:
            table.add_row(*row(arm, latency, candidates), end_section=arm is arms[-1])
    Console(width=120).print(table)


def installed(folder: Path, package: str) -> str:
    """Return the interpreter of a venv that holds a package."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True)
    return str(python)


def row(arm: Arm, latency: float, candidates: int) -> Sequence[str]:
    """Run one system undisturbed, and once more killed and started again."""
    with TemporaryDirectory(prefix="airr-beside-") as folder:
        place, used = Path(folder) / "results", processor_seconds()
        with served(latency) as server:
            clock, peak = run(arm.command(server.url, candidates, place))
        size, files = on_disk(place)
    processor = processor_seconds() - used
    with TemporaryDirectory(prefix="airr-beside-") as folder, served(latency) as server:
        command = arm.command(server.url, candidates, Path(folder) / "results")
        run(command, kill_after=clock / 2)
        run(command)
    return (
        f"{latency:g} s", arm.name, f"{candidates / clock:.1f}", in_seconds(clock),
        in_seconds(processor), in_bytes(peak), in_bytes(size), f"{files:,}",
        str(server.answers - candidates),
    )  # fmt: skip


@contextlib.contextmanager
def served(latency: float) -> Generator[Server]:
    """Yield a model in a process of its own, whose answers begin after so many seconds."""
    command = [sys.executable, str(RIVALS / "server.py"), str(latency)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        server = Server(process.stdout.readline().strip())
        try:
            yield server
        finally:
            process.stdin.close()
            server.answers = int(process.stdout.readline() or 0)


def run(command: Sequence[str], kill_after: float | None = None) -> tuple[float, int]:
    """Run a command to its end, or kill it and its children; return seconds, and peak bytes."""
    begun, peak = time.monotonic(), 0
    with TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            env=os.environ | {"OPENAI_API_KEY": KEY, "PYTHONWARNINGS": "ignore"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        while process.poll() is None:
            peak = max(peak, memory_of(process.pid))
            if kill_after is not None and time.monotonic() - begun > kill_after:
                end(process.pid)
            time.sleep(LOOK_SECONDS)
        if process.returncode and kill_after is None:
            log.seek(0)
            sys.exit(f"{' '.join(command)}\n{log.read().decode('utf-8', 'replace')[-3000:]}")
    return time.monotonic() - begun, peak


def memory_of(pid: int) -> int:
    """Return the bytes that a process and all below it hold now."""
    total = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += one.memory_info().rss
    return total


def end(pid: int) -> None:
    """Kill a process and all below it, as a node that dies does."""
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (*process.children(recursive=True), process):
            with contextlib.suppress(psutil.Error):
                one.send_signal(signal.SIGKILL)


if __name__ == "__main__":
    main()
