"""Keep tokens in the system's keyring: macOS, Windows, or a secret service."""

from __future__ import annotations

__all__ = ["Keyring", "KeyringTokenStore"]

import hashlib
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Final, Protocol, TypeVar, cast

from ctrader.errors import ConfigurationError, TokenStoreError, scrub
from ctrader.tokens.files import FileTokenStore, default_folder
from ctrader.tokens.record import GrantKey, StoredGrant, fingerprint
from ctrader.tokens.store import LOCK_TIMEOUT
from ctrader.tokens.text import kept_in, text_of

T = TypeVar("T")

_SAFE: Final = 1
"""Priority from which on a keyring is recommended; those that write plain text are below."""


class Keyring(Protocol):
    """What a store asks of a keyring: that of the package `keyring`, or one like it."""

    @property
    def priority(self) -> float:
        """How good it is: those below 1 are not safe."""
        ...

    def get_password(self, service: str, username: str) -> str | None:
        """Return an entry, None where there is none."""
        ...

    def set_password(self, service: str, username: str, password: str) -> None:
        """Make or replace an entry."""
        ...


class KeyringTokenStore:
    """Keep the tokens of each grant in the keyring of the user who runs the program.

    It needs the extra `keyring`. A keyring knows no locks, so a file beside those of
    `FileTokenStore` is locked instead; no secret is in it.
    """

    def __init__(
        self,
        service: str = "ctrader",
        *,
        lock_folder: str | os.PathLike[str] | None = None,
        lock_timeout: float = LOCK_TIMEOUT,
        backend: Keyring | None = None,
    ) -> None:
        """Choose the keyring; nothing is read before it is asked for.

        Args:
            service: Name under which the entries stand.
            lock_folder: Where the locked files are; None is the place of `FileTokenStore`.
            lock_timeout: Seconds to wait for a lock that somebody else holds.
            backend: The keyring; None is the one that the system, or its configuration, offers.

        Raises:
            ConfigurationError: the extra is not installed, or there is no keyring that keeps
                secrets from others.
        """
        self._backend = _keyring_of_the_system() if backend is None else backend
        if self._backend.priority < _SAFE:
            raise ConfigurationError(
                f"There is no keyring here that keeps secrets: the best is "
                f"{type(self._backend).__module__}. Install one, or take FileTokenStore"
            )
        self._service = service
        self._locks = FileTokenStore(
            default_folder() if lock_folder is None else lock_folder, lock_timeout=lock_timeout
        )

    def lock(self, key: GrantKey) -> AbstractContextManager[None]:
        """Keep all other threads and processes here from exchanging the tokens.

        Raises:
            TokenStoreError: one of them holds the lock for too long, or it cannot be made.
        """
        return self._locks.lock(key)

    def find(self, client_id: str, refresh_token: str) -> GrantKey | None:
        """Return which grant has, or had, the refresh token with this fingerprint.

        A keyring lists no entries, so each refresh token has a small one of its own, which names
        the user and holds no secret.

        Raises:
            TokenStoreError: the keyring is locked, or what it holds makes no sense.
        """
        name = _alias(client_id, refresh_token)
        text = self._ask("read", lambda: self._backend.get_password(self._service, name))
        if text is None:
            return None
        try:
            return GrantKey(client_id, int(text))
        except ValueError:
            raise TokenStoreError(
                f"The entry {name!r} of {self._service!r} in the keyring names no user. Remove it"
            ) from None

    def load(self, key: GrantKey) -> StoredGrant | None:
        """Return what was saved last, None where nothing was.

        Raises:
            TokenStoreError: the keyring is locked, or what it holds makes no sense.
        """
        text = self._ask("read", lambda: self._backend.get_password(self._service, key.name))
        if text is None:
            return None
        kept = kept_in(key, text)
        del text  # some loggers print what is in the frames of an error
        if kept is None:
            raise TokenStoreError(
                f"The entry {key.name!r} of {self._service!r} in the keyring holds no tokens of "
                f"user {key.user_id} that can be read. Remove it, and hand in the tokens of a new "
                "consent"
            )
        return kept.grant

    def save(self, key: GrantKey, grant: StoredGrant) -> None:
        """Keep this from now on.

        Raises:
            TokenStoreError: the keyring is locked, or does not take it.
        """

        def save() -> None:
            self._backend.set_password(self._service, key.name, text_of(key, 1, grant))

        self._ask("save", save, secrets=_secrets_of(key, grant))
        for spent in (fingerprint(grant.tokens.refresh_token), *grant.superseded[:1]):
            name, user = _alias(key.client_id, spent), str(key.user_id)
            self._ask("save", partial(self._backend.set_password, self._service, name, user))

    # Private

    def _ask(
        self, what: str, question: Callable[[], T], *, secrets: Callable[[], list[str]] = list
    ) -> T:
        try:
            return question()
        except Exception as error:  # noqa: BLE001 (keyrings raise their systems' own errors)
            failure = scrub(f"{type(error).__name__}: {error}", secrets())
        # Outside the handler, for the frames of that error hold the tokens.
        raise TokenStoreError(
            f"Could not {what} the tokens in the keyring {type(self._backend).__module__} "
            f"({failure}). Unlock it, or take FileTokenStore"
        )


# Private


def _alias(client_id: str, refresh_token: str) -> str:
    """Return the name of the entry that says whose a refresh token is."""
    application = hashlib.sha256(client_id.encode()).hexdigest()[:12]
    return f"token-{refresh_token}-{application}"


def _secrets_of(key: GrantKey, grant: StoredGrant) -> Callable[[], list[str]]:
    """Return what gives the texts that a keyring was handed and must not repeat."""

    def secrets() -> list[str]:
        pairs = (grant.tokens, grant.previous or grant.tokens)
        tokens = [each for pair in pairs for each in (pair.access_token, pair.refresh_token)]
        return [text_of(key, 1, grant), *tokens]

    return secrets


def _keyring_of_the_system() -> Keyring:
    try:
        import keyring
    except ImportError:
        raise ConfigurationError(
            "KeyringTokenStore needs the extra `keyring`: pip install 'ctrader[keyring]'"
        ) from None
    return cast("Keyring", keyring.get_keyring())  # its own types say less
