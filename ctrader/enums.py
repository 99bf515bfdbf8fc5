"""The enumerations of the wire, under the names that traders use.

Their values are the numbers of the wire. A number that this library does not know never becomes a
plausible member: it becomes an explicit unknown, such as `OrderType.UNKNOWN_9`, whose `is_known`
is False.
"""

from __future__ import annotations

__all__ = [
    "AccessRights",
    "AccountType",
    "AuthTrigger",
    "ChangeBalanceType",
    "ChangeBonusType",
    "ClientPermissionScope",
    "CommissionType",
    "DayOfWeek",
    "DealStatus",
    "ExecutionType",
    "LimitedRiskMarginCalculationStrategy",
    "MinCommissionType",
    "NotificationType",
    "OrderSide",
    "OrderStatus",
    "OrderType",
    "PositionStatus",
    "QuoteType",
    "StopOutStrategy",
    "StopTriggerMethod",
    "SwapCalculationType",
    "SymbolDistanceType",
    "TimeInForce",
    "TotalMarginCalculationType",
    "TradingMode",
    "TrendbarPeriod",
    "WireEnum",
]

import functools
from datetime import timedelta
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, Final, TypeVar

_UNKNOWN_MEMBERS_KEPT: Final = 1024  # a server that invents numbers must not fill the memory

_E = TypeVar("_E", bound="WireEnum")


class WireEnum(IntEnum):
    """Base of the enums whose values are numbers of the wire.

    Members are integers and compare as such; as text they are their names. Looking up a number
    that has no member gives an explicit unknown: its name is `UNKNOWN_<number>`, it equals itself,
    can be hashed and pickled, and is never among the members that iterating over the class gives.
    """

    @property
    def is_known(self) -> bool:
        """Tell whether this library knows what the number stands for."""
        return self._name_ in type(self).__members__

    @classmethod
    def parse(cls: type[_E], value: str | int) -> _E:
        """Find a known member by its name or number.

        Args:
            value: A name in any case ("buy", "H1"), a number, or a member.

        Raises: ValueError: there is no such member; the message lists those there are.
        """
        found: object
        if isinstance(value, str):
            found = cls.__members__.get(value.strip().upper())
        else:
            found = cls._value2member_map_.get(value)
        if isinstance(found, cls):
            return found
        names = ", ".join(cls.__members__)
        raise ValueError(f"{value!r} is not a {cls.__name__}; use one of {names}")

    @classmethod
    def _missing_(cls, value: object) -> WireEnum | None:
        if isinstance(value, int) and not isinstance(value, bool):
            return _unknown_member(cls, int(value))
        return None

    def __str__(self) -> str:
        return self._name_

    def __format__(self, format_spec: str) -> str:
        return format(int(self), format_spec) if format_spec else self._name_

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:  # Any: as in enum's own declaration
        return (type(self), (self._value_,))


@functools.lru_cache(maxsize=_UNKNOWN_MEMBERS_KEPT)
def _unknown_member(cls: type[WireEnum], number: int) -> WireEnum:
    member = int.__new__(cls, number)
    member._name_ = f"UNKNOWN_{number}"
    member._value_ = number
    return member


class AccessRights(WireEnum):
    """What an account may do."""

    FULL_ACCESS = 0
    """Trade without restriction."""
    CLOSE_ONLY = 1
    """Close positions, open none."""
    NO_TRADING = 2
    """Look, but not trade."""
    NO_LOGIN = 3
    """Not even log in."""


class AccountType(WireEnum):
    """How an account keeps its positions."""

    HEDGED = 0
    """Several positions in one symbol, also in both directions."""
    NETTED = 1
    """One position per symbol; opposite orders reduce it."""
    SPREAD_BETTING = 2
    """Stakes per point instead of volumes."""


