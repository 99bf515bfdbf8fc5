"""The server's rate limits: two buckets a connection, and blocked types."""

from __future__ import annotations

from typing import Final

from ctrader.simulator.switches import Switches

__all__ = ["RateLimits"]

_SECOND: Final = 1_000_000_000


class RateLimits:
    """Count one connection's requests."""

    def __init__(self, switches: Switches, now: int) -> None:
        """Begin with full buckets."""
        self._switches = switches
        self._ordinary = _Bucket(switches.rate_limit, now)
        self._historical = _Bucket(switches.historical_rate_limit, now)
        self._blocked: dict[int, int] = {}

    def admit(self, payload_type: int, now: int) -> bool:
        """Count a request; tell whether it may be answered."""
        blocked = self._blocked.get(payload_type)
        if blocked is not None:
            if now < blocked:
                return False
            del self._blocked[payload_type]
        historical = payload_type in self._switches.historical_requests
        bucket = self._historical if historical else self._ordinary
        if bucket.take(now):
            return True
        self._blocked[payload_type] = now + self._switches.retry_after * _SECOND
        return False


class _Bucket:
    """Tokens that fill up evenly, one second's worth at most."""

    def __init__(self, rate: int, now: int) -> None:
        self._rate = rate
        self._filled = rate * _SECOND
        self._at = now

    def take(self, now: int) -> bool:
        if not self._rate:
            return True
        full = self._rate * _SECOND
        self._filled = min(full, self._filled + (now - self._at) * self._rate)
        self._at = now
        if self._filled < _SECOND:
            return False
        self._filled -= _SECOND
        return True
