"""Published trajectories in and out: what strangers' files hold, and what airr makes of it."""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from airr.cancellation import cluster_of
from airr.charter import existing_charter, read_charter
from airr.errors import AirrError
from airr.exchange.files import Fault, read_rows, write_rows
from airr.exchange.importing import import_file
from airr.exchange.intake import Only
from airr.exchange.outgoing import outgoing_of
from airr.exchange.rows import COLUMNS, BadRow, Measure, Row, raw_of_row, row_of_raw
from airr.ledger import Ledger, load
from airr.reporting.reading import find_campaigns, read_campaign
from airr.reporting.standing import Standing, see, standing_of
from airr.reporting.standing_lines import shown
from airr.reporting.terminal import best_line
from airr.verification import read_search
from airr.workspace import Workspace
from analysis.shared.campaigns import read_campaigns
from tests import toy
from tests.builders import idea
from tests.reporting.ledgers import DIFF, patch, small
from tests.test_evolve import QUICK, airr

ALL = Only(env=None, ideator=None, executor=None)


def raw(**columns: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "ideator_model": "opus", "executor_model": "gpt", "env": "grpo", "epoch": 0,
        "idea": "[Experiment] Try it.", "code_diff": "+++ b/x\n+a", "result": {"accuracy": 0.5},
    }  # fmt: skip
    return plain | columns


def lines(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.mark.parametrize(
    ("result", "measured"),
    [
        ({"accuracy": 0.5}, (Measure.ACCURACY, 0.5)),
        ({"accuracy": None, "loss": 3.2, "steps": 7}, (Measure.LOSS, 3.2)),
        ('{"loss": 3}', (Measure.LOSS, 3.0)),
        ([("accuracy", 0.5)], (Measure.ACCURACY, 0.5)),
        (None, (None, None)),
        (float("nan"), (None, None)),
        ({}, (None, None)),
        ("null", (None, None)),
        ("Failed", (None, None)),
        ({"loss": float("nan")}, (None, None)),
        ({"loss": float("inf")}, (None, None)),
        ({"loss": 10**400}, (None, None)),
        ({"accuracy": -999}, (None, None)),
    ],
)
def test_a_result_may_come_in_many_forms(result: Any, measured: Any):
    row = row_of_raw(raw(result=result))
    assert (row.measure, row.value) == measured


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ([1], "a list is no row"),
        ({"idea": "x"}, "it has no ideator_model, executor_model, env, epoch, code_diff, result"),
        (raw(epoch="2"), "epoch is '2', not a whole number from 0 to 9999"),
        (raw(epoch=True), "epoch is True"),
        (raw(epoch=-1), "epoch is -1"),
        (raw(epoch=1.5), "epoch is 1.5"),
        (raw(epoch=float("inf")), "epoch is inf"),
        (raw(epoch=10**5000), "epoch is a number, not a whole number from 0 to 9999"),
        (raw(idea="  "), "idea is '', not a text"),
        (raw(idea=None), "idea is null, not a text"),
        (raw(idea="x" * 2_000_001), "idea has 2,000,001 characters"),
        (raw(code_diff=7), "code_diff is 7, not a text"),
        (raw(ideator_model="a\x1b[2Jb"), "ideator_model is 'a [2Jb', with signs that are no text"),
        (raw(env="e" * 201), "env has 201 characters"),
        (raw(result=0.5), "result is 0.5: take a struct"),
        (raw(result="[" * 99_999), "which is no JSON"),
        (raw(result={"accuracy": "0.5"}), "result.accuracy is '0.5', not a number"),
        (raw(result={"accuracy": True}), "result.accuracy is True, not a number"),
        (raw(result={"accuracy": 0.5, "loss": 3.0}), "both an accuracy and a loss"),
        (raw(result={"loss": 0}), "result.loss is 0"),
        (raw(result={"loss": -0.5}), "result.loss is -0.5, below 0; a failure is null or NaN"),
        (raw(result={"accuracy": -1}), "result.accuracy is -1, below 0"),
    ],
)
def test_a_row_that_cannot_be_used_says_why_on_one_short_line(bad: Any, why: str):
    with pytest.raises(BadRow) as refused:
        row_of_raw(bad)
    assert why in str(refused.value)
    assert len(str(refused.value)) < 300
    assert str(refused.value).isprintable()


