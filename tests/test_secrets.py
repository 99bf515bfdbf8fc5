"""No secret shows: planted canaries are looked for in every text that the library makes.

A server that repeats secrets in its texts is driven against the core, without sockets; then both
clients, over real TLS, with every logger at DEBUG.
"""

from __future__ import annotations

import json
import logging
import pickle
import random
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

import ctrader
from ctrader import (
    AccountCredentials,
    ClientConfig,
    ClosePositionRequest,
    CTraderClient,
    CTraderError,
    NewOrderRequest,
    OrderSide,
    SpotEvent,
)
from ctrader.errors import OrderNotSentError, OrderOutcomeUnknownError, OrderRejectedError
from ctrader.events import Event, TokensRotatedEvent
from ctrader.operations import accounts, trading
from ctrader.proto import (
    ProtoErrorRes,
    ProtoOAAccountAuthReq,
    ProtoOAAccountAuthRes,
    ProtoOAAccountsTokenInvalidatedEvent,
    ProtoOAApplicationAuthReq,
    ProtoOAApplicationAuthRes,
    ProtoOAClientDisconnectEvent,
    ProtoOAErrorRes,
    ProtoOAExecutionEvent,
    ProtoOAExecutionType,
    ProtoOAGetAccountListByAccessTokenReq,
    ProtoOAGetAccountListByAccessTokenRes,
    ProtoOANewOrderReq,
    ProtoOAOrderErrorEvent,
    ProtoOARefreshTokenReq,
    ProtoOARefreshTokenRes,
    ProtoOATrader,
    ProtoOAVersionReq,
    ProtoOAVersionRes,
)
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.protocol.commands import Authorize, Call, Command, Rotate, WaitApplication
from ctrader.protocol.effects import CallCompleted, CallFailed, Effect, EventsReceived
from ctrader.protocol.envelope import encode_envelope, encode_message, open_envelope
from ctrader.protocol.framing import FrameBuffer, encode_frame
from ctrader.protocol.session import Session
from ctrader.protocol.work import Work
from ctrader.simulator import Simulator
from ctrader.units import SECOND
from ctrader_sync import SyncCTraderClient
from tests.coverage_of_schema.wire import Refreshing

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from ctrader.operations.base import Op

CLIENT_SECRET: Final = "canary-client-secret"
ACCESS: Final = "canary-access-token"
REFRESH: Final = "canary-refresh-token"
NEW_ACCESS: Final = "canary-new-access"
NEW_REFRESH: Final = "canary-new-refresh"
PROXY_PASSWORD: Final = "canary-proxy-password"
CANARIES: Final = (CLIENT_SECRET, ACCESS, REFRESH, NEW_ACCESS, NEW_REFRESH, PROXY_PASSWORD)

ECHO: Final = f"not allowed for {CLIENT_SECRET}, {ACCESS}, {REFRESH}!"
"""What a careless server says of what it was sent: an application and an account."""

ACCOUNT: Final = 7
LIBRARY: Final = Path(ctrader.__file__).parent
EVENTS: Final = frozenset(
    found
    for name in ctrader.__all__
    if isinstance(found := getattr(ctrader, name), type)
    and issubclass(found, Event)
    and found is not Event
)


# Looking for canaries


def config(**changes: Any) -> ClientConfig:
    values: dict[str, Any] = {"client_id": "app", "client_secret": CLIENT_SECRET, **changes}
    return ClientConfig(**values)


def credentials() -> AccountCredentials:
    return AccountCredentials(
        account_id=ACCOUNT, access_token=ACCESS, refresh_token=REFRESH, expires_at=2e9
    )


