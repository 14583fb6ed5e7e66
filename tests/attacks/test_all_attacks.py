"""Every hostile candidate there is, one after the other: some minutes, by make attacks."""

import pytest

from tests.attacks import arena
from tests.attacks.judgement import judge
from tests.attacks.test_attacks import ATTACKS, FEW

pytestmark = pytest.mark.long


@pytest.mark.parametrize("name", sorted(ATTACKS.keys() - set(FEW)))
def test_a_hostile_candidate_is_never_rewarded(ground: arena.Arena, fates: dict, name: str):
    judge(ground, ATTACKS[name], fates)
