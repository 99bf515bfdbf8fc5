"""Have trading requests kept before they are sent, and how they ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from ctrader.errors import CTraderError, DuplicateClientOrderIdError, JournalError
from ctrader.journal.record import Intent, Settlement
from ctrader.protocol.background import FOREVER
from ctrader.protocol.commands import CallId, Keep, Pause
from ctrader.protocol.effects import JobRequested
from ctrader.units import SECOND

if TYPE_CHECKING:
    from ctrader.journal.store import OrderJournal
    from ctrader.protocol.background import Background, Operation
    from ctrader.protocol.context import Context
    from ctrader.protocol.correlation import PendingCall
    from ctrader.protocol.pending import PendingCommands
    from ctrader.protocol.terms import OpenPosition

__all__ = ["Journaling", "Record"]

SHORTEST_WAIT: Final = 1 * SECOND
"""Before what could not be settled is tried again; it doubles each time."""
LONGEST_WAIT: Final = 60 * SECOND
"""Between two tries at most."""

_ID_BITS: Final = 96
_NOBODY: Final[CallId] = 0
"""Takes the result of a job that nobody waits for; commands are counted from 1."""

Opened: TypeAlias = Callable[[CTraderError | None], None]
"""Is told that the journal is open, or why it is not."""

Kept: TypeAlias = Callable[["PendingCall", Exception | None], None]
"""Is told that a request was committed, or why it was not."""


class Record:
    """One trading request, and how far its entry in the journal has come.

    Jobs are done one at a time and in order, on another thread. Each field is written by one side
    only, and a job looks at what it needs when its turn comes.
    """

    __slots__ = ("intent", "is_begun", "is_settled", "is_withdrawn", "order_id", "settlement")

    def __init__(self, intent: Intent, *, is_begun: bool = False) -> None:
        self.intent = intent
        self.settlement: Settlement | None = None
        """How it ended; written by the core before it asks for the job."""
        self.order_id: int | None = None
        self.is_withdrawn = False
        """Whether it ended before it was committed; written by the core."""
        self.is_begun = is_begun
        """Whether it is in the journal; written by jobs."""
        self.is_settled = False
        """Whether its end is in the journal; written by jobs."""


class _Hold:
    """Whether this session is the journal's writer; written by jobs.

    Another client's journal must not be closed because it could not be opened here.
    """

    __slots__ = ("is_writer",)

    def __init__(self) -> None:
        self.is_writer = False


class Journaling:
    """Open the journal, write to it, and close it, all of it by jobs.

    `open` comes first and `close` last; in between requests are begun and settled. After `close`
    it may be opened again. What a user's journal raises is a `JournalError` here.
    """

    __slots__ = (
        "_background",
        "_context",
        "_failed",
        "_hold",
        "_is_ending",
        "_is_retrying",
        "_journal",
        "_opening",
        "_pending",
        "_unsettled",
        "recover",
    )

    def __init__(
        self,
        context: Context,
        pending: PendingCommands,
        background: Background,
        journal: OrderJournal,
    ) -> None:
        self._context = context
        self._pending = pending
        self._background = background
        self._journal = journal
        self._hold: _Hold | None = None
        self._opening: CallId | None = None
        self._unsettled: tuple[Intent, ...] = ()
        self._failed: list[Record] = []
        self._is_retrying = False
        self._is_ending = False
        self.recover: Callable[[tuple[Intent, ...]], None] = _nobody
        """Takes what an earlier process has left unsettled."""

    # The life of the journal

    def open(self, opened: Opened) -> None:
        """Become the journal's writer."""
        self._hold = hold = _Hold()
        self._opening = self._pending.submit(
            Keep(partial(_open, self._journal, hold)),
            FOREVER,
            resume=partial(self._opened, opened),
        )

    def connected(self) -> None:
        """Hand over what an earlier process has left, as soon as it can be looked for."""
        unsettled, self._unsettled = self._unsettled, ()
        self.recover(unsettled)

    def ending(self) -> None:
        """Wait for no job any more, as the session does not go on."""
        self._is_ending = True

    def close(self) -> None:
        """Let somebody else be the writer, after what is being written."""
        hold, self._hold = self._hold, None
        if hold is None:
            return
        if self._opening is not None:
            self._pending.remove(self._opening)
            self._opening = None
        failed, self._failed, self._unsettled = tuple(self._failed), [], ()
        self._ask(partial(_close, self._journal, hold, failed))

    # Requests

    def begin(self, call: PendingCall, closed: OpenPosition | None, kept: Kept) -> None:
        """Commit a request that is about to be sent.

        Args:
            call: The request.
            closed: The position that it closes, as it is now; None if unknown, or for others.
            kept: Told when it is kept, or why it is not.
        """
        context, request = self._context, call.request
        assert call.call.account_id is not None
        call.record = Record(
            Intent(
                intent_id=f"{context.rng.getrandbits(_ID_BITS):024x}",
                account_id=call.call.account_id,
                request_type=type(request).__name__,
                request=request.SerializeToString(),
                unix_ms=round(context.wall().timestamp() * 1000),
                server_time_ms=context.server_ms(),
                client_order_id=call.client_order_id,
                order_id=getattr(request, "orderId", None) or None,
                position_id=getattr(request, "positionId", None) or None,
                open_volume=None if closed is None else closed.volume,
                position_updated_ms=(None if closed is None else closed.updated_ms) or None,
            )
        )
        self._pending.submit(
            Keep(partial(_begin, self._journal, call.record)),
            FOREVER,
            resume=lambda _, error: kept(call, error),
        )

    def not_sent(self, record: Record) -> None:
        """Note that a request ended before it was handed over."""
        record.is_withdrawn = True
        self.settle(record, Settlement.NOT_SENT)

    def settle(self, record: Record, settlement: Settlement, order_id: int | None = None) -> None:
        """Note how a request ended."""
        record.settlement, record.order_id = settlement, order_id
        job = partial(_settle, self._journal, record)
        if self._is_ending:
            self._ask(job)
            return
        self._pending.submit(
            Keep(job, is_vital=True),
            FOREVER,
            resume=lambda _, error: self._settled(record, error),
            is_vital=True,
        )

    # Private

    def _ask(self, job: Callable[[], object]) -> None:
        """Have something done that nobody waits for, even if the session has ended."""
        self._context.effects.append(JobRequested(_NOBODY, job, is_vital=True))

    def _opened(self, opened: Opened, result: object, error: Exception | None) -> None:
        self._opening = None
        if error is None:
            assert isinstance(result, tuple)
            self._unsettled = result
        assert error is None or isinstance(error, CTraderError)
        opened(error)

    def _settled(self, record: Record, error: Exception | None) -> None:
        if error is None or self._hold is None:
            return
        self._failed.append(record)
        if not self._is_retrying:
            self._is_retrying = True
            self._context.warn(
                f"The journal could not keep how a trading request ended: {error}. It is tried "
                "again; what is not kept in the end is looked up when the next client opens the "
                "journal."
            )
            self._background.spawn(self._retry())

    def _retry(self) -> Operation[None]:
        """Try again, more and more rarely, until everything that has ended is kept."""
        wait = SHORTEST_WAIT
        while self._failed:
            yield Pause(wait)
            wait = min(2 * wait, LONGEST_WAIT)
            try:
                for record in tuple(self._failed):
                    yield Keep(partial(_settle, self._journal, record), is_vital=True)
                    self._failed.remove(record)
            except CTraderError:
                continue  # it was told when it failed first
        self._is_retrying = False


