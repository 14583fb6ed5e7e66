"""campaign.yaml: what a campaign was started with, so that going on means going on with that.

What decides which ideas are proposed and what their scores mean is fixed; where and how fast
it runs may change from one start to the next.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from airr.config import Metric
from airr.errors import ConfigError, WorkspaceError
from airr.foreign import as_float, record_of
from airr.ledger import MANIFEST
from airr.parsing import parse
from airr.plain import plain_line
from airr.plain_yaml import mapping_at
from airr.records import Origin
from airr.workspace import Workspace, names_in, write_atomically

MOST = 1_000_000
"""Of whatever a setting counts."""
Setting = TypeVar("Setting", str, int, float)

FREE = (
    "search.epochs",
    "rl.epochs",
    "rl.keep",
    "rl.patience",
    "policy.*_seconds",
    "policy.nodes",
    "policy.cpus",
    "policy.memory_gb",
    "cluster.*",
    "implement.concurrent_ideas",
    "llm.concurrency",
    "llm.base_url",
    "llm.*.concurrency",
    "llm.batch",
    "llm.*.base_url",
    "budget.*",
    "prices",
    "wandb.*",
    "seeds",
    "top",
    "root",
    "data",
)
"""Settings that may change between starts of a campaign: they touch no idea and no score."""
FIXED = ("cluster.sandbox",)
"""Exceptions from `FREE`: what was measured unshielded must not mix with what was not."""
LATER = (
    "search.screen.promote",
    "search.early_stopping.from_share",
    "search.early_stopping.curves",
    "env.shortened_by.*",
    "env.curve.*",
)
"""What screens and early stopping rest on where they are used, absent from older campaigns."""
ABSENT = "(absent)"
CUT_OFF = "Where many are absent, {} may have been cut off: put a copy of it back. "
MEASURE = ("env.*", "cluster.sandbox")
"""What scores mean: where one of these differs, they do not compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Charter:
    """What stands in campaign.yaml. `uid` makes the names of this campaign's jobs unique.

    `data_sha256` is that of the validation data; campaigns of before it was recorded have none.
    `path` is where the file stands.
    """

    uid: str
    airr_version: str
    env_sha256: str
    data_sha256: str = ""
    config: Mapping[str, Any]
    path: Path = field(default=Path("campaign.yaml"), compare=False)

    def setting(self, name: str, kind: type[Setting], default: Setting | None = None) -> Setting:
        """Return one setting by its dotted name, such as `search.epochs`.

        Raises:
            WorkspaceError: it is of another type, or not there without a default: the file was
                damaged.
        """
        value = _flat(self.config).get(name, default)
        if kind is float and isinstance(value, int):
            value = as_float(value)
        if not isinstance(value, kind):
            raise damaged(self.path, f"{name}={value!r:.80} does not fit")
        return value

    def size(self, name: str, default: int | None = None, *, least: int = 0) -> int:
        """Return a setting that counts something.

        Raises:
            WorkspaceError: as `setting`, or it is below `least` or above `MOST`.
        """
        value = self.setting(name, int, default)
        if not least <= value <= MOST:
            raise damaged(self.path, f"{name}={value} is not from {least} to {MOST:,}")
        return value

    def section(self, name: str) -> Mapping[str, Any]:
        """Return the settings below a dotted name, such as `env.metric`; none if none are there.

        Raises:
            WorkspaceError: something else stands there: the file was damaged.
        """
        found: Any = self.config
        for part in name.split("."):
            found = {} if (inner := found.get(part)) is None else inner
            if not isinstance(found, Mapping):
                raise damaged(self.path, f"{name} holds no settings")
        return found

    def numbers(self, name: str) -> tuple[float, ...]:
        """Return the numbers that a setting lists; none if it is not there.

        Raises:
            WorkspaceError: it is something else: the file was damaged.
        """
        listed = _flat(self.config).get(name) or []
        try:
            return record_of(_Numbers, {"listed": listed}).listed
        except ValueError as error:
            raise damaged(self.path, f"{name}: {error}") from error

    @property
    def metric(self) -> Metric:
        """Return what its scores mean.

        Raises:
            WorkspaceError: the file was damaged.
        """
        try:
            return parse(Metric, self.section("env.metric"), at="env.metric.")
        except ConfigError as error:
            raise damaged(self.path, str(error)) from error

    @property
    def is_imported(self) -> bool:
        """Tell whether others measured this campaign, and airr.trajectories read it from a file."""
        return str(Origin.IMPORTED) in self.config

    def to_yaml(self) -> str:
        """Return the file's text."""
        fields = {
            "uid": self.uid,
            "airr_version": self.airr_version,
            "env_sha256": self.env_sha256,
            "data_sha256": self.data_sha256,
            "config": self.config,
        }
        return yaml.safe_dump(json.loads(json.dumps(fields)), sort_keys=False)


