"""Writes a rule set as C tables and functions, which judge.c judges with. It shares no code with the kernel.

Covered is what the bench's rules ask for: one level an alarm, `on_missing = "hold"`, comparisons of points and of
windows with constants, joined by and, or, not, vote, good, within. Anything else raises ValueError.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rules.engine.shapes import used_points, used_windows
from rules.language.tree import Node, Window
from rules.ruleset import Ruleset

COMPARE = {"gt": "above", "ge": "at_least", "lt": "below", "le": "at_most"}
MIRROR = {"gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
FAMILIES = {"mean": "means", "extreme": "extremes_", "slope": "slopes", "span": "spans"}
READS = {"avg": "mean", "min": "extreme", "max": "extreme", "rise": "extreme", "fall": "extreme", "rate": "slope"}


@dataclass
class Shape:
    """The body of one function, and what its rule has to put in."""

    places: dict[Window, int]
    lines: list[str] = field(default_factory=list)
    points: list[int] = field(default_factory=list)
    windows: list[int] = field(default_factory=list)
    constants: list[float] = field(default_factory=list)

    def line(self, text: str, kind: str = "int") -> str:
        name = f"v{len(self.lines)}"
        self.lines.append(f"    {kind} {name} = {text};")
        return name

    def constant(self, value: float) -> str:
        self.constants.append(value)
        return f"o->constant[{len(self.constants) - 1}]"

    def point(self, number: int) -> str:
        self.points.append(number)
        return f"points[o->point[{len(self.points) - 1}]]"

    def window(self, window: Window) -> str:
        self.windows.append(self.places[window])
        return f"&{FAMILIES[window.family]}[o->window[{len(self.windows) - 1}]]"

    def bounds(self, node: Node) -> str:
        """A point's or a window's value."""
        if node.op == "point":
            return self.line(f"{{{(name := self.point(node.point))}.lo, {name}.hi}}", "bounds")
        if node.window is None or node.op not in READS or node.args:
            raise ValueError(f"the C peer knows no {node.op}")
        return self.line(f"read_{node.op}({self.window(node.window)}, t)", "bounds")

    def truth(self, node: Node) -> str:
        """A condition's truth."""
        if node.op in COMPARE:
            left, right, op = *node.args, node.op
            if left.op == "const":
                left, right, op = right, left, MIRROR[op]
            if right.op != "const":
                raise ValueError("the C peer compares with constants only")
            value = self.bounds(left)
            return self.line(f"{COMPARE[op]}({value}.lo, {value}.hi, {self.constant(right.value)})")
        if node.op == "good":
            return self.line(f"usable(&{self.point(node.point)})")
        if node.op == "within" and node.window is not None:
            return self.line(f"read_within({self.window(node.window)}, t)")
        parts = [self.truth(child) for child in node.args]
        if node.op == "not":
            return self.line(f"not({parts[0]})")
        if node.op in ("and", "or"):
            whole = parts[0]
            for part in parts[1:]:
                whole = self.line(f"{'both' if node.op == 'and' else 'either'}({whole}, {part})")
            return whole
        if node.op == "vote":
            sums = (" + ".join(f"({part} {sign})" for part in parts) for sign in ("== TRUE", "!= FALSE"))
            return self.line(f"votes({int(node.value)}, {', '.join(sums)})")
        raise ValueError(f"the C peer knows no {node.op}")


def numbers(values: list[int] | list[float]) -> str:
    return "{" + ", ".join(map(repr, values)) + "}" if values else "{0}"


