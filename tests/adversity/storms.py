"""Play storms over real sockets until thousands of orders went through them: `nox -s torture`.

    python -m tests.adversity.storms [--driver trio] [--reconnects 1000] [--orders 5000] [--seed 1]

It ends with status 1 where anything was lost, doubled, unresolved, told wrongly or left behind.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Final

import anyio

from tests.adversity.storm import Figures, Storm, broker
from tests.clients.scenarios.stage import BlockingStage, LoopStage, run_blocking

__all__ = ["DRIVERS", "main", "replayed", "run"]

DRIVERS: Final = ("asyncio", "trio", "sync")


def main(arguments: Sequence[str] | None = None) -> int:
    """Play one storm for each driver that is named; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.adversity.storms", description=__doc__)
    parser.add_argument("--driver", choices=DRIVERS, action="append", help="all three by default")
    parser.add_argument("--faults", type=int, default=0, help="how many must strike")
    parser.add_argument("--reconnects", type=int, default=1_000, help="how many there must be")
    parser.add_argument("--orders", type=int, default=5_000, help="how many must be handed over")
    parser.add_argument("--seed", type=int, default=1, help="decides the faults")
    options = parser.parse_args(arguments)
    status = 0
    for driver in options.driver or DRIVERS:
        try:
            figures = run(
                driver,
                seed=options.seed,
                faults=options.faults,
                reconnects=options.reconnects,
                orders=options.orders,
            )
        except Exception:  # noqa: BLE001 - whatever it is, it is what was looked for
            _say(f"{driver}, seed {options.seed}: {traceback.format_exc()}")
            status = 1
        else:
            _say(f"{driver}, seed {options.seed}: nothing lost, doubled or unresolved in {figures}")
    return status


def run(driver: str, *, seed: int, faults: int, reconnects: int, orders: int) -> Figures:
    """Play one storm to its end.

    Raises:
        AssertionError: something was lost, doubled, unresolved, told wrongly or left behind.
    """
    stage = BlockingStage() if driver == "sync" else LoopStage()
    with broker(seed) as simulator:
        storm = Storm(stage, simulator, seed, faults, reconnects, orders)
        with replayed(driver, storm):
            if driver == "sync":
                return run_blocking(storm.play())
            return anyio.run(storm.play, backend=driver)


@contextmanager
def replayed(driver: str, storm: Storm) -> Generator[None]:
    """Say with every error how to have the same faults again."""
    try:
        yield
    except BaseException as error:
        error.add_note(
            "the same faults again (the seed does not decide about sockets and threads, so it may "
            f"take some runs): python -m tests.adversity.storms --driver {driver} "
            f"--seed {storm.seed} --faults {storm.faults} --reconnects {storm.reconnects} "
            f"--orders {storm.orders}"
        )
        raise


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