@dataclass(frozen=True, slots=True)
class _Numbers:
    """What a setting lists."""

    listed: tuple[float, ...]


def read_charter(workspace: Workspace) -> Charter:
    """Return what a campaign was started with.

    Raises:
        WorkspaceError: the folder holds no campaign, or its file is damaged.
        OSError: the disk does not let it be read.
    """
    try:
        charter = record_of(Charter, mapping_at(workspace.config), others=True)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise WorkspaceError(
            f"{workspace.folder} holds no campaign: "
            f"python -m airr.status root={workspace.folder.parent} lists those there are"
        ) from error
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno not in {None, errno.EISDIR}:
            raise  # the disk fails: nobody is told to remove a campaign for that
        raise damaged(workspace.config, str(error)) from error
    return replace(charter, path=workspace.config)


def damaged(path: Path, why: str) -> WorkspaceError:
    """Return what is said of a campaign.yaml that cannot be used."""
    return WorkspaceError(
        f"{path} is damaged: put a copy of it back, or remove {path.parent}\n"
        f"  {plain_line(why)[:300]}"
    )


def open_charter(
    workspace: Workspace,
    config: Mapping[str, Any],
    *,
    version: str,
    env_sha256: str,
    data_sha256: str,
) -> Charter:
    """Return the campaign's charter: a new one, or its own with what may change as it is now.

    Raises:
        WorkspaceError: it was started with other settings, or another environment.
    """
    hashes = {"env_sha256": env_sha256, "data_sha256": data_sha256}
    if before := existing_charter(workspace, config, **hashes):
        charter = replace(before, config=config)
        if charter != before:  # what may change has changed: how many epochs, where it runs
            write_atomically(workspace.config, charter.to_yaml().encode())
        return charter
    charter = Charter(
        uid=uuid.uuid4().hex[:6],
        airr_version=version,
        config=config,
        path=workspace.config,
        **hashes,
    )
    write_atomically(workspace.config, charter.to_yaml().encode())
    return charter


def existing_charter(
    workspace: Workspace, config: Mapping[str, Any], *, env_sha256: str, data_sha256: str
) -> Charter | None:
    """Return the charter of a campaign that has begun, and may be gone on with in this way.

    One in which nothing has begun is started anew with whatever settings come.

    Raises:
        WorkspaceError: it was started with other settings, or another environment.
    """
    if not has_begun(workspace):
        return None
    if not workspace.config.exists():
        raise WorkspaceError(
            f"{workspace.folder} holds the results of a campaign, but its campaign.yaml is gone: "
            "put a copy of it back, or start another one with campaign=NEWNAME"
        )
    charter = read_charter(workspace)
    if charter.is_imported:
        raise WorkspaceError(
            f"campaign {workspace.name} was imported, and is not gone on with: what it holds was "
            "measured elsewhere. Begin with its best ideas, measured here: campaign=NEWNAME "
            f"fork={workspace.name}"
        )
    if (name := charter.config.get("campaign")) != workspace.name:
        raise WorkspaceError(
            f"{workspace.folder} is campaign {name}, moved or copied: its jobs write into the old "
            f"folder. Move it back, or start another one with campaign=NEWNAME fork={name}"
        )
    measure = _measure_changes(charter, config, env_sha256, data_sha256)
    changes = fixed_changes(charter.config, config)
    if changes or measure:
        listed = "\n  ".join([*changes, *(one for one in measure if one not in changes)])
        may_fork = not measure and "search" in config and "rl" not in config
        carry = ", or carry this one's ideas and scores over with campaign=NEWNAME fork="
        raise WorkspaceError(
            f"campaign {workspace.name} was started with other settings:\n  {listed}\n"
            + (CUT_OFF.format(workspace.config) if ABSENT in listed else "")
            + ("Scores of both would not compare. " if measure else "")
            + "Start another one with campaign=NEWNAME"
            + (f"{carry}{workspace.name}" if may_fork else "")
            + _as_it_was(charter, config)
        )
    return charter


