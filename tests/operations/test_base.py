"""What all operations share."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ctrader.enums import ExecutionType
from ctrader.errors import OrderOutcomeUnknownError, UnexpectedResponseError
from ctrader.operations.base import change, command, read, trade
from ctrader.proto import (
    ProtoOAApplicationAuthRes,
    ProtoOACancelOrderReq,
    ProtoOAExecutionEvent,
    ProtoOAOrder,
    ProtoOAOrderType,
    ProtoOAPosition,
    ProtoOATradeData,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.protocol.commands import (
    Call,
    Completion,
    Priority,
    WaitApplication,
)
from tests.operations.peer import converse, order


def test_read_may_be_sent_again_and_gives_the_answer() -> None:
    answer = ProtoOAVersionRes(version="90")
    expected = Call(
        ProtoOAVersionReq(),
        ProtoOAVersionRes,
        completion=Completion.REPLY,
        priority=Priority.BULK,
        resend=True,
        account_id=5,
    )

    result = converse(
        read(ProtoOAVersionReq(), ProtoOAVersionRes, account_id=5, priority=Priority.BULK),
        (expected, answer),
    )

    assert result is answer


def test_change_is_never_sent_again() -> None:
    answer = ProtoOAVersionRes(version="90")
    expected = Call(ProtoOAVersionReq(), ProtoOAVersionRes, resend=False)

    assert converse(change(ProtoOAVersionReq(), ProtoOAVersionRes), (expected, answer)) is answer


def test_error_of_the_command_reaches_the_caller() -> None:
    expected = Call(ProtoOAVersionReq(), ProtoOAVersionRes)
    failure = TimeoutError("late")

    with pytest.raises(TimeoutError, match="late"):
        converse(read(ProtoOAVersionReq(), ProtoOAVersionRes), (expected, failure))


def test_answer_of_another_type_is_refused_with_both_names() -> None:
    request = ProtoOATraderReq(ctidTraderAccountId=7)

    with pytest.raises(UnexpectedResponseError) as caught:
        converse(
            read(request, ProtoOATraderRes, account_id=7),
            (Call(request, ProtoOATraderRes, account_id=7), ProtoOAVersionRes(version="90")),
        )

    assert caught.value.expected == "ProtoOATraderRes"
    assert caught.value.received == "ProtoOAVersionRes"
    assert caught.value.request_type == "ProtoOATraderReq"


def test_result_of_a_command_that_is_no_request_is_checked_too() -> None:
    with pytest.raises(UnexpectedResponseError) as caught:
        converse(command(WaitApplication(), ProtoOAApplicationAuthRes), (WaitApplication(), None))

    assert caught.value.received == "NoneType"
    assert caught.value.request_type is None


def test_trade_is_sent_once_with_trading_priority_and_gives_a_typed_event() -> None:
    request = ProtoOACancelOrderReq(ctidTraderAccountId=7, orderId=3)
    expected = Call(
        request,
        reply=None,
        completion=Completion.CANCELLED,
        priority=Priority.TRADING,
        resend=False,
        account_id=7,
        fills_in_digits=True,
    )

    event = converse(
        trade(request, Completion.CANCELLED, account_id=7),
        (expected, ProtoOAExecutionEvent(ctidTraderAccountId=7, executionType="ORDER_CANCELLED")),
    )

    assert event.account_id == 7
    assert event.execution_type is ExecutionType.ORDER_CANCELLED


def test_trade_with_an_answer_that_makes_no_sense_has_an_unknown_outcome() -> None:
    request = ProtoOACancelOrderReq(ctidTraderAccountId=7, orderId=3)
    nonsense = ProtoOAExecutionEvent(
        ctidTraderAccountId=7,
        executionType="ORDER_CANCELLED",
        order=ProtoOAOrder(
            orderId=3,
            tradeData=ProtoOATradeData(symbolId=1, volume=100, tradeSide="BUY"),
            orderType=ProtoOAOrderType.LIMIT,
            orderStatus="ORDER_STATUS_CANCELLED",
            clientOrderId="mine",
            limitPrice=float("nan"),
        ),
    )
    expected = order(request, Completion.CANCELLED)

    with pytest.raises(OrderOutcomeUnknownError) as caught:
        converse(trade(request, Completion.CANCELLED, account_id=7), (expected, nonsense))

    assert caught.value.client_order_id == "mine"
    assert caught.value.order_id == 3
    assert caught.value.position_id is None
    assert caught.value.request_type == "ProtoOACancelOrderReq"


@pytest.mark.parametrize(
    ("digits", "margin"),
    [(3, "14.323"), (0, "14323"), (8, "0.00014323"), (None, "143.23")],
)
def test_money_of_an_execution_has_the_digits_that_the_session_filled_in(
    digits: int | None, margin: str
) -> None:
    request = ProtoOACancelOrderReq(ctidTraderAccountId=7, orderId=3)
    call = order(request, Completion.CANCELLED)
    answer = ProtoOAExecutionEvent(
        ctidTraderAccountId=7,
        executionType="ORDER_CANCELLED",
        position=ProtoOAPosition(
            positionId=5,
            tradeData=ProtoOATradeData(symbolId=1, volume=100, tradeSide="BUY"),
            positionStatus="POSITION_STATUS_OPEN",
            swap=0,
            usedMargin=14323,
        ),
    )
    if digits is not None:
        answer.position.moneyDigits = digits

    done = converse(trade(request, Completion.CANCELLED, account_id=7), (call, answer))

    assert done.position is not None
    assert done.position.used_margin == Decimal(margin)
