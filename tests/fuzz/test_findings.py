"""Whatever was found by fuzzing stays mended, and each target can be fuzzed at all."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.fuzz.__main__ import FINDINGS, main
from tests.fuzz.targets import TARGETS

ROUNDS = 20
"""How often a target's first inputs are changed here; more of it is the fuzzer's work."""


def findings() -> list[Path]:
    return sorted(file for file in FINDINGS.glob("*/*") if file.is_file())


@pytest.mark.parametrize("file", findings(), ids=lambda file: f"{file.parent.name}/{file.name}")
def test_finding_is_mended(file: Path):
    """Replay one by `python -m tests.fuzz --replay FILE`."""
    assert main(["--replay", str(file)]) == 0


@pytest.mark.parametrize("name", TARGETS)
def test_target_takes_its_seeds_and_changes_of_them(name: str):
    target, rng = TARGETS[name], Random(1)
    seeds = list(target.seeds())

    def mutate(data: bytes, max_size: int) -> bytes:
        place = rng.randrange(len(data) + 1)
        return (data[:place] + rng.randbytes(1) + data[place + rng.randrange(2) :])[:max_size]

    for seed in rng.sample(seeds, min(ROUNDS, len(seeds))):
        target.run(seed)
        target.run(mutate(seed, len(seed)))
        if target.mutator is not None:
            target.run(target.mutator(seed, rng, mutate))
    target.run(b"")
