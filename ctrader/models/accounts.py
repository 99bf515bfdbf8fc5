"""Describe trading accounts: what they are, hold, and were paid in or out."""

from __future__ import annotations

__all__ = [
    "Account",
    "AccountSummary",
    "BonusDepositWithdraw",
    "CtidProfile",
    "DepositWithdraw",
]

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from ctrader.enums import (
    AccessRights,
    AccountType,
    ChangeBalanceType,
    ChangeBonusType,
    ClientPermissionScope,
    LimitedRiskMarginCalculationStrategy,
    StopOutStrategy,
    TotalMarginCalculationType,
)
from ctrader.models.entity import Entity
from ctrader.models.wire import (
    bool_of,
    enum_of,
    int_of,
    money_digits_of,
    money_of,
    required_enum_of,
    required_money_of,
    required_time_of,
    text_of,
    time_of,
)

if TYPE_CHECKING:
    from ctrader.proto import (
        ProtoOABonusDepositWithdraw,
        ProtoOACtidProfile,
        ProtoOACtidTraderAccount,
        ProtoOADepositWithdraw,
        ProtoOATrader,
    )


class Account(Entity):
    """A trading account: its balance, its leverage and what it may do."""

    account_id: int
    """Id of the account in the Open API."""
    trader_login: int | None
    """Number of the account as traders see it; None where the server does not say."""
    balance: Decimal
    """Money on the account without open profit, in its currency."""
    leverage_in_cents: int | None
    """Leverage times 100: 5000 is 1:50; None where the server does not say."""
    account_type: AccountType
    """Whether positions of one symbol are kept apart or netted."""
    access_rights: AccessRights
    """What the account may do."""
    broker_name: str
    """Name of the broker as the server writes it, often without blanks; may be empty."""
    deposit_asset_id: int
    """Asset that the account is held in."""
    swap_free: bool
    """True if positions pay no swap but a rollover commission."""
    is_limited_risk: bool
    """True if every position needs a guaranteed stop loss."""
    registration_timestamp: datetime | None = None
    """When the account was opened."""
    max_leverage: int | None = None
    """Highest leverage that may be chosen, as the server writes it."""
    balance_version: int | None = None
    """Counts up with every change of the balance."""
    manager_bonus: Decimal | None = None
    """Bonus given by the broker."""
    ib_bonus: Decimal | None = None
    """Bonus given by the introducing broker."""
    non_withdrawable_bonus: Decimal | None = None
    """Bonus that can be traded with, but not paid out."""
    money_digits: int = 2
    """Decimals of the account's money on the wire."""
    total_margin_calculation_type: TotalMarginCalculationType | None = None
    """How the margins of long and short positions of a symbol add up."""
    limited_risk_margin_calculation_strategy: LimitedRiskMarginCalculationStrategy = (
        LimitedRiskMarginCalculationStrategy.ACCORDING_TO_LEVERAGE
    )
    """How a limited-risk account's margin is computed."""
    fair_stop_out: bool = False
    """True if a stop-out closes positions in part where that is enough."""
    stop_out_strategy: StopOutStrategy = StopOutStrategy.MOST_MARGIN_USED_FIRST
    """Which position a stop-out closes first."""
    french_risk: bool | None = None
    """Deprecated by the server for `is_limited_risk`; None where it is not sent."""

    @property
    def leverage(self) -> Decimal | None:
        """Leverage as a number: 50 is 1:50; None where the server does not say."""
        cents = self.leverage_in_cents
        return None if cents is None else Decimal(cents) / 100

    def get_leverage(self) -> str:
        """Write the leverage as traders do: `1:50`, or `1:?` where it is not known."""
        return "1:?" if self.leverage is None else f"1:{self.leverage.normalize():f}"

    @classmethod
    def from_proto(cls, message: ProtoOATrader, money_digits: int | None = None) -> Account:
        """Read an account.

        Args:
            message: The trader entity.
            money_digits: Decimals of its money as known from elsewhere, if it does not say.

        Raises:
            ProtocolError: a time, a number or a text in it makes no sense.
        """
        digits = money_digits_of(message, money_digits)
        margin = enum_of(message, "totalMarginCalculationType", TotalMarginCalculationType)
        risk = enum_of(
            message, "limitedRiskMarginCalculationStrategy", LimitedRiskMarginCalculationStrategy
        )
        stop_out = enum_of(message, "stopOutStrategy", StopOutStrategy)
        rights = enum_of(message, "accessRights", AccessRights)
        kind = enum_of(message, "accountType", AccountType)
        return cls(
            account_id=message.ctidTraderAccountId,
            trader_login=int_of(message, "traderLogin"),
            balance=required_money_of(message, "balance", digits),
            leverage_in_cents=int_of(message, "leverageInCents"),
            account_type=AccountType.HEDGED if kind is None else kind,
            access_rights=AccessRights.FULL_ACCESS if rights is None else rights,
            broker_name=text_of(message, "brokerName") or "",
            deposit_asset_id=message.depositAssetId,
            swap_free=message.swapFree,
            is_limited_risk=message.isLimitedRisk,
            registration_timestamp=time_of(message, "registrationTimestamp"),
            max_leverage=int_of(message, "maxLeverage"),
            balance_version=int_of(message, "balanceVersion"),
            manager_bonus=money_of(message, "managerBonus", digits),
            ib_bonus=money_of(message, "ibBonus", digits),
            non_withdrawable_bonus=money_of(message, "nonWithdrawableBonus", digits),
            money_digits=2 if digits is None else digits,
            total_margin_calculation_type=margin,
            limited_risk_margin_calculation_strategy=(
                LimitedRiskMarginCalculationStrategy.ACCORDING_TO_LEVERAGE if risk is None else risk
            ),
            fair_stop_out=message.fairStopOut,
            stop_out_strategy=(
                StopOutStrategy.MOST_MARGIN_USED_FIRST if stop_out is None else stop_out
            ),
            french_risk=bool_of(message, "frenchRisk"),
        )


