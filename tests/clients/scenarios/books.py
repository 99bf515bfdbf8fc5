"""The simulator's own books and what clients were told, in the same words, so that they compare."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ctrader.simulator.ledger import ledger_of
from ctrader.units import millis_from_datetime

if TYPE_CHECKING:
    from datetime import datetime

    from ctrader.models.deals import Deal
    from ctrader.models.orders import Order
    from ctrader.models.positions import Position
    from ctrader.simulator import Simulator

__all__ = [
    "Facts",
    "account_books",
    "booked_deals",
    "booked_orders",
    "booked_positions",
    "points",
    "told_deals",
    "told_orders",
    "told_positions",
    "wire_money",
]

Facts: TypeAlias = dict[str, Any]
"""What is known of one deal, order, position or account, in the wire's units."""

_PRICE_UNITS = 100_000


def account_books(simulator: Simulator, account_id: int) -> Facts:
    """Return the ledger of one account as it is now."""
    with simulator.locked() as exchange:
        ledger = ledger_of(exchange)
    accounts = cast("list[Facts]", ledger["accounts"])  # as the ledger documents it
    return next(each for each in accounts if each["terms"]["account_id"] == account_id)


def points(price: float | None) -> Fraction | None:
    """Return a price that was told in the wire's units, exact where it is on their grid."""
    return None if price is None else _rounded(Fraction(price) * _PRICE_UNITS)


def wire_money(amount: Decimal, digits: int = 2) -> int:
    """Return an amount in the smallest unit of its currency; it must be a whole number of them."""
    scaled = amount.scaleb(digits)
    assert scaled == int(scaled), f"{amount} has more than {digits} decimals"
    return int(scaled)


# Deals


def booked_deals(books: Facts) -> list[Facts]:
    """Return what the books hold of the deals, oldest first."""
    return [_booked_deal(row) for row in books["deals"]]


def told_deals(deals: list[Deal]) -> list[Facts]:
    """Return what a client was told of some deals."""
    return [_told_deal(deal) for deal in deals]


def _booked_deal(row: Facts) -> Facts:
    part = row["closed_part"]
    return {
        **_of(row, "deal_id", "order_id", "position_id", "volume", "filled_volume", "commission"),
        "symbol_id": row["symbol"],
        "side": row["side"],
        "status": row["status"],
        "price": row["price"] if row["filled_volume"] else None,
        "executed": row["executed"],
        "margin_rate": _rate(row["margin_rate"]),
        "base_to_usd": _rate(row["base_to_usd"]),
        "closed": part
        and {
            **_of(part, "gross", "swap", "commission", "balance", "conversion_fee", "volume"),
            "balance_version": part["balance_version"],
            "entry": _rounded(Fraction(part["entry_price"])),
            "rate": _rate(part["quote_to_deposit"]),
        },
    }


def _told_deal(deal: Deal) -> Facts:
    detail, digits = deal.close_detail, 2 if deal.money_digits is None else deal.money_digits
    return {
        "deal_id": deal.deal_id,
        "order_id": deal.order_id,
        "position_id": deal.position_id,
        "volume": deal.volume,
        "filled_volume": deal.filled_volume,
        "commission": wire_money(deal.commission, digits),
        "symbol_id": deal.symbol_id,
        "side": deal.side,
        "status": deal.status,
        "price": points(deal.execution_price),
        "executed": _millis(deal.execution_timestamp),
        "margin_rate": _rate(deal.margin_rate),
        "base_to_usd": _rate(deal.base_to_usd_rate),
        "closed": None
        if detail is None
        else {
            "gross": wire_money(detail.gross_profit, digits),
            "swap": wire_money(detail.swap, digits),
            "commission": wire_money(detail.commission, digits),
            "balance": wire_money(detail.balance, digits),
            "conversion_fee": wire_money(detail.pnl_conversion_fee, digits),
            "volume": detail.closed_volume,
            "balance_version": detail.balance_version,
            "entry": points(detail.entry_price),
            "rate": _rate(detail.quote_to_deposit_rate),
        },
    }


