"""What a caller may ask of the session, each ending exactly once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, TypeAlias

from ctrader.enums import TrendbarPeriod

if TYPE_CHECKING:
    from collections.abc import Hashable

    from google.protobuf.message import Message

    from ctrader.credentials import AccountCredentials
    from ctrader.protocol.terms import Terms
    from ctrader.units import Nanos

__all__ = [
    "Authorize",
    "Call",
    "CallId",
    "CancelResult",
    "Command",
    "Completion",
    "DepthTopic",
    "Follow",
    "Keep",
    "Logout",
    "NextEvent",
    "Pause",
    "PnLTopic",
    "Priority",
    "Resolve",
    "SpotTopic",
    "Subject",
    "Subscribe",
    "SymbolTopic",
    "Thing",
    "Topic",
    "TrendbarTopic",
    "Unfollow",
    "Unsubscribe",
    "WaitApplication",
    "WaitReady",
    "WaitSettled",
    "check_id",
]

_MAX_ID: Final = 2**63 - 1  # the wire counts ids in 64 bits with a sign

CallId: TypeAlias = int
"""Names one submitted command for the life of a session."""


class Completion(Enum):
    """Which frame ends a call."""

    REPLY = "reply"
    """The answer message that the schema pairs with the request."""
    SENT = "sent"
    """Nothing comes back: it is done when the transport takes it."""
    ACCEPTED = "accepted"
    """A trading request that is done once the server accepted it."""
    FILLED = "filled"
    """A market order or a close, done when it is filled or ended otherwise."""
    REPLACED = "replaced"
    """An amendment of a pending order."""
    CANCELLED = "cancelled"
    """A cancellation of a pending order."""
    PROTECTED = "protected"
    """A change of a position's stop loss and take profit."""


class Priority(IntEnum):
    """Who goes first inside a rate lane."""

    SESSION = 0
    """Authentication."""
    TRADING = 1
    """Orders and what changes them, and questions that they depend on.

    They are sent now or not at all.
    """
    RECOVERY = 2
    """Subscriptions, and reads that settle what happened during an outage.

    Hundreds of topics to be restored hold up no order of an account that is ready.
    """
    READ = 3
    """A single read that somebody waits for."""
    BULK = 4
    """One page of a long history; it leaves half of the historical lane free."""


class Thing(Enum):
    """What a request may depend on."""

    SYMBOL = "symbol"
    """The rules of a symbol."""
    ORDER = "order"
    """A pending order."""
    POSITION = "position"
    """An open position."""


class Subject(NamedTuple):
    """One thing that a request depends on, and that others may ask for or change."""

    account_id: int
    thing: Thing
    id: int


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a request needs before it can be sent; nothing was sent."""

    symbol_id: int | None = None
    """A symbol to read."""
    state: bool = False
    """Whether to read what is open: it is not known, or it is not what the request builds on."""
    awaits: Subject | None = None
    """Something that is under way, to wait for."""


Guard: TypeAlias = Callable[["Terms"], Lacking | None]
"""Checks a request against what is known: None lets it through, its error ends the call."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request, with what ends it.

    A call of priority `TRADING` is never sent twice, and never on a later link than the one it
    was submitted on. Others are sent again after a reconnect, inside their deadline, if `resend`.
    """

    request: Message
    reply: type[Message] | None = None
    """The expected answer; None for `Completion.SENT` and for trading requests."""
    completion: Completion = Completion.REPLY
    priority: Priority = Priority.READ
    resend: bool = True
    account_id: int | None = None
    """The account that must be authenticated first, None where the application's is enough."""
    patience: float | None = None
    """Seconds that the answer may take once it was sent; None: as long as the call itself."""
    guard: Guard | None = field(default=None, compare=False)
    """Is asked before the request is taken, and again when it is handed over. What it lacks is
    then the call's result, so that a request whose terms are known costs no other command, and is
    judged by what holds right now."""
    share: float = 1.0
    """Part of the time left that it may take, for one that is worth no more."""
    fills_in_digits: bool = False
    """Whether amounts of the answer that leave their decimals out are given the account's."""

    def __repr__(self) -> str:
        """Name the request's type only: a request may hold a secret or tokens."""
        return f"Call(<{type(self.request).__name__}>, account_id={self.account_id})"

    def __str__(self) -> str:
        return type(self.request).__name__


