"""What training wrote about itself -> a few plain numbers, whatever the file is.

The file is the candidate's: any size, any kind, any content. It decides nothing.
"""

from __future__ import annotations

from pathlib import Path

from airr.batch import plain_numbers
from airr.foreign import content_of, json_in

REPORT = "report.json"
LIMIT_BYTES = 16_384


def read_report(path: Path) -> dict[str, float]:
    """Return the finite numbers in a JSON object of at most 16 kB; none where there is none."""
    try:
        return plain_numbers(json_in(content_of(path, LIMIT_BYTES)))
    except (OSError, ValueError):
        return {}
