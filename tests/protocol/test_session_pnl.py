"""The stream of profits: newest schema only, so a server may refuse it or say nothing."""

from __future__ import annotations

import pytest

from ctrader.errors import (
    APIError,
    CTraderConnectionTimeoutError,
    UnsupportedMessageError,
)
from ctrader.events import PnLChangeEvent, ReadyEvent, SubscriptionRestoreFailedEvent
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountDisconnectEvent,
    ProtoOAv1PnLChangeEvent,
    ProtoOAv1PnLChangeSubscribeReq,
    ProtoOAv1PnLChangeSubscribeRes,
    ProtoOAv1PnLChangeUnSubscribeReq,
    ProtoOAv1PnLChangeUnSubscribeRes,
)
from ctrader.protocol.commands import PnLTopic, SpotTopic, Subscribe
from tests.protocol.peer import ACCOUNT, OTHER_ACCOUNT, Peer

SUB, UNSUB = ProtoOAv1PnLChangeSubscribeReq, ProtoOAv1PnLChangeUnSubscribeReq
DONE = ProtoOAv1PnLChangeSubscribeRes(ctidTraderAccountId=ACCOUNT)
GONE = ProtoOAv1PnLChangeUnSubscribeRes(ctidTraderAccountId=ACCOUNT)
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
    peer.push(
        ProtoOAv1PnLChangeEvent(
            ctidTraderAccountId=ACCOUNT,
            grossUnrealizedPnL=-1234,
            netUnrealizedPnL=-1300,
            moneyDigits=2,
        )
    )
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
    peer.refuse(SUB, "ACCOUNT_NOT_AUTHORIZED")
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


def test_it_is_restored_after_a_loss_before_the_account_is_ready():
    peer = subscribed()
    peer.clear()
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    assert peer.sent_kinds()[-1] is SUB
    assert peer.seen(ReadyEvent) == []
    peer.answer(SUB, DONE)
    assert [event.account_id for event in peer.seen(ReadyEvent)] == [ACCOUNT]


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
    assert (event.account_id, event.symbol_id, event.topic) == (ACCOUNT, None, "PnLTopic")
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
