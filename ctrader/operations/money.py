"""Find out how many decimals the money of an answer has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrader.models.wire import money_digits_of
from ctrader.operations.base import Op, read
from ctrader.proto import ProtoOATraderReq, ProtoOATraderRes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

__all__ = ["digits_for"]


def digits_for(account_id: int, messages: Iterable[Message]) -> Op[int | None]:
    """Return the account's decimals for messages that do not say their own.

    Guessing two would make amounts of a yen or a bitcoin account wrong by powers of ten, so the
    account is asked for, once, and only if a message leaves its decimals out.

    Args:
        account_id: The account that the money is on.
        messages: Messages with a field `moneyDigits`.

    Returns: The decimals; None where every message says its own, or the account does not say
        them either.
    """
    if all(message.HasField("moneyDigits") for message in messages):
        return None
    request = ProtoOATraderReq(ctidTraderAccountId=account_id)
    answer = yield from read(request, ProtoOATraderRes, account_id=account_id)
    return money_digits_of(answer.trader)
