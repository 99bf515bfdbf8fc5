"""Every command ends once."""

from __future__ import annotations

from random import Random

from ctrader.protocol.commands import Pause
from ctrader.protocol.context import Context
from ctrader.protocol.decoding import EventDecoder
from ctrader.protocol.effects import CallCompleted
from ctrader.protocol.pending import PendingCommands, Waits
from tests.protocol.peer import settings


def test_command_that_has_ended_stays_as_it_is():
    context = Context(settings(), Random(1))
    pending = PendingCommands(context)
    Waits(context, pending, EventDecoder())
    call_id = pending.submit(Pause(5))
    pending.end(call_id, "first")
    pending.end(call_id, error=ValueError())
    assert pending.cancel(call_id) is None
    assert context.effects == [CallCompleted(call_id, "first")]
    assert len(pending) == 0
