"""What every store keeps, and what a record of a grant knows."""

from __future__ import annotations

import pickle
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

import ctrader
from ctrader.errors import TokenStoreError
from ctrader.tokens import (
    FileTokenStore,
    GrantKey,
    MemoryTokenStore,
    StoredGrant,
    TokenPair,
    TokenStore,
)
from ctrader.tokens.record import MOST_SUPERSEDED, fingerprint

KEY = GrantKey("1234_app", 77)
BOUND = 10.0
"""Seconds that a test waits for a thread at most."""


def pair(number: int) -> TokenPair:
    """Make a pair that no other test has."""
    return TokenPair(
        access_token=f"canary-access-{number}",
        refresh_token=f"canary-refresh-{number}",
        expires_at=1_800_000_000.5 + number,
    )


def contents(grant: StoredGrant | None) -> object:
    """Return all that a grant holds, secrets too."""
    if grant is None:
        return None
    pairs = (grant.tokens, grant.previous)
    told = [
        each and (each.access_token, each.refresh_token, each.expires_at, each.token_type)
        for each in pairs
    ]
    return told, grant.superseded, grant.exchanging


def frames(error: BaseException) -> str:
    """Return what some loggers print of an error: the locals of every frame of the library."""
    library, found = Path(ctrader.__file__).parent, ""
    told: traceback.TracebackException | None = traceback.TracebackException.from_exception(
        error, capture_locals=True
    )
    while told is not None:
        for frame in told.stack:
            if Path(frame.filename).is_relative_to(library):
                found += f"{frame.name}: {frame.locals}\n"
        told = told.__cause__ or told.__context__
    return found


@pytest.fixture(params=["memory", "file"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], TokenStore]:
    """Make stores that do not wait for locks."""
    if request.param == "memory":
        store = MemoryTokenStore(lock_timeout=0)
        return lambda: store
    return lambda: FileTokenStore(tmp_path / "tokens", lock_timeout=0)


def test_what_was_saved_is_loaded(make: Callable[[], TokenStore]):
    assert make().load(KEY) is None
    grant = StoredGrant(tokens=pair(1)).begun().rotated(pair(2)).begun()
    make().save(KEY, grant)
    assert contents(make().load(KEY)) == contents(grant)
    make().save(KEY, grant.rotated(pair(3)))
    assert contents(make().load(KEY)) == contents(grant.rotated(pair(3)))


def test_grants_of_others_are_apart(make: Callable[[], TokenStore]):
    store = make()
    keys = [KEY, GrantKey("1234_app", 78), GrantKey("9999_other", 77)]
    for number, key in enumerate(keys):
        store.save(key, StoredGrant(tokens=pair(number)))
    for number, key in enumerate(keys):
        found = store.load(key)
        assert found is not None
        assert found.tokens.access_token == f"canary-access-{number}"


def test_lock_keeps_everybody_else_out_until_it_is_let_go(make: Callable[[], TokenStore]):
    with make().lock(KEY):
        with pytest.raises(TokenStoreError, match="locked by another client for 0 s"):
            make().lock(KEY).__enter__()
        with make().lock(GrantKey("1234_app", 78)):
            pass
    with make().lock(KEY):
        pass


def test_lock_may_be_let_go_on_another_thread(make: Callable[[], TokenStore]):
    held = make().lock(KEY)
    taker = threading.Thread(target=held.__enter__)
    taker.start()
    taker.join(BOUND)
    with pytest.raises(TokenStoreError):
        make().lock(KEY).__enter__()
    held.__exit__(None, None, None)
    with make().lock(KEY):
        pass


def test_lock_is_let_go_by_an_error(make: Callable[[], TokenStore]):
    with pytest.raises(RuntimeError), make().lock(KEY):
        raise RuntimeError
    with make().lock(KEY):
        pass


def test_only_one_of_many_threads_is_inside(tmp_path: Path):
    for store in (MemoryTokenStore(), FileTokenStore(tmp_path)):
        inside: list[int] = []
        most: list[int] = []

        def visit(store: TokenStore = store, inside: list[int] = inside) -> None:
            for _ in range(5):
                with store.lock(KEY):
                    inside.append(1)
                    most.append(len(inside))  # noqa: B023 (used in this turn only)
                    inside.pop()

        threads = [threading.Thread(target=visit) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(BOUND)
        assert most == [1] * 20


# Records


def test_rotation_keeps_the_pair_before_and_knows_what_was_spent():
    grant = StoredGrant(tokens=pair(1))
    assert not grant.supersedes("canary-refresh-1")
    begun = grant.begun()
    assert begun.exchanging == fingerprint("canary-refresh-1")
    assert contents(begun.settled()) == contents(grant)
    rotated = begun.rotated(pair(2))
    assert rotated.previous is not None
    assert rotated.previous.refresh_token == "canary-refresh-1"
    assert rotated.exchanging is None
    assert rotated.supersedes("canary-refresh-1")
    assert not rotated.supersedes("canary-refresh-2")


def test_old_fingerprints_are_forgotten_in_the_end():
    grant = StoredGrant(tokens=pair(0))
    for number in range(1, MOST_SUPERSEDED + 6):
        grant = grant.rotated(pair(number))
    assert len(grant.superseded) == MOST_SUPERSEDED
    assert grant.supersedes(f"canary-refresh-{MOST_SUPERSEDED + 4}")
    assert not grant.supersedes("canary-refresh-1")


def test_record_shows_no_secret():
    grant = StoredGrant(tokens=pair(1)).begun().rotated(pair(2)).begun()
    shown = f"{grant!r} {grant} {grant.model_dump()} {grant.model_dump_json()} {dict(grant)}"
    shown += f"{grant.tokens!r} {grant.tokens.model_dump()}"
    assert "canary" not in shown
    for secret in (grant, grant.tokens):
        with pytest.raises(TypeError, match="TokenStore"):
            pickle.dumps(secret)


def test_token_that_was_handed_in_is_known_however_often_it_was_exchanged():
    grant = StoredGrant(tokens=pair(0))
    for number in range(1, 60):
        grant = grant.rotated(pair(number))
    assert grant.supersedes(pair(0).refresh_token)
    assert not grant.supersedes(pair(59).refresh_token)
    assert len(grant.superseded) < 30
    # A new consent is what stands in the configuration from then on.
    grant = grant.replaced(pair(100))
    assert not grant.supersedes(pair(100).refresh_token)
    for number in range(101, 160):
        grant = grant.rotated(pair(number))
    assert grant.supersedes(pair(100).refresh_token)
