"""Define every event that the server or the link can cause.

Events hold the wire's integers; prices and times are properties that convert when asked. Prices
come as `float` in price units, times as aware UTC datetimes, what was not sent as None.
"""

from __future__ import annotations

__all__ = [
    "EVENT_FROM_MESSAGE",
    "EVENT_TYPE_BY_MESSAGE",
    "AccountDisconnectEvent",
    "AccountStateChangedEvent",
    "BonusDepositWithdraw",
    "ClientDisconnectEvent",
    "ConnectedEvent",
    "DataGapEvent",
    "DepositWithdraw",
    "DepthEvent",
    "DepthQuote",
    "DisconnectedEvent",
    "Event",
    "EventReader",
    "ExecutionEvent",
    "MarginCallTriggerEvent",
    "MarginCallUpdateEvent",
    "MarginChangeEvent",
    "OrderErrorEvent",
    "OrderResolvedEvent",
    "PnLChangeEvent",
    "ProfitDiscrepancyEvent",
    "Quote",
    "ReadyEvent",
    "ReauthorizationRequiredEvent",
    "ReconnectedEvent",
    "ServerErrorEvent",
    "SpotEvent",
    "SubscriptionQuietEvent",
    "SubscriptionRestoreFailedEvent",
    "SymbolChangedEvent",
    "TokenInvalidatedEvent",
    "TokenRefreshFailedEvent",
    "TokenSaveFailedEvent",
    "TokensRotatedEvent",
    "TraderUpdateEvent",
    "TrailingStopChangedEvent",
    "Trendbar",
    "UndecodableMessageEvent",
    "UnknownMessageEvent",
    "merge_spots",
]

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from ctrader.enums import AuthTrigger, ExecutionType, NotificationType
from ctrader.models.accounts import Account, BonusDepositWithdraw, DepositWithdraw
from ctrader.models.changes import AccountChange
from ctrader.models.deals import Deal
from ctrader.models.market import DepthQuote, Quote, Trendbar
from ctrader.models.orders import Order
from ctrader.models.outcomes import OrderOutcome, TookEffect
from ctrader.models.positions import Position
from ctrader.models.risk import MarginCall
from ctrader.models.wire import (
    int_of,
    millis_text,
    money_digits_of,
    required_enum_of,
    required_float_of,
    text_of,
)
from ctrader.proto import (
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAClientDisconnectEvent,
    ProtoOADepthEvent,
    ProtoOAExecutionEvent,
    ProtoOAMarginCallTriggerEvent,
    ProtoOAMarginCallUpdateEvent,
    ProtoOAMarginChangedEvent,
    ProtoOAOrderErrorEvent,
    ProtoOASpotEvent,
    ProtoOASymbolChangedEvent,
    ProtoOATraderUpdatedEvent,
    ProtoOATrailingSLChangedEvent,
    ProtoOAv1PnLChangeEvent,
)
from ctrader.units import datetime_from_millis, money_from_wire, price_from_wire

if TYPE_CHECKING:
    from datetime import datetime

    from google.protobuf.message import Message

    from ctrader.credentials import AccountCredentials
    from ctrader.errors import APIError, ReauthorizationRequiredError, TokenRefreshError


class Event(msgspec.Struct, frozen=True):
    """Something that happened; every event is one of its subclasses."""


# Prices


