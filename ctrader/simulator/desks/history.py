"""Requests about past orders and deals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from ctrader.proto import (
    ProtoOADeal,
    ProtoOADealListByPositionIdReq,
    ProtoOADealListByPositionIdRes,
    ProtoOADealListReq,
    ProtoOADealListRes,
    ProtoOADealOffset,
    ProtoOADealOffsetListReq,
    ProtoOADealOffsetListRes,
    ProtoOAOrderDetailsReq,
    ProtoOAOrderDetailsRes,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListByPositionIdRes,
    ProtoOAOrderListReq,
    ProtoOAOrderListRes,
    ProtoOAOrderStatus,
)
from ctrader.simulator.book import AccountBook, Deal, Order
from ctrader.simulator.desks.market import check_window
from ctrader.simulator.messages.trades import deal_message, order_message
from ctrader.simulator.messages.wire import price
from ctrader.simulator.refusals import Refusal

if TYPE_CHECKING:
    from ctrader.simulator.router import Router
    from ctrader.simulator.session import ServerSession

__all__ = ["add_routes"]

T = TypeVar("T")


def add_routes(router: Router) -> None:
    """Answer the requests of this desk."""
    router.add(ProtoOADealListReq, _deals)
    router.add(ProtoOAOrderListReq, _orders)
    router.add(ProtoOADealListByPositionIdReq, _deals_of_position)
    router.add(ProtoOAOrderListByPositionIdReq, _orders_of_position)
    router.add(ProtoOAOrderDetailsReq, _order_details)
    router.add(ProtoOADealOffsetListReq, _deal_offsets)


# Private


def _deals(
    session: ServerSession, request: ProtoOADealListReq, _: str | None
) -> ProtoOADealListRes:
    book = session.account(request.ctidTraderAccountId).book
    start, end = _window(session, request, of_position=False)
    size = session.exchange.switches.lists_page_size
    if request.HasField("maxRows") and request.maxRows > 0:
        size = min(size, request.maxRows)
    deals, more = _newest(session, book.deals, _executed, _created, start, end, size)
    return ProtoOADealListRes(
        ctidTraderAccountId=request.ctidTraderAccountId,
        deal=[_listed(session, book, deal) for deal in deals],
        hasMore=more,
    )


def _orders(
    session: ServerSession, request: ProtoOAOrderListReq, _: str | None
) -> ProtoOAOrderListRes:
    book = session.account(request.ctidTraderAccountId).book
    start, end = _window(session, request, of_position=False)
    orders, more = _newest(
        session,
        _ended_orders(book),
        _updated,
        _updated,
        start,
        end,
        session.exchange.switches.lists_page_size,
    )
    return ProtoOAOrderListRes(
        ctidTraderAccountId=request.ctidTraderAccountId,
        order=[order_message(order, listed=True) for order in orders],
        hasMore=more,
    )


def _deals_of_position(
    session: ServerSession, request: ProtoOADealListByPositionIdReq, _: str | None
) -> ProtoOADealListByPositionIdRes:
    book = session.account(request.ctidTraderAccountId).book
    start, end = _window(session, request, of_position=True)
    deals, more = _newest(
        session,
        [deal for deal in book.deals if deal.position_id == request.positionId],
        _executed,
        _created,
        start,
        end,
        session.exchange.switches.lists_page_size,
    )
    return ProtoOADealListByPositionIdRes(
        ctidTraderAccountId=request.ctidTraderAccountId,
        deal=[_listed(session, book, deal) for deal in deals],
        hasMore=more,
    )


def _orders_of_position(
    session: ServerSession, request: ProtoOAOrderListByPositionIdReq, _: str | None
) -> ProtoOAOrderListByPositionIdRes:
    book = session.account(request.ctidTraderAccountId).book
    start, end = _window(session, request, of_position=True)
    orders, more = _newest(
        session,
        [
            each
            for each in _ended_orders(book)
            if each.went_to(request.positionId) and not _is_cancelled_protection(each)
        ],
        _updated,
        _updated,
        start,
        end,
        session.exchange.switches.lists_page_size,
    )
    return ProtoOAOrderListByPositionIdRes(
        ctidTraderAccountId=request.ctidTraderAccountId,
        order=[order_message(order, listed=True) for order in orders],
        hasMore=more,
    )


def _order_details(
    session: ServerSession, request: ProtoOAOrderDetailsReq, _: str | None
) -> ProtoOAOrderDetailsRes:
    book = session.account(request.ctidTraderAccountId).book
    order = book.orders.get(request.orderId)
    if order is None:
        raise Refusal(
            "ORDER_NOT_FOUND",
            f"Order {request.orderId} not found or not belong to trader {book.spec.trader_login}",
        )
    return ProtoOAOrderDetailsRes(
        ctidTraderAccountId=request.ctidTraderAccountId,
        order=order_message(order, listed=True),
        deal=[
            _listed(session, book, deal) for deal in book.deals if deal.order_id == order.order_id
        ],
    )


def _deal_offsets(
    session: ServerSession, request: ProtoOADealOffsetListReq, _: str | None
) -> ProtoOADealOffsetListRes:
    book = session.account(request.ctidTraderAccountId).book
    deals = {deal.deal_id: deal for deal in book.deals}
    if request.dealId not in deals:
        raise Refusal("ENTITY_NOT_FOUND", f"Deal not found with id {request.dealId}")
    answer = ProtoOADealOffsetListRes(ctidTraderAccountId=request.ctidTraderAccountId)
    for offset in book.offsets:
        if offset.opening_deal_id == request.dealId:
            answer.offsetBy.append(_offset_message(deals[offset.closing_deal_id], offset.volume))
        elif offset.closing_deal_id == request.dealId:
            answer.offsetting.append(_offset_message(deals[offset.opening_deal_id], offset.volume))
    return answer


def _offset_message(deal: Deal, volume: int) -> ProtoOADealOffset:
    return ProtoOADealOffset(
        dealId=deal.deal_id,
        volume=volume,
        executionTimestamp=deal.executed,
        executionPrice=price(deal.price),
    )


def _ended_orders(book: AccountBook) -> list[Order]:
    """Return the orders that are history: those that wait are in the reconcile answer."""
    return [order for order in book.orders.values() if order.order_id not in book.working]


def _is_cancelled_protection(order: Order) -> bool:
    """Tell whether the list of a position's orders leaves an order out, as recorded."""
    cancelled = order.status == ProtoOAOrderStatus.ORDER_STATUS_CANCELLED
    return order.is_protective and cancelled