class ChangeBalanceType(WireEnum):
    """Why a balance changed, apart from trading."""

    BALANCE_DEPOSIT = 0
    """Deposit."""
    BALANCE_WITHDRAW = 1
    """Withdrawal."""
    BALANCE_DEPOSIT_STRATEGY_COMMISSION_INNER = 3
    """Strategy commission received inside the broker."""
    BALANCE_WITHDRAW_STRATEGY_COMMISSION_INNER = 4
    """Strategy commission paid inside the broker."""
    BALANCE_DEPOSIT_IB_COMMISSIONS = 5
    """Commission received as an introducing broker."""
    BALANCE_WITHDRAW_IB_SHARED_PERCENTAGE = 6
    """Share paid as an introducing broker."""
    BALANCE_DEPOSIT_IB_SHARED_PERCENTAGE_FROM_SUB_IB = 7
    """Share received from a sub-introducer."""
    BALANCE_DEPOSIT_IB_SHARED_PERCENTAGE_FROM_BROKER = 8
    """Share received from the broker."""
    BALANCE_DEPOSIT_REBATE = 9
    """Rebate received."""
    BALANCE_WITHDRAW_REBATE = 10
    """Rebate taken back."""
    BALANCE_DEPOSIT_STRATEGY_COMMISSION_OUTER = 11
    """Strategy commission received from outside the broker."""
    BALANCE_WITHDRAW_STRATEGY_COMMISSION_OUTER = 12
    """Strategy commission paid outside the broker."""
    BALANCE_WITHDRAW_BONUS_COMPENSATION = 13
    """Compensation for a bonus taken."""
    BALANCE_WITHDRAW_IB_SHARED_PERCENTAGE_TO_BROKER = 14
    """Share paid to the broker."""
    BALANCE_DEPOSIT_DIVIDENDS = 15
    """Dividend received."""
    BALANCE_WITHDRAW_DIVIDENDS = 16
    """Dividend paid on a short position."""
    BALANCE_WITHDRAW_GSL_CHARGE = 17
    """Charge for a guaranteed stop loss."""
    BALANCE_WITHDRAW_ROLLOVER = 18
    """Rollover charge of a swap-free account."""
    BALANCE_DEPOSIT_NONWITHDRAWABLE_BONUS = 19
    """Bonus credited that cannot be withdrawn."""
    BALANCE_WITHDRAW_NONWITHDRAWABLE_BONUS = 20
    """Bonus taken back that could not be withdrawn."""
    BALANCE_DEPOSIT_SWAP = 21
    """Swap received."""
    BALANCE_WITHDRAW_SWAP = 22
    """Swap paid."""
    BALANCE_DEPOSIT_MANAGEMENT_FEE = 27
    """Management fee received."""
    BALANCE_WITHDRAW_MANAGEMENT_FEE = 28
    """Management fee paid."""
    BALANCE_DEPOSIT_PERFORMANCE_FEE = 29
    """Performance fee received."""
    BALANCE_WITHDRAW_FOR_SUBACCOUNT = 30
    """Withdrawal that funds a subaccount."""
    BALANCE_DEPOSIT_TO_SUBACCOUNT = 31
    """Deposit into a subaccount."""
    BALANCE_WITHDRAW_FROM_SUBACCOUNT = 32
    """Withdrawal from a subaccount."""
    BALANCE_DEPOSIT_FROM_SUBACCOUNT = 33
    """Deposit that came from a subaccount."""
    BALANCE_WITHDRAW_COPY_FEE = 34
    """Fee for copying paid."""
    BALANCE_WITHDRAW_INACTIVITY_FEE = 35
    """Fee for inactivity paid."""
    BALANCE_DEPOSIT_TRANSFER = 36
    """Transfer received."""
    BALANCE_WITHDRAW_TRANSFER = 37
    """Transfer sent."""
    BALANCE_DEPOSIT_CONVERTED_BONUS = 38
    """Bonus turned into balance."""
    BALANCE_DEPOSIT_NEGATIVE_BALANCE_PROTECTION = 39
    """Negative balance made up by the broker."""


class ChangeBonusType(WireEnum):
    """Why a bonus changed."""

    BONUS_DEPOSIT = 0
    """Bonus credited."""
    BONUS_WITHDRAW = 1
    """Bonus taken back."""


class ClientPermissionScope(WireEnum):
    """What an access token permits."""

    SCOPE_VIEW = 0
    """Read only."""
    SCOPE_TRADE = 1
    """Read and trade."""


class CommissionType(WireEnum):
    """What a symbol's commission is counted in."""

    USD_PER_MILLION_USD = 1
    """US dollars per million US dollars traded."""
    USD_PER_LOT = 2
    """US dollars per lot."""
    PERCENTAGE_OF_VALUE = 3
    """Percent of the traded value."""
    QUOTE_CCY_PER_LOT = 4
    """Quote currency per lot."""


