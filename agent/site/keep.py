"""Keeps the last good copy of a site's files, for a gateway whose site file is broken. Never edits a site."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from .load import digest_of, is_built_in, load_site, part_files
from .model import Site
from .problems import ConfigErrors, Problem

FORMAT = 1
_MANIFEST = "kept.json"
_COPIES = 2  # the newest, and one before it in case a power cut or a bad card spoils that


def keep_good(site: Site, directory: Path) -> Path:
    """Copy the files of `site` into `directory`, whole or not at all, and return where.

    Each file is written, synced and only then, with a manifest of checksums, given its name by one rename. Built-in
    register maps and models come with the software; recordings, passwords and keys stay where they are. Raises
    OSError, and ConfigErrors when a file has changed since the site was loaded.
    """
    directory.mkdir(parents=True, exist_ok=True)
    number, newest = next(_copies(directory), (0, None))
    if newest is not None and (kept := _manifest(newest)) is not None and kept["digest"] == site.digest:
        return newest
    files = [Path(os.path.abspath(file)) for file in site.files]  # noqa: PTH100 - as named: links are not followed
    root = Path(os.path.commonpath([file.parent for file in files]))
    draft = directory / f".draft-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    sums = {}
    for file in files:
        content = file.read_bytes()
        name = file.relative_to(root).as_posix()
        sums[name] = hashlib.sha256(content).hexdigest()
        _write(draft / name, content)
    manifest = {
        "format": FORMAT,
        "site": files[0].relative_to(root).as_posix(),
        "home": str(files[0].parent),
        "digest": site.digest,
        "files": sums,
    }
    _write(draft / _MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1).encode())
    if not _is_loaded(site, root, draft):
        shutil.rmtree(draft)
        message = "a file has changed since the site was loaded, expected the files of the site that runs"
        raise ConfigErrors([Problem(files[0], 1, None, "", message, "load it again")])
    for folder in {draft, *(path.parent for path in draft.rglob("*"))}:
        _sync(folder)
    copy = directory / f"{number + 1:08d}"
    draft.rename(copy)
    _sync(directory)
    for old_number, old in _copies(directory):
        if old_number <= number + 1 - _COPIES:
            shutil.rmtree(old, ignore_errors=True)
    return copy


def _is_loaded(site: Site, root: Path, draft: Path) -> bool:
    """Whether the files in `draft`, which mirror those below `root`, are those that `site` was made of."""
    parts = part_files(site.devices.values(), site.alarms.values())

    def kept(files: Iterable[Path]) -> dict[Path, bytes]:
        places = (f if is_built_in(f) else draft / Path(os.path.abspath(f)).relative_to(root) for f in files)  # noqa: PTH100
        return {place: place.read_bytes() for place in places}

    read = kept(file for file in site.files if file not in parts)
    return digest_of(next(iter(read)).parent, read, kept(parts)) == site.digest


def load_good(directory: Path) -> Site | None:
    """The site from the newest copy in `directory` that is whole and still loads; None where there is none."""
    for _, copy in _copies(directory):
        manifest = _manifest(copy)
        if manifest is None:
            continue
        try:
            return load_site(copy / manifest["site"], home=Path(manifest["home"]))
        except ConfigErrors:  # made by other software, or it needs a file that is no longer there
            continue
    return None


def _copies(directory: Path) -> Iterator[tuple[int, Path]]:
    """Copies by number, newest first."""
    try:
        names = [entry.name for entry in directory.iterdir() if entry.name.isdecimal()]
    except OSError:
        return
    for name in sorted(names, key=int, reverse=True):
        yield int(name), directory / name


def _manifest(copy: Path) -> dict[str, str] | None:
    """The manifest of a copy, None where any of its files is not as it was kept."""
    try:
        manifest = json.loads((copy / _MANIFEST).read_bytes())
        if manifest["format"] != FORMAT:
            return None
        for name, expected in manifest["files"].items():
            if hashlib.sha256((copy / name).read_bytes()).hexdigest() != expected:
                return None
        return {key: str(manifest[key]) for key in ("site", "home", "digest")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
