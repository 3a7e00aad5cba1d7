"""Owns the reading of a site's files into one tree that remembers where each key came from. Judges no values."""

from __future__ import annotations

import glob
import re
import tomllib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from .places import Path as KeyPath
from .places import Places
from .problems import ConfigErrors, Problem, dotted, nearest, shown

COLLECTIONS = ("zone", "bus", "device", "output", "pattern", "message", "plan", "table", "alarm")
SINGLE = ("site", "uplink", "storage")

_WHERE = re.compile(r"(?s)(.*) \(at (?:line (\d+), column (\d+)|end of document)\)")


class Document:
    """One site as written: `data` is the merged tree, `errors` and `warnings` are what was found wrong so far."""

    def __init__(self, path: Path) -> None:
        """Read the site file at `path` and what it includes. Raises ConfigErrors when it can't be read at all."""
        self.path = path
        self.data: dict[str, Any] = {}
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []
        self.contents: dict[Path, bytes] = {}  # of the files read, the site file first
        self.models: dict[Path, bytes] = {}  # of the models that alarms are made of
        self._texts: dict[Path, str] = {}
        self._places: dict[Path, Places] = {}
        self._origin: dict[KeyPath, Path] = {}
        tree = self._parse(path)
        if tree is None:
            raise ConfigErrors(self.errors)
        includes = tree.pop("include", [])
        self._merge(tree, path)
        for file in self._included(includes):
            if (part := self._parse(file)) is not None:
                self._merge(part, file)

    def collection(self, kind: str) -> dict[str, Any] | None:
        """The tables of `kind` by name, right or wrong; None where it is no table."""
        tables = self.data.get(kind, {})
        return tables if isinstance(tables, dict) else None

    def file(self, path: KeyPath) -> Path:
        """The file in which a key stands."""
        return self._origin.get(path[:2]) or self._origin.get(path[:1]) or self.path

    def error(
        self, path: KeyPath, message: str, hint: str = "", column: int | None = None, *, file: Path | None = None
    ) -> None:
        """Note a mistake at a key, of a model's file where one is given.

        `column` counts from 0 inside the key's string value.
        """
        self.errors.append(self._problem(path, message, hint, column, file))

    def warn(
        self, path: KeyPath, message: str, hint: str = "", column: int | None = None, *, file: Path | None = None
    ) -> None:
        """Note something doubtful at a key, with places as in `error`."""
        self.warnings.append(replace(self._problem(path, message, hint, column, file), severity="warning"))

    def read_model(self, file: Path) -> bytes:
        """The content of a model's file, which the site then depends on. Raises OSError, ValueError."""
        if file not in self.models:
            self.models[file] = content = file.read_bytes()
            self._texts[file] = content.decode("utf-8", "replace").replace("\r\n", "\n")
        return self.models[file]

    def place(self, path: KeyPath) -> str:
        """`file:line` of a key, for messages that name a second place."""
        file = self.file(path)
        return f"{file}:{self._located(file).key(path)[0]}"

    def in_order(self, problems: Iterable[Problem]) -> list[Problem]:
        """Problems by file, line and column, each told once."""
        files = {file: number for number, file in enumerate(self._texts)}
        unique = dict.fromkeys(problems)
        return sorted(unique, key=lambda p: (files.get(p.file, len(files)), p.line, p.column or 0, p.key))

    def _problem(self, path: KeyPath, message: str, hint: str, column: int | None, file: Path | None) -> Problem:
        file = file or self.file(path)
        places = self._located(file)
        inside = places.inside(path, column) if column is not None else None
        line, found = inside or (places.key(path)[0], None)
        return Problem(file, line, found, dotted(path), message, hint)

    def _located(self, file: Path) -> Places:
        if file not in self._places:  # only a site with problems needs places
            self._places[file] = Places(self._texts.get(file, ""))
        return self._places[file]

    def _parse(self, file: Path) -> dict[str, Any] | None:
        try:
            raw = file.read_bytes()
        except (OSError, ValueError) as error:
            self.errors.append(Problem(file, 1, None, "", f"the file can't be read: {_reason(error)}"))
            return None
        try:
            text = raw.decode("utf-8").replace("\r\n", "\n")
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            message = f"got byte 0x{raw[error.start]:02x}, expected UTF-8 text"
            self.errors.append(Problem(file, line, None, "", message, "save the file as UTF-8"))
            return None
        try:
            tree = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
            self.errors.append(_syntax(file, text, error))
            return None
        self._texts[file] = text
        self.contents[file] = raw
        return tree

    def _included(self, includes: object) -> list[Path]:
        if not isinstance(includes, list) or not all(isinstance(item, str) for item in includes):
            message = f'got {shown(includes)}, expected an array of file names such as ["rules.d/*.toml"]'
            self.error(("include",), message)
            return []
        base = self.path.parent
        found: list[Path] = []
        for number, pattern in enumerate(includes):
            try:
                names = sorted(glob.glob(pattern, root_dir=base))  # noqa: PTH207 - takes absolute and ".." patterns too
            except (OSError, ValueError, re.error) as error:
                self.error(("include", number), f"got {shown(pattern)}, which is no file name: {_reason(error)}")
                continue
            if not names and not glob.has_magic(pattern):
                near = nearest(pattern, sorted(p.name for p in base.glob("*.toml")))
                self.error(("include", number), f"got {shown(pattern)}, expected a file that exists", near)
            files = (base / name for name in names)
            found += [file for file in files if file not in found and file != self.path]
        return found

    def _merge(self, tree: dict[str, Any], file: Path) -> None:
        for key, value in tree.items():
            if key in COLLECTIONS and isinstance(value, dict):
                held = self.data.setdefault(key, {})
                if not isinstance(held, dict):
                    continue  # told already: what the first file has is no table
                for name, item in value.items():
                    self._put(held, (key, name), item, file)
            elif key == "include":
                line = self._located(file).key((key,))[0]
                message = "got an include in an included file, expected it in the site file only"
                self.errors.append(Problem(file, line, None, key, message))
            else:
                self._put(self.data, (key,), value, file)

    def _put(self, held: dict[str, Any], path: KeyPath, value: Any, file: Path) -> None:
        if path[-1] in held:
            line = self._located(file).key(path)[0]
            first = self.place(path)
            message = f"given twice: here and at {first}"
            self.errors.append(Problem(file, line, None, dotted(path), message, "keep one of them"))
            return
        held[str(path[-1])] = value
        self._origin[path] = file


def _reason(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def _syntax(file: Path, text: str, error: Exception) -> Problem:
    last = text.count("\n") + 1
    if isinstance(error, RecursionError):
        return Problem(file, 1, None, "", "not TOML: nested too deeply")
    found = _WHERE.fullmatch(str(error))
    if found is None:
        return Problem(file, 1, None, "", f"not TOML: {error}")
    message = f"not TOML: {found[1][:1].lower()}{found[1][1:]}"
    if found[2] is None:
        return Problem(file, last, None, "", f"{message} at the end of the file")
    return Problem(file, int(found[2]), int(found[3]), "", message)
