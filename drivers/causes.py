"""From the accounts of a line to what is probably wrong with it and where to look, in a technician's words. Pure.

A guess from the last hundred exchanges of each unit, told only where something fails; nothing acts on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from drivers.health import LineHealth, UnitHealth

_ENOUGH = 3  # exchanges before anything is said: a dead unit is asked rarely
_WORTH_TELLING = 0.02  # share of exchanges that fail
_GARBLED = frozenset({"crc", "noise", "length", "function"})
LINE = -1  # the key of what is wrong with the line as a whole
_RECENT_NS = 600 * 10**9

Texts = Mapping[str, str]


class Cause(NamedTuple):
    """What is probably wrong, and where to look, by language."""

    code: str
    text: Texts
    look: Texts


def _cause(code: str, en: str, zh: str, look_en: str, look_zh: str) -> Cause:
    return Cause(code, {"en": en, "zh": zh}, {"en": look_en, "zh": look_zh})


_CAUSES = {
    cause.code: cause
    for cause in (
        _cause(
            "nothing-heard",
            "no unit answers and not one byte comes back: A and B swapped, no supply, or another speed or parity",
            "没有任何单元应答,线上一个字节也没有:A、B 接反,没有供电,或波特率、校验不对",
            "swap A and B at the gateway; measure the units' supply; try `tocsin scan` for speed and parity",
            "在网关端对调 A、B;测量供电;用 `tocsin scan` 查找波特率和校验",
        ),
        _cause(
            "speed-or-parity",
            "bytes come back, but no sound frame from anybody: wrong speed or parity, or A and B swapped",
            "线上有字节,但没有一帧是完好的:波特率或校验不对,或 A、B 接反",
            "speed and parity on the units' labels against the bus in the site file; then A and B",
            "核对单元铭牌与站点文件中的波特率、校验;再查 A、B 接线",
        ),
        _cause(
            "noise",
            "checksum errors at several units: missing termination or bias, or a cable beside power lines",
            "多个单元出现校验错误:缺少终端电阻或偏置,或线缆与动力线并行",
            "120 ohm at both ends of the cable and nowhere else; shield earthed at one end; stubs short",
            "线缆两端各接 120 欧,其他位置不接;屏蔽层单端接地;分支线要短",
        ),
        _cause(
            "another-master",
            "somebody else asks units on this line: two masters disturb each other",
            "线上还有另一个主站在发请求:两个主站互相干扰",
            "an older gateway, a display or a PLC on the same two wires; one of them must go",
            "查找接在同一对线上的旧网关、显示屏或 PLC;只能保留一个主站",
        ),
        _cause(
            "echo",
            "the adapter hands back what is sent",
            "转换器把发出的内容又送回来(回显)",
            "`echo = true` for this bus in the site file, or the adapter's echo switch",
            "在站点文件中为该总线设置 `echo = true`,或关闭转换器的回显开关",
        ),
        _cause(
            "address-clash",
            "its answers are garbled while its neighbours' are sound: probably two units with this id answer at once",
            "只有它的应答是乱的,邻居都正常:很可能有两个单元使用同一地址,同时应答",
            "disconnect it: if this id still answers, find the other one and give it another id",
            "断开该单元:若此地址仍有应答,找到另一个单元并改地址",
        ),
        _cause(
            "bad-joint",
            "only its answers are spoiled now and then: a bad joint, a long stub or a weak supply at this unit",
            "只有它的应答偶尔出错:该处接头不良、分支过长或供电不足",
            "terminals and supply voltage at this unit; the length of its stub",
            "检查该单元的端子和供电电压,以及分支线长度",
        ),
        _cause(
            "too-short-a-time-out",
            "it answers after its time is over",
            "它会应答,但超过了等待时间",
            "a longer `max_reply` for this device in the site file",
            "在站点文件中把该设备的 `max_reply` 设长一些",
        ),
        _cause(
            "silent",
            "silent, while its neighbours answer: no supply, a cut cable, or another unit id",
            "无应答,而邻居正常:没有供电、断线,或地址不对",
            "supply and cable of this unit; its unit id by `tocsin scan`",
            "检查该单元的供电和接线;用 `tocsin scan` 核对地址",
        ),
        _cause(
            "comes-and-goes",
            "answers now and then: a loose terminal, a weak supply, or a unit too busy to answer",
            "时有时无:端子松动、供电不足,或单元来不及应答",
            "terminals and supply voltage at this unit; a longer period or `max_reply`",
            "检查该单元的端子和供电电压;把周期或 `max_reply` 设长",
        ),
        _cause(
            "stranger-answers",
            "another unit answers in its place: a unit id set twice, or a converter that mixes answers",
            "应答的是另一个单元:地址重复设置,或转换器把应答弄混",
            "the unit ids of both, one unit at a time on the line",
            "逐个接入,核对两个单元的地址",
        ),
        _cause(
            "map-does-not-fit",
            "it refuses what it is asked: the register map is of another model or firmware",
            "它拒绝请求:寄存器表不是这个型号或固件的",
            "the model on its label; `tocsin probe` shows what it answers",
            "核对铭牌型号;用 `tocsin probe` 查看它能应答什么",
        ),
    )
}


def causes_of(health: LineHealth, now_mono_ns: int) -> dict[int, Cause]:
    """What is probably wrong, by unit id, and with the whole line at `LINE`; empty: nothing worth telling."""
    known = {unit_id: unit for unit_id, unit in health.units.items() if len(unit.recent) >= _ENOUGH}
    failing = {unit_id: unit for unit_id, unit in known.items() if _bad(unit) >= _WORTH_TELLING}
    found: dict[int, str] = {}
    other_master = health.foreign_requests > 1 and now_mono_ns - (health.foreign_mono_ns or 0) < _RECENT_NS
    of_line = "another-master" if other_master else _of_line(health, known, failing)
    if of_line is not None:
        found[LINE] = of_line
    for unit_id, unit in known.items():
        refused = unit.recent.count("refused") / len(unit.recent)
        if refused > 0.5:
            found[unit_id] = "map-does-not-fit"
        elif unit_id in failing and of_line not in ("nothing-heard", "speed-or-parity", "echo"):
            told = _of_unit(unit, [other for other in known.values() if other is not unit])
            if told is not None and not (of_line == "noise" and told == "bad-joint"):
                found[unit_id] = told
    return {unit_id: _CAUSES[code] for unit_id, code in found.items()}


def _bad(unit: UnitHealth) -> float:
    """The share of its latest exchanges that failed."""
    return 1.0 - _share(unit, {"ok", "refused", "absent"})


def _share(unit: UnitHealth, kinds: frozenset[str] | set[str]) -> float:
    return sum(kind in kinds for kind in unit.recent) / len(unit.recent)


def _of_line(
    health: LineHealth, known: Mapping[int, UnitHealth], failing: Mapping[int, UnitHealth]
) -> str | None:  # fmt: skip
    if any("echo" in unit.recent for unit in known.values()):
        return "echo"
    if known and all(_share(unit, {"ok", "refused"}) == 0 for unit in failing.values()) and len(failing) == len(known):
        heard = any(_share(unit, _GARBLED | {"unit"}) for unit in known.values()) or health.stray_bytes
        if not heard and any(unit.ok or unit.exceptions for unit in known.values()):
            return None if len(known) == 1 else "nothing-heard"  # one that did answer once is told of by itself
        return "speed-or-parity" if heard else "nothing-heard"
    garbled = [unit for unit in failing.values() if _share(unit, _GARBLED) >= _WORTH_TELLING]
    return "noise" if len(garbled) > 1 else None


def _of_unit(unit: UnitHealth, others: list[UnitHealth]) -> str | None:
    garbled, silent = _share(unit, _GARBLED), _share(unit, {"timeout"})
    if unit.late and silent:
        return "too-short-a-time-out"
    if _share(unit, {"unit"}) >= max(garbled, silent):
        return "stranger-answers"
    if garbled >= silent:
        spoiled = max((_share(other, _GARBLED) for other in others), default=0.0)
        return "address-clash" if garbled > 0.2 and spoiled < garbled / 5 else "bad-joint"
    if silent > 0.95:
        return "silent"
    return "comes-and-goes"
