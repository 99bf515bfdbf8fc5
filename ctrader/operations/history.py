"""Read bars, ticks, deals and orders of the past, in as many requests as needed."""

from __future__ import annotations

from collections import Counter
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from ctrader.enums import QuoteType, TrendbarPeriod
from ctrader.errors import ProtocolError
from ctrader.models.deals import Deal, DealOffset
from ctrader.models.market import TickData, Trendbar, bars_from_proto, ticks_from_proto
from ctrader.models.orders import Order
from ctrader.operations.arguments import checks_arguments, period_of, quote_type_of
from ctrader.operations.base import Op, read
from ctrader.operations.money import digits_for
from ctrader.operations.windows import (
    CLOCK_SLACK,
    WEEK,
    Window,
    recent_span,
    span,
    whole_list,
    windows,
)
from ctrader.proto import (
    ProtoOADeal,
    ProtoOADealListByPositionIdReq,
    ProtoOADealListByPositionIdRes,
    ProtoOADealListReq,
    ProtoOADealListRes,
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
)
from ctrader.protocol.commands import Priority
from ctrader.units import millis_from_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

__all__ = [
    "get_deal_offsets",
    "get_deals",
    "get_deals_by_position_id",
    "get_last_trendbars",
    "get_order_details",
    "get_orders",
    "get_orders_by_position_id",
    "get_tick_data",
    "get_trendbars",
]

_MINUTE: Final = 60_000  # ms
_DAY: Final = 86_400_000  # ms
_MAX_BARS: Final = 5_000  # bars in one answer; as many were asked for and granted
_SHORTEST_BAR_WINDOW: Final = 5 * WEEK
# Longer ones were refused with INCORRECT_BOUNDARIES up to schema 88; later schemas are silent.
_BAR_WINDOWS: Final[Mapping[TrendbarPeriod, int]] = MappingProxyType(
    {
        TrendbarPeriod.M10: 35 * WEEK,
        TrendbarPeriod.M15: 35 * WEEK,
        TrendbarPeriod.M30: 35 * WEEK,
        TrendbarPeriod.H1: 35 * WEEK,
        TrendbarPeriod.H4: 366 * _DAY,
        TrendbarPeriod.H12: 366 * _DAY,
        TrendbarPeriod.D1: 366 * _DAY,
        TrendbarPeriod.W1: 5 * 366 * _DAY,
        TrendbarPeriod.MN1: 5 * 366 * _DAY,
    }
)


# Prices


@checks_arguments
def get_trendbars(
    account_id: int,
    symbol_id: int,
    period: TrendbarPeriod | str,
    from_timestamp: datetime,
    to_timestamp: datetime,
) -> Op[list[Trendbar]]:
    """Read the bars that start inside a span, ends included, oldest first, each once.

    Raises:
        ValueError: a time is none, naive or outside what the server accepts, the first is the
            later, or there is no such period.
        ProtocolError: the server says that there are more bars, and sends none.
    """
    period = period_of(period)
    first, last = span(from_timestamp, to_timestamp)
    length = _BAR_WINDOWS.get(period, _SHORTEST_BAR_WINDOW)
    found: dict[int, Trendbar] = {}
    priority = Priority.READ
    end = last
    while end >= first:
        start = max(first, end - length)
        request = ProtoOAGetTrendbarsReq(
            ctidTraderAccountId=account_id,
            fromTimestamp=start,
            toTimestamp=end,
            period=period.value,
            symbolId=symbol_id,
        )
        answer = yield from read(
            request, ProtoOAGetTrendbarsRes, account_id=account_id, priority=priority
        )
        priority = Priority.BULK
        bars = bars_from_proto(answer)
        for bar in bars:
            found[bar.start_minutes] = bar
        if answer.hasMore:
            # The rest lies before the oldest bar received, whatever the number received.
            end = _before(bars[0].start_minutes * _MINUTE if bars else end + 1, end)
        elif start == first:
            break
        else:
            end = start
    return [found[at] for at in sorted(found) if first <= at * _MINUTE <= last]


