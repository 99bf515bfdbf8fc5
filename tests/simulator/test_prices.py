"""The random walk, replayed bars, and the calendar that both are cut by."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader.proto import (
    ProtoOAGetTrendbarsReq,
    ProtoOAGetTrendbarsRes,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOATrendbarPeriod,
)
from ctrader.simulator.catalogue import DEFAULT_CATALOGUE
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.market.calendar import (
    DAY,
    HOUR,
    MINUTE,
    TradingHours,
    next_period_start,
    period_start,
    zone_offset,
)
from ctrader.simulator.market.prices import Quote, Tick, TickPrices, fold_ticks
from ctrader.simulator.market.replay import BarFileError, ReplayPrices, SourceBar, read_bars
from ctrader.simulator.market.walk import RandomWalkPrices
from tests.simulator.peer import BARE, USD_ACCOUNT, Peer, log_in

SYMBOLS = st.sampled_from([symbol.symbol_id for symbol in DEFAULT_CATALOGUE.symbols])
INSTANTS = st.integers(1_000_000_000_000, 1_900_000_000_000)
WALK = RandomWalkPrices(1)
CLOSING_WALK = RandomWalkPrices(1, always_open=False)


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


# The walk


@given(SYMBOLS, INSTANTS, st.integers(1, 3 * HOUR), st.booleans())
def test_bars_are_exactly_their_ticks(symbol_id: int, start: int, length: int, closing: bool):
    walk = CLOSING_WALK if closing else WALK
    end = start + length
    ticks = walk.ticks(symbol_id, start, end)
    assert walk.bar(symbol_id, start, end) == fold_ticks(ticks)
    if ticks:
        assert walk.next_time(symbol_id, start - 1) == ticks[0].time
        assert walk.previous_time(symbol_id, end) == ticks[-1].time


@given(
    SYMBOLS,
    INSTANTS,
    st.integers(1, 400 * DAY),
    st.integers(1, 400 * DAY),
    st.booleans(),
    st.booleans(),
)
def test_long_bars_are_exactly_their_parts(
    symbol_id: int, start: int, length: int, more: int, whole: bool, closing: bool
):
    walk = CLOSING_WALK if closing else WALK
    middle, end = start + length, start + length + more
    # The first tick of a minute has a bid; what a cut before it leaves over may have none, and no
    # bar to count it in.
    middle += -middle % MINUTE
    end = max(middle, end)
    if whole:
        start, middle, end = (each - each % HOUR for each in (start, middle, end))
    parts = [walk.bar(symbol_id, start, middle), walk.bar(symbol_id, middle, end)]
    # A bar ticks to its opening, both ends and its close, and its volume is what the ticks weigh.
    bars = [bar for bar in parts if bar is not None]
    joined = fold_ticks(
        Tick(0, price, None, bar.volume * (number == 0))
        for bar in bars
        for number, price in enumerate((bar.open, bar.high, bar.low, bar.close))
    )
    assert walk.bar(symbol_id, start, end) == joined


@pytest.mark.parametrize(("closing", "digest"), [(False, 3_136_514_189), (True, 1_049_050_267)])
def test_prices_of_a_seed_are_those_of_earlier_versions(closing: bool, digest: int):
    # Scripts and expectations of users are written for them.
    walk = RandomWalkPrices(5, always_open=not closing)
    day = ms("2023-11-14T21:00")
    found: list[object] = []
    for symbol_id in (1, 4):
        for length, step in ((30 * DAY, 30 * DAY), (DAY, DAY), (MINUTE, 997 * MINUTE)):
            for number in range(12):
                start = day - number * step
                bar = walk.bar(symbol_id, start, start + length)
                found.append(None if bar is None else tuple(bar))
        found.extend(tuple(tick) for tick in walk.ticks(symbol_id, day, day + 3 * MINUTE))
        quote = walk.quote(symbol_id, day + DAY)
        found.append(None if quote is None else tuple(quote))
    assert crc32(repr(found).encode()) == digest


@given(SYMBOLS, INSTANTS)
def test_ticks_are_in_order_on_the_grid_and_never_crossed(symbol_id: int, start: int):
    grid = next(each.grid for each in DEFAULT_CATALOGUE.symbols if each.symbol_id == symbol_id)
    start -= start % MINUTE
    bid = ask = 0
    last = start - 1
    for tick in WALK.ticks(symbol_id, start, start + MINUTE):
        assert tick.time > last
        assert tick.weight == (tick.bid is not None) + (tick.ask is not None) > 0
        last = tick.time
        bid = bid if tick.bid is None else tick.bid
        ask = ask if tick.ask is None else tick.ask
        assert 0 < bid < ask
        assert bid % grid == ask % grid == 0
    assert WALK.quote(symbol_id, start + MINUTE - 1) == Quote(bid, ask, last)


@given(SYMBOLS, INSTANTS)
def test_side_that_does_not_change_is_not_told(symbol_id: int, start: int):
    start -= start % MINUTE
    bid = ask = None
    for minute in range(10):
        begin = start + minute * MINUTE
        lately = WALK.bar(symbol_id, begin - MINUTE, begin + MINUTE)
        assert lately is not None
        for tick in WALK.ticks(symbol_id, begin, begin + MINUTE):
            assert tick.bid is not None or tick.ask is not None
            if tick.bid is not None:
                assert tick.bid != bid or lately.high == lately.low
                bid = tick.bid
            if tick.ask is not None:
                # A minute knows where the bid was before it, and begins with both sides.
                assert tick.ask != ask or (tick.bid is not None and tick.weight == 2)
                ask = tick.ask


def test_walk_depends_on_the_seed_alone():
    again = RandomWalkPrices(1)
    at = ms("2026-11-22T12:00")
    assert list(again.ticks(1, at, at + HOUR)) == list(WALK.ticks(1, at, at + HOUR))
    assert RandomWalkPrices(2).quote(1, at) != WALK.quote(1, at)


def test_walk_keeps_near_its_centre_and_moves_like_a_market():
    day, year = ms("2024-01-03T22:00"), 365 * DAY
    for spec in DEFAULT_CATALOGUE.symbols:
        centre = float(spec.price) * 100_000
        bar = WALK.bar(spec.symbol_id, day, day + 2 * year)
        assert bar is not None
        assert 0.2 * centre < bar.low < bar.high < 3 * centre
        ranges: list[float] = []
        for number in range(200):
            start = day + number * DAY
            daily = WALK.bar(spec.symbol_id, start, start + DAY)
            assert daily is not None
            ranges.append((daily.high - daily.low) / daily.open)
        # A year's deviation by the root of 365 days is a day's; a day's range is about 1.6 of it.
        typical = 1.6 * spec.volatility / 365**0.5
        assert 0.4 * typical < sum(ranges) / len(ranges) < 2 * typical


def test_closed_hours_have_no_ticks():
    saturday = ms("2026-11-21T12:00")
    assert CLOSING_WALK.ticks(1, saturday, saturday + HOUR) == []
    assert CLOSING_WALK.bar(1, saturday, saturday + HOUR) is None
    friday = CLOSING_WALK.previous_time(1, saturday)
    assert friday is not None
    assert ms("2026-11-20T21:54") < friday < ms("2026-11-20T21:55")
    sunday = CLOSING_WALK.next_time(1, saturday)
    assert sunday is not None
    assert ms("2026-11-22T22:05") <= sunday < ms("2026-11-22T22:06")
    last = CLOSING_WALK.quote(1, saturday)
    assert last is not None
    assert last.time == friday
    assert WALK.ticks(1, saturday, saturday + HOUR)


def test_average_minute_has_a_tick_every_two_seconds():
    start = ms("2024-05-06T00:00")
    volumes = [
        bar.volume
        for number in range(40)
        if (bar := WALK.bar(1, start + number * 30 * DAY, start + number * 30 * DAY + HOUR))
    ]
    changes = sum(volumes) / len(volumes) / 60
    assert 25 < changes < 60
    ticks = len(WALK.ticks(1, start, start + HOUR))
    weight = sum(tick.weight for tick in WALK.ticks(1, start, start + HOUR))
    assert 0.7 < ticks / weight < 1


# Replayed bars


def write(path: Path, text: str) -> Path:
    file = path / "bars.csv"
    file.write_text(text, encoding="utf-8")
    return file


def row(time: str, values: str, volume: int) -> SourceBar:
    opening, high, low, close = (Decimal(value) for value in values.split())
    return SourceBar(ms(time), opening, high, low, close, volume)


ROWS = (
    row("2024-05-06T10:00", "1.1 1.2 1.05 1.15", 8),
    row("2024-05-06T11:00", "1.15 1.3 1.1 1.12", 6),
)


@pytest.mark.parametrize(
    "text",
    [
        "time,open,high,low,close,volume\n"
        "2024-05-06 10:00:00,1.1,1.2,1.05,1.15,8\n2024-05-06T11:00:00Z,1.15,1.3,1.1,1.12,6\n",
        ",Open,High,Low,Close,Volume\n"
        "2024-05-06 10:00,1.1,1.2,1.05,1.15,8\n2024-05-06 13:00+02:00,1.15,1.3,1.1,1.12,6\n",
        "VOLUME;Close;low;High;OPEN;Date\n"
        "8;1.15;1.05;1.2;1.1;1714989600\n6;1.12;1.1;1.3;1.15;1714993200\n",
        "1714993200000,1.15,1.3,1.1,1.12,6\n\n1714989600000,1.1,1.2,1.05,1.15,8\n",
        "Gmt time\tOpen\tHigh\tLow\tClose\tVolume\n"
        "06.05.2024 10:00:00.000\t1.1\t1.2\t1.05\t1.15\t8\n"
        "2024.05.06 11:00\t1.15\t1.3\t1.1\t1.12\t6",
    ],
)
def test_files_of_bars_are_read_whatever_their_layout(tmp_path: Path, text: str):
    assert read_bars(write(tmp_path, text)) == list(ROWS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no bars"),
        ("time,open,high,low,close\n", "holds a header but no bars"),
        ("time,open,high,close\n2024-05-06,1,1,1", "line 1: no column for low"),
        ("2024-05-06,1,1,1", "line 1: no column for close"),
        ("time,open,high,low,close\n2024-05-06,1,x,1,1", "line 2: high 'x' is not a number"),
        ("time,open,high,low,close\n2024-05-06,1,nan,1,1", "line 2: high 'nan' is not a positive"),
        ("time,open,high,low,close\n2024-05-06,1,1,0,1", "line 2: low '0' is not a positive"),
        ("time,open,high,low,close\n2024-05-06,1,1", "line 2: 3 values, but 5 are needed"),
        ("time,open,high,low,close\n\nsoon,1,1,1,1", "line 3: time 'soon' is not an instant"),
        ("time,open,high,low,close\n2024-05-06,1,2,1,3", "high 2 and low 1 do not enclose"),
        ("time,open,high,low,close,volume\n2024-05-06,1,2,1,2,many", "volume 'many' is not"),
        (
            "time,open,high,low,close\n2024-05-06,1,2,1,2\n2024-05-06,1,2,1,2",
            "two bars for 2024-05-06 00:00:00",
        ),
        ("time,open,high,low,close\n" + "9" * 21 + ",1,1,1,1", "is not an instant"),
        ("time,open,high,low,close\n1e999999,1,1,1,1", "is not an instant"),
        ("time,open,high,low,close\n1900-01-01,1,1,1,1", "is not an instant"),
        (
            "time,open,high,low,close\n2024-05-06,1,1e400,1,1",
            "high '1e400' is not a positive price",
        ),
        ("time,open,high,low,close\n" + "x" * 200_000, "field larger than field limit"),
    ],
)
def test_bad_file_is_refused_by_line_and_value(tmp_path: Path, text: str, words: str):
    with pytest.raises(BarFileError) as caught:
        read_bars(write(tmp_path, text))
    assert words in str(caught.value)


def test_file_that_is_no_text_is_refused(tmp_path: Path):
    path = tmp_path / "bars.csv"
    path.write_bytes(b"time,open,high,low,close\n\xff\xfe,1,1,1,1\n")
    told = r"none\.csv cannot be read: .*; name a CSV file of bars"
    with pytest.raises(BarFileError, match=told):
        read_bars(tmp_path / "none.csv")
    with pytest.raises(BarFileError, match=r"bars\.csv.* is no text in UTF-8"):
        read_bars(path)


def test_bars_become_four_ticks_through_the_nearer_end_first():
    prices = ReplayPrices(ROWS, start=datetime(2024, 5, 6, 11, tzinfo=UTC))
    begin, second = ROWS[0].time, ROWS[1].time
    quarter = HOUR // 4
    assert list(prices.ticks(1, 0, begin + DAY)) == [
        Tick(begin, 110_000, 110_002, 2),
        Tick(begin + quarter, 105_000, 105_002, 2),
        Tick(begin + 2 * quarter, 120_000, 120_002, 2),
        Tick(begin + 3 * quarter, 115_000, 115_002, 2),
        Tick(second, 115_000, 115_002, 2),
        Tick(second + quarter, 130_000, 130_002, 2),
        Tick(second + 2 * quarter, 110_000, 110_002, 1),
        Tick(second + 3 * quarter, 112_000, 112_002, 1),
    ]
    assert prices.start == second
    assert prices.quote(2, begin) is None


def test_replay_serves_history_and_plays_on_at_its_speed():
    prices = ReplayPrices(ROWS, fallback=WALK)
    exchange = Exchange(prices=prices, speed=3600, switches=BARE)
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    peer.send(
        ProtoOASubscribeSpotsReq(
            ctidTraderAccountId=USD_ACCOUNT, symbolId=[1], subscribeToSpotTimestamp=True
        )
    )
    peer.run(1)
    bids = [each.bid for each in peer.messages(ProtoOASpotEvent)]
    assert bids == [115_000, 130_000, 110_000, 112_000]
    answer = peer.ask(
        ProtoOAGetTrendbarsReq(
            ctidTraderAccountId=USD_ACCOUNT,
            symbolId=1,
            period=ProtoOATrendbarPeriod.H1,
            fromTimestamp=ROWS[0].time,
            toTimestamp=ROWS[1].time,
        ),
        ProtoOAGetTrendbarsRes,
    )
    assert [
        (bar.low, bar.deltaOpen, bar.deltaHigh, bar.deltaClose, bar.volume)
        for bar in answer.trendbar
    ] == [
        (105_000, 5_000, 15_000, 10_000, 8),
        (110_000, 5_000, 20_000, 2_000, 6),
    ]
    assert exchange.quote(2) is not None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"symbol": "NONE"}, "there is no symbol 'NONE'; known are EURUSD"),
        ({"start": datetime(2024, 5, 6)}, "aware"),  # noqa: DTZ001  # naive on purpose
    ],
)
def test_impossible_replay_is_refused(options: dict[str, object], words: str):
    with pytest.raises(ValueError, match=words):
        ReplayPrices(ROWS, **options)  # type: ignore[arg-type]  # any option


def test_ticks_out_of_order_are_refused():
    with pytest.raises(ValueError, match="order of time"):
        TickPrices({1: [Tick(5, 1, 2, 2), Tick(4, 1, 2, 2)]})
    with pytest.raises(ValueError, match="both sides"):
        TickPrices({1: [Tick(5, 1, None, 1)]})


def test_given_ticks_leave_other_symbols_to_the_fallback_or_without_prices():
    ticks = {1: [Tick(5, 1, 2, 2)], 2: []}
    alone, backed = TickPrices(ticks), TickPrices(ticks, fallback=WALK)
    at = ms("2024-05-06T10:00")
    assert (alone.first_time(1), alone.first_time(4)) == (5, 0)
    assert backed.first_time(4) == WALK.first_time(4)
    assert (alone.next_time(1, 4), alone.next_time(1, 5), alone.next_time(4, 0)) == (5, None, None)
    assert (alone.previous_time(1, 6), alone.previous_time(1, 5)) == (5, None)
    assert alone.previous_time(4, 9) is None
    assert alone.bar(4, 0, 9) is None
    assert list(alone.ticks(4, 0, 9)) == []
    assert backed.next_time(4, at) == WALK.next_time(4, at)
    assert backed.previous_time(4, at) == WALK.previous_time(4, at)
    assert backed.bar(4, at, at + HOUR) == WALK.bar(4, at, at + HOUR)
    assert backed.ticks(4, at, at + HOUR) == WALK.ticks(4, at, at + HOUR)
    assert backed.quote(4, at) == WALK.quote(4, at)
    assert WALK.quote(999, at) is None
    assert WALK.bar(999, at, at + 1) is None
    assert list(WALK.ticks(999, at, at + 1)) == []
    assert WALK.next_time(999, at) is None
    assert WALK.previous_time(999, at) is None


# The calendar


@given(st.sampled_from(list(ProtoOATrendbarPeriod.values())), st.integers(0, 4_000_000_000_000))
def test_periods_follow_one_another_without_gap(period: int, at: int):
    start = period_start(period, at)
    following = next_period_start(period, start)
    assert start <= at < following
    assert period_start(period, following) == following
    assert period_start(period, following - 1) == start


@pytest.mark.parametrize(
    ("period", "at", "start"),
    [
        ("D1", "2026-03-08T20:59", "2026-03-07T22:00"),
        ("D1", "2026-03-08T21:00", "2026-03-08T21:00"),
        ("H4", "2026-03-08T20:59", "2026-03-08T18:00"),
        ("H4", "2026-07-15T00:59", "2026-07-14T21:00"),
        ("H12", "2026-07-15T09:00", "2026-07-15T09:00"),
        ("W1", "2026-07-15T09:00", "2026-07-12T21:00"),
        ("MN1", "2026-07-15T09:00", "2026-06-30T21:00"),
        ("M10", "2026-07-15T09:19", "2026-07-15T09:10"),
    ],
)
def test_periods_begin_where_new_york_says(period: str, at: str, start: str):
    assert period_start(ProtoOATrendbarPeriod.Value(period), ms(at)) == ms(start)


def test_own_rule_of_new_york_agrees_with_the_zone_files():
    from zoneinfo import ZoneInfo

    zone = ZoneInfo("America/New_York")
    for at in range(ms("1999-01-01"), ms("2035-01-01"), 7 * HOUR):
        moment = datetime.fromtimestamp(at / 1000, UTC).astimezone(zone)
        offset = moment.utcoffset()
        assert offset is not None
        assert zone_offset("America/New_York", at) == round(offset.total_seconds() * 1000)


def test_trading_hours_follow_their_zone():
    hours = TradingHours(((61_500, 147_300),), "America/New_York")
    assert not hours.is_open(ms("2026-11-22T22:04"))
    assert hours.is_open(ms("2026-11-22T22:05"))
    assert hours.is_open(ms("2026-07-12T21:05"))
    assert not hours.is_open(ms("2026-11-23T21:55"))
    assert hours.state(ms("2026-11-22T22:00"), ms("2026-11-22T23:00")) == "mixed"
    assert hours.state(ms("2026-11-24T22:00"), ms("2026-11-24T23:00")) == "closed"
    assert TradingHours((), "UTC").state(0, 10**15) == "open"
    moscow = TradingHours(((90_300, 172_200),), "Europe/Moscow")
    assert moscow.is_open(ms("2026-11-23T12:00"))
