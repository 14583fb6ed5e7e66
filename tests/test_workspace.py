"""Where a campaign may be put, found out before anything of it is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from airr.errors import ConfigError
from airr.workspace import check_writable


def test_where_a_campaign_may_be_made_nothing_of_the_trial_is_left(tmp_path: Path):
    check_writable(tmp_path / "runs" / "deeper" / "mine")
    assert list(tmp_path.iterdir()) == []


def test_a_campaign_that_is_there_is_not_touched_by_asking(tmp_path: Path):
    before = tmp_path.stat().st_mtime_ns
    check_writable(tmp_path)
    assert tmp_path.stat().st_mtime_ns == before


@pytest.mark.parametrize("place", ["/proc", "/sys"])
def test_a_place_where_nobody_makes_folders_is_refused_to_root_too(place: str):
    with pytest.raises(ConfigError, match=f"^{place}/x/mine cannot be written: nothing can be "):
        check_writable(Path(place, "x", "mine"))


def test_a_path_below_a_file_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=rf"can be made in {tmp_path}/file \(Not a directory\)"):
        check_writable(tmp_path / "file" / "x" / "mine")
