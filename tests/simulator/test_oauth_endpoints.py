"""The authorisation server: consent, codes and tokens over HTTP, on the broker's own register."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st

from ctrader.proto import (
    ProtoOAAccountAuthReq,
    ProtoOAAccountDisconnectEvent,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAErrorRes,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetAccountListByAccessTokenRes,
)
from ctrader.simulator.catalogue import ApplicationSpec
from ctrader.simulator.desks.oauth import HttpAnswer, HttpRequest, answer
from ctrader.simulator.exchange import Exchange
from ctrader.simulator.http_session import HttpSession
from ctrader.simulator.server import Simulator
from ctrader.simulator.switches import Switches
from tests.simulator.peer import (
    BARE,
    EUR_ACCOUNT,
    SECOND,
    START,
    USD_ACCOUNT,
    Peer,
    log_in,
    scripted_exchange,
)

BACK = "http://localhost:8080/callback"
PROGRAM = {"client_id": "sim-client-id", "client_secret": "sim-client-secret"}


def ask(exchange: Exchange, path: str, *, method: str = "GET", **given: str) -> HttpAnswer:
    return answer(exchange, HttpRequest(method, f"{path}?{urlencode(given)}"))


def authorise(exchange: Exchange, **given: str) -> dict[str, list[str]]:
    """Ask for consent; return what the browser brings back."""
    defaults = {"client_id": "sim-client-id", "redirect_uri": BACK, "scope": "trading"}
    page = "/my/settings/openapi/grantingaccess/"
    found = ask(exchange, page, **{**defaults, "product": "web", **given})
    assert found.status == 302
    location = dict(found.headers)["location"]
    assert location.startswith(f"{BACK}?")
    return parse_qs(urlsplit(location).query)


def token(exchange: Exchange, **given: str) -> dict[str, Any]:
    found = ask(exchange, "/apps/token", **{**PROGRAM, **given})
    assert found.status == 200
    told: dict[str, Any] = json.loads(found.body)
    assert set(told) == {
        "accessToken",
        "tokenType",
        "expiresIn",
        "refreshToken",
        "errorCode",
        "description",
    }
    return told


def exchange_code(exchange: Exchange, code: str, **given: str) -> dict[str, Any]:
    defaults = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
    return token(exchange, **{**defaults, **given})


def pass_time(exchange: Exchange, seconds: float) -> None:
    exchange.advance(exchange.now + round(seconds * SECOND))


# Consent and codes


def test_code_becomes_a_pair_of_tokens_that_the_socket_takes():
    exchange = scripted_exchange()
    brought = authorise(exchange)
    assert set(brought) == {"code"}
    told = exchange_code(exchange, brought["code"][0])
    assert (told["tokenType"], told["expiresIn"]) == ("bearer", 2_628_000)
    assert (told["errorCode"], told["description"]) == (None, None)
    accounts = log_in(Peer(exchange)).ask(
        ProtoOAGetAccountListByAccessTokenReq(accessToken=told["accessToken"]),
        ProtoOAGetAccountListByAccessTokenRes,
    )
    assert {each.isLive for each in accounts.ctidTraderAccount} == {True, False}
    assert accounts.permissionScope == 1


def test_code_works_once():
    exchange = scripted_exchange()
    (code,) = authorise(exchange)["code"]
    exchange_code(exchange, code)
    assert exchange_code(exchange, code)["errorCode"] == "ACCESS_DENIED"


@pytest.mark.parametrize(("seconds", "error"), [(59, None), (60, "ACCESS_DENIED")])
def test_code_lives_a_minute(seconds: int, error: str | None):
    exchange = scripted_exchange()
    (code,) = authorise(exchange)["code"]
    pass_time(exchange, seconds)
    assert exchange_code(exchange, code)["errorCode"] == error


def test_code_is_bound_to_its_redirect_and_its_program():
    exchange = scripted_exchange()
    (code,) = authorise(exchange)["code"]
    told = exchange_code(exchange, code, redirect_uri=f"{BACK}/")
    assert told["errorCode"] == "ACCESS_DENIED"
    (code,) = authorise(exchange)["code"]
    told = exchange_code(
        exchange, code, client_id="sim-viewer-id", client_secret="sim-viewer-secret"
    )
    assert told["errorCode"] == "ACCESS_DENIED"
    assert told["accessToken"] is None


def test_scope_and_picked_accounts_are_those_of_the_grant():
    exchange = scripted_exchange()
    exchange.script.pick_accounts(EUR_ACCOUNT)
    told = exchange_code(exchange, authorise(exchange, scope="accounts")["code"][0])
    answer = log_in(Peer(exchange)).ask(
        ProtoOAGetAccountListByAccessTokenReq(accessToken=told["accessToken"]),
        ProtoOAGetAccountListByAccessTokenRes,
    )
    assert [each.ctidTraderAccountId for each in answer.ctidTraderAccount] == [EUR_ACCOUNT]
    assert answer.permissionScope == 0
    exchange.script.pick_accounts()
    told = exchange_code(exchange, authorise(exchange)["code"][0])
    assert len(exchange.grants.by_access_token(told["accessToken"], 0).account_ids) == 4


def test_user_may_refuse_once():
    exchange = scripted_exchange()
    exchange.script.refuse_consent()
    assert authorise(exchange) == {"error": ["access_denied"]}
    assert set(authorise(exchange)) == {"code"}
    assert authorise(exchange, scope="everything") == {"error": ["invalid_scope"]}


@pytest.mark.parametrize("echo", [False, True])
def test_state_comes_back_only_by_switch(echo: bool):
    exchange = scripted_exchange(switches=replace(BARE, oauth_echoes_state=echo))
    assert authorise(exchange, state="s").get("state") == (["s"] if echo else None)


def test_browser_is_sent_only_where_the_program_is_registered():
    program = ApplicationSpec(client_id="p", client_secret="s", redirect_uris=(BACK,))
    exchange = Exchange(unix_ms=START, applications=[program])
    assert set(authorise(exchange, client_id="p")) == {"code"}
    for given in (
        {"client_id": "p", "redirect_uri": "https://elsewhere.example/"},
        {"client_id": "nobody", "redirect_uri": BACK},
        {"client_id": "p", "redirect_uri": "nowhere"},
        {"client_id": "p"},
    ):
        found = ask(exchange, "/apps/auth", **given)
        assert found.status == 400
        assert "location" not in dict(found.headers)


def test_query_of_the_redirect_stays():
    exchange = scripted_exchange()
    found = ask(exchange, "/apps/auth", client_id="sim-client-id", redirect_uri=f"{BACK}?a=1")
    assert dict(found.headers)["location"].startswith(f"{BACK}?a=1&code=")


# Grants


def test_new_authorisation_leaves_the_earlier_one_alone():
    exchange = scripted_exchange()
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    exchange_code(exchange, authorise(exchange)["code"][0])
    assert peer.received() == []
    assert len(exchange.grants.grants) == 3


def test_new_authorisation_ends_the_earlier_one_by_switch():
    exchange = scripted_exchange(switches=replace(BARE, new_grant_revokes_earlier=True))
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    earlier = exchange.grants.grants[0]
    told = exchange_code(exchange, authorise(exchange)["code"][0])
    assert [type(each.message) for each in peer.received()] == [
        ProtoOAAccountsTokenInvalidatedEvent,
        ProtoOAAccountDisconnectEvent,
    ]
    refused = token(exchange, grant_type="refresh_token", refresh_token=earlier.refresh_token)
    assert refused["errorCode"] == "CH_ACCESS_TOKEN_INVALID"
    log_in(Peer(exchange))
    assert exchange.grants.is_current(told["accessToken"])


# Refresh


def test_refresh_rotates_the_pair_and_ends_sessions_on_the_socket():
    exchange = scripted_exchange()
    peer = log_in(Peer(exchange), USD_ACCOUNT)
    old = exchange.grants.grants[0]
    spent, dead = old.refresh_token, old.access_token
    told = token(exchange, grant_type="refresh_token", refresh_token=spent)
    assert told["errorCode"] is None
    assert {told["accessToken"], told["refreshToken"]}.isdisjoint({dead, spent})
    assert [type(each.message) for each in peer.received()] == [
        ProtoOAAccountsTokenInvalidatedEvent,
        ProtoOAAccountDisconnectEvent,
    ]
    request = ProtoOAAccountAuthReq(ctidTraderAccountId=USD_ACCOUNT, accessToken=dead)
    assert peer.ask(request, ProtoOAErrorRes).errorCode == "CH_ACCESS_TOKEN_INVALID"
    again = token(exchange, grant_type="refresh_token", refresh_token=spent)
    assert again["errorCode"] == "CH_ACCESS_TOKEN_INVALID"
    assert again["accessToken"] is None
    # Nothing else is revoked by that.
    told = token(exchange, grant_type="refresh_token", refresh_token=told["refreshToken"])
    assert told["errorCode"] is None


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"client_id": "nobody"}, "CH_OA_CLIENT_NOT_FOUND"),
        ({"client_secret": "wrong"}, "CH_CLIENT_AUTH_FAILURE"),
        ({"grant_type": "password"}, "INVALID_REQUEST"),
        ({"grant_type": "refresh_token"}, "INVALID_REQUEST"),
        ({}, "INVALID_REQUEST"),
    ],
)
def test_errors_come_as_a_success(given: dict[str, str], error: str):
    told = token(scripted_exchange(), **given)
    assert told["errorCode"] == error
    assert told["description"]


def test_status_of_errors_is_a_switch():
    exchange = scripted_exchange(switches=replace(BARE, oauth_error_status=400))
    assert ask(exchange, "/apps/token").status == 400


# HTTP


class Browser:
    """Talks to one HTTP session in bytes."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.session = HttpSession(exchange)

    def say(self, data: bytes) -> bytes:
        self.session.receive_data(data, self.exchange.now)
        return self.session.data_to_send()

    def has_ended(self) -> bool:
        return self.session.is_closed


