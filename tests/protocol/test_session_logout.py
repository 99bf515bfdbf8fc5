"""Logging one account out: it ends at the server, and nothing brings it back."""

from __future__ import annotations

import pytest

from ctrader.errors import (
    AccountAuthError,
    APIError,
    ClientClosedError,
    CTraderConnectionTimeoutError,
    NotConnectedError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    RateLimitedError,
)
from ctrader.events import AccountDisconnectEvent, SubscriptionRestoreFailedEvent
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountLogoutReq,
    ProtoOAAccountLogoutRes,
    ProtoOAApplicationAuthReq,
    ProtoOADealListReq,
    ProtoOADealListRes,
    ProtoOANewOrderReq,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbol,
    ProtoOASymbolByIdRes,
    ProtoOASymbolsListReq,
)
from ctrader.protocol.commands import (
    Authorize,
    Call,
    Lacking,
    Logout,
    SpotTopic,
    Subscribe,
)
from ctrader.protocol.limiter import NORMAL_RATE
from ctrader.protocol.terms import Terms
from tests.protocol.peer import (
    ACCOUNT,
    OTHER_ACCOUNT,
    Peer,
    credentials,
    market_order,
    read_call,
    trade_call,
)

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


def test_logout_that_waits_for_its_rate_does_not_end_the_next_session():
    peer = ready()
    logout = peer.submit(Logout(ACCOUNT))
    peer.refuse(LOGOUT, "BLOCKED_PAYLOAD_TYPE", retry_after=2)
    back = peer.submit(Authorize(credentials()))
    assert isinstance(peer.errors[logout], RateLimitedError)
    peer.refuse(ProtoOAAccountAuthReq, "ALREADY_LOGGED_IN")
    assert back in peer.results
    peer.advance(10)
    assert len(peer.requests(LOGOUT)) == 1
    assert peer.is_ready()


def test_logout_that_is_refused_for_its_rate_after_the_next_authentication_is_not_sent_again():
    peer = ready()
    logout = peer.submit(Logout(ACCOUNT))
    back = peer.submit(Authorize(credentials()))
    peer.refuse(LOGOUT, "BLOCKED_PAYLOAD_TYPE", retry_after=2)
    assert isinstance(peer.errors[logout], RateLimitedError)
    peer.refuse(ProtoOAAccountAuthReq, "ALREADY_LOGGED_IN")
    assert back in peer.results
    peer.advance(10)
    assert len(peer.requests(LOGOUT)) == 1


def test_logout_that_waits_for_its_rate_is_sent_again_while_nobody_wants_the_account():
    peer = ready()
    logout = peer.submit(Logout(ACCOUNT))
    peer.submit(Authorize(credentials(OTHER_ACCOUNT)))
    peer.refuse(LOGOUT, "BLOCKED_PAYLOAD_TYPE", retry_after=2)
    peer.advance(3)
    peer.answer(LOGOUT, DONE)
    peer.push(ENDED)
    assert logout in peer.results


# What was handed in before


def leave(peer: Peer, how: str) -> None:
    """Let the client give the account up."""
    if how == "logout":
        peer.submit(Logout(ACCOUNT))
    else:
        peer.session.remove_account(ACCOUNT, peer.now)
        peer.carry_out()


@pytest.mark.parametrize("how", ["logout", "removal"])
@pytest.mark.parametrize("hindrance", ["the transport", "the rate"])
def test_order_that_waits_is_never_sent_after_it(how: str, hindrance: str):
    peer = ready()
    peer.advance(1)
    if hindrance == "the rate":
        for _ in range(NORMAL_RATE):
            peer.submit(read_call())
    else:
        peer.can_write = False
    order = peer.submit(trade_call(market_order(clientOrderId="mine")))
    leave(peer, how)
    error = peer.errors[order]
    assert isinstance(error, OrderNotSentError)
    assert error.reason == "the account was removed"
    peer.submit(Authorize(credentials()))
    peer.can_write = True
    peer.advance(2)
    peer.carry_out()
    if how == "logout":
        peer.answer(LOGOUT, DONE)
        peer.push(ENDED)
    peer.answer(ProtoOAAccountAuthReq)
    assert peer.requests(ProtoOANewOrderReq) == []
    # It is as if it had never been: its id is free.
    peer.submit(trade_call(market_order(clientOrderId="mine")))
    peer.advance(1)
    assert len(peer.requests(ProtoOANewOrderReq)) == 1


@pytest.mark.parametrize("how", ["logout", "removal"])
def test_reads_that_wait_end_with_it(how: str):
    peer = ready(ACCOUNT, OTHER_ACCOUNT)
    peer.can_write = False
    read, other = peer.submit(read_call()), peer.submit(read_call(account_id=OTHER_ACCOUNT))
    leave(peer, how)
    assert isinstance(peer.errors[read], AccountAuthError)
    peer.can_write = True
    peer.carry_out()
    peer.answer(ProtoOASymbolsListReq)
    assert other in peer.results


def test_reads_that_wait_for_the_link_end_with_it():
    peer = ready()
    peer.connection_lost()
    read = peer.submit(read_call())
    leave(peer, "removal")
    assert isinstance(peer.errors[read], AccountAuthError)


