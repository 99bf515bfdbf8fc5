"""What befalls an account besides its orders: cash, rollovers, stop-outs."""

from __future__ import annotations

from collections.abc import Callable

from ctrader.proto import ProtoOATraderUpdatedEvent
from ctrader.simulator.accounts.cashier import Cashier
from ctrader.simulator.accounts.exposure import Exposures
from ctrader.simulator.accounts.margin import Margin
from ctrader.simulator.accounts.money import Converter
from ctrader.simulator.accounts.profit_stream import ProfitStream
from ctrader.simulator.accounts.rollover import Rollover
from ctrader.simulator.accounts.supervision import Supervision
from ctrader.simulator.accounts.valuation import Valuation
from ctrader.simulator.book import AccountBook, Position
from ctrader.simulator.market.prices import Tick
from ctrader.simulator.messages.account import trader_message
from ctrader.simulator.orders.surroundings import Surroundings
from ctrader.simulator.switches import Switches

__all__ = ["AccountLife"]


class AccountLife:
    """The front behind which the accounts' money is moved and watched."""

    def __init__(
        self,
        surroundings: Surroundings,
        switches: Switches,
        *,
        converter: Converter,
        valuation: Valuation,
        margin: Margin,
        stop_out: Callable[[AccountBook, Position, int], bool],
    ) -> None:
        """Begin with accounts that hold nothing.

        Args:
            surroundings: The exchange around it.
            switches: What to do where the real server's behaviour is not known.
            converter: Rates between currencies.
            valuation: What positions are worth.
            margin: What positions bind; it tells when an account's positions changed.
            stop_out: Closes a volume of a position at the market, or tells that it cannot now.
        """
        self._outside = surroundings
        self._margin = margin
        self.cashier = Cashier(surroundings, switches, valuation, touch=self.touch)
        """Deposits, withdrawals and bonuses."""
        self.profits = ProfitStream(valuation)
        """Who is told the accounts' unrealised profit."""
        self._rollover = Rollover(surroundings, switches, valuation, touch=self.touch)
        self.exposures = Exposures(
            surroundings, converter, valuation, margin, is_wanted=self._is_wanted
        )
        """Which prices bear on which account."""
        self._supervision = Supervision(
            surroundings, switches, valuation, margin, self.exposures, stop_out=stop_out
        )
        self._touched: set[int] = set()
        self._switches = switches
        self._seen_bookings: dict[int, int] = {}
        margin.follow(self.touch)

    def touch(self, book: AccountBook) -> None:
        """Take note that an account's money, positions or terms changed.

        It is looked at behind the events of the moment.
        """
        if book.spec.account_id not in self._touched:
            self._touched.add(book.spec.account_id)
            self._outside.after(0, lambda: self._look_at(book))

    def renew_terms(self, book: AccountBook) -> None:
        """Take note that the terms of an account, or of a symbol that it holds, changed."""
        self._margin.renew_all(book)

    def on_tick(self, symbol_id: int, tick: Tick) -> None:
        """Look what a new price does to the accounts."""
        for exposure in self.exposures.on_tick(symbol_id, tick):
            self._supervision.look(exposure)
        if self.profits.is_busy:
            for book in self.exposures.concerned(symbol_id):
                self.profits.look(book)

    # Private

    def _is_wanted(self, book: AccountBook) -> bool:
        return self._supervision.is_wanted(book) or self.profits.is_wanted(book)

    def _look_at(self, book: AccountBook) -> None:
        self._touched.discard(book.spec.account_id)
        self.cashier.cover_loss(book)
        if self._switches.trader_updated_after_closing:
            self._tell_closings(book)
        self._rollover.follow(book)
        exposure = self.exposures.renew(book)
        if exposure is not None:
            self._supervision.look(exposure)
        self.profits.look(book)

    def _tell_closings(self, book: AccountBook) -> None:
        """Tell what an account looks like if deals have changed its balance since the last time."""
        account_id = book.spec.account_id
        fresh = book.journal[self._seen_bookings.get(account_id, 0) :]
        self._seen_bookings[account_id] = len(book.journal)
        if any(booking.kind == "deal" for booking in fresh):
            trader = trader_message(book, unknown_fields=self._switches.write_unknown_fields)
            self._outside.publish(
                account_id,
                ProtoOATraderUpdatedEvent(ctidTraderAccountId=account_id, trader=trader),
                None,
            )
