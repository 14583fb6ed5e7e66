"""Why an answer became no patched tree: data that goes to the ledger and back to the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from airr.records import Reason

MOST_LINES = 40
LONGEST_LINE = 160


@dataclass(frozen=True, slots=True)
class Rejection:
    """A refused answer. `detail` is the error text that the model gets for its revision."""

    reason: Reason
    detail: str


def quote(lines: Sequence[str], start: int, stop: int) -> str:
    """Return lines [start, stop) of a file as prompts show them, with line numbers from 1."""
    start, stop = max(start, 0), min(stop, len(lines))
    shown = [
        f"{index + 1:>5} | {shorten(lines[index])}"
        for index in range(start, min(stop, start + MOST_LINES))
    ]
    if stop - start > MOST_LINES:
        shown.append(f"      | ({stop - start - MOST_LINES} more lines)")
    return "\n".join(shown)


def shorten(line: str) -> str:
    """Return a line or path fit to be quoted in an error text: short, and encodable."""
    line = line[: LONGEST_LINE + 1].encode("utf-8", "replace").decode().rstrip()
    return line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]} (cut)"
