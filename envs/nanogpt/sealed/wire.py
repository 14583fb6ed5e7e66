"""What scorer and predictor send each other: frames through pipes, logits through shared memory.

    question   magic, fresh, sequences, tokens of each; then uint16 [sequences, tokens]
    answer     magic, rows, columns, bytes of a number; the logits [rows, columns] stand in memory

`fresh` is 1 where sequences begin and 0 where they go on. An answer has one row of logits for
each token of its question, sequence by sequence, from the first byte of the shared memory on:
float32, or bfloat16 where the model answers in it. Numbers are little-endian.
"""

import struct

QUESTION = struct.Struct("<4sIII")
ANSWER = struct.Struct("<4sIII")
QUESTION_MAGIC = b"ask:"
ANSWER_MAGIC = b"say:"
TOKEN = "<u2"
NUMBERS = {4: "<f4", 2: "<u2"}
"""The types of logits by the bytes of one: float32, and the bits of bfloat16."""

BAD_CHECKPOINT_EXIT = 3
"""How the predictor ends where the checkpoint cannot be loaded into the codebase's model."""
OUT_OF_MEMORY_EXIT = 4
"""How the predictor ends where the model's answer does not fit into memory."""
