"""What the executor asks of a scheduler, and the two that answer: local and Slurm."""
