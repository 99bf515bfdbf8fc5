"""The exact frames of trades, as a real server was recorded to send them."""

from __future__ import annotations

from google.protobuf.text_format import Parse

from ctrader.proto import (
    ProtoOAAmendOrderReq,
    ProtoOAAmendPositionSLTPReq,
    ProtoOACancelOrderReq,
    ProtoOAClosePositionReq,
    ProtoOADealListReq,
    ProtoOADealListRes,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOANewOrderReq,
    ProtoOAOrderListByPositionIdReq,
    ProtoOAOrderListByPositionIdRes,
    ProtoOAOrderType,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOATradeSide,
    ProtoOATrailingSLChangedEvent,
)
from tests.simulator.peer import (
    NETTED_ACCOUNT,
    START,
    USD_ACCOUNT,
    Peer,
    log_in,
    scripted_exchange,
    with_fields,
)

BUY, SELL = ProtoOATradeSide.BUY, ProtoOATradeSide.SELL
MARKET, LIMIT, STOP = ProtoOAOrderType.MARKET, ProtoOAOrderType.LIMIT, ProtoOAOrderType.STOP


def trader(*ticks: tuple[float, int | None, int | None], account: int = USD_ACCOUNT) -> Peer:
    exchange = scripted_exchange(ticks or ((0, 112567, 112569),))
    return log_in(Peer(exchange), account)


def market(
    volume: int, side: ProtoOATradeSide = BUY, account: int = USD_ACCOUNT, **more: int
) -> ProtoOANewOrderReq:
    request = ProtoOANewOrderReq(
        ctidTraderAccountId=account, symbolId=1, orderType=MARKET, tradeSide=side, volume=volume
    )
    return with_fields(request, **more)


def events(peer: Peer, seconds: float = 1.0) -> list[ProtoOAExecutionEvent]:
    peer.run(seconds)
    return peer.messages(ProtoOAExecutionEvent)


def frame(text: str) -> ProtoOAExecutionEvent:
    return Parse(text, ProtoOAExecutionEvent(ctidTraderAccountId=USD_ACCOUNT))


def kinds(found: list[ProtoOAExecutionEvent]) -> list[tuple[str, bool]]:
    return [(ProtoOAExecutionType.Name(each.executionType), each.isServerEvent) for each in found]


