"""The journal of trading requests, with each client: one leaves it, the next one takes it up."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

import pytest

from ctrader import Settlement, SqliteJournal
from ctrader.client import CTraderClient
from ctrader.errors import (
    CTraderConnectionFailedError,
    DuplicateClientOrderIdError,
    JournalError,
    OrderNotSentError,
)
from ctrader.events import OrderResolvedEvent
from ctrader.journal import Entry, Intent
from ctrader.models import Evidence, NoEffect, TookEffect
from ctrader.proto import ProtoOANewOrderReq
from ctrader.simulator import Simulator
from tests.clients.scenarios.conftest import Serve
from tests.clients.scenarios.stage import BOUND, Stage, eventually, impatient
from tests.clients.scenarios.test_order_kinds import order, still

pytestmark = pytest.mark.anyio


class DyingJournal(SqliteJournal):
    """A journal whose process dies before it can settle anything."""

    def settle(self, intent_id: str, settlement: Settlement, order_id: int | None = None) -> None:
        raise JournalError("the process is dead")


class StuckJournal(SqliteJournal):
    """A journal whose disk is slow."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.reached = threading.Event()
        self.goes_on = threading.Event()

    def begin(self, intent: Intent) -> None:
        self.reached.set()
        assert self.goes_on.wait(BOUND)
        super().begin(intent)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "private" / "orders.journal"


def entries(path: Path) -> tuple[Entry, ...]:
    """What a journal holds that nobody has open."""
    journal = SqliteJournal(path)
    journal.open()
    try:
        return journal.entries()
    finally:
        journal.close()


def sent(simulator: Simulator) -> list[str]:
    return [each.clientOrderId for each in simulator.sent_by_client(ProtoOANewOrderReq)]


async def authenticated(client: CTraderClient, simulator: Simulator) -> int:
    credentials = simulator.credentials()
    await client.auth.authenticate_account(credentials)
    return credentials.account_id


async def leave_in_doubt(stage: Stage, simulator: Simulator, path: Path, name: str) -> None:
    """Place an order with a client whose process dies before the answer is noted."""
    async with stage.client(impatient(simulator), journal=DyingJournal(path)) as client:
        account_id = await authenticated(client, simulator)
        await client.trading.place_order(account_id, order(client_order_id=name))


async def test_an_order_is_in_the_journal_with_its_end(stage: Stage, serve: Serve, path: Path):
    simulator = still(serve)
    async with stage.client(impatient(simulator), journal=SqliteJournal(path)) as client:
        account_id = await authenticated(client, simulator)
        done = await client.trading.place_order(account_id, order(client_order_id="mine"))
        assert done.order is not None
        assert client.unresolved_orders == ()
    (entry,) = entries(path)
    assert entry.intent.client_order_id == "mine"
    assert entry.settlement is Settlement.DONE
    assert entry.order_id == done.order.order_id


async def test_what_a_dead_process_left_is_found_and_told(stage: Stage, serve: Serve, path: Path):
    simulator = still(serve)
    await leave_in_doubt(stage, simulator, path, "mine")
    async with (
        stage.client(impatient(simulator), journal=SqliteJournal(path)) as client,
        client.stream(OrderResolvedEvent) as resolutions,
    ):
        (told,) = client.unresolved_orders
        assert told.is_from_journal
        assert told.client_order_id == "mine"
        account_id = await authenticated(client, simulator)
        event = await resolutions.get(BOUND)
        assert event.outcome.request == told
        assert isinstance(event.outcome, TookEffect)
        assert client.unresolved_orders == ()
        with pytest.raises(DuplicateClientOrderIdError):
            await client.trading.place_order(account_id, order(client_order_id="mine"))
    assert [entry.settlement for entry in entries(path)] == [Settlement.DONE]
    assert sent(simulator) == ["mine"]


