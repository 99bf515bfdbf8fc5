"""A trading request is committed to the journal before it is sent, and settled after its end."""

from __future__ import annotations

from typing import Any

import pytest

from ctrader.errors import (
    ClientClosedError,
    CTraderConnectionTimeoutError,
    DuplicateClientOrderIdError,
    JournalError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
)
from ctrader.events import ExecutionEvent, OrderResolvedEvent
from ctrader.journal import Intent, Settlement
from ctrader.proto import (
    ProtoOAAccountDisconnectEvent,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOAOrder,
    ProtoOATradeData,
    ProtoOATraderReq,
)
from ctrader.protocol.commands import Call, CancelResult, Completion, Lacking, Priority
from ctrader.protocol.effects import Finished, JobRequested, OpenConnection, Phase, Warned
from ctrader.protocol.terms import Terms
from tests.journal.in_memory import MemoryJournal
from tests.protocol.peer import ACCOUNT, OTHER_ACCOUNT, Peer, market_order, trade_call

ORDER = ProtoOANewOrderReq


def ready(journal: MemoryJournal | None = None, **changes: float) -> tuple[Peer, MemoryJournal]:
    journal = MemoryJournal() if journal is None else journal
    peer = Peer(changes, journal=journal)
    peer.start()
    peer.do_jobs()
    peer.connection_made()
    accept_application(peer)
    peer.authorize()
    peer.authorize(OTHER_ACCOUNT)
    peer.clear()
    return peer, journal


def accept_application(peer: Peer) -> None:
    peer.answer(ProtoOAApplicationAuthReq, ProtoOAApplicationAuthRes())


def filled(client_order_id: str = "", order_id: int = 11) -> ProtoOAExecutionEvent:
    order = ProtoOAOrder(
        orderId=order_id,
        orderType="MARKET",
        orderStatus="ORDER_STATUS_FILLED",
        clientOrderId=client_order_id,
        executedVolume=1000,
        tradeData=ProtoOATradeData(symbolId=1, volume=1000, tradeSide="BUY"),
    )
    event = Peer.execution("ORDER_FILLED")
    event.order.CopyFrom(order)
    return event


def intent_of(message: Any, **fields: Any) -> Intent:
    values: dict[str, Any] = {
        "intent_id": "old-1",
        "account_id": ACCOUNT,
        "request_type": type(message).__name__,
        "request": message.SerializeToString(),
        "unix_ms": 1_699_999_000_000,
        "client_order_id": getattr(message, "clientOrderId", None),
        **fields,
    }
    return Intent(**values)


def left(*intents: Intent) -> MemoryJournal:
    """A journal that a process has left behind."""
    journal = MemoryJournal()
    journal.intents = {intent.intent_id: intent for intent in intents}
    return journal


# Before it is sent


def test_an_order_is_sent_only_after_it_was_committed():
    peer, journal = ready()
    peer.submit(trade_call(market_order(clientOrderId="mine")))
    assert peer.requests(ORDER) == []
    peer.do_jobs(1)
    assert [order.clientOrderId for order in peer.requests(ORDER)] == ["mine"]
    (intent,) = journal.intents.values()
    assert intent.client_order_id == "mine"
    assert intent.account_id == ACCOUNT
    assert ORDER.FromString(intent.request) == peer.requests(ORDER)[0]
    assert intent.unix_ms == round(peer.unix_now * 1000)


def test_without_a_journal_nothing_is_asked_for():
    peer = Peer()
    peer.make_ready()
    peer.submit(trade_call())
    assert len(peer.requests(ORDER)) == 1
    assert peer.seen(JobRequested) == []


def test_reads_do_not_wait_for_the_journal():
    peer, journal = ready()
    request = ProtoOATraderReq(ctidTraderAccountId=ACCOUNT)
    peer.submit(Call(request, account_id=ACCOUNT, priority=Priority.TRADING))
    assert len(peer.requests(ProtoOATraderReq)) == 1
    assert journal.intents == {}


