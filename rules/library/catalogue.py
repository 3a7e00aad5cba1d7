"""Writes docs/library.md from the models (`python -m rules.library.catalogue`). It adds nothing to what they say."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rules.library import load_model, names
from rules.library.modelfile import Input, Model, ModelLevel, Parameter
from rules.library.wording import lines_of, points_of

INTRO = """# The library of models

A model is an alarm made once and used by many sites: `[alarm.NAME] model = "river-stage"` in a site file, with `inputs`
(the site's points) and `parameters` (its figures). `levels = ["yellow", "red"]` leaves levels out. A model in a file of
one's own is bound the same way: `model = "models/own.toml"`.

- Figures marked **authority** are for the local authority to set; `tocsin check` says so while a default is used.
  "example" means that no source is known; "to be checked" that the text of the standard was not at hand.
- Conditions are in words below; the exact ones are in `rules/library/NAME.toml`, beside the cases that prove them:
  `tocsin test rules/library/NAME.toml`.
- Missing and bad readings never clear an alarm where `on_missing` is `hold`, and raise none. Readings may come once a
  second or once an hour: windows judge the time that passed, not the number of readings.
- `tocsin backtest` judges a site's own recordings with these models, and `--vary` tries their figures.

This page is made from the models by `python -m rules.library.catalogue`; a test holds them together.
"""
_WORDS: Mapping[str, Mapping[str, str]] = {
    "zh": {
        "when": "，以下成立即报警：",
        "when_for": "，以下持续 {0} 报警：",
        "else": "以上不再成立即解除。",
        "else_for": "以上不再成立并持续 {0} 后解除。",
        "end": "以下成立即解除：",
        "end_for": "以下持续 {0} 后解除：",
    },
    "en": {
        "when": " at once when:",
        "when_for": " after {0} of:",
        "else": "Ends when that is no longer so.",
        "else_for": "Ends when that is no longer so for {0}.",
        "end": "Ends when:",
        "end_for": "Ends after {0} of:",
    },
}
COLOURS = {"blue": "蓝色", "yellow": "黄色", "orange": "橙色", "red": "红色"}


def library_page() -> str:
    """The text of docs/library.md."""
    models = [load_model(name) for name in names()]
    rows = ([f"[{m.name}](#{m.name})", m.title["zh"], m.title["en"], m.hazard, _levels(m)] for m in models)
    parts = [INTRO, _table(["model", "中文", "English", "hazard", "levels"], rows)]
    return "\n".join([*parts, *("\n".join(_model(model)) for model in models)])


def main(directory: Path) -> None:
    """Write the page into `directory`."""
    (directory / "library.md").write_text(library_page(), encoding="utf-8")


def _model(model: Model) -> Iterator[str]:
    yield f"\n## {model.name}\n"
    yield f"**{model.title['zh']}。** {model.text['zh']}\n"
    yield f"**{model.title['en']}.** {model.text['en']}\n"
    latch = "; latches until it is reset" if model.latch else ""
    yield f'Hazard `{model.hazard}`; `on_missing = "{model.on_missing}"`{latch}.\n'
    yield "### Inputs\n"
    rows = ([f"`{i.name}`", i.title["zh"], i.title["en"], i.unit or "number", _count(i)] for i in model.inputs.values())
    yield _table(["input", "中文", "English", "unit", "points"], rows)
    yield "### Levels\n"
    for level in model.levels:
        yield from _level(model, level)
    if model.tables:
        yield "### Curves\n"
        for table in model.tables.values():
            knots = ", ".join(
                f"{x:g} {table.x_unit}: {y:g} {table.y_unit}" for x, y in zip(table.xs, table.ys, strict=True)
            )
            yield f"- `{table.name}`: {knots}"
        yield ""
    if model.parameters:
        yield "### Figures\n"
        yield _table(
            ["figure", "中文", "English", "default", "allowed", "set by", "source"],
            map(_figure, model.parameters.values()),
        )
    yield "### Sources\n"
    yield from (f"- {source}" for source in model.sources)
    kinds = Counter(case["kind"] for case in model.cases)
    yield f"\nProven by {len(model.cases)} cases: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}."


def _level(model: Model, level: ModelLevel) -> Iterator[str]:
    for language, words in _WORDS.items():
        name = COLOURS[level.level] if language == "zh" else level.level.capitalize()
        yield f"**{name}**{_timed(words, 'when', level.for_, model)}\n"
        yield from lines_of(points_of(level.when, model, language))
        yield f"\n{_timed(words, 'end' if level.clear else 'else', level.clear_for, model)}\n"
        if level.clear:
            yield from lines_of(points_of(level.clear, model, language))
            yield ""


def _timed(words: Mapping[str, str], key: str, duration: str, model: Model) -> str:
    named = f"`{duration}`" if duration in model.parameters else duration
    return words[f"{key}_for"].format(named) if _delays(duration) else words[key]


def _delays(duration: str) -> bool:
    return not duration.startswith("0 ")


def _figure(parameter: Parameter) -> list[str]:
    ends = [f"{end:.3g}" if end is not None else "" for end in (parameter.low, parameter.high)]
    allowed = f"{ends[0]} to {ends[1]} {parameter.unit}".strip() if any(ends) else "any"
    allowed = allowed.removeprefix("to ") if not ends[0] else allowed
    return [
        f"`{parameter.name}`", parameter.title["zh"], parameter.title["en"], parameter.default or "must be given",
        allowed.replace(" to  ", " or more "), "**authority**" if parameter.authority else "site", parameter.source,
    ]  # fmt: skip


def _levels(model: Model) -> str:
    return ", ".join(level.level for level in model.levels)


def _count(wanted: Input) -> str:
    return f"{wanted.least} or more" if wanted.many else "one"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))
