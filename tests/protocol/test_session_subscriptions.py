"""Topics: asked for while somebody owns them, restored after every loss."""

from __future__ import annotations

import pytest

from ctrader.enums import TrendbarPeriod
from ctrader.errors import (
    CTraderConnectionClosedError,
    CTraderConnectionTimeoutError,
    SymbolNotFoundError,
)
from ctrader.events import (
    DataGapEvent,
    DepthEvent,
    ReadyEvent,
    SpotEvent,
    SubscriptionRestoreFailedEvent,
)
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountDisconnectEvent,
    ProtoOAApplicationAuthReq,
    ProtoOADepthEvent,
    ProtoOADepthQuote,
    ProtoOAErrorRes,
    ProtoOANewOrderReq,
    ProtoOASpotEvent,
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeSpotsReq,
    ProtoOAUnsubscribeDepthQuotesReq,
    ProtoOAUnsubscribeLiveTrendbarReq,
    ProtoOAUnsubscribeSpotsReq,
)
from ctrader.protocol.commands import DepthTopic, SpotTopic, Subscribe, TrendbarTopic
from tests.protocol.peer import ACCOUNT, OTHER_ACCOUNT, Peer, trade_call

SUB, UNSUB = ProtoOASubscribeSpotsReq, ProtoOAUnsubscribeSpotsReq
SPOT, SPOT_2 = SpotTopic(ACCOUNT, 1), SpotTopic(ACCOUNT, 2)
BARS = TrendbarTopic(ACCOUNT, 1, TrendbarPeriod.M1)
DEPTH = DepthTopic(ACCOUNT, 1)


def ready(**changes: float) -> Peer:
    peer = Peer(changes)
    peer.make_ready()
    peer.clear()
    return peer


def restored(peer: Peer) -> Peer:
    """Go through a loss, up to where the topics are asked for again."""
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    return peer


# First time


def test_subscription_ends_with_the_server_s_answer():
    peer = ready()
    call_id = peer.subscribe(SPOT, SPOT_2)
    (request,) = peer.requests(SUB)
    assert list(request.symbolId) == [1, 2]
    assert call_id not in peer.results
    peer.answer(SUB)
    assert call_id in peer.results


def test_subscription_before_the_first_connection_fails():
    peer = Peer()
    assert isinstance(peer.errors[peer.subscribe(SPOT)], CTraderConnectionClosedError)


def test_nothing_to_subscribe_is_done_at_once():
    peer = ready()
    assert peer.subscribe() in peer.results
    assert peer.unsubscribe() in peer.results


def test_second_owner_is_answered_at_once():
    peer = ready()
    peer.hold_spots(1)
    peer.clear()
    assert peer.subscribe(SPOT, owner="second") in peer.results
    assert peer.sent == []


def test_second_owner_waits_for_the_answer_that_the_first_waits_for():
    peer = ready()
    first, second = peer.subscribe(SPOT), peer.subscribe(SPOT, owner="second")
    assert peer.results.keys() & {first, second} == set()
    peer.answer(SUB)
    assert {first, second} <= peer.results.keys()
    assert len(peer.requests(SUB)) == 1


def test_already_subscribed_is_a_success():
    peer = ready()
    call_id = peer.subscribe(SPOT)
    peer.refuse(SUB, "ALREADY_SUBSCRIBED")
    assert call_id in peer.results


def test_already_subscribed_is_a_success_also_under_a_code_that_does_not_say_so():
    peer = ready()
    call_id = peer.subscribe(SPOT)
    peer.refuse(SUB, "INVALID_REQUEST", "Spots of 1 are subscribed already")
    assert call_id in peer.results


def test_invalid_subscription_is_no_success():
    peer = ready()
    call_id = peer.subscribe(SPOT)
    peer.refuse(SUB, "INVALID_REQUEST", "Symbol is invalid")
    assert call_id in peer.errors


def test_list_with_a_duplicate_is_asked_for_one_by_one():
    peer = ready()
    call_id = peer.subscribe(SPOT, SPOT_2)
    peer.refuse(SUB, "ALREADY_SUBSCRIBED")
    assert [list(request.symbolId) for request in peer.requests(SUB)] == [[1, 2], [1], [2]]
    peer.refuse(SUB, "ALREADY_SUBSCRIBED")
    peer.answer(SUB)
    assert call_id in peer.results


