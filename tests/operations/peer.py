"""Step operations by hand: a scripted peer answers their commands, without session or socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ctrader.proto.registry import RESPONSE_BY_REQUEST
from ctrader.protocol.commands import Call, Command, Completion, Priority

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.operations.base import Op

T = TypeVar("T")


def drive(operation: Op[T], answer: Callable[[Command], object]) -> T:
    """Run an operation; what `answer` gives is its result, or is thrown into it if an exception."""
    try:
        command = next(operation)
        while True:
            reply = answer(command)
            if isinstance(reply, Exception):
                command = operation.throw(reply)
            else:
                command = operation.send(reply)
    except StopIteration as end:
        result: T = end.value
        return result


def converse(operation: Op[T], *turns: tuple[Command, object]) -> T:
    """Run an operation against a script of expected commands and their replies."""
    waiting = list(turns)

    def answer(command: Command) -> object:
        assert waiting, f"unexpected command: {command}"
        expected, reply = waiting.pop(0)
        assert command == expected
        return reply

    result = drive(operation, answer)
    assert not waiting, f"never asked: {waiting[0][0]}"
    return result


def question(
    request: Message,
    *,
    account_id: int | None = 7,
    priority: Priority = Priority.READ,
    resend: bool = True,
) -> Call:
    """Build the call that an ordinary request should be."""
    return Call(
        request,
        RESPONSE_BY_REQUEST[type(request)],
        Completion.REPLY,
        priority,
        resend,
        account_id,
    )


def order(request: Message, completion: Completion) -> Call:
    """Build the call that a trading request should be."""
    return Call(
        request, None, completion, Priority.TRADING, False, account_id=7, fills_in_digits=True
    )