def check_fork(
    source: Workspace, config: Mapping[str, Any], *, env_sha256: str, data_sha256: str
) -> None:
    """Refuse to carry scores over into a campaign whose own would mean something else.

    Of an imported campaign no scores are carried over; its metric must run the same way.

    Raises:
        WorkspaceError: it is so, or there is no campaign to fork.
    """
    charter = read_charter(source)
    if charter.is_imported:
        _check_imported(charter, config, source.name)
        return
    changes = _measure_changes(charter, config, env_sha256, data_sha256)
    if changes:
        listed = "\n  ".join(changes)
        raise WorkspaceError(
            f"fork={source.name}: its scores do not compare with those of these settings:\n"
            f"  {listed}\nLeave fork= out, or take the settings of {source.name}"
        )


def _check_imported(charter: Charter, config: Mapping[str, Any], name: str) -> None:
    """Refuse ideas about another task, as far as the direction of its metric tells."""
    old, new = (_flat(one).get("env.metric.direction") for one in (charter.config, config))
    if old != new:
        raise WorkspaceError(
            f"fork={name}: its ideas are about env={charter.setting('env.name', str)}, whose "
            f"metric is to be {old}d, and that of env={config['env']['name']} is to be {new}d"
        )


def _measure_changes(
    charter: Charter, config: Mapping[str, Any], env_sha256: str, data_sha256: str
) -> list[str]:
    """Return a line for each difference that lets scores mean something else."""
    changes = [
        line
        for name, line in _differences(charter.config, config).items()
        if _matches(name, MEASURE)
    ]
    if charter.env_sha256 != env_sha256:
        changes.append("the environment's own files (its codebase or its scorer) were edited")
    if charter.data_sha256 not in ("", data_sha256):
        changes.append("the validation data is not what it was")
    return changes


def has_begun(workspace: Workspace) -> bool:
    """Tell whether a campaign has submitted, asked or learned anything."""
    begun = (workspace.ledger / MANIFEST, workspace.journal)
    return any(path.exists() for path in begun) or bool(names_in(workspace.jobs))


def _as_it_was(charter: Charter, config: Mapping[str, Any]) -> str:
    """Return how to go on with the provider of before: a key in the shell may have changed it."""
    before, now = (_flat(one).get("llm.provider") for one in (charter.config, config))
    return "" if before == now else f".\nTo go on with this one as it was: llm={before}"


def fixed_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return a line for each setting that differs and may not."""
    return [line for name, line in _differences(before, after).items() if not _is_free(name)]


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, str]:
    """Return a line for each setting that differs, by its dotted name; 20 and "20" are the same.

    So are a setting that an older airr did not have and the same one turned off, or one that means
    nothing while another is turned off.
    """
    new = _flat(after)
    absent = {name: value for name, value in new.items() if not value or _matches(name, LATER)}
    old = absent | _flat(before)
    return {
        name: f"{name}: {old.get(name, ABSENT)} -> {new.get(name, ABSENT)}"
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name) and str(old.get(name)) != str(new.get(name))
    }


def _is_free(name: str) -> bool:
    return name not in FIXED and _matches(name, FREE)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")  # pyright: ignore[reportUnknownArgumentType]
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def hash_of_folder(folder: Path) -> str:
    """Return a hash of every file below a folder, names included, byte-code caches left out."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
