"""Answer for a trained candidate: tokens in, logits out, in the candidate's own sandbox.

    python predictor.py CODEBASE CHECKPOINT DEVICE MEMORY

MEMORY is the file descriptor of the memory that answers are laid into.

All that happens here is the candidate's to influence: its modules run in this process. So the
scorer believes nothing but numbers of the right count, and this process never sees a token
before it has answered for it.
"""

import mmap
import os
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import torch
import wire

Stream = tuple[int, int]  # the file descriptors to read questions from and write answers to


def take_stream() -> Stream:
    """Return stdin and stdout under other numbers, so that prints cannot reach the scorer."""
    stream = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    return stream


def load_model(checkpoint: str, device: str) -> torch.nn.Module:
    """Return the codebase's model with the trained weights.

    Raises:
        SystemExit: the checkpoint is no tensor file, or does not fit the model.
    """
    # the candidate's own, imported once the streams are safe
    from config import Config  # noqa: PLC0415 # pyright: ignore
    from model import GPT  # noqa: PLC0415 # pyright: ignore

    try:
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        model = GPT(Config(**saved["config"])).to(device)
        model.load_state_dict(saved["weights"])
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception:  # noqa: BLE001 -- whatever it is, the checkpoint is not usable
        traceback.print_exc()
        sys.exit(wire.BAD_CHECKPOINT_EXIT)
    return model.eval()


def read(source: int, size: int) -> bytes:
    """Return exactly `size` bytes, or b"" where the scorer has no more questions."""
    data = b""
    while len(data) < size:
        more = os.read(source, size - len(data))
        if not more:
            return b""
        data += more
    return data


def lay_out(logits: torch.Tensor, memory: mmap.mmap) -> tuple[int, int, int]:
    """Copy logits [..., V] to the beginning of the memory: rows, columns, bytes of a number.

    What is too much for it is only told: the scorer refuses it.
    """
    logits = logits.flatten(0, -2)
    if logits.dtype != torch.bfloat16:
        logits = logits.float()
    if logits.nbytes <= len(memory):
        place = torch.frombuffer(memory, dtype=logits.dtype, count=logits.numel())
        place.view(logits.shape).copy_(logits)
    return *logits.shape, logits.itemsize


def answer_all(model: torch.nn.Module, stream: Stream, memory: mmap.mmap, device: str) -> None:
    """Answer until the scorer hangs up."""
    source, sink = stream
    cache = None
    while header := read(source, wire.QUESTION.size):
        _, fresh, sequences, count = wire.QUESTION.unpack(header)
        raw = np.frombuffer(read(source, sequences * count * 2), wire.TOKEN).astype(np.int64)
        tokens = torch.from_numpy(raw).view(sequences, count).to(device)
        with torch.autocast("cuda", torch.bfloat16, enabled=device != "cpu"):
            logits, cache = model(tokens, None if fresh else cache)
        os.write(sink, wire.ANSWER.pack(wire.ANSWER_MAGIC, *lay_out(logits, memory)))


def main() -> None:
    """Load the candidate and answer for it."""
    codebase, checkpoint, device, descriptor = sys.argv[1:]
    stream = take_stream()
    memory = mmap.mmap(int(descriptor), 0)
    if device != "cpu":
        torch.cuda.set_device(device)
    sys.path[0] = codebase
    try:
        model = load_model(checkpoint, device)
        with torch.inference_mode():
            answer_all(model, stream, memory, device)
    except (MemoryError, torch.OutOfMemoryError):
        traceback.print_exc()
        sys.exit(wire.OUT_OF_MEMORY_EXIT)


if __name__ == "__main__":
    main()
