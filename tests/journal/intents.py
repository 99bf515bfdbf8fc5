"""Trading requests for a journal, each told by its number."""

from __future__ import annotations

from ctrader.journal import Intent


def order(number: int) -> Intent:
    """Make the intent of a new order."""
    return Intent(
        intent_id=f"intent-{number}",
        account_id=7,
        request_type="ProtoOANewOrderReq",
        request=b"\x08\x00\xff" * 20,
        unix_ms=1_700_000_000_000 + number,
        server_time_ms=1_700_000_000_500 + number,
        client_order_id=f"ct-{number:024x}",
    )


def cancel(number: int) -> Intent:
    """Make the intent of a cancel, which has no client order id."""
    return Intent(
        intent_id=f"intent-{number}",
        account_id=7,
        request_type="ProtoOACancelOrderReq",
        request=b"",
        unix_ms=1_700_000_000_000 + number,
        order_id=2**63 - 1,
        position_id=number,
    )
