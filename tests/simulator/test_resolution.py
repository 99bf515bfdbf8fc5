"""What became of requests whose answers were lost, found out against the simulated server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from google.protobuf.message import Message

from ctrader.enums import OrderSide, OrderStatus, OrderType
from ctrader.errors import (
    OrderOutcomeUnknownError,
    OrderRejectedError,
)
from ctrader.events import ExecutionEvent, OrderResolvedEvent
from ctrader.models import (
    AmendOrderRequest,
    AmendPositionRequest,
    ClosePositionRequest,
    Evidence,
    NewOrderRequest,
    NoEffect,
    Position,
    TookEffect,
)
from ctrader.operations import auth, market_data, trading
from ctrader.operations.base import Op
from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListReq,
    ProtoOAOrderListRes,
    ProtoOAReconcileReq,
    ProtoOASpotEvent,
)
from ctrader.protocol.commands import CancelResult
from ctrader.simulator import Script
from ctrader.simulator.world import Task, World
from tests.simulator.test_world import ACCOUNT, authenticate, ready_world, seen

M = TypeVar("M", bound=Message)

BUY = NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=300_000)
LIMIT = NewOrderRequest(
    symbol_id=1,
    side=OrderSide.BUY,
    volume=100_000,
    order_type=OrderType.LIMIT,
    limit_price=0.5,
)


def listening() -> World:
    world = ready_world()
    world.listen(OrderResolvedEvent, ExecutionEvent)
    world.exchange.recording.is_on = True
    return world


def in_doubt(world: World, operation: Op[ExecutionEvent]) -> OrderOutcomeUnknownError:
    """Run a trading request whose answer does not come."""
    with pytest.raises(OrderOutcomeUnknownError) as caught:
        world.run(operation)
    return caught.value


def resolved(world: World, limit: float = 600) -> TookEffect | NoEffect:
    """Run on until the only request in doubt is settled."""
    (told,) = world.session.unresolved_orders
    world.run_until(lambda: not world.session.unresolved_orders, limit=limit)
    (event,) = seen(world, OrderResolvedEvent)
    assert event.outcome.request == told
    return event.outcome


def sent(world: World, kind: type[M]) -> list[M]:
    """Return the requests of a kind that the server was sent."""
    return world.exchange.recording.sent_by_client(kind)


def lost(world: World, request: type[Message], *, arrives: bool) -> None:
    """Lose the link with the next request of a kind, before or after the server read it."""
    script = world.exchange.script
    if arrives:
        script.next_answer(request).close(delivered=False, reset=True)
    else:
        script.next_request(request).close(handled=False, reset=True)


def opened(world: World) -> Position:
    world.run(trading.place_order(ACCOUNT, BUY))
    (position,) = world.run(trading.get_open_positions(ACCOUNT))
    return position


# New orders


def test_market_order_that_arrived_is_found_with_its_deal():
    world = listening()
    lost(world, ProtoOANewOrderReq, arrives=True)
    error = in_doubt(world, trading.place_order(ACCOUNT, BUY))
    outcome = resolved(world)
    assert isinstance(outcome, TookEffect)
    assert outcome.order is not None
    assert outcome.order.client_order_id == error.client_order_id
    assert outcome.order.status is OrderStatus.FILLED
    assert [deal.order_id for deal in outcome.deals] == [outcome.order.order_id]
    assert outcome.position is not None
    assert outcome.position.volume == 300_000
    assert outcome.request.client_msg_id == error.client_msg_id


def test_pending_order_that_arrived_is_found_among_the_pending_ones():
    world = listening()
    lost(world, ProtoOANewOrderReq, arrives=True)
    in_doubt(world, trading.place_order(ACCOUNT, LIMIT))
    outcome = resolved(world)
    assert isinstance(outcome, TookEffect)
    assert outcome.evidence is Evidence.STATE
    assert outcome.order is not None
    assert outcome.order.status is OrderStatus.ACCEPTED


def test_order_that_never_arrived_is_absent_after_three_looks_and_a_minute():
    world = listening()
    lost(world, ProtoOANewOrderReq, arrives=False)
    in_doubt(world, trading.place_order(ACCOUNT, BUY))
    at = world.now
    outcome = resolved(world)
    assert isinstance(outcome, NoEffect)
    assert outcome.evidence is Evidence.ABSENCE
    assert world.now - at >= 60_000_000_000
    assert world.run(trading.get_open_positions(ACCOUNT)) == []


def test_order_that_was_rejected_while_the_link_was_down_had_no_effect():
    world = listening()
    lost(world, ProtoOANewOrderReq, arrives=True)
    huge = BUY.model_copy(update={"volume": 10_000_000_000})
    in_doubt(world, trading.place_order(ACCOUNT, huge))
    outcome = resolved(world)
    assert isinstance(outcome, NoEffect)
    assert world.run(trading.get_open_positions(ACCOUNT)) == []


def test_absence_is_not_proved_by_looks_that_fail():
    world = listening()
    lost(world, ProtoOANewOrderReq, arrives=False)
    in_doubt(world, trading.place_order(ACCOUNT, BUY))
    world.exchange.script.next_request(ProtoOAOrderListReq, times=20).refuse("UNKNOWN_ERROR")
    world.run_for(75)
    assert world.session.unresolved_orders
    outcome = resolved(world)
    assert isinstance(outcome, NoEffect)


def test_loss_of_the_link_in_the_middle_of_a_look_begins_it_anew():
    world = listening()
    lost(world, ProtoOANewOrderReq, arrives=True)
    in_doubt(world, trading.place_order(ACCOUNT, BUY))
    lost(world, ProtoOAReconcileReq, arrives=True)
    assert isinstance(resolved(world), TookEffect)


# Late answers


def test_answer_that_comes_after_the_timeout_settles_it():
    world = listening()
    world.exchange.script.next_answer(ProtoOANewOrderReq, times=2).delay(10)
    task = world.start(trading.place_order(ACCOUNT, BUY), 2)
    world.finish(task)
    assert isinstance(task.error, OrderOutcomeUnknownError)
    outcome = resolved(world)
    assert isinstance(outcome, TookEffect)


def test_refusal_that_comes_after_the_timeout_settles_it():
    world = listening()
    rule = world.exchange.script.next_request(ProtoOANewOrderReq)
    rule.refuse("NOT_ENOUGH_MONEY")
    world.exchange.script.next_answer(ProtoOANewOrderReq).delay(4)
    task = world.start(trading.place_order(ACCOUNT, BUY), 2)
    world.finish(task)
    assert isinstance(task.error, OrderOutcomeUnknownError)
    outcome = resolved(world)
    assert isinstance(outcome, NoEffect)
    assert outcome.evidence is Evidence.ANSWER
    assert isinstance(outcome.error, OrderRejectedError)


def test_call_that_was_cancelled_after_it_was_sent_is_in_doubt_until_its_answer():
    world = listening()
    task = world.start(trading.place_order(ACCOUNT, BUY))
    world.run_until(lambda: bool(sent(world, ProtoOANewOrderReq)))
    assert world.cancel(task) is CancelResult.SENT
    (told,) = world.session.unresolved_orders
    assert told.cause is None
    outcome = resolved(world)
    assert isinstance(outcome, TookEffect)
    assert outcome.evidence is Evidence.ANSWER


# Cancels, amendments and closes


def pending_order(world: World) -> int:
    event = world.run(trading.place_order(ACCOUNT, LIMIT))
    assert event.order_id is not None
    return event.order_id


@pytest.mark.parametrize("arrives", [True, False])
def test_cancellation(arrives: bool):
    world = listening()
    order_id = pending_order(world)
    lost(world, ProtoOACancelOrderReq, arrives=arrives)
    in_doubt(world, trading.cancel_order(ACCOUNT, order_id))
    outcome = resolved(world)
    assert outcome.took_effect is arrives
    assert outcome.order is not None
    expected = OrderStatus.CANCELLED if arrives else OrderStatus.ACCEPTED
    assert outcome.order.status is expected


@pytest.mark.parametrize("arrives", [True, False])
def test_amendment_of_an_order(arrives: bool):
    world = listening()
    order_id = pending_order(world)
    lost(world, ProtoOAAmendOrderReq, arrives=arrives)
    change = AmendOrderRequest(order_id=order_id, limit_price=0.6, volume=200_000)
    in_doubt(world, trading.amend_order(ACCOUNT, change))
    outcome = resolved(world)
    assert outcome.took_effect is arrives
    assert outcome.order is not None
    assert outcome.order.limit_price == (0.6 if arrives else 0.5)


@pytest.mark.parametrize("arrives", [True, False])
def test_protection_of_a_position(arrives: bool):
    world = listening()
    position = opened(world)
    lost(world, ProtoOAAmendPositionSLTPReq, arrives=arrives)
    change = AmendPositionRequest(position_id=position.position_id, stop_loss=0.5)
    in_doubt(world, trading.amend_position(ACCOUNT, change))
    outcome = resolved(world)
    assert outcome.took_effect is arrives
    assert outcome.position is not None
    assert outcome.position.stop_loss == (0.5 if arrives else None)


@pytest.mark.parametrize("volume", [300_000, 100_000])
@pytest.mark.parametrize("arrives", [True, False])
def test_close_and_partial_close(arrives: bool, volume: int):
    world = listening()
    position = opened(world)
    lost(world, ProtoOAClosePositionReq, arrives=arrives)
    close = ClosePositionRequest(position_id=position.position_id, volume=volume)
    in_doubt(world, trading.close_position(ACCOUNT, close))
    outcome = resolved(world)
    assert outcome.took_effect is arrives
    left = world.run(trading.get_open_positions(ACCOUNT))
    open_volume = 300_000 - (volume if arrives else 0)
    assert sum(each.volume for each in left) == open_volume


def test_close_is_not_taken_for_an_earlier_one_of_the_same_volume():
    world = listening()
    position = opened(world)
    close = ClosePositionRequest(position_id=position.position_id, volume=100_000)
    world.run(trading.close_position(ACCOUNT, close))
    lost(world, ProtoOAClosePositionReq, arrives=False)
    in_doubt(world, trading.close_position(ACCOUNT, close))
    assert not resolved(world).took_effect
    (left,) = world.run(trading.get_open_positions(ACCOUNT))
    assert left.volume == 200_000


def test_close_is_not_taken_for_one_that_was_found_out_before():
    world = listening()
    position = opened(world)
    close = ClosePositionRequest(position_id=position.position_id, volume=100_000)
    lost(world, ProtoOAClosePositionReq, arrives=True)
    in_doubt(world, trading.close_position(ACCOUNT, close))
    world.run_until(lambda: not world.session.unresolved_orders, limit=600)
    lost(world, ProtoOAClosePositionReq, arrives=False)
    in_doubt(world, trading.close_position(ACCOUNT, close))
    world.run_until(lambda: not world.session.unresolved_orders, limit=600)
    outcomes = [event.outcome.took_effect for event in seen(world, OrderResolvedEvent)]
    assert outcomes == [True, False]
    (left,) = world.run(trading.get_open_positions(ACCOUNT))
    assert left.volume == 200_000


def test_close_is_not_taken_for_one_of_an_earlier_process():
    world = listening()
    position = opened(world)
    close = ClosePositionRequest(position_id=position.position_id, volume=100_000)
    world.run(trading.close_position(ACCOUNT, close))
    world.restart_client()
    world.listen(OrderResolvedEvent)
    world.connect()
    authenticate(world)
    world.run(market_data.subscribe_spots(ACCOUNT, [1]))
    world.run_for(5)  # prices tell the server's time
    lost(world, ProtoOAClosePositionReq, arrives=False)
    in_doubt(world, trading.close_position(ACCOUNT, close))
    assert not resolved(world).took_effect


def test_close_is_not_taken_for_somebody_else_s_while_the_link_was_down():
    world = listening()
    position = opened(world)
    world.cut()
    world.exchange.script.terminal(ACCOUNT).close(position.position_id, 100_000)
    world.run_until(lambda: world.session.is_ready)
    lost(world, ProtoOAClosePositionReq, arrives=False)
    close = ClosePositionRequest(position_id=position.position_id, volume=100_000)
    world.run_for(5)
    in_doubt(world, trading.close_position(ACCOUNT, close))
    assert not resolved(world).took_effect


NETTED = 1_000_003


@pytest.mark.parametrize("arrives", [True, False])
def test_close_of_a_position_that_grew_meanwhile_is_told_right(arrives: bool):
    world = ready_world()
    world.listen(OrderResolvedEvent)
    grant = world.exchange.grants.grants[0]
    world.run(
        auth.authenticate_by_trader_login(
            17_091_454, grant.access_token, grant.refresh_token, float(grant.expires_at)
        )
    )
    world.run(trading.place_order(NETTED, BUY))
    (position,) = world.run(trading.get_open_positions(NETTED))
    world.run_for(400)  # what opened it is not what enlarges it
    lost(world, ProtoOAClosePositionReq, arrives=arrives)
    close = ClosePositionRequest(position_id=position.position_id, volume=100_000)
    in_doubt(world, trading.close_position(NETTED, close))
    world.exchange.script.terminal(NETTED).buy(1, 500_000)
    assert resolved(world).took_effect is arrives
    (left,) = world.run(trading.get_open_positions(NETTED))
    assert left.volume == (700_000 if arrives else 800_000)


def test_rejected_close_is_the_end_of_one_close_only():
    world = listening()
    position = opened(world)
    script = world.exchange.script
    close = ClosePositionRequest(position_id=position.position_id, volume=100_000)
    script.next_frame(ProtoOAExecutionEvent, times=None).drop()
    carried_out = world.start(trading.close_position(ACCOUNT, close), 5)
    world.run_for(1)
    script.reject_next_order("NO_LIQUIDITY")
    rejected = world.start(trading.close_position(ACCOUNT, close), 5)
    for task in (carried_out, rejected):
        assert isinstance(world.finish(task).error, OrderOutcomeUnknownError)
    world.run_until(lambda: not world.session.unresolved_orders, limit=600)
    outcomes = [event.outcome.took_effect for event in seen(world, OrderResolvedEvent)]
    assert sorted(outcomes) == [False, True]


def close_of(position: Position, volume: int = 100_000) -> Op[ExecutionEvent]:
    change = ClosePositionRequest(position_id=position.position_id, volume=volume)
    return trading.close_position(ACCOUNT, change)


@pytest.mark.parametrize("second_arrives", [True, False])
@pytest.mark.parametrize("first_arrives", [True, False])
def test_two_closes_alike_are_each_told_right(first_arrives: bool, second_arrives: bool):
    world = listening()
    position = opened(world)
    world.exchange.script.next_frame(ProtoOAExecutionEvent, times=None).drop()
    tasks: list[Task[ExecutionEvent]] = []
    for arrives, patience in ((first_arrives, 6.0), (second_arrives, 3.0)):
        if not arrives:
            world.exchange.script.next_request(ProtoOAClosePositionReq).ignore()
        tasks.append(world.start(close_of(position), patience))
        world.run_for(3)  # both are in doubt at the same time
    told: list[str | None] = []
    for task in tasks:
        assert isinstance(task.error, OrderOutcomeUnknownError)
        told.append(task.error.client_msg_id)
    world.run_until(lambda: not world.session.unresolved_orders, limit=600)
    outcomes = {
        event.outcome.request.client_msg_id: event.outcome.took_effect
        for event in seen(world, OrderResolvedEvent)
    }
    assert outcomes == {told[0]: first_arrives, told[1]: second_arrives}


def test_close_is_not_taken_for_one_alike_that_still_waits_for_its_answer():
    world = listening()
    position = opened(world)
    script = world.exchange.script
    script.next_request(ProtoOAClosePositionReq).ignore()
    first = world.start(close_of(position), 2)
    world.run_for(1.5)
    script.next_frame(ProtoOAExecutionEvent, times=2).delay(20)
    second = world.start(close_of(position), 60)
    assert isinstance(world.finish(first).error, OrderOutcomeUnknownError)
    assert world.finish(second).result.deal is not None
    assert not resolved(world).took_effect


def test_close_is_not_taken_for_one_alike_that_came_into_doubt_during_the_look():
    world = listening()
    position = opened(world)
    script = world.exchange.script
    script.next_frame(ProtoOAExecutionEvent, times=None).drop()
    script.next_answer(ProtoOAReconcileReq).delay(4)
    first = world.start(close_of(position), 2)
    world.run_for(2.5)  # it is looked for, and the state is on its way
    second = world.start(close_of(position), 1)
    for task in (first, second):
        assert isinstance(world.finish(task).error, OrderOutcomeUnknownError)
    world.run_until(lambda: not world.session.unresolved_orders, limit=600)
    outcomes = [each.outcome for each in seen(world, OrderResolvedEvent)]
    assert [each.took_effect for each in outcomes] == [True, True]
    assert len({each.order.order_id for each in outcomes if each.order is not None}) == 2


def test_close_is_not_taken_for_one_alike_that_was_sent_while_the_list_travelled():
    world = listening()
    position = opened(world)
    script = world.exchange.script
    script.next_frame(ProtoOAExecutionEvent, times=None).drop()
    # The state comes at once, and the list of orders is asked for again on the next link.
    script.next_request(ProtoOAOrderListReq).ignore()
    first = world.start(close_of(position), 2)
    world.run_for(2.5)
    second = world.start(close_of(position), 60)
    world.run_for(1)
    world.cut()
    for task in (first, second):
        assert isinstance(world.finish(task).error, OrderOutcomeUnknownError)
    world.run_until(lambda: not world.session.unresolved_orders, limit=600)
    outcomes = [each.outcome for each in seen(world, OrderResolvedEvent)]
    assert [each.took_effect for each in outcomes] == [True, True]
    assert len({each.order.order_id for each in outcomes if each.order is not None}) == 2


def test_close_that_only_the_list_of_its_position_shows_is_not_given_to_an_earlier_one_alike():
    world = listening()
    position = opened(world)
    script = world.exchange.script
    nothing = ProtoOAOrderListRes(ctidTraderAccountId=ACCOUNT, hasMore=False)
    script.next_answer(ProtoOAOrderListReq, times=None).replace(nothing)
    script.next_request(ProtoOAClosePositionReq).ignore()
    first = world.start(close_of(position), 2)
    world.run_for(58)
    script.next_frame(ProtoOAExecutionEvent, times=None).drop()
    second = world.start(close_of(position), 1)
    for task in (first, second):
        assert isinstance(world.finish(task).error, OrderOutcomeUnknownError)
    world.run_until(lambda: not world.session.unresolved_orders, limit=600)
    outcomes = {
        each.outcome.request.client_msg_id: each.outcome.took_effect
        for each in seen(world, OrderResolvedEvent)
    }
    assert list(outcomes.values()) == [True, False]
    assert isinstance(second.error, OrderOutcomeUnknownError)
    assert outcomes[second.error.client_msg_id or ""]


def test_closes_alike_that_were_refused_in_vain_do_not_wait_for_each_other():
    world = listening()
    position = opened(world)
    world.exchange.script.next_request(ProtoOAClosePositionReq, times=2).refuse("TIMEOUT_ERROR")
    tasks = [world.start(close_of(position), 300) for _ in range(2)]
    for task in tasks:
        assert isinstance(world.finish(task).error, OrderRejectedError)


def test_close_that_only_the_list_of_its_position_shows_is_not_absent():
    world = listening()
    position = opened(world)
    script = world.exchange.script
    nothing = ProtoOAOrderListRes(ctidTraderAccountId=ACCOUNT, hasMore=False)
    script.next_answer(ProtoOAOrderListReq, times=None).replace(nothing)
    lost(world, ProtoOAClosePositionReq, arrives=True)
    in_doubt(world, close_of(position))
    assert resolved(world).took_effect


def closes_in_doubt(world: World, count: int) -> None:
    """Send closes of positions that the server never reads, and give up waiting."""
    positions = [opened_beside(world) for _ in range(count)]
    world.exchange.script.next_request(ProtoOAClosePositionReq, times=count).ignore()
    tasks = [world.start(close_of(position), 2) for position in positions]
    for task in tasks:
        assert isinstance(world.finish(task).error, OrderOutcomeUnknownError)


def opened_beside(world: World) -> Position:
    event = world.run(trading.place_order(ACCOUNT, BUY))
    assert event.position is not None
    return event.position


def test_many_closes_are_looked_for_together():
    world = listening()
    closes_in_doubt(world, 30)
    world.run_until(lambda: not world.session.unresolved_orders, limit=80)
    assert not any(each.outcome.took_effect for each in seen(world, OrderResolvedEvent))
    # Each was looked for among the orders of its position once, when nothing else was left to see.
    assert len(sent(world, ProtoOAOrderListByPositionIdReq)) == 30
    assert len(sent(world, ProtoOAOrderListReq)) < 10


def test_links_that_do_not_last_let_the_search_get_ahead():
    world = listening()
    closes_in_doubt(world, 40)
    left = [40]
    while left[-1]:
        assert len(left) < 10
        world.run_until(lambda: world.session.is_ready, limit=60)
        world.run_for(35)  # looks count from 30 seconds on, and ask for 4 lists a second
        world.cut()
        left.append(len(world.session.unresolved_orders))
    assert 0 < left[-2] < 40


@pytest.mark.parametrize("told", [2**62, -(2**62)])
def test_time_that_makes_no_sense_keeps_nobody_from_finding_out(told: int):
    world = listening()
    pending = pending_order(world)

    def spoil(event: Message) -> Message:
        assert isinstance(event, ProtoOAExecutionEvent)
        event.order.utcLastUpdateTimestamp = told
        return event

    world.exchange.script.next_frame(ProtoOAExecutionEvent).replace(spoil)
    world.exchange.script.terminal(ACCOUNT).cancel(pending)
    world.run_for(1)
    lost(world, ProtoOANewOrderReq, arrives=True)
    in_doubt(world, trading.place_order(ACCOUNT, BUY))
    assert resolved(world).took_effect


@pytest.mark.parametrize("hours", [-2, 2])
def test_clock_that_is_wrong_hides_no_order_though_the_server_told_no_time(hours: int):
    world = listening()
    world.clock_offset = 3600.0 * hours
    world.run_for(1)
    lost(world, ProtoOANewOrderReq, arrives=True)
    in_doubt(world, trading.place_order(ACCOUNT, BUY))
    assert resolved(world).took_effect


def test_slow_clock_hides_no_order_though_the_only_time_told_is_old():
    world = listening()
    world.clock_offset = -7200.0
    world.run_for(1)
    told_time(world, -3_600_000)
    lost(world, ProtoOANewOrderReq, arrives=True)
    in_doubt(world, trading.place_order(ACCOUNT, BUY))
    assert resolved(world).took_effect


def test_history_of_a_whole_day_is_read_for_the_proof_of_absence_only():
    world = listening()
    world.clock_offset = -86_400.0
    told_time(world, 0)
    lost(world, ProtoOANewOrderReq, arrives=False)
    in_doubt(world, trading.place_order(ACCOUNT, BUY))
    assert not resolved(world).took_effect
    *looks, proof = [each.fromTimestamp for each in sent(world, ProtoOAOrderListReq)]
    assert len(looks) >= 2
    assert len(set(looks)) == 1
    assert proof < looks[0] - 80_000_000


@pytest.mark.parametrize("is_close", [False, True])
def test_one_time_that_is_still_to_come_hides_no_order(is_close: bool):
    world = listening()
    position = opened(world)
    told_time(world, 3_600_000)
    if is_close:
        lost(world, ProtoOAClosePositionReq, arrives=True)
        close = ClosePositionRequest(position_id=position.position_id, volume=300_000)
        in_doubt(world, trading.close_position(ACCOUNT, close))
    else:
        lost(world, ProtoOANewOrderReq, arrives=True)
        in_doubt(world, trading.place_order(ACCOUNT, BUY))
    assert resolved(world).took_effect


def told_time(world: World, ahead: int) -> None:
    """Have the server tell one time that is so many ms ahead of its clock, and no other."""

    def spoil(event: Message) -> Message:
        assert isinstance(event, ProtoOASpotEvent)
        event.timestamp += ahead
        return event

    world.exchange.script.next_frame(ProtoOASpotEvent).replace(spoil)
    world.run(market_data.subscribe_spots(ACCOUNT, [1]))
    world.run(market_data.unsubscribe_spots(ACCOUNT, [1]))


# Codes that prove nothing


def refuse_in_vain(script: Script) -> None:
    doubtful = ProtoOAErrorRes(ctidTraderAccountId=ACCOUNT, errorCode="TIMEOUT_ERROR")
    script.next_answer(ProtoOANewOrderReq, times=2).replace(doubtful)


CODES: dict[str, Callable[[Script], object]] = {
    "carried out": refuse_in_vain,
    "refused": lambda script: script.next_request(ProtoOANewOrderReq).refuse("TIMEOUT_ERROR"),
}


@pytest.mark.parametrize("way", CODES)
def test_code_that_proves_nothing_is_resolved_before_the_caller_is_told(way: str):
    world = listening()
    CODES[way](world.exchange.script)
    task = world.finish(world.start(trading.place_order(ACCOUNT, BUY), 300))
    if way == "carried out":
        assert task.result.order is not None
        assert task.result.order.status is OrderStatus.FILLED
    else:
        assert isinstance(task.error, OrderRejectedError)
        assert task.error.error_code == "TIMEOUT_ERROR"
    assert not world.session.unresolved_orders


def test_code_that_proves_nothing_is_told_as_unknown_when_the_time_is_over():
    world = listening()
    world.exchange.script.next_request(ProtoOANewOrderReq).refuse("TIMEOUT_ERROR")
    task = world.finish(world.start(trading.place_order(ACCOUNT, BUY), 20))
    assert isinstance(task.error, OrderOutcomeUnknownError)
    assert not resolved(world).took_effect


def test_nothing_is_ever_sent_twice_on_the_way():
    world = listening()
    lost(world, ProtoOANewOrderReq, arrives=True)
    in_doubt(world, trading.place_order(ACCOUNT, BUY))
    resolved(world)
    world.run_for(100)
    assert len(sent(world, ProtoOANewOrderReq)) == 1