class Source:
    """The text of rules.h."""

    def __init__(self, ruleset: Ruleset) -> None:
        if len(ruleset.points) > 64:
            raise ValueError("the C peer knows up to 64 points")
        if any(len(alarm.levels) != 1 or alarm.latch or alarm.on_missing != "hold" for alarm in ruleset.alarms):
            raise ValueError("the C peer knows alarms of one level that hold and do not latch")
        self.ruleset = ruleset
        self.trees = [pairs[0] for pairs in ruleset.trees]
        self.shapes: dict[str, int] = {}
        self.windows: dict[str, list[Window]] = {family: [] for family in FAMILIES}
        self.places: dict[Window, int] = {}
        for when, clear in self.trees:
            found = used_windows(when) | (used_windows(clear) if clear else frozenset())
            for window in sorted(found - self.places.keys(), key=repr):
                self.places[window] = len(self.windows[window.family])
                self.windows[window.family].append(window)

    def text(self) -> str:
        stale = ", ".join(f"{{.stale_after = {point.stale_after_s!r}}}" for point in self.ruleset.points)
        head = f"enum {{ POINTS = {len(self.ruleset.points)}, ALARMS = {len(self.trees)} }};\n"
        head += f"static point points[POINTS] = {{{stale}}};\n"
        return head + (self.table() if all(map(plain, self.trees)) else self.functions())

    def level(self, alarm: int) -> str:
        rule = self.ruleset.alarms[alarm].levels[0]
        return f"{{.on_delay = {rule.for_s!r}, .off_delay = {rule.clear_for_s!r}, .truth = UNKNOWN}}"

    def table(self) -> str:
        """Rows of a table of plain thresholds."""
        rows = []
        for a, (when, clear) in enumerate(self.trees):
            low = clear.args[1].value if clear else 0.0
            point, high = when.args[0].point, when.args[1].value
            rows.append(f"    {{{point}, {int(clear is not None)}, {high!r}, {low!r}, {self.level(a)}}},")
        kind = "typedef struct { int point, has_low; double high, low; level level; } threshold;"
        body = "\n".join(rows)
        return f'{kind}\nstatic threshold thresholds[ALARMS] = {{\n{body}\n}};\n#include "table.h"\n'

    def shaped(self, node: Node) -> tuple[int, str]:
        """(number of the function, what this rule puts in)."""
        shape = Shape(self.places)
        result = shape.truth(node)
        number = self.shapes.setdefault("\n".join([*shape.lines, f"    return {result};"]), len(self.shapes))
        return number, f"{{{numbers(shape.points)}, {numbers(shape.windows)}, {numbers(shape.constants)}}}"

    def functions(self) -> str:
        """A function a shape, and tables of what each rule puts in."""
        windows, spans = [self.window_table(family) for family in FAMILIES], self.span_feeds()
        alarms = self.alarm_rows()
        shapes = [
            f"static inline int truth_{number}(const operands *o, double t) {{\n{text}\n}}\n"
            for text, number in self.shapes.items()
        ]
        cases = "".join(f"    case {number}: return truth_{number}(o, t);\n" for number in self.shapes.values())
        return "\n".join([
            *windows,
            "typedef struct { int point[4], window[4]; double constant[8]; } operands;",
            *shapes,
            f"static int truth(int shape, const operands *o, double t) {{\n    switch (shape) {{\n{cases}    }}",
            "    __builtin_unreachable();\n}\n",
            spans,
            "typedef struct {\n    uint64_t points;\n    double due;\n    level level;\n    int when, clear, looks;",
            "    operands when_of, clear_of;\n    double *look[4];\n} alarm;",
            f"static alarm alarms[ALARMS] = {{\n{alarms}\n}};",
            '#include "shapes.h"\n',
        ])  # fmt: skip

    def window_table(self, family: str) -> str:
        """The windows of a family; an empty family has one that nobody feeds."""
        rows = []
        for window in self.windows[family]:
            length = window.length_s
            if family == "span":
                rows.append(f"    {{.length = {length!r}}},")
                continue
            if window.source.op != "point":
                raise ValueError("the C peer knows windows of points only")
            numbers = (
                f".length = {length!r}, .slot = {length / 64!r}, .cover = {window.coverage * length * (1 - 1e-9)!r}"
            )
            empty = "{.start = 0}" if family != "extreme" else "{0, 0, NAN, NAN, NAN, NAN}"
            held = ".lo = NAN, .hi = NAN"
            rows.append(
                f"    {{.point = {window.source.point}, {numbers}, {held}, .back = {empty}, .between = {empty}}},"
            )
        name, count = FAMILIES[family], family.upper() + "S"
        body = "\n".join(rows)
        return (
            f"enum {{ {count} = {len(rows)} }};\nstatic {family}_window {name}[{max(len(rows), 1)}] = {{\n{body}\n}};\n"
        )

    def span_feeds(self) -> str:
        """What each span is fed with: a table of conditions."""
        rows = []
        for window in self.windows["span"]:
            number, operands = self.shaped(window.source)
            rows.append(f"    {{{mask(window.source)}, {number}, {operands}}},")
        body = "\n".join(rows)
        return (
            "static const struct { uint64_t points; int shape; operands of; }"
            f" fed[{max(len(rows), 1)}] = {{\n{body}\n}};\n"
            "static inline void feed_spans(double t, uint64_t touched) {\n"
            "    for (int k = 0; k < SPANS; k++) {\n"
            "        if (fed[k].points & touched) span_feed(&spans[k], t, truth(fed[k].shape, &fed[k].of, t));\n"
            "        else if (spans[k].look > t) continue;\n"
            "        spans[k].look = span_next_look(&spans[k], t);\n    }\n}\n"
        )

    def alarm_rows(self) -> str:
        rows = []
        for a, (when, clear) in enumerate(self.trees):
            shape, operands = self.shaped(when)
            clear_shape, clear_operands = self.shaped(clear) if clear else (-1, "{{0}, {0}, {0}}")
            points = f"{mask(when)} | {mask(clear)}" if clear else mask(when)
            used = used_windows(when) | (used_windows(clear) if clear else frozenset())
            looks = sorted(f"&{FAMILIES[window.family]}[{self.places[window]}].look" for window in used)
            rows.append(
                f"    {{{points}, -INFINITY, {self.level(a)}, {shape}, {clear_shape}, {len(looks)},\n"
                f"     {operands}, {clear_operands}, {{{', '.join(looks) or '0'}}}}},"
            )
        return "\n".join(rows)


def plain(pair: tuple[Node, Node | None]) -> bool:
    """Whether a level only compares one point with a setpoint, and the same point with one to clear."""
    (when, clear), ops = pair, ("point", "const")
    return (
        when.op == "gt"
        and tuple(child.op for child in when.args) == ops
        and (
            clear is None
            or (
                clear.op == "lt"
                and tuple(c.op for c in clear.args) == ops
                and clear.args[0].point == when.args[0].point
            )
        )
    )


def mask(node: Node) -> str:
    """The points that a condition depends on, a bit each."""
    return f"{sum(1 << p for p in used_points(node))}ull"
