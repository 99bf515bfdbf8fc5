"""Orders from the server, and orders on their way to it."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader.enums import OrderSide, OrderStatus, OrderType, StopTriggerMethod, TimeInForce
from ctrader.errors import OrderInvalidError
from ctrader.models.orders import (
    AmendOrderRequest,
    NewOrderRequest,
    Order,
    OrderTerms,
    check_order,
    on_grid,
)
from ctrader.models.positions import AmendPositionRequest, ClosePositionRequest
from ctrader.models.request import CLEAR
from ctrader.models.symbols import Symbol, TradingRules
from ctrader.models.wire import enum_of
from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOANewOrderReq,
    ProtoOAOrder,
    ProtoOASymbol,
    ProtoOATradeData,
)

NEXT_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


def new(**fields: Any) -> NewOrderRequest:
    needed: dict[str, Any] = {"symbol_id": 1, "side": OrderSide.BUY, "volume": 100_000}
    return NewOrderRequest(**(needed | fields))


def limit(**fields: Any) -> NewOrderRequest:
    return new(**{"order_type": OrderType.LIMIT, "limit_price": 1.07} | fields)


def symbol(
    digits: int = 5, least: int = 100_000, most: int = 10**10, step: int = 100_000
) -> Symbol:
    return Symbol.from_proto(
        ProtoOASymbol(
            symbolId=1,
            digits=digits,
            pipPosition=digits - 1,
            lotSize=10_000_000,
            minVolume=least,
            maxVolume=most,
            stepVolume=step,
        )
    )


# From the server


def server_order() -> ProtoOAOrder:
    return ProtoOAOrder(
        orderId=6,
        tradeData=ProtoOATradeData(
            symbolId=1,
            volume=200_000,
            tradeSide="SELL",
            openTimestamp=1_600_000_000_000,
            label="label",
            guaranteedStopLoss=True,
            comment="comment",
            measurementUnits="oz",
            closeTimestamp=1_600_000_001_000,
        ),
        orderType="STOP_LIMIT",
        orderStatus="ORDER_STATUS_ACCEPTED",
        expirationTimestamp=1_600_000_002_000,
        executedVolume=100_000,
        executionPrice=1.1234567,
        utcLastUpdateTimestamp=1_600_000_003_000,
        slippageInPoints=0,
        stopPrice=1.11,
        clientOrderId="mine",
        timeInForce="GOOD_TILL_DATE",
        positionId=5,
        relativeStopLoss=200,
        relativeTakeProfit=1001,
        trailingStopLoss=True,
        stopTriggerMethod="DOUBLE_OPPOSITE",
    )


def test_order_from_the_wire() -> None:
    order = Order.from_proto(server_order())

    assert order == Order(
        order_id=6,
        symbol_id=1,
        side=OrderSide.SELL,
        order_type=OrderType.STOP_LIMIT,
        status=OrderStatus.ACCEPTED,
        volume=200_000,
        time_in_force=TimeInForce.GOOD_TILL_DATE,
        open_timestamp=datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC),
        stop_price=1.11,
        execution_price=1.1234567,
        executed_volume=100_000,
        expiration_timestamp=datetime(2020, 9, 13, 12, 26, 42, tzinfo=UTC),
        position_id=5,
        slippage_in_points=0,
        relative_stop_loss=200,
        relative_take_profit=1001,
        trailing_stop_loss=True,
        guaranteed_stop_loss=True,
        stop_trigger_method=StopTriggerMethod.DOUBLE_OPPOSITE,
        client_order_id="mine",
        label="label",
        comment="comment",
        last_update_timestamp=datetime(2020, 9, 13, 12, 26, 43, tzinfo=UTC),
        close_timestamp=datetime(2020, 9, 13, 12, 26, 41, tzinfo=UTC),
        measurement_units="oz",
    )
    assert order.is_pending
    assert not order.is_filled
    assert (order.stop_loss_distance, order.take_profit_distance) == (0.002, 0.01001)


def test_order_with_nothing_but_the_required() -> None:
    order = Order.from_proto(
        ProtoOAOrder(
            orderId=6,
            tradeData=ProtoOATradeData(symbolId=1, volume=1, tradeSide="BUY"),
            orderType="MARKET",
            orderStatus="ORDER_STATUS_FILLED",
        )
    )

    assert order.is_filled
    assert order.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL
    assert order.open_timestamp is None
    assert order.limit_price is None
    assert order.position_id is None
    assert order.stop_loss_distance is None
    assert order.take_profit_distance is None


# To the server


def test_market_order_sends_what_was_given_and_nothing_else() -> None:
    message = new(relative_stop_loss=0.0010, relative_take_profit=Decimal("0.002")).to_proto(31)

    assert message == ProtoOANewOrderReq(
        ctidTraderAccountId=31,
        symbolId=1,
        orderType="MARKET",
        tradeSide="BUY",
        volume=100_000,
        relativeStopLoss=100,
        relativeTakeProfit=200,
    )


def test_order_with_everything() -> None:
    message = new(
        side=OrderSide.SELL,
        order_type=OrderType.STOP_LIMIT,
        stop_price=131.074,
        slippage_in_points=0,
        stop_loss=132,
        take_profit=130.5,
        time_in_force=TimeInForce.GOOD_TILL_DATE,
        expiration_timestamp=NEXT_YEAR,
        position_id=5,
        client_order_id="mine",
        label="label",
        comment="comment",
        trailing_stop_loss=True,
        guaranteed_stop_loss=False,
        stop_trigger_method=StopTriggerMethod.OPPOSITE,
    ).to_proto(31)

    assert message == ProtoOANewOrderReq(
        ctidTraderAccountId=31,
        symbolId=1,
        orderType="STOP_LIMIT",
        tradeSide="SELL",
        volume=100_000,
        stopPrice=131.074,
        timeInForce="GOOD_TILL_DATE",
        expirationTimestamp=1_798_761_600_000,
        stopLoss=132.0,
        takeProfit=130.5,
        comment="comment",
        slippageInPoints=0,
        label="label",
        positionId=5,
        clientOrderId="mine",
        guaranteedStopLoss=False,
        trailingStopLoss=True,
        stopTriggerMethod="OPPOSITE",
    )


def test_market_range_order() -> None:
    message = new(
        order_type=OrderType.MARKET_RANGE, base_slippage_price=1.07, slippage_in_points=3
    ).to_proto(31)

    assert (message.baseSlippagePrice, message.slippageInPoints) == (1.07, 3)


@pytest.mark.parametrize("field", ["trailing_stop_loss", "guaranteed_stop_loss"])
def test_false_is_sent_if_it_was_given_and_only_then(field: str) -> None:
    wire = {"trailing_stop_loss": "trailingStopLoss", "guaranteed_stop_loss": "guaranteedStopLoss"}

    assert new(**{field: False}).to_proto(31).HasField(wire[field])
    assert not new().to_proto(31).HasField(wire[field])
    assert not new(**{field: None}).to_proto(31).HasField(wire[field])


def test_time_in_force_is_sent_if_it_was_given() -> None:
    given_ = limit(time_in_force=TimeInForce.GOOD_TILL_CANCEL)

    assert given_.to_proto(31).HasField("timeInForce")
    assert not limit().to_proto(31).HasField("timeInForce")


def test_noise_of_arithmetic_in_a_distance_is_forgiven() -> None:
    assert new(relative_stop_loss=0.1 + 0.2).to_proto(31).relativeStopLoss == 30_000


def test_distance_of_more_than_five_decimals_is_refused() -> None:
    with pytest.raises(OrderInvalidError):
        new(relative_stop_loss=0.000_001).to_proto(31)


@pytest.mark.parametrize(
    ("fields", "field", "remedy"),
    [
        ({"stop_loss": 1.05}, "stop_loss", "relative_stop_loss"),
        ({"take_profit": 1.05}, "take_profit", "relative_take_profit"),
        ({"limit_price": 1.05}, "limit_price", "LIMIT"),
        ({"stop_price": 1.05}, "stop_price", "STOP"),
        ({"slippage_in_points": 1}, "slippage_in_points", "MARKET_RANGE"),
        ({"order_type": OrderType.LIMIT}, "limit_price", "needs"),
        ({"order_type": OrderType.STOP}, "stop_price", "needs"),
        ({"order_type": OrderType.STOP_LIMIT, "stop_price": 1}, "slippage_in_points", "needs"),
        ({"order_type": OrderType.MARKET_RANGE}, "base_slippage_price", "needs"),
        (
            {
                "order_type": OrderType.MARKET_RANGE,
                "base_slippage_price": 1,
                "slippage_in_points": 1,
                "stop_loss": 1,
            },
            "stop_loss",
            "relative_stop_loss",
        ),
        (
            {
                "order_type": OrderType.STOP_LIMIT,
                "stop_price": 1,
                "slippage_in_points": 1,
                "limit_price": 1,
            },
            "limit_price",
            "LIMIT",
        ),
        ({"order_type": OrderType.STOP_LOSS_TAKE_PROFIT}, "order_type", "only the server"),
        ({"trailing_stop_loss": True}, "trailing_stop_loss", "give relative_stop_loss too"),
        ({"guaranteed_stop_loss": True}, "guaranteed_stop_loss", "give relative_stop_loss too"),
        (
            {"order_type": OrderType.LIMIT, "limit_price": 1, "trailing_stop_loss": True},
            "trailing_stop_loss",
            "give stop_loss or relative_stop_loss too",
        ),
        ({"stop_trigger_method": StopTriggerMethod.TRADE}, "stop_trigger_method", "STOP_LIMIT"),
        ({"relative_stop_loss": 1e15}, "relative_stop_loss", "92233720368547 at most"),
        ({"time_in_force": TimeInForce.GOOD_TILL_DATE}, "expiration_timestamp", "needs"),
        ({"expiration_timestamp": NEXT_YEAR}, "expiration_timestamp", "GOOD_TILL_DATE"),
        (
            {"time_in_force": TimeInForce.GOOD_TILL_DATE, "expiration_timestamp": NEXT_YEAR},
            "time_in_force",
            "now or not at all",
        ),
        ({"volume": 0}, "volume", "from 1"),
        ({"volume": -1}, "volume", "from 1"),
        ({"volume": 2**63}, "volume", "from 1"),
        ({"volume": 1.0}, "volume", "int"),
        ({"volume": True}, "volume", "int"),
        ({"volume": "1"}, "volume", "int"),
        ({"symbol_id": 0}, "symbol_id", "from 1"),
        ({"symbol_id": 2**63}, "symbol_id", "from 1"),
        ({"relative_stop_loss": 0}, "relative_stop_loss", "None"),
        ({"relative_stop_loss": -0.1}, "relative_stop_loss", "None"),
        ({"relative_stop_loss": math.nan}, "relative_stop_loss", "finite"),
        ({"relative_stop_loss": math.inf}, "relative_stop_loss", "finite"),
        ({"relative_stop_loss": Decimal("NaN")}, "relative_stop_loss", "finite"),
        ({"relative_stop_loss": 10**400}, "relative_stop_loss", "finite"),
        ({"relative_stop_loss": "0.1"}, "relative_stop_loss", "number"),
        ({"relative_stop_loss": True}, "relative_stop_loss", "number"),
        ({"slippage_in_points": -1}, "slippage_in_points", "from 0"),
        ({"slippage_in_points": 2**31}, "slippage_in_points", "from 0"),
        ({"side": OrderSide(17)}, "side", "named member"),
        ({"side": 17}, "side", "named member"),
        ({"side": "BUY"}, "side", "OrderSide"),
        ({"side": True}, "side", "OrderSide"),
        ({"side": OrderType.LIMIT}, "side", "OrderSide"),
        ({"trailing_stop_loss": 1}, "trailing_stop_loss", "True or False"),
        ({"label": "x" * 101}, "label", "100"),
        ({"comment": "x" * 513}, "comment", "512"),
        ({"client_order_id": "x" * 51}, "client_order_id", "50"),
        ({"label": 5}, "label", "str"),
        ({"label": "\ud800"}, "label", "UTF-8"),
        ({"expiration_timestamp": datetime(2027, 1, 1)}, "expiration_timestamp", "time zone"),  # noqa: DTZ001
        (
            {"expiration_timestamp": datetime(2040, 1, 1, tzinfo=UTC)},
            "expiration_timestamp",
            "2038",
        ),
        ({"expiration_timestamp": 1_800_000_000}, "expiration_timestamp", "datetime"),
        ({"price": 1.1}, "price", "not permitted"),
    ],
)
def test_request_that_cannot_be_right_is_refused_with_field_and_remedy(
    fields: dict[str, Any], field: str, remedy: str
) -> None:
    with pytest.raises(OrderInvalidError, match=remedy) as caught:
        new(**fields)

    assert caught.value.field == field
    assert field in str(caught.value)
    assert caught.value.__cause__ is None


def amend(**fields: Any) -> AmendOrderRequest:
    needed: dict[str, Any] = {"order_id": 6}
    return AmendOrderRequest(**(needed | fields))


@pytest.mark.parametrize("request_", [limit, amend])
@pytest.mark.parametrize("level", ["stop_loss", "take_profit"])
def test_level_given_twice_is_refused(request_: Any, level: str) -> None:
    with pytest.raises(OrderInvalidError, match="not both") as caught:
        request_(**{level: 1.05, f"relative_{level}": 0.01})

    assert caught.value.field == level


def test_refusal_carries_the_client_order_id() -> None:
    with pytest.raises(OrderInvalidError) as rule:
        new(client_order_id="mine", stop_loss=1)
    with pytest.raises(OrderInvalidError) as field:
        new(client_order_id="mine", volume=0)

    assert rule.value.client_order_id == field.value.client_order_id == "mine"


def test_request_without_a_field_that_it_needs_is_refused() -> None:
    with pytest.raises(OrderInvalidError, match="side"):
        NewOrderRequest.model_validate({"symbol_id": 1, "volume": 1})


def test_request_from_a_mapping_or_a_json_text_is_refused_alike() -> None:
    with pytest.raises(OrderInvalidError, match="volume"):
        NewOrderRequest.model_validate({"symbol_id": 1, "side": 1, "volume": 0})
    with pytest.raises(OrderInvalidError, match="volume"):
        NewOrderRequest.model_validate_json('{"symbol_id": 1, "side": 1, "volume": 0}')

    with pytest.raises(OrderInvalidError, match="NewOrderRequest"):
        NewOrderRequest.model_validate(5)

    made = NewOrderRequest.model_validate_json('{"symbol_id": 1, "side": 1, "volume": 2}')
    assert made == NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=2)


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"side": OrderType.LIMIT}, "side"), ({"stop_loss": 1.0}, "stop_loss"), ({1: 2}, "1")],
)
@pytest.mark.parametrize("way", ["copy", "model_copy"])
def test_copy_is_checked_as_a_new_request_is(way: str, changes: Any, field: str) -> None:
    order = new(client_order_id="mine")
    copy = getattr(order, way)

    assert copy() == copy(update=None) == copy(deep=True) == order
    assert copy(update={"volume": 200_000}) == new(client_order_id="mine", volume=200_000)
    with pytest.raises(OrderInvalidError) as caught:
        copy(update=changes)
    assert (caught.value.field, caught.value.client_order_id) == (field, "mine")


def test_request_from_texts_is_refused_as_such() -> None:
    with pytest.raises(OrderInvalidError, match="symbol_id must be an id as an int, not '1'"):
        NewOrderRequest.model_validate_strings({"symbol_id": "1", "side": "BUY", "volume": "1"})
    named = {"order_id": "6", "take_profit": "CLEAR"}
    with pytest.raises(OrderInvalidError, match="order_id must be an id as an int, not '6'"):
        AmendOrderRequest.model_validate_strings(named)


def test_texts_of_the_greatest_length_are_taken() -> None:
    request = new(label="x" * 100, comment="x" * 512, client_order_id="x" * 50)

    assert len(request.to_proto(31).comment) == 512


@given(
    st.dictionaries(
        st.sampled_from(sorted(NewOrderRequest.model_fields)),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.decimals()
        | st.text()
        | st.datetimes()
        | st.sampled_from(OrderType)
        | st.sampled_from(TimeInForce),
    )
)
def test_whatever_is_given_only_order_invalid_comes_out(fields: dict[str, Any]) -> None:
    try:
        message = new(**fields).to_proto(31)
    except OrderInvalidError:
        return
    assert message.IsInitialized()


# Amending


def test_amendment_sends_what_was_given() -> None:
    message = AmendOrderRequest(
        order_id=6,
        volume=200_000,
        limit_price=1.11,
        relative_stop_loss=0.002,
        trailing_stop_loss=False,
    ).to_proto(31)

    assert message == ProtoOAAmendOrderReq(
        ctidTraderAccountId=31,
        orderId=6,
        volume=200_000,
        limitPrice=1.11,
        relativeStopLoss=200,
        trailingStopLoss=False,
    )


def test_amendment_is_completed_from_the_order() -> None:
    order = Order.from_proto(server_order())

    message = AmendOrderRequest(order_id=6, stop_price=1.12).completed_from(order).to_proto(31)

    assert message == ProtoOAAmendOrderReq(
        ctidTraderAccountId=31,
        orderId=6,
        volume=200_000,
        stopPrice=1.12,
        expirationTimestamp=1_600_000_002_000,
        slippageInPoints=0,
        relativeStopLoss=200,
        relativeTakeProfit=1001,
        guaranteedStopLoss=True,
        trailingStopLoss=True,
        stopTriggerMethod="DOUBLE_OPPOSITE",
    )


def test_level_named_in_an_amendment_replaces_it_in_either_form() -> None:
    order = Order.from_proto(server_order())

    message = (
        AmendOrderRequest(order_id=6, stop_loss=1.13, relative_take_profit=CLEAR)
        .completed_from(order)
        .to_proto(31)
    )

    assert message.stopLoss == 1.13
    assert not message.HasField("relativeStopLoss")
    assert not message.HasField("relativeTakeProfit")
    assert not message.HasField("takeProfit")


def test_amendment_of_a_limit_order_without_levels() -> None:
    order = Order.from_proto(
        ProtoOAOrder(
            orderId=6,
            tradeData=ProtoOATradeData(symbolId=1, volume=1, tradeSide="BUY"),
            orderType="LIMIT",
            orderStatus="ORDER_STATUS_ACCEPTED",
            limitPrice=1.07,
            stopLoss=1.06,
        )
    )

    kept = AmendOrderRequest(order_id=6, volume=2).completed_from(order)
    bare = AmendOrderRequest(order_id=6, stop_loss=CLEAR, volume=None).completed_from(order)

    assert kept.to_proto(31) == ProtoOAAmendOrderReq(
        ctidTraderAccountId=31,
        orderId=6,
        volume=2,
        limitPrice=1.07,
        stopLoss=1.06,
        guaranteedStopLoss=False,
        trailingStopLoss=False,
    )
    assert bare.to_proto(31) == ProtoOAAmendOrderReq(
        ctidTraderAccountId=31, orderId=6, volume=1, limitPrice=1.07
    )


def test_amendment_that_was_not_completed_sends_nothing_for_what_it_does_not_name() -> None:
    message = amend(take_profit=1.2, stop_loss=CLEAR, expiration_timestamp=CLEAR).to_proto(31)

    assert message == ProtoOAAmendOrderReq(ctidTraderAccountId=31, orderId=6, takeProfit=1.2)


def test_amendment_is_not_completed_from_another_order() -> None:
    with pytest.raises(OrderInvalidError, match="order 6"):
        AmendOrderRequest(order_id=7, volume=1).completed_from(Order.from_proto(server_order()))


@pytest.mark.parametrize("fields", [{}, {"stop_loss": None, "volume": None}])
def test_amendment_that_changes_nothing_is_refused(fields: dict[str, None]) -> None:
    with pytest.raises(OrderInvalidError, match=r"order 6 names nothing to change: .* CLEAR"):
        AmendOrderRequest(order_id=6, **fields)


@pytest.mark.parametrize(
    ("kind", "field", "value", "remedy"),
    [
        ("LIMIT", "stop_price", 1.1, "stop_price is for order_type STOP or STOP_LIMIT"),
        ("LIMIT", "slippage_in_points", 1, "MARKET_RANGE or STOP_LIMIT"),
        ("LIMIT", "stop_trigger_method", StopTriggerMethod.TRADE, "STOP or STOP_LIMIT"),
        ("STOP", "limit_price", 1.1, "limit_price is for order_type LIMIT"),
        ("STOP_LIMIT", "limit_price", 1.1, "limit_price is for order_type LIMIT"),
    ],
)
def test_term_that_a_pending_order_does_not_have_is_refused(
    kind: str, field: str, value: float, remedy: str
) -> None:
    message = server_order()
    message.MergeFrom(ProtoOAOrder(orderType=kind))

    with pytest.raises(OrderInvalidError, match=f"order 6 is a {kind} order.*{remedy}") as caught:
        amend(**{field: value}).completed_from(Order.from_proto(message))

    assert caught.value.field == field


@pytest.mark.parametrize("field", ["trailing_stop_loss", "guaranteed_stop_loss"])
def test_property_of_a_pending_orders_stop_loss_needs_one(field: str) -> None:
    order = Order.from_proto(server_order())

    assert getattr(amend(**{field: True}).completed_from(order), field)
    with pytest.raises(OrderInvalidError, match="no stop loss; give stop_loss or relative_stop"):
        amend(**{field: True, "stop_loss": CLEAR}).completed_from(order)


# Against the symbol


@pytest.mark.parametrize(
    ("volume", "nearest"),
    [
        (150_000, r"use 100000 \(0.01 lots\) or 200000 \(0.02 lots\)\.$"),
        (99_999, r"use 100000 \(0.01 lots\)\.$"),
        (10**10 + 1, r"use 10000000000 \(1000 lots\)\.$"),
    ],
)
def test_volume_off_the_limits_or_the_step_is_refused_with_the_nearest(
    volume: int, nearest: str
) -> None:
    with pytest.raises(OrderInvalidError, match=nearest) as caught:
        check_order(new(volume=volume, client_order_id="mine"), symbol())

    assert (caught.value.field, caught.value.value) == ("volume", volume)
    assert caught.value.client_order_id == "mine"


@pytest.mark.parametrize(
    "request_",
    [
        new(volume=100_000),
        limit(volume=100_000),
        AmendOrderRequest(order_id=6, volume=100_000),
    ],
)
def test_volume_on_the_step_and_under_the_least_is_refused(request_: Any) -> None:
    advice = r"\(0.02 to 1000 lots in steps of 0.01\); use 200000 \(0.02 lots\)\.$"
    with pytest.raises(OrderInvalidError, match=advice) as caught:
        check_order(request_, symbol(least=200_000))

    assert (caught.value.field, caught.value.value) == ("volume", 100_000)


@pytest.mark.parametrize("volume", [100_000, 200_000, 10**10])
def test_valid_volume_passes(volume: int) -> None:
    check_order(new(volume=volume), symbol())
    check_order(AmendOrderRequest(order_id=6, volume=volume), symbol())
    check_order(AmendOrderRequest(order_id=6, take_profit=CLEAR), symbol())
    check_order(AmendPositionRequest(position_id=5, stop_loss=1.07), symbol())


@pytest.mark.parametrize(
    ("request_", "digits", "nearest"),
    [
        (limit(limit_price=1.070001), 5, "1.07000 or 1.07001"),
        (limit(limit_price=131.0745), 3, "131.074 or 131.075"),
        (new(relative_stop_loss=0.00105), 4, "0.0010 or 0.0011"),
        (new(relative_take_profit=0.000_001), 7, r"distances .* have 5; use 0.00001\.$"),
        (new(relative_take_profit=0.000_015), 7, r"use 0.00001 or 0.00002\.$"),
        (AmendOrderRequest(order_id=6, stop_loss=1.070001), 5, "1.07000 or 1.07001"),
        (AmendPositionRequest(position_id=5, take_profit=2650.125), 2, "2650.12 or 2650.13"),
    ],
)
def test_price_off_the_grid_is_refused_with_its_neighbours(
    request_: Any, digits: int, nearest: str
) -> None:
    with pytest.raises(OrderInvalidError, match=nearest):
        check_order(request_, symbol(digits))


def test_refused_price_carries_the_client_order_id() -> None:
    with pytest.raises(OrderInvalidError) as caught:
        check_order(limit(limit_price=1.070001, client_order_id="mine"), symbol())

    assert caught.value.field == "limit_price"
    assert caught.value.client_order_id == "mine"


@pytest.mark.parametrize(
    ("noisy", "clean"),
    [
        (1.1 + 2.2, 3.3),
        (0.07 + 1.0, 1.07),
        (85_287.21 + 0.1 + 0.2, 85_287.51),
        (1e7 + 0.1, 1e7 + 0.1),
    ],
)
def test_noise_of_arithmetic_is_taken_off_a_price(noisy: float, clean: float) -> None:
    assert limit(limit_price=noisy).to_proto(31).limitPrice == clean


def test_price_off_every_grid_is_left_for_the_check_against_the_symbol() -> None:
    assert limit(limit_price=1.123456789).limit_price == 1.123456789


@pytest.mark.parametrize(
    ("volume", "text"),
    [
        (
            300_001,
            "only 300000 of position 5 is open; use 300000 (0.03 lots), which is all of it.",
        ),
        (
            280_000,
            "(0.01 to 1000 lots in steps of 0.005); use 200000 (0.02 lots) or 300000 "
            "(0.03 lots), which is all of it.",
        ),
        (120_000, "in steps of 0.005); use 100000 (0.01 lots) or 150000 (0.015 lots)."),
        (50_000, "use 100000 (0.01 lots) or 300000 (0.03 lots), which is all of it."),
        (210_000, "use 200000 (0.02 lots) or 300000 (0.03 lots), which is all of it."),
    ],
)
def test_close_that_cannot_be_is_refused_with_the_nearest(volume: int, text: str) -> None:
    close = ClosePositionRequest(position_id=5, volume=volume)

    with pytest.raises(OrderInvalidError) as caught:
        check_order(close, symbol(step=50_000), open_volume=300_000)

    assert str(caught.value).startswith(f"volume {volume} cannot be closed: ")
    assert str(caught.value).endswith(text)
    assert (caught.value.field, caught.value.value) == ("volume", volume)


@pytest.mark.parametrize(
    ("volume", "open_volume"),
    [(300_000, 300_000), (1, 1), (123, 123), (100_000, 250_001), (10**12, 10**12), (1, None)],
)
def test_all_of_a_position_may_be_closed_whatever_it_is(
    volume: int, open_volume: int | None
) -> None:
    check_order(
        ClosePositionRequest(position_id=5, volume=volume), symbol(), open_volume=open_volume
    )


def test_part_above_the_largest_volume_is_refused() -> None:
    with pytest.raises(OrderInvalidError, match=r"use 10000000000 \(1000 lots\) or 30000000000"):
        check_order(
            ClosePositionRequest(position_id=5, volume=2 * 10**10), symbol(), open_volume=3 * 10**10
        )


def test_close_of_a_position_that_is_too_small_to_part_names_all_of_it() -> None:
    with pytest.raises(OrderInvalidError, match=r"use 100000 \(0.01 lots\), which is all of it"):
        check_order(ClosePositionRequest(position_id=5, volume=1), symbol(), open_volume=100_000)


@given(
    st.integers(1, 40),
    st.integers(1, 400),
    st.integers(1, 60),
    st.integers(1, 500),
)
def test_nearest_volumes_of_a_refused_close_are_valid(
    step: int, open_volume: int, least: int, volume: int
) -> None:
    terms = symbol(least=least, step=step)
    try:
        check_order(
            ClosePositionRequest(position_id=5, volume=volume), terms, open_volume=open_volume
        )
    except OrderInvalidError as error:
        named = [int(n) for n in re.findall(r"(\d+) \(", str(error).split("; use ")[1])]
        assert named
        for nearest in named:
            check_order(
                ClosePositionRequest(position_id=5, volume=nearest), terms, open_volume=open_volume
            )
    else:
        is_part = volume % step == 0 and least <= volume < open_volume
        assert volume == open_volume or is_part


def test_expiration_in_the_past_is_refused_where_the_present_is_known() -> None:
    order = limit(time_in_force=TimeInForce.GOOD_TILL_DATE, expiration_timestamp=NEXT_YEAR)

    check_order(order, symbol())
    # A clock may be hours wrong: what has passed by it, the server decides.
    check_order(order, symbol(), now=NEXT_YEAR + timedelta(hours=23))
    for request in (order, amend(expiration_timestamp=NEXT_YEAR)):
        with pytest.raises(
            OrderInvalidError, match=r"2027-01-01T00:00:00.* has passed: it is .* Give a later one"
        ) as caught:
            check_order(request, symbol(), now=NEXT_YEAR + timedelta(days=1))
        assert (caught.value.field, caught.value.value) == ("expiration_timestamp", NEXT_YEAR)


@pytest.mark.parametrize(
    ("volume", "advice"),
    [(150, "use 200 (0.00002 lots)."), (1050, "use 1000 (0.0001 lots)."), (170, "use 200 (")],
)
def test_advised_volume_lies_within_limits_that_are_off_the_step(volume: int, advice: str) -> None:
    terms = symbol(least=150, most=1050, step=100)
    order = NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=volume)
    with pytest.raises(OrderInvalidError) as caught:
        check_order(order, terms)
    assert advice in str(caught.value)


def test_limits_that_no_volume_can_meet_are_not_the_ones_that_the_server_goes_by() -> None:
    order = NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=150)
    check_order(order, symbol(least=150, most=180, step=100))


@pytest.mark.parametrize(
    ("prices", "digits"),
    [((15000123.45, 15000100.15), 2), ((950000.17, 949000.05), 2), ((110000.17, 109000.05), 2)],
)
def test_distance_is_free_of_the_noise_of_its_prices(
    prices: tuple[float, float], digits: int
) -> None:
    distance = prices[0] - prices[1]
    order = NewOrderRequest(
        symbol_id=1, side=OrderSide.BUY, volume=100_000, relative_stop_loss=distance
    )
    check_order(order, symbol(digits=digits))
    assert order.to_proto(31).relativeStopLoss == round(distance * 10**digits) * 10 ** (5 - digits)


def test_what_the_server_holds_is_kept_as_it_is() -> None:
    unknown = StopTriggerMethod(9)
    held = OrderTerms(
        order_id=7,
        symbol_id=1,
        order_type=OrderType.STOP,
        volume=100,
        limit_price=None,
        stop_price=1.123456789,
        stop_loss=None,
        take_profit=None,
        stop_loss_distance=None,
        take_profit_distance=None,
        expiration_timestamp=None,
        slippage_in_points=None,
        trailing_stop_loss=False,
        guaranteed_stop_loss=False,
        stop_trigger_method=unknown,
    )

    message = AmendOrderRequest(order_id=7, volume=200).completed_from(held).to_proto(31)

    assert (message.volume, message.stopPrice) == (200, 1.123456789)
    assert enum_of(message, "stopTriggerMethod", StopTriggerMethod) == unknown


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"stop_loss": 1.05}, "stop_loss"),
        ({"relative_stop_loss": -0.1}, "relative_stop_loss"),
        ({"client_order_id": "x" * 51}, "client_order_id"),
        ({"side": OrderType.LIMIT}, "side"),
        ({"volume": 0}, "volume"),
    ],
)
def test_changed_copy_is_checked_as_well(changes: dict[str, object], field: str) -> None:
    order = NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=100_000, comment="")
    assert order.model_copy(update={"volume": 200_000}).to_proto(7).volume == 200_000
    assert order.model_copy().to_proto(7) == order.to_proto(7)
    with pytest.raises(OrderInvalidError) as refused:
        order.model_copy(update=changes)
    assert refused.value.field == field


def test_what_only_the_server_knows_is_not_judged_with_a_distance() -> None:
    request = AmendOrderRequest(order_id=7, relative_stop_loss=0.002)
    held = OrderTerms(
        order_id=7,
        symbol_id=1,
        order_type=OrderType.STOP,
        volume=100,
        limit_price=None,
        stop_price=1.5,
        stop_loss=None,
        take_profit=None,
        stop_loss_distance=None,
        take_profit_distance=None,
        expiration_timestamp=None,
        slippage_in_points=None,
        trailing_stop_loss=False,
        guaranteed_stop_loss=False,
        stop_trigger_method=StopTriggerMethod(9),
    )
    message = on_grid(request.completed_from(held), TradingRules(1, digits=5)).to_proto(7)
    assert message.relativeStopLoss == 200
