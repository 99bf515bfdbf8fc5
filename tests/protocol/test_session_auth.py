"""Authentication of the application and of accounts, first and on every later link."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import pytest

from ctrader.enums import AuthTrigger
from ctrader.errors import (
    AccountAuthError,
    APIError,
    ApplicationAuthError,
    CTraderConnectionClosedError,
    CTraderConnectionTimeoutError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    TokenExpiredError,
)
from ctrader.events import (
    AccountDisconnectEvent,
    DataGapEvent,
    DisconnectedEvent,
    ReadyEvent,
    ReconnectedEvent,
    ServerErrorEvent,
    SpotEvent,
    SubscriptionRestoreFailedEvent,
    TokenInvalidatedEvent,
)
from ctrader.proto import (
    ProtoErrorRes,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOAErrorRes,
    ProtoOANewOrderReq,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
    ProtoOAUnsubscribeSpotsReq,
)
from ctrader.protocol.commands import (
    Authorize,
    CancelResult,
    NextEvent,
    Pause,
    SpotTopic,
    Subscribe,
    WaitApplication,
    WaitReady,
)
from ctrader.protocol.effects import CallCompleted, Finished, Phase
from ctrader.units import SECOND
from tests.protocol.peer import (
    ACCOUNT,
    OTHER_ACCOUNT,
    UNIX_START,
    Peer,
    credentials,
    read_call,
    trade_call,
)

APP, AUTH = ProtoOAApplicationAuthReq, ProtoOAAccountAuthReq

# The application


def test_application_is_authenticated_by_its_answer():
    peer = Peer()
    peer.connect()
    waiting = peer.submit(WaitApplication())
    assert not peer.is_application_authenticated()
    peer.answer(APP)
    assert peer.is_application_authenticated()
    assert peer.is_ready()
    assert peer.results[waiting] == ProtoOAApplicationAuthRes()


def test_waiting_for_an_answered_application_ends_at_once():
    peer = Peer()
    peer.connect_application()
    assert peer.submit(WaitApplication()) in peer.results


@pytest.mark.parametrize("code", ["CH_CLIENT_ALREADY_AUTHENTICATED", "ALREADY_LOGGED_IN"])
def test_application_that_was_authenticated_before_is_fine(code):
    peer = Peer()
    peer.connect()
    peer.refuse(APP, code)
    assert peer.is_application_authenticated()


def test_refused_application_fails_everything_with_one_error():
    peer = Peer()
    peer.connect()
    waiting = peer.submit(WaitApplication())
    read = peer.submit(read_call())
    authorize = peer.submit(Authorize(credentials()))
    peer.refuse(APP, "CH_CLIENT_AUTH_FAILURE", "wrong the-client-secret")
    error = peer.errors[waiting]
    assert isinstance(error, ApplicationAuthError)
    assert "the-client-secret" not in str(error)
    assert peer.errors[read] is peer.errors[authorize] is error
    for command in (
        WaitApplication(),
        read_call(),
        trade_call(),
        Authorize(credentials()),
        Subscribe((SpotTopic(ACCOUNT, 1),), "x"),
        WaitReady(ACCOUNT),
    ):
        assert peer.errors[peer.submit(command)] is error


def test_refusal_with_a_general_code_is_an_application_error_too():
    peer = Peer()
    peer.connect()
    waiting = peer.submit(WaitApplication())
    peer.refuse_commonly(APP, "INVALID_REQUEST")
    assert isinstance(peer.errors[waiting], ApplicationAuthError)


def test_refused_application_leaves_pauses_and_waits_for_events():
    peer = Peer()
    peer.connect()
    pause = peer.submit(Pause(SECOND))
    event = peer.submit(NextEvent((DisconnectedEvent,), lambda _: True))
    peer.refuse(APP, "CH_CLIENT_AUTH_FAILURE")
    assert peer.errors == {}
    peer.cancel(pause)
    peer.cancel(event)


def test_refused_application_does_not_reconnect():
    peer = Peer()
    peer.connect()
    peer.refuse(APP, "CH_CLIENT_AUTH_FAILURE")
    peer.connection_lost()
    error = peer.session.finished_error
    assert isinstance(error, ApplicationAuthError)
    assert peer.outputs[-1] == Finished(error)
    (lost,) = peer.seen(DisconnectedEvent)
    assert not lost.will_reconnect
    with pytest.raises(ApplicationAuthError) as caught:
        peer.submit(read_call())
    assert caught.value is error


def test_passing_refusal_of_the_application_is_reported_and_retried():
    peer = Peer()
    peer.connect()
    waiting = peer.submit(WaitApplication())
    peer.refuse(APP, "CH_SERVER_NOT_REACHABLE")
    (event,) = peer.seen(ServerErrorEvent)
    assert event.error.error_code == "CH_SERVER_NOT_REACHABLE"
    assert peer.open(APP) == []
    peer.advance(1)
    peer.answer(APP)
    assert waiting in peer.results


def refused_by_maintenance(seconds: float) -> Peer:
    """Connect to a server that says when its maintenance ends."""
    peer = Peer()
    peer.connect()
    end = int((UNIX_START + seconds) * 1000)
    peer.answer(
        APP, ProtoErrorRes(errorCode="SERVER_IS_UNDER_MAINTENANCE", maintenanceEndTimestamp=end)
    )
    (event,) = peer.seen(ServerErrorEvent)
    assert event.error.maintenance_end == datetime.fromtimestamp(UNIX_START + seconds, UTC)
    return peer


def test_maintenance_is_waited_for():
    peer = refused_by_maintenance(25)
    peer.advance(24.5)
    assert peer.open(APP) == []
    # With some jitter behind it: the end is the same moment for everybody.
    peer.advance(7)
    assert len(peer.open(APP)) == 1


def test_hint_of_the_server_is_kept_to():
    peer = Peer()
    peer.connect()
    peer.refuse(APP, "CONNECTIONS_LIMIT_EXCEEDED", retry_after=20)
    peer.advance(19.9)
    assert peer.open(APP) == []
    peer.advance(1.1)
    assert len(peer.open(APP)) == 1


@pytest.mark.parametrize("seed", range(20))
def test_too_many_connections_without_a_hint_is_no_reason_to_come_back_soon(seed):
    peer = Peer(seed=seed)
    peer.connect()
    peer.refuse(APP, "CONNECTIONS_LIMIT_EXCEEDED")
    peer.advance(4)  # half of the longest wait
    assert peer.open(APP) == []
    peer.advance(5)
    assert len(peer.open(APP)) == 1


@pytest.mark.parametrize("code", ["UNKNOWN_ERROR", "A_CODE_OF_TOMORROW", "INVALID_REQUEST"])
def test_application_that_was_accepted_before_is_refused_for_good_only_for_its_credentials(code):
    peer = Peer()
    peer.make_ready()
    peer.lose_link()
    peer.connection_made()
    peer.refuse(APP, code)
    assert peer.is_connected()
    peer.advance(1)
    peer.answer(APP)
    peer.answer(AUTH)
    assert peer.is_ready()


@pytest.mark.parametrize("code", ["CH_CLIENT_AUTH_FAILURE", "CH_OA_CLIENT_NOT_FOUND"])
def test_wrong_credentials_of_the_application_end_the_session_on_a_later_link_too(code):
    peer = Peer()
    peer.make_ready()
    peer.lose_link()
    peer.connection_made()
    peer.refuse(APP, code)
    (finished,) = peer.seen(Finished)
    assert isinstance(finished.error, ApplicationAuthError)
    assert finished.error.error_code == code


def test_error_without_an_id_answers_the_application_while_that_is_awaited():
    peer = Peer()
    peer.connect()
    waiting = peer.submit(WaitApplication())
    peer.push(ProtoErrorRes(errorCode="CH_CLIENT_AUTH_FAILURE", description="not active"))
    assert isinstance(peer.errors[waiting], ApplicationAuthError)


def test_passing_error_without_an_id_is_told_once_and_waited_for():
    peer = Peer()
    peer.connect()
    peer.push(ProtoOAErrorRes(errorCode="SERVER_IS_UNDER_MAINTENANCE", retryAfter=5))
    assert [event.error.error_code for event in peer.seen(ServerErrorEvent)] == [
        "SERVER_IS_UNDER_MAINTENANCE"
    ]
    peer.clear()
    peer.advance(4.9)
    assert peer.requests(APP) == []
    peer.advance(1.2)
    assert len(peer.requests(APP)) == 1


def test_acceptance_that_comes_behind_a_stray_error_counts():
    peer = Peer()
    peer.connect()
    peer.push(ProtoErrorRes(errorCode="CANT_ROUTE_REQUEST"))
    peer.answer(APP)
    assert peer.is_application_authenticated()
    peer.clear()
    peer.advance(30)
    assert peer.requests(APP) == []


def test_refusal_of_a_second_try_does_not_undo_the_acceptance_of_the_first():
    peer = Peer()
    peer.connect()
    peer.push(ProtoErrorRes(errorCode="CANT_ROUTE_REQUEST"))
    peer.advance(2)
    peer.answer(APP)
    peer.refuse(APP, "INVALID_REQUEST")
    assert peer.is_application_authenticated()


@pytest.mark.parametrize(
    "error",
    [
        ProtoOAErrorRes(errorCode="CH_CLIENT_AUTH_FAILURE", ctidTraderAccountId=ACCOUNT),
        ProtoErrorRes(errorCode="A_CODE_OF_TOMORROW"),
    ],
)
def test_error_without_an_id_that_is_about_something_else_answers_nothing(error):
    peer = Peer()
    peer.connect()
    peer.push(error)
    assert len(peer.seen(ServerErrorEvent)) == 1
    peer.answer(APP)
    assert peer.is_application_authenticated()


def test_error_without_an_id_that_says_nothing_of_the_application_answers_nothing():
    peer = Peer()
    peer.connect()
    peer.push(ProtoOAErrorRes(errorCode="SYMBOL_NOT_FOUND"))
    peer.answer(APP)
    assert peer.is_application_authenticated()


def test_error_with_an_id_of_nobody_answers_nothing():
    peer = Peer()
    peer.connect()
    peer.push(ProtoErrorRes(errorCode="CH_CLIENT_AUTH_FAILURE"), message_id="another")
    peer.answer(APP)
    peer.push(ProtoErrorRes(errorCode="CH_CLIENT_NOT_AUTHENTICATED"), message_id="another")
    assert peer.is_application_authenticated()


@pytest.mark.parametrize("is_addressed", [True, False])
def test_application_that_the_server_no_longer_knows_needs_a_new_link(is_addressed):
    peer = Peer()
    peer.make_ready()
    read = peer.submit(read_call())
    order = peer.submit(trade_call())
    if is_addressed:
        peer.refuse(ProtoOANewOrderReq, "CH_CLIENT_NOT_AUTHENTICATED")
        assert isinstance(peer.errors[order], OrderRejectedError)
    else:
        peer.push(ProtoErrorRes(errorCode="CH_CLIENT_NOT_AUTHENTICATED"))
        assert isinstance(peer.errors[order], OrderOutcomeUnknownError)
    assert peer.closed == [1]
    peer.reopen()
    peer.connection_made()
    peer.answer(APP)
    peer.answer(AUTH)
    peer.answer(ProtoOASymbolsListReq)
    assert read in peer.results


def test_read_that_is_told_that_the_application_is_unknown_is_sent_again_on_the_next_link():
    peer = Peer()
    peer.make_ready()
    read = peer.submit(read_call())
    peer.refuse_commonly(ProtoOASymbolsListReq, "CH_CLIENT_NOT_AUTHENTICATED")
    assert peer.closed == [1]
    peer.reopen()
    peer.connection_made()
    peer.answer(APP)
    peer.answer(AUTH)
    peer.answer(ProtoOASymbolsListReq)
    assert read in peer.results


def test_close_before_the_answer_to_the_application_is_quiet():
    peer = Peer()
    peer.connect()
    peer.submit(Authorize(credentials()))
    peer.close()
    assert peer.closed == [1]
    peer.answer(APP)
    peer.connection_lost(None)
    assert peer.outputs[-1] == Finished(None)


def test_session_says_which_application_it_speaks_for():
    assert Peer().session.client_id == "the-client-id"


def test_application_without_an_answer_gives_the_link_up():
    peer = Peer(request_timeout=5)
    peer.connect()
    peer.advance(5)
    assert peer.closed == [1]
    (lost,) = peer.seen(DisconnectedEvent)
    assert isinstance(lost.cause, CTraderConnectionTimeoutError)


def test_retry_of_the_application_ends_with_the_link():
    peer = Peer()
    peer.connect()
    peer.refuse(APP, "CH_SERVER_NOT_REACHABLE", retry_after=30)
    peer.connection_lost()
    peer.reopen()
    peer.connection_made()
    peer.answer(APP)
    peer.clear()
    peer.advance(40)
    assert peer.requests(APP) == []


def test_retry_of_the_application_ends_with_the_session():
    peer = Peer()
    peer.connect()
    peer.refuse(APP, "CH_SERVER_NOT_REACHABLE")
    peer.clear()
    peer.close()
    peer.advance(5)
    assert peer.sent == []
    assert peer.session.phase is Phase.FINISHED


# The first authentication of an account


def test_account_is_authenticated_with_its_token():
    peer = Peer()
    peer.connect_application()
    call_id = peer.submit(Authorize(credentials()))
    (request,) = peer.requests(AUTH)
    assert (request.ctidTraderAccountId, request.accessToken) == (ACCOUNT, "the-access-token")
    assert not peer.is_ready()
    peer.clear()
    peer.answer(AUTH)
    result = ProtoOAAccountAuthRes(ctidTraderAccountId=ACCOUNT)
    assert peer.outputs == [
        ReadyEvent(ACCOUNT, AuthTrigger.INITIAL),
        CallCompleted(call_id, result),
    ]
    assert peer.session.authenticated_accounts == [ACCOUNT]
    assert peer.session.is_account_authorized(ACCOUNT)
    assert peer.session.credentials(ACCOUNT) == credentials()
    assert peer.is_ready()


def test_account_waits_for_the_application():
    peer = Peer()
    peer.connect()
    call_id = peer.submit(Authorize(credentials()))
    assert peer.requests(AUTH) == []
    peer.answer(APP)
    peer.answer(AUTH)
    assert call_id in peer.results


def test_account_cannot_be_authenticated_before_the_first_connection():
    peer = Peer()
    call_id = peer.submit(Authorize(credentials()))
    assert isinstance(peer.errors[call_id], CTraderConnectionClosedError)
    assert peer.session.credentials(ACCOUNT) is None


@pytest.mark.parametrize(
    "flags, trigger",
    [
        ({}, AuthTrigger.INITIAL),
        ({"reauth": True}, AuthTrigger.ACCOUNT_REAUTH),
        ({"reconnect": True}, AuthTrigger.RECONNECT),
    ],
)
def test_flags_mark_the_event(flags, trigger):
    peer = Peer()
    peer.connect_application()
    peer.submit(Authorize(credentials(), **flags))
    peer.answer(AUTH)
    assert peer.seen(ReadyEvent) == [ReadyEvent(ACCOUNT, trigger)]


def test_account_that_was_logged_in_before_is_fine():
    peer = Peer()
    peer.connect_application()
    call_id = peer.submit(Authorize(credentials()))
    peer.refuse(AUTH, "ALREADY_LOGGED_IN")
    assert call_id in peer.results
    assert peer.session.is_account_authorized(ACCOUNT)


def test_refused_first_authentication_is_raised_and_forgotten():
    peer = Peer()
    peer.connect_application()
    call_id = peer.submit(Authorize(credentials()))
    peer.refuse(AUTH, "CH_ACCESS_TOKEN_INVALID", "token the-access-token is wrong")
    error = peer.errors[call_id]
    assert isinstance(error, TokenExpiredError)
    assert error.description == "token *** is wrong"
    assert peer.session.credentials(ACCOUNT) is None
    assert peer.is_ready()
    peer.clear()
    peer.advance(100)
    assert peer.requests(AUTH) == []


def test_refusal_of_an_account_is_an_account_error_whatever_its_code():
    peer = Peer()
    peer.connect_application()
    call_id = peer.submit(Authorize(credentials()))
    peer.refuse(AUTH, "CANT_ROUTE_REQUEST")
    error = peer.errors[call_id]
    assert isinstance(error, AccountAuthError)
    assert (error.error_code, error.account_id) == ("CANT_ROUTE_REQUEST", ACCOUNT)


def test_two_callers_share_one_authentication():
    peer = Peer()
    peer.connect_application()
    first, second = (peer.submit(Authorize(credentials())) for _ in range(2))
    peer.answer(AUTH)
    if peer.open(AUTH):
        peer.answer(AUTH)
    assert {first, second} <= peer.results.keys()


def test_authenticated_account_with_the_same_token_is_answered_at_once():
    peer = Peer()
    peer.make_ready()
    peer.clear()
    call_id = peer.submit(Authorize(credentials()))
    assert peer.outputs == [
        CallCompleted(call_id, ProtoOAAccountAuthRes(ctidTraderAccountId=ACCOUNT))
    ]
    assert peer.sent == []


def test_new_token_authenticates_again():
    peer = Peer()
    peer.make_ready()
    call_id = peer.submit(Authorize(credentials(token="a-newer-token"), reauth=True))
    assert not peer.is_ready()
    peer.answer(AUTH)
    assert call_id in peer.results
    assert peer.requests(AUTH)[-1].accessToken == "a-newer-token"
    assert peer.seen(ReadyEvent)[-1].trigger is AuthTrigger.ACCOUNT_REAUTH


def test_newer_credentials_decide_over_an_answer_on_its_way():
    peer = Peer()
    peer.connect_application()
    first = peer.submit(Authorize(credentials(token="older-token")))
    second = peer.submit(Authorize(credentials(token="newer-token")))
    peer.refuse(AUTH, "CH_ACCESS_TOKEN_INVALID")
    assert peer.errors == {}
    assert peer.requests(AUTH)[-1].accessToken == "newer-token"
    peer.answer(AUTH)
    assert {first, second} <= peer.results.keys()


def test_authentication_without_an_answer_in_time_is_forgotten():
    peer = Peer()
    peer.connect_application()
    call_id = peer.submit(Authorize(credentials()), timeout=2)
    peer.advance(2)
    assert isinstance(peer.errors[call_id], CTraderConnectionTimeoutError)
    assert peer.session.credentials(ACCOUNT) is None
    peer.answer(AUTH)
    assert peer.session.authenticated_accounts == []


def test_cancelled_authentication_is_forgotten_unless_somebody_else_waits():
    peer = Peer()
    peer.connect_application()
    first, second = (peer.submit(Authorize(credentials())) for _ in range(2))
    peer.cancel(first)
    assert peer.session.credentials(ACCOUNT) is not None
    peer.cancel(second)
    assert peer.session.credentials(ACCOUNT) is None


def test_authentication_survives_a_loss():
    peer = Peer()
    peer.connect_application()
    call_id = peer.submit(Authorize(credentials()))
    peer.reconnect()
    peer.answer(AUTH)
    assert call_id in peer.results
    assert peer.seen(ReadyEvent) == [ReadyEvent(ACCOUNT, AuthTrigger.INITIAL)]


def test_session_request_without_an_answer_is_given_up_by_itself():
    peer = Peer(request_timeout=5)
    peer.make_ready()
    peer.reconnect()
    peer.advance(5)
    (event,) = peer.seen(SubscriptionRestoreFailedEvent)
    assert isinstance(event.error, CTraderConnectionTimeoutError)
    peer.advance(1)
    peer.answer(AUTH)
    peer.answer(AUTH)
    assert peer.is_ready()


# Waiting until ready


def test_ready_account_is_not_waited_for():
    peer = Peer()
    peer.make_ready()
    assert peer.submit(WaitReady(ACCOUNT)) in peer.results


def test_waiting_until_ready_ends_with_the_account():
    peer = Peer()
    peer.connect_application()
    waiting = peer.submit(WaitReady(ACCOUNT))
    other = peer.submit(WaitReady(OTHER_ACCOUNT), timeout=3)
    peer.authorize()
    assert waiting in peer.results
    assert other not in peer.results
    peer.advance(3)
    assert isinstance(peer.errors[other], CTraderConnectionTimeoutError)


def test_waiting_until_ready_spans_an_outage():
    peer = Peer()
    peer.make_ready()
    peer.connection_lost()
    waiting = peer.submit(WaitReady(ACCOUNT))
    peer.reopen()
    peer.connection_made()
    peer.answer(APP)
    assert waiting not in peer.results
    peer.answer(AUTH)
    assert waiting in peer.results


# Restoring


def test_application_then_accounts_then_topics_then_reads():
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    peer.hold_spots(1)
    peer.submit(read_call())
    peer.clear()
    peer.lose_link()
    peer.connection_made()
    assert peer.sent_kinds() == [APP]
    peer.answer(APP)
    assert peer.sent_kinds() == [APP, AUTH, AUTH]
    peer.answer(AUTH)
    assert peer.sent_kinds()[3:] == [ProtoOASubscribeSpotsReq, ProtoOASymbolsListReq]
    assert not peer.is_ready()
    peer.answer(AUTH)
    assert not peer.is_ready()
    peer.answer(ProtoOASubscribeSpotsReq)
    assert peer.is_ready()


def test_events_of_a_restoration_come_in_their_order():
    peer = Peer()
    peer.make_ready()
    peer.hold_spots(2, 1)
    peer.advance(5)
    peer.push(ProtoErrorRes(errorCode="SIGN_OF_LIFE"))
    peer.advance(3)
    peer.clear()
    peer.reconnect()
    peer.answer(AUTH)
    peer.clear()
    peer.answer(ProtoOASubscribeSpotsReq)
    gap, ready, reconnected = peer.outputs
    assert gap == DataGapEvent(
        account_id=ACCOUNT,
        symbol_ids=(1, 2),
        start=datetime.fromtimestamp(UNIX_START + 5, UTC),
        end=datetime.fromtimestamp(peer.unix_now, UTC),
    )
    assert ready == ReadyEvent(ACCOUNT, AuthTrigger.RECONNECT)
    assert reconnected == ReconnectedEvent((ACCOUNT,), ())


def test_gap_begins_with_the_first_of_several_losses():
    peer = Peer()
    peer.make_ready()
    peer.hold_spots(1)
    peer.advance(5)
    peer.reconnect()
    peer.advance(7)
    peer.reconnect()
    peer.answer(AUTH)
    peer.answer(ProtoOASubscribeSpotsReq)
    (gap,) = peer.seen(DataGapEvent)
    assert gap.start == datetime.fromtimestamp(UNIX_START, UTC)


def test_account_without_topics_has_no_gap():
    peer = Peer()
    peer.make_ready()
    peer.reconnect()
    peer.answer(AUTH)
    assert peer.seen(DataGapEvent) == []
    assert peer.is_ready()


def test_refusal_while_restoring_is_reported_and_retried():
    peer = Peer()
    peer.make_ready()
    peer.reconnect()
    peer.refuse(AUTH, "CH_ACCESS_TOKEN_INVALID")
    (failed,) = peer.seen(SubscriptionRestoreFailedEvent)
    assert (failed.account_id, failed.symbol_id, failed.topic) == (ACCOUNT, None, "account")
    assert isinstance(failed.error, TokenExpiredError)
    (reconnected,) = peer.seen(ReconnectedEvent)
    assert reconnected.restored_accounts == ()
    assert reconnected.failed_accounts[0][0] == ACCOUNT
    assert not peer.is_ready()
    peer.advance(1)
    peer.answer(AUTH)
    assert peer.is_ready()
    assert len(peer.seen(ReconnectedEvent)) == 1


def test_restoration_goes_item_by_item_and_never_stops_at_the_first_refusal():
    third = 345_678
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT, third)
    for account_id in (ACCOUNT, OTHER_ACCOUNT, third):
        peer.hold_spots(1, 2, account_id=account_id)
    peer.advance(5)
    peer.reconnect()
    peer.clear()
    peer.refuse(AUTH, "UNKNOWN_ERROR")
    peer.answer(AUTH)
    peer.answer(AUTH)
    peer.refuse(ProtoOASubscribeSpotsReq, "UNKNOWN_ERROR")  # both topics of the second account
    peer.answer(ProtoOASubscribeSpotsReq)  # those of the third
    peer.refuse(ProtoOASubscribeSpotsReq, "SYMBOL_NOT_FOUND")  # the second's, one by one
    peer.answer(ProtoOASubscribeSpotsReq)

    failed = peer.seen(SubscriptionRestoreFailedEvent)
    assert [(each.account_id, each.symbol_id) for each in failed] == [
        (ACCOUNT, None),
        (OTHER_ACCOUNT, 1),
    ]
    assert {each.account_id for each in peer.seen(ReadyEvent)} == {OTHER_ACCOUNT, third}
    (reconnected,) = peer.seen(ReconnectedEvent)
    assert reconnected.restored_accounts == (OTHER_ACCOUNT, third)
    assert [account_id for account_id, _ in reconnected.failed_accounts] == [ACCOUNT]
    gaps = {each.account_id: each.symbol_ids for each in peer.seen(DataGapEvent)}
    assert gaps == {OTHER_ACCOUNT: (2,), third: (1, 2)}

    peer.clear()
    peer.advance(1)
    peer.answer(AUTH)
    while peer.open(ProtoOASubscribeSpotsReq):
        peer.answer(ProtoOASubscribeSpotsReq)
    later = {each.account_id: each for each in peer.seen(DataGapEvent)}
    assert {key: gap.symbol_ids for key, gap in later.items()} == {
        ACCOUNT: (1, 2),
        OTHER_ACCOUNT: (1,),
    }
    assert all(gap.start < gap.end for gap in later.values())
    assert peer.is_ready()


def test_refusals_while_restoring_are_spaced_out():
    peer = Peer()
    peer.make_ready()
    peer.reconnect()
    peer.clear()
    for _ in range(60):
        if peer.open(AUTH):
            peer.refuse(AUTH, "CANT_ROUTE_REQUEST")
        peer.advance(1)
        peer.push(ProtoErrorRes(errorCode="SIGN_OF_LIFE"))
    assert 7 <= len(peer.seen(SubscriptionRestoreFailedEvent)) <= 25


def test_retry_of_an_account_ends_with_the_link():
    peer = Peer()
    peer.make_ready()
    peer.reconnect()
    peer.refuse(AUTH, "CANT_ROUTE_REQUEST", retry_after=30)
    peer.reconnect()
    peer.answer(AUTH)
    peer.clear()
    peer.advance(40)
    assert peer.requests(AUTH) == []


def test_refused_account_may_be_given_new_credentials():
    peer = Peer()
    peer.make_ready()
    peer.reconnect()
    peer.refuse(AUTH, "CH_ACCESS_TOKEN_INVALID", retry_after=30)
    call_id = peer.submit(Authorize(credentials(token="a-newer-token"), reauth=True))
    peer.answer(AUTH)
    assert call_id in peer.results
    assert peer.is_ready()
    peer.clear()
    peer.advance(40)
    assert peer.requests(AUTH) == []


def test_refused_new_credentials_of_a_kept_account_give_way_to_those_that_were_accepted():
    peer = Peer()
    peer.make_ready()
    peer.clear()
    call_id = peer.submit(Authorize(credentials(token="a-wrong-token")))
    peer.refuse(AUTH, "CH_ACCESS_TOKEN_INVALID")
    assert isinstance(peer.errors[call_id], TokenExpiredError)
    assert [request.accessToken for request in peer.requests(AUTH)] == [
        "a-wrong-token",
        "the-access-token",
    ]
    peer.answer(AUTH)
    assert peer.is_ready()
    assert peer.seen(SubscriptionRestoreFailedEvent) == []
    kept = peer.session.credentials(ACCOUNT)
    assert kept is not None
    assert kept.access_token == "the-access-token"


def test_accepted_credentials_that_are_refused_later_are_reported_and_retried():
    peer = Peer()
    peer.make_ready()
    peer.reconnect()
    peer.clear()
    peer.refuse(AUTH, "CH_ACCESS_TOKEN_INVALID")
    assert len(peer.seen(SubscriptionRestoreFailedEvent)) == 1
    peer.advance(2)
    assert len(peer.open(AUTH)) == 1


def test_second_account_does_not_wait_for_the_first():
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    peer.reconnect()
    peer.refuse(AUTH, "CANT_ROUTE_REQUEST")
    assert peer.seen(ReconnectedEvent) == []
    peer.answer(AUTH)
    (event,) = peer.seen(ReconnectedEvent)
    assert event.restored_accounts == (OTHER_ACCOUNT,)
    assert [account for account, _ in event.failed_accounts] == [ACCOUNT]


def test_rate_limited_authentication_is_sent_again_inside_its_deadline():
    peer = Peer()
    peer.connect_application()
    call_id = peer.submit(Authorize(credentials()))
    peer.refuse(AUTH, "BLOCKED_PAYLOAD_TYPE", retry_after=2)
    peer.advance(2)
    peer.answer(AUTH)
    assert call_id in peer.results


# An account that the server drops on a living link


def test_dropped_account_is_authenticated_again():
    peer = Peer()
    peer.session.listen(frozenset({AccountDisconnectEvent}), None)
    peer.make_ready()
    peer.hold_spots(1)
    peer.clear()
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    assert peer.seen(AccountDisconnectEvent) == [AccountDisconnectEvent(ACCOUNT)]
    assert not peer.is_ready()
    assert peer.is_connected()
    peer.advance(2)
    peer.answer(AUTH)
    peer.answer(ProtoOASubscribeSpotsReq)
    (gap,) = peer.seen(DataGapEvent)
    assert gap.start == datetime.fromtimestamp(UNIX_START, UTC)
    assert peer.seen(ReadyEvent) == [ReadyEvent(ACCOUNT, AuthTrigger.ACCOUNT_REAUTH)]


def test_reads_of_a_dropped_account_are_sent_again():
    peer = Peer()
    peer.make_ready()
    sent = peer.submit(read_call())
    fixed = peer.submit(read_call(resend=False))
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    parked = peer.submit(read_call())
    assert isinstance(peer.errors[fixed], APIError | CTraderConnectionClosedError)
    peer.clear()
    peer.answer(AUTH)
    assert peer.sent_kinds() == [ProtoOASymbolsListReq, ProtoOASymbolsListReq]
    while peer.open(ProtoOASymbolsListReq):
        peer.answer(ProtoOASymbolsListReq)
    assert {sent, parked} <= peer.results.keys()


def test_waiting_requests_of_a_dropped_account_wait_for_its_return():
    peer = Peer()
    peer.make_ready()
    peer.can_write = False
    waiting = peer.submit(read_call())
    order = peer.submit(trade_call())
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    assert isinstance(peer.errors[order], OrderNotSentError)
    peer.can_write = True
    peer.carry_out()
    assert peer.requests(ProtoOASymbolsListReq) == []
    peer.answer(AUTH)
    peer.answer(ProtoOASymbolsListReq)
    assert waiting in peer.results


def test_unsubscription_ends_with_the_account_s_session():
    peer = Peer()
    peer.make_ready()
    peer.hold_spots(1)
    call_id = peer.unsubscribe(SpotTopic(ACCOUNT, 1))
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    assert call_id in peer.results


def test_drop_of_one_account_leaves_the_other():
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    read = peer.submit(read_call(account_id=OTHER_ACCOUNT))
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    peer.answer(ProtoOASymbolsListReq, ProtoOASymbolsListRes(ctidTraderAccountId=OTHER_ACCOUNT))
    assert read in peer.results
    assert peer.session.authenticated_accounts == [OTHER_ACCOUNT]


DENIED: Final = ("INVALID_REQUEST", "Trading account is not authorized")
ACCOUNT_LOSSES: Final[dict[str, Callable[[Peer], None]]] = {
    "dropped": lambda peer: peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT)),
    "token invalidated": lambda peer: peer.push(
        ProtoOAAccountsTokenInvalidatedEvent(ctidTraderAccountIds=[ACCOUNT])
    ),
    "denied": lambda peer: peer.refuse(ProtoOASymbolsListReq, *DENIED),
    "denied without an id": lambda peer: peer.push(
        ProtoOAErrorRes(errorCode=DENIED[0], description=DENIED[1], ctidTraderAccountId=ACCOUNT)
    ),
}


@pytest.mark.parametrize("how", ACCOUNT_LOSSES)
def test_every_loss_of_an_account_goes_one_path_and_leaves_the_others_alone(how: str):
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    peer.hold_spots(1)
    peer.hold_spots(2, account_id=OTHER_ACCOUNT)
    read = peer.submit(read_call(), timeout=600)
    other = peer.submit(read_call(account_id=OTHER_ACCOUNT), timeout=600)
    peer.clear()
    ACCOUNT_LOSSES[how](peer)
    assert isinstance(peer.errors[peer.submit(trade_call())], OrderNotSentError)
    order = peer.submit(trade_call(account_id=OTHER_ACCOUNT))
    assert len(peer.requests(ProtoOANewOrderReq)) == 1

    peer.answer(AUTH)
    peer.answer(ProtoOASubscribeSpotsReq)
    while peer.open(ProtoOASymbolsListReq):
        peer.answer(ProtoOASymbolsListReq)
    assert {read, other} <= peer.results.keys()
    assert order not in peer.errors
    assert [each.ctidTraderAccountId for each in peer.requests(AUTH)] == [ACCOUNT]
    assert [each.ctidTraderAccountId for each in peer.requests(ProtoOASubscribeSpotsReq)] == [
        ACCOUNT
    ]
    assert peer.seen(ReadyEvent) == [ReadyEvent(ACCOUNT, AuthTrigger.ACCOUNT_REAUTH)]
    assert [gap.account_id for gap in peer.seen(DataGapEvent)] == [ACCOUNT]
    assert peer.seen(DisconnectedEvent, ReconnectedEvent) == []
    assert peer.is_ready()


@pytest.mark.parametrize("account_id", [ACCOUNT, OTHER_ACCOUNT])
def test_drop_of_an_account_that_is_not_authenticated_changes_nothing(account_id):
    peer = Peer()
    peer.connect_application()
    peer.submit(Authorize(credentials()))
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=account_id))
    assert len(peer.requests(AUTH)) == 1


def test_end_of_a_session_while_the_next_is_begun_takes_its_topics_along():
    peer = Peer()
    peer.make_ready()
    peer.hold_spots(1)
    call_id = peer.submit(Authorize(credentials(token="a-newer-token")))
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    peer.clear()
    peer.answer(AUTH)
    assert call_id in peer.results
    assert peer.sent_kinds() == [ProtoOASubscribeSpotsReq]
    peer.answer(ProtoOASubscribeSpotsReq)
    (gap,) = peer.seen(DataGapEvent)
    assert gap.symbol_ids == (1,)
    assert peer.is_ready()


def test_loss_of_the_link_while_a_newer_token_is_tried_is_a_gap():
    peer = Peer()
    peer.make_ready()
    peer.hold_spots(1)
    peer.submit(Authorize(credentials(token="a-newer-token")))
    peer.clear()
    peer.reconnect()
    peer.answer(AUTH)
    peer.answer(ProtoOASubscribeSpotsReq)
    assert len(peer.seen(DataGapEvent)) == 1


def test_order_that_waits_is_not_sent_with_a_newer_token():
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    peer.can_write = False
    order = peer.submit(trade_call())
    other = peer.submit(trade_call(account_id=OTHER_ACCOUNT))
    read = peer.submit(read_call())
    peer.submit(Authorize(credentials(token="a-newer-token")))
    error = peer.errors[order]
    assert isinstance(error, OrderNotSentError)
    assert "is authenticated anew" in error.reason
    peer.clear()
    peer.can_write = True
    peer.carry_out()
    assert peer.sent_kinds() == [AUTH, ProtoOANewOrderReq, ProtoOASymbolsListReq]
    assert [order.ctidTraderAccountId for order in peer.requests(ProtoOANewOrderReq)] == [
        OTHER_ACCOUNT
    ]
    assert {read, other}.isdisjoint(peer.errors)


def test_same_token_again_leaves_orders_alone():
    peer = Peer()
    peer.make_ready()
    peer.can_write = False
    order = peer.submit(trade_call())
    peer.submit(Authorize(credentials()))
    peer.can_write = True
    peer.carry_out()
    peer.answer(ProtoOANewOrderReq, peer.execution("ORDER_FILLED"))
    assert order in peer.results


def test_quotes_of_a_dropped_account_are_old_and_those_of_others_are_not():
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    peer.session.listen(frozenset({SpotEvent}), None)
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        peer.push(ProtoOASpotEvent(ctidTraderAccountId=account_id, symbolId=1, bid=10, ask=20))
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    peer.clear()
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        peer.push(ProtoOASpotEvent(ctidTraderAccountId=account_id, symbolId=1, bid=11))
    dropped, other = peer.seen(SpotEvent)
    assert (dropped.last_bid_points, dropped.last_ask_points) == (11, None)
    assert (other.last_bid_points, other.last_ask_points) == (11, 20)


# Removing an account


DENIALS = [
    ("ACCOUNT_NOT_AUTHORIZED", ""),
    ("INVALID_REQUEST", "Trading account is not authorized"),
    ("UNSUPPORTED_MESSAGE", "Trading account is not authorized"),
    ("CH_ACCESS_TOKEN_INVALID", "Access token expired"),
]


@pytest.mark.parametrize(("code", "text"), DENIALS)
def test_account_whose_requests_are_denied_is_authenticated_again_on_the_living_link(code, text):
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    peer.hold_spots(1)
    peer.hold_spots(2, account_id=OTHER_ACCOUNT)
    peer.clear()
    read = peer.submit(read_call())
    other = peer.submit(read_call(account_id=OTHER_ACCOUNT))
    peer.refuse(ProtoOASymbolsListReq, code, text)
    assert peer.session.authenticated_accounts == [OTHER_ACCOUNT]
    assert [event.account_id for event in peer.seen(ServerErrorEvent)] == [ACCOUNT]
    peer.answer(ProtoOASymbolsListReq)
    assert other in peer.results
    assert read not in peer.errors
    peer.answer(AUTH)
    peer.answer(ProtoOASymbolsListReq)
    assert read in peer.results
    peer.answer(ProtoOASubscribeSpotsReq)
    assert [gap.account_id for gap in peer.seen(DataGapEvent)] == [ACCOUNT]
    assert peer.seen(ReadyEvent) == [ReadyEvent(ACCOUNT, AuthTrigger.ACCOUNT_REAUTH)]
    assert peer.closed == []


@pytest.mark.parametrize(("code", "text"), DENIALS)
def test_orders_that_are_denied_were_definitely_not_executed(code, text):
    peer = Peer()
    peer.make_ready()
    first, second = peer.submit(trade_call()), peer.submit(trade_call())
    peer.refuse(ProtoOANewOrderReq, code, text)
    assert isinstance(peer.errors[first], OrderRejectedError)
    # The second is refused as well, and its answer says so: nothing is guessed.
    assert second not in peer.errors
    third = peer.submit(trade_call())
    assert isinstance(peer.errors[third], OrderNotSentError)
    peer.refuse(ProtoOANewOrderReq, code, text)
    assert isinstance(peer.errors[second], OrderRejectedError)
    assert len(peer.open(AUTH)) == 1
    peer.answer(AUTH)
    assert peer.is_ready()
    assert len(peer.requests(ProtoOANewOrderReq)) == 2


def test_orders_that_wait_when_an_account_is_denied_are_not_sent():
    peer = Peer()
    peer.make_ready()
    peer.submit(read_call())
    peer.can_write = False
    order = peer.submit(trade_call())
    peer.refuse(ProtoOASymbolsListReq, *DENIALS[1])
    assert isinstance(peer.errors[order], OrderNotSentError)


def test_other_invalid_requests_are_refused_and_change_nothing():
    peer = Peer()
    peer.make_ready()
    read = peer.submit(read_call())
    peer.refuse(ProtoOASymbolsListReq, "INVALID_REQUEST", "Message missing required fields")
    assert isinstance(peer.errors[read], APIError)
    assert peer.is_ready()


def test_read_that_is_denied_in_the_next_session_too_is_refused():
    peer = Peer()
    peer.make_ready()
    read = peer.submit(read_call())
    for _ in range(2):
        assert read not in peer.errors
        peer.refuse(ProtoOASymbolsListReq, *DENIALS[1])
        if peer.open(AUTH):
            peer.answer(AUTH)
    assert isinstance(peer.errors[read], APIError)
    assert len(peer.requests(AUTH)) == 2


def test_denials_in_a_row_are_one_loss_and_the_late_ones_say_nothing_of_the_new_session():
    peer = Peer()
    peer.make_ready()
    reads = [peer.submit(read_call()) for _ in range(3)]
    peer.advance(1)
    peer.refuse(ProtoOASymbolsListReq, *DENIALS[1])
    peer.refuse(ProtoOASymbolsListReq, *DENIALS[1])
    peer.answer(AUTH)
    late = peer.open(ProtoOASymbolsListReq)[0]
    peer.refuse(ProtoOASymbolsListReq, *DENIALS[1])
    assert late.at < peer.now
    assert peer.is_ready()
    assert len(peer.requests(AUTH)) == 2
    while peer.open(ProtoOASymbolsListReq):
        peer.answer(ProtoOASymbolsListReq)
    assert set(reads) <= peer.results.keys()


def test_reads_that_may_not_be_sent_again_end_with_the_denial():
    peer = Peer()
    peer.make_ready()
    read = peer.submit(read_call(resend=False))
    peer.refuse(ProtoOASymbolsListReq, *DENIALS[1])
    assert isinstance(peer.errors[read], APIError)
    assert len(peer.open(AUTH)) == 1


def test_denied_read_waits_for_its_account_no_longer_than_it_was_given():
    peer = Peer()
    peer.make_ready()
    read = peer.submit(read_call(), timeout=5)
    peer.refuse(ProtoOASymbolsListReq, *DENIALS[1])
    peer.advance(5)
    assert isinstance(peer.errors[read], CTraderConnectionTimeoutError)


def test_denied_subscription_is_asked_for_again_in_the_next_session_once():
    peer = Peer()
    peer.make_ready()
    call_id = peer.subscribe(SpotTopic(ACCOUNT, 1))
    peer.refuse(ProtoOASubscribeSpotsReq, *DENIALS[1])
    peer.answer(AUTH)
    assert call_id not in peer.errors
    peer.refuse(ProtoOASubscribeSpotsReq, *DENIALS[1])
    assert isinstance(peer.errors[call_id], APIError)
    assert peer.is_ready()


def test_denial_without_an_id_is_a_loss_of_the_account():
    peer = Peer()
    peer.make_ready()
    peer.push(ProtoOAErrorRes(errorCode="ACCOUNT_NOT_AUTHORIZED", ctidTraderAccountId=ACCOUNT))
    assert not peer.is_ready()
    assert len(peer.seen(ServerErrorEvent)) == 1
    peer.answer(AUTH)
    assert peer.is_ready()


def test_denial_of_an_account_that_nobody_keeps_changes_nothing():
    peer = Peer()
    peer.make_ready()
    read = peer.submit(read_call(account_id=OTHER_ACCOUNT))
    peer.refuse(ProtoOASymbolsListReq, *DENIALS[0])
    assert isinstance(peer.errors[read], APIError)
    peer.push(
        ProtoOAErrorRes(errorCode="ACCOUNT_NOT_AUTHORIZED", ctidTraderAccountId=OTHER_ACCOUNT)
    )
    assert peer.is_ready()
    assert len(peer.requests(AUTH)) == 1


def test_sessions_that_do_not_last_are_begun_again_spaced_out():
    peer = Peer()
    peer.make_ready()
    waits: list[float] = []
    for _ in range(8):
        peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
        before = peer.now
        while not peer.open(AUTH):
            peer.fire()
        waits.append((peer.now - before) / SECOND)
        peer.answer(AUTH)
    assert waits[0] == 0
    assert all(0.5 <= wait <= 8 for wait in waits[1:])
    assert max(waits) > 2
    peer.advance(31)
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    assert len(peer.open(AUTH)) == 1


def test_second_word_of_the_same_loss_does_not_hurry_the_next_session():
    peer = Peer()
    peer.make_ready()
    for _ in range(2):
        peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
        while not peer.open(AUTH):
            peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
            assert peer.open(AUTH) == []
            peer.fire()
        peer.answer(AUTH)
    assert peer.is_ready()


def test_invalidated_token_ends_the_sessions_of_its_accounts():
    peer = Peer()
    peer.session.listen(frozenset({TokenInvalidatedEvent}), None)
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    peer.hold_spots(1)
    read = peer.submit(read_call())
    order = peer.submit(trade_call())
    peer.push(ProtoOAAccountsTokenInvalidatedEvent(ctidTraderAccountIds=[ACCOUNT], reason="spent"))
    assert peer.seen(TokenInvalidatedEvent) == [TokenInvalidatedEvent((ACCOUNT,), "spent")]
    assert isinstance(peer.errors[order], OrderOutcomeUnknownError)
    assert peer.session.authenticated_accounts == [OTHER_ACCOUNT]
    # The server's second word about the same end changes nothing.
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    assert len(peer.open(AUTH)) == 1
    peer.answer(AUTH)
    peer.refuse(ProtoOASubscribeSpotsReq, "ALREADY_SUBSCRIBED")
    assert peer.is_ready()
    while peer.open(ProtoOASymbolsListReq):
        peer.answer(ProtoOASymbolsListReq)
    assert read in peer.results


def test_removed_account_is_not_restored():
    peer = Peer()
    peer.make_ready()
    peer.hold_spots(1)
    assert peer.session.remove_account(ACCOUNT, peer.now)
    assert not peer.session.remove_account(ACCOUNT, peer.now)
    peer.clear()
    peer.reconnect()
    peer.advance(10)
    assert peer.sent_kinds() == [APP]
    assert peer.is_ready()


def test_removing_an_account_ends_what_waits_for_it():
    peer = Peer()
    peer.make_ready()
    peer.reconnect()
    ready = peer.submit(WaitReady(ACCOUNT))
    again = peer.submit(Authorize(credentials(token="a-newer-token")))
    topic = peer.subscribe(SpotTopic(ACCOUNT, 1))
    other = peer.submit(WaitReady(OTHER_ACCOUNT))
    peer.session.remove_account(ACCOUNT, peer.now)
    peer.carry_out()
    for call_id in (ready, again, topic):
        assert isinstance(peer.errors[call_id], AccountAuthError)
    assert peer.cancel(other) is CancelResult.NOT_SENT


def test_removing_an_account_during_a_restoration_completes_it():
    peer = Peer()
    peer.make_ready()
    peer.reconnect()
    peer.session.remove_account(ACCOUNT, peer.now)
    peer.carry_out()
    assert peer.seen(ReconnectedEvent) == [ReconnectedEvent((), ())]
    peer.answer(AUTH)
    assert peer.session.authenticated_accounts == []


def test_removing_a_refused_account_ends_its_retries():
    peer = Peer()
    peer.make_ready()
    peer.reconnect()
    peer.refuse(AUTH, "CANT_ROUTE_REQUEST")
    peer.session.remove_account(ACCOUNT, peer.now)
    peer.clear()
    peer.advance(50)
    assert peer.requests(AUTH) == []


def test_late_answer_about_a_removed_account_does_not_touch_its_successor():
    peer = Peer()
    peer.make_ready()
    peer.hold_spots(1)
    peer.unsubscribe(SpotTopic(ACCOUNT, 1))
    peer.session.remove_account(ACCOUNT, peer.now)
    peer.authorize()
    call_id = peer.subscribe(SpotTopic(ACCOUNT, 1), owner="new")
    peer.answer(ProtoOAUnsubscribeSpotsReq)
    peer.answer(ProtoOASubscribeSpotsReq)
    assert call_id in peer.results
    peer.reconnect()
    peer.answer(AUTH)
    assert len(peer.open(ProtoOASubscribeSpotsReq)) == 1


def test_request_that_waits_for_a_refused_account_says_so_in_the_end():
    peer = Peer()
    peer.make_ready()
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    peer.refuse(ProtoOAAccountAuthReq, "CH_ACCESS_TOKEN_INVALID")
    call_id = peer.submit(read_call(), timeout=5)
    peer.advance(5)
    text = str(peer.errors[call_id])
    assert f"account {ACCOUNT} is not ready" in text
    assert "CH_ACCESS_TOKEN_INVALID" in text
    assert "hand its new tokens to client.auth.authenticate_account()" in text
