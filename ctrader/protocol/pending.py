"""Hold every command from its submission to its end, which comes exactly once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from ctrader.errors import CTraderConnectionTimeoutError, OrderOutcomeUnknownError
from ctrader.protocol.commands import (
    Call,
    CallId,
    Command,
    Keep,
    NextEvent,
    Pause,
    Resolve,
    Topic,
    WaitSettled,
)
from ctrader.protocol.effects import CallCompleted, CallFailed
from ctrader.protocol.orders import trading_failure
from ctrader.protocol.timers import Timer

if TYPE_CHECKING:
    from ctrader.errors import CTraderError
    from ctrader.protocol.context import Context
    from ctrader.protocol.correlation import PendingCall
    from ctrader.protocol.decoding import EventDecoder

__all__ = [
    "Answered",
    "CommandMachine",
    "Connect",
    "Pending",
    "PendingCommands",
    "Resume",
    "Waits",
    "is_request",
]

Answered: TypeAlias = Callable[["Pending", Exception | None], None]
"""Takes a request that the session made itself when it ends, and its error."""

Resume: TypeAlias = Callable[[object, Exception | None], None]
"""Takes the result or the error of a command, and goes on with what asked for it."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Wait for the link to stand; `Session.start` submits it."""

    def __str__(self) -> str:
        return "connecting"


@dataclass(slots=True, eq=False)
class Pending:
    """A command that has not ended."""

    call_id: CallId
    command: Command | Connect
    timeout: float
    """Seconds that it may take."""
    answered: Answered | None = None
    """Who is told of its end; None for a caller's command, which ends with an effect."""
    resume: Resume | None = None
    """What goes on with its end, where background work gave the command."""
    is_vital: bool = False
    """Whether the session, when it is closed, waits for its end within the grace period."""
    call: PendingCall | None = None
    """How far a request has come."""
    owned: tuple[Topic, ...] = ()
    """Topics that this very command made its owner an owner of."""

    @property
    def name(self) -> str:
        """What it is called in an error's text."""
        return str(self.command)

    @property
    def is_change(self) -> bool:
        """Whether it is a caller's request that is not simply sent again."""
        return self.answered is None and isinstance(self.command, Call) and not self.command.resend

    @property
    def is_sent(self) -> bool:
        """Whether it is a request that was handed to the transport."""
        return self.call is not None and self.call.is_sent


class CommandMachine(Protocol):
    """Carries out commands of some types."""

    def begin(self, pending: Pending) -> None:
        """Do what a new command asks for; it may end it at once."""
        ...

    def leave(self, pending: Pending) -> None:
        """Forget a command, however it ended."""
        ...

    def undo(self, pending: Pending) -> None:
        """Take back what a command wanted that failed or was cancelled."""
        ...


