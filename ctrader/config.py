"""Settings of a client, checked when they are made.

Mistakes raise `ConfigurationError`, whose text names settings and problems but never a value,
because the value could be a secret.
"""

from __future__ import annotations

__all__ = [
    "DEFAULT_PORT",
    "DEMO_HOST",
    "LIVE_HOST",
    "ClientConfig",
    "ReauthPolicy",
    "RefreshPolicy",
]

import ipaddress
import os
from collections.abc import Collection, Generator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, NoReturn, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from ctrader.errors import ConfigurationError, CTraderError, InsecureTransportError

T = TypeVar("T")

DEMO_HOST: Final = "demo.ctraderapi.com"
LIVE_HOST: Final = "live.ctraderapi.com"
DEFAULT_PORT: Final = 5035  # the protobuf service, on both hosts

_MAX_HEARTBEAT_INTERVAL: Final = 25.0  # seconds; the server drops a client that is silent for 30
_LEAST_ABSENCE_WAIT: Final = 60.0  # seconds; a slow server may still take up what it was sent
_PROXY_SCHEMES: Final = ("http", "socks5")


# Models that keep secrets


class CheckedModel(BaseModel):
    """Base of frozen models whose mistakes are `ConfigurationError`s."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        validate_default=True,
        hide_input_in_errors=True,
    )

    # Pydantic's own errors keep the input, secrets included, so they end here: turned into problems
    # and raised outside the handler, so that not even __context__ holds them, and with the input
    # gone from the frames, which some loggers print. Type checkers must see the signatures that
    # the fields make.
    if not TYPE_CHECKING:

        def __init__(self, /, **data: Any) -> None:
            failure = _attempt(type(self), super().__init__, (), data)
            data.clear()
            if failure is not None:
                raise failure

        @classmethod
        def model_validate(cls, *args: Any, **options: Any) -> Any:
            outcome = _attempt(cls, super().model_validate, args, options)
            del args
            return made(outcome)

        @classmethod
        def model_validate_json(cls, *args: Any, **options: Any) -> Any:
            outcome = _attempt(cls, super().model_validate_json, args, options)
            del args
            return made(outcome)

        @classmethod
        def model_validate_strings(cls, *args: Any, **options: Any) -> Any:
            outcome = _attempt(cls, super().model_validate_strings, args, options)
            del args
            return made(outcome)

        def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Any:
            """Return a copy with some fields changed; unlike pydantic's own, it is checked."""
            failure: CTraderError
            try:
                # A key that is no text is refused like any other name that is not known.
                changes = {str(name): value for name, value in (update or {}).items()}
                return type(self)(**{**self.__dict__, **changes})
            except (ConfigurationError, InsecureTransportError) as error:
                failure = error.with_traceback(None)
            del update, changes
            raise failure

        copy = model_copy  # pydantic's own way of this name checks nothing

        def __setattr__(self, name: str, value: object) -> NoReturn:
            del value
            raise ConfigurationError(
                f"{type(self).__name__} cannot be changed. "
                f"Make a changed copy with model_copy(update={{{name!r}: ...}})."
            )


class GuardedModel(CheckedModel):
    """Base of models that hold secrets: these are in no repr, no dump and no pickle."""

    _PICKLE_REMEDY: ClassVar[str] = "Make it anew in the other process."

    def __iter__(self) -> Generator[tuple[str, Any], None, None]:  # Any: as pydantic declares it
        fields = type(self).model_fields
        yield from ((name, value) for name, value in super().__iter__() if not fields[name].exclude)

    # Like pydantic's own ways of making a model, it leaves no secret in a frame of an error.
    @classmethod
    def _read(
        cls, prefix: str, environ: Mapping[str, str] | None, *, but: Collection[str] = ()
    ) -> Self | CTraderError:
        """Make it from variables that are named like its fields; the error to raise names those.

        Args:
            prefix: What their names begin with.
            environ: Variables to read, None for those of this process.
            but: Fields that are left at their defaults.
        """
        given = {
            name: _variable(environ, f"{prefix}{name.upper()}")
            for name in cls.model_fields
            if name not in but
        }
        values = {
            name: None if _may_be_none(cls, name) and text.lower() == "none" else text
            for name, text in given.items()
            if text
        }
        try:
            return cls.model_validate(values)
        except ConfigurationError as error:
            problems = [(f"{prefix}{name.upper()}", text) for name, text in error.problems]
            return _configuration_error(cls, problems)
        except InsecureTransportError as error:
            return error.with_traceback(None)

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} cannot be pickled, because its secrets would be written out. "
            f"{self._PICKLE_REMEDY}"
        )


def _check_secret(value: str) -> str:
    if any(c.isspace() or not c.isprintable() for c in value):
        raise ValueError("holds white space or control characters; copy it again")
    return value


def _plain_path(value: str | os.PathLike[str] | None) -> str | None:
    return os.fspath(value) if isinstance(value, os.PathLike) else value


Secret = Annotated[
    str,
    Field(min_length=1, repr=False, exclude=True),
    AfterValidator(_check_secret),
]
"""Plain text that never shows."""


