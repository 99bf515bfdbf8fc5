"""Nothing on the wire is out of reach: every message and field of the schema has a typed home.

The walk follows `protos/schema.json`: a message or field that is new there and has no row in the
tables fails, and so does a row whose method, class or attribute is gone or holds another value.
Methods are called on both packages, over a real session.
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
from ctrader.errors import APIError
from ctrader.events import EVENT_TYPE_BY_MESSAGE, UnknownMessageEvent
from ctrader.proto import ProtoHeartbeatEvent, ProtoMessage
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE, RESPONSE_BY_REQUEST
from ctrader.protocol.framing import encode_frame
from tests.coverage_of_schema.calls import (
    CALLS,
    CORE,
    ECHOES,
    EXEMPT,
    PAGED,
    RESULTS,
    Call,
    Result,
)
from tests.coverage_of_schema.filler import FILLINGS, clear, filled, minimal
from tests.coverage_of_schema.homes import EVENTS, MODELS, Home, Model, value_at
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

    found = value_at(reading_of(model, carrier), home.path)

    assert found == home.reading(getattr(message, wire), message)
    assert found is not None


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

    error = caught.value
    is_common = name == "ProtoErrorRes"
    found = {
        "errorCode": error.error_code,
        "description": error.description,
        "maintenanceEndTimestamp": error.maintenance_end,
        "ctidTraderAccountId": error.account_id,
        "retryAfter": error.retry_after,
    }
    end = answer.maintenanceEndTimestamp / (1000 if is_common else 1)
    for field in FIELDS[name]:
        expected = getattr(answer, field.name)
        if field.name == "maintenanceEndTimestamp":
            expected = datetime.fromtimestamp(end, UTC)
        assert found[field.name] == expected


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
        attribute = home.path.partition(".")[0]
        if issubclass(kind, BaseModel):
            assert attribute in kind.model_fields
        else:
            assert hasattr(kind, attribute)


def test_payload_types_are_constants_of_their_messages() -> None:
    for name in PAYLOAD_MESSAGES:
        message: Any = message_type(name)()
        if name != "ProtoMessage":
            assert message.payloadType == PAYLOAD_TYPE_BY_MESSAGE[type(message)]
