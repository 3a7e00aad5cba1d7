"""Reads the time column of a recording, whatever it is written like. Knows formats, not zones or files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .arrow import compute, pa
from .zones import SECOND_NS, Mask, Times

NUMBERS = {"unix": SECOND_NS, "unix_ms": 1_000_000, "unix_us": 1_000}  # nanoseconds of one
_LATEST = 2**62  # year 2116; and as far back: so sums can't overflow

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TWO = r"\d{1,2}"
_DIRECTIVES = {
    "Y": r"\d{4}", "y": r"\d{2}", "m": _TWO, "d": _TWO, "H": _TWO, "I": _TWO, "M": _TWO, "S": _TWO,
    "f": r"\d{1,9}", "j": r"\d{1,3}", "p": "(?i:[ap]m)", "z": r"Z|[+-]\d\d(?::?\d\d)?",
    "b": f"(?i:{'|'.join(_MONTHS)})", "B": f"(?i:{'|'.join(_MONTHS)})[a-zA-Z]*",
}  # fmt: skip
_SHORT = {"T": "%H:%M:%S", "D": "%m/%d/%y", "F": "%Y-%m-%d", "R": "%H:%M"}
_ISO = (
    r"(?P<Y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)"
    r"(?:[T ](?P<H>\d\d)(?::(?P<M>\d\d)(?::(?P<S>\d\d)(?:[.,](?P<f>\d{1,9}))?)?)?\s*(?P<z>Z|[+-]\d\d(?::?\d\d)?)?)?"
)


class Stamps(NamedTuple):
    """The times of a block's rows: `ns` is UTC where `dated`, otherwise of the local wall clock."""

    ns: Times
    valid: Mask
    dated: Mask


@dataclass(frozen=True, slots=True)
class Format:
    """How stamps are written: "iso", "unix", "unix_ms", "unix_us", or a pattern of strptime's directives."""

    text: str
    pattern: str  # "" for numbers
    groups: frozenset[str]


def format_of(text: str) -> Format:
    """Raises ValueError for a pattern with a directive that is not known, or that gives no day."""
    if text == "iso":
        return Format(text, rf"^\s*{_ISO}\s*$", frozenset(re.compile(_ISO).groupindex))
    if text in NUMBERS:
        return Format(text, "", frozenset())
    if "%" not in text:
        known = ", ".join(f'"{name}"' for name in ("iso", *NUMBERS))
        raise ValueError(f'got "{text}", expected {known} or a pattern such as "%d.%m.%Y %H:%M"')
    for short, long in _SHORT.items():
        text = text.replace(f"%{short}", long)
    pattern, groups = "", set[str]()
    for directive, space, other in re.findall(r"%(.)|(\s+)|(.)", text):
        if directive == "%":
            pattern += "%"
        elif directive:
            if directive not in _DIRECTIVES or directive in groups:
                known = " ".join(f"%{name}" for name in (*_DIRECTIVES, *_SHORT))
                what = "twice" if directive in groups else "in a pattern"
                raise ValueError(f"got %{directive} {what}, expected each once of {known}")
            groups.add(directive)
            pattern += f"(?P<{directive}>{_DIRECTIVES[directive]})"
        else:
            pattern += r"\s+" if space else re.escape(other)
    if not (groups & {"Y", "y"} and (groups & {"j"} or (groups & {"m", "b", "B"} and "d" in groups))):
        raise ValueError(f'got "{text}", expected a pattern with year, month and day')
    return Format(text, rf"^\s*{pattern}\s*$", frozenset(groups))


def recognised(cell: str) -> str:
    """The format a cell of a time column seems to have, "" when none fits."""
    if re.fullmatch(rf"\s*{_ISO}\s*", cell):
        return "iso"
    try:
        number = abs(float(cell))
    except ValueError:
        return ""
    return next((name for name, least in (("unix", 1e8), ("unix_ms", 1e11)) if least <= number < 1e3 * least), "")


def has_zone(cell: str) -> bool:
    """Whether an ISO stamp says its offset from UTC."""
    found = re.fullmatch(rf"\s*{_ISO}\s*", cell)
    return bool(found and found["z"])


def stamps(columns: Sequence[Any], written: Format) -> Stamps:
    """The times in arrow arrays: one, or several whose texts are joined by a space (a date and a time of day)."""
    array = columns[0]
    if len(columns) > 1:
        array = compute().binary_join_element_wise(*(column.cast(pa().string()) for column in columns), " ")
    kind = array.type
    if pa().types.is_timestamp(kind) or pa().types.is_date(kind):
        return _typed(array)
    if written.text in NUMBERS:
        return _numbers(array, NUMBERS[written.text])
    return _texts(array.cast(pa().string()), written)


