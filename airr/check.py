"""`python -m airr.check`: is this cluster usable, and is this a sound environment?"""

from __future__ import annotations

import sys
from typing import Any

from airr.verb import pop_dry_run, run_verb


def main(raw: dict[str, Any]) -> None:
    """Check the site, a node and the environment; end with status 1 if anything failed."""
    from airr import interrupts  # noqa: PLC0415 - these take seconds; --help needs none of them
    from airr.checks.everything import (  # noqa: PLC0415
        CheckSettings,
        check_everything,
        probe_script,
    )
    from airr.display.findings import show  # noqa: PLC0415
    from airr.parsing import parse, parse_config  # noqa: PLC0415

    settings = parse(CheckSettings, raw.pop("check"), at="check.")
    is_dry = pop_dry_run(raw)
    del raw["fork"], raw["once"]  # those of airr.evolve, which this verb's settings include
    config = parse_config(raw)
    if is_dry:
        print(probe_script(config))  # noqa: T201 - the verb's output
        return
    is_usable = interrupts.run(show(lambda tell: check_everything(config, raw, settings, tell)))
    sys.exit(0 if is_usable else 1)


if __name__ == "__main__":
    run_verb("check", main, groups=("llm", "cluster"), rehearses=True)
