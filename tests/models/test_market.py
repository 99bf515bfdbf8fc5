"""Quotes, depth, bars and ticks, against numbers worked out by hand."""

from __future__ import annotations

import gc
from datetime import UTC, datetime

import msgspec
import pytest

from ctrader.enums import TrendbarPeriod
from ctrader.errors import DeserializationError, ProtocolError
from ctrader.models.market import (
    DepthQuote,
    Quote,
    TickData,
    Trendbar,
    bars_from_proto,
    ticks_from_proto,
)
from ctrader.proto import (
    ProtoOADepthQuote,
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsRes,
    ProtoOATickData,
    ProtoOATrendbar,
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]  # the parts of a date


def bar_at(period: TrendbarPeriod, start: datetime) -> Trendbar:
    return Trendbar(period, int(start.timestamp()) // 60, 1, 1, 1, 1, 1)


# Text


def test_text_shows_prices_and_times_and_repr_the_wire():
    quote = Quote(1, 1000001, 109_849, 109_851, 1_795_374_733_258)
    assert str(quote) == (
        "Quote(symbol_id=1, account_id=1000001, bid=1.09849, ask=1.09851, "
        "timestamp=2026-11-22 19:12:13.258000+00:00)"
    )
    assert "bid_points=109849" in repr(quote)
    assert str(Quote(1, 2, 1, 2)).endswith("timestamp=None)")
    assert str(DepthQuote(7, 109_849, 500, True)) == "DepthQuote(quote_id=7, bid=1.09849, size=500)"
    assert str(DepthQuote(7, 1, 5, False)) == "DepthQuote(quote_id=7, ask=1e-05, size=5)"
    assert str(Trendbar(TrendbarPeriod.H1, 29_922_900, 1, 2, 4, 3, 9)) == (
        "Trendbar(period=H1, timestamp=2026-11-22 19:00:00+00:00, "
        "open=2e-05, high=4e-05, low=1e-05, close=3e-05, volume=9)"
    )
    assert str(Trendbar(TrendbarPeriod.H1, 0, 1, 1, 1, 1, 1, True)).endswith("repaired)")
    assert str(TickData(1_795_374_733_258, 109_849)) == (
        "TickData(timestamp=2026-11-22 19:12:13.258000+00:00, price=1.09849)"
    )


def test_text_of_times_that_no_calendar_has_does_not_fail():
    assert str(TickData(2**62, 0)) == f"TickData(timestamp={2**62} ms, price=0.0)"
    assert f"timestamp={2**62} ms" in str(Quote(1, 2, 3, 4, 2**62))
    bar = Trendbar(TrendbarPeriod(99), 2**62, 1, 1, 1, 1, 1)
    assert f"timestamp={2**62} min" in str(bar)


# Quotes


def test_quote_of_a_yen_pair_counts_the_same_points() -> None:
    quote = Quote(
        4, 7, bid_points=13_107_400, ask_points=13_107_900, timestamp_ms=1_600_000_000_001
    )

    assert quote.bid == 131.074
    assert quote.ask == 131.079
    assert quote.mid == 131.0765
    assert quote.spread == 0.005
    assert quote.timestamp == utc(2020, 9, 13, 12, 26, 40, 1000)


def test_quote_of_gold() -> None:
    quote = Quote(41, 7, bid_points=265_012_000, ask_points=265_045_000)

    assert (quote.bid, quote.ask, quote.spread) == (2650.12, 2650.45, 0.33)
    assert quote.timestamp is None


def test_mid_may_lie_between_two_points() -> None:
    assert Quote(1, 7, 108_231, 108_234).mid == 1.082325


def test_values_are_frozen_and_not_tracked_by_the_collector() -> None:
    quote = Quote(1, 7, 108_231, 108_234)

    with pytest.raises(AttributeError):
        quote.bid_points = 1  # type: ignore[misc]  # the assignment is what is tested
    assert not gc.is_tracked(quote)
    assert msgspec.structs.replace(quote, bid_points=108_230).bid == 1.0823


# Depth


def test_depth_quote_knows_its_side() -> None:
    bid = DepthQuote.from_proto(ProtoOADepthQuote(id=11, size=50_000_000, bid=107_001))
    ask = DepthQuote.from_proto(ProtoOADepthQuote(id=12, size=100, ask=107_003))

    assert bid == DepthQuote(11, 107_001, 50_000_000, True)
    assert bid.price == 1.07001
    assert (ask.is_bid, ask.price, ask.size) == (False, 1.07003, 100)


def test_depth_quote_without_a_side_is_refused() -> None:
    with pytest.raises(ProtocolError, match="13"):
        DepthQuote.from_proto(ProtoOADepthQuote(id=13, size=1))


# Bars


def test_bar_adds_its_deltas_to_its_low() -> None:
    message = ProtoOATrendbar(
        volume=1613,
        low=114_791,
        deltaOpen=22,
        deltaClose=35,
        deltaHigh=44,
        utcTimestampInMinutes=29_828_535,
    )

    bar = Trendbar.from_proto(message, TrendbarPeriod.M15)

    assert (bar.open, bar.high, bar.low, bar.close) == (1.14813, 1.14835, 1.14791, 1.14826)
    assert bar.period is TrendbarPeriod.M15
    assert bar.volume == 1613
    assert bar.timestamp == utc(2026, 9, 18, 6, 15)
    assert bar.end == utc(2026, 9, 18, 6, 30)
    assert not bar.repaired


def test_absent_delta_of_a_historical_bar_is_zero() -> None:
    bar = Trendbar.from_proto(
        ProtoOATrendbar(volume=1, low=15_000_000, utcTimestampInMinutes=1), TrendbarPeriod.M1
    )

    assert (bar.open, bar.high, bar.low, bar.close) == (150.0, 150.0, 150.0, 150.0)


def test_live_bar_carries_its_period_and_closes_at_the_last_bid() -> None:
    message = ProtoOATrendbar(
        volume=5, period="H4", low=100_000, deltaOpen=10, deltaHigh=40, utcTimestampInMinutes=240
    )

    bar = Trendbar.from_proto(message, close_points=100_025)

    assert bar.period is TrendbarPeriod.H4
    assert bar.close == 1.00025
    assert not bar.repaired


def test_close_that_was_sent_wins_over_the_last_bid() -> None:
    message = ProtoOATrendbar(
        volume=5, low=100_000, deltaClose=7, deltaHigh=40, utcTimestampInMinutes=240
    )

    assert Trendbar.from_proto(message, close_points=100_025).close_points == 100_007


def test_close_at_the_low_that_was_sent_is_no_missing_close() -> None:
    message = ProtoOATrendbar(
        volume=5, low=100_000, deltaClose=0, deltaHigh=40, utcTimestampInMinutes=240
    )

    assert Trendbar.from_proto(message, close_points=100_025).close_points == 100_000


def test_bar_without_a_period_is_a_minute() -> None:
    message = ProtoOATrendbar(volume=5, low=1, utcTimestampInMinutes=240)

    assert Trendbar.from_proto(message).period is TrendbarPeriod.M1


def test_bar_with_a_period_of_the_future_is_not_a_minute() -> None:
    message = ProtoOATrendbar.FromString(
        ProtoOATrendbar(volume=5, low=1, utcTimestampInMinutes=240).SerializeToString()
        + b"\x20\x63"
    )

    bar = Trendbar.from_proto(message)

    assert bar.period == 0x63
    assert not bar.period.is_known
    with pytest.raises(ProtocolError, match="UNKNOWN_99"):
        _ = bar.end


def test_missing_high_is_taken_from_the_open() -> None:
    message = ProtoOATrendbar(volume=5, low=100_000, deltaOpen=30, utcTimestampInMinutes=240)

    bar = Trendbar.from_proto(message, TrendbarPeriod.M1)

    assert (bar.open_points, bar.high_points, bar.close_points) == (100_030, 100_030, 100_000)
    assert bar.repaired


@pytest.mark.parametrize(
    ("bid", "low", "high"), [(99_990, 99_990, 100_040), (100_050, 100_000, 100_050)]
)
def test_live_bar_that_lags_behind_the_bid_is_widened(bid: int, low: int, high: int) -> None:
    message = ProtoOATrendbar(
        volume=5, low=100_000, deltaOpen=10, deltaHigh=40, utcTimestampInMinutes=240
    )

    bar = Trendbar.from_proto(message, close_points=bid)

    assert (bar.low_points, bar.high_points, bar.close_points) == (low, high, bid)
    assert bar.open_points == 100_010
    assert bar.repaired


@pytest.mark.parametrize(
    "message",
    [ProtoOATrendbar(volume=1, low=1), ProtoOATrendbar(volume=1, utcTimestampInMinutes=1)],
)
def test_bar_without_a_price_or_a_time_is_refused(message: ProtoOATrendbar) -> None:
    with pytest.raises(ProtocolError, match="bar"):
        Trendbar.from_proto(message)


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        (TrendbarPeriod.M1, utc(2026, 1, 1, 0, 0), utc(2026, 1, 1, 0, 1)),
        (TrendbarPeriod.H12, utc(2026, 1, 1, 22, 0), utc(2026, 1, 2, 10, 0)),
        (TrendbarPeriod.D1, utc(2026, 1, 14, 22, 0), utc(2026, 1, 15, 22, 0)),
        # New York springs forward on 8 March 2026 and falls back on 1 November 2026.
        (TrendbarPeriod.D1, utc(2026, 3, 7, 22, 0), utc(2026, 3, 8, 21, 0)),
        (TrendbarPeriod.D1, utc(2026, 10, 31, 21, 0), utc(2026, 11, 1, 22, 0)),
        (TrendbarPeriod.H4, utc(2026, 3, 8, 18, 0), utc(2026, 3, 8, 21, 0)),
        (TrendbarPeriod.H4, utc(2026, 11, 1, 21, 0), utc(2026, 11, 1, 22, 0)),
        (TrendbarPeriod.H4, utc(2026, 11, 1, 17, 0), utc(2026, 11, 1, 21, 0)),
        (TrendbarPeriod.H12, utc(2026, 3, 8, 10, 0), utc(2026, 3, 8, 21, 0)),
        (TrendbarPeriod.H12, utc(2026, 11, 1, 9, 0), utc(2026, 11, 1, 21, 0)),
        (TrendbarPeriod.W1, utc(2026, 3, 1, 22, 0), utc(2026, 3, 8, 21, 0)),
        (TrendbarPeriod.MN1, utc(2026, 1, 31, 22, 0), utc(2026, 2, 28, 22, 0)),
        (TrendbarPeriod.MN1, utc(2026, 2, 28, 22, 0), utc(2026, 3, 31, 21, 0)),
        (TrendbarPeriod.MN1, utc(2025, 11, 30, 22, 0), utc(2025, 12, 31, 22, 0)),
        # The first daily bar of February 2026 opens on Sunday the first.
        (TrendbarPeriod.MN1, utc(2026, 2, 1, 22, 0), utc(2026, 2, 28, 22, 0)),
    ],
)
def test_end_of_a_bar_follows_new_york(
    period: TrendbarPeriod, start: datetime, end: datetime
) -> None:
    assert bar_at(period, start).end == end


