"""What sbatch/serve_vllm.sbatch starts in place of vLLM: `served.py serve MODEL --port N ...`.

It takes a while to load, as models do, and answers /health and chat completions. Of a model called
`broken` it never comes to that.
"""

import sys
import time
from argparse import ArgumentParser

from tests.llm.loopback import Loopback


def main() -> None:
    parser = ArgumentParser()
    parser.add_argument("serve")
    parser.add_argument("model")
    parser.add_argument("--port", type=int)
    known, rest = parser.parse_known_args()
    print("serving", known.model, *rest, flush=True)
    if known.model == "broken":
        sys.exit("CUDA out of memory")
    time.sleep(1.5)
    with Loopback(lambda asked: f"an answer to {asked.prompt}", key=None, port=known.port):
        time.sleep(120)


if __name__ == "__main__":
    main()
