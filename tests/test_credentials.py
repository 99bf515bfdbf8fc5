"""Account credentials: their clock, and silence about tokens."""

from __future__ import annotations

import copy
import logging
import math
import pickle
import time
import traceback
from typing import Any

import pytest

from ctrader.credentials import AccountCredentials
from ctrader.errors import ConfigurationError

ACCESS = "canary-access-71c2"
REFRESH = "canary-refresh-b8d0"
NOW = 1_778_617_423.0


@pytest.fixture
def now(monkeypatch):
    monkeypatch.setattr(time, "time", lambda: NOW)
    return NOW


def _credentials(**changes: Any) -> AccountCredentials:
    values: dict[str, Any] = {
        "account_id": 7,
        "access_token": ACCESS,
        "refresh_token": REFRESH,
        "expires_at": NOW + 1000,
        **changes,
    }
    return AccountCredentials(**values)


def _silent(text: str) -> bool:
    return "canary" not in text


def test_fields_are_plain_values():
    credentials = _credentials(expires_at=1778617423)
    assert credentials.account_id == 7
    assert (credentials.access_token, credentials.refresh_token) == (ACCESS, REFRESH)
    assert credentials.expires_at == 1778617423.0
    assert type(credentials.access_token) is str


def test_from_env_reads_every_field():
    environ = {
        "MY_ACCOUNT_ID": "7",
        "MY_ACCESS_TOKEN": ACCESS,
        "MY_REFRESH_TOKEN": REFRESH,
        "MY_EXPIRES_AT": str(NOW + 1000),
        "MY_TOKEN_TYPE": "",
        "MY_CLIENT_ID": "another's",
    }
    assert AccountCredentials.from_env("MY_", environ=environ) == _credentials()
    environ["MY_TOKEN_TYPE"] = "mac"
    assert AccountCredentials.from_env("MY_", environ=environ).token_type == "mac"


def test_from_env_names_the_variables():
    environ = {
        "CTRADER_ACCESS_TOKEN": ACCESS,
        "CTRADER_REFRESH_TOKEN": "",
        "CTRADER_ACCOUNT_ID": "x",
    }
    with pytest.raises(ConfigurationError) as caught:
        AccountCredentials.from_env(environ=environ)
    assert [name for name, _ in caught.value.problems] == [
        "CTRADER_ACCOUNT_ID",
        "CTRADER_REFRESH_TOKEN",
        "CTRADER_EXPIRES_AT",
    ]
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("left", "expired", "soon"),
    [
        (1000, False, False),
        (300, False, True),
        (299, False, True),
        (0, True, True),
        (-5, True, True),
    ],
)
def test_expiry(now, left, expired, soon):
    credentials = _credentials(expires_at=now + left)
    assert credentials.time_until_expiry() == left
    assert credentials.is_expired() is expired
    assert credentials.expires_soon() is soon


def test_expires_soon_takes_another_buffer(now):
    assert _credentials(expires_at=now + 1000).expires_soon(1000)
    assert not _credentials(expires_at=now + 1000).expires_soon(buffer_seconds=999)


def test_refreshed_tokens_make_new_credentials(now):
    old = _credentials()
    new = old.with_refreshed_tokens("new-access", "new-refresh", 2_628_000)
    assert new.account_id == 7
    assert (new.access_token, new.refresh_token) == ("new-access", "new-refresh")
    assert new.expires_at == now + 2_628_000
    assert old.access_token == ACCESS


def test_tokens_show_nowhere(caplog):
    credentials = _credentials()
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r", credentials, credentials)
    shown = [
        repr(credentials),
        str(credentials),
        f"{credentials}",
        str(credentials.model_dump()),
        credentials.model_dump_json(),
        str(dict(credentials)),
        str(list(credentials.__repr_args__())),
        caplog.text,
    ]
    assert all(map(_silent, shown))
    assert "account_id=7" in repr(credentials)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("account_id", 0),
        ("account_id", -1),
        ("account_id", 2**63),
        ("account_id", ACCESS),
        ("access_token", ""),
        ("access_token", f"{ACCESS}\n"),
        ("access_token", [ACCESS]),
        ("refresh_token", f" {REFRESH}"),
        ("refresh_token", None),
        ("expires_at", math.nan),
        ("expires_at", math.inf),
        ("expires_at", -1),
        ("expires_at", ACCESS),
        ("expires_at", NOW * 1000),
        ("surprise", ACCESS),
    ],
)
def test_bad_value_is_refused_without_showing_it(name, value):
    with pytest.raises(ConfigurationError) as caught:
        _credentials(**{name: value})
    error = caught.value
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = [f"{f.locals}" for f in told.stack if "/ctrader/" in f.filename]
    assert [field for field, _ in error.problems] == [name]
    assert error.__context__ is None
    assert error.__cause__ is None
    assert all(map(_silent, [str(error), repr(error), str(vars(error)), *frames]))
    assert _silent("".join(traceback.format_exception(error)))


def test_milliseconds_are_noticed():
    with pytest.raises(ConfigurationError, match="milliseconds"):
        _credentials(expires_at=1778617423000)


def test_credentials_cannot_be_changed():
    with pytest.raises(ConfigurationError, match="cannot be changed"):
        setattr(_credentials(), "access_token", "other")  # noqa: B010 - checkers refuse the plain form


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_is_refused_with_a_remedy(protocol):
    with pytest.raises(TypeError, match="in the other process"):
        pickle.dumps(_credentials(), protocol)


@pytest.mark.parametrize(
    "changes", [{"account_id": 2**63}, {"access_token": f"{ACCESS}\n"}, {1: ACCESS}]
)
@pytest.mark.parametrize("way", ["copy", "model_copy"])
def test_copy_is_checked_without_showing_its_changes(way, changes):
    with pytest.raises(ConfigurationError) as caught:
        getattr(_credentials(), way)(update=changes)
    told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = [f"{f.locals}" for f in told.stack if "/ctrader/" in f.filename]
    assert caught.value.__context__ is None
    assert all(map(_silent, [str(caught.value), *frames]))


def test_greatest_account_id_is_taken():
    assert _credentials(account_id=2**63 - 1).account_id == 2**63 - 1


def test_copies_inside_the_process_are_fine():
    credentials = _credentials()
    assert copy.copy(credentials) == copy.deepcopy(credentials) == credentials
    for way in ("copy", "model_copy"):
        assert getattr(credentials, way)(update={"account_id": 8}).access_token == ACCESS
