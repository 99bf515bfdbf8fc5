"""The strategy of the breakout bots, without any client: prices in, orders out.

Whoever keeps the decisions of a bot apart from its client can test them without a server, and
use them from the blocking and the async client alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ctrader import (
    ExecutionEvent,
    ExecutionType,
    NewOrderRequest,
    OrderSide,
    Position,
    PositionStatus,
    Quote,
    Symbol,
    Trendbar,
)

LABEL: Final = "breakout"
"""Tells the bot's positions from everything else on the account."""


@dataclass(frozen=True)
class Breakout:
    """Follow the price when it leaves the range of the last bars."""

    symbol: Symbol
    low: float
    high: float
    lots: float = 0.01
    stop_pips: float = 10
    target_pips: float = 15

    @classmethod
    def from_bars(cls, symbol: Symbol, bars: Sequence[Trendbar], *, lots: float = 0.01) -> Breakout:
        """Take the range from some bars.

        Raises:
            ValueError: there are no bars to take it from.
        """
        if not bars:
            raise ValueError(f"no bars of symbol {symbol.symbol_id} to take a range from")
        low, high = min(bar.low for bar in bars), max(bar.high for bar in bars)
        return cls(symbol, low, high, lots)

    def signal(self, quote: Quote) -> OrderSide | None:
        """Say which way the price broke out, None while it is inside the range."""
        if quote.ask > self.high:
            return OrderSide.BUY
        if quote.bid < self.low:
            return OrderSide.SELL
        return None

    def order(self, side: OrderSide) -> NewOrderRequest:
        """Make the order that follows a breakout; it is protected from its fill on."""
        return NewOrderRequest(
            symbol_id=self.symbol.symbol_id,
            side=side,
            volume=self.symbol.lots_to_volume(self.lots),
            relative_stop_loss=self.symbol.pips_to_price(self.stop_pips),
            relative_take_profit=self.symbol.pips_to_price(self.target_pips),
            label=LABEL,
        )


def own_position(positions: Sequence[Position], symbol: Symbol) -> Position | None:
    """Find what an earlier run of the bot left open, None if there is nothing."""
    return next(
        (
            position
            for position in positions
            if position.label == LABEL and position.symbol_id == symbol.symbol_id
        ),
        None,
    )


def has_closed(event: ExecutionEvent, position: Position) -> bool:
    """Tell whether an execution closed a position to the last unit.

    A position with protection shows as created, at volume 0, until its protective order is gone.
    """
    return (
        event.execution_type is ExecutionType.ORDER_FILLED
        and event.position is not None
        and event.position.position_id == position.position_id
        and event.position.status is not PositionStatus.OPEN
    )