def test_market_order_with_distances_sends_acceptance_fill_and_protective_order():
    peer = trader()
    request = market(100_000, relativeStopLoss=100, relativeTakeProfit=200)
    request.label, request.comment, request.clientOrderId = "L", "C", "mine-1"
    peer.send(request, "m1")
    accepted = peer.received()
    peer.run(0.019)
    assert peer.received() == []
    peer.run(0.001)
    filled = peer.received()
    peer.run(0.02)
    protected = peer.received()
    assert [each.client_msg_id for each in (*accepted, *filled, *protected)] == ["m1"] * 3

    assert accepted[0].message == frame(
        """
        executionType: ORDER_ACCEPTED
        position {
          positionId: 5000001
          tradeData {
            symbolId: 1 volume: 0 tradeSide: BUY label: "L" guaranteedStopLoss: false comment: "C"
            measurementUnits: ""
          }
          positionStatus: POSITION_STATUS_CREATED swap: 0 price: 0 commission: 0 marginRate: 0
          mirroringCommission: 0 guaranteedStopLoss: false usedMargin: 0 moneyDigits: 2
          trailingStopLoss: false
        }
        order {
          orderId: 6000001
          tradeData {
            symbolId: 1 volume: 100000 tradeSide: BUY openTimestamp: 1600000000000 label: "L"
            guaranteedStopLoss: false comment: "C" measurementUnits: ""
          }
          orderType: MARKET orderStatus: ORDER_STATUS_ACCEPTED executedVolume: 0
          utcLastUpdateTimestamp: 1600000000000 closingOrder: false clientOrderId: "mine-1"
          timeInForce: IMMEDIATE_OR_CANCEL positionId: 5000001 relativeStopLoss: 100
          relativeTakeProfit: 200 trailingStopLoss: false
        }
        isServerEvent: false
        """
    )
    assert filled[0].message == frame(
        """
        executionType: ORDER_FILLED
        position {
          positionId: 5000001
          tradeData {
            symbolId: 1 volume: 100000 tradeSide: BUY openTimestamp: 1600000000020 label: "L"
            guaranteedStopLoss: false comment: "C" measurementUnits: ""
          }
          positionStatus: POSITION_STATUS_OPEN swap: 0 price: 1.12569
          utcLastUpdateTimestamp: 1600000000020 commission: -3 marginRate: 1.12569
          mirroringCommission: 0 guaranteedStopLoss: false usedMargin: 1126 moneyDigits: 2
          trailingStopLoss: false
        }
        order {
          orderId: 6000001
          tradeData {
            symbolId: 1 volume: 100000 tradeSide: BUY openTimestamp: 1600000000000 label: "L"
            guaranteedStopLoss: false comment: "C" measurementUnits: ""
            closeTimestamp: 1600000000020
          }
          orderType: MARKET orderStatus: ORDER_STATUS_FILLED executionPrice: 1.12569
          executedVolume: 100000 utcLastUpdateTimestamp: 1600000000020 closingOrder: false
          clientOrderId: "mine-1" timeInForce: IMMEDIATE_OR_CANCEL positionId: 5000001
          relativeStopLoss: 100 relativeTakeProfit: 200 trailingStopLoss: false
        }
        deal {
          dealId: 7000001 orderId: 6000001 positionId: 5000001 volume: 100000 filledVolume: 100000
          symbolId: 1 createTimestamp: 1600000000000 executionTimestamp: 1600000000020
          utcLastUpdateTimestamp: 1600000000020 executionPrice: 1.12569 tradeSide: BUY
          dealStatus: FILLED marginRate: 1.12569 commission: -3 baseToUsdConversionRate: 1.12569
          moneyDigits: 2
        }
        isServerEvent: false
        """
    )
    assert protected[0].message == frame(
        """
        executionType: ORDER_ACCEPTED
        position {
          positionId: 5000001
          tradeData {
            symbolId: 1 volume: 100000 tradeSide: BUY openTimestamp: 1600000000020 label: "L"
            guaranteedStopLoss: false comment: "C" measurementUnits: ""
          }
          positionStatus: POSITION_STATUS_OPEN swap: 0 price: 1.12569 stopLoss: 1.12469
          takeProfit: 1.12769 utcLastUpdateTimestamp: 1600000000040 commission: -3
          marginRate: 1.12569 mirroringCommission: 0 guaranteedStopLoss: false usedMargin: 1126
          stopLossTriggerMethod: TRADE moneyDigits: 2 trailingStopLoss: false
        }
        order {
          orderId: 6000002
          tradeData {
            symbolId: 1 volume: 100000 tradeSide: SELL openTimestamp: 1600000000040 label: "L"
            guaranteedStopLoss: false comment: "C" measurementUnits: ""
          }
          orderType: STOP_LOSS_TAKE_PROFIT orderStatus: ORDER_STATUS_ACCEPTED executedVolume: 0
          utcLastUpdateTimestamp: 1600000000040 closingOrder: true limitPrice: 1.12769
          stopPrice: 1.12469 clientOrderId: "2" timeInForce: GOOD_TILL_CANCEL positionId: 5000001
          trailingStopLoss: false stopTriggerMethod: TRADE
        }
        isServerEvent: true
        """
    )


def test_bare_market_order_has_no_protection_fields():
    peer = trader()
    peer.send(market(100_000))
    accepted, filled = events(peer)
    assert kinds([accepted, filled]) == [("ORDER_ACCEPTED", False), ("ORDER_FILLED", False)]
    for event in (accepted, filled):
        assert not event.position.HasField("trailingStopLoss")
        assert not event.order.HasField("trailingStopLoss")
        assert not event.order.HasField("clientOrderId")
    assert not accepted.position.tradeData.HasField("openTimestamp")
    assert not accepted.position.HasField("utcLastUpdateTimestamp")


