"""docs/troubleshooting.md quotes messages that airr still says, and names every reason."""

from __future__ import annotations

import ast
import re

import pytest

from airr.records import Reason
from tests.docs.markdown import ROOT

TEXT = (ROOT / "docs" / "troubleshooting.md").read_text()
QUOTED = [" ".join(one.split()) for one in re.findall(r"^- \*\*`([^`]+)`\*\*", TEXT, re.MULTILINE)]
LISTED = re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)


def texts_in_the_source() -> list[str]:
    """Return every text of airr's code; what is filled in stands as `...`."""
    found: list[str] = []
    for path in sorted((ROOT / "airr").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = (v.value if isinstance(v, ast.Constant) else "..." for v in node.values)
                found.append("".join(map(str, parts)))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return found


SOURCE = texts_in_the_source()


@pytest.mark.parametrize("message", QUOTED)
def test_every_quoted_message_is_one_that_airr_says(message: str):
    pattern = re.compile(".*".join(map(re.escape, message.split("..."))), re.DOTALL)
    assert any(pattern.search(text) for text in SOURCE)


def test_a_message_that_airr_does_not_say_would_be_found():
    assert not [text for text in SOURCE if re.search("the moon is made of .* cheese", text)]
    assert len(QUOTED) > 40


def test_every_reason_for_a_failure_is_explained_in_the_order_of_the_code():
    assert [str(reason) for reason in Reason] == LISTED
