"""Who may use which account, from the first token to the last word of the server."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import pytest

from ctrader.enums import AccountType
from ctrader.errors import AccountAuthError, TokenExpiredError
from ctrader.events import (
    AccountDisconnectEvent,
    ClientDisconnectEvent,
    Event,
    ReadyEvent,
    SpotEvent,
    TokenInvalidatedEvent,
    TraderUpdateEvent,
)
from ctrader.proto import ProtoOAAccountAuthReq, ProtoOAApplicationAuthReq
from ctrader.simulator import DEFAULT_ACCOUNTS, Simulator, Switches
from ctrader.units import datetime_from_millis
from tests.clients.scenarios.books import account_books, wire_money
from tests.clients.scenarios.conftest import Serve
from tests.clients.scenarios.stage import BOUND, Record, Stage, at_desk, eventually, impatient
from tests.clients.scenarios.test_order_kinds import order, still

pytestmark = pytest.mark.anyio

HURRY: Final[dict[str, Any]] = {"reauth_policy": {"min_wait": 0.02, "max_wait": 0.1}}


async def test_token_opens_the_accounts_and_profile_of_its_user(stage: Stage, serve: Serve):
    simulator = still(serve, switches=Switches(version="91"))
    async with at_desk(stage, simulator) as desk:
        client = desk.client
        await client.trading.place_order(desk.account_id, order())
        position = (await client.trading.get_open_positions(desk.account_id))[0]
        simulator.terminal().close(position.position_id)
        await eventually(
            stage,
            lambda: account_books(simulator, desk.account_id)["last_closing"] is not None,
            "the close",
        )
        token = simulator.credentials().access_token
        accounts = await client.accounts.list_by_token(token)
        assert await client.auth.get_accounts(token) == accounts
        profile = await client.accounts.get_profile(token)
        assert await client.protocol.get_version() == "91"
        with pytest.raises(TokenExpiredError):
            await client.accounts.get_profile("worthless")
    with simulator.locked() as exchange:
        assert profile.user_id == exchange.grants.grants[0].user_id
    assert {each.account_id for each in accounts} == {each.account_id for each in DEFAULT_ACCOUNTS}
    for account in accounts:
        books = account_books(simulator, account.account_id)
        assert (account.trader_login, account.is_live, account.broker_name) == (
            books["terms"]["trader_login"],
            books["terms"]["is_live"],
            books["terms"]["broker_name"],
        )
        assert account.last_balance_update_timestamp == datetime_from_millis(books["last_booking"])
        closed = books["last_closing"]
        assert account.last_closing_deal_timestamp == (closed and datetime_from_millis(closed))


async def test_every_account_is_told_as_the_books_have_it_and_anew_when_it_changes(
    stage: Stage, simulator: Simulator
):
    specs = [spec for spec in DEFAULT_ACCOUNTS if not spec.is_live]
    for place, spec in enumerate(specs):
        async with (
            at_desk(stage, simulator, account=place) as desk,
            desk.client.stream(TraderUpdateEvent) as updates,
        ):
            trader = await desk.client.accounts.get_trader(desk.account_id)
            books = account_books(simulator, desk.account_id)
            assert (trader.account_id, trader.trader_login) == (spec.account_id, spec.trader_login)
            assert wire_money(trader.balance) == books["balance"]
            assert trader.deposit_asset_id == books["deposit_asset"]
            assert trader.leverage == spec.leverage
            assert trader.account_type is AccountType(spec.account_type)
            assert trader.registration_timestamp == datetime_from_millis(books["opened"])
            with simulator.locked() as exchange:
                exchange.change_account(desk.account_id, swap_free=True, leverage=25)
            update = await updates.get(BOUND)
            assert update.account_id == desk.account_id
            assert update.account == trader.model_copy(
                update={"swap_free": True, "leverage_in_cents": 2500, "max_leverage": 2500}
            )
            assert await desk.client.accounts.get_trader(desk.account_id) == update.account


async def test_account_that_logged_out_hears_nothing_until_it_is_back(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator) as desk:
        client, account_id = desk.client, desk.account_id
        seen: Record[Event] = Record()
        client.register_handler(TraderUpdateEvent, seen, account_id=account_id)
        async with client.stream(AccountDisconnectEvent) as ends:
            await client.auth.logout(account_id)
            assert (await ends.get(BOUND)).account_id == account_id
        assert not client.auth.is_account_authorized(account_id)
        with pytest.raises(AccountAuthError):
            await client.accounts.get_trader(account_id)
        with simulator.locked() as exchange:
            exchange.change_account(account_id, leverage=10)
        await client.auth.authenticate_account(simulator.credentials())
        with simulator.locked() as exchange:
            exchange.change_account(account_id, leverage=20)
        await eventually(stage, lambda: seen.events, "the second change")
        (update,) = seen.events
        assert isinstance(update, TraderUpdateEvent)
        assert update.account.leverage == 20


async def test_refresh_by_one_connection_ends_the_token_of_another(stage: Stage, serve: Serve):
    simulator = still(serve)
    old = simulator.credentials()
    async with at_desk(stage, simulator) as one, at_desk(stage, simulator, **HURRY) as other:
        account_id = other.account_id
        await other.client.market_data.subscribe_spots(account_id, [1])
        async with (
            other.client.stream(TokenInvalidatedEvent) as invalid,
            other.client.stream(AccountDisconnectEvent) as ends,
        ):
            new = await one.client.auth.refresh(old)
            event = await invalid.get(BOUND)
            assert event.account_ids == (account_id,)
            assert event.reason == "Access token has been refreshed"
            assert (await ends.get(BOUND)).account_id == account_id
        assert not other.client.auth.is_account_authorized(account_id)
        with pytest.raises(TokenExpiredError):
            await other.client.auth.authenticate_account(old)
        async with other.client.stream(SpotEvent) as spots:
            await other.client.auth.authenticate_account(new)
            await other.client.market_data.subscribe_spots(account_id, [1])
            assert (await spots.get(BOUND)).bid == 1.1
        trader = await other.client.accounts.get_trader(account_id)
        assert wire_money(trader.balance) == account_books(simulator, account_id)["balance"]


async def test_session_of_the_program_that_the_server_ends_comes_back(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with at_desk(stage, simulator, **HURRY) as desk:
        ready: Record[ReadyEvent] = Record()
        desk.client.register_handler(ReadyEvent, ready, account_id=desk.account_id)
        async with desk.client.stream(ClientDisconnectEvent) as ends:
            simulator.script.disconnect_client("Too many of you")
            assert (await ends.get(BOUND)).reason == "Too many of you"
        await eventually(stage, lambda: ready.events, "the account")
        trader = await desk.client.accounts.get_trader(desk.account_id)
        assert wire_money(trader.balance) == account_books(simulator, desk.account_id)["balance"]
    assert len(simulator.sent_by_client(ProtoOAApplicationAuthReq)) == 2
    assert len(simulator.sent_by_client(ProtoOAAccountAuthReq)) == 2


async def test_account_that_the_server_ends_comes_back_and_others_stay(stage: Stage, serve: Serve):
    simulator = still(serve)
    second = simulator.credentials(1)
    async with at_desk(stage, simulator, **HURRY) as desk:
        client = desk.client
        await client.auth.authenticate_account(second)
        ready: Record[ReadyEvent] = Record()
        client.register_handler(ReadyEvent, ready)
        async with client.stream(AccountDisconnectEvent) as ends:
            simulator.script.disconnect_account(desk.account_id)
            assert (await ends.get(BOUND)).account_id == desk.account_id
        assert client.auth.is_account_authorized(second.account_id)
        await eventually(stage, lambda: ready.events, "the account")
        assert {event.account_id for event in ready.events} == {desk.account_id}
        assert (await client.accounts.get_trader(desk.account_id)).account_id == desk.account_id


async def test_grant_that_the_user_withdraws_ends_its_accounts(stage: Stage, serve: Serve):
    simulator = still(serve)
    async with (
        at_desk(stage, simulator) as desk,
        desk.client.stream(TokenInvalidatedEvent) as invalid,
    ):
        simulator.script.revoke_token()
        event = await invalid.get(BOUND)
        assert (event.account_ids, event.reason) == (
            (desk.account_id,),
            "Access token has been revoked",
        )
        with pytest.raises(TokenExpiredError):
            await desk.client.auth.authenticate_account(simulator.credentials())


async def test_live_account_is_told_by_the_live_port(stage: Stage, serve: Serve):
    live = DEFAULT_ACCOUNTS[3]
    simulator = serve(live=True, accounts=(replace(live, leverage=40), *DEFAULT_ACCOUNTS[:3]))
    async with stage.client(impatient(simulator)) as client:
        found = await client.auth.authenticate_by_trader_login(
            live.trader_login, *token_terms(simulator)
        )
        trader = await client.accounts.get_trader(found.account_id)
        assert (trader.account_id, trader.leverage) == (live.account_id, Decimal(40))


def token_terms(simulator: Simulator) -> tuple[str, str, float]:
    credentials = simulator.credentials()
    return credentials.access_token, credentials.refresh_token, credentials.expires_at
