"""Every command in the README and in docs/ is run, or what keeps it from running stands here.

A verb that changes something is run as it stands with `+dry_run=true` behind it, on a place where
the data and the campaigns that it names are: the same code composes, checks and plans as without.
docs/environment.md is followed for real by test_environment.py.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest
import yaml

from airr.composition import compositions
from tests.docs.markdown import PAGES, ROOT, SHELL, blocks_of, commands_of, prose_of
from tests.docs.place import Place

FOLLOWED = ROOT / "docs" / "environment.md"
LANGUAGES = {SHELL, "text", "python", "yaml", "markdown", "cron", ""}
REHEARSED = {"evolve", "execute", "rl", "baseline", "verify", "check", "cancel"}
"""Verbs that take +dry_run=true."""
READING = {"status", "report", "trajectories"}
"""Verbs that only read a campaign or a file, and write what they made of it beside it."""
STOPPED_AT = {"prepare": "airr.interrupts.status_of", "wandb": "airr.tracking.sync.sync"}
"""Verbs that would fetch gigabytes, or send what nobody takes: they are run as far as that."""
PREPARES_A_POLICY = "airr.policy.prepared.prepare_policy"
OF_A_SHELL = {
    "git clone URL airr && cd airr": "who has no clone has no tests",
    'eval "$(python -m airr.completion bash)"': "tests/test_completion.py types it into shells",
    "source .venv/bin/activate": "the tests run in that environment",
    "export ANTHROPIC_API_KEY=...": "whose key? Commands are given a false one",
}
"""Lines that are not airr's own, and why they are not run."""
SLURM = re.compile(r"cluster=slurm|\+site=|env=(nanogpt|nanogpt_small|grpo)\b")
"""What is typed on a login node: it names Slurm, or needs GPUs."""
ASSIGNMENT = re.compile(r"[A-Z_]+=.*")
SETTING = re.compile(
    r"(?<![\w./-])(?:search|llm|cluster|env|implement|budget|check|prepare|wandb|rl|policy)(?:\.[a-z_]+)+(?![\w*])"
)
FILES = (".py", ".md", ".svg")

COMMANDS = {
    command: page.name for page in PAGES if page != FOLLOWED for command in commands_of(page)
}
"""Every command, and a page that has it."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place.make(tmp_path_factory.mktemp("docs"))


@pytest.fixture(scope="module")
def settings() -> set[str]:
    """Every dotted setting that there is, and the groups and tables that some belong to."""
    known: set[str] = set()
    for search in ("evolution", "tree", "islands", "steady_state"):
        for cluster in ("slurm", "local"):
            (raw,) = compositions("check", [f"search={search}", f"cluster={cluster}"])
            known |= dotted(raw)
    known |= dotted(compositions("rl", ["policy=qwen3_4b"])[0])
    return known | dotted(compositions("prepare", [])[0])


def dotted(tree: Mapping[str, Any], at: str = "") -> set[str]:
    found: set[str] = set()
    for name, value in tree.items():
        found.add(f"{at}{name}")
        if isinstance(value, Mapping):
            found |= dotted(value, f"{at}{name}.")
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_works_as_written(command: str, place: Place):
    if command in OF_A_SHELL:
        return
    words = shlex.split(command)
    given = dict(word.split("=", 1) for word in words if ASSIGNMENT.fullmatch(word))
    words = words[len(given) :]
    match words:
        case ["python", "-m", module, *arguments] if module.startswith("airr."):
            run_verb(place, module.removeprefix("airr."), arguments, given)
        case ["python", script, *arguments] if script.startswith("analysis/"):
            draw(place, script, arguments)
        case ["sbatch", *arguments]:
            submit(place, arguments)
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        case _:
            pytest.fail(f"{COMMANDS[command]} has a command that no test knows: {command}")


def run_verb(place: Place, verb: str, arguments: list[str], given: dict[str, str]) -> None:
    """Run a verb in the place, on a login node where it asks for one; no endpoint is up there."""
    line = " ".join(arguments)
    variables = {**given, **(place.login_node if SLURM.search(line) else {})}
    if "--help" in arguments:
        shown = subprocess.run(
            [sys.executable, "-m", f"airr.{verb}", *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        assert f"python -m airr.{verb}" in shown.stdout
        return
    if verb in STOPPED_AT:
        with patch(STOPPED_AT[verb], return_value=0) as stopped, patch(PREPARES_A_POLICY):
            place.run(verb, *arguments)
        stopped.assert_called_once()
        return
    if verb in REHEARSED and "+dry_run" not in line:
        arguments = [*arguments, "+dry_run=true"]
    assert verb in REHEARSED | READING
    nothing_amiss = {"trouble_with": Mock(return_value=None), "check_access": Mock()}
    with patch.multiple("airr.providers", **nothing_amiss):
        assert place.run(verb, *arguments, **variables)


def draw(place: Place, script: str, arguments: list[str]) -> None:
    """Draw a figure of the campaigns in the place."""
    done = subprocess.run(
        [sys.executable, script, *arguments],
        cwd=place.folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr


def submit(place: Place, arguments: list[str]) -> None:
    """See that a script is sound, and that the head takes the arguments behind it."""
    at = next(place for place, word in enumerate(arguments) if not word.startswith("--"))
    script, rest = arguments[at], arguments[at + 1 :]
    assert subprocess.run(["bash", "-n", str(ROOT / script)], check=False).returncode == 0
    if script == "sbatch/head.sbatch":
        run_verb(place, "evolve", ["cluster=slurm", *rest], {})
    else:
        assert len(rest) == 1


@pytest.mark.parametrize("slip", ["serch.epochs=1", "search.epochs=x", "search=evolutoin"])
def test_a_slip_in_a_command_would_be_seen(slip: str, place: Place):
    with pytest.raises(AssertionError, match=slip.split("=")[0]):
        run_verb(place, "evolve", [slip], {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_command_hides_where_it_is_not_tested(page: Path):
    """Blocks are fenced, and those of other languages hold no command."""
    assert not re.search(r"^    \S", prose_of(page), re.MULTILINE)
    for block in blocks_of(page):
        assert block.language in LANGUAGES
        if block.language in {"text", ""}:
            assert not re.search(r"^(python|make|sbatch|pip) ", block.text, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_points_to_is_there(page: Path):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", prose_of(page)):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_scripts_and_verbs_that_a_page_names_exist(page: Path, settings: set[str]):
    text = page.read_text()
    named = {name for name in SETTING.findall(text) if not name.endswith(FILES)}
    assert not named - settings
    for script in re.findall(r"\b((?:benchmarks|analysis|sbatch|tests)/[\w/]+\.\w+)", text):
        assert (ROOT / script).exists(), script
    for verb in re.findall(r"python -m airr\.([a-z]+)", text):
        assert importlib.util.find_spec(f"airr.{verb}"), verb
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert {*re.findall(r"airr\[(\w+)\]", text)} <= extras.keys()


def test_the_readme_shows_how_to_load_results(place: Place):
    (example,) = [b.text for b in blocks_of(ROOT / "README.md") if b.language == "python"]
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=place.folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "e01-i000" in done.stdout


def test_the_citation_names_the_version_of_the_package():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited["version"] == version("airr")
    assert f"## {version('airr')} " in (ROOT / "CHANGELOG.md").read_text()
