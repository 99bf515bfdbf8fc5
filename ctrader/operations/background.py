"""Make the operations that a session begins by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrader.operations.resolution import resolve

if TYPE_CHECKING:
    from ctrader.operations.base import Op
    from ctrader.protocol.outcomes import Outcomes

__all__ = ["BackgroundWork"]


class BackgroundWork:
    """The work of every client's session; see `ctrader.protocol.work.Work`."""

    def resolve(self, account_id: int, outcomes: Outcomes) -> Op[None]:
        """Find out what became of the trading requests of an account."""
        return resolve(account_id, outcomes)
