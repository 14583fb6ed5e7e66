"""trl's GRPO trainer, whose loss ours are compared with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def make_trainer(model: Any, folder: Path, *, vocabulary: int, **settings: Any) -> Any:
    """Return trl's trainer of a model of so many tokens, of which 0 ends and pads, on this CPU.

    Its files go to `folder`; `settings` are those of trl's GRPOConfig.
    """
    from datasets import Dataset  # noqa: PLC0415 - seconds
    from transformers import PreTrainedTokenizerFast  # noqa: PLC0415
    from trl.trainer.grpo_config import GRPOConfig  # noqa: PLC0415
    from trl.trainer.grpo_trainer import GRPOTrainer  # noqa: PLC0415

    words = {f"t{i}": i for i in range(vocabulary)}
    word_level = {"type": "WordLevel", "vocab": words, "unk_token": "t0"}
    (folder / "tokenizer.json").write_text(
        json.dumps({"version": "1.0", "added_tokens": [], "model": word_level})
    )
    tokenizer: Any = PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"), eos_token="t0", pad_token="t0"
    )
    config: Any = GRPOConfig(
        output_dir=str(folder), num_generations=4, per_device_train_batch_size=4,
        report_to="none", use_cpu=True, bf16=False, **settings,
    )  # fmt: skip
    return GRPOTrainer(
        model=model,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=config,
        train_dataset=Dataset.from_list([{"prompt": "t1 t2"}]),
        processing_class=tokenizer,
    )
