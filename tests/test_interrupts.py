"""What is put away when a head ends."""

from __future__ import annotations

import asyncio

import pytest

from airr.interrupts import undisturbed


async def test_who_is_cancelled_twice_is_so_once_all_is_put_away():
    steps: list[str] = []

    async def put_away() -> None:
        for step in ("one", "two", "three"):
            await asyncio.sleep(0.01)
            steps.append(step)

    task = asyncio.create_task(undisturbed(put_away()))
    for _ in range(2):
        await asyncio.sleep(0.005)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert steps == ["one", "two", "three"]
