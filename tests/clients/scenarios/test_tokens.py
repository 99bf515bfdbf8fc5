"""Tokens are kept in a store, exchanged once, and shared among the clients that use it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ctrader import (
    FileTokenStore,
    GrantKey,
    MemoryTokenStore,
    ReauthorizationRequiredError,
    StoredGrant,
    TokenSaveFailedEvent,
    TokensRotatedEvent,
    TokenStoreError,
)
from ctrader.credentials import AccountCredentials
from ctrader.events import ReauthorizationRequiredEvent, SpotEvent
from ctrader.proto import ProtoOARefreshTokenReq
from ctrader.simulator import Simulator
from tests.clients.scenarios.stage import BOUND, Record, Stage, eventually, impatient
from tests.clients.scenarios.test_connecting import received

pytestmark = pytest.mark.anyio


def newest(store: FileTokenStore, simulator: Simulator) -> str:
    """The refresh token that a store holds for the only user of a simulator."""
    (path,) = store.folder.glob("grant-*.json")
    key = GrantKey(simulator.client_config().client_id, int(path.name.split("-")[1]))
    kept = store.load(key)
    assert kept is not None
    assert kept.exchanging is None
    return kept.tokens.refresh_token


async def test_pair_is_saved_told_and_used(stage: Stage, brisk: Simulator, tmp_path: Path):
    store = FileTokenStore(tmp_path / "tokens")
    told: list[AccountCredentials] = []
    rotated: Record[TokensRotatedEvent] = Record()
    old = brisk.credentials()
    client = stage.client(impatient(brisk), token_store=store, on_tokens_refreshed=told.append)
    client.register_handler(TokensRotatedEvent, rotated)
    async with client:
        await client.auth.authenticate_account(old)
        await client.market_data.subscribe_spots(old.account_id, [1])
        await eventually(stage, lambda: list(store.folder.glob("grant-*.json")), "the first save")
        assert newest(store, brisk) == old.refresh_token
        new = await client.auth.refresh(old)
        assert newest(store, brisk) == new.refresh_token == brisk.credentials().refresh_token
        assert told == [new]
        await eventually(stage, lambda: rotated.events, "the event")
        assert rotated.events[0].credentials == (new,)
        await eventually(
            stage, lambda: client.is_account_authorized(old.account_id), "the next session"
        )
        async with client.stream(SpotEvent) as quotes:
            await quotes.get(BOUND)  # subscriptions came back with the account


async def test_old_tokens_lead_the_next_run_to_the_newest(
    stage: Stage, brisk: Simulator, tmp_path: Path
):
    old = brisk.credentials()
    async with stage.client(
        impatient(brisk), token_store=FileTokenStore(tmp_path / "tokens")
    ) as client:
        await client.auth.authenticate_account(old)
        new = await client.auth.refresh(old)
    async with stage.client(
        impatient(brisk), token_store=FileTokenStore(tmp_path / "tokens")
    ) as client:
        await client.auth.authenticate_account(old)
        assert client.auth.get_credentials(old.account_id) == new
    async with stage.client(
        impatient(brisk), token_store=FileTokenStore(tmp_path / "tokens")
    ) as client:
        found = await client.auth.authenticate_by_trader_login(
            17_091_452, old.access_token, old.refresh_token, old.expires_at
        )
        assert found == new
    assert received(brisk, ProtoOARefreshTokenReq) == 1


async def test_two_clients_of_one_store_spend_a_token_once(
    stage: Stage, brisk: Simulator, tmp_path: Path
):
    old = brisk.credentials()
    store = FileTokenStore(tmp_path / "tokens")
    async with (
        stage.client(impatient(brisk), token_store=store) as one,
        stage.client(impatient(brisk), token_store=FileTokenStore(store.folder)) as other,
        stage.jobs() as jobs,
    ):
        for client in (one, other):
            await client.auth.authenticate_account(old)
        first = jobs.start(lambda: one.auth.refresh(old))
        second = jobs.start(lambda: other.auth.refresh(old))
        pairs = [await first.result(), await second.result()]
        assert pairs[0] == pairs[1] == one.auth.get_credentials(old.account_id)
        await eventually(
            stage,
            lambda: all(c.is_account_authorized(old.account_id) for c in (one, other)),
            "both in session",
        )
    assert received(brisk, ProtoOARefreshTokenReq) == 1


async def test_store_that_fails_once_has_the_pair_a_second_later(stage: Stage, brisk: Simulator):
    class Failing(MemoryTokenStore):
        saves = 0

        def save(self, key: GrantKey, grant: StoredGrant) -> None:
            type(self).saves += 1
            if self.saves == 3:  # the pair itself, after its first save and the intent
                raise TokenStoreError("no space")
            super().save(key, grant)

    store = Failing()
    failures: Record[TokenSaveFailedEvent] = Record()
    old = brisk.credentials()
    client = stage.client(impatient(brisk), token_store=store)
    client.register_handler(TokenSaveFailedEvent, failures)
    async with client:
        await client.auth.authenticate_account(old)
        await eventually(stage, lambda: store.saves, "the first save")
        new = await client.auth.refresh(old)
        assert [event.account_ids for event in failures.events] == [(old.account_id,)]
    assert store.saves == 4
    assert new.refresh_token == brisk.credentials().refresh_token


async def test_function_that_is_interrupted_is_called_again(
    stage: Stage, brisk: Simulator, anyio_backend: str
):
    # Each of them is no Exception, so that what only catches those would wait for ever.
    interruption = {"sync": SystemExit, "asyncio": asyncio.CancelledError}.get(
        anyio_backend, RuntimeError
    )
    told: list[AccountCredentials] = []

    def keep(credentials: AccountCredentials) -> None:
        told.append(credentials)
        if len(told) == 1:
            raise interruption

    old = brisk.credentials()
    async with stage.client(impatient(brisk), on_tokens_refreshed=keep) as client:
        await client.auth.authenticate_account(old)
        new = await client.auth.refresh(old)
        await eventually(stage, lambda: told == [new, new], "the second call")


async def test_store_that_is_interrupted_is_asked_again(stage: Stage, brisk: Simulator):
    class Interrupted(MemoryTokenStore):
        saves = 0

        def save(self, key: GrantKey, grant: StoredGrant) -> None:
            type(self).saves += 1
            if self.saves == 3:
                raise asyncio.CancelledError  # it has a loop of its own, say
            super().save(key, grant)

    old = brisk.credentials()
    store = Interrupted()
    async with stage.client(impatient(brisk), token_store=store) as client:
        await client.auth.authenticate_account(old)
        await eventually(stage, lambda: store.saves, "the first save")
        await client.auth.refresh(old)
        await eventually(stage, lambda: store.saves == 4, "the second try")


async def test_spent_pair_asks_for_a_new_consent(stage: Stage, brisk: Simulator):
    old = brisk.credentials()
    async with stage.client(impatient(brisk)) as thief:
        await thief.auth.refresh(old)
    asked: Record[ReauthorizationRequiredEvent] = Record()
    client = stage.client(impatient(brisk), token_store=MemoryTokenStore())
    client.register_handler(ReauthorizationRequiredEvent, asked)
    async with client:
        with pytest.raises(ReauthorizationRequiredError) as caught:
            await client.auth.refresh(old)
        assert caught.value.account_ids == (old.account_id,)
        await eventually(stage, lambda: asked.events, "the event")
        await client.auth.authenticate_account(brisk.credentials())
        assert client.is_account_authorized(old.account_id)


async def test_clock_can_be_stopped(stage: Stage, brisk: Simulator):
    async with stage.client(impatient(brisk), token_store=MemoryTokenStore()) as client:
        client.auth.stop()
        client.auth.start()
        await client.auth.authenticate_account(brisk.credentials())
        assert client.is_account_authorized(brisk.credentials().account_id)
