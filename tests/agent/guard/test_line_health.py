"""What a technician reads of a line: how each unit answers, what is probably wrong, where to look."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from agent.guard.status import buses
from agent.screens import show_lines
from drivers.api import Timeout
from drivers.health import LineHealth, UnitHealth
from drivers.overheard import overheard
from drivers.wires import Outcome
from hil.codec import RTU


def test_status_tells_how_units_answer_and_where_to_look() -> None:
    health = LineHealth(is_open=True, units={3: UnitHealth(), 4: UnitHealth()})
    for number in range(10):
        health.units[3].count(Outcome(b"\x03", None, number, 0.02))
        health.units[4].count(Outcome(b"", Timeout("no answer from unit 4"), number, 0.1))
    health.overhear(overheard(RTU.frame(7, bytes.fromhex("0300100002"))), 1)
    poller: Any = SimpleNamespace(name="sensors", slots=[])
    told = buses([poller], {"sensors": SimpleNamespace(health=health)})
    json.dumps(told)
    assert told["sensors"]["units"]["4"]["cause"]["code"] == "silent"
    assert told["sensors"]["units"]["3"]["cause"] is None
    screen = io.StringIO()
    show_lines(told, Console(file=screen, width=150))
    text = screen.getvalue()
    for part in ("20 ms", "sensors, unit 4: silent, while its neighbours answer", "look: supply and cable", "没有供电"):
        assert part in text
    assert "1 requests of another master to units 7" in text