class AccountSummary(Entity):
    """An account that an access token gives access to."""

    account_id: int
    """Id of the account in the Open API."""
    is_live: bool | None
    """True for real money; such an account answers on the live host only.

    None where the server does not say.
    """
    trader_login: int | None
    """Number of the account as traders see it; None where the server does not say."""
    broker_name: str
    """Readable name of the broker; may be empty."""
    last_closing_deal_timestamp: datetime | None = None
    """When a position was last closed."""
    last_balance_update_timestamp: datetime | None = None
    """When the balance last changed."""
    permission_scope: ClientPermissionScope | None = None
    """What the token may do: look only, or trade too; None where unsaid."""

    @property
    def environment(self) -> str:
        """Which server it is on, in a word: `live`, `demo` or `unknown`."""
        return {True: "live", False: "demo", None: "unknown"}[self.is_live]

    @classmethod
    def from_proto(
        cls,
        message: ProtoOACtidTraderAccount,
        permission_scope: ClientPermissionScope | None = None,
    ) -> AccountSummary:
        """Read an entry of the account list.

        Args:
            message: The entry.
            permission_scope: What the token that the list was asked for with may do.

        Raises:
            ProtocolError: a time or a text in it makes no sense.
        """
        return cls(
            account_id=message.ctidTraderAccountId,
            is_live=bool_of(message, "isLive"),
            trader_login=int_of(message, "traderLogin"),
            broker_name=text_of(message, "brokerTitleShort") or "",
            last_closing_deal_timestamp=time_of(message, "lastClosingDealTimestamp"),
            last_balance_update_timestamp=time_of(message, "lastBalanceUpdateTimestamp"),
            permission_scope=permission_scope,
        )


class CtidProfile(Entity):
    """The cTrader ID that an access token belongs to."""

    user_id: int
    """Id of the user."""

    @classmethod
    def from_proto(cls, message: ProtoOACtidProfile) -> CtidProfile:
        """Read a profile."""
        return cls(user_id=message.userId)


class DepositWithdraw(Entity):
    """One change of an account's balance that is no deal."""

    operation_type: ChangeBalanceType
    """What kind of change; it says which way the money went."""
    balance_history_id: int
    """Id of the change."""
    balance: Decimal
    """Balance after the change."""
    delta: Decimal
    """Amount as the server writes it; take the direction from `operation_type`."""
    change_timestamp: datetime
    """When it happened."""
    note: str = ""
    """Remark of the broker."""
    balance_version: int | None = None
    """Version of the balance after the change."""
    equity: Decimal | None = None
    """Equity after the change, if the server says it."""
    money_digits: int | None = None
    """Decimals of these amounts on the wire; None where unsaid, then 2."""

    @classmethod
    def from_proto(
        cls, message: ProtoOADepositWithdraw, money_digits: int | None = None
    ) -> DepositWithdraw:
        """Read a change of the balance.

        Args:
            message: The change.
            money_digits: The trader's money digits, if it does not say its own.

        Raises:
            ProtocolError: a time, a number or a text in it makes no sense.
        """
        digits = money_digits_of(message, money_digits)
        return cls(
            operation_type=required_enum_of(message, "operationType", ChangeBalanceType),
            balance_history_id=message.balanceHistoryId,
            balance=required_money_of(message, "balance", digits),
            delta=required_money_of(message, "delta", digits),
            change_timestamp=required_time_of(message, "changeBalanceTimestamp"),
            note=text_of(message, "externalNote") or "",
            balance_version=int_of(message, "balanceVersion"),
            equity=money_of(message, "equity", digits),
            money_digits=digits,
        )


class BonusDepositWithdraw(Entity):
    """One change of an account's bonus."""

    operation_type: ChangeBonusType
    """Whether it was given or taken."""
    bonus_history_id: int
    """Id of the change."""
    manager_bonus: Decimal
    """The broker's bonus after the change."""
    manager_delta: Decimal
    """By how much the broker's bonus changed."""
    ib_bonus: Decimal
    """The introducing broker's bonus after the change."""
    ib_delta: Decimal
    """By how much the introducing broker's bonus changed."""
    change_timestamp: datetime
    """When it happened."""
    note: str = ""
    """Remark of the broker."""
    introducing_broker_id: int | None = None
    """The introducing broker, if one is concerned."""
    money_digits: int | None = None
    """Decimals of these amounts on the wire; None where unsaid, then 2."""

    @classmethod
    def from_proto(
        cls, message: ProtoOABonusDepositWithdraw, money_digits: int | None = None
    ) -> BonusDepositWithdraw:
        """Read a change of the bonus.

        Args:
            message: The change.
            money_digits: The trader's money digits, if it does not say its own.

        Raises:
            ProtocolError: a time, a number or a text in it makes no sense.
        """
        digits = money_digits_of(message, money_digits)
        return cls(
            operation_type=required_enum_of(message, "operationType", ChangeBonusType),
            bonus_history_id=message.bonusHistoryId,
            manager_bonus=required_money_of(message, "managerBonus", digits),
            manager_delta=required_money_of(message, "managerDelta", digits),
            ib_bonus=required_money_of(message, "ibBonus", digits),
            ib_delta=required_money_of(message, "ibDelta", digits),
            change_timestamp=required_time_of(message, "changeBonusTimestamp"),
            note=text_of(message, "externalNote") or "",
            introducing_broker_id=int_of(message, "introducingBrokerId"),
            money_digits=digits,
        )
