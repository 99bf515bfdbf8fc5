"""Compute what positions are worth, from quotes, over chains of symbols.

Everything is exact until an amount is rounded to the smallest unit of the account's currency, half
away from zero. Bought positions are worth the bid, sold ones the ask. Rates between currencies are
taken from the bid of each symbol of the chain; which side the server takes is not documented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple, TypeAlias

from ctrader.enums import OrderSide, TotalMarginCalculationType
from ctrader.models.positions import Position
from ctrader.models.symbols import SymbolInfo
from ctrader.units import PRICE_SCALE, VOLUME_SCALE

__all__ = [
    "Chain",
    "Profit",
    "Sides",
    "Slack",
    "money",
    "profit_of",
    "rate_of",
    "slack_of",
    "used_margin_of",
]

Sides: TypeAlias = tuple[int, int]
"""Bid and ask in 1/100000."""

Chain: TypeAlias = tuple[SymbolInfo, ...]
"""The symbols that lead from one asset to another, in walking order."""

_TOLD_EXACTLY: Final = Fraction(1, 10**15)  # average prices are told to 15 decimals ...
_FLOAT_ERROR: Final = Fraction(1, 2**52)  # ... as a float


class Profit(NamedTuple):
    """What closing at the present price would bring, in the account's currency."""

    gross: Decimal
    """Profit from the price alone."""
    net: Decimal
    """Profit with swap and the commission so far, without that of closing."""


class Slack(NamedTuple):
    """How far two right computations of a profit may lie apart."""

    gross: Decimal
    """For the gross profit: a spread, and the spreads of the chain."""
    costs: Decimal
    """For what lies between gross and net: rounding alone."""


def money(amount: int, digits: int) -> Decimal:
    """Convert an amount in the smallest unit of a currency to units, without rounding."""
    return Decimal(amount).scaleb(-digits)


def rate_of(chain: Chain, first: int, last: int, quotes: Mapping[int, Sides]) -> Fraction | None:
    """Return what one unit of the first asset is worth in the last one.

    Args:
        chain: The symbols that lead there; none where both are the same.
        first: The asset to convert.
        last: The asset to convert it to.
        quotes: Both sides of each symbol.

    Returns: The rate by the bids; None where a quote is lacking or the chain leads elsewhere.
    """
    return _walk(chain, first, last, [_bid(quotes.get(each.symbol_id)) for each in chain])


def profit_of(position: Position, sides: Sides, rate: Fraction, digits: int) -> Profit:
    """Return what a position would bring if it were closed now.

    Args:
        position: An open position with an entry price.
        sides: Bid and ask of its symbol.
        rate: From the asset in which the symbol is priced to the account's currency.
        digits: Decimals of the account's money.
    """
    gross = money(_half_away(_moved(position, sides) * rate * 10**digits), digits)
    return Profit(gross, gross + position.swap + position.commission)


def slack_of(
    position: Position,
    sides: Sides,
    chain: Chain,
    assets: tuple[int, int],
    quotes: Mapping[int, Sides],
    digits: int,
) -> Slack | None:
    """Return how far the server's figure of a position's profit may lie from ours.

    The server may have seen the price one spread away, may convert at the other side of each
    symbol of the chain, and may round otherwise: all of that together is still agreement.

    Args:
        position: An open position with an entry price.
        sides: Bid and ask of its symbol.
        chain: The symbols that convert its profit.
        assets: The asset in which its symbol is priced, and that of the account.
        quotes: Both sides of each symbol.
        digits: Decimals of the account's money.

    Returns: None where a quote is lacking.
    """
    rates: list[Fraction] = []
    for widest in (min, max):
        prices: list[int | None] = []
        asset = assets[0]
        for symbol in chain:
            both = quotes.get(symbol.symbol_id)
            is_base = symbol.base_asset_id == asset
            # A price that divides makes the rate smaller the larger it is.
            opposite = max if widest is min else min
            prices.append(None if both is None else (widest if is_base else opposite)(both))
            other = symbol.quote_asset_id if is_base else symbol.base_asset_id
            asset = -1 if other is None else other
        rate = _walk(chain, *assets, prices)
        if rate is None:
            return None
        rates.append(rate)
    low, high = rates
    spread = Fraction(abs(sides[1] - sides[0]) * position.volume, PRICE_SCALE * VOLUME_SCALE)
    unit = money(1, digits)
    wide = spread * high + abs(_moved(position, sides)) * (high - low)
    return Slack(money(_half_away(wide * 10**digits), digits) + 2 * unit, unit)


def used_margin_of(
    positions: Sequence[Position], kind: TotalMarginCalculationType | None
) -> Decimal:
    """Return the margin that positions use together.

    Args:
        positions: All open positions of an account.
        kind: How the sides of one symbol add up; None, and a kind of the future, add all.
    """
    sides: dict[int, list[Decimal]] = {}
    for position in positions:
        both = sides.setdefault(position.symbol_id, [Decimal(0), Decimal(0)])
        both[0 if position.side is OrderSide.BUY else 1] += position.used_margin
    if kind is TotalMarginCalculationType.MAX:
        return sum((max(long, short) for long, short in sides.values()), Decimal(0))
    if kind is TotalMarginCalculationType.NET:
        return sum((abs(long - short) for long, short in sides.values()), Decimal(0))
    return sum((long + short for long, short in sides.values()), Decimal(0))


# Private


def _bid(sides: Sides | None) -> int | None:
    return None if sides is None else sides[0]


def _walk(chain: Chain, first: int, last: int, prices: Sequence[int | None]) -> Fraction | None:
    """Convert over a chain, each step at its price in 1/100000."""
    rate, asset = Fraction(1), first
    for symbol, price in zip(chain, prices, strict=True):
        if not price:
            return None
        base, quote = symbol.base_asset_id, symbol.quote_asset_id
        if base is None or quote is None:
            return None
        if base == asset:
            rate, asset = rate * price / PRICE_SCALE, quote
        elif quote == asset:
            rate, asset = rate * PRICE_SCALE / price, base
        else:
            return None
    return rate if asset == last else None


def _moved(position: Position, sides: Sides) -> Fraction:
    """Return what the price has brought, in the asset that the symbol is priced in."""
    market = sides[0] if position.side is OrderSide.BUY else sides[1]
    moved = market * position.volume - _paid(position)
    scaled = moved / (PRICE_SCALE * VOLUME_SCALE)
    return scaled if position.side is OrderSide.BUY else -scaled


def _paid(position: Position) -> Fraction:
    """Return the sum of the entries, each in 1/100000 times its volume.

    Every entry has a whole number there, so their sum is one too, and the average price that the
    server tells is that number divided by the volume: it is found again behind the rounding.
    """
    price = Fraction(Decimal(repr(position.entry_price or 0.0)))
    paid = price * (position.volume * PRICE_SCALE)
    whole = Fraction(round(paid))
    lost = (_TOLD_EXACTLY + abs(price) * _FLOAT_ERROR) * (position.volume * PRICE_SCALE)
    return whole if abs(paid - whole) <= lost else paid


def _half_away(amount: Fraction) -> int:
    """Round to the nearest whole number, halves away from zero."""
    whole = (2 * abs(amount.numerator) + amount.denominator) // (2 * amount.denominator)
    return whole if amount >= 0 else -whole
