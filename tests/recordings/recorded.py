"""Read a file of recorded messages."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.unknown_fields import UnknownFieldSet

from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from google.protobuf.message import Message

__all__ = [
    "ACCOUNT",
    "COIN",
    "DAY",
    "DOLLAR",
    "ENDLESS",
    "EURO",
    "EURUSD",
    "EXECUTION",
    "EXTERNAL",
    "FILES",
    "INDEX",
    "M2",
    "MINUTE",
    "PARTIAL",
    "STAGE2",
    "Line",
    "Recording",
    "enum_name",
    "read_recording",
    "unknown_fields",
]

EXECUTION: Final = "m3_execution_recorded"
STAGE2: Final = "m3_stage2_recorded"
EXTERNAL: Final = "external_commands_live"
PARTIAL: Final = "partial_close_live"
M2: Final = "m2_recorded"
FILES: Final = (EXECUTION, STAGE2, EXTERNAL, PARTIAL, M2)

ACCOUNT: Final = 1_000_001
"""The account of every recording; the recorder gave it this id."""
EURO, DOLLAR = 5, 15
"""Ids of the two assets in which anything was priced."""
EURUSD, COIN, INDEX = 1, 324, 279
"""Ids of the symbols that were traded: a pair, one quoted in dollars, one quoted in euros."""
MINUTE: Final = 60_000
DAY: Final = 86_400_000
ENDLESS: Final = 10**15
"""More than any price, volume or instant."""
EPOCH: Final = 1_600_000_000_000
"""Where the recordings were moved to, milliseconds UTC."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a recording."""

    number: int
    """Counted from 1, as editors do."""
    t: float | None
    """Seconds since the recording began."""
    kind: str
    note: str
    payload_type: int | None
    payload: bytes | None
    """The message as it was encoded; None for markers and lists that were left out."""
    message: Message | None

    @property
    def instant(self) -> int | None:
        """When it was received, in the recording's milliseconds."""
        return None if self.t is None else EPOCH + round(self.t * 1000)


@dataclass(frozen=True, slots=True)
class Recording:
    """One file."""

    name: str
    lines: tuple[Line, ...]

    def __str__(self) -> str:
        return self.name

    def messages(self) -> Iterator[tuple[Line, Message]]:
        """Yield every line that holds a message."""
        for line in self.lines:
            if line.message is not None:
                yield line, line.message


def read_recording(path: Path) -> Recording:
    """Read a file, and refuse a line that is not what the format says."""
    text = path.read_text(encoding="utf-8")
    return Recording(
        path.stem,
        tuple(_read_line(path, *numbered) for numbered in enumerate(text.splitlines(), 1)),
    )


def unknown_fields(message: Message) -> list[tuple[int, Any]]:
    """Return the fields of a message that the schema does not know: number and value."""
    found = UnknownFieldSet(message)
    fields = [found[index] for index in range(len(found))]
    return [(each.field_number, each.data) for each in fields]


def enum_name(message: Message, field: str, number: int) -> str:
    """Return the schema's name of a number in an enum field."""
    enum = message.DESCRIPTOR.fields_by_name[field].enum_type
    assert enum is not None, field
    return enum.values_by_number[number].name


def _read_line(path: Path, number: int, text: str) -> Line:
    fields: dict[str, Any] = json.loads(text)
    payload_type: int | None = fields.get("type")
    encoded: str | None = fields.get("payload")
    payload = message = None
    if encoded is not None:
        payload = b64decode(encoded, validate=True)
        assert payload_type is not None, f"{path.name}:{number} has a payload without a type"
        message = MESSAGE_BY_PAYLOAD_TYPE[payload_type].FromString(payload)
    else:
        assert fields["kind"] == "marker" or "skipped" in fields, f"{path.name}:{number} is empty"
    return Line(number, fields["t"], fields["kind"], fields["note"], payload_type, payload, message)
