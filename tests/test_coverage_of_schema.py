"""Nothing on the wire is out of reach: every message and field of the schema has a typed home.

The walk follows `protos/schema.json`: a message or field that is new there and has no row in the
tables fails, and so does a row whose method, class or attribute is gone or holds another value.
Methods are called on both packages, over a real session. What is no field's only home, such as a
property that is computed, is held by a list of every public name, `coverage_of_schema/surface.txt`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.message import Message
from pydantic import BaseModel

import ctrader
import ctrader.proto
import ctrader_sync
from ctrader.enums import AuthTrigger, OrderSide, OrderType, QuoteType
from ctrader.errors import (
    APIError,
    CTraderConnectionClosedError,
    OrderInvalidError,
    OrderRejectedError,
    ProtocolError,
)
from ctrader.events import (
    EVENT_TYPE_BY_MESSAGE,
    DepthEvent,
    DisconnectedEvent,
    MarginChangeEvent,
    ReadyEvent,
    ServerErrorEvent,
    SpotEvent,
    UndecodableMessageEvent,
    UnknownMessageEvent,
    merge_spots,
)
from ctrader.models import (
    Bars,
    ClosePositionRequest,
    DepthQuote,
    NewOrderRequest,
    Symbol,
    TickData,
    Ticks,
    Trendbar,
    bars_from_proto,
    ticks_from_proto,
)
from ctrader.proto import (
    ProtoHeartbeatEvent,
    ProtoMessage,
    ProtoOAClientDisconnectEvent,
    ProtoOADealListRes,
    ProtoOADepthEvent,
    ProtoOADepthQuote,
    ProtoOAExecutionEvent,
    ProtoOAGetTickDataRes,
    ProtoOAGetTrendbarsRes,
    ProtoOAMarginChangedEvent,
    ProtoOANewOrderReq,
    ProtoOAOrderErrorEvent,
    ProtoOASpotEvent,
    ProtoOASymbol,
    ProtoOASymbolByIdRes,
    ProtoOATraderRes,
    ProtoOATraderUpdatedEvent,
    ProtoOATrendbar,
)
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE, RESPONSE_BY_REQUEST
from ctrader.protocol.framing import encode_frame
from tests.coverage_of_schema import surface
from tests.coverage_of_schema.calls import (
    CALLS,
    CORE,
    CREDENTIALS,
    ECHOES,
    EXEMPT,
    PAGED,
    RESULTS,
    WIDE,
    Call,
    Result,
)
from tests.coverage_of_schema.filler import FILLINGS, clear, filled, minimal
from tests.coverage_of_schema.homes import EVENTS, MODELS, Home, Model, amount, value_at
from tests.coverage_of_schema.schema import FIELDS, PAYLOAD_MESSAGES, Field
from tests.coverage_of_schema.wire import PACKAGES, Stage, stage
from tests.protocol.peer import ACCOUNT, Peer

REQUESTS = tuple(name for name in PAYLOAD_MESSAGES if name.endswith("Req"))
REPLIES = {answer.__name__: request.__name__ for request, answer in RESPONSE_BY_REQUEST.items()}
MODEL_MESSAGES = tuple(name for name in FIELDS if name not in PAYLOAD_MESSAGES)


def message_type(name: str) -> type[Message]:
    kind: type[Message] = getattr(ctrader.proto, name)
    return kind


# Every field of the schema has a row


def leaves(name: str, fields: dict[str, tuple[Field, ...]], prefix: str = "") -> Iterator[str]:
    """List a request's fields, those of its parts as `marginCall.marginCallType`."""
    for field in fields[name]:
        if field.kind == "message":
            yield from leaves(field.type, fields, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}"


def homeless(fields: dict[str, tuple[Field, ...]]) -> list[str]:
    """Name the messages and fields that no table has a row for."""
    missing: list[str] = []
    for name in fields:
        if name in CORE:
            continue
        rows: set[str]
        wanted: Iterable[str] = (field.name for field in fields[name])
        if name in CALLS:
            rows = {wire for call in CALLS[name] for wire in call.sends}
            wanted = leaves(name, fields)
        elif name in REPLIES:
            rows = {wire for result in RESULTS.get(name, ()) for wire in result.fields}
            rows |= {"hasMore"} if name in PAGED else set()
            rows |= {
                echo.rpartition(".")[2] for echo in ECHOES if echo.rpartition(".")[0] in ("", name)
            }
        elif name in EVENTS:
            rows = set(EVENTS[name].fields)
        elif MODELS.get(name):
            rows = set.intersection(*(set(model.fields) for model in MODELS[name]))
        else:
            missing.append(name)
            continue
        missing += [
            f"{name}.{wire}"
            for wire in wanted
            if wire not in rows and f"{name}.{wire}" not in EXEMPT
        ]
    return missing


