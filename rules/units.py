"""Units of points and quantities: text -> dimension and factor. No registry is loaded: that costs half a second."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache

Dimension = tuple[tuple[str, int], ...]  # base -> exponent, sorted, no zeros


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit: `value * factor + offset` is the value in base units (m, kg, s, K, A, cd, mol, rad)."""

    text: str
    dimension: Dimension
    factor: float = 1.0
    offset: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether it is a number without a unit."""
        return not self.dimension and self.factor == 1.0

    def difference(self) -> Unit:
        """The unit of differences: a rise of 10 degC is not a temperature of 10 degC."""
        return Unit(self.text, self.dimension, self.factor)

    def times(self, other: Unit, text: str, power: int = 1) -> Unit:
        """The unit of products (`power` 1) and quotients (-1), always a difference."""
        exponents = dict(self.dimension)
        for base, exponent in other.dimension:
            exponents[base] = exponents.get(base, 0) + power * exponent
        dimension = tuple(sorted((base, exponent) for base, exponent in exponents.items() if exponent))
        return Unit(text, dimension, self.factor * other.factor**power)


class UnitError(ValueError):
    """A unit that is not known, or two that do not compare. `hint` names the nearest known one."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.message = message
        self.hint = hint


def _dimension(**exponents: int) -> Dimension:
    return tuple(sorted(exponents.items()))


_LENGTH, _TIME, _MASS = _dimension(length=1), _dimension(time=1), _dimension(mass=1)
_TEMPERATURE, _ANGLE, _SOUND = _dimension(temperature=1), _dimension(angle=1), _dimension(sound=1)
_PRESSURE = _dimension(mass=1, length=-1, time=-2)
_VOLTAGE = _dimension(mass=1, length=2, time=-3, current=-1)
_DEGREE = 0.017453292519943295

