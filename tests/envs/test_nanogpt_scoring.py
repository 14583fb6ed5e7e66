"""The sealed scorer against honest and hostile candidates, all of them real processes."""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
import torch

from airr.composition import compositions
from airr.executor.plans import preflight_plan, training_plan
from airr.parsing import parse_config
from airr.records import Reason
from tests.envs import nanogpt

# Code that finds the pipe to the scorer, or the memory of its answers, as a hostile model.py might.
FIND_PIPE = """
import os, stat
def pipes():
    for number in range(3, 64):
        try:
            if stat.S_ISFIFO(os.fstat(number).st_mode):
                yield number
        except OSError:
            pass
def write_to_all(data):
    for number in pipes():
        try:
            os.write(number, data)
        except OSError:
            pass
"""


SAY = """
import struct, time
write_to_all(b"say:" + struct.pack("<3I", {rows}, {columns}, {size}))
time.sleep(20)
"""
FIND_MEMORY = """
import os
def descriptor():
    for name in os.listdir("/proc/self/fd"):
        if os.readlink(f"/proc/self/fd/{name}").startswith("/memfd:logits"):
            return int(name)
"""


@pytest.fixture
def checkpoint(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained baseline, in an output folder of its own."""
    path = tmp_path / "out" / "checkpoint.pt"
    path.parent.mkdir()
    path.write_bytes(trained.read_bytes())
    return path


@pytest.fixture(scope="module")
def honest(trained: Path, data: Path) -> float:
    """The baseline's score on the short text that these tests score on."""
    return nanogpt.score(trained, data / "preflight_sealed")["metric"]


@pytest.fixture
def run(checkpoint: Path, data: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Score the checkpoint with a codebase in which some files are replaced."""

    def score(files: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
        codebase = nanogpt.candidate(Path(mkdtemp(dir=tmp_path)) / "codebase", files or {})
        return nanogpt.score(checkpoint, data / "preflight_sealed", codebase=codebase, **options)

    return score


def failure(report: dict[str, Any]) -> tuple[Reason, str]:
    assert "metric" not in report
    assert report["scorer_version"]
    return Reason(report["failed"]["reason"]), report["failed"]["detail"]


def model_py(*, start: str = "", old: str = "", new: str = "") -> dict[str, str]:
    """Return a model.py with code put before it, and one passage replaced."""
    text = (nanogpt.CODEBASE / "model.py").read_text()
    assert not old or text.count(old) == 1
    return {"model.py": start + (text.replace(old, new) if old else text)}


LOGITS = "        logits = F.linear(norm(x), self.token_embedding.weight)\n"


def test_an_honest_score_equals_the_loss_computed_directly(checkpoint: Path, data: Path):
    sealed = data / "sealed_data"
    report = nanogpt.score(checkpoint, sealed)
    raw = np.fromfile(sealed / "000000.bin", "<u2", offset=1024).astype(np.int64)
    count = len(raw) // 65
    sequences = torch.from_numpy(raw[: count * 65]).view(count, 65)
    inputs, targets = sequences[:, :-1], sequences[:, 1:]
    saved = torch.load(checkpoint, weights_only=True)
    with nanogpt.modules(nanogpt.CODEBASE, "config", "model") as (config, model):
        gpt = model.GPT(config.Config(**saved["config"])).eval()
        gpt.load_state_dict(saved["weights"])
        with torch.inference_mode():
            logits, _ = gpt(inputs)
    losses = torch.nn.functional.cross_entropy(
        logits.double().flatten(0, 1), targets.reshape(-1), reduction="none"
    ).view(count, 64)
    error = losses.mean(dim=1).std().item() / count**0.5
    assert report["metric"] == pytest.approx(losses.mean().item(), abs=1e-5)
    assert report["standard_error"] == pytest.approx(error, abs=1e-5)
    assert (report["tokens"], report["sequences"]) == (count * 64, count)
    assert report["protocol"] == "stream"
    assert report["standard_error"] < 0.015


def test_what_a_candidate_prints_never_reaches_the_score(run: Any, honest: float):
    start = (
        "import os, sys\n"
        "print('{\"metric\": 0.1}' * 10_000, flush=True)\n"
        "print('val_loss: 0.1' * 100_000, file=sys.stderr, flush=True)\n"
        "os.write(1, b'say:' + bytes(100_000))\n"
    )
    report = run(model_py(start=start, old=LOGITS, new="        print('val_loss: 0.1')\n" + LOGITS))
    assert report["metric"] == honest


def test_unnormalised_answers_gain_nothing(run: Any, honest: float):
    report = run(model_py(old=LOGITS, new=LOGITS + "        logits = logits + 1000\n"))
    assert report["metric"] == pytest.approx(honest, abs=1e-4)


def test_over_confident_answers_cost_their_model(run: Any, honest: float):
    report = run(model_py(old=LOGITS, new=LOGITS + "        logits = logits * 10\n"))
    assert report["metric"] > honest + 1


def test_columns_beyond_the_vocabulary_take_their_share_of_the_probability(run: Any, honest: float):
    padded = LOGITS + "        logits = F.pad(logits, (0, 44), value=100.0)\n"
    assert run(model_py(old=LOGITS, new=padded))["metric"] > honest + 10


def test_a_model_that_reads_the_next_token_is_not_causal(data: Path, tmp_path: Path):
    new = (
        "        later = torch.roll(self.token_embedding(tokens), -1, dims=1)\n"
        "        for block in self.blocks:\n"
        "            x = block(x + later, cache)\n"
    )
    old = "        for block in self.blocks:\n            x = block(x, cache)\n"
    codebase = nanogpt.candidate(tmp_path / "codebase", model_py(old=old, new=new))
    out = tmp_path / "out"
    nanogpt.train(out, data / "train_data", codebase=codebase, AIRR_STEPS="30")
    sealed = data / "preflight_sealed"
    reason, detail = failure(nanogpt.score(out / "checkpoint.pt", sealed, codebase=codebase))
    assert reason is Reason.NOT_CAUSAL
    assert "revealed one at a time" in detail


def test_a_model_with_nan_is_not_finite(run: Any, checkpoint: Path):
    saved = torch.load(checkpoint, weights_only=True)
    saved["weights"]["blocks.1.mlp.up.weight"][0, 0] = float("nan")
    torch.save(saved, checkpoint)
    assert failure(run())[0] is Reason.NOT_FINITE


def test_a_target_without_any_probability_is_not_finite(run: Any):
    impossible = (
        LOGITS + "        logits = logits.index_fill(2, tokens.new_tensor([101]), float('-inf'))\n"
    )
    assert failure(run(model_py(old=LOGITS, new=impossible)))[0] is Reason.NOT_FINITE


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all" * 100])
def test_a_file_that_is_no_checkpoint_is_a_bad_one(run: Any, checkpoint: Path, content: bytes):
    checkpoint.write_bytes(content)
    assert failure(run())[0] is Reason.BAD_CHECKPOINT


def test_a_pickle_that_executes_is_refused_unopened(run: Any, checkpoint: Path, tmp_path: Path):
    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (str(tmp_path / "executed"), "w")

    torch.save({"config": {}, "weights": Payload()}, checkpoint, pickle_module=pickle)
    with zipfile.ZipFile(checkpoint) as archive:
        assert b"executed" in archive.read("checkpoint/data.pkl")
    assert failure(run())[0] is Reason.BAD_CHECKPOINT
    assert not (tmp_path / "executed").exists()


def test_weights_of_another_model_are_a_bad_checkpoint_with_the_names(run: Any, checkpoint: Path):
    saved = torch.load(checkpoint, weights_only=True)
    saved["weights"]["blocks.0.gate.weight"] = saved["weights"].pop("blocks.0.mlp.up.weight")
    torch.save(saved, checkpoint)
    reason, detail = failure(run())
    assert reason is Reason.BAD_CHECKPOINT
    assert "blocks.0.mlp.up.weight" in detail


def test_a_link_in_place_of_a_checkpoint_is_not_followed(run: Any, checkpoint: Path, trained: Path):
    checkpoint.unlink()
    checkpoint.symlink_to(trained)
    assert failure(run())[0] is Reason.NO_CHECKPOINT


def test_a_predictor_that_hangs_is_ended_at_the_time_limit(run: Any):
    report = run(model_py(start="import time\ntime.sleep(1000)\n"), seconds=4.0)
    assert failure(report)[0] is Reason.OVER_BUDGET
    assert report["seconds"] < 5


def test_a_predictor_that_reads_nothing_and_writes_for_ever_is_ended(run: Any):
    start = FIND_PIPE + "while True:\n    write_to_all(bytes(1 << 20))\n"
    report = run(model_py(start=start))
    assert failure(report)[0] is Reason.CRASH
    assert report["seconds"] < 10


def test_an_answer_of_impossible_size_is_not_received(run: Any):
    start = FIND_PIPE + "write_to_all(b'say:' + bytes([255]) * 12)\n"
    reason, detail = failure(run(model_py(start=start)))
    assert reason is Reason.CRASH
    assert "[4294967295, 4294967295]" in detail


def test_answers_that_change_while_they_are_read_gain_nothing(run: Any, honest: float):
    """A sum over small numbers and a target among great ones would be a loss below zero."""
    start = FIND_MEMORY + (
        "import mmap, threading\n"
        "def flip():\n"
        "    shared = mmap.mmap(descriptor(), 1 << 18)\n"
        "    while True:\n"
        "        for high in (b'\\0\\0\\xa0\\xc1', b'\\0\\0\\xa0\\x41'):\n"
        "            shared[:] = high * (1 << 16)\n"
        "threading.Thread(target=flip, daemon=True).start()\n"
    )
    report = run(model_py(start=start), compared=0, tolerance=1e9)
    assert report["metric"] > honest + 0.1


def test_answers_that_were_cut_off_are_a_crash(run: Any):
    start = (
        FIND_PIPE
        + FIND_MEMORY
        + ("os.truncate(descriptor(), 1000)\n" + SAY.format(rows=63, columns=256, size=4))
    )
    reason, detail = failure(run(model_py(start=start)))
    assert reason is Reason.CRASH
    assert "cut off the memory" in detail


def test_answers_in_numbers_of_another_size_are_no_answers(run: Any):
    start = FIND_PIPE + SAY.format(rows=63, columns=256, size=8)
    reason, detail = failure(run(model_py(start=start)))
    assert reason is Reason.CRASH
    assert "numbers of 8 bytes" in detail


def test_bfloat16_is_scored_as_what_it_stands_for(run: Any, honest: float):
    found, same = (
        run(model_py(old=LOGITS, new=f"{LOGITS}        logits = logits.bfloat16(){wider}\n"))
        for wider in ("", ".float()")
    )
    assert found["metric"] == same["metric"]
    assert found["metric"] == pytest.approx(honest, abs=1e-3)


def test_losses_of_as_many_columns_as_gpt2_are_right():
    """As many rows as several threads share."""
    torch.manual_seed(0)
    logits, targets = 5 * torch.randn(100, 50_304), torch.randint(50_257, (100,))
    expected = torch.nn.functional.cross_entropy(logits.double(), targets, reduction="none")
    with nanogpt.modules(nanogpt.SEALED, "losses") as (losses,):
        found = losses.cross_entropy(logits.numpy(), targets.numpy().astype(np.uint16))
    assert found == pytest.approx(expected.numpy(), abs=1e-5)


def test_a_crash_is_told_with_its_last_lines(run: Any):
    new = LOGITS + "        if cache.length == 10:\n            raise KeyError('lost')\n"
    reason, detail = failure(run(model_py(old=LOGITS, new=new)))
    assert reason is Reason.CRASH
    assert "KeyError: 'lost'" in detail


def test_a_predictor_that_leaves_without_a_word_has_crashed(run: Any):
    reason, detail = failure(run(model_py(start="import os\nos._exit(0)\n")))
    assert reason is Reason.CRASH
    assert "exit code 0" in detail


def test_a_killed_predictor_is_out_of_memory(run: Any):
    start = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    assert failure(run(model_py(start=start)))[0] is Reason.OOM


def test_answers_of_the_wrong_shape_are_told_with_it(run: Any):
    narrow = LOGITS + "        logits = logits[..., :200]\n"
    reason, detail = failure(run(model_py(old=LOGITS, new=narrow)))
    assert reason is Reason.CRASH
    assert "[63, 200]" in detail


def test_missing_validation_data_is_the_scorer_s_own_fault(checkpoint: Path, tmp_path: Path):
    reason, detail = failure(nanogpt.score(checkpoint, tmp_path / "nowhere"))
    assert reason is Reason.SCORER_ERROR
    assert "nowhere" in detail


def test_sequences_share_no_token(data: Path):
    """The first token of one would tell the last one of another that is asked for beside it."""
    with nanogpt.modules(nanogpt.SEALED, "validation") as (validation,):
        found = validation.read_validation(data / "sealed_data", 10**9).sequences
    raw = np.fromfile(data / "sealed_data" / "000000.bin", "<u2", offset=1024)
    assert found.shape == (len(raw) // 65, 65)
    assert (found.reshape(-1) == raw[: found.size]).all()


def test_audit_and_stream_agree_on_an_honest_model(run: Any, honest: float, tmp_path: Path):
    report = run(protocol="audit", whole=16)
    assert report["metric"] == pytest.approx(honest, abs=1e-3)
    assert report["protocol"] == "audit"


def test_an_honest_model_under_bf16_autocast_passes_both_protocols_with_one_score(
    run: Any, honest: float
):
    """As on a GPU, where the same answer is rounded otherwise on another way to it."""
    old = "    def forward(self, tokens: Tensor, cache"
    model = model_py(old=old, new=f'    @torch.autocast("cpu", torch.bfloat16)\n{old}')
    tolerances = {"tolerance": 0.005, "probe_tolerance": 0.25}  # those of env=nanogpt
    stream, audit = (
        run(model, protocol=protocol, whole=16, **tolerances) for protocol in ("stream", "audit")
    )
    assert stream["metric"] == pytest.approx(honest, abs=5e-3)
    assert stream["metric"] != honest
    assert audit["metric"] == pytest.approx(stream["metric"], abs=1e-3)


def test_no_second_process_is_asked_where_none_is_wanted(run: Any, honest: float):
    report = run(compared=0)
    assert report["metric"] == pytest.approx(honest, abs=1e-5)
    assert report["compared"] == 0


def test_a_preflight_asks_no_second_process():
    (raw,) = compositions("evolve", ["cluster=local", "llm=offline"])
    config = parse_config({key: raw[key] for key in raw.keys() - {"fork", "once"}})
    wanted = training_plan(config).score_settings | {"protocol": "stream", "compared": 0}
    assert preflight_plan(config).score_settings == wanted


def test_an_audit_without_a_second_process_is_refused(run: Any):
    reason, detail = failure(run(protocol="audit", compared=0))
    assert reason is Reason.SCORER_ERROR
    assert "only a second process tells probes" in detail


def test_predictors_side_by_side_give_the_score_of_one(run: Any, honest: float):
    report = run(predictors=3, batch=16)
    assert report["metric"] == pytest.approx(honest, abs=1e-5)
    assert report["predictors"] == 3


def test_a_crash_of_one_predictor_among_several_is_told(run: Any):
    new = LOGITS + "        if cache.length == 10:\n            raise KeyError('lost')\n"
    report = run(model_py(old=LOGITS, new=new), predictors=2)
    assert failure(report)[0] is Reason.CRASH


def test_loading_a_model_takes_no_longer_than_it_may(run: Any):
    start = "import time\ntime.sleep(1000)\n"
    reason, detail = failure(run(model_py(start=start), start_seconds=5.0))
    assert reason is Reason.OVER_BUDGET
    assert "loading the model" in detail


def test_an_audit_probes_what_stands_before_a_foreign_ending(run: Any):
    """The untrained mixture of later tokens changes no loss by much; a probe sees that it does."""
    mixed = LOGITS + "        logits = logits + 0.01 * logits.mean(dim=1, keepdim=True)\n"
    reason, detail = failure(run(model_py(old=LOGITS, new=mixed), protocol="audit", whole=16))
    assert reason is Reason.NOT_CAUSAL
    assert "with other tokens behind position" in detail


def test_answers_that_depend_on_the_company_are_refused_though_nothing_is_gained():
    with nanogpt.modules(nanogpt.SEALED, "agreement", "verdict") as (agreement, verdict):
        first = np.full((8, 64), 2.0)
        again = first + np.tile([0.1, -0.1], 32)
        agreement.check_independence(first, first + 0.001, tolerance=0.002)
        with pytest.raises(verdict.CandidateFailed, match=r"differ by 0\.1000 on average"):
            agreement.check_independence(first, again, tolerance=0.002)