def test_every_message_and_field_of_the_schema_has_a_row() -> None:
    assert homeless(FIELDS) == []


def test_field_or_message_that_is_new_in_the_schema_is_found() -> None:
    new = Field("invented", "int64", "scalar", is_repeated=False, is_required=False)
    for name in ("ProtoOATraderReq", "ProtoOATraderRes", "ProtoOASpotEvent", "ProtoOADeal"):
        assert homeless({**FIELDS, name: (*FIELDS[name], new)}) == [f"{name}.invented"]
    assert homeless({**FIELDS, "ProtoOANewReq": ()}) == ["ProtoOANewReq"]


def test_tables_hold_nothing_that_the_schema_has_not() -> None:
    named = {*CALLS, *RESULTS, *EVENTS, *MODELS, *CORE, *PAGED}
    assert named <= set(FIELDS)
    for name, events in EVENTS.items():
        assert set(events.fields) <= {field.name for field in FIELDS[name]}
    for name, alternatives in MODELS.items():
        for model in alternatives:
            assert set(model.fields) <= {field.name for field in FIELDS[name]}
    for name, calls in CALLS.items():
        assert {wire for call in calls for wire in call.sends} <= set(leaves(name, FIELDS))


def test_numbers_are_those_of_the_protocol() -> None:
    assert len(REQUESTS) == len(CALLS) == 42
    assert set(REQUESTS) == set(CALLS)
    assert len(EVENTS) == 14
    assert {kind.__name__ for kind in EVENT_TYPE_BY_MESSAGE} == set(EVENTS)
    assert len(REPLIES) == 37
    assert set(MODEL_MESSAGES) == set(MODELS)


def test_every_exemption_is_of_a_field_that_exists_and_has_a_reason() -> None:
    for place, reason in EXEMPT.items():
        name, _, wire = place.partition(".")
        assert wire in {*leaves(name, FIELDS), *(field.name for field in FIELDS[name])}
        assert len(reason) > 40


# Requests


REQUEST_CALLS = [
    pytest.param(name, call, id=f"{name}-{call.namespace}.{call.method}-{number}")
    for name, calls in CALLS.items()
    for number, call in enumerate(calls)
]


def prepared(package: str, call: Call) -> Stage:
    desk = stage(package, call.settings)
    desk.script = {request: [answer] for request, answer in call.answers.items()}
    for namespace, method, arguments in call.before:
        desk.call(namespace, method, arguments)
    return desk


