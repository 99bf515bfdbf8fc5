"""What a newer server may say: it is delivered as what it is, never taken for something else."""

from __future__ import annotations

import pytest

from ctrader.enums import ExecutionType, OrderSide, OrderType, TimeInForce
from ctrader.errors import APIError, OrderOutcomeUnknownError
from ctrader.events import (
    ExecutionEvent,
    TraderUpdateEvent,
    UndecodableMessageEvent,
    UnknownMessageEvent,
)
from ctrader.models.positions import ClosePositionRequest
from ctrader.proto import ProtoOAExecutionEvent, ProtoOATraderReq
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.simulator import Simulator, Switches
from tests.clients.scenarios.books import account_books, wire_money
from tests.clients.scenarios.conftest import Serve
from tests.clients.scenarios.stage import BOUND, Stage, at_desk
from tests.clients.scenarios.test_order_kinds import LOT, order, still

pytestmark = pytest.mark.anyio

NEW_CODES = {"SYMBOL_NOT_FOUND": "BRAND_NEW", "NOT_ENOUGH_MONEY": "BRAND_NEW"}
EXECUTION = PAYLOAD_TYPE_BY_MESSAGE[ProtoOAExecutionEvent]


async def test_message_of_an_unknown_type_is_an_event_with_its_bytes(
    stage: Stage, simulator: Simulator
):
    async with (
        at_desk(stage, simulator) as desk,
        desk.client.stream(UnknownMessageEvent) as unknown,
    ):
        assert simulator.script.inject_frame(9_999, b"\x08\x01", "whose") == 1
        event = await unknown.get(BOUND)
        assert (event.payload_type, event.payload, event.client_msg_id) == (
            9_999,
            b"\x08\x01",
            "whose",
        )
        assert await desk.client.protocol.get_version() == "90"  # the link is as it was


async def test_event_of_an_unknown_kind_is_delivered_as_unknown(stage: Stage, simulator: Simulator):
    async with (
        at_desk(stage, simulator) as desk,
        desk.client.stream(ExecutionEvent) as executions,
    ):
        known = ProtoOAExecutionEvent(ctidTraderAccountId=desk.account_id, errorCode="NEW_CODE")
        simulator.script.inject_frame(
            EXECUTION, known.SerializePartialToString() + b"\x18\x63"
        )  # field 3, executionType: 99
        event = await executions.get(BOUND)
        assert event.account_id == desk.account_id
        assert not event.execution_type.is_known
        assert (int(event.execution_type), event.error_code) == (99, "NEW_CODE")


async def test_event_without_its_kind_is_never_taken_for_an_acceptance(
    stage: Stage, simulator: Simulator
):
    async with (
        at_desk(stage, simulator) as desk,
        desk.client.stream(ExecutionEvent) as executions,
        desk.client.stream(UndecodableMessageEvent) as undecodable,
    ):
        simulator.script.inject(ProtoOAExecutionEvent(ctidTraderAccountId=desk.account_id))
        event = await undecodable.get(BOUND)
        assert event.payload_type == EXECUTION
        assert "executionType" in event.problem
        await desk.client.trading.place_order(desk.account_id, order())
        assert (await executions.get(BOUND)).order is not None  # nothing came before


async def test_orders_are_placed_and_closed_where_every_optional_enum_is_new(
    stage: Stage, serve: Serve
):
    simulator = still(serve, switches=Switches(unknown_enum_fields=frozenset({"*"})))
    async with (
        at_desk(stage, simulator) as desk,
        desk.client.stream(TraderUpdateEvent) as updates,
    ):
        trading, account_id = desk.client.trading, desk.account_id
        done = await trading.place_order(account_id, order(relative_stop_loss=0.01))
        assert done.execution_type is ExecutionType.ORDER_FILLED
        assert done.order is not None
        assert (done.order.order_type, done.order.side) == (OrderType.MARKET, OrderSide.BUY)
        assert not done.order.time_in_force.is_known
        assert done.order.time_in_force not in tuple(TimeInForce)
        (position,) = await trading.get_open_positions(account_id)
        await trading.close_position(
            account_id, ClosePositionRequest(position_id=position.position_id, volume=LOT)
        )
        trader = await desk.client.accounts.get_trader(account_id)
        assert not trader.account_type.is_known
        assert not trader.access_rights.is_known
        assert wire_money(trader.balance) == account_books(simulator, account_id)["balance"]
        with simulator.locked() as exchange:
            exchange.change_account(account_id, leverage=7)
        account = (await updates.get(BOUND)).account
        assert account.leverage == 7
        assert not account.account_type.is_known


async def test_error_code_that_nobody_knows_is_told_as_it_is(stage: Stage, serve: Serve):
    simulator = still(serve, switches=Switches(renamed_error_codes=NEW_CODES))
    async with at_desk(stage, simulator) as desk:
        with pytest.raises(APIError) as caught:
            await desk.client.symbols.get_by_id(desk.account_id, 4711)
        assert type(caught.value) is APIError
        assert caught.value.error_code == "BRAND_NEW"
        simulator.script.next_request(ProtoOATraderReq).refuse("NEWER_STILL", "Words")
        with pytest.raises(APIError, match="Words") as refused:
            await desk.client.accounts.get_trader(desk.account_id)
        assert refused.value.error_code == "NEWER_STILL"
        # A code that nobody knows does not prove that an order was refused.
        with pytest.raises(OrderOutcomeUnknownError) as unknown:
            await desk.client.trading.place_order(desk.account_id, order(10_000_000_000))
        cause = unknown.value.cause
        assert isinstance(cause, APIError)
        assert cause.error_code == "BRAND_NEW"
