"""Completion in a real bash and a real zsh, and what they are told."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator
from pathlib import Path

import pexpect
import pytest

from airr.completion import words_for

SHELLS = {
    "bash": ["--norc", "--noprofile", "-i"],
    "zsh": ["--no-rcs", "--interactive"],
}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("airr.ev", ["airr.evolve "]),
        ("airr.evolve en", ["env=", "env."]),
        ("airr.evolve env=nanogpt_", ["env=nanogpt_small ", "env=nanogpt_tiny "]),
        ("airr.evolve search.e", ["search.epochs=", "search.early_stopping."]),
        ("airr.evolve env=grpo env.nam", ["env.name="]),
        ("airr.evolve env=grpo env.name=", ["env.name=grpo "]),
        ("airr.evolve once=", ["once=true ", "once=false "]),
        ("airr.evolve 'search.screen.rungs=[0.25]' llm=o", ["llm=offline ", "llm=openai "]),
        ("airr.evolve -m seed=1,2 search=tr", ["search=tree "]),
        ("airr.evolve -m search=tree,ev", ["search=tree,evolution "]),
        ("airr.evolve +", ["+dry_run=true ", "+site="]),
        ("airr.evolve +site=gres", ["+site=gres_gpus "]),
        ("airr.status --h", ["--help "]),
        ("airr.status env=", []),
        ("airr.evolve nonsense=1 en", []),
        ("airr.evolve data=/", []),
        ("airr.evolve 'campaign=a b", []),
        ("airr.nothing en", []),
    ],
)
def test_what_completes_a_word(line: str, words: list[str]):
    assert words_for(f"python -m {line}") == words


def test_campaigns_are_completed_by_name(tmp_path: Path):
    for name in ("large", "long", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "campaign.yaml").touch()
    (tmp_path / "lost").mkdir()
    line = f"python -m airr.status root={tmp_path} campaign=l"
    assert words_for(line) == ["campaign=large ", "campaign=long "]


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Generator[pexpect.spawn[str]]:
    """A shell that knows airr's completion, in a folder with one file."""
    (tmp_path / "file_of_mine").touch()
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "TERM": "dumb", "HOME": str(tmp_path)}
    name = request.param
    child = pexpect.spawn(
        name, SHELLS[name], cwd=tmp_path, env=environment, encoding="utf-8", timeout=60
    )
    child.setwinsize(50, 200)
    child.sendline(f"PS1='ready> '; eval \"$(python -m airr.completion {name})\"; echo com''plete")
    child.expect("\ncomplete")
    yield child
    child.close(force=True)


@pytest.mark.parametrize(
    ("typed", "becomes"),
    [
        ("python -m airr.ev\thelp", "python -m airr.evolve help"),
        ("python -m airr.evolve env=nanogpt_t\tend", "env=nanogpt_tiny end"),
        ("python -m airr.evolve search.epo\t5", "search.epochs=5"),
        ("python -m airr.evolve data=./fi\t", "data=./file_of_mine"),
        ("python fi\t", "python file_of_mine"),
    ],
)
def test_tab_completes(shell: pexpect.spawn[str], typed: str, becomes: str):
    shell.send(typed)
    shell.expect(re.escape(becomes))
