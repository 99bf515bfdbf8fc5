"""The simulator on real sockets, with TLS and without, and its command."""

from __future__ import annotations

import asyncio
import errno
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from decimal import Decimal
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
from ctrader.simulator.catalogue import ApplicationSpec
from ctrader.simulator.sockets import serving
from ctrader.simulator.sockets.certificates import Certificate


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

    def serve(body: Callable[[], None]) -> None:
        with Simulator(tls=False) as sim:
            let_fail(sim, fail)
            assert not sim.is_running
            body()

    with pytest.raises(RuntimeError, match="ZeroDivisionError") as told:
        serve(lambda: None)
    assert isinstance(told.value.__cause__, ZeroDivisionError)

    def fail_as_well() -> None:
        raise KeyError("the test's own")

    with pytest.raises(KeyError) as told_too:
        serve(fail_as_well)
    # The block's own error goes on, and says what may have caused it.
    assert "ZeroDivisionError" in "".join(told_too.value.__notes__)


def let_fail(sim: Simulator, fail: Callable[[], None]) -> None:
    """Let the serving thread fail, and wait for its end."""
    with sim.locked() as exchange:
        exchange.after(0, fail)
    deadline = time.monotonic() + 5
    while sim.is_running and time.monotonic() < deadline:
        time.sleep(0.01)  # the thread ends by itself


def test_thread_cannot_be_stopped_by_those_who_hold_it_off(plain_sim: Simulator):
    with plain_sim.locked(), pytest.raises(RuntimeError, match="wait for itself"):
        plain_sim.stop()
    assert plain_sim.is_running


def test_what_was_done_before_a_block_failed_goes_out():
    with Simulator(tls=False, frozen=True) as sim, closing(SocketPeer(sim).log_in(sim)) as peer:

        def deposit_and_fail() -> None:
            with sim.locked() as exchange:
                exchange.deposit(sim.credentials().account_id, Decimal(5))
                raise KeyError

        with pytest.raises(KeyError):
            deposit_and_fail()
        assert isinstance(peer.next(), ProtoOAExecutionEvent)


def test_market_quicker_than_the_machine_can_be_stopped():
    with Simulator(tls=False, speed=1e8) as sim, closing(SocketPeer(sim).log_in(sim)) as peer:
        account = sim.credentials().account_id
        peer.send(ProtoOASubscribeSpotsReq(ctidTraderAccountId=account, symbolId=[1, 2]))
        while not isinstance(peer.next(), ProtoOASpotEvent):
            pass
        with sim.locked() as exchange:
            assert exchange.next_deadline() is not None
        began = time.monotonic()
        sim.stop()
        assert time.monotonic() - began < 3


def test_stop_in_the_middle_of_a_pass_is_not_overheard(monkeypatch: pytest.MonkeyPatch):
    sim = Simulator(tls=False, frozen=True)
    sim.start()
    woken = threading.Event()
    stopper = threading.Thread(target=sim.stop)
    wake = serving.ServingLoop.wake

    def wake_and_tell(loop: serving.ServingLoop) -> None:
        wake(loop)
        woken.set()

    with sim.locked() as exchange:
        assert exchange.next_deadline() is None  # only a wake begins a pass
        advance = exchange.advance

        def stop_and_advance(now: int) -> None:
            monkeypatch.setattr(exchange, "advance", advance)
            monkeypatch.setattr(serving.ServingLoop, "wake", wake_and_tell)
            stopper.start()
            woken.wait(5)  # the pass then takes that wake with the one that began it
            advance(now)

        monkeypatch.setattr(exchange, "advance", stop_and_advance)
    assert woken.wait(5)
    stopper.join(5)
    assert not stopper.is_alive()


def test_market_begins_when_it_is_told_to():
    start = datetime(2024, 5, 8, 12, tzinfo=UTC)
    quotes = []
    for _ in range(2):
        sim = Simulator(tls=False, seed=3, start=start, frozen=True)
        with sim.locked() as exchange:
            assert 0 <= exchange.market_now() - start.timestamp() * 1000 < 10_000
            quotes.append(exchange.quote(1))
        assert sim.credentials().time_until_expiry() > 2_600_000  # tokens live in the real time
    assert quotes[0] == quotes[1]


def test_client_that_reads_nothing_is_reset_in_the_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(serving, "_END_TIMEOUT", 100_000_000)
    with Simulator(tls=False) as sim, closing(stuffed(sim)) as peer:
        sim.script.close()
        assert sim.connections == 0
        time.sleep(0.3)  # only the passing of real time ends it
        with pytest.raises(ConnectionResetError):
            drain_bytes(peer)


