"""Rollovers: what holding a position over the end of a day costs or brings.

Swaps fall due at fixed instants, which are the same for all positions of a symbol: `swap_time`
minutes after midnight UTC and every `swap_period` hours from there. A position that was opened
before such an instant gets its share of the daily amount, three times that on the symbol's triple
day and none at a weekend, unless the symbol charges then. Nothing is booked before the close: the
swap is kept with the position, and an event tells the new total.

Positions of swap-free accounts pay the rollover commission once a day instead.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final

from ctrader.proto import ProtoOAExecutionType
from ctrader.simulator.accounts.valuation import Valuation
from ctrader.simulator.book import AccountBook, Position
from ctrader.simulator.catalogue import SymbolSpec
from ctrader.simulator.checked import INT64_MAX
from ctrader.simulator.messages.trades import execution_message
from ctrader.simulator.orders.surroundings import Surroundings
from ctrader.simulator.refusals import Refusal
from ctrader.simulator.switches import Switches

__all__ = ["Rollover"]

_MINUTE: Final = 60_000
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_EPOCH_WEEKDAY: Final = 3  # 1 January 1970 was a Thursday; Monday is 0
_SATURDAY: Final = 6  # as the protocol counts, Monday being 1


class Rollover:
    """Waits for the rollovers of every symbol that somebody has a position of."""

    def __init__(
        self,
        surroundings: Surroundings,
        switches: Switches,
        valuation: Valuation,
        *,
        touch: Callable[[AccountBook], None],
    ) -> None:
        """Begin without positions.

        Args:
            touch: Is called whenever an account's swaps changed.
        """
        self._outside = surroundings
        self._switches = switches
        self._valuation = valuation
        self._touch = touch
        self._books: dict[int, AccountBook] = {}
        self._due: dict[int, int] = {}
        """The next rollover of each account, by account id."""

    def follow(self, book: AccountBook) -> None:
        """Take note that an account's positions or their terms changed."""
        account_id = book.spec.account_id
        due = self._next_of(book)
        if due is None:
            self._books.pop(account_id, None)
            self._due.pop(account_id, None)
            return
        self._books[account_id] = book
        if self._due.get(account_id) != due:
            self._due[account_id] = due
            self._outside.at(due, lambda: self._arrive(account_id, due))

    # Private

    def _next_of(self, book: AccountBook) -> int | None:
        now = self._outside.market_now()
        symbols = {each.symbol.symbol_id: each.symbol for each in book.open_positions()}
        return min((_next_instant(book, symbol, now) for symbol in symbols.values()), default=None)

    def _arrive(self, account_id: int, due: int) -> None:
        book = self._books.get(account_id)
        if book is None or self._due.get(account_id) != due:
            return  # positions came or went meanwhile, and another timer took over
        changed = False
        for position in tuple(book.open_positions()):
            if _is_instant(book, position.symbol, due):
                changed = self._charge(book, position, due) or changed
        self.follow(book)
        if changed:
            self._touch(book)

    def _charge(self, book: AccountBook, position: Position, due: int) -> bool:
        """Charge a position, and tell whether its swap changed."""
        days = _days_charged(book, position, due)
        if not days:
            return False
        try:
            amount = self._valuation.swap(book, position, days)
        except Refusal:
            return False  # there never was a rate: `check_rates` lets nothing be opened so
        if not amount:
            return False
        # What no message could tell is not charged.
        position.swap = max(-INT64_MAX, min(INT64_MAX, position.swap + amount))
        position.updated = due
        message = execution_message(
            book,
            ProtoOAExecutionType.SWAP,
            order=None,
            position=position,
            deal=None,
            server=True,
            error_code=None,
            unknown_fields=self._switches.write_unknown_fields,
        )
        self._outside.publish(book.spec.account_id, message, None)
        return True


# Private


def _period(book: AccountBook, symbol: SymbolSpec) -> int:
    """Return the milliseconds from one rollover to the next."""
    return _DAY if book.spec.swap_free else max(1, symbol.swap_period) * _HOUR


def _next_instant(book: AccountBook, symbol: SymbolSpec, after: int) -> int:
    period, anchor = _period(book, symbol), symbol.swap_time * _MINUTE
    return anchor + ((after - anchor) // period + 1) * period


def _is_instant(book: AccountBook, symbol: SymbolSpec, at: int) -> bool:
    return (at - symbol.swap_time * _MINUTE) % _period(book, symbol) == 0


def _days_charged(book: AccountBook, position: Position, at: int) -> Fraction:
    """Return how many days of swap a position is charged at one of its rollovers."""
    symbol, opened = position.symbol, position.opened
    period, anchor = _period(book, symbol), symbol.swap_time * _MINUTE
    if opened is None or opened >= at:
        return Fraction(0)
    # Counted from the opening on, weekends included, as the terms speak of plain days or periods.
    passed = (at - anchor) // period - (opened - anchor) // period
    spared = symbol.skip_rollover_days if book.spec.swap_free else symbol.skip_swap_periods
    if passed <= spared:
        return Fraction(0)
    weekday = (at // _DAY + _EPOCH_WEEKDAY) % 7 + 1
    if weekday >= _SATURDAY and not symbol.swap_at_weekends:
        return Fraction(0)
    triple = symbol.rollover_commission_3_days if book.spec.swap_free else symbol.swap_rollover
    days = Fraction(period, _DAY)
    return days * 3 if weekday == triple else days
