"""Group the corpus into what one link may deliver, and cut that in four ways."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from random import Random
from typing import Final

from tests.fuzz.corpus import Entry
from tests.fuzz.oracle import Outcome, fates_of

__all__ = ["CHUNKINGS", "Chunking", "ends_a_link", "volleys"]

Chunking = Callable[[list[bytes], Random], Iterable[bytes]]

_MOST: Final = 16
_AN_ID: Final = "0123456789abcdef-1"
_LAST: Final = (Outcome.BREAKS, Outcome.UNFINISHED, Outcome.ENDS)


def ends_a_link(entry: Entry) -> bool:
    """Whether nothing that follows it on the same link would be read as it was meant."""
    fates = fates_of(entry.frame(_AN_ID))
    return bool(fates) and fates[-1].outcome in _LAST


def volleys(entries: Iterable[Entry], rng: Random) -> Iterator[list[Entry]]:
    """Group entries: up to 16, of which only the last may end the link."""
    volley: list[Entry] = []
    size = rng.randrange(1, _MOST + 1)
    for entry in entries:
        volley.append(entry)
        if len(volley) == size or ends_a_link(entry):
            yield volley
            volley = []
            size = rng.randrange(1, _MOST + 1)
    if volley:
        yield volley


def _whole(frames: list[bytes], _: Random) -> Iterable[bytes]:
    return frames


def _in_pieces(frames: list[bytes], rng: Random) -> Iterable[bytes]:
    data = b"".join(frames)
    position = 0
    while position < len(data):
        size = rng.randrange(1, 8)
        yield data[position : position + size]
        position += size


def _merged(frames: list[bytes], _: Random) -> Iterable[bytes]:
    return (b"".join(frames),)


def _cut_anywhere(frames: list[bytes], rng: Random) -> Iterable[bytes]:
    data = b"".join(frames)
    borders = sorted(rng.choices(range(len(data) + 1), k=len(frames)))
    for start, end in itertools.pairwise([0, *borders, len(data)]):
        yield data[start:end]


CHUNKINGS: Final[dict[str, Chunking]] = {
    "whole": _whole,
    "in pieces": _in_pieces,
    "merged": _merged,
    "cut anywhere": _cut_anywhere,
}