def texts_of_error(error: BaseException) -> Iterator[str]:
    """Give every text that a program or a logger may show of an error, causes included."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield str(found)
        yield repr(found)
        yield repr(found.args)
        yield from getattr(found, "__notes__", ())
        for name, value in vars(found).items():
            # The bytes that could not be read are kept for whoever asks for them by name.
            if name != "raw_data":
                yield repr(value)
                yield str(value)
        waiting += [found.__cause__, found.__context__, getattr(found, "cause", None)]
    yield from traceback.format_exception(error)


def texts_of(thing: object) -> Iterator[str]:
    """Give every text that something may be shown as."""
    yield repr(thing)
    yield str(thing)
    if isinstance(thing, BaseException):
        yield from texts_of_error(thing)
    if isinstance(thing, CallFailed):
        yield from texts_of_error(thing.error)
    if isinstance(thing, EventsReceived):
        for event in thing.events:
            yield from texts_of(event)
    if isinstance(thing, Event):
        # An event that hands over new credentials does it by name.
        for field in thing.__struct_fields__:
            value = getattr(thing, field)
            if isinstance(value, BaseException):
                yield from texts_of_error(value)
            elif not isinstance(value, bytes):
                yield repr(value)


def leaks(*things: object) -> list[str]:
    """Return the texts in which a canary shows."""
    return [
        text
        for thing in things
        for text in texts_of(thing)
        if any(canary in text for canary in CANARIES)
    ]


def formatted(records: list[logging.LogRecord]) -> list[str]:
    """Return log records as a program that prints everything would print them."""
    formatter = logging.Formatter("%(name)s %(levelname)s %(message)s %(args)s")
    return [formatter.format(record) + repr(vars(record)) for record in records]


class Conversation:
    """A session and everything that came out of it, with a server that the test speaks for."""

    def __init__(self, *, client: ClientConfig | None = None, work: Work | None = None) -> None:
        self.session = Session(client or config(), rng=random.Random(1), work=work)
        self.effects: list[Effect] = []
        self.now = 0
        self.sent: list[tuple[int, str | None]] = []
        self._frames = FrameBuffer()
        self.session.listen(EVENTS, None)
        self.session.start(self.now, unix_now=1.6e9)
        self.session.connection_made(1, self.now, unix_now=1.6e9)
        self.settle()

    def settle(self) -> None:
        """Take out what there is."""
        self.effects += self.session.take_effects()
        block, spans = self._frames.feed(self.session.data_to_send(self.now))
        for start, end in spans:
            envelope = open_envelope(block[start:end])
            self.sent.append((envelope.payload_type, envelope.client_msg_id))

    def say(self, frame: bytes) -> None:
        """Let the server send bytes."""
        self.session.receive_data(self.session.epoch, frame, self.now)
        self.settle()

    def answer(self, message: Message, request: type[Message]) -> None:
        """Let the server answer the last request of a type."""
        wanted = PAYLOAD_TYPE_BY_MESSAGE[request]
        [*_, message_id] = [name for kind, name in self.sent if kind == wanted]
        self.say(encode_message(message, message_id))

    def submit(self, command: Command, timeout: float | None = None) -> int:
        """Ask the session something."""
        call_id = self.session.submit(command, self.now, timeout=timeout)
        self.settle()
        return call_id

    def wait(self, seconds: float) -> None:
        """Let time pass, timers included."""
        self.now += int(seconds * SECOND)
        self.session.handle_timer(self.now)
        self.settle()

    def authenticate(self) -> None:
        """Bring the application and the account to life."""
        self.answer(ProtoOAApplicationAuthRes(), ProtoOAApplicationAuthReq)
        self.submit(Authorize(credentials()))
        self.answer(ProtoOAAccountAuthRes(ctidTraderAccountId=ACCOUNT), ProtoOAAccountAuthReq)

    def refresh(self) -> int:
        """Have the tokens exchanged, as far as the request."""
        call_id = self.submit(Rotate(credentials()), 60.0)
        self.answer(ProtoOAVersionRes(version="90"), ProtoOAVersionReq)
        return call_id

    def outcome(self, call_id: int) -> object:
        """Return the result or the error of a command."""
        for effect in self.effects:
            if isinstance(effect, CallCompleted) and effect.call_id == call_id:
                return effect.result
            if isinstance(effect, CallFailed) and effect.call_id == call_id:
                return effect.error
        raise AssertionError("it has not ended")


def first_command(operation: Op[Any]) -> Command:
    """Return what an operation asks first."""
    return next(operation)


def refusals(code: str = "CANT_ROUTE_REQUEST", description: str = ECHO) -> list[Message]:
    """Return a refusal in both error families."""
    return [
        ProtoOAErrorRes(errorCode=code, description=description),
        ProtoErrorRes(errorCode=code, description=description),
    ]


@pytest.fixture(autouse=True)
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Let every logger speak, and look through what was said in the end."""
    caplog.set_level(logging.DEBUG)
    yield
    texts = formatted(caplog.get_records("call"))
    assert not [text for text in texts if any(canary in text for canary in CANARIES)]


# The search itself


