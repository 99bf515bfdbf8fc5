"""Write what is kept of a grant as a text, and read it back."""

from __future__ import annotations

__all__ = ["Kept", "kept_in", "key_in", "text_of"]

import json
from typing import Any, Final, NamedTuple

from ctrader.tokens.record import GrantKey, StoredGrant, TokenPair

_VERSION: Final = 1
_MOST_SAVES: Final = 10**12


class Kept(NamedTuple):
    """What a text holds."""

    serial: int
    """Counts the saves of the grant."""
    grant: StoredGrant


def text_of(key: GrantKey, serial: int, grant: StoredGrant) -> str:
    """Return a text, secrets included, that holds all of it.

    It is short, for some keyrings take no more than 1,280 characters.
    """
    return json.dumps(
        {
            "version": _VERSION,
            "serial": serial,
            "client_id": key.client_id,
            "user_id": key.user_id,
            "tokens": _fields_of(grant.tokens),
            "previous": None if grant.previous is None else _fields_of(grant.previous),
            "superseded": list(grant.superseded),
            "origin": grant.origin,
            "exchanging": grant.exchanging,
        },
        separators=(",", ":"),
    )


def kept_in(key: GrantKey, text: str) -> Kept | None:
    """Read a file; None if it is not whole, or of another grant or version.

    It does not raise, for the frames of an error would show the text.
    """
    try:
        found = json.loads(text)
        if (found["version"], found["client_id"], found["user_id"]) != (_VERSION, *key):
            return None
        previous = found["previous"]
        grant = StoredGrant(
            tokens=TokenPair(**found["tokens"]),
            previous=None if previous is None else TokenPair(**previous),
            superseded=tuple(found["superseded"]),
            origin=found["origin"],
            exchanging=found["exchanging"],
        )
        serial = int(found["serial"])
        # It only tells the newer of two. An absurd one costs neither the tokens nor the next save.
        return Kept(serial if 0 < serial < _MOST_SAVES else 0, grant)
    # A ConfigurationError is a ValueError; what is nested too deeply ends the recursion.
    except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError):
        return None


def key_in(text: str) -> GrantKey | None:
    """Read whose tokens a file holds; None if it does not say."""
    try:
        found = json.loads(text)
        client_id, user_id = found["client_id"], found["user_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if isinstance(client_id, str) and isinstance(user_id, int):
        return GrantKey(client_id, user_id)
    return None


# Private


def _fields_of(pair: TokenPair) -> dict[str, Any]:
    return {name: getattr(pair, name) for name in TokenPair.model_fields}
