"""Make quotes of what was recorded: of quotes where there are any, otherwise of fills."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ctrader.proto import (
    ProtoOADeal,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOASpotEvent,
    ProtoOATradeSide,
)
from ctrader.simulator.market.prices import Tick
from tests.recordings.past import deals_before, old_orders, opening_of, points, was_amended
from tests.recordings.recorded import COIN, DAY, ENDLESS, EPOCH, EURUSD, INDEX, Recording

__all__ = ["ticks_of"]

SPREAD: Final = {EURUSD: 3, COIN: 1000, INDEX: 1000}
"""Spread in 1/100000 where only one side is known, by symbol."""


def ticks_of(recording: Recording) -> dict[int, list[Tick]]:
    """Return the quotes of every symbol, as recorded or as the fills tell them."""
    paths: dict[int, list[Tick]] = {}
    spots = [
        message for _, message in recording.messages() if isinstance(message, ProtoOASpotEvent)
    ]
    deals = list(deals_before(recording))
    if not spots:
        deals += _deals_during(recording)
    for deal in deals:
        paths.setdefault(deal.symbolId, []).append(_tick_of(deal, recording))
        rate = _rate_to_deposit(deal)
        if rate is not None:
            paths.setdefault(EURUSD, []).append(Tick(deal.createTimestamp - 2, rate, rate + 1, 2))
    for tick in _peaks(recording):
        paths.setdefault(EURUSD, []).append(tick)
    if spots:
        # The bid of a day before is the close of the session before this one.
        close = spots[0].sessionClose
        path = paths.setdefault(EURUSD, [])
        path.append(Tick(EPOCH - DAY, close, close + SPREAD[EURUSD], 2))
        path += [
            Tick(
                spot.timestamp,
                spot.bid if spot.HasField("bid") else None,
                spot.ask if spot.HasField("ask") else None,
                spot.HasField("bid") + spot.HasField("ask"),
            )
            for spot in spots
        ]
    for symbol_id, path in paths.items():
        path.sort(key=lambda tick: tick.time)
        if not spots:
            paths[symbol_id] = _with_room(recording, symbol_id, path)
    return paths


# Private


def _rate_to_deposit(deal: ProtoOADeal) -> int | None:
    """Return the rate of a deal's quote asset in points, None where that is the account's own."""
    if deal.HasField("closePositionDetail"):
        rate = deal.closePositionDetail.quoteToDepositConversionRate
    else:
        rate = deal.marginRate / deal.executionPrice
    # A quote in dollars has the rate 1, but for a point between two reads of the price.
    return None if abs(rate - 1) < 1e-3 else points(rate)


def _tick_of(deal: ProtoOADeal, recording: Recording) -> Tick:
    """Return a quote that fills a deal at its price."""
    price, spread = points(deal.executionPrice), SPREAD[deal.symbolId]
    # A level is hit by the quote itself, an order finds its quote already there.
    at = deal.createTimestamp - (0 if deal.orderId in _hits(recording) else 2)
    if deal.tradeSide == ProtoOATradeSide.BUY:
        return Tick(at, price - spread, price, 2)
    return Tick(at, price, price + spread, 2)


def _hits(recording: Recording) -> set[int]:
    """Return the protective orders that were filled during the recording."""
    return {
        message.order.orderId
        for _, message in recording.messages()
        if isinstance(message, ProtoOAExecutionEvent)
        and message.HasField("deal")
        and message.isServerEvent
    }


def _deals_during(recording: Recording) -> Iterator[ProtoOADeal]:
    for _, message in recording.messages():
        if isinstance(message, ProtoOAExecutionEvent) and message.HasField("deal"):
            yield message.deal


def _peaks(recording: Recording) -> Iterator[Tick]:
    """Yield the quotes that had moved trailing stops to where they were when it closed."""
    orders = old_orders(recording)
    for order in orders.values():
        if not (order.closingOrder and order.HasField("stopLoss")):
            continue
        if was_amended(order, orders.values()):
            continue
        opening = opening_of(order, orders.values())
        bid = points(order.stopLoss) + opening.relativeStopLoss
        middle = (opening.tradeData.closeTimestamp + order.tradeData.openTimestamp) // 2
        yield Tick(middle, bid, bid + SPREAD[EURUSD], 2)


def _with_room(recording: Recording, symbol_id: int, path: Sequence[Tick]) -> list[Tick]:
    """Add the quotes without which a level would have been hit, or refused, where it was set."""
    roomy = list(path)
    for _, message in recording.messages():
        if not (
            isinstance(message, ProtoOAExecutionEvent)
            and message.executionType == ProtoOAExecutionType.ORDER_REPLACED
            and message.position.tradeData.symbolId == symbol_id
        ):
            continue
        position = message.position
        at = message.order.utcLastUpdateTimestamp
        last = next(tick for tick in reversed(roomy) if tick.time < at)
        low = points(position.stopLoss)
        high = points(position.takeProfit) if position.HasField("takeProfit") else ENDLESS
        assert last.bid is not None
        if not low < last.bid < high:
            bid = high - SPREAD[symbol_id]
            roomy.append(Tick(at - 2, bid, bid + SPREAD[symbol_id], 2))
            roomy.sort(key=lambda tick: tick.time)
    return roomy
