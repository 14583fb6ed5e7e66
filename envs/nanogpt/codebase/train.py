"""Train a GPT until its steps or its time are used up, then save it.

    python train.py                                          one process
    torchrun --standalone --nproc-per-node=8 train.py        one process for each GPU

Reads from the environment: AIRR_SCALE (see config.py), AIRR_SEED, AIRR_DATA (a folder of
shards), AIRR_OUT (where checkpoint.pt is put), AIRR_DEADLINE (unix seconds, when the run is
killed), AIRR_STEPS (stop after so many steps), AIRR_SAVE_EVERY (save every so many seconds).
"""

import os
import time
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from config import Config, load_config
from data import batches
from distributed import World, join, leave
from model import GPT
from optimizer import AdamW, learning_rate
from report import write_report


class Objective(nn.Module):
    """The mean loss of the next token: model and loss in one graph for the compiler."""

    def __init__(self, model: GPT):
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, targets: Tensor) -> Tensor:
        logits, _ = self.model(tokens)
        return F.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())


def distribute(objective: nn.Module, world: World) -> nn.Module:
    """Return the objective compiled for the GPU and spread over the processes."""
    if world.device.type == "cuda":
        objective = torch.compile(objective)
    return DistributedDataParallel(objective) if world.size > 1 else objective


def backward(
    objective: nn.Module, tokens: Tensor, targets: Tensor, config: Config, world: World
) -> Tensor:
    """Add the gradient of one step, in micro-batches, and return this process's mean loss."""
    parts = list(
        zip(tokens.split(config.micro_batch), targets.split(config.micro_batch), strict=True)
    )
    total = torch.zeros((), device=world.device)
    for index, (x, y) in enumerate(parts):
        wait = world.size > 1 and index < len(parts) - 1  # gradients are exchanged once a step
        with objective.no_sync() if wait else nullcontext():
            with torch.autocast("cuda", torch.bfloat16, enabled=world.device.type == "cuda"):
                loss = objective(x.to(world.device), y.to(world.device))
            loss = loss * len(x) / len(tokens)
            loss.backward()
        total += loss.detach()
    return total


def save(model: GPT, config: Config, path: Path) -> None:
    """Write the checkpoint whole or not at all."""
    beside = path.with_suffix(".partial")
    torch.save({"config": asdict(config), "weights": model.state_dict()}, beside)
    beside.replace(path)


def main() -> None:
    config = load_config()
    world = join()
    seed = int(os.environ.get("AIRR_SEED", "0"))
    steps = min(config.steps, int(os.environ.get("AIRR_STEPS", config.steps)))
    stop_at = float(os.environ.get("AIRR_DEADLINE", "inf")) - config.save_seconds
    save_every = float(os.environ.get("AIRR_SAVE_EVERY", "inf"))
    save_at = time.time() + save_every

    torch.manual_seed(seed)
    torch.set_float32_matmul_precision("high")
    model = GPT(config).to(world.device)
    objective = distribute(Objective(model), world)
    optimizer = AdamW(model.parameters(), config)
    data = batches(Path(os.environ["AIRR_DATA"]), config, seed, world.rank, world.size)

    logged_at, logged_step = time.time(), 0
    timed_from = time.time()
    for step in range(steps):
        started = time.time()
        lr = learning_rate(step, config)
        loss = backward(objective, *next(data), config, world)
        nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step(lr)
        loss = loss.item()  # waits for the device, so that the clock below tells the truth

        # all processes stop as soon as one of them has no time for another step like this one
        now = time.time()
        late = now + (now - started) > stop_at
        left = (stop_at - now) * step / (now - timed_from) if step else 0.0  # more such steps
        loss, anyone_late, left = world.mean(loss, late, left)
        done = step + 1
        if done == 1:
            timed_from = now  # the first step compiles, which says nothing about the others
        elif config.steps_from_clock:
            config = replace(config, steps=done + max(1, int(min(left, steps))))
        if world.leads and (done % config.log_every == 0 or done == steps or anyone_late):
            speed = (done - logged_step) * config.tokens_per_step / (now - logged_at)
            last = min(steps, config.steps)
            print(
                f"step {done}/{last}  loss {loss:.4f}  lr {lr:.1e}  tokens/s {speed:.0f}",
                flush=True,
            )
            logged_at, logged_step = now, done
        ends = done == steps or anyone_late
        if world.leads and (ends or now >= save_at):
            save(model, config, Path(os.environ["AIRR_OUT"]) / "checkpoint.pt")
            save_at = time.time() + save_every
        if anyone_late:
            break

    write_report(model, config, world, steps=done, seconds=now - timed_from, loss=loss)
    leave(world)


if __name__ == "__main__":
    main()
