"""Play one scenario on asyncio, on trio and without any event loop.

Scenarios are async functions against `CTraderClient`. For the blocking client, an adapter gives
`SyncCTraderClient` the same shape: its methods are done by the time they are awaited, its streams
block inside `async for`, and a runner without a loop drives the scenario.
"""

from __future__ import annotations

import inspect
import queue
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar, cast

import anyio

import ctrader.api
from ctrader.client import CTraderClient
from ctrader.config import ClientConfig
from ctrader_sync.client import SyncCTraderClient

if TYPE_CHECKING:
    import ctrader_sync
    from ctrader.errors import OrderOutcomeUnknownError
    from ctrader.models import OrderOutcome
    from ctrader.simulator import Simulator
    from ctrader_sync.streams import EventStream

__all__ = [
    "BOUND",
    "BlockingStage",
    "Desk",
    "Job",
    "LoopStage",
    "Record",
    "Stage",
    "run_blocking",
]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

BOUND: Final = 5.0
"""Seconds that anything may take before a scenario fails; it never takes them otherwise."""
STEP: Final = 0.005
"""Seconds between two looks at a condition that nothing announces."""


class Job(Protocol[T_co]):
    """Something that goes on beside the scenario."""

    async def result(self, bound: float = BOUND) -> T_co:
        """Wait for its end; its error is raised."""
        ...


class Jobs(Protocol):
    """Starts what goes on beside the scenario."""

    def start(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Job[T]:
        """Begin some work: a task, or a thread."""
        ...


class Signal(Protocol):
    """Wakes whoever waits for it, once and for all."""

    def set(self) -> None:
        """Wake everybody."""
        ...

    async def wait(self, bound: float = BOUND) -> None:
        """Wait until it is set."""
        ...


class Stage(Protocol):
    """What a scenario needs besides the client, on any of the three."""

    is_blocking: bool

    def client(self, config: ClientConfig, **options: Any) -> CTraderClient:
        """Make a client, or what has its shape."""
        ...

    def signal(self) -> Signal:
        """Make a signal."""
        ...

    def jobs(self) -> AbstractAsyncContextManager[Jobs]:
        """Open a scope for what goes on beside the scenario; it is over when the scope ends."""
        ...

    async def outcome(self, error: OrderOutcomeUnknownError) -> OrderOutcome:
        """Ask the error itself what became of its request."""
        ...

    async def pause(self) -> None:
        """Let a moment pass."""
        ...


@dataclass(slots=True, eq=False)
class Record(Generic[T]):
    """A handler that keeps what it was given."""

    events: list[T] = field(default_factory=list[T])

    async def __call__(self, event: T, /) -> None:
        self.events.append(event)


@dataclass(frozen=True, slots=True)
class Desk:
    """A client that is connected, with an account that is authenticated on it."""

    client: CTraderClient
    account_id: int


async def eventually(
    stage: Stage, claim: Callable[[], object], what: str = "it", bound: float = BOUND
) -> None:
    """Wait until a claim holds.

    It looks again and again, because what it asks about, such as the simulator's record or a
    property of the client, announces no change.
    """
    until = time.monotonic() + bound
    while not claim():
        assert time.monotonic() < until, f"{what} did not come true within {bound} s"
        await stage.pause()


@asynccontextmanager
async def at_desk(
    stage: Stage, simulator: Simulator, account: int = 0, **settings: Any
) -> AsyncGenerator[Desk]:
    """Connect a client and authenticate one of the simulator's accounts."""
    credentials = simulator.credentials(account)
    async with stage.client(impatient(simulator, **settings)) as client:
        await client.auth.authenticate_account(credentials)
        yield Desk(client, credentials.account_id)


def impatient(simulator: Simulator, **settings: Any) -> ClientConfig:
    """Return a configuration that reaches the simulator and comes back fast after a loss."""
    hurry: dict[str, Any] = {
        "request_timeout": BOUND,
        "connect_timeout": BOUND,
        "reconnect_min_wait": 0.02,
        "reconnect_max_wait": 0.1,
    }
    return simulator.client_config(**{**hurry, **settings})


# On an event loop


class LoopStage:
    """asyncio or trio, whichever runs the test."""

    is_blocking = False

    def client(self, config: ClientConfig, **options: Any) -> CTraderClient:
        return CTraderClient(config, **options)

    def signal(self) -> Signal:
        return _LoopSignal()

    @asynccontextmanager
    async def jobs(self) -> AsyncGenerator[Jobs]:
        async with anyio.create_task_group() as tasks:
            yield _Tasks(tasks)
            tasks.cancel_scope.cancel()

    async def outcome(self, error: OrderOutcomeUnknownError) -> OrderOutcome:
        return await error.resolve(timeout=BOUND)

    async def pause(self) -> None:
        await anyio.sleep(STEP)


class _LoopSignal:
    def __init__(self) -> None:
        self._event = anyio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, bound: float = BOUND) -> None:
        with anyio.fail_after(bound):
            await self._event.wait()


