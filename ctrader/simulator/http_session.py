"""One HTTP connection to the authorisation server, without any input or output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import h11

from ctrader.simulator.desks.oauth import HttpAnswer, HttpRequest, answer

if TYPE_CHECKING:
    from ctrader.simulator.exchange import Exchange

__all__ = ["HttpSession"]

_SECOND: Final = 1_000_000_000
_IDLE_TIMEOUT: Final = 30 * _SECOND  # as the other listeners cut silent clients
_MAX_BODY: Final = 65_536  # bytes; forms with tokens are some hundred


class HttpSession:
    """The server's end of one HTTP connection; it is driven as a `ServerSession` is."""

    def __init__(self, exchange: Exchange) -> None:
        """Begin with a client that has just connected, at the exchange's present time."""
        self.is_closed = False
        """Whether the connection ends once what waits was sent."""
        self.is_reset = False
        """Whether that end is abrupt; it never is."""
        self._exchange = exchange
        self._http = h11.Connection(h11.SERVER)
        self._outbound = bytearray()
        self._last_inbound = exchange.now
        self._request: h11.Request | None = None
        self._body = bytearray()

    def receive_data(self, data: bytes, now: int) -> None:
        """Take what the client sent, split anywhere."""
        self._exchange.advance(now)
        if self.is_closed:
            return
        self._last_inbound = now
        try:
            self._http.receive_data(data)
            self._read()
        except h11.RemoteProtocolError as error:
            if self._http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                self._send(HttpAnswer(error.error_status_hint, (("content-length", "0"),)))
            self.is_closed = True

    def handle_timer(self, now: int) -> None:
        """Cut an idle connection, if it is time; otherwise do nothing."""
        self._exchange.advance(now)
        if now >= self._last_inbound + _IDLE_TIMEOUT:
            self.is_closed = True

    def next_deadline(self) -> int | None:
        """Return when `handle_timer` should be called next, None after the end."""
        return None if self.is_closed else self._last_inbound + _IDLE_TIMEOUT

    def data_to_send(self) -> bytes:
        """Return and forget the bytes that wait to be sent."""
        data = bytes(self._outbound)
        self._outbound.clear()
        return data

    def connection_lost(self, now: int) -> None:
        """Take note that the transport ended."""
        self._exchange.advance(now)
        self.is_closed = True

    # Private

    def _read(self) -> None:
        """Answer every request that is complete.

        Raises:
            h11.RemoteProtocolError: the client does not speak HTTP.
        """
        while not self.is_closed:
            event = self._http.next_event()
            match event:
                case h11.Request():
                    self._request = event
                    self._body.clear()
                case h11.Data():
                    self._body += event.data
                    if len(self._body) > _MAX_BODY:
                        raise h11.RemoteProtocolError("body is too long", error_status_hint=413)
                case h11.EndOfMessage():
                    self._answer()
                case h11.ConnectionClosed():
                    self.is_closed = True
                case _:
                    if self._http.they_are_waiting_for_100_continue:
                        go_on = h11.InformationalResponse(status_code=100, headers=[])
                        self._outbound += self._http.send(go_on) or b""
                    return  # more has to come first

    def _answer(self) -> None:
        request = self._request
        assert request is not None  # it comes before its end
        kind = next((value for name, value in request.headers if name == b"content-type"), b"")
        self._send(
            answer(
                self._exchange,
                HttpRequest(
                    request.method.decode("ascii"),
                    request.target.decode("ascii"),
                    kind.decode("latin-1"),
                    bytes(self._body),
                ),
            )
        )
        if self._http.our_state is h11.MUST_CLOSE:
            self.is_closed = True
        else:
            self._http.start_next_cycle()

    def _send(self, given: HttpAnswer) -> None:
        self._outbound += (
            self._http.send(h11.Response(status_code=given.status, headers=list(given.headers)))
            or b""
        )
        # To HEAD the length is told, but nothing of that length may follow.
        if given.body and not (self._request is not None and self._request.method == b"HEAD"):
            self._outbound += self._http.send(h11.Data(data=given.body)) or b""
        self._outbound += self._http.send(h11.EndOfMessage()) or b""
