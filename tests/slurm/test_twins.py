"""Which of two arrays of one name counts."""

from airr.cluster.slurm_states import Row
from airr.cluster.twins import split_twins


def row(job_id: int, word: str, node: str = "", index: int = 0) -> Row:
    return Row(name="a", job_id=str(job_id), index=index, word=word, node=node, reason="")


def job_of(*rows: Row) -> tuple[set[str], list[str]]:
    kept, duplicates = split_twins(rows)
    return {found.job_id for found in kept}, list(duplicates)


def test_a_lone_array_has_no_duplicate():
    assert job_of(row(7, "PENDING"), row(7, "RUNNING", "node1", 1)) == ({"7"}, [])


def test_nothing_known_is_nothing_kept():
    assert split_twins([]) == ([], [])


def test_of_two_that_wait_the_elder_counts_by_number_not_by_spelling():
    assert job_of(row(10, "PENDING"), row(9, "PENDING")) == ({"9"}, ["10"])


def test_the_one_that_has_been_on_a_node_counts():
    assert job_of(row(7, "PENDING"), row(8, "RUNNING", "node1")) == ({"8"}, ["7"])


def test_a_twin_that_starts_after_the_first_has_ended_is_still_the_duplicate():
    assert job_of(row(7, "COMPLETED", "node1"), row(8, "RUNNING", "node2")) == ({"7"}, ["8"])


def test_a_twin_that_has_ended_needs_no_cancelling():
    assert job_of(row(7, "RUNNING", "node1"), row(8, "CANCELLED")) == ({"7"}, [])


def test_the_record_of_a_refused_submission_gives_way_to_the_one_that_was_taken():
    assert job_of(row(7, "FAILED"), row(8, "PENDING")) == ({"8"}, [])
