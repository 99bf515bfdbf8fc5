"""Requests about the depth of the market."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrader.proto import (
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeDepthQuotesRes,
    ProtoOAUnsubscribeDepthQuotesReq,
    ProtoOAUnsubscribeDepthQuotesRes,
)
from ctrader.simulator.desks.market import offered_symbols, subscribe_new
from ctrader.simulator.market.depth import DepthSubscription
from ctrader.simulator.refusals import Refusal

if TYPE_CHECKING:
    from ctrader.simulator.router import Router
    from ctrader.simulator.session import ServerSession

__all__ = ["add_routes"]


def add_routes(router: Router) -> None:
    """Answer the requests of this desk."""
    router.add(ProtoOASubscribeDepthQuotesReq, _subscribe)
    router.add(ProtoOAUnsubscribeDepthQuotesReq, _unsubscribe)


# Private


def _subscribe(
    session: ServerSession, request: ProtoOASubscribeDepthQuotesReq, _: str | None
) -> ProtoOASubscribeDepthQuotesRes:
    exchange, switches = session.exchange, session.exchange.switches
    account = session.account(request.ctidTraderAccountId)
    wanted = offered_symbols(session, request.symbolId)
    if switches.depth_without_spots_code is not None:
        for symbol_id in wanted:
            if symbol_id not in account.spots:
                raise Refusal(
                    switches.depth_without_spots_code,
                    f"No subscription to spots of symbol {symbol_id}",
                )

    def subscribe(symbol_ids: list[int]) -> None:
        subscriptions = [
            DepthSubscription(request.ctidTraderAccountId, symbol_id, session.send)
            for symbol_id in symbol_ids
        ]
        for subscription in subscriptions:
            account.depth[subscription.symbol_id] = subscription
            exchange.depth.subscribe(subscription)

        def send_books() -> None:
            for subscription in subscriptions:
                exchange.depth.send_book(subscription)

        if switches.first_depth_before_response:
            send_books()
        else:
            session.afterwards.append(send_books)

    subscribe_new(session, "Depth", wanted, account.depth, subscribe)
    return ProtoOASubscribeDepthQuotesRes(ctidTraderAccountId=request.ctidTraderAccountId)


def _unsubscribe(
    session: ServerSession, request: ProtoOAUnsubscribeDepthQuotesReq, _: str | None
) -> ProtoOAUnsubscribeDepthQuotesRes:
    exchange = session.exchange
    account = session.account(request.ctidTraderAccountId)
    wanted = offered_symbols(session, request.symbolId)
    for symbol_id in wanted:
        if symbol_id not in account.depth:
            raise Refusal(
                exchange.switches.unknown_subscription_code,
                f"Depth of {symbol_id} is not subscribed",
            )
    for symbol_id in wanted:
        exchange.depth.unsubscribe(account.depth.pop(symbol_id))
    return ProtoOAUnsubscribeDepthQuotesRes(ctidTraderAccountId=request.ctidTraderAccountId)
