"""One account's books: positions with their entries, orders, deals, balance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, Literal, TypeAlias

from ctrader.proto import (
    ProtoOAAccountType,
    ProtoOANotificationType,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOAPositionStatus,
    ProtoOATimeInForce,
    ProtoOATradeSide,
)
from ctrader.simulator.catalogue import AccountSpec, SymbolSpec

__all__ = [
    "AccountBook",
    "Booking",
    "BookingKind",
    "ClosedPart",
    "Deal",
    "Entry",
    "MarginCall",
    "Offset",
    "Order",
    "Position",
    "better_stop",
    "opposite",
]


BookingKind: TypeAlias = Literal["deal", "cash", "bonus"]
"""What changed a balance: a closing deal, a deposit or withdrawal, a bonus."""

_MARGIN_CALLS: Final = (
    ProtoOANotificationType.MARGIN_LEVEL_THRESHOLD_1,
    ProtoOANotificationType.MARGIN_LEVEL_THRESHOLD_2,
    ProtoOANotificationType.MARGIN_LEVEL_THRESHOLD_3,
)


# Looked up once: every price asks every waiting order.
_BUY: Final = int(ProtoOATradeSide.BUY)
_PROTECTIVE: Final = int(ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT)


def opposite(side: int) -> int:
    """Return the other trade side."""
    return ProtoOATradeSide.SELL if side == ProtoOATradeSide.BUY else ProtoOATradeSide.BUY


def better_stop(side: int, first: int | None, second: int | None) -> int | None:
    """Return which of two stop losses leaves less to lose on a side; None is none."""
    if first is None or second is None:
        return second if first is None else first
    return max(first, second) if side == ProtoOATradeSide.BUY else min(first, second)


@dataclass(slots=True)
class Entry:
    """What one opening fill still holds of a position."""

    volume: int
    price: int
    commission: int
    """Booked for what is still open, negative."""
    margin_rate: Fraction
    deal_id: int = 0
    """Deal that made it."""


@dataclass(slots=True, kw_only=True)
class Position:
    """One position; an empty one belongs to a pending order or was just closed."""

    position_id: int
    symbol: SymbolSpec
    side: int
    status: int = ProtoOAPositionStatus.POSITION_STATUS_CREATED
    entries: list[Entry] = field(default_factory=list[Entry])
    swap: int = 0
    used_margin: int = 0
    stop_loss: int | None = None
    take_profit: int | None = None
    trailing: bool | None = None
    """None where no protection was ever asked for: the field is left out then."""
    trailing_distance: int = 0
    guaranteed: bool = False
    promised_stop: int | None = None
    """Guaranteed stop loss that an order just filled is about to give it."""
    trigger_method: int | None = None
    protective_order_id: int | None = None
    opened: int | None = None
    closed: int | None = None
    updated: int | None = None
    label: str | None = None
    comment: str | None = None
    executing: int | None = None
    """Order that is being filled and holds the position locked, None where none is."""
    amendments: int = 0
    """How often requests replaced its protection."""
    charged_volume: int = 0
    """Volume whose guaranteed stop loss is paid for."""
    postponed: list[tuple[Order, int]] = field(default_factory=list["tuple[Order, int]"])
    """Orders whose distances wait until the fill of the protective order is over, each with the
    price from which they count."""

    @property
    def volume(self) -> int:
        """What is open, in cents of a unit."""
        return sum(entry.volume for entry in self.entries)

    @property
    def price(self) -> Fraction:
        """Average price of what is open, in wire units; 0 if nothing is."""
        volume = self.volume
        if not volume:
            return Fraction(0)
        return Fraction(sum(entry.volume * entry.price for entry in self.entries), volume)

    @property
    def margin_rate(self) -> Fraction:
        """Average rate from the base asset to the deposit currency at the entries."""
        volume = self.volume
        if not volume:
            return Fraction(0)
        return sum((entry.volume * entry.margin_rate for entry in self.entries), Fraction(0)) / (
            volume
        )

    @property
    def commission(self) -> int:
        """Charged so far for what is open, negative."""
        return sum(entry.commission for entry in self.entries)

    @property
    def is_buy(self) -> bool:
        """Whether it is long."""
        return self.side == _BUY

    @property
    def is_open(self) -> bool:
        """Whether it holds anything."""
        return bool(self.entries)

    @property
    def is_protected(self) -> bool:
        """Whether it has a stop loss or a take profit."""
        return self.stop_loss is not None or self.take_profit is not None

    @property
    def guaranteed_stop(self) -> int | None:
        """Where its loss surely ends, None where nothing is guaranteed."""
        own = self.stop_loss if self.guaranteed else None
        return better_stop(self.side, own, self.promised_stop)

    def close(self, at: int) -> None:
        """Become closed, without protection."""
        self.status = int(ProtoOAPositionStatus.POSITION_STATUS_CLOSED)
        self.stop_loss = self.take_profit = None
        self.closed = self.updated = at


@dataclass(slots=True, kw_only=True)
class Order:
    """One order in any state."""

    order_id: int
    position_id: int
    symbol: SymbolSpec
    side: int
    order_type: int
    volume: int
    created: int
    updated: int
    time_in_force: int
    status: int = ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED
    closing: bool = False
    closed: int | None = None
    executed_volume: int = 0
    execution_price: Fraction | None = None
    limit_price: int | None = None
    stop_price: int | None = None
    relative_stop_loss: int | None = None
    relative_take_profit: int | None = None
    shown_stop_loss: int | None = None
    """Level that the position had when a closing order was made; lists show it, events do not."""
    shown_take_profit: int | None = None
    trailing: bool | None = None
    guaranteed: bool = False
    trigger_method: int | None = None
    expiration: int | None = None
    base_slippage_price: int | None = None
    slippage_points: int | None = None
    client_order_id: str | None = None
    label: str | None = None
    comment: str | None = None
    own_label: str | None = None
    """Text that it was sent with; while it closes a position it may have that one's instead."""
    own_comment: str | None = None
    origin: str | None = None
    """Id of the request that placed it, which the frames that follow from it carry."""
    executing: bool = False
    """Whether its fill is under way."""
    activated: bool = False
    """Whether a stop-limit order's stop was reached, so that its limit waits now."""
    touches: int = 0
    """How often in a row a price reached its stop, for the methods that want two."""
    protected: bool = False
    """Whether its distances have become the protection of its position."""
    earlier_positions: list[int] = field(default_factory=list[int])
    """Ids of the positions that it closed or filled before it opened its present one."""
    flips: bool = False
    """Whether it has closed its position itself, so that what is left of it opens another."""
    closes_only: bool = False
    """Whether it never opens anything, be its position smaller than it by then."""
    stop_out: bool = False
    """Whether the broker closes a position with it because the margin is gone."""

    @property
    def is_buy(self) -> bool:
        """Whether it buys."""
        return self.side == _BUY

    @property
    def remaining(self) -> int:
        """What is not executed yet, in cents of a unit."""
        return self.volume - self.executed_volume

    @property
    def is_immediate(self) -> bool:
        """Whether what cannot be executed at once is given up."""
        return self.time_in_force in (
            ProtoOATimeInForce.IMMEDIATE_OR_CANCEL,
            ProtoOATimeInForce.FILL_OR_KILL,
        )

    @property
    def slippage_limit(self) -> int | None:
        """Worst price that its slippage allows, in wire units; None without slippage."""
        base = self.base_slippage_price if self.base_slippage_price is not None else self.stop_price
        if self.slippage_points is None or base is None:
            return None
        slippage = self.slippage_points * self.symbol.grid
        return base + slippage if self.is_buy else base - slippage

    @property
    def is_protective(self) -> bool:
        """Whether it holds a position's stop loss and take profit."""
        return self.order_type == _PROTECTIVE

    @property
    def is_pending(self) -> bool:
        """Whether it is one that waits for a price to open a position."""
        return self.order_type in (
            ProtoOAOrderType.LIMIT,
            ProtoOAOrderType.STOP,
            ProtoOAOrderType.STOP_LIMIT,
        )

    def become_closing(self, position: Position) -> None:
        """Become an order that closes a position.

        It shows the position's levels in lists, and has its texts where it was sent without.
        Closing orders always have a client order id: the server makes one up, as recorded.
        """
        self.closing = True
        self.shown_stop_loss, self.shown_take_profit = position.stop_loss, position.take_profit
        if self.client_order_id is None:
            self.client_order_id = str(self.order_id % 100_000)
        self.label = position.label if self.own_label is None else self.own_label
        self.comment = position.comment if self.own_comment is None else self.own_comment

    def cease_closing(self) -> None:
        """Open with what is left, for the position that it was to close is gone."""
        self.closing = False
        self.shown_stop_loss = self.shown_take_profit = None
        self.label, self.comment = self.own_label, self.own_comment

    def become_protective(self, position: Position) -> None:
        """Become the order that holds a position's stop loss and take profit."""
        self.closing = self.closes_only = True
        self.client_order_id = str(self.order_id % 100_000)
        self.label, self.comment = position.label, position.comment

    def stop_from(self, market: int) -> int | None:
        """Return the stop loss that its distance makes of the price of a fill."""
        if self.relative_stop_loss is None:
            return None
        distance = self.relative_stop_loss if self.is_buy else -self.relative_stop_loss
        # A gap may have filled it so far away that a distance reaches below zero.
        return max(market - distance, self.symbol.grid)

    def went_to(self, position_id: int) -> bool:
        """Tell whether it belongs to a position, or did before it opened another one."""
        return position_id == self.position_id or position_id in self.earlier_positions

    def end(self, status: int, at: int) -> None:
        """Come to a last state."""
        self.status = int(status)
        self.updated = self.closed = at

    def fill(self, volume: int, market: int, at: int) -> None:
        """Execute a volume at a price, and become filled if that was the last of it."""
        spent = (self.execution_price or 0) * self.executed_volume + volume * market
        self.executed_volume += volume
        self.execution_price = Fraction(spent, self.executed_volume)
        self.updated = at
        if not self.remaining:
            self.end(ProtoOAOrderStatus.ORDER_STATUS_FILLED, at)


