"""What a server may go on naming for ever, such as new accounts, is not remembered for ever."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Final

import pytest
from google.protobuf.message import Message

from ctrader.proto import (
    ProtoErrorRes,
    ProtoOAAccountAuthRes,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOADepthEvent,
    ProtoOADepthQuote,
    ProtoOAExecutionEvent,
    ProtoOAMarginChangedEvent,
    ProtoOAOrder,
    ProtoOAPosition,
    ProtoOAReconcileRes,
    ProtoOASpotEvent,
    ProtoOASymbolChangedEvent,
    ProtoOATradeData,
    ProtoOATrader,
    ProtoOATraderUpdatedEvent,
)
from ctrader.protocol import decoding, outcomes, terms
from ctrader.protocol.commands import SpotTopic
from ctrader.protocol.envelope import encode_envelope, encode_message
from tests.fuzz.messages import ACCOUNT
from tests.fuzz.test_client import KINDS, Reader
from tests.fuzz.volleys import CHUNKINGS
from tests.protocol.peer import Peer

CAPACITY: Final = 200
"""What tables are allowed here; their own capacities are larger."""
USUAL: Final = 200
"""The largest table that is no memory, such as that of the types that are listened to."""
MANY: Final = 1000


def _trade(number: int) -> ProtoOATradeData:
    return ProtoOATradeData(symbolId=number, volume=1000, tradeSide="BUY")


def _order(number: int) -> ProtoOAExecutionEvent:
    return ProtoOAExecutionEvent(
        ctidTraderAccountId=number,
        executionType="ORDER_ACCEPTED",
        order=ProtoOAOrder(
            orderId=number,
            tradeData=_trade(number),
            orderType="LIMIT",
            orderStatus="ORDER_STATUS_ACCEPTED",
            limitPrice=1.0,
        ),
        position=ProtoOAPosition(
            positionId=number,
            tradeData=_trade(number),
            positionStatus="POSITION_STATUS_OPEN",
            swap=0,
            moneyDigits=2,
        ),
    )


NEW_NAMES: Final[dict[str, Callable[[int], Message]]] = {
    "quotes of symbols": lambda n: ProtoOASpotEvent(ctidTraderAccountId=1, symbolId=n, bid=n),
    "quotes of accounts": lambda n: ProtoOASpotEvent(ctidTraderAccountId=n, symbolId=1, bid=n),
    "books": lambda n: ProtoOADepthEvent(
        ctidTraderAccountId=1, symbolId=n, newQuotes=[ProtoOADepthQuote(id=n, size=1, bid=n)]
    ),
    "traders": lambda n: ProtoOATraderUpdatedEvent(
        ctidTraderAccountId=n,
        trader=ProtoOATrader(ctidTraderAccountId=n, balance=1, depositAssetId=1, moneyDigits=2),
    ),
    "orders": _order,
    "sessions": lambda n: ProtoOAAccountAuthRes(ctidTraderAccountId=n),
    "ends of sessions": lambda n: ProtoOAAccountDisconnectEvent(ctidTraderAccountId=n),
    "tokens": lambda n: ProtoOAAccountsTokenInvalidatedEvent(ctidTraderAccountIds=[n]),
    "margins": lambda n: ProtoOAMarginChangedEvent(
        ctidTraderAccountId=n, positionId=n, usedMargin=1, moneyDigits=2
    ),
    "symbols": lambda n: ProtoOASymbolChangedEvent(ctidTraderAccountId=n, symbolId=[n]),
    "states": lambda n: ProtoOAReconcileRes(ctidTraderAccountId=n),
    "errors": lambda n: ProtoErrorRes(errorCode=f"ERROR_{n}", description=f"{n}"),
}


def largest_table(root: object) -> int:
    """Return the size of the largest container that hangs on an object of the library."""
    largest = 0
    known: set[int] = set()
    waiting = [root]
    while waiting:
        found = waiting.pop()
        if id(found) in known or isinstance(found, type | ModuleType | FunctionType | Message):
            continue
        known.add(id(found))
        if isinstance(found, dict | set | list | deque):
            largest = max(largest, len(found))
        waiting += gc.get_referents(found)
    return largest


def table_after(frame: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch) -> int:
    """Return how large a session's largest table is after frames of many names."""
    for module in (decoding, terms):
        monkeypatch.setattr(module, "CAPACITY", CAPACITY)
    monkeypatch.setattr(outcomes, "ORDERS_REMEMBERED", CAPACITY)
    peer: Peer = Reader(CHUNKINGS["whole"]).peer
    peer.session.listen(KINDS, None)
    for number in range(MANY):
        peer.session.receive_data(peer.session.epoch, frame(1_000_000 + number), peer.now)
        peer.session.take_effects()
    assert peer.is_connected()
    return largest_table(peer.session)


@pytest.mark.parametrize("what", NEW_NAMES)
def test_names_that_are_always_new_are_not_all_remembered(what, monkeypatch):
    size = table_after(lambda number: encode_message(NEW_NAMES[what](number)), monkeypatch)
    assert size <= CAPACITY + USUAL


def test_types_that_are_always_new_are_not_all_remembered(monkeypatch):
    size = table_after(lambda number: encode_envelope(number, b"x", str(number)), monkeypatch)
    assert size <= USUAL


def test_ids_that_are_always_new_are_not_all_remembered(monkeypatch):
    message = ProtoOASymbolChangedEvent(ctidTraderAccountId=1, symbolId=[1])
    size = table_after(lambda number: encode_message(message, f"id-{number}"), monkeypatch)
    assert size <= USUAL


def test_largest_table_is_found_wherever_it_hangs():
    peer = Reader(CHUNKINGS["whole"]).peer
    assert largest_table(peer.session) <= USUAL
    peer.session.listen(frozenset(), frozenset(range(2)))
    peer.subscribe(*(SpotTopic(ACCOUNT, symbol) for symbol in range(10, 10 + 2 * USUAL)))
    assert largest_table(peer.session) >= 2 * USUAL
