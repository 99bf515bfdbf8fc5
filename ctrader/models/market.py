"""Hold quotes, depth, bars and ticks as the wire's integers.

A *point* is 1/100000 of a price unit for every symbol, whatever its digits are.
"""

from __future__ import annotations

__all__ = [
    "DepthQuote",
    "Quote",
    "TickData",
    "Trendbar",
    "bars_from_proto",
    "ticks_from_proto",
]

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import msgspec

from ctrader.enums import TrendbarPeriod
from ctrader.errors import DeserializationError, ProtocolError
from ctrader.models.wire import enum_of, millis_text, minutes_text, required_enum_of
from ctrader.proto.registry import GET_TICKDATA_RES
from ctrader.units import datetime_from_millis, datetime_from_minutes, price_from_wire

if TYPE_CHECKING:
    from ctrader.proto import (
        ProtoOADepthQuote,
        ProtoOAGetTickDataRes,
        ProtoOAGetTrendbarsRes,
        ProtoOATrendbar,
    )


_TRADING_DAY_ZONE: Final = "America/New_York"
_TRADING_DAY_HOUR: Final = 17  # when the trading day begins there


class Quote(msgspec.Struct, frozen=True, gc=False):
    """Both sides of a symbol's price as last known on this link."""

    symbol_id: int
    """The symbol."""
    account_id: int
    """The account whose prices these are; two accounts may see different ones."""
    bid_points: int
    """Price to sell at, in 1/100000."""
    ask_points: int
    """Price to buy at, in 1/100000."""
    timestamp_ms: int | None = None
    """When the newer side changed, in Unix milliseconds; None without spot timestamps."""

    def __str__(self) -> str:
        moment = "None" if self.timestamp_ms is None else millis_text(self.timestamp_ms)
        return (
            f"Quote(symbol_id={self.symbol_id}, account_id={self.account_id}, "
            f"bid={self.bid}, ask={self.ask}, timestamp={moment})"
        )

    @property
    def bid(self) -> float:
        """Price to sell at."""
        return price_from_wire(self.bid_points)

    @property
    def ask(self) -> float:
        """Price to buy at."""
        return price_from_wire(self.ask_points)

    @property
    def mid(self) -> float:
        """Price halfway between bid and ask; it may lie between two ticks."""
        return (self.bid_points + self.ask_points) / 200_000

    @property
    def spread(self) -> float:
        """Distance from bid to ask; negative while the sides are crossed."""
        return price_from_wire(self.ask_points - self.bid_points)

    @property
    def timestamp(self) -> datetime | None:
        """When the newer side changed; None unless spot timestamps were subscribed."""
        return None if self.timestamp_ms is None else datetime_from_millis(self.timestamp_ms)


class DepthQuote(msgspec.Struct, frozen=True, gc=False):
    """One entry of the order book; a later one with the same id replaces it."""

    quote_id: int
    """Id of the entry, by which it is replaced or deleted."""
    price_points: int
    """Price in 1/100000."""
    size: int
    """Volume on offer, in hundredths of a unit."""
    is_bid: bool
    """True for a buyer's entry, False for a seller's."""

    def __str__(self) -> str:
        side = "bid" if self.is_bid else "ask"
        return f"DepthQuote(quote_id={self.quote_id}, {side}={self.price}, size={self.size})"

    @property
    def price(self) -> float:
        """Price of the entry."""
        return price_from_wire(self.price_points)

    @classmethod
    def from_proto(cls, message: ProtoOADepthQuote) -> DepthQuote:
        """Read one entry of a depth event.

        Raises:
            ProtocolError: it has neither a bid nor an ask.
        """
        if message.HasField("bid"):
            return cls(message.id, message.bid, message.size, True)
        if message.HasField("ask"):
            return cls(message.id, message.ask, message.size, False)
        raise ProtocolError(f"depth quote {message.id} has neither a bid nor an ask")


