"""Numbers that look drawn, yet are always the same for the same question."""

from __future__ import annotations

from typing import Final

__all__ = ["MASK", "mix"]

MASK: Final = (1 << 64) - 1
"""What cuts a number to the 64 bits that are mixed."""


def mix(value: int) -> int:
    """Scramble 64 bits (the finaliser of SplitMix64)."""
    value = (value + 0x9E3779B97F4A7C15) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)
