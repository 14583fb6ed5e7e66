"""Answers compared, for the scorer: one JSON line in, one out.

    python grader.py CODEBASE

In: [answer, truth]. Out: true or false. Runs where the scorer cannot be hurt: an answer may
take for ever to compare, or all memory.
"""

import json
import resource
import sys

MEMORY_BYTES = 4_000_000_000


def main() -> None:
    """Answer until the scorer hangs up."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    sys.path.insert(0, sys.argv[1])
    from answers import means_the_same  # noqa: PLC0415 # pyright: ignore

    for line in sys.stdin:
        answer, truth = json.loads(line)
        try:
            same = means_the_same(answer, truth)
        except (MemoryError, RecursionError):
            same = False
        sys.stdout.write(json.dumps(same) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
