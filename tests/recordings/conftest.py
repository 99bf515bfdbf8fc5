"""The folder of recordings, which is no part of this repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.recordings.recorded import FILES, Recording, read_recording

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

USAGE = (
    "the recordings are no part of this repository: say where their folder is, with "
    "`nox -s recordings -- --recordings PATH` or `pytest tests/recordings --recordings PATH`"
)
HERE = Path(__file__).parent
FIGURES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the folder of the recordings."""
    parser.addoption(
        "--recordings",
        type=Path,
        default=None,
        metavar="PATH",
        help=f"folder that holds {', '.join(f'{name}.jsonl' for name in FILES)}",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave these tests out of runs that were not given the folder; refuse to be run without."""
    folder: Path | None = config.getoption("--recordings", default=None)
    if folder is None:
        asked_for = [Path(argument.partition("::")[0]).resolve() for argument in config.args]
        if any(path == HERE or HERE in path.parents for path in asked_for):
            raise pytest.UsageError(USAGE)
        return True
    missing = [name for name in FILES if not (folder / f"{name}.jsonl").is_file()]
    if missing:
        raise pytest.UsageError(f"{folder} lacks {', '.join(missing)}; {USAGE}")
    return None


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what was compared, and what was let pass."""
    told = config.stash.get(FIGURES, [])
    if told:
        terminalreporter.section("recordings")
        for line in told:
            terminalreporter.write_line(line)


@pytest.fixture
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Take a line for the end of the run."""
    return pytestconfig.stash.setdefault(FIGURES, []).append


@pytest.fixture(scope="session")
def recordings(pytestconfig: pytest.Config) -> Mapping[str, Recording]:
    """Read every file of the folder."""
    folder: Path | None = pytestconfig.getoption("--recordings")
    assert folder is not None  # without it nothing is collected
    return {name: read_recording(folder / f"{name}.jsonl") for name in FILES}
