"""The simulator, driven through what was recorded, sends what was recorded."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from tests.recordings.likeness import TOLERANCES, compare
from tests.recordings.market import rehearse_bars, rehearse_quotes, rehearse_reference_data
from tests.recordings.recorded import EXECUTION, EXTERNAL, M2, PARTIAL, STAGE2
from tests.recordings.scenarios import scenario_of
from tests.recordings.stage import rehearse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.recordings.likeness import Comparison, Tolerance
    from tests.recordings.recorded import Recording
    from tests.recordings.stage import Rehearsal

ACCOUNTS: Final = (EXECUTION, STAGE2, EXTERNAL, PARTIAL)
"""Recordings of an account's life; the other one is of the market."""


def rehearsals(recordings: Mapping[str, Recording], name: str) -> list[tuple[Rehearsal, bool]]:
    """Run the simulator through a recording; say whether instants must be the same, too."""
    recording = recordings[name]
    if name != M2:
        return [(rehearse(recording), False)]
    return [
        (rehearse_reference_data(recording), False),
        (rehearse_bars(recording), True),
        (rehearse_quotes(recording), True),
    ]


def comparisons(recordings: Mapping[str, Recording], name: str) -> list[Comparison]:
    """Compare what the simulator sent with a recording."""
    return [
        compare(name, rehearsal.recorded, rehearsal.simulated, exact=exact)
        for rehearsal, exact in rehearsals(recordings, name)
    ]


@pytest.mark.parametrize("name", [*ACCOUNTS, M2])
def test_simulator_sends_what_was_recorded(name: str, recordings: Mapping[str, Recording]):
    found = [each for result in comparisons(recordings, name) for each in result.differences]
    assert not found, "\n" + "\n".join(map(str, found))


@pytest.mark.parametrize("name", [*ACCOUNTS, M2])
def test_no_recorded_message_is_left_out(
    name: str, recordings: Mapping[str, Recording], tell: Callable[[str], None]
):
    compared = [
        sent.line for rehearsal, _ in rehearsals(recordings, name) for sent in rehearsal.recorded
    ]
    assert compared == [line.number for line, _ in recordings[name].messages()]
    counted: dict[str, int] = {}
    for line in compared:
        scenario = scenario_of(name, line)
        counted[scenario] = counted.get(scenario, 0) + 1
    told = ", ".join(f"{count} in {scenario}" for scenario, count in counted.items())
    tell(f"compared {name}: {len(compared)} messages ({told})")


def test_every_tolerance_is_needed(
    recordings: Mapping[str, Recording], tell: Callable[[str], None]
):
    needed: Counter[Tolerance] = Counter()
    for name in (*ACCOUNTS, M2):
        for result in comparisons(recordings, name):
            needed += result.excused
    for each in TOLERANCES:
        tell(f"let pass {needed[each]} times: {each.path} ({each.reason})")
    assert set(needed) == set(TOLERANCES)