def test_orders_go_out_in_the_order_in_which_they_were_submitted():
    peer, _ = ready()
    for number in range(5):
        peer.submit(trade_call(market_order(clientOrderId=f"{number}")))
    peer.do_jobs()
    assert [order.clientOrderId for order in peer.requests(ORDER)] == list("01234")


def test_an_order_that_cannot_be_committed_is_not_sent():
    peer, journal = ready()
    journal.failing = {"begin"}
    call_id = peer.submit(trade_call(market_order(clientOrderId="mine")))
    peer.do_jobs()
    error = peer.errors[call_id]
    assert isinstance(error, OrderNotSentError)
    assert isinstance(error.cause, JournalError)
    assert "the disk fails to begin" in str(error)
    assert peer.requests(ORDER) == []


@pytest.mark.parametrize("is_kept", [False, True])
def test_an_order_that_could_not_be_committed_may_be_placed_again_with_its_id(is_kept: bool):
    peer, journal = ready()
    journal.failing, journal.keeps_what_it_fails = {"begin"}, is_kept
    peer.submit(trade_call(market_order(clientOrderId="mine")))
    peer.do_jobs()
    journal.failing = set()
    peer.submit(trade_call(market_order(clientOrderId="mine")))
    peer.do_jobs()
    assert len(peer.requests(ORDER)) == 1


def test_an_id_that_the_journal_knows_is_refused():
    order = market_order(clientOrderId="mine")
    journal = left(intent_of(order))
    journal.settled["old-1"] = Settlement.DONE, 11
    peer, _ = ready(journal)
    call_id = peer.submit(trade_call(market_order(clientOrderId="mine")))
    peer.do_jobs()
    assert isinstance(peer.errors[call_id], DuplicateClientOrderIdError)
    assert peer.requests(ORDER) == []
    assert len(journal.intents) == 1


def test_a_close_is_committed_with_what_is_open_of_its_position():
    peer, journal = ready()
    opened = Peer.execution("ORDER_FILLED")
    opened.position.positionId = 5
    opened.position.positionStatus = opened.position.positionStatus.__class__(1)
    opened.position.swap = 0
    opened.position.utcLastUpdateTimestamp = 1_700_000_000_123
    opened.position.tradeData.CopyFrom(ProtoOATradeData(symbolId=1, volume=3000, tradeSide="BUY"))
    peer.push(opened)
    close = ProtoOAClosePositionReq(ctidTraderAccountId=ACCOUNT, positionId=5, volume=1000)
    peer.submit(trade_call(close))
    peer.do_jobs()
    (intent,) = journal.intents.values()
    assert intent.open_volume == 3000
    assert intent.position_updated_ms == 1_700_000_000_123
    assert intent.position_id == 5


# While it waits for its commit


def test_a_link_lost_while_an_order_waits_proves_it_not_sent():
    peer, journal = ready()
    call_id = peer.submit(trade_call(market_order(clientOrderId="mine")))
    peer.connection_lost()
    assert isinstance(peer.errors[call_id], OrderNotSentError)
    peer.do_jobs()
    peer.reopen()
    peer.connection_made()
    accept_application(peer)
    peer.do_jobs()
    assert peer.requests(ORDER) == []
    assert journal.intents == {}  # it was withdrawn before its turn came
    assert peer.session.unresolved_orders == ()


def test_a_commit_that_comes_after_the_link_was_lost_is_taken_back():
    peer, journal = ready()
    peer.submit(trade_call())
    begin = peer.jobs.pop(0)
    result = begin.job()
    peer.connection_lost()
    peer.session.job_done(begin.call_id, peer.now, result)
    peer.carry_out()
    peer.do_jobs()
    assert journal.ends == [Settlement.NOT_SENT]
    assert peer.requests(ORDER) == []


