"""Every sequence of execution events that the protocol describes, frame by frame.

The frames are told in words, see `tests.simulator.told`: every field that is on the wire is there
with its value, and a field that is not told is not on the wire, but for those that every message
of its kind must hold with the same value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest
from google.protobuf.message import Message

from ctrader.proto import (
    ProtoOADealStatus,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrderErrorEvent,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOATimeInForce,
    ProtoOATrailingSLChangedEvent,
)
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.protocol.envelope import encode_envelope
from ctrader.simulator.catalogue import DEFAULT_ACCOUNTS
from tests.simulator.orders import (
    ORDER,
    POSITION,
    amend,
    amend_order,
    cancel,
    close,
    order,
    trader,
)
from tests.simulator.peer import (
    BARE,
    NETTED_ACCOUNT,
    START,
    USD_ACCOUNT,
    Peer,
    Received,
    log_in,
    scripted_exchange,
    with_fields,
)
from tests.simulator.told import told, words


def done(peer: Peer, *requests: Message, seconds: float = 1.0) -> Peer:
    """Send requests and drop all that comes of them."""
    for request in requests:
        peer.send(request, "before")
        peer.run(seconds)
    peer.received()
    return peer


def sent(peer: Peer, request: Message, seconds: float = 1.0) -> str:
    """Send a request and tell all that comes of it."""
    peer.send(request, "m1")
    return passed(peer, seconds)


def passed(peer: Peer, seconds: float) -> str:
    """Let time pass and tell the events that came."""
    peer.run(seconds)
    kinds = (
        ProtoOAErrorRes,
        ProtoOAExecutionEvent,
        ProtoOAOrderErrorEvent,
        ProtoOATrailingSLChangedEvent,
    )
    return told([each for each in peer.received() if isinstance(each.message, kinds)])


def standing(peer: Peer) -> str:
    """Tell what stands after all that came, protective orders included."""
    request = ProtoOAReconcileReq(ctidTraderAccountId=USD_ACCOUNT, returnProtectionOrders=True)
    return told([Received("m1", peer.ask(request, ProtoOAReconcileRes))])


def stop_order(kind: str) -> ProtoOANewOrderReq:
    """Make a STOP order below the market, or a STOP_LIMIT order above it."""
    if kind == "STOP":
        return order("STOP", "SELL", stopPrice=1.12)
    return order("STOP_LIMIT", stopPrice=1.13, slippageInPoints=5)


# Market orders


def test_market_order_without_protection():
    assert sent(trader(), order()) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 MARKET BUY 100000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        # m1 ORDER_FILLED client
          order 6000001 MARKET BUY 100000 open=0 close=20 FILLED of 5000001 at=1.12569
              executed=100000 changed=20 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 changed=20 commission=-3
              rate=1.12569 margin=1126
          deal 7000001 BUY 100000 of 100000 FILLED for order 6000001 position 5000001 create=0
              execution=20 changed=20 at=1.12569 rate=1.12569 commission=-3 usd=1.12569
        """)


def test_market_sell_is_filled_at_the_bid():
    assert sent(trader(), order(side="SELL", volume=200_000)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 MARKET SELL 200000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 SELL 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        # m1 ORDER_FILLED client
          order 6000001 MARKET SELL 200000 open=0 close=20 FILLED of 5000001 at=1.12567
              executed=200000 changed=20 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 SELL 200000 open=20 OPEN price=1.12567 changed=20 commission=-5
              rate=1.12567 margin=2251
          deal 7000001 SELL 200000 of 200000 FILLED for order 6000001 position 5000001 create=0
              execution=20 changed=20 at=1.12567 rate=1.12567 commission=-5 usd=1.12567
        """)


def test_market_order_with_distances():
    request = order(relativeStopLoss=100, relativeTakeProfit=200)
    request.label, request.comment, request.clientOrderId = "L", "C", "mine"
    assert sent(trader(), request) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 MARKET BUY 100000 open=0 label=L comment=C ACCEPTED of 5000001
              executed=0 changed=0 not-closingOrder clientOrderId=mine IMMEDIATE_OR_CANCEL
              relativeStopLoss=100 relativeTakeProfit=200 not-trailing
          position 5000001 BUY 0 label=L comment=C CREATED price=0.0 commission=0 rate=0.0
              margin=0 not-trailing
        # m1 ORDER_FILLED client
          order 6000001 MARKET BUY 100000 open=0 label=L comment=C close=20 FILLED of 5000001
              at=1.12569 executed=100000 changed=20 not-closingOrder clientOrderId=mine
              IMMEDIATE_OR_CANCEL relativeStopLoss=100 relativeTakeProfit=200 not-trailing
          position 5000001 BUY 100000 open=20 label=L comment=C OPEN price=1.12569 changed=20
              commission=-3 rate=1.12569 margin=1126 not-trailing
          deal 7000001 BUY 100000 of 100000 FILLED for order 6000001 position 5000001 create=0
              execution=20 changed=20 at=1.12569 rate=1.12569 commission=-3 usd=1.12569
        # m1 ORDER_ACCEPTED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=40 label=L comment=C ACCEPTED of
              5000001 executed=0 changed=40 closingOrder limitPrice=1.12769 stopPrice=1.12469
              clientOrderId=2 GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 100000 open=20 label=L comment=C OPEN price=1.12569
              stopLoss=1.12469 takeProfit=1.12769 changed=40 commission=-3 rate=1.12569
              margin=1126 trigger=TRADE not-trailing
        """)


def test_market_sell_with_distances():
    request = order(side="SELL", relativeStopLoss=100, relativeTakeProfit=200)
    assert sent(trader(), request) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 MARKET SELL 100000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder IMMEDIATE_OR_CANCEL relativeStopLoss=100 relativeTakeProfit=200
              not-trailing
          position 5000001 SELL 0 CREATED price=0.0 commission=0 rate=0.0 margin=0 not-trailing
        # m1 ORDER_FILLED client
          order 6000001 MARKET SELL 100000 open=0 close=20 FILLED of 5000001 at=1.12567
              executed=100000 changed=20 not-closingOrder IMMEDIATE_OR_CANCEL
              relativeStopLoss=100 relativeTakeProfit=200 not-trailing
          position 5000001 SELL 100000 open=20 OPEN price=1.12567 changed=20 commission=-3
              rate=1.12567 margin=1126 not-trailing
          deal 7000001 SELL 100000 of 100000 FILLED for order 6000001 position 5000001 create=0
              execution=20 changed=20 at=1.12567 rate=1.12567 commission=-3 usd=1.12567
        # m1 ORDER_ACCEPTED server
          order 6000002 STOP_LOSS_TAKE_PROFIT BUY 100000 open=40 ACCEPTED of 5000001 executed=0
              changed=40 closingOrder limitPrice=1.12367 stopPrice=1.12667 clientOrderId=2
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 SELL 100000 open=20 OPEN price=1.12567 stopLoss=1.12667
              takeProfit=1.12367 changed=40 commission=-3 rate=1.12567 margin=1126 trigger=TRADE
              not-trailing
        """)


def test_addition_to_a_position():
    peer = done(trader((0, 112567, 112569), (3, 112577, 112579)), order(relativeStopLoss=1000))
    peer.run(3)
    assert sent(peer, order(positionId=POSITION)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000003 MARKET BUY 100000 open=4000 ACCEPTED of 5000001 executed=0 changed=4000
              not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 stopLoss=1.11569 changed=40
              commission=-3 rate=1.12569 margin=1126 trigger=TRADE not-trailing
        # m1 ORDER_FILLED client
          order 6000003 MARKET BUY 100000 open=4000 close=4020 FILLED of 5000001 at=1.12579
              executed=100000 changed=4020 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 200000 open=20 OPEN price=1.12574 stopLoss=1.11569 changed=4020
              commission=-6 rate=1.12574 margin=2251 trigger=TRADE not-trailing
          deal 7000002 BUY 100000 of 100000 FILLED for order 6000003 position 5000001
              create=4000 execution=4020 changed=4020 at=1.12579 rate=1.12579 commission=-3
              usd=1.12579
        # m1 ORDER_REPLACED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 200000 open=40 ACCEPTED of 5000001 executed=0
              changed=4040 closingOrder stopPrice=1.11569 clientOrderId=2 GOOD_TILL_CANCEL
              not-trailing trigger=TRADE
          position 5000001 BUY 200000 open=20 OPEN price=1.12574 stopLoss=1.11569 changed=4040
              commission=-6 rate=1.12574 margin=2251 trigger=TRADE not-trailing
        """)


# Fills in parts


def test_partial_fills():
    peer = trader()
    peer.exchange.floor.script_fill(100_000, 200_000)
    assert sent(peer, order(volume=300_000)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 MARKET BUY 300000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        # m1 ORDER_PARTIAL_FILL client
          order 6000001 MARKET BUY 300000 open=0 ACCEPTED of 5000001 at=1.12569 executed=100000
              changed=20 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 changed=20 commission=-3
              rate=1.12569 margin=1126
          deal 7000001 BUY 100000 of 300000 PARTIALLY_FILLED for order 6000001 position 5000001
              create=0 execution=20 changed=20 at=1.12569 rate=1.12569 commission=-3 usd=1.12569
        # m1 ORDER_FILLED client
          order 6000001 MARKET BUY 300000 open=0 close=40 FILLED of 5000001 at=1.12569
              executed=300000 changed=40 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 300000 open=20 OPEN price=1.12569 changed=40 commission=-8
              rate=1.12569 margin=3377
          deal 7000002 BUY 200000 of 200000 FILLED for order 6000001 position 5000001 create=0
              execution=40 changed=40 at=1.12569 rate=1.12569 commission=-5 usd=1.12569
        """)


def test_three_partial_fills():
    peer = trader()
    peer.exchange.floor.script_fill(100_000, 200_000, 300_000)
    assert sent(peer, order(volume=600_000)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 MARKET BUY 600000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        # m1 ORDER_PARTIAL_FILL client
          order 6000001 MARKET BUY 600000 open=0 ACCEPTED of 5000001 at=1.12569 executed=100000
              changed=20 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 changed=20 commission=-3
              rate=1.12569 margin=1126
          deal 7000001 BUY 100000 of 600000 PARTIALLY_FILLED for order 6000001 position 5000001
              create=0 execution=20 changed=20 at=1.12569 rate=1.12569 commission=-3 usd=1.12569
        # m1 ORDER_PARTIAL_FILL client
          order 6000001 MARKET BUY 600000 open=0 ACCEPTED of 5000001 at=1.12569 executed=300000
              changed=40 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 300000 open=20 OPEN price=1.12569 changed=40 commission=-8
              rate=1.12569 margin=3377
          deal 7000002 BUY 200000 of 500000 PARTIALLY_FILLED for order 6000001 position 5000001
              create=0 execution=40 changed=40 at=1.12569 rate=1.12569 commission=-5 usd=1.12569
        # m1 ORDER_FILLED client
          order 6000001 MARKET BUY 600000 open=0 close=60 FILLED of 5000001 at=1.12569
              executed=600000 changed=60 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 600000 open=20 OPEN price=1.12569 changed=60 commission=-16
              rate=1.12569 margin=6754
          deal 7000003 BUY 300000 of 300000 FILLED for order 6000001 position 5000001 create=0
              execution=60 changed=60 at=1.12569 rate=1.12569 commission=-8 usd=1.12569
        """)


def test_partial_fills_at_several_prices_of_the_depth():
    peer = trader(switches=replace(BARE, fill_through_depth=True))
    ladder = peer.exchange.ladder(1)
    assert ladder is not None
    volume = ladder.asks[0].size + 100_000
    told_parts = sent(peer, order(volume=volume))
    assert told_parts.count("ORDER_PARTIAL_FILL client") == 1
    first, second = peer.exchange.books[USD_ACCOUNT].deals
    assert (first.price, first.filled_volume) == (ladder.asks[0].price, ladder.asks[0].size)
    assert (second.price, second.filled_volume) == (ladder.asks[1].price, 100_000)
    (filled,) = peer.exchange.books[USD_ACCOUNT].orders.values()
    assert filled.execution_price == peer.exchange.books[USD_ACCOUNT].positions[POSITION].price


