"""Cancelling whoever waits for a client, before every step that its loop takes.

Each test does one operation again and again, and cancels it before it begins, before the first,
the second, the third step of the loop, until it ends before it is cancelled. A row in `OPERATIONS`
is enough for a further one.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import pytest

from ctrader.client import CTraderClient
from ctrader.credentials import AccountCredentials
from ctrader.enums import OrderSide
from ctrader.errors import (
    ClientClosedError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    TokenRefreshError,
)
from ctrader.events import ExecutionEvent, SpotEvent
from ctrader.models import AmendOrderRequest, ClosePositionRequest, NewOrderRequest
from ctrader.proto import ProtoOANewOrderReq, ProtoOAOrderType, ProtoOATradeSide
from ctrader.protocol.commands import CallId, CancelResult
from ctrader.simulator import Simulator
from ctrader.streams import EventStream
from ctrader.tokens import FileTokenStore, MemoryTokenStore
from ctrader.tokens.record import fingerprint
from ctrader.units import Nanos
from tests.adversity.steps import (
    WAYS,
    Cut,
    Steps,
    client_threads,
    cut_at,
    leftovers,
    open_files,
    open_sockets,
    running_tasks,
    runs_asyncio,
)
from tests.adversity.test_ends import sent_orders
from tests.clients.scenarios.stage import BOUND, STEP, impatient

pytestmark = pytest.mark.timeout(60)

VOLUME: Final = 100_000  # 1,000 euros
POSITIONS: Final = 80
"""Positions that trials may close: more than a trading call takes steps."""
GRACE: Final = 0.04
"""Seconds that close() gives what is under way: short, as most trials of it use them up."""
FILE_WAYS: Final = (
    WAYS[0],
    *(pytest.param(way, marks=[pytest.mark.torture, pytest.mark.timeout(300)]) for way in WAYS[1:]),
)
"""With files each trial takes long: one way each time, all of them in the torture."""
MOST_STEPS: Final = 2_000
"""Steps after which an operation is taken to go on for ever."""


@dataclass(slots=True)
class Trial:
    """One connected client, and one cancellation of what it is doing."""

    client: CTraderClient
    simulator: Simulator
    account_id: int
    number: int
    """Before which step it is cancelled."""
    position_id: int
    """A position that no other trial touches."""

    @property
    def order_id(self) -> str:
        """The id of the order that this trial places."""
        return f"trial-{self.number}"


Operation = Callable[[Trial], Awaitable[object]]


def order(client_order_id: str, **terms: object) -> NewOrderRequest:
    return NewOrderRequest.model_validate(
        {
            "symbol_id": 1,
            "side": OrderSide.BUY,
            "volume": VOLUME,
            "client_order_id": client_order_id,
            **terms,
        }
    )


async def place(trial: Trial) -> object:
    return await trial.client.trading.place_order(trial.account_id, order(trial.order_id))


async def close_position(trial: Trial) -> object:
    return await trial.client.trading.close_position(
        trial.account_id, ClosePositionRequest(position_id=trial.position_id, volume=VOLUME)
    )


async def amend(trial: Trial) -> object:
    waiting = await trial.client.trading.get_pending_orders(trial.account_id)
    return await trial.client.trading.amend_order(
        trial.account_id,
        AmendOrderRequest(order_id=waiting[0].order_id, volume=(2 + trial.number % 50) * VOLUME),
    )


async def subscribe(trial: Trial) -> None:
    await trial.client.market_data.subscribe_spots(trial.account_id, [1, 2])


async def read(trial: Trial) -> object:
    return await trial.client.accounts.get_trader(trial.account_id)


async def authenticate(trial: Trial) -> object:
    return await trial.client.auth.authenticate_account(trial.simulator.credentials(1))


async def next_event(trial: Trial) -> object:
    async with trial.client.stream(SpotEvent) as quotes:
        await trial.client.market_data.subscribe_spots(trial.account_id, [1])
        return await quotes.get()


OPERATIONS: Final[dict[str, Operation]] = {
    "place": place,
    "close position": close_position,
    "amend": amend,
    "subscribe": subscribe,
    "read": read,
    "authenticate": authenticate,
    "next event": next_event,
}
"""What a client that is connected can be asked, and be cancelled in."""


@pytest.fixture(params=["asyncio", "trio"])
def loop(request: pytest.FixtureRequest) -> str:
    """The kind of event loop."""
    kind: str = request.param
    return kind


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Hold every test to the sockets and threads that it found."""
    before = open_sockets()
    yield
    gc.collect()  # a socket or coroutine that nobody ended is a warning, and warnings are errors
    assert not client_threads()
    assert open_sockets() == before


