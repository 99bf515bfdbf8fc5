"""Arguments of another type than they should be are refused by name, before anything is sent."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from ctrader.credentials import AccountCredentials
from ctrader.enums import NotificationType, OrderSide, TrendbarPeriod
from ctrader.errors import OrderInvalidError
from ctrader.operations import accounts, auth, history, market_data, symbols, trading
from ctrader.operations.arguments import takes_ids
from ctrader.proto import ProtoOAGetTrendbarsReq, ProtoOAGetTrendbarsRes
from ctrader.protocol.commands import Call, Command, SpotTopic, Subscribe, TrendbarTopic
from ctrader.units import lots_to_volume, units_to_volume
from tests.operations.peer import drive

THRESHOLD = NotificationType.MARGIN_LEVEL_THRESHOLD_1
NOW = datetime(2026, 1, 1, tzinfo=UTC)
H1: Any = "h1"


class Index:
    """What another library's integers are like."""

    def __index__(self) -> int:
        return 5


def wrong(value: object) -> Any:
    """Hand something over that no checker would let through."""
    return value


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: accounts.get_trader(wrong("1000001")),
            "account_id='1000001' is no id: give the number as an int",
        ),
        (
            lambda: accounts.get_trader(wrong("x" * 50)),
            "account_id of type str is no id: give the number as an int",
        ),
        (
            lambda: accounts.get_trader(
                wrong(
                    AccountCredentials(
                        account_id=7, access_token="secret-one", refresh_token="b", expires_at=0
                    )
                )
            ),
            "account_id of type AccountCredentials is no id: give its account_id",
        ),
        (
            lambda: accounts.get_trader(wrong(None)),
            "account_id=None is no id: give the number as an int",
        ),
        *(
            (
                lambda value=value: trading.cancel_order(7, value),
                f"order_id={value} is no id: ids go from 1 to 9223372036854775807",
            )
            for value in (0, -1, 2**63)
        ),
        (
            lambda: market_data.subscribe_depth(7, [1, 0]),
            "symbol_ids holds 0, which is no id: ids go from 1 to 9223372036854775807",
        ),
        (
            lambda: accounts.get_trader(wrong(True)),
            "account_id=True is no id: give the number as an int",
        ),
        (
            lambda: symbols.get_by_id(7, wrong("EURUSD")),
            "symbol_id='EURUSD' is no id: give the number as an int; "
            "client.symbols.get_by_name() finds the symbol of a name",
        ),
        (
            lambda: symbols.get_by_id(7, symbol_id=wrong(1.0)),
            "symbol_id=1.0 is no id: give the number as an int",
        ),
        (
            lambda: market_data.subscribe_spots(7, wrong(1)),
            "symbol_ids=1 is no list of ids: give [1]",
        ),
        (
            lambda: market_data.subscribe_spots(7, wrong("EURUSD")),
            "symbol_ids='EURUSD' is no list of ids: give the numbers as a list of ints; "
            "client.symbols.get_by_name() finds the symbol of a name",
        ),
        (
            lambda: market_data.subscribe_spots(7, wrong(None)),
            "symbol_ids=None is no list of ids: give the numbers as a list of ints",
        ),
        (
            lambda: market_data.subscribe_spots(7, [1, wrong("EURUSD")]),
            "symbol_ids holds 'EURUSD', which is no id: give the number as an int; "
            "client.symbols.get_by_name() finds the symbol of a name",
        ),
        (
            lambda: accounts.get_expected_margin(7, 1, wrong(100_000)),
            "volumes=100000 is no list of volumes: give [100000]",
        ),
        (
            lambda: accounts.get_expected_margin(7, 1, wrong("100000")),
            "volumes='100000' is no list of volumes: give a list of ints",
        ),
        (
            lambda: accounts.get_expected_margin(7, 1, [wrong(0.01)]),
            "volumes holds 0.01, which is no volume in hundredths of a unit: give an int; lots "
            "are converted by symbol.lots_to_volume()",
        ),
        *(
            (
                lambda volume=volume: accounts.get_expected_margin(7, 1, [100_000, volume]),
                f"volumes holds {volume}, which is no volume in hundredths of a unit: give an int "
                "from 1 to 9223372036854775807; lots are converted by symbol.lots_to_volume()",
            )
            for volume in (0, -1, 2**63)
        ),
        *(
            (
                lambda level=level: accounts.update_margin_call(7, THRESHOLD, wrong(level)),
                f"margin_level_threshold={level!r} is no margin level: give percent as a finite "
                "number of 0 or more, such as 70.5",
            )
            for level in (
                float("nan"),
                float("-inf"),
                -5,
                Decimal("1e400"),
                Decimal("sNaN"),
                "70",
                None,
                True,
            )
        ),
        (
            lambda: accounts.update_margin_call(7, THRESHOLD, 10**400),
            "margin_level_threshold of type int is no margin level: ",
        ),
        *(
            (
                lambda given=given: accounts.update_margin_call(7, wrong(given), 50),
                f"margin_call_type={given} is no margin call: give "
                "NotificationType.MARGIN_LEVEL_THRESHOLD_1, ",
            )
            for given in (61, None, NotificationType(99), OrderSide.BUY)
        ),
        (
            lambda: history.get_trendbars(7, 1, "X1", NOW, NOW),
            "'X1' is not a TrendbarPeriod; use one of M1, M2, M3, M4, M5, M10, M15, M30, H1, H4, "
            "H12, D1, W1, MN1",
        ),
        (
            lambda: history.get_last_trendbars(7, 1, wrong(10), 1, now=NOW),
            "period=10 is no TrendbarPeriod: give TrendbarPeriod.H1, for example, or its name",
        ),
        (
            lambda: history.get_trendbars(7, 1, TrendbarPeriod(99), NOW, NOW),
            "period=<TrendbarPeriod.UNKNOWN_99: 99> is no TrendbarPeriod: give TrendbarPeriod.H1, ",
        ),
        (
            lambda: market_data.subscribe_trendbars(7, 1, wrong(OrderSide.BUY)),
            "period=<OrderSide.BUY: 1> is no TrendbarPeriod: give TrendbarPeriod.H1, for example, "
            "or its name",
        ),
        (lambda: market_data.unsubscribe_trendbars(7, 1, "X1"), "'X1' is not a TrendbarPeriod; "),
    ],
)
def test_wrong_type_is_refused_with_value_and_remedy(call: Callable[[], Any], text: str) -> None:
    with pytest.raises(ValueError, match=r"\b(id|ids|volumes?|margin|TrendbarPeriod)\b") as caught:
        next(call())
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    "call",
    [
        lambda: trading.cancel_order(wrong("7"), 1),
        lambda: trading.cancel_order(7, wrong("1")),
        lambda: trading.place_order(wrong("7"), wrong(None)),
        lambda: trading.close_position(wrong("7"), wrong(None)),
        lambda: trading.amend_order(wrong("7"), wrong(None)),
        lambda: trading.amend_position(wrong("7"), wrong(None)),
    ],
)
def test_trading_request_with_a_wrong_id_is_refused_as_such(call: Callable[[], Any]) -> None:
    with pytest.raises(OrderInvalidError, match="is no id: give the number as an int") as caught:
        call()
    assert caught.value.field in ("account_id", "order_id")


