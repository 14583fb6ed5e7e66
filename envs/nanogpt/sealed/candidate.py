"""The predictor process as the scorer sees it: a stranger at the other end of three pipes.

Logits come through memory that both share: those of GPT-2 are 132 GB for each GPU, more than a pipe
carries in time. Every byte is hostile input. Reads are bounded in size by the question and in time
by one deadline; whatever else happens is a `CandidateFailed`.
"""

from __future__ import annotations

import os
import select
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import wire
from crew import over_rows
from numpy.typing import NDArray
from verdict import CandidateFailed

Logits = NDArray[np.float32] | NDArray[np.uint16]
"""Logits as float32, or the bits of bfloat16."""

STDERR_BYTES = 8192
"""How much of the end of what it printed is kept."""
GRACE_SECONDS = 5.0
"""How long a process may take to end once it has hung up."""
WIDEST = 2
"""Logits may have up to so many times the vocabulary's columns (padding is legal, and counts)."""
REASONS = {
    wire.BAD_CHECKPOINT_EXIT: "bad_checkpoint",
    wire.OUT_OF_MEMORY_EXIT: "oom",
    -9: "oom",  # what the kernel does to a process that takes too much; nobody else has a hand in
    128 + 9: "oom",  # the same, told by a sandbox
}


class Candidate:
    """A running predictor. Use as a context manager: it does not outlive the block."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        largest_answer: int,
        deadline: float,
        start_seconds: float,
    ) -> None:
        """Start it, with the file descriptor of the shared memory as last argument.

        It is never asked for more than `largest_answer` logits at once; of the memory for them only
        what is written is taken. `deadline` is a reading of time.monotonic(). Its first answer must
        come within `start_seconds`: loading is no time to train in.
        """
        largest = largest_answer * WIDEST * max(wire.NUMBERS)
        self._memory = os.memfd_create("logits")
        os.truncate(self._memory, largest)
        self._received = np.empty(largest, np.uint8)
        self._deadline = deadline
        self._ready_by = time.monotonic() + start_seconds
        self._process = subprocess.Popen(
            [*argv, str(self._memory)],
            cwd=cwd,
            pass_fds=(self._memory,),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._stdin, self._stdout, self._stderr = (pipe.fileno() for pipe in pipes if pipe)
        for descriptor in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(descriptor, False)
        self._printed = b""

    def __enter__(self) -> Candidate:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()
        os.close(self._memory)

    def ask(self, tokens: NDArray[np.uint16], *, fresh: bool) -> None:
        """Send tokens [B, T]: the beginning of new sequences, or what comes next in them."""
        header = wire.QUESTION.pack(wire.QUESTION_MAGIC, fresh, *tokens.shape)
        left = memoryview(header + tokens.astype(wire.TOKEN).tobytes())
        while left:
            self._wait(self._stdin, select.POLLOUT)
            try:
                left = left[os.write(self._stdin, left) :]
            except BrokenPipeError:
                raise self._failure() from None

    def answer(self, rows: int, vocab_size: int) -> Logits:
        """Receive the logits [rows, columns] for the last question, columns >= vocab_size.

        They are a copy, which lasts until the next answer: what the predictor writes into the
        memory from now on changes nothing.
        """
        magic, told_rows, columns, size = wire.ANSWER.unpack(self._read(wire.ANSWER.size))
        if magic != wire.ANSWER_MAGIC:
            raise CandidateFailed("crash", "the predictor sent bytes that are no answer")
        if told_rows != rows or not vocab_size <= columns <= WIDEST * vocab_size:
            raise CandidateFailed(
                "crash",
                f"the model answered with logits of shape [{told_rows}, {columns}]: "
                f"asked for were {rows} rows of {vocab_size} columns",
            )
        if size not in wire.NUMBERS:
            raise CandidateFailed("crash", f"the predictor answered in numbers of {size} bytes")
        logits = self._received[: rows * columns * size].view(wire.NUMBERS[size])
        logits = logits.reshape(rows, columns)

        def copy(part: slice) -> None:
            offset = part.start * columns * size
            if os.preadv(self._memory, [logits[part]], offset) < logits[part].nbytes:
                raise CandidateFailed("crash", "the predictor cut off the memory of its answers")

        over_rows(copy, rows, columns)
        self._ready_by = self._deadline
        return logits

    def _read(self, size: int) -> bytearray:
        data = bytearray(size)
        left = memoryview(data)
        while left:
            self._wait(self._stdout, select.POLLIN)
            count = os.readv(self._stdout, [left])
            if count == 0:
                raise self._failure()
            left = left[count:]
        return data

    def _wait(self, descriptor: int, event: int) -> None:
        """Wait until a pipe is ready, keeping the end of what is printed in the meantime."""
        poll = select.poll()
        poll.register(descriptor, event)
        poll.register(self._stderr, select.POLLIN)
        while True:
            left = min(self._deadline, self._ready_by) - time.monotonic()
            ready = dict(poll.poll(max(0.0, left) * 1000)) if left > 0 else {}
            if not ready:
                starting = self._ready_by < self._deadline
                what = "loading the model" if starting else "scoring"
                raise CandidateFailed(
                    "over_budget",
                    f"the time for {what} was over before the model answered{self._tail()}",
                )
            if self._stderr in ready and not self._keep_printed():
                poll.unregister(self._stderr)
            if descriptor in ready:
                return

    def _keep_printed(self) -> bool:
        """Take what stands in stderr; return whether there may be more to come."""
        try:
            more = os.read(self._stderr, 1 << 16)
        except BlockingIOError:
            return True
        self._printed = (self._printed + more)[-STDERR_BYTES:]
        return bool(more)

    def _failure(self) -> CandidateFailed:
        """Return why a process that hung up did so, by its exit code."""
        try:
            code = self._process.wait(timeout=GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return CandidateFailed("crash", "the predictor closed its pipes and went on running")
        for _ in range(16):  # 1 MB: its last words, not all it may have left in the pipe
            if not self._keep_printed():
                break
        reason = REASONS.get(code, "crash")
        return CandidateFailed(reason, f"the predictor ended with exit code {code}{self._tail()}")

    def _tail(self) -> str:
        lines = self._printed.decode(errors="replace").strip().splitlines()[-20:]
        return ":\n" + "\n".join(lines) if lines else ""
