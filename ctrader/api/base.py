"""What a namespace needs of its client: a runner of operations."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from ctrader.config import ClientConfig
    from ctrader.credentials import AccountCredentials
    from ctrader.operations.base import Op
    from ctrader.protocol.grants import TokenCallback
    from ctrader.protocol.session import Session
    from ctrader.units import Nanos

__all__ = ["BaseAPI", "EventHandler", "Runner", "TokensRefreshedCallback"]

T = TypeVar("T")
E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)


class EventHandler(Protocol[E_contra]):
    """A function that takes one event: `async def`, or plain and not blocking."""

    def __call__(self, event: E_contra, /) -> Awaitable[None] | None:
        """Take one event."""
        ...


TokensRefreshedCallback: TypeAlias = Callable[["AccountCredentials"], "Awaitable[None] | None"]
"""Called once per account with the new credentials, after they were saved and before use."""


class Runner(Protocol):
    """The client, as its namespaces see it."""

    @property
    def config(self) -> ClientConfig:
        """How the client was configured."""
        ...

    @property
    def token_callbacks(self) -> list[TokenCallback]:
        """Functions of the user that keep new tokens; more may be added."""
        ...

    async def run(
        self, operation: Op[T], timeout: float | None = None, *, paged: bool = False
    ) -> T:
        """Carry out an operation for the caller.

        Args:
            operation: The generator to step.
            timeout: Seconds for all of it; None takes the client's `request_timeout`.
            paged: The seconds count anew for each request that the operation makes.
        """
        ...

    def look(self, question: Callable[[Session], T]) -> T:
        """Ask the session something that needs no answer of the server."""
        ...

    def change(self, instruction: Callable[[Session, Nanos], T]) -> T:
        """Change something in the session at once, and carry out what follows from it.

        The instruction is given the session and the present moment of the core's clock.
        """
        ...

    def register(
        self,
        event_type: type[E],
        handler: EventHandler[E],
        *,
        account_id: int | None = None,
        symbol_id: int | None = None,
    ) -> None:
        """Call a handler for each event of a type; protobuf message classes are fine too."""
        ...

    def unregister(self, event_type: type[E], handler: EventHandler[E]) -> bool:
        """Stop calling a handler; False if it was not registered."""
        ...


class BaseAPI:
    """One group of requests."""

    __slots__ = ("_runner",)

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