def sent_fields(message: Message, prefix: str = "") -> dict[str, Any]:
    """List what a message bears, the constant type apart."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name == "payloadType":
            continue
        if isinstance(value, Message):
            found |= sent_fields(value, f"{prefix}{field.name}.")
        else:
            is_plain = isinstance(value, int | float | str)
            found[f"{prefix}{field.name}"] = value if is_plain else list(value)
    return found


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize(("name", "call"), REQUEST_CALLS)
def test_method_sends_its_request_with_every_field(package: str, name: str, call: Call) -> None:
    desk = prepared(package, call)

    desk.call(call.namespace, call.method, call.arguments)

    # The application is authenticated before anybody asks, so all that was ever sent counts.
    sent = [each.message for each in desk.peer.history if type(each.message).__name__ == name]
    assert sent, f"{call.method} sent {[type(each).__name__ for each in desk.requests]}"
    assert dict(call.sends) in [sent_fields(message) for message in sent]


# Answers


RESULT_ROWS = [
    pytest.param(name, result, wire, id=f"{name}.{wire}")
    for name, results in RESULTS.items()
    for result in results
    for wire in result.fields
]


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("filling", FILLINGS)
@pytest.mark.parametrize(("name", "result", "wire"), RESULT_ROWS)
def test_field_of_an_answer_is_in_what_the_method_returns(
    package: str, name: str, result: Result, wire: str, filling: int
) -> None:
    request = REPLIES[name]
    call = CALLS[request][result.call]
    desk = prepared(package, call)
    answer = filled(message_type(name), filling)
    if result.prepare is not None:
        result.prepare(answer)
    desk.script[request] = [answer]

    returned = desk.call(
        call.namespace, call.method, {**call.arguments, **(result.arguments or {})}
    )

    found, expected = result.fields[wire](returned, answer)
    assert found == expected
    assert found not in ([], None)


@pytest.mark.parametrize("name", REPLIES)
def test_what_an_answer_repeats_was_a_parameter(name: str) -> None:
    for echo, wire in ECHOES.items():
        owner, _, repeated = echo.rpartition(".")
        if owner in ("", name) and repeated in {field.name for field in FIELDS[name]}:
            assert all(wire in call.sends for call in CALLS[REPLIES[name]])


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("name", PAGED)
def test_answer_that_says_that_more_follows_is_not_the_last_question(
    package: str, name: str
) -> None:
    request = REPLIES[name]
    call = CALLS[request][0]
    part, place = PAGED[name]
    asked: list[int] = []
    for has_more in (False, True):
        desk = prepared(package, call)
        page = minimal(message_type(name), ACCOUNT)
        row = minimal(type(getattr(page, part).add()), ACCOUNT)
        for field, value in {**place, "moneyDigits": 2, "low": 1}.items():
            if any(field == known.name for known in FIELDS[type(row).__name__]):
                setattr(row, field, value)
        getattr(page, part)[0].CopyFrom(row)
        last = type(page)()
        last.CopyFrom(page)
        page.hasMore, last.hasMore = has_more, False  # type: ignore[attr-defined]
        desk.script[request] = [page, last]
        desk.call(call.namespace, call.method, call.arguments)
        asked.append(sum(type(each).__name__ == request for each in desk.requests))
    assert asked[0] == 1 < asked[1]


@pytest.mark.parametrize("package", PACKAGES)
def test_last_bars_that_the_server_keeps_to_itself_are_not_taken_for_none(package: str) -> None:
    call = CALLS["ProtoOAGetTrendbarsReq"][1]
    assert call.method == "get_last_trendbars"
    desk = prepared(package, call)
    desk.script["ProtoOAGetTrendbarsReq"] = [
        ProtoOAGetTrendbarsRes(
            ctidTraderAccountId=ACCOUNT, symbolId=1, period="M1", timestamp=0, hasMore=True
        )
    ]

    with pytest.raises(ProtocolError, match="goes on"):
        desk.call(call.namespace, call.method, call.arguments)


@pytest.mark.parametrize("package", PACKAGES)
def test_trading_request_ends_where_it_was_told_to(package: str) -> None:
    desk = stage(package)
    order = NewOrderRequest(
        symbol_id=1, side=OrderSide.BUY, volume=1000, order_type=OrderType.MARKET
    )
    for method, request in (
        ("place_order", order),
        ("close_position", ClosePositionRequest(position_id=41, volume=1000)),
    ):
        arguments = {"account_id": ACCOUNT, "request": request}
        done = desk.call("TradingAPI", method, arguments)
        accepted = desk.call("TradingAPI", method, {**arguments, "until": "accepted"})
        assert (done.execution_type.name, accepted.execution_type.name) == (
            "ORDER_FILLED",
            "ORDER_ACCEPTED",
        )


@pytest.mark.parametrize("package", PACKAGES)
def test_rules_of_a_symbol_are_those_that_an_order_is_checked_against(package: str) -> None:
    symbol = ProtoOASymbol(
        symbolId=7,
        digits=3,
        pipPosition=2,
        lotSize=1000,
        minVolume=200,
        maxVolume=5000,
        stepVolume=100,
    )
    desk = stage(package)
    desk.script["ProtoOASymbolByIdReq"] = [
        ProtoOASymbolByIdRes(ctidTraderAccountId=ACCOUNT, symbol=[symbol])
    ]
    takes = "symbol 7, which takes 200 to 5000 .* steps of 100 .0.2 to 5 lots in steps of 0.1.; "
    for volume, price, remedy in (
        (100, 1.2, rf"{takes}use 200 .0.2 lots"),
        (6000, 1.2, rf"{takes}use 5000 .5 lots"),
        (250, 1.2, rf"{takes}use 200 .0.2 lots. or 300 .0.3 lots"),
        (300, 1.23456, "prices of symbol 7 have 3; use 1.234 or 1.235"),
    ):
        order = NewOrderRequest(
            symbol_id=7,
            side=OrderSide.BUY,
            volume=volume,
            order_type=OrderType.LIMIT,
            limit_price=price,
        )
        with pytest.raises(OrderInvalidError, match=remedy):
            desk.call("TradingAPI", "place_order", {"account_id": ACCOUNT, "request": order})
        with pytest.raises(OrderInvalidError, match=remedy):
            ctrader.check_order(order, Symbol.from_proto(symbol))
    assert not [each for each in desk.requests if isinstance(each, ProtoOANewOrderReq)]


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("without", ["position", "deal"])
def test_decimals_that_an_answer_leaves_out_are_asked_for(package: str, without: str) -> None:
    trader = filled(ProtoOATraderRes, 0)
    listed = filled(ProtoOADealListRes, 0)
    filled_order = filled(ProtoOAExecutionEvent, 0)
    filled_order.ctidTraderAccountId = trader.ctidTraderAccountId = ACCOUNT
    filled_order.executionType = ProtoOAExecutionEvent(executionType="ORDER_FILLED").executionType
    listed.hasMore = False
    for deal in listed.deal:
        clear(deal, "moneyDigits")
        clear(deal, "closePositionDetail.moneyDigits")
    clear(filled_order, f"{without}.moneyDigits")
    desk = stage(package)
    desk.script = {
        "ProtoOATraderReq": [trader],
        "ProtoOADealListReq": [listed],
        "ProtoOANewOrderReq": [filled_order],
    }

    deals = desk.call("TradingAPI", "get_deals", {"account_id": ACCOUNT, **WIDE})
    order = NewOrderRequest(
        symbol_id=1, side=OrderSide.BUY, volume=1000, order_type=OrderType.MARKET
    )
    event = desk.call("TradingAPI", "place_order", {"account_id": ACCOUNT, "request": order})

    digits = trader.trader.moneyDigits
    assert [deal.commission for deal in deals] == [
        amount(deal.commission, digits) for deal in listed.deal
    ]
    told = getattr(filled_order, without)
    assert getattr(event, without).commission == amount(told.commission, digits)


@pytest.mark.parametrize("package", PACKAGES)
def test_account_is_kept_with_the_credentials_that_were_given(package: str) -> None:
    desk = stage(package)
    other = CREDENTIALS.model_copy(update={"account_id": ACCOUNT + 1})

    # The second time nothing is sent, and the answer is the same.
    for _ in range(2):
        answer = desk.call("AuthManager", "authenticate_account", {"credentials": other})
        assert answer.ctidTraderAccountId == ACCOUNT + 1
    assert [type(each).__name__ for each in desk.requests].count("ProtoOAAccountAuthReq") == 1

    auth = desk.namespace("AuthManager")
    assert auth.is_app_authenticated
    assert auth.authenticated_accounts == auth.authorized_accounts == [ACCOUNT, ACCOUNT + 1]
    assert auth.is_account_authorized(ACCOUNT + 1)
    assert not auth.is_account_authorized(ACCOUNT + 2)
    assert auth.get_credentials(ACCOUNT + 1) == other
    assert auth.get_credentials(ACCOUNT + 2) is None
    assert (auth.remove_account(ACCOUNT + 1), auth.remove_account(ACCOUNT + 1)) == (True, False)


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize(
    ("flags", "trigger"),
    [
        ({}, AuthTrigger.INITIAL),
        ({"reauth": True}, AuthTrigger.ACCOUNT_REAUTH),
        ({"reconnect": True}, AuthTrigger.RECONNECT),
    ],
)
def test_event_of_an_account_that_is_ready_says_why_it_was_authenticated(
    package: str, flags: dict[str, bool], trigger: AuthTrigger
) -> None:
    desk = stage(package)
    other = CREDENTIALS.model_copy(update={"account_id": ACCOUNT + 1})

    desk.call("AuthManager", "authenticate_account", {"credentials": other, **flags})

    event = desk.peer.seen(ReadyEvent)[-1]
    assert (event.account_id, event.trigger) == (ACCOUNT + 1, trigger)


@pytest.mark.parametrize("package", PACKAGES)
def test_handler_of_messages_is_registered_until_it_is_removed(package: str) -> None:
    desk = stage(package)
    protocol = desk.namespace("Protocol")

    remove = protocol.on_event(ProtoOASpotEvent, print)
    assert desk.handlers == [(ProtoOASpotEvent, print)]
    remove()
    assert desk.handlers == []

    protocol.on_event(ProtoOASpotEvent, print)
    assert protocol.remove_handler(ProtoOASpotEvent, print)
    assert not protocol.remove_handler(ProtoOASpotEvent, print)


# Models


def reading_of(model: Model, message: Message) -> Any:
    if model.read is not None:
        return model.read(message)
    kind: Any = model.home
    return kind.from_proto(message)


def whole(model: Model, name: str, filling: int) -> tuple[Message, Message]:
    """Make what a model is read from, and the message in it that the row is about."""
    carrier = filled(model.carrier or message_type(name), filling)
    return carrier, getattr(carrier, model.part) if model.part else carrier


MODEL_ROWS = [
    pytest.param(name, model, wire, home, id=f"{name}.{wire}-{model.home.__name__}")
    for name, alternatives in MODELS.items()
    for model in alternatives
    for wire, home in model.fields.items()
]


@pytest.mark.parametrize("filling", FILLINGS)
@pytest.mark.parametrize(("name", "model", "wire", "home"), MODEL_ROWS)
def test_field_is_in_its_model(
    name: str, model: Model, wire: str, home: Home, filling: int
) -> None:
    carrier, message = whole(model, name, filling)
    for taken_out in home.without:
        clear(carrier, taken_out)

    for path in (home.path, *home.also):
        found = value_at(reading_of(model, carrier), path)
        assert found == home.reading(getattr(message, wire), message)
        assert found is not None


@pytest.mark.parametrize("filling", FILLINGS)
def test_columns_of_bars_and_ticks_have_every_field_of_them(filling: int) -> None:
    answer = filled(ProtoOAGetTrendbarsRes, filling)
    answer.trendbar[1].ClearField("deltaHigh")
    bars = bars_from_proto(answer)
    columns = Bars(bars[0].period, bars)
    assert [bar.repaired for bar in bars] == [False, True]
    assert list(columns) == bars
    assert columns[1:] == Bars(bars[0].period, bars[1:])
    for name in Trendbar.__struct_fields__:
        wanted = [getattr(bar, name) for bar in bars]
        column = getattr(columns, name)
        assert ([column] * 2 if name == "period" else list(column)) == wanted

    history = filled(ProtoOAGetTickDataRes, filling)
    history.tickData[1].timestamp = -20
    ticks = ticks_from_proto(history)
    series = Ticks(QuoteType.ASK, ticks)
    assert series.quote_type is QuoteType.ASK
    assert list(series) == ticks
    assert series[1:] == Ticks(QuoteType.ASK, ticks[1:])
    for name in TickData.__struct_fields__:
        assert list(getattr(series, name)) == [getattr(tick, name) for tick in ticks]


# Events


EVENT_ROWS = [
    pytest.param(name, wire, id=f"{name}.{wire}")
    for name, event in EVENTS.items()
    for wire in event.fields
]


@pytest.mark.parametrize("filling", FILLINGS)
@pytest.mark.parametrize(("name", "wire"), EVENT_ROWS)
def test_field_is_in_the_event_that_a_listener_gets(name: str, wire: str, filling: int) -> None:
    row = EVENTS[name]
    message = filled(message_type(name), filling)
    peer = Peer()
    peer.make_ready()
    peer.session.listen(frozenset({row.home}), None)

    peer.push(message)

    event: Any
    (event,) = peer.seen(row.home)
    home = row.fields[wire]
    found = value_at(event, home.path)
    assert found == home.reading(getattr(message, wire), message)
    assert found not in ((), None)


SPOT_PATHS = {
    # The frame of nearly every quote: no id, no bar, no close. It is recognised by five bytes.
    "usual": (("trendbar", "sessionClose"), None, frozenset({SpotEvent})),
    # The same with an id, or while somebody wants the message itself as well.
    "with-id": (("trendbar", "sessionClose"), "an-id", frozenset({SpotEvent})),
    "listened-to": (
        ("trendbar", "sessionClose"),
        None,
        frozenset({SpotEvent, ProtoOASpotEvent}),
    ),
    "with-bars": (("sessionClose",), None, frozenset({SpotEvent})),
    "with-close": (("trendbar",), None, frozenset({SpotEvent})),
}
"""The ways that quotes come: what is not in them, the frame's id, and who listens."""


