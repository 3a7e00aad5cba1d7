"""Recordings that tests write, and a slow, obvious reader to compare with."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent.history import History, open_history
from rules.model import PointInfo


class Written:
    """A directory of recordings; reads them and checks that all adds up."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def read(self, paths: Path | Sequence[Path], points: Sequence[PointInfo], zone: str = "UTC", **more: Any):
        """Every reading as (seconds, point name, value, quality), and the history."""
        history = open_history([paths] if isinstance(paths, Path) else paths, points, zone=zone, **more)
        return readings_of(history, points), history


def readings_of(history: History, points: Sequence[PointInfo]) -> list[tuple[float, str, float, int]]:
    found = []
    last_s = -np.inf
    for steps in history.stretches():
        assert steps.first[0] == 0
        assert steps.first[-1] == len(steps.point) == len(steps.value) == len(steps.quality)
        assert len(steps.first) == len(steps.at_s) + 1
        assert (np.diff(steps.first) > 0).all()
        assert (np.diff(steps.at_s, prepend=last_s) >= 0).all()
        last_s = steps.at_s[-1]
        for k, at_s in enumerate(steps.at_s.tolist()):
            span = slice(steps.first[k], steps.first[k + 1])
            cells = zip(
                steps.point[span].tolist(), steps.value[span].tolist(), steps.quality[span].tolist(), strict=True
            )
            found += [(at_s, points[point].name, value, quality) for point, value, quality in cells]
    adds_up(history)
    assert history.counts.steps == len({at_s for at_s, *_ in found})
    assert sum(point.readings for point in history.counts.points.values()) == len(found)
    return found


def adds_up(history: History) -> None:
    """No row and no cell is lost from sight."""
    counts = history.counts
    for file in counts.files.values():
        assert file.rows == file.steps + file.merged + sum(file.dropped.values())
        if file.lines:
            assert file.lines == file.rows + file.blank + file.continued
    for point in counts.points.values():
        assert point.cells == point.readings + sum(point.dropped.values()) + point.empty
    assert counts.steps == sum(file.steps for file in counts.files.values()) - counts.joined


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path)


@pytest.fixture
def gauge() -> Callable[..., PointInfo]:
    def make(name: str = "gauge.level", unit: str = "m", **more: Any) -> PointInfo:
        return PointInfo(name, unit, more.pop("stale_after_s", 600.0), **more)

    return make
