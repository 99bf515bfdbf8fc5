"""Links that stall, break and come back, on both loops and without one."""

from __future__ import annotations

import contextlib
import gc
import math
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from ctrader.config import ClientConfig
from ctrader.credentials import AccountCredentials
from ctrader.enums import OrderSide
from ctrader.errors import (
    ApplicationAuthError,
    CTraderConnectionClosedError,
    CTraderConnectionTimeoutError,
    CTraderError,
    OrderNotSentError,
)
from ctrader.events import DisconnectedEvent, ReconnectedEvent, SpotEvent
from ctrader.models import NewOrderRequest
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAApplicationAuthRes,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetAccountListByAccessTokenRes,
    ProtoOANewOrderReq,
    ProtoOASymbol,
    ProtoOASymbolByIdRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.protocol.correlation import PendingCall
from ctrader.protocol.envelope import Envelope, encode_message, open_envelope
from ctrader.protocol.framing import FrameBuffer
from ctrader.protocol.pending import Pending
from ctrader.protocol.subscriptions import LedgerEntry
from ctrader.simulator import Simulator
from ctrader.simulator.grants import Grants
from tests.clients.scenarios.stage import BOUND, Record, Stage, at_desk, eventually, impatient
from tests.clients.scenarios.test_connecting import received

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.client import CTraderClient

pytestmark = pytest.mark.anyio

ACCOUNT = PAYLOAD_TYPE_BY_MESSAGE[ProtoOAAccountAuthReq]
NEW_ORDER = PAYLOAD_TYPE_BY_MESSAGE[ProtoOANewOrderReq]
VERSION = PAYLOAD_TYPE_BY_MESSAGE[ProtoOAVersionReq]
ORDER = NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=100_000)
SYMBOL = ProtoOASymbol(
    symbolId=1,
    digits=5,
    pipPosition=4,
    lotSize=10_000_000,
    minVolume=100_000,
    maxVolume=10_000_000,
    stepVolume=100_000,
)
LIVING = (LedgerEntry, Pending, PendingCall, socket.socket)