def test_partial_fills_with_distances():
    peer = trader()
    peer.exchange.floor.script_fill(100_000, 100_000)
    assert sent(peer, order(volume=200_000, relativeStopLoss=100)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 MARKET BUY 200000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder IMMEDIATE_OR_CANCEL relativeStopLoss=100 not-trailing
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0 not-trailing
        # m1 ORDER_PARTIAL_FILL client
          order 6000001 MARKET BUY 200000 open=0 ACCEPTED of 5000001 at=1.12569 executed=100000
              changed=20 not-closingOrder IMMEDIATE_OR_CANCEL relativeStopLoss=100 not-trailing
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 changed=20 commission=-3
              rate=1.12569 margin=1126 not-trailing
          deal 7000001 BUY 100000 of 200000 PARTIALLY_FILLED for order 6000001 position 5000001
              create=0 execution=20 changed=20 at=1.12569 rate=1.12569 commission=-3 usd=1.12569
        # m1 ORDER_ACCEPTED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=40 ACCEPTED of 5000001 executed=0
              changed=40 closingOrder stopPrice=1.12469 clientOrderId=2 GOOD_TILL_CANCEL
              not-trailing trigger=TRADE
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 stopLoss=1.12469 changed=40
              commission=-3 rate=1.12569 margin=1126 trigger=TRADE not-trailing
        # m1 ORDER_FILLED client
          order 6000001 MARKET BUY 200000 open=0 close=40 FILLED of 5000001 at=1.12569
              executed=200000 changed=40 not-closingOrder IMMEDIATE_OR_CANCEL
              relativeStopLoss=100 not-trailing
          position 5000001 BUY 200000 open=20 OPEN price=1.12569 stopLoss=1.12469 changed=40
              commission=-6 rate=1.12569 margin=2251 trigger=TRADE not-trailing
          deal 7000002 BUY 100000 of 100000 FILLED for order 6000001 position 5000001 create=0
              execution=40 changed=40 at=1.12569 rate=1.12569 commission=-3 usd=1.12569
        # m1 ORDER_REPLACED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 200000 open=40 ACCEPTED of 5000001 executed=0
              changed=60 closingOrder stopPrice=1.12469 clientOrderId=2 GOOD_TILL_CANCEL
              not-trailing trigger=TRADE
          position 5000001 BUY 200000 open=20 OPEN price=1.12569 stopLoss=1.12469 changed=60
              commission=-6 rate=1.12569 margin=2251 trigger=TRADE not-trailing
        """)


def test_partial_fills_of_a_waiting_order_with_distances():
    peer = done(
        trader((0, 112567, 112569), (5, 111990, 111992)),
        order("STOP", "SELL", stopPrice=1.12, volume=300_000, relativeStopLoss=100),
    )
    peer.exchange.floor.script_fill(100_000, 100_000, 100_000)
    assert passed(peer, 6) == words("""
        # - ORDER_PARTIAL_FILL client
          order 6000001 STOP SELL 300000 open=0 ACCEPTED of 5000001 at=1.1199 executed=100000
              changed=5020 not-closingOrder stopPrice=1.12 GOOD_TILL_CANCEL relativeStopLoss=100
              not-trailing trigger=TRADE
          position 5000001 SELL 100000 open=5020 OPEN price=1.1199 changed=5020 commission=-3
              rate=1.1199 margin=1120 not-trailing
          deal 7000001 SELL 100000 of 300000 PARTIALLY_FILLED for order 6000001 position 5000001
              create=5000 execution=5020 changed=5020 at=1.1199 rate=1.1199 commission=-3
              usd=1.1199
        # - ORDER_ACCEPTED server
          order 6000002 STOP_LOSS_TAKE_PROFIT BUY 100000 open=5040 ACCEPTED of 5000001
              executed=0 changed=5040 closingOrder stopPrice=1.1209 clientOrderId=2
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 SELL 100000 open=5020 OPEN price=1.1199 stopLoss=1.1209 changed=5040
              commission=-3 rate=1.1199 margin=1120 trigger=TRADE not-trailing
        # - ORDER_PARTIAL_FILL client
          order 6000001 STOP SELL 300000 open=0 ACCEPTED of 5000001 at=1.1199 executed=200000
              changed=5040 not-closingOrder stopPrice=1.12 GOOD_TILL_CANCEL relativeStopLoss=100
              not-trailing trigger=TRADE
          position 5000001 SELL 200000 open=5020 OPEN price=1.1199 stopLoss=1.1209 changed=5040
              commission=-6 rate=1.1199 margin=2240 trigger=TRADE not-trailing
          deal 7000002 SELL 100000 of 200000 PARTIALLY_FILLED for order 6000001 position 5000001
              create=5000 execution=5040 changed=5040 at=1.1199 rate=1.1199 commission=-3
              usd=1.1199
        # - ORDER_REPLACED server
          order 6000002 STOP_LOSS_TAKE_PROFIT BUY 200000 open=5040 ACCEPTED of 5000001
              executed=0 changed=5060 closingOrder stopPrice=1.1209 clientOrderId=2
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 SELL 200000 open=5020 OPEN price=1.1199 stopLoss=1.1209 changed=5060
              commission=-6 rate=1.1199 margin=2240 trigger=TRADE not-trailing
        # - ORDER_FILLED client
          order 6000001 STOP SELL 300000 open=0 close=5060 FILLED of 5000001 at=1.1199
              executed=300000 changed=5060 not-closingOrder stopPrice=1.12 GOOD_TILL_CANCEL
              relativeStopLoss=100 not-trailing trigger=TRADE
          position 5000001 SELL 300000 open=5020 OPEN price=1.1199 stopLoss=1.1209 changed=5060
              commission=-9 rate=1.1199 margin=3360 trigger=TRADE not-trailing
          deal 7000003 SELL 100000 of 100000 FILLED for order 6000001 position 5000001
              create=5000 execution=5060 changed=5060 at=1.1199 rate=1.1199 commission=-3
              usd=1.1199
        # - ORDER_REPLACED server
          order 6000002 STOP_LOSS_TAKE_PROFIT BUY 300000 open=5040 ACCEPTED of 5000001
              executed=0 changed=5080 closingOrder stopPrice=1.1209 clientOrderId=2
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 SELL 300000 open=5020 OPEN price=1.1199 stopLoss=1.1209 changed=5080
              commission=-9 rate=1.1199 margin=3360 trigger=TRADE not-trailing
        """)


def test_rest_of_an_immediate_order_is_cancelled():
    peer = trader()
    peer.exchange.floor.script_fill(100_000)
    assert sent(peer, order(volume=300_000)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 MARKET BUY 300000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        # m1 ORDER_PARTIAL_FILL client
          order 6000001 MARKET BUY 300000 open=0 ACCEPTED of 5000001 at=1.12569 executed=100000
              changed=20 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 changed=20 commission=-3
              rate=1.12569 margin=1126
          deal 7000001 BUY 100000 of 300000 PARTIALLY_FILLED for order 6000001 position 5000001
              create=0 execution=20 changed=20 at=1.12569 rate=1.12569 commission=-3 usd=1.12569
        # m1 ORDER_CANCELLED client
          order 6000001 MARKET BUY 300000 open=0 close=20 CANCELLED of 5000001 at=1.12569
              executed=100000 changed=20 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 changed=20 commission=-3
              rate=1.12569 margin=1126
        """)


def test_rest_of_an_immediate_order_expires_if_so_switched():
    peer = trader(switches=replace(BARE, immediate_rest="expired"))
    peer.exchange.floor.script_fill(100_000)
    assert sent(peer, order(volume=300_000)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 MARKET BUY 300000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        # m1 ORDER_PARTIAL_FILL client
          order 6000001 MARKET BUY 300000 open=0 ACCEPTED of 5000001 at=1.12569 executed=100000
              changed=20 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 changed=20 commission=-3
              rate=1.12569 margin=1126
          deal 7000001 BUY 100000 of 300000 PARTIALLY_FILLED for order 6000001 position 5000001
              create=0 execution=20 changed=20 at=1.12569 rate=1.12569 commission=-3 usd=1.12569
        # m1 ORDER_EXPIRED client
          order 6000001 MARKET BUY 300000 open=0 close=20 EXPIRED of 5000001 at=1.12569
              executed=100000 changed=20 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 changed=20 commission=-3
              rate=1.12569 margin=1126
        """)


def test_order_that_is_all_or_nothing_gets_nothing():
    peer = trader()
    peer.exchange.floor.script_fill(100_000)
    request = order(volume=300_000, timeInForce=ProtoOATimeInForce.FILL_OR_KILL)
    assert sent(peer, request) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 MARKET BUY 300000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder FILL_OR_KILL
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        # m1 ORDER_CANCELLED client
          order 6000001 MARKET BUY 300000 open=0 close=20 CANCELLED of 5000001 executed=0
              changed=20 not-closingOrder FILL_OR_KILL
          position 5000001 BUY 0 close=20 CLOSED price=0.0 changed=20 commission=0 rate=0.0
              margin=0
        """)


def test_immediate_limit_order_is_filled_or_cancelled():
    immediate = ProtoOATimeInForce.IMMEDIATE_OR_CANCEL
    missed = order("LIMIT", limitPrice=1.12, timeInForce=immediate)
    assert sent(trader(), missed) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 LIMIT BUY 100000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder limitPrice=1.12 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        # m1 ORDER_CANCELLED client
          order 6000001 LIMIT BUY 100000 open=0 CANCELLED of 5000001 executed=0 changed=20
              not-closingOrder limitPrice=1.12 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 close=20 CLOSED price=0.0 changed=20 commission=0 rate=0.0
              margin=0
        """)
    met = order("LIMIT", limitPrice=1.13, timeInForce=immediate)
    assert sent(trader(), met) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 LIMIT BUY 100000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder limitPrice=1.13 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        # m1 ORDER_FILLED client
          order 6000001 LIMIT BUY 100000 open=0 close=20 FILLED of 5000001 at=1.12569
              executed=100000 changed=20 not-closingOrder limitPrice=1.13 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 changed=20 commission=-3
              rate=1.12569 margin=1126
          deal 7000001 BUY 100000 of 100000 FILLED for order 6000001 position 5000001 create=0
              execution=20 changed=20 at=1.12569 rate=1.12569 commission=-3 usd=1.12569
        """)


def test_rest_of_a_waiting_order_goes_on_waiting():
    peer = done(
        trader((0, 112567, 112569), (5, 111997, 111999), (9, 111996, 111998)),
        order("LIMIT", limitPrice=1.12, volume=300_000),
    )
    peer.exchange.floor.script_fill(100_000)
    assert passed(peer, 6) == words("""
        # - ORDER_PARTIAL_FILL client
          order 6000001 LIMIT BUY 300000 open=0 ACCEPTED of 5000001 at=1.11999 executed=100000
              changed=5020 not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL
          position 5000001 BUY 100000 open=5020 OPEN price=1.11999 changed=5020 commission=-3
              rate=1.11999 margin=1120
          deal 7000001 BUY 100000 of 300000 PARTIALLY_FILLED for order 6000001 position 5000001
              create=5000 execution=5020 changed=5020 at=1.11999 rate=1.11999 commission=-3
              usd=1.11999
        """)
    assert passed(peer, 6) == words("""
        # - ORDER_FILLED client
          order 6000001 LIMIT BUY 300000 open=0 close=9020 FILLED of 5000001
              at=1.119983333333333 executed=300000 changed=9020 not-closingOrder limitPrice=1.12
              GOOD_TILL_CANCEL
          position 5000001 BUY 300000 open=5020 OPEN price=1.119983333333333 changed=9020
              commission=-8 rate=1.1199833333333333 margin=3360
          deal 7000002 BUY 200000 of 200000 FILLED for order 6000001 position 5000001
              create=9000 execution=9020 changed=9020 at=1.11998 rate=1.11998 commission=-5
              usd=1.11998
        """)


