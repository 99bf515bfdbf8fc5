"""Send any message of the Open API as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from ctrader.enums import OrderType
from ctrader.errors import ProtocolError, UnexpectedResponseError
from ctrader.models.wire import text_of
from ctrader.operations.base import Op, command, read
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountLogoutReq,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAApplicationAuthReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAExecutionEvent,
    ProtoOAMarginCallUpdateReq,
    ProtoOANewOrderReq,
    ProtoOARefreshTokenReq,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.proto.registry import RESPONSE_BY_REQUEST
from ctrader.protocol.commands import Call, Completion, Priority

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["get_version", "request", "send", "send_request"]

M = TypeVar("M", bound="Message")

_COMPLETIONS: Final[dict[type[Message], Completion]] = {
    ProtoOANewOrderReq: Completion.FILLED,
    ProtoOAAmendOrderReq: Completion.REPLACED,
    ProtoOACancelOrderReq: Completion.CANCELLED,
    ProtoOAAmendPositionSLTPReq: Completion.PROTECTED,
    ProtoOAClosePositionReq: Completion.FILLED,
}
_ENDS_AT_MARKET: Final = frozenset({OrderType.MARKET.value, OrderType.MARKET_RANGE.value})

# Repeating one of these after a reconnect could undo what was done since, or spend a token twice.
_ONCE: Final[frozenset[type[Message]]] = frozenset(
    {
        ProtoOAAccountAuthReq,
        ProtoOAAccountLogoutReq,
        ProtoOAApplicationAuthReq,
        ProtoOAMarginCallUpdateReq,
        ProtoOARefreshTokenReq,
    }
)


def send_request(message: Message) -> Op[Message]:
    """Send a request and return the message that ends it.

    Trading requests follow the rules of `operations.trading`; they end with a
    `ProtoOAExecutionEvent`.

    Raises:
        ProtocolError: it is no request, or lacks required fields.
        APIError: the server refused it.
        CTraderConnectionError: the link was lost, or no answer came in time.
        OrderError: a trading request was not sent, or refused, or its outcome is not known.
    """
    return (yield from _exchange(message, _reply_of(message)))


def request(message: Message, response_type: type[M]) -> Op[M]:
    """Send a request and return its answer, which must be of this type.

    Raises:
        UnexpectedResponseError: the request is answered by another type; it was not sent, unless
            the server itself broke its rule.
        ProtocolError: it is no request, or lacks required fields.
        APIError: the server refused it.
        CTraderConnectionError: the link was lost, or no answer came in time.
        OrderError: a trading request was not sent, or refused, or its outcome is not known.
    """
    reply = _reply_of(message)
    if not issubclass(reply, response_type):
        raise UnexpectedResponseError(
            response_type.__name__, reply.__name__, request_type=type(message).__name__
        )
    return (yield from _exchange(message, response_type))


def send(message: Message) -> Op[None]:
    """Send a message and wait for no answer; done when the transport takes it.

    Raises:
        ProtocolError: it is no message of the Open API, or lacks required fields.
        CTraderConnectionError: the link was lost before, or the time was up.
        OrderNotSentError: a trading request was not sent.
    """
    is_trading = type(message) in _COMPLETIONS
    yield Call(
        message,
        completion=Completion.SENT,
        priority=Priority.TRADING if is_trading else Priority.READ,
        resend=False,
        account_id=_account_of(message),
    )


def get_version() -> Op[str]:
    """Ask which version of the Open API the server speaks."""
    answer = yield from read(ProtoOAVersionReq(), ProtoOAVersionRes)
    return text_of(answer, "version") or ""


# Private


def _reply_of(message: Message) -> type[Message]:
    kind = type(message)
    reply = ProtoOAExecutionEvent if kind in _COMPLETIONS else RESPONSE_BY_REQUEST.get(kind)
    if reply is None:
        raise ProtocolError(f"{kind.__name__} is no request, so nothing answers it; use send()")
    return reply


def _exchange(message: Message, reply: type[M]) -> Op[M]:
    kind = type(message)
    completion = _COMPLETIONS.get(kind)
    if completion is None:
        call = Call(message, reply, resend=kind not in _ONCE, account_id=_account_of(message))
    else:
        if isinstance(message, ProtoOANewOrderReq) and message.orderType not in _ENDS_AT_MARKET:
            completion = Completion.ACCEPTED
        call = Call(
            message,
            completion=completion,
            priority=Priority.TRADING,
            resend=False,
            account_id=_account_of(message),
        )
    return (yield from command(call, reply))


def _account_of(message: Message) -> int | None:
    """Return the account that a message needs authenticated; authenticating it needs none."""
    if isinstance(message, ProtoOAAccountAuthReq):
        return None
    account_id: int | None = getattr(message, "ctidTraderAccountId", None)
    return account_id
