"""Execution-grounded automated AI research on Slurm clusters (arXiv 2601.14525)."""

import os

# before Arrow is imported: mimalloc, its default, keeps what a merge of the ledger needed once
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
