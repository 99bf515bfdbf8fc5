"""What a session knows of the time that the server's clock shows."""

from __future__ import annotations

from random import Random

import pytest

from ctrader.protocol.context import Context
from ctrader.units import SECOND
from tests.protocol.peer import settings

TOLD = 1_700_000_000_000
DAY = 86_400


def told(seconds: float = 0) -> Context:
    """Return a context that knows the server's time for so many seconds."""
    context = Context(settings(), Random(1))
    context.server_told(TOLD)
    context.now = int(seconds * SECOND)
    return context


def test_server_whose_time_nobody_told_shows_none():
    assert Context(settings(), Random(1)).server_ms() is None


@pytest.mark.parametrize("fast", [-1e-4, 0, 1e-4, 5e-4])
@pytest.mark.parametrize("hours", [0, 1, 24])
def test_clock_that_runs_fast_puts_the_server_s_not_ahead_of_it(fast: float, hours: int):
    passed = hours * 3600
    shown = told(passed * (1 + fast)).server_ms()
    assert shown is not None
    assert TOLD + passed * 999 <= shown <= TOLD + passed * 1000 + 1


@pytest.mark.parametrize("fast", [-1e-4, 1e-4])
def test_time_that_comes_after_a_long_silence_is_not_taken_for_an_old_one(fast: float):
    context = told(DAY * (1 + fast))
    context.server_told(TOLD + DAY * 1000)
    assert context.server_ms() == TOLD + DAY * 1000


def test_time_of_an_old_message_changes_nothing():
    context = told(60)
    before = context.server_ms()
    context.server_told(TOLD)
    assert context.server_ms() == before