class _Tasks:
    def __init__(self, group: anyio.abc.TaskGroup) -> None:
        self._group = group

    def start(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Job[T]:
        task: _Task[T] = _Task(work)
        self._group.start_soon(task.run)
        return task


class _Task(Generic[T]):
    def __init__(self, work: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._work = work
        self._is_done = anyio.Event()
        self._value: list[T] = []
        self._error: Exception | None = None

    async def run(self) -> None:
        try:
            self._value.append(await self._work())
        except Exception as error:  # noqa: BLE001 - whoever asks for the result is told
            self._error = error
        self._is_done.set()

    async def result(self, bound: float = BOUND) -> T:
        with anyio.fail_after(bound):
            await self._is_done.wait()
        if self._error is not None:
            raise self._error
        return self._value[0]


# Without any


def run_blocking(scenario: Coroutine[Any, Any, T]) -> T:
    """Drive a coroutine that never has to wait for a loop; fail if it does."""
    try:
        scenario.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    scenario.close()
    raise AssertionError("the scenario waited for an event loop, and there is none")


class BlockingStage:
    """The blocking client, on the test's own thread."""

    is_blocking = True

    def client(self, config: ClientConfig, **options: Any) -> CTraderClient:
        # The adapter has every method of the async client, by way of __getattr__.
        return cast("CTraderClient", _Client(SyncCTraderClient(config, **options)))

    def signal(self) -> Signal:
        return _ThreadSignal()

    @asynccontextmanager
    async def jobs(self) -> AsyncGenerator[Jobs]:
        threads = _Threads()
        yield threads
        threads.join()

    async def outcome(self, error: OrderOutcomeUnknownError) -> OrderOutcome:
        return cast("ctrader_sync.OrderOutcomeUnknownError", error).resolve(timeout=BOUND)

    async def pause(self) -> None:
        _nap()  # the counterpart of the loops' own short sleep


def _nap() -> None:
    time.sleep(STEP)


class _ThreadSignal:
    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, bound: float = BOUND) -> None:
        if not self._event.wait(bound):
            raise TimeoutError


class _Threads:
    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []

    def start(self, work: Callable[[], Coroutine[Any, Any, T]]) -> Job[T]:
        job: _ThreadJob[T] = _ThreadJob()

        def run() -> None:
            try:
                job.outcome.put((run_blocking(work()), None))
            except Exception as error:  # noqa: BLE001 - whoever asks for the result is told
                job.outcome.put((None, error))

        thread = threading.Thread(target=run, name="beside the scenario", daemon=True)
        thread.start()
        self._threads.append(thread)
        return job

    def join(self) -> None:
        for thread in self._threads:
            thread.join(BOUND)
            assert not thread.is_alive(), "a job did not end with the scenario"


class _ThreadJob(Generic[T]):
    def __init__(self) -> None:
        self.outcome: queue.SimpleQueue[tuple[T | None, Exception | None]] = queue.SimpleQueue()

    async def result(self, bound: float = BOUND) -> T:
        try:
            value, error = self.outcome.get(timeout=bound)
        except queue.Empty:
            raise TimeoutError from None
        if error is not None:
            raise error
        return cast("T", value)  # a T, or the None that a T of None is


# The adapter


class _Shaped:
    """A blocking object with the shape of its async twin: what is awaited there may be here."""

    def __init__(self, target: object, model: type) -> None:
        self._target = target
        self._model = model

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        twin = getattr(ctrader.api, type(value).__name__, None)
        if twin is not None:
            return _Shaped(value, twin)
        if inspect.iscoroutinefunction(getattr(self._model, name, None)):
            return _awaitable(value)
        return value

    def on_event(self, message_type: type[Any], handler: Any) -> Callable[[], None]:
        remove: Callable[[], None] = self._target.on_event(message_type, _Handler(handler))  # type: ignore[attr-defined]
        return remove


class _Client(_Shaped):
    """A blocking client with the shape of the async one."""

    def __init__(self, client: SyncCTraderClient) -> None:
        super().__init__(client, CTraderClient)
        self._client = client

    async def __aenter__(self) -> _Client:
        self._client.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._client.close()

    def on(self, event_type: type[Any], **filters: Any) -> Callable[[Any], Any]:
        def register(handler: Any) -> Any:
            self.register_handler(event_type, handler, **filters)
            return handler

        return register

    def register_handler(self, event_type: type[Any], handler: Any, **filters: Any) -> None:
        taken = _Handler(cast("Any", handler)) if callable(handler) else handler
        self._client.register_handler(event_type, taken, **filters)

    def off(self, event_type: type[Any], handler: Any) -> bool:
        return self._client.off(event_type, _Handler(handler))

    def stream(self, event_type: type[Any], **options: Any) -> _Stream:
        return _Stream(self._client.stream(event_type, **options))


class _Stream(_Shaped):
    """A blocking stream with the shape of the async one."""

    def __init__(self, stream: EventStream[Any]) -> None:
        from ctrader.streams import EventStream as AsyncEventStream

        super().__init__(stream, AsyncEventStream)
        self._stream = stream

    def __aiter__(self) -> _Stream:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self._stream)
        except StopIteration:
            pass
        raise StopAsyncIteration

    async def __aenter__(self) -> _Stream:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stream.close()


class _Handler:
    """A plain function that carries out a scenario's handler; equal for the same one."""

    def __init__(self, handler: Callable[[Any], Awaitable[None] | None]) -> None:
        self._handler = handler

    def __call__(self, event: Any, /) -> None:
        outcome = self._handler(event)
        if outcome is not None:
            run_blocking(cast("Coroutine[Any, Any, None]", outcome))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Handler) and other._handler == self._handler

    def __hash__(self) -> int:
        return hash(self._handler)


def _awaitable(method: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
    async def call(*values: Any, **named: Any) -> Any:
        return method(*values, **named)

    return call
