"""Every switch is drawn, or stands still for a reason."""

from __future__ import annotations

from dataclasses import fields

import pytest

from ctrader.simulator.switches import Switches
from ctrader.simulator.variants import OTHER_SETTINGS, SETTLED, draw_switches


def test_every_switch_is_drawn_or_settled():
    assert not OTHER_SETTINGS.keys() & SETTLED.keys()
    assert OTHER_SETTINGS.keys() | SETTLED.keys() == {each.name for each in fields(Switches)}


def test_no_other_setting_is_the_default():
    default = Switches()
    for name, values in OTHER_SETTINGS.items():
        assert getattr(default, name) not in values, name
        for value in values:
            Switches(**{name: value})  # type: ignore[arg-type]  # each value fits its own field


def test_every_setting_is_drawn_by_some_seed():
    drawn = [draw_switches(seed) for seed in range(100)]
    default = Switches()
    for name, values in OTHER_SETTINGS.items():
        met = {getattr(switches, name) for switches in drawn}
        assert met == {getattr(default, name), *values}, name


def test_the_same_seed_draws_the_same():
    assert draw_switches(7) == draw_switches(7)
    assert draw_switches(7) != draw_switches(8)
    assert draw_switches(7, share=0.0) == Switches()


@pytest.mark.parametrize("seed", range(3))
def test_a_settled_switch_is_not_drawn(seed: int):
    assert draw_switches(seed, share=1.0, fill_delay=0.25).fill_delay == 0.25
