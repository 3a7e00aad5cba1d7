"""The keys of a register map, and how quirks are written with them, for docs/instruments.md; it reads no map."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from drivers.registers import DeviceModel, MapPoint
from drivers.vocabulary import Constant, Gate, Locked, ScaleFrom, Sign, Trigger, UnitFrom

TABLES: tuple[tuple[str, type[BaseModel]], ...] = (
    ("[device]", DeviceModel),
    ("[point.NAME]", MapPoint),
    ("valid_when", Gate),
    ("scale_from", ScaleFrom),
    ("unit_from", UnitFrom),
    ("[constant.NAME]", Constant),
    ("trigger", Trigger),
    ("locked", Locked),
    ("signature", Sign),
)
_DURATIONS = ("max_reply", "gap", "wait")  # written with their unit
_FIELD = re.compile(r"^    (\w+): [^\n]*?  # (.+)$", re.MULTILINE)

# Its pieces of TOML are read by the tests as they stand here, below a [device] with title, maturity and source.
QUIRKS = """
# How quirks are written

The register counts down:

```toml
[point.level]
address = 1003
type = "u16"
decode = "65535 - raw"
unit = "mm"
```

Sign, hundreds, units, hundredths and ten-thousandths in the nibbles and bytes of two registers:

```toml
[point.angle]
address = 0
type = "u32"
order = "ABCD"
decode = "(1 - 2 * (raw >> 28 & 1)) * ((raw >> 24 & 15) * 100 + (raw >> 16 & 255) + (raw >> 8 & 255) / 100)"
unit = "deg"
```

A vibrating wire, with figures of its calibration sheet and a thermal term; the site gives `k` and `f0`:

```toml
[constant.k]
note = "gauge factor in kPa per Hz2, on the calibration sheet"
[constant.f0]
note = "frequency without load in Hz, on the installation record"
[constant.kt]
note = "thermal factor in kPa per degree, on the calibration sheet"
value = 0.0

[point.pressure]
address = 1
type = "u16"
decode = "k * ((raw / 10) ** 2 - f0 ** 2) + kt * (t - 20)"
uses = { t = "temperature" }
unit = "kPa"
together = "wire"

[point.temperature]
address = 2
type = "i16"
scale = 0.1
unit = "degC"
together = "wire"
```

The device tells unit and decimals itself, with every reading:

```toml
[point.concentration]
address = 1
type = "u16"
unit = "%LEL"
scale_from = { point = "decimals", factors = { 0 = 1.0, 1 = 0.1, 2 = 0.01 } }
unit_from = { point = "unit-code", units = { 0 = "ppm", 2 = "%LEL" } }
together = "gas"

[point.decimals]
address = 0
type = "bits"
bits = [8, 11]
hidden = true
together = "gas"

[point.unit-code]
address = 0
type = "bits"
bits = [12, 15]
hidden = true
together = "gas"
```

Not-a-number and infinities are states, and the words are swapped:

```toml
[point.pressure]
address = 0x0100
type = "f32"
order = "CDAB"
unit = "bar"
high = 10.0
invalid = [nan]
over_range = [inf]
under_range = [-inf]
```

The value counts only while another register says so, and only while it is young:

```toml
[constant.max_age]
note = "three times the reporting interval"
unit = "s"
value = 180

[point.reading]
address = 0
type = "u16"
unit = "%LEL"
valid_when = [
    { point = "state", good = ["measuring"], inhibited = ["warm-up"], otherwise = "bad" },
    { point = "age", within = [0, "max_age"], otherwise = "bad" },
]

[point.state]
address = 1
type = "u16"
states = { warm-up = 0, measuring = 1, fault = 2 }

[point.age]
address = 2
type = "u16"
unit = "s"
```

It measures only when it is told to, and its settings must never be written:

```toml
[device]
trigger = { address = 8, value = 0x000C, wait = "100 ms" }
locked = [{ address = 2, count = 3, why = "its unit id, speed and parity" }]

[point.distance]
address = 5
type = "u16"
scale = 0.1
unit = "mm"
```

Thirty-two channels alike:

```toml
[point."reading-#"]
repeat = 32
step = 2
address = 0x0020
type = "f32"
order = "ABCD"
unit = "ppm"
valid_when = { point = "fault-#", good = ["none"], otherwise = "bad" }

[point."fault-#"]
repeat = 32
step = 1
address = 0x0120
type = "u16"
states = { none = 0 }
hidden = true
```
"""


def keys_page() -> str:
    """The part of docs/instruments.md about writing maps."""
    return "\n".join([QUIRKS, *_keys()])


def _keys() -> Iterator[str]:
    yield "# Keys of a register map\n"
    for title, model in TABLES:
        yield f"## `{title}`\n"
        yield " ".join(inspect.cleandoc(model.__doc__ or "").split()) + "\n"
        yield "| key | default | meaning |\n| --- | --- | --- |"
        comments = dict(_FIELD.findall(inspect.getsource(model)))
        for name, field in model.model_fields.items():
            default = _default(field.get_default(call_default_factory=True), seconds=name in _DURATIONS)
            yield f"| `{name}` | {default} | {comments[name]} |"
        if model is MapPoint:
            yield '| `repeat`, `step` |  | with a name such as `"level-#"`: so many points, addresses that far apart |'
        yield ""


def _default(value: object, *, seconds: bool) -> str:
    if value is PydanticUndefined:
        return "must be given"
    if value in (None, (), {}, "", False):
        return ""
    if seconds:
        return f'`"{value:g} s"`'
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"
