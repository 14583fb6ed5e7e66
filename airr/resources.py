"""Where conf, prompts, envs and sbatch lie: beside the package, or inside it once installed."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """Return the folder `name` (conf, prompts, envs or sbatch) that travels with airr."""
    shared = PACKAGE / "_share" / name
    return shared if shared.is_dir() else PACKAGE.parent / name
