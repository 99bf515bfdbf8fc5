"""Run simulated hours under faults: `python -m tests.torture --seeds 0-999 --jobs 2`.

`--seed N` runs one, `--trace` prints all that happened in it. The exit code is 1 if a rule was
broken, and each seed that broke one is printed with the command that runs it again.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Final

from ctrader.simulator.switches import Switches
from tests.torture.scenario import FEWEST_FAULTS, FEWEST_ORDERS, Outcome, Scenario

__all__ = ["main"]

_CHUNK: Final = 20  # seeds that a worker takes at a time


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments name; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--seed", type=int, help="run one seed")
    parser.add_argument("--seeds", type=_seeds, default=range(100), help="run several, as 0-999")
    parser.add_argument("--jobs", type=int, default=1, help="how many processes")
    parser.add_argument("--trace", action="store_true", help="print all that happened in --seed")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return _run_one(options.seed, with_trace=options.trace)
    return _run_many(options.seeds, options.jobs)


def run(seed: int) -> Outcome:
    """Run one seed; an error that nobody handles counts as a breach, and so does an idle hour."""
    try:
        outcome = Scenario(seed).run()
        return replace(outcome, breaches=[*outcome.breaches, *_lacks(outcome)])
    except Exception:  # noqa: BLE001  # whatever it is, it is what was looked for
        return Outcome(seed, [traceback.format_exc()], (), {}, 0, 0, 0, 0, 0.0)


# Private


def _lacks(outcome: Outcome) -> list[str]:
    """Say of what an hour must bring more."""
    counts = {
        "faults": (len(outcome.plan), FEWEST_FAULTS),
        "requests": (sum(outcome.endings.values()), FEWEST_ORDERS),
    }
    return [
        f"only {count} {what}, at least {fewest} belong to an hour"
        for what, (count, fewest) in counts.items()
        if count < fewest
    ]


def _run_one(seed: int, *, with_trace: bool) -> int:
    scenario = Scenario(seed)
    try:
        outcome = scenario.run()
    finally:
        if with_trace:
            for at, what in scenario.world.trace:
                _say(f"{at / 1e9:12.6f} {what}")
    for fault in outcome.plan:
        _say(fault)
    for request in scenario.history.requests:
        _say(request)
    _say(f"switches: {_other_than_usual(scenario.exchange.switches)}")
    _say(f"{outcome.endings}, {outcome.links} links, {outcome.deals} deals")
    _tell([outcome])
    return 1 if outcome.breaches else 0


def _run_many(seeds: range, jobs: int) -> int:
    began, failed, cpu_s = time.perf_counter(), 0, 0.0
    totals: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    endings: Counter[str] = Counter()
    chunks = [seeds[i : i + _CHUNK] for i in range(0, len(seeds), _CHUNK)]
    # A process for each chunk: it ends with what its runs have left, and nobody collects that.
    with multiprocessing.Pool(jobs, maxtasksperchild=1) as pool:
        for outcomes in pool.imap(_run_chunk, chunks):
            failed += _tell(outcomes)
            for outcome in outcomes:
                cpu_s += outcome.cpu_s
                kinds.update(type(fault).__name__ for fault in outcome.plan)
                endings.update(outcome.endings)
                totals.update(
                    faults=len(outcome.plan),
                    requests=sum(outcome.endings.values()),
                    links=outcome.links,
                    deals=outcome.deals,
                    looks=outcome.standings,
                    refreshes=outcome.refreshes,
                )
    seconds = time.perf_counter() - began
    each = cpu_s / len(seeds)
    _say(f"{len(seeds)} seeds in {seconds:.1f} s on {jobs} processes, {failed} broke a rule")
    _say(f"{each:.3f} s of the processor for each seed")
    _say(f"in all: {_listed(totals)}")
    _say(f"requests ended: {_listed(endings)}")
    _say(f"faults: {_listed(kinds)}")
    return 1 if failed else 0


def _run_chunk(seeds: range) -> list[Outcome]:
    gc.disable()
    return [run(seed) for seed in seeds]


def _tell(outcomes: Iterable[Outcome]) -> int:
    failed = 0
    for outcome in outcomes:
        if outcome.breaches:
            failed += 1
            _say(f"seed {outcome.seed} broke {len(outcome.breaches)} rules:")
            for breach in outcome.breaches:
                _say(f"  {breach}")
            _say(f"  again: python -m tests.torture --seed {outcome.seed} --trace")
    return failed


def _other_than_usual(switches: Switches) -> str:
    usual = Switches()
    other = {
        each.name: getattr(switches, each.name)
        for each in fields(Switches)
        if getattr(switches, each.name) != getattr(usual, each.name)
    }
    return ", ".join(f"{name}={value!r}" for name, value in other.items())


def _say(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    sys.exit(main())