def test_an_account_lost_while_an_order_waits_proves_it_not_sent():
    peer, journal = ready()
    call_id = peer.submit(trade_call())
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    assert isinstance(peer.errors[call_id], OrderNotSentError)
    peer.do_jobs()
    assert peer.requests(ORDER) == []
    assert journal.intents == {}


def test_an_order_cancelled_while_it_waits_is_not_sent_and_may_be_placed_again():
    peer, journal = ready()
    call_id = peer.submit(trade_call(market_order(clientOrderId="mine")))
    begin = peer.jobs.pop(0)
    begin.job()
    assert peer.cancel(call_id) is CancelResult.NOT_SENT
    peer.session.job_done(begin.call_id, peer.now)
    peer.carry_out()
    peer.do_jobs()
    assert journal.ends == [Settlement.NOT_SENT]
    peer.submit(trade_call(market_order(clientOrderId="mine")))
    peer.do_jobs()
    assert len(peer.requests(ORDER)) == 1


def test_an_order_whose_time_runs_out_while_it_waits_is_not_sent():
    peer, journal = ready()
    call_id = peer.submit(trade_call(), timeout=2)
    begin = peer.jobs.pop(0)
    begin.job()
    peer.advance(2)
    error = peer.errors[call_id]
    assert isinstance(error, OrderNotSentError)
    assert isinstance(error.cause, CTraderConnectionTimeoutError)
    assert "the journal has not kept it yet" in str(error)
    peer.session.job_done(begin.call_id, peer.now)
    peer.carry_out()
    peer.do_jobs()
    assert peer.requests(ORDER) == []
    assert journal.ends == [Settlement.NOT_SENT]


def test_an_order_that_waits_when_the_client_is_closed_is_not_sent():
    peer, journal = ready()
    call_id = peer.submit(trade_call())
    peer.close()
    assert isinstance(peer.errors[call_id], OrderNotSentError)
    peer.do_jobs()
    peer.connection_lost()
    peer.do_jobs()
    assert peer.requests(ORDER) == []
    assert journal.intents == {}
    assert not journal.is_open


def test_a_guard_that_refuses_at_the_last_moment_takes_the_commit_back():
    peer, journal = ready()
    asked: list[Terms] = []

    def guard(terms: Terms) -> Lacking | None:
        asked.append(terms)
        return Lacking(state=True) if len(asked) == 2 else None

    order = market_order(clientOrderId="mine")
    call = Call(
        order,
        completion=Completion.FILLED,
        priority=Priority.TRADING,
        resend=False,
        account_id=ACCOUNT,
        guard=guard,
    )
    call_id = peer.submit(call)
    peer.do_jobs()
    assert peer.results[call_id] == Lacking(state=True)
    assert journal.ends == [Settlement.NOT_SENT]
    peer.submit(call)
    peer.do_jobs()
    assert len(peer.requests(ORDER)) == 1


# How it ended


def test_an_answer_settles_the_entry_with_its_order():
    peer, journal = ready()
    peer.submit(trade_call())
    peer.do_jobs()
    peer.answer(ORDER, filled())
    peer.do_jobs()
    assert list(journal.settled.values()) == [(Settlement.DONE, 11)]


def test_a_refusal_settles_the_entry():
    peer, journal = ready()
    call_id = peer.submit(trade_call())
    peer.do_jobs()
    peer.answer(ORDER, ProtoOAErrorRes(errorCode="NOT_ENOUGH_MONEY"))
    peer.do_jobs()
    assert isinstance(peer.errors[call_id], OrderRejectedError)
    assert journal.ends == [Settlement.REJECTED]


def test_what_is_in_doubt_stays_unsettled_until_it_is_known():
    peer, journal = ready()
    call_id = peer.submit(trade_call(market_order(clientOrderId="mine")))
    peer.do_jobs()
    peer.connection_lost()
    assert isinstance(peer.errors[call_id], OrderOutcomeUnknownError)
    peer.do_jobs()
    assert journal.ends == [None]
    peer.reopen()
    peer.connection_made()
    peer.push(filled("mine"))
    peer.do_jobs()
    assert journal.ends == [Settlement.DONE]


