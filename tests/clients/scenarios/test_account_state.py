"""The local state of an account, on asyncio, on trio and without a loop."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import pytest

from ctrader.errors import AccountAuthError
from ctrader.events import AccountStateChangedEvent
from ctrader.live.state import AccountState
from ctrader.models.changes import FreshnessChanged, PositionClosed, PositionOpened
from ctrader.proto import (
    ProtoOAReconcileReq,
    ProtoOASubscribeSpotsReq,
    ProtoOAUnsubscribeSpotsReq,
)
from tests.clients.scenarios.conftest import Serve
from tests.clients.scenarios.stage import BOUND, Stage, at_desk, eventually
from tests.clients.scenarios.test_order_kinds import LOT, still

pytestmark = pytest.mark.anyio

SIZE: Final = 10 * LOT


async def test_state_follows_prices_and_other_terminals(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with (
        at_desk(stage, simulator) as desk,
        desk.client.stream(AccountStateChangedEvent, account_id=desk.account_id) as changes,
    ):
        state = await desk.client.account_state(desk.account_id)
        assert isinstance(state, AccountState)
        assert not state.is_stale
        assert state.balance == state.equity == state.free_margin
        first = await changes.get(BOUND)
        assert [type(each) for each in first.changes] == [FreshnessChanged]
        assert not first.while_away

        simulator.terminal().buy("EURUSD", SIZE)
        opened = await changes.get(BOUND)
        while not any(isinstance(each, PositionOpened) for each in opened.changes):
            opened = await changes.get(BOUND)
        assert not opened.while_away
        await eventually(stage, lambda: state.equity is not None, "the first quote")
        held = state.positions

        simulator.set_price("EURUSD", 1.10100, 1.10102)
        await eventually(stage, lambda: _gross(state) == _moved(state), "the new price")
        assert held == state.positions
        with pytest.raises(TypeError):
            state.positions[1] = None  # type: ignore[index] # nobody may change what others read


async def test_what_happened_during_a_loss_is_told_as_such(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator, reconnect_min_wait=1.0, reconnect_max_wait=1.5) as desk:
        terminal = simulator.terminal()
        terminal.buy("EURUSD", SIZE)
        state = await desk.client.account_state(desk.account_id)
        await eventually(stage, lambda: state.positions, "the position")
        async with desk.client.stream(AccountStateChangedEvent) as changes:
            simulator.disconnect_all()
            lost = await changes.get(BOUND)
            assert [type(each) for each in lost.changes] == [FreshnessChanged]
            assert state.positions
            terminal.close(terminal.positions[0])
            found = await changes.get(BOUND)
            assert found.while_away
            assert any(isinstance(each, PositionClosed) for each in found.changes)
            assert not state.is_stale
            assert not state.positions


async def test_release_gives_the_quotes_back(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk:
        simulator.terminal().buy("EURUSD", SIZE)
        state = await desk.client.account_state(desk.account_id)
        assert await desk.client.account_state(desk.account_id) is state
        await eventually(
            stage, lambda: simulator.sent_by_client(ProtoOASubscribeSpotsReq), "the subscription"
        )
        await eventually(stage, lambda: state.equity is not None, "the first quote")

        assert await desk.client.release_account_state(desk.account_id)
        assert len(simulator.sent_by_client(ProtoOAUnsubscribeSpotsReq)) == 1
        assert state.is_stale
        assert not await desk.client.release_account_state(desk.account_id)
        assert len(simulator.sent_by_client(ProtoOAReconcileReq)) == 1


async def test_account_that_is_not_authenticated(stage: Stage, serve: Serve):
    async with at_desk(stage, still(serve)) as desk:
        with pytest.raises(AccountAuthError, match="authenticate_account"):
            await desk.client.account_state(desk.account_id + 999)


async def test_state_may_be_read_on_any_thread(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk, stage.jobs() as jobs:
        simulator.terminal().buy("EURUSD", SIZE)
        state = await desk.client.account_state(desk.account_id)
        await eventually(stage, lambda: state.equity is not None, "the first quote")

        async def read() -> None:
            for _ in range(2_000):
                equity, balance = state.equity, state.balance
                assert equity is None or balance is None or abs(equity - balance) < balance
                if stage.is_blocking:
                    continue
                if _ % 100 == 0:
                    await stage.pause()

        readers = [jobs.start(read) for _ in range(3)]
        for step in range(50):
            simulator.set_price("EURUSD", 1.1 + step / 10_000, 1.10002 + step / 10_000)
        for reader in readers:
            await reader.result()


async def test_handler_may_ask_for_the_state_and_release_it(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk:
        client, account_id = desk.client, desk.account_id
        state = await client.account_state(account_id)
        same: list[bool] = []
        done = stage.signal()

        async def react(event: AccountStateChangedEvent) -> None:
            if same:
                return
            same.append(await client.account_state(account_id) is state)
            same.append(await client.release_account_state(account_id))
            again = await client.account_state(account_id)
            same.append(again is not state and bool(again.positions) and not again.is_stale)
            done.set()

        client.register_handler(AccountStateChangedEvent, react)
        simulator.terminal().buy("EURUSD", SIZE)
        await done.wait()
        assert same == [True, True, True]
        assert state.is_stale


async def test_handler_of_a_change_may_close_the_client(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk:
        client = desk.client
        state = await client.account_state(desk.account_id)
        done = stage.signal()

        async def end(event: AccountStateChangedEvent) -> None:
            if not event.changes or isinstance(event.changes[0], FreshnessChanged):
                return
            done.set()
            await client.close()

        client.register_handler(AccountStateChangedEvent, end)
        simulator.terminal().buy("EURUSD", SIZE)
        await done.wait()
        await eventually(stage, lambda: state.is_stale, "the end of the client")
        assert not client.is_connected


async def test_two_clients_that_follow_one_account_see_the_same(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as one, at_desk(stage, simulator) as other:
        states = [await desk.client.account_state(desk.account_id) for desk in (one, other)]
        simulator.terminal().buy("EURUSD", SIZE)
        await eventually(
            stage,
            lambda: all(len(each.positions) == 1 and each.equity is not None for each in states),
            "the position, valued",
        )
        assert states[0].positions == states[1].positions
        assert await one.client.release_account_state(one.account_id)
        assert (states[0].is_stale, states[1].is_stale) == (True, False)


async def test_several_who_ask_and_release_at_once(stage: Stage, serve: Serve):
    """However they fall, everybody gets an answer, and the last who asks a state that is right."""
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk, stage.jobs() as jobs:
        simulator.terminal().buy("EURUSD", SIZE)
        client, account_id = desk.client, desk.account_id

        async def ask() -> None:
            for _ in range(5):
                assert await client.account_state(account_id) is not None

        async def release() -> None:
            for _ in range(5):
                await client.release_account_state(account_id)

        for job in [jobs.start(work) for work in (ask, release, ask, release)]:
            await job.result()
        state = await client.account_state(account_id)
        await eventually(stage, lambda: len(state.positions) == 1 and not state.is_stale, "it")
        await eventually(stage, lambda: state.equity is not None, "the quote")


def _gross(state: AccountState) -> Decimal | None:
    return None if state.floating_pnl is None else state.floating_pnl.gross


def _moved(state: AccountState) -> Decimal:
    """Return what a long position of EURUSD at 1.10002 has won at 1.10100."""
    (position,) = state.positions.values()
    moved = Decimal("1.10100") - Decimal(str(position.entry_price))
    return (moved * position.volume / 100).quantize(Decimal("0.01"))