def spots(path: str, *messages: ProtoOASpotEvent) -> list[SpotEvent]:
    """Send quotes to a client in one read and return the events."""
    absent, message_id, kinds = SPOT_PATHS[path]
    for message in messages:
        for field in absent:
            message.ClearField(field)
    peer = Peer()
    peer.make_ready()
    peer.session.listen(kinds, None)
    peer.push(*messages, message_id=message_id)
    return peer.seen(SpotEvent)


@pytest.mark.parametrize("path", SPOT_PATHS)
def test_quote_has_every_field_in_each_way_that_it_comes(path: str) -> None:
    messages = [filled(ProtoOASpotEvent, filling) for filling in FILLINGS]

    events = spots(path, *messages)

    for message, event in zip(messages, events, strict=True):
        for wire, home in EVENTS["ProtoOASpotEvent"].fields.items():
            found = value_at(event, home.path)
            if wire in SPOT_PATHS[path][0]:
                assert found in ((), None)
            else:
                assert found == home.reading(getattr(message, wire), message)
                assert found not in ((), None)


@pytest.mark.parametrize("path", SPOT_PATHS)
@pytest.mark.parametrize("wire", ["bid", "ask", "timestamp"])
def test_zero_in_a_quote_is_zero_and_what_is_absent_is_none(path: str, wire: str) -> None:
    home = EVENTS["ProtoOASpotEvent"].fields[wire]
    zero, absent = (filled(ProtoOASpotEvent, 0) for _ in range(2))
    setattr(zero, wire, 0)
    absent.ClearField(wire)

    told, untold = spots(path, zero, absent)

    assert value_at(told, home.path) == home.reading(0, zero)
    assert value_at(told, home.path) is not None
    assert value_at(untold, home.path) is None


