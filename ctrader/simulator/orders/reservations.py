"""The money that orders under way will need, before their positions bind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ctrader.simulator.book import AccountBook, Order

__all__ = ["Need", "Reservations"]


class Need(NamedTuple):
    """What an account must have for a volume, in the smallest unit of its currency."""

    amount: int
    """Taken from the free margin."""
    margin: int
    """Bound on the side of the order, whatever the other side makes up for."""


@dataclass(slots=True)
class _Reservation:
    order: Order
    need: Need
    """Of the whole order."""
    exposure: int
    """Volume that it opens, in cents of a unit."""


class Reservations:
    """What accepted orders of all accounts still have to open."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: dict[int, dict[int, _Reservation]] = {}

    def keep(self, book: AccountBook, order: Order, need: Need, exposure: int) -> None:
        """Set money aside for an order that is to be filled."""
        account = self._kept.setdefault(book.spec.account_id, {})
        account[order.order_id] = _Reservation(order, need, exposure)

    def has(self, book: AccountBook, order: Order) -> bool:
        """Tell whether money was set aside for an order."""
        return order.order_id in self._kept.get(book.spec.account_id, {})

    def release(self, book: AccountBook, order: Order) -> None:
        """Give back what is still set aside for an order, if anything is."""
        self._kept.get(book.spec.account_id, {}).pop(order.order_id, None)

    def amount(self, book: AccountBook) -> int:
        """Return what an account has set aside: as much as is still unfilled."""
        return sum(
            _share(each.need.amount, each.order)
            for each in self._kept.get(book.spec.account_id, {}).values()
        )

    def margin(self, book: AccountBook, symbol_id: int, side: int) -> int:
        """Return the margin that orders of an account will bind on a side of a symbol."""
        return sum(
            _share(each.need.margin, each.order)
            for each in self._kept.get(book.spec.account_id, {}).values()
            if each.order.symbol.symbol_id == symbol_id and each.order.side == side
        )

    def exposure(self, book: AccountBook, symbol_id: int, side: int) -> int:
        """Return the volume that orders of an account still open on a side of a symbol."""
        return sum(
            _share(each.exposure, each.order)
            for each in self._kept.get(book.spec.account_id, {}).values()
            if each.order.symbol.symbol_id == symbol_id and each.order.side == side
        )


def _share(whole: int, order: Order) -> int:
    return -(-whole * order.remaining // order.volume)
