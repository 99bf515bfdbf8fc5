"""The error tree: its shape, its data, its texts, and that every error travels."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import re
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ctrader import errors
from ctrader.enums import ExecutionType, OrderType
from ctrader.errors import (
    AccountAuthError,
    AccountNotFoundError,
    AmendmentIncompleteError,
    APIError,
    ApplicationAuthError,
    AuthenticationError,
    ConfigurationError,
    CTraderConnectionClosedError,
    CTraderConnectionError,
    CTraderConnectionFailedError,
    CTraderConnectionTimeoutError,
    CTraderError,
    CTraderReconnectAbandonedError,
    DeserializationError,
    DuplicateClientOrderIdError,
    ForkedClientError,
    FramingError,
    InsecureTransportError,
    JournalError,
    MaintenanceError,
    NotConnectedError,
    NotEnoughMoneyError,
    OrderError,
    OrderInvalidError,
    OrderNotFoundError,
    OrderNotSentError,
    OrderOutcomeUnknownError,
    OrderRejectedError,
    RateLimitedError,
    ReauthorizationRequiredError,
    ServerCode,
    SlowConsumerError,
    TlsVerificationError,
    TokenExpiredError,
    TokenRefreshError,
    TokenStoreError,
    UnexpectedResponseError,
    UnknownEnumValueError,
    UnknownPayloadTypeError,
    UnknownTimezoneError,
    api_error,
    code_proves_refusal,
    maintenance_end_from_wire,
    means_account_not_authorized,
    scrub,
    server_codes,
)
from ctrader.events import ExecutionEvent

SCHEMA = Path(__file__).parent.parent / "protos" / "schema.json"
END = datetime(2026, 11, 28, 6, tzinfo=UTC)

PUBLIC_CLASSES = [
    value
    for name in errors.__all__
    if inspect.isclass(value := getattr(errors, name)) and issubclass(value, CTraderError)
]

SAMPLES: list[CTraderError] = [
    CTraderError("root"),
    ConfigurationError("wrong", problems=[("port", "too large")]),
    CTraderConnectionError("lost"),
    CTraderConnectionFailedError("demo", 5035, OSError(111, "refused")),
    TlsVerificationError("demo", 5035, OSError("bad certificate")),
    CTraderConnectionClosedError("peer left", True),
    NotConnectedError(),
    CTraderConnectionTimeoutError(30.0, "ProtoOATraderReq"),
    CTraderReconnectAbandonedError("5 attempts", OSError("down")),
    InsecureTransportError("192.0.2.1", 5035),
    errors.ProtocolError("nonsense"),
    FramingError(10, 4, reason="too long"),
    DeserializationError(2131, b"\x01\x02", reason="a required field is missing"),
    UnknownPayloadTypeError(9999),
    UnexpectedResponseError("A", "B", request_type="C"),
    UnknownEnumValueError(OrderType, 99),
    APIError("ODD", "text", 7, retry_after=2.5, maintenance_end=END, client_msg_id="m1"),
    AuthenticationError("ODD"),
    ApplicationAuthError("CH_CLIENT_AUTH_FAILURE", "no"),
    AccountAuthError("ALREADY_LOGGED_IN", "twice", 7),
    TokenExpiredError(7),
    TokenRefreshError(7, APIError("CH_ACCESS_TOKEN_INVALID", "spent")),
    ReauthorizationRequiredError(account_ids=[7, 8]),
    AccountNotFoundError(17091452, [1, 2]),
    OrderError("failed", client_order_id="c1"),
    OrderInvalidError("bad", client_order_id="c1", field="price", value=1.5),
    DuplicateClientOrderIdError("c1"),
    OrderNotSentError("c1", "not ready", OSError("down"), account_id=7, request_type="R"),
    OrderRejectedError("ODD", "no", client_order_id="c1", order_id=3, position_id=4),
    OrderRejectedError.from_api_error(api_error("NOT_ENOUGH_MONEY"), client_order_id="c1"),
    OrderRejectedError.from_api_error(api_error("OA_AUTH_TOKEN_EXPIRED"), order_id=3),
    OrderOutcomeUnknownError("c1", OSError("cut"), account_id=7, order_id=3, position_id=4),
    AmendmentIncompleteError(
        {"take_profit": "was to be removed and is 1.2"},
        ExecutionEvent(7, ExecutionType.ORDER_REPLACED),
        account_id=7,
        request_type="R",
        order_id=3,
    ),
    TokenStoreError("cannot save", cause=OSError(28, "disk full")),
    JournalError("cannot record: disk full"),
    UnknownTimezoneError("Mars/Olympus"),
    SlowConsumerError("on_execution", 10_000),
    errors.ClientClosedError("closed by user"),
    ForkedClientError(10, 11),
    *(
        api_error(code, "text", account_id=7, retry_after=1.0, request_type="R")
        for code in errors.SERVER_CODES
    ),
]


def _same(one: object, other: object) -> bool:
    if isinstance(one, BaseException) and isinstance(other, BaseException):
        return type(one) is type(other) and one.args == other.args
    return one == other


def _assert_same(error: CTraderError, twin: CTraderError) -> None:
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert twin.args == error.args
    assert vars(twin).keys() == vars(error).keys()
    for name, value in vars(error).items():
        assert _same(value, getattr(twin, name)), name


def test_samples_cover_every_public_class():
    assert {type(sample) for sample in SAMPLES} >= set(PUBLIC_CLASSES)


@pytest.mark.parametrize("error", SAMPLES, ids=lambda e: type(e).__name__)
def test_error_survives_pickling_and_copying(error):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        _assert_same(error, pickle.loads(pickle.dumps(error, protocol)))
    _assert_same(error, copy.copy(error))
    _assert_same(error, copy.deepcopy(error))


@pytest.mark.parametrize("error", SAMPLES, ids=lambda e: type(e).__name__)
def test_error_can_be_raised_and_shows_one_line(error):
    with pytest.raises(type(error)) as caught:
        raise error
    assert str(caught.value)
    assert "\n" not in str(caught.value)


def test_notes_travel_and_ties_to_a_client_do_not():
    error = OrderOutcomeUnknownError("c1")
    error.add_note("seen at night")
    vars(error)["_client"] = object()

    twin = pickle.loads(pickle.dumps(error))

    assert twin.__notes__ == ["seen at night"]
    assert not hasattr(twin, "_client")


def test_cause_that_cannot_be_pickled_travels_as_its_text():
    class LocalError(Exception):
        pass

    twin = pickle.loads(pickle.dumps(OrderNotSentError("c1", "no link", LocalError("secret text"))))

    assert type(twin.cause) is CTraderError
    assert str(twin.cause) == "LocalError"


def test_docstring_tree_is_the_real_tree():
    parents: list[str] = []
    drawn: dict[str, str] = {}
    assert errors.__doc__ is not None
    for line in errors.__doc__.splitlines():
        found = re.match(r"^    ([│├└─ ]*)(\w+Error)\b", line)
        if found:
            depth = len(found[1]) // 4
            parents[depth:] = [found[2]]
            drawn[found[2]] = parents[depth - 1] if depth else ""
    for name, parent in drawn.items():
        assert not parent or issubclass(getattr(errors, name), getattr(errors, parent)), name
    assert set(drawn) == {c.__name__ for c in PUBLIC_CLASSES}


def test_every_public_class_has_a_docstring_of_its_own():
    assert all("__doc__" in vars(c) and vars(c)["__doc__"] for c in PUBLIC_CLASSES)


@pytest.mark.parametrize(
    ("kind", "also"),
    [
        (ConfigurationError, ValueError),
        (OrderInvalidError, ValueError),
        (OrderRejectedError, APIError),
        (OrderRejectedError, OrderError),
    ],
)
def test_class_is_also_of_second_kind(kind, also):
    assert issubclass(kind, also)


# API errors


def test_every_code_of_the_schema_is_registered_and_no_other():
    enums = json.loads(SCHEMA.read_text())["files"]
    published = {
        name
        for file in enums.values()
        for enum in ("ProtoErrorCode", "ProtoOAErrorCode")
        for name in file["enums"].get(enum, {})
    }
    assert set(errors.SERVER_CODES) == published


def test_registry_refuses_a_code_twice():
    entry = ServerCode("SAME", APIError, "Do something.")
    with pytest.raises(ValueError, match="SAME is registered twice"):
        server_codes([entry, entry])


@pytest.mark.parametrize("code", errors.SERVER_CODES)
def test_code_becomes_its_class_and_keeps_its_data(code):
    error = api_error(
        code,
        "some text",
        account_id=7,
        retry_after=1.5,
        maintenance_end=END,
        request_type="ProtoOANewOrderReq",
        client_msg_id="m1",
    )
    assert type(error) is errors.SERVER_CODES[code].error
    assert error.error_code == code
    assert error.description == "some text"
    assert error.account_id == error.ctid_trader_account_id == 7
    assert error.retry_after == 1.5
    assert error.maintenance_end == END
    assert error.request_type == "ProtoOANewOrderReq"
    assert error.client_msg_id == "m1"
    for part in (code, "some text", "account 7", "1.5 s", "ProtoOANewOrderReq", "2026-11-28"):
        assert part in str(error)
    assert errors.SERVER_CODES[code].remedy in str(error)


def test_code_that_is_not_known_is_a_plain_api_error():
    error = api_error("BRAND_NEW", "something")
    assert type(error) is APIError
    assert error.error_code == "BRAND_NEW"
    assert "BRAND_NEW" in str(error)


@pytest.mark.parametrize(
    "code", ["INVALID_REQUEST", "UNSUPPORTED_MESSAGE", "ACCOUNT_NOT_AUTHORIZED"]
)
def test_account_not_authorized_is_recognised_under_every_code(code):
    text = "Trading account is not authorized"
    assert means_account_not_authorized(code, text)
    assert type(api_error(code, text)) is AccountAuthError


@pytest.mark.parametrize("description", [None, "", "Symbol is missing"])
def test_other_invalid_requests_are_no_account_errors(description):
    assert not means_account_not_authorized("INVALID_REQUEST", description)


def test_kind_questions():
    assert APIError("BLOCKED_PAYLOAD_TYPE").is_rate_limited()
    assert api_error("REQUEST_FREQUENCY_EXCEEDED").is_rate_limited()
    assert api_error("CH_ACCESS_TOKEN_INVALID").is_token_failure()
    assert TokenExpiredError(7).is_token_failure()
    assert api_error("SERVER_IS_UNDER_MAINTENANCE").is_maintenance()
    assert api_error("ALREADY_LOGGED_IN").is_maintenance() is False
    assert isinstance(api_error("BLOCKED_PAYLOAD_TYPE"), RateLimitedError)
    assert isinstance(api_error("SERVER_IS_UNDER_MAINTENANCE"), MaintenanceError)
    assert AccountAuthError("ALREADY_LOGGED_IN").is_already_authorized()
    # The general code's own remedy would send the reader looking into the request.
    assert "Authenticate the account" in str(AccountAuthError("INVALID_REQUEST"))
    assert not AccountAuthError("RET_ACCOUNT_DISABLED").is_already_authorized()


def test_maintenance_end_is_aware_and_given_in_milliseconds_too():
    assert APIError("X", maintenance_end=END).maintenance_end_timestamp == 1_795_845_600_000
    assert APIError("X").maintenance_end_timestamp is None
    with pytest.raises(ValueError, match="aware"):
        APIError("X", maintenance_end=END.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_795_845_600, END),
        (1_795_845_600_000, END),
        (1_795_845_600_123, END + timedelta(milliseconds=123)),
        (10**11 - 1, datetime(5138, 11, 16, 9, 46, 39, tzinfo=UTC)),
        (10**11, datetime(1973, 3, 3, 9, 46, 40, tzinfo=UTC)),
        (0, None),
        (-5, None),
        (2**64 - 1, None),
    ],
)
def test_maintenance_end_unit_is_told_by_its_size(value, expected):
    assert maintenance_end_from_wire(value) == expected


@pytest.mark.parametrize(
    "code",
    [
        "UNKNOWN_ERROR",
        "TIMEOUT_ERROR",
        "CANT_ROUTE_REQUEST",
        "CH_SERVER_NOT_REACHABLE",
        "BRAND_NEW",
        "",
        "ACCOUNT_NOT_FOUND",
        "market_closed",
    ],
)
def test_code_that_does_not_prove_a_refusal(code):
    assert not code_proves_refusal(code)


@pytest.mark.parametrize(
    "code",
    ["MARKET_CLOSED", "NOT_ENOUGH_MONEY", "BLOCKED_PAYLOAD_TYPE", "REQUEST_FREQUENCY_EXCEEDED"],
)
def test_code_that_proves_a_refusal(code):
    assert code_proves_refusal(code)


def test_server_text_is_shown_on_one_line_and_cut():
    error = api_error("A\nB", "line\r\nbreak\x1b[31m" + "x" * 10_000)
    assert "\n" not in str(error)
    assert "\x1b" not in str(error)
    assert len(str(error)) < 800
    assert error.description is not None
    assert len(error.description) > 10_000


def test_account_not_found_names_what_there_is():
    error = AccountNotFoundError(17, [1, 2])
    assert error.error_code == "ACCOUNT_NOT_FOUND"
    assert (error.trader_login, error.available_logins) == (17, (1, 2))
    assert "17" in str(error)
    assert "1, 2" in str(error)
    assert "none" in str(AccountNotFoundError(17))


def test_token_error_takes_the_answer_of_its_cause():
    cause = api_error("CH_ACCESS_TOKEN_INVALID", "spent", request_type="ProtoOARefreshTokenReq")
    error = TokenRefreshError(7, cause)
    assert error.error_code == "CH_ACCESS_TOKEN_INVALID"
    assert error.description == "spent"
    assert error.account_ids == (7,)
    assert error.is_token_failure()
    assert TokenRefreshError().error_code == "TOKEN_REFRESH_FAILED"
    assert ReauthorizationRequiredError().error_code == "REAUTHORIZATION_REQUIRED"


@pytest.mark.parametrize(
    "cause",
    [
        CTraderConnectionTimeoutError(30.0, "ProtoOARefreshTokenReq"),
        CTraderConnectionTimeoutError(30.0, "ProtoOARefreshTokenReq", reason="the link is lost."),
        CTraderConnectionClosedError("the link was lost"),
        UnexpectedResponseError("A", "B"),
    ],
)
def test_what_helps_the_cause_is_no_advice_where_the_outcome_is_unknown(cause: CTraderError):
    for error in (TokenRefreshError(7, cause), OrderOutcomeUnknownError("a", cause)):
        text = str(error)
        assert str(cause).partition(". ")[0] in text
        assert "repeat it" not in text.lower().replace("do not repeat it before", "")
        assert "may be repeated" not in text


def test_text_of_a_foreign_cause_is_left_out_of_the_message():
    error = TokenRefreshError(7, RuntimeError("https://host/?client_secret=canary"))
    assert "canary" not in str(error)
    assert "canary" not in repr(error)
    assert "RuntimeError" in str(error)


# Orders


def test_rejection_is_caught_by_the_class_of_its_code_too():
    error = OrderRejectedError.from_api_error(
        api_error("NOT_ENOUGH_MONEY", "no margin", account_id=7, request_type="R"),
        client_order_id="c1",
        order_id=3,
        position_id=4,
    )
    assert isinstance(error, NotEnoughMoneyError)
    assert isinstance(error, OrderRejectedError)
    assert isinstance(error, OrderError)
    assert (error.client_order_id, error.order_id, error.position_id) == ("c1", 3, 4)
    assert (error.error_code, error.description, error.account_id) == (
        "NOT_ENOUGH_MONEY",
        "no margin",
        7,
    )
    for part in ("'c1'", "order 3", "position 4", "NOT_ENOUGH_MONEY"):
        assert part in str(error)


def test_rejection_with_a_code_that_is_not_known_is_a_plain_one():
    assert type(OrderRejectedError.from_api_error(api_error("NEW"))) is OrderRejectedError


def test_rejection_made_from_a_rejection_keeps_the_class():
    first = OrderRejectedError.from_api_error(api_error("ORDER_NOT_FOUND"))
    second = OrderRejectedError.from_api_error(first, client_order_id="c1")
    assert isinstance(second, OrderNotFoundError)
    assert type(second) is type(first)


def test_rejection_of_a_token_error_is_one_too():
    error = OrderRejectedError.from_api_error(api_error("OA_AUTH_TOKEN_EXPIRED"))
    assert isinstance(error, TokenExpiredError)
    assert error.is_token_failure()


def test_duplicate_id_names_the_id():
    error = DuplicateClientOrderIdError("c1")
    assert isinstance(error, OrderInvalidError)
    assert (error.client_order_id, error.field, error.value) == ("c1", "client_order_id", "c1")


@pytest.mark.parametrize(
    ("cause", "remedy"),
    [
        (ConfigurationError("no token"), "so the old one is spent: ask the user"),
        (
            errors.ProtocolError("x"),
            "The old pair may be spent: try its access token, then its refresh",
        ),
        (CTraderConnectionTimeoutError(1.0, "R"), "The old pair may be spent: try its access"),
        (errors.ClientClosedError(), "The old pair may be spent: try its access token"),
        (NotConnectedError(), "Nothing was sent, so the old pair still holds: connect, and try"),
        (api_error("SERVER_IS_UNDER_MAINTENANCE"), "Try again in a moment; if this goes on, ask"),
        (None, "Try again in a moment; if this goes on, ask the user to authorise anew."),
    ],
)
def test_failed_refresh_says_what_became_of_the_old_pair(cause: CTraderError | None, remedy: str):
    assert remedy in str(TokenRefreshError(7, cause))


def test_order_that_was_not_sent_tells_its_cause_once():
    cause = CTraderConnectionTimeoutError(1.0, "R, which could not be sent yet,")
    assert str(OrderNotSentError("c1", str(cause), cause)) == (
        "The request (client order id 'c1') was not sent: R, which could not be sent yet, got no "
        "answer within 1 s. Repeat it, or allow more time with timeout=. It is safe to place it "
        "again."
    )
    assert "was not sent: no link: CTraderConnectionTimeoutError: R, which" in str(
        OrderNotSentError("c1", "no link", cause)
    )


def test_outcome_and_not_sent_say_whether_it_may_be_repeated():
    assert "safe to place it again" in str(OrderNotSentError("c1", "not ready"))
    assert "do not repeat it" in str(OrderOutcomeUnknownError("c1"))


@pytest.mark.parametrize("reason", ["WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE"])
def test_failure_to_find_tls_at_the_server_says_so(reason: str):
    cause = ssl.SSLError(1, f"[SSL: {reason}]")
    cause.reason = reason
    error = CTraderConnectionFailedError("localhost", 5035, cause)
    assert str(error).endswith(
        "The server speaks no TLS there: check the host and the port, then call connect() again. "
        "use_ssl=False is only for a simulator of your own without TLS."
    )
    other = CTraderConnectionFailedError("localhost", 5035, ssl.SSLError(1, "[SSL] something"))
    assert "use_ssl" not in str(other)


def test_timeout_has_its_older_name():
    error = CTraderConnectionTimeoutError(2.5)
    assert error.timeout == error.timeout_seconds == 2.5
    assert error.operation == "operation"


def test_time_that_was_over_before_it_began_is_told_as_none():
    assert "got no answer within 0 s" in str(CTraderConnectionTimeoutError(-4.08e-06))


def test_undecodable_bytes_stay_out_of_the_text():
    error = DeserializationError(2174, b"canary-token")
    assert "canary" not in str(error)
    assert "canary" not in repr(error)
    assert error.raw_data == b"canary-token"


# Scrubbing


@pytest.mark.parametrize(
    ("text", "secrets", "expected"),
    [
        ("token abcd refused", ["abcd"], "token *** refused"),
        ("abcd and abcd", ["abcd"], "*** and ***"),
        ("abcdef", ["abcd", "abcdef"], "***"),
        ("a.c* stays", ["a.c*"], "*** stays"),
        ("abc", ["abc"], "abc"),
        ("nothing", [], "nothing"),
        ("nothing", [""], "nothing"),
        ("", ["abcd"], ""),
    ],
)
def test_scrub_masks_known_secrets(text, secrets, expected):
    assert scrub(text, secrets) == expected
