"""Execution events in words: every field of a frame, none left out, short enough to be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from google.protobuf.message import Message

from ctrader.proto import (
    ProtoOABonusDepositWithdraw,
    ProtoOADeal,
    ProtoOADepositWithdraw,
    ProtoOAExecutionEvent,
    ProtoOAOrder,
    ProtoOAOrderErrorEvent,
    ProtoOAPosition,
    ProtoOATradeData,
    ProtoOATrailingSLChangedEvent,
)
from tests.simulator.peer import START, USD_ACCOUNT, Received

_ALWAYS: Final = {
    "ctidTraderAccountId": USD_ACCOUNT,
    "symbolId": 1,
    "measurementUnits": "",
    "mirroringCommission": 0,
    "moneyDigits": 2,
}
"""Fields that every frame of these tests must hold with the same value; they are not told."""
_NEUTRAL: Final = {"swap": 0, "guaranteedStopLoss": False}
"""Fields that must be there as well, and are told only where they say something."""
_SHORT: Final = {
    "baseToUsdConversionRate": "usd",
    "executedVolume": "executed",
    "executionPrice": "at",
    "marginRate": "rate",
    "quoteToDepositConversionRate": "converted",
    "stopLossTriggerMethod": "trigger",
    "stopTriggerMethod": "trigger",
    "timeInForce": "",
    "trailingStopLoss": "trailing",
    "usedMargin": "margin",
    "utcLastUpdate": "changed",
}


def told(frames: Iterable[Received]) -> str:
    """Tell frames in words, each after a #, with times in milliseconds from the start."""
    return " ".join(" ".join(_frame(*frame)) for frame in frames)


def words(text: str) -> str:
    """Return an expectation as `told` would write it, whatever its lines."""
    return " ".join(text.split())


# Private


def _frame(client_msg_id: str | None, message: Message) -> Iterator[str]:
    yield f"# {client_msg_id or '-'}"
    if isinstance(message, ProtoOAExecutionEvent):
        yield from _execution(message)
    elif isinstance(message, ProtoOATrailingSLChangedEvent):
        yield "trailing of {positionId} order {orderId} to {stopPrice} at".format(
            **dict(_fields(message))
        )
        yield str(message.utcLastUpdateTimestamp - START)
    elif isinstance(message, ProtoOAOrderErrorEvent):
        yield "order error"
        for name, value in _fields(message):
            yield f"{name} {value}"
    else:
        yield type(message).__name__
        for name, value in _fields(message):
            yield f"{name} {value}"


def _execution(event: ProtoOAExecutionEvent) -> Iterator[str]:
    for name, value in _fields(event):
        if name == "executionType":
            yield str(value)
        elif name == "isServerEvent":
            yield "server" if value else "client"
        elif name == "errorCode":
            yield f"error {value}"
    if event.HasField("order"):
        yield from _order(event.order)
    if event.HasField("position"):
        yield from _position(event.position)
    if event.HasField("deal"):
        yield from _deal(event.deal)
    if event.HasField("depositWithdraw"):
        yield from _cash("cash", event.depositWithdraw)
    if event.HasField("bonusDepositWithdraw"):
        yield from _cash("bonus", event.bonusDepositWithdraw)


def _order(order: ProtoOAOrder) -> Iterator[str]:
    fields = dict(_fields(order))
    status = str(fields.pop("orderStatus")).removeprefix("ORDER_STATUS_")
    yield f"order {fields.pop('orderId')} {fields.pop('orderType')} {_traded(order.tradeData)}"
    yield f"{status} of {fields.pop('positionId')}"
    yield from _rest(fields)


def _position(position: ProtoOAPosition) -> Iterator[str]:
    fields = dict(_fields(position))
    assert set(_NEUTRAL) <= set(fields), fields
    status = str(fields.pop("positionStatus")).removeprefix("POSITION_STATUS_")
    yield f"position {fields.pop('positionId')} {_traded(position.tradeData)} {status}"
    yield from _rest(fields)


def _deal(deal: ProtoOADeal) -> Iterator[str]:
    fields = dict(_fields(deal))
    yield f"deal {fields.pop('dealId')} {fields.pop('tradeSide')} {fields.pop('filledVolume')}"
    yield f"of {fields.pop('volume')} {fields.pop('dealStatus')} for order {fields.pop('orderId')}"
    yield f"position {fields.pop('positionId')}"
    yield from _rest(fields)
    if deal.HasField("closePositionDetail"):
        yield "settled"
        yield from _rest(dict(_fields(deal.closePositionDetail)))


def _cash(kind: str, change: ProtoOADepositWithdraw | ProtoOABonusDepositWithdraw) -> Iterator[str]:
    yield kind
    yield from _rest(dict(_fields(change)))


def _traded(data: ProtoOATradeData) -> str:
    fields = dict(_fields(data))
    told = [str(fields.pop("tradeSide")), str(fields.pop("volume"))]
    if fields.pop("guaranteedStopLoss"):
        told.append("guaranteed")
    return " ".join((*told, *_rest(fields)))


def _rest(fields: dict[str, object]) -> Iterator[str]:
    for field, value in fields.items():
        name = _SHORT.get(field, field)
        if field in _NEUTRAL and value == _NEUTRAL[field]:
            continue
        if isinstance(value, bool):
            yield name if value else f"not-{name}"
        elif not isinstance(value, Message):
            yield f"{name}={value}" if name else str(value)


def _fields(message: Message) -> Iterator[tuple[str, object]]:
    """Go through the fields that are on the wire, those that never change aside."""
    for descriptor, value in message.ListFields():
        name = descriptor.name
        if name in _ALWAYS:
            assert value == _ALWAYS[name], (name, value)
        elif descriptor.enum_type is not None:
            yield name, descriptor.enum_type.values_by_number[value].name
        elif name.lower().endswith("timestamp"):
            yield name.removesuffix("Timestamp"), value - START
        else:
            yield name, value
