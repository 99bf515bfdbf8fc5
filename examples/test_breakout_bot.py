"""How to test a bot: against the simulated broker of the pytest plugin, with prices by hand.

The bots come with a blocking and an async client, and so do these tests. Run them where the
library and pytest are installed:

    pytest examples
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING

import breakout_bot
import breakout_bot_async
import pytest
from breakout import LABEL

from ctrader import ClientClosedError, CTraderClient, MarketClosedError, OrderType
from ctrader.proto import ProtoOAClosePositionReq, ProtoOANewOrderReq, ProtoOAReconcileReq
from ctrader_sync import EventStream, ExecutionEvent, SyncCTraderClient

if TYPE_CHECKING:
    from ctrader.simulator import Simulator

# EURUSD has moved between 1.09 and 1.11 until now. Prices stand where the tests put them.
pytestmark = pytest.mark.ctrader_simulator(frozen=True)

LOTS = 0.01
PATIENCE = 10.0  # seconds that a broken bot holds up its test


def is_protected(event: ExecutionEvent) -> bool:
    """Tell whether an execution is the acceptance of a stop loss and take profit."""
    return event.order is not None and event.order.order_type is OrderType.STOP_LOSS_TAKE_PROFIT


def await_protection(executions: EventStream[ExecutionEvent]) -> None:
    """Wait until the position has its stop loss and take profit."""
    while not is_protected(executions.get(timeout=PATIENCE)):
        pass


@pytest.mark.parametrize(
    "breakout, exit_price, result",
    [
        # 10 pips of 0.01 lot are one dollar; each side costs 0.03.
        ((1.12, 1.12002), (1.12154, 1.12156), "1.46"),  # bought at 1.12002, target 1.12152
        ((1.12, 1.12002), (1.11901, 1.11903), "-1.07"),  # stop at 1.11902
        ((1.08, 1.08002), (1.07847, 1.07849), "1.45"),  # sold at 1.08, target 1.07850
        ((1.08, 1.08002), (1.08099, 1.08101), "-1.07"),  # stop at 1.08100
    ],
)
def test_bot_follows_a_breakout_to_its_end(
    ctrader_simulator: Simulator,
    breakout: tuple[float, float],
    exit_price: tuple[float, float],
    result: str,
) -> None:
    """Let the price break out, then reach the target or the stop."""
    simulator = ctrader_simulator
    simulator.set_price("EURUSD", *breakout)
    credentials = simulator.credentials()
    with (
        SyncCTraderClient(simulator.client_config()) as client,
        client.stream(ExecutionEvent) as executions,
        ThreadPoolExecutor() as threads,
    ):
        client.auth.authenticate_account(credentials)
        bot = threads.submit(
            breakout_bot.trade_breakout, client, credentials.account_id, "EURUSD", LOTS
        )
        await_protection(executions)
        simulator.set_price("EURUSD", *exit_price)
        closed = bot.result(timeout=PATIENCE)
        balance = client.accounts.get_trader(credentials.account_id).balance
    assert closed is not None
    assert closed.net_profit == Decimal(result)
    assert balance == Decimal(100_000) + Decimal(result)
    (order,) = simulator.sent_by_client(ProtoOANewOrderReq)
    assert (order.volume, order.label) == (100_000, LABEL)
    assert (order.relativeStopLoss, order.relativeTakeProfit) == (100, 150)
    assert not simulator.sent_by_client(ProtoOAClosePositionReq)  # the server closed it


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_async_bot_follows_a_breakout_to_its_end(ctrader_simulator: Simulator, loop: str) -> None:
    """Do the same with the async bot, on either loop."""
    import anyio

    simulator = ctrader_simulator
    simulator.set_price("EURUSD", 1.12, 1.12002)
    credentials = simulator.credentials()
    results: list[Decimal] = []

    async def run_bot(client: CTraderClient) -> None:
        closed = await breakout_bot_async.trade_breakout(
            client, credentials.account_id, "EURUSD", LOTS
        )
        assert closed is not None
        results.append(closed.net_profit)

    async def test() -> None:
        async with CTraderClient(simulator.client_config()) as client:
            await client.auth.authenticate_account(credentials)
            async with client.stream(ExecutionEvent) as executions, anyio.create_task_group() as tg:
                tg.start_soon(run_bot, client)
                while not is_protected(await executions.get(timeout=PATIENCE)):
                    pass
                simulator.set_price("EURUSD", 1.12154, 1.12156)

    anyio.run(test, backend=loop)
    assert results == [Decimal("1.46")]


def test_bot_takes_up_the_position_of_an_earlier_run(ctrader_simulator: Simulator) -> None:
    """Stop the bot in the middle of its trade, and start it again."""
    simulator = ctrader_simulator
    simulator.set_price("EURUSD", 1.12, 1.12002)
    credentials = simulator.credentials()
    arguments = (credentials.account_id, "EURUSD", LOTS)
    with ThreadPoolExecutor() as threads:
        with (
            SyncCTraderClient(simulator.client_config()) as client,
            client.stream(ExecutionEvent) as executions,
        ):
            client.auth.authenticate_account(credentials)
            stopped = threads.submit(breakout_bot.trade_breakout, client, *arguments)
            await_protection(executions)
        with pytest.raises(ClientClosedError):
            stopped.result(timeout=PATIENCE)

        simulator.clear_frames()
        with SyncCTraderClient(simulator.client_config()) as client:
            client.auth.authenticate_account(credentials)
            bot = threads.submit(breakout_bot.trade_breakout, client, *arguments)
            simulator.wait_for_client(ProtoOAReconcileReq)  # it looks for its position
            simulator.set_price("EURUSD", 1.12154, 1.12156)
            closed = bot.result(timeout=PATIENCE)
    assert closed is not None
    assert closed.net_profit == Decimal("1.46")
    assert not simulator.sent_by_client(ProtoOANewOrderReq)


def test_bot_stops_when_its_order_is_refused(ctrader_simulator: Simulator) -> None:
    """Refuse the order, and see that no second one comes."""
    simulator = ctrader_simulator
    simulator.set_price("EURUSD", 1.12, 1.12002)
    simulator.script.next_request(ProtoOANewOrderReq).refuse("MARKET_CLOSED")
    credentials = simulator.credentials()
    with SyncCTraderClient(simulator.client_config()) as client:
        client.auth.authenticate_account(credentials)
        with pytest.raises(MarketClosedError):
            breakout_bot.trade_breakout(client, credentials.account_id, "EURUSD", LOTS)
    assert len(simulator.sent_by_client(ProtoOANewOrderReq)) == 1  # and tries no second time


def test_command_ends_with_an_error_when_the_order_is_refused(
    ctrader_simulator: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """See what the user of the command sees."""
    simulator = ctrader_simulator
    simulator.set_price("EURUSD", 1.12, 1.12002)
    simulator.script.next_request(ProtoOANewOrderReq).refuse("MARKET_CLOSED")
    config, credentials = simulator.client_config(), simulator.credentials()
    status = asyncio.run(breakout_bot_async.run(config, credentials, "EURUSD", LOTS))
    assert status == 1
    assert "MARKET_CLOSED" in capsys.readouterr().err
