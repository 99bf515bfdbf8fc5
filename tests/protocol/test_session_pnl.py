"""The stream of profits: newest schema only, so a server may refuse it or say nothing."""

from __future__ import annotations

import pytest

from ctrader.errors import (
    AccountAuthError,
    APIError,
    CTraderConnectionTimeoutError,
    UnsupportedMessageError,
)
from ctrader.events import PnLChangeEvent, ReadyEvent, SubscriptionRestoreFailedEvent
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountLogoutReq,
    ProtoOANewOrderReq,
    ProtoOAv1PnLChangeEvent,
    ProtoOAv1PnLChangeSubscribeReq,
    ProtoOAv1PnLChangeSubscribeRes,
    ProtoOAv1PnLChangeUnSubscribeReq,
    ProtoOAv1PnLChangeUnSubscribeRes,
)
from ctrader.protocol.commands import Authorize, Logout, PnLTopic, SpotTopic, Subscribe
from tests.protocol.peer import ACCOUNT, OTHER_ACCOUNT, Peer, credentials, trade_call

SUB, UNSUB = ProtoOAv1PnLChangeSubscribeReq, ProtoOAv1PnLChangeUnSubscribeReq
DONE = ProtoOAv1PnLChangeSubscribeRes(ctidTraderAccountId=ACCOUNT)
GONE = ProtoOAv1PnLChangeUnSubscribeRes(ctidTraderAccountId=ACCOUNT)
CHANGE = ProtoOAv1PnLChangeEvent(
    ctidTraderAccountId=ACCOUNT,
    grossUnrealizedPnL=-1234,
    netUnrealizedPnL=-1300,
    moneyDigits=2,
)
PNL = PnLTopic(ACCOUNT)
REMEDY = r"poll trading\.get_unrealized_pnl_per_position\(\)"


def ready() -> Peer:
    peer = Peer()
    peer.make_ready()
    peer.clear()
    return peer


def subscribed() -> Peer:
    peer = ready()
    peer.subscribe(PNL)
    peer.answer(SUB, DONE)
    return peer


def test_subscription_asks_for_nothing_else_and_events_come():
    peer = ready()
    call_id = peer.subscribe(PNL)
    assert peer.sent_kinds() == [SUB]
    peer.answer(SUB, DONE)
    assert call_id in peer.results

    peer.session.listen(frozenset({PnLChangeEvent}), None)
    peer.push(CHANGE)
    (event,) = peer.seen(PnLChangeEvent)
    assert (str(event.gross_unrealized_pnl), str(event.net_unrealized_pnl)) == ("-12.34", "-13.00")


def test_server_without_it_gives_an_error_with_the_remedy():
    peer = ready()
    call_id = peer.subscribe(PNL)
    peer.refuse_commonly(SUB, "UNSUPPORTED_MESSAGE", "unknown payload type")
    error = peer.errors[call_id]
    assert isinstance(error, UnsupportedMessageError)
    assert error.account_id == ACCOUNT
    with pytest.raises(UnsupportedMessageError, match=REMEDY):
        raise error


def test_silent_server_gives_the_same_error_after_five_seconds():
    peer = ready()
    call_id = peer.subscribe(PNL)
    peer.advance(4.9)
    assert call_id not in peer.errors
    peer.advance(0.2)
    error = peer.errors[call_id]
    assert isinstance(error, UnsupportedMessageError)
    assert isinstance(error.__cause__, CTraderConnectionTimeoutError)
    assert "within 5 s" in str(error)
    assert REMEDY.replace("\\", "") in str(error)


def test_server_that_was_only_slow_is_told_that_nobody_wants_it():
    peer = ready()
    peer.subscribe(PNL)
    peer.advance(5.1)
    assert peer.sent_kinds() == [SUB, UNSUB]
    peer.answer(SUB, DONE)
    peer.answer(UNSUB, GONE)
    assert peer.is_ready()


def test_caller_with_less_patience_gets_an_ordinary_timeout():
    peer = ready()
    call_id = peer.submit(Subscribe((PNL,), "test"), 1.0)
    peer.advance(1.1)
    assert isinstance(peer.errors[call_id], CTraderConnectionTimeoutError)


def test_other_refusal_is_raised_as_it_is():
    peer = ready()
    call_id = peer.subscribe(PNL)
    peer.refuse(SUB, "CHANNEL_IS_BLOCKED")
    error = peer.errors[call_id]
    assert isinstance(error, APIError)
    assert not isinstance(error, UnsupportedMessageError)


def test_it_may_be_tried_again_after_a_refusal():
    peer = ready()
    peer.subscribe(PNL)
    peer.refuse_commonly(SUB, "UNSUPPORTED_MESSAGE")
    call_id = peer.subscribe(PNL)
    peer.answer(SUB, DONE)
    assert call_id in peer.results


def test_already_subscribed_is_a_success():
    peer = ready()
    call_id = peer.subscribe(PNL)
    peer.refuse(SUB, "ALREADY_SUBSCRIBED")
    assert call_id in peer.results


def test_unsubscription_is_sent_when_the_last_owner_leaves():
    peer = subscribed()
    peer.subscribe(PNL, owner="second")
    peer.unsubscribe(PNL)
    assert peer.requests(UNSUB) == []
    call_id = peer.unsubscribe(PNL, owner="second")
    peer.answer(UNSUB, GONE)
    assert call_id in peer.results


def test_unsubscription_without_a_subscription_sends_nothing():
    peer = ready()
    assert peer.unsubscribe(PNL) in peer.results
    assert peer.sent == []