@pytest.mark.parametrize("path", SPOT_PATHS)
def test_quote_of_one_side_has_the_other_as_last_seen(path: str) -> None:
    both, bid_only, ask_only = (filled(ProtoOASpotEvent, 0) for _ in range(3))
    bid_only.bid += 5
    bid_only.ClearField("ask")
    ask_only.ask += 7
    ask_only.ClearField("bid")

    quotes = [event.quote for event in spots(path, both, bid_only, ask_only)]

    asks = (both.ask, both.ask, ask_only.ask)
    for quote, bid, ask in zip(quotes, (both.bid, bid_only.bid, bid_only.bid), asks, strict=True):
        assert quote is not None
        assert (quote.bid, quote.ask) == (bid / 100_000, ask / 100_000)
        assert (quote.account_id, quote.symbol_id) == (both.ctidTraderAccountId, both.symbolId)
        assert quote.timestamp_ms == both.timestamp


def test_bar_that_makes_no_sense_takes_nothing_else_of_its_quote_away() -> None:
    message = filled(ProtoOASpotEvent, 0)
    message.trendbar[1].ClearField("low")
    peer = Peer()
    peer.make_ready()
    peer.session.listen(frozenset({SpotEvent}), None)

    peer.push(message)

    (event,) = peer.seen(SpotEvent)
    del message.trendbar[1]
    for wire, home in EVENTS["ProtoOASpotEvent"].fields.items():
        assert value_at(event, home.path) == home.reading(getattr(message, wire), message)
    assert len(event.trendbars) == len(peer.seen(UndecodableMessageEvent)) == 1


