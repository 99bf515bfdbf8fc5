"""Every program in `examples` runs to its end, against a simulator of its own or a given one."""

from __future__ import annotations

import runpy
import sys

import pytest

from tests.examples.documents import ROOT

EXAMPLES = ROOT / "examples"

ARGUMENTS = {
    "account_watch": ["--seconds", "2"],
    "async_quotes": ["--count", "5"],
    "breakout_bot": [],
    "breakout_bot_async": [],
    "history": ["--days", "300"],
    "market_order": [],
    "section9": ["--count", "5"],
    "section9_sync": ["--count", "5"],
    "sync_quotes": ["--count", "5"],
    "trio_quotes": ["--count", "3"],
}

PATIENT = {"breakout_bot", "breakout_bot_async"}
"""Programs that wait for the price to go somewhere: a simulator of their own lets it run."""


def run(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: str) -> None:
    """Run a program in this process, as `python examples/name.py` would."""
    path = str(EXAMPLES / f"{name}.py")
    monkeypatch.setattr(sys, "argv", [path, *arguments])
    status: object = None
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        status = end.code
    assert not status, f"{name} ended with status {status}"


def test_every_example_is_tested():
    programs = {
        path.stem
        for path in EXAMPLES.glob("*.py")
        if not path.stem.startswith("test_") and "__main__" in path.read_text(encoding="utf-8")
    }
    assert programs == ARGUMENTS.keys()


@pytest.mark.usefixtures("in_environment")
@pytest.mark.parametrize("name", [name for name in ARGUMENTS if name not in PATIENT])
def test_example_runs_with_a_connection_from_the_environment(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    run(monkeypatch, name, *ARGUMENTS[name])
    output = capsys.readouterr()
    assert output.out
    assert not output.err


@pytest.mark.parametrize("name", ARGUMENTS)
def test_example_runs_against_a_simulator_of_its_own(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    # One quote comes at once; more would come at the pace of a real market.
    arguments = ["--count", "1"] if "--count" in ARGUMENTS[name] else ARGUMENTS[name]
    run(monkeypatch, name, "--simulator", *arguments)
    assert capsys.readouterr().out


@pytest.mark.usefixtures("in_environment")
@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("count", [1, 3, 10])
def test_handler_example_prints_as_many_prices_as_asked_for(
    loop: str,
    count: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    run(monkeypatch, "section9", "--loop", loop, "--count", str(count))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= count
    assert all(line.startswith("PRICE: ") for line in lines)


@pytest.mark.usefixtures("in_environment")
def test_order_example_refuses_the_live_host(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("CTRADER_HOST", "live.ctraderapi.com")
    monkeypatch.setattr(sys, "argv", ["market_order.py"])
    with pytest.raises(SystemExit, match="2"):
        runpy.run_path(str(EXAMPLES / "market_order.py"), run_name="__main__")
    assert "--live" in capsys.readouterr().err
