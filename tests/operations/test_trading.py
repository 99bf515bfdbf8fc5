"""Trading requests, and what is open."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ctrader.enums import ExecutionType, OrderSide, OrderType
from ctrader.errors import (
    CTraderConnectionClosedError,
    OrderInvalidError,
    OrderNotFoundError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    PositionNotFoundError,
)
from ctrader.models.orders import AmendOrderRequest, NewOrderRequest
from ctrader.models.positions import AmendPositionRequest, ClosePositionRequest
from ctrader.models.request import CLEAR
from ctrader.operations import trading
from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAExecutionEvent,
    ProtoOAGetPositionUnrealizedPnLReq,
    ProtoOAGetPositionUnrealizedPnLRes,
    ProtoOANewOrderReq,
    ProtoOAOrder,
    ProtoOAPosition,
    ProtoOAPositionUnrealizedPnL,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOATradeData,
    ProtoOATrader,
    ProtoOATraderReq,
    ProtoOATraderRes,
)
from ctrader.protocol.commands import Call, Completion, Pause, Priority
from tests.operations.peer import converse, order, question


def event(kind: str) -> ProtoOAExecutionEvent:
    return ProtoOAExecutionEvent(ctidTraderAccountId=7, executionType=kind)


def limit_order(order_id: int = 3, **fields: Any) -> ProtoOAOrder:
    return ProtoOAOrder(
        orderId=order_id,
        tradeData=ProtoOATradeData(symbolId=1, volume=200_000, tradeSide="BUY"),
        orderType="LIMIT",
        orderStatus="ORDER_STATUS_ACCEPTED",
        timeInForce="GOOD_TILL_CANCEL",
        limitPrice=1.05,
        **fields,
    )


def position(position_id: int = 5, volume: int = 100_000, **fields: Any) -> ProtoOAPosition:
    status = "POSITION_STATUS_OPEN" if volume else "POSITION_STATUS_CREATED"
    return ProtoOAPosition(
        positionId=position_id,
        tradeData=ProtoOATradeData(symbolId=1, volume=volume, tradeSide="BUY"),
        positionStatus=status,
        swap=0,
        price=1.1,
        moneyDigits=2,
        **fields,
    )


def state(
    *, orders: tuple[ProtoOAOrder, ...] = (), positions: tuple[ProtoOAPosition, ...] = ()
) -> ProtoOAReconcileRes:
    return ProtoOAReconcileRes(ctidTraderAccountId=7, order=orders, position=positions)


# What is asked before a change: now or not at all.
STATE = Call(
    ProtoOAReconcileReq(ctidTraderAccountId=7),
    ProtoOAReconcileRes,
    completion=Completion.REPLY,
    priority=Priority.TRADING,
    resend=False,
    account_id=7,
)


# Orders

AT_MARKET = NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=100_000)
AT_MARKET_PROTO = ProtoOANewOrderReq(
    ctidTraderAccountId=7, symbolId=1, orderType="MARKET", tradeSide="BUY", volume=100_000
)
MARKET_RANGE = NewOrderRequest(
    symbol_id=1,
    side=OrderSide.SELL,
    volume=100_000,
    order_type=OrderType.MARKET_RANGE,
    base_slippage_price=1.1,
    slippage_in_points=5,
)
MARKET_RANGE_PROTO = ProtoOANewOrderReq(
    ctidTraderAccountId=7,
    symbolId=1,
    orderType="MARKET_RANGE",
    tradeSide="SELL",
    volume=100_000,
    baseSlippagePrice=1.1,
    slippageInPoints=5,
)
LIMIT = NewOrderRequest(
    symbol_id=1,
    side=OrderSide.BUY,
    volume=100_000,
    order_type=OrderType.LIMIT,
    limit_price=1.05,
)
LIMIT_PROTO = ProtoOANewOrderReq(
    ctidTraderAccountId=7,
    symbolId=1,
    orderType="LIMIT",
    tradeSide="BUY",
    volume=100_000,
    limitPrice=1.05,
)


@pytest.mark.parametrize(
    ("request_", "message", "until", "completion"),
    [
        (AT_MARKET, AT_MARKET_PROTO, "done", Completion.FILLED),
        (AT_MARKET, AT_MARKET_PROTO, "accepted", Completion.ACCEPTED),
        (MARKET_RANGE, MARKET_RANGE_PROTO, "done", Completion.FILLED),
        (LIMIT, LIMIT_PROTO, "done", Completion.ACCEPTED),
        (LIMIT, LIMIT_PROTO, "accepted", Completion.ACCEPTED),
    ],
)
def test_order_is_placed_until_its_kind_is_done(
    request_: NewOrderRequest,
    message: ProtoOANewOrderReq,
    until: trading.Until,
    completion: Completion,
) -> None:
    result = converse(
        trading.place_order(7, request_, until=until),
        (order(message, completion), event("ORDER_FILLED")),
    )

    assert result.execution_type is ExecutionType.ORDER_FILLED


def test_order_waits_for_its_end_unless_said_otherwise() -> None:
    converse(
        trading.place_order(7, AT_MARKET),
        (order(AT_MARKET_PROTO, Completion.FILLED), event("ORDER_FILLED")),
    )


def test_unknown_end_of_waiting_is_refused() -> None:
    with pytest.raises(ValueError, match="'done' or 'accepted', not 'filled'"):
        converse(trading.place_order(7, AT_MARKET, until="filled"))  # type: ignore[arg-type] # the point


def test_unknown_outcome_reaches_the_caller() -> None:
    with pytest.raises(OrderOutcomeUnknownError):
        converse(
            trading.place_order(7, AT_MARKET),
            (order(AT_MARKET_PROTO, Completion.FILLED), OrderOutcomeUnknownError("mine")),
        )


def test_cancel_order() -> None:
    result = converse(
        trading.cancel_order(7, 3),
        (
            order(ProtoOACancelOrderReq(ctidTraderAccountId=7, orderId=3), Completion.CANCELLED),
            event("ORDER_CANCELLED"),
        ),
    )

    assert result.execution_type is ExecutionType.ORDER_CANCELLED


@pytest.mark.parametrize(
    ("until", "completion"), [("done", Completion.FILLED), ("accepted", Completion.ACCEPTED)]
)
def test_close_position_waits_for_the_fill_unless_said_otherwise(
    until: trading.Until, completion: Completion
) -> None:
    converse(
        trading.close_position(7, ClosePositionRequest(position_id=5, volume=100), until=until),
        (
            order(
                ProtoOAClosePositionReq(ctidTraderAccountId=7, positionId=5, volume=100), completion
            ),
            event("ORDER_FILLED"),
        ),
    )


# Amendments


def test_amended_order_keeps_what_is_not_named() -> None:
    converse(
        trading.amend_order(7, AmendOrderRequest(order_id=3, limit_price=1.06)),
        (
            STATE,
            state(
                orders=(
                    limit_order(9),
                    limit_order(
                        3,
                        expirationTimestamp=1_800_000_000_000,
                        relativeStopLoss=200,
                        relativeTakeProfit=400,
                    ),
                )
            ),
        ),
        (
            order(
                ProtoOAAmendOrderReq(
                    ctidTraderAccountId=7,
                    orderId=3,
                    volume=200_000,
                    limitPrice=1.06,
                    expirationTimestamp=1_800_000_000_000,
                    relativeStopLoss=200,
                    relativeTakeProfit=400,
                    guaranteedStopLoss=False,
                    trailingStopLoss=False,
                ),
                Completion.REPLACED,
            ),
            event("ORDER_REPLACED"),
        ),
    )


def test_amended_order_loses_what_is_cleared() -> None:
    request = AmendOrderRequest(
        order_id=3, take_profit=CLEAR, relative_stop_loss=CLEAR, expiration_timestamp=CLEAR
    )
    held = limit_order(
        relativeStopLoss=200, relativeTakeProfit=400, expirationTimestamp=1_800_000_000_000
    )

    converse(
        trading.amend_order(7, request),
        (STATE, state(orders=(held,))),
        (
            order(
                ProtoOAAmendOrderReq(
                    ctidTraderAccountId=7, orderId=3, volume=200_000, limitPrice=1.05
                ),
                Completion.REPLACED,
            ),
            event("ORDER_REPLACED"),
        ),
    )


def test_amended_order_that_is_gone_is_not_sent() -> None:
    with pytest.raises(OrderNotFoundError) as caught:
        converse(
            trading.amend_order(7, AmendOrderRequest(order_id=3, volume=100)),
            (STATE, state(orders=(limit_order(9),))),
        )

    assert isinstance(caught.value, OrderRejectedError)
    assert (caught.value.order_id, caught.value.account_id) == (3, 7)


def test_amended_position_keeps_the_level_that_is_not_named() -> None:
    converse(
        trading.amend_position(7, AmendPositionRequest(position_id=5, stop_loss=1.09)),
        (
            STATE,
            state(
                positions=(
                    position(4),
                    position(
                        5,
                        stopLoss=1.08,
                        takeProfit=1.2,
                        trailingStopLoss=True,
                        stopLossTriggerMethod="OPPOSITE",
                    ),
                )
            ),
        ),
        (
            order(
                ProtoOAAmendPositionSLTPReq(
                    ctidTraderAccountId=7,
                    positionId=5,
                    stopLoss=1.09,
                    takeProfit=1.2,
                    guaranteedStopLoss=False,
                    trailingStopLoss=True,
                    stopLossTriggerMethod="OPPOSITE",
                ),
                Completion.PROTECTED,
            ),
            event("ORDER_REPLACED"),
        ),
    )


def test_amended_position_loses_the_level_that_is_cleared() -> None:
    converse(
        trading.amend_position(
            7, AmendPositionRequest(position_id=5, stop_loss=CLEAR, take_profit=None)
        ),
        (STATE, state(positions=(position(5, stopLoss=1.08, takeProfit=1.2),))),
        (
            order(
                ProtoOAAmendPositionSLTPReq(ctidTraderAccountId=7, positionId=5, takeProfit=1.2),
                Completion.PROTECTED,
            ),
            event("ORDER_REPLACED"),
        ),
    )


def test_position_that_is_too_fresh_to_be_found_is_looked_for_again() -> None:
    converse(
        trading.amend_position(7, AmendPositionRequest(position_id=5, take_profit=1.2)),
        (STATE, state()),
        (Pause(200_000_000), True),
        (STATE, state(positions=(position(5),))),
        (
            order(
                ProtoOAAmendPositionSLTPReq(ctidTraderAccountId=7, positionId=5, takeProfit=1.2),
                Completion.PROTECTED,
            ),
            event("ORDER_ACCEPTED"),
        ),
    )


def test_amended_position_that_is_gone_is_not_sent() -> None:
    with pytest.raises(PositionNotFoundError) as caught:
        converse(
            trading.amend_position(7, AmendPositionRequest(position_id=5, take_profit=1.2)),
            (STATE, state()),
            (Pause(200_000_000), True),
            (STATE, state()),
        )

    assert isinstance(caught.value, OrderRejectedError)
    assert (caught.value.position_id, caught.value.account_id) == (5, 7)


@pytest.mark.parametrize("kind", ["order", "position"])
def test_amendment_whose_question_got_no_answer_was_not_sent(kind: str) -> None:
    cause = CTraderConnectionClosedError("the link was lost")
    operation = (
        trading.amend_order(7, AmendOrderRequest(order_id=3, volume=100))
        if kind == "order"
        else trading.amend_position(7, AmendPositionRequest(position_id=5, take_profit=1.2))
    )

    with pytest.raises(OrderNotSentError) as caught:
        converse(operation, (STATE, cause))

    assert caught.value.cause is cause


def test_amendment_that_cannot_be_asked_for_was_not_sent() -> None:
    with pytest.raises(OrderNotSentError, match="the link is down"):
        converse(
            trading.amend_order(7, AmendOrderRequest(order_id=3, volume=100)),
            (STATE, OrderNotSentError(None, "the link is down")),
        )


def test_amendment_that_cannot_be_right_is_refused_before_it_is_sent() -> None:
    with pytest.raises(OrderInvalidError, match="relative_stop_loss"):
        AmendOrderRequest(order_id=3, stop_loss=1.0, relative_stop_loss=0.1)


# What is open


def test_reconcile_gives_both_of_one_moment_without_empty_positions() -> None:
    positions, orders = converse(
        trading.reconcile(7),
        (
            question(ProtoOAReconcileReq(ctidTraderAccountId=7)),
            state(orders=(limit_order(3),), positions=(position(5), position(6, volume=0))),
        ),
    )

    assert [entry.position_id for entry in positions] == [5]
    assert [entry.order_id for entry in orders] == [3]


def test_money_of_positions_that_do_not_say_their_digits_takes_the_accounts() -> None:
    silent = position(5, commission=-125)
    silent.ClearField("moneyDigits")

    ((held,), _) = converse(
        trading.reconcile(7),
        (question(ProtoOAReconcileReq(ctidTraderAccountId=7)), state(positions=(silent,))),
        (
            question(ProtoOATraderReq(ctidTraderAccountId=7)),
            ProtoOATraderRes(
                ctidTraderAccountId=7,
                trader=ProtoOATrader(
                    ctidTraderAccountId=7, balance=0, depositAssetId=1, moneyDigits=3
                ),
            ),
        ),
    )

    assert (held.money_digits, held.commission) == (3, Decimal("-0.125"))


def test_get_open_positions() -> None:
    positions = converse(
        trading.get_open_positions(7),
        (question(ProtoOAReconcileReq(ctidTraderAccountId=7)), state(positions=(position(5),))),
    )

    assert [entry.position_id for entry in positions] == [5]


@pytest.mark.parametrize(
    ("protection", "request_"),
    [
        (False, ProtoOAReconcileReq(ctidTraderAccountId=7)),
        (True, ProtoOAReconcileReq(ctidTraderAccountId=7, returnProtectionOrders=True)),
    ],
)
def test_get_pending_orders(protection: bool, request_: ProtoOAReconcileReq) -> None:
    orders = converse(
        trading.get_pending_orders(7, protection_orders=protection),
        (question(request_), state(orders=(limit_order(3),))),
    )

    assert [entry.order_id for entry in orders] == [3]


def test_get_unrealized_pnl_uses_the_digits_of_the_answer() -> None:
    profits = converse(
        trading.get_unrealized_pnl_per_position(7),
        (
            question(ProtoOAGetPositionUnrealizedPnLReq(ctidTraderAccountId=7)),
            ProtoOAGetPositionUnrealizedPnLRes(
                ctidTraderAccountId=7,
                moneyDigits=3,
                positionUnrealizedPnL=[
                    ProtoOAPositionUnrealizedPnL(
                        positionId=5, grossUnrealizedPnL=12_345, netUnrealizedPnL=-1
                    )
                ],
            ),
        ),
    )

    assert [(p.position_id, p.gross_unrealized_pnl, p.net_unrealized_pnl) for p in profits] == [
        (5, Decimal("12.345"), Decimal("-0.001"))
    ]
