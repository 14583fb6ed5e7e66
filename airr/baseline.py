"""`python -m airr.baseline`: the unmodified codebase with several seeds; how far scores scatter."""

from __future__ import annotations

from typing import Any

from airr import interrupts
from airr.verb import pop_dry_run, run_verb


def main(raw: dict[str, Any]) -> None:
    """Run the environment's own codebase once for each seed, and say what came of it."""
    from airr.display.measured import follow, foretold  # noqa: PLC0415
    from airr.display.repeats import told_of_baseline  # noqa: PLC0415
    from airr.measuring import Measurement, take_the_measure, unmodified  # noqa: PLC0415
    from airr.parsing import parse_bench  # noqa: PLC0415 - these take seconds, --help needs none

    is_dry = pop_dry_run(raw)
    config = parse_bench(Measurement, raw)
    if is_dry:
        print(foretold(config, codebases=1))  # noqa: T201 - the verb's output
        return

    async def measure() -> None:
        async with take_the_measure(config, raw, trusted=True) as measuring:
            codebases = [unmodified(measuring)]
            async with follow(measuring, codebases, told_of_baseline):
                await measuring.run(codebases)

    interrupts.run(measure())


if __name__ == "__main__":
    run_verb("baseline", main, groups=("cluster",), rehearses=True)
