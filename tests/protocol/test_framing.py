"""The byte stream is cut into frames wherever the reads are split."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctrader.errors import FramingError
from ctrader.protocol.framing import MAX_FRAME_LENGTH, FrameBuffer, encode_frame

ENDLESS = b"\xff\xff\xff\xff"


def bodies(buffer: FrameBuffer, *reads: bytes) -> list[bytes]:
    found: list[bytes] = []
    for data in reads:
        block, spans = buffer.feed(data)
        found += [block[start:end] for start, end in spans]
    return found


def test_several_frames_in_one_read():
    assert bodies(FrameBuffer(), encode_frame(b"one") + encode_frame(b"two")) == [b"one", b"two"]


@pytest.mark.parametrize("cut", range(1, 12))
def test_two_frames_split_anywhere(cut):
    stream = encode_frame(b"ab") + encode_frame(b"cd")
    assert bodies(FrameBuffer(), stream[:cut], stream[cut:]) == [b"ab", b"cd"]


def test_frames_come_byte_by_byte():
    stream = encode_frame(b"first") + encode_frame(b"") + encode_frame(b"second")
    buffer = FrameBuffer()
    assert bodies(buffer, *(bytes([byte]) for byte in stream)) == [b"first", b"second"]
    assert buffer.held == 0


def test_zero_length_frame_is_skipped():
    assert bodies(FrameBuffer(), encode_frame(b"") + encode_frame(b"x")) == [b"x"]


def test_empty_read_changes_nothing():
    buffer = FrameBuffer()
    assert bodies(buffer, b"", b"\0\0", b"", b"\0\1", b"", b"x") == [b"x"]


def test_held_counts_the_unfinished_frame():
    buffer = FrameBuffer()
    buffer.feed(encode_frame(b"done") + b"\0\0\0\x0aabc")
    assert buffer.held == 7


def test_frame_of_many_reads_is_joined():
    body = bytes(range(256)) * 1000
    frame = encode_frame(body)
    reads = [frame[i : i + 1000] for i in range(0, len(frame), 1000)]
    assert bodies(FrameBuffer(), *reads) == [body]


def test_too_long_a_prefix_is_noticed_before_its_bytes_come():
    buffer = FrameBuffer()
    assert bodies(buffer, ENDLESS) == []
    assert buffer.failure is not None
    assert buffer.held == 0


def test_failure_tells_what_was_announced_and_what_is_allowed():
    buffer = FrameBuffer()
    buffer.feed(ENDLESS)
    assert buffer.failure is not None
    assert buffer.failure.expected_bytes == 0xFFFF_FFFF
    assert buffer.failure.received_bytes == MAX_FRAME_LENGTH


def test_frames_before_a_failure_are_returned():
    buffer = FrameBuffer()
    assert bodies(buffer, encode_frame(b"good") + ENDLESS + encode_frame(b"lost")) == [b"good"]
    assert buffer.failure is not None


def test_nothing_is_read_after_a_failure():
    buffer = FrameBuffer()
    assert bodies(buffer, ENDLESS, encode_frame(b"late")) == []


def test_longest_frame_is_accepted_and_one_byte_more_is_not():
    assert bodies(FrameBuffer(3), encode_frame(b"abc")) == [b"abc"]
    buffer = FrameBuffer(3)
    buffer.feed(encode_frame(b"abcd"))
    assert isinstance(buffer.failure, FramingError)


def test_limit_is_that_of_the_official_clients():
    buffer = FrameBuffer()
    buffer.feed(struct.pack(">I", MAX_FRAME_LENGTH))
    assert buffer.failure is None
    assert MAX_FRAME_LENGTH == 15_000_000


def test_too_long_a_body_is_not_encoded():
    with pytest.raises(FramingError) as caught:
        encode_frame(bytes(MAX_FRAME_LENGTH + 1))
    assert caught.value.expected_bytes == MAX_FRAME_LENGTH + 1


@given(
    frames=st.lists(st.binary(max_size=40), max_size=8),
    cuts=st.lists(st.integers(0, 400), max_size=12),
)
def test_any_split_gives_the_same_frames(frames, cuts):
    stream = b"".join(encode_frame(body) for body in frames)
    borders = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    reads = [stream[a:b] for a, b in itertools.pairwise(borders)]
    assert bodies(FrameBuffer(), *reads) == [body for body in frames if body]
