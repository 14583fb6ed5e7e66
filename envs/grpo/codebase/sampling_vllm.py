"""Rollouts through vLLM, for GPUs that have it: paged attention and CUDA graphs.

Never run by those who wrote it: their machines have no GPU. Three things differ from `Sampler`:
vLLM draws its own random numbers, so that rollouts depend on what is sampled beside them;
its log-probabilities are not the policy's, bit by bit; and the weights are handed over inside
one process, which needs VLLM_ENABLE_V1_MULTIPROCESSING=0, set below.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from config import Config
from model import Qwen2
from sampling import STOP, Response

MEMORY_SHARE = 0.35  # of the GPU: the rest is the optimiser's and the gradients'


class VllmSampler:
    """An engine with a copy of the policy's weights."""

    def __init__(self, policy: Qwen2, tokenizer: Tokenizer, config: Config):
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        from vllm import LLM  # noqa: PLC0415 - it reads the variable above

        self.tokenizer = tokenizer
        self.engine = LLM(
            model=str(Path(os.environ["AIRR_DATA"]) / "model"),
            dtype="bfloat16",
            max_model_len=config.prompt_tokens + config.response_tokens,
            max_num_seqs=config.rows,
            gpu_memory_utilization=MEMORY_SHARE,
            enable_prefix_caching=False,  # what is cached was computed with older weights
        )
        self.update(policy)

    def update(self, policy: Qwen2) -> None:
        """Take over the policy's weights, without a restart."""
        weights = [(name, weight.detach()) for name, weight in policy.state_dict().items()]
        self.engine.apply_model(lambda model: model.load_weights(iter(weights)))

    def generate(self, responses: Sequence[Response], limit: int, temperature: float) -> None:
        """Write all responses, each up to its end or to `limit` tokens."""
        from vllm import SamplingParams  # noqa: PLC0415

        params = [
            SamplingParams(
                temperature=temperature,
                max_tokens=limit,
                stop=[STOP],
                include_stop_str_in_output=True,
                seed=hash(response.seed) % 2**31,
            )
            for response in responses
        ]
        prompts = [{"prompt_token_ids": response.prompt} for response in responses]
        outputs = self.engine.generate(prompts, params, use_tqdm=False)
        for response, output in zip(responses, outputs, strict=True):
            response.tokens = list(output.outputs[0].token_ids)
            response.ended = output.outputs[0].finish_reason == "stop"
