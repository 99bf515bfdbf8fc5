"""Describe orders, and what a trader may send to place or change one."""

from __future__ import annotations

__all__ = [
    "AmendOrderRequest",
    "NewOrderRequest",
    "Order",
    "OrderRequest",
    "check_order",
]

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, Self, TypeAlias

from pydantic import BeforeValidator, model_validator

from ctrader.enums import OrderSide, OrderStatus, OrderType, StopTriggerMethod, TimeInForce
from ctrader.errors import OrderInvalidError
from ctrader.models.entity import Entity
from ctrader.models.positions import AmendPositionRequest, ClosePositionRequest
from ctrader.models.request import (
    Clear,
    ClearableDistance,
    ClearableExpiration,
    ClearablePrice,
    ClientOrderId,
    Comment,
    Distance,
    Expiration,
    Flag,
    Id,
    Label,
    Points,
    Price,
    TradingRequest,
    Volume,
    member_of,
    set_or_none,
)
from ctrader.models.symbols import Symbol, TradingRules
from ctrader.models.wire import (
    enum_of,
    float_of,
    int_of,
    required_enum_of,
    text_of,
    time_of,
    write_enum,
)
from ctrader.proto import ProtoOAAmendOrderReq, ProtoOANewOrderReq
from ctrader.units import (
    PRICE_DIGITS,
    is_on_grid,
    millis_from_datetime,
    nearest_on_grid,
    price_from_wire,
    price_to_wire,
    volume_to_lots,
)

if TYPE_CHECKING:
    from ctrader.proto import ProtoOAOrder


_Side: TypeAlias = Annotated[OrderSide, BeforeValidator(member_of(OrderSide))]
_Type: TypeAlias = Annotated[OrderType, BeforeValidator(member_of(OrderType))]
_TimeInForce: TypeAlias = Annotated[TimeInForce, BeforeValidator(member_of(TimeInForce))]
_Trigger: TypeAlias = Annotated[StopTriggerMethod, BeforeValidator(member_of(StopTriggerMethod))]

# The server's clock decides what has passed, and the computer's may be hours wrong.
_CLOCK_TOLERANCE: Final = timedelta(days=1)

_PRICE_FIELDS: Final = (
    "limit_price",
    "stop_price",
    "stop_loss",
    "take_profit",
    "base_slippage_price",
)
_DISTANCE_FIELDS: Final = ("relative_stop_loss", "relative_take_profit")

_FOREIGN_FIELDS: Final = {
    OrderType.MARKET: (
        "limit_price",
        "stop_price",
        "base_slippage_price",
        "slippage_in_points",
        "stop_trigger_method",
    ),
    OrderType.MARKET_RANGE: ("limit_price", "stop_price", "stop_trigger_method"),
    OrderType.LIMIT: (
        "stop_price",
        "base_slippage_price",
        "slippage_in_points",
        "stop_trigger_method",
    ),
    OrderType.STOP: ("limit_price", "base_slippage_price", "slippage_in_points"),
    OrderType.STOP_LIMIT: ("limit_price", "base_slippage_price"),
}
_NEEDED_FIELDS: Final = {
    OrderType.MARKET: (),
    OrderType.MARKET_RANGE: ("base_slippage_price", "slippage_in_points"),
    OrderType.LIMIT: ("limit_price",),
    OrderType.STOP: ("stop_price",),
    OrderType.STOP_LIMIT: ("stop_price", "slippage_in_points"),
}
_REMEDIES: Final = {
    "limit_price": "limit_price is for order_type LIMIT",
    "stop_price": "stop_price is for order_type STOP or STOP_LIMIT",
    "base_slippage_price": "base_slippage_price is for order_type MARKET_RANGE",
    "slippage_in_points": "slippage_in_points is for order_type MARKET_RANGE or STOP_LIMIT",
    "stop_trigger_method": "stop_trigger_method is for order_type STOP or STOP_LIMIT",
}


