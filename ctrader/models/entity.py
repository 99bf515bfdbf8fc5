"""Give every entity of the server the same base."""

from __future__ import annotations

__all__ = ["Entity"]

from pydantic import BaseModel, ConfigDict


class Entity(BaseModel):
    """State of something on the server at one moment; it never changes afterwards."""

    model_config = ConfigDict(frozen=True, extra="forbid")
