"""Questions about accounts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ctrader.enums import ClientPermissionScope, NotificationType
from ctrader.errors import AccountNotFoundError, ConfigurationError
from ctrader.models.accounts import AccountSummary
from ctrader.models.wire import write_enum
from ctrader.operations import accounts
from ctrader.operations.market_data import API_OWNER
from ctrader.proto import (
    ProtoOACashFlowHistoryListReq,
    ProtoOACashFlowHistoryListRes,
    ProtoOACtidProfile,
    ProtoOACtidTraderAccount,
    ProtoOADepositWithdraw,
    ProtoOADynamicLeverage,
    ProtoOADynamicLeverageTier,
    ProtoOAExpectedMargin,
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
    ProtoOATrader,
    ProtoOATraderReq,
    ProtoOATraderRes,
)
from ctrader.protocol.commands import PnLTopic, Priority, Subscribe, Unsubscribe
from tests.operations.peer import converse, question

START = datetime(2024, 1, 1, tzinfo=UTC)
START_MS = 1_704_067_200_000
WEEK_MS = 604_800_000


def test_get_trader() -> None:
    account = converse(
        accounts.get_trader(7),
        (
            question(ProtoOATraderReq(ctidTraderAccountId=7)),
            ProtoOATraderRes(
                ctidTraderAccountId=7,
                trader=ProtoOATrader(
                    ctidTraderAccountId=7, balance=1_234_567, depositAssetId=15, moneyDigits=2
                ),
            ),
        ),
    )

    assert account.account_id == 7
    assert account.balance == Decimal("12345.67")


def account_list(*entries: tuple[int, int, bool]) -> ProtoOAGetAccountListByAccessTokenRes:
    return ProtoOAGetAccountListByAccessTokenRes(
        accessToken="token",
        ctidTraderAccount=[
            ProtoOACtidTraderAccount(
                ctidTraderAccountId=account_id,
                traderLogin=login,
                isLive=is_live,
                brokerTitleShort=f"Broker {account_id}",
            )
            for account_id, login, is_live in entries
        ],
    )


LIST = question(ProtoOAGetAccountListByAccessTokenReq(accessToken="token"), account_id=None)


def test_list_by_token_needs_no_account() -> None:
    listed = converse(accounts.list_by_token("token"), (LIST, account_list((7, 4711, True))))

    assert listed == [
        AccountSummary(account_id=7, is_live=True, trader_login=4711, broker_name="Broker 7")
    ]


def resolve(is_live: bool | None, *entries: tuple[int, int, bool]) -> int:
    operation = accounts.resolve_account_id("token", 4711, is_live=is_live)
    return converse(operation, (LIST, account_list(*entries)))


@pytest.mark.parametrize("is_live", [True, False, None])
def test_single_account_with_the_login_is_taken_wherever_it_lives(is_live: bool | None) -> None:
    assert resolve(is_live, (6, 1, False), (7, 4711, True)) == 7


@pytest.mark.parametrize(("is_live", "account_id"), [(True, 8), (False, 7)])
def test_of_accounts_with_one_login_that_of_the_host_is_taken(
    is_live: bool, account_id: int
) -> None:
    assert resolve(is_live, (7, 4711, False), (8, 4711, True)) == account_id


@pytest.mark.parametrize("is_live", [True, None])
def test_login_that_stays_ambiguous_is_refused_with_the_choice(is_live: bool | None) -> None:
    with pytest.raises(ConfigurationError, match=r"7 \(demo, Broker 7\), 8 \(demo, Broker 8\)"):
        resolve(is_live, (7, 4711, False), (8, 4711, False))


def test_unknown_login_is_an_error_that_lists_the_others() -> None:
    with pytest.raises(AccountNotFoundError) as caught:
        resolve(None, (6, 1, False), (9, 2, True))

    assert caught.value.trader_login == 4711
    assert caught.value.available_logins == (1, 2)


@pytest.mark.parametrize(
    ("host", "is_live"),
    [
        ("live.ctraderapi.com", True),
        ("Demo.ctraderapi.com", False),
        ("127.0.0.1", None),
    ],
)
def test_environment_of_a_host(host: str, is_live: bool | None) -> None:
    assert accounts.environment_of(host) is is_live


def test_get_profile() -> None:
    profile = converse(
        accounts.get_profile("token"),
        (
            question(ProtoOAGetCtidProfileByTokenReq(accessToken="token"), account_id=None),
            ProtoOAGetCtidProfileByTokenRes(profile=ProtoOACtidProfile(userId=99)),
        ),
    )

    assert profile.user_id == 99


def flow(number: int, at: int) -> ProtoOADepositWithdraw:
    return ProtoOADepositWithdraw(
        operationType="BALANCE_DEPOSIT",
        balanceHistoryId=number,
        balance=100,
        delta=100,
        changeBalanceTimestamp=at,
        moneyDigits=2,
    )


def test_cash_flow_is_asked_by_the_week_and_each_change_is_given_once() -> None:
    border = START_MS + WEEK_MS
    end = border + 1_000

    flows = converse(
        accounts.get_cash_flow(7, START, START + timedelta(days=7, seconds=1)),
        (
            question(
                ProtoOACashFlowHistoryListReq(
                    ctidTraderAccountId=7, fromTimestamp=START_MS, toTimestamp=border
                )
            ),
            ProtoOACashFlowHistoryListRes(
                ctidTraderAccountId=7, depositWithdraw=[flow(2, border), flow(1, START_MS)]
            ),
        ),
        (
            question(
                ProtoOACashFlowHistoryListReq(
                    ctidTraderAccountId=7, fromTimestamp=border, toTimestamp=end
                ),
                priority=Priority.BULK,
            ),
            ProtoOACashFlowHistoryListRes(
                ctidTraderAccountId=7, depositWithdraw=[flow(2, border), flow(3, end)]
            ),
        ),
    )

    assert [entry.balance_history_id for entry in flows] == [1, 2, 3]


def test_get_expected_margin_uses_the_digits_of_the_answer() -> None:
    margins = converse(
        accounts.get_expected_margin(7, 1, [100_000]),
        (
            question(ProtoOAExpectedMarginReq(ctidTraderAccountId=7, symbolId=1, volume=[100_000])),
            ProtoOAExpectedMarginRes(
                ctidTraderAccountId=7,
                margin=[ProtoOAExpectedMargin(volume=100_000, buyMargin=12_345, sellMargin=12_340)],
                moneyDigits=3,
            ),
        ),
    )

    assert [(m.volume, m.buy_margin, m.sell_margin) for m in margins] == [
        (100_000, Decimal("12.345"), Decimal("12.340"))
    ]


def test_get_dynamic_leverage() -> None:
    leverage = converse(
        accounts.get_dynamic_leverage(7, 3),
        (
            question(ProtoOAGetDynamicLeverageByIDReq(ctidTraderAccountId=7, leverageId=3)),
            ProtoOAGetDynamicLeverageByIDRes(
                ctidTraderAccountId=7,
                leverage=ProtoOADynamicLeverage(
                    leverageId=3, tiers=[ProtoOADynamicLeverageTier(volume=100, leverage=50_000)]
                ),
            ),
        ),
    )

    assert [(tier.volume, tier.leverage) for tier in leverage.tiers] == [(100, Decimal(500))]


def test_get_margin_calls() -> None:
    calls = converse(
        accounts.get_margin_calls(7),
        (
            question(ProtoOAMarginCallListReq(ctidTraderAccountId=7)),
            ProtoOAMarginCallListRes(
                marginCall=[
                    ProtoOAMarginCall(
                        marginCallType="MARGIN_LEVEL_THRESHOLD_2", marginLevelThreshold=70.5
                    )
                ]
            ),
        ),
    )

    assert [(call.margin_call_type, call.margin_level_threshold) for call in calls] == [
        (NotificationType.MARGIN_LEVEL_THRESHOLD_2, Decimal("70.5"))
    ]


def test_update_margin_call_is_sent_once() -> None:
    converse(
        accounts.update_margin_call(7, NotificationType.MARGIN_LEVEL_THRESHOLD_1, Decimal("80.5")),
        (
            question(
                ProtoOAMarginCallUpdateReq(
                    ctidTraderAccountId=7,
                    marginCall=ProtoOAMarginCall(
                        marginCallType="MARGIN_LEVEL_THRESHOLD_1", marginLevelThreshold=80.5
                    ),
                ),
                resend=False,
            ),
            ProtoOAMarginCallUpdateRes(),
        ),
    )


# Decimals of money


def test_cash_flow_without_decimals_has_those_of_the_account() -> None:
    bare = flow(1, START_MS)
    bare.ClearField("moneyDigits")

    (found,) = converse(
        accounts.get_cash_flow(7, START, START),
        (
            question(
                ProtoOACashFlowHistoryListReq(
                    ctidTraderAccountId=7, fromTimestamp=START_MS, toTimestamp=START_MS
                )
            ),
            ProtoOACashFlowHistoryListRes(ctidTraderAccountId=7, depositWithdraw=[bare]),
        ),
        (question(ProtoOATraderReq(ctidTraderAccountId=7)), trader_with(digits=8)),
    )

    assert (found.delta, found.money_digits) == (Decimal("0.00000100"), 8)


@pytest.mark.parametrize(("digits", "margin"), [(0, "12345"), (None, "123.45")])
def test_expected_margin_without_decimals_has_those_of_the_account_else_two(
    digits: int | None, margin: str
) -> None:
    (found,) = converse(
        accounts.get_expected_margin(7, 1, [100]),
        (
            question(ProtoOAExpectedMarginReq(ctidTraderAccountId=7, symbolId=1, volume=[100])),
            ProtoOAExpectedMarginRes(
                ctidTraderAccountId=7,
                margin=[ProtoOAExpectedMargin(volume=100, buyMargin=12_345, sellMargin=0)],
            ),
        ),
        (question(ProtoOATraderReq(ctidTraderAccountId=7)), trader_with(digits)),
    )

    assert found.buy_margin == Decimal(margin)


def trader_with(digits: int | None) -> ProtoOATraderRes:
    return ProtoOATraderRes(
        ctidTraderAccountId=7,
        trader=ProtoOATrader(
            ctidTraderAccountId=7, balance=0, depositAssetId=1, moneyDigits=digits
        ),
    )


# What a token may do


@pytest.mark.parametrize(
    "scope", [ClientPermissionScope.SCOPE_VIEW, ClientPermissionScope.SCOPE_TRADE, None]
)
def test_accounts_say_what_the_token_may_do(scope: ClientPermissionScope | None) -> None:
    answer = account_list((1, 17, False))
    if scope is not None:
        write_enum(answer, "permissionScope", scope)

    (found,) = converse(
        accounts.list_by_token("a-token"),
        (
            question(ProtoOAGetAccountListByAccessTokenReq(accessToken="a-token"), account_id=None),
            answer,
        ),
    )

    assert found.permission_scope is scope


# The stream of profits


def test_stream_of_profits_is_a_topic_of_the_account() -> None:
    converse(accounts.subscribe_pnl(7), (Subscribe((PnLTopic(7),), API_OWNER), None))
    converse(accounts.unsubscribe_pnl(7), (Unsubscribe((PnLTopic(7),), API_OWNER), None))
