"""Processes that are told what to do, tell what they do, and are killed at a random moment."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Any, Final

__all__ = ["hand_over", "started", "told_by", "until_killed"]

_ROOT: Final = Path(__file__).parents[2]


def started(program: str, stderr: int | None = None) -> subprocess.Popen[str]:
    """Start a program, which waits for its settings."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        cwd=_ROOT,
    )


def hand_over(process: subprocess.Popen[str], settings: dict[str, Any]) -> None:
    """Tell a process that has started what to do; secrets go through the pipe only."""
    assert process.stdin is not None
    process.stdin.write(f"{json.dumps(settings)}\n")
    process.stdin.flush()


def until_killed(
    process: subprocess.Popen[str], dice: Random, most_lines: int, longest_step: float
) -> list[str]:
    """Let a process tell some lines, kill it within the next step, and return all of them.

    Some are empty where it had ended by itself.
    """
    with process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(dice.randrange(most_lines))]
        time.sleep(dice.uniform(0, longest_step))  # into the middle of a step, wherever that is
        process.send_signal(signal.SIGKILL)
        return lines + process.stdout.readlines()


def told_by(lines: list[str]) -> list[list[Any]]:
    """Read what lines tell; the last one may be cut off."""
    return [json.loads(line) for line in lines if line.endswith("\n")]
