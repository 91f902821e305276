"""Immutable directories of bundle versions on disk: written aside, recorded, renamed into place.

Beside Airflow's ``versions/<version>`` (which its stale-version clean-up removes as a whole) there are
``records/<version>``: what was written, ``locks/`` and ``tmp/``. A directory without a record, or with a
recorded file missing, is what a killed clean-up or another bundle class left, and is made anew.
"""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from attrs import field, frozen

from pinwheel.airflow3.bundles.locks import file_lock
from pinwheel.airflow3.bundles.tree import (
    EXECUTABLE,
    FILE,
    SUBMODULE,
    SYMLINK,
    TreeEntry,
    decode_path,
    encode_path,
)
from pinwheel.core.errors import HostError

log = logging.getLogger(__name__)

_RECORD_HEADER = b"pinwheel-version-record 1"
_MTIME_START, _MTIME_SPAN = 946_684_800, 631_152_000
_SYNC_FILES_SINGLY = 16


@frozen
class Written:
    """One recorded file: what it is and how its inode looked when it was written."""

    entry: TreeEntry
    size: int
    mtime_ns: int


@frozen
class Content:
    """What a version's directory is to hold."""

    entries: Mapping[str, TreeEntry] = field(repr=False)
    read: Callable[[TreeEntry], bytes] = field(repr=False)
    """Raw bytes of a file or link target."""
    finish: Callable[[Path], None] | None = None
    """Called on the finished temporary directory, for what is no content (a ``.git``)."""


def mtime_of(oid: str) -> int:
    """Seconds since 1970, by content: equal on every machine, and different contents differ."""
    return _MTIME_START + int(oid[:12], 16) % _MTIME_SPAN


