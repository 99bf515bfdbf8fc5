"""Schedules and holidays: when symbols trade, tick and are refused, and when that changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader.models.hours import TradingHours as ClientHours
from ctrader.proto import (
    ProtoOAGetTrendbarsReq,
    ProtoOAGetTrendbarsRes,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeSpotsRes,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
    ProtoOASymbolChangedEvent,
    ProtoOATradingMode,
    ProtoOATrendbarPeriod,
)
from ctrader.simulator.catalogue import DEFAULT_CATALOGUE, HolidaySpec, SymbolSpec
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.market.calendar import DAY, HOUR, MINUTE, TradingHours, hours_of
from ctrader.simulator.market.walk import RandomWalkPrices
from ctrader.simulator.messages.catalogue import symbol_message
from ctrader.simulator.switches import Switches
from tests.simulator.peer import BARE, EUR_ACCOUNT, USD_ACCOUNT, Peer, log_in, spots

EURUSD = DEFAULT_CATALOGUE.symbol_named("EURUSD")
US500 = DEFAULT_CATALOGUE.symbol_named("US500")
BY_SCHEDULE = Switches(always_open=False, rate_limit=0, historical_rate_limit=0, idle_timeout=0)
NEW_YORK = "America/New_York"


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def day(text: str) -> int:
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


def holiday(text: str, zone: str = NEW_YORK, **terms: object) -> HolidaySpec:
    spec = HolidaySpec(holiday_id=1, name="A holiday", date=day(text), zone=zone)
    return replace(spec, **terms)  # type: ignore[arg-type]  # any field


def exchange_at(moment: str, **terms: object) -> Exchange:
    """Open an exchange that keeps hours, with changed terms of the first symbol."""
    first, *others = DEFAULT_CATALOGUE.symbols
    symbols = (replace(first, **terms), *others)  # type: ignore[arg-type]  # any field
    return Exchange(
        unix_ms=ms(moment),
        catalogue=replace(DEFAULT_CATALOGUE, symbols=symbols),
        switches=BY_SCHEDULE,
    )


# The calendar


@pytest.mark.parametrize(
    ("terms", "closed", "still_open"),
    [
        ({}, ("2026-11-23T05:00", "2026-11-24T04:59:59"), ("2026-11-23T04:59", "2026-11-24T05:00")),
        (
            {"start_second": 13 * 3600, "end_second": 86_399},
            ("2026-11-23T18:00", "2026-11-24T04:59:59.999"),
            ("2026-11-23T17:59:59", "2026-11-24T05:00"),
        ),
        (
            {"start_second": 3600, "end_second": 7200},
            ("2026-11-23T06:00", "2026-11-23T06:59:59"),
            ("2026-11-23T05:59", "2026-11-23T07:00"),
        ),
        ({"start_second": 7200, "end_second": 7200}, ("2026-11-23T05:00",), ("2026-11-24T05:00",)),
        ({"start_second": 9000, "end_second": 60}, ("2026-11-23T05:00",), ("2026-11-24T05:00",)),
        ({"end_second": 7200}, ("2026-11-23T05:00", "2026-11-23T06:59"), ("2026-11-23T07:00",)),
        ({"zone": "UTC"}, ("2026-11-23T00:00", "2026-11-23T23:59"), ("2026-11-24T00:00",)),
        (
            {"zone": "Asia/Tokyo"},
            ("2026-11-22T15:00", "2026-11-23T14:59"),
            ("2026-11-22T14:59", "2026-11-23T15:00"),
        ),
    ],
)
def test_holiday_closes_its_part_of_its_day_in_its_zone(
    terms: dict[str, object], closed: tuple[str, ...], still_open: tuple[str, ...]
):
    hours = TradingHours((), "UTC", (holiday("2026-11-23", **terms),))  # type: ignore[arg-type]  # any field
    for moment in closed:
        assert not hours.is_open(ms(moment)), moment
        assert hours.is_holiday(ms(moment)), moment
    for moment in still_open:
        assert hours.is_open(ms(moment)), moment
        assert not hours.is_holiday(ms(moment)), moment


def test_recurring_holiday_comes_every_year_and_a_leap_day_only_when_there_is_one():
    yearly = TradingHours((), "UTC", (holiday("2020-12-25", "UTC", is_recurring=True),))
    once = TradingHours((), "UTC", (holiday("2020-12-25", "UTC"),))
    for year in range(2015, 2031):
        assert not yearly.is_open(ms(f"{year}-12-25T12:00"))
        assert yearly.is_open(ms(f"{year}-12-26T00:00"))
        assert once.is_open(ms(f"{year}-12-25T12:00")) == (year != 2020)
    leap = TradingHours((), "UTC", (holiday("2024-02-29", "UTC", is_recurring=True),))
    assert not leap.is_open(ms("2028-02-29T12:00"))
    assert leap.is_open(ms("2027-02-28T12:00"))
    assert leap.is_open(ms("2027-03-01T12:00"))


def test_outside_the_weekly_hours_a_holiday_is_not_what_closes():
    # Thanksgiving at half past four in the afternoon, and five minutes after the week's break.
    hours = TradingHours(EURUSD.schedule, NEW_YORK, (holiday("2026-11-26"),))
    assert hours.is_holiday(ms("2026-11-26T21:30"))
    assert not hours.is_holiday(ms("2026-11-26T22:00"))
    assert not hours.is_open(ms("2026-11-26T22:00"))


ZONES = st.sampled_from(["UTC", NEW_YORK, "Europe/Moscow", "Asia/Tokyo", "Australia/Lord_Howe", ""])
SECONDS = st.integers(0, 2 * 604_800 // 900).map(lambda quarter: quarter * 900)
HOLIDAYS = st.builds(
    HolidaySpec,
    holiday_id=st.integers(1, 9),
    name=st.just("A holiday"),
    date=st.integers(day("2026-02-20"), day("2026-04-10"))
    | st.integers(day("2026-10-20"), day("2026-11-10")),
    zone=ZONES,
    is_recurring=st.booleans(),
    start_second=st.none() | st.sampled_from([0, 3600, 46_800, 86_399]),
    end_second=st.none() | st.sampled_from([0, 1800, 50_400, 86_399, 86_400]),
)
MOMENTS = st.integers(ms("2026-02-15T00:00") // 60_000, ms("2026-04-20T00:00") // 60_000) | (
    st.integers(ms("2027-10-20T00:00") // 60_000, ms("2027-11-15T00:00") // 60_000)
)


@given(
    st.lists(st.tuples(SECONDS, SECONDS), min_size=1, max_size=4),
    ZONES,
    st.lists(HOLIDAYS, max_size=3),
    st.lists(MOMENTS, min_size=1, max_size=8),
)
def test_simulator_and_client_agree_on_when_a_symbol_trades(
    sessions: list[tuple[int, int]], zone: str, holidays: list[HolidaySpec], moments: list[int]
):
    spec = replace(EURUSD, schedule=tuple(sessions), schedule_zone=zone, holidays=tuple(holidays))
    ours = hours_of(spec)
    theirs = ClientHours.from_proto(symbol_message(spec, unknown_fields=False))
    for minute in moments:
        at = minute * MINUTE
        moment = datetime.fromtimestamp(at / 1000, UTC)
        assert ours.is_open(at) == theirs.is_open(moment)
        state = ours.state(at, at + MINUTE)
        assert (state != "closed") or not ours.is_open(at)
        opening = ours.next_open(at)
        if ours.is_open(at):
            assert opening == at
        elif (following := theirs.next_open(moment)) is not None:
            assert opening == round(following.timestamp() * 1000)
        closing = ours.last_open(at)
        if closing is not None:
            assert closing < at
            assert ours.is_open(closing)
            assert ours.state(max(closing + 1, at - DAY), at) == "closed" or closing + 1 == at


def test_search_for_an_open_market_ends():
    never = TradingHours(((0, 60),), "UTC", [holiday("2026-11-22", "UTC")])
    assert never.next_open(ms("2026-11-22T00:00")) == ms("2026-11-29T00:00")
    holidays = [
        replace(holiday("2026-01-01", "UTC"), date=day("2024-01-01") + each) for each in range(2000)
    ]
    closed = TradingHours((), "UTC", holidays)
    assert closed.next_open(ms("2026-06-01T00:00")) is None
    assert closed.last_open(ms("2026-06-01T00:00")) is None


def test_hours_that_follow_others_leave_the_past_as_it_was():
    mondays = TradingHours(((86_400, 2 * 86_400),), "UTC", [holiday("2026-11-09", "UTC")])
    tuesdays = TradingHours(((2 * 86_400, 3 * 86_400),), "UTC")
    hours = tuesdays.following(mondays, ms("2026-11-18T12:00"))
    assert hours.is_open(ms("2026-11-16T12:00"))
    assert not hours.is_open(ms("2026-11-17T12:00"))
    assert not hours.is_open(ms("2026-11-23T12:00"))
    assert hours.is_open(ms("2026-11-24T12:00"))
    assert hours.is_holiday(ms("2026-11-09T12:00"))
    later = TradingHours((), "UTC").following(hours, ms("2026-11-24T12:00"))
    assert later.state(ms("2026-11-24T11:00"), ms("2026-11-24T13:00")) == "open"
    assert later.is_open(ms("2026-11-25T12:00"))


# Prices


def test_walk_stands_still_on_a_holiday_and_goes_on_after_it():
    open_walk = RandomWalkPrices(3, symbols=[US500], always_open=True)
    walk = RandomWalkPrices(3, symbols=[US500], always_open=False)
    # The symbol's break begins at 16:50 in New York; Christmas Eve ends at 13:00 instead.
    closing, opening = ms("2026-12-24T18:00"), ms("2026-12-27T23:05")
    assert walk.ticks(270, closing, opening) == []
    assert walk.bar(270, closing, opening) is None
    assert walk.ticks(270, closing - HOUR, closing) == open_walk.ticks(270, closing - HOUR, closing)
    last = walk.previous_time(270, opening)
    assert last is not None
    assert closing - MINUTE <= last < closing
    quote = walk.quote(270, ms("2026-12-25T12:00"))
    assert quote is not None
    assert quote.time == last
    following = walk.next_time(270, closing)
    assert following is not None
    assert opening <= following < opening + MINUTE


def test_bars_have_a_gap_where_a_holiday_was():
    peer = log_in(Peer(Exchange(unix_ms=ms("2026-12-28T12:00"), switches=BY_SCHEDULE)), USD_ACCOUNT)
    request = ProtoOAGetTrendbarsReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=270,
        period=ProtoOATrendbarPeriod.H1,
        fromTimestamp=ms("2026-12-24T00:00"),
        toTimestamp=ms("2026-12-28T02:00"),
    )
    answer = peer.ask(request, ProtoOAGetTrendbarsRes)
    begins = [bar.utcTimestampInMinutes * MINUTE for bar in answer.trendbar]
    before = [at for at in begins if at < ms("2026-12-26T00:00")]
    after = [at for at in begins if at >= ms("2026-12-26T00:00")]
    assert before[-1] == ms("2026-12-24T17:00")
    assert after[0] == ms("2026-12-27T23:00")


def test_closed_market_still_gives_its_last_price_and_then_nothing_until_it_opens():
    exchange = Exchange(unix_ms=ms("2026-12-25T12:00"), switches=BY_SCHEDULE)
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    peer.send(ProtoOASubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[270]))
    (first,) = spots(peer)
    assert first.HasField("bid")
    assert first.HasField("ask")
    peer.run(HOUR / 1000)
    assert spots(peer) == []
    exchange = Exchange(unix_ms=ms("2026-12-27T23:04"), switches=BY_SCHEDULE)
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    peer.send(ProtoOASubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[270]))
    spots(peer)
    peer.run(59)
    assert spots(peer) == []
    peer.run(60)
    assert len(spots(peer)) > 5


# The exchange


@pytest.mark.parametrize(
    ("moment", "is_open", "is_holiday"),
    [
        ("2026-12-24T17:59:59", True, False),
        ("2026-12-24T18:00:00", False, True),
        ("2026-12-24T22:00:00", False, False),
        ("2026-12-25T12:00:00", False, True),
        ("2026-12-26T12:00:00", False, False),
        ("2026-12-28T12:00:00", True, False),
    ],
)
def test_exchange_knows_whether_the_week_or_a_holiday_closes(
    moment: str, is_open: bool, is_holiday: bool
):
    exchange = Exchange(unix_ms=ms(moment), switches=BY_SCHEDULE)
    assert exchange.is_open(US500) == is_open
    assert exchange.is_holiday(US500) == is_holiday
    ever_open = Exchange(unix_ms=ms(moment))
    assert ever_open.is_open(US500)
    assert not ever_open.is_holiday(US500)


def test_new_hours_reach_subscriptions_and_whoever_asks_again():
    exchange = exchange_at("2026-11-24T12:00:30")  # a Tuesday
    peer = log_in(Peer(exchange), USD_ACCOUNT, EUR_ACCOUNT)
    peer.ask(
        ProtoOASubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1]),
        ProtoOASubscribeSpotsRes,
    )
    peer.run(10)
    assert spots(peer)
    prices, now = exchange.market.prices, exchange.market_now()
    seen = prices.ticks(1, now - HOUR, now + 1)
    sunday = ((0, 86_400),)
    exchange.change_symbol(1, schedule=sunday, trading_mode=ProtoOATradingMode.CLOSE_ONLY_MODE)
    assert not exchange.is_open(exchange.symbols[1])
    assert peer.messages(ProtoOASymbolChangedEvent) == [
        ProtoOASymbolChangedEvent(ctidTraderAccountId=account, symbolId=[1])
        for account in (USD_ACCOUNT, EUR_ACCOUNT)
    ]
    answer = peer.ask(
        ProtoOASymbolByIdReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1]), ProtoOASymbolByIdRes
    )
    (symbol,) = answer.symbol
    assert [(part.startSecond, part.endSecond) for part in symbol.schedule] == [(0, 86_400)]
    assert symbol.tradingMode == ProtoOATradingMode.CLOSE_ONLY_MODE
    peer.run(20)  # to the end of the minute, whose ticks are known already
    spots(peer)
    peer.run(30 * 60)
    assert spots(peer) == []
    assert prices.ticks(1, now - HOUR, now + 1) == seen
    exchange.change_symbol(1, schedule=EURUSD.schedule)
    peer.run(120)
    assert len(spots(peer)) > 5
    gap = prices.bar(1, ms("2026-11-24T12:01"), ms("2026-11-24T12:31"))
    assert gap is None


def test_new_holiday_stops_prices_at_the_end_of_the_minute():
    exchange = exchange_at("2026-11-24T12:00:30")
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    exchange.change_symbol(1, holidays=(holiday("2026-11-24", "UTC"),))
    assert exchange.is_holiday(exchange.symbols[1])
    peer.send(ProtoOASubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1]))
    peer.run(60)
    spots(peer)
    peer.run(600)
    assert spots(peer) == []


def test_market_that_is_always_open_has_neither_hours_nor_holidays():
    ever_open = Exchange(unix_ms=ms("2026-11-24T12:00:30"), switches=BARE)
    peer = log_in(Peer(ever_open), USD_ACCOUNT)
    ever_open.change_symbol(1, holidays=(holiday("2026-11-24", "UTC"),), schedule=((0, 60),))
    assert ever_open.is_open(ever_open.symbols[1])
    assert not ever_open.is_holiday(ever_open.symbols[1])
    peer.send(ProtoOASubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1]))
    peer.run(600)
    assert len(peer.messages(ProtoOASpotEvent)) > 100


def test_holidays_are_sent_as_they_were_given():
    whole = holiday("2026-11-26")
    part = HolidaySpec(
        holiday_id=7,
        name="Half a day",
        description="Early close",
        date=day("2026-11-27"),
        zone="Europe/London",
        is_recurring=True,
        start_second=0,
        end_second=86_399,
    )
    spec: SymbolSpec = replace(EURUSD, holidays=(whole, part))
    first, second = symbol_message(spec, unknown_fields=False).holiday
    assert (first.holidayId, first.name, first.holidayDate) == (1, "A holiday", day("2026-11-26"))
    assert first.scheduleTimeZone == NEW_YORK
    assert not first.isRecurring
    assert not first.HasField("startSecond")
    assert not first.HasField("endSecond")
    assert (second.description, second.scheduleTimeZone) == ("Early close", "Europe/London")
    assert second.isRecurring
    assert second.HasField("startSecond")
    assert (second.startSecond, second.endSecond) == (0, 86_399)
