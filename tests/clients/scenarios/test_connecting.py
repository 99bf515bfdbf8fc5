"""Connecting, authenticating, closing."""

from __future__ import annotations

import logging
import socket

import pytest

from ctrader.config import ClientConfig
from ctrader.credentials import AccountCredentials
from ctrader.errors import (
    AccountAuthError,
    AccountNotFoundError,
    APIError,
    ApplicationAuthError,
    AuthenticationError,
    ClientClosedError,
    CTraderConnectionClosedError,
    CTraderConnectionError,
    CTraderConnectionFailedError,
    CTraderConnectionTimeoutError,
)
from ctrader.events import ConnectedEvent, ReadyEvent, SpotEvent, TokenInvalidatedEvent
from ctrader.proto import (
    ProtoOAApplicationAuthReq,
    ProtoOATraderReq,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.simulator import Simulator
from tests.clients.scenarios.stage import (
    BOUND,
    Record,
    Stage,
    at_desk,
    eventually,
    impatient,
)

pytestmark = pytest.mark.anyio


def received(simulator: Simulator, request_type: type) -> int:
    """Count the requests of a type that reached the simulator."""
    wanted = PAYLOAD_TYPE_BY_MESSAGE[request_type]
    return sum(not frame.outbound and frame.payload_type == wanted for frame in simulator.frames)


async def test_connects_and_authenticates_by_login(stage: Stage, simulator: Simulator):
    tokens = simulator.credentials()
    async with stage.client(impatient(simulator)) as client:
        assert client.is_connected
        await client.auth.authenticate_app()
        assert client.auth.is_app_authenticated
        credentials = await client.auth.authenticate_by_trader_login(
            17_091_452, tokens.access_token, tokens.refresh_token, tokens.expires_at
        )
        assert credentials == tokens
        assert client.auth.authenticated_accounts == [credentials.account_id]
        assert client.auth.get_credentials(credentials.account_id) == credentials
        assert client.is_account_authorized(credentials.account_id)
        assert client.is_ready
        assert simulator.connections == 1
    await eventually(stage, lambda: simulator.connections == 0, "the server's end")


async def test_state_before_during_and_after(stage: Stage, simulator: Simulator):
    client = stage.client(impatient(simulator))

    def state() -> tuple[bool, bool]:
        return client.is_connected, client.is_ready

    assert state() == (False, False)
    async with client:
        assert client.is_connected
        await client.auth.authenticate_app()
        assert state() == (True, True)  # nothing more is wanted
    assert state() == (False, False)


async def test_application_is_authenticated_once_however_often_asked(
    stage: Stage, simulator: Simulator
):
    async with stage.client(impatient(simulator)) as client:
        for _ in range(3):
            await client.auth.authenticate_app()
        version = await client.protocol.request(ProtoOAVersionReq(), ProtoOAVersionRes)
    assert version.version == "90"
    assert received(simulator, ProtoOAApplicationAuthReq) == 1


async def test_wrong_login_names_those_there_are(stage: Stage, simulator: Simulator):
    tokens = simulator.credentials()
    async with stage.client(impatient(simulator)) as client:
        with pytest.raises(AccountNotFoundError) as caught:
            await client.auth.authenticate_by_trader_login(
                4711, tokens.access_token, tokens.refresh_token, tokens.expires_at
            )
        assert caught.value.trader_login == 4711
        assert caught.value.available_logins == tuple(
            account.trader_login for account in simulator.accounts
        )
        assert caught.value.error_code == "ACCOUNT_NOT_FOUND"
        assert client.auth.authenticated_accounts == []
        await client.auth.authenticate_account(tokens)


async def test_wrong_secret_is_told_by_every_call_but_connect(stage: Stage, simulator: Simulator):
    tokens = simulator.credentials()
    async with stage.client(impatient(simulator, client_secret="wrong-secret")) as client:
        assert client.is_connected
        for _ in range(2):
            with pytest.raises(ApplicationAuthError) as caught:
                await client.auth.authenticate_app()
            assert caught.value.error_code == "CH_CLIENT_AUTH_FAILURE"
            assert "wrong-secret" not in str(caught.value)
        with pytest.raises(ApplicationAuthError):
            await client.auth.get_accounts(tokens.access_token)
        with pytest.raises(ApplicationAuthError):
            await client.auth.authenticate_account(tokens)
        with pytest.raises(ApplicationAuthError):
            await client.market_data.subscribe_spots(tokens.account_id, [1])
        assert not client.auth.is_app_authenticated
        assert not client.is_ready
    assert received(simulator, ProtoOAApplicationAuthReq) == 1


async def test_worthless_token_is_refused_and_not_kept(stage: Stage, simulator: Simulator):
    tokens = simulator.credentials()
    worthless = tokens.with_refreshed_tokens("not-a-token", "nor-this", 3600)
    async with stage.client(impatient(simulator)) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.auth.authenticate_account(worthless)
        assert "not-a-token" not in str(caught.value)
        assert client.auth.get_credentials(tokens.account_id) is None
        with pytest.raises(AuthenticationError):
            await client.auth.get_accounts("not-a-token")
        assert [
            account.trader_login for account in await client.auth.get_accounts(tokens.access_token)
        ] == [account.trader_login for account in simulator.accounts]


async def test_accounts_are_listed_with_what_they_are(stage: Stage, simulator: Simulator):
    tokens = simulator.credentials()
    async with stage.client(impatient(simulator)) as client:
        accounts = await client.accounts.list_by_token(tokens.access_token)
        assert [(each.account_id, each.trader_login, each.is_live) for each in accounts] == [
            (each.account_id, each.trader_login, each.is_live) for each in simulator.accounts
        ]
        found = await client.auth.resolve_account_id(tokens.access_token, 17_091_453)
        assert found == simulator.accounts[1].account_id
        profile = await client.accounts.get_profile(tokens.access_token)
        assert profile.user_id == 1


async def test_live_account_is_refused_by_a_demo_server(stage: Stage, simulator: Simulator):
    async with stage.client(impatient(simulator)) as client:
        with pytest.raises(APIError) as caught:
            await client.auth.authenticate_account(simulator.credentials(3))
        assert caught.value.error_code == "CANT_ROUTE_REQUEST"


async def test_request_for_an_account_that_is_not_authenticated(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        with pytest.raises(APIError) as caught:
            await desk.client.accounts.get_trader(simulator.accounts[1].account_id)
        assert caught.value.error_code == "INVALID_REQUEST"


async def test_unauthorised_account_has_a_class_where_the_server_names_it(stage: Stage, serve):
    from ctrader.simulator import Switches

    simulator = serve(switches=Switches(unauthorised_account_code="ACCOUNT_NOT_AUTHORIZED"))
    async with at_desk(stage, simulator) as desk:
        with pytest.raises(AccountAuthError):
            await desk.client.accounts.get_trader(simulator.accounts[1].account_id)


async def test_several_accounts_share_one_link(stage: Stage, simulator: Simulator):
    async with stage.client(impatient(simulator)) as client:
        for number in range(3):
            await client.auth.authenticate_account(simulator.credentials(number))
        wanted = [account.account_id for account in simulator.accounts[:3]]
        assert client.auth.authenticated_accounts == wanted
        traders = [await client.accounts.get_trader(account_id) for account_id in wanted]
        assert [each.trader_login for each in traders] == [
            account.trader_login for account in simulator.accounts[:3]
        ]
        assert [each.balance for each in traders] == [
            account.balance for account in simulator.accounts[:3]
        ]
        assert simulator.connections == 1


async def test_removed_account_is_not_restored(stage: Stage, brisk: Simulator):
    async with at_desk(stage, brisk) as desk:
        other = brisk.credentials(1)
        await desk.client.auth.authenticate_account(other)
        await desk.client.market_data.subscribe_spots(other.account_id, [1])
        assert desk.client.auth.remove_account(other.account_id)
        assert not desk.client.auth.remove_account(other.account_id)
        assert desk.client.auth.get_credentials(other.account_id) is None
        ready: Record[ReadyEvent] = Record()
        desk.client.register_handler(ReadyEvent, ready)
        brisk.disconnect_all()
        await eventually(stage, lambda: ready.events, "the restoration")
        await desk.client.market_data.subscribe_spots(desk.account_id, [1])
        assert [event.account_id for event in ready.events] == [desk.account_id]
        assert desk.client.auth.authenticated_accounts == [desk.account_id]


async def test_events_of_the_first_link_reach_handlers_registered_before(
    stage: Stage, simulator: Simulator
):
    client = stage.client(impatient(simulator))
    connected: Record[ConnectedEvent] = Record()
    client.register_handler(ConnectedEvent, connected)
    async with client:
        await eventually(stage, lambda: connected.events, "the event")
    assert [event.epoch for event in connected.events] == [1]


async def test_server_that_is_not_there(stage: Stage):
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))  # nobody else gets the port, and nobody listens on it
        port = reserved.getsockname()[1]
        config = ClientConfig(host="127.0.0.1", port=port, client_id="id", client_secret="secret")
        client = stage.client(config)
        with pytest.raises(CTraderConnectionFailedError) as caught:
            await client.connect()
    assert (caught.value.host, caught.value.port) == ("127.0.0.1", port)
    assert isinstance(caught.value.cause, ConnectionRefusedError)
    await client.close()


