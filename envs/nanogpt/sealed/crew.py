"""Work on the rows of an answer, spread over the cores that this process may use.

An answer of GPT-2 has 640 rows of 50,304 columns, and one core takes longer to sum it up than a
GPU to think of it. numpy lets other threads run while it computes, so threads suffice.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

AT_ONCE = 1 << 21
"""How many numbers one thread takes in hand: enough that Python's own share is small."""

_crew = ThreadPoolExecutor(len(os.sched_getaffinity(0)))


def over_rows(work: Callable[[slice], Result], rows: int, columns: int) -> list[Result]:
    """Return what `work` finds for the rows of [rows, columns] numbers, slice by slice."""
    step = max(1, AT_ONCE // columns)
    slices = [slice(first, min(first + step, rows)) for first in range(0, rows, step)]
    return [work(slices[0])] if len(slices) == 1 else list(_crew.map(work, slices))
