"""Lazy exports, as both checkers must see them: the real class, and no name that does not exist.

A comment that refuses nothing is an error itself under both checkers, so each line below fails
the check as soon as a checker lets the misspelt name pass.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import assert_type

import ctrader
import ctrader.events
import ctrader.streams
import ctrader_sync
import ctrader_sync.events
import ctrader_sync.streams
from ctrader import SpotEvnt  # type: ignore[attr-defined] # noqa: F401 - misspelt
from ctrader_sync import SpotEvnt as Second  # type: ignore[attr-defined] # noqa: F401 - misspelt
from ctrader_sync.events import SpotEvnt as Third  # type: ignore[attr-defined] # noqa: F401

misspelt = ctrader.CTraderCleint  # type: ignore[attr-defined] # misspelt
foreign = ctrader_sync.CTraderClient  # type: ignore[attr-defined] # it has another name there

assert_type(ctrader.SpotEvent, type[ctrader.events.SpotEvent])
assert_type(ctrader_sync.SpotEvent, type[ctrader.events.SpotEvent])
assert_type(ctrader_sync.events.SpotEvent, type[ctrader.events.SpotEvent])


def twins(stream: ctrader.EventStream[ctrader.Quote]) -> ctrader.streams.EventStream[ctrader.Quote]:
    return stream


def sync_twins(
    stream: ctrader_sync.EventStream[ctrader.Quote],
) -> ctrader_sync.streams.EventStream[ctrader.Quote]:
    return stream


def not_twins(
    stream: ctrader.EventStream[ctrader.Quote],
) -> ctrader_sync.EventStream[ctrader.Quote]:
    return stream  # type: ignore[return-value] # each client has its own


def cleared() -> None:
    amendment = ctrader.AmendPositionRequest(
        position_id=1, stop_loss=ctrader.CLEAR, take_profit=None
    )
    assert_type(amendment.stop_loss, float | ctrader.Clear | None)
    if amendment.stop_loss is not ctrader_sync.CLEAR:
        assert_type(amendment.stop_loss, float | None)


def nothing_to_clear() -> None:
    ctrader.NewOrderRequest(
        symbol_id=1,
        side=ctrader.OrderSide.BUY,
        volume=1,
        stop_loss=ctrader.CLEAR,  # type: ignore[arg-type] # a new order has none yet
    )
