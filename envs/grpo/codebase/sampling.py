"""Rollouts: prompts to sampled responses, many at a time, one token after the other.

The rows of the batch are kept full: where responses have ended, new prompts take their place, and
when no prompts are left, the batch shrinks. Each response has random numbers of its own, so that
it depends neither on what is sampled beside it nor on how many processes there are.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from config import Config
from model import Cache, Qwen2

STOP = "</answer>"
STOP_TOKENS = len(STOP)  # so many last tokens hold all of it, however it was cut into tokens
REFILL = 8  # new prompts enter when one row in so many is free


class NotFinite(Exception):
    """The model answered with NaN or infinity."""


@dataclass
class Response:
    """A prompt and what followed it; `ended` by STOP or the end of text, not for want of room."""

    prompt: list[int]
    seed: tuple[int, ...]  # decides its random numbers
    tokens: list[int] = field(default_factory=list)
    ended: bool = False


class Rows:
    """The batch: each row holds a response that is being written, or None."""

    def __init__(self, cache: Cache, limit: int):
        self.cache = cache
        self.responses: list[Response | None] = [None] * len(cache.rows)
        self.newest = torch.zeros_like(cache.rows)  # the token that each row is to go on from
        self.chances = np.zeros((len(cache.rows), limit), dtype=np.float32)  # in [0, 1)

    @property
    def busy(self) -> list[int]:
        return [row for row, response in enumerate(self.responses) if response]

    @property
    def free(self) -> list[int]:
        return [row for row, response in enumerate(self.responses) if not response]

    def enter(self, row: int, response: Response) -> None:
        limit = self.chances.shape[1]
        self.responses[row] = response
        self.chances[row] = np.random.default_rng(response.seed).random(limit, dtype=np.float32)

    def shrink(self) -> None:
        """Give up the rows that are free."""
        busy = self.busy
        rows = torch.tensor(busy, device=self.newest.device)
        self.cache.keep(rows)
        self.responses = [self.responses[row] for row in busy]
        self.newest, self.chances = self.newest[rows], self.chances[busy]


class Sampler:
    """A copy of the policy to sample from, in a type that is quick on its device."""

    def __init__(self, policy: Qwen2, tokenizer: Tokenizer, rows: int):
        self.config, self.tokenizer, self.rows = policy.config, tokenizer, rows
        self.device = policy.model.norm.weight.device
        dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        with torch.device("meta"):
            self.model = Qwen2(self.config).to(dtype).eval().requires_grad_(False)
        self.model.to_empty(device=self.device)
        self.update(policy)
        # a response can only end with one of these: the text behind all others is not looked at
        texts = ((i, tokenizer.decode([i], False)) for i in range(tokenizer.get_vocab_size()))
        self.closing = {token for token, text in texts if STOP[-1] in text}

    @torch.no_grad()
    def update(self, policy: Qwen2) -> None:
        """Take over the policy's weights."""
        for mine, its in zip(self.model.parameters(), policy.parameters(), strict=True):
            mine.copy_(its)

    @torch.inference_mode()
    def generate(self, responses: Sequence[Response], limit: int, temperature: float) -> None:
        """Write all responses, each up to its end or to `limit` tokens."""
        waiting = deque(sorted(responses, key=lambda response: -len(response.prompt)))
        capacity = len(waiting[0].prompt) + limit
        like = self.model.model.norm.weight
        rows = Rows(Cache(self.config, min(self.rows, len(waiting)), capacity, like), limit)
        while waiting or rows.busy:
            if waiting and len(rows.free) * REFILL >= len(rows.responses):
                self.begin(rows, waiting, temperature)
                continue
            if not waiting and len(rows.busy) * 2 <= len(rows.responses):
                rows.shrink()
            self.advance(rows, temperature)

    def begin(self, rows: Rows, waiting: deque[Response], temperature: float) -> None:
        """Let prompts into the free rows, and sample the first token behind each."""
        entering = rows.free[: len(waiting)]
        for row in entering:
            rows.enter(row, waiting.popleft())
        prompts = [torch.tensor(rows.responses[row].prompt) for row in entering]
        lengths = torch.tensor([len(prompt) for prompt in prompts])
        tokens = torch.nn.utils.rnn.pad_sequence(prompts, batch_first=True).to(self.device)
        rows.cache.rows = torch.tensor(entering, device=self.device)
        hidden = self.model(tokens, rows.cache)
        rows.cache.lengths[entering] = lengths.to(self.device)
        last = hidden[torch.arange(len(entering)), lengths - 1]
        self.write(rows, entering, self.model.logits(last), temperature)

    def advance(self, rows: Rows, temperature: float) -> None:
        """Sample one token more of every response."""
        cache = rows.cache
        cache.rows = torch.arange(len(rows.responses), device=self.device)
        cache.longest = max(len(r.prompt) + len(r.tokens) - 1 for r in rows.responses if r)
        logits = self.model.logits(self.model(rows.newest[:, None], cache)[:, 0])
        cache.lengths += 1
        busy = rows.busy
        self.write(rows, busy, logits[busy], temperature)
        cache.lengths[rows.free] = 0

    def write(self, rows: Rows, which: list[int], logits: Tensor, temperature: float) -> None:
        """Sample the next tokens of some rows, and free those whose response has ended."""
        done = [len(rows.responses[row].tokens) for row in which]
        chances = torch.from_numpy(rows.chances[which, done]).to(self.device)
        picked = pick(logits, chances, temperature)
        rows.newest[which] = picked
        limit = rows.chances.shape[1]
        for row, token in zip(which, picked.tolist(), strict=True):
            response = rows.responses[row]
            response.tokens.append(token)
            response.ended = self.has_ended(response)
            if response.ended or len(response.tokens) == limit:
                rows.responses[row] = None

    def has_ended(self, response: Response) -> bool:
        token = response.tokens[-1]
        if token not in self.closing:
            return token == self.config.eos_token_id
        return STOP in self.tokenizer.decode(response.tokens[-STOP_TOKENS:], False)


def pick(logits: Tensor, chances: Tensor, temperature: float) -> Tensor:
    """Return the token [R] at which the summed probability of logits [R, V] passes each chance."""
    summed = (logits.float() / temperature).softmax(dim=-1).cumsum(dim=-1)
    whole = summed[:, -1:]
    if not whole.isfinite().all():
        raise NotFinite("the model answered with NaN or infinity")
    # `right`: a token of probability zero is never the first to pass
    return torch.searchsorted(summed, chances[:, None] * whole, right=True)[:, 0].clamp(
        max=logits.size(-1) - 1
    )


def make_sampler(policy: Qwen2, tokenizer: Tokenizer, config: Config) -> Sampler:
    """Return the sampler that the configuration names."""
    if config.sampler == "vllm":
        from sampling_vllm import VllmSampler  # noqa: PLC0415 - not everywhere

        return VllmSampler(policy, tokenizer, config)
    return Sampler(policy, tokenizer, config.rows)
