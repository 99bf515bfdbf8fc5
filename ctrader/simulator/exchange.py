"""The broker's whole back end, shared by all connections.

It is driven from outside: call `advance(now)` whenever `next_deadline()` has come and before every
request. `now` is any monotonic clock in nanoseconds; the exchange reads no clock of its own. It is
not thread-safe.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from weakref import WeakSet

from ctrader.errors import ConfigurationError
from ctrader.proto import (
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAChangeBalanceType,
    ProtoOASymbolChangedEvent,
    ProtoOATraderUpdatedEvent,
)
from ctrader.simulator.accounts.money import Converter
from ctrader.simulator.book import AccountBook, Booking
from ctrader.simulator.catalogue import (
    DEFAULT_ACCOUNTS,
    DEFAULT_APPLICATIONS,
    DEFAULT_CATALOGUE,
    AccountSpec,
    ApplicationSpec,
    Catalogue,
    SymbolSpec,
)
from ctrader.simulator.grants import Consent, Grant, Grants
from ctrader.simulator.limits import HistoryQuota
from ctrader.simulator.maintenance import Maintenance
from ctrader.simulator.market.calendar import TradingHours, hours_of
from ctrader.simulator.market.depth import DepthFeed
from ctrader.simulator.market.ladder import Ladder, ladder_of
from ctrader.simulator.market.live import Market
from ctrader.simulator.market.prices import Bar, PriceSource, Quote, Tick
from ctrader.simulator.market.scripted import ScriptedPrices
from ctrader.simulator.market.walk import RandomWalkPrices
from ctrader.simulator.messages.account import trader_message
from ctrader.simulator.orders.floor import TradingFloor
from ctrader.simulator.recording import Recording
from ctrader.simulator.scripting.interference import Interference
from ctrader.simulator.scripting.script import Script
from ctrader.simulator.switches import Switches
from ctrader.simulator.terms import check_account, check_symbol

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.protocol.envelope import Envelope

__all__ = ["Connection", "Exchange"]

_MILLISECOND: Final = 1_000_000
_SECOND: Final = 1_000_000_000


class Connection(Protocol):
    """What the exchange knows of a client's connection."""

    @property
    def number(self) -> int:
        """Which connection it is, counted from 1."""
        ...

    @property
    def client_id(self) -> str | None:
        """The program that is authenticated on it, None before that."""
        ...

    def has_account(self, account_id: int) -> bool:
        """Tell whether an account is authorised on it."""
        ...

    def accounts_of_token(self, access_token: str) -> list[int]:
        """Return the accounts that were authorised on it with an access token."""
        ...

    def has_asked(self, client_msg_id: str) -> bool:
        """Tell whether a request of this id came on it."""
        ...

    def send(self, message: Message, client_msg_id: str | None = None) -> None:
        """Put a message on it."""
        ...

    def inject(self, data: bytes | Envelope) -> None:
        """Put a frame or bytes of any kind on it."""
        ...

    def end_account(self, account_id: int) -> None:
        """Forget an account's authorisation and subscriptions."""
        ...

    def end_client(self, reason: str) -> None:
        """End the program's session with all its accounts, and say so."""
        ...

    def close(self, reason: str, *, reset: bool = False) -> None:
        """End it, abruptly or after what waits to be sent."""
        ...

    def fall_silent(self) -> None:
        """Leave it open, but take and send nothing on it any more."""
        ...


