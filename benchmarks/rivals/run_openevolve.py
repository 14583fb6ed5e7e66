"""Run OpenEvolve, or go on from its last checkpoint: URL CANDIDATES IN_FLIGHT FOLDER."""

import sys
from pathlib import Path

from openevolve import run_evolution
from openevolve.config import Config, LLMModelConfig

HERE = Path(__file__).parent


def main():
    """Run until so many candidates were made."""
    url, candidates, in_flight, folder = sys.argv[1:]
    config = Config()
    config.llm.api_base = f"{url}/v1"
    model = LLMModelConfig(
        name="local-model", api_base=f"{url}/v1", api_key="sk-loopback-0123456789",
        temperature=1.0, max_tokens=4096, timeout=60, retries=3, retry_delay=5,
    )  # fmt: skip
    config.llm.models = [model]
    config.evaluator.parallel_evaluations = int(in_flight)
    config.evaluator.cascade_evaluation = False
    done = sorted(
        Path(folder).glob("checkpoints/checkpoint_*"), key=lambda path: int(path.name[11:])
    )
    made = int(done[-1].name[11:]) if done else 0
    if made < int(candidates):
        run_evolution(
            str(HERE / "initial.py"), str(HERE / "evaluator.py"), config=config,
            iterations=int(candidates) - made, output_dir=folder, cleanup=False,
            checkpoint_path=str(done[-1]) if done else None,
        )  # fmt: skip


if __name__ == "__main__":
    main()
