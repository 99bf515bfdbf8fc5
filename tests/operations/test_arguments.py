"""Arguments of another type than they should be are refused by name, before anything is sent."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from ctrader.credentials import AccountCredentials
from ctrader.enums import NotificationType, OrderSide, QuoteType, TrendbarPeriod
from ctrader.errors import OrderInvalidError
from ctrader.models.orders import AmendOrderRequest, NewOrderRequest
from ctrader.operations import accounts, auth, history, market_data, symbols, trading
from ctrader.operations.arguments import account_id_of, checks_arguments, seconds_of
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


class Several:
    """An array of several numbers: it has the methods of one number, and no answer."""

    def __index__(self) -> int:
        raise TypeError("only a scalar array can be converted to a scalar index")

    def __float__(self) -> float:
        raise TypeError("only an array of one element can be converted")

    def __repr__(self) -> str:
        return "array([1, 2])"


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


TOKEN = "tok-9f27c1"
DATETIME = (
    "is no datetime: give an aware one, such as datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)"
)
LOGIN = "is no login: give the number that the terminal shows as an int; a token goes into access_"
AS_STR = "is no token: give it as a str"


@pytest.mark.parametrize(
    ("call", "text"),
    [
        *(
            (lambda ask=ask, given=given: ask(given), f"{name}{shown} {DATETIME}")
            for given, shown in (
                ("2026-01-01", "='2026-01-01'"),
                (1767225600000, "=1767225600000"),
                (date(2026, 1, 1), "=datetime.date(2026, 1, 1)"),
                (timedelta(days=-1), "=datetime.timedelta(days=-1)"),
            )
            for ask, name in (
                (lambda at: history.get_trendbars(7, 1, "H1", at, NOW), "from_timestamp"),
                (lambda at: history.get_tick_data(7, 1, NOW, to_timestamp=at), "to_timestamp"),
                (lambda at: history.get_last_trendbars(7, 1, "H1", 5, at, now=NOW), "to_timestamp"),
                (lambda at: history.get_deals(7, at, now=NOW), "from_timestamp"),
                (lambda at: history.get_orders(7, NOW, at, now=NOW), "to_timestamp"),
                (lambda at: history.get_deals_by_position_id(7, 1, at), "from_timestamp"),
                (lambda at: history.get_orders_by_position_id(7, 1, None, at), "to_timestamp"),
                (lambda at: accounts.get_cash_flow(7, NOW, at), "to_timestamp"),
            )
        ),
        (
            lambda: history.get_trendbars(7, 1, "H1", wrong(None), NOW),
            f"from_timestamp=None {DATETIME}",
        ),
        (
            lambda: accounts.get_cash_flow(7, datetime(2026, 1, 1), NOW),  # noqa: DTZ001 - the case
            "from_timestamp: 2026-01-01T00:00:00 has no time zone; add one, ",
        ),
        (
            lambda: history.get_deals(7, to_timestamp=datetime.max.replace(tzinfo=UTC), now=NOW),
            "to_timestamp: 9999-12-31T23:59:59.999999+00:00 is outside what the server accepts: ",
        ),
        *(
            (
                lambda given=given: history.get_last_trendbars(7, 1, "H1", wrong(given), now=NOW),
                f"count={given!r} is no number of bars: give an int of 1 or more",
            )
            for given in ("5", 1.5, 5.0, Decimal("NaN"), None, True, 0, -1)
        ),
        *(
            (
                lambda given=given: history.get_deals(7, now=NOW, max_rows=wrong(given)),
                f"max_rows={given!r} is no number of rows: give an int from 1 to 2147483647",
            )
            for given in ("5", 1.5, Decimal("sNaN"), False, 0, 2**31)
        ),
        *(
            (
                lambda given=given: history.get_tick_data(7, 1, NOW, NOW, wrong(given)),
                f"quote_type={shown} is no QuoteType: give QuoteType.BID or QuoteType.ASK, or its "
                "name",
            )
            for given, shown in (
                ([], "[]"),
                (None, "None"),
                (1, "1"),
                (OrderSide.BUY, "<OrderSide.BUY: 1>"),
                (QuoteType(9), "<QuoteType.UNKNOWN_9: 9>"),
            )
        ),
        (
            lambda: history.get_tick_data(7, 1, NOW, NOW, "middle"),
            "'middle' is not a QuoteType; use one of BID, ASK",
        ),
        *(
            (
                lambda given=given: symbols.get_by_name(7, wrong(given)),
                f"name={given!r} is no name: give ",
            )
            for given in (5, None, b"EURUSD", ["EURUSD"])
        ),
        (
            lambda: symbols.get_by_name(7, wrong(41)),
            "name=41 is no name: give it as a str; client.symbols.get_by_id() takes an id",
        ),
        (lambda: symbols.search(7, wrong(5)), "query=5 is no text: give a str"),
        # A token in another's place is never shown.
        (
            lambda: accounts.resolve_account_id(wrong(17), wrong(TOKEN)),
            f"access_token of type int {AS_STR}; a login goes into trader_login",
        ),
        (
            lambda: auth.authenticate_by_trader_login(wrong(TOKEN), wrong(17), "b", 1.0),
            f"trader_login of type str {LOGIN}",
        ),
        (lambda: accounts.resolve_account_id("a", wrong("17")), f"trader_login='17' {LOGIN}"),
        *(
            (
                lambda given=given: accounts.resolve_account_id("a", wrong(given)),
                f"trader_login={given!r} {LOGIN}",
            )
            for given in (None, 0, -1, True, 2**63, Decimal("sNaN"))
        ),
        (lambda: accounts.list_by_token(wrong(None)), f"access_token of type NoneType {AS_STR}"),
        (lambda: accounts.get_profile(wrong(b"tok-")), f"access_token of type bytes {AS_STR}"),
        (lambda: accounts.get_profile(""), "access_token is no token: it is empty"),
        (
            lambda: accounts.get_profile(f"{TOKEN}\n"),
            "access_token is no token: it holds white space or control characters; copy it again",
        ),
        (
            lambda: accounts.get_profile("\ud800"),
            "access_token is no token: it holds white space or control characters; copy it again",
        ),
        (
            lambda: auth.authenticate_by_trader_login(17, "a", wrong(["tok-"]), 1.0),
            f"refresh_token of type list {AS_STR}",
        ),
        *(
            (
                lambda ask=ask, given=given: ask(wrong(given)),
                f"credentials of type {type(given).__name__} is no AccountCredentials: give "
                "AccountCredentials(account_id=..., access_token=..., refresh_token=..., "
                "expires_at=...)",
            )
            for given in (None, "tok-", 7, {"access_token": "tok-"})
            for ask in (
                auth.authenticate_account,
                auth.refresh_tokens,
            )
        ),
    ],
)
def test_wrong_argument_is_refused_by_name_and_no_token_is_shown(
    call: Callable[[], Any], text: str
) -> None:
    with pytest.raises(ValueError, match=" ") as caught:
        next(call())
    assert str(caught.value).startswith(text)
    assert "tok-" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: trading.place_order(7, wrong(None)),
            "request=None is no NewOrderRequest: make one, NewOrderRequest(...).",
        ),
        (
            lambda: trading.place_order(7, request=wrong({"symbol_id": 1, "volume": 100_000})),
            "request of type dict is no NewOrderRequest: make one, NewOrderRequest(**request).",
        ),
        (
            lambda: trading.close_position(7, wrong(NewOrderRequest)),
            "request of type ModelMetaclass is no ClosePositionRequest: make one, "
            "ClosePositionRequest(...).",
        ),
        (
            lambda: trading.amend_order(7, wrong(5)),
            "request=5 is no AmendOrderRequest: make one, AmendOrderRequest(...).",
        ),
        (
            lambda: trading.amend_position(7, wrong(AmendOrderRequest(order_id=1, volume=100_000))),
            "request of type AmendOrderRequest is no AmendPositionRequest: make one, "
            "AmendPositionRequest(...).",
        ),
    ],
)
def test_trading_request_of_another_type_is_refused_as_such(
    call: Callable[[], Any], text: str
) -> None:
    with pytest.raises(OrderInvalidError) as caught:
        call()
    assert str(caught.value) == text
    assert caught.value.field == "request"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("5", "='5'"),
        ([], "=[]"),
        (True, "=True"),
        (math.nan, "=nan"),
        (math.inf, "=inf"),
        (Decimal("sNaN"), "=Decimal('sNaN')"),
        (10**400, " of type int"),
        (Several(), "=array([1, 2])"),
    ],
)
def test_timeout_that_is_no_time_is_refused(given: Any, shown: str) -> None:
    with pytest.raises(ValueError, match="timeout") as caught:
        seconds_of(given)
    assert str(caught.value) == (
        f"timeout{shown} is no time: give seconds as a finite number, such as 5.0, or None"
    )


def test_times_of_other_kinds_of_numbers_are_taken() -> None:
    assert [seconds_of(given) for given in (5, 0.5, Decimal("0.5"), -1)] == [5.0, 0.5, 0.5, -1.0]
    assert seconds_of(math.inf, may_be_endless=True) == math.inf
    for given in (-math.inf, math.nan):
        with pytest.raises(ValueError, match=f"^timeout={given} is no time"):
            seconds_of(given, may_be_endless=True)


def test_id_by_itself_is_checked_alike() -> None:
    assert account_id_of(wrong(Index())) == 5
    several: tuple[object, ...] = ([], Several())
    for given in several:
        with pytest.raises(ValueError, match="account_id") as caught:
            account_id_of(wrong(given))
        assert str(caught.value) == f"account_id={given} is no id: give the number as an int"


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


def test_function_without_anything_to_check_is_refused() -> None:
    with pytest.raises(AssertionError):
        checks_arguments(lambda account: account)


@pytest.mark.parametrize(
    ("convert", "text"),
    [
        (lambda: lots_to_volume(wrong("0.01"), 10_000_000), "lots must be a number .*, not '0.01'"),
        (lambda: units_to_volume(wrong(None)), "units must be a number .*, not None"),
        (lambda: lots_to_volume(True, 10_000_000), "lots must be a number .*, not True"),
    ],
)
def test_volume_of_another_type_is_refused(convert: Callable[[], int], text: str) -> None:
    with pytest.raises(OrderInvalidError, match=text):
        convert()
    assert lots_to_volume(Decimal("0.01"), 10_000_000) == 100_000
