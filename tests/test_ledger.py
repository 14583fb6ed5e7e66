"""The ledger: atomic commits, explicit schemas, and damage that is named and survived."""

import errno
import json
import math
import random
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from airr.columns import schema_of, table_of
from airr.errors import WorkspaceError
from airr.ledger import Ledger, best, load, read_records, read_table
from airr.parts import (
    MOST_PARTS,
    WHOLE_BYTES,
    DamagedPart,
    bytes_in,
    first_to_merge,
    read_part,
)
from airr.records import Idea, OutcomeRow, Reason, Run, Withheld, row_of
from tests.builders import NOON, idea, outcome_row, run, scored


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "campaign" / "ledger"


def parts_of(folder: Path, table: str) -> list[Path]:
    return sorted((folder / table).glob("part-*.parquet"))


def test_what_was_appended_is_read_back_as_the_same_records(folder: Path):
    ideas = [idea(0, parents=("e00-i007", "e00-i009")), idea(1)]
    outcomes = [outcome_row("e00-i000", 2.5), outcome_row("e00-i001", None)]
    Ledger(folder).append([*ideas, *outcomes])
    assert read_records(folder, Idea) == ideas
    assert read_records(folder, OutcomeRow) == outcomes


def test_the_metric_of_a_failure_is_null_and_never_a_number(folder: Path):
    Ledger(folder).append([outcome_row("e00-i000", None)])
    row = load(folder.parent).outcomes.iloc[0]
    assert pd.isna(row.metric)
    assert (row.status, row.stage, row.reason) == ("failed", "train", "crash")


def test_rows_of_several_tables_appear_together_or_not_at_all(folder: Path):
    """A commit that dies before its manifest leaves no row of either table."""
    first = Ledger(folder)
    first.append([run("e00-i000"), outcome_row("e00-i000", 2.5)])
    torn = Ledger(folder)
    torn._write_part("runs", table_of(Run, [run("e00-i001")]))
    assert len(read_records(folder, Run)) == 1
    again = Ledger(folder)
    assert len(parts_of(folder, "runs")) == 1, "the orphan is cleared by the next writer"
    again.append([run("e00-i002"), outcome_row("e00-i002", 2.4)])
    assert [row.idea_id for row in read_records(folder, Run)] == ["e00-i000", "e00-i002"]


def test_a_torn_part_is_named_and_the_rest_is_read(folder: Path):
    writer = Ledger(folder)
    for number in range(3):
        writer.append([idea(number)])
    torn = parts_of(folder, "ideas")[1]
    torn.write_bytes(torn.read_bytes()[:100])
    with pytest.warns(DamagedPart, match=torn.name):
        ideas = read_records(folder, Idea)
    assert [one.id for one in ideas] == ["e00-i000", "e00-i002"]


def test_a_part_that_is_gone_is_named_with_what_can_be_done(folder: Path):
    Ledger(folder).append([idea(0)])
    gone = parts_of(folder, "ideas")[0]
    gone.unlink()
    with pytest.raises(WorkspaceError, match=f"{gone.name}.*\nPut it back"):
        read_records(folder, Idea)


def test_a_flipped_bit_is_found_by_the_page_checksum(folder: Path):
    Ledger(folder).append([idea(0, text=random.Random(0).randbytes(4000).hex())])
    part = parts_of(folder, "ideas")[0]
    data = bytearray(part.read_bytes())
    data[1500] ^= 1  # in the middle of the text's page
    part.write_bytes(data)
    with pytest.warns(DamagedPart, match=part.name):
        assert read_records(folder, Idea) == []


def test_a_foreign_file_in_a_table_is_neither_read_nor_removed(folder: Path):
    Ledger(folder).append([idea(0)])
    foreign = folder / "ideas" / "notes.parquet"
    foreign.write_text("mine")
    Ledger(folder).append([idea(1)])
    assert len(read_records(folder, Idea)) == 2
    assert foreign.read_text() == "mine"


