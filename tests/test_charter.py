"""What may differ between two starts of one campaign."""

from __future__ import annotations

from airr.charter import fixed_changes

BEFORE = {"search": {"name": "evolution", "epochs": 3}, "llm": {"ideator": {"model": "a"}}}


def now(**search: object) -> dict[str, object]:
    return {**BEFORE, "search": {**BEFORE["search"], **search}}


def test_a_setting_that_an_older_airr_did_not_have_may_be_there_turned_off():
    for off in (None, 0, False, [], {}):
        assert fixed_changes(BEFORE, now(repeats=off)) == []


def test_an_older_campaign_goes_on_without_a_screen_and_gets_none():
    assert fixed_changes(BEFORE, now(screen={"rungs": [], "promote": 0.5, "env": None})) == []
    (line,) = fixed_changes(BEFORE, now(screen={"rungs": [0.25], "promote": 0.5, "env": None}))
    assert line == "search.screen.rungs: (absent) -> [0.25]"


def test_one_that_is_turned_on_is_a_change_and_so_is_one_that_is_gone():
    (line,) = fixed_changes(BEFORE, now(repeats=2))
    assert line == "search.repeats: (absent) -> 2"
    (line,) = fixed_changes(now(repeats=2), BEFORE)
    assert line == "search.repeats: 2 -> (absent)"


def test_how_many_epochs_is_no_change_and_which_search_is():
    assert fixed_changes(BEFORE, now(epochs=9)) == []
    assert fixed_changes(BEFORE, now(name="tree")) == ["search.name: evolution -> tree"]
