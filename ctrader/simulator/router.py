"""Which desk answers which request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

from google.protobuf.message import Message

from ctrader.simulator.refusals import Refusal

if TYPE_CHECKING:
    from ctrader.simulator.session import ServerSession

__all__ = ["Router"]

M = TypeVar("M", bound=Message)

_Answer: TypeAlias = "Callable[[ServerSession, Message, str | None], Message | None]"


class Router:
    """The table of requests and of the functions that answer them."""

    def __init__(self) -> None:
        """Begin with no routes."""
        self._routes: dict[type[Message], _Answer] = {}

    def add(
        self, kind: type[M], answer: Callable[[ServerSession, M, str | None], Message | None]
    ) -> None:
        """Let a function answer one kind of request.

        It gets the session, the request and the request's id, and returns the answer, or None
        where the events that it caused are the answer. It may raise a `Refusal`.
        """
        # Each function takes its own kind of message, and is only ever called with that kind.
        self._routes[kind] = cast("_Answer", answer)

    def answer(
        self, session: ServerSession, request: Message, client_msg_id: str | None
    ) -> Message | None:
        """Let the right desk answer a request.

        Raises:
            Refusal: it is refused, or nobody here answers such requests.
        """
        route = self._routes.get(type(request))
        if route is None:
            raise Refusal("UNSUPPORTED_MESSAGE", "This message is not supported")
        return route(session, request, client_msg_id)
