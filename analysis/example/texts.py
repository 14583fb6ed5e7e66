"""A made-up idea -> its text and its diff, so that there is something to read."""

from __future__ import annotations

from collections.abc import Mapping

VALUES = (
    "learning rate", "warm-up", "weight decay", "batch size", "clipping threshold", "momentum",
    "second moment decay", "final learning rate", "depth", "width", "number of heads",
    "context length", "initial scale", "dropout", "label smoothing", "group size", "temperature",
    "clip range", "advantage floor", "number of epochs",
)  # fmt: skip
CHANGES = (
    "average the weights exponentially", "normalise queries and keys", "rotary positions",
    "squared ReLU", "gate the feed-forward", "value embeddings", "skip connections across layers",
    "orthogonalise the updates", "look ahead every few steps", "sort batches by length",
    "drop the easiest examples", "predict two tokens at once", "tie layers in pairs",
    "LayerNorm for RMSNorm", "cap the logits softly", "weigh tokens by surprise",
    "leave-one-out baselines", "no standard deviation in advantages", "resample failed prompts",
    "penalise long answers", "keep the best of two rollouts", "two learning rates by layer",
    "sign of the momentum", "attention sinks", "mix in a convolution", "reuse old rollouts",
    "anneal the sampling temperature", "filter groups without signal", "smooth the reward",
    "distil from the average",
)  # fmt: skip
WHERE = (("of matrices", "of embeddings"), ("everywhere", "in later layers"))


def is_value(mechanism: int) -> bool:
    """Tell whether a mechanism is a value of the codebase, and no code."""
    return mechanism < 2 * len(VALUES)


def name_of(mechanism: int) -> str:
    """Return what a mechanism is called."""
    names = VALUES if is_value(mechanism) else CHANGES
    place = mechanism if is_value(mechanism) else mechanism - 2 * len(VALUES)
    name = names[place % len(names)]
    return f"{name} {WHERE[not is_value(mechanism)][place // len(names) % 2]}"


def text_of(recipe: Mapping[int, float]) -> str:
    """Return an idea in the form that models are asked for."""
    said = [
        f"{name_of(m)} {x:.2f}" if is_value(m) else name_of(m)
        for m, x in reversed([*recipe.items()])
    ]
    title = ", ".join(said)
    why = "; ".join(f"{one} may lower the loss" for one in said)
    return (
        f"[Experiment] {title[0].upper()}{title[1:]}. {why}.\n[Code Changes] In train.py: {title}."
    )


def diff_of(recipe: Mapping[int, float]) -> str:
    """Return a diff of the kind that such an idea would have."""
    hunks = [_hunk(m, x, 1 + 10 * place) for place, (m, x) in enumerate(recipe.items())]
    return "--- a/train.py\n+++ b/train.py\n" + "".join(hunks)


def _hunk(mechanism: int, number: float, at: int) -> str:
    name = name_of(mechanism).replace(" ", "_").replace("-", "_").lower()
    if is_value(mechanism):
        constant = name.upper()
        return f"@@ -{at} +{at} @@\n-{constant} = 0.5  # as always\n+{constant} = {number:.2f}\n"
    lines = f"+    state = {name}(state, strength={number:.2f})\n"
    return (
        f"@@ -{at},2 +{at},3 @@\n     state = forward(batch)\n{lines}     loss = loss_of(state)\n"
    )
