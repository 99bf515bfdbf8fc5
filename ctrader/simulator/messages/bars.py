"""Bars as messages of the protocol."""

from __future__ import annotations

from ctrader.proto import ProtoOATrendbar
from ctrader.simulator.market.calendar import MINUTE
from ctrader.simulator.market.prices import Bar
from ctrader.simulator.messages.wire import set_enum

__all__ = ["forming_bar_message", "history_bar_message"]


def forming_bar_message(
    bar: Bar, period: int, start: int, *, close: int | None = None
) -> ProtoOATrendbar:
    """Encode a bar as spot events carry it: with its period, mostly no close."""
    message = ProtoOATrendbar(
        volume=bar.volume,
        low=bar.low,
        deltaOpen=bar.open - bar.low,
        deltaHigh=bar.high - bar.low,
        utcTimestampInMinutes=start // MINUTE,
    )
    if close is not None:
        message.deltaClose = close - bar.low
    set_enum(message, "period", period)
    return message


def history_bar_message(bar: Bar, start: int, *, flat_close_bug: bool) -> ProtoOATrendbar:
    """Encode a bar as history carries it: with its close, without its period."""
    message = ProtoOATrendbar(
        volume=bar.volume,
        low=bar.low,
        deltaOpen=bar.open - bar.low,
        deltaClose=bar.close - bar.low,
        deltaHigh=bar.high - bar.low,
        utcTimestampInMinutes=start // MINUTE,
    )
    if flat_close_bug and bar.close == bar.low:
        message.deltaHigh = 0
    return message
