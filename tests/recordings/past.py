"""Trade again what had been traded before a recording began, as its lists tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message

from ctrader.proto import (
    ProtoOAAmendPositionSLTPReq,
    ProtoOACashFlowHistoryListRes,
    ProtoOAClosePositionReq,
    ProtoOADeal,
    ProtoOADealListByPositionIdRes,
    ProtoOADealListRes,
    ProtoOAOrder,
    ProtoOAOrderListByPositionIdRes,
    ProtoOAOrderListRes,
    ProtoOAOrderType,
    ProtoOAPosition,
    ProtoOAReconcileRes,
)
from tests.recordings.asked import Ids, levels_request, order_request
from tests.recordings.recorded import ACCOUNT, EPOCH, MINUTE, Recording

__all__ = [
    "Deed",
    "deals_before",
    "history",
    "net_of",
    "old_orders",
    "opening_of",
    "points",
    "was_amended",
]

SETTLING: Final = 50
"""Milliseconds after a fill within which a position changes by itself."""


@dataclass(frozen=True, slots=True)
class Deed:
    """Something that somebody asked the server to do before the recording."""

    at: int
    request: Callable[[Ids], Message] | None
    """What a client asked for; None for a deposit, which only the broker can make."""
    deposit: int = 0
    opens: int | None = None
    """Recorded position that it opens."""
    places: int | None = None
    """Recorded order that it places."""


def history(recording: Recording) -> Iterator[Deed]:
    """Yield what had been asked before the recording began, in order."""
    yield from sorted(_old_deeds(recording), key=lambda deed: deed.at)


def deals_before(recording: Recording) -> list[ProtoOADeal]:
    """Return the deals of before the recording, oldest first."""
    found: dict[int, ProtoOADeal] = {}
    for _, message in recording.messages():
        if isinstance(message, (ProtoOADealListRes, ProtoOADealListByPositionIdRes)):
            found |= {deal.dealId: deal for deal in message.deal if deal.executionTimestamp < EPOCH}
    return sorted(found.values(), key=lambda deal: deal.createTimestamp)


def old_orders(recording: Recording) -> dict[int, ProtoOAOrder]:
    """Return the orders of before the recording, by their recorded ids."""
    return {
        order.orderId: order
        for _, message in recording.messages()
        if isinstance(message, (ProtoOAOrderListRes, ProtoOAOrderListByPositionIdRes))
        for order in message.order
        if order.tradeData.openTimestamp < EPOCH
    }


def was_amended(closing: ProtoOAOrder, orders: Iterable[ProtoOAOrder]) -> bool:
    """Tell whether a position was closed with a stop that only an amendment can have set.

    A trailing stop of a long position only rises.
    """
    if not closing.HasField("stopLoss"):
        return False
    opening = opening_of(closing, orders)
    return points(closing.stopLoss) < points(opening.executionPrice) - opening.relativeStopLoss


def opening_of(closing: ProtoOAOrder, orders: Iterable[ProtoOAOrder]) -> ProtoOAOrder:
    return next(
        each for each in orders if each.positionId == closing.positionId and not each.closingOrder
    )


def net_of(deal: ProtoOADeal) -> int:
    detail = deal.closePositionDetail
    return detail.grossProfit + detail.swap + detail.commission + detail.pnlConversionFee


def points(price: float) -> int:
    return round(price * 100_000)


# Private


def _old_deeds(recording: Recording) -> Iterator[Deed]:
    orders = old_orders(recording)
    opened: set[int] = set()
    for deal in deals_before(recording):
        recorded = deal.positionId
        order = orders.get(deal.orderId)
        if deal.HasField("closePositionDetail"):
            if order is not None and was_amended(order, orders.values()):
                yield Deed(deal.createTimestamp - MINUTE, _protecting(order))
            yield Deed(deal.createTimestamp, _closing(deal), places=deal.orderId)
            continue
        if order is None:
            order = ProtoOAOrder(orderType=ProtoOAOrderType.MARKET)
            order.tradeData.symbolId = deal.symbolId
            order.tradeData.tradeSide = deal.tradeSide
            order.tradeData.volume = deal.volume
        yield Deed(
            deal.createTimestamp,
            _opening(order, recorded if recorded in opened else None),
            opens=recorded,
            places=deal.orderId,
        )
        opened.add(recorded)
    for _, message in recording.messages():
        if isinstance(message, ProtoOACashFlowHistoryListRes):
            for change in message.depositWithdraw:
                yield Deed(change.changeBalanceTimestamp, None, deposit=change.delta)
    snapshot = _first_snapshot(recording)
    for order in snapshot.order:
        if order.tradeData.openTimestamp < EPOCH and order.orderType == ProtoOAOrderType.LIMIT:
            yield Deed(
                order.tradeData.openTimestamp,
                _opening(order, None),
                opens=order.positionId,
                places=order.orderId,
            )
    for position in snapshot.position:
        changed = position.utcLastUpdateTimestamp
        fills = [
            deal.executionTimestamp
            for deal in deals_before(recording)
            if deal.positionId == position.positionId
        ]
        if changed < EPOCH and changed - max(fills) > SETTLING:
            yield Deed(changed, _moving(position))


def _closing(deal: ProtoOADeal) -> Callable[[Ids], Message]:
    return lambda ids: ProtoOAClosePositionReq(
        ctidTraderAccountId=ACCOUNT, positionId=ids.position(deal.positionId), volume=deal.volume
    )


def _protecting(order: ProtoOAOrder) -> Callable[[Ids], Message]:
    return lambda ids: ProtoOAAmendPositionSLTPReq(
        ctidTraderAccountId=ACCOUNT,
        positionId=ids.position(order.positionId),
        stopLoss=order.stopLoss,
    )


def _opening(order: ProtoOAOrder, position: int | None) -> Callable[[Ids], Message]:
    return lambda ids: order_request(order, None if position is None else ids.position(position))


def _moving(position: ProtoOAPosition) -> Callable[[Ids], Message]:
    return lambda ids: levels_request(position, ids)


def _first_snapshot(recording: Recording) -> ProtoOAReconcileRes:
    return next(
        message for _, message in recording.messages() if isinstance(message, ProtoOAReconcileRes)
    )