def test_search_finds_a_canary_wherever_it_hides():
    planted = ValueError("fine")
    planted.add_note(f"the secret is {CLIENT_SECRET}")
    assert leaks(planted)
    nested = ValueError("fine")
    nested.__cause__ = ValueError(ACCESS)
    assert leaks(nested)
    carrying = ctrader.APIError("CODE", f"for {REFRESH}")
    assert leaks(carrying)
    assert leaks(CallFailed(1, carrying))
    assert leaks(EventsReceived([ctrader.ServerErrorEvent(error=carrying)]))
    assert leaks(EventsReceived([ctrader.ClientDisconnectEvent(reason=ACCESS)]))
    assert not leaks(ValueError("fine"), CallFailed(1, ValueError("fine")))
    record = logging.LogRecord("x", logging.INFO, "", 1, "token %s", (ACCESS,), None)
    assert ACCESS in formatted([record])[0]


# Configuration and credentials


@pytest.mark.parametrize(
    "make",
    [
        lambda: config(port=CLIENT_SECRET),
        lambda: config(client_secret=f"{CLIENT_SECRET} "),
        lambda: config(client_secret=[CLIENT_SECRET]),
        lambda: config(unknown=CLIENT_SECRET),
        lambda: config(proxy=f"ftp://user:{PROXY_PASSWORD}@host"),
        lambda: config(use_ssl=False),
        lambda: config(host=f"https://{CLIENT_SECRET}@host"),
        lambda: config().model_copy(update={"port": CLIENT_SECRET}),
        lambda: ClientConfig.model_validate({"client_secret": CLIENT_SECRET}),
        lambda: ClientConfig.model_validate_json(json.dumps({"client_secret": CLIENT_SECRET})),
        lambda: ClientConfig.from_env(environ={"CTRADER_CLIENT_SECRET": CLIENT_SECRET}),
        lambda: AccountCredentials(
            account_id=0, access_token=ACCESS, refresh_token=REFRESH, expires_at=1
        ),
        lambda: AccountCredentials(
            account_id=1, access_token=f"{ACCESS}\n", refresh_token=REFRESH, expires_at=1
        ),
        lambda: AccountCredentials(
            account_id=1, access_token=ACCESS, refresh_token=REFRESH, expires_at=1e14
        ),
        lambda: AccountCredentials.model_validate({"access_token": ACCESS}),
        lambda: AccountCredentials.from_env(environ={"CTRADER_ACCESS_TOKEN": ACCESS}),
        lambda: setattr(credentials(), "access_token", NEW_ACCESS),
        lambda: pickle.dumps(credentials()),
        lambda: pickle.dumps(config()),
    ],
)
def test_refused_settings_do_not_show(make: Callable[[], object]):
    with pytest.raises((CTraderError, TypeError)) as caught:
        make()
    assert leaks(caught.value) == []
    # Some loggers print the locals of every frame of ours.
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in told.stack if Path(frame.filename).is_relative_to(LIBRARY)]
    assert not leaks(*[frame.locals for frame in ours])


def test_settings_and_credentials_do_not_show():
    proxied = config(proxy=f"http://user:{PROXY_PASSWORD}@host:8080")
    for thing in (config(), proxied, credentials()):
        shown = [thing, thing.model_dump(), thing.model_dump_json(), dict(thing), f"{thing}"]
        assert leaks(*shown) == []
    renewed = credentials().with_refreshed_tokens(NEW_ACCESS, NEW_REFRESH, 60)
    event = TokensRotatedEvent(account_ids=(ACCOUNT,), credentials=(renewed,))
    assert leaks(renewed, event) == []


def test_commands_and_requests_do_not_show():
    assert leaks(Authorize(credentials())) == []
    # What a command is shown as may end up in a log; the message in it holds the secrets.
    assert leaks(Call(ProtoOARefreshTokenReq(refreshToken=REFRESH))) == []
    assert leaks(CallCompleted(1, new_tokens())) == []


def new_tokens() -> ProtoOARefreshTokenRes:
    return ProtoOARefreshTokenRes(
        accessToken=NEW_ACCESS, refreshToken=NEW_REFRESH, tokenType="bearer", expiresIn=60
    )


# The core and a server that repeats what it was sent


def test_successful_session_does_not_show():
    talk = Conversation()
    talk.authenticate()
    assert talk.session.is_ready
    listed = talk.submit(
        Call(
            ProtoOAGetAccountListByAccessTokenReq(accessToken=ACCESS),
            ProtoOAGetAccountListByAccessTokenRes,
        )
    )
    talk.answer(
        ProtoOAGetAccountListByAccessTokenRes(accessToken=ACCESS),
        ProtoOAGetAccountListByAccessTokenReq,
    )
    talk.outcome(listed)
    assert leaks(talk.session, *talk.effects) == []


