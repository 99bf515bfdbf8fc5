"""The server's rate limits: two buckets, blocked types and a long quota."""

from __future__ import annotations

from collections import deque
from typing import Final

from ctrader.simulator.refusals import Refusal
from ctrader.simulator.switches import Switches

__all__ = ["HistoryQuota", "RateLimits"]

_SECOND: Final = 1_000_000_000


class HistoryQuota:
    """Count one program's historical requests over a long, rolling stretch of time.

    It outlives connections: a program that reconnects has no fresh quota.
    """

    def __init__(self, switches: Switches) -> None:
        """Begin with nothing used."""
        self._most = switches.historical_quota
        self._window = round(switches.historical_quota_window * _SECOND)
        self._taken: deque[int] = deque()

    def take(self, now: int) -> bool:
        """Count a request; tell whether it may be answered. A refused one costs nothing."""
        if not self._most:
            return True
        while self._taken and self._taken[0] <= now - self._window:
            self._taken.popleft()
        if len(self._taken) >= self._most:
            return False
        self._taken.append(now)
        return True


class RateLimits:
    """Count one connection's requests."""

    def __init__(self, switches: Switches, now: int) -> None:
        """Begin with full buckets."""
        self._switches = switches
        self._ordinary = _Bucket(switches.rate_limit, switches.rate_burst, now)
        self._historical = _Bucket(
            switches.historical_rate_limit, switches.historical_rate_burst, now
        )
        self._blocked: dict[int, int] = {}

    def admit(self, payload_type: int, now: int, quota: HistoryQuota | None = None) -> None:
        """Count a request.

        Args:
            payload_type: What is asked for.
            now: Nanoseconds.
            quota: The long quota of the program that asks.

        Raises:
            Refusal: it comes too soon and is not answered.
        """
        switches = self._switches
        blocked = self._blocked.get(payload_type)
        if blocked is not None:
            if now < blocked:
                raise self._refusal()
            del self._blocked[payload_type]
        historical = payload_type in switches.historical_requests
        bucket = self._historical if historical else self._ordinary
        if not bucket.take(now):
            self._blocked[payload_type] = now + switches.retry_after * _SECOND
            raise self._refusal()
        if historical and quota is not None and not quota.take(now):
            # As seen: the answer names the same short time, and waiting it out is not enough.
            raise self._refusal()

    def _refusal(self) -> Refusal:
        return Refusal(
            self._switches.rate_limit_code,
            self._switches.rate_limit_text,
            retry_after=self._switches.retry_after,
        )


class _Bucket:
    """Tokens that fill up evenly, up to what may come at once."""

    def __init__(self, rate: int, burst: int | None, now: int) -> None:
        self._rate = rate
        self._full = (rate if burst is None else burst) * _SECOND
        self._filled = self._full
        self._at = now

    def take(self, now: int) -> bool:
        if not self._rate:
            return True
        self._filled = min(self._full, self._filled + (now - self._at) * self._rate)
        self._at = now
        if self._filled < _SECOND:
            return False
        self._filled -= _SECOND
        return True
