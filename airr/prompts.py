"""Templates -> the words that are sent to a model; a researcher's own folder comes first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from airr.errors import ConfigError
from airr.resources import resource


class Prompts:
    """The templates of `prompts/`, each replaceable by one of the same name elsewhere."""

    def __init__(self, own: str | None = None) -> None:
        """Look for templates in the folder `own` first, if one is given."""
        if own is not None and not Path(own).is_dir():
            raise ConfigError(f"prompts={own}: there is no such folder")
        folders = [Path(own)] if own else []
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader([*folders, resource("prompts")]),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=False,
            autoescape=False,
        )

    def render(self, name: str, variables: Mapping[str, Any]) -> str:
        """Return the template `name` filled in.

        Raises:
            ConfigError: there is no such template, it is malformed, or it names a variable that
                this prompt does not have.
        """
        try:
            return self._templates.get_template(name).render(variables).strip()
        except jinja2.TemplateError as error:
            raise ConfigError(f"prompt {name}: {error}") from error


def numbered(text: str) -> str:
    """Return a file's text with line numbers, as prompts show it: `  12 | text`."""
    lines = text.splitlines()
    width = max(3, len(str(len(lines))))
    return "\n".join(f"{n:>{width}} | {line}" for n, line in enumerate(lines, start=1))
