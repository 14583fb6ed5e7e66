"""Run ShinkaEvolve, or go on in its folder: URL CANDIDATES IN_FLIGHT FOLDER."""

import sys
from pathlib import Path

from shinka.core import EvolutionConfig, ShinkaEvolveRunner
from shinka.database import DatabaseConfig
from shinka.launch import LocalJobConfig

HERE = Path(__file__).parent


def main():
    """Run until so many generations were made; the first one is the initial program."""
    url, candidates, in_flight, folder = sys.argv[1:]
    model = f"local/local-model@{url}/v1?api_key_env=OPENAI_API_KEY"
    ShinkaEvolveRunner(
        evo_config=EvolutionConfig(
            num_generations=int(candidates) + 1, patch_types=["diff"], patch_type_probs=[1.0],
            llm_models=[model], llm_dynamic_selection=None, meta_rec_interval=None,
            embedding_model=None, init_program_path=str(HERE / "initial.py"), results_dir=folder,
            max_novelty_attempts=1,
        ),
        job_config=LocalJobConfig(eval_program_path=str(HERE / "evaluator.py")),
        db_config=DatabaseConfig(db_path="programs.sqlite"),
        max_evaluation_jobs=int(in_flight), max_proposal_jobs=int(in_flight), verbose=True,
    ).run()  # fmt: skip


if __name__ == "__main__":
    main()
