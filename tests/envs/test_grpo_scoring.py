"""The sealed scorer against honest and hostile checkpoints."""

import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from airr.records import Reason
from tests.envs import grpo

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def sealed() -> Iterator[Any]:
    """The scorer's modules score, graders and verdict, imported into this process."""
    names = ("score", "graders", "answers", "model", "sampling", "weights", "verdict")
    with grpo.modules(grpo.CODEBASE), grpo.modules(grpo.SEALED, *names) as found:
        yield dict(zip(names, found, strict=True))


@pytest.fixture
def checkpoint(grpo_data: Path, tmp_path: Path) -> Path:
    """A copy of the model that training begins with, as if training had saved it."""
    path = tmp_path / "out" / "model.safetensors"
    path.parent.mkdir()
    source = grpo_data / "train_data" / "model" / "model.safetensors"
    path.write_bytes(source.read_bytes())
    return path


@pytest.fixture
def report(sealed: Any, checkpoint: Path, grpo_data: Path) -> Callable[..., dict[str, Any]]:
    """Score the checkpoint in this process, on the few problems of the preflight."""

    def run(**changes: Any) -> dict[str, Any]:
        folder = grpo_data / "preflight_sealed"
        return sealed["score"].report(grpo.spec(checkpoint, folder, **changes))

    return run


def failure(report: dict[str, Any]) -> tuple[Reason, str]:
    assert "metric" not in report
    assert report["scorer_version"]
    return Reason(report["failed"]["reason"]), report["failed"]["detail"]


def change(checkpoint: Path, edit: Callable[[Weights], Any]) -> None:
    weights = load_file(checkpoint)
    edit(weights)
    save_file(weights, checkpoint)


def test_an_honest_score_is_the_share_of_right_sums(checkpoint: Path, grpo_data: Path, sealed: Any):
    report = grpo.score(checkpoint, grpo_data / "sealed_data")
    assert 0.2 < report["metric"] < 0.7, "the warm start leaves room on both sides"
    assert report["standard_error"] < 0.02
    assert (report["problems"], report["samples"]) == (500, 4)
    assert report["checkpoints"][0]["formatted"] > 0.95
    assert report["scorer_version"] == "grpo-1"

    # the same again, by the model's own whole sequences: how likely is each right response?
    score, sampling = sealed["score"], sealed["sampling"]
    exam = score.read_exam(grpo_data / "sealed_data", 500)
    config = sealed["model"].read_config(exam.folder / "config.json")
    model = sealed["weights"].load_stock(checkpoint, config)
    responses = [
        sampling.Response(prompt, seed=(5, index)) for index, prompt in enumerate(exam.prompts)
    ]
    sampling.Sampler(model, exam.tokenizer, 100).generate(responses, 24, 1.0)
    texts = exam.tokenizer.decode_batch([r.tokens for r in responses], skip_special_tokens=False)
    right = [
        text.endswith(f"</think> <answer> {truth} </answer>")
        for text, truth in zip(texts, exam.answers, strict=True)
    ]
    assert np.mean(right) == pytest.approx(report["metric"], abs=0.1)


def test_a_score_repeats_and_does_not_depend_on_the_batch(report: Any):
    first, again, narrow = report(), report(), report(rows=7)
    assert first["metric"] == again["metric"]
    assert narrow["metric"] == pytest.approx(first["metric"], abs=0.01)


def test_the_error_takes_the_samples_of_a_problem_together(sealed: Any):
    settings = sealed["score"].Settings(**grpo.SETTINGS.score_settings)
    tokenizer = sealed["score"].Tokenizer.from_str(
        json.dumps({"version": "1.0", "added_tokens": [], "decoder": {"type": "Fuse"},
                    "model": {"type": "WordLevel", "vocab": {"no": 0, "</think> <answer>": 1,
                              "5": 2, "</answer>": 3}, "unk_token": "no"}})
    )  # fmt: skip
    right, wrong = [1, 2, 3], [0]
    rows = [right] * 4 + [wrong] * 4 + [right, right, wrong, wrong]
    responses = [
        sealed["sampling"].Response([0], seed=(0,), tokens=tokens, ended=True) for tokens in rows
    ]
    exam = sealed["score"].Exam(
        folder=Path(), prompts=[[0]] * 3, answers=["5"] * 3, tokenizer=tokenizer, seed=0
    )
    found = sealed["score"].grade("x", responses, exam, settings, {"candidate": [], "python": ""})
    assert found.accuracy == 0.5
    assert found.standard_error == pytest.approx(0.5 / 3**0.5)
    assert found.formatted == 0.5