class SpotEvent(Event, frozen=True, gc=False):
    """A symbol's price changed, a live bar changed, or both.

    The server sends only the side that changed: `bid` and `ask` are what this message carried,
    `quote` holds both sides as last known.
    """

    account_id: int
    """The account whose prices these are."""
    symbol_id: int
    """The symbol."""
    bid_points: int | None
    """Bid that the message carried, in 1/100000; None where it did not change."""
    ask_points: int | None
    """Ask that the message carried, in 1/100000; None where it did not change."""
    trendbars: tuple[Trendbar, ...] = ()
    """Forming bars that changed, one for each subscribed period."""
    session_close_points: int | None = None
    """Close of the previous session in 1/100000, None where it was not sent."""
    timestamp_ms: int | None = None
    """Unix milliseconds of the tick; None unless spot timestamps were subscribed."""
    last_bid_points: int | None = None
    """Bid after this event in 1/100000; None until one was seen on this link."""
    last_ask_points: int | None = None
    """Ask after this event in 1/100000; None until one was seen on this link."""

    def __str__(self) -> str:
        parts = [
            f"account_id={self.account_id}",
            f"symbol_id={self.symbol_id}",
            f"bid={self.bid}",
            f"ask={self.ask}",
        ]
        if self.trendbars:
            parts.append(f"trendbar=[{', '.join(map(str, self.trendbars))}]")
        if self.session_close_points is not None:
            parts.append(f"session_close={self.session_close}")
        if self.timestamp_ms is not None:
            parts.append(f"timestamp={millis_text(self.timestamp_ms)}")
        return f"SpotEvent({', '.join(parts)})"

    @property
    def bid(self) -> float | None:
        """Bid that the message carried, None where it did not change."""
        return None if self.bid_points is None else price_from_wire(self.bid_points)

    @property
    def ask(self) -> float | None:
        """Ask that the message carried, None where it did not change."""
        return None if self.ask_points is None else price_from_wire(self.ask_points)

    @property
    def trendbar(self) -> list[Trendbar]:
        """Forming bars that changed, one for each subscribed period."""
        return list(self.trendbars)

    @property
    def session_close(self) -> float | None:
        """Close of the previous session, None where it was not sent."""
        points = self.session_close_points
        return None if points is None else price_from_wire(points)

    @property
    def timestamp(self) -> datetime | None:
        """Time of the tick; None unless spot timestamps were subscribed."""
        return None if self.timestamp_ms is None else datetime_from_millis(self.timestamp_ms)

    @property
    def quote(self) -> Quote | None:
        """Both sides as last known, None until both were seen on this link."""
        bid = self.last_bid_points if self.bid_points is None else self.bid_points
        ask = self.last_ask_points if self.ask_points is None else self.ask_points
        if bid is None or ask is None:
            return None
        return Quote(self.symbol_id, self.account_id, bid, ask, self.timestamp_ms)

    @classmethod
    def from_proto(
        cls,
        message: ProtoOASpotEvent,
        last_bid_points: int | None = None,
        last_ask_points: int | None = None,
    ) -> SpotEvent:
        """Read a spot event.

        Args:
            message: The event.
            last_bid_points: Bid before this event, in 1/100000; None if none was seen yet.
            last_ask_points: Ask before this event, in 1/100000; None if none was seen yet.

        Raises:
            ProtocolError: a bar in it has no price or no time.
        """
        # Prices are hardly ever 0, so presence is asked for only where a side reads as 0.
        bid: int | None = message.bid
        if not bid and not message.HasField("bid"):
            bid = None
        else:
            last_bid_points = bid
        ask: int | None = message.ask
        if not ask and not message.HasField("ask"):
            ask = None
        else:
            last_ask_points = ask
        bars = message.trendbar
        return cls(
            message.ctidTraderAccountId,
            message.symbolId,
            bid,
            ask,
            tuple([Trendbar.from_proto(bar, None, last_bid_points) for bar in bars])
            if bars
            else (),
            message.sessionClose if message.HasField("sessionClose") else None,
            message.timestamp if message.HasField("timestamp") else None,
            last_bid_points,
            last_ask_points,
        )