class Order(Entity):
    """An order as the server holds it."""

    order_id: int
    """Id of the order; unique at its broker only."""
    symbol_id: int
    """The symbol."""
    side: OrderSide
    """Buy or sell."""
    order_type: OrderType
    """Kind of order; `STOP_LOSS_TAKE_PROFIT` is the one that protects a position."""
    status: OrderStatus
    """How far it came."""
    volume: int
    """Volume that was asked for, in hundredths of a unit."""
    time_in_force: TimeInForce
    """How long it works."""
    open_timestamp: datetime | None
    """When it was placed; None where the server does not say."""
    limit_price: float | None = None
    """Limit of a limit order; of a protection order the take profit."""
    stop_price: float | None = None
    """Trigger of a stop order; of a protection order the stop loss."""
    stop_loss: float | None = None
    """Stop loss of the position that it opens."""
    take_profit: float | None = None
    """Take profit of the position that it opens."""
    execution_price: float | None = None
    """Average price of what was filled."""
    executed_volume: int = 0
    """Volume that was filled, in hundredths of a unit."""
    expiration_timestamp: datetime | None = None
    """When it expires."""
    position_id: int | None = None
    """Position that it opens or closes; a pending order has one already, empty."""
    base_slippage_price: float | None = None
    """Price that the slippage of a market range order counts from."""
    slippage_in_points: int | None = None
    """Slippage that it accepts, in the symbol's smallest price steps."""
    relative_stop_loss: int | None = None
    """Distance of the stop loss from the fill, in 1/100000; see `stop_loss_distance`."""
    relative_take_profit: int | None = None
    """Distance of the take profit from the fill in 1/100000; `take_profit_distance`."""
    is_closing_order: bool = False
    """True if it closes a position or a part of one."""
    is_stop_out: bool = False
    """True if the server placed it because the margin was used up."""
    trailing_stop_loss: bool = False
    """True if the stop loss follows the price."""
    guaranteed_stop_loss: bool = False
    """True if the stop loss is filled at its price, whatever the market does."""
    stop_trigger_method: StopTriggerMethod = StopTriggerMethod.TRADE
    """Which quotes trigger its stop."""
    client_order_id: str = ""
    """Id that it was sent with; empty for orders of people and of the server."""
    label: str = ""
    """Label that it was sent with."""
    comment: str = ""
    """Comment that it was sent with."""
    last_update_timestamp: datetime | None = None
    """When it last changed; a trailing stop moves without changing it."""
    close_timestamp: datetime | None = None
    """When it was filled or cancelled, where the server says it."""
    measurement_units: str = ""
    """What its units are, for example ounces; often empty."""

    @property
    def is_pending(self) -> bool:
        """True while it waits in the market."""
        return self.status is OrderStatus.ACCEPTED

    @property
    def is_filled(self) -> bool:
        """True if all of it was filled."""
        return self.status is OrderStatus.FILLED

    @property
    def stop_loss_distance(self) -> float | None:
        """Distance of the stop loss from the fill, in price units."""
        points = self.relative_stop_loss
        return None if points is None else price_from_wire(points)

    @property
    def take_profit_distance(self) -> float | None:
        """Distance of the take profit from the fill, in price units."""
        points = self.relative_take_profit
        return None if points is None else price_from_wire(points)

    @classmethod
    def from_proto(cls, message: ProtoOAOrder) -> Order:
        """Read an order.

        Raises:
            ProtocolError: a time, a number or a text in it makes no sense.
        """
        trade = message.tradeData
        in_force = enum_of(message, "timeInForce", TimeInForce)
        trigger = enum_of(message, "stopTriggerMethod", StopTriggerMethod)
        return cls(
            order_id=message.orderId,
            symbol_id=trade.symbolId,
            side=required_enum_of(trade, "tradeSide", OrderSide),
            order_type=required_enum_of(message, "orderType", OrderType),
            status=required_enum_of(message, "orderStatus", OrderStatus),
            volume=trade.volume,
            time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL if in_force is None else in_force,
            open_timestamp=time_of(trade, "openTimestamp"),
            limit_price=float_of(message, "limitPrice"),
            stop_price=float_of(message, "stopPrice"),
            stop_loss=float_of(message, "stopLoss"),
            take_profit=float_of(message, "takeProfit"),
            execution_price=float_of(message, "executionPrice"),
            executed_volume=message.executedVolume,
            expiration_timestamp=time_of(message, "expirationTimestamp"),
            position_id=int_of(message, "positionId"),
            base_slippage_price=float_of(message, "baseSlippagePrice"),
            slippage_in_points=int_of(message, "slippageInPoints"),
            relative_stop_loss=int_of(message, "relativeStopLoss"),
            relative_take_profit=int_of(message, "relativeTakeProfit"),
            is_closing_order=message.closingOrder,
            is_stop_out=message.isStopOut,
            trailing_stop_loss=message.trailingStopLoss,
            guaranteed_stop_loss=trade.guaranteedStopLoss,
            stop_trigger_method=StopTriggerMethod.TRADE if trigger is None else trigger,
            client_order_id=text_of(message, "clientOrderId") or "",
            label=text_of(trade, "label") or "",
            comment=text_of(trade, "comment") or "",
            last_update_timestamp=time_of(message, "utcLastUpdateTimestamp"),
            close_timestamp=time_of(trade, "closeTimestamp"),
            measurement_units=text_of(trade, "measurementUnits") or "",
        )