class StallingServer:
    """Authenticate one client and its account, then read nothing until told to."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(1)
        self._port: int = self._listener.getsockname()[1]
        self._resumed = threading.Event()
        self.received: list[int] = []
        """Types of the frames that came, also after it went on."""
        self.ended: OSError | None = None
        """How reading ended; None where the client said goodbye."""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def config(self, **settings: object) -> ClientConfig:
        values: dict[str, object] = {
            "host": "127.0.0.1",
            "port": self._port,
            "use_ssl": False,
            "client_id": "id",
            "client_secret": "secret-of-the-test",
            **settings,
        }
        return ClientConfig.model_validate(values)

    def resume(self) -> None:
        """Read on."""
        self._resumed.set()

    def join(self) -> None:
        """Wait until it has read everything that the client ever sent."""
        self._thread.join(BOUND)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        with self._listener:
            connection, _ = self._listener.accept()
        with connection:
            frames = FrameBuffer()
            while ACCOUNT not in self.received:
                for envelope in self._read(connection, frames, 4096) or ():
                    answer: Message = ProtoOAApplicationAuthRes()
                    if envelope.payload_type == ACCOUNT:
                        answer = ProtoOAAccountAuthRes(ctidTraderAccountId=1)
                    connection.sendall(encode_message(answer, envelope.client_msg_id))
            # So that the client knows the symbol of its order, and has only the order to send.
            connection.sendall(
                encode_message(ProtoOASymbolByIdRes(ctidTraderAccountId=1, symbol=[SYMBOL]))
            )
            self._resumed.wait(BOUND)
            try:
                while self._read(connection, frames, 65_536) is not None:
                    pass
            except OSError as error:
                self.ended = error

    def _read(
        self, connection: socket.socket, frames: FrameBuffer, size: int
    ) -> list[Envelope] | None:
        data = connection.recv(size)
        block, spans = frames.feed(data)
        envelopes = [open_envelope(block[start:end]) for start, end in spans]
        self.received += [envelope.payload_type for envelope in envelopes]
        return envelopes if data else None


async def stall(client: CTraderClient) -> None:
    """Authenticate, then send more than the system holds for a server that does not read."""
    await client.auth.authenticate_account(
        AccountCredentials(account_id=1, access_token="a", refresh_token="r", expires_at=2e9)
    )
    for _ in range(12):
        request = ProtoOAGetAccountListByAccessTokenReq(accessToken="t" * 1_000_000)
        with pytest.raises((CTraderConnectionTimeoutError, CTraderConnectionClosedError)):
            await client.protocol.request(
                request, ProtoOAGetAccountListByAccessTokenRes, timeout=0.02
            )


async def test_order_behind_a_stalled_write_is_proved_not_sent_and_never_goes_out(stage: Stage):
    server = StallingServer()
    async with stage.client(server.config()) as client:
        await stall(client)
        with pytest.raises(OrderNotSentError):
            await client.trading.place_order(1, ORDER, timeout=0.1)
        server.resume()
        with pytest.raises(CTraderConnectionTimeoutError):
            await client.protocol.request(ProtoOAVersionReq(), ProtoOAVersionRes, timeout=0.2)
    server.join()
    assert VERSION in server.received
    assert NEW_ORDER not in server.received


async def test_what_a_server_did_not_take_is_never_sent_once_the_link_was_given_up(stage: Stage):
    """An order that was reported as of unknown outcome must not be carried out minutes later."""
    server = StallingServer()
    lost = Record[DisconnectedEvent]()
    client = stage.client(server.config(heartbeat_timeout=0.7, reconnect_attempts=0))
    client.register_handler(DisconnectedEvent, lost)
    await client.connect()
    with contextlib.suppress(CTraderError):
        await stall(client)
    await eventually(stage, lambda: lost.events, "the end of the link")
    await client.close()
    server.resume()
    server.join()
    assert isinstance(server.ended, ConnectionResetError)


@pytest.mark.parametrize("timeout", [math.inf, math.nan, -1.0, 0.0])
async def test_connect_with_an_impossible_timeout_fails_at_once(
    stage: Stage, simulator: Simulator, timeout: float
):
    client = stage.client(impatient(simulator))
    began = time.monotonic()
    with pytest.raises((ValueError, CTraderConnectionTimeoutError)):
        await client.connect(timeout)
    assert time.monotonic() - began < 1
    await client.connect()
    await client.auth.authenticate_app()
    await client.close()


async def test_timeouts_beyond_all_bounds_do_no_harm(stage: Stage, simulator: Simulator):
    client = stage.client(impatient(simulator, connect_timeout=1e12, request_timeout=1e12))
    await client.connect()
    await client.auth.authenticate_account(simulator.credentials())
    assert client.is_ready
    await client.close()


@pytest.mark.parametrize("grace", [math.inf, math.nan])
async def test_impossible_grace_is_refused_and_nothing_is_closed(
    stage: Stage, simulator: Simulator, grace: float
):
    async with at_desk(stage, simulator) as desk:
        with pytest.raises(ValueError, match="finite"):
            await desk.client.close(grace=grace)
        assert desk.client.is_ready
        await desk.client.accounts.get_trader(desk.account_id)


@pytest.mark.parametrize("timeout", [math.inf, math.nan, -1.0, 0.0])
async def test_order_with_an_impossible_timeout_is_never_sent(
    stage: Stage, simulator: Simulator, timeout: float
):
    async with at_desk(stage, simulator) as desk:
        with pytest.raises((ValueError, OrderNotSentError)):
            await desk.client.trading.place_order(desk.account_id, ORDER, timeout=timeout)
        await desk.client.accounts.get_trader(desk.account_id)
        assert received(simulator, ProtoOANewOrderReq) == 0


async def test_application_refused_after_a_reconnect_ends_streams_with_the_error(
    stage: Stage, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
):
    """The link stands and nothing is sent on it: a feed must not die silently."""
    check = Grants.check_application
    async with stage.client(impatient(simulator)) as client:
        await client.auth.authenticate_account(simulator.credentials())
        stream = client.stream(SpotEvent)
        monkeypatch.setattr(
            Grants, "check_application", lambda self, name, _: check(self, name, "another secret")
        )
        simulator.disconnect_all()
        with pytest.raises(ApplicationAuthError):
            await stream.get(BOUND)
        with pytest.raises(ApplicationAuthError):
            await client.wait(BOUND)


async def test_many_reconnects_leave_nothing_behind(stage: Stage, simulator: Simulator):
    again = Record[ReconnectedEvent]()
    async with at_desk(
        stage, simulator, reconnect_min_wait=0.001, reconnect_max_wait=0.002
    ) as desk:
        desk.client.register_handler(ReconnectedEvent, again)
        await desk.client.market_data.subscribe_spots(desk.account_id, [1, 2])
        threads: list[int] = []
        counts: list[int] = []
        for number in range(30):
            simulator.disconnect_all()
            await eventually(stage, lambda: len(again.events) > number, "the reconnect")  # noqa: B023
            if number in (9, 29):
                simulator.clear_frames()
                gc.collect()
                threads.append(threading.active_count())
                counts.append(sum(isinstance(each, LIVING) for each in gc.get_objects()))
        assert threads[1] <= threads[0] + 1  # a thread that connected may just be ending
        assert counts[1] <= counts[0] + 2
