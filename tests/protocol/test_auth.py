"""Who is authenticated on this connection, and what a refusal means."""

from __future__ import annotations

from random import Random

import pytest

from ctrader.enums import AuthTrigger
from ctrader.errors import (
    AccountAuthError,
    APIError,
    ApplicationAuthError,
    CTraderConnectionTimeoutError,
    TokenExpiredError,
    api_error,
)
from ctrader.protocol.auth import (
    AccountSession,
    Authorization,
    AuthState,
    account_refusal,
    application_refusal,
    is_already_done,
    is_passing,
)
from ctrader.protocol.backoff import Backoff
from tests.protocol.peer import credentials

TIMEOUT = CTraderConnectionTimeoutError(1, "x")


def account(account_id: int, state: AuthState) -> AccountSession:
    backoff = Backoff(Random(1), shortest=1, longest=2)
    return AccountSession(credentials(account_id), AuthTrigger.INITIAL, backoff, backoff, state)


@pytest.mark.parametrize("code", ["ALREADY_LOGGED_IN", "CH_CLIENT_ALREADY_AUTHENTICATED"])
def test_already_done_is_a_success(code):
    assert is_already_done(api_error(code))


def test_other_errors_are_no_success():
    assert not is_already_done(api_error("CH_CLIENT_AUTH_FAILURE"))
    assert not is_already_done(TIMEOUT)


@pytest.mark.parametrize(
    "error, expected",
    [
        (api_error("SERVER_IS_UNDER_MAINTENANCE"), True),
        (api_error("BLOCKED_PAYLOAD_TYPE"), True),
        (TIMEOUT, True),
        (api_error("CH_CLIENT_AUTH_FAILURE"), False),
        (api_error("CODE_OF_THE_FUTURE"), False),
    ],
)
def test_passing_refusals_say_nothing_of_the_credentials(error, expected):
    assert is_passing(error) is expected


def test_refusal_of_the_application_is_always_an_application_error():
    own = api_error("CH_CLIENT_AUTH_FAILURE")
    assert application_refusal(own) is own
    other = application_refusal(api_error("INVALID_REQUEST", "no"))
    assert type(other) is ApplicationAuthError
    assert (other.error_code, other.description) == ("INVALID_REQUEST", "no")
    assert isinstance(other.__cause__, APIError)


def test_refusal_of_an_account_is_always_an_authentication_error():
    expired = api_error("CH_ACCESS_TOKEN_INVALID")
    assert isinstance(expired, TokenExpiredError)
    assert account_refusal(expired, 7) is expired
    assert account_refusal(TIMEOUT, 7) is TIMEOUT
    other = account_refusal(api_error("CANT_ROUTE_REQUEST"), 7)
    assert isinstance(other, AccountAuthError)
    assert other.account_id == 7


def test_accounts_are_told_apart_by_their_standing():
    auth = Authorization()
    auth.accounts = {
        1: account(1, AuthState.DONE),
        2: account(2, AuthState.SENT),
        3: account(3, AuthState.WANTED),
    }
    assert list(auth.authenticated()) == [1]
    assert [a.account_id for a in auth.wanted()] == [3]
    assert auth.is_authenticated(1)
    assert not auth.is_authenticated(2)
    assert not auth.is_authenticated(99)


def test_lost_link_makes_everything_wanted_again():
    auth = Authorization()
    auth.application = AuthState.DONE
    kept, new = account(1, AuthState.DONE), account(2, AuthState.SENT)
    kept.accepted, kept.is_ready = kept.credentials, True
    auth.accounts = {1: kept, 2: new}
    auth.lost()
    assert not auth.is_application_authenticated
    assert [a.state for a in auth.accounts.values()] == [AuthState.WANTED, AuthState.WANTED]
    assert (kept.trigger, new.trigger) == (AuthTrigger.RECONNECT, AuthTrigger.INITIAL)
    assert not kept.is_ready


def test_refused_application_stays_refused():
    auth = Authorization()
    auth.application = AuthState.REFUSED
    auth.lost()
    assert auth.application is AuthState.REFUSED
