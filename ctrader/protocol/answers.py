"""Say how a request ends, given a frame that answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, assert_never

from ctrader.enums import ExecutionType
from ctrader.errors import (
    APIError,
    OrderRejectedError,
    UnexpectedResponseError,
    api_error,
)
from ctrader.models.wire import enum_of
from ctrader.proto import ProtoOAExecutionEvent, ProtoOAExecutionType, ProtoOAOrderErrorEvent
from ctrader.protocol.completion import Verdict, judge
from ctrader.protocol.orders import trading_refusal

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.protocol.correlation import PendingCall

__all__ = ["Ending", "ending_of", "refused_with"]


class Ending(NamedTuple):
    """How a request ends: with a message, or with an error."""

    result: Message | None
    error: Exception | None = None
    is_nonsense: bool = False
    """Whether the frame is of no type that can answer the request."""


def ending_of(call: PendingCall, message: Message) -> Ending | None:
    """Return what a frame makes of its request, None where more frames follow.

    What it tells of the order's progress is noted at the call. Error answers are for
    `refused_with`.
    """
    if isinstance(message, ProtoOAOrderErrorEvent):
        refusal = _refusal(call, message, message.errorCode, message.description)
        if not call.is_trading:
            return Ending(None, refusal)
        order_id, position_id = message.orderId or None, message.positionId or None
        return Ending(
            None, trading_refusal(call, refusal, order_id=order_id, position_id=position_id)
        )
    verdict = judge(call, message)
    if isinstance(message, ProtoOAExecutionEvent):
        if message.executionType == ProtoOAExecutionType.ORDER_PARTIAL_FILL:
            call.filled_in_part = message
        elif message.executionType == ProtoOAExecutionType.ORDER_ACCEPTED:
            call.was_accepted = True
    match verdict:
        case Verdict.PROGRESS:
            return None
        case Verdict.DONE:
            return Ending(message)
        case Verdict.REFUSED:
            assert isinstance(message, ProtoOAExecutionEvent)
            kind = enum_of(message, "executionType", ExecutionType)
            code = message.errorCode or ("" if kind is None else kind.name)
            # An event that names the order rejected is proof by itself, whatever its code: the
            # exchange has decided.
            rejected = OrderRejectedError.from_api_error(
                _refusal(call, message, code),
                client_order_id=call.client_order_id,
                order_id=message.order.orderId or None,
                position_id=message.position.positionId or None,
            )
            return Ending(None, rejected)
        case Verdict.UNEXPECTED:
            expected = call.call.reply or ProtoOAExecutionEvent
            unexpected = UnexpectedResponseError(expected.__name__, type(message).__name__)
            return Ending(None, unexpected, is_nonsense=True)
        case _:
            assert_never(verdict)


def refused_with(call: PendingCall, error: APIError) -> Exception:
    """Return how a request ends that the server answered with an error message."""
    return trading_refusal(call, error) if call.is_trading else error


# Private


def _refusal(
    call: PendingCall,
    message: ProtoOAOrderErrorEvent | ProtoOAExecutionEvent,
    code: str,
    description: str = "",
) -> APIError:
    return api_error(
        code,
        description or None,
        account_id=message.ctidTraderAccountId,
        request_type=type(call.request).__name__,
        client_msg_id=call.message_id,
    )
