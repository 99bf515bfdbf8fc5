"""What a killed process left in its journal, taken up by the next one, under virtual time."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import pytest

from ctrader.config import ClientConfig
from ctrader.enums import OrderSide, OrderType
from ctrader.errors import (
    DuplicateClientOrderIdError,
    OrderNotSentError,
    OrderRejectedError,
)
from ctrader.events import ExecutionEvent, OrderResolvedEvent
from ctrader.journal import Settlement, SqliteJournal
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
from ctrader.operations import market_data, symbols, trading
from ctrader.operations.base import Op
from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOANewOrderReq,
)
from ctrader.simulator import DEFAULT_APPLICATIONS, Exchange
from ctrader.simulator.world import World
from tests.journal.in_memory import MemoryJournal
from tests.simulator.test_world import ACCOUNT, UNIX_MS, authenticate, buy, seen

BUY = NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=300_000, client_order_id="the-first")
LIMIT = NewOrderRequest(
    symbol_id=1,
    side=OrderSide.BUY,
    volume=100_000,
    order_type=OrderType.LIMIT,
    limit_price=0.5,
)


def at_work(journal: Any = None, **settings: Any) -> tuple[World, MemoryJournal]:
    """Make a world whose client keeps a journal and is ready to trade."""
    journal = MemoryJournal() if journal is None else journal
    exchange = Exchange(seed=1, unix_ms=UNIX_MS)
    application = DEFAULT_APPLICATIONS[0]
    config = ClientConfig(
        client_id=application.client_id, client_secret=application.client_secret, **settings
    )
    world = World(exchange, config, seed=1, unix_ms=UNIX_MS, journal=journal)
    world.listen(OrderResolvedEvent, ExecutionEvent)
    world.exchange.recording.is_on = True
    world.connect()
    authenticate(world)
    learn_symbol(world)
    return world, journal


def learn_symbol(world: World) -> None:
    """Let the client know what an order is checked against, so that it goes out at once."""
    world.run(market_data.subscribe_spots(ACCOUNT, [1]))
    world.run(symbols.get_by_id(ACCOUNT, 1))


def killed(world: World, operation: Op[Any], seconds: float) -> None:
    """Kill the client's process so long after an operation was begun, and start the next one."""
    world.start(operation)
    world.run_for(seconds)
    world.restart_client()
    world.events.clear()
    world.connect()


def resolved(world: World) -> TookEffect | NoEffect:
    """Let the new process find out what became of the only request that is left."""
    (told,) = world.session.unresolved_orders
    assert told.is_from_journal
    authenticate(world)
    world.run_until(lambda: not world.session.unresolved_orders, limit=600)
    (event,) = seen(world, OrderResolvedEvent)
    assert event.outcome.request == told
    return event.outcome


def placed(world: World) -> list[str]:
    """Client order ids of all orders that the server was sent."""
    orders = world.exchange.recording.sent_by_client(ProtoOANewOrderReq)
    return [order.clientOrderId for order in orders]


SENT = 0.001
"""Seconds after which a request has left, and its answer has not come."""


# Restart


def test_an_order_of_a_killed_process_is_found_by_the_next_one():
    world, journal = at_work()
    killed(world, trading.place_order(ACCOUNT, BUY), SENT)
    outcome = resolved(world)
    assert isinstance(outcome, TookEffect)
    assert outcome.order is not None
    assert outcome.order.client_order_id == "the-first"
    world.run_for(1)
    assert list(journal.settled.values())[-1] == (Settlement.DONE, outcome.order.order_id)
    recovered = [event for event in seen(world, ExecutionEvent) if event.is_recovered]
    assert len(recovered) == 1
    assert placed(world) == ["the-first"]


def test_an_order_that_was_committed_and_never_sent_is_proved_absent():
    world, journal = at_work()
    world.stall_writes(True)
    world.start(trading.place_order(ACCOUNT, BUY))
    world.run_for(SENT)
    world.restart_client()
    world.stall_writes(False)
    world.connect()
    began = world.now
    outcome = resolved(world)
    assert isinstance(outcome, NoEffect)
    assert outcome.evidence is Evidence.ABSENCE
    assert world.now - began >= 60_000_000_000
    world.run_for(1)
    assert journal.ends[-1] is Settlement.NO_EFFECT
    assert placed(world) == []


