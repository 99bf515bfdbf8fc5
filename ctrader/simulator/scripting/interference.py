"""What a script wants done to the frames of the connections, as rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.protocol.envelope import Envelope

__all__ = [
    "Answering",
    "Delivery",
    "FrameRule",
    "Interference",
    "OutgoingFrame",
    "RequestRule",
    "Rule",
    "Verdict",
]


@dataclass(frozen=True, slots=True)
class OutgoingFrame:
    """A frame that the server is about to send."""

    connection: int
    """Number of the connection."""
    envelope: Envelope = field(repr=False)
    """What it holds; answers to some requests hold tokens."""
    request: type[Message] | None
    """Kind of the request that it answers, None for an event that nobody here asked for."""


class Delivery(NamedTuple):
    """One frame that is sent in place of the one that a rule met."""

    envelope: Envelope
    delay: float = 0.0
    """Seconds until it is sent; frames that come meanwhile overtake it."""
    behind_next: bool = False
    """Whether it waits for the next frame of the connection, at most for `delay`."""

    def __repr__(self) -> str:
        """Return what it is without what it holds, which may be secret."""
        kind, wait = self.envelope.payload_type, f"delay={self.delay}"
        return f"<Delivery of type {kind}, {wait}, behind_next={self.behind_next}>"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a frame, and of its connection."""

    deliveries: Sequence[Delivery] = ()
    close: bool = False
    """Whether the connection ends behind them."""
    reset: bool = False
    """Whether it ends abruptly: what waits to be sent is lost."""


@dataclass(frozen=True, slots=True)
class Answering:
    """How a request is answered by a script instead of by its desk."""

    answer: Callable[[Message], Message | None] | None = None
    """Makes the answer, may raise a `Refusal`, and returns None for silence; None leaves the
    request to its desk."""
    close: bool = False
    """Whether the connection ends once the request was handled."""
    reset: bool = False
    """Whether it ends abruptly: the answer is lost."""


@dataclass(slots=True, eq=False)
class Rule:
    """Something that happens to the next frames that it meets; `cancel` ends it early."""

    connection: int | None = None
    """The only connection that it concerns, None for all."""
    skip: int = 0
    """How many frames that it meets go by untouched first."""
    times_left: int | None = 1
    """How many more frames it will be applied to, None without end."""
    hits: int = 0
    """How many frames it has been applied to."""

    @property
    def is_over(self) -> bool:
        """Whether it will not be applied any more."""
        return self.times_left == 0

    def cancel(self) -> None:
        """Apply it to no further frame."""
        self.times_left = 0

    def _count(self) -> bool:
        """Count a frame that fits; tell whether the rule is applied to it."""
        if self.skip:
            self.skip -= 1
            return False
        if self.times_left is not None:
            self.times_left -= 1
        self.hits += 1
        return True


@dataclass(slots=True, eq=False)
class FrameRule(Rule):
    """A rule for frames that the server sends."""

    kind: type[Message] | None = None
    """The only kind of message that it concerns, None for all."""
    to: type[Message] | None = None
    """Concerns only answers to this kind of request."""
    any_frame: bool = False
    """Whether frames that answer no request are concerned too, where `kind` is None."""
    action: Callable[[OutgoingFrame], Verdict] = field(kw_only=True)

    def decide(self, frame: OutgoingFrame) -> Verdict | None:
        """Return what becomes of a frame, None where the rule does not concern it."""
        if self.connection is not None and frame.connection != self.connection:
            return None
        if self.to is not None and frame.request is not self.to:
            return None
        if self.kind is not None:
            if frame.envelope.payload_type != PAYLOAD_TYPE_BY_MESSAGE[self.kind]:
                return None
        elif frame.request is None and not self.any_frame:
            return None
        return self.action(frame) if self._count() else None


@dataclass(slots=True, eq=False)
class RequestRule(Rule):
    """A rule for requests, before any desk has seen them."""

    kind: type[Message] | None = None
    """The only kind of request that it concerns, None for all."""
    answering: Answering = field(kw_only=True)

    def decide(self, connection: int, request: Message) -> Answering | None:
        """Return how a request is answered, None where the rule does not concern it."""
        if self.connection is not None and connection != self.connection:
            return None
        if self.kind is not None and not isinstance(request, self.kind):
            return None
        return self.answering if self._count() else None


AnyRule: TypeAlias = "FrameRule | RequestRule"


class Interference:
    """The rules that stand; of those that fit, the oldest decides alone."""

    def __init__(self) -> None:
        """Begin with no rules."""
        self._frame_rules: list[FrameRule] = []
        self._request_rules: list[RequestRule] = []

    def add(self, rule: AnyRule) -> None:
        """Let a rule stand behind those that stand already."""
        if isinstance(rule, FrameRule):
            self._frame_rules.append(rule)
        else:
            self._request_rules.append(rule)

    def clear(self) -> None:
        """Cancel every rule."""
        for rule in (*self._frame_rules, *self._request_rules):
            rule.cancel()
        self._frame_rules.clear()
        self._request_rules.clear()

    @property
    def concerns_frames(self) -> bool:
        """Whether any rule may apply to a frame that the server sends."""
        return bool(self._frame_rules)

    def outgoing(self, frame: OutgoingFrame) -> Verdict | None:
        """Return what becomes of a frame that the server sends, None to send it as it is."""
        for rule in tuple(self._frame_rules):
            verdict = None if rule.is_over else rule.decide(frame)
            if rule.is_over and rule in self._frame_rules:
                self._frame_rules.remove(rule)
            if verdict is not None:
                return verdict
        return None

    def incoming(self, connection: int, request: Message) -> Answering | None:
        """Return how a request is answered, None to leave it to its desk."""
        for rule in tuple(self._request_rules):
            answering = None if rule.is_over else rule.decide(connection, request)
            if rule.is_over and rule in self._request_rules:
                self._request_rules.remove(rule)
            if answering is not None:
                return answering
        return None
