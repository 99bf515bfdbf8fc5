"""The real bars, and the stage of the scenarios."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pytest

from ctrader.simulator import SourceBar, read_bars
from tests.clients.scenarios.conftest import (
    anyio_backend,
    pytest_pyfunc_call,
    serve,
    stage,
)

__all__ = ["anyio_backend", "pytest_pyfunc_call", "serve", "stage"]

FILE = "backtesting/test/EURUSD.csv"


@pytest.fixture(scope="session")
def bar_file() -> Path:
    """Find the file of hourly bars inside the installed package, which is never imported."""
    try:
        found = [path for path in files("backtesting") or () if path.as_posix() == FILE]
    except PackageNotFoundError:
        found = []
    if not found:
        pytest.fail(
            f"the file {FILE} of the package 'backtesting' is not installed: run `nox -s replay`, "
            "or install the package with `pip install --no-deps backtesting`"
        )
    return Path(str(found[0].locate()))


@pytest.fixture(scope="session")
def hours(bar_file: Path) -> list[SourceBar]:
    """Read the bars as the file has them."""
    return read_bars(bar_file)
