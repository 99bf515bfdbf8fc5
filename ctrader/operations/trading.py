"""Place, change, cancel and close, and ask what is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ctrader.enums import OrderType
from ctrader.models.orders import Order
from ctrader.models.positions import Position, PositionUnrealizedPnL
from ctrader.models.wire import money_digits_of
from ctrader.operations.amendments import OrderAmendment, PositionAmendment
from ctrader.operations.arguments import checks_arguments, checks_order_arguments
from ctrader.operations.base import Op, read, trade
from ctrader.operations.checks import Purpose, send_close, send_order
from ctrader.operations.money import digits_for
from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAGetPositionUnrealizedPnLReq,
    ProtoOAGetPositionUnrealizedPnLRes,
    ProtoOANewOrderReq,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
)
from ctrader.protocol.commands import Completion
from ctrader.protocol.terms import is_open

if TYPE_CHECKING:
    from ctrader.events import ExecutionEvent
    from ctrader.models.orders import AmendOrderRequest, NewOrderRequest
    from ctrader.models.positions import AmendPositionRequest, ClosePositionRequest

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


@checks_order_arguments
def place_order(
    account_id: int, request: NewOrderRequest, *, until: Until = "done"
) -> Op[ExecutionEvent]:
    """Place an order, once.

    It is checked against its symbol first; the symbol is read if the session does not know it.

    Returns: For an order at market the event that ends it: filled, or cancelled or expired where
        not all of it could be filled, or rejected where a part of it was. For a pending order its
        acceptance; its fill is an event.
        With `until="accepted"` the acceptance in either case.

    Raises:
        ValueError: `until` is none of its values.
        OrderInvalidError: the order is refused here; nothing was sent.
        SymbolNotFoundError: there is no such symbol; also an `OrderRejectedError`.
        OrderNotSentError: it was not sent.
        OrderRejectedError: the server refused it.
        OrderOutcomeUnknownError: it was sent, and no definite answer came in time.
    """
    completion = _completion(until, is_at_market=request.order_type in AT_MARKET)
    purpose = Purpose(account_id, ProtoOANewOrderReq.__name__, request.client_order_id or None)
    return (yield from send_order(purpose, request, completion))


@checks_order_arguments
def cancel_order(account_id: int, order_id: int) -> Op[ExecutionEvent]:
    """Cancel a pending order.

    Raises:
        OrderInvalidError: the id is none; nothing was sent.
        OrderNotSentError: it was not sent.
        OrderRejectedError: the server refused it: the order was filled meanwhile, say.
        OrderOutcomeUnknownError: it was sent, and no definite answer came in time.
    """
    request = ProtoOACancelOrderReq(ctidTraderAccountId=account_id, orderId=order_id)
    return (yield from trade(request, Completion.CANCELLED, account_id=account_id))


@checks_order_arguments
def close_position(
    account_id: int, request: ClosePositionRequest, *, until: Until = "done"
) -> Op[ExecutionEvent]:
    """Close a position or a part of it, once; done when the closing order is filled.

    The volume is checked against what is open, as far as the session knows it; what it does not
    know of a position is left to the server, and a read never takes more than a part of the time.

    Raises:
        ValueError: `until` is none of its values.
        OrderInvalidError: the volume is refused here; nothing was sent.
        OrderNotSentError: it was not sent.
        OrderRejectedError: the server refused it: there is no such open position, say.
        OrderOutcomeUnknownError: it was sent, and no definite answer came in time.
    """
    completion = _completion(until, is_at_market=True)
    purpose = Purpose(account_id, ProtoOAClosePositionReq.__name__)
    return (yield from send_close(purpose, request, completion))


@checks_order_arguments
def amend_order(account_id: int, request: AmendOrderRequest) -> Op[ExecutionEvent]:
    """Change a pending order; what the request does not name stays as it is.

    What the server does with a term that is left out is not settled, so the order is read first
    and all of its terms are sent; should it change meanwhile, it is read again. A second change of
    the same order waits for the first. What the request names is checked against the symbol.

    Raises:
        OrderNotFoundError: there is no such pending order any more.
        OrderInvalidError: the changed order cannot be right; nothing was sent.
        OrderNotSentError: it was not sent.
        OrderRejectedError: the server refused it.
        OrderOutcomeUnknownError: it was sent, and no definite answer came in time.
        AmendmentIncompleteError: the server took it, and its answer shows an order that still has
            what was to be removed, or the old value of what was to be changed.
    """
    purpose = Purpose(account_id, ProtoOAAmendOrderReq.__name__)
    return (yield from OrderAmendment(purpose, request).run())


@checks_order_arguments
def amend_position(account_id: int, request: AmendPositionRequest) -> Op[ExecutionEvent]:
    """Change a position's stop loss and take profit; a level that is not named stays.

    The server removes every level that it is not sent, so the position is read first and both
    levels are sent; should they change meanwhile, they are read again. A second change of the same
    position waits for the first, and one right after a fill for the levels that its order asked
    for. What the request names is checked against the symbol.

    A stop loss that trails is removed in two requests, as the server wants it: the first makes it
    stand still. If only that succeeds, the stop loss stays where it is.

    Raises:
        PositionNotFoundError: there is no such position any more.
        OrderInvalidError: the levels cannot be right; nothing was sent.
        OrderNotSentError: it was not sent.
        OrderRejectedError: the server refused it.
        OrderOutcomeUnknownError: it was sent, and no definite answer came in time.
        AmendmentIncompleteError: the server took it, and its answer shows a position that is not
            as it was asked for.
    """
    purpose = Purpose(account_id, ProtoOAAmendPositionSLTPReq.__name__)
    return (yield from PositionAmendment(purpose, request).run())


# What is open


@checks_arguments
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
    # An empty position belongs to a pending order.
    held = [position for position in answer.position if is_open(position)]
    digits = yield from digits_for(account_id, held)
    positions = [Position.from_proto(position, digits) for position in held]
    return positions, [Order.from_proto(order) for order in answer.order]


@checks_arguments
def get_open_positions(account_id: int) -> Op[list[Position]]:
    """Ask for the open positions."""
    positions, _ = yield from reconcile(account_id)
    return positions


@checks_arguments
def get_pending_orders(account_id: int, *, protection_orders: bool = False) -> Op[list[Order]]:
    """Ask for the pending orders.

    Args:
        account_id: The account.
        protection_orders: Give the orders that hold stop losses and take profits, too.
    """
    _, orders = yield from reconcile(account_id, protection_orders=protection_orders)
    return orders


@checks_arguments
def get_unrealized_pnl_per_position(account_id: int) -> Op[list[PositionUnrealizedPnL]]:
    """Ask for the profit of each open position at the present price."""
    request = ProtoOAGetPositionUnrealizedPnLReq(ctidTraderAccountId=account_id)
    answer = yield from read(request, ProtoOAGetPositionUnrealizedPnLRes, account_id=account_id)
    digits = money_digits_of(answer)
    return [PositionUnrealizedPnL.from_proto(pnl, digits) for pnl in answer.positionUnrealizedPnL]


# Private


def _completion(until: Until, *, is_at_market: bool) -> Completion:
    if until not in ("done", "accepted"):
        raise ValueError(f"until must be 'done' or 'accepted', not {until!r}")
    waits_for_fill = until == "done" and is_at_market
    return Completion.FILLED if waits_for_fill else Completion.ACCEPTED
