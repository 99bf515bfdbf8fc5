"""What is refused where it is given, because it would end the simulator later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfoNotFoundError

import pytest

from ctrader.errors import ConfigurationError
from ctrader.proto import (
    ProtoErrorRes,
    ProtoOAAccessRights,
    ProtoOAAsset,
    ProtoOAErrorRes,
    ProtoOASymbolByIdReq,
    ProtoOASymbolByIdRes,
    ProtoOASymbolChangedEvent,
    ProtoOATrader,
    ProtoOATraderReq,
    ProtoOATraderRes,
    ProtoOATraderUpdatedEvent,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.simulator.catalogue import DEFAULT_ACCOUNTS, DEFAULT_CATALOGUE, HolidaySpec
from ctrader.simulator.checked import check_integer, fault_of
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.scripting.script import Script
from ctrader.simulator.switches import Switches
from tests.simulator.peer import USD_ACCOUNT, Peer, log_in, scripted_exchange

TRADER: Final = ProtoOATraderReq(ctidTraderAccountId=USD_ACCOUNT)
ANY: Any = None


@pytest.fixture
def peer() -> Peer:
    return log_in(Peer(scripted_exchange()), USD_ACCOUNT)


IMPOSSIBLE: Final[dict[str, Callable[[Script], object]]] = {
    "retry_after": lambda script: script.next_request().refuse("X", retry_after=2**70),
    "code must": lambda script: script.next_request().refuse(ANY),
    "UTF-8": lambda script: script.next_request().refuse("X\ud800"),
    "description": lambda script: script.next_request().refuse("X", "\ud800"),
    "frame must": lambda script: script.next_request().refuse("X", frame="none"),  # type: ignore[arg-type]  # what is tested
    "a message or": lambda script: script.next_request().answer("text"),  # type: ignore[arg-type]  # what is tested
    "ProtoOAAsset is no": lambda script: script.next_request().answer(
        ProtoOAAsset(assetId=1, name="x")
    ),
    "not 'x'": lambda script: script.next_frame().replace("x"),  # type: ignore[arg-type]  # what is tested
    "ProtoOATrader is no": lambda script: script.next_frame().replace(ProtoOATrader()),
    "copies": lambda script: script.next_frame().duplicate(10**9),
    "1e.18": lambda script: script.begin_maintenance(1e18, frame="common"),
    "nan": lambda script: script.begin_maintenance(float("nan")),
    "'open_api' or": lambda script: script.begin_maintenance(1, frame="x"),  # type: ignore[arg-type]  # what is tested
    "a text, not 7": lambda script: script.begin_maintenance(1, code=7),  # type: ignore[arg-type]  # what is tested
    "77": lambda script: script.reject_next_order("X", deal_status=77),
    "a part": lambda script: script.fill_next_order(1.5),  # type: ignore[arg-type]  # what is tested
    "error must": lambda script: script.refuse_consent("\ud800"),
    "4711": lambda script: script.pick_accounts(4711),
    "note": lambda script: script.deposit(USD_ACCOUNT, Decimal(1), note="\ud800"),
    "reason": lambda script: script.disconnect_client("\ud800"),
    "that has a payload type": lambda script: script.inject(ProtoOATrader()),
    "payload_type": lambda script: script.inject_frame(2**40),
    "client_msg_id": lambda script: script.inject_frame(5, client_msg_id="\ud800"),
}


@pytest.mark.parametrize("told", IMPOSSIBLE)
def test_script_refuses_at_the_call_what_no_frame_can_hold(peer: Peer, told: str):
    with pytest.raises((ValueError, TypeError, KeyError), match=told):
        IMPOSSIBLE[told](peer.exchange.script)
    # Nothing of it is left to fail later.
    peer.ask(TRADER, ProtoOATraderRes)
    assert not peer.exchange.interference.concerns_frames


def test_scripted_answer_stays_what_it_was_when_it_was_given(peer: Peer):
    answer = ProtoOAVersionRes(version="7")
    peer.exchange.script.next_request(times=None).answer(answer)
    answer.version = "8"
    assert peer.ask(ProtoOAVersionReq(), ProtoOAVersionRes).version == "7"


@pytest.mark.parametrize(
    "terms",
    [
        {"min_volume": "x"},
        {"max_volume": 2**70},
        {"max_volume": 1},
        {"step_volume": 0},
        {"lot_size": -1},
        {"spread": -1},
        {"spread": 1.5},
        {"swap_type": 99},
        {"swap_long": float("nan")},
        {"price": Decimal(0)},
        {"leverage_id": 4711},
        {"min_commission_asset": "???"},
        {"schedule": ((5, 4, 3),)},
        {"schedule": ((-1, 5),)},
        {"schedule": [(0, 5)]},
        {"schedule_zone": "Mars/X", "schedule": ((0, 1000),)},
        {"holidays": (HolidaySpec(holiday_id=1, name="x", date=1, zone="Mars/X"),)},
        {"holidays": (HolidaySpec(holiday_id=1, name="\ud800", date=1),)},
        {"name": "\ud800"},
        {"enabled": 1},
        {"commission_rate": -1},
        {"min_commission": -1},
        {"rollover_commission": -1},
        {"rollover_commission": 250_000_000},  # two dollars and a half
        {"conversion_fee_rate": -1},
        {"guaranteed_charge": -1},
    ],
)
def test_terms_that_a_symbol_cannot_have_change_nothing(peer: Peer, terms: dict[str, object]):
    before = peer.exchange.symbols[1]
    with pytest.raises(
        ValueError, match=next(iter(terms)) + "|Mars|told to clients|min_volume|name"
    ):
        peer.exchange.script.change_symbol(1, **terms)
    assert peer.exchange.symbols[1] is before
    assert peer.messages(ProtoOASymbolChangedEvent) == []
    request = ProtoOASymbolByIdReq(ctidTraderAccountId=USD_ACCOUNT, symbolId=[1])
    peer.ask(request, ProtoOASymbolByIdRes)
    assert peer.exchange.is_open(before)


@pytest.mark.parametrize(
    "terms",
    [
        {"margin_call_levels": (1.0,)},
        {"margin_call_levels": (1.0, 1.0, -1.0)},
        {"leverage": 0},
        {"leverage": 2**40},
        {"access_rights": 9},
        {"stop_out_level": -1},
        {"swap_free": None},
    ],
)
def test_terms_that_an_account_cannot_have_change_nothing(peer: Peer, terms: dict[str, object]):
    before = peer.exchange.books[USD_ACCOUNT].spec
    with pytest.raises(ValueError, match=next(iter(terms)) + "|told to clients"):
        peer.exchange.script.change_account(USD_ACCOUNT, **terms)
    assert peer.exchange.books[USD_ACCOUNT].spec is before
    assert peer.messages(ProtoOATraderUpdatedEvent) == []
    peer.ask(TRADER, ProtoOATraderRes)


@pytest.mark.parametrize(
    "terms", [{"leverage": 0}, {"balance": Decimal("100.555")}, {"balance": Decimal(10) ** 18}]
)
def test_exchange_does_not_open_on_terms_that_an_account_cannot_have(terms: dict[str, Any]):
    spec = replace(DEFAULT_ACCOUNTS[0], **terms)
    with pytest.raises(ValueError):
        Exchange(accounts=[spec])


def test_negative_cost_is_refused_with_its_value_and_what_to_give_instead(peer: Peer):
    with pytest.raises(
        ValueError, match=r"commission_rate .* not -250\. .* give 250 .* 0 for none"
    ):
        peer.exchange.script.change_symbol(1, commission_rate=-250)
    symbols = tuple(replace(each, min_commission=-7) for each in DEFAULT_CATALOGUE.symbols)
    with pytest.raises(ValueError, match=r"min_commission .* not -7\. .* give 7 .* 0 for none"):
        Exchange(catalogue=replace(DEFAULT_CATALOGUE, symbols=symbols))
    peer.exchange.script.change_symbol(1, swap_long=-1.5, swap_short=1.5, commission_rate=0)


def test_exchange_does_not_open_on_terms_that_a_symbol_cannot_have():
    symbols = (replace(DEFAULT_CATALOGUE.symbols[0], step_volume=0), *DEFAULT_CATALOGUE.symbols[1:])
    with pytest.raises(ValueError, match="step_volume"):
        Exchange(catalogue=replace(DEFAULT_CATALOGUE, symbols=symbols))


def test_terms_that_are_possible_are_taken(peer: Peer):
    script = peer.exchange.script
    script.change_symbol(1, schedule=((0, 1000),), schedule_zone="UTC", max_volume=10**12)
    script.change_account(USD_ACCOUNT, margin_call_levels=(50.0, 0.0, 0.0))
    script.change_account(USD_ACCOUNT, access_rights=ProtoOAAccessRights.CLOSE_ONLY)
    assert len(peer.messages(ProtoOATraderUpdatedEvent)) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("heartbeat_interval", -1.0),
        ("heartbeat_interval", float("inf")),
        ("heartbeat_interval", 1e-9),
        ("idle_timeout", float("inf")),
        ("idle_timeout", float("nan")),
        ("idle_timeout", -1.0),
        ("dribble_bytes", -1),
        ("glue_interval", -1.0),
        ("max_frame_length", 0),
        ("rate_limit", -1),
        ("rate_limit", True),
        ("retry_after", 2**70),
        ("bars_page_size", 0),
        ("ticks_page_size", 0),
        ("token_life", 0),
        ("oauth_error_status", 99),
        ("swap_days_of_year", 0),
        ("fill_delay", 1e300),
        ("depth_first_id", 2**64),
        ("live_bar_close", "maybe"),
        ("v1_pnl_stream", 1),
        ("always_open", "yes"),
        ("rate_limit_code", ""),
        ("rate_limit_code", None),
        ("version", "\ud800"),
        ("historical_requests", {1}),
        ("historical_requests", frozenset({"x"})),
        ("renamed_error_codes", {"A": None}),
        ("renamed_error_codes", ["A"]),
        ("lists_window", "x"),
        ("rate_burst", 0),
        ("historical_rate_burst", 0),
        ("answer_spread", -1.0),
        ("money_rounding", "up"),
        ("position_lists_span", -1),
        ("rate_limit_text", ""),
        ("same_asset_chain_code", ""),
    ],
)
def test_switch_without_sense_is_refused_by_name_and_value(name: str, value: object):
    options: dict[str, Any] = {name: value}
    with pytest.raises(ConfigurationError, match=name) as told:
        Switches(**options)
    assert [each for each, _ in told.value.problems] == [name]
    assert "Leave it out" in str(told.value)


def test_heartbeats_can_be_switched_off():
    exchange = scripted_exchange(
        switches=Switches(heartbeat_interval=0, idle_timeout=0, rate_limit=0)
    )
    peer = log_in(Peer(exchange))
    assert peer.session.next_deadline() is None
    peer.run(1000)
    assert peer.received() == []


def test_values_are_looked_at_inside_of_what_holds_them():
    assert fault_of((1, "x"), tuple[int, str]) is None
    assert fault_of((1,), tuple[int, str]) == "a tuple of 2"
    assert fault_of(None, None) is None
    assert fault_of(1, None) == "None"
    with pytest.raises(ValueError, match="from 1 to 5, not True"):
        check_integer("it", True, 1, 5)


def test_unknown_zone_is_the_same_error_everywhere():
    assert issubclass(ZoneInfoNotFoundError, KeyError)  # what the check of terms relies on


def test_refusal_in_the_common_frame_and_with_a_time(peer: Peer):
    script = peer.exchange.script
    script.next_request().refuse("X", frame="common")
    assert peer.ask(TRADER, ProtoErrorRes).errorCode == "X"
    script.next_request().refuse("X", retry_after=2**62)
    assert peer.ask(TRADER, ProtoOAErrorRes).retryAfter == 2**62


@pytest.mark.parametrize("name", [each.name for each in fields(Switches)])
def test_every_switch_is_tried_somewhere(name: str):
    """A switch that no test sets may do nothing, or something else than it says."""
    folder = Path(__file__).parents[1]
    texts = (each.read_text(encoding="utf-8") for each in folder.rglob("test_*.py"))
    # Set as an argument, or named in a table of settings; the default is the other setting.
    assert any(f"{name}=" in text or f'"{name}":' in text for text in texts)
