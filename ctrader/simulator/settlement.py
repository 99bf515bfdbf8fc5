"""Books fills: into the entries of a position, or out of them and to the balance."""

from __future__ import annotations

from fractions import Fraction

from ctrader.proto import ProtoOAPositionStatus
from ctrader.simulator.blotter import Blotter
from ctrader.simulator.book import AccountBook, ClosedPart, Deal, Entry, Order, Position
from ctrader.simulator.margin import Margin
from ctrader.simulator.money import conversion_fee_of, round_half_away
from ctrader.simulator.surroundings import Surroundings
from ctrader.simulator.valuation import Valuation

__all__ = ["Settlement"]


class Settlement:
    """Entries, deals and balances of all accounts; nothing is published here."""

    def __init__(
        self, surroundings: Surroundings, blotter: Blotter, valuation: Valuation, margin: Margin
    ) -> None:
        """Take who numbers the deals and values them."""
        self._outside = surroundings
        self._blotter = blotter
        self._valuation = valuation
        self._margin = margin

    def open(
        self,
        book: AccountBook,
        order: Order,
        position: Position,
        volume: int,
        market: int,
        created: int,
    ) -> Deal:
        """Put a volume into a position, as one more entry.

        Args:
            market: Price of the fill.
            created: When the deal began, milliseconds UTC.
        """
        now = self._outside.market_now()
        rate = self._valuation.base_to_deposit(book, order.symbol, market)
        commission = -self._valuation.commission(book, order.symbol, volume, market)
        position.entries.append(Entry(volume, market, commission, rate))
        position.status = int(ProtoOAPositionStatus.POSITION_STATUS_OPEN)
        position.updated = now
        position.opened = now if position.opened is None else position.opened
        self._margin.renew(book, position)
        return self._deal(book, order, volume, market, created, rate, commission)

    def close(
        self,
        book: AccountBook,
        order: Order,
        position: Position,
        volume: int,
        market: int,
        created: int,
    ) -> Deal:
        """Take a volume out of a position, oldest entries first, and book the result.

        Args:
            market: Price of the fill.
            created: When the deal began, milliseconds UTC.
        """
        now = self._outside.market_now()
        part, commission = self._settle(book, position, volume, market, now)
        rate = self._valuation.base_to_deposit(book, order.symbol, market)
        deal = self._deal(book, order, volume, market, created, rate, commission)
        deal.closed_part = part
        position.updated = now
        self._margin.renew(book, position)
        return deal

    # Private

    def _settle(
        self, book: AccountBook, position: Position, volume: int, market: int, now: int
    ) -> tuple[ClosedPart, int]:
        """Return what the closing of a volume settled, and the commission of the fill itself."""
        symbol = position.symbol
        swap = round_half_away(Fraction(position.swap * volume, position.volume))
        position.swap -= swap
        taken = _take_oldest(position, volume)
        charged = sum(each.commission for each in taken)
        closing = -self._valuation.commission(book, symbol, volume, market)
        rate = self._valuation.quote_to_deposit(book, symbol)
        gross = self._valuation.gross(book, position, taken, market, rate)
        fee = conversion_fee_of(symbol, gross, book.deposit_asset)
        book.book(gross + swap + charged + closing + fee, now)
        book.last_closing = now
        part = ClosedPart(
            entry_price=Fraction(sum(each.volume * each.price for each in taken), volume),
            gross=gross,
            swap=swap,
            commission=charged + closing,
            balance=book.balance,
            quote_to_deposit=rate,
            volume=volume,
            balance_version=book.balance_version,
            conversion_fee=fee,
        )
        return part, closing

    def _deal(
        self,
        book: AccountBook,
        order: Order,
        volume: int,
        market: int,
        created: int,
        rate: Fraction,
        commission: int,
    ) -> Deal:
        deal = self._blotter.new_deal(
            order,
            volume,
            market,
            created=created,
            margin_rate=rate,
            commission=commission,
            base_to_usd=self._valuation.base_to_usd(order.symbol, market),
        )
        book.deals.append(deal)
        return deal


def _take_oldest(position: Position, volume: int) -> list[Entry]:
    """Take a volume out of a position's entries, each with its share of the commission."""
    taken: list[Entry] = []
    left = volume
    for entry in position.entries:
        part = min(left, entry.volume)
        if not part:
            break
        share = round_half_away(Fraction(entry.commission * part, entry.volume))
        taken.append(Entry(part, entry.price, share, entry.margin_rate))
        entry.volume -= part
        entry.commission -= share
        left -= part
    position.entries = [entry for entry in position.entries if entry.volume]
    return taken