def test_refused_first_subscription_is_raised_and_forgotten():
    peer = ready()
    call_id = peer.subscribe(SPOT)
    peer.refuse(SUB, "SYMBOL_NOT_FOUND")
    assert isinstance(peer.errors[call_id], SymbolNotFoundError)
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    assert len(peer.requests(SUB)) == 1
    assert peer.is_ready()


def test_refusal_of_one_symbol_gives_the_others_back():
    peer = ready()
    call_id = peer.subscribe(SPOT, SPOT_2)
    peer.refuse(SUB, "SYMBOL_NOT_FOUND")
    peer.answer(SUB)
    peer.refuse(SUB, "SYMBOL_NOT_FOUND")
    assert isinstance(peer.errors[call_id], SymbolNotFoundError)
    (request,) = peer.requests(UNSUB)
    assert list(request.symbolId) == [1]


def test_refusal_leaves_those_who_wait_for_other_topics():
    peer = ready()
    refused, waiting = peer.subscribe(SPOT), peer.subscribe(SPOT_2)
    peer.refuse(SUB, "SYMBOL_NOT_FOUND")
    peer.answer(SUB)
    assert refused in peer.errors
    assert waiting in peer.results


def test_refusal_leaves_what_others_own():
    peer = ready()
    peer.hold_spots(1)
    call_id = peer.subscribe(SPOT, SPOT_2, owner="second")
    peer.refuse(SUB, "SYMBOL_NOT_FOUND")
    assert call_id in peer.errors
    assert peer.requests(UNSUB) == []


def test_subscription_without_an_answer_fails_and_is_forgotten():
    peer = ready(request_timeout=5, heartbeat_timeout=0)
    call_id = peer.subscribe(SPOT)
    peer.advance(5)
    assert isinstance(peer.errors[call_id], CTraderConnectionTimeoutError)
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    assert len(peer.requests(SUB)) == 1
    assert peer.is_ready()


def test_subscription_without_an_answer_is_given_back_in_case_it_stands():
    peer = ready(request_timeout=5, heartbeat_timeout=0)
    peer.subscribe(BARS)
    peer.advance(5)
    assert peer.sent_kinds() == [SUB, UNSUB]
    peer.answer(UNSUB)
    peer.clear()
    peer.advance(50)
    assert peer.sent_kinds() == []


def test_doubtful_topic_that_nobody_wants_any_more_is_given_back():
    peer = ready(request_timeout=5, heartbeat_timeout=0)
    peer.hold_spots(1)
    restored(peer)
    peer.advance(5)
    peer.clear()
    call_id = peer.unsubscribe(SPOT)
    assert peer.sent_kinds() == [UNSUB]
    peer.refuse(UNSUB, "NOT_SUBSCRIBED_TO_SPOTS")
    assert call_id in peer.results


def test_cancelled_subscription_is_given_back_after_its_answer():
    peer = ready()
    peer.cancel(peer.subscribe(SPOT))
    assert peer.requests(UNSUB) == []
    peer.answer(SUB)
    assert len(peer.requests(UNSUB)) == 1


def test_cancelling_leaves_what_the_owner_had_before():
    peer = ready()
    peer.hold_spots(1)
    peer.cancel(peer.subscribe(SPOT, SPOT_2))
    peer.answer(SUB)
    assert [list(request.symbolId) for request in peer.requests(UNSUB)] == [[2]]


def test_cancelling_one_of_two_subscriptions_of_one_owner_leaves_the_other():
    peer = ready()
    first, second = peer.subscribe(SPOT), peer.subscribe(SPOT)
    peer.cancel(first)
    peer.answer(SUB)
    assert second in peer.results
    assert peer.requests(UNSUB) == []


def test_every_account_has_its_own_topics():
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    call_id = peer.subscribe(SPOT, SpotTopic(OTHER_ACCOUNT, 1))
    requests = peer.requests(SUB)
    assert [request.ctidTraderAccountId for request in requests] == [ACCOUNT, OTHER_ACCOUNT]
    peer.answer(SUB)
    assert call_id not in peer.results
    peer.answer(SUB)
    assert call_id in peer.results


