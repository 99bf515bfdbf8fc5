"""Do on a thread of its own, one after the other, what the session wants kept."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from ctrader.protocol.commands import CallId
    from ctrader.protocol.effects import JobRequested

__all__ = ["Clerk"]


class Report(Protocol):
    """Takes what came of a job."""

    def __call__(self, call_id: CallId, result: object, error: Exception | None) -> None:
        """Take the result, or the error."""
        ...


class Clerk:
    """A thread that lives while there is something to do.

    It may block as long as it likes: neither the link nor any caller waits for it.
    """

    def __init__(self, name: str) -> None:
        """Make a clerk without a thread.

        Args:
            name: Of the thread.
        """
        self._name: Final = name
        self._idle = threading.Condition()
        self._jobs: deque[tuple[JobRequested, Report]] = deque()
        self._thread: threading.Thread | None = None

    def take(self, job: JobRequested, report: Report) -> None:
        """Have something done, after what was asked for before.

        Args:
            job: What to do.
            report: Is called on the thread with what came of it.
        """
        with self._idle:
            self._jobs.append((job, report))
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            try:
                self._thread.start()
            except RuntimeError:
                self._thread = threading.current_thread()
            else:
                return
        # The system has no thread left: an order or a token is worth this one's waiting.
        self._run()

    def finish(self, timeout: float) -> None:
        """Drop what need not be done any more, and wait for the rest."""
        with self._idle:
            kept = [(job, report) for job, report in self._jobs if job.is_vital]
            self._jobs.clear()
            self._jobs.extend(kept)
            if self._thread is not threading.current_thread():
                self._idle.wait_for(lambda: self._thread is None, timeout)

    # Private

    def _run(self) -> None:
        while True:
            with self._idle:
                if not self._jobs:
                    self._thread = None
                    self._idle.notify_all()
                    return
                job, report = self._jobs.popleft()
            try:
                result = job.job()
            except Exception as error:  # noqa: BLE001 - the session is told, whatever it is
                report(job.call_id, None, error)
            except BaseException as error:  # noqa: BLE001 - it would end this thread only, unseen
                report(job.call_id, None, RuntimeError(f"it raised {type(error).__name__}"))
            else:
                report(job.call_id, result, None)
