"""The overlays for typical sites compose, fit the settings, and choose Slurm."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from airr.cluster.slurm_settings import SlurmSettings
from airr.composition import plain
from airr.config import Scheduler
from airr.parsing import parse_config
from airr.resources import resource

SITES = sorted(path.stem for path in (resource("conf") / "site").glob("*.yaml"))


@pytest.mark.parametrize("site", SITES)
def test_each_site_is_a_slurm_cluster_with_something_of_its_own(site: str):
    with initialize_config_dir(str(resource("conf")), version_base="1.3"):
        raw = plain(compose("evolve", [f"+site={site}", "cluster.partition=gpu"]))
        bare = plain(compose("evolve", ["cluster=slurm", "cluster.partition=gpu"]))
    for config in (raw, bare):
        config.pop("fork")
        config.pop("once")
    cluster = parse_config(raw).cluster
    assert cluster.scheduler is Scheduler.SLURM
    assert isinstance(cluster.own, SlurmSettings)
    assert cluster.own.partition == "gpu"
    if site != "gres_gpus":
        assert cluster != parse_config(bare).cluster


def test_there_are_sites():
    assert Path(resource("conf") / "site").is_dir()
    assert len(SITES) >= 4