def test_account_that_this_session_does_not_know_is_asked_for_all_the_same():
    peer = Peer()
    peer.connect_application()
    call_id = peer.subscribe(SPOT)
    peer.refuse(SUB, "INVALID_REQUEST", "Trading account is not authorized")
    assert call_id in peer.errors


def test_rate_limited_subscription_is_sent_again():
    peer = ready()
    call_id = peer.subscribe(SPOT)
    peer.refuse(SUB, "BLOCKED_PAYLOAD_TYPE", retry_after=2)
    peer.advance(2)
    peer.answer(SUB)
    assert call_id in peer.results


# Bars and depth


@pytest.mark.parametrize(
    "topic, subscribe, unsubscribe",
    [
        (BARS, ProtoOASubscribeLiveTrendbarReq, ProtoOAUnsubscribeLiveTrendbarReq),
        (DEPTH, ProtoOASubscribeDepthQuotesReq, ProtoOAUnsubscribeDepthQuotesReq),
    ],
)
def test_bars_and_depth_bring_their_spots_along(topic, subscribe, unsubscribe):
    peer = ready()
    call_id = peer.subscribe(topic)
    assert peer.sent_kinds() == [SUB]
    peer.answer(SUB)
    assert peer.sent_kinds() == [SUB, subscribe]
    assert call_id not in peer.results
    peer.answer(subscribe)
    assert call_id in peer.results
    peer.clear()
    gone = peer.unsubscribe(topic)
    peer.answer(unsubscribe)
    peer.answer(UNSUB)
    assert peer.sent_kinds() == [unsubscribe, UNSUB]
    assert gone in peer.results


def test_refused_spots_refuse_what_needs_them():
    peer = ready()
    call_id = peer.subscribe(BARS)
    peer.refuse(SUB, "SYMBOL_NOT_FOUND")
    assert isinstance(peer.errors[call_id], SymbolNotFoundError)
    assert peer.requests(ProtoOASubscribeLiveTrendbarReq) == []


def test_refused_bars_give_their_spots_back():
    peer = ready()
    call_id = peer.subscribe(BARS)
    peer.answer(SUB)
    peer.refuse(ProtoOASubscribeLiveTrendbarReq, "INVALID_REQUEST")
    assert call_id in peer.errors
    assert len(peer.requests(UNSUB)) == 1


# Giving up


def test_unsubscription_ends_with_the_server_s_answer():
    peer = ready()
    peer.hold_spots(1)
    call_id = peer.unsubscribe(SPOT)
    assert call_id not in peer.results
    peer.answer(UNSUB)
    assert call_id in peer.results


def test_refused_unsubscription_is_done_as_well():
    peer = ready()
    peer.hold_spots(1)
    call_id = peer.unsubscribe(SPOT)
    peer.refuse(UNSUB, "NOT_SUBSCRIBED_TO_SPOTS")
    assert call_id in peer.results


def test_unsubscription_of_what_nobody_had_is_done_at_once():
    peer = ready()
    assert peer.unsubscribe(SPOT) in peer.results
    assert peer.sent == []


def test_unsubscription_of_one_of_two_owners_is_done_at_once():
    peer = ready()
    peer.hold_spots(1)
    peer.subscribe(SPOT, owner="second")
    assert peer.unsubscribe(SPOT) in peer.results
    assert peer.requests(UNSUB) == []


def test_unsubscription_during_an_outage_is_done_at_once():
    peer = ready()
    peer.hold_spots(1)
    peer.connection_lost()
    assert peer.unsubscribe(SPOT) in peer.results
    peer.reopen()
    peer.connection_made()
    peer.answer(ProtoOAApplicationAuthReq)
    peer.answer(ProtoOAAccountAuthReq)
    assert len(peer.requests(SUB)) == 1


def test_unsubscription_ends_with_the_link():
    peer = ready()
    peer.hold_spots(1)
    call_id = peer.unsubscribe(SPOT)
    peer.connection_lost()
    assert call_id in peer.results


