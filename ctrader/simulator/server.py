"""The simulated broker on real sockets.

One thread owns the exchange, all connections and the clock. Other threads reach the exchange
through `Simulator.locked`, which holds that thread off meanwhile.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from types import TracebackType
from typing import TYPE_CHECKING, Final

from ctrader.errors import ConfigurationError
from ctrader.proto.registry import PAYLOAD_TYPE_NAMES
from ctrader.simulator.catalogue import (
    DEFAULT_ACCOUNTS,
    DEFAULT_APPLICATIONS,
    DEFAULT_CATALOGUE,
    AccountSpec,
    ApplicationSpec,
    Catalogue,
)
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.prices import PriceSource
from ctrader.simulator.replay import ReplayPrices
from ctrader.simulator.session import FrameRecorder, ServerSession
from ctrader.simulator.switches import Switches
from ctrader.simulator.walk import RandomWalkPrices

if TYPE_CHECKING:
    from typing import Any, Self

    from ctrader.config import ClientConfig
    from ctrader.credentials import AccountCredentials
    from ctrader.protocol.envelope import Envelope

__all__ = ["Frame", "Simulator"]

_SECOND: Final = 1_000_000_000
_READ_SIZE: Final = 65_536
_MAX_UNSENT: Final = 64 * 1024 * 1024  # bytes; a client that reads no more than that is dropped
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where to reach wildcards
_JOIN_TIMEOUT: Final = 10.0  # seconds; the thread ends within one pass of its loop


@dataclass(frozen=True, slots=True)
class Frame:
    """One recorded frame."""

    at: float
    """Seconds since the simulator was started."""
    connection: int
    """Number of the connection, counted from 1."""
    outbound: bool
    """Whether the server sent it."""
    payload_type: int
    payload: bytes
    """The serialised message; requests of authentication hold secrets."""
    client_msg_id: str | None

    def __repr__(self) -> str:
        direction = "sent" if self.outbound else "received"
        name = PAYLOAD_TYPE_NAMES.get(self.payload_type, "unknown")
        return f"<Frame {direction} {name} ({self.payload_type}), {len(self.payload)} bytes>"


class Simulator:
    """A whole simulated broker on a loopback port, with TLS by default.

    Use it as a context manager, `with` from blocking code and `async with` on any loop; it runs on
    a thread of its own either way. Everything that it draws comes from the seed.

    ```python
    with Simulator() as sim:
        client = SyncCTraderClient(sim.client_config())
    ```
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        prices: PriceSource | None = None,
        replay: str | os.PathLike[str] | None = None,
        replay_symbol: str = "EURUSD",
        speed: float = 1.0,
        tls: bool = True,
        live: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
        switches: Switches | None = None,
        catalogue: Catalogue = DEFAULT_CATALOGUE,
        accounts: Sequence[AccountSpec] = DEFAULT_ACCOUNTS,
        applications: Sequence[ApplicationSpec] = DEFAULT_APPLICATIONS,
        record_frames: bool = False,
    ) -> None:
        """Prepare a simulator; nothing runs before it is entered or started.

        Args:
            seed: Decides prices, tokens and everything else that is drawn.
            prices: Where prices come from; a random walk from the seed by default.
            replay: A CSV file of real bars to replay instead, from its middle on; the first half
                is history.
            replay_symbol: Name of the symbol whose bars the file holds; the others walk at random.
            speed: How many seconds the market's clock goes in one real second.
            tls: Whether to encrypt, with a throw-away certificate; needs the `simulator` extra.
            live: Whether to serve the live accounts instead of the demo ones.
            host: Address to listen on.
            port: Port to listen on, 0 for any free one.
            switches: What to do where the real server's behaviour is not known.
            catalogue: What the broker lists.
            accounts: The trading accounts.
            applications: The programs, each with one grant; the first is the client's.
            record_frames: Whether `frames` keeps every frame.

        Raises:
            ConfigurationError: the options contradict each other.
            BarFileError: the file of bars cannot be read.
        """
        if prices is not None and replay is not None:
            raise ConfigurationError("Give either prices or a file to replay, not both.")
        if not accounts or not applications:
            raise ConfigurationError(
                "The simulator needs at least one account and one application."
            )
        if not 1e-6 <= speed < 1e9:
            raise ConfigurationError(f"The speed must be a number from 0.000001 on, not {speed}.")
        if not 0 <= port <= 65_535:
            raise ConfigurationError(f"The port must be from 0 to 65535, not {port}.")
        switches = Switches() if switches is None else switches
        if replay is not None:
            prices = ReplayPrices(
                replay,
                symbol=replay_symbol,
                symbols=catalogue.symbols,
                fallback=RandomWalkPrices(
                    seed, symbols=catalogue.symbols, always_open=switches.always_open
                ),
            )
        self._tls = tls
        self._live = live
        self._address = (host, port)
        self._lock = threading.RLock()
        self._recording = record_frames
        self._frames: list[Frame] = []
        self._started = time.monotonic_ns()
        self._exchange = Exchange(
            seed=seed,
            now=self._started,
            unix_ms=time.time_ns() // 1_000_000,
            prices=prices,
            speed=speed,
            catalogue=catalogue,
            accounts=accounts,
            applications=applications,
            switches=switches,
        )
        self._applications = tuple(applications)
        # Those that this listener serves come first: a client wants one that it can use.
        self._accounts = tuple(sorted(accounts, key=lambda each: each.is_live != live))
        self._loop: _ServingLoop | None = None
        self._authority_file: str | None = None

    # Life cycle

    def start(self) -> None:
        """Listen and serve on a thread of its own.

        Raises:
            ConfigurationError: TLS is wanted and trustme is not installed.
            OSError: the address cannot be listened on.
            RuntimeError: it runs already.
        """
        if self._loop is not None:
            raise RuntimeError("the simulator runs already")
        context, authority = self._make_certificate() if self._tls else (None, None)
        listener = self._listen()
        try:
            if authority is not None:
                handle, self._authority_file = tempfile.mkstemp(".pem", "ctrader-simulator-")
                with os.fdopen(handle, "wb") as file:
                    file.write(authority)
            loop = _ServingLoop(
                self._exchange,
                self._lock,
                listener,
                context,
                live=self._live,
                record=self._record if self._recording else None,
            )
            loop.start()
        except BaseException:
            listener.close()
            self._remove_authority()
            raise
        self._loop = loop

    def stop(self) -> None:
        """Cut every connection and stop serving; a second call does nothing."""
        loop, self._loop = self._loop, None
        try:
            if loop is not None:
                loop.stop()
        finally:
            self._remove_authority()

    @property
    def is_running(self) -> bool:
        """Whether it serves: it was started, not stopped, and its thread did not fail."""
        return self._loop is not None and self._loop.is_alive

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        from anyio import CancelScope, get_cancelled_exc_class
        from anyio.to_thread import run_sync

        gate = threading.Lock()
        abandoned = started = False

        def begin() -> None:
            nonlocal started
            with gate:
                if not abandoned:
                    self.start()
                    started = True

        def undo() -> None:
            nonlocal abandoned
            abandoned = True  # before the gate: a start that has not begun must not begin any more
            with gate:
                if started:
                    self.stop()

        try:
            await run_sync(begin)
        except get_cancelled_exc_class():
            # On asyncio a task is cancelled while the thread goes on starting.
            with CancelScope(shield=True):
                await run_sync(undo)
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        from anyio import CancelScope
        from anyio.to_thread import run_sync

        with CancelScope(shield=True):
            await run_sync(self.stop)

    # What a client needs

    @property
    def host(self) -> str:
        """Address that it listens on."""
        return self._address[0]

    @property
    def port(self) -> int:
        """Port that it listens on.

        Raises:
            RuntimeError: it does not run.
        """
        if self._loop is None:
            raise RuntimeError("the simulator does not run")
        return self._loop.port

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self._tls

    @property
    def ca_file(self) -> str | None:
        """PEM file of the authority that signed the certificate; None without TLS."""
        return self._authority_file

    @property
    def client_id(self) -> str:
        """Id of the program that clients run as."""
        return self._applications[0].client_id

    @property
    def client_secret(self) -> str:
        """Secret of that program."""
        return self._applications[0].client_secret

    def client_config(self, **overrides: Any) -> ClientConfig:  # Any: they are ClientConfig's own
        """Return the configuration with which a client reaches this simulator.

        Args:
            overrides: Further fields of `ClientConfig`, or other values for those given here.

        Raises:
            ConfigurationError: an override is wrong.
            RuntimeError: it does not run.
        """
        from ctrader.config import ClientConfig

        settings: dict[str, Any] = {
            "host": _LOOPBACK.get(self.host, self.host),
            "port": self.port,
            "use_ssl": self._tls,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "ca_file": self._authority_file,
        }
        return ClientConfig(**{**settings, **overrides})

    def credentials(self, account: int = 0) -> AccountCredentials:
        """Return the present tokens of an account.

        Args:
            account: Place of the account among `accounts`.

        Raises:
            IndexError: there is no such account.
        """
        from ctrader.credentials import AccountCredentials

        with self._lock:
            grant = self._exchange.grants.grants[0]
            return AccountCredentials(
                account_id=self._accounts[account].account_id,
                access_token=grant.access_token,
                refresh_token=grant.refresh_token,
                expires_at=float(grant.expires_at),
            )

    @property
    def accounts(self) -> tuple[AccountSpec, ...]:
        """The accounts, those that are served here first, as `credentials` counts them."""
        return self._accounts

    # Scripting

    @property
    def exchange(self) -> Exchange:
        """The broker behind the sockets; touch it only inside `locked`."""
        return self._exchange

    @contextmanager
    def locked(self) -> Generator[Exchange]:
        """Hold the serving thread off and yield the exchange at the present time."""
        with self._lock:
            self._exchange.advance(time.monotonic_ns())
            yield self._exchange
        if self._loop is not None:
            self._loop.wake()

    @property
    def connections(self) -> int:
        """How many connections stand."""
        return 0 if self._loop is None else self._loop.count()

    @property
    def frames(self) -> list[Frame]:
        """All frames in both directions so far; empty unless recording was asked for."""
        with self._lock:
            return list(self._frames)

    def clear_frames(self) -> None:
        """Forget the recorded frames."""
        with self._lock:
            self._frames.clear()

    def disconnect_all(self) -> None:
        """Cut every connection abruptly, as a broken network does (with a TCP reset)."""
        if self._loop is not None:
            self._loop.reset_all()

    def pause(self) -> None:
        """Fall silent: take nothing in and send nothing, with every connection left open."""
        if self._loop is not None:
            self._loop.set_paused(True)

    def resume(self) -> None:
        """Go on after `pause`."""
        if self._loop is not None:
            self._loop.set_paused(False)

    # Private

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self._address)
            listener.listen(128)
            listener.setblocking(False)
        except BaseException:
            listener.close()
            raise
        return listener

    def _remove_authority(self) -> None:
        file, self._authority_file = self._authority_file, None
        if file is not None:
            # Whoever cleaned the folder of temporary files before took nothing that is needed.
            Path(file).unlink(missing_ok=True)

    def _make_certificate(self) -> tuple[ssl.SSLContext, bytes]:
        try:
            import trustme
        except ImportError:
            raise ConfigurationError(
                "TLS needs the simulator extra: pip install 'ctrader[simulator]' "
                "(or serve without encryption: tls=False, --plain)."
            ) from None
        authority = trustme.CA()
        names = dict.fromkeys(("localhost", "127.0.0.1", "::1", self._address[0]))
        for wildcard in _LOOPBACK:
            names.pop(wildcard, None)  # it is no name
        certificate = authority.issue_cert(*names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)  # pyright: ignore[reportUnknownMemberType]  # no stubs
        return context, authority.cert_pem.bytes()

    def _record(self, connection: int, now: int, outbound: bool, envelope: Envelope) -> None:
        self._frames.append(
            Frame(
                (now - self._started) / _SECOND,
                connection,
                outbound,
                envelope.payload_type,
                envelope.payload,
                envelope.client_msg_id,
            )
        )


