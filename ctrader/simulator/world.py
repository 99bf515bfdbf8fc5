"""Run the client's core against the simulated server, under virtual time.

The world jumps from one deadline to the next: an hour of trading takes as long as its computing.
It steps any number of operations at once, and the same seed gives the same history. It is the
third driver of the core, beside the async and the blocking one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
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
    Phase,
    PhaseChanged,
    Warned,
)
from ctrader.protocol.session import Session
from ctrader.simulator.network import DEFAULT_LATENCY, Flow, Network, Way, Wire
from ctrader.simulator.session import ServerSession
from ctrader.units import SECOND, to_nanos

if TYPE_CHECKING:
    from ctrader.config import ClientConfig
    from ctrader.journal.store import OrderJournal
    from ctrader.operations.base import Op
    from ctrader.protocol.commands import CallId
    from ctrader.simulator.exchange import Exchange
    from ctrader.tokens import TokenStore
    from ctrader.units import Nanos

__all__ = ["Task", "World", "WorldStoppedError"]

T = TypeVar("T")

PATIENCE: Final = 3600.0
"""Simulated seconds after which waiting for an operation is given up."""
_LENGTH_BYTES: Final = 4  # in front of every frame


class WorldStoppedError(CTraderError):
    """Nothing more will happen in the world, or its patience is over."""


@dataclass(slots=True, eq=False)
class Task(Generic[T]):
    """An operation that the world steps."""

    operation: Op[T]
    deadline: Nanos | None
    """When its time is over by the client's clock; None gives each of its requests the configured
    time."""
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
        journal: OrderJournal | None = None,
        token_store: TokenStore | None = None,
    ) -> None:
        """Make a world in which nothing has happened yet.

        Args:
            exchange: The broker; it begins at time 0.
            config: The client's settings.
            seed: Decides the client's jitter and ids.
            latency: Nanoseconds that bytes take, in either direction.
            is_live: Whether the server's listener is the one for live accounts.
            unix_ms: The time of day at time 0; give the exchange the same.
            journal: Where the client keeps its trading requests, through restarts of its process.
            token_store: Where it keeps its tokens, likewise.
        """
        self.now: Nanos = 0
        self.exchange = exchange
        self.config = config
        self._journal = journal
        self._token_store = token_store
        self.session = self._new_session(Random(seed))
        self.network = Network(Random(seed), Way(latency), Way(latency))
        """How the network treats what passes it."""
        self.events: list[object] = []
        """What the client's handlers would have been given, since `listen`."""
        self.trace: list[tuple[Nanos, str]] = []
        """Every effect and delivery with its time: equal for equal seeds."""
        self.finished: Finished | None = None
        """How the client's session ended, None while it has not."""
        self.on_event: Callable[[object], None] | None = None
        """Called with each event, for reactions in the middle of a run."""
        self.on_sent: Callable[[int, bytes], None] | None = None
        """Called with the epoch and the bytes that the client hands over."""
        self.on_received: Callable[[int, bytes], None] | None = None
        """Called with the epoch and the bytes that the client is given."""
        self.on_restart: Callable[[], None] | None = None
        """Called when the client's process begins anew: nothing is connected or kept."""
        self.on_store_fault: Callable[[bool], None] | None = None
        """Called with True when stores begin to fail, and with False when they work again."""
        self.clock_offset = 0.0
        """Seconds by which the client's wall clock is wrong; its monotonic one never is."""
        self.tells_sleep = True
        """Whether the client's system says for how long it has slept, as Linux does."""
        self.is_asleep = False
        """Whether the client's process sleeps: it is given nothing, and does nothing."""
        self.is_consumer_slow = False
        """Whether handlers take no events; see `set_consumer_slow`."""
        self.job_seconds = 0.0
        """Seconds that each job takes that the client has done outside of its session."""
        self.life = 0
        """Which process of the client it is, counted from 0."""
        self._seed = seed
        self._jobs_done_at: Nanos = 0
        self._open_jobs = 0
        self._is_live = is_live
        self._unix_ms = unix_ms
        self._kinds: frozenset[type] = frozenset()
        self._wire: Wire | None = None
        self._heap: list[tuple[Nanos, int, Callable[[], None], bool]] = []
        # When, in which order, what, and whether something may come out of the client then.
        self._count = 0
        self._waiting: dict[CallId, Task[Any]] = {}
        self._carrying = False
        self._slept: Nanos = 0
        self._fell_asleep: Nanos = 0
        self._arrived: list[Callable[[], None]] = []
        self._backlog: list[Callable[[], None]] = []
        self._untaken: list[object] = []
        # When either side wants to be woken, as it was found by `_next`.
        self._client_due: Nanos | None = None
        self._server_due: Nanos | None = None

    # Operations

    def start(self, operation: Op[T], timeout: float | None = None) -> Task[T]:
        """Begin to step an operation.

        Args:
            operation: The generator.
            timeout: Seconds for all of it; None gives each request the configured time.

        Raises:
            WorldStoppedError: the client's process sleeps.
        """
        self._refuse_while_asleep()
        deadline = None if timeout is None else self.client_now + to_nanos(timeout)
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
        _ = self.finish(self.start_to_connect(timeout)).result

    def start_to_connect(self, timeout: float | None = None) -> Task[None]:
        """Begin to open the first connection.

        Raises:
            CTraderError: the session is over.
            WorldStoppedError: the client's process sleeps.
        """
        self._refuse_while_asleep()
        call_id = self.session.start(self.client_now, unix_now=self._unix(), timeout=timeout)
        task: Task[None] = Task(_nothing(), None)
        self._waiting[call_id] = task
        next(task.operation)
        self._settle()
        return task

    def close(self, grace: float = 2.0) -> None:
        """Close the client and run to the end of its session.

        Raises:
            WorldStoppedError: the client's process sleeps.
        """
        self._refuse_while_asleep()
        self.session.close(self.client_now, grace=grace)
        self._settle()
        self.run_until(lambda: self.finished is not None and not self._open_jobs)

    def listen(self, *kinds: type) -> None:
        """Collect events of these types, of every symbol, in `events`."""
        self._kinds = frozenset(kinds)
        self.session.listen(self._kinds, None)

    # Time

    def run_for(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + to_nanos(seconds)
        self._settle()
        while (at := self._next()) is not None and at <= end:
            self._advance(at)
        self.now = end
        self.exchange.advance(end)  # whoever acts at the broker's next acts at this moment

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
        self._put(moment, action)

    @property
    def client_now(self) -> Nanos:
        """The client's monotonic clock; it may have stood while the process slept."""
        return self.now - self._slept

    # The network

    @property
    def can_connect(self) -> bool:
        """Whether the network lets a new connection through."""
        return self.network.can_connect

    @can_connect.setter
    def can_connect(self, can_connect: bool) -> None:
        self.network.can_connect = can_connect

    @property
    def wire(self) -> Wire | None:
        """The connection as the client knows it, None where there is none."""
        return self._wire

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
        self.note("cut")
        ended = cause or CTraderConnectionClosedError("the link was cut")
        self._tell_end(wire, ended)

    def finish_stream(self) -> None:
        """Let the server end the connection in good order, behind what is under way."""
        if self._wire is not None:
            self._wire.server.close("world")
            self._move_down()

    def reset(self) -> None:
        """Let the server end the connection; what is under way to the client is lost."""
        if self._wire is not None:
            self._wire.server.close("world", reset=True)
            self._move_down()

    def tear(self) -> None:
        """Let the connection end in the middle of the next frame that the server sends."""
        if self._wire is not None:
            self._wire.tears = self._wire.is_damaged = True

    def leave_half_open(self) -> None:
        """Let the server's end be gone without a word to the client."""
        if self._wire is not None:
            self._wire.up.is_dead = self._wire.down.is_dead = True
            self._wire.is_damaged = True
            self._wire.server.connection_lost(self.now)

    def deafen(self, *, up: bool = False, down: bool = False) -> None:
        """Let nothing arrive in a direction any more, as long as the connection lives."""
        if self._wire is not None:
            self._wire.up.is_dead |= up
            self._wire.down.is_dead |= down
            self._wire.is_damaged = True

    def stall_writes(self, stalled: bool) -> None:
        """Let the client's transport take no bytes, or take them again."""
        self.network.is_stalled = stalled
        self._settle()

    # The processes

    def sleep(self) -> None:
        """Let the client's process sleep; what comes meanwhile arrives when it wakes."""
        self.is_asleep = True
        self._fell_asleep = self.now

    def wake(self, *, clock_stood: bool = False) -> None:
        """Let the client's process go on.

        Args:
            clock_stood: Whether its monotonic clock stood still meanwhile; its wall clock did not.
        """
        if not self.is_asleep:
            return
        self.is_asleep = False
        if clock_stood:
            self._slept += self.now - self._fell_asleep
        # A driver reads what has arrived, then the clocks, before it begins anything new.
        arrived, self._arrived = self._arrived, []
        for action in arrived:
            action()
        self._check_clocks()
        backlog, self._backlog = self._backlog, []
        for action in backlog:
            action()
        self.session.handle_timer(self.client_now)
        self._settle()

    def when_awake(self, action: Callable[[], None]) -> None:
        """Do something as the client's process does it: now, or as soon as it wakes."""
        if self.is_asleep:
            self._backlog.append(action)
        else:
            action()

    def restart_client(self) -> None:
        """Kill the client's process, and begin another one with the same settings.

        Its operations end without a word: they are done, with a `WorldStoppedError`. What it handed
        over before still arrives.
        """
        killed = list(self._waiting.values())
        self._waiting.clear()
        self._arrived.clear()
        self._backlog.clear()
        self._untaken.clear()
        self.is_asleep = False
        if self._wire is not None:
            self._abandon(self._wire)
        self.life += 1
        self.note("client restarted")
        self._open_jobs = 0
        self._jobs_done_at = self.now
        if self._journal is not None:
            self._journal.close()  # as the system lets go of a dead process's lock
        self.session = self._new_session(Random(f"{self._seed}/{self.life}"))
        self.session.listen(self._kinds, None)
        self.finished = None
        for task in killed:
            task.is_done = True
            task.error = WorldStoppedError("the client's process was killed")
        if self.on_restart is not None:
            self.on_restart()

    def restart_server(self) -> None:
        """End every connection, as a server's process that dies does; its books stay."""
        self.note("server restarted")
        for each in self.exchange.connections:
            each.close("restart", reset=True)
        self._move_down()

    def set_consumer_slow(self, slow: bool) -> None:
        """Let handlers take no events, or take those that wait and go on."""
        self.is_consumer_slow = slow
        untaken, self._untaken = self._untaken, []
        for event in untaken:
            self._consume(event)

    def note(self, what: str) -> None:
        """Put a line into the trace."""
        self.trace.append((self.now, what))

    # Private

    def _put(
        self, moment: Nanos, action: Callable[[], None], *, reaches_client: bool = True
    ) -> None:
        self._count += 1
        heappush(self._heap, (max(moment, self.now), self._count, action, reaches_client))

    def _unix(self) -> float:
        return self._unix_ms / 1000 + self.now / SECOND + self.clock_offset

    def _refuse_while_asleep(self) -> None:
        if self.is_asleep:
            raise WorldStoppedError("the client's process sleeps: use when_awake()")

    def _check_clocks(self) -> None:
        """Show the session its clocks, as drivers do whenever they wake."""
        suspended = self._slept if self.tells_sleep else None
        self.session.check_clocks(self.client_now, unix_now=self._unix(), suspended=suspended)

    def _next(self) -> Nanos | None:
        first = self._client_due = None
        if not self.is_asleep:
            deadline = self.session.next_deadline()
            if deadline is not None:
                first = self._client_due = deadline.at + self._slept
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
            _, _, action, reaches_client = heappop(self._heap)
            action()
            concerns_client = concerns_client or reaches_client
        if concerns_client and not self.is_asleep:
            self._check_clocks()
            self.session.handle_timer(self.client_now)
            self._settle()
        else:
            # Where nothing was put into the client nothing comes out of it.
            self._move_down()

    def _settle(self) -> None:
        """Carry out effects and move bytes until nothing is left to do at this moment."""
        if self._carrying or self.is_asleep:
            return
        self._carrying = True
        try:
            effects = self.session.take_effects()
            while True:
                life = self.life
                for effect in effects:
                    if life == self.life:  # a handler may have killed the process
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
        self.note(type(effect).__name__)
        match effect:
            case EventsReceived(events):  # first, as it is by far the most frequent
                now = self.now
                for event in events:
                    self.trace.append((now, type(event).__name__))
                    self._consume(event)
            case OpenConnection(epoch):
                self._attempt(epoch)
            case CloseConnection(epoch):
                wire = self._wire
                if wire is not None and wire.epoch == epoch:
                    self._abandon(wire)
                closed = partial(self._closed, epoch, self.life)
                self.at(self.now, lambda: self.when_awake(closed))
            case CallCompleted(call_id, result):
                self._step(self._waiting.pop(call_id), result, None)
            case CallFailed(call_id, error):
                self._step(self._waiting.pop(call_id), None, error)
            case JobRequested(call_id, job):
                self._begin_job(call_id, job)
            case PhaseChanged() | Warned():
                pass
            case Finished():
                self.finished = effect

    def _new_session(self, rng: Random) -> Session:
        return Session(
            self.config,
            rng=rng,
            work=BackgroundWork(),
            journal=self._journal,
            token_store=self._token_store,
        )

    def _begin_job(self, call_id: CallId, job: Callable[[], object]) -> None:
        """Do a job behind those before it, unless the client's process is killed first."""
        life = self.life
        self._open_jobs += 1
        self._jobs_done_at = max(self._jobs_done_at, self.now) + to_nanos(self.job_seconds)

        def do() -> None:
            if life == self.life:
                self._open_jobs -= 1
                self._do(call_id, job)

        self.at(self._jobs_done_at, lambda: self.when_awake(do))

    def _do(self, call_id: CallId, job: Callable[[], object]) -> None:
        try:
            result = job()
        except Exception as error:  # noqa: BLE001 - whatever it is, the session is told
            self.session.job_done(call_id, self.client_now, error=error)
        else:
            self.session.job_done(call_id, self.client_now, result)

    def _consume(self, event: object) -> None:
        if self.is_consumer_slow:
            self._untaken.append(event)
            return
        self.events.append(event)
        if self.on_event is not None:
            self.on_event(event)

    def _step(self, task: Task[T], result: object, error: Exception | None) -> None:
        """Take an operation to its next command, or to its end."""
        now = self.client_now
        try:
            while True:
                command = (
                    task.operation.send(result) if error is None else task.operation.throw(error)
                )
                timeout = (
                    None if task.deadline is None else max(0.0, (task.deadline - now) / SECOND)
                )
                self._check_clocks()
                try:
                    call_id = self.session.submit(command, now, timeout=timeout)
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

    # Private, connections

    def _attempt(self, epoch: int) -> None:
        network = self.network
        delay = network.up.latency + network.down.latency + network.connect_delay
        due = max(self.now + delay, network.closed_until)
        life = self.life
        self.at(due, lambda: self.when_awake(lambda: self._plug(epoch, life)))

    def _plug(self, epoch: int, life: int) -> None:
        if life != self.life or epoch != self.session.epoch:
            return
        if not self.network.can_connect:
            self.session.connection_lost(
                epoch, self.client_now, CTraderConnectionClosedError("the network is down")
            )
            return
        if self.session.phase is not Phase.CONNECTING:
            return  # it was given up meanwhile
        self._wire = Wire(ServerSession(self.exchange, is_live=self._is_live), epoch, life)
        self.session.connection_made(epoch, self.client_now, unix_now=self._unix())

    def _closed(self, epoch: int, life: int) -> None:
        """Say that a connection is closed that the client wanted to be closed."""
        if life == self.life:
            self.session.connection_lost(epoch, self.client_now, None)

    def _unplug(self, wire: Wire) -> None:
        """End a connection for both sides; what is under way is lost."""
        wire.is_up = False
        if self._wire is wire:
            self._wire = None
        wire.server.connection_lost(self.now)

    def _abandon(self, wire: Wire) -> None:
        """End a connection from the client's side; what it handed over before still arrives."""
        self._wire = None
        wire.is_torn = True
        if wire.up.is_dead or self.network.up.is_lost:
            self.at(self.now, lambda: self._hang_up(wire))
            return
        due = max(self.now + self.network.up.latency, wire.up.arrived)
        self.at(due, lambda: self._hang_up(wire))

    def _hang_up(self, wire: Wire) -> None:
        """Let the server's end know that the client is gone."""
        if wire.is_up:
            wire.is_up = False
            wire.server.connection_lost(self.now)

    def _move_up(self) -> bool:
        """Put on its way what the client says; return whether it may have more."""
        wire = self._wire
        if wire is None or self.network.is_stalled:
            return False
        upward = self.session.data_to_send(self.client_now)
        if upward:
            if self.on_sent is not None:
                self.on_sent(wire.epoch, upward)
            self._convey(self.network.up, wire.up, upward, partial(self._to_server, wire))
            if wire.is_damaged and not wire.awaits_acknowledgement:
                self._await_acknowledgement(wire)
        return bool(upward)

    def _await_acknowledgement(self, wire: Wire) -> None:
        """Give a connection up that does not carry bytes both ways, as the client's system does."""
        patience = self.network.acknowledged_within
        if patience is None or not (wire.up.is_dead or wire.down.is_dead):
            return
        wire.awaits_acknowledgement = True

        def give_up() -> None:
            if wire.is_up and self._wire is wire:
                self._unplug(wire)
                self._tell_end(wire, TimeoutError("nobody acknowledges what was sent"))

        self.at(self.now + patience, lambda: self.when_awake(give_up))

    def _move_down(self) -> None:
        """Put on its way what the server says, and the end if that is what it said."""
        wire = self._wire
        if wire is None or wire.is_ending:
            return
        downward = wire.server.data_to_send()
        if downward:
            if wire.tears and len(downward) > 1:
                self._tear(wire, downward)
                return
            self._convey(self.network.down, wire.down, downward, partial(self._to_client, wire))
        if wire.server.is_closed and not wire.down.is_dead:
            self._end_behind(wire, is_reset=wire.server.is_reset)

    def _tear(self, wire: Wire, downward: bytes) -> None:
        """Send the beginning of a frame, and the end of the stream behind it."""
        first = _LENGTH_BYTES + int.from_bytes(downward[:_LENGTH_BYTES], "big")
        part = downward[: self.network.rng.randrange(1, min(len(downward), first))]
        self._convey(self.network.down, wire.down, part, partial(self._to_client, wire))
        wire.server.connection_lost(self.now)
        self._end_behind(wire, is_reset=False)

    def _end_behind(self, wire: Wire, *, is_reset: bool) -> None:
        """Let the end of the stream arrive behind its last bytes."""
        wire.is_ending = True
        wire.is_torn = is_reset
        due = max(self.now + self.network.down.latency, wire.down.arrived)
        self.at(due, lambda: self.when_awake(lambda: self._ended(wire)))

    def _convey(self, way: Way, flow: Flow, data: bytes, deliver: Callable[[bytes], None]) -> None:
        """Put bytes on their way, in the order of their writing."""
        if way.is_lost or flow.is_dead:
            self.note(f"{len(data)} bytes vanish")
            return
        due = self.now + way.latency
        if way.jitter:
            due += self.network.rng.randrange(way.jitter)
        due = flow.arrived = max(due, flow.arrived)
        reaches_client = way is self.network.down
        if way.hold or flow.held:
            flow.held += data
            if len(flow.held) == len(data):
                due = flow.arrived = due + way.hold
                self.at(due, lambda: self._release(flow, deliver))
        elif way.piece:
            position = 0
            while position < len(data):
                end = position + self.network.rng.randrange(1, way.piece + 1)
                self._put(due, partial(deliver, data[position:end]), reaches_client=reaches_client)
                position, due = end, due + way.gap
            flow.arrived = max(flow.arrived, due - way.gap)
        else:
            self._put(due, partial(deliver, data), reaches_client=reaches_client)

    def _release(self, flow: Flow, deliver: Callable[[bytes], None]) -> None:
        data = bytes(flow.held)
        flow.held.clear()
        if not flow.is_dead:
            deliver(data)

    def _to_server(self, wire: Wire, data: bytes) -> None:
        if wire.is_up:
            wire.server.receive_data(data, self.now)

    def _to_client(self, wire: Wire, data: bytes) -> None:
        if self.is_asleep:
            self._arrived.append(partial(self._to_client, wire, data))
        elif wire.is_up and not wire.is_torn:
            self.note(f"{len(data)} bytes")
            if self.on_received is not None:
                self.on_received(wire.epoch, data)
            self.session.receive_data(wire.epoch, data, self.client_now)

    def _ended(self, wire: Wire) -> None:
        if wire.is_up:
            self._unplug(wire)
            how = "reset" if wire.is_torn else "closed"
            self._tell_end(wire, CTraderConnectionClosedError(f"the server {how} the link"))

    def _tell_end(self, wire: Wire, cause: Exception) -> None:
        if wire.life == self.life:
            self.session.connection_lost(wire.epoch, self.client_now, cause)
            self._settle()


def _nothing() -> Generator[Any, object, None]:
    """Wait for one result."""
    yield
