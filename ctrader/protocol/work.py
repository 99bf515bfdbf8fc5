"""Name the work that the session begins by itself, and that others have written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from ctrader.protocol.background import Operation
    from ctrader.protocol.executions import Executions
    from ctrader.protocol.following import FollowedAccount
    from ctrader.protocol.grants import Grant, Grants
    from ctrader.protocol.outcomes import Outcomes

__all__ = ["Idle", "Work"]


class Work(Protocol):
    """Makes the operations that have no caller.

    They read and compare models, which lies above the core; so the core is given them.
    """

    @property
    def sees_to_tokens(self) -> bool:
        """Whether pairs of tokens are exchanged at all."""
        ...

    def resolve(self, account_id: int, outcomes: Outcomes) -> Operation[None]:
        """Find out what became of the trading requests of an account, until none is open."""
        ...

    def catch_up(self, account_id: int, executions: Executions) -> Operation[None]:
        """Find the deals of an account that were made while nobody was told."""
        ...

    def enrol(self, grant: Grant, grants: Grants) -> Operation[None]:
        """Have a store keep a pair of tokens that the server has just accepted."""
        ...

    def rotate(self, grant: Grant, grants: Grants) -> Operation[None]:
        """Exchange a pair of tokens for the next one."""
        ...

    def tell(self, grant: Grant, grants: Grants) -> Operation[None]:
        """Tell the user the newest pair for accounts that came after its exchange."""
        ...

    def read_account(self, followed: FollowedAccount, *, whole: bool) -> Operation[None]:
        """Read an account, if `whole`, and whatever its profits are computed from."""
        ...

    def check_account(self, followed: FollowedAccount) -> Operation[None]:
        """Compare an account's profits with the server's."""
        ...

    def release_account(self, followed: FollowedAccount) -> Operation[None]:
        """Give back the quotes that an account's profits needed."""
        ...


class Idle:
    """Begins nothing, for a session that is only asked what it is asked."""

    sees_to_tokens = False
    """Pairs of tokens are used as long as they last."""

    def resolve(self, account_id: int, outcomes: Outcomes) -> Operation[None]:
        """Leave the requests open until an answer or an event settles them."""
        yield from ()

    def catch_up(self, account_id: int, executions: Executions) -> Operation[None]:
        """Leave what was missed to whoever asks."""
        yield from ()

    def enrol(self, grant: Grant, grants: Grants) -> Operation[None]:
        """Leave the store as it is."""
        yield from ()

    def rotate(self, grant: Grant, grants: Grants) -> Operation[None]:
        """Leave the pair as it is."""
        yield from ()

    def tell(self, grant: Grant, grants: Grants) -> Operation[None]:
        """Tell nobody: there are no newer pairs."""
        yield from ()

    def read_account(self, followed: FollowedAccount, *, whole: bool) -> Operation[None]:
        """Leave the account unread: its state stays stale."""
        yield from ()

    def check_account(self, followed: FollowedAccount) -> Operation[None]:
        """Leave its profits to whoever compares them."""
        yield from ()

    def release_account(self, followed: FollowedAccount) -> Operation[None]:
        """Leave the quotes: none were asked for."""
        yield from ()
