"""Execution events in words: every field of a frame, none left out, short enough to be compared."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from google.protobuf.message import Message

from ctrader.proto import (
    ProtoOABonusDepositWithdraw,
    ProtoOAClosePositionDetail,
    ProtoOADeal,
    ProtoOADepositWithdraw,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAOrder,
    ProtoOAOrderErrorEvent,
    ProtoOAPosition,
    ProtoOAReconcileRes,
    ProtoOATradeData,
    ProtoOATrailingSLChangedEvent,
)
from tests.simulator.peer import START, USD_ACCOUNT, Received

_ACCOUNT: Final[dict[str, object]] = {"ctidTraderAccountId": USD_ACCOUNT}
_DIGITS: Final[dict[str, object]] = {"moneyDigits": 2}
_ALWAYS: Final[dict[type[Message], dict[str, object]]] = {
    ProtoOABonusDepositWithdraw: _DIGITS,
    ProtoOAClosePositionDetail: _DIGITS,
    ProtoOADeal: {"symbolId": 1} | _DIGITS,
    ProtoOADepositWithdraw: _DIGITS,
    ProtoOAErrorRes: {},  # what cannot be read may be of any account
    ProtoOAExecutionEvent: _ACCOUNT,
    ProtoOAOrder: {},
    ProtoOAOrderErrorEvent: _ACCOUNT,
    ProtoOAPosition: {"mirroringCommission": 0} | _DIGITS,
    ProtoOAReconcileRes: _ACCOUNT,
    ProtoOATradeData: {"measurementUnits": "", "symbolId": 1},
    ProtoOATrailingSLChangedEvent: _ACCOUNT,
}
"""Fields that every message of a kind must hold, with the same value; they are not told."""
_NEUTRAL: Final[dict[type[Message], dict[str, object]]] = {
    ProtoOAClosePositionDetail: {"swap": 0},
    ProtoOAPosition: {"guaranteedStopLoss": False, "swap": 0},
    ProtoOATradeData: {"guaranteedStopLoss": False},
}
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
    elif isinstance(message, ProtoOAErrorRes):
        yield "error"
        for name, value in _fields(message):
            yield f"{name} {value}"
    elif isinstance(message, ProtoOAReconcileRes):
        yield "stands"
        yield from _standing(message)
    else:
        raise AssertionError(f"nobody has said how to tell {type(message).__name__}")


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


def _standing(answer: ProtoOAReconcileRes) -> Iterator[str]:
    assert {name for name, _ in _fields(answer)} <= {"order", "position"}, answer
    for order in answer.order:
        yield from _order(order)
    for position in answer.position:
        yield from _position(position)


def _order(order: ProtoOAOrder) -> Iterator[str]:
    fields = dict(_fields(order))
    status = str(fields.pop("orderStatus")).removeprefix("ORDER_STATUS_")
    yield f"order {fields.pop('orderId')} {fields.pop('orderType')} {_traded(order.tradeData)}"
    yield f"{status} of {fields.pop('positionId')}"
    yield from _rest(fields)


def _position(position: ProtoOAPosition) -> Iterator[str]:
    fields = dict(_fields(position))
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
    if fields.pop("guaranteedStopLoss", False):
        told.append("guaranteed")
    return " ".join((*told, *_rest(fields)))


def _rest(fields: dict[str, object]) -> Iterator[str]:
    for field, value in fields.items():
        name = _SHORT.get(field, field)
        if isinstance(value, bool):
            yield name if value else f"not-{name}"
        elif not isinstance(value, Message):
            yield f"{name}={value}" if name else str(value)


def _fields(message: Message) -> Iterator[tuple[str, object]]:
    """Go through the fields that are on the wire, those that say nothing new aside.

    Raises:
        AssertionError: a field is not there that always is, or has another value than always.
    """
    always, neutral = _ALWAYS[type(message)], _NEUTRAL.get(type(message), {})
    found = {descriptor.name for descriptor, _ in message.ListFields()}
    missing = (always.keys() | neutral.keys()) - found
    assert not missing, (type(message).__name__, missing)
    for descriptor, value in message.ListFields():
        name = descriptor.name
        if name in always:
            assert value == always[name], (name, value)
        elif name in neutral and value == neutral[name]:
            continue
        elif descriptor.enum_type is not None:
            yield name, descriptor.enum_type.values_by_number[value].name
        elif name.lower().endswith("timestamp"):
            yield name.removesuffix("Timestamp"), value - START
        else:
            yield name, value