class OrderTerms(NamedTuple):
    """What an amendment of an order keeps, as far as it does not name it.

    It has the names of `Order`, which makes no sense where one of its fields makes none.
    """

    order_id: int
    """Id of the order."""
    symbol_id: int
    """The symbol."""
    order_type: OrderType
    """Kind of order."""
    volume: int
    """Volume in hundredths of a unit."""
    limit_price: float | None
    """Limit of a limit order."""
    stop_price: float | None
    """Trigger of a stop order."""
    stop_loss: float | None
    """Stop loss as a price."""
    take_profit: float | None
    """Take profit as a price."""
    stop_loss_distance: float | None
    """Stop loss as a distance, in price units."""
    take_profit_distance: float | None
    """Take profit as a distance, in price units."""
    expiration_timestamp: datetime | None
    """When it expires."""
    slippage_in_points: int | None
    """Slippage that it accepts, in the symbol's smallest price steps."""
    trailing_stop_loss: bool
    """True if the stop loss follows the price."""
    guaranteed_stop_loss: bool
    """True if the stop loss is filled at its price."""
    stop_trigger_method: StopTriggerMethod
    """Which quotes trigger its stop."""

    @classmethod
    def from_proto(cls, message: ProtoOAOrder) -> OrderTerms:
        """Read the terms of an order, and nothing else of it.

        Raises:
            ProtocolError: a price in it is no number, or no calendar has its time of expiry.
        """
        stop, target = int_of(message, "relativeStopLoss"), int_of(message, "relativeTakeProfit")
        trigger = enum_of(message, "stopTriggerMethod", StopTriggerMethod)
        return cls(
            order_id=message.orderId,
            symbol_id=message.tradeData.symbolId,
            order_type=required_enum_of(message, "orderType", OrderType),
            volume=message.tradeData.volume,
            limit_price=float_of(message, "limitPrice"),
            stop_price=float_of(message, "stopPrice"),
            stop_loss=float_of(message, "stopLoss"),
            take_profit=float_of(message, "takeProfit"),
            stop_loss_distance=None if stop is None else price_from_wire(stop),
            take_profit_distance=None if target is None else price_from_wire(target),
            expiration_timestamp=time_of(message, "expirationTimestamp"),
            slippage_in_points=int_of(message, "slippageInPoints"),
            trailing_stop_loss=message.trailingStopLoss,
            guaranteed_stop_loss=message.tradeData.guaranteedStopLoss,
            stop_trigger_method=StopTriggerMethod.TRADE if trigger is None else trigger,
        )