def merge_spots(older: SpotEvent, newer: SpotEvent) -> SpotEvent:
    """Merge two spot events of one symbol into one that says what both said.

    The newest of each side is kept, and the newest state of each bar. What is lost is only that
    there were two steps. Between them the link may have been lost: a side that only the older
    carried is kept while the newer still has it as its last, so that no quote is made of the
    prices of two links.

    Raises:
        ValueError: the events are of different symbols or accounts.
    """
    if (older.account_id, older.symbol_id) != (newer.account_id, newer.symbol_id):
        raise ValueError(
            f"spots of symbol {older.symbol_id} on account {older.account_id} and of symbol "
            f"{newer.symbol_id} on account {newer.account_id} cannot be merged"
        )
    if older.trendbars and newer.trendbars:
        bars = {(bar.period, bar.start_minutes): bar for bar in older.trendbars}
        bars.update({(bar.period, bar.start_minutes): bar for bar in newer.trendbars})
        trendbars = tuple(bars.values())
    else:
        trendbars = newer.trendbars or older.trendbars
    return SpotEvent(
        newer.account_id,
        newer.symbol_id,
        _side(older.bid_points, newer.bid_points, newer.last_bid_points),
        _side(older.ask_points, newer.ask_points, newer.last_ask_points),
        trendbars,
        _newest(older.session_close_points, newer.session_close_points),
        _newest(older.timestamp_ms, newer.timestamp_ms),
        newer.last_bid_points,
        newer.last_ask_points,
    )


class DepthEvent(Event, frozen=True, gc=False):
    """The order book of a symbol changed: first drop the deleted, then put in the new."""

    account_id: int
    """The account whose book this is."""
    symbol_id: int
    """The symbol."""
    new_quotes: tuple[DepthQuote, ...]
    """Entries to put in, or to replace by id."""
    deleted_quote_ids: tuple[int, ...]
    """Ids of entries to drop."""
    is_first: bool = False
    """Whether the book begins anew: whatever it held before is gone.

    True for the first event of a subscription, and again of one that was restored after a loss.
    """

    @classmethod
    def from_proto(cls, message: ProtoOADepthEvent, money_digits: int | None = None) -> DepthEvent:
        """Read a depth event.

        Raises:
            ProtocolError: an entry has neither a bid nor an ask.
        """
        return cls(
            message.ctidTraderAccountId,
            message.symbolId,
            tuple([DepthQuote.from_proto(quote) for quote in message.newQuotes]),
            tuple(message.deletedQuotes),
        )


class SymbolChangedEvent(Event, frozen=True, gc=False):
    """Symbols changed on the server; what is cached of them is out of date."""

    account_id: int
    """The account that these symbols belong to."""
    symbol_ids: tuple[int, ...]
    """The symbols to ask for again."""

    @classmethod
    def from_proto(
        cls, message: ProtoOASymbolChangedEvent, money_digits: int | None = None
    ) -> SymbolChangedEvent:
        """Read a symbol change."""
        return cls(message.ctidTraderAccountId, tuple(message.symbolId))


# Trading


class ExecutionEvent(Event, frozen=True):
    """Something happened to an order, a position or the balance.

    One request usually causes several: a market order is accepted, then filled, and its stop loss
    and take profit then appear as an order of their own. Events of other programs on the same
    account look the same.
    """

    account_id: int
    """The account."""
    execution_type: ExecutionType
    """What happened."""
    order: Order | None = None
    """The order after it; None where no order is concerned."""
    position: Position | None = None
    """The position after it; one that is `CREATED` with volume 0 holds nothing."""
    deal: Deal | None = None
    """The deal, if something was filled."""
    is_server_event: bool = False
    """True if no request caused it directly: protection orders, stop-outs."""
    error_code: str | None = None
    """Why it was rejected, in the server's words."""
    deposit_withdraw: DepositWithdraw | None = None
    """The change of the balance, of a `DEPOSIT_WITHDRAW`."""
    bonus_deposit_withdraw: BonusDepositWithdraw | None = None
    """The change of the bonus, of a `BONUS_DEPOSIT_WITHDRAW`."""
    is_recovered: bool = False
    """True if it was not told as it happened, but found in the history later."""

    @property
    def symbol_id(self) -> int | None:
        """The symbol concerned, None for changes of the balance."""
        for entity in (self.order, self.position, self.deal):
            if entity is not None:
                return entity.symbol_id
        return None

    @property
    def order_id(self) -> int | None:
        """The order concerned, None where there is none."""
        if self.order is not None:
            return self.order.order_id
        return None if self.deal is None else self.deal.order_id

    @property
    def position_id(self) -> int | None:
        """The position concerned, None where there is none."""
        if self.position is not None:
            return self.position.position_id
        if self.deal is not None:
            return self.deal.position_id
        return None if self.order is None else self.order.position_id

    @property
    def client_order_id(self) -> str | None:
        """The id that the order was given when it was sent, None where it has none."""
        return None if self.order is None else self.order.client_order_id or None

    @classmethod
    def from_proto(
        cls, message: ProtoOAExecutionEvent, money_digits: int | None = None
    ) -> ExecutionEvent:
        """Read an execution event.

        Args:
            message: The event.
            money_digits: The trader's money digits, for parts that do not say their own.

        Raises:
            ProtocolError: a time, a number or a text in it makes no sense.
        """
        return cls(
            message.ctidTraderAccountId,
            required_enum_of(message, "executionType", ExecutionType),
            Order.from_proto(message.order) if message.HasField("order") else None,
            Position.from_proto(message.position, money_digits)
            if message.HasField("position")
            else None,
            Deal.from_proto(message.deal, money_digits) if message.HasField("deal") else None,
            message.isServerEvent,
            text_of(message, "errorCode"),
            DepositWithdraw.from_proto(message.depositWithdraw, money_digits)
            if message.HasField("depositWithdraw")
            else None,
            BonusDepositWithdraw.from_proto(message.bonusDepositWithdraw, money_digits)
            if message.HasField("bonusDepositWithdraw")
            else None,
        )