@pytest.mark.parametrize(
    "refusal", refusals("CH_CLIENT_AUTH_FAILURE", f"not allowed for {CLIENT_SECRET}")
)
def test_refused_application_does_not_show(refusal: Message):
    talk = Conversation()
    call_id = talk.submit(WaitApplication())
    talk.answer(refusal, ProtoOAApplicationAuthReq)
    error = talk.outcome(call_id)
    assert isinstance(error, ctrader.ApplicationAuthError)
    assert "not allowed for" in str(error)
    assert leaks(error, *talk.effects) == []


@pytest.mark.parametrize("refusal", refusals("CH_ACCESS_TOKEN_INVALID"))
def test_refused_account_does_not_show(refusal: Message):
    talk = Conversation()
    talk.answer(ProtoOAApplicationAuthRes(), ProtoOAApplicationAuthReq)
    call_id = talk.submit(Authorize(credentials()))
    talk.answer(refusal, ProtoOAAccountAuthReq)
    error = talk.outcome(call_id)
    assert isinstance(error, ctrader.AuthenticationError)
    assert leaks(error, *talk.effects) == []


@pytest.mark.parametrize("refusal", refusals(code=f"ERROR_{CLIENT_SECRET}", description=""))
def test_secret_in_an_error_code_does_not_show(refusal: Message):
    talk = Conversation()
    call_id = talk.submit(WaitApplication())
    talk.answer(refusal, ProtoOAApplicationAuthReq)
    assert leaks(talk.outcome(call_id), *talk.effects) == []


@pytest.mark.parametrize(
    "refusal", refusals("CH_ACCESS_TOKEN_INVALID", f"{CLIENT_SECRET} and {ACCESS} do not match")
)
def test_refused_token_that_is_not_yet_kept_does_not_show(refusal: Message):
    talk = Conversation()
    talk.answer(ProtoOAApplicationAuthRes(), ProtoOAApplicationAuthReq)
    call_id = talk.submit(first_command(accounts.list_by_token(ACCESS)))
    talk.answer(refusal, ProtoOAGetAccountListByAccessTokenReq)
    assert leaks(talk.outcome(call_id), *talk.effects) == []


@pytest.mark.parametrize(
    "refusal", refusals("CH_ACCESS_TOKEN_INVALID", f"{CLIENT_SECRET} and {REFRESH} do not match")
)
def test_refused_refresh_does_not_show(refusal: Message):
    talk = Conversation(work=Refreshing())
    talk.authenticate()
    call_id = talk.refresh()
    talk.answer(refusal, ProtoOARefreshTokenReq)
    error = talk.outcome(call_id)
    assert isinstance(error, ctrader.ReauthorizationRequiredError)
    assert leaks(error, error.__cause__, *talk.effects) == []


def test_refreshed_tokens_do_not_show():
    talk = Conversation(work=Refreshing())
    talk.authenticate()
    call_id = talk.refresh()
    talk.answer(new_tokens(), ProtoOARefreshTokenReq)
    newest = talk.outcome(call_id)
    assert isinstance(newest, ctrader.AccountCredentials)
    assert newest.access_token == NEW_ACCESS
    assert leaks(newest, *talk.effects) == []


def test_refreshed_tokens_that_make_no_sense_do_not_show():
    talk = Conversation(work=Refreshing())
    talk.authenticate()
    call_id = talk.refresh()
    answer = new_tokens()
    answer.accessToken += " "
    talk.answer(answer, ProtoOARefreshTokenReq)
    error = talk.outcome(call_id)
    assert isinstance(error, ctrader.ReauthorizationRequiredError)
    assert leaks(error, error.__cause__, *talk.effects) == []


@pytest.mark.parametrize(
    "message",
    [
        *refusals(),
        ProtoOAClientDisconnectEvent(reason=ECHO),
        ProtoOAAccountsTokenInvalidatedEvent(ctidTraderAccountIds=[ACCOUNT], reason=ECHO),
        ProtoOAOrderErrorEvent(
            ctidTraderAccountId=ACCOUNT, errorCode="MARKET_CLOSED", description=ECHO
        ),
        ProtoOAOrderErrorEvent(ctidTraderAccountId=ACCOUNT, errorCode=CLIENT_SECRET),
        ProtoOAExecutionEvent(
            ctidTraderAccountId=ACCOUNT,
            executionType=ProtoOAExecutionType.ORDER_REJECTED,
            errorCode=CLIENT_SECRET,
        ),
    ],
    ids=lambda message: type(message).__name__,
)
def test_events_that_repeat_secrets_do_not_show(message: Message):
    talk = Conversation()
    talk.authenticate()
    before = len(talk.effects)
    talk.say(encode_message(message))
    assert any(isinstance(effect, EventsReceived) for effect in talk.effects[before:])
    assert leaks(*talk.effects) == []


