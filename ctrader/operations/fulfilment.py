"""Compare what the server says of an amendment with what was asked of it.

The server may answer an amendment as done although it kept what was to be removed: what it does
with a term that is left out is not settled. Nobody may take such an answer for success. Nor may an
amendment that was carried out be taken for a failure, so what the answer does not show proves
nothing, nor does a new value that is not the one asked for: the server rounds, stop losses trail,
a price may be shown as a distance, and others change the same order.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import Enum
from math import isclose
from typing import TYPE_CHECKING, Final, TypeAlias

from ctrader.enums import ExecutionType, OrderType, StopTriggerMethod, TimeInForce
from ctrader.models.request import CLEAR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ctrader.events import ExecutionEvent
    from ctrader.models.orders import AmendOrderRequest, Order, OrderTerms
    from ctrader.models.positions import AmendPositionRequest, Protection

__all__ = ["order_shortfalls", "position_shortfalls"]

Shown: TypeAlias = dict[str, object]
"""Terms by the names that requests have for them; None where nothing is known."""

_FORMS: Final = {
    field: (f"relative_{level}" if field == level else level)
    for level in ("stop_loss", "take_profit")
    for field in (level, f"relative_{level}")
}
"""The other form of each level: as a distance, or as a price."""
_NOISE: Final = 1e-9
"""Part of a price that is noise of arithmetic; the finest prices have 8 decimals."""
_TICK: Final = timedelta(milliseconds=1)
"""The finest time on the wire."""


def order_shortfalls(
    request: AmendOrderRequest, before: OrderTerms, event: ExecutionEvent
) -> dict[str, str]:
    """Return what the event shows of an order that is not as the request wants it.

    Args:
        request: What was asked for.
        before: The order as it was when the request was sent.
        event: The answer.

    Returns: For each field, what it was to be and what is; empty for none.
    """
    order = event.order
    if order is None or order.order_id != request.order_id or not order.is_pending:
        return {}
    return _shortfalls(_named(request), _shown(order), _terms(before))


def position_shortfalls(
    request: AmendPositionRequest, before: Protection, event: ExecutionEvent
) -> dict[str, str]:
    """Return what the event shows of a position that is not as the request wants it.

    Args:
        request: What was asked for.
        before: The position's protection as it was when the request was sent.
        event: The answer.

    Returns: For each field, what it was to be and what is; empty for none.
    """
    position = event.position
    if (
        position is None
        or position.position_id != request.position_id
        or not position.is_open
        # The order that held the levels is gone, whatever the position beside it still shows.
        or event.execution_type is ExecutionType.ORDER_CANCELLED
    ):
        return {}
    levels: Shown = {
        "stop_loss": position.stop_loss or None,
        "take_profit": position.take_profit or None,
    }
    named = _named(request)
    found: dict[str, str] = {}
    guard = event.order
    if guard is not None and guard.order_type is OrderType.STOP_LOSS_TAKE_PROFIT:
        # The levels stand twice in the event, and count where both are of one mind.
        held: Shown = {
            "stop_loss": guard.stop_price or None,
            "take_profit": guard.limit_price or None,
        }
        for level, price in levels.items():
            if not _is_same(price, held[level]):
                levels[level] = None
            elif price is None and isinstance(named.get(level), float) and guard.is_pending:
                found[level] = f"was to be {_text(named[level])} and there is none"
    stop = levels["stop_loss"]
    shown = levels | _flags(
        stop is not None, position.trailing_stop_loss, position.guaranteed_stop_loss
    )
    shown["stop_loss_trigger_method"] = _unless_default(position.stop_loss_trigger_method)
    return found | _shortfalls(named, shown, before._asdict())


# Private


def _named(request: AmendOrderRequest | AmendPositionRequest) -> dict[str, object]:
    """Return what a request names, in the order in which it declares its fields."""
    named = request.named()
    return {field: named[field] for field in type(request).model_fields if field in named}


def _shortfalls(
    named: Mapping[str, object], shown: Shown, before: Mapping[str, object]
) -> dict[str, str]:
    found: dict[str, str] = {}
    for field, asked in named.items():
        other = _FORMS.get(field, field)
        now = shown.get(field)
        if asked is CLEAR:
            if named.get(other) not in (None, CLEAR) or (other in found and other != field):
                continue  # its other form replaces it, or has been told of
            if now is not None:
                found[field] = f"was to be removed and is {_text(now)}"
            elif shown.get(other) is not None:
                found[field] = f"was to be removed and {other} is {_text(shown[other])}"
        elif now is not None and _is_same(now, before[field]) and not _is_same(now, asked):
            found[field] = f"was to be {_text(asked)} and is still {_text(now)}"
    return found


def _shown(order: Order) -> Shown:
    """Return the terms that an order shows for certain."""
    stop_loss, distance = order.stop_loss or None, order.stop_loss_distance or None
    has_stop = stop_loss is not None or distance is not None
    is_kept_for_good = order.time_in_force is TimeInForce.GOOD_TILL_CANCEL
    return {
        # Whether the volume of an order that is filled in part is its rest is not known.
        "volume": None if order.executed_volume else order.volume,
        "limit_price": order.limit_price or None,
        "stop_price": order.stop_price or None,
        "stop_loss": stop_loss,
        "take_profit": order.take_profit or None,
        "relative_stop_loss": distance,
        "relative_take_profit": order.take_profit_distance or None,
        "expiration_timestamp": None if is_kept_for_good else order.expiration_timestamp,
        "slippage_in_points": order.slippage_in_points,
        "stop_trigger_method": _unless_default(order.stop_trigger_method),
        **_flags(has_stop, order.trailing_stop_loss, order.guaranteed_stop_loss),
    }


def _terms(before: OrderTerms) -> Shown:
    return {
        **before._asdict(),
        "relative_stop_loss": before.stop_loss_distance,
        "relative_take_profit": before.take_profit_distance,
    }


def _flags(has_stop: bool, trails: bool, is_guaranteed: bool) -> Shown:
    # A False may as well have been left out, and without a stop loss neither says anything.
    return {
        "trailing_stop_loss": True if has_stop and trails else None,
        "guaranteed_stop_loss": True if has_stop and is_guaranteed else None,
    }


def _unless_default(method: StopTriggerMethod) -> StopTriggerMethod | None:
    # The default may as well have been left out.
    return None if method is StopTriggerMethod.TRADE else method


def _is_same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return isclose(one, other, rel_tol=_NOISE)
    if isinstance(one, datetime) and isinstance(other, datetime):
        return abs(one - other) < _TICK
    return one == other


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.15g}"
    if isinstance(value, datetime):
        return value.isoformat()
    return value.name if isinstance(value, Enum) else str(value)
