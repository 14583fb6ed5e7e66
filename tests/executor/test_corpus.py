"""The corpus of benchmarks/patching.py: every kind of malformed answer, on two real codebases."""

from collections import Counter

import pytest

from benchmarks.appliers import airr
from benchmarks.doubts import DOUBTFUL
from benchmarks.malformations import MENDABLE
from benchmarks.patching import REFUSED, RIGHT, WRONG, Answer, corpus, verdict


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    return corpus(each=7)


@pytest.fixture(scope="module")
def verdicts(answers: list[Answer]) -> Counter[tuple[str, str]]:
    return Counter(
        (answer.kind, verdict(answer, airr(answer.text, answer.before))) for answer in answers
    )


def test_there_are_at_least_300_answers_of_20_kinds_on_every_codebase(answers: list[Answer]):
    assert len(answers) >= 300
    assert {answer.kind for answer in answers} == MENDABLE.keys() | DOUBTFUL.keys()
    assert len(MENDABLE | DOUBTFUL) >= 20
    assert {answer.case.partition("/")[0] for answer in answers} >= {"nanogpt", "orchard"}
    assert corpus(each=2) == corpus(1 + 1), "the seeds decide everything"


def test_no_malformed_answer_is_applied_wrongly(verdicts: Counter[tuple[str, str]]):
    assert not [kind for kind, what in verdicts if what == WRONG]


def test_an_answer_that_leaves_no_doubt_is_applied(verdicts: Counter[tuple[str, str]]):
    mended = sum(verdicts[kind, RIGHT] for kind in MENDABLE)
    refused = {kind: verdicts[kind, REFUSED] for kind in MENDABLE if verdicts[kind, REFUSED]}
    assert mended / (mended + sum(refused.values())) > 0.98, refused


def test_an_answer_in_doubt_is_refused(verdicts: Counter[tuple[str, str]]):
    assert all(verdicts[kind, REFUSED] for kind in DOUBTFUL)
