"""Print the prices of one symbol from a handler: the smallest program of the blocking client.

Connection, login and tokens come from the environment (CTRADER_CLIENT_ID, CTRADER_CLIENT_SECRET,
CTRADER_TRADER_LOGIN, CTRADER_ACCESS_TOKEN, CTRADER_REFRESH_TOKEN, CTRADER_EXPIRES_AT, and what
else `ClientConfig.from_env` reads), or from a simulator:

    python examples/section9_sync.py --simulator --count 3

`section9.py` is its twin for asyncio and trio.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from contextlib import suppress

from ctrader.simulator import Simulator
from ctrader_sync import ClientClosedError, ClientConfig, SpotEvent, SyncCTraderClient


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Print the prices of one symbol.")
    parser.add_argument("--simulator", action="store_true", help="run against a simulator")
    parser.add_argument("--symbol-id", type=int, default=1, help="id of the symbol")
    parser.add_argument("--count", type=int, help="prices to print; without it, it never ends")
    options = parser.parse_args()
    settings = (options.symbol_id, options.count)
    if options.simulator:
        with Simulator() as simulator:
            program(simulator.client_config(), tokens_of(simulator), *settings)
    else:
        program(ClientConfig.from_env(), os.environ, *settings)


def program(
    config: ClientConfig, tokens: Mapping[str, str], wanted_id: int, count: int | None
) -> None:
    """Print prices until `count` of them were printed, or for as long as it is let."""
    client = SyncCTraderClient(config)
    printed = 0

    @client.on(SpotEvent, symbol_id=wanted_id)
    def on_price(event: SpotEvent) -> None:
        nonlocal printed
        print(f"PRICE: {event.bid}/{event.ask}")
        printed += 1
        if printed == count:
            client.close()

    with client:
        client.auth.authenticate_app()
        creds = client.auth.authenticate_by_trader_login(
            trader_login=int(tokens["CTRADER_TRADER_LOGIN"]),
            access_token=tokens["CTRADER_ACCESS_TOKEN"],
            refresh_token=tokens["CTRADER_REFRESH_TOKEN"],
            expires_at=float(tokens["CTRADER_EXPIRES_AT"]),
        )
        with suppress(ClientClosedError):  # the first price comes before the answer
            client.market_data.subscribe_spots(creds.account_id, [wanted_id])
        client.wait()


def tokens_of(simulator: Simulator) -> dict[str, str]:
    """Return what would stand in the environment."""
    credentials = simulator.credentials()
    return {
        "CTRADER_TRADER_LOGIN": str(simulator.accounts[0].trader_login),
        "CTRADER_ACCESS_TOKEN": credentials.access_token,
        "CTRADER_REFRESH_TOKEN": credentials.refresh_token,
        "CTRADER_EXPIRES_AT": str(credentials.expires_at),
    }


if __name__ == "__main__":
    main()
