"""Immutable directories of bundle versions on disk: written aside, recorded, renamed into place.

Beside Airflow's ``versions/<version>`` (which its stale-version clean-up removes as a whole) there are
``records/<version>``: what was written, ``left-out/<version>``: what was not, ``locks/`` and ``tmp/``. A
directory without a record, or with a recorded file missing, is what a killed clean-up or another bundle class
left, and is made anew.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import AbstractContextManager, closing, suppress
from functools import partial
from pathlib import Path

from pinwheel.airflow3.bundles.git_command import PIECE
from pinwheel.airflow3.bundles.layout import Content, Limits, Near, lay_out, sync
from pinwheel.airflow3.bundles.locks import file_lock
from pinwheel.airflow3.bundles.tree import Listing, decode_path, encode_path, path_of
from pinwheel.core.bundle_version import LeftOut
from pinwheel.core.errors import HostError

log = logging.getLogger(__name__)

# Sorted by path since 2
_RECORD_HEADER, _RECORD_END = b"pinwheel-version-record 2\0", b"\0end"
_MOST_LEFT_OUT = 200


class VersionStore:
    """The directories of one bundle. Safe for threads, processes and a kill at any instruction."""

    def __init__(self, base: Path, versions: Path) -> None:
        self.base = base
        self.versions = versions
        self.records = base / "records"
        self.notes = base / "left-out"
        self.locks = base / "locks"
        self.temporary = base / "tmp"

    def complete(self, version: str) -> bool:
        """Whether every file that was written for *version* is (still) there. Takes no lock."""
        root = self.versions / version
        lines = self._lines(version)
        if lines is None:
            return False
        with closing(lines):
            return root.is_dir() and _all_there(os.fsencode(root), map(path_of, lines))

    def record(self, version: str) -> Listing | None:
        """What was written for *version*, or None."""
        lines = self._lines(version)
        return None if lines is None else Listing(list(lines))

    def _lines(self, version: str) -> Generator[bytes] | None:
        path = self.records / version
        try:
            with open(path, "rb") as file:
                header = file.read(len(_RECORD_HEADER))
                file.seek(max(file.seek(0, os.SEEK_END) - len(_RECORD_END), 0))
                whole = header == _RECORD_HEADER and file.read() == _RECORD_END
        except FileNotFoundError:
            return None
        return _split(path) if whole else None

    def left_out(self, version: str) -> tuple[LeftOut, ...]:
        """What of its source *version* does not hold, and why; of very many the first, and their number."""
        try:
            raw = (self.notes / version).read_bytes()
        except FileNotFoundError:
            return ()
        parts = [decode_path(part) for part in raw.split(b"\0")]
        return tuple(LeftOut(path, reason) for path, reason in zip(parts[::2], parts[1::2], strict=False))

    def note_left_out(self, version: str, left_out: Sequence[LeftOut]) -> None:
        """Remember what *version* does not hold, instead of what was remembered. Raises OSError."""
        if self.left_out(version) == (left_out := _bounded(left_out)):
            return
        self.notes.mkdir(parents=True, exist_ok=True)
        with file_lock(self.locks / "left-out"):
            writing = self.notes / f"{version}.writing"
            writing.write_bytes(
                b"\0".join(encode_path(text) for one in left_out for text in (one.path, one.reason))
            )
            os.rename(writing, self.notes / version)

    def ensure(
        self,
        version: str,
        content: Callable[[], AbstractContextManager[Content]],
        *,
        near: tuple[str, ...] = (),
        limits: Limits | None = None,
    ) -> Path:
        """The directory of *version*, made from *content()* if it is not there.

        Files that a recent version (first those of *near*) has with the same content are hard links. Waits
        for another maker of the same version only. Raises HostError when the disk does not take it, and
        RefusedVersion for what is over *limits* or has names that no directory takes; what was there before
        stays.
        """
        target = self.versions / version
        if self.complete(version):
            return target
        making = self.temporary / version
        try:
            with file_lock(self.locks / f"{version}.version"):
                if self.complete(version):
                    return target
                try:
                    with content() as made:
                        _remove(making)
                        self.temporary.mkdir(parents=True, exist_ok=True)
                        os.mkdir(making)
                        root = os.fsencode(making)
                        record = lay_out(root, made, self._near(version, near), limits or Limits())
                        self.note_left_out(version, made.left_out)
                        self._put_in_place(version, making, record)
                except BaseException:
                    with suppress(OSError):
                        _remove(making)
                    raise
        except OSError as error:
            raise HostError(
                f"Can not write bundle version {version}",
                found=f"{error.strerror or error} ({making})",
                remedy="The version in use stays. Free or mount space for [dag_processor] "
                "dag_bundle_storage_path, or mend its permissions",
            ) from error
        return target

    def sweep(self) -> None:
        """Remove what killed makers and Airflow's clean-up left: directories, records, lock files."""
        with suppress(OSError):
            leftovers = {path.name.removesuffix(".old") for path in _children(self.temporary)}
            present = {path.name for path in _children(self.versions)}
            recorded = {path.name for path in (*_children(self.records), *_children(self.notes))}
            writing = {name.removesuffix(".writing") for name in recorded if name.endswith(".writing")}
            gone = {name for name in recorded if not name.endswith(".writing")} - present
            locks = {path.name.removesuffix(".version") for path in self.locks.glob("*.version")}
            for version in leftovers | writing | gone | (locks - present):
                lock = self.locks / f"{version}.version"
                with file_lock(lock, wait=False, remove=True) as held:
                    if not held:
                        continue
                    _remove(self.temporary / version)
                    _remove(self.temporary / f"{version}.old")
                    for folder in (self.records, self.notes):
                        (folder / f"{version}.writing").unlink(missing_ok=True)
                    if not (self.versions / version).exists():
                        (self.records / version).unlink(missing_ok=True)
                        (self.notes / version).unlink(missing_ok=True)

    def newest(self) -> list[str]:
        """Recorded versions, most recently written first."""
        found: list[tuple[float, str]] = []
        for path in _children(self.records):
            with suppress(FileNotFoundError):
                if not path.name.endswith(".writing"):
                    found.append((path.stat().st_mtime, path.name))
        return [name for _, name in sorted(found, reverse=True)]

    # -- writing ------------------------------------------------------------------------------------------

    def _near(self, version: str, near: tuple[str, ...]) -> list[Near]:
        """The two recorded versions to take unchanged files from."""
        found: list[Near] = []
        for name in dict.fromkeys((*near, *self.newest())):
            root = self.versions / name
            if name != version and root.is_dir() and (lines := self._lines(name)) is not None:
                with closing(lines):
                    found.append(Near(os.fsencode(root), partial(self._again, name)))
                if len(found) == 2:
                    break
        return found

    def _again(self, version: str) -> Iterable[bytes]:
        return self._lines(version) or ()

    def _put_in_place(self, version: str, making: Path, record: list[bytes]) -> None:
        # The record first: a directory is complete only with a record, a record alone means nothing
        self.records.mkdir(parents=True, exist_ok=True)
        writing = self.records / f"{version}.writing"
        with open(writing, "wb") as file:
            file.write(_RECORD_HEADER)
            file.writelines(line + b"\0" for line in record)
            file.write(_RECORD_END.removeprefix(b"\0") if record else _RECORD_END)
            file.flush()
            os.fsync(file.fileno())
        target = self.versions / version
        self.versions.mkdir(parents=True, exist_ok=True)
        old = self.temporary / f"{version}.old"
        _remove(old)
        if os.path.lexists(target):
            os.rename(target, old)
        os.rename(writing, self.records / version)
        os.rename(making, target)
        sync(os.fsencode(self.records))
        sync(os.fsencode(self.versions))
        _remove(old)


