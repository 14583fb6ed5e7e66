"""How busy nodes are kept: airr beside the release's schedule and one sbatch per idea.

    python benchmarks/utilisation.py [--ideas 200] [--epochs 5] [--seconds 2]
                                     [--nodes 16 128 1024] [--quick]

A node-second is useful if the search reads the result of its task; utilisation is useful
node-seconds over those available from the first start to the last end. `of limit` is the share of
what one array of all tasks comes to, which is all that this scheduler can start.

**Real**, as root, on the Slurm of tests/slurm (4 nodes of 8 pretended GPUs):

- `airr`: campaigns whose trainings last `--seconds`, preflights, patches and scoring included:
  `best_of_n`, which learns nothing and so never waits, and `strict epochs`, evolution as it is;
- `release`: the schedule of the paper's release (generate everything, submit, sleep 90 minutes,
  poll every 20, go on at 30 % of the logs), its times scaled as 33 minutes to one task;
- `sbatch each`: an sbatch for each idea, and a squeue for each job every two seconds;
- `limit`: one array of all tasks.

The last three run shell tasks that hold a node as long as an airr task did on average, measured in
the same run: from the first line of the batch script until the result stands. `calls` counts the
Slurm commands of the head, through wrappers on its PATH. The nodes share the cores of one machine
with each other and with the head, which a cluster's do not.

**Simulated** (benchmarks/simulation.py): airr's own campaign, executor and scheduler in virtual
time. First the runs above once more, at the pace that was measured in them; `apart` is how far the
simulation is off in total time. Then env=nanogpt at full scale: four epochs of three ideas for each
node, 25 minutes of training that 15 % of the ideas end early, 60 s for an answer of the model, 30 s
for a preflight, a tick of 30 s. The head implements and preflights as many ideas at once as the
nodes take (`default`: 16 and 2 of them).
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from tempfile import mkdtemp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console
from rich.table import Table

from benchmarks.measured import machine
from benchmarks.real_schedules import (
    TICK_SECONDS,
    Bench,
    measure_airr,
    measure_each,
    measure_limit,
    measure_release,
)
from benchmarks.simulation import Pace, simulate_airr, simulate_limit, simulate_release
from benchmarks.spans import Measured, Workload
from tests.slurm.cluster import VirtualCluster
from tests.slurm.configuration import Shape

NODES = 4
ARMS = {"best_of_n": ("search=best_of_n",), "strict epochs": ("search=evolution",)}
TRAINING, SCORING, ANSWER, PREFLIGHT, TICK, GATHER = 1500.0, 90.0, 60.0, 30.0, 30.0, 300.0
SHARE_EARLY = 0.15
EPOCHS, ROUNDS = 4, 3
"""Of a simulated campaign: epochs, and how many ideas of each epoch a node has to run."""


def main() -> None:
    """Measure, simulate the same, simulate what cannot be measured here; print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--ideas", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--nodes", type=int, nargs="*", default=[16, 128, 1024])
    parser.add_argument("--simulated-only", action="store_true", help="leave out the real Slurm")
    parser.add_argument("--quick", action="store_true", help="16 ideas in 2 epochs; 4 nodes")
    asked = parser.parse_args()
    size = (16, 2) if asked.quick else (asked.ideas, asked.epochs)
    nodes = [NODES] if asked.quick else asked.nodes
    console = Console(width=130)
    if not asked.simulated_only:
        workload = Workload(*size, asked.seconds, NODES)
        campaigns, others, preflight = on_slurm(workload)
        console.print(measured_table(workload, [*campaigns, *others]))
        console.print(validation(workload, campaigns, others, preflight))
    for count in nodes:
        console.print(simulated_table(count))


def on_slurm(workload: Workload) -> tuple[list[Measured], list[Measured], float]:
    """Return airr's campaigns, the other schedules, the limit first, and a preflight's seconds."""
    folder = Path(mkdtemp(prefix="airr-utilisation-"))
    cluster = VirtualCluster(Path(f"/tmp/airr-bench-{os.getpid()}"))
    try:
        cluster.up(Shape(nodes=NODES, min_job_age=300))
        bench = Bench(folder, cluster)
        found = [measure_airr(bench, workload, name, *ARMS[name]) for name in ARMS]
        campaigns = [campaign for campaign, _ in found]
        task_seconds = sum(one.mean_task for one in campaigns) / len(campaigns)
        others = [
            measure(bench, workload, task_seconds)
            for measure in (measure_limit, measure_each, measure_release)
        ]
    finally:
        cluster.down()
        shutil.rmtree(folder)
    return campaigns, others, sum(seconds for _, seconds in found) / len(found)