@checks_arguments
def get_last_trendbars(
    account_id: int,
    symbol_id: int,
    period: TrendbarPeriod | str,
    count: int,
    to_timestamp: datetime | None = None,
    *,
    now: datetime,
) -> Op[list[Trendbar]]:
    """Read the newest bars that start no later than a moment, oldest first.

    Args:
        account_id: The account.
        symbol_id: The symbol.
        period: Length of the bars.
        count: How many; fewer come only where the server has no more.
        to_timestamp: A bar that starts then is included; None for now.
        now: The present time.

    Raises:
        ValueError: the count is no int of 1 or more, the time is none, naive or outside what the
            server accepts, or there is no such period.
        ProtocolError: the server says that there are more bars, and sends none.
    """
    period = period_of(period)
    last = end = millis_from_datetime(now + CLOCK_SLACK if to_timestamp is None else to_timestamp)
    length = _BAR_WINDOWS.get(period, _SHORTEST_BAR_WINDOW)
    found: dict[int, Trendbar] = {}
    priority = Priority.READ
    while len(found) < count and end >= 0:
        # The server counts back from the end, whatever the begin is, and may give one bar less
        # than it was asked for.
        request = ProtoOAGetTrendbarsReq(
            ctidTraderAccountId=account_id,
            fromTimestamp=max(0, end - length),
            toTimestamp=end,
            period=period.value,
            symbolId=symbol_id,
            count=min(count - len(found) + 1, _MAX_BARS),
        )
        answer = yield from read(
            request, ProtoOAGetTrendbarsRes, account_id=account_id, priority=priority
        )
        priority = Priority.BULK
        bars = bars_from_proto(answer)
        for bar in bars:
            if bar.start_minutes * _MINUTE <= last:
                found[bar.start_minutes] = bar
        if not bars and not answer.hasMore:
            break
        end = _before(bars[0].start_minutes * _MINUTE if bars else end + 1, end)
    return [found[at] for at in sorted(found)[-count:]]


@checks_arguments
def get_tick_data(
    account_id: int,
    symbol_id: int,
    from_timestamp: datetime,
    to_timestamp: datetime,
    quote_type: QuoteType | str = QuoteType.BID,
) -> Op[list[TickData]]:
    """Read the ticks of one side inside a span, both ends included, oldest first.

    Several ticks may share a millisecond, even a price; none of them is lost or doubled where one
    answer ends and the next begins.

    Raises:
        ValueError: a time is none, naive or outside what the server accepts, the first is the
            later, or there is no such side.
        ProtocolError: the server says that there are more ticks, and sends none.
        DeserializationError: an answer runs forward in time.
    """
    side = quote_type_of(quote_type)
    first, last = span(from_timestamp, to_timestamp)
    newest_first: list[TickData] = []
    priority = Priority.READ
    end = last
    while end >= first:
        start = max(first, end - WEEK)
        request = ProtoOAGetTickDataReq(
            ctidTraderAccountId=account_id,
            symbolId=symbol_id,
            type=side.value,
            fromTimestamp=start,
            toTimestamp=end,
        )
        answer = yield from read(
            request, ProtoOAGetTickDataRes, account_id=account_id, priority=priority
        )
        priority = Priority.BULK
        page = ticks_from_proto(answer)
        newest_first.extend(_unseen(page, newest_first, start, end))
        if answer.hasMore:
            oldest = page[0].timestamp_ms if page else end + 1
            # The oldest millisecond is asked for again, it may have been torn apart. A page that
            # holds nothing else cannot be widened: what it left out of that one is out of reach.
            end = oldest if oldest < end else _before(oldest, end)
        elif start == first:
            break
        else:
            end = start
    newest_first.reverse()
    return newest_first


# Deals and orders


