"""OpenEvolve's evaluator, and ShinkaEvolve's: a score that costs nothing to find."""

import json
import sys
import zlib
from pathlib import Path


def evaluate(program_path):
    """Return a score that depends on the program's text alone."""
    return {"combined_score": zlib.crc32(Path(program_path).read_bytes()) / 2**32}


if __name__ == "__main__":
    asked = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    results = Path(asked["--results_dir"])
    results.mkdir(parents=True, exist_ok=True)
    (results / "metrics.json").write_text(json.dumps(evaluate(asked["--program_path"])))
    (results / "correct.json").write_text(json.dumps({"correct": True, "error": None}))
