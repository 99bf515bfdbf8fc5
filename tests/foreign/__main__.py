"""Run clients that others wrote against `ctrader simulator`, and compare: `nox -s foreign`.

Three processes take part for each client: the simulator, as its command; the client, driven by a
program that sees nothing of this project; and this one, which compares what the client received
with the ledger that the simulator writes when it ends. Signals end the simulator, so this needs a
POSIX system.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ctrader.simulator import DEFAULT_CATALOGUE, RandomWalkPrices
from tests.foreign import model_view, wire_view
from tests.foreign.facts import Facts
from tests.foreign.matching import altered, differences, leaves

SEED: Final = 7
SIMULATOR_SECONDS: Final = 180  # of its whole life; it is killed then
START_SECONDS: Final = 30
STOP_SECONDS: Final = 15
DRIVER_SECONDS: Final = 140  # the drivers give up after 120 themselves
MOST_SHOWN: Final = 40
SAMPLES: Final = 4  # of each sort of value, changed to see that the comparison notices
HERE: Final = Path(__file__).parent
MINUTE: Final = 60_000

View = Callable[[Mapping[str, Any], Facts], Iterator[str]]


@dataclass(frozen=True)
class Client:
    """One foreign client."""

    driver: Path
    """Program that drives it, in its own environment."""
    wrong: View
    """Says where what it received is not what happened."""
    uncompared: frozenset[str]
    """Values of its report that nothing is known about."""
    takes_authority: bool
    """Whether it verifies certificates, and must be told whom to trust."""


OFFICIAL: Final = Client(
    HERE / "drive_official.py", wire_view.wrong, wire_view.UNCOMPARED, takes_authority=False
)
API_CLIENT: Final = Client(
    HERE / "drive_api_client.py", model_view.wrong, model_view.UNCOMPARED, takes_authority=True
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the clients whose interpreters are given; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.foreign", description=__doc__)
    # Absolute, since the drivers run in a folder of their own; links of environments stay links.
    for option, package in (("official", "ctrader-open-api"), ("api-client", "ctrader-api-client")):
        parser.add_argument(
            f"--{option}", metavar="PYTHON", type=os.path.abspath, help=f"python with {package}"
        )
    parser.add_argument(
        "--command",
        default=str(Path(sys.executable).with_name("ctrader")),
        help="the ctrader command (the one beside this python)",
    )
    options = parser.parse_args(argv)
    chosen = [(OFFICIAL, options.official), (API_CLIENT, options.api_client)]
    if not any(python for _, python in chosen):
        parser.error("name the python of at least one client")
    failures = sum(
        not has_passed(client, python, options.command) for client, python in chosen if python
    )
    return min(failures, 1)


def has_passed(client: Client, python: str, command: str) -> bool:
    """Run one client's session and compare it; say what came of it."""
    began = time.monotonic()
    report, facts = run(client, python, command)
    if met_swaps(facts):  # once a day
        report, facts = run(client, python, command)
    name = f"{report['package']} on Python {report['python']}"
    if report["failure"] is not None:
        say(f"{name}: the session failed: {report['failure']}")
        return False
    found: list[str] = []
    try:
        found.extend(wrong(client, report, facts))
    except LookupError as missing:
        found.append(f"nothing more can be compared without {missing!r}")
    if found:
        shown = "\n  ".join(found[:MOST_SHOWN])
        say(f"{name}: {len(found)} differences\n  {shown}")
        return False
    values, unnoticed = blind_spots(client, report, facts)
    if unnoticed:
        listed = "\n  ".join(sorted(unnoticed))
        say(f"{name}: nothing compares these values, and nothing says why\n  {listed}")
        return False
    say(
        f"{name}: {len(report['sent'])} requests, {values} values received and sent, all as in "
        f"the ledger ({time.monotonic() - began:.0f} s)"
    )
    return True