def trader_bytes() -> bytes:
    """Return bytes that hold the secrets and lack what their message needs."""
    return ProtoOATrader(brokerName=ECHO).SerializePartialToString()


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(encode_frame(b"\xff" + ECHO.encode()), id="broken envelope"),
        pytest.param(encode_frame(ECHO.encode()), id="text instead of an envelope"),
        pytest.param(ECHO.encode(), id="text instead of a frame"),
        pytest.param(encode_envelope(2131, ECHO.encode()), id="text instead of a quote"),
        pytest.param(encode_envelope(2131, trader_bytes()), id="quote that lacks fields"),
        pytest.param(encode_envelope(2126, trader_bytes()), id="execution that lacks fields"),
        pytest.param(encode_envelope(2142, b"\xff" + ECHO.encode()), id="broken error"),
        pytest.param(encode_envelope(4_000, ECHO.encode()), id="unknown type"),
        pytest.param(encode_envelope(2148, b"\x12\x03\xff\xfe\xfd" + ECHO.encode()), id="no text"),
    ],
)
def test_malformed_frames_that_hold_secrets_do_not_show(frame: bytes):
    talk = Conversation()
    talk.authenticate()
    before = len(talk.effects)
    talk.say(frame)
    assert talk.effects[before:]
    assert leaks(*talk.effects) == []


def test_undecodable_answer_that_holds_secrets_does_not_show():
    talk = Conversation()
    call_id = talk.submit(WaitApplication())
    [(_, message_id)] = talk.sent
    talk.say(encode_envelope(2142, b"\xff" + ECHO.encode(), message_id))
    talk.wait(31)
    assert leaks(*talk.effects) == []
    assert isinstance(talk.outcome(call_id), CTraderError)


def test_timeouts_do_not_show():
    talk = Conversation(work=Refreshing())
    talk.authenticate()
    called = [
        talk.submit(first_command(accounts.list_by_token(ACCESS)), 1),
        talk.submit(Rotate(credentials()), 1),
        talk.submit(Authorize(credentials()), 1),
    ]
    talk.wait(2)
    assert all(isinstance(talk.outcome(call_id), CTraderError) for call_id in called[:2])
    talk.wait(100)
    assert leaks(*talk.effects) == []


def test_link_loss_does_not_show():
    talk = Conversation(client=config(reconnect_attempts=0), work=Refreshing())
    talk.authenticate()
    called = [
        talk.submit(first_command(accounts.list_by_token(ACCESS))),
        talk.submit(Rotate(credentials())),
        talk.submit(order_command()),
    ]
    talk.session.connection_lost(1, talk.now, ConnectionResetError(104, "reset by peer"))
    talk.settle()
    assert isinstance(talk.outcome(called[2]), OrderOutcomeUnknownError)
    assert isinstance(talk.outcome(called[1]), CTraderError)
    assert isinstance(talk.session.finished_error, CTraderError)
    assert leaks(*talk.effects, talk.session.finished_error) == []


def order_command() -> Command:
    request = NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=100_000, comment="mine")
    command = first_command(trading.place_order(ACCOUNT, request))
    assert isinstance(command, Call)
    return replace(command, guard=None)  # as if its symbol were known


def test_order_that_is_not_sent_does_not_show():
    talk = Conversation()
    call_id = talk.submit(order_command())
    assert isinstance(talk.outcome(call_id), OrderNotSentError)
    assert leaks(*talk.effects) == []


@pytest.mark.parametrize(
    "refusal",
    [
        *refusals("MARKET_CLOSED"),
        ProtoOAOrderErrorEvent(
            ctidTraderAccountId=ACCOUNT, errorCode="MARKET_CLOSED", description=ECHO
        ),
    ],
)
def test_refused_order_does_not_show(refusal: Message):
    talk = Conversation()
    talk.authenticate()
    call_id = talk.submit(order_command())
    talk.answer(refusal, ProtoOANewOrderReq)
    assert isinstance(talk.outcome(call_id), OrderRejectedError)
    assert leaks(*talk.effects) == []


