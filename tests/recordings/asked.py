"""Read the request out of the first message that it caused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeVar

from google.protobuf.message import Message

from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOAApplicationAuthReq,
    ProtoOACancelOrderReq,
    ProtoOACashFlowHistoryListReq,
    ProtoOACashFlowHistoryListRes,
    ProtoOAClosePositionReq,
    ProtoOADealListByPositionIdReq,
    ProtoOADealListByPositionIdRes,
    ProtoOADealListReq,
    ProtoOADealListRes,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrder,
    ProtoOAOrderDetailsReq,
    ProtoOAOrderDetailsRes,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListByPositionIdRes,
    ProtoOAOrderListReq,
    ProtoOAOrderListRes,
    ProtoOAOrderType,
    ProtoOAPosition,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOASubscribeSpotsReq,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOAUnsubscribeSpotsReq,
)
from tests.recordings.recorded import ACCOUNT, EPOCH, EURUSD, Line
from tests.simulator.peer import Peer

__all__ = ["UNKNOWN_ID", "Ids", "cause", "levels_request", "order_request", "question"]

M = TypeVar("M", bound=Message)

UNKNOWN_ID: Final = 987_654_321
"""An id that nothing has."""


@dataclass(slots=True)
class Ids:
    """Which of the simulator's ids is which recorded one."""

    positions: dict[int, int] = field(default_factory=dict[int, int])
    orders: dict[int, int] = field(default_factory=dict[int, int])

    def position(self, recorded: int) -> int:
        """Return the simulator's id of a position."""
        return self.positions.get(recorded, UNKNOWN_ID)

    def order(self, recorded: int) -> int:
        """Return the simulator's id of an order."""
        return self.orders.get(recorded, UNKNOWN_ID)


def cause(event: ProtoOAExecutionEvent, ids: Ids) -> Message | None:
    """Return the request that an event is the first consequence of, None where it is of none."""
    order, position = event.order, event.position
    if event.isServerEvent:
        return None
    protective = order.orderType == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT
    if event.executionType == ProtoOAExecutionType.ORDER_ACCEPTED:
        if order.closingOrder and not protective:
            return ProtoOAClosePositionReq(
                ctidTraderAccountId=ACCOUNT,
                positionId=ids.position(order.positionId),
                volume=order.tradeData.volume,
            )
        return order_request(order)
    if event.executionType == ProtoOAExecutionType.ORDER_REPLACED:
        if protective:
            return levels_request(position, ids)
        return _carry(
            ProtoOAAmendOrderReq(ctidTraderAccountId=ACCOUNT, orderId=ids.order(order.orderId)),
            order,
            "limitPrice",
            "stopPrice",
            "relativeStopLoss",
            "relativeTakeProfit",
            "trailingStopLoss",
            volume=order.tradeData.volume,
        )
    if event.executionType == ProtoOAExecutionType.ORDER_CANCELLED:
        return ProtoOACancelOrderReq(ctidTraderAccountId=ACCOUNT, orderId=ids.order(order.orderId))
    return None


