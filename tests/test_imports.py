"""What an import brings along, told by a fresh interpreter.

The blocking client never loads an event loop, and the top levels load next to nothing before a
name is used.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).resolve().parent.parent

LOOPS: Final = ("asyncio", "anyio", "trio", "httpx")
HEAVY: Final = (*LOOPS, "pydantic", "google.protobuf", "msgspec", "ssl", "socket", "threading")

REPORT: Final = """
import json, sys
print(json.dumps(sorted(sys.modules)))
"""

SESSION: Final = """
import json, sys
from ctrader_sync import (
    AccountCredentials, ClientConfig, ClosePositionRequest, NewOrderRequest, OrderSide, SpotEvent,
    SyncCTraderClient,
)

server = json.loads(sys.argv[1])
account = server["accounts"][0]
config = ClientConfig(
    host=server["host"], port=server["port"], use_ssl=server["tls"], ca_file=server["ca_file"],
    client_id=server["client_id"], client_secret=server["client_secret"],
)
handled = []
with SyncCTraderClient(config) as client:
    client.register_handler(SpotEvent, handled.append)
    client.auth.authenticate_app()
    credentials = client.auth.authenticate_by_trader_login(
        account["trader_login"], server["access_token"], server["refresh_token"],
        server["expires_at"],
    )
    [symbol] = [
        found for found in client.symbols.list_all(credentials.account_id)
        if found.name == "EURUSD"
    ]
    with client.stream(SpotEvent, symbol_id=symbol.symbol_id) as quotes:
        client.market_data.subscribe_spots(credentials.account_id, [symbol.symbol_id])
        quote = quotes.get(timeout=10)
    opened = client.trading.place_order(
        credentials.account_id,
        NewOrderRequest(symbol_id=symbol.symbol_id, side=OrderSide.BUY, volume=100_000),
    )
    position_id = opened.position.position_id
    closed = client.trading.close_position(
        credentials.account_id, ClosePositionRequest(position_id=position_id, volume=100_000)
    )
assert quote.bid or quote.ask, quote
assert opened.order.executed_volume == 100_000, opened
assert closed.deal.is_closing_deal, closed
assert handled
"""


def run(code: str, *arguments: str) -> str:
    """Run a program in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=18,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules_after(code: str, *arguments: str) -> set[str]:
    """Return what is in `sys.modules` after a program ran."""
    return set(json.loads(run(code + REPORT, *arguments).splitlines()[-1]))


def loaded(unwanted: tuple[str, ...], code: str, *arguments: str) -> list[str]:
    """Return which of the unwanted modules a program loads."""
    present = modules_after(code, *arguments)
    return [name for name in unwanted if name in present]


@contextmanager
def simulator(*options: str) -> Generator[str]:
    """Run the simulator in another process and give its line of JSON."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ctrader.simulator", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline()
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


def test_interpreter_alone_loads_nothing_that_is_looked_for():
    assert loaded(HEAVY, "") == []


@pytest.mark.parametrize(
    "code",
    [
        "import ctrader_sync",
        "from ctrader_sync import *",
        "from ctrader_sync import SyncCTraderClient, ClientConfig, SpotEvent",
        "import ctrader_sync; [getattr(ctrader_sync, name) for name in ctrader_sync.__all__]",
        "import ctrader_sync.client, ctrader_sync.driver, ctrader_sync.streams",
        "from ctrader_sync import config, enums, errors, events, models",
    ],
)
def test_blocking_package_loads_no_event_loop(code: str):
    assert loaded(LOOPS, code) == []


@pytest.mark.parametrize("options", [["--plain"], []], ids=["plain", "tls"])
def test_whole_blocking_session_loads_no_event_loop(options: list[str]):
    with simulator(*options) as line:
        assert json.loads(line)["tls"] is (not options)
        assert loaded(LOOPS, SESSION, line) == []


@pytest.mark.parametrize("name", LOOPS)
def test_planted_event_loop_is_found(name: str):
    assert name in loaded(LOOPS, f"import ctrader_sync\nimport {name}")


def test_event_loop_loaded_during_a_session_is_found():
    planted = SESSION.replace("handled = []", "handled = []\nimport asyncio")
    assert planted != SESSION
    with simulator("--plain") as line:
        assert loaded(LOOPS, planted, line) == ["asyncio"]


@pytest.mark.parametrize("package", ["ctrader", "ctrader_sync"])
def test_top_level_loads_no_other_module_of_ours_and_nothing_heavy(package: str):
    present = modules_after(f"import {package}")
    assert [name for name in present if name.startswith("ctrader")] == [package]
    assert [name for name in HEAVY if name in present] == []


def test_name_is_loaded_when_it_is_used_and_only_what_it_needs():
    code = "import ctrader; ctrader.OrderSide"
    assert loaded((*LOOPS, "pydantic", "ctrader.client", "ctrader.events"), code) == []
    assert loaded(("ctrader.client", "anyio"), "from ctrader import CTraderClient") == [
        "ctrader.client",
        "anyio",
    ]


def test_asynchronous_client_loads_neither_trio_nor_httpx():
    assert loaded(("trio", "httpx"), "from ctrader import *") == []


@pytest.mark.parametrize(
    "code",
    [
        "import ctrader.simulator",
        "from ctrader.simulator import Simulator, Exchange, ServerSession",
        "import ctrader.simulator.__main__",
        "import ctrader.simulator.world",
        "import ctrader.protocol.session, ctrader.operations.trading",
    ],
)
def test_simulator_and_core_load_no_event_loop(code: str):
    assert loaded(LOOPS, code) == []


def test_no_module_does_work_when_it_is_imported():
    # Every module of both packages, in one interpreter: no thread, no output, no logging set up.
    code = """
import importlib, json, logging, pkgutil, sys, threading
import ctrader, ctrader_sync
for package in (ctrader, ctrader_sync):
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
print(json.dumps({
    "threads": threading.active_count(),
    "handlers": [
        name for name in ("", "ctrader", *logging.root.manager.loggerDict)
        if (not name or name.startswith("ctrader")) and logging.getLogger(name or None).handlers
    ],
}))
"""
    lines = run(code).splitlines()
    told: dict[str, Any] = json.loads(lines[0])
    assert len(lines) == 1
    assert told == {"threads": 1, "handlers": []}
