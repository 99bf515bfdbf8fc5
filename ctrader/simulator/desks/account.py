"""Requests about an account's money: cash flow, margin calls, profits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ctrader.proto import (
    ProtoOACashFlowHistoryListReq,
    ProtoOACashFlowHistoryListRes,
    ProtoOAMarginCallListReq,
    ProtoOAMarginCallListRes,
    ProtoOAMarginCallUpdateEvent,
    ProtoOAMarginCallUpdateReq,
    ProtoOAMarginCallUpdateRes,
    ProtoOAv1PnLChangeSubscribeReq,
    ProtoOAv1PnLChangeSubscribeRes,
    ProtoOAv1PnLChangeUnSubscribeReq,
    ProtoOAv1PnLChangeUnSubscribeRes,
)
from ctrader.simulator.desks.market import check_window
from ctrader.simulator.messages.account import cash_message, margin_call_message
from ctrader.simulator.refusals import Refusal

if TYPE_CHECKING:
    from ctrader.simulator.router import Router
    from ctrader.simulator.session import ServerSession

__all__ = ["add_routes"]

_HIGHEST_LEVEL: Final = 1_000_000.0  # percent; more is a mistake


def add_routes(router: Router) -> None:
    """Answer the requests of this desk."""
    router.add(ProtoOACashFlowHistoryListReq, _cash_flow)
    router.add(ProtoOAMarginCallListReq, _margin_calls)
    router.add(ProtoOAMarginCallUpdateReq, _update_margin_call)
    router.add(ProtoOAv1PnLChangeSubscribeReq, _subscribe_profit)
    router.add(ProtoOAv1PnLChangeUnSubscribeReq, _unsubscribe_profit)


# Private


def _cash_flow(
    session: ServerSession, request: ProtoOACashFlowHistoryListReq, _: str | None
) -> ProtoOACashFlowHistoryListRes:
    exchange, switches = session.exchange, session.exchange.switches
    book = session.account(request.ctidTraderAccountId).book
    start, end = request.fromTimestamp, request.toTimestamp
    check_window(start, end, switches.cash_flow_window)
    if not switches.list_borders_inclusive:
        end -= 1
    end = min(end, exchange.market_now() - round(switches.history_lag * 1000))
    return ProtoOACashFlowHistoryListRes(
        ctidTraderAccountId=request.ctidTraderAccountId,
        depositWithdraw=[
            cash_message(book, booking, switches)
            for booking in book.journal
            if booking.kind == "cash" and start <= booking.at <= end
        ],
    )


def _margin_calls(
    session: ServerSession, request: ProtoOAMarginCallListReq, _: str | None
) -> ProtoOAMarginCallListRes:
    book = session.account(request.ctidTraderAccountId).book
    return ProtoOAMarginCallListRes(
        marginCall=[margin_call_message(call) for call in book.margin_calls.values()]
    )


def _update_margin_call(
    session: ServerSession, request: ProtoOAMarginCallUpdateReq, _: str | None
) -> ProtoOAMarginCallUpdateRes:
    exchange = session.exchange
    book = session.account(request.ctidTraderAccountId).book
    call = book.margin_calls.get(int(request.marginCall.marginCallType))
    if call is None:
        raise Refusal("INVALID_REQUEST", "There is no margin call of this type")
    level = request.marginCall.marginLevelThreshold
    if not math.isfinite(level) or not 0 <= level <= _HIGHEST_LEVEL:
        raise Refusal("INVALID_REQUEST", f"Margin level {level} is not from 0 to {_HIGHEST_LEVEL}")
    call.threshold, call.updated = level, exchange.market_now()
    if exchange.switches.margin_call_update_ends_pause:
        call.triggered = None
    event = ProtoOAMarginCallUpdateEvent(
        ctidTraderAccountId=request.ctidTraderAccountId, marginCall=margin_call_message(call)
    )
    session.afterwards.append(lambda: exchange.publish(request.ctidTraderAccountId, event, None))
    exchange.floor.life.touch(book)
    return ProtoOAMarginCallUpdateRes()


def _subscribe_profit(
    session: ServerSession, request: ProtoOAv1PnLChangeSubscribeReq, _: str | None
) -> ProtoOAv1PnLChangeSubscribeRes | None:
    if not _serves_profit(session):
        return None
    account_id, life = request.ctidTraderAccountId, session.exchange.floor.life
    account = session.account(account_id)
    is_new = life.profits.subscribe(
        account.book,
        session,
        account,
        is_alive=lambda: session.accounts.get(account_id) is account,
    )
    if not is_new:
        raise Refusal(
            session.exchange.switches.duplicate_subscription_code,
            "The profit is subscribed already",
        )
    life.touch(account.book)
    return ProtoOAv1PnLChangeSubscribeRes(ctidTraderAccountId=account_id)


def _unsubscribe_profit(
    session: ServerSession, request: ProtoOAv1PnLChangeUnSubscribeReq, _: str | None
) -> ProtoOAv1PnLChangeUnSubscribeRes | None:
    if not _serves_profit(session):
        return None
    account_id, life = request.ctidTraderAccountId, session.exchange.floor.life
    account = session.account(account_id)
    if not life.profits.unsubscribe(account.book, account):
        raise Refusal("NOT_SUBSCRIBED_TO_PNL", "The profit is not subscribed")
    life.touch(account.book)
    return ProtoOAv1PnLChangeUnSubscribeRes(ctidTraderAccountId=account_id)


def _serves_profit(session: ServerSession) -> bool:
    """Tell whether the profit stream is served; where it is not, False leaves no answer.

    Raises:
        Refusal: the server does not know these messages.
    """
    switch = session.exchange.switches.v1_pnl_stream
    if switch is False:
        raise Refusal("UNSUPPORTED_MESSAGE", "This message is not supported")
    return switch is True
