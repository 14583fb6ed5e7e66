"""What `+dry_run=true` says: what is to come, the script, the prompts. As calm as it can be."""

from __future__ import annotations

from airr.cluster.protocol import JobArray
from airr.config import Config, Sandbox
from airr.display.learning import learning_of, way_of_learning
from airr.display.tables import UNSHIELDED, counted, duration
from airr.executor.arrays import MOST_AT_ONCE
from airr.executor.plans import rungs_of
from airr.forecast import (
    Left,
    arrays_of,
    full_tasks,
    ideator_calls,
    implementer_calls,
    least_seconds,
    policy_hours,
)
from airr.head import hours_to_come, run_hours
from airr.llm.protocol import Request
from airr.policy.settings import Prompt, RlConfig
from airr.rehearsal import UNKNOWN_UID, Rehearsal

LINES_SHOWN = 6
"""Of the beginning and of the end of a prompt that is shown in short."""


def told_of(rehearsal: Rehearsal, *, whole_prompts: bool) -> str:
    """Return everything that a dry run found out, for a terminal."""
    asked = rehearsal.ideation.system, _first_words(rehearsal.ideation)
    written = rehearsal.implementation.system, _first_words(rehearsal.implementation)
    config = rehearsal.config
    proposes = "ideator"
    if isinstance(config, RlConfig):
        proposes = "policy" if config.policy.prompt is Prompt.FULL else ""
    prompts = (
        {
            f"prompt of the {proposes}: system": asked[0],
            f"prompt of the {proposes}: epoch 0": asked[1],
        }
        if proposes
        else {}
    )
    prompts |= {
        "prompt of the implementer: system": written[0],
        "prompt of the implementer: an idea": written[1],
    }
    sections = [
        "Dry run: nothing is created, submitted or asked.",
        _campaign(rehearsal),
        _heading("to come") + _to_come(rehearsal),
        *_next_array(rehearsal),
        *(
            _heading(title) + (text if whole_prompts else _shortened(text))
            for title, text in prompts.items()
        ),
    ]
    if not whole_prompts:
        sections.append("+dry_run=prompts shows the prompts in full.")
    return "\n\n".join(sections)


def _campaign(rehearsal: Rehearsal) -> str:
    config, folder = rehearsal.config, rehearsal.workspace.folder
    cluster = config.cluster
    state = "new" if rehearsal.is_new else "goes on"
    if rehearsal.holder:
        state = f"is being run by {rehearsal.holder}: a second head would be refused"
    shield = UNSHIELDED if cluster.sandbox is Sandbox.NONE else f"in {cluster.sandbox}"
    learning = learning_of(config)
    if rehearsal.untried:
        learning["llm"] += f"; not known: is the key of {', '.join(rehearsal.untried)} accepted"
    return _lines(
        campaign=f"{folder}: {state}",
        env=f"{config.env.name}: {config.env.title}",
        cluster=f"{cluster.scheduler}: {rehearsal.place}; candidates run {shield}",
        **learning,
    )


def _to_come(rehearsal: Rehearsal) -> str:
    """Return what is left to do, and what it may cost; bounds say what they rest on."""
    left, config = rehearsal.left, rehearsal.config
    if not left.most_runs:
        return "Nothing: the campaign is complete. More epochs: " + (
            f"{way_of_learning(config)[1]}=N"
        )
    env, pack = config.env, config.cluster.pack
    hours = hours_to_come(config, left)
    largest = min(pack * (rehearsal.largest_array or MOST_AT_ONCE), MOST_AT_ONCE)
    fewest, most = arrays_of(left, largest)
    tasks_at_once = rehearsal.preview.at_once if rehearsal.preview else None
    at_once = pack * tasks_at_once if tasks_at_once else None
    beside = f"{at_once} runs side by side" if at_once else "every run of an epoch side by side"
    seconds = least_seconds(left.runs, env.budget_seconds, at_once)
    for rung, runs in zip(rungs_of(config), left.screens, strict=True):
        seconds += least_seconds(runs, rung.plan.budget_seconds, at_once)
    implementing = implementer_calls(left, config.implement)
    return _lines(
        ideas=f"{sum(left.to_propose)} to propose, {left.to_implement} to implement",
        runs=f"{left.total_runs}{_of_what(rehearsal)}",
        **_screens(rehearsal),
        arrays=f"{_range(fewest, most)}; what is ready at one moment goes out as one array"
        f"{'' if rehearsal.largest_array else ' (MaxArraySize is not known now)'}",
        calls=f"{_asking(config, left)}{_range(*implementing)} for diffs",
        **_preflights(config, left),
        **_policy_jobs(config, left),
        GPU_hours=f"{hours.gpu_most:.1f} at most, {hours.gpu_training:.1f} of them for training; "
        "retries of lost runs and runs of mended patches come on top",
        node_hours=f"{hours.node_most:.1f} at most{_if_full(rehearsal)}",
        time=f"{duration(seconds)} of training at least with {beside}, if each uses its budget of "
        f"{duration(env.budget_seconds)}",
    )


