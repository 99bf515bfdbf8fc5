"""What is kept of one grant: its newest tokens, and what tells older ones."""

from __future__ import annotations

__all__ = [
    "MOST_SUPERSEDED",
    "GrantKey",
    "Shelf",
    "StoredGrant",
    "TokenPair",
    "best_of",
    "fingerprint",
]

import hashlib
import os
import threading
from collections.abc import Callable, Iterable
from typing import ClassVar, Final, NamedTuple

from pydantic import Field

from ctrader.config import GuardedModel, Secret

MOST_SUPERSEDED: Final = 20
"""Fingerprints of exchanged refresh tokens that are kept; one is added about once a month."""


class GrantKey(NamedTuple):
    """Whose tokens they are: one user's consent to one application.

    It may be for several accounts.
    """

    client_id: str
    """The application."""
    user_id: int
    """The user's cTrader ID (`CtidProfile.user_id`).

    Below 0 where that is not known yet: a pair whose access token has ended tells it only once it
    was exchanged.
    """

    @property
    def name(self) -> str:
        """What files and entries of a keyring are called."""
        application = hashlib.sha256(self.client_id.encode()).hexdigest()[:12]
        return f"grant-{self.user_id}-{application}"


class TokenPair(GuardedModel):
    """An access token with the refresh token that buys the next pair, once."""

    _PICKLE_REMEDY: ClassVar[str] = "Keep the tokens in a TokenStore that both processes use."

    access_token: Secret
    """Token that opens the accounts of the grant."""
    refresh_token: Secret
    """Token that buys the next pair."""
    expires_at: float = Field(ge=0)
    """When the access token ends, in Unix seconds."""
    token_type: str = "bearer"
    """What kind of token it is, in the server's words."""


class StoredGrant(GuardedModel):
    """What a store keeps of one grant.

    The pair before the newest stays beside it: where a new pair turns out to be no good, there is
    something left to look at. Of older ones only fingerprints are kept, so that a pair from an old
    configuration file is known as spent instead of being sent again.
    """

    _PICKLE_REMEDY: ClassVar[str] = "Keep the tokens in a TokenStore that both processes use."

    tokens: TokenPair = Field(repr=False, exclude=True)
    """The newest pair."""
    previous: TokenPair | None = Field(default=None, repr=False, exclude=True)
    """The pair before it, None where there was none."""
    superseded: tuple[str, ...] = ()
    """Fingerprints of refresh tokens that were exchanged, newest first."""
    origin: str | None = None
    """Fingerprint of the refresh token that was handed in; None where that is the newest.

    It is kept however often it was exchanged since: it stays in the user's configuration.
    """
    exchanging: str | None = None
    """Fingerprint of the refresh token whose exchange was begun; None where none is open."""

    def begun(self) -> StoredGrant:
        """Return what to keep before the refresh token is sent.

        It holds no new secret. Found by the next process, it says that the pair may be spent.
        """
        return self._changed(exchanging=fingerprint(self.tokens.refresh_token))

    def rotated(self, tokens: TokenPair) -> StoredGrant:
        """Return what to keep once the server gave a new pair.

        A refresh token that came back is the newest again, not one that was exchanged.
        """
        newest = fingerprint(tokens.refresh_token)
        spent = fingerprint(self.tokens.refresh_token)
        origin = self.origin or spent
        known = dict.fromkeys((spent, *self.superseded))
        return self._changed(
            tokens=tokens,
            previous=self.tokens,
            superseded=tuple(each for each in known if each != newest)[:MOST_SUPERSEDED],
            origin=None if origin == newest else origin,
            exchanging=None,
        )

    def replaced(self, tokens: TokenPair) -> StoredGrant:
        """Return what to keep once the user has handed in the pair of a new consent."""
        return self.rotated(tokens)._changed(origin=None)

    def settled(self) -> StoredGrant:
        """Return what to keep once an exchange turned out not to have happened."""
        return self._changed(exchanging=None)

    def supersedes(self, refresh_token: str) -> bool:
        """Tell whether a refresh token was exchanged for a newer one."""
        spent = fingerprint(refresh_token)
        return spent in self.superseded or spent == self.origin

    def has_had(self, spent: str) -> bool:
        """Tell whether the refresh token with this fingerprint is, or was, the grant's."""
        mine = (*self.superseded, self.origin, fingerprint(self.tokens.refresh_token))
        return spent in mine

    # Private

    def _changed(self, **fields: object) -> StoredGrant:
        kept = {name: getattr(self, name) for name in type(self).model_fields}
        return StoredGrant.model_validate({**kept, **fields})


class Shelf:
    """Where a new pair is saved once, whoever tries it and however often.

    It is safe for threads. A save that comes late, after another one has succeeded and the lock of
    the store was let go of, would put an old pair in the place of a newer one.
    """

    def __init__(self, save: Callable[[], None]) -> None:
        """Take what saves the pair; it blocks."""
        self._save = save
        self._guard = threading.Lock()
        self._process = os.getpid()
        self._is_saved = False

    def save(self) -> None:
        """Save it, unless that was done; a save under way on another thread is waited for."""
        if os.getpid() != self._process:
            return  # it is the parent's to save, and whatever it has got since
        with self._guard:
            if not self._is_saved:
                self._save()
                self._is_saved = True


def best_of(keys: Iterable[GrantKey]) -> GrantKey | None:
    """Return one of several grants: rather a user's than one whose user was not known."""
    return max(keys, key=lambda key: key.user_id, default=None)


def fingerprint(refresh_token: str) -> str:
    """Return what tells one refresh token from another and does not give it away."""
    return hashlib.sha256(refresh_token.encode()).hexdigest()[:16]