# Settings


class RefreshPolicy(CheckedModel):
    """When tokens are refreshed over the link, and what happens if that fails."""

    buffer_seconds: float = Field(default=300.0, ge=0)
    """Refresh at the latest this long before expiry, in seconds."""
    check_interval: float = Field(default=60.0, gt=0)
    """Accepted for programs that set it, without effect.

    The client wakes when a refresh is due instead of looking every so often.
    """
    retry_attempts: int = Field(default=3, ge=0)
    """How often a failed refresh is tried again before it is reported."""
    retry_min_wait: float = Field(default=1.0, gt=0)
    """Wait before the first repetition, in seconds; it doubles each time."""
    retry_max_wait: float = Field(default=30.0, gt=0)
    """Longest wait between repetitions, in seconds."""

    @field_validator("retry_max_wait")
    @classmethod
    def _check_order(cls, value: float, info: ValidationInfo) -> float:
        return _not_below(value, info, "retry_min_wait")


class ReauthPolicy(CheckedModel):
    """How fast an account whose session the server ended is authorised again."""

    min_wait: float = Field(default=1.0, gt=0)
    """Wait before the second attempt, in seconds; it doubles each time."""
    max_wait: float = Field(default=60.0, gt=0)
    """Longest wait between attempts, in seconds."""

    @field_validator("max_wait")
    @classmethod
    def _check_order(cls, value: float, info: ValidationInfo) -> float:
        return _not_below(value, info, "min_wait")


class ClientConfig(GuardedModel):
    """Settings of a client; the default host is demo, live is spelled out.

    `client_secret` and `proxy` are plain strings, yet in no repr, no `model_dump()`, no iteration
    and no error; pickling is refused. Put into a pydantic model of your own, set
    `hide_input_in_errors` there.

    Raises: ConfigurationError: a setting is missing or makes no sense.
            InsecureTransportError: `use_ssl=False` with a host that is not this computer.
    """

    _PICKLE_REMEDY: ClassVar[str] = (
        "Make it in the other process, for example with ClientConfig.from_env()."
    )

    host: str = DEMO_HOST
    """Name or address of the server, without scheme or port.

    `DEMO_HOST`, `LIVE_HOST` or that of a simulator.
    """
    port: int = Field(default=DEFAULT_PORT, ge=1, le=65535)
    """TCP port of the protobuf service."""
    use_ssl: bool = True
    """Encrypt the link. False is allowed for localhost, 127.0.0.0/8 and ::1 only."""
    client_id: str = Field(min_length=1)
    """Id of the application, from the Open API portal."""
    client_secret: Secret
    """Secret of the application, from the Open API portal."""
    heartbeat_interval: float = Field(default=10.0, gt=0, le=_MAX_HEARTBEAT_INTERVAL)
    """Longest silence of ours, in seconds; at most 25, as the server drops us at 30."""
    heartbeat_timeout: float = Field(default=60.0, ge=0)
    """Silence of the server, in seconds, that makes the link dead; 0 disables.

    Every frame is a sign of life. An idle server sends one about every 30 s, so less is only for
    tests.
    """
    request_timeout: float = Field(default=30.0, gt=0)
    """Time for a call that names no timeout of its own, in seconds."""
    connect_timeout: float = Field(default=30.0, gt=0)
    """Time for one attempt to connect, name lookup and TLS included, in seconds."""
    reconnect_attempts: int | None = Field(default=None, ge=0)
    """Attempts after a loss; None: as long as the client is open; 0: none."""
    reconnect_min_wait: float = Field(default=1.0, gt=0)
    """Wait before the second attempt, in seconds; it doubles each time, with jitter."""
    reconnect_max_wait: float = Field(default=60.0, gt=0)
    """Longest wait between attempts, in seconds."""
    quiet_after: float = Field(default=120.0, ge=0)
    """Seconds without a price in an open market that are reported; 0 disables.

    The event is a `SubscriptionQuietEvent`. Two minutes are longer than what a traded symbol
    pauses for, also at the turn of the trading day.
    """
    absence_wait: float = Field(default=_LEAST_ABSENCE_WAIT, gt=0)
    """Seconds after a lost answer until an order that is nowhere counts as absent.

    At least 60; less is allowed for localhost, 127.0.0.0/8 and ::1 only, for tests against a
    simulator.
    """
    spot_timestamps: bool = True
    """Ask for the time of each live price; without it quotes are some bytes smaller."""
    ca_file: Annotated[str | os.PathLike[str] | None, BeforeValidator(_plain_path)] = None
    """PEM file of authorities to trust beside those of the system; kept as a string."""
    proxy: str | None = Field(default=None, repr=False, exclude=True)
    """Proxy to connect through: `http://host:port` (CONNECT) or `socks5://host:port`.

    `user:password@` may stand before the host; that is why it never shows.
    """
    refresh_policy: RefreshPolicy = Field(default_factory=RefreshPolicy)
    """When tokens are refreshed."""
    reauth_policy: ReauthPolicy = Field(default_factory=ReauthPolicy)
    """How fast lost accounts are authorised again."""

    @classmethod
    def from_env(
        cls, prefix: str = "CTRADER_", *, environ: Mapping[str, str] | None = None
    ) -> ClientConfig:
        """Read the settings from environment variables.

        Their names are the prefix and the field in capitals: CTRADER_CLIENT_ID,
        CTRADER_CLIENT_SECRET, CTRADER_HOST, CTRADER_PORT, CTRADER_USE_SSL and so on; the two
        policies are left at their defaults. An empty variable counts as absent, and `none` stands
        for None. Other variables are passed over.

        Args:
            prefix: What the names begin with.
            environ: Variables to read instead of those of this process.

        Raises: ConfigurationError: a variable is missing or makes no sense; the message names it.
                InsecureTransportError: plaintext to a host that is not this computer.
        """
        outcome = cls._read(prefix, environ, but={"refresh_policy", "reauth_policy"})
        del environ
        return made(outcome)

    @field_validator("host")
    @classmethod
    def _check_host(cls, value: str) -> str:
        host = value.removeprefix("[").removesuffix("]")
        if _address(host) is not None:
            return host
        if not host or any(c in "/:@?#[]" or c.isspace() for c in host):
            raise ValueError("must be a host name or address without scheme, port or path")
        return host

    @field_validator("client_id")
    @classmethod
    def _check_client_id(cls, value: str) -> str:
        return _check_secret(value)

    @field_validator("reconnect_max_wait")
    @classmethod
    def _check_order(cls, value: float, info: ValidationInfo) -> float:
        return _not_below(value, info, "reconnect_min_wait")

    @field_validator("absence_wait")
    @classmethod
    def _check_absence_wait(cls, value: float, info: ValidationInfo) -> float:
        host = info.data.get("host")
        if value < _LEAST_ABSENCE_WAIT and not (host and _is_loopback(host)):
            raise ValueError("must be at least 60, but for a simulator on this computer")
        return value

    @field_validator("ca_file")
    @classmethod
    def _check_ca_file(cls, value: str | os.PathLike[str] | None) -> str | os.PathLike[str] | None:
        if value is not None and not os.path.isfile(value):
            raise ValueError("is not a file that can be found")
        return value

    @field_validator("proxy")
    @classmethod
    def _check_proxy(cls, value: str | None) -> str | None:
        if value is not None and not _is_proxy_url(value):
            raise ValueError("must look like http://host:port or socks5://host:port")
        return value

    @model_validator(mode="after")
    def _check_transport(self) -> ClientConfig:
        if not self.use_ssl and not _is_loopback(self.host):
            raise InsecureTransportError(self.host, self.port)
        return self


