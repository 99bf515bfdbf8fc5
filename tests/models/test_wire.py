"""Reading fields: what is absent, unknown or nonsense."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ctrader.enums import DealStatus, ExecutionType, OrderSide, TradingMode
from ctrader.errors import ProtocolError
from ctrader.models.wire import (
    decimal_of,
    enum_of,
    float_of,
    int_of,
    missing_fields,
    money_digits_of,
    money_of,
    required_enum_of,
    text_of,
    time_of,
    write_enum,
)
from ctrader.proto import (
    ProtoOADeal,
    ProtoOAExecutionEvent,
    ProtoOANewOrderReq,
    ProtoOAPosition,
    ProtoOAReconcileRes,
    ProtoOASymbol,
    ProtoOATradeData,
    ProtoOATrader,
)


def test_enum_that_is_absent_is_none() -> None:
    assert enum_of(ProtoOASymbol(), "tradingMode", TradingMode) is None


def test_enum_that_is_known_is_its_member() -> None:
    symbol = ProtoOASymbol(tradingMode="CLOSE_ONLY_MODE")

    assert enum_of(symbol, "tradingMode", TradingMode) is TradingMode.CLOSE_ONLY


def test_enum_value_of_the_future_is_an_explicit_unknown_and_not_the_default() -> None:
    symbol = ProtoOASymbol.FromString(bytes([27 << 3 & 0x7F | 0x80, 1, 9]))  # field 27 = 9

    mode = enum_of(symbol, "tradingMode", TradingMode)

    assert not symbol.HasField("tradingMode")
    assert mode == 9
    assert mode is not None
    assert not mode.is_known


def test_negative_enum_value_is_an_explicit_unknown_with_its_sign() -> None:
    deal = ProtoOADeal.FromString(b"\x60" + b"\xff" * 9 + b"\x01")  # field 12 = -1

    assert enum_of(deal, "dealStatus", DealStatus) == -1


def test_last_of_several_unknown_enum_values_counts() -> None:
    deal = ProtoOADeal.FromString(b"\x60\x20\x60\x21")

    assert enum_of(deal, "dealStatus", DealStatus) == 0x21


def test_unknown_field_of_another_wire_type_is_no_enum_value() -> None:
    deal = ProtoOADeal.FromString(b"\x62\x01\x20")  # field 12 as bytes

    assert enum_of(deal, "dealStatus", DealStatus) is None


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(b"\x91\x06" + bytes(8), id="64 bits"),
        pytest.param(b"\x95\x06" + bytes(4), id="32 bits"),
        pytest.param(b"\x92\x06\x02\x60\x05", id="bytes that look like the field"),
        pytest.param(b"\x93\x06\x60\x05\x94\x06", id="the same number inside a group"),
        pytest.param(b"\x93\x06\x9b\x06\x60\x05\x9c\x06\x94\x06", id="groups in groups"),
    ],
)
def test_unknown_fields_around_an_unknown_enum_value_are_passed_over(other: bytes) -> None:
    alone = ProtoOADeal.FromString(other)
    before = ProtoOADeal.FromString(other + b"\x60\x21")
    after = ProtoOADeal.FromString(b"\x60\x21" + other)

    assert enum_of(alone, "dealStatus", DealStatus) is None
    assert enum_of(before, "dealStatus", DealStatus) == 0x21
    assert enum_of(after, "dealStatus", DealStatus) == 0x21


def test_required_enum_that_is_absent_is_refused() -> None:
    with pytest.raises(ProtocolError, match=r"ProtoOATradeData\.tradeSide is missing"):
        required_enum_of(ProtoOATradeData(), "tradeSide", OrderSide)


def test_write_enum_sets_the_number() -> None:
    request = ProtoOANewOrderReq()

    write_enum(request, "tradeSide", OrderSide.SELL)

    assert request.tradeSide == 2


def test_zero_that_was_sent_is_not_absent() -> None:
    assert int_of(ProtoOATrader(balanceVersion=0), "balanceVersion") == 0
    assert int_of(ProtoOATrader(), "balanceVersion") is None
    assert float_of(ProtoOAPosition(price=0.0), "price") == 0.0
    assert float_of(ProtoOAPosition(), "price") is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_number_that_is_not_finite_is_refused(value: float) -> None:
    position = ProtoOAPosition(price=value)

    with pytest.raises(ProtocolError, match=r"ProtoOAPosition\.price"):
        float_of(position, "price")
    with pytest.raises(ProtocolError):
        decimal_of(position, "price")


def test_double_becomes_the_shortest_decimal() -> None:
    assert decimal_of(ProtoOASymbol(swapLong=-0.083), "swapLong") == Decimal("-0.083")
    assert decimal_of(ProtoOASymbol(), "swapLong") is None


def test_text_that_is_no_utf8_is_refused() -> None:
    data = ProtoOATradeData.FromString(b"\x2a\x02\xff\xfe")  # label

    with pytest.raises(ProtocolError, match=r"ProtoOATradeData\.label is not UTF-8"):
        text_of(data, "label")


def test_time_is_aware_and_utc() -> None:
    data = ProtoOATradeData(openTimestamp=1_600_000_000_123)

    assert time_of(data, "openTimestamp") == datetime(2020, 9, 13, 12, 26, 40, 123_000, tzinfo=UTC)
    assert time_of(data, "closeTimestamp") is None


def test_time_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(ProtocolError):
        time_of(ProtoOATradeData(openTimestamp=2**62), "openTimestamp")


@pytest.mark.parametrize(
    ("own", "fallback", "amount"),
    [
        (0, 2, Decimal(1234567890)),
        (2, None, Decimal("12345678.90")),
        (8, 2, Decimal("12.34567890")),
        (None, 4, Decimal("123456.7890")),
        (None, None, Decimal("12345678.90")),
    ],
)
def test_money_has_the_digits_of_its_own_message_first(
    own: int | None, fallback: int | None, amount: Decimal
) -> None:
    trader = ProtoOATrader(balance=1_234_567_890, moneyDigits=own)

    assert money_of(trader, "balance", money_digits_of(trader, fallback)) == amount


def test_money_digits_beyond_reason_are_refused() -> None:
    with pytest.raises(ProtocolError, match="moneyDigits"):
        money_digits_of(ProtoOATrader(moneyDigits=4_000_000_000))


def test_missing_fields_are_named_with_their_paths() -> None:
    answer = ProtoOAReconcileRes(ctidTraderAccountId=1)
    answer.order.add(orderId=1, orderType="LIMIT", orderStatus="ORDER_STATUS_ACCEPTED")
    answer.order[0].tradeData.CopyFrom(ProtoOATradeData(volume=1, tradeSide="BUY"))

    assert missing_fields(answer) == ("order[0].tradeData.symbolId",)


def test_whole_message_misses_nothing() -> None:
    event = ProtoOAExecutionEvent(ctidTraderAccountId=1, executionType="SWAP")

    assert missing_fields(event) == ()


def test_required_enum_with_a_value_of_the_future_is_not_missing() -> None:
    event = ProtoOAExecutionEvent.FromString(b"\x10\x01\x18\x63")

    assert not event.IsInitialized()
    assert missing_fields(event) == ()
    assert required_enum_of(event, "executionType", ExecutionType) == 0x63


def test_nested_required_enum_with_a_value_of_the_future_is_not_missing() -> None:
    answer = ProtoOAReconcileRes(ctidTraderAccountId=1)
    order = answer.order.add(orderId=1, orderType="LIMIT")
    order.tradeData.CopyFrom(ProtoOATradeData(symbolId=1, volume=1))
    order.tradeData.MergeFromString(b"\x18\x07")

    assert missing_fields(answer) == ("order[0].orderStatus",)