def test_levels_are_moved_and_removed_on_one_protective_order():
    peer = trader((0, 112568, 112569))
    peer.send(market(100_000, relativeStopLoss=100, relativeTakeProfit=100))
    events(peer)

    def amend(**levels: float) -> ProtoOAExecutionEvent:
        peer.send(
            with_fields(
                ProtoOAAmendPositionSLTPReq(ctidTraderAccountId=USD_ACCOUNT, positionId=5_000_001),
                **levels,
            ),
            "m2",
        )
        (frame,) = peer.received()
        assert frame.client_msg_id == "m2"
        assert isinstance(frame.message, ProtoOAExecutionEvent)
        return frame.message

    both = amend(stopLoss=1.1247, takeProfit=1.1267)
    assert kinds([both]) == [("ORDER_REPLACED", False)]
    assert (both.order.orderId, both.order.stopPrice, both.order.limitPrice) == (
        6_000_002,
        1.1247,
        1.1267,
    )
    assert both.order.tradeData.openTimestamp == START + 40
    assert both.order.utcLastUpdateTimestamp == START + 1000
    assert both.position.utcLastUpdateTimestamp == START + 1000

    one = amend(stopLoss=1.1247)
    assert kinds([one]) == [("ORDER_REPLACED", False)]
    assert not one.order.HasField("limitPrice")
    assert not one.position.HasField("takeProfit")
    assert one.position.stopLoss == 1.1247

    none = amend()
    assert kinds([none]) == [("ORDER_CANCELLED", False)]
    assert none.order.orderStatus == 5
    assert not none.position.HasField("stopLoss")

    again = amend(takeProfit=1.13)
    assert kinds([again]) == [("ORDER_ACCEPTED", False)]
    assert again.order.orderId == 6_000_003


def test_full_close_shows_created_until_the_protective_order_is_cancelled():
    peer = trader((0, 112568, 112569))
    peer.send(market(100_000, relativeStopLoss=100))
    events(peer)
    before = peer.exchange.books[USD_ACCOUNT].balance
    peer.send(
        ProtoOAClosePositionReq(
            ctidTraderAccountId=USD_ACCOUNT, positionId=5_000_001, volume=100_000
        ),
        "close",
    )
    frames = peer.executions()
    assert [each.client_msg_id for each in frames] == ["close"] * 3
    accepted, filled, cancelled = (each.message for each in frames)
    assert isinstance(accepted, ProtoOAExecutionEvent)
    assert isinstance(filled, ProtoOAExecutionEvent)
    assert isinstance(cancelled, ProtoOAExecutionEvent)
    assert kinds([accepted, filled, cancelled]) == [
        ("ORDER_ACCEPTED", False),
        ("ORDER_FILLED", False),
        ("ORDER_CANCELLED", True),
    ]
    assert accepted.position.tradeData.volume == 100_000
    assert accepted.position.stopLoss == 1.12469
    assert accepted.order.closingOrder
    assert accepted.order.orderType == MARKET
    assert not accepted.order.HasField("trailingStopLoss")
    assert not accepted.order.HasField("stopLoss")

    position = filled.position
    assert (position.positionStatus, position.tradeData.volume, position.price) == (3, 0, 0.0)
    assert (position.commission, position.marginRate, position.usedMargin) == (0, 0.0, 0)
    assert position.stopLoss == 1.12469
    assert position.HasField("stopLossTriggerMethod")
    assert not position.tradeData.HasField("closeTimestamp")
    detail = filled.deal.closePositionDetail
    assert filled.deal.commission == -3
    assert (detail.entryPrice, detail.grossProfit, detail.swap) == (1.12569, -1, 0)
    assert (detail.commission, detail.closedVolume, detail.pnlConversionFee) == (-6, 100_000, 0)
    assert (detail.balance, detail.balanceVersion) == (before - 7, 2)
    assert detail.quoteToDepositConversionRate == 1.0

    assert cancelled.position.positionStatus == 2
    assert not cancelled.position.HasField("stopLoss")
    assert not cancelled.position.HasField("stopLossTriggerMethod")
    assert cancelled.position.HasField("trailingStopLoss")
    fill_time = filled.deal.executionTimestamp
    assert cancelled.position.tradeData.closeTimestamp == fill_time
    assert cancelled.position.utcLastUpdateTimestamp == fill_time
    assert cancelled.order.tradeData.closeTimestamp == fill_time
    assert (cancelled.order.orderId, cancelled.order.orderStatus) == (6_000_002, 5)


