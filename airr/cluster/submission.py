"""Submits one job array through submitit: `python -m airr.cluster.submission < request.json`.

A process of its own, because sbatch hands its whole environment to the job: this process is
given an allow-listed one, and can be killed at a deadline. It prints one line of JSON, the job
id or a complaint, sbatch's or the file system's; if it prints nothing, nobody knows what became of
the array.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import Any

import submitit
from submitit.core.utils import FailedJobError

from airr.foreign import object_in
from airr.plain import plain_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A script to submit: its last line, its #SBATCH options, the shell lines before it."""

    folder: str
    command: str
    options: dict[str, Any]
    setup: tuple[str, ...]

    def to_json(self) -> str:
        """Return the request as JSON text."""
        return json.dumps(asdict(self))


class ArrayExecutor(submitit.SlurmExecutor):
    """Queues a command line as a job array.

    submitit's own arrays run pickles that get their final names only after sbatch has answered.
    Were the answer lost, or the head killed in between, the tasks would start and find nothing.
    Here the script itself says what to run, so that whatever Slurm took is whole.
    """

    def __init__(self, request: Request) -> None:
        """Take over the request's options; those that submitit does not know pass through."""
        super().__init__(request.folder)
        self._request = request
        self.update_parameters(
            use_srun=False,
            stderr_to_stdout=True,
            setup=list(request.setup) or None,
            wckey=None,
            additional_parameters={k: v for k, v in request.options.items() if v is not None},
        )

    def script(self) -> str:
        """Return the sbatch script."""
        return self._make_submission_file_text(self._request.command, uid="")

    def submit_array_command(self) -> str:
        """Submit the script and return the job id.

        Raises:
            FailedJobError: sbatch failed; the error holds what it said.
        """
        return self._submit_command(self._request.command).job_id


def complaint_in(printed: str) -> str | None:
    """Return what sbatch complained of, if it did, by the last line that `main` printed.

    Raises:
        ValueError: it is none of ours.
    """
    said = object_in(printed.rpartition("\n")[2])
    complaint = said.get("complaint")
    if said.keys() not in ({"job_id"}, {"complaint"}) or not isinstance(complaint, str | None):
        raise ValueError(f"it said {plain_line(printed)[:200]!r}")
    return complaint


def main() -> None:
    """Submit the request that stands on stdin."""
    request = Request(**json.load(sys.stdin))
    try:
        said = {"job_id": ArrayExecutor(request).submit_array_command()}
    except (FailedJobError, OSError) as error:  # OSError: the script cannot be put down
        said = {"complaint": str(error)}
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
