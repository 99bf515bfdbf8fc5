"""Measure how much faster than life a world runs, and how long a page of old bars takes.

    python benchmarks/world.py [--hours 12] [--seed 1]

A session under virtual time holds the quotes of two symbols, then their depth as well. What counts
is the simulated seconds in one second of CPU; the second line's share of the first is what does
not depend on the machine. Below stand the milliseconds that 5,000 daily bars of a symbol take
at the first request and at the same request again, of which decoding them is the smaller part.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Final

from ctrader import AccountCredentials, ClientConfig
from ctrader.enums import TrendbarPeriod
from ctrader.operations import auth, history, market_data
from ctrader.simulator import DEFAULT_APPLICATIONS, Exchange, Switches
from ctrader.simulator.world import World
from ctrader.units import datetime_from_millis

SYMBOLS: Final = (1, 2)
BARS: Final = 5000


def logged_in(seed: int, switches: Switches | None = None) -> tuple[World, int]:
    """Return a world whose client has an account, and that account."""
    exchange = Exchange(seed=seed, switches=switches)
    application, grant = DEFAULT_APPLICATIONS[0], exchange.grants.grants[0]
    config = ClientConfig(
        client_id=application.client_id,
        client_secret=exchange.grants.secret_of(application.client_id),
    )
    world = World(exchange, config, seed=seed)
    world.connect()
    account = min(exchange.books)
    credentials = AccountCredentials(
        account_id=account,
        access_token=grant.access_token,
        refresh_token=grant.refresh_token,
        expires_at=4e9,
    )
    world.run(auth.authenticate_account(credentials))
    return world, account


def speed(hours: float, seed: int, *, depth: bool) -> float:
    """Return the simulated seconds in one second of CPU."""
    world, account = logged_in(seed)
    world.run(market_data.subscribe_spots(account, SYMBOLS))
    if depth:
        world.run(market_data.subscribe_depth(account, SYMBOLS))
    begun = time.process_time()
    world.run_for(hours * 3600)
    return hours * 3600 / (time.process_time() - begun)


def page_of_bars(seed: int, *, always_open: bool) -> tuple[float, float]:
    """Return the milliseconds that a page of daily bars takes, the first time and the second."""
    world, account = logged_in(seed, Switches(always_open=always_open))
    took: list[float] = []
    for _ in range(2):
        begun = time.process_time()
        world.run(
            history.get_last_trendbars(
                account,
                SYMBOLS[0],
                TrendbarPeriod.D1,
                BARS,
                now=datetime_from_millis(world.exchange.market_now()),
            )
        )
        took.append((time.process_time() - begun) * 1000)
    return took[0], took[1]


def main() -> None:
    """Print a line for each measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=float, default=12)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    out = sys.stdout
    # The better of three runs each, in turn, so that a busy machine strikes both alike.
    runs = [
        [speed(options.hours, options.seed, depth=depth) for depth in (False, True)]
        for _ in range(3)
    ]
    quotes, depth = (max(column) for column in zip(*runs, strict=True))
    out.write(f"{'simulated seconds per CPU second':36}{'':>10}{'of quotes':>11}\n")
    out.write(f"{'  quotes of two symbols':36}{quotes:10,.0f}{1:11.0%}\n")
    out.write(f"{'  quotes and depth':36}{depth:10,.0f}{depth / quotes:11.0%}\n")
    out.write(f"{f'{BARS:,} daily bars, milliseconds':36}{'first':>10}{'again':>11}\n")
    for name, always_open in (("  always open", True), ("  open in their hours", False)):
        first, again = page_of_bars(options.seed, always_open=always_open)
        out.write(f"{name:36}{first:10,.0f}{again:11,.0f}\n")


if __name__ == "__main__":
    main()