def test_waiting_order_is_filled_in_parts_at_two_prices():
    peer = done(
        trader((0, 112567, 112569), (5, 111997, 111999), (9, 111996, 111998)),
        order("LIMIT", limitPrice=1.12, volume=600_000),
    )
    peer.exchange.floor.script_fill(100_000, 200_000)
    assert passed(peer, 12) == words("""
        # - ORDER_PARTIAL_FILL client
          order 6000001 LIMIT BUY 600000 open=0 ACCEPTED of 5000001 at=1.11999 executed=100000
              changed=5020 not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL
          position 5000001 BUY 100000 open=5020 OPEN price=1.11999 changed=5020 commission=-3
              rate=1.11999 margin=1120
          deal 7000001 BUY 100000 of 600000 PARTIALLY_FILLED for order 6000001 position 5000001
              create=5000 execution=5020 changed=5020 at=1.11999 rate=1.11999 commission=-3
              usd=1.11999
        # - ORDER_PARTIAL_FILL client
          order 6000001 LIMIT BUY 600000 open=0 ACCEPTED of 5000001 at=1.11999 executed=300000
              changed=5040 not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL
          position 5000001 BUY 300000 open=5020 OPEN price=1.11999 changed=5040 commission=-8
              rate=1.11999 margin=3360
          deal 7000002 BUY 200000 of 500000 PARTIALLY_FILLED for order 6000001 position 5000001
              create=5000 execution=5040 changed=5040 at=1.11999 rate=1.11999 commission=-5
              usd=1.11999
        # - ORDER_FILLED client
          order 6000001 LIMIT BUY 600000 open=0 close=9020 FILLED of 5000001 at=1.119985
              executed=600000 changed=9020 not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL
          position 5000001 BUY 600000 open=5020 OPEN price=1.119985 changed=9020 commission=-16
              rate=1.119985 margin=6720
          deal 7000003 BUY 300000 of 300000 FILLED for order 6000001 position 5000001
              create=9000 execution=9020 changed=9020 at=1.11998 rate=1.11998 commission=-8
              usd=1.11998
        """)


def test_rest_of_a_waiting_order_is_cancelled_beside_its_position():
    peer = done(
        trader((0, 112567, 112569), (5, 111997, 111999)),
        order("LIMIT", limitPrice=1.12, volume=300_000),
    )
    peer.exchange.floor.script_fill(100_000)
    peer.run(6)
    peer.received()
    assert sent(peer, cancel()) == words("""
        # m1 ORDER_CANCELLED client
          order 6000001 LIMIT BUY 300000 open=0 CANCELLED of 5000001 at=1.11999 executed=100000
              changed=7000 not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL
          position 5000001 BUY 100000 open=5020 OPEN price=1.11999 changed=5020 commission=-3
              rate=1.11999 margin=1120
        """)


def test_rest_of_a_waiting_order_expires_beside_its_position():
    request = order("LIMIT", limitPrice=1.12, volume=300_000, expirationTimestamp=START + 8000)
    request.timeInForce = ProtoOATimeInForce.GOOD_TILL_DATE
    peer = done(trader((0, 112567, 112569), (5, 111997, 111999)), request)
    peer.exchange.floor.script_fill(100_000)
    peer.run(5)
    peer.received()
    assert passed(peer, 3) == words("""
        # - ORDER_EXPIRED server
          order 6000001 LIMIT BUY 300000 open=0 EXPIRED of 5000001 expiration=8000 at=1.11999
              executed=100000 changed=8000 not-closingOrder limitPrice=1.12 GOOD_TILL_DATE
          position 5000001 BUY 100000 open=5020 OPEN price=1.11999 changed=5020 commission=-3
              rate=1.11999 margin=1120
        """)


# Market-range orders


def test_market_range_order_inside_its_range():
    request = order("MARKET_RANGE", baseSlippagePrice=1.12565, slippageInPoints=4)
    assert sent(trader(), request) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 MARKET_RANGE BUY 100000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              baseSlippagePrice=1.12565 slippageInPoints=4 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        # m1 ORDER_FILLED client
          order 6000001 MARKET_RANGE BUY 100000 open=0 close=20 FILLED of 5000001 at=1.12569
              executed=100000 changed=20 baseSlippagePrice=1.12565 slippageInPoints=4
              not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 changed=20 commission=-3
              rate=1.12569 margin=1126
          deal 7000001 BUY 100000 of 100000 FILLED for order 6000001 position 5000001 create=0
              execution=20 changed=20 at=1.12569 rate=1.12569 commission=-3 usd=1.12569
        """)


@pytest.mark.parametrize("ending", ["cancelled", "rejected", "expired"])
def test_market_range_order_outside_its_range(ending: str):
    switches = replace(BARE, market_range_rest=ending)  # type: ignore[arg-type]  # one of three
    request = order("MARKET_RANGE", baseSlippagePrice=1.12565, slippageInPoints=3)
    error = " error TRADING_BAD_PRICES" if ending == "rejected" else ""
    assert sent(trader(switches=switches), request) == words(
        """
        # m1 ORDER_ACCEPTED client
          order 6000001 MARKET_RANGE BUY 100000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              baseSlippagePrice=1.12565 slippageInPoints=3 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        # m1 ORDER_ENDED ERROR client
          order 6000001 MARKET_RANGE BUY 100000 open=0 close=20 ENDED of 5000001 executed=0
              changed=20 baseSlippagePrice=1.12565 slippageInPoints=3 not-closingOrder
              IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 close=20 CLOSED price=0.0 changed=20 commission=0 rate=0.0
              margin=0
        """.replace("ENDED", ending.upper()).replace(" ERROR", error)
    )


# Pending orders


def test_limit_order_is_placed():
    request = order("LIMIT", limitPrice=1.12, stopLoss=1.118, takeProfit=1.13, label="L")
    assert sent(trader(), request) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 LIMIT BUY 100000 open=0 label=L ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL relativeStopLoss=200
              relativeTakeProfit=1000 not-trailing
          position 5000001 BUY 0 label=L CREATED price=0.0 commission=0 rate=0.0 margin=0
              not-trailing
        """)


def test_stop_order_is_placed():
    assert sent(trader(), order("STOP", "SELL", stopPrice=1.12)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 STOP SELL 100000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder stopPrice=1.12 GOOD_TILL_CANCEL trigger=TRADE
          position 5000001 SELL 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        """)


def test_stop_limit_order_is_placed():
    request = order("STOP_LIMIT", stopPrice=1.13, slippageInPoints=5, stopTriggerMethod="OPPOSITE")
    assert sent(trader(), request) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 STOP_LIMIT BUY 100000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              slippageInPoints=5 not-closingOrder stopPrice=1.13 GOOD_TILL_CANCEL
              trigger=OPPOSITE
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        """)


def test_limit_order_is_filled_later():
    peer = done(trader((0, 112567, 112569), (5, 111997, 111999)), order("LIMIT", limitPrice=1.12))
    assert passed(peer, 6) == words("""
        # - ORDER_FILLED client
          order 6000001 LIMIT BUY 100000 open=0 close=5020 FILLED of 5000001 at=1.11999
              executed=100000 changed=5020 not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL
          position 5000001 BUY 100000 open=5020 OPEN price=1.11999 changed=5020 commission=-3
              rate=1.11999 margin=1120
          deal 7000001 BUY 100000 of 100000 FILLED for order 6000001 position 5000001
              create=5000 execution=5020 changed=5020 at=1.11999 rate=1.11999 commission=-3
              usd=1.11999
        """)


def test_limit_order_with_distances_is_filled_later():
    peer = done(
        trader((0, 112567, 112569), (5, 111997, 111999)),
        order("LIMIT", limitPrice=1.12, relativeStopLoss=100, relativeTakeProfit=150),
    )
    assert passed(peer, 6) == words("""
        # - ORDER_FILLED client
          order 6000001 LIMIT BUY 100000 open=0 close=5020 FILLED of 5000001 at=1.11999
              executed=100000 changed=5020 not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL
              relativeStopLoss=100 relativeTakeProfit=150 not-trailing
          position 5000001 BUY 100000 open=5020 OPEN price=1.11999 changed=5020 commission=-3
              rate=1.11999 margin=1120 not-trailing
          deal 7000001 BUY 100000 of 100000 FILLED for order 6000001 position 5000001
              create=5000 execution=5020 changed=5020 at=1.11999 rate=1.11999 commission=-3
              usd=1.11999
        # - ORDER_ACCEPTED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=5040 ACCEPTED of 5000001
              executed=0 changed=5040 closingOrder limitPrice=1.12149 stopPrice=1.11899
              clientOrderId=2 GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 100000 open=5020 OPEN price=1.11999 stopLoss=1.11899
              takeProfit=1.12149 changed=5040 commission=-3 rate=1.11999 margin=1120
              trigger=TRADE not-trailing
        """)


def test_stop_order_with_distances_is_filled_later():
    peer = done(
        trader((0, 112567, 112569), (5, 111990, 111992)),
        order("STOP", "SELL", stopPrice=1.12, relativeStopLoss=100, relativeTakeProfit=150),
    )
    assert passed(peer, 6) == words("""
        # - ORDER_FILLED client
          order 6000001 STOP SELL 100000 open=0 close=5020 FILLED of 5000001 at=1.1199
              executed=100000 changed=5020 not-closingOrder stopPrice=1.12 GOOD_TILL_CANCEL
              relativeStopLoss=100 relativeTakeProfit=150 not-trailing trigger=TRADE
          position 5000001 SELL 100000 open=5020 OPEN price=1.1199 changed=5020 commission=-3
              rate=1.1199 margin=1120 not-trailing
          deal 7000001 SELL 100000 of 100000 FILLED for order 6000001 position 5000001
              create=5000 execution=5020 changed=5020 at=1.1199 rate=1.1199 commission=-3
              usd=1.1199
        # - ORDER_ACCEPTED server
          order 6000002 STOP_LOSS_TAKE_PROFIT BUY 100000 open=5040 ACCEPTED of 5000001
              executed=0 changed=5040 closingOrder limitPrice=1.1184 stopPrice=1.1209
              clientOrderId=2 GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 SELL 100000 open=5020 OPEN price=1.1199 stopLoss=1.1209
              takeProfit=1.1184 changed=5040 commission=-3 rate=1.1199 margin=1120 trigger=TRADE
              not-trailing
        """)


def test_stop_limit_order_waits_for_its_limit_after_its_stop():
    ticks = ((0, 112567, 112569), (5, 113008, 113010), (6, 113003, 113005))
    peer = done(trader(*ticks), order("STOP_LIMIT", stopPrice=1.13, slippageInPoints=5))
    assert passed(peer, 4.5) == ""
    assert passed(peer, 1) == words("""
        # - ORDER_FILLED client
          order 6000001 STOP_LIMIT BUY 100000 open=0 close=6020 FILLED of 5000001 at=1.13005
              executed=100000 changed=6020 slippageInPoints=5 not-closingOrder stopPrice=1.13
              GOOD_TILL_CANCEL trigger=TRADE
          position 5000001 BUY 100000 open=6020 OPEN price=1.13005 changed=6020 commission=-3
              rate=1.13005 margin=1130
          deal 7000001 BUY 100000 of 100000 FILLED for order 6000001 position 5000001
              create=6000 execution=6020 changed=6020 at=1.13005 rate=1.13005 commission=-3
              usd=1.13005
        """)


def test_stop_limit_order_with_distances_is_filled_later():
    peer = done(
        trader((0, 112567, 112569), (5, 113001, 113003)),
        order("STOP_LIMIT", stopPrice=1.13, slippageInPoints=5, relativeTakeProfit=150),
    )
    assert passed(peer, 6) == words("""
        # - ORDER_FILLED client
          order 6000001 STOP_LIMIT BUY 100000 open=0 close=5020 FILLED of 5000001 at=1.13003
              executed=100000 changed=5020 slippageInPoints=5 not-closingOrder stopPrice=1.13
              GOOD_TILL_CANCEL relativeTakeProfit=150 not-trailing trigger=TRADE
          position 5000001 BUY 100000 open=5020 OPEN price=1.13003 changed=5020 commission=-3
              rate=1.13003 margin=1130 not-trailing
          deal 7000001 BUY 100000 of 100000 FILLED for order 6000001 position 5000001
              create=5000 execution=5020 changed=5020 at=1.13003 rate=1.13003 commission=-3
              usd=1.13003
        # - ORDER_ACCEPTED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=5040 ACCEPTED of 5000001
              executed=0 changed=5040 closingOrder limitPrice=1.13153 clientOrderId=2
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 100000 open=5020 OPEN price=1.13003 takeProfit=1.13153
              changed=5040 commission=-3 rate=1.13003 margin=1130 trigger=TRADE not-trailing
        """)