class NewOrderRequest(TradingRequest):
    """An order to place.

    Prices are in price units (`float`; ints and Decimals are taken too), volume in hundredths of
    a unit: 100_000 is 1,000 units, for EURUSD 0.01 lot. A market order takes its stop loss and
    take profit as distances from the fill, `relative_stop_loss` and `relative_take_profit`.
    """

    symbol_id: Id
    """The symbol; ids differ between brokers, and between live and demo."""
    side: _Side
    """Buy or sell."""
    volume: Volume
    """Volume in hundredths of a unit."""
    order_type: _Type = OrderType.MARKET
    """Kind of order; `STOP_LOSS_TAKE_PROFIT` cannot be sent."""
    limit_price: Price | None = None
    """Price of a limit order."""
    stop_price: Price | None = None
    """Trigger of a stop or stop limit order."""
    stop_loss: Price | None = None
    """Stop loss as a price; pending orders only."""
    take_profit: Price | None = None
    """Take profit as a price; pending orders only."""
    time_in_force: _TimeInForce = TimeInForce.GOOD_TILL_CANCEL
    """How long it works; the server ignores it for market orders."""
    expiration_timestamp: Expiration | None = None
    """When it expires; goes with `GOOD_TILL_DATE` and only with it."""
    position_id: Id | None = None
    """Position to add to or to reduce, on hedged accounts."""
    client_order_id: ClientOrderId = ""
    """Your id for it, at most 50 characters; the library makes one up if it is empty."""
    label: Label = ""
    """Label that the order and its position bear, at most 100 characters."""
    comment: Comment = ""
    """Comment that the order and its position bear, at most 512 characters."""
    base_slippage_price: Price | None = None
    """Price that the slippage of a market range order counts from."""
    slippage_in_points: Points | None = None
    """Slippage of a market range or stop limit order, in smallest price steps."""
    relative_stop_loss: Distance | None = None
    """Distance of the stop loss from the fill, in price units, always positive."""
    relative_take_profit: Distance | None = None
    """Distance of the take profit from the fill, in price units, always positive."""
    trailing_stop_loss: Flag | None = False
    """True to let the stop loss follow the price; needs a stop loss."""
    guaranteed_stop_loss: Flag | None = False
    """True for a stop loss that is filled at its price; limited-risk accounts need it."""
    stop_trigger_method: _Trigger | None = None
    """Which quotes trigger a stop order; the server's default is `TRADE`."""

    if TYPE_CHECKING:
        # Checkers would have every price be what the field holds, a float.
        def __init__(
            self,
            *,
            symbol_id: int,
            side: OrderSide,
            volume: int,
            order_type: OrderType = OrderType.MARKET,
            limit_price: float | Decimal | None = None,
            stop_price: float | Decimal | None = None,
            stop_loss: float | Decimal | None = None,
            take_profit: float | Decimal | None = None,
            time_in_force: TimeInForce = TimeInForce.GOOD_TILL_CANCEL,
            expiration_timestamp: datetime | None = None,
            position_id: int | None = None,
            client_order_id: str = "",
            label: str = "",
            comment: str = "",
            base_slippage_price: float | Decimal | None = None,
            slippage_in_points: int | None = None,
            relative_stop_loss: float | Decimal | None = None,
            relative_take_profit: float | Decimal | None = None,
            trailing_stop_loss: bool | None = False,
            guaranteed_stop_loss: bool | None = False,
            stop_trigger_method: StopTriggerMethod | None = None,
        ) -> None: ...

    @model_validator(mode="after")
    def _fields_go_together(self) -> Self:
        kind = self.order_type
        if kind is OrderType.STOP_LOSS_TAKE_PROFIT:
            raise self._refused(
                "order_type",
                "only the server makes STOP_LOSS_TAKE_PROFIT orders. Give a stop loss and a take "
                "profit with the order, or amend the position",
            )
        for field in _NEEDED_FIELDS[kind]:
            if getattr(self, field) is None:
                raise self._refused(field, f"a {kind.name} order needs it")
        for field in _FOREIGN_FIELDS[kind]:
            if getattr(self, field) is not None:
                raise self._refused(
                    field,
                    f"a {kind.name} order has none and the server would ignore it; "
                    f"{_REMEDIES[field]}",
                )
        self._check_levels(kind)
        self._check_expiration(kind)
        return self

    def _check_levels(self, kind: OrderType) -> None:
        _refuse_both(self, self.client_order_id)
        at_market = kind in (OrderType.MARKET, OrderType.MARKET_RANGE)
        for field in ("stop_loss", "take_profit"):
            if at_market and getattr(self, field) is not None:
                raise self._refused(
                    field,
                    f"the server refuses it as a price on a {kind.name} order. Give the distance "
                    f"from the fill as relative_{field}",
                )
        if self.stop_loss is None and self.relative_stop_loss is None:
            remedy = "relative_stop_loss" if at_market else "stop_loss or relative_stop_loss"
            for field in ("trailing_stop_loss", "guaranteed_stop_loss"):
                if getattr(self, field):
                    raise self._refused(field, f"there is no stop loss; give {remedy} too")

    def _check_expiration(self, kind: OrderType) -> None:
        until_date = self.time_in_force is TimeInForce.GOOD_TILL_DATE
        if until_date and self.expiration_timestamp is None:
            raise self._refused("expiration_timestamp", "GOOD_TILL_DATE needs it")
        if not until_date and self.expiration_timestamp is not None:
            raise self._refused(
                "expiration_timestamp",
                "only an order with time_in_force GOOD_TILL_DATE expires; give both or neither",
            )
        if until_date and kind in (OrderType.MARKET, OrderType.MARKET_RANGE):
            raise self._refused(
                "time_in_force", f"a {kind.name} order is filled now or not at all; leave it out"
            )

    def _refused(self, field: str, why: str) -> OrderInvalidError:
        return _refused(self, field, why, self.client_order_id)

    def to_proto(self, account_id: int) -> ProtoOANewOrderReq:
        """Write the request as the server takes it.

        Only what was given is sent. Check prices and volume against the symbol first, with
        `check_order`.

        Args:
            account_id: The account to trade on.

        Raises:
            OrderInvalidError: a distance has more than five decimals.
        """
        message = ProtoOANewOrderReq(
            ctidTraderAccountId=account_id, symbolId=self.symbol_id, volume=self.volume
        )
        write_enum(message, "orderType", self.order_type)
        write_enum(message, "tradeSide", self.side)
        if self.names("time_in_force"):
            write_enum(message, "timeInForce", self.time_in_force)
        if self.base_slippage_price is not None:
            message.baseSlippagePrice = self.base_slippage_price
        if self.position_id is not None:
            message.positionId = self.position_id
        if self.client_order_id:
            message.clientOrderId = self.client_order_id
        if self.label:
            message.label = self.label
        if self.comment:
            message.comment = self.comment
        _write_terms(self, message)
        return message


