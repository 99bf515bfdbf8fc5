"""Compare what the simulator sends with what was recorded, ids and instants by their relations."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from google.protobuf.message import Message

from ctrader.proto import ProtoOAExecutionEvent, ProtoOASpotEvent, ProtoOATrailingSLChangedEvent
from tests.recordings.recorded import (
    EXECUTION,
    EXTERNAL,
    M2,
    PARTIAL,
    STAGE2,
    enum_name,
    unknown_fields,
)
from tests.recordings.scenarios import scenario_of

__all__ = ["TOLERANCES", "Comparison", "Likeness", "Sent", "Tolerance", "compare"]

Value = int | float | str | bool | bytes

IDS: Final = {
    "positionId": "position",
    "orderId": "order",
    "dealId": "deal",
    "balanceHistoryId": "booking",
}
"""Fields that hold an id, with what it is the id of."""
INSTANTS: Final = frozenset(
    {
        "openTimestamp",
        "closeTimestamp",
        "createTimestamp",
        "executionTimestamp",
        "utcLastUpdateTimestamp",
        "changeBalanceTimestamp",
        "expirationTimestamp",
        "lastBalanceUpdateTimestamp",
        "lastClosingDealTimestamp",
    }
)
SCRUBBED: Final = frozenset({"label", "comment", "clientOrderId", "externalNote", "accessToken"})
"""Texts that the recorder replaced: only whether they are there can be compared."""
ONE_INSTANT: Final = 1
"""Milliseconds by which stamps of one instant may differ; the server takes some of them twice."""
RACE: Final = 6
"""Milliseconds within which a quote and the trailing stop that it moves may overtake each other."""
NUMBERS: Final = re.compile(r"\d+|<number>")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """A difference that is not the simulator's fault."""

    files: tuple[str, ...]
    """Names of recordings, with wildcards."""
    path: str
    """Path of the field behind the message's name, with wildcards, without indexes."""
    reason: str
    only_absent: bool = False
    """Whether it covers a field that the recording lacks, and nothing else."""
    within: float | None = None
    """Largest difference of the numbers; None for any."""
    least: float = 0.0
    """Smallest recorded number that it covers, where `within` is given."""

    def covers(self, file: str, path: str, recorded: Value | None, simulated: Value | None) -> bool:
        """Tell whether a difference is this one."""
        bare = re.sub(r"\[\d+\]", "", path)
        if not fnmatchcase(bare, self.path):
            return False
        if not any(fnmatchcase(file, each) for each in self.files):
            return False
        if self.only_absent:
            return recorded is None
        if self.within is None:
            return True
        numbers = (int, float)
        if not isinstance(recorded, numbers) or not isinstance(simulated, numbers):
            return False
        return recorded >= self.least and abs(recorded - simulated) <= self.within


ALL: Final = ("*",)

TOLERANCES: Final = (
    Tolerance(
        ALL,
        "ProtoOATraderRes.trader.brokerName",
        "the recorder took the broker's name out",
        only_absent=True,
    ),
    Tolerance(
        ALL,
        "ProtoOATraderRes.trader.traderLogin",
        "the recorder took the login out, in all files but one",
        only_absent=True,
    ),
    Tolerance(
        ALL,
        "ProtoOATraderRes.trader.registrationTimestamp",
        "the recorder took it out: it would tell whose account it is",
        only_absent=True,
    ),
    Tolerance(
        (M2,),
        "ProtoOATraderRes.trader.balanceVersion",
        "the recorder put a stand-in in the place of the balance, without its version",
        only_absent=True,
    ),
    Tolerance(
        (EXTERNAL, PARTIAL),
        "ProtoOASymbolByIdRes.symbol.scheduleTimeZone",
        "the recorder took it out: the same broker's other recording has it",
        only_absent=True,
    ),
    Tolerance(
        (EXECUTION, STAGE2),
        "*Rate",
        "the server reads rates a moment apart from the price of a fill; the quote had moved by a "
        "step in between (0.01 for the coin, 1.00 and 0.00001 of the euro for the index)",
        within=1.5,
        least=10_000.0,
    ),
    Tolerance(
        (EXECUTION,),
        "*position.usedMargin",
        "it is reckoned with that rate: one hundredth of a dollar",
        within=1,
    ),
    Tolerance(
        (M2,),
        "ProtoOAGetAccountListByAccessTokenRes.ctidTraderAccount.*",
        "the recorder left only id, login and kind of the accounts",
        only_absent=True,
    ),
    Tolerance(
        (M2,),
        "*.symbol.sortingNumber",
        "the recorder left 4 symbols of the list, with their places among all",
        within=10.0,
    ),
)
"""Every difference that is let pass."""


class Sent(NamedTuple):
    """A message, and where it stands in the recording (0 for a simulated one)."""

    line: int
    message: Message


class Difference(NamedTuple):
    """One thing in which the simulator differs."""

    file: str
    line: int
    path: str
    recorded: Value | None
    simulated: Value | None

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line} [{scenario_of(self.file, self.line)}] {self.path}: "
            f"recorded {_shown(self.recorded)}, simulated {_shown(self.simulated)}"
        )


