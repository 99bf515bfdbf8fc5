"""Remember every trading request of this client's life, so that none is doubled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.message import Message

from ctrader.errors import (
    APIError,
    DuplicateClientOrderIdError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    code_proves_refusal,
)
from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOANewOrderReq,
)

if TYPE_CHECKING:
    from random import Random

    from ctrader.protocol.correlation import PendingCall

__all__ = ["TRADING_REQUESTS", "OrderRegistry", "trading_failure", "trading_refusal"]

TRADING_REQUESTS: Final[frozenset[type[Message]]] = frozenset(
    {
        ProtoOAAmendOrderReq,
        ProtoOAAmendPositionSLTPReq,
        ProtoOACancelOrderReq,
        ProtoOAClosePositionReq,
        ProtoOANewOrderReq,
    }
)
"""Requests that change what is at the market: none of them is ever sent twice."""

_ID_BITS: Final = 96


class OrderRegistry:
    """Give each order a client order id, and refuse to use one twice.

    The server does not notice a repeated `clientOrderId`; that one is unique is what lets an
    order be found again after its answer was lost.
    """

    __slots__ = ("_rng", "_used")

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._used: set[str] = set()

    def prepare(self, request: Message) -> tuple[Message, str | None]:
        """Return a request as it is to be sent, with its client order id.

        The caller's message stays as it is, and may be changed and used again: what is sent is
        what was submitted. Only new orders have a client order id.

        Raises:
            DuplicateClientOrderIdError: the id was used before in this client's life.
        """
        copy = type(request)()
        copy.CopyFrom(request)
        if not isinstance(copy, ProtoOANewOrderReq):
            return copy, None
        if copy.clientOrderId in self._used:
            raise DuplicateClientOrderIdError(copy.clientOrderId)
        if not copy.clientOrderId:
            copy.clientOrderId = f"ct-{self._rng.getrandbits(_ID_BITS):024x}"
        self._used.add(copy.clientOrderId)
        return copy, copy.clientOrderId

    def release(self, client_order_id: str) -> None:
        """Let an id be used again whose order was proved not sent."""
        self._used.discard(client_order_id)


def trading_failure(call: PendingCall, reason: str, cause: Exception | None = None) -> Exception:
    """Return how a trading call ends that gets no definite answer any more.

    A frame that the transport never took cannot have reached the server. One that it took may
    have, whatever happened since.
    """
    request_type = type(call.request).__name__
    if call.is_sent:
        return OrderOutcomeUnknownError(
            call.client_order_id,
            cause,
            account_id=call.call.account_id,
            request_type=request_type,
            order_id=getattr(call.request, "orderId", None) or _order_of(call),
            position_id=getattr(call.request, "positionId", None) or _position_of(call),
            client_msg_id=call.message_id,
        )
    return OrderNotSentError(
        call.client_order_id,
        reason,
        cause,
        account_id=call.call.account_id,
        request_type=request_type,
    )


def _order_of(call: PendingCall) -> int | None:
    event = call.filled_in_part
    return None if event is None else event.order.orderId or None


def _position_of(call: PendingCall) -> int | None:
    event = call.filled_in_part
    return None if event is None else event.position.positionId or None


def trading_refusal(
    call: PendingCall,
    error: APIError,
    *,
    order_id: int | None = None,
    position_id: int | None = None,
) -> Exception:
    """Return how a trading call ends that the server answered with an error code."""
    if call.was_accepted or call.filled_in_part is not None:
        return trading_failure(call, "the server had taken it before", error)
    if not code_proves_refusal(error.error_code):
        return trading_failure(call, "the server's answer proves nothing", error)
    rejected = OrderRejectedError.from_api_error(
        error,
        client_order_id=call.client_order_id,
        order_id=order_id,
        position_id=position_id,
    )
    rejected.__cause__ = error
    return rejected