class AmendOrderRequest(TradingRequest):
    """A change of a pending order.

    Whether the server keeps or clears what is left out is not settled, so everything that shall
    stay must be sent again: `completed_from` fills in the order's present terms. `CLEAR` removes a
    level or the time of expiry; what is not named, or named as None, stays as it is. Side, symbol
    and kind cannot change.
    """

    order_id: Id
    """The order to change."""
    volume: Volume | None = None
    """New volume in hundredths of a unit."""
    limit_price: Price | None = None
    """New limit."""
    stop_price: Price | None = None
    """New trigger."""
    stop_loss: ClearablePrice | None = None
    """New stop loss as a price; `CLEAR` removes it, in whichever form it was given."""
    take_profit: ClearablePrice | None = None
    """New take profit as a price; `CLEAR` removes it, in whichever form it was given."""
    expiration_timestamp: ClearableExpiration | None = None
    """New time of expiry, which makes it `GOOD_TILL_DATE`; `CLEAR` lets it work on."""
    slippage_in_points: Points | None = None
    """New slippage, in the symbol's smallest price steps."""
    trailing_stop_loss: Flag | None = None
    """Whether the stop loss follows the price."""
    guaranteed_stop_loss: Flag | None = None
    """Whether the stop loss is filled at its price."""
    relative_stop_loss: ClearableDistance | None = None
    """New distance of the stop loss from the fill; `CLEAR` removes it."""
    relative_take_profit: ClearableDistance | None = None
    """New distance of the take profit from the fill; `CLEAR` removes it."""
    stop_trigger_method: _Trigger | None = None
    """Which quotes trigger the stop."""

    if TYPE_CHECKING:

        def __init__(
            self,
            *,
            order_id: int,
            volume: int | None = None,
            limit_price: float | Decimal | None = None,
            stop_price: float | Decimal | None = None,
            stop_loss: float | Decimal | Clear | None = None,
            take_profit: float | Decimal | Clear | None = None,
            expiration_timestamp: datetime | Clear | None = None,
            slippage_in_points: int | None = None,
            trailing_stop_loss: bool | None = None,
            guaranteed_stop_loss: bool | None = None,
            relative_stop_loss: float | Decimal | Clear | None = None,
            relative_take_profit: float | Decimal | Clear | None = None,
            stop_trigger_method: StopTriggerMethod | None = None,
        ) -> None: ...

    @model_validator(mode="after")
    def _fields_go_together(self) -> Self:
        if self.named().keys() <= {"order_id"}:
            raise OrderInvalidError(
                f"the amendment of order {self.order_id} names nothing to change: None keeps what "
                "is there. Give a new value, or CLEAR to remove a level or the expiration.",
                field="order_id",
                value=self.order_id,
            )
        _refuse_both(self, None)
        return self

    def completed_from(self, order: Order | OrderTerms) -> AmendOrderRequest:
        """Fill in the order's present terms wherever this request does not name one.

        A level that is named, as a price or as a distance, replaces the level in either form. What
        the order has was the server's: it is taken as it is.

        Args:
            order: The order as the server holds it now.

        Raises:
            OrderInvalidError: the order is not the one to change, or one of its kind does not have
                what the request names; or the stop loss shall follow the price, or be guaranteed,
                and there is none.
        """
        if order.order_id != self.order_id:
            raise _refused(self, "order_id", f"the terms given are those of order {order.order_id}")
        kind = order.order_type
        for field in _FOREIGN_FIELDS.get(kind, ()):
            if field in type(self).model_fields and self.names(field):
                raise _refused(
                    self,
                    field,
                    f"order {self.order_id} is a {kind.name} order, which has none; "
                    f"{_REMEDIES[field]}",
                )
        terms: dict[str, Any] = {  # Any: values of fields, as the constructor takes them
            "volume": order.volume,
            "expiration_timestamp": order.expiration_timestamp,
        }
        if kind is OrderType.LIMIT:
            terms["limit_price"] = order.limit_price
        else:
            terms["stop_price"] = order.stop_price
            terms["stop_trigger_method"] = order.stop_trigger_method
        if kind is OrderType.STOP_LIMIT:
            terms["slippage_in_points"] = order.slippage_in_points
        for field, price, distance in (
            ("stop_loss", order.stop_loss, order.stop_loss_distance),
            ("take_profit", order.take_profit, order.take_profit_distance),
        ):
            relative = f"relative_{field}"
            if not (self.names(field) or self.names(relative)):
                terms[field if price else relative] = price or distance or None
        terms.update(self.named())
        if any(isinstance(terms.get(f), float) for f in ("stop_loss", "relative_stop_loss")):
            terms.setdefault("trailing_stop_loss", order.trailing_stop_loss)
            terms.setdefault("guaranteed_stop_loss", order.guaranteed_stop_loss)
        else:
            for field in ("trailing_stop_loss", "guaranteed_stop_loss"):
                # The server may refuse even a False without a stop loss, as it does of positions.
                if terms.pop(field, False):
                    raise _refused(
                        self,
                        field,
                        f"order {self.order_id} would have no stop loss; give stop_loss or "
                        "relative_stop_loss too",
                    )
        return AmendOrderRequest.model_construct(_fields_set=set(terms), **terms)

    def to_proto(self, account_id: int) -> ProtoOAAmendOrderReq:
        """Write the request as the server takes it; what is None or `CLEAR` is left out.

        Args:
            account_id: The account that the order is on.

        Raises:
            OrderInvalidError: a distance has more than five decimals.
        """
        message = ProtoOAAmendOrderReq(ctidTraderAccountId=account_id, orderId=self.order_id)
        if self.volume is not None:
            message.volume = self.volume
        _write_terms(self, message)
        return message


