"""Tie answers to the requests that they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.protocol.commands import Call, CallId, Completion, Priority
from ctrader.protocol.limiter import Lane, lane_of
from ctrader.protocol.orders import TRADING_REQUESTS

if TYPE_CHECKING:
    from random import Random

    from google.protobuf.message import Message

    from ctrader.errors import APIError
    from ctrader.proto import ProtoOAExecutionEvent
    from ctrader.protocol.journaling import Record
    from ctrader.units import Nanos

__all__ = ["Correlator", "PendingCall"]

_PREFIX_BITS: Final = 64


@dataclass(slots=True, eq=False)
class PendingCall:
    """A call that has not ended."""

    call_id: CallId
    call: Call
    request: Message = field(repr=False)
    """What is sent; for an order this has the client order id that the library chose."""
    client_order_id: str | None = None
    message_id: str | None = None
    """The `clientMsgId` of the frame, None while it was not handed to the transport."""
    sent_at: Nanos = 0
    """When the frame was handed to the transport."""
    deadline: Nanos = 0
    server_ms: int | None = None
    """What the server's clock showed at that moment, at least, of a trading request; in Unix ms."""
    open_volume: int | None = None
    """What was open of the position that it closes, as far as known."""
    position_updated_ms: int | None = None
    """When that position was last updated, in Unix ms of the server; None if unknown."""
    heard_before: int = 0
    """How many orders had been heard of by then."""
    payload_type: int = 0
    lane: Lane = Lane.NORMAL
    filled_in_part: ProtoOAExecutionEvent | None = field(default=None, repr=False)
    """The newest event that filled a part of the order, None while nothing of it is filled."""
    delayed_by: APIError | None = None
    """The refusal for its rate after which it waits to be sent again."""
    was_denied: bool = False
    """Whether the server refused it once for want of the account's session."""
    record: Record | None = field(default=None, repr=False)
    """Its entry in the journal; None for what changes nothing, and where there is no journal."""
    was_accepted: bool = False
    """Whether the server said that the order works, so that no error answer refuses it any more."""

    def __post_init__(self) -> None:
        self.payload_type = PAYLOAD_TYPE_BY_MESSAGE[type(self.request)]
        self.lane = lane_of(type(self.request))

    @property
    def priority(self) -> Priority:
        """Who goes first."""
        return self.call.priority

    @property
    def is_trading(self) -> bool:
        """Whether it may change what is at the market, so that it is sent once only."""
        return type(self.request) in TRADING_REQUESTS

    @property
    def is_immediate(self) -> bool:
        """Whether it is sent now or not at all, as an order and its questions are."""
        return self.is_trading or self.call.priority is Priority.TRADING

    @property
    def may_be_sent_again(self) -> bool:
        """Whether it changes nothing, and somebody waits for its answer."""
        return self.call.resend and not self.is_immediate

    @property
    def is_sent(self) -> bool:
        """Whether it was handed to the transport."""
        return self.message_id is not None

    @property
    def expects_answer(self) -> bool:
        """Whether a frame of the server ends it."""
        return self.call.completion is not Completion.SENT


class Correlator:
    """Give out ids for requests and find the calls that frames belong to.

    Several frames may carry one id, and a frame with an id that was never given out here is an
    ordinary event: another program on the same account caused it. That is why ids must be unique
    across processes and connections, and no plain counter.
    """

    __slots__ = ("_count", "_prefix", "_rng", "_sent")

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._sent: dict[str, PendingCall] = {}
        self._prefix = ""
        self._count = 0
        self.opened()

    def opened(self) -> None:
        """Begin with a new connection: ids of the old one are never given out again."""
        self._prefix = f"{self._rng.getrandbits(_PREFIX_BITS):016x}"
        self._count = 0

    def send(self, call: PendingCall) -> str:
        """Note that a call is handed to the transport and return the id for its frame."""
        self._count += 1
        call.message_id = f"{self._prefix}-{self._count:x}"
        if call.expects_answer:
            self._sent[call.message_id] = call
        return call.message_id

    def find(self, message_id: str) -> PendingCall | None:
        """Return the call that waits for frames with this id, None where none does."""
        return self._sent.get(message_id)

    def forget(self, call: PendingCall) -> None:
        """Wait no longer for a call's frames."""
        if call.message_id is not None:
            self._sent.pop(call.message_id, None)

    def lost(self) -> list[PendingCall]:
        """Return the calls that were sent and not answered, and forget them."""
        calls = list(self._sent.values())
        self._sent.clear()
        return calls

    def sent_calls(self) -> list[PendingCall]:
        """Return the calls that wait for an answer, oldest first."""
        return list(self._sent.values())
