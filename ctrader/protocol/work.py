"""Name the work that the session begins by itself, and that others have written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ctrader.protocol.background import Operation
    from ctrader.protocol.outcomes import Outcomes

__all__ = ["Idle", "Work"]


class Work(Protocol):
    """Makes the operations that have no caller.

    They read and compare models, which lies above the core; so the core is given them.
    """

    def resolve(self, account_id: int, outcomes: Outcomes) -> Operation[None]:
        """Find out what became of the trading requests of an account, until none is open."""
        ...


class Idle:
    """Begins nothing, for a session that is only asked what it is asked."""

    def resolve(self, account_id: int, outcomes: Outcomes) -> Operation[None]:
        """Leave the requests open until an answer or an event settles them."""
        yield from ()
