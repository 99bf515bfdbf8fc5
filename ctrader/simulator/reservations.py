"""The money that orders under way will need, before their positions bind it."""

from __future__ import annotations

from dataclasses import dataclass

from ctrader.simulator.book import AccountBook, Order

__all__ = ["Reservations"]


@dataclass(slots=True)
class _Reservation:
    order: Order
    amount: int
    """For the whole order, in the smallest unit of the deposit currency."""
    exposure: int
    """Volume that it opens, in cents of a unit."""


class Reservations:
    """What accepted orders of all accounts still have to open."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: dict[int, dict[int, _Reservation]] = {}

    def keep(self, book: AccountBook, order: Order, amount: int, exposure: int) -> None:
        """Set money aside for an order that is to be filled."""
        account = self._kept.setdefault(book.spec.account_id, {})
        account[order.order_id] = _Reservation(order, amount, exposure)

    def has(self, book: AccountBook, order: Order) -> bool:
        """Tell whether money was set aside for an order."""
        return order.order_id in self._kept.get(book.spec.account_id, {})

    def release(self, book: AccountBook, order: Order) -> None:
        """Give back what is still set aside for an order, if anything is."""
        self._kept.get(book.spec.account_id, {}).pop(order.order_id, None)

    def amount(self, book: AccountBook) -> int:
        """Return what an account has set aside: as much as is still unfilled."""
        return sum(
            _share(each.amount, each.order)
            for each in self._kept.get(book.spec.account_id, {}).values()
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