def test_limit_order_that_the_market_has_passed_is_filled_at_once():
    assert sent(trader(), order("LIMIT", "SELL", limitPrice=1.12)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 LIMIT SELL 100000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL
          position 5000001 SELL 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        # - ORDER_FILLED client
          order 6000001 LIMIT SELL 100000 open=0 close=20 FILLED of 5000001 at=1.12567
              executed=100000 changed=20 not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL
          position 5000001 SELL 100000 open=20 OPEN price=1.12567 changed=20 commission=-3
              rate=1.12567 margin=1126
          deal 7000001 SELL 100000 of 100000 FILLED for order 6000001 position 5000001 create=0
              execution=20 changed=20 at=1.12567 rate=1.12567 commission=-3 usd=1.12567
        """)


def test_pending_order_is_cancelled():
    peer = done(trader(), order("LIMIT", limitPrice=1.12))
    assert sent(peer, cancel()) == words("""
        # m1 ORDER_CANCELLED client
          order 6000001 LIMIT BUY 100000 open=0 CANCELLED of 5000001 executed=0 changed=1000
              not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL
          position 5000001 BUY 0 close=1000 CLOSED price=0.0 changed=1000 commission=0 rate=0.0
              margin=0
        """)


@pytest.mark.parametrize("kind", ["STOP", "STOP_LIMIT"])
def test_pending_stop_is_cancelled(kind: str):
    expected = {
        "STOP": """
        # m1 ORDER_CANCELLED client
          order 6000001 STOP SELL 100000 open=0 CANCELLED of 5000001 executed=0 changed=1000
              not-closingOrder stopPrice=1.12 GOOD_TILL_CANCEL trigger=TRADE
          position 5000001 SELL 0 close=1000 CLOSED price=0.0 changed=1000 commission=0 rate=0.0
              margin=0
        """,
        "STOP_LIMIT": """
        # m1 ORDER_CANCELLED client
          order 6000001 STOP_LIMIT BUY 100000 open=0 CANCELLED of 5000001 executed=0
              changed=1000 slippageInPoints=5 not-closingOrder stopPrice=1.13 GOOD_TILL_CANCEL
              trigger=TRADE
          position 5000001 BUY 0 close=1000 CLOSED price=0.0 changed=1000 commission=0 rate=0.0
              margin=0
        """,
    }
    assert sent(done(trader(), stop_order(kind)), cancel()) == words(expected[kind])


def test_pending_order_is_amended():
    peer = done(trader(), order("LIMIT", limitPrice=1.12, relativeStopLoss=100))
    request = amend_order(limitPrice=1.121, volume=200_000, relativeTakeProfit=300)
    assert sent(peer, request) == words("""
        # m1 ORDER_REPLACED client
          order 6000001 LIMIT BUY 200000 open=0 ACCEPTED of 5000001 executed=0 changed=1000
              not-closingOrder limitPrice=1.121 GOOD_TILL_CANCEL relativeTakeProfit=300
              not-trailing
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0 not-trailing
        """)


@pytest.mark.parametrize("kind", ["STOP", "STOP_LIMIT"])
def test_pending_stop_is_amended(kind: str):
    request = {
        "STOP": amend_order(stopPrice=1.119, volume=200_000, relativeStopLoss=100),
        "STOP_LIMIT": amend_order(
            stopPrice=1.131, slippageInPoints=7, expirationTimestamp=START + 60_000
        ),
    }
    expected = {
        "STOP": """
        # m1 ORDER_REPLACED client
          order 6000001 STOP SELL 200000 open=0 ACCEPTED of 5000001 executed=0 changed=1000
              not-closingOrder stopPrice=1.119 GOOD_TILL_CANCEL relativeStopLoss=100
              not-trailing trigger=TRADE
          position 5000001 SELL 0 CREATED price=0.0 commission=0 rate=0.0 margin=0 not-trailing
        """,
        "STOP_LIMIT": """
        # m1 ORDER_REPLACED client
          order 6000001 STOP_LIMIT BUY 100000 open=0 ACCEPTED of 5000001 expiration=60000
              executed=0 changed=1000 slippageInPoints=7 not-closingOrder stopPrice=1.131
              GOOD_TILL_DATE trigger=TRADE
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        """,
    }
    assert sent(done(trader(), stop_order(kind)), request[kind]) == words(expected[kind])


def test_pending_order_expires():
    request = order("LIMIT", limitPrice=1.12, expirationTimestamp=START + 5000)
    request.timeInForce = ProtoOATimeInForce.GOOD_TILL_DATE
    assert passed(done(trader(), request), 6) == words("""
        # - ORDER_EXPIRED server
          order 6000001 LIMIT BUY 100000 open=0 EXPIRED of 5000001 expiration=5000 executed=0
              changed=5000 not-closingOrder limitPrice=1.12 GOOD_TILL_DATE
          position 5000001 BUY 0 close=5000 CLOSED price=0.0 changed=5000 commission=0 rate=0.0
              margin=0
        """)


@pytest.mark.parametrize("kind", ["STOP", "STOP_LIMIT"])
def test_pending_stop_expires(kind: str):
    request = with_fields(stop_order(kind), expirationTimestamp=START + 5000)
    request.timeInForce = ProtoOATimeInForce.GOOD_TILL_DATE
    expected = {
        "STOP": """
        # - ORDER_EXPIRED server
          order 6000001 STOP SELL 100000 open=0 EXPIRED of 5000001 expiration=5000 executed=0
              changed=5000 not-closingOrder stopPrice=1.12 GOOD_TILL_DATE trigger=TRADE
          position 5000001 SELL 0 close=5000 CLOSED price=0.0 changed=5000 commission=0 rate=0.0
              margin=0
        """,
        "STOP_LIMIT": """
        # - ORDER_EXPIRED server
          order 6000001 STOP_LIMIT BUY 100000 open=0 EXPIRED of 5000001 expiration=5000
              executed=0 changed=5000 slippageInPoints=5 not-closingOrder stopPrice=1.13
              GOOD_TILL_DATE trigger=TRADE
          position 5000001 BUY 0 close=5000 CLOSED price=0.0 changed=5000 commission=0 rate=0.0
              margin=0
        """,
    }
    assert passed(done(trader(), request), 6) == words(expected[kind])


def test_cancel_that_meets_the_fill():
    ticks = ((0, 112567, 112569), (5, 111997, 111999))
    peer = done(trader(*ticks), order("LIMIT", limitPrice=1.12))
    peer.run(4.01)
    assert sent(peer, cancel()) == words("""
        # m1 ORDER_CANCEL_REJECTED error PENDING_EXECUTION client
          order 6000001 LIMIT BUY 100000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        # - ORDER_FILLED client
          order 6000001 LIMIT BUY 100000 open=0 close=5020 FILLED of 5000001 at=1.11999
              executed=100000 changed=5020 not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL
          position 5000001 BUY 100000 open=5020 OPEN price=1.11999 changed=5020 commission=-3
              rate=1.11999 margin=1120
          deal 7000001 BUY 100000 of 100000 FILLED for order 6000001 position 5000001
              create=5000 execution=5020 changed=5020 at=1.11999 rate=1.11999 commission=-3
              usd=1.11999
        """)


# Rejections


def test_order_is_refused_straight_away():
    assert sent(trader(), order(volume=1)) == words("""
        # m1
          order error errorCode TRADING_BAD_VOLUME orderId 0 positionId 0 description Order
              volume = 1 must be from 100000 to 10000000000 in steps of 100000
        """)


@pytest.mark.parametrize("why", ["malformed", "not authorised", "too many"])
def test_order_is_refused_by_an_error(why: str):
    peer = trader(switches=replace(BARE, rate_limit=1 if why == "too many" else 0))
    other = log_in(Peer(peer.exchange), USD_ACCOUNT)
    request = order()
    if why == "malformed":
        request.ClearField("volume")
    elif why == "not authorised":
        peer = log_in(Peer(peer.exchange))
    else:
        done(peer, order(volume=1), seconds=0)
        other.received()
    payload = request.SerializePartialToString()
    peer.send_bytes(encode_envelope(PAYLOAD_TYPE_BY_MESSAGE[type(request)], payload, "m1"))
    peer.run(1)
    expected = {
        "malformed": """
        # m1
          error errorCode INVALID_REQUEST description Message missing required fields: volume
        """,
        "not authorised": """
        # m1
          error ctidTraderAccountId 1000001 errorCode INVALID_REQUEST description
              Trading account is not authorized
        """,
        "too many": """
        # m1
          error ctidTraderAccountId 1000001 errorCode BLOCKED_PAYLOAD_TYPE description
              Request rate exceeded retryAfter 1
        """,
    }
    assert told(peer.received()) == words(expected[why])
    assert other.received() == []
    assert not peer.exchange.books[USD_ACCOUNT].orders


def test_refusals_that_name_the_order():
    assert sent(trader(), cancel()) == words("""
        # m1
          order error errorCode ORDER_NOT_FOUND orderId 6000001 description Order not found with
              id 6000001
        """)
    assert sent(trader(), amend_order(limitPrice=1.12)) == words("""
        # m1
          order error errorCode ORDER_NOT_FOUND orderId 6000001 description Order not found with
              id 6000001
        """)


def test_order_is_rejected_after_its_acceptance():
    peer = trader()
    peer.exchange.floor.script_rejection("TIMEOUT_ERROR")
    assert sent(peer, order()) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 MARKET BUY 100000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        # m1 ORDER_REJECTED error TIMEOUT_ERROR client
          order 6000001 MARKET BUY 100000 open=0 close=20 REJECTED of 5000001 executed=0
              changed=20 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 close=20 CLOSED price=0.0 changed=20 commission=0 rate=0.0
              margin=0
        """)
    assert not peer.exchange.books[USD_ACCOUNT].positions


