"""A head's campaign -> `python -m airr.wandb` now and then, in a process of its own.

wandb takes time to import, starts services, talks to a network that may hang, and may crash. None
of that is in the head: it starts a process where there is news, ends it where it takes too long,
and notes what it said. What was not sent is sent the next time, or by that command.
"""

from __future__ import annotations

import asyncio
import json
import logging
import netrc
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from airr.cluster.job_environment import job_environment
from airr.config import Wandb, WandbMode
from airr.workspace import Workspace

log = logging.getLogger(__name__)

EVERY_SECONDS = 30.0
"""Between two sendings, if there is news."""
PASS_SECONDS = 600.0
"""How long a sending may take beside a campaign ..."""
LAST_SECONDS = 60.0
"""... and after it, while somebody waits for the prompt."""
LONGEST_PAUSE_SECONDS = 1800.0
"""After failures the pause doubles, up to this."""
SERVER = "https://api.wandb.ai"
NO_KEY = "no key (WANDB_API_KEY, or `wandb login`)"
REACHING = frozenset(
    {
        *("NETRC", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    }
)
"""What it takes, beside what jobs may see, to reach a server; no key but wandb's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What becomes of `wandb.mode` here; `why` says so where it is not as it was asked for."""

    mode: WandbMode
    why: str = ""


def choose(mode: WandbMode, environment: Mapping[str, str]) -> Choice:
    """Return how a campaign is mirrored from here: without a key, not online."""
    said = environment.get("WANDB_MODE", "")
    if mode is WandbMode.AUTO and said in {"offline", "disabled"}:
        return Choice(mode=WandbMode(said), why="WANDB_MODE")
    if mode in {WandbMode.AUTO, WandbMode.ONLINE}:
        has_key = bool(environment.get("WANDB_API_KEY")) or _in_netrc(environment)
        return (
            Choice(mode=WandbMode.ONLINE)
            if has_key
            else Choice(mode=WandbMode.DISABLED, why=NO_KEY)
        )
    return Choice(mode=mode)


def server_of(environment: Mapping[str, str]) -> str:
    """Return the server's address."""
    return environment.get("WANDB_BASE_URL") or SERVER


def environment_for_wandb(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what of a shell's variables its processes see: the keys of models are not among it."""
    mine = {k: v for k, v in environment.items() if k in REACHING or k.startswith("WANDB_")}
    return job_environment(environment) | mine


def _in_netrc(environment: Mapping[str, str]) -> bool:
    """Tell whether `wandb login` has left a key for the server."""
    home = Path(environment.get("HOME", "/nonexistent"))
    path = Path(environment.get("NETRC") or home / ".netrc")
    host = urlsplit(server_of(environment)).hostname or ""
    try:
        return netrc.netrc(str(path)).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return False


class Tracker:
    """Mirrors one campaign while its head works."""

    def __init__(
        self,
        workspace: Workspace,
        settings: Wandb,
        environment: Mapping[str, str],
        outcomes: Callable[[], int],
        *,
        every: float = EVERY_SECONDS,
        last: float = LAST_SECONDS,
    ) -> None:
        """Mirror what `outcomes` counts, once in `every` seconds at most; `last` is for the end."""
        self.choice = choose(settings.mode, environment)
        self._workspace = workspace
        self._settings = replace(settings, mode=self.choice.mode)
        self._environment = environment_for_wandb(environment)
        self._outcomes = outcomes
        self._every = every
        self._last = last
        self.told = ""
        """What the last sending said, in one line."""

    @property
    def is_on(self) -> bool:
        """Tell whether anything is mirrored."""
        return self.choice.mode is not WandbMode.DISABLED

    @property
    def in_words(self) -> str:
        """Return what is mirrored where, or why nothing is, in one line."""
        mode, why = self.choice.mode, self.choice.why
        project = "/".join(filter(None, (self._settings.entity, self._settings.project)))
        if mode is WandbMode.DISABLED:
            return f"off: {why}" if why else "off"
        if mode is WandbMode.OFFLINE:
            return f"offline{f' ({why})' if why else ''}: into {self._folder}"
        return f"online: project {project}, group {self._workspace.name}"

    @asynccontextmanager
    async def at_work(self) -> AsyncGenerator[None]:
        """Mirror while the body runs, and what is left after it; not if it ends in an error."""
        if not self.is_on:
            yield
            return
        keeping_up = asyncio.create_task(self._keep_up())
        try:
            yield
        finally:
            keeping_up.cancel()
            await asyncio.gather(keeping_up, return_exceptions=True)
        await self._send(self._last)

    async def _keep_up(self) -> None:
        known, pause = 0, self._every
        while True:
            await asyncio.sleep(pause)
            if (count := self._outcomes()) == known:
                continue
            if await self._send(PASS_SECONDS):
                known, pause = count, self._every
            else:
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _send(self, seconds: float) -> bool:
        """Run the command once, for so many seconds at most; tell whether all was sent."""
        self._folder.mkdir(exist_ok=True)
        output = self._folder / "airr.log"
        with output.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                *self.command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=self._environment,
                start_new_session=True,
            )
        try:
            async with asyncio.timeout(seconds):
                status = await process.wait()
            self.told = _last_line(output)
        except TimeoutError:
            status = None
            again = f"python -m airr.wandb campaign={self._workspace.folder}"
            self.told = f"not all was sent within {seconds:.0f} s; {again} sends the rest"
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        log.log(logging.INFO if status == 0 else logging.WARNING, "wandb: %s", self.told)
        return status == 0

    @property
    def command(self) -> list[str]:
        """Return the command that mirrors this campaign."""
        settings = {
            "campaign": str(self._workspace.folder.absolute()),
            "mode": str(self._settings.mode),
            "project": self._settings.project,
            "entity": self._settings.entity,
        }
        quoted = [f"{name}={json.dumps(value)}" for name, value in settings.items() if value]
        return [sys.executable, "-m", "airr.wandb", *quoted]

    @property
    def _folder(self) -> Path:
        return self._workspace.folder / "wandb"


def _last_line(path: Path) -> str:
    lines = path.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1].removeprefix("airr: ") if lines else ""