def _split(path: Path) -> Generator[bytes]:
    with open(path, "rb") as file:
        file.seek(len(_RECORD_HEADER))
        rest = b""
        while piece := file.read(PIECE):
            *lines, rest = (rest + piece).split(b"\0")
            yield from filter(None, lines)


def _all_there(root: bytes, paths: Iterable[bytes]) -> bool:
    listed: dict[bytes, set[bytes]] = {}
    folder: bytes | None = None
    names: set[bytes] = set()
    try:
        for path in paths:
            parent, _, name = path.rpartition(b"/")
            if parent != folder:
                # By path: a folder that does not hold this one does not come again
                listed = {
                    at: its for at, its in listed.items() if not at or (parent + b"/").startswith(at + b"/")
                }
                if parent not in listed:
                    listed[parent] = set(os.listdir(os.path.join(root, parent)))
                folder, names = parent, listed[parent]
            if name not in names:
                return False
    except OSError:
        return False
    return True


def _bounded(left_out: Sequence[LeftOut]) -> tuple[LeftOut, ...]:
    if len(left_out) <= _MOST_LEFT_OUT:
        return tuple(left_out)
    rest = len(left_out) - _MOST_LEFT_OUT + 1
    return (*left_out[: _MOST_LEFT_OUT - 1], LeftOut("…", f"and {rest:,} more"))


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
