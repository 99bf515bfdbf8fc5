"""What is wanted, what the server has, and the requests that bring them together."""

from __future__ import annotations

from ctrader.enums import TrendbarPeriod
from ctrader.proto import (
    ProtoOASubscribeDepthQuotesReq,
    ProtoOASubscribeLiveTrendbarReq,
    ProtoOASubscribeSpotsReq,
    ProtoOAUnsubscribeDepthQuotesReq,
    ProtoOAUnsubscribeLiveTrendbarReq,
    ProtoOAUnsubscribeSpotsReq,
)
from ctrader.protocol.commands import DepthTopic, Priority, SpotTopic, Topic, TrendbarTopic
from ctrader.protocol.subscriptions import Standing, SubscriptionLedger, WireRequest

A, B = 1, 2
SPOT, SPOT_2 = SpotTopic(A, 10), SpotTopic(A, 20)
BARS = TrendbarTopic(A, 10, TrendbarPeriod.M1)
DEPTH = DepthTopic(A, 10)


def asked(ledger: SubscriptionLedger, account_id: int = A) -> list[WireRequest]:
    return ledger.plan(account_id)


def accept(ledger: SubscriptionLedger, account_id: int = A) -> list[type]:
    """Carry plans out until nothing is left; return the requests."""
    kinds: list[type] = []
    while requests := ledger.plan(account_id):
        for request in requests:
            kinds.append(type(request.call.request))
            (ledger.added if request.adds else ledger.removed)(request.entries)
    return kinds


def holding(*topics: Topic) -> SubscriptionLedger:
    ledger = SubscriptionLedger()
    for topic in topics:
        ledger.own(topic, "owner")
    accept(ledger)
    return ledger


def standing(ledger: SubscriptionLedger, topic: Topic) -> Standing | None:
    entry = ledger.get(topic)
    return None if entry is None else entry.standing


def test_wanted_spots_are_asked_for_in_one_request():
    ledger = SubscriptionLedger()
    ledger.own(SPOT, "x")
    ledger.own(SPOT_2, "x")
    (request,) = asked(ledger)
    message = request.call.request
    assert isinstance(message, ProtoOASubscribeSpotsReq)
    assert list(message.symbolId) == [10, 20]
    assert message.subscribeToSpotTimestamp
    assert request.call.priority is Priority.RECOVERY
    assert not request.call.resend


def test_plan_asks_once():
    ledger = SubscriptionLedger()
    ledger.own(SPOT, "x")
    assert len(asked(ledger)) == 1
    assert asked(ledger) == []
    assert standing(ledger, SPOT) is Standing.ADDING


def test_plan_is_about_one_account():
    ledger = SubscriptionLedger()
    ledger.own(SpotTopic(B, 10), "x")
    assert asked(ledger, A) == []
    assert len(asked(ledger, B)) == 1
    assert len(ledger.entries()) == 1
    assert ledger.entries(A) == []


def test_long_lists_are_split_in_batches():
    ledger = SubscriptionLedger()
    for symbol in range(1, 251):
        ledger.own(SpotTopic(A, symbol), "x")
    assert [len(request.entries) for request in asked(ledger)] == [100, 100, 50]


def test_second_owner_asks_for_nothing_and_keeps_the_topic_alive():
    ledger = holding(SPOT)
    ledger.own(SPOT, "second")
    assert asked(ledger) == []
    ledger.disown(SPOT, "owner")
    assert asked(ledger) == []
    ledger.disown(SPOT, "second")
    (request,) = asked(ledger)
    assert isinstance(request.call.request, ProtoOAUnsubscribeSpotsReq)


def test_topic_that_nobody_knows_may_be_disowned():
    assert SubscriptionLedger().disown(SPOT, "x") is None


def test_topic_that_was_never_sent_is_dropped_without_a_word():
    ledger = SubscriptionLedger()
    ledger.own(SPOT, "x")
    assert ledger.disown(SPOT, "x") is None
    assert asked(ledger) == []


