"""The page of the library says what the models say, in words for every function of the language."""

from pathlib import Path

import pytest

from rules.language.functions import FUNCTIONS
from rules.library import load_model
from rules.library.catalogue import library_page
from rules.library.wording import lines_of, points_of

ROOT = Path(__file__).parents[2]


def test_the_page_is_current():
    assert (ROOT / "docs" / "library.md").read_text(encoding="utf-8") == library_page()


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_there_are_words_for_every_function(name, language):
    texts = {
        "any": "any(level > 1 m, level < 2 m)",
        "all": "all(level > 1 m, level < 2 m)",
        "vote": "vote(2, level > 1 m, level < 2 m)",
        "each": "any(each(rain, rain > 1 mm))",
        "share": "share(level > 1 m, 1 h) > 10 %",
        "held": "held(level > 1 m, 1 h)",
        "within": "within(level > 1 m, 1 h)",
        "streak": "streak(level > 1 m, 3, 1 d)",
    }
    said = "\n".join(lines_of(points_of(texts.get(name, f"{name}(level, 1 h, 2 h) > 1 m"), model(), language)))
    assert {"zh": "水位", "en": "stage"}[language] in said or name == "each"
    assert name + "(" not in said


def model():
    return load_model("river-stage")


def test_conditions_read_as_lists_of_points():
    text = "level >= warning_stage or (not (level < 1 m) and any(each(rain, increase(rain, 1 h) > 2 * heavy_rain)))"
    assert [*lines_of(points_of(text, model(), "en"))] == [
        "- any of:",
        "  - stage ≥ `warning_stage`",
        "  - all of:",
        "    - not: stage < 1 m",
        "    - one of the rain gauges upstream: amount of rain gauges upstream in 1 h > 2 × `heavy_rain`",
    ]
