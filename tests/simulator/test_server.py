"""The simulator on real sockets, with TLS and without, and its command."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from google.protobuf.message import Message

from ctrader.errors import ConfigurationError
from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOASpotEvent,
    ProtoOASubscribeSpotsReq,
    ProtoOATradeSide,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE
from ctrader.protocol.envelope import encode_message, open_envelope
from ctrader.protocol.framing import FrameBuffer
from ctrader.simulator import Simulator, Switches
from ctrader.simulator.__main__ import main


class SocketPeer:
    """A plain blocking client that verifies the certificate."""

    def __init__(
        self, sim: Simulator, *, server_name: str = "localhost", port: int | None = None
    ) -> None:
        raw = socket.create_connection((sim.host, port or sim.port), timeout=5)
        self.socket = raw
        if sim.tls:
            context = ssl.create_default_context(cafile=sim.ca_file)
            self.socket = context.wrap_socket(raw, server_hostname=server_name)
        self._buffer = FrameBuffer()
        self._waiting: list[Message] = []

    def send(self, message: Message, client_msg_id: str = "1") -> None:
        self.socket.sendall(encode_message(message, client_msg_id))

    def next(self) -> Message:
        while not self._waiting:
            data = self.socket.recv(65_536)
            if not data:
                raise EOFError
            block, spans = self._buffer.feed(data)
            for start, end in spans:
                envelope = open_envelope(block[start:end])
                kind = MESSAGE_BY_PAYLOAD_TYPE[envelope.payload_type]
                self._waiting.append(kind.FromString(envelope.payload))
        return self._waiting.pop(0)

    def log_in(self, sim: Simulator) -> SocketPeer:
        credentials = sim.credentials()
        self.send(ProtoOAApplicationAuthReq(clientId=sim.client_id, clientSecret=sim.client_secret))
        assert isinstance(self.next(), ProtoOAApplicationAuthRes)
        self.send(
            ProtoOAAccountAuthReq(
                ctidTraderAccountId=credentials.account_id, accessToken=credentials.access_token
            )
        )
        assert isinstance(self.next(), ProtoOAAccountAuthRes)
        return self

    def close(self) -> None:
        self.socket.close()


def drain(peer: SocketPeer) -> None:
    """Read to the end of the stream, which raises."""
    while True:
        peer.next()


@pytest.fixture
def sim() -> Iterator[Simulator]:
    with Simulator(record_frames=True) as simulator:
        yield simulator


@pytest.fixture
def plain_sim() -> Iterator[Simulator]:
    with Simulator(tls=False) as simulator:
        yield simulator


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_certificate_names_this_computer(sim: Simulator, name: str):
    with closing(SocketPeer(sim, server_name=name)) as peer:
        peer.log_in(sim)


def test_certificate_names_nobody_else(sim: Simulator):
    with pytest.raises(ssl.SSLCertVerificationError):
        SocketPeer(sim, server_name="demo.ctraderapi.com")


def test_quotes_and_a_trade_over_tls(sim: Simulator):
    with closing(SocketPeer(sim)) as peer:
        peer.log_in(sim)
        account = sim.credentials().account_id
        peer.send(ProtoOASubscribeSpotsReq(ctidTraderAccountId=account, symbolId=[1, 270]))
        first = peer.next()
        assert isinstance(first, ProtoOASpotEvent)
        assert 0 < first.bid < first.ask
        peer.send(
            ProtoOANewOrderReq(
                ctidTraderAccountId=account,
                symbolId=1,
                orderType=ProtoOAOrderType.MARKET,
                tradeSide=ProtoOATradeSide.BUY,
                volume=100_000,
            )
        )
        seen: list[int] = []
        while len(seen) < 2:
            message = peer.next()
            if isinstance(message, ProtoOAExecutionEvent):
                seen.append(message.executionType)
        assert seen == [2, 3]
    with sim.locked() as exchange:
        assert len(exchange.books[account].deals) == 1
    received = [frame.payload_type for frame in sim.frames if not frame.outbound]
    assert received == [2100, 2102, 2127, 2106]
    assert "secret" not in repr(sim.frames[0])
    sim.clear_frames()
    assert [frame for frame in sim.frames if not frame.outbound] == []


def test_configuration_and_credentials_fit_the_simulator(sim: Simulator):
    config = sim.client_config(request_timeout=3)
    assert (config.host, config.port, config.use_ssl) == ("127.0.0.1", sim.port, True)
    assert str(config.ca_file) == sim.ca_file
    assert config.request_timeout == 3
    credentials = sim.credentials(account=1)
    assert credentials.account_id == sim.accounts[1].account_id
    assert 2_600_000 < credentials.time_until_expiry() <= 2_628_000


def test_disconnect_all_resets_connections(plain_sim: Simulator):
    with closing(SocketPeer(plain_sim).log_in(plain_sim)) as peer:
        assert plain_sim.connections == 1
        plain_sim.disconnect_all()
        with pytest.raises(ConnectionResetError):
            peer.next()
        assert plain_sim.connections == 0
    with closing(SocketPeer(plain_sim)) as peer:
        peer.log_in(plain_sim)


def test_paused_simulator_is_silent_and_goes_on_after(plain_sim: Simulator):
    with closing(SocketPeer(plain_sim).log_in(plain_sim)) as peer:
        plain_sim.pause()
        peer.send(ProtoOAVersionReq())
        peer.socket.settimeout(0.1)
        with pytest.raises(TimeoutError):
            peer.next()
        peer.socket.settimeout(5)
        plain_sim.resume()
        assert isinstance(peer.next(), ProtoOAVersionRes)


def test_idle_connection_is_closed_by_the_server():
    with (
        Simulator(tls=False, switches=Switches(idle_timeout=0.1)) as sim,
        closing(SocketPeer(sim)) as peer,
        pytest.raises(EOFError),
    ):
        peer.next()


def test_client_that_speaks_no_tls_is_dropped_and_others_are_not(sim: Simulator):
    with closing(SocketPeer(sim).log_in(sim)) as peer:
        with closing(socket.create_connection((sim.host, sim.port), timeout=5)) as stranger:
            stranger.sendall(b"GET / HTTP/1.0\r\n\r\n")
            while stranger.recv(4096):
                pass
        peer.send(ProtoOAVersionReq())
        assert isinstance(peer.next(), ProtoOAVersionRes)


def test_stopping_leaves_no_thread_no_file_and_no_connection():
    before = set(threading.enumerate())
    with ExitStack() as stack:
        with Simulator() as sim:
            peer = stack.enter_context(closing(SocketPeer(sim)))
            peer.log_in(sim)
            authority = Path(sim.ca_file or "")
            port = sim.port
            assert authority.exists()
            began = time.monotonic()
        assert time.monotonic() - began < 1
        assert not authority.exists()
        # A thread that an earlier test left to end may have ended meanwhile.
        assert set(threading.enumerate()) <= before
        with pytest.raises((EOFError, ConnectionError)):
            peer.next()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
    sim.stop()
    with pytest.raises(RuntimeError):
        _ = sim.port


@pytest.mark.anyio
async def test_async_with_serves_on_either_loop():
    import anyio

    async with Simulator(tls=False) as sim, await anyio.connect_tcp(sim.host, sim.port) as stream:
        request = ProtoOAApplicationAuthReq(clientId=sim.client_id, clientSecret=sim.client_secret)
        await stream.send(encode_message(request))
        assert open_envelope((await stream.receive())[4:]).payload_type == 2101


def test_start_that_fails_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    simulator = Simulator()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            simulator.start()
    assert list(tmp_path.iterdir()) == []
    # Nothing is held, so the same simulator can be started again.
    with simulator:
        assert simulator.is_running
    assert list(tmp_path.iterdir()) == []


def test_task_cancelled_while_it_enters_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch):
    began, going_on = threading.Event(), threading.Event()
    start = Simulator.start

    def start_slowly(simulator: Simulator) -> None:
        began.set()
        assert going_on.wait(5)
        start(simulator)

    simulator = Simulator(tls=False)

    async def serve() -> None:
        async with simulator:
            raise AssertionError("it was cancelled before")

    async def scenario() -> None:
        task = asyncio.create_task(serve())
        assert await asyncio.to_thread(began.wait, 5)
        task.cancel()
        await asyncio.sleep(0)
        going_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    monkeypatch.setattr(Simulator, "start", start_slowly)
    asyncio.run(scenario())
    assert not simulator.is_running
    assert "ctrader-simulator" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_simulator_whose_thread_died_says_so(capsys: pytest.CaptureFixture[str]):
    def fail() -> None:
        raise ZeroDivisionError

    with Simulator(tls=False) as simulator:
        with simulator.locked() as exchange:
            exchange.after(0, fail)
        deadline = time.monotonic() + 5
        while simulator.is_running and time.monotonic() < deadline:
            time.sleep(0.01)  # the thread ends by itself
        assert not simulator.is_running


def test_command_ends_when_its_thread_has_failed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Simulator, "is_running", False)
    assert main(["--plain"]) == 1


def test_first_account_is_one_that_the_listener_serves():
    with Simulator(tls=False, live=True) as live, Simulator(tls=False) as demo:
        assert live.credentials().account_id == 2_000_001
        assert live.accounts[0].is_live
        assert demo.credentials().account_id == 1_000_001
        assert demo.credentials(3).account_id == 2_000_001


def test_demo_and_live_accounts_have_a_listener_each_and_one_broker():
    with (
        Simulator(tls=False) as sim,
        closing(SocketPeer(sim, port=sim.live_port)) as live,
        closing(SocketPeer(sim, port=sim.demo_port)) as demo,
    ):
        assert sim.port == sim.demo_port != sim.live_port
        token = sim.credentials().access_token
        answers: list[type] = []
        for peer in (live, demo):
            peer.send(
                ProtoOAApplicationAuthReq(clientId=sim.client_id, clientSecret=sim.client_secret)
            )
            peer.next()
            peer.send(ProtoOAAccountAuthReq(ctidTraderAccountId=2_000_001, accessToken=token))
            answers.append(type(peer.next()))
        assert answers == [ProtoOAAccountAuthRes, ProtoOAErrorRes]
        assert sim.connections == 2
        assert sim.client_config().port == sim.demo_port
        assert sim.client_config(live=True).port == sim.live_port
    with Simulator(tls=False, live=True) as sim:
        assert sim.port == sim.live_port != sim.demo_port
        assert sim.client_config().port == sim.live_port
        assert sim.client_config(live=False).port == sim.demo_port


def test_script_acts_on_sockets_from_any_thread(sim: Simulator):
    with closing(SocketPeer(sim).log_in(sim)) as peer:
        sim.script.next_answer(ProtoOAVersionReq).replace(ProtoOAVersionRes(version="scripted"))
        peer.send(ProtoOAVersionReq())
        answer = peer.next()
        assert isinstance(answer, ProtoOAVersionRes)
        assert answer.version == "scripted"
        assert sim.script.inject(ProtoOAVersionRes(version="out of nowhere")) == 1
        answer = peer.next()
        assert isinstance(answer, ProtoOAVersionRes)
        assert answer.version == "out of nowhere"
        assert len(sim.sent_by_client(ProtoOAVersionReq)) == 1
        assert len(sim.sent_by_server(ProtoOAVersionRes)) == 2
        assert "-> ProtoOAVersionReq" in sim.dump_frames()
        sim.set_price("EURUSD", 1.5, 1.50002)
        account = sim.credentials().account_id
        peer.send(ProtoOASubscribeSpotsReq(ctidTraderAccountId=account, symbolId=[1]))
        spot = peer.next()
        assert isinstance(spot, ProtoOASpotEvent)
        assert (spot.bid, spot.ask) == (150_000, 150_002)
        terminal = sim.terminal()
        terminal.buy("EURUSD", 100_000)
        while not isinstance(peer.next(), ProtoOAExecutionEvent):
            pass
        sim.script.close()
        with pytest.raises(EOFError):
            drain(peer)


def test_scripted_reset_and_silence_over_sockets():
    with Simulator(tls=False) as sim:
        with closing(SocketPeer(sim).log_in(sim)) as peer:
            sim.script.cut()
            with pytest.raises(ConnectionResetError):
                peer.next()
        with closing(SocketPeer(sim).log_in(sim)) as peer:
            (number,) = sim.script.connections
            sim.script.fall_silent(number)
            peer.send(ProtoOAVersionReq())
            peer.socket.settimeout(0.05)
            with pytest.raises(TimeoutError):
                peer.next()
            with closing(SocketPeer(sim)) as other:
                other.log_in(sim)


def test_bytes_arrive_in_drops_or_glued_over_tls():
    switches = Switches(dribble_bytes=7, glue_interval=0.01)
    with Simulator(switches=switches) as sim, closing(SocketPeer(sim)) as peer:
        peer.log_in(sim)


def test_frozen_prices_stand_still():
    with Simulator(tls=False, frozen=True, speed=1000) as sim:
        with sim.locked() as exchange:
            before = {each: exchange.quote(each) for each in exchange.symbols}
        with sim.locked() as exchange:
            exchange.advance(exchange.now + 10_000_000_000)
            assert {each: exchange.quote(each) for each in exchange.symbols} == before


def test_client_of_a_simulator_on_all_addresses_goes_to_loopback():
    with Simulator(host="0.0.0.0") as simulator:  # what is tested
        assert simulator.client_config().host == "127.0.0.1"
        context = ssl.create_default_context(cafile=simulator.ca_file)
        with (
            socket.create_connection(("127.0.0.1", simulator.port), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1"),
        ):
            pass


def test_missing_extra_is_one_clear_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'ctrader\[simulator\]'"):
        Simulator().start()
    assert main([]) == 1
    error = capsys.readouterr().err
    assert "ctrader[simulator]" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"speed": 0},
        {"speed": 1e-7},
        {"speed": float("nan")},
        {"accounts": ()},
        {"applications": ()},
        {"port": 99_999},
        {"port": -1},
        {"other_port": -1},
        {"oauth_port": 65_536},
    ],
)
def test_impossible_options_are_refused(options: dict[str, object]):
    with pytest.raises(ConfigurationError):
        Simulator(**options)  # type: ignore[arg-type]  # any option


def test_bad_file_is_one_line_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "bars.csv"
    file.write_text("time,open,high,low,close\n2024-05-06,1,x,1,1\n", encoding="utf-8")
    assert main(["--plain", "--replay", str(file)]) == 1
    assert "line 2: high 'x' is not a number" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_command_says_how_to_reach_it_and_ends_on_a_signal(number: signal.Signals):
    process = subprocess.Popen(
        [sys.executable, "-m", "ctrader.simulator", "--seed", "5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert set(ready) == {
            "host",
            "port",
            "demo_port",
            "live_port",
            "oauth_url",
            "tls",
            "ca_file",
            "client_id",
            "client_secret",
            "access_token",
            "refresh_token",
            "expires_at",
            "accounts",
        }
        assert ready["tls"] is True
        assert ready["accounts"][0] == {
            "account_id": 1_000_001,
            "trader_login": 17_091_452,
            "is_live": False,
            "deposit_asset": "USD",
        }
        context = ssl.create_default_context(cafile=ready["ca_file"])
        with (
            socket.create_connection((ready["host"], ready["port"]), timeout=5) as raw,
            context.wrap_socket(raw, server_hostname=ready["host"]),
        ):
            process.send_signal(number)
            rest, error = process.communicate(timeout=5)
        assert (process.returncode, rest, error) == (0, "", "")
        assert not Path(ready["ca_file"]).exists()
    finally:
        process.kill()
        process.communicate()


def test_import_pulls_in_no_event_loop():
    code = (
        "import sys, ctrader.simulator.server\n"
        "found = {'asyncio', 'anyio', 'trio', 'httpx', 'trustme'} & set(sys.modules)\n"
        "assert not found, found"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=15)
