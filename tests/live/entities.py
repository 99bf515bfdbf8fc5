"""Positions, orders, accounts and events as tests of the live state need them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from ctrader.enums import (
    AccessRights,
    AccountType,
    DealStatus,
    ExecutionType,
    OrderSide,
    OrderStatus,
    OrderType,
    PositionStatus,
    TimeInForce,
)
from ctrader.events import ExecutionEvent
from ctrader.models.accounts import Account
from ctrader.models.deals import CloseDetail, Deal
from ctrader.models.orders import Order
from ctrader.models.positions import Position
from ctrader.models.symbols import SymbolInfo
from ctrader.units import datetime_from_millis

ACCOUNT: Final = 31
EUR, USD, JPY, CHF, GBP = 1, 2, 3, 4, 5
EURUSD: Final = SymbolInfo(
    symbol_id=1, name="EURUSD", enabled=True, base_asset_id=EUR, quote_asset_id=USD
)
USDJPY: Final = SymbolInfo(
    symbol_id=4, name="USDJPY", enabled=True, base_asset_id=USD, quote_asset_id=JPY
)
EURJPY: Final = SymbolInfo(
    symbol_id=3, name="EURJPY", enabled=True, base_asset_id=EUR, quote_asset_id=JPY
)
USDCHF: Final = SymbolInfo(
    symbol_id=6, name="USDCHF", enabled=True, base_asset_id=USD, quote_asset_id=CHF
)


def at(millis: int) -> datetime:
    """Return a moment, so many milliseconds after a certain one."""
    return datetime_from_millis(1_700_000_000_000 + millis)


def account(**terms: Any) -> Account:
    """Return an account in euros."""
    known: dict[str, Any] = {
        "account_id": ACCOUNT,
        "trader_login": 1,
        "balance": Decimal("1000.00"),
        "balance_version": 1,
        "leverage_in_cents": 10_000,
        "account_type": AccountType.HEDGED,
        "access_rights": AccessRights.FULL_ACCESS,
        "broker_name": "",
        "deposit_asset_id": EUR,
        "swap_free": False,
        "is_limited_risk": False,
    }
    return Account(**{**known, **terms})


def position(position_id: int = 5, update: int | None = 0, **terms: Any) -> Position:
    """Return a long position of 1,000 EURUSD."""
    known: dict[str, Any] = {
        "position_id": position_id,
        "symbol_id": 1,
        "side": OrderSide.BUY,
        "volume": 100_000,
        "entry_price": 1.1,
        "status": PositionStatus.OPEN,
        "open_timestamp": at(0),
        "money_digits": 2,
        "used_margin": Decimal("10.00"),
        "last_update_timestamp": None if update is None else at(update),
    }
    return Position(**{**known, **terms})


def closed(position_id: int = 5, update: int = 0, **terms: Any) -> Position:
    """Return a position that holds nothing any more."""
    known: dict[str, Any] = {"volume": 0, "status": PositionStatus.CLOSED, "used_margin": 0}
    return position(position_id, update, **{**known, **terms})


def order(order_id: int = 7, update: int | None = 0, **terms: Any) -> Order:
    """Return a limit order that waits."""
    known: dict[str, Any] = {
        "order_id": order_id,
        "symbol_id": 1,
        "side": OrderSide.BUY,
        "order_type": OrderType.LIMIT,
        "status": OrderStatus.ACCEPTED,
        "volume": 100_000,
        "time_in_force": TimeInForce.GOOD_TILL_CANCEL,
        "open_timestamp": at(0),
        "last_update_timestamp": None if update is None else at(update),
    }
    return Order(**{**known, **terms})


def deal(deal_id: int = 9, *, balance: str = "", version: int | None = None) -> Deal:
    """Return a fill; with a balance it is one that closed something."""
    detail = None
    if balance:
        detail = CloseDetail(
            entry_price=1.1,
            closed_volume=100_000,
            gross_profit=Decimal(0),
            swap=Decimal(0),
            commission=Decimal(0),
            balance=Decimal(balance),
            balance_version=version,
        )
    return Deal(
        deal_id=deal_id,
        order_id=8,
        position_id=5,
        symbol_id=1,
        side=OrderSide.SELL if balance else OrderSide.BUY,
        volume=100_000,
        filled_volume=100_000,
        execution_price=1.1,
        execution_timestamp=at(deal_id),
        status=DealStatus.FILLED,
        commission=Decimal(0),
        close_detail=detail,
    )


def execution(
    kind: ExecutionType = ExecutionType.ORDER_FILLED, account_id: int = ACCOUNT, **parts: Any
) -> ExecutionEvent:
    """Return an execution event with some parts."""
    return ExecutionEvent(account_id, kind, **parts)
