"""Name the work that the session begins by itself, and that others have written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ctrader.protocol.background import Operation
    from ctrader.protocol.executions import Executions
    from ctrader.protocol.outcomes import Outcomes

__all__ = ["Idle", "Work"]


class Work(Protocol):
    """Makes the operations that have no caller.

    They read and compare models, which lies above the core; so the core is given them.
    """

    def resolve(self, account_id: int, outcomes: Outcomes) -> Operation[None]:
        """Find out what became of the trading requests of an account, until none is open."""
        ...

    def catch_up(self, account_id: int, executions: Executions) -> Operation[None]:
        """Find the deals of an account that were made while nobody was told."""
        ...


class Idle:
    """Begins nothing, for a session that is only asked what it is asked."""

    def resolve(self, account_id: int, outcomes: Outcomes) -> Operation[None]:
        """Leave the requests open until an answer or an event settles them."""
        yield from ()

    def catch_up(self, account_id: int, executions: Executions) -> Operation[None]:
        """Leave what was missed to whoever asks."""
        yield from ()