def test_close_without_protection_shows_closed_at_once():
    peer = trader()
    peer.send(market(100_000))
    events(peer)
    peer.send(
        ProtoOAClosePositionReq(
            ctidTraderAccountId=USD_ACCOUNT, positionId=5_000_001, volume=100_000
        )
    )
    accepted, filled = events(peer)
    assert kinds([accepted, filled]) == [("ORDER_ACCEPTED", False), ("ORDER_FILLED", False)]
    assert filled.position.positionStatus == 2
    assert filled.position.tradeData.closeTimestamp == filled.deal.executionTimestamp


def test_partial_close_takes_the_oldest_entry_first():
    peer = trader((0, 111986, 111987), (10, 111987, 111988), (20, 111988, 111989))
    peer.send(market(200_000, relativeStopLoss=200, relativeTakeProfit=1001))
    events(peer, 11)
    peer.send(market(100_000, positionId=5_000_001), "more")
    accepted, filled, replaced = events(peer)
    assert kinds([accepted, filled, replaced]) == [
        ("ORDER_ACCEPTED", False),
        ("ORDER_FILLED", False),
        ("ORDER_REPLACED", True),
    ]
    assert accepted.position.tradeData.volume == 200_000
    assert filled.position.tradeData.volume == 300_000
    assert filled.position.price == 1.119873333333333
    assert filled.position.marginRate == 1.1198733333333333
    assert (filled.position.commission, filled.position.usedMargin) == (-8, 3360)
    assert (filled.position.stopLoss, filled.position.takeProfit) == (1.11787, 1.12988)
    assert replaced.order.tradeData.volume == 300_000
    assert replaced.order.orderId == 6_000_002

    peer.run(10)
    peer.received()
    before = peer.exchange.books[USD_ACCOUNT].balance
    peer.send(
        ProtoOAClosePositionReq(
            ctidTraderAccountId=USD_ACCOUNT, positionId=5_000_001, volume=100_000
        )
    )
    accepted, filled, replaced = events(peer)
    assert kinds([accepted, filled, replaced]) == [
        ("ORDER_ACCEPTED", False),
        ("ORDER_FILLED", False),
        ("ORDER_REPLACED", True),
    ]
    assert accepted.position.price == 1.119873333333333
    detail = filled.deal.closePositionDetail
    assert (detail.entryPrice, detail.grossProfit, detail.commission) == (1.11987, 1, -6)
    assert (detail.closedVolume, detail.balance) == (100_000, before - 5)
    assert filled.position.positionStatus == 1
    assert (filled.position.price, filled.position.marginRate) == (1.119875, 1.119875)
    assert (filled.position.commission, filled.position.usedMargin) == (-5, 2240)
    assert (replaced.order.tradeData.volume, replaced.order.executedVolume) == (200_000, 0)


def test_level_hit_fills_the_protective_order_without_acceptance():
    peer = trader((0, 112568, 112569), (10, 112460, 112462), (10.01, 112455, 112457))
    peer.send(market(200_000, relativeStopLoss=100, relativeTakeProfit=500), "m1")
    events(peer)
    frames = peer.executions(10)
    assert [each.client_msg_id for each in frames] == [None]
    (hit,) = (each.message for each in frames)
    assert isinstance(hit, ProtoOAExecutionEvent)
    assert kinds([hit]) == [("ORDER_FILLED", True)]
    assert (hit.order.orderType, hit.order.orderStatus) == (4, 2)
    assert hit.order.executionPrice == 1.12455  # slipped while it was executed
    assert (hit.order.stopPrice, hit.order.limitPrice) == (1.12469, 1.13069)
    assert (hit.position.positionStatus, hit.position.price) == (2, 0.0)
    assert hit.position.tradeData.closeTimestamp == START + 10_020
    assert (hit.deal.createTimestamp, hit.deal.executionTimestamp) == (
        START + 10_000,
        START + 10_020,
    )
    # 2,000 units lost 114 points: 2.28; commission 5 cents a side.
    detail = hit.deal.closePositionDetail
    assert (detail.grossProfit, detail.commission) == (-228, -10)
    answer = peer.ask(
        ProtoOAReconcileReq(ctidTraderAccountId=USD_ACCOUNT, returnProtectionOrders=True),
        ProtoOAReconcileRes,
    )
    assert len(answer.position) == len(answer.order) == 0


