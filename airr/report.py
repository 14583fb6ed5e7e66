"""`python -m airr.report`: campaigns as one HTML file that opens anywhere, as JSON, or as lines."""

from __future__ import annotations

from typing import Any

from airr.verb import run_verb


def main(raw: dict[str, Any]) -> None:
    """Write the report of one campaign, or of several side by side."""
    import json  # noqa: PLC0415 - --help needs none of these
    from datetime import UTC, datetime  # noqa: PLC0415
    from importlib.metadata import version  # noqa: PLC0415

    from airr.errors import ConfigError  # noqa: PLC0415
    from airr.places import folder_said  # noqa: PLC0415
    from airr.reporting.page import page_of, tree_of  # noqa: PLC0415
    from airr.reporting.reading import find_campaigns, read_report  # noqa: PLC0415
    from airr.reporting.terminal import lines_of  # noqa: PLC0415
    from airr.workspace import write_atomically  # noqa: PLC0415

    form, root = raw["format"], folder_said(raw, "root")
    if form not in ("html", "json", "text"):
        raise ConfigError(f"format={form}: a report is html, json or text")
    workspaces = find_campaigns(root, raw["campaign"])
    report = read_report(workspaces, now=datetime.now(UTC), version=version("airr"))
    lines = "\n".join(lines_of(report)) + "\n"
    whole = {
        "html": lambda: page_of(report),
        "json": lambda: json.dumps(tree_of(report), allow_nan=False, indent=1) + "\n",
        "text": lambda: lines,
    }[form]()
    if form != "html" and raw["output"] is None:
        print(whole, end="")  # noqa: T201 - the verb's output
        return
    alone = workspaces[0].folder if len(workspaces) == 1 else root
    output = folder_said(raw, "output") if raw["output"] is not None else alone / "report.html"
    if not output.parent.is_dir():
        raise ConfigError(f"output={output}: there is no folder {output.parent}; make it first")
    write_atomically(output, whole.encode("utf-8", "replace"))
    print(f"{lines}{output}: {len(whole) / 1e6:.1f} MB")  # noqa: T201 - the verb's output


if __name__ == "__main__":
    run_verb("report", main)