async def test_calls_before_connecting_and_after_closing(stage: Stage, simulator: Simulator):
    client = stage.client(impatient(simulator))
    with pytest.raises(CTraderConnectionError):
        await client.accounts.get_trader(1)
    await client.connect()
    await client.connect()  # it stands: nothing happens
    assert simulator.connections == 1
    await client.close()
    await client.close()
    for call in (client.connect, client.auth.authenticate_app):
        with pytest.raises(ClientClosedError):
            await call()
    with pytest.raises(ClientClosedError):
        client.register_handler(SpotEvent, Record[SpotEvent]())


async def test_close_ends_pending_reads_and_whoever_waits(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk, stage.jobs() as jobs:
        client = desk.client
        stream = client.stream(SpotEvent)
        simulator.pause()
        read = jobs.start(lambda: client.accounts.get_trader(desk.account_id))
        waiter = jobs.start(client.wait)
        reader = jobs.start(stream.get)
        await stage.pause()
        await client.close()
        with pytest.raises(ClientClosedError):
            await read.result()
        with pytest.raises(ClientClosedError):
            await reader.result()
        assert await waiter.result()
        simulator.resume()


async def test_handler_that_the_close_cuts_short_is_no_failure(
    stage: Stage, simulator: Simulator, caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.INFO, "ctrader.events"):
        async with at_desk(stage, simulator) as desk:
            reading = False

            async def read(_: SpotEvent) -> None:
                nonlocal reading
                simulator.pause()
                reading = True
                await desk.client.accounts.get_trader(desk.account_id)

            desk.client.register_handler(SpotEvent, read)
            await desk.client.market_data.subscribe_spots(desk.account_id, [1])
            await eventually(stage, lambda: reading, "the handler's call")
            await desk.client.close()
            simulator.resume()
    told = [record for record in caplog.records if record.name == "ctrader.events"]
    assert [record for record in told if record.levelno > logging.INFO] == []


async def test_handler_may_close_the_client(stage: Stage, brisk: Simulator):
    async with at_desk(stage, brisk) as desk:

        async def close(_: SpotEvent) -> None:
            await desk.client.close()

        desk.client.register_handler(SpotEvent, close)
        await desk.client.market_data.subscribe_spots(desk.account_id, [1])
        assert await desk.client.wait(BOUND)
        await eventually(stage, lambda: brisk.connections == 0, "the server's end")


async def test_wait_for_a_client_that_stays_open(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        assert not await desk.client.wait(0.02)
        assert desk.client.is_ready


async def test_timeout_of_a_read_while_the_server_stalls(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        simulator.pause()
        with pytest.raises(CTraderConnectionTimeoutError) as caught:
            await desk.client.accounts.get_trader(desk.account_id, timeout=0.05)
        assert caught.value.timeout == pytest.approx(0.05, abs=0.02)
        assert "ProtoOATraderReq" in caught.value.operation
        simulator.resume()
        trader = await desk.client.accounts.get_trader(desk.account_id)
        assert trader.trader_login == 17_091_452
    assert received(simulator, ProtoOATraderReq) == 2


async def test_client_that_gives_up_reconnecting_says_so(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator, reconnect_attempts=0) as desk:
        simulator.disconnect_all()
        with pytest.raises(CTraderConnectionError) as caught:
            await desk.client.wait(BOUND)
        assert not isinstance(caught.value, CTraderConnectionClosedError)
        with pytest.raises(type(caught.value)):
            await desk.client.accounts.get_trader(desk.account_id)


async def test_refreshed_tokens_are_reported_and_work(stage: Stage, brisk: Simulator):
    old = brisk.credentials()
    reported: list[AccountCredentials] = []
    client = stage.client(impatient(brisk), on_tokens_refreshed=reported.append)
    ended: Record[TokenInvalidatedEvent] = Record()
    client.register_handler(TokenInvalidatedEvent, ended)
    async with client:
        await client.auth.authenticate_account(old)
        await client.market_data.subscribe_spots(old.account_id, [1])
        new = await client.auth.refresh(old)
        assert reported == [new]
        tokens = brisk.credentials()
        assert new.access_token == tokens.access_token != old.access_token
        assert new.refresh_token == tokens.refresh_token != old.refresh_token
        assert new.expires_at == pytest.approx(tokens.expires_at, abs=5)
        await eventually(stage, lambda: ended.events, "the end of the old token")
        assert old.account_id in ended.events[0].account_ids
        assert client.auth.get_credentials(old.account_id) == new
        await eventually(
            stage, lambda: client.is_account_authorized(old.account_id), "the next session"
        )
        async with client.stream(SpotEvent) as quotes:
            await quotes.get(BOUND)  # what was subscribed is restored with the account
        # A pair that was exchanged is not sent again: it leads to the newest.
        assert await client.auth.refresh(old) == new


async def test_more_reads_than_the_rate_allows_are_all_answered(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk, stage.jobs() as jobs:
        reads = [
            jobs.start(lambda: desk.client.accounts.get_trader(desk.account_id)) for _ in range(60)
        ]
        assert {(await read.result()).trader_login for read in reads} == {17_091_452}
    assert received(simulator, ProtoOATraderReq) == 60  # none was refused and sent again
