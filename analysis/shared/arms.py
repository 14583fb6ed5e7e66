"""Campaigns -> arms: those that differ in nothing but their seed, under the name of what differs.

An arm is one line of a figure. Its campaigns are repetitions, over which means and intervals go.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

from airr.charter import FREE
from airr.errors import ConfigError
from analysis.shared.campaigns import Campaign

NO_DIFFERENCE = (*FREE, "campaign", "seed", "fork", "env.*", "prompts")
"""Settings in which repetitions may differ, or that stand apart from an arm."""
WORDS_ENOUGH = ("search.name", "llm.ideator.model", "llm.implementer.model")
"""Settings whose value needs no name before it; the first names an arm that has no rival."""
BY_CAMPAIGN = "campaign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Campaigns of one environment that are repetitions of each other."""

    label: str
    campaigns: tuple[Campaign, ...]


def arms_of(campaigns: Sequence[Campaign], by: str | None = None) -> list[Arm]:
    """Return the arms among campaigns of one environment, in the order of their first ones.

    `by` is a setting, such as search.name, whose values are the arms; `campaign` makes each
    campaign one; None tells repetitions by all settings.

    Raises:
        ConfigError: no campaign has that setting.
    """
    if by == BY_CAMPAIGN:
        return [Arm(label=one.name, campaigns=(one,)) for one in campaigns]
    if by is not None:
        if not any(by in one.settings for one in campaigns):
            raise ConfigError(f"--by {by}: no campaign has such a setting in its campaign.yaml")
        return _grouped(campaigns, [str(one.settings.get(by, "-")) for one in campaigns])
    kinds = [_signature(one) for one in campaigns]
    groups = _grouped(campaigns, [repr(kind) for kind in kinds])
    labels = _labels([dict(_signature(arm.campaigns[0])) for arm in groups])
    return [
        Arm(label=label, campaigns=arm.campaigns) for label, arm in zip(labels, groups, strict=True)
    ]


def _grouped(campaigns: Sequence[Campaign], keys: Sequence[str]) -> list[Arm]:
    groups: dict[str, list[Campaign]] = {}
    for key, one in zip(keys, campaigns, strict=True):
        groups.setdefault(key, []).append(one)
    return [Arm(label=key, campaigns=tuple(own)) for key, own in groups.items()]


def _signature(campaign: Campaign) -> tuple[tuple[str, str], ...]:
    """Return the settings that decide what a campaign is, as texts."""
    return tuple(
        (name, str(value))
        for name, value in sorted(campaign.settings.items())
        if not any(fnmatch.fnmatchcase(name, pattern) for pattern in NO_DIFFERENCE)
    )


def _labels(settings: Sequence[dict[str, str]]) -> list[str]:
    """Return as short a name for each as tells it from the others."""
    names = sorted({name for one in settings for name in one}, key=_telling)
    differing = [name for name in names if len({one.get(name) for one in settings}) > 1]
    used = [name for name in WORDS_ENOUGH if name in differing] or [*WORDS_ENOUGH[:1]]
    for name in differing:
        labels = [_label(one, used) for one in settings]
        if len(set(labels)) == len(labels):
            break
        used = used if name in used else [*used, name]
    return [_label(one, used) for one in settings]


def _telling(name: str) -> tuple[bool, bool, str]:
    """Sort the settings that people name first to the front."""
    return name not in WORDS_ENOUGH, not name.startswith("search."), name


def _label(one: dict[str, str], used: Sequence[str]) -> str:
    said = [
        one[name] if name in WORDS_ENOUGH else f"{name.removeprefix('search.')}={one[name]}"
        for name in used
        if name in one
    ]
    return ", ".join(said) or "campaign"
