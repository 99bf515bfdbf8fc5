"""The trading requests that tests of orders send, and the events that they look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOATradeSide,
)
from ctrader.simulator.catalogue import AccountSpec
from ctrader.simulator.switches import Switches
from tests.simulator.peer import BARE, USD_ACCOUNT, Peer, log_in, scripted_exchange, with_fields

__all__ = [
    "FLAT",
    "ORDER",
    "POSITION",
    "amend",
    "amend_order",
    "cancel",
    "close",
    "events",
    "kinds",
    "order",
    "trader",
]

POSITION: Final = 5_000_001
"""Id of the first position on a new exchange."""
ORDER: Final = 6_000_001
"""Id of the first order on a new exchange."""
FLAT: Final = ((0, 112567, 112569),)
"""A market that stands still."""


def trader(
    *ticks: tuple[float, int | None, int | None],
    switches: Switches = BARE,
    accounts: Sequence[AccountSpec] | None = None,
    **terms: object,
) -> Peer:
    """Log in to a new exchange with these prices of EURUSD, and EURUSD on these terms."""
    exchange = scripted_exchange(ticks or FLAT, switches=switches, accounts=accounts)
    if terms:
        exchange.change_symbol(1, **terms)
    return log_in(Peer(exchange), USD_ACCOUNT)


def order(kind: str = "MARKET", side: str = "BUY", **fields: object) -> ProtoOANewOrderReq:
    """Make a new order: 1,000 euros at the market unless something else is asked for."""
    request = ProtoOANewOrderReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=1,
        orderType=ProtoOAOrderType.Value(kind),
        tradeSide=ProtoOATradeSide.Value(side),
        volume=100_000,
    )
    return with_fields(request, **fields)


def amend(position: int = POSITION, /, **fields: object) -> ProtoOAAmendPositionSLTPReq:
    """Make a request for other levels of a position."""
    request = ProtoOAAmendPositionSLTPReq(ctidTraderAccountId=USD_ACCOUNT, positionId=position)
    return with_fields(request, **fields)


def amend_order(**fields: object) -> ProtoOAAmendOrderReq:
    """Make a request that changes the first order."""
    request = ProtoOAAmendOrderReq(ctidTraderAccountId=USD_ACCOUNT, orderId=ORDER)
    return with_fields(request, **fields)


def close(volume: int = 100_000, position_id: int = POSITION) -> ProtoOAClosePositionReq:
    """Make a request that closes a volume of a position."""
    return ProtoOAClosePositionReq(
        ctidTraderAccountId=USD_ACCOUNT, positionId=position_id, volume=volume
    )


def cancel(order_id: int = ORDER) -> ProtoOACancelOrderReq:
    """Make a request that cancels a pending order."""
    return ProtoOACancelOrderReq(ctidTraderAccountId=USD_ACCOUNT, orderId=order_id)


def events(peer: Peer, seconds: float = 1.0) -> list[ProtoOAExecutionEvent]:
    """Let time pass and return the execution events that came."""
    peer.run(seconds)
    return peer.messages(ProtoOAExecutionEvent)


def kinds(found: Sequence[ProtoOAExecutionEvent]) -> list[str]:
    """Name what happened."""
    return [ProtoOAExecutionType.Name(each.executionType) for each in found]
