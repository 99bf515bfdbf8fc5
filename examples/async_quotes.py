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
import os

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
        config, credentials = ClientConfig.from_env(), credentials_from_env()
        asyncio.run(watch(config, credentials, options.symbol, options.count))


async def watch(
    config: ClientConfig, credentials: AccountCredentials, symbol_name: str, count: int
) -> None:
    """Print the quotes of one symbol, and its bar of this minute."""
    account_id = credentials.account_id
    async with CTraderClient(config) as client:
        await client.auth.authenticate_account(credentials)
        infos = await client.symbols.search(account_id, symbol_name)
        symbol_id = next(info.symbol_id for info in infos if info.name == symbol_name)
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


def credentials_from_env() -> AccountCredentials:
    """Read an account and its tokens from environment variables."""
    return AccountCredentials(
        account_id=int(os.environ["CTRADER_ACCOUNT_ID"]),
        access_token=os.environ["CTRADER_ACCESS_TOKEN"],
        refresh_token=os.environ["CTRADER_REFRESH_TOKEN"],
        expires_at=float(os.environ["CTRADER_EXPIRES_AT"]),
    )


if __name__ == "__main__":
    main()
