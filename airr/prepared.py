"""The data that `python -m airr.prepare` made: is it there, as the manifests beside it say?"""

from __future__ import annotations

import json
from pathlib import Path

from airr.config import Bench
from airr.errors import ConfigError
from airr.executor.plans import preflight_plan, training_plan

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
            if missing := _missing(Path(folder)):
                raise ConfigError(
                    f"the data of env={config.env.name} is not there ({missing}): "
                    f"python -m airr.prepare env={config.env.name}{elsewhere}"
                )


def _missing(folder: Path) -> Path | None:
    """Return the first file or folder that should be there and is not, or cannot be read."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return folder
    manifest = folder / MANIFEST
    if not manifest.exists():
        return None
    try:
        described = json.loads(manifest.read_bytes())
        names = [*described.get("shards", ()), *described.get("files", ())]
    except (OSError, ValueError, AttributeError, TypeError):
        return manifest
    return next((folder / name for name in names if not (folder / name).is_file()), None)
