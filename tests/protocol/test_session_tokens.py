"""Pairs of tokens are exchanged in time, none is spent twice, and no new one is lost."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import TypeVar

import pytest
from google.protobuf.message import Message

from ctrader.credentials import AccountCredentials
from ctrader.errors import (
    AuthenticationError,
    ClientClosedError,
    NotConnectedError,
    ReauthorizationRequiredError,
    TokenExpiredError,
    TokenRefreshError,
    TokenStoreError,
)
from ctrader.events import (
    ReadyEvent,
    ReauthorizationRequiredEvent,
    TokenRefreshFailedEvent,
    TokenSaveFailedEvent,
    TokensRotatedEvent,
)
from ctrader.operations.background import BackgroundWork
from ctrader.proto import (
    ProtoErrorRes,
    ProtoHeartbeatEvent,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOACtidProfile,
    ProtoOAGetCtidProfileByTokenReq,
    ProtoOAGetCtidProfileByTokenRes,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.protocol.commands import Authorize, Call, Rotate
from ctrader.protocol.effects import Warned
from ctrader.tokens import GrantKey, MemoryTokenStore, StoredGrant, TokenPair
from ctrader.tokens.record import fingerprint
from tests.protocol.peer import ACCOUNT, OTHER_ACCOUNT, UNIX_START, Peer
from tests.tokens.test_stores import frames

M = TypeVar("M", bound=Message)

USER = 77
MONTH = 2_628_000
KEY = GrantKey("the-client-id", USER)
DAY = 86_400.0
HOUR = 3_601.0
"""A little more than the longest time between two looks at the clock."""


def tokens(number: int = 1, account_id: int = ACCOUNT, left: float = MONTH) -> AccountCredentials:
    return AccountCredentials(
        account_id=account_id,
        access_token=f"access-{number}",
        refresh_token=f"refresh-{number}",
        expires_at=UNIX_START + left,
    )


def pair(number: int, left: float = MONTH) -> TokenPair:
    return TokenPair(
        access_token=f"access-{number}",
        refresh_token=f"refresh-{number}",
        expires_at=UNIX_START + left,
    )


class FailingStore(MemoryTokenStore):
    """Fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.failures: list[str] = []
        self.saves: list[StoredGrant] = []

    def load(self, key: GrantKey) -> StoredGrant | None:
        self._fail("load")
        return super().load(key)

    def save(self, key: GrantKey, grant: StoredGrant) -> None:
        self._fail("save")
        self.saves.append(grant)
        super().save(key, grant)

    def _fail(self, what: str) -> None:
        if what in self.failures:
            self.failures.remove(what)
            raise TokenStoreError(f"no {what} today")


class Issuer:
    """The server's side: one grant, which knows what each of its tokens is worth."""

    def __init__(
        self,
        store: MemoryTokenStore | None = None,
        *callbacks: Callable[[AccountCredentials], object],
        number: int = 1,
    ) -> None:
        self.peer = Peer(work=BackgroundWork(), token_store=store, token_callbacks=list(callbacks))
        self.number = number
        """The pair that works."""
        self.life = MONTH
        self.dead: set[str] = set()
        """Access tokens that ended before their time."""
        self.received: list[str] = []
        """Refresh tokens in the order in which they arrived."""
        self._told: set[str] = set()
        self._seen = 0

    # Pieces

    def connect(self) -> None:
        self.peer.start()
        self.peer.connection_made()
        self.settle()

    def authorize(self, credentials: AccountCredentials) -> int:
        call_id = self.peer.submit(Authorize(credentials), 1e6)
        self.settle()
        return call_id

    def ready(self, credentials: AccountCredentials | None = None) -> None:
        self.connect()
        self.authorize(tokens(self.number) if credentials is None else credentials)
        self.peer.clear()

    def settle(self, *, but: type[Message] | None = None) -> None:
        """Answer everything and do every job, until nothing is left but requests of one kind."""
        while self.peer.jobs or self.answer_one(but):
            self.peer.do_jobs()

    def refresh(self) -> None:
        """Give the answer to a refresh request, and remember that it was given."""
        (request,) = self.open(ProtoOARefreshTokenReq)[:1]
        token = request.refreshToken
        assert token not in self._told, f"{token} was sent again after its answer"
        if token != f"refresh-{self.number}":
            self.peer.refuse_commonly(ProtoOARefreshTokenReq, "CH_ACCESS_TOKEN_INVALID")
            return
        self.exchange()
        self._told.add(token)
        self.peer.answer(ProtoOARefreshTokenReq, self.next_pair())

    def exchange(self) -> None:
        """Spend the pair that works, whether or not anybody is told."""
        self.number += 1

    def next_pair(self) -> ProtoOARefreshTokenRes:
        return ProtoOARefreshTokenRes(
            accessToken=f"access-{self.number}",
            refreshToken=f"refresh-{self.number}",
            tokenType="bearer",
            expiresIn=self.life,
        )

    def open(self, kind: type[M]) -> list[M]:
        """Requests of a type that were not answered yet."""
        return [sent.message for sent in self.peer.open(kind) if isinstance(sent.message, kind)]

    def later(self, seconds: float, *, but: type[Message] | None = None) -> None:
        """Let time pass, with a server that is alive."""
        self.peer.set_clock(max(0.0, seconds - HOUR))
        left = min(seconds, HOUR)
        while left > 0:
            self.peer.advance(min(left, 20))
            self.peer.push(ProtoHeartbeatEvent())
            self.settle(but=but)
            left -= 20

    def lose_link(self) -> None:
        self.peer.connection_lost()
        self.peer.do_jobs()

    def reconnect(self) -> None:
        self.peer.reopen()
        self.peer.connection_made()
        self.settle()

    @property
    def refreshes(self) -> list[str]:
        """Every refresh token that was ever sent, in order."""
        return [
            sent.message.refreshToken
            for sent in self.peer.history
            if isinstance(sent.message, ProtoOARefreshTokenReq)
        ]

    def answer_one(self, but: type[Message] | None) -> bool:
        peer = self.peer
        for kind, answer in (
            (ProtoOAApplicationAuthReq, self._application),
            (ProtoOAVersionReq, self._version),
            (ProtoOAGetCtidProfileByTokenReq, self.profile),
            (ProtoOAAccountAuthReq, self._account),
            (ProtoOARefreshTokenReq, self.refresh),
        ):
            if kind is not but and peer.open(kind):
                answer()
                return True
        return False

    def _application(self) -> None:
        self.peer.answer(ProtoOAApplicationAuthReq, ProtoOAApplicationAuthRes())

    def _version(self) -> None:
        self.peer.answer(ProtoOAVersionReq, ProtoOAVersionRes(version="90"))

    def profile(self) -> None:
        (request, *_) = self.open(ProtoOAGetCtidProfileByTokenReq)
        if request.accessToken != f"access-{self.number}":
            self.peer.refuse_commonly(ProtoOAGetCtidProfileByTokenReq, "CH_ACCESS_TOKEN_INVALID")
            return
        profile = ProtoOACtidProfile(userId=USER)
        self.peer.answer(
            ProtoOAGetCtidProfileByTokenReq, ProtoOAGetCtidProfileByTokenRes(profile=profile)
        )

    def _account(self) -> None:
        (request, *_) = self.open(ProtoOAAccountAuthReq)
        if request.accessToken != f"access-{self.number}" or request.accessToken in self.dead:
            self.peer.refuse_commonly(ProtoOAAccountAuthReq, "CH_ACCESS_TOKEN_INVALID")
            return
        self.peer.answer(
            ProtoOAAccountAuthReq,
            ProtoOAAccountAuthRes(ctidTraderAccountId=request.ctidTraderAccountId),
        )