def test_bars_and_depth_come_after_their_spots():
    ledger = SubscriptionLedger()
    ledger.own(BARS, "x")
    ledger.own(DEPTH, "x")
    assert accept(ledger) == [
        ProtoOASubscribeSpotsReq,
        ProtoOASubscribeLiveTrendbarReq,
        ProtoOASubscribeDepthQuotesReq,
    ]


def test_bars_and_depth_hold_their_spots():
    ledger = holding(SPOT, BARS, DEPTH)
    ledger.disown(SPOT, "owner")
    assert asked(ledger) == []
    ledger.disown(BARS, "owner")
    assert accept(ledger) == [ProtoOAUnsubscribeLiveTrendbarReq]
    ledger.disown(DEPTH, "owner")
    assert accept(ledger) == [ProtoOAUnsubscribeDepthQuotesReq, ProtoOAUnsubscribeSpotsReq]
    assert ledger.entries() == []


def test_spots_stay_while_the_end_of_their_bars_is_awaited():
    ledger = holding(BARS)
    ledger.disown(BARS, "owner")
    (request,) = asked(ledger)
    assert isinstance(request.call.request, ProtoOAUnsubscribeLiveTrendbarReq)
    assert asked(ledger) == []
    ledger.removed(request.entries)
    (request,) = asked(ledger)
    assert isinstance(request.call.request, ProtoOAUnsubscribeSpotsReq)


def test_bars_name_their_period():
    ledger = SubscriptionLedger()
    ledger.own(TrendbarTopic(A, 10, TrendbarPeriod.H4), "x")
    ledger.added(asked(ledger)[0].entries)
    (request,) = asked(ledger)
    assert isinstance(request.call.request, ProtoOASubscribeLiveTrendbarReq)
    assert request.call.request.period == TrendbarPeriod.H4.value


def test_topic_left_while_it_is_asked_for_is_given_up_after_the_answer():
    ledger = SubscriptionLedger()
    ledger.own(SPOT, "x")
    (request,) = asked(ledger)
    entry = ledger.disown(SPOT, "x")
    assert entry is not None
    assert asked(ledger) == []
    assert not ledger.settled([SPOT])
    ledger.added(request.entries)
    (removal,) = asked(ledger)
    assert not removal.adds
    ledger.removed(removal.entries)
    assert ledger.settled([SPOT])
    assert ledger.get(SPOT) is None


def test_topic_wanted_again_while_it_is_given_up_is_asked_for_after_the_answer():
    ledger = holding(SPOT)
    ledger.disown(SPOT, "owner")
    (removal,) = asked(ledger)
    ledger.own(SPOT, "new")
    assert asked(ledger) == []
    assert not ledger.settled([SPOT])
    ledger.removed(removal.entries)
    (request,) = asked(ledger)
    assert request.adds


def test_refused_list_is_asked_for_one_by_one():
    ledger = SubscriptionLedger()
    ledger.own(SPOT, "x")
    ledger.own(SPOT_2, "x")
    (request,) = asked(ledger)
    ledger.split(request.entries)
    requests = asked(ledger)
    assert [len(r.entries) for r in requests] == [1, 1]
    ledger.added(requests[0].entries)
    ledger.added(requests[1].entries)
    ledger.lost()
    assert [len(r.entries) for r in asked(ledger)] == [2]


def test_lost_link_asks_again_for_what_is_owned():
    ledger = holding(SPOT, BARS)
    assert ledger.is_restored(A)
    ledger.lost()
    assert not ledger.is_restored(A)
    assert standing(ledger, SPOT) is Standing.ABSENT
    assert accept(ledger) == [ProtoOASubscribeSpotsReq, ProtoOASubscribeLiveTrendbarReq]
    assert ledger.is_restored(A)


def test_lost_link_ends_what_was_being_given_up():
    ledger = holding(SPOT, BARS)
    ledger.disown(BARS, "owner")
    asked(ledger)
    ledger.lost()
    assert ledger.get(BARS) is None
    assert accept(ledger) == [ProtoOASubscribeSpotsReq]


