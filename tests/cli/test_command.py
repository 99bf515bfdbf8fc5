"""The `ctrader` command: what it prints, how it ends, what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ctrader.cli import commands, demo, main
from ctrader.cli.screen import Screen
from ctrader.enums import ExecutionType
from ctrader.errors import ConfigurationError, CTraderConnectionFailedError
from ctrader.events import ExecutionEvent

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-c", "import sys; from ctrader.cli import main; sys.exit(main())"]
CLIENTS: tuple[list[str], ...] = ([], ["--async"], ["--async", "--loop", "trio"])
PATIENCE = 15.0


def command(*arguments: str) -> int:
    return commands.run(arguments)


@contextmanager
def process(*arguments: str) -> Generator[subprocess.Popen[str]]:
    """Run the command in a process of its own, which does not outlive the test."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


# The demo


@pytest.mark.parametrize("arguments", CLIENTS, ids=" ".join)
def test_demo_shows_the_whole_job_and_leaves_nothing_behind(
    arguments: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    threads = set(threading.enumerate())

    assert command("demo", "--seconds", "0.2", *arguments) == 0

    output = capsys.readouterr()
    assert not output.err
    for part in (
        "Accounts of the access token",
        "17091452",
        "Live quotes",
        "EURUSD",
        " / ",
        "the last 8 hours",
        "Open position",
        "net P&L",
        "Closed",
        "balance",
        "Nothing is left open.",
    ):
        assert part in output.out
    assert not list(tmp_path.iterdir())
    # Workers of a loop may take a moment to notice that it is gone.
    left = set(threading.enumerate()) - threads
    for thread in left:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in left)


def test_demo_draws_a_live_table_on_a_terminal():
    page = StringIO()
    screen = Screen(Console(file=page, force_terminal=True, width=100, highlight=False))

    demo.run_blocking(seconds=0.2, seed=1, screen=screen)

    assert "spread in pips" in page.getvalue()
    assert " / " not in page.getvalue()


def test_seed_is_shown_and_no_seconds_are_fine(capsys: pytest.CaptureFixture[str]):
    assert command("demo", "--seconds", "0", "--seed", "7") == 0
    assert "seed 7" in capsys.readouterr().out


def test_loop_without_the_async_client_is_a_wrong_command_line(
    capsys: pytest.CaptureFixture[str],
):
    assert command("demo", "--loop", "trio") == 2
    assert "--async" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        CTraderConnectionFailedError("127.0.0.1", 1, ConnectionRefusedError("refused")),
        ConfigurationError("TLS needs the simulator extra"),
        demo.DemoError("the order was not filled"),
        OSError("no port is free"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_failure_is_one_line_and_status_1(
    error: Exception, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(commands, "run_blocking", fail)
    assert command("demo") == 1
    output = capsys.readouterr()
    assert output.err == f"ctrader demo: {error}\n"
    assert not output.out


@pytest.mark.parametrize("arguments", CLIENTS, ids=" ".join)
def test_ctrl_c_ends_the_demo_quickly_with_130(arguments: list[str]):
    with process("demo", "--seconds", "600", *arguments) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if " / " in line:
                break
        running.send_signal(signal.SIGINT)
        _, problems = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130
    assert "Traceback" not in problems


def test_demo_refuses_an_order_that_was_not_filled():
    unfilled = ExecutionEvent(1, ExecutionType.ORDER_CANCELLED)
    with pytest.raises(demo.DemoError, match="ORDER_CANCELLED"):
        demo.filled(unfilled)


# The simulator


def test_simulator_serves_until_it_is_interrupted():
    with process("simulator", "--plain", "--seed", "3") as running:
        assert running.stdout is not None
        ready = json.loads(running.stdout.readline())
        assert ready["port"] > 0
        assert ready["tls"] is False
        running.send_signal(signal.SIGINT)
        _, problems = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0
    assert not problems


def test_simulator_help_lists_its_own_options(capsys: pytest.CaptureFixture[str]):
    assert command("simulator", "--help") == 0
    output = capsys.readouterr().out
    for option in ("--plain", "--port", "--seed", "--replay", "--speed", "--name", "--ca-file"):
        assert option in output


def test_simulator_counts_wrong_arguments_as_such(capsys: pytest.CaptureFixture[str]):
    assert command("simulator", "--plain", "--start", "yesterday") == 2
    assert "argument --start: 'yesterday'" in capsys.readouterr().err
    assert command("simulator", "--plain", "--speed", "fast") == 2
    assert "argument --speed: " in capsys.readouterr().err


def test_simulator_prints_how_others_reach_it(tmp_path: Path):
    file = tmp_path / "ca.pem"
    names = ("--name", "broker.example", "--name", "192.0.2.7")
    with process("simulator", "--host", "0.0.0.0", *names, "--ca-file", str(file)) as running:
        assert running.stdout is not None
        ready = json.loads(running.stdout.readline())
        assert ready["host"] == "broker.example"
        assert ready["oauth_url"].startswith("https://broker.example:")
        assert ready["ca_file"] == str(file)
        running.send_signal(signal.SIGINT)
        _, problems = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0
    assert not problems
    assert not file.exists()


# The rest


def test_version_names_what_it_runs_on(capsys: pytest.CaptureFixture[str]):
    assert command("version") == 0
    output = capsys.readouterr().out
    assert output.startswith("ctrader ")
    assert "protobuf" in output


def test_version_is_an_option_too(capsys: pytest.CaptureFixture[str]):
    assert command("version") == 0
    expected = capsys.readouterr().out
    assert command("--version") == 0
    assert capsys.readouterr().out == expected


def test_ctrl_c_while_loading_ends_with_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    class Interrupted:
        def __getattr__(self, name: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "ctrader.cli.commands", Interrupted())
    assert main() == 130
    assert not capsys.readouterr().err


def test_entry_point_reads_the_command_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "argv", ["ctrader", "version"])
    assert main() == 0
    assert capsys.readouterr().out.startswith("ctrader ")


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_missing_extra_is_one_line_and_status_2(
    missing: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    for name in [name for name in sys.modules if name.startswith(("ctrader.cli.", f"{missing}."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    assert main() == 2
    output = capsys.readouterr()
    assert output.err == (f"ctrader: the command needs {missing}: pip install 'ctrader[cli]'\n")


def test_other_missing_modules_are_not_hidden(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.startswith("ctrader.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ctrader.simulator", None)
    with pytest.raises(ModuleNotFoundError, match=r"ctrader\.simulator"):
        main()
