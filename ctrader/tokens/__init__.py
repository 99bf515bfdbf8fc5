"""Where tokens are kept between refreshes and between runs of a program."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ctrader.tokens.record import GrantKey, StoredGrant, TokenPair

if TYPE_CHECKING:
    from ctrader.tokens.files import FileTokenStore
    from ctrader.tokens.store import MemoryTokenStore, TokenStore
    from ctrader.tokens.system_keyring import KeyringTokenStore

__all__ = [
    "FileTokenStore",
    "GrantKey",
    "KeyringTokenStore",
    "MemoryTokenStore",
    "StoredGrant",
    "TokenPair",
    "TokenStore",
]

if not TYPE_CHECKING:
    # The core needs the words of a store, not files and keyrings: whoever uses one loads it.
    _HOMES = {
        "FileTokenStore": "files",
        "KeyringTokenStore": "system_keyring",
        "MemoryTokenStore": "store",
        "TokenStore": "store",
    }

    def __getattr__(name):
        if name in _HOMES:
            return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
