"""What every `python -m airr.<verb>` shares: Hydra at the door, calm errors, `auto` resolved."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from airr.composition import compositions, help_shown, settings_shown
from airr.errors import AirrError, ConfigError
from airr.flags import TAUGHT, Asked, asked_by

Body = Callable[[dict[str, Any]], None]
Sweep = Callable[[Sequence[dict[str, Any]]], None]

BUDGET_SPENT = 3
"""Exit status of a campaign that a bound of its budget has ended."""
NOBODY_READS = 128 + signal.SIGPIPE
"""Exit status of what wrote to `head` after that had seen enough; a shell's own for it."""
SLURM_CONFS = (
    "/etc/slurm/slurm.conf",
    "/etc/slurm-llnl/slurm.conf",
    "/run/slurm/conf/slurm.conf",
    "/var/spool/slurmd/conf-cache/slurm.conf",
)
AUTO = {
    "llm": lambda: auto_llm(os.environ),
    "cluster": lambda: auto_cluster(os.environ, SLURM_CONFS),
}
"""Config groups whose choice `auto` (or none) is found out on this machine."""
CHOSEN_BY = {"cluster": "+site="}
"""What else on a command line makes that choice: a site is one of Slurm."""


def run_verb(
    config_name: str,
    body: Body,
    *,
    groups: Sequence[str] = (),
    sweep: Sweep | None = None,
    rehearses: bool = False,
    short: Mapping[str, str] | None = None,
) -> None:
    """Compose the verb's configuration from the command line and run `body` with it.

    `groups` are those of `AUTO` that this verb has. `sweep` runs what -m composes, all of it at
    once, where Hydra's launcher would run one job after the other; without it there is no -m.
    A verb that `rehearses` takes +dry_run=true; of another one it is refused. `short` are its own
    flags for some of its settings.

    The user's mistakes end in one message and status 2, an interruption in status 130, a refusal
    of the file system in 1; a defect of ours keeps its traceback.
    """
    with errors_told():
        asked = asked_by(sys.argv[1:], short)
        settings = resolve_auto(asked.settings, groups)
        if shown := _shown(config_name, settings, asked):
            sys.stdout.write(shown)
            return
        raws = compositions(config_name, settings, multirun=asked.multirun)
        if not rehearses and any(pop_dry_run(raw) for raw in raws):
            raise ConfigError(f"airr.{config_name} has no dry run, and nothing was done")
        if not asked.multirun:
            body(raws[0])
        elif sweep:
            sweep(raws)
        else:
            raise ConfigError(
                "-m is for airr.evolve and airr.rl: this verb takes one value of a setting"
            )


def _shown(config_name: str, settings: Sequence[str], asked: Asked) -> str:
    """Return what flags ask to be shown in place of what the verb does; "" if nothing."""
    if asked.help:
        return f"{help_shown(config_name, settings)}\n{TAUGHT}"
    if asked.version:
        return f"airr {version('airr')}\n"
    if asked.cfg:
        return settings_shown(config_name, settings, package=asked.package, resolve=asked.resolve)
    return ""


@contextmanager
def errors_told() -> Generator[None]:
    """End the process with one message and its exit status on what is no defect of ours."""
    warnings.showwarning = _tell_warning
    try:
        yield
        sys.stdout.flush()  # so that a reader who has left is met here
    except AirrError as error:
        sys.exit(_tell(str(error), status=2))
    except BrokenPipeError:
        _stop_writing()
        sys.exit(NOBODY_READS)
    except OSError as error:
        refused = f"the file system or the network refused: {error}"
        sys.exit(_tell(f"{refused}\n{_what_to_do(error)}", status=1))
    except KeyboardInterrupt:
        sys.exit(_tell("stopped; the same command goes on from here", status=130))


def pop_dry_run(raw: dict[str, Any], *more: str) -> bool | str:
    """Take `dry_run` out of a verb's settings: true, false, or one of the words in `more`.

    Raises:
        ConfigError: it is anything else. Nothing may begin that was meant to be shown alone.
    """
    said = raw.pop("dry_run", False)
    if isinstance(said, bool) or said in more:
        return said
    raise ConfigError(f"+dry_run={said}: choose one of {', '.join(('true', 'false', *more))}")


def pop_flag(raw: dict[str, Any], name: str) -> bool:
    """Take a setting that is true or false out of a verb's settings.

    Raises:
        ConfigError: it is anything else.
    """
    said = raw.pop(name)
    if isinstance(said, bool):
        return said
    raise ConfigError(f"{name}={said}: choose one of true, false")


def _stop_writing() -> None:
    """Let nothing be written to a pipe that nobody reads on, such as that of `... | head`."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def resolve_auto(arguments: Sequence[str], groups: Sequence[str]) -> list[str]:
    """Return the command line with each `group=auto`, said or unsaid, replaced by what it means."""
    resolved = [*arguments]
    for group in groups:
        said = [argument for argument in resolved if argument.startswith(f"{group}=")]
        if all(argument == f"{group}=auto" for argument in said):
            resolved = [argument for argument in resolved if argument not in said]
            if not any(argument.startswith(CHOSEN_BY.get(group, "=")) for argument in resolved):
                resolved.append(f"{group}={AUTO[group]()}")
    return resolved


def auto_llm(environment: Mapping[str, str]) -> str:
    """Return the provider that this shell has a key for, or the one that needs none."""
    if environment.get("ANTHROPIC_API_KEY"):
        return "anthropic"
    return "openai" if environment.get("OPENAI_API_KEY") else "offline"


def auto_cluster(environment: Mapping[str, str], confs: Sequence[str]) -> str:
    """Return slurm where sbatch is installed and knows a cluster, else this machine.

    A controller that is down for the moment changes nothing: its users are on a login node.
    """
    has_sbatch = shutil.which("sbatch", path=environment.get("PATH")) is not None
    knows_one = "SLURM_CONF" in environment or any(Path(conf).exists() for conf in confs)
    return "slurm" if has_sbatch and knows_one else "local"


def _what_to_do(error: OSError) -> str:
    """Return how to go on from what the file system or the network refused."""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            mend = "make room there"
        case errno.EROFS | errno.EACCES | errno.EPERM:
            mend = "have it opened for writing"
        case _:
            mend = "mend what refused"
    return f"{mend}, and the same command goes on; what was done is kept"


def _tell_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Tell a warning of airr's in one line; where a campaign is open, its log takes them."""
    _tell(str(message), status=0)


def _tell(message: str, *, status: int) -> int:
    sys.stderr.write(f"airr: {message}\n")
    return status
