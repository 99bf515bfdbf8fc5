"""Bring each event to the consumers that asked for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ctrader.events import Event, SpotEvent
from ctrader.models.handlers import HandlerReport
from ctrader.proto.registry import PAYLOAD_TYPE_BY_MESSAGE
from ctrader.units import integer_of

if TYPE_CHECKING:
    from ctrader.protocol.mailbox import Mailbox

__all__ = ["Route", "Router", "check_event_type", "check_handler"]


@dataclass(eq=False, slots=True)
class Route:
    """One consumer's wish: a type of event, perhaps of one account or one symbol only."""

    event_type: type
    mailbox: Mailbox
    account_id: int | None = None
    symbol_id: int | None = None

    def report(self, *, delivered: int, failed: int) -> HandlerReport:
        """Say how the handler is doing whose wish it is.

        Args:
            delivered: How often it was called.
            failed: How often it raised.
        """
        mailbox = self.mailbox
        return HandlerReport(
            name=mailbox.name,
            event_type=self.event_type,
            account_id=self.account_id,
            symbol_id=self.symbol_id,
            delivered=delivered,
            waiting=len(mailbox) + mailbox.taken - delivered,
            merged=mailbox.merged,
            dropped=mailbox.dropped,
            failed=failed,
            error=mailbox.failure,
        )


class Router:
    """Know who wants which events. It is not thread-safe."""

    __slots__ = ("_routes",)

    def __init__(self) -> None:
        self._routes: dict[type, list[Route]] = {}

    def add(self, route: Route) -> None:
        """Add a consumer's wish.

        Raises:
            ValueError: it is no type of event, so that nothing would ever come; or it filters by
                a field that this type of event does not have, or by what is no id.
        """
        check_event_type(route.event_type)
        for field in ("account_id", "symbol_id"):
            wanted: object = getattr(route, field)
            if wanted is None:
                continue
            if not hasattr(route.event_type, field):
                raise ValueError(
                    f"{route.event_type.__name__} has no {field}: register without {field}="
                )
            if integer_of(wanted) is None:
                raise ValueError(f"{field}={wanted!r} is no id: give the number as an int")
        self._routes.setdefault(route.event_type, []).append(route)

    def remove(self, route: Route) -> bool:
        """Remove a wish; False if it was not there."""
        routes = self._routes.get(route.event_type)
        if routes is None or route not in routes:
            return False
        routes.remove(route)
        if not routes:
            del self._routes[route.event_type]
        return True

    def routes(self) -> list[Route]:
        """Return every wish, oldest first within a type."""
        return [route for routes in self._routes.values() for route in routes]

    def route(self, events: list[object]) -> list[Mailbox]:
        """Put events into the mailboxes that want them; return those that were empty."""
        woken: list[Mailbox] = []
        get = self._routes.get
        for event in events:
            for route in get(type(event), ()):
                # A filter is set only where the type has the field: `add` made sure.
                if route.symbol_id is not None and route.symbol_id != event.symbol_id:  # type: ignore[attr-defined]
                    continue
                if route.account_id is not None and route.account_id != event.account_id:  # type: ignore[attr-defined]
                    continue
                if route.mailbox.put(event):
                    woken.append(route.mailbox)
        return woken

    def wanted(self) -> tuple[frozenset[type], frozenset[int] | None]:
        """Return the types that anybody wants and the symbols whose quotes they want.

        The symbols are None where somebody wants the quotes of every symbol.
        """
        symbols: set[int] = set()
        for route in self._routes.get(SpotEvent, ()):
            if route.symbol_id is None:
                return frozenset(self._routes), None
            symbols.add(route.symbol_id)
        return frozenset(self._routes), frozenset(symbols)


def check_handler(handler: object) -> None:
    """Refuse what could never be called.

    Raises:
        TypeError: it is no function, and nothing that can be called like one.
    """
    if not callable(handler):
        raise TypeError(
            f"the handler {handler!r} cannot be called: give a function that takes one event"
        )


def check_event_type(kind: object) -> None:
    """Refuse what is no type of event, so that nothing would ever come.

    Raises:
        ValueError: so it is; the message says what to take.
    """
    if not _is_event_type(kind):
        raise ValueError(
            f"{kind!r} is no type of event: take a class of ctrader.events, such as SpotEvent, or "
            "a message class of ctrader.proto"
        )


def _is_event_type(kind: object) -> bool:
    if not isinstance(kind, type):
        return False
    return (issubclass(kind, Event) and kind is not Event) or kind in PAYLOAD_TYPE_BY_MESSAGE
