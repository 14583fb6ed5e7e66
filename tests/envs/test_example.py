"""The scikit-learn environment: its ideas, and its scorer against hostile models in a sandbox."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import time
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from airr.executor.codebases import Tree, read_tree
from airr.executor.diffs import Rejection, apply_answer
from airr.llm.catalogue import Catalogue, Recipe
from airr.records import Reason
from airr.resources import resource
from airr.worker.sandbox import View, _library_files, hidden_modules, shield
from tests.envs import nanogpt

FOLDER = resource("envs") / "example"
SETTINGS = nanogpt.settings("example")
CATALOGUE = Catalogue.read(FOLDER / "catalogue")
BASELINE = read_tree(FOLDER / "codebase")

HOSTILE = """
import os, pathlib, sys, time
import numpy as np

class Pipes:
    def predict(self, pixels):
        os.write(1, b"accuracy: 1.0 " * 100)
        return np.zeros(len(pixels), int)

class Short(Pipes):
    def predict(self, pixels):
        return np.zeros(3, int)

class Slow(Pipes):
    def predict(self, pixels):
        time.sleep(600)

class Flood(Pipes):
    def predict(self, pixels):
        while True:
            os.write(2, b"x" * 65536)

class Broken(Pipes):
    def predict(self, pixels):
        raise RuntimeError("no idea")

class Reader(Pipes):
    def predict(self, pixels):
        return np.load(SEALED)

class Library(Pipes):
    def predict(self, pixels):
        from sklearn.datasets import load_digits
        return load_digits(return_X_y=True)[1][-len(pixels):]

class Writer(Pipes):
    def predict(self, pixels):
        asked = os.open("/proc/self/fd/0", os.O_WRONLY)
        os.write(asked, bytes(1000))
        return np.zeros(len(pixels), int)
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("example")
    spec = root / "spec.json"
    spec.write_text(json.dumps({name: str(root / name) for name in nanogpt.DATA_FOLDERS}))
    subprocess.run([sys.executable, FOLDER / "prepare.py", spec], check=True, capture_output=True)
    return root


@pytest.fixture
def hostile(tmp_path: Path, data: Path) -> Path:
    """A codebase with a module of hostile models."""
    codebase = tmp_path / "codebase"
    codebase.mkdir()
    sealed = str(data / "sealed_data" / "digits.npy")
    (codebase / "hostile.py").write_text(HOSTILE.replace("SEALED", repr(sealed)))
    return codebase