class _ServingLoop:
    """The thread that serves, with its sockets."""

    def __init__(
        self,
        exchange: Exchange,
        lock: threading.RLock,
        listener: socket.socket,
        context: ssl.SSLContext | None,
        *,
        live: bool,
        record: Callable[[int, int, bool, Envelope], None] | None,
    ) -> None:
        self._live = live
        self._record = record
        self._listener = listener
        self._context = context
        self.port: int = listener.getsockname()[1]
        self._lock = lock
        self._exchange = exchange
        self._selector = DefaultSelector()
        self._links: dict[int, _Link] = {}
        self._served = 0
        self._stopping = False
        self._paused = False
        self._waker, self._woken = socket.socketpair()
        self._waker.setblocking(False)
        self._woken.setblocking(False)
        self._selector.register(listener, EVENT_READ)
        self._selector.register(self._woken, EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="ctrader-simulator", daemon=True)

    # Called from other threads

    def start(self) -> None:
        try:
            self._thread.start()
        except BaseException:
            self._close()
            raise

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
        self.wake()
        self._thread.join(_JOIN_TIMEOUT)

    def wake(self) -> None:
        try:
            self._waker.send(b"\0")
        except (BlockingIOError, OSError):
            return  # a full pipe wakes as well, and a closed one belongs to a thread that ended

    def count(self) -> int:
        with self._lock:
            return len(self._links)

    def reset_all(self) -> None:
        with self._lock:
            for link in tuple(self._links.values()):
                self._end(link, reset=True)

    def set_paused(self, paused: bool) -> None:
        with self._lock:
            self._paused = paused
            for link in self._links.values():
                self._watch(link)
        self.wake()

    # The thread

    def _run(self) -> None:
        try:
            while True:
                with self._lock:
                    timeout = self._timeout()
                events = self._selector.select(timeout)
                with self._lock:
                    if self._stopping:
                        return
                    self._pass(events)
        finally:
            with self._lock:
                self._close()

    def _timeout(self) -> float | None:
        if self._paused:
            return None
        deadlines = [self._exchange.next_deadline()]
        deadlines.extend(link.session.next_deadline() for link in self._links.values())
        known = [deadline for deadline in deadlines if deadline is not None]
        if not known:
            return None
        return max(0, min(known) - time.monotonic_ns()) / _SECOND

    def _pass(self, events: Sequence[tuple[Any, int]]) -> None:
        for key, mask in events:
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is self._woken:
                self._drain_wakes()
            else:
                link = self._links.get(key.fd)
                # A link of the same number may be newer than the event.
                current = link is not None and link.transport is key.fileobj
                if link is not None and current and mask & EVENT_READ and not self._paused:
                    self._read(link)
        if self._paused:
            return
        now = time.monotonic_ns()
        self._exchange.advance(now)
        for link in tuple(self._links.values()):
            link.session.handle_timer(now)
            self._flush(link)

    def _drain_wakes(self) -> None:
        try:
            while self._woken.recv(4096):
                pass
        except BlockingIOError:
            return

    def _accept(self) -> None:
        try:
            transport, _ = self._listener.accept()
        except OSError:
            return  # the client is gone already
        transport.setblocking(False)
        transport.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._served += 1
        self._exchange.advance(time.monotonic_ns())
        session = ServerSession(
            self._exchange,
            is_live=self._live,
            recorder=self._make_recorder(self._served),
        )
        link = _Link(transport, session, self._context)
        self._links[transport.fileno()] = link
        self._watch(link)

    def _make_recorder(self, connection: int) -> FrameRecorder | None:
        record = self._record
        if record is None:
            return None

        def take(now: int, outbound: bool, envelope: Envelope) -> None:
            record(connection, now, outbound, envelope)

        return take

    def _read(self, link: _Link) -> None:
        try:
            data = link.transport.recv(_READ_SIZE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._end(link)
            return
        try:
            plain = link.decrypt(data)
        except ssl.SSLError:
            link.push_alert()
            self._end(link)
            return
        if plain:
            link.session.receive_data(plain, time.monotonic_ns())
        if link.ended_by_peer:
            self._end(link)

    def _flush(self, link: _Link) -> None:
        if self._links.get(link.number) is not link:
            return
        try:
            link.encrypt()
            while link.unsent:
                sent = link.transport.send(link.unsent)
                del link.unsent[:sent]
        except (BlockingIOError, InterruptedError):
            pass  # the selector says when there is room again
        except OSError:
            self._end(link)
            return
        if len(link.unsent) > _MAX_UNSENT or (link.session.is_closed and not link.unsent):
            self._end(link)
            return
        self._watch(link)

    def _watch(self, link: _Link) -> None:
        """Wait for what can go on: reading always, writing while bytes wait, nothing on pause."""
        wanted = 0
        if not self._paused:
            wanted = EVENT_READ | (EVENT_WRITE if link.unsent else 0)
        if wanted == link.watched:
            return
        if not link.watched:
            self._selector.register(link.transport, wanted)
        elif not wanted:
            self._selector.unregister(link.transport)
        else:
            self._selector.modify(link.transport, wanted)
        link.watched = wanted

    def _end(self, link: _Link, *, reset: bool = False) -> None:
        if self._links.pop(link.number, None) is None:
            return
        link.session.connection_lost(time.monotonic_ns())
        if link.watched:
            self._selector.unregister(link.transport)
        if reset:
            # Lingering for zero seconds makes the close a reset, as when a machine is gone.
            linger = struct.pack("hh" if os.name == "nt" else "ii", 1, 0)
            link.transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        link.transport.close()

    def _close(self) -> None:
        for link in tuple(self._links.values()):
            self._end(link)
        self._selector.close()
        self._listener.close()
        self._waker.close()
        self._woken.close()


class _Link:
    """One client's socket with its session."""

    def __init__(
        self, transport: socket.socket, session: ServerSession, context: ssl.SSLContext | None
    ) -> None:
        self.transport = transport
        self.number = transport.fileno()
        self.session = session
        self.unsent = bytearray()
        self.watched = 0
        self.ended_by_peer = False
        self._plain = bytearray()
        self._handshaken = context is None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = (
            None
            if context is None
            else context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        )

    def decrypt(self, data: bytes) -> bytes:
        """Take bytes off the socket; return what they say.

        Raises:
            ssl.SSLError: they are no TLS, or the client refuses the certificate.
        """
        if self._tls is None:
            return data
        self._incoming.write(data)
        plain = bytearray()
        try:
            if not self._handshaken:
                self._tls.do_handshake()
                self._handshaken = True
            while True:
                part = self._tls.read(_READ_SIZE)
                if not part:
                    self.ended_by_peer = True
                    break
                plain += part
        except ssl.SSLWantReadError:
            pass  # the rest of the record is still on its way
        except ssl.SSLZeroReturnError:
            self.ended_by_peer = True
        return bytes(plain)

    def encrypt(self) -> None:
        """Make what the session wants said bytes for the socket."""
        plain = self.session.data_to_send()
        if self._tls is None:
            self.unsent += plain
            return
        self._plain += plain
        if self._plain and self._handshaken:
            self._tls.write(self._plain)
            self._plain.clear()
        self.unsent += self._outgoing.read()

    def push_alert(self) -> None:
        """Send the alert that says why a handshake failed, if the socket takes it at once."""
        alert = self._outgoing.read()
        if not alert:
            return
        try:
            self.transport.send(alert)
        except OSError:
            return  # the link ends in any case