def question(line: Line, name: str, ids: Ids, peer: Peer) -> Message:
    """Return the request that a recorded message answers."""
    message = line.message
    grants = peer.exchange.grants
    match message:
        case ProtoOATraderRes():
            return ProtoOATraderReq(ctidTraderAccountId=ACCOUNT)
        case ProtoOAReconcileRes():
            protective = any(
                order.orderType == ProtoOAOrderType.STOP_LOSS_TAKE_PROFIT for order in message.order
            )
            return ProtoOAReconcileReq(
                ctidTraderAccountId=ACCOUNT,
                returnProtectionOrders=protective or line.note.endswith("=true"),
            )
        case ProtoOASymbolByIdRes():
            return ProtoOASymbolByIdReq(
                ctidTraderAccountId=ACCOUNT, symbolId=[each.symbolId for each in message.symbol]
            )
        case ProtoOADealListRes():
            begin = min(each.executionTimestamp for each in message.deal) - 1000
            return ProtoOADealListReq(
                ctidTraderAccountId=ACCOUNT,
                fromTimestamp=begin,
                toTimestamp=peer.exchange.market_now(),
            )
        case ProtoOAOrderListRes():
            return ProtoOAOrderListReq(
                ctidTraderAccountId=ACCOUNT,
                fromTimestamp=EPOCH,
                toTimestamp=peer.exchange.market_now(),
            )
        case ProtoOAOrderListByPositionIdRes():
            return ProtoOAOrderListByPositionIdReq(
                ctidTraderAccountId=ACCOUNT, positionId=ids.position(message.order[0].positionId)
            )
        case ProtoOADealListByPositionIdRes():
            # An empty list is of the last position, which has only an order that never filled.
            position_id = max(ids.positions.values())
            if message.deal:
                position_id = ids.position(message.deal[0].positionId)
            return ProtoOADealListByPositionIdReq(
                ctidTraderAccountId=ACCOUNT, positionId=position_id
            )
        case ProtoOACashFlowHistoryListRes():
            stamps = [each.changeBalanceTimestamp for each in message.depositWithdraw]
            now = peer.exchange.market_now()
            return ProtoOACashFlowHistoryListReq(
                ctidTraderAccountId=ACCOUNT,
                fromTimestamp=min(stamps, default=now) - 1000,
                toTimestamp=max(stamps, default=now) + 1000,
            )
        case ProtoOAOrderDetailsRes():
            return ProtoOAOrderDetailsReq(
                ctidTraderAccountId=ACCOUNT, orderId=ids.order(message.order.orderId)
            )
        case ProtoOAErrorRes():
            return ProtoOAOrderDetailsReq(ctidTraderAccountId=ACCOUNT, orderId=UNKNOWN_ID)
        case ProtoOAOrderErrorEvent():
            return ProtoOACancelOrderReq(ctidTraderAccountId=ACCOUNT, orderId=UNKNOWN_ID)
        case ProtoOAExecutionEvent():
            request = cause(message, ids)
            assert request is not None, line
            return request
        case _:
            pass
    match name:
        case "ProtoOAApplicationAuthReq":
            grant = grants.grants[0]
            return ProtoOAApplicationAuthReq(
                clientId=grant.client_id, clientSecret=grants.secret_of(grant.client_id)
            )
        case "ProtoOAAccountAuthReq":
            return ProtoOAAccountAuthReq(
                ctidTraderAccountId=ACCOUNT, accessToken=grants.grants[0].access_token
            )
        case "ProtoOASubscribeSpotsReq":
            return ProtoOASubscribeSpotsReq(
                ctidTraderAccountId=ACCOUNT, symbolId=[EURUSD], subscribeToSpotTimestamp=True
            )
        case "ProtoOAUnsubscribeSpotsReq":
            return ProtoOAUnsubscribeSpotsReq(ctidTraderAccountId=ACCOUNT, symbolId=[EURUSD])
        case _:
            raise AssertionError(f"no request is known for line {line.number}: {message}")


def order_request(order: ProtoOAOrder, position_id: int | None = None) -> ProtoOANewOrderReq:
    """Order what an order is."""
    request = _carry(
        ProtoOANewOrderReq(
            ctidTraderAccountId=ACCOUNT,
            symbolId=order.tradeData.symbolId,
            orderType=order.orderType,
            tradeSide=order.tradeData.tradeSide,
            volume=order.tradeData.volume,
        ),
        order,
        "limitPrice",
        "stopPrice",
        "relativeStopLoss",
        "relativeTakeProfit",
        "clientOrderId",
    )
    # A false one comes with every order that has distances: it is no sign that it was sent.
    if order.trailingStopLoss:
        request.trailingStopLoss = True
    for text in ("label", "comment"):
        if order.tradeData.HasField(text):
            setattr(request, text, getattr(order.tradeData, text))
    if position_id is not None:
        request.positionId = position_id
    return request


def levels_request(position: ProtoOAPosition, ids: Ids) -> ProtoOAAmendPositionSLTPReq:
    return _carry(
        ProtoOAAmendPositionSLTPReq(
            ctidTraderAccountId=ACCOUNT, positionId=ids.position(position.positionId)
        ),
        position,
        "stopLoss",
        "takeProfit",
    )


# Private


def _carry(request: M, source: Message, *names: str, **more: int) -> M:
    """Copy the fields that a message has into a request."""
    for name in names:
        if source.HasField(name):
            setattr(request, name, getattr(source, name))
    for name, value in more.items():
        setattr(request, name, value)
    return request
