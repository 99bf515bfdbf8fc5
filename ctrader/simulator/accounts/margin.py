"""The margin that positions bind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple, TypeVar

from ctrader.proto import ProtoOALimitedRiskMarginCalculationStrategy as _Strategy
from ctrader.proto import (
    ProtoOAMarginChangedEvent,
    ProtoOATotalMarginCalculationType,
    ProtoOATradeSide,
)
from ctrader.simulator.accounts.money import margin_of
from ctrader.simulator.accounts.valuation import Valuation
from ctrader.simulator.book import AccountBook, Entry, Position
from ctrader.simulator.catalogue import PRICE_UNITS, Catalogue, SymbolSpec
from ctrader.simulator.checked import INT64_MAX
from ctrader.simulator.orders.surroundings import Surroundings
from ctrader.simulator.refusals import Refusal

__all__ = ["Margin", "Remainder", "both_sides"]

N = TypeVar("N", int, Fraction)


def both_sides(method: int, long: N, short: N) -> N:
    """Return what the margins of both sides of a symbol bind together."""
    if method == ProtoOATotalMarginCalculationType.MAX:
        return max(long, short)
    if method == ProtoOATotalMarginCalculationType.NET:
        return long - short if long > short else short - long
    return long + short


class Remainder(NamedTuple):
    """What would be bound if a volume were closed."""

    used: int
    """Margin that the whole account would bind."""
    is_outweighed: bool
    """Whether less would be bound on the volume's side of its symbol than on the other, where the
    sides are set against each other: closing more of it would set nothing free then."""


class Margin:
    """Used, free and expected margin of all accounts.

    The positions of one symbol and side fill the tiers of its dynamic leverage in the order of
    their ids. So a position's margin may change when one before it does, and a
    `ProtoOAMarginChangedEvent` says so.

    Every method that converts raises `Refusal` where there is no price to convert with.
    """

    def __init__(
        self, surroundings: Surroundings, catalogue: Catalogue, valuation: Valuation
    ) -> None:
        """Take where prices and rates come from."""
        self._outside = surroundings
        self._valuation = valuation
        self._leverages = {each.leverage_id: each for each in catalogue.leverages}
        self._followers: list[Callable[[AccountBook], None]] = []
        self._announced: set[int] = set()
        """Positions whose changed margin is about to be told."""

    def follow(self, follower: Callable[[AccountBook], None]) -> None:
        """Have something called whenever an account's positions changed."""
        self._followers.append(follower)

    def used(self, book: AccountBook) -> int:
        """Return the margin that an account's positions bind."""
        method = book.spec.margin_calculation
        sides: dict[int, list[int]] = {}
        for position in book.open_positions():
            both = sides.setdefault(position.symbol.symbol_id, [0, 0])
            both[0 if position.is_buy else 1] += position.used_margin
        return sum(both_sides(method, long, short) for long, short in sides.values())

    def without(self, book: AccountBook, position: Position, volume: int) -> Remainder:
        """Return what would be bound if a volume of a position were closed.

        Where the sides of a symbol are set against each other that may be as much as now, or more.

        Raises:
            Refusal: there is no price to reckon with.
        """
        own, other = _sides_of(book, position)
        change = self._change(book, position, _left_of(position.entries, volume))
        method = book.spec.margin_calculation
        left = own + change
        return Remainder(
            self.used(book) - both_sides(method, own, other) + both_sides(method, left, other),
            is_outweighed=method != ProtoOATotalMarginCalculationType.SUM and left < other,
        )

    def free(self, book: AccountBook) -> int:
        """Return what an account has left for new positions."""
        return self._valuation.equity(book) - self.used(book)

    def expected(self, book: AccountBook, symbol: SymbolSpec, side: int, volume: int) -> int:
        """Return the margin that a new position would bind.

        Where the margin follows from a guaranteed stop loss this is not it, for none is known.

        Raises:
            Refusal: there is no price to convert with.
        """
        quote = self._valuation.quote(symbol)
        market = quote.ask if side == ProtoOATradeSide.BUY else quote.bid
        rate = self._valuation.base_to_deposit(book, symbol, market)
        return self.needed(book, symbol, side, volume, rate)

    def needed(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        side: int,
        volume: int,
        rate: Fraction,
        *,
        position: Position | None = None,
    ) -> int:
        """Return the margin of a volume, after what is open already on the same side.

        Args:
            rate: From the base asset to the deposit currency.
            position: The position that holds the volume: only those before it count as open
                already. None is a new one, after all the others, and is refused where any rate is
                missing that it will need later.
        """
        if position is None:
            self._valuation.check_rates(book, symbol)
        to_usd = self._valuation.base_to_usd(symbol)
        older = sum(
            each.volume
            for each in _before(book, position)
            if each.symbol.symbol_id == symbol.symbol_id and each.side == side
        )
        amount = margin_of(
            volume,
            base_to_deposit=rate,
            base_to_usd=to_usd,
            account_leverage=book.spec.leverage * 100,
            tiers=self._leverages.get(symbol.leverage_id),
            exposure=Fraction(older, 100) * to_usd,
        )
        return self._valuation.rounded(amount * 10**book.spec.money_digits)

    def asked(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        side: int,
        volume: int,
        market: int,
        *,
        stop: int | None,
    ) -> int:
        """Return the margin that an order must be able to bind for a volume that it opens.

        Args:
            market: Price for which it is likely to be opened, in wire units.
            stop: Guaranteed stop loss that it will have, None where it will have none.
        """
        rate = self._valuation.base_to_deposit(book, symbol, market)
        by_leverage = self.needed(book, symbol, side, volume, rate)
        if stop is None:
            return by_leverage
        return self._by_strategy(book, symbol, volume, by_leverage, Fraction(abs(market - stop)))

    def asked_more(
        self, book: AccountBook, position: Position, volume: int, market: int, *, stop: int
    ) -> int:
        """Return the margin that an addition to a position must be able to bind.

        That is nothing, or less, where all of the position risks no more than before: a better
        stop loss counts for what is there already as well.

        Args:
            volume: What the order adds.
            market: Price for which it is likely to be opened, in wire units.
            stop: Guaranteed stop loss that all of the position will have.
        """
        self._valuation.check_rates(book, position.symbol)
        rate = self._valuation.base_to_deposit(book, position.symbol, market)
        promised, position.promised_stop = position.promised_stop, stop
        try:
            return self._change(book, position, [*position.entries, Entry(volume, market, 0, rate)])
        finally:
            position.promised_stop = promised

    def renew(self, book: AccountBook, position: Position, *, announce: bool = False) -> None:
        """Bind the margin of a position as it is now, and of those behind it.

        Events about the margin of positions come after those of the moment.

        Args:
            announce: Whether the position's own new margin is told as well. It need not be where
                an event with the position follows.
        """
        before = position.used_margin
        position.used_margin = self._bound(book, position) if position.is_open else 0
        if announce and position.used_margin != before:
            self._announce(book, position)
        is_behind = False
        for each in book.positions.values():
            if each is position:
                is_behind = True
            elif is_behind and each.is_open and _share_tiers(each, position):
                self._recompute(book, each)
        self._tell(book)

    def follow_stop(self, book: AccountBook, position: Position) -> None:
        """Bind the margin of a position whose stop loss moved, where it follows from that."""
        by_stop = book.spec.limited_risk_strategy != _Strategy.ACCORDING_TO_LEVERAGE
        if book.spec.is_limited_risk and position.guaranteed and by_stop:
            self._recompute(book, position)
            self._tell(book)

    def renew_all(self, book: AccountBook) -> None:
        """Bind the margins of all open positions anew, for the account's terms changed."""
        for position in book.open_positions():
            self._recompute(book, position)
        self._tell(book)

    # Private

    def _tell(self, book: AccountBook) -> None:
        for follower in self._followers:
            follower(book)

    def _recompute(self, book: AccountBook, position: Position) -> None:
        margin = self._bound_or_kept(book, position)
        if margin != position.used_margin:
            position.used_margin = margin
            self._announce(book, position)

    def _change(self, book: AccountBook, position: Position, entries: list[Entry]) -> int:
        """Return how much more a position, and those behind it, would bind with other entries."""
        sharing = [each for each in book.open_positions() if _share_tiers(each, position)]
        behind = sharing[sharing.index(position) + 1 :]
        held, position.entries = position.entries, entries
        try:
            own = self._bound(book, position) if entries else 0
            bound = own + sum(self._bound_or_kept(book, each) for each in behind)
        finally:
            position.entries = held
        return bound - sum(each.used_margin for each in (position, *behind))

    def _bound_or_kept(self, book: AccountBook, position: Position) -> int:
        """Return what a position binds; without a rate it stays what it was."""
        try:
            return self._bound(book, position)
        except Refusal:
            return position.used_margin

    def _bound(self, book: AccountBook, position: Position) -> int:
        """Return the margin that an open position binds, as far as a message can hold it."""
        return min(INT64_MAX, self._reckoned(book, position))

    def _reckoned(self, book: AccountBook, position: Position) -> int:
        by_leverage = self.needed(
            book,
            position.symbol,
            position.side,
            position.volume,
            position.margin_rate,
            position=position,
        )
        stop = position.guaranteed_stop
        if stop is None:
            return by_leverage
        distance = abs(position.price - stop)
        return self._by_strategy(book, position.symbol, position.volume, by_leverage, distance)

    def _by_strategy(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        volume: int,
        by_leverage: int,
        distance: Fraction,
    ) -> int:
        """Return the margin of a volume under an account's strategy for limited risk.

        Args:
            by_leverage: What it would be without a guarantee.
            distance: From its price to its guaranteed stop loss, in wire units.
        """
        strategy = book.spec.limited_risk_strategy
        if not book.spec.is_limited_risk or strategy == _Strategy.ACCORDING_TO_LEVERAGE:
            return by_leverage
        rate = self._valuation.quote_to_deposit(book, symbol)
        amount = distance / PRICE_UNITS * Fraction(volume, 100) * rate
        at_risk = self._valuation.rounded(amount * 10**book.spec.money_digits)
        if strategy == _Strategy.ACCORDING_TO_GSL:
            return at_risk
        return max(at_risk, by_leverage)

    def _announce(self, book: AccountBook, position: Position) -> None:
        if position.position_id in self._announced:
            return  # one event of this moment tells what it comes to
        self._announced.add(position.position_id)

        def publish() -> None:
            self._announced.remove(position.position_id)
            if not position.is_open:
                return  # it was closed in the same moment, and its own event said so
            message = ProtoOAMarginChangedEvent(
                ctidTraderAccountId=book.spec.account_id,
                positionId=position.position_id,
                usedMargin=position.used_margin,
                moneyDigits=book.spec.money_digits,
            )
            self._outside.publish(book.spec.account_id, message, None)

        self._outside.after(0, publish)


# Private


def _sides_of(book: AccountBook, position: Position) -> tuple[int, int]:
    """Return the margins of a position's side of its symbol, and of the other one."""
    own = other = 0
    for each in book.open_positions():
        if each.symbol.symbol_id == position.symbol.symbol_id:
            own += each.used_margin if each.side == position.side else 0
            other += 0 if each.side == position.side else each.used_margin
    return own, other


def _left_of(entries: Sequence[Entry], volume: int) -> list[Entry]:
    """Return what is left of entries after a volume of the oldest was closed."""
    left: list[Entry] = []
    for entry in entries:
        taken = min(volume, entry.volume)
        volume -= taken
        if entry.volume > taken:
            left.append(replace(entry, volume=entry.volume - taken))
    return left


def _share_tiers(first: Position, second: Position) -> bool:
    return first.symbol.symbol_id == second.symbol.symbol_id and first.side == second.side


def _before(book: AccountBook, limit: Position | None) -> Iterator[Position]:
    """Go through the open positions that stand before one, or all of them."""
    for position in book.open_positions():
        if position is limit:
            return
        yield position
