"""The tokens that open one trading account."""

from __future__ import annotations

__all__ = ["AccountCredentials"]

import time
from collections.abc import Mapping
from typing import ClassVar, Final

from pydantic import Field, field_validator

from ctrader.config import GuardedModel, Secret, made

_MILLISECONDS_FROM: Final = (
    1e11  # a Unix time above this (year 5138) must have been meant in milliseconds
)


class AccountCredentials(GuardedModel):
    """Account id, tokens and their expiry.

    The tokens are plain strings, yet in no repr, no `model_dump()`, no iteration and no error;
    pickling is refused. A refresh token works once: keep the newest pair.

    Raises: ConfigurationError: a field is missing or makes no sense.
    """

    _PICKLE_REMEDY: ClassVar[str] = (
        "Keep the tokens where secrets are kept, and make the credentials in the other process."
    )

    account_id: int = Field(gt=0, le=2**63 - 1)
    """The server's id of the account (ctidTraderAccountId), not the trader's login."""
    access_token: Secret
    """Token that opens the account."""
    refresh_token: Secret
    """Token that buys the next pair, once."""
    expires_at: float = Field(ge=0)
    """When the access token ends, in Unix seconds."""
    token_type: str = "bearer"
    """What kind of token it is, in the server's words."""

    @classmethod
    def from_env(
        cls, prefix: str = "CTRADER_", *, environ: Mapping[str, str] | None = None
    ) -> AccountCredentials:
        """Read them from environment variables.

        Their names are the prefix and the field in capitals: CTRADER_ACCOUNT_ID,
        CTRADER_ACCESS_TOKEN, CTRADER_REFRESH_TOKEN, CTRADER_EXPIRES_AT, CTRADER_TOKEN_TYPE. An
        empty variable counts as absent. A refresh rotates the tokens: what the environment holds
        is then used up, so keep the new pair elsewhere.

        Args:
            prefix: What the names begin with.
            environ: Variables to read instead of those of this process.

        Raises: ConfigurationError: a variable is missing or makes no sense; the message names it.
        """
        outcome = cls._read(prefix, environ)
        del environ
        return made(outcome)

    @field_validator("expires_at")
    @classmethod
    def _check_unit(cls, value: float) -> float:
        if value >= _MILLISECONDS_FROM:
            raise ValueError("must be in Unix seconds; this looks like milliseconds")
        return value

    def time_until_expiry(self) -> float:
        """Return the seconds until the access token ends, negative once it has."""
        return self.expires_at - time.time()

    def expires_soon(self, buffer_seconds: float = 300.0) -> bool:
        """Tell whether the access token ends within `buffer_seconds`, or has ended."""
        return self.time_until_expiry() <= buffer_seconds

    def is_expired(self) -> bool:
        """Tell whether the access token has ended."""
        return self.time_until_expiry() <= 0

    def with_refreshed_tokens(
        self,
        access_token: str,
        refresh_token: str,
        expires_in: int,
        token_type: str = "bearer",
    ) -> AccountCredentials:
        """Return credentials of the same account with the pair that a refresh gave.

        Args:
            access_token: The new access token.
            refresh_token: The new refresh token.
            expires_in: Life of the new access token, in seconds from now.
            token_type: What kind of token it is, in the server's words.
        """
        return AccountCredentials(
            account_id=self.account_id,
            access_token=access_token,
            refresh_token=refresh_token,
            expires_at=time.time() + expires_in,
            token_type=token_type,
        )
