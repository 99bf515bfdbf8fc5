"""Tokens in a keyring, which here is one of the tests' own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from keyring.backends import fail
from keyring.errors import KeyringLocked

from ctrader.errors import ConfigurationError, TokenStoreError
from ctrader.tokens import KeyringTokenStore, StoredGrant
from ctrader.tokens.record import fingerprint
from tests.tokens.test_stores import KEY, contents, frames, pair


class Keyring:
    """A keyring in memory that can be locked."""

    priority: float = 5

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}
        self.failure: Exception | None = None

    def get_password(self, service: str, username: str) -> str | None:
        if self.failure is not None:
            raise self.failure
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        if self.failure is not None:
            raise self.failure
        self.entries[service, username] = password


class Plaintext(Keyring):
    """One that writes secrets where anybody can read them."""

    priority = 0.5


@pytest.fixture
def backend() -> Keyring:
    return Keyring()


@pytest.fixture
def store(backend: Keyring, tmp_path: Path) -> KeyringTokenStore:
    return KeyringTokenStore("bot", backend=backend, lock_folder=tmp_path, lock_timeout=0)


def test_what_was_saved_is_loaded(store: KeyringTokenStore, backend: Keyring, tmp_path: Path):
    assert store.load(KEY) is None
    grant = StoredGrant(tokens=pair(1)).begun().rotated(pair(2)).begun()
    with store.lock(KEY):
        store.save(KEY, grant)
    assert contents(store.load(KEY)) == contents(grant)
    tokens, *names = backend.entries
    assert tokens == ("bot", KEY.name)
    # The others name the user of a refresh token, and hold no secret.
    assert {backend.entries[name] for name in names} == {str(KEY.user_id)}
    for number in (1, 2):
        found = store.find(KEY.client_id, fingerprint(pair(number).refresh_token))
        assert found == KEY
    assert store.find("another program", fingerprint(pair(1).refresh_token)) is None
    assert "canary" not in repr(names)
    assert [file.read_text() for file in tmp_path.iterdir()] == [""]


def test_entry_fits_the_smallest_keyring(store: KeyringTokenStore, backend: Keyring):
    grant = StoredGrant(tokens=pair(0))
    for number in range(1, 30):
        grant = grant.rotated(
            pair(number).model_copy(
                update={"access_token": "a" * 60, "refresh_token": f"{number:060}"}
            )
        )
    store.save(KEY, grant.begun())
    assert max(len(text) for text in backend.entries.values()) < 1_280


def test_lock_is_that_of_all_processes(store: KeyringTokenStore, tmp_path: Path):
    other = KeyringTokenStore(backend=Keyring(), lock_folder=tmp_path, lock_timeout=0)
    with store.lock(KEY), pytest.raises(TokenStoreError, match="locked by another client"):
        other.lock(KEY).__enter__()


def test_keyring_that_is_locked_is_told_without_the_tokens(
    store: KeyringTokenStore, backend: Keyring
):
    backend.failure = KeyringLocked("Failed to unlock the collection!")
    actions: tuple[Callable[[], object], ...] = (
        lambda: store.load(KEY),
        lambda: store.find(KEY.client_id, "ab"),
        lambda: store.save(KEY, StoredGrant(tokens=pair(1))),
    )
    for action in actions:
        with pytest.raises(TokenStoreError, match="Failed to unlock the collection") as caught:
            action()
        assert "canary" not in repr(caught.value) + frames(caught.value)
        assert caught.value.__context__ is None


def test_keyring_that_repeats_what_it_was_given_is_not_repeated(
    store: KeyringTokenStore, monkeypatch: pytest.MonkeyPatch
):
    def refuse(self: Keyring, service: str, username: str, password: str) -> None:
        raise OSError(f"{username} with {password}: {pair(1).refresh_token}, {pair(2)}")

    monkeypatch.setattr(Keyring, "set_password", refuse)
    with pytest.raises(TokenStoreError, match=rf"OSError: {KEY.name} with \*\*\*: ") as caught:
        store.save(KEY, StoredGrant(tokens=pair(1)).rotated(pair(2)))
    assert "canary" not in str(caught.value) + frames(caught.value)


def test_name_of_a_user_that_makes_no_sense_is_told(store: KeyringTokenStore, backend: Keyring):
    store.save(KEY, StoredGrant(tokens=pair(1)))
    for name in [name for name in backend.entries if name[1] != KEY.name]:
        backend.entries[name] = "nobody"
    with pytest.raises(TokenStoreError, match="names no user"):
        store.find(KEY.client_id, fingerprint(pair(1).refresh_token))


def test_entry_that_makes_no_sense_is_told(store: KeyringTokenStore, backend: Keyring):
    backend.entries["bot", KEY.name] = '{"version": 1, "tokens": "canary"}'
    with pytest.raises(TokenStoreError, match="holds no tokens of user 77") as caught:
        store.load(KEY)
    assert "canary" not in str(caught.value) + frames(caught.value)


def test_keyring_that_keeps_nothing_secret_is_refused(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigurationError, match="no keyring here that keeps secrets"):
        KeyringTokenStore(backend=Plaintext())
    monkeypatch.setattr("keyring.get_keyring", fail.Keyring)
    with pytest.raises(ConfigurationError, match=r"the best is keyring\.backends\.fail"):
        KeyringTokenStore()


def test_extra_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'ctrader\[keyring\]'"):
        KeyringTokenStore()