@checks_arguments
def get_deals(
    account_id: int,
    from_timestamp: datetime | None = None,
    to_timestamp: datetime | None = None,
    *,
    now: datetime,
    max_rows: int | None = None,
) -> Op[list[Deal]]:
    """List the deals of a span, oldest first and each once.

    Args:
        account_id: The account.
        from_timestamp: Begin; None for seven days before the end.
        to_timestamp: End; None for now.
        now: The present time.
        max_rows: Most deals in one answer; None lets the server choose. The list is whole in
            either case.

    Raises:
        ValueError: a time is none, naive or outside what the server accepts, the first is the
            later, or `max_rows` is no number of rows.
        ProtocolError: the server cut a list off where it cannot be continued.
    """

    def fetch(
        start: int | None, end: int | None, priority: Priority
    ) -> Op[tuple[Sequence[ProtoOADeal], bool]]:
        request = ProtoOADealListReq(
            ctidTraderAccountId=account_id, fromTimestamp=start, toTimestamp=end, maxRows=max_rows
        )
        answer = yield from read(
            request, ProtoOADealListRes, account_id=account_id, priority=priority
        )
        return answer.deal, answer.hasMore

    spans = list(windows(*recent_span(from_timestamp, to_timestamp, now), WEEK))
    rows = yield from whole_list(fetch, spans, identity=_deal_id, moment=_deal_time)
    return (yield from _deals(account_id, rows))


@checks_arguments
def get_orders(
    account_id: int,
    from_timestamp: datetime | None = None,
    to_timestamp: datetime | None = None,
    *,
    now: datetime,
) -> Op[list[Order]]:
    """List the orders of any status that last changed inside a span, each once.

    Args:
        account_id: The account.
        from_timestamp: Begin; None for seven days before the end.
        to_timestamp: End; None for now.
        now: The present time.

    Returns: The orders, the one that changed longest ago first.

    Raises:
        ValueError: a time is none, naive or outside what the server accepts, or the first is the
            later.
        ProtocolError: the server cut a list off where it cannot be continued.
    """

    def fetch(
        start: int | None, end: int | None, priority: Priority
    ) -> Op[tuple[Sequence[ProtoOAOrder], bool]]:
        request = ProtoOAOrderListReq(
            ctidTraderAccountId=account_id, fromTimestamp=start, toTimestamp=end
        )
        answer = yield from read(
            request, ProtoOAOrderListRes, account_id=account_id, priority=priority
        )
        return answer.order, answer.hasMore

    spans = list(windows(*recent_span(from_timestamp, to_timestamp, now), WEEK))
    rows = yield from whole_list(fetch, spans, identity=_order_id, moment=_order_time)
    return _orders(rows)


@checks_arguments
def get_deals_by_position_id(
    account_id: int,
    position_id: int,
    from_timestamp: datetime | None = None,
    to_timestamp: datetime | None = None,
) -> Op[list[Deal]]:
    """List every deal of a position, oldest first.

    Args:
        account_id: The account.
        position_id: The position, open or closed.
        from_timestamp: Begin; None for the position's first deal.
        to_timestamp: End; None for its last.

    Raises:
        ValueError: a time is none, naive or outside what the server accepts, or the first is the
            later.
        ProtocolError: the server cut the list off where it cannot be continued.
    """

    def fetch(
        start: int | None, end: int | None, priority: Priority
    ) -> Op[tuple[Sequence[ProtoOADeal], bool]]:
        request = ProtoOADealListByPositionIdReq(
            ctidTraderAccountId=account_id,
            positionId=position_id,
            fromTimestamp=start,
            toTimestamp=end,
        )
        answer = yield from read(
            request, ProtoOADealListByPositionIdRes, account_id=account_id, priority=priority
        )
        return answer.deal, answer.hasMore

    spans = [_open_span(from_timestamp, to_timestamp)]
    rows = yield from whole_list(fetch, spans, identity=_deal_id, moment=_deal_time)
    return (yield from _deals(account_id, rows))