def _listed(session: ServerSession, book: AccountBook, deal: Deal) -> ProtoOADeal:
    return deal_message(
        deal,
        book.spec.money_digits,
        unknown_fields=session.exchange.switches.write_unknown_fields,
        listed=True,
    )


def _window(
    session: ServerSession,
    request: ProtoOADealListReq
    | ProtoOAOrderListReq
    | ProtoOADealListByPositionIdReq
    | ProtoOAOrderListByPositionIdReq,
    *,
    of_position: bool,
) -> tuple[int, int]:
    """Return the borders of a list.

    Args:
        of_position: Whether it is a list of one position, which has no longest window.

    Raises:
        Refusal: no server would take them.
    """
    switches = session.exchange.switches
    span = switches.position_lists_span if of_position else switches.lists_span
    end = session.exchange.market_now()
    if request.HasField("toTimestamp"):
        end = request.toTimestamp
    start = 0 if span is None else max(0, end - span)
    if request.HasField("fromTimestamp"):
        start = request.fromTimestamp
    check_window(start, end, None if of_position else switches.lists_window)
    return start, end


def _newest(
    session: ServerSession,
    items: Sequence[T],
    stamp: Callable[[T], int],
    order: Callable[[T], int],
    start: int,
    end: int,
    size: int,
) -> tuple[list[T], bool]:
    """Return the newest items of a window, and whether there are older ones.

    They come newest first, or oldest first by a switch.

    Args:
        stamp: When an item happened, which is what the borders are compared with. A page that is
            cut off leaves out what happened before, so that the next window finds it.
        order: By which time the items of a page are put in order.
    """
    switches = session.exchange.switches
    # A border that does not belong to the window is the last millisecond before it.
    end -= not switches.list_borders_inclusive
    known = session.exchange.market_now() - round(switches.history_lag * 1000)
    inside = [item for item in items if start <= stamp(item) <= min(end, known)]
    # Items of one millisecond come newest first as well: the list is in the order of making.
    inside.reverse()
    inside.sort(key=stamp, reverse=True)
    page = sorted(inside[:size], key=order, reverse=True)
    if not switches.lists_newest_first:
        page.reverse()
    return page, len(inside) > size


def _executed(deal: Deal) -> int:
    return deal.executed


def _created(deal: Deal) -> int:
    return deal.created


def _updated(order: Order) -> int:
    return order.updated
