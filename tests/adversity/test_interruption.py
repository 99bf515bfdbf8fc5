"""Ctrl-C in whoever waits for the blocking client, at every place where it may strike.

Each test does one operation again and again, and interrupts it at the first, the second, the
third place of the client's code, until it ends before it is interrupted.
"""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pytest

import ctrader_sync
from ctrader.enums import OrderSide
from ctrader.errors import ClientClosedError
from ctrader.events import SpotEvent
from ctrader.models import NewOrderRequest
from ctrader.proto import ProtoOANewOrderReq
from ctrader.protocol.effects import Phase
from ctrader.simulator import Simulator
from ctrader_sync.client import SyncCTraderClient
from tests.adversity.interrupting import Interruption, interrupt_at
from tests.adversity.steps import client_threads, open_sockets
from tests.clients.scenarios.stage import BOUND, STEP, impatient

pytestmark = pytest.mark.timeout(60)

HOME: Final = Path(ctrader_sync.__file__).parent
FILES: Final = frozenset(
    str(HOME / f"{name}.py") for name in ("client", "driver", "pump", "dispatcher", "streams")
)
"""The code in which callers' threads share something with others."""
MOST_PLACES: Final = 2_000
"""Places after which an operation is taken to go on for ever."""


@dataclass(slots=True)
class Trial:
    """One connected client, and one interruption of what it is doing."""

    client: SyncCTraderClient
    simulator: Simulator
    account_id: int
    number: int


Operation = Callable[[Trial], object]


def order(number: int) -> NewOrderRequest:
    return NewOrderRequest(
        symbol_id=1, side=OrderSide.BUY, volume=100_000, client_order_id=f"trial-{number}"
    )


def place(trial: Trial) -> object:
    return trial.client.trading.place_order(trial.account_id, order(trial.number))


def subscribe(trial: Trial) -> None:
    trial.client.market_data.subscribe_spots(trial.account_id, [1, 2])


def read(trial: Trial) -> object:
    return trial.client.accounts.get_trader(trial.account_id)


def next_event(trial: Trial) -> object:
    with trial.client.stream(SpotEvent) as quotes:
        trial.client.market_data.subscribe_spots(trial.account_id, [1])
        return quotes.get(BOUND)


def handle(trial: Trial) -> None:
    seen: list[SpotEvent] = []
    trial.client.register_handler(SpotEvent, seen.append)
    trial.client.off(SpotEvent, seen.append)


