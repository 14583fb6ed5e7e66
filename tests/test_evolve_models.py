"""Whole campaigns that ask models: `python -m airr.evolve` against a server of both APIs."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from airr.ledger import load
from tests import toy
from tests.llm.loopback import KEY, Asked, Fault, Loopback, Reply
from tests.llm.toy_model import ToyModel, is_ideation

SMALL = [
    "cluster=local",
    "search.epochs=2",
    "search.ideas_per_epoch=4",
    "implement.samples=2",
    "implement.revisions=1",
]
WRONG_KEY = "sk-wrong-9876543210"
POOR, GOOD = "claude-opus-4-5", "local-model"


def evolve(place: Path, *overrides: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "airr.evolve", *SMALL, *overrides],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=place,
        env={**os.environ, "COLUMNS": "120", **environment},
        check=False,
    )


def status(place: Path, campaign: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "airr.status", f"campaign={campaign}"],
        capture_output=True,
        text=True,
        cwd=place,
        check=True,
    ).stdout


class Stormy:
    """Spoils the first answers to some requests, in ways that quote the key."""

    def __init__(self) -> None:
        self.spoilt: Counter[str] = Counter()

    def __call__(self, asked: Asked, reply: Reply) -> Reply:
        if asked.number in {1, 3} and not self.spoilt[asked.prompt]:
            self.spoilt[asked.prompt] += 1
            return replace(reply, fault=Fault.QUOTES_KEY)
        return reply


@dataclass(frozen=True)
class Story:
    """One campaign of Claude's, stopped by its budget and then gone on with."""

    place: Path
    env: list[str]
    loopback: Loopback
    stopped: subprocess.CompletedProcess[str]
    status_of_stopped: str
    asked_by_then: int
    finished: subprocess.CompletedProcess[str]

    @property
    def folder(self) -> Path:
        return self.place / "runs" / "claude"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    place = tmp_path_factory.mktemp("place")
    env = toy.make_campaign_env(place)
    with Loopback(ToyModel(Stormy())) as loopback:
        claude = [
            "llm=anthropic",
            f"llm.base_url={loopback.url}",
            "llm.ideator.model=claude-opus-4-5",
            "llm.implementer.model=claude-opus-4-6",
            "campaign=claude",
            *env,
        ]
        stopped = evolve(place, *claude, "budget.llm_calls=4", ANTHROPIC_API_KEY=KEY)
        status_of_stopped = status(place, "claude")
        asked_by_then = len(loopback.billed)
        finished = evolve(place, *claude, "budget.usd=100", ANTHROPIC_API_KEY=KEY)
        yield Story(place, claude, loopback, stopped, status_of_stopped, asked_by_then, finished)


def test_a_campaign_of_claude_comes_to_its_end_with_every_idea_executed(story: Story):
    assert story.finished.returncode == 0, story.finished.stdout + story.finished.stderr
    tables = load(story.folder)
    assert len(tables.ideas) == 8
    assert set(tables.ideas.model) == {"claude-opus-4-5"}
    assert set(tables.patches.model) == {"claude-opus-4-6"}
    assert (tables.outcomes.status == "scored").all()
    scores = tables.outcomes.set_index("idea_id").metric
    wanted = tables.ideas.set_index("id").text.str.extract(r"VALUE = ([\d.]+)")[0].astype(float)
    assert scores[wanted.index].to_list() == pytest.approx(wanted.to_list())


def test_diffs_that_did_not_match_or_crashed_were_revised(story: Story):
    patches = load(story.folder).patches
    failed = patches[~patches.applied]
    assert {"no_patch", "crash"} <= set(failed.reason)
    assert (patches[patches.applied].revision == 1).any()


def test_every_call_stands_in_the_ledger_with_its_tokens_and_its_price(story: Story):
    calls = load(story.folder).calls
    whole = calls[calls.stop_reason == "end"]
    assert sorted(whole.output_tokens) == sorted(output for _, _, output in story.loopback.billed)
    assert (calls.usd > 0).all()
    assert (whole.thinking_tokens > 0).all()
    assert set(calls.purpose) == {"ideate", "implement"}


