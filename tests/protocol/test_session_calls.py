"""Requests that read: their answers, their deadlines, and what outlasts a link."""

from __future__ import annotations

import math

import pytest

from ctrader.errors import (
    APIError,
    CTraderConnectionClosedError,
    CTraderConnectionTimeoutError,
    DeserializationError,
    FramingError,
    InvalidRequestError,
    MarketClosedError,
    ProtocolError,
    RateLimitedError,
    UnexpectedResponseError,
)
from ctrader.events import ExecutionEvent, ServerErrorEvent, UndecodableMessageEvent
from ctrader.proto import (
    ProtoErrorRes,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAApplicationAuthReq,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetAccountListByAccessTokenRes,
    ProtoOAOrderErrorEvent,
    ProtoOASymbol,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.protocol.commands import Authorize, Call, CancelResult, Completion, Priority
from ctrader.protocol.envelope import encode_envelope, encode_message
from ctrader.units import SECOND
from tests.protocol.peer import ACCOUNT, OTHER_ACCOUNT, Peer, credentials, read_call

REQ, RES = ProtoOASymbolsListReq, ProtoOASymbolsListRes


def ready() -> Peer:
    peer = Peer()
    peer.make_ready()
    peer.clear()
    return peer


# Answers


def test_call_ends_with_its_answer():
    peer = ready()
    call_id = peer.submit(read_call())
    peer.answer(REQ)
    assert peer.results[call_id] == RES(ctidTraderAccountId=ACCOUNT)


def test_answers_may_come_in_any_order():
    peer = ready()
    first, second = peer.submit(read_call()), peer.submit(read_call())
    one, two = peer.sent
    peer.push(RES(ctidTraderAccountId=2), message_id=two.message_id)
    peer.push(RES(ctidTraderAccountId=1), message_id=one.message_id)
    assert list(peer.results)[-2:] == [second, first]
    assert peer.results[first] == RES(ctidTraderAccountId=1)


def test_second_answer_to_one_request_is_nothing():
    peer = ready()
    call_id = peer.submit(read_call())
    message_id = peer.sent[0].message_id
    for _ in range(2):
        peer.push(RES(ctidTraderAccountId=ACCOUNT), message_id=message_id)
    assert list(peer.results)[-1] == call_id


def test_answer_without_an_id_ends_nothing():
    peer = ready()
    call_id = peer.submit(read_call())
    peer.push(RES(ctidTraderAccountId=ACCOUNT))
    assert call_id not in peer.results


def test_frame_with_somebody_else_s_id_is_an_ordinary_event():
    peer = ready()
    peer.session.listen(frozenset({ExecutionEvent}), None)
    peer.push(peer.execution("ORDER_FILLED"), message_id="of-another-program")
    assert len(peer.seen(ExecutionEvent)) == 1


def test_answer_of_another_type_fails_the_call():
    peer = ready()
    call_id = peer.submit(read_call())
    peer.answer(REQ, ProtoOAVersionRes(version="90"))
    error = peer.errors[call_id]
    assert isinstance(error, UnexpectedResponseError)
    assert (error.expected, error.received) == ("ProtoOASymbolsListRes", "ProtoOAVersionRes")


def test_execution_event_with_the_id_of_a_read_does_not_end_it():
    peer = ready()
    call_id = peer.submit(read_call())
    peer.push(peer.execution("ORDER_FILLED"), message_id=peer.sent[0].message_id)
    peer.answer(REQ)
    assert call_id in peer.results


@pytest.mark.parametrize("family", [ProtoErrorRes, ProtoOAErrorRes])
def test_both_error_families_are_one_error(family):
    peer = ready()
    call_id = peer.submit(read_call())
    peer.answer(REQ, family(errorCode="MARKET_CLOSED", description="closed"))
    error = peer.errors[call_id]
    assert isinstance(error, MarketClosedError)
    assert (error.error_code, error.description) == ("MARKET_CLOSED", "closed")
    assert error.request_type == "ProtoOASymbolsListReq"


def test_unknown_code_is_a_plain_error():
    peer = ready()
    call_id = peer.submit(read_call())
    peer.answer(REQ, ProtoOAErrorRes(errorCode="OF_THE_FUTURE", ctidTraderAccountId=ACCOUNT))
    error = peer.errors[call_id]
    assert type(error) is APIError
    assert (error.error_code, error.account_id) == ("OF_THE_FUTURE", ACCOUNT)


def test_order_error_event_may_refuse_a_read():
    peer = ready()
    call_id = peer.submit(read_call())
    peer.answer(
        REQ, ProtoOAOrderErrorEvent(ctidTraderAccountId=ACCOUNT, errorCode="INVALID_REQUEST")
    )
    assert isinstance(peer.errors[call_id], InvalidRequestError)


def test_error_without_an_id_is_an_event():
    peer = ready()
    call_id = peer.submit(read_call())
    peer.push(ProtoOAErrorRes(errorCode="X", ctidTraderAccountId=OTHER_ACCOUNT))
    (event,) = peer.seen(ServerErrorEvent)
    assert (event.error.error_code, event.account_id) == ("X", OTHER_ACCOUNT)
    assert call_id not in peer.errors


def test_raw_error_message_may_be_listened_to():
    peer = ready()
    peer.session.listen(frozenset({ProtoErrorRes}), None)
    message = ProtoErrorRes(errorCode="X")
    peer.push(message)
    assert message in peer.outputs


@pytest.mark.parametrize(
    "secret", ["the-client-secret", "the-access-token", "the-access-token-refresh"]
)
def test_secrets_in_texts_of_the_server_do_not_show(secret):
    peer = ready()
    call_id = peer.submit(read_call())
    peer.refuse(REQ, "INVALID_REQUEST", f"bad {secret}!")
    peer.push(ProtoOAErrorRes(errorCode="X", description=f"bad {secret}!"))
    error = peer.errors[call_id]
    assert isinstance(error, APIError)
    assert error.description == "bad ***!"
    (event,) = peer.seen(ServerErrorEvent)
    assert secret not in str(event.error)


def test_token_inside_a_request_does_not_show_in_its_refusal():
    peer = ready()
    request = ProtoOAGetAccountListByAccessTokenReq(accessToken="token-of-nobody-yet")
    call_id = peer.submit(Call(request, ProtoOAGetAccountListByAccessTokenRes))
    peer.refuse(type(request), "CH_ACCESS_TOKEN_INVALID", "unknown token-of-nobody-yet")
    assert "token-of-nobody-yet" not in str(peer.errors[call_id])


def test_maintenance_end_beyond_the_calendar_says_nothing():
    peer = ready()
    call_id = peer.submit(read_call())
    peer.answer(
        REQ,
        ProtoErrorRes(errorCode="SERVER_IS_UNDER_MAINTENANCE", maintenanceEndTimestamp=2**64 - 1),
    )
    error = peer.errors[call_id]
    assert isinstance(error, APIError)
    assert error.maintenance_end is None


def test_event_comes_before_the_completion_that_the_same_frame_brings():
    peer = ready()
    peer.session.listen(frozenset({RES}), None)
    call_id = peer.submit(read_call())
    peer.clear()
    peer.answer(REQ)
    message, completed = peer.outputs
    assert isinstance(message, RES)
    assert peer.results[call_id] == message
    assert completed is not None


def test_batch_of_events_is_cut_where_a_completion_stands():
    peer = ready()
    peer.submit(read_call())
    message_id = peer.sent[0].message_id
    peer.clear()
    errors = [encode_message(ProtoErrorRes(errorCode=str(i))) for i in range(4)]
    answer = encode_message(RES(ctidTraderAccountId=ACCOUNT), message_id)
    peer.receive(errors[0] + errors[1] + answer + errors[2] + errors[3])
    assert [type(effect).__name__ for effect in peer.batches] == [
        "EventsReceived",
        "CallCompleted",
        "EventsReceived",
    ]


# Payloads that make no sense


def test_undecodable_answer_fails_the_call_and_keeps_the_link():
    peer = ready()
    call_id = peer.submit(read_call())
    peer.receive(encode_envelope(2115, b"\xff", peer.sent[0].message_id))
    assert isinstance(peer.errors[call_id], DeserializationError)
    (event,) = peer.seen(UndecodableMessageEvent)
    assert (event.payload_type, event.payload) == (2115, b"\xff")
    assert event.client_msg_id == peer.sent[0].message_id
    assert peer.is_connected()


def test_answer_without_a_required_field_is_undecodable():
    peer = ready()
    call_id = peer.submit(read_call())
    peer.receive(encode_envelope(2115, b"", peer.sent[0].message_id))
    assert "ctidTraderAccountId" in str(peer.errors[call_id])


def test_undecodable_answer_to_the_application_makes_a_new_link():
    peer = Peer()
    peer.connect()
    peer.receive(encode_envelope(2101, b"\xff", peer.sent[0].message_id))
    assert peer.closed == [1]


# Deadlines


@pytest.mark.parametrize(
    ("resend", "is_answerable", "advice"),
    [
        (True, True, "Repeat it, or allow more time with timeout=."),
        (False, False, "Repeat it, or allow more time with timeout=."),
        (False, True, "It was sent and may have been carried out: look before you repeat it."),
    ],
)
def test_change_that_was_sent_and_not_answered_is_not_to_be_repeated_unseen(
    resend: bool, is_answerable: bool, advice: str
):
    peer = ready()
    peer.can_write = is_answerable
    call_id = peer.submit(read_call(resend=resend))
    peer.advance(60)
    assert str(peer.errors[call_id]).endswith(advice)


def test_call_without_an_answer_ends_at_its_deadline():
    peer = ready()
    call_id = peer.submit(read_call(), timeout=2)
    peer.advance(1.99)
    assert call_id not in peer.errors
    peer.advance(0.01)
    error = peer.errors[call_id]
    assert isinstance(error, CTraderConnectionTimeoutError)
    assert (error.timeout, error.operation) == (2, "ProtoOASymbolsListReq")


def test_default_deadline_is_the_request_timeout():
    peer = ready()
    call_id = peer.submit(read_call())
    peer.advance(29.9)
    assert call_id not in peer.errors
    peer.advance(0.2)
    assert call_id in peer.errors


def test_deadline_covers_the_time_in_the_queue():
    peer = ready()
    peer.can_write = False
    call_id = peer.submit(read_call(), timeout=2)
    peer.advance(2)
    assert call_id in peer.errors
    peer.can_write = True
    peer.carry_out()
    assert peer.sent == []


def test_deadline_covers_an_outage():
    peer = ready()
    peer.connection_lost()
    call_id = peer.submit(read_call(), timeout=0.2)
    peer.advance(0.2)
    assert isinstance(peer.errors[call_id], CTraderConnectionTimeoutError)


def test_request_whose_deadline_has_come_is_not_sent_even_if_nobody_looked_at_the_clock():
    peer = ready()
    peer.can_write = False
    call_id = peer.submit(read_call(), timeout=2)
    peer.now += 2 * SECOND
    peer.write()
    assert peer.sent == []
    assert call_id in peer.errors


@pytest.mark.parametrize("timeout", [0, -1, math.nan])
def test_call_without_any_time_is_not_sent(timeout):
    peer = ready()
    call_id = peer.submit(read_call(), timeout=timeout)
    assert peer.sent == []
    peer.advance(0)
    assert isinstance(peer.errors[call_id], CTraderConnectionTimeoutError)


def test_endless_timeout_is_refused_and_leaves_nothing():
    peer = ready()
    with pytest.raises(ValueError, match="finite"):
        peer.submit(read_call(), timeout=math.inf)
    with pytest.raises(ValueError, match="finite"):
        peer.start(timeout=math.inf)
    peer.close()
    peer.connection_lost(None)
    assert peer.errors == {}


def test_late_answer_is_nothing():
    peer = ready()
    call_id = peer.submit(read_call(), timeout=2)
    peer.advance(2)
    peer.clear()
    peer.answer(REQ)
    assert peer.outputs == []
    assert call_id not in peer.results


def test_late_refusal_is_an_event():
    peer = ready()
    peer.submit(read_call(), timeout=2)
    peer.advance(2)
    peer.refuse(REQ, "X")
    assert len(peer.seen(ServerErrorEvent)) == 1


# Cancelling


def test_cancelled_call_that_waits_is_never_sent():
    peer = ready()
    peer.can_write = False
    call_id = peer.submit(read_call())
    assert peer.cancel(call_id) is CancelResult.NOT_SENT
    peer.can_write = True
    peer.carry_out()
    assert peer.sent == []
    assert peer.cancel(call_id) is CancelResult.FINISHED


def test_cancelled_call_that_was_sent_ends_without_a_word():
    peer = ready()
    call_id = peer.submit(read_call())
    assert peer.cancel(call_id) is CancelResult.SENT
    peer.clear()
    peer.answer(REQ)
    assert peer.outputs == []


def test_cancelled_call_that_was_parked_is_never_sent():
    peer = ready()
    peer.connection_lost()
    call_id = peer.submit(read_call())
    assert peer.cancel(call_id) is CancelResult.NOT_SENT
    peer.reopen()
    peer.connection_made()
    peer.answer(ProtoOAApplicationAuthReq)
    peer.answer(ProtoOAAccountAuthReq)
    assert peer.requests(REQ) == []


# What must come first


def test_request_waits_for_the_application():
    peer = Peer()
    peer.connect()
    peer.submit(read_call(account_id=OTHER_ACCOUNT))
    assert peer.requests(REQ) == []
    peer.answer(ProtoOAApplicationAuthReq)
    assert len(peer.requests(REQ)) == 1


def test_request_of_an_account_on_its_way_waits_for_it():
    peer = Peer()
    peer.connect_application()
    peer.submit(Authorize(credentials()))
    peer.submit(read_call())
    assert peer.requests(REQ) == []
    peer.answer(ProtoOAAccountAuthReq)
    assert len(peer.requests(REQ)) == 1


def test_request_of_an_account_that_was_refused_is_sent_to_hear_why():
    peer = Peer()
    peer.connect_application()
    peer.submit(Authorize(credentials()))
    peer.submit(read_call())
    peer.refuse(ProtoOAAccountAuthReq, "CH_ACCESS_TOKEN_INVALID")
    assert len(peer.requests(REQ)) == 1


def test_message_that_needs_no_answer_is_done_when_it_is_handed_over():
    peer = ready()
    peer.can_write = False
    call_id = peer.submit(Call(ProtoHeartbeatEvent(), completion=Completion.SENT))
    assert call_id not in peer.results
    peer.can_write = True
    peer.carry_out()
    assert call_id in peer.results


def test_message_that_is_none_of_the_protocol_is_refused():
    peer = ready()
    call_id = peer.submit(Call(ProtoOASymbol()))
    assert isinstance(peer.errors[call_id], ProtocolError)


def test_message_without_a_required_field_is_refused():
    peer = ready()
    call_id = peer.submit(Call(ProtoOASymbolsListReq(), RES))
    assert "ctidTraderAccountId" in str(peer.errors[call_id])
    assert peer.sent == []


def test_message_that_is_too_long_is_refused():
    peer = ready()
    request = ProtoOAGetAccountListByAccessTokenReq(accessToken="x" * 15_000_000)
    call_id = peer.submit(Call(request))
    error = peer.errors[call_id]
    assert isinstance(error, FramingError)
    assert error.expected_bytes > error.received_bytes == 15_000_000


# Losing the link


def test_read_is_sent_again_on_the_next_link():
    peer = ready()
    call_id = peer.submit(read_call())
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    assert len(peer.requests(REQ)) == 2
    peer.answer(REQ)
    assert call_id in peer.results


def test_answer_to_the_old_id_does_not_count_on_the_next_link():
    peer = ready()
    call_id = peer.submit(read_call())
    old = peer.sent[0].message_id
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    peer.push(RES(ctidTraderAccountId=ACCOUNT), message_id=old)
    assert call_id not in peer.results


def test_change_is_not_sent_again():
    peer = ready()
    call_id = peer.submit(read_call(resend=False))
    peer.connection_lost(ConnectionResetError("reset"))
    error = peer.errors[call_id]
    assert isinstance(error, CTraderConnectionClosedError)
    assert isinstance(error.__cause__, ConnectionResetError)


def test_change_made_during_an_outage_waits_for_the_link():
    peer = ready()
    peer.connection_lost()
    peer.submit(read_call(resend=False))
    peer.reopen()
    peer.connection_made()
    peer.answer(ProtoOAApplicationAuthReq)
    peer.answer(ProtoOAAccountAuthReq)
    assert len(peer.requests(REQ)) == 1


# Rates


def test_no_more_than_the_rate_goes_out_in_a_second():
    peer = ready()
    peer.advance(2)
    peer.clear()
    for _ in range(100):
        peer.submit(read_call())
    assert len(peer.sent) == 45
    peer.advance(1)
    assert len(peer.sent) == 90
    peer.advance(1)
    assert len(peer.sent) == 100


def test_no_frame_is_begun_beyond_the_portion():
    peer = ready()
    peer.can_write = False
    for _ in range(5):
        peer.submit(read_call())
    peer.write(max_bytes=1)
    assert len(peer.sent) == 1
    peer.write(max_bytes=60)
    assert 2 <= len(peer.sent) < 5


@pytest.mark.parametrize("code", ["BLOCKED_PAYLOAD_TYPE", "REQUEST_FREQUENCY_EXCEEDED"])
def test_read_refused_for_its_rate_is_sent_again_inside_its_deadline(code):
    peer = ready()
    call_id = peer.submit(read_call())
    peer.refuse(REQ, code, retry_after=3)
    assert call_id not in peer.errors
    peer.advance(2.9)
    assert len(peer.requests(REQ)) == 1
    peer.advance(0.2)
    peer.answer(REQ)
    assert call_id in peer.results


def test_read_refused_for_its_rate_beyond_its_deadline_fails_at_once():
    peer = ready()
    call_id = peer.submit(read_call(), timeout=2)
    peer.refuse(REQ, "BLOCKED_PAYLOAD_TYPE", retry_after=3)
    error = peer.errors[call_id]
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 3


def test_blocked_type_does_not_hold_others_back():
    peer = ready()
    peer.submit(read_call())
    peer.refuse(REQ, "BLOCKED_PAYLOAD_TYPE", retry_after=3)
    peer.submit(Call(ProtoOAVersionReq(), ProtoOAVersionRes))
    assert len(peer.requests(ProtoOAVersionReq)) == 1


def test_urgent_requests_go_first():
    peer = ready()
    peer.can_write = False
    peer.submit(read_call(priority=Priority.BULK))
    peer.submit(read_call(priority=Priority.READ))
    peer.submit(Call(ProtoOAVersionReq(), ProtoOAVersionRes, priority=Priority.RECOVERY))
    peer.can_write = True
    peer.carry_out()
    assert peer.sent_kinds() == [ProtoOAVersionReq, REQ, REQ]


def test_execution_event_may_be_the_answer_to_a_request_without_a_named_one():
    peer = ready()
    call_id = peer.submit(Call(ProtoOAVersionReq()))
    peer.answer(ProtoOAVersionReq, peer.execution("ORDER_ACCEPTED"))
    assert isinstance(peer.results[call_id], ProtoOAExecutionEvent)
