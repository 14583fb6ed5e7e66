"""What the head asks of the probe on a node, and what the probe tells it, as plain JSON.

    batch.json     a `Batch` without runs, whose plan is that of a training
    token          random bytes, which the node must read as they were written
    report.json    a `ProbeReport`
    seen           the head's answer to it
    echo.json      when the node saw that answer

Standard library only: a compute node reads this before anything else is known to be there.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from airr.foreign import json_in, record_of

BATCH, TOKEN, REPORT, SEEN, ECHO = "batch.json", "token", "report.json", "seen", "echo.json"

ANSWER_SECONDS = 120.0
"""How long a new file of the other side may stay out of sight: NFS caches directories for 60 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchSeen:
    """What `import torch` led to. `trouble` says why it led to nothing; "" if it did not."""

    version: str = ""
    gpus: tuple[str, ...] = ()
    """Each with its name and memory."""
    seconds: float = 0.0
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSeen:
    """What a step of the job led to: the nodes of the run that saw the shared folder.

    `trouble` says why it led to nothing; "" if it did not.
    """

    nodes: tuple[str, ...] = ()
    trouble: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """What a node found. Times are unix seconds of its own clock, bytes are bytes."""

    node: str
    job_id: str
    written_at: float
    token_sha256: str
    rename_trouble: str
    unseen_folders: tuple[str, ...]
    """Of the environment and its data."""
    step: StepSeen | None
    """None outside of Slurm."""
    airr_version: str
    python_version: str
    torch: TorchSeen
    torch_in_sandbox: TorchSeen | None
    """None where no sandbox is asked for, or it does not work."""
    has_sandbox: bool
    scratch: str
    scratch_trouble: str
    scratch_free_bytes: int
    cpus: int
    memory_bytes: int
    secrets: tuple[str, ...]
    """Names of variables that look like secrets; never their values."""

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> ProbeReport:
        """Return the record that `to_json` wrote.

        Raises:
            ValueError: the text is torn or foreign.
        """
        return record_of(cls, json_in(text))
