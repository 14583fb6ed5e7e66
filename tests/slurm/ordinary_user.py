"""Run by a test as an ordinary user: submits an array, and prints how its tasks ended."""

import asyncio
import os
import sys
from pathlib import Path

from airr.cluster.protocol import TaskState
from airr.cluster.slurm import Slurm
from tests.slurm.bench import PLAIN, all_are, shell_array, until


async def main() -> None:
    slurm = Slurm(PLAIN, os.environ)
    array = shell_array("ordinary", Path(sys.argv[1]), "id -un", 2)
    await slurm.submit(array)
    tasks = await until(slurm, array, all_are(TaskState.COMPLETED, TaskState.FAILED))
    print(*(task.state for task in tasks.values()))


if __name__ == "__main__":
    asyncio.run(main())