@pytest.fixture
def simulator(nothing_left: None) -> Iterator[Simulator]:
    """A simulator in plain text, with an order and many positions on the first account."""
    with Simulator(tls=False, record_frames=True) as running:
        yield running


def trials(loop: str, attempt: Callable[[Steps, int], Awaitable[Cut]]) -> int:
    """Cancel an attempt before one step after another; return how many it had."""
    for at in range(MOST_STEPS):

        async def main(at: int = at) -> bool:
            steps = Steps()
            steps.watch()
            with anyio.fail_after(BOUND):
                cut = await attempt(steps, at)
            assert running_tasks() == []
            return cut.is_struck

        if not anyio.run(main, backend=loop):
            return at - 1
    raise AssertionError(f"it had not ended after {MOST_STEPS} steps")


async def until(claim: Callable[[], object], what: str) -> None:
    """Wait for what the server's thread does in its own time, and announces to nobody."""
    for _ in range(int(BOUND / STEP)):
        if claim():
            return
        await anyio.sleep(STEP)
    raise AssertionError(f"{what} did not come within {BOUND} s")


def with_positions(simulator: Simulator) -> list[int]:
    """Give the first account a waiting order and a position for each trial."""
    terminal = simulator.terminal()
    for _ in range(POSITIONS):
        terminal.buy("EURUSD", VOLUME)
    terminal.request(
        ProtoOANewOrderReq(
            ctidTraderAccountId=simulator.credentials().account_id,
            symbolId=1,
            orderType=ProtoOAOrderType.LIMIT,
            tradeSide=ProtoOATradeSide.BUY,
            volume=VOLUME,
            limitPrice=0.5,
        )
    )
    anyio.run(until, lambda: len(terminal.positions) == POSITIONS, "the fills")
    return terminal.positions


def test_cancelled_connect_over_tls_leaves_nothing_and_may_be_repeated(loop: str):
    run_connect(loop, "native", tls=True)


@pytest.mark.parametrize("way", WAYS)
def test_cancelled_connect_leaves_nothing_and_may_be_repeated(loop: str, way: str):
    run_connect(loop, way, tls=False)


def run_connect(loop: str, way: str, *, tls: bool, again: int = 0) -> None:
    with Simulator(tls=tls) as simulator:
        config = impatient(simulator, reconnect_attempts=0)  # a lost link would be the end

        async def attempt(steps: Steps, at: int) -> Cut:
            client = CTraderClient(config)
            cut = await cut_at(steps, at, way, client.connect, again=again)
            if cut.is_cancelled:
                assert running_tasks() == []
                assert leftovers(client) == []
                assert not client.is_connected
                await until(lambda: simulator.connections == 0, "the end of the connection")
                await client.connect()
            assert client.is_connected
            await client.auth.authenticate_app()
            await client.close()
            assert leftovers(client) == []
            await until(lambda: simulator.connections == 0, "the end of the connection")
            return cut

        assert trials(loop, attempt) > 5


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("way", WAYS)
def test_cancelled_call_leaves_nothing_and_the_client_works(
    loop: str, way: str, name: str, simulator: Simulator
):
    run_operation(loop, way, name, simulator)


def run_operation(loop: str, way: str, name: str, simulator: Simulator, again: int = 0) -> None:
    credentials = simulator.credentials()
    account_id = credentials.account_id
    positions = with_positions(simulator)

    async def attempt(steps: Steps, at: int) -> Cut:
        client = CTraderClient(impatient(simulator))
        fates = watch_cancellations(client)
        async with client:
            await client.auth.authenticate_account(credentials)
            before = running_tasks()
            trial = Trial(client, simulator, account_id, at, positions[at % POSITIONS])
            cut = await cut_at(steps, at, way, partial(OPERATIONS[name], trial), again=again)
            assert leftovers(client) == []
            assert running_tasks() == before
            # The server takes requests in their order: what this one finds is what became of it.
            await client.accounts.get_trader(account_id)
            assert_placed_once_at_most(trial, fates)
            assert client.is_ready
        assert leftovers(client) == []
        await until(lambda: simulator.connections == 0, "the end of the connection")
        return cut

    assert 2 < trials(loop, attempt) < POSITIONS