def test_quotes_that_are_merged_keep_the_newest_bar_of_every_period() -> None:
    older, newer = (filled(ProtoOASpotEvent, filling) for filling in FILLINGS)
    newer.symbolId, newer.ctidTraderAccountId = older.symbolId, older.ctidTraderAccountId
    for message, periods in ((older, ("M1", "M5")), (newer, ("M5", "H1"))):
        for bar, period in zip(message.trendbar, periods, strict=True):
            bar.period = ProtoOATrendbar(period=period).period
            bar.utcTimestampInMinutes = 600
    first, second = SpotEvent.from_proto(older), SpotEvent.from_proto(newer)

    merged = merge_spots(first, second)

    assert merged.trendbars == (first.trendbars[0], *second.trendbars)
    assert [bar.period.name for bar in merged.trendbars] == ["M1", "M5", "H1"]


def test_decimals_that_an_event_leaves_out_are_those_of_its_account() -> None:
    account = filled(ProtoOATraderUpdatedEvent, 0)
    account.ctidTraderAccountId = account.trader.ctidTraderAccountId = ACCOUNT
    event = filled(ProtoOAMarginChangedEvent, 0)
    event.ctidTraderAccountId = ACCOUNT
    event.ClearField("moneyDigits")
    peer = Peer()
    peer.make_ready()
    peer.session.listen(frozenset({MarginChangeEvent}), None)

    peer.push(account, event)

    (change,) = peer.seen(MarginChangeEvent)
    assert change.amount == amount(event.usedMargin, account.trader.moneyDigits)


