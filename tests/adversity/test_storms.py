"""Storms on all three drivers: trading through forty faults on real sockets with TLS."""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from ctrader.simulator import Simulator
from tests.adversity.proxy import FaultKind
from tests.adversity.storm import Storm, wrong_protections
from tests.adversity.storms import DRIVERS, replayed
from tests.torture.history import Ask, Ending, Request, Resolution

SEED: Final = 20
FAULTS: Final = 40
BOUND: Final = 150
"""Seconds that a storm of a quarter of a minute may take on a busy machine."""
ROOT: Final = Path(__file__).parents[2]


@pytest.mark.timeout(180)
def test_trading_through_forty_faults_loses_and_doubles_nothing():
    # Storms wait more than they compute: one process for each driver, all at once.
    command = [sys.executable, "-m", "tests.adversity.storms", "--seed", str(SEED)]
    command += ["--faults", str(FAULTS), "--reconnects", str(FAULTS // 3), "--orders", "100"]
    with ExitStack() as stack:
        played = {
            driver: stack.enter_context(
                subprocess.Popen(
                    [*command, "--driver", driver],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    cwd=ROOT,
                )
            )
            for driver in DRIVERS
        }
        for process in played.values():
            stack.callback(process.kill)
        told = {driver: process.communicate(timeout=BOUND)[0] for driver, process in played.items()}
    for driver, process in played.items():
        assert process.returncode == 0, told[driver]
        assert "nothing lost, doubled or unresolved" in told[driver]
        for kind in FaultKind:
            assert re.search(rf"\b{kind.name} [1-9]", told[driver]), told[driver]


def test_failing_storm_says_how_to_play_it_again(simulator: Simulator):
    storm = Storm(None, simulator, seed=7, faults=3, orders=5)  # type: ignore[arg-type]  # not played
    with pytest.raises(AssertionError) as caught, replayed("trio", storm):
        raise AssertionError("an order is missing")
    (note,) = caught.value.__notes__
    assert "python -m tests.adversity.storms --driver trio --seed 7 --faults 3" in note
    assert note.endswith("--reconnects 0 --orders 5")


@pytest.mark.parametrize(
    ("ending", "resolution", "stop", "is_right"),
    [
        (Ending.DONE, None, 50_000, True),
        (Ending.DONE, None, None, False),
        (Ending.REJECTED, None, None, True),
        (Ending.REJECTED, None, 50_000, False),
        (Ending.UNKNOWN, Resolution.HAPPENED, 50_000, True),
        (Ending.UNKNOWN, Resolution.ABSENT, 50_000, False),
        (Ending.DONE, None, 60_000, False),
    ],
)
def test_stop_loss_is_compared_with_what_was_told(
    ending: Ending, resolution: Resolution | None, stop: int | None, is_right: bool
):
    request = Request(1, Ask.PROTECT, 1, 0.0, price=0.5, position_id=9, ending=ending)
    request.resolution = resolution
    position = {"position_id": 9, "stop_loss": stop, "status": 1}
    ledger = {"accounts": [{"positions": [position]}]}
    assert (not wrong_protections([request], ledger)) is is_right