def test_order_is_rejected_with_an_empty_deal():
    peer = trader()
    peer.exchange.floor.script_rejection("NO_QUOTES", deal_status=ProtoOADealStatus.MISSED)
    assert sent(peer, order()) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000001 MARKET BUY 100000 open=0 ACCEPTED of 5000001 executed=0 changed=0
              not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 CREATED price=0.0 commission=0 rate=0.0 margin=0
        # m1 ORDER_REJECTED error NO_QUOTES client
          order 6000001 MARKET BUY 100000 open=0 close=20 REJECTED of 5000001 executed=0
              changed=20 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 close=20 CLOSED price=0.0 changed=20 commission=0 rate=0.0
              margin=0
          deal 7000001 BUY 0 of 100000 MISSED for order 6000001 position 5000001 create=0
              execution=20 changed=20 rate=0.0 commission=0 usd=0.0
        """)


@pytest.mark.parametrize("status", ["REJECTED", "INTERNALLY_REJECTED", "ERROR"])
def test_empty_deal_says_who_rejected_the_order(status: str):
    peer = trader()
    peer.exchange.floor.script_rejection(
        "TIMEOUT_ERROR", deal_status=ProtoOADealStatus.Value(status)
    )
    assert sent(peer, order()).split(" # ")[1] == words(f"""
        m1 ORDER_REJECTED error TIMEOUT_ERROR client
          order 6000001 MARKET BUY 100000 open=0 close=20 REJECTED of 5000001 executed=0
              changed=20 not-closingOrder IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 close=20 CLOSED price=0.0 changed=20 commission=0 rate=0.0
              margin=0
          deal 7000001 BUY 0 of 100000 {status} for order 6000001 position 5000001 create=0
              execution=20 changed=20 rate=0.0 commission=0 usd=0.0
        """)


@pytest.mark.parametrize("kind", ["LIMIT", "STOP", "STOP_LIMIT"])
def test_pending_order_is_rejected_at_its_fill(kind: str):
    request = order("LIMIT", limitPrice=1.12) if kind == "LIMIT" else stop_order(kind)
    bid = 113001 if kind == "STOP_LIMIT" else 111990
    peer = done(trader((0, 112567, 112569), (5, bid, bid + 2)), request)
    peer.exchange.floor.script_rejection("TIMEOUT_ERROR", deal_status=ProtoOADealStatus.MISSED)
    expected = {
        "LIMIT": """
        # - ORDER_REJECTED error TIMEOUT_ERROR server
          order 6000001 LIMIT BUY 100000 open=0 REJECTED of 5000001 executed=0 changed=5020
              not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL
          position 5000001 BUY 0 close=5020 CLOSED price=0.0 changed=5020 commission=0 rate=0.0
              margin=0
          deal 7000001 BUY 0 of 100000 MISSED for order 6000001 position 5000001 create=5000
              execution=5020 changed=5020 rate=0.0 commission=0 usd=0.0
        """,
        "STOP": """
        # - ORDER_REJECTED error TIMEOUT_ERROR server
          order 6000001 STOP SELL 100000 open=0 REJECTED of 5000001 executed=0 changed=5020
              not-closingOrder stopPrice=1.12 GOOD_TILL_CANCEL trigger=TRADE
          position 5000001 SELL 0 close=5020 CLOSED price=0.0 changed=5020 commission=0 rate=0.0
              margin=0
          deal 7000001 SELL 0 of 100000 MISSED for order 6000001 position 5000001 create=5000
              execution=5020 changed=5020 rate=0.0 commission=0 usd=0.0
        """,
        "STOP_LIMIT": """
        # - ORDER_REJECTED error TIMEOUT_ERROR server
          order 6000001 STOP_LIMIT BUY 100000 open=0 REJECTED of 5000001 executed=0 changed=5020
              slippageInPoints=5 not-closingOrder stopPrice=1.13 GOOD_TILL_CANCEL trigger=TRADE
          position 5000001 BUY 0 close=5020 CLOSED price=0.0 changed=5020 commission=0 rate=0.0
              margin=0
          deal 7000001 BUY 0 of 100000 MISSED for order 6000001 position 5000001 create=5000
              execution=5020 changed=5020 rate=0.0 commission=0 usd=0.0
        """,
    }
    assert passed(peer, 6) == words(expected[kind])


def test_pending_order_that_cannot_be_paid_any_more_is_rejected_at_its_fill():
    peer = done(
        trader((0, 112567, 112569), (5, 111997, 111999)),
        order("LIMIT", limitPrice=1.12, relativeStopLoss=100),
    )
    peer.exchange.withdraw(USD_ACCOUNT, Decimal(99_995))
    peer.received()
    assert passed(peer, 6) == words("""
        # - ORDER_REJECTED error NOT_ENOUGH_MONEY server
          order 6000001 LIMIT BUY 100000 open=0 REJECTED of 5000001 executed=0 changed=5020
              not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL relativeStopLoss=100
              not-trailing
          position 5000001 BUY 0 close=5020 CLOSED price=0.0 changed=5020 commission=0 rate=0.0
              margin=0 not-trailing
        """)


def test_rest_of_a_waiting_order_is_rejected_beside_its_position():
    peer = done(
        trader((0, 112567, 112569), (5, 111997, 111999), (9, 111996, 111998)),
        order("LIMIT", limitPrice=1.12, volume=300_000),
    )
    peer.exchange.floor.script_fill(100_000)
    peer.exchange.floor.script_rejection("TIMEOUT_ERROR")
    peer.run(5)
    peer.received()
    assert passed(peer, 6) == words("""
        # - ORDER_REJECTED error TIMEOUT_ERROR server
          order 6000001 LIMIT BUY 300000 open=0 REJECTED of 5000001 at=1.11999 executed=100000
              changed=9020 not-closingOrder limitPrice=1.12 GOOD_TILL_CANCEL
          position 5000001 BUY 100000 open=5020 OPEN price=1.11999 changed=5020 commission=-3
              rate=1.11999 margin=1120
        """)


def test_close_is_rejected_after_its_acceptance():
    peer = done(trader(), order(relativeStopLoss=100))
    peer.exchange.floor.script_rejection("TIMEOUT_ERROR", deal_status=ProtoOADealStatus.REJECTED)
    assert sent(peer, close()) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000003 MARKET SELL 100000 open=1000 ACCEPTED of 5000001 executed=0 changed=1000
              closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 stopLoss=1.12469 changed=40
              commission=-3 rate=1.12569 margin=1126 trigger=TRADE not-trailing
        # m1 ORDER_REJECTED error TIMEOUT_ERROR client
          order 6000003 MARKET SELL 100000 open=1000 close=1020 REJECTED of 5000001 executed=0
              changed=1020 closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 stopLoss=1.12469 changed=40
              commission=-3 rate=1.12569 margin=1126 trigger=TRADE not-trailing
          deal 7000002 SELL 0 of 100000 REJECTED for order 6000003 position 5000001 create=1000
              execution=1020 changed=1020 rate=0.0 commission=0 usd=0.0
        """)


# Closing


def test_full_close_without_protection():
    peer = done(trader(), order())
    assert sent(peer, close()) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000002 MARKET SELL 100000 open=1000 ACCEPTED of 5000001 executed=0 changed=1000
              closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 changed=20 commission=-3
              rate=1.12569 margin=1126
        # m1 ORDER_FILLED client
          order 6000002 MARKET SELL 100000 open=1000 close=1020 FILLED of 5000001 at=1.12567
              executed=100000 changed=1020 closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 open=20 close=1020 CLOSED price=0.0 changed=1020 commission=0
              rate=0.0 margin=0
          deal 7000002 SELL 100000 of 100000 FILLED for order 6000002 position 5000001
              create=1000 execution=1020 changed=1020 at=1.12567 rate=1.12567 commission=-3
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-2 commission=-6 balance=9999992 converted=1.0
              closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        """)


def test_full_close_with_a_protective_order():
    peer = done(trader(), order(relativeStopLoss=100))
    assert sent(peer, close()) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000003 MARKET SELL 100000 open=1000 ACCEPTED of 5000001 executed=0 changed=1000
              closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 stopLoss=1.12469 changed=40
              commission=-3 rate=1.12569 margin=1126 trigger=TRADE not-trailing
        # m1 ORDER_FILLED client
          order 6000003 MARKET SELL 100000 open=1000 close=1020 FILLED of 5000001 at=1.12567
              executed=100000 changed=1020 closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 open=20 CREATED price=0.0 stopLoss=1.12469 changed=1020
              commission=0 rate=0.0 margin=0 trigger=TRADE not-trailing
          deal 7000002 SELL 100000 of 100000 FILLED for order 6000003 position 5000001
              create=1000 execution=1020 changed=1020 at=1.12567 rate=1.12567 commission=-3
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-2 commission=-6 balance=9999992 converted=1.0
              closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        # m1 ORDER_CANCELLED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=40 close=1020 CANCELLED of
              5000001 executed=0 changed=1020 closingOrder stopPrice=1.12469 clientOrderId=2
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 0 open=20 close=1020 CLOSED price=0.0 changed=1020 commission=0
              rate=0.0 margin=0 not-trailing
        """)


def test_partial_close_without_protection():
    peer = done(trader(), order(volume=300_000))
    assert sent(peer, close()) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000002 MARKET SELL 100000 open=1000 ACCEPTED of 5000001 executed=0 changed=1000
              closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 300000 open=20 OPEN price=1.12569 changed=20 commission=-8
              rate=1.12569 margin=3377
        # m1 ORDER_FILLED client
          order 6000002 MARKET SELL 100000 open=1000 close=1020 FILLED of 5000001 at=1.12567
              executed=100000 changed=1020 closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 200000 open=20 OPEN price=1.12569 changed=1020 commission=-5
              rate=1.12569 margin=2251
          deal 7000002 SELL 100000 of 100000 FILLED for order 6000002 position 5000001
              create=1000 execution=1020 changed=1020 at=1.12567 rate=1.12567 commission=-3
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-2 commission=-6 balance=9999992 converted=1.0
              closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        """)


def test_partial_close_of_one_entry():
    peer = done(trader(), order(volume=300_000, relativeTakeProfit=500))
    assert sent(peer, close()) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000003 MARKET SELL 100000 open=1000 ACCEPTED of 5000001 executed=0 changed=1000
              closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 300000 open=20 OPEN price=1.12569 takeProfit=1.13069 changed=40
              commission=-8 rate=1.12569 margin=3377 trigger=TRADE not-trailing
        # m1 ORDER_FILLED client
          order 6000003 MARKET SELL 100000 open=1000 close=1020 FILLED of 5000001 at=1.12567
              executed=100000 changed=1020 closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 200000 open=20 OPEN price=1.12569 takeProfit=1.13069 changed=1020
              commission=-5 rate=1.12569 margin=2251 trigger=TRADE not-trailing
          deal 7000002 SELL 100000 of 100000 FILLED for order 6000003 position 5000001
              create=1000 execution=1020 changed=1020 at=1.12567 rate=1.12567 commission=-3
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-2 commission=-6 balance=9999992 converted=1.0
              closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        # m1 ORDER_REPLACED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 200000 open=40 ACCEPTED of 5000001 executed=0
              changed=1040 closingOrder limitPrice=1.13069 clientOrderId=2 GOOD_TILL_CANCEL
              not-trailing trigger=TRADE
          position 5000001 BUY 200000 open=20 OPEN price=1.12569 takeProfit=1.13069 changed=1040
              commission=-5 rate=1.12569 margin=2251 trigger=TRADE not-trailing
        """)


def test_partial_close_of_several_entries():
    peer = trader((0, 111985, 111987), (2, 111986, 111988), (5, 111988, 111990))
    done(peer, order(relativeTakeProfit=1001), seconds=3)
    done(peer, order(positionId=POSITION, volume=200_000), seconds=3)
    assert sent(peer, close(200_000)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000004 MARKET SELL 200000 open=6000 ACCEPTED of 5000001 executed=0 changed=6000
              closingOrder clientOrderId=4 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 300000 open=20 OPEN price=1.119876666666667 takeProfit=1.12988
              changed=3040 commission=-8 rate=1.1198766666666666 margin=3360 trigger=TRADE
              not-trailing
        # m1 ORDER_FILLED client
          order 6000004 MARKET SELL 200000 open=6000 close=6020 FILLED of 5000001 at=1.11988
              executed=200000 changed=6020 closingOrder clientOrderId=4 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.11988 takeProfit=1.12988 changed=6020
              commission=-2 rate=1.11988 margin=1120 trigger=TRADE not-trailing
          deal 7000003 SELL 200000 of 200000 FILLED for order 6000004 position 5000001
              create=6000 execution=6020 changed=6020 at=1.11988 rate=1.11988 commission=-5
              usd=1.11988
          settled entryPrice=1.119875 grossProfit=1 commission=-11 balance=9999990 converted=1.0
              closedVolume=200000 balanceVersion=2 pnlConversionFee=0
        # m1 ORDER_REPLACED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=40 ACCEPTED of 5000001 executed=0
              changed=6040 closingOrder limitPrice=1.12988 clientOrderId=2 GOOD_TILL_CANCEL
              not-trailing trigger=TRADE
          position 5000001 BUY 100000 open=20 OPEN price=1.11988 takeProfit=1.12988 changed=6040
              commission=-2 rate=1.11988 margin=1120 trigger=TRADE not-trailing
        """)


def test_close_in_parts():
    peer = done(trader(), order(volume=300_000, relativeStopLoss=100))
    peer.exchange.floor.script_fill(100_000, 200_000)
    assert sent(peer, close(300_000)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000003 MARKET SELL 300000 open=1000 ACCEPTED of 5000001 executed=0 changed=1000
              closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 300000 open=20 OPEN price=1.12569 stopLoss=1.12469 changed=40
              commission=-8 rate=1.12569 margin=3377 trigger=TRADE not-trailing
        # m1 ORDER_PARTIAL_FILL client
          order 6000003 MARKET SELL 300000 open=1000 ACCEPTED of 5000001 at=1.12567
              executed=100000 changed=1020 closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 200000 open=20 OPEN price=1.12569 stopLoss=1.12469 changed=1020
              commission=-5 rate=1.12569 margin=2251 trigger=TRADE not-trailing
          deal 7000002 SELL 100000 of 300000 PARTIALLY_FILLED for order 6000003 position 5000001
              create=1000 execution=1020 changed=1020 at=1.12567 rate=1.12567 commission=-3
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-2 commission=-6 balance=9999992 converted=1.0
              closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        # m1 ORDER_REPLACED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 200000 open=40 ACCEPTED of 5000001 executed=0
              changed=1040 closingOrder stopPrice=1.12469 clientOrderId=2 GOOD_TILL_CANCEL
              not-trailing trigger=TRADE
          position 5000001 BUY 200000 open=20 OPEN price=1.12569 stopLoss=1.12469 changed=1040
              commission=-5 rate=1.12569 margin=2251 trigger=TRADE not-trailing
        # m1 ORDER_FILLED client
          order 6000003 MARKET SELL 300000 open=1000 close=1040 FILLED of 5000001 at=1.12567
              executed=300000 changed=1040 closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 open=20 CREATED price=0.0 stopLoss=1.12469 changed=1040
              commission=0 rate=0.0 margin=0 trigger=TRADE not-trailing
          deal 7000003 SELL 200000 of 200000 FILLED for order 6000003 position 5000001
              create=1000 execution=1040 changed=1040 at=1.12567 rate=1.12567 commission=-5
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-4 commission=-10 balance=9999978 converted=1.0
              closedVolume=200000 balanceVersion=3 pnlConversionFee=0
        # m1 ORDER_CANCELLED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 200000 open=40 close=1040 CANCELLED of
              5000001 executed=0 changed=1040 closingOrder stopPrice=1.12469 clientOrderId=2
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 0 open=20 close=1040 CLOSED price=0.0 changed=1040 commission=0
              rate=0.0 margin=0 not-trailing
        """)


