"""Print live quotes and forming bars with the async client, on asyncio.

Connection and tokens come from the environment (CTRADER_CLIENT_ID, CTRADER_CLIENT_SECRET,
CTRADER_ACCOUNT_ID, CTRADER_ACCESS_TOKEN, CTRADER_REFRESH_TOKEN, CTRADER_EXPIRES_AT, and what else
`ClientConfig.from_env` reads), or from a simulator:

    python examples/async_quotes.py --simulator --count 5

`trio_quotes.py` is the same on trio.
"""

from __future__ import annotations

import argparse
import asyncio

from ctrader import AccountCredentials, ClientConfig, CTraderClient, SpotEvent, TrendbarPeriod
from ctrader.simulator import Simulator


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Print live quotes and forming bars.")
    parser.add_argument("--simulator", action="store_true", help="run against a simulator")
    parser.add_argument("--symbol", default="EURUSD", help="name of the symbol")
    parser.add_argument("--count", type=int, default=20, help="events to print")
    options = parser.parse_args()
    if options.simulator:
        with Simulator() as simulator:
            config, credentials = simulator.client_config(), simulator.credentials()
            asyncio.run(watch(config, credentials, options.symbol, options.count))
    else:
        config, credentials = ClientConfig.from_env(), AccountCredentials.from_env()
        asyncio.run(watch(config, credentials, options.symbol, options.count))


async def watch(
    config: ClientConfig, credentials: AccountCredentials, symbol_name: str, count: int
) -> None:
    """Print the quotes of one symbol, and its bar of this minute."""
    account_id = credentials.account_id
    async with CTraderClient(config) as client:
        await client.auth.authenticate_account(credentials)
        symbol_id = (await client.symbols.get_by_name(account_id, symbol_name)).symbol_id
        # The stream collects from here on, so it has the first quote, which holds both sides.
        async with client.stream(SpotEvent, symbol_id=symbol_id) as events:
            await client.market_data.subscribe_spots(account_id, [symbol_id])
            await client.market_data.subscribe_trendbars(account_id, symbol_id, TrendbarPeriod.M1)
            printed = 0
            async for event in events:
                if event.quote is not None:
                    print(f"{symbol_name} {event.quote.bid} / {event.quote.ask}")
                for bar in event.trendbars:
                    print(f"  {bar.timestamp:%H:%M} {bar.open} {bar.high} {bar.low} {bar.close}")
                printed += 1
                if printed >= count:
                    break


if __name__ == "__main__":
    main()
