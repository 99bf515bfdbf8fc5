"""The record of every frame in both directions, decoded, with its time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf.message import DecodeError, Message
from google.protobuf.text_format import MessageToString

from ctrader.proto.registry import (
    MESSAGE_BY_PAYLOAD_TYPE,
    PAYLOAD_TYPE_BY_MESSAGE,
    PAYLOAD_TYPE_NAMES,
)

if TYPE_CHECKING:
    from ctrader.protocol.envelope import Envelope

__all__ = ["Frame", "Recording"]

M = TypeVar("M", bound=Message)

_SECOND: Final = 1_000_000_000
_CAPACITY: Final = 1_000_000  # frames; a day of quotes of a few symbols
_SECRETS: Final = ("accessToken", "clientSecret", "refreshToken")


@dataclass(frozen=True, slots=True)
class Frame:
    """One recorded frame."""

    at: float
    """Seconds since the simulator was made."""
    connection: int
    """Number of the connection, counted from 1."""
    outbound: bool
    """Whether the server sent it."""
    payload_type: int
    payload: bytes
    """The serialised message; requests of authentication hold secrets."""
    client_msg_id: str | None

    @property
    def message(self) -> Message | None:
        """The message, None where it is of no known type or cannot be parsed."""
        kind = MESSAGE_BY_PAYLOAD_TYPE.get(self.payload_type)
        if kind is None:
            return None
        try:
            return kind.FromString(self.payload)
        except DecodeError:
            return None

    def __repr__(self) -> str:
        direction = "sent" if self.outbound else "received"
        name = PAYLOAD_TYPE_NAMES.get(self.payload_type, "unknown")
        return f"<Frame {direction} {name} ({self.payload_type}), {len(self.payload)} bytes>"

    def __str__(self) -> str:
        """Return the whole frame on one line, secrets hidden."""
        message = self.message
        name = "unknown" if message is None else type(message).__name__
        text = self._bytes() if message is None else _text(message)
        mark = "" if self.client_msg_id is None else f" id={_on_one_line(self.client_msg_id)}"
        arrow = "<-" if self.outbound else "->"
        return f"{self.at:12.6f} #{self.connection} {arrow} {name}{mark} {{{text}}}"

    def _bytes(self) -> str:
        """Return what could not be parsed, unless there could be secrets in it."""
        kind = MESSAGE_BY_PAYLOAD_TYPE.get(self.payload_type)
        if kind is not None and not set(_SECRETS).isdisjoint(kind.DESCRIPTOR.fields_by_name):
            return f"{len(self.payload)} bytes"
        return self.payload.hex()


class Recording:
    """Frames in the order in which they passed; the oldest give way when it is full."""

    def __init__(self, capacity: int = _CAPACITY) -> None:
        """Begin empty, and switched off.

        Args:
            capacity: Most frames that are kept.
        """
        self.is_on = False
        """Whether frames are kept; switch it at any time."""
        self.dropped = 0
        """How many frames gave way to newer ones."""
        self.on_frame: Callable[[], None] | None = None
        """Is called after each frame that was kept."""
        self._frames: deque[Frame] = deque(maxlen=capacity)

    def take(self, at: int, connection: int, outbound: bool, envelope: Envelope) -> None:
        """Keep one frame, if the recording is on.

        Args:
            at: Nanoseconds since the exchange opened.
            connection: Number of the connection.
            outbound: Whether the server sent it.
            envelope: What it holds.
        """
        if not self.is_on:
            return
        if len(self._frames) == self._frames.maxlen:
            self.dropped += 1
        self._frames.append(Frame(at / _SECOND, connection, outbound, *envelope))
        if self.on_frame is not None:
            self.on_frame()

    def clear(self) -> None:
        """Forget all frames so far."""
        self._frames.clear()
        self.dropped = 0

    def frames(
        self,
        kind: type[Message] | None = None,
        *,
        outbound: bool | None = None,
        connection: int | None = None,
    ) -> list[Frame]:
        """Return the frames so far, in order.

        Args:
            kind: Only those with this kind of message.
            outbound: Only those that the server sent, or only those that it received.
            connection: Only those of one connection.
        """
        wanted = None if kind is None else PAYLOAD_TYPE_BY_MESSAGE[kind]
        return [
            frame
            for frame in self._frames
            if (wanted is None or frame.payload_type == wanted)
            and (outbound is None or frame.outbound == outbound)
            and (connection is None or frame.connection == connection)
        ]

    def sent_by_client(self, kind: type[M], *, connection: int | None = None) -> list[M]:
        """Return the messages of one kind that clients sent, in order."""
        return list(_decoded(self.frames(kind, outbound=False, connection=connection), kind))

    def sent_by_server(self, kind: type[M], *, connection: int | None = None) -> list[M]:
        """Return the messages of one kind that the server sent, in order."""
        return list(_decoded(self.frames(kind, outbound=True, connection=connection), kind))

    def dump(self) -> str:
        """Return all frames as text, one a line with its time; secrets are hidden.

        `->` stands before what a client sent, `<-` before what the server sent.
        """
        return "".join(f"{frame}\n" for frame in self._frames)


def _decoded(frames: list[Frame], kind: type[M]) -> Iterator[M]:
    for frame in frames:
        message = frame.message
        if isinstance(message, kind):
            yield message


def _on_one_line(text: str) -> str:
    """Return a text in which no character ends a line or cannot be seen."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )


def _text(message: Message) -> str:
    shown = type(message)()
    shown.CopyFrom(message)
    for given, _ in message.ListFields():
        if given.name in _SECRETS:
            setattr(shown, given.name, "***")
    return MessageToString(shown, as_one_line=True)
