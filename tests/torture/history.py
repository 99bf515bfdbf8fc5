"""What a client did and was told in one run, as plain data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

__all__ = ["Ask", "Ending", "Foreign", "History", "Request", "Resolution", "Standing"]


class Ask(Enum):
    """What a trading request asks for."""

    NEW = "new order"
    AMEND = "amend order"
    PROTECT = "amend position"
    CANCEL = "cancel order"
    CLOSE = "close position"


class Ending(Enum):
    """How a trading call ended."""

    DONE = "done"
    REJECTED = "rejected"
    NOT_SENT = "not sent"
    UNKNOWN = "unknown"
    KILLED = "killed"
    """Its process died before it ended: nobody was told anything."""
    OTHER = "other"
    """In no way that a trading call may end."""


class Resolution(Enum):
    """What was found out later about a request of unknown outcome."""

    HAPPENED = "happened"
    ABSENT = "absent"


@dataclass(slots=True)
class Request:
    """One trading request, from its submission to its end."""

    number: int
    ask: Ask
    account_id: int
    asked_at: float
    """Seconds of the world's clock."""
    volume: int = 0
    price: float | None = None
    """Price that a pending order has, or an amendment gives it, or a stop loss that it sets; None
    removes that."""
    client_order_id: str = ""
    order_id: int | None = None
    """The order that it changes; of a new order the one that the client was told."""
    position_id: int | None = None
    ending: Ending | None = None
    ended_at: float = 0.0
    error: str = ""
    resolution: Resolution | None = None
    """What was found out about it; None where nothing was, or need not be."""

    def __str__(self) -> str:
        ending = "under way" if self.ending is None else self.ending.value
        subject = self.client_order_id or f"order {self.order_id}"
        if self.ask in (Ask.CLOSE, Ask.PROTECT):
            subject = f"position {self.position_id}"
        found = "" if self.resolution is None else f", found to have {self.resolution.value}"
        why = f" ({self.error})" if self.error else ""
        return (
            f"{self.ask.value} #{self.number} at {self.asked_at:.3f} s on {self.account_id}, "
            f"{subject}, volume {self.volume}: {ending}{found}{why}"
        )


@dataclass(frozen=True, slots=True)
class Foreign:
    """What somebody else did on an account."""

    at: float
    ask: Ask
    account_id: int
    made: frozenset[int] = frozenset()
    """The orders that came of it."""
    order_id: int | None = None
    """The order that it changed."""
    position_id: int | None = None
    price: float | None = None
    """The price that it gave an order, or the stop loss that it gave a position."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What was subscribed at the server at a moment, of what the client wanted."""

    at: float
    why: str
    """Why all of it should stand."""
    missing: tuple[str, ...]


@dataclass(slots=True)
class History:
    """Everything that happened to one client in one run."""

    requests: list[Request] = field(default_factory=list[Request])
    foreign: list[Foreign] = field(default_factory=list[Foreign])
    """What others did on the client's accounts."""
    told_deals: Counter[tuple[int, int]] = field(default_factory=Counter[tuple[int, int]])
    """How often handlers were told of a deal, by the client's process and the deal's id."""
    arrived_deals: dict[tuple[int, int], float] = field(
        default_factory=dict[tuple[int, int], float]
    )
    """When a whole event with a deal first arrived, by the same."""
    unix_start: float = 0.0
    """The time of day, in Unix seconds, at which the world's clock began."""
    kills: list[float] = field(default_factory=list[float])
    """When the client's processes were killed."""
    left_orders: Counter[str] = field(default_factory=Counter[str])
    """How often a frame with a new order left the client, by client order id."""
    left_requests: int = 0
    """How many other trading frames left the client."""
    refresh_left: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    """When which refresh token left the client."""
    refresh_answered: dict[str, float] = field(default_factory=dict[str, float])
    """When the answer to a refresh token arrived."""
    refreshed: dict[str, float] = field(default_factory=dict[str, float])
    """When a caller was given which new refresh token."""
    kept_tokens: frozenset[str] = frozenset()
    """The newest refresh tokens that the store has in the end."""
    refresh_end: str = ""
    """The refresh token that the server takes in the end."""
    standings: list[Standing] = field(default_factory=list[Standing])
    lively_at: float | None = None
    """When everything worked again after the last fault; None where it never did."""
    faults_end: float = 0.0
    """When the last fault was over."""
    gave_up: str | None = None
    """Why a client gave up by itself, None where none did."""
