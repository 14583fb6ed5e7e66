"""Run <-> (array task, place in it), for runs that share the node of a task. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How `runs` (one at least) divide into the tasks of an array, at most `most` into each.

    All tasks of an array ask for the same. So the runs are spread evenly over the fewest tasks
    that hold them: nine runs, at most eight together, make five and four, and a run alone asks
    for its own share of a node and no more.
    """

    runs: int
    most: int

    @property
    def tasks(self) -> int:
        """Return how many tasks the array has."""
        return math.ceil(self.runs / self.most)

    @property
    def places(self) -> int:
        """Return for how many runs each task has room; the last task may have fewer."""
        return math.ceil(self.runs / self.tasks)

    @property
    def in_words(self) -> str:
        """Return how many runs there are, and in how many tasks where they share them."""
        runs = f"{self.runs} run{'' if self.runs == 1 else 's'}"
        if self.most == 1:
            return runs
        return f"{runs} in {self.tasks} task{'' if self.tasks == 1 else 's'}"

    def task_of(self, run: int) -> int:
        """Return the index of the task that a run belongs to."""
        return run // self.places

    def runs_of(self, task: int) -> range:
        """Return the runs of a task, in the order of their places."""
        first = task * self.places
        return range(first, min(first + self.places, self.runs))
