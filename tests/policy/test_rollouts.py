"""Rollouts as files, and what of an answer is thinking."""

from __future__ import annotations

from pathlib import Path

import pytest

from airr.errors import WorkspaceError
from airr.policy.rollouts import Group, Rollout, read_group, split_thinking, write_group

GROUP = Group(
    prompt=(1, 2, 3),
    rollouts=tuple(
        Rollout(
            place=place,
            tokens=(4, 5 + place),
            logprobs=(-0.5, -0.25),
            thinking="hm",
            text="[Experiment] \ufffd",
            thinking_tokens=1,
            finished=place == 0,
        )
        for place in range(2)
    ),
)


def test_a_group_comes_back_as_it_was_sampled(tmp_path: Path):
    write_group(tmp_path / "rollouts.parquet", GROUP)
    assert read_group(tmp_path / "rollouts.parquet") == GROUP


def test_what_is_not_asked_for_comes_empty(tmp_path: Path):
    write_group(tmp_path / "rollouts.parquet", GROUP)
    names = ["place", "text", "thinking_tokens", "finished", "tokens"]
    found = read_group(tmp_path / "rollouts.parquet", names).rollouts[1]
    assert (found.place, found.logprobs, found.thinking) == (1, (), "")


@pytest.mark.parametrize("bytes_kept", [0, 10, 400])
def test_a_torn_file_is_named_with_what_to_do(tmp_path: Path, bytes_kept: int):
    path = tmp_path / "rollouts.parquet"
    write_group(path, GROUP)
    path.write_bytes(path.read_bytes()[:bytes_kept])
    with pytest.raises(WorkspaceError, match=r"rollouts.parquet is damaged .* sampled again"):
        read_group(path)


@pytest.mark.parametrize(
    ("text", "thinking", "said"),
    [
        ("<think>let me see</think>\n\n[Experiment] x", "let me see", "[Experiment] x"),
        ("let me see</think>[Experiment] x", "let me see", "[Experiment] x"),
        ("<think>let me see, and see", "let me see, and see", ""),
        (" [Experiment] x", "", "[Experiment] x"),
    ],
)
def test_thinking_ends_where_the_model_ends_it(text: str, thinking: str, said: str):
    assert split_thinking(text) == (thinking, said)
