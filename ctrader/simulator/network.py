"""How the network between a client and a server treats what passes it.

It is plain state: `World` moves the bytes by it, and whoever carries out faults changes it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ctrader.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from random import Random

    from ctrader.simulator.session import ServerSession
    from ctrader.units import Nanos

__all__ = ["DEFAULT_LATENCY", "Direction", "Flow", "Network", "Way", "Wire"]

DEFAULT_LATENCY: Final = 20 * MILLISECOND

Direction: TypeAlias = Literal["up", "down"]
"""Up is from the client to the server."""


@dataclass(slots=True)
class Way:
    """What happens to bytes in one direction, on every connection."""

    latency: Nanos = DEFAULT_LATENCY
    """How long they take."""
    jitter: Nanos = 0
    """By how much more at most; each write draws its part. None overtakes an earlier one."""
    is_lost: bool = False
    """Whether they vanish, while the connection stays."""
    piece: int = 0
    """In pieces of at most how many bytes they arrive; 0 is as they were written."""
    gap: Nanos = 0
    """Time between two such pieces."""
    hold: Nanos = 0
    """For how long they are collected to arrive as one piece; 0 is not at all."""


@dataclass(slots=True)
class Network:
    """The state of the network at present."""

    rng: Random
    """Source of jitter, and of the sizes of pieces."""
    up: Way = field(default_factory=Way)
    down: Way = field(default_factory=Way)
    can_connect: bool = True
    """Whether a new connection is let through; otherwise it is refused."""
    connect_delay: Nanos = 0
    """By how much longer an attempt takes."""
    closed_until: Nanos = 0
    """Before when no attempt comes through; those that were begun earlier succeed then."""
    is_stalled: bool = False
    """Whether the client's transport takes no bytes."""
    acknowledged_within: Nanos | None = 30 * SECOND
    """After what time without an acknowledgement the client's system gives a dead connection up;
    None for one that tries without end."""


@dataclass(slots=True)
class Flow:
    """What is under way in one direction of one connection."""

    arrived: Nanos = 0
    """When the last of it arrives: what follows is not earlier."""
    held: bytearray = field(default_factory=bytearray)
    """What is collected to arrive as one piece."""
    is_dead: bool = False
    """Whether nothing arrives any more, as long as the connection lives."""


class Wire:
    """One connection: the server's end, and what is under way either way."""

    __slots__ = (
        "awaits_acknowledgement",
        "down",
        "epoch",
        "is_damaged",
        "is_ending",
        "is_torn",
        "is_up",
        "life",
        "server",
        "tears",
        "up",
    )

    def __init__(self, server: ServerSession, epoch: int, life: int) -> None:
        self.server = server
        self.epoch = epoch
        self.life = life
        """Which process of the client it belongs to."""
        self.is_up = True
        self.is_ending = False
        """Whether the end of the server's stream is under way; the client does not know yet."""
        self.is_torn = False
        """Whether what is under way to the client is lost."""
        self.is_damaged = False
        """Whether a fault hit it that it does not get over."""
        self.awaits_acknowledgement = False
        """Whether the client's system counts the time since it sent what nobody gets."""
        self.tears = False
        """Whether it ends in the middle of the next frame that the server sends."""
        self.up = Flow()
        self.down = Flow()