# What jobs do


def _open(journal: OrderJournal, hold: _Hold) -> tuple[Intent, ...]:
    try:
        unsettled = tuple(journal.open())
    except Exception as error:
        raise _journal_error(error) from error
    hold.is_writer = True
    return unsettled


def _begin(journal: OrderJournal, record: Record) -> None:
    if record.is_withdrawn:
        return
    try:
        journal.begin(record.intent)
    except DuplicateClientOrderIdError:
        raise
    except Exception as error:
        # It may have been kept all the same, and its client order id with it. What this cannot
        # take back is found absent by the next client that opens the journal.
        with contextlib.suppress(Exception):
            journal.settle(record.intent.intent_id, Settlement.NOT_SENT)
        raise _journal_error(error) from error
    record.is_begun = True


def _settle(journal: OrderJournal, record: Record) -> None:
    if not record.is_begun or record.is_settled:
        return
    assert record.settlement is not None
    try:
        journal.settle(record.intent.intent_id, record.settlement, record.order_id)
    except Exception as error:
        raise _journal_error(error) from error
    record.is_settled = True


def _close(journal: OrderJournal, hold: _Hold, failed: tuple[Record, ...]) -> None:
    if not hold.is_writer:
        return
    hold.is_writer = False
    try:
        for record in failed:
            _settle(journal, record)
    finally:
        journal.close()


def _journal_error(error: Exception) -> JournalError:
    if isinstance(error, JournalError):
        return error
    return JournalError(f"The journal failed with {type(error).__name__}: {error}")


def _nobody(_: tuple[Intent, ...]) -> None:
    """Stand in until a machine takes the place."""
