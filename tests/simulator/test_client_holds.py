"""The client's core in every setting of the access side, and after everything a script can do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ctrader.enums import ExecutionType, OrderSide
from ctrader.errors import APIError, MaintenanceError, OrderOutcomeUnknownError
from ctrader.events import ExecutionEvent, SpotEvent
from ctrader.models import ClosePositionRequest, NewOrderRequest
from ctrader.operations import accounts, auth, market_data, trading
from ctrader.proto import (
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOANewOrderReq,
    ProtoOATraderReq,
)
from ctrader.simulator import Script, Switches
from tests.simulator.test_world import ACCOUNT, make_world, ready_world, seen

BUY = NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=100_000)

SETTINGS = {
    "dribbling": Switches(dribble_bytes=5, dribble_interval=0.002),
    "glueing": Switches(glue_interval=0.3),
    "both": Switches(dribble_bytes=50, glue_interval=0.1),
    "inner payload types": Switches(write_inner_payload_type=True),
    "no unknown fields": Switches(write_unknown_fields=False),
    "ids stay private": Switches(foreign_client_msg_ids=False),
    "documented codes": Switches(
        unauthorised_account_code="ACCOUNT_NOT_AUTHORIZED",
        expired_token_code="OA_AUTH_TOKEN_EXPIRED",
    ),
    "unknown codes": Switches(renamed_error_codes={"*": "BRAND_NEW"}),
    "unknown enums": Switches(unknown_enum_fields=frozenset({"*"})),
    "authentication counts": Switches(authentication_counts_for_rate=True),
    "lively server": Switches(heartbeat_interval=0.5, idle_timeout=15),
}


@pytest.mark.parametrize("switches", SETTINGS.values(), ids=SETTINGS)
def test_main_job_is_done_in_every_setting(switches: Switches):
    world = ready_world(switches=switches)
    world.run(market_data.subscribe_spots(ACCOUNT, [1]))
    assert world.run(accounts.get_trader(ACCOUNT)).balance == 100_000
    with pytest.raises(APIError):
        world.run(market_data.subscribe_spots(ACCOUNT, [999_999]))
    filled = world.run(trading.place_order(ACCOUNT, BUY))
    assert filled.execution_type is ExecutionType.ORDER_FILLED
    (position,) = world.run(trading.get_open_positions(ACCOUNT))
    world.run(
        trading.close_position(
            ACCOUNT, ClosePositionRequest(position_id=position.position_id, volume=100_000)
        )
    )
    assert world.run(trading.get_open_positions(ACCOUNT)) == []
    world.run_for(40)
    assert len(seen(world, SpotEvent)) > 5
    assert world.session.is_ready
    assert world.exchange.script.connections == [1]  # nothing of it broke the link


ENDS: dict[str, Callable[[Script], None]] = {
    "reset": Script.cut,
    "close": Script.close,
    "silence": Script.fall_silent,
    "account": lambda script: script.disconnect_account(ACCOUNT),
    "program": Script.disconnect_client,
    "garbage": lambda script: _inject(script, b"\x00\x00\x00\x02\xff\xff"),
    "endless frame": lambda script: _inject(script, b"\x7f\xff\xff\xff"),
}


def _inject(script: Script, data: bytes) -> None:
    assert script.inject_bytes(data) == 1


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_client_comes_back_with_its_prices_after_every_end(end: Callable[[Script], None]):
    world = ready_world()
    world.run(market_data.subscribe_spots(ACCOUNT, [1]))
    world.run_for(30)
    end(world.exchange.script)
    world.run_for(200)
    assert world.session.is_ready
    before = len(seen(world, SpotEvent))
    world.run_for(30)
    assert len(seen(world, SpotEvent)) > before
    assert world.run(accounts.get_trader(ACCOUNT)).account_id == ACCOUNT


def test_order_that_was_filled_in_silence_is_of_unknown_outcome_and_found_later():
    world = ready_world()
    world.exchange.script.next_answer(ProtoOANewOrderReq).close(delivered=False, reset=True)
    with pytest.raises(OrderOutcomeUnknownError):
        world.run(trading.place_order(ACCOUNT, BUY))
    world.run_for(120)
    assert len(world.run(trading.get_open_positions(ACCOUNT))) == 1


def test_maintenance_is_told_with_its_end_and_passes():
    world = ready_world()
    world.exchange.script.begin_maintenance(120)
    with pytest.raises(MaintenanceError) as caught:
        world.run(accounts.get_trader(ACCOUNT))
    assert caught.value.maintenance_end is not None
    begun = caught.value.maintenance_end
    world.exchange.script.begin_maintenance(120, frame="common")
    with pytest.raises(MaintenanceError) as caught:
        world.run(accounts.get_trader(ACCOUNT))
    assert caught.value.maintenance_end == begun  # whatever the unit on the wire
    world.run_for(130)
    world.run(accounts.get_trader(ACCOUNT))


def test_duplicated_and_reordered_answers_disturb_nobody():
    world = ready_world()
    script = world.exchange.script
    script.next_answer(ProtoOATraderReq).duplicate(3)
    assert world.run(accounts.get_trader(ACCOUNT)).account_id == ACCOUNT
    script.next_answer(ProtoOANewOrderReq).reorder()  # the fill comes before the acceptance
    filled = world.run(trading.place_order(ACCOUNT, BUY))
    assert filled.execution_type is ExecutionType.ORDER_FILLED
    world.run_for(5)
    assert world.session.is_ready


def test_lost_heartbeats_of_the_server_cost_the_link_and_no_more():
    world = ready_world(heartbeat_timeout=60)
    world.exchange.script.next_frame(ProtoHeartbeatEvent, times=3).drop()
    world.run_for(200)
    assert world.session.is_ready
    assert world.exchange.script.connections == [2]


def test_account_that_is_refused_once_can_be_tried_again():
    world = make_world()
    world.connect()
    grant = world.exchange.grants.grants[0]
    world.exchange.script.next_request(ProtoOAAccountAuthReq).refuse("RET_NO_SUCH_LOGIN")

    def authenticate() -> None:
        world.run(
            auth.authenticate_by_trader_login(
                17_091_452, grant.access_token, grant.refresh_token, float(grant.expires_at)
            )
        )

    with pytest.raises(APIError, match="RET_NO_SUCH_LOGIN"):
        authenticate()
    authenticate()
    assert world.session.authenticated_accounts == [ACCOUNT]


def test_trades_of_another_terminal_reach_the_client():
    world = ready_world()
    world.exchange.script.terminal(ACCOUNT).sell("EURUSD", 200_000)
    world.run_for(1)
    kinds = [event.execution_type for event in seen(world, ExecutionEvent)]
    assert kinds == [ExecutionType.ORDER_ACCEPTED, ExecutionType.ORDER_FILLED]
    assert len(world.run(trading.get_open_positions(ACCOUNT))) == 1