@pytest.mark.parametrize("filling", FILLINGS)
@pytest.mark.parametrize(("side", "other"), [("bid", "ask"), ("ask", "bid")])
def test_entry_of_either_side_of_a_book_has_all_its_fields(
    side: str, other: str, filling: int
) -> None:
    message = filled(ProtoOADepthQuote, filling)
    clear(message, other)
    peer = Peer()
    peer.make_ready()
    peer.session.listen(frozenset({DepthEvent}), None)

    peer.push(ProtoOADepthEvent(ctidTraderAccountId=ACCOUNT, symbolId=1, newQuotes=[message]))

    (event,) = peer.seen(DepthEvent)
    price = getattr(message, side)
    assert event.new_quotes == (DepthQuote(message.id, price, message.size, side == "bid"),)
    (quote,) = event.new_quotes
    assert (quote.quote_id, quote.size) == (message.id, message.size)
    assert (quote.price, quote.is_bid) == (price / 100_000, side == "bid")


def test_reason_of_the_servers_farewell_is_why_the_link_ended() -> None:
    message = filled(ProtoOAClientDisconnectEvent, 0)
    peer = Peer()
    peer.make_ready()

    peer.push(message)

    (event,) = peer.seen(DisconnectedEvent)
    assert isinstance(event.cause, CTraderConnectionClosedError)
    assert event.cause.reason == message.reason


def test_message_that_cannot_be_read_is_an_event_with_everything() -> None:
    peer = Peer()
    peer.make_ready()
    envelope = ProtoMessage(payloadType=2131, payload=b"\x08\x01", clientMsgId="an-id")

    peer.receive(encode_frame(envelope.SerializeToString()))

    (event,) = peer.seen(UndecodableMessageEvent)
    assert (event.payload_type, event.payload, event.client_msg_id) == (2131, b"\x08\x01", "an-id")
    assert "symbolId" in event.problem


def test_message_of_a_type_that_nobody_knows_is_an_event_with_everything() -> None:
    peer = Peer()
    peer.make_ready()
    envelope = ProtoMessage(payloadType=2999, payload=b"\x08\x01", clientMsgId="an-id")

    peer.receive(encode_frame(envelope.SerializeToString()))

    (event,) = peer.seen(UnknownMessageEvent)
    assert (event.payload_type, event.payload, event.client_msg_id) == (2999, b"\x08\x01", "an-id")


# What is neither


def test_heartbeats_are_sent_and_taken_without_anybody_asking() -> None:
    peer = Peer()
    peer.make_ready()
    peer.clear()

    for _ in range(20):
        peer.advance(9)
        peer.push(ProtoHeartbeatEvent())

    assert len(peer.requests(ProtoHeartbeatEvent)) >= 15
    assert peer.is_connected()


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("name", ["ProtoErrorRes", "ProtoOAErrorRes"])
@pytest.mark.parametrize("filling", FILLINGS)
def test_every_field_of_an_error_answer_is_in_the_error(
    package: str, name: str, filling: int
) -> None:
    desk = stage(package)
    answer: Any = filled(message_type(name), filling)
    desk.script["ProtoOATraderReq"] = [answer]

    with pytest.raises(APIError) as caught:
        desk.call("AccountsAPI", "get_trader", {"account_id": ACCOUNT})

    assert_tells_all(caught.value, answer)


@pytest.mark.parametrize("name", ["ProtoErrorRes", "ProtoOAErrorRes"])
@pytest.mark.parametrize("filling", FILLINGS)
def test_every_field_of_an_error_that_answers_nothing_is_in_its_event(
    name: str, filling: int
) -> None:
    message: Any = filled(message_type(name), filling)
    peer = Peer()
    peer.make_ready()

    peer.push(message)

    (event,) = peer.seen(ServerErrorEvent)
    assert_tells_all(event.error, message)
    is_of_account = name == "ProtoOAErrorRes"
    assert event.account_id == (message.ctidTraderAccountId if is_of_account else None)


def assert_tells_all(error: APIError, message: Any) -> None:
    """Compare an error with the message that it was made of."""
    name = type(message).__name__
    found = {
        "errorCode": error.error_code,
        "description": error.description,
        "maintenanceEndTimestamp": error.maintenance_end,
        "ctidTraderAccountId": error.account_id,
        "retryAfter": error.retry_after,
    }
    end = message.maintenanceEndTimestamp / (1000 if name == "ProtoErrorRes" else 1)
    for field in FIELDS[name]:
        expected = getattr(message, field.name)
        if field.name == "maintenanceEndTimestamp":
            expected = datetime.fromtimestamp(end, UTC)
        assert found[field.name] == expected


