"""Client settings: checked, and silent about secrets."""

from __future__ import annotations

import copy
import logging
import math
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ctrader.config import DEMO_HOST, LIVE_HOST, ClientConfig, ReauthPolicy, RefreshPolicy
from ctrader.errors import ConfigurationError, CTraderError, InsecureTransportError

CANARY = "canary-secret-3f9a"
PROXY = f"http://user:{CANARY}@proxy.example:8080"


def _config(**changes: Any) -> ClientConfig:
    values: dict[str, Any] = {"client_id": "app", "client_secret": CANARY, **changes}
    return ClientConfig(**values)


def _all_texts(error: BaseException) -> str:
    """Everything that loggers print of an error, with the variables of our own frames."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    frames = "".join(
        f"{frame.filename} {frame.locals}" for frame in told.stack if "/ctrader/" in frame.filename
    )
    plain = "".join(traceback.format_exception(error))
    chain = f"{error.__context__!r} {error.__cause__!r}"
    return f"{error} {error!r} {error.args} {vars(error)} {frames} {plain} {chain}"


def _refused(**changes: Any) -> CTraderError:
    with pytest.raises(CTraderError) as caught:
        _config(**changes)
    assert CANARY not in _all_texts(caught.value)
    return caught.value


def test_defaults():
    config = _config()
    assert config.host == DEMO_HOST == "demo.ctraderapi.com"
    assert LIVE_HOST == "live.ctraderapi.com"
    assert config.port == 5035
    assert config.use_ssl is True
    assert config.heartbeat_interval == 10
    assert config.heartbeat_timeout == 60
    assert config.request_timeout == config.connect_timeout == 30
    assert config.reconnect_attempts is None
    assert (config.reconnect_min_wait, config.reconnect_max_wait) == (1, 60)
    assert config.ca_file is None
    assert config.proxy is None
    assert config.refresh_policy == RefreshPolicy(
        buffer_seconds=300, check_interval=60, retry_attempts=3, retry_min_wait=1, retry_max_wait=30
    )
    assert config.reauth_policy == ReauthPolicy(min_wait=1, max_wait=60)


# Secrets


def test_secret_is_a_plain_string():
    assert type(_config().client_secret) is str
    assert _config().client_secret == CANARY


def test_secrets_show_nowhere(caplog):
    config = _config(proxy=PROXY)
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r", config, config)
    shown = [
        repr(config),
        str(config),
        f"{config}",
        repr([config]),
        str(config.model_dump()),
        config.model_dump_json(),
        str(dict(config)),
        str(list(config)),
        str(list(config.__repr_args__())),
        str(ClientConfig.model_json_schema()),
        caplog.text,
    ]
    assert all(CANARY not in text for text in shown)
    assert "app" in repr(config)


@pytest.mark.parametrize(
    "changes",
    [
        {"client_secret": f"{CANARY} "},
        {"client_secret": f"{CANARY}\n"},
        {"client_secret": [CANARY]},
        {"client_secret": None},
        {"client_id": ""},
        {"port": CANARY},
        {"host": f"https://{CANARY}@host"},
        {"proxy": f"ftp://user:{CANARY}@host:1"},
        {"ca_file": f"/{CANARY}"},
        {"heartbeat_interval": CANARY},
        {"surprise": CANARY},
        {"refresh_policy": {"retry_attempts": CANARY}},
        {"refresh_policy": CANARY},
        {"host": "192.0.2.1", "use_ssl": False},
    ],
)
def test_errors_do_not_show_secrets(changes):
    error = _refused(**changes)
    assert error.__context__ is None


def test_other_ways_to_validate_do_not_show_secrets():
    bad = {"client_secret": CANARY, "port": 0}
    ways: list[Callable[[], object]] = [
        lambda: ClientConfig.model_validate(bad),
        lambda: ClientConfig.model_validate_strings({"client_secret": CANARY, "port": "0"}),
        lambda: ClientConfig.model_validate_json(f'{{"client_secret": "{CANARY}", "port": 0}}'),
        lambda: ClientConfig.model_validate_json(f'{{"client_secret": "{CANARY}",'),
        lambda: ClientConfig.model_validate(CANARY),
        lambda: _config().model_copy(update={"port": 0}),
    ]
    for validate in ways:
        with pytest.raises(ConfigurationError) as caught:
            validate()
        assert CANARY not in _all_texts(caught.value)
        assert caught.value.__context__ is None


def test_plaintext_refusal_by_other_ways_does_not_show_secrets():
    with pytest.raises(InsecureTransportError) as caught:
        ClientConfig.model_validate(
            {"client_id": "app", "client_secret": CANARY, "use_ssl": False, "host": "192.0.2.1"}
        )
    assert CANARY not in _all_texts(caught.value)


def test_config_cannot_be_changed():
    config = _config()
    with pytest.raises(ConfigurationError, match="model_copy") as caught:
        setattr(config, "client_secret", CANARY)  # noqa: B010 - checkers refuse the plain form
    assert CANARY not in _all_texts(caught.value)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_is_refused_with_a_remedy(protocol):
    with pytest.raises(TypeError, match="from_env"):
        pickle.dumps(_config(), protocol)


def test_copies_inside_the_process_are_fine():
    config = _config(proxy=PROXY)
    for twin in (
        copy.copy(config),
        copy.deepcopy(config),
        config.model_copy(),
        config.model_copy(deep=True),
    ):
        assert twin == config
        assert twin.client_secret == CANARY
        assert twin.proxy == PROXY
        assert hash(twin) == hash(config)


def test_model_copy_changes_and_checks():
    assert _config().model_copy(update={"host": LIVE_HOST}).host == LIVE_HOST
    with pytest.raises(ConfigurationError, match="port"):
        _config().model_copy(update={"port": 0})


def test_older_way_to_copy_checks_too():
    plain = _config(host="localhost", use_ssl=False)
    copy_older = getattr(plain, "copy")  # noqa: B009 - checkers know it as deprecated
    assert copy_older() == plain
    with pytest.raises(InsecureTransportError) as caught:
        copy_older(update={"host": "192.0.2.1"})
    assert CANARY not in _all_texts(caught.value)


def test_policies_can_be_pickled():
    policy = RefreshPolicy(retry_attempts=5)
    assert pickle.loads(pickle.dumps(policy)) == policy


# Checks


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 0),
        ("port", 65536),
        ("port", "x"),
        ("heartbeat_interval", 0),
        ("heartbeat_interval", 25.1),
        ("heartbeat_interval", math.nan),
        ("heartbeat_timeout", -1),
        ("heartbeat_timeout", math.nan),
        ("request_timeout", 0),
        ("quiet_after", -1),
        ("absence_wait", 59.9),
        ("request_timeout", -1),
        ("request_timeout", math.inf),
        ("connect_timeout", 0),
        ("connect_timeout", math.nan),
        ("reconnect_attempts", -1),
        ("reconnect_attempts", 1.5),
        ("reconnect_min_wait", 0),
        ("reconnect_max_wait", 0.5),
        ("host", ""),
        ("host", "https://demo.ctraderapi.com"),
        ("host", "demo.ctraderapi.com:5035"),
        ("host", "two words"),
        ("client_id", ""),
        ("client_id", " app"),
        ("client_secret", ""),
        ("ca_file", "no-such-file.pem"),
        ("ca_file", "."),
        ("proxy", "https://proxy:1"),
        ("proxy", "http://proxy"),
        ("proxy", "http://:1"),
        ("proxy", "http://proxy:1/path"),
        ("proxy", "http://proxy:1?q=1"),
        ("proxy", "http://proxy:1#f"),
        ("proxy", "http://proxy:99999"),
        ("proxy", "http://[::1:1"),
        ("proxy", "http://pro xy:1"),
        ("proxy", ""),
    ],
)
def test_bad_value_is_refused_by_name(name, value):
    error = _refused(**{name: value})
    assert isinstance(error, ConfigurationError)
    assert isinstance(error, ValueError)
    assert [field for field, _ in error.problems] == [name]
    assert name in str(error)


def test_every_problem_is_named_at_once():
    error = _refused(port=0, request_timeout=-1, nonsense=1)
    assert isinstance(error, ConfigurationError)
    assert [f for f, _ in error.problems] == ["port", "request_timeout", "nonsense"]


def test_problem_inside_a_policy_is_named_with_its_path():
    error = _refused(refresh_policy={"retry_attempts": -1})
    assert isinstance(error, ConfigurationError)
    assert error.problems[0][0] == "refresh_policy.retry_attempts"


@pytest.mark.parametrize(
    ("policy", "values", "name"),
    [
        (RefreshPolicy, {"retry_min_wait": 5, "retry_max_wait": 4}, "retry_max_wait"),
        (RefreshPolicy, {"retry_min_wait": 31}, "retry_max_wait"),
        (RefreshPolicy, {"buffer_seconds": -1}, "buffer_seconds"),
        (ReauthPolicy, {"min_wait": 61}, "max_wait"),
        (ReauthPolicy, {"min_wait": math.nan}, "min_wait"),
    ],
)
def test_policy_is_checked(policy, values, name):
    with pytest.raises(ConfigurationError, match=name):
        policy(**values)


def test_waits_may_be_equal_and_attempts_zero():
    config = _config(reconnect_min_wait=5, reconnect_max_wait=5, reconnect_attempts=0)
    assert config.reconnect_attempts == 0
    assert _config(heartbeat_timeout=0).heartbeat_timeout == 0


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1", "[::1]"]
)
def test_plaintext_is_allowed_to_this_computer(host):
    assert _config(host=host, use_ssl=False).host == host.strip("[]")


@pytest.mark.parametrize(
    "host",
    [
        DEMO_HOST,
        "192.168.0.1",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "0.0.0.0",
        "127.1",
        "::2",
        "2130706433",
    ],
)
def test_plaintext_is_refused_elsewhere(host):
    error = _refused(host=host, use_ssl=False)
    assert isinstance(error, InsecureTransportError)
    assert (error.host, error.port) == (host, 5035)


def test_ca_file_takes_strings_and_paths(tmp_path: Path):
    file = tmp_path / "ca.pem"
    file.write_text("-----BEGIN CERTIFICATE-----")
    assert _config(ca_file=file).ca_file == str(file)
    assert _config(ca_file=str(file)).ca_file == str(file)


@pytest.mark.parametrize("proxy", ["http://proxy:8080", "socks5://u:p@10.0.0.1:1080/", PROXY])
def test_proxy_schemes(proxy):
    assert _config(proxy=proxy).proxy == proxy


# Environment


def _environ(**more: str) -> dict[str, str]:
    return {"CTRADER_CLIENT_ID": "app", "CTRADER_CLIENT_SECRET": CANARY, **more}


def test_from_env_reads_this_process(monkeypatch):
    for name, value in _environ(CTRADER_HOST=LIVE_HOST, CTRADER_PORT="5036").items():
        monkeypatch.setenv(name, value)
    config = ClientConfig.from_env()
    assert (config.host, config.port) == (LIVE_HOST, 5036)
    assert (config.client_id, config.client_secret) == ("app", CANARY)


def test_from_env_reads_every_scalar_field(tmp_path: Path):
    file = tmp_path / "ca.pem"
    file.write_text("x")
    values = {
        "host": "localhost",
        "port": 1234,
        "use_ssl": False,
        "client_id": "app",
        "client_secret": CANARY,
        "heartbeat_interval": 5.0,
        "heartbeat_timeout": 0.0,
        "request_timeout": 1.5,
        "connect_timeout": 2.5,
        "reconnect_attempts": 3,
        "reconnect_min_wait": 2.0,
        "reconnect_max_wait": 4.0,
        "quiet_after": 30.0,
        "absence_wait": 1.5,
        "spot_timestamps": False,
        "ca_file": str(file),
        "proxy": PROXY,
    }
    environ = {f"MY_{name.upper()}": str(value) for name, value in values.items()}
    config = ClientConfig.from_env("MY_", environ=environ)
    assert {name: getattr(config, name) for name in values} == values
    assert set(ClientConfig.model_fields) == {*values, "refresh_policy", "reauth_policy"}


def test_from_env_empty_is_absent_and_none_is_none():
    config = ClientConfig.from_env(
        environ=_environ(CTRADER_PORT="", CTRADER_RECONNECT_ATTEMPTS="None", CTRADER_PROXY="none")
    )
    assert config.port == 5035
    assert config.reconnect_attempts is None
    assert config.proxy is None


def test_from_env_passes_over_other_variables():
    assert ClientConfig.from_env(environ=_environ(CTRADER_ACCESS_TOKEN="x")).client_id == "app"


def test_from_env_names_the_variables():
    with pytest.raises(ConfigurationError) as caught:
        ClientConfig.from_env(environ={"CTRADER_CLIENT_SECRET": CANARY, "CTRADER_PORT": CANARY})
    assert [f for f, _ in caught.value.problems] == ["CTRADER_PORT", "CTRADER_CLIENT_ID"]
    assert CANARY not in _all_texts(caught.value)
    assert caught.value.__context__ is None


def test_from_env_refuses_plaintext_elsewhere():
    with pytest.raises(InsecureTransportError) as caught:
        ClientConfig.from_env(environ=_environ(CTRADER_USE_SSL="0"))
    assert CANARY not in _all_texts(caught.value)
