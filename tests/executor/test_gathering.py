"""When what is ready goes out to the cluster."""

import pytest

from airr.executor.gathering import is_time_to_submit, starting_soon


@pytest.mark.parametrize(
    ("queued", "starting", "coming", "waited", "expected"),
    [
        (0, 0, 9, 0.0, True),  # a node may be idle
        (1, 0, 9, 0.0, False),  # none is: wait for company
        (1, 0, 0, 0.0, True),  # no company will come
        (1, 0, 9, 299.0, False),
        (1, 0, 9, 300.0, True),  # it waited long enough
        (3, 3, 9, 0.0, True),  # one will be idle soon
        (4, 3, 9, 0.0, False),
    ],
)
def test_what_is_ready_waits_for_company_only_while_enough_tasks_are_queued(
    queued: int, starting: int, coming: int, waited: float, expected: bool
):
    found = is_time_to_submit(
        queued=queued,
        starting=starting,
        coming=coming,
        waited_seconds=waited,
        patience_seconds=300,
    )
    assert found is expected


@pytest.mark.parametrize(
    ("running", "run_seconds", "expected"), [(16, 1500.0, 0), (100, 1500.0, 4), (4, 60.0, 4)]
)
def test_nodes_that_fall_free_until_the_next_submission_has_started(
    running: int, run_seconds: float, expected: int
):
    found = starting_soon(running=running, run_seconds=run_seconds, tick_seconds=30.0)
    assert found == expected
