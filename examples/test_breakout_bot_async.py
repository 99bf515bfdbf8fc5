"""How to test an async bot: as `test_breakout_bot.py` does, on an event loop.

With anyio's plugin, which comes with the library, each test runs on asyncio and on trio.
"""

from __future__ import annotations

from collections.abc import Callable

import breakout_bot_async
import pytest
from anyio import create_task_group, fail_after, to_thread
from breakout_market import (
    BOUGHT,
    LOTS,
    TRADES,
    Trade,
    open_earlier_position,
    open_foreign_positions,
)

from ctrader import CloseDetail, CTraderClient
from ctrader.proto import ProtoOAClosePositionReq, ProtoOANewOrderReq
from ctrader.simulator import Simulator

pytestmark = pytest.mark.anyio

PATIENCE = 10.0  # seconds that a bot may take from beginning to end


async def run_bot(simulator: Simulator, market: Callable[[Simulator], None]) -> CloseDetail | None:
    """Run the bot while the market moves on a thread, and return what it returns."""
    credentials = simulator.credentials()
    closed = None  # to type checkers, a task group might swallow an error
    with fail_after(PATIENCE):
        async with CTraderClient(simulator.client_config()) as client, create_task_group() as tasks:
            await client.auth.authenticate_account(credentials)
            tasks.start_soon(to_thread.run_sync, market, simulator)
            closed = await breakout_bot_async.trade_breakout(
                client, credentials.account_id, "EURUSD", LOTS
            )
    return closed


@pytest.mark.parametrize("trade", TRADES.values(), ids=TRADES.keys())
async def test_bot_follows_a_breakout_to_its_end(
    ctrader_simulator: Simulator, trade: Trade
) -> None:
    """Let the price break out, then reach the target or the stop."""
    closed = await run_bot(ctrader_simulator, trade.play)
    assert closed is not None
    assert closed.net_profit == trade.result
    assert len(ctrader_simulator.sent_by_client(ProtoOANewOrderReq)) == 1
    assert not ctrader_simulator.sent_by_client(ProtoOAClosePositionReq)  # the server closed it


async def test_bot_takes_up_its_own_position(ctrader_simulator: Simulator) -> None:
    """Start the bot where an earlier run was stopped, among positions that are not its own."""
    others = open_foreign_positions(ctrader_simulator)
    open_earlier_position(ctrader_simulator)
    closed = await run_bot(ctrader_simulator, BOUGHT.lead_out)
    assert closed is not None
    assert closed.net_profit == BOUGHT.result
    assert ctrader_simulator.terminal().positions == others[1:]
    assert not ctrader_simulator.sent_by_client(ProtoOANewOrderReq)


async def test_bot_learns_of_a_close_that_it_was_not_told(
    ctrader_simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let the target be reached while the link is down."""
    monkeypatch.setattr(breakout_bot_async, "CHECK_EVERY", 0.1)
    assert await run_bot(ctrader_simulator, BOUGHT.play_unheard) is None
    assert not ctrader_simulator.terminal().positions


async def test_command_ends_with_an_error_when_the_order_is_refused(
    ctrader_simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """See what the user of the command sees, and that no second order comes."""
    simulator = ctrader_simulator
    simulator.set_price("EURUSD", *BOUGHT.entry)
    simulator.script.next_request(ProtoOANewOrderReq).refuse("MARKET_CLOSED")
    with fail_after(PATIENCE):
        status = await breakout_bot_async.run(
            simulator.client_config(), simulator.credentials(), "EURUSD", LOTS
        )
    assert status == 1
    assert "MARKET_CLOSED" in capsys.readouterr().err
    assert len(simulator.sent_by_client(ProtoOANewOrderReq)) == 1
