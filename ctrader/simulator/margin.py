"""The margin that positions bind."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from ctrader.proto import ProtoOATotalMarginCalculationType, ProtoOATradeSide
from ctrader.simulator.book import AccountBook, Position
from ctrader.simulator.catalogue import Catalogue, SymbolSpec
from ctrader.simulator.money import margin_of, round_half_away
from ctrader.simulator.surroundings import Surroundings, need_quote
from ctrader.simulator.valuation import Valuation

__all__ = ["Margin"]


class Margin:
    """Used, free and expected margin of all accounts.

    Every method that converts raises `Refusal` where there is no price to convert with.
    """

    def __init__(
        self, surroundings: Surroundings, catalogue: Catalogue, valuation: Valuation
    ) -> None:
        """Take where prices and rates come from."""
        self._outside = surroundings
        self._valuation = valuation
        self._leverages = {each.leverage_id: each for each in catalogue.leverages}

    def used(self, book: AccountBook) -> int:
        """Return the margin that an account's positions bind."""
        sides: dict[int, list[int]] = {}
        for position in book.open_positions():
            both = sides.setdefault(position.symbol.symbol_id, [0, 0])
            both[0 if position.is_buy else 1] += position.used_margin
        method = book.spec.margin_calculation
        if method == ProtoOATotalMarginCalculationType.MAX:
            return sum(max(both) for both in sides.values())
        if method == ProtoOATotalMarginCalculationType.NET:
            return sum(abs(both[0] - both[1]) for both in sides.values())
        return sum(sum(both) for both in sides.values())

    def free(self, book: AccountBook) -> int:
        """Return what an account has left for new positions."""
        return self._valuation.equity(book) - self.used(book)

    def expected(self, book: AccountBook, symbol: SymbolSpec, side: int, volume: int) -> int:
        """Return the margin that a new position would bind.

        Raises:
            Refusal: there is no price to convert with.
        """
        quote = need_quote(self._outside, symbol)
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
                already. None is a new one, after all the others.
        """
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
        return round_half_away(amount * 10**book.spec.money_digits)

    def renew(self, book: AccountBook, position: Position) -> None:
        """Bind the margin of what a position holds now."""
        position.used_margin = 0
        if position.is_open:
            position.used_margin = self.needed(
                book,
                position.symbol,
                position.side,
                position.volume,
                position.margin_rate,
                position=position,
            )


# Private


def _before(book: AccountBook, limit: Position | None) -> Iterator[Position]:
    """Go through the open positions that stand before one, or all of them."""
    for position in book.open_positions():
        if position is limit:
            return
        yield position