# Orders


def booked_orders(books: Facts) -> list[Facts]:
    """Return what the books hold of the orders of any state, oldest first."""
    return [
        {
            **_of(row, "order_id", "position_id", "volume", "executed_volume", "stop_out"),
            "symbol_id": row["symbol"],
            "side": row["side"],
            "type": row["order_type"],
            "status": row["status"],
            "time_in_force": row["time_in_force"],
            "is_closing": row["closing"],
            "limit": row["limit_price"],
            "stop": row["stop_price"],
            "price": _rounded(row["execution_price"] and Fraction(row["execution_price"])),
            "slippage": row["slippage_points"],
            "base_price": row["base_slippage_price"],
            "expires": row["expiration"],
            "client_order_id": row["client_order_id"] or "",
            "label": row["label"] or "",
            "comment": row["comment"] or "",
            "updated": row["updated"],
        }
        for row in books["orders"]
    ]


def told_orders(orders: list[Order]) -> list[Facts]:
    """Return what a client was told of some orders."""
    return [
        {
            "order_id": order.order_id,
            "position_id": order.position_id,
            "volume": order.volume,
            "executed_volume": order.executed_volume,
            "stop_out": order.is_stop_out,
            "symbol_id": order.symbol_id,
            "side": order.side,
            "type": order.order_type,
            "status": order.status,
            "time_in_force": order.time_in_force,
            "is_closing": order.is_closing_order,
            "limit": points(order.limit_price),
            "stop": points(order.stop_price),
            "price": points(order.execution_price),
            "slippage": order.slippage_in_points,
            "base_price": points(order.base_slippage_price),
            "expires": _millis(order.expiration_timestamp),
            "client_order_id": order.client_order_id,
            "label": order.label,
            "comment": order.comment,
            "updated": _millis(order.last_update_timestamp),
        }
        for order in orders
    ]


# Positions


def booked_positions(books: Facts) -> list[Facts]:
    """Return what the books hold of the open positions, oldest first."""
    return [
        {
            **_of(row, "position_id", "volume", "swap", "commission", "used_margin", "status"),
            "symbol_id": row["symbol"],
            "side": row["side"],
            "price": _rounded(Fraction(row["price"])),
            "margin_rate": _rate(row["margin_rate"]),
            "stop_loss": row["stop_loss"],
            "take_profit": row["take_profit"],
            "trailing": bool(row["trailing"]),
            "guaranteed": row["guaranteed"],
            "opened": row["opened"],
            "label": row["label"] or "",
            "comment": row["comment"] or "",
        }
        for row in books["positions"]
        if row["volume"]
    ]


def told_positions(positions: list[Position]) -> list[Facts]:
    """Return what a client was told of some positions."""
    return [
        {
            "position_id": position.position_id,
            "volume": position.volume,
            "swap": wire_money(position.swap, position.money_digits),
            "commission": wire_money(position.commission, position.money_digits),
            "used_margin": wire_money(position.used_margin, position.money_digits),
            "status": position.status,
            "symbol_id": position.symbol_id,
            "side": position.side,
            "price": points(position.entry_price),
            "margin_rate": _rate(position.margin_rate),
            "stop_loss": points(position.stop_loss),
            "take_profit": points(position.take_profit),
            "trailing": position.trailing_stop_loss,
            "guaranteed": position.guaranteed_stop_loss,
            "opened": _millis(position.open_timestamp),
            "label": position.label,
            "comment": position.comment,
        }
        for position in positions
    ]


# Private


def _of(row: Facts, *names: str) -> Facts:
    return {name: row[name] for name in names}


def _rounded(units: Fraction | None) -> Fraction | None:
    """Leave out what a float cannot carry of an average price: all below 10 to the minus 6."""
    return None if units is None else round(units, 6)


def _rate(rate: str | Decimal | None) -> Decimal | None:
    return None if rate is None else Decimal(f"{float(Fraction(rate)):.12g}")


def _millis(moment: datetime | None) -> int | None:
    return None if moment is None else millis_from_datetime(moment)
