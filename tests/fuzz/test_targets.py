"""Every parser of foreign input against what it was not made for; make fuzz goes further."""

import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.fuzz.mutation import mutated, stuffed
from tests.fuzz.table import TARGETS
from tests.fuzz.target import Escaped, own_folder

CORPUS = Path(__file__).parent / "corpus"
SIZES = (120_000, pytest.param(1_000_000, marks=pytest.mark.long))
SECONDS = 5
"""Of CPU, for an input of that size: a tenth of a second or two do for what is linear."""
MEGABYTES = 1500

every_target = pytest.mark.parametrize("name", TARGETS)


@every_target
def test_what_a_target_begins_with_is_what_its_parser_takes(name: str):
    took = [TARGETS[name](seed) for seed in TARGETS[name].seeds()]
    assert any(took)


@every_target
@settings(max_examples=20, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
@given(chance=st.integers(0, 2**32), noise=st.binary(max_size=60))
def test_nothing_foreign_is_more_than_refused(name: str, chance: int, noise: bytes):
    TARGETS[name](mutated(TARGETS[name], Random(chance)))
    TARGETS[name](noise)


@every_target
@pytest.mark.parametrize("size", SIZES)
def test_much_of_one_thing_ends_within_seconds_and_bounded_memory(name: str, size: int):
    target = TARGETS[name]
    with peak_of_memory() as peak:
        for data in stuffed(target, size):
            began = time.process_time()
            target(data)
            assert time.process_time() - began < SECONDS, f"{data[:20]!r}... takes too long"
    assert peak() < MEGABYTES


@contextmanager
def peak_of_memory() -> Generator[Callable[[], float]]:
    """Yield what tells by how many MB the process grew at most since the beginning."""
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmHWM")
    yield lambda: resident("VmHWM") - before


def resident(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(f"{name}:"))


@pytest.mark.parametrize(
    "path", sorted(CORPUS.glob("*/*")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_what_was_once_a_defect_is_none_any_more(path: Path):
    TARGETS[path.parent.name](path.read_bytes())


def test_the_fence_sees_every_way_out(tmp_path: Path):
    (tmp_path / "victim").write_text("x")
    ways: tuple[Callable[[Path], object], ...] = (
        lambda own: (tmp_path / "new").write_text("x"),
        lambda own: (tmp_path / "victim").unlink(),
        lambda own: (tmp_path / "folder").mkdir(),
        lambda own: (own / "mine").rename(tmp_path / "theirs"),
        lambda own: (own / ".." / "beside").write_text("x"),
    )
    for way in ways:
        with own_folder() as own:
            (own / "mine").write_text("x")
            with pytest.raises(Escaped):
                way(own)
    assert [path.name for path in tmp_path.iterdir()] == ["victim"]
