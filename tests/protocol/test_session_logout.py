"""Logging one account out: it ends at the server, and nothing brings it back."""

from __future__ import annotations

from ctrader.errors import (
    APIError,
    ClientClosedError,
    CTraderConnectionTimeoutError,
    NotConnectedError,
)
from ctrader.events import AccountDisconnectEvent
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountLogoutReq,
    ProtoOAAccountLogoutRes,
    ProtoOAApplicationAuthReq,
)
from ctrader.protocol.commands import Authorize, Logout
from tests.protocol.peer import ACCOUNT, OTHER_ACCOUNT, Peer, credentials

LOGOUT = ProtoOAAccountLogoutReq
DONE = ProtoOAAccountLogoutRes(ctidTraderAccountId=ACCOUNT)
ENDED = ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT)


def ready(*accounts: int) -> Peer:
    peer = Peer()
    peer.make_ready(*accounts)
    peer.hold_spots(1)
    peer.session.listen(frozenset({AccountDisconnectEvent}), None)
    peer.clear()
    return peer


def test_logout_is_done_when_the_server_says_that_the_session_ended():
    peer = ready()
    call_id = peer.submit(Logout(ACCOUNT))
    peer.answer(LOGOUT, DONE)
    assert call_id not in peer.results
    peer.push(ENDED)
    assert call_id in peer.results
    assert [event.account_id for event in peer.seen(AccountDisconnectEvent)] == [ACCOUNT]


def test_account_that_logged_out_is_not_authenticated_again():
    peer = ready(ACCOUNT, OTHER_ACCOUNT)
    peer.submit(Logout(ACCOUNT))
    peer.answer(LOGOUT, DONE)
    peer.push(ENDED)
    assert peer.sent_kinds() == [LOGOUT]
    assert peer.session.authenticated_accounts == [OTHER_ACCOUNT]
    peer.clear()
    peer.reconnect()
    assert [request.ctidTraderAccountId for request in peer.requests(ProtoOAAccountAuthReq)] == [
        OTHER_ACCOUNT
    ]


def test_it_may_be_authenticated_anew():
    peer = ready()
    peer.submit(Logout(ACCOUNT))
    peer.answer(LOGOUT, DONE)
    peer.push(ENDED)
    peer.authorize()
    assert peer.session.is_account_authorized(ACCOUNT)


def test_new_authentication_survives_the_late_end_of_the_old_session():
    peer = ready()
    peer.submit(Logout(ACCOUNT))
    peer.answer(LOGOUT, DONE)
    call_id = peer.submit(Authorize(credentials()))
    peer.push(ENDED)
    peer.answer(ProtoOAAccountAuthReq)
    assert call_id in peer.results
    assert peer.session.is_account_authorized(ACCOUNT)


def test_account_that_is_not_logged_in_is_a_success():
    peer = ready()
    call_id = peer.submit(Logout(OTHER_ACCOUNT))
    peer.refuse(LOGOUT, "INVALID_REQUEST", "Trading account is not authorized")
    assert call_id in peer.results


def test_refusal_is_raised_and_the_account_is_kept_no_longer():
    peer = ready()
    call_id = peer.submit(Logout(ACCOUNT))
    peer.refuse(LOGOUT, "UNKNOWN_ERROR")
    assert isinstance(peer.errors[call_id], APIError)
    assert peer.session.credentials(ACCOUNT) is None


def test_end_that_is_never_confirmed_is_a_timeout():
    peer = ready()
    call_id = peer.submit(Logout(ACCOUNT), 3.0)
    peer.answer(LOGOUT, DONE)
    peer.advance(3.1)
    assert isinstance(peer.errors[call_id], CTraderConnectionTimeoutError)


def test_answer_that_never_comes_is_a_timeout():
    peer = ready()
    call_id = peer.submit(Logout(ACCOUNT), 3.0)
    peer.advance(3.1)
    assert isinstance(peer.errors[call_id], CTraderConnectionTimeoutError)


def test_lost_link_takes_the_session_along():
    peer = ready()
    call_id = peer.submit(Logout(ACCOUNT))
    peer.connection_lost()
    assert call_id in peer.results


def test_without_a_link_there_is_nothing_to_log_out_of():
    peer = ready()
    peer.connection_lost()
    call_id = peer.submit(Logout(ACCOUNT))
    assert call_id in peer.results
    assert peer.session.credentials(ACCOUNT) is None
    peer.reopen()
    peer.connection_made()
    peer.answer(ProtoOAApplicationAuthReq)
    assert peer.requests(ProtoOAAccountAuthReq) == []


def test_before_the_first_connection_it_fails():
    peer = Peer()
    assert isinstance(peer.errors[peer.submit(Logout(ACCOUNT))], NotConnectedError)


def test_closing_ends_it():
    peer = ready()
    call_id = peer.submit(Logout(ACCOUNT))
    peer.close()
    assert isinstance(peer.errors[call_id], ClientClosedError)


def test_two_who_log_out_both_hear_of_the_end():
    peer = ready()
    first, second = peer.submit(Logout(ACCOUNT)), peer.submit(Logout(ACCOUNT))
    peer.answer(LOGOUT, DONE)
    peer.push(ENDED)
    assert {first, second} <= peer.results.keys()
