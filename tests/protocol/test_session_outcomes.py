"""What an event, an answer or nonsense proves about a trading request in doubt."""

from __future__ import annotations

from typing import Any

import pytest

from ctrader.enums import ExecutionType
from ctrader.errors import CTraderConnectionTimeoutError, OrderOutcomeUnknownError
from ctrader.events import ExecutionEvent, OrderResolvedEvent, UndecodableMessageEvent
from ctrader.journal import Settlement
from ctrader.models import Deal, NoEffect, Order, TookEffect
from ctrader.proto import (
    ProtoOADeal,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOAOrder,
    ProtoOASpotEvent,
    ProtoOATradeData,
)
from ctrader.protocol.commands import Call, Completion, Priority, Resolve
from tests.journal.in_memory import MemoryJournal
from tests.protocol.peer import ACCOUNT, Peer, market_order, trade_call
from tests.protocol.test_session_journal import ready as ready_with_journal

ORDER = ProtoOANewOrderReq
LISTENED = frozenset({ExecutionEvent, OrderResolvedEvent, UndecodableMessageEvent})


def ready() -> Peer:
    peer = Peer()
    peer.make_ready()
    peer.session.listen(LISTENED, None)
    peer.clear()
    return peer


def event(kind: str, status: str, **fields: Any) -> ProtoOAExecutionEvent:
    """An event about order 11, which a call placed with the client order id `mine`."""
    values: dict[str, Any] = {"orderId": 11, "orderType": "LIMIT", "clientOrderId": "mine"}
    told = Peer.execution(kind)
    told.order.CopyFrom(
        ProtoOAOrder(
            orderStatus=f"ORDER_STATUS_{status}",
            tradeData=ProtoOATradeData(symbolId=1, volume=1000, tradeSide="BUY"),
            **{**values, **fields},
        )
    )
    return told


def filled(**fields: Any) -> ProtoOAExecutionEvent:
    return event("ORDER_FILLED", "FILLED", orderType="MARKET", executedVolume=1000, **fields)


def limit_order_in_doubt(peer: Peer) -> None:
    request = market_order(orderType="LIMIT", limitPrice=0.5, clientOrderId="mine")
    call_id = peer.submit(trade_call(request, Completion.ACCEPTED), timeout=5)
    peer.advance(5)
    assert isinstance(peer.errors[call_id], OrderOutcomeUnknownError)
    assert len(peer.session.unresolved_orders) == 1


# Events that name an order in doubt


@pytest.mark.parametrize("kind", ["ORDER_CANCEL_REJECTED", "ORDER_REJECTED"])
def test_refused_change_of_an_order_is_no_refusal_of_the_order(kind: str):
    peer = ready()
    limit_order_in_doubt(peer)
    peer.push(event(kind, "ACCEPTED"), message_id="another-terminal")
    assert peer.seen(OrderResolvedEvent) == []
    assert len(peer.session.unresolved_orders) == 1


def test_refused_change_with_the_id_of_a_new_order_is_no_answer_to_it():
    peer = ready()
    request = market_order(orderType="LIMIT", limitPrice=0.5, clientOrderId="mine")
    call_id = peer.submit(trade_call(request, Completion.ACCEPTED))
    peer.answer(ORDER, event("ORDER_CANCEL_REJECTED", "ACCEPTED"))
    assert call_id not in peer.errors
    assert call_id not in peer.results


def test_order_that_an_event_names_rejected_had_no_effect():
    peer = ready()
    limit_order_in_doubt(peer)
    peer.push(event("ORDER_REJECTED", "REJECTED"), message_id="lost")
    (resolved,) = peer.seen(OrderResolvedEvent)
    assert isinstance(resolved.outcome, NoEffect)


# Requests that were sent without waiting


@pytest.mark.parametrize("is_answer", [False, True])
def test_order_that_was_sent_without_waiting_is_settled_by_what_comes(is_answer: bool):
    peer, journal = ready_with_journal()
    peer.session.listen(LISTENED, None)
    peer.submit(
        Call(
            market_order(clientOrderId="mine"),
            completion=Completion.SENT,
            priority=Priority.TRADING,
            resend=False,
            account_id=ACCOUNT,
        )
    )
    peer.do_jobs()
    (told,) = peer.session.unresolved_orders
    message_id = told.client_msg_id if is_answer else None
    accepted = event("ORDER_ACCEPTED", "ACCEPTED", orderType="MARKET")
    peer.push(accepted, filled(), message_id=message_id)
    peer.do_jobs()
    (resolved,) = peer.seen(OrderResolvedEvent)
    assert isinstance(resolved.outcome, TookEffect)
    assert journal.ends == [Settlement.DONE]


