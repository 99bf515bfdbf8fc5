"""Watch the bytes at a client's edge: what left it, and what reached it whole.

It reads frames by itself, so that a mistake of the client's reader cannot hide here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError

from ctrader.proto import (
    ProtoMessage,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
)

if TYPE_CHECKING:
    from tests.torture.history import History

__all__ = ["Edge"]

_NEW_ORDER: Final = 2106
_TRADING: Final = frozenset({2106, 2108, 2109, 2110, 2111})
_EXECUTION: Final = 2126
_REFRESH: Final = 2173
_REFRESHED: Final = 2174
_UPWARD: Final = _TRADING | {_REFRESH}
_DOWNWARD: Final = frozenset({_EXECUTION, _REFRESHED})
_WATCHED: Final = frozenset({b"\x08\xce\x10", b"\x08\xfe\x10"})
"""How the envelopes of those two begin."""
_LONGEST: Final = 15_000_000


class Edge:
    """Fill a history with what passes a client's edge."""

    def __init__(self, history: History, now: Callable[[], float], life: Callable[[], int]) -> None:
        """Watch for a history.

        Args:
            history: Where it is noted.
            now: Returns the time, in seconds.
            life: Returns which process of the client it is.
        """
        self._history = history
        self._now = now
        self._life = life
        self._rest = b""
        self._epoch = (-1, -1)
        self._refreshing: dict[str, str] = {}

    def sent(self, _: int, data: bytes) -> None:
        """Take whole frames that left the client."""
        for message in _frames(data, _UPWARD):
            history = self._history
            if message.payloadType == _NEW_ORDER:
                order = ProtoOANewOrderReq.FromString(message.payload)
                history.left_orders[order.clientOrderId] += 1
            elif message.payloadType == _REFRESH:
                token = ProtoOARefreshTokenReq.FromString(message.payload).refreshToken
                history.refresh_left.append((self._now(), token))
                self._refreshing[message.clientMsgId] = token
            else:
                history.left_requests += 1

    def received(self, epoch: int, data: bytes) -> None:
        """Take bytes that reached the client, split anywhere."""
        key = (self._life(), epoch)
        if key != self._epoch:
            self._epoch, self._rest = key, b""
        if not self._rest and len(data) == 4 + int.from_bytes(data[:4], "big"):
            # One whole frame, as nearly always; most of them are quotes.
            if data[4:7] not in _WATCHED:
                return
        else:
            data = self._rest + data
        end = _whole(data)
        self._rest = data[end:]
        if not any(begin in data for begin in _WATCHED):
            return  # a quote and its bars
        for message in _frames(data[:end] if self._rest else data, _DOWNWARD):
            try:
                if message.payloadType == _EXECUTION:
                    self._executed(message.payload)
                else:
                    ProtoOARefreshTokenRes.FromString(message.payload)
                    token = self._refreshing.get(message.clientMsgId)
                    if token is not None:
                        self._history.refresh_answered.setdefault(token, self._now())
            except DecodeError:
                continue

    def _executed(self, payload: bytes) -> None:
        event = ProtoOAExecutionEvent.FromString(payload)
        if event.IsInitialized() and event.HasField("deal"):
            key = (self._life(), event.deal.dealId)
            self._history.arrived_deals.setdefault(key, self._now())


# Private


def _whole(data: bytes) -> int:
    """Return where the last whole frame ends; garbage counts as the rest."""
    position = 0
    while position + 4 <= len(data):
        end = position + 4 + int.from_bytes(data[position : position + 4], "big")
        if end > len(data) or end - position > _LONGEST:
            break
        position = end
    return position


def _frames(data: bytes, wanted: frozenset[int]) -> Iterator[ProtoMessage]:
    """Give the frames of some types."""
    position, size = 0, len(data)
    while position + 4 <= size:
        start = position + 4
        position = start + int.from_bytes(data[position:start], "big")
        # The payload type is the first field of an envelope, and takes two bytes.
        if position - start < 3 or position > size or data[start] != 8:
            continue
        number = (data[start + 1] & 0x7F) | data[start + 2] << 7
        if number in wanted:
            try:
                yield ProtoMessage.FromString(data[start:position])
            except DecodeError:
                continue