@dataclass(frozen=True, slots=True)
class Offset:
    """What a closing deal took out of an opening one."""

    opening_deal_id: int
    closing_deal_id: int
    volume: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """One change of a balance, or of a bonus."""

    booking_id: int
    at: int
    """When, milliseconds UTC."""
    kind: BookingKind
    amount: int
    """What was added, negative where it was taken, in the smallest unit of the currency."""
    balance: int
    """The balance after it."""
    balance_version: int
    change_type: int = 0
    """What it was for, as the protocol numbers it; 0 for a deal."""
    deal_id: int | None = None
    note: str | None = None
    equity: int | None = None
    """Equity after it, None where there was no price to tell."""


@dataclass(frozen=True, slots=True)
class ClosedPart:
    """What a closing deal settled."""

    entry_price: Fraction
    gross: int
    swap: int
    commission: int
    balance: int
    quote_to_deposit: Fraction
    volume: int
    balance_version: int
    conversion_fee: int


@dataclass(slots=True, kw_only=True)
class Deal:
    """One fill."""

    deal_id: int
    order_id: int
    position_id: int
    symbol: SymbolSpec
    side: int
    volume: int
    filled_volume: int
    status: int
    created: int
    executed: int
    price: int
    margin_rate: Fraction
    commission: int
    base_to_usd: Fraction
    closed_part: ClosedPart | None = None


