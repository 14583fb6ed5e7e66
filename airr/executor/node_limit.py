"""One limit on nodes for several campaigns: who may submit how much, so that none starves.

A task counts from its submission until it has left the cluster, queued or running alike. So the
queue never holds more than the limit, whatever Slurm starts next; a node that falls free goes to
the campaign that holds the fewest, and among equals to the one whose last turn was longest ago.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from airr.cluster.protocol import LIVE, JobArray, TaskStatus

Found = Mapping[str, Mapping[int, TaskStatus]]
Look = Callable[[Collection[JobArray]], Awaitable[Found | None]]


class Member(Protocol):
    """A campaign's scheduler, as the limit sees it."""

    @property
    def task_nodes(self) -> int:
        """Return how many nodes one task takes."""
        ...

    @property
    def ready_tasks(self) -> int:
        """Return how many tasks wait to be submitted."""
        ...

    def open_arrays(self) -> Sequence[JobArray]:
        """Return what is submitted, or about to be, and has no result yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What one campaign holds and would submit, in tasks of `size` nodes."""

    size: int
    held: int
    ready: int


class NodeLimit:
    """At most `nodes` nodes for the tasks of all members together."""

    def __init__(self, nodes: int, look: Look) -> None:
        """Ask the cluster by `look`, which returns every task's state, or None for no answer."""
        self._nodes = nodes
        self._look = look
        self._accounts: list[_Account] = []

    @contextmanager
    def counting(self, member: Member) -> Generator[None]:
        """Count a scheduler in, with what an earlier head left of it on the cluster.

        When the body is left, its tasks still count until they have left the cluster.
        """
        account = _Account(member=member, size=member.task_nodes)
        self._accounts.append(account)
        try:
            yield
        finally:
            account.note(member.open_arrays())
            account.member = None

    def take(self, member: Member) -> None:
        """Count what a member has just planned, before it is submitted."""
        account = self._account_of(member)
        account.note(member.open_arrays())
        self._accounts.remove(account)
        self._accounts.append(account)

    async def room_for(self, member: Member) -> int:
        """Return how many tasks a member may submit now.

        They are its own only if it plans them, and calls `take`, before anything is awaited.
        """
        for account in self._accounts:
            if account.member:
                account.note(account.member.open_arrays())
        arrays = [array for account in self._accounts for array in account.arrays.values()]
        found = await self._look(arrays)
        if found is None:
            return 0
        demands = [account.demand(found) for account in self._accounts]
        return room(self._nodes, demands, self._accounts.index(self._account_of(member)))

    def _account_of(self, member: Member) -> _Account:
        return next(account for account in self._accounts if account.member is member)


def room(nodes: int, demands: Sequence[Demand], mine: int) -> int:
    """Return how many tasks campaign `mine` may submit now; `demands` stand in order of turn."""
    free = nodes - sum(one.held * one.size for one in demands)
    own = demands[mine]
    return max(0, min(free // own.size, fair_shares(nodes, demands)[mine] - own.held))


def fair_shares(nodes: int, demands: Sequence[Demand]) -> list[int]:
    """Return how many tasks each campaign should hold: as even in nodes as their demands allow."""
    shares = [0] * len(demands)
    left = nodes

    def can_take(i: int) -> bool:
        return shares[i] < demands[i].held + demands[i].ready and demands[i].size <= left

    while hungry := [i for i in range(len(demands)) if can_take(i)]:
        least = min(hungry, key=lambda i: shares[i] * demands[i].size)
        shares[least] += 1
        left -= demands[least].size
    return shares


@dataclass(slots=True, kw_only=True, eq=False)
class _Account:
    """What one campaign has on the cluster. `member` is None once its head is done."""

    member: Member | None
    size: int
    arrays: dict[str, JobArray] = field(default_factory=dict[str, JobArray])

    def note(self, arrays: Sequence[JobArray]) -> None:
        self.arrays |= {array.name: array for array in arrays if array.name not in self.arrays}

    def demand(self, found: Found) -> Demand:
        """Return what is held, and forget the arrays of which nothing is."""
        still_open = self.member.open_arrays() if self.member else ()
        self.note(still_open)
        held = {(array.name, index) for array in still_open for index in array.indices}
        for name in self.arrays:
            tasks = found.get(name, {})
            held |= {(name, index) for index, task in tasks.items() if task.state in LIVE}
        names = {name for name, _ in held}
        self.arrays = {name: array for name, array in self.arrays.items() if name in names}
        ready = self.member.ready_tasks if self.member else 0
        return Demand(size=self.size, held=len(held), ready=ready)
