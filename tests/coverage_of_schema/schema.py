"""Read what exists on the wire from `protos/schema.json`, and from nowhere else."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["ENUM_NUMBERS", "FIELDS", "PAYLOAD_MESSAGES", "Field", "fields_of"]

ROOT: Final = Path(__file__).resolve().parent.parent.parent
_SCHEMA: Final[dict[str, Any]] = json.loads((ROOT / "protos" / "schema.json").read_text("utf-8"))


@dataclass(frozen=True)
class Field:
    """One field of a message."""

    name: str
    type: str
    kind: str
    is_repeated: bool
    is_required: bool


def fields_of(schema: dict[str, Any]) -> dict[str, tuple[Field, ...]]:
    """List the fields of each message; the payload type, a constant of it, is left out."""
    return {
        name: tuple(
            Field(
                field["name"],
                field["type"],
                field["kind"],
                field["label"] == "repeated",
                field["label"] == "required",
            )
            for field in fields
            if field["name"] != "payloadType"
        )
        for file in schema["files"].values()
        for name, fields in file["messages"].items()
    }


FIELDS: Final = fields_of(_SCHEMA)
"""The fields of each message by its name."""
PAYLOAD_MESSAGES: Final = tuple(entry["message"] for entry in _SCHEMA["payload_types"])
"""The messages that have a payload type of their own, so that they travel by themselves."""
ENUM_NUMBERS: Final[dict[str, tuple[int, ...]]] = {
    name: tuple(values.values())
    for file in _SCHEMA["files"].values()
    for name, values in file["enums"].items()
}
"""The numbers of each enum by its name."""