def score(codebase: Path, model: bytes, sealed: Path, seconds: float = 20.0) -> dict[str, Any]:
    """Run the sealed scorer on a pickled model, which answers in a sandbox."""
    home, saved = codebase.parent / "home", codebase.parent / "model.pickle"
    home.mkdir()
    saved.write_bytes(model)
    view = View(
        readable=(str(FOLDER), str(codebase), str(saved)),
        writable=(),
        temporary=(str(home),),
        hidden=(str(sealed),),
        hidden_modules=hidden_modules(str(sealed)),
        folder=str(codebase),
        environment={"PATH": os.environ["PATH"], "HOME": str(home)},
        memory_bytes=10**9,
        gpus=0,
        network=False,
    )
    report, spec = codebase.parent / "report.json", codebase.parent / "score.json"
    asked = {
        "codebase": str(codebase),
        "checkpoint": str(saved),
        "sealed_data": str(sealed),
        "report": str(report),
        "candidate": shield("bubblewrap", view),
        "python": sys.executable,
        "seconds": seconds,
    }
    spec.write_text(json.dumps(asked))
    argv = [sys.executable, "-B", str(FOLDER / "sealed" / "score.py"), str(spec)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return json.loads(report.read_text())


def model_of(name: str) -> bytes:
    """Return the pickle of an instance of one of the hostile classes."""
    return f"chostile\n{name}\n(tR.".encode()


def test_an_honest_score_is_the_share_of_right_answers_with_its_error(
    tmp_path: Path, data: Path, hostile: Path
):
    report = score(hostile, model_of("Pipes"), data / "sealed_data")
    zeros = np.load(data / "sealed_data" / "digits.npy") == 0
    assert report["metric"] == zeros.mean()
    assert report["standard_error"] == pytest.approx(zeros.std(ddof=1) / np.sqrt(797))
    assert report["images"] == 797


@pytest.mark.parametrize(
    ("name", "reason", "told"),
    [
        ("Short", Reason.CRASH, "before it had answered"),
        ("Slow", Reason.OVER_BUDGET, "time for scoring was over"),
        ("Flood", Reason.CRASH, "xxxx"),
        ("Broken", Reason.CRASH, "RuntimeError: no idea"),
        ("Reader", Reason.CRASH, "No such file or directory"),
        ("Library", Reason.CRASH, "load_digits"),
        ("Missing", Reason.BAD_CHECKPOINT, "Can't get attribute 'Missing'"),
    ],
)
def test_a_hostile_model_ends_as_a_failure_with_its_reason(
    name: str, reason: Reason, told: str, data: Path, hostile: Path
):
    seconds = 2.0 if reason is Reason.OVER_BUDGET else 20.0
    began = time.monotonic()
    report = score(hostile, model_of(name), data / "preflight_sealed", seconds)
    assert time.monotonic() - began < 60
    assert report["failed"]["reason"] == reason
    assert told in report["failed"]["detail"]
    assert len(report["failed"]["detail"]) < 5000


def test_a_model_that_writes_over_its_questions_changes_no_sealed_file(data: Path, hostile: Path):
    sealed = data / "sealed_data"
    before = {path.name: path.read_bytes() for path in sealed.iterdir()}
    assert "metric" in score(hostile, model_of("Writer"), sealed), "it could write"
    assert {path.name: path.read_bytes() for path in sealed.iterdir()} == before


def test_a_pickle_that_runs_code_runs_it_where_there_is_nothing_to_gain(
    tmp_path: Path, data: Path, hostile: Path
):
    written = tmp_path / "home" / "escaped"
    code = pickle.dumps(print)[:-1] + f"0cos\nsystem\n(Vtouch {written}\ntR.".encode()
    report = score(hostile, code, data / "preflight_sealed")
    assert "metric" not in report
    assert not written.exists()


def test_sealed_images_are_those_of_nobody_who_wrote_the_others(data: Path):
    seen = np.load(data / "train_data" / "pixels.npy")
    sealed = np.load(data / "sealed_data" / "pixels.npy")
    assert not {image.tobytes() for image in seen} & {image.tobytes() for image in sealed}
    preflight = np.load(data / "preflight_sealed" / "pixels.npy")
    assert {image.tobytes() for image in preflight} <= {image.tobytes() for image in seen}


@pytest.mark.parametrize("packages", ["lib/python3.11/site-packages", "lib/python3/dist-packages"])
@pytest.mark.parametrize("is_shown_alone", [True, False])
def test_the_librarys_own_copy_is_hidden_wherever_packages_are_installed(
    packages: str, is_shown_alone: bool, data: Path, tmp_path: Path
):
    copy = tmp_path / packages / "sklearn" / "datasets" / "data" / "digits.csv.gz"
    copy.parent.mkdir(parents=True)
    copy.touch()
    shown = str(tmp_path / packages if is_shown_alone else tmp_path)
    for folder in ("train_data", "sealed_data", "preflight_train", "preflight_sealed"):
        assert (data / folder / "hidden.txt").exists()
    assert str(copy) in _library_files(hidden_modules(str(data / "sealed_data")), [shown])


def apply(recipe: Recipe, revision: int = 1) -> Tree | Rejection:
    diffs = CATALOGUE.diffs_of(recipe, revision)
    answer = "\n\n".join(f"```diff\n{diff}\n```" for diff in diffs)
    return apply_answer(
        answer, BASELINE, editable=SETTINGS.editable, limit_kb=SETTINGS.patch_limit_kb
    )


@pytest.mark.parametrize("slug", CATALOGUE.entries)
def test_every_idea_applies_and_its_numbers_stand_in_its_words(slug: str):
    entry = CATALOGUE.entries[slug]
    tree = apply((entry.default(),))
    assert not isinstance(tree, Rejection), tree
    assert tree != BASELINE
    for number in entry.numbers:
        for text in (entry.experiment, entry.changes, entry.diff):
            assert f"<<{number}>>" in text


def test_the_catalogue_has_cheats_and_an_idea_that_is_mended():
    assert [entry.slug for entry in CATALOGUE.entries.values() if entry.cheat]
    refused = apply((CATALOGUE.entries["edges"].default(),), revision=0)
    assert isinstance(refused, Rejection)
    assert refused.reason is Reason.SYNTAX


def test_ideas_of_different_groups_mostly_apply_one_after_the_other():
    pairs = [
        (one.default(), other.default())
        for one, other in combinations(CATALOGUE.entries.values(), 2)
        if one.group != other.group
    ]
    combined = sum(not isinstance(apply(pair), Rejection) for pair in pairs)
    assert combined / len(pairs) > 0.85
