"""Another terminal of an account: trades that no client here asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOATradeSide,
)
from ctrader.simulator.messages.trades import order_error_message
from ctrader.simulator.refusals import OrderRefusal
from ctrader.simulator.scripting.named import account_of, listed, symbol_of

if TYPE_CHECKING:
    from ctrader.simulator.exchange import Exchange
    from ctrader.simulator.scripting.picks import Enter

__all__ = ["Terminal", "TradingRequest"]

TradingRequest: TypeAlias = (
    ProtoOANewOrderReq
    | ProtoOAAmendOrderReq
    | ProtoOACancelOrderReq
    | ProtoOAAmendPositionSLTPReq
    | ProtoOAClosePositionReq
)
"""What a terminal may ask for."""


class Terminal:
    """Somebody who trades on an account while a client of the Open API looks on.

    The events go to every connection on which the account is authorised. They carry an id of the
    terminal, or none where `Switches.foreign_client_msg_ids` is off.
    """

    def __init__(self, exchange: Exchange, account_id: int, enter: Enter) -> None:
        """Sit down.

        Raises:
            KeyError: there is no such account.
        """
        self._exchange = exchange
        self._enter = enter
        self._book = account_of(exchange, account_id)
        self._asked = 0

    @property
    def account_id(self) -> int:
        """The account."""
        return self._book.spec.account_id

    @property
    def positions(self) -> list[int]:
        """Ids of the open positions, oldest first."""
        with self._enter():
            return [position.position_id for position in self._book.open_positions()]

    @property
    def orders(self) -> list[int]:
        """Ids of the pending orders, oldest first."""
        with self._enter():
            return [
                order.order_id for order in self._book.working.values() if not order.is_protective
            ]

    def buy(self, symbol: str | int, volume: int) -> None:
        """Buy at the market.

        Args:
            symbol: Name or id.
            volume: Hundredths of a unit.

        Raises:
            KeyError: the broker has no such symbol.
            Refusal: the order is refused, and nothing happened.
        """
        self._trade(symbol, volume, ProtoOATradeSide.BUY)

    def sell(self, symbol: str | int, volume: int) -> None:
        """Sell at the market.

        Args:
            symbol: Name or id.
            volume: Hundredths of a unit.

        Raises:
            KeyError: the broker has no such symbol.
            Refusal: the order is refused, and nothing happened.
        """
        self._trade(symbol, volume, ProtoOATradeSide.SELL)

    def close(self, position_id: int, volume: int | None = None) -> None:
        """Close a position at the market.

        Args:
            position_id: The position.
            volume: Hundredths of a unit; all of it by default.

        Raises:
            KeyError: there is no such position, of which all is to be closed.
            Refusal: it is refused, and nothing happened.
        """
        with self._enter():
            if volume is None:
                position = self._book.positions.get(position_id)
                if position is None:
                    known = listed(map(str, self.positions)) or "none"
                    raise KeyError(
                        f"account {self.account_id} has no open position {position_id!r}; "
                        f"{known} is open"
                    )
                volume = position.volume
            self.request(
                ProtoOAClosePositionReq(
                    ctidTraderAccountId=self.account_id, positionId=position_id, volume=volume
                )
            )

    def cancel(self, order_id: int) -> None:
        """Cancel a pending order.

        Raises:
            Refusal: there is no such pending order.
        """
        self.request(ProtoOACancelOrderReq(ctidTraderAccountId=self.account_id, orderId=order_id))

    def request(self, request: TradingRequest) -> None:
        """Ask for anything that a connection may ask for, such as a limit order.

        Args:
            request: The account that it names is not looked at.

        Raises:
            Refusal: it is refused, and nothing happened.
        """
        with self._enter():
            self._asked += 1
            origin = None
            if self._exchange.switches.foreign_client_msg_ids:
                origin = f"terminal-{self._asked}"
            try:
                self._carry_out(request, origin)
            except OrderRefusal as refusal:
                # As with every event of an account, all that look at it are told.
                zero_ids = self._exchange.switches.zero_ids_in_order_errors
                event = order_error_message(refusal, self.account_id, zero_ids=zero_ids)
                self._exchange.publish(self.account_id, event, origin)
                raise

    # Private

    def _carry_out(self, request: TradingRequest, origin: str | None) -> None:
        floor, book = self._exchange.floor, self._book
        match request:
            case ProtoOANewOrderReq():
                floor.new_order(book, request, origin)
            case ProtoOAAmendOrderReq():
                floor.amend_order(book, request, origin)
            case ProtoOACancelOrderReq():
                floor.cancel_order(book, request.orderId, origin)
            case ProtoOAAmendPositionSLTPReq():
                floor.amend_position(book, request, origin)
            case ProtoOAClosePositionReq():
                floor.close_position(book, request.positionId, request.volume, origin)

    def _trade(self, symbol: str | int, volume: int, side: ProtoOATradeSide) -> None:
        with self._enter():
            symbol_id = symbol_of(self._exchange, symbol).symbol_id
        self.request(
            ProtoOANewOrderReq(
                ctidTraderAccountId=self.account_id,
                symbolId=symbol_id,
                orderType=ProtoOAOrderType.MARKET,
                tradeSide=side,
                volume=volume,
            )
        )
