"""Generate `ctrader_sync/api` from `ctrader/api`: the same text without what belongs to a loop.

Usage: `python scripts/gen_sync.py` writes the files; with `--check` nothing is written, and the
exit status is 1 with a diff when a committed file differs from what would be generated.

It is a text transformation with few rules, and it trusts itself little: a rule that matches
nothing in the whole tree is an error, and so is any word of asynchronous programming that is left
over, docstrings included.
"""

from __future__ import annotations

import argparse
import difflib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCE: Final = ROOT / "ctrader" / "api"
TARGET: Final = ROOT / "ctrader_sync" / "api"

BY_HAND: Final = frozenset({"base.py"})
"""What both packages have a version of their own of."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One replacement, made everywhere in every file."""

    pattern: str
    """Regular expression."""
    replacement: str
    """What stands in its place."""


RULES: Final = (
    Rule(r"\bctrader\.api\b", "ctrader_sync.api"),
    Rule(r"\bfrom ctrader import\b", "from ctrader_sync import"),
    Rule(r"\bCTraderClient\b", "SyncCTraderClient"),
    Rule(r"\basync def\b", "def"),
    Rule(r"\basync with\b", "with"),
    Rule(r"\bawait ", ""),
)

LEFTOVERS: Final = re.compile(r"\w*(?:async|await|anyio)\w*|\btrio\b", re.IGNORECASE)
"""Words that mean nothing in blocking code."""


class GenerationError(Exception):
    """The sources do not fit the rules; nothing was written."""


# Public


def generate(source: Path = SOURCE, rules: Sequence[Rule] = RULES) -> dict[str, str]:
    """Transform every module of a folder.

    Args:
        source: The folder with the sources.
        rules: What to replace, in this order.

    Returns: The text of each generated module by its file name, sorted.

    Raises:
        GenerationError: a rule matches nothing, a word is left that no rule covers, or what came
            out is no Python.
    """
    used: Counter[Rule] = Counter()
    texts: dict[str, str] = {}
    for path in sorted(source.glob("*.py")):
        if path.name in BY_HAND:
            continue
        text = path.read_text(encoding="utf-8")
        for rule in rules:
            text, count = re.subn(rule.pattern, rule.replacement, text)
            used[rule] += count
        refuse_leftovers(path.name, text)
        texts[path.name] = tidy(path.name, with_header(path.name, text))
    unused = [rule.pattern for rule in rules if not used[rule]]
    if unused:
        raise GenerationError(f"these rules match nothing, delete them: {', '.join(unused)}")
    return texts


def differences(fresh: Mapping[str, str], target: Path = TARGET) -> list[str]:
    """Compare the files of a folder with what they should be.

    Returns: The lines of a unified diff; empty when nothing differs. A module that has no source
        any more counts as a difference.
    """
    committed = {path.name: path.read_text(encoding="utf-8") for path in generated_files(target)}
    diff: list[str] = []
    for name in sorted(fresh.keys() | committed.keys()):
        diff.extend(
            difflib.unified_diff(
                committed.get(name, "").splitlines(),
                fresh.get(name, "").splitlines(),
                f"{target.parent.name}/{target.name}/{name} (committed)",
                f"{target.parent.name}/{target.name}/{name} (generated)",
                lineterm="",
            )
        )
    return diff


def write(fresh: Mapping[str, str], target: Path = TARGET) -> list[Path]:
    """Write the modules into a folder and delete those that have no source any more.

    Returns: The paths whose content changed.
    """
    target.mkdir(parents=True, exist_ok=True)
    changed: list[Path] = []
    for path in generated_files(target):
        if path.name not in fresh:
            path.unlink()
            changed.append(path)
    for name, text in fresh.items():
        path = target / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
            changed.append(path)
    return changed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns: The exit status: 0, or 1 when `--check` found a difference or the sources do not fit.
    """
    parser = argparse.ArgumentParser(description="Generate ctrader_sync/api from ctrader/api.")
    parser.add_argument("--check", action="store_true", help="write nothing, show differences")
    options = parser.parse_args(arguments)
    try:
        fresh = generate()
    except GenerationError as error:
        print(f"gen_sync: {error}", file=sys.stderr)
        return 1
    if options.check:
        diff = differences(fresh)
        if diff:
            print("\n".join(diff))
            print("ctrader_sync/api is out of date: run python scripts/gen_sync.py")
        return 1 if diff else 0
    for path in write(fresh):
        print(path.relative_to(ROOT).as_posix())
    return 0


# Private


def generated_files(target: Path) -> Iterable[Path]:
    """List the modules of a folder that are not written by hand."""
    return sorted(path for path in target.glob("*.py") if path.name not in BY_HAND)


def refuse_leftovers(name: str, text: str) -> None:
    """Refuse text that no rule made fit for blocking code."""
    found = [
        f"{name}:{number}: {match.group()!r} in {line.strip()!r}"
        for number, line in enumerate(text.splitlines(), 1)
        for match in LEFTOVERS.finditer(line)
    ]
    if found:
        raise GenerationError("no rule covers this:\n" + "\n".join(found))


def with_header(name: str, text: str) -> str:
    """Say behind the module's docstring where the file comes from."""
    header = (
        f"# Generated by scripts/gen_sync.py from ctrader/api/{name}; edit that and run it again.\n"
    )
    docstring, future, rest = text.partition("\nfrom __future__ import annotations\n")
    if not future:
        raise GenerationError(f"{name} lacks `from __future__ import annotations`")
    return f"{docstring}\n{header}{future}{rest}"


def tidy(name: str, text: str) -> str:
    """Sort imports and format, as the lint of the project wants it."""
    for command in (("check", "--select", "I", "--fix-only", "--quiet"), ("format", "--quiet")):
        ruff = [sys.executable, "-m", "ruff", *command, "--config", str(ROOT / "pyproject.toml")]
        done = subprocess.run(
            [*ruff, "--stdin-filename", str(TARGET / name), "-"],
            input=text.encode(),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise GenerationError(f"{name}: ruff refuses it:\n{done.stderr.decode()}")
        text = done.stdout.decode().replace("\r\n", "\n")
    return text


if __name__ == "__main__":
    sys.exit(main())
