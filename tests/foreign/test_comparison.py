"""The comparison itself: what it must notice, and what it must let pass."""

from __future__ import annotations

from fractions import Fraction

import pytest

from tests.foreign.matching import ABSENT, ANY, Maybe, altered, differences, leaves


@pytest.mark.parametrize(
    ("expected", "received"),
    [
        (1, 1),
        (None, None),
        (Fraction(115309, 100_000), 1.15309),
        (Fraction(5, 2), "2.50"),
        (Fraction(3), 3),
        (ANY, {"any": "thing"}),
        ({"a": 1, "b": Maybe(2), "c": ABSENT, "d": ANY}, {"a": 1}),
        ({"b": Maybe(2)}, {"b": 2}),
        ([1, [2, 3]], [1, [2, 3]]),
    ],
)
def test_equal_values_have_no_differences(expected: object, received: object):
    assert not list(differences(expected, received))


@pytest.mark.parametrize(
    ("expected", "received"),
    [
        (1, 2),
        (1, True),
        (False, 0),
        (None, 0),
        ("1", 1),
        (Fraction(115309, 100_000), 1.15310),
        (Fraction(1), True),
        (Fraction(1), None),
        (Fraction(1), "one"),
        ({"a": 1}, {}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": ABSENT}, {"a": 1}),
        ({"a": Maybe(1)}, {"a": 2}),
        ([1, 2], [1]),
        ([1], [1, 2]),
        ([1], {"0": 1}),
    ],
)
def test_unequal_values_have_one_difference(expected: object, received: object):
    assert len(list(differences(expected, received))) == 1


def test_difference_says_where_it_is():
    expected = {"deals": [{"price": Fraction(1)}, {"price": Fraction(2)}]}
    received = {"deals": [{"price": 1}, {"price": 3}]}
    (text,) = differences(expected, received, "report")
    assert text.startswith("report.deals[1].price: 3 ")


def test_every_single_value_can_be_altered():
    document = {"a": [1, {"b": "text"}], "c": None, "d": 1.5, "e": True, "f": "2.50"}
    paths = list(leaves(document))
    assert paths == [("a", 0), ("a", 1, "b"), ("c",), ("d",), ("e",), ("f",)]
    for path in paths:
        assert len(list(differences(document, altered(document, path)))) == 1
    assert list(leaves(document)) == paths
    assert document["f"] == "2.50"