def test_take_profit_is_never_filled_worse_than_its_limit():
    peer = trader((0, 112568, 112569), (10, 112700, 112702), (10.01, 112600, 112602))
    peer.send(market(100_000, relativeTakeProfit=100))
    events(peer)
    (hit,) = events(peer, 10)
    assert hit.order.executionPrice == 1.12669
    assert hit.deal.closePositionDetail.grossProfit == 100


def test_trailing_stop_follows_without_touching_any_stamp():
    peer = trader(
        (0, 111980, 111982), (5, 111981, 111983), (6, 111979, 111981), (7, 111985, 111987)
    )
    request = market(100_000, relativeStopLoss=200)
    request.trailingStopLoss = True
    peer.send(request)
    events(peer)
    peer.run(3)
    peer.received()
    peer.run(6)
    moves = peer.messages(ProtoOATrailingSLChangedEvent)
    assert [(each.stopPrice, each.utcLastUpdateTimestamp) for each in moves] == [
        (1.11785, START + 7000)
    ]
    answer = peer.ask(
        ProtoOAReconcileReq(ctidTraderAccountId=USD_ACCOUNT, returnProtectionOrders=True),
        ProtoOAReconcileRes,
    )
    assert answer.position[0].stopLoss == answer.order[0].stopPrice == 1.11785
    assert answer.position[0].utcLastUpdateTimestamp == START + 40
    assert answer.position[0].trailingStopLoss


def test_limit_order_waits_with_an_empty_position_and_is_cancelled_without_close_time():
    peer = trader()
    request = ProtoOANewOrderReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=1,
        orderType=LIMIT,
        tradeSide=BUY,
        volume=100_000,
        limitPrice=1.11,
    )
    peer.send(request, "m1")
    (accepted,) = events(peer)
    assert kinds([accepted]) == [("ORDER_ACCEPTED", False)]
    assert (accepted.position.positionStatus, accepted.position.tradeData.volume) == (3, 0)
    assert accepted.order.positionId == accepted.position.positionId == 5_000_001
    assert not accepted.order.HasField("trailingStopLoss")
    listed = peer.ask(ProtoOAReconcileReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOAReconcileRes)
    assert len(listed.position) == 0
    assert list(listed.order) == [accepted.order]

    peer.send(ProtoOACancelOrderReq(ctidTraderAccountId=USD_ACCOUNT, orderId=6_000_001), "m2")
    (cancelled,) = events(peer)
    assert kinds([cancelled]) == [("ORDER_CANCELLED", False)]
    assert not cancelled.order.tradeData.HasField("closeTimestamp")
    assert cancelled.position.positionStatus == 2
    assert cancelled.position.tradeData.closeTimestamp == START + 1000


def test_pending_order_reports_absolute_levels_as_distances_and_fills_as_a_push():
    peer = trader((0, 112567, 112569), (5, 110998, 111000))
    request = ProtoOANewOrderReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=1,
        orderType=LIMIT,
        tradeSide=BUY,
        volume=100_000,
        limitPrice=1.11,
        stopLoss=1.108,
        takeProfit=1.12001,
    )
    peer.send(request, "m1")
    (accepted,) = events(peer)
    assert (accepted.order.relativeStopLoss, accepted.order.relativeTakeProfit) == (200, 1001)
    assert not accepted.order.HasField("stopLoss")
    assert not accepted.position.HasField("stopLoss")
    frames = peer.executions(5)
    assert [each.client_msg_id for each in frames] == [None, None]
    filled, protected = (each.message for each in frames)
    assert isinstance(filled, ProtoOAExecutionEvent)
    assert isinstance(protected, ProtoOAExecutionEvent)
    assert kinds([filled, protected]) == [("ORDER_FILLED", False), ("ORDER_ACCEPTED", True)]
    assert filled.order.executionPrice == 1.11
    assert (protected.order.stopPrice, protected.order.limitPrice) == (1.108, 1.12001)


def test_amended_pending_order_loses_levels_that_are_left_out():
    peer = trader()
    request = ProtoOANewOrderReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=1,
        orderType=STOP,
        tradeSide=BUY,
        volume=100_000,
        stopPrice=1.13,
        relativeStopLoss=200,
    )
    peer.send(request)
    events(peer)
    peer.send(
        ProtoOAAmendOrderReq(ctidTraderAccountId=USD_ACCOUNT, orderId=6_000_001, volume=200_000),
        "m2",
    )
    (replaced,) = events(peer)
    assert kinds([replaced]) == [("ORDER_REPLACED", False)]
    assert (replaced.order.tradeData.volume, replaced.order.stopPrice) == (200_000, 1.13)
    assert not replaced.order.HasField("relativeStopLoss")
    assert replaced.position.positionStatus == 3


