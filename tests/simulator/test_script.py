"""The scripting interface: rules for what comes next, and frames out of nowhere."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest

from ctrader.config import ClientConfig
from ctrader.errors import CTraderConnectionError, CTraderConnectionTimeoutError, CTraderError
from ctrader.operations import raw
from ctrader.proto import (
    ProtoErrorRes,
    ProtoHeartbeatEvent,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolChangedEvent,
    ProtoOATrader,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOATraderUpdatedEvent,
    ProtoOATradeSide,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.simulator.refusals import Refusal
from ctrader.simulator.scripting.interference import Delivery, OutgoingFrame, Verdict
from ctrader.simulator.scripting.script import Script
from ctrader.simulator.world import World
from tests.simulator.peer import BARE, START, USD_ACCOUNT, Peer, log_in, scripted_exchange

TRADER = ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT)
VERSION = ProtoOAVersionReq()
BUY = ProtoOANewOrderReq(
    ctidTraderAccountId=USD_ACCOUNT,
    symbolId=1,
    orderType=ProtoOAOrderType.MARKET,
    tradeSide=ProtoOATradeSide.BUY,
    volume=100_000,
)


@pytest.fixture
def peer() -> Peer:
    return log_in(Peer(scripted_exchange()), USD_ACCOUNT)


@pytest.fixture
def script(peer: Peer) -> Script:
    return peer.exchange.script


def ids(peer: Peer) -> list[str | None]:
    return [each.client_msg_id for each in peer.received()]


# Answers


def test_dropped_answer_was_done_all_the_same(peer: Peer, script: Script):
    rule = script.next_answer(ProtoOANewOrderReq).drop()
    peer.send(VERSION, "other")
    peer.send(BUY, "lost")
    events = [each for each in peer.received() if each.client_msg_id == "lost"]
    assert events == []
    peer.run(1)
    assert "lost" in ids(peer)  # one frame was picked: the fill still comes
    assert rule.hits == 1
    assert rule.is_over
    assert len(peer.exchange.books[USD_ACCOUNT].deals) == 1


def test_every_frame_of_an_order_can_be_dropped(peer: Peer, script: Script):
    script.next_answer(ProtoOANewOrderReq, times=None).drop()
    peer.send(BUY, "lost")
    peer.run(1)
    assert peer.messages(ProtoOAExecutionEvent) == []
    script.clear()
    peer.send(BUY, "found")
    peer.run(1)
    assert peer.messages(ProtoOAExecutionEvent) != []


def test_answer_to_a_request_without_id_is_known_as_one(peer: Peer, script: Script):
    script.next_answer(ProtoOAVersionReq).drop()
    peer.send(VERSION)
    assert peer.received() == []


def test_delayed_answer_is_overtaken(peer: Peer, script: Script):
    script.next_answer().delay(2)
    peer.send(VERSION, "slow")
    peer.send(VERSION, "quick")
    assert ids(peer) == ["quick"]
    peer.run(1.9)
    assert ids(peer) == []
    peer.run(0.1)
    assert ids(peer) == ["slow"]


def test_order_whose_frames_are_late_is_not_refused_when_its_session_ends(
    peer: Peer, script: Script
):
    script.next_frame(ProtoOAExecutionEvent, times=2).delay(5)
    peer.send(BUY, "order")
    script.next_answer(ProtoOATraderReq).delay(5)
    peer.send(TRADER, "read")
    peer.run(1)
    assert peer.received() == []
    script.disconnect_account(USD_ACCOUNT)
    told = peer.received()
    assert [each.client_msg_id for each in told] == [None, "read"]
    assert isinstance(told[1].message, ProtoOAErrorRes)
    peer.run(10)
    assert ids(peer) == []
    assert list(peer.exchange.books[USD_ACCOUNT].open_positions())


def test_duplicated_answer_comes_again_behind_itself(peer: Peer, script: Script):
    script.next_answer(ProtoOAVersionReq).duplicate(2)
    peer.send(VERSION, "a")
    peer.send(VERSION, "b")
    assert ids(peer) == ["a", "a", "a", "b"]


def test_reordered_answer_comes_behind_the_next_frame(peer: Peer, script: Script):
    script.next_answer().reorder()
    peer.send(VERSION, "first")
    assert ids(peer) == []
    peer.send(VERSION, "second")
    peer.send(VERSION, "third")
    assert ids(peer) == ["second", "first", "third"]


def test_reordered_answer_does_not_wait_for_ever(peer: Peer, script: Script):
    script.next_answer().reorder(within=3)
    peer.send(VERSION, "only")
    peer.run(3)
    assert ids(peer) == ["only"]


def test_replaced_answer_keeps_the_id(peer: Peer, script: Script):
    script.next_answer(ProtoOAVersionReq).replace(ProtoOAVersionRes(version="1"))
    assert peer.ask(VERSION, ProtoOAVersionRes).version == "1"

    def double(message: object) -> ProtoOAVersionRes:
        assert isinstance(message, ProtoOAVersionRes)
        return ProtoOAVersionRes(version=message.version * 2)

    script.next_answer(ProtoOAVersionReq).replace(double)
    assert peer.ask(VERSION, ProtoOAVersionRes).version == "9090"
    assert peer.ask(VERSION, ProtoOAVersionRes).version == "90"


def test_oldest_rule_that_fits_decides_alone(peer: Peer, script: Script):
    script.next_answer().drop()
    script.next_answer().duplicate()
    script.next_frame(ProtoOAVersionRes, skip=1).drop()
    for each in "abcd":
        peer.send(VERSION, each)
    # a is dropped, b comes twice; only c and d reach the third rule, which lets one go by.
    assert ids(peer) == ["b", "b", "c"]


def test_cancelled_rule_does_nothing(peer: Peer, script: Script):
    rule = script.next_answer().drop()
    rule.cancel()
    peer.ask(VERSION, ProtoOAVersionRes)
    assert rule.hits == 0


def test_rule_of_one_connection_leaves_the_others(peer: Peer, script: Script):
    other = log_in(Peer(peer.exchange), USD_ACCOUNT)
    script.next_answer(connection=other.session.number).drop()
    peer.ask(VERSION, ProtoOAVersionRes)
    other.send(VERSION, "x")
    assert ids(other) == []


def test_impossible_numbers_are_refused(script: Script):
    with pytest.raises(ValueError, match="skip must be"):
        script.next_answer(skip=-1)
    with pytest.raises(ValueError, match="times"):
        script.next_request(times=0)
    with pytest.raises(ValueError, match="payload type"):
        script.next_frame(ProtoOATrader)
    with pytest.raises(ValueError, match="seconds"):
        script.next_answer().delay(float("nan"))
    with pytest.raises(ValueError, match="seconds"):
        script.next_answer().reorder(within=-1)
    with pytest.raises(ValueError, match="copies"):
        script.next_answer().duplicate(0)
    with pytest.raises(ValueError, match="required fields"):
        script.next_request().answer(ProtoOATraderRes())


def test_name_of_a_message_is_no_class_of_it(script: Script):
    for pick in (script.next_answer, script.next_frame, script.next_request, script.inject):
        with pytest.raises(TypeError, match=r"ctrader\.proto.*'ProtoOATraderReq'"):
            pick("ProtoOATraderReq")  # type: ignore[arg-type]  # the mistake


def test_verb_that_a_pick_has_not_is_told_with_those_that_it_has(script: Script):
    request, answer = script.next_request(), script.next_answer()
    with pytest.raises(AttributeError, match=r"no drop\(\).*answer, close, ignore, refuse"):
        request.drop()  # type: ignore[attr-defined]  # the mistake
    with pytest.raises(AttributeError, match=r"no refuse\(\).*apply, .*drop.*next_request"):
        answer.refuse("MARKET_CLOSED")  # type: ignore[attr-defined]  # the mistake
    assert not hasattr(request, "__wrapped__")


def test_account_that_the_broker_has_not_is_told_with_those_that_it_has(script: Script):
    calls: list[Callable[[], object]] = [
        lambda: script.terminal(9),
        lambda: script.delete_account(9),
        lambda: script.disconnect_account(9),
        lambda: script.deposit(9, Decimal(1)),
        lambda: script.withdraw(9, Decimal(1)),
        lambda: script.change_account(9),
        lambda: script.pick_accounts(USD_ACCOUNT, 9),
        lambda: script.fill_next_order(100_000, account_id=9),
        lambda: script.reject_next_order("NO", account_id=9),
    ]
    for call in calls:
        with pytest.raises(KeyError, match=rf"no account 9; known are {USD_ACCOUNT}, "):
            call()


def test_terminal_names_what_it_does_not_find(script: Script):
    terminal = script.terminal(USD_ACCOUNT)
    with pytest.raises(KeyError, match=r"no open position 77; none is open"):
        terminal.close(77)
    with pytest.raises(KeyError, match=r"no symbol 'EURUSDX'; known are .*EURUSD"):
        terminal.sell("EURUSDX", 100_000)


def test_what_a_terminal_is_refused_is_told_to_all_who_look_at_the_account(
    peer: Peer, script: Script
):
    peer.received()
    with pytest.raises(Refusal):
        script.terminal(USD_ACCOUNT).cancel(999)
    (event,) = peer.messages(ProtoOAOrderErrorEvent)
    assert (event.errorCode, event.orderId) == ("ORDER_NOT_FOUND", 999)
    assert event.ctidTraderAccountId == USD_ACCOUNT


def test_function_may_decide_frame_by_frame(peer: Peer, script: Script):
    seen: list[OutgoingFrame] = []

    def decide(frame: OutgoingFrame) -> Verdict:
        seen.append(frame)
        return Verdict((Delivery(frame.envelope), Delivery(frame.envelope, delay=1)))

    script.next_frame(times=2).apply(decide)
    peer.send(VERSION, "a")
    assert ids(peer) == ["a"]
    peer.run(1)
    assert ids(peer) == ["a"]
    assert [(each.connection, each.request) for each in seen] == [
        (peer.session.number, ProtoOAVersionReq)
    ]


# Events


def test_events_and_heartbeats_can_be_picked_too():
    ticks = [(second, 112567 + second, 112569 + second) for second in range(5)]
    peer = log_in(Peer(scripted_exchange(ticks)), USD_ACCOUNT)
    peer.send(ProtoOASubscribeSpotsReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1]), "s")
    peer.received()
    script = peer.exchange.script
    script.next_frame(ProtoOASpotEvent, skip=1, times=2).drop()
    peer.run(4)
    assert [each.bid for each in peer.messages(ProtoOASpotEvent)] == [112568, 112571]
    script.next_frame(ProtoHeartbeatEvent).drop()
    peer.run(30)
    assert peer.received() == []
    peer.run(30)
    assert [type(each.message) for each in peer.received()] == [ProtoHeartbeatEvent]


# Requests


def test_request_can_be_refused_with_any_error(peer: Peer, script: Script):
    script.next_request(ProtoOATraderReq).refuse("NO_SUCH_CODE", "Never heard of", retry_after=7)
    answer = peer.ask(TRADER, ProtoOAErrorRes)
    assert (answer.errorCode, answer.description, answer.retryAfter) == (
        "NO_SUCH_CODE",
        "Never heard of",
        7,
    )
    script.next_request(ProtoOATraderReq).refuse("TIMEOUT_ERROR", frame="common")
    assert peer.ask(TRADER, ProtoErrorRes).errorCode == "TIMEOUT_ERROR"
    script.next_request().refuse("MARKET_CLOSED", frame="order")
    assert peer.ask(BUY, ProtoOAOrderErrorEvent).errorCode == "MARKET_CLOSED"
    peer.run(1)
    assert peer.exchange.books[USD_ACCOUNT].deals == []
    peer.ask(TRADER, ProtoOATraderRes)


def test_ignored_request_is_neither_done_nor_answered(peer: Peer, script: Script):
    script.next_request(ProtoOANewOrderReq).ignore()
    peer.send(BUY, "lost")
    peer.run(1)
    assert peer.received() == []
    assert peer.exchange.books[USD_ACCOUNT].orders == {}


def test_request_can_be_answered_by_a_function(peer: Peer, script: Script):
    def answer(request: object) -> ProtoOAVersionRes | None:
        if isinstance(request, ProtoOATraderReq):
            raise Refusal("ENTITY_NOT_FOUND")
        return ProtoOAVersionRes(version="7")

    script.next_request(times=2).answer(answer)
    assert peer.ask(VERSION, ProtoOAVersionRes).version == "7"
    assert peer.ask(TRADER, ProtoOAErrorRes).errorCode == "ENTITY_NOT_FOUND"
    script.next_request().answer(ProtoOAVersionRes(version="8"))
    assert peer.ask(VERSION, ProtoOAVersionRes).version == "8"


# Ends


def test_connection_ends_at_the_chosen_frame(peer: Peer, script: Script):
    script.next_frame(skip=2).close()
    for each in "abcd":
        peer.send(VERSION, each)
    assert ids(peer) == ["a", "b", "c"]
    assert peer.session.close_reason == "script"


def test_order_can_be_done_without_a_word_about_it(peer: Peer, script: Script):
    script.next_answer(ProtoOANewOrderReq).close(delivered=False, reset=True)
    peer.send(BUY, "lost")
    assert peer.received() == []
    assert peer.session.is_reset
    peer.exchange.advance(peer.exchange.now + 1_000_000_000)
    assert len(peer.exchange.books[USD_ACCOUNT].deals) == 1


def test_connection_ends_at_a_request_before_or_after_it(peer: Peer, script: Script):
    other = log_in(Peer(peer.exchange), USD_ACCOUNT)
    script.next_request(ProtoOANewOrderReq).close(handled=False)
    peer.send(BUY, "lost")
    assert peer.session.is_closed
    assert peer.exchange.books[USD_ACCOUNT].orders == {}
    script.next_request(ProtoOAVersionReq).close()
    other.send(VERSION, "last")
    assert ids(other) == ["last"]
    assert other.session.is_closed


# What the broker does


def test_next_order_is_filled_in_parts_or_rejected(peer: Peer, script: Script):
    script.fill_next_order(40_000, 60_000)
    script.reject_next_order("TIMEOUT_ERROR")
    for each in ("parts", "none"):
        peer.send(BUY, each)
        peer.run(1)
    events = peer.messages(ProtoOAExecutionEvent)
    assert [each.deal.filledVolume for each in events if each.HasField("deal")] == [40_000, 60_000]
    assert events[-1].errorCode == "TIMEOUT_ERROR"


def test_money_and_terms_change_with_their_events(peer: Peer, script: Script):
    script.deposit(USD_ACCOUNT, Decimal("100.50"), note="gift")
    script.withdraw(USD_ACCOUNT, Decimal("0.50"))
    changes = peer.messages(ProtoOAExecutionEvent)
    assert [each.HasField("depositWithdraw") for each in changes] == [True, True]
    assert peer.ask(TRADER, ProtoOATraderRes).trader.balance == 10_010_000
    script.change_symbol("EURUSD", step_volume=200_000)
    assert [list(each.symbolId) for each in peer.messages(ProtoOASymbolChangedEvent)] == [[1]]
    script.change_account(USD_ACCOUNT, leverage=50)
    (event,) = peer.messages(ProtoOATraderUpdatedEvent)
    assert event.trader.leverageInCents == 5_000


# Out of nowhere


def test_any_frame_can_be_injected(peer: Peer, script: Script):
    other = Peer(peer.exchange)
    event = ProtoOASpotEvent(ctidTraderAccountId=USD_ACCOUNT, symbolId=5, bid=1)
    assert script.inject(event, "never sent") == 2
    (frame,) = other.received()
    assert frame == ("never sent", event)
    assert script.inject(ProtoOAExecutionEvent(), connection=peer.session.number) == 1
    assert [type(each.message) for each in peer.received()] == [
        ProtoOASpotEvent,
        ProtoOAExecutionEvent,
    ]
    script.inject_frame(9999, b"\x01", "x")
    assert peer.session.data_to_send() == other.session.data_to_send() != b""
    script.inject_bytes(b"\xff\xff")
    assert peer.session.data_to_send() == b"\xff\xff"
    assert script.inject(event, connection=77) == 0


# The client's core against it, under virtual time


def small_world() -> World:
    exchange = scripted_exchange(switches=BARE)
    world = World(
        exchange,
        ClientConfig(
            client_id="sim-client-id", client_secret="sim-client-secret", request_timeout=5
        ),
        unix_ms=START,
    )
    world.connect()
    return world


def test_lost_answer_is_a_timeout_for_the_client():
    world = small_world()
    world.exchange.script.next_answer(ProtoOAVersionReq).drop()
    with pytest.raises(CTraderConnectionTimeoutError):
        world.run(raw.get_version())
    assert world.run(raw.get_version()) == "90"


def test_unknown_error_code_reaches_the_client_as_it_is():
    world = small_world()
    world.exchange.script.next_request(ProtoOAVersionReq).refuse("BRAND_NEW", "Surprise")
    with pytest.raises(CTraderError) as caught:
        world.run(raw.get_version())
    assert getattr(caught.value, "error_code", None) == "BRAND_NEW"


def test_reset_link_loses_what_is_under_way_and_the_client_comes_back():
    world = small_world()
    world.exchange.script.next_answer(ProtoOAVersionReq).close(reset=True)
    try:
        version = world.run(raw.get_version())
    except CTraderConnectionError:
        version = world.run(raw.get_version())
    assert version == "90"
    assert world.exchange.script.connections == [2]