@settings(max_examples=300)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(COLUMNS), inner),
    )
    | st.fixed_dictionaries(
        {name: st.none() | st.integers() | st.floats() | st.text() for name in COLUMNS}
    )
)
def test_nothing_that_json_can_say_is_more_than_a_bad_row(value: Any):
    why = ""
    try:
        row_of_raw(value)
    except BadRow as bad:
        why = str(bad)
    assert why.isprintable()


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
names = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20)
TRAJECTORY = st.lists(
    st.builds(
        Row,
        ideator_model=names,
        executor_model=st.just("") | names,
        env=st.just("grpo"),
        epoch=st.integers(0, 12),
        idea=texts.filter(str.strip),
        code_diff=st.just("") | texts.filter(str.strip),
        measure=st.just(Measure.ACCURACY),
        value=st.floats(0, 200),
    ).flatmap(lambda row: st.sampled_from([row, replace(row, measure=None, value=None)])),
    min_size=1,
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(TRAJECTORY, st.sampled_from([".parquet", ".json", ".jsonl"]))
def test_what_is_imported_goes_out_as_it_came(rows: list[Row], suffix: str):
    with TemporaryDirectory() as place:
        file, again = (Path(place) / f"{name}{suffix}" for name in ("in", "out"))
        write_rows(file, rows)
        assert [*read_rows(file)] == rows
        workspace = Workspace(Path(place) / "runs" / "paper")
        import_file(file, workspace, ALL, 0.48)
        write_rows(again, outgoing_of(workspace).rows)
        assert again.read_bytes() == file.read_bytes()


def test_ids_count_within_each_epoch_and_the_ledger_says_imported_everywhere(tmp_path: Path):
    rows = [
        raw(epoch=3),
        raw(epoch=0, result={"accuracy": 0.6}),
        raw(epoch=3, result=None),
        raw(epoch=3, result=None, code_diff=None),
        raw(epoch=0, result={"accuracy": 60.0}),
    ]
    told = import_file(lines(tmp_path / "t.jsonl", rows), Workspace(tmp_path / "p"), ALL, 0.48)
    assert "5 ideas imported, 2 scored, 2 failed, 1 withheld" in told
    tables = load(tmp_path / "p")
    assert tables.ideas.id.tolist() == ["e03-i000", "e00-i000", "e03-i001", "e03-i002", "e00-i001"]
    assert set(tables.ideas.origin) == set(tables.outcomes.scorer_version) == {"imported"}
    assert set(tables.ideas.model) == {"opus"}
    assert set(tables.patches.model) == {"gpt"}
    outcomes = tables.outcomes.set_index("idea_id")
    assert outcomes.metric["baseline"] == 0.48
    assert outcomes.reason["e03-i001"] == "unknown"
    assert outcomes.reason["e03-i002"] == "no_patch"
    assert outcomes.reason["e00-i001"] == "implausible"
    assert outcomes.metric[["e03-i001", "e03-i002"]].isna().all()
    (campaign,) = read_campaigns([str(tmp_path / "p")])
    assert campaign.notes == ("imported: not measured by airr",)


def test_what_an_import_says_comes_next_works_from_where_it_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    for folder in (Path("elsewhere/paper"), Path("paper")):
        told = import_file(lines(Path("t.jsonl"), [raw()]), Workspace(folder), ALL, None)
        named = re.search(r"airr\.report campaign=(\S+)", told)
        assert named
        (found,) = find_campaigns(Path("runs"), named[1])
        assert found.folder == folder
        assert f"airr.evolve campaign=NEW fork={named[1]} " in told
    with pytest.raises(AirrError, match=r"airr\.status root=elsewhere lists those there are"):
        read_charter(Workspace(Path("elsewhere/none")))


def test_the_metric_is_that_of_the_environment_if_airr_has_it(tmp_path: Path):
    known = lines(tmp_path / "a.jsonl", [raw(env="nanogpt", result={"loss": 3.2})])
    import_file(known, Workspace(tmp_path / "a"), ALL, None)
    assert read_charter(Workspace(tmp_path / "a")).config["env"]["metric"]["name"] == "val_loss"
    other = lines(tmp_path / "b.jsonl", [raw(env="../grpo", result={"loss": 3.2})])
    import_file(other, Workspace(tmp_path / "b"), ALL, None)
    metric = read_charter(Workspace(tmp_path / "b")).config["env"]["metric"]
    assert (metric["name"], metric["direction"]) == ("loss", "minimize")
    assert outgoing_of(Workspace(tmp_path / "b")).rows[0].value == 3.2


def test_nested_results_of_parquet_are_read_as_structs_maps_and_texts(tmp_path: Path):
    for kind, result in {
        "struct": pa.array([{"accuracy": 0.5, "n": 1}, None], pa.struct(
            [("accuracy", pa.float32()), ("n", pa.int32())])),
        "map": pa.array([[("accuracy", 0.5)], None], pa.map_(pa.string(), pa.float64())),
        "text": pa.array(['{"accuracy": 0.5}', None]),
    }.items():  # fmt: skip
        columns = {name: [raw()[name]] * 2 for name in COLUMNS[:-1]}
        pq.write_table(pa.table({**columns, "result": result}), tmp_path / f"{kind}.parquet")
        rows = [*read_rows(tmp_path / f"{kind}.parquet")]
        assert [row.value for row in rows if isinstance(row, Row)] == [0.5, None], kind


def test_bad_rows_are_named_by_number_and_the_others_are_taken(tmp_path: Path):
    file = lines(tmp_path / "t.jsonl", [raw(), raw(epoch="x"), raw()])
    with file.open("ab") as more:
        more.write(b"{torn\n\xff\xfe\n" + b"[]\n" * 30)
    told = import_file(file, Workspace(tmp_path / "p"), ALL, None)
    assert "2 ideas imported" in told
    assert "33 rows are left out:\n  row 2: epoch is 'x'" in told
    assert "row 4: the line is no JSON\n  row 5: the line is no JSON\n  row 6: a list" in told
    assert told.endswith("and 13 more")


def test_a_line_without_end_is_one_bad_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("airr.exchange.files.LONGEST_LINE", 1000)
    file = lines(tmp_path / "t.jsonl", [raw(), raw(idea="x" * 5000), raw()])
    kinds = [type(row) for row in read_rows(file)]
    assert kinds == [Row, Fault, Row]


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("t.csv", "a,b", "name a file that ends in .parquet, .json, .jsonl, .ndjson"),
        ("t.parquet", "PAR1 no", "cannot be read as Parquet"),
        ("t.json", "{", "is no JSON"),
        ("t.json", "[" * 100_000, "is no JSON"),
        ("t.json", '{"data": []}', "holds no list of rows"),
        ("t.json", "[]", "no row can be used"),
        ("t.json", json.dumps([raw(epoch=None)]), "row 1: epoch is null"),
        ("t.json", json.dumps([raw(), raw(env="nanogpt")]), "several environments (grpo 1, nano"),
        ("t.json", json.dumps([raw(), raw(result={"loss": 3.0})]), "(accuracy 1, loss 1)"),
    ],
)
def test_files_that_cannot_be_used_are_refused_and_leave_nothing(
    name: str, content: str, why: str, tmp_path: Path
):
    (tmp_path / name).write_text(content)
    with pytest.raises(AirrError) as refused:
        import_file(tmp_path / name, Workspace(tmp_path / "p"), ALL, None)
    assert why in str(refused.value)
    assert not (tmp_path / "p").exists()


