"""The self-test on an environment of seconds: sound, unsound, and interrupted."""

import asyncio
import re
from pathlib import Path

import pytest

from airr.checks.candidates import candidates_for
from airr.checks.contract import check_contract
from airr.checks.everything import CheckSettings, check_everything
from airr.checks.finding import Finding, Verdict
from airr.checks.self_test import candidates_of, cost_of, self_test
from airr.executor.codebases import read_tree
from airr.parsing import parse_config
from airr.workspace import names_in
from tests import toy
from tests.checks.checking import by_name, config_of, raw_of
from tests.envs import nanogpt
from tests.slurm.people import airr

SEEDED = f"""{toy.HONEST}
VALUE += int(os.environ["AIRR_SEED"]) / 1000
pathlib.Path(os.environ["AIRR_OUT"], "checkpoint.txt").write_text(str(VALUE))
"""


@pytest.fixture
def env(tmp_path: Path) -> list[str]:
    """The overrides of a toy environment whose training takes its randomness from the seed."""
    overrides = toy.make_campaign_env(tmp_path)
    (tmp_path / "env" / "codebase" / "train.py").write_text(SEEDED)
    return [*overrides, "cluster=local", "cluster.slots=2"]


def mark_as_cheats(env: Path, *slugs: str) -> None:
    for slug in slugs:
        path = env / "catalogue" / f"{slug}.yaml"
        path.write_text(path.read_text() + "cheat: true\n")


async def tried(env: list[str], patience: float = 60) -> dict[str, Finding]:
    candidates = candidates_of(config_of(*env))
    raw = raw_of(*env)
    return await by_name(self_test(raw, candidates, patience=patience, tell=lambda _: None))


def contract_of(env: list[str]) -> dict[str, Finding]:
    return {finding.name: finding for finding in check_contract(config_of(*env))}


async def test_a_sound_environment_passes_and_leaves_nothing(env: list[str], tmp_path: Path):
    mark_as_cheats(tmp_path / "env", "worse", "crash", "late-crash")
    assert {f.verdict for f in contract_of(env).values()} == {Verdict.OK}
    found = await tried(env)
    assert {f.verdict for f in found.values()} == {Verdict.OK}, found
    assert (
        found["no-op"].found
        == "`UNUSED = None` at the end of train.py: the baseline's score to the last digit"
    )
    assert found["empty"].found == "train.py that does nothing: no_checkpoint while preflight"
    assert found["seeds"].found == "another seed gives 2.0010 ± 0.0100, 0.0010 apart"
    assert found["worse"].found.endswith("a gain of -1.0000")
    assert found["crash"].found.endswith("crash while preflight")
    assert found["late-crash"].found.endswith("crash while train")
    assert not (tmp_path / "runs").exists()


def test_a_cheat_that_gains_makes_the_verb_fail_and_its_runs_are_kept(
    env: list[str], tmp_path: Path
):
    mark_as_cheats(tmp_path / "env", "better")
    done = airr("check", "llm=offline", *env, cwd=tmp_path, environment={})
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"failed +better .* val_loss 1\.5000 ± 0\.0100, a gain of \+0\.5", done.stdout)
    assert re.search(r"ok +empty ", done.stdout)
    assert re.search(r"ok +machine +this machine with \d+ CPU cores", done.stdout)
    assert done.stdout.splitlines()[-1].startswith("not usable as it is: ")
    (kept,) = names_in(tmp_path / "runs")
    assert f"rm -r {tmp_path / 'runs' / kept}" in done.stdout
    assert (tmp_path / "runs" / kept / "codebases" / "better.zip").exists()


async def test_a_baseline_that_fails_its_preflight_spends_no_run(env: list[str], tmp_path: Path):
    (tmp_path / "env" / "codebase" / "train.py").write_text("raise SystemExit('broken')\n")
    found = await tried(env)
    assert list(found) == ["preflight"]
    assert found["preflight"].verdict is Verdict.FAILED
    assert "crash while train" in found["preflight"].found
    assert not (tmp_path / "runs").exists()


async def test_an_interruption_ends_the_runs_and_leaves_nothing(env: list[str], tmp_path: Path):
    slow = [
        *env,
        "env.train.argv=[/bin/sh,-c,'echo $$ > $AIRR_OUT/pid; sleep 60; python train.py']",
    ]
    testing = asyncio.create_task(tried(slow))
    jobs = tmp_path / "runs"
    while not list(jobs.glob("*/jobs/*/*.alive")):
        assert not testing.done(), testing.result()
        await asyncio.sleep(0.05)
    testing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await testing
    assert not jobs.exists()


def test_what_the_contract_lacks_is_told_with_its_remedy(env: list[str], tmp_path: Path):
    folder = tmp_path / "env"
    cases = {
        "env.editable=['*.txt']": ("codebase", "*.txt matches no file"),
        "env.train.argv=['{python}',other.py]": ("codebase", "starts no file of codebase/"),
        "env.score.argv=['{python}','{env}/gone.py']": ("scorer", "gone.py is not there"),
        "env.score.argv=['{python}','{env}/codebase/recipe.py']": ("scorer", "lies in codebase/"),
        "env.score.argv=['true']": ("scorer", "names no file"),
        "env.checkpoint=../x": ("settings", "below the run's output folder"),
        f"env.sealed_data={tmp_path}/train_data": ("data", "it lies in the training data"),
        f"env.train_data={tmp_path}/nowhere": ("data", "there is none in"),
    }
    for override, (name, said) in cases.items():
        finding = contract_of([*env, override])[name]
        assert finding.verdict is not Verdict.OK, override
        assert said in finding.found, finding
        assert finding.remedy
    (folder / "task.md").unlink()
    (folder / "catalogue" / "odd.yaml").write_text("title: [")
    found = contract_of(env)
    assert found["folder"].found == f"{folder} lacks task.md"
    assert found["catalogue"].verdict is Verdict.FAILED


async def test_an_environment_without_a_codebase_is_told_before_all_else(
    env: list[str], tmp_path: Path
):
    empty = [*env, f"env.folder={tmp_path}/jobs"]
    raw, settings = raw_of(*empty), CheckSettings(patience=1, runs=None)
    checks = check_everything(parse_config(raw), raw, settings, lambda _: None)
    found = {finding.name: finding async for _, finding in checks}
    assert list(found) == ["settings", "folder"]
    assert found["folder"].found == f"{tmp_path}/jobs lacks codebase/ and task.md"
    assert found["folder"].verdict is Verdict.FAILED


def test_a_self_test_without_gpus_is_cheap_and_one_of_hours_is_not():
    tiny, full = nanogpt.settings("nanogpt_tiny"), nanogpt.settings("nanogpt")
    candidates = candidates_for(full, read_tree(nanogpt.CODEBASE), ())
    assert [one.name for one in candidates] == ["no-op", "empty"]
    assert cost_of(tiny, candidates).is_small
    assert not cost_of(full, candidates).is_small
    assert str(cost_of(full, candidates)) == "4 runs of at most 30 min each, 16.0 GPU-hours in all"


def test_the_shipped_catalogue_names_its_cheats():
    cheats = {one.name for one in candidates_of(config_of("env=nanogpt_tiny", "cluster=local"))}
    assert {"both_directions", "neighbour_average", "longer_scoring_context"} <= cheats