class OrderErrorEvent(Event, frozen=True, gc=False):
    """The server refused a trading request."""

    account_id: int
    """The account."""
    order_id: int | None
    """The order concerned, None where the server does not say."""
    position_id: int | None
    """The position concerned, None where the server does not say."""
    error_code: str
    """The server's code, for example `NOT_ENOUGH_MONEY`; the list of codes is open."""
    description: str = ""
    """The server's explanation, empty where it gives none."""

    @classmethod
    def from_proto(
        cls, message: ProtoOAOrderErrorEvent, money_digits: int | None = None
    ) -> OrderErrorEvent:
        """Read an order error; the server writes 0 for ids that it does not know.

        Raises:
            ProtocolError: a text in it is not UTF-8.
        """
        return cls(
            message.ctidTraderAccountId,
            message.orderId or None,
            message.positionId or None,
            text_of(message, "errorCode") or "",
            text_of(message, "description") or "",
        )


class TrailingStopChangedEvent(Event, frozen=True, gc=False):
    """A trailing stop moved; no execution event tells of it."""

    account_id: int
    """The account."""
    position_id: int
    """The position that it protects."""
    order_id: int
    """The protection order."""
    stop_price: float
    """The new stop loss."""
    timestamp_ms: int
    """When it moved, in Unix milliseconds."""

    @property
    def timestamp(self) -> datetime:
        """When it moved."""
        return datetime_from_millis(self.timestamp_ms)

    @classmethod
    def from_proto(
        cls, message: ProtoOATrailingSLChangedEvent, money_digits: int | None = None
    ) -> TrailingStopChangedEvent:
        """Read a move of a trailing stop.

        Raises:
            ProtocolError: the stop price is no number.
        """
        return cls(
            message.ctidTraderAccountId,
            message.positionId,
            message.orderId,
            required_float_of(message, "stopPrice"),
            message.utcLastUpdateTimestamp,
        )


# Accounts


class TraderUpdateEvent(Event, frozen=True):
    """The account changed: balance, leverage, rights or another of its properties."""

    account_id: int
    """The account."""
    account: Account
    """The account as it now is."""

    @classmethod
    def from_proto(
        cls, message: ProtoOATraderUpdatedEvent, money_digits: int | None = None
    ) -> TraderUpdateEvent:
        """Read a change of an account.

        Raises:
            ProtocolError: a time, a number or a text in it makes no sense.
        """
        return cls(message.ctidTraderAccountId, Account.from_proto(message.trader, money_digits))


