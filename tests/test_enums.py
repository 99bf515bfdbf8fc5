"""The enums: equal to the wire's, and honest about numbers that nobody knows."""

from __future__ import annotations

import copy
import json
import pickle
import re
from datetime import timedelta
from pathlib import Path

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader import enums
from ctrader.enums import AuthTrigger, OrderSide, OrderStatus, OrderType, TrendbarPeriod, WireEnum

SCHEMA = Path(__file__).parent.parent / "protos" / "schema.json"
NOT_FOR_USERS = {"ProtoPayloadType", "ProtoErrorCode", "ProtoOAPayloadType", "ProtoOAErrorCode"}
RENAMED = {"TradeSide": "OrderSide", "OrderTriggerMethod": "StopTriggerMethod"}
DROPPED_PREFIX = {"PositionStatus": "POSITION_STATUS_", "OrderStatus": "ORDER_STATUS_"}
RENAMED_MEMBERS = {("TradingMode", "CLOSE_ONLY_MODE"): "CLOSE_ONLY"}

WIRE_ENUMS: list[type[WireEnum]] = [
    value
    for name in enums.__all__
    if issubclass(value := getattr(enums, name), WireEnum) and value is not WireEnum
]


def _published() -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for file in json.loads(SCHEMA.read_text())["files"].values():
        published: dict[str, dict[str, int]] = file["enums"]
        for wire_name, members in published.items():
            if wire_name in NOT_FOR_USERS:
                continue
            short = wire_name.removeprefix("ProtoOA")
            name = RENAMED.get(short, short)
            prefix = DROPPED_PREFIX.get(name, "")
            found[name] = {
                RENAMED_MEMBERS.get((name, member), member.removeprefix(prefix)): number
                for member, number in members.items()
            }
    return found


def test_enums_are_those_of_the_schema():
    ours = {e.__name__: {name: m.value for name, m in e.__members__.items()} for e in WIRE_ENUMS}
    assert ours == _published()


def test_every_member_has_a_docstring():
    source = Path(enums.__file__).read_text(encoding="utf-8")
    members = re.findall(r'^    [A-Z]\w* = (?:\d+|"\w+")\n(.*)', source, re.M)
    assert len(members) == sum(map(len, WIRE_ENUMS)) + len(AuthTrigger)
    assert all(following.startswith('    """') for following in members)


@pytest.mark.parametrize("enum", WIRE_ENUMS)
@pytest.mark.parametrize("number", [99, -1, 2**31 - 1])
def test_unknown_number_is_an_explicit_unknown(enum, number):
    members = list(enum.__members__.values())

    unknown = enum(number)

    assert type(unknown) is enum
    assert unknown.name == f"UNKNOWN_{number}"
    assert unknown.value == unknown == number
    assert not unknown.is_known
    assert unknown not in members
    assert unknown is enum(number)
    assert hash(unknown) == hash(enum(number))
    assert repr(unknown) == f"<{enum.__name__}.UNKNOWN_{number}: {number}>"
    assert list(enum.__members__.values()) == members


@given(st.integers())
def test_no_number_becomes_a_member_that_it_is_not(number):
    side = OrderSide(number)
    assert side.value == number
    assert side.is_known == (number in (1, 2))
    assert (side is OrderSide.BUY) == (number == 1)


@pytest.mark.parametrize("number", [OrderType.LIMIT.value, 99])
def test_members_and_unknowns_travel(number):
    member = OrderType(number)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(member, protocol)) is member
    assert copy.copy(member) is member
    assert copy.deepcopy(member) is member


def test_many_invented_numbers_stay_equal_and_are_not_all_kept():
    first = OrderType(1_000_000)
    assert all(not OrderType(n).is_known for n in range(100, 5_000))
    assert OrderType(1_000_000) == first
    assert len({OrderType(1_000_000), first}) == 1
    assert 1_000_000 not in OrderType._value2member_map_


@pytest.mark.parametrize("value", ["MARKET", 1.5, None, b"1"])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(ValueError, match="is not a valid OrderType"):
        OrderType(value)


def test_members_read_as_names_and_count_as_numbers():
    assert str(OrderSide.BUY) == f"{OrderSide.BUY}" == "BUY"
    assert f"{OrderSide.SELL:03d}" == "002"
    assert json.dumps(OrderSide.SELL) == "2"
    assert str(OrderSide(9)) == "UNKNOWN_9"
    assert OrderSide.BUY.is_known


@pytest.mark.parametrize("value", ["h1", "H1", " H1 ", 9, TrendbarPeriod.H1])
def test_parse_finds_a_member(value):
    assert TrendbarPeriod.parse(value) is TrendbarPeriod.H1


@pytest.mark.parametrize("value", ["H2", "", 99, TrendbarPeriod(99), "UNKNOWN_99"])
def test_parse_invents_nothing(value):
    with pytest.raises(ValueError, match="use one of M1, M2"):
        TrendbarPeriod.parse(value)


def test_pydantic_keeps_unknowns_explicit():
    adapter = pydantic.TypeAdapter(OrderStatus)
    assert adapter.validate_python(1) is OrderStatus.ACCEPTED
    assert adapter.validate_python(OrderStatus(77)) is OrderStatus(77)
    assert adapter.validate_python(77) is OrderStatus(77)


def test_periods_know_their_length():
    assert TrendbarPeriod.M15.minutes == 15
    assert TrendbarPeriod.H4.duration == timedelta(hours=4)
    assert TrendbarPeriod.W1.duration == timedelta(weeks=1)
    assert TrendbarPeriod.MN1.minutes is None
    assert TrendbarPeriod.MN1.duration is None
    assert TrendbarPeriod(99).duration is None
    assert [p.name for p in TrendbarPeriod if p.minutes is None] == ["MN1"]


def test_auth_trigger_members():
    assert [t.name for t in AuthTrigger] == [
        "INITIAL",
        "RECONNECT",
        "TOKEN_REFRESH",
        "ACCOUNT_REAUTH",
    ]
