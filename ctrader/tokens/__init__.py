"""Where tokens are kept between refreshes and between runs of a program."""

from ctrader.tokens.files import FileTokenStore
from ctrader.tokens.record import GrantKey, StoredGrant, TokenPair
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
