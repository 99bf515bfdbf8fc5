"""The requests that tests of an account's life begin with."""

from __future__ import annotations

from google.protobuf.message import Message

from ctrader.proto import (
    ProtoOAClosePositionReq,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOATrader,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOATradeSide,
)
from tests.simulator.peer import USD_ACCOUNT, Peer

__all__ = ["close", "market_order", "open_position", "perform", "trader_of"]


def market_order(
    side: str = "BUY", volume: int = 10_000_000, *, symbol: int = 1, account: int = USD_ACCOUNT
) -> ProtoOANewOrderReq:
    """Make a market order: one lot of EURUSD unless something else is asked for."""
    return ProtoOANewOrderReq(
        ctidTraderAccountId=account,
        symbolId=symbol,
        orderType=ProtoOAOrderType.MARKET,
        tradeSide=ProtoOATradeSide.Value(side),
        volume=volume,
    )


def close(position: int, volume: int, *, account: int = USD_ACCOUNT) -> ProtoOAClosePositionReq:
    """Make the request that closes a volume of a position."""
    return ProtoOAClosePositionReq(ctidTraderAccountId=account, positionId=position, volume=volume)


def perform(peer: Peer, request: Message) -> list[ProtoOAExecutionEvent]:
    """Send a request, let a second pass and return the execution events."""
    peer.received()
    peer.send(request)
    peer.run(1)
    return peer.messages(ProtoOAExecutionEvent)


def open_position(
    peer: Peer,
    side: str = "BUY",
    volume: int = 10_000_000,
    *,
    symbol: int = 1,
    account: int = USD_ACCOUNT,
) -> int:
    """Open a position at the market and return its id."""
    events = perform(peer, market_order(side, volume, symbol=symbol, account=account))
    assert events[-1].HasField("deal"), events
    return events[-1].position.positionId


def trader_of(peer: Peer, account: int = USD_ACCOUNT) -> ProtoOATrader:
    """Ask what an account looks like."""
    return peer.ask(ProtoOATraderReq(ctidTraderAccountId=account), ProtoOATraderRes).trader
