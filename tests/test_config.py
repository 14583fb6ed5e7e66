"""Settings: composed by Hydra, typed at the door, refused by name."""

import copy
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hydra import compose, initialize_config_dir

from airr import config as config_module
from airr.composition import compositions, plain
from airr.config import Config
from airr.errors import ConfigError
from airr.parsing import parse_config
from airr.resources import resource
from airr.verb import auto_cluster, auto_llm, resolve_auto

OPTIONS = [
    f"{group}={path.stem}"
    for group in ("env", "search", "llm", "cluster")
    for path in sorted((resource("conf") / group).glob("*.yaml"))
]


def composed(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(str(resource("conf")), version_base="1.3"):
        raw = plain(compose("evolve", list(overrides)))
    raw.pop("fork")
    raw.pop("once")
    return raw


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_of_every_group_composes_and_parses(option: str):
    config, (group, _, name) = parse_config(composed(option)), option.partition("=")
    chosen = {
        "env": config.env.name,
        "search": config.search.name,
        "llm": config.llm.provider,
        "cluster": str(config.cluster.scheduler),
    }
    assert chosen[group] == name


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        ("search.epoks", 3, r"unknown setting search\.epoks: did you mean search\.epochs\?"),
        ("env.metric.directon", "x", r"did you mean env\.metric\.direction\?"),
        ("cluster.slotz", 1, r"did you mean cluster\.slots\?"),
        ("search.epochs", "many", r"search\.epochs='many' does not fit"),
        ("search.epochs", 0, r"search\.epochs=0: it must be at least 1"),
        ("cluster.sandbox", "maybe", r"cluster\.sandbox=maybe: choose one of auto, bubblewrap"),
        ("campaign", "../elsewhere", r"no usable name"),
        ("campaign", "a b", r"no usable name"),
        ("campaign", 7, r"it takes str: to give it that text, write 'campaign=\"7\"'"),
        ("env.budget_seconds", 0, r"env\.budget_seconds=0\.0: it must be more than 0"),
        ("env.budget_seconds", float("nan"), r"env\.budget_seconds=nan: it must be a number"),
        ("env.memory_gb", -1, r"env\.memory_gb=-1\.0: it must be more than 0"),
        ("env.score_settings.tolerance", float("inf"), r"tolerance=inf: it must be a number"),
        ("env.train.argv", [], r"env\.train\.argv is empty"),
        ("env.editable", [], r"env\.editable is empty: no patch could change a file"),
        ("search.screen.rungs", "abc", r"search\.screen\.rungs='abc' does not fit"),
        ("search.screen.rungs", 0.25, r"it takes a list, write 'search\.screen\.rungs=\[0\.25\]'"),
        ("env.train.argv", "ls", r"it takes a list, write 'env\.train\.argv=\[ls\]'"),
        ("env.editable", None, r"it takes a list, write 'env\.editable=\[\]'"),
        ("env.metric.plausible", [5, 1], r"the lower bound comes first"),
        ("budget.usd", float("nan"), r"budget\.usd=nan: it must be a number"),
        ("budget.gpu_hours", float("inf"), r"budget\.gpu_hours=inf: it must be a number"),
        ("search.overlap", -0.1, r"search\.overlap=-0\.1: it must be at least 0, and below 1"),
        ("search.similarity", 2, r"search\.similarity=2\.0: it must be at most 1"),
        ("search.own", 3, r"unknown setting search\.own: known are base, baseline_seeds, "),
        ("search.epochs", 10**12, r"search\.epochs=1000000000000: it must be at most 10000"),
        ("seed", -1, r"seed=-1: it must not be negative"),
        ("seed", 2**32, r"seed=4294967296: it must be at most 4294967295"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused_by_name(at: str, value: Any, message: str):
    raw = copy.deepcopy(composed())
    *path, last = at.split(".")
    branch = raw
    for name in path:
        branch = branch[name]
    branch[last] = value
    with pytest.raises(ConfigError, match=message):
        parse_config(raw)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("search.breadth=0", r"search\.breadth=0: it must be at least 1"),
        ("search.debug_share=1.5", r"search\.debug_share=1\.5: a share is at most 1"),
        ("search.debug_depth=-1", r"search\.debug_depth=-1: it must not be negative"),
    ],
)
def test_what_a_strategy_alone_takes_is_checked_too(setting: str, message: str):
    with pytest.raises(ConfigError, match=message):
        parse_config(composed("search=tree", setting))


def test_a_missing_setting_is_named():
    raw = composed()
    del raw["search"]["epochs"]
    with pytest.raises(ConfigError, match=r"setting search\.epochs is missing"):
        parse_config(raw)


def test_a_whole_number_may_stand_for_a_number():
    assert parse_config(composed("env.budget_seconds=30")).env.budget_seconds == 30.0


def test_a_number_may_stand_for_the_text_of_an_environment_variable():
    config = parse_config(composed("+env.train.environment.AIRR_STEPS=60"))
    assert config.env.train.environment["AIRR_STEPS"] == "60"


def test_the_campaign_is_named_after_what_defines_it_and_never_after_the_clock():
    assert composed("seed=4", "search=best_of_n")["campaign"] == "nanogpt_tiny-best_of_n-s4"


