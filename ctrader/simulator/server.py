"""The simulated broker on real sockets.

One thread owns the exchange, all connections and the clock. Other threads reach the exchange
through `Simulator.locked`, which holds that thread off meanwhile.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from traceback import format_exception
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf.message import Message

from ctrader.errors import ConfigurationError
from ctrader.simulator.catalogue import (
    DEFAULT_ACCOUNTS,
    DEFAULT_APPLICATIONS,
    DEFAULT_CATALOGUE,
    AccountSpec,
    ApplicationSpec,
    Catalogue,
)
from ctrader.simulator.desks.oauth import AUTHORISATION_PATHS, TOKEN_PATH
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.http_session import HttpSession
from ctrader.simulator.market.prices import PriceSource
from ctrader.simulator.market.replay import ReplayPrices
from ctrader.simulator.market.walk import RandomWalkPrices
from ctrader.simulator.recording import Frame
from ctrader.simulator.scripting.named import known_kind
from ctrader.simulator.scripting.script import Script
from ctrader.simulator.scripting.terminal import Terminal
from ctrader.simulator.session import ServerSession
from ctrader.simulator.sockets.certificates import Certificate, authority_path, check_names
from ctrader.simulator.sockets.link import LinkedSession
from ctrader.simulator.sockets.listener import Listener, open_listener
from ctrader.simulator.sockets.serving import ServingLoop, catch_up
from ctrader.simulator.switches import Switches

if TYPE_CHECKING:
    from typing import Any, Self

    from ctrader.config import ClientConfig
    from ctrader.credentials import AccountCredentials

__all__ = ["ListenError", "Simulator"]

M = TypeVar("M", bound=Message)

_EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)  # walks begin in 1999
_LATEST: Final = datetime(2038, 1, 1, tzinfo=UTC)  # timestamps of the API end soon after
_LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # where to reach wildcards


class ListenError(OSError):
    """An address cannot be listened on; the text says which, and what to do."""

    def __init__(self, argument: str, host: str, port: int, cause: OSError | UnicodeError) -> None:
        """Tell of a failure.

        Args:
            argument: Argument of `Simulator` that asked for the port.
            host: Address that was to be listened on.
            port: Port that was to be listened on, 0 for any free one.
            cause: What the system said.
        """
        number = cause.errno if isinstance(cause, OSError) else None
        told = cause.strerror if isinstance(cause, OSError) else None
        if number in (errno.EADDRINUSE, errno.EACCES):
            remedy = "choose another port; 0 takes any free one"
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        else:
            argument, where = "host", host
            remedy = "give an address of this machine, such as 127.0.0.1, or 0.0.0.0 for all"
        problem = f"{where} cannot be listened on: {told or cause}; {remedy}"
        super().__init__(number, f"{argument}: {problem}")
        self.argument = argument
        """Argument of `Simulator` that is to blame."""
        self.problem = problem
        """What is wrong, and what to do."""


class Simulator:
    """A whole simulated broker on loopback ports, with TLS by default.

    It listens for clients of demo accounts, for those of live ones, and for browsers and programs
    that want tokens; all share one broker. Use it as a context manager, `with` from blocking code
    and `async with` on any loop; it runs on a thread of its own either way. Everything that it
    draws comes from the seed.

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
        other_port: int = 0,
        oauth_port: int = 0,
        names: Sequence[str] = (),
        ca_file: str | os.PathLike[str] | None = None,
        switches: Switches | None = None,
        catalogue: Catalogue = DEFAULT_CATALOGUE,
        accounts: Sequence[AccountSpec] = DEFAULT_ACCOUNTS,
        applications: Sequence[ApplicationSpec] = DEFAULT_APPLICATIONS,
        start: datetime | None = None,
        frozen: bool = False,
        record_frames: bool = False,
    ) -> None:
        """Prepare a simulator; nothing runs before it is entered or started.

        Args:
            seed: Decides prices, tokens and everything else that is drawn.
            prices: Where prices come from; a random walk from the seed by default.
            replay: A CSV file of real bars to replay instead, from its middle on; the first half
                is history.
            replay_symbol: Name of the symbol whose bars the file holds; the others walk at random.
            speed: How many seconds the market's clock goes in one real second. What is more than
                the machine can do, thousands with a few symbols watched, only slows all clocks of
                the broker down, those of heartbeats and fills too.
            tls: Whether to encrypt, with a throw-away certificate; needs the `simulator` extra.
            live: Whether `port` and `client_config` lead to the live accounts, not the demo ones.
            host: Address to listen on.
            port: Port to listen on, 0 for any free one.
            other_port: Port for the accounts of the other kind.
            oauth_port: Port of the authorisation server.
            names: Host names and addresses by which other machines and containers call this one.
                The certificate is good for them too, and `oauth_url` uses the first.
            ca_file: Where to write the certificate's authority, readable by every user; by default
                a temporary file that only this one can read. A file that is there must be empty,
                or what another simulator left behind. Either goes when the simulator stops, unless
                another one has written there since.
            switches: What to do where the real server's behaviour is not known.
            catalogue: What the broker lists.
            accounts: The trading accounts.
            applications: The programs, each with one grant; the first is the client's.
            start: The market's time when the simulator is made, with a time zone; by default the
                present, or the beginning of what is replayed. Tokens expire by the real time.
            frozen: Whether prices stand still until the script sets or releases them.
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
            raise ConfigurationError(f"speed must be a number from 0.000001 on, not {speed}.")
        ports = {"port": port, "other_port": other_port, "oauth_port": oauth_port}
        for name, each in ports.items():
            if not 0 <= each <= 65_535:
                raise ConfigurationError(f"{name} must be from 0 to 65535, not {each}.")
        self._names = check_names(names)
        if ca_file is not None and not tls:
            raise ConfigurationError(
                "ca_file says where to write the authority of the certificate, and without TLS "
                "there is none: leave it out, or tls=False (--plain)."
            )
        self._authority_file = None if ca_file is None else authority_path(ca_file)
        if start is not None and (replay is not None or getattr(prices, "start", None) is not None):
            raise ConfigurationError(
                "start is not for what is replayed: that has its own beginning."
            )
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
        self._host = host
        self._wanted_ports = ports
        self._lock = threading.RLock()
        self._frame_arrived = threading.Condition(self._lock)
        self._exchange = Exchange(
            seed=seed,
            now=time.monotonic_ns(),
            unix_ms=time.time_ns() // 1_000_000,
            market_start=None if start is None else _milliseconds(start),
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
        self._loop: ServingLoop | None = None
        self._holder: int | None = None
        self._ports: tuple[int, ...] = ()
        self._certificate: Certificate | None = None
        self._exchange.recording.is_on = record_frames
        self._exchange.recording.on_frame = self._frame_arrived.notify_all
        self._script = Script(self._exchange, self.locked)
        if frozen:
            self._exchange.script.hold_prices()

    # Life cycle

    def start(self) -> None:
        """Listen and serve on a thread of its own.

        Raises:
            ConfigurationError: TLS is wanted and trustme is not installed, or no certificate
                holds one of the names.
            ListenError: the address cannot be listened on; an `OSError`.
            OSError: the authority's file cannot be written.
            RuntimeError: it runs already.
        """
        if self._loop is not None:
            raise RuntimeError("the simulator runs already")
        listeners: list[Listener] = []
        try:
            self._listen(listeners)
            if self._tls:
                self._certificate = Certificate(
                    *(() if self._host in _LOOPBACK else (self._host,)),  # a wildcard is no name
                    *self._names,
                    authority_file=self._authority_file,
                )
            context = None if self._certificate is None else self._certificate.context
            self._ports = tuple(listener.port for listener in listeners)
            loop = ServingLoop(self._exchange, self._lock, listeners, context)
            loop.start()
        except BaseException:
            for listener in listeners:
                listener.socket.close()
            self._remove_certificate()
            raise
        self._loop = loop

    def stop(self) -> None:
        """Cut every connection and stop serving; a second call does nothing.

        Raises:
            RuntimeError: the serving thread had failed, and this is why (`with` raises it as
                well); or it is called inside `locked`, where that thread can never end.
        """
        if self._holder == threading.get_ident() or (
            self._loop is not None and self._loop.is_own_thread
        ):
            raise RuntimeError(
                "stop() would wait for itself: call it outside locked() and outside functions "
                "that the script calls"
            )
        loop, self._loop = self._loop, None
        try:
            if loop is not None:
                loop.stop()
        finally:
            self._remove_certificate()

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
        self._leave(error)

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
            await run_sync(self._leave, error)

    # What a client needs

    @property
    def host(self) -> str:
        """Address that it listens on."""
        return self._host

    @property
    def port(self) -> int:
        """Port for clients of the demo accounts, or of the live ones if so wanted.

        Raises:
            RuntimeError: it does not run.
        """
        return self._port(0)

    @property
    def demo_port(self) -> int:
        """Port for clients of the demo accounts.

        Raises:
            RuntimeError: it does not run.
        """
        return self._port(1 if self._live else 0)

    @property
    def live_port(self) -> int:
        """Port for clients of the live accounts.

        Raises:
            RuntimeError: it does not run.
        """
        return self._port(0 if self._live else 1)

    @property
    def oauth_url(self) -> str:
        """Address of the authorisation server, without a path.

        Its host is the first of the names given; without any, that at which programs on this
        machine reach it.

        Raises:
            RuntimeError: it does not run.
        """
        host = self._names[0] if self._names else _LOOPBACK.get(self._host, self._host)
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self._port(2)}"

    @property
    def authorisation_url(self) -> str:
        """Address of the page on which the user, who always agrees, grants access.

        Raises:
            RuntimeError: it does not run.
        """
        return f"{self.oauth_url}{AUTHORISATION_PATHS[0]}/"

    @property
    def token_url(self) -> str:
        """Address at which codes and refresh tokens are exchanged.

        Raises:
            RuntimeError: it does not run.
        """
        return self.oauth_url + TOKEN_PATH

    @property
    def tls(self) -> bool:
        """Whether connections are encrypted."""
        return self._tls

    @property
    def ca_file(self) -> str | None:
        """PEM file of the authority that signed the certificate; None without TLS."""
        return None if self._certificate is None else self._certificate.authority_file

    @property
    def client_id(self) -> str:
        """Id of the program that clients run as."""
        return self._applications[0].client_id

    @property
    def client_secret(self) -> str:
        """Secret of that program."""
        return self._applications[0].client_secret

    def client_config(
        self,
        *,
        live: bool | None = None,
        **overrides: Any,  # they are ClientConfig's own
    ) -> ClientConfig:
        """Return the configuration with which a client reaches this simulator.

        Args:
            live: Whether it leads to the live accounts; by default as the simulator was made.
            overrides: Further fields of `ClientConfig`, or other values for those given here.

        Raises:
            ConfigurationError: an override is wrong.
            RuntimeError: it does not run.
        """
        from ctrader.config import ClientConfig

        settings: dict[str, Any] = {
            "host": _LOOPBACK.get(self.host, self.host),
            "port": self.port if live is None else self.live_port if live else self.demo_port,
            "use_ssl": self._tls,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "ca_file": self.ca_file,
        }
        return ClientConfig(**{**settings, **overrides})

    def credentials(self, account: int = 0) -> AccountCredentials:
        """Return the present tokens of an account.

        Args:
            account: Place of the account among `accounts`, from 0; not its id.

        Raises:
            IndexError: there is no such account.
            TypeError: this is no place.
        """
        from ctrader.credentials import AccountCredentials

        with self._lock:
            grant = self._exchange.grants.grants[0]
            return AccountCredentials(
                account_id=self._account_id(account),
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
    def script(self) -> Script:
        """What a test makes happen here, from any thread."""
        return self._script

    def set_price(self, symbol: str | int, bid: float | Decimal, ask: float | Decimal) -> None:
        """Give a symbol a price, and hold it there; the same as `script.set_price`.

        Raises:
            KeyError: the broker has no such symbol; the text lists those that it has.
            ValueError: a side is not a positive number, or has too many digits, or the bid lies
                over the ask.
        """
        self._script.set_price(symbol, bid, ask)

    def terminal(self, account: int = 0) -> Terminal:
        """Sit down at another terminal of an account.

        Args:
            account: Place of the account among `accounts`, from 0; not its id.

        Raises:
            IndexError: there is no such account.
            TypeError: this is no place.
        """
        return self._script.terminal(self._account_id(account))

    @property
    def exchange(self) -> Exchange:
        """The broker behind the sockets; touch it only inside `locked`."""
        return self._exchange

    @contextmanager
    def locked(self) -> Generator[Exchange]:
        """Hold the serving thread off and yield the exchange at the present time.

        Where the market is quicker than the machine, it is as near to the present as it got.
        """
        try:
            with self._lock:
                before, self._holder = self._holder, threading.get_ident()
                try:
                    catch_up(self._exchange, lambda: False)
                    yield self._exchange
                finally:
                    self._holder = before
        finally:
            if self._loop is not None:
                self._loop.wake()  # whatever was done before the block failed goes out, too

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return 0 if self._loop is None else self._loop.count()

    @property
    def frames(self) -> list[Frame]:
        """All frames in both directions so far; empty unless recording was asked for."""
        with self._lock:
            return self._exchange.recording.frames()

    def sent_by_client(self, kind: type[M], *, connection: int | None = None) -> list[M]:
        """Return the messages of one kind that clients sent, in order, if recorded.

        Args:
            kind: The kind of message, such as `ProtoOANewOrderReq`.
            connection: Only those of one connection, counted from 1.

        Raises:
            TypeError: the kind is no class of messages.
            ValueError: no frame carries such a message by itself.
        """
        with self._lock:
            return self._exchange.recording.sent_by_client(known_kind(kind), connection=connection)

    def sent_by_server(self, kind: type[M], *, connection: int | None = None) -> list[M]:
        """Return the messages of one kind that clients were sent, in order, if recorded.

        Args:
            kind: The kind of message, such as `ProtoOAExecutionEvent`.
            connection: Only those of one connection, counted from 1.

        Raises:
            TypeError: the kind is no class of messages.
            ValueError: no frame carries such a message by itself.
        """
        with self._lock:
            return self._exchange.recording.sent_by_server(known_kind(kind), connection=connection)

    def wait_for_client(self, kind: type[M], *, count: int = 1, timeout: float = 5.0) -> list[M]:
        """Wait until clients have sent messages of one kind; return all of them so far.

        It blocks: on an event loop call it in a thread, for the client needs the loop.

        Args:
            kind: The kind of message, such as `ProtoOANewOrderReq`.
            count: How many there must be, those before the call included.
            timeout: Seconds to wait.

        Raises:
            TimeoutError: they did not come in time; the text says what did.
            RuntimeError: frames are not recorded, so nobody would notice.
            TypeError: the kind is no class of messages.
            ValueError: no frame carries such a message by itself.
        """
        known_kind(kind)
        recording = self._exchange.recording
        if not recording.is_on:
            raise RuntimeError(
                "frames are not recorded: make the simulator with record_frames=True"
            )
        with self._frame_arrived:
            if self._frame_arrived.wait_for(
                lambda: len(recording.frames(kind, outbound=False)) >= count, timeout
            ):
                return recording.sent_by_client(kind)
            came = len(recording.frames(kind, outbound=False))
        raise TimeoutError(f"clients sent {came} of {count} {kind.__name__} in {timeout:g} s")

    def dump_frames(self) -> str:
        """Return the recorded frames as text, one a line; secrets are hidden."""
        with self._lock:
            return self._exchange.recording.dump()

    def clear_frames(self) -> None:
        """Forget the recorded frames."""
        with self._lock:
            self._exchange.recording.clear()

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

    def _listen(self, listeners: list[Listener]) -> None:
        """Open the doors: for the chosen kind of account, for the other, and for browsers."""
        exchange, live = self._exchange, self._live
        doors: dict[str, Callable[[], LinkedSession]] = {
            "port": lambda: ServerSession(exchange, is_live=live),
            "other_port": lambda: ServerSession(exchange, is_live=not live),
            "oauth_port": lambda: HttpSession(exchange),
        }
        for name, port in self._wanted_ports.items():
            try:
                listener = open_listener(
                    self._host, port, doors[name], is_counted=name != "oauth_port"
                )
            except (OSError, UnicodeError) as error:  # the latter for names that no host has
                raise ListenError(name, self._host, port, error) from error
            listeners.append(listener)

    def _account_id(self, given: object) -> int:
        """Return the id of the account at a place."""
        ids = [each.account_id for each in self._accounts]
        told = f"account must be a place, 0 to {len(ids) - 1}, not {given!r}"
        if not isinstance(given, int):
            raise TypeError(f"{told}; `accounts` lists them")
        if not -len(ids) <= given < len(ids):
            hint = (
                f"that is the id of the account at place {ids.index(given)}"
                if given in ids
                else "`accounts` lists them"
            )
            raise IndexError(f"{told}; {hint}")
        return ids[given]

    def _leave(self, error: BaseException | None) -> None:
        """Stop at the end of a block.

        Raises:
            RuntimeError: the thread had failed, and the block has not; else its error tells.
        """
        try:
            self.stop()
        except RuntimeError as failure:
            if error is None:
                raise
            cause = failure.__cause__
            error.add_note(f"{failure}" if cause is None else "".join(format_exception(cause)))

    def _port(self, place: int) -> int:
        if self._loop is None:
            raise RuntimeError("the simulator does not run")
        return self._ports[place]

    def _remove_certificate(self) -> None:
        certificate, self._certificate = self._certificate, None
        if certificate is not None:
            certificate.remove()


def _milliseconds(start: datetime) -> int:
    """Return the instant at which a market begins.

    Raises:
        ConfigurationError: it has no time zone, or lies where no prices are.
    """
    if start.tzinfo is None:
        raise ConfigurationError(f"start needs a time zone, such as tzinfo=UTC, not {start!r}.")
    if not _EARLIEST <= start < _LATEST:
        raise ConfigurationError(
            f"start must be from {_EARLIEST:%Y-%m-%d} until {_LATEST:%Y-%m-%d}, not {start}."
        )
    return round(start.timestamp() * 1000)