# Symbols that take the prefixes below.
_PREFIXED = {
    "m": Unit("m", _LENGTH),
    "g": Unit("g", _MASS, 1e-3),
    "A": Unit("A", _dimension(current=1)),
    "V": Unit("V", _VOLTAGE),
    "W": Unit("W", _dimension(mass=1, length=2, time=-3)),
    "Wh": Unit("Wh", _dimension(mass=1, length=2, time=-2), 3600.0),
    "Pa": Unit("Pa", _PRESSURE),
    "bar": Unit("bar", _PRESSURE, 1e5),
    "Hz": Unit("Hz", _dimension(time=-1)),
    "N": Unit("N", _dimension(mass=1, length=1, time=-2)),
    "J": Unit("J", _dimension(mass=1, length=2, time=-2)),
    "L": Unit("L", _dimension(length=3), 1e-3),
    "l": Unit("l", _dimension(length=3), 1e-3),
    "S": Unit("S", _dimension(mass=-1, length=-2, time=3, current=2)),
    "T": Unit("T", _dimension(mass=1, time=-2, current=-1)),
    "ohm": Unit("ohm", _dimension(mass=1, length=2, time=-3, current=-2)),
    "Ω": Unit("Ω", _dimension(mass=1, length=2, time=-3, current=-2)),
    "rad": Unit("rad", _ANGLE),
    "mol": Unit("mol", _dimension(amount=1)),
    "C": Unit("C", _dimension(current=1, time=1)),
    "F": Unit("F", _dimension(mass=-1, length=-2, time=4, current=2)),
    "strain": Unit("strain", _dimension(strain=1)),
}
_PREFIXES = {"n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "c": 1e-2, "d": 1e-1, "h": 1e2, "k": 1e3, "M": 1e6}

_NAMED = {
    "1": Unit("1", ()),
    "%": Unit("%", (), 0.01),
    "percent": Unit("percent", (), 0.01),
    "%vol": Unit("%vol", (), 0.01),
    "‰": Unit("‰", (), 1e-3),
    "ppm": Unit("ppm", (), 1e-6),
    "ppb": Unit("ppb", (), 1e-9),
    "%LEL": Unit("%LEL", _dimension(explosive=1), 0.01),  # of the lower explosive limit: never comparable with % vol
    "%RH": Unit("%RH", (), 0.01),
    "ns": Unit("ns", _TIME, 1e-9),
    "us": Unit("us", _TIME, 1e-6),
    "µs": Unit("µs", _TIME, 1e-6),
    "ms": Unit("ms", _TIME, 1e-3),
    "s": Unit("s", _TIME),
    "second": Unit("second", _TIME),
    "min": Unit("min", _TIME, 60.0),
    "minute": Unit("minute", _TIME, 60.0),
    "h": Unit("h", _TIME, 3600.0),
    "hour": Unit("hour", _TIME, 3600.0),
    "d": Unit("d", _TIME, 86400.0),
    "day": Unit("day", _TIME, 86400.0),
    "meter": Unit("meter", _LENGTH),
    "metre": Unit("metre", _LENGTH),
    "millimeter": Unit("millimeter", _LENGTH, 1e-3),
    "centimeter": Unit("centimeter", _LENGTH, 1e-2),
    "ft": Unit("ft", _LENGTH, 0.3048),
    "inch": Unit("inch", _LENGTH, 0.0254),
    "t": Unit("t", _MASS, 1e3),
    "K": Unit("K", _TEMPERATURE),
    "kelvin": Unit("kelvin", _TEMPERATURE),
    "degC": Unit("degC", _TEMPERATURE, 1.0, 273.15),
    "°C": Unit("°C", _TEMPERATURE, 1.0, 273.15),
    "℃": Unit("℃", _TEMPERATURE, 1.0, 273.15),
    "delta_degC": Unit("delta_degC", _TEMPERATURE),
    "degF": Unit("degF", _TEMPERATURE, 5 / 9, 459.67 * 5 / 9),
    "deg": Unit("deg", _ANGLE, _DEGREE),
    "degree": Unit("degree", _ANGLE, _DEGREE),
    "°": Unit("°", _ANGLE, _DEGREE),
    "arcmin": Unit("arcmin", _ANGLE, _DEGREE / 60),
    "arcsec": Unit("arcsec", _ANGLE, _DEGREE / 3600),
    "dB": Unit("dB", _SOUND),
    "dBA": Unit("dBA", _SOUND),
    "dB(A)": Unit("dB(A)", _SOUND),
    "dBC": Unit("dBC", _dimension(sound_c=1)),
    "dB(C)": Unit("dB(C)", _dimension(sound_c=1)),
    "dBm": Unit("dBm", _dimension(radio=1)),
    "gal": Unit("gal", _dimension(length=1, time=-2), 0.01),  # seismology
    "g0": Unit("g0", _dimension(length=1, time=-2), 9.80665),
    "g_0": Unit("g_0", _dimension(length=1, time=-2), 9.80665),
    "standard_gravity": Unit("standard_gravity", _dimension(length=1, time=-2), 9.80665),
    "knot": Unit("knot", _dimension(length=1, time=-1), 1852 / 3600),
    "rpm": Unit("rpm", _dimension(angle=1, time=-1), 6.283185307179586 / 60),
    "lx": Unit("lx", _dimension(light=1)),
    "lux": Unit("lux", _dimension(light=1)),
    "VA": Unit("VA", _dimension(mass=1, length=2, time=-3)),
    "var": Unit("var", _dimension(mass=1, length=2, time=-3)),
    "Ah": Unit("Ah", _dimension(current=1, time=1), 3600.0),
    "mH2O": Unit("mH2O", _PRESSURE, 9806.65),
    "NTU": Unit("NTU", _dimension(turbidity=1)),
    "pH": Unit("pH", _dimension(acidity=1)),
    "count": Unit("count", _dimension(count=1)),
}
_LONG = {
    "volt": "V",
    "ampere": "A",
    "watt": "W",
    "pascal": "Pa",
    "hertz": "Hz",
    "gram": "g",
    "liter": "L",
    "newton": "N",
}
_POWERS = {"²": 2, "³": 3}
_FACTOR = re.compile(r"(dB\([AC]\)|[^\s*/^·²³]+?)(?:(?:\^|\*\*)(-?\d)|([²³])|(?<=m)([23]))?")
_OPERATOR = re.compile(r"\s*((?<!\*)\*(?!\*)|/|·)\s*")
SECOND = _NAMED["s"]
NUMBER = Unit("", ())


def _symbol(text: str) -> Unit:
    text = _LONG.get(text, text)
    if found := _NAMED.get(text) or _PREFIXED.get(text):
        return found
    if (stem := _PREFIXED.get(text[1:])) and (scale := _PREFIXES.get(text[0])):
        return Unit(text, stem.dimension, stem.factor * scale)
    near = difflib.get_close_matches(text, [*_NAMED, *_PREFIXED, "mm", "cm", "km", "mA", "kPa", "hPa", "kW", "mV"], n=1)
    raise UnitError(
        f"unit {text!r} is not known", f"did you mean {near[0]}?" if near else "units are such as m, mm/h, degC"
    )


@cache
def unit(text: str) -> Unit:
    """The unit written as `text`, such as "mm", "%LEL", "deg/h", "m^3/s"; "" is a plain number. Raises UnitError."""
    text = text.strip()
    if text in ("", "1"):
        return NUMBER
    if found := _NAMED.get(text):
        return found
    result, power, at = Unit("", ()), 1, 0
    parts = 0
    only: Unit | None = None
    while True:
        following = _OPERATOR.search(text, at)
        end = following.start() if following else len(text)
        factor = _FACTOR.fullmatch(text[at:end].strip())
        if factor is None:
            raise UnitError(f"unit {text!r} is not understood", "units are such as m, mm/h, m^3/s, degC")
        exponent = int(factor[2] or _POWERS.get(factor[3] or "", 0) or factor[4] or 1)
        only = _symbol(factor[1])
        for _ in range(abs(exponent)):
            result = result.times(only, text, power if exponent > 0 else -power)
        parts += 1 + (exponent != 1)
        if following is None:
            break
        power = -1 if following[1] == "/" else 1
        at = following.end()
    return Unit(text, only.dimension, only.factor, only.offset) if parts == 1 else Unit(text, *_parts(result))


def _parts(value: Unit) -> tuple[Dimension, float]:
    return value.dimension, value.factor


def factors(source: Unit, target: Unit) -> tuple[float, float]:
    """(scale, shift) with `value in target = value in source * scale + shift`. Raises UnitError."""
    if source.dimension != target.dimension:
        raise UnitError(f"{_say(source)} does not compare with {_say(target)}")
    if source.factor == target.factor and source.offset == target.offset:
        return 1.0, 0.0
    return source.factor / target.factor, (source.offset - target.offset) / target.factor


_QUANTITY = re.compile(r"\s*([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(\S.*)?")


def convert(value: float, source: Unit, target: Unit) -> float:
    """`value` of unit `source` in unit `target`, correct to the last digit people write. Raises UnitError."""
    scale, shift = factors(source, target)
    if scale == 1.0 and shift == 0.0:
        return value
    # 15 cm are 150 mm, not 150.00000000000003: twelve digits are more than any limit has.
    return float(f"{value * scale + shift:.12g}")


def split(text: str) -> tuple[str, str]:
    """The digits and the unit of a quantity such as "2.5 m". Raises UnitError."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise UnitError(f'a quantity such as "2.5 m" is expected, got {text!r}')
    return found[1], (found[2] or "").rstrip()


def quantity(text: str, target: str, *, difference: bool = False) -> float:
    """The number of a quantity such as "2.5 m" or "25 %LEL" in unit `target` ("mm"). Raises UnitError.

    `difference`: the text is a difference, so "10 degC" is 10 K and not 283.15 K.
    """
    digits, given_text = split(text)
    wanted = unit(target)
    given = unit(given_text)
    if given.plain and target.strip() not in ("", "1"):
        raise UnitError(f"{text!r} has no unit", f'write it with one, such as "{digits} {target}"')
    if difference:
        wanted, given = wanted.difference(), given.difference()
    return convert(float(digits), given, wanted)


_NAMES = {
    _LENGTH: "a length", _TIME: "a time", _MASS: "a mass", _TEMPERATURE: "a temperature", _ANGLE: "an angle",
    _SOUND: "a sound level", _PRESSURE: "a pressure", _VOLTAGE: "a voltage", (): "a number",
    _dimension(explosive=1): "a share of the explosive limit", _dimension(current=1): "a current",
    _dimension(length=1, time=-1): "a speed", _dimension(time=-1): "a frequency",
}  # fmt: skip


def _say(value: Unit) -> str:
    name = _NAMES.get(value.dimension, "a quantity")
    return f"{name} ({value.text})" if value.text else name