def test_restoration_that_is_refused_does_not_show():
    talk = Conversation()
    talk.authenticate()
    talk.session.connection_lost(1, talk.now, None)
    talk.settle()
    talk.wait(61)
    talk.session.connection_made(2, talk.now, unix_now=1.6e9)
    talk.settle()
    talk.answer(ProtoOAApplicationAuthRes(), ProtoOAApplicationAuthReq)
    talk.answer(refusals("CH_ACCESS_TOKEN_INVALID")[0], ProtoOAAccountAuthReq)
    happened = [
        type(event).__name__
        for effect in talk.effects
        if isinstance(effect, EventsReceived)
        for event in effect.events
    ]
    assert {"SubscriptionRestoreFailedEvent", "ReconnectedEvent"} <= set(happened)
    assert leaks(*talk.effects) == []


# Both clients, over TLS, with everything logged


def hidden_in(sim: Simulator) -> list[str]:
    """Return the secrets of a simulator."""
    opened = sim.credentials()
    return [sim.client_secret, opened.access_token, opened.refresh_token]


def check(secrets: list[str], records: list[logging.LogRecord], *things: object) -> None:
    """Fail if a secret shows anywhere."""
    shown = [*formatted(records), *[text for thing in things for text in texts_of(thing)]]
    assert shown
    assert not [text for text in shown if any(secret in text for secret in secrets)]


def test_blocking_client_shows_no_secret(caplog: pytest.LogCaptureFixture):
    seen: list[object] = []
    with Simulator() as sim:
        secrets = hidden_in(sim)
        opened = sim.credentials()
        with SyncCTraderClient(sim.client_config()) as client:
            for kind in EVENTS:
                client.register_handler(kind, seen.append)
            client.register_handler(SpotEvent, fail)
            seen += [client.auth.authenticate_app(), client.auth.authenticate_account(opened)]
            client.market_data.subscribe_spots(opened.account_id, [1])
            done = client.trading.place_order(
                opened.account_id,
                NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=100_000),
            )
            assert done.position is not None
            client.trading.close_position(
                opened.account_id,
                ClosePositionRequest(position_id=done.position.position_id, volume=100_000),
            )
            for secret in secrets:
                with pytest.raises(CTraderError) as caught:
                    client.auth.get_accounts(f"{secret}x")
                seen.append(caught.value)
            with pytest.raises(CTraderError) as caught:
                client.auth.refresh(opened.model_copy(update={"refresh_token": ACCESS}))
            seen.append(caught.value)
            seen += [client, client.auth, client.protocol, client.config]
        with SyncCTraderClient(sim.client_config(client_secret=CLIENT_SECRET)) as refused:
            with pytest.raises(CTraderError) as caught:
                refused.auth.authenticate_app()
            seen.append(caught.value)
    check([*secrets, *CANARIES], caplog.records, *seen)
    assert any("a planted failure" in text for text in formatted(caplog.records))


def fail(event: object) -> None:
    raise RuntimeError("a planted failure of a handler")


@pytest.mark.anyio
async def test_asynchronous_client_shows_no_secret(
    anyio_backend_name: str, caplog: pytest.LogCaptureFixture
):
    seen: list[object] = []
    async with Simulator() as sim:
        secrets = hidden_in(sim)
        opened = sim.credentials()
        async with CTraderClient(sim.client_config()) as client:
            for kind in EVENTS:
                client.register_handler(kind, seen.append)
            client.register_handler(SpotEvent, fail)
            app = await client.auth.authenticate_app()
            seen += [app, await client.auth.authenticate_account(opened)]
            await client.market_data.subscribe_spots(opened.account_id, [1])
            done = await client.trading.place_order(
                opened.account_id,
                NewOrderRequest(symbol_id=1, side=OrderSide.BUY, volume=100_000),
            )
            assert done.position is not None
            await client.trading.close_position(
                opened.account_id,
                ClosePositionRequest(position_id=done.position.position_id, volume=100_000),
            )
            for secret in secrets:
                with pytest.raises(CTraderError) as caught:
                    await client.auth.get_accounts(f"{secret}x")
                seen.append(caught.value)
            seen += [client, client.auth, client.protocol, client.config]
        async with CTraderClient(sim.client_config(client_secret=CLIENT_SECRET)) as refused:
            with pytest.raises(CTraderError) as caught:
                await refused.auth.authenticate_app()
            seen.append(caught.value)
    assert anyio_backend_name in ("asyncio", "trio")
    check([*secrets, *CANARIES], caplog.records, *seen)
    assert any("a planted failure" in text for text in formatted(caplog.records))