class DayOfWeek(WireEnum):
    """A day of the week, counted as the server does."""

    NONE = 0
    """No day."""
    MONDAY = 1
    """Monday."""
    TUESDAY = 2
    """Tuesday."""
    WEDNESDAY = 3
    """Wednesday."""
    THURSDAY = 4
    """Thursday."""
    FRIDAY = 5
    """Friday."""
    SATURDAY = 6
    """Saturday."""
    SUNDAY = 7
    """Sunday."""


class DealStatus(WireEnum):
    """How an execution ended."""

    FILLED = 2
    """Filled in full."""
    PARTIALLY_FILLED = 3
    """Filled in part."""
    REJECTED = 4
    """Rejected by the liquidity provider."""
    INTERNALLY_REJECTED = 5
    """Rejected by the trading server."""
    ERROR = 6
    """Failed with an error."""
    MISSED = 7
    """Not executed: the price was missed."""


class ExecutionType(WireEnum):
    """What happened to an order."""

    ORDER_ACCEPTED = 2
    """Accepted; for a market order only a step on the way."""
    ORDER_FILLED = 3
    """Filled in full."""
    ORDER_REPLACED = 4
    """Changed."""
    ORDER_CANCELLED = 5
    """Cancelled."""
    ORDER_EXPIRED = 6
    """Expired."""
    ORDER_REJECTED = 7
    """Rejected."""
    ORDER_CANCEL_REJECTED = 8
    """Not cancelled, because something was faster."""
    SWAP = 9
    """Swap was booked."""
    DEPOSIT_WITHDRAW = 10
    """Money was deposited or withdrawn."""
    ORDER_PARTIAL_FILL = 11
    """Filled in part."""
    BONUS_DEPOSIT_WITHDRAW = 12
    """A bonus was credited or taken back."""


class LimitedRiskMarginCalculationStrategy(WireEnum):
    """How a limited-risk account computes its margin."""

    ACCORDING_TO_LEVERAGE = 0
    """From the leverage."""
    ACCORDING_TO_GSL = 1
    """From the distance of the guaranteed stop loss."""
    ACCORDING_TO_GSL_AND_LEVERAGE = 2
    """From both."""


class MinCommissionType(WireEnum):
    """What a symbol's least commission is counted in."""

    CURRENCY = 1
    """The currency that the symbol names."""
    QUOTE_CURRENCY = 2
    """The symbol's quote currency."""


class NotificationType(WireEnum):
    """Which of the three margin call thresholds."""

    MARGIN_LEVEL_THRESHOLD_1 = 61
    """The first threshold."""
    MARGIN_LEVEL_THRESHOLD_2 = 62
    """The second threshold."""
    MARGIN_LEVEL_THRESHOLD_3 = 63
    """The third threshold."""


class OrderSide(WireEnum):
    """Direction of an order, deal or position."""

    BUY = 1
    """Buy; a long position."""
    SELL = 2
    """Sell; a short position."""


class OrderStatus(WireEnum):
    """State of an order."""

    ACCEPTED = 1
    """Accepted and working."""
    FILLED = 2
    """Filled in full."""
    REJECTED = 3
    """Rejected."""
    EXPIRED = 4
    """Expired."""
    CANCELLED = 5
    """Cancelled."""


class OrderType(WireEnum):
    """Kind of an order."""

    MARKET = 1
    """Fill now at the market."""
    LIMIT = 2
    """Fill at the limit price or better."""
    STOP = 3
    """Become a market order when the stop price is reached."""
    STOP_LOSS_TAKE_PROFIT = 4
    """The order that protects a position; the server makes it."""
    MARKET_RANGE = 5
    """Fill now, within a slippage from a base price."""
    STOP_LIMIT = 6
    """Become a limit order when the stop price is reached."""


class PositionStatus(WireEnum):
    """State of a position."""

    OPEN = 1
    """Open."""
    CLOSED = 2
    """Closed."""
    CREATED = 3
    """Empty: it belongs to an order that is not filled yet."""
    ERROR = 4
    """Failed with an error."""


class QuoteType(WireEnum):
    """Side of a price."""

    BID = 1
    """The price to sell at."""
    ASK = 2
    """The price to buy at."""


class StopOutStrategy(WireEnum):
    """Which position is closed first when the margin runs out."""

    MOST_MARGIN_USED_FIRST = 0
    """The one that uses the most margin."""
    MOST_LOSING_FIRST = 1
    """The one that loses the most."""