OrderRequest: TypeAlias = (
    NewOrderRequest | AmendOrderRequest | AmendPositionRequest | ClosePositionRequest
)
"""Everything that changes orders and positions."""


def check_order(
    request: OrderRequest,
    symbol: Symbol,
    *,
    open_volume: int | None = None,
    now: datetime | None = None,
) -> None:
    """Check a request against its symbol: prices, distances and volume.

    The client does this by itself before it sends a request. A part of a position may be closed
    by the symbol's step; what must be left of it, the server decides. All of it may always be
    closed.

    Args:
        request: What shall be sent.
        symbol: The symbol, with its digits and its volume limits.
        open_volume: What is open of the position to close; without it the volume of a close is
            not checked.
        now: The present, an aware datetime; without it the expiration is not checked.

    Raises:
        OrderInvalidError: a price or distance has too many decimals, the volume is outside the
            limits or off the step, or the expiration passed more than a day ago, so that no clock
            can be the reason; it names the nearest valid values.
    """
    check_rules(request, TradingRules.of(symbol), open_volume=open_volume, now=now)


def check_rules(
    request: OrderRequest,
    rules: TradingRules,
    *,
    open_volume: int | None = None,
    now: datetime | None = None,
) -> None:
    """Check a request against what is known of its symbol; see `check_order`.

    Raises:
        OrderInvalidError: it cannot be right; it names the nearest valid values.
    """
    if isinstance(request, ClosePositionRequest):
        if open_volume is not None:
            _check_close(request, rules, open_volume)
        return
    _check_prices(request, rules)
    if isinstance(request, AmendPositionRequest):
        return
    if request.volume is not None:
        _check_volume(request, request.volume, rules)
    expiration = set_or_none(request.expiration_timestamp)
    if now is not None and expiration is not None and expiration <= now - _CLOCK_TOLERANCE:
        raise OrderInvalidError(
            f"expiration_timestamp {expiration.isoformat()} has passed: it is {now.isoformat()}. "
            "Give a later one, or leave it out for an order that works until it is cancelled.",
            client_order_id=_client_order_id(request),
            field="expiration_timestamp",
            value=expiration,
        )


