"""Twenty thousand quotes a second, for consumers that sleep, fail, ask the client, or keep up.

The server is a program of its own. It sends quotes at that pace, and an execution after every 100,
and tells afterwards when it heard the client.
"""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, cast

import anyio
import pytest

from ctrader.client import CTraderClient
from ctrader.config import ClientConfig
from ctrader.credentials import AccountCredentials
from ctrader.events import ExecutionEvent, SpotEvent
from tests.adversity.flood_server import (
    ACCOUNT,
    ASK_BASE,
    BID_BASE,
    QUOTES_PER_EXECUTION,
    SYMBOLS,
)
from tests.adversity.steps import running_tasks
from tests.clients.scenarios.stage import Stage, eventually

pytestmark = pytest.mark.anyio

RATE: Final = 20_000
HEARTBEAT: Final = 1.0
"""Longest silence of the client, in seconds, that its configuration allows."""
LONGEST_SILENCE: Final = 4 * HEARTBEAT
"""What it may come to on a machine that has other things to do, in seconds."""
SETTLED: Final = 2.0
"""Seconds after which nothing grows any more."""
GROWTH: Final = 1.25
"""What memory may grow by from then on."""
LATE: Final = 4
"""What the flood may take of its time where the machine has other things to do."""
NAP: Final = 0.02
"""Seconds that the sleeping handler sleeps for each quote."""


@dataclass(slots=True)
class Tally:
    """What one consumer of quotes has seen; it fails if a price goes back."""

    delivered: int = 0
    bids: dict[int, int] = field(default_factory=dict[int, int])
    asks: dict[int, int] = field(default_factory=dict[int, int])
    went_back: int = 0

    def take(self, event: SpotEvent) -> None:
        self.delivered += 1
        for newest, points in ((self.bids, event.bid_points), (self.asks, event.ask_points)):
            if points is not None:
                self.went_back += points <= newest.get(event.symbol_id, 0)
                newest[event.symbol_id] = points


@dataclass(slots=True)
class Flood:
    """The program that sends, and what it told in the end."""

    process: subprocess.Popen[str]
    port: int
    ca_file: str

    def report(self) -> dict[str, Any]:
        """Wait for its end, and return what it heard."""
        out, _ = self.process.communicate(timeout=30)
        told: dict[str, Any] = json.loads(out)
        return told


