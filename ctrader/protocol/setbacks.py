"""Remember why no link holds, until the application is authenticated on one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctrader.errors import (
    CTraderConnectionClosedError,
    CTraderConnectionFailedError,
    CTraderError,
)

if TYPE_CHECKING:
    from ctrader.config import ClientConfig

__all__ = ["Setbacks"]

WORTH_A_WARNING: Final = 3
"""Links lost in a row before the application was authenticated: that is no accident any more."""


class Setbacks:
    """What went wrong since the application was last authenticated.

    A server that does not understand what it is sent, as one that wants TLS, ends the link, and
    the next one. Whoever waits for an answer then cannot see why none comes.
    """

    __slots__ = ("_config", "_lost", "cause")

    def __init__(self, config: ClientConfig) -> None:
        self._config = config
        self._lost = 0
        self.cause: Exception | None = None
        """What ended the last link, or kept the next from standing; None while nothing did."""

    def lost(self, cause: Exception, *, was_authenticated: bool) -> str | None:
        """Take note of a loss; return a warning where it is one too many, once an episode."""
        self.cause = cause
        if was_authenticated:
            return None
        self._lost += 1
        return self.reason() if self._lost == WORTH_A_WARNING else None

    def failed(self, cause: Exception) -> None:
        """Take note of an attempt to connect again that failed."""
        self.cause = cause

    def over(self) -> None:
        """Forget them all: the application is authenticated."""
        self._lost = 0
        self.cause = None

    def reason(self) -> str | None:
        """Say why nothing is answered, None where no link was lost."""
        if self.cause is None:
            return None
        config = self._config
        link = f"the link to {config.host}:{config.port}"
        if not self._lost:
            return f"{link} is lost, at last because {_told(self.cause)}."
        times = "once" if self._lost == 1 else f"{self._lost} times"
        remedy = (
            "Check that host and port are those of the protobuf service."
            if config.use_ssl
            else "Does the port want TLS? use_ssl is False."
        )
        return (
            f"{link} was lost {times} before the application was authenticated, at last because "
            f"{_told(self.cause)}. {remedy}"
        )


def _told(cause: Exception) -> str:
    """Give a cause in a few words, without the remedies of an error of its own."""
    if isinstance(cause, CTraderConnectionClosedError) and cause.reason:
        return cause.reason
    if isinstance(cause, CTraderConnectionFailedError) and cause.cause is not None:
        return f"of {type(cause.cause).__name__}: {cause.cause}"
    text = str(cause).partition(". ")[0] if isinstance(cause, CTraderError) else str(cause)
    return f"of {type(cause).__name__}: {text}".rstrip(".")
