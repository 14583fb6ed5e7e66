"""`python -m airr.prepare`: an environment's data and its models, made once, checked after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airr.errors import AirrError, ConfigError
from airr.verb import run_verb

if TYPE_CHECKING:
    from airr.config import Env


def main(raw: dict[str, Any]) -> None:
    """Run the environment's own preparation and pass on what it says."""
    import json  # noqa: PLC0415 - --help needs none of these
    import sys  # noqa: PLC0415
    import tempfile  # noqa: PLC0415

    from airr import interrupts  # noqa: PLC0415
    from airr.config import Env  # noqa: PLC0415
    from airr.parsing import parse  # noqa: PLC0415
    from airr.places import folder_said  # noqa: PLC0415
    from airr.resources import resource  # noqa: PLC0415
    from airr.workspace import check_writable  # noqa: PLC0415

    env = parse(Env, raw["env"], at="env.")
    data = folder_said(raw, "data").absolute()
    folders = {
        "train_data": data / env.train_data,
        "sealed_data": data / env.sealed_data,
        "preflight_train": data / env.preflight.train_data,
        "preflight_sealed": data / env.preflight.sealed_data,
    }
    settings = _settings(env, raw["prepare"])
    spec = {name: str(folder) for name, folder in folders.items()} | {"settings": settings}
    if not all(folder.exists() for folder in folders.values()):
        check_writable(data, "data")
    values = {"{python}": sys.executable, "{env}": str(resource("envs") / env.folder)}
    argv = list(env.prepare.argv)
    for placeholder, value in values.items():
        argv = [part.replace(placeholder, value) for part in argv]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(spec, file)
        file.flush()
        status = interrupts.run(interrupts.status_of([*argv, file.name]))
    if status:
        raise AirrError(f"preparing env={env.name} failed (status {status}): see above")
    if raw.get("policy"):
        from airr.policy.prepared import prepare_policy  # noqa: PLC0415
        from airr.policy.settings import Policy  # noqa: PLC0415

        policy = parse(Policy, raw["policy"], at="policy.")
        envs = resource("envs") / env.folder
        prepare_policy(policy, data, envs, seed=0, tell=lambda said: print(said, flush=True))  # noqa: T201


def _settings(env: Env, said: dict[str, Any]) -> dict[str, Any]:
    """Return the environment's settings of its preparation, with what was said in their place.

    Raises:
        ConfigError: it has no such setting.
    """
    given = {name: value for name, value in said.items() if value is not None}
    for name in given.keys() - env.prepare.settings.keys():
        known = ", ".join(f"prepare.{one}" for one in sorted(env.prepare.settings))
        raise ConfigError(f"prepare.{name} means nothing to env={env.name}: it has {known}")
    return {**env.prepare.settings, **given}


if __name__ == "__main__":
    run_verb("prepare", main)
