"""`python -m airr.evolve` and its neighbours as a user types them, on an environment of seconds."""

import importlib.util
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from airr.ledger import load
from airr.nodelocal import node_folder
from tests import toy

QUICK = ["search.epochs=2", "search.ideas_per_epoch=4", "llm=offline", "cluster=local"]


def airr(verb: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"airr.{verb}", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "120", "ANTHROPIC_API_KEY": ""},
        check=False,
    )


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


@pytest.fixture(scope="module")
def toy_env(place: Path) -> list[str]:
    return toy.make_campaign_env(place)


@pytest.fixture(scope="module")
def finished(place: Path, toy_env: list[str]) -> subprocess.CompletedProcess[str]:
    """A campaign that ran to its end: `runs/toy`."""
    done = airr("evolve", *QUICK, *toy_env, "campaign=toy", cwd=place)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_a_campaign_says_what_it_chose_and_what_came_of_it(finished, place: Path):
    out = finished.stdout
    assert "offline: ideas and diffs come from a catalogue, no model is asked" in out
    assert "cluster   local: this machine with " in out
    assert "1 CPU and 0 GPU per run; sandbox bubblewrap" in out
    assert "wandb     off: no key (WANDB_API_KEY, or `wandb login`)" in out
    assert re.search(r"baseline +2\.0000 ± 0\.0100", out)
    assert re.search(r"8 ideas: \d scored, \d failed: ", out)
    assert "goes on" not in out
    assert "since it went on" not in out
    assert f"airr.ledger.load('{place}/runs/toy')" in out


def test_a_campaign_leaves_nothing_on_the_disk_of_its_node(finished, place: Path):
    uid = yaml.safe_load((place / "runs/toy/campaign.yaml").read_text())["uid"]
    assert not list(node_folder().glob(f"*{uid}*"))


def test_the_ledger_of_a_campaign_holds_every_table(finished, place: Path):
    tables = load(place / "runs" / "toy")
    assert sorted(tables.ideas.id) == [f"e{e:02d}-i{i:03d}" for e in range(2) for i in range(4)]
    assert set(tables.outcomes.idea_id) == {*tables.ideas.id, "baseline"}
    assert tables.outcomes.query("status == 'failed'").metric.isna().all()
    assert set(tables.patches.idea_id) == set(tables.ideas.id)
    assert set(tables.patches.call_id) <= set(tables.calls.id)
    assert set(tables.ideas.call_id) <= set(tables.calls.id)
    assert set(tables.runs.idea_id) <= {*tables.ideas.id, "baseline"}
    assert (tables.ideas.campaign == "toy").all()


def test_ideas_of_later_epochs_name_their_parents(finished, place: Path):
    ideas = load(place / "runs" / "toy").ideas.set_index("id")
    exploiting = ideas[ideas.origin == "exploit"]
    assert len(exploiting)
    assert all(parent in ideas.index for parents in exploiting.parents for parent in parents)
    assert all(len(parents) for parents in exploiting.parents)


def test_the_same_command_again_says_that_the_campaign_is_complete(
    finished, place: Path, toy_env: list[str]
):
    again = airr("evolve", *QUICK, *toy_env, "campaign=toy", cwd=place)
    assert again.returncode == 0
    assert "campaign toy is complete: nothing was left to do" in again.stdout


def test_more_epochs_go_on_from_where_it_ended(finished, place: Path, toy_env: list[str]):
    before = load(place / "runs" / "toy").ideas
    more = airr("evolve", *QUICK, *toy_env, "campaign=toy", "search.epochs=3", cwd=place)
    assert more.returncode == 0, more.stderr
    after = load(place / "runs" / "toy").ideas
    assert len(after) == 12
    assert after.head(8).equals(before.head(8))
    assert "goes on   with 8 ideas, 8 of them ended" in more.stdout
    assert re.search(r"^took .* since it went on$", more.stdout, re.MULTILINE)


