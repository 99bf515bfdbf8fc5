"""Ask about accounts: which a token opens, what they hold and were paid."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrader.config import DEMO_HOST, LIVE_HOST
from ctrader.enums import ClientPermissionScope
from ctrader.errors import AccountNotFoundError, ConfigurationError
from ctrader.models.accounts import Account, AccountSummary, CtidProfile, DepositWithdraw
from ctrader.models.risk import DynamicLeverage, ExpectedMargin, MarginCall
from ctrader.models.wire import enum_of, money_digits_of
from ctrader.operations.arguments import (
    checks_arguments,
    margin_call_type_of,
    margin_level_of,
    volumes_of,
)
from ctrader.operations.base import Op, change, read
from ctrader.operations.market_data import API_OWNER
from ctrader.operations.money import digits_for
from ctrader.operations.windows import WEEK, span, windows
from ctrader.proto import (
    ProtoOACashFlowHistoryListReq,
    ProtoOACashFlowHistoryListRes,
    ProtoOADepositWithdraw,
    ProtoOAExpectedMarginReq,
    ProtoOAExpectedMarginRes,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetAccountListByAccessTokenRes,
    ProtoOAGetCtidProfileByTokenReq,
    ProtoOAGetCtidProfileByTokenRes,
    ProtoOAGetDynamicLeverageByIDReq,
    ProtoOAGetDynamicLeverageByIDRes,
    ProtoOAMarginCall,
    ProtoOAMarginCallListReq,
    ProtoOAMarginCallListRes,
    ProtoOAMarginCallUpdateReq,
    ProtoOAMarginCallUpdateRes,
    ProtoOATraderReq,
    ProtoOATraderRes,
)
from ctrader.protocol.commands import PnLTopic, Priority, Subscribe, Unsubscribe

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from decimal import Decimal

    from ctrader.enums import NotificationType

__all__ = [
    "environment_of",
    "get_cash_flow",
    "get_dynamic_leverage",
    "get_expected_margin",
    "get_margin_calls",
    "get_profile",
    "get_trader",
    "list_by_token",
    "resolve_account_id",
    "subscribe_pnl",
    "unsubscribe_pnl",
    "update_margin_call",
]


@checks_arguments
def get_trader(account_id: int) -> Op[Account]:
    """Ask for an account's balance, leverage and rights."""
    request = ProtoOATraderReq(ctidTraderAccountId=account_id)
    answer = yield from read(request, ProtoOATraderRes, account_id=account_id)
    return Account.from_proto(answer.trader)


@checks_arguments
def list_by_token(access_token: str) -> Op[list[AccountSummary]]:
    """List the accounts that a token opens, live and demo alike.

    Raises:
        ValueError: this is no token; nothing was sent.
        AuthenticationError: the token is not accepted.
    """
    request = ProtoOAGetAccountListByAccessTokenReq(accessToken=access_token)
    answer = yield from read(request, ProtoOAGetAccountListByAccessTokenRes)
    scope = enum_of(answer, "permissionScope", ClientPermissionScope)
    return [AccountSummary.from_proto(account, scope) for account in answer.ctidTraderAccount]


@checks_arguments
def resolve_account_id(
    access_token: str, trader_login: int, *, is_live: bool | None = None
) -> Op[int]:
    """Find the id of the account that has a login.

    Brokers number their accounts on their own, so a token may open several with one login.

    Args:
        access_token: A token that opens the account.
        trader_login: The number that the trader sees in the terminal.
        is_live: Which to take of several: those of the live server, or of demo; None has no say.

    Raises:
        ValueError: an argument is not what its name says; nothing was sent.
        AccountNotFoundError: the token opens no account with this login.
        ConfigurationError: it opens several, and which is meant cannot be told.
        AuthenticationError: the token is not accepted.
    """
    accounts = yield from list_by_token(access_token)
    matches = [account for account in accounts if account.trader_login == trader_login]
    if not matches:
        logins = (account.trader_login for account in accounts)
        raise AccountNotFoundError(trader_login, [login for login in logins if login is not None])
    if len(matches) > 1:
        matches = [account for account in matches if account.is_live is is_live] or matches
    if len(matches) > 1:
        # Guessing could trade on the wrong account.
        several = ", ".join(
            f"{account.account_id} ({account.environment}, {account.broker_name})"
            for account in matches
        )
        raise ConfigurationError(
            f"The access token opens several accounts with login {trader_login}: {several}. "
            "Choose one of these account ids and authenticate it with authenticate_account()."
        )
    return matches[0].account_id


def environment_of(host: str) -> bool | None:
    """Tell whether a host serves live (True) or demo accounts; None if not known."""
    return {LIVE_HOST: True, DEMO_HOST: False}.get(host.lower())


