"""Every kind of order to its end, compared with the simulator's books."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ctrader.enums import (
    DealStatus,
    ExecutionType,
    OrderSide,
    OrderStatus,
    OrderType,
    StopTriggerMethod,
    TimeInForce,
)
from ctrader.errors import NotEnoughMoneyError, OrderRejectedError
from ctrader.events import ExecutionEvent, OrderErrorEvent, TrailingStopChangedEvent
from ctrader.models import AmendOrderRequest, AmendPositionRequest, NewOrderRequest
from ctrader.models.positions import ClosePositionRequest, Position
from ctrader.proto import ProtoOADealStatus
from ctrader.simulator import Simulator, Switches
from ctrader.simulator.catalogue import HolidaySpec
from ctrader.simulator.market.calendar import DAY
from ctrader.streams import EventStream
from tests.clients.scenarios.books import (
    account_books,
    booked_deals,
    booked_orders,
    booked_positions,
    points,
    told_deals,
    told_orders,
    told_positions,
    wire_money,
)
from tests.clients.scenarios.conftest import Serve
from tests.clients.scenarios.stage import BOUND, Desk, Record, Stage, at_desk, eventually

pytestmark = pytest.mark.anyio

EURUSD = 1
US500 = 270
BITCOIN = 1001  # trades at any hour of the week
LOT = 100_000  # 1,000 euros


def order(volume: int = LOT, **terms: object) -> NewOrderRequest:
    return NewOrderRequest.model_validate(
        {"symbol_id": EURUSD, "side": OrderSide.BUY, "volume": volume, **terms}
    )


def limit_order(price: float, volume: int = LOT, **terms: object) -> NewOrderRequest:
    return order(volume, order_type=OrderType.LIMIT, limit_price=price, **terms)


def still(serve: Serve, **options: object) -> Simulator:
    """Start a simulator whose prices move only when a scenario says so."""
    simulator = serve(frozen=True, **options)
    simulator.set_price("EURUSD", 1.10000, 1.10002)
    return simulator


@asynccontextmanager
async def watching(desk: Desk) -> AsyncGenerator[EventStream[ExecutionEvent]]:
    async with desk.client.stream(ExecutionEvent) as executions:
        yield executions


async def next_of(executions: EventStream[ExecutionEvent], *kinds: ExecutionType) -> ExecutionEvent:
    """Return the next event of some kinds, passing over others."""
    while True:
        event = await executions.get(BOUND)
        if event.execution_type in kinds:
            return event


async def next_fill(executions: EventStream[ExecutionEvent]) -> ExecutionEvent:
    return await next_of(executions, ExecutionType.ORDER_FILLED)


async def compare(desk: Desk, simulator: Simulator) -> None:
    """Compare everything that a client can read of its trades with the simulator's books."""
    trading, account_id = desk.client.trading, desk.account_id
    positions, pending = await trading.reconcile(account_id, protection_orders=True)
    with simulator.locked() as exchange:
        now = datetime.fromtimestamp(exchange.market_now() / 1000, UTC) + timedelta(seconds=1)
    deals = await trading.get_deals(account_id, now - timedelta(days=1), now)
    ended = await trading.get_orders(account_id, None, now - timedelta(days=1), now)
    trader = await desk.client.accounts.get_trader(account_id)
    books = account_books(simulator, account_id)
    assert told_positions(positions) == booked_positions(books)
    assert told_deals(deals) == booked_deals(books)
    working = {row["order_id"] for row in books["orders"] if row["working"]}
    assert {each.order_id for each in pending} == working
    told = {each["order_id"]: each for each in told_orders(pending + ended)}
    assert [told[each["order_id"]] for each in booked_orders(books)] == booked_orders(books)
    assert wire_money(trader.balance, trader.money_digits) == books["balance"]
    assert trader.balance_version == books["balance_version"]


async def only_position(desk: Desk) -> Position:
    (position,) = await desk.client.trading.get_open_positions(desk.account_id)
    return position


async def test_market_range_order_takes_only_prices_in_its_range(stage: Stage, serve: Serve):
    simulator = still(serve)
    ranged = order(
        order_type=OrderType.MARKET_RANGE, base_slippage_price=1.10002, slippage_in_points=5
    )
    async with at_desk(stage, simulator) as desk:
        done = await desk.client.trading.place_order(desk.account_id, ranged)
        assert done.execution_type is ExecutionType.ORDER_FILLED
        assert done.deal is not None
        assert done.deal.execution_price == 1.10002
        simulator.set_price("EURUSD", 1.10005, 1.10008)  # a point beyond
        missed = await desk.client.trading.place_order(desk.account_id, ranged)
        assert missed.execution_type is ExecutionType.ORDER_CANCELLED
        assert missed.order is not None
        assert (missed.order.slippage_in_points, missed.order.executed_volume) == (5, 0)
        await compare(desk, simulator)