@pytest.mark.parametrize("way", WAYS)
def test_cancelled_refresh_goes_on_and_loses_no_pair(loop: str, way: str, simulator: Simulator):
    async def attempt(steps: Steps, at: int) -> Cut:
        old = simulator.credentials()
        store = MemoryTokenStore()
        client = CTraderClient(impatient(simulator), token_store=store)
        async with client:
            await client.auth.authenticate_account(old)
            cut = await cut_at(steps, at, way, partial(client.auth.refresh, old))
            # Begun or not, whoever asks next is given the pair that the server takes.
            newest = await client.auth.refresh(old)
            assert newest.refresh_token == simulator.credentials().refresh_token
            key = store.find(client.config.client_id, fingerprint(newest.refresh_token))
            assert key is not None
            await until(lambda: client.is_account_authorized(old.account_id), "the next session")
            with store.lock(key):
                assert store.load(key) is not None
        assert leftovers(client) == []
        await until(lambda: simulator.connections == 0, "the end of the connection")
        return cut

    assert trials(loop, attempt) > 2


@pytest.mark.parametrize("way", FILE_WAYS)
@pytest.mark.parametrize("is_closed", [False, True], ids=["refresh", "close"])
def test_cancelled_refresh_and_close_let_go_of_the_token_file(
    loop: str, way: str, is_closed: bool, simulator: Simulator, tmp_path: Path
):
    """Cancel a refresh, or the close() of a client amid one, where the pair is kept in files."""
    stores = iter(range(MOST_STEPS))

    async def attempt(steps: Steps, at: int) -> Cut:
        folder = tmp_path / str(next(stores))
        old = simulator.credentials()
        client = CTraderClient(impatient(simulator), token_store=FileTokenStore(folder))
        await client.connect()
        await client.auth.authenticate_account(old)
        if is_closed:
            cut = await closed_amid_refresh(steps, at, way, client, old, folder)
        else:
            cut = await cut_at(steps, at, way, partial(client.auth.refresh, old))
            await client.close()
        assert leftovers(client) == []
        await until(lambda: simulator.connections == 0, "the end of the connection")
        await until(lambda: not open_files(folder), "the end of the lock")
        # Whoever comes next gets the lock, and finds the pair that the server takes. A thread that
        # was about to take it may have it for a moment.
        after = FileTokenStore(folder, lock_timeout=BOUND)
        newest = simulator.credentials()
        key = after.find(client.config.client_id, fingerprint(newest.refresh_token))
        if newest.refresh_token != old.refresh_token:
            assert key is not None
        if key is not None:
            with after.lock(key):
                assert after.load(key) is not None
        return cut

    assert trials(loop, attempt) > 2


async def closed_amid_refresh(
    steps: Steps, at: int, way: str, client: CTraderClient, old: AccountCredentials, folder: Path
) -> Cut:
    """Cancel a close() that begins while the lock of a token file is held."""
    async with anyio.create_task_group() as tasks:
        over = anyio.Event()
        tasks.start_soon(refresh_and_be_closed, client, old, over)
        # The lock is held for a round trip and two saves: many steps of a loop.
        while not (open_files(folder) or over.is_set()):
            await anyio.lowlevel.checkpoint()
        return await cut_at(steps, at, way, client.close)
    raise AssertionError("a group of tasks lets every error out")


async def refresh_and_be_closed(
    client: CTraderClient, old: AccountCredentials, over: anyio.Event
) -> None:
    with contextlib.suppress(ClientClosedError, TokenRefreshError):
        await client.auth.refresh(old)
    over.set()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
def test_cancelled_close_closes_nevertheless(
    loop: str, way: str, is_busy: bool, simulator: Simulator
):
    run_close(loop, way, simulator, is_busy=is_busy)


def run_close(loop: str, way: str, simulator: Simulator, *, is_busy: bool, again: int = 0) -> None:
    """Cancel close(); a busy client waits for an order's answer and for a slow handler."""
    credentials = simulator.credentials()
    account_id = credentials.account_id

    async def attempt(steps: Steps, at: int) -> Cut:
        client = CTraderClient(impatient(simulator))
        await client.connect()
        await client.auth.authenticate_account(credentials)
        trial = Trial(client, simulator, account_id, at, 0)
        cuts: list[Cut] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drain, client.stream(ExecutionEvent))
            if is_busy:
                client.register_handler(SpotEvent, dawdle)
                await client.market_data.subscribe_spots(account_id, [1])
                await client.symbols.get_by_id(account_id, 1)
                simulator.pause()
                tasks.start_soon(place_and_be_closed, trial)
                await until(lambda: sent_orders(client), "the order's sending")
            cuts.append(
                await cut_at(steps, at, way, partial(client.close, grace=GRACE), again=again)
            )
            assert running_tasks() == []
        simulator.resume()
        assert leftovers(client) == []
        assert not client.is_connected
        with pytest.raises(ClientClosedError):
            await client.auth.authenticate_app()
        await client.close()
        await until(lambda: simulator.connections == 0, "the end of the connection")
        return cuts.pop()

    assert trials(loop, attempt) > 2


