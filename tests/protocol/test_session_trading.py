"""A trading request is sent now or not at all, once, and ends in exactly one way."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from ctrader.errors import (
    ClientClosedError,
    CTraderConnectionClosedError,
    CTraderConnectionTimeoutError,
    DeserializationError,
    DuplicateClientOrderIdError,
    NotEnoughMoneyError,
    OrderNotFoundError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    RateLimitedError,
    UnexpectedResponseError,
)
from ctrader.events import ExecutionEvent, OrderErrorEvent
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAAccountDisconnectEvent,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOAOrder,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOAPositionStatus,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
    ProtoOATradeData,
    ProtoOAVersionRes,
)
from ctrader.protocol.commands import (
    Authorize,
    Call,
    CallId,
    CancelResult,
    Completion,
    Priority,
)
from ctrader.protocol.effects import CallCompleted, CloseConnection, Finished, Phase
from ctrader.protocol.envelope import encode_envelope, encode_message
from ctrader.units import SECOND
from tests.protocol.peer import ACCOUNT, Peer, credentials, market_order, trade_call

ORDER = ProtoOANewOrderReq


def ready(**changes: float) -> Peer:
    peer = Peer(changes)
    peer.make_ready()
    peer.clear()
    return peer


def not_sent(peer: Peer, call_id: int) -> OrderNotSentError:
    error = peer.errors[call_id]
    assert isinstance(error, OrderNotSentError)
    assert peer.requests(ORDER) == []
    return error


def unknown(peer: Peer, call_id: int) -> OrderOutcomeUnknownError:
    error = peer.errors[call_id]
    assert isinstance(error, OrderOutcomeUnknownError)
    return error


# How it ends


def test_market_order_is_done_at_its_fill():
    peer = ready()
    call_id = peer.submit(trade_call())
    message_id = peer.sent[0].message_id
    peer.push(peer.execution("ORDER_ACCEPTED"), message_id=message_id)
    assert call_id not in peer.results
    filled = peer.execution("ORDER_FILLED")
    peer.push(filled, message_id=message_id)
    assert peer.results[call_id] == filled


def test_market_order_accepted_and_filled_in_one_read():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.push(
        peer.execution("ORDER_ACCEPTED"),
        peer.execution("ORDER_FILLED"),
        message_id=peer.sent[0].message_id,
    )
    result = peer.results[call_id]
    assert isinstance(result, ProtoOAExecutionEvent)
    assert result == peer.execution("ORDER_FILLED")


def test_protective_order_after_the_fill_is_an_event_only():
    peer = ready()
    peer.session.listen(frozenset({ExecutionEvent}), None)
    peer.submit(trade_call())
    message_id = peer.sent[0].message_id
    peer.push(peer.execution("ORDER_FILLED"), message_id=message_id)
    peer.clear()
    peer.push(peer.execution("ORDER_ACCEPTED", isServerEvent=True), message_id=message_id)
    assert [type(output) for output in peer.outputs] == [ExecutionEvent]


def test_execution_event_comes_before_the_completion():
    peer = ready()
    peer.session.listen(frozenset({ExecutionEvent}), None)
    peer.submit(trade_call())
    peer.answer(ORDER, peer.execution("ORDER_FILLED"))
    assert [type(output) for output in peer.outputs] == [ExecutionEvent, CallCompleted]


def test_unknown_execution_type_leaves_the_order_open():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.receive(encode_envelope(2126, b"\x10\x01\x18\x63", peer.sent[0].message_id))
    assert call_id not in peer.results
    assert call_id not in peer.errors
    peer.answer(ORDER, peer.execution("ORDER_FILLED"))
    assert call_id in peer.results


def test_order_error_event_refuses_it():
    peer = ready()
    peer.session.listen(frozenset({OrderErrorEvent}), None)
    call_id = peer.submit(trade_call(market_order(clientOrderId="mine")))
    peer.answer(
        ORDER,
        ProtoOAOrderErrorEvent(
            ctidTraderAccountId=ACCOUNT,
            errorCode="NOT_ENOUGH_MONEY",
            description="for the-client-secret",
            orderId=7,
            positionId=0,
        ),
    )
    error = peer.errors[call_id]
    assert isinstance(error, OrderRejectedError)
    assert isinstance(error, NotEnoughMoneyError)
    assert (error.client_order_id, error.order_id, error.position_id) == ("mine", 7, None)
    assert error.description == "for ***"
    assert len(peer.seen(OrderErrorEvent)) == 1


def test_error_answer_refuses_it():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.refuse(ORDER, "MARKET_CLOSED")
    assert isinstance(peer.errors[call_id], OrderRejectedError)


def test_execution_event_may_reject_it():
    peer = ready()
    call_id = peer.submit(trade_call())
    event = peer.execution("ORDER_REJECTED", errorCode="TRADING_BAD_VOLUME")
    trade = ProtoOATradeData(symbolId=1, volume=1, tradeSide="BUY")
    event.order.CopyFrom(
        ProtoOAOrder(
            orderId=9, tradeData=trade, orderType="MARKET", orderStatus="ORDER_STATUS_REJECTED"
        )
    )
    peer.answer(ORDER, event)
    error = peer.errors[call_id]
    assert isinstance(error, OrderRejectedError)
    assert (error.error_code, error.order_id) == ("TRADING_BAD_VOLUME", 9)


def part(
    peer: Peer, kind: str, filled: int, status: str, **fields: object
) -> ProtoOAExecutionEvent:
    """What is told of an order of 300 of which something is filled."""
    event = peer.execution(kind, **fields)
    event.order.orderId = 9
    event.order.tradeData.CopyFrom(ProtoOATradeData(symbolId=1, volume=300, tradeSide="BUY"))
    event.order.orderType = ProtoOAOrderType.MARKET
    event.order.orderStatus = getattr(ProtoOAOrderStatus, f"ORDER_STATUS_{status}")
    event.order.executedVolume = filled
    return event


def filled_volume(peer: Peer, call_id: CallId) -> int:
    event = peer.results[call_id]
    assert isinstance(event, ProtoOAExecutionEvent)
    return event.order.executedVolume


def test_order_of_which_a_part_was_filled_was_not_refused():
    peer = ready()
    call_id = peer.submit(trade_call())
    message_id = peer.sent[0].message_id
    peer.push(part(peer, "ORDER_PARTIAL_FILL", 100, "ACCEPTED"), message_id=message_id)
    assert call_id not in peer.results
    peer.push(
        part(peer, "ORDER_REJECTED", 100, "REJECTED", errorCode="NO_QUOTES"), message_id=message_id
    )
    assert filled_volume(peer, call_id) == 100


@pytest.mark.parametrize("volume", [0, None])
def test_part_that_was_filled_counts_whatever_the_rejection_says(volume: int | None):
    peer = ready()
    call_id = peer.submit(trade_call())
    message_id = peer.sent[0].message_id
    peer.push(part(peer, "ORDER_PARTIAL_FILL", 100, "ACCEPTED"), message_id=message_id)
    rejected = peer.execution("ORDER_REJECTED", errorCode="NO_QUOTES")
    if volume is not None:
        rejected = part(peer, "ORDER_REJECTED", volume, "REJECTED")
    peer.push(rejected, message_id=message_id)
    assert call_id in peer.results


def test_rejection_itself_may_say_that_a_part_was_filled():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.answer(ORDER, part(peer, "ORDER_REJECTED", 100, "REJECTED"))
    assert filled_volume(peer, call_id) == 100


@pytest.mark.parametrize("completion", [Completion.REPLACED, Completion.CANCELLED])
def test_refused_change_of_a_partly_filled_order_is_a_refusal(completion: Completion):
    peer = ready()
    cancel = ProtoOACancelOrderReq(ctidTraderAccountId=ACCOUNT, orderId=9)
    call_id = peer.submit(trade_call(cancel, completion))
    peer.answer(ProtoOACancelOrderReq, part(peer, "ORDER_CANCEL_REJECTED", 100, "ACCEPTED"))
    assert isinstance(peer.errors[call_id], OrderRejectedError)


@pytest.mark.parametrize("kind", ["ORDER_CANCELLED", "ORDER_REJECTED", "ORDER_FILLED"])
def test_protective_order_that_goes_first_does_not_end_a_close(kind: str):
    peer = ready()
    close = ProtoOAClosePositionReq(ctidTraderAccountId=ACCOUNT, positionId=5, volume=300)
    call_id = peer.submit(trade_call(close))
    message_id = peer.sent[0].message_id
    guard = part(peer, kind, 0, "CANCELLED")
    guard.order.orderType = ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT
    peer.push(guard, message_id=message_id)
    assert call_id not in peer.results
    assert call_id not in peer.errors
    peer.push(part(peer, "ORDER_FILLED", 300, "FILLED"), message_id=message_id)
    assert filled_volume(peer, call_id) == 300


def test_last_part_ends_the_order():
    peer = ready()
    call_id = peer.submit(trade_call())
    message_id = peer.sent[0].message_id
    peer.push(part(peer, "ORDER_PARTIAL_FILL", 100, "ACCEPTED"), message_id=message_id)
    assert call_id not in peer.results
    peer.push(part(peer, "ORDER_PARTIAL_FILL", 300, "FILLED"), message_id=message_id)
    assert filled_volume(peer, call_id) == 300


@pytest.mark.parametrize(("filled", "ends"), [(299, False), (300, True)])
def test_last_part_is_known_by_what_was_asked_for(filled: int, ends: bool):
    peer = ready()
    close = ProtoOAClosePositionReq(ctidTraderAccountId=ACCOUNT, positionId=5, volume=300)
    call_id = peer.submit(trade_call(close))
    message_id = peer.sent[0].message_id
    peer.push(part(peer, "ORDER_PARTIAL_FILL", filled, "ACCEPTED"), message_id=message_id)
    assert (call_id in peer.results) is ends


@pytest.mark.parametrize(
    "answer",
    [
        ProtoOAOrderErrorEvent(ctidTraderAccountId=ACCOUNT, errorCode="POSITION_NOT_FOUND"),
        ProtoOAErrorRes(ctidTraderAccountId=ACCOUNT, errorCode="MARKET_CLOSED"),
    ],
)
def test_error_after_the_acceptance_leaves_the_outcome_unknown(answer: Message):
    peer = ready()
    call_id = peer.submit(trade_call())
    message_id = peer.sent[0].message_id
    peer.push(part(peer, "ORDER_ACCEPTED", 0, "ACCEPTED"), message_id=message_id)
    peer.push(answer, message_id=message_id)
    assert answer.errorCode in str(unknown(peer, call_id))  # type: ignore[attr-defined]  # both have it


@pytest.mark.parametrize(
    "answer",
    [
        ProtoOAOrderErrorEvent(ctidTraderAccountId=ACCOUNT, errorCode="NO_QUOTES"),
        ProtoOAErrorRes(ctidTraderAccountId=ACCOUNT, errorCode="MARKET_CLOSED"),
    ],
)
def test_error_after_a_part_was_filled_leaves_the_outcome_unknown(answer: Message):
    peer = ready()
    call_id = peer.submit(trade_call())
    message_id = peer.sent[0].message_id
    filled = part(peer, "ORDER_PARTIAL_FILL", 100, "ACCEPTED")
    filled.position.positionId = 5
    filled.position.tradeData.CopyFrom(filled.order.tradeData)
    filled.position.positionStatus = ProtoOAPositionStatus.POSITION_STATUS_OPEN
    filled.position.swap = 0
    peer.push(filled, message_id=message_id)
    peer.push(answer, message_id=message_id)
    error = unknown(peer, call_id)
    assert (error.order_id, error.position_id) == (9, 5)
    assert answer.errorCode in str(error)  # type: ignore[attr-defined]  # both have it


def test_outcome_that_is_unknown_after_a_timeout_advises_no_second_order():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.advance(60)
    text = str(unknown(peer, call_id))
    assert "got no answer within" in text
    assert "Repeat it" not in text
    assert "do not repeat it before it is resolved" in text


def test_order_without_an_answer_in_time_is_not_sent_again():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.advance(180)
    unknown(peer, call_id)
    assert sum(isinstance(frame.message, ORDER) for frame in peer.history) == 1


def test_rejection_without_a_code_says_what_it_was():
    peer = ready()
    cancel = ProtoOACancelOrderReq(ctidTraderAccountId=ACCOUNT, orderId=5)
    call_id = peer.submit(trade_call(cancel, Completion.CANCELLED))
    peer.answer(ProtoOACancelOrderReq, peer.execution("ORDER_CANCEL_REJECTED"))
    error = peer.errors[call_id]
    assert isinstance(error, OrderRejectedError)
    assert error.error_code == "ORDER_CANCEL_REJECTED"


def test_rejection_with_an_unknown_code_is_still_a_rejection():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.answer(ORDER, peer.execution("ORDER_REJECTED", errorCode="OF_THE_FUTURE"))
    assert isinstance(peer.errors[call_id], OrderRejectedError)


@pytest.mark.parametrize("code", ["TIMEOUT_ERROR", "CANT_ROUTE_REQUEST", "OF_THE_FUTURE"])
def test_error_that_proves_nothing_leaves_the_outcome_unknown(code):
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.refuse(ORDER, code)
    assert unknown(peer, call_id).client_order_id is not None


def test_missing_order_is_told_as_such():
    peer = ready()
    cancel = ProtoOACancelOrderReq(ctidTraderAccountId=ACCOUNT, orderId=5)
    call_id = peer.submit(trade_call(cancel, Completion.CANCELLED))
    peer.refuse(ProtoOACancelOrderReq, "ORDER_NOT_FOUND")
    assert isinstance(peer.errors[call_id], OrderNotFoundError)


def test_answer_that_does_not_decode_leaves_the_outcome_unknown_and_keeps_the_link():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.receive(encode_envelope(2126, b"\x10\x01", peer.sent[0].message_id))
    assert isinstance(unknown(peer, call_id).cause, DeserializationError)
    assert peer.is_connected()


def test_answer_of_a_type_that_ends_no_order_leaves_the_outcome_unknown():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.answer(ORDER, ProtoOAVersionRes(version="90"))
    assert isinstance(unknown(peer, call_id).cause, UnexpectedResponseError)


# Not sent


def test_order_before_the_first_connection_is_not_sent():
    peer = Peer()
    not_sent(peer, peer.submit(trade_call()))


def test_order_before_the_application_is_not_sent():
    peer = Peer()
    peer.connect()
    not_sent(peer, peer.submit(trade_call()))


def test_order_on_an_unknown_account_is_not_sent():
    peer = Peer()
    peer.connect_application()
    error = not_sent(peer, peer.submit(trade_call()))
    assert str(error).endswith(
        f"was not sent: account {ACCOUNT} was not authenticated with this client; do that first, "
        "by client.auth.authenticate_account(). It is safe to place it again."
    )
    not_sent(
        peer,
        peer.submit(Call(market_order(), completion=Completion.FILLED, priority=Priority.TRADING)),
    )


def test_order_on_an_account_that_is_not_ready_is_not_sent():
    peer = Peer()
    peer.connect_application()
    peer.submit(Authorize(credentials()))
    not_sent(peer, peer.submit(trade_call()))


def test_order_while_topics_are_being_restored_is_not_sent():
    peer = ready()
    peer.hold_spots(1)
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    not_sent(peer, peer.submit(trade_call()))
    peer.answer(ProtoOASubscribeSpotsReq)
    peer.submit(trade_call())
    assert len(peer.requests(ORDER)) == 1


def test_order_during_an_outage_is_not_sent():
    peer = ready()
    peer.connection_lost()
    error = not_sent(peer, peer.submit(trade_call()))
    assert error.client_order_id is not None
    assert error.account_id == ACCOUNT


def test_order_that_waits_when_the_link_is_lost_is_not_sent():
    peer = ready()
    peer.can_write = False
    call_id = peer.submit(trade_call())
    peer.connection_lost()
    peer.can_write = True
    peer.reopen()
    peer.connection_made()
    peer.answer(ProtoOAApplicationAuthReq)
    peer.answer(ProtoOAAccountAuthReq)
    not_sent(peer, call_id)


def test_order_that_waits_too_long_is_not_sent():
    peer = ready()
    peer.can_write = False
    call_id = peer.submit(trade_call(), timeout=1)
    peer.advance(1)
    peer.can_write = True
    peer.carry_out()
    assert isinstance(not_sent(peer, call_id).cause, CTraderConnectionTimeoutError)


def test_order_whose_deadline_has_come_is_not_sent_even_if_nobody_looked_at_the_clock():
    peer = ready()
    peer.can_write = False
    call_id = peer.submit(trade_call(), timeout=1)
    peer.now += SECOND
    peer.write()
    not_sent(peer, call_id)


def test_order_without_any_time_is_not_sent():
    peer = ready()
    call_id = peer.submit(trade_call(), timeout=0)
    peer.advance(0)
    not_sent(peer, call_id)


def test_order_is_refused_while_its_kind_is_blocked():
    peer = ready()
    first = peer.submit(trade_call())
    peer.refuse(ORDER, "BLOCKED_PAYLOAD_TYPE", retry_after=5)
    error = peer.errors[first]
    assert isinstance(error, OrderRejectedError)
    assert isinstance(error, RateLimitedError)
    peer.clear()
    peer.advance(2)
    assert "for its rate, for 3 s more" in not_sent(peer, peer.submit(trade_call())).reason
    peer.advance(3)
    peer.submit(trade_call())
    assert len(peer.requests(ORDER)) == 1


def test_order_that_waits_when_its_kind_is_blocked_is_not_sent():
    peer = ready()
    peer.can_write = False
    peer.submit(trade_call())
    waiting = peer.submit(trade_call())
    peer.write(max_bytes=1)
    peer.refuse(ORDER, "BLOCKED_PAYLOAD_TYPE", retry_after=5)
    peer.can_write = True
    peer.clear()
    peer.advance(10)
    not_sent(peer, waiting)


def test_cancellation_that_waits_goes_out_while_orders_are_blocked():
    peer = ready()
    peer.can_write = False
    peer.submit(trade_call())
    cancel = ProtoOACancelOrderReq(ctidTraderAccountId=ACCOUNT, orderId=5)
    peer.submit(trade_call(cancel, Completion.CANCELLED))
    peer.write(max_bytes=1)
    peer.refuse(ORDER, "BLOCKED_PAYLOAD_TYPE", retry_after=5)
    peer.can_write = True
    peer.carry_out()
    assert len(peer.requests(ProtoOACancelOrderReq)) == 1


def test_close_of_a_position_goes_out_while_orders_are_blocked():
    peer = ready()
    peer.submit(trade_call())
    peer.refuse(ORDER, "BLOCKED_PAYLOAD_TYPE", retry_after=5)
    close = ProtoOAClosePositionReq(ctidTraderAccountId=ACCOUNT, positionId=1, volume=1)
    peer.submit(trade_call(close))
    assert len(peer.requests(ProtoOAClosePositionReq)) == 1


# Outcome unknown


def test_order_sent_before_the_link_is_lost_is_reported_unknown_and_never_sent_again():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    peer.advance(100)
    unknown(peer, call_id)
    assert len(peer.requests(ORDER)) == 1


def test_order_without_an_answer_in_time_is_reported_unknown():
    peer = ready()
    call_id = peer.submit(trade_call(), timeout=3)
    peer.advance(3)
    assert isinstance(unknown(peer, call_id).cause, CTraderConnectionTimeoutError)


def test_order_sent_before_the_account_is_dropped_is_reported_unknown():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    unknown(peer, call_id)
    peer.answer(ProtoOAAccountAuthReq)
    assert len(peer.requests(ORDER)) == 1


def test_late_execution_of_an_unknown_order_is_an_event():
    peer = ready()
    peer.session.listen(frozenset({ExecutionEvent}), None)
    call_id = peer.submit(trade_call(), timeout=3)
    peer.advance(3)
    peer.answer(ORDER, peer.execution("ORDER_FILLED"))
    assert len(peer.seen(ExecutionEvent)) == 1
    assert call_id not in peer.results


def test_order_is_unknown_when_the_session_gives_up():
    peer = ready(reconnect_attempts=0)
    sent = peer.submit(trade_call())
    peer.can_write = False
    waiting = peer.submit(trade_call())
    peer.connection_lost()
    unknown(peer, sent)
    assert isinstance(peer.errors[waiting], OrderNotSentError)


# Ids


def test_every_order_has_an_id_of_its_own():
    peer = ready()
    for _ in range(3):
        peer.submit(trade_call())
    assert len({order.clientOrderId for order in peer.requests(ORDER)}) == 3


def test_repeated_id_is_refused_for_the_life_of_the_session():
    peer = ready()
    peer.submit(trade_call(market_order(clientOrderId="mine")))
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    call_id = peer.submit(trade_call(market_order(clientOrderId="mine")))
    assert isinstance(peer.errors[call_id], DuplicateClientOrderIdError)
    assert len(peer.requests(ORDER)) == 1


def test_id_of_an_order_that_was_not_sent_may_be_used_again():
    peer = ready()
    peer.can_write = False
    first = peer.submit(trade_call(market_order(clientOrderId="mine")))
    assert peer.cancel(first) is CancelResult.NOT_SENT
    peer.can_write = True
    peer.submit(trade_call(market_order(clientOrderId="mine")))
    assert len(peer.requests(ORDER)) == 1


def test_id_of_a_cancelled_call_that_was_sent_is_not_used_again():
    peer = ready()
    first = peer.submit(trade_call(market_order(clientOrderId="mine")))
    assert peer.cancel(first) is CancelResult.SENT
    call_id = peer.submit(trade_call(market_order(clientOrderId="mine")))
    assert isinstance(peer.errors[call_id], DuplicateClientOrderIdError)


def test_refused_repetition_does_not_free_the_id():
    peer = ready()
    for _ in range(3):
        peer.submit(trade_call(market_order(clientOrderId="mine")))
    assert len(peer.requests(ORDER)) == 1


# Closing


def test_close_waits_for_the_answer_to_an_order():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.close()
    assert peer.closed == []
    peer.answer(ORDER, peer.execution("ORDER_FILLED"))
    assert call_id in peer.results
    assert peer.seen(CloseConnection) == [CloseConnection(1, discards=False)]
    peer.connection_lost(None)
    assert peer.outputs[-1] == Finished(None)


def test_close_waits_no_longer_than_its_grace():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.close(grace=2)
    peer.advance(1.9)
    assert call_id not in peer.errors
    peer.advance(0.1)
    assert isinstance(unknown(peer, call_id).cause, ClientClosedError)
    assert peer.seen(CloseConnection) == [CloseConnection(1, discards=True)]
    peer.advance(1)
    assert peer.session.phase is Phase.FINISHED


def test_session_that_is_abandoned_says_what_became_of_each_order():
    peer = ready()
    sent = peer.submit(trade_call())
    peer.clear()
    peer.can_write = False
    waiting = peer.submit(trade_call())
    error = ClientClosedError("it broke")
    for cause in (error, ClientClosedError("it broke once more")):
        peer.session.abandon(cause, peer.now)
    peer.can_write = True
    peer.carry_out()
    assert unknown(peer, sent).cause is error
    assert not_sent(peer, waiting).cause is error
    assert peer.outputs[-1] == Finished(error)
    assert peer.outputs.count(Finished(error)) == 1


@pytest.mark.parametrize("ending", ["timeout", "cancel"])
def test_close_after_an_order_without_an_answer_delivers_nothing_more(ending):
    peer = ready()
    call_id = peer.submit(trade_call(), timeout=1)
    if ending == "timeout":
        peer.advance(1)
        unknown(peer, call_id)
    else:
        assert peer.cancel(call_id) is CancelResult.SENT
    peer.close()
    assert peer.seen(CloseConnection) == [CloseConnection(1, discards=True)]


QUESTION = Call(
    ProtoOASymbolByIdReq(ctidTraderAccountId=ACCOUNT, symbolId=[1]),
    ProtoOASymbolByIdRes,
    priority=Priority.TRADING,
    account_id=ACCOUNT,
)
"""What an order depends on: asked now or not at all, and nothing at the market hangs on it."""


@pytest.mark.parametrize("ending", ["timeout", "cancel"])
def test_question_without_an_answer_does_not_spoil_the_close(ending):
    peer = ready()
    call_id = peer.submit(QUESTION, timeout=1)
    if ending == "timeout":
        peer.advance(1)
        assert isinstance(peer.errors[call_id], CTraderConnectionTimeoutError)
    else:
        assert peer.cancel(call_id) is CancelResult.SENT
    peer.close()
    assert peer.seen(CloseConnection) == [CloseConnection(1, discards=False)]


def test_close_does_not_wait_for_the_answer_to_a_question():
    peer = ready()
    call_id = peer.submit(QUESTION)
    peer.close()
    assert isinstance(peer.errors[call_id], ClientClosedError)
    assert peer.seen(CloseConnection) == [CloseConnection(1, discards=False)]


def test_question_is_never_asked_on_a_later_link():
    peer = ready()
    call_id = peer.submit(QUESTION)
    peer.can_write = False
    waiting = peer.submit(QUESTION)
    peer.connection_lost()
    for lost in (call_id, waiting):
        assert isinstance(peer.errors[lost], CTraderConnectionClosedError)
    not_sent(peer, peer.submit(QUESTION))
    peer.can_write = True
    peer.reopen()
    peer.connection_made()
    peer.answer(ProtoOAApplicationAuthReq, ProtoOAApplicationAuthRes())
    not_sent(peer, peer.submit(QUESTION))
    peer.answer(ProtoOAAccountAuthReq)
    assert len(peer.requests(ProtoOASymbolByIdReq)) == 1


def test_question_does_not_wait_for_its_rate():
    peer = ready()
    refused = peer.submit(QUESTION)
    peer.can_write = False
    waiting = peer.submit(QUESTION)
    peer.refuse(ProtoOASymbolByIdReq, "REQUEST_FREQUENCY_EXCEEDED", retry_after=1)
    assert isinstance(peer.errors[refused], RateLimitedError)
    not_sent(peer, waiting)


def test_order_without_an_answer_on_an_earlier_link_does_not_spoil_the_close():
    peer = ready()
    peer.submit(trade_call())
    peer.reconnect()
    peer.close()
    assert peer.seen(CloseConnection)[-1] == CloseConnection(2, discards=False)


def test_close_without_grace_does_not_wait():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.close(grace=0)
    peer.advance(0)
    unknown(peer, call_id)


def test_close_does_not_send_what_still_waits():
    peer = ready()
    peer.can_write = False
    call_id = peer.submit(trade_call())
    peer.close()
    peer.can_write = True
    peer.carry_out()
    not_sent(peer, call_id)
    assert peer.closed == [1]


def test_link_lost_while_closing_ends_the_session():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.close()
    peer.connection_lost(None)
    unknown(peer, call_id)
    assert peer.outputs[-1] == Finished(None)


def test_server_that_breaks_off_while_closing_ends_the_waiting():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.close(grace=60)
    peer.receive(b"\xff\xff\xff\xff")
    unknown(peer, call_id)
    assert peer.closed == [1]


def test_cancelling_the_last_order_while_closing_shuts_the_transport():
    peer = ready()
    call_id = peer.submit(trade_call())
    peer.close(grace=60)
    assert peer.cancel(call_id) is CancelResult.SENT
    assert peer.closed == [1]
    peer.advance(1)
    assert peer.session.phase is Phase.FINISHED


def test_heartbeats_go_on_while_closing():
    peer = ready(heartbeat_interval=1, heartbeat_timeout=0)
    peer.submit(trade_call())
    peer.clear()
    peer.close(grace=5)
    peer.advance(4.5)
    assert len(peer.sent) == 4


def test_bytes_after_the_last_answer_are_left_unread():
    peer = ready()
    peer.session.listen(frozenset({ExecutionEvent}), None)
    peer.submit(trade_call())
    peer.close()
    filled = encode_message(peer.execution("ORDER_FILLED"), peer.sent[0].message_id)
    peer.receive(filled + filled)
    assert len(peer.seen(ExecutionEvent)) == 1


def test_order_in_the_clothes_of_a_read_is_still_sent_once_only() -> None:
    peer = ready()
    call_id = peer.submit(Call(market_order(), completion=Completion.FILLED, account_id=ACCOUNT))
    assert len(peer.requests(ORDER)) == 1
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq, ProtoOAAccountAuthRes(ctidTraderAccountId=ACCOUNT))
    assert [type(sent.message) for sent in peer.history].count(ORDER) == 1
    assert isinstance(peer.errors[call_id], OrderOutcomeUnknownError)


def test_order_changed_by_its_caller_after_submission_is_sent_as_submitted() -> None:
    peer = ready()
    peer.can_write = False
    request = market_order()
    request.clientOrderId = "mine"
    submitted = request.volume
    peer.submit(trade_call(request))
    request.volume = 999
    peer.can_write = True
    peer.write()
    assert [message.volume for message in peer.requests(ORDER)] == [submitted]
