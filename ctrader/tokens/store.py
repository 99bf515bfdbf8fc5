"""What a store of tokens must do, and the one that lives in memory only."""

from __future__ import annotations

__all__ = ["LOCK_TIMEOUT", "MemoryTokenStore", "TokenStore"]

import threading
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from ctrader.errors import TokenStoreError
from ctrader.tokens.record import best_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from ctrader.tokens.record import GrantKey, StoredGrant

LOCK_TIMEOUT: Final = 60.0
"""Seconds to wait for a lock: whoever holds it may be waiting for an answer of the server."""


class TokenStore(Protocol):
    """Keeps the tokens of grants; the same for both clients.

    Refreshing spends the old pair at once, so the new one must be safe before anything else is
    done. Every call blocks and comes on a thread of the client's own, never on an event loop; what
    is entered on one thread may be left on another. Errors are `TokenStoreError`, and hold no
    token; any other is taken for one.
    """

    def lock(self, key: GrantKey) -> AbstractContextManager[None]:
        """Keep everybody else from exchanging this grant's tokens while the context lasts.

        Everybody: other threads, other clients and other processes that use the same store.

        Raises:
            TokenStoreError: somebody else holds it for too long.
        """
        ...

    def find(self, client_id: str, refresh_token: str) -> GrantKey | None:
        """Return which grant has a refresh token, or had it; None where none is known.

        A pair that somebody else has exchanged opens nothing any more, not even the question
        whose it was.

        Args:
            client_id: The application.
            refresh_token: The token's `fingerprint`, as in `StoredGrant.superseded`.

        Raises:
            TokenStoreError: the store cannot be read.
        """
        ...

    def load(self, key: GrantKey) -> StoredGrant | None:
        """Return what was saved last, by whatever process; None where nothing was.

        Raises:
            TokenStoreError: it cannot be read, or others could read it.
        """
        ...

    def save(self, key: GrantKey, grant: StoredGrant) -> None:
        """Keep this from now on; it must be safe when the call returns.

        Raises:
            TokenStoreError: it may not last. It is either what is loaded from now on, or what was
                there before still is; saving it again does no harm.
        """
        ...


class MemoryTokenStore:
    """Keep tokens as long as the process lives.

    Clients that share it share their grants. It saves no refreshed pair from the end of the
    process: for that there is `FileTokenStore`.
    """

    def __init__(self, *, lock_timeout: float = LOCK_TIMEOUT) -> None:
        """Begin empty.

        Args:
            lock_timeout: Seconds to wait for a lock that another client holds.
        """
        self._lock_timeout = lock_timeout
        self._guard = threading.Lock()
        self._locks: dict[GrantKey, threading.Lock] = {}
        self._grants: dict[GrantKey, StoredGrant] = {}

    @contextmanager
    def lock(self, key: GrantKey) -> Generator[None, None, None]:
        """Keep other clients of this process from exchanging the grant's tokens.

        Raises:
            TokenStoreError: one of them holds it for too long.
        """
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        if not lock.acquire(timeout=self._lock_timeout):
            raise TokenStoreError(
                f"The tokens of user {key.user_id} have been locked by another client for "
                f"{self._lock_timeout:g} s. Try again later, or close the other client"
            )
        try:
            yield
        finally:
            lock.release()

    def find(self, client_id: str, refresh_token: str) -> GrantKey | None:
        """Return which grant has, or had, the refresh token with this fingerprint."""
        with self._guard:
            return best_of(
                key
                for key, grant in self._grants.items()
                if key.client_id == client_id and grant.has_had(refresh_token)
            )

    def load(self, key: GrantKey) -> StoredGrant | None:
        """Return what was saved last, None where nothing was."""
        with self._guard:
            return self._grants.get(key)

    def save(self, key: GrantKey, grant: StoredGrant) -> None:
        """Keep this from now on."""
        with self._guard:
            self._grants[key] = grant