async def drain(events: EventStream[ExecutionEvent]) -> None:
    async for _ in events:
        pass


async def dawdle(_: SpotEvent) -> None:
    await anyio.sleep(GRACE / 2)


async def place_and_be_closed(trial: Trial) -> None:
    """Place an order that gets no answer before the client is closed."""
    with pytest.raises((OrderOutcomeUnknownError, OrderNotSentError)):
        await place(trial)


# anyio wraps what it starts, and asyncio never begins a task that is cancelled before its first
# step: at the end of the loop the coroutine inside is left unbegun, with nothing open in it.
@pytest.mark.filterwarnings("ignore:coroutine 'Driver.* was never awaited:RuntimeWarning")
@pytest.mark.parametrize("name", ["connect", *OPERATIONS, "close"])
def test_loop_that_ends_amid_an_operation_leaves_nothing(
    loop: str, name: str, simulator: Simulator
):
    credentials = simulator.credentials()
    positions = with_positions(simulator)
    clients: list[CTraderClient] = []

    async def attempt(steps: Steps, at: int) -> bool:
        """Return from the loop's main function with everything under way."""
        client = CTraderClient(impatient(simulator))
        clients.append(client)
        if name == "connect":
            operation: Callable[[], Awaitable[object]] = client.connect
        else:
            await client.connect()
            await client.auth.authenticate_account(credentials)
            trial = Trial(client, simulator, credentials.account_id, at, positions[at % POSITIONS])
            operation = client.close if name == "close" else partial(OPERATIONS[name], trial)
        steps.watch()
        return await leave_amid(steps, at, operation)

    at, is_left = 0, True
    while is_left:
        at += 1
        is_left = anyio.run(attempt, Steps(), at, backend=loop)
        client = clients.pop()
        assert leftovers(client) == []
        assert not client.is_connected
        anyio.run(until, lambda: simulator.connections == 0, "the end of the connection")
        with simulator.locked() as exchange:
            orders = exchange.books[credentials.account_id].orders.values()
            assert sum(each.client_order_id == f"trial-{at}" for each in orders) <= 1
    assert 1 < at < POSITIONS


async def leave_amid(steps: Steps, at: int, operation: Callable[[], Awaitable[object]]) -> bool:
    """Begin an operation, and return before a step of the loop; False if it ended before."""
    over = anyio.Event()

    async def run() -> None:
        steps.arm(at, over.set)
        try:
            await operation()
        finally:
            steps.disarm()
            over.set()

    if runs_asyncio():
        left = asyncio.ensure_future(run())  # the end of the loop cancels it
        await over.wait()
        return not left.done()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await over.wait()
        tasks.cancel_scope.cancel()
    return steps.has_struck


@pytest.mark.torture
@pytest.mark.timeout(600)
@pytest.mark.parametrize("again", [1, 2, 5])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["connect", *OPERATIONS, "idle close", "busy close"])
def test_cancelled_over_and_over_leaves_nothing(
    loop: str, name: str, way: str, again: int, simulator: Simulator
):
    for _ in range(3):
        if name == "connect":
            run_connect(loop, way, tls=True, again=again)
        elif name in OPERATIONS:
            with Simulator(tls=False, record_frames=True) as fresh:
                run_operation(loop, way, name, fresh, again=again)
        else:
            run_close(loop, way, simulator, is_busy=name == "busy close", again=again)


def watch_cancellations(client: CTraderClient) -> list[CancelResult]:
    """Keep what the session said of each command that its caller left."""
    fates: list[CancelResult] = []
    session = client._driver._session  # pyright: ignore[reportPrivateUsage]  # nobody is told
    cancel = session.cancel

    def note(call_id: CallId, now: Nanos) -> CancelResult:
        fates.append(cancel(call_id, now))
        return fates[-1]

    session.cancel = note  # type: ignore[method-assign]
    return fates


def assert_placed_once_at_most(trial: Trial, fates: list[CancelResult]) -> None:
    with trial.simulator.locked() as exchange:
        orders = exchange.books[trial.account_id].orders.values()
        held = sum(each.client_order_id == trial.order_id for each in orders)
    requests = trial.simulator.sent_by_client(ProtoOANewOrderReq)
    sent = sum(each.clientOrderId == trial.order_id for each in requests)
    assert sent <= 1
    assert held == sent
    if CancelResult.NOT_SENT in fates:
        assert not sent, "an order that was said not to be sent was sent"
