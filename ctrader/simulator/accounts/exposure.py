"""Which prices bear on which account, and how much they may move it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ctrader.simulator.accounts.margin import Margin
from ctrader.simulator.accounts.money import Converter
from ctrader.simulator.accounts.valuation import Valuation
from ctrader.simulator.book import AccountBook
from ctrader.simulator.catalogue import PRICE_UNITS
from ctrader.simulator.market.prices import Tick
from ctrader.simulator.orders.surroundings import Surroundings
from ctrader.simulator.refusals import Refusal

__all__ = ["Exposure", "Exposures"]

_WIDEST: Final = 0.05
"""Part of a price by which it may move, at most, before an account is looked at again."""
_NARROW: Final = 1e-6
"""Part of an estimate by which it may be wrong: far more than floats ever are."""


@dataclass(slots=True)
class _Holding:
    """All positions of one symbol."""

    symbol_id: int
    scale: float
    """From cents of a unit and wire prices to the smallest unit of the account's currency."""
    chain: tuple[tuple[int, bool], ...]
    """Symbols that convert the result, and whether each is multiplied with."""
    long_volume: int = 0
    long_value: int = 0
    short_volume: int = 0
    short_value: int = 0


@dataclass(slots=True, eq=False)
class Exposure:
    """What of an account depends on prices."""

    book: AccountBook
    symbols: frozenset[int] = frozenset()
    """Symbols whose prices bear on it."""
    holdings: list[_Holding] = field(default_factory=list[_Holding])
    fixed: int = 0
    """Balance, swaps and commissions."""
    used_margin: int = 0
    tolerance: int = 0
    """By how much rounding can move the equity."""
    bands: dict[int, tuple[float, float]] = field(default_factory=dict[int, tuple[float, float]])
    """Between which prices, by symbol id, the margin level is surely above all levels."""

    def headroom(self, level: float, quotes: dict[int, list[int]], *, side: str) -> float:
        """Return how much of the equity can surely be lost above a level, in percent.

        If that is nothing, the margin level must be reckoned exactly.
        """
        equity, moved = float(self.fixed), 0.0
        for holding in self.holdings:
            bid, ask = quotes[holding.symbol_id]
            gross = (
                bid * holding.long_volume
                - holding.long_value
                + holding.short_value
                - ask * holding.short_volume
            ) * holding.scale
            for symbol_id, multiplied in holding.chain:
                price = _price(quotes[symbol_id], side) / PRICE_UNITS
                gross = gross * price if multiplied else gross / price
            equity += gross
            moved += abs(gross)
        doubt = self.tolerance + _NARROW * (abs(self.fixed) + moved)
        return equity - doubt - level / 100 * self.used_margin

    def settle(self, headroom: float, quotes: dict[int, list[int]], *, side: str) -> None:
        """Mark off the prices within which no more than a headroom can be lost.

        Every symbol may take an equal part of half of it: what a profit loses by its own price
        grows with the prices that convert it, and the other half is far more than that.
        """
        part = headroom / (2 * len(self.symbols))
        widths = dict.fromkeys(self.symbols, 0.0)
        converted = dict.fromkeys(self.symbols, 0.0)
        for holding in self.holdings:
            bid, ask = quotes[holding.symbol_id]
            rate = holding.scale
            for symbol_id, multiplied in holding.chain:
                price = _price(quotes[symbol_id], side) / PRICE_UNITS
                rate = rate * price if multiplied else rate / price
            volume = (holding.long_volume + holding.short_volume) * rate
            widths[holding.symbol_id] += volume
            gross = abs(bid * holding.long_volume - holding.long_value) + abs(
                holding.short_value - ask * holding.short_volume
            )
            for symbol_id, _ in holding.chain:
                converted[symbol_id] += gross * rate + part
        for symbol_id in self.symbols:
            bid, ask = quotes[symbol_id]
            # A symbol may be traded and convert as well: then it takes the narrower band.
            width = bid * _WIDEST
            if widths[symbol_id]:
                width = min(width, part / 2 / widths[symbol_id])
            if converted[symbol_id]:
                width = min(width, bid * part / 4 / converted[symbol_id])
            self.bands[symbol_id] = (bid - width, ask + width)


