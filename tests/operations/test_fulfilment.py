"""Amendments that the server takes, and does not carry out.

Whatever the answering event leaves out, or says of something else, proves nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ctrader.enums import OrderType, StopTriggerMethod, TimeInForce
from ctrader.errors import AmendmentIncompleteError, OrderError
from ctrader.events import ExecutionEvent
from ctrader.models import AmendOrderRequest, AmendPositionRequest
from ctrader.models.request import CLEAR
from ctrader.operations import trading
from ctrader.proto import (
    ProtoOAExecutionEvent,
    ProtoOAOrder,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOAPosition,
    ProtoOATimeInForce,
    ProtoOATradeData,
)
from ctrader.simulator import Switches
from ctrader.simulator.world import World
from ctrader.units import millis_from_datetime
from tests.operations.peer import drive
from tests.operations.test_checks import NOW, Desk, answer, symbol
from tests.operations.test_trading import event, limit_order, position, state
from tests.simulator.test_world import ACCOUNT, buy, ready_world

LATER = NOW + timedelta(days=3)
MUCH_LATER = NOW + timedelta(days=9)
MILLIS = millis_from_datetime(LATER)


# Against the simulator


def pending(world: World, **terms: Any) -> int:
    request = buy(order_type=OrderType.LIMIT, limit_price=0.9, **terms)
    placed = world.run(trading.place_order(ACCOUNT, request))
    assert placed.order is not None
    return placed.order.order_id


EXPIRY = {
    "time_in_force": TimeInForce.GOOD_TILL_DATE,
    "expiration_timestamp": datetime(2030, 1, 1, tzinfo=UTC),
}
TERMS: dict[str, Any] = {"stop_loss": 0.8, "take_profit": 1.05, **EXPIRY}


@pytest.mark.parametrize(
    "field",
    [
        "stop_loss",
        "take_profit",
        "relative_stop_loss",
        "relative_take_profit",
        "expiration_timestamp",
    ],
)
def test_what_the_server_did_not_remove_is_told(field: str) -> None:
    world = ready_world(switches=Switches(omitted_levels_clear=False))
    order_id = pending(world, **TERMS)
    request = AmendOrderRequest.model_validate({"order_id": order_id, field: CLEAR})

    with pytest.raises(AmendmentIncompleteError, match=f"{field} was to be removed") as caught:
        world.run(trading.amend_order(ACCOUNT, request))

    error = caught.value
    assert error.fields == (field,)
    assert (error.order_id, error.account_id) == (order_id, ACCOUNT)
    assert error.request_type == "ProtoOAAmendOrderReq"
    assert error.event.order is not None
    assert error.event.order.order_id == order_id


@pytest.mark.parametrize("field", ["stop_loss", "take_profit", "expiration_timestamp"])
def test_what_the_server_removed_is_no_shortfall(field: str) -> None:
    world = ready_world()
    order_id = pending(world, **TERMS)
    request = AmendOrderRequest.model_validate({"order_id": order_id, field: CLEAR})
    amended = world.run(trading.amend_order(ACCOUNT, request))
    assert amended.order is not None
    assert amended.order.order_id == order_id


@pytest.mark.parametrize("clears", [True, False])
def test_changes_that_the_server_carries_out_are_no_shortfall(clears: bool) -> None:
    world = ready_world(switches=Switches(omitted_levels_clear=clears))
    order_id = pending(world, **TERMS)
    for change in (
        {"limit_price": 0.91},
        {"volume": 300_000},
        {"stop_loss": 0.85, "take_profit": 1.07},
        {"relative_stop_loss": 0.02, "stop_loss": CLEAR},
        {"stop_loss": 0.88, "relative_stop_loss": CLEAR},
        {"limit_price": 0.92, "take_profit": 1.06},
        {"expiration_timestamp": datetime(2031, 1, 1, tzinfo=UTC)},
        {"trailing_stop_loss": True},
        {"trailing_stop_loss": False},
    ):
        request = AmendOrderRequest.model_validate({"order_id": order_id, **change})
        world.run(trading.amend_order(ACCOUNT, request))


# Orders: what the event says


def order_says(
    request: AmendOrderRequest, before: ProtoOAOrder, after: ProtoOAOrder | None
) -> ExecutionEvent:
    """Amend an order; the answering event carries it as given."""
    replaced = event("ORDER_REPLACED")
    if after is not None:
        replaced.order.CopyFrom(after)
    desk = Desk(state(orders=(before,)), replaced)
    desk.terms.learn(answer(symbol(digits=5, maxVolume=10_000_000)))
    return drive(trading.amend_order(7, request), desk)


def stop_order(**fields: Any) -> ProtoOAOrder:
    order = limit_order(stopPrice=1.2, **fields)
    order.ClearField("limitPrice")
    is_limited = order.HasField("slippageInPoints")
    order.orderType = ProtoOAOrderType.STOP_LIMIT if is_limited else ProtoOAOrderType.STOP
    return order


def until(moment: int, **fields: Any) -> ProtoOAOrder:
    order = limit_order(expirationTimestamp=moment, **fields)
    order.timeInForce = ProtoOATimeInForce.GOOD_TILL_DATE
    return order


@pytest.mark.parametrize(
    ("named", "before", "text"),
    [
        ({"limit_price": 1.04}, limit_order(), "limit_price was to be 1.04 and is still 1.05"),
        ({"stop_price": 1.3}, stop_order(), "stop_price was to be 1.3 and is still 1.2"),
        ({"volume": 100_000}, limit_order(), "volume was to be 100000 and is still 200000"),
        (
            {"stop_loss": 1.01},
            limit_order(stopLoss=1.02),
            "stop_loss was to be 1.01 and is still 1.02",
        ),
        (
            {"relative_take_profit": 0.02},
            limit_order(relativeTakeProfit=1000),
            "relative_take_profit was to be 0.02 and is still 0.01",
        ),
        (
            {"take_profit": CLEAR},
            limit_order(relativeTakeProfit=1000),
            "take_profit was to be removed and relative_take_profit is 0.01",
        ),
        (
            {"relative_stop_loss": CLEAR},
            limit_order(stopLoss=1.02),
            "relative_stop_loss was to be removed and stop_loss is 1.02",
        ),
        (
            {"expiration_timestamp": CLEAR},
            until(MILLIS),
            f"expiration_timestamp was to be removed and is {LATER.isoformat()}",
        ),
        (
            {"expiration_timestamp": MUCH_LATER},
            until(MILLIS),
            f"expiration_timestamp was to be {MUCH_LATER.isoformat()} "
            f"and is still {LATER.isoformat()}",
        ),
        (
            {"slippage_in_points": 7},
            stop_order(slippageInPoints=5),
            "slippage_in_points was to be 7 and is still 5",
        ),
        (
            {"trailing_stop_loss": False},
            limit_order(stopLoss=1.02, trailingStopLoss=True),
            "trailing_stop_loss was to be False and is still True",
        ),
        (
            {"stop_trigger_method": StopTriggerMethod.OPPOSITE},
            stop_order(stopTriggerMethod="DOUBLE_TRADE"),
            "stop_trigger_method was to be OPPOSITE and is still DOUBLE_TRADE",
        ),
    ],
)
def test_order_that_is_as_it_was_is_told(
    named: dict[str, Any], before: ProtoOAOrder, text: str
) -> None:
    request = AmendOrderRequest.model_validate({"order_id": 3, **named})
    with pytest.raises(AmendmentIncompleteError) as caught:
        order_says(request, before, before)
    assert text in str(caught.value)
    assert "amend it again, or cancel it and place it anew" in str(caught.value)
    assert caught.value.fields == tuple(named)


def test_every_shortfall_is_named_once() -> None:
    request = AmendOrderRequest(
        order_id=3, limit_price=1.04, take_profit=CLEAR, relative_take_profit=CLEAR
    )
    before = limit_order(takeProfit=1.2)
    after = limit_order(takeProfit=1.2)
    after.limitPrice = 1.04
    with pytest.raises(AmendmentIncompleteError) as caught:
        order_says(request, before, after)
    assert caught.value.fields == ("take_profit",)


def filled(order: ProtoOAOrder) -> ProtoOAOrder:
    order.orderStatus = ProtoOAOrderStatus.ORDER_STATUS_FILLED
    return order


@pytest.mark.parametrize(
    ("named", "before", "after"),
    [
        pytest.param({"take_profit": CLEAR}, limit_order(takeProfit=1.2), None, id="no order"),
        pytest.param(
            {"take_profit": CLEAR},
            limit_order(takeProfit=1.2),
            limit_order(4, takeProfit=1.2),
            id="another order",
        ),
        pytest.param(
            {"take_profit": CLEAR},
            limit_order(takeProfit=1.2),
            filled(limit_order(takeProfit=1.2)),
            id="filled meanwhile",
        ),
        pytest.param(
            {"volume": 300_000},
            limit_order(),
            limit_order(executedVolume=100_000),
            id="filled in part meanwhile",
        ),
        pytest.param(
            {"stop_loss": 1.02}, limit_order(), limit_order(relativeStopLoss=3000), id="as distance"
        ),
        pytest.param(
            {"stop_loss": 1.02},
            limit_order(relativeStopLoss=3000),
            limit_order(relativeStopLoss=3000),
            id="the distance that it was",
        ),
        pytest.param(
            {"stop_loss": 1.02}, limit_order(stopLoss=1.01), limit_order(stopLoss=1.021), id="round"
        ),
        pytest.param({"stop_loss": 1.02}, limit_order(), limit_order(), id="levels left out"),
        pytest.param(
            {"take_profit": CLEAR},
            limit_order(takeProfit=1.2),
            limit_order(takeProfit=0),
            id="zero",
        ),
        pytest.param(
            {"take_profit": CLEAR},
            limit_order(takeProfit=1.2),
            limit_order(relativeTakeProfit=0),
            id="zero distance",
        ),
        pytest.param(
            {"stop_loss": 1.02, "relative_stop_loss": CLEAR},
            limit_order(relativeStopLoss=1000),
            limit_order(relativeStopLoss=3000),
            id="replaced in the other form",
        ),
        pytest.param(
            {"expiration_timestamp": CLEAR},
            until(MILLIS),
            limit_order(expirationTimestamp=MILLIS),
            id="works on, with the old time beside",
        ),
        pytest.param(
            {"expiration_timestamp": LATER + timedelta(microseconds=400)},
            until(MILLIS),
            until(MILLIS),
            id="the same millisecond",
        ),
        pytest.param(
            {"stop_loss": 1.02}, limit_order(stopLoss=1.02), limit_order(stopLoss=1.02), id="same"
        ),
        pytest.param(
            {"trailing_stop_loss": True},
            limit_order(stopLoss=1.02),
            limit_order(stopLoss=1.02),
            id="flag left out",
        ),
        pytest.param(
            {"trailing_stop_loss": False, "stop_loss": CLEAR},
            limit_order(stopLoss=1.02, trailingStopLoss=True),
            limit_order(trailingStopLoss=True),
            id="flag without a stop loss",
        ),
        pytest.param(
            {"stop_trigger_method": StopTriggerMethod.OPPOSITE},
            stop_order(),
            stop_order(),
            id="trigger left out",
        ),
    ],
)
def test_event_that_proves_nothing_is_the_result(
    named: dict[str, Any], before: ProtoOAOrder, after: ProtoOAOrder | None
) -> None:
    request = AmendOrderRequest.model_validate({"order_id": 3, **named})
    assert order_says(request, before, after).execution_type.name == "ORDER_REPLACED"


# Positions


def guard(**levels: Any) -> ProtoOAOrder:
    """Make the order that holds a position's levels."""
    return ProtoOAOrder(
        orderId=8,
        tradeData=ProtoOATradeData(symbolId=1, volume=100_000, tradeSide="SELL"),
        orderType="STOP_LOSS_TAKE_PROFIT",
        orderStatus="ORDER_STATUS_ACCEPTED",
        timeInForce="GOOD_TILL_CANCEL",
        closingOrder=True,
        positionId=5,
        **levels,
    )


