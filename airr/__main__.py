"""`python -m airr`: says which verbs there are."""

from __future__ import annotations

import sys
from importlib.metadata import version

VERBS = {
    "prepare": "make an environment's data and base models, once",
    "evolve": "run a campaign: ideas, diffs, trainings, scores, and what is learned from them",
    "rl": "train the model that proposes, on what its ideas are worth",
    "status": "where campaigns stand, and what the queue says",
    "report": "campaigns as one HTML file, as JSON, or as lines",
    "wandb": "send a campaign to Weights & Biases",
    "verify": "the best ideas of a campaign again, with fresh seeds",
    "baseline": "how far the unmodified codebase scatters with its seed",
    "check": "is this site usable, and is this environment sound",
    "execute": "the executor alone: a file of ideas in, measured ideas out",
    "trajectories": "published ideas and scores as a campaign, and a campaign as those",
    "cancel": "end a campaign's head and jobs, and no others",
}


def main() -> int:
    """List the verbs, or say the version; whatever was asked of none of them is an error."""
    lines = [f"  python -m airr.{verb:<14}{what}" for verb, what in VERBS.items()]
    asked = sys.argv[1:]
    if asked == ["--version"]:
        sys.stdout.write(f"airr {version('airr')}\n")
        return 0
    stream = sys.stderr if asked else sys.stdout
    if asked and asked[0] in VERBS:
        print(f"python -m airr.{asked[0]}, with a dot", file=stream)
    print("\n".join(["airr is used by its verbs; --help teaches each:", *lines]), file=stream)
    print(
        '\nTAB completes them after:  eval "$(python -m airr.completion bash)"  (or zsh)',
        file=stream,
    )
    return 2 if asked and asked[0] not in {"-h", "--help"} else 0


if __name__ == "__main__":
    sys.exit(main())
