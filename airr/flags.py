"""A command line -> what its flags ask for, and its settings. The same for every verb; pure.

What a verb does is said by settings, `key=value`. Flags only show them, or ask for several of one.
Those of Hydra that do something else are none of airr's: nothing begins where one is met.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from airr.errors import ConfigError

FLAGS = ("--help", "--version", "--cfg", "--package", "--resolve", "--multirun")
THERE_ARE = (
    "there are --help, --version, --cfg job and -m; a setting is written key=value, without dashes"
)
TAUGHT = """\
Flags: --cfg job prints the settings alone, with --package GROUP those of one group, with --resolve
what they refer to filled in. --version tells which airr this is.
"""
"""What `--help` says of them."""
OWN_FOLDER = "settings of your own are found by hydra.searchpath=[file://FOLDER]"
MEANT = {
    "--dry-run": "write +dry_run=true",
    "--dry_run": "write +dry_run=true",
    **dict.fromkeys(("--config-dir", "-cd", "--config-path", "-cp"), OWN_FOLDER),
}
"""What to do in place of flags that others have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What stands on a command line. `cfg` asks for the settings, or for those of `package`."""

    settings: Sequence[str]
    help: bool
    version: bool
    cfg: str | None
    package: str | None
    resolve: bool
    multirun: bool


def asked_by(arguments: Sequence[str], short: Mapping[str, str] | None = None) -> Asked:
    """Return what a command line asks for; `short` are flags of the verb's own for settings.

    Raises:
        ConfigError: there is no such flag, or not with this value.
    """
    short = short or {}
    meant = [short.get(one, one) for one in arguments]
    found, unknown = _parser().parse_known_intermixed_args(meant)
    if unknown:
        raise ConfigError(f"{unknown[0]} is no flag here: {_meant(unknown[0], [*FLAGS, *short])}")
    asked = Asked(**vars(found))
    if asked.cfg not in {None, "job"}:
        raise ConfigError("--cfg stands before the word job: --cfg job prints the settings")
    if asked.cfg is None and (asked.resolve or asked.package is not None):
        raise ConfigError("--resolve and --package GROUP go with --cfg job")
    return asked


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError(f"{message}: {THERE_ARE}")  # a flag with a value that takes none


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("settings", nargs="*")
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--cfg", nargs="?", const="")
    parser.add_argument("--package", nargs="?", const="")
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--multirun", "-m", action="store_true")
    return parser


def _meant(flag: str, known: Collection[str]) -> str:
    """Return what to write in place of a flag that is none."""
    bare, _, value = flag.partition("=")
    if bare in MEANT:
        return MEANT[bare]
    if value:
        return f"a setting has no dashes, write {flag.lstrip('-')}"
    names = {one.lstrip("-"): one for one in known}
    near = difflib.get_close_matches(bare.lstrip("-"), names, n=1)
    return f"did you mean {names[near[0]]}?" if near else THERE_ARE
