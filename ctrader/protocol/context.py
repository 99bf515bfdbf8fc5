"""Share the time, the timers and the effects among the machines of one session."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from ctrader.errors import APIError, ConnectionLimitError, scrub
from ctrader.proto.registry import MESSAGE_BY_PAYLOAD_TYPE
from ctrader.protocol.backoff import Backoff
from ctrader.protocol.clocks import Clocks
from ctrader.protocol.effects import Effect, EventsReceived, Phase, PhaseChanged, Warned
from ctrader.protocol.limiter import LONGEST_HINT
from ctrader.protocol.setbacks import Setbacks
from ctrader.protocol.timers import TimerTable
from ctrader.units import MILLISECOND, to_nanos

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from ctrader.config import ClientConfig
    from ctrader.events import UndecodableMessageEvent
    from ctrader.units import Nanos

__all__ = ["Context"]

END_OF_TIME: Final = 4_102_444_800_000
"""The year 2100 in Unix ms; what tells a later time makes no sense."""
OLD_TIME: Final = 2_000
"""Milliseconds by which a told time may lie behind the server's clock and still be a fresh one."""
DRIFT: Final = 2_000
"""One part in so many by which this machine's clock may be fast against the server's."""
UNSURE_END: Final = 30.0
"""Seconds after which to ask again where only this machine's clock says how far an end lies off."""
OWN_TIMEOUT: Final = 30.0
"""Seconds that the session's own requests get at most. Who allows long reads more time wants all
the same to know soon that authentication or a subscription is not answered."""
_SECRETS_REMEMBERED: Final = 64
"""An answer may come late, and its account may be removed by then."""