async def test_what_was_never_sent_is_proved_absent(stage: Stage, serve: Serve, path: Path):
    simulator = still(serve)
    journal = SqliteJournal(path)
    journal.open()
    request = ProtoOANewOrderReq(
        ctidTraderAccountId=simulator.credentials().account_id,
        symbolId=1,
        orderType="MARKET",
        tradeSide="BUY",
        volume=100_000,
        clientOrderId="mine",
    )
    journal.begin(
        Intent(
            "one",
            request.ctidTraderAccountId,
            "ProtoOANewOrderReq",
            request.SerializeToString(),
            unix_ms=round(time.time() * 1000),
            client_order_id="mine",
        )
    )
    journal.close()
    async with stage.client(
        impatient(simulator, absence_wait=0.2), journal=SqliteJournal(path)
    ) as client:
        (told,) = client.unresolved_orders
        await authenticated(client, simulator)
        outcome = await client.trading.resolve(told, timeout=BOUND)
        assert isinstance(outcome, NoEffect)
        assert outcome.evidence is Evidence.ABSENCE
    assert [entry.settlement for entry in entries(path)] == [Settlement.NO_EFFECT]
    assert sent(simulator) == []


async def test_a_journal_that_somebody_has_open_keeps_a_second_client_from_connecting(
    stage: Stage, serve: Serve, path: Path
):
    simulator = still(serve)
    journal = SqliteJournal(path)
    async with stage.client(impatient(simulator), journal=journal) as first:
        account_id = await authenticated(first, simulator)
        second = stage.client(impatient(simulator), journal=journal)
        with pytest.raises(JournalError, match="open in another client"):
            await second.connect()
        assert not second.is_connected
        await second.close()
        await first.trading.place_order(account_id, order())
    assert simulator.connections <= 1
    async with stage.client(impatient(simulator), journal=journal) as third:
        assert third.is_connected


async def test_a_connection_that_fails_lets_go_of_the_journal(
    stage: Stage, serve: Serve, path: Path
):
    simulator = still(serve)
    config = impatient(simulator)
    nowhere = stage.client(config.model_copy(update={"port": 1}), journal=SqliteJournal(path))
    with pytest.raises(CTraderConnectionFailedError):
        await nowhere.connect()
    async with stage.client(config, journal=SqliteJournal(path)) as client:
        assert client.is_connected
    await nowhere.close()


async def test_a_link_lost_while_the_disk_is_slow_leaves_the_order_unsent(
    stage: Stage, serve: Serve, path: Path
):
    simulator = still(serve)
    journal = StuckJournal(path)
    async with (
        stage.client(impatient(simulator), journal=journal) as client,
        stage.jobs() as jobs,
    ):
        account_id = await authenticated(client, simulator)
        placing = jobs.start(
            lambda: client.trading.place_order(account_id, order(client_order_id="mine"))
        )
        await eventually(stage, journal.reached.is_set)
        assert (await client.protocol.get_version()) == "90"  # nobody waits for the disk but orders
        simulator.disconnect_all()
        with pytest.raises(OrderNotSentError):
            await placing.result()
        journal.goes_on.set()
        await eventually(stage, lambda: client.is_ready)
        await client.trading.place_order(account_id, order(client_order_id="mine"))
    assert sent(simulator) == ["mine"]
    assert [entry.settlement for entry in entries(path)] == [Settlement.NOT_SENT, Settlement.DONE]


async def test_orders_of_many_callers_are_all_in_the_journal(
    stage: Stage, serve: Serve, path: Path
):
    simulator = still(serve)
    names = [f"order-{number}" for number in range(8)]
    async with (
        stage.client(impatient(simulator), journal=SqliteJournal(path)) as client,
        stage.jobs() as jobs,
    ):
        account_id = await authenticated(client, simulator)

        async def place(name: str) -> None:
            await client.trading.place_order(account_id, order(client_order_id=name))

        placing = [jobs.start(partial(place, name)) for name in names]
        for each in placing:
            await each.result()
    assert {entry.intent.client_order_id for entry in entries(path)} == set(names)
    assert {entry.settlement for entry in entries(path)} == {Settlement.DONE}
    assert sorted(sent(simulator)) == names