# Private


def _attempt(cls: type[BaseModel], call: Any, args: Any, options: Any) -> Any:
    """Validate in one of pydantic's ways; give its result, or the error to raise."""
    # Any: it stands in for four methods, with whatever arguments and results they have.
    try:
        return call(*args, **options)
    except ValidationError as error:
        return _configuration_error(cls, _problems(error))
    except InsecureTransportError as error:
        return error.with_traceback(None)


def made(outcome: T | CTraderError) -> T:
    """Return what was made, or raise the error in its place."""
    if isinstance(outcome, CTraderError):
        raise outcome
    return outcome


def _problems(error: ValidationError) -> list[tuple[str, str]]:
    """List settings and problems; the texts are pydantic's or ours and hold no input."""
    problems: list[tuple[str, str]] = []
    for detail in error.errors(include_url=False, include_input=False):
        where = ".".join(str(part) for part in detail["loc"])
        inner = detail.get("ctx", {}).get("error")
        if isinstance(inner, ConfigurationError):
            problems += [(f"{where}.{n}" if where else n, text) for n, text in inner.problems]
        else:
            problems.append((where, detail["msg"].removeprefix("Value error, ")))
    return problems


def _configuration_error(
    cls: type[BaseModel], problems: list[tuple[str, str]]
) -> ConfigurationError:
    text = "; ".join(f"{name}: {problem}" if name else problem for name, problem in problems)
    return ConfigurationError(
        f"{cls.__name__} does not work like this: {text}. Correct that and make it again.",
        problems=problems,
    )


def _not_below(value: float, info: ValidationInfo, other: str) -> float:
    least = info.data.get(other)
    if least is not None and value < least:
        raise ValueError(f"must not be less than {other}")
    return value


def _variable(environ: Mapping[str, str] | None, name: str) -> str:
    return (os.environ if environ is None else environ).get(name, "")


def _may_be_none(cls: type[BaseModel], name: str) -> bool:
    field = cls.model_fields[name]
    return not field.is_required() and field.default is None


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def _is_proxy_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return (
            parts.scheme in _PROXY_SCHEMES
            and bool(parts.hostname)
            and bool(parts.port)
            and parts.path in ("", "/")
            and not parts.query
            and not parts.fragment
            and url.isprintable()
            and " " not in url
        )
    except ValueError:
        return False
