"""A trading room: accounts followed by a client that sees the wire, beside the broker's books.

The client's side is wired as a session does it: every event goes to the live account of its
account, a reading begins when an account is ready, and what is lacking is provided for. There is
no latency, so that whenever the world stands still the client has heard everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from ctrader.config import ClientConfig
from ctrader.credentials import AccountCredentials
from ctrader.errors import CTraderConnectionTimeoutError
from ctrader.events import (
    AccountStateChangedEvent,
    DisconnectedEvent,
    ExecutionEvent,
    ProfitDiscrepancyEvent,
    ReadyEvent,
)
from ctrader.live.account import FOLLOWED, LiveAccount
from ctrader.models.changes import AccountChange, FreshnessChanged
from ctrader.models.orders import Order
from ctrader.models.positions import Position
from ctrader.operations import account_state, auth
from ctrader.operations.base import Op
from ctrader.proto import ProtoOAAccountType, ProtoOATotalMarginCalculationType
from ctrader.simulator import DEFAULT_APPLICATIONS, AccountSpec, Exchange, Switches, Terminal
from ctrader.simulator.messages.trades import order_message, position_message
from ctrader.simulator.world import Task, World
from ctrader.units import SECOND, datetime_from_millis

START: Final = 1_600_000_000_000
HEDGED_USD: Final = AccountSpec(
    account_id=11, trader_login=1, deposit_asset="USD", balance=Decimal(100_000)
)
NETTED_EUR: Final = AccountSpec(
    account_id=12,
    trader_login=2,
    deposit_asset="EUR",
    balance=Decimal(50_000),
    account_type=ProtoOAAccountType.NETTED,
    leverage=30,
)
HEDGED_JPY: Final = AccountSpec(
    account_id=13,
    trader_login=3,
    deposit_asset="JPY",
    balance=Decimal(9_000_000),
    money_digits=0,
    margin_calculation=ProtoOATotalMarginCalculationType.MAX,
)
NETTED_BTC: Final = AccountSpec(
    account_id=14,
    trader_login=4,
    deposit_asset="BTC",
    balance=Decimal(3),
    money_digits=8,
    account_type=ProtoOAAccountType.NETTED,
    margin_calculation=ProtoOATotalMarginCalculationType.NET,
)
ACCOUNTS: Final = (HEDGED_USD, NETTED_EUR, HEDGED_JPY, NETTED_BTC)
CALM: Final = Switches(rate_limit=0, historical_rate_limit=0, idle_timeout=0)


class Room:
    """Some accounts of a broker, and what a client knows of them."""

    def __init__(
        self,
        accounts: Sequence[AccountSpec] = ACCOUNTS,
        switches: Switches = CALM,
        *,
        seed: int = 1,
        latency: int = 0,
        exchange: Exchange | None = None,
    ) -> None:
        self.exchange = exchange or Exchange(
            unix_ms=START, accounts=accounts, switches=switches, seed=seed
        )
        application = DEFAULT_APPLICATIONS[0]
        config = ClientConfig(
            client_id=application.client_id,
            client_secret=application.client_secret,
            heartbeat_timeout=0,
        )
        self.world = World(self.exchange, config, unix_ms=START, latency=latency, seed=seed)
        self.world.listen(*FOLLOWED, ReadyEvent)
        self.world.on_event = self._heard
        self.live = {spec.account_id: LiveAccount(spec.account_id) for spec in accounts}
        self.told: list[AccountStateChangedEvent] = []
        self.discrepancies: list[ProfitDiscrepancyEvent] = []
        self.executions: dict[int, list[ExecutionEvent]] = {each: [] for each in self.live}
        self.tasks: list[Task[Any]] = []
        self.world.connect()
        grant = self.exchange.grants.grants[0]
        for account_id in self.live:
            credentials = AccountCredentials(
                account_id=account_id,
                access_token=grant.access_token,
                refresh_token=grant.refresh_token,
                expires_at=4e9,
            )
            self.world.run(auth.authenticate_account(credentials))
        self.world.run_for(0.01)

    def clock(self) -> datetime:
        return datetime_from_millis(START + self.world.now * 1000 // SECOND)

    def terminal(self, account_id: int) -> Terminal:
        """Return another terminal of an account."""
        return Terminal(self.exchange, account_id, nullcontext)

    def changes(self, *, away: bool | None = None) -> list[AccountChange]:
        """Return what was told since the last call."""
        told, self.told = self.told, []
        return [
            change
            for event in told
            if away is None or event.while_away is away
            for change in event.changes
        ]

    @property
    def is_idle(self) -> bool:
        """Whether nothing is being read or subscribed."""
        return all(task.is_done for task in self.tasks)

    def check_tasks(self) -> None:
        for task in self.tasks:
            if task.is_done:
                _ = task.result
        self.tasks = [task for task in self.tasks if not task.is_done]

    def read(self, account_id: int) -> None:
        """Begin to read an account that is read already, as after a doubt."""
        self.tasks.append(self.world.start(self._read(self.live[account_id])))

    def repeat_something(self, account_id: int, which: int) -> None:
        """Hand in once more an execution event that came before, which must change nothing."""
        heard = self.executions[account_id]
        if heard and not self.live[account_id].state.is_stale:
            assert self.live[account_id].apply(heard[which % len(heard)], self.clock()) == ()

    def books(self, account_id: int) -> tuple[dict[int, Position], dict[int, Order], Decimal]:
        """Return the broker's positions, working orders and balance, as the wire tells them."""
        book = self.exchange.book_of(account_id)
        digits = book.spec.money_digits
        return (
            {
                each.position_id: Position.from_proto(position_message(each, digits))
                for each in book.open_positions()
            },
            {
                each.order_id: Order.from_proto(order_message(each))
                for each in book.working.values()
            },
            Decimal(book.balance).scaleb(-digits),
        )

    # The wiring

    def _heard(self, event: object) -> None:
        if isinstance(event, ExecutionEvent):
            self.executions[event.account_id].append(event)
        for live in self.live.values():
            if isinstance(event, FOLLOWED):
                changes = live.apply(event, self.clock())
                if changes:
                    self.told.append(AccountStateChangedEvent(live.account_id, changes))
            if isinstance(event, DisconnectedEvent):
                continue
            if isinstance(event, ReadyEvent) and event.account_id == live.account_id:
                self.tasks.append(self.world.start(self._read(live)))
            elif not live.state.is_stale and not live.supply.is_complete:
                self.tasks.append(self.world.start(self._provide(live)))

    def _read(self, live: LiveAccount) -> Op[None]:
        changes = yield from account_state.rebuild(live, self.clock)
        if changes:
            away = len(changes) > 1
            self.told.append(AccountStateChangedEvent(live.account_id, changes, away))
        yield from self._provide(live)

    def _provide(self, live: LiveAccount) -> Op[None]:
        try:
            yield from account_state.provide(live)
        except CTraderConnectionTimeoutError:
            # The link was away for longer than a request waits: the next reading asks again.
            assert live.state.is_stale

    # The check

    def check(self, account_id: int, *, profits: bool = True, at_rest: bool = True) -> None:
        """Compare what is known of an account with the broker's books.

        Args:
            account_id: The account.
            profits: Whether everything is there to value the positions.
            at_rest: Whether nothing is on its way. Otherwise orders may still be known that
                protected what was closed a moment ago: their end is told after it.
        """
        self.check_tasks()
        book, state = self.exchange.book_of(account_id), self.live[account_id].state
        digits, floor = book.spec.money_digits, self.exchange.floor
        opened = list(book.open_positions())
        positions, orders, balance = self.books(account_id)
        assert not state.is_stale
        assert dict(state.positions) == positions
        protection = {
            order_id: order
            for order_id, order in state.protection_orders.items()
            if at_rest or order_id in orders
        }
        assert {**state.orders, **protection} == orders
        assert all(book.working[order_id].is_protective for order_id in protection)
        assert not any(book.working[order_id].is_protective for order_id in state.orders)
        assert state.balance == balance
        assert (state.bonus or 0) == Decimal(book.manager_bonus + book.ib_bonus).scaleb(-digits)
        used = Decimal(floor.used_margin(book)).scaleb(-digits)
        assert state.used_margin == used
        assert self.live[account_id].doubt is None
        if not profits:
            return
        for each in opened:
            profit = state.profit_of(each.position_id)
            assert profit is not None
            assert profit == tuple(
                Decimal(amount).scaleb(-digits) for amount in floor.profit_of(book, each)
            )
        equity = Decimal(floor.equity(book)).scaleb(-digits)
        assert state.equity == equity
        assert state.free_margin == equity - used
        assert state.margin_level == (100 * equity / used if used else None)


def news(changes: Sequence[AccountChange]) -> list[str]:
    """Return the types of changes, without those of freshness."""
    return [type(change).__name__ for change in changes if not isinstance(change, FreshnessChanged)]
