"""Makes positions, orders and deals, numbered across the whole exchange."""

from __future__ import annotations

from fractions import Fraction

from ctrader.proto import ProtoOADealStatus, ProtoOANewOrderReq, ProtoOATimeInForce
from ctrader.simulator.book import Deal, Order, Position
from ctrader.simulator.catalogue import SymbolSpec
from ctrader.simulator.orders.surroundings import Surroundings

__all__ = ["Blotter"]


class Blotter:
    """Makes records; entering them in an account's books is the caller's part."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Begin to count."""
        self._outside = surroundings
        self._last_position = 5_000_000
        self._last_order = 6_000_000
        self._last_deal = 7_000_000

    def new_position(
        self,
        symbol: SymbolSpec,
        side: int,
        *,
        label: str | None,
        comment: str | None,
        position_id: int | None = None,
    ) -> Position:
        """Make an empty position, under the id of another one only if it is named."""
        if position_id is None:
            self._last_position += 1
            position_id = self._last_position
        return Position(
            position_id=position_id, symbol=symbol, side=side, label=label, comment=comment
        )

    def position_for(self, request: ProtoOANewOrderReq, symbol: SymbolSpec) -> Position:
        """Make the empty position that belongs to a requested order."""
        return self.new_position(
            symbol,
            int(request.tradeSide),
            label=request.label if request.HasField("label") else None,
            comment=request.comment if request.HasField("comment") else None,
        )

    def new_order(
        self,
        position: Position,
        *,
        side: int,
        order_type: int,
        volume: int,
        origin: str | None,
        time_in_force: int = ProtoOATimeInForce.IMMEDIATE_OR_CANCEL,
    ) -> Order:
        """Make an order of a position."""
        self._last_order += 1
        now = self._outside.market_now()
        return Order(
            order_id=self._last_order,
            position_id=position.position_id,
            symbol=position.symbol,
            side=int(side),
            order_type=int(order_type),
            volume=volume,
            created=now,
            updated=now,
            time_in_force=int(time_in_force),
            origin=origin,
        )

    def order_for(
        self,
        request: ProtoOANewOrderReq,
        position: Position,
        origin: str | None,
        *,
        time_in_force: int = ProtoOATimeInForce.IMMEDIATE_OR_CANCEL,
    ) -> Order:
        """Make a requested order, with its texts and without its prices."""
        order = self.new_order(
            position,
            side=request.tradeSide,
            order_type=request.orderType,
            volume=request.volume,
            origin=origin,
            time_in_force=time_in_force,
        )
        order.label = order.own_label = request.label if request.HasField("label") else None
        order.comment = order.own_comment = request.comment if request.HasField("comment") else None
        if request.HasField("clientOrderId"):
            order.client_order_id = request.clientOrderId
        return order

    def new_deal(
        self,
        order: Order,
        volume: int,
        market: int,
        *,
        created: int,
        margin_rate: Fraction,
        commission: int,
        base_to_usd: Fraction,
    ) -> Deal:
        """Make the deal in which a part of an order, or all that is left of it, is filled."""
        self._last_deal += 1
        is_last = volume == order.remaining
        status = ProtoOADealStatus.FILLED if is_last else ProtoOADealStatus.PARTIALLY_FILLED
        return Deal(
            deal_id=self._last_deal,
            order_id=order.order_id,
            position_id=order.position_id,
            symbol=order.symbol,
            side=order.side,
            volume=order.remaining,
            filled_volume=volume,
            status=int(status),
            created=created,
            executed=self._outside.market_now(),
            price=market,
            margin_rate=margin_rate,
            commission=commission,
            base_to_usd=base_to_usd,
        )

    def empty_deal(self, order: Order, status: int, *, created: int) -> Deal:
        """Make the deal of an order that was sent to the market and came back unfilled."""
        deal = self.new_deal(
            order,
            0,
            0,
            created=created,
            margin_rate=Fraction(0),
            commission=0,
            base_to_usd=Fraction(0),
        )
        deal.status = int(status)
        return deal
