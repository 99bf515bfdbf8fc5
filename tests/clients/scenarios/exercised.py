"""Which scenario puts which messages on the wire; `test_every_message` holds it to the schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from google.protobuf.message import Message

from ctrader import proto
from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE

if TYPE_CHECKING:
    from ctrader.simulator import Simulator

__all__ = ["EXERCISED", "exercised_in"]

EXERCISED: Final[Mapping[str, tuple[type[Message], ...]]] = {
}
"""Requests that the simulator must have received, and events that it must have sent, by the module
and the name of the scenario. Each scenario is held to its row on asyncio, trio and without a loop.
"""


def exercised_in(simulators: Iterable[Simulator]) -> set[type[Message]]:
    """Return what clients asked these simulators, and the events that they were sent."""
    return {
        MESSAGE_BY_PAYLOAD_TYPE[frame.payload_type]
        for simulator in simulators
        for frame in simulator.frames
        if frame.payload_type in MESSAGE_BY_PAYLOAD_TYPE
    }
