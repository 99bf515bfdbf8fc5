"""Answers find their requests, and ids are unique over processes and links."""

from __future__ import annotations

from random import Random

from ctrader.proto import (
    ProtoHeartbeatEvent,
    ProtoOACancelOrderReq,
    ProtoOASymbolsListReq,
    ProtoOASymbolsListRes,
)
from ctrader.protocol.commands import Call, Completion, Priority
from ctrader.protocol.correlation import Correlator, PendingCall
from ctrader.protocol.limiter import Lane


def pending(call_id: int = 1, **fields: object) -> PendingCall:
    request = ProtoOASymbolsListReq(ctidTraderAccountId=1)
    call = Call(request, ProtoOASymbolsListRes, **fields)  # type: ignore[arg-type]
    return PendingCall(call_id, call, request)


def test_pending_call_knows_what_it_is():
    call = pending(priority=Priority.TRADING)
    assert call.payload_type == 2114
    assert call.lane is Lane.NORMAL
    assert call.is_immediate
    assert not pending().is_immediate
    assert not call.is_sent


def test_question_at_the_pace_of_an_order_changes_nothing_at_the_market():
    assert not pending(priority=Priority.TRADING).is_trading


def test_order_of_whatever_priority_is_one():
    request = ProtoOACancelOrderReq(ctidTraderAccountId=1, orderId=2)
    call = PendingCall(1, Call(request, priority=Priority.READ), request)
    assert call.is_trading
    assert call.is_immediate


def test_sent_call_is_found_by_its_id():
    correlator = Correlator(Random(1))
    call = pending()
    message_id = correlator.send(call)
    assert call.is_sent
    assert correlator.find(message_id) is call
    assert correlator.sent_calls() == [call]


def test_unknown_id_belongs_to_nobody():
    assert Correlator(Random(1)).find("somebody-elses") is None


def test_forgotten_call_is_not_found():
    correlator = Correlator(Random(1))
    call = pending()
    correlator.forget(call)
    message_id = correlator.send(call)
    correlator.forget(call)
    correlator.forget(call)
    assert correlator.find(message_id) is None


def test_call_without_an_answer_is_not_waited_for():
    correlator = Correlator(Random(1))
    call = PendingCall(
        1, Call(ProtoHeartbeatEvent(), completion=Completion.SENT), ProtoHeartbeatEvent()
    )
    message_id = correlator.send(call)
    assert not call.expects_answer
    assert correlator.find(message_id) is None


def test_lost_link_gives_up_what_was_sent_oldest_first():
    correlator = Correlator(Random(1))
    calls = [pending(i) for i in range(3)]
    for call in calls:
        correlator.send(call)
    assert correlator.lost() == calls
    assert correlator.lost() == []


def test_ids_are_never_repeated_on_one_link():
    correlator = Correlator(Random(1))
    ids = [correlator.send(pending(i)) for i in range(1000)]
    assert len(set(ids)) == 1000


def test_ids_of_two_links_and_two_processes_differ():
    correlator, other = Correlator(Random(1)), Correlator(Random(2))
    first = correlator.send(pending())
    correlator.opened()
    second = correlator.send(pending())
    assert len({first, second, other.send(pending())}) == 3


def test_ids_stay_as_short_as_those_seen_in_the_field():
    correlator = Correlator(Random(1))
    assert all(len(correlator.send(pending(i))) <= 36 for i in range(100))
