"""Exchange a pair of tokens, so that none is spent twice and none is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar, cast

from ctrader.credentials import AccountCredentials
from ctrader.errors import (
    APIError,
    AuthenticationError,
    ClientClosedError,
    ConfigurationError,
    CTraderConnectionError,
    CTraderConnectionTimeoutError,
    CTraderError,
    ProtocolError,
    ReauthorizationRequiredError,
    TokenRefreshError,
    TokenStoreError,
)
from ctrader.models.wire import text_of
from ctrader.operations.base import Op, change, read
from ctrader.proto import (
    ProtoOAGetCtidProfileByTokenReq,
    ProtoOAGetCtidProfileByTokenRes,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.protocol.auth import is_passing
from ctrader.protocol.commands import Keep, Pause
from ctrader.tokens.record import GrantKey, Shelf, StoredGrant, TokenPair, fingerprint
from ctrader.units import SECOND, to_nanos

if TYPE_CHECKING:
    from ctrader.proto import ProtoOACtidProfile
    from ctrader.protocol.grants import Grant, Grants
    from ctrader.tokens.store import TokenStore

__all__ = ["enrol", "rotate", "tell"]

T = TypeVar("T")

logger: Final = logging.getLogger("ctrader.tokens")

SAVE_AGAIN: Final = 1 * SECOND
"""Time between two tries to save a pair that nobody else has."""
UNANSWERED: Final = 60.0
"""Seconds after which the answer to a refresh token does not come any more."""
_LAST_EXPIRY: Final = 9e10  # Unix seconds, the year 4821: what is later is no time in seconds
_PROVISIONAL_DIGITS: Final = 12


def enrol(grant: Grant, grants: Grants) -> Op[None]:
    """Have a store keep a pair that the server has just accepted.

    Raises:
        TokenStoreError: the store could not be read, or does not take it.
        APIError: the server does not say whose tokens they are.
    """
    store = grants.store
    assert store is not None
    key = yield from _own_key(grant, grants)
    yield from _locked(store, key, partial(_enrolled, grant, grants, store, key))


def rotate(grant: Grant, grants: Grants) -> Op[None]:
    """Exchange a grant's pair, or adopt the one that another process got for it.

    Raises:
        ReauthorizationRequiredError: the server takes neither token any more.
        TokenRefreshError: no new pair was obtained this time; the old one may still be good.
    """
    try:
        yield from _answering(grant)
        store = grants.store
        if store is None:
            pair = yield from _new_pair(grant, grants)
            yield from _taken(grant, grants, pair)
        else:
            key = yield from _key(grant, grants, store)
            yield from _locked(store, key, partial(_kept_and_exchanged, grant, grants, store, key))
    except TokenRefreshError:
        raise
    except ReauthorizationRequiredError:
        raise
    except CTraderError as error:
        raise TokenRefreshError(cause=error, account_ids=grants.ids_of(grant)) from error


def tell(grant: Grant, grants: Grants) -> Op[None]:
    """Tell the user the newest pair for accounts that came after its exchange."""
    pair = grant.pair
    left = _tellings(grant, grants, pair)
    is_reported = False
    while left and grant.pair is pair:
        left, failure = yield from _tried(left)
        if failure is not None:
            if not is_reported:
                is_reported = True
                grants.failed_to_save(grant, _harmless(failure, pair))
            yield from _before_next_try(grant, grants, left)


# Private: under whose name a pair is kept


def _own_key(grant: Grant, grants: Grants) -> Op[GrantKey]:
    """Ask whose tokens they are; the access token must be good."""
    if grant.key is None or grant.key.user_id < 0:
        profile = yield from _profile(grant.pair)
        grant.key = GrantKey(grants.client_id, profile.userId)
    return grant.key


def _key(grant: Grant, grants: Grants, store: TokenStore) -> Op[GrantKey]:
    """Return under what a pair is kept, also if its access token is dead."""
    if grant.key is not None:
        return grant.key
    spent = fingerprint(grant.pair.refresh_token)
    known = yield from _ask(lambda: store.find(grants.client_id, spent))
    if known is not None:
        grant.key = known
        return known
    try:
        return (yield from _own_key(grant, grants))
    except AuthenticationError:
        # Nobody says whose it is before there is a new one: until then its own name will do.
        return GrantKey(grants.client_id, -int(spent[:_PROVISIONAL_DIGITS], 16) - 1)


def _profile(pair: TokenPair) -> Op[ProtoOACtidProfile]:
    request = ProtoOAGetCtidProfileByTokenReq(accessToken=pair.access_token)
    answer = yield from read(request, ProtoOAGetCtidProfileByTokenRes)
    return answer.profile


# Private: the store


def _ask(question: Callable[[], T], *, is_vital: bool = False, waits: bool = False) -> Op[T]:
    """Have a store asked on a thread of its own; whatever it raises is a `TokenStoreError`."""
    try:
        return cast("T", (yield Keep(question, is_vital=is_vital, waits=waits)))
    except CTraderError:
        raise
    except Exception as error:  # noqa: BLE001 - a store of the user's own may raise anything
        failure = type(error).__name__  # its text may hold what it could not keep
    raise TokenStoreError(f"The token store failed ({failure}). See to it, and restart the client")


def _locked(store: TokenStore, key: GrantKey, work: Callable[[], Op[None]]) -> Op[None]:
    """Do something while nobody else exchanges the same tokens."""
    lock = yield from _ask(partial(_enter, store, key), waits=True)
    try:
        yield from work()
    except GeneratorExit:
        lock.__exit__(None, None, None)  # the session is over: nobody would do it any more
        raise
    except Exception:
        yield from _unlocked(lock)
        raise
    yield from _unlocked(lock)


def _enter(store: TokenStore, key: GrantKey) -> AbstractContextManager[object]:
    lock: AbstractContextManager[object] = store.lock(key)
    lock.__enter__()
    return lock


def _unlocked(lock: AbstractContextManager[object]) -> Op[None]:
    yield from _ask(lambda: lock.__exit__(None, None, None), is_vital=True)


def _enrolled(grant: Grant, grants: Grants, store: TokenStore, key: GrantKey) -> Op[None]:
    kept = yield from _ask(lambda: store.load(key))
    if kept is not None and kept.supersedes(grant.pair.refresh_token):
        _adopted(grant, grants, kept)
        return
    if kept is not None and kept.tokens == grant.pair:
        grant.record = kept
        return
    record = _record(grant, kept)
    yield from _ask(lambda: store.save(key, record))
    grant.record = record


def _record(grant: Grant, kept: StoredGrant | None) -> StoredGrant:
    """Return what to keep of a pair that the store does not have as its newest."""
    if kept is not None and kept.tokens.refresh_token != grant.pair.refresh_token:
        return kept.replaced(grant.pair)  # a new consent of the same user
    if kept is not None:
        return kept
    if grant.record is not None and grant.record.tokens == grant.pair:
        return grant.record  # under a provisional name until now
    return StoredGrant(tokens=grant.pair)


def _adopted(grant: Grant, grants: Grants, kept: StoredGrant) -> None:
    """Use a pair that the store has, in the place of one that was exchanged for it."""
    ids = ", ".join(map(str, grants.ids_of(grant)))
    grants.note(
        f"The tokens of account {ids} were exchanged before, by this program or another one; the "
        "pair in the token store is used instead."
    )
    grant.record = kept
    grants.adopt(grant, kept.tokens)


def _kept_and_exchanged(grant: Grant, grants: Grants, store: TokenStore, key: GrantKey) -> Op[None]:
    """Exchange a pair while its store is locked."""
    kept = yield from _ask(lambda: store.load(key))
    if kept is not None and kept.supersedes(grant.pair.refresh_token):
        _adopted(grant, grants, kept)
        return
    # The store is tried before anything is spent, and the next process sees what was begun.
    record = _record(grant, kept).begun()
    yield from _ask(lambda: store.save(key, record))
    if grants.is_closing and grant.answer is None:
        yield from _ask(lambda: store.save(key, record.settled()), is_vital=True)
        raise ClientClosedError
    yield from _answering(grant)
    try:
        pair = yield from _new_pair(grant, grants)
    except TokenRefreshError:
        # A definite refusal: what was begun has not happened.
        yield from _ask(lambda: store.save(key, record.settled()))
        raise
    rotated = record.rotated(pair)
    yield from _taken(grant, grants, pair, Shelf(lambda: store.save(key, rotated)), rotated)


# Private: the exchange


def _answering(grant: Grant) -> Op[None]:
    """Make sure that the link answers, right before something is sent that cannot be repeated."""
    if grant.answer is None:
        yield from read(ProtoOAVersionReq(), ProtoOAVersionRes)


def _new_pair(grant: Grant, grants: Grants) -> Op[TokenPair]:
    """Send the refresh token until the server gives its answer.

    A lost answer may have brought the new pair. If the old access token still works it did not;
    otherwise the refresh token is tried once more, and the server decides. A server that says
    nothing for a minute, on a link that lives, has lost the answer; one that comes all the same
    is taken instead of sending anything more.

    Raises:
        TokenRefreshError: the server does not do it now.
        ReauthorizationRequiredError: the refresh token is spent.
    """
    tries = 0
    while True:
        grant.is_held = True
        request = ProtoOARefreshTokenReq(refreshToken=grant.pair.refresh_token)
        try:
            if grant.answer is None:
                grant.is_unanswered = True
                grant.answer = yield from change(
                    request, ProtoOARefreshTokenRes, patience=UNANSWERED
                )
            return _pair(grant.answer, grants)
        except APIError as error:
            if grant.answer is not None:
                continue  # it came while this request still waited to be sent
            grant.is_unanswered = False
            tries += 1
            policy = grants.refresh_policy
            if error.is_token_failure():
                raise ReauthorizationRequiredError(
                    cause=error, account_ids=grants.ids_of(grant)
                ) from error
            grants.release(grant)
            if tries > policy.retry_attempts or grants.is_closing or not is_passing(error):
                raise TokenRefreshError(cause=error, account_ids=grants.ids_of(grant)) from error
            wait = min(policy.retry_min_wait * 2 ** (tries - 1), policy.retry_max_wait)
            yield Pause(to_nanos(max(error.retry_after or 0.0, wait)))
        except CTraderConnectionError as error:
            # It may have been spent, or never have arrived. The old access token tells.
            if isinstance(error, CTraderConnectionTimeoutError):
                ids = ", ".join(map(str, grants.ids_of(grant)))
                grants.note(
                    f"The server did not answer for {UNANSWERED:g} s when the tokens of account "
                    f"{ids} were to be exchanged. It is asked again."
                )
            yield from _next_link(grant)
        except (ProtocolError, ConfigurationError) as error:
            # The answer came, and holds no pair: the old one is spent.
            grant.answer, grant.is_unanswered = None, False
            raise ReauthorizationRequiredError(
                cause=error, account_ids=grants.ids_of(grant)
            ) from error


def _next_link(grant: Grant) -> Op[None]:
    """Wait for a link that answers, and look there whether the old access token still works.

    It ends, too, when the answer comes that was not waited for any more.
    """
    while grant.answer is None:
        try:
            yield from _profile(grant.pair)
        except APIError as error:
            if is_passing(error):
                yield Pause(SAVE_AGAIN)
                continue
        except CTraderConnectionError:
            yield Pause(SAVE_AGAIN)
            continue
        return


def _pair(answer: ProtoOARefreshTokenRes, grants: Grants) -> TokenPair:
    # The old pair is dead: no lifetime and no kind, however odd, may cost the new one.
    try:
        kind = text_of(answer, "tokenType") or ""
    except ProtocolError:
        kind = ""
    return TokenPair(
        access_token=answer.accessToken,
        refresh_token=answer.refreshToken,
        expires_at=min(max(0.0, grants.unix_now() + answer.expiresIn), _LAST_EXPIRY),
        token_type=kind,
    )


def _taken(
    grant: Grant,
    grants: Grants,
    pair: TokenPair,
    shelf: Shelf | None = None,
    record: StoredGrant | None = None,
) -> Op[None]:
    """Save a new pair, use it, and go on saving it until that has succeeded.

    The old one is dead: a pair that cannot be saved is used from memory.
    """
    left: list[Keep] = []
    if shelf is not None:
        left.append(Keep(shelf.save, is_vital=True))
    grant.told = frozenset()
    left += _tellings(grant, grants, pair)
    is_used = False
    try:
        while True:
            left, failure = yield from _tried(left)
            while joined := [] if is_used else _tellings(grant, grants, pair):
                failed, another = yield from _tried(joined)
                left, failure = left + failed, failure or another
            if failure is not None and not is_used:
                grants.failed_to_save(grant, _harmless(failure, grant.pair, pair))
            if not is_used:
                is_used = True
                grant.record = record
                grants.adopt(grant, pair)
            if not left:
                return
            yield from _before_next_try(grant, grants, left)
    except GeneratorExit:
        # The session is over, and nobody else has it. The lock is let go of behind it.
        if shelf is not None:
            try:
                shelf.save()
            except Exception as error:  # noqa: BLE001 - a store may raise anything
                _unsaved_to_the_end(grant, grants, _harmless(error, grant.pair, pair))
        raise


def _tellings(grant: Grant, grants: Grants, pair: TokenPair) -> list[Keep]:
    """Return what tells a pair for the accounts for which nobody was told it yet."""
    account_ids = [each for each in grants.ids_of(grant) if each not in grant.told]
    grant.told |= frozenset(account_ids)
    return [
        Keep(partial(callback, _credentials(account_id, pair)), is_callback=True, is_vital=True)
        for account_id in account_ids
        for callback in grants.callbacks
    ]


def _credentials(account_id: int, pair: TokenPair) -> AccountCredentials:
    return AccountCredentials(
        account_id=account_id,
        access_token=pair.access_token,
        refresh_token=pair.refresh_token,
        expires_at=pair.expires_at,
        token_type=pair.token_type,
    )


def _tried(jobs: list[Keep]) -> Op[tuple[list[Keep], Exception | None]]:
    """Do each job; return those that failed, and the first failure."""
    failed: list[Keep] = []
    first: Exception | None = None
    for job in jobs:
        try:
            yield job
        except Exception as error:  # noqa: BLE001 - a store or function of the user may raise anything
            failed.append(job)
            first = first or error
    return failed, first


def _before_next_try(grant: Grant, grants: Grants, jobs: list[Keep]) -> Op[None]:
    """Wait before jobs are tried again; where the session closes meanwhile, do it now."""
    try:
        yield Pause(SAVE_AGAIN)
    except ClientClosedError:
        _, failure = yield from _tried(jobs)
        if failure is not None:
            _unsaved_to_the_end(grant, grants, _harmless(failure, grant.pair))
        raise


def _unsaved_to_the_end(grant: Grant, grants: Grants, failure: Exception) -> None:
    """Leave a last word in the log: nobody may take events any more."""
    logger.critical(
        "The new tokens of accounts %s could not be saved, or told, before the end of the client; "
        "the old ones are spent: %s",
        grants.ids_of(grant),
        failure,
    )


def _harmless(failure: Exception, *pairs: TokenPair) -> Exception:
    """Return what a store or a function of the user raised, unless it shows a token."""
    secrets = [token for pair in pairs for token in (pair.access_token, pair.refresh_token)]
    for error in _chain(failure):
        notes: Iterable[str] = getattr(error, "__notes__", ())
        text = f"{error} {error!r} {error.args!r} {' '.join(notes)}"
        if any(secret in text for secret in secrets):
            return TokenStoreError(
                f"The token store or on_tokens_refreshed failed ({type(failure).__name__}). Its "
                "text is not shown, for it holds a token"
            )
    return failure


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error with all that led to it, each once."""
    waiting, seen = [error], set[int]()
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += (each.__cause__, each.__context__)
