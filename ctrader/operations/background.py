"""Make the operations that a session begins by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrader.operations.catching_up import catch_up
from ctrader.operations.resolution import resolve

if TYPE_CHECKING:
    from ctrader.operations.base import Op
    from ctrader.protocol.executions import Executions
    from ctrader.protocol.outcomes import Outcomes

__all__ = ["BackgroundWork"]


class BackgroundWork:
    """The work of every client's session; see `ctrader.protocol.work.Work`."""

    def resolve(self, account_id: int, outcomes: Outcomes) -> Op[None]:
        """Find out what became of the trading requests of an account."""
        return resolve(account_id, outcomes)

    def catch_up(self, account_id: int, executions: Executions) -> Op[None]:
        """Find the deals of an account that were made while nobody was told."""
        return catch_up(account_id, executions)
