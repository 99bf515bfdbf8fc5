"""Things that a script calls by name, id or class, and errors that list them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, TypeVar

from google.protobuf.message import Message

from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE

if TYPE_CHECKING:
    from ctrader.simulator.book import AccountBook
    from ctrader.simulator.catalogue import SymbolSpec
    from ctrader.simulator.exchange import Exchange

__all__ = ["account_of", "kind_of", "known_kind", "listed", "symbol_of"]

M = TypeVar("M", bound=Message)

_MOST_LISTED: Final = 30  # a broker's own catalogue may have thousands


def symbol_of(exchange: Exchange, symbol: str | int) -> SymbolSpec:
    """Return a symbol by its name or id.

    Raises:
        KeyError: the broker has no such symbol; the text lists those that it has.
    """
    for each in exchange.symbols.values():
        if symbol in (each.name, each.symbol_id):
            return each
    known = listed(f"{each.name} ({each.symbol_id})" for each in exchange.symbols.values())
    raise KeyError(f"there is no symbol {symbol!r}; known are {known}")


def account_of(exchange: Exchange, account_id: int) -> AccountBook:
    """Return an account's books.

    Raises:
        KeyError: there is no such account; the text lists those that there are.
    """
    book = exchange.books.get(account_id)
    if book is None:
        known = listed(map(str, exchange.books))
        raise KeyError(f"there is no account {account_id!r}; known are {known}")
    return book


def known_kind(kind: type[M]) -> type[M]:
    """Return a class of messages of which frames can be made.

    Raises:
        TypeError: this is no class of messages.
        ValueError: no frame carries such a message by itself.
    """
    if not _is_kind(kind):
        raise TypeError(f"give a class of ctrader.proto, such as ProtoOATraderReq, not {kind!r}")
    if kind not in PAYLOAD_TYPE_BY_MESSAGE:
        raise ValueError(f"{kind.__name__} is no message that has a payload type")
    return kind


def kind_of(message: object) -> type[Message]:
    """Return the class of a message of which a frame can be made.

    Raises:
        TypeError: this is no message.
        ValueError: no frame carries such a message by itself.
    """
    if not isinstance(message, Message):
        raise TypeError(
            f"give a message of ctrader.proto, such as ProtoOASpotEvent(...), not {message!r}"
        )
    return known_kind(type(message))


def listed(names: Iterable[str]) -> str:
    """Return names for people, the first of them where they are many."""
    known = list(names)
    more = len(known) - _MOST_LISTED
    return ", ".join(known[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


# Private


def _is_kind(given: object) -> bool:
    return isinstance(given, type) and issubclass(given, Message)
