"""Know of what more will be heard shortly, and let commands wait until it was.

Two requests that build on the same state must not pass each other: the second would undo what the
first did. So whoever builds on a state waits until nothing is under way that changes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrader.protocol.commands import CallId, Subject, WaitSettled
from ctrader.protocol.timers import Timer

if TYPE_CHECKING:
    from ctrader.protocol.context import Context
    from ctrader.protocol.pending import Pending, PendingCommands
    from ctrader.units import Nanos

__all__ = ["Unsettled"]


class Unsettled:
    """The subjects of requests under way, and of events that are about to come."""

    __slots__ = ("_context", "_expected", "_pending", "_under_way", "_waiting")

    def __init__(self, context: Context, pending: PendingCommands) -> None:
        self._context = context
        self._pending = pending
        self._under_way: dict[CallId, Subject] = {}
        self._expected: dict[Subject, None] = {}
        self._waiting: dict[CallId, Subject] = {}
        pending.serve(self, WaitSettled)

    def __contains__(self, subject: Subject) -> bool:
        """Whether more will be heard of a subject."""
        return subject in self._expected or subject in self._under_way.values()

    def begun(self, subject: Subject, call_id: CallId) -> None:
        """Take note of a request that changes a subject, or asks for it."""
        self._under_way[call_id] = subject

    def ended(self, call_id: CallId, late: Nanos | None = None) -> None:
        """Take note of its end, unless that was noted before.

        Args:
            call_id: The request.
            late: How long it may still come into effect, which an event tells then; None for a
                request that cannot, or whose effect is known.
        """
        subject = self._under_way.pop(call_id, None)
        if subject is None:
            return
        if late is not None:
            self.expect(subject, late)
        self._release(subject)

    def expect(self, subject: Subject, patience: Nanos) -> None:
        """Expect to hear more of a subject, for so long."""
        self._expected[subject] = None
        self._context.timers.set(Timer.SETTLED, self._context.now + patience, subject)

    def heard(self, subject: Subject) -> None:
        """Take note that what was expected has come, or will not come any more."""
        if subject in self._expected:
            del self._expected[subject]
            self._context.timers.clear(Timer.SETTLED, subject)
            self._release(subject)

    def lost(self, account_id: int | None) -> None:
        """Expect nothing more of an account, or of any: what was to come cannot come here."""
        for subject in list(self._expected):
            if account_id in (None, subject.account_id):
                self.heard(subject)

    # Commands

    def begin(self, pending: Pending) -> None:
        """Begin to wait for a subject."""
        command = pending.command
        assert isinstance(command, WaitSettled)
        self._waiting[pending.call_id] = command.subject
        self._release(command.subject)

    def leave(self, pending: Pending) -> None:
        """Wait no longer."""
        del self._waiting[pending.call_id]

    def undo(self, pending: Pending) -> None:
        """Do nothing: waiting wants nothing of the server."""

    # Private

    def _release(self, subject: Subject) -> None:
        """End the waiting for a subject unless there is something left to wait for."""
        if subject in self:
            return
        for call_id in [c for c, awaited in self._waiting.items() if awaited == subject]:
            self._pending.end(call_id)
