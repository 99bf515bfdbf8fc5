"""Offer the Open API to programs on asyncio or trio."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Self, TypeVar, overload

import anyio

from ctrader.api import (
    AccountsAPI,
    AuthManager,
    MarketDataAPI,
    Protocol,
    SymbolsAPI,
    TradingAPI,
)
from ctrader.config import ClientConfig
from ctrader.driver import Driver
from ctrader.operations import account_state
from ctrader.operations.arguments import seconds_of
from ctrader.protocol.mailbox import CAPACITY
from ctrader.protocol.routing import check_event_type
from ctrader.streams import EventStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from ctrader.api.base import EventHandler, TokensRefreshedCallback
    from ctrader.dispatcher import HandlerDecorator
    from ctrader.journal.store import OrderJournal
    from ctrader.live.state import AccountState
    from ctrader.models.handlers import HandlerReport
    from ctrader.models.outcomes import UnresolvedOrder
    from ctrader.tokens.store import TokenStore

__all__ = ["CTraderClient"]

E = TypeVar("E")


class CTraderClient:
    """A client of the Open API for asyncio and trio.

    It keeps one connection, authenticates the application and its accounts, and restores all of
    it, subscriptions included, after a loss. Requests are grouped in namespaces:

        async with CTraderClient(ClientConfig(client_id="...", client_secret="...")) as client:
            await client.auth.authenticate_app()
            credentials = await client.auth.authenticate_by_trader_login(...)
            await client.market_data.subscribe_spots(credentials.account_id, [270])
            await client.wait()

    Every request takes `timeout` in seconds, None standing for `config.request_timeout`. A client
    belongs to the event loop on which it was connected; a call from another thread or loop raises
    `RuntimeError`. It can be connected once: after `close()` every call raises
    `ClientClosedError`. `ctrader_sync.SyncCTraderClient` is the same without an event loop.
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
        seed = random.SystemRandom().getrandbits(128)
        self._driver = Driver(
            config, rng=random.Random(seed), journal=journal, token_store=token_store
        )
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
        return f"<CTraderClient of {self.config.host}:{self.config.port}>"

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

    async def account_state(self, account_id: int, timeout: float | None = None) -> AccountState:
        """Follow an account from now on, and return its state, which stays current.

            state = await client.account_state(account_id)
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
        return await self._driver.run(account_state.follow(account_id), timeout)

    async def release_account_state(self, account_id: int, timeout: float | None = None) -> bool:
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
        return await self._driver.run(account_state.unfollow(account_id), timeout)

    # Life cycle

    async def connect(self, timeout: float | None = None) -> None:
        """Connect to the server; returns when TLS stands.

        It tries once. The application's authentication is then under way: its refusal is raised by
        `auth.authenticate_app()` and by later calls. A link lost later is made again by itself.
        Connecting again does nothing while the link stands, and waits for it otherwise. After an
        error or a cancellation nothing is left behind, and it may be called again.

        Args:
            timeout: Seconds for name lookup, TCP and TLS together; None takes
                `config.connect_timeout`.

        Raises:
            CTraderConnectionFailedError: the name lookup, the connection or TLS failed.
            CTraderConnectionTimeoutError: it took longer than `timeout`.
            JournalError: the journal could not be opened; nothing was connected.
            ClientClosedError: the client was closed.
            RuntimeError: the client belongs to another event loop.
        """
        await self._driver.connect(timeout)

    async def close(self, *, grace: float = 2.0) -> None:
        """Close the client; closing twice is fine.

        Reads that are under way end with `ClientClosedError`; trading requests that were sent are
        waited for. Streams end, handlers get the events that had arrived. When it returns, no
        task and no socket is left; a handler that calls it is left to finish. It may be called
        from any task of the client's event loop, and ends within the grace period even if its
        caller is cancelled; the cancellation then goes on.

        Args:
            grace: Seconds for answers and handlers under way, three quarters of them for answers;
                handlers that take longer are cancelled.

        Raises:
            RuntimeError: the client belongs to another event loop.
            ValueError: the grace period is NaN or infinite.
        """
        await self._driver.close(grace=grace)

    async def wait(self, timeout: float | None = None) -> bool:
        """Wait until the client is closed.

        Args:
            timeout: Seconds to wait; None waits without end.

        Returns:
            True when it is closed, False if the time ran out before.

        Raises:
            CTraderReconnectAbandonedError: the link was lost and reconnecting was given up.
            ValueError: the time is none.
        """
        timeout = None if timeout is None else seconds_of(timeout, may_be_endless=True)
        self._driver.require_owner()
        with anyio.move_on_after(timeout):
            await self._driver.closed.wait()
        if not self._driver.closed.is_set:
            return False
        self._driver.raise_failure()
        return True

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    # Events

    def on(
        self,
        event_type: type[E],
        *,
        account_id: int | None = None,
        symbol_id: int | None = None,
    ) -> HandlerDecorator[E]:
        """Register the decorated function as a handler; it is returned unchanged.

            @client.on(SpotEvent, symbol_id=270)
            async def on_price(event: SpotEvent) -> None: ...

        See `register_handler` for what handlers may do.

        Args:
            event_type: The class of the events; a protobuf message class is fine too.
            account_id: Only events of this account.
            symbol_id: Only events of this symbol.

        Raises:
            ClientClosedError: the client is closed.
            ValueError: this type of event has no such field.
        """

        @overload
        def register(
            handler: Callable[[E], Awaitable[None]], /
        ) -> Callable[[E], Awaitable[None]]: ...
        @overload
        def register(handler: Callable[[E], None], /) -> Callable[[E], None]: ...
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

        An `async def` may wait; a plain function must not block the event loop. Each handler runs
        in a task of its own, one event after the other, and may use the client, close it included.
        One that raises is logged with its traceback (logger `ctrader.events`) and goes on with the
        next event. While a handler is behind by more than 4,096 events, quotes merge per symbol;
        beyond 100,000 other events it ends with a `SlowConsumerError` in the log. A function that
        is registered twice is called twice. Handlers may be registered before connecting, and
        from other handlers.

        Args:
            event_type: The class of the events; a protobuf message class is fine too.
            handler: Takes one event.
            account_id: Only events of this account.
            symbol_id: Only events of this symbol.

        Raises:
            ClientClosedError: the client is closed.
            TypeError: the handler is no function.
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

            async with client.stream(SpotEvent, symbol_id=270) as quotes:
                async for event in quotes: ...

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
