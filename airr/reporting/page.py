"""A report -> one self-contained HTML file. Pure, but for reading the page's own sources.

All that a model or a candidate wrote is hostile. It enters the page as data alone: JSON in which
`<` cannot occur, and compressed chunks in base64; page.js puts it on the screen as text. The
page's policy allows the one script and the one style that are in it, by their hashes, and no
connection at all.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from airr.reporting.terminal import best_line, usd_line
from airr.reporting.tree import Report

SOURCES = Path(__file__).resolve().parent / "page"
SCRIPTS = (
    "dom.js", "charts.js", "lineage.js", "screens.js", "table.js", "idea.js", "campaign.js",
    "page.js",
)  # fmt: skip
"""In the order in which they are joined to one script."""
CHUNK = 40
"""Ideas whose large parts are compressed together, and opened together."""


def page_of(report: Report) -> str:
    """Return the page's text."""
    tree = tree_of(report)
    chunks: list[dict[str, str]] = []
    for place, campaign in enumerate(tree["campaigns"]):
        facts = report.campaigns[place]
        campaign["best_line"] = best_line(facts)
        campaign["usd_line"] = usd_line(facts.cost)
        details = [idea.pop("detail") for idea in campaign["ideas"]]
        for start in range(0, len(details), CHUNK):
            packed = _packed(details[start : start + CHUNK])
            chunks.append({"id": f"detail-{place}-{start // CHUNK}", "data": packed})
    tree["chunk"] = CHUNK
    style = _source("page.css")
    script = '"use strict";\n' + "\n".join(_source(name) for name in SCRIPTS)
    shell = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        _source("page.html")
    )
    return shell.render(
        title=", ".join(campaign.name for campaign in report.campaigns),
        version=report.airr_version,
        style=Markup(style),
        script=Markup(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=Markup(_harmless(tree)),
        chunks=chunks,
    )


def tree_of(report: Report) -> dict[str, Any]:
    """Return a report as JSON knows it: `format=json` prints this."""
    return asdict(report)


def _harmless(tree: Any) -> str:
    """Return JSON that no text in it can end the script element of."""
    text = json.dumps(tree, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _packed(details: Sequence[Any]) -> str:
    """Return JSON compressed, in base64; the same for the same details."""
    text = json.dumps(details, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


def _source(name: str) -> str:
    return (SOURCES / name).read_text(encoding="utf-8")


def _hash(source: str) -> str:
    """Return how a policy names a script or style that it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
