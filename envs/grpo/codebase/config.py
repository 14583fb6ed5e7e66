"""Every hyper-parameter: the full scale as defaults, the tiny scale as what it changes."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """One run. Whatever a scale does not override holds for it too."""

    # rollouts
    prompts_per_step: int = 128
    group_size: int = 8  # responses to each prompt
    temperature: float = 1.0
    response_tokens: int = 1024  # a longer response is cut off
    prompt_tokens: int = 512  # problems with a longer prompt are left out
    rows: int = 512  # responses that one process samples at once; memory is the limit
    sampler: str = "own"  # or vllm, where that is installed

    # the loss: grpo_clip, reinforce_with_baseline or no_baseline
    loss: str = "grpo_clip"
    clip: float = 0.2
    advantage_epsilon: float = 1e-6

    # the optimiser
    lr: float = 1e-5
    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    micro_batch: int = 4  # responses that one process takes through the model at once
    accumulation: int = 16  # micro-batches of one update, of all processes together

    # the run
    steps: int = 20
    checkpoints: int = 10  # saved along the way at even distances, the last one included
    save_seconds: float = 60.0  # kept free before the deadline for writing the last one

    @property
    def rows_per_update(self) -> int:
        """Responses that one update learns from, in all processes."""
        return self.micro_batch * self.accumulation

    @property
    def prompts_per_update(self) -> int:
        """Prompts whose groups one update learns from, in all processes."""
        return self.rows_per_update // self.group_size


SCALES = {
    # Qwen2.5-Math-1.5B on MATH: 1 GPU, 1 hour
    "full": Config(),
    # 0.1M parameters on sums: 1 CPU core, half a minute
    "tiny": Config(
        prompts_per_step=64,
        response_tokens=24,
        prompt_tokens=32,
        rows=512,
        lr=4e-4,
        micro_batch=128,
        accumulation=2,
        steps=40,
        save_seconds=2.0,
    ),
}


def load_config() -> Config:
    """Return the scale that AIRR_SCALE names."""
    return SCALES[os.environ.get("AIRR_SCALE", "full")]