@dataclass(slots=True)
class Likeness:
    """Ids and instants of one stream, named in the order in which they were first seen."""

    ids: dict[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])
    instants: list[int] = field(default_factory=list[int])
    balance_version: int | None = None

    def fields(self, message: Message) -> dict[str, Value]:
        """Return every field that a message carries, by its path, as a comparable value."""
        return {path: self._value(path, value) for path, value in present_fields(message)}

    def _value(self, path: str, value: Value) -> Value:
        name = path.rpartition(".")[2]
        if name in IDS and isinstance(value, int):
            kind = IDS[name]
            known = sum(each == kind for each, _ in self.ids)
            return self.ids.setdefault((kind, value), f"{kind} #{known + 1}")
        if name in INSTANTS and isinstance(value, int):
            return f"instant #{self._instant(value)}"
        if name == "balanceVersion" and isinstance(value, int):
            if self.balance_version is None:
                self.balance_version = value
            return f"first version + {value - self.balance_version}"
        if name in SCRUBBED:
            return "any text"
        if name == "description" and isinstance(value, str):
            return NUMBERS.sub("<number>", value)
        return value

    def _instant(self, value: int) -> int:
        for number, known in enumerate(self.instants, 1):
            if abs(known - value) <= ONE_INSTANT:
                return number
        self.instants.append(value)
        return len(self.instants)


def present_fields(message: Message, prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Yield path and value of every field that a message carries, in the order of their numbers.

    Fields that the schema does not know go by their number.
    """
    prefix = prefix or message.DESCRIPTOR.name
    for descriptor, value in message.ListFields():
        path = f"{prefix}.{descriptor.name}"
        fields = [(path, value)]
        if not isinstance(value, (Message, int, float, str, bytes)):
            yield f"{path}.length", len(value)
            fields = [(f"{path}[{index}]", each) for index, each in enumerate(value)]
        for here, each in fields:
            if isinstance(each, Message):
                yield from present_fields(each, here)
            elif descriptor.enum_type is not None:
                yield here, enum_name(message, descriptor.name, each)
            else:
                yield here, each
    for number, value in unknown_fields(message):
        yield f"{prefix}.<{number}>", value


class Comparison(NamedTuple):
    """What came of a comparison."""

    differences: list[Difference]
    """What nothing excuses."""
    excused: Counter[Tolerance]
    """How many differences each tolerance covered."""


def compare(
    file: str, recorded: Sequence[Sent], simulated: Sequence[Message], *, exact: bool = False
) -> Comparison:
    """Compare two streams of messages in order.

    Args:
        file: Name of the recording.
        recorded: The recorded messages.
        simulated: The simulator's.
        exact: Whether ids and instants must be the same, not only their relations.
    """
    told = _in_order(recorded)
    found = _in_order(Sent(0, each) for each in simulated)
    differences: list[Difference] = []
    excused: Counter[Tolerance] = Counter()
    theirs, ours = Likeness(), Likeness()
    matcher = SequenceMatcher(
        None, [_kind(each) for each in told], [_kind(each) for each in found], autojunk=False
    )
    for operation, start, end, begin, stop in matcher.get_opcodes():
        if operation != "equal":
            line = told[start].line if start < len(told) else told[-1].line
            differences += [
                Difference(file, each.line, "whole message", _kind(each), None)
                for each in told[start:end]
            ]
            differences += [
                Difference(file, line, "whole message", None, _kind(each))
                for each in found[begin:stop]
            ]
            # Their ids and instants must be known where they are met again.
            for each in told[start:end]:
                theirs.fields(each.message)
            for each in found[begin:stop]:
                ours.fields(each.message)
            continue
        for their, our in zip(told[start:end], found[begin:stop], strict=True):
            if exact or isinstance(their.message, ProtoOASpotEvent):
                left = dict(present_fields(their.message))
                right = dict(present_fields(our.message))
            else:
                left, right = theirs.fields(their.message), ours.fields(our.message)
            for difference in _differences(file, their.line, left, right):
                _, _, path, wanted, given = difference
                tolerance = next(
                    (each for each in TOLERANCES if each.covers(file, path, wanted, given)), None
                )
                if tolerance is None:
                    differences.append(difference)
                else:
                    excused[tolerance] += 1
    return Comparison(differences, excused)


# Private


def _differences(
    file: str, line: int, left: Mapping[str, Value], right: Mapping[str, Value]
) -> Iterator[Difference]:
    for path in dict.fromkeys((*left, *right)):
        wanted, given = left.get(path), right.get(path)
        if wanted != given:
            yield Difference(file, line, path, wanted, given)


def _kind(sent: Sent) -> str:
    """Name what must come in the same order."""
    message = sent.message
    if isinstance(message, ProtoOAExecutionEvent):
        kind = enum_name(message, "executionType", message.executionType)
        return f"{kind}{' by the server' if message.isServerEvent else ''}"
    if isinstance(message, ProtoOASpotEvent):
        return f"spot of {message.symbolId}"
    return message.DESCRIPTOR.name


def _in_order(stream: Iterable[Sent]) -> list[Sent]:
    """Put a trailing stop's move behind the quote that moved it: the two race on the wire."""
    ordered = list(stream)
    for index in range(len(ordered) - 1):
        first, second = ordered[index].message, ordered[index + 1].message
        if (
            isinstance(first, ProtoOATrailingSLChangedEvent)
            and isinstance(second, ProtoOASpotEvent)
            and abs(first.utcLastUpdateTimestamp - second.timestamp) <= RACE
        ):
            ordered[index], ordered[index + 1] = ordered[index + 1], ordered[index]
    return ordered


def _shown(value: Value | None) -> str:
    return "nothing" if value is None else repr(value) if isinstance(value, str) else str(value)
