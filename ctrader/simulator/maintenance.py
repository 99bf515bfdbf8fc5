"""The time in which the broker works on its servers and answers nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ctrader.simulator.refusals import Refusal

__all__ = ["Maintenance"]


@dataclass(frozen=True, slots=True)
class Maintenance:
    """One stretch of maintenance."""

    end: int
    """When it is over, seconds since the epoch."""
    frame: Literal["open_api", "common"] = "open_api"
    """Which error answer says so: `ProtoOAErrorRes`, whose time is in seconds, or
    `ProtoErrorRes`, whose time is in milliseconds."""
    code: str = "SERVER_IS_UNDER_MAINTENANCE"
    """Error code of every answer; `CANT_ROUTE_REQUEST` comes without a time."""
    accepts_connections: bool = True
    """Whether new connections are taken; otherwise they are closed at once."""

    def is_over(self, unix_now: int) -> bool:
        """Tell whether it has ended by a time of day in seconds."""
        return unix_now >= self.end

    def refusal(self) -> Refusal:
        """Return what every request is refused with."""
        has_end = self.code == "SERVER_IS_UNDER_MAINTENANCE"
        return Refusal(
            self.code,
            "Server is under maintenance" if has_end else "Cannot route request",
            maintenance_end=self.end if has_end else None,
            is_common=self.frame == "common",
        )
