"""Whether the terms of a symbol or an account can be traded on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from google.protobuf.message import EncodeError

from ctrader.simulator.book import AccountBook
from ctrader.simulator.checked import check_integer, check_types
from ctrader.simulator.market.calendar import hours_of, zone_offset
from ctrader.simulator.messages.account import trader_message
from ctrader.simulator.messages.catalogue import light_symbol_message, symbol_message

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.simulator.catalogue import AccountSpec, Catalogue, SymbolSpec

__all__ = ["check_account", "check_symbol"]

_COSTS: Final = (
    "commission_rate",
    "min_commission",
    "rollover_commission",
    "conversion_fee_rate",
    "guaranteed_charge",
)
"""Terms of a symbol that say what the client pays; swaps alone may bring something."""
_DOLLAR: Final = 100_000_000  # of a rollover commission


def check_symbol(symbol: SymbolSpec, catalogue: Catalogue) -> None:
    """Check the terms of a symbol.

    Raises:
        ValueError: nobody could trade on them.
    """
    check_types(symbol)
    for name in ("lot_size", "min_volume", "max_volume", "step_volume"):
        check_integer(name, getattr(symbol, name), 1)
    for name in ("spread", "swap_period", "skip_swap_periods", "skip_rollover_days"):
        check_integer(name, getattr(symbol, name))
    for name in _COSTS:
        cost: int = getattr(symbol, name)
        if cost < 0:
            raise ValueError(
                f"{name} must not be negative, not {cost}. It is what the client pays: "
                f"give {-cost} for a cost of that size, or 0 for none"
            )
    if symbol.rollover_commission % _DOLLAR:
        raise ValueError(
            f"rollover_commission must be whole dollars, which is all that the wire can tell: a "
            f"multiple of {_DOLLAR}, not {symbol.rollover_commission}"
        )
    if symbol.min_volume > symbol.max_volume:
        raise ValueError(
            f"min_volume {symbol.min_volume} must not lie over max_volume {symbol.max_volume}"
        )
    if symbol.price <= 0 or symbol.volatility < 0:
        raise ValueError(
            f"price and volatility must be positive, not {symbol.price} and {symbol.volatility}"
        )
    if symbol.leverage_id not in {each.leverage_id for each in catalogue.leverages}:
        raise ValueError(f"leverage_id must be one of the catalogue's, not {symbol.leverage_id}")
    if symbol.min_commission_asset not in {each.name for each in catalogue.assets}:
        raise ValueError(
            "min_commission_asset must be an asset of the catalogue, "
            f"not {symbol.min_commission_asset!r}"
        )
    _check_hours(symbol)
    _try(lambda: symbol_message(symbol, unknown_fields=False))
    _try(lambda: light_symbol_message(symbol, 0))


def check_account(spec: AccountSpec) -> None:
    """Check the terms of an account.

    Raises:
        ValueError: no account can have them.
    """
    check_types(spec)
    check_integer("leverage", spec.leverage, 1)
    for name in ("stop_out_level", "max_positions"):
        check_integer(name, getattr(spec, name))
    balance = spec.balance.scaleb(spec.money_digits)
    if balance != balance.to_integral_value():
        raise ValueError(
            f"balance must have {spec.money_digits} decimals at most, not {spec.balance}"
        )
    if min(spec.margin_call_levels) < 0:
        raise ValueError(f"margin_call_levels must not be negative, not {spec.margin_call_levels}")
    _try(lambda: trader_message(AccountBook(spec, 1, 0), unknown_fields=False))


# Private


def _check_hours(symbol: SymbolSpec) -> None:
    for start, end in symbol.schedule:
        if start < 0 or end < 0:
            raise ValueError(f"schedule must be seconds from Sunday on, not {symbol.schedule}")
    for zone in (symbol.schedule_zone, *(each.zone for each in symbol.holidays)):
        try:
            zone_offset(zone, 0)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError(f"{zone!r} is no time zone that this machine knows") from error
    for holiday in symbol.holidays:
        check_types(holiday)
    hours_of(symbol).is_open(0)


def _try(make: Callable[[], Message]) -> None:
    """Find out whether values can stand in their message.

    Raises:
        ValueError: they cannot.
    """
    try:
        make().SerializeToString()
    except (TypeError, OverflowError, ValueError, EncodeError) as error:
        raise ValueError(f"a term cannot be told to clients: {error}") from error