def test_close_in_three_parts_without_protection():
    peer = done(trader(), order(volume=600_000))
    peer.exchange.floor.script_fill(100_000, 200_000, 300_000)
    assert sent(peer, close(600_000)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000002 MARKET SELL 600000 open=1000 ACCEPTED of 5000001 executed=0 changed=1000
              closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 600000 open=20 OPEN price=1.12569 changed=20 commission=-15
              rate=1.12569 margin=6754
        # m1 ORDER_PARTIAL_FILL client
          order 6000002 MARKET SELL 600000 open=1000 ACCEPTED of 5000001 at=1.12567
              executed=100000 changed=1020 closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 500000 open=20 OPEN price=1.12569 changed=1020 commission=-12
              rate=1.12569 margin=5628
          deal 7000002 SELL 100000 of 600000 PARTIALLY_FILLED for order 6000002 position 5000001
              create=1000 execution=1020 changed=1020 at=1.12567 rate=1.12567 commission=-3
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-2 commission=-6 balance=9999992 converted=1.0
              closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        # m1 ORDER_PARTIAL_FILL client
          order 6000002 MARKET SELL 600000 open=1000 ACCEPTED of 5000001 at=1.12567
              executed=300000 changed=1040 closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 300000 open=20 OPEN price=1.12569 changed=1040 commission=-7
              rate=1.12569 margin=3377
          deal 7000003 SELL 200000 of 500000 PARTIALLY_FILLED for order 6000002 position 5000001
              create=1000 execution=1040 changed=1040 at=1.12567 rate=1.12567 commission=-5
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-4 commission=-10 balance=9999978 converted=1.0
              closedVolume=200000 balanceVersion=3 pnlConversionFee=0
        # m1 ORDER_FILLED client
          order 6000002 MARKET SELL 600000 open=1000 close=1060 FILLED of 5000001 at=1.12567
              executed=600000 changed=1060 closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 open=20 close=1060 CLOSED price=0.0 changed=1060 commission=0
              rate=0.0 margin=0
          deal 7000004 SELL 300000 of 300000 FILLED for order 6000002 position 5000001
              create=1000 execution=1060 changed=1060 at=1.12567 rate=1.12567 commission=-8
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-6 commission=-15 balance=9999957 converted=1.0
              closedVolume=300000 balanceVersion=4 pnlConversionFee=0
        """)


def test_close_in_three_parts_with_a_protective_order():
    peer = done(trader(), order(volume=300_000, relativeStopLoss=100))
    peer.exchange.floor.script_fill(100_000, 100_000, 100_000)
    assert sent(peer, close(300_000)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000003 MARKET SELL 300000 open=1000 ACCEPTED of 5000001 executed=0 changed=1000
              closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 300000 open=20 OPEN price=1.12569 stopLoss=1.12469 changed=40
              commission=-8 rate=1.12569 margin=3377 trigger=TRADE not-trailing
        # m1 ORDER_PARTIAL_FILL client
          order 6000003 MARKET SELL 300000 open=1000 ACCEPTED of 5000001 at=1.12567
              executed=100000 changed=1020 closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 200000 open=20 OPEN price=1.12569 stopLoss=1.12469 changed=1020
              commission=-5 rate=1.12569 margin=2251 trigger=TRADE not-trailing
          deal 7000002 SELL 100000 of 300000 PARTIALLY_FILLED for order 6000003 position 5000001
              create=1000 execution=1020 changed=1020 at=1.12567 rate=1.12567 commission=-3
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-2 commission=-6 balance=9999992 converted=1.0
              closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        # m1 ORDER_REPLACED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 200000 open=40 ACCEPTED of 5000001 executed=0
              changed=1040 closingOrder stopPrice=1.12469 clientOrderId=2 GOOD_TILL_CANCEL
              not-trailing trigger=TRADE
          position 5000001 BUY 200000 open=20 OPEN price=1.12569 stopLoss=1.12469 changed=1040
              commission=-5 rate=1.12569 margin=2251 trigger=TRADE not-trailing
        # m1 ORDER_PARTIAL_FILL client
          order 6000003 MARKET SELL 300000 open=1000 ACCEPTED of 5000001 at=1.12567
              executed=200000 changed=1040 closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 stopLoss=1.12469 changed=1040
              commission=-2 rate=1.12569 margin=1126 trigger=TRADE not-trailing
          deal 7000003 SELL 100000 of 200000 PARTIALLY_FILLED for order 6000003 position 5000001
              create=1000 execution=1040 changed=1040 at=1.12567 rate=1.12567 commission=-3
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-2 commission=-6 balance=9999984 converted=1.0
              closedVolume=100000 balanceVersion=3 pnlConversionFee=0
        # m1 ORDER_REPLACED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=40 ACCEPTED of 5000001 executed=0
              changed=1060 closingOrder stopPrice=1.12469 clientOrderId=2 GOOD_TILL_CANCEL
              not-trailing trigger=TRADE
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 stopLoss=1.12469 changed=1060
              commission=-2 rate=1.12569 margin=1126 trigger=TRADE not-trailing
        # m1 ORDER_FILLED client
          order 6000003 MARKET SELL 300000 open=1000 close=1060 FILLED of 5000001 at=1.12567
              executed=300000 changed=1060 closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 open=20 CREATED price=0.0 stopLoss=1.12469 changed=1060
              commission=0 rate=0.0 margin=0 trigger=TRADE not-trailing
          deal 7000004 SELL 100000 of 100000 FILLED for order 6000003 position 5000001
              create=1000 execution=1060 changed=1060 at=1.12567 rate=1.12567 commission=-3
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-2 commission=-5 balance=9999977 converted=1.0
              closedVolume=100000 balanceVersion=4 pnlConversionFee=0
        # m1 ORDER_CANCELLED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=40 close=1060 CANCELLED of
              5000001 executed=0 changed=1060 closingOrder stopPrice=1.12469 clientOrderId=2
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 0 open=20 close=1060 CLOSED price=0.0 changed=1060 commission=0
              rate=0.0 margin=0 not-trailing
        """)


def test_rest_of_a_close_is_cancelled():
    peer = done(trader(), order(volume=300_000))
    peer.exchange.floor.script_fill(100_000)
    assert sent(peer, close(300_000)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000002 MARKET SELL 300000 open=1000 ACCEPTED of 5000001 executed=0 changed=1000
              closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 300000 open=20 OPEN price=1.12569 changed=20 commission=-8
              rate=1.12569 margin=3377
        # m1 ORDER_PARTIAL_FILL client
          order 6000002 MARKET SELL 300000 open=1000 ACCEPTED of 5000001 at=1.12567
              executed=100000 changed=1020 closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 200000 open=20 OPEN price=1.12569 changed=1020 commission=-5
              rate=1.12569 margin=2251
          deal 7000002 SELL 100000 of 300000 PARTIALLY_FILLED for order 6000002 position 5000001
              create=1000 execution=1020 changed=1020 at=1.12567 rate=1.12567 commission=-3
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-2 commission=-6 balance=9999992 converted=1.0
              closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        # m1 ORDER_CANCELLED client
          order 6000002 MARKET SELL 300000 open=1000 close=1020 CANCELLED of 5000001 at=1.12567
              executed=100000 changed=1020 closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 200000 open=20 OPEN price=1.12569 changed=1020 commission=-5
              rate=1.12569 margin=2251
        """)


def test_netted_account_flips():
    exchange = scripted_exchange()
    peer = log_in(Peer(exchange), NETTED_ACCOUNT)
    peer.send(order(ctidTraderAccountId=NETTED_ACCOUNT))
    peer.run(1)
    peer.received()
    peer.send(order(side="SELL", volume=300_000, ctidTraderAccountId=NETTED_ACCOUNT), "m1")
    peer.run(1)
    frames = [
        Received(each.client_msg_id, with_fields(each.message, ctidTraderAccountId=USD_ACCOUNT))
        for each in peer.received()
    ]
    assert told(frames) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000002 MARKET SELL 300000 open=1000 ACCEPTED of 5000001 executed=0 changed=1000
              closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 changed=20 commission=-3
              rate=1.12569 margin=3752
        # m1 ORDER_PARTIAL_FILL client
          order 6000002 MARKET SELL 300000 open=1000 ACCEPTED of 5000001 at=1.12567
              executed=100000 changed=1020 closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL
          position 5000001 BUY 0 open=20 close=1020 CLOSED price=0.0 changed=1020 commission=0
              rate=0.0 margin=0
          deal 7000002 SELL 100000 of 300000 PARTIALLY_FILLED for order 6000002 position 5000001
              create=1000 execution=1020 changed=1020 at=1.12567 rate=1.12567 commission=-3
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-2 commission=-6 balance=2499992 converted=1.0
              closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        # m1 ORDER_FILLED client
          order 6000002 MARKET SELL 300000 open=1000 close=1020 FILLED of 5000002 at=1.12567
              executed=300000 changed=1020 not-closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL
          position 5000002 SELL 200000 open=1020 OPEN price=1.12567 changed=1020 commission=-5
              rate=1.12567 margin=7504
          deal 7000003 SELL 200000 of 200000 FILLED for order 6000002 position 5000002
              create=1000 execution=1020 changed=1020 at=1.12567 rate=1.12567 commission=-5
              usd=1.12567
        """)


# Protection


def test_protection_is_set_moved_and_removed():
    peer = done(trader((0, 112568, 112569)), order())
    assert sent(peer, amend(stopLoss=1.1247)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=1000 ACCEPTED of 5000001
              executed=0 changed=1000 closingOrder stopPrice=1.1247 clientOrderId=2
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 stopLoss=1.1247 changed=1000
              commission=-3 rate=1.12569 margin=1126 trigger=TRADE not-trailing
        """)
    assert sent(peer, amend(stopLoss=1.1248, takeProfit=1.13)) == words("""
        # m1 ORDER_REPLACED client
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=1000 ACCEPTED of 5000001
              executed=0 changed=2000 closingOrder limitPrice=1.13 stopPrice=1.1248
              clientOrderId=2 GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 stopLoss=1.1248 takeProfit=1.13
              changed=2000 commission=-3 rate=1.12569 margin=1126 trigger=TRADE not-trailing
        """)
    assert sent(peer, amend(takeProfit=1.13)) == words("""
        # m1 ORDER_REPLACED client
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=1000 ACCEPTED of 5000001
              executed=0 changed=3000 closingOrder limitPrice=1.13 clientOrderId=2
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 takeProfit=1.13 changed=3000
              commission=-3 rate=1.12569 margin=1126 trigger=TRADE not-trailing
        """)
    assert sent(peer, amend()) == words("""
        # m1 ORDER_CANCELLED client
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=1000 close=4000 CANCELLED of
              5000001 executed=0 changed=4000 closingOrder limitPrice=1.13 clientOrderId=2
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 changed=4000 commission=-3
              rate=1.12569 margin=1126 not-trailing
        """)
    assert sent(peer, amend(takeProfit=1.14)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000003 STOP_LOSS_TAKE_PROFIT SELL 100000 open=5000 ACCEPTED of 5000001
              executed=0 changed=5000 closingOrder limitPrice=1.14 clientOrderId=3
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 takeProfit=1.14 changed=5000
              commission=-3 rate=1.12569 margin=1126 trigger=TRADE not-trailing
        """)


