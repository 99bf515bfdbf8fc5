"""The broker's books as plain JSON values, to check what clients were told.

It is a second way to the truth: nothing here goes through a message of the protocol, so what a
client received can be compared with what the broker holds.
"""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias, cast

from ctrader.simulator.book import AccountBook, Order, Position
from ctrader.simulator.catalogue import SymbolSpec
from ctrader.simulator.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import DataclassInstance

__all__ = ["Json", "ledger_of"]

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
"""What a JSON document may hold."""


def ledger_of(exchange: Exchange) -> dict[str, Json]:
    """Return everything that the accounts' books hold now.

    Numbers are the books' own: volumes in hundredths of a unit, prices in 1/100000, money in the
    smallest unit of the deposit currency, instants in milliseconds UTC, enums as the protocol
    numbers them. Fractions and decimals are texts ("9/7", "2400.00"), symbols their ids. It holds
    no secrets: no tokens, and nothing of the programs.

    Returns: `market_time`; `symbols`, all terms of each; and `accounts`, each with its `terms`,
        balance, positions, orders, deals, offsets and journal. Positions and orders say what the
        books derive as well: volume, price, commission and margin rate of a position, whether an
        order is `working`.
    """
    return {
        "market_time": exchange.market_now(),
        "symbols": [_record(symbol) for symbol in exchange.symbols.values()],
        "accounts": [_account(book) for book in exchange.books.values()],
    }


# Private


def _account(book: AccountBook) -> Json:
    return {
        "terms": _record(book.spec),
        "deposit_asset": book.deposit_asset,
        "opened": book.opened,
        "balance": book.balance,
        "balance_version": book.balance_version,
        "manager_bonus": book.manager_bonus,
        "ib_bonus": book.ib_bonus,
        "non_withdrawable_bonus": book.non_withdrawable_bonus,
        "last_closing": book.last_closing,
        "last_booking": book.last_booking,
        "positions": [_position(position) for position in book.positions.values()],
        "orders": [_order(book, order) for order in book.orders.values()],
        "deals": _plain(book.deals),
        "offsets": _plain(book.offsets),
        "journal": _plain(book.journal),
    }


def _position(position: Position) -> Json:
    return {
        **_record(position),
        "volume": position.volume,
        "price": str(position.price),
        "commission": position.commission,
        "margin_rate": str(position.margin_rate),
    }


def _order(book: AccountBook, order: Order) -> Json:
    return {**_record(order), "working": order.order_id in book.working}


def _record(value: DataclassInstance) -> dict[str, Json]:
    """Return the fields of a record by name."""
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}


def _plain(value: object) -> Json:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (Fraction, Decimal)):
        return str(value)
    if isinstance(value, SymbolSpec):
        return value.symbol_id
    if isinstance(value, (list, tuple)):
        # What is inside is looked at one by one.
        return [_plain(each) for each in cast("Sequence[object]", value)]
    return _record(cast("DataclassInstance", value))  # the books hold nothing else