def test_historical_bars_have_the_period_of_their_answer_and_are_sorted() -> None:
    answer = ProtoOAGetTrendbarsRes(ctidTraderAccountId=1, period="D1")
    answer.trendbar.add(volume=2, low=2, utcTimestampInMinutes=2880)
    answer.trendbar.add(volume=1, low=1, utcTimestampInMinutes=1440)

    bars = bars_from_proto(answer)

    assert [bar.start_minutes for bar in bars] == [1440, 2880]
    assert {bar.period for bar in bars} == {TrendbarPeriod.D1}


# Ticks


def ticks_answer(*steps: tuple[int, int]) -> ProtoOAGetTickDataRes:
    return ProtoOAGetTickDataRes(
        ctidTraderAccountId=1,
        hasMore=False,
        tickData=[ProtoOATickData(timestamp=time, tick=tick) for time, tick in steps],
    )


def test_ticks_are_running_differences_and_come_back_oldest_first() -> None:
    answer = ticks_answer((1_600_000_000_500, 108_240), (-300, -3), (0, 1), (-1_200, 2))

    assert ticks_from_proto(answer) == [
        TickData(1_599_999_999_000, 108_240),
        TickData(1_600_000_000_200, 108_238),
        TickData(1_600_000_000_200, 108_237),
        TickData(1_600_000_000_500, 108_240),
    ]


def test_tick_of_a_yen_pair() -> None:
    (tick,) = ticks_from_proto(ticks_answer((1_600_000_000_500, 13_107_400)))

    assert tick.price == 131.074
    assert tick.timestamp == utc(2020, 9, 13, 12, 26, 40, 500_000)


def test_no_ticks_are_no_ticks() -> None:
    assert ticks_from_proto(ticks_answer()) == []


def test_ticks_that_run_forward_in_time_are_refused() -> None:
    with pytest.raises(DeserializationError) as caught:
        ticks_from_proto(ticks_answer((1_600_000_000_500, 108_240), (1, 0)))

    assert caught.value.payload_type == 2146