def says(
    after: ProtoOAPosition | None, order: ProtoOAOrder | None = None, kind: str = "ORDER_REPLACED"
) -> ProtoOAExecutionEvent:
    message = event(kind)
    if after is not None:
        message.position.CopyFrom(after)
    if order is not None:
        message.order.CopyFrom(order)
    return message


def position_says(
    named: dict[str, Any], before: ProtoOAPosition, *answers: ProtoOAExecutionEvent
) -> ExecutionEvent:
    turns: list[object] = []
    for reply in answers:
        turns += [state(positions=(before,)), reply]
    desk = Desk(*turns)
    desk.terms.learn(answer(symbol(digits=5)))
    request = AmendPositionRequest.model_validate({"position_id": 5, **named})
    return drive(trading.amend_position(7, request), desk)


BOTH = position(5, stopLoss=1.0, takeProfit=1.2)


@pytest.mark.parametrize(
    ("named", "before", "message", "text"),
    [
        (
            {"take_profit": CLEAR},
            BOTH,
            says(BOTH, guard(stopPrice=1.0, limitPrice=1.2)),
            "take_profit was to be removed and is 1.2",
        ),
        ({"take_profit": CLEAR}, BOTH, says(BOTH), "take_profit was to be removed and is 1.2"),
        (
            {"stop_loss": CLEAR, "take_profit": 1.3},
            BOTH,
            says(position(5, stopLoss=1.0, takeProfit=1.3), guard(stopPrice=1.0, limitPrice=1.3)),
            "stop_loss was to be removed and is 1",
        ),
        (
            {"stop_loss": 1.05},
            BOTH,
            says(BOTH, guard(stopPrice=1.0, limitPrice=1.2)),
            "stop_loss was to be 1.05 and is still 1",
        ),
        (
            {"stop_loss": 1.05},
            position(5),
            says(position(5, takeProfit=1.2), guard(limitPrice=1.2)),
            "stop_loss was to be 1.05 and there is none",
        ),
        (
            {"trailing_stop_loss": False},
            position(5, stopLoss=1.0, trailingStopLoss=True),
            says(position(5, stopLoss=1.0, trailingStopLoss=True), guard(stopPrice=1.0)),
            "trailing_stop_loss was to be False and is still True",
        ),
    ],
)
def test_position_that_is_not_as_asked_is_told(
    named: dict[str, Any], before: ProtoOAPosition, message: ProtoOAExecutionEvent, text: str
) -> None:
    with pytest.raises(AmendmentIncompleteError) as caught:
        position_says(named, before, message)
    assert text in str(caught.value)
    assert str(caught.value).endswith("Look at the position, and amend it again.")
    assert (caught.value.position_id, caught.value.order_id) == (5, None)
    assert isinstance(caught.value, OrderError)


