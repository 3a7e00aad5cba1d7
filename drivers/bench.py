"""What both contracts stand on: a driver to be tried, its captures said again on a pseudo-terminal, a watched loop."""

from __future__ import annotations

import inspect
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import ValidationError

from drivers.api import Description
from drivers.buses import open_bus
from drivers.modbus import LineSection
from drivers.replay import Capture, Mood, Replay, Scene
from drivers.watched import Misbehaved, run_watched

Result = TypeVar("Result")

LIMIT_S = 28.0  # a test takes no longer


class Bench(ABC):
    """What an author fills in, and how it is tried."""

    driver: ClassVar[Any]
    section: ClassVar[Mapping[str, Any]] = {}
    captures: ClassVar[str | Sequence[str]] = ()  # patterns, relative to the file of the test; needed on a line
    bus: ClassVar[Mapping[str, Any] | None] = {}  # further keys of the `[bus.x]` table; None: it is on no bus

    def open_bus(self, settings: Mapping[str, Any]) -> AbstractAsyncContextManager[Any]:
        """The bus that the driver gets, from the keys of a `[bus.x]` table. For unusual drivers to override."""
        if self._describe().framings == ("raw",):
            settings = {"framing": "raw", **settings}
        return open_bus("bench", LineSection.model_validate(dict(settings)))

    def test_unknown_keys_are_refused(self) -> None:
        """A typing error in a site file must never pass for a setting."""
        try:
            self._driver().Section.model_validate({**self.section, "no-such-key": 1})
        except ValidationError:
            return
        raise Misbehaved("its Section takes a key that means nothing; inherit drivers.api.Section")

    @abstractmethod
    def _driver(self) -> Any: ...

    @property
    def _base(self) -> Path:
        return Path(inspect.getfile(type(self))).parent

    def _section(self) -> Any:
        return self._driver().Section.model_validate(dict(self.section))

    def _describe(self) -> Description:
        description: Description = self._driver().describe(self._section(), self._base)
        return description

    def _captures(self) -> list[Capture]:
        patterns = [self.captures] if isinstance(self.captures, str) else self.captures
        found = sorted(path for pattern in patterns for path in self._base.glob(pattern))
        must(bool(found), f"no capture found: {list(patterns)} in {self._base}")
        return [Capture.load(path) for path in found]

    def _scenes(self) -> list[Scene]:
        if self.bus is None:
            return [Scene()]
        captures = self._captures()
        self._settings = captures[0].settings
        return [scene for capture in captures for scene in capture.scenes]

    def _on_line(self, scene: Scene, mood: Mood, use: Callable[[Replay, Path], Awaitable[Result]]) -> Result:
        """Run `use` against a line on which a scene is said."""
        self._driver()  # looked up before the loop is watched, and kept: that reads files
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "line"
            with Replay(path, scene, mood) as replay:

                async def main() -> Result:
                    return await use(replay, path)

                return run_watched(main(), LIMIT_S)


def must(holds: bool, otherwise: str) -> None:
    """Raises Misbehaved with what is wrong otherwise."""
    if not holds:
        raise Misbehaved(otherwise)