def test_a_parquet_without_a_column_says_which(tmp_path: Path):
    pq.write_table(pa.table({"idea": ["x"]}), tmp_path / "t.parquet")
    with pytest.raises(AirrError, match="it has no column ideator_model, executor_model, env"):
        next(read_rows(tmp_path / "t.parquet"))


def test_the_same_import_again_changes_nothing_and_another_one_is_refused(tmp_path: Path):
    file, workspace = (
        lines(tmp_path / "t.jsonl", [raw(), raw(env="nano")]),
        Workspace(tmp_path / "p"),
    )
    grpo = Only(env="grpo", ideator=None, executor=None)
    import_file(file, workspace, grpo, None)
    before = (workspace.ledger / "manifest.json").read_bytes()
    assert "imported already; nothing was changed" in import_file(file, workspace, grpo, None)
    assert (workspace.ledger / "manifest.json").read_bytes() == before
    with pytest.raises(AirrError, match="with another only"):
        import_file(file, workspace, grpo, 0.48)
    lines(file, [raw(), raw()])
    with pytest.raises(AirrError, match=r"was imported from another file \(t.jsonl\)"):
        import_file(file, workspace, grpo, None)


def test_an_import_that_was_killed_is_done_by_the_same_command(tmp_path: Path):
    file, workspace = lines(tmp_path / "t.jsonl", [raw()]), Workspace(tmp_path / "p")
    import_file(file, workspace, ALL, None)
    (workspace.ledger / "manifest.json").unlink()  # as if killed before the ledger's commit
    assert "1 ideas imported" in import_file(file, workspace, ALL, None)
    assert len(load(tmp_path / "p").ideas) == 1