def names_what_a_symbol_rules(request: OrderRequest) -> bool:
    """Tell whether a request names a price, a distance or a volume."""
    fields = (*_PRICE_FIELDS, *_DISTANCE_FIELDS, "volume")
    return any(isinstance(getattr(request, field, None), int | float) for field in fields)


def on_grid(
    request: NewOrderRequest | AmendOrderRequest, rules: TradingRules
) -> NewOrderRequest | AmendOrderRequest:
    """Free distances from what is only noise by the rules of their symbol."""
    digits = rules.digits
    if digits is None:
        return request
    distances = {
        field: nearest_on_grid(value, min(digits, PRICE_DIGITS), is_difference=True)[0]
        for field in _DISTANCE_FIELDS
        if isinstance(value := getattr(request, field), float)
    }
    # Only the distances change, so nothing else is judged: the rest may be what the server holds.
    terms = {field: getattr(request, field) for field in request.model_fields_set} | distances
    return type(request).model_construct(_fields_set=set(terms), **terms)


def _check_prices(
    request: NewOrderRequest | AmendOrderRequest | AmendPositionRequest, rules: TradingRules
) -> None:
    if rules.digits is None:
        return
    # Distances travel in 1/100000, so a symbol with more digits still takes five decimals at most.
    distance_digits = min(rules.digits, PRICE_DIGITS)
    for fields, digits in ((_PRICE_FIELDS, rules.digits), (_DISTANCE_FIELDS, distance_digits)):
        for field in fields:
            value: object = getattr(request, field, None)
            if not isinstance(value, float):
                continue
            is_distance = fields is _DISTANCE_FIELDS
            # What the wire can carry is sent as it is: only what it cannot may be noise.
            is_noisy = is_distance and not is_on_grid(value, PRICE_DIGITS)
            below, above = nearest_on_grid(value, digits, is_difference=is_noisy)
            if below == above:
                continue
            nearest = " or ".join(f"{price:.{digits}f}" for price in (below, above) if price > 0)
            what = "distances" if is_distance else "prices"
            raise OrderInvalidError(
                f"{field} {value} has too many decimals: {what} of symbol {rules.symbol_id} have "
                f"{digits}; use {nearest}.",
                client_order_id=_client_order_id(request),
                field=field,
                value=value,
            )


def _check_volume(request: OrderRequest, volume: int, rules: TradingRules) -> None:
    nearest = _nearest_volumes(volume, rules)
    if volume in nearest:
        return
    raise OrderInvalidError(
        f"volume {volume} is not valid for symbol {rules.symbol_id}, which takes "
        f"{_range(rules)}; use {_in_lots(rules, *nearest)}.",
        client_order_id=_client_order_id(request),
        field="volume",
        value=volume,
    )


