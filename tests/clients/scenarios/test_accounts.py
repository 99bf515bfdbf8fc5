"""What concerns accounts as a whole: the token's rights, logging out, the stream of profits."""

from __future__ import annotations

import pytest

from ctrader.enums import ClientPermissionScope, OrderSide, TrendbarPeriod
from ctrader.errors import AccountAuthError, UnsupportedMessageError
from ctrader.events import AccountDisconnectEvent, PnLChangeEvent
from ctrader.models.orders import NewOrderRequest
from ctrader.simulator import Simulator
from ctrader.simulator.switches import Switches
from tests.clients.scenarios.conftest import Serve
from tests.clients.scenarios.stage import BOUND, Stage, at_desk

pytestmark = pytest.mark.anyio


async def test_version_of_the_server(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        assert await desk.client.protocol.get_version() == "90"


async def test_token_says_what_it_may_do(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        token = simulator.credentials(0).access_token
        accounts = await desk.client.accounts.list_by_token(token)
    assert {account.permission_scope for account in accounts} == {ClientPermissionScope.SCOPE_TRADE}


async def test_account_that_logs_out_is_gone_and_may_come_back(stage: Stage, simulator: Simulator):
    async with (
        at_desk(stage, simulator) as desk,
        desk.client.stream(AccountDisconnectEvent) as ended,
    ):
        await desk.client.auth.logout(desk.account_id)
        event = await ended.get(timeout=BOUND)
        assert event.account_id == desk.account_id
        assert desk.client.auth.authenticated_accounts == []
        with pytest.raises(AccountAuthError):
            await desk.client.accounts.get_trader(desk.account_id)

        await desk.client.auth.authenticate_account(simulator.credentials(0))
        trader = await desk.client.accounts.get_trader(desk.account_id)
        assert trader.account_id == desk.account_id


async def test_last_bars_are_as_many_as_asked_for(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        bars = await desk.client.market_data.get_last_trendbars(
            desk.account_id, 1, TrendbarPeriod.M5, 30
        )
    starts = [bar.start_minutes for bar in bars]
    assert len(starts) == 30
    assert starts == sorted(set(starts))


async def test_stream_of_profits_follows_an_open_position(stage: Stage, serve: Serve):
    simulator = serve(speed=60, switches=Switches(v1_pnl_stream=True))
    async with at_desk(stage, simulator) as desk, desk.client.stream(PnLChangeEvent) as profits:
        await desk.client.accounts.subscribe_pnl(desk.account_id)
        await desk.client.trading.place_order(
            desk.account_id,
            NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=10_000_000),
        )
        event = await profits.get(timeout=BOUND)
        while not event.gross_unrealized_pnl:
            event = await profits.get(timeout=BOUND)
        assert event.account_id == desk.account_id
        assert event.net_unrealized_pnl <= event.gross_unrealized_pnl
        await desk.client.accounts.unsubscribe_pnl(desk.account_id)


async def test_server_without_the_stream_of_profits_names_the_remedy(
    stage: Stage, simulator: Simulator
):
    async with at_desk(stage, simulator) as desk:
        with pytest.raises(UnsupportedMessageError, match="get_unrealized_pnl_per_position"):
            await desk.client.accounts.subscribe_pnl(desk.account_id)
        await desk.client.accounts.unsubscribe_pnl(desk.account_id)
