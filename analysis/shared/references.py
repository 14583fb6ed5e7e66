"""references.yaml -> lines to compare with: what people reached, and what the paper reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dacite
import yaml
from matplotlib.axes import Axes

from airr.errors import ConfigError
from analysis.shared.campaigns import Campaign
from analysis.shared.style import GREY

SHIPPED = Path(__file__).resolve().parents[1] / "references.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A value of an environment's metric; `source` says where it stands, `note` what differs."""

    label: str
    value: float
    source: str
    note: str = ""


def references_for(env: str, metric: str, own: Path | None = None) -> list[Reference]:
    """Return the references of an environment's metric.

    Raises:
        ConfigError: the file is missing, or not of the form of analysis/references.yaml.
    """
    path = own or SHIPPED
    try:
        raw: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = raw.get(env, {}).get(metric, [])
        strict = dacite.Config(strict=True, type_hooks={float: float})
        return [dacite.from_dict(Reference, one, strict) for one in found]
    except FileNotFoundError as error:
        raise ConfigError(f"--references {path}: there is no such file") from error
    except (yaml.YAMLError, dacite.DaciteError, AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"--references {path} does not have the form of {SHIPPED}: {error}"
        ) from error


def draw_references(
    axes: Axes,
    campaigns: Sequence[Campaign],
    own: Path | None,
    *,
    upright: bool = False,
    alone: bool = False,
) -> None:
    """Draw the baseline that the campaigns measured, and the references of their environment.

    `upright` is for a metric that runs along the bottom; `alone` leaves the references out.
    """
    first = campaigns[0]
    measured = [one.baseline.metric for one in campaigns if one.baseline]
    lines = [("baseline", sum(measured) / len(measured), ":")] if measured else []
    found = [] if alone else references_for(first.env, first.metric.name, own)
    styles = ("--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
    lines += [(one.label, one.value, styles[n % len(styles)]) for n, one in enumerate(found)]
    line_at = axes.axvline if upright else axes.axhline
    for label, value, style in lines:
        line_at(value, color=GREY, linewidth=0.9, linestyle=style, label=label, zorder=1)
