"""What a newcomer gets wrong ends in an error that names the value and the remedy."""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from ctrader.config import ClientConfig
from ctrader.enums import OrderSide
from ctrader.errors import (
    CTraderConnectionFailedError,
    CTraderConnectionTimeoutError,
    OrderInvalidError,
    OrderNotSentError,
)
from ctrader.events import SpotEvent
from ctrader.models.orders import NewOrderRequest
from ctrader.proto import (
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOANewOrderReq,
    ProtoOAVersionReq,
)
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.simulator import Simulator
from tests.clients.scenarios.conftest import Serve
from tests.clients.scenarios.stage import BOUND, Stage, at_desk, eventually, impatient

pytestmark = pytest.mark.anyio

EURUSD = 1


def received(simulator: Simulator, request_type: type) -> int:
    """Count the requests of a type that reached the simulator."""
    wanted = PAYLOAD_TYPE_BY_MESSAGE[request_type]
    return sum(not frame.outbound and frame.payload_type == wanted for frame in simulator.frames)


def order(side: OrderSide, **fields: Any) -> NewOrderRequest:
    return NewOrderRequest(symbol_id=EURUSD, side=side, volume=100_000, **fields)


async def test_distance_in_pips_is_refused_while_quotes_are_subscribed(
    stage: Stage, brisk: Simulator
):
    async with at_desk(stage, brisk) as desk:
        trading, account_id = desk.client.trading, desk.account_id
        async with desk.client.stream(SpotEvent, symbol_id=EURUSD) as quotes:
            await desk.client.market_data.subscribe_spots(account_id, [EURUSD])
            while (await quotes.get(BOUND)).quote is None:
                pass
        for request in (
            order(OrderSide.SELL, relative_stop_loss=20),
            order(OrderSide.BUY, relative_take_profit=20),
        ):
            with pytest.raises(OrderInvalidError, match=r"give symbol\.pips_to_price\(20\)"):
                await trading.place_order(account_id, request)
        assert received(brisk, ProtoOANewOrderReq) == 0
        done = await trading.place_order(
            account_id, order(OrderSide.SELL, relative_stop_loss=0.002)
        )
        assert done.position is not None


@pytest.mark.parametrize("timeout", ["5", math.nan, math.inf, True, []])
async def test_timeout_that_is_no_time_is_refused_before_anything_is_sent(
    stage: Stage, simulator: Simulator, timeout: Any
):
    async with at_desk(stage, simulator) as desk:
        calls = (
            desk.client.accounts.get_trader(desk.account_id, timeout=timeout),
            desk.client.trading.place_order(desk.account_id, order(OrderSide.BUY), timeout=timeout),
            desk.client.auth.authenticate_app(timeout=timeout),
            desk.client.protocol.send_request(ProtoOAVersionReq(), timeout=timeout),
            desk.client.connect(timeout=timeout),
        )
        for call in calls:
            with pytest.raises(ValueError, match=r"^timeout=.* is no time: give seconds as a"):
                await call
        assert received(simulator, ProtoOANewOrderReq) == 0
        assert received(simulator, ProtoOAVersionReq) == 0
    async with stage.client(simulator.client_config()) as client:
        if timeout is not math.inf:
            with pytest.raises(ValueError, match=r"^timeout=.* is no time: give seconds as a"):
                await client.stream(SpotEvent).get(timeout)
            with pytest.raises(ValueError, match=r"^timeout=.* is no time: give seconds as a"):
                await client.wait(timeout)


async def test_arguments_swapped_or_of_another_type_are_named_and_nothing_is_sent(
    stage: Stage, simulator: Simulator
):
    async with at_desk(stage, simulator) as desk:
        client, account_id = desk.client, desk.account_id
        token: Any = simulator.credentials().access_token
        login: Any = 17
        other: Any = []
        before = len(simulator.frames)
        for call, text in (
            (client.auth.resolve_account_id(login, token), "access_token of type int is no token"),
            (client.auth.get_accounts(login), "access_token of type int is no token"),
            (
                client.auth.authenticate_by_trader_login(token, login, "b", 1.0),
                "trader_login of type str is no login",
            ),
            (client.auth.authenticate_account(token), "credentials of type str is no Account"),
            (client.symbols.search(account_id, login), "query=17 is no text"),
            (client.trading.get_deals(account_id, other), r"from_timestamp=\[\] is no datetime"),
            (client.trading.place_order(account_id, other), r"request=\[\] is no NewOrderRequest"),
        ):
            with pytest.raises(ValueError, match=f"^{text}") as caught:
                await call
            assert token not in str(caught.value)
        assert len(simulator.frames) == before
        for ask in (
            client.auth.get_credentials,
            client.auth.is_account_authorized,
            client.auth.remove_account,
        ):
            with pytest.raises(ValueError, match=r"^account_id=\[\] is no id"):
                ask(other)


