"""Preparation: what is made, what is kept, and what is refused."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.envs import grpo
from tests.envs.test_grpo_answers import MATH


def records(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "problems.jsonl").read_text().splitlines()]


@pytest.fixture
def prepared(grpo_data: Path, tmp_path: Path) -> Path:
    """A copy of the prepared data, to be changed."""
    return shutil.copytree(grpo_data, tmp_path / "data")


def test_no_problem_to_score_on_is_one_to_train_on(grpo_data: Path):
    train, sealed = records(grpo_data / "train_data"), records(grpo_data / "sealed_data")
    assert (len(train), len(sealed)) == (4096, 500)
    assert not {r["problem"] for r in train} & {r["problem"] for r in sealed}
    for record in (*train, *sealed):
        assert int(record["answer"]) == sum(map(int, record["problem"].split("+")))


def test_the_preflight_sees_training_problems_alone(grpo_data: Path):
    train = {record["problem"] for record in records(grpo_data / "train_data")}
    for name in ("preflight_train", "preflight_sealed"):
        assert {record["problem"] for record in records(grpo_data / name)} < train


def test_the_scorer_has_the_tokenizer_and_prompt_of_training(grpo_data: Path):
    train, sealed = grpo_data / "train_data", grpo_data / "sealed_data"
    assert (train / "prompt.txt").read_bytes() == (sealed / "prompt.txt").read_bytes()
    for name in ("config.json", "tokenizer.json"):
        assert (train / "model" / name).read_bytes() == (sealed / name).read_bytes()
    assert not list(sealed.glob("*.safetensors"))


def test_what_is_there_is_kept_and_what_is_damaged_is_made_again(prepared: Path):
    problems = prepared / "train_data" / "problems.jsonl"
    whole = problems.read_bytes()
    problems.write_bytes(whole[:-20])
    secret = (prepared / "sealed_data" / "problems.jsonl").read_bytes()
    done = grpo.prepare(prepared, source="sums")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(": there") == 3
    assert problems.read_bytes() == whole
    assert (prepared / "sealed_data" / "problems.jsonl").read_bytes() == secret


def test_problems_to_score_on_are_drawn_anew_and_cannot_be_foretold(prepared: Path):
    before = records(prepared / "sealed_data")
    shutil.rmtree(prepared / "sealed_data")
    grpo.prepare(prepared, source="sums")
    after = records(prepared / "sealed_data")
    both = {r["problem"] for r in before} & {r["problem"] for r in after}
    assert len(both) < 150, "of 500 out of 5,904, some 40 are the same by chance"
    seeds = [
        json.loads((prepared / name / "manifest.json").read_text()).get("sampling_seed")
        for name in ("train_data", "preflight_sealed", "sealed_data")
    ]
    assert seeds[:2] == [None, 0]
    assert seeds[2] > 0


@pytest.fixture
def folders(prepared: Path) -> tuple[Path, Path]:
    """A model's folder and a folder of problems, as a user has them."""
    data = prepared.parent / "mine"
    data.mkdir()
    (data / "train.jsonl").write_text('{"problem": "1+1?", "answer": "2", "level": 1}\n' * 3)
    (data / "test.jsonl").write_text('{"problem": "1+2?", "answer": "\\\\frac{6}{2}"}\n')
    return prepared / "train_data" / "model", data


def prepare_math(prepared: Path, model: Path, data: Path) -> Any:
    shutil.copytree(model, prepared.parent / "model", dirs_exist_ok=True)
    for name in ("train_data", "sealed_data"):
        shutil.rmtree(prepared / name, ignore_errors=True)
    model = prepared.parent / "model"
    return grpo.prepare(prepared, source="math", model=str(model), data=str(data))


def test_a_model_and_problems_in_folders_are_taken(prepared: Path, folders: tuple[Path, Path]):
    done = prepare_math(prepared, *folders)
    assert done.returncode == 0, done.stderr
    assert records(prepared / "train_data") == [{"problem": "1+1?", "answer": "2"}] * 3
    assert records(prepared / "sealed_data") == [{"problem": "1+2?", "answer": "\\frac{6}{2}"}]
    assert (prepared / "train_data" / "model" / "model.safetensors").exists()
    assert (
        "User: {problem}\nAssistant: <think>"
        in (prepared / "sealed_data" / "prompt.txt").read_text()
    )


def test_math_where_it_lies_is_taken(prepared: Path, folders: tuple[Path, Path]):
    if not MATH.exists():
        pytest.skip(f"{MATH} is not there")
    done = prepare_math(prepared, folders[0], MATH)
    assert done.returncode == 0, done.stderr
    assert len(records(prepared / "train_data")) == 7498
    assert len(records(prepared / "sealed_data")) == 500


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("test.jsonl", '{"problem": "1+1?", "answer": "2"}\n', "1 of them the same"),
        ("test.jsonl", "", "0 to score on"),
        ("train.jsonl", '{"problem": "1+1?"}\n', "holds no problems with answers"),
        ("test.jsonl", '{"problem": "2+2?", "answer": " "}\n', "0 to score on"),
        ("train.jsonl", "<html>", "holds no problems with answers"),
    ],
)
def test_foreign_problems_are_refused_by_name(
    prepared: Path, folders: tuple[Path, Path], name: str, text: str, complaint: str
):
    (folders[1] / name).write_text(text)
    done = prepare_math(prepared, *folders)
    assert done.returncode == 1
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_of_another_kind_is_refused(prepared: Path, folders: tuple[Path, Path]):
    config = folders[0] / "config.json"
    config.write_text(config.read_text().replace("qwen2", "llama"))
    done = prepare_math(prepared, *folders)
    assert done.returncode == 1
    assert "type llama" in done.stderr


@pytest.fixture
def math_problems() -> Iterator[Any]:
    with grpo.modules(grpo.FOLDER, "math_problems") as (found,):
        yield found


@pytest.mark.parametrize(
    ("solution", "answer"),
    [
        ("so $\\boxed{\\frac{1}{2}}$.", "\\frac{1}{2}"),
        ("first \\boxed{1}, then \\fbox{2}", "2"),
        ("thus $\\boxed 7$.", "7"),
    ],
)
def test_an_answer_is_what_stands_in_the_last_box(math_problems: Any, solution: str, answer: str):
    assert math_problems.boxed(solution) == answer


def test_a_solution_without_a_box_is_refused(math_problems: Any):
    with pytest.raises(math_problems.BadProblems, match="no boxed answer"):
        math_problems.boxed("the answer is 7")