async def test_waiting_orders_are_filled_at_their_prices(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk, watching(desk) as executions:
        trading, account_id = desk.client.trading, desk.account_id
        ids: list[int | None] = []
        for request in (
            limit_order(1.0990, label="limit"),
            order(2 * LOT, order_type=OrderType.STOP, stop_price=1.1010, comment="stop"),
            order(
                3 * LOT,
                side=OrderSide.SELL,
                order_type=OrderType.STOP_LIMIT,
                stop_price=1.0980,
                slippage_in_points=10,
            ),
        ):
            accepted = await trading.place_order(account_id, request)
            assert accepted.execution_type is ExecutionType.ORDER_ACCEPTED
            ids.append(accepted.order_id)
        await compare(desk, simulator)
        fills: list[ExecutionEvent] = []
        for bid, ask in ((1.0989, 1.0990), (1.1010, 1.1012), (1.0979, 1.0981)):
            simulator.set_price("EURUSD", bid, ask)
            fills.append(await next_fill(executions))
        assert [fill.order_id for fill in fills] == ids
        prices = [None if fill.deal is None else fill.deal.execution_price for fill in fills]
        assert prices == [1.0990, 1.1012, 1.0979]
        await compare(desk, simulator)


async def test_stop_limit_order_waits_beyond_its_range(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk, watching(desk) as executions:
        await desk.client.trading.place_order(
            desk.account_id,
            order(order_type=OrderType.STOP_LIMIT, stop_price=1.1010, slippage_in_points=10),
        )
        simulator.set_price("EURUSD", 1.1015, 1.1017)  # over the stop, and over the range
        await compare(desk, simulator)
        assert account_books(simulator, desk.account_id)["deals"] == []
        simulator.set_price("EURUSD", 1.1009, 1.1011)
        fill = await next_fill(executions)
        assert fill.deal is not None
        assert fill.deal.execution_price == 1.1011
        await compare(desk, simulator)


async def test_order_at_market_is_filled_in_parts_as_far_as_there_is_any(
    stage: Stage, serve: Serve
):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk, watching(desk) as executions:
        with simulator.locked() as exchange:
            exchange.floor.script_fill(LOT, 2 * LOT, account_id=desk.account_id)
        done = await desk.client.trading.place_order(desk.account_id, order(5 * LOT))
        assert done.execution_type is ExecutionType.ORDER_CANCELLED
        assert done.order is not None
        assert (done.order.volume, done.order.executed_volume) == (5 * LOT, 3 * LOT)
        parts = [await next_of(executions, ExecutionType.ORDER_PARTIAL_FILL) for _ in range(2)]
        found = [part.deal for part in parts if part.deal is not None]
        assert [deal.filled_volume for deal in found] == [LOT, 2 * LOT]
        assert {deal.status for deal in found} == {DealStatus.PARTIALLY_FILLED}
        assert (await only_position(desk)).volume == 3 * LOT
        await compare(desk, simulator)


async def test_limit_order_waits_for_the_rest_of_its_volume(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk, watching(desk) as executions:
        with simulator.locked() as exchange:
            exchange.floor.script_fill(LOT)
        await desk.client.trading.place_order(desk.account_id, limit_order(1.0990, 3 * LOT))
        simulator.set_price("EURUSD", 1.0988, 1.0990)
        part = await next_of(executions, ExecutionType.ORDER_PARTIAL_FILL)
        assert part.order is not None
        assert part.order.executed_volume == LOT
        await compare(desk, simulator)
        simulator.set_price("EURUSD", 1.0987, 1.0989)
        rest = await next_fill(executions)
        assert rest.deal is not None
        assert (rest.deal.filled_volume, rest.deal.execution_price) == (2 * LOT, 1.0989)
        assert rest.order is not None
        assert points(rest.order.execution_price) == pytest.approx((109_900 + 2 * 109_890) / 3)
        await compare(desk, simulator)


async def test_orders_that_do_not_wait_end_with_what_they_found(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk, watching(desk) as executions:
        trading, account_id = desk.client.trading, desk.account_id
        endings: list[tuple[OrderStatus, int]] = []
        for price, parts, time_in_force in (
            (1.0900, (), TimeInForce.IMMEDIATE_OR_CANCEL),  # nothing at this price
            (1.1002, (LOT,), TimeInForce.IMMEDIATE_OR_CANCEL),  # a part
            (1.1002, (LOT,), TimeInForce.FILL_OR_KILL),  # a part is not enough
            (1.1002, (), TimeInForce.FILL_OR_KILL),  # all
        ):
            if parts:
                with simulator.locked() as exchange:
                    exchange.floor.script_fill(*parts)
            await trading.place_order(
                account_id, limit_order(price, 2 * LOT, time_in_force=time_in_force)
            )
            end = await next_of(
                executions, ExecutionType.ORDER_FILLED, ExecutionType.ORDER_CANCELLED
            )
            assert end.order is not None
            assert end.order.time_in_force is time_in_force
            endings.append((end.order.status, end.order.executed_volume))
        assert endings == [
            (OrderStatus.CANCELLED, 0),
            (OrderStatus.CANCELLED, LOT),
            (OrderStatus.CANCELLED, 0),
            (OrderStatus.FILLED, 2 * LOT),
        ]
        await compare(desk, simulator)


async def test_order_expires_on_its_date(stage: Stage, serve: Serve):
    simulator = still(serve, speed=600)
    async with at_desk(stage, simulator) as desk, watching(desk) as executions:
        with simulator.locked() as exchange:
            now = datetime.fromtimestamp(exchange.market_now() // 1000, UTC)
        date = now + timedelta(minutes=2)
        accepted = await desk.client.trading.place_order(
            desk.account_id,
            limit_order(0.9, time_in_force=TimeInForce.GOOD_TILL_DATE, expiration_timestamp=date),
        )
        assert accepted.order is not None
        assert accepted.order.expiration_timestamp == date
        expired = await next_of(executions, ExecutionType.ORDER_EXPIRED)
        assert expired.order is not None
        assert expired.order.order_id == accepted.order.order_id
        assert expired.order.status is OrderStatus.EXPIRED
        assert expired.is_server_event
        await compare(desk, simulator)


async def test_order_that_is_rejected_after_its_acceptance(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk, watching(desk) as executions:
        with simulator.locked() as exchange:
            exchange.floor.script_rejection(
                "TRADING_BAD_PRICES", deal_status=int(ProtoOADealStatus.MISSED)
            )
        with pytest.raises(OrderRejectedError) as caught:
            await desk.client.trading.place_order(desk.account_id, order())
        assert caught.value.error_code == "TRADING_BAD_PRICES"
        rejected = await next_of(executions, ExecutionType.ORDER_REJECTED)
        assert rejected.deal is not None
        assert (rejected.deal.status, rejected.deal.filled_volume) == (DealStatus.MISSED, 0)
        assert rejected.deal.execution_price is None
        assert await desk.client.trading.get_open_positions(desk.account_id) == []


async def test_refused_order_is_an_event_too_and_changes_nothing(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk:
        errors: Record[OrderErrorEvent] = Record()
        desk.client.register_handler(OrderErrorEvent, errors, account_id=desk.account_id)
        before = account_books(simulator, desk.account_id)
        with pytest.raises(NotEnoughMoneyError):
            await desk.client.trading.place_order(desk.account_id, order(10_000_000_000))
        await eventually(stage, lambda: errors.events, "the event")
        (error,) = errors.events
        assert error.error_code == "NOT_ENOUGH_MONEY"
        assert (error.order_id, error.position_id) == (None, None)
        assert "funds" in error.description
        assert account_books(simulator, desk.account_id) == before


async def test_order_waits_for_the_opening_of_its_market(stage: Stage, serve: Serve):
    simulator = serve(switches=Switches(always_open=False))
    async with at_desk(stage, simulator) as desk, watching(desk) as executions:
        with simulator.locked() as exchange:
            today = exchange.market_now() // DAY
            days = tuple(
                HolidaySpec(holiday_id=day, name="A long one", date=day)
                for day in (today, today + 1)
            )
            exchange.change_symbol(BITCOIN, holidays=days)
        accepted = await desk.client.trading.place_order(
            desk.account_id,
            order(1, symbol_id=BITCOIN, time_in_force=TimeInForce.MARKET_ON_OPEN),
            until="accepted",
        )
        await compare(desk, simulator)
        assert account_books(simulator, desk.account_id)["deals"] == []
        with simulator.locked() as exchange:
            exchange.change_symbol(BITCOIN, holidays=())
        simulator.set_price("BTCUSD", 61_000, 61_012)
        fill = await next_fill(executions)
        assert fill.order_id == accepted.order_id
        assert fill.deal is not None
        assert fill.deal.execution_price == 61_012
        await compare(desk, simulator)


async def test_stop_that_wants_two_prices_ignores_a_single_one(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk, watching(desk) as executions:
        await desk.client.trading.place_order(
            desk.account_id,
            order(
                order_type=OrderType.STOP,
                stop_price=1.1010,
                stop_trigger_method=StopTriggerMethod.DOUBLE_TRADE,
            ),
        )
        for ask in (1.1011, 1.1005, 1.1012, 1.1013):  # once; back; twice in a row
            assert account_books(simulator, desk.account_id)["deals"] == []
            simulator.set_price("EURUSD", 1.1, ask)
        fill = await next_fill(executions)
        assert fill.order is not None
        assert fill.order.stop_trigger_method is StopTriggerMethod.DOUBLE_TRADE
        assert fill.order.execution_price == 1.1013
        await compare(desk, simulator)


async def test_trailing_stop_follows_the_price_and_tells_each_move(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with (
        at_desk(stage, simulator) as desk,
        watching(desk) as executions,
        desk.client.stream(TrailingStopChangedEvent) as moves,
    ):
        done = await desk.client.trading.place_order(
            desk.account_id, order(relative_stop_loss=0.001, trailing_stop_loss=True)
        )
        assert done.position is not None
        guard = await next_of(executions, ExecutionType.ORDER_ACCEPTED)  # the order's own
        guard = await next_of(executions, ExecutionType.ORDER_ACCEPTED)
        assert guard.order is not None
        assert guard.order.order_type is OrderType.STOP_LOSS_TAKE_PROFIT
        assert guard.order.stop_price == 1.09902
        for bid, stop in ((1.1005, 1.0995), (1.1002, None), (1.1012, 1.1002)):
            simulator.set_price("EURUSD", bid, bid + 0.0001)
            if stop is None:
                continue  # a trailing stop never goes back
            move = await moves.get(BOUND)
            assert (move.position_id, move.order_id, move.stop_price) == (
                done.position.position_id,
                guard.order.order_id,
                stop,
            )
        position = await only_position(desk)
        assert (position.stop_loss, position.trailing_stop_loss) == (1.1002, True)
        await compare(desk, simulator)
        simulator.set_price("EURUSD", 1.1001, 1.1002)
        closed = await next_of(executions, ExecutionType.ORDER_FILLED)
        while closed.deal is None or not closed.deal.is_closing_deal:
            closed = await next_fill(executions)
        assert closed.is_server_event
        assert closed.deal.execution_price == 1.1001
        await compare(desk, simulator)


async def test_protective_order_follows_amendments_of_its_position(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk:
        trading, account_id = desk.client.trading, desk.account_id
        done = await trading.place_order(account_id, order())
        assert done.position is not None
        position_id = done.position.position_id
        placed = await trading.amend_position(
            account_id,
            AmendPositionRequest(position_id=position_id, stop_loss=1.09, take_profit=1.12),
        )
        assert placed.execution_type is ExecutionType.ORDER_ACCEPTED
        moved = await trading.amend_position(
            account_id, AmendPositionRequest(position_id=position_id, take_profit=1.13)
        )
        assert moved.execution_type is ExecutionType.ORDER_REPLACED
        assert moved.order_id == placed.order_id
        (guard,) = await trading.get_pending_orders(account_id, protection_orders=True)
        assert (guard.stop_price, guard.limit_price) == (1.09, 1.13)
        assert guard.position_id == position_id
        assert await trading.get_pending_orders(account_id) == []
        await compare(desk, simulator)


async def test_pending_order_is_amended_and_cancelled_in_the_books(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk:
        trading, account_id = desk.client.trading, desk.account_id
        accepted = await trading.place_order(account_id, limit_order(1.09))
        assert accepted.order is not None
        await trading.amend_order(
            account_id,
            AmendOrderRequest(
                order_id=accepted.order.order_id, limit_price=1.08, volume=2 * LOT, stop_loss=1.07
            ),
        )
        await compare(desk, simulator)
        (row,) = account_books(simulator, account_id)["orders"]
        assert (row["limit_price"], row["volume"], row["relative_stop_loss"]) == (
            108_000,
            2 * LOT,
            1000,
        )
        await trading.cancel_order(account_id, accepted.order.order_id)
        await compare(desk, simulator)


async def test_position_grows_and_shrinks_at_its_average_price(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk:
        trading, account_id = desk.client.trading, desk.account_id
        first = await trading.place_order(account_id, order())
        assert first.position is not None
        position_id = first.position.position_id
        simulator.set_price("EURUSD", 1.1010, 1.1012)
        await trading.place_order(account_id, order(3 * LOT, position_id=position_id))
        position = await only_position(desk)
        assert (position.position_id, position.volume) == (position_id, 4 * LOT)
        assert points(position.entry_price) == (110_002 + 3 * 110_120) / 4
        await compare(desk, simulator)
        # An order the other way, with its id, takes from it.
        closed = await trading.place_order(
            account_id, order(2 * LOT, side=OrderSide.SELL, position_id=position_id)
        )
        assert closed.deal is not None
        assert closed.deal.close_detail is not None
        assert closed.deal.close_detail.closed_volume == 2 * LOT
        await trading.close_position(
            account_id, ClosePositionRequest(position_id=position_id, volume=2 * LOT)
        )
        await compare(desk, simulator)


async def test_netted_account_has_one_position_that_turns_around(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator, account=2) as desk:
        trading, account_id = desk.client.trading, desk.account_id
        bought = await trading.place_order(account_id, order(2 * LOT))
        assert bought.position is not None
        await trading.place_order(account_id, order(LOT))
        position = await only_position(desk)
        assert (position.position_id, position.volume) == (bought.position.position_id, 3 * LOT)
        simulator.set_price("EURUSD", 1.1010, 1.1012)
        await trading.place_order(account_id, order(5 * LOT, side=OrderSide.SELL))
        position = await only_position(desk)
        assert (position.side, position.volume) == (OrderSide.SELL, 2 * LOT)
        assert position.entry_price == 1.1010
        await compare(desk, simulator)
        trader = await desk.client.accounts.get_trader(account_id)
        # 3,000 EUR from 1.10002 to 1.1010 bring 2.94, and the sides cost 0.05, 0.03 and 0.08.
        assert trader.balance == Decimal("25000.00") + Decimal("2.94") - Decimal("0.16")


async def test_guaranteed_stop_is_filled_at_its_price_whatever_the_market_does(
    stage: Stage, serve: Serve
):
    simulator = still(serve)
    simulator.set_price("US500", 5500.0, 5500.5)
    async with at_desk(stage, simulator) as desk, watching(desk) as executions:
        await desk.client.trading.place_order(
            desk.account_id,
            NewOrderRequest(
                symbol_id=US500,
                side=OrderSide.BUY,
                volume=100,
                relative_stop_loss=20.0,
                guaranteed_stop_loss=True,
            ),
        )
        charged = await next_of(executions, ExecutionType.DEPOSIT_WITHDRAW)
        assert charged.deposit_withdraw is not None
        assert charged.deposit_withdraw.delta == Decimal("-0.50")
        await compare(desk, simulator)
        simulator.set_price("US500", 5400.0, 5400.5)  # a gap of a hundred
        closed = await next_fill(executions)
        while closed.deal is None or not closed.deal.is_closing_deal:
            closed = await next_fill(executions)
        assert closed.deal.execution_price == 5480.5
        await compare(desk, simulator)


async def test_every_connection_of_an_account_sees_the_same(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as one, at_desk(stage, simulator) as other:
        seen: tuple[Record[ExecutionEvent], Record[ExecutionEvent]] = (Record(), Record())
        for desk, record in zip((one, other), seen, strict=True):
            desk.client.register_handler(ExecutionEvent, record, account_id=desk.account_id)
        trading, account_id = one.client.trading, one.account_id
        done = await trading.place_order(
            account_id, order(2 * LOT, relative_stop_loss=0.01, label="from one")
        )
        assert done.position is not None
        waiting = await other.client.trading.place_order(account_id, limit_order(1.05))
        assert waiting.order_id is not None
        await trading.cancel_order(account_id, waiting.order_id)
        simulator.terminal().sell("EURUSD", LOT)
        await other.client.trading.close_position(
            account_id,
            ClosePositionRequest(position_id=done.position.position_id, volume=2 * LOT),
        )
        # Accepted, filled and guarded; accepted; cancelled; twice accepted and filled; unguarded.
        await eventually(
            stage, lambda: {len(record.events) for record in seen} == {10}, "ten events on both"
        )
        assert seen[0].events == seen[1].events
        await compare(other, simulator)
