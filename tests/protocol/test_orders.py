"""No order is doubled, and a trading call ends in exactly one way."""

from __future__ import annotations

from random import Random

import pytest

from ctrader.errors import (
    DuplicateClientOrderIdError,
    NotEnoughMoneyError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    api_error,
)
from ctrader.proto import ProtoOACancelOrderReq, ProtoOAClosePositionReq, ProtoOANewOrderReq
from ctrader.protocol.commands import Call, Priority
from ctrader.protocol.correlation import PendingCall
from ctrader.protocol.orders import OrderRegistry, trading_failure, trading_refusal
from tests.protocol.peer import market_order


def trading(request: object = None, *, sent: bool) -> PendingCall:
    message = market_order() if request is None else request
    call = Call(message, priority=Priority.TRADING, account_id=7)  # type: ignore[arg-type]
    return PendingCall(1, call, message, "mine", "id-1" if sent else None)  # type: ignore[arg-type]


@pytest.fixture
def registry() -> OrderRegistry:
    return OrderRegistry(Random(1))


def test_order_without_an_id_gets_a_unique_one(registry):
    ids = set()
    for _ in range(500):
        request, client_order_id = registry.prepare(market_order())
        assert request.clientOrderId == client_order_id
        ids.add(client_order_id)
    assert len(ids) == 500
    assert max(map(len, ids)) <= 50


def test_caller_s_message_stays_as_it_is(registry):
    order = market_order()
    registry.prepare(order)
    assert not order.HasField("clientOrderId")


def test_chosen_id_is_kept(registry):
    order = market_order(clientOrderId="mine")
    assert registry.prepare(order) == (order, "mine")


def test_repeated_id_is_refused(registry):
    registry.prepare(market_order(clientOrderId="mine"))
    with pytest.raises(DuplicateClientOrderIdError):
        registry.prepare(market_order(clientOrderId="mine"))


def test_released_id_may_be_used_again(registry):
    registry.prepare(market_order(clientOrderId="mine"))
    registry.release("mine")
    registry.release("never used")
    assert registry.prepare(market_order(clientOrderId="mine"))[1] == "mine"


def test_other_requests_have_no_id(registry):
    request = ProtoOACancelOrderReq(ctidTraderAccountId=1, orderId=2)
    assert registry.prepare(request) == (request, None)


def test_unsent_request_fails_as_not_sent():
    error = trading_failure(trading(sent=False), "the link is down")
    assert isinstance(error, OrderNotSentError)
    assert error.client_order_id == "mine"
    assert error.reason == "the link is down"
    assert error.account_id == 7


def test_sent_request_fails_as_unknown():
    cause = TimeoutError()
    error = trading_failure(trading(sent=True), "no answer", cause)
    assert isinstance(error, OrderOutcomeUnknownError)
    assert error.cause is cause
    assert error.request_type == ProtoOANewOrderReq.__name__
    assert (error.order_id, error.position_id) == (None, None)


def test_unknown_outcome_names_the_order_or_the_position():
    cancel = trading_failure(trading(ProtoOACancelOrderReq(orderId=5), sent=True), "")
    close = trading_failure(trading(ProtoOAClosePositionReq(positionId=6), sent=True), "")
    assert isinstance(cancel, OrderOutcomeUnknownError)
    assert isinstance(close, OrderOutcomeUnknownError)
    assert (cancel.order_id, cancel.position_id) == (5, None)
    assert (close.order_id, close.position_id) == (None, 6)


def test_refusal_keeps_the_class_of_its_code():
    refusal = api_error("NOT_ENOUGH_MONEY", "too little", account_id=7)
    error = trading_refusal(trading(sent=True), refusal, order_id=3, position_id=4)
    assert isinstance(error, OrderRejectedError)
    assert isinstance(error, NotEnoughMoneyError)
    assert (error.client_order_id, error.order_id, error.position_id) == ("mine", 3, 4)
    assert error.__cause__ is refusal


@pytest.mark.parametrize(
    "code",
    ["TIMEOUT_ERROR", "CANT_ROUTE_REQUEST", "UNKNOWN_ERROR", "CODE_OF_THE_FUTURE"],
)
def test_code_that_proves_nothing_leaves_the_outcome_unknown(code):
    error = trading_refusal(trading(sent=True), api_error(code))
    assert isinstance(error, OrderOutcomeUnknownError)


@pytest.mark.parametrize("code", ["BLOCKED_PAYLOAD_TYPE", "REQUEST_FREQUENCY_EXCEEDED"])
def test_rate_limit_proves_a_refusal(code):
    assert isinstance(trading_refusal(trading(sent=True), api_error(code)), OrderRejectedError)
