"""What the session remembers of symbols and positions, and what it does with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ctrader.errors import DuplicateClientOrderIdError, OrderInvalidError, ProtocolError
from ctrader.proto import (
    ProtoOAAccountAuthRes,
    ProtoOAAccountDisconnectEvent,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOAPosition,
    ProtoOAReconcileRes,
    ProtoOASymbol,
    ProtoOASymbolByIdRes,
    ProtoOASymbolChangedEvent,
    ProtoOATradeData,
)
from ctrader.protocol import terms as terms_module
from ctrader.protocol.commands import Call, Completion, Guard, Lacking, Priority
from ctrader.protocol.terms import OpenPosition, Terms
from tests.protocol.peer import ACCOUNT, OTHER_ACCOUNT, UNIX_START, Peer, market_order


def symbol(symbol_id: int = 1, **fields: Any) -> ProtoOASymbol:
    terms: dict[str, Any] = {
        "digits": 5,
        "pipPosition": 4,
        "lotSize": 10_000_000,
        "minVolume": 1,
        "maxVolume": 2,
        "stepVolume": 1,
    }
    return ProtoOASymbol(symbolId=symbol_id, **(terms | fields))


def symbols(*entries: ProtoOASymbol, account_id: int = ACCOUNT) -> ProtoOASymbolByIdRes:
    return ProtoOASymbolByIdRes(ctidTraderAccountId=account_id, symbol=entries)


def position(position_id: int = 5, volume: int = 300, status: str = "OPEN") -> ProtoOAPosition:
    return ProtoOAPosition(
        positionId=position_id,
        tradeData=ProtoOATradeData(symbolId=1, volume=volume, tradeSide="BUY"),
        positionStatus=f"POSITION_STATUS_{status}",
        swap=0,
    )


def execution(held: ProtoOAPosition | None) -> ProtoOAExecutionEvent:
    event = ProtoOAExecutionEvent(ctidTraderAccountId=ACCOUNT, executionType="ORDER_FILLED")
    if held is not None:
        event.position.CopyFrom(held)
    return event


def reconciled(*positions: ProtoOAPosition, account_id: int = ACCOUNT) -> ProtoOAReconcileRes:
    return ProtoOAReconcileRes(ctidTraderAccountId=account_id, position=positions)


class Look:
    """A guard that only looks, by way of a call that it then ends."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def __call__(self, question: Any) -> Any:
        found: list[Any] = []

        def guard(terms: Terms) -> Lacking:
            found.append(question(terms))
            return Lacking()

        self._peer.submit(guarded(guard))
        return found[0]

    def symbol(self, symbol_id: int = 1, account_id: int = ACCOUNT) -> Any:
        return self(lambda terms: terms.symbol(account_id, symbol_id))

    def position(self, position_id: int = 5, account_id: int = ACCOUNT) -> Any:
        return self(lambda terms: terms.position(account_id, position_id))


def guarded(guard: Guard | None, client_order_id: str = "") -> Call:
    return Call(
        market_order(clientOrderId=client_order_id),
        completion=Completion.FILLED,
        priority=Priority.TRADING,
        resend=False,
        account_id=ACCOUNT,
        guard=guard,
    )


@pytest.fixture
def peer() -> Peer:
    peer = Peer()
    peer.make_ready(ACCOUNT, OTHER_ACCOUNT)
    peer.clear()
    return peer


@pytest.fixture
def look(peer: Peer) -> Look:
    return Look(peer)


# What is remembered


def test_symbol_is_known_from_an_answer_for_its_account_only(peer: Peer, look: Look):
    assert look.symbol() is None
    peer.push(symbols(symbol(), symbol(2)))
    assert look.symbol().max_volume == 2
    assert look.symbol(2).symbol_id == 2
    assert look.symbol(account_id=OTHER_ACCOUNT) is None


def test_symbol_is_read_once(peer: Peer, look: Look):
    peer.push(symbols(symbol()))
    assert look.symbol() is look.symbol()


def test_answer_that_somebody_changes_changes_nothing_here(look: Look, peer: Peer):
    answer = symbols(symbol())
    peer.session.listen(frozenset({ProtoOASymbolByIdRes}), None)
    peer.push(answer)
    (handed_out,) = (o for o in peer.outputs if isinstance(o, ProtoOASymbolByIdRes))
    handed_out.symbol[0].maxVolume = 99
    assert look.symbol().max_volume == 2


def test_symbol_that_changed_is_forgotten_and_learnt_again(peer: Peer, look: Look):
    peer.push(symbols(symbol(), symbol(2)))
    peer.push(ProtoOASymbolChangedEvent(ctidTraderAccountId=ACCOUNT, symbolId=[1, 9]))
    assert look.symbol() is None
    assert look.symbol(2) is not None
    peer.push(symbols(symbol(maxVolume=7)))
    assert look.symbol().max_volume == 7


