"""`python -m airr.cancel`: ends a campaign's jobs, and only its jobs."""

from __future__ import annotations

from typing import Any

from airr.verb import pop_dry_run, run_verb


def main(raw: dict[str, Any]) -> None:
    """Cancel what a campaign has queued or running, or list it in a dry run."""
    import asyncio  # noqa: PLC0415 - --help needs none of these

    from airr.cancellation import cancel, cluster_of, look  # noqa: PLC0415
    from airr.display.cancelled import told_of  # noqa: PLC0415
    from airr.places import campaign_said  # noqa: PLC0415

    is_dry = bool(pop_dry_run(raw))
    workspace = campaign_said(raw)
    cluster = cluster_of(workspace)
    found = asyncio.run((look if is_dry else cancel)(workspace, cluster))
    print(told_of(workspace.name, found, is_dry=is_dry))  # noqa: T201 - this is the verb's output


if __name__ == "__main__":
    run_verb("cancel", main, rehearses=True)