@checks_arguments
def get_orders_by_position_id(
    account_id: int,
    position_id: int,
    from_timestamp: datetime | None = None,
    to_timestamp: datetime | None = None,
) -> Op[list[Order]]:
    """List every order of a position, the one that changed longest ago first.

    Args:
        account_id: The account.
        position_id: The position, open or closed.
        from_timestamp: Only orders that last changed then or later; None for all.
        to_timestamp: Only orders that last changed then or earlier; None for all.

    Raises:
        ValueError: a time is none, naive or outside what the server accepts, or the first is the
            later.
        ProtocolError: the server cut the list off where it cannot be continued.
    """

    def fetch(
        start: int | None, end: int | None, priority: Priority
    ) -> Op[tuple[Sequence[ProtoOAOrder], bool]]:
        request = ProtoOAOrderListByPositionIdReq(
            ctidTraderAccountId=account_id,
            positionId=position_id,
            fromTimestamp=start,
            toTimestamp=end,
        )
        answer = yield from read(
            request, ProtoOAOrderListByPositionIdRes, account_id=account_id, priority=priority
        )
        return answer.order, answer.hasMore

    spans = [_open_span(from_timestamp, to_timestamp)]
    rows = yield from whole_list(fetch, spans, identity=_order_id, moment=_order_time)
    return _orders(rows)


@checks_arguments
def get_order_details(account_id: int, order_id: int) -> Op[tuple[Order, list[Deal]]]:
    """Read one order of any status with its deals, oldest first.

    Raises:
        OrderNotFoundError: the account never had such an order.
    """
    request = ProtoOAOrderDetailsReq(ctidTraderAccountId=account_id, orderId=order_id)
    answer = yield from read(request, ProtoOAOrderDetailsRes, account_id=account_id)
    return Order.from_proto(answer.order), (yield from _deals(account_id, answer.deal))


@checks_arguments
def get_deal_offsets(
    account_id: int, deal_id: int
) -> Op[tuple[list[DealOffset], list[DealOffset]]]:
    """Ask which deals closed a deal, and which deals it closed."""
    request = ProtoOADealOffsetListReq(ctidTraderAccountId=account_id, dealId=deal_id)
    answer = yield from read(request, ProtoOADealOffsetListRes, account_id=account_id)
    closed_by = [DealOffset.from_proto(offset) for offset in answer.offsetBy]
    return closed_by, [DealOffset.from_proto(offset) for offset in answer.offsetting]


# Private


def _open_span(from_timestamp: datetime | None, to_timestamp: datetime | None) -> Window:
    """Convert a span whose ends may be left open."""
    if from_timestamp is not None and to_timestamp is not None:
        return span(from_timestamp, to_timestamp)
    return (
        None if from_timestamp is None else millis_from_datetime(from_timestamp),
        None if to_timestamp is None else millis_from_datetime(to_timestamp),
    )


def _before(moment: int, end: int) -> int:
    """Return the end of the next page, which must lie before this one's."""
    if moment > end:
        raise ProtocolError("the server says that a history goes on, but not where")
    return moment - 1


def _unseen(
    page: list[TickData], newest_first: list[TickData], start: int, end: int
) -> list[TickData]:
    """Return the ticks of a page that are not held yet, newest first.

    The invariant: of what is held, only ticks of the millisecond `end` can come again, because a
    page asks for nothing newer. As many of a price come again as are held; what exceeds is new.
    """
    held: Counter[int] = Counter()
    for tick in reversed(newest_first):
        if tick.timestamp_ms != end:
            break
        held[tick.price_points] += 1
    unseen: list[TickData] = []
    for tick in reversed(page):
        if tick.timestamp_ms == end and held[tick.price_points]:
            held[tick.price_points] -= 1
        elif start <= tick.timestamp_ms <= end:
            unseen.append(tick)
    return unseen


def _deal_id(row: ProtoOADeal) -> int:
    return row.dealId


def _deal_time(row: ProtoOADeal) -> int:
    return row.executionTimestamp


def _deals(account_id: int, rows: Iterable[ProtoOADeal]) -> Op[list[Deal]]:
    ordered = sorted(rows, key=lambda row: (row.executionTimestamp, row.dealId))
    digits = yield from digits_for(account_id, ordered)
    return [Deal.from_proto(row, digits) for row in ordered]


def _order_id(row: ProtoOAOrder) -> int:
    return row.orderId


def _order_time(row: ProtoOAOrder) -> int:
    return row.utcLastUpdateTimestamp


def _orders(rows: Iterable[ProtoOAOrder]) -> list[Order]:
    ordered = sorted(rows, key=lambda row: (row.utcLastUpdateTimestamp, row.orderId))
    return [Order.from_proto(row) for row in ordered]
