"""YAML that others wrote -> plain values, or a `ValueError`: no tags, no aliases, no great depth.

PyYAML's own safe loader builds no objects, yet it answers a few bytes of aliases with gigabytes, a
deep nesting with a `RecursionError`, and a wrong tag with whatever its constructors stumble over.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from airr.foreign import Foreign, content_of, what_is

DEEPEST = 50
LARGEST = 100_000
"""Bytes: what people write and airr keeps as YAML has some thousand."""


def yaml_in(text: str) -> Any:
    """Return the value of a YAML text.

    Raises:
        ValueError: it is none, is too large or too deep, or holds a tag or an alias.
    """
    if len(text) > LARGEST:
        raise ValueError(f"it has more than {LARGEST:,} characters")
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def mapping_at(path: Path) -> dict[Any, Any]:
    """Return the values of a YAML file by their names.

    Raises:
        OSError: it cannot be read.
        ValueError: as `yaml_in`, it is no text, or something else stands there.
    """
    value = yaml_in(content_of(Path(os.path.realpath(path)), LARGEST).decode("utf-8"))
    if not isinstance(value, dict):
        raise Foreign(f"it holds {what_is(value)}, where values with their names should stand")
    return value  # pyright: ignore[reportUnknownVariableType]


class _Loader(yaml.SafeLoader):
    """The safe loader, of less."""

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # pyright: ignore[reportUnknownMemberType]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) is not None:
            raise yaml.YAMLError(f"an alias or a tag, which is not taken{event.start_mark}")
        if self._depth == DEEPEST:
            raise yaml.YAMLError(f"it is nested more than {DEEPEST} deep{event.start_mark}")
        self._depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1
