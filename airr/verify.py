"""`python -m airr.verify`: the best ideas of a campaign once more, with seeds it never used."""

from __future__ import annotations

from typing import Any

from airr import interrupts
from airr.verb import pop_dry_run, run_verb


def main(raw: dict[str, Any]) -> None:
    """Run the best ideas and the baseline with fresh seeds, and say which of them hold."""
    from airr.display.measured import follow, foretold  # noqa: PLC0415
    from airr.display.verdicts import told_of_verification  # noqa: PLC0415
    from airr.measuring import take_the_measure  # noqa: PLC0415
    from airr.parsing import parse_bench  # noqa: PLC0415 - these take seconds, --help needs none
    from airr.places import campaign_said  # noqa: PLC0415
    from airr.verification import (  # noqa: PLC0415
        Verification,
        adopt,
        check_verification,
        codebases_of,
        read_search,
        settings_of,
    )
    from airr.workspace import Workspace  # noqa: PLC0415

    is_dry = pop_dry_run(raw)
    searched = read_search(Workspace(campaign_said(raw).folder.absolute()))
    settings = settings_of(raw, searched)
    config = parse_bench(Verification, settings)
    check_verification(config, searched)
    if is_dry:
        print(foretold(config, codebases=codebases_of(config, searched)))  # noqa: T201 - the verb's output
        return

    async def verify() -> None:
        trusted = searched.trusts_its_code
        async with take_the_measure(config, settings, trusted=trusted) as measuring:
            codebases = adopt(measuring, searched, config.top)
            told = told_of_verification(searched)
            async with follow(measuring, codebases, told):
                await measuring.run(codebases)

    interrupts.run(verify())


if __name__ == "__main__":
    run_verb("verify", main, groups=("cluster",), rehearses=True)
