"""The comparison notices what it is there for, and says where it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final, TypeVar

import pytest
from google.protobuf.message import Message

from ctrader.proto import ProtoOAExecutionEvent, ProtoOASpotEvent, ProtoOATrailingSLChangedEvent
from tests.recordings.likeness import Sent, compare
from tests.recordings.recorded import EXTERNAL, STAGE2, Recording

M = TypeVar("M", bound=Message)

FILL: Final = 5  # line of the first fill of `STAGE2`
SHIFT: Final = 1000


def recorded(recording: Recording) -> list[Sent]:
    return [Sent(line.number, message) for line, message in recording.messages()]


def copy_of(message: M) -> M:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def flag(event: ProtoOAExecutionEvent) -> None:
    event.isServerEvent = not event.isServerEvent


def lost_field(event: ProtoOAExecutionEvent) -> None:
    event.position.ClearField("trailingStopLoss")


def zero_that_was_absent(event: ProtoOAExecutionEvent) -> None:
    event.order.stopPrice = 0.0


def money(event: ProtoOAExecutionEvent) -> None:
    event.position.usedMargin += 1


def status(event: ProtoOAExecutionEvent) -> None:
    event.position.positionStatus = type(event.position.positionStatus)(3)


def other_position(event: ProtoOAExecutionEvent) -> None:
    event.deal.positionId += 1


def time_of_its_own(event: ProtoOAExecutionEvent) -> None:
    event.deal.utcLastUpdateTimestamp += SHIFT


@pytest.mark.parametrize(
    "tamper, path",
    [
        (flag, "whole message"),
        (lost_field, "position.trailingStopLoss"),
        (zero_that_was_absent, "order.stopPrice"),
        (money, "position.usedMargin"),
        (status, "position.positionStatus"),
        (other_position, "deal.positionId"),
        (time_of_its_own, "deal.utcLastUpdateTimestamp"),
    ],
)
def test_difference_is_found_and_named(
    tamper: Callable[[ProtoOAExecutionEvent], None],
    path: str,
    recordings: Mapping[str, Recording],
):
    told = recorded(recordings[STAGE2])
    simulated = [copy_of(each.message) for each in told]
    index = next(index for index, each in enumerate(told) if each.line == FILL)
    event = simulated[index]
    assert isinstance(event, ProtoOAExecutionEvent)
    tamper(event)
    first = compare(STAGE2, told, simulated).differences[0]
    assert (first.file, first.line) == (STAGE2, FILL)
    assert first.path.endswith(path)
    assert str(first).startswith(f"{STAGE2}:{FILL} [A market buy with distances] ")


def test_frame_too_few_and_frame_too_many_are_found(recordings: Mapping[str, Recording]):
    told = recorded(recordings[STAGE2])
    messages = [each.message for each in told]
    missing = compare(STAGE2, told, [*messages[:4], *messages[5:]]).differences
    assert (missing[0].line, missing[0].path) == (FILL, "whole message")
    extra = compare(STAGE2, told, [*messages, messages[4]]).differences
    assert [each.recorded for each in extra] == [None]


def test_frames_in_another_order_are_found(recordings: Mapping[str, Recording]):
    told = recorded(recordings[STAGE2])
    messages = [each.message for each in told]
    messages[3], messages[4] = messages[4], messages[3]
    assert compare(STAGE2, told, messages).differences


def test_other_ids_and_other_times_alone_are_no_difference(recordings: Mapping[str, Recording]):
    told = recorded(recordings[STAGE2])
    simulated = [copy_of(each.message) for each in told]
    for message in simulated:
        _move(message)
    assert compare(STAGE2, told, simulated).differences == []


def test_a_trailing_stop_may_overtake_its_quote_and_nothing_more(
    recordings: Mapping[str, Recording],
):
    told = recorded(recordings[EXTERNAL])
    messages = [each.message for each in told]
    index = next(
        index
        for index, (first, second) in enumerate(pairwise(messages))
        if isinstance(first, ProtoOATrailingSLChangedEvent)
        and isinstance(second, ProtoOASpotEvent)
        and abs(first.utcLastUpdateTimestamp - second.timestamp) < 6
    )
    messages[index], messages[index + 1] = messages[index + 1], messages[index]
    assert compare(EXTERNAL, told, messages).differences == []
    messages[index + 1], messages[index + 2] = messages[index + 2], messages[index + 1]
    assert compare(EXTERNAL, told, messages).differences


def _move(message: Message) -> None:
    """Give every id and every instant of a message another value, the same way."""
    for descriptor, value in message.ListFields():
        name = descriptor.name
        if isinstance(value, Message):
            _move(value)
        elif name in ("positionId", "orderId", "dealId", "balanceHistoryId"):
            setattr(message, name, value + 17)
        elif name.endswith("Timestamp"):
            setattr(message, name, value + SHIFT)
        elif not isinstance(value, (int, float, str, bytes)):
            for each in value:
                if isinstance(each, Message):
                    _move(each)
