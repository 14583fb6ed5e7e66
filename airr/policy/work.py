"""What a job on the policy computes, as one process of torchrun, or alone.

python -m airr.policy.work ORDER.json
"""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from airr.policy.checkpoints import new_checkpoint
from airr.policy.models import (
    Rank,
    load_optimizer,
    parameters_of,
    policy_of,
    reference_of,
    save,
    tokenizer_of,
)
from airr.policy.orders import Order, StageKind, StageResult, read_order
from airr.policy.rollouts import Group, Rollout, read_group, split_thinking, write_group
from airr.policy.sampling import Drawn, batches, draw
from airr.policy.updating import Example, Learner
from airr.workspace import write_atomically


def work(order: Order) -> None:
    """Do what the order asks for, and put down what came of it."""
    began = time.time()
    rank = _join(order.policy.cpus)
    torch.manual_seed(_seed(order, rank.rank))
    numbers = _sample(order, rank) if order.kind is StageKind.SAMPLE else _update(order, rank)
    if rank.is_first:
        seconds = (ended := time.time()) - began
        result = StageResult(
            started_at=began,
            ended_at=ended,
            gpu_seconds=seconds * order.policy.gpus * order.policy.nodes,
            numbers=numbers,
        )
        write_atomically(Path(order.folder) / "result.json", result.to_json().encode())
    if rank.world > 1:
        dist.barrier()
        dist.destroy_process_group()


def _join(cpus: int) -> Rank:
    """Meet the other processes of torchrun, if there are any."""
    torch.set_num_threads(cpus)
    world, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if world > 1:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Rank(rank=rank, world=world, device=device)


def _seed(order: Order, rank: int) -> int:
    said = f"{order.seed}/{order.kind}/{rank}"
    return int.from_bytes(hashlib.sha256(said.encode()).digest()[:4], "big")


def prompt_of(tokenizer: Any, order: Order) -> tuple[int, ...]:
    """Return the prompt's tokens: by the model's chat template where it has one, else plain.

    Where nothing is said, it is the token that begins every text.
    """
    if not order.messages:
        return (int(tokenizer.bos_token_id),)
    messages = [{"role": one.role, "content": one.content} for one in order.messages]
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    else:
        text = "\n\n".join(one.content for one in order.messages)
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def _sample(order: Order, rank: Rank) -> dict[str, float]:
    """Sample the group, each process its part, and write it as one file."""
    tokenizer = tokenizer_of(order)
    prompt = prompt_of(tokenizer, order)
    places = range(rank.rank, order.count, rank.world)
    drawn = _drawn(order, rank, prompt, places, _ends(tokenizer))
    own = [_rollout(tokenizer, place, one) for place, one in zip(places, drawn, strict=True)]
    rollouts = _gathered(own, rank)
    if rank.is_first:
        write_group(Path(order.product), Group(prompt=prompt, rollouts=tuple(rollouts)))
    tokens = [len(one.tokens) for one in rollouts]
    return {
        "tokens": float(sum(tokens)),
        "finished": sum(one.finished for one in rollouts) / len(rollouts),
        "prompt_tokens": float(len(prompt)),
    }


def _drawn(
    order: Order, rank: Rank, prompt: Sequence[int], places: Sequence[int], ends: set[int]
) -> list[Drawn]:
    model = policy_of(order, rank, trainable=False)
    generator = torch.Generator(rank.device).manual_seed(_seed(order, rank.rank))
    drawn: list[Drawn] = []
    for part in batches(places, order.policy.sample_batch):
        drawn += draw(
            model,
            prompt,
            len(part),
            max_tokens=order.policy.max_tokens,
            temperature=order.policy.temperature,
            ends=ends,
            generator=generator,
        )
        _tell(f"sampled {len(drawn)} of {len(places)}")
    return drawn


def _ends(tokenizer: Any) -> set[int]:
    """Return the tokens that end an answer."""
    ends = {tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids("<|im_end|>")}
    return {end for end in ends if end is not None and end != tokenizer.unk_token_id}


def _rollout(tokenizer: Any, place: int, drawn: Drawn) -> Rollout:
    thinking, text = split_thinking(_text(tokenizer, drawn.tokens))
    return Rollout(
        place=place,
        tokens=drawn.tokens,
        logprobs=drawn.logprobs,
        thinking=thinking,
        text=text,
        thinking_tokens=_thinking_tokens(tokenizer, drawn.tokens) if thinking else 0,
        finished=drawn.finished,
    )


def _thinking_tokens(tokenizer: Any, tokens: Sequence[int]) -> int:
    """Return how many tokens come up to the end of thinking; all, if it never ends."""
    if "</think>" not in _text(tokenizer, tokens):
        return len(tokens)
    low, high = 1, len(tokens)
    while low < high:
        middle = (low + high) // 2
        if "</think>" in _text(tokenizer, tokens[:middle]):
            high = middle
        else:
            low = middle + 1
    return low


def _text(tokenizer: Any, tokens: Sequence[int]) -> str:
    return tokenizer.decode(tokens, skip_special_tokens=True)


def _gathered(own: list[Rollout], rank: Rank) -> list[Rollout]:
    if rank.world == 1:
        return own
    parts: list[list[Rollout]] = [[] for _ in range(rank.world)]
    dist.all_gather_object(parts, own)
    return [one for part in parts for one in part]


def _update(order: Order, rank: Rank) -> dict[str, float]:
    """Learn from the lessons, and save the weights as the next checkpoint."""
    model = policy_of(order, rank, trainable=True)
    optimizer = torch.optim.AdamW(
        parameters_of(model),
        lr=order.rl.learning_rate,
        betas=(0.9, 0.95),
        weight_decay=order.rl.weight_decay,
    )
    load_optimizer(model, optimizer, order)
    learner = Learner(
        model,
        reference_of(order, rank),
        optimizer,
        policy=order.policy,
        rl=order.rl,
        rank=rank,
        seed=order.seed,
    )
    examples = examples_of(order)
    numbers = learner.learn(examples)
    if not rank.is_first:
        save(model, optimizer, Path(os.devnull), rank)
        return numbers
    with new_checkpoint(Path(order.product)) as folder:
        save(model, optimizer, folder, rank)
    _tell(f"learned from {len(examples)} rollouts: {order.product}")
    return numbers


def examples_of(order: Order) -> list[Example]:
    """Return all rollouts that have something to teach, lesson by lesson."""
    examples: list[Example] = []
    for lesson in order.lessons:
        group = read_group(Path(lesson.rollouts))
        by_place = {one.place: one for one in group.rollouts}
        for place, advantage in zip(lesson.places, lesson.advantages, strict=True):
            rollout = by_place[place]
            examples.append(
                Example(
                    prompt=group.prompt,
                    tokens=rollout.tokens,
                    logprobs=rollout.logprobs,
                    advantage=advantage,
                )
            )
    return examples


def _tell(what: str) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    work(read_order(Path(sys.argv[1])))
