"""The processes of a run: one, or as many as torchrun started, each with its own device."""

import os
import sys
from dataclasses import dataclass

import torch
import torch.distributed as dist


@dataclass(frozen=True)
class World:
    """This process among all of them."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this is the process that prints and saves."""
        return self.rank == 0

    def mean(self, *values: float) -> list[float]:
        """Return the means of some numbers over all processes; the same on each of them."""
        if self.size == 1:
            return list(values)
        total = torch.tensor(values, device=self.device)
        dist.all_reduce(total)
        return (total / self.size).tolist()


def join() -> World:
    """Join the other processes and return this one's place among them."""
    rank = int(os.environ.get("RANK", "0"))
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
    if size > 1:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return World(rank, size, device)


def leave(world: World) -> None:
    """Wait for the other processes, then part from them: with others, this ends the process.

    Python is not wound down then: gloo's threads may still hold tensors of it, and would abort.
    """
    if world.size > 1:
        dist.barrier()
        dist.destroy_process_group()
        sys.stdout.flush()
        os._exit(0)
