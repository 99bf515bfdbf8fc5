"""Print live quotes with the blocking client.

Connection and tokens come from the environment (CTRADER_CLIENT_ID, CTRADER_CLIENT_SECRET,
CTRADER_ACCOUNT_ID, CTRADER_ACCESS_TOKEN, CTRADER_REFRESH_TOKEN, CTRADER_EXPIRES_AT, and what else
`ClientConfig.from_env` reads), or from a simulator:

    python examples/sync_quotes.py --simulator --count 5
"""

from __future__ import annotations

import argparse
from itertools import islice

from ctrader.simulator import Simulator
from ctrader_sync import AccountCredentials, ClientConfig, SpotEvent, SyncCTraderClient


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Print live quotes.")
    parser.add_argument("--simulator", action="store_true", help="run against a simulator")
    parser.add_argument("--symbol", default="EURUSD", help="name of the symbol")
    parser.add_argument("--count", type=int, default=20, help="quotes to print")
    options = parser.parse_args()
    if options.simulator:
        with Simulator() as simulator:
            watch(simulator.client_config(), simulator.credentials(), options.symbol, options.count)
    else:
        watch(ClientConfig.from_env(), AccountCredentials.from_env(), options.symbol, options.count)


def watch(
    config: ClientConfig, credentials: AccountCredentials, symbol_name: str, count: int
) -> None:
    """Print the quotes of one symbol."""
    account_id = credentials.account_id
    with SyncCTraderClient(config) as client:
        client.auth.authenticate_account(credentials)
        symbol_id = client.symbols.get_by_name(account_id, symbol_name).symbol_id
        # The stream collects from here on, so it has the first quote, which holds both sides.
        with client.stream(SpotEvent, symbol_id=symbol_id) as events:
            client.market_data.subscribe_spots(account_id, [symbol_id])
            for event in islice(events, count):
                if event.quote is not None:
                    print(f"{symbol_name} {event.quote.bid} / {event.quote.ask}")


if __name__ == "__main__":
    main()