def _screens(rehearsal: Rehearsal) -> dict[str, str]:
    """Return what is tried at the rungs of a screen before it gets a full run."""
    config, left = rehearsal.config, rehearsal.left
    rungs = [
        f"{sum(runs)} with {rung.in_words} ({duration(rung.plan.budget_seconds)})"
        for rung, runs in zip(rungs_of(config), left.screens, strict=True)
    ]
    if not rungs:
        return {}
    said = f"{', '.join(rungs)}, at most; the best {config.search.screen.promote:.0%} of each go on"
    return {"screens": said}


def _asking(config: Config, left: Left) -> str:
    if isinstance(config, RlConfig):
        return ""
    return f"at least {ideator_calls(left, config.search)} for ideas; "


def _preflights(config: Config, left: Left) -> dict[str, str]:
    """Return what toy-scale runs feed the nodes with, at their slowest: too few starve many."""
    if not left.to_implement:
        return {}
    seconds, at_once = config.env.preflight.seconds, config.cluster.preflights
    return {
        "preflights": f"{left.to_implement} at least on this machine, {at_once} side by side "
        f"(cluster.preflights): a codebase every {duration(seconds / at_once)} if each takes its "
        f"limit of {duration(seconds)}"
    }


def _policy_jobs(config: Config, left: Left) -> dict[str, str]:
    """Return what the jobs on a policy may take beside the runs, if there is one."""
    if not isinstance(config, RlConfig):
        return {}
    policy, epochs = config.policy, len(left.to_propose)
    hours = policy_hours(
        epochs,
        nodes=policy.nodes,
        gpus=policy.gpus,
        sample_seconds=policy.sample_seconds,
        update_seconds=policy.update_seconds,
    )
    each = f"{policy.nodes} x {counted(policy.gpus, 'GPU')}, {counted(policy.cpus, 'CPU')}"
    return {
        "policy_jobs": f"{2 * epochs}, one to sample and one to update an epoch, each with {each}: "
        f"{hours:.1f} GPU-hours at most, besides"
    }


def _if_full(rehearsal: Rehearsal) -> str:
    """Return what sharing may save: how far depends on what is ready at one moment."""
    pack = rehearsal.config.cluster.pack
    if pack == 1:
        return ""
    hours = run_hours(rehearsal.config, full_tasks(rehearsal.left, pack)).node_most
    return f", {hours:.1f} if every task is full: up to {pack} candidates share a node"


def _of_what(rehearsal: Rehearsal) -> str:
    """Return how the runs divide into stretches, and how many of them are on their way."""
    baseline, *sizes = rehearsal.left.runs
    epochs = [size for size in sizes if size]
    if len({*epochs}) == 1:
        of_epochs = f"{len(epochs)} epoch{'s' if len(epochs) > 1 else ''} of {epochs[0]}"
    else:
        of_epochs = f"epochs of {', '.join(map(str, epochs))}" if epochs else ""
    again = rehearsal.left.repeats
    with_seeds = f" with {baseline} seeds" if baseline > 1 else ""
    parts = [
        f"the baseline{with_seeds}" if baseline else "",
        of_epochs,
        f"{rehearsal.open_runs} of them submitted already" if rehearsal.open_runs else "",
        f"and up to {again} more with further seeds" if again else "",
    ]
    return f": {', '.join(filter(None, parts))}"


def _next_array(rehearsal: Rehearsal) -> list[str]:
    """Return the sections about the next submission."""
    array, preview = rehearsal.array, rehearsal.preview
    if array is None or preview is None:
        return []
    if not preview.script:
        return [_heading("next") + f"{_tasks(array, rehearsal)} would {preview.verdict}"]
    drawn = f"; {UNKNOWN_UID} is drawn when the campaign starts" if rehearsal.is_new else ""
    title = f"the next array, {_tasks(array, rehearsal)}{drawn}"
    return [
        _heading(title) + preview.script.rstrip(),
        f"{_heading('sbatch --test-only')}{preview.verdict}\n"
        "Later arrays differ in name, folder and --array, and in nodes that failed before.",
    ]


def _first_words(request: Request) -> str:
    return request.messages[0].text


def _shortened(text: str) -> str:
    lines = text.splitlines()
    left_out = len(lines) - 2 * LINES_SHOWN
    if left_out <= 1:
        return text
    shown = [*lines[:LINES_SHOWN], f"[... {left_out} more lines ...]", *lines[-LINES_SHOWN:]]
    return "\n".join(shown)


def _heading(title: str) -> str:
    return f"--- {title} {'-' * max(3, 90 - len(title))}\n"


def _lines(**values: str) -> str:
    return "\n".join(f"{name.replace('_', '-'):<12}{text}" for name, text in values.items())


def _range(fewest: int, most: int) -> str:
    return str(fewest) if fewest == most else f"{fewest} to {most}"


def _tasks(array: JobArray, rehearsal: Rehearsal) -> str:
    packing = rehearsal.packing
    if packing and packing.most > 1:
        return f"{packing.in_words}, up to {packing.places} side by side on a node"
    return counted(len(array.indices), "task")
