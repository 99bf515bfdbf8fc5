"""Guaranteed stop losses: who must have one, and that it never gets worse."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final, TypeAlias

from ctrader.proto import ProtoOAChangeBalanceType
from ctrader.simulator.accounts.valuation import Valuation
from ctrader.simulator.book import AccountBook, Position
from ctrader.simulator.catalogue import SymbolSpec
from ctrader.simulator.refusals import OrderRefusal
from ctrader.simulator.switches import Switches

__all__ = ["Charge", "Guarantees"]

Charge: TypeAlias = Callable[[AccountBook, int, int, str], None]
"""Takes an amount from a balance: the account, the amount (positive, in the smallest unit of the
deposit currency), what it is for as the protocol numbers it, and a note."""

_CHARGE_UNITS: Final = 100_000_000  # a symbol's charge is kept times 10^8


class Guarantees:
    """The rules and the price of guaranteed stop losses."""

    def __init__(self, switches: Switches, valuation: Valuation, *, charge: Charge) -> None:
        """Take who values a charge, and who books it."""
        self._switches = switches
        self._valuation = valuation
        self._charge = charge

    def check(
        self,
        book: AccountBook,
        symbol: SymbolSpec,
        *,
        is_guaranteed: bool,
        has_stop: bool,
        position_id: int | None = None,
        order_id: int | None = None,
    ) -> None:
        """Refuse a guarantee that cannot be given, and its lack where it must be there.

        Raises:
            Refusal: the symbol has none, there is no stop loss to hold for, or the account may
                not trade without.
        """
        words: str | None = None
        if is_guaranteed and not symbol.guaranteed_stops:
            words = f"Guaranteed stop loss is not available for {symbol.name}"
        elif is_guaranteed and not has_stop:
            words = "Guaranteed stop loss needs a stop loss"
        elif not is_guaranteed and book.spec.is_limited_risk:
            words = "Guaranteed stop loss is required for limited risk accounts"
        if words is not None:
            raise OrderRefusal("INVALID_REQUEST", words, order_id=order_id, position_id=position_id)

    @staticmethod
    def check_not_worse(position: Position, stop: int | None, *, is_guaranteed: bool) -> None:
        """Refuse to take a guarantee away, or to move its level away from the market.

        Raises:
            Refusal: that would happen.
        """
        held = position.guaranteed_stop
        if held is None:
            return
        direction = 1 if position.is_buy else -1
        if stop is None or not is_guaranteed or stop * direction < held * direction:
            raise OrderRefusal(
                "WORSE_GSL_NOT_ALLOWED",
                f"Guaranteed stop loss of position {position.position_id} cannot be worsened",
                position_id=position.position_id,
            )

    def settle_placing(self, book: AccountBook, position: Position) -> None:
        """Charge for what a guarantee covers now and did not before."""
        uncharged = position.volume - position.charged_volume
        if not position.guaranteed or position.stop_loss is None or uncharged <= 0:
            return
        position.charged_volume = position.volume
        if self._switches.guaranteed_charge_at == "placing":
            self._take(book, position, uncharged)

    def settle_hit(self, book: AccountBook, position: Position, volume: int) -> None:
        """Charge for a volume that a guarantee has closed."""
        if self._switches.guaranteed_charge_at == "hit":
            self._take(book, position, volume)

    # Private

    def _take(self, book: AccountBook, position: Position, volume: int) -> None:
        symbol = position.symbol
        if not symbol.guaranteed_charge:
            return
        rate = self._valuation.quote_to_deposit(book, symbol)
        amount = Fraction(volume * symbol.guaranteed_charge, 100 * _CHARGE_UNITS) * rate
        booked = self._valuation.rounded(amount * 10**book.spec.money_digits)
        if booked:
            self._charge(
                book,
                booked,
                int(ProtoOAChangeBalanceType.BALANCE_WITHDRAW_GSL_CHARGE),
                f"Guaranteed stop loss of position {position.position_id}",
            )
