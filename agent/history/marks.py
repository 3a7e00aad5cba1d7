"""What a cell of a recording turned out to be: small codes with a quality and a reason. Data only."""

from __future__ import annotations

import numpy as np

from rules.model import BAD, COMM_FAULT, INHIBITED, OVER_RANGE, UNCERTAIN, UNDER_RANGE
from rules.model import GOOD as GOOD_QUALITY

ABSENT = -1  # no reading
GOOD, SOME_DOUBT, ABOVE, BELOW, HELD_OFF, CODE, TEXT, NAN, INFINITE, STATE, FLAGGED, LOST, FAULT = range(13)

# Per mark: quality as judgement takes it, and how it is told. The first three are usable.
_MEANINGS = (
    (GOOD_QUALITY, "good"),
    (UNCERTAIN, "uncertain"),
    (OVER_RANGE, "over range"),
    (UNDER_RANGE, "under range"),
    (INHIBITED, "inhibited"),
    (BAD, "missing code"),
    (BAD, "not readable"),
    (BAD, "not a number (NaN)"),
    (BAD, "infinite"),
    (BAD, "no such state"),
    (BAD, "bad by the quality column"),
    (COMM_FAULT, "no answer"),  # of the journal, which knows no more
    (BAD, "bad"),
)
QUALITY = np.array([quality for quality, _ in _MEANINGS], np.int64)
WORDS = tuple(word for _, word in _MEANINGS)
BY_QUALITY = np.array([GOOD, SOME_DOUBT, ABOVE, BELOW, HELD_OFF, FAULT, LOST], np.int8)  # of the journal's codes
