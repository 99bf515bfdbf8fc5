"""Random orders of all kinds, filled in random parts: nothing is lost, nothing ends twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from ctrader.proto import (
    ProtoOAAccountType,
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOADealStatus,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrderStatus,
    ProtoOAOrderType,
    ProtoOATimeInForce,
    ProtoOATradeSide,
)
from ctrader.simulator.book import AccountBook
from ctrader.simulator.catalogue import DEFAULT_ACCOUNTS
from ctrader.simulator.exchange import Exchange
from tests.simulator.peer import (
    BARE,
    SECOND,
    USD_ACCOUNT,
    Peer,
    log_in,
    scripted_exchange,
    with_fields,
)

LAST_STATES = {
    ProtoOAExecutionType.ORDER_FILLED,
    ProtoOAExecutionType.ORDER_CANCELLED,
    ProtoOAExecutionType.ORDER_EXPIRED,
    ProtoOAExecutionType.ORDER_REJECTED,
}
TYPES = ("MARKET", "MARKET", "MARKET_RANGE", "LIMIT", "LIMIT", "STOP", "STOP_LIMIT")
TIMES = ("GOOD_TILL_DATE", "GOOD_TILL_CANCEL", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL")


def open_exchange(draw: Random) -> Exchange:
    """Open an exchange with one account, whose prices and switches are drawn."""
    at, bid = 0.0, 112_500
    ticks: list[tuple[float, int | None, int | None]] = [(0, bid, bid + 2)]
    while at < 30:
        at += draw.choice([0.005, 0.013, 0.02, 0.1, 0.5])
        bid += draw.randint(-40, 40)
        ticks.append((at, bid, bid + draw.choice([1, 2, 5, 20])))
    kinds = [ProtoOAAccountType.HEDGED, ProtoOAAccountType.NETTED]
    account = replace(
        DEFAULT_ACCOUNTS[0],
        account_type=draw.choice(kinds),
        balance=Decimal(draw.choice(["300", "5000", "100000"])),
        max_positions=draw.choice([0, 4]),
    )
    switches = replace(
        BARE,
        fill_through_depth=draw.choice([True, False]),
        fill_delay=draw.choice([0.0, 0.02, 0.3]),
        protection_delay=draw.choice([0.0, 0.02, 0.05, 0.4]),
        omitted_levels_clear=draw.choice([True, False]),
        market_range_rest=draw.choice(["cancelled", "rejected", "expired"]),
    )
    exchange = scripted_exchange(ticks, accounts=[account], switches=switches)
    exchange.change_symbol(1, guaranteed_stops=True, guaranteed_charge=20_000)
    return exchange


class Gambler:
    """Does one random thing after another."""

    def __init__(self, peer: Peer, draw: Random) -> None:
        self._peer = peer
        self._draw = draw
        self._book = peer.exchange.books[USD_ACCOUNT]
        self._deeds = (
            self._order,
            self._order,
            self._order,
            self._close,
            self._protect,
            self._cancel,
            self._amend,
            self._script,
            self._stop_out,
        )

    def act(self) -> None:
        """Do one of them."""
        self._draw.choice(self._deeds)()

    def _price(self) -> float:
        quote = self._peer.exchange.quote(1)
        assert quote is not None
        return (quote.bid + self._draw.randint(-60, 60)) / 100_000

    def _volume(self) -> int:
        return self._draw.choice([1, 2, 3, 5, 300, 900]) * 100_000

    def _one_of(self, ids: list[int]) -> int:
        return self._draw.choice(ids) if ids else 1

    def _often(self, chance: float) -> bool:
        return self._draw.random() < chance

    def _order(self) -> None:
        kind = self._draw.choice(TYPES)
        request = ProtoOANewOrderReq(
            ctidTraderAccountId=USD_ACCOUNT,
            symbolId=1,
            orderType=ProtoOAOrderType.Value(kind),
            tradeSide=self._draw.choice([ProtoOATradeSide.BUY, ProtoOATradeSide.SELL]),
            volume=self._volume(),
            timeInForce=ProtoOATimeInForce.Value(self._draw.choice(TIMES)),
        )
        if kind == "LIMIT":
            request.limitPrice = self._price()
        if kind in ("STOP", "STOP_LIMIT"):
            with_fields(request, stopPrice=self._price(), stopTriggerMethod=self._method())
        if kind in ("MARKET_RANGE", "STOP_LIMIT"):
            request.slippageInPoints = self._draw.randint(0, 20)
        if kind == "MARKET_RANGE":
            request.baseSlippagePrice = self._price()
        if kind.startswith("MARKET") and self._often(0.3):
            request.positionId = self._one_of(list(self._book.positions))
        if request.timeInForce == ProtoOATimeInForce.GOOD_TILL_DATE:
            now = self._peer.exchange.market_now()
            request.expirationTimestamp = now + self._draw.randint(1, 8000)
        if self._often(0.4):
            request.relativeStopLoss = self._draw.randint(1, 60)
            request.trailingStopLoss = self._often(0.3)
            request.guaranteedStopLoss = self._often(0.3)
        if self._often(0.4):
            request.relativeTakeProfit = self._draw.randint(1, 60)
        self._peer.send(request, "order")

    def _method(self) -> int:
        return self._draw.randint(1, 4)

    def _close(self) -> None:
        self._peer.send(
            ProtoOAClosePositionReq(
                ctidTraderAccountId=USD_ACCOUNT,
                positionId=self._one_of(list(self._book.positions)),
                volume=self._volume(),
            )
        )

    def _protect(self) -> None:
        request = ProtoOAAmendPositionSLTPReq(
            ctidTraderAccountId=USD_ACCOUNT, positionId=self._one_of(list(self._book.positions))
        )
        if self._often(0.7):
            request.stopLoss = self._price()
        if self._often(0.7):
            request.takeProfit = self._price()
        if self._often(0.4):
            request.trailingStopLoss = self._often(0.5)
        if self._often(0.3):
            with_fields(request, stopLossTriggerMethod=self._method())
        self._peer.send(request)

    def _cancel(self) -> None:
        order_id = self._one_of(list(self._book.working))
        self._peer.send(ProtoOACancelOrderReq(ctidTraderAccountId=USD_ACCOUNT, orderId=order_id))

    def _amend(self) -> None:
        request = ProtoOAAmendOrderReq(
            ctidTraderAccountId=USD_ACCOUNT, orderId=self._one_of(list(self._book.working))
        )
        if self._often(0.5):
            request.volume = self._volume()
        if self._often(0.5):
            request.limitPrice = self._price()
        if self._often(0.5):
            request.stopPrice = self._price()
        if self._often(0.3):
            request.relativeStopLoss = 30
        if self._often(0.3):
            now = self._peer.exchange.market_now()
            request.expirationTimestamp = now + self._draw.randint(1, 3000)
        self._peer.send(request)

    def _script(self) -> None:
        floor = self._peer.exchange.floor
        if self._often(0.8):
            floor.script_fill(*(self._volume() for _ in range(self._draw.randint(1, 4))))
        else:
            status = self._draw.choice([None, ProtoOADealStatus.MISSED])
            floor.script_rejection("TIMEOUT_ERROR", deal_status=status)

    def _stop_out(self) -> None:
        for position in tuple(self._book.open_positions())[:1]:
            self._peer.exchange.floor.stop_out(self._book, position, self._volume())


def wind_up(peer: Peer, book: AccountBook) -> None:
    """Close and cancel until nothing is left."""
    while book.positions or book.working:
        peer.run(2)
        for position in tuple(book.open_positions()):
            peer.send(
                ProtoOAClosePositionReq(
                    ctidTraderAccountId=USD_ACCOUNT,
                    positionId=position.position_id,
                    volume=position.volume,
                )
            )
        for order_id in tuple(book.working):
            peer.send(ProtoOACancelOrderReq(ctidTraderAccountId=USD_ACCOUNT, orderId=order_id))
    peer.run(2)


@pytest.mark.parametrize("seed", range(60))
def test_random_orders_leave_nothing_behind(seed: int):
    draw = Random(seed)
    exchange = open_exchange(draw)
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    book = exchange.books[USD_ACCOUNT]
    deposit = book.balance
    gambler = Gambler(peer, draw)
    while exchange.now < 35 * SECOND:
        peer.run(draw.choice([0.0, 0.005, 0.02, 0.03, 0.3, 1.0]))
        gambler.act()
        if book.spec.account_type == ProtoOAAccountType.NETTED:
            assert len(list(book.open_positions())) <= 1
    wind_up(peer, book)

    assert exchange.floor.reserved(book) == 0
    assert book.balance == deposit + sum(booking.amount for booking in book.journal)
    filled = Counter[int]()
    for deal in book.deals:
        filled[deal.order_id] += deal.filled_volume
    for order in book.orders.values():
        assert order.status != ProtoOAOrderStatus.ORDER_STATUS_ACCEPTED
        assert order.executed_volume == filled[order.order_id]
        is_filled = order.status == ProtoOAOrderStatus.ORDER_STATUS_FILLED
        assert is_filled == (order.executed_volume == order.volume)
    left = Counter(
        {deal.deal_id: deal.filled_volume for deal in book.deals if not deal.closed_part}
    )
    for offset in book.offsets:
        left[offset.opening_deal_id] -= offset.volume
    assert not any(left.values())
    told = [event for event in peer.messages(ProtoOAExecutionEvent) if event.HasField("order")]
    ends = Counter(event.order.orderId for event in told if event.executionType in LAST_STATES)
    assert ends == Counter(book.orders.keys())
    assert [event.deal.dealId for event in told if event.HasField("deal")] == [
        deal.deal_id for deal in book.deals
    ]
