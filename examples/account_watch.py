"""Watch an account: its equity and every change, with the blocking client.

Connection and tokens come from the environment (CTRADER_CLIENT_ID, CTRADER_CLIENT_SECRET,
CTRADER_ACCOUNT_ID, CTRADER_ACCESS_TOKEN, CTRADER_REFRESH_TOKEN, CTRADER_EXPIRES_AT, and what else
`ClientConfig.from_env` reads), or from a simulator:

    python examples/account_watch.py --simulator --seconds 5

It only watches: nothing is ordered. With `--simulator` somebody else trades on the account.
"""

from __future__ import annotations

import argparse
import time

from ctrader.simulator import Simulator
from ctrader_sync import (
    AccountCredentials,
    AccountStateChangedEvent,
    ClientConfig,
    SyncCTraderClient,
)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Watch an account.")
    parser.add_argument("--simulator", action="store_true", help="run against a simulator")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to watch")
    options = parser.parse_args()
    if options.simulator:
        with Simulator() as simulator:
            simulator.terminal().buy("EURUSD", 1_000_000)
            watch(simulator.client_config(), simulator.credentials(), options.seconds)
    else:
        watch(ClientConfig.from_env(), AccountCredentials.from_env(), options.seconds)


def watch(config: ClientConfig, credentials: AccountCredentials, seconds: float) -> None:
    """Print every change, and the account's figures behind it."""
    account_id = credentials.account_id
    until = time.monotonic() + seconds
    with (
        SyncCTraderClient(config) as client,
        client.stream(AccountStateChangedEvent, account_id=account_id) as changes,
    ):
        client.auth.authenticate_account(credentials)
        state = client.account_state(account_id)
        while (left := until - time.monotonic()) > 0:
            try:
                event = changes.get(timeout=min(left, 1.0))
            except TimeoutError:
                pass  # nothing changed but prices, and the figures show them
            else:
                away = " (while nothing was heard)" if event.while_away else ""
                for change in event.changes:
                    print(f"{type(change).__name__}{away}")
            if state.is_stale:
                print("stale: the link is lost, figures are as last known")
            print(
                f"{len(state.positions)} positions, {len(state.orders)} orders, "
                f"balance {state.balance}, equity {state.equity}, free {state.free_margin}"
            )


if __name__ == "__main__":
    main()