def test_names_of_periods_are_taken() -> None:
    asked: list[int] = []

    def answer(command: Command) -> object:
        assert isinstance(command, Call)
        assert isinstance(command.request, ProtoOAGetTrendbarsReq)
        asked.append(command.request.period)
        return ProtoOAGetTrendbarsRes(ctidTraderAccountId=7, period="H1", symbolId=1)

    drive(history.get_trendbars(7, 1, "h1", NOW, NOW), answer)
    drive(history.get_last_trendbars(7, 1, "H1", 1, now=NOW), answer)
    assert asked == [TrendbarPeriod.H1.value] * 2
    subscription = next(market_data.subscribe_trendbars(7, 1, "H1"))
    assert isinstance(subscription, Subscribe)
    assert subscription.topics == (TrendbarTopic(7, 1, TrendbarPeriod.H1),)


def test_integers_of_other_libraries_are_taken() -> None:
    five: Any = Index()
    subscription = next(market_data.subscribe_spots(five, (each for each in [five, 6, five])))
    assert isinstance(subscription, Subscribe)
    assert subscription.topics == (SpotTopic(5, 5), SpotTopic(5, 6))


@pytest.mark.parametrize("module", [accounts, auth, history, market_data, symbols, trading])
def test_every_operation_checks_its_ids(module: Any) -> None:
    for name in module.__all__:
        function = getattr(module, name)
        if not inspect.isfunction(function) or function.__module__ != module.__name__:
            continue
        parameters = inspect.signature(function).parameters
        ids = [each for each in parameters if each.endswith(("_id", "_ids"))]
        values = {each: 1 for each in parameters if each in ids}
        others = {each: None for each in parameters if each not in ids}
        for each in ids:
            with pytest.raises(ValueError, match=f"{each} of type SimpleNamespace is no "):
                function(**{**others, **values, each: SimpleNamespace(name="x" * 30)})


def test_function_without_ids_is_refused() -> None:
    with pytest.raises(AssertionError):
        takes_ids(lambda name: name)


@pytest.mark.parametrize(
    ("convert", "text"),
    [
        (lambda: lots_to_volume(wrong("0.01"), 10_000_000), "lots must be a number .*, not '0.01'"),
        (lambda: units_to_volume(wrong(None)), "units must be a number .*, not None"),
    ],
)
def test_volume_of_another_type_is_refused(convert: Callable[[], int], text: str) -> None:
    with pytest.raises(OrderInvalidError, match=text):
        convert()
    assert lots_to_volume(Decimal("0.01"), 10_000_000) == 100_000