@contextmanager
def flood(seconds: float) -> Generator[Flood]:
    command = [sys.executable, "-m", "tests.adversity.flood_server"]
    command += ["--seconds", str(seconds), "--rate", str(RATE)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    with process:
        try:
            assert process.stdout is not None
            where = json.loads(process.stdout.readline())
            yield Flood(process, where["port"], where["ca_file"])
        finally:
            process.kill()


def resident() -> int:
    """Return the pages of memory that this process holds; 0 where the system does not tell."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) if statm.exists() else 0


@pytest.fixture(autouse=True)
def unmeasured() -> Iterator[None]:
    """Leave out a measurement of coverage: it takes twice the time, and the pace is the point."""
    here, threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(cast("Any", None))  # None is fine; the stub is narrower
    yield
    sys.settrace(here)
    threading.settrace(cast("Any", threads))


@pytest.mark.timeout(90)
async def test_flood_of_quotes_delays_no_execution_and_no_heartbeat(
    stage: Stage, caplog: pytest.LogCaptureFixture
):
    await run(stage, caplog, seconds=10.0)


@pytest.mark.torture
@pytest.mark.timeout(300)
async def test_long_flood_of_quotes_delays_no_execution_and_no_heartbeat(
    stage: Stage, caplog: pytest.LogCaptureFixture
):
    await run(stage, caplog, seconds=60.0)


async def run(stage: Stage, caplog: pytest.LogCaptureFixture, seconds: float) -> None:
    caplog.set_level(logging.WARNING)
    quotes = round(seconds * RATE)
    executions = quotes // QUOTES_PER_EXECUTION
    with flood(seconds) as server:
        config = ClientConfig(
            host="127.0.0.1",
            port=server.port,
            ca_file=server.ca_file,
            client_id="flood",
            client_secret="flood-secret",
            heartbeat_interval=HEARTBEAT,
        )
        async with stage.client(config) as client, stage.jobs() as jobs:
            scene = Scene(stage, client, executions)
            scene.register()
            await client.auth.authenticate_account(CREDENTIALS)
            readers = [jobs.start(scene.read_slowly), jobs.start(scene.read_at_once)]
            began = time.monotonic()
            await client.market_data.subscribe_spots(ACCOUNT, list(range(1, SYMBOLS + 1)))
            samples = await scene.sample(began, until=began + seconds * LATE)
            took = time.monotonic() - began
            scene.is_flooding = False
            assert scene.deals == list(range(1, executions + 1))
            await eventually(stage, lambda: scene.accounted() == [quotes] * 5, "every quote")
            for stream in scene.streams:
                stream.close()
            for reader in readers:
                await reader.result()
        told = server.report()

    last = {1 + number % SYMBOLS: number for number in range(quotes - 2 * SYMBOLS, quotes)}
    for tally in scene.tallies:
        assert tally.went_back == 0
        assert tally.asks == {symbol: ASK_BASE + number for symbol, number in last.items()}
        assert tally.bids == {
            symbol: BID_BASE + number - SYMBOLS for symbol, number in last.items()
        }
    assert scene.napper.delivered < quotes / 2, "it should have fallen behind"
    assert scene.counted["at once"].delivered > 0
    assert took < seconds * LATE
    assert_steady(samples)
    heard = [0.0, *(at for at in told["heard"] if at < told["sent_in"]), told["sent_in"]]
    assert max(after - before for before, after in pairwise(heard)) < LONGEST_SILENCE
    assert told["heartbeats"] >= seconds / 5
    assert told["requests"] == scene.answers
    assert scene.answers > seconds
    failures = [each for each in caplog.records if "failed for a SpotEvent" in each.getMessage()]
    assert 0 < len(failures) < 15 + 2 * took
    assert "were not logged" in failures[-1].getMessage()


def assert_steady(samples: list[tuple[int, int]]) -> None:
    """Hold memory and the number of tasks and threads to what they were at the beginning."""
    first_pages, first_running = samples[0]
    for pages, running in samples:
        assert pages <= first_pages * GROWTH
        assert running <= first_running + 8, "the blocking client has eight threads for handlers"


CREDENTIALS: Final = AccountCredentials(
    account_id=ACCOUNT, access_token="flood-token", refresh_token="flood-fresh", expires_at=4e9
)


class Scene:
    """The consumers, and what each of them saw."""

    def __init__(self, stage: Stage, client: CTraderClient, executions: int) -> None:
        self.is_flooding = True
        self.deals: list[int] = []
        self.answers = 0
        self.counted = {name: Tally() for name in ("naps", "fails", "asks", "slowly", "at once")}
        self.streams = [client.stream(SpotEvent), client.stream(SpotEvent)]
        self._stage = stage
        self._client = client
        self._executions = executions

    @property
    def tallies(self) -> list[Tally]:
        return list(self.counted.values())

    @property
    def napper(self) -> Tally:
        return self.counted["naps"]

    def register(self) -> None:
        register = self._client.register_handler
        for handler in (self.nap, self.fail, self.ask):
            register(SpotEvent, handler)
        register(ExecutionEvent, self.note)

    def accounted(self) -> list[int]:
        """Return of each consumer what it got, what was merged and what was dropped, together."""
        handlers = [
            report.delivered + report.waiting + report.merged + report.dropped
            for report in self._client.handlers
            if report.event_type is SpotEvent
        ]
        streams = [
            self.counted[name].delivered + stream.merged + stream.dropped
            for name, stream in zip(("slowly", "at once"), self.streams, strict=True)
        ]
        return handlers + streams

    async def nap(self, event: SpotEvent) -> None:
        self.napper.take(event)
        if self.is_flooding:
            await self._pause(NAP)

    async def fail(self, event: SpotEvent) -> None:
        self.counted["fails"].take(event)
        raise ValueError("this handler always fails")

    async def ask(self, event: SpotEvent) -> None:
        """Ask the client while the first half comes; then it has nothing to say but heartbeats."""
        self.counted["asks"].take(event)
        if len(self.deals) < self._executions / 2:
            await self._client.accounts.get_trader(ACCOUNT)
            self.answers += 1

    async def note(self, event: ExecutionEvent) -> None:
        assert event.deal is not None
        self.deals.append(event.deal.deal_id)

    async def read_slowly(self) -> None:
        async for event in self.streams[0]:
            self.counted["slowly"].take(event)
            if self.is_flooding:
                await self._pause(NAP)

    async def read_at_once(self) -> None:
        async for event in self.streams[1]:
            self.counted["at once"].take(event)

    async def sample(self, began: float, until: float) -> list[tuple[int, int]]:
        """Look at memory, tasks and threads until all executions have come."""
        samples: list[tuple[int, int]] = []
        while len(self.deals) < self._executions and time.monotonic() < until:
            await self._pause(0.1)
            if time.monotonic() > began + SETTLED:
                tasks = 0 if self._stage.is_blocking else len(running_tasks())
                samples.append((resident(), tasks + threading.active_count()))
        return samples

    async def _pause(self, seconds: float) -> None:
        if not self._stage.is_blocking:
            await anyio.sleep(seconds)
        else:
            _sleep(seconds)


def _sleep(seconds: float) -> None:
    time.sleep(seconds)  # the counterpart of the loops' own: the handler is to be slow
