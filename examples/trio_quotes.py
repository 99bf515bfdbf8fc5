"""Watch several symbols at once with the async client, on trio: one task for each stream.

Connection and tokens come from the environment (CTRADER_CLIENT_ID, CTRADER_CLIENT_SECRET,
CTRADER_ACCOUNT_ID, CTRADER_ACCESS_TOKEN, CTRADER_REFRESH_TOKEN, CTRADER_EXPIRES_AT, and what else
`ClientConfig.from_env` reads), or from a simulator:

    python examples/trio_quotes.py --simulator --count 5
"""

from __future__ import annotations

import argparse

import trio

from ctrader import AccountCredentials, ClientConfig, CTraderClient, SpotEvent
from ctrader.simulator import Simulator


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Watch several symbols at once.")
    parser.add_argument("--simulator", action="store_true", help="run against a simulator")
    parser.add_argument("--symbols", nargs="+", default=["EURUSD", "GBPUSD"], help="their names")
    parser.add_argument("--count", type=int, default=10, help="quotes to print of each symbol")
    options = parser.parse_args()
    if options.simulator:
        with Simulator() as simulator:
            config, credentials = simulator.client_config(), simulator.credentials()
            trio.run(watch_all, config, credentials, options.symbols, options.count)
    else:
        config, credentials = ClientConfig.from_env(), AccountCredentials.from_env()
        trio.run(watch_all, config, credentials, options.symbols, options.count)


async def watch_all(
    config: ClientConfig, credentials: AccountCredentials, names: list[str], count: int
) -> None:
    """Watch each symbol in a task of its own, over one connection."""
    account_id = credentials.account_id
    async with CTraderClient(config) as client:
        await client.auth.authenticate_account(credentials)
        ids = {info.name: info.symbol_id for info in await client.symbols.list_all(account_id)}
        async with trio.open_nursery() as nursery:
            for name in names:
                nursery.start_soon(watch, client, account_id, name, ids[name], count)


async def watch(
    client: CTraderClient, account_id: int, name: str, symbol_id: int, count: int
) -> None:
    """Print the quotes of one symbol."""
    async with client.stream(SpotEvent, symbol_id=symbol_id) as events:
        await client.market_data.subscribe_spots(account_id, [symbol_id])
        for _ in range(count):
            event = await events.get()
            if event.quote is not None:
                print(f"{name} {event.quote.bid} / {event.quote.ask}")


if __name__ == "__main__":
    main()