def test_topic_left_while_it_is_asked_for_is_given_up():
    peer = ready()
    first = peer.subscribe(SPOT)
    second = peer.unsubscribe(SPOT)
    peer.answer(SUB)
    peer.answer(UNSUB)
    assert {first, second} <= peer.results.keys()
    assert peer.sent_kinds() == [SUB, UNSUB]


def test_topic_wanted_again_while_it_is_given_up_is_asked_for_again():
    peer = ready()
    peer.hold_spots(1)
    peer.unsubscribe(SPOT)
    call_id = peer.subscribe(SPOT, owner="new")
    peer.answer(UNSUB)
    assert call_id not in peer.results
    peer.answer(SUB)
    assert call_id in peer.results


# Restoring


def test_topics_are_restored_spots_first():
    peer = ready()
    peer.subscribe(BARS, DEPTH)
    peer.answer(SUB)
    peer.answer(ProtoOASubscribeLiveTrendbarReq)
    peer.answer(ProtoOASubscribeDepthQuotesReq)
    peer.clear()
    restored(peer)
    peer.answer(SUB)
    assert not peer.is_ready()
    peer.answer(ProtoOASubscribeLiveTrendbarReq)
    peer.answer(ProtoOASubscribeDepthQuotesReq)
    assert peer.sent_kinds()[2:] == [
        SUB,
        ProtoOASubscribeLiveTrendbarReq,
        ProtoOASubscribeDepthQuotesReq,
    ]
    assert peer.is_ready()


def test_refusal_while_restoring_is_reported_and_retried():
    peer = ready()
    peer.hold_spots(1)
    restored(peer)
    peer.refuse(SUB, "SYMBOL_NOT_FOUND")
    (event,) = peer.seen(SubscriptionRestoreFailedEvent)
    assert (event.account_id, event.symbol_id) == (ACCOUNT, 1)
    assert isinstance(event.error, SymbolNotFoundError)
    assert peer.is_ready()
    peer.advance(1)
    peer.answer(SUB)
    peer.clear()
    peer.advance(20)
    assert peer.sent_kinds() == []


def test_refused_list_is_restored_one_by_one():
    peer = ready()
    peer.hold_spots(1, 2)
    restored(peer)
    peer.clear()
    peer.refuse(SUB, "SYMBOL_NOT_FOUND")
    assert [list(request.symbolId) for request in peer.requests(SUB)] == [[1], [2]]
    peer.refuse(SUB, "SYMBOL_NOT_FOUND")
    assert not peer.is_ready()
    peer.answer(SUB)
    assert peer.is_ready()
    assert [e.symbol_id for e in peer.seen(SubscriptionRestoreFailedEvent)] == [1]


def test_refusals_say_in_words_what_was_subscribed():
    peer = ready()
    peer.subscribe(BARS, DEPTH)
    peer.answer(SUB)
    peer.answer(ProtoOASubscribeLiveTrendbarReq)
    peer.answer(ProtoOASubscribeDepthQuotesReq)
    restored(peer)
    peer.refuse(SUB, "SYMBOL_NOT_FOUND")
    failed = peer.seen(SubscriptionRestoreFailedEvent)
    assert [event.topic for event in failed] == [
        "live prices",
        "live bars M1",
        "depth of market",
    ]


def test_many_refusals_of_one_restoration_put_the_next_attempt_off_no_further_than_one():
    peer = ready()
    peer.hold_spots(*range(1, 21))
    restored(peer)
    peer.refuse(SUB, "UNKNOWN_ERROR")
    for _ in range(20):
        peer.refuse(SUB, "UNKNOWN_ERROR")
    assert len(peer.seen(SubscriptionRestoreFailedEvent)) == 20
    assert peer.is_ready()
    peer.advance(1)
    assert len(peer.open(SUB)) == 20
    while peer.open(SUB):
        peer.answer(SUB)