def test_protection_of_a_short_position_is_set_moved_and_removed():
    peer = done(trader((0, 112568, 112569)), order(side="SELL"))
    assert sent(peer, amend(takeProfit=1.12)) == words("""
        # m1 ORDER_ACCEPTED client
          order 6000002 STOP_LOSS_TAKE_PROFIT BUY 100000 open=1000 ACCEPTED of 5000001
              executed=0 changed=1000 closingOrder limitPrice=1.12 clientOrderId=2
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 SELL 100000 open=20 OPEN price=1.12568 takeProfit=1.12 changed=1000
              commission=-3 rate=1.12568 margin=1126 trigger=TRADE not-trailing
        """)
    assert sent(peer, amend(stopLoss=1.1267, takeProfit=1.121)) == words("""
        # m1 ORDER_REPLACED client
          order 6000002 STOP_LOSS_TAKE_PROFIT BUY 100000 open=1000 ACCEPTED of 5000001
              executed=0 changed=2000 closingOrder limitPrice=1.121 stopPrice=1.1267
              clientOrderId=2 GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 SELL 100000 open=20 OPEN price=1.12568 stopLoss=1.1267
              takeProfit=1.121 changed=2000 commission=-3 rate=1.12568 margin=1126 trigger=TRADE
              not-trailing
        """)
    assert sent(peer, amend(stopLoss=1.1267)) == words("""
        # m1 ORDER_REPLACED client
          order 6000002 STOP_LOSS_TAKE_PROFIT BUY 100000 open=1000 ACCEPTED of 5000001
              executed=0 changed=3000 closingOrder stopPrice=1.1267 clientOrderId=2
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 SELL 100000 open=20 OPEN price=1.12568 stopLoss=1.1267 changed=3000
              commission=-3 rate=1.12568 margin=1126 trigger=TRADE not-trailing
        """)
    assert sent(peer, amend()) == words("""
        # m1 ORDER_CANCELLED client
          order 6000002 STOP_LOSS_TAKE_PROFIT BUY 100000 open=1000 close=4000 CANCELLED of
              5000001 executed=0 changed=4000 closingOrder stopPrice=1.1267 clientOrderId=2
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 SELL 100000 open=20 OPEN price=1.12568 changed=4000 commission=-3
              rate=1.12568 margin=1126 not-trailing
        """)


@pytest.mark.parametrize("level", ["stop loss", "take profit"])
def test_level_of_a_long_position_is_hit(level: str):
    bid = 112460 if level == "stop loss" else 112680
    peer = done(
        trader((0, 112568, 112569), (5, bid, bid + 2)),
        order(relativeStopLoss=100, relativeTakeProfit=100),
    )
    expected = {
        "stop loss": """
        # - ORDER_FILLED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=40 close=5020 FILLED of 5000001
              at=1.1246 executed=100000 changed=5020 closingOrder limitPrice=1.12669
              stopPrice=1.12469 clientOrderId=2 GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 0 open=20 close=5020 CLOSED price=0.0 changed=5020 commission=0
              rate=0.0 margin=0 not-trailing
          deal 7000002 SELL 100000 of 100000 FILLED for order 6000002 position 5000001
              create=5000 execution=5020 changed=5020 at=1.1246 rate=1.1246 commission=-3
              usd=1.1246
          settled entryPrice=1.12569 grossProfit=-109 commission=-6 balance=9999885
              converted=1.0 closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        """,
        "take profit": """
        # - ORDER_FILLED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=40 close=5020 FILLED of 5000001
              at=1.1268 executed=100000 changed=5020 closingOrder limitPrice=1.12669
              stopPrice=1.12469 clientOrderId=2 GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 0 open=20 close=5020 CLOSED price=0.0 changed=5020 commission=0
              rate=0.0 margin=0 not-trailing
          deal 7000002 SELL 100000 of 100000 FILLED for order 6000002 position 5000001
              create=5000 execution=5020 changed=5020 at=1.1268 rate=1.1268 commission=-3
              usd=1.1268
          settled entryPrice=1.12569 grossProfit=111 commission=-6 balance=10000105
              converted=1.0 closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        """,
    }
    assert passed(peer, 6) == words(expected[level])


@pytest.mark.parametrize("level", ["stop loss", "take profit"])
def test_level_of_a_short_position_is_hit(level: str):
    ask = 112680 if level == "stop loss" else 112460
    peer = done(
        trader((0, 112568, 112569), (5, ask - 2, ask)),
        order(side="SELL", relativeStopLoss=100, relativeTakeProfit=100),
    )
    expected = {
        "stop loss": """
        # - ORDER_FILLED server
          order 6000002 STOP_LOSS_TAKE_PROFIT BUY 100000 open=40 close=5020 FILLED of 5000001
              at=1.1268 executed=100000 changed=5020 closingOrder limitPrice=1.12468
              stopPrice=1.12668 clientOrderId=2 GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 SELL 0 open=20 close=5020 CLOSED price=0.0 changed=5020 commission=0
              rate=0.0 margin=0 not-trailing
          deal 7000002 BUY 100000 of 100000 FILLED for order 6000002 position 5000001
              create=5000 execution=5020 changed=5020 at=1.1268 rate=1.1268 commission=-3
              usd=1.1268
          settled entryPrice=1.12568 grossProfit=-112 commission=-6 balance=9999882
              converted=1.0 closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        """,
        "take profit": """
        # - ORDER_FILLED server
          order 6000002 STOP_LOSS_TAKE_PROFIT BUY 100000 open=40 close=5020 FILLED of 5000001
              at=1.1246 executed=100000 changed=5020 closingOrder limitPrice=1.12468
              stopPrice=1.12668 clientOrderId=2 GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 SELL 0 open=20 close=5020 CLOSED price=0.0 changed=5020 commission=0
              rate=0.0 margin=0 not-trailing
          deal 7000002 BUY 100000 of 100000 FILLED for order 6000002 position 5000001
              create=5000 execution=5020 changed=5020 at=1.1246 rate=1.1246 commission=-3
              usd=1.1246
          settled entryPrice=1.12568 grossProfit=108 commission=-6 balance=10000102
              converted=1.0 closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        """,
    }
    assert passed(peer, 6) == words(expected[level])


def test_stop_loss_is_filled_in_parts():
    peer = done(
        trader((0, 112568, 112569), (5, 112460, 112462)),
        order(volume=600_000, relativeStopLoss=100, relativeTakeProfit=100),
    )
    peer.exchange.floor.script_fill(100_000, 200_000, 300_000)
    assert passed(peer, 6) == words("""
        # - ORDER_PARTIAL_FILL server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 600000 open=40 ACCEPTED of 5000001 at=1.1246
              executed=100000 changed=5020 closingOrder limitPrice=1.12669 stopPrice=1.12469
              clientOrderId=2 GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 500000 open=20 OPEN price=1.12569 stopLoss=1.12469
              takeProfit=1.12669 changed=5020 commission=-12 rate=1.12569 margin=5628
              trigger=TRADE not-trailing
          deal 7000002 SELL 100000 of 600000 PARTIALLY_FILLED for order 6000002 position 5000001
              create=5000 execution=5020 changed=5020 at=1.1246 rate=1.1246 commission=-3
              usd=1.1246
          settled entryPrice=1.12569 grossProfit=-109 commission=-6 balance=9999885
              converted=1.0 closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        # - ORDER_PARTIAL_FILL server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 600000 open=40 ACCEPTED of 5000001 at=1.1246
              executed=300000 changed=5040 closingOrder limitPrice=1.12669 stopPrice=1.12469
              clientOrderId=2 GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 300000 open=20 OPEN price=1.12569 stopLoss=1.12469
              takeProfit=1.12669 changed=5040 commission=-7 rate=1.12569 margin=3377
              trigger=TRADE not-trailing
          deal 7000003 SELL 200000 of 500000 PARTIALLY_FILLED for order 6000002 position 5000001
              create=5000 execution=5040 changed=5040 at=1.1246 rate=1.1246 commission=-5
              usd=1.1246
          settled entryPrice=1.12569 grossProfit=-218 commission=-10 balance=9999657
              converted=1.0 closedVolume=200000 balanceVersion=3 pnlConversionFee=0
        # - ORDER_FILLED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 600000 open=40 close=5060 FILLED of 5000001
              at=1.1246 executed=600000 changed=5060 closingOrder limitPrice=1.12669
              stopPrice=1.12469 clientOrderId=2 GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 0 open=20 close=5060 CLOSED price=0.0 changed=5060 commission=0
              rate=0.0 margin=0 not-trailing
          deal 7000004 SELL 300000 of 300000 FILLED for order 6000002 position 5000001
              create=5000 execution=5060 changed=5060 at=1.1246 rate=1.1246 commission=-8
              usd=1.1246
          settled entryPrice=1.12569 grossProfit=-327 commission=-15 balance=9999315
              converted=1.0 closedVolume=300000 balanceVersion=4 pnlConversionFee=0
        """)


def test_rest_of_a_take_profit_waits_for_the_next_price():
    peer = done(
        trader((0, 112568, 112569), (5, 112458, 112460), (9, 112457, 112459)),
        order(side="SELL", volume=300_000, relativeStopLoss=100, relativeTakeProfit=100),
    )
    peer.exchange.floor.script_fill(100_000)
    assert passed(peer, 6) == words("""
        # - ORDER_PARTIAL_FILL server
          order 6000002 STOP_LOSS_TAKE_PROFIT BUY 300000 open=40 ACCEPTED of 5000001 at=1.1246
              executed=100000 changed=5020 closingOrder limitPrice=1.12468 stopPrice=1.12668
              clientOrderId=2 GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 SELL 200000 open=20 OPEN price=1.12568 stopLoss=1.12668
              takeProfit=1.12468 changed=5020 commission=-5 rate=1.12568 margin=2251
              trigger=TRADE not-trailing
          deal 7000002 BUY 100000 of 300000 PARTIALLY_FILLED for order 6000002 position 5000001
              create=5000 execution=5020 changed=5020 at=1.1246 rate=1.1246 commission=-3
              usd=1.1246
          settled entryPrice=1.12568 grossProfit=108 commission=-6 balance=10000102
              converted=1.0 closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        """)
    assert passed(peer, 6) == words("""
        # - ORDER_FILLED server
          order 6000002 STOP_LOSS_TAKE_PROFIT BUY 300000 open=40 close=9020 FILLED of 5000001
              at=1.124593333333333 executed=300000 changed=9020 closingOrder limitPrice=1.12468
              stopPrice=1.12668 clientOrderId=2 GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 SELL 0 open=20 close=9020 CLOSED price=0.0 changed=9020 commission=0
              rate=0.0 margin=0 not-trailing
          deal 7000003 BUY 200000 of 200000 FILLED for order 6000002 position 5000001
              create=9000 execution=9020 changed=9020 at=1.12459 rate=1.12459 commission=-5
              usd=1.12459
          settled entryPrice=1.12568 grossProfit=218 commission=-10 balance=10000310
              converted=1.0 closedVolume=200000 balanceVersion=3 pnlConversionFee=0
        """)


def test_trailing_stop_moves_and_is_hit():
    ticks = ((0, 112567, 112569), (5, 112577, 112579), (6, 112587, 112589), (7, 112480, 112482))
    peer = done(trader(*ticks), order(relativeStopLoss=100, trailingStopLoss=True))
    assert passed(peer, 5.5) == words("""
        # - trailing of 5000001
          order 6000002 to 1.12477 at 5000
        # - trailing of 5000001
          order 6000002 to 1.12487 at 6000
        """)
    # The stop is where the prices moved it; the stamps are those of the time before.
    assert standing(peer) == words("""
        # m1 stands
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=40 ACCEPTED of 5000001 executed=0
              changed=40 closingOrder stopPrice=1.12487 clientOrderId=2 GOOD_TILL_CANCEL
              trailing trigger=TRADE
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 stopLoss=1.12487 changed=40
              commission=-3 rate=1.12569 margin=1126 trigger=TRADE trailing
        """)
    assert passed(peer, 1) == words("""
        # - ORDER_FILLED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=40 close=7020 FILLED of 5000001
              at=1.1248 executed=100000 changed=7020 closingOrder stopPrice=1.12487
              clientOrderId=2 GOOD_TILL_CANCEL trailing trigger=TRADE
          position 5000001 BUY 0 open=20 close=7020 CLOSED price=0.0 changed=7020 commission=0
              rate=0.0 margin=0 trailing
          deal 7000002 SELL 100000 of 100000 FILLED for order 6000002 position 5000001
              create=7000 execution=7020 changed=7020 at=1.1248 rate=1.1248 commission=-3
              usd=1.1248
          settled entryPrice=1.12569 grossProfit=-89 commission=-6 balance=9999905 converted=1.0
              closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        """)