@pytest.mark.parametrize("package", PACKAGES)
@pytest.mark.parametrize("filling", FILLINGS)
def test_every_field_of_an_event_that_refuses_an_order_is_in_the_error(
    package: str, filling: int
) -> None:
    refusal = filled(ProtoOAOrderErrorEvent, filling)
    rejection = filled(ProtoOAExecutionEvent, filling)
    for event in (refusal, rejection):
        event.ctidTraderAccountId = ACCOUNT
        # A code that is not known would not prove that nothing was executed.
        event.errorCode = ("NOT_ENOUGH_MONEY", "TRADING_BAD_VOLUME")[filling]
    clear(rejection, "order.executedVolume")  # what was filled in part was not refused
    rejection.executionType = ProtoOAExecutionEvent(executionType="ORDER_REJECTED").executionType
    call = CALLS["ProtoOANewOrderReq"][0]
    for answer, order_id, position_id, description in (
        (refusal, refusal.orderId, refusal.positionId, refusal.description),
        (rejection, rejection.order.orderId, rejection.position.positionId, None),
    ):
        desk = prepared(package, call)
        desk.script["ProtoOANewOrderReq"] = [answer]

        with pytest.raises(OrderRejectedError) as caught:
            desk.call(call.namespace, call.method, call.arguments)

        error = caught.value
        assert (error.error_code, error.description) == (answer.errorCode, description)
        assert (error.account_id, error.client_order_id) == (ACCOUNT, "an-id")
        assert (error.order_id, error.position_id) == (order_id, position_id)


# Both packages


HOMES = {row.home for row in EVENTS.values()} | {
    model.home for alternatives in MODELS.values() for model in alternatives
}


@pytest.mark.parametrize("name", sorted(home.__name__ for home in HOMES))
def test_home_is_exported_by_both_packages(name: str) -> None:
    assert getattr(ctrader, name) in HOMES
    assert getattr(ctrader_sync, name) is getattr(ctrader, name)


def test_every_attribute_that_is_named_is_declared_by_its_class() -> None:
    rows = [(row.home, home) for row in EVENTS.values() for home in row.fields.values()]
    for alternatives in MODELS.values():
        rows += [(model.home, home) for model in alternatives for home in model.fields.values()]
    for kind, home in rows:
        for path in (home.path, *home.also):
            attribute = path.partition(".")[0]
            if issubclass(kind, BaseModel):
                assert attribute in kind.model_fields
            else:
                assert hasattr(kind, attribute)


def test_every_public_name_is_there_and_none_besides() -> None:
    changes = surface.differences(surface.kept(), surface.present())
    assert not changes, changes


@pytest.mark.parametrize(
    ("owner", "name", "line"),
    [
        (ctrader.TradingAPI, "get_open_positions", "ctrader.TradingAPI.get_open_positions("),
        (ctrader_sync.SymbolsAPI, "search", "ctrader_sync.SymbolsAPI.search("),
        (ctrader.CTraderClient, "accounts", "ctrader.CTraderClient.accounts: property"),
        (ctrader.Symbol, "pip_size", "ctrader.Symbol.pip_size: property"),
    ],
)
def test_name_that_went_is_told_and_so_is_one_that_came(owner: type, name: str, line: str) -> None:
    with pytest.MonkeyPatch.context() as change:
        member = vars(owner)[name]
        change.delattr(owner, name)
        change.setattr(owner, "invented", member, raising=False)
        told = surface.differences(surface.kept(), surface.present())

    gone, new = (
        [each for each in told.splitlines() if each.startswith(kind)] for kind in ("gone", "new")
    )
    assert any(each.startswith(f"gone: {line}") for each in gone), told
    assert any(".invented" in each for each in new), told
    assert surface.RENEWAL in told


def test_list_of_names_is_sorted_and_names_each_once() -> None:
    lines = surface.kept()
    assert lines == sorted(set(lines))


def test_payload_types_are_constants_of_their_messages() -> None:
    for name in PAYLOAD_MESSAGES:
        message: Any = message_type(name)()
        if name != "ProtoMessage":
            assert message.payloadType == PAYLOAD_TYPE_BY_MESSAGE[type(message)]