def test_an_epoch_that_learns_nothing_from_the_last_one_is_made_while_that_trains(
    place: Path, toy_env: list[str]
):
    """Trainings of the first epoch end once the second has a codebase, and not before."""
    codebases = place / "runs" / "ahead" / "codebases"
    done = f"ls {codebases}/e01-* || ! ls {codebases}/e00-*"
    wait = f"until ({done}) 2>/dev/null >&2; do sleep 0.1; done"
    settings = [
        *(*QUICK, *toy_env, "search=best_of_n", "campaign=ahead", "cluster.sandbox=none"),
        f"env.train.argv=[/bin/sh,-c,'{wait}; exec {{python}} train.py']",
        "env.budget_seconds=60",
    ]
    finished = airr("evolve", *settings, cwd=place)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    tables = load(place / "runs" / "ahead")
    assert set(tables.outcomes.idea_id) == {*tables.ideas.id, "baseline"}
    assert "over_budget" not in set(tables.outcomes.reason)


def test_another_seed_on_a_campaign_is_refused_with_the_difference_shown(
    finished, place: Path, toy_env: list[str]
):
    refused = airr("evolve", *QUICK, *toy_env, "campaign=toy", "seed=5", cwd=place)
    assert refused.returncode == 2
    assert "seed: 0 -> 5" in refused.stderr
    assert "fork=toy" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("once", [[], ["+dry_run=true"]])
def test_turns_are_refused_where_jobs_end_with_their_head(
    once: list[str], place: Path, toy_env: list[str]
):
    refused = airr("evolve", *QUICK, *toy_env, "campaign=none", "once=true", *once, cwd=place)
    assert refused.returncode == 2
    assert "once=true leaves the jobs to the cluster" in refused.stderr
    assert not (place / "runs" / "none").exists()


@pytest.mark.parametrize("verb", [[], ["evolve"], ["evolv", "seed=1"]])
def test_airr_without_a_verb_lists_them(verb: list[str], place: Path):
    command = [sys.executable, "-m", "airr", *verb]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == (2 if verb else 0)
    listed = {*re.findall(r"python -m airr\.(\w+)", done.stdout + done.stderr)}
    assert {"evolve", "status", "prepare"} < listed
    for named in listed:
        assert importlib.util.find_spec(f"airr.{named}")


def test_a_fork_starts_from_the_ideas_and_scores_of_another_campaign(
    finished, place: Path, toy_env: list[str]
):
    source = place / "runs" / "toy"  # a path, as other verbs take it; a name is as good
    forked = airr(
        "evolve", *QUICK, *toy_env, "campaign=twig", f"fork={source}", "seed=5", "search.epochs=4",
        cwd=place,
    )  # fmt: skip
    assert forked.returncode == 0, forked.stderr
    old, new = (load(place / "runs" / name) for name in ("toy", "twig"))
    assert set(old.ideas.head(8).text) <= set(new.ideas.text)
    assert len(new.ideas) == 16
    assert not set(old.runs.batch) & set(new.runs.batch), "a run would be paid for twice"
    assert len(new.calls) <= len(old.calls)


@pytest.mark.parametrize("asked", [[], ["+dry_run=true"]])
def test_scores_that_mean_something_else_are_not_carried_over(
    asked: list[str], finished, place: Path, toy_env: list[str]
):
    other = ["campaign=graft", "fork=toy", "env.budget_seconds=9"]
    refused = airr("evolve", *QUICK, *toy_env, *other, *asked, cwd=place)
    assert refused.returncode == 2
    assert "fork=toy: its scores do not compare" in refused.stderr
    assert re.search(r"env\.budget_seconds: [\d.]+ -> 9", refused.stderr)
    assert not (place / "runs" / "graft").exists()


def test_where_scores_would_not_compare_nobody_is_sent_to_fork(
    finished, place: Path, toy_env: list[str]
):
    other = ["campaign=toy", "env.budget_seconds=9"]
    refused = airr("evolve", *QUICK, *toy_env, *other, cwd=place)
    assert "Scores of both would not compare" in refused.stderr
    assert "fork=" not in refused.stderr