def test_the_id_of_what_is_left_is_refused_to_the_next_process():
    world, _ = at_work()
    killed(world, trading.place_order(ACCOUNT, BUY), SENT)
    authenticate(world)
    with pytest.raises(DuplicateClientOrderIdError):
        world.run(trading.place_order(ACCOUNT, BUY))
    world.run_until(lambda: not world.session.unresolved_orders, limit=600)
    with pytest.raises(DuplicateClientOrderIdError):
        world.run(trading.place_order(ACCOUNT, BUY))
    assert placed(world) == ["the-first"]


def test_what_is_left_is_kept_through_several_processes_until_it_is_known():
    world, journal = at_work()
    killed(world, trading.place_order(ACCOUNT, BUY), SENT)
    for _ in range(3):
        world.restart_client()
        world.connect()
        assert len(world.session.unresolved_orders) == 1
    assert isinstance(resolved(world), TookEffect)
    world.run_for(1)
    assert journal.ends[-1] is Settlement.DONE
    world.restart_client()
    world.connect()
    assert world.session.unresolved_orders == ()


def test_what_is_left_is_searched_for_only_once_its_account_is_there():
    world, _ = at_work()
    killed(world, trading.place_order(ACCOUNT, BUY), SENT)
    world.run_for(300)
    assert len(world.session.unresolved_orders) == 1
    assert isinstance(resolved(world), TookEffect)


def opened(world: World, volume: int = 300_000) -> Position:
    world.run(trading.place_order(ACCOUNT, buy(volume)))
    (position,) = world.run(trading.get_open_positions(ACCOUNT))
    return position


def test_a_cancel_of_a_killed_process_is_settled():
    world, journal = at_work()
    order = world.run(trading.place_order(ACCOUNT, LIMIT)).order
    assert order is not None
    killed(world, trading.cancel_order(ACCOUNT, order.order_id), SENT)
    outcome = resolved(world)
    assert isinstance(outcome, TookEffect)
    assert outcome.request.request_type == ProtoOACancelOrderReq.__name__
    world.run_for(1)
    assert journal.ends == [Settlement.DONE, Settlement.DONE]


def test_amendments_of_a_killed_process_are_settled():
    world, _ = at_work()
    order = world.run(trading.place_order(ACCOUNT, LIMIT)).order
    assert order is not None
    change = AmendOrderRequest(order_id=order.order_id, limit_price=0.4)
    world.run(trading.get_pending_orders(ACCOUNT))
    sent = world.exchange.recording.sent_by_client
    task = world.start(trading.amend_order(ACCOUNT, change))
    world.run_until(lambda: bool(sent(ProtoOAAmendOrderReq)) or task.is_done)
    assert not task.is_done
    world.restart_client()
    world.events.clear()
    world.connect()
    outcome = resolved(world)
    assert isinstance(outcome, TookEffect)
    assert outcome.order is not None
    assert outcome.order.limit_price == 0.4


def test_a_change_of_levels_of_a_killed_process_is_settled():
    world, _ = at_work()
    position = opened(world)
    change = AmendPositionRequest(position_id=position.position_id, stop_loss=0.5)
    sent = world.exchange.recording.sent_by_client
    task = world.start(trading.amend_position(ACCOUNT, change))
    world.run_until(lambda: bool(sent(ProtoOAAmendPositionSLTPReq)) or task.is_done)
    assert not task.is_done
    world.restart_client()
    world.events.clear()
    world.connect()
    outcome = resolved(world)
    assert isinstance(outcome, TookEffect)
    assert outcome.position is not None
    assert outcome.position.stop_loss == 0.5


@pytest.mark.parametrize("arrives", [True, False])
def test_a_second_close_of_the_same_volume_is_not_taken_for_the_first(arrives: bool):
    world, journal = at_work()
    position = opened(world)
    close = ClosePositionRequest(position_id=position.position_id, volume=100_000)
    world.run(trading.close_position(ACCOUNT, close))
    world.stall_writes(not arrives)
    world.start(trading.close_position(ACCOUNT, close))
    world.run_for(SENT)
    world.restart_client()
    world.stall_writes(False)
    world.events.clear()
    world.connect()
    outcome = resolved(world)
    assert outcome.took_effect is arrives
    world.run_for(1)
    end = Settlement.DONE if arrives else Settlement.NO_EFFECT
    assert journal.ends == [Settlement.DONE, Settlement.DONE, end]
    assert len(world.exchange.recording.sent_by_client(ProtoOAClosePositionReq)) == 1 + arrives


