"""What happens where in the recordings, as their README tells it."""

from __future__ import annotations

from typing import Final

from tests.recordings.recorded import EXECUTION, EXTERNAL, M2, PARTIAL, STAGE2

__all__ = ["SCENARIOS", "scenario_of"]

SCENARIOS: Final[dict[str, tuple[tuple[int, str], ...]]] = {
    EXECUTION: (
        (1, "start"),
        (4, "A market buy with distances"),
        (11, "B levels moved, removed, set"),
        (25, "C partial close"),
        (32, "D stop loss moved and hit"),
        (38, "E second market buy"),
        (44, "F levels moved, take profit hit"),
        (71, "G limit order placed and cancelled"),
        (80, "closing lists"),
    ),
    STAGE2: (
        (1, "start"),
        (4, "A market buy with distances"),
        (7, "B both levels moved, take profit removed"),
        (9, "C full close with protection"),
        (12, "D second market buy"),
        (18, "E stop loss moved"),
        (22, "F partial close of half"),
        (28, "G full close of the rest"),
        (34, "closing lists"),
    ),
    EXTERNAL: (
        (1, "start"),
        (17, "lists of what was before"),
        (47, "A pending order amended"),
        (59, "B pending order cancelled"),
        (68, "C unknown orders"),
        (72, "D trailing stop amended"),
        (86, "E trailing stop moves"),
        (172, "end"),
    ),
    PARTIAL: (
        (1, "start"),
        (17, "lists of what was before"),
        (50, "A quotes"),
        (77, "B partial close of two entries"),
        (80, "C quotes"),
        (176, "end"),
    ),
    M2: (
        (1, "reference data"),
        (7, "historical bars"),
        (15, "quotes with live bars"),
    ),
}
"""Scenarios of each file, each with its first line."""


def scenario_of(file: str, line: int) -> str:
    """Return the name of the scenario that a line belongs to."""
    name = "nowhere"
    for first, each in SCENARIOS[file]:
        if line >= first:
            name = each
    return name