class Exposures:
    """The accounts with open positions, by the symbols that move them.

    It watches those symbols, so their ticks keep coming.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        converter: Converter,
        valuation: Valuation,
        margin: Margin,
        *,
        is_wanted: Callable[[AccountBook], bool],
    ) -> None:
        """Begin without positions.

        Args:
            is_wanted: Tells whether anybody wants to know how an account stands.
        """
        self._outside = surroundings
        self._converter = converter
        self._valuation = valuation
        self._margin = margin
        self._is_wanted = is_wanted
        self._exposures: dict[int, Exposure] = {}
        self._concerned: dict[int, dict[int, Exposure]] = {}
        """By symbol id and account id."""
        self._quotes: dict[int, list[int]] = {}
        """The last bid and ask of each watched symbol."""

    def renew(self, book: AccountBook) -> Exposure | None:
        """Look anew at what an account holds; None if prices do not matter to it."""
        account_id = book.spec.account_id
        known = self._exposures.get(account_id)
        old: frozenset[int] = frozenset() if known is None else known.symbols
        new = self._exposure_of(book)
        symbols: frozenset[int] = frozenset() if new is None else new.symbols
        for symbol_id in symbols - old:
            self._watch(symbol_id)
        for symbol_id in old - symbols:
            self._unwatch(symbol_id, account_id)
        if new is None:
            self._exposures.pop(account_id, None)
            return None
        self._exposures[account_id] = new
        for symbol_id in symbols:
            self._concerned[symbol_id][account_id] = new
        return new

    def on_tick(self, symbol_id: int, tick: Tick) -> list[Exposure]:
        """Take a new price, and return the accounts that it may bring too low."""
        concerned = self._concerned.get(symbol_id)
        if not concerned:
            return []
        quote = self._quotes[symbol_id]
        if tick.bid is not None:
            quote[0] = tick.bid
        if tick.ask is not None:
            quote[1] = tick.ask
        bid, ask = quote
        moved: list[Exposure] = []
        for exposure in concerned.values():
            band = exposure.bands.get(symbol_id)
            if band is None or bid < band[0] or ask > band[1]:
                moved.append(exposure)
        return moved

    def concerned(self, symbol_id: int) -> list[AccountBook]:
        """Return the accounts that a symbol's price bears on."""
        return [exposure.book for exposure in self._concerned.get(symbol_id, {}).values()]

    def is_above(self, exposure: Exposure, level: float) -> bool:
        """Tell whether an account's margin level is surely above a level, in percent."""
        return exposure.headroom(level, self._quotes, side=self._converter.side) > 0

    def settle(self, exposure: Exposure, level: float) -> None:
        """Have an account looked at again when prices could have brought it below a level."""
        headroom = exposure.headroom(level, self._quotes, side=self._converter.side)
        if headroom > 0:
            exposure.settle(headroom, self._quotes, side=self._converter.side)
        else:
            exposure.bands.clear()

    # Private

    def _exposure_of(self, book: AccountBook) -> Exposure | None:
        if not self._is_wanted(book):
            return None
        exposure = Exposure(book)
        holdings: dict[int, _Holding] = {}
        symbols: set[int] = set()
        fixed = self._valuation.own_money(book)
        for position in book.open_positions():
            symbol = position.symbol
            holding = holdings.get(symbol.symbol_id)
            if holding is None:
                chain = self._chain(symbol.quote, book.deposit_asset)
                scale = 10**book.spec.money_digits / (100 * PRICE_UNITS)
                holding = holdings[symbol.symbol_id] = _Holding(symbol.symbol_id, scale, chain)
                symbols.add(symbol.symbol_id)
                symbols.update(symbol_id for symbol_id, _ in chain)
            value = sum(entry.volume * entry.price for entry in position.entries)
            if position.is_buy:
                holding.long_volume += position.volume
                holding.long_value += value
            else:
                holding.short_volume += position.volume
                holding.short_value += value
            fixed += position.swap + position.commission
            exposure.tolerance += 1
        if not holdings or any(self._outside.quote(each) is None for each in symbols):
            return None
        exposure.holdings = list(holdings.values())
        exposure.symbols = frozenset(symbols)
        exposure.fixed = fixed
        exposure.used_margin = self._margin.used(book)
        return exposure

    def _chain(self, first: int, last: int) -> tuple[tuple[int, bool], ...]:
        try:
            chain = self._converter.chain(first, last)
        except Refusal:
            return ()  # nothing converts it: the exact reckoning will find no rate either
        steps: list[tuple[int, bool]] = []
        asset = first
        for symbol in chain:
            steps.append((symbol.symbol_id, symbol.base == asset))
            asset = symbol.quote if symbol.base == asset else symbol.base
        return tuple(steps)

    def _watch(self, symbol_id: int) -> None:
        if symbol_id not in self._concerned:
            self._concerned[symbol_id] = {}
            quote = self._outside.quote(symbol_id)
            if quote is not None:
                self._quotes[symbol_id] = [quote.bid, quote.ask]
            self._outside.watch(symbol_id)

    def _unwatch(self, symbol_id: int, account_id: int) -> None:
        concerned = self._concerned[symbol_id]
        concerned.pop(account_id, None)
        if not concerned:
            del self._concerned[symbol_id]
            del self._quotes[symbol_id]
            self._outside.unwatch(symbol_id)


# Private


def _price(quote: list[int], side: str) -> float:
    if side == "mid":
        return (quote[0] + quote[1]) / 2
    return quote[0] if side == "bid" else quote[1]
