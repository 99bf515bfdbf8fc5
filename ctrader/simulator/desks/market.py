"""Requests about prices: subscriptions, historical bars and ticks."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from ctrader.proto import (
    ProtoOAGetTickDataReq,
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsReq,
    ProtoOAGetTrendbarsRes,
    ProtoOAQuoteType,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeLiveTrendbarRes,
    ProtoOASubscribeSpotsReq,
    ProtoOASubscribeSpotsRes,
    ProtoOATrendbarPeriod,
    ProtoOAUnsubscribeLiveTrendbarReq,
    ProtoOAUnsubscribeLiveTrendbarRes,
    ProtoOAUnsubscribeSpotsReq,
    ProtoOAUnsubscribeSpotsRes,
)
from ctrader.simulator.market.calendar import (
    HOUR,
    WINDOW_LIMITS,
    next_period_start,
    period_start,
)
from ctrader.simulator.market.live import SpotSubscription
from ctrader.simulator.messages.bars import history_bar_message
from ctrader.simulator.messages.wire import set_enum
from ctrader.simulator.refusals import Refusal

if TYPE_CHECKING:
    from ctrader.simulator.exchange import Exchange
    from ctrader.simulator.market.prices import Bar
    from ctrader.simulator.router import Router
    from ctrader.simulator.session import ServerSession

__all__ = ["add_routes", "check_window", "offered_symbols", "subscribe_new"]

_LONG_PERIODS: Final = frozenset(
    {ProtoOATrendbarPeriod.D1, ProtoOATrendbarPeriod.W1, ProtoOATrendbarPeriod.MN1}
)
_BARS_KEPT: Final = 100_000
_SHORT_GAP: Final = 3  # bars
_LATEST: Final = 2_147_483_646_000  # largest timestamp that the server accepts


def add_routes(router: Router) -> None:
    """Answer the requests of this desk."""
    router.add(ProtoOASubscribeSpotsReq, _subscribe_spots)
    router.add(ProtoOAUnsubscribeSpotsReq, _unsubscribe_spots)
    router.add(ProtoOASubscribeLiveTrendbarReq, _subscribe_bars)
    router.add(ProtoOAUnsubscribeLiveTrendbarReq, _unsubscribe_bars)
    router.add(ProtoOAGetTrendbarsReq, _bars)
    router.add(ProtoOAGetTickDataReq, _ticks)


def check_window(start: int, end: int, longest: int | None) -> None:
    """Refuse a window that no server would take.

    Raises:
        Refusal: it is reversed, out of range or longer than `longest` milliseconds.
    """
    if start < 0 or end < 0 or start > end or end > _LATEST:
        raise Refusal("INCORRECT_BOUNDARIES", f"Incorrect boundaries: from {start} to {end}")
    if longest is not None and end - start > longest:
        raise Refusal(
            "INCORRECT_BOUNDARIES", f"The window is {end - start} ms long, {longest} are allowed"
        )


def offered_symbols(session: ServerSession, given: Sequence[int]) -> list[int]:
    """Return the symbols that a request names, each once.

    Raises:
        Refusal: it names none, or one that is not offered.
    """
    wanted = list(dict.fromkeys(given))
    if not wanted:
        raise Refusal("INVALID_REQUEST", "Message missing required fields: symbolId")
    for symbol_id in wanted:
        if symbol_id not in session.exchange.symbols:
            raise Refusal(
                session.exchange.switches.unknown_symbol_code,
                f"Symbol not found with id {symbol_id}",
            )
    return wanted


def subscribe_new(
    session: ServerSession,
    what: str,
    wanted: Sequence[int],
    known: Container[int],
    subscribe: Callable[[list[int]], None],
) -> None:
    """Subscribe to symbols of which none is subscribed.

    Args:
        session: The connection.
        what: What it is of them, for the text of a refusal.
        wanted: The symbols.
        known: Those that are subscribed.
        subscribe: Does it.

    Raises:
        Refusal: one is subscribed; whether the others then are as well is switched.
    """
    switches = session.exchange.switches
    doubled = [symbol_id for symbol_id in wanted if symbol_id in known]
    if not doubled:
        subscribe(list(wanted))
        return
    if switches.duplicate_subscribes_rest:
        subscribe([symbol_id for symbol_id in wanted if symbol_id not in known])
    raise Refusal(
        switches.duplicate_subscription_code,
        f"{what} of {', '.join(map(str, doubled))} subscribed already",
    )


# Private


def _subscribe_spots(
    session: ServerSession, request: ProtoOASubscribeSpotsReq, _: str | None
) -> ProtoOASubscribeSpotsRes:
    exchange = session.exchange
    account = session.account(request.ctidTraderAccountId)
    wanted = offered_symbols(session, request.symbolId)

    def subscribe(symbol_ids: list[int]) -> None:
        subscriptions = [
            SpotSubscription(
                request.ctidTraderAccountId,
                symbol_id,
                request.subscribeToSpotTimestamp,
                session.send,
            )
            for symbol_id in symbol_ids
        ]
        for subscription in subscriptions:
            account.spots[subscription.symbol_id] = subscription
            exchange.market.subscribe(subscription)

        def send_first() -> None:
            for subscription in subscriptions:
                exchange.market.send_snapshot(subscription)

        _first_or_last(session, send_first)

    subscribe_new(session, "Spots", wanted, account.spots, subscribe)
    return ProtoOASubscribeSpotsRes(ctidTraderAccountId=request.ctidTraderAccountId)


def _unsubscribe_spots(
    session: ServerSession, request: ProtoOAUnsubscribeSpotsReq, _: str | None
) -> ProtoOAUnsubscribeSpotsRes:
    exchange, switches = session.exchange, session.exchange.switches
    account = session.account(request.ctidTraderAccountId)
    wanted = offered_symbols(session, request.symbolId)
    depth_needs_spots = switches.depth_without_spots_code is not None
    for symbol_id in wanted:
        subscription = account.spots.get(symbol_id)
        if subscription is None:
            raise Refusal(
                switches.unknown_subscription_code, f"Spots of {symbol_id} are not subscribed"
            )
        needed = subscription.periods or (depth_needs_spots and symbol_id in account.depth)
        if needed and not switches.spots_end_what_needs_them:
            raise Refusal(
                "INVALID_REQUEST", f"Trendbars or depth need the spots of symbol {symbol_id}"
            )
    for symbol_id in wanted:
        subscription = account.spots.pop(symbol_id)
        exchange.market.unsubscribe(subscription)
        if switches.stray_spots:
            session.afterwards.append(partial(exchange.market.send_stray, subscription))
        if depth_needs_spots and symbol_id in account.depth:
            exchange.depth.unsubscribe(account.depth.pop(symbol_id))
    return ProtoOAUnsubscribeSpotsRes(ctidTraderAccountId=request.ctidTraderAccountId)


def _subscribe_bars(
    session: ServerSession, request: ProtoOASubscribeLiveTrendbarReq, _: str | None
) -> ProtoOASubscribeLiveTrendbarRes:
    exchange = session.exchange
    account = session.account(request.ctidTraderAccountId)
    offered_symbols(session, [request.symbolId])
    subscription, period = account.spots.get(request.symbolId), int(request.period)
    if subscription is None:
        raise Refusal(
            exchange.switches.trendbar_without_spots_code,
            f"No subscription to spots of symbol {request.symbolId}",
        )
    if period in subscription.periods:
        raise Refusal(
            exchange.switches.duplicate_subscription_code, "The trendbar is subscribed already"
        )
    exchange.market.add_bars(subscription, period)
    _first_or_last(session, lambda: exchange.market.send_snapshot(subscription, [period]))
    return ProtoOASubscribeLiveTrendbarRes(ctidTraderAccountId=request.ctidTraderAccountId)


def _unsubscribe_bars(
    session: ServerSession, request: ProtoOAUnsubscribeLiveTrendbarReq, _: str | None
) -> ProtoOAUnsubscribeLiveTrendbarRes:
    exchange = session.exchange
    account = session.account(request.ctidTraderAccountId)
    subscription, period = account.spots.get(request.symbolId), int(request.period)
    if subscription is None or period not in subscription.periods:
        raise Refusal(exchange.switches.unknown_subscription_code, "The trendbar is not subscribed")
    exchange.market.remove_bars(subscription, period)
    return ProtoOAUnsubscribeLiveTrendbarRes(ctidTraderAccountId=request.ctidTraderAccountId)


def _bars(
    session: ServerSession, request: ProtoOAGetTrendbarsReq, _: str | None
) -> ProtoOAGetTrendbarsRes:
    exchange, switches = session.exchange, session.exchange.switches
    offered_symbols(session, [request.symbolId])
    period, now = int(request.period), exchange.market_now()
    end = now
    if request.HasField("toTimestamp"):
        end = request.toTimestamp
    elif switches.bars_without_end == "window" and request.HasField("fromTimestamp"):
        end = min(_LATEST, request.fromTimestamp + WINDOW_LIMITS[period])
    start = max(0, end - WINDOW_LIMITS[period])
    if switches.bars_without_beginning == "page":
        start = 0
    if request.HasField("fromTimestamp"):
        start = request.fromTimestamp
    counted = request.HasField("count") and request.count > 0
    limit = None
    if switches.enforce_bar_windows and not counted and request.HasField("fromTimestamp"):
        limit = WINDOW_LIMITS[period]
    check_window(start, end, limit)
    size = switches.bars_page_size
    if counted:
        size = min(size, request.count)
    earliest = 0 if counted else start
    latest = min(end, now)
    if switches.forming_bar_in_history == "never":
        # The last bar that ended long enough ago.
        latest = min(latest, period_start(period, now - switches.closed_bar_delay) - 1)
    leaves_out = counted and switches.forming_bar_in_history == "unless_counted"
    leaves_out = leaves_out and period_start(period, latest) == period_start(period, now)
    if counted and switches.bars_count_minus_one and not leaves_out and size == request.count:
        size = max(1, size - 1)
    found, more = _collect_bars(exchange, request.symbolId, period, earliest, latest, now, size)
    if leaves_out and found and found[0][0] == period_start(period, now):
        del found[0]
    bars = [
        history_bar_message(bar, begin, flat_close_bug=switches.bars_flat_close_bug)
        for begin, bar in reversed(found)
    ]
    if more is not None and counted and request.HasField("fromTimestamp"):
        more = more if more >= start else None
    answer = ProtoOAGetTrendbarsRes(
        ctidTraderAccountId=request.ctidTraderAccountId,
        # Deprecated, but old schemas require it and it is evidently still sent.
        timestamp=end if switches.bars_answer_timestamp else None,
        trendbar=bars,
        symbolId=request.symbolId,
        hasMore=more is not None,
    )
    set_enum(answer, "period", period)
    return answer


def _collect_bars(
    exchange: Exchange, symbol_id: int, period: int, start: int, end: int, now: int, size: int
) -> tuple[list[tuple[int, Bar]], int | None]:
    """Return the newest bars that begin in `[start, end]`, and where the next older one begins."""
    prices = exchange.market.prices
    found: list[tuple[int, Bar]] = []
    first = prices.first_time(symbol_id)
    # A bar that begins exactly at the end of the window is in it, and so is the forming one.
    begin = period_start(period, end)
    over = next_period_start(period, begin)
    gap = 0
    while begin >= start and begin + WINDOW_LIMITS[period] > first:
        bar = _bar(exchange, symbol_id, period, begin, over, now)
        if bar is None and period in _LONG_PERIODS and gap < _SHORT_GAP:
            # Over a weekend step by step: those bars are remembered, where a gap leads is not.
            gap += 1
            over, begin = begin, period_start(period, begin - 1)
            continue
        if bar is None:
            last = prices.previous_time(symbol_id, begin)  # over a gap in one step
            if last is None:
                break
            begin = period_start(period, last)
            over = next_period_start(period, begin)
            continue
        if len(found) == size:
            return found, begin
        gap = 0
        found.append((begin, bar))
        over, begin = begin, period_start(period, begin - 1)
    return found, None


def _bar(
    exchange: Exchange, symbol_id: int, period: int, begin: int, end: int, now: int
) -> Bar | None:
    """Return the bar of a period as it is now, None where it has no price."""
    prices = exchange.market.prices
    if end > now or period not in _LONG_PERIODS:
        return prices.bar(symbol_id, begin, min(end, now + 1))
    # A day takes long to put together, and once it is over it stays as it is.
    known, key = exchange.finished_bars, (symbol_id, period, begin)
    if key not in known:
        if len(known) >= _BARS_KEPT:
            known.clear()
        known[key] = prices.bar(symbol_id, begin, end)
    return known[key]


def _ticks(
    session: ServerSession, request: ProtoOAGetTickDataReq, _: str | None
) -> ProtoOAGetTickDataRes:
    exchange, switches = session.exchange, session.exchange.switches
    offered_symbols(session, [request.symbolId])
    now = exchange.market_now()
    end = request.toTimestamp if request.HasField("toTimestamp") else now
    start = max(0, end - switches.ticks_window)
    if request.HasField("fromTimestamp"):
        start = request.fromTimestamp
    check_window(start, end, switches.ticks_window)
    bids = request.type == ProtoOAQuoteType.BID
    prices, size = exchange.market.prices, switches.ticks_page_size
    newest: list[tuple[int, int]] = []
    before = min(end, now) + 1
    while len(newest) <= size and before > start:
        # The last hour with any tick, then the one before it, until the page is full.
        last = prices.previous_time(request.symbolId, before)
        if last is None or last < start:
            break
        begin = max(start, last - HOUR + 1)
        for tick in reversed(prices.ticks(request.symbolId, begin, before)):
            value = tick.bid if bids else tick.ask
            if value is not None:
                newest.append((tick.time, value))
        before = begin
    answer = ProtoOAGetTickDataRes(
        ctidTraderAccountId=request.ctidTraderAccountId, hasMore=len(newest) > size
    )
    time = value = 0
    for each_time, each_value in newest[:size]:
        answer.tickData.add(timestamp=each_time - time, tick=each_value - value)
        time, value = each_time, each_value
    return answer


def _first_or_last(session: ServerSession, send: Callable[[], None]) -> None:
    """Send something before the answer or after it, whichever is switched."""
    if session.exchange.switches.first_spot_before_response:
        send()
    else:
        session.afterwards.append(send)
