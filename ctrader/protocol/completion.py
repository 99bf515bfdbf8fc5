"""Judge whether a frame ends the call whose id it carries."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from google.protobuf.message import Message

from ctrader.enums import ExecutionType
from ctrader.models.wire import required_enum_of
from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOAOrder,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
)
from ctrader.protocol.commands import Completion

if TYPE_CHECKING:
    from ctrader.protocol.correlation import PendingCall

__all__ = ["Verdict", "judge", "usual_completion"]


class Verdict(Enum):
    """What a frame means for its call."""

    PROGRESS = "progress"
    """More frames follow."""
    DONE = "done"
    """The call ended; this frame is its result."""
    REFUSED = "refused"
    """The server refused the request; the frame says why."""
    UNEXPECTED = "unexpected"
    """The frame is of no type that can answer this request."""


_ENDED: Final = frozenset(
    {ExecutionType.ORDER_FILLED, ExecutionType.ORDER_CANCELLED, ExecutionType.ORDER_EXPIRED}
)

_DONE: Final[dict[Completion, frozenset[ExecutionType]]] = {
    # A limit better than the market may be filled at once, before its acceptance is read.
    Completion.ACCEPTED: _ENDED | {ExecutionType.ORDER_ACCEPTED, ExecutionType.ORDER_PARTIAL_FILL},
    Completion.FILLED: _ENDED,
    Completion.REPLACED: frozenset({ExecutionType.ORDER_REPLACED}),
    Completion.CANCELLED: frozenset({ExecutionType.ORDER_CANCELLED}),
    Completion.PROTECTED: frozenset(
        {
            ExecutionType.ORDER_ACCEPTED,
            ExecutionType.ORDER_REPLACED,
            ExecutionType.ORDER_CANCELLED,
        }
    ),
}
_REFUSED: Final = frozenset({ExecutionType.ORDER_REJECTED, ExecutionType.ORDER_CANCEL_REJECTED})
_USUAL: Final[dict[type[Message], Completion]] = {
    ProtoOAAmendOrderReq: Completion.REPLACED,
    ProtoOAAmendPositionSLTPReq: Completion.PROTECTED,
    ProtoOACancelOrderReq: Completion.CANCELLED,
    ProtoOAClosePositionReq: Completion.FILLED,
}
_AT_MARKET: Final = frozenset({ProtoOAOrderType.MARKET, ProtoOAOrderType.MARKET_RANGE})


def usual_completion(request: Message) -> Completion:
    """Return which frame ends a trading request for whoever has no wish of his own."""
    if isinstance(request, ProtoOANewOrderReq):
        is_at_market = request.orderType in _AT_MARKET
        return Completion.FILLED if is_at_market else Completion.ACCEPTED
    return _USUAL[type(request)]


def judge(call: PendingCall, message: Message) -> Verdict:
    """Say what a whole frame with the call's id means for it.

    Error answers are not its business: they end every call. An execution event without a known
    type is progress only, so that a type of the future is never read as acceptance or as a fill.
    """
    completion = call.call.completion
    if completion is Completion.REPLY:
        reply = call.call.reply
        if reply is None or isinstance(message, reply):
            return Verdict.DONE
        # Execution events may carry the id of a request that is no order only if the server has
        # a reason that we do not know; the answer itself is still to come.
        return (
            Verdict.PROGRESS if isinstance(message, ProtoOAExecutionEvent) else Verdict.UNEXPECTED
        )
    if not isinstance(message, ProtoOAExecutionEvent):
        return Verdict.UNEXPECTED
    is_order = completion in (Completion.ACCEPTED, Completion.FILLED)
    if is_order and message.order.orderType == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT:
        return Verdict.PROGRESS  # the order that guards the position comes and goes with it
    kind = required_enum_of(message, "executionType", ExecutionType)
    if is_order and kind is ExecutionType.ORDER_CANCEL_REJECTED:
        return Verdict.PROGRESS  # somebody's cancellation was refused: the order is there
    if kind in _REFUSED:
        # An order of which a part was filled was not refused: its rest was, and that is its end.
        is_rest = call.filled_in_part is not None or message.order.executedVolume > 0
        return Verdict.DONE if is_order and is_rest else Verdict.REFUSED
    if kind in _DONE[completion]:
        return Verdict.DONE
    if completion is Completion.FILLED and kind is ExecutionType.ORDER_PARTIAL_FILL:
        return Verdict.DONE if _is_last_part(call, message.order) else Verdict.PROGRESS
    return Verdict.PROGRESS


# Private


def _is_last_part(call: PendingCall, order: ProtoOAOrder) -> bool:
    """Whether nothing is left of an order, by its status or by what was asked for."""
    wanted = getattr(call.request, "volume", 0)
    is_whole = bool(wanted) and order.executedVolume >= wanted
    return is_whole or order.orderStatus == ProtoOAOrderStatus.ORDER_STATUS_FILLED