def test_script_cuts_what_has_ended_but_not_been_read():
    with Simulator(tls=False) as sim, closing(stuffed(sim)) as peer:
        sim.script.close()
        assert sim.script.connections == []
        sim.script.cut()
        peer.socket.settimeout(5)
        with pytest.raises(ConnectionResetError):
            drain_bytes(peer)


def drain_bytes(peer: SocketPeer) -> None:
    """Read what there is, whole frames or not."""
    while peer.socket.recv(65_536):
        pass


def stuffed(sim: Simulator) -> SocketPeer:
    """Connect a client that was sent more than its socket takes."""
    peer = SocketPeer(sim)
    peer.log_in(sim)
    sim.script.inject_bytes(bytes(30_000_000))
    return peer


@pytest.mark.parametrize("tls", [True, False])
def test_last_words_arrive_although_the_client_went_on_talking(tls: bool):
    with Simulator(tls=tls) as sim, closing(SocketPeer(sim).log_in(sim)) as peer:
        sim.pause()
        for _ in range(3):
            peer.send(ProtoOAVersionReq())
        sim.script.close()
        peer.socket.sendall(bytes(200_000))
        sim.resume()
        with pytest.raises(EOFError):
            drain(peer)


def test_orderly_end_over_tls_says_so(sim: Simulator):
    context = ssl.create_default_context(cafile=sim.ca_file)
    with (
        socket.create_connection((sim.host, sim.port), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as peer,
    ):
        peer.sendall(encode_message(ProtoOAVersionReq()))
        assert peer.recv(65_536)
        sim.script.close()
        assert peer.recv(65_536) == b""  # without a goodbye it would be an SSLEOFError


def test_client_that_hangs_up_at_once_gets_its_answer(plain_sim: Simulator):
    with closing(SocketPeer(plain_sim).log_in(plain_sim)) as peer:
        peer.send(ProtoOAVersionReq())
        peer.socket.shutdown(socket.SHUT_WR)
        assert isinstance(peer.next(), ProtoOAVersionRes)
        with pytest.raises(EOFError):
            peer.next()


def test_client_that_spoke_during_a_long_pause_is_not_idle():
    with (
        Simulator(tls=False, switches=Switches(idle_timeout=0.2)) as sim,
        closing(SocketPeer(sim)) as peer,
    ):
        peer.log_in(sim)
        sim.pause()
        peer.send(ProtoOAVersionReq())
        time.sleep(0.3)  # longer than the idle timeout, which is real time
        sim.resume()
        assert isinstance(peer.next(), ProtoOAVersionRes)


@pytest.mark.parametrize(("bound", "first"), [(64, 8), (3, 3)])
def test_clients_that_wait_at_the_door_are_let_in_together_up_to_a_bound(
    monkeypatch: pytest.MonkeyPatch, bound: int, first: int
):
    monkeypatch.setattr(serving, "_ACCEPTED_AT_ONCE", bound, raising=False)
    counts: list[int] = []
    with Simulator(tls=False, frozen=True) as sim, ExitStack() as stack:
        with sim.locked() as exchange:
            advance = exchange.advance

            def count_and_advance(now: int) -> None:
                counts.append(len(exchange.connections))
                advance(now)

            monkeypatch.setattr(exchange, "advance", count_and_advance)
            peers = [stack.enter_context(closing(SocketPeer(sim))) for _ in range(8)]
        for peer in peers:
            peer.send(ProtoOAApplicationAuthReq(clientId="nobody", clientSecret="no"))
            peer.next()
    assert next(count for count in counts if count) == first


def test_door_without_room_is_left_alone_for_a_while(
    plain_sim: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    accept, refused = socket.socket.accept, 0

    def refuse(listening: socket.socket) -> tuple[socket.socket, object]:
        nonlocal refused
        if refused < 2:
            refused += 1
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(listening)

    monkeypatch.setattr(socket.socket, "accept", refuse)
    began = time.monotonic()
    with closing(SocketPeer(plain_sim)) as peer:
        peer.log_in(plain_sim)
    assert refused == 2
    assert time.monotonic() - began >= 0.2
    assert "No room for another connection" in caplog.text


def test_client_that_reset_before_it_was_accepted_is_no_trouble(
    plain_sim: Simulator, monkeypatch: pytest.MonkeyPatch
):
    refused = threading.Event()
    real = socket.socket.setblocking

    def refuse(transport: socket.socket, flag: bool) -> None:
        if not refused.is_set() and threading.current_thread().name == "ctrader-simulator":
            refused.set()
            raise OSError(errno.EINVAL, "Invalid argument")
        real(transport, flag)

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "setblocking", refuse)
        with closing(SocketPeer(plain_sim)) as first, pytest.raises(EOFError):
            first.next()
    with closing(SocketPeer(plain_sim)) as peer:
        peer.log_in(plain_sim)


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
        {"names": "broker.example"},
        {"names": ("*.example",)},
        {"names": ("0.0.0.0",)},
        {"names": ("http://broker.example",)},
        {"names": ("my_broker",)},
        {"names": (7,)},
        {"ca_file": "ca.pem", "tls": False},
        {"ca_file": "."},
        {"start": datetime(2024, 5, 8, tzinfo=UTC).replace(tzinfo=None)},
        {"start": datetime(1990, 5, 8, tzinfo=UTC)},
        {"start": datetime(2024, 5, 8, tzinfo=UTC), "replay": "bars.csv"},
        {"applications": (ApplicationSpec(client_id="a", client_secret="s", account_ids=(7,)),)},
    ],
)
def test_impossible_options_are_refused(options: dict[str, object]):
    with pytest.raises(ConfigurationError):
        Simulator(**options)  # type: ignore[arg-type]  # any option


