"""The frames between scorer and predictor: a header of fixed size, then exactly what it says.

    question   magic, fresh, sequences, tokens of each; then uint16 [sequences, tokens]
    answer     magic, rows, columns;                    then float32 [rows, columns]

`fresh` is 1 where sequences begin and 0 where they go on. An answer has one row of logits for
each token of its question, sequence by sequence. Numbers are little-endian.
"""

import struct

QUESTION = struct.Struct("<4sIII")
ANSWER = struct.Struct("<4sII")
QUESTION_MAGIC = b"ask:"
ANSWER_MAGIC = b"say:"
TOKEN, LOGIT = "<u2", "<f4"

BAD_CHECKPOINT_EXIT = 3
"""How the predictor ends where the checkpoint cannot be loaded into the codebase's model."""
OUT_OF_MEMORY_EXIT = 4
"""How the predictor ends where the model's answer does not fit into memory."""
