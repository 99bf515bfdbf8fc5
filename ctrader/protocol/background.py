"""Step operations that have no caller, inside the session."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from ctrader.errors import CTraderError
from ctrader.protocol.commands import Call, Command, Keep, Pause
from ctrader.protocol.effects import JobRequested, Phase

if TYPE_CHECKING:
    from ctrader.protocol.commands import CallId
    from ctrader.protocol.context import Context
    from ctrader.protocol.pending import Pending, PendingCommands

__all__ = ["Background", "Jobs", "Operation"]

T = TypeVar("T")

Operation: TypeAlias = Generator[Command, object, T]
"""What is stepped: it yields commands, is sent their results, and returns a `T`."""

Ended: TypeAlias = Callable[[T | None, CTraderError | None], None]
"""Is told the result of an operation, or the error that ended it."""

FOREVER: Final = 1e9
"""Seconds, some thirty years: it waits until what it waits for happens, or the session ends."""


class _Run:
    """One operation, and the command that it waits for."""

    __slots__ = ("is_vital", "operation", "report")

    def __init__(
        self,
        operation: Operation[object],
        report: Callable[[object, CTraderError | None], None],
        *,
        is_vital: bool,
    ) -> None:
        self.operation = operation
        self.report = report
        self.is_vital = is_vital


class Background:
    """Run operations that the session itself has begun.

    A request that may be sent again gets the `request_timeout`; whatever else an operation waits
    for may take as long as the session lives.
    """

    __slots__ = ("_context", "_pending", "_ready")

    def __init__(self, context: Context, pending: PendingCommands) -> None:
        self._context = context
        self._pending = pending
        self._ready: deque[tuple[_Run, object, Exception | None]] = deque()

    def spawn(
        self, operation: Operation[T], ended: Ended[T] | None = None, *, is_vital: bool = False
    ) -> None:
        """Begin an operation; it takes its first step before the next effects are taken.

        Args:
            operation: The generator.
            ended: Called with its result, or with the error that ended it. Not called if the
                session ends first.
            is_vital: Whether closing the session waits for it, within the grace period.
        """

        def report(result: object, error: CTraderError | None) -> None:
            if ended is not None:
                ended(result, error)  # type: ignore[arg-type] # what the generator returned is a T

        self._ready.append((_Run(operation, report, is_vital=is_vital), None, None))

    def step(self) -> None:
        """Take every operation on that has something to go on with."""
        while self._ready:
            self._resume(*self._ready.popleft())

    # Private

    def _resume(self, run: _Run, result: object, error: Exception | None) -> None:
        phase = self._context.phase
        if phase is Phase.FINISHED or (phase is Phase.CLOSING and not run.is_vital):
            run.operation.close()
            return
        try:
            command = run.operation.send(result) if error is None else run.operation.throw(error)
        except StopIteration as stop:
            run.report(stop.value, None)
        except CTraderError as failure:
            run.report(None, failure)
        else:
            may_repeat = isinstance(command, Call) and command.resend
            self._pending.submit(
                command,
                None if may_repeat else FOREVER,
                resume=partial(self._ended, run),
                # When the session closes, whoever pauses does now what it can.
                is_vital=run.is_vital and not isinstance(command, Pause),
            )

    def _ended(self, run: _Run, result: object, error: Exception | None) -> None:
        # It goes on when the present input has been dealt with: in the middle of that a machine
        # may be half changed.
        self._ready.append((run, result, error))


class Jobs:
    """Carry out `Keep`: hand to the driver what must not be done inside the session."""

    __slots__ = ("_context", "_pending")

    def __init__(self, context: Context, pending: PendingCommands) -> None:
        self._context = context
        self._pending = pending
        pending.serve(self, Keep)

    def done(self, call_id: CallId, result: object, error: Exception | None) -> None:
        """Take a job's result; one that nobody waits for any more changes nothing."""
        self._pending.end(call_id, result, error=error)

    # Commands

    def begin(self, pending: Pending) -> None:
        """Ask the driver to do it."""
        command = pending.command
        assert isinstance(command, Keep)
        self._context.effects.append(
            JobRequested(
                pending.call_id,
                command.job,
                is_callback=command.is_callback,
                is_vital=command.is_vital,
                waits=command.waits,
            )
        )

    def leave(self, pending: Pending) -> None:
        """Do nothing: what has been begun is done."""

    def undo(self, pending: Pending) -> None:
        """Do nothing, likewise."""