def test_requests_follow_each_other_on_one_connection_split_anywhere():
    browser = Browser(scripted_exchange())
    request = b"GET /apps/token HTTP/1.1\r\nHost: x\r\n\r\n"
    answers = b"".join(browser.say(bytes([each])) for each in request * 2)
    assert answers.count(b"HTTP/1.1 200") == 2
    assert not browser.has_ended()
    browser.say(b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert browser.has_ended()
    assert browser.session.next_deadline() is None


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        (b"GET /nowhere HTTP/1.1", b"404"),
        (b"POST /apps/auth HTTP/1.1", b"405"),
        (b"DELETE /apps/token HTTP/1.1", b"405"),
    ],
)
def test_other_paths_and_methods_are_refused(request_line: bytes, status: bytes):
    browser = Browser(scripted_exchange())
    said = browser.say(request_line + b"\r\nHost: x\r\n\r\n")
    assert said.split()[1] == status


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01 no HTTP at all\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]
)
def test_what_is_no_http_is_refused_and_ended(data: bytes):
    browser = Browser(scripted_exchange())
    assert browser.say(data).split()[1] == b"400"
    assert browser.has_ended()
    assert browser.say(b"more") == b""


@given_any(
    st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS", "CONNECT", "TRACE", "X"]),
    st.sampled_from(["/apps/auth", "/apps/token", "//", "http://["]),
    st.one_of(st.text(max_size=20), st.sampled_from(["http://[", "http://\xf6/", "http://a/\0"])),
    st.binary(max_size=40),
)
def test_nothing_that_a_browser_sends_raises(method: str, path: str, address: str, body: bytes):
    browser = Browser(scripted_exchange())
    query = urlencode({"client_id": "sim-client-id", "redirect_uri": address, "code": address})
    head = f"POST {path}?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    form = "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    browser.say((head + form).encode() + body)
    browser.say(f"{method} {path}?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    browser.say(body)


@pytest.mark.parametrize("address", ["http://[", "http://\xf6/", "http://a/\0", "http://a b/"])
def test_browser_is_not_sent_where_no_address_is(address: str):
    found = ask(scripted_exchange(), "/apps/auth", client_id="sim-client-id", redirect_uri=address)
    assert found.status == 400


def test_endless_body_is_refused():
    browser = Browser(scripted_exchange())
    head = b"POST /apps/token HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"
    assert browser.say(head + bytes(99_999)).split()[1] == b"413"
    assert browser.has_ended()


@pytest.mark.parametrize("path", ["/apps/token", "/apps/auth", "/nowhere"])
def test_answer_to_head_has_no_body(path: str):
    browser = Browser(scripted_exchange())
    said = browser.say(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert said.endswith(b"\r\n\r\n")
    assert said.count(b"\r\n\r\n") == 1
    # The connection goes on behind it.
    assert browser.say(b"GET /apps/token HTTP/1.1\r\nHost: x\r\n\r\n").endswith(b"}")


def test_body_that_waits_for_leave_gets_it():
    browser = Browser(scripted_exchange())
    head = b"POST /apps/token HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
    assert browser.say(head + b"Expect: 100-continue\r\n\r\n").split()[1] == b"100"
    assert browser.say(b"a").split()[1] == b"200"


def test_stranger_neither_uses_up_a_refusal_nor_sends_browsers_anywhere():
    program = ApplicationSpec(client_id="p", client_secret="s", redirect_uris=(BACK,))
    exchange = Exchange(unix_ms=START, applications=[program])
    exchange.script.refuse_consent()
    for given in (
        {"client_id": "nobody", "redirect_uri": BACK},
        {"client_id": "p", "redirect_uri": "https://elsewhere.example/"},
        {"client_id": "p", "redirect_uri": "https://elsewhere.example/", "scope": "everything"},
    ):
        assert ask(exchange, "/apps/auth", **given).status == 400
    assert authorise(exchange, client_id="p") == {"error": ["access_denied"]}


def test_requests_and_answers_hide_secrets():
    asked = HttpRequest("POST", "/apps/token?client_secret=SECRET", "", b"refresh_token=SECRET")
    answered = HttpAnswer(302, (("location", "http://x/?code=SECRET"),), b"SECRET")
    assert "SECRET" not in f"{asked!r}{answered!r}"


def test_silent_browser_is_cut():
    browser = Browser(scripted_exchange())
    assert browser.session.next_deadline() == 30 * SECOND
    browser.session.handle_timer(30 * SECOND - 1)
    assert not browser.has_ended()
    browser.session.handle_timer(30 * SECOND)
    assert browser.has_ended()
    browser.session.connection_lost(31 * SECOND)
    assert not browser.session.is_reset


@pytest.mark.parametrize("tls", [True, False])
def test_whole_flow_over_sockets(tls: bool):
    import httpx

    with Simulator(tls=tls, switches=Switches(token_life=100)) as sim:
        import ssl

        trust = ssl.create_default_context(cafile=sim.ca_file) if tls else False
        with httpx.Client(verify=trust) as web:
            page = web.get(
                sim.authorisation_url,
                params={"client_id": sim.client_id, "redirect_uri": BACK, "scope": "trading"},
            )
            assert page.status_code == 302
            (code,) = parse_qs(page.headers["location"].partition("?")[2])["code"]
            told = web.get(
                sim.token_url,
                params={
                    **PROGRAM,
                    "grant_type": "authorization_code",
                    "code": code,
                    "redirect_uri": BACK,
                },
            ).json()
            assert told["expiresIn"] == 100
            # Some clients post a form.
            form = {
                **PROGRAM,
                "grant_type": "refresh_token",
                "refresh_token": told["refreshToken"],
            }
            assert web.post(sim.token_url, data=form).json()["errorCode"] is None
            spent = web.post(sim.token_url, data=form)
            assert (spent.status_code, spent.json()["errorCode"]) == (
                200,
                "CH_ACCESS_TOKEN_INVALID",
            )
            assert sim.connections == 0