def test_subscription_that_waits_for_its_rate_is_not_made_in_the_next_session():
    peer = ready()
    peer.subscribe(SpotTopic(ACCOUNT, 2))
    peer.refuse(ProtoOASubscribeSpotsReq, "REQUEST_FREQUENCY_EXCEEDED", retry_after=2)
    peer.submit(Logout(ACCOUNT))
    peer.submit(Authorize(credentials()))
    peer.clear()
    peer.answer(LOGOUT, DONE)
    peer.push(ENDED)
    peer.answer(ProtoOAAccountAuthReq)
    peer.advance(3)
    assert peer.sent_kinds() == []


def test_authentication_that_waits_does_not_bring_the_session_back():
    peer = Peer()
    peer.connect_application()
    peer.submit(Authorize(credentials()))
    peer.refuse(ProtoOAAccountAuthReq, "REQUEST_FREQUENCY_EXCEEDED", retry_after=2)
    peer.submit(Logout(ACCOUNT))
    peer.clear()
    peer.advance(5)
    assert peer.sent_kinds() == []


def test_order_under_way_is_answered_before_the_session_ends():
    peer = ready()
    order = peer.submit(trade_call())
    peer.submit(Logout(ACCOUNT))
    peer.answer(ProtoOANewOrderReq, peer.execution("ORDER_FILLED"))
    assert order in peer.results


def test_order_under_way_is_unknown_when_the_session_ended():
    peer = ready()
    order = peer.submit(trade_call())
    logout = peer.submit(Logout(ACCOUNT))
    peer.answer(LOGOUT, DONE)
    assert order not in peer.errors
    peer.push(ENDED)
    assert logout in peer.results
    error = peer.errors[order]
    assert isinstance(error, OrderOutcomeUnknownError)
    assert isinstance(error.cause, AccountAuthError)


def test_order_under_way_is_unknown_although_the_account_is_on_its_way_back():
    peer = ready()
    order = peer.submit(trade_call())
    peer.submit(Logout(ACCOUNT))
    back = peer.submit(Authorize(credentials()))
    read = peer.submit(read_call())
    peer.push(ENDED)
    assert isinstance(peer.errors[order], OrderOutcomeUnknownError)
    peer.answer(ProtoOAAccountAuthReq)
    assert back in peer.results
    peer.answer(ProtoOASymbolsListReq)
    assert read in peer.results
    assert len(peer.requests(ProtoOAAccountAuthReq)) == 1


def test_reads_under_way_end_with_the_session():
    peer = ready()
    sent = peer.submit(read_call())
    peer.submit(Logout(ACCOUNT))
    after = peer.submit(read_call())
    peer.push(ENDED)
    for call_id in (sent, after):
        assert isinstance(peer.errors[call_id], AccountAuthError)


def test_what_is_subscribed_after_it_is_told_why_not():
    peer = ready()
    peer.submit(Logout(ACCOUNT))
    call_id = peer.submit(Subscribe((SpotTopic(ACCOUNT, 2),), "test"))
    peer.clear()
    peer.push(ENDED)
    assert peer.sent_kinds() == [ProtoOASubscribeSpotsReq]
    refusal = "INVALID_REQUEST", "Trading account is not authorized"
    peer.refuse(ProtoOASubscribeSpotsReq, *refusal)
    assert call_id not in peer.errors
    peer.refuse(ProtoOASubscribeSpotsReq, *refusal)
    assert isinstance(peer.errors[call_id], APIError)


def test_what_the_server_went_on_sending_after_a_removal_does_not_end_in_silence():
    peer = ready()
    leave(peer, "removal")
    peer.hold_spots(2)
    peer.push(ENDED)
    peer.refuse(ProtoOASubscribeSpotsReq, "INVALID_REQUEST", "Trading account is not authorized")
    assert len(peer.seen(SubscriptionRestoreFailedEvent)) == 1
    peer.authorize()
    peer.advance(5)
    peer.answer(ProtoOASubscribeSpotsReq)
    assert peer.is_ready()


def test_history_that_waits_ends_and_its_lane_is_free():
    peer = ready()
    request = ProtoOADealListReq(ctidTraderAccountId=ACCOUNT)
    reads = [
        peer.submit(Call(request, ProtoOADealListRes, account_id=ACCOUNT), 60) for _ in range(9)
    ]
    peer.submit(Logout(ACCOUNT))
    peer.advance(5)
    assert sum(call_id in peer.errors for call_id in reads) == 5
    assert len(peer.requests(ProtoOADealListReq)) == 4


def test_terms_heard_before_it_are_forgotten():
    peer = ready()
    peer.push(
        ProtoOASymbolByIdRes(
            ctidTraderAccountId=ACCOUNT,
            symbol=[ProtoOASymbol(symbolId=1, digits=5, pipPosition=4, stepVolume=100)],
        )
    )

    def guard(terms: Terms) -> Lacking | None:
        return None if terms.symbol(ACCOUNT, 1) else Lacking(symbol_id=1)

    def ask() -> object:
        call = Call(market_order(), account_id=ACCOUNT, guard=guard)
        return peer.results.get(peer.submit(call))

    assert ask() is None
    leave(peer, "removal")
    assert ask() == Lacking(symbol_id=1)
