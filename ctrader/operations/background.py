"""Make the operations that a session begins by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrader.operations import account_state
from ctrader.operations.catching_up import catch_up
from ctrader.operations.resolution import resolve
from ctrader.operations.rotation import enrol, rotate, tell

if TYPE_CHECKING:
    from ctrader.operations.base import Op
    from ctrader.protocol.executions import Executions
    from ctrader.protocol.following import FollowedAccount
    from ctrader.protocol.grants import Grant, Grants
    from ctrader.protocol.outcomes import Outcomes

__all__ = ["BackgroundWork"]


class BackgroundWork:
    """The work of every client's session; see `ctrader.protocol.work.Work`."""

    sees_to_tokens = True
    """Pairs of tokens are exchanged before they end."""

    def resolve(self, account_id: int, outcomes: Outcomes) -> Op[None]:
        """Find out what became of the trading requests of an account."""
        return resolve(account_id, outcomes)

    def catch_up(self, account_id: int, executions: Executions) -> Op[None]:
        """Find the deals of an account that were made while nobody was told."""
        return catch_up(account_id, executions)

    def enrol(self, grant: Grant, grants: Grants) -> Op[None]:
        """Have a store keep a pair of tokens that the server has just accepted."""
        return enrol(grant, grants)

    def rotate(self, grant: Grant, grants: Grants) -> Op[None]:
        """Exchange a pair of tokens for the next one."""
        return rotate(grant, grants)

    def tell(self, grant: Grant, grants: Grants) -> Op[None]:
        """Tell the user the newest pair for accounts that came after its exchange."""
        return tell(grant, grants)

    def read_account(self, followed: FollowedAccount, *, whole: bool) -> Op[None]:
        """Read an account, if `whole`, and whatever its profits are computed from."""
        return account_state.refresh(followed, whole=whole)

    def check_account(self, followed: FollowedAccount) -> Op[None]:
        """Compare an account's profits with the server's."""
        return account_state.check(followed)

    def release_account(self, followed: FollowedAccount) -> Op[None]:
        """Give back the quotes that an account's profits needed."""
        return account_state.release(followed.live, everything=True)
