"""Authentication and refresh."""

from __future__ import annotations

import pytest

from ctrader.credentials import AccountCredentials
from ctrader.errors import (
    AccountAuthError,
    ApplicationAuthError,
    ConfigurationError,
    CTraderConnectionTimeoutError,
    CTraderError,
    ReauthorizationRequiredError,
    TokenExpiredError,
    TokenRefreshError,
)
from ctrader.operations import auth
from ctrader.proto import (
    ProtoOAAccountAuthRes,
    ProtoOAApplicationAuthRes,
    ProtoOACtidTraderAccount,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetAccountListByAccessTokenRes,
)
from ctrader.protocol.commands import Authorize, Logout, Rotate, WaitApplication
from tests.operations.peer import converse, question

CREDENTIALS = AccountCredentials(
    account_id=7, access_token="access-1", refresh_token="refresh-1", expires_at=1_000.0
)


def test_authenticate_app_waits_for_the_session() -> None:
    answer = ProtoOAApplicationAuthRes()

    assert converse(auth.authenticate_app(), (WaitApplication(), answer)) is answer


def test_authenticate_app_raises_the_refusal() -> None:
    with pytest.raises(ApplicationAuthError):
        converse(
            auth.authenticate_app(),
            (WaitApplication(), ApplicationAuthError("CH_CLIENT_AUTH_FAILURE")),
        )


@pytest.mark.parametrize(("reauth", "reconnect"), [(False, False), (True, False), (False, True)])
def test_authenticate_account_authorizes_with_its_marks(reauth: bool, reconnect: bool) -> None:
    answer = ProtoOAAccountAuthRes(ctidTraderAccountId=7)

    result = converse(
        auth.authenticate_account(CREDENTIALS, reauth=reauth, reconnect=reconnect),
        (Authorize(CREDENTIALS, reauth=reauth, reconnect=reconnect), answer),
    )

    assert result is answer


def test_authenticate_by_trader_login_resolves_then_authorizes() -> None:
    result = converse(
        auth.authenticate_by_trader_login(4711, "access-1", "refresh-1", 1_000.0),
        (
            question(
                ProtoOAGetAccountListByAccessTokenReq(accessToken="access-1"), account_id=None
            ),
            ProtoOAGetAccountListByAccessTokenRes(
                accessToken="access-1",
                ctidTraderAccount=[
                    ProtoOACtidTraderAccount(ctidTraderAccountId=6, traderLogin=1),
                    ProtoOACtidTraderAccount(ctidTraderAccountId=7, traderLogin=4711),
                ],
            ),
        ),
        (Authorize(CREDENTIALS), ProtoOAAccountAuthRes(ctidTraderAccountId=7)),
    )

    assert result == CREDENTIALS


@pytest.mark.parametrize("expires_at", [-1.0, 1_778_617_423_000.0, float("nan")])
def test_authenticate_by_trader_login_asks_nothing_for_what_cannot_be_kept(
    expires_at: float,
) -> None:
    with pytest.raises(ConfigurationError, match="expires_at"):
        converse(auth.authenticate_by_trader_login(4711, "access-1", "refresh-1", expires_at))


@pytest.mark.parametrize("account_id", [2**63, 0])
def test_credentials_that_nobody_checked_do_not_reach_the_session(account_id: int) -> None:
    unchecked = AccountCredentials.model_construct(
        account_id=account_id, access_token="a", refresh_token="b", expires_at=1.0
    )
    with pytest.raises(ValueError, match=f"account_id must be an int from 1 .*, not {account_id}"):
        converse(auth.authenticate_account(unchecked))


def test_authenticate_by_trader_login_raises_the_refusal_of_the_account() -> None:
    with pytest.raises(AccountAuthError):
        converse(
            auth.authenticate_by_trader_login(4711, "access-1", "refresh-1", 1_000.0),
            (
                question(
                    ProtoOAGetAccountListByAccessTokenReq(accessToken="access-1"), account_id=None
                ),
                ProtoOAGetAccountListByAccessTokenRes(
                    accessToken="access-1",
                    ctidTraderAccount=[
                        ProtoOACtidTraderAccount(ctidTraderAccountId=7, traderLogin=4711)
                    ],
                ),
            ),
            (Authorize(CREDENTIALS), AccountAuthError("RET_ACCOUNT_DISABLED")),
        )


def test_refresh_is_the_session_s_business() -> None:
    newest = CREDENTIALS.with_refreshed_tokens("access-2", "refresh-2", 2_628_000)

    assert converse(auth.refresh_tokens(CREDENTIALS), (Rotate(CREDENTIALS), newest)) is newest


def test_failed_refresh_says_why() -> None:
    cause = CTraderConnectionTimeoutError(30.0, "refreshing")

    with pytest.raises(TokenRefreshError) as caught:
        converse(auth.refresh_tokens(CREDENTIALS), (Rotate(CREDENTIALS), cause))

    assert caught.value.cause is cause
    assert caught.value.account_id == 7


@pytest.mark.parametrize("failure", [TokenRefreshError(7), ReauthorizationRequiredError(7)])
def test_what_the_session_says_of_a_refresh_is_told_as_it_is(failure: CTraderError) -> None:
    with pytest.raises(type(failure)) as caught:
        converse(auth.refresh_tokens(CREDENTIALS), (Rotate(CREDENTIALS), failure))

    assert caught.value is failure


LISTED = ProtoOAGetAccountListByAccessTokenReq(accessToken="access-1")


def test_dead_access_token_is_replaced_before_the_login_is_looked_for() -> None:
    newest = CREDENTIALS.with_refreshed_tokens("access-2", "refresh-2", 2_628_000)

    found = converse(
        auth.authenticate_by_trader_login(4711, "access-1", "refresh-1", 1_000.0),
        (question(LISTED, account_id=None), TokenExpiredError(7)),
        (
            Rotate(CREDENTIALS.model_copy(update={"account_id": 1}), is_rescue=True),
            newest.model_copy(update={"account_id": 1}),
        ),
        (
            question(
                ProtoOAGetAccountListByAccessTokenReq(accessToken="access-2"), account_id=None
            ),
            ProtoOAGetAccountListByAccessTokenRes(
                accessToken="access-2",
                ctidTraderAccount=[
                    ProtoOACtidTraderAccount(ctidTraderAccountId=7, traderLogin=4711)
                ],
            ),
        ),
        (Authorize(newest), ProtoOAAccountAuthRes(ctidTraderAccountId=7)),
    )

    assert found == newest


def test_dead_access_token_that_nobody_can_replace_is_told() -> None:
    with pytest.raises(TokenExpiredError):
        converse(
            auth.authenticate_by_trader_login(4711, "access-1", "refresh-1", 1_000.0),
            (question(LISTED, account_id=None), TokenExpiredError(7)),
            (Rotate(CREDENTIALS.model_copy(update={"account_id": 1}), is_rescue=True), None),
        )


def test_logout_is_the_session_s_business() -> None:
    converse(auth.logout(7), (Logout(7), None))