def test_what_is_sent_without_waiting_is_settled_when_an_event_tells():
    peer, journal = ready()
    call = Call(
        market_order(clientOrderId="mine"),
        completion=Completion.SENT,
        priority=Priority.TRADING,
        resend=False,
        account_id=ACCOUNT,
    )
    call_id = peer.submit(call)
    peer.do_jobs()
    assert call_id in peer.results
    assert journal.ends == [None]
    (told,) = peer.session.unresolved_orders
    assert told.client_order_id == "mine"


def test_a_settlement_that_fails_is_no_failure_of_the_order_and_is_tried_again():
    peer, journal = ready()
    peer.submit(trade_call())
    peer.do_jobs()
    journal.failing = {"settle"}
    call_id = max(peer.results, default=0)
    peer.answer(ORDER, filled())
    assert max(peer.results) > call_id
    peer.do_jobs()
    peer.submit(trade_call())
    peer.do_jobs()
    peer.answer(ORDER, filled(order_id=12))
    peer.do_jobs()
    for _ in range(10):
        peer.advance(5)
        peer.do_jobs()
    (warning,) = peer.seen(Warned)
    assert "the disk fails to settle" in warning.text
    assert journal.ends == [None, None]
    journal.failing = set()
    peer.advance(60)
    peer.do_jobs()
    assert journal.ends == [Settlement.DONE, Settlement.DONE]
    before = len(journal.calls)
    peer.advance(300)
    peer.do_jobs()
    assert len(journal.calls) == before


def test_what_could_not_be_settled_is_tried_once_more_at_the_end():
    peer, journal = ready()
    peer.submit(trade_call())
    peer.do_jobs()
    journal.failing = {"settle"}
    peer.answer(ORDER, filled())
    peer.do_jobs()
    journal.failing = set()
    peer.close()
    peer.connection_lost()
    peer.do_jobs()
    assert journal.ends == [Settlement.DONE]
    assert not journal.is_open


# The journal itself


def test_the_journal_is_open_before_anything_is_connected():
    journal = MemoryJournal()
    peer = Peer(journal=journal)
    peer.start()
    assert peer.seen(OpenConnection) == []
    assert peer.session.phase is Phase.CONNECTING
    peer.do_jobs()
    assert journal.is_open
    assert len(peer.seen(OpenConnection)) == 1


def test_a_journal_that_cannot_be_opened_ends_the_attempt_and_may_be_tried_again():
    journal = MemoryJournal()
    journal.failing = {"open"}
    peer = Peer(journal=journal)
    call_id = peer.start()
    peer.do_jobs()
    assert isinstance(peer.errors[call_id], JournalError)
    assert peer.seen(OpenConnection) == []
    assert peer.session.phase is Phase.IDLE
    assert "close" not in journal.calls  # it may be another client's
    journal.failing = set()
    peer.start()
    peer.do_jobs()
    assert len(peer.seen(OpenConnection)) == 1


def test_a_journal_that_takes_too_long_ends_the_attempt_and_is_closed():
    journal = MemoryJournal()
    peer = Peer(journal=journal)
    call_id = peer.start(timeout=3)
    peer.advance(3)
    assert isinstance(peer.errors[call_id], CTraderConnectionTimeoutError)
    peer.do_jobs()
    assert journal.calls == ["open", "close"]
    again = peer.start()
    peer.do_jobs()
    peer.connection_made()
    assert again in peer.results


def test_a_first_attempt_that_fails_lets_go_of_the_journal():
    journal = MemoryJournal()
    peer = Peer(journal=journal)
    peer.start()
    peer.do_jobs()
    peer.connection_lost()
    peer.do_jobs()
    assert not journal.is_open