def _typed(array: Any) -> Stamps:
    if pa().types.is_date(array.type):
        array = array.cast(pa().timestamp("s"))
    per = {"s": SECOND_NS, "ms": 1_000_000, "us": 1_000, "ns": 1}[array.type.unit]
    numbers = array.cast(pa().int64()).fill_null(0).to_numpy(zero_copy_only=False)
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    if per != 1:
        valid = valid & (np.abs(numbers) < _LATEST // per)
        numbers = np.where(valid, numbers, 0) * per
    return Stamps(numbers, valid, np.full(len(array), array.type.tz is not None))


def _numbers(array: Any, per: int) -> Stamps:
    if pa().types.is_string(array.type) or pa().types.is_large_string(array.type):
        number = compute().match_substring_regex(array, r"^\s*[+-]?\d+(\.\d*)?([eE]\+?\d+)?\s*$")
        array = compute().if_else(number, compute().utf8_trim_whitespace(array), None)
    whole = pa().types.is_integer(array.type)
    numbers = array.cast(pa().int64() if whole else pa().float64()).to_numpy(zero_copy_only=False)
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        valid = valid & (np.abs(numbers) < _LATEST / per)
    numbers = np.where(valid, numbers, 0)
    # A double tells a quarter of a microsecond at best: whole microseconds are what was meant.
    ns = numbers * per if whole else np.rint(numbers * (per / 1_000)).astype(np.int64) * 1_000
    return Stamps(ns, valid, np.ones(len(array), bool))


def _texts(array: Any, written: Format) -> Stamps:
    found = compute().extract_regex(array, written.pattern)
    valid = found.is_valid().to_numpy(zero_copy_only=False)
    parts = {name: found.field(name) for name in written.groups}

    def number(name: str, otherwise: int) -> Times:
        if name not in parts:
            return np.full(len(array), otherwise, np.int64)
        digits = compute().if_else(compute().equal(parts[name], ""), str(otherwise), parts[name])
        return _whole(digits, otherwise)

    year = number("Y", 1970)
    if "y" in parts:
        year = number("y", 70)
        year += np.where(year < 69, 2000, 1900)  # POSIX
    month = _months(parts) if parts.keys() & {"b", "B"} else number("m", 1)
    day = number("d", 1)
    valid &= (year > 1824) & (year < 2116) & (month >= 1) & (month <= 12)
    months = np.where(valid, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    length = (months + 1).astype("datetime64[D]").astype(np.int64) - first
    if "j" in parts:
        january = np.where(valid, year - 1970, 0).astype("datetime64[Y]")
        first = january.astype("datetime64[D]").astype(np.int64)
        length = (january + 1).astype("datetime64[D]").astype(np.int64) - first
        day = number("j", 1)
    hour, minute, second = number("H", 0), number("M", 0), number("S", 0)
    if "I" in parts:
        hour = number("I", 12)
        valid &= (hour >= 1) & (hour <= 12)
        hour = hour % 12 + (12 * _afternoon(parts["p"]) if "p" in parts else 0)
    valid &= (day >= 1) & (day <= length) & (minute <= 59) & (second <= 60)
    valid &= (hour <= 23) | ((hour == 24) & (minute == 0) & (second == 0))  # 24:00 is the end of a day
    ns = ((first + day - 1) * 86_400 + hour * 3_600 + minute * 60 + second) * SECOND_NS
    if "f" in parts:
        padded = compute().utf8_rpad(parts["f"], 9, "0")
        ns += _whole(padded, 0)
    dated = np.zeros(len(array), bool)
    if "z" in parts:
        offset, dated = _offsets(parts["z"])
        ns = np.where(dated, ns - offset, ns)
    return Stamps(np.where(valid, ns, 0), valid, dated)


def _whole(array: Any, otherwise: int) -> Times:
    numbers: Times = array.cast(pa().int64()).fill_null(otherwise).to_numpy(zero_copy_only=False)
    return numbers.copy()


def _months(parts: dict[str, Any]) -> Times:
    words = compute().utf8_lower(compute().utf8_slice_codeunits(parts.get("b", parts.get("B")), 0, 3))
    return _whole(compute().index_in(words, value_set=pa().array(list(_MONTHS))), -1) + 1


def _afternoon(words: Any) -> Mask:
    mask: Mask = compute().equal(compute().utf8_lower(words), "pm").fill_null(False).to_numpy(zero_copy_only=False)
    return mask


def _offsets(words: Any) -> tuple[Times, Mask]:
    """Of "Z", "+08:00", "-0330" or "+08", in nanoseconds; and where there is one."""
    dated = compute().not_equal(words, "").fill_null(False).to_numpy(zero_copy_only=False)
    kinds = words.dictionary_encode()
    found = {word: _offset(word) for word in kinds.dictionary.to_pylist()}
    codes = kinds.indices.fill_null(0).to_numpy(zero_copy_only=False)
    table = np.array([*found.values(), 0], np.int64)
    return table[codes], dated


def _offset(word: str) -> int:
    digits = word.replace(":", "")
    if digits in ("", "Z"):
        return 0
    seconds = int(digits[1:3]) * 3_600 + int(digits[3:5] or 0) * 60
    return (-seconds if digits[0] == "-" else seconds) * SECOND_NS
