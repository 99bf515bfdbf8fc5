"""The program that users of the reference client have runs unchanged, but for package and host.

Each variant is a process of its own; the simulator is another one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENDING = 5.0  # seconds that a program may take to end after Ctrl-C; it takes a tenth of one

ASYNC = """
    {imports}
    from ctrader import ClientConfig, CTraderClient, SpotEvent

    client = CTraderClient(ClientConfig(
        host="{host}", port={port}, ca_file="{ca_file}",
        client_id="{client_id}", client_secret="{client_secret}",
    ))

    @client.on(SpotEvent, symbol_id=270)
    async def on_price(event: SpotEvent) -> None:
        print(f"PRICE: {{event.bid}}/{{event.ask}}")

    async def main() -> None:
        async with client:
            await client.auth.authenticate_app()
            creds = await client.auth.authenticate_by_trader_login(
                trader_login=17091452, access_token="{access_token}",
                refresh_token="{refresh_token}", expires_at={expires_at})
            await client.market_data.subscribe_spots(creds.account_id, [270])
            {wait}

    {run}
"""

BLOCKING = """
    from ctrader_sync import ClientConfig, SyncCTraderClient, SpotEvent

    client = SyncCTraderClient(ClientConfig(
        host="{host}", port={port}, ca_file="{ca_file}",
        client_id="{client_id}", client_secret="{client_secret}",
    ))

    @client.on(SpotEvent, symbol_id=270)
    def on_price(event: SpotEvent) -> None:
        print(f"PRICE: {{event.bid}}/{{event.ask}}")

    with client:
        client.auth.authenticate_app()
        creds = client.auth.authenticate_by_trader_login(
            trader_login=17091452, access_token="{access_token}",
            refresh_token="{refresh_token}", expires_at={expires_at})
        client.market_data.subscribe_spots(creds.account_id, [270])
        client.wait()
"""

ASYNCIO = {"imports": "import asyncio", "run": "asyncio.run(main())"}
TRIO = {"imports": "import trio", "run": "trio.run(main)"}


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-W", "error", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("COV_")},
    )


def lines_of(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


@pytest.fixture(scope="module")
def simulator() -> Iterator[dict[str, Any]]:
    """Serve a market that runs fifty times as fast as real time, in another process."""
    process = start("-m", "ctrader.simulator", "--speed", "50")
    try:
        yield json.loads(lines_of(process).readline())
        process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
        _, errors = process.communicate(timeout=ENDING)
        assert errors == ""
    finally:
        process.kill()
        process.communicate()


PROGRAMS = pytest.mark.parametrize(
    ("program", "names"),
    [
        pytest.param(ASYNC, {**ASYNCIO, "wait": "await asyncio.Event().wait()"}, id="asyncio"),
        pytest.param(ASYNC, {**ASYNCIO, "wait": "await client.wait()"}, id="asyncio-wait"),
        pytest.param(ASYNC, {**TRIO, "wait": "await trio.sleep_forever()"}, id="trio"),
        pytest.param(ASYNC, {**TRIO, "wait": "await client.wait()"}, id="trio-wait"),
        pytest.param(BLOCKING, {}, id="sync"),
    ],
)


@PROGRAMS
def test_program_prints_prices_until_ctrl_c(
    simulator: dict[str, Any], program: str, names: dict[str, str]
):
    process = start("-c", textwrap.dedent(program).format(**simulator, **names))
    try:
        lines = [lines_of(process).readline() for _ in range(3)]
        process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
        _, errors = process.communicate(timeout=ENDING)
    finally:
        process.kill()
        process.communicate()
    for line in lines:
        label, _, sides = line.partition(" ")
        assert label == "PRICE:", errors
        prices = [float(side) for side in sides.strip().split("/") if side != "None"]
        assert prices
        assert all(1_000 < price < 20_000 for price in prices)
    if os.name == "posix":
        assert_ended_by_ctrl_c(errors)


@pytest.mark.skipif(os.name != "posix", reason="Windows raises no SIGINT from inside a process")
@PROGRAMS
def test_ctrl_c_that_strikes_inside_the_client_ends_the_program(
    simulator: dict[str, Any], program: str, names: dict[str, str]
):
    # A handler is where a signal surely strikes while a task of the client runs.
    text = textwrap.dedent(program).format(**simulator, **names)
    head, price, tail = text.partition('print(f"PRICE')
    strike = "client.off(SpotEvent, on_price); import signal; signal.raise_signal(signal.SIGINT); "
    process = start("-c", f"{head}{strike}{price}{tail}")
    try:
        _, errors = process.communicate(timeout=ENDING)
    finally:
        process.kill()
        process.communicate()
    assert_ended_by_ctrl_c(errors)


def assert_ended_by_ctrl_c(errors: str) -> None:
    head, mark, _ = errors.partition("Traceback")
    assert mark, errors
    logged = head.splitlines()
    assert len(logged) == 1, errors  # nothing else was logged before
    assert "kept in memory only" in logged[0]
    assert errors.strip().split("\n")[-1] == "KeyboardInterrupt"
    assert "never" not in errors  # no task, coroutine or socket was left behind