def test_at_its_bound_it_finishes_what_runs_says_so_and_stops(story: Story):
    assert story.stopped.returncode == 3, story.stopped.stdout + story.stopped.stderr
    assert "budget.llm_calls=4 is reached: 4 of 4 calls are spent" in story.stopped.stdout
    (line,) = re.findall(r".*larger budget\.llm_calls goes on.*", story.stopped.stdout)
    assert line.startswith("stopped ")
    assert re.search(r"\d ideas: .*; \d not tried to their end", story.stopped.stdout)
    assert "claude: stopped: budget.llm_calls=4 is reached" in story.status_of_stopped
    assert "is complete" not in story.stopped.stdout
    assert story.asked_by_then <= 4
    assert "Traceback" not in story.stopped.stderr


def test_no_call_is_paid_for_again_after_the_bound_was_raised(story: Story):
    billed = Counter(str(asked.body["messages"]) for asked in story.loopback.billed_requests)
    calls = load(story.folder).calls
    ideation = [asked for asked in story.loopback.billed_requests if is_ideation(asked)]
    assert len(ideation) == (calls.purpose == "ideate").sum()
    assert max(billed.values()) <= 2, "an idea has two samples, which ask the same"


def test_spend_is_told_by_role(story: Story):
    for said in (story.finished.stdout, status(story.place, str(story.folder))):
        for role in ("ideator", "implementer", "together"):
            line = rf"{role} +\d+ calls?.* tokens in +\S+ cached +\S+ out +\$\d+\.\d\d"
            assert re.search(line, said), said


def test_the_key_is_nowhere_on_disk_and_on_no_screen(story: Story):
    """Also though the server quoted it in its errors, which were logged and waited out."""
    assert "no luck with" in (story.folder / "airr.log").read_text()
    wrong = evolve(story.place, *story.env, "campaign=wrong", ANTHROPIC_API_KEY=WRONG_KEY)
    assert wrong.returncode == 2
    assert "does not accept the key in ANTHROPIC_API_KEY" in wrong.stderr
    assert not (story.place / "runs" / "wrong").exists(), "it is found before anything begins"
    said = [one.stdout + one.stderr for one in (story.stopped, story.finished, wrong)]
    assert not [text for text in said if KEY in text or WRONG_KEY in text]
    files = [path for path in story.place.rglob("*") if path.is_file()]
    assert len(files) > 50
    leaks = [
        path
        for path in files
        if KEY.encode() in path.read_bytes() or WRONG_KEY.encode() in path.read_bytes()
    ]
    assert leaks == []


def test_an_endpoint_where_nobody_listens_is_found_before_anything_begins(tmp_path: Path):
    env = toy.make_campaign_env(tmp_path)
    refused = evolve(tmp_path, "llm=openai", "llm.base_url=http://127.0.0.1:9/v1", *env)
    assert refused.returncode == 2
    assert "nobody answers at http://127.0.0.1:9/v1, where the ideator" in refused.stderr
    assert "llm.base_url" in refused.stderr
    assert not (tmp_path / "runs").exists()