def kept(store: MemoryTokenStore) -> StoredGrant:
    grant = store.load(KEY)
    assert grant is not None
    return grant


# In time


def test_pair_is_kept_from_the_first_success_on() -> None:
    store = MemoryTokenStore()
    issuer = Issuer(store)
    issuer.ready()
    assert kept(store).tokens.refresh_token == "refresh-1"
    assert issuer.refreshes == []


def test_pair_is_exchanged_at_about_four_fifths_of_its_life() -> None:
    store = MemoryTokenStore()
    issuer = Issuer(store)
    issuer.ready()
    issuer.later(0.74 * MONTH)
    assert issuer.refreshes == []
    issuer.later(0.12 * MONTH)
    assert issuer.refreshes == ["refresh-1"]
    assert kept(store).tokens.refresh_token == "refresh-2"
    assert kept(store).supersedes("refresh-1")
    assert kept(store).exchanging is None
    known = issuer.peer.session.credentials(ACCOUNT)
    assert known is not None
    assert (known.access_token, known.refresh_token) == ("access-2", "refresh-2")
    (rotated,) = issuer.peer.seen(TokensRotatedEvent)
    assert rotated.credentials == (known,)
    assert issuer.peer.seen(ReadyEvent)[-1].account_id == ACCOUNT


def test_pair_that_nobody_keeps_is_exchanged_in_its_last_minutes_with_a_warning() -> None:
    issuer = Issuer()
    issuer.ready(tokens(left=DAY))
    issuer.later(DAY - 330)
    assert issuer.refreshes == []
    issuer.later(60)
    assert issuer.refreshes == ["refresh-1"]
    warnings = [each.text for each in issuer.peer.seen(Warned)]
    assert any("nobody keeps the new ones" in text for text in warnings)
    assert not any("refresh-" in text or "access-" in text for text in warnings)


def test_accounts_of_one_consent_are_exchanged_once_and_all_updated() -> None:
    told: list[AccountCredentials] = []
    issuer = Issuer(MemoryTokenStore(), told.append)
    issuer.ready()
    issuer.authorize(tokens(1, OTHER_ACCOUNT))
    issuer.later(0.86 * MONTH)
    assert issuer.refreshes == ["refresh-1"]
    assert [each.account_id for each in told] == [ACCOUNT, OTHER_ACCOUNT]
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        known = issuer.peer.session.credentials(account_id)
        assert known is not None
        assert known.refresh_token == "refresh-2"
        assert issuer.peer.session.is_account_authorized(account_id)


def test_expiry_that_is_told_too_short_does_not_exchange_without_end() -> None:
    issuer = Issuer(MemoryTokenStore())
    issuer.life = 0
    issuer.ready()
    issuer.later(0.86 * MONTH)
    before = len(issuer.refreshes)
    issuer.later(60)
    assert 1 <= len(issuer.refreshes) - before <= 7


