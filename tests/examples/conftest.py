"""What tests of documentation and examples share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ctrader.simulator import Simulator
from tests.examples.documents import environment

SPEED = 50.0  # quotes come without waiting for a market in real time


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Serve a fast market over TLS."""
    with Simulator(speed=SPEED) as simulator:
        yield simulator


@pytest.fixture
def in_environment(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lead programs that read the environment to the simulator."""
    for name, value in environment(simulator).items():
        monkeypatch.setenv(name, value)
