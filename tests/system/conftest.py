"""Figures that the system tests measure, printed together at the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.system.town import Town

_FIGURES: list[str] = []


@pytest.fixture
def figure() -> Callable[[str], None]:
    """Takes a line to print after the run."""
    return _FIGURES.append


@pytest.fixture
def town() -> Iterator[Town]:
    """A town as it is, its agent guarding."""
    with Town() as up:
        yield up


@pytest.fixture(scope="module")
def shared_town() -> Iterator[Town]:
    """One town for several tests that only ask."""
    with Town() as up:
        yield up


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The kept demo first, the whole demo last: it runs meanwhile (see test_demo)."""
    last = [item for item in items if item.name == "test_the_demo_of_the_command_line_ends_by_itself"]
    items[:] = [item for item in items if item not in last] + last


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    if _FIGURES:
        terminalreporter.section("measured", sep="-")
        for line in _FIGURES:
            terminalreporter.write_line(line)
