"""Commission, margin, conversion, profit and balances with the expected literal amounts."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from ctrader.proto import (
    ProtoOAClosePositionReq,
    ProtoOACommissionType,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAExpectedMarginReq,
    ProtoOAExpectedMarginRes,
    ProtoOAGetDynamicLeverageByIDReq,
    ProtoOAGetDynamicLeverageByIDRes,
    ProtoOAGetPositionUnrealizedPnLReq,
    ProtoOAGetPositionUnrealizedPnLRes,
    ProtoOALimitedRiskMarginCalculationStrategy,
    ProtoOAMinCommissionType,
    ProtoOANewOrderReq,
    ProtoOAOrderErrorEvent,
    ProtoOAOrderType,
    ProtoOAReconcileReq,
    ProtoOAReconcileRes,
    ProtoOAStopOutStrategy,
    ProtoOASymbolsForConversionReq,
    ProtoOASymbolsForConversionRes,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOATradeSide,
)
from ctrader.simulator.accounts.money import (
    commission_of,
    conversion_fee_of,
    margin_of,
    round_away,
    round_half_away,
)
from ctrader.simulator.catalogue import (
    DEFAULT_ACCOUNTS,
    DEFAULT_CATALOGUE,
    AccountSpec,
    LeverageSpec,
    SymbolSpec,
)
from ctrader.simulator.switches import Switches
from tests.simulator.peer import BARE, EUR_ACCOUNT, USD_ACCOUNT, Peer, log_in, scripted_exchange

EURUSD = DEFAULT_CATALOGUE.symbol_named("EURUSD")


@pytest.mark.parametrize(
    ("value", "half", "up"),
    [("2.5", 3, 3), ("-2.5", -3, -3), ("2.4", 2, 3), ("-18.347", -18, -19), ("0", 0, 0)],
)
def test_rounding(value: str, half: int, up: int):
    assert round_half_away(Fraction(value)) == half
    assert round_away(Fraction(value)) == up


@pytest.mark.parametrize(
    ("kind", "rate", "least", "expected"),
    [
        # 250,000 EUR = 275,000 USD: 0.275 millions at 30 dollars.
        (ProtoOACommissionType.USD_PER_MILLION_USD, 3_000_000_000, 0, "8.25"),
        (ProtoOACommissionType.USD_PER_LOT, 350_000_000, 0, "8.75"),
        (ProtoOACommissionType.PERCENTAGE_OF_VALUE, 500, 0, "13.75"),
        (ProtoOACommissionType.QUOTE_CCY_PER_LOT, 400_000_000, 0, "10"),
        (ProtoOACommissionType.USD_PER_LOT, 350_000_000, 1_000_000_000, "10"),
        (ProtoOACommissionType.USD_PER_LOT, 0, 0, "0"),
    ],
)
def test_each_type_of_commission(kind: int, rate: int, least: int, expected: str):
    spec: SymbolSpec = replace(
        EURUSD, commission_type=kind, commission_rate=rate, min_commission=least
    )
    amount = commission_of(
        spec,
        25_000_000,
        Fraction("1.1"),
        base_to_usd=lambda: Fraction("1.1"),
        usd_to_deposit=lambda: Fraction(1),
        quote_to_deposit=lambda: Fraction(1),
    )
    assert amount == Fraction(expected)


@pytest.mark.parametrize(
    ("kind", "asset", "expected"),
    [
        (ProtoOAMinCommissionType.CURRENCY, "USD", -800),  # 8 dollars
        (ProtoOAMinCommissionType.CURRENCY, "EUR", -880),  # 8 euros at 1.10
        (ProtoOAMinCommissionType.CURRENCY, "JPY", -250),  # 8 yen are less than 2.50 a lot
        (ProtoOAMinCommissionType.QUOTE_CURRENCY, "JPY", -800),
    ],
)
def test_smallest_commission_is_kept_in_its_own_currency(kind: int, asset: str, expected: int):
    exchange = scripted_exchange(
        ((0, 110_000, 110_000),), others={4: ((0, 15_000_000, 15_000_000),)}
    )
    exchange.change_symbol(
        1, min_commission=800_000_000, min_commission_type=kind, min_commission_asset=asset
    )
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    _, filled = trade(peer, order(1, "BUY", 10_000_000))
    assert filled.deal.commission == expected


@pytest.mark.parametrize(
    ("first", "last", "chain"),
    [
        ("EUR", "EUR", []),
        ("EUR", "USD", ["EURUSD"]),
        ("USD", "EUR", ["EURUSD"]),
        ("CHF", "EUR", ["USDCHF", "EURUSD"]),
        ("XAU", "JPY", ["XAUUSD", "USDJPY"]),
    ],
)
def test_conversion_chains(first: str, last: str, chain: list[str]):
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    answer = peer.ask(
        ProtoOASymbolsForConversionReq(
            ctidTraderAccountId=USD_ACCOUNT,
            firstAssetId=DEFAULT_CATALOGUE.asset_named(first).asset_id,
            lastAssetId=DEFAULT_CATALOGUE.asset_named(last).asset_id,
        ),
        ProtoOASymbolsForConversionRes,
    )
    assert [symbol.symbolName for symbol in answer.symbol] == chain


def test_profit_over_a_chain_of_two_inverted_symbols():
    """10,000 USDCHF up by 0.01 is 100 francs, 110 dollars at 0.90909, 100 euros at 1.10."""
    exchange = scripted_exchange(
        ((0, 89_909, 89_909), (5, 90_909, 90_909)),
        symbol_id=6,
        others={1: ((0, 110_000, 110_000),)},
    )
    peer = log_in(Peer(exchange), EUR_ACCOUNT)
    trade(peer, order(6, "BUY", 1_000_000, EUR_ACCOUNT))
    peer.run(5)
    (profit,) = peer.ask(
        ProtoOAGetPositionUnrealizedPnLReq(ctidTraderAccountId=EUR_ACCOUNT),
        ProtoOAGetPositionUnrealizedPnLRes,
    ).positionUnrealizedPnL
    assert profit.grossUnrealizedPnL == round(100 / 0.90909 / 1.1 * 100) == 10_000


def test_leverage_tiers_as_a_client_reads_them():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    answer = peer.ask(
        ProtoOAGetDynamicLeverageByIDReq(ctidTraderAccountId=USD_ACCOUNT, leverageId=1),
        ProtoOAGetDynamicLeverageByIDRes,
    )
    assert [(tier.volume, tier.leverage) for tier in answer.leverage.tiers] == [
        (100_000_000, 50_000),
        (500_000_000, 20_000),
        (2_000_000_000, 10_000),
    ]
    unknown = peer.ask(
        ProtoOAGetDynamicLeverageByIDReq(ctidTraderAccountId=USD_ACCOUNT, leverageId=99),
        ProtoOAErrorRes,
    )
    assert unknown.errorCode == "ENTITY_NOT_FOUND"


@pytest.mark.parametrize(
    ("strategy", "before", "after"),
    [
        # A lot at 1.12569 and 1:100; 300 pips to the stop are 3,000 dollars.
        (ProtoOALimitedRiskMarginCalculationStrategy.ACCORDING_TO_LEVERAGE, 112_569, 112_569),
        (ProtoOALimitedRiskMarginCalculationStrategy.ACCORDING_TO_GSL, 112_569, 300_000),
        (
            ProtoOALimitedRiskMarginCalculationStrategy.ACCORDING_TO_GSL_AND_LEVERAGE,
            112_569,
            300_000,
        ),
    ],
)
def test_margin_of_limited_risk_follows_from_the_guaranteed_stop(
    strategy: int, before: int, after: int
):
    account = replace(DEFAULT_ACCOUNTS[0], is_limited_risk=True, limited_risk_strategy=strategy)
    exchange = scripted_exchange(accounts=[account])
    exchange.change_symbol(1, guaranteed_stops=True)
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    request = order(1, "BUY", 10_000_000, relativeStopLoss=3000, guaranteedStopLoss=True)
    events = trade(peer, request)
    filled = next(event for event in events if event.HasField("deal"))
    assert filled.position.usedMargin in (before, after)
    assert events[-1].position.guaranteedStopLoss
    (position,) = peer.ask(
        ProtoOAReconcileReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOAReconcileRes
    ).position
    assert position.usedMargin == after
    trader = peer.ask(ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOATraderRes).trader
    assert trader.isLimitedRisk
    assert trader.limitedRiskMarginCalculationStrategy == strategy


def test_trader_names_the_terms_that_are_not_the_usual_ones():
    account = replace(
        DEFAULT_ACCOUNTS[0],
        swap_free=True,
        fair_stop_out=True,
        stop_out_strategy=ProtoOAStopOutStrategy.MOST_LOSING_FIRST,
    )
    peer = log_in(Peer(scripted_exchange(accounts=[account])), USD_ACCOUNT)
    trader = peer.ask(ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOATraderRes).trader
    assert (trader.swapFree, trader.fairStopOut) == (True, True)
    assert trader.stopOutStrategy == ProtoOAStopOutStrategy.MOST_LOSING_FIRST


def test_usual_trader_has_the_fields_that_were_recorded():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    trader = peer.ask(ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT), ProtoOATraderRes).trader
    assert [field.name for field, _ in trader.ListFields()] == [
        "ctidTraderAccountId",
        "balance",
        "balanceVersion",
        "accessRights",
        "depositAssetId",
        "swapFree",
        "leverageInCents",
        "totalMarginCalculationType",
        "maxLeverage",
        "frenchRisk",
        "traderLogin",
        "accountType",
        "brokerName",
        "registrationTimestamp",
        "isLimitedRisk",
        "moneyDigits",
    ]


def test_bonus_may_count_in_the_equity():
    for counts, code in ((False, True), (True, False)):
        switches = replace(BARE, bonus_counts_in_equity=counts)
        exchange = scripted_exchange(accounts=(small_account(),), switches=switches)
        exchange.deposit_bonus(USD_ACCOUNT, manager=Decimal(100))
        peer = log_in(Peer(exchange), USD_ACCOUNT)
        assert (not trade(peer, order(1, "BUY", 100_000))) is code


def test_dynamic_leverage_takes_each_slice_at_its_tier():
    tiers = LeverageSpec(1, ((100_000_000, 50_000), (500_000_000, 20_000)))
    margin = margin_of(
        121_345_000,
        base_to_deposit=Fraction(1),
        base_to_usd=Fraction(1),
        account_leverage=100_000,
        tiers=tiers,
    )
    assert margin == Fraction("3067.25")
    later = margin_of(
        100_00,
        base_to_deposit=Fraction(1),
        base_to_usd=Fraction(1),
        account_leverage=100_000,
        tiers=tiers,
        exposure=Fraction(1_000_000),
    )
    assert later == Fraction("0.5")


def test_account_leverage_is_a_cap():
    tiers = LeverageSpec(1, ((100_000_000, 50_000),))
    margin = margin_of(
        100_000,
        base_to_deposit=Fraction("1.12569"),
        base_to_usd=Fraction("1.12569"),
        account_leverage=10_000,
        tiers=tiers,
    )
    assert margin == Fraction("11.2569")


def test_conversion_fee_costs_on_profit_and_loss_alike():
    assert conversion_fee_of(EURUSD, -2621, deposit_asset=5) == -19
    assert conversion_fee_of(EURUSD, 2621, deposit_asset=5) == -19
    assert conversion_fee_of(EURUSD, 2621, deposit_asset=15) == 0


def order(symbol: int, side: str, volume: int, account: int = USD_ACCOUNT, **more: float):
    request = ProtoOANewOrderReq(
        ctidTraderAccountId=account,
        symbolId=symbol,
        orderType=ProtoOAOrderType.MARKET,
        tradeSide=ProtoOATradeSide.Value(side),
        volume=volume,
    )
    for name, value in more.items():
        setattr(request, name, value)
    return request


def trade(peer: Peer, request: object) -> list[ProtoOAExecutionEvent]:
    peer.send(request)  # type: ignore[arg-type]  # any request
    peer.run(1)
    return peer.messages(ProtoOAExecutionEvent)


def test_euro_account_with_yen_profit():
    """10,000 USDJPY up by one yen is 10,000 JPY, 62.50 EUR at EURJPY 160.000."""
    exchange = scripted_exchange(
        ((0, 15_000_000, 15_000_000), (5, 15_100_000, 15_100_000)),
        symbol_id=4,
        others={3: ((0, 16_000_000, 16_000_400),), 1: ((0, 110_000, 110_002),)},
    )
    peer = log_in(Peer(exchange), EUR_ACCOUNT)
    _, filled = trade(peer, order(4, "BUY", 1_000_000, EUR_ACCOUNT))
    # 10,000 USD at 30 dollars a million: 0.30 USD = 0.27 EUR.
    assert filled.deal.commission == -27
    assert filled.deal.marginRate == float(Fraction(100_000, 110_000))
    # 10,000 USD = 9,090.91 EUR at 1:200.
    assert filled.position.usedMargin == 4545
    peer.run(5)
    pnl = peer.ask(
        ProtoOAGetPositionUnrealizedPnLReq(ctidTraderAccountId=EUR_ACCOUNT),
        ProtoOAGetPositionUnrealizedPnLRes,
    )
    (open_profit,) = pnl.positionUnrealizedPnL
    assert (open_profit.grossUnrealizedPnL, open_profit.netUnrealizedPnL) == (6250, 6223)
    assert pnl.moneyDigits == 2
    _, closed = trade(
        peer,
        ProtoOAClosePositionReq(
            ctidTraderAccountId=EUR_ACCOUNT,
            positionId=filled.position.positionId,
            volume=1_000_000,
        ),
    )
    detail = closed.deal.closePositionDetail
    # The fee is 0.7 percent of 62.50: 0.4375, rounded up to 0.44.
    assert (detail.grossProfit, detail.commission, detail.pnlConversionFee) == (6250, -54, -44)
    assert detail.quoteToDepositConversionRate == 1 / 160
    assert detail.balance == 5_000_000 + 6250 - 54 - 44
    trader = peer.ask(ProtoOATraderReq(ctidTraderAccountId=EUR_ACCOUNT), ProtoOATraderRes).trader
    assert (trader.balance, trader.balanceVersion) == (detail.balance, 2)


@pytest.mark.parametrize(
    ("symbol", "bid", "ask", "volume", "margin", "commission"),
    [
        # 1 lot of gold is 100 ounces, here a hundredth: 1 oz, 0.0007 percent of 2,400.
        (41, 240_000_000, 240_000_000, 100, 2400, -2),
        # 0.1 index at 5,500.0 and 1:100.
        (270, 550_000_000, 550_000_000, 10, 550, 0),
        # 0.01 bitcoin at 60,000 and 1:5; 0.0325 percent of 600.
        (1001, 6_000_000_000, 6_000_000_000, 1, 12_000, -20),
    ],
)
def test_metals_indices_and_crypto(
    symbol: int, bid: int, ask: int, volume: int, margin: int, commission: int
):
    exchange = scripted_exchange(((0, bid, ask),), symbol_id=symbol)
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    expected = peer.ask(
        ProtoOAExpectedMarginReq(
            ctidTraderAccountId=USD_ACCOUNT, symbolId=symbol, volume=[volume, 2 * volume]
        ),
        ProtoOAExpectedMarginRes,
    )
    assert [(each.volume, each.buyMargin) for each in expected.margin] == [
        (volume, margin),
        (2 * volume, 2 * margin),
    ]
    _, filled = trade(peer, order(symbol, "BUY", volume))
    assert filled.position.usedMargin == margin
    assert filled.deal.commission == commission


def test_trades_without_money_digits_in_their_messages():
    switches = replace(BARE, write_money_digits=False)
    peer = log_in(Peer(scripted_exchange(switches=switches)), USD_ACCOUNT)
    _, filled = trade(peer, order(1, "BUY", 10_000_000))
    assert (filled.position.commission, filled.deal.commission) == (-250, -250)
    _, closed = trade(
        peer,
        ProtoOAClosePositionReq(
            ctidTraderAccountId=USD_ACCOUNT, positionId=5_000_001, volume=10_000_000
        ),
    )
    detail = closed.deal.closePositionDetail
    assert (detail.grossProfit, detail.balance) == (-200, 10_000_000 - 200 - 500)
    for message in (filled.position, filled.deal, closed.position, closed.deal, detail):
        assert not message.HasField("moneyDigits")
    # Where the schema requires it, it stays.
    profit = peer.ask(
        ProtoOAGetPositionUnrealizedPnLReq(ctidTraderAccountId=USD_ACCOUNT),
        ProtoOAGetPositionUnrealizedPnLRes,
    )
    assert profit.moneyDigits == 2


@pytest.mark.parametrize("digits", [0, 2, 8])
def test_money_is_kept_in_the_accounts_own_digits(digits: int):
    account = replace(DEFAULT_ACCOUNTS[0], money_digits=digits, balance=Decimal(10_000))
    exchange = scripted_exchange(
        ((0, 112_500, 112_500), (5, 112_600, 112_600)), accounts=(account,)
    )
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    trade(peer, order(1, "SELL", 10_000_000))
    peer.run(5)
    _, closed = trade(
        peer,
        ProtoOAClosePositionReq(
            ctidTraderAccountId=USD_ACCOUNT, positionId=5_000_001, volume=10_000_000
        ),
    )
    unit = 10**digits
    detail = closed.deal.closePositionDetail
    assert detail.moneyDigits == closed.deal.moneyDigits == digits
    assert detail.grossProfit == -100 * unit
    side = round_half_away(Fraction(5, 2) * unit)
    assert detail.commission == -2 * side
    assert detail.balance == 10_000 * unit - 100 * unit - 2 * side


# Refusals


def small_account() -> AccountSpec:
    return replace(DEFAULT_ACCOUNTS[0], balance=Decimal(10))


def refused(peer: Peer, request: object) -> ProtoOAOrderErrorEvent:
    return peer.ask(request, ProtoOAOrderErrorEvent)  # type: ignore[arg-type]  # any request


def test_not_enough_money():
    peer = log_in(Peer(scripted_exchange(accounts=(small_account(),))), USD_ACCOUNT)
    assert refused(peer, order(1, "BUY", 100_000)).errorCode == "NOT_ENOUGH_MONEY"


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"volume": 99_999}, "TRADING_BAD_VOLUME", "100000"),
        ({"volume": 150_000}, "TRADING_BAD_VOLUME", "steps of 100000"),
        ({"volume": 10_000_100_000}, "TRADING_BAD_VOLUME", "10000000000"),
        ({"stopLoss": 1.1}, "INVALID_REQUEST", "[LIMIT, STOP, STOP_LIMIT]"),
        ({"takeProfit": 1.2}, "INVALID_REQUEST", "[LIMIT, STOP, STOP_LIMIT]"),
        ({"relativeStopLoss": -1}, "TRADING_BAD_STOPS", "negative"),
        ({"trailingStopLoss": True}, "INVALID_REQUEST", "stop loss"),
        ({"symbolId": 999}, "SYMBOL_NOT_FOUND", "999"),
        ({"symbolId": 6}, "NO_QUOTES", "USDCHF"),
        ({"label": "x" * 101}, "INVALID_REQUEST", "label"),
        ({"positionId": 4}, "POSITION_NOT_FOUND", "Position not found with id 4"),
        ({"orderType": 4}, "INVALID_REQUEST", "STOP_LOSS_TAKE_PROFIT"),
        ({"orderType": 2}, "INVALID_REQUEST", "limitPrice"),
        ({"orderType": 2, "limitPrice": 1.123456}, "INVALID_REQUEST", "more digits"),
        ({"orderType": 2, "limitPrice": -1.0}, "TRADING_BAD_PRICES", "-1.0"),
        ({"orderType": 3, "stopPrice": 1.12}, "TRADING_BAD_PRICES", "above the market"),
        ({"orderType": 2, "limitPrice": 1.1, "stopLoss": 0.0}, "TRADING_BAD_STOPS", "negative"),
        ({"orderType": 2, "limitPrice": 1.1, "stopLoss": 1.2}, "TRADING_BAD_STOPS", "wrong side"),
        (
            {"orderType": 2, "limitPrice": 1.1, "stopLoss": 1.0, "relativeStopLoss": 10},
            "INVALID_REQUEST",
            "Both",
        ),
        (
            {"orderType": 2, "limitPrice": 1.1, "timeInForce": 1},
            "TRADING_BAD_EXPIRATION_DATE",
            "expiration",
        ),
        (
            {"orderType": 2, "limitPrice": 1.1, "expirationTimestamp": 5},
            "TRADING_BAD_EXPIRATION_DATE",
            "past",
        ),
    ],
)
def test_bad_order_is_refused_with_an_order_error(fields: dict[str, float], code: str, text: str):
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)
    request = order(1, "BUY", 100_000)
    for name, value in fields.items():
        setattr(request, name, value)
    event = refused(peer, request)
    assert event.errorCode == code
    assert text in event.description
    if code != "POSITION_NOT_FOUND":
        assert event.HasField("orderId")
        assert (event.orderId, event.positionId) == (0, 0)
    assert not peer.exchange.books[USD_ACCOUNT].orders


def test_relative_distance_needs_the_symbols_precision():
    exchange = scripted_exchange(
        ((0, 15_000_000, 15_000_400),), symbol_id=4, others={1: ((0, 110_000, 110_002),)}
    )
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    event = refused(peer, order(4, "BUY", 100_000, relativeStopLoss=150))
    assert event.description == "Relative stop loss has invalid precision"


def test_absolute_levels_may_be_refused_in_an_error_answer():
    switches = Switches(market_absolute_protection_frame="error")
    peer = log_in(Peer(scripted_exchange(switches=switches)), USD_ACCOUNT)
    answer = peer.ask(order(1, "BUY", 100_000, stopLoss=1.1), ProtoOAErrorRes)
    assert answer.errorCode == "INVALID_REQUEST"


def test_close_is_refused_with_the_position_named():
    peer = log_in(Peer(scripted_exchange()), USD_ACCOUNT)

    def close(position: int, volume: int) -> ProtoOAClosePositionReq:
        return ProtoOAClosePositionReq(
            ctidTraderAccountId=USD_ACCOUNT, positionId=position, volume=volume
        )

    event = refused(peer, close(77, 100_000))
    assert (event.errorCode, event.positionId) == ("POSITION_NOT_FOUND", 77)
    assert not event.HasField("orderId")
    trade(peer, order(1, "BUY", 200_000))
    assert refused(peer, close(5_000_001, 300_000)).errorCode == "TRADING_BAD_VOLUME"
    assert refused(peer, close(5_000_001, 150_000)).errorCode == "TRADING_BAD_VOLUME"
    peer.send(close(5_000_001, 100_000))
    assert refused(peer, close(5_000_001, 100_000)).errorCode == "POSITION_LOCKED"


def test_closed_market_refuses_orders_by_the_symbols_schedule():
    # START is a Sunday, 12:26 UTC: before the market opens at 17:05 in New York.
    switches = replace(BARE, always_open=False)
    peer = log_in(Peer(scripted_exchange(switches=switches)), USD_ACCOUNT)
    assert refused(peer, order(1, "BUY", 100_000)).errorCode == "MARKET_CLOSED"
    peer.run(9 * 3600)
    assert len(trade(peer, order(1, "BUY", 100_000))) == 2