def test_auto_is_replaced_by_what_this_shell_and_machine_have():
    assert auto_llm({"ANTHROPIC_API_KEY": "k", "OPENAI_API_KEY": "k"}) == "anthropic"
    assert auto_llm({"OPENAI_API_KEY": "k"}) == "openai"
    assert auto_llm({"ANTHROPIC_API_KEY": ""}) == "offline"


def test_slurm_is_taken_where_sbatch_is_installed_and_knows_a_cluster(tmp_path: Path):
    sbatch = tmp_path / "sbatch"
    sbatch.touch(mode=0o755)
    here, nowhere = {"PATH": str(tmp_path)}, {"PATH": str(tmp_path / "empty")}
    assert auto_cluster(here, [str(sbatch)]) == "slurm"
    assert auto_cluster(here | {"SLURM_CONF": "x"}, []) == "slurm"
    assert auto_cluster(here, []) == "local"
    assert auto_cluster(nowhere | {"SLURM_CONF": "x"}, []) == "local"


def test_a_choice_that_was_made_is_left_alone():
    assert resolve_auto(["llm=offline", "seed=1"], ["llm"]) == ["llm=offline", "seed=1"]
    assert "llm=auto" not in resolve_auto(["llm=auto"], ["llm"])


def settings_of(kind: type) -> set[str]:
    found: set[str] = set()
    for field in fields(kind):
        hint = get_type_hints(kind)[field.name]
        inner = [part for part in (hint, *get_args(hint)) if is_dataclass(part)]
        found |= {field.name}.union(*(settings_of(part) for part in inner))  # type: ignore
    return found


def test_every_setting_is_read_somewhere_outside_the_schema():
    """A setting that only parses is a lie: each must be used as `.name` by some other module."""
    package = Path(config_module.__file__).parent
    schemas = {"config.py", "parsing.py", "ranges.py", "slurm_settings.py"}
    readers = [path for path in package.rglob("*.py") if path.name not in schemas]
    readers += resource("prompts").rglob("*.j2")
    code = "\n".join(path.read_text() for path in readers)
    own = Path(config_module.__file__).read_text()
    unread = {
        name
        for name in settings_of(Config)
        if not re.search(rf"\.{name}\b", code) and f"self.{name}" not in own
    }
    assert unread == set()


def test_a_role_is_served_where_its_group_says_or_where_it_says_itself():
    raw = composed(
        "llm=anthropic",
        "llm.concurrency=5",
        "llm.implementer.provider=openai",
        "llm.implementer.base_url=http://node17:8000/v1",
        "llm.implementer.concurrency=64",
    )
    ideator, implementer = parse_config(raw).llm.roles.values()
    assert (ideator.provider, ideator.base_url, ideator.concurrency) == ("anthropic", None, 5)
    assert (implementer.provider, implementer.concurrency) == ("openai", 64)
    assert implementer.base_url == "http://node17:8000/v1"


@pytest.mark.parametrize("setting", ["llm.ideator.base_url=node17", "llm.base_url=node17"])
def test_an_address_without_its_scheme_is_refused(setting: str):
    with pytest.raises(ConfigError, match="begins with http"):
        parse_config(composed("llm=openai", setting))


def test_a_role_without_a_model_is_refused():
    with pytest.raises(ConfigError, match=r"llm\.ideator\.model is empty"):
        parse_config(composed("llm=openai", "llm.ideator.model=''"))


def test_a_file_that_is_closed_to_patches_is_reserved_beside_the_scorer():
    env = parse_config(composed()).env
    assert env.reserved(["train.py", "run.sh"]) == ["run.sh", "sealed/score.py"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("search.epoch=3", r"^unknown setting search\.epoch: did you mean search\.epochs\?$"),
        ("enb=nanogpt", r"^unknown setting enb: did you mean env\?$"),
        ("zzz.qqq=1", r"^unknown setting zzz\.qqq: --help lists what there is$"),
        ("+seed=3", r"^the setting seed is there already: leave out the \+$"),
        ("env=nanogpt_tny", r"^env=nanogpt_tny: choose one of example, grpo, .*nanogpt_tiny"),
        ("+site=nowhere", r"^site=nowhere: choose one of gpus_per_node, "),
        ("make it better", r"^'make it better' is no setting: write key=value"),
        ("campaign=été", r"letters beyond a to z twice, as in 'key=\"a, b\"'"),
        ("+foo=bar", r"^unknown setting foo: --help lists what there is$"),
        ("++sed=1", r"^unknown setting sed: did you mean seed\?$"),
        ("+epochs=3", r"^unknown setting epochs: did you mean search\.epochs\?$"),
        ("seed=1,2", r"^seed=1,2: -m runs a campaign with each .* is 'seed=\[1,2\]', a text '"),
        ("~env", r"^campaign is made of env\.name, which a ~ has taken away: leave out that ~$"),
        (
            "campaign='x-${sed}'",
            r"^campaign is made of \$\{sed\}: unknown setting sed: did you mean",
        ),
        ("dry_run=true", r"^unknown setting dry_run: it is added, as \+dry_run=\.\.\."),
    ],
)
def test_a_command_line_that_does_not_compose_is_explained(argument: str, message: str):
    with pytest.raises(ConfigError, match=message):
        compositions("evolve", [argument])


def test_a_search_is_not_chosen_by_name_where_there_is_but_one():
    with pytest.raises(ConfigError, match=r"^search is not chosen by name here: set what --help"):
        compositions("rl", ["search=tree"])
