"""Cut a span into requests, so that nothing of a history is lost or doubled."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias, TypeVar

from ctrader.errors import ProtocolError
from ctrader.protocol.commands import Priority
from ctrader.units import millis_from_datetime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from ctrader.operations.base import Op

__all__ = ["WEEK", "Fetch", "Window", "recent_span", "span", "whole_list", "windows"]

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

WEEK: Final = 604_800_000  # ms; longer windows of lists and ticks are refused: INCORRECT_BOUNDARIES

DEFAULT_SPAN: Final = timedelta(days=7)  # what lists cover when no time is given
CLOCK_SLACK: Final = timedelta(minutes=1)  # a local clock this slow still sees the newest rows

Window: TypeAlias = tuple[int | None, int | None]
"""First and last Unix millisecond, both belonging to it; None where it is open."""


class Fetch(Protocol[R_co]):
    """Asks for the rows of one window."""

    def __call__(
        self, start: int | None, end: int | None, priority: Priority, /
    ) -> Op[tuple[Sequence[R_co], bool]]:
        """Return rows, and whether the answer left some out."""
        ...


def span(from_timestamp: datetime, to_timestamp: datetime) -> tuple[int, int]:
    """Convert a span of time to Unix milliseconds.

    Raises:
        ValueError: a time is naive or outside what the server accepts, or the first is the later.
    """
    first, last = millis_from_datetime(from_timestamp), millis_from_datetime(to_timestamp)
    if first > last:
        raise ValueError(
            f"from_timestamp {from_timestamp.isoformat()} is after "
            f"to_timestamp {to_timestamp.isoformat()}; swap them"
        )
    return first, last


def recent_span(
    from_timestamp: datetime | None, to_timestamp: datetime | None, now: datetime
) -> tuple[int, int]:
    """Convert a span to Unix milliseconds; what is not given is the last seven days.

    Args:
        from_timestamp: Begin; None for seven days before the end.
        to_timestamp: End; None for now, with a minute of slack for a local clock that is slow.
        now: The present time.

    Raises:
        ValueError: a time is naive or outside what the server accepts, or the first is the later.
    """
    end = now + CLOCK_SLACK if to_timestamp is None else to_timestamp
    return span(end - DEFAULT_SPAN if from_timestamp is None else from_timestamp, end)


def windows(first: int, last: int, length: int) -> Iterator[tuple[int, int]]:
    """Cut a span into windows of at most `length` ms, oldest first.

    Neighbours share their border, because nobody says whether the server counts both borders in;
    what both hold is the same row and is kept once.
    """
    start = first
    while True:
        end = min(start + length, last)
        yield start, end
        if end == last:
            return
        start = end


def whole_list(
    fetch: Fetch[R],
    spans: Sequence[Window],
    *,
    identity: Callable[[R], int],
    moment: Callable[[R], int],
) -> Op[list[R]]:
    """Ask for every row of some windows, however often answers are cut off.

    Args:
        fetch: Asks for one window.
        spans: The windows.
        identity: The id of a row; of two rows with one id the newer answer's is kept.
        moment: The Unix millisecond by which the server files a row; 0 if the row does not say.

    Returns: The rows in no order.
    Raises: ProtocolError: the server says that there is more, and it cannot be asked for.
    """
    found: dict[int, R] = {}
    priority = Priority.READ
    waiting = [_Span(*window) for window in reversed(spans)]
    while waiting:
        asked = waiting.pop()
        rows, has_more = yield from fetch(asked.start, asked.end, priority)
        priority = Priority.BULK
        for row in rows:
            found[identity(row)] = row
        if has_more:
            waiting += _remainder(asked, [moment(row) for row in rows])
    return list(found.values())


class _Span(NamedTuple):
    """A stretch of time that is still to be asked for."""

    start: int | None
    end: int | None
    seen: int | None = None
    """The border whose rows came with the answer that this is the rest of."""


def _remainder(asked: _Span, moments: list[int]) -> list[_Span]:
    """Find where the rows are that an answer left out.

    An answer that was cut off holds the rows at one end of its span, and the sources contradict
    each other about which end. So both the time before its oldest row and the time after its
    newest are asked for; the wrong one of them costs one request and brings nothing. The borders
    themselves are asked for again: rows that share a millisecond may have been torn apart.
    """
    start, end = asked.start, asked.end
    if not moments:
        raise ProtocolError("the server says that a list goes on, but not where")
    oldest, newest = min(moments), max(moments)
    older, newer = _Span(start, oldest, oldest), _Span(newest, end, newest)
    # The rows must be filed by the time that they show.
    is_filed = (1 if start is None else start) <= oldest and (end is None or newest <= end)
    if is_filed and older[:2] != (start, end) and newer[:2] != (start, end):
        # Beyond a border that this answer shares with the one before there is nothing.
        return [part for part in (older, newer) if part != (asked.seen,) * 3]
    if start == end or (start is None and end is None):
        raise ProtocolError("the server says that a list goes on, but not where")
    if is_filed and end is not None and oldest == newest == end:
        # All of one millisecond, at the border: the rest is beside it, or of the same one. The
        # answer shows that the server counts this border in.
        return [_Span(start, end - 1), _Span(end, end)]
    if is_filed and start is not None and oldest == newest == start:
        return [_Span(start, start), _Span(start + 1, end)]
    # What is filed otherwise tells nothing: then halves are asked for, which always works.
    if start is None or end is None:
        raise ProtocolError("the server says that a list goes on, but not where")
    middle = (start + end) // 2
    return [_Span(start, middle), _Span(middle + 1, end)]