async def test_time_of_the_configuration_holds_for_authentication(stage: Stage, serve: Serve):
    simulator = serve()
    simulator.script.next_request(ProtoOAGetAccountListByAccessTokenReq, times=2).ignore()
    async with stage.client(impatient(simulator, request_timeout=0.3)) as client:
        begun = time.monotonic()
        with pytest.raises(CTraderConnectionTimeoutError, match=r"within 0\.(3|29\d) s"):
            await client.auth.get_accounts(simulator.credentials().access_token)
        with pytest.raises(CTraderConnectionTimeoutError, match=r"within 0\.(3|29\d) s"):
            await client.auth.resolve_account_id(simulator.credentials().access_token, 1)
        assert time.monotonic() - begun < BOUND


async def test_order_of_an_account_that_is_not_authenticated_names_what_comes_first(
    stage: Stage, simulator: Simulator
):
    async with stage.client(impatient(simulator)) as client:
        await client.auth.authenticate_app()
        with pytest.raises(OrderNotSentError, match=r"do that first, by client\.auth\."):
            await client.trading.place_order(1_000_001, order(OrderSide.BUY))


async def test_wrong_types_are_named_before_anything_is_sent(stage: Stage, simulator: Simulator):
    async with at_desk(stage, simulator) as desk:
        client, account_id = desk.client, desk.account_id
        anything: Any = client
        before = len([frame for frame in simulator.frames if not frame.outbound])
        for call, text in (
            (lambda: client.symbols.get_by_id(account_id, wrong("EURUSD")), "symbol_id='EURUSD'"),
            (lambda: client.market_data.subscribe_spots(account_id, wrong(1)), r"give \[1\]"),
            (lambda: client.accounts.get_trader(wrong("1000001")), "account_id='1000001'"),
            (
                lambda: client.accounts.get_expected_margin(account_id, 1, wrong(100_000)),
                r"give \[100000\]",
            ),
            (
                lambda: client.market_data.get_last_trendbars(account_id, 1, "X1", 5),
                "'X1' is not a TrendbarPeriod",
            ),
        ):
            with pytest.raises(ValueError, match=text):
                await call()
        with pytest.raises(ValueError, match="'SpotEvent' is no type of event: take a class"):
            anything.stream("SpotEvent")
        with pytest.raises(TypeError, match="the handler 5 cannot be called: give a function"):
            anything.register_handler(SpotEvent, 5)
        with pytest.raises(ValueError, match="capacity=0 is none: give an int from 1 to 100000"):
            anything.stream(SpotEvent, capacity=0)
        assert len([frame for frame in simulator.frames if not frame.outbound]) == before
        assert await client.market_data.get_last_trendbars(account_id, 1, "h1", 3)


def wrong(value: object) -> Any:
    """Hand something over that no checker would let through."""
    return value


# The wrong kind of port


@pytest.fixture
def closing() -> Iterator[int]:
    """A port that ends every link at once, as one with TLS does with what it cannot read."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join(BOUND)


async def test_client_without_tls_on_a_port_with_it_is_told(
    stage: Stage, closing: int, caplog: pytest.LogCaptureFixture
):
    config = ClientConfig(
        host="127.0.0.1",
        port=closing,
        use_ssl=False,
        client_id="c",
        client_secret="secret-of-it",
        reconnect_min_wait=0.02,
        reconnect_max_wait=0.02,
    )
    told = "before the application was authenticated, at last because"
    with caplog.at_level(logging.WARNING):
        async with stage.client(config) as client:
            await eventually(stage, lambda: told in caplog.text, "the warning")
            with pytest.raises(CTraderConnectionTimeoutError) as caught:
                await client.auth.authenticate_app(timeout=0.1)
    assert str(caught.value).startswith(
        "authenticating the application (ProtoOAApplicationAuthReq) got no answer within 0.1 s: "
        f"the link to 127.0.0.1:{closing} was lost "
    )
    assert "Does the port want TLS? use_ssl is False." in str(caught.value)
    assert caplog.text.count(told) == 1


async def test_client_with_tls_on_a_port_without_it_is_told(stage: Stage, serve: Serve):
    simulator = serve(tls=False)
    config = impatient(simulator, use_ssl=True)
    with pytest.raises(CTraderConnectionFailedError, match=r"The server speaks no TLS there: "):
        async with stage.client(config):
            pass
