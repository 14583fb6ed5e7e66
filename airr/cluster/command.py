"""Runs one command of the scheduler: list arguments, a given environment, and a deadline."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command said. A command that was ended at its deadline never succeeded."""

    succeeded: bool
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """Return what it complained of, on one line."""
        return " / ".join((self.stderr.strip() or "it said nothing").splitlines())


async def run_command(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    seconds: float,
    stdin: str = "",
) -> Answer:
    """Run a command to its end, or kill it with all its children after `seconds`.

    A command that cannot be started is an `Answer` that says so.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        return Answer(succeeded=False, stdout="", stderr=f"{argv[0]} cannot be started: {error}")
    try:
        async with asyncio.timeout(seconds):
            stdout, stderr = await process.communicate(stdin.encode())
    except TimeoutError:
        return Answer(
            succeeded=False, stdout="", stderr=f"{argv[0]} gave no answer in {seconds:.0f} s"
        )
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return Answer(
        succeeded=process.returncode == 0,
        stdout=stdout.decode(errors="replace"),
        stderr=stderr.decode(errors="replace"),
    )
