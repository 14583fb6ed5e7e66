"""Execution-grounded automated AI research on Slurm clusters (arXiv 2601.14525)."""
