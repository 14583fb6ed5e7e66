"""When what is ready goes out to the cluster."""

import pytest

from airr.executor.gathering import is_time_to_submit


@pytest.mark.parametrize(
    ("queued", "coming", "waited", "expected"),
    [
        (0, 9, 0.0, True),  # a node may be idle
        (1, 9, 0.0, False),  # none is: wait for company
        (1, 0, 0.0, True),  # no company will come
        (1, 9, 299.0, False),
        (1, 9, 300.0, True),  # it waited long enough
    ],
)
def test_what_is_ready_waits_for_company_only_while_tasks_are_queued(
    queued: int, coming: int, waited: float, expected: bool
):
    found = is_time_to_submit(
        queued=queued, coming=coming, waited_seconds=waited, patience_seconds=300
    )
    assert found is expected