def test_many_small_parts_are_merged_without_losing_rows_or_their_order(folder: Path):
    writer = Ledger(folder)
    ideas = [idea(number) for number in range(MOST_PARTS + 5)]
    for one in ideas:
        writer.append([one])
    assert read_records(folder, Idea) == ideas
    assert len(parts_of(folder, "ideas")) < 10


def test_a_row_is_merged_again_only_when_its_part_doubles():
    sizes, merged, appended = [], 0, 20_000
    for _ in range(appended):
        sizes.append(1)
        if (first := first_to_merge(sizes)) < len(sizes):
            merged += sum(sizes[first:])
            sizes[first:] = [sum(sizes[first:])]
        assert len(sizes) <= MOST_PARTS
    assert merged / appended <= math.log2(appended / MOST_PARTS) + 3


def test_what_is_merged_fits_into_memory_however_long_the_table():
    sizes = [WHOLE_BYTES] * 100 + [1] * MOST_PARTS
    assert first_to_merge(sizes) == len(sizes)
    assert first_to_merge([*sizes, 1]) == 100


def test_merging_leaves_large_older_parts_as_they_are(folder: Path):
    writer = Ledger(folder)
    writer.append([idea(number) for number in range(5000)])
    (large,) = parts_of(folder, "ideas")
    many = [idea(5000 + number) for number in range(MOST_PARTS)]
    for one in many:
        writer.append([one])
    assert large.exists()
    assert len(parts_of(folder, "ideas")) < MOST_PARTS
    assert read_records(folder, Idea)[5000:] == many


def test_a_part_of_equal_texts_counts_with_all_of_them(folder: Path):
    Ledger(folder).append([idea(number, text="the same " * 100) for number in range(1000)])
    (part,) = parts_of(folder, "ideas")
    assert bytes_in(part) > 1000 * len("the same " * 100)
    assert part.stat().st_size < 100_000


def test_merging_keeps_a_damaged_part_for_somebody_to_look_at(folder: Path):
    writer = Ledger(folder)
    writer.append([idea(0)])
    damaged = parts_of(folder, "ideas")[0]
    damaged.write_bytes(b"no parquet")
    for number in range(1, MOST_PARTS):
        writer.append([idea(number)])
    with pytest.warns(DamagedPart):
        writer.append([idea(99)])
    assert damaged.exists()


def test_a_reader_that_meets_a_merge_sees_every_row(folder: Path):
    """A second process reads while this one appends and merges."""
    writer = Ledger(folder)
    writer.append([idea(0)])
    script = (
        "import sys; from pathlib import Path; from airr.ledger import read_table\n"
        "seen = [len(read_table(Path(sys.argv[1]), 'ideas')) for _ in range(60)]\n"
        "assert seen == sorted(seen), seen\nprint(seen[-1])"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True
    )
    for number in range(1, 150):
        writer.append([idea(number)])
    out, _ = reader.communicate(timeout=60)
    assert reader.returncode == 0
    assert 1 <= int(out) <= 150


def test_a_column_that_an_old_part_lacks_reads_as_null(folder: Path):
    Ledger(folder).append([row_of(scored("e00-i000", 2.0))])
    part = parts_of(folder, "outcomes")[0]
    pq.write_table(pq.read_table(part).drop_columns(["scorer_version"]), part)
    table = read_table(folder, "outcomes")
    assert table.schema.names == schema_of(OutcomeRow).names
    assert table["scorer_version"].to_pylist() == [None]


def test_a_first_part_without_any_metric_does_not_break_the_column_type(folder: Path):
    writer = Ledger(folder)
    writer.append([outcome_row("e00-i000", None)])
    writer.append([outcome_row("e00-i001", 2.0)])
    metric = load(folder.parent).outcomes.metric
    assert metric.dtype == "float64"
    assert metric.tolist()[1] == 2.0


