"""What must hold of every attack."""

from __future__ import annotations

from tests.attacks.arena import Arena, Attack, Fate


def judge(ground: Arena, attack: Attack, fates: dict[str, tuple[Attack, Fate, Fate]]) -> None:
    """Run a candidate and see that it meets its fate, gains nothing and harms nobody."""
    honest = ground.baseline(attack)
    assert honest.metric is not None, honest
    fate = ground.fight(attack)
    fates[attack.name] = attack, fate, honest
    assert fate.word in attack.fate.split(" or "), (
        fate.metric,
        honest.metric,
        fate.detail,
        fate.log,
    )
    if fate.metric is not None:
        assert fate.metric >= honest.metric - attack.slack, fate.log
    assert ground.harm() == []
