"""What can be made to happen to the frames or requests that a script picked.

Every verb returns the rule that does it, which counts its `hits` and can be cancelled. Of the
rules that fit a frame the oldest decides alone, so two `drop()` drop two frames.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from inspect import isfunction
from typing import TYPE_CHECKING, ClassVar, Final, Literal, TypeAlias

from google.protobuf.message import Message

from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE, PAYLOAD_TYPE_BY_MESSAGE
from ctrader.protocol.envelope import Envelope
from ctrader.simulator.checked import check_integer, check_text
from ctrader.simulator.refusals import OrderRefusal, Refusal
from ctrader.simulator.scripting.interference import (
    Answering,
    Delivery,
    FrameRule,
    OutgoingFrame,
    RequestRule,
    Rule,
    Verdict,
)

if TYPE_CHECKING:
    from ctrader.simulator.exchange import Exchange

__all__ = ["Enter", "FramePick", "RequestPick", "check_refusal"]

_MOST_COPIES: Final = 100_000
_LONGEST: Final = 1e9  # seconds; longer than any test, and still a whole number of nanoseconds

Enter: TypeAlias = "Callable[[], AbstractContextManager[object]]"
"""Opens the context in which the exchange may be touched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pick:
    """Which frames a rule is for."""

    exchange: Exchange
    enter: Enter
    connection: int | None
    skip: int
    times: int | None
    _OTHERS: ClassVar[str]

    def __post_init__(self) -> None:
        if self.skip < 0 or (self.times is not None and self.times < 1):
            raise ValueError(
                f"skip must be 0 or more and times 1 or more or None, "
                f"not {self.skip} and {self.times}"
            )

    if not TYPE_CHECKING:  # checkers tell by themselves

        def __getattr__(self, name: str) -> object:
            if name.startswith("_"):
                raise AttributeError(name)
            kind = type(self)
            verbs = ", ".join(sorted(each for each in vars(kind) if _is_verb(kind, each)))
            raise AttributeError(f"{kind.__name__} has no {name}(), only {verbs}; {self._OTHERS}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePick(_Pick):
    """Frames that the server is going to send; choose what becomes of them."""

    _OTHERS: ClassVar[str] = "refuse, answer and ignore are for next_request"

    kind: type[Message] | None = None
    to: type[Message] | None = None
    any_frame: bool = False

    def drop(self) -> Rule:
        """Lose them; what they answer was done all the same."""
        return self.apply(lambda _: Verdict())

    def delay(self, seconds: float) -> Rule:
        """Send them later; frames that come meanwhile overtake them.

        An answer about an account whose session ends before becomes a refusal.

        Args:
            seconds: How much later, on the driver's clock.

        Raises:
            ValueError: the time is no number from 0 on.
        """
        _check_time(seconds)
        return self.apply(lambda frame: Verdict((Delivery(frame.envelope, seconds),)))

    def duplicate(self, copies: int = 1) -> Rule:
        """Send them more than once, the copies right behind.

        Args:
            copies: How many times more.

        Raises:
            ValueError: that is less than once.
        """
        if copies < 1:
            raise ValueError(f"copies must be 1 or more, not {copies}")
        check_integer("copies", copies, 1, _MOST_COPIES)
        return self.apply(lambda frame: Verdict((Delivery(frame.envelope),) * (1 + copies)))

    def reorder(self, *, within: float = 1.0) -> Rule:
        """Send them behind the frame that follows on the connection.

        Args:
            within: Seconds after which they are sent even if none follows.

        Raises:
            ValueError: the time is no number from 0 on.
        """
        _check_time(within)
        return self.apply(lambda frame: Verdict((Delivery(frame.envelope, within, True),)))

    def replace(self, change: Message | Callable[[Message], Message]) -> Rule:
        """Send another message under the same id.

        Args:
            change: That message, or a function that makes it of the one to be sent. Required
                fields may be missing.

        Raises:
            TypeError: it is neither.
            ValueError: the message is none of the Open API.
        """
        fixed = _payload(change) if isinstance(change, Message) else None
        if fixed is None and not callable(change):
            raise TypeError(f"give a message or a function that makes one, not {change!r}")

        def act(frame: OutgoingFrame) -> Verdict:
            payload = fixed
            if payload is None:
                assert not isinstance(change, Message)  # it would be the fixed one
                kind = MESSAGE_BY_PAYLOAD_TYPE[frame.envelope.payload_type]
                payload = _payload(change(kind.FromString(frame.envelope.payload)))
            return Verdict((Delivery(Envelope(*payload, frame.envelope.client_msg_id)),))

        return self.apply(act)

    def close(self, *, delivered: bool = True, reset: bool = False) -> Rule:
        """End the connection at them.

        Args:
            delivered: Whether they are sent before; with `reset` they may be lost all the same.
            reset: Whether to end it abruptly, as when a machine is gone.
        """

        def act(frame: OutgoingFrame) -> Verdict:
            deliveries = (Delivery(frame.envelope),) if delivered else ()
            return Verdict(deliveries, close=True, reset=reset)

        return self.apply(act)

    def apply(self, action: Callable[[OutgoingFrame], Verdict]) -> Rule:
        """Let a function decide, frame by frame; all other verbs are made of this one.

        Args:
            action: Is asked once for each frame.
        """
        rule = FrameRule(
            connection=self.connection,
            skip=self.skip,
            times_left=self.times,
            kind=self.kind,
            to=self.to,
            any_frame=self.any_frame,
            action=action,
        )
        with self.enter():
            self.exchange.interference.add(rule)
        return rule


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPick(_Pick):
    """Requests that clients are going to send; choose how they are answered."""

    _OTHERS: ClassVar[str] = "what the server sends is for next_answer and next_frame"

    kind: type[Message] | None = None

    def refuse(
        self,
        code: str,
        description: str = "",
        *,
        retry_after: int | None = None,
        frame: Literal["error", "common", "order"] = "error",
    ) -> Rule:
        """Answer them with an error; nothing is done.

        Args:
            code: Any error code, known or not.
            description: Text for people.
            retry_after: Seconds to wait before the next try.
            frame: `ProtoOAErrorRes`, `ProtoErrorRes`, or `ProtoOAOrderErrorEvent`, which needs a
                request that names an account.

        Raises:
            ValueError: no frame can hold such a code, text or time, or there is no such frame.
        """
        check_refusal(code, description, frame, retry_after=retry_after)

        def refuse(_: Message) -> Message | None:
            if frame == "order":
                raise OrderRefusal(code, description)
            raise Refusal(code, description, retry_after=retry_after, is_common=frame == "common")

        return self._add(Answering(refuse))

    def answer(self, answer: Message | Callable[[Message], Message | None]) -> Rule:
        """Answer them in place of the broker; nothing is done.

        Args:
            answer: The answer, or a function that makes it of the request, returns None for
                silence, and may raise a `Refusal`.

        Raises:
            TypeError: it is neither a message nor a function.
            ValueError: the answer is no message of the Open API, or lacks required fields; such
                a one is what `replace` can send.
        """
        if isinstance(answer, Message):
            kind, data = type(answer), _payload(answer)[1]
            if not answer.IsInitialized():
                raise ValueError(f"the {kind.__name__} lacks required fields")
            # Each time anew, as the caller may change the one that was given.
            return self._add(Answering(lambda _: kind.FromString(data)))
        if not callable(answer):
            raise TypeError(f"give a message or a function that makes one, not {answer!r}")
        return self._add(Answering(answer))

    def ignore(self) -> Rule:
        """Lose them: nothing is done, and nothing is answered."""
        return self._add(Answering(lambda _: None))

    def close(self, *, handled: bool = True, reset: bool = False) -> Rule:
        """End the connection at them.

        Args:
            handled: Whether what they ask for is done, and answered, before.
            reset: Whether to end it abruptly: then the answer is lost in any case.
        """
        return self._add(Answering(None if handled else lambda _: None, close=True, reset=reset))

    # Private

    def _add(self, answering: Answering) -> Rule:
        rule = RequestRule(
            connection=self.connection,
            skip=self.skip,
            times_left=self.times,
            kind=self.kind,
            answering=answering,
        )
        with self.enter():
            self.exchange.interference.add(rule)
        return rule


def check_refusal(
    code: str, description: str, frame: str, *, retry_after: int | None = None
) -> None:
    """Check that a refusal can be sent.

    Raises:
        ValueError: no frame can hold such a code, text or time, or there is no such frame.
    """
    if frame not in ("error", "common", "order"):
        raise ValueError(f"frame must be 'error', 'common' or 'order', not {frame!r}")
    check_text("code", code)
    check_text("description", description)
    if retry_after is not None:
        check_integer("retry_after", retry_after)


def _payload(message: Message) -> tuple[int, bytes]:
    """Return the payload type and the bytes of a message.

    Raises:
        ValueError: it is none of the Open API, which has a payload type for each.
    """
    payload_type = PAYLOAD_TYPE_BY_MESSAGE.get(type(message))
    if payload_type is None:
        raise ValueError(f"{type(message).__name__} is no message that has a payload type")
    return payload_type, message.SerializePartialToString()


def _check_time(seconds: float) -> None:
    if not 0 <= seconds < _LONGEST:
        raise ValueError(f"the time must be a number of seconds from 0 on, not {seconds}")


def _is_verb(kind: type[_Pick], name: str) -> bool:
    return not name.startswith("_") and isfunction(getattr(kind, name))
