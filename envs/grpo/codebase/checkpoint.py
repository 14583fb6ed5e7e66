"""Policies as files: config.json beside safetensors, under the names of the published model."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from model import Qwen2, read_config


def load_policy(folder: Path, device: torch.device) -> Qwen2:
    """Return the model of a folder, in float32: bfloat16 is too coarse for small steps."""
    with torch.device("meta"):
        model = Qwen2(read_config(folder / "config.json"))
    weights = {}
    for path in sorted(folder.glob("*.safetensors")):
        weights |= load_file(path)
    weights = {name: weight.float() for name, weight in weights.items()}
    model.load_state_dict(weights, assign=True)
    return model.to(device)


def save_policy(model: Qwen2, path: Path) -> None:
    """Write the weights whole or not at all; in the type that they are sampled from."""
    dtype = torch.bfloat16 if model.model.norm.weight.is_cuda else torch.float32
    weights = {
        name: weight.detach().to("cpu", dtype).contiguous()
        for name, weight in model.state_dict().items()
    }
    beside = path.with_suffix(".partial")
    save_file(weights, beside)
    beside.replace(path)