class PendingCommands:
    """Number commands, watch their deadlines, and end each of them once."""

    __slots__ = (
        "_by_id",
        "_context",
        "_last_id",
        "_machines",
        "emptied",
        "in_doubt",
        "leaves_unknown",
        "obstacle",
    )

    def __init__(self, context: Context) -> None:
        self._context = context
        self._by_id: dict[CallId, Pending] = {}
        self._machines: dict[type, CommandMachine] = {}
        self._last_id: CallId = 0
        self.emptied: Callable[[], None] = _ignore
        """Called when the last command has ended."""
        self.leaves_unknown = False
        """A trading request that this link took has ended without an answer."""
        self.in_doubt: Callable[[PendingCall, BaseException | None], None] = _ignore_doubt
        """Called with a trading request that was sent and ended without a definite answer."""
        self.obstacle: Callable[[PendingCall], str | None] = _no_obstacle
        """Says why a request cannot go out now, None where nothing keeps it."""

    def serve(self, machine: CommandMachine, *commands: type) -> None:
        """Let a machine carry out commands of these types."""
        for command in commands:
            self._machines[command] = machine

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, call_id: CallId) -> Pending:
        """Return a command that has not ended."""
        return self._by_id[call_id]

    def all(self) -> list[Pending]:
        """Return every command, oldest first."""
        return list(self._by_id.values())

    def of(self, *commands: type) -> list[Pending]:
        """Return the commands of some types, oldest first."""
        return [p for p in self._by_id.values() if isinstance(p.command, commands)]

    def submit(
        self,
        command: Command | Connect,
        timeout: float | None = None,
        answered: Answered | None = None,
        *,
        resume: Resume | None = None,
        is_vital: bool = False,
    ) -> CallId:
        """Begin a command; without a timeout it gets the `request_timeout`.

        What the session asks for itself gets no more than its `own_timeout`.
        """
        context = self._context
        self._last_id += 1
        default = context.config.request_timeout if answered is None else context.own_timeout
        seconds = default if timeout is None else timeout
        if isinstance(command, Call | WaitSettled):
            seconds *= command.share
        deadline = context.after(seconds)
        pending = Pending(self._last_id, command, seconds, answered, resume, is_vital)
        self._by_id[pending.call_id] = pending
        context.timers.set(Timer.CALL, deadline, pending.call_id)
        self._machines[type(command)].begin(pending)
        return pending.call_id

    def allow(self, call_id: CallId, seconds: float) -> None:
        """Let a command take some seconds from now on, whatever it was given before."""
        self._by_id[call_id].timeout = seconds
        self._context.timers.set(Timer.CALL, self._context.after(seconds), call_id)

    def remove(self, call_id: CallId) -> Pending | None:
        """Take a command out without telling anybody; None if it has ended."""
        pending = self._by_id.pop(call_id, None)
        if pending is not None:
            self._context.timers.clear(Timer.CALL, call_id)
            self._machines[type(pending.command)].leave(pending)
        return pending

    def end(
        self, call_id: CallId, result: object = None, *, error: Exception | None = None
    ) -> None:
        """End a command; one that has ended stays as it is."""
        pending = self.remove(call_id)
        if pending is None:
            return
        if error is not None:
            self._machines[type(pending.command)].undo(pending)
        if isinstance(error, OrderOutcomeUnknownError):
            assert pending.call is not None
            self.in_doubt(pending.call, error.cause)
        if pending.resume is not None:
            pending.resume(result, error)
        elif pending.answered is not None:
            pending.answered(pending, error)
        elif error is None:
            self._context.effects.append(CallCompleted(call_id, result))
        else:
            self._context.effects.append(CallFailed(call_id, error))
        if not self._by_id:
            self.emptied()

    def cancel(self, call_id: CallId) -> Pending | None:
        """End a command whose caller went away, without an effect; None if it has ended."""
        pending = self.remove(call_id)
        if pending is not None:
            self._note_unknown(pending)
            self._machines[type(pending.command)].undo(pending)
            if pending.call is not None and pending.call.is_trading and pending.is_sent:
                self.in_doubt(pending.call, None)
            if not self._by_id:
                self.emptied()
        return pending

    def abandon(self, pending: Pending, cause: CTraderError) -> None:
        """End a command that can get no answer any more.

        A trading request that was handed to the transport may have been carried out; its error
        says so.
        """
        call = pending.call
        self._note_unknown(pending)
        if call is not None and call.is_trading:
            self.end(pending.call_id, error=trading_failure(call, str(cause), cause))
        else:
            self.end(pending.call_id, error=cause)

    def _note_unknown(self, pending: Pending) -> None:
        call = pending.call
        if call is not None and call.is_trading and call.is_sent:
            self.leaves_unknown = True

    def timed_out(self, call_id: CallId) -> None:
        """End a command whose deadline has come."""
        pending = self._by_id[call_id]
        name = pending.name
        setbacks = self._context.setbacks
        reason = setbacks.reason()
        if pending.call is not None and not pending.call.is_sent:
            name += ", which could not be sent yet,"
            obstacle = None if reason or pending.answered else self.obstacle(pending.call)
            reason = f"{obstacle}." if obstacle else reason
        error = CTraderConnectionTimeoutError(
            pending.timeout,
            name,
            setbacks.cause,
            reason=reason,
            may_be_done=pending.is_sent and pending.is_change,
        )
        self.abandon(pending, error)


class Waits:
    """Carry out the commands that wait for time, or for an event."""

    __slots__ = ("_context", "_decoder", "_events", "_pending")

    def __init__(self, context: Context, pending: PendingCommands, decoder: EventDecoder) -> None:
        self._context = context
        self._pending = pending
        self._decoder = decoder
        self._events: dict[CallId, NextEvent] = {}
        pending.serve(self, Pause, NextEvent)

    def begin(self, pending: Pending) -> None:
        """Begin to wait."""
        command = pending.command
        if isinstance(command, NextEvent):
            self._events[pending.call_id] = command
            self._context.watch_for(self, self._watch)
            self._decoder.wait_for(command.kinds)
        else:
            assert isinstance(command, Pause)
            over = self._context.now + command.duration
            if over + command.duration > self._context.after(pending.timeout):
                self._pending.end(pending.call_id, False)
                return
            self._context.timers.set(Timer.PAUSE, over, pending.call_id)

    def leave(self, pending: Pending) -> None:
        """Wait no longer."""
        self._context.timers.clear(Timer.PAUSE, pending.call_id)
        command = self._events.pop(pending.call_id, None)
        if command is not None:
            self._decoder.wait_over(command.kinds)
            if not self._events:
                self._context.watch_for(self, None)

    def undo(self, pending: Pending) -> None:
        """Do nothing: waiting wants nothing of the server."""

    def _watch(self, event: object) -> None:
        for call_id, waiting in list(self._events.items()):
            if type(event) in waiting.kinds and waiting.predicate(event):
                self._pending.end(call_id, event)


def is_request(pending: Pending) -> bool:
    """Whether a command is one that the server would have to answer."""
    return not isinstance(
        pending.command, Connect | Pause | Keep | Resolve | NextEvent | WaitSettled
    )


def _ignore() -> None:
    """Stand in until a machine takes the place."""


def _ignore_doubt(_: PendingCall, __: BaseException | None) -> None:
    """Stand in until a machine takes the place."""


def _no_obstacle(_: PendingCall) -> None:
    """Stand in until a machine takes the place."""
