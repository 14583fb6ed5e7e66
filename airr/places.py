"""The settings that say where, root=, campaign= and data=: checked alike for verbs that only read.

Those that begin something have them checked with all the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any

from airr.errors import ConfigError
from airr.parsing import parse
from airr.workspace import Workspace, campaign_folder


def text_said(raw: Mapping[str, Any], name: str) -> str:
    """Return a setting that is a text.

    Raises:
        ConfigError: it is a number, null or anything else; the message says how a text is written.
    """
    only = parse(make_dataclass("Only", [(name, str)]), {name: raw[name]})
    return getattr(only, name)


def folder_said(raw: Mapping[str, Any], name: str) -> Path:
    """Return the folder that a setting such as root= names.

    Raises:
        ConfigError: as `text_said`.
    """
    return Path(text_said(raw, name))


def campaign_said(raw: Mapping[str, Any]) -> Workspace:
    """Return the campaign that root= and campaign= name, which may be none.

    Raises:
        ConfigError: no campaign is named, or as `text_said`.
    """
    root = folder_said(raw, "root")
    if raw["campaign"] in (None, ""):
        raise ConfigError(
            "which campaign? campaign=NAME or campaign=FOLDER: "
            f"python -m airr.status root={root} lists those there are"
        )
    return Workspace(campaign_folder(root, text_said(raw, "campaign")))