class StopTriggerMethod(WireEnum):
    """Which quotes set off a stop."""

    TRADE = 1
    """One quote on the side that the order trades at."""
    OPPOSITE = 2
    """One quote on the opposite side."""
    DOUBLE_TRADE = 3
    """Two quotes running on the side that the order trades at."""
    DOUBLE_OPPOSITE = 4
    """Two quotes running on the opposite side."""


class SwapCalculationType(WireEnum):
    """What a symbol's swap is counted in."""

    PIPS = 0
    """Pips."""
    PERCENTAGE = 1
    """Percent a year."""
    POINTS = 2
    """Points."""


class SymbolDistanceType(WireEnum):
    """What a symbol's least distances are counted in."""

    SYMBOL_DISTANCE_IN_POINTS = 1
    """Points."""
    SYMBOL_DISTANCE_IN_PERCENTAGE = 2
    """Percent of the price."""


class TimeInForce(WireEnum):
    """How long an order works."""

    GOOD_TILL_DATE = 1
    """Until its expiration time."""
    GOOD_TILL_CANCEL = 2
    """Until it is cancelled."""
    IMMEDIATE_OR_CANCEL = 3
    """Fill now what can be filled; the rest lapses."""
    FILL_OR_KILL = 4
    """Fill in full now, or not at all."""
    MARKET_ON_OPEN = 5
    """At the opening of the market."""


class TotalMarginCalculationType(WireEnum):
    """How an account adds up the margins of opposite positions."""

    MAX = 0
    """The larger side counts."""
    SUM = 1
    """Both sides count."""
    NET = 2
    """The difference counts."""


class TradingMode(WireEnum):
    """What may be done in a symbol."""

    ENABLED = 0
    """Everything."""
    DISABLED_WITHOUT_PENDINGS_EXECUTION = 1
    """Nothing; pending orders do not fill either."""
    DISABLED_WITH_PENDINGS_EXECUTION = 2
    """No new requests, but pending orders may fill."""
    CLOSE_ONLY = 3
    """Closing positions only."""


class TrendbarPeriod(WireEnum):
    """Length of a bar; `TrendbarPeriod.parse("H1")` finds one by name."""

    M1 = 1
    """One minute."""
    M2 = 2
    """Two minutes."""
    M3 = 3
    """Three minutes."""
    M4 = 4
    """Four minutes."""
    M5 = 5
    """Five minutes."""
    M10 = 6
    """Ten minutes."""
    M15 = 7
    """A quarter of an hour."""
    M30 = 8
    """Half an hour."""
    H1 = 9
    """One hour."""
    H4 = 10
    """Four hours."""
    H12 = 11
    """Twelve hours."""
    D1 = 12
    """One day, beginning at 17:00 in New York."""
    W1 = 13
    """One week."""
    MN1 = 14
    """One calendar month."""

    @property
    def minutes(self) -> int | None:
        """Length in minutes; None for MN1, as months differ, and for an unknown period.

        D1 and W1 count 1,440 and 10,080 minutes, although a bar that holds a change to or from
        summer time is an hour shorter or longer.
        """
        return _PERIOD_MINUTES.get(self._value_)

    @property
    def duration(self) -> timedelta | None:
        """`minutes` as a timedelta; None where that is None."""
        minutes = self.minutes
        return None if minutes is None else timedelta(minutes=minutes)


_PERIOD_MINUTES: Final = MappingProxyType(
    {
        TrendbarPeriod.M1.value: 1,
        TrendbarPeriod.M2.value: 2,
        TrendbarPeriod.M3.value: 3,
        TrendbarPeriod.M4.value: 4,
        TrendbarPeriod.M5.value: 5,
        TrendbarPeriod.M10.value: 10,
        TrendbarPeriod.M15.value: 15,
        TrendbarPeriod.M30.value: 30,
        TrendbarPeriod.H1.value: 60,
        TrendbarPeriod.H4.value: 4 * 60,
        TrendbarPeriod.H12.value: 12 * 60,
        TrendbarPeriod.D1.value: 24 * 60,
        TrendbarPeriod.W1.value: 7 * 24 * 60,
    }
)


class AuthTrigger(StrEnum):
    """Why an account was authenticated; not a value of the wire."""

    INITIAL = "initial"
    """The first time on this client."""
    RECONNECT = "reconnect"
    """The link was made anew."""
    TOKEN_REFRESH = "token_refresh"
    """Its tokens were refreshed."""
    ACCOUNT_REAUTH = "account_reauth"
    """The server ended the account's session, and the link stood."""
