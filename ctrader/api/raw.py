"""Any message of the Open API, as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from ctrader.api.base import BaseAPI
from ctrader.operations import raw as operations

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message

    from ctrader.api.base import EventHandler

__all__ = ["Protocol"]

M = TypeVar("M", bound="Message")


class Protocol(BaseAPI):
    """Send any protobuf message of `ctrader.proto`, and listen to any.

    Correlation, rates and deadlines are the client's; nothing else is added. So a subscription
    that is made here is not restored after a reconnect, and an account that is authenticated here
    is not kept: use the other namespaces for both.
    """

    __slots__ = ()

    async def get_version(self, timeout: float | None = None) -> str:
        """Ask which version of the Open API the server speaks, for example "90".

        Backed by `ProtoOAVersionReq`; the application's authentication is enough.

        Args:
            timeout: Seconds; None takes the client's default.

        Raises:
            APIError: the server refused it.
            CTraderConnectionTimeoutError: no answer in time.
            CTraderConnectionError: the client is not connected, or gave up reconnecting.
        """
        return await self._runner.run(operations.get_version(), timeout)

    async def send_request(self, message: Message, timeout: float | None = None) -> Message:
        """Send a request and return the message that ends it.

        Args:
            message: Any request. A trading request is sent now or not at all and ends as in
                `TradingAPI`, with a `ProtoOAExecutionEvent`.
            timeout: Seconds; None takes the client's default.

        Raises:
            ProtocolError: it is no request, or lacks required fields; nothing was sent.
            APIError: the server refused it.
            CTraderConnectionTimeoutError: no answer in time.
            CTraderConnectionError: the client is not connected, or gave up reconnecting.
            OrderError: a trading request was not sent, or refused, or its outcome is not known.
        """
        return await self._runner.run(operations.send_request(message), timeout)

    async def request(
        self, message: Message, response_type: type[M], timeout: float | None = None
    ) -> M:
        """Send a request and return its answer with its type.

        Example:
            answer = await client.protocol.request(ProtoOAVersionReq(), ProtoOAVersionRes)

        Args:
            message: Any request, as for `send_request`.
            response_type: The class of its answer.
            timeout: Seconds; None takes the client's default.

        Raises:
            UnexpectedResponseError: answers to this request are of another type; nothing was sent.
            ProtocolError: it is no request, or lacks required fields; nothing was sent.
            APIError: the server refused it.
            CTraderConnectionTimeoutError: no answer in time.
            CTraderConnectionError: the client is not connected, or gave up reconnecting.
            OrderError: a trading request was not sent, or refused, or its outcome is not known.
        """
        return await self._runner.run(operations.request(message, response_type), timeout)

    async def send(self, message: Message, timeout: float | None = None) -> None:
        """Send a message without waiting for an answer; what comes back is an event.

        Args:
            message: Any message.
            timeout: Seconds until the transport must have taken it; None takes the client's
                default.

        Raises:
            ProtocolError: it is no message of the Open API, or lacks required fields.
            CTraderConnectionError: it was not sent.
            OrderNotSentError: a trading request was not sent.
        """
        return await self._runner.run(operations.send(message), timeout)

    async def send_event(self, message: Message, timeout: float | None = None) -> None:
        """Send a message without waiting for an answer; the same as `send`."""
        return await self._runner.run(operations.send(message), timeout)

    def on_event(self, message_type: type[M], handler: EventHandler[M]) -> Callable[[], None]:
        """Call a handler for every message of a type that is an event.

        Example:
            remove = client.protocol.on_event(ProtoOASpotEvent, print)

        Args:
            message_type: A class of `ctrader.proto`.
            handler: Called with each message, one after the other.

        Returns: A function that removes the handler; calling it again does nothing.
        """
        self._runner.register(message_type, handler)

        def remove() -> None:
            self._runner.unregister(message_type, handler)

        return remove

    def remove_handler(self, message_type: type[M], handler: EventHandler[M]) -> bool:
        """Stop calling a handler.

        Args:
            message_type: The class that it was registered for.
            handler: The handler.

        Returns: False if it was not registered.
        """
        return self._runner.unregister(message_type, handler)