@dataclass(frozen=True, slots=True)
class Pause:
    """Let time pass, unless less than as much would be left behind it.

    The result tells whether it passed: who pauses wants to do something then.
    """

    duration: Nanos


@dataclass(frozen=True, slots=True)
class Keep:
    """Have something done outside of the session that keeps what it knows.

    The result is what the job returns; its error ends the command.
    """

    job: Callable[[], object]
    """Called once, off the thread or loop of the session; it may block."""
    is_callback: bool = False
    """Whether it is a function of the user, which may be async."""
    is_vital: bool = False
    """Whether it is done even if the session ends before its turn comes."""
    waits: bool = False
    """Whether it waits for somebody else, and must not hold up what is kept meanwhile."""

    def __str__(self) -> str:
        return "calling the user" if self.is_callback else "keeping tokens or orders"


@dataclass(frozen=True, slots=True)
class Rotate:
    """Exchange a pair of tokens at once, for all accounts that share it.

    The result are the `AccountCredentials` with the newest pair. The exchange goes on if its
    caller goes away.
    """

    credentials: AccountCredentials
    is_rescue: bool = False
    """Whether the server refused the pair before its account was known; it is exchanged only where
    a store keeps the new one, and the result is None otherwise."""

    def __str__(self) -> str:
        return (
            f"refreshing the tokens of account {self.credentials.account_id} "
            "(ProtoOARefreshTokenReq)"
        )


@dataclass(frozen=True, slots=True)
class Resolve:
    """Wait until it is known what became of a trading request: an `OrderOutcome`."""

    client_msg_id: str

    def __str__(self) -> str:
        return f"finding out what became of request {self.client_msg_id}"


@dataclass(frozen=True, slots=True)
class WaitApplication:
    """Wait for the answer to the application's authentication."""

    def __str__(self) -> str:
        return "authenticating the application (ProtoOAApplicationAuthReq)"


@dataclass(frozen=True, slots=True)
class WaitReady:
    """Wait until an account is authenticated and everything wanted on it is restored."""

    account_id: int

    def __str__(self) -> str:
        return f"waiting for account {self.account_id} to be authenticated and restored"


@dataclass(frozen=True, slots=True)
class NextEvent:
    """Wait for an event that a predicate accepts."""

    kinds: tuple[type, ...]
    predicate: Callable[[object], bool]

    def __str__(self) -> str:
        return f"waiting for {' or '.join(kind.__name__ for kind in self.kinds)}"


@dataclass(frozen=True, slots=True)
class Authorize:
    """Authenticate an account with the server's first definite answer, and keep it so.

    The result is a `ProtoOAAccountAuthRes`. `reauth` and `reconnect` only mark the `ReadyEvent`.
    """

    credentials: AccountCredentials
    reauth: bool = False
    reconnect: bool = False

    def __post_init__(self) -> None:
        check_id("account_id", self.credentials.account_id)

    def __str__(self) -> str:
        return f"authenticating account {self.credentials.account_id} (ProtoOAAccountAuthReq)"


@dataclass(frozen=True, slots=True)
class Logout:
    """End an account's session at the server and keep it no longer; the link stays.

    Done when the server says that the session ended, or when no session of it can stand.
    """

    account_id: int

    def __post_init__(self) -> None:
        check_id("account_id", self.account_id)

    def __str__(self) -> str:
        return f"ending the session of account {self.account_id} (ProtoOAAccountLogoutReq)"


@dataclass(frozen=True, slots=True)
class Follow:
    """Keep what is known of an account right from now on.

    The result is its `AccountState`, once the account was read.
    """

    account_id: int

    def __post_init__(self) -> None:
        check_id("account_id", self.account_id)

    def __str__(self) -> str:
        return f"reading what account {self.account_id} holds"


@dataclass(frozen=True, slots=True)
class Unfollow:
    """Follow an account no longer; done when its quotes were given back.

    The result tells whether it was followed, and nobody waits for its first reading.
    """

    account_id: int

    def __post_init__(self) -> None:
        check_id("account_id", self.account_id)

    def __str__(self) -> str:
        return f"giving back what the state of account {self.account_id} needed"