def run(client: Client, python: str, command: str) -> tuple[dict[str, Any], Facts]:
    """Let a client go through its session with a fresh simulator; return both sides' stories.

    Raises:
        RuntimeError: the simulator or the driver failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder) / "ledger.json"
        with simulator(command, ledger) as line:
            ready = json.loads(line)
            if not ipaddress.ip_address(ready["host"]).is_loopback:
                raise RuntimeError(f"the simulator listens on {ready['host']}, not on loopback")
            report = drive(client, python, line, Path(folder))
        books = json.loads(ledger.read_text(encoding="utf-8"))
    prices = RandomWalkPrices(SEED, symbols=DEFAULT_CATALOGUE.symbols)
    return report, Facts(ready, books, prices)


@contextmanager
def simulator(command: str, ledger: Path) -> Generator[str]:
    """Serve in a process of its own, and yield its ready line; the ledger is there afterwards.

    Raises:
        RuntimeError: it did not begin, or ended badly.
    """
    process = subprocess.Popen(
        [command, "simulator", "--seed", str(SEED), "--ledger", str(ledger)],
        stdout=subprocess.PIPE,
        text=True,
    )
    impatience = threading.Timer(START_SECONDS, process.kill)
    impatience.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        impatience.cancel()
        if not line:
            raise RuntimeError("the simulator did not begin; standard error says why")
        impatience = threading.Timer(SIMULATOR_SECONDS, process.kill)
        impatience.start()
        yield line
        process.send_signal(signal.SIGTERM)
        if process.wait(STOP_SECONDS):
            raise RuntimeError(f"the simulator ended with status {process.returncode}")
    finally:
        impatience.cancel()
        process.kill()
        process.communicate()


def drive(client: Client, python: str, ready: str, folder: Path) -> dict[str, Any]:
    """Run a client's driver; return its report.

    Raises:
        RuntimeError: it failed without one.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "SSL_CERT"))
    }
    if client.takes_authority:
        environment["SSL_CERT_FILE"] = json.loads(ready)["ca_file"]
    # Isolated: neither this folder nor the one of the driver is on the path there.
    done = subprocess.run(
        [python, "-I", str(client.driver)],
        input=ready,
        capture_output=True,
        text=True,
        timeout=DRIVER_SECONDS,
        cwd=folder,
        env=environment,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{client.driver.name} ended with {done.returncode}:\n{done.stderr}")
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def wrong(client: Client, report: Mapping[str, Any], facts: Facts) -> Iterator[str]:
    """Say where a report is not what happened."""
    place = [facts.ready["host"], facts.ready["port"]]
    connections = report["connected_to"]
    if not connections:
        yield "connected_to: nothing"
    for address in connections:
        yield from differences(place, address, "connected_to")
    yield from client.wrong(report, facts)


def blind_spots(client: Client, report: Mapping[str, Any], facts: Facts) -> tuple[int, set[str]]:
    """Change values of a report in turn, and look whether the comparison notices.

    Of each sort of value the first, the last and some between are changed.

    Returns: how many values there are, and which sorts of them nobody compares, apart from those
        whose reasons are written down.
    """
    sorts: dict[str, list[tuple[str | int, ...]]] = {}
    for path in leaves(report):
        sort = "".join("[]" if isinstance(each, int) else f".{each}" for each in path)[1:]
        sorts.setdefault(sort, []).append(path)
    unnoticed = {
        sort
        for sort, paths in sorts.items()
        if sort not in client.uncompared
        and not all(
            is_noticed(client, altered(report, path), facts)
            for path in {*paths[:: max(1, len(paths) // SAMPLES)], paths[-1]}
        )
    }
    return sum(map(len, sorts.values())), unnoticed


def is_noticed(client: Client, report: Mapping[str, Any], facts: Facts) -> bool:
    """Tell whether the comparison finds anything wrong with a report."""
    try:
        return next(wrong(client, report, facts), None) is not None
    except LookupError:
        return True  # a step or an item is missing


def met_swaps(facts: Facts) -> bool:
    """Tell whether swaps fell due while a session ran; what they change is told nowhere here."""
    first, last = facts.book["opened"], facts.ledger["market_time"]
    for symbol in facts.ledger["symbols"]:
        period = symbol["swap_period"] * 60 * MINUTE
        before = (first - symbol["swap_time"] * MINUTE) // period
        if before != (last - symbol["swap_time"] * MINUTE) // period:
            return True
    return False


def say(text: str) -> None:
    """Print a paragraph."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
