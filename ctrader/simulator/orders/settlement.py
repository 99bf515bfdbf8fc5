"""Books fills: into the entries of a position, or out of them and to the balance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from ctrader.proto import ProtoOAPositionStatus
from ctrader.simulator.accounts.margin import Margin
from ctrader.simulator.accounts.money import check_tellable
from ctrader.simulator.accounts.valuation import Valuation
from ctrader.simulator.book import (
    AccountBook,
    ClosedPart,
    Deal,
    Entry,
    Offset,
    Order,
    Position,
    better_stop,
)
from ctrader.simulator.orders.blotter import Blotter
from ctrader.simulator.orders.surroundings import Surroundings

__all__ = ["Settlement"]


@dataclass(frozen=True, slots=True)
class _Rates:
    """What converts the money of one fill."""

    base_to_deposit: Fraction
    quote_to_deposit: Fraction
    base_to_usd: Fraction
    commission: int
    """Of the fill itself, positive."""


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
            book: The account.
            order: What is filled.
            position: Where the volume goes.
            volume: How much is filled.
            market: Price of the fill.
            created: When the deal began, milliseconds UTC.

        Raises:
            Refusal: there is no price to reckon with, and nothing happened.
        """
        now = self._outside.market_now()
        rates = self._rates(book, order, volume, market)
        # All that can fail comes before the first change.
        needed = self._margin.needed(book, order.symbol, order.side, volume, rates.base_to_deposit)
        check_tellable(
            needed + position.used_margin, rates.commission, position.commission - rates.commission
        )
        deal = self._deal(book, order, volume, market, created, rates)
        if order.guaranteed and not order.protected:
            stop = better_stop(position.side, order.stop_from(market), position.promised_stop)
            position.promised_stop = stop  # its margin may follow from that at once
        position.entries.append(
            Entry(volume, market, -rates.commission, rates.base_to_deposit, deal.deal_id)
        )
        position.status = int(ProtoOAPositionStatus.POSITION_STATUS_OPEN)
        position.updated = now
        position.opened = now if position.opened is None else position.opened
        self._margin.renew(book, position)
        return deal

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
            book: The account.
            order: What is filled.
            position: Where the volume comes from.
            volume: How much is filled.
            market: Price of the fill.
            created: When the deal began, milliseconds UTC.

        Raises:
            Refusal: there is no price to reckon with, or it brings more than a message can tell,
                and nothing happened.
        """
        now = self._outside.market_now()
        rates = self._rates(book, order, volume, market)
        self._check_result(book, position, volume, market, rates)
        deal = self._deal(book, order, volume, market, created, rates)
        deal.closed_part = self._settle(book, position, deal, rates, now)
        position.updated = now
        self._margin.renew(book, position)
        return deal

    def leave_unfilled(self, book: AccountBook, order: Order, status: int, created: int) -> Deal:
        """Enter the deal of an order that found nothing, with the status that says why.

        Args:
            book: The account.
            order: What was not filled.
            status: The deal's, as the protocol numbers it.
            created: When the deal began, milliseconds UTC.
        """
        deal = self._blotter.empty_deal(order, status, created=created)
        book.deals.append(deal)
        return deal

    # Private

    def _rates(self, book: AccountBook, order: Order, volume: int, market: int) -> _Rates:
        """Return all that converts money in a fill, so that nothing is changed if one is missing.

        Raises:
            Refusal: there is no price to convert with.
        """
        symbol = order.symbol
        return _Rates(
            base_to_deposit=self._valuation.base_to_deposit(book, symbol, market),
            quote_to_deposit=self._valuation.quote_to_deposit(book, symbol),
            base_to_usd=self._valuation.base_to_usd(symbol, market),
            commission=self._valuation.commission(book, symbol, volume, market),
        )

    def _check_result(
        self, book: AccountBook, position: Position, volume: int, market: int, rates: _Rates
    ) -> None:
        """Refuse to close a volume whose result cannot be told.

        Raises:
            Refusal: an amount of the deal, or the balance after it, does not fit into a message.
        """
        parts = _oldest(position, volume, self._valuation.rounded)
        swap = self._valuation.rounded(Fraction(position.swap * volume, position.volume))
        commission = sum(each.commission for each in parts) - rates.commission
        gross = self._valuation.gross(book, position, parts, market, rates.quote_to_deposit)
        fee = self._valuation.conversion_fee(book, position.symbol, gross)
        balance = book.balance + gross + swap + commission + fee
        check_tellable(rates.commission, commission, gross, fee, balance)

    def _settle(
        self, book: AccountBook, position: Position, deal: Deal, rates: _Rates, now: int
    ) -> ClosedPart:
        """Book what the closing of a deal's volume settled, and return it."""
        volume, market = deal.filled_volume, deal.price
        swap = self._valuation.rounded(Fraction(position.swap * volume, position.volume))
        position.swap -= swap
        taken = _take_oldest(position, volume, self._valuation.rounded)
        book.offsets.extend(Offset(each.deal_id, deal.deal_id, each.volume) for each in taken)
        commission = sum(each.commission for each in taken) - rates.commission
        gross = self._valuation.gross(book, position, taken, market, rates.quote_to_deposit)
        fee = self._valuation.conversion_fee(book, position.symbol, gross)
        book.book(gross + swap + commission + fee, now, deal_id=deal.deal_id)
        book.last_closing = now
        return ClosedPart(
            entry_price=Fraction(sum(each.volume * each.price for each in taken), volume),
            gross=gross,
            swap=swap,
            commission=commission,
            balance=book.balance,
            quote_to_deposit=rates.quote_to_deposit,
            volume=volume,
            balance_version=book.balance_version,
            conversion_fee=fee,
        )

    def _deal(
        self,
        book: AccountBook,
        order: Order,
        volume: int,
        market: int,
        created: int,
        rates: _Rates,
    ) -> Deal:
        deal = self._blotter.new_deal(
            order,
            volume,
            market,
            created=created,
            margin_rate=rates.base_to_deposit,
            commission=-rates.commission,
            base_to_usd=rates.base_to_usd,
        )
        book.deals.append(deal)
        return deal


def _oldest(position: Position, volume: int, rounded: Callable[[Fraction], int]) -> list[Entry]:
    """Return a volume of a position's oldest entries, each with its share of the commission."""
    found: list[Entry] = []
    left = volume
    for entry in position.entries:
        part = min(left, entry.volume)
        if not part:
            break
        share = rounded(Fraction(entry.commission * part, entry.volume))
        found.append(Entry(part, entry.price, share, entry.margin_rate, entry.deal_id))
        left -= part
    return found


def _take_oldest(
    position: Position, volume: int, rounded: Callable[[Fraction], int]
) -> list[Entry]:
    """Take a volume out of a position's oldest entries."""
    taken = _oldest(position, volume, rounded)
    for entry, part in zip(position.entries, taken, strict=False):
        entry.volume -= part.volume
        entry.commission -= part.commission
    position.entries = [entry for entry in position.entries if entry.volume]
    return taken