class Exchange:
    """Programs, accounts, prices and trades of the simulated broker."""

    def __init__(
        self,
        *,
        seed: int = 1,
        now: int = 0,
        unix_ms: int = 1_700_000_000_000,
        market_start: int | None = None,
        prices: PriceSource | None = None,
        speed: float = 1.0,
        catalogue: Catalogue = DEFAULT_CATALOGUE,
        accounts: Sequence[AccountSpec] = DEFAULT_ACCOUNTS,
        applications: Sequence[ApplicationSpec] = DEFAULT_APPLICATIONS,
        switches: Switches | None = None,
    ) -> None:
        """Open the exchange.

        Args:
            seed: Decides prices, tokens and everything else that is drawn.
            now: The driver's clock at this moment, nanoseconds.
            unix_ms: The time of day at this moment, milliseconds since the epoch.
            market_start: The market's time at this moment, milliseconds UTC; by default the
                source's beginning, or the time of day where it has none.
            prices: Where prices come from; a random walk from the seed by default.
            speed: How many seconds the market's clock goes in one of the driver's.
            catalogue: What the broker lists.
            accounts: The trading accounts.
            applications: The programs, each with one grant.
            switches: What to do where the real server's behaviour is not known.

        Raises:
            ConfigurationError: a program is granted an account that there is not.
            ValueError: nobody could trade on the terms of a symbol or an account, the speed is no
                number, or the market would stand still.
        """
        if not 1e-6 <= speed < 1e9:
            raise ValueError(f"speed must be a number from 0.000001 on, not {speed}")
        known = {spec.account_id for spec in accounts}
        for each in applications:
            if not known.issuperset(each.account_ids):
                unknown = sorted(set(each.account_ids) - known)
                raise ConfigurationError(
                    f"The program {each.client_id} is granted accounts that do not exist: {unknown}"
                )
        for symbol in catalogue.symbols:
            check_symbol(symbol, catalogue)
        for spec in accounts:
            check_account(spec)
        self.switches = Switches() if switches is None else switches
        """What the broker does where the real server's behaviour is not known."""
        self.catalogue = catalogue
        """What the broker lists."""
        self.symbols = {symbol.symbol_id: symbol for symbol in catalogue.symbols}
        """The symbols by id."""
        self.now = now
        """The driver's clock at the last call, nanoseconds."""
        self._opened = now
        self._unix_ms = unix_ms
        pace = Fraction(speed).limit_denominator(1_000_000)
        self._numerator, self._denominator = pace.numerator, pace.denominator * _MILLISECOND
        if prices is None:
            prices = RandomWalkPrices(
                seed, symbols=catalogue.symbols, always_open=self.switches.always_open
            )
        if market_start is None:
            market_start = unix_ms if prices.start is None else prices.start
        self._market_start = market_start
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._connections: list[Connection] = []
        self._ending: WeakSet[Connection] = WeakSet()
        self._gone: set[int] = set()
        self._attached = 0
        self._maintenance: Maintenance | None = None
        self.finished_bars: dict[tuple[int, int, int], Bar | None] = {}
        """Bars of days and more that are over, by symbol, period and beginning."""
        self._quotas: dict[str | None, HistoryQuota] = {}
        self.interference = Interference()
        """What a script wants done to the frames of the connections."""
        self.consent = Consent()
        """How the user answers on the authorisation page."""
        self.script = Script(self)
        """What a test makes happen here."""
        self.recording = Recording()
        """Every frame in both directions, once it is switched on."""
        self.grants = Grants(
            applications,
            accounts,
            random=Random(seed),
            switches=self.switches,
            unix_now=unix_ms // 1000,
        )
        """The register of programs and tokens."""
        self.books = {
            spec.account_id: AccountBook(
                spec, catalogue.asset_named(spec.deposit_asset).asset_id, self._market_start
            )
            for spec in accounts
        }
        """The accounts' books by account id."""
        self.prices = ScriptedPrices(prices)
        """Where prices come from, and what a script makes of them."""
        self.market = Market(
            self.prices,
            market_now=self.market_now,
            schedule_at=self.at,
            on_tick=self._on_tick,
            switches=self.switches,
        )
        """Live quotes and bars."""
        self._seed = seed
        self.depth = DepthFeed(
            self.symbols,
            self.quote,
            seed=seed,
            watch=self.watch,
            unwatch=self.unwatch,
            first_id=self.switches.depth_first_id,
            ids_come_back=self.switches.depth_ids_come_back,
        )
        """Live depth."""
        self.converter = Converter(catalogue, self.switches, self.quote)
        """Rates between currencies."""
        self.floor = TradingFloor(self, catalogue, self.converter, self.switches)
        """Orders and positions."""
        self._hours = {symbol.symbol_id: self._hours_of(symbol) for symbol in catalogue.symbols}

    # Time

    def advance(self, now: int) -> None:
        """Let everything happen that was due until now; earlier times change nothing."""
        heap = self._heap
        while heap and heap[0][0] <= now:
            due, _, action = heappop(heap)
            self.now = max(self.now, due)
            action()
        self.now = max(self.now, now)

    def next_deadline(self) -> int | None:
        """Return when `advance` should be called next, None if nothing is due."""
        return self._heap[0][0] if self._heap else None

    def market_now(self) -> int:
        """Return the present instant of the market, milliseconds UTC."""
        return self._market_start + (self.now - self._opened) * self._numerator // self._denominator

    def unix_now(self) -> int:
        """Return the present time of day, seconds since the epoch."""
        return (self._unix_ms + (self.now - self._opened) // _MILLISECOND) // 1000

    def after(self, delay: float, action: Callable[[], None]) -> None:
        """Do something when some seconds have passed."""
        self._schedule(self.now + round(delay * _SECOND), action)

    def at(self, instant: int, action: Callable[[], None]) -> None:
        """Do something at an instant of the market, milliseconds UTC."""
        away = (instant - self._market_start) * self._denominator
        self._schedule(self._opened - (-away // self._numerator), action)

    # Connections

    @property
    def connections(self) -> tuple[Connection, ...]:
        """All connections, in the order in which they came."""
        return tuple(self._connections)

    @property
    def ending_connections(self) -> tuple[Connection, ...]:
        """Those that have ended, but whose last bytes may still wait to be sent."""
        return tuple(sorted(self._ending, key=lambda each: each.number))

    def connections_of(self, client_id: str) -> int:
        """Return on how many connections a program is authenticated."""
        return sum(each.client_id == client_id for each in self._connections)

    def attach(self, connection: Connection) -> int:
        """Begin to send a connection the events of its accounts; return its number."""
        self._connections.append(connection)
        self._attached += 1
        return self._attached

    def detach(self, connection: Connection) -> None:
        """Stop sending a connection anything."""
        if connection in self._connections:
            self._connections.remove(connection)
            self._ending.add(connection)

    def publish(
        self,
        account_id: int,
        message: Message,
        origin: str | None,
        *,
        but: Connection | None = None,
    ) -> None:
        """Send an event to every connection on which the account is authorised.

        Args:
            origin: Id of the request behind it, which goes to the other connections too, unless
                that is switched off.
            but: A connection that has it already.
        """
        everywhere = origin is None or self.switches.foreign_client_msg_ids
        for connection in tuple(self._connections):
            if connection is not but and connection.has_account(account_id):
                known = everywhere or connection.has_asked(origin or "")
                connection.send(message, origin if known else None)

    def record(self, connection: int, outbound: bool, envelope: Envelope) -> None:
        """Put a frame that passed a connection on the record, if that is on."""
        self.recording.take(self.now - self._opened, connection, outbound, envelope)

    # Service

    @property
    def maintenance(self) -> Maintenance | None:
        """The maintenance that is under way, None where there is none."""
        if self._maintenance is not None and self._maintenance.is_over(self.unix_now()):
            self._maintenance = None
        return self._maintenance

    @maintenance.setter
    def maintenance(self, maintenance: Maintenance | None) -> None:
        self._maintenance = maintenance

    def history_quota(self, client_id: str | None) -> HistoryQuota:
        """Return a program's long quota of historical requests."""
        return self._quotas.setdefault(client_id, HistoryQuota(self.switches))

    # Tokens

    def book_of(self, account_id: int) -> AccountBook:
        """Return an account's books.

        Raises:
            KeyError: there is no such account.
        """
        return self.books[account_id]

    def invalidate_token(self, access_token: str, reason: str, *, ends_sessions: bool) -> None:
        """Tell the account sessions of an access token that it is dead.

        Args:
            access_token: The token.
            reason: What the event says.
            ends_sessions: Whether they end with it.
        """
        for connection in tuple(self._connections):
            accounts = connection.accounts_of_token(access_token)
            if not accounts:
                continue
            connection.send(
                ProtoOAAccountsTokenInvalidatedEvent(ctidTraderAccountIds=accounts, reason=reason)
            )
            for account_id in accounts:
                connection.send(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=account_id))
                if ends_sessions:
                    connection.end_account(account_id)

    def refresh(self, refresh_token: str, *, client_id: str | None) -> tuple[Grant, str]:
        """Spend a refresh token; return its grant and the old access token.

        The sessions that used the old one are not told yet: call `refreshed` with it, once the
        new pair is out.

        Raises:
            Refusal: the token is worthless, or another program's.
        """
        return self.grants.refresh(refresh_token, self.unix_now(), client_id=client_id)

    def refreshed(self, access_token: str) -> None:
        """Tell the sessions that used an access token that a refresh superseded it."""
        self.invalidate_token(
            access_token,
            "Access token has been refreshed",
            ends_sessions=self.switches.refresh_ends_sessions,
        )

    def revoke(self, grant: Grant) -> None:
        """Withdraw a grant, as its user may at any time."""
        self.grants.revoke(grant)
        self.revoked(grant)

    def revoked(self, grant: Grant) -> None:
        """End the sessions of a grant that was withdrawn."""
        self.invalidate_token(
            grant.access_token, "Access token has been revoked", ends_sessions=True
        )

    def is_gone(self, account_id: int) -> bool:
        """Tell whether an account was deleted."""
        return account_id in self._gone

    def delete_account(self, account_id: int) -> None:
        """Let an account be gone for good; its sessions end, and nobody can authorise it.

        Raises:
            KeyError: there is no such account.
        """
        self._gone.add(self.books[account_id].spec.account_id)
        for connection in tuple(self._connections):
            if connection.has_account(account_id):
                connection.send(
                    ProtoOAAccountsTokenInvalidatedEvent(
                        ctidTraderAccountIds=[account_id], reason="Trading account is deleted"
                    )
                )
        self.disconnect_account(account_id)

    def disconnect_client(self, client_id: str, reason: str) -> None:
        """End the sessions of a program on every connection; the connections stay."""
        for connection in tuple(self._connections):
            if connection.client_id == client_id:
                connection.end_client(reason)

    def disconnect_account(self, account_id: int) -> None:
        """End the sessions of one account on every connection; the connections stay."""
        for connection in tuple(self._connections):
            if connection.has_account(account_id):
                connection.send(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=account_id))
                connection.end_account(account_id)

    # Prices

    def quote(self, symbol_id: int) -> Quote | None:
        """Return both sides of a symbol as they are now, None where there is no price."""
        return self.market.quote(symbol_id)

    def set_price(self, symbol_id: int, bid: int, ask: int) -> None:
        """Give a symbol a price in the wire's units, from now on until it is released.

        Raises:
            ValueError: a side is not positive, or the bid lies over the ask.
        """
        tick = self.prices.set(symbol_id, bid, ask, self.market_now())
        self.market.refetch(symbol_id, tick)
        self.depth.renew(symbol_id)

    def hold_price(self, symbol_id: int) -> None:
        """Let a symbol stand still from now on until it is released."""
        self.prices.hold(symbol_id, self.market_now())
        self.market.refetch(symbol_id)

    def release_price(self, symbol_id: int) -> None:
        """Let a symbol move with its source again."""
        tick = self.prices.release(symbol_id, self.market_now())
        self.market.refetch(symbol_id, tick)
        self.depth.renew(symbol_id)  # sizes go with the quote's time, which may be all that is new

    def is_open(self, symbol: SymbolSpec) -> bool:
        """Tell whether a symbol trades now."""
        return self._hours[symbol.symbol_id].is_open(self.market_now())

    def is_holiday(self, symbol: SymbolSpec) -> bool:
        """Tell whether a symbol is closed now because of a holiday."""
        return self._hours[symbol.symbol_id].is_holiday(self.market_now())

    def ladder(self, symbol_id: int) -> Ladder | None:
        """Return what may be traded now at which prices, None where there is no price."""
        quote = self.quote(symbol_id)
        return None if quote is None else ladder_of(self.symbols[symbol_id], quote, seed=self._seed)

    # Terms

    def change_symbol(self, symbol_id: int, **terms: object) -> None:
        """Change terms of a symbol, and tell every connection with an account.

        Args:
            symbol_id: The symbol.
            terms: Fields of `SymbolSpec` with their new values.

        Raises:
            KeyError: there is no such symbol.
            TypeError: a symbol has no such term.
            ValueError: what the symbol is cannot change, only what it is traded on; or nobody
                could trade on such terms. Nothing has changed then.
        """
        fixed = {"symbol_id", "base", "quote", "digits"} & set(terms)
        if fixed:
            raise ValueError(f"{', '.join(sorted(fixed))} of a symbol cannot change")
        # A dataclass checks the names; its fields have no common type.
        symbol = replace(self.symbols[symbol_id], **cast("dict[str, Any]", terms))
        check_symbol(symbol, self.catalogue)
        self.symbols[symbol_id] = symbol
        self._hours[symbol_id] = self._hours_of(symbol)
        if {"schedule", "schedule_zone", "holidays"} & set(terms):
            self.market.keep_hours(symbol_id, self._hours[symbol_id])
        self.depth.renew(symbol_id)
        for book in self.books.values():
            book.renew_symbol(symbol)
            self.floor.life.renew_terms(book)
            self.publish(
                book.spec.account_id,
                ProtoOASymbolChangedEvent(
                    ctidTraderAccountId=book.spec.account_id, symbolId=[symbol_id]
                ),
                None,
            )

    def change_account(self, account_id: int, **terms: object) -> None:
        """Change terms of an account, and tell every connection on which it is authorised.

        Args:
            account_id: The account.
            terms: Fields of `AccountSpec` with their new values.

        Raises:
            KeyError: there is no such account.
            TypeError: an account has no such term.
            ValueError: what the account is cannot change, or no account can have such terms.
                Nothing has changed then.
        """
        fixed = {"account_id", "deposit_asset", "balance", "is_live", "money_digits"} & set(terms)
        if fixed:
            raise ValueError(f"{', '.join(sorted(fixed))} of an account cannot change")
        book = self.books[account_id]
        spec = replace(book.spec, **cast("dict[str, Any]", terms))
        check_account(spec)
        book.spec = spec
        if "margin_call_levels" in terms:
            for call, level in zip(
                book.margin_calls.values(), book.spec.margin_call_levels, strict=True
            ):
                call.threshold, call.updated = level, self.market_now()
        if self.switches.trader_updated_after_terms:
            self.publish_account(account_id)
        self.floor.life.renew_terms(book)

    def publish_account(self, account_id: int) -> None:
        """Tell every connection on which an account is authorised what it looks like now."""
        message = trader_message(
            self.books[account_id], unknown_fields=self.switches.write_unknown_fields
        )
        self.publish(
            account_id,
            ProtoOATraderUpdatedEvent(ctidTraderAccountId=account_id, trader=message),
            None,
        )

    # Money

    def deposit(
        self,
        account_id: int,
        amount: Decimal,
        *,
        change_type: int = ProtoOAChangeBalanceType.BALANCE_DEPOSIT,
        note: str | None = None,
    ) -> Booking:
        """Add money to an account's balance, and tell its connections.

        Args:
            account_id: The account.
            amount: How much, in units of the deposit currency; positive.
            change_type: What it is for, one of the `BALANCE_DEPOSIT...` types.
            note: Text that goes with it.

        Raises:
            KeyError: there is no such account.
            ValueError: the account cannot keep such an amount, or the type is no deposit's.
        """
        return self.floor.life.cashier.deposit(
            self.books[account_id], amount, change_type=change_type, note=note
        )

    def withdraw(
        self,
        account_id: int,
        amount: Decimal,
        *,
        change_type: int = ProtoOAChangeBalanceType.BALANCE_WITHDRAW,
        note: str | None = None,
    ) -> Booking:
        """Take money from an account's balance, and tell its connections.

        It may be more than there is: brokers charge what is due.

        Args:
            account_id: The account.
            amount: How much, in units of the deposit currency; positive.
            change_type: What it is for, one of the `BALANCE_WITHDRAW...` types.
            note: Text that goes with it.

        Raises:
            KeyError: there is no such account.
            ValueError: the account cannot keep such an amount, or the type is no withdrawal's.
        """
        return self.floor.life.cashier.withdraw(
            self.books[account_id], amount, change_type=change_type, note=note
        )

    def deposit_bonus(
        self,
        account_id: int,
        *,
        manager: Decimal = Decimal(0),
        introducing_broker: Decimal = Decimal(0),
        note: str | None = None,
    ) -> Booking:
        """Grant an account a bonus, and tell its connections; the balance stays.

        Args:
            account_id: The account.
            manager: The broker's part, in units of the deposit currency.
            introducing_broker: The introducing broker's part.
            note: Text that goes with it.

        Raises:
            KeyError: there is no such account.
            ValueError: nothing is given, or an amount the account cannot keep.
        """
        return self.floor.life.cashier.deposit_bonus(
            self.books[account_id],
            manager=manager,
            introducing_broker=introducing_broker,
            note=note,
        )

    def withdraw_bonus(
        self,
        account_id: int,
        *,
        manager: Decimal = Decimal(0),
        introducing_broker: Decimal = Decimal(0),
        note: str | None = None,
    ) -> Booking:
        """Take a bonus back from an account, and tell its connections; the balance stays.

        Args:
            account_id: The account.
            manager: The broker's part, in units of the deposit currency.
            introducing_broker: The introducing broker's part.
            note: Text that goes with it.

        Raises:
            KeyError: there is no such account.
            ValueError: nothing is taken, or more than was granted.
        """
        return self.floor.life.cashier.withdraw_bonus(
            self.books[account_id],
            manager=manager,
            introducing_broker=introducing_broker,
            note=note,
        )

    # Watching

    def watch(self, symbol_id: int) -> None:
        """Ask for the ticks of a symbol."""
        self.market.watch(symbol_id)

    def unwatch(self, symbol_id: int) -> None:
        """Let go of a symbol's ticks once."""
        self.market.unwatch(symbol_id)

    # Private

    def _schedule(self, due: int, action: Callable[[], None]) -> None:
        self._sequence += 1
        heappush(self._heap, (due, self._sequence, action))

    def _hours_of(self, symbol: SymbolSpec) -> TradingHours:
        return TradingHours((), "UTC") if self.switches.always_open else hours_of(symbol)

    def _on_tick(self, symbol_id: int, tick: Tick) -> None:
        self.depth.renew(symbol_id)
        self.floor.on_tick(symbol_id, tick)
        self.floor.life.on_tick(symbol_id, tick)