class MarginChangeEvent(Event, frozen=True, gc=False):
    """The margin of a position was computed anew."""

    account_id: int
    """The account."""
    position_id: int
    """The position."""
    used_margin: int
    """Margin that it uses, an integer with `money_digits` decimals."""
    money_digits: int | None
    """Decimals of `used_margin`; None where the server does not say, then 2."""

    @property
    def amount(self) -> Decimal:
        """Margin that the position uses, in the account's currency."""
        return money_from_wire(self.used_margin, self.money_digits)

    @classmethod
    def from_proto(
        cls, message: ProtoOAMarginChangedEvent, money_digits: int | None = None
    ) -> MarginChangeEvent:
        """Read a change of margin.

        Args:
            message: The event.
            money_digits: The trader's money digits, if the event does not say its own.

        Raises:
            ProtocolError: it has more digits than any amount can have.
        """
        return cls(
            message.ctidTraderAccountId,
            message.positionId,
            message.usedMargin,
            money_digits_of(message, money_digits),
        )


class MarginCallTriggerEvent(Event, frozen=True, gc=False):
    """The margin level fell to one of the account's thresholds."""

    account_id: int
    """The account."""
    margin_call_type: NotificationType
    """Which of the three thresholds."""
    margin_level_threshold: Decimal
    """The threshold, in percent of margin level."""
    timestamp_ms: int | None = None
    """When the threshold was last set, in Unix milliseconds; None where unsaid."""

    @property
    def margin_call(self) -> MarginCall:
        """The threshold, as `accounts.get_margin_calls` gives it."""
        return MarginCall(
            margin_call_type=self.margin_call_type,
            margin_level_threshold=self.margin_level_threshold,
            last_update_timestamp=self.timestamp,
        )

    @property
    def timestamp(self) -> datetime | None:
        """When the threshold was last set, None where it is not said."""
        return None if self.timestamp_ms is None else datetime_from_millis(self.timestamp_ms)

    @classmethod
    def from_proto(
        cls, message: ProtoOAMarginCallTriggerEvent, money_digits: int | None = None
    ) -> MarginCallTriggerEvent:
        """Read a margin call.

        Raises:
            ProtocolError: the threshold is no number.
        """
        call = MarginCall.from_proto(message.marginCall)
        return cls(
            message.ctidTraderAccountId,
            call.margin_call_type,
            call.margin_level_threshold,
            int_of(message.marginCall, "utcLastUpdateTimestamp"),
        )


class MarginCallUpdateEvent(Event, frozen=True):
    """A margin call threshold of the account was changed."""

    account_id: int
    """The account."""
    margin_call: MarginCall
    """The threshold as it now is."""

    @classmethod
    def from_proto(
        cls, message: ProtoOAMarginCallUpdateEvent, money_digits: int | None = None
    ) -> MarginCallUpdateEvent:
        """Read a change of a margin call threshold.

        Raises:
            ProtocolError: the threshold is no number, or its time makes no sense.
        """
        return cls(message.ctidTraderAccountId, MarginCall.from_proto(message.marginCall))


class PnLChangeEvent(Event, frozen=True, gc=False):
    """The unrealised profit of the account's open positions changed."""

    account_id: int
    """The account."""
    gross_unrealized_pnl_wire: int
    """Profit without swap and commission, an integer with `money_digits` decimals."""
    net_unrealized_pnl_wire: int
    """Profit with swap and commission so far, an integer of `money_digits` decimals."""
    money_digits: int | None
    """Decimals of both amounts."""

    @property
    def gross_unrealized_pnl(self) -> Decimal:
        """Profit without swap and commission, in the account's currency."""
        return money_from_wire(self.gross_unrealized_pnl_wire, self.money_digits)

    @property
    def net_unrealized_pnl(self) -> Decimal:
        """Profit with swap and the commission charged so far, in the account's currency."""
        return money_from_wire(self.net_unrealized_pnl_wire, self.money_digits)

    @classmethod
    def from_proto(
        cls, message: ProtoOAv1PnLChangeEvent, money_digits: int | None = None
    ) -> PnLChangeEvent:
        """Read a change of profit.

        Raises:
            ProtocolError: it has more digits than any amount can have.
        """
        return cls(
            message.ctidTraderAccountId,
            message.grossUnrealizedPnL,
            message.netUnrealizedPnL,
            money_digits_of(message, money_digits),
        )


