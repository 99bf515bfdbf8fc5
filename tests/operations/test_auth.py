"""Authentication and refresh."""

from __future__ import annotations

import pytest

from ctrader.credentials import AccountCredentials
from ctrader.errors import (
    AccountAuthError,
    ApplicationAuthError,
    ConfigurationError,
    CTraderConnectionTimeoutError,
    TokenRefreshError,
)
from ctrader.operations import auth
from ctrader.proto import (
    ProtoOAAccountAuthRes,
    ProtoOAApplicationAuthRes,
    ProtoOACtidTraderAccount,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetAccountListByAccessTokenRes,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
)
from ctrader.protocol.commands import Authorize, Logout, WaitApplication
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


REFRESH = question(ProtoOARefreshTokenReq(refreshToken="refresh-1"), account_id=None, resend=False)


def test_refresh_gives_the_new_pair_with_its_expiry() -> None:
    renewed = converse(
        auth.refresh_tokens(CREDENTIALS, unix_now=5_000.0),
        (
            REFRESH,
            ProtoOARefreshTokenRes(
                accessToken="access-2",
                tokenType="bearer",
                expiresIn=2_628_000,
                refreshToken="refresh-2",
            ),
        ),
    )

    assert renewed == AccountCredentials(
        account_id=7, access_token="access-2", refresh_token="refresh-2", expires_at=2_633_000.0
    )


@pytest.mark.parametrize(
    ("expires_in", "expires_at"), [(2**62, 9e10), (-(10**6), 0.0), (-1_000, 4_000.0)]
)
def test_refresh_keeps_the_new_pair_whatever_its_expiry(expires_in: int, expires_at: float) -> None:
    answer = ProtoOARefreshTokenRes(
        accessToken="access-2", tokenType="bearer", expiresIn=expires_in, refreshToken="refresh-2"
    )

    renewed = converse(auth.refresh_tokens(CREDENTIALS, unix_now=5_000.0), (REFRESH, answer))

    assert (renewed.refresh_token, renewed.expires_at) == ("refresh-2", expires_at)


def test_refresh_keeps_the_new_pair_whatever_its_type() -> None:
    answer = ProtoOARefreshTokenRes.FromString(
        b"\x12\x08access-2\x1a\x02\xff\xfe\x20\x01\x2a\x09refresh-2"
    )

    renewed = converse(auth.refresh_tokens(CREDENTIALS, unix_now=5_000.0), (REFRESH, answer))

    assert (renewed.access_token, renewed.refresh_token) == ("access-2", "refresh-2")
    assert renewed.token_type == ""


def test_failed_refresh_says_why() -> None:
    cause = CTraderConnectionTimeoutError(30.0, "ProtoOARefreshTokenReq")

    with pytest.raises(TokenRefreshError) as caught:
        converse(auth.refresh_tokens(CREDENTIALS, unix_now=5_000.0), (REFRESH, cause))

    assert caught.value.cause is cause
    assert caught.value.account_id == 7


def test_refresh_that_brings_no_usable_tokens_failed() -> None:
    answer = ProtoOARefreshTokenRes(
        accessToken="", tokenType="bearer", expiresIn=1, refreshToken="refresh-2"
    )

    with pytest.raises(TokenRefreshError) as caught:
        converse(auth.refresh_tokens(CREDENTIALS, unix_now=5_000.0), (REFRESH, answer))

    assert isinstance(caught.value.cause, ConfigurationError)
    assert "refresh-2" not in str(caught.value)
    assert str(caught.value).endswith(
        "The server gave a new pair, so the old one is spent: ask the user to authorise anew."
    )


def test_logout_is_the_session_s_business() -> None:
    converse(auth.logout(7), (Logout(7), None))
