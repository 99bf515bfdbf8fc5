"""Accounts as messages of the protocol."""

from __future__ import annotations

from typing import Final

from ctrader.proto import ProtoOACtidTraderAccount, ProtoOATrader
from ctrader.simulator.book import AccountBook
from ctrader.simulator.catalogue import AccountSpec
from ctrader.simulator.wire import set_enum

__all__ = ["ctid_account_message", "trader_message"]

# A field that real servers send and no public schema has: tag and value as on the wire.
_UNKNOWN_IN_TRADER: Final = b"\xb8\x01\x04"  # 23, the number 4


def ctid_account_message(spec: AccountSpec, book: AccountBook) -> ProtoOACtidTraderAccount:
    """Encode an account as the list by access token names it."""
    message = ProtoOACtidTraderAccount(
        ctidTraderAccountId=spec.account_id,
        isLive=spec.is_live,
        traderLogin=spec.trader_login,
        lastBalanceUpdateTimestamp=book.last_booking,
        brokerTitleShort=spec.broker_name,
    )
    if book.last_closing is not None:
        message.lastClosingDealTimestamp = book.last_closing
    return message


def trader_message(book: AccountBook, *, unknown_fields: bool) -> ProtoOATrader:
    """Encode an account with its balance and terms.

    Bonuses and the strategies of margin and stop-out are left out, as in all recordings.
    """
    spec = book.spec
    message = ProtoOATrader(
        ctidTraderAccountId=spec.account_id,
        balance=book.balance,
        balanceVersion=book.balance_version,
        depositAssetId=book.deposit_asset,
        swapFree=False,
        leverageInCents=spec.leverage * 100,
        maxLeverage=spec.leverage * 100,
        frenchRisk=False,
        traderLogin=spec.trader_login,
        brokerName=spec.broker_name.lower().replace(" ", "-"),
        registrationTimestamp=book.opened,
        isLimitedRisk=False,
        moneyDigits=spec.money_digits,
    )
    set_enum(message, "accessRights", spec.access_rights)
    set_enum(message, "totalMarginCalculationType", spec.margin_calculation)
    set_enum(message, "accountType", spec.account_type)
    if unknown_fields:
        message.MergeFromString(_UNKNOWN_IN_TRADER)
    return message