def test_half_precision_is_accepted(report: Any, checkpoint: Path):
    whole = report()["metric"]
    save_file({n: w.bfloat16() for n, w in load_file(checkpoint).items()}, checkpoint)
    assert report()["metric"] == pytest.approx(whole, abs=0.15)


def test_a_missing_checkpoint_or_a_link_is_none(report: Any, checkpoint: Path, tmp_path: Path):
    aside = tmp_path / "aside.safetensors"
    checkpoint.rename(aside)
    assert failure(report())[0] is Reason.NO_CHECKPOINT
    checkpoint.symlink_to(aside)
    assert failure(report())[0] is Reason.NO_CHECKPOINT


def header_of(length: int) -> bytes:
    return struct.pack("<Q", length)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"abc",
        b"PK\x03\x04 a pickle in a zip, as torch.save writes it" * 100,
        header_of(2**63),
        header_of(12) + b"no json here",
        header_of(2) + b"[]",
        header_of(100_000) + b"[" * 100_000,
    ],
)
def test_a_file_that_is_no_safetensors_is_a_bad_checkpoint(
    report: Any, checkpoint: Path, content: bytes
):
    checkpoint.write_bytes(content)
    assert failure(report())[0] is Reason.BAD_CHECKPOINT


def test_a_header_that_points_outside_of_the_file_is_a_bad_checkpoint(
    report: Any, checkpoint: Path
):
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    assert failure(report())[0] is Reason.BAD_CHECKPOINT


def test_weights_with_nan_are_not_finite(report: Any, checkpoint: Path):
    def poison(weights: Weights) -> None:
        weights["model.norm.weight"][3] = float("nan")

    change(checkpoint, poison)
    reason, detail = failure(report())
    assert reason is Reason.NOT_FINITE
    assert "model.norm.weight" in detail


def test_finite_weights_whose_answers_are_not_finite_are_told_so(report: Any, checkpoint: Path):
    change(checkpoint, lambda weights: weights["model.norm.weight"].fill_(3e38))
    assert failure(report())[0] is Reason.NOT_FINITE


def test_scoring_ends_at_its_time_limit(sealed: Any, checkpoint: Path, grpo_data: Path):
    given = grpo.spec(checkpoint, grpo_data / "sealed_data") | {"seconds": 0.01}
    assert failure(sealed["score"].report(given))[0] is Reason.OVER_BUDGET


def test_missing_problems_are_the_scorer_s_own_fault(sealed: Any, checkpoint: Path, tmp_path: Path):
    given = grpo.spec(checkpoint, tmp_path / "nowhere")
    reason, detail = failure(sealed["score"].report(given))
    assert reason is Reason.SCORER_ERROR
    assert "nowhere" in detail


# attacks: each would gain something, if the scorer believed what it is given


def test_answers_saved_as_another_architecture_gain_nothing(report: Any, checkpoint: Path):
    def memorise(weights: Weights) -> None:
        weights["lookup.answers"] = torch.arange(1000.0)

    change(checkpoint, memorise)
    reason, detail = failure(report())
    assert reason is Reason.BAD_CHECKPOINT
    assert "lookup.answers" in detail


def test_a_larger_model_of_the_same_names_gains_nothing(report: Any, checkpoint: Path):
    def widen(weights: Weights) -> None:
        name = "model.layers.0.mlp.up_proj.weight"
        weights[name] = torch.cat([weights[name]] * 2)

    change(checkpoint, widen)
    reason, detail = failure(report())
    assert reason is Reason.BAD_CHECKPOINT
    assert "[256, 64]" in detail


def test_weights_of_a_type_that_hides_more_gain_nothing(report: Any, checkpoint: Path):
    change(checkpoint, lambda w: w.update({n: t.double() for n, t in w.items()}))
    assert failure(report())[0] in {Reason.BAD_CHECKPOINT, Reason.TOO_LARGE}