def test_bad_file_is_one_line_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    file = tmp_path / "bars.csv"
    file.write_text("time,open,high,low,close\n2024-05-06,1,x,1,1\n", encoding="utf-8")
    assert main(["--plain", "--replay", str(file)]) == 2
    error = capsys.readouterr().err
    assert "argument --replay: " in error
    assert "line 2: high 'x' is not a number" in error


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ["--ledger", "/nowhere/at/all.json"],
            r"argument --ledger: .*/nowhere/at/all\.json.*folder",
        ),
        (["--start", "yesterday"], r"argument --start: 'yesterday'.*2024-05-08T12:00"),
        (["--start", "1990-05-08"], r"argument --start: .*2000-01-01"),
        (["--replay", "nope.csv"], r"argument --replay: nope\.csv cannot be read: No such file"),
        (["--replay", "nope.csv", "--start", "2024-05-08"], r"argument --start: "),
        (["--replay", "nope.csv", "--symbol", "EURUSDX"], r"argument --symbol: .*EURUSDX.*EURUSD"),
        (["--speed", "0"], r"argument --speed: .*0\.000001"),
        (["--other-port", "70000"], r"argument --other-port: .*65535, not 70000"),
        (["--host", "192.0.2.77"], r"argument --host: .*192\.0\.2\.77.*0\.0\.0\.0"),
        (["--host", "no such host"], r"argument --host: .*no such host"),
        (["--name", "a b"], r"argument --name: .*'a b'"),
        (["--ca-file", "ca.pem"], r"argument --ca-file: .*--plain"),
    ],
    ids=" ".join,
)
def test_wrong_arguments_are_one_line_at_once_that_names_them(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
):
    assert main(["--plain", *options]) == 2
    output = capsys.readouterr()
    assert re.search(told, output.err), output.err
    assert len(output.err.splitlines()) == 1
    assert not output.out


@pytest.mark.parametrize("option", ["--port", "--other-port", "--oauth-port"])
def test_busy_port_is_told_with_its_option_and_a_remedy(
    option: str, capsys: pytest.CaptureFixture[str]
):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert main(["--plain", option, str(port)]) == 2
    error = capsys.readouterr().err
    assert f"argument {option}: 127.0.0.1:{port} " in error
    assert "in use" in error
    assert "0 takes any free one" in error
    assert len(error.splitlines()) == 1


def test_busy_port_is_told_with_its_argument():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        simulator = Simulator(tls=False, other_port=port)
        with pytest.raises(OSError, match=rf"other_port.*127\.0\.0\.1:{port}") as caught:
            simulator.start()
    assert caught.value.errno == errno.EADDRINUSE


def test_other_machines_reach_it_by_the_names_given(tmp_path: Path):
    file = tmp_path / "ca.pem"
    names = ("broker.example", "192.0.2.7")
    with Simulator(host="0.0.0.0", names=names, ca_file=file) as simulator:  # what is tested
        assert simulator.ca_file == str(file)
        assert simulator.client_config().host == "127.0.0.1"
        assert simulator.oauth_url.startswith("https://broker.example:")
        context = ssl.create_default_context(cafile=file)
        for name in (*names, "localhost", "127.0.0.1"):
            for port in (simulator.port, simulator.live_port):
                with (
                    socket.create_connection(("127.0.0.1", port), timeout=5) as raw,
                    context.wrap_socket(raw, server_hostname=name),
                ):
                    pass


