"""Prices that tick evenly agree with themselves, and with their source before they begin."""

from __future__ import annotations

import pytest

from ctrader.simulator.market.prices import fold_ticks
from ctrader.simulator.market.walk import RandomWalkPrices
from tests.torture.steady import EVERY, SteadyPrices

BEGIN = 1_700_000_000_000
HOUR = 3_600_000
EURUSD = 1


@pytest.fixture(name="walk")
def a_walk() -> RandomWalkPrices:
    return RandomWalkPrices(7)


@pytest.fixture(name="prices")
def steady(walk: RandomWalkPrices) -> SteadyPrices:
    return SteadyPrices(walk, BEGIN, seed=7)


def test_hour_has_one_tick_every_two_seconds(prices: SteadyPrices):
    ticks = prices.ticks(EURUSD, BEGIN, BEGIN + HOUR)
    assert [tick.time for tick in ticks] == list(range(BEGIN, BEGIN + HOUR, EVERY))
    assert len({(tick.bid, tick.ask) for tick in ticks}) > 100
    assert prices.ticks(EURUSD, BEGIN + 1, BEGIN + EVERY) == []
    assert list(prices.ticks(EURUSD, BEGIN + 1, BEGIN + HOUR)) == ticks[1:]


def test_ticks_are_found_one_after_the_other_in_both_directions(prices: SteadyPrices):
    for at in (BEGIN, BEGIN + 1, BEGIN + EVERY - 1, BEGIN + EVERY):
        following = prices.next_time(EURUSD, at)
        assert following is not None
        assert at < following <= at + EVERY
        assert (following - BEGIN) % EVERY == 0
        assert prices.previous_time(EURUSD, following + 1) == following


def test_quotes_are_the_last_ticks(prices: SteadyPrices):
    bid = ask = 0
    for tick in prices.ticks(EURUSD, BEGIN, BEGIN + 60_000):
        bid, ask = tick.bid or bid, tick.ask or ask
        assert 0 < bid < ask
        for at in (tick.time, tick.time + EVERY - 1):
            assert prices.quote(EURUSD, at) == (bid, ask, tick.time)


def test_path_goes_on_where_the_source_was(prices: SteadyPrices, walk: RandomWalkPrices):
    before, after = walk.quote(EURUSD, BEGIN), prices.quote(EURUSD, BEGIN)
    assert before is not None
    assert after == before._replace(time=BEGIN)
    assert prices.quote(99_999, BEGIN) is None
    assert list(prices.ticks(99_999, BEGIN, BEGIN + HOUR)) == []


def test_same_seed_has_the_same_path_in_any_order_of_asking(walk: RandomWalkPrices):
    one, other = SteadyPrices(walk, BEGIN, seed=7), SteadyPrices(walk, BEGIN, seed=7)
    late = [each.quote(EURUSD, BEGIN + HOUR - 1) for each in (one, SteadyPrices(walk, BEGIN, 8))]
    assert other.ticks(EURUSD, BEGIN, BEGIN + HOUR) == one.ticks(EURUSD, BEGIN, BEGIN + HOUR)
    assert late[0] == other.quote(EURUSD, BEGIN + HOUR - 1) != late[1]


def test_time_before_is_the_source_s(prices: SteadyPrices, walk: RandomWalkPrices):
    past = (EURUSD, BEGIN - HOUR, BEGIN)
    assert list(prices.ticks(*past)) == list(walk.ticks(*past))
    assert prices.bar(*past) == walk.bar(*past)
    assert prices.quote(EURUSD, BEGIN - 1) == walk.quote(EURUSD, BEGIN - 1)
    assert prices.previous_time(EURUSD, BEGIN) == walk.previous_time(EURUSD, BEGIN)
    assert prices.next_time(EURUSD, BEGIN - HOUR) == walk.next_time(EURUSD, BEGIN - HOUR)
    assert prices.first_time(EURUSD) == walk.first_time(EURUSD)
    assert prices.start == walk.start


@pytest.mark.parametrize("start", [BEGIN - 60_000, BEGIN, BEGIN + 60_000])
def test_bars_are_made_of_their_ticks(prices: SteadyPrices, start: int):
    end = BEGIN + 300_000
    assert prices.bar(EURUSD, start, end) == fold_ticks(prices.ticks(EURUSD, start, end))