def test_longest_wait_that_a_refusal_of_a_restoration_asks_for_is_kept_to():
    peer = ready(heartbeat_timeout=0)
    peer.hold_spots(1, 2, 3)
    restored(peer)
    peer.refuse(SUB, "UNKNOWN_ERROR")
    peer.refuse(SUB, "UNKNOWN_ERROR")
    peer.refuse(SUB, "SYMBOL_NOT_FOUND", retry_after=600)
    peer.refuse(SUB, "UNKNOWN_ERROR")
    peer.advance(600)
    assert peer.open(SUB) == []
    peer.advance(2)
    assert len(peer.open(SUB)) == 3


def test_refused_spots_report_the_bars_as_well():
    peer = ready()
    peer.subscribe(BARS)
    peer.answer(SUB)
    peer.answer(ProtoOASubscribeLiveTrendbarReq)
    restored(peer)
    peer.refuse(SUB, "SYMBOL_NOT_FOUND")
    assert len(peer.seen(SubscriptionRestoreFailedEvent)) == 2
    assert peer.is_ready()
    peer.advance(1)
    peer.answer(SUB)
    peer.answer(ProtoOASubscribeLiveTrendbarReq)
    assert peer.open(SUB) == []


def test_subscribing_a_topic_that_was_refused_while_restoring_asks_again():
    peer = ready()
    peer.hold_spots(1)
    restored(peer)
    peer.refuse(SUB, "SYMBOL_NOT_FOUND", retry_after=20)
    call_id = peer.subscribe(SPOT, owner="new")
    assert call_id not in peer.results
    peer.refuse(SUB, "SYMBOL_NOT_FOUND", retry_after=20)
    assert isinstance(peer.errors[call_id], SymbolNotFoundError)


def test_subscription_made_during_an_outage_hears_of_a_refused_restoration():
    peer = ready()
    peer.hold_spots(1)
    peer.connection_lost()
    call_id = peer.subscribe(SPOT, owner="new")
    peer.reopen()
    peer.connection_made()
    peer.answer(ProtoOAApplicationAuthReq)
    peer.answer(ProtoOAAccountAuthReq)
    peer.refuse(SUB, "SYMBOL_NOT_FOUND")
    assert isinstance(peer.errors[call_id], SymbolNotFoundError)
    assert len(peer.seen(SubscriptionRestoreFailedEvent)) == 1
    peer.advance(1)
    assert len(peer.open(SUB)) == 1


def test_retry_of_a_topic_that_nobody_wants_any_more_asks_nothing():
    peer = ready()
    peer.hold_spots(1)
    restored(peer)
    peer.refuse(SUB, "SYMBOL_NOT_FOUND")
    peer.unsubscribe(SPOT)
    peer.clear()
    peer.advance(5)
    assert peer.sent_kinds() == []


def test_restoration_without_an_answer_is_retried():
    peer = ready(request_timeout=5, heartbeat_timeout=0)
    peer.hold_spots(1, 2)
    restored(peer)
    peer.advance(5)
    assert len(peer.seen(SubscriptionRestoreFailedEvent)) == 2
    peer.advance(1)
    request = peer.open(SUB)[-1].message
    assert isinstance(request, ProtoOASubscribeSpotsReq)
    assert list(request.symbolId) == [1, 2]


def test_waiting_subscription_goes_on_after_a_loss():
    peer = ready()
    call_id = peer.subscribe(SPOT)
    restored(peer)
    peer.answer(SUB)
    assert call_id in peer.results
    assert peer.seen(DataGapEvent) == []


def test_new_topic_does_not_hold_the_account_s_readiness_back():
    peer = ready()
    peer.subscribe(SPOT)
    restored(peer)
    assert peer.is_ready()
    assert len(peer.seen(ReadyEvent)) == 1


def test_topics_of_a_dropped_account_are_restored_on_the_same_link():
    peer = ready()
    peer.hold_spots(1)
    waiting = peer.subscribe(SPOT_2)
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    peer.answer(ProtoOAAccountAuthReq)
    peer.clear()
    for _ in range(3):
        if peer.open(SUB):
            peer.answer(SUB)
    assert waiting in peer.results
    assert peer.is_ready()


