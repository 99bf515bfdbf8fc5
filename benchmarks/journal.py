"""Measure what the journal costs a trading request, in microseconds.

    python benchmarks/journal.py [--orders 1000] [--folder FOLDER] [--kept 0]

An order waits for `begin()` before it is sent; `settle()` comes after its end. Most of either is
the disk: the yardstick, in the same run and folder, appends a record to a file and waits until it
is on the disk. `--kept` puts so many settled orders into the file before, and `open()` is measured
on them.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ctrader.journal import Intent, Settlement, SqliteJournal


def intent(number: int) -> Intent:
    return Intent(
        intent_id=f"{number:032x}",
        account_id=1_000_001,
        request_type="ProtoOANewOrderReq",
        request=os.urandom(80),
        unix_ms=1_700_000_000_000 + number,
        server_time_ms=1_700_000_000_000 + number,
        client_order_id=f"ct-{os.urandom(12).hex()}",
    )


def microseconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return (time.perf_counter() - begun) * 1e6


def report(name: str, times: list[float]) -> None:
    times.sort()
    middle, most, worst = (times[int(len(times) * part)] for part in (0.5, 0.9, 0.99))
    print(f"{name:<16} median {middle:6.0f} µs   90 % {most:6.0f}   99 % {worst:6.0f}")


def appended(folder: Path, count: int) -> list[float]:
    descriptor = os.open(folder / "yardstick", os.O_WRONLY | os.O_CREAT, 0o600)
    record = bytes(300)
    try:
        times: list[float] = []
        for _ in range(count):
            begun = time.perf_counter()
            os.write(descriptor, record)
            os.fsync(descriptor)
            times.append((time.perf_counter() - begun) * 1e6)
        return times
    finally:
        os.close(descriptor)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--orders", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured")
    parser.add_argument("--kept", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        journal = SqliteJournal(folder / "orders.journal")
        journal.open()
        for number in range(arguments.kept):
            journal.begin(intent(number))
            journal.settle(f"{number:032x}", Settlement.DONE, number)
        journal.close()
        opening = microseconds(journal.open)
        begins: list[float] = []
        settles: list[float] = []
        for number in range(arguments.kept, arguments.kept + arguments.orders):
            order = intent(number)
            begins.append(microseconds(partial(journal.begin, order)))
            settles.append(
                microseconds(partial(journal.settle, order.intent_id, Settlement.DONE, 1))
            )
        journal.close()
        size = journal.path.stat().st_size
        report("append and sync", appended(folder, arguments.orders))
    report("begin()", begins)
    report("settle()", settles)
    print(f"open() with {arguments.kept} orders in the file: {opening / 1000:.1f} ms")
    print(f"{size / (arguments.kept + arguments.orders):.0f} bytes an order in the end")


if __name__ == "__main__":
    main()