class Context:
    """What every machine of a session sees: its phase, the time, its effects."""

    __slots__ = (
        "_server_told",
        "_unreadable",
        "_unshown",
        "_watchers",
        "clocks",
        "config",
        "drop_link",
        "effects",
        "last_told_ms",
        "now",
        "phase",
        "rng",
        "secrets",
        "sent_secrets",
        "setbacks",
        "timers",
        "watch",
    )

    def __init__(self, config: ClientConfig, rng: Random) -> None:
        self.config = config
        self.rng = rng
        self.now: Nanos = 0
        """Time of the input that is being handled."""
        self.clocks = Clocks()
        """What time of day a moment is."""
        self.phase = Phase.IDLE
        """Where the session stands."""
        self.timers = TimerTable()
        self.effects: list[Effect] = []
        """What the driver shall do next, in order."""
        self.setbacks = Setbacks(config)
        """Why no link holds."""
        self.sent_secrets: deque[str] = deque(maxlen=_SECRETS_REMEMBERED)
        """Secrets inside requests that were sent, of accounts known here or not."""
        self.secrets: Callable[[], list[str]] = lambda: [config.client_secret]
        """Returns what must never be shown again in a text of the server."""
        self.watch: Callable[[object], None] | None = None
        """Is shown every event, after it was delivered; None while nobody waits for one."""
        self._watchers: dict[object, Callable[[object], None]] = {}
        self._unshown: deque[object] = deque()
        self.drop_link: Callable[[Exception], None] = _nobody
        """Gives the link up from this side."""
        self.last_told_ms = 0
        """The latest time that any message told, in Unix ms; 0 where none did."""
        self._server_told: tuple[int, Nanos] | None = None
        self._unreadable: set[int] = set()

    @property
    def is_connected(self) -> bool:
        """Whether the link stands."""
        return self.phase is Phase.CONNECTED

    def change_phase(self, phase: Phase) -> None:
        """Move to another phase and tell the driver."""
        self.phase = phase
        self.effects.append(PhaseChanged(phase))

    def warn(self, text: str) -> None:
        """Write to the log what the user should know."""
        self.effects.append(Warned(text))

    def emit_undecodable(self, event: UndecodableMessageEvent) -> None:
        """Deliver a message that makes no sense; the first of each type is a warning, too.

        Who waits for the event that it should have been sees nothing else of it.
        """
        self.emit(event)
        if event.payload_type in self._unreadable:
            return
        self._unreadable.add(event.payload_type)
        kind = MESSAGE_BY_PAYLOAD_TYPE.get(event.payload_type)
        name = f"type {event.payload_type}" if kind is None else kind.__name__
        self.warn(
            f"A {name} could not be read ({event.problem}). It is delivered as an "
            "UndecodableMessageEvent, and so are later ones, without a warning."
        )

    def emit(self, event: object) -> None:
        """Deliver an event behind what was delivered before it.

        Events of one read make one list; a completion between two of them begins a new one.
        """
        last = self.effects[-1] if self.effects else None
        if type(last) is EventsReceived:
            last.events.append(event)
        else:
            self.effects.append(EventsReceived([event]))
        if self.watch is not None:
            self.watch(event)

    def watch_for(self, who: object, watcher: Callable[[object], None] | None) -> None:
        """Show every event to a machine from now on, or to that machine no longer.

        While nobody looks, an event costs nothing more.
        """
        self._watchers.pop(who, None)
        if watcher is not None:
            self._watchers[who] = watcher
        if len(self._watchers) > 1:
            self.watch = self._show
        else:
            self.watch = next(iter(self._watchers.values()), None)

    def _show(self, event: object) -> None:
        """Show an event to every machine before the next one, which one of them may emit."""
        self._unshown.append(event)
        if len(self._unshown) > 1:
            return
        while self._unshown:
            for watcher in list(self._watchers.values()):
                watcher(self._unshown[0])
            self._unshown.popleft()

    def wall(self, moment: Nanos | None = None) -> datetime:
        """Return the wall time of a moment, of this one by default."""
        return self.clocks.wall(self.now if moment is None else moment)

    def server_told(self, unix_ms: int) -> None:
        """Note a time that a message told; it is no later than the server's clock.

        Some messages tell of old times, such as the last price of a closed market: they change
        nothing once a newer one has come.
        """
        if not 0 < unix_ms < END_OF_TIME:
            return  # no clock shows this: counting with it would lead beyond the calendar
        self.last_told_ms = max(self.last_told_ms, unix_ms)
        known = self.server_ms()
        if known is None or unix_ms >= known - OLD_TIME:
            self._server_told = unix_ms, self.now

    def server_ms(self) -> int | None:
        """Return what the server's clock shows at least, in Unix ms; None if unknown.

        The longer it has told nothing, the less is known of it: what counts as later than it is may
        have an order of ours taken for an older one.
        """
        if self._server_told is None:
            return None
        unix_ms, at = self._server_told
        since = (self.now - at) // MILLISECOND
        return unix_ms + since - since // DRIFT

    def latest_wall(self) -> datetime:
        """Return the later time of day of the server's clock and this machine's.

        This machine's may be wrong by hours.
        """
        told = self.server_ms()
        wall = self.wall()
        return wall if told is None else max(wall, datetime.fromtimestamp(told / 1000, UTC))

    def after(self, seconds: float) -> Nanos:
        """Return the moment that lies so many seconds ahead."""
        return self.now + to_nanos(max(0.0, seconds))

    def backoff(self, shortest: float, longest: float) -> Backoff:
        """Make a backoff between two waits, given in seconds."""
        return Backoff(self.rng, shortest=to_nanos(shortest), longest=to_nanos(longest))

    def asked_until(self, error: Exception, backoff: Backoff) -> Nanos:
        """Return until when a refusal asks us to stay away: within a day, or now.

        An end that is a time of day counts in full only by the server's clock.
        """
        wait = 0
        if isinstance(error, APIError):
            wait = to_nanos(min(max(0.0, error.retry_after or 0.0), LONGEST_HINT))
            if error.maintenance_end is not None:
                rest = (error.maintenance_end - self.latest_wall()).total_seconds()
                if self.server_ms() is None:
                    # This clock may be wrong by hours, and we would be away for as much longer.
                    rest = min(rest, UNSURE_END)
                wait = max(wait, to_nanos(min(max(0.0, rest), LONGEST_HINT)))
        if isinstance(error, ConnectionLimitError):
            # Whoever comes back soon keeps the places taken that all are waiting for.
            wait = max(wait, backoff.slow())
        return self.now + wait

    def patience(self, backoff: Backoff, error: Exception) -> Nanos:
        """Return when to ask again after a refusal: some time after what it asks for.

        The end of a maintenance is the same moment for everybody.
        """
        return self.asked_until(error, backoff) + backoff.next()

    @property
    def own_timeout(self) -> float:
        """Seconds for a request of the session itself, which nobody gave any time."""
        return min(self.config.request_timeout, OWN_TIMEOUT)

    def scrubbed(self, text: str) -> str:
        """Free a server's text of the secrets that it was sent."""
        return scrub(text, [*self.secrets(), *self.sent_secrets])


def _nobody(_: object) -> None:
    """Stand in until a machine takes the place."""