def test_a_first_attempt_that_nobody_waits_for_lets_go_of_the_journal():
    journal = MemoryJournal()
    peer = Peer(journal=journal)
    call_id = peer.start()
    peer.cancel(call_id)
    peer.do_jobs()
    assert journal.calls == ["open", "close"]
    assert peer.seen(OpenConnection) == []


def test_closing_while_the_journal_is_opened_lets_go_of_it():
    journal = MemoryJournal()
    peer = Peer(journal=journal)
    call_id = peer.start()
    peer.close()
    peer.connection_lost()
    peer.do_jobs()
    assert isinstance(peer.errors[call_id], ClientClosedError)
    assert not journal.is_open
    assert peer.seen(OpenConnection) == []
    assert len(peer.seen(Finished)) == 1


def test_the_journal_is_closed_with_the_session_and_stays_open_through_losses():
    peer, journal = ready()
    peer.connection_lost()
    peer.do_jobs()
    assert "close" not in journal.calls
    peer.abandon(ClientClosedError("it broke down"))
    peer.do_jobs()
    assert not journal.is_open
    assert peer.jobs == []


def test_the_last_jobs_are_vital():
    peer, _ = ready()
    peer.submit(trade_call())
    peer.do_jobs()
    peer.answer(ORDER, filled())
    peer.close()
    peer.connection_lost()
    assert peer.jobs
    assert all(job.is_vital for job in peer.jobs)


# What an earlier process has left


def test_what_is_left_is_in_doubt_as_soon_as_the_link_stands():
    order = market_order(clientOrderId="mine")
    peer = Peer(journal=left(intent_of(order)))
    peer.start()
    peer.do_jobs()
    assert not peer.session.unresolved_orders
    peer.connection_made()
    (told,) = peer.session.unresolved_orders
    assert told.is_from_journal
    assert told.client_order_id == "mine"
    assert told.request_type == "ProtoOANewOrderReq"
    assert told.sent_at.timestamp() == 1_699_999_000
    assert told.cause == "its process ended before it was known"


def test_what_is_left_is_settled_by_an_event_that_names_it():
    journal = left(intent_of(market_order(clientOrderId="mine")))
    peer, _ = ready(journal)
    peer.session.listen(frozenset({OrderResolvedEvent, ExecutionEvent}), None)
    peer.push(filled("mine"))
    peer.do_jobs()
    assert journal.settled == {"old-1": (Settlement.DONE, 11)}
    (event,) = peer.seen(OrderResolvedEvent)
    assert event.outcome.took_effect
    assert event.outcome.request.is_from_journal
    assert peer.session.unresolved_orders == ()


def test_what_is_left_and_cannot_be_read_is_a_warning_and_stays():
    unreadable = [
        intent_of(market_order(), intent_id="1", request_type="ProtoOAFutureReq"),
        intent_of(market_order(), intent_id="2", request=b"\xff"),
        intent_of(market_order(), intent_id="3", request=b""),
        intent_of(market_order(), intent_id="4", account_id=OTHER_ACCOUNT),
    ]
    journal = left(*unreadable)
    peer = Peer(journal=journal)
    peer.start()
    peer.do_jobs()
    peer.connection_made()
    assert len(peer.seen(Warned)) == 4
    assert peer.session.unresolved_orders == ()
    assert journal.settled == {}


@pytest.mark.parametrize(
    "request_",
    [
        ProtoOACancelOrderReq(ctidTraderAccountId=ACCOUNT, orderId=9),
        ProtoOAClosePositionReq(ctidTraderAccountId=ACCOUNT, positionId=5, volume=1000),
        market_order(orderType=2),
    ],
    ids=["cancel", "close", "limit order"],
)
def test_every_kind_of_request_is_taken_up(request_: Any):
    peer, _ = ready(left(intent_of(request_)))
    (told,) = peer.session.unresolved_orders
    assert told.request_type == type(request_).__name__
