"""The hard bounds of a campaign: a call or a run begins only if it fits at its most.

What it may cost at most is promised until its true cost is known. Spent and promised together
never pass the bound: what does not fit waits for what is under way, and once nothing is under way
any more, nothing new begins.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from airr.config import Budget, Llm
from airr.errors import BudgetSpent, ConfigError, Damaged
from airr.llm.journal import Journal
from airr.llm.prices import PriceTable, dearest_of, usd_of
from airr.llm.protocol import Completion, Request, Usage
from airr.records import Call

CHARACTERS_PER_TOKEN = 2
"""No text that prompts consist of has fewer characters to a token: this bounds a cost."""
LEAST_THINKING_ROOM = 8192
"""Tokens that a provider sets aside at least for thinking that a model measures itself."""


class Bound:
    """One bound: `spent` tells what is used up already, in the same unit as `limit`."""

    def __init__(
        self,
        setting: str,
        limit: float | None,
        spent: Callable[[], float],
        *,
        written: str,
        unit: str = "",
    ) -> None:
        """Bound by `limit`, or by nothing if it is None.

        `setting` is the bound's name, `written` how its amounts are written, such as `${:.2f}`.
        """
        self._setting = setting
        self._limit = limit
        self._spent = spent
        self._written = written
        self._unit = unit
        self._promised = 0.0
        self._under_way = 0
        self._changed = asyncio.Event()
        self.waiting = 0

    @asynccontextmanager
    async def promise(self, most: float, *, has_begun: bool = False) -> AsyncGenerator[None]:
        """Set `most` aside while the body runs, once there is room for it.

        What `has_begun` is counted, and needs no room.

        Raises:
            BudgetSpent: it does not fit, and nothing is under way that might turn out cheaper.
        """
        if not has_begun:
            await self._wait_for_room(most)
        self._promised += most
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            self._promised = self._promised - most if self._under_way else 0.0
            self._changed.set()

    async def _wait_for_room(self, most: float) -> None:
        while self._limit is not None and self._spent() + self._promised + most > self._limit:
            if not self._under_way:
                raise BudgetSpent(self._reached(self._limit, most))
            self._changed.clear()
            self.waiting += 1
            try:
                await self._changed.wait()
            finally:
                self.waiting -= 1

    def _reached(self, limit: float, most: float) -> str:
        bound, spent, next_one = map(self._written.format, (limit, self._spent(), most))
        return (
            f"{self._setting}={limit:g} is reached: {spent} of {bound}{self._unit} are spent, and "
            f"what comes next may take up to {next_one}. What ran was finished, nothing new was "
            f"begun. The same command with a larger {self._setting} goes on"
        )


class Purse:
    """Asks models, through the journal, as long as the bounds on calls and dollars allow it."""

    def __init__(
        self, journal: Journal, prices: PriceTable, budget: Budget, lost: Sequence[Call]
    ) -> None:
        """Count what the journal holds, and the calls `lost` of which only the ledger tells."""
        self._journal = journal
        self._prices = prices
        if lost:
            warnings.warn(
                f"{journal.path} has lost answers: the ledger tells of {len(lost)} that it does "
                "not hold.\nThey count as spent; what still needs them asks, and pays, again. If "
                "there is a copy of the file, put that back before a head goes on.",
                Damaged,
                stacklevel=2,
            )
        calls, usd = len(lost), sum(call.usd or 0.0 for call in lost)
        self.calls = Bound(
            "budget.llm_calls",
            budget.llm_calls,
            lambda: calls + len(journal),
            written="{:.0f}",
            unit=" calls",
        )
        self.usd = Bound("budget.usd", budget.usd, lambda: usd + journal.usd, written="${:.2f}")

    async def ask(self, request: Request) -> Completion:
        """Return the answer; one that was paid for before costs nothing.

        Raises:
            BudgetSpent: a bound leaves no room for this call.
            ContextTooLong, ProviderError, WorkspaceError: see `Journal.ask`.
        """
        if self._journal.holds(request):
            return await self._journal.ask(request)
        most = most_usd(request, self._prices)
        async with self.calls.promise(1), self.usd.promise(most):
            return await self._journal.ask(request)


def most_usd(request: Request, prices: PriceTable) -> float:
    """Return what a request costs at most; 0 where its model has no price."""
    asked = len(request.system) + sum(len(message.text) for message in request.messages)
    written = request.max_tokens + max(LEAST_THINKING_ROOM, 2 * request.thinking_tokens)
    usage = Usage(input_tokens=asked // CHARACTERS_PER_TOKEN, output_tokens=written)
    return dearest_of(request.model, usage, prices) or 0.0


def check_prices(budget: Budget, llm: Llm, prices: PriceTable) -> None:
    """Refuse a bound in dollars on models without a price.

    Raises:
        ConfigError: it would bound nothing.
    """
    if budget.usd is None:
        return
    unknown = {
        f"llm.{name}.model={role.model}": role.model
        for name, role in llm.roles.items()
        if usd_of(role.model, Usage(), prices) is None
    }
    if unknown:
        raise ConfigError(_unbounded(budget.usd, " and ".join(unknown), [*unknown.values()]))


def check_known_costs(budget: Budget, calls: Mapping[str, int]) -> None:
    """Refuse a bound in dollars where dollars were spent that nobody counted.

    `calls` are those of unknown cost so far, by model.

    Raises:
        ConfigError: there are some.
    """
    if budget.usd is None or not calls:
        return
    listed = ", ".join(f"{model} ({count} so far)" for model, count in sorted(calls.items()))
    raise ConfigError(_unbounded(budget.usd, f"{listed}, which was asked already", [*calls]))


def _unbounded(usd: float, what: str, models: Sequence[str]) -> str:
    example = models[0]
    return (
        f"budget.usd={usd:g} cannot bound what has no price: the price table lacks {what}.\n"
        f"Put a line such as\n"
        f"  {example}: {{input: 1.00, cache_write: 1.25, cache_read: 0.10, output: 5.00}}\n"
        "(USD per million tokens; zeros for a model that you serve yourself) into a YAML file and "
        "name it with prices=FILE,\nor bound budget.llm_calls and budget.gpu_hours instead"
    )
