"""A file of a campaign that was torn: it is told by name, and nothing of the rest is lost for it.

airr writes files aside and renames them, so that a crash tears none but the journal and the logs.
Disks and people tear others.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from airr.ledger import load
from tests import toy
from tests.campaigns import assert_nothing_is_double, what_came_of_it
from tests.faults.shaken import Shaken
from tests.faults.tripwire import Trap
from tests.faults.warm import Warm

SMALL = ["llm=offline", "cluster=local", "cluster.sandbox=none"]
SIZE = ["search.epochs=2", "search.ideas_per_epoch=4"]
LATE = Trap("kill", "executor.inbox.file_away: rename jobs", 6)
"""When a head dies here, the inbox holds a result, a batch is under way, and the lease is there."""

SILENT = {"airr.log", "jobs/log", "jobs/json", "codebases/zip"}
"""What is read by people, or where the ledger has lost rows, or when an idea is run once more."""
EMPTY = {"jobs/alive", "jobs/worker.log"}
NEEDED = {"campaign.yaml", "ledger/manifest.json", "lease/json"}
"""Without them no head goes on; a lease may be that of a head on another host, for two minutes."""


@dataclass(frozen=True)
class Kept:
    """A campaign as it was at some moment, which can be had again in its place."""

    campaign: Shaken
    copy: Path

    @property
    def is_finished(self) -> bool:
        """Tell whether it has come to its end, and all answers stand in the ledger too."""
        return not any((self.copy / "lease").iterdir())

    @classmethod
    def of(cls, campaign: Shaken) -> Kept:
        copy = campaign.folder.parent.with_name(f"{campaign.folder.name}-kept")
        shutil.copytree(campaign.folder, copy)
        return cls(campaign, copy)

    def restore(self) -> None:
        shutil.rmtree(self.campaign.folder)
        shutil.copytree(self.copy, self.campaign.folder)

    def kinds(self) -> dict[str, list[Path]]:
        """Return the files of each kind, relative to the campaign."""
        found: dict[str, list[Path]] = {}
        for path in sorted(path for path in self.copy.rglob("*") if path.is_file()):
            relative = path.relative_to(self.copy)
            found.setdefault(kind_of(relative), []).append(relative)
        return found


def kind_of(path: Path) -> str:
    """Return what kind of file of a campaign this is, by its path within it."""
    *folders, name = path.parts
    if folders and folders[0] == "ledger" and len(folders) == 2:
        return f"ledger/{folders[1]}"
    if not folders or name in {"batch.json", "worker.log", "manifest.json"}:
        return "/".join((*folders[:1], name))
    return f"{folders[0]}/{name.rpartition('.')[2]}"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("torn")


@pytest.fixture(scope="module")
def settings(place: Path) -> list[str]:
    return [*toy.make_campaign_env(place), *SMALL, *SIZE]


@pytest.fixture(scope="module")
def finished(place: Path, settings: list[str]) -> Kept:
    campaign = Shaken.of(place, "finished", settings)
    assert campaign.run() == 0, campaign.said
    return Kept.of(campaign)


@pytest.fixture(scope="module")
def interrupted(place: Path, settings: list[str]) -> Kept:
    campaign = Shaken.of(place, "interrupted", settings)
    assert campaign.run(LATE) == -9, campaign.said
    campaign.assert_nothing_is_left_running()
    return Kept.of(campaign)


def torn(kept: Kept, shares: list[float], rng: random.Random) -> Iterator[Path]:
    """Yield a file of each kind, cut to these shares of its length; the rest is as it was."""
    for files in kept.kinds().values():
        for share in shares:
            kept.restore()
            relative = rng.choice(files)
            path = kept.campaign.folder / relative
            if whole := path.read_bytes():
                path.write_bytes(whole[: int(len(whole) * share)])
                yield relative


def said_by(kept: Kept, verb: str, *arguments: str) -> tuple[int, str]:
    """Return the exit status of a verb, and what it says."""
    log = kept.campaign.trace.with_suffix(".said")
    log.unlink(missing_ok=True)
    with Warm(f"airr.{verb}", arguments, log, {}) as process:
        status = process.wait(timeout=120)
    return status, log.read_text()


def see_it_through(kept: Kept, relative: Path, expected: object) -> None:
    """See how a campaign goes on of which this file is torn."""
    folder, kind = kept.campaign.folder, kind_of(relative)
    command = kept.campaign.command.overrides
    seen, shown = said_by(kept, "status", f"campaign={folder}")
    planned, rehearsed = said_by(kept, "evolve", *command, "+dry_run=true")
    status, said = said_by(kept, "evolve", *command)
    everything = f"{relative}:\n{shown}\n---\n{rehearsed}\n---\n{said}"
    assert "Traceback" not in everything, everything
    assert {seen, planned, status} <= {0, 1, 2}, everything
    if kind not in SILENT and (kind != "journal.jsonl" or kept.is_finished):
        assert relative.name in re.sub(r"\s+", "", said), everything
    assert bool(status) is (kind in NEEDED), everything
    if status:
        shutil.copyfile(kept.copy / relative, folder / relative)
        status, said = said_by(kept, "evolve", *command)
        assert status == 0, f"{everything}\nand with the file put back:\n{said}"
    assert what_came_of_it(folder) == expected, everything
    assert_nothing_is_double(folder)
    patches = load(folder).patches
    assert not patches.duplicated(["idea_id", "mends", "sample", "revision"]).any()


@pytest.mark.filterwarnings("ignore::airr.parts.DamagedPart")
@pytest.mark.parametrize(
    "shares", [[0.5], pytest.param([0.0, 0.01, 0.2, 0.9, 0.999], marks=pytest.mark.long)]
)
@pytest.mark.parametrize("state", [pytest.param("finished", marks=pytest.mark.long), "interrupted"])
def test_a_torn_file_is_told_by_name_and_the_campaign_ends_as_without(
    state: str, shares: list[float], finished: Kept, interrupted: Kept
):
    kept = finished if state == "finished" else interrupted
    expected = what_came_of_it(finished.copy)
    rng = random.Random(f"{state} {shares}")
    kinds: set[str] = set()
    for relative in torn(kept, shares, rng):
        see_it_through(kept, relative, expected)
        kinds.add(kind_of(relative))
    assert kinds == {*kept.kinds()} - EMPTY


def batches(kept: Kept) -> list[str]:
    return sorted(path.name for path in (kept.campaign.folder / "jobs").iterdir())


def tear_tables(kept: Kept, *names: str) -> None:
    for name in names:
        for part in (kept.campaign.folder / "ledger" / name).iterdir():
            part.write_bytes(part.read_bytes()[:50])


@pytest.mark.filterwarnings("ignore::airr.parts.DamagedPart")
@pytest.mark.parametrize("tables", [["outcomes"], ["runs"], ["runs", "outcomes", "patches"]])
def test_what_a_torn_part_told_of_runs_is_made_again_without_a_run(
    tables: list[str], finished: Kept
):
    finished.restore()
    before, runs = batches(finished), load(finished.copy).runs
    # what crashed at once is asked to be mended again, and the journal answers
    lost = runs if "runs" in tables else runs[runs.reason != "crash"]
    tear_tables(finished, *tables)
    status, said = said_by(finished, "evolve", *finished.campaign.command.overrides)
    assert status == 0, said
    told = re.sub(r"\s+", " ", said)
    named = ", ".join(sorted(lost.id))
    assert f"rows of these runs: {named}: they are made again from the records" in told
    assert batches(finished) == before, "no run is submitted for it"
    assert what_came_of_it(finished.campaign.folder) == what_came_of_it(finished.copy)
    assert {*load(finished.campaign.folder).runs.id} == {*runs.id}
    assert_nothing_is_double(finished.campaign.folder)
    again = said_by(finished, "evolve", *finished.campaign.command.overrides)
    assert "rows of these runs" not in again[1], "once is enough"


@pytest.mark.filterwarnings("ignore::airr.parts.DamagedPart")
def test_a_run_whose_record_is_gone_too_is_named_and_run_again(finished: Kept):
    finished.restore()
    tear_tables(finished, "outcomes")
    outcomes = load(finished.copy).outcomes
    lost = outcomes[(outcomes.status == "scored") & (outcomes.idea_id != "baseline")].iloc[0]
    run = f"{lost.idea_id}.r0.a0"
    (record,) = finished.campaign.folder.glob(f"jobs/*/{run}.json")
    record.write_text("{}")
    status, said = said_by(finished, "evolve", *finished.campaign.command.overrides)
    assert status == 0, said
    assert f"rows of these runs: {run}: their records are gone too, and they are run again" in (
        re.sub(r"\s+", " ", said)
    )
    assert what_came_of_it(finished.campaign.folder) == what_came_of_it(finished.copy)
    again = load(finished.campaign.folder).runs
    assert [*again[again.idea_id == lost.idea_id].sort_values("attempt").attempt] == [0, 1]


def test_a_journal_that_lost_answers_is_told_of(finished: Kept):
    finished.restore()
    journal = finished.campaign.folder / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[: len(lines) // 2]))
    _, said = said_by(finished, "evolve", *finished.campaign.command.overrides)
    told = re.sub(r"\s+", " ", said)
    assert re.search(r"journal\.jsonl has lost answers: the ledger tells of \d+ that it does", told)


@pytest.mark.filterwarnings("ignore::airr.parts.DamagedPart")
def test_a_result_in_the_inbox_whose_run_is_lost_gives_no_second_outcome(interrupted: Kept):
    """Its outcome stands: the head was killed between entering it and filing it away."""
    interrupted.restore()
    tear_tables(interrupted, "runs")
    status, said = said_by(interrupted, "evolve", *interrupted.campaign.command.overrides)
    assert status == 0, said
    assert_nothing_is_double(interrupted.campaign.folder)
