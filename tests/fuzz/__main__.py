"""Fuzz what reads bytes, guided by the coverage of the library's code.

`python -m tests.fuzz --target NAME --seconds N` needs the group `fuzz` (atheris); without a
target all of them have their turn. What it finds is a file under tests/fuzz/findings, which
`--replay FILE` runs again without atheris, and so does tests/fuzz/test_findings.py.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

if TYPE_CHECKING:
    from tests.fuzz.targets import Target

FINDINGS: Final = Path(__file__).with_name("findings")
KEPT: Final = Path("build") / "fuzz"
"""Inputs that reached something new, from one run to the next."""
LONGEST: Final = 4096
HANGS: Final = 20
"""Seconds after which one input counts as a hang."""


class _Fuzzer(Protocol):
    """What is used of atheris, which only this program needs."""

    def instrument_imports(self, include: list[str]) -> AbstractContextManager[None]: ...

    def Setup(  # noqa: N802  # its name
        self,
        args: list[str],
        test_one_input: Callable[[bytes], None],
        *,
        custom_mutator: Callable[[bytes, int, int], bytes] | None = None,
    ) -> list[str]: ...

    def Fuzz(self) -> None: ...  # noqa: N802  # its name

    def Mutate(self, data: bytes, max_size: int) -> bytes: ...  # noqa: N802  # its name


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one target until the time is over or something is found; the process ends then."""
    # cast: its own types are no part of it
    fuzzer = cast("_Fuzzer", importlib.import_module("atheris"))
    with fuzzer.instrument_imports(include=["ctrader"]):
        targets: Any = importlib.import_module("tests.fuzz.targets")
    target: Target = targets.TARGETS[name]
    kept, found = KEPT / name, FINDINGS / name
    for folder in (kept, found):
        folder.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (kept / hashlib.sha1(seed, usedforsecurity=False).hexdigest()).write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST}",
        f"-timeout={HANGS}",
        f"-artifact_prefix={found}/",
        "-keep_seed=1",
        "-print_final_stats=1",
    ]
    change = target.mutator

    def mutator(data: bytes, max_size: int, seed: int) -> bytes:
        assert change is not None
        return change(bytes(data), Random(seed), fuzzer.Mutate)[:max_size]

    fuzzer.Setup(
        [sys.argv[0], *options, str(kept)],
        target.run,
        custom_mutator=None if change is None else mutator,
    )
    fuzzer.Fuzz()


def replay(file: Path, name: str | None = None) -> None:
    """Run a finding again; it raises what was found, if it is still there."""
    from tests.fuzz.targets import TARGETS  # instrumented where it is fuzzed

    TARGETS[name or file.resolve().parent.name].run(file.read_bytes())


def main(arguments: list[str] | None = None) -> int:
    """Fuzz or replay."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--target", help="what to fuzz; all, one after the other, by default")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("--replay", type=Path, help="a file; its folder is the target's name")
    options = parser.parse_args(arguments)
    if options.replay is not None:
        replay(options.replay, options.target)
        return 0
    if options.target is not None:
        fuzz(options.target, options.seconds)
        return 0
    from tests.fuzz.targets import TARGETS  # instrumented where it is fuzzed

    failed: list[str] = []
    for name in TARGETS:
        sys.stdout.write(f"--- {name}\n")
        sys.stdout.flush()
        command = [sys.executable, "-m", "tests.fuzz", "--target", name]
        if subprocess.run([*command, "--seconds", str(options.seconds)], check=False).returncode:
            failed.append(name)
    for name in failed:
        for file in sorted((FINDINGS / name).iterdir()):
            sys.stdout.write(f"python -m tests.fuzz --replay {file.relative_to(Path.cwd())}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
