"""How the simulated broker says no: a code, a text and a kind of frame."""

from __future__ import annotations

__all__ = ["OrderRefusal", "Refusal"]


class Refusal(Exception):  # noqa: N818  # a refusal is the broker's right, no error of its own
    """A request is refused with a `ProtoOAErrorRes`, or a common `ProtoErrorRes`."""

    def __init__(
        self,
        code: str,
        description: str = "",
        *,
        retry_after: int | None = None,
        maintenance_end: int | None = None,
        is_common: bool = False,
    ) -> None:
        super().__init__(code, description)
        self.code = code
        """Error code, as it stands on the wire."""
        self.description = description
        """Text for people; on the real server sometimes the only way to tell causes apart."""
        self.retry_after = retry_after
        """Seconds to wait before the next try, None where nothing is said."""
        self.maintenance_end = maintenance_end
        """When maintenance ends, seconds since the epoch, None where there is none."""
        self.is_common = is_common
        """Whether a `ProtoErrorRes` says it, whose times are in milliseconds."""

    def __str__(self) -> str:
        return f"{self.code}: {self.description}" if self.description else self.code


class OrderRefusal(Refusal):
    """A trading request is refused with a `ProtoOAOrderErrorEvent`."""

    def __init__(
        self,
        code: str,
        description: str = "",
        *,
        order_id: int | None = None,
        position_id: int | None = None,
    ) -> None:
        super().__init__(code, description)
        self.order_id = order_id
        """The order concerned, None where there is none."""
        self.position_id = position_id
        """The position concerned, None where there is none."""
