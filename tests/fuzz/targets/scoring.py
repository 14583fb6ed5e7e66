"""What candidates hand to sealed scorers: weights, frames of logits, and answers to problems."""

from __future__ import annotations

import os
import struct
import time
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

from airr.resources import resource
from tests.envs import grpo
from tests.envs.nanogpt import modules
from tests.fuzz.target import Refused, Target, own_folder

ENVS = resource("envs")
NANOGPT = ENVS / "nanogpt" / "sealed"
SHAPE = {
    "vocab_size": 11, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1,
    "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 16,
    "rms_norm_eps": 1e-6, "rope_theta": 1e4, "tie_word_embeddings": True, "eos_token_id": 0,
}  # fmt: skip
ROWS, VOCABULARY = 3, 5


@cache
def _grpo() -> SimpleNamespace:
    """Return the modules of the sealed scorer of grpo."""
    names = ("weights", "verdict", "answers", "model")
    with modules(grpo.CODEBASE), modules(grpo.SEALED, *names) as found:
        sealed = SimpleNamespace(**dict(zip(names, found, strict=True)))
    with torch.device("meta"):  # the first time, torch makes a folder for itself
        sealed.model.Qwen2(sealed.model.ModelConfig(**SHAPE))
    return sealed


@cache
def _nanogpt() -> SimpleNamespace:
    names = ("wire", "losses", "candidate", "verdict")
    with modules(NANOGPT, *names) as found:
        return SimpleNamespace(**dict(zip(names, found, strict=True)))


def _weights(data: bytes) -> None:
    """Load a checkpoint as the scorer does; every refusal is the candidate's failure."""
    sealed = _grpo()
    with own_folder() as folder:
        path = folder / "model.safetensors"
        path.write_bytes(data)
        try:
            model = sealed.weights.load_stock(path, sealed.model.ModelConfig(**SHAPE))
        except sealed.verdict.CandidateFailed as failed:
            raise Refused from failed
        assert all(weight.isfinite().all() for weight in model.parameters())


@cache
def _checkpoints() -> tuple[bytes, ...]:
    sealed = _grpo()
    torch.manual_seed(0)
    model = sealed.model.Qwen2(sealed.model.ModelConfig(**SHAPE))
    weights = {name: torch.randn_like(one) for name, one in model.state_dict().items()}
    return save(weights), save(weights, metadata={"format": "pt"})


def _frames(data: bytes) -> None:
    """Lay bytes into memory behind a header as a predictor would, hang up, and score what came."""
    sealed = _nanogpt()
    candidate: Any = object.__new__(sealed.candidate.Candidate)
    source, sink = os.pipe()
    quiet, words = os.pipe()
    memory = os.memfd_create("logits")
    header = sealed.wire.ANSWER.size
    try:
        os.write(sink, data[:header])
        os.write(memory, data[header:])
        for descriptor in (sink, words):
            os.close(descriptor)
        os.set_blocking(source, False)
        os.set_blocking(quiet, False)
        candidate._stdout, candidate._stderr, candidate._printed = source, quiet, b""
        candidate._memory, candidate._received = memory, np.zeros(1000, np.uint8)
        candidate._deadline = candidate._ready_by = time.monotonic() + 5
        candidate._process = SimpleNamespace(wait=lambda timeout: -9)
        logits = candidate.answer(ROWS, VOCABULARY)
        losses = sealed.losses.cross_entropy(logits, np.zeros(ROWS, np.uint16))
        assert np.isfinite(losses).all(), "a loss is a number"
        assert (losses >= -1e-9).all(), "a loss is not below 0"
    except sealed.verdict.CandidateFailed as failed:
        raise Refused from failed
    finally:
        for descriptor in (source, quiet, memory):
            os.close(descriptor)


def _frame(*values: float, number: str = "<f4") -> bytes:
    numbers = np.array((values * (ROWS * VOCABULARY))[: ROWS * VOCABULARY], number)
    header = struct.pack("<4sIII", b"say:", ROWS, VOCABULARY, numbers.itemsize)
    return header + numbers.tobytes()


def _responses(data: bytes) -> None:
    """Read a response's answer, and compare it with a truth by the texts alone."""
    answers = _grpo().answers
    answer = answers.extract_answer(data.decode(errors="replace"))
    if answer is not None:
        for truth in ("42", "\\frac{1}{2}", "x = 3 or x = 4"):
            answers.compare_texts(answer, truth)


def _digits(data: bytes) -> None:
    """Read what a pipeline of `example` answers."""
    with modules(ENVS / "example" / "sealed", "score") as (score,):
        source, sink = os.pipe()
        os.write(sink, data[:60_000])
        os.close(sink)
        with os.fdopen(source, "rb") as stream:
            found = score.read(stream, 64, time.monotonic() + 5)
        assert len(found) == min(64, len(data))


THOUGHT = b"so </think> <answer>%s</answer>"

TARGETS = (
    Target(
        name="grpo_weights",
        reads=("envs.grpo.sealed.weights.load_stock",),
        read=_weights,
        seeds=_checkpoints,
        refusals=(Refused,),
        words=(b'"dtype":[]', b'"shape":[', b'"F32"', b"null", b'"__metadata__":5', b"\xff" * 8),
    ),
    Target(
        name="nanogpt_frames",
        reads=(
            "envs.nanogpt.sealed.candidate.Candidate.answer",
            "envs.nanogpt.sealed.losses.cross_entropy",
        ),
        read=_frames,
        seeds=lambda: (
            _frame(0.5, 1.0),
            _frame(-1e30, 1e30),
            _frame(float("nan")),
            _frame(16256, 255, number="<u2"),
        ),
        refusals=(Refused,),
        words=(b"say:", b"\x00\x00\x80\x7f", b"\x00\x00\x80\xff", b"\x01\x00\xa0\x7f"),
    ),
    Target(
        name="grpo_answers",
        reads=("envs.grpo.codebase.answers.extract_answer",),
        read=_responses,
        seeds=lambda: (THOUGHT % b"42", THOUGHT % b"$\\boxed{\\frac{1}{2}}$.", b"no form"),
        refusals=(Refused,),
        words=(b"<answer>", b"</answer>", b"</think> ", b"\\boxed{", b"{", b"}", b"$", b" or "),
    ),
    Target(
        name="example_digits",
        reads=("envs.example.sealed.score.read",),
        read=_digits,
        seeds=lambda: (b"\x05" + bytes(63), b"short"),
        refusals=(Refused,),
    ),
)
