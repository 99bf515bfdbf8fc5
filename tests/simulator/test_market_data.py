"""Spots, live bars, historical bars and ticks, and their agreement with one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ctrader.enums import TrendbarPeriod
from ctrader.models.market import Trendbar
from ctrader.proto import (
    ProtoOAErrorRes,
    ProtoOAGetTickDataReq,
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsReq,
    ProtoOAGetTrendbarsRes,
    ProtoOAQuoteType,
    ProtoOASpotEvent,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeLiveTrendbarRes,
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeSpotsRes,
    ProtoOATrendbar,
    ProtoOATrendbarPeriod,
    ProtoOAUnsubscribeLiveTrendbarReq,
    ProtoOAUnsubscribeLiveTrendbarRes,
    ProtoOAUnsubscribeSpotsReq,
    ProtoOAUnsubscribeSpotsRes,
)
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.market.calendar import (
    DAY,
    HOUR,
    MINUTE,
    next_period_start,
    period_start,
    trading_day_start,
)
from ctrader.simulator.market.prices import fold_ticks
from ctrader.simulator.switches import Switches
from tests.simulator.peer import (
    BARE,
    EUR_ACCOUNT,
    START,
    USD_ACCOUNT,
    Peer,
    log_in,
    scripted_exchange,
    spots,
    with_fields,
)

M1, H1, D1 = ProtoOATrendbarPeriod.M1, ProtoOATrendbarPeriod.H1, ProtoOATrendbarPeriod.D1


def subscribe(peer: Peer, *symbol_ids: int, time: bool = False) -> None:
    peer.send(
        ProtoOASubscribeSpotsReq(
            ctidTraderAccountId=USD_ACCOUNT, symbolId=symbol_ids, subscribeToSpotTimestamp=time
        ),
        "spots",
    )


def bars(peer: Peer, period: ProtoOATrendbarPeriod = M1, **window: int) -> ProtoOAGetTrendbarsRes:
    request = ProtoOAGetTrendbarsReq(
        ctidTraderAccountId=USD_ACCOUNT, symbolId=1, period=period, **window
    )
    return peer.ask(request, ProtoOAGetTrendbarsRes)


def prices_of(bar: ProtoOATrendbar) -> tuple[int, int, int, int, int]:
    low = bar.low
    return (low + bar.deltaOpen, low + bar.deltaHigh, low, low + bar.deltaClose, bar.volume)


def walking(switches: Switches = BARE) -> Peer:
    return log_in(Peer(Exchange(unix_ms=START, switches=switches)), USD_ACCOUNT)


# Spots


def test_first_spot_has_both_sides_and_comes_before_the_answer():
    yesterday = trading_day_start(START) - START - 1000
    exchange = scripted_exchange(((yesterday / 1000, 112400, 112402), (-30, 112567, 112569)))
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    subscribe(peer, 1)
    first, answer = peer.received()
    assert first.client_msg_id is None
    assert first.message == ProtoOASpotEvent(
        ctidTraderAccountId=USD_ACCOUNT, symbolId=1, bid=112567, ask=112569, sessionClose=112400
    )
    assert answer.message == ProtoOASubscribeSpotsRes(ctidTraderAccountId=USD_ACCOUNT)


def test_first_spot_may_be_switched_behind_the_answer():
    switches = Switches(first_spot_before_response=False)
    peer = log_in(Peer(scripted_exchange(switches=switches)), USD_ACCOUNT)
    subscribe(peer, 1)
    assert [type(each.message) for each in peer.received()] == [
        ProtoOASubscribeSpotsRes,
        ProtoOASpotEvent,
    ]


def test_later_spots_leave_the_unchanged_side_out():
    exchange = scripted_exchange(
        ((0, 112567, 112569), (1, 112568, None), (2, None, 112570), (3, 112569, 112571))
    )
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    subscribe(peer, 1, time=True)
    first = spots(peer)[0]
    assert first.timestamp == START
    peer.run(5)

    def event(**fields: int) -> ProtoOASpotEvent:
        bare = ProtoOASpotEvent(ctidTraderAccountId=USD_ACCOUNT, symbolId=1)
        return with_fields(bare, **fields)

    assert spots(peer) == [
        event(bid=112568, timestamp=START + 1000),
        event(ask=112570, timestamp=START + 2000),
        event(bid=112569, ask=112571, timestamp=START + 3000),
    ]


def test_spots_come_per_account_and_stop_after_unsubscribing():
    exchange = scripted_exchange(((0, 112567, 112569), (1, 112568, None), (3, 112569, None)))
    peer = log_in(Peer(exchange), USD_ACCOUNT, EUR_ACCOUNT)
    for account in (USD_ACCOUNT, EUR_ACCOUNT):
        peer.ask(
            ProtoOASubscribeSpotsReq(ctidTraderAccountId=account, symbolId=[1]),
            ProtoOASubscribeSpotsRes,
        )
    peer.run(2)
    assert [each.ctidTraderAccountId for each in spots(peer)] == [USD_ACCOUNT, EUR_ACCOUNT]
    peer.ask(
        ProtoOAUnsubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1]),
        ProtoOAUnsubscribeSpotsRes,
    )
    peer.run(2)
    assert [each.ctidTraderAccountId for each in spots(peer)] == [EUR_ACCOUNT]


def test_duplicate_subscription_fails_whole():
    peer = walking()
    subscribe(peer, 1)
    peer.received()
    subscribe(peer, 2, 1)
    (refusal,) = peer.messages(ProtoOAErrorRes)
    assert refusal.errorCode == "ALREADY_SUBSCRIBED"
    subscribe(peer, 2)
    assert len(spots(peer)) == 1


def test_subscriptions_end_with_the_connection():
    peer = walking()
    subscribe(peer, 1)
    peer.session.connection_lost(peer.exchange.now)
    peer.exchange.advance(60_000_000_000)
    assert peer.exchange.next_deadline() is None


def test_list_with_a_duplicate_may_subscribe_the_rest():
    peer = walking(replace(BARE, duplicate_subscribes_rest=True))
    subscribe(peer, 1)
    peer.received()
    subscribe(peer, 2, 1, 3)
    frames = peer.messages(ProtoOASpotEvent)
    assert [event.symbolId for event in frames] == [2, 3]
    subscribe(peer, 3, 2)
    (refusal,) = peer.messages(ProtoOAErrorRes)
    assert (refusal.errorCode, refusal.description) == (
        "ALREADY_SUBSCRIBED",
        "Spots of 3, 2 subscribed already",
    )


def test_doubled_id_in_one_list_is_one_subscription():
    peer = walking()
    subscribe(peer, 1, 1)
    assert [event.symbolId for event in spots(peer)] == [1]


def test_stray_quote_may_follow_the_end_of_a_subscription():
    peer = log_in(Peer(scripted_exchange(switches=replace(BARE, stray_spots=True))), USD_ACCOUNT)
    subscribe(peer, 1, time=True)
    peer.received()
    peer.send(ProtoOAUnsubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1]), "end")
    answer, stray = peer.received()
    assert answer.client_msg_id == "end"
    assert stray.message == ProtoOASpotEvent(
        ctidTraderAccountId=USD_ACCOUNT, symbolId=1, bid=112567, timestamp=START
    )
    peer.run(60)
    assert spots(peer) == []


def test_first_quote_of_a_trading_day_brings_the_close_of_the_last():
    border = trading_day_start(START) + DAY
    ahead = (border - START) / 1000
    ticks = (
        (0, 112567, 112569),
        (ahead - 1, 112570, None),
        (ahead, None, 112573),
        (ahead + 1, 112571, None),
    )
    peer = log_in(Peer(scripted_exchange(ticks)), USD_ACCOUNT)
    subscribe(peer, 1)
    assert not spots(peer)[0].HasField("sessionClose")
    peer.run(ahead + 2)
    before, first, later = spots(peer)
    assert (first.ask, first.sessionClose) == (112573, 112570)
    assert not first.HasField("bid")
    assert not before.HasField("sessionClose")
    assert not later.HasField("sessionClose")
    exchange = scripted_exchange(ticks, switches=replace(BARE, session_close_at_day_change=False))
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    subscribe(peer, 1)
    peer.run(ahead + 2)
    assert not any(event.HasField("sessionClose") for event in spots(peer))


# Live bars


def test_live_bars_need_spots():
    request = ProtoOASubscribeLiveTrendbarReq(
        ctidTraderAccountId=USD_ACCOUNT, symbolId=1, period=M1
    )
    assert walking().ask(request, ProtoOAErrorRes).errorCode == "INVALID_REQUEST"
    documented = walking(replace(BARE, trendbar_without_spots_code="NOT_SUBSCRIBED_TO_SPOTS"))
    assert documented.ask(request, ProtoOAErrorRes).errorCode == "NOT_SUBSCRIBED_TO_SPOTS"


def with_bars(ticks: Sequence[tuple[float, int | None, int | None]], **switches: Any) -> Peer:
    """Subscribe to spots and minute bars of scripted prices; leave what came to be read."""
    exchange = scripted_exchange(ticks, switches=replace(BARE, **switches))
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    subscribe(peer, 1)
    peer.received()
    peer.send(
        ProtoOASubscribeLiveTrendbarReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=1, period=M1)
    )
    return peer


def test_first_live_bar_of_a_quiet_symbol_is_over():
    # START is 40 seconds into its minute.
    quiet = ((-300, 112560, 112562), (-290, 112563, None), (1, None, 112570), (2, 112565, None))
    peer = with_bars(quiet)
    (first,) = spots(peer)
    assert list(first.trendbar) == [
        ProtoOATrendbar(
            volume=3,
            period=M1,
            low=112560,
            deltaOpen=0,
            deltaHigh=3,
            utcTimestampInMinutes=(START - 290_000) // MINUTE,
        )
    ]
    peer.run(3)
    ask_alone, forming = spots(peer)
    assert not ask_alone.trendbar
    (bar,) = forming.trendbar
    assert (bar.volume, bar.low, bar.utcTimestampInMinutes) == (2, 112565, START // MINUTE)
    (first,) = spots(with_bars(quiet, first_live_bar_may_be_over=False))
    assert not first.trendbar
    assert not spots(with_bars(((5, 112560, 112562),)))[0].trendbar


def test_bars_may_come_in_events_of_their_own():
    peer = with_bars(((0, 10, 12), (1, 11, None), (2, None, 13)), bars_in_own_events=True)
    peer.received()
    peer.run(3)
    quote, bar, ask = spots(peer)
    assert (quote.bid, len(quote.trendbar)) == (11, 0)
    assert not bar.HasField("bid")
    assert not bar.HasField("ask")
    assert [each.deltaHigh for each in bar.trendbar] == [1]
    assert (ask.ask, len(ask.trendbar)) == (13, 0)


@pytest.mark.parametrize(
    ("close", "expected"),
    [("absent", [None] * 4), ("lagging", [10, 10, 14, 9]), ("current", [10, 14, 8, 9])],
)
def test_forming_bar_says_its_close_or_lags_behind_it(close: str, expected: list[int | None]):
    # The fourth opens a bar of its own.
    peer = with_bars(
        ((0, 10, 20), (1, 14, None), (2, 8, None), (30, 9, None)), live_bar_close=close
    )
    peer.run(31)
    bars = [event.trendbar[0] for event in spots(peer)]
    closes = [bar.low + bar.deltaClose if bar.HasField("deltaClose") else None for bar in bars]
    assert closes == expected


def test_spots_under_live_bars_end_them_or_are_switched_not_to_end():
    ticks = ((0, 10, 12), (1, 11, None), (2, 12, None))
    end = ProtoOAUnsubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1])
    peer = with_bars(ticks)
    peer.ask(end, ProtoOAUnsubscribeSpotsRes)
    subscribe(peer, 1)
    peer.received()
    peer.run(3)
    assert [len(event.trendbar) for event in spots(peer)] == [0, 0]
    peer = with_bars(ticks, spots_end_what_needs_them=False)
    assert peer.ask(end, ProtoOAErrorRes).errorCode == "INVALID_REQUEST"
    stop = ProtoOAUnsubscribeLiveTrendbarReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=1, period=M1)
    peer.ask(stop, ProtoOAUnsubscribeLiveTrendbarRes)
    peer.ask(end, ProtoOAUnsubscribeSpotsRes)


def test_live_bar_forms_from_bids_and_counts_every_side():
    begin = 40  # START is 26:40 into an hour
    exchange = scripted_exchange(
        (
            (-10, 112560, 112562),
            (1, 112567, None),
            (2, None, 112569),
            (3, 112559, 112569),
            (20, None, 112570),
            (21, 112600, None),
        )
    )
    assert begin * 1000 == START % MINUTE
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    subscribe(peer, 1)
    peer.received()
    peer.send(
        ProtoOASubscribeLiveTrendbarReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=1, period=M1)
    )
    first, answer = peer.received()
    minute = START // MINUTE
    assert isinstance(answer.message, ProtoOASubscribeLiveTrendbarRes)
    assert isinstance(first.message, ProtoOASpotEvent)
    assert list(first.message.trendbar) == [
        ProtoOATrendbar(
            volume=2, period=M1, low=112560, deltaOpen=0, deltaHigh=0, utcTimestampInMinutes=minute
        )
    ]
    peer.run(25)
    found = spots(peer)
    assert [
        [(bar.volume, bar.low, bar.deltaOpen, bar.deltaHigh) for bar in e.trendbar] for e in found
    ] == [
        [(3, 112560, 0, 7)],
        [],
        [(6, 112559, 1, 8)],
        [],
        [(2, 112600, 0, 0)],
    ]
    assert all(not bar.HasField("deltaClose") for e in found for bar in e.trendbar)
    assert found[-1].trendbar[0].utcTimestampInMinutes == minute + 1


def test_live_bars_end_as_history_has_them():
    peer = walking()
    subscribe(peer, 1)
    for period in (M1, H1):
        peer.ask(
            ProtoOASubscribeLiveTrendbarReq(
                ctidTraderAccountId=USD_ACCOUNT, symbolId=1, period=period
            ),
            ProtoOASubscribeLiveTrendbarRes,
        )
    peer.run(300)
    last: dict[tuple[int, int], ProtoOATrendbar] = {}
    for event in spots(peer):
        for bar in event.trendbar:
            last[bar.period, bar.utcTimestampInMinutes] = bar
    for period in (M1, H1):
        answer = bars(peer, period, fromTimestamp=START - HOUR, toTimestamp=START + HOUR)
        stored = {bar.utcTimestampInMinutes: bar for bar in answer.trendbar}
        live = {start: bar for (each, start), bar in last.items() if each == period}
        for start, bar in live.items():
            known = stored[start]
            assert (bar.low, bar.deltaOpen, bar.deltaHigh) == (
                known.low,
                known.deltaOpen,
                known.deltaHigh,
            )
            # A change of the ask alone brings no bar, so the last bar may lag in volume.
            assert bar.volume <= known.volume <= bar.volume + 5


def test_live_bars_are_not_subscribed_twice_and_stop_on_demand():
    exchange = scripted_exchange(((0, 5, 6), (1, 7, 8), (3, 9, 10)))
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    subscribe(peer, 1)
    request = ProtoOASubscribeLiveTrendbarReq(
        ctidTraderAccountId=USD_ACCOUNT, symbolId=1, period=M1
    )
    peer.ask(request, ProtoOASubscribeLiveTrendbarRes)
    assert peer.ask(request, ProtoOAErrorRes).errorCode == "ALREADY_SUBSCRIBED"
    peer.run(2)
    assert [len(event.trendbar) for event in spots(peer)] == [1]
    stop = ProtoOAUnsubscribeLiveTrendbarReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=1, period=M1)
    peer.ask(stop, ProtoOAUnsubscribeLiveTrendbarRes)
    assert peer.ask(stop, ProtoOAErrorRes).errorCode == "NOT_SUBSCRIBED_TO_SPOTS"
    peer.run(2)
    assert [len(event.trendbar) for event in spots(peer)] == [0]
    unsubscribe = ProtoOAUnsubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1, 2])
    assert peer.ask(unsubscribe, ProtoOAErrorRes).errorCode == "NOT_SUBSCRIBED_TO_SPOTS"
    unknown = ProtoOASubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[999])
    assert peer.ask(unknown, ProtoOAErrorRes).errorCode == "SYMBOL_NOT_FOUND"
    nothing = ProtoOASubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT)
    assert peer.ask(nothing, ProtoOAErrorRes).errorCode == "INVALID_REQUEST"


# Historical bars


def test_bars_come_oldest_first_without_period_and_with_all_deltas():
    peer = walking()
    answer = bars(peer, fromTimestamp=START - 10 * MINUTE, toTimestamp=START)
    starts = [bar.utcTimestampInMinutes for bar in answer.trendbar]
    last = START // MINUTE
    assert starts == list(range(last - 9, last + 1))
    assert answer.period == M1
    assert answer.HasField("timestamp")
    assert not answer.hasMore
    for bar in answer.trendbar:
        assert not bar.HasField("period")
        for name in ("low", "deltaOpen", "deltaClose", "deltaHigh"):
            assert bar.HasField(name)


def test_count_brings_one_less_looks_back_from_the_end_and_ignores_the_beginning():
    peer = walking()
    answer = bars(peer, fromTimestamp=START - MINUTE, toTimestamp=START, count=50)
    assert len(answer.trendbar) == 49
    assert not answer.hasMore
    answer = bars(peer, fromTimestamp=START - DAY, toTimestamp=START, count=50)
    assert len(answer.trendbar) == 49
    assert answer.hasMore


def test_count_counts_the_forming_bar_and_leaves_it_out():
    forming = START // MINUTE  # 40 seconds of it are over
    found = bars(walking(), toTimestamp=START, count=50).trendbar
    assert [bar.utcTimestampInMinutes for bar in found] == list(range(forming - 49, forming))
    earlier = bars(walking(), toTimestamp=START - MINUTE, count=50).trendbar
    assert (len(earlier), earlier[-1].utcTimestampInMinutes) == (50, forming - 1)
    found = bars(walking(replace(BARE, forming_bar_in_history="always")), count=50).trendbar
    assert (len(found), found[-1].utcTimestampInMinutes) == (50, forming)
    found = bars(walking(replace(BARE, forming_bar_in_history="never")), count=50).trendbar
    assert (len(found), found[-1].utcTimestampInMinutes) == (50, forming - 1)
    less = replace(BARE, bars_count_minus_one=True)
    assert len(bars(walking(less), count=50).trendbar) == 49
    assert len(bars(walking(less), toTimestamp=START - MINUTE, count=50).trendbar) == 49


def test_answer_of_bars_says_up_to_when_it_was_asked():
    assert bars(walking(), toTimestamp=START - HOUR, count=5).timestamp == START - HOUR
    assert bars(walking(), count=5).timestamp == START


def test_bar_that_begins_at_the_end_of_the_window_is_in_it():
    peer = walking()
    end = START - START % HOUR - HOUR
    answer = bars(peer, H1, fromTimestamp=end - HOUR, toTimestamp=end)
    assert [bar.utcTimestampInMinutes * MINUTE for bar in answer.trendbar] == [end - HOUR, end]


def test_page_holds_the_newest_bars_and_says_that_there_are_more():
    peer = walking(Switches(bars_page_size=3))
    answer = bars(peer, fromTimestamp=START - HOUR, toTimestamp=START)
    assert len(answer.trendbar) == 3
    assert answer.hasMore
    older = answer.trendbar[0].utcTimestampInMinutes * MINUTE - 1
    following = bars(peer, fromTimestamp=START - HOUR, toTimestamp=older)
    assert (
        following.trendbar[-1].utcTimestampInMinutes == answer.trendbar[0].utcTimestampInMinutes - 1
    )


@pytest.mark.parametrize(
    ("day", "begin"), [("2020-07-15T12:00", "2020-07-14T21:00"), ("2020-01-15", "2020-01-14T22:00")]
)
def test_daily_bar_begins_at_five_in_new_york(day: str, begin: str):
    from datetime import UTC, datetime

    at = round(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)
    expected = round(datetime.fromisoformat(begin).replace(tzinfo=UTC).timestamp() * 1000)
    answer = bars(walking(), D1, toTimestamp=at, count=2)
    assert answer.trendbar[1].utcTimestampInMinutes * MINUTE == expected


def test_bars_of_a_day_agree_with_its_hours_and_its_ticks():
    peer = walking()
    prices = peer.exchange.market.prices
    begin = trading_day_start(START - DAY)
    day = bars(peer, D1, fromTimestamp=begin, toTimestamp=begin).trendbar[0]
    hours = bars(peer, H1, fromTimestamp=begin, toTimestamp=begin + DAY - 1).trendbar
    assert len(hours) == 24
    assert prices_of(day) == fold_ticks(prices.ticks(1, begin, begin + DAY))
    assert day.low == min(hour.low for hour in hours)
    assert day.volume == sum(hour.volume for hour in hours)
    minutes = bars(peer, fromTimestamp=begin, toTimestamp=begin + HOUR - 1).trendbar
    assert prices_of(hours[0])[1] == max(prices_of(minute)[1] for minute in minutes)
    for minute in minutes:
        start = minute.utcTimestampInMinutes * MINUTE
        assert prices_of(minute) == fold_ticks(prices.ticks(1, start, start + MINUTE))


def test_minutes_without_ticks_have_no_bar():
    peer = log_in(
        Peer(scripted_exchange(((-600, 5, 6), (-590, 7, 8), (-300, 9, 10), (0, 11, 12)))),
        USD_ACCOUNT,
    )
    answer = bars(peer, fromTimestamp=START - HOUR, toTimestamp=START)
    assert [prices_of(bar) for bar in answer.trendbar] == [
        (5, 7, 5, 7, 4),
        (9, 9, 9, 9, 2),
        (11, 11, 11, 11, 2),
    ]


@pytest.mark.parametrize(
    ("start", "end"), [(START, START - 1), (-1, START), (0, 2_147_483_646_001)]
)
def test_impossible_window_is_refused(start: int, end: int):
    request = ProtoOAGetTrendbarsReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=1,
        period=M1,
        fromTimestamp=start,
        toTimestamp=end,
    )
    assert walking().ask(request, ProtoOAErrorRes).errorCode == "INCORRECT_BOUNDARIES"


def test_history_may_end_with_the_last_bar_that_is_over():
    minute = START // MINUTE  # 40 seconds of it are over
    assert bars(walking()).trendbar[-1].utcTimestampInMinutes == minute
    peer = walking(replace(BARE, forming_bar_in_history="never"))
    assert bars(peer, toTimestamp=START).trendbar[-1].utcTimestampInMinutes == minute - 1
    peer = walking(replace(BARE, forming_bar_in_history="never", closed_bar_delay=1000))
    peer.run(20.5)
    assert bars(peer, count=5).trendbar[-1].utcTimestampInMinutes == minute - 1
    peer.run(0.5)
    assert bars(peer, count=5).trendbar[-1].utcTimestampInMinutes == minute


def test_bars_without_a_beginning_fill_the_old_window_or_a_page():
    peer = walking(replace(BARE, bars_page_size=100_000))
    answer = bars(peer, D1, toTimestamp=START)
    assert answer.trendbar[0].utcTimestampInMinutes * MINUTE >= START - 31_622_400_000
    assert 360 < len(answer.trendbar) < 370
    peer = walking(replace(BARE, bars_without_beginning="page", bars_page_size=500))
    answer = bars(peer, D1, toTimestamp=START)
    assert (len(answer.trendbar), answer.hasMore) == (500, True)


# Ticks


def test_seconds_instead_of_milliseconds_bring_nothing():
    peer = walking()
    seconds = START // 1000
    request = ProtoOAGetTickDataReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=1,
        type=ProtoOAQuoteType.BID,
        fromTimestamp=seconds - 3600,
        toTimestamp=seconds,
    )
    answer = peer.ask(request, ProtoOAGetTickDataRes)
    assert (len(answer.tickData), answer.hasMore) == (0, False)
    found = bars(peer, H1, fromTimestamp=seconds - 3600, toTimestamp=seconds)
    assert (len(found.trendbar), found.hasMore) == (0, False)


def test_ticks_come_newest_first_as_running_differences():
    peer = log_in(
        Peer(
            scripted_exchange(
                ((-3, 112500, 112503), (-2, 112490, None), (-1, None, 112502), (0, 112493, None))
            )
        ),
        USD_ACCOUNT,
    )

    def ticks(side: ProtoOAQuoteType) -> list[tuple[int, int]]:
        answer = peer.ask(
            ProtoOAGetTickDataReq(
                ctidTraderAccountId=USD_ACCOUNT,
                symbolId=1,
                type=side,
                fromTimestamp=START - 3000,
                toTimestamp=START,
            ),
            ProtoOAGetTickDataRes,
        )
        assert not answer.hasMore
        return [(tick.timestamp, tick.tick) for tick in answer.tickData]

    assert ticks(ProtoOAQuoteType.BID) == [(START, 112493), (-2000, -3), (-1000, 10)]
    assert ticks(ProtoOAQuoteType.ASK) == [(START - 1000, 112502), (-2000, 1)]


def test_page_of_ticks_holds_the_newest_part():
    peer = walking(Switches(ticks_page_size=10))
    request = ProtoOAGetTickDataReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=1,
        type=ProtoOAQuoteType.BID,
        fromTimestamp=START - 5 * HOUR,
        toTimestamp=START,
    )
    answer = peer.ask(request, ProtoOAGetTickDataRes)
    assert (len(answer.tickData), answer.hasMore) == (10, True)
    expected = [
        tick
        for tick in peer.exchange.market.prices.ticks(1, START - HOUR, START + 1)
        if tick.bid is not None
    ][-10:]
    time = value = 0
    decoded: list[tuple[int, int]] = []
    for tick in answer.tickData:
        time, value = time + tick.timestamp, value + tick.tick
        decoded.append((time, value))
    assert decoded[::-1] == [(tick.time, tick.bid) for tick in expected]


def test_page_of_ticks_that_is_just_full_is_the_last():
    request = ProtoOAGetTickDataReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=1,
        type=ProtoOAQuoteType.BID,
        fromTimestamp=START - MINUTE,
        toTimestamp=START,
    )
    number = len(walking().ask(request, ProtoOAGetTickDataRes).tickData)
    assert number > 5
    for size, more in ((number, False), (number - 1, True)):
        answer = walking(Switches(ticks_page_size=size)).ask(request, ProtoOAGetTickDataRes)
        assert (len(answer.tickData), answer.hasMore) == (size, more)


def test_window_of_counted_bars_has_no_limit():
    peer = walking(Switches(enforce_bar_windows=True))
    answer = bars(peer, fromTimestamp=START - 400 * DAY, toTimestamp=START, count=50)
    assert len(answer.trendbar) == 49


@pytest.mark.parametrize("day", ["2024-03-08T00:00", "2024-11-01T00:00"])
@pytest.mark.parametrize("period", [TrendbarPeriod.H4, TrendbarPeriod.H12, TrendbarPeriod.D1])
def test_bars_follow_one_another_where_new_york_changes_its_clocks(
    period: TrendbarPeriod, day: str
):
    first = datetime.fromisoformat(day).replace(tzinfo=UTC)
    start = period_start(period, round(first.timestamp() * 1000))
    for _ in range(5 * 6):
        following = next_period_start(period, start)
        assert period_start(period, following) == following
        assert period_start(period, following - 1) == start
        # The client knows it without asking.
        bar = Trendbar(period, start // MINUTE, 1, 1, 1, 1, 1)
        assert bar.end.timestamp() * 1000 == following
        start = following


def test_ticks_of_more_than_a_week_are_refused():
    request = ProtoOAGetTickDataReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=1,
        type=ProtoOAQuoteType.BID,
        fromTimestamp=START - 604_800_001,
        toTimestamp=START,
    )
    assert walking().ask(request, ProtoOAErrorRes).errorCode == "INCORRECT_BOUNDARIES"


def test_windows_are_enforced_and_the_flat_bar_bug_made_on_demand():
    peer = walking(Switches(enforce_bar_windows=True, bars_flat_close_bug=True))
    request = ProtoOAGetTrendbarsReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=1,
        period=M1,
        fromTimestamp=START - 3_024_000_001,
        toTimestamp=START,
    )
    assert peer.ask(request, ProtoOAErrorRes).errorCode == "INCORRECT_BOUNDARIES"
    found = bars(peer, fromTimestamp=START - 6 * HOUR, toTimestamp=START).trendbar
    flat = [bar for bar in found if bar.deltaClose == 0]
    assert flat
    assert all(bar.deltaHigh == 0 for bar in flat)
