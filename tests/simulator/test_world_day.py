"""A simulated day of trading on a network that breaks all the time."""

from __future__ import annotations

from random import Random

import pytest

from ctrader.config import ClientConfig
from ctrader.credentials import AccountCredentials
from ctrader.enums import OrderSide
from ctrader.errors import OrderNotSentError, OrderOutcomeUnknownError
from ctrader.events import DataGapEvent, DisconnectedEvent, ReadyEvent, SpotEvent
from ctrader.models import NewOrderRequest
from ctrader.operations import auth, market_data, trading
from ctrader.simulator import DEFAULT_APPLICATIONS, Exchange
from ctrader.simulator.world import World
from ctrader.units import SECOND

DAY = 24 * 3600
SYMBOLS = [1, 2, 4]


@pytest.mark.long
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", range(4))
def test_day_with_a_cut_every_ten_minutes_loses_and_doubles_no_order(seed: int) -> None:
    exchange = Exchange(seed=seed)
    client_id = DEFAULT_APPLICATIONS[0].client_id
    config = ClientConfig(client_id=client_id, client_secret=exchange.grants.secret_of(client_id))
    grant = exchange.grants.grants[0]
    world = World(exchange, config, seed=seed)
    world.listen(SpotEvent, DisconnectedEvent, ReadyEvent, DataGapEvent)
    world.connect()
    account = exchange.books[min(exchange.books)].spec.account_id
    credentials = AccountCredentials(
        account_id=account,
        access_token=grant.access_token,
        refresh_token=grant.refresh_token,
        expires_at=4e9,
    )
    world.run(auth.authenticate_account(credentials))
    world.run(market_data.subscribe_spots(account, SYMBOLS))

    rng = Random(seed)
    filled: set[str] = set()
    not_sent: set[str] = set()
    unknown: set[str] = set()
    cuts = 0
    number = 0
    while world.now < DAY * SECOND:
        number += 1
        client_order_id = f"day-{number}"
        order = NewOrderRequest(
            symbol_id=1,
            side=rng.choice(list(OrderSide)),
            volume=100_000,
            client_order_id=client_order_id,
        )
        task = world.start(trading.place_order(account, order), 20)
        if rng.random() < 0.5:
            # Somewhere between the request's way up and the fill's way down.
            world.run_for(rng.uniform(0, 0.09))
            world.cut()
            cuts += 1
        match world.finish(task).error:
            case None:
                filled.add(client_order_id)
            case OrderNotSentError():
                not_sent.add(client_order_id)
            case OrderOutcomeUnknownError():
                unknown.add(client_order_id)
            case error:
                raise error
        world.run_for(rng.uniform(60, 600))
        assert world.session.is_ready

    orders = exchange.books[account].orders.values()
    placed = [o.client_order_id for o in orders if (o.client_order_id or "").startswith("day-")]
    assert len(placed) == len(set(placed))
    assert filled <= set(placed)
    assert not_sent.isdisjoint(placed)
    assert set(placed) <= filled | unknown
    assert cuts > 50
    assert unknown
    gaps = [event for event in world.events if isinstance(event, DataGapEvent)]
    assert len(gaps) == cuts
    assert all(event.symbol_ids == tuple(SYMBOLS) for event in gaps)
    world.close()
    assert world.session.next_deadline() is None