def test_a_served_model_implements_what_another_one_proposes(tmp_path: Path):
    env = toy.make_campaign_env(tmp_path)
    with Loopback(ToyModel(), key=None) as loopback:
        done = evolve(
            tmp_path,
            "llm=openai",
            f"llm.base_url={loopback.url}/v1",
            "llm.ideator.model=local-model",
            "llm.implementer.provider=anthropic",
            f"llm.implementer.base_url={loopback.url}",
            "llm.implementer.model=claude-opus-5-5",
            "campaign=mixed",
            *env,
            ANTHROPIC_API_KEY=KEY,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"local-model ({loopback.url}/v1) proposes, claude-opus-5-5 " in done.stdout
    assert re.search(r"ideator .*cost unknown", done.stdout), done.stdout
    tables = load(tmp_path / "runs" / "mixed")
    assert (tables.outcomes.status == "scored").all()
    assert set(tables.calls[tables.calls.purpose == "ideate"].provider) == {"openai"}
    assert set(tables.calls[tables.calls.purpose == "implement"].provider) == {"anthropic"}
    assert {asked.is_anthropic for asked in loopback.asked if is_ideation(asked)} == {False}


def test_of_several_models_the_one_whose_ideas_pay_is_asked_more(tmp_path: Path):
    """The second's ideas are better than the baseline; the first's are worse."""

    def spoilt(asked: Asked, reply: Reply) -> Reply:
        if not is_ideation(asked) or asked.body["model"] == GOOD:
            return reply
        worse = re.sub(r"1(\.\d{3})", r"4\1", reply.text)
        return replace(reply, text=worse)

    env = toy.make_campaign_env(tmp_path)
    with Loopback(ToyModel(spoilt), key=None) as loopback:
        second = f"{{provider: openai, base_url: '{loopback.url}/v1', model: {GOOD}}}"
        both = [
            "llm=anthropic",
            f"llm.base_url={loopback.url}",
            f"llm.ideator.model={POOR}",
            f"llm.ensemble={{second: {second}}}",
            "implement.samples=1",
            "search.epochs=4",
            "search.ideas_per_epoch=6",
            "search.ideas_per_call=1",
            "campaign=both",
            *env,
        ]
        done = evolve(tmp_path, *both, ANTHROPIC_API_KEY=KEY)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{POOR} ({loopback.url}) or {GOOD} ({loopback.url}/v1) proposes" in done.stdout
    tables = load(tmp_path / "runs" / "both")
    ideas = tables.ideas.merge(tables.outcomes, left_on="id", right_on="idea_id")
    assert set(zip(ideas.member, ideas.model, strict=True)) == {
        ("ideator", POOR),
        ("second", GOOD),
    }
    assert (ideas[ideas.member == "second"].metric < 2).all()
    assert (ideas.member[ideas.epoch >= 2] == "second").mean() > 0.7
    calls = tables.calls[tables.calls.purpose == "ideate"]
    assert set(zip(calls.provider, calls.model, strict=True)) == {
        ("anthropic", POOR),
        ("openai", GOOD),
    }
    for said in (done.stdout, status(tmp_path, "runs/both")):
        assert re.search(
            r"paid +ideator 0 of \d+, second \d+ of \d+ better than the baseline", said
        ), said


def test_a_dry_run_shows_what_both_models_would_be_asked_and_asks_nothing(tmp_path: Path):
    env = toy.make_campaign_env(tmp_path)
    with Loopback(ToyModel()) as loopback:
        shown = evolve(
            tmp_path, "llm=anthropic", f"llm.base_url={loopback.url}", "+dry_run=prompts", *env,
            ANTHROPIC_API_KEY=KEY,
        )  # fmt: skip
        assert shown.returncode == 0, shown.stderr
        assert loopback.asked == []
    for words in (
        "  1 | VALUE = 2.0",
        "Reserved: score.py.",
        "Propose 4 ideas",
        "Implement this idea:",
        "claude-opus-5-5",
    ):
        assert words in shown.stdout
    assert "not known" not in shown.stdout
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_says_of_whom_it_is_not_known_whether_the_key_is_accepted(tmp_path: Path):
    env = toy.make_campaign_env(tmp_path)
    with Loopback(ToyModel()) as loopback:
        shown = evolve(
            tmp_path, "llm=anthropic", f"llm.base_url={loopback.url}", "+dry_run=true", *env,
            "llm.implementer.model=an-alias-that-no-endpoint-describes", ANTHROPIC_API_KEY=KEY,
        )  # fmt: skip
    assert shown.returncode == 0, shown.stderr
    assert "implements; not known: is the key of implementer accepted\n" in shown.stdout


def test_a_bound_in_dollars_that_bounds_nothing_is_refused_and_leaves_nothing(tmp_path: Path):
    env = toy.make_campaign_env(tmp_path)
    refused = evolve(
        tmp_path, "llm=openai", "llm.base_url=http://127.0.0.1:9/v1", "llm.ideator.model=qwen3",
        "budget.usd=5", *env,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "the price table lacks llm.ideator.model=qwen3" in refused.stderr
    assert not (tmp_path / "runs").exists()


def test_in_batches_an_epoch_asks_twice_for_its_ideas_and_for_all_first_samples(tmp_path: Path):
    env = toy.make_campaign_env(tmp_path)
    with Loopback(ToyModel()) as loopback:
        loopback.batches.seconds = 0.0
        done = evolve(
            tmp_path, "llm=anthropic", f"llm.base_url={loopback.url}", "llm.batch=true",
            "llm.ideator.model=claude-opus-4-5", "llm.implementer.model=claude-opus-4-6",
            "campaign=batches", "search.epochs=1", *env, ANTHROPIC_API_KEY=KEY,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "in batches that take up to a day" in done.stdout
    sizes = [len(batch.results) for batch in loopback.batches.kept.values()]
    assert sizes == [1, 8], "one call for 4 ideas, then 2 samples of each"
    tables = load(tmp_path / "runs" / "batches")
    assert (tables.outcomes.status == "scored").all()
    assert len(loopback.asked) == len(tables.calls), "revisions go out by themselves"
    assert len(tables.calls) > 9
