"""Every hyper-parameter: the full scale as defaults, the smaller scales as what they change."""

import os
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Config:
    """One run. Whatever no scale overrides holds for all of them."""

    # the model
    vocab_size: int = 50257
    context: int = 1024  # tokens of a sequence
    layers: int = 12
    heads: int = 12
    width: int = 768
    init_std: float = 0.02

    # the optimiser
    peak_lr: float = 1.5e-3
    final_lr_fraction: float = 0.09  # of peak_lr, reached at the last step
    warmup_steps: int = 256
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    weight_decay: float = 0.1
    clip_norm: float = 1.0

    # the run
    steps: int = 26_880
    tokens_per_step: int = 262_144  # of all processes together
    micro_batch: int = 32  # sequences that one process takes through the model at once
    log_every: int = 20  # steps
    save_seconds: float = 20.0  # kept free before the deadline for writing the checkpoint
    # Take `steps` from the speed of the device and the time that is left, again after each step,
    # so that the decay ends at the deadline on every device.
    steps_from_clock: bool = False


SCALES = {
    # 124M parameters: 8 GPUs, 25 minutes
    "full": Config(),
    # 30M parameters: 1 GPU, 5 minutes
    "small": Config(
        layers=6,
        heads=6,
        width=384,
        warmup_steps=64,
        tokens_per_step=65_536,
        micro_batch=8,
        save_seconds=5.0,
        steps_from_clock=True,
    ),
    # 0.12M parameters on bytes: 1 CPU core, 7 seconds
    "tiny": Config(
        vocab_size=256,
        context=64,
        layers=2,
        heads=2,
        width=64,
        warmup_steps=20,
        steps=200,
        tokens_per_step=1_024,
        save_seconds=2.0,
    ),
}


def load_config() -> Config:
    """Return the scale that AIRR_SCALE names, as long as AIRR_TOTAL_STEPS says if that is set."""
    config = SCALES[os.environ.get("AIRR_SCALE", "full")]
    return replace(config, steps=int(os.environ.get("AIRR_TOTAL_STEPS", config.steps)))