OPERATIONS: Final[dict[str, Operation]] = {
    "place": place,
    "subscribe": subscribe,
    "read": read,
    "next event": next_event,
    "handle": handle,
}
"""What a client that is connected can be asked, and be interrupted in."""


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Hold every test to the sockets and threads that it found."""
    before = open_sockets()
    yield
    gc.collect()
    assert not client_threads()
    assert open_sockets() == before


@pytest.fixture
def simulator(nothing_left: None) -> Iterator[Simulator]:
    """A simulator in plain text."""
    with Simulator(tls=False, record_frames=True) as running:
        yield running


def until(claim: Callable[[], object], what: str) -> None:
    """Wait for what other threads do in their own time, and announce to nobody."""
    for _ in range(int(BOUND / STEP)):
        if claim():
            return
        time.sleep(STEP)
    raise AssertionError(f"{what} did not come within {BOUND} s")


def trials(attempt: Callable[[int], Interruption]) -> int:
    """Interrupt an attempt at one place after another; return how many it had."""
    for at in range(1, MOST_PLACES):
        outcome = attempt(at)
        if not outcome.is_struck:
            return at
    raise AssertionError(f"it had not ended after {MOST_PLACES} places")


def leftovers(client: SyncCTraderClient) -> list[str]:
    """Tell what a client still keeps of the calls that were made of it."""
    driver = client._driver
    pump = driver._pump
    left: list[str] = []
    for name, lock in (("lock", driver._lock), ("gate", pump._gate)):
        if lock.acquire(timeout=BOUND):
            lock.release()
        else:
            left.append(f"the {name} is held")
    if left:
        return left
    left += [f"errand {each.call_id}" for each in list(pump._errands)]
    left += [f"call {call_id}" for call_id in list(pump._calls)]
    with driver._lock:
        pending = pump.session._pending.all()
    own = [each for each in pending if each.answered is None and each.resume is None]
    return left + [f"command {each.name}" for each in own]


@pytest.mark.parametrize("name", OPERATIONS)
def test_interrupted_call_leaves_nothing_and_the_client_works(name: str, simulator: Simulator):
    run_operation(OPERATIONS[name], simulator)


def run_operation(operation: Operation, simulator: Simulator) -> None:
    credentials = simulator.credentials()
    account_id = credentials.account_id

    def attempt(at: int) -> Interruption:
        with SyncCTraderClient(impatient(simulator)) as client:
            client.auth.authenticate_account(credentials)
            trial = Trial(client, simulator, account_id, at)
            outcome = interrupt_at(at, partial(operation, trial), FILES)
            until(lambda: leftovers(client) == [], "the end of the call")
            # The server takes requests in their order: what this one finds is what became of it.
            client.accounts.get_trader(account_id)
            assert_placed_once_at_most(trial)
            assert client.is_ready
        assert leftovers(client) == []
        assert not client_threads()
        until(lambda: simulator.connections == 0, "the end of the connection")
        return outcome

    assert trials(attempt) > 10


def assert_placed_once_at_most(trial: Trial) -> None:
    wanted = order(trial.number).client_order_id
    with trial.simulator.locked() as exchange:
        orders = exchange.books[trial.account_id].orders.values()
        held = sum(each.client_order_id == wanted for each in orders)
    requests = trial.simulator.sent_by_client(ProtoOANewOrderReq)
    assert held == sum(each.clientOrderId == wanted for each in requests)
    assert held <= 1


# Ctrl-C between the making of a socket and the noting of it: its last reference closes it, which is
# a warning. That it is closed is checked.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_interrupted_connect_leaves_nothing_and_may_be_repeated(simulator: Simulator):
    run_connect(simulator)


def run_connect(simulator: Simulator) -> None:
    def attempt(at: int) -> Interruption:
        client = SyncCTraderClient(impatient(simulator))
        outcome = interrupt_at(at, client.connect, FILES)
        if outcome.is_interrupted:
            until(lambda: leftovers(client) == [], "the end of the call")
            until(lambda: not client_threads(), "the end of the threads")
            assert client._driver._pump.session.phase is Phase.IDLE
            assert not client.is_connected
            until(lambda: simulator.connections == 0, "the end of the connection")
            client.connect()
        assert client.is_connected
        client.auth.authenticate_app()
        client.close()
        assert leftovers(client) == []
        assert not client_threads()
        until(lambda: simulator.connections == 0, "the end of the connection")
        return outcome

    assert trials(attempt) > 10


@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
def test_interrupted_close_can_be_repeated(is_busy: bool, simulator: Simulator):
    run_close(simulator, is_busy=is_busy)


def run_close(simulator: Simulator, *, is_busy: bool) -> None:
    """Interrupt close(); a busy client has a handler that dawdles."""
    credentials = simulator.credentials()

    def attempt(at: int) -> Interruption:
        client = SyncCTraderClient(impatient(simulator))
        client.connect()
        client.auth.authenticate_account(credentials)
        with ExitStack() as stack:
            if is_busy:
                stack.callback(keep_a_handler_busy(client, credentials.account_id).set)
            outcome = interrupt_at(at, client.close, FILES)
        client.close()
        assert leftovers(client) == []
        assert not client_threads()
        assert not client.is_connected
        with pytest.raises(ClientClosedError):
            client.auth.authenticate_app()
        until(lambda: simulator.connections == 0, "the end of the connection")
        return outcome

    assert trials(attempt) > 10


def keep_a_handler_busy(client: SyncCTraderClient, account_id: int) -> threading.Event:
    """Have a handler wait; what is returned ends its wait."""
    begun, over = threading.Event(), threading.Event()

    def wait(_: SpotEvent) -> None:
        begun.set()
        over.wait(DAWDLE)

    client.register_handler(SpotEvent, wait)
    client.market_data.subscribe_spots(account_id, [1])
    assert begun.wait(BOUND)
    return over


DAWDLE: Final = 0.05
"""Seconds that close() has to wait for a busy client's handler."""


@pytest.mark.torture
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.parametrize("name", ["connect", *OPERATIONS, "idle close", "busy close"])
def test_interrupted_at_every_single_place_leaves_nothing(name: str, simulator: Simulator):
    for _ in range(5):
        if name == "connect":
            run_connect(simulator)
        elif name in OPERATIONS:
            with Simulator(tls=False, record_frames=True) as fresh:
                run_operation(OPERATIONS[name], fresh)
        else:
            run_close(simulator, is_busy=name == "busy close")