class AccountDisconnectEvent(Event, frozen=True, gc=False):
    """The server ended the session of one account; the link itself stands."""

    account_id: int
    """The account."""

    @classmethod
    def from_proto(
        cls, message: ProtoOAAccountDisconnectEvent, money_digits: int | None = None
    ) -> AccountDisconnectEvent:
        """Read the end of an account's session."""
        return cls(message.ctidTraderAccountId)


class ClientDisconnectEvent(Event, frozen=True, gc=False):
    """The server is about to close the link."""

    reason: str = ""
    """Why, in the server's words; empty where it does not say."""

    @classmethod
    def from_proto(
        cls, message: ProtoOAClientDisconnectEvent, money_digits: int | None = None
    ) -> ClientDisconnectEvent:
        """Read the end of the link.

        Raises:
            ProtocolError: the reason is not UTF-8.
        """
        return cls(text_of(message, "reason") or "")


class TokenInvalidatedEvent(Event, frozen=True, gc=False):
    """The access token of these accounts is no longer valid."""

    account_ids: tuple[int, ...]
    """The accounts whose sessions ended with it."""
    reason: str = ""
    """Why, in the server's words; empty where it does not say."""

    @classmethod
    def from_proto(
        cls, message: ProtoOAAccountsTokenInvalidatedEvent, money_digits: int | None = None
    ) -> TokenInvalidatedEvent:
        """Read the end of a token.

        Raises:
            ProtocolError: the reason is not UTF-8.
        """
        return cls(tuple(message.ctidTraderAccountIds), text_of(message, "reason") or "")


# Link


class ConnectedEvent(Event, frozen=True, gc=False):
    """The link stands; nothing is authenticated on it yet."""

    epoch: int
    """Number of the link: 1 for the first, then counting up."""
    at: datetime
    """When it was made."""


class DisconnectedEvent(Event, frozen=True):
    """The link is lost; closing the client gives no such event."""

    cause: Exception
    """Why."""
    at: datetime
    """When it was noticed."""
    will_reconnect: bool
    """True if a new link is being made."""


class ReconnectedEvent(Event, frozen=True, gc=False):
    """A new link stands after a loss, and every account was tried on it."""

    restored_accounts: tuple[int, ...]
    """Accounts that are authenticated again."""
    failed_accounts: tuple[tuple[int, str], ...]
    """Accounts that are not, each with the reason; they are tried again."""


class ReadyEvent(Event, frozen=True, gc=False):
    """An account is authenticated and everything wanted on it was answered."""

    account_id: int
    """The account."""
    trigger: AuthTrigger
    """What made it authenticate."""

    @property
    def is_reconnect(self) -> bool:
        """True after a lost link: state read before it may be out of date."""
        return self.trigger is AuthTrigger.RECONNECT


class DataGapEvent(Event, frozen=True, gc=False):
    """Nothing of these symbols was received between two moments; it never comes."""

    account_id: int
    """The account."""
    symbol_ids: tuple[int, ...]
    """The symbols whose prices are missing."""
    start: datetime
    """When the link was last known to be alive."""
    end: datetime
    """When the subscriptions stood again."""


class SubscriptionRestoreFailedEvent(Event, frozen=True):
    """A subscription could not be restored on a new link; it is tried again."""

    account_id: int
    """The account."""
    error: Exception
    """Why."""
    symbol_id: int | None = None
    """The symbol, None where the subscription is not of one."""
    topic: str = ""
    """What is wanted, such as `live prices`, `live bars M1`, or `account`."""


class SubscriptionQuietEvent(Event, frozen=True, gc=False):
    """No price of a subscribed symbol came for long although its market is open.

    It comes once for each time that a symbol goes quiet; `ClientConfig.quiet_after` says how long
    that is. A symbol that is hardly traded may be quiet with good reason.
    """

    account_id: int
    """The account."""
    symbol_id: int
    """The symbol."""
    last_at: datetime | None
    """When its last price came, None if none came on this link."""
    quiet_since: datetime
    """From when on one was to be expected: subscribed, and the market open."""


