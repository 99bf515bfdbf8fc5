"""Accounts as messages of the protocol."""

from __future__ import annotations

from typing import Final

from ctrader.proto import (
    ProtoOABonusDepositWithdraw,
    ProtoOACtidTraderAccount,
    ProtoOADepositWithdraw,
    ProtoOAMarginCall,
    ProtoOAStopOutStrategy,
    ProtoOATrader,
)
from ctrader.simulator.book import AccountBook, Booking, MarginCall
from ctrader.simulator.catalogue import AccountSpec
from ctrader.simulator.messages.wire import set_enum
from ctrader.simulator.switches import Switches

__all__ = [
    "bonus_message",
    "cash_message",
    "ctid_account_message",
    "margin_call_message",
    "trader_message",
]

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

    Bonuses that there are none of, and the strategies of margin and stop-out where they are the
    usual ones, are left out.
    """
    spec = book.spec
    message = ProtoOATrader(
        ctidTraderAccountId=spec.account_id,
        balance=book.balance,
        balanceVersion=book.balance_version,
        depositAssetId=book.deposit_asset,
        swapFree=spec.swap_free,
        leverageInCents=spec.leverage * 100,
        maxLeverage=spec.leverage * 100,
        frenchRisk=spec.is_limited_risk,
        traderLogin=spec.trader_login,
        brokerName=spec.broker_name.lower().replace(" ", "-"),
        registrationTimestamp=book.opened,
        isLimitedRisk=spec.is_limited_risk,
        moneyDigits=spec.money_digits,
    )
    set_enum(message, "accessRights", spec.access_rights)
    set_enum(message, "totalMarginCalculationType", spec.margin_calculation)
    set_enum(message, "accountType", spec.account_type)
    if book.manager_bonus or book.ib_bonus:
        message.managerBonus = book.manager_bonus
        message.ibBonus = book.ib_bonus
    if book.non_withdrawable_bonus:
        message.nonWithdrawableBonus = book.non_withdrawable_bonus
    if spec.is_limited_risk:
        set_enum(message, "limitedRiskMarginCalculationStrategy", spec.limited_risk_strategy)
    if spec.fair_stop_out:
        message.fairStopOut = True
    if spec.stop_out_strategy != ProtoOAStopOutStrategy.MOST_MARGIN_USED_FIRST:
        set_enum(message, "stopOutStrategy", spec.stop_out_strategy)
    if unknown_fields:
        message.MergeFromString(_UNKNOWN_IN_TRADER)
    return message


def cash_message(book: AccountBook, booking: Booking, switches: Switches) -> ProtoOADepositWithdraw:
    """Encode a deposit or a withdrawal."""
    delta = booking.amount if switches.withdrawal_delta_negative else abs(booking.amount)
    message = ProtoOADepositWithdraw(
        balanceHistoryId=booking.booking_id,
        balance=booking.balance,
        delta=delta,
        changeBalanceTimestamp=booking.at,
        balanceVersion=booking.balance_version,
        moneyDigits=book.spec.money_digits,
    )
    set_enum(message, "operationType", booking.change_type)
    if booking.note is not None:
        message.externalNote = booking.note
    if booking.equity is not None:
        message.equity = booking.equity
    return message


def bonus_message(
    book: AccountBook, booking: Booking, manager: int, introducing_broker: int, switches: Switches
) -> ProtoOABonusDepositWithdraw:
    """Encode a bonus that was granted or taken back, with its two parts."""
    parts = (manager, introducing_broker)
    if not switches.withdrawal_delta_negative:
        parts = (abs(manager), abs(introducing_broker))
    message = ProtoOABonusDepositWithdraw(
        bonusHistoryId=booking.booking_id,
        managerBonus=book.manager_bonus,
        managerDelta=parts[0],
        ibBonus=book.ib_bonus,
        ibDelta=parts[1],
        changeBonusTimestamp=booking.at,
        moneyDigits=book.spec.money_digits,
    )
    set_enum(message, "operationType", booking.change_type)
    if booking.note is not None:
        message.externalNote = booking.note
    return message


def margin_call_message(call: MarginCall) -> ProtoOAMarginCall:
    """Encode one warning of an account."""
    message = ProtoOAMarginCall(
        marginLevelThreshold=call.threshold, utcLastUpdateTimestamp=call.updated
    )
    set_enum(message, "marginCallType", call.call_type)
    return message
