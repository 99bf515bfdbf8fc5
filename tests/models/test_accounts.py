"""Accounts and what is paid in or out of them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pydantic
import pytest

from ctrader.enums import (
    AccessRights,
    AccountType,
    ChangeBalanceType,
    ChangeBonusType,
    LimitedRiskMarginCalculationStrategy,
    StopOutStrategy,
    TotalMarginCalculationType,
)
from ctrader.models.accounts import (
    Account,
    AccountSummary,
    BonusDepositWithdraw,
    CtidProfile,
    DepositWithdraw,
)
from ctrader.proto import (
    ProtoOABonusDepositWithdraw,
    ProtoOACtidProfile,
    ProtoOACtidTraderAccount,
    ProtoOADepositWithdraw,
    ProtoOATrader,
)


def test_account_with_everything() -> None:
    account = Account.from_proto(
        ProtoOATrader(
            ctidTraderAccountId=31,
            balance=1_234_567,
            balanceVersion=0,
            managerBonus=100,
            ibBonus=200,
            nonWithdrawableBonus=0,
            accessRights="CLOSE_ONLY",
            depositAssetId=15,
            swapFree=True,
            leverageInCents=3333,
            totalMarginCalculationType="NET",
            maxLeverage=50_000,
            frenchRisk=False,
            traderLogin=17_091_452,
            accountType="NETTED",
            brokerName="broker",
            registrationTimestamp=1_600_000_000_000,
            isLimitedRisk=True,
            limitedRiskMarginCalculationStrategy="ACCORDING_TO_GSL",
            moneyDigits=3,
            fairStopOut=True,
            stopOutStrategy="MOST_LOSING_FIRST",
        )
    )

    assert account == Account(
        account_id=31,
        trader_login=17_091_452,
        balance=Decimal("1234.567"),
        leverage_in_cents=3333,
        account_type=AccountType.NETTED,
        access_rights=AccessRights.CLOSE_ONLY,
        broker_name="broker",
        deposit_asset_id=15,
        swap_free=True,
        is_limited_risk=True,
        registration_timestamp=datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC),
        max_leverage=50_000,
        balance_version=0,
        manager_bonus=Decimal("0.100"),
        ib_bonus=Decimal("0.200"),
        non_withdrawable_bonus=Decimal(0),
        money_digits=3,
        total_margin_calculation_type=TotalMarginCalculationType.NET,
        limited_risk_margin_calculation_strategy=(
            LimitedRiskMarginCalculationStrategy.ACCORDING_TO_GSL
        ),
        fair_stop_out=True,
        stop_out_strategy=StopOutStrategy.MOST_LOSING_FIRST,
        french_risk=False,
    )
    assert account.get_leverage() == "1:33.33"


def test_account_with_nothing_but_the_required_has_the_documented_defaults() -> None:
    account = Account.from_proto(
        ProtoOATrader(ctidTraderAccountId=31, balance=-5, depositAssetId=15, leverageInCents=5000)
    )

    assert account.balance == Decimal("-0.05")
    assert account.access_rights is AccessRights.FULL_ACCESS
    assert account.account_type is AccountType.HEDGED
    assert account.get_leverage() == "1:50"
    assert account.leverage == 50
    assert account.registration_timestamp is None
    assert account.total_margin_calculation_type is None
    assert account.french_risk is None
    assert account.manager_bonus is None
    assert account.trader_login is None


def test_what_the_server_does_not_say_of_an_account_is_none() -> None:
    account = Account.from_proto(ProtoOATrader(ctidTraderAccountId=31, balance=0, depositAssetId=1))
    assert (account.leverage_in_cents, account.leverage) == (None, None)
    assert account.get_leverage() == "1:?"
    summary = AccountSummary.from_proto(ProtoOACtidTraderAccount(ctidTraderAccountId=31))
    assert (summary.is_live, summary.trader_login) == (None, None)
    assert summary.environment == "unknown"


def test_account_type_of_the_future_is_not_hedged() -> None:
    raw = ProtoOATrader(ctidTraderAccountId=31, balance=0, depositAssetId=15).SerializeToString()

    account = Account.from_proto(ProtoOATrader.FromString(raw + b"\x78\x07"))

    assert account.account_type != AccountType.HEDGED
    assert not account.account_type.is_known


def test_entities_are_frozen_and_take_no_unknown_field() -> None:
    profile = CtidProfile.from_proto(ProtoOACtidProfile(userId=9))

    assert profile.user_id == 9
    with pytest.raises(pydantic.ValidationError):
        setattr(profile, "user_id", 1)  # noqa: B010 (checkers refuse the assignment)
    with pytest.raises(pydantic.ValidationError):
        CtidProfile.model_validate({"user_id": 1, "name": "x"})


def test_account_summary() -> None:
    summary = AccountSummary.from_proto(
        ProtoOACtidTraderAccount(
            ctidTraderAccountId=31,
            isLive=True,
            traderLogin=5,
            lastClosingDealTimestamp=1_600_000_000_000,
            brokerTitleShort="Broker Ltd",
        )
    )

    assert (summary.account_id, summary.is_live, summary.trader_login) == (31, True, 5)
    assert summary.environment == "live"
    assert summary.broker_name == "Broker Ltd"
    assert summary.last_closing_deal_timestamp == datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)
    assert summary.last_balance_update_timestamp is None


def test_deposit() -> None:
    change = DepositWithdraw.from_proto(
        ProtoOADepositWithdraw(
            operationType="BALANCE_DEPOSIT",
            balanceHistoryId=8,
            balance=150_000_000,
            delta=50_000_000,
            changeBalanceTimestamp=1_600_000_000_000,
            externalNote="note",
            balanceVersion=2,
            equity=1,
            moneyDigits=8,
        )
    )

    assert change.operation_type is ChangeBalanceType.BALANCE_DEPOSIT
    assert (change.balance, change.delta) == (Decimal("1.5"), Decimal("0.5"))
    assert change.equity == Decimal("0.00000001")
    assert (change.balance_history_id, change.balance_version, change.note) == (8, 2, "note")
    assert change.change_timestamp == datetime(2020, 9, 13, 12, 26, 40, tzinfo=UTC)


def test_bonus() -> None:
    change = BonusDepositWithdraw.from_proto(
        ProtoOABonusDepositWithdraw(
            operationType="BONUS_WITHDRAW",
            bonusHistoryId=8,
            managerBonus=100,
            managerDelta=-50,
            ibBonus=0,
            ibDelta=0,
            changeBonusTimestamp=0,
        ),
        money_digits=0,
    )

    assert change.operation_type is ChangeBonusType.BONUS_WITHDRAW
    assert change.manager_bonus == 100
    assert change.manager_delta == -50
    assert change.change_timestamp == datetime(1970, 1, 1, tzinfo=UTC)
    assert change.introducing_broker_id is None
