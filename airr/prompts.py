"""Templates -> the words that are sent to a model; a researcher's own folder comes first."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from jinja2.meta import find_referenced_templates

from airr.errors import ConfigError
from airr.resources import resource


class Prompts:
    """The templates of `prompts/`, each replaceable by one of the same name elsewhere."""

    def __init__(self, own: str | None = None) -> None:
        """Look for templates in the folder `own` first, if one is given."""
        if own is not None:
            _check_folder(Path(own))
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


def _check_folder(own: Path) -> None:
    """Refuse a folder whose templates nobody would ever read.

    Raises:
        ConfigError: it is missing, replaces nothing, or holds a name that there is not.
    """
    if not own.is_dir():
        raise ConfigError(f"prompts={own}: there is no such folder")
    known, found = _templates_in(resource("prompts")), _templates_in(own)
    if not found & known:
        raise ConfigError(
            f"prompts={own}: it holds no template, such as {min(known)}, that would replace one of "
            f"{resource('prompts')}"
        )
    included = {name for name in found for name in _included_by(own / name)}
    for name in sorted(found - known - included):
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
        raise ConfigError(f"prompts={own}: no prompt is called {name}: {hint}")


def _templates_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.j2")}


def _included_by(template: Path) -> set[str]:
    """Return the other templates that one names."""
    try:
        parsed = jinja2.Environment(autoescape=True).parse(template.read_text(encoding="utf-8"))
    except (jinja2.TemplateError, UnicodeDecodeError) as error:
        raise ConfigError(f"prompt {template}: {error}") from error
    return {name for name in find_referenced_templates(parsed) if name}


def numbered(text: str) -> str:
    """Return a file's text with line numbers, as prompts show it: `  12 | text`."""
    lines = text.splitlines()
    width = max(3, len(str(len(lines))))
    return "\n".join(f"{n:>{width}} | {line}" for n, line in enumerate(lines, start=1))