# Nonsense


def test_answer_that_makes_no_sense_leaves_the_order_in_doubt_until_it_is_known():
    peer = ready()
    call_id = peer.submit(trade_call(market_order(clientOrderId="mine")))
    nonsense = filled(utcLastUpdateTimestamp=2**62)
    peer.answer(ORDER, nonsense)
    error = peer.errors[call_id]
    assert isinstance(error, OrderOutcomeUnknownError)
    assert [each.client_msg_id for each in peer.session.unresolved_orders] == [error.client_msg_id]
    assert error.client_msg_id is not None
    waiting = peer.submit(Resolve(error.client_msg_id))
    peer.push(filled())
    assert isinstance(peer.results[waiting], TookEffect)


def test_journal_keeps_an_order_unsettled_whose_answer_makes_no_sense():
    journal = MemoryJournal()
    peer, _ = ready_with_journal(journal)
    peer.submit(trade_call(market_order(clientOrderId="mine")))
    peer.do_jobs()
    peer.answer(ORDER, filled(utcLastUpdateTimestamp=2**62))
    peer.do_jobs()
    assert journal.ends == [None]


@pytest.mark.parametrize("told", [2**62, -(2**62), 253_402_300_800_000])
def test_time_beyond_the_calendar_is_not_taken_for_the_server_s_clock(told: int):
    peer = ready()
    before = peer.session.unresolved_orders
    peer.push(event("ORDER_ACCEPTED", "ACCEPTED", utcLastUpdateTimestamp=told))
    peer.push(ProtoOASpotEvent(ctidTraderAccountId=ACCOUNT, symbolId=1, timestamp=told))
    limit_order_in_doubt(peer)  # the search reads the clock
    peer.advance(1)
    assert before == ()
    assert peer.is_connected()


def with_deal(kind: str = "ORDER_FILLED", status: str = "FILLED") -> ProtoOAExecutionEvent:
    told = Peer.execution(kind)
    told.order.CopyFrom(filled().order)
    told.deal.CopyFrom(
        ProtoOADeal(
            dealId=5,
            orderId=11,
            positionId=7,
            volume=1000,
            filledVolume=1000,
            symbolId=1,
            createTimestamp=1_700_000_000_000,
            executionTimestamp=1_700_000_000_000,
            executionPrice=1.1,
            tradeSide="BUY",
            dealStatus=status,
        )
    )
    return told


def without_sense(event: ProtoOAExecutionEvent) -> ProtoOAExecutionEvent:
    spoilt = ProtoOAExecutionEvent()
    spoilt.CopyFrom(event)
    spoilt.order.utcLastUpdateTimestamp = 2**62
    return spoilt


def kinds_told(peer: Peer) -> list[ExecutionType]:
    return [each.execution_type for each in peer.seen(ExecutionEvent)]


def test_deal_of_an_event_that_makes_no_sense_is_told_when_it_comes_again_in_order():
    peer = ready()
    peer.push(without_sense(with_deal()))
    assert kinds_told(peer) == []
    assert len(peer.seen(UndecodableMessageEvent)) == 1
    peer.push(with_deal(), with_deal())
    assert kinds_told(peer) == [ExecutionType.ORDER_FILLED]


def test_deal_that_was_told_is_not_looked_for_because_of_a_later_event():
    peer = ready()
    peer.push(with_deal("ORDER_PARTIAL_FILL"), without_sense(with_deal()), with_deal())
    assert kinds_told(peer) == [ExecutionType.ORDER_PARTIAL_FILL, ExecutionType.ORDER_FILLED]


def test_deal_that_was_found_is_not_told_again_under_another_name():
    peer = ready()
    found = with_deal(status="PARTIALLY_FILLED")
    executions = peer.session._executions  # pyright: ignore[reportPrivateUsage]  # as a search does
    executions.recovered(ACCOUNT, Deal.from_proto(found.deal), Order.from_proto(found.order), None)
    peer.push(found)
    assert [each.is_recovered for each in peer.seen(ExecutionEvent)] == [True]


def test_timeouts_are_told_as_the_cause_of_the_doubt():
    peer = ready()
    call_id = peer.submit(trade_call(), timeout=5)
    peer.advance(5)
    error = peer.errors[call_id]
    assert isinstance(error, OrderOutcomeUnknownError)
    assert isinstance(error.cause, CTraderConnectionTimeoutError)
