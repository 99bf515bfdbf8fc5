"""Apply one bug after the other to a copy of the project, and see that its tests fail.

    python -m tests.sabotage [word ...]

Words choose the bugs whose names hold them. With `--discover` the tests that notice a bug are
looked for instead.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from tests.sabotage.patches import PATCHES, Patch

ROOT: Final = Path(__file__).parents[2]
COPIED: Final = ("ctrader", "ctrader_sync", "tests", "examples", "protos", "pyproject.toml")
SEARCHED: Final = (
    "tests/protocol",
    "tests/operations",
    "tests/models",
    "tests/tokens",
    "tests/simulator/test_resolution.py",
    "tests/test_transport.py",
    "tests/test_secrets.py",
    "tests/test_units.py",
    "tests/test_errors.py",
    "tests/test_config.py",
)
"""Where tests are looked for that notice a bug."""
_OUTCOME: Final = re.compile(r"^(FAILED|ERROR) (\S+)", re.MULTILINE)
_PATIENCE: Final = 8
"""Seconds of one test, after which it is taken to hang, which is a failure too."""
_LIMIT: Final = 300
"""Seconds for the tests of one bug."""


def main() -> int:
    """Try the chosen bugs; 1 if one of them goes unnoticed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("words", nargs="*")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--discover", action="store_true")
    options = parser.parse_args()
    chosen = [p for p in PATCHES if not options.words or any(w in p.name for w in options.words)]
    with tempfile.TemporaryDirectory() as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.jobs):
            copies.put(_copy(Path(folder) / str(number)))
        if not options.discover:
            wanted = sorted({name for patch in chosen for name in patch.caught_by})
            copy = copies.get()
            failed = _failures(copy, wanted)
            copies.put(copy)
            if failed:
                _say(f"these fail without any bug: {', '.join(failed)}")
                return 1

        def attempt(patch: Patch) -> bool:
            copy = copies.get()
            try:
                return _discover(patch, copy) if options.discover else _is_caught(patch, copy)
            finally:
                copies.put(copy)

        with ThreadPoolExecutor(options.jobs) as pool:
            missed = list(pool.map(attempt, chosen)).count(False)
    _say(f"{len(chosen)} bugs, {missed} of them unnoticed")
    return 1 if missed else 0


# Private


def _copy(folder: Path) -> Path:
    folder.mkdir()
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def _is_caught(patch: Patch, copy: Path) -> bool:
    """Whether every test that is named fails."""
    failed = _with(patch, copy, patch.caught_by)
    passed = [name for name in patch.caught_by if name not in failed]
    is_caught = bool(patch.caught_by) and not passed
    _say(f"{'caught' if is_caught else 'MISSED'}: {patch.name}")
    for name in passed:
        _say(f"    passes all the same: {name}")
    return is_caught


def _discover(patch: Patch, copy: Path) -> bool:
    """Name the first tests that notice a bug."""
    failed = _with(patch, copy, SEARCHED, "--maxfail=3")
    _say(f"{patch.name}:")
    for name in failed or ["NOTHING"]:
        _say(f"    {name}")
    return bool(failed)


def _with(patch: Patch, copy: Path, tests: tuple[str, ...], *options: str) -> list[str]:
    path = copy / patch.path
    whole = path.read_text("utf-8")
    if whole.count(patch.old) != 1:
        raise SystemExit(f"{patch.name!r} does not apply: look at {patch.path}")
    path.write_text(whole.replace(patch.old, patch.new), "utf-8")
    try:
        return _failures(copy, list(tests), *options)
    finally:
        path.write_text(whole, "utf-8")


def _failures(copy: Path, tests: list[str], *options: str) -> list[str]:
    """Return which tests fail; one that cannot even be collected is an error of ours."""
    if not tests:
        return []
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "--tb=no"]
    run = subprocess.run(
        [*command, f"--timeout={_PATIENCE}", *options, *tests],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    if run.returncode not in (0, 1, 2):
        raise SystemExit(run.stdout + run.stderr)
    found = _OUTCOME.findall(run.stdout)
    if errors := [name for kind, name in found if kind == "ERROR"]:
        raise SystemExit(f"these do not even begin: {', '.join(errors)}")
    return [name for _, name in found]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
