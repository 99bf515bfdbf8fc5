"""Offer the Open API to programs without an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

from ctrader.config import ClientConfig
from ctrader.operations import account_state
from ctrader.protocol.mailbox import CAPACITY
from ctrader.protocol.routing import check_event_type
from ctrader_sync.api import (
    AccountsAPI,
    AuthManager,
    MarketDataAPI,
    Protocol,
    SymbolsAPI,
    TradingAPI,
)
from ctrader_sync.driver import Driver
from ctrader_sync.streams import EventStream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from ctrader.journal.store import OrderJournal
    from ctrader.live.state import AccountState
    from ctrader.models.handlers import HandlerReport
    from ctrader.models.outcomes import UnresolvedOrder
    from ctrader.tokens.store import TokenStore
    from ctrader_sync.api.base import EventHandler, TokensRefreshedCallback

__all__ = ["SyncCTraderClient"]

E = TypeVar("E")


class SyncCTraderClient:
    """A blocking client of the Open API.

    It keeps one connection, authenticates the application and its accounts, and restores all of
    it, subscriptions included, after a loss. Requests are grouped in namespaces:

        with SyncCTraderClient(ClientConfig(client_id="...", client_secret="...")) as client:
            client.auth.authenticate_app()
            credentials = client.auth.authenticate_by_trader_login(...)
            client.market_data.subscribe_spots(credentials.account_id, [270])
            client.wait()

    Every request takes `timeout` in seconds, None standing for `config.request_timeout`. Any
    thread may use the client, handlers included. Ctrl-C ends whatever the main thread waits for:
    a request that was not sent by then never is; what an order came to that was sent must be
    looked up. After `close()` every call raises `ClientClosedError`; in a forked child process
    every call but `close()` raises `ForkedClientError`. Its threads are daemons: a program that
    never closes its client ends all the same. `ctrader.CTraderClient` is the same for asyncio
    and trio.
    """

    def __init__(
        self,
        config: ClientConfig,
        *,
        token_store: TokenStore | None = None,
        on_tokens_refreshed: TokensRefreshedCallback | None = None,
        journal: OrderJournal | None = None,
    ) -> None:
        """Make a client; nothing is sent before `connect()`.

        No thread is started before it either.

        Args:
            config: Server, application and limits.
            token_store: Keeps the tokens of every account, such as `FileTokenStore()`, and lends
                the newest pair to programs that hold an older one. They are refreshed when 80 %
                of their life is over.
            on_tokens_refreshed: Called once per account with the new credentials whenever tokens
                were refreshed; save them, because the old refresh token is dead by then. If it
                raises, it is called again every second.
            journal: Keeps every trading request before it is sent, such as `SqliteJournal(path)`;
                `connect()` opens it, `close()` closes it, and what an earlier process has left
                in doubt is looked up.

        Raises:
            ConfigurationError: a proxy is set, or `ca_file` cannot be used.
        """
        self._driver = Driver(config, journal=journal, token_store=token_store)
        self._protocol = Protocol(self._driver)
        self._auth = AuthManager(
            self._protocol,
            config.client_id,
            config.client_secret,
            on_tokens_refreshed=on_tokens_refreshed,
        )
        self._accounts = AccountsAPI(self._driver)
        self._symbols = SymbolsAPI(self._driver)
        self._trading = TradingAPI(self._driver)
        self._market_data = MarketDataAPI(self._driver)

    @classmethod
    def from_env(
        cls,
        prefix: str = "CTRADER_",
        *,
        environ: Mapping[str, str] | None = None,
        token_store: TokenStore | None = None,
        on_tokens_refreshed: TokensRefreshedCallback | None = None,
        journal: OrderJournal | None = None,
    ) -> Self:
        """Make a client from environment variables; see `ClientConfig.from_env`.

        Args:
            prefix: What the names of the variables begin with.
            environ: Variables to read instead of those of this process.
            token_store: As for the class itself.
            on_tokens_refreshed: As for the class itself.
            journal: As for the class itself.

        Raises:
            ConfigurationError: a variable is missing or makes no sense; the message names it.
        """
        config = ClientConfig.from_env(prefix, environ=environ)
        return cls(
            config,
            token_store=token_store,
            on_tokens_refreshed=on_tokens_refreshed,
            journal=journal,
        )

    # Namespaces

    def __repr__(self) -> str:
        """Name the server; nothing that must stay secret."""
        return f"<SyncCTraderClient of {self.config.host}:{self.config.port}>"

    @property
    def auth(self) -> AuthManager:
        """Authentication of the application and of accounts, and their tokens."""
        return self._auth

    @property
    def accounts(self) -> AccountsAPI:
        """What is known about trading accounts."""
        return self._accounts

    @property
    def symbols(self) -> SymbolsAPI:
        """What can be traded, and on which terms."""
        return self._symbols

    @property
    def trading(self) -> TradingAPI:
        """Orders, positions and deals."""
        return self._trading

    @property
    def market_data(self) -> MarketDataAPI:
        """Live and historical prices."""
        return self._market_data

    @property
    def protocol(self) -> Protocol:
        """Any message of the Open API, as protobuf."""
        return self._protocol

    # State

    @property
    def config(self) -> ClientConfig:
        """How the client was configured."""
        return self._driver.config

    @property
    def is_connected(self) -> bool:
        """Whether the link stands."""
        return self._driver.look(lambda session: session.is_connected)

    @property
    def is_ready(self) -> bool:
        """Whether the link stands and everything wanted on it is restored."""
        return self._driver.look(lambda session: session.is_ready)

    def is_account_authorized(self, account_id: int) -> bool:
        """Whether requests for an account can be made on the present link."""
        return self._driver.look(lambda session: session.is_account_authorized(account_id))

    @property
    def unresolved_orders(self) -> tuple[UnresolvedOrder, ...]:
        """The trading requests of unknown outcome, oldest first.

        They were sent, and no definite answer came; those of calls that were cancelled are among
        them, and from `connect()` on what an earlier process has left in the journal. The client
        looks for what became of each (see `trading.resolve`), and tells it with an
        `OrderResolvedEvent`.
        """
        return self._driver.look(lambda session: session.unresolved_orders)

    @property
    def handlers(self) -> tuple[HandlerReport, ...]:
        """How each handler is doing: delivered, waiting, merged, dropped, failed.

        Oldest first; handlers that ended because they were too slow come last, with their `error`.
        `off` ends what is told of one.
        """
        return self._driver.handlers

    # Local state

    def account_state(self, account_id: int, timeout: float | None = None) -> AccountState:
        """Follow an account from now on, and return its state, which stays current.

            state = client.account_state(account_id)
            print(state.equity, state.free_margin, list(state.positions))

        The account is read once; its events and quotes then keep the state right, and reading a
        property asks nothing of the server. Everybody who asks gets the same object. Quotes that
        floating profits need are subscribed by the state itself. Each change is an
        `AccountStateChangedEvent`; after a loss the state is stale until it was read again, and
        what happened meanwhile is told with `while_away`. While positions are open, the profits
        are compared with the server's every 5 s; see `ProfitDiscrepancyEvent`.

        It returns when the account was read for the first time, and at once after that, also while
        the state is stale. Figures that need a price are None until the first quote has come.

        Args:
            account_id: An account that is authenticated with this client.
            timeout: Seconds for the first reading; None takes `config.request_timeout`.

        Raises:
            AccountAuthError: the account is not authenticated with this client, or was removed.
            APIError: the server refused to tell what the account holds; it is not followed then.
            CTraderConnectionTimeoutError: the account was not read in time.
            ClientClosedError: the client is closed.
            NotConnectedError: the client was never connected.
        """
        return self._driver.run(account_state.follow(account_id), timeout)

    def release_account_state(self, account_id: int, timeout: float | None = None) -> bool:
        """Follow an account no longer, and give back the quotes that its state needed.

        The state stays as it was and is stale from then on, for everybody who holds it. Quotes
        that somebody else subscribed go on.

        Args:
            account_id: The account.
            timeout: Seconds for the server's answer; None takes `config.request_timeout`.

        Returns:
            False if the account was not followed, or somebody waits for its first reading.

        Raises:
            CTraderConnectionTimeoutError: the server did not answer in time; it is given back all
                the same.
            ClientClosedError: the client is closed.
        """
        return self._driver.run(account_state.unfollow(account_id), timeout)

    # Life cycle

    def connect(self, timeout: float | None = None) -> None:
        """Connect to the server; returns when TLS stands.

        It tries once. The application's authentication is then under way: its refusal is raised by
        `auth.authenticate_app()` and by later calls. A link lost later is made again by itself.
        Connecting again while the client is open does nothing. After an error or Ctrl-C nothing
        is left behind, and it may be called again.

        Args:
            timeout: Seconds for name lookup, TCP and TLS together; None takes
                `config.connect_timeout`.

        Raises:
            CTraderConnectionFailedError: the name lookup, the connection or TLS failed.
            CTraderConnectionTimeoutError: it took longer than `timeout`.
            JournalError: the journal could not be opened; nothing was connected.
            ClientClosedError: the client was closed.
        """
        self._driver.connect(timeout)

    def close(self, *, grace: float = 2.0) -> None:
        """Close the client; closing twice is fine.

        Reads that are under way end with `ClientClosedError`; trading requests that were sent are
        waited for. Streams end, handlers get the events that had arrived. When it returns, the
        socket is closed and the I/O thread has ended; a handler that takes longer than a second
        more is left to itself. Any thread may call it; from a handler it returns at once and the
        closing goes on. In a forked child it does nothing.

        Args:
            grace: Seconds to wait for the answers to trading requests under way.

        Raises:
            ValueError: the grace period is NaN or infinite.
        """
        self._driver.close(grace=grace)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the client is closed.

        A handler may close it, for example. Ctrl-C ends the wait, as everywhere, with
        `KeyboardInterrupt`.

        Args:
            timeout: Seconds to wait; None waits without end.

        Returns:
            True when it is closed, False if the time ran out before.

        Raises:
            CTraderReconnectAbandonedError: the link was lost and reconnecting was given up.
            ValueError: the time is none.
        """
        return self._driver.wait(timeout)

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # Events

    def on(
        self,
        event_type: type[E],
        *,
        account_id: int | None = None,
        symbol_id: int | None = None,
    ) -> Callable[[EventHandler[E]], EventHandler[E]]:
        """Register the decorated function as a handler; it is returned unchanged.

            @client.on(SpotEvent, symbol_id=270)
            def on_price(event: SpotEvent) -> None: ...

        See `register_handler` for what handlers may do.

        Args:
            event_type: The class of the events; a protobuf message class is fine too.
            account_id: Only events of this account.
            symbol_id: Only events of this symbol.

        Raises:
            ClientClosedError: the client is closed.
            TypeError: the handler is an `async def`.
            ValueError: this type of event has no such field.
        """

        def register(handler: EventHandler[E], /) -> EventHandler[E]:
            self._driver.register(event_type, handler, account_id=account_id, symbol_id=symbol_id)
            return handler

        return register

    def register_handler(
        self,
        event_type: type[E],
        handler: EventHandler[E],
        *,
        account_id: int | None = None,
        symbol_id: int | None = None,
    ) -> None:
        """Call a handler for each event of a type, also through reconnects.

        Handlers run on threads of their own, each one event after the other, and may use the
        client, close it included. One that takes longer than 50 ms, or waits for an answer, delays
        only itself; when eight are held up at once, the others wait. One that raises is logged with
        its traceback (logger `ctrader.events`) and goes on with the next event. While a handler is
        behind by more than 4,096 events, quotes merge per symbol; beyond 100,000 other events it
        ends with a `SlowConsumerError` in the log. A function that is registered twice is called
        twice. Handlers may be registered before connecting, and from other handlers.

        Args:
            event_type: The class of the events; a protobuf message class is fine too.
            handler: Takes one event.
            account_id: Only events of this account.
            symbol_id: Only events of this symbol.

        Raises:
            ClientClosedError: the client is closed.
            TypeError: the handler is an `async def`, or no function.
            ValueError: this type of event has no such field.
        """
        self._driver.register(event_type, handler, account_id=account_id, symbol_id=symbol_id)

    def off(self, event_type: type[E], handler: EventHandler[E]) -> bool:
        """Stop calling a handler for a type of event, whatever its filters.

        A call that is under way goes on; events that wait for the handler are dropped.

        Returns:
            False if it was not registered.
        """
        return self._driver.unregister(event_type, handler)

    def stream(
        self,
        event_type: type[E],
        *,
        account_id: int | None = None,
        symbol_id: int | None = None,
        capacity: int = CAPACITY,
    ) -> EventStream[E]:
        """Return the events of a type from now on as an iterator.

            with client.stream(SpotEvent, symbol_id=270) as quotes:
                for event in quotes: ...

        Args:
            event_type: The class of the events; a protobuf message class is fine too.
            account_id: Only events of this account.
            symbol_id: Only events of this symbol.
            capacity: Events that wait before quotes are merged per symbol.

        Raises:
            ClientClosedError: the client is closed.
            ValueError: it is no type of event, or this type has no such field.
        """
        check_event_type(event_type)
        return EventStream(
            self._driver,
            event_type,
            account_id=account_id,
            symbol_id=symbol_id,
            capacity=capacity,
        )
