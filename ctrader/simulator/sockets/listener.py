"""A door that the simulator opens: an address, and what is spoken behind it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ctrader.simulator.sockets.link import LinkedSession

__all__ = ["Listener", "open_listener"]

_BACKLOG: Final = 128  # connections that may wait to be accepted


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening socket with the kind of session that its connections get."""

    socket: socket.socket
    make_session: Callable[[], LinkedSession]
    is_counted: bool = True
    """Whether its connections are clients of the Open API."""

    @property
    def port(self) -> int:
        """Port that it listens on."""
        port: int = self.socket.getsockname()[1]
        return port


def open_listener(
    host: str, port: int, make_session: Callable[[], LinkedSession], *, is_counted: bool = True
) -> Listener:
    """Listen on an address; port 0 takes any free one.

    Raises:
        OSError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
        listening.setblocking(False)
    except BaseException:
        listening.close()
        raise
    return Listener(listening, make_session, is_counted)