def _nearest_volumes(volume: int, rules: TradingRules) -> tuple[int, int]:
    """Return the nearest volumes that a symbol takes; both are the volume itself if it does."""
    step = rules.step_volume or 1
    least = -(-(rules.min_volume or 1) // step) * step
    most = None if rules.max_volume is None else rules.max_volume // step * step
    if most is not None and least > most:
        return volume, volume  # rules that no volume can meet are not those the server goes by
    below = max(volume // step * step, least)
    above = max(-(-volume // step) * step, least)
    return (below, above) if most is None else (min(below, most), min(above, most))


def _range(rules: TradingRules) -> str:
    smallest, largest = rules.min_volume or 1, rules.max_volume
    step = rules.step_volume or 1
    if largest is None:
        return f"{smallest} hundredths of a unit or more in steps of {step}"
    text = f"{smallest} to {largest} hundredths of a unit in steps of {step}"
    if rules.lot_size is None:
        return text
    lots = [f"{volume_to_lots(volume, rules.lot_size):f}" for volume in (smallest, largest, step)]
    return f"{text} ({lots[0]} to {lots[1]} lots in steps of {lots[2]})"


def _check_close(request: ClosePositionRequest, rules: TradingRules, open_volume: int) -> None:
    volume = request.volume
    if volume == open_volume:
        return
    if volume > open_volume:
        why = f"only {open_volume} of position {request.position_id} is open"
        parts: tuple[int, ...] = ()
    else:
        nearest = _nearest_volumes(volume, rules)
        if volume in nearest:
            return
        why = f"symbol {rules.symbol_id} takes {_range(rules)}"
        # What would leave less than the smallest volume may be refused: it is not advised.
        most = open_volume - (rules.min_volume or 1)
        nearest = _nearest_volumes(min(volume, most), rules)
        parts = tuple(dict.fromkeys(part for part in nearest if part <= most))
    valid = parts if len(parts) > 1 else (*parts, open_volume)
    raise OrderInvalidError(
        f"volume {volume} cannot be closed: {why}; use {_in_lots(rules, *valid)}"
        f"{', which is all of it' if valid[-1] == open_volume else ''}.",
        field="volume",
        value=volume,
    )


def _in_lots(rules: TradingRules, *volumes: int) -> str:
    """Write volumes for people, each once: 100000 (0.01 lots) or 200000 (0.02 lots)."""
    lot_size = rules.lot_size
    return " or ".join(
        str(volume) if lot_size is None else f"{volume} ({volume_to_lots(volume, lot_size):f} lots)"
        for volume in dict.fromkeys(volumes)
    )


def _client_order_id(request: OrderRequest) -> str | None:
    return (request.client_order_id or None) if isinstance(request, NewOrderRequest) else None


def _refuse_both(request: NewOrderRequest | AmendOrderRequest, client_order_id: str | None) -> None:
    for field in ("stop_loss", "take_profit"):
        relative = f"relative_{field}"
        if all(isinstance(getattr(request, form), float) for form in (field, relative)):
            raise _refused(
                request,
                field,
                f"{relative} is given too. Give the level as a price or as a distance, not both",
                client_order_id,
            )


def _refused(
    request: TradingRequest, field: str, why: str, client_order_id: str | None = None
) -> OrderInvalidError:
    value = getattr(request, field)
    shown = "" if value is None else f" {value}"
    return OrderInvalidError(
        f"{field}{shown} is refused: {why}.",
        client_order_id=client_order_id or None,
        field=field,
        value=value,
    )


def _write_terms(
    request: NewOrderRequest | AmendOrderRequest, message: ProtoOANewOrderReq | ProtoOAAmendOrderReq
) -> None:
    """Write the fields that placing and changing an order have in common."""
    if request.limit_price is not None:
        message.limitPrice = request.limit_price
    if request.stop_price is not None:
        message.stopPrice = request.stop_price
    stop_loss, take_profit = set_or_none(request.stop_loss), set_or_none(request.take_profit)
    if stop_loss is not None:
        message.stopLoss = stop_loss
    if take_profit is not None:
        message.takeProfit = take_profit
    expiration = set_or_none(request.expiration_timestamp)
    if expiration is not None:
        message.expirationTimestamp = millis_from_datetime(expiration)
    if request.slippage_in_points is not None:
        message.slippageInPoints = request.slippage_in_points
    stop_distance = set_or_none(request.relative_stop_loss)
    target_distance = set_or_none(request.relative_take_profit)
    if stop_distance is not None:
        message.relativeStopLoss = price_to_wire(stop_distance, is_difference=True)
    if target_distance is not None:
        message.relativeTakeProfit = price_to_wire(target_distance, is_difference=True)
    if request.names("guaranteed_stop_loss"):
        message.guaranteedStopLoss = bool(request.guaranteed_stop_loss)
    if request.names("trailing_stop_loss"):
        message.trailingStopLoss = bool(request.trailing_stop_loss)
    if request.stop_trigger_method is not None:
        write_enum(message, "stopTriggerMethod", request.stop_trigger_method)