class UnknownMessageEvent(Event, frozen=True, gc=False):
    """A message of a type came that this library does not know."""

    payload_type: int
    """Number of the type."""
    payload: bytes
    """The message as it came; it may hold secrets, so no text shows it."""
    client_msg_id: str | None
    """Id of the request that it belongs to, None where it has none."""

    def __repr__(self) -> str:
        """Tell the payload's length instead of the payload."""
        return (
            f"UnknownMessageEvent(payload_type={self.payload_type}, "
            f"payload=<{len(self.payload)} bytes>, client_msg_id={self.client_msg_id!r})"
        )


class UndecodableMessageEvent(Event, frozen=True, gc=False):
    """A message came that could not be understood."""

    payload_type: int
    """Number of the message's type."""
    payload: bytes
    """The message as it came; it may hold secrets, so no text shows it."""
    client_msg_id: str | None
    """Id of the request that it belongs to, None where it has none."""
    problem: str
    """What is wrong with it."""

    def __repr__(self) -> str:
        """Tell the payload's length instead of the payload."""
        return (
            f"UndecodableMessageEvent(payload_type={self.payload_type}, "
            f"payload=<{len(self.payload)} bytes>, client_msg_id={self.client_msg_id!r}, "
            f"problem={self.problem!r})"
        )


class ServerErrorEvent(Event, frozen=True):
    """The server reported an error that belongs to no request."""

    error: APIError
    """The error."""
    account_id: int | None = None
    """The account concerned, None where the server does not say."""


# Tokens


class TokenRefreshFailedEvent(Event, frozen=True):
    """A scheduled refresh of an account's tokens failed."""

    account_id: int
    """The account."""
    error: TokenRefreshError
    """Why."""


class ReauthorizationRequiredEvent(Event, frozen=True):
    """The refresh token is spent: a user must authorise the application anew.

    Trading goes on while the access token lives. Send the user through the authorisation page,
    and hand in the new tokens with `auth.authenticate_account` for each of the accounts.
    """

    account_ids: tuple[int, ...]
    """The accounts that these tokens serve."""
    error: ReauthorizationRequiredError
    """Why."""


class TokenSaveFailedEvent(Event, frozen=True):
    """New tokens could not be saved; memory holds them, and saving is tried again."""

    account_ids: tuple[int, ...]
    """The accounts that these tokens serve."""
    error: Exception
    """Why."""


class TokensRotatedEvent(Event, frozen=True):
    """Tokens were replaced by new ones; the old ones are dead."""

    account_ids: tuple[int, ...]
    """The accounts that these tokens serve."""
    credentials: tuple[AccountCredentials, ...]
    """The new credentials, one for each account. Without a store nobody else has them."""

    def __repr__(self) -> str:
        """Name the accounts and nothing that must stay secret."""
        return f"TokensRotatedEvent(account_ids={self.account_ids!r}, credentials=<hidden>)"


# Local live state


class AccountStateChangedEvent(Event, frozen=True):
    """What is known locally of an account changed; `account_state` shows it as it is."""

    account_id: int
    """The account."""
    changes: tuple[AccountChange, ...]
    """What changed, at least one change; changes of profit by a quote are not told."""
    while_away: bool = False
    """True if this was not heard when it happened, but found when it was read again."""


class ProfitDiscrepancyEvent(Event, frozen=True, gc=False):
    """Our profit of a position is not the server's, beyond what prices may explain.

    It comes when two comparisons in a row disagree in the same way by more than rounding, one
    spread of the symbol, and the spreads of the symbols that convert; then once for the position,
    until it agrees again. The account is read anew.
    """

    account_id: int
    """The account."""
    position_id: int
    """The position."""
    ours: Decimal | None
    """Net profit by our positions and quotes; None where we know no such position."""
    servers: Decimal | None
    """Net profit by the server; None where it lists no such position."""
    our_gross: Decimal | None = None
    """Profit without swap and commission, by our positions and quotes."""
    servers_gross: Decimal | None = None
    """Profit without swap and commission, by the server."""