class Trendbar(msgspec.Struct, frozen=True, gc=False):
    """One bar of bid prices; a period without a tick has none."""

    period: TrendbarPeriod
    """Length of the bar."""
    start_minutes: int
    """Start in minutes since 1970-01-01 UTC."""
    low_points: int
    """Lowest bid, in 1/100000."""
    open_points: int
    """First bid, in 1/100000."""
    high_points: int
    """Highest bid, in 1/100000."""
    close_points: int
    """Last bid, in 1/100000; of a live bar the last bid known."""
    volume: int
    """Number of ticks, not of units."""
    repaired: bool = False
    """True if high or low was widened to hold open and close: the server erred."""

    def __str__(self) -> str:
        return (
            f"Trendbar(period={self.period.name}, timestamp={minutes_text(self.start_minutes)}, "
            f"open={self.open}, high={self.high}, low={self.low}, close={self.close}, "
            f"volume={self.volume}{', repaired' if self.repaired else ''})"
        )

    @property
    def timestamp(self) -> datetime:
        """Start of the bar."""
        return datetime_from_minutes(self.start_minutes)

    @property
    def end(self) -> datetime:
        """End of the bar, which is where the next one may start.

        Days, weeks and months end at 17:00 New York time, so a day lasts 23 or 25 hours where
        New York changes its clocks; bars of some hours end with their day.

        Raises:
            ProtocolError: the period is one that this library does not know.
        """
        duration = self.period.duration if self.period < TrendbarPeriod.D1 else None
        if duration is not None and self.period < TrendbarPeriod.H4:
            return self.timestamp + duration
        start = self.timestamp.astimezone(ZoneInfo(_TRADING_DAY_ZONE))
        if duration is not None:
            # The evening belongs to the next trading day.
            day = (start + timedelta(hours=24 - _TRADING_DAY_HOUR)).date()
            over = datetime.combine(day, time(_TRADING_DAY_HOUR), start.tzinfo)
            return min(self.timestamp + duration, over.astimezone(UTC))
        if self.period is TrendbarPeriod.D1:
            last = start.date() + timedelta(days=1)
        elif self.period is TrendbarPeriod.W1:
            last = start.date() + timedelta(days=7)
        elif self.period is TrendbarPeriod.MN1:
            # A bar that opens in the evening belongs to the next calendar day.
            month = (start + timedelta(hours=7)).date()
            year, number = divmod(month.year * 12 + month.month, 12)
            last = date(year, number + 1, 1) - timedelta(days=1)
        else:
            raise ProtocolError(f"no length is known for bars of {self.period!r}")
        return datetime.combine(last, start.time(), start.tzinfo).astimezone(UTC)

    @property
    def low(self) -> float:
        """Lowest bid."""
        return price_from_wire(self.low_points)

    @property
    def open(self) -> float:
        """First bid."""
        return price_from_wire(self.open_points)

    @property
    def high(self) -> float:
        """Highest bid."""
        return price_from_wire(self.high_points)

    @property
    def close(self) -> float:
        """Last bid; of a live bar the last bid known."""
        return price_from_wire(self.close_points)

    @classmethod
    def from_proto(
        cls,
        message: ProtoOATrendbar,
        period: TrendbarPeriod | None = None,
        close_points: int | None = None,
    ) -> Trendbar:
        """Read one bar.

        Args:
            message: The bar.
            period: The answer's period for historical bars, which do not carry their own; None
                for live bars, which do.
            close_points: What to close a bar with that carries no close, as live ones do not: the
                last bid. Without it such a bar closes at its low, as the schema has it.

        Raises:
            ProtocolError: the bar has no price or no time.
        """
        if not (message.HasField("low") and message.HasField("utcTimestampInMinutes")):
            raise ProtocolError("a bar came without a low or without a time")
        low = message.low
        opened = low + message.deltaOpen
        if close_points is None or message.HasField("deltaClose"):
            close_points = low + message.deltaClose
        high = low + message.deltaHigh
        # Known fault of the server: deltaHigh is missing or 0 though the open lies higher. And a
        # live bar may lag behind the bid that closes it.
        repaired = high < opened or not low <= close_points <= high
        if repaired:
            high = max(high, opened, close_points)
            low = min(low, close_points)
        if period is None:
            period = enum_of(message, "period", TrendbarPeriod)
        if period is None:
            period = TrendbarPeriod.M1  # the schema's default
        return cls(
            period,
            message.utcTimestampInMinutes,
            low,
            opened,
            high,
            close_points,
            message.volume,
            repaired,
        )


class TickData(msgspec.Struct, frozen=True, gc=False):
    """One historical price of one side."""

    timestamp_ms: int
    """When the price came, in Unix milliseconds."""
    price_points: int
    """The price in 1/100000."""

    def __str__(self) -> str:
        return f"TickData(timestamp={millis_text(self.timestamp_ms)}, price={self.price})"

    @property
    def timestamp(self) -> datetime:
        """When the price came."""
        return datetime_from_millis(self.timestamp_ms)

    @property
    def price(self) -> float:
        """The price."""
        return price_from_wire(self.price_points)


def bars_from_proto(message: ProtoOAGetTrendbarsRes) -> list[Trendbar]:
    """Read an answer with historical bars, oldest first.

    Raises:
        ProtocolError: a bar has no price or no time, or the answer names no period.
    """
    period = required_enum_of(message, "period", TrendbarPeriod)
    bars = [Trendbar.from_proto(bar, period) for bar in message.trendbar]
    bars.sort(key=_start_of)
    return bars


def ticks_from_proto(message: ProtoOAGetTickDataRes) -> list[TickData]:
    """Read an answer with historical ticks, oldest first.

    The wire has them newest first: the first element is absolute, each further one is the
    difference to the one before it, in time and in price.

    Raises:
        DeserializationError: a difference runs forward in time, so the sums mean nothing.
    """
    ticks: list[TickData] = []
    timestamp_ms = price_points = 0
    for index, tick in enumerate(message.tickData):
        step = tick.timestamp
        if index and step > 0:
            raise DeserializationError(GET_TICKDATA_RES, message.SerializeToString())
        timestamp_ms += step
        price_points += tick.tick
        ticks.append(TickData(timestamp_ms, price_points))
    ticks.reverse()
    return ticks


def _start_of(bar: Trendbar) -> int:
    return bar.start_minutes
