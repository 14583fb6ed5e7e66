"""The data that `python -m airr.prepare` made: is it there, as the manifests beside it say?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airr.config import Bench
from airr.errors import ConfigError
from airr.executor.plans import preflight_plan, training_plan
from airr.foreign import Foreign, object_in

DEFAULT_DATA = "data"
"""What conf/ has for `data`."""
MANIFEST = "manifest.json"
"""In a folder of data, where an environment writes one: its files, below `shards` or `files`."""


def check_data(config: Bench) -> None:
    """Refuse to begin before the environment's data is there, every file of it.

    Raises:
        ConfigError: it is not; the message names what is missing, and the command that makes it.
    """
    elsewhere = "" if config.data == DEFAULT_DATA else f" data={config.data}"
    for plan in (training_plan(config), preflight_plan(config)):
        for folder in (plan.train_data, plan.sealed_data):
            if missing := missing_in(Path(folder)):
                raise ConfigError(
                    f"the data of env={config.env.name} is not there ({missing}): "
                    f"python -m airr.prepare env={config.env.name}{elsewhere}"
                )


def missing_in(folder: Path) -> Path | None:
    """Return the first file or folder that should be there and is not, or cannot be read."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return folder
    manifest = folder / MANIFEST
    if not manifest.exists():
        return None
    try:
        described = object_in(manifest.read_bytes())
        names = [*_names(described.get("shards", [])), *_names(described.get("files", []))]
        return next((folder / name for name in names if not (folder / name).is_file()), None)
    except (OSError, ValueError):  # a name may be none, too
        return manifest


def _names(raw: Any) -> list[str]:
    """Return the names in a list, or those that an object says something of."""
    names: list[Any] = [*raw] if isinstance(raw, list | dict) else [raw]
    if not all(isinstance(name, str) for name in names):
        raise Foreign("it names what is no file")
    return names