def test_lost_account_leaves_the_others():
    ledger = holding(SPOT)
    ledger.own(SpotTopic(B, 10), "owner")
    accept(ledger, B)
    ledger.lost(A)
    assert standing(ledger, SPOT) is Standing.ABSENT
    assert standing(ledger, SpotTopic(B, 10)) is Standing.ACTIVE


def test_topic_that_never_stood_is_not_a_thing_to_restore():
    ledger = SubscriptionLedger()
    ledger.own(SPOT, "x")
    asked(ledger)
    ledger.lost()
    assert ledger.is_restored(A)
    assert len(asked(ledger)) == 1


def test_refusal_while_restoring_counts_as_an_answer_and_is_retried():
    ledger = holding(SPOT, SPOT_2)
    ledger.lost()
    (request,) = asked(ledger)
    ledger.refused(request.entries[:1])
    ledger.added(request.entries[1:])
    assert ledger.is_restored(A)
    assert asked(ledger) == []
    ledger.retry(A)
    (again,) = asked(ledger)
    assert [entry.topic for entry in again.entries] == [SPOT]


def test_refused_topic_that_nobody_wants_any_more_is_dropped():
    ledger = holding(SPOT)
    ledger.lost()
    ledger.refused(asked(ledger)[0].entries)
    ledger.disown(SPOT, "owner")
    assert ledger.get(SPOT) is None


def test_refused_spots_take_what_needs_them_along():
    ledger = holding(SPOT, BARS, DEPTH)
    ledger.lost()
    (request,) = asked(ledger)
    topics = [entry.topic for entry in ledger.with_dependents(request.entries)]
    assert topics == [SPOT, BARS, DEPTH]


def test_dependents_come_in_the_order_in_which_they_were_wanted():
    topics = [TrendbarTopic(A, 10, period) for period in reversed(TrendbarPeriod)]
    ledger = holding(SPOT, *topics)
    ledger.own(SPOT, "somebody")
    entry = ledger.get(SPOT)
    assert entry is not None
    assert [e.topic for e in ledger.with_dependents([entry])] == [SPOT, *topics]


def test_dependents_of_bars_are_none():
    ledger = holding(BARS)
    entry = ledger.get(BARS)
    assert entry is not None
    assert ledger.with_dependents([entry]) == [entry]


def test_forgotten_topic_is_gone_with_its_hold_on_the_spots():
    ledger = SubscriptionLedger()
    ledger.own(BARS, "x")
    ledger.added(asked(ledger)[0].entries)
    ledger.refused(asked(ledger)[0].entries)
    ledger.forget(BARS)
    ledger.forget(BARS)
    assert ledger.get(BARS) is None
    (request,) = asked(ledger)
    assert isinstance(request.call.request, ProtoOAUnsubscribeSpotsReq)


def test_topic_of_which_nobody_knows_whether_it_stands_is_given_back():
    ledger = SubscriptionLedger()
    ledger.own(BARS, "x")
    ledger.added(asked(ledger)[0].entries)
    ledger.refused(asked(ledger)[0].entries, is_doubtful=True)
    ledger.forget(BARS)
    assert accept(ledger) == [ProtoOAUnsubscribeLiveTrendbarReq, ProtoOAUnsubscribeSpotsReq]
    assert ledger.entries() == []


def test_lost_link_ends_all_doubt():
    ledger = holding(SPOT)
    ledger.lost()
    ledger.refused(asked(ledger)[0].entries, is_doubtful=True)
    ledger.lost()
    ledger.disown(SPOT, "owner")
    assert ledger.entries() == []


def test_forgotten_account_wants_nothing():
    ledger = holding(SPOT, BARS, DEPTH)
    ledger.forget_account(A)
    assert ledger.entries() == []
    assert asked(ledger) == []


def test_settled_means_that_nothing_is_awaited_nor_to_be_asked():
    ledger = SubscriptionLedger()
    assert ledger.settled([SPOT])
    ledger.own(SPOT, "x")
    assert not ledger.settled([SPOT])
    (request,) = asked(ledger)
    assert not ledger.settled([SPOT])
    ledger.added(request.entries)
    assert ledger.settled([SPOT])
    ledger.disown(SPOT, "x")
    assert not ledger.settled([SPOT])
