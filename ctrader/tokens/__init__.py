"""Where tokens are kept between refreshes and between runs of a program."""

from ctrader.tokens.files import FileTokenStore
from ctrader.tokens.record import GrantKey, StoredGrant, TokenPair
from ctrader.tokens.store import MemoryTokenStore, TokenStore

__all__ = [
    "FileTokenStore",
    "GrantKey",
    "MemoryTokenStore",
    "StoredGrant",
    "TokenPair",
    "TokenStore",
]
