"""A journal between processes: kills, races for the writer's place, and forks."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

from ctrader.journal import SqliteJournal
from tests.journal.intents import order
from tests.journal.kills import kill_writers

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL and forks")

ROOT: Final = Path(__file__).parents[2]


@contextlib.contextmanager
def script(text: str, path: Path) -> Generator[subprocess.Popen[str], None, None]:
    """Run a program that is given the path of a journal; what still runs at the end is killed."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", text, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def answer(process: subprocess.Popen[str], line: str = "") -> str:
    """Say something to a program, if anything, and return the line that it answers."""
    assert process.stdin is not None
    assert process.stdout is not None
    if line:
        process.stdin.write(f"{line}\n")
        process.stdin.flush()
    return process.stdout.readline().strip()


def test_killed_writers_lose_nothing_and_leave_the_place_to_the_next(tmp_path: Path):
    outcome = kill_writers(tmp_path / "private" / "orders.journal", 20, seed=3)
    assert outcome.kills == 20
    assert outcome.begun > 20


RACER: Final = """
import sys
from ctrader.errors import JournalError
from ctrader.journal import SqliteJournal
journal = SqliteJournal(sys.argv[1], lock_timeout=0)
print("there", flush=True)
for _ in sys.stdin:
    try:
        journal.open()
    except JournalError as error:
        print("open in another client" in str(error) and "refused", flush=True)
    else:
        print("writes", flush=True)
    sys.stdin.readline()
    journal.close()
    print("closed", flush=True)
"""


def test_one_of_two_processes_gets_the_writers_place(tmp_path: Path):
    path = tmp_path / "private" / "orders.journal"
    with script(RACER, path) as one, script(RACER, path) as other:
        racers = (one, other)
        assert [answer(each) for each in racers] == ["there", "there"]
        for _ in range(20):  # in the first round they race to make the file, too
            for each in racers:
                assert each.stdin is not None
                each.stdin.write("open\n")
            for each in racers:
                assert each.stdin is not None
                each.stdin.flush()
            assert sorted(answer(each) for each in racers) == ["refused", "writes"]
            assert [answer(each, "close") for each in racers] == ["closed", "closed"]
        for each in racers:
            assert each.stdin is not None
            each.stdin.close()


FORKING: Final = """
import os, signal, sys
from ctrader.errors import JournalError
from ctrader.journal import SqliteJournal
from tests.journal.intents import order
journal = SqliteJournal(sys.argv[1], lock_timeout=0)
journal.open()
journal.begin(order(1))
parent = os.getpid()
reading, writing = os.pipe()
if os.fork():
    journal.begin(order(2))
    os.write(writing, b".")
    while True:
        signal.pause()
os.read(reading, 1)
for call in (lambda: journal.begin(order(3)), lambda: journal.has_used("x"), journal.entries):
    try:
        call()
    except JournalError as error:
        assert f"left to process {parent} by a fork" in str(error), error
    else:
        raise AssertionError
try:
    journal.open()
except JournalError as error:
    assert "open in another client" in str(error), error
else:
    raise AssertionError
print("child", flush=True)
sys.stdin.readline()
journal.close()
journal.open()
journal.begin(order(3))
journal.close()
print("written", flush=True)
"""


def test_forked_child_neither_writes_nor_keeps_the_place_of_a_parent_that_is_dead(tmp_path: Path):
    path = tmp_path / "private" / "orders.journal"
    with script(FORKING, path) as parent:
        assert answer(parent) == "child"
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        journal = SqliteJournal(path, lock_timeout=0)
        assert journal.open() == (order(1), order(2))
        journal.close()
        assert answer(parent, "go on") == "written"  # the child takes the free place
    assert journal.open() == (order(1), order(2), order(3))
    journal.close()


FORKING_OFTEN: Final = """
import os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
from ctrader.journal import SqliteJournal
from tests.journal.intents import order
journal = SqliteJournal(sys.argv[1], lock_timeout=0)
journal.open()
ends = threading.Event()
begun = 0
def write():
    global begun
    while not ends.is_set():
        journal.begin(order(begun))
        begun += 1
writer = threading.Thread(target=write)
writer.start()
for _ in range(15):
    child = os.fork()
    if not child:
        sys.exit(0)  # everything that is inherited is closed
    assert os.waitpid(child, 0)[1] == 0
ends.set()
writer.join()
print(begun, flush=True)
"""


def test_forks_in_the_middle_of_writing_do_the_file_no_harm(tmp_path: Path):
    path = tmp_path / "private" / "orders.journal"
    with script(FORKING_OFTEN, path) as process:
        begun = int(answer(process))
    journal = SqliteJournal(path)
    assert journal.open() == tuple(order(number) for number in range(begun))
    journal.close()