def test_bars_that_were_subscribed_before_are_fine():
    peer = ready()
    call_id = peer.submit(Subscribe((BARS,), "x"))
    peer.answer(SUB)
    peer.refuse(ProtoOASubscribeLiveTrendbarReq, "ALREADY_SUBSCRIBED")
    assert call_id in peer.results
    assert peer.errors == {}


def test_account_that_is_removed_leaves_those_who_wait_for_another():
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    call_id = peer.subscribe(SpotTopic(OTHER_ACCOUNT, 1))
    peer.session.remove_account(ACCOUNT, peer.now)
    peer.carry_out()
    peer.answer(SUB)
    assert call_id in peer.results


def test_account_removed_amid_a_subscription_over_two_accounts_ends_it():
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    call_id = peer.subscribe(SPOT, SpotTopic(OTHER_ACCOUNT, 1))
    peer.session.remove_account(ACCOUNT, peer.now)
    peer.carry_out()
    assert call_id in peer.errors
    peer.answer(SUB)
    peer.answer(SUB)
    assert [r.ctidTraderAccountId for r in peer.requests(UNSUB)] == [OTHER_ACCOUNT]


# Quotes


def test_side_of_an_earlier_subscription_is_no_price_any_more():
    peer = Peer()
    peer.make_ready()
    peer.session.listen(frozenset({SpotEvent}), None)
    peer.hold_spots(1)
    peer.push(ProtoOASpotEvent(ctidTraderAccountId=ACCOUNT, symbolId=1, bid=10, ask=20))
    peer.unsubscribe(SPOT)
    peer.answer(UNSUB)
    peer.clear()
    peer.hold_spots(1)
    peer.push(ProtoOASpotEvent(ctidTraderAccountId=ACCOUNT, symbolId=1, bid=11))
    (event,) = peer.seen(SpotEvent)
    assert event.quote is None
    assert (event.last_bid_points, event.last_ask_points) == (11, None)


# Books


def depth(account_id: int = ACCOUNT, symbol_id: int = 1) -> ProtoOADepthEvent:
    return ProtoOADepthEvent(
        ctidTraderAccountId=account_id,
        symbolId=symbol_id,
        newQuotes=[ProtoOADepthQuote(id=1, size=100, bid=110_000)],
    )


def firsts(peer: Peer) -> list[bool]:
    found = [event.is_first for event in peer.seen(DepthEvent)]
    peer.clear()
    return found


def with_book(*, account_ids: tuple[int, ...] = (ACCOUNT,)) -> Peer:
    peer = Peer()
    peer.session.listen(frozenset({DepthEvent}), None)
    peer.make_ready(*account_ids)
    for account_id in account_ids:
        peer.subscribe(DepthTopic(account_id, 1))
        peer.answer(SUB)
        peer.answer(ProtoOASubscribeDepthQuotesReq)
    peer.clear()
    return peer


def test_first_change_of_a_book_says_so():
    peer = with_book()
    peer.push(depth(), depth(), depth(symbol_id=2), depth())
    assert firsts(peer) == [True, False, True, False]


def test_book_begins_anew_on_the_next_link():
    peer = with_book()
    peer.push(depth())
    peer.reconnect()
    peer.answer(ProtoOAAccountAuthReq)
    peer.clear()
    peer.push(depth(), depth())
    assert firsts(peer) == [True, False]


def test_book_begins_anew_with_the_session_of_its_account_and_no_other_does():
    peer = with_book(account_ids=(ACCOUNT, OTHER_ACCOUNT))
    peer.push(depth(), depth(OTHER_ACCOUNT))
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    peer.clear()
    peer.push(depth(OTHER_ACCOUNT), depth())
    assert firsts(peer) == [False, True]


def test_book_that_the_server_never_stopped_sending_goes_on():
    peer = with_book()
    peer.push(depth())
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    peer.answer(ProtoOAAccountAuthReq)
    peer.answer(SUB)
    peer.refuse(ProtoOASubscribeDepthQuotesReq, "ALREADY_SUBSCRIBED")
    peer.clear()
    peer.push(depth())
    assert firsts(peer) == [False]