def test_given_ca_file_is_readable_by_all_and_goes_in_the_end(tmp_path: Path):
    file = tmp_path / "ca.pem"
    with Simulator(ca_file=file):
        if sys.platform != "win32":
            assert file.stat().st_mode & 0o777 == 0o644
        assert list(tmp_path.iterdir()) == [file]
        old = file.read_bytes()
    assert list(tmp_path.iterdir()) == []
    # What one that was killed left behind is replaced.
    file.write_bytes(old)
    with Simulator(ca_file=file):
        assert file.read_bytes() != old
    assert list(tmp_path.iterdir()) == []


def test_ca_file_that_another_simulator_took_over_stays(tmp_path: Path):
    file = tmp_path / "ca.pem"
    with Simulator(ca_file=file):
        other = Simulator(ca_file=file)
        other.start()
    assert file.exists()
    other.stop()
    assert not file.exists()


@pytest.mark.parametrize("content", ["my thesis", "bundle"])
def test_file_of_somebody_else_is_never_overwritten(tmp_path: Path, content: str):
    if content == "bundle":
        import trustme

        content = trustme.CA().cert_pem.bytes().decode()
    file = tmp_path / "ca.pem"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"ca_file .*ca\.pem.*another"):
        Simulator(ca_file=file)
    assert file.read_text(encoding="utf-8") == content
    with pytest.raises(ConfigurationError, match=r"ca_file .*folder"):
        Simulator(ca_file=tmp_path / "no" / "ca.pem")


def test_name_that_no_certificate_holds_is_refused():
    with pytest.raises(ConfigurationError, match=r"names must .*'xn--a'"):
        Simulator(names=("xn--a",))
    with pytest.raises(ConfigurationError, match=r"names .*'xn--a'"):
        Certificate("xn--a")


def test_account_out_of_range_is_told_with_the_places(plain_sim: Simulator):
    for ask in (plain_sim.credentials, plain_sim.terminal):
        with pytest.raises(IndexError, match=r"place, 0 to 3, not 9"):
            ask(9)
        with pytest.raises(IndexError, match=r"not 1000001; that is the id of .* at place 0"):
            ask(1_000_001)
        with pytest.raises(TypeError, match=r"place, 0 to 3, not 'USD'"):
            ask("USD")  # type: ignore[arg-type]  # the mistake


def test_name_of_a_message_is_no_class_that_was_recorded(sim: Simulator):
    for ask in (sim.sent_by_client, sim.sent_by_server, sim.wait_for_client):
        with pytest.raises(TypeError, match=r"ctrader\.proto.*'ProtoOANewOrderReq'"):
            ask("ProtoOANewOrderReq")  # type: ignore[arg-type]  # the mistake


def test_symbol_of_no_file_is_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--symbol", "EURUSD"])
    assert "--replay" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "told"),
    [(["--port", "abc"], "argument --port: invalid int value: 'abc'"), (["--bogus"], "--bogus")],
)
def test_argument_that_cannot_be_read_is_told_in_one_line(
    options: list[str], told: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as ended:
        main(options)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ctrader simulator: ")
    assert told in line


def test_ledger_is_written_even_if_the_thread_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(Simulator, "is_running", False)
    file = tmp_path / "books.json"
    assert main(["--plain", "--start", "2024-05-08T12:00", "--ledger", str(file)]) == 1
    books = json.loads(file.read_text(encoding="utf-8"))
    assert (
        datetime.fromtimestamp(books["market_time"] / 1000, UTC).date().isoformat() == "2024-05-08"
    )


# Strikes with a signal at one line after the other of what the command does once it is ready.
STRIKE = """
import faulthandler, signal, sys
from ctrader.simulator import __main__ as program

faulthandler.dump_traceback_later(10, exit=True)  # where it hangs

def find(frame, event, argument):
    if frame.f_code is program.ready_line.__code__:
        frame.f_back.f_trace = begin

def begin(frame, event, argument):
    sys.settrace(strike)
    return strike(frame, event, argument)

def strike(frame, event, argument):
    global left
    if event == "line":
        left -= 1
        if left < 0:
            sys.settrace(None)
            signal.raise_signal(signal.SIGTERM)
    return strike

for place in range(8):  # more than one round of the wait has
    left = place
    sys.settrace(find)
    assert program.serve(plain=True) == 0
    assert left < 0, "it ended without a signal"
"""


def test_command_ends_on_a_signal_at_whatever_step_of_its_wait_that_comes():
    ended = subprocess.run(
        [sys.executable, "-c", STRIKE], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_command_says_how_to_reach_it_and_ends_on_a_signal(number: str):
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
            process.send_signal(signal.Signals[number])
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
