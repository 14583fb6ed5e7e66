"""A row of published trajectories -> what airr makes of it, or why it cannot be used. Pure.

    {"ideator_model": "claude-opus-4-5", "executor_model": "gpt-5", "env": "grpo", "epoch": 2,
     "idea": "...", "code_diff": "...", "result": {"accuracy": 0.52}}

`result` holds an accuracy or a loss: as a struct, as its JSON text, or as null where the idea
failed. Rows come from strangers: nothing in them is trusted, and nothing in them is acted upon.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from airr.foreign import as_float, what_is
from airr.plain import plain_line

COLUMNS = ("ideator_model", "executor_model", "env", "epoch", "idea", "code_diff", "result")
LAST_EPOCH = 9_999
LONGEST_NAME = 200
LONGEST_TEXT = 2_000_000
"""Characters of an idea, or of a diff."""
LONGEST_RESULT = 100_000
QUOTED = 60
"""Characters of a row that a message repeats."""
FAILURE = -999.0
FAILED_WORDS = frozenset({"", "null", "none", "nan", "failed", "failure", "error"})


class Measure(StrEnum):
    """What a result tells."""

    ACCURACY = "accuracy"
    """Higher is better."""
    LOSS = "loss"
    """Lower is better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One idea of a trajectory and what came of it.

    `measure` and `value` are null together, where the idea failed. `executor_model` and `code_diff`
    are "" where the row does not say.
    """

    ideator_model: str
    executor_model: str
    env: str
    epoch: int
    idea: str
    code_diff: str
    measure: Measure | None
    value: float | None


class BadRow(Exception):
    """Why a row cannot be used, in words for its owner."""


def row_of_raw(raw: Any) -> Row:
    """Return what a row says.

    Raises:
        BadRow: a column is missing, of another kind, or too long.
    """
    if not isinstance(raw, Mapping):
        raise BadRow(f"{_shown(raw)} is no row with columns")
    row = cast("Mapping[str, Any]", raw)
    if missing := [name for name in COLUMNS if name not in row]:
        raise BadRow(f"it has no {', '.join(missing)}")
    measure, value = _result(row["result"])
    return Row(
        ideator_model=_name(row, "ideator_model"),
        executor_model=_name(row, "executor_model", may_lack=True),
        env=_name(row, "env"),
        epoch=_epoch(row["epoch"]),
        idea=_text(row, "idea"),
        code_diff=_text(row, "code_diff", may_lack=True),
        measure=measure,
        value=value,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenIdea:
    """An idea to be executed; `model` had it, "" where nobody is named."""

    text: str
    model: str


def given_idea(raw: Any, longest: int) -> GivenIdea:
    """Return the idea of a row, whatever else it holds, if it has at most so many characters.

    Raises:
        BadRow: there is none.
    """
    if not isinstance(raw, Mapping):
        raise BadRow(f"{_shown(raw)} is no row with columns")
    row: Mapping[str, Any] = {"idea": None, "ideator_model": None} | dict(raw)
    return GivenIdea(
        text=_text(row, "idea", longest=longest),
        model=_name(row, "ideator_model", may_lack=True),
    )


def raw_of_row(row: Row) -> dict[str, Any]:
    """Return a row in the published form."""
    result = None if row.measure is None else {str(row.measure): row.value}
    return {
        "ideator_model": row.ideator_model,
        "executor_model": row.executor_model or None,
        "env": row.env,
        "epoch": row.epoch,
        "idea": row.idea,
        "code_diff": row.code_diff or None,
        "result": result,
    }


def _name(row: Mapping[str, Any], column: str, *, may_lack: bool = False) -> str:
    text = _text(row, column, may_lack=may_lack, longest=LONGEST_NAME)
    if not text.isprintable():
        raise BadRow(f"{column} is {_shown(text)}, with signs that are no text")
    return text


def _text(
    row: Mapping[str, Any], column: str, *, may_lack: bool = False, longest: int = LONGEST_TEXT
) -> str:
    value = row[column]
    if may_lack and (value is None or value == "" or _is_nan(value)):
        return ""
    if not isinstance(value, str) or not value.strip():
        raise BadRow(f"{column} is {_shown(value)}, not a text")
    if len(value) > longest:
        raise BadRow(f"{column} has {len(value):,} characters; {longest:,} are taken at most")
    return value.encode("utf-8", "replace").decode()


def _epoch(value: Any) -> int:
    is_whole = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_whole or _is_nan(value) or value != value // 1 or not 0 <= value <= LAST_EPOCH:
        raise BadRow(f"epoch is {_shown(value)}, not a whole number from 0 to {LAST_EPOCH}")
    return int(value)


def _result(raw: Any) -> tuple[Measure | None, float | None]:
    """Return what was measured; of a failed idea, nothing.

    The paper's release wrote -999 for a failure, and a training that diverges has a loss of NaN or
    infinity. Another number below 0 is no failure and no score that airr has a reward for: it is
    refused, and not taken for a failure without a word.
    """
    result = _as_mapping(raw)
    told = {m: result[m] for m in Measure if result.get(m) is not None}
    if len(told) > 1:
        raise BadRow("result has both an accuracy and a loss")
    for measure, value in told.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BadRow(f"result.{measure} is {_shown(value)}, not a number")
        if measure is Measure.LOSS and value == 0:
            raise BadRow("result.loss is 0, which nothing reaches")
        number = as_float(value)
        if not math.isfinite(number) or number == FAILURE:
            return None, None
        if number < 0:
            raise BadRow(f"result.{measure} is {_shown(value)}, below 0; a failure is null or NaN")
        return measure, number
    return None, None


def _as_mapping(raw: Any) -> Mapping[str, Any]:
    if isinstance(raw, str):
        raw = _from_text(raw)
    if raw is None or _is_nan(raw):
        return {}
    if isinstance(raw, list):  # a Parquet map comes as pairs
        pairs = cast("list[Any]", raw)
        if all(isinstance(pair, tuple) and len(cast("Any", pair)) == 2 for pair in pairs):
            raw = {str(key): value for key, value in pairs}
    if not isinstance(raw, Mapping):
        raise BadRow(f"result is {_shown(raw)}: take a struct with accuracy or loss, or null")
    return cast("Mapping[str, Any]", raw)


def _from_text(text: str) -> Any:
    if text.strip().lower() in FAILED_WORDS:
        return None
    if len(text) > LONGEST_RESULT:
        raise BadRow(f"result has {len(text):,} characters; {LONGEST_RESULT:,} are taken at most")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadRow(f"result is {_shown(text)}, which is no JSON") from None


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _shown(value: Any) -> str:
    """Return a value for a message: on one line, and short, whatever it holds."""
    if isinstance(value, str):
        cut = value[: QUOTED + 1]
        return repr(plain_line(cut) if len(cut) <= QUOTED else f"{plain_line(cut[:QUOTED])}...")
    if value is None:
        return "null"
    if isinstance(value, bool | float):
        return str(value)
    if isinstance(value, int) and abs(value) < 10**18:
        return str(value)
    return what_is(value)
