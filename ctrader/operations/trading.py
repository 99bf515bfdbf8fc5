"""Place, change, cancel and close, and ask what is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ctrader.enums import OrderType
from ctrader.errors import (
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    api_error,
)
from ctrader.models.orders import Order
from ctrader.models.positions import Position, PositionUnrealizedPnL
from ctrader.models.wire import money_digits_of
from ctrader.operations.base import Op, command, read, trade
from ctrader.proto import (
    ProtoOACancelOrderReq,
    ProtoOAGetPositionUnrealizedPnLReq,
    ProtoOAGetPositionUnrealizedPnLRes,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
)
from ctrader.protocol.commands import Call, Completion, Pause, Priority
from ctrader.units import MILLISECOND

if TYPE_CHECKING:
    from ctrader.events import ExecutionEvent
    from ctrader.models.orders import AmendOrderRequest, NewOrderRequest
    from ctrader.models.positions import AmendPositionRequest, ClosePositionRequest
    from ctrader.units import Nanos

__all__ = [
    "Until",
    "amend_order",
    "amend_position",
    "cancel_order",
    "close_position",
    "get_open_positions",
    "get_pending_orders",
    "get_unrealized_pnl_per_position",
    "place_order",
    "reconcile",
]

Until: TypeAlias = Literal["done", "accepted"]
"""When an order counts as placed: filled or otherwise ended, or as soon as it is accepted."""

AT_MARKET: Final = frozenset({OrderType.MARKET, OrderType.MARKET_RANGE})

_FRESH_POSITION: Final[Nanos] = 200 * MILLISECOND  # the server may not find one for 100 ms


def place_order(
    account_id: int, request: NewOrderRequest, *, until: Until = "done"
) -> Op[ExecutionEvent]:
    """Place an order, once.

    Returns: For an order at market the event that ends it: filled, or cancelled or expired where
        not all of it could be filled. For a pending order its acceptance; its fill is an event.
        With `until="accepted"` the acceptance in either case.

    Raises:
        ValueError: `until` is none of its values.
        OrderInvalidError: the order is refused here; nothing was sent.
        OrderNotSentError: it was not sent.
        OrderRejectedError: the server refused it.
        OrderOutcomeUnknownError: it was sent, and no definite answer came in time.
    """
    if until not in ("done", "accepted"):
        raise ValueError(f"until must be 'done' or 'accepted', not {until!r}")
    waits_for_fill = until == "done" and request.order_type in AT_MARKET
    completion = Completion.FILLED if waits_for_fill else Completion.ACCEPTED
    return (yield from trade(request.to_proto(account_id), completion, account_id=account_id))


def cancel_order(account_id: int, order_id: int) -> Op[ExecutionEvent]:
    """Cancel a pending order.

    Raises:
        OrderNotSentError: it was not sent.
        OrderRejectedError: the server refused it: the order was filled meanwhile, say.
        OrderOutcomeUnknownError: it was sent, and no definite answer came in time.
    """
    request = ProtoOACancelOrderReq(ctidTraderAccountId=account_id, orderId=order_id)
    return (yield from trade(request, Completion.CANCELLED, account_id=account_id))


def close_position(account_id: int, request: ClosePositionRequest) -> Op[ExecutionEvent]:
    """Close a position or a part of it, once; done when the closing order is filled.

    Raises:
        OrderNotSentError: it was not sent.
        OrderRejectedError: the server refused it.
        OrderOutcomeUnknownError: it was sent, and no definite answer came in time.
    """
    return (
        yield from trade(request.to_proto(account_id), Completion.FILLED, account_id=account_id)
    )


def amend_order(account_id: int, request: AmendOrderRequest) -> Op[ExecutionEvent]:
    """Change a pending order; what the request does not name stays as it is.

    What the server does with a term that is left out is not settled, so the order is read first
    and all of its terms are sent.

    Raises:
        OrderNotFoundError: there is no such pending order any more.
        OrderInvalidError: the changed order cannot be right; nothing was sent.
        OrderNotSentError: it was not sent.
        OrderRejectedError: the server refused it.
        OrderOutcomeUnknownError: it was sent, and no definite answer came in time.
    """
    state = yield from _state_to_change(account_id)
    for message in state.order:
        if message.orderId == request.order_id:
            full = request.completed_from(Order.from_proto(message)).to_proto(account_id)
            return (yield from trade(full, Completion.REPLACED, account_id=account_id))
    raise OrderRejectedError.from_api_error(
        api_error(
            "ORDER_NOT_FOUND",
            f"order {request.order_id} is not among the pending orders",
            account_id=account_id,
            request_type="ProtoOAAmendOrderReq",
        ),
        order_id=request.order_id,
    )


def amend_position(account_id: int, request: AmendPositionRequest) -> Op[ExecutionEvent]:
    """Change a position's stop loss and take profit; a level that is not named stays.

    The server removes every level that it is not sent, so the position is read first and both
    levels are sent.

    Raises:
        PositionNotFoundError: there is no such position any more.
        OrderInvalidError: the levels cannot be right; nothing was sent.
        OrderNotSentError: it was not sent.
        OrderRejectedError: the server refused it.
        OrderOutcomeUnknownError: it was sent, and no definite answer came in time.
    """
    for pause in (_FRESH_POSITION, None):
        state = yield from _state_to_change(account_id)
        for message in state.position:
            if message.positionId == request.position_id:
                full = request.completed_from(Position.from_proto(message)).to_proto(account_id)
                return (yield from trade(full, Completion.PROTECTED, account_id=account_id))
        if pause is not None:
            yield Pause(pause)
    raise OrderRejectedError.from_api_error(
        api_error(
            "POSITION_NOT_FOUND",
            f"position {request.position_id} is not among the open positions",
            account_id=account_id,
            request_type="ProtoOAAmendPositionSLTPReq",
        ),
        position_id=request.position_id,
    )


# What is open


def reconcile(
    account_id: int, *, protection_orders: bool = False
) -> Op[tuple[list[Position], list[Order]]]:
    """Ask for the open positions and the pending orders of one moment.

    Args:
        account_id: The account.
        protection_orders: Give the orders that hold stop losses and take profits, too.
    """
    request = ProtoOAReconcileReq(ctidTraderAccountId=account_id)
    if protection_orders:
        request.returnProtectionOrders = True
    answer = yield from read(request, ProtoOAReconcileRes, account_id=account_id)
    positions = [Position.from_proto(position) for position in answer.position]
    orders = [Order.from_proto(order) for order in answer.order]
    # An empty position belongs to a pending order.
    return [position for position in positions if position.is_open], orders


def get_open_positions(account_id: int) -> Op[list[Position]]:
    """Ask for the open positions."""
    positions, _ = yield from reconcile(account_id)
    return positions


def get_pending_orders(account_id: int, *, protection_orders: bool = False) -> Op[list[Order]]:
    """Ask for the pending orders.

    Args:
        account_id: The account.
        protection_orders: Give the orders that hold stop losses and take profits, too.
    """
    _, orders = yield from reconcile(account_id, protection_orders=protection_orders)
    return orders


def get_unrealized_pnl_per_position(account_id: int) -> Op[list[PositionUnrealizedPnL]]:
    """Ask for the profit of each open position at the present price."""
    request = ProtoOAGetPositionUnrealizedPnLReq(ctidTraderAccountId=account_id)
    answer = yield from read(request, ProtoOAGetPositionUnrealizedPnLRes, account_id=account_id)
    digits = money_digits_of(answer)
    return [PositionUnrealizedPnL.from_proto(pnl, digits) for pnl in answer.positionUnrealizedPnL]


# Private


def _state_to_change(account_id: int) -> Op[ProtoOAReconcileRes]:
    """Read what is about to be changed, at the pace of a trading request: now or not at all.

    A read of the ordinary kind would wait for the link to come back, and the change would then be
    sent late.
    """
    call = Call(
        ProtoOAReconcileReq(ctidTraderAccountId=account_id),
        ProtoOAReconcileRes,
        priority=Priority.TRADING,
        resend=False,
        account_id=account_id,
    )
    try:
        return (yield from command(call, ProtoOAReconcileRes))
    except OrderOutcomeUnknownError as error:
        # What was handed to the transport was a question; the change itself was not.
        raise OrderNotSentError(
            None, "what it changes could not be read", error.cause or error, account_id=account_id
        ) from error
