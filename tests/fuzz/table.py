"""Every kind of foreign input that airr reads: the list of them, by name."""

from tests.fuzz.target import Target
from tests.fuzz.targets import (
    answers,
    campaigns,
    endpoints,
    records,
    results,
    scoring,
    slurm,
    strangers,
)

AREAS = (answers, endpoints, slurm, results, scoring, strangers, campaigns, records)
TARGETS: dict[str, Target] = {target.name: target for area in AREAS for target in area.TARGETS}