def test_trailing_stop_of_a_short_position_moves_and_is_hit():
    ticks = ((0, 112567, 112569), (5, 112557, 112559), (6, 112547, 112549), (7, 112557, 112559))
    peer = done(
        trader(*ticks, (8, 112650, 112652)),
        order(side="SELL", relativeStopLoss=100, trailingStopLoss=True),
    )
    assert passed(peer, 6.5) == words("""
        # - trailing of 5000001
          order 6000002 to 1.12659 at 5000
        # - trailing of 5000001
          order 6000002 to 1.12649 at 6000
        """)
    assert standing(peer) == words("""
        # m1 stands
          order 6000002 STOP_LOSS_TAKE_PROFIT BUY 100000 open=40 ACCEPTED of 5000001 executed=0
              changed=40 closingOrder stopPrice=1.12649 clientOrderId=2 GOOD_TILL_CANCEL
              trailing trigger=TRADE
          position 5000001 SELL 100000 open=20 OPEN price=1.12567 stopLoss=1.12649 changed=40
              commission=-3 rate=1.12567 margin=1126 trigger=TRADE trailing
        """)
    assert passed(peer, 1) == words("""
        # - ORDER_FILLED server
          order 6000002 STOP_LOSS_TAKE_PROFIT BUY 100000 open=40 close=8020 FILLED of 5000001
              at=1.12652 executed=100000 changed=8020 closingOrder stopPrice=1.12649
              clientOrderId=2 GOOD_TILL_CANCEL trailing trigger=TRADE
          position 5000001 SELL 0 open=20 close=8020 CLOSED price=0.0 changed=8020 commission=0
              rate=0.0 margin=0 trailing
          deal 7000002 BUY 100000 of 100000 FILLED for order 6000002 position 5000001
              create=8000 execution=8020 changed=8020 at=1.12652 rate=1.12652 commission=-3
              usd=1.12652
          settled entryPrice=1.12567 grossProfit=-85 commission=-6 balance=9999909 converted=1.0
              closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        """)


# What the account itself brings


def test_stop_out():
    peer = done(trader(), order(relativeStopLoss=1000))
    book = peer.exchange.books[USD_ACCOUNT]
    assert peer.exchange.floor.stop_out(book, book.positions[POSITION], 100_000)
    assert not peer.exchange.floor.stop_out(book, book.positions[POSITION], 100_000)
    assert passed(peer, 1) == words("""
        # - ORDER_ACCEPTED server
          order 6000003 MARKET SELL 100000 open=1000 ACCEPTED of 5000001 executed=0 changed=1000
              closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL isStopOut
          position 5000001 BUY 100000 open=20 OPEN price=1.12569 stopLoss=1.11569 changed=40
              commission=-3 rate=1.12569 margin=1126 trigger=TRADE not-trailing
        # - ORDER_FILLED server
          order 6000003 MARKET SELL 100000 open=1000 close=1020 FILLED of 5000001 at=1.12567
              executed=100000 changed=1020 closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL
              isStopOut
          position 5000001 BUY 0 open=20 CREATED price=0.0 stopLoss=1.11569 changed=1020
              commission=0 rate=0.0 margin=0 trigger=TRADE not-trailing
          deal 7000002 SELL 100000 of 100000 FILLED for order 6000003 position 5000001
              create=1000 execution=1020 changed=1020 at=1.12567 rate=1.12567 commission=-3
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-2 commission=-6 balance=9999992 converted=1.0
              closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        # - ORDER_CANCELLED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 100000 open=40 close=1020 CANCELLED of
              5000001 executed=0 changed=1020 closingOrder stopPrice=1.11569 clientOrderId=2
              GOOD_TILL_CANCEL not-trailing trigger=TRADE
          position 5000001 BUY 0 open=20 close=1020 CLOSED price=0.0 changed=1020 commission=0
              rate=0.0 margin=0 not-trailing
        """)


def test_stop_out_that_a_price_causes():
    accounts = [replace(DEFAULT_ACCOUNTS[0], balance=Decimal(1500))]
    exchange = scripted_exchange(
        ((0, 112567, 112569), (3, 111700, 111702), (4, 111600, 111602)), accounts=accounts
    )
    peer = done(log_in(Peer(exchange), USD_ACCOUNT), order(volume=10_000_000))
    # 50% of the margin are 562.84; the equity is 628.50 at the second price, 528.50 at the third.
    assert passed(peer, 2.5) == ""
    assert passed(peer, 2) == words("""
        # - ORDER_ACCEPTED server
          order 6000002 MARKET SELL 10000000 open=4000 ACCEPTED of 5000001 executed=0 changed=4000
              closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL isStopOut
          position 5000001 BUY 10000000 open=20 OPEN price=1.12569 changed=20 commission=-250
              rate=1.12569 margin=112569
        # - ORDER_FILLED server
          order 6000002 MARKET SELL 10000000 open=4000 close=4020 FILLED of 5000001 at=1.116
              executed=10000000 changed=4020 closingOrder clientOrderId=2 IMMEDIATE_OR_CANCEL
              isStopOut
          position 5000001 BUY 0 open=20 close=4020 CLOSED price=0.0 changed=4020 commission=0
              rate=0.0 margin=0
          deal 7000002 SELL 10000000 of 10000000 FILLED for order 6000002 position 5000001
              create=4000 execution=4020 changed=4020 at=1.116 rate=1.116 commission=-250
              usd=1.116
          settled entryPrice=1.12569 grossProfit=-96900 commission=-500 balance=52600
              converted=1.0 closedVolume=10000000 balanceVersion=2 pnlConversionFee=0
        """)


def test_stop_out_of_a_part():
    peer = done(trader(), order(volume=300_000, relativeStopLoss=1000))
    book = peer.exchange.books[USD_ACCOUNT]
    assert peer.exchange.floor.stop_out(book, book.positions[POSITION], 100_000)
    assert passed(peer, 1) == words("""
        # - ORDER_ACCEPTED server
          order 6000003 MARKET SELL 100000 open=1000 ACCEPTED of 5000001 executed=0 changed=1000
              closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL isStopOut
          position 5000001 BUY 300000 open=20 OPEN price=1.12569 stopLoss=1.11569 changed=40
              commission=-8 rate=1.12569 margin=3377 trigger=TRADE not-trailing
        # - ORDER_FILLED server
          order 6000003 MARKET SELL 100000 open=1000 close=1020 FILLED of 5000001 at=1.12567
              executed=100000 changed=1020 closingOrder clientOrderId=3 IMMEDIATE_OR_CANCEL
              isStopOut
          position 5000001 BUY 200000 open=20 OPEN price=1.12569 stopLoss=1.11569 changed=1020
              commission=-5 rate=1.12569 margin=2251 trigger=TRADE not-trailing
          deal 7000002 SELL 100000 of 100000 FILLED for order 6000003 position 5000001
              create=1000 execution=1020 changed=1020 at=1.12567 rate=1.12567 commission=-3
              usd=1.12567
          settled entryPrice=1.12569 grossProfit=-2 commission=-6 balance=9999992 converted=1.0
              closedVolume=100000 balanceVersion=2 pnlConversionFee=0
        # - ORDER_REPLACED server
          order 6000002 STOP_LOSS_TAKE_PROFIT SELL 200000 open=40 ACCEPTED of 5000001 executed=0
              changed=1040 closingOrder stopPrice=1.11569 clientOrderId=2 GOOD_TILL_CANCEL
              not-trailing trigger=TRADE
          position 5000001 BUY 200000 open=20 OPEN price=1.12569 stopLoss=1.11569 changed=1040
              commission=-5 rate=1.12569 margin=2251 trigger=TRADE not-trailing
        """)


def test_swap():
    peer = done(trader(), order())
    peer.run(33 * 3600)
    assert passed(peer, 0) == words("""
        # - SWAP server
          position 5000001 BUY 100000 open=20 OPEN swap=-9 price=1.12569 changed=117140000
              commission=-3 rate=1.12569 margin=1126
        """)


def test_swap_of_two_positions():
    peer = done(trader(), order(), order("LIMIT", limitPrice=1.12), order(volume=200_000))
    peer.run(33 * 3600)
    assert passed(peer, 0) == words("""
        # - SWAP server
          position 5000001 BUY 100000 open=20 OPEN swap=-9 price=1.12569 changed=117140000
              commission=-3 rate=1.12569 margin=1126
        # - SWAP server
          position 5000003 BUY 200000 open=2020 OPEN swap=-19 price=1.12569 changed=117140000
              commission=-5 rate=1.12569 margin=2251
        """)


def test_deposit_and_withdrawal():
    peer = trader()
    peer.exchange.deposit(USD_ACCOUNT, Decimal("100.00"), note="thanks")
    assert passed(peer, 1) == words("""
        # - DEPOSIT_WITHDRAW server
          cash operationType=BALANCE_DEPOSIT balanceHistoryId=1 balance=10010000 delta=10000
              changeBalance=0 externalNote=thanks balanceVersion=2 equity=10010000
        """)
    peer.exchange.withdraw(USD_ACCOUNT, Decimal("30.50"))
    assert passed(peer, 1) == words("""
        # - DEPOSIT_WITHDRAW server
          cash operationType=BALANCE_WITHDRAW balanceHistoryId=2 balance=10006950 delta=-3050
              changeBalance=1000 balanceVersion=3 equity=10006950
        """)


def test_bonus():
    peer = trader()
    peer.exchange.deposit_bonus(USD_ACCOUNT, manager=Decimal("100.00"), note="welcome")
    assert passed(peer, 1) == words("""
        # - BONUS_DEPOSIT_WITHDRAW server
          bonus operationType=BONUS_DEPOSIT bonusHistoryId=1 managerBonus=10000
              managerDelta=10000 ibBonus=0 ibDelta=0 changeBonus=0 externalNote=welcome
        """)
    peer.exchange.withdraw_bonus(USD_ACCOUNT, manager=Decimal("40.00"))
    assert passed(peer, 1) == words("""
        # - BONUS_DEPOSIT_WITHDRAW server
          bonus operationType=BONUS_WITHDRAW bonusHistoryId=2 managerBonus=6000
              managerDelta=-4000 ibBonus=0 ibDelta=0 changeBonus=1000
        """)


# Everybody


def test_other_connections_get_the_same_frames():
    exchange = scripted_exchange(((0, 112567, 112569), (3, 112577, 112579), (8, 112400, 112402)))
    peer, other, stranger = (Peer(exchange) for _ in range(3))
    log_in(peer, USD_ACCOUNT)
    log_in(other, USD_ACCOUNT)
    log_in(stranger, NETTED_ACCOUNT)
    requests: Sequence[Message] = (
        order(relativeStopLoss=100, trailingStopLoss=True, volume=300_000),
        order("LIMIT", limitPrice=1.12),
        with_fields(cancel(), orderId=ORDER + 2),
        close(),
    )
    for number, request in enumerate(requests):
        peer.send(request, f"m{number}")
        peer.run(1)
    peer.run(10)
    mine = peer.received()
    assert mine == other.received()
    assert stranger.received() == []
    assert [each.client_msg_id for each in mine] == [
        *["m0"] * 3,
        "m1",
        "m2",
        None,
        *["m3"] * 3,
        None,
    ]


def test_other_connections_get_the_same_frames_of_changes():
    peer = trader((0, 112567, 112569), (9, 111997, 111999))
    other = log_in(Peer(peer.exchange), USD_ACCOUNT)
    requests: Sequence[Message] = (
        order(volume=300_000),
        amend(stopLoss=1.1),
        close(),
        with_fields(stop_order("STOP"), stopPrice=1.1, expirationTimestamp=START + 8000),
        with_fields(
            amend_order(stopPrice=1.11, expirationTimestamp=START + 8000), orderId=ORDER + 3
        ),
        order("LIMIT", limitPrice=1.12),
    )
    for number, request in enumerate(requests):
        peer.send(request, f"m{number}")
        peer.run(1)
    peer.exchange.deposit(USD_ACCOUNT, Decimal(5))
    peer.exchange.floor.script_rejection("TIMEOUT_ERROR")
    peer.run(10)
    mine = peer.received()
    assert mine == other.received()
    events = [each for each in mine if isinstance(each.message, ProtoOAExecutionEvent)]
    assert [
        (each.client_msg_id, ProtoOAExecutionType.Name(each.message.executionType))
        for each in events
        if isinstance(each.message, ProtoOAExecutionEvent)
    ] == [
        ("m0", "ORDER_ACCEPTED"),
        ("m0", "ORDER_FILLED"),
        ("m1", "ORDER_ACCEPTED"),
        ("m2", "ORDER_ACCEPTED"),
        ("m2", "ORDER_FILLED"),
        ("m2", "ORDER_REPLACED"),
        ("m3", "ORDER_ACCEPTED"),
        ("m4", "ORDER_REPLACED"),
        ("m5", "ORDER_ACCEPTED"),
        (None, "DEPOSIT_WITHDRAW"),
        (None, "ORDER_EXPIRED"),
        (None, "ORDER_REJECTED"),
    ]
    latecomer = log_in(Peer(peer.exchange), USD_ACCOUNT)
    latecomer.run(5)
    assert latecomer.received() == []