def test_the_command_to_type_next_is_the_one_that_was_typed_with_two_epochs_more(
    finished, place: Path, toy_env: list[str]
):
    (shown,) = re.findall(r"python -m airr\.evolve (.*)   two epochs more", finished.stdout)
    following = shlex.split(shown)
    assert sorted(following) == sorted([*QUICK[1:], *toy_env, "campaign=toy", "search.epochs=4"])
    rehearsed = airr("evolve", *following, "+dry_run=true", cwd=place)
    assert rehearsed.returncode == 0, rehearsed.stderr


def test_of_a_sweep_nothing_begins_where_one_campaign_may_not(
    finished, place: Path, toy_env: list[str]
):
    swept = ["-m", "campaign=toy,sound", "seed=9"]
    refused = airr("evolve", *QUICK, *toy_env, *swept, cwd=place)
    assert refused.returncode == 2
    assert "airr: campaign toy was started with other settings" in refused.stderr
    assert not (place / "runs" / "sound").exists()


def test_a_baseline_that_fails_ends_its_campaign_and_status_says_so(
    place: Path, toy_env: list[str]
):
    broken = ["campaign=broken", "env.train.argv=[/bin/false]"]
    ended = airr("evolve", *QUICK, *toy_env, *broken, cwd=place)
    assert ended.returncode == 2
    assert "the unmodified codebase of env=nanogpt_tiny fails" in ended.stderr
    told = airr("status", "campaign=broken", cwd=place).stdout
    assert "broken: ended: the unmodified codebase failed (crash): start another one" in told
    shutil.rmtree(place / "runs" / "broken")


def test_fewer_epochs_than_there_are_leave_the_later_ones_and_say_so(
    finished, place: Path, toy_env: list[str]
):
    told = airr("evolve", *QUICK, *toy_env, "campaign=toy", "search.epochs=1", cwd=place)
    assert re.search(r"nothing was left to do in 1 epoch of .* toy, which has \d", told.stdout)
    assert "is complete" not in told.stdout


@pytest.mark.parametrize("verb", ["report", "prepare", "trajectories", "wandb", "status"])
def test_a_verb_without_a_dry_run_refuses_it_and_does_nothing(verb: str, tmp_path: Path):
    refused = airr(verb, "+dry_run=true", cwd=tmp_path)
    assert refused.returncode == 2
    assert f"airr.{verb} has no dry run, and nothing was done" in refused.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("said", ["", "maybe", "0"])
def test_what_is_no_answer_to_whether_it_is_a_dry_run_starts_nothing(
    said: str, place: Path, toy_env: list[str]
):
    refused = airr("evolve", *QUICK, *toy_env, "campaign=unsure", f"+dry_run={said}", cwd=place)
    assert refused.returncode == 2
    assert f"+dry_run={said}: choose one of true, false, prompts" in refused.stderr
    assert not (place / "runs" / "unsure").exists()


