"""Waits between failing attempts grow, are spread, and stay in bounds."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from ctrader.protocol.backoff import Backoff
from ctrader.units import SECOND


def test_waits_lie_between_half_the_shortest_and_a_doubling_ceiling():
    for seed in range(200):
        backoff = Backoff(Random(seed), shortest=SECOND, longest=60 * SECOND)
        for failures in range(12):
            wait = backoff.next()
            assert SECOND // 2 <= wait <= min(60 * SECOND, SECOND << failures)


def test_waits_are_spread_over_their_range():
    waits = []
    for seed in range(300):
        backoff = Backoff(Random(seed), shortest=SECOND, longest=60 * SECOND)
        backoff.failures = 4
        waits.append(backoff.next())
    assert min(waits) < 2 * SECOND
    assert max(waits) > 14 * SECOND


def test_reset_begins_anew():
    backoff = Backoff(Random(1), shortest=SECOND, longest=60 * SECOND)
    for _ in range(8):
        backoff.next()
    backoff.reset()
    assert backoff.failures == 0
    assert backoff.next() <= SECOND


def test_a_weekend_of_failures_stays_cheap():
    backoff = Backoff(Random(1), shortest=SECOND, longest=60 * SECOND)
    backoff.failures = 10**9
    assert backoff.next() <= 60 * SECOND


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 100))
def test_no_setting_breaks_it(shortest, longest, failures):
    backoff = Backoff(Random(0), shortest=shortest, longest=longest)
    backoff.failures = failures
    assert 0 <= backoff.next() <= max(longest, shortest, 1)
