"""The corpus stays what it was frozen as, and holds what it is said to hold."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fuzz import corpus
from tests.fuzz.corpus import COUNT, KINDS, frozen
from tests.fuzz.messages import PAYLOAD_TYPES


def test_generator_still_makes_the_frozen_corpus():
    assert corpus.main(["--check"]) == 0


def test_corpus_has_ten_thousand_frames_of_every_kind():
    kinds = Counter(entry.kind for entry in frozen())
    assert kinds.total() == COUNT == 10_000
    assert kinds.keys() == set(KINDS)
    assert min(kinds.values()) > 150


def test_messages_of_every_type_are_damaged():
    assert {entry.payload_type for entry in frozen()} >= set(PAYLOAD_TYPES)


def test_file_that_was_changed_is_refused(tmp_path, monkeypatch):
    other = tmp_path / "frames.sha256"
    other.write_text("0" * 64 + "  frames\n", "ascii")
    monkeypatch.setattr(corpus, "CHECKSUM", other)
    with pytest.raises(ValueError, match="is not what"):
        frozen()
