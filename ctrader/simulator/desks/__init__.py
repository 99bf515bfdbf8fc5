"""The desks: each answers the requests of one subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ctrader.simulator.desks import access, account, depth, history, market, reference, trading

if TYPE_CHECKING:
    from ctrader.simulator.router import Router

__all__ = ["add_all_routes"]

_DESKS: Final = (access, reference, market, depth, trading, history, account)


def add_all_routes(router: Router) -> None:
    """Let every desk answer its requests."""
    for desk in _DESKS:
        desk.add_routes(router)