def measured_table(workload: Workload, found: Sequence[Measured]) -> Table:
    """Return what was measured on the real Slurm."""
    limit = next(one for one in found if one.name == "limit").utilisation
    table = Table(
        title=f"{machine()}\n{workload.ideas} ideas in {workload.epochs} epochs, trainings of "
        f"{workload.seconds:g} s, {workload.nodes} nodes of a real Slurm"
    )
    for column in ("schedule", "s in all", "s a task", "read", "utilisation", "of limit"):
        table.add_column(column, justify="left" if column == "schedule" else "right")
    for column in ("sbatch", "squeue", "all calls", "calls / 1,000 ideas"):
        table.add_column(column, justify="right")
    for one in found:
        table.add_row(
            f"airr, {one.name}" if one.name in ARMS else one.name,
            f"{one.seconds:.0f}",
            f"{one.mean_task:.2f}",
            f"{one.read}/{len(one.spans)}",
            f"{one.utilisation:.3f}",
            f"{one.utilisation / limit:.3f}",
            str(one.calls["sbatch"]),
            str(one.calls["squeue"]),
            str(one.calls.total()),
            f"{1000 * one.calls.total() / workload.ideas:.0f}",
        )
    return table


def validation(
    workload: Workload, campaigns: Sequence[Measured], others: Sequence[Measured], preflight: float
) -> Table:
    """Return the same schedules simulated, at the pace that was measured."""
    limit, _, release = others
    table = Table(title="the same, simulated")
    for column in ("schedule", "s in all", "simulated", "apart", "utilisation", "simulated"):
        table.add_column(column, justify="left" if column == "schedule" else "right")
    for real in (*campaigns, limit, release):
        pace = Pace(
            ideate=0.0, diff=0.0, preflight=preflight, gap=limit.gap, tick=TICK_SECONDS,
            gather=GATHER, tasks=tuple(span.end - span.start for span in real.spans),
        )  # fmt: skip
        if real.name in ARMS:
            found = simulate_airr(real.name, workload, pace, *ARMS[real.name])
        elif real is limit:
            found = simulate_limit(workload, pace)
        else:
            found = simulate_release(workload, pace, real.mean_task)
        table.add_row(
            real.name,
            f"{real.seconds:.1f}",
            f"{found.seconds:.1f}",
            f"{100 * (found.seconds / real.seconds - 1):+.1f} %",
            f"{real.utilisation:.3f}",
            f"{found.utilisation:.3f}",
        )
    return table


def simulated_table(nodes: int) -> Table:
    """Return how schedules of full-scale campaigns fare on so many nodes."""
    workload = Workload(EPOCHS * ROUNDS * nodes, EPOCHS, TRAINING, nodes)
    rng = Random(0)
    whole = [TRAINING + SCORING + rng.uniform(-30, 30) for _ in range(1000)]
    early = [rng.uniform(0, TRAINING) for _ in range(round(1000 * SHARE_EARLY))]
    pace = Pace(
        ideate=ANSWER, diff=ANSWER, preflight=PREFLIGHT, gap=1.0, tick=TICK, gather=GATHER,
        tasks=(*whole[len(early) :], *early),
    )  # fmt: skip
    wide = (f"implement.concurrent_ideas={nodes}", f"cluster.preflights={max(2, nodes // 8)}")
    arms = {
        "airr, best_of_n": ("search=best_of_n", *wide),
        "airr, strict epochs": ("search=evolution", *wide),
        "airr, overlap=0.25": ("search=evolution", "search.overlap=0.25", *wide),
        "airr, overlap=0.5": ("search=evolution", "search.overlap=0.5", *wide),
        "airr, overlap=0.5, default": ("search=evolution", "search.overlap=0.5"),
    }
    limit = simulate_limit(workload, pace)
    found = [simulate_airr(name, workload, pace, *arms[name]) for name in arms]
    found.append(simulate_release(workload, pace, TRAINING + SCORING))
    strict = next(one for one in found if one.name == "airr, strict epochs")
    table = Table(
        title=f"simulated: {workload.ideas:,} ideas in {workload.epochs} epochs, {nodes:,} nodes"
    )
    for column in ("schedule", "hours", "read", "utilisation", "of limit", "node-hours saved"):
        table.add_column(column, justify="left" if column == "schedule" else "right")
    for one in (*found, limit):
        saved = nodes * (strict.seconds - one.seconds) / 3600
        share = saved * 3600 / (nodes * strict.seconds)
        table.add_row(
            one.name,
            f"{one.seconds / 3600:.2f}",
            f"{one.read:,}",
            f"{one.utilisation:.3f}",
            f"{one.utilisation / limit.utilisation:.3f}",
            f"{saved:,.0f} ({share:.0%})" if one.name in arms and one is not strict else "",
        )
    return table


if __name__ == "__main__":
    main()