def test_an_export_overwrites_no_other_file(tmp_path: Path):
    file = lines(tmp_path / "t.jsonl", [raw()])
    workspace = Workspace(tmp_path / "p")
    import_file(file, workspace, ALL, None)
    write_rows(file, outgoing_of(workspace).rows)
    file.write_text("mine")
    with pytest.raises(AirrError, match="another file is there"):
        write_rows(file, outgoing_of(workspace).rows)
    assert file.read_text() == "mine"


def test_a_campaign_goes_out_and_comes_back_and_its_best_ideas_are_measured_anew(tmp_path: Path):
    env = toy.make_campaign_env(tmp_path)
    one_epoch = [*QUICK, *env, "search.epochs=1"]
    done = airr("evolve", *one_epoch, "campaign=toy", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    out = airr("trajectories", "export=t.parquet", "campaign=toy", cwd=tmp_path)
    assert (out.returncode, out.stdout) == (0, "t.parquet: 4 rows\n")
    rows = [row for row in read_rows(tmp_path / "t.parquet") if isinstance(row, Row)]
    assert all(row.code_diff.startswith("diff --git a/") for row in rows if row.value), (
        "clean diffs"
    )

    made = airr("trajectories", "import=t.parquet", "campaign=paper", "baseline=2", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    dry = airr("evolve", *one_epoch, "campaign=new", "fork=paper", "+dry_run=true", cwd=tmp_path)
    assert dry.returncode == 0, dry.stderr
    done = airr("evolve", *one_epoch, "campaign=new", "fork=paper", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    tables = load(tmp_path / "runs" / "new")
    scored = [row for row in rows if row.value]
    best = sorted(scored, key=lambda row: row.value or 0)
    assert tables.ideas.text.tolist() == [row.idea for row in best]
    assert tables.ideas.id.tolist() == [f"e00-i{n:03d}" for n in range(len(best))]
    assert set(tables.ideas.origin) == {"imported"}
    assert set(tables.outcomes.scorer_version) == {"toy"}, "no score of another's was carried over"
    assert set(tables.runs.idea_id) == {*tables.ideas.id, "baseline"}


def test_what_was_imported_is_told_as_such_and_neither_gone_on_with_nor_cancelled(tmp_path: Path):
    workspace = Workspace(tmp_path / "paper")
    import_file(lines(tmp_path / "t.jsonl", [raw(), raw(epoch=1)]), workspace, ALL, 0.48)
    screen = Console(width=100, record=True)
    screen.print(shown(standing_of(see(workspace))))
    assert "paper: imported: measured elsewhere, not by airr" in screen.export_text()
    facts = read_campaign(workspace)
    assert (facts.strategy, facts.title) == (
        "imported",
        "imported from t.jsonl: measured elsewhere",
    )
    assert facts.fates["within noise"] == 2, "without errors nothing is called better"
    with pytest.raises(AirrError, match="campaign=NEWNAME fork=paper"):
        existing_charter(workspace, {}, env_sha256="", data_sha256="")
    with pytest.raises(AirrError, match="its codebases are not here"):
        read_search(workspace)
    with pytest.raises(AirrError, match="was imported: it has no jobs"):
        cluster_of(workspace)


@pytest.mark.parametrize("baseline", [None, 0.48])
def test_status_and_report_show_the_best_of_what_was_imported(
    baseline: float | None, tmp_path: Path
):
    results = [{"accuracy": value} for value in (0.5, 0.6, None, 0.4)]
    file = lines(tmp_path / "t.jsonl", [raw(result=one) for one in results])
    workspace = Workspace(tmp_path / "paper")
    import_file(file, workspace, ALL, baseline)
    standing = standing_of(see(workspace))
    assert isinstance(standing, Standing)
    assert [(one.id, one.score.metric) for one in standing.best] == [
        ("e00-i001", 0.6), ("e00-i000", 0.5), ("e00-i003", 0.4),
    ]  # fmt: skip
    assert all((one.gain is None) == (baseline is None) for one in standing.best)
    screen = Console(width=100, record=True)
    screen.print(shown(standing))
    told = screen.export_text()
    assert re.search(r"e00-i001 +0\.6000 .*Try it", told)
    assert ("gain" in told) == ("baseline" in told) == (baseline is not None)
    assert "no model was asked" not in told, "somebody asked one"
    facts = read_campaign(workspace)
    assert (facts.best, facts.best_score) == ("e00-i001", standing.best[0].score)
    assert facts.best_gain == standing.best[0].gain
    assert "best 0.6000 (e00-i001)" in best_line(facts)


def test_ideas_about_another_task_are_not_forked(tmp_path: Path):
    env = toy.make_campaign_env(tmp_path)
    import_file(
        lines(tmp_path / "t.jsonl", [raw()]), Workspace(tmp_path / "runs" / "paper"), ALL, None
    )
    refused = airr("evolve", *QUICK, *env, "campaign=new", "fork=paper", cwd=tmp_path)
    assert refused.returncode == 2
    assert "its ideas are about env=grpo, whose metric is to be maximized" in refused.stderr
    assert not (tmp_path / "runs" / "new").exists()


def test_a_row_of_the_published_form_is_what_raw_of_row_says():
    row = row_of_raw(raw(executor_model=None, code_diff=None))
    assert raw_of_row(row) == raw(executor_model=None, code_diff=None)


def test_of_airrs_own_campaign_withheld_scores_and_open_ideas_do_not_go_out(tmp_path: Path):
    workspace = small(tmp_path / "own")
    late = patch("e00-i000", applied=False, diff="a later answer", model="other")
    Ledger(workspace.ledger).append([idea(4, 1), late])
    found = outgoing_of(workspace)
    assert (len(found.rows), found.open, found.withheld) == (7, 2, 1)
    first, *_, held = found.rows
    assert (first.measure, first.value) == (Measure.LOSS, 1.9)
    assert (first.code_diff, first.executor_model) == (DIFF, "m"), "those of what was run"
    assert (held.epoch, held.value) == (1, None)
