"""`python -m airr.worker BATCH.json INDEX`: evaluate one run of a batch on this node."""

import sys
from pathlib import Path

from airr.worker.task import run_task

run_task(Path(sys.argv[1]), int(sys.argv[2]))
