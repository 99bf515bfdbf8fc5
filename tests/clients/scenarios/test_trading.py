"""Orders, positions and deals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from google.protobuf.message import Message

from ctrader.enums import ExecutionType, OrderSide, OrderStatus, OrderType
from ctrader.errors import (
    APIError,
    CTraderConnectionTimeoutError,
    DuplicateClientOrderIdError,
    NotEnoughMoneyError,
    OrderInvalidError,
    OrderNotFoundError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    PositionNotFoundError,
    TradingNotAllowedError,
)
from ctrader.events import ExecutionEvent, OrderResolvedEvent
from ctrader.models import (
    CLEAR,
    AmendOrderRequest,
    AmendPositionRequest,
    ClosePositionRequest,
    NewOrderRequest,
    TookEffect,
)
from ctrader.models.positions import Position
from ctrader.proto import (
    ProtoOAAmendPositionSLTPReq,
    ProtoOAClosePositionReq,
    ProtoOANewOrderReq,
)
from ctrader.simulator import DEFAULT_APPLICATIONS, Simulator, Tick, TickPrices
from tests.clients.scenarios.stage import BOUND, Desk, Record, Stage, at_desk, eventually, impatient
from tests.clients.scenarios.test_connecting import received

pytestmark = pytest.mark.anyio

MICRO_LOT = 100_000  # 1,000 euros


def market_order(volume: int = MICRO_LOT, **terms: object) -> NewOrderRequest:
    return NewOrderRequest.model_validate(
        {"symbol_id": 1, "side": OrderSide.BUY, "volume": volume, **terms}
    )


async def only_position(desk: Desk) -> Position:
    (position,) = await desk.client.trading.get_open_positions(desk.account_id)
    return position


async def test_market_order_with_protection_becomes_a_position_and_is_closed(
    stage: Stage, simulator: Simulator
):
    began = datetime.now(UTC) - timedelta(minutes=1)
    async with at_desk(stage, simulator) as desk:
        client, account_id = desk.client, desk.account_id
        done = await client.trading.place_order(
            account_id,
            market_order(relative_stop_loss=0.002, relative_take_profit=0.003, label="mine"),
        )
        assert done.execution_type is ExecutionType.ORDER_FILLED
        assert done.order is not None
        assert done.order.is_filled
        assert done.order.client_order_id
        assert done.deal is not None
        price = done.deal.execution_price
        assert price is not None

        # The levels stand some milliseconds after the fill.
        while (position := await only_position(desk)).stop_loss is None:
            await stage.pause()
        assert position.entry_price == price
        assert position.stop_loss == pytest.approx(price - 0.002, abs=1e-9)
        assert position.take_profit == pytest.approx(price + 0.003, abs=1e-9)
        assert (position.side, position.volume) == (OrderSide.BUY, MICRO_LOT)
        assert position.label == "mine"
        (pnl,) = await client.trading.get_unrealized_pnl_per_position(account_id)
        assert pnl.position_id == position.position_id
        assert abs(pnl.gross_unrealized_pnl) < 10
        closed = await client.trading.close_position(
            account_id, ClosePositionRequest(position_id=position.position_id, volume=MICRO_LOT)
        )
        assert closed.deal is not None
        assert closed.deal.is_closing_deal
        detail = closed.deal.close_detail
        assert detail is not None
        assert detail.closed_volume == MICRO_LOT
        assert await client.trading.get_open_positions(account_id) == []
        trader = await client.accounts.get_trader(account_id)
        assert trader.balance == detail.balance
        assert detail.balance == Decimal("100000.00") + detail.net_profit
        deals = await client.trading.get_deals(account_id, began)
        assert [deal.deal_id for deal in deals] == [done.deal.deal_id, closed.deal.deal_id]
        by_position = await client.trading.get_deals_by_position_id(
            account_id, position.position_id
        )
        assert by_position == deals
        order, its_deals = await client.trading.get_order_details(account_id, done.order.order_id)
        assert order.status is OrderStatus.FILLED
        assert [deal.deal_id for deal in its_deals] == [done.deal.deal_id]


async def test_part_of_a_position_is_closed(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        trading, account_id = desk.client.trading, desk.account_id
        await trading.place_order(account_id, market_order(3 * MICRO_LOT, side=OrderSide.SELL))
        position = await only_position(desk)
        closed = await trading.close_position(
            account_id, ClosePositionRequest(position_id=position.position_id, volume=MICRO_LOT)
        )
        assert closed.deal is not None
        assert closed.deal.close_detail is not None
        assert closed.deal.close_detail.closed_volume == MICRO_LOT
        rest = await only_position(desk)
        assert (rest.position_id, rest.volume) == (position.position_id, 2 * MICRO_LOT)
        assert rest.side is OrderSide.SELL


async def test_position_that_the_server_does_not_know_yet_is_looked_for_once_more(
    stage: Stage, simulator: Simulator
):
    async with at_desk(stage, simulator) as desk:
        trading, account_id = desk.client.trading, desk.account_id
        opened = await trading.place_order(account_id, market_order())
        assert opened.position is not None
        position_id = opened.position.position_id

        def hide(kind: type[Message], times: int) -> None:
            pick = simulator.script.next_request(kind, times=times)
            pick.refuse("POSITION_NOT_FOUND", frame="order")

        amend = AmendPositionRequest(position_id=position_id, stop_loss=0.5)
        hide(ProtoOAAmendPositionSLTPReq, 2)
        with pytest.raises(PositionNotFoundError):
            await trading.amend_position(account_id, amend)
        hide(ProtoOAAmendPositionSLTPReq, 1)
        await trading.amend_position(account_id, amend)
        assert received(simulator, ProtoOAAmendPositionSLTPReq) == 4

        close = ClosePositionRequest(position_id=position_id, volume=MICRO_LOT)
        hide(ProtoOAClosePositionReq, 2)
        with pytest.raises(PositionNotFoundError):
            await trading.close_position(account_id, close)
        hide(ProtoOAClosePositionReq, 1)
        closed = await trading.close_position(account_id, close)
        assert closed.deal is not None
        assert received(simulator, ProtoOAClosePositionReq) == 4


async def test_levels_as_prices_are_refused_here_and_nothing_is_sent(
    stage: Stage, simulator: Simulator
):
    async with at_desk(stage, simulator) as desk:
        with pytest.raises(OrderInvalidError, match="relative_stop_loss"):
            await desk.client.trading.place_order(desk.account_id, market_order(stop_loss=1.0))
        assert await desk.client.trading.get_open_positions(desk.account_id) == []
    assert received(simulator, ProtoOANewOrderReq) == 0


async def test_order_that_the_server_rejects_has_its_code(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        with pytest.raises(OrderRejectedError) as caught:
            await desk.client.trading.place_order(
                desk.account_id, market_order(volume=10**10, client_order_id="too-big")
            )
        assert caught.value.error_code == "NOT_ENOUGH_MONEY"
        assert isinstance(caught.value, NotEnoughMoneyError)
        assert isinstance(caught.value, APIError)
        assert caught.value.client_order_id == "too-big"
        assert caught.value.account_id == desk.account_id
        with pytest.raises(PositionNotFoundError) as missing:
            await desk.client.trading.close_position(
                desk.account_id, ClosePositionRequest(position_id=4711, volume=MICRO_LOT)
            )
        assert isinstance(missing.value, OrderRejectedError)
        await desk.client.trading.place_order(desk.account_id, market_order())


async def test_id_of_an_order_is_used_once(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        order = market_order(client_order_id="mine-1")
        done = await desk.client.trading.place_order(desk.account_id, order)
        assert done.order is not None
        assert done.order.client_order_id == "mine-1"
        with pytest.raises(DuplicateClientOrderIdError) as caught:
            await desk.client.trading.place_order(desk.account_id, order)
        assert caught.value.client_order_id == "mine-1"
        await only_position(desk)
    assert received(simulator, ProtoOANewOrderReq) == 1


async def test_pending_order_is_placed_amended_and_cancelled(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        trading, account_id = desk.client.trading, desk.account_id
        accepted = await trading.place_order(
            account_id,
            market_order(
                order_type=OrderType.LIMIT, limit_price=0.9, stop_loss=0.89, label="patient"
            ),
        )
        assert accepted.execution_type is ExecutionType.ORDER_ACCEPTED
        assert accepted.order is not None
        order_id = accepted.order.order_id
        changed = await trading.amend_order(
            account_id, AmendOrderRequest(order_id=order_id, limit_price=0.91)
        )
        assert changed.execution_type is ExecutionType.ORDER_REPLACED
        (order,) = await trading.get_pending_orders(account_id)
        assert order.limit_price == 0.91
        assert order.volume == MICRO_LOT
        assert order.relative_stop_loss is not None or order.stop_loss is not None
        cancelled = await trading.cancel_order(account_id, order_id)
        assert cancelled.execution_type is ExecutionType.ORDER_CANCELLED
        assert await trading.get_pending_orders(account_id) == []
        with pytest.raises(OrderNotFoundError):
            await trading.amend_order(
                account_id, AmendOrderRequest(order_id=order_id, limit_price=0.92)
            )
        with pytest.raises(OrderRejectedError):
            await trading.cancel_order(account_id, order_id)


async def test_levels_of_a_position_are_changed_one_at_a_time(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        trading, account_id = desk.client.trading, desk.account_id
        await trading.place_order(account_id, market_order())
        position_id = (await only_position(desk)).position_id
        changes = (
            (AmendPositionRequest(position_id=position_id, stop_loss=0.5), (0.5, None)),
            (AmendPositionRequest(position_id=position_id, take_profit=2.5), (0.5, 2.5)),
            (
                AmendPositionRequest(position_id=position_id, stop_loss=CLEAR, take_profit=None),
                (None, 2.5),
            ),
        )
        for request, levels in changes:
            await trading.amend_position(account_id, request)
            position = await only_position(desk)
            assert (position.stop_loss, position.take_profit) == levels


async def test_stop_loss_that_is_hit_closes_the_position(stage: Stage, serve):
    # A market that only falls: a point every 50 ms.
    opening = 1_700_000_000_000
    ticks = [Tick(opening + 50 * n, 110_000 - n, 110_002 - n, 2) for n in range(1000)]
    simulator = serve(prices=TickPrices({1: ticks}, start=opening))
    async with at_desk(stage, simulator) as desk:
        executions: Record[ExecutionEvent] = Record()
        desk.client.register_handler(ExecutionEvent, executions)
        await desk.client.trading.place_order(
            desk.account_id, market_order(relative_stop_loss=0.00003)
        )

        def stopped() -> bool:
            return any(
                event.deal is not None and event.deal.is_closing_deal and event.is_server_event
                for event in executions.events
            )

        await eventually(stage, stopped, "the stop")
        assert await desk.client.trading.get_open_positions(desk.account_id) == []


async def test_two_clients_of_an_account_see_each_others_executions(
    stage: Stage, simulator: Simulator
):
    async with at_desk(stage, simulator) as one, at_desk(stage, simulator) as other:
        assert simulator.connections == 2
        back: Record[ExecutionEvent] = Record()
        one.client.register_handler(ExecutionEvent, back)
        seen: Record[ExecutionEvent] = Record()
        other.client.register_handler(ExecutionEvent, seen, account_id=other.account_id)
        done = await one.client.trading.place_order(one.account_id, market_order(label="from one"))

        def filled() -> list[ExecutionEvent]:
            return [
                event for event in seen.events if event.execution_type is ExecutionType.ORDER_FILLED
            ]

        await eventually(stage, filled, "the execution")
        assert filled()[0].deal == done.deal
        position = await only_position(other)
        assert position.label == "from one"
        closed = await other.client.trading.close_position(
            other.account_id,
            ClosePositionRequest(position_id=position.position_id, volume=position.volume),
        )
        assert closed.deal is not None
        await eventually(
            stage,
            lambda: closed.deal in [event.deal for event in back.events],
            "the closing, on the other side",
        )
        assert await one.client.trading.get_open_positions(one.account_id) == []


async def test_order_that_gets_no_answer_has_an_unknown_outcome(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        await desk.client.symbols.get_by_id(desk.account_id, 1)  # so that only the order is asked
        simulator.pause()
        with pytest.raises(OrderOutcomeUnknownError) as caught:
            await desk.client.trading.place_order(
                desk.account_id, market_order(client_order_id="lost"), timeout=0.1
            )
        assert caught.value.client_order_id == "lost"
        assert isinstance(caught.value.cause, CTraderConnectionTimeoutError)
        (told,) = desk.client.unresolved_orders
        assert told.client_order_id == "lost"
        found = Record[OrderResolvedEvent]()
        desk.client.register_handler(OrderResolvedEvent, found)
        simulator.resume()
        # It had been sent, so it is carried out after all, and its answer is not lost.
        outcome = await stage.outcome(caught.value)
        assert isinstance(outcome, TookEffect)
        assert outcome.order is not None
        assert outcome.order.client_order_id == "lost"
        assert await desk.client.trading.resolve(told, timeout=BOUND) == outcome
        assert desk.client.unresolved_orders == ()
        await eventually(stage, lambda: found.events, "the event")
        assert [event.outcome for event in found.events] == [outcome]
    assert received(simulator, ProtoOANewOrderReq) == 1


async def test_order_whose_answer_was_lost_with_the_link_is_found_on_the_next(
    stage: Stage, simulator: Simulator
):
    async with at_desk(stage, simulator) as desk:
        simulator.script.next_answer(ProtoOANewOrderReq).close(delivered=False, reset=True)
        with pytest.raises(OrderOutcomeUnknownError) as caught:
            await desk.client.trading.place_order(desk.account_id, market_order())
        outcome = await desk.client.trading.resolve(caught.value, timeout=2 * BOUND)
        assert isinstance(outcome, TookEffect)
        assert [deal.volume for deal in outcome.deals] == [MICRO_LOT]
    assert received(simulator, ProtoOANewOrderReq) == 1


async def test_outcome_that_is_not_known_in_time_stays_unknown(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        simulator.script.next_request(ProtoOANewOrderReq).close(handled=False, reset=True)
        with pytest.raises(OrderOutcomeUnknownError) as caught:
            await desk.client.trading.place_order(desk.account_id, market_order())
        with pytest.raises(OrderOutcomeUnknownError) as again:
            await desk.client.trading.resolve(caught.value, timeout=0.05)
        assert again.value.client_msg_id == caught.value.client_msg_id
        assert len(desk.client.unresolved_orders) == 1


async def test_order_without_a_link_or_an_account_is_not_sent(stage: Stage, simulator: Simulator):
    client = stage.client(impatient(simulator, reconnect_min_wait=30, reconnect_max_wait=30))
    with pytest.raises(OrderNotSentError):
        await client.trading.place_order(1_000_001, market_order())
    async with client:
        await client.auth.authenticate_app()
        with pytest.raises(OrderNotSentError, match="not authenticated"):
            await client.trading.place_order(1_000_001, market_order())
        await client.auth.authenticate_account(simulator.credentials())
        simulator.disconnect_all()
        await eventually(stage, lambda: not client.is_connected, "the loss")
        with pytest.raises(OrderNotSentError, match="link"):
            await client.trading.place_order(1_000_001, market_order(client_order_id="again"))
        with pytest.raises(OrderNotSentError):  # not a duplicate: it was never sent
            await client.trading.place_order(1_000_001, market_order(client_order_id="again"))
    assert received(simulator, ProtoOANewOrderReq) == 0
    assert received(simulator, ProtoOAClosePositionReq) == 0


async def test_token_that_may_only_read_trades_nothing(stage: Stage, simulator: Simulator):
    viewer = DEFAULT_APPLICATIONS[1]
    with simulator.locked() as exchange:
        grant = next(
            grant for grant in exchange.grants.grants if grant.client_id == viewer.client_id
        )
        credentials = simulator.credentials().with_refreshed_tokens(
            grant.access_token, grant.refresh_token, 3600
        )
    config = impatient(simulator, client_id=viewer.client_id, client_secret=viewer.client_secret)
    async with stage.client(config) as client:
        await client.auth.authenticate_account(credentials)
        with pytest.raises(TradingNotAllowedError) as caught:
            await client.trading.place_order(credentials.account_id, market_order())
        assert isinstance(caught.value, OrderRejectedError)
        assert await client.trading.get_open_positions(credentials.account_id) == []


async def test_many_orders_at_once_are_each_done_once(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk, stage.jobs() as jobs:
        running = [
            jobs.start(lambda: desk.client.trading.place_order(desk.account_id, market_order()))
            for _ in range(20)
        ]
        orders = [(await job.result(BOUND)).order for job in running]
        assert len({order.order_id for order in orders if order is not None}) == 20
        positions = await desk.client.trading.get_open_positions(desk.account_id)
        assert len(positions) == 20
    assert received(simulator, ProtoOANewOrderReq) == 20