class VersionStore:
    """The directories of one bundle. Safe for threads, processes and a kill at any instruction."""

    def __init__(self, base: Path, versions: Path) -> None:
        self.base = base
        self.versions = versions
        self.records = base / "records"
        self.locks = base / "locks"
        self.temporary = base / "tmp"

    def complete(self, version: str) -> bool:
        """Whether every file that was written for *version* is (still) there. Takes no lock."""
        record = self.record(version)
        if record is None or not (self.versions / version).is_dir():
            return False
        root = os.fsencode(self.versions / version)
        by_folder: dict[bytes, set[bytes]] = {}
        for path in record:
            folder, name = os.path.split(encode_path(path))
            by_folder.setdefault(folder, set()).add(name)
        try:
            return all(
                names.issubset(os.listdir(os.path.join(root, folder))) for folder, names in by_folder.items()
            )
        except OSError:
            return False

    def record(self, version: str) -> dict[str, Written] | None:
        """What was written for *version*, or None."""
        try:
            raw = (self.records / version).read_bytes()
        except FileNotFoundError:
            return None
        header, *lines = raw.split(b"\0")
        if header != _RECORD_HEADER or lines[-1:] != [b"end"]:
            return None
        record: dict[str, Written] = {}
        for line in lines[:-1]:
            facts, _, path = line.partition(b"\t")
            mode, oid, size, mtime_ns = facts.decode().split(" ")
            record[decode_path(path)] = Written(TreeEntry(mode, oid), int(size), int(mtime_ns))
        return record

    def ensure(
        self,
        version: str,
        content: Callable[[], AbstractContextManager[Content]],
        *,
        near: tuple[str, ...] = (),
    ) -> Path:
        """The directory of *version*, made from *content()* if it is not there.

        Files that a recent version (first those of *near*) has with the same content are hard links. Waits
        for another maker of the same version only. Raises HostError when the disk does not take it; what
        was there before stays.
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
                        written = self._write(making, made, self._near(version, near))
                        self._put_in_place(version, making, written)
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
            writing = {path.name.removesuffix(".writing") for path in self.records.glob("*.writing")}
            gone = {path.name for path in _children(self.records) if path.suffix != ".writing"} - present
            locks = {path.name.removesuffix(".version") for path in self.locks.glob("*.version")}
            for version in leftovers | writing | gone | (locks - present):
                lock = self.locks / f"{version}.version"
                with file_lock(lock, wait=False, remove=True) as held:
                    if not held:
                        continue
                    _remove(self.temporary / version)
                    _remove(self.temporary / f"{version}.old")
                    (self.records / f"{version}.writing").unlink(missing_ok=True)
                    if not (self.versions / version).exists():
                        (self.records / version).unlink(missing_ok=True)

    def newest(self) -> list[str]:
        """Recorded versions, most recently written first."""
        found: list[tuple[float, str]] = []
        for path in _children(self.records):
            with suppress(FileNotFoundError):
                if not path.name.endswith(".writing"):
                    found.append((path.stat().st_mtime, path.name))
        return [name for _, name in sorted(found, reverse=True)]

    # -- writing ------------------------------------------------------------------------------------------

    def _near(self, version: str, near: tuple[str, ...]) -> dict[TreeEntry, tuple[bytes, Written]]:
        """For each content, a file on disk that had it when it was written."""
        sources: dict[TreeEntry, tuple[bytes, Written]] = {}
        used = 0
        for name in dict.fromkeys((*near, *self.newest())):
            if name == version or used == 2:
                continue
            record = self.record(name) if (self.versions / name).is_dir() else None
            if record is None:
                continue
            used += 1
            root = os.fsencode(self.versions / name)
            for path, written in record.items():
                if written.entry.is_file:
                    sources.setdefault(written.entry, (os.path.join(root, encode_path(path)), written))
        return sources

    def _write(
        self, making: Path, made: Content, near: Mapping[TreeEntry, tuple[bytes, Written]]
    ) -> dict[str, Written]:
        making.parent.mkdir(parents=True, exist_ok=True)
        os.mkdir(making)
        root = os.fsencode(making)
        folders: set[bytes] = {b""}
        for path, entry in made.entries.items():
            raw = encode_path(path)
            _make_folders(root, raw if entry.mode == SUBMODULE else os.path.dirname(raw), folders)
        written: dict[str, Written] = {}
        fresh: list[bytes] = []
        # Links last: whatever a hostile tree lists twice, no file is written through a link
        for path, entry in sorted(made.entries.items(), key=lambda item: item[1].mode == SYMLINK):
            target = os.path.join(root, encode_path(path))
            if entry.mode == SYMLINK:
                os.symlink(made.read(entry), target)
                written[path] = Written(entry, 0, 0)
            elif entry.mode == SUBMODULE:
                written[path] = Written(entry, 0, 0)
            elif entry.mode in (FILE, EXECUTABLE):
                source = near.get(entry)
                if source is not None and _link(*source, target):
                    written[path] = source[1]
                else:
                    written[path] = _write_file(target, entry, made.read(entry))
                    fresh.append(target)
            else:
                raise HostError(f"Can not write {path!r}", found=f"git mode {entry.mode} has no meaning here")
        if made.finish is not None:
            made.finish(making)
        _sync(root, fresh, folders)
        return written

    def _put_in_place(self, version: str, making: Path, written: Mapping[str, Written]) -> None:
        # The record first: a directory is complete only with a record, a record alone means nothing
        self.records.mkdir(parents=True, exist_ok=True)
        lines = [_RECORD_HEADER]
        for path, facts in written.items():
            text = f"{facts.entry.mode} {facts.entry.oid} {facts.size} {facts.mtime_ns}"
            lines.append(text.encode() + b"\t" + encode_path(path))
        writing = self.records / f"{version}.writing"
        with open(writing, "wb") as file:
            file.write(b"\0".join([*lines, b"end"]))
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
        _sync_folder(os.fsencode(self.records))
        _sync_folder(os.fsencode(self.versions))
        _remove(old)


def _children(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _make_folders(root: bytes, folder: bytes, made: set[bytes]) -> None:
    if folder in made:
        return
    _make_folders(root, os.path.dirname(folder), made)
    os.mkdir(os.path.join(root, folder))
    made.add(folder)


def _link(source: bytes, written: Written, target: bytes) -> bool:
    """Hard-link *source* if it is untouched since it was written."""
    try:
        facts = os.lstat(source)
        if (
            not stat.S_ISREG(facts.st_mode)
            or facts.st_size != written.size
            or facts.st_mtime_ns != written.mtime_ns
        ):
            return False
        os.link(source, target, follow_symlinks=False)
    except OSError:
        # gone meanwhile, too many links, another owner, another file system: write it instead
        return False
    return True


def _write_file(target: bytes, entry: TreeEntry, content: bytes) -> Written:
    # Read-only: versions share inodes, and a task must not change the past through one
    mode = 0o555 if entry.mode == EXECUTABLE else 0o444
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        mtime_ns = mtime_of(entry.oid) * 1_000_000_000
        os.utime(descriptor, ns=(mtime_ns, mtime_ns))
    finally:
        os.close(descriptor)
    return Written(entry, len(content), mtime_ns)


def _sync(root: bytes, fresh: list[bytes], folders: set[bytes]) -> None:
    """Get new files onto the disk before their directory gets its final name (power loss)."""
    if len(fresh) + len(folders) > _SYNC_FILES_SINGLY:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
            if syncfs is None:
                os.sync()
            elif syncfs(descriptor) != 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
        finally:
            os.close(descriptor)
        return
    for path in fresh:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    for folder in folders:
        _sync_folder(os.path.join(root, folder))


def _sync_folder(folder: bytes) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
