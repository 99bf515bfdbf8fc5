"""Strike with Ctrl-C at the n-th place of the calling thread's code where a signal may strike.

Python looks for signals at the beginning of its functions, after calls of others, and when a loop
goes round, and nowhere else. An interruption at each of these places in turn needs no timing.
Places are left out where a `try` or `with` ends right behind the call: what would be raised inside
of it must not be raised outside.
"""

from __future__ import annotations

import dis
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache
from types import CodeType, FrameType
from typing import Any, Final

__all__ = ["Interruption", "interrupt_at"]

_CALLS: Final = frozenset(
    dis.opmap[name]
    for name in ("CALL", "CALL_FUNCTION_EX", "CALL_KW")
    if name in dis.opmap  # they differ a little between versions
)
_LOOKS_FOR_SIGNALS: Final = _CALLS | {dis.opmap["JUMP_BACKWARD"], dis.opmap["RESUME"]}


@dataclass(frozen=True, slots=True)
class Interruption:
    """What became of an operation that was to be interrupted."""

    is_struck: bool
    """Whether it has as many places."""
    is_interrupted: bool
    """Whether it ended by that."""
    result: object = None
    """What it returned otherwise."""
    where: str = ""
    """The line that it struck, for whoever looks for what it left behind."""


def interrupt_at(at: int, operation: Callable[[], object], files: Collection[str]) -> Interruption:
    """Do something and raise `KeyboardInterrupt` in it; its other errors are raised.

    Args:
        at: Number of the place, from 1.
        operation: What to do.
        files: Paths of the source files whose places count.
    """
    places = entered = 0
    where = ""

    def enter(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal entered
        entered += 1
        code = frame.f_code
        if code.co_filename not in files:
            return None
        frame.f_trace_opcodes = True
        before, entered_before = -1, 0

        def look(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal before, entered_before, places, where
            if event == "opcode":
                last, before = before, frame.f_lasti
                is_back, entered_before = entered != entered_before, entered
                if last >= 0 and _is_place(code, last, before, is_back=is_back):
                    places += 1
                    if places == at:
                        where = f"{code.co_qualname}, line {frame.f_lineno}"
                        raise KeyboardInterrupt
            return look

        return look

    tracer = sys.gettrace()
    sys.settrace(enter)
    try:
        result = operation()
    except KeyboardInterrupt:
        return Interruption(places >= at, is_interrupted=True, where=where)
    finally:
        sys.settrace(tracer)  # that of the coverage, perhaps
    return Interruption(places >= at, is_interrupted=False, result=result, where=where)


def _is_place(code: CodeType, last: int, following: int, *, is_back: bool) -> bool:
    operation = code.co_code[last]
    if operation not in _LOOKS_FOR_SIGNALS or (is_back and operation in _CALLS):
        return False
    handlers = _handlers(code)
    return _handler(handlers, last) == _handler(handlers, following)


def _handler(handlers: tuple[tuple[int, int, int], ...], offset: int) -> int | None:
    for start, end, target in handlers:
        if start <= offset < end:
            return target
    return None


@cache
def _handlers(code: CodeType) -> tuple[tuple[int, int, int], ...]:
    """Return which instructions are guarded by which handler: start, end, handler.

    The table's format is told in CPython's InternalDocs/exception_handling.md.
    """
    table = iter(code.co_exceptiontable)

    def number(first: int | None = None) -> int:
        byte = next(table) if first is None else first
        value = byte & 63
        while byte & 64:
            byte = next(table)
            value = value << 6 | byte & 63
        return value

    found: list[tuple[int, int, int]] = []
    for first in table:
        start = number(first) * 2
        end = start + number() * 2
        target = number() * 2
        number()  # the depth of the stack
        found.append((start, end, target))
    return tuple(found)
