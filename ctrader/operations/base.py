"""What an operation is: a generator of commands that returns a typed result.

A driver submits each yielded command to the session and sends its result back in, or throws its
error in. The same generator serves the async client, the blocking client and the virtual world.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from ctrader.enums import ExecutionType, OrderStatus
from ctrader.errors import (
    APIError,
    ApplicationAuthError,
    CTraderError,
    OrderError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    ProtocolError,
    UnexpectedResponseError,
)
from ctrader.events import ExecutionEvent
from ctrader.models.outcomes import TookEffect
from ctrader.models.wire import text_of
from ctrader.proto import ProtoOAExecutionEvent, ProtoOAOrder
from ctrader.protocol.commands import (
    Call,
    Command,
    Completion,
    Lacking,
    Priority,
    Resolve,
)

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.protocol.commands import Guard

__all__ = ["Op", "change", "command", "of_type", "read", "trade", "trade_if"]

T = TypeVar("T")
M = TypeVar("M", bound="Message")

Op: TypeAlias = Generator[Command, object, T]
"""An operation with a result of type `T`."""


def read(
    request: Message,
    reply: type[M],
    *,
    account_id: int | None = None,
    priority: Priority = Priority.READ,
) -> Op[M]:
    """Send a request that changes nothing and return its answer.

    It may be sent again after a reconnect, inside its deadline.

    Args:
        request: The request.
        reply: The message that answers it.
        account_id: The account whose authentication it needs, None if the application's is enough.
        priority: `Priority.BULK` for every page of a history after its first.

    Raises:
        APIError: the server refused it.
        CTraderConnectionError: the client gave up reconnecting, or no answer came in time.
        UnexpectedResponseError: the answer is of another type.
    """
    call = Call(request, reply, priority=priority, account_id=account_id)
    return (yield from command(call, reply))


def change(
    request: Message,
    reply: type[M],
    *,
    account_id: int | None = None,
    patience: float | None = None,
) -> Op[M]:
    """Send a request that changes something but orders, once; return its answer.

    It is never sent a second time by itself: after a lost answer it may have had its effect.

    Raises:
        APIError: the server refused it.
        CTraderConnectionError: the link was lost before the answer, or no answer came in time.
        UnexpectedResponseError: the answer is of another type.
    """
    call = Call(request, reply, resend=False, account_id=account_id, patience=patience)
    return (yield from command(call, reply))


def trade(request: Message, completion: Completion, *, account_id: int) -> Op[ExecutionEvent]:
    """Send a trading request, once, and return the execution event that ends it.

    Raises:
        OrderNotSentError: it was not sent: the account is not ready, or the link is down.
        OrderRejectedError: the server refused it.
        OrderOutcomeUnknownError: it was sent, and no definite answer came in time, or one that
            makes no sense.
    """
    call = _trading_call(request, completion, account_id)
    try:
        outcome = yield from _carry_out(call)
    except (OrderError, ProtocolError, ApplicationAuthError):
        raise
    except CTraderError as error:
        # Whatever was sent ends as an order does: this was not even taken.
        raise OrderNotSentError(
            None, str(error), error, account_id=account_id, request_type=type(request).__name__
        ) from error
    assert not isinstance(outcome, Lacking)  # it has no guard
    return outcome


def trade_if(
    guard: Guard, request: Message, completion: Completion, *, account_id: int
) -> Op[ExecutionEvent | Lacking]:
    """Send a trading request, once, if the guard lets it through.

    Returns: The execution event that ends it, or what must be read before the guard can tell;
        nothing was sent then.

    Raises:
        OrderInvalidError: the guard refuses it; nothing was sent.
        OrderNotSentError: it was not sent: the account is not ready, or the link is down.
        OrderRejectedError: the server refused it.
        OrderOutcomeUnknownError: it was sent, and no definite answer came in time, or one that
            makes no sense.
    """
    return (yield from _carry_out(_trading_call(request, completion, account_id, guard)))


def command(order: Command, result: type[T]) -> Op[T]:
    """Yield one command and return its result, which must be of this type.

    Raises:
        UnexpectedResponseError: the result is of another type.
    """
    return of_type(result, (yield order), order)


def of_type(result: type[T], answer: object, order: Command) -> T:
    """Return the result of a command, which must be of this type.

    Raises:
        UnexpectedResponseError: the result is of another type.
    """
    if not isinstance(answer, result):
        request_type = type(order.request).__name__ if isinstance(order, Call) else None
        raise UnexpectedResponseError(
            result.__name__, type(answer).__name__, request_type=request_type
        )
    return answer


# Private


def _trading_call(
    request: Message, completion: Completion, account_id: int, guard: Guard | None = None
) -> Call:
    return Call(
        request,
        completion=completion,
        priority=Priority.TRADING,
        resend=False,
        account_id=account_id,
        guard=guard,
        fills_in_digits=True,
    )


def _carry_out(call: Call) -> Op[ExecutionEvent | Lacking]:
    """Yield a trading request and return the event that ends it, or what it lacks.

    A code that proves no refusal is looked into before the caller is told, as long as there is
    time; the search goes on without the caller.
    """
    try:
        answer = yield call
    except OrderOutcomeUnknownError as error:
        if error.client_msg_id is None or not isinstance(error.cause, APIError):
            raise
        doubt, key, refusal = error, error.client_msg_id, error.cause
    else:
        if isinstance(answer, Lacking):
            return answer
        execution = of_type(ProtoOAExecutionEvent, answer, call)
        return _execution(call.request, execution, call.account_id)
    try:
        outcome = yield Resolve(key)
    except CTraderError:
        outcome = None
    if outcome is None:
        raise doubt
    if isinstance(outcome, TookEffect):
        return _recovered(outcome)
    raise OrderRejectedError.from_api_error(
        refusal,
        client_order_id=doubt.client_order_id,
        order_id=doubt.order_id,
        position_id=doubt.position_id,
    ) from refusal


_EVENT_OF_STATUS: Final[Mapping[OrderStatus, ExecutionType]] = MappingProxyType(
    {
        OrderStatus.ACCEPTED: ExecutionType.ORDER_ACCEPTED,
        OrderStatus.FILLED: ExecutionType.ORDER_FILLED,
        OrderStatus.REJECTED: ExecutionType.ORDER_REJECTED,
        OrderStatus.EXPIRED: ExecutionType.ORDER_EXPIRED,
        OrderStatus.CANCELLED: ExecutionType.ORDER_CANCELLED,
    }
)


def _recovered(outcome: TookEffect) -> ExecutionEvent:
    """Tell what was found as the event that did not come."""
    order = outcome.order
    return ExecutionEvent(
        account_id=outcome.request.account_id,
        execution_type=ExecutionType.ORDER_REPLACED
        if order is None
        else _EVENT_OF_STATUS[order.status],
        order=order,
        position=outcome.position,
        deal=outcome.deals[-1] if outcome.deals else None,
        is_recovered=True,
    )


def _execution(
    request: Message, answer: ProtoOAExecutionEvent, account_id: int | None
) -> ExecutionEvent:
    try:
        return ExecutionEvent.from_proto(answer)
    except ProtocolError as error:
        # The server did something, and its answer makes no sense.
        raise OrderOutcomeUnknownError(
            _client_order_id(answer.order),
            error,
            account_id=account_id,
            request_type=type(request).__name__,
            order_id=answer.order.orderId or None,
            position_id=answer.position.positionId or None,
        ) from error


def _client_order_id(order: ProtoOAOrder) -> str | None:
    try:
        return text_of(order, "clientOrderId") or None
    except ProtocolError:
        return None