def test_a_reader_who_has_seen_enough_is_left_in_peace(finished, place: Path):
    command = [sys.executable, "-m", "airr.status", "campaign=toy"]
    with subprocess.Popen(
        command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout
        writer.stdout.close()
        assert writer.stderr
        assert writer.stderr.read() == ""
    assert writer.returncode == 141, "as a shell says of what SIGPIPE ended"


def test_a_damaged_ledger_is_told_of_in_a_line_by_status_and_by_a_head(
    finished, place: Path, toy_env: list[str]
):
    part = min((place / "runs" / "toy" / "ledger" / "patches").glob("part-*.parquet"))
    whole = part.read_bytes()
    part.write_bytes(whole[:100])
    told = airr("evolve", *QUICK, *toy_env, "campaign=toy", cwd=place)
    read = airr("report", "campaign=runs/toy", "format=text", cwd=place)
    part.write_bytes(whole)
    for said in (told.stderr, read.stderr):
        assert re.search(rf"^airr: .*{part.name}", said, re.MULTILINE), said
        assert "UserWarning" not in said


def test_a_start_that_is_refused_leaves_no_campaign_behind(place: Path, toy_env: list[str]):
    name = "campaign=stillborn"
    for wrong in ("prompts=/nope", "llm=anthropic", "llm.provider=nobody", "fork=nothing"):
        refused = airr("evolve", *QUICK, *toy_env, wrong, name, cwd=place)
        assert refused.returncode == 2, refused.stderr
        assert "Traceback" not in refused.stderr
        assert not (place / "runs" / "stillborn").exists(), wrong


def test_a_root_where_nobody_makes_folders_is_refused_by_a_dry_run_in_the_same_words(
    place: Path, toy_env: list[str]
):
    asked = [*QUICK, *toy_env, "root=/proc/x", "campaign=mine"]
    real = airr("evolve", *asked, cwd=place)
    dry = airr("evolve", *asked, "+dry_run=true", cwd=place)
    assert real.stderr == dry.stderr
    assert "/proc/x/mine cannot be written: nothing can be made in /proc (" in dry.stderr
    assert (real.returncode, dry.returncode) == (2, 2)


def test_a_campaign_that_was_moved_or_lost_its_settings_is_not_gone_on_with(
    finished, place: Path, toy_env: list[str]
):
    for name in ("moved", "lost", "damaged"):
        shutil.copytree(place / "runs" / "toy", place / "runs" / name)
    (place / "runs" / "lost" / "campaign.yaml").unlink()
    settings = place / "runs" / "damaged" / "campaign.yaml"
    settings.write_text(settings.read_text().replace("epochs: 2", "epochs: many"))
    moved, lost = (
        airr("evolve", *QUICK, *toy_env, f"campaign={name}", cwd=place).stderr
        for name in ("moved", "lost")
    )
    assert "is campaign toy, moved or copied" in moved
    assert "its campaign.yaml is gone" in lost
    told = airr("status", f"root={place / 'runs'}", cwd=place)
    assert (
        f"{settings} is damaged: put a copy of it back, or remove {settings.parent}" in told.stdout
    )
    assert "search.epochs='many' does not fit" in told.stdout
    assert "toy: complete" in told.stdout
    for name in ("moved", "lost", "damaged"):
        shutil.rmtree(place / "runs" / name)


def test_an_environment_that_was_edited_since_is_refused(finished, place: Path, toy_env: list[str]):
    scorer = place / "env" / "score.py"
    original = scorer.read_text()
    scorer.write_text(original + "# edited\n")
    refused = airr("evolve", *QUICK, *toy_env, "campaign=toy", cwd=place)
    scorer.write_text(original)
    assert refused.returncode == 2
    assert "the environment's own files" in refused.stderr


def test_status_tells_of_one_campaign_and_of_all(finished, place: Path):
    one = airr("status", "campaign=toy", cwd=place)
    everything = airr("status", cwd=place)
    assert one.returncode == everything.returncode == 0
    assert "toy: complete" in one.stdout
    assert "toy: complete" in everything.stdout
    missing = airr("status", "campaign=nothing", cwd=place)
    assert missing.returncode == 2
    assert "holds no campaign" in missing.stderr


def test_status_tells_of_a_campaign_from_before_there_were_further_seeds(finished, place: Path):
    old = place / "runs" / "old"
    shutil.copytree(place / "runs" / "toy", old)
    charter = yaml.safe_load((old / "campaign.yaml").read_text())
    for name in ("repeats", "baseline_seeds"):
        del charter["config"]["search"][name]
    (old / "campaign.yaml").write_text(yaml.safe_dump(charter))
    told = airr("status", "campaign=runs/old", cwd=place)
    shutil.rmtree(old)
    assert "old: complete" in told.stdout, told.stderr


def test_a_mistyped_setting_is_refused_before_anything_is_made(place: Path):
    refused = airr("evolve", "search.epoks=3", "root=nowhere", cwd=place)
    assert refused.returncode != 0
    assert "epoks" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (place / "nowhere").exists()


def test_an_environment_too_large_for_this_machine_is_explained(place: Path):
    refused = airr("evolve", "env=nanogpt", "cluster=local", "llm=offline", cwd=place)
    assert refused.returncode == 2
    assert re.search(r"env=nanogpt needs 8 GPUs.* per run; this machine has 0 GPUs", refused.stderr)
    assert "python -m airr.evolve env=nanogpt_tiny" in refused.stderr
    assert not (place / "runs" / "nanogpt-evolution-s0").exists()


def test_missing_data_names_the_command_that_makes_it(place: Path):
    refused = airr("evolve", "llm=offline", "cluster=local", "data=elsewhere", cwd=place)
    assert refused.returncode == 2
    assert "python -m airr.prepare env=nanogpt_tiny" in refused.stderr


@pytest.mark.parametrize(
    "verb",
    ["baseline", "cancel", "check", "evolve", "prepare", "report", "status", "verify", "wandb"],
)
def test_help_teaches(verb: str, place: Path):
    shown = airr(verb, "--help", cwd=place)
    assert shown.returncode == 0
    assert f"python -m airr.{verb}" in shown.stdout


def test_a_second_head_is_refused_and_ctrl_c_leaves_nothing_running(
    place: Path, toy_env: list[str]
):
    slow = [*toy_env, "campaign=busy", "search.epochs=50", "search.ideas_per_epoch=4"]
    command = [sys.executable, "-m", "airr.evolve", "llm=offline", "cluster=local", *slow]
    with subprocess.Popen(
        command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as first:
        wait_for(lambda: any((place / "runs" / "busy" / "lease").glob("0*.json")))
        second = airr("evolve", "llm=offline", "cluster=local", *slow, cwd=place)
        time.sleep(2)
        first.send_signal(signal.SIGINT)
        _, errors = first.communicate(timeout=30)
    assert second.returncode == 2
    assert f"is being run by process {first.pid} on this machine" in second.stderr
    assert first.returncode == 130
    assert "the same command goes on from here" in errors
    left = subprocess.run(["pgrep", "-f", f"{place}/runs/busy"], capture_output=True, check=False)
    assert left.stdout == b""


def test_a_head_in_the_background_of_a_script_ends_calmly_on_sigterm(
    place: Path, toy_env: list[str]
):
    slow = [*toy_env, "campaign=deaf", "env.train.argv=[/bin/sleep,'60']", "env.budget_seconds=60"]
    command = [sys.executable, "-m", "airr.evolve", "llm=offline", "cluster=local", *slow]
    with subprocess.Popen(
        ["/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *command],
        cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as head:  # fmt: skip
        wait_for(lambda: any((place / "runs" / "deaf" / "jobs").glob("*/*.alive")))
        head.send_signal(signal.SIGTERM)
        _, errors = head.communicate(timeout=30)
    assert head.returncode == 130
    assert "the same command goes on from here" in errors
    left = subprocess.run(["pgrep", "-f", f"{place}/runs/deaf"], capture_output=True, check=False)
    assert left.stdout == b""


@pytest.mark.parametrize("signals", [5 * ["INT"], ["TERM", "INT", "HUP"], ["HUP"]])
def test_what_ended_with_its_head_is_not_open_and_is_run_again_as_if_for_the_first_time(
    place: Path, toy_env: list[str], signals: list[str]
):
    name = "-".join(["cut", *signals])
    gate = place / f"gate-{name}"
    wait = f'until [ -e "{gate}" ]; do sleep 0.05; done'
    settings = [
        *(*QUICK, *toy_env, f"campaign={name}", "cluster.sandbox=none", "search.epochs=1"),
        f"env.train.argv=[/bin/sh,-c,'{wait}; exec {{python}} train.py']",
        "env.budget_seconds=60",
    ]
    command = [sys.executable, "-m", "airr.evolve", *settings]
    with subprocess.Popen(command, cwd=place, stdout=subprocess.DEVNULL) as head:
        wait_for(lambda: any((place / "runs" / name / "jobs").glob("*/*.alive")))
        for one in signals:
            head.send_signal(signal.Signals[f"SIG{one}"])
            time.sleep(0.05)
        assert head.wait(timeout=30) == 130
    told = airr("status", f"campaign={name}", cwd=place).stdout
    assert f"{name}: interrupted" in told
    assert "no runs open" in told
    gate.touch()
    finished = airr("evolve", *settings, cwd=place)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    tables = load(place / "runs" / name)
    assert {*tables.outcomes.idea_id} == {"baseline", *tables.ideas.id}
    assert {*tables.runs.attempt} == {0}
