"""Space out attempts that fail: exponential with full jitter."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from ctrader.units import Nanos

__all__ = ["Backoff"]


class Backoff:
    """Draw the waits between failing attempts.

    The n-th wait lies evenly between `shortest / 2` and `shortest * 2**n`, capped at `longest`.
    A thousand clients that lost the same server so come back spread out, and none at once.
    """

    __slots__ = ("_longest", "_rng", "_shortest", "failures")

    def __init__(self, rng: Random, *, shortest: Nanos, longest: Nanos) -> None:
        self._rng = rng
        self._shortest = max(1, shortest)
        self._longest = max(self._shortest, longest)
        self.failures = 0
        """Attempts that failed since the last `reset`."""

    def next(self) -> Nanos:
        """Count a failure and return how long to wait before the next attempt."""
        # The exponent is bounded before the power: after a weekend offline it would be a number
        # with thousands of digits.
        ceiling = min(self._longest, self._shortest << min(self.failures, 62))
        self.failures += 1
        return self._rng.randint(min(self._shortest // 2, ceiling), ceiling)

    def slow(self) -> Nanos:
        """Return a wait of the upper half, however few attempts have failed."""
        return self._rng.randint(self._longest // 2, self._longest)

    def reset(self) -> None:
        """Forget the failures: the last attempt held."""
        self.failures = 0
