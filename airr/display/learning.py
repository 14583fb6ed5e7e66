"""How a campaign learns, in the words of a person: who proposes, who implements, by what rule."""

from __future__ import annotations

from collections.abc import Iterable

from airr.config import Config
from airr.display.tables import counted, models_text, role_text
from airr.executor.plans import rungs_of
from airr.policy.settings import RlConfig
from airr.records import Idea, Origin


def learning_of(config: Config) -> dict[str, str]:
    """Return a line for each part of it, by its name."""
    search, llm = config.search, config.llm
    much = (
        f"{counted(search.epochs, 'epoch')} of {counted(search.ideas_per_epoch, 'idea')}, "
        f"seed {config.seed}"
    )
    if isinstance(config, RlConfig):
        return {
            "policy": f"{config.policy.name} ({config.policy.model}) proposes",
            "llm": f"{role_text(llm.implementer)} implements",
            "rl": f"objective {config.rl.objective}, reward {config.rl.reward}: {much}",
        }
    return {
        "llm": models_text(llm),
        "search": f"{search.name}: {much}",
        **_screen(config),
        **_early_stopping(config),
    }


def _early_stopping(config: Config) -> dict[str, str]:
    """Return which trainings are ended for their curves, where any are."""
    early, curve = config.search.early_stopping, config.env.curve
    if early.quantile is None or curve is None:
        return {}
    rule = f"{curve.name} is worse than the {early.quantile:g} quantile of earlier epochs"
    return {"stopping": f"from {early.from_share:.0%} of its steps a training ends if its {rule}"}


def _screen(config: Config) -> dict[str, str]:
    """Return with what ideas are tried before full runs, where they are."""
    rungs = [rung.in_words for rung in rungs_of(config)]
    if not rungs:
        return {}
    best = f"the best {config.search.screen.promote:.0%}"
    return {"screen": f"ideas are tried with {', then '.join(rungs)}; {best} of each go on"}


def who_proposed(config: Config, ideas: Iterable[Idea]) -> str:
    """Return where ideas came from, if from no model that was asked for them; else nothing."""
    if isinstance(config, RlConfig):
        return f"from {config.policy.name}, as it was trained here"
    if not config.llm.is_offline:
        return ""
    given = sum(idea.origin is Origin.IMPORTED for idea in ideas)
    source = f"{given} given, others from" if given else "from"
    return f"{source} the offline catalogue; no model was asked"


def way_of_learning(config: Config) -> tuple[str, str]:
    """Return the verb of such a campaign, and its setting that says how many epochs it has."""
    return ("rl", "rl.epochs") if isinstance(config, RlConfig) else ("evolve", "search.epochs")
