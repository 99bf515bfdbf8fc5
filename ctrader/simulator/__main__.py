"""Serve the simulator in the foreground: `python -m ctrader.simulator`."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType

from ctrader.errors import CTraderError
from ctrader.simulator.ledger import ledger_of
from ctrader.simulator.market.replay import BarFileError
from ctrader.simulator.server import Simulator

__all__ = ["main", "ready_line", "serve"]


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until interrupted; return the exit status.

    Args:
        argv: Arguments without the program's name; those of the process by default.
    """
    parser = argparse.ArgumentParser(
        prog="ctrader simulator",
        description="Serve a simulated broker that speaks the cTrader Open API. Prints one line "
        "of JSON when it is ready, and serves until interrupted.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (any free one)")
    parser.add_argument("--plain", action="store_true", help="serve without TLS")
    parser.add_argument("--live", action="store_true", help="--port serves the live accounts")
    parser.add_argument(
        "--other-port", type=int, default=0, help="port for the other accounts (any free one)"
    )
    parser.add_argument(
        "--oauth-port", type=int, default=0, help="port of the authorisation server (any free one)"
    )
    parser.add_argument("--seed", type=int, default=1, help="decides every price")
    parser.add_argument("--replay", metavar="FILE", help="CSV file of real bars to replay")
    parser.add_argument("--symbol", help="symbol whose bars the file holds (EURUSD)")
    parser.add_argument(
        "--start", metavar="TIME", help="the market's time at the start, ISO and UTC (now)"
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, help="seconds of market time in a real second"
    )
    parser.add_argument(
        "--ledger", metavar="FILE", help="where to write the books, as JSON, when it ends"
    )
    options = parser.parse_args(argv)
    if options.symbol is not None and options.replay is None:
        parser.error("--symbol says whose bars --replay holds; give a file, or leave it out")
    return serve(
        host=options.host,
        port=options.port,
        other_port=options.other_port,
        oauth_port=options.oauth_port,
        plain=options.plain,
        live=options.live,
        seed=options.seed,
        replay=options.replay,
        replay_symbol=options.symbol or "EURUSD",
        start=options.start,
        speed=options.speed,
        ledger=options.ledger,
    )


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    other_port: int = 0,
    oauth_port: int = 0,
    plain: bool = False,
    live: bool = False,
    seed: int = 1,
    replay: str | None = None,
    replay_symbol: str = "EURUSD",
    start: str | None = None,
    speed: float = 1.0,
    ledger: str | None = None,
) -> int:
    """Serve in the foreground until SIGINT or SIGTERM; return the exit status.

    The one line of JSON on standard output says how to reach the simulator. What is wrong with the
    options is one line on standard error, and the status 1.

    Args:
        start: The market's time at the start as ISO text, UTC unless it says otherwise.
        ledger: File to which `ctrader.simulator.ledger` writes the accounts' books in the end.
    """
    # A signal may come while this very thread holds the lock inside an event, whose set() would
    # then wait for it for ever; this queue may be put into at any moment.
    signals: SimpleQueue[int] = SimpleQueue()

    def finish(number: int, frame: FrameType | None) -> None:
        signals.put(number)

    try:
        if ledger is not None:
            _try_to_write(Path(ledger))  # it is told now, not after a day's work
        simulator = Simulator(
            seed=seed,
            start=None if start is None else _instant(start),
            replay=replay,
            replay_symbol=replay_symbol,
            speed=speed,
            tls=not plain,
            live=live,
            host=host,
            port=port,
            other_port=other_port,
            oauth_port=oauth_port,
        )
        before = {
            number: signal.signal(number, finish) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            with simulator:
                print(ready_line(simulator), flush=True)
                try:
                    # A wait without an end would keep Windows from delivering Ctrl-C.
                    while not _has_come(signals, 0.5):
                        if not simulator.is_running:  # its thread said why on standard error
                            return 1
                finally:
                    if ledger is not None:
                        with simulator.locked() as exchange:
                            books = ledger_of(exchange)
                        Path(ledger).write_text(json.dumps(books), encoding="utf-8")
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    except (CTraderError, BarFileError, ValueError, OSError, RuntimeError) as error:
        print(f"ctrader simulator: {error}", file=sys.stderr)
        return 1
    return 0


def _has_come(signals: SimpleQueue[int], timeout: float) -> bool:
    """Wait for a signal; False if none came in time, seconds."""
    try:
        signals.get(timeout=timeout)
    except Empty:
        return False
    return True


def _try_to_write(file: Path) -> None:
    """Find out whether a file can be written, and leave all as it was.

    Raises:
        OSError: it cannot.
    """
    was_there = file.exists()
    with file.open("a", encoding="utf-8"):
        pass
    if not was_there:
        file.unlink()


def _instant(text: str) -> datetime:
    """Return the instant of an ISO text, UTC unless it says otherwise.

    Raises:
        ValueError: it is none.
    """
    given = datetime.fromisoformat(text)
    return given if given.tzinfo is not None else given.replace(tzinfo=UTC)


def ready_line(simulator: Simulator) -> str:
    """Return the line of JSON that says how to reach a running simulator."""
    credentials = simulator.credentials()
    return json.dumps(
        {
            "host": simulator.host,
            "port": simulator.port,
            "demo_port": simulator.demo_port,
            "live_port": simulator.live_port,
            "oauth_url": simulator.oauth_url,
            "tls": simulator.tls,
            "ca_file": simulator.ca_file,
            "client_id": simulator.client_id,
            "client_secret": simulator.client_secret,
            "access_token": credentials.access_token,
            "refresh_token": credentials.refresh_token,
            "expires_at": int(credentials.expires_at),
            "accounts": [
                {
                    "account_id": account.account_id,
                    "trader_login": account.trader_login,
                    "is_live": account.is_live,
                    "deposit_asset": account.deposit_asset,
                }
                for account in simulator.accounts
            ],
        }
    )


if __name__ == "__main__":
    sys.exit(main())
