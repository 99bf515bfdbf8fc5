"""Kill processes that write to a journal, and look at what they leave.

    python -m tests.journal.kills [--count 500] [--seed 1]

Each process begins and settles requests, and tells of each step after the call returned. It is
killed with SIGKILL at a random moment. What it told must be in the journal, and the next process
must be able to write at once.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from ctrader.journal import Settlement, SqliteJournal

_ROOT: Final = Path(__file__).parents[2]
_MOST_STEPS: Final = 8
_LONGEST_STEP: Final = 0.002
"""Seconds within which a process is killed after the last step that was waited for."""

_WRITER: Final = """
import sys
from ctrader.journal import Settlement, SqliteJournal
from tests.journal.intents import order
journal = SqliteJournal(sys.argv[1], lock_timeout=0)
number = int(sys.stdin.readline())
journal.open()
while True:
    intent = order(number)
    journal.begin(intent)
    print("begun", number, flush=True)
    if number % 3:
        journal.settle(intent.intent_id, Settlement.DONE, number)
        print("settled", number, flush=True)
    number += 1
"""


class Outcome(NamedTuple):
    """What the processes told, and what was found of it."""

    kills: int
    begun: int
    """Requests in the journal."""
    untold: int
    """Those that a process had no time to tell of."""


def kill_writers(path: Path, count: int, seed: int) -> Outcome:
    """Kill so many processes, one after the other, and check the journal after each."""
    dice = Random(seed)
    begun: set[int] = set()
    settled: set[int] = set()
    untold = 0
    waiting = _writer(path)
    try:
        for _ in range(count):
            process, waiting = waiting, _writer(path)  # one starts while another one works
            told = _told_until_killed(process, max(begun, default=-1) + 1, dice)
            begun |= {number for step, number in told if step == "begun"}
            settled |= {number for step, number in told if step == "settled"}
            found = _check(path, begun, settled)
            untold += len(found - begun)
            begun = found
    finally:
        waiting.kill()
        waiting.communicate()
    return Outcome(count, len(begun), untold)


# Private


def _writer(path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
    )


def _told_until_killed(
    process: subprocess.Popen[str], first: int, dice: Random
) -> list[tuple[str, int]]:
    """Let a process write from a number on, kill it, and return the steps that it told."""
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{first}\n")
        process.stdin.flush()
        lines = [process.stdout.readline() for _ in range(dice.randrange(_MOST_STEPS))]
        time.sleep(dice.uniform(0, _LONGEST_STEP))  # into the middle of a step, wherever that is
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    whole = [line.split() for line in lines if line.endswith("\n")]
    return [(step, int(number)) for step, number in whole]


def _check(path: Path, begun: set[int], settled: set[int]) -> set[int]:
    """Check a journal, and return the numbers of all requests in it."""
    journal = SqliteJournal(path, lock_timeout=0)
    unsettled = {intent.intent_id for intent in journal.open()}
    try:
        entries = journal.entries()
        found = [int(entry.intent.intent_id.rpartition("-")[2]) for entry in entries]
        ended = {number for number, e in zip(found, entries, strict=True) if e.settlement}
        assert found == list(range(len(found)))
        assert begun <= set(found)
        assert len(set(found) - begun) <= 1, "a process was ahead of what it told by one step"
        assert settled <= ended
        assert all(e.settlement in (None, Settlement.DONE) for e in entries)
        assert unsettled == {f"intent-{number}" for number in set(found) - ended}
        assert all(journal.has_used(f"ct-{number:024x}") for number in found)
        return set(found)
    finally:
        journal.close()


def main() -> None:
    """Kill as many processes as the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "private" / "orders.journal"
        begun = time.perf_counter()
        outcome = kill_writers(path, arguments.count, arguments.seed)
        seconds = time.perf_counter() - begun
    sys.stdout.write(
        f"{outcome.kills} kills in {seconds:.0f} s: all of {outcome.begun} requests kept, "
        f"{outcome.untold} of them committed and not yet told of\n"
    )


if __name__ == "__main__":
    main()