def test_an_oversized_checkpoint_is_not_read(report: Any, checkpoint: Path):
    with checkpoint.open("ab") as file:
        file.truncate(10**9)
    reason, detail = failure(report())
    assert reason is Reason.TOO_LARGE
    assert "1,000,000,000 bytes" in detail


def test_code_and_settings_beside_the_checkpoint_change_nothing(
    report: Any, checkpoint: Path, tmp_path: Path
):
    """An edited tokenizer, chat template, generation config, remote code, shards and an index."""
    before = report()["metric"]
    trap = tmp_path / "executed"
    code = f"open({str(trap)!r}, 'w')\n"
    out = checkpoint.parent
    for name in (
        "modeling_qwen2.py",
        "model.py",
        "sitecustomize.py",
        "tokenizers.py",
        "conftest.py",
    ):
        (out / name).write_text(code)
    auto = {"AutoModelForCausalLM": "modeling_qwen2.Evil"}
    config = {"model_type": "qwen2", "auto_map": auto, "vocab_size": 1}
    (out / "config.json").write_text(json.dumps(config))
    generation = {"temperature": 0.01, "forced_bos_token_id": 7, "sequence_bias": [[[7], 100.0]]}
    (out / "generation_config.json").write_text(json.dumps(generation))
    (out / "tokenizer.json").write_text("{}")
    (out / "prompt.txt").write_text("{problem} is {answer}")
    (out / "chat_template.jinja").write_text("{{ answer }}")
    (out / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    save_file({"a": torch.zeros(1)}, out / "model-00001-of-00002.safetensors")
    assert report()["metric"] == before
    assert not trap.exists()


def test_the_metadata_of_a_checkpoint_changes_nothing(report: Any, checkpoint: Path):
    before = report()["metric"]
    save_file(load_file(checkpoint), checkpoint, metadata={"format": "pt", "accuracy": "1.0"})
    assert report()["metric"] == before


def test_a_policy_that_answers_twice_gains_nothing(sealed: Any):
    guesses = [f" </think> <answer> {n} </answer>" for n in range(2)]
    assert sealed["answers"].extract_answer("".join(guesses)) is None
    assert not sealed["answers"].is_same("0 or 1", "1")


def test_an_answer_that_takes_for_ever_is_wrong_and_costs_its_time_alone(sealed: Any):
    python = grpo.spec(Path("x"), Path("x"))["python"]
    graders = sealed["graders"]
    command = (python, "-I", "-B", str(graders.GRADER), str(grpo.CODEBASE))
    pairs = [("9^{9^{9^{9^{9}}}}", "\\frac{1}{3}"), ("\\frac{2}{6}", "\\frac{1}{3}"), ("4", "4")]
    verdicts, undecided = graders.grade_all(pairs, command, processes=1, seconds=2.0)
    assert verdicts == [False, True, True]
    assert undecided <= 1


# several checkpoints


def test_max_takes_the_best_checkpoint_and_says_so(report: Any, checkpoint: Path):
    last, good = report()["metric"], load_file(checkpoint)
    save_file(good, checkpoint.with_name("checkpoint_02.safetensors"))
    change(checkpoint, lambda weights: weights["model.norm.weight"].fill_(0.0))
    plain, best = report(), report(checkpoints="max")
    assert plain["metric"] < last
    assert best["metric"] == last
    assert plain["scorer_version"] == "grpo-1"
    assert best["scorer_version"] == "grpo-1-max"
    assert "maximum over 2 checkpoints" in best["measure"]
    names = [each["checkpoint"] for each in best["checkpoints"]]
    assert names == ["checkpoint_02.safetensors", "model.safetensors"]


def test_more_than_ten_checkpoints_are_not_looked_at(report: Any, checkpoint: Path):
    for number in (*range(1, 13), 99):
        other = checkpoint.with_name(f"checkpoint_{number:02d}.safetensors")
        other.write_bytes(checkpoint.read_bytes())
    assert len(report(checkpoints="max", samples=1)["checkpoints"]) == 10
