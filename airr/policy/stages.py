"""The jobs of the policy: each is on disk before it is submitted, and is known by its name.

A stage is done when its result stands in its folder, whoever put it there: so a head that was
killed anywhere goes on with the jobs of the one before it. A job that gave nothing is followed by
another one, with a name of its own, a few times.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from airr.cluster.protocol import (
    Cluster,
    JobArray,
    SubmissionLimited,
    SubmissionUnknown,
    TaskState,
    TaskStatus,
)
from airr.config import Cluster as ClusterSettings
from airr.errors import AirrError
from airr.executor.arrays import MARGIN_SECONDS
from airr.executor.verdicts import Absence, Verdict, verdict_of
from airr.foreign import json_in, record_of
from airr.policy.orders import Order, StageResult, read_order, result_in
from airr.workspace import Workspace, names_in, write_atomically

log = logging.getLogger(__name__)

ORDER = re.compile(r"order-(\d{1,6})\.json")

MOST_RETRIES = 2
"""Of a job that gave nothing: what it meets is mostly there the next time too."""
ON_ITS_WAY = frozenset({TaskState.PENDING, TaskState.RUNNING})
GONE = TaskStatus(state=TaskState.GONE)


@dataclass(slots=True)
class _Watch:
    """What was seen so far of a submitted job."""

    was_seen: bool = False
    looks: int = 0
    since: float = 0.0


class Stages:
    """Runs orders as jobs, one at a time each, to their results."""

    def __init__(
        self,
        workspace: Workspace,
        cluster: Cluster,
        settings: ClusterSettings,
        *,
        uid: str,
        clock: Callable[[], float],
    ) -> None:
        """Submit to this cluster; `uid` makes names unique for ever.

        `clock` gives seconds that no step of the machine's clock disturbs.
        """
        self._workspace = workspace
        self._cluster = cluster
        self._settings = settings
        self._uid = uid
        self._clock = clock
        self.doing = ""
        """The stage in hand, for those who look; "" between two."""
        self.waits = False
        """Whether its job is queued or running, as far as is known, and nothing else is to do."""

    async def run(self, stage: str, order: Callable[[str, int], Order]) -> StageResult:
        """Return what came of a stage, running it unless that has been done already.

        `order` makes the order of a job from its name and its number.

        Raises:
            AirrError: job after job gave nothing; the message says what the last one said.
            ClusterError: the cluster refuses the job, and will refuse it again.
        """
        folder = self._workspace.stage(stage)
        folder.mkdir(parents=True, exist_ok=True)
        self.doing = stage
        try:
            for _ in range(min(self._settings.max_retries, MOST_RETRIES) + 1):
                if result := result_in(folder):
                    return result
                await self._see_through(self._next(stage, folder, order))
            if result := result_in(folder):
                return result
        finally:
            self.doing, self.waits = "", False
        raise AirrError(f"{stage} gave nothing, job after job: {last_failure(folder)}")

    def _next(self, stage: str, folder: Path, order: Callable[[str, int], Order]) -> Order:
        """Return the order in hand, or a new one, which is on disk before anybody acts on it."""
        known = orders_in(folder)
        if known and not known[-1].failure.exists():
            return known[-1]
        number = known[-1].attempt + 1 if known else 0
        made = order(f"airr-{self._workspace.name}-{self._uid}-{stage}-{number}", number)
        write_atomically(made.file, made.to_json().encode())
        return made

    async def _see_through(self, order: Order) -> None:
        """Submit a job unless the cluster has it, and wait until it has come to something."""
        watch = _Watch()
        if not order.heartbeat.exists() and not await self._is_known(order):
            await self._submit(order)
            await self._sleep(order)
        while not self._has_ended(order):
            watch = await self._look(order, watch)
            await self._sleep(order)
        self.waits = False

    async def _look(self, order: Order, watch: _Watch) -> _Watch:
        """Ask the cluster for a job once, and do what follows; return what is known by then."""
        found = await self._cluster.survey([array_of(order)])
        if found is None or self._has_ended(order):
            return watch
        status = found.get(order.name, {}).get(0, GONE)
        self.waits = status.state in ON_ITS_WAY
        match self._judge(order, status, watch):
            case Verdict.WAIT:
                return watch
            case Verdict.RESUBMIT:
                log.warning("%s never reached the cluster: submitting it again", order.name)
                await self._submit(order)
                return _Watch()
            case Verdict.ENDED:
                how = f"{status.state} on {status.node or 'its node'}. {status.detail}".strip()
                put_down_failure(order, how)
                log.warning("%s gave nothing: %s", order.name, how)
                return watch

    async def _is_known(self, order: Order) -> bool:
        """Tell whether the cluster has a job of this name; while it is silent, nobody knows."""
        while (found := await self._cluster.survey([array_of(order)])) is None:
            await asyncio.sleep(self._settings.tick_seconds)
        return found.get(order.name, {}).get(0, GONE).state is not TaskState.GONE

    async def _submit(self, order: Order) -> None:
        while True:
            try:
                await self._cluster.submit(array_of(order))
            except SubmissionUnknown as error:
                log.warning("no answer to the submission of %s (%s): looking", order.name, error)
            except SubmissionLimited as error:
                log.info("%s waits: %s", order.name, error)
                await asyncio.sleep(self._settings.tick_seconds)
                continue
            else:
                log.info("submitted %s", order.name)
            self.waits = True
            return

    def _judge(self, order: Order, status: TaskStatus, watch: _Watch) -> Verdict:
        is_gone = status.state is TaskState.GONE
        watch.was_seen |= not is_gone or order.heartbeat.exists()
        if is_gone or status.state not in ON_ITS_WAY:
            watch.looks += 1
            watch.since = watch.since or self._clock()
        else:
            watch.looks, watch.since = 0, 0.0
        return verdict_of(
            status.state,
            was_seen=watch.was_seen,
            absence=Absence(
                looks=watch.looks, seconds=self._clock() - watch.since if watch.since else 0.0
            ),
            patience_seconds=self._settings.lost_after_seconds,
        )

    async def _sleep(self, order: Order) -> None:
        """Wait for the next look at the cluster; what the job puts down is seen sooner."""
        until = self._clock() + self._settings.tick_seconds
        while self._clock() < until and not self._has_ended(order):
            await asyncio.sleep(min(1.0, self._settings.tick_seconds))

    def _has_ended(self, order: Order) -> bool:
        return (Path(order.folder) / "result.json").exists() or order.failure.exists()


def array_of(order: Order) -> JobArray:
    """Return what the cluster is told of a job."""
    policy = order.policy
    return JobArray(
        name=order.name,
        folder=Path(order.folder),
        indices=(0,),
        command=(sys.executable, "-m", "airr.policy.job", str(order.file)),
        nodes=policy.nodes,
        gpus=policy.gpus,
        cpus=policy.cpus,
        memory_gb=policy.memory_gb,
        seconds=order.seconds + MARGIN_SECONDS,
    )


def orders_in(folder: Path) -> list[Order]:
    """Return the orders of a stage, in the order of their numbers."""
    numbers = (ORDER.fullmatch(name) for name in names_in(folder))
    in_order = sorted(int(found[1]) for found in numbers if found)
    return [read_order(folder / f"order-{number}.json") for number in in_order]


def open_orders(workspace: Workspace) -> list[Order]:
    """Return the orders whose jobs may be queued or running, as far as is known here."""
    found: list[Order] = []
    for stage in names_in(workspace.stages):
        folder = workspace.stage(stage)
        if not (folder / "result.json").exists():
            found += [order for order in orders_in(folder)[-1:] if not order.failure.exists()]
    return found


def put_down_failure(order: Order, how: str) -> None:
    """Record that a job gave nothing, so that another one takes its place."""
    write_atomically(order.failure, json.dumps({"how": how, "log": ""}).encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """How a job ended, and the end of its log."""

    how: str
    log: str


def last_failure(folder: Path) -> str:
    """Return what the last job of a stage said of its end."""
    for order in reversed(orders_in(folder)):
        try:
            failure = record_of(_Failure, json_in(order.failure.read_bytes()))
            words = f"{failure.how}\n{failure.log}".strip()
        except FileNotFoundError:
            continue
        except ValueError:
            words = f"{order.failure} is damaged"
        return f"{words}\n(all of it: {order.log})"
    return "it left no word"