def test_a_close_is_not_taken_for_the_one_right_before_it_though_less_is_open():
    world, _ = at_work()
    position = opened(world)
    close = ClosePositionRequest(position_id=position.position_id, volume=100_000)
    world.run(trading.close_position(ACCOUNT, close))
    world.stall_writes(True)
    world.start(trading.close_position(ACCOUNT, close))
    world.run_for(SENT)
    world.restart_client()
    world.stall_writes(False)
    world.exchange.script.terminal(ACCOUNT).close(position.position_id, 200_000)
    world.events.clear()
    world.connect()
    assert not resolved(world).took_effect


# The way of an order


def test_every_end_of_an_order_is_in_the_journal():
    world, journal = at_work()
    done = world.run(trading.place_order(ACCOUNT, BUY)).order
    assert done is not None
    with pytest.raises(OrderRejectedError):
        world.run(trading.place_order(ACCOUNT, buy(10_000_000_000)))
    world.run_for(1)
    ends = list(journal.settled.values())
    assert ends == [(Settlement.DONE, done.order_id), (Settlement.REJECTED, None)]


def test_a_slow_disk_and_a_lost_link_in_between_leave_an_order_unsent():
    world, journal = at_work()
    world.job_seconds = 2.0
    task = world.start(trading.place_order(ACCOUNT, BUY))
    world.run_for(1)
    world.cut()
    with pytest.raises(OrderNotSentError):
        _ = world.finish(task).result
    world.run_for(30)
    assert placed(world) == []
    assert world.session.unresolved_orders == ()
    assert journal.ends in ([], [Settlement.NOT_SENT])
    again = world.run(trading.place_order(ACCOUNT, BUY))  # the id is free
    assert again.order is not None


def test_orders_keep_their_order_behind_a_slow_disk():
    world, _ = at_work()
    world.job_seconds = 0.3
    names = [f"order-{number}" for number in range(6)]
    tasks = [
        world.start(trading.place_order(ACCOUNT, buy(100_000, client_order_id=name)))
        for name in names
    ]
    for task in tasks:
        world.finish(task)
        _ = task.result
    assert placed(world) == names


def test_a_client_that_is_closed_leaves_nothing_unsettled(tmp_path: Path):
    path = tmp_path / "private" / "orders.journal"
    world, _ = at_work(SqliteJournal(path))
    world.run(trading.place_order(ACCOUNT, BUY))
    world.close()
    journal = SqliteJournal(path)
    assert journal.open() == ()
    assert [entry.settlement for entry in journal.entries()] == [Settlement.DONE]
    journal.close()


@pytest.mark.parametrize("seed", range(20))
def test_whenever_a_process_is_killed_its_orders_are_known_in_the_end(seed: int, tmp_path: Path):
    dice = Random(seed)
    world, _ = at_work(SqliteJournal(tmp_path / "private" / "orders.journal"))
    known: dict[str, bool] = {}
    number = 0
    for _ in range(4):
        world.job_seconds = dice.choice([0.0, 0.005, 0.05])
        tasks = {}
        for _ in range(dice.randint(1, 4)):
            number += 1
            request = buy(100_000, client_order_id=f"order-{number}")
            tasks[f"order-{number}"] = world.start(trading.place_order(ACCOUNT, request))
            world.run_for(dice.uniform(0, 0.03))
        world.run_for(dice.uniform(0, 0.2))
        done = {name: task for name, task in tasks.items() if task.is_done}
        known |= {name: task.error is None for name, task in done.items()}
        world.restart_client()
        world.events.clear()
        world.connect()
        left = {told.client_order_id for told in world.session.unresolved_orders}
        authenticate(world)
        world.run_until(lambda: not world.session.unresolved_orders, limit=600)
        told = {
            event.outcome.request.client_order_id: event.outcome.took_effect
            for event in seen(world, OrderResolvedEvent)
        }
        assert set(told) == left
        known |= {name: told.get(name, False) for name in tasks if name not in done}
        learn_symbol(world)
    book = world.exchange.books[ACCOUNT]
    there = [order.client_order_id for order in book.orders.values() if order.client_order_id]
    assert there
    assert sorted(there) == sorted(name for name, took_effect in known.items() if took_effect)
