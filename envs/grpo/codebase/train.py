"""Train a policy by GRPO until its steps or its time are used up, then save it.

    python train.py                                          one process
    torchrun --standalone --nproc-per-node=8 train.py        one process for each GPU

Each step samples a group of responses to each of its prompts, rewards them, and makes one pass
over them in a few updates, each on other prompts. There is no reference model and no KL penalty,
and DDP is a plain mean of the gradients in front of each update.

Reads from the environment: AIRR_SCALE (see config.py), AIRR_SEED, AIRR_DATA (see data.py),
AIRR_OUT (where model.safetensors is put), AIRR_DEADLINE (unix seconds, when the run is killed),
AIRR_STEPS (stop after so many steps).
"""

import os
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

import losses
from checkpoint import load_policy, save_policy
from config import Config, load_config
from data import read_problems, shuffled
from distributed import World, join, leave
from model import Qwen2
from optimizer import AdamW, learning_rate
from rollouts import Rollouts, judge, make_rollouts, sample_groups, summary
from sampling import make_sampler


def share_of(world: World, config: Config) -> list[int]:
    """Return which of a step's prompts this process works on: its part of every update's."""
    mine = config.prompts_per_update // world.size
    assert mine * world.size == config.prompts_per_update, "prompts do not divide by processes"
    return [i for i in range(config.prompts_per_step) if i // mine % world.size == world.rank]


def token_logprobs(policy: Qwen2, tokens: Tensor, temperature: float) -> Tensor:
    """Return the log-probabilities [B, T - 1] of all tokens [B, T] but the first."""
    with torch.autocast("cuda", torch.bfloat16, enabled=tokens.is_cuda):
        logits = policy.logits(policy(tokens[:, :-1]))
    logits = logits.float() / temperature
    return logits.gather(-1, tokens[:, 1:, None])[..., 0] - logits.logsumexp(dim=-1)


def loss_of(policy: Qwen2, part: Rollouts, config: Config) -> Tensor:
    logprobs = token_logprobs(policy, part.tokens, config.temperature)
    if config.loss == "grpo_clip":
        per_token = losses.grpo_clip(logprobs, part.old_logprobs, part.advantages, config.clip)
    elif config.loss == "reinforce_with_baseline":
        per_token = losses.reinforce_with_baseline(logprobs, part.advantages)
    elif config.loss == "no_baseline":
        per_token = losses.no_baseline(logprobs, part.rewards)
    else:
        raise ValueError(f"loss={config.loss!r} is unknown")
    return losses.sequence_mean(per_token, part.mask)


@torch.no_grad()
def remember_logprobs(policy: Qwen2, rollouts: Rollouts, config: Config) -> None:
    """Fill in what the policy thinks of its rollouts before it learns from them."""
    first = 0
    for part in rollouts.split(config.micro_batch):
        logprobs = token_logprobs(policy, part.tokens, config.temperature)
        rows, width = logprobs.shape
        rollouts.old_logprobs[first : first + rows, :width] = logprobs
        first += rows


def add_gradient(policy: Qwen2, update: Rollouts, config: Config) -> float:
    """Add the gradient of one update, in micro-batches, and return this process's mean loss."""
    total = 0.0
    for part in update.split(config.micro_batch):
        loss = loss_of(policy, part, config) * len(part.tokens) / len(update.tokens)
        loss.backward()
        total += loss.item()
    return total


def is_due(step: int, steps: int, checkpoints: int) -> int:
    """Return the number of the checkpoint to save behind a step (0-based), or 0 for none."""
    number = (step + 1) * checkpoints // steps
    before = step * checkpoints // steps
    return number if before < number < checkpoints else 0  # the last one has its own name


def main() -> None:
    config = load_config()
    world = join()
    seed = int(os.environ.get("AIRR_SEED", "0"))
    steps = min(config.steps, int(os.environ.get("AIRR_STEPS", config.steps)))
    stop_at = float(os.environ.get("AIRR_DEADLINE", "inf")) - config.save_seconds
    data, out = Path(os.environ["AIRR_DATA"]), Path(os.environ["AIRR_OUT"])

    torch.manual_seed(seed)
    torch.set_float32_matmul_precision("high")
    tokenizer = Tokenizer.from_file(str(data / "model" / "tokenizer.json"))
    problems = read_problems(data, tokenizer, config.prompt_tokens)
    batches = shuffled(problems, config.prompts_per_step, seed)
    policy = load_policy(data / "model", world.device)
    sampler = make_sampler(policy, tokenizer, config)
    optimizer = AdamW(policy.parameters(), config)
    numbers = share_of(world, config)
    rows_per_update = config.rows_per_update // world.size

    for step in range(steps):
        started = time.time()
        lr = learning_rate(step, config)
        asked = next(batches)
        mine = [(number, asked[number]) for number in numbers]

        sampler.update(policy)
        responses = sample_groups(sampler, mine, config, (seed, step))
        sampled = time.time()
        rewards = judge(responses, mine, tokenizer)
        rollouts = make_rollouts(responses, rewards, config, world.device)
        remember_logprobs(policy, rollouts, config)
        loss = 0.0
        for part in rollouts.split(rows_per_update):
            loss += add_gradient(policy, part, config) * len(part.tokens) / len(rollouts.tokens)
            world.average_gradients(policy)
            nn.utils.clip_grad_norm_(policy.parameters(), config.clip_norm)
            optimizer.step(lr)

        # all processes stop as soon as one of them has no time for another step like this one
        now = time.time()
        late = now + (now - started) > stop_at
        *means, anyone_late = world.mean(*summary(responses, rewards), loss, late)
        if world.leads:
            reward, formatted, correct, tokens, loss = means
            print(
                f"step {step + 1}/{steps}  reward {reward:.3f}  correct {correct:.3f}  "
                f"formatted {formatted:.3f}  tokens {tokens:.1f}  loss {loss:.4f}  lr {lr:.1e}  "
                f"seconds {sampled - started:.1f} + {now - sampled:.1f}",
                flush=True,
            )
            if number := is_due(step, steps, config.checkpoints):
                save_policy(policy, out / f"checkpoint_{number:02d}.safetensors")
        if anyone_late:
            break

    if world.leads:
        save_policy(policy, out / "model.safetensors")
    leave(world)


if __name__ == "__main__":
    main()