def test_book_that_is_subscribed_again_begins_anew():
    peer = with_book()
    peer.push(depth())
    peer.unsubscribe(DEPTH)
    peer.answer(ProtoOAUnsubscribeDepthQuotesReq)
    peer.subscribe(DEPTH)
    peer.clear()
    peer.push(depth())
    assert firsts(peer) == [True]


def test_book_begins_behind_a_change_that_makes_no_sense():
    peer = with_book()
    broken = depth()
    broken.newQuotes[0].ClearField("bid")
    peer.push(broken, depth())
    assert firsts(peer) == [True]


def test_who_listens_late_is_not_told_that_a_book_begins():
    peer = with_book()
    peer.session.listen(frozenset(), None)
    peer.push(depth())
    peer.session.listen(frozenset({DepthEvent}), None)
    peer.push(depth())
    assert firsts(peer) == [False]


# Many topics


def hold_bars(peer: Peer, count: int) -> None:
    """Subscribe live bars of so many symbols, a few at a time."""
    for symbol in range(1, count + 1):
        peer.subscribe(TrendbarTopic(ACCOUNT, symbol, TrendbarPeriod.M1))
        peer.answer(SUB)
        peer.answer(ProtoOASubscribeLiveTrendbarReq)
        if symbol % 20 == 0:
            peer.advance(1)


def test_many_topics_that_are_restored_hold_up_no_order_of_another_account():
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    hold_bars(peer, 100)
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    peer.answer(ProtoOAAccountAuthReq)
    peer.answer(SUB)
    peer.clear()
    peer.submit(trade_call(account_id=OTHER_ACCOUNT))
    peer.advance(1)
    assert len(peer.requests(ProtoOANewOrderReq)) == 1
    peer.advance(3)
    assert len(peer.open(ProtoOASubscribeLiveTrendbarReq)) == 100


@pytest.mark.parametrize(
    "error",
    [
        ProtoOAErrorRes(errorCode="BLOCKED_PAYLOAD_TYPE", retryAfter=60),
        ProtoOAErrorRes(errorCode="SERVER_IS_UNDER_MAINTENANCE", retryAfter=60),
    ],
    ids=["rate", "maintenance"],
)
def test_list_that_the_server_does_not_take_now_is_not_taken_apart(error: ProtoOAErrorRes):
    peer = ready(heartbeat_timeout=0)
    peer.hold_spots(*range(1, 21))
    restored(peer)
    peer.clear()
    peer.answer(SUB, error)
    assert len(peer.seen(SubscriptionRestoreFailedEvent)) == 20
    assert peer.is_ready()
    peer.advance(60)
    assert peer.requests(SUB) == []
    peer.advance(2)
    (request,) = peer.requests(SUB)
    assert len(request.symbolId) == 20
    peer.answer(SUB)
    (gap,) = peer.seen(DataGapEvent)
    assert gap.symbol_ids == tuple(range(1, 21))


def test_answers_to_many_topics_are_waited_for_from_the_moment_they_were_asked_for():
    peer = ready(request_timeout=3)
    hold_bars(peer, 150)
    restored(peer)
    while peer.open(SUB):
        peer.answer(SUB)
    for _ in range(5):
        asked = peer.open(ProtoOASubscribeLiveTrendbarReq)
        peer.advance(1)
        for _ in asked:
            peer.answer(ProtoOASubscribeLiveTrendbarReq)
    assert peer.seen(SubscriptionRestoreFailedEvent) == []
    assert peer.is_ready()


# Owners that leave while nothing can be asked


@pytest.mark.parametrize("is_account_s", [True, False])
def test_leaving_a_topic_that_others_own_waits_for_no_link_and_no_session(is_account_s: bool):
    peer = ready()
    peer.hold_spots(1)
    peer.subscribe(SPOT, owner="second")
    if is_account_s:
        peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    else:
        peer.lose_link()
    assert peer.unsubscribe(SPOT) in peer.results


def test_many_topics_that_are_restored_hold_up_no_other_account_s_return():
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    hold_bars(peer, 100)
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    peer.answer(ProtoOAAccountAuthReq)
    peer.answer(SUB)
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=OTHER_ACCOUNT))
    peer.advance(1)
    assert len(peer.open(ProtoOAAccountAuthReq)) == 1
