"""Where the model lies that a policy begins as, and how it gets there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from airr.errors import ConfigError
from airr.llm.catalogue import Catalogue
from airr.policy.checkpoints import is_whole
from airr.policy.settings import Policy

CATALOGUE = "catalogue"


def model_folder(policy: Policy, data: Path, env_folder: Path) -> Path:
    """Return where the model lies, or is to lie: a folder of the user's own, or below the data."""
    if policy.model == CATALOGUE:
        return data / "policies" / f"{CATALOGUE}-{env_folder.name}"
    own = Path(policy.model)
    return own if own.is_dir() else data / "policies" / policy.name


def check_prepared(policy: Policy, data: Path, env_folder: Path, env: str) -> Path:
    """Return where the model lies.

    Raises:
        ConfigError: it does not; the message says how to get it.
    """
    folder = model_folder(policy, data, env_folder)
    is_there = is_whole(folder) if policy.model == CATALOGUE else (folder / "config.json").exists()
    if not is_there:
        own = "" if policy.model == CATALOGUE else f" policy.model={policy.model}"
        raise ConfigError(
            f"policy={policy.name}{own}: its model is not in {folder}, and no folder of yours: "
            f"first run\n  python -m airr.prepare env={env} policy={policy.name}{own} data={data}"
        )
    return folder


def prepare_policy(
    policy: Policy, data: Path, env_folder: Path, *, seed: int, tell: Callable[[str], None]
) -> None:
    """Put the model in place unless it is there: made of the catalogue, or from the hub.

    Raises:
        ConfigError: there is no such catalogue, or the hub does not give it.
    """
    folder = model_folder(policy, data, env_folder)
    if policy.model != CATALOGUE:
        _fetch(policy, folder, tell)
        return
    if is_whole(folder):
        tell(f"policy: {folder} is there")
        return
    from airr.policy.catalogue_policy import (  # noqa: PLC0415 - torch and transformers take seconds
        Recipe,
        make_catalogue_policy,
        texts_of,
    )

    texts = texts_of(Catalogue.read(env_folder / "catalogue"))
    tell(f"policy: a language model of {len(texts)} ideas, from nothing")
    make_catalogue_policy(texts, folder, Recipe(), seed=seed, tell=tell)
    tell(f"policy: {folder}")


def _fetch(policy: Policy, folder: Path, tell: Callable[[str], None]) -> None:
    if (folder / "config.json").exists():
        tell(f"policy: {folder} is there")
        return
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - where it is needed
    from huggingface_hub.errors import HfHubHTTPError  # noqa: PLC0415

    tell(f"policy: fetching {policy.model} into {folder}")
    try:
        snapshot_download(policy.model, local_dir=folder)
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ConfigError(
            f"policy.model={policy.model}: neither a folder nor to be had from huggingface.co "
            f"({error}). Where there is no internet, copy it here and set policy.model=FOLDER"
        ) from error
