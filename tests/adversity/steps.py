"""Count the steps of an event loop, and strike before the n-th of them.

Whatever a client does on a loop happens in steps: of the caller's task, of the tasks that the
client owns, of callbacks. Between two steps the state of all of them is what an interruption
meets, so striking before each step in turn visits every state that there is, and needs no timing.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import trio

from ctrader.client import CTraderClient
from ctrader.protocol.pending import Pending

__all__ = [
    "WAYS",
    "Cut",
    "Steps",
    "client_threads",
    "cut_at",
    "leftovers",
    "open_files",
    "open_sockets",
    "running_tasks",
    "runs_asyncio",
]

WAYS: Final = ("native", "scope", "deadline")
"""How a caller is cancelled: as the loop does it, by anyio's scope, by a deadline that passes."""


class Steps(trio.abc.Instrument):
    """Counts the steps of the running loop, and strikes once."""

    def __init__(self) -> None:
        self.taken = 0
        """Steps since it was armed."""
        self.has_struck = False
        self._at = 0
        self._strikes: list[Callable[[], object]] = []

    def watch(self) -> None:
        """Count from now on; call it on the loop."""
        if not runs_asyncio():
            trio.lowlevel.add_instrument(self)
            return
        loop = asyncio.get_running_loop()
        enqueue = loop.call_soon

        def step(callback: Callable[..., object], *values: Any) -> None:
            self._count()
            callback(*values)

        def call_soon(
            callback: Callable[..., object], *values: Any, context: Context | None = None
        ) -> asyncio.Handle:
            return enqueue(step, callback, *values, context=context)

        # Tasks and futures schedule their steps by this method, found on the instance first.
        loop.call_soon = call_soon  # type: ignore[assignment]  # the stub's generics are narrower

    def arm(self, at: int, *strikes: Callable[[], object]) -> None:
        """Strike before the step with this number; 0 is at once, and further strikes follow on."""
        self.taken, self._at, self.has_struck = 0, at, False
        self._strikes = list(strikes)
        if not at:
            self._strike()

    def disarm(self) -> None:
        """Strike no more."""
        self._strikes = []

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._count()

    def _count(self) -> None:
        if not self._strikes:
            return
        self.taken += 1
        if self.taken >= self._at:
            self._strike()

    def _strike(self) -> None:
        self.has_struck = True
        self._strikes.pop(0)()


@dataclass(frozen=True, slots=True)
class Cut:
    """What became of an operation that was to be cancelled."""

    is_struck: bool
    """Whether it lasted as long as that step."""
    is_cancelled: bool
    """Whether it ended by the cancellation."""
    result: object = None
    """What it returned otherwise."""


async def cut_at(
    steps: Steps, at: int, way: str, operation: Callable[[], Awaitable[object]], *, again: int = 0
) -> Cut:
    """Begin an operation and cancel it before a step of the loop; its errors are raised.

    Args:
        steps: What counts.
        at: Number of the step; 0 is before the operation begins.
        way: One of `WAYS`.
        operation: What to begin.
        again: How many more times to cancel it, before each of the steps that follow.
    """
    if way == "native" and runs_asyncio():
        return await _cut_task(steps, at, operation, again)
    struck = False
    result: object = None
    with anyio.CancelScope() as scope:

        def expire() -> None:
            scope.deadline = anyio.current_time()

        steps.arm(at, *[expire if way == "deadline" else scope.cancel] * (1 + again))
        try:
            result = await operation()
        finally:
            struck = steps.has_struck
            steps.disarm()
    return Cut(struck, scope.cancelled_caught, result)


async def _cut_task(
    steps: Steps, at: int, operation: Callable[[], Awaitable[object]], again: int
) -> Cut:
    struck = False

    async def run() -> object:
        nonlocal struck
        steps.arm(at, *[task.cancel] * (1 + again))
        try:
            return await operation()
        finally:
            struck = steps.has_struck
            steps.disarm()

    task = asyncio.ensure_future(run())
    await asyncio.wait([task])
    if task.cancelled():
        return Cut(struck, is_cancelled=True)
    result = task.result()
    assert not struck, "the task was cancelled, and went on as if it had not been"
    return Cut(struck, is_cancelled=False, result=result)


def runs_asyncio() -> bool:
    """Whether the running loop is asyncio's."""
    try:
        trio.lowlevel.current_trio_token()
    except RuntimeError:
        return True
    return False


def running_tasks() -> list[str]:
    """Name the tasks of clients on the running loop."""
    names: list[str] = []
    if runs_asyncio():
        names = [task.get_name() for task in asyncio.all_tasks()]
    else:
        root = trio.lowlevel.current_root_task()
        assert root is not None
        found = [root]
        for task in found:
            found += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
        names = [task.name for task in found]
    return sorted(name for name in names if name.startswith("ctrader"))


def leftovers(client: CTraderClient) -> list[str]:
    """Tell what a client still keeps of the calls that were made of it."""
    driver = client._driver  # pyright: ignore[reportPrivateUsage]  # nothing public shows it
    commands: list[Pending] = driver._session._pending.all()  # pyright: ignore[reportPrivateUsage]
    left = [f"command {each.name}" for each in commands if _is_caller_s(each)]
    left += [f"waiter {call_id}" for call_id in driver._waiters]  # pyright: ignore[reportPrivateUsage]
    if driver._connecting:  # pyright: ignore[reportPrivateUsage]
        left.append("somebody in connect()")
    return left


def client_threads() -> list[str]:
    """Name the threads that clients have started."""
    ours = ("ctrader-io", "ctrader-connect", "ctrader-events")  # the simulator has one, too
    return sorted(each.name for each in threading.enumerate() if each.name.startswith(ours))


def open_files(folder: Path) -> list[str]:
    """Name the open files of a folder, a locked one among them; none where it cannot tell."""
    descriptors = Path("/proc/self/fd")
    if not descriptors.is_dir():
        return []
    return [
        found
        for entry in descriptors.iterdir()
        if Path(found := _target(entry)).is_relative_to(folder)
    ]


def open_sockets() -> int:
    """Count the sockets of this process; where it cannot tell, none are counted."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return 0
    return sum(_target(entry).startswith("socket:") for entry in folder.iterdir())


def _target(entry: Path) -> str:
    try:
        return os.readlink(entry)
    except OSError:
        return ""  # closed while it was looked at: the folder's own descriptor


def _is_caller_s(pending: Pending) -> bool:
    """Whether a command is a caller's; the search for an order in doubt goes on without one."""
    return pending.answered is None and pending.resume is None
