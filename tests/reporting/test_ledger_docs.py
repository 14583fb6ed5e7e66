"""docs/ledger.md: every example runs as written, and its tables are those of the records."""

import re
from pathlib import Path

import pytest

from airr.columns import schema_of
from airr.ledger import TABLES
from tests.reporting.ledgers import small

TEXT = (Path(__file__).parents[2] / "docs" / "ledger.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
TYPES = {
    "string": "text",
    "int64": "integer",
    "double": "number",
    "bool": "yes or no",
    "timestamp[us, tz=UTC]": "time",
    "list<item: string>": "list of texts",
    "map<string, double>": "numbers by name",
}


@pytest.mark.parametrize(
    ("example", "told"),
    list(zip(EXAMPLES, ("withheld", "e01-i000", "no_patch", "e01-i000"), strict=True)),
    ids=["airr", "pandas", "polars", "duckdb"],
)
def test_each_example_of_the_docs_runs_as_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    example: str,
    told: str,
):
    small(tmp_path / "runs" / "mine")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "docs/ledger.md", "exec"), {})
    assert told in capsys.readouterr().out


@pytest.mark.parametrize("table", TABLES)
def test_the_docs_list_every_column_with_its_type(table: str):
    section = TEXT.partition(f"### {table}\n")[2].partition("\n### ")[0]
    listed = re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE)
    assert listed == [
        (column.name, TYPES[str(column.type)] + ("?" if column.nullable else ""))
        for column in schema_of(TABLES[table])
    ]
