"""What trades cost and bring, in the deposit currency of their account."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from ctrader.simulator.book import AccountBook, Entry, Position
from ctrader.simulator.catalogue import PRICE_UNITS, Catalogue, SymbolSpec
from ctrader.simulator.money import Converter, commission_of, round_half_away
from ctrader.simulator.surroundings import Surroundings, need_quote

__all__ = ["Valuation"]


class Valuation:
    """Rates, commissions and profits at the present prices.

    Every method that converts raises `Refusal` where there is no price to convert with.
    """

    def __init__(
        self, surroundings: Surroundings, catalogue: Catalogue, converter: Converter
    ) -> None:
        """Take where prices and rates come from."""
        self._outside = surroundings
        self._converter = converter
        self._usd = catalogue.asset_named("USD").asset_id

    def base_to_deposit(self, book: AccountBook, symbol: SymbolSpec, market: int) -> Fraction:
        """Return the rate from a symbol's base asset when it trades at a price."""
        return self._base_rate(symbol, book.deposit_asset, market)

    def base_to_usd(self, symbol: SymbolSpec, market: int | None = None) -> Fraction:
        """Return the rate from a symbol's base asset to US dollars.

        Args:
            market: Price at which the symbol trades; None converts at the present prices alone.
        """
        if market is None:
            return self._converter.rate(symbol.base, self._usd)
        return self._base_rate(symbol, self._usd, market)

    def quote_to_deposit(self, book: AccountBook, symbol: SymbolSpec) -> Fraction:
        """Return the rate from the asset in which a symbol is priced."""
        return self._converter.rate(symbol.quote, book.deposit_asset)

    def commission(self, book: AccountBook, symbol: SymbolSpec, volume: int, market: int) -> int:
        """Return what one side of a trade costs, positive."""
        amount = commission_of(
            symbol,
            volume,
            Fraction(market, PRICE_UNITS),
            base_to_usd=lambda: self.base_to_usd(symbol, market),
            usd_to_deposit=lambda: self._converter.rate(self._usd, book.deposit_asset),
            quote_to_deposit=lambda: self.quote_to_deposit(book, symbol),
        )
        return round_half_away(amount * 10**book.spec.money_digits)

    @staticmethod
    def gross(
        book: AccountBook,
        position: Position,
        entries: Iterable[Entry],
        market: int,
        rate: Fraction,
    ) -> int:
        """Return what entries of a position bring at a price.

        Args:
            rate: From the asset in which the symbol is priced to the deposit currency.
        """
        sign = 1 if position.is_buy else -1
        moved = sum(entry.volume * (market - entry.price) for entry in entries) * sign
        scale = 10**book.spec.money_digits
        return round_half_away(Fraction(moved * scale, 100 * PRICE_UNITS) * rate)

    def profit(self, book: AccountBook, position: Position) -> tuple[int, int]:
        """Return what a position would bring now: gross, and net of swap and commission.

        Raises:
            Refusal: there is no price to value it with.
        """
        quote = need_quote(self._outside, position.symbol)
        market = quote.bid if position.is_buy else quote.ask
        rate = self.quote_to_deposit(book, position.symbol)
        gross = self.gross(book, position, position.entries, market, rate)
        return gross, gross + position.swap + position.commission

    def equity(self, book: AccountBook) -> int:
        """Return an account's balance with the net profit of its open positions.

        Raises:
            Refusal: there is no price to value a position with.
        """
        return book.balance + sum(
            self.profit(book, position)[1] for position in book.open_positions()
        )

    # Private

    def _base_rate(self, symbol: SymbolSpec, asset: int, market: int) -> Fraction:
        """Return a rate from the base asset, by the trade's own price where that is the rate."""
        if symbol.quote == asset:
            return Fraction(market, PRICE_UNITS)
        return self._converter.rate(symbol.base, asset)