def test_load_takes_many_campaigns_and_names_them_in_a_column(tmp_path: Path):
    for name in ("a", "b"):
        Ledger(tmp_path / name / "ledger").append([idea(0)])
    tables = load(tmp_path / "*")
    assert tables.ideas.campaign.tolist() == ["a", "b"]
    assert tables.runs.columns[0] == "campaign"
    with pytest.raises(WorkspaceError, match="no campaign matches"):
        load(tmp_path / "c*")


def test_load_can_leave_the_long_texts_on_disk(folder: Path):
    Ledger(folder).append([idea(0), outcome_row("e00-i000", 2.5)])
    tables = load(folder.parent, texts=False)
    assert tables.outcomes.metric.tolist() == [2.5]
    assert tables.ideas.id.tolist() == ["e00-i000"]
    assert not {"text", "log_tail", "detail"} & {*tables.ideas.columns, *tables.outcomes.columns}


def test_the_best_are_scored_outcomes_of_all_campaigns_best_first(tmp_path: Path):
    believed = asdict(scored("e00-i003", 0.1))
    del believed["reward"]
    withheld = Withheld(**believed, reason=Reason.IMPLAUSIBLE, detail="too good to be true")
    rows = [outcome_row("e00-i000", 2.5), outcome_row("e00-i001", None), row_of(withheld)]
    Ledger(tmp_path / "a" / "ledger").append(rows)
    Ledger(tmp_path / "b" / "ledger").append([outcome_row("e00-i000", value) for value in (2, 3)])
    found = best(tmp_path / "*", 10)
    assert [*zip(found.campaign, found.metric, strict=True)] == [("b", 2), ("a", 2.5), ("b", 3)]
    assert best(tmp_path / "*", 1).metric.tolist() == [2]


def test_only_the_holder_of_the_lease_may_append(folder: Path):
    def taken_over() -> None:
        raise WorkspaceError("another head has taken over")

    with pytest.raises(WorkspaceError, match="taken over"):
        Ledger(folder, guard=taken_over).append([idea(0)])
    assert read_records(folder, Idea) == []


def test_a_damaged_manifest_and_one_of_another_version_are_refused_by_name(folder: Path):
    Ledger(folder).append([idea(0)])
    manifest = folder / "manifest.json"
    good = manifest.read_text()
    manifest.write_text(good[:20])
    with pytest.raises(WorkspaceError, match=r"manifest\.json is damaged"):
        read_records(folder, Idea)
    manifest.write_text(json.dumps(json.loads(good) | {"format": 99}))
    with pytest.raises(WorkspaceError, match="format 99"):
        read_records(folder, Idea)


def test_text_that_is_no_valid_unicode_does_not_stop_the_ledger(folder: Path):
    Ledger(folder).append([idea(0, text="a lone surrogate: \ud800")])
    assert read_records(folder, Idea)[0].text == "a lone surrogate: ?"


def test_times_come_back_in_utc(folder: Path):
    Ledger(folder).append([idea(0)])
    column = read_table(folder, "ideas")["created_at"]
    assert column.type == pa.timestamp("us", tz="UTC")
    assert read_records(folder, Idea)[0].created_at == NOON


def test_a_part_that_the_disk_cannot_read_now_is_not_taken_for_a_damaged_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    Ledger(folder).append([idea(0)])

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(pq, "ParquetFile", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        read_records(folder, Idea)


def test_tables_are_read_as_they_stood_at_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """An outcome that is entered while somebody reads does not lack its idea."""
    ledger = Ledger(tmp_path / "ledger")
    ledger.append([idea(0), outcome_row("e00-i000", 2.0)])
    read, entered = read_part, [[idea(1), outcome_row("e00-i001", 2.0)]]

    def read_beside_a_head(path: Path, schema: Any) -> Any:
        found = read(path, schema)
        if entered:
            ledger.append(entered.pop())
        return found

    monkeypatch.setattr("airr.ledger.read_part", read_beside_a_head)
    tables = load(tmp_path)
    assert {*tables.outcomes.idea_id} == {*tables.ideas.id}
    assert not entered
    assert {*load(tmp_path).outcomes.idea_id} == {"e00-i000", "e00-i001"}