def test_clock_may_be_stopped_and_begun_again() -> None:
    issuer = Issuer(MemoryTokenStore())
    issuer.ready()
    issuer.peer.session.keep_refreshed(issuer.peer.now, is_wanted=False)
    issuer.later(0.9 * MONTH)
    assert issuer.refreshes == []
    issuer.peer.session.keep_refreshed(issuer.peer.now, is_wanted=True)
    issuer.later(1)
    assert issuer.refreshes == ["refresh-1"]


def test_clock_that_was_set_changes_when_it_is_time() -> None:
    issuer = Issuer(MemoryTokenStore())
    issuer.ready()
    issuer.peer.set_clock(0.9 * MONTH)
    issuer.later(3600)
    assert issuer.refreshes == ["refresh-1"]


def test_pair_is_not_exchanged_because_it_was_invalidated() -> None:
    issuer = Issuer(MemoryTokenStore())
    issuer.ready()
    issuer.peer.push(
        ProtoOAAccountsTokenInvalidatedEvent(ctidTraderAccountIds=[ACCOUNT], reason="why not")
    )
    issuer.settle()
    assert issuer.refreshes == []
    assert issuer.peer.session.is_account_authorized(ACCOUNT)


# Safe


def test_intent_is_kept_before_the_token_is_sent_and_the_pair_before_it_is_used() -> None:
    store = MemoryTokenStore()
    issuer = Issuer(store)
    issuer.ready()
    call_id = issuer.peer.submit(Rotate(tokens()))
    issuer.settle(but=ProtoOARefreshTokenReq)
    assert kept(store).exchanging == fingerprint("refresh-1")
    issuer.refresh()
    # The answer is there, and the store has not been asked yet.
    assert issuer.peer.requests(ProtoOAAccountAuthReq) == []
    assert call_id not in issuer.peer.results
    issuer.peer.do_jobs(1)
    assert kept(store).tokens.refresh_token == "refresh-2"
    issuer.settle()
    assert issuer.peer.results[call_id].refresh_token == "refresh-2"  # type: ignore[attr-defined]


def test_store_that_cannot_be_written_stops_the_exchange_before_anything_is_sent() -> None:
    store = FailingStore()
    issuer = Issuer(store)
    issuer.ready()
    store.failures = ["save"]
    call_id = issuer.peer.submit(Rotate(tokens()))
    issuer.settle()
    assert issuer.refreshes == []
    error = issuer.peer.errors[call_id]
    assert isinstance(error, TokenRefreshError)
    assert isinstance(error.cause, TokenStoreError)
    (failed,) = issuer.peer.seen(TokenRefreshFailedEvent)
    assert failed.account_id == ACCOUNT
    # The lock is free, and when it is time all goes well.
    issuer.later(0.86 * MONTH)
    assert issuer.refreshes == ["refresh-1"]
    assert kept(store).tokens.refresh_token == "refresh-2"


def test_pair_that_cannot_be_saved_is_used_and_saved_every_second() -> None:
    store = FailingStore()
    issuer = Issuer(store)
    issuer.ready()
    call_id = issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.settle(but=ProtoOARefreshTokenReq)
    store.failures = ["save"] * 3
    issuer.refresh()
    issuer.settle()
    (failed,) = issuer.peer.seen(TokenSaveFailedEvent)
    assert failed.account_ids == (ACCOUNT,)
    assert issuer.peer.session.credentials(ACCOUNT).refresh_token == "refresh-2"  # type: ignore[union-attr]
    assert issuer.peer.session.is_account_authorized(ACCOUNT)
    assert kept(store).tokens.refresh_token == "refresh-1"
    for _ in range(3):
        assert call_id not in issuer.peer.results
        issuer.later(1)
    assert kept(store).tokens.refresh_token == "refresh-2"
    assert call_id in issuer.peer.results
    assert issuer.refreshes == ["refresh-1"]


def test_failing_callback_counts_as_a_failed_save() -> None:
    told: list[AccountCredentials] = []

    def keep(credentials: AccountCredentials) -> None:
        told.append(credentials)
        if len(told) < 3:
            raise OSError("disk full")

    issuer = Issuer(None, keep)
    issuer.ready()
    issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.settle()
    assert len(issuer.peer.seen(TokenSaveFailedEvent)) == 1
    assert issuer.peer.session.credentials(ACCOUNT).refresh_token == "refresh-2"  # type: ignore[union-attr]
    issuer.later(1.5)
    issuer.later(1.5)
    assert [each.refresh_token for each in told] == ["refresh-2"] * 3


def test_failing_callback_that_shows_the_tokens_is_not_repeated() -> None:
    def keep(credentials: AccountCredentials) -> None:
        try:
            raise KeyError(f"INSERT {credentials.refresh_token}")
        except KeyError as error:
            raise OSError("disk full") from error

    issuer = Issuer(None, keep)
    issuer.ready()
    issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.settle()
    (event,) = issuer.peer.seen(TokenSaveFailedEvent)
    assert "OSError" in str(event.error)
    assert "refresh-2" not in "".join(traceback.format_exception(event.error))