def test_symbol_that_makes_no_sense_is_an_error_each_time(peer: Peer, look: Look):
    peer.push(symbols(symbol(lotSize=0)))
    for _ in range(2):
        call_id = peer.submit(
            guarded(lambda terms: Lacking() if terms.symbol(ACCOUNT, 1) else None)
        )
        assert isinstance(peer.errors[call_id], ProtocolError)
    assert peer.sent == []


@pytest.mark.parametrize("told", [execution, reconciled])
def test_open_position_is_known_from_events_and_answers(peer: Peer, look: Look, told: Any):
    peer.push(told(position()))
    assert look.position() == OpenPosition(symbol_id=1, volume=300)
    peer.push(told(position(volume=100)))
    assert look.position() == OpenPosition(symbol_id=1, volume=100)
    assert look.position(account_id=OTHER_ACCOUNT) is None


@pytest.mark.parametrize(
    "gone", [position(volume=0, status="CREATED"), position(volume=300, status="CLOSED")]
)
def test_position_that_holds_nothing_is_forgotten(peer: Peer, look: Look, gone: ProtoOAPosition):
    peer.push(execution(position()))
    peer.push(execution(None))
    assert look.position() is not None
    peer.push(execution(gone))
    assert look.position() is None


def test_list_of_what_is_open_is_the_whole_of_its_account(peer: Peer, look: Look):
    peer.push(reconciled(position(5), position(6)))
    peer.push(reconciled(position(5), account_id=OTHER_ACCOUNT))
    peer.push(reconciled(position(6)))
    assert look.position(5) is None
    assert look.position(6) is not None
    assert look.position(5, OTHER_ACCOUNT) is not None


def test_nothing_is_remembered_beyond_the_link(peer: Peer):
    peer.push(symbols(symbol()), reconciled(position()))
    peer.reconnect()
    # Looked at before the account is there again, as a guard comes first.
    look = Look(peer)
    assert look.symbol() is None
    assert look.position() is None


def test_account_that_the_server_dropped_is_forgotten_alone(peer: Peer, look: Look):
    peer.push(symbols(symbol()), reconciled(position()))
    peer.push(symbols(symbol(), account_id=OTHER_ACCOUNT))
    peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    assert look.symbol() is None
    assert look.position() is None
    assert look.symbol(account_id=OTHER_ACCOUNT) is not None


def test_new_session_of_an_account_begins_with_nothing(peer: Peer, look: Look):
    peer.push(symbols(symbol()), reconciled(position()))
    peer.push(ProtoOAAccountAuthRes(ctidTraderAccountId=ACCOUNT))
    assert look.symbol() is None
    assert look.position() is None


def test_memory_has_a_bound_and_the_oldest_give_way(
    peer: Peer, look: Look, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(terms_module, "CAPACITY", 2)
    peer.push(symbols(symbol(1), symbol(2), symbol(3)))
    peer.push(reconciled(position(5), position(6), position(7)))
    assert [look.symbol(i) is not None for i in (1, 2, 3)] == [False, True, True]
    assert [look.position(i) is not None for i in (5, 6, 7)] == [False, True, True]


def test_present_is_the_wall_time(peer: Peer, look: Look):
    peer.advance(10)
    assert look(lambda terms: terms.now) == datetime.fromtimestamp(UNIX_START + peer.seconds, UTC)


# What a guard does


def test_request_that_lacks_something_ends_with_it_unsent(peer: Peer):
    call_id = peer.submit(
        guarded(lambda _: Lacking(symbol_id=1, position_id=5), client_order_id="mine")
    )
    assert peer.results[call_id] == Lacking(symbol_id=1, position_id=5)
    # The client order id was not used up.
    again = peer.submit(guarded(lambda _: None, client_order_id="mine"))
    assert again not in peer.errors
    assert len(peer.requests(ProtoOANewOrderReq)) == 1


def test_request_that_its_guard_refuses_ends_with_the_error_unsent(peer: Peer):
    refusal = OrderInvalidError("no")

    def guard(_: Terms) -> None:
        raise refusal

    call_id = peer.submit(guarded(guard, client_order_id="mine"))
    assert peer.errors[call_id] is refusal
    assert peer.sent == []
    assert peer.session.next_deadline() is not None
    again = peer.submit(guarded(None, client_order_id="mine"))
    assert again not in peer.errors


def test_guard_is_asked_before_the_account(peer: Peer):
    peer.lose_link()
    call_id = peer.submit(guarded(lambda _: Lacking(symbol_id=1)))
    assert peer.results[call_id] == Lacking(symbol_id=1)


def test_id_that_was_used_is_refused_after_the_guard(peer: Peer):
    peer.submit(guarded(lambda _: None, client_order_id="mine"))
    call_id = peer.submit(guarded(lambda _: None, client_order_id="mine"))
    assert isinstance(peer.errors[call_id], DuplicateClientOrderIdError)


def test_equal_calls_are_equal_whatever_guards_them():
    assert guarded(lambda _: None) == guarded(None)
