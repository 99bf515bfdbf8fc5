"""Remember what the server last said of symbols and of open positions.

Orders are checked against it before they are sent. Nothing here is asked for: it is what passes by
in answers and events, and it holds for as long as the server would tell of a change, which is until
the link or the account's session ends, or a new session of the account begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from ctrader.models.symbols import Symbol
from ctrader.proto import (
    ProtoOAAccountAuthRes,
    ProtoOAExecutionEvent,
    ProtoOAPosition,
    ProtoOAPositionStatus,
    ProtoOAReconcileRes,
    ProtoOASymbol,
    ProtoOASymbolByIdRes,
    ProtoOASymbolChangedEvent,
)

if TYPE_CHECKING:
    from datetime import datetime

    from google.protobuf.message import Message

    from ctrader.protocol.context import Context

__all__ = ["OpenPosition", "Terms", "is_open"]

CAPACITY: Final = 50_000
"""Symbols, and positions, that are remembered; the oldest give way. Brokers have a few thousand."""

V = TypeVar("V")
_Key = tuple[int, int]


class OpenPosition(NamedTuple):
    """What closing a position depends on."""

    symbol_id: int
    volume: int
    """What is open, in hundredths of a unit."""


def is_open(position: ProtoOAPosition) -> bool:
    """Whether a position holds a volume; an empty one belongs to a pending order."""
    status = position.positionStatus
    return status == ProtoOAPositionStatus.POSITION_STATUS_OPEN and position.tradeData.volume > 0


class Terms:
    """Symbols and open positions of every account, as last heard on this link."""

    __slots__ = ("_context", "_positions", "_symbols")

    def __init__(self, context: Context) -> None:
        self._context = context
        # A symbol stays a message until it is asked for: of a thousand that were listed, few are.
        self._symbols: dict[_Key, ProtoOASymbol | Symbol] = {}
        self._positions: dict[_Key, OpenPosition] = {}

    @property
    def now(self) -> datetime:
        """The present."""
        return self._context.wall()

    def symbol(self, account_id: int, symbol_id: int) -> Symbol | None:
        """Return a symbol, None if it must be asked for.

        Raises:
            ProtocolError: what the server said of it makes no sense.
        """
        known = self._symbols.get((account_id, symbol_id))
        if isinstance(known, ProtoOASymbol):
            known = self._symbols[account_id, symbol_id] = Symbol.from_proto(known)
        return known

    def position(self, account_id: int, position_id: int) -> OpenPosition | None:
        """Return an open position, None if it must be asked for."""
        return self._positions.get((account_id, position_id))

    def learn(self, message: Message) -> None:
        """Take from a message what it says of symbols and positions."""
        if isinstance(message, ProtoOAExecutionEvent):
            if message.HasField("position"):
                self._learn_position(message.ctidTraderAccountId, message.position)
        elif isinstance(message, ProtoOAReconcileRes):
            account_id = message.ctidTraderAccountId
            _drop(self._positions, account_id)
            for position in message.position:
                self._learn_position(account_id, position)
        elif isinstance(message, ProtoOASymbolByIdRes):
            for symbol in message.symbol:
                # A copy: the answer itself may go to somebody who changes it.
                copy = ProtoOASymbol()
                copy.CopyFrom(symbol)
                _put(self._symbols, (message.ctidTraderAccountId, symbol.symbolId), copy)
        elif isinstance(message, ProtoOASymbolChangedEvent):
            for symbol_id in message.symbolId:
                self._symbols.pop((message.ctidTraderAccountId, symbol_id), None)
        elif isinstance(message, ProtoOAAccountAuthRes):
            # Since a logout, or since its token was made invalid, nothing was heard of it.
            self.lost(message.ctidTraderAccountId)

    def lost(self, account_id: int | None = None) -> None:
        """Forget what may have changed unheard: of one account, or of all with the link."""
        _drop(self._symbols, account_id)
        _drop(self._positions, account_id)

    # Private

    def _learn_position(self, account_id: int, position: ProtoOAPosition) -> None:
        key = account_id, position.positionId
        if is_open(position):
            trade = position.tradeData
            _put(self._positions, key, OpenPosition(trade.symbolId, trade.volume))
        else:
            self._positions.pop(key, None)


def _put(known: dict[_Key, V], key: _Key, value: V) -> None:
    known[key] = value
    if len(known) > CAPACITY:
        del known[next(iter(known))]


def _drop(known: dict[_Key, V], account_id: int | None) -> None:
    if account_id is None:
        known.clear()
        return
    for key in [key for key in known if key[0] == account_id]:
        del known[key]