@dataclass(slots=True)
class MarginCall:
    """One warning of an account: below which margin level, and when it came last."""

    call_type: int
    threshold: float
    """Percent; 0 is no warning."""
    updated: int
    """When the threshold was set, milliseconds UTC."""
    triggered: int | None = None
    """When the warning came last, None where it never did."""


class AccountBook:
    """The books of one account; ids come from the exchange."""

    def __init__(self, spec: AccountSpec, deposit_asset: int, opened: int) -> None:
        """Open the books with a first deposit.

        Args:
            deposit_asset: Id of the deposit currency.
            opened: When, milliseconds UTC.
        """
        self.spec = spec
        self.deposit_asset = deposit_asset
        self.opened = opened
        self.balance = int(spec.balance.scaleb(spec.money_digits))
        """In the smallest unit of the deposit currency."""
        self.balance_version = 1
        """Grows with each booking."""
        self.positions: dict[int, Position] = {}
        """All positions that are open or belong to a pending order, by id."""
        self.orders: dict[int, Order] = {}
        """All orders there ever were, by id."""
        self.working: dict[int, Order] = {}
        """Pending and protective orders that wait for a price, by id."""
        self.deals: list[Deal] = []
        """All deals, oldest first."""
        self.offsets: list[Offset] = []
        """Which closing deals took what out of which opening ones, oldest first."""
        self.journal: list[Booking] = []
        """All changes of the balance and the bonuses after the first deposit, oldest first."""
        self.manager_bonus = 0
        self.ib_bonus = 0
        self.non_withdrawable_bonus = 0
        self.margin_calls: dict[int, MarginCall] = {
            int(kind): MarginCall(int(kind), level, opened)
            for kind, level in zip(_MARGIN_CALLS, spec.margin_call_levels, strict=True)
        }
        """The warnings by their type."""
        self.last_closing: int | None = None
        """When the last closing deal was, None where there was none."""
        self.last_booking: int = opened
        """When the balance changed last."""

    def open_positions(self) -> Iterator[Position]:
        """Go through the positions that hold anything, oldest first."""
        return (position for position in self.positions.values() if position.is_open)

    def open_position_of(self, symbol: SymbolSpec) -> Position | None:
        """Return the oldest open position of a symbol, None where there is none."""
        return next(
            (each for each in self.open_positions() if each.symbol.symbol_id == symbol.symbol_id),
            None,
        )

    def met_by(self, order: Order) -> Position | None:
        """Return the position that a fill goes to instead of the one made for its order.

        A netted account has one position for each symbol, and it may have been opened while the
        order waited; under the very id of the order's own, where a flip keeps it.
        """
        position = self.positions.get(order.position_id)
        if self.spec.account_type != ProtoOAAccountType.NETTED:
            return None
        if position is not None and position.is_open:
            is_another = not order.closing and position.side != order.side
            return position if is_another else None
        return self.open_position_of(order.symbol)

    def reduced_by(self, order: Order) -> Position | None:
        """Return the position that an order makes smaller, None where it does not."""
        position = self.met_by(order) or self.positions.get(order.position_id)
        return None if position is None or position.side == order.side else position

    def opened_by(self, order: Order) -> int:
        """Return what is left of an order beyond what it closes, in cents of a unit.

        That is nothing, or less, where it would only reduce what is open now.
        """
        may_open = self.spec.account_type == ProtoOAAccountType.NETTED
        if order.closes_only or (order.closing and not may_open):
            return 0
        reduced = self.reduced_by(order)
        return order.remaining - (0 if reduced is None else reduced.volume)

    def renew_symbol(self, symbol: SymbolSpec) -> None:
        """Let what is open trade on a symbol's changed terms."""
        for position in self.positions.values():
            if position.symbol.symbol_id == symbol.symbol_id:
                position.symbol = symbol
        for order in self.orders.values():
            if order.symbol.symbol_id == symbol.symbol_id:
                order.symbol = symbol

    def book(
        self,
        amount: int,
        at: int,
        *,
        kind: BookingKind = "deal",
        change_type: int = 0,
        deal_id: int | None = None,
        note: str | None = None,
        equity: int | None = None,
    ) -> Booking:
        """Add to the balance, or take from it."""
        self.balance += amount
        self.balance_version += 1
        self.last_booking = at
        booking = Booking(
            booking_id=len(self.journal) + 1,
            at=at,
            kind=kind,
            amount=amount,
            balance=self.balance,
            balance_version=self.balance_version,
            change_type=change_type,
            deal_id=deal_id,
            note=note,
            equity=equity,
        )
        self.journal.append(booking)
        return booking
