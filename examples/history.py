"""Read hourly bars and ticks of the past, of any span, with the blocking client.

Connection and tokens come from the environment (CTRADER_CLIENT_ID, CTRADER_CLIENT_SECRET,
CTRADER_ACCOUNT_ID, CTRADER_ACCESS_TOKEN, CTRADER_REFRESH_TOKEN, CTRADER_EXPIRES_AT, and what else
`ClientConfig.from_env` reads), or from a simulator:

    python examples/history.py --simulator --days 60
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta

from ctrader.simulator import Simulator
from ctrader_sync import (
    AccountCredentials,
    ClientConfig,
    QuoteType,
    SyncCTraderClient,
    TrendbarPeriod,
)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Read bars and ticks of the past.")
    parser.add_argument("--simulator", action="store_true", help="run against a simulator")
    parser.add_argument("--symbol", default="EURUSD", help="name of the symbol")
    parser.add_argument("--days", type=int, default=30, help="days of hourly bars")
    options = parser.parse_args()
    if options.simulator:
        with Simulator() as simulator:
            read(simulator.client_config(), simulator.credentials(), options.symbol, options.days)
    else:
        read(ClientConfig.from_env(), AccountCredentials.from_env(), options.symbol, options.days)


def read(
    config: ClientConfig, credentials: AccountCredentials, symbol_name: str, days: int
) -> None:
    """Print the highest and the lowest hour, and the last ticks."""
    account_id = credentials.account_id
    with SyncCTraderClient(config) as client:
        client.auth.authenticate_account(credentials)
        symbol_id = client.symbols.get_by_name(account_id, symbol_name).symbol_id
        now = datetime.now(UTC)

        # As many requests as it takes, no faster than the server allows.
        bars = client.market_data.get_trendbars(
            account_id, symbol_id, TrendbarPeriod.H1, now - timedelta(days=days), now
        )
        print(f"{len(bars)} hours of {symbol_name} in {days} days")
        if bars:
            highest = max(bars, key=lambda bar: bar.high)
            lowest = min(bars, key=lambda bar: bar.low)
            print(f"highest {highest.high} at {highest.timestamp:%Y-%m-%d %H:%M} UTC")
            print(f"lowest  {lowest.low} at {lowest.timestamp:%Y-%m-%d %H:%M} UTC")

        ticks = client.market_data.get_tick_data(
            account_id, symbol_id, now - timedelta(minutes=10), now, QuoteType.BID
        )
        print(f"{len(ticks)} changes of the bid in the last ten minutes; the last three:")
        for tick in ticks[-3:]:
            print(f"{tick.timestamp:%H:%M:%S.%f} {tick.price}")


if __name__ == "__main__":
    main()
