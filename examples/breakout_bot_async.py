"""Trade breakouts with the async client: range of the last four hours, one position at a time.

    python examples/breakout_bot_async.py --simulator

This is `breakout_bot.py` on an event loop, where many such bots can share one client.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from datetime import UTC, datetime, timedelta

from breakout import Breakout, has_closed, own_position

from ctrader import (
    LIVE_HOST,
    AccountCredentials,
    ClientConfig,
    CloseDetail,
    CTraderClient,
    EventStream,
    ExecutionEvent,
    OrderError,
    Position,
    SpotEvent,
    Symbol,
    TrendbarPeriod,
)
from ctrader.simulator import Simulator

BAR = timedelta(minutes=15)
CHECK_EVERY = 30.0
"""Seconds of silence after which the bot asks whether its position is still open: what happened
while the link was down is not told again."""


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Trade one breakout.")
    parser.add_argument("--simulator", action="store_true", help="run against a simulator")
    parser.add_argument("--symbol", default="EURUSD", help="name of the symbol")
    parser.add_argument("--lots", type=float, default=0.01, help="size of the position")
    parser.add_argument("--live", action="store_true", help="allow the live host")
    options = parser.parse_args()
    if options.simulator:
        with Simulator(speed=5000) as simulator:
            config, credentials = simulator.client_config(), simulator.credentials()
            return asyncio.run(run(config, credentials, options.symbol, options.lots))
    config = ClientConfig.from_env()
    if config.host == LIVE_HOST and not options.live:
        parser.error("this is the live host, and the money is real: add --live if you mean it")
    return asyncio.run(run(config, AccountCredentials.from_env(), options.symbol, options.lots))


async def run(
    config: ClientConfig, credentials: AccountCredentials, symbol_name: str, lots: float
) -> int:
    """Connect and trade one breakout; return the exit status."""
    async with CTraderClient(config) as client:
        await client.auth.authenticate_account(credentials)
        try:
            result = await trade_breakout(client, credentials.account_id, symbol_name, lots)
        except OrderError as error:
            print(f"no position: {error}", file=sys.stderr)
            return 1
    if result is not None:
        print(f"{result.net_profit:+} net, balance {result.balance}")
    return 0


async def trade_breakout(
    client: CTraderClient, account_id: int, symbol_name: str, lots: float
) -> CloseDetail | None:
    """Wait for a breakout, follow it to its stop loss or take profit, and return the result.

    Returns: What the close brought; None if it happened while the link was down.

    Raises:
        OrderError: the order was not executed, or nobody knows whether it was.
    """
    symbol = await client.symbols.get_by_name(account_id, symbol_name)
    symbol_id = symbol.symbol_id
    # Streams collect from here on: nothing that follows an order can slip by.
    async with (
        client.stream(SpotEvent, symbol_id=symbol_id) as prices,
        client.stream(ExecutionEvent, account_id=account_id) as executions,
    ):
        await client.market_data.subscribe_spots(account_id, [symbol_id])
        position = own_position(await client.trading.get_open_positions(account_id), symbol)
        if position is None:
            position = await enter(client, account_id, symbol, lots, prices)
            print(f"in at {position.entry_price}")
        return await follow(client, account_id, position, executions)


async def enter(
    client: CTraderClient,
    account_id: int,
    symbol: Symbol,
    lots: float,
    prices: EventStream[SpotEvent],
) -> Position:
    """Wait for the price to leave the range of the last four hours, and follow it."""
    last = datetime.now(UTC) - BAR  # a bar that began later is still forming
    bars = await client.market_data.get_trendbars(
        account_id, symbol.symbol_id, TrendbarPeriod.M15, last - 16 * BAR, last
    )
    strategy = Breakout.from_bars(symbol, bars, lots=lots)
    async for event in prices:
        side = None if event.quote is None else strategy.signal(event.quote)
        if side is not None:
            filled = await client.trading.place_order(account_id, strategy.order(side), timeout=10)
            if filled.position is not None:
                return filled.position
            print(f"the order ended with {filled.execution_type.name}", file=sys.stderr)
    raise RuntimeError("the client was closed before the price left its range")


async def follow(
    client: CTraderClient,
    account_id: int,
    position: Position,
    executions: EventStream[ExecutionEvent],
) -> CloseDetail | None:
    """Wait until the position is closed, by whomever."""
    while True:
        try:
            event = await executions.get(timeout=CHECK_EVERY)
        except TimeoutError:
            open_now = await client.trading.get_open_positions(account_id)
            if all(each.position_id != position.position_id for each in open_now):
                return None
        else:
            if has_closed(event, position):
                return None if event.deal is None else event.deal.close_detail


if __name__ == "__main__":
    sys.exit(main())