def test_refused_unsubscription_is_a_success():
    peer = subscribed()
    call_id = peer.unsubscribe(PNL)
    peer.refuse(UNSUB, "NOT_SUBSCRIBED_TO_PNL")
    assert call_id in peer.results


def test_it_is_restored_after_a_loss_and_trading_does_not_wait_for_it():
    peer = subscribed()
    peer.clear()
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    assert peer.sent_kinds()[-1] is SUB
    assert [event.account_id for event in peer.seen(ReadyEvent)] == [ACCOUNT]
    order = peer.submit(trade_call())
    peer.answer(ProtoOANewOrderReq, peer.execution("ORDER_FILLED"))
    assert order in peer.results
    peer.answer(SUB, DONE)
    peer.session.listen(frozenset({PnLChangeEvent}), None)
    peer.push(CHANGE)
    assert len(peer.seen(PnLChangeEvent)) == 1


def test_subscription_that_could_not_be_written_says_nothing_of_the_server():
    peer = ready()
    peer.can_write = False
    call_id = peer.subscribe(PNL)
    peer.advance(12)
    peer.can_write = True
    peer.carry_out()
    assert peer.sent_kinds() == [SUB]
    peer.advance(4.9)
    assert call_id not in peer.errors
    peer.answer(SUB, DONE)
    assert call_id in peer.results


def test_patience_begins_when_the_subscription_is_written():
    peer = ready()
    peer.can_write = False
    call_id = peer.subscribe(PNL)
    peer.advance(12)
    peer.can_write = True
    peer.carry_out()
    peer.advance(5.1)
    assert isinstance(peer.errors[call_id], UnsupportedMessageError)


def test_patience_is_no_longer_than_any_request_s():
    peer = Peer(request_timeout=2)
    peer.make_ready()
    call_id = peer.submit(Subscribe((PNL,), "test"), 60)
    peer.advance(2.1)
    assert "within 2 s" in str(peer.errors[call_id])


def test_caller_s_own_time_ends_a_subscription_that_could_not_be_written():
    peer = ready()
    peer.can_write = False
    call_id = peer.submit(Subscribe((PNL,), "test"), 8.0)
    peer.advance(8.1)
    assert isinstance(peer.errors[call_id], CTraderConnectionTimeoutError)


def test_subscription_that_waits_for_its_rate_says_nothing_of_the_server():
    peer = ready()
    call_id = peer.subscribe(PNL)
    peer.refuse(SUB, "REQUEST_FREQUENCY_EXCEEDED", retry_after=8)
    peer.advance(8.1)
    assert call_id not in peer.errors
    assert peer.sent_kinds() == [SUB, SUB]
    peer.answer(SUB, DONE)
    assert call_id in peer.results


@pytest.mark.parametrize("is_wanted_again", [True, False])
def test_end_of_a_subscription_that_could_not_be_written_is_tried_again(is_wanted_again: bool):
    peer = Peer(request_timeout=2)
    peer.make_ready()
    peer.subscribe(PNL)
    peer.answer(SUB, DONE)
    peer.clear()
    peer.can_write = False
    peer.unsubscribe(PNL)
    if is_wanted_again:
        peer.submit(Subscribe((PNL,), "second"), 60)
    peer.advance(3)
    peer.can_write = True
    peer.carry_out()
    assert peer.sent_kinds() == ([] if is_wanted_again else [UNSUB])


def test_subscription_that_could_not_be_written_and_that_nobody_wants_is_forgotten():
    peer = Peer(request_timeout=2)
    peer.make_ready()
    peer.clear()
    peer.can_write = False
    peer.submit(Subscribe((PNL,), "test"), 1)
    peer.advance(3)
    peer.can_write = True
    peer.carry_out()
    assert peer.sent_kinds() == []


def test_silence_while_restoring_is_an_event_and_nobody_waits_for_it():
    peer = subscribed()
    peer.clear()
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    assert peer.is_ready()
    peer.advance(5.1)
    (event,) = peer.seen(SubscriptionRestoreFailedEvent)
    assert isinstance(event.error, UnsupportedMessageError)


def test_logout_takes_a_subscription_along_that_was_not_written():
    peer = ready()
    peer.can_write = False
    call_id = peer.subscribe(PNL)
    peer.submit(Logout(ACCOUNT))
    peer.submit(Authorize(credentials()))
    assert isinstance(peer.errors[call_id], AccountAuthError)
    peer.can_write = True
    peer.carry_out()
    assert peer.sent_kinds() == [ProtoOAAccountLogoutReq, ProtoOAAccountAuthReq]


def test_it_is_restored_when_the_server_ended_the_account_s_session():
    peer = subscribed()
    peer.clear()
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    peer.answer(ProtoOAAccountAuthReq)
    assert len(peer.requests(SUB)) == 1


def test_refusal_while_restoring_is_an_event_and_asked_again():
    peer = subscribed()
    peer.clear()
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    peer.refuse_commonly(SUB, "UNSUPPORTED_MESSAGE")
    (event,) = peer.seen(SubscriptionRestoreFailedEvent)
    assert (event.account_id, event.symbol_id, event.topic) == (ACCOUNT, None, "profits")
    assert isinstance(event.error, UnsupportedMessageError)
    assert peer.is_ready()
    peer.advance(10)
    assert len(peer.requests(SUB)) >= 2


def test_accounts_and_symbols_do_not_mix():
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    peer.hold_spots(1)
    peer.clear()
    peer.subscribe(PNL, PnLTopic(OTHER_ACCOUNT), SpotTopic(ACCOUNT, 1))
    assert [request.ctidTraderAccountId for request in peer.requests(SUB)] == [
        ACCOUNT,
        OTHER_ACCOUNT,
    ]
    assert peer.sent_kinds() == [SUB, SUB]
