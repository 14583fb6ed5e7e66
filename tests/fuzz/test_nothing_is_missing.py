"""The list of targets against the code: what decodes, and is no target, is found by reading it."""

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from airr.resources import resource
from tests.fuzz.table import TARGETS

ROOT = Path(__file__).parents[2]
DECODERS = {
    "json.load", "json.loads", "yaml.load", "yaml.safe_load", "zipfile.ZipFile", "pq.ParquetFile",
    "pq.read_table", "np.frombuffer", "np.fromfile", "np.load", "struct.unpack", "load_file",
    "pickle.loads", "torch.load", "json_in", "object_in", "list_in", "yaml_in", "mapping_at",
    "datetime.fromisoformat",
}  # fmt: skip
"""Functions that turn bytes or text into values. Whoever calls one reads what somebody wrote."""
NOT_FOREIGN = {
    "airr.charter": "writes its own values through JSON; what it reads goes through plain_yaml",
    "airr.checks.node": "the echo of a probe that this process has just submitted",
    "airr.checks.probe": "the batch and the words of processes that it has just started",
    "airr.cluster.submission": "main reads what the head writes into its stdin",
    "airr.foreign": "the decoder itself, whose errors all others count on",
    "airr.exchange.intake": "settings that ship with airr",
    "airr.nodelocal": "what the kernel answers",
    "airr.policy.models": "an optimizer that airr saved, verified by its hash beforehand",
    "envs.example.sealed.predict": "opens the candidate's pickle, in the candidate's sandbox",
    "envs.example.sealed.score": "its own sealed data, and its spec; what it reads is a target",
    "envs.grpo.sealed.grader": "in the candidate's sandbox, what the scorer wrote",
    "envs.grpo.sealed.score": "its own sealed data, and its spec",
    "envs.nanogpt.sealed.predictor": "opens the candidate's checkpoint, in the candidate's sandbox",
    "envs.nanogpt.sealed.score": "its own spec",
    "envs.nanogpt.sealed.validation": "its own sealed data",
}
"""Modules that decode and are no target, and why."""


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Yield the package's modules and those of the sealed scorers, parsed."""
    paths = [*(ROOT / "airr").rglob("*.py"), *(ROOT / "envs").glob("*/sealed/*.py")]
    for path in sorted(paths):
        yield ".".join(path.relative_to(ROOT).with_suffix("").parts), ast.parse(path.read_text())


def decoders_called(tree: ast.Module) -> set[str]:
    calls = (ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call))
    return DECODERS.intersection(calls)


def parsers_defined(tree: ast.Module) -> set[str]:
    names = (node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {name for name in names if name.startswith("parse_") or name == "from_json"}


def read() -> set[str]:
    """Return the dotted names of all that a target stands for."""
    return {name for target in TARGETS.values() for name in target.reads}


def test_every_module_that_decodes_is_read_by_a_target_or_is_told_why_not():
    listed = read() | NOT_FOREIGN.keys()
    missing = {
        name: called
        for name, tree in modules()
        if (called := decoders_called(tree))
        and not any(one == name or one.startswith(f"{name}.") for one in listed)
    }
    assert not missing


def test_every_function_that_parses_is_read_by_a_target():
    last = {name.rpartition(".")[2] for name in read()}
    inner = {"parse_bench", "parse_cluster", "parse_search", "parse_rl_config"}
    missing = {
        f"{module}.{name}"
        for module, tree in modules()
        for name in parsers_defined(tree) - last - inner
    }
    assert not missing


@pytest.mark.parametrize("name", sorted(read()))
def test_what_a_target_stands_for_is_there(name: str):
    parts = name.split(".")
    if parts[0] == "envs":
        path = resource("envs").joinpath(*parts[1:4]).with_suffix(".py")
        assert parts[4] in path.read_text()
        return
    for end in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part)
        return
    pytest.fail(f"there is no {name}")


def test_no_reason_is_given_for_a_module_that_decodes_nothing():
    decoding = {name for name, tree in modules() if decoders_called(tree)}
    assert decoding >= NOT_FOREIGN.keys()
