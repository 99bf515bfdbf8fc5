"""What the session remembers of symbols and positions, and what it does with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ctrader.errors import DuplicateClientOrderIdError, OrderInvalidError
from ctrader.models.symbols import TradingRules
from ctrader.proto import (
    ProtoOAAccountAuthRes,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAmendPositionSLTPReq,
    ProtoOADeal,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrder,
    ProtoOAPosition,
    ProtoOAReconcileRes,
    ProtoOASpotEvent,
    ProtoOASymbol,
    ProtoOASymbolByIdRes,
    ProtoOASymbolChangedEvent,
    ProtoOATradeData,
    ProtoOATrailingSLChangedEvent,
    ProtoOAUnsubscribeSpotsReq,
)
from ctrader.protocol import terms as terms_module
from ctrader.protocol.commands import (
    Call,
    CancelResult,
    Completion,
    Guard,
    Lacking,
    Priority,
    SpotTopic,
    Subject,
    Thing,
    WaitSettled,
)
from ctrader.protocol.terms import Promise, Terms
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


def updated(held: ProtoOAPosition, unix_ms: int) -> ProtoOAPosition:
    held.utcLastUpdateTimestamp = unix_ms
    return held


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

    def quote(self, symbol_id: int = 1, account_id: int = ACCOUNT) -> Any:
        return self(lambda terms: terms.quote(account_id, symbol_id))

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


def test_rule_that_makes_no_sense_is_unknown_and_spoils_no_other(peer: Peer, look: Look):
    peer.push(symbols(symbol(lotSize=0, digits=16, minVolume=-1, swapLong=float("nan"))))
    assert look.symbol() == TradingRules(1, max_volume=2, step_volume=1)


@pytest.mark.parametrize("told", [execution, reconciled])
def test_open_position_is_known_from_events_and_answers(peer: Peer, look: Look, told: Any):
    peer.push(told(position()))
    assert look.position()[:2] == (1, 300)
    peer.push(told(position(volume=100)))
    assert look.position()[:2] == (1, 100)
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


@pytest.mark.parametrize("late", [execution, reconciled])
def test_what_was_updated_later_counts_though_it_came_earlier(peer: Peer, look: Look, late: Any):
    peer.push(execution(updated(position(volume=400), 2000)))
    peer.push(late(updated(position(volume=100), 1999)))
    assert look.position().volume == 400
    peer.push(late(updated(position(volume=200), 2000)))  # of the same moment, the last counts
    assert look.position().volume == 200
    peer.push(late(position(volume=50)))  # and whatever tells no time
    assert look.position().volume == 50


@pytest.mark.parametrize("nonsense", [2**62, -(2**62)])
def test_time_that_makes_no_sense_keeps_nothing_newer_away(peer: Peer, look: Look, nonsense: int):
    peer.push(execution(updated(position(volume=400), nonsense)))
    peer.push(execution(updated(position(volume=100), 1000)))
    assert look.position().volume == 100
    peer.push(execution(updated(position(volume=0, status="CLOSED"), nonsense)))
    peer.push(reconciled(updated(position(volume=200), 1001)))
    assert look.position().volume == 200


def test_position_that_ended_comes_back_with_a_later_update_only(peer: Peer, look: Look):
    peer.push(execution(updated(position(), 1000)))
    peer.push(execution(updated(position(volume=0, status="CLOSED"), 2000)))
    peer.push(reconciled(updated(position(), 1000)))
    assert look.position() is None
    peer.push(reconciled(updated(position(volume=200), 2001)))
    assert look.position().volume == 200


def test_end_that_is_older_than_what_is_known_ends_nothing(peer: Peer, look: Look):
    peer.push(execution(updated(position(), 2000)))
    peer.push(execution(updated(position(volume=0, status="CLOSED"), 1999)))
    assert look.position().volume == 300


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


# What protects positions, and what orders are

POSITION = Subject(ACCOUNT, Thing.POSITION, 5)


def order(kind: str = "MARKET", status: str = "FILLED", **fields: Any) -> ProtoOAOrder:
    return ProtoOAOrder(
        orderId=3,
        tradeData=ProtoOATradeData(symbolId=1, volume=300, tradeSide=fields.pop("side", "BUY")),
        orderType=kind,
        orderStatus=f"ORDER_STATUS_{status}",
        **fields,
    )


def told(held: ProtoOAPosition, by: ProtoOAOrder, kind: str = "FILLED", price: float | None = None):
    event = ProtoOAExecutionEvent(
        ctidTraderAccountId=ACCOUNT, executionType=f"ORDER_{kind}", position=held, order=by
    )
    if price is not None:
        event.deal.CopyFrom(
            ProtoOADeal(
                dealId=1, orderId=3, positionId=5, volume=300, filledVolume=300, symbolId=1,
                createTimestamp=0, executionTimestamp=0, tradeSide="BUY", dealStatus="FILLED",
                executionPrice=price,
            )
        )  # fmt: skip
    return event


def guarded_by(held: ProtoOAPosition, **levels: Any) -> ProtoOAPosition:
    for name, value in levels.items():
        setattr(held, name, value)
    return held


def test_protection_is_learnt_from_events_and_from_moves_of_a_trailing_stop(peer: Peer, look: Look):
    held = guarded_by(position(), stopLoss=1.1, takeProfit=1.3, trailingStopLoss=True)
    move = ProtoOATrailingSLChangedEvent(
        ctidTraderAccountId=ACCOUNT, positionId=5, orderId=9, stopPrice=1.15,
        utcLastUpdateTimestamp=0,
    )  # fmt: skip
    peer.push(move)  # of a position that nobody told of: nothing is learnt
    assert look.position() is None
    peer.push(execution(held))
    assert look.position().protection.stop_loss == 1.1
    peer.push(move)
    assert look.position().protection[2:5] == (1.15, 1.3, True)


def test_move_of_a_trailing_stop_that_was_overtaken_is_not_believed(peer: Peer, look: Look):
    def moved(price: float, unix_ms: int) -> ProtoOATrailingSLChangedEvent:
        return ProtoOATrailingSLChangedEvent(
            ctidTraderAccountId=ACCOUNT, positionId=5, orderId=9, stopPrice=price,
            utcLastUpdateTimestamp=unix_ms,
        )  # fmt: skip

    peer.push(execution(updated(guarded_by(position(), stopLoss=1.1), 2000)))
    peer.push(moved(1.05, 1999))
    assert look.position().protection.stop_loss == 1.1
    peer.push(moved(1.15, 3000))
    peer.push(reconciled(updated(guarded_by(position(), stopLoss=1.1), 2000)))
    assert look.position().protection.stop_loss == 1.15


def test_protection_that_makes_no_sense_is_not_known(peer: Peer, look: Look):
    peer.push(execution(guarded_by(position(), stopLoss=float("nan"))))
    assert look.position().protection is None
    peer.push(
        ProtoOATrailingSLChangedEvent(
            ctidTraderAccountId=ACCOUNT,
            positionId=5,
            orderId=9,
            stopPrice=1.15,
            utcLastUpdateTimestamp=0,
        )
    )
    assert look.position().volume == 300
    peer.push(told(position(), order("LIMIT", "ACCEPTED", stopPrice=float("nan")), "ACCEPTED"))
    assert look(lambda terms: terms.order(ACCOUNT, 3)) is None


def test_pending_order_is_known_until_it_ends(peer: Peer, look: Look):
    def known() -> Any:
        return look(lambda terms: terms.order(ACCOUNT, 3))

    empty = position(volume=0, status="CREATED")
    peer.push(told(empty, order("LIMIT", "ACCEPTED", limitPrice=1.2), "ACCEPTED"))
    assert known().limit_price == 1.2
    peer.push(ProtoOAReconcileRes(ctidTraderAccountId=ACCOUNT))
    assert known() is None
    peer.push(
        ProtoOAReconcileRes(
            ctidTraderAccountId=ACCOUNT, order=[order("LIMIT", "ACCEPTED", limitPrice=1.25)]
        )
    )
    assert known().limit_price == 1.25
    peer.push(told(empty, order("LIMIT", "CANCELLED"), "CANCELLED"))
    assert known() is None


def test_order_is_what_was_updated_last_and_comes_back_with_a_later_update_only(
    peer: Peer, look: Look
):
    def listed(price: float, unix_ms: int) -> ProtoOAReconcileRes:
        working = order("LIMIT", "ACCEPTED", limitPrice=price, utcLastUpdateTimestamp=unix_ms)
        return ProtoOAReconcileRes(ctidTraderAccountId=ACCOUNT, order=[working])

    def known() -> Any:
        return look(lambda terms: terms.order(ACCOUNT, 3))

    empty = position(volume=0, status="CREATED")
    amended = order("LIMIT", "ACCEPTED", limitPrice=1.2, utcLastUpdateTimestamp=2000)
    peer.push(told(empty, amended, "REPLACED"), listed(1.1, 1000))
    assert known().limit_price == 1.2
    peer.push(listed(1.3, 2001))
    assert known().limit_price == 1.3
    cancelled = order("LIMIT", "CANCELLED", utcLastUpdateTimestamp=3000)
    peer.push(told(empty, cancelled, "CANCELLED"), listed(1.3, 2001))
    assert known() is None
    peer.push(listed(1.4, 3001))
    assert known().limit_price == 1.4


@pytest.mark.parametrize(
    ("by", "price", "promise"),
    [
        (
            order(relativeStopLoss=1000, relativeTakeProfit=2000, trailingStopLoss=True),
            1.2,
            Promise(1.19, 1.22, trailing_stop_loss=True),
        ),
        (order(relativeStopLoss=1000, side="SELL"), 1.2, Promise(1.21)),
        (order("LIMIT", stopLoss=1.1, takeProfit=float("nan")), None, Promise(1.1)),
        (order(relativeStopLoss=1000), float("nan"), None),
        (order(), 1.2, None),
        (order(relativeStopLoss=1000, closingOrder=True), 1.2, None),
    ],
)
def test_fill_promises_the_levels_of_its_order(
    peer: Peer, look: Look, by: ProtoOAOrder, price: float | None, promise: Promise | None
):
    held = position()
    held.price = 1.2 if price is None else 9.0
    peer.push(told(held, by, price=price))
    assert look.position().promise == promise
    wait = peer.submit(WaitSettled(POSITION))
    assert (wait in peer.results) is (promise is None)
    peer.advance(1.1)
    assert wait in peer.results
    # It is kept beyond that, as the levels may have got lost.
    assert look.position().promise == promise


def test_promise_counts_in_the_digits_of_the_symbol(peer: Peer, look: Look):
    peer.push(symbols(symbol(digits=2)), told(position(), order(relativeStopLoss=1000), price=1.2))
    assert look.position().promise == Promise(1.19)


def test_promise_ends_with_the_order_that_holds_the_levels(peer: Peer, look: Look):
    peer.push(told(position(), order(relativeStopLoss=1000, relativeTakeProfit=1000), price=1.2))
    wait = peer.submit(WaitSettled(POSITION))
    # Something else happens to the position meanwhile, and one level is there already.
    peer.push(told(position(), order(relativeStopLoss=5), "PARTIAL_FILL", price=1.2))
    peer.push(reconciled(guarded_by(position(), stopLoss=1.19)))
    assert look.position().promise == Promise(None, 1.21)
    assert wait not in peer.results
    peer.push(told(position(), order("STOP_LOSS_TAKE_PROFIT", "ACCEPTED"), "ACCEPTED"))
    assert look.position().promise is None
    assert wait in peer.results


def test_promise_outlives_what_makes_no_sense_and_other_accounts(peer: Peer, look: Look):
    peer.push(told(position(), order(relativeTakeProfit=1000), price=1.2))
    wait = peer.submit(WaitSettled(POSITION))
    peer.push(ProtoOAAccountAuthRes(ctidTraderAccountId=OTHER_ACCOUNT))
    peer.push(reconciled(guarded_by(position(), stopLoss=float("nan"))))
    assert look.position().promise == Promise(None, 1.21)
    assert wait not in peer.results
    peer.push(reconciled(guarded_by(position(), takeProfit=1.21)))
    assert look.position().promise is None


def test_promise_ends_with_its_position(peer: Peer, look: Look):
    peer.push(told(position(), order(relativeStopLoss=1000), price=1.2))
    wait = peer.submit(WaitSettled(POSITION))
    peer.push(execution(position(volume=0, status="CLOSED")))
    assert look.position() is None
    assert wait in peer.results


# What is under way

AMENDMENT = ProtoOAAmendPositionSLTPReq(
    ctidTraderAccountId=ACCOUNT, positionId=5, stopLoss=1.1, takeProfit=1.3
)


def amendment(*, is_guarded: bool = True) -> Call:
    return Call(
        AMENDMENT,
        completion=Completion.PROTECTED,
        priority=Priority.TRADING,
        resend=False,
        account_id=ACCOUNT,
        guard=(lambda _: None) if is_guarded else None,
    )


def test_change_of_the_same_thing_has_to_wait_for_the_first(peer: Peer):
    peer.submit(amendment(is_guarded=False))
    second = peer.submit(amendment())
    assert peer.results[second] == Lacking(awaits=POSITION)
    wait = peer.submit(WaitSettled(POSITION))
    assert wait not in peer.results
    peer.answer(ProtoOAAmendPositionSLTPReq, execution_of(held=True))
    assert wait in peer.results
    third = peer.submit(amendment())
    assert third not in peer.results
    assert len(peer.requests(ProtoOAAmendPositionSLTPReq)) == 2


def execution_of(*, held: bool) -> ProtoOAExecutionEvent:
    event = execution(position() if held else None)
    event.executionType = ProtoOAExecutionType.ORDER_REPLACED
    return event


@pytest.mark.parametrize("effect", [True, False])
def test_change_without_an_answer_is_waited_for_a_while(peer: Peer, effect: bool):
    call = peer.submit(amendment(), timeout=2)
    wait = peer.submit(WaitSettled(POSITION), timeout=9)
    peer.advance(2.1)
    assert call in peer.errors
    assert wait not in peer.results
    if effect:
        peer.push(told(position(), order("STOP_LOSS_TAKE_PROFIT", "ACCEPTED"), "REPLACED"))
    else:
        peer.advance(1)
    assert wait in peer.results


def test_refused_change_is_over(peer: Peer):
    peer.submit(amendment())
    wait = peer.submit(WaitSettled(POSITION))
    peer.refuse(ProtoOAAmendPositionSLTPReq, "TRADING_BAD_STOPS")
    assert wait in peer.results


@pytest.mark.parametrize("link", [True, False])
def test_nothing_is_waited_for_beyond_the_session(peer: Peer, link: bool):
    peer.push(told(position(), order(relativeStopLoss=1000), price=1.2))
    wait = peer.submit(WaitSettled(POSITION))
    other = peer.submit(WaitSettled(POSITION._replace(account_id=OTHER_ACCOUNT)))
    assert other in peer.results
    if link:
        peer.lose_link()
    else:
        peer.push(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=ACCOUNT))
    assert wait in peer.results


def test_waiting_has_an_end_and_may_have_a_share_of_the_time_only(peer: Peer):
    peer.push(told(position(), order(relativeStopLoss=1000), price=1.2))
    wait = peer.submit(WaitSettled(POSITION, share=0.25), timeout=2)
    peer.advance(0.6)
    assert wait in peer.errors
    assert peer.cancel(peer.submit(WaitSettled(POSITION))) is CancelResult.NOT_SENT


# What a guard does


@pytest.mark.parametrize("refusal", [OrderInvalidError("no"), None])
def test_guard_is_asked_again_when_the_request_is_handed_over(
    peer: Peer, refusal: OrderInvalidError | None
):
    changed: list[bool] = []

    def guard(_: Terms) -> Lacking | None:
        if not changed:
            return None
        if refusal is not None:
            raise refusal
        return Lacking(state=True)

    peer.can_write = False
    call_id = peer.submit(guarded(guard, client_order_id="mine"))
    amended = peer.submit(
        Call(AMENDMENT, completion=Completion.PROTECTED, account_id=ACCOUNT, guard=guard)
    )
    changed.append(True)
    peer.can_write = True
    peer.carry_out()
    assert peer.sent == []
    for ended in (call_id, amended):
        if refusal is None:
            assert peer.results[ended] == Lacking(state=True)
        else:
            assert peer.errors[ended] is refusal
    # The client order id was not used up.
    again = peer.submit(guarded(None, client_order_id="mine"))
    assert again not in peer.errors


def test_request_that_lacks_something_ends_with_it_unsent(peer: Peer):
    call_id = peer.submit(
        guarded(lambda _: Lacking(symbol_id=1, state=True), client_order_id="mine")
    )
    assert peer.results[call_id] == Lacking(symbol_id=1, state=True)
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


# Quotes


def spot(**sides: Any) -> ProtoOASpotEvent:
    return ProtoOASpotEvent(ctidTraderAccountId=ACCOUNT, symbolId=1, **sides)


def test_last_quote_of_a_subscribed_symbol_is_known(peer: Peer, look: Look) -> None:
    peer.hold_spots(1)
    assert look.quote() == (None, None)
    peer.push(spot(bid=110_000, ask=110_010))
    peer.push(spot(ask=110_020))

    assert look.quote() == (110_000, 110_020)
    assert look.quote(2) == (None, None)


def test_quote_that_is_not_sent_any_more_is_not_known(peer: Peer, look: Look) -> None:
    peer.hold_spots(1)
    peer.push(spot(bid=110_000, ask=110_010))
    peer.unsubscribe(SpotTopic(ACCOUNT, 1))
    assert look.quote() == (None, None)
    peer.answer(ProtoOAUnsubscribeSpotsReq)
    assert look.quote() == (None, None)
