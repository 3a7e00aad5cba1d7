"""What a unit reads by one register map, from whatever registers are known. Asks nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping

from drivers.api import Quality
from drivers.decode import Decoded, Decoder
from drivers.registers import Cell, RegisterMap


def sample(cells: Mapping[Cell, int], register_map: RegisterMap) -> dict[str, Decoded]:
    """Every point with its quality. Empty where the map needs constants that only the site can give."""
    try:
        settled = register_map.with_constants({})
    except ValueError:
        return {}
    points = settled.point
    unread = Decoded(math.nan, Quality.COMM_FAULT, "not read")
    missing = {name: unread for name, point in points.items() if any(cell not in cells for cell in point.cells)}
    return Decoder(settled).decode(cells, missing)


def shown(name: str, decoded: Decoded, register_map: RegisterMap) -> str:
    """A point as a technician reads it: "level 350 mm", "status warm-up", or why there is no value."""
    point = register_map.point[name]
    if decoded.quality.usable and point.states:
        state = next((word for word, code in point.states.items() if code == decoded.value), f"{decoded.value:g}")
        return f"{name} {state}"
    if decoded.quality.usable:
        return f"{name} {decoded.value:.6g} {point.unit}".rstrip()
    return f"{name}: {decoded.reason}"
