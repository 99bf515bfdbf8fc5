"""Read a trading request back from the journal, as one that was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf.message import DecodeError

from ctrader.protocol.commands import Call, Priority
from ctrader.protocol.completion import usual_completion
from ctrader.protocol.correlation import PendingCall
from ctrader.protocol.journaling import Record
from ctrader.protocol.orders import TRADING_REQUESTS

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.journal.record import Intent

__all__ = ["recovered_call"]

_NOT_SUBMITTED: Final = 0
"""Stands for the id of a command that an earlier session had."""
_CLASSES: Final[dict[str, type[Message]]] = {each.__name__: each for each in TRADING_REQUESTS}


def recovered_call(intent: Intent) -> PendingCall | None:
    """Return the request of an intent as one that was sent; None if it cannot be read."""
    kind = _CLASSES.get(intent.request_type)
    if kind is None:
        return None
    request = kind()
    try:
        request.ParseFromString(intent.request)
    except DecodeError:
        return None
    is_whole = request.IsInitialized()
    if not is_whole or getattr(request, "ctidTraderAccountId", None) != intent.account_id:
        return None
    call = Call(
        request,
        completion=usual_completion(request),
        priority=Priority.TRADING,
        resend=False,
        account_id=intent.account_id,
        fills_in_digits=True,
    )
    return PendingCall(
        _NOT_SUBMITTED,
        call,
        request,
        intent.client_order_id,
        message_id=intent.intent_id,
        server_ms=intent.server_time_ms,
        open_volume=intent.open_volume,
        position_updated_ms=intent.position_updated_ms,
        record=Record(intent, is_begun=True),
    )