@dataclass(frozen=True, slots=True)
class WaitSettled:
    """Wait until nothing is under way that changes a subject, or asks for it.

    Done at once where nothing is, and when the link or the account's session ends.
    """

    subject: Subject
    share: float = 1.0
    """Part of the time left that it may take."""

    def __str__(self) -> str:
        subject = self.subject
        return (
            f"waiting for another request about {subject.thing.value} {subject.id} of account "
            f"{subject.account_id}"
        )


@dataclass(frozen=True, slots=True)
class SpotTopic:
    """Live prices of one symbol on one account."""

    words: ClassVar[str] = "live prices"

    account_id: int
    symbol_id: int

    def __post_init__(self) -> None:
        _check_topic(self)


@dataclass(frozen=True, slots=True)
class TrendbarTopic:
    """Live bars of one symbol and period; they need the symbol's live prices."""

    words: ClassVar[str] = "live bars"

    account_id: int
    symbol_id: int
    period: TrendbarPeriod

    def __post_init__(self) -> None:
        _check_topic(self)


@dataclass(frozen=True, slots=True)
class DepthTopic:
    """Live depth of one symbol; it needs the symbol's live prices."""

    words: ClassVar[str] = "depth of market"

    account_id: int
    symbol_id: int

    def __post_init__(self) -> None:
        _check_topic(self)


@dataclass(frozen=True, slots=True)
class PnLTopic:
    """The profit of all open positions of one account; not every server sends it."""

    words: ClassVar[str] = "profits"

    account_id: int

    def __post_init__(self) -> None:
        _check_topic(self)


SymbolTopic: TypeAlias = SpotTopic | TrendbarTopic | DepthTopic
"""A topic of one symbol."""

Topic: TypeAlias = SymbolTopic | PnLTopic
"""Something that the server sends for as long as it is subscribed."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Become an owner of topics; done when the server has answered for each of them."""

    topics: tuple[Topic, ...]
    owner: Hashable

    def __str__(self) -> str:
        return f"subscribing to {_words(self.topics)}"


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Stop owning topics; one that nobody owns any more is unsubscribed at the server."""

    topics: tuple[Topic, ...]
    owner: Hashable

    def __str__(self) -> str:
        return f"unsubscribing from {_words(self.topics)}"


Command: TypeAlias = (
    Call
    | Pause
    | Keep
    | Rotate
    | Resolve
    | WaitApplication
    | WaitReady
    | NextEvent
    | Authorize
    | Logout
    | Follow
    | Unfollow
    | WaitSettled
    | Subscribe
    | Unsubscribe
)
"""What `Session.submit` takes."""


class CancelResult(Enum):
    """How far a cancelled command had come."""

    NOT_SENT = "not sent"
    """It never reached the transport."""
    SENT = "sent"
    """It was handed to the transport: what it did at the server is not known."""
    FINISHED = "finished"
    """It had ended before."""


def _words(topics: tuple[Topic, ...]) -> str:
    kinds = ", ".join(dict.fromkeys(topic.words for topic in topics))
    accounts = ", ".join(dict.fromkeys(str(topic.account_id) for topic in topics))
    return f"{kinds} on account {accounts}"


def check_id(name: str, value: object) -> None:
    """Refuse what is no id, before anything is built on it.

    What is wanted is kept and asked for again on every link: what cannot be sent must not get in.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MAX_ID:
        return
    remedy = "; client.symbols.get_by_name() finds a symbol" if name == "symbol_id" else ""
    raise ValueError(f"{name} must be an int from 1 to {_MAX_ID}, not {value!r}{remedy}")


def _check_topic(topic: Topic) -> None:
    check_id("account_id", topic.account_id)
    if isinstance(topic, PnLTopic):
        return
    check_id("symbol_id", topic.symbol_id)
    if isinstance(topic, TrendbarTopic) and topic.period not in tuple(TrendbarPeriod):
        periods = ", ".join(period.name for period in TrendbarPeriod)
        raise ValueError(f"period must be a TrendbarPeriod, one of {periods}, not {topic.period!r}")
