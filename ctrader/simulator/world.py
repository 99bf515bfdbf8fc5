"""Run the client's core against the simulated server, under virtual time.

The world jumps from one deadline to the next: an hour of trading takes as long as its computing.
It steps any number of operations at once, and the same seed gives the same history. It is the
third driver of the core, beside the async and the blocking one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from ctrader.errors import CTraderConnectionClosedError, CTraderError
from ctrader.operations.background import BackgroundWork
from ctrader.protocol.commands import CancelResult
from ctrader.protocol.effects import (
    CallCompleted,
    CallFailed,
    CloseConnection,
    Effect,
    EventsReceived,
    Finished,
    JobRequested,
    OpenConnection,
    PhaseChanged,
    Warned,
)
from ctrader.protocol.session import Session
from ctrader.simulator.session import ServerSession
from ctrader.units import MILLISECOND, SECOND, to_nanos

if TYPE_CHECKING:
    from ctrader.config import ClientConfig
    from ctrader.operations.base import Op
    from ctrader.protocol.commands import CallId
    from ctrader.simulator.exchange import Exchange
    from ctrader.units import Nanos

__all__ = ["Task", "World", "WorldStoppedError"]

T = TypeVar("T")

DEFAULT_LATENCY: Final = 20 * MILLISECOND
PATIENCE: Final = 3600.0
"""Simulated seconds after which waiting for an operation is given up."""


class WorldStoppedError(CTraderError):
    """Nothing more will happen in the world, or its patience is over."""


@dataclass(slots=True, eq=False)
class Task(Generic[T]):
    """An operation that the world steps."""

    operation: Op[T]
    deadline: Nanos | None
    """When its time is over; None gives each of its requests the configured time."""
    is_done: bool = False
    error: Exception | None = None
    """Why it failed, None while it runs and after it succeeded."""
    value: T | None = None

    @property
    def result(self) -> T:
        """What it returned; its error is raised.

        Raises:
            WorldStoppedError: it has not ended.
        """
        if not self.is_done:
            raise WorldStoppedError("the operation has not ended: run the world on")
        if self.error is not None:
            raise self.error
        return cast("T", self.value)  # a T, or the None that a T of None is


class _Wire:
    """One connection: the server's end of it, and what is under way in either direction."""

    def __init__(self, server: ServerSession, epoch: int) -> None:
        self.server = server
        self.epoch = epoch
        self.is_up = True
        self.is_torn = False
        """Whether what is under way to the client is lost."""


