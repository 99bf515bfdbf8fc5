"""Requests about who the client is: programs, tokens and account sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ctrader.proto import (
    ProtoOAAccessRights,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountLogoutReq,
    ProtoOAAccountLogoutRes,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetAccountListByAccessTokenRes,
    ProtoOAGetCtidProfileByTokenReq,
    ProtoOAGetCtidProfileByTokenRes,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.simulator.grants import Grant
from ctrader.simulator.messages.account import ctid_account_message
from ctrader.simulator.messages.wire import set_enum
from ctrader.simulator.refusals import Refusal

if TYPE_CHECKING:
    from ctrader.simulator.router import Router
    from ctrader.simulator.session import ServerSession

__all__ = ["add_routes"]


def add_routes(router: Router) -> None:
    """Answer the requests of this desk."""
    router.add(ProtoOAApplicationAuthReq, _authenticate_application)
    router.add(ProtoOAVersionReq, _version)
    router.add(ProtoOAGetAccountListByAccessTokenReq, _accounts)
    router.add(ProtoOAGetCtidProfileByTokenReq, _profile)
    router.add(ProtoOAAccountAuthReq, _authenticate_account)
    router.add(ProtoOAAccountLogoutReq, _log_out)
    router.add(ProtoOARefreshTokenReq, _refresh)


# Private


def _authenticate_application(
    session: ServerSession, request: ProtoOAApplicationAuthReq, _: str | None
) -> ProtoOAApplicationAuthRes:
    if session.client_id is not None:
        raise Refusal(
            session.exchange.switches.application_already_authenticated_code,
            "Client is already authenticated",
        )
    exchange = session.exchange
    exchange.grants.check_application(request.clientId, request.clientSecret)
    most = exchange.switches.connections_limit
    if most and exchange.connections_of(request.clientId) >= most:
        if exchange.switches.connections_limit_closes:
            session.afterwards.append(lambda: session.close("too many connections"))
        raise Refusal("CONNECTIONS_LIMIT_EXCEEDED", f"No more than {most} connections are allowed")
    session.client_id = request.clientId
    return ProtoOAApplicationAuthRes()


def _version(
    session: ServerSession, request: ProtoOAVersionReq, _: str | None
) -> ProtoOAVersionRes:
    return ProtoOAVersionRes(version=session.exchange.switches.version)


def _accounts(
    session: ServerSession, request: ProtoOAGetAccountListByAccessTokenReq, _: str | None
) -> ProtoOAGetAccountListByAccessTokenRes:
    grant = _grant(session, request.accessToken)
    answer = ProtoOAGetAccountListByAccessTokenRes(accessToken=request.accessToken)
    set_enum(answer, "permissionScope", grant.scope)
    for account_id in grant.account_ids:
        book = session.exchange.book_of(account_id)
        answer.ctidTraderAccount.append(ctid_account_message(book.spec, book))
    return answer


def _profile(
    session: ServerSession, request: ProtoOAGetCtidProfileByTokenReq, _: str | None
) -> ProtoOAGetCtidProfileByTokenRes:
    answer = ProtoOAGetCtidProfileByTokenRes()
    answer.profile.userId = _grant(session, request.accessToken).user_id
    return answer


def _authenticate_account(
    session: ServerSession, request: ProtoOAAccountAuthReq, _: str | None
) -> ProtoOAAccountAuthRes:
    from ctrader.simulator.session import AccountSession

    account_id = request.ctidTraderAccountId
    grant = _grant(session, request.accessToken)
    book = session.exchange.books.get(account_id)
    if book is None or account_id not in grant.account_ids:
        raise Refusal("CH_CTID_TRADER_ACCOUNT_NOT_FOUND", "Trading account is not found")
    if book.spec.is_live != session.is_live:
        raise Refusal("CANT_ROUTE_REQUEST", "Cannot route request")
    if session.exchange.is_gone(account_id):
        raise Refusal("RET_NO_SUCH_LOGIN", "Trading account does not exist")
    no_login = book.spec.access_rights == ProtoOAAccessRights.NO_LOGIN
    if no_login or not book.spec.enabled:
        raise Refusal("RET_ACCOUNT_DISABLED", "Trading account is disabled")
    known = session.accounts.get(account_id)
    if known is not None and not session.exchange.grants.is_current(known.access_token):
        # The session outlived a refresh, where that is switched on: from now on it lives by the
        # new token, with its subscriptions.
        known.grant, known.access_token = grant, request.accessToken
        return ProtoOAAccountAuthRes(ctidTraderAccountId=account_id)
    if known is not None:
        raise Refusal("ALREADY_LOGGED_IN", "Trading account is already authorized in this channel")
    session.accounts[account_id] = AccountSession(book, grant, request.accessToken)
    return ProtoOAAccountAuthRes(ctidTraderAccountId=account_id)


def _log_out(
    session: ServerSession, request: ProtoOAAccountLogoutReq, _: str | None
) -> ProtoOAAccountLogoutRes:
    account_id = request.ctidTraderAccountId
    session.end_account(account_id)
    session.afterwards.append(
        lambda: session.send(ProtoOAAccountDisconnectEvent(ctidTraderAccountId=account_id))
    )
    return ProtoOAAccountLogoutRes(ctidTraderAccountId=account_id)


def _refresh(
    session: ServerSession, request: ProtoOARefreshTokenReq, _: str | None
) -> ProtoOARefreshTokenRes:
    exchange = session.exchange
    grant, old = exchange.refresh(request.refreshToken, client_id=session.client_id)
    # The answer goes first: the new pair must be out before the old one is seen to be dead.
    session.afterwards.append(lambda: exchange.refreshed(old))
    return ProtoOARefreshTokenRes(
        accessToken=grant.access_token,
        tokenType="bearer",
        expiresIn=exchange.switches.token_life,
        refreshToken=grant.refresh_token,
    )


def _grant(session: ServerSession, access_token: str) -> Grant:
    """Return the grant of an access token that the session's program was given.

    Raises:
        Refusal: the token is worthless, or another program's.
    """
    grant = session.exchange.grants.by_access_token(access_token, session.exchange.unix_now())
    if grant.client_id != session.client_id:
        raise Refusal("CH_ACCESS_TOKEN_INVALID", "Invalid access token")
    return grant
