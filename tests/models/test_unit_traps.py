"""Numbers that naive readings get wrong by powers of ten, each with the number that is right.

Prices of quotes count 1/100000 of a price unit for every symbol; volumes count hundredths of a
unit; a lot is whatever the symbol says; money has the decimals of the message that it came in.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from ctrader.enums import OrderSide, OrderType, TrendbarPeriod
from ctrader.errors import OrderInvalidError
from ctrader.events import ExecutionEvent, MarginChangeEvent, PnLChangeEvent, SpotEvent
from ctrader.models.accounts import Account, BonusDepositWithdraw, DepositWithdraw
from ctrader.models.deals import Deal
from ctrader.models.market import Trendbar, bars_from_proto, ticks_from_proto
from ctrader.models.orders import NewOrderRequest
from ctrader.models.positions import Position, PositionUnrealizedPnL
from ctrader.models.risk import DynamicLeverage, ExpectedMargin
from ctrader.models.symbols import Commission, Swap, Symbol
from ctrader.proto import (
    ProtoOABonusDepositWithdraw,
    ProtoOAClosePositionDetail,
    ProtoOADeal,
    ProtoOADepositWithdraw,
    ProtoOADynamicLeverage,
    ProtoOADynamicLeverageTier,
    ProtoOAExecutionEvent,
    ProtoOAExpectedMargin,
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsRes,
    ProtoOAMarginChangedEvent,
    ProtoOAPosition,
    ProtoOAPositionUnrealizedPnL,
    ProtoOASpotEvent,
    ProtoOASymbol,
    ProtoOATickData,
    ProtoOATradeData,
    ProtoOATrader,
    ProtoOATrendbar,
    ProtoOAv1PnLChangeEvent,
)


class Trap(NamedTuple):
    """A symbol, and what its numbers mean."""

    digits: int
    pip_position: int
    lot_size: int
    quote: int
    """Price on the wire, in 1/100000."""
    price: float
    one_tick: float
    one_pip: float
    lots: str
    volume: int
    """The lots, in hundredths of a unit."""
    units: str
    pip_value: str
    """Worth of a pip of that volume, in the quote asset."""
    tick_value: str
    off_grid: float
    """A price that an order may not have."""
    nearest: float


SYMBOLS: dict[str, Trap] = {
    # 0.01 lot is 100,000 hundredths of a euro, which is not one lot.
    "EURUSD": Trap(
        digits=5,
        pip_position=4,
        lot_size=10_000_000,
        quote=112_345,
        price=1.12345,
        one_tick=0.00001,
        one_pip=0.0001,
        lots="0.01",
        volume=100_000,
        units="1000",
        pip_value="0.1",
        tick_value="0.01",
        off_grid=1.123456,
        nearest=1.12346,
    ),
    # Three digits, and still 1/100000 on the wire: not 13107.4.
    "USDJPY": Trap(
        digits=3,
        pip_position=2,
        lot_size=10_000_000,
        quote=13_107_400,
        price=131.074,
        one_tick=0.001,
        one_pip=0.01,
        lots="1",
        volume=10_000_000,
        units="100000",
        pip_value="1000",
        tick_value="100",
        off_grid=131.0746,
        nearest=131.075,
    ),
    # A lot of gold is 100 ounces.
    "XAUUSD": Trap(
        digits=2,
        pip_position=1,
        lot_size=10_000,
        quote=265_012_000,
        price=2650.12,
        one_tick=0.01,
        one_pip=0.1,
        lots="0.5",
        volume=5_000,
        units="50",
        pip_value="5",
        tick_value="0.5",
        off_grid=2650.128,
        nearest=2650.13,
    ),
    # Silver with three digits; a lot is 5,000 ounces.
    "XAGUSD": Trap(
        digits=3,
        pip_position=2,
        lot_size=500_000,
        quote=3_117_500,
        price=31.175,
        one_tick=0.001,
        one_pip=0.01,
        lots="0.02",
        volume=10_000,
        units="100",
        pip_value="1",
        tick_value="0.1",
        off_grid=31.1753,
        nearest=31.175,
    ),
    # A lot of an index is one unit; the pip is a whole point.
    "US500": Trap(
        digits=1,
        pip_position=0,
        lot_size=100,
        quote=543_210_000,
        price=5432.1,
        one_tick=0.1,
        one_pip=1.0,
        lots="2.5",
        volume=250,
        units="2.5",
        pip_value="2.5",
        tick_value="0.25",
        off_grid=5432.17,
        nearest=5432.2,
    ),
    # No decimals at all.
    "JP225": Trap(
        digits=0,
        pip_position=0,
        lot_size=1_000,
        quote=3_850_000_000,
        price=38_500.0,
        one_tick=1.0,
        one_pip=1.0,
        lots="3",
        volume=3_000,
        units="30",
        pip_value="30",
        tick_value="30",
        off_grid=38_500.4,
        nearest=38_500.0,
    ),
    # A hundredth of a coin is the smallest volume that there is.
    "BTCUSD": Trap(
        digits=2,
        pip_position=0,
        lot_size=100,
        quote=6_712_345_000,
        price=67_123.45,
        one_tick=0.01,
        one_pip=1.0,
        lots="0.01",
        volume=1,
        units="0.01",
        pip_value="0.01",
        tick_value="0.0001",
        off_grid=67_123.456,
        nearest=67_123.46,
    ),
}


@pytest.fixture(params=SYMBOLS)
def trap(request: pytest.FixtureRequest) -> Trap:
    return SYMBOLS[request.param]


def symbol_of(trap: Trap, **fields: Any) -> Symbol:
    return Symbol.from_proto(
        ProtoOASymbol(
            symbolId=1,
            digits=trap.digits,
            pipPosition=trap.pip_position,
            lotSize=trap.lot_size,
            minVolume=1,
            maxVolume=10**12,
            stepVolume=1,
            **fields,
        )
    )


# Prices


def test_quote_is_in_price_units(trap: Trap) -> None:
    spot = SpotEvent.from_proto(
        ProtoOASpotEvent(
            ctidTraderAccountId=7,
            symbolId=1,
            bid=trap.quote,
            ask=trap.quote,
            sessionClose=trap.quote,
        )
    )

    assert (spot.bid, spot.ask, spot.session_close) == (trap.price,) * 3


def test_bars_and_ticks_are_in_price_units(trap: Trap) -> None:
    (bar,) = bars_from_proto(
        ProtoOAGetTrendbarsRes(
            ctidTraderAccountId=7,
            period="H1",
            trendbar=[
                ProtoOATrendbar(volume=321, low=trap.quote, utcTimestampInMinutes=28_401_120)
            ],
        )
    )
    (tick,) = ticks_from_proto(
        ProtoOAGetTickDataRes(
            ctidTraderAccountId=7,
            hasMore=False,
            tickData=[ProtoOATickData(timestamp=1_704_067_200_000, tick=trap.quote)],
        )
    )

    assert (bar.low, bar.open, bar.high, bar.close, bar.volume) == (*(trap.price,) * 4, 321)
    assert bar.timestamp == tick.timestamp == datetime(2024, 1, 1, tzinfo=UTC)
    assert tick.price == trap.price


def test_steps_of_the_price(trap: Trap) -> None:
    symbol = symbol_of(trap)

    assert (symbol.tick_size, symbol.pip_size) == (trap.one_tick, trap.one_pip)
    assert symbol.pips_to_price(1) == trap.one_pip
    assert symbol.price_to_pips(trap.one_pip) == 1


def test_price_of_an_order_has_the_symbol_s_digits(trap: Trap) -> None:
    symbol = symbol_of(trap)

    assert symbol.is_valid_price(trap.price)
    assert not symbol.is_valid_price(trap.off_grid)
    assert symbol.quantize_price(trap.off_grid) == trap.nearest


@pytest.mark.parametrize(
    ("name", "distance", "wire"),
    [
        ("EURUSD", 0.0020, 200),
        ("USDJPY", 0.200, 20_000),
        ("XAUUSD", 2.50, 250_000),
        ("US500", 12.5, 1_250_000),
        ("BTCUSD", 350.25, 35_025_000),
    ],
)
def test_distance_of_a_protective_level_counts_hundred_thousandths(
    name: str, distance: float, wire: int
) -> None:
    request = NewOrderRequest(
        symbol_id=1,
        side=OrderSide.BUY,
        volume=SYMBOLS[name].volume,
        relative_stop_loss=distance,
        client_order_id="an-id",
    )

    assert request.to_proto(7).relativeStopLoss == wire


def test_order_prices_are_no_integers_on_the_wire() -> None:
    request = NewOrderRequest(
        symbol_id=1,
        side=OrderSide.BUY,
        volume=100_000,
        order_type=OrderType.LIMIT,
        limit_price=131.074,
        client_order_id="an-id",
    )

    assert request.to_proto(7).limitPrice == 131.074


# Volumes


def test_lots_units_and_volume(trap: Trap) -> None:
    symbol = symbol_of(trap)
    lots, units = Decimal(trap.lots), Decimal(trap.units)

    assert symbol.lots_to_volume(lots) == trap.volume
    assert symbol.lots_to_volume(float(trap.lots)) == trap.volume
    assert symbol.volume_to_lots(trap.volume) == lots
    assert symbol.units_to_volume(units) == trap.volume
    assert symbol.volume_to_units(trap.volume) == units


def test_value_of_pip_and_tick(trap: Trap) -> None:
    symbol = symbol_of(trap)

    assert symbol.pip_value(trap.volume) == Decimal(trap.pip_value)
    assert symbol.tick_value(trap.volume) == Decimal(trap.tick_value)


@pytest.mark.parametrize(
    ("name", "rate", "value"),
    [
        # One lot of dollar against yen: 1,000 yen a pip.
        ("USDJPY", "0.0076", "7.6"),
        # A pip of 0.5 lot of gold in an account in euros.
        ("XAUUSD", "0.92", "4.6"),
    ],
)
def test_value_of_a_pip_in_the_account_s_currency(name: str, rate: str, value: str) -> None:
    trap = SYMBOLS[name]

    assert symbol_of(trap).pip_value(trap.volume, Decimal(rate)) == Decimal(value)


def test_hundred_thousand_is_a_hundredth_of_a_lot_of_euros() -> None:
    symbol = symbol_of(SYMBOLS["EURUSD"])

    assert symbol.volume_to_lots(100_000) == Decimal("0.01")
    assert symbol.lots_to_volume(1) == 10_000_000


def test_lots_that_are_no_whole_volume_are_not_rounded() -> None:
    with pytest.raises(OrderInvalidError):
        symbol_of(SYMBOLS["BTCUSD"]).lots_to_volume(Decimal("0.015"))


# Money

MONEY = [(0, "123456789"), (2, "1234567.89"), (8, "1.23456789"), (None, "1234567.89")]
"""Decimals that a message names, None for not at all, and 123456789 with them."""
WIRE = 123_456_789


@pytest.mark.parametrize(("digits", "text"), MONEY)
def test_money_of_an_account(digits: int | None, text: str) -> None:
    account = Account.from_proto(
        ProtoOATrader(
            ctidTraderAccountId=7,
            balance=WIRE,
            depositAssetId=1,
            managerBonus=WIRE,
            ibBonus=WIRE,
            nonWithdrawableBonus=WIRE,
            moneyDigits=digits,
        )
    )

    amounts = (
        account.balance,
        account.manager_bonus,
        account.ib_bonus,
        account.non_withdrawable_bonus,
    )
    assert [str(amount) for amount in amounts] == [text] * 4


@pytest.mark.parametrize(("digits", "text"), MONEY)
def test_money_of_a_position(digits: int | None, text: str) -> None:
    position = Position.from_proto(
        ProtoOAPosition(
            positionId=1,
            tradeData=ProtoOATradeData(symbolId=1, volume=1, tradeSide="BUY"),
            positionStatus="POSITION_STATUS_OPEN",
            swap=-WIRE,
            commission=-WIRE,
            mirroringCommission=-WIRE,
            usedMargin=WIRE,
            moneyDigits=digits,
        )
    )

    costs = (position.swap, position.commission, position.mirroring_commission)
    assert [str(cost) for cost in costs] == [f"-{text}"] * 3
    assert str(position.used_margin) == text


def a_deal(digits: int | None, detail_digits: int | None) -> ProtoOADeal:
    return ProtoOADeal(
        dealId=1,
        orderId=1,
        positionId=1,
        volume=1,
        filledVolume=1,
        symbolId=1,
        createTimestamp=1,
        executionTimestamp=1,
        tradeSide="SELL",
        dealStatus="FILLED",
        commission=-WIRE,
        moneyDigits=digits,
        closePositionDetail=ProtoOAClosePositionDetail(
            entryPrice=1.0,
            grossProfit=WIRE,
            swap=-WIRE,
            commission=-WIRE,
            balance=WIRE,
            pnlConversionFee=-WIRE,
            moneyDigits=detail_digits,
        ),
    )


@pytest.mark.parametrize(("digits", "text"), MONEY)
def test_money_of_a_deal_and_of_what_it_closed(digits: int | None, text: str) -> None:
    deal = Deal.from_proto(a_deal(digits, digits))
    detail = deal.close_detail

    assert detail is not None
    assert str(deal.commission) == f"-{text}"
    assert [str(detail.gross_profit), str(detail.balance)] == [text] * 2
    assert [str(detail.swap), str(detail.commission), str(detail.pnl_conversion_fee)] == [
        f"-{text}"
    ] * 3
    assert detail.net_profit == -2 * Decimal(text)


def test_part_of_a_message_has_decimals_of_its_own() -> None:
    deal = Deal.from_proto(a_deal(2, 8))
    alike = Deal.from_proto(a_deal(0, None))

    assert deal.close_detail is not None
    assert alike.close_detail is not None
    assert (str(deal.commission), str(deal.close_detail.balance)) == ("-1234567.89", "1.23456789")
    assert str(alike.close_detail.balance) == "123456789"


@pytest.mark.parametrize(("digits", "text"), MONEY)
def test_money_that_was_paid_in_and_given(digits: int | None, text: str) -> None:
    paid = DepositWithdraw.from_proto(
        ProtoOADepositWithdraw(
            operationType="BALANCE_DEPOSIT",
            balanceHistoryId=1,
            balance=WIRE,
            delta=WIRE,
            equity=WIRE,
            changeBalanceTimestamp=1,
            moneyDigits=digits,
        )
    )
    bonus = BonusDepositWithdraw.from_proto(
        ProtoOABonusDepositWithdraw(
            operationType="BONUS_DEPOSIT",
            bonusHistoryId=1,
            managerBonus=WIRE,
            managerDelta=WIRE,
            ibBonus=WIRE,
            ibDelta=WIRE,
            changeBonusTimestamp=1,
            moneyDigits=digits,
        )
    )

    amounts = (
        paid.balance,
        paid.delta,
        paid.equity,
        bonus.manager_bonus,
        bonus.manager_delta,
        bonus.ib_bonus,
        bonus.ib_delta,
    )
    assert [str(amount) for amount in amounts] == [text] * 7


@pytest.mark.parametrize(("digits", "text"), MONEY)
def test_money_of_margin_and_profit(digits: int | None, text: str) -> None:
    change = MarginChangeEvent.from_proto(
        ProtoOAMarginChangedEvent(
            ctidTraderAccountId=7, positionId=1, usedMargin=WIRE, moneyDigits=digits
        )
    )
    profit = PnLChangeEvent.from_proto(
        ProtoOAv1PnLChangeEvent(
            ctidTraderAccountId=7,
            grossUnrealizedPnL=-WIRE,
            netUnrealizedPnL=WIRE,
            moneyDigits=digits,
        )
    )
    expected = ExpectedMargin.from_proto(
        ProtoOAExpectedMargin(volume=1, buyMargin=WIRE, sellMargin=WIRE), digits
    )
    unrealized = PositionUnrealizedPnL.from_proto(
        ProtoOAPositionUnrealizedPnL(positionId=1, grossUnrealizedPnL=-WIRE, netUnrealizedPnL=WIRE),
        digits,
    )

    assert str(change.amount) == text
    assert [str(profit.gross_unrealized_pnl), str(profit.net_unrealized_pnl)] == [f"-{text}", text]
    assert [str(expected.buy_margin), str(expected.sell_margin)] == [text] * 2
    assert str(unrealized.gross_unrealized_pnl) == f"-{text}"
    assert str(unrealized.net_unrealized_pnl) == text


@pytest.mark.parametrize(("trader_digits", "text"), MONEY)
def test_message_that_does_not_say_its_decimals_has_the_account_s(
    trader_digits: int | None, text: str
) -> None:
    message = ProtoOAExecutionEvent(
        ctidTraderAccountId=7, executionType="ORDER_FILLED", deal=a_deal(None, None)
    )

    event = ExecutionEvent.from_proto(message, trader_digits)

    assert event.deal is not None
    assert event.deal.close_detail is not None
    assert str(event.deal.commission) == f"-{text}"
    assert str(event.deal.close_detail.balance) == text


def test_zero_decimals_are_not_absent_ones() -> None:
    change = MarginChangeEvent.from_proto(
        ProtoOAMarginChangedEvent(
            ctidTraderAccountId=7, positionId=1, usedMargin=5_000, moneyDigits=0
        ),
        8,
    )

    assert str(change.amount) == "5000"


# Costs


@pytest.mark.parametrize(
    ("kind", "precise", "rate"),
    [
        # 45 dollars a million dollars.
        ("USD_PER_MILLION_USD", 4_500_000_000, "45.00000000"),
        # 3.50 dollars a lot.
        ("USD_PER_LOT", 350_000_000, "3.50000000"),
        # 0.005 percent: this kind alone has five decimals instead of eight.
        ("PERCENTAGE_OF_VALUE", 500, "0.00500"),
        # 700 yen a lot.
        ("QUOTE_CCY_PER_LOT", 70_000_000_000, "700.00000000"),
    ],
)
def test_rate_of_the_commission(kind: str, precise: int, rate: str) -> None:
    commission = Commission.from_proto(
        ProtoOASymbol(
            symbolId=1,
            digits=5,
            pipPosition=4,
            commissionType=kind,
            preciseTradingCommissionRate=precise,
            preciseMinCommission=12_500_000,
            commission=1,
            minCommission=1,
        )
    )

    assert str(commission.rate) == rate
    assert str(commission.minimum) == "0.12500000"


def test_deprecated_commission_counts_hundredths() -> None:
    commission = Commission.from_proto(
        ProtoOASymbol(symbolId=1, digits=5, pipPosition=4, commission=4_500, minCommission=125)
    )

    assert (str(commission.rate), str(commission.minimum)) == ("45.00", "1.25")


def test_swap_is_a_number_as_it_stands_and_its_time_is_in_minutes() -> None:
    swap = Swap.from_proto(
        ProtoOASymbol(
            symbolId=1,
            digits=3,
            pipPosition=2,
            swapLong=-7.31,
            swapShort=0.0,
            swapTime=1_260,
            swapPeriod=24,
            rolloverCommission=5,
        )
    )

    assert (str(swap.long), str(swap.short)) == ("-7.31", "0.0")
    assert (swap.charge_time.hour, swap.charge_time.minute) == (21, 0)
    assert (swap.period_hours, swap.rollover_commission) == (24, Decimal(5))


# Leverage


def test_leverage_is_in_hundredths() -> None:
    account = Account.from_proto(
        ProtoOATrader(ctidTraderAccountId=7, balance=0, depositAssetId=1, leverageInCents=5_000)
    )

    assert account.leverage == 50
    assert account.get_leverage() == "1:50"


def test_dynamic_leverage_counts_cents_of_exposure() -> None:
    scale = DynamicLeverage.from_proto(
        ProtoOADynamicLeverage(
            leverageId=1,
            tiers=[
                ProtoOADynamicLeverageTier(volume=100_000_000, leverage=50_000),
                ProtoOADynamicLeverageTier(volume=500_000_000, leverage=20_000),
            ],
        )
    )

    assert scale.margin_usd(Decimal(1_213_450)) == Decimal("3067.25")


# What is absent


def test_absent_price_is_none_and_zero_is_zero() -> None:
    absent = SpotEvent.from_proto(ProtoOASpotEvent(ctidTraderAccountId=7, symbolId=1))
    zero = SpotEvent.from_proto(
        ProtoOASpotEvent(ctidTraderAccountId=7, symbolId=1, bid=0, ask=0, sessionClose=0)
    )

    assert (absent.bid, absent.ask, absent.session_close) == (None, None, None)
    assert (zero.bid, zero.ask, zero.session_close) == (0.0, 0.0, 0.0)


def test_bars_of_history_take_the_period_of_their_answer_and_are_mended() -> None:
    (bar,) = bars_from_proto(
        ProtoOAGetTrendbarsRes(
            ctidTraderAccountId=7,
            period="H4",
            trendbar=[
                # The server's fault: an open above a high that was not sent.
                ProtoOATrendbar(
                    volume=12, low=13_107_400, deltaOpen=25, utcTimestampInMinutes=28_401_120
                )
            ],
        )
    )

    assert bar == Trendbar(
        TrendbarPeriod.H4, 28_401_120, 13_107_400, 13_107_425, 13_107_425, 13_107_400, 12, True
    )
    assert (bar.open, bar.high, bar.low, bar.close) == (131.07425, 131.07425, 131.074, 131.074)


def test_live_bar_closes_at_the_last_bid() -> None:
    spot = SpotEvent.from_proto(
        ProtoOASpotEvent(
            ctidTraderAccountId=7,
            symbolId=1,
            trendbar=[
                ProtoOATrendbar(
                    volume=3,
                    period="M5",
                    low=265_000_000,
                    deltaOpen=1_000,
                    deltaHigh=20_000,
                    utcTimestampInMinutes=28_401_120,
                )
            ],
        ),
        last_bid_points=265_012_000,
    )

    (bar,) = spot.trendbars
    assert (bar.period, bar.low, bar.open, bar.high, bar.close, bar.repaired) == (
        TrendbarPeriod.M5,
        2650.0,
        2650.01,
        2650.2,
        2650.12,
        False,
    )


def test_ticks_are_differences_from_the_newest_on() -> None:
    ticks = ticks_from_proto(
        ProtoOAGetTickDataRes(
            ctidTraderAccountId=7,
            hasMore=False,
            tickData=[
                ProtoOATickData(timestamp=1_704_067_200_500, tick=13_107_400),
                ProtoOATickData(timestamp=-200, tick=-600),
                ProtoOATickData(timestamp=0, tick=100),
                ProtoOATickData(timestamp=-300, tick=500),
            ],
        )
    )

    assert [(tick.timestamp_ms, tick.price) for tick in ticks] == [
        (1_704_067_200_000, 131.074),
        (1_704_067_200_300, 131.069),
        (1_704_067_200_300, 131.068),
        (1_704_067_200_500, 131.074),
    ]
