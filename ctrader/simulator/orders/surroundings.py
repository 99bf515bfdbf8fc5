"""What the trading floor needs of the exchange around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from ctrader.simulator.catalogue import SymbolSpec
from ctrader.simulator.market.ladder import Ladder
from ctrader.simulator.market.prices import Quote
from ctrader.simulator.refusals import OrderRefusal

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["Surroundings", "need_quote"]


class Surroundings(Protocol):
    """Time, prices and the connections, as the floor sees them."""

    @property
    def symbols(self) -> Mapping[int, SymbolSpec]:
        """The symbols by id, on their present terms."""
        ...

    def market_now(self) -> int:
        """Return the present instant of the market, milliseconds UTC."""
        ...

    def quote(self, symbol_id: int) -> Quote | None:
        """Return both sides of a symbol as they are now."""
        ...

    def is_open(self, symbol: SymbolSpec) -> bool:
        """Tell whether a symbol trades now."""
        ...

    def is_holiday(self, symbol: SymbolSpec) -> bool:
        """Tell whether a symbol is closed now because of a holiday."""
        ...

    def ladder(self, symbol_id: int) -> Ladder | None:
        """Return what may be traded now at which prices, None where there is no price."""
        ...

    def after(self, delay: float, action: Callable[[], None]) -> None:
        """Do something when some seconds have passed."""
        ...

    def at(self, instant: int, action: Callable[[], None]) -> None:
        """Do something at an instant of the market."""
        ...

    def publish(self, account_id: int, message: Message, origin: str | None) -> None:
        """Send an event to every connection on which the account is authorised."""
        ...

    def watch(self, symbol_id: int) -> None:
        """Ask for the ticks of a symbol."""
        ...

    def unwatch(self, symbol_id: int) -> None:
        """Let go of a symbol's ticks once."""
        ...


def need_quote(surroundings: Surroundings, symbol: SymbolSpec) -> Quote:
    """Return both sides of a symbol as they are now.

    Raises:
        Refusal: there is no price of it.
    """
    quote = surroundings.quote(symbol.symbol_id)
    if quote is None:
        raise OrderRefusal("NO_QUOTES", f"There is no price of {symbol.name}")
    return quote
