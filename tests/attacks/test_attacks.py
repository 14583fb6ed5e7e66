"""A few hostile candidates of each kind, in every run of the tests; all of them: make attacks."""

import pytest

from tests.attacks import arena
from tests.attacks.judgement import judge

ATTACKS = arena.attacks()
FEW = (
    "adds_a_link",
    "behaves_when_streamed",
    "climbs_out_of_the_tree",
    "edits_the_scorer",
    "eats_disk",
    "knows_the_library",
    "learns_while_scored",
    "reads_the_validation_shard",
    "saves_after_the_deadline",
    "writes_results",
)


@pytest.mark.parametrize("name", FEW)
def test_a_hostile_candidate_is_never_rewarded(ground: arena.Arena, fates: dict, name: str):
    judge(ground, ATTACKS[name], fates)


def test_there_are_attacks_of_every_kind():
    assert len(ATTACKS) >= 40
    fates = {attack.fate for attack in ATTACKS.values()}
    assert {"score no_gain", "score not_causal", "train over_budget"} < fates
