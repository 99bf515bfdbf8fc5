"""Supervision: acts when an account has too little for its margin.

Below each of three levels the user is warned, below the last one the broker closes positions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from fractions import Fraction

from ctrader.proto import ProtoOAMarginCallTriggerEvent, ProtoOAStopOutStrategy
from ctrader.simulator.accounts.exposure import Exposure, Exposures
from ctrader.simulator.accounts.margin import Margin
from ctrader.simulator.accounts.valuation import Valuation
from ctrader.simulator.book import AccountBook, Position
from ctrader.simulator.messages.account import margin_call_message
from ctrader.simulator.orders.surroundings import Surroundings
from ctrader.simulator.refusals import Refusal
from ctrader.simulator.switches import Switches

__all__ = ["Supervision"]


class Supervision:
    """Margin calls and stop-outs of all accounts."""

    def __init__(
        self,
        surroundings: Surroundings,
        switches: Switches,
        valuation: Valuation,
        margin: Margin,
        exposures: Exposures,
        *,
        stop_out: Callable[[AccountBook, Position, int], bool],
    ) -> None:
        """Take what an account is measured by.

        Args:
            stop_out: Closes a volume of a position at the market, or tells that it cannot now.
        """
        self._outside = surroundings
        self._pause = round(switches.margin_call_pause * 1000)
        self._pause_together = switches.margin_calls_pause_together
        self._valuation = valuation
        self._margin = margin
        self._exposures = exposures
        self._stop_out = stop_out

    @staticmethod
    def is_wanted(book: AccountBook) -> bool:
        """Tell whether an account has any level to fall below."""
        return bool(book.spec.stop_out_level) or any(
            call.threshold for call in book.margin_calls.values()
        )

    def look(self, exposure: Exposure) -> None:
        """Look whether an account has margin enough; most often that is plain."""
        book = exposure.book
        level = self._watched_level(book)
        if level and not self._exposures.is_above(exposure, level):
            self.check(book)
        levels = (call.threshold for call in book.margin_calls.values())
        self._exposures.settle(exposure, max(book.spec.stop_out_level, *levels))

    def check(self, book: AccountBook) -> None:
        """Reckon an account's margin level exactly, and do what follows from it."""
        used = self._margin.used(book)
        if not used:
            return
        try:
            equity = self._valuation.equity(book)
        except Refusal:
            return  # a position has no price now, so there is no level
        level = Fraction(100 * equity, used)
        for call in book.margin_calls.values():
            if call.threshold and level < call.threshold and self._may_call(book, call.triggered):
                call.triggered = self._outside.market_now()
                message = ProtoOAMarginCallTriggerEvent(
                    ctidTraderAccountId=book.spec.account_id,
                    marginCall=margin_call_message(call),
                )
                self._outside.publish(book.spec.account_id, message, None)
        if book.spec.stop_out_level and level < book.spec.stop_out_level:
            self._close(book, equity)

    # Private

    def _watched_level(self, book: AccountBook) -> float:
        """Return the highest level below which something would happen now."""
        level = float(book.spec.stop_out_level)
        for call in book.margin_calls.values():
            if call.threshold > level and self._may_call(book, call.triggered):
                level = call.threshold
        return level

    def _may_call(self, book: AccountBook, triggered: int | None) -> bool:
        if self._pause_together:
            triggered = max(
                (
                    each.triggered
                    for each in book.margin_calls.values()
                    if each.triggered is not None
                ),
                default=None,
            )
        return triggered is None or self._outside.market_now() - triggered >= self._pause

    def _close(self, book: AccountBook, equity: int) -> None:
        """Send the position that the account's strategy names to its end, one at a time."""
        positions = list(book.open_positions())
        if any(position.executing is not None for position in positions):
            return  # what those closings bring must be seen first
        if book.spec.stop_out_strategy == ProtoOAStopOutStrategy.MOST_LOSING_FIRST:
            positions.sort(key=lambda each: self._valuation.profit(book, each)[1])
        else:
            positions.sort(key=lambda each: each.used_margin, reverse=True)
        if book.spec.fair_stop_out:
            # What frees no margin would be closed for nothing.
            helpful = [each for each in positions if self._margin.freeing_volume(book, each)]
            positions = helpful or positions
        for position in positions:
            if self._stop_out(book, position, self._volume(book, position, equity)):
                return

    def _volume(self, book: AccountBook, position: Position, equity: int) -> int:
        """Return how much of a position a stop-out closes: all, or on fair terms the least."""
        whole, symbol = position.volume, position.symbol
        if not book.spec.fair_stop_out or equity <= 0 or not position.used_margin:
            return whole
        most = (whole - symbol.min_volume) // symbol.step_volume
        useful = int(self._margin.freeing_volume(book, position) // symbol.step_volume)
        steps = range(1, min(most, useful) + 1)
        try:
            least = bisect_left(
                steps, True, key=lambda n: self._is_enough(book, position, n, equity)
            )
        except Refusal:
            return whole  # terms that changed cannot be reckoned with: nothing may stay open
        if least < len(steps):
            return steps[least] * symbol.step_volume
        return steps[-1] * symbol.step_volume if steps and useful < most else whole

    def _is_enough(self, book: AccountBook, position: Position, steps: int, equity: int) -> bool:
        """Tell whether closing so many steps of a position brings the margin level back."""
        volume = steps * position.symbol.step_volume
        left = self._margin.used_without(book, position, volume)
        rest = equity - self._closing_cost(book, position, volume)
        return 100 * rest >= Fraction(book.spec.stop_out_level) * left

    def _closing_cost(self, book: AccountBook, position: Position, volume: int) -> int:
        """Return what closing a volume now takes from the equity, beyond what is in it."""
        quote = self._valuation.quote(position.symbol)
        market = quote.bid if position.is_buy else quote.ask
        commission = self._valuation.commission(book, position.symbol, volume, market)
        gross, _ = self._valuation.profit(book, position)
        share = self._valuation.rounded(Fraction(gross * volume, position.volume))
        return commission - self._valuation.conversion_fee(book, position.symbol, share)
