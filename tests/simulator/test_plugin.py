"""The pytest plugin, used in a suite of somebody else's."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import dedent
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]


def run(folder: Path, *options: str, **files: str) -> str:
    """Run a suite with the plugin and with no other that is not named; return what it says."""
    for name, text in files.items():
        (folder / f"{name}.py").write_text(dedent(text), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-p", "ctrader.simulator.pytest_plugin"]
    done = subprocess.run(
        [*command, "-q", "-W", "error", "--strict-markers", *options, str(folder)],
        cwd=folder,
        env={
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": str(ROOT),
            "PYTEST_ADDOPTS": "",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout + done.stderr


def test_blocking_and_async_tests_get_a_fresh_broker_each(tmp_path: Path):
    told = run(
        tmp_path,
        "-p",
        "anyio",
        test_bot="""
            import pytest

            from ctrader import CTraderClient, NewOrderRequest, OrderSide, OrderType
            from ctrader.proto import ProtoOANewOrderReq
            from ctrader_sync import SyncCTraderClient


            def test_blocking_bot_buys(ctrader_simulator):
                ctrader_simulator.set_price("EURUSD", 1.1, 1.1001)
                credentials = ctrader_simulator.credentials()
                with SyncCTraderClient(ctrader_simulator.client_config()) as client:
                    client.auth.authenticate_account(credentials)
                    client.trading.place_order(
                        credentials.account_id,
                        NewOrderRequest(
                            symbol_id=1,
                            order_type=OrderType.MARKET,
                            side=OrderSide.BUY,
                            volume=100_000,
                        ),
                    )
                (sent,) = ctrader_simulator.sent_by_client(ProtoOANewOrderReq)
                assert sent.volume == 100_000


            @pytest.mark.anyio
            async def test_async_bot_looks(ctrader_simulator):
                assert ctrader_simulator.sent_by_client(ProtoOANewOrderReq) == []
                credentials = ctrader_simulator.credentials()
                async with CTraderClient(ctrader_simulator.client_config()) as client:
                    await client.auth.authenticate_account(credentials)
                    trader = await client.accounts.get_trader(credentials.account_id)
                    assert trader.balance == 100_000
        """,
    )
    assert "3 passed" in told, told  # the async one on asyncio and on trio


def test_options_come_from_the_fixture_and_the_markers(tmp_path: Path):
    told = run(
        tmp_path,
        conftest="""
            import pytest


            @pytest.fixture
            def ctrader_simulator_options():
                return {"tls": False, "seed": 5}
        """,
        test_options="""
            import pytest

            from ctrader.simulator import Simulator

            pytestmark = pytest.mark.ctrader_simulator(seed=7, frozen=True)


            def quote(simulator):
                with simulator.locked() as exchange:
                    return exchange.prices.source.quote(1, 1_700_000_000_000)[:2]


            def expected(seed):
                return quote(Simulator(seed=seed))


            def test_module_mark_goes_over_the_fixture(ctrader_simulator):
                assert not ctrader_simulator.tls
                assert quote(ctrader_simulator) == expected(7) != expected(5)
                with ctrader_simulator.locked() as exchange:
                    assert all(exchange.prices.is_held(each) for each in exchange.symbols)


            @pytest.mark.ctrader_simulator(seed=9)
            def test_own_mark_goes_over_the_module(ctrader_simulator):
                assert quote(ctrader_simulator) == expected(9)


            @pytest.mark.ctrader_simulator(7)
            def test_positional_option(ctrader_simulator):
                raise AssertionError("it was refused before")


            @pytest.mark.ctrader_simulator(sped=7)
            def test_misspelt_option(ctrader_simulator):
                raise AssertionError("it was refused before")
        """,
    )
    assert "2 passed, 2 errors" in told, told
    assert "the marker ctrader_simulator has no option 'sped'; did you mean 'speed'?" in told
    assert "takes options by name only" in told


def test_misspelt_option_of_the_fixture_is_told(tmp_path: Path):
    told = run(
        tmp_path,
        test_options="""
            import pytest


            @pytest.fixture
            def ctrader_simulator_options():
                return {"colour": "red"}


            def test_that_never_begins(ctrader_simulator):
                raise AssertionError("it was refused before")
        """,
    )
    assert "1 error" in told, told
    assert "the fixture ctrader_simulator_options has no option 'colour'; there are" in told
    assert "replay_symbol" in told


def test_failure_inside_the_broker_fails_the_test(tmp_path: Path):
    told = run(
        tmp_path,
        "-p",
        "no:threadexception",  # what the broker's thread printed would be an error of its own
        test_failure="""
            import socket

            import pytest

            from ctrader.proto import ProtoOAVersionReq
            from ctrader.protocol.envelope import encode_message


            @pytest.mark.ctrader_simulator(tls=False)
            def test_that_gives_the_script_a_broken_function(ctrader_simulator):
                ctrader_simulator.script.next_request().answer(lambda request: 1 / 0)
                address = ctrader_simulator.host, ctrader_simulator.port
                with socket.create_connection(address, timeout=5) as peer:
                    peer.sendall(encode_message(ProtoOAVersionReq()))
                    assert peer.recv(1) == b""
        """,
    )
    assert "1 passed, 1 error" in told, told
    assert "the simulator's thread failed: ZeroDivisionError" in told


def test_plugin_loads_nothing_for_those_who_do_not_use_it(tmp_path: Path):
    told = run(
        tmp_path,
        test_other="""
            import sys


            def test_nothing_is_loaded():
                loaded = {"asyncio", "anyio", "trio", "httpx", "h11", "google.protobuf"}
                loaded |= {"ctrader.simulator.server", "ctrader.simulator.exchange"}
                assert loaded & set(sys.modules) == set()
        """,
    )
    assert "1 passed" in told, told


def test_fixtures_and_marker_describe_themselves(tmp_path: Path):
    assert "Serve a simulated broker for one test" in run(tmp_path, "--fixtures")
    assert "@pytest.mark.ctrader_simulator(**options)" in run(tmp_path, "--markers")


def test_suite_of_the_documentation_passes(tmp_path: Path):
    page = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
    programs = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    suites = [each for each in programs if "def test_" in each]
    (conftest,) = [each for each in programs if "def ctrader_simulator_options" in each]
    files = {f"test_{number}": text for number, text in enumerate(suites)}
    told = run(tmp_path, "-p", "anyio", conftest=conftest, **files)
    assert "3 passed" in told, told


def test_entry_point_leads_to_the_plugin():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '[project.entry-points.pytest11]\nctrader = "ctrader.simulator.pytest_plugin"' in text
    for found in entry_points(group="pytest11"):
        assert found.name != "ctrader" or found.value == "ctrader.simulator.pytest_plugin"
