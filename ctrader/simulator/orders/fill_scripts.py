"""What a test wants to become of the next orders instead of a plain fill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ctrader.simulator.book import AccountBook, Order

__all__ = ["FillScript", "FillScripts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FillScript:
    """What the market has for one order."""

    volumes: tuple[int, ...] = ()
    """Parts in which it is filled, in cents of a unit, each after the fill delay; beyond them
    the market has nothing."""
    reject_code: str | None = None
    """Error code with which it is rejected after its acceptance; None does not."""
    deal_status: int | None = None
    """Status of the empty deal that goes with the rejection, None where there is none."""
    account_id: int | None = None
    """Whose order it is for; None is anybody's."""

    def is_for(self, book: AccountBook) -> bool:
        """Tell whether the orders of an account may use it."""
        return self.account_id in (None, book.spec.account_id)


class FillScripts:
    """Scripts that wait for orders, each for one, in their order."""

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: list[FillScript] = []

    def add(self, script: FillScript) -> None:
        """Keep a script for the next order that comes to be filled.

        Raises:
            ValueError: it has a part without volume, or neither parts nor a rejection.
        """
        if any(volume <= 0 for volume in script.volumes):
            raise ValueError(f"parts must be positive volumes, not {list(script.volumes)}")
        if not script.volumes and script.reject_code is None:
            raise ValueError("a script needs parts to fill or a code to reject with")
        self._waiting.append(script)

    def take(self, book: AccountBook) -> FillScript | None:
        """Return and forget the script for an order of an account, None without one."""
        for script in self._waiting:
            if script.is_for(book):
                self._waiting.remove(script)
                return script
        return None


def shared_out(volumes: Sequence[int], order: Order) -> list[int]:
    """Return parts as an order can use them: no more than what is left of it."""
    left, parts = order.remaining, list[int]()
    for volume in volumes:
        part = min(volume, left)
        if not part:
            break
        parts.append(part)
        left -= part
    return parts