@checks_arguments
def get_profile(access_token: str) -> Op[CtidProfile]:
    """Ask which user a token belongs to; application authentication is enough.

    Raises:
        ValueError: this is no token; nothing was sent.
        AuthenticationError: the token is not accepted.
    """
    request = ProtoOAGetCtidProfileByTokenReq(accessToken=access_token)
    answer = yield from read(request, ProtoOAGetCtidProfileByTokenRes)
    return CtidProfile.from_proto(answer.profile)


@checks_arguments
def get_cash_flow(
    account_id: int, from_timestamp: datetime, to_timestamp: datetime
) -> Op[list[DepositWithdraw]]:
    """List changes of the balance that are no deals, oldest first.

    The server takes a week at a time and says nothing about more to come.

    Raises:
        ValueError: a time is none, naive or outside what the server accepts, or the first is the
            later.
    """
    found: dict[int, ProtoOADepositWithdraw] = {}
    priority = Priority.READ
    for start, end in windows(*span(from_timestamp, to_timestamp), WEEK):
        request = ProtoOACashFlowHistoryListReq(
            ctidTraderAccountId=account_id, fromTimestamp=start, toTimestamp=end
        )
        answer = yield from read(
            request, ProtoOACashFlowHistoryListRes, account_id=account_id, priority=priority
        )
        priority = Priority.BULK
        for message in answer.depositWithdraw:
            found[message.balanceHistoryId] = message
    digits = yield from digits_for(account_id, found.values())
    rows = sorted(
        found.values(), key=lambda row: (row.changeBalanceTimestamp, row.balanceHistoryId)
    )
    return [DepositWithdraw.from_proto(row, digits) for row in rows]


@checks_arguments
def get_expected_margin(
    account_id: int, symbol_id: int, volumes: Sequence[int]
) -> Op[list[ExpectedMargin]]:
    """Ask what margin orders of some volumes would use, in the account's currency.

    Raises:
        ValueError: a volume is none.
    """
    request = ProtoOAExpectedMarginReq(
        ctidTraderAccountId=account_id, symbolId=symbol_id, volume=volumes_of(volumes)
    )
    answer = yield from read(request, ProtoOAExpectedMarginRes, account_id=account_id)
    digits = money_digits_of(answer, (yield from digits_for(account_id, [answer])))
    return [ExpectedMargin.from_proto(margin, digits) for margin in answer.margin]


@checks_arguments
def get_dynamic_leverage(account_id: int, leverage_id: int) -> Op[DynamicLeverage]:
    """Ask for a scale of dynamic leverage, as `Symbol.leverage_id` names it."""
    request = ProtoOAGetDynamicLeverageByIDReq(
        ctidTraderAccountId=account_id, leverageId=leverage_id
    )
    answer = yield from read(request, ProtoOAGetDynamicLeverageByIDRes, account_id=account_id)
    return DynamicLeverage.from_proto(answer.leverage)


@checks_arguments
def get_margin_calls(account_id: int) -> Op[list[MarginCall]]:
    """List the margin levels at which the server warns."""
    request = ProtoOAMarginCallListReq(ctidTraderAccountId=account_id)
    answer = yield from read(request, ProtoOAMarginCallListRes, account_id=account_id)
    return [MarginCall.from_proto(margin_call) for margin_call in answer.marginCall]


@checks_arguments
def update_margin_call(
    account_id: int, margin_call_type: NotificationType, margin_level_threshold: Decimal | float
) -> Op[None]:
    """Set one of the margin levels, in percent, at which the server warns.

    Raises:
        ValueError: there is no such margin call, or the level is no number of 0 or more.
    """
    margin_call = ProtoOAMarginCall(
        marginCallType=margin_call_type_of(margin_call_type).value,
        marginLevelThreshold=margin_level_of(margin_level_threshold),
    )
    request = ProtoOAMarginCallUpdateReq(ctidTraderAccountId=account_id, marginCall=margin_call)
    yield from change(request, ProtoOAMarginCallUpdateRes, account_id=account_id)


@checks_arguments
def subscribe_pnl(account_id: int) -> Op[None]:
    """Ask for the profit of the open positions whenever it changes.

    Raises:
        UnsupportedMessageError: the server does not offer it, or is silent about it for 5 s.
    """
    yield Subscribe((PnLTopic(account_id),), API_OWNER)


@checks_arguments
def unsubscribe_pnl(account_id: int) -> Op[None]:
    """Stop asking for the profit of the open positions."""
    yield Unsubscribe((PnLTopic(account_id),), API_OWNER)