@pytest.mark.parametrize("code", ["CH_ACCESS_TOKEN_INVALID", "CANT_ROUTE_REQUEST"])
def test_failed_exchange_shows_no_token_in_its_frames(code: str) -> None:
    issuer = Issuer(MemoryTokenStore())
    issuer.ready()
    call_id = issuer.peer.submit(Rotate(tokens()), 60.0)
    for _ in range(5):
        issuer.settle(but=ProtoOARefreshTokenReq)
        if issuer.peer.open(ProtoOARefreshTokenReq):
            issuer.peer.refuse_commonly(ProtoOARefreshTokenReq, code)
        issuer.later(15, but=ProtoOARefreshTokenReq)
    assert "refresh-1" not in frames(issuer.peer.errors[call_id])


def test_account_that_joins_an_exchange_is_told_as_well() -> None:
    told: list[AccountCredentials] = []
    issuer = Issuer(None, told.append)
    issuer.ready()
    issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.settle(but=ProtoOARefreshTokenReq)
    issuer.refresh()
    # The new pair is being told when another account is handed in with the old one.
    issuer.authorize(tokens(1, OTHER_ACCOUNT))
    assert [(each.account_id, each.refresh_token) for each in told] == [
        (ACCOUNT, "refresh-2"),
        (OTHER_ACCOUNT, "refresh-2"),
    ]
    assert issuer.peer.session.is_account_authorized(OTHER_ACCOUNT)
    assert len(issuer.peer.seen(TokensRotatedEvent)) == 1


def test_account_that_is_handed_in_with_a_spent_pair_is_told_the_newest_once() -> None:
    told: list[AccountCredentials] = []

    def keep(credentials: AccountCredentials) -> None:
        told.append(credentials)
        if len(told) == 2:
            raise OSError("disk full")

    issuer = Issuer(None, keep)
    issuer.ready()
    issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.settle()
    for _ in range(2):
        issuer.authorize(tokens(1, OTHER_ACCOUNT))
        issuer.later(3)
    assert [(each.account_id, each.refresh_token) for each in told] == [
        (ACCOUNT, "refresh-2"),
        (OTHER_ACCOUNT, "refresh-2"),  # failed, so it is told again
        (OTHER_ACCOUNT, "refresh-2"),
    ]
    assert issuer.peer.session.is_account_authorized(OTHER_ACCOUNT)
    assert len(issuer.peer.seen(TokenSaveFailedEvent)) == 1
    assert issuer.refreshes == ["refresh-1"]


def test_session_that_ends_before_the_save_saves_all_the_same() -> None:
    store = FailingStore()
    issuer = Issuer(store)
    issuer.ready()
    issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.settle(but=ProtoOARefreshTokenReq)
    issuer.refresh()
    issuer.peer.close()
    # The driver does what is vital also after the end.
    assert all(job.is_vital for job in issuer.peer.jobs)
    issuer.peer.do_jobs()
    assert kept(store).tokens.refresh_token == "refresh-2"


def test_pair_that_could_not_be_saved_is_saved_when_the_session_is_closed() -> None:
    store = FailingStore()
    issuer = Issuer(store)
    issuer.ready()
    issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.settle(but=ProtoOARefreshTokenReq)
    store.failures = ["save"]
    issuer.refresh()
    issuer.peer.do_jobs()
    assert kept(store).tokens.refresh_token == "refresh-1"
    issuer.peer.close()
    issuer.peer.do_jobs()
    assert kept(store).tokens.refresh_token == "refresh-2"
    with store.lock(KEY):
        pass


