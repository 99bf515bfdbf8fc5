"""The scenarios together send every request and receive every event that the schema has."""

from __future__ import annotations

import importlib
import inspect

import pytest

from ctrader import proto
from ctrader.events import EVENT_TYPE_BY_MESSAGE
from tests.clients.scenarios.exercised import EXERCISED
from tests.coverage_of_schema.schema import PAYLOAD_MESSAGES

REQUESTS = [name for name in PAYLOAD_MESSAGES if name.endswith("Req")]
EVENTS = [
    name for name in PAYLOAD_MESSAGES if name.endswith("Event") and name.startswith("ProtoOA")
]
ROWS = {kind.__name__ for row in EXERCISED.values() for kind in row}


def test_schema_has_all_requests_and_events():
    assert (len(REQUESTS), len(EVENTS)) == (42, 14)
    assert {kind.__name__ for kind in EVENT_TYPE_BY_MESSAGE} == set(EVENTS)


@pytest.mark.parametrize("name", [*REQUESTS, *EVENTS])
def test_message_is_exercised_by_a_scenario(name: str):
    assert getattr(proto, name)
    assert name in ROWS, f"no scenario has {name} on the wire; see exercised.py"


@pytest.mark.parametrize("scenario", sorted(EXERCISED))
def test_row_belongs_to_a_scenario_for_both_clients(scenario: str):
    module, _, name = scenario.partition(".")
    found = getattr(importlib.import_module(f"tests.clients.scenarios.{module}"), name)
    assert inspect.iscoroutinefunction(found)
    # `stage` is what makes it play on asyncio, trio and the blocking client.
    assert "stage" in inspect.signature(found).parameters
