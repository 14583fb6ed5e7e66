"""Rollouts with advantages -> better weights: gradient steps over micro-batches, on every rank."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from airr.policy.loss import TokenLosses, log_probabilities, token_losses
from airr.policy.models import Rank, logits_of, parameters_of
from airr.policy.settings import Policy, Rl


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A rollout to learn from: its prompt, its tokens as they were sampled, and its advantage."""

    prompt: tuple[int, ...]
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    advantage: float

    @property
    def length(self) -> int:
        """Return how many tokens go through the model."""
        return len(self.prompt) + len(self.tokens)


class Learner:
    """A policy, its optimizer, and what it is kept close to."""

    def __init__(  # noqa: PLR0913 - what takes part in an update
        self,
        model: Any,
        reference: Any | None,
        optimizer: torch.optim.Optimizer,
        *,
        policy: Policy,
        rl: Rl,
        rank: Rank,
        seed: int,
    ) -> None:
        """Learn with `model`; without a `reference` it is the same model without its adapters."""
        self._model = model
        self._reference = reference
        self._optimizer = optimizer
        self._policy = policy
        self._rl = rl
        self._rank = rank
        self._rng = random.Random(seed)

    def learn(self, examples: Sequence[Example]) -> dict[str, float]:
        """Take `rl.steps` steps, each over a part of the examples; return what was seen by name.

        entropy and kl are means over all tokens, in nats, before each step; clipped is the share
        of tokens whose surrogate was cut off.
        """
        order = list(range(len(examples)))
        self._rng.shuffle(order)
        steps = [order[n :: self._rl.steps] for n in range(self._rl.steps)]
        seen = [self._step([examples[n] for n in part]) for part in steps if part]
        tokens = sum(one["tokens"] for one in seen)
        shared = {
            name: sum(one[name] * one["tokens"] for one in seen) / tokens
            for name in ("loss", "entropy", "kl", "clipped")
        }
        norms = [one["grad_norm"] for one in seen]
        return {**shared, "grad_norm": max(norms), "tokens": tokens}

    def _step(self, examples: Sequence[Example]) -> dict[str, float]:
        total = sum(len(one.tokens) for one in examples)
        sums = torch.zeros(4, dtype=torch.float64)
        for micro_batch in self._micro_batches(examples):
            losses = self._losses(micro_batch)
            # sharded gradients are means over the ranks, and what is wanted are sums
            scale = self._rank.world if self._policy.shard else 1
            (losses.loss * scale / total).backward()
            parts = (losses.loss, losses.entropy, losses.kl, losses.clipped)
            sums += torch.stack([part.detach().double().cpu() for part in parts])
        norm = self._walk()
        sums = self._summed(sums)
        loss, entropy, kl, clipped = (sums / total).tolist()
        return {
            "loss": loss,
            "entropy": entropy,
            "kl": kl,
            "clipped": clipped,
            "grad_norm": norm,
            "tokens": total,
        }

    def _micro_batches(self, examples: Sequence[Example]) -> list[list[Example]]:
        """Return this rank's part: alike in length, each of about `update_tokens`, padded.

        Every rank gets the same number, for all of them take part in each pass of a sharded model:
        one that has fewer repeats its first without any weight.
        """
        by_length = sorted(examples, key=lambda one: -one.length)
        shares = [by_length[n :: self._rank.world] for n in range(self._rank.world)]
        packed = [_packed(share or by_length[:1], self._policy.update_tokens) for share in shares]
        if not shares[self._rank.rank]:
            packed[self._rank.rank] = [[_weightless(by_length[0])]]
        own, most = packed[self._rank.rank], max(map(len, packed))
        filler = [_weightless(own[0][0])]
        return own + [filler] * (most - len(own))

    def _losses(self, examples: Sequence[Example]) -> TokenLosses:
        batch = _padded(examples, self._rank.device)
        last = batch.tokens.shape[1]
        whole = batch.whole
        temperature = self._policy.temperature
        logits = logits_of(self._model, whole, last)
        logprobs, entropy = log_probabilities(logits, batch.tokens, temperature)
        with torch.no_grad(), self._without_adapters():
            behind = logits_of(self._reference or self._model, whole, last)
            reference, _ = log_probabilities(behind, batch.tokens, temperature)
        return token_losses(
            logprobs,
            sampled=batch.logprobs,
            reference=reference,
            advantages=batch.advantages,
            entropy=entropy,
            mask=batch.mask,
            clip=(self._rl.clip_low, self._rl.clip_high),
            kl_weight=self._rl.kl,
        )

    def _without_adapters(self) -> AbstractContextManager[None]:
        return nullcontext() if self._reference is not None else self._model.disable_adapter()

    def _walk(self) -> float:
        """Take the optimizer's step on the gradients of all ranks, and return their norm."""
        parameters = parameters_of(self._model)
        if self._rank.world > 1 and not self._policy.shard:
            for parameter in parameters:
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                dist.all_reduce(parameter.grad)
        norm: Any = torch.nn.utils.clip_grad_norm_(parameters, self._rl.clip_norm)
        norm = norm.full_tensor() if self._policy.shard else norm
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def _summed(self, sums: Tensor) -> Tensor:
        if self._rank.world == 1:
            return sums
        there = sums.to(self._rank.device)
        dist.all_reduce(there)
        return there.cpu()


def _packed(examples: Sequence[Example], tokens: int) -> list[list[Example]]:
    """Return examples, longest first, in batches whose padded size is at most `tokens` or one."""
    packed: list[list[Example]] = []
    for example in examples:
        fits = packed and packed[-1][0].length * (len(packed[-1]) + 1) <= tokens
        if fits and packed[-1][0].prompt == example.prompt:
            packed[-1].append(example)
        else:
            packed.append([example])
    return packed


def _weightless(example: Example) -> Example:
    """Return an example of one token that changes nothing."""
    return Example(
        prompt=example.prompt,
        tokens=example.tokens[:1],
        logprobs=(float("nan"),),
        advantage=0.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Padded examples of one prompt: `whole` (batch, prompt + time), the rest (batch, time)."""

    whole: Tensor
    tokens: Tensor
    logprobs: Tensor
    mask: Tensor
    advantages: Tensor


def _padded(examples: Sequence[Example], device: torch.device) -> _Batch:
    """Put examples of one prompt side by side; what is behind the end of one never counts.

    Padding stands behind, where a causal model's real tokens do not see it.
    """
    longest = max(len(one.tokens) for one in examples)
    shape = (len(examples), longest)
    tokens, mask = torch.zeros(shape, dtype=torch.long), torch.zeros(shape)
    logprobs = torch.zeros(shape)
    for row, one in enumerate(examples):
        length = len(one.tokens)
        tokens[row, :length] = torch.tensor(one.tokens)
        known = torch.tensor(one.logprobs)
        logprobs[row, :length] = torch.nan_to_num(known)
        mask[row, :length] = (~known.isnan()).float()
    prompt = torch.tensor(examples[0].prompt).expand(len(examples), -1)
    return _Batch(
        whole=torch.cat([prompt, tokens], dim=1).to(device),
        tokens=tokens.to(device),
        logprobs=logprobs.to(device),
        mask=mask.to(device),
        advantages=torch.tensor([one.advantage for one in examples], device=device),
    )
