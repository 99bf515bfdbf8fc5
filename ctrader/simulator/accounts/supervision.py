"""Supervision: acts when an account has too little for its margin.

Below each of three levels the user is warned, below the last one the broker closes positions.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from fractions import Fraction

from ctrader.proto import ProtoOAMarginCallTriggerEvent, ProtoOAStopOutStrategy
from ctrader.simulator.accounts.exposure import Exposure, Exposures
from ctrader.simulator.accounts.margin import Margin, Remainder
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
        volumes = {each.position_id: each.volume for each in positions}
        if book.spec.fair_stop_out:
            least = {each.position_id: self._least(book, each, equity) for each in positions}
            helpful = {each: volume for each, volume in least.items() if volume}
            # What frees no margin would be closed for nothing, unless nothing else is left.
            volumes = helpful or volumes
        for position in positions:
            volume = volumes.get(position.position_id)
            if volume and self._stop_out(book, position, volume):
                return

    def _least(self, book: AccountBook, position: Position, equity: int) -> int:
        """Return how much of a position a stop-out closes on fair terms.

        That is the least that brings the margin level back; else all that sets margin free; or
        nothing where none of it does.
        """
        symbol, used = position.symbol, self._margin.used(book)
        whole, step = position.volume, symbol.step_volume
        parts = range(step, whole - symbol.min_volume + 1, step)

        def without(volume: int) -> Remainder:
            return self._margin.without(book, position, volume)

        def is_enough(volume: int) -> bool:
            rest = equity - self._closing_cost(book, position, volume)
            return 100 * rest >= Fraction(book.spec.stop_out_level) * without(volume).used

        try:
            useful = bisect_left(parts, True, key=lambda part: without(part).is_outweighed)
            if equity > 0:
                least = bisect_left(parts[:useful], True, key=is_enough)
                # The part with which the sides change places may be the one that is enough.
                if least < useful or (useful < len(parts) and is_enough(parts[useful])):
                    return parts[least]
            most = parts[useful - 1 : useful] if useful else parts[:0]
            tried = (*most, whole) if useful < len(parts) else (whole, *most)
            return next((volume for volume in tried if without(volume).used < used), 0)
        except Refusal:
            return whole  # what cannot be reckoned with must not stay open

    def _closing_cost(self, book: AccountBook, position: Position, volume: int) -> int:
        """Return what closing a volume now takes from the equity, beyond what is in it."""
        quote = self._valuation.quote(position.symbol)
        market = quote.bid if position.is_buy else quote.ask
        commission = self._valuation.commission(book, position.symbol, volume, market)
        gross, _ = self._valuation.profit(book, position)
        share = self._valuation.rounded(Fraction(gross * volume, position.volume))
        return commission - self._valuation.conversion_fee(book, position.symbol, share)
