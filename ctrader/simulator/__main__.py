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
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from ctrader.errors import ConfigurationError, CTraderError
from ctrader.simulator.catalogue import DEFAULT_CATALOGUE
from ctrader.simulator.ledger import ledger_of
from ctrader.simulator.market.replay import BarFileError
from ctrader.simulator.server import ListenError, Simulator

__all__ = ["main", "ready_line", "serve"]

_WRONG_ARGUMENTS: Final = 2  # as argparse ends


class _OneLineParser(argparse.ArgumentParser):
    """Tell a wrong argument as all other failures are told, in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(_WRONG_ARGUMENTS, f"{self.prog}: {message}; --help names the arguments\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until interrupted; return the exit status.

    Args:
        argv: Arguments without the program's name; those of the process by default.
    """
    parser = _OneLineParser(
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
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        metavar="NAME",
        help="host name or address by which other machines or containers call this one; "
        "the certificate is good for it too (may be repeated)",
    )
    parser.add_argument(
        "--ca-file",
        metavar="FILE",
        help="where to write the certificate's authority, readable by all, until it ends "
        "(a temporary file of this user)",
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
        names=options.name,
        ca_file=options.ca_file,
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
    names: Sequence[str] = (),
    ca_file: str | None = None,
    plain: bool = False,
    live: bool = False,
    seed: int = 1,
    replay: str | None = None,
    replay_symbol: str = "EURUSD",
    start: str | None = None,
    speed: float = 1.0,
    ledger: str | None = None,
) -> int:
    """Serve in the foreground until SIGINT, SIGTERM or SIGHUP; return the exit status.

    The one line of JSON on standard output says how to reach the simulator. A failure is one line
    on standard error: the status is 2 where an argument makes no sense here, such as a port that
    is in use, and 1 for all else. Arguments not told of here are those of `Simulator`.

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
        simulator = _made(
            seed=seed,
            start=start,
            replay=replay,
            replay_symbol=replay_symbol,
            speed=speed,
            tls=not plain,
            live=live,
            host=host,
            port=port,
            other_port=other_port,
            oauth_port=oauth_port,
            names=names,
            ca_file=ca_file,
        )
        # A terminal that is closed hangs up; Windows knows no such signal.
        hangup = getattr(signal, "SIGHUP", signal.SIGTERM)
        before = {
            number: signal.signal(number, finish)
            for number in (signal.SIGINT, signal.SIGTERM, hangup)
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
    except _WrongArgumentError as error:
        print(f"ctrader simulator: error: {error}", file=sys.stderr)
        return _WRONG_ARGUMENTS
    except ListenError as error:
        option = error.argument.replace("_", "-")
        print(f"ctrader simulator: error: argument --{option}: {error.problem}", file=sys.stderr)
        return _WRONG_ARGUMENTS
    except (CTraderError, ValueError, OSError, RuntimeError) as error:
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


class _WrongArgumentError(Exception):
    """An argument of the command makes no sense; the text names it."""

    def __init__(self, option: str, problem: str) -> None:
        super().__init__(f"argument {option}: {problem}")


def _made(*, start: str | None, **options: Any) -> Simulator:  # Any: they are Simulator's own
    """Make the simulator of a command line.

    Raises:
        _WrongArgumentError: an argument makes no sense.
    """
    market_start = None if start is None else _instant(start)
    if options["replay"] is not None:
        name, known = options["replay_symbol"], DEFAULT_CATALOGUE.symbols
        if not any(each.name == name for each in known):
            names = ", ".join(each.name for each in known)
            raise _WrongArgumentError("--symbol", f"there is no symbol {name!r}; known are {names}")
    try:
        return Simulator(start=market_start, **options)
    except ConfigurationError as error:
        # These begin with the argument of Simulator that they are about.
        argument = str(error).partition(" ")[0]
        option = "name" if argument == "names" else argument.replace("_", "-")
        raise _WrongArgumentError(f"--{option}", str(error)) from error
    except BarFileError as error:
        raise _WrongArgumentError("--replay", str(error)) from error


def _try_to_write(file: Path) -> None:
    """Find out whether the file of the books can be written, and leave all as it was.

    Raises:
        _WrongArgumentError: it cannot.
    """
    try:
        was_there = file.exists()
        with file.open("a", encoding="utf-8"):
            pass
        if not was_there:
            file.unlink()
    except OSError as error:
        raise _WrongArgumentError(
            "--ledger",
            f"{file} cannot be written: {error.strerror}; name a file in a folder that is there "
            "and that this user may write to",
        ) from error


def _instant(text: str) -> datetime:
    """Return the instant of an ISO text, UTC unless it says otherwise.

    Raises:
        _WrongArgumentError: it is none.
    """
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise _WrongArgumentError(
            "--start", f"{text!r} is no ISO time; write one such as 2024-05-08T12:00, in UTC"
        ) from error
    return given if given.tzinfo is not None else given.replace(tzinfo=UTC)


def ready_line(simulator: Simulator) -> str:
    """Return the line of JSON that says how to reach a running simulator."""
    credentials = simulator.credentials()
    return json.dumps(
        {
            "host": urlsplit(simulator.oauth_url).hostname,  # a wildcard is no place to connect to
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
