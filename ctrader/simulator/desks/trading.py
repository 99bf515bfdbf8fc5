"""Requests that trade, and those about the state of an account's trades."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAExpectedMarginReq,
    ProtoOAExpectedMarginRes,
    ProtoOAGetPositionUnrealizedPnLReq,
    ProtoOAGetPositionUnrealizedPnLRes,
    ProtoOANewOrderReq,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOATradeSide,
)
from ctrader.simulator.accounts.money import is_tellable
from ctrader.simulator.messages.trades import order_message, position_message
from ctrader.simulator.refusals import Refusal

if TYPE_CHECKING:
    from ctrader.simulator.book import AccountBook
    from ctrader.simulator.router import Router
    from ctrader.simulator.session import ServerSession

__all__ = ["add_routes"]

_LARGEST_AMOUNT: Final = (1 << 63) - 1  # what an int64 field holds


def add_routes(router: Router) -> None:
    """Answer the requests of this desk."""
    router.add(ProtoOANewOrderReq, _new_order)
    router.add(ProtoOAAmendOrderReq, _amend_order)
    router.add(ProtoOACancelOrderReq, _cancel_order)
    router.add(ProtoOAAmendPositionSLTPReq, _amend_position)
    router.add(ProtoOAClosePositionReq, _close_position)
    router.add(ProtoOAReconcileReq, _reconcile)
    router.add(ProtoOAExpectedMarginReq, _expected_margin)
    router.add(ProtoOAGetPositionUnrealizedPnLReq, _unrealised_profit)


# Private


def _new_order(session: ServerSession, request: ProtoOANewOrderReq, origin: str | None) -> None:
    book = _trading_book(session, request.ctidTraderAccountId)
    session.exchange.floor.new_order(book, request, origin)


def _amend_order(session: ServerSession, request: ProtoOAAmendOrderReq, origin: str | None) -> None:
    book = _trading_book(session, request.ctidTraderAccountId)
    session.exchange.floor.amend_order(book, request, origin)


def _cancel_order(
    session: ServerSession, request: ProtoOACancelOrderReq, origin: str | None
) -> None:
    book = _trading_book(session, request.ctidTraderAccountId)
    session.exchange.floor.cancel_order(book, request.orderId, origin)


def _amend_position(
    session: ServerSession, request: ProtoOAAmendPositionSLTPReq, origin: str | None
) -> None:
    book = _trading_book(session, request.ctidTraderAccountId)
    session.exchange.floor.amend_position(book, request, origin)


def _close_position(
    session: ServerSession, request: ProtoOAClosePositionReq, origin: str | None
) -> None:
    book = _trading_book(session, request.ctidTraderAccountId)
    session.exchange.floor.close_position(book, request.positionId, request.volume, origin)


def _reconcile(
    session: ServerSession, request: ProtoOAReconcileReq, _: str | None
) -> ProtoOAReconcileRes:
    exchange = session.exchange
    book = session.account(request.ctidTraderAccountId).book
    known = exchange.market_now() - round(exchange.switches.reconcile_lag * 1000)
    return ProtoOAReconcileRes(
        ctidTraderAccountId=request.ctidTraderAccountId,
        position=[
            position_message(position, book.spec.money_digits)
            for position in book.open_positions()
            if position.opened is None or position.opened <= known
        ],
        order=[
            order_message(order)
            for order in book.working.values()
            if (request.returnProtectionOrders or not order.is_protective)
            and order.created <= known
        ],
    )


def _expected_margin(
    session: ServerSession, request: ProtoOAExpectedMarginReq, _: str | None
) -> ProtoOAExpectedMarginRes:
    book = session.account(request.ctidTraderAccountId).book
    symbol = session.exchange.symbols.get(request.symbolId)
    if symbol is None:
        raise Refusal("SYMBOL_NOT_FOUND", f"Symbol not found with id {request.symbolId}")
    floor = session.exchange.floor
    answer = ProtoOAExpectedMarginRes(
        ctidTraderAccountId=request.ctidTraderAccountId, moneyDigits=book.spec.money_digits
    )
    for volume in request.volume:
        if volume <= 0:
            raise Refusal("TRADING_BAD_VOLUME", f"Volume {volume} is not positive")
        buy = floor.expected_margin(book, symbol, ProtoOATradeSide.BUY, volume)
        sell = floor.expected_margin(book, symbol, ProtoOATradeSide.SELL, volume)
        if max(buy, sell) > _LARGEST_AMOUNT:
            raise Refusal("TRADING_BAD_VOLUME", f"Volume {volume} has no margin that can be told")
        answer.margin.add(volume=volume, buyMargin=buy, sellMargin=sell)
    return answer


def _unrealised_profit(
    session: ServerSession, request: ProtoOAGetPositionUnrealizedPnLReq, _: str | None
) -> ProtoOAGetPositionUnrealizedPnLRes:
    book = session.account(request.ctidTraderAccountId).book
    answer = ProtoOAGetPositionUnrealizedPnLRes(
        ctidTraderAccountId=request.ctidTraderAccountId, moneyDigits=book.spec.money_digits
    )
    for position in book.open_positions():
        gross, net = session.exchange.floor.profit_of(book, position)
        if not is_tellable(gross, net):
            raise Refusal(
                "INVALID_REQUEST",
                f"Position {position.position_id} has a profit that no message can tell",
            )
        answer.positionUnrealizedPnL.add(
            positionId=position.position_id, grossUnrealizedPnL=gross, netUnrealizedPnL=net
        )
    return answer


def _trading_book(session: ServerSession, account_id: int) -> AccountBook:
    """Return the books of an account that the session's token may trade.

    Raises:
        Refusal: the token may only read.
    """
    account = session.account(account_id)
    if not account.grant.may_trade:
        raise Refusal(
            session.exchange.switches.view_scope_code, "Access token has no permission to trade"
        )
    return account.book
