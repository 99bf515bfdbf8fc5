"""The commands: what can be typed after `ctrader`."""

from __future__ import annotations

import platform
import sys
from collections.abc import Sequence
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Final

import typer

from ctrader.cli.demo import DemoError, run_async, run_blocking
from ctrader.errors import CTraderError

__all__ = ["Loop", "app", "run"]

FAILED: Final = 1
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count it

app: Final = typer.Typer(
    name="ctrader",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


class Loop(StrEnum):
    """An event loop that the async client runs on."""

    ASYNCIO = "asyncio"
    """Python's own."""
    TRIO = "trio"
    """Trio's."""


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line and return its exit status; a failure is one line."""
    try:
        app(list(arguments), prog_name="ctrader")
    except SystemExit as end:
        # Every command of typer ends like this, well or not.
        return end.code if isinstance(end.code, int) else FAILED
    return 0  # pragma: no cover - an application of typer always exits


def _print_version(wanted: bool) -> None:
    if wanted:
        show_version()
        raise typer.Exit


@app.callback()
def options(
    show_versions: Annotated[
        bool,
        typer.Option(
            "--version",
            is_eager=True,
            callback=_print_version,
            help="Print the versions and exit.",
        ),
    ] = False,
) -> None:
    """A client for the cTrader Open API."""


@app.command()
def demo(
    asynchronous: Annotated[
        bool, typer.Option("--async", help="Use the async client instead of the blocking one.")
    ] = False,
    loop: Annotated[
        Loop | None, typer.Option(help="Event loop of the async client; asyncio by default.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.0, max=3600.0, help="How long to show live quotes.")
    ] = 5.0,
    seed: Annotated[int, typer.Option(help="Decides every price of the simulator.")] = 1,
) -> None:
    """Watch prices and trade once, offline, against the simulator."""
    if loop is not None and not asynchronous:
        raise typer.BadParameter("only the async client has one: add --async", param_hint="--loop")
    try:
        if asynchronous:
            run_async(seconds=seconds, seed=seed, loop=(loop or Loop.ASYNCIO).value)
        else:
            run_blocking(seconds=seconds, seed=seed)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
    except (CTraderError, DemoError, OSError) as error:
        print(f"ctrader demo: {error}", file=sys.stderr)
        raise typer.Exit(FAILED) from None


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def simulator(context: typer.Context) -> None:
    """Serve the simulator until interrupted; `--help` lists its options."""
    from ctrader.simulator.__main__ import main

    raise typer.Exit(main(context.args))


@app.command(name="version")
def show_version() -> None:
    """Print the versions of this library and of what it runs on."""
    try:
        installed = version("ctrader")
    except PackageNotFoundError:
        installed = "from a source folder"
    python = f"{platform.python_implementation()} {platform.python_version()}"
    print(f"ctrader {installed} on {python}, protobuf {version('protobuf')}")
