"""Odd folders among campaigns: each is told with its path, and the others are shown."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from airr.errors import Damaged, WorkspaceError
from airr.reporting.looking import Looker
from airr.reporting.reading import find_campaigns
from airr.reporting.standing import Standing, Unreadable
from tests.reporting.ledgers import campaign

REMEDY = "{folder}/campaign.yaml is damaged: put a copy of it back, or remove {folder}\n  "


def looked_at(root: Path, named: str | None = None) -> list[object]:
    return [*Looker(root=root, named=named, patience=1.0, environment={}).look()]


def a_folder(config: Path) -> None:
    config.unlink()
    config.mkdir()


def holding(before: str, after: str) -> Callable[[Path], None]:
    def edit(config: Path) -> None:
        text = config.read_text()
        assert before in text
        config.write_text(text.replace(before, after))

    return edit


SPOILT = [
    (a_folder, "Is a directory"),
    (holding("epochs: 2", "epochs: many"), "search.epochs='many' does not fit"),
    (holding("name: toy", "name: 7"), "env.name=7 does not fit"),
    (holding("direction: minimize", "direction: up"), "env.metric.direction=up"),
]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [*SPOILT, (holding("scheduler: local", "scheduler: 7"), "cluster.scheduler=7 does not fit")],
)
def test_one_damaged_campaign_is_told_with_its_path_and_the_others_are_shown(
    tmp_path: Path, spoil: Callable[[Path], None], why: str
):
    for name in ("x", "y"):
        campaign(tmp_path / name, [])
    spoil(tmp_path / "x" / "campaign.yaml")
    broken, sound = looked_at(tmp_path)
    assert isinstance(broken, Unreadable)
    assert isinstance(sound, Standing)
    told = REMEDY.format(folder=tmp_path / "x")
    assert broken.why.startswith(told)
    assert why in broken.why
    with pytest.raises(WorkspaceError, match=re.escape(told)):
        looked_at(tmp_path, "x")


@pytest.mark.parametrize(("spoil", "why"), SPOILT)
def test_a_report_of_all_leaves_a_damaged_campaign_out_and_says_so(
    tmp_path: Path, spoil: Callable[[Path], None], why: str
):
    for name in ("x", "y"):
        campaign(tmp_path / name, [])
    spoil(tmp_path / "x" / "campaign.yaml")
    told = re.escape(f"left out: {REMEDY.format(folder=tmp_path / 'x')}") + f".*{re.escape(why)}"
    with pytest.warns(Damaged, match=told):
        assert [one.name for one in find_campaigns(tmp_path, None)] == ["y"]


def test_a_campaign_yaml_that_links_to_itself_is_refused_by_name(tmp_path: Path):
    loop = campaign(tmp_path / "x", []).config
    loop.unlink()
    loop.symlink_to(loop)
    with pytest.raises(OSError, match=f"symbolic links: '{re.escape(str(loop))}'"):
        looked_at(tmp_path, "x")


def test_a_report_of_all_leaves_out_a_campaign_whose_ledger_is_damaged(tmp_path: Path):
    for name in ("x", "y"):
        campaign(tmp_path / name, [])
    (tmp_path / "x" / "ledger" / "manifest.json").write_text("{")
    with pytest.warns(Damaged, match=r"left out: .*x/ledger/manifest\.json is damaged"):
        assert [one.name for one in find_campaigns(tmp_path, None)] == ["y"]


def test_a_campaign_that_may_not_be_read_is_told_and_the_others_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in ("x", "y"):
        campaign(tmp_path / name, [])
    closed = tmp_path / "x" / "campaign.yaml"

    def refusing(real: Callable[..., object]) -> Callable[..., object]:
        def refuse(path: object, *rest: object, **more: object) -> object:
            if str(path) == str(closed):
                raise PermissionError(13, "Permission denied", str(closed))
            return real(path, *rest, **more)

        return refuse

    for name in ("open", "stat"):  # to root, who may run the tests, no mode forbids anything
        monkeypatch.setattr(os, name, refusing(getattr(os, name)))
    broken, sound = looked_at(tmp_path)
    assert isinstance(broken, Unreadable)
    assert isinstance(sound, Standing)
    assert broken.why == f"[Errno 13] Permission denied: '{closed}'"
    with pytest.warns(Damaged, match=re.escape(f"left out: {broken.why}")):
        assert [one.name for one in find_campaigns(tmp_path, None)] == ["y"]
