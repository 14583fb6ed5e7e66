"""Campaigns on Weights & Biases: the real client, and a server here that plays wandb's."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest

from airr.config import Wandb, WandbMode
from airr.ledger import Ledger
from airr.records import Update, row_of
from airr.tracker import Tracker, choose, environment_for_wandb
from airr.workspace import Workspace
from tests import toy
from tests.builders import NOON, scored
from tests.reporting.ledgers import small
from tests.tracking.wandb_server import KEY, Server, wandb_server


@pytest.fixture
def server() -> Generator[Server]:
    with wandb_server() as server:
        yield server


@pytest.fixture
def campaign(tmp_path: Path) -> Workspace:
    return small(tmp_path / "runs" / "x")


def with_key(server: Server, **more: str) -> dict[str, str]:
    return {**os.environ, "WANDB_BASE_URL": server.url, "WANDB_API_KEY": KEY, **more}


def mirrored(campaign: Workspace, env: dict[str, str], *arguments: str, status: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "airr.wandb", f"campaign={campaign.folder}", *arguments],
        env=env, cwd=campaign.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def curves(server: Server, run: str, name: str) -> list[tuple[float, float]]:
    rows = [row for row in server.runs[run].history.values() if name in row]
    return [(row["step" if "step" in row else "epoch"], row[name]) for row in rows]


def assert_all_is_there(server: Server) -> None:
    """The server has the campaign of `small`, as the ledger has it."""
    ids = [f"abc123-e{epoch:02d}-i{n:03d}.r0.a0" for epoch in range(2) for n in range(4)]
    ids.remove("abc123-e01-i003.r0.a0")
    assert set(server.runs) == {*ids, "abc123-baseline.r0.a0", "abc123-campaign"}
    assert {run.group for run in server.runs.values()} == {"x"}
    best = server.runs["abc123-e01-i000.r0.a0"]
    assert (best.job_type, best.display_name, best.exit_code) == ("epoch 01", "e01-i000", 0)
    assert best.summary["val_loss"] == 1.8
    assert best.summary["gain"] == pytest.approx(0.2)
    assert best.config["parents"] == ["e00-i000", "e00-i002"]
    assert "+width = 128" in best.files["patch.diff"]
    trained = server.runs["abc123-e00-i000.r0.a0"]
    assert curves(server, "abc123-e00-i000.r0.a0", "reported/loss")[-1] == (19, 3.05)
    assert trained.log[19].endswith("step 19/20  loss 3.0500  lr 1e-3")
    crashed = server.runs["abc123-e00-i001.r0.a0"]
    assert (crashed.summary["reason"], crashed.exit_code) == ("crash", 1)
    assert "<script>window.hacked = 1</script>" in crashed.config["text"], "text, as any other"
    assert "\u202e" not in crashed.config["text"]
    assert server.runs["abc123-e00-i003.r0.a0"].summary["stage"] == "implement"
    unbelieved = server.runs["abc123-e01-i002.r0.a0"]
    assert unbelieved.summary["status"] == "withheld"
    assert "val_loss" not in unbelieved.summary
    whole = server.runs["abc123-campaign"]
    assert curves(server, "abc123-campaign", "best_so_far") == [(0, 1.9), (1, 1.8)]
    assert whole.summary["best_idea"] == "e01-i000"
    assert whole.config["settings"]["search"]["epochs"] == 2
    assert "8 ideas" in whole.files["report.txt"]


def test_each_outcome_is_a_run_and_the_campaign_one_more_and_nothing_goes_twice(
    server: Server, campaign: Workspace
):
    env = with_key(server)
    said = mirrored(campaign, env)
    assert_all_is_there(server)
    assert "8 sent" in said
    assert KEY not in said
    asked = server.requests
    assert "nothing new" in mirrored(campaign, env)
    assert server.requests == asked
    server.runs.clear()
    learned = Update(
        epoch=1, rollouts=8, late=0, reward_mean=0.4, reward_max=0.5, loss=None, grad_norm=1.0,
        entropy=0.7, kl=0.01, clipped=0.0, tokens=9, sample_seconds=1.0, update_seconds=1.0,
        gpu_seconds=2.0, created_at=NOON,
    )  # fmt: skip
    Ledger(campaign.ledger).append([row_of(scored("e01-i003", 1.7)), learned])
    mirrored(campaign, env)
    assert set(server.runs) == {"abc123-e01-i003.r0.a0", "abc123-campaign"}
    assert server.runs["abc123-campaign"].summary["best_idea"] == "e01-i003"
    (update,) = (h for h in server.runs["abc123-campaign"].history.values() if "update" in h)
    assert (update["update"], update["policy/entropy"], "policy/loss" in update) == (1, 0.7, False)
    left = {path.name for path in (campaign.folder / "wandb").iterdir() if path.is_dir()}
    assert not {name for name in left if name.startswith("run-")}, "what was sent takes no place"


def test_what_was_written_offline_is_all_that_wandbs_own_sync_needs(
    server: Server, campaign: Workspace
):
    nowhere = {name: value for name, value in os.environ.items() if "WANDB" not in name}
    said = mirrored(campaign, nowhere, "mode=offline")
    assert f"wandb sync {campaign.folder}/wandb/offline-run-*" in said
    assert "nothing new" in mirrored(campaign, nowhere, "mode=offline")
    written = sorted((campaign.folder / "wandb").glob("offline-run-*"))
    assert len(written) == 9
    subprocess.run(
        [sys.executable, "-m", "wandb", "sync", *map(str, written)],
        env=with_key(server, WANDB_ERROR_REPORTING="false"), cwd=campaign.folder,
        capture_output=True, timeout=100, check=True,
    )  # fmt: skip
    assert_all_is_there(server)
    Ledger(campaign.ledger).append([row_of(scored("e01-i003", 1.7))])
    mirrored(campaign, nowhere, "mode=offline")
    wholes = list((campaign.folder / "wandb").glob("offline-run-*-abc123-campaign"))
    assert len(wholes) == 1, "as it stands last, and no other"


def test_without_a_key_or_a_server_one_line_says_what_to_do(server: Server, campaign: Workspace):
    home = {"HOME": str(campaign.folder)}
    keyless = {name: value for name, value in os.environ.items() if "WANDB" not in name} | home
    assert "WANDB_API_KEY, or `wandb login`" in mirrored(campaign, keyless, status=2)
    gone = with_key(server, WANDB_BASE_URL="http://127.0.0.1:9")
    assert "http://127.0.0.1:9 cannot be reached" in mirrored(campaign, gone, status=2)
    assert "choose one of" in mirrored(campaign, keyless, "mode=later", status=2)
    server.status = 401
    said = mirrored(campaign, with_key(server), status=2)
    assert "is the key that of this server and project?" in said
    assert "Traceback" not in said


async def test_a_server_that_hangs_delays_no_campaign_and_leaves_no_process(
    server: Server, campaign: Workspace
):
    server.seconds = 60.0
    settings = Wandb(mode=WandbMode.ONLINE, project="airr", entity=None)
    tracker = Tracker(campaign, settings, with_key(server), lambda: 1, every=0.1, last=0.5)
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    async with tracker.at_work():
        while not server.requests:  # a sending beside the campaign is under way, and hangs
            await asyncio.sleep(0.05)
    assert "python -m airr.wandb campaign=" in tracker.told
    deadline = time.monotonic() + 20  # wandb's service looks after its parent now and then
    while (left := of_wandb(campaign)) and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    assert not left
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
    server.seconds = 0.0


def of_wandb(campaign: Workspace) -> list[str]:
    """Return the command lines of processes that send this campaign, or that such have started."""
    found: list[str] = []
    for process in psutil.process_iter():
        try:
            line = " ".join(process.cmdline())
            if str(campaign.folder) in line or (
                "wandb-core" in line and process.environ().get("WANDB_API_KEY") == KEY
            ):
                found.append(line)
        except psutil.Error:
            continue
    return found


async def test_a_campaign_that_fails_ends_at_once_and_what_it_has_is_sent_the_next_time(
    server: Server, campaign: Workspace
):
    settings = Wandb(mode=WandbMode.ONLINE, project="airr", entity=None)
    tracker = Tracker(campaign, settings, with_key(server), lambda: 1, every=60)
    with pytest.raises(RuntimeError):
        async with tracker.at_work():
            raise RuntimeError
    assert server.requests == 0
    async with Tracker(campaign, settings, with_key(server), lambda: 1).at_work():
        pass
    assert_all_is_there(server)


def evolved(place: Path, env: dict[str, str], *settings: str) -> str:
    quick = ("search.epochs=1", "search.ideas_per_epoch=2", "llm=offline", "cluster=local")
    done = subprocess.run(
        [sys.executable, "-m", "airr.evolve", *quick, *settings],
        env=env, cwd=place, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_campaign_is_mirrored_by_itself_and_ends_well_where_nobody_listens(
    server: Server, tmp_path: Path
):
    toy_env = toy.make_campaign_env(tmp_path)
    said = evolved(tmp_path, with_key(server), *toy_env, "campaign=seen")
    assert "wandb     online: project airr, group seen" in said
    assert said.endswith("wandb   3 sent\n")
    assert {run.job_type for run in server.runs.values()} == {"baseline", "campaign", "epoch 00"}
    gone = with_key(server, WANDB_BASE_URL="http://127.0.0.1:9")
    said = evolved(tmp_path, gone, *toy_env, "campaign=unseen")
    assert "wandb   http://127.0.0.1:9 cannot be reached" in said


def test_the_keys_of_models_do_not_reach_wandb_nor_its_own_a_job():
    shell = {"PATH": "/bin", "HOME": "/home/me", "ANTHROPIC_API_KEY": "a", "HF_TOKEN": "b"}
    wandbs = {"WANDB_API_KEY": KEY, "HTTPS_PROXY": "http://proxy", "NETRC": "/n"}
    passed = environment_for_wandb(shell | wandbs)
    assert passed == {"PATH": "/bin", "HOME": "/home/me", **wandbs}


@pytest.mark.parametrize(
    ("mode", "environment", "chosen"),
    [
        ("auto", {}, "disabled"),
        ("online", {}, "disabled"),
        ("offline", {}, "offline"),
        ("disabled", {"WANDB_API_KEY": KEY}, "disabled"),
        ("auto", {"WANDB_API_KEY": KEY}, "online"),
        ("auto", {"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"}, "offline"),
        ("online", {"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"}, "online"),
    ],
)
def test_a_campaign_is_online_only_with_a_key(mode: str, environment: dict[str, str], chosen: str):
    assert choose(WandbMode(mode), environment).mode == chosen


def test_a_key_of_wandb_login_counts_for_its_own_server_alone(tmp_path: Path):
    (tmp_path / ".netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {KEY}\n")
    home = {"HOME": str(tmp_path)}
    assert choose(WandbMode.AUTO, home).mode is WandbMode.ONLINE
    elsewhere = home | {"WANDB_BASE_URL": "https://wandb.example"}
    assert choose(WandbMode.AUTO, elsewhere).mode is WandbMode.DISABLED
    (tmp_path / ".netrc").write_text("\x00 what is this")
    assert choose(WandbMode.AUTO, home).mode is WandbMode.DISABLED


def test_a_head_imports_no_wandb():
    code = "import sys, airr.head, airr.evolve, airr.tracking.sync; print('wandb' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_the_command_quotes_what_a_folder_may_be_called(tmp_path: Path):
    odd = Workspace(tmp_path / 'a b,c="d"')
    settings = Wandb(mode=WandbMode.OFFLINE, project="my project", entity=None)
    command = Tracker(odd, settings, {}, lambda: 0).command
    assert json.loads(command[3].removeprefix("campaign=")) == str(odd.folder)
