"""The executor alone: a file of ideas in, measured ideas out."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airr.errors import AirrError
from airr.exchange.ideas import read_ideas
from airr.ledger import load
from tests import toy
from tests.campaigns import Command
from tests.test_evolve import airr

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HERE = ["llm=offline", "cluster=local", "campaign=mine"]


def told(slug: str) -> str:
    return (
        f"[Experiment] The idea {slug} may help.\n[Code Changes] Put {slug} in.\nRecipe: {slug}()"
    )


def texts_in(path: Path) -> list[str]:
    return [idea.text for idea in read_ideas(path, NOW).ideas]


def test_ideas_come_from_rows_or_from_blocks_in_their_order(tmp_path: Path):
    rows = [{"idea": "first", "ideator_model": "opus", "result": 7}, {"idea": "second"}]
    (tmp_path / "i.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "i.json").write_text(json.dumps(rows))
    pq.write_table(pa.table({"n": [1, 2], "idea": ["first", "second"]}), tmp_path / "i.parquet")
    for form in ("jsonl", "json", "parquet"):
        assert texts_in(tmp_path / f"i.{form}") == ["first", "second"]
    ideas = read_ideas(tmp_path / "i.jsonl", NOW).ideas
    assert [idea.id for idea in ideas] == ["e00-i000", "e00-i001"]
    assert [idea.model for idea in ideas] == ["opus", "given"]
    (tmp_path / "i.md").write_text(f"# Mine\n\n{told('best')}\n[End]\n\n{told('worse')}\n")
    assert texts_in(tmp_path / "i.md") == [told("best"), told("worse")]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        (
            "i.csv",
            "x",
            r"which form\? name a file that ends in .*, \.md",
        ),
        ("i.md", "Try something!", r"no idea in the form\n  \[Experiment\]"),
        ("i.txt", "\udcff", "is no text"),
        ("i.jsonl", '{"idea": "x"}\n{"text": "y"}\n', "row 2: idea is null, not a text"),
        ("i.jsonl", '{"idea": "x"\n', "row 1: the line is no JSON"),
        ("i.json", "[]", "it holds no idea"),
        ("i.json", json.dumps([{"idea": "x" * 20_001}]), "row 1: idea has 20,001 characters"),
        ("i.json", '[["idea"]]', "row 1: a list is no row"),
    ],
)
def test_a_file_without_ideas_is_refused_where_it_is_wrong(
    name: str, content: str, why: str, tmp_path: Path
):
    (tmp_path / name).write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(AirrError, match=why):
        read_ideas(tmp_path / name, NOW)
    with pytest.raises(AirrError, match="there is no such file"):
        read_ideas(tmp_path / "none.jsonl", NOW)


def test_given_ideas_are_measured_beside_the_baseline_and_nobody_is_asked_for_others(
    tmp_path: Path,
):
    env = toy.make_campaign_env(tmp_path)
    ideas = [told("best"), told("crash"), told("worse")]
    file = tmp_path / "ideas.jsonl"
    file.write_text("\n".join(json.dumps({"idea": text}) for text in ideas))
    command = [*HERE, *env, f"ideas={file}"]
    dry = airr("execute", *command, "+dry_run=true", cwd=tmp_path)
    assert dry.returncode == 0, dry.stderr
    assert not (tmp_path / "runs" / "mine").exists()

    killed = Command([*HERE, *env, f"ideas={file}"], tmp_path / "log", {}, verb="execute")
    with killed.running() as process:
        while not (tmp_path / "runs/mine/ledger/manifest.json").exists():
            assert process.poll() is None, killed.log.read_text()
    done = airr("execute", *command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    tables = load(tmp_path / "runs" / "mine")
    assert tables.ideas.text.tolist() == ideas
    outcomes = tables.outcomes.set_index("idea_id")
    assert outcomes.metric.round(2).drop("e00-i001").to_dict() == {
        "baseline": 2.0, "e00-i000": 1.7, "e00-i002": 3.0
    }  # fmt: skip
    assert outcomes.reason["e00-i001"] == "crash"
    assert set(tables.calls.purpose) == {"implement"}
    assert "3 given, others from the offline catalogue" in done.stdout

    file.write_text(json.dumps({"idea": told("silent")}))
    other = airr("execute", *command, cwd=tmp_path)
    assert other.returncode == 2
    assert "search.ideas_per_epoch: 3 -> 1" in other.stderr
    file.write_text("\n".join(json.dumps({"idea": text}) for text in reversed(ideas)))
    other = airr("execute", *command, cwd=tmp_path)
    assert other.returncode == 2
    assert "campaign mine began with other ideas" in other.stderr


def test_ideas_that_the_catalogue_does_not_know_need_a_model(tmp_path: Path):
    env = toy.make_campaign_env(tmp_path)
    strange = "[Experiment] Train for longer.\n[Code Changes] Twice the steps.\n[End]"
    (tmp_path / "ideas.md").write_text(f"{strange}\n")
    for more in ([], ["+dry_run=true"]):
        refused = airr("execute", *HERE, *env, "ideas=ideas.md", *more, cwd=tmp_path)
        assert refused.returncode == 2
        assert "1 of the 1 ideas are not of the catalogue" in refused.stderr


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ([], "which ideas?"),
        (["ideas=i.jsonl", "fork=x"], "the ideas come from a file"),
        (["ideas=i.jsonl", "once=true"], "once=true is for airr.evolve"),
    ],
)
def test_what_the_executor_does_not_take_is_named(said: list[str], why: str, tmp_path: Path):
    refused = airr("execute", *said, cwd=tmp_path)
    assert refused.returncode == 2
    assert why in refused.stderr