def test_expiring_order_ends_as_a_server_event():
    peer = trader()
    request = ProtoOANewOrderReq(
        ctidTraderAccountId=USD_ACCOUNT,
        symbolId=1,
        orderType=LIMIT,
        tradeSide=SELL,
        volume=100_000,
        limitPrice=1.2,
        timeInForce="GOOD_TILL_DATE",
        expirationTimestamp=START + 5000,
    )
    peer.send(request)
    (accepted,) = events(peer)
    assert accepted.order.expirationTimestamp == START + 5000
    (expired,) = events(peer, 10)
    assert kinds([expired]) == [("ORDER_EXPIRED", True)]
    assert (expired.order.orderStatus, expired.position.positionStatus) == (4, 2)


def test_events_reach_every_connection_of_the_account_with_the_originators_id():
    exchange = scripted_exchange()
    peer, other, stranger = (Peer(exchange) for _ in range(3))
    log_in(peer, USD_ACCOUNT)
    log_in(other, USD_ACCOUNT)
    log_in(stranger, NETTED_ACCOUNT)
    peer.send(market(100_000), "foreign")
    peer.run(1)
    assert [each.client_msg_id for each in other.received()] == ["foreign", "foreign"]
    assert stranger.received() == []


def test_netted_account_adds_closes_and_flips():
    peer = trader((0, 112567, 112569), account=NETTED_ACCOUNT)

    def trade(volume: int, side: ProtoOATradeSide) -> list[ProtoOAExecutionEvent]:
        peer.send(market(volume, side, account=NETTED_ACCOUNT))
        return events(peer)

    trade(100_000, BUY)
    _, added = trade(100_000, BUY)
    assert (added.position.positionId, added.position.tradeData.volume) == (5_000_001, 200_000)
    _, reduced = trade(50_000 * 2, SELL)
    assert reduced.deal.closePositionDetail.closedVolume == 100_000
    assert reduced.position.tradeData.volume == 100_000
    accepted, closed, opened = trade(300_000, SELL)
    assert kinds([accepted, closed, opened]) == [
        ("ORDER_ACCEPTED", False),
        ("ORDER_PARTIAL_FILL", False),
        ("ORDER_FILLED", False),
    ]
    assert (closed.position.positionStatus, closed.deal.filledVolume) == (2, 100_000)
    assert opened.position.positionId == 5_000_002
    assert (opened.position.tradeData.volume, opened.position.tradeData.tradeSide) == (
        200_000,
        SELL,
    )


def test_lists_come_newest_first_with_the_levels_of_closing_orders():
    peer = trader((0, 112568, 112569))
    peer.send(market(100_000, relativeStopLoss=100))
    events(peer)
    peer.send(
        ProtoOAClosePositionReq(
            ctidTraderAccountId=USD_ACCOUNT, positionId=5_000_001, volume=100_000
        )
    )
    events(peer)
    deals = peer.ask(ProtoOADealListReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOADealListRes)
    assert [deal.dealId for deal in deals.deal] == [7_000_002, 7_000_001]
    assert deals.HasField("hasMore")
    assert not deals.hasMore
    assert all(deal.utcLastUpdateTimestamp == deal.createTimestamp for deal in deals.deal)
    orders = peer.ask(
        ProtoOAOrderListByPositionIdReq(ctidTraderAccountId=USD_ACCOUNT, positionId=5_000_001),
        ProtoOAOrderListByPositionIdRes,
    )
    # The protective order that the close cancelled is only in the list of the account, as recorded.
    assert [order.orderId for order in orders.order] == [6_000_003, 6_000_001]
    assert orders.order[0].stopLoss == 1.12469
    short = peer.ask(
        ProtoOADealListReq(ctidTraderAccountId=USD_ACCOUNT, maxRows=1), ProtoOADealListRes
    )
    assert ([deal.dealId for deal in short.deal], short.hasMore) == ([7_000_002], True)
