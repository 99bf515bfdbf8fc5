"""Exact money: conversion, commission, margin and profit.

Amounts are rounded only where they are booked: to integers in the smallest unit of the deposit
currency. Everything before is a fraction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Final

from ctrader.proto import (
    ProtoOACommissionType,
    ProtoOAMinCommissionType,
    ProtoOASwapCalculationType,
)
from ctrader.simulator.catalogue import (
    PRICE_UNITS,
    Catalogue,
    LeverageSpec,
    SymbolSpec,
)
from ctrader.simulator.checked import INT64_MAX
from ctrader.simulator.market.prices import Quote
from ctrader.simulator.refusals import OrderRefusal, Refusal
from ctrader.simulator.switches import Switches

__all__ = [
    "ROUNDINGS",
    "Converter",
    "check_tellable",
    "commission_of",
    "conversion_fee_of",
    "is_tellable",
    "margin_of",
    "rollover_commission_of",
    "round_away",
    "round_half_away",
    "swap_of",
]


def round_half_away(value: Fraction) -> int:
    """Round to the nearest integer, halves away from zero."""
    whole = (abs(value) * 2 + 1) // 2
    return int(whole if value >= 0 else -whole)


def round_away(value: Fraction) -> int:
    """Round to the next integer away from zero."""
    whole = -(-abs(value) // 1)
    return int(whole if value >= 0 else -whole)


def _round_half_even(value: Fraction) -> int:
    return round(value)


def _round_towards_zero(value: Fraction) -> int:
    return int(value)


ROUNDINGS: Final[Mapping[str, Callable[[Fraction], int]]] = {
    "up": round_away,
    "half_away": round_half_away,
    "half_even": _round_half_even,
    "towards_zero": _round_towards_zero,
}
"""Ways to make an amount a whole number, by the names that the switches have for them."""


def is_tellable(*amounts: int) -> bool:
    """Tell whether amounts, in the smallest unit of their currency, fit into messages."""
    return all(abs(amount) <= INT64_MAX for amount in amounts)


def check_tellable(*amounts: int) -> None:
    """Refuse what comes to amounts that no message can hold.

    Raises:
        Refusal: one of them does not fit.
    """
    if not is_tellable(*amounts):
        raise OrderRefusal("TRADING_BAD_VOLUME", "The amounts are larger than can be told")


class Converter:
    """Exchange rates between assets, over the shortest chain of symbols."""

    def __init__(
        self,
        catalogue: Catalogue,
        switches: Switches,
        quote_of: Callable[[int], Quote | None],
    ) -> None:
        """Take where the present quote of a symbol is to be had."""
        self._symbols = sorted(catalogue.symbols, key=lambda symbol: symbol.symbol_id)
        self.side = switches.conversion_side
        """Side of the quotes that rates are taken from."""
        self._quote_of = quote_of
        self._chains: dict[tuple[int, int], tuple[SymbolSpec, ...]] = {}
        self._last_rates: dict[tuple[int, int], Fraction] = {}

    def chain(self, first: int, last: int) -> tuple[SymbolSpec, ...]:
        """Return the symbols that lead from one asset to another, if they differ.

        Raises:
            Refusal: no chain of symbols connects the two.
        """
        known = self._chains.get((first, last))
        if known is None:
            known = self._chains[first, last] = self._find(first, last)
        return known

    def rate(self, first: int, last: int, *, own: tuple[int, Fraction] | None = None) -> Fraction:
        """Return how much of the last asset one unit of the first is worth now.

        A rate that was told once is remembered: should a price of its chain go missing, the last
        one holds, so that what was opened with it can always be closed.

        Args:
            first: The asset to convert.
            last: The asset to convert it to.
            own: Id and price of a symbol that just traded: its step has that price, as recorded.

        Raises:
            Refusal: no chain connects the two, or a symbol of it never had a price.
        """
        rate, asset = Fraction(1), first
        for symbol in self.chain(first, last):
            price = self._price(symbol) if own is None or own[0] != symbol.symbol_id else own[1]
            if price is None:
                return self._last_rate(symbol, first, last)
            if symbol.base == asset:
                rate, asset = rate * price, symbol.quote
            else:
                rate, asset = rate / price, symbol.base
        self._last_rates[first, last] = rate
        return rate

    def _last_rate(self, symbol: SymbolSpec, first: int, last: int) -> Fraction:
        known = self._last_rates.get((first, last))
        if known is None:
            raise Refusal("NO_QUOTES", f"There is no price of {symbol.name} to convert with")
        return known

    def _price(self, symbol: SymbolSpec) -> Fraction | None:
        quote = self._quote_of(symbol.symbol_id)
        if quote is None:
            return None
        if self.side == "mid":
            return Fraction(quote.bid + quote.ask, 2 * PRICE_UNITS)
        return Fraction(quote.bid if self.side == "bid" else quote.ask, PRICE_UNITS)

    def _find(self, first: int, last: int) -> tuple[SymbolSpec, ...]:
        reached: dict[int, tuple[SymbolSpec, ...]] = {first: ()}
        border = [first]
        while border and last not in reached:
            following: list[int] = []
            for asset in border:
                for symbol in self._symbols:
                    if asset not in (symbol.base, symbol.quote):
                        continue
                    other = symbol.quote if asset == symbol.base else symbol.base
                    if other not in reached:
                        reached[other] = (*reached[asset], symbol)
                        following.append(other)
            border = following
        if last not in reached:
            raise Refusal("SYMBOL_NOT_FOUND", f"No symbols convert asset {first} to {last}")
        return reached[last]


def commission_of(
    spec: SymbolSpec,
    volume: int,
    price: Fraction,
    *,
    base_to_usd: Callable[[], Fraction],
    usd_to_deposit: Callable[[], Fraction],
    quote_to_deposit: Callable[[], Fraction],
    minimum_to_deposit: Callable[[], Fraction] | None = None,
) -> Fraction:
    """Return what one side of a trade costs in the deposit currency, positive.

    Args:
        minimum_to_deposit: Rate from the asset in which the smallest commission is kept; dollars
            if it is not given. It matters for the type CURRENCY alone.
    """
    if not spec.commission_rate and not spec.min_commission:
        return Fraction(0)
    rate = Fraction(spec.commission_rate, 100_000_000)
    if spec.commission_type == ProtoOACommissionType.USD_PER_MILLION_USD:
        amount = Fraction(volume, 100) * base_to_usd() / 1_000_000 * rate * usd_to_deposit()
    elif spec.commission_type == ProtoOACommissionType.USD_PER_LOT:
        amount = Fraction(volume, spec.lot_size) * rate * usd_to_deposit()
    elif spec.commission_type == ProtoOACommissionType.PERCENTAGE_OF_VALUE:
        percent = Fraction(spec.commission_rate, 100_000)
        amount = Fraction(volume, 100) * price * percent / 100 * quote_to_deposit()
    else:
        amount = Fraction(volume, spec.lot_size) * rate * quote_to_deposit()
    if spec.min_commission:
        if spec.min_commission_type == ProtoOAMinCommissionType.QUOTE_CURRENCY:
            minimum_to_deposit = quote_to_deposit
        minimum_rate = (minimum_to_deposit or usd_to_deposit)()
        amount = max(amount, Fraction(spec.min_commission, 100_000_000) * minimum_rate)
    return amount


def swap_of(spec: SymbolSpec, volume: int, price: Fraction, *, long: bool, year: int) -> Fraction:
    """Return what a day of holding a volume brings, negative if it costs.

    It is in the quote asset.

    Args:
        price: At which the position would be closed.
        long: Whether it is bought.
        year: Days of a year, for rates that are a percentage of the value.
    """
    # The term is a decimal number that is kept as a float.
    rate = Fraction(str(spec.swap_long if long else spec.swap_short))
    units = Fraction(volume, 100)
    if spec.swap_type == ProtoOASwapCalculationType.PERCENTAGE:
        return units * price * rate / 100 / year
    digits = spec.pip_position if spec.swap_type == ProtoOASwapCalculationType.PIPS else spec.digits
    return units * rate * Fraction(1, 10**digits)


def rollover_commission_of(spec: SymbolSpec, volume: int) -> Fraction:
    """Return what a day costs a swap-free account, US dollars, positive."""
    return Fraction(volume, spec.lot_size) * Fraction(spec.rollover_commission, 100_000_000)


def conversion_fee_of(
    spec: SymbolSpec, gross: int, deposit_asset: int, switches: Switches | None = None
) -> int:
    """Return what converting a profit or loss brings, negative where it costs.

    Args:
        spec: The symbol.
        gross: The profit or loss, in the unit of the result.
        deposit_asset: The currency that it is converted to.
        switches: How losses are charged and fees rounded; the defaults if it is not given.
    """
    if spec.quote == deposit_asset or not spec.conversion_fee_rate:
        return 0
    switches = switches or Switches()
    charged = gross
    if switches.conversion_fee_of_losses == "charged":
        charged = abs(gross)
    elif switches.conversion_fee_of_losses == "none":
        charged = max(0, gross)
    rounded = ROUNDINGS[switches.conversion_fee_rounding]
    return -rounded(Fraction(charged * spec.conversion_fee_rate, 10_000))


def margin_of(
    volume: int,
    *,
    base_to_deposit: Fraction,
    base_to_usd: Fraction,
    account_leverage: int,
    tiers: LeverageSpec | None,
    exposure: Fraction = Fraction(0),
) -> Fraction:
    """Return the margin of a volume, in units of the deposit currency.

    Args:
        account_leverage: Leverage of the account, in hundredths.
        tiers: Dynamic leverage of the symbol, None where it has none.
        exposure: What is open already on the same side, in US dollars; it fills the first tiers.
    """
    units = Fraction(volume, 100)
    value = units * base_to_usd
    if tiers is None or not value:
        return units * base_to_deposit * 100 / account_leverage
    margin, covered, rest = Fraction(0), exposure, value
    for index, (bound, leverage) in enumerate(tiers.tiers):
        last = index == len(tiers.tiers) - 1
        room = rest if last else min(rest, max(Fraction(0), Fraction(bound, 100) - covered))
        margin += room * 100 / min(leverage, account_leverage)
        covered += room
        rest -= room
    return margin * base_to_deposit / base_to_usd