@pytest.mark.parametrize("end", ["close", "abandon"])
def test_store_that_goes_on_failing_does_not_keep_a_session_from_ending(
    end: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = FailingStore()
    issuer = Issuer(store)
    issuer.ready()
    issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.settle(but=ProtoOARefreshTokenReq)
    store.failures = ["save"] * 50
    issuer.refresh()
    issuer.peer.do_jobs()
    if end == "close":
        issuer.peer.close()
        issuer.peer.do_jobs()
        issuer.peer.advance(5)
    else:
        issuer.peer.abandon(ClientClosedError("it failed"))
    assert issuer.peer.is_finished
    (record,) = caplog.records
    assert (record.levelname, record.name) == ("CRITICAL", "ctrader.tokens")
    assert record.getMessage() == (
        f"The new tokens of accounts ({ACCOUNT},) could not be saved, or told, before the end "
        "of the client; the old ones are spent: no save today"
    )
    with store.lock(KEY):
        pass


def test_save_that_comes_late_does_not_replace_the_pair_of_another_process() -> None:
    store = MemoryTokenStore()
    issuer = Issuer(store)
    issuer.ready()
    issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.settle(but=ProtoOARefreshTokenReq)
    issuer.refresh()
    issuer.peer.abandon(ClientClosedError("it failed"))
    # The session has saved the pair and let go of the lock; the driver still has the job.
    assert issuer.peer.jobs
    with store.lock(KEY):
        store.save(KEY, kept(store).rotated(pair(3)))
    issuer.peer.do_jobs()
    assert kept(store).tokens.refresh_token == "refresh-3"


def test_close_waits_for_an_answer_that_brings_new_tokens() -> None:
    store = MemoryTokenStore()
    issuer = Issuer(store)
    issuer.ready()
    issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.settle(but=ProtoOARefreshTokenReq)
    issuer.peer.close()
    assert not issuer.peer.is_finished
    issuer.refresh()
    issuer.peer.do_jobs()
    assert kept(store).tokens.refresh_token == "refresh-2"


# Lost answers


def test_lost_answer_to_a_token_that_was_not_spent_is_asked_for_again() -> None:
    store = MemoryTokenStore()
    issuer = Issuer(store)
    issuer.ready()
    call_id = issuer.peer.submit(Rotate(tokens()), 600.0)
    issuer.settle(but=ProtoOARefreshTokenReq)
    issuer.lose_link()
    issuer.reconnect()
    # The old access token still worked: nothing had been exchanged.
    assert issuer.refreshes == ["refresh-1", "refresh-1"]
    assert kept(store).tokens.refresh_token == "refresh-2"
    assert issuer.peer.results[call_id].refresh_token == "refresh-2"  # type: ignore[attr-defined]


def test_lost_answer_to_a_token_that_was_spent_needs_a_new_consent() -> None:
    store = MemoryTokenStore()
    issuer = Issuer(store)
    issuer.ready()
    call_id = issuer.peer.submit(Rotate(tokens()), 600.0)
    issuer.settle(but=ProtoOARefreshTokenReq)
    issuer.exchange()
    issuer.lose_link()
    issuer.reconnect()
    # Once more, and then it is certain.
    assert issuer.refreshes == ["refresh-1", "refresh-1"]
    assert isinstance(issuer.peer.errors[call_id], ReauthorizationRequiredError)
    (event,) = issuer.peer.seen(ReauthorizationRequiredEvent)
    assert event.account_ids == (ACCOUNT,)
    assert str(ACCOUNT) in str(event.error)
    issuer.later(MONTH)
    assert issuer.refreshes == ["refresh-1", "refresh-1"]


def test_new_consent_after_that_is_taken_and_kept() -> None:
    store = MemoryTokenStore()
    issuer = Issuer(store)
    issuer.ready()
    issuer.peer.submit(Rotate(tokens()), 600.0)
    issuer.settle(but=ProtoOARefreshTokenReq)
    issuer.exchange()
    issuer.lose_link()
    issuer.reconnect()
    issuer.authorize(tokens(2))
    assert issuer.peer.session.is_account_authorized(ACCOUNT)
    assert kept(store).tokens.refresh_token == "refresh-2"
    assert kept(store).supersedes("refresh-1")


def test_accounts_wait_for_the_new_pair_while_it_is_on_its_way() -> None:
    issuer = Issuer(MemoryTokenStore())
    issuer.ready()
    issuer.peer.submit(Rotate(tokens()), 600.0)
    issuer.settle(but=ProtoOARefreshTokenReq)
    issuer.peer.clear()
    issuer.peer.push(
        ProtoOAAccountsTokenInvalidatedEvent(ctidTraderAccountIds=[ACCOUNT], reason="exchanged")
    )
    # With what they have they would be refused.
    assert issuer.peer.requests(ProtoOAAccountAuthReq) == []
    issuer.refresh()
    issuer.settle()
    sent = issuer.peer.requests(ProtoOAAccountAuthReq)
    assert [request.accessToken for request in sent] == ["access-2"]
    assert issuer.peer.session.is_account_authorized(ACCOUNT)


def test_passing_refusals_are_tried_again_and_then_told() -> None:
    issuer = Issuer(MemoryTokenStore())
    issuer.ready()
    call_id = issuer.peer.submit(Rotate(tokens()), 600.0)
    for _ in range(4):
        issuer.settle(but=ProtoOARefreshTokenReq)
        issuer.peer.refuse_commonly(ProtoOARefreshTokenReq, "SERVER_IS_UNDER_MAINTENANCE")
        issuer.later(40, but=ProtoOARefreshTokenReq)
    assert isinstance(issuer.peer.errors[call_id], TokenRefreshError)
    assert len(issuer.peer.seen(TokenRefreshFailedEvent)) == 1
    assert issuer.peer.session.is_account_authorized(ACCOUNT)
    issuer.later(0.86 * MONTH)
    assert issuer.peer.session.credentials(ACCOUNT).refresh_token == "refresh-2"  # type: ignore[union-attr]


def test_caller_that_goes_away_does_not_end_the_exchange() -> None:
    store = MemoryTokenStore()
    issuer = Issuer(store)
    issuer.ready()
    call_id = issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.settle(but=ProtoOARefreshTokenReq)
    issuer.peer.cancel(call_id)
    issuer.refresh()
    issuer.settle()
    assert kept(store).tokens.refresh_token == "refresh-2"


def test_two_callers_share_one_exchange() -> None:
    issuer = Issuer(MemoryTokenStore())
    issuer.ready()
    first = issuer.peer.submit(Rotate(tokens()), 60.0)
    second = issuer.peer.submit(Rotate(tokens(1, OTHER_ACCOUNT)), 60.0)
    issuer.settle()
    assert issuer.refreshes == ["refresh-1"]
    assert issuer.peer.results[first].account_id == ACCOUNT  # type: ignore[attr-defined]
    assert issuer.peer.results[second].account_id == OTHER_ACCOUNT  # type: ignore[attr-defined]
    assert issuer.peer.results[second].refresh_token == "refresh-2"  # type: ignore[attr-defined]


def test_nothing_is_sent_before_the_client_is_connected() -> None:
    peer = Peer(work=BackgroundWork())
    call_id = peer.submit(Rotate(tokens()))
    assert isinstance(peer.errors[call_id], NotConnectedError)


# Tokens from elsewhere


def test_pair_that_another_process_exchanged_is_adopted_not_sent() -> None:
    store = MemoryTokenStore()
    issuer = Issuer(store)
    issuer.ready()
    store.save(KEY, kept(store).rotated(pair(2)))
    issuer.number = 2
    call_id = issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.settle()
    assert issuer.refreshes == []
    assert issuer.peer.results[call_id].refresh_token == "refresh-2"  # type: ignore[attr-defined]
    assert issuer.peer.session.is_account_authorized(ACCOUNT)


def test_refresh_that_was_asked_for_while_the_store_was_told_is_not_done_twice() -> None:
    store = MemoryTokenStore()
    issuer = Issuer(store)
    issuer.connect()
    issuer.peer.submit(Authorize(tokens()), 60.0)
    issuer.settle(but=ProtoOAGetCtidProfileByTokenReq)
    call_id = issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.profile()
    # Another process was quicker by a hair.
    store.save(KEY, StoredGrant(tokens=pair(1)).rotated(pair(2)))
    issuer.number = 2
    issuer.settle()
    assert issuer.refreshes == []
    assert issuer.peer.results[call_id].refresh_token == "refresh-2"  # type: ignore[attr-defined]


def test_superseded_tokens_that_are_handed_in_are_replaced() -> None:
    store = MemoryTokenStore()
    store.save(KEY, StoredGrant(tokens=pair(1)).rotated(pair(2)).rotated(pair(3)))
    issuer = Issuer(store, number=3)
    issuer.connect()
    call_id = issuer.authorize(tokens(1))
    assert call_id in issuer.peer.results
    assert issuer.refreshes == []
    assert issuer.peer.session.credentials(ACCOUNT).refresh_token == "refresh-3"  # type: ignore[union-attr]
    assert any("token store is used instead" in each.text for each in issuer.peer.seen(Warned))
    # The next account with the same old tokens needs no store to be asked.
    second = issuer.authorize(tokens(1, OTHER_ACCOUNT))
    assert second in issuer.peer.results


def test_adopted_pair_that_is_dead_is_exchanged_though_the_store_is_slow() -> None:
    store = MemoryTokenStore()
    store.save(KEY, StoredGrant(tokens=pair(1)).rotated(pair(2)))
    issuer = Issuer(store, number=2)
    issuer.dead = {"access-2"}
    issuer.connect()
    call_id = issuer.peer.submit(Authorize(tokens(1)), 60.0)
    while issuer.peer.session.credentials(ACCOUNT).refresh_token != "refresh-2":  # type: ignore[union-attr]
        if issuer.peer.jobs:
            issuer.peer.do_jobs(1)
        else:
            issuer.answer_one(None)
    # The adopted pair is refused before the store is unlocked.
    assert issuer.peer.jobs
    issuer.answer_one(None)
    issuer.settle()
    assert issuer.refreshes == ["refresh-2"]
    assert call_id in issuer.peer.results


def test_tokens_whose_access_has_ended_are_exchanged_where_a_store_keeps_the_new_ones() -> None:
    store = MemoryTokenStore()
    issuer = Issuer(store)
    issuer.connect()
    stale = tokens(1, left=-DAY).model_copy(update={"access_token": "access-0"})
    call_id = issuer.authorize(stale)
    assert call_id in issuer.peer.results
    assert issuer.refreshes == ["refresh-1"]
    assert kept(store).tokens.refresh_token == "refresh-2"
    assert kept(store).supersedes("refresh-1")
    # Handed in again by a later run, they lead to the new pair.
    assert store.find("the-client-id", fingerprint("refresh-1")) == KEY


def test_tokens_whose_access_has_ended_are_refused_where_nobody_keeps_new_ones() -> None:
    issuer = Issuer()
    issuer.connect()
    stale = tokens(1, left=-DAY).model_copy(update={"access_token": "access-0"})
    call_id = issuer.authorize(stale)
    assert isinstance(issuer.peer.errors[call_id], TokenExpiredError)
    assert issuer.refreshes == []


def test_neither_token_accepted_is_told_once_and_the_caller_hears_it() -> None:
    issuer = Issuer(MemoryTokenStore(), number=5)
    issuer.connect()
    call_id = issuer.authorize(tokens(1))
    assert isinstance(issuer.peer.errors[call_id], AuthenticationError)
    assert len(issuer.peer.seen(ReauthorizationRequiredEvent)) == 1
    again = issuer.authorize(tokens(1))
    assert isinstance(issuer.peer.errors[again], AuthenticationError)
    assert issuer.refreshes == ["refresh-1"]


def test_account_whose_token_died_is_rescued_on_the_next_link() -> None:
    issuer = Issuer(MemoryTokenStore())
    issuer.ready()
    issuer.lose_link()
    issuer.peer.reopen()
    issuer.peer.connection_made()
    issuer.settle(but=ProtoOAAccountAuthReq)
    issuer.peer.refuse_commonly(ProtoOAAccountAuthReq, "CH_ACCESS_TOKEN_INVALID")
    issuer.settle()
    assert issuer.refreshes == ["refresh-1"]
    assert issuer.peer.session.is_account_authorized(ACCOUNT)


def test_process_that_died_in_the_middle_is_noticed_by_the_next() -> None:
    store = MemoryTokenStore()
    store.save(KEY, StoredGrant(tokens=pair(1)).begun())
    issuer = Issuer(store)
    issuer.ready()
    assert kept(store).tokens.refresh_token == "refresh-1"
    issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.settle()
    assert issuer.refreshes == ["refresh-1"]
    assert kept(store).exchanging is None


def test_store_of_the_user_s_own_may_raise_anything() -> None:
    class Odd(MemoryTokenStore):
        def load(self, key: GrantKey) -> StoredGrant | None:
            raise RuntimeError("access-1 is in my text")

    issuer = Issuer(Odd())
    issuer.ready()
    failed = issuer.peer.seen(TokenSaveFailedEvent)
    call_id = issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.settle()
    error = issuer.peer.errors[call_id]
    assert isinstance(error, TokenRefreshError)
    assert "access-1" not in str(error) + repr(failed)
    assert issuer.refreshes == []


@pytest.mark.parametrize("moment", range(12))
def test_link_that_is_lost_at_any_step_loses_and_doubles_nothing(moment: int) -> None:
    store = MemoryTokenStore()
    issuer = Issuer(store)
    issuer.ready()
    call_id = issuer.peer.submit(Rotate(tokens()), 6_000.0)
    for _ in range(moment):
        if issuer.peer.jobs:
            issuer.peer.do_jobs(1)
        elif not issuer.answer_one(None):
            break
    issuer.lose_link()
    issuer.reconnect()
    issuer.later(120)
    assert issuer.peer.results[call_id].refresh_token == f"refresh-{issuer.number}"  # type: ignore[attr-defined]
    assert kept(store).tokens.refresh_token == f"refresh-{issuer.number}"
    assert kept(store).exchanging is None
    assert issuer.number == 2
    assert issuer.peer.session.is_account_authorized(ACCOUNT)
    with store.lock(KEY):
        pass


# Answers that do not come as they should


def begun(store: MemoryTokenStore) -> tuple[Issuer, int]:
    """Send the refresh token, and answer it with nothing yet."""
    issuer = Issuer(store)
    issuer.ready()
    call_id = issuer.peer.submit(Rotate(tokens()), 6_000.0)
    issuer.settle(but=ProtoOARefreshTokenReq)
    assert issuer.refreshes == ["refresh-1"]
    issuer.exchange()
    return issuer, call_id


@pytest.mark.parametrize("message_id", [None, "another"])
def test_new_pair_under_another_id_is_not_lost(message_id: str | None) -> None:
    store = MemoryTokenStore()
    issuer, call_id = begun(store)
    issuer.peer.push(issuer.next_pair(), message_id=message_id)
    issuer.settle(but=ProtoOARefreshTokenReq)
    assert issuer.peer.results[call_id].refresh_token == "refresh-2"  # type: ignore[attr-defined]
    assert kept(store).tokens.refresh_token == "refresh-2"
    assert issuer.refreshes == ["refresh-1"]
    assert issuer.peer.session.is_account_authorized(ACCOUNT)


def test_new_pair_that_may_be_of_two_exchanges_is_nobody_s() -> None:
    store = MemoryTokenStore()
    issuer, call_id = begun(store)
    other = ProtoOARefreshTokenReq(refreshToken="of another consent")
    issuer.peer.submit(Call(other, ProtoOARefreshTokenRes, resend=False))
    issuer.peer.push(issuer.next_pair(), message_id="somebody else's")
    issuer.settle(but=ProtoOARefreshTokenReq)
    assert call_id not in issuer.peer.results
    assert kept(store).tokens.refresh_token == "refresh-1"


def test_exchange_that_is_not_answered_for_a_minute_is_asked_for_again() -> None:
    store = MemoryTokenStore()
    issuer, call_id = begun(store)
    issuer.later(50, but=ProtoOARefreshTokenReq)
    assert issuer.refreshes == ["refresh-1"]
    issuer.later(40, but=ProtoOARefreshTokenReq)
    assert issuer.refreshes == ["refresh-1"] * 2
    (warning,) = (each.text for each in issuer.peer.seen(Warned) if "60 s" in each.text)
    assert str(ACCOUNT) in warning
    # The first is answered after all, and the second refused: the pair is spent.
    first, second = issuer.peer.open(ProtoOARefreshTokenReq)
    issuer.peer.push(issuer.next_pair(), message_id=first.message_id)
    issuer.peer.push(
        ProtoErrorRes(errorCode="CH_ACCESS_TOKEN_INVALID"), message_id=second.message_id
    )
    issuer.settle(but=ProtoOARefreshTokenReq)
    assert issuer.peer.results[call_id].refresh_token == "refresh-2"  # type: ignore[attr-defined]
    assert kept(store).tokens.refresh_token == "refresh-2"
    assert issuer.peer.session.is_account_authorized(ACCOUNT)


def test_refresh_token_that_the_server_forgot_is_taken_at_the_second_try() -> None:
    store = MemoryTokenStore()
    issuer = Issuer(store)
    issuer.ready()
    issuer.peer.submit(Rotate(tokens()), 6_000.0)
    issuer.settle(but=ProtoOARefreshTokenReq)
    issuer.later(90, but=ProtoOARefreshTokenReq)
    _, second = issuer.peer.open(ProtoOARefreshTokenReq)
    issuer.exchange()
    issuer.peer.push(issuer.next_pair(), message_id=second.message_id)
    issuer.settle(but=ProtoOARefreshTokenReq)
    assert kept(store).tokens.refresh_token == "refresh-2"


def test_refresh_token_that_comes_back_unchanged_buys_the_pair_after_that() -> None:
    store = MemoryTokenStore()
    issuer = Issuer(store)
    issuer.ready()
    for number in (2, 3):
        credentials = issuer.peer.session.credentials(ACCOUNT)
        assert credentials is not None
        issuer.peer.submit(Rotate(credentials), 60.0)
        issuer.settle(but=ProtoOARefreshTokenReq)
        issuer.exchange()
        answer = issuer.next_pair()
        answer.refreshToken = "refresh-1"
        issuer.peer.answer(ProtoOARefreshTokenReq, answer)
        issuer.settle(but=ProtoOARefreshTokenReq)
        assert kept(store).tokens.access_token == f"access-{number}"
        assert not kept(store).supersedes("refresh-1")
    assert issuer.refreshes == ["refresh-1", "refresh-1"]
    assert issuer.peer.session.is_account_authorized(ACCOUNT)


# Answers that nobody waits for any more


def unanswered(issuer: Issuer) -> str:
    """Let the answer to an exchange be overdue, and look whether the old token still works."""
    (request,) = issuer.peer.open(ProtoOARefreshTokenReq)
    assert request.message_id is not None
    for _ in range(4):
        issuer.peer.advance(16)
        issuer.peer.push(ProtoHeartbeatEvent())
    assert issuer.peer.open(ProtoOAGetCtidProfileByTokenReq)
    return request.message_id


def test_new_pair_that_comes_while_the_old_one_is_looked_at_is_not_lost() -> None:
    store = MemoryTokenStore()
    issuer, call_id = begun(store)
    message_id = unanswered(issuer)
    issuer.peer.push(issuer.next_pair(), message_id=message_id)
    issuer.settle()
    assert issuer.peer.results[call_id].refresh_token == "refresh-2"  # type: ignore[attr-defined]
    assert kept(store).tokens.refresh_token == "refresh-2"
    assert issuer.refreshes == ["refresh-1"]
    assert issuer.peer.session.is_account_authorized(ACCOUNT)


def test_new_pair_of_an_overdue_exchange_is_not_taken_for_that_of_another_consent() -> None:
    store = MemoryTokenStore()
    issuer, call_id = begun(store)
    message_id = unanswered(issuer)
    other = ProtoOARefreshTokenReq(refreshToken="of another consent")
    other_id = issuer.peer.submit(Call(other, ProtoOARefreshTokenRes, resend=False))
    issuer.peer.push(issuer.next_pair(), message_id=message_id)
    issuer.settle(but=ProtoOARefreshTokenReq)
    assert other_id not in issuer.peer.results
    assert issuer.peer.results[call_id].refresh_token == "refresh-2"  # type: ignore[attr-defined]


@pytest.mark.parametrize("store", [MemoryTokenStore(), None], ids=["store", "no store"])
def test_new_pair_behind_an_answer_that_made_no_sense_is_not_lost(
    store: MemoryTokenStore | None,
) -> None:
    told: list[AccountCredentials] = []
    issuer = Issuer(store, told.append)
    issuer.ready()
    issuer.peer.submit(Rotate(tokens()), 60.0)
    issuer.settle(but=ProtoOARefreshTokenReq)
    issuer.exchange()
    (request,) = issuer.peer.open(ProtoOARefreshTokenReq)
    issuer.peer.push(ProtoOAVersionRes(version="90"), message_id=request.message_id)
    issuer.settle(but=ProtoOARefreshTokenReq)
    assert issuer.peer.seen(ReauthorizationRequiredEvent)
    issuer.peer.push(issuer.next_pair(), message_id=request.message_id)
    issuer.settle(but=ProtoOARefreshTokenReq)
    assert [each.refresh_token for each in told] == ["refresh-2"]
    assert store is None or kept(store).tokens.refresh_token == "refresh-2"
    assert issuer.refreshes == ["refresh-1"]
    assert issuer.peer.session.is_account_authorized(ACCOUNT)


def test_new_pair_that_comes_twice_is_taken_once() -> None:
    store = MemoryTokenStore()
    issuer, _ = begun(store)
    (request,) = issuer.peer.open(ProtoOARefreshTokenReq)
    for _ in range(2):
        issuer.peer.push(issuer.next_pair(), message_id=request.message_id)
        issuer.settle(but=ProtoOARefreshTokenReq)
    assert kept(store).superseded == (fingerprint("refresh-1"),)
    assert len(issuer.peer.seen(TokensRotatedEvent)) == 1
