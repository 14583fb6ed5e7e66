"""The folders that `airr.status` is asked about -> where they stand, and how to go on looking."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from airr.cluster.queue import Glance, look_at_queue
from airr.errors import WorkspaceError
from airr.reporting.standing import Seen, Unreadable, see, standing_of
from airr.reporting.standing_lines import AnyStanding
from airr.workspace import Workspace, campaign_folder, names_in

ASK_SECONDS = 30.0
"""Between two questions to Slurm, however often files are looked at."""


def workspaces_of(root: Path, named: str | None) -> list[Workspace]:
    """Return the campaign that is named, or all that lie below the root, which may be none."""
    if named:
        return [Workspace(campaign_folder(root, named))]
    workspaces = [Workspace(root / name) for name in names_in(root)]
    return [workspace for workspace in workspaces if workspace.may_hold_a_campaign]


@dataclass(slots=True)
class Looker:
    """Looks at campaigns, over and over. One question to Slurm serves all looks of a while.

    `patience` is how many seconds Slurm has for an answer.
    """

    root: Path
    named: str | None
    patience: float
    environment: Mapping[str, str]
    ask_seconds: float = ASK_SECONDS
    _asked: float = field(default=float("-inf"), init=False)
    _glance: Glance | None = field(default=None, init=False)

    def look_at_some(self) -> list[AnyStanding]:
        """Do as `look`, for eyes, to which an empty screen says nothing.

        Raises:
            WorkspaceError: there is none, or as `look`.
        """
        if found := self.look():
            return found
        raise WorkspaceError(f"no campaign below {self.root}: start one with python -m airr.evolve")

    def look(self) -> list[AnyStanding]:
        """Return where the campaigns stand at this moment; nothing where there are none.

        Raises:
            WorkspaceError: the one that is named is not there, or is damaged.
        """
        seen = [self._see(workspace) for workspace in workspaces_of(self.root, self.named)]
        glance = self._glance_at([one for one in seen if isinstance(one, Seen)])
        return [self._standing(one, glance) for one in seen]

    def _see(self, workspace: Workspace) -> Seen | Unreadable:
        try:
            return see(workspace)
        except (WorkspaceError, OSError) as error:
            if self.named:
                raise
            return Unreadable(name=workspace.name, why=str(error))

    def _standing(self, seen: Seen | Unreadable, glance: Glance | None) -> AnyStanding:
        if isinstance(seen, Unreadable):
            return seen
        try:
            return standing_of(seen, glance)
        except (WorkspaceError, OSError) as error:
            if self.named:
                raise
            return Unreadable(name=seen.workspace.name, why=str(error))

    def _glance_at(self, seen: Sequence[Seen]) -> Glance | None:
        """Return the queue's last answer, or a new one if that is due."""
        asking = [one for one in seen if one.arrays]
        arrays = frozenset[str]().union(*(one.arrays for one in asking))
        if not arrays:
            return None
        now = time.monotonic()
        if now - self._asked >= self.ask_seconds:
            owners = {one.workspace.config.stat().st_uid for one in asking}
            self._glance = asyncio.run(
                look_at_queue(sorted(arrays), owners, self.environment, self.patience)
            )
            self._asked = now
        return self._glance
