"""The arena, made once, and a table of all fates at the end."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.attacks import arena


@pytest.fixture(scope="session")
def fates() -> dict[str, tuple[arena.Attack, arena.Fate, arena.Fate]]:
    """What became of each candidate so far, and of the baseline under the same conditions."""
    return {}


@pytest.fixture(scope="session")
def ground(
    tmp_path_factory: pytest.TempPathFactory,
    fates: dict[str, tuple[arena.Attack, arena.Fate, arena.Fate]],
    request: pytest.FixtureRequest,
) -> Generator[arena.Arena]:
    ground = arena.Arena(Path(tmp_path_factory.mktemp("arena")))
    yield ground
    ground.close()
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    if reporter is not None and capture is not None:
        with capture.global_and_fixture_disabled():
            reporter.write_line("\n" + arena.table(fates))
