"""What trades cost and bring, in the deposit currency of their account."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from ctrader.simulator.accounts.money import (
    ROUNDINGS,
    Converter,
    commission_of,
    conversion_fee_of,
    rollover_commission_of,
    swap_of,
)
from ctrader.simulator.book import AccountBook, Entry, Position
from ctrader.simulator.catalogue import PRICE_UNITS, Catalogue, SymbolSpec
from ctrader.simulator.market.prices import Quote
from ctrader.simulator.orders.surroundings import Surroundings
from ctrader.simulator.refusals import Refusal
from ctrader.simulator.switches import Switches

__all__ = ["Valuation"]


class Valuation:
    """Rates, commissions and profits at the present prices.

    Every method that converts raises `Refusal` where there is no price to convert with.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        catalogue: Catalogue,
        converter: Converter,
        switches: Switches | None = None,
    ) -> None:
        """Take where prices and rates come from."""
        self._outside = surroundings
        self._converter = converter
        self._catalogue = catalogue
        self._switches = Switches() if switches is None else switches
        self.rounded = ROUNDINGS[self._switches.money_rounding]
        """Makes an amount a whole number of the smallest unit of its currency."""
        self._usd = catalogue.asset_named("USD").asset_id

    def quote(self, symbol: SymbolSpec) -> Quote:
        """Return both sides of a symbol as they are now.

        Raises:
            Refusal: there is no price of it; unlike an order's, it is refused as a question is.
        """
        quote = self._outside.quote(symbol.symbol_id)
        if quote is None:
            raise Refusal("NO_QUOTES", f"There is no price of {symbol.name}")
        return quote

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
        """Return what one side of a trade costs, positive.

        A smallest commission in an asset that had no rate yet is not charged: terms may change
        while a position is open, and closing it must never become impossible. `check_rates`
        refuses to open anything on such terms.
        """
        amount = commission_of(
            symbol,
            volume,
            Fraction(market, PRICE_UNITS),
            base_to_usd=lambda: self.base_to_usd(symbol, market),
            usd_to_deposit=lambda: self._converter.rate(self._usd, book.deposit_asset),
            quote_to_deposit=lambda: self.quote_to_deposit(book, symbol),
            minimum_to_deposit=lambda: self._minimum_rate(book, symbol),
        )
        return self.rounded(amount * 10**book.spec.money_digits)

    def check_rates(self, book: AccountBook, symbol: SymbolSpec) -> None:
        """Refuse a symbol that the account could trade, but not pay for, settle or value.

        Every rate that was told once can be told again, so what passes here never lacks one.

        Raises:
            Refusal: there is no price to convert with.
        """
        assets = {symbol.base, symbol.quote, self._usd}
        if symbol.min_commission:
            assets.add(self._asset(symbol.min_commission_asset))
        for asset in assets:
            self._converter.rate(asset, book.deposit_asset)
        self._converter.rate(symbol.base, self._usd)

    def swap(self, book: AccountBook, position: Position, days: Fraction) -> int:
        """Return what holding a position for some days brings, negative where it costs.

        Should the symbol have no price any more, a rate in percent counts from the price at which
        the position was opened; conversion falls back to the last rates that there were.

        Raises:
            Refusal: there never was a price to convert with.
        """
        symbol = position.symbol
        scale = 10**book.spec.money_digits
        if book.spec.swap_free:
            if not symbol.rollover_commission:
                return 0
            cost = rollover_commission_of(symbol, position.volume) * days
            rate = self._converter.rate(self._usd, book.deposit_asset)
            return -self.rounded(cost * rate * scale)
        quote = self._outside.quote(symbol.symbol_id)
        price = position.price / PRICE_UNITS
        if quote is not None:
            price = Fraction(quote.bid if position.is_buy else quote.ask, PRICE_UNITS)
        amount = swap_of(
            symbol,
            position.volume,
            price,
            long=position.is_buy,
            year=self._switches.swap_days_of_year,
        )
        return self.rounded(amount * days * self.quote_to_deposit(book, symbol) * scale)

    def gross(
        self,
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
        return self.rounded(Fraction(moved * scale, 100 * PRICE_UNITS) * rate)

    def conversion_fee(self, book: AccountBook, symbol: SymbolSpec, gross: int) -> int:
        """Return what converting a profit or loss brings, negative where it costs."""
        return conversion_fee_of(symbol, gross, book.deposit_asset, self._switches)

    def profit(self, book: AccountBook, position: Position) -> tuple[int, int]:
        """Return what a position would bring now: gross, and net of swap and commission.

        Raises:
            Refusal: there is no price to value it with.
        """
        quote = self.quote(position.symbol)
        market = quote.bid if position.is_buy else quote.ask
        rate = self.quote_to_deposit(book, position.symbol)
        gross = self.gross(book, position, position.entries, market, rate)
        return gross, gross + position.swap + position.commission

    def equity(self, book: AccountBook) -> int:
        """Return an account's balance with the net profit of its open positions.

        Raises:
            Refusal: there is no price to value a position with.
        """
        return self.own_money(book) + sum(
            self.profit(book, position)[1] for position in book.open_positions()
        )

    def own_money(self, book: AccountBook) -> int:
        """Return an account's balance, with its bonuses where they count."""
        if not self._switches.bonus_counts_in_equity:
            return book.balance
        return book.balance + book.manager_bonus + book.ib_bonus

    # Private

    def _minimum_rate(self, book: AccountBook, symbol: SymbolSpec) -> Fraction:
        """Return the rate of the asset of a smallest commission, 0 where there is none."""
        try:
            asset = self._asset(symbol.min_commission_asset)
            return self._converter.rate(asset, book.deposit_asset)
        except Refusal:
            return Fraction(0)

    def _asset(self, name: str) -> int:
        try:
            return self._catalogue.asset_named(name).asset_id
        except KeyError:
            raise Refusal("SYMBOL_NOT_FOUND", f"There is no asset {name} to convert") from None

    def _base_rate(self, symbol: SymbolSpec, asset: int, market: int) -> Fraction:
        """Return a rate from the base asset, over the trade's own price where it leads there."""
        own = symbol.symbol_id, Fraction(market, PRICE_UNITS)
        return self._converter.rate(symbol.base, asset, own=own)