class World:
    """One client and one server, the network between them, and the only clock."""

    def __init__(
        self,
        exchange: Exchange,
        config: ClientConfig,
        *,
        seed: int = 0,
        latency: Nanos = DEFAULT_LATENCY,
        is_live: bool = False,
        unix_ms: int = 1_700_000_000_000,
    ) -> None:
        """Make a world in which nothing has happened yet.

        Args:
            exchange: The broker; it begins at time 0.
            config: The client's settings.
            seed: Decides the client's jitter and ids.
            latency: Nanoseconds that bytes take, in either direction.
            is_live: Whether the server's listener is the one for live accounts.
            unix_ms: The time of day at time 0; give the exchange the same.
        """
        self.now: Nanos = 0
        self.exchange = exchange
        self.session = Session(config, rng=Random(seed), work=BackgroundWork())
        self.latency = latency
        self.events: list[object] = []
        """What the client's handlers would have been given, since `listen`."""
        self.trace: list[tuple[Nanos, str]] = []
        """Every effect and delivery with its time: equal for equal seeds."""
        self.can_connect = True
        """Whether the network lets a new connection through."""
        self.finished: Finished | None = None
        """How the client's session ended, None while it has not."""
        self.on_event: Callable[[object], None] | None = None
        """Called with each event, for reactions in the middle of a run."""
        self._is_live = is_live
        self._unix_ms = unix_ms
        self._wire: _Wire | None = None
        self._heap: list[tuple[Nanos, int, Callable[[], None]]] = []
        self._count = 0
        self._waiting: dict[CallId, Task[Any]] = {}
        self._carrying = False
        # When either side wants to be woken, as it was found by `_next`.
        self._client_due: Nanos | None = None
        self._server_due: Nanos | None = None

    # Operations

    def start(self, operation: Op[T], timeout: float | None = None) -> Task[T]:
        """Begin to step an operation.

        Args:
            operation: The generator.
            timeout: Seconds for all of it; None gives each request the configured time.
        """
        deadline = None if timeout is None else self.now + to_nanos(timeout)
        task: Task[T] = Task(operation, deadline)
        self._step(task, None, None)
        self._settle()
        return task

    def run(self, operation: Op[T], timeout: float | None = None) -> T:
        """Step an operation to its end and return its result; its error is raised."""
        return self.finish(self.start(operation, timeout)).result

    def cancel(self, task: Task[T]) -> CancelResult:
        """End an operation as its caller going away does."""
        task.operation.close()
        task.is_done = True
        for call_id, waiting in list(self._waiting.items()):
            if waiting is task:
                del self._waiting[call_id]
                result = self.session.cancel(call_id, self.now)
                self._settle()
                return result
        return CancelResult.FINISHED

    def finish(self, task: Task[T]) -> Task[T]:
        """Run until an operation has ended, well or not."""
        self.run_until(lambda: task.is_done)
        return task

    def connect(self, timeout: float | None = None) -> None:
        """Open the first connection.

        Raises:
            CTraderConnectionError: the network or the server did not let it through.
        """
        call_id = self.session.start(self.now, unix_now=self._unix(), timeout=timeout)
        task: Task[None] = Task(_nothing(), None)
        self._waiting[call_id] = task
        next(task.operation)
        self._settle()
        _ = self.finish(task).result

    def close(self, grace: float = 2.0) -> None:
        """Close the client and run to the end of its session."""
        self.session.close(self.now, grace=grace)
        self._settle()
        self.run_until(lambda: self.finished is not None)

    def listen(self, *kinds: type) -> None:
        """Collect events of these types, of every symbol, in `events`."""
        self.session.listen(frozenset(kinds), None)

    # Time

    def run_for(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + to_nanos(seconds)
        self._settle()
        while (at := self._next()) is not None and at <= end:
            self._advance(at)
        self.now = end

    def run_until(self, condition: Callable[[], bool], limit: float = PATIENCE) -> None:
        """Run until a condition holds.

        Args:
            condition: Is asked after everything that happens.
            limit: Simulated seconds to wait for it.

        Raises:
            WorldStoppedError: the limit passed, or nothing more happens.
        """
        end = self.now + to_nanos(limit)
        self._settle()
        while not condition():
            at = self._next()
            if at is None or at > end:
                raise WorldStoppedError(
                    f"the condition did not come true by {self.now / SECOND:.3f} s of the world"
                )
            self._advance(at)

    def at(self, moment: Nanos, action: Callable[[], None]) -> None:
        """Do something at a moment of the world's clock."""
        self._count += 1
        heappush(self._heap, (max(moment, self.now), self._count, action))

    # The network

    @property
    def server(self) -> ServerSession | None:
        """The server's end of the connection, None where there is none."""
        return None if self._wire is None else self._wire.server

    def cut(self, cause: Exception | None = None) -> None:
        """End the connection at once, for both sides; what is under way is lost."""
        wire = self._wire
        if wire is None:
            return
        self._unplug(wire)
        self._note("cut")
        self.session.connection_lost(
            wire.epoch, self.now, cause or CTraderConnectionClosedError("the link was cut")
        )
        self._settle()

    # Private

    def _unix(self) -> float:
        return self._unix_ms / 1000 + self.now / SECOND

    def _note(self, what: str) -> None:
        self.trace.append((self.now, what))

    def _next(self) -> Nanos | None:
        deadline = self.session.next_deadline()
        first = self._client_due = None if deadline is None else deadline.at
        moment = self.exchange.next_deadline()
        if moment is not None and (first is None or moment < first):
            first = moment
        moment = None if self._wire is None else self._wire.server.next_deadline()
        self._server_due = moment
        if moment is not None and (first is None or moment < first):
            first = moment
        if self._heap and (first is None or self._heap[0][0] < first):
            first = self._heap[0][0]
        return None if first is None else max(self.now, first)

    def _advance(self, at: Nanos) -> None:
        self.now = at
        self.exchange.advance(at)
        # Most steps are ticks, which concern neither side's timers. What they make due is done at
        # the next step, which is at the same moment.
        if self._wire is not None and self._server_due is not None and self._server_due <= at:
            self._wire.server.handle_timer(at)
        concerns_client = self._client_due is not None and self._client_due <= at
        while self._heap and self._heap[0][0] <= at:
            heappop(self._heap)[2]()
            concerns_client = True
        if concerns_client:
            self.session.handle_timer(at)
            self._settle()
        else:
            # Where nothing was put into the client nothing comes out of it.
            self._move_down()

    def _settle(self) -> None:
        """Carry out effects and move bytes until nothing is left to do at this moment."""
        if self._carrying:
            return
        self._carrying = True
        try:
            effects = self.session.take_effects()
            while True:
                for effect in effects:
                    self._carry_out(effect)
                spoke = self._move_up()
                self._move_down()
                # What was sent, or ended instead, is an effect as well.
                effects = self.session.take_effects()
                if not (effects or spoke):
                    return
        finally:
            self._carrying = False

    def _carry_out(self, effect: Effect) -> None:
        self._note(type(effect).__name__)
        match effect:
            case OpenConnection(epoch):
                self.at(self.now + 2 * self.latency, lambda: self._plug(epoch))
            case CloseConnection(epoch):
                wire = self._wire
                if wire is not None and wire.epoch == epoch:
                    self._unplug(wire)
                self.at(self.now, lambda: self.session.connection_lost(epoch, self.now, None))
            case CallCompleted(call_id, result):
                self._step(self._waiting.pop(call_id), result, None)
            case CallFailed(call_id, error):
                self._step(self._waiting.pop(call_id), None, error)
            case EventsReceived(events):
                for event in events:
                    self._note(type(event).__name__)
                    self.events.append(event)
                    if self.on_event is not None:
                        self.on_event(event)
            case JobRequested(call_id, job):
                self.at(self.now, lambda: self._do(call_id, job))
            case PhaseChanged() | Warned():
                pass
            case Finished():
                self.finished = effect

    def _do(self, call_id: CallId, job: Callable[[], object]) -> None:
        try:
            result = job()
        except Exception as error:  # noqa: BLE001 - whatever it is, the session is told
            self.session.job_done(call_id, self.now, error=error)
        else:
            self.session.job_done(call_id, self.now, result)

    def _step(self, task: Task[T], result: object, error: Exception | None) -> None:
        """Take an operation to its next command, or to its end."""
        try:
            while True:
                command = (
                    task.operation.send(result) if error is None else task.operation.throw(error)
                )
                timeout = (
                    None if task.deadline is None else max(0.0, (task.deadline - self.now) / SECOND)
                )
                try:
                    call_id = self.session.submit(command, self.now, timeout=timeout)
                except CTraderError as refusal:
                    error = refusal
                    continue
                self._waiting[call_id] = task
                return
        except StopIteration as stop:
            task.value = stop.value
        except CTraderError as failure:
            task.error = failure
        task.is_done = True

    def _plug(self, epoch: int) -> None:
        if epoch != self.session.epoch:
            return
        if not self.can_connect:
            self.session.connection_lost(
                epoch, self.now, CTraderConnectionClosedError("the network is down")
            )
            return
        self._wire = _Wire(ServerSession(self.exchange, is_live=self._is_live), epoch)
        self.session.connection_made(epoch, self.now, unix_now=self._unix())

    def _unplug(self, wire: _Wire) -> None:
        wire.is_up = False
        self._wire = None
        wire.server.connection_lost(self.now)

    def _move_up(self) -> bool:
        """Put on its way what the client says; return whether it may have more."""
        wire = self._wire
        upward = b"" if wire is None else self.session.data_to_send(self.now)
        if wire is not None and upward:
            self.at(self.now + self.latency, lambda: self._to_server(wire, upward))
        return bool(upward)

    def _move_down(self) -> None:
        """Put on its way what the server says, and the end if that is what it said."""
        wire = self._wire
        if wire is None:
            return
        downward = wire.server.data_to_send()
        if downward:
            self.at(self.now + self.latency, lambda: self._to_client(wire, downward))
        if wire.server.is_closed:
            self._wire = None
            wire.is_torn = wire.server.is_reset
            # The end of the stream arrives behind the last bytes.
            self.at(self.now + self.latency, lambda: self._ended(wire))

    def _to_server(self, wire: _Wire, data: bytes) -> None:
        if wire.is_up:
            wire.server.receive_data(data, self.now)

    def _to_client(self, wire: _Wire, data: bytes) -> None:
        if wire.is_up and not wire.is_torn:
            self._note(f"{len(data)} bytes")
            self.session.receive_data(wire.epoch, data, self.now)

    def _ended(self, wire: _Wire) -> None:
        if wire.is_up:
            wire.is_up = False
            wire.server.connection_lost(self.now)
            how = "reset" if wire.is_torn else "closed"
            self.session.connection_lost(
                wire.epoch, self.now, CTraderConnectionClosedError(f"the server {how} the link")
            )


def _nothing() -> Generator[Any, object, None]:
    """Wait for one result."""
    yield
