"""The broker's authorisation server: consent, codes and tokens over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from ctrader.proto import ProtoOAClientPermissionScope
from ctrader.simulator.refusals import Refusal

if TYPE_CHECKING:
    from ctrader.simulator.exchange import Exchange
    from ctrader.simulator.grants import Grant

__all__ = ["AUTHORISATION_PATHS", "TOKEN_PATH", "HttpAnswer", "HttpRequest", "answer"]

AUTHORISATION_PATHS: Final = ("/my/settings/openapi/grantingaccess", "/apps/auth")
"""Where a browser asks for the user's consent: the present page, and the older one."""
TOKEN_PATH: Final = "/apps/token"
"""Where a program exchanges codes and refresh tokens."""

_SCOPES: Final = {
    "accounts": ProtoOAClientPermissionScope.SCOPE_VIEW,
    "trading": ProtoOAClientPermissionScope.SCOPE_TRADE,
}
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, as it came."""

    method: str
    target: str = field(repr=False)
    """Path and query; the latter may hold secrets, and so may the body."""
    content_type: str = ""
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What is answered."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """A redirect's may hold a code, and the body tokens."""
    body: bytes = field(default=b"", repr=False)


def answer(exchange: Exchange, request: HttpRequest) -> HttpAnswer:
    """Answer one request to the authorisation server."""
    target = _split(request.target)
    if target is None:
        return _text(400, "Bad request")
    path = target.path.rstrip("/")
    methods: tuple[str, ...] = ("GET",)
    if path in AUTHORISATION_PATHS:
        handler = _authorise
    elif path == TOKEN_PATH:
        methods, handler = ("GET", "POST"), _token
    else:
        return _text(404, "Not found")
    if request.method not in methods:
        return _text(405, "Method not allowed", ("allow", ", ".join(methods)))
    given = dict(parse_qsl(target.query))
    if request.content_type.partition(";")[0].strip().lower() == _FORM:
        given.update(parse_qsl(request.body.decode("utf-8", "replace")))
    return handler(exchange, given)


# Private


def _authorise(exchange: Exchange, given: Mapping[str, str]) -> HttpAnswer:
    """Ask the user, who agrees unless the script says otherwise, and send the browser back."""
    client_id, redirect_uri = given.get("client_id", ""), given.get("redirect_uri", "")
    scope = _SCOPES.get(given.get("scope", "trading"))
    back = _split(redirect_uri)
    if back is None or not (back.scheme and back.netloc):
        # A page without a place to return to can only tell the user.
        return _text(400, "redirect_uri is missing or no URI")
    try:
        exchange.grants.check_redirect(client_id, redirect_uri)
    except Refusal as refusal:
        # A browser is sent nowhere for a stranger, and the user is not even asked.
        return _text(400, refusal.description)
    if scope is None:
        return _redirect(exchange, back, given, ("error", "invalid_scope"))
    consent = exchange.consent
    if consent.error is not None:
        error, consent.error = consent.error, None
        return _redirect(exchange, back, given, ("error", error))
    code = exchange.grants.issue_code(
        client_id,
        redirect_uri,
        scope=scope,
        account_ids=consent.account_ids,
        unix_now=exchange.unix_now(),
    )
    return _redirect(exchange, back, given, ("code", code))


def _redirect(
    exchange: Exchange, back: SplitResult, given: Mapping[str, str], *told: tuple[str, str]
) -> HttpAnswer:
    query = [*parse_qsl(back.query), *told]
    if "state" in given and exchange.switches.oauth_echoes_state:
        query.append(("state", given["state"]))
    location = urlunsplit(back._replace(query=urlencode(query)))
    return HttpAnswer(302, (("location", location), ("content-length", "0")))


def _token(exchange: Exchange, given: Mapping[str, str]) -> HttpAnswer:
    try:
        grant = _granted(exchange, given)
    except Refusal as refusal:
        return _json(
            exchange.switches.oauth_error_status,
            {
                "accessToken": None,
                "tokenType": None,
                "expiresIn": None,
                "refreshToken": None,
                "errorCode": refusal.code,
                "description": refusal.description,
            },
        )
    return _json(
        200,
        {
            "accessToken": grant.access_token,
            "tokenType": "bearer",
            "expiresIn": exchange.switches.token_life,
            "refreshToken": grant.refresh_token,
            "errorCode": None,
            "description": None,
        },
    )


def _granted(exchange: Exchange, given: Mapping[str, str]) -> Grant:
    """Spend a code or a refresh token.

    Raises:
        Refusal: it is worthless, or something is missing or wrong.
    """
    client_id = _need(given, "client_id")
    exchange.grants.check_application(client_id, _need(given, "client_secret"))
    kind = _need(given, "grant_type")
    if kind == "authorization_code":
        grant, ended = exchange.grants.exchange_code(
            _need(given, "code"),
            _need(given, "redirect_uri"),
            client_id=client_id,
            unix_now=exchange.unix_now(),
        )
        for each in ended:
            exchange.revoked(each)
        return grant
    if kind == "refresh_token":
        grant, old = exchange.refresh(_need(given, "refresh_token"), client_id=client_id)
        exchange.refreshed(old)
        return grant
    raise Refusal("INVALID_REQUEST", f"Grant type {kind} is not supported")


def _split(address: str) -> SplitResult | None:
    """Take an address apart, None where it is none, or could not stand in a header."""
    if not address.isascii() or not address.isprintable() or " " in address:
        return None
    try:
        return urlsplit(address)
    except ValueError:
        return None


def _need(given: Mapping[str, str], name: str) -> str:
    value = given.get(name)
    if value is None:
        raise Refusal("INVALID_REQUEST", f"Parameter {name} is missing")
    return value


def _json(status: int, content: Mapping[str, object]) -> HttpAnswer:
    body = json.dumps(content).encode()
    return HttpAnswer(
        status, (("content-type", "application/json"), ("content-length", str(len(body)))), body
    )


def _text(status: int, text: str, *headers: tuple[str, str]) -> HttpAnswer:
    body = text.encode()
    kind = ("content-type", "text/plain; charset=utf-8")
    return HttpAnswer(status, (kind, ("content-length", str(len(body))), *headers), body)
