"""Histories: complete, ordered, each entry once, however the server cuts its answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctrader.enums import QuoteType, TrendbarPeriod
from ctrader.errors import DeserializationError, ProtocolError
from ctrader.operations import history
from ctrader.proto import (
    ProtoOADeal,
    ProtoOADealListByPositionIdReq,
    ProtoOADealListByPositionIdRes,
    ProtoOADealListReq,
    ProtoOADealListRes,
    ProtoOADealOffset,
    ProtoOADealOffsetListReq,
    ProtoOADealOffsetListRes,
    ProtoOAGetTickDataReq,
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsReq,
    ProtoOAGetTrendbarsRes,
    ProtoOAOrder,
    ProtoOAOrderDetailsReq,
    ProtoOAOrderDetailsRes,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListByPositionIdRes,
    ProtoOAOrderListReq,
    ProtoOAOrderListRes,
    ProtoOATickData,
    ProtoOATradeData,
    ProtoOATrader,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOATrendbar,
)
from ctrader.protocol.commands import Call, Command, Priority
from tests.operations.peer import converse, drive, question

if TYPE_CHECKING:
    from ctrader.models.market import TickData, Trendbar

START = datetime(2024, 1, 1, tzinfo=UTC)
START_MS = 1_704_067_200_000
MINUTE_MS = 60_000
DAY_MS = 86_400_000
WEEK_MS = 604_800_000
NOW = datetime(2024, 6, 1, tzinfo=UTC)


def at(milliseconds: int) -> datetime:
    return START + timedelta(milliseconds=milliseconds)


# Bars


def bars_request(
    period: TrendbarPeriod, start: int, end: int, priority: Priority = Priority.READ
) -> Call:
    request = ProtoOAGetTrendbarsReq(
        ctidTraderAccountId=7,
        symbolId=1,
        period=period.value,
        fromTimestamp=START_MS + start,
        toTimestamp=START_MS + end,
    )
    return question(request, priority=priority)


def bars_answer(
    *minutes: int, period: str = "M1", has_more: bool = False
) -> ProtoOAGetTrendbarsRes:
    return ProtoOAGetTrendbarsRes(
        ctidTraderAccountId=7,
        period=period,
        hasMore=has_more,
        trendbar=[
            ProtoOATrendbar(
                volume=1,
                low=100 + minute,
                deltaHigh=1,
                utcTimestampInMinutes=START_MS // MINUTE_MS + minute,
            )
            for minute in minutes
        ],
    )


def starts(bars: list[Trendbar]) -> list[int]:
    return [bar.start_minutes - START_MS // MINUTE_MS for bar in bars]


def test_bars_of_one_answer_are_trimmed_sorted_and_of_the_answers_period() -> None:
    bars = converse(
        history.get_trendbars(7, 1, TrendbarPeriod.M5, at(5 * MINUTE_MS), at(15 * MINUTE_MS)),
        (
            bars_request(TrendbarPeriod.M5, 5 * MINUTE_MS, 15 * MINUTE_MS),
            bars_answer(15, 5, 10, 0, 20, period="M5"),
        ),
    )

    assert starts(bars) == [5, 10, 15]
    assert {bar.period for bar in bars} == {TrendbarPeriod.M5}


def test_repaired_bars_are_marked() -> None:
    answer = ProtoOAGetTrendbarsRes(
        ctidTraderAccountId=7,
        period="M1",
        trendbar=[
            ProtoOATrendbar(
                volume=1, low=100, deltaOpen=7, utcTimestampInMinutes=START_MS // MINUTE_MS
            )
        ],
    )

    (bar,) = converse(
        history.get_trendbars(7, 1, TrendbarPeriod.M1, START, START),
        (bars_request(TrendbarPeriod.M1, 0, 0), answer),
    )

    assert bar.repaired
    assert bar.high_points == 107


def test_bars_are_paged_back_from_the_oldest_received() -> None:
    bars = converse(
        history.get_trendbars(7, 1, TrendbarPeriod.M1, START, at(5 * MINUTE_MS)),
        (
            bars_request(TrendbarPeriod.M1, 0, 5 * MINUTE_MS),
            bars_answer(4, 5, has_more=True),
        ),
        (
            bars_request(TrendbarPeriod.M1, 0, 4 * MINUTE_MS - 1, Priority.BULK),
            bars_answer(1, 3, has_more=True),
        ),
        (
            bars_request(TrendbarPeriod.M1, 0, 1 * MINUTE_MS - 1, Priority.BULK),
            bars_answer(0, has_more=False),
        ),
    )

    assert starts(bars) == [0, 1, 3, 4, 5]


def test_bars_older_than_the_span_end_the_paging() -> None:
    bars = converse(
        history.get_trendbars(7, 1, TrendbarPeriod.M1, START, at(5 * MINUTE_MS)),
        (
            bars_request(TrendbarPeriod.M1, 0, 5 * MINUTE_MS),
            bars_answer(-2, 4, has_more=True),
        ),
    )

    assert starts(bars) == [4]


@pytest.mark.parametrize(
    ("period", "days"),
    [
        (TrendbarPeriod.M1, 35),
        (TrendbarPeriod.M5, 35),
        (TrendbarPeriod.M10, 245),
        (TrendbarPeriod.H1, 245),
        (TrendbarPeriod.H4, 366),
        (TrendbarPeriod.D1, 366),
        (TrendbarPeriod.W1, 1830),
        (TrendbarPeriod.MN1, 1830),
    ],
)
def test_long_spans_are_cut_into_the_windows_of_the_period(
    period: TrendbarPeriod, days: int
) -> None:
    start, length = -days * DAY_MS - 1, days * DAY_MS

    converse(
        history.get_trendbars(7, 1, period, at(start), START),
        (bars_request(period, -length, 0), bars_answer(period=period.name)),
        (bars_request(period, start, -length, Priority.BULK), bars_answer(period=period.name)),
    )


def test_bar_on_the_border_of_two_windows_is_given_once() -> None:
    border = -35 * DAY_MS

    bars = converse(
        history.get_trendbars(7, 1, TrendbarPeriod.M1, at(border - MINUTE_MS), START),
        (bars_request(TrendbarPeriod.M1, border, 0), bars_answer(border // MINUTE_MS)),
        (
            bars_request(TrendbarPeriod.M1, border - MINUTE_MS, border, Priority.BULK),
            bars_answer(border // MINUTE_MS - 1, border // MINUTE_MS),
        ),
    )

    assert starts(bars) == [border // MINUTE_MS - 1, border // MINUTE_MS]


@pytest.mark.parametrize("minutes", [(), (6,)])
def test_bars_that_cannot_be_continued_are_an_error(minutes: tuple[int, ...]) -> None:
    with pytest.raises(ProtocolError, match="goes on, but not where"):
        converse(
            history.get_trendbars(7, 1, TrendbarPeriod.M1, START, at(5 * MINUTE_MS)),
            (
                bars_request(TrendbarPeriod.M1, 0, 5 * MINUTE_MS),
                bars_answer(*minutes, has_more=True),
            ),
        )


@settings(max_examples=60)
@given(
    minutes=st.sets(st.integers(0, 60 * 24 * 80)),
    cap=st.integers(1, 30),
    span=st.tuples(st.integers(-5, 120_000), st.integers(0, 120_000)),
)
def test_bars_are_complete_for_every_page_size(
    minutes: set[int], cap: int, span: tuple[int, int]
) -> None:
    first, last = span[0], span[0] + span[1]

    def server(command: Command) -> object:
        assert isinstance(command, Call)
        request = command.request
        assert isinstance(request, ProtoOAGetTrendbarsReq)
        assert 0 <= request.toTimestamp - request.fromTimestamp <= 35 * DAY_MS
        low, high = request.fromTimestamp - START_MS, request.toTimestamp - START_MS
        there = sorted(minute for minute in minutes if low <= minute * MINUTE_MS <= high)
        return bars_answer(*there[-cap:], has_more=len(there) > cap)

    bars = drive(
        history.get_trendbars(7, 1, TrendbarPeriod.M1, at(first * MINUTE_MS), at(last * MINUTE_MS)),
        server,
    )

    assert starts(bars) == sorted(minute for minute in minutes if first <= minute <= last)


# Ticks


def ticks_request(
    start: int, end: int, priority: Priority = Priority.READ, side: str = "BID"
) -> Call:
    request = ProtoOAGetTickDataReq(
        ctidTraderAccountId=7,
        symbolId=1,
        type=side,
        fromTimestamp=START_MS + start,
        toTimestamp=START_MS + end,
    )
    return question(request, priority=priority)


def ticks_answer(*ticks: tuple[int, int], has_more: bool = False) -> ProtoOAGetTickDataRes:
    """Write ticks, given newest first, as running differences."""
    answer = ProtoOAGetTickDataRes(ctidTraderAccountId=7, hasMore=has_more)
    time = price = 0
    for moment, value in ticks:
        stamp = START_MS + moment
        answer.tickData.append(ProtoOATickData(timestamp=stamp - time, tick=value - price))
        time, price = stamp, value
    return answer


def plain(ticks: list[TickData]) -> list[tuple[int, int]]:
    return [(tick.timestamp_ms - START_MS, tick.price_points) for tick in ticks]


@pytest.mark.parametrize(("side", "name"), [(QuoteType.ASK, "ASK"), ("ask", "ASK"), ("BID", "BID")])
def test_ticks_of_one_side_come_oldest_first(side: QuoteType | str, name: str) -> None:
    ticks = converse(
        history.get_tick_data(7, 1, START, at(1_000), side),
        (ticks_request(0, 1_000, side=name), ticks_answer((900, 110), (900, 111), (5, 108))),
    )

    assert plain(ticks) == [(5, 108), (900, 111), (900, 110)]


def test_ticks_are_bids_unless_said_otherwise() -> None:
    assert (
        converse(history.get_tick_data(7, 1, START, START), (ticks_request(0, 0), ticks_answer()))
        == []
    )


def test_unknown_side_is_refused() -> None:
    with pytest.raises(ValueError, match="QuoteType"):
        converse(history.get_tick_data(7, 1, START, START, "MID"))


def test_page_that_tears_a_millisecond_apart_loses_and_doubles_nothing() -> None:
    ticks = converse(
        history.get_tick_data(7, 1, START, at(1_000)),
        (
            ticks_request(0, 1_000),
            ticks_answer((900, 5), (500, 7), (500, 7), has_more=True),
        ),
        (
            ticks_request(0, 500, Priority.BULK),
            ticks_answer((500, 7), (500, 7), (500, 7), (500, 6), has_more=True),
        ),
        # Nothing but that millisecond came: the next page must lie before it.
        (ticks_request(0, 499, Priority.BULK), ticks_answer((400, 5), has_more=False)),
    )

    assert plain(ticks) == [(400, 5), (500, 6), (500, 7), (500, 7), (500, 7), (900, 5)]


def test_ticks_are_asked_by_the_week() -> None:
    ticks = converse(
        history.get_tick_data(7, 1, START, at(WEEK_MS + 1)),
        (ticks_request(1, WEEK_MS + 1), ticks_answer((1, 5))),
        (ticks_request(0, 1, Priority.BULK), ticks_answer((1, 5), (1, 5), (0, 4))),
    )

    assert plain(ticks) == [(0, 4), (1, 5), (1, 5)]


def test_ticks_outside_the_window_are_left_out() -> None:
    ticks = converse(
        history.get_tick_data(7, 1, START, at(10)),
        (ticks_request(0, 10), ticks_answer((11, 1), (10, 2), (-1, 3), has_more=True)),
    )

    assert plain(ticks) == [(10, 2)]


@pytest.mark.parametrize("page", [(), ((11, 1),)])
def test_ticks_that_cannot_be_continued_are_an_error(page: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ProtocolError, match="goes on, but not where"):
        converse(
            history.get_tick_data(7, 1, START, at(10)),
            (ticks_request(0, 10), ticks_answer(*page, has_more=True)),
        )


def test_ticks_that_run_forward_are_an_error() -> None:
    with pytest.raises(DeserializationError):
        converse(
            history.get_tick_data(7, 1, START, at(10)),
            (ticks_request(0, 10), ticks_answer((5, 1), (6, 1))),
        )


@settings(max_examples=100)
@given(
    ticks=st.lists(st.tuples(st.integers(0, 40), st.integers(1, 2)), max_size=60),
    extra=st.integers(0, 10),
    stretch=st.sampled_from([1, WEEK_MS // 10]),
)
def test_ticks_are_exact_for_every_page_size(
    ticks: list[tuple[int, int]], extra: int, stretch: int
) -> None:
    all_ticks = sorted(((moment * stretch, price) for moment, price in ticks), reverse=True)
    moments = [moment for moment, _ in all_ticks]
    cap = max([moments.count(moment) for moment in moments], default=1) + extra

    def server(command: Command) -> object:
        assert isinstance(command, Call)
        request = command.request
        assert isinstance(request, ProtoOAGetTickDataReq)
        assert 0 <= request.toTimestamp - request.fromTimestamp <= WEEK_MS
        low, high = request.fromTimestamp - START_MS, request.toTimestamp - START_MS
        there = [tick for tick in all_ticks if low <= tick[0] <= high]
        return ticks_answer(*there[:cap], has_more=len(there) > cap)

    read = drive(history.get_tick_data(7, 1, START, at(40 * stretch)), server)

    assert plain(read) == all_ticks[::-1]


# Deals and orders


def deal(number: int, moment: int) -> ProtoOADeal:
    return ProtoOADeal(
        dealId=number,
        orderId=1,
        positionId=1,
        volume=100,
        filledVolume=100,
        symbolId=1,
        createTimestamp=START_MS + moment,
        executionTimestamp=START_MS + moment,
        tradeSide="BUY",
        dealStatus="FILLED",
        moneyDigits=2,
    )


def order(number: int, moment: int | None) -> ProtoOAOrder:
    return ProtoOAOrder(
        orderId=number,
        tradeData=ProtoOATradeData(symbolId=1, volume=100, tradeSide="BUY"),
        orderType="LIMIT",
        orderStatus="ORDER_STATUS_FILLED",
        utcLastUpdateTimestamp=None if moment is None else START_MS + moment,
    )


def deals_request(start: int, end: int, priority: Priority = Priority.READ) -> Call:
    request = ProtoOADealListReq(
        ctidTraderAccountId=7, fromTimestamp=START_MS + start, toTimestamp=START_MS + end
    )
    return question(request, priority=priority)


def deals_answer(*deals: ProtoOADeal, has_more: bool = False) -> ProtoOADealListRes:
    return ProtoOADealListRes(ctidTraderAccountId=7, deal=deals, hasMore=has_more)


def test_deals_are_asked_by_the_week_sorted_and_given_once() -> None:
    deals = converse(
        history.get_deals(7, START, at(WEEK_MS + 5), now=NOW),
        (
            deals_request(0, WEEK_MS),
            deals_answer(deal(4, WEEK_MS), deal(2, 3), deal(1, 3), deal(3, 2)),
        ),
        (
            deals_request(WEEK_MS, WEEK_MS + 5, Priority.BULK),
            deals_answer(deal(4, WEEK_MS), deal(5, WEEK_MS + 1)),
        ),
    )

    assert [entry.deal_id for entry in deals] == [3, 1, 2, 4, 5]


def test_deals_default_to_the_last_seven_days_and_a_minute_for_slow_clocks() -> None:
    end = int(NOW.timestamp() * 1000) + MINUTE_MS - START_MS

    converse(
        history.get_deals(7, now=NOW),
        (deals_request(end - WEEK_MS, end), deals_answer()),
    )


def test_begin_that_is_not_given_is_seven_days_before_the_end() -> None:
    converse(
        history.get_deals(7, to_timestamp=START, now=NOW),
        (deals_request(-WEEK_MS, 0), deals_answer()),
    )


def test_cut_off_list_is_asked_for_on_both_sides_of_what_came() -> None:
    deals = converse(
        history.get_deals(7, START, at(100), now=NOW),
        (deals_request(0, 100), deals_answer(deal(9, 90), deal(8, 80), has_more=True)),
        (deals_request(90, 100, Priority.BULK), deals_answer(deal(9, 90))),
        (
            deals_request(0, 80, Priority.BULK),
            deals_answer(deal(8, 80), deal(7, 80), has_more=True),
        ),
        # All of one millisecond, at the border: the rest is before it, or of the same one.
        (deals_request(80, 80, Priority.BULK), deals_answer(deal(8, 80), deal(7, 80))),
        (deals_request(0, 79, Priority.BULK), deals_answer(deal(1, 40))),
    )

    assert [entry.deal_id for entry in deals] == [1, 7, 8, 9]


@pytest.mark.parametrize(
    "rows",
    [
        (),  # there is more, and nothing came
        (deal(1, 0), deal(2, 0)),  # more than an answer holds in the only millisecond
    ],
)
def test_list_that_cannot_be_continued_is_an_error(rows: tuple[ProtoOADeal, ...]) -> None:
    with pytest.raises(ProtocolError, match="goes on, but not where"):
        converse(
            history.get_deals(7, START, START, now=NOW),
            (deals_request(0, 0), deals_answer(*rows, has_more=True)),
        )


def test_rows_filed_by_another_time_than_they_show_are_found_by_halves() -> None:
    deals = converse(
        history.get_deals(7, START, at(9), now=NOW),
        (deals_request(0, 9), deals_answer(deal(1, -50), has_more=True)),
        (deals_request(5, 9, Priority.BULK), deals_answer(deal(1, -50))),
        (deals_request(0, 4, Priority.BULK), deals_answer(deal(2, 400))),
    )

    assert [entry.deal_id for entry in deals] == [1, 2]


Rows = list[tuple[int, int]]


def newest(rows: Rows, cap: int) -> Rows:
    return rows[-cap:]


def oldest(rows: Rows, cap: int) -> Rows:
    return rows[:cap]


@settings(max_examples=200)
@given(
    moments=st.lists(st.integers(0, 30), max_size=50),
    extra=st.integers(0, 6),
    cut=st.sampled_from([newest, oldest]),
    stretch=st.sampled_from([1, WEEK_MS // 7]),
)
def test_lists_are_complete_whichever_end_the_server_sends(
    moments: list[int], extra: int, cut: Callable[[Rows, int], Rows], stretch: int
) -> None:
    rows = sorted((moment * stretch, number) for number, moment in enumerate(moments))
    cap = max([moments.count(moment) for moment in moments], default=1) + extra

    def server(command: Command) -> object:
        assert isinstance(command, Call)
        request = command.request
        assert isinstance(request, ProtoOADealListReq)
        assert 0 <= request.toTimestamp - request.fromTimestamp <= WEEK_MS
        low, high = request.fromTimestamp - START_MS, request.toTimestamp - START_MS
        there = [row for row in rows if low <= row[0] <= high]
        part = [deal(number, moment) for moment, number in cut(there, cap)]
        return deals_answer(*part, has_more=len(there) > cap)

    deals = drive(history.get_deals(7, START, at(30 * stretch), now=NOW), server)

    assert [entry.deal_id for entry in deals] == [number for _, number in rows]


def test_orders_are_listed_by_their_last_change() -> None:
    orders = converse(
        history.get_orders(7, START, at(10), now=NOW),
        (
            question(
                ProtoOAOrderListReq(
                    ctidTraderAccountId=7, fromTimestamp=START_MS, toTimestamp=START_MS + 10
                )
            ),
            ProtoOAOrderListRes(
                ctidTraderAccountId=7,
                order=[order(2, 9), order(3, 1), order(1, 9)],
                hasMore=False,
            ),
        ),
    )

    assert [entry.order_id for entry in orders] == [3, 1, 2]


def orders_of_position(
    start: int | None, end: int | None, priority: Priority = Priority.READ
) -> Call:
    request = ProtoOAOrderListByPositionIdReq(
        ctidTraderAccountId=7,
        positionId=33,
        fromTimestamp=None if start is None else START_MS + start,
        toTimestamp=None if end is None else START_MS + end,
    )
    return question(request, priority=priority)


def orders_of_position_answer(
    *orders: ProtoOAOrder, has_more: bool
) -> ProtoOAOrderListByPositionIdRes:
    return ProtoOAOrderListByPositionIdRes(ctidTraderAccountId=7, order=orders, hasMore=has_more)


def test_orders_of_a_position_are_asked_without_borders_first() -> None:
    orders = converse(
        history.get_orders_by_position_id(7, 33),
        (
            orders_of_position(None, None),
            orders_of_position_answer(order(3, 30), order(2, 20), has_more=True),
        ),
        (
            orders_of_position(30, None, Priority.BULK),
            orders_of_position_answer(order(3, 30), has_more=False),
        ),
        (
            orders_of_position(None, 20, Priority.BULK),
            orders_of_position_answer(order(2, 20), order(1, 10), has_more=False),
        ),
    )

    assert [entry.order_id for entry in orders] == [1, 2, 3]


def test_list_without_borders_is_continued_beside_a_border_that_was_found() -> None:
    orders = converse(
        history.get_orders_by_position_id(7, 33),
        (orders_of_position(None, None), orders_of_position_answer(order(2, 20), has_more=True)),
        (
            orders_of_position(20, None, Priority.BULK),
            orders_of_position_answer(order(2, 20), has_more=True),
        ),
        (
            orders_of_position(21, None, Priority.BULK),
            orders_of_position_answer(order(3, 30), has_more=False),
        ),
        (
            orders_of_position(20, 20, Priority.BULK),
            orders_of_position_answer(order(2, 20), has_more=False),
        ),
        (
            orders_of_position(None, 20, Priority.BULK),
            orders_of_position_answer(order(2, 20), has_more=True),
        ),
        (
            orders_of_position(20, 20, Priority.BULK),
            orders_of_position_answer(order(2, 20), has_more=False),
        ),
        (
            orders_of_position(None, 19, Priority.BULK),
            orders_of_position_answer(order(1, 10), has_more=False),
        ),
    )

    assert [each.order_id for each in orders] == [1, 2, 3]


def test_list_without_borders_whose_rows_tell_no_time_cannot_be_continued() -> None:
    with pytest.raises(ProtocolError, match="goes on, but not where"):
        converse(
            history.get_orders_by_position_id(7, 33),
            (
                orders_of_position(None, None),
                orders_of_position_answer(order(2, None), has_more=True),
            ),
        )


def test_deals_of_a_position() -> None:
    deals = converse(
        history.get_deals_by_position_id(7, 33),
        (
            question(ProtoOADealListByPositionIdReq(ctidTraderAccountId=7, positionId=33)),
            ProtoOADealListByPositionIdRes(
                ctidTraderAccountId=7, deal=[deal(2, 5), deal(1, 4)], hasMore=False
            ),
        ),
    )

    assert [entry.deal_id for entry in deals] == [1, 2]


def test_order_details() -> None:
    details, deals = converse(
        history.get_order_details(7, 3),
        (
            question(ProtoOAOrderDetailsReq(ctidTraderAccountId=7, orderId=3)),
            ProtoOAOrderDetailsRes(
                ctidTraderAccountId=7, order=order(3, 1), deal=[deal(2, 5), deal(1, 4)]
            ),
        ),
    )

    assert details.order_id == 3
    assert [entry.deal_id for entry in deals] == [1, 2]


def test_deal_offsets() -> None:
    closed_by, closed = converse(
        history.get_deal_offsets(7, 3),
        (
            question(ProtoOADealOffsetListReq(ctidTraderAccountId=7, dealId=3)),
            ProtoOADealOffsetListRes(
                ctidTraderAccountId=7,
                offsetBy=[ProtoOADealOffset(dealId=5, volume=100)],
                offsetting=[ProtoOADealOffset(dealId=1, volume=50)],
            ),
        ),
    )

    assert [offset.deal_id for offset in closed_by] == [5]
    assert [offset.deal_id for offset in closed] == [1]


# Times


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        (datetime(2024, 1, 1), START, "has no time zone"),  # noqa: DTZ001 - naive on purpose
        (START, datetime(2024, 1, 2), "has no time zone"),  # noqa: DTZ001 - naive on purpose
        (at(1), START, "is after"),
        (datetime(1969, 12, 31, tzinfo=UTC), START, "outside what the server accepts"),
    ],
)
def test_times_that_cannot_be_meant_are_refused_before_anything_is_sent(
    first: datetime, last: datetime, text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        converse(history.get_trendbars(7, 1, TrendbarPeriod.M1, first, last))
    with pytest.raises(ValueError, match=text):
        converse(history.get_tick_data(7, 1, first, last))
    with pytest.raises(ValueError, match=text):
        converse(history.get_deals(7, first, last, now=NOW))
    with pytest.raises(ValueError, match=text):
        converse(history.get_orders(7, first, last, now=NOW))


# Bars counted back from a moment


def last_bars_request(
    end: int, count: int, period: TrendbarPeriod = TrendbarPeriod.M1, *, later: bool = False
) -> Call:
    request = ProtoOAGetTrendbarsReq(
        ctidTraderAccountId=7,
        symbolId=1,
        period=period.value,
        fromTimestamp=START_MS + end - 5 * WEEK_MS,
        toTimestamp=START_MS + end,
        count=count,
    )
    return question(request, priority=Priority.BULK if later else Priority.READ)


def test_last_bars_are_one_request_for_one_bar_more() -> None:
    bars = converse(
        history.get_last_trendbars(7, 1, TrendbarPeriod.M1, 3, at(9 * MINUTE_MS), now=NOW),
        (last_bars_request(9 * MINUTE_MS, 4), bars_answer(9, 8, 6, 5)),
    )

    assert starts(bars) == [6, 8, 9]


def test_answer_that_is_one_bar_short_is_made_up_for_by_the_next() -> None:
    bars = converse(
        history.get_last_trendbars(7, 1, TrendbarPeriod.M1, 4, at(9 * MINUTE_MS), now=NOW),
        (last_bars_request(9 * MINUTE_MS, 5), bars_answer(7, 8, 9)),
        (last_bars_request(7 * MINUTE_MS - 1, 2, later=True), bars_answer(3, 2)),
    )

    assert starts(bars) == [3, 7, 8, 9]


def test_many_last_bars_are_asked_for_five_thousand_at_a_time() -> None:
    first, second = bars_answer(*range(1_000, 6_000), has_more=True), bars_answer(*range(999))

    bars = converse(
        history.get_last_trendbars(7, 1, TrendbarPeriod.M1, 5_500, at(6_000 * MINUTE_MS), now=NOW),
        (last_bars_request(6_000 * MINUTE_MS, 5_000), first),
        (last_bars_request(1_000 * MINUTE_MS - 1, 501, later=True), second),
    )

    assert len(bars) == 5_500
    assert starts(bars)[-1] == 5_999


def test_fewer_last_bars_come_where_the_server_has_no_more() -> None:
    bars = converse(
        history.get_last_trendbars(7, 1, TrendbarPeriod.M1, 9, at(MINUTE_MS), now=NOW),
        (last_bars_request(MINUTE_MS, 10), bars_answer(0, 1)),
        (last_bars_request(-1, 8, later=True), bars_answer()),
    )

    assert starts(bars) == [0, 1]


def test_last_bars_end_now_with_a_minute_for_slow_clocks() -> None:
    end = int(NOW.timestamp() * 1000) + MINUTE_MS - START_MS

    converse(
        history.get_last_trendbars(7, 1, TrendbarPeriod.M1, 1, now=NOW),
        (last_bars_request(end, 2), bars_answer(end // MINUTE_MS - 1)),
    )


def test_bar_that_starts_later_is_none_of_the_last() -> None:
    bars = converse(
        history.get_last_trendbars(7, 1, TrendbarPeriod.M1, 2, at(9 * MINUTE_MS), now=NOW),
        (last_bars_request(9 * MINUTE_MS, 3), bars_answer(8, 9, 10)),
    )

    assert starts(bars) == [8, 9]


def test_last_bars_that_go_on_nowhere_are_an_error() -> None:
    with pytest.raises(ProtocolError, match="but not where"):
        converse(
            history.get_last_trendbars(7, 1, TrendbarPeriod.M1, 2, at(9 * MINUTE_MS), now=NOW),
            (last_bars_request(9 * MINUTE_MS, 3), bars_answer(has_more=True)),
        )


@pytest.mark.parametrize("count", [0, -1])
def test_number_of_last_bars_must_be_positive(count: int) -> None:
    with pytest.raises(ValueError, match=f"count={count} is no number of bars"):
        drive(
            history.get_last_trendbars(7, 1, TrendbarPeriod.M1, count, now=NOW),
            lambda command: None,
        )


# What a caller may narrow


def test_deals_may_be_asked_for_in_small_answers() -> None:
    request = ProtoOADealListReq(
        ctidTraderAccountId=7, fromTimestamp=START_MS, toTimestamp=START_MS + 5, maxRows=2
    )

    deals = converse(
        history.get_deals(7, START, at(5), now=NOW, max_rows=2),
        (question(request), deals_answer(deal(1, 3), deal(2, 4))),
    )

    assert [entry.deal_id for entry in deals] == [1, 2]


@pytest.mark.parametrize("max_rows", [0, -5, 2**31])
def test_size_of_answers_must_make_sense(max_rows: int) -> None:
    with pytest.raises(ValueError, match=f"max_rows={max_rows} is no number of rows"):
        drive(history.get_deals(7, START, at(5), now=NOW, max_rows=max_rows), lambda command: None)


@pytest.mark.parametrize(
    ("first", "last"), [(None, None), (START, None), (None, START), (START, at(5))]
)
def test_lists_of_a_position_may_be_narrowed(first: datetime | None, last: datetime | None) -> None:
    span = {
        "ctidTraderAccountId": 7,
        "positionId": 5,
        "fromTimestamp": None if first is None else START_MS,
        "toTimestamp": None if last is None else int(last.timestamp() * 1000),
    }

    converse(
        history.get_deals_by_position_id(7, 5, first, last),
        (
            question(ProtoOADealListByPositionIdReq(**span)),
            ProtoOADealListByPositionIdRes(ctidTraderAccountId=7, hasMore=False),
        ),
    )
    converse(
        history.get_orders_by_position_id(7, 5, first, last),
        (
            question(ProtoOAOrderListByPositionIdReq(**span)),
            ProtoOAOrderListByPositionIdRes(ctidTraderAccountId=7, hasMore=False),
        ),
    )


def test_span_of_a_position_s_list_must_run_forward() -> None:
    with pytest.raises(ValueError, match="swap them"):
        drive(history.get_deals_by_position_id(7, 5, at(5), START), lambda command: None)


# Decimals of money


def test_deals_without_decimals_have_those_of_the_account() -> None:
    bare = deal(1, 3)
    bare.ClearField("moneyDigits")
    bare.commission = -5
    trader = ProtoOATrader(
        ctidTraderAccountId=7, balance=0, depositAssetId=1, moneyDigits=0, traderLogin=1
    )

    (found,) = converse(
        history.get_deals(7, START, at(5), now=NOW),
        (deals_request(0, 5), deals_answer(bare)),
        (
            question(ProtoOATraderReq(ctidTraderAccountId=7)),
            ProtoOATraderRes(ctidTraderAccountId=7, trader=trader),
        ),
    )

    assert (found.commission, found.money_digits) == (Decimal(-5), 0)
