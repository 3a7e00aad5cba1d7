"""Opens recorded history: finds out what each path is, and gives all of it as one stream of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import tzinfo
from functools import partial
from pathlib import Path
from typing import Protocol

from agent.site.problems import ConfigErrors, Problem, listed, nearest
from rules.backtest import Steps
from rules.model import PointInfo

from .ahead import WORKERS
from .arrow import require
from .batches import Recording
from .counts import Counts
from .csvfile import CsvFile
from .journal import TELEMETRY, JournalSource
from .mapping import NO_MAPPING, Meaning, files_of, load_mapping
from .merge import merge
from .parquetfile import ParquetFile
from .plan import Planner, unmet
from .rows import Rows, pieces, steps_of
from .source import Source
from .zones import zone_of

STRETCH_SAMPLES = 100_000


class _Stream(Protocol):
    """A recording of any kind."""

    name: str

    def stream(self, counts: Counts, pool: ThreadPoolExecutor | None = None, share: int = 1) -> Iterator[Rows]: ...
    def first_ns(self, counts: Counts) -> int | None: ...


class History:
    """Recordings of some points. `counts` and `span` are of what was read so far: complete after an iteration."""

    def __init__(self, sources: Sequence[_Stream], points: Sequence[PointInfo], notes: Sequence[str]) -> None:
        self._sources = sorted(sources, key=lambda source: source.name)
        self._points = points
        self.notes = tuple(notes)  # what was recognised, and what is not used
        self.counts = Counts(points)

    @property
    def span(self) -> tuple[float, float] | None:
        """First and last wall time of what was read so far, seconds since 1970-01-01 UTC; None when there is none."""
        return self.counts.span

    def stretches(self) -> Iterator[Steps]:
        """All steps in order, from the start; one iteration at a time. Raises ConfigErrors where a file can't be read.

        A journal alone is given as it was judged; everything else in judgement time = UTC seconds.
        """
        counts = self.counts = Counts(self._points)
        counts.notes += self.notes
        if len(self._sources) == 1 and isinstance(self._sources[0], JournalSource):
            yield from self._sources[0].stretches(counts, STRETCH_SAMPLES)
            return
        with ThreadPoolExecutor(WORKERS, "history") as pool:
            for rows in self._merged(counts, pool):
                for piece in pieces(rows, STRETCH_SAMPLES):
                    steps = steps_of(piece)
                    counts.give(piece, steps)
                    yield steps

    def _merged(self, counts: Counts, pool: ThreadPoolExecutor) -> Iterator[Rows]:
        if len(self._sources) == 1:
            return self._sources[0].stream(counts, pool)
        streams = []
        for source in self._sources:
            first_ns = source.first_ns(Counts(self._points))
            if first_ns is None:  # nothing in it is usable: read it for what there is to count
                list(source.stream(counts, pool))
            else:
                streams.append((first_ns, partial(source.stream, counts, pool)))
        return merge(streams, counts, STRETCH_SAMPLES)


def open_history(
    paths: Sequence[Path], points: Sequence[PointInfo], *, mapping: Path | None = None, zone: tzinfo | str
) -> History:
    """Recordings as history. Raises ConfigErrors with everything that is wrong with them and their mappings.

    `paths`: CSV and Parquet files, mapping files (.toml) that name their recordings, the agent's state directory or its
    telemetry.db. `points` are in the order of the rule set. `mapping` is for the CSV and Parquet files among the paths;
    with no paths, for the files that it names. `zone` is for stamps that don't say theirs.
    """
    opening = _Opening(points, zone_of(zone) if isinstance(zone, str) else zone)
    given = opening.mapping(mapping) if mapping else NO_MAPPING
    for path in paths:
        opening.open(path, given)
    if mapping and given and not paths:
        opening.files(given)
    return opening.history()


class _Opening:
    """Opens path after path, and collects what is wrong."""

    def __init__(self, points: Sequence[PointInfo], zone: tzinfo) -> None:
        self._points, self._zone = points, zone
        self._sources: dict[Path, _Stream] = {}
        self._problems: list[Problem] = []
        self._notes: dict[str, list[str]] = {}
        self._used: list[tuple[Meaning, set[str] | None]] = []

    def mapping(self, path: Path) -> Meaning | None:
        """The mapping in a file; None, and what is wrong is told at the end."""
        try:
            return load_mapping(path, self._points)
        except ConfigErrors as errors:
            self._problems += errors.problems
            return None

    def open(self, path: Path, given: Meaning | None) -> None:
        """A path as a person gives it."""
        if path.suffix == ".toml":
            if meaning := self.mapping(path):
                self.files(meaning)
        elif path.is_dir() or path.name == TELEMETRY:
            self._add(path, lambda: JournalSource(path if path.is_dir() else path.parent, self._points))
        elif given is not None:
            self._used.append((given, self._recording(path, given)))

    def files(self, meaning: Meaning) -> None:
        """The recordings that a mapping names."""
        try:
            found = files_of(meaning)
        except ConfigErrors as errors:
            self._problems += errors.problems
            return
        if not found and meaning.document:
            message = 'got nothing, expected the recordings, such as ["river-*.csv"]'
            self._problems.append(Problem(meaning.document.path, 1, None, "files", message))
        for path in found:
            self._used.append((meaning, self._recording(path, meaning)))

    def history(self) -> History:
        """What was opened. Raises ConfigErrors."""
        for meaning in {id(meaning): meaning for meaning, _ in self._used}.values():
            of_each = [names for other, names in self._used if other is meaning]
            if None not in of_each:  # otherwise nobody knows what is in that file
                self._problems += unmet(meaning, {name for names in of_each for name in names or ()})
        if self._problems:
            raise ConfigErrors(self._problems)
        notes = [f"{listed(files)}: {note}" for note, files in sorted(self._notes.items())]
        return History(list(self._sources.values()), self._points, notes)

    def _recording(self, path: Path, meaning: Meaning) -> set[str] | None:
        """Open a file with its mapping; the columns of the mapping that it has, None where it can't be read."""
        planners: list[Planner] = []

        def source() -> Source:
            require(path)
            with path.open("rb") as file:
                is_parquet = file.read(4) == b"PAR1"
            recording: Recording = ParquetFile(path) if is_parquet else CsvFile(path, meaning.table)
            opened = recording.opened
            planner = Planner(path, opened.line, opened.names, meaning, self._points)
            planners.append(planner)
            plan = planner.plan(opened.sample, self._zone, typed_time=opened.typed_time)
            for note in plan.notes:
                self._notes.setdefault(note, []).append(path.name)
            return Source(str(path), recording, plan)

        self._add(path, source)
        return planners[0].used if planners else None

    def _add(self, path: Path, make: Callable[[], _Stream]) -> None:
        try:
            if path.resolve() not in self._sources:
                self._sources[path.resolve()] = make()
        except ConfigErrors as errors:
            self._problems += errors.problems
        except OSError as error:
            near = nearest(path.name, [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else [])
            message = f"the file can't be read: {error.strerror or error}"
            self._problems.append(Problem(path, 1, None, "", message, near))
