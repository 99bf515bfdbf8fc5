"""Single values the way the wire writes them."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

from google.protobuf.message import Message

from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.simulator.catalogue import PRICE_UNITS

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

__all__ = ["average_price", "drop_money_digits", "price", "set_enum", "set_payload_type"]


def price(units: int) -> float:
    """Return a price as the float nearest to it."""
    return units / PRICE_UNITS


def average_price(units: Fraction) -> float:
    """Return an average price as the server does, to 15 decimals."""
    return float(round(units / PRICE_UNITS, 15))


def set_enum(message: object, name: str, value: int) -> None:
    """Set an enum field to a number; the stubs want enum objects, which do not exist."""
    setattr(message, name, value)


def set_payload_type(message: Message) -> None:
    """Write a message's own payloadType field, which is its default, explicitly."""
    if message.DESCRIPTOR.fields_by_name.get("payloadType") is not None:
        set_enum(message, "payloadType", PAYLOAD_TYPE_BY_MESSAGE[type(message)])


def drop_money_digits(message: Message) -> None:
    """Leave `moneyDigits` out of a message and its parts, where it may be."""
    if not _may_tell_digits(message.DESCRIPTOR):
        return
    # The stubs do not know the method that names the fields.
    required: set[str] = set(getattr(type(message)(), "FindInitializationErrors")())  # noqa: B009
    for given, value in message.ListFields():
        if given.name == "moneyDigits" and given.name not in required:
            message.ClearField(given.name)
        elif given.type == given.TYPE_MESSAGE:
            parts: list[Message] = [value] if isinstance(value, Message) else list(value)
            for part in parts:
                drop_money_digits(part)


# Private


@cache
def _may_tell_digits(descriptor: Descriptor) -> bool:
    """Tell whether a message or a part of it has the field; no message contains itself."""
    return any(
        field.name == "moneyDigits"
        or (field.message_type is not None and _may_tell_digits(field.message_type))
        for field in descriptor.fields
    )
