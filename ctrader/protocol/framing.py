"""Cut a byte stream into frames of the Open API's length-prefixed format.

A frame is a 4-byte big-endian length, followed by that many bytes, which are one serialised
`ProtoMessage`. A length of zero carries nothing and is skipped.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from ctrader.errors import FramingError

__all__ = ["MAX_FRAME_LENGTH", "FrameBuffer", "encode_frame"]

MAX_FRAME_LENGTH: Final = 15_000_000
"""Longest frame body accepted or sent, in bytes: the limit of the official clients."""

_PREFIX: Final = Struct(">I")
_PREFIX_LENGTH: Final = 4


def encode_frame(body: bytes) -> bytes:
    """Put the length prefix before one serialised envelope.

    Raises:
        FramingError: the body is longer than `MAX_FRAME_LENGTH`; nothing can be sent.
    """
    if len(body) > MAX_FRAME_LENGTH:
        raise FramingError(len(body), MAX_FRAME_LENGTH)
    return _PREFIX.pack(len(body)) + body


class FrameBuffer:
    """Hold the unfinished end of a stream between reads.

    `feed` it every read. It returns the block in which the whole frames lie, with their borders,
    so that a reader can look into a frame without copying it first. When `failure` is set after a
    `feed`, the stream is lost: handle the frames that were returned, close the link, and begin
    with a new buffer.
    """

    __slots__ = ("_held", "_max_length", "_pieces", "_wanted", "failure")

    def __init__(self, max_length: int = MAX_FRAME_LENGTH) -> None:
        self._max_length = max_length
        self._pieces: list[bytes] = []
        self._held = 0
        self._wanted = 0
        self.failure: FramingError | None = None
        """Why the stream cannot be read on, or None while it can."""

    @property
    def held(self) -> int:
        """Bytes of the unfinished frame that wait for their rest."""
        return self._held

    def feed(self, data: bytes) -> tuple[bytes, list[tuple[int, int]]]:
        """Take one read; return a block and the borders of the frame bodies in it.

        Args:
            data: What the transport delivered, split anywhere.

        Returns: The bytes that the borders index, and `(start, end)` of each frame body in order.
            A length prefix over the limit ends the list and sets `failure`; nothing of that size
            is allocated. After a failure every read returns nothing.
        """
        if self.failure is not None:
            return b"", []
        block = data
        if self._pieces:
            self._pieces.append(data)
            self._held += len(data)
            # A frame of megabytes comes in many reads: join them once, not at each read.
            if self._held < self._wanted:
                return b"", []
            block = b"".join(self._pieces)
            self._pieces = []
        spans: list[tuple[int, int]] = []
        position = 0
        available = len(block)
        self._wanted = _PREFIX_LENGTH
        unpack_from = _PREFIX.unpack_from
        while available - position >= _PREFIX_LENGTH:
            (length,) = unpack_from(block, position)
            start = position + _PREFIX_LENGTH
            if length > self._max_length:
                self.failure = FramingError(length, self._max_length)
                self._held = 0
                return block, spans
            end = start + length
            if end > available:
                self._wanted = _PREFIX_LENGTH + length
                break
            if length:
                spans.append((start, end))
            position = end
        self._held = available - position
        if self._held:
            self._pieces.append(block[position:])
        return block, spans