@pytest.mark.parametrize(
    ("named", "before", "message"),
    [
        pytest.param({"take_profit": CLEAR}, BOTH, says(None), id="nothing said"),
        pytest.param(
            {"take_profit": CLEAR},
            BOTH,
            says(position(6, stopLoss=1.0, takeProfit=1.2)),
            id="another position",
        ),
        pytest.param(
            {"take_profit": CLEAR},
            BOTH,
            says(position(5, 0, stopLoss=1.0, takeProfit=1.2)),
            id="closed meanwhile",
        ),
        pytest.param(
            {"stop_loss": CLEAR, "take_profit": CLEAR},
            BOTH,
            says(BOTH, guard(stopPrice=1.0, limitPrice=1.2), "ORDER_CANCELLED"),
            id="the guard is gone",
        ),
        pytest.param(
            {"take_profit": CLEAR}, BOTH, says(BOTH, guard(stopPrice=1.0)), id="only one shows it"
        ),
        pytest.param(
            {"stop_loss": 1.05},
            BOTH,
            says(BOTH, guard(stopPrice=1.05, limitPrice=1.2)),
            id="the guard has the new one",
        ),
        pytest.param(
            {"stop_loss": 1.05}, position(5), says(position(5)), id="levels come with the guard"
        ),
        pytest.param(
            {"stop_loss": 1.05},
            position(5),
            says(position(5), guard(stopPrice=1.05), "ORDER_ACCEPTED"),
            id="only the guard has it",
        ),
        pytest.param(
            {"stop_loss": 1.05},
            position(5, stopLoss=1.0, trailingStopLoss=True),
            says(position(5, stopLoss=1.06, trailingStopLoss=True), guard(stopPrice=1.06)),
            id="moved on",
        ),
    ],
)
def test_event_of_a_position_that_proves_nothing_is_the_result(
    named: dict[str, Any], before: ProtoOAPosition, message: ProtoOAExecutionEvent
) -> None:
    position_says(named, before, message)


def test_first_of_two_steps_is_not_what_was_asked_for() -> None:
    trailing = position(5, stopLoss=1.0, trailingStopLoss=True)
    first = says(position(5, stopLoss=1.0), guard(stopPrice=1.0))
    second = says(trailing, guard(stopPrice=1.0))
    with pytest.raises(AmendmentIncompleteError, match="stop_loss was to be removed and is 1"):
        position_says({"stop_loss": CLEAR}, trailing, first, second)
    position_says({"stop_loss": CLEAR}, trailing, first, says(position(5)))