# Orders whose outcome was unknown


class OrderResolvedEvent(Event, frozen=True):
    """What became of a trading request whose outcome was unknown is now settled."""

    account_id: int
    """The account."""
    outcome: OrderOutcome
    """Whether it took effect, and what shows that."""

    @property
    def client_order_id(self) -> str | None:
        """The id that the order was sent with; None for requests that have none."""
        return self.outcome.request.client_order_id

    @property
    def order(self) -> Order | None:
        """The order as it was found; None where there is none."""
        return self.outcome.order

    @property
    def deals(self) -> tuple[Deal, ...]:
        """What was filled of it, oldest first."""
        return self.outcome.deals if isinstance(self.outcome, TookEffect) else ()


class EventReader(Protocol):
    """Read a server's message as its event."""

    def __call__(self, message: Any, money_digits: int | None = None, /) -> Event:
        """Read a message that lacks no required field.

        Args:
            message: The message; its class must be the one that the reader is listed under.
            money_digits: The trader's money digits, for amounts that do not say their own.

        Raises:
            ProtocolError: its contents make no sense.
        """
        ...  # pragma: no cover


EVENT_FROM_MESSAGE: Final[Mapping[type[Message], EventReader]] = MappingProxyType(
    {
        ProtoOAAccountDisconnectEvent: AccountDisconnectEvent.from_proto,
        ProtoOAAccountsTokenInvalidatedEvent: TokenInvalidatedEvent.from_proto,
        ProtoOAClientDisconnectEvent: ClientDisconnectEvent.from_proto,
        ProtoOADepthEvent: DepthEvent.from_proto,
        ProtoOAExecutionEvent: ExecutionEvent.from_proto,
        ProtoOAMarginCallTriggerEvent: MarginCallTriggerEvent.from_proto,
        ProtoOAMarginCallUpdateEvent: MarginCallUpdateEvent.from_proto,
        ProtoOAMarginChangedEvent: MarginChangeEvent.from_proto,
        ProtoOAOrderErrorEvent: OrderErrorEvent.from_proto,
        ProtoOASymbolChangedEvent: SymbolChangedEvent.from_proto,
        ProtoOATraderUpdatedEvent: TraderUpdateEvent.from_proto,
        ProtoOATrailingSLChangedEvent: TrailingStopChangedEvent.from_proto,
        ProtoOAv1PnLChangeEvent: PnLChangeEvent.from_proto,
    }
)
"""How to read each message that is an event; spots, which need the last prices, stand apart."""

EVENT_TYPE_BY_MESSAGE: Final[Mapping[type[Message], type[Event]]] = MappingProxyType(
    {
        ProtoOAAccountDisconnectEvent: AccountDisconnectEvent,
        ProtoOAAccountsTokenInvalidatedEvent: TokenInvalidatedEvent,
        ProtoOAClientDisconnectEvent: ClientDisconnectEvent,
        ProtoOADepthEvent: DepthEvent,
        ProtoOAExecutionEvent: ExecutionEvent,
        ProtoOAMarginCallTriggerEvent: MarginCallTriggerEvent,
        ProtoOAMarginCallUpdateEvent: MarginCallUpdateEvent,
        ProtoOAMarginChangedEvent: MarginChangeEvent,
        ProtoOAOrderErrorEvent: OrderErrorEvent,
        ProtoOASpotEvent: SpotEvent,
        ProtoOASymbolChangedEvent: SymbolChangedEvent,
        ProtoOATraderUpdatedEvent: TraderUpdateEvent,
        ProtoOATrailingSLChangedEvent: TrailingStopChangedEvent,
        ProtoOAv1PnLChangeEvent: PnLChangeEvent,
    }
)
"""The event that each message becomes, spots included."""


def _newest(older: int | None, newer: int | None) -> int | None:
    return older if newer is None else newer


def _side(older: int | None, newer: int | None, last: int | None) -> int | None:
    if newer is not None or older is None:
        return newer
    # On one link it is the older's; after a loss it is what the new link told, or nothing.
    return last
