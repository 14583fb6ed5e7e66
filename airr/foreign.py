"""Files and texts that others wrote -> bytes, JSON values, records; whatever else is a ValueError.

Nothing is believed: not that a file is one, nor its size, nor how deep a value is nested, nor that
a field is of its type. Standard library only: compute nodes read with it.
"""

from __future__ import annotations

import json
import math
import os
import stat
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

Record = TypeVar("Record")
LARGEST_WHOLE = 2**63
"""Whole numbers lie below it: they fit the ledger's columns."""
LONGEST_NAME = 255
"""Bytes of a file's name."""
LONGEST_KEY = 10
"""Digits of a number that is a name."""
LAST_SECOND = 253_402_300_799.0
"""The end of the year 9999 in unix seconds, with which calendars end."""


KINDS: Mapping[Any, str] = {
    int: "number",
    float: "number",
    str: "text",
    list: "list",
    tuple: "list",
    dict: "object",
    Mapping: "object",
}
"""What people call the types of values."""


class Foreign(ValueError):
    """What was read is not what it should be."""


def content_of(path: Path, most: int) -> bytes:
    """Return what stands in a plain file of at most `most` bytes.

    A pipe is not waited for, and a link is not followed out of the folder.

    Raises:
        OSError: it is no plain file, or cannot be read.
        ValueError: it is larger.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{path} is no plain file")
        content = file.read(most + 1)
    if len(content) > most:
        raise Foreign(f"it has more than {most:,} bytes")
    return content


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def json_in(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: it is none, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise Foreign("it is nested too deeply") from error


def object_in(text: str | bytes) -> dict[str, Any]:
    """Return the object of a JSON text.

    Raises:
        ValueError: it is none.
    """
    value = json_in(text)
    if not isinstance(value, dict):
        raise Foreign(f"it is {what_is(value)}, no object")
    return value


def list_in(text: str | bytes) -> list[Any]:
    """Return the list of a JSON text.

    Raises:
        ValueError: it is none.
    """
    value = json_in(text)
    if not isinstance(value, list):
        raise Foreign(f"it is {what_is(value)}, no list")
    return value


def record_of(kind: type[Record], raw: Any, *, others: bool = False) -> Record:
    """Return a JSON value as a dataclass, whose fields may be dataclasses too.

    Numbers are finite; a whole number may stand for a float; a list becomes a tuple. With `others`,
    fields that the dataclass does not know are passed over.

    Raises:
        ValueError: a field is missing, unknown or of another type.
    """
    known = {field.name for field in fields(cast("Any", kind))}
    if others and isinstance(raw, dict):
        items: dict[str, Any] = raw
        raw = {name: value for name, value in items.items() if name in known}
    return _record(kind, raw, kind.__name__)


def what_is(value: Any) -> str:
    """Return in plain words what kind of value stands there: `nothing`, `a list`, `an object`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    kind = KINDS.get(type(value), type(value).__name__)
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def is_file_name(name: str) -> bool:
    """Tell whether a name is that of something within a folder, and not a way out of it."""
    is_short = len(name.encode("utf-8", "surrogatepass")) <= LONGEST_NAME
    return is_short and name not in {"", ".", ".."} and not {"/", "\0"} & set(name)


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _record(kind: Any, raw: Any, at: str) -> Any:
    if not isinstance(raw, dict):
        raise Foreign(f"{at} is {what_is(raw)}, no object")
    given: dict[str, Any] = {_name(name, at): one for name, one in raw.items()}
    known = {field.name: field for field in fields(kind)}
    if foreign := given.keys() - known.keys():
        raise Foreign(f"{at} has a field {min(foreign)[:80]!r}, which is unknown")
    for name, field in known.items():
        has_default = field.default is not MISSING or field.default_factory is not MISSING
        if name not in given and not has_default:
            raise Foreign(f"{at}.{name} is missing")
    hints = _hints(kind)
    return kind(**{name: _value(hints[name], one, f"{at}.{name}") for name, one in given.items()})


def _value(hint: Any, raw: Any, at: str) -> Any:
    """Return a value in the type of its field."""
    if hint is Any:
        return raw
    if get_origin(hint) is types.UnionType:
        (inner,) = (one for one in get_args(hint) if one is not type(None))
        return None if raw is None else _value(inner, raw, at)
    if get_origin(hint) is tuple and isinstance(raw, list):
        return _several(get_args(hint), raw, at)
    if get_origin(hint) in {dict, Mapping} and isinstance(raw, dict):
        names, inner = get_args(hint)
        items: dict[Any, Any] = raw
        return {
            _key(names, key, at): _value(inner, one, f"{at}.{key!r:.80}")
            for key, one in items.items()
        }
    if is_dataclass(hint):
        return _record(hint, raw, at)
    return _plain(hint, raw, at)


def _name(raw: Any, at: str) -> str:
    if not isinstance(raw, str):
        raise Foreign(f"{at} has the name {_shown(raw)}, which is no text")
    return raw


def _key(hint: Any, raw: Any, at: str) -> str | int:
    """Return a name; where JSON has a number for it, that number."""
    name = _name(raw, at)
    if hint is int and name.isdecimal() and len(name) < LONGEST_KEY:
        return int(name)
    if hint is int:
        raise Foreign(f"{at} has the name {_shown(name)}, which is no number")
    return name


def _several(hints: tuple[Any, ...], raw: list[Any], at: str) -> tuple[Any, ...]:
    inner = hints[:1] * len(raw) if hints[-1] is ... else hints
    if len(inner) != len(raw):
        raise Foreign(f"{at} has {len(raw)} values, not {len(inner)}")
    return tuple(_value(hint, one, at) for hint, one in zip(inner, raw, strict=True))


def _plain(hint: Any, raw: Any, at: str) -> Any:
    """Return a text, a number, a bool or a word of a fixed set."""
    if isinstance(hint, type) and issubclass(hint, StrEnum) and isinstance(raw, str):
        return hint(raw)
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool)
    if hint is float and is_number and math.isfinite(number := as_float(raw)):
        return number
    if hint is int and is_number and isinstance(raw, int) and abs(raw) < LARGEST_WHOLE:
        return raw
    if hint in {str, bool} and isinstance(raw, hint):
        return raw
    kind = KINDS.get(get_origin(hint) or hint) or getattr(hint, "__name__", hint)
    raise Foreign(f"{at} is no {kind}: {_shown(raw)}")


def as_float(number: float) -> float:
    """Return a number as a float; a whole one beyond all floats is infinite."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def _shown(raw: Any) -> str:
    """Return a value for a message, short whatever it is."""
    if isinstance(raw, float):
        return str(raw)
    return repr(raw[:80]) if isinstance(raw, str) else what_is(raw)
