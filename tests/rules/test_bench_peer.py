"""The C peer that the bench measures against, written apart from the kernel, judges as the twin does."""

import shutil

import numpy as np
import pytest

from rules.backtest import Steps, judge_history
from rules.judge import Judge
from rules.ruleset import Ruleset
from tests.bench import sets
from tests.bench.peer.build import MOVE, Peer


def judged(ruleset: Ruleset, steps: Steps, born_s: float) -> list[tuple[float, int, int, int]]:
    found = judge_history(Judge(ruleset, born_s), [steps])
    return [(moved.at_s, *change) for moved in found for change in moved.changes]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc here")
@pytest.mark.parametrize(("shapes", "count"), [(sets.PLAIN, 20), (sets.SHAPES[1:2], 7), (sets.SHAPES, 40)])
def test_c_peer_and_twin_move_alarms_alike(shapes, count):
    ruleset, many = sets.site(shapes, count, points=5), 0
    peer = Peer(ruleset, flags=("-std=gnu11", "-O1", "-ffp-contract=off", "-shared", "-fPIC"))
    for seed in range(3):
        steps = sets.rough(800, ruleset.points, seed)
        born_s = float(steps.at_s[0]) - 3.0
        ours = np.array(judged(ruleset, steps, born_s), MOVE)
        theirs = peer.judge(born_s, [steps])
        assert theirs.tolist() == ours.tolist()
        many += len(ours)
    peer.close()
    assert many > count
