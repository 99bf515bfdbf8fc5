"""Every deal is told once: a repeated one not again, and a missed one later."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message

from ctrader.enums import ExecutionType, OrderSide
from ctrader.events import DisconnectedEvent, ExecutionEvent
from ctrader.models import NewOrderRequest
from ctrader.operations import trading
from ctrader.proto import (
    ProtoOADealListReq,
    ProtoOADealListRes,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOAOrderDetailsReq,
    ProtoOAOrderDetailsRes,
)
from ctrader.proto.registry import EXECUTION_EVENT
from ctrader.protocol.envelope import Envelope
from ctrader.simulator import Switches
from ctrader.simulator.scripting.interference import Delivery, Verdict
from ctrader.simulator.world import World
from tests.simulator.test_world import ACCOUNT, authenticate, ready_world, seen

BUY = NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=300_000)


def listening(switches: Switches | None = None) -> World:
    world = ready_world(switches=switches or Switches())
    world.exchange.recording.is_on = True
    world.listen(ExecutionEvent, DisconnectedEvent)
    return world


def deals(world: World) -> list[int]:
    return [e.deal.deal_id for e in seen(world, ExecutionEvent) if e.deal is not None]


def asked(world: World) -> int:
    return len(world.exchange.recording.sent_by_client(ProtoOADealListReq))


def trade_elsewhere(world: World) -> None:
    world.exchange.script.terminal(ACCOUNT).buy("EURUSD", 100_000)
    world.run_for(1)


@pytest.mark.parametrize("copies", [1, 3])
def test_fill_that_is_told_again_is_delivered_once(copies: int):
    world = listening()
    world.exchange.script.next_frame(ProtoOAExecutionEvent, skip=1).duplicate(copies)
    world.run(trading.place_order(ACCOUNT, BUY))
    world.run_for(5)
    assert len(deals(world)) == 1


def test_parts_of_a_fill_are_different_deals():
    world = listening()
    world.exchange.script.fill_next_order(100_000, 200_000)
    world.run(trading.place_order(ACCOUNT, BUY))
    world.run_for(5)
    assert len(set(deals(world))) == 2


def test_fill_that_was_missed_is_told_once_as_recovered():
    world = listening()
    world.run(trading.place_order(ACCOUNT, BUY))
    world.cut()
    trade_elsewhere(world)
    world.run_until(lambda: world.session.is_ready)
    world.run_for(60)
    recovered = [event for event in seen(world, ExecutionEvent) if event.is_recovered]
    (event,) = recovered
    assert event.execution_type is ExecutionType.ORDER_FILLED
    assert event.deal is not None
    assert event.order is not None
    assert event.position is not None
    assert event.deal.order_id == event.order.order_id
    assert event.position.volume == 100_000
    assert len(deals(world)) == len(set(deals(world))) == 2


def test_fill_that_was_recovered_is_not_told_again_after_the_next_loss():
    world = listening()
    world.run(trading.place_order(ACCOUNT, BUY))
    world.cut()
    trade_elsewhere(world)
    world.run_until(lambda: len(deals(world)) == 2)
    world.cut()
    world.run_until(lambda: world.session.is_ready)
    world.run_for(60)
    assert len(deals(world)) == 2


def test_fills_before_the_client_came_are_not_told():
    world = listening()
    world.cut()
    world.restart_client()
    world.listen(ExecutionEvent, DisconnectedEvent)
    trade_elsewhere(world)
    world.connect()
    authenticate(world)
    world.run_for(60)
    world.cut()
    world.run_for(100)
    assert deals(world) == []


def test_fill_that_was_missed_is_told_though_only_a_slow_clock_tells_the_time():
    world = listening()
    world.clock_offset = -7200.0
    world.run_for(60)
    world.cut()
    trade_elsewhere(world)
    world.run_until(lambda: world.session.is_ready)
    world.run_for(60)
    assert len(deals(world)) == 1


def test_fill_of_an_order_of_unknown_outcome_is_told():
    world = listening()
    world.exchange.script.next_answer(ProtoOANewOrderReq).close(delivered=False, reset=True)
    task = world.finish(world.start(trading.place_order(ACCOUNT, BUY)))
    assert task.error is not None
    world.run_until(lambda: world.session.is_ready)
    world.run_for(60)
    assert len(deals(world)) == 1


def test_fills_are_looked_for_until_a_slow_history_shows_them():
    world = listening(Switches(history_lag=20))
    world.run(trading.place_order(ACCOUNT, BUY))
    world.cut()
    trade_elsewhere(world)
    world.run_until(lambda: world.session.is_ready)
    world.run_for(60)
    assert len(deals(world)) == 2


def test_account_that_was_dropped_catches_up_too():
    world = listening()
    world.run(trading.place_order(ACCOUNT, BUY))
    world.exchange.script.disconnect_account(ACCOUNT)
    world.run_until(lambda: world.session.is_ready)
    world.run_for(60)
    assert asked(world) == 3
    assert len(deals(world)) == 1


def test_search_that_is_cut_off_begins_anew():
    world = listening()
    world.run(trading.place_order(ACCOUNT, BUY))
    world.cut()
    trade_elsewhere(world)
    world.exchange.script.next_answer(ProtoOADealListReq).close(delivered=False, reset=True)
    world.run_for(200)
    assert len(deals(world)) == len(set(deals(world))) == 2


def test_nobody_listening_costs_no_request():
    world = listening()
    world.listen()
    world.cut()
    world.run_until(lambda: world.session.is_ready)
    world.run_for(60)
    assert asked(world) == 0


@pytest.mark.parametrize("pause", [2, 10, 34])
def test_loss_in_the_middle_of_a_search_begins_another(pause: int):
    world = listening()
    world.run(trading.place_order(ACCOUNT, BUY))
    world.cut()
    world.run_until(lambda: world.session.is_ready)
    world.run_for(pause)  # between two looks of the search
    world.cut()
    trade_elsewhere(world)
    world.run_until(lambda: world.session.is_ready)
    world.run_for(100)
    assert len(deals(world)) == 2


@pytest.mark.parametrize("payload", [b"", b"\x0a\xff\xff\xff\xff\x0f"])
def test_deal_of_an_event_that_cannot_be_read_is_told_on_the_same_link(payload: bytes):
    world = listening()
    senseless = Verdict((Delivery(Envelope(EXECUTION_EVENT, payload, None)),))
    world.exchange.script.next_frame(ProtoOAExecutionEvent, skip=1).apply(lambda _: senseless)
    trade_elsewhere(world)
    world.run_for(60)
    (event,) = [each for each in seen(world, ExecutionEvent) if each.deal is not None]
    assert event.is_recovered
    assert seen(world, DisconnectedEvent) == []


def test_event_that_cannot_be_read_during_a_search_begins_another():
    world = listening(Switches(history_lag=20))
    world.cut()
    world.run_until(lambda: world.session.is_ready)
    world.run_for(33)  # the last look is too early for a history that lags
    senseless = Verdict((Delivery(Envelope(EXECUTION_EVENT, b"", None)),))
    world.exchange.script.next_frame(ProtoOAExecutionEvent, skip=1).apply(lambda _: senseless)
    trade_elsewhere(world)
    world.run_for(60)
    assert len(deals(world)) == 1


NONSENSE = float("nan")


def missed_two(world: World) -> None:
    world.run(trading.place_order(ACCOUNT, BUY))
    world.cut()
    for _ in range(2):
        world.exchange.script.terminal(ACCOUNT).buy("EURUSD", 100_000)
    world.run_for(0.2)  # the link is made again no sooner than half a second after its loss


def test_record_that_makes_no_sense_hides_no_other_deal_and_is_told_of_once():
    world = listening()
    missed_two(world)

    def spoil(answer: Message) -> Message:
        assert isinstance(answer, ProtoOADealListRes)
        first = sorted(answer.deal, key=lambda deal: deal.dealId)[-2]
        first.executionPrice = NONSENSE
        return answer

    world.exchange.script.next_answer(ProtoOADealListReq, times=None).replace(spoil)
    world.run_until(lambda: world.session.is_ready)
    world.run_for(100)
    assert len(deals(world)) == 2
    assert asked(world) == 3


def test_deal_whose_order_makes_no_sense_is_told_without_it():
    world = listening()
    missed_two(world)

    def spoil(answer: Message) -> Message:
        assert isinstance(answer, ProtoOAOrderDetailsRes)
        answer.order.utcLastUpdateTimestamp = 2**62
        return answer

    world.exchange.script.next_answer(ProtoOAOrderDetailsReq, times=None).replace(spoil)
    world.run_until(lambda: world.session.is_ready)
    world.run_for(60)
    recovered = [event for event in seen(world, ExecutionEvent) if event.is_recovered]
    assert [event.order for event in recovered] == [None, None]


def test_order_that_the_history_does_not_have_yet_hides_no_other_deal():
    world = listening()
    missed_two(world)
    world.exchange.script.next_request(ProtoOAOrderDetailsReq).refuse("ORDER_NOT_FOUND")
    world.run_until(lambda: world.session.is_ready)
    world.run_for(3)
    assert len(deals(world)) == 2
    world.run_for(60)
    assert len(deals(world)) == len(set(deals(world))) == 3
