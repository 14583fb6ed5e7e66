"""Searches beyond the paper's, as whole campaigns on an environment of seconds."""

from pathlib import Path

import pytest

from airr.executor.codebases import Tree, unpack
from airr.executor.diffs import unified_diff
from airr.ledger import load
from tests import toy
from tests.test_evolve import airr

SMALL = [
    *("search.epochs=3", "search.ideas_per_epoch=5"),
    *("llm=offline", "cluster=local", "campaign=toy"),
]


def campaign(place: Path, *settings: str) -> Path:
    env = toy.make_campaign_env(place)
    done = airr("evolve", *SMALL, *env, *settings, cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return place / "runs" / "toy"


def test_a_tree_improves_its_best_node_and_mends_what_failed(tmp_path: Path):
    greedy = ["search=tree", "search.breadth=1", "search.drafts=5", "search.base=parent"]
    folder = campaign(tmp_path, *greedy)
    tables = load(folder)
    ideas = tables.ideas.set_index("id")
    outcomes = tables.outcomes.set_index("idea_id")
    scored = outcomes[outcomes.status == "scored"]
    mended, improved = (ideas[ideas.origin == origin] for origin in ("debug", "exploit"))
    assert len(mended)
    assert all(outcomes.status[parent] == "failed" for (parent,) in mended.parents)
    for epoch, children in improved.groupby("epoch"):
        before = scored.index[ideas.epoch.reindex(scored.index) < epoch]
        assert {*children.parents.explode()} == {scored.metric[before].idxmin()}
    assert improved.base.tolist() == [parent for (parent,) in improved.parents]
    assert not mended.base.notna().any(), "what is mended stays on what it stood on"
    applied = tables.patches[tables.patches.applied]
    diffs = dict(zip(applied.idea_id, applied["diff"], strict=True))
    for idea, base in improved.base[improved.index.isin(diffs.keys())].items():
        made, parent = (codebase(folder, name) for name in (str(idea), base))
        assert unified_diff(parent, made) == diffs[str(idea)]


def codebase(campaign: Path, idea_id: str) -> Tree:
    return unpack((campaign / "codebases" / f"{idea_id}.zip").read_bytes())


def test_islands_hold_populations_apart(tmp_path: Path):
    few = ["search.epochs=2", "search.ideas_per_epoch=4", "search.similarity=0.95"]
    apart = ["search=islands", "search.islands=2", "search.migrate_every=0"]
    ideas = load(campaign(tmp_path, *apart, *few)).ideas.set_index("id")
    assert ideas.groupby(["epoch", "island"]).size().tolist() == [2] * 4
    children = ideas[ideas.origin == "exploit"].explode("parents").dropna(subset="parents")
    assert len(children)
    assert (ideas.island[children.parents].to_numpy() == children.island.to_numpy()).all()


def test_what_beats_the_baseline_is_run_with_further_seeds_before_others_build_on_it(
    tmp_path: Path,
):
    """Of the ideas planted, one is lucky with the first seed, and one crashes with any other."""
    env = toy.make_campaign_env(tmp_path, toy.PLANTED, toy.NOISY)
    again = ["search.repeats=4", "search.baseline_seeds=3", "env.metric.jump=0"]
    few = ["search.epochs=2", "search.ideas_per_epoch=4", "llm=offline", "cluster=local"]
    settings = [*few, *again, *env, "campaign=toy"]
    done = airr("evolve", *settings, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    tables = load(tmp_path / "runs" / "toy")
    outcomes, ideas = tables.outcomes, tables.ideas.set_index("id")
    better, lucky, cheat = (
        ideas.index[ideas.text.str.contains(f"The idea {name}") & (ideas.epoch == 0)][0]
        for name in ("better", "lucky", "cheat")
    )
    baseline = outcomes[outcomes.idea_id == "baseline"]
    firsts = outcomes[(outcomes.repeat == 0) & (outcomes.idea_id != "baseline")]
    promising = set(firsts.idea_id[firsts.metric < baseline.metric.mean()])
    assert {better, lucky, cheat} <= promising
    runs = outcomes.groupby("idea_id").size()
    assert runs["baseline"] == 3
    assert all(runs[idea] == (5 if idea in promising else 1) for idea in firsts.idea_id)
    first_epoch = outcomes[outcomes.idea_id.isin(ideas.index[ideas.epoch == 0])]
    assert first_epoch.ended_at.max() < ideas.created_at[ideas.epoch == 1].min()

    assert cheat not in {*ideas.parents.explode()}, "it failed with other seeds: nobody's parent"
    table = done.stdout.partition("seeds")[2].partition(" scored, ")[0]
    assert table.index(better) < table.index(lucky)
    assert cheat not in table
    status = airr("status", "campaign=runs/toy", cwd=tmp_path).stdout
    assert "toy: complete" in status
    assert "complete: nothing was left" in airr("evolve", *settings, cwd=tmp_path).stdout


def straggling(place: Path, until: str) -> str:
    """Return the setting by which one training of epoch 0 waits until a codebase is there."""
    codebases = place / "runs" / "toy" / "codebases"
    is_one = f"ls {codebases}/e00-* >&2 && mkdir {place}/straggler"
    waits = f"until ls {codebases}/{until} >&2; do sleep 0.1; done"
    script = f"if ({is_one}) 2>/dev/null; then ({waits}) 2>/dev/null; fi; exec {{python}} train.py"
    return f"env.train.argv=[/bin/sh,-c,'{script}']"


@pytest.mark.parametrize(
    ("search", "until"),
    [
        (["search.overlap=0.25"], "e01-*"),
        (["search=steady_state", "search.refill=1"], "e02-*"),
    ],
)
def test_the_next_ideas_come_while_a_straggler_runs_and_it_counts_when_it_ends(
    search: list[str], until: str, tmp_path: Path
):
    """In steady state, one that lasts as long as all of the next epoch."""
    alone = ["search.ideas_per_epoch=4", "cluster.sandbox=none", "env.budget_seconds=60"]
    env = toy.make_campaign_env(tmp_path)
    settings = [*search, *alone, straggling(tmp_path, until)]
    done = airr("evolve", *SMALL, *env, *settings, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    tables = load(tmp_path / "runs" / "toy")
    assert (tmp_path / "straggler").exists()
    assert "over_budget" not in set(tables.outcomes.reason)
    assert set(tables.outcomes.idea_id) == {*tables.ideas.id, "baseline"}
    assert tables.ideas.groupby("epoch").size().tolist() == [4, 4, 4]
    again = airr("evolve", *SMALL, *env, *settings, cwd=tmp_path)
    assert "campaign toy is complete" in again.stdout, again.stderr
