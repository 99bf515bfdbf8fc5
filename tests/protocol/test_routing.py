"""Each event reaches those who asked for it, and nobody else."""

from __future__ import annotations

import pytest

from ctrader.enums import ExecutionType
from ctrader.events import ConnectedEvent, DepthEvent, Event, ExecutionEvent, SpotEvent
from ctrader.proto import ProtoOASpotEvent
from ctrader.protocol.mailbox import Mailbox
from ctrader.protocol.routing import Route, Router


def spot(symbol: int, account: int = 1) -> SpotEvent:
    return SpotEvent(account, symbol, 10, None)


def test_event_reaches_every_consumer_of_its_type():
    router = Router()
    first, second, other = Mailbox("1"), Mailbox("2"), Mailbox("3")
    router.add(Route(SpotEvent, first))
    router.add(Route(SpotEvent, second))
    router.add(Route(DepthEvent, other))
    assert router.route([spot(1)]) == [first, second]
    assert first.take() == second.take() == [spot(1)]
    assert len(other) == 0


def test_only_consumers_that_were_idle_are_woken():
    router = Router()
    box = Mailbox("1")
    router.add(Route(SpotEvent, box))
    assert router.route([spot(1), spot(2)]) == [box]
    assert router.route([spot(3)]) == []


def test_filters_by_symbol_and_account():
    router = Router()
    symbol, account, both = Mailbox("s"), Mailbox("a"), Mailbox("b")
    router.add(Route(SpotEvent, symbol, symbol_id=1))
    router.add(Route(SpotEvent, account, account_id=2))
    router.add(Route(SpotEvent, both, account_id=2, symbol_id=1))
    router.route([spot(1, 1), spot(1, 2), spot(2, 2)])
    assert symbol.take() == [spot(1, 1), spot(1, 2)]
    assert account.take() == [spot(1, 2), spot(2, 2)]
    assert both.take() == [spot(1, 2)]


def test_property_of_an_event_may_be_a_filter():
    router = Router()
    box = Mailbox("1")
    router.add(Route(ExecutionEvent, box, symbol_id=5))
    router.route([ExecutionEvent(1, ExecutionType.SWAP)])
    assert len(box) == 0


@pytest.mark.parametrize("field", ["account_id", "symbol_id"])
@pytest.mark.parametrize("event_type", [ConnectedEvent, ProtoOASpotEvent])
def test_filter_that_the_event_does_not_have_is_refused(event_type, field):
    with pytest.raises(ValueError, match=f"{event_type.__name__} has no {field}"):
        Router().add(Route(event_type, Mailbox("1"), **{field: 1}))


def test_removed_consumer_gets_nothing():
    router = Router()
    route = Route(SpotEvent, Mailbox("1"))
    twin = Route(SpotEvent, route.mailbox)
    router.add(route)
    assert not router.remove(twin)
    assert router.remove(route)
    assert not router.remove(route)
    assert router.route([spot(1)]) == []
    assert router.routes() == []


def test_removing_one_of_two_leaves_the_other():
    router = Router()
    gone, stays = Route(SpotEvent, Mailbox("1")), Route(SpotEvent, Mailbox("2"))
    router.add(gone)
    router.add(stays)
    router.remove(gone)
    assert router.routes() == [stays]


def test_nobody_wants_anything_at_first():
    assert Router().wanted() == (frozenset(), frozenset())


def test_wanted_symbols_are_those_of_all_consumers():
    router = Router()
    router.add(Route(SpotEvent, Mailbox("1"), symbol_id=1))
    router.add(Route(SpotEvent, Mailbox("2"), symbol_id=2))
    router.add(Route(ExecutionEvent, Mailbox("3")))
    assert router.wanted() == (frozenset({SpotEvent, ExecutionEvent}), frozenset({1, 2}))


def test_one_consumer_of_all_symbols_wants_all():
    router = Router()
    router.add(Route(SpotEvent, Mailbox("1"), symbol_id=1))
    router.add(Route(SpotEvent, Mailbox("2"), account_id=7))
    assert router.wanted() == (frozenset({SpotEvent}), None)


@pytest.mark.parametrize("kind", [Event, int, "SpotEvent", None, object()])
def test_what_is_no_type_of_event_is_refused(kind):
    with pytest.raises(ValueError, match="no type of event"):
        Router().add(Route(kind, Mailbox("x")))


@pytest.mark.parametrize("symbol_id", ["1", 1.0, True, SpotEvent])
def test_filter_that_is_no_id_is_refused(symbol_id):
    with pytest.raises(ValueError, match="no id"):
        Router().add(Route(SpotEvent, Mailbox("x"), symbol_id=symbol_id))
