"""Amendments that nobody else's change can pass, and closes that nothing holds up.

Most of it runs the real operations and the real session against the simulated server.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Literal

import pytest
from google.protobuf.message import Message

from ctrader.enums import ExecutionType, OrderType, StopTriggerMethod
from ctrader.errors import (
    BadVolumeError,
    ClientClosedError,
    CTraderConnectionTimeoutError,
    CTraderError,
    OrderError,
    OrderInvalidError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    PositionNotFoundError,
    ProtocolError,
)
from ctrader.models import (
    AmendOrderRequest,
    AmendPositionRequest,
    ClosePositionRequest,
    Order,
)
from ctrader.models.request import CLEAR
from ctrader.models.wire import enum_of, write_enum
from ctrader.operations import trading
from ctrader.proto import (
    ProtoOAAmendPositionSLTPReq,
    ProtoOAClosePositionReq,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderType,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOASymbolByIdReq,
)
from ctrader.protocol.commands import Command, Subject, Thing
from ctrader.simulator import Switches
from ctrader.simulator.world import Task, World
from ctrader.units import SECOND, datetime_from_millis
from tests.operations.peer import drive
from tests.operations.test_checks import NOW, Desk, answer, symbol
from tests.operations.test_trading import event, limit_order, position, state
from tests.simulator.test_world import ACCOUNT, buy, ready_world

TARGET = 9.0
STOP = 0.5


def held(**options: Any) -> tuple[World, int]:
    """Make a world with one open position of 300,000."""
    world = ready_world(**options)
    filled = world.run(trading.place_order(ACCOUNT, buy(300_000)))
    assert filled.position is not None
    world.run_for(2)
    return world, filled.position.position_id


def pending(world: World, **terms: Any) -> int:
    request = buy(order_type=OrderType.LIMIT, limit_price=0.9, **terms)
    placed = world.run(trading.place_order(ACCOUNT, request))
    assert placed.order is not None
    return placed.order.order_id


def amend(world: World, position_id: int, timeout: float | None = None, **levels: Any) -> Task[Any]:
    request = AmendPositionRequest(position_id=position_id, **levels)
    return world.start(trading.amend_position(ACCOUNT, request), timeout)


def levels_of(world: World) -> tuple[float | None, float | None]:
    world.run_for(2)
    (now,) = world.run(trading.get_open_positions(ACCOUNT))
    return now.stop_loss, now.take_profit


def pending_order(world: World) -> Order:
    (order,) = world.run(trading.get_pending_orders(ACCOUNT))
    return order


def reconnect(world: World) -> None:
    world.cut()
    world.run_until(lambda: world.session.is_ready)


# Nothing gets lost


def test_amendments_at_once_keep_each_others_levels() -> None:
    world, position_id = held()
    tasks = [
        amend(world, position_id, stop_loss=STOP),
        amend(world, position_id, take_profit=TARGET),
        amend(world, position_id, stop_loss=0.6),
    ]
    for task in tasks:
        assert world.finish(task).error is None
    assert levels_of(world) == (0.6, TARGET)


def test_amendments_of_an_order_at_once_keep_each_others_levels() -> None:
    world = ready_world()
    order_id = pending(world)
    tasks = [
        world.start(trading.amend_order(ACCOUNT, request))
        for request in (
            AmendOrderRequest(order_id=order_id, relative_stop_loss=0.01),
            AmendOrderRequest(order_id=order_id, relative_take_profit=0.02),
        )
    ]
    for task in tasks:
        assert world.finish(task).error is None
    order = pending_order(world)
    assert (order.stop_loss_distance, order.take_profit_distance) == (0.01, 0.02)


@pytest.mark.parametrize("delay", [0.01, 0.05, 0.1, 0.2])
def test_amendment_right_after_a_fill_keeps_what_its_order_asked_for(delay: float) -> None:
    world = ready_world(switches=Switches(protection_delay=delay))
    filled = world.run(trading.place_order(ACCOUNT, buy(100_000, relative_stop_loss=0.005)))
    assert filled.position is not None
    entry = filled.position.entry_price
    assert entry is not None
    amended = world.finish(amend(world, filled.position.position_id, take_profit=TARGET))
    assert amended.error is None
    assert levels_of(world) == pytest.approx((entry - 0.005, TARGET))


@pytest.mark.parametrize(("stop", "target"), [(0.005, 0.01), (0.005, None), (None, 0.01)])
def test_levels_that_never_came_are_sent_as_they_were_asked_for(
    stop: float | None, target: float | None
) -> None:
    world = ready_world(switches=Switches(protection_delay=60.0))
    request = buy(100_000, relative_stop_loss=stop, relative_take_profit=target)
    filled = world.run(trading.place_order(ACCOUNT, request))
    assert filled.position is not None
    entry, position_id = filled.position.entry_price, filled.position.position_id
    assert entry is not None
    begun = world.now
    named = {"stop_loss": STOP} if stop is None else {"take_profit": TARGET}
    assert world.finish(amend(world, position_id, **named)).error is None
    assert 1 * SECOND <= world.now - begun < 1.5 * SECOND
    wanted = (STOP if stop is None else entry - stop, TARGET if stop else entry + (target or 0))
    assert levels_of(world) == pytest.approx(wanted)


@pytest.mark.parametrize("kind", ["trailing", "guaranteed"])
def test_stop_loss_that_never_came_is_sent_as_the_kind_that_it_was_to_be(kind: str) -> None:
    desk = Desk(answer(symbol()), state(positions=(position(5),)), event("ORDER_REPLACED"))
    order = limit_order(positionId=5, relativeStopLoss=1000, trailingStopLoss=kind == "trailing")
    order.tradeData.guaranteedStopLoss = kind == "guaranteed"
    filled = event("ORDER_FILLED")
    filled.order.CopyFrom(order)
    filled.position.CopyFrom(position(5))
    desk.terms.learn(filled)

    drive(trading.amend_position(7, AmendPositionRequest(position_id=5, take_profit=1.3)), desk)

    (sent,) = desk.sent
    assert (sent.stopLoss, sent.takeProfit) == (1.09, 1.3)
    assert sent.trailingStopLoss is (kind == "trailing")
    assert sent.guaranteedStopLoss is (kind == "guaranteed")


def test_change_of_another_terminal_that_was_seen_is_kept() -> None:
    world, position_id = held()
    world.exchange.script.change_symbol("EURUSD", step_volume=1000)
    world.run_for(1)
    task = amend(world, position_id, take_profit=TARGET)
    world.run_for(0.021)  # while the symbol is read
    foreign = ProtoOAAmendPositionSLTPReq(
        ctidTraderAccountId=ACCOUNT, positionId=position_id, stopLoss=STOP
    )
    world.exchange.script.terminal(ACCOUNT).request(foreign)
    assert world.finish(task).error is None
    assert levels_of(world) == (STOP, TARGET)


def test_change_between_the_read_and_the_sending_is_read_again() -> None:
    changes = [state(positions=(position(5, stopLoss=level),)) for level in (1.01, 1.02, 1.03)]
    desk = Desk(changes[0], changes[1])
    desk.terms.learn(answer(symbol()))

    def moved(command: Command) -> object:
        if getattr(command, "reply", None) is None and len(desk.asked) == 1:
            desk.terms.learn(changes[2])
        return desk(command)

    drive(trading.amend_position(7, AmendPositionRequest(position_id=5, take_profit=1.2)), moved)

    assert desk.asked == ["ProtoOAReconcileReq"] * 2
    assert (desk.sent[0].stopLoss, desk.sent[0].takeProfit) == (1.02, 1.2)


def test_what_keeps_changing_is_given_up() -> None:
    levels = [state(positions=(position(5, stopLoss=1 + n / 100),)) for n in range(12)]
    desk = Desk(*levels[:6])
    desk.terms.learn(answer(symbol()))

    def moving(command: Command) -> object:
        if getattr(command, "reply", None) is None:
            desk.terms.learn(levels[11])
        return desk(command)

    with pytest.raises(OrderNotSentError, match="changed 5 times while it was read"):
        drive(
            trading.amend_position(7, AmendPositionRequest(position_id=5, take_profit=1.2)), moving
        )
    assert desk.sent == []


def test_answer_that_leaves_nothing_in_the_memory_is_taken_for_what_it_says() -> None:
    other = state(positions=(position(5, stopLoss=1.0),))
    other.ctidTraderAccountId = 8
    desk = Desk(other, other)
    desk.terms.learn(answer(symbol()))

    drive(trading.amend_position(7, AmendPositionRequest(position_id=5, take_profit=1.2)), desk)

    assert desk.asked == ["ProtoOAReconcileReq"] * 2
    assert desk.sent[0].stopLoss == 1.0


@pytest.mark.parametrize("error", [CTraderConnectionTimeoutError(5, "it"), ClientClosedError("no")])
def test_change_under_way_that_does_not_end_leaves_the_next_unsent(error: Exception) -> None:
    desk = Desk(error)
    desk.unsettled.subjects.add(Subject(7, Thing.ORDER, 3))

    with pytest.raises(OrderNotSentError) as caught:
        drive(trading.amend_order(7, AmendOrderRequest(order_id=3, volume=100)), desk)

    assert caught.value.cause is error
    is_late = isinstance(error, CTraderConnectionTimeoutError)
    assert ("another change of it was still under way" in str(caught.value)) is is_late


# What is merged


def test_nonsense_beside_what_is_kept_does_not_matter() -> None:
    world, position_id = held()

    def odd(message: Message) -> Message:
        copy = ProtoOAReconcileRes()
        copy.MergeFromString(message.SerializeToString())
        copy.position[0].tradeData.openTimestamp = 2**62
        copy.position[0].moneyDigits = 99
        copy.position[0].marginRate = float("nan")
        return copy

    world.exchange.script.next_answer(ProtoOAReconcileReq, times=None).replace(odd)
    assert world.finish(amend(world, position_id, stop_loss=STOP)).error is None


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        (
            lambda: trading.amend_position(7, AmendPositionRequest(position_id=5, stop_loss=1)),
            state(positions=(position(5, takeProfit=float("nan")),)),
        ),
        (
            lambda: trading.amend_order(7, AmendOrderRequest(order_id=3, volume=100)),
            state(orders=(limit_order(3, stopLoss=float("inf")),)),
        ),
        (
            lambda: trading.amend_order(7, AmendOrderRequest(order_id=3, limit_price=1)),
            state(orders=(limit_order(3, expirationTimestamp=4_000_000_000_000),)),
        ),
    ],
)
def test_nonsense_in_what_is_kept_leaves_the_request_unsent(
    operation: Callable[[], Any], told: ProtoOAReconcileRes
) -> None:
    desk = Desk(told)
    with pytest.raises(OrderNotSentError, match="what would have to stay of it") as caught:
        drive(operation(), desk)
    assert isinstance(caught.value.cause, ProtocolError | ValueError)
    assert desk.sent == []


def test_trigger_that_only_the_server_knows_is_kept() -> None:
    message = limit_order(3)
    message.orderType = ProtoOAOrderType.STOP
    write_enum(message, "stopTriggerMethod", StopTriggerMethod(9))
    desk = Desk(state(orders=(message,)))
    desk.terms.learn(answer(symbol()))

    drive(trading.amend_order(7, AmendOrderRequest(order_id=3, volume=200)), desk)

    assert enum_of(desk.sent[0], "stopTriggerMethod", StopTriggerMethod) == StopTriggerMethod(9)


def test_only_what_a_symbol_rules_asks_for_it() -> None:
    desk = Desk(state(positions=(position(5, stopLoss=1.0),)))
    drive(trading.amend_position(7, AmendPositionRequest(position_id=5, stop_loss=CLEAR)), desk)
    assert desk.asked == ["ProtoOAReconcileReq"]

    gone = AmendOrderRequest(order_id=3, expiration_timestamp=datetime_from_millis(10**12))
    with pytest.raises(OrderInvalidError, match="has passed"):
        drive(trading.amend_order(7, gone), Desk(state(orders=(limit_order(3),))))


@pytest.mark.parametrize("told", [answer(), answer(symbol(digits=99)), ProtocolError("nonsense")])
def test_levels_are_changed_whatever_is_known_of_the_symbol(told: object) -> None:
    desk = Desk(state(positions=(position(5),)), told, state(positions=(position(5),)))
    drive(trading.amend_position(7, AmendPositionRequest(position_id=5, stop_loss=1.05)), desk)
    assert desk.asked == ["ProtoOAReconcileReq", "ProtoOASymbolByIdReq", "ProtoOAReconcileReq"]
    assert len(desk.sent) == 1


def test_symbol_of_a_known_position_is_read_before_its_state() -> None:
    desk = Desk(answer(symbol()), state(positions=(position(5),)))
    desk.terms.learn(state(positions=(position(5),)))
    drive(trading.amend_position(7, AmendPositionRequest(position_id=5, stop_loss=1.05)), desk)
    assert desk.asked == ["ProtoOASymbolByIdReq", "ProtoOAReconcileReq"]


# Trailing stops


def test_flag_that_holds_for_no_stop_loss_is_left_out() -> None:
    world, position_id = held()
    task = world.finish(amend(world, position_id, take_profit=TARGET, trailing_stop_loss=False))
    assert task.error is None
    assert levels_of(world) == (None, TARGET)


@pytest.mark.parametrize("told", ["cancelled", "replaced"])
def test_both_levels_are_removed_however_it_is_told(told: Literal["cancelled", "replaced"]) -> None:
    world, position_id = held(switches=Switches(removed_protection=told))
    assert world.finish(amend(world, position_id, stop_loss=STOP, take_profit=TARGET)).error is None
    assert world.finish(amend(world, position_id, stop_loss=CLEAR, take_profit=CLEAR)).error is None
    assert levels_of(world) == (None, None)
    assert world.finish(amend(world, position_id, stop_loss=STOP)).error is None
    assert levels_of(world) == (STOP, None)


@pytest.mark.parametrize("holds", [True, False])
def test_stop_loss_that_trails_is_removed_in_two_steps(holds: bool) -> None:
    world, position_id = held(switches=Switches(trailing_holds_stop=holds))
    world.run(
        trading.amend_position(
            ACCOUNT,
            AmendPositionRequest(
                position_id=position_id,
                stop_loss=STOP,
                take_profit=TARGET,
                trailing_stop_loss=True,
            ),
        )
    )
    assert world.finish(amend(world, position_id, stop_loss=CLEAR)).error is None
    assert levels_of(world) == (None, TARGET)


def test_stop_loss_stands_still_if_only_the_first_step_succeeds() -> None:
    trailing = state(positions=(position(5, stopLoss=1.0, trailingStopLoss=True),))
    desk = Desk(trailing, event("ORDER_REPLACED"), OrderNotSentError(None, "the link is down"))

    with pytest.raises(OrderNotSentError, match="does not trail any more, but stands") as caught:
        drive(trading.amend_position(7, AmendPositionRequest(position_id=5, stop_loss=CLEAR)), desk)

    assert caught.value.reason.endswith("the link is down")
    assert (desk.sent[0].stopLoss, desk.sent[0].trailingStopLoss) == (1.0, False)


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (OrderRejectedError("MARKET_CLOSED", account_id=7), "it stands at 1.0."),
        (OrderOutcomeUnknownError(None, account_id=7), "it stood at 1.0 then."),
        (PositionNotFoundError("POSITION_NOT_FOUND"), "it stood at 1.0 then."),
    ],
)
def test_failure_of_the_second_step_tells_that_the_first_was_done(
    failure: CTraderError, told: str
) -> None:
    if isinstance(failure, PositionNotFoundError):
        failure = OrderRejectedError.from_api_error(failure)
    trailing = state(positions=(position(5, stopLoss=1.0, trailingStopLoss=True),))
    desk = Desk(trailing, event("ORDER_REPLACED"), failure, failure)

    with pytest.raises(OrderError) as caught:
        drive(trading.amend_position(7, AmendPositionRequest(position_id=5, stop_loss=CLEAR)), desk)

    assert caught.value is failure
    done = (
        "The first of two steps was done: the stop loss of position 5 does not trail any more; "
        + told
    )
    assert caught.value.done == done
    assert str(caught.value).endswith(f" {done}")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_failure_of_an_amendment_of_one_step_tells_of_no_other() -> None:
    failure = OrderRejectedError("MARKET_CLOSED", account_id=7)
    desk = Desk(state(positions=(position(5, stopLoss=1.0),)), failure)

    with pytest.raises(OrderRejectedError) as caught:
        drive(trading.amend_position(7, AmendPositionRequest(position_id=5, stop_loss=CLEAR)), desk)

    assert caught.value.done is None


# Closes are not held up


@pytest.mark.parametrize("trouble", ["refused", "silent"])
def test_all_of_a_position_can_be_closed_after_a_reconnect(trouble: str) -> None:
    world, position_id = held()
    reconnect(world)
    script = world.exchange.script
    if trouble == "refused":
        script.next_request(ProtoOAReconcileReq, times=None).refuse("REQUEST_FREQUENCY_EXCEEDED")
    else:
        script.next_answer(ProtoOAReconcileReq, times=None).drop()
    request = ClosePositionRequest(position_id=position_id, volume=300_000)
    begun = world.now
    closed = world.run(trading.close_position(ACCOUNT, request))
    assert closed.execution_type is ExecutionType.ORDER_FILLED
    assert world.now - begun < SECOND / 10


def test_part_of_a_position_is_closed_though_its_symbol_is_silent() -> None:
    world, position_id = held()
    world.exchange.script.change_symbol("EURUSD", step_volume=1000)
    world.run_for(1)
    world.exchange.script.next_answer(ProtoOASymbolByIdReq, times=None).drop()
    request = ClosePositionRequest(position_id=position_id, volume=100_000)
    begun = world.now
    closed = world.run(trading.close_position(ACCOUNT, request), timeout=4)
    assert closed.execution_type is ExecutionType.ORDER_FILLED
    assert SECOND <= world.now - begun < 1.1 * SECOND


def test_what_may_stay_of_a_position_the_server_decides() -> None:
    world, position_id = held()
    world.exchange.script.change_symbol("EURUSD", min_volume=200_000)
    world.run_for(1)
    with pytest.raises(BadVolumeError):
        world.run(
            trading.close_position(
                ACCOUNT, ClosePositionRequest(position_id=position_id, volume=200_000)
            )
        )


def test_forty_five_positions_are_closed_at_once_after_a_reconnect() -> None:
    world = ready_world()
    ids = []
    for _ in range(45):
        filled = world.run(trading.place_order(ACCOUNT, buy(100_000)))
        assert filled.position is not None
        ids.append(filled.position.position_id)
    reconnect(world)
    world.run_for(3)
    begun = world.now
    tasks = [
        world.start(
            trading.close_position(ACCOUNT, ClosePositionRequest(position_id=i, volume=100_000))
        )
        for i in ids
    ]
    for task in tasks:
        assert world.finish(task).error is None
    assert world.now - begun < SECOND / 5


def test_first_orders_in_a_symbol_share_one_read_of_it() -> None:
    world = ready_world()
    world.run_for(3)
    begun = world.now
    tasks = [world.start(trading.place_order(ACCOUNT, buy(100_000))) for _ in range(40)]
    for task in tasks:
        assert world.finish(task).error is None
    assert world.now - begun < SECOND / 5


# Time and the link


def test_question_in_vain_takes_no_longer_than_the_call_may() -> None:
    world, _ = held()
    begun = world.now
    task = world.finish(amend(world, 999, timeout=0.35, stop_loss=STOP))
    assert isinstance(task.error, PositionNotFoundError)  # there was no time to look again
    assert world.now - begun < SECOND / 20


@pytest.mark.parametrize("timeout", [0.1, 0.25])
def test_close_that_was_refused_is_told_so_where_no_time_is_left_to_repeat_it(
    timeout: float,
) -> None:
    world, position_id = held(switches=Switches(position_hidden_after_fill=60.0))
    close = trading.close_position(
        ACCOUNT, ClosePositionRequest(position_id=position_id, volume=100_000)
    )
    with pytest.raises(PositionNotFoundError):
        world.run(close, timeout)
    assert len(world.exchange.books[ACCOUNT].orders) == 1


def test_close_that_was_accepted_is_never_repeated() -> None:
    world, position_id = held()
    refusal = ProtoOAOrderErrorEvent(errorCode="POSITION_NOT_FOUND", ctidTraderAccountId=ACCOUNT)
    world.exchange.script.next_answer(ProtoOAClosePositionReq, skip=1).replace(refusal)
    close = trading.close_position(
        ACCOUNT, ClosePositionRequest(position_id=position_id, volume=100_000)
    )
    # The refusal of what was accepted proves nothing: what became of it is looked for.
    assert world.run(close).execution_type is ExecutionType.ORDER_FILLED
    closings = [each for each in world.exchange.books[ACCOUNT].orders.values() if each.closing]
    assert len(closings) == 1


def test_nothing_is_sent_on_a_later_link_than_it_began_on() -> None:
    world, position_id = held(reconnect_min_wait=0.01, reconnect_max_wait=0.02)
    world.network.up.latency = world.network.down.latency = SECOND // 1000

    def empty(message: Message) -> Message:
        copy = ProtoOAReconcileRes()
        copy.MergeFromString(message.SerializeToString())
        del copy.position[:]
        return copy

    world.exchange.script.next_answer(ProtoOAReconcileReq).replace(empty)
    task = amend(world, position_id, stop_loss=STOP)
    world.run_for(0.02)
    world.cut()
    world.run_for(0.1)
    assert world.session.is_ready
    assert not task.is_done
    assert isinstance(world.finish(task).error, OrderNotSentError)
    assert "the link was lost" in str(task.error)
    assert levels_of(world) == (None, None)


def test_client_closed_in_the_pause_did_not_send_anything() -> None:
    world, _ = held()
    task = amend(world, 999, stop_loss=STOP)
    world.run_for(0.06)
    world.close()
    assert isinstance(task.error, OrderNotSentError)
    assert isinstance(task.error.cause, ClientClosedError)


def test_position_that_is_not_there_the_server_refuses_to_close() -> None:
    world, _ = held()
    with pytest.raises(PositionNotFoundError):
        world.run(
            trading.close_position(ACCOUNT, ClosePositionRequest(position_id=999, volume=100_000))
        )


def test_expiration_is_judged_by_the_server_where_a_clock_may_be_wrong() -> None:
    desk = Desk(state(orders=(limit_order(3),)))
    request = AmendOrderRequest(order_id=3, expiration_timestamp=NOW - timedelta(hours=1))
    drive(trading.amend_order(7, request), desk)
    assert len(desk.sent) == 1
