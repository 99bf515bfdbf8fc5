"""Somebody else trades on the accounts of a program: at another terminal, at any moment."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final

from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOANewOrderReq,
    ProtoOAOrderType,
    ProtoOATradeSide,
)
from ctrader.simulator.refusals import Refusal
from tests.torture.history import Ask, Foreign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ctrader.simulator.book import AccountBook, Order
    from ctrader.simulator.exchange import Exchange
    from ctrader.simulator.scripting.terminal import TradingRequest

__all__ = ["VOLUME", "Neighbour"]

VOLUME: Final = 100_000
"""Hundredths of a unit that are traded at a time.

The program under test closes other volumes: of two closes alike, nobody can tell whose was done.
"""
_FAR: Final = 0.031  # away from the market, further than the program's own prices
_POINTS: Final = 100_000  # to a unit of price


class Neighbour:
    """Trades without a connection, and notes what was done."""

    def __init__(
        self,
        exchange: Exchange,
        account_ids: Sequence[int],
        symbol_ids: Sequence[int],
        dice: Random,
        seconds: Callable[[], float],
    ) -> None:
        """Sit down; nothing happens yet.

        Args:
            exchange: The broker.
            account_ids: The accounts.
            symbol_ids: What is traded.
            dice: Decides what is done.
            seconds: Returns the time, in seconds.
        """
        self.done: list[Foreign] = []
        """What the broker took."""
        self._exchange = exchange
        self._account_ids = account_ids
        self._symbol_ids = symbol_ids
        self._dice = dice
        self._seconds = seconds
        self._prices = 0

    def act(self) -> None:
        """Do one thing, if the broker lets it happen."""
        dice = self._dice
        account_id = dice.choice(self._account_ids)
        book = self._exchange.books[account_id]
        positions = [each.position_id for each in book.open_positions() if each.executing is None]
        orders = [each for each in book.working.values() if not each.is_protective]
        draw = dice.random()
        if draw < 0.3 and positions:
            self._close(book, dice.choice(positions))
        elif draw < 0.4 and positions:
            self._protect(book, dice.choice(positions))
        elif draw < 0.55 and orders:
            self._amend(book, dice.choice(orders))
        elif draw < 0.65 and orders:
            order_id = dice.choice(orders).order_id
            request = ProtoOACancelOrderReq(ctidTraderAccountId=account_id, orderId=order_id)
            self._ask(book, request, Ask.CANCEL, order_id=order_id)
        else:
            self._place(book)

    # Private

    def _place(self, book: AccountBook) -> None:
        dice = self._dice
        is_buy = dice.random() < 0.5
        symbol_id = dice.choice(self._symbol_ids)
        request = ProtoOANewOrderReq(
            ctidTraderAccountId=book.spec.account_id,
            symbolId=symbol_id,
            orderType=ProtoOAOrderType.MARKET,
            tradeSide=ProtoOATradeSide.BUY if is_buy else ProtoOATradeSide.SELL,
            volume=VOLUME,
        )
        if dice.random() < 0.4:
            request.orderType = ProtoOAOrderType.LIMIT
            request.limitPrice = self._price(symbol_id, is_above=not is_buy)
        self._ask(book, request, Ask.NEW)

    def _close(self, book: AccountBook, position_id: int) -> None:
        request = ProtoOAClosePositionReq(
            ctidTraderAccountId=book.spec.account_id, positionId=position_id, volume=VOLUME
        )
        self._ask(book, request, Ask.CLOSE, position_id=position_id)

    def _protect(self, book: AccountBook, position_id: int) -> None:
        position = book.positions[position_id]
        price = self._price(position.symbol.symbol_id, is_above=not position.is_buy)
        request = ProtoOAAmendPositionSLTPReq(
            ctidTraderAccountId=book.spec.account_id, positionId=position_id, stopLoss=price
        )
        self._ask(book, request, Ask.PROTECT, position_id=position_id, price=price)

    def _amend(self, book: AccountBook, order: Order) -> None:
        is_limit = order.limit_price is not None
        price = self._price(order.symbol.symbol_id, is_above=order.is_buy != is_limit)
        request = ProtoOAAmendOrderReq(
            ctidTraderAccountId=book.spec.account_id, orderId=order.order_id, volume=order.volume
        )
        if is_limit:
            request.limitPrice = price
        else:
            request.stopPrice = price
        self._ask(book, request, Ask.AMEND, order_id=order.order_id, price=price)

    def _ask(
        self,
        book: AccountBook,
        request: TradingRequest,
        ask: Ask,
        *,
        order_id: int | None = None,
        position_id: int | None = None,
        price: float | None = None,
    ) -> None:
        account_id, before = book.spec.account_id, set(book.orders)
        try:
            self._exchange.script.terminal(account_id).request(request)
        except Refusal:
            return
        made = frozenset(book.orders.keys() - before)
        at = self._seconds()
        self.done.append(Foreign(at, ask, account_id, made, order_id, position_id, price))

    def _price(self, symbol_id: int, *, is_above: bool) -> float:
        """Return a price far from the market that nobody else has."""
        quote = self._exchange.quote(symbol_id)
        assert quote is not None
        self._prices += 1
        distance = _FAR + self._prices / _POINTS
        middle = quote.bid / _POINTS
        return round(middle + distance if is_above else middle - distance, 5)
