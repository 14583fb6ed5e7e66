"""Make the data of this environment, or find that it is there.

    python prepare.py SPEC.json

SPEC: {"train_data", "sealed_data", "preflight_train", "preflight_sealed": folders to fill,
"settings": {"source": "sums" or "math", "model", "data": folders, or null for the hub}}.

    train_data     model/ (config.json, tokenizer.json, safetensors), prompt.txt, problems.jsonl
    sealed_data    config.json, tokenizer.json, prompt.txt, problems.jsonl: what the scorer needs

and a manifest.json in each, written last. May be repeated at any time: folders whose files match
their manifest are left alone. Exits with 1 and one message where data cannot be made.
"""

from __future__ import annotations

import json
import random
import secrets
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "codebase"))

import math_problems
import sums
from folders import is_complete, start_folder, write_manifest
from math_problems import BadProblems, Record

from prompts import R1_ZERO, SUM

HUB_MODEL = "Qwen/Qwen2.5-Math-1.5B"
MODEL_FILES = ("config.json", "tokenizer.json", "*.safetensors")
SOURCE_OF_SUMS = "sums of two numbers of two digits, version 1"

# The preflight trains and scores on training problems alone: its tracebacks go back to the model
# that wrote the patch, and must not carry validation problems with them.
PREFLIGHT_TRAIN = slice(0, 256)
PREFLIGHT_SEALED = slice(256, 320)


class CannotPrepare(Exception):
    """Data is missing that this program does not make; the message says what to do."""


def main(spec_path: Path) -> None:
    """Fill the four folders of a spec."""
    spec = json.loads(spec_path.read_text(encoding="utf-8"))
    folders = {name: Path(spec[name]) for name in spec if name != "settings"}
    settings = spec["settings"]
    training = [sums.record(pair) for pair in sums.training_sums()]
    small = folders["preflight_train"]
    if not is_there(small, SOURCE_OF_SUMS):
        start_folder(small)
        make_adder(small / "model")
        write_problems(small, SUM, training[PREFLIGHT_TRAIN])
        write_manifest(small, SOURCE_OF_SUMS)
    seal(folders["preflight_sealed"], small, training[PREFLIGHT_SEALED], SOURCE_OF_SUMS, seed=0)
    if settings["source"] == "sums":
        fill_with_sums(folders, small, training)
    elif settings["source"] == "math":
        fill_with_math(folders, settings["model"], settings["data"])
    else:
        raise CannotPrepare(f"source={settings['source']!r} is unknown: it takes sums or math")


def is_there(folder: Path, source: str) -> bool:
    """Tell whether a folder is complete, and say so."""
    if not is_complete(folder, source):
        return False
    print(f"{folder}: there", flush=True)
    return True


def make_adder(folder: Path) -> None:
    """Make the model that has learned to add from a teacher who slips."""
    from warm_start import warm_start  # noqa: PLC0415 - torch, and only where it is not there yet

    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(sums.CONFIG, indent=1))
    (folder / "tokenizer.json").write_text(sums.tokenizer_json())
    warm_start(folder)


def fill_with_sums(folders: dict[str, Path], small: Path, training: Sequence[Record]) -> None:
    """Fill both folders; the problems to score on are drawn by a secret that is not kept."""
    train = folders["train_data"]
    if not is_there(train, SOURCE_OF_SUMS):
        start_folder(train)
        shutil.copytree(small / "model", train / "model")
        write_problems(train, SUM, training)
        write_manifest(train, SOURCE_OF_SUMS)
    known = frozenset(sums.training_sums())
    drawn = sums.draw(random.Random(secrets.randbits(128)), sums.VALIDATION, known)
    seal(folders["sealed_data"], train, [sums.record(pair) for pair in drawn], SOURCE_OF_SUMS)


def fill_with_math(folders: dict[str, Path], model: str | None, data: str | None) -> None:
    """Fill both folders with a model of Qwen2's architecture and MATH."""
    source = f"{data or 'MATH from the hub'} for {model or HUB_MODEL}"
    train = folders["train_data"]
    if is_complete(train, source) and is_there(folders["sealed_data"], source):
        print(f"{train}: there", flush=True)
        return
    problems, validation = math_problems.from_folder(Path(data)) if data else from_hub()
    start_folder(train)
    copy_model(Path(model) if model else fetch_model(), train / "model")
    write_problems(train, R1_ZERO, problems)
    write_manifest(train, source)
    seal(folders["sealed_data"], train, validation, source)


def from_hub() -> tuple[list[Record], list[Record]]:
    """Fetch MATH, or say what to do where there is no network."""
    try:
        return math_problems.from_hub()
    except OSError as error:
        raise CannotPrepare(
            f"MATH cannot be fetched from the hub ({error}). Where there is no network, copy a "
            "folder with train.jsonl and test.jsonl here and say prepare.data=FOLDER"
        ) from error


def fetch_model() -> Path:
    """Fetch the model, or say what to do where there is no network."""
    from huggingface_hub import snapshot_download  # noqa: PLC0415 - only where it is fetched

    try:
        return Path(snapshot_download(HUB_MODEL, allow_patterns=list(MODEL_FILES)))
    except OSError as error:
        raise CannotPrepare(
            f"{HUB_MODEL} cannot be fetched from the hub ({error}). Where there is no network, "
            "copy its folder here and say prepare.model=FOLDER"
        ) from error


def copy_model(source: Path, target: Path) -> None:
    """Copy what training needs of a model's folder."""
    target.mkdir()
    for pattern in MODEL_FILES:
        found = sorted(source.glob(pattern))
        if not found:
            raise CannotPrepare(f"{source} is no model: it has no {pattern}")
        for path in found:
            shutil.copyfile(path, target / path.name)
    kind = json.loads((target / "config.json").read_text(encoding="utf-8")).get("model_type")
    if kind != "qwen2":
        raise CannotPrepare(f"{source} is a model of type {kind}; the codebase knows qwen2")


def write_problems(folder: Path, prompt: str, problems: Sequence[Record]) -> None:
    """Write prompt.txt and problems.jsonl."""
    (folder / "prompt.txt").write_text(prompt, encoding="utf-8")
    lines = "".join(json.dumps(problem) + "\n" for problem in problems)
    (folder / "problems.jsonl").write_text(lines, encoding="utf-8")


def seal(
    folder: Path, train: Path, problems: Sequence[Record], source: str, seed: int | None = None
) -> None:
    """Fill a sealed folder with problems for the model of a training folder, unless it is there.

    Without a seed, what the scorer draws while it samples is a secret of this folder.
    """
    if is_there(folder, source):
        return
    start_folder(folder)
    for name in ("config.json", "tokenizer.json"):
        shutil.copyfile(train / "model" / name, folder / name)
    write_problems(folder, (train / "prompt.txt").read_text(encoding="utf-8"), problems)
    write_manifest(folder, source, seed=secrets.randbits(32) if seed is None else seed)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (CannotPrepare, BadProblems) as error:
        sys.exit(f"cannot prepare: {error}")
