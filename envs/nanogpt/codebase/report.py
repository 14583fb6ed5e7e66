"""What a run says about itself: speed, memory, size. Shown to people; never a score."""

import json
import os
import resource
from pathlib import Path

import torch

from config import Config
from distributed import World
from model import GPT

# dense bf16 FLOP/s as the makers state them, by a part of the device's name
PEAKS = {
    "B300": 2.5e15,
    "B200": 2.25e15,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "A40": 150e12,
    "A10": 125e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
}


def flops_per_token(model: GPT, config: Config) -> float:
    """Return the operations of forward and backward (PaLM, arXiv 2204.02311, appendix B)."""
    looked_up = model.position_embedding.weight.numel()
    weights = sum(weight.numel() for weight in model.parameters()) - looked_up
    return 6 * weights + 12 * config.layers * config.width * config.context


def peak_memory_gb(device: torch.device) -> float:
    """Return the most memory that this process held: the GPU's, or its own where there is none."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def write_report(
    model: GPT, config: Config, world: World, *, steps: int, seconds: float, loss: float
) -> None:
    """Put report.json beside the checkpoint. `seconds` are those of all steps but the first."""
    if not world.leads:
        return
    numbers = {
        "steps": steps,
        "tokens": steps * config.tokens_per_step,
        "train_loss": loss,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "peak_memory_gb": peak_memory_gb(world.device),
    }
    if steps > 1:
        numbers["tokens_per_second"] = (steps - 1) * config.tokens_per_step / seconds
        name = torch.cuda.get_device_name() if world.device.type == "cuda" else ""
        peak = next((PEAKS[part] for part in PEAKS if part in name), None)
        if peak:
            flops = numbers["tokens_per_second"] * flops_per_token(model, config)
            numbers["mfu"] = flops / (peak * world.size)
    (Path(os.environ["AIRR_OUT"]) / "report.json").write_text(json.dumps(numbers))
