"""A patched tree -> does it take a training step and can it be scored? At toy scale, in seconds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

from airr.batch import Batch, Plan, PlannedRun, Result
from airr.cluster.job_environment import job_environment
from airr.executor.codebases import Tree, pack, sha256_of
from airr.nodelocal import node_folder
from airr.records import Reason, RunKey, Stage


class Preflight:
    """Runs patched trees through the worker with the preflight's plan, a few at a time."""

    def __init__(self, plan: Plan, *, uid: str, seed: int, room: asyncio.Semaphore) -> None:
        """Run as many preflights side by side as `room` lets in; campaigns may share it.

        `uid` is the campaign's: what its last head left of preflights is cleared.
        """
        self._folder = node_folder() / f"preflights-{uid}"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._plan = plan
        self._seed = seed
        self._room = room

    async def check(self, tree: Tree, key: RunKey) -> Result:
        """Return what the worker found; a metric in it means that the tree may have a node."""
        folder = self._folder / f"{key.idea_id}-{uuid.uuid4().hex[:8]}"
        async with self._room:
            folder.mkdir(parents=True)
            try:
                return await self._run(self._write(tree, key, folder))
            finally:
                shutil.rmtree(folder, ignore_errors=True)
                with contextlib.suppress(OSError):  # others are beside it
                    self._folder.rmdir()

    def _write(self, tree: Tree, key: RunKey, folder: Path) -> Batch:
        data = pack(tree)
        codebase = folder / "codebase.zip"
        codebase.write_bytes(data)
        run = PlannedRun(
            key=key, seed=self._seed, codebase=str(codebase), codebase_sha256=sha256_of(data)
        )
        batch = Batch(
            name=f"airr-preflight-{folder.name}",
            inbox=str(folder),
            plan=self._plan,
            pack=1,
            runs=(run,),
            exclude_nodes=(),
            created_at=time.time(),
        )
        (folder / "batch.json").write_text(batch.to_json())
        return batch

    async def _run(self, batch: Batch) -> Result:
        folder = Path(batch.inbox)
        process = await asyncio.create_subprocess_exec(
            *worker_command(folder / "batch.json"),
            "0",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            # without the head's keys, and without the SLURM_ variables of a head that is a job
            env=job_environment(os.environ),
        )
        try:
            _, errors = await process.communicate()
        except asyncio.CancelledError:
            process.send_signal(signal.SIGINT)
            await process.wait()
            raise
        return _result_of(batch, folder, errors.decode("utf-8", "replace"))


def worker_command(batch_file: Path) -> tuple[str, ...]:
    """Return the command that runs one run of a batch, its index still to be appended."""
    return (sys.executable, "-m", "airr.worker", str(batch_file))


def _result_of(batch: Batch, folder: Path, errors: str) -> Result:
    key = batch.runs[0].key
    try:
        return Result.from_json((folder / f"{key.name}.json").read_bytes())
    except FileNotFoundError:
        return Result(
            key=key,
            batch=batch.name,
            stage=Stage.PREFLIGHT,
            reason=Reason.LOST,
            detail=f"the preflight's worker left no result: {errors[-2000:]}",
            node="",
            job_id="",
            started_at=batch.created_at,
            ended_at=time.time(),
        )


def seconds_of(result: Result) -> float:
    """Return how long a result took to come about."""
    return result.ended_at - result.started_at


def describe(result: Result) -> Mapping[str, str]:
    """Return what a model is told about a preflight that failed."""
    return {
        "reason": str(result.reason),
        "detail": result.detail,
        "log": "\n".join(result.log_tail.splitlines()[-40:]),
    }
