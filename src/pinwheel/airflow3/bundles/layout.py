"""Writing the files of one version into a directory, with what an earlier version has as hard links."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from airflow.configuration import conf
from attrs import field, frozen

from pinwheel.airflow3.bundles.tree import (
    EXECUTABLE,
    LONGEST_TARGET,
    SUBMODULE,
    SYMLINK,
    TreeEntry,
    decode_path,
    entry_of,
    lines_of,
    path_of,
    refused,
    shown,
)
from pinwheel.core.bundle_version import LeftOut

_MTIME_START, _MTIME_SPAN = 946_684_800, 631_152_000
_SYNC_FILES_SINGLY = 256
_LISTED_BYTES, _FEW_FILES = 512, 10_000
"""So long is a file's line in a listing at most, on average."""
_UNWRITABLE = (errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EILSEQ)
"""In a new directory these come from the names themselves."""


@frozen
class Limits:
    """What a version may hold at most; 0 is no limit."""

    files: int = 0
    file_bytes: int = 0
    total_bytes: int = 0

    def check_count(self, count: int, listed_bytes: int = 0) -> None:
        """Raises RefusedVersion for too many files, or whose listing is as long as that of many more."""
        if not self.files:
            return
        found = ""
        if count > self.files:
            found = f"it has at least {count:,} files; at most {self.files:,} are taken"
        elif listed_bytes > max(self.files, _FEW_FILES) * _LISTED_BYTES:
            found = f"the list of its files is too long; at most {self.files:,} files are taken"
        if found:
            raise refused(
                found, "The version in use stays. Remove files, or raise [pinwheel] bundle_max_files"
            )

    def check_file(self, path: bytes, size: int) -> None:
        """Raises RefusedVersion for a file that is too large."""
        if self.file_bytes and size > self.file_bytes:
            raise refused(
                f"{shown(decode_path(path))} has {size:,} bytes; at most {self.file_bytes:,} are taken",
                "The version in use stays. Remove the file, or raise [pinwheel] bundle_max_file_bytes",
            )

    def check_total(self, size: int) -> None:
        """Raises RefusedVersion for a version that is too large."""
        if self.total_bytes and size > self.total_bytes:
            raise refused(
                f"its files have more than {self.total_bytes:,} bytes together",
                "The version in use stays. Remove files, or raise [pinwheel] bundle_max_bytes",
            )


@frozen
class Content:
    """What a version's directory is to hold."""

    entries: Mapping[str, TreeEntry] = field(repr=False)
    open: Callable[[TreeEntry], tuple[int, Iterator[bytes]]] = field(repr=False)
    """Size and raw bytes of a file or link target, in pieces; to be taken before the next is opened."""
    left_out: Sequence[LeftOut] = ()
    """What of the version's commit is not among the entries."""
    finish: Callable[[Path], None] | None = None
    """Called on the finished temporary directory, for what is no content (a ``.git``)."""


@frozen
class Near:
    """An earlier version's directory, and what was written into it: ``lines`` gives its record's lines."""

    root: bytes
    lines: Callable[[], Iterable[bytes]]


def mtime_of(oid: str) -> int:
    """Seconds since 1970, by content: equal on every machine, and different contents differ."""
    return _MTIME_START + int(oid[:12], 16) % _MTIME_SPAN


def configured_limits() -> Limits:
    """What a version that is taken in may hold at most, as configured."""
    return Limits(
        files=conf.getint("pinwheel", "bundle_max_files", fallback=1_000_000),
        file_bytes=conf.getint("pinwheel", "bundle_max_file_bytes", fallback=4 << 30),
        total_bytes=conf.getint("pinwheel", "bundle_max_bytes", fallback=20 << 30),
    )


def lay_out(root: bytes, made: Content, near: Sequence[Near], limits: Limits) -> list[bytes]:
    """Write *made* into the new directory *root*; returns ``<mode> <oid> <size> <mtime ns><tab><path>``
    for each file, by path.

    A file that one of *near* has with the same content and mode is a hard link to it, so only what is new is
    read, written and synced. Raises RefusedVersion for what is over *limits* and for names that no directory
    takes, and OSError when the disk does not take it.
    """
    try:
        return _lay_out(root, made, near, limits)
    except OSError as error:
        if error.errno not in _UNWRITABLE:
            raise
        path = os.fsencode(error.filename2 or error.filename or b"")
        raise refused(
            f"its entry {shown(decode_path(path.removeprefix(root + b'/')))} can not be written: "
            f"{error.strerror}",
            "The version in use stays. Give that file another name",
        ) from error


def _lay_out(root: bytes, made: Content, near: Sequence[Near], limits: Limits) -> list[bytes]:
    lines = lines_of(made.entries)
    limits.check_count(len(lines))
    record: list[bytes] = []
    missing: list[int] = []
    links: list[int] = []
    total = 0
    folders, folder = {b""}, b""
    for index, (line, recorded) in enumerate(_beside(lines, near)):
        path = path_of(line)
        parent = path.rpartition(b"/")[0]
        if parent != folder:
            _make_folders(root, parent, folders)
            folder = parent
        record.append(recorded or b"%b 0 0\t%b" % (_key(line), path))
        if line.startswith(_LINK):
            links.append(index)
        elif line.startswith(_MODULE):
            _make_folders(root, path, folders)
        elif recorded is not None and _link(near[0].root, recorded, b"%b/%b" % (root, path)):
            total += _facts(recorded)[0]
        else:
            missing.append(index)
    limits.check_total(total)
    elsewhere = _elsewhere({_key(lines[index]) for index in missing}, near)
    fresh: list[bytes] = []
    for index in missing:
        line = lines[index]
        path = path_of(line)
        target = b"%b/%b" % (root, path)
        source = elsewhere.get(_key(line))
        if source is not None and _link(*source, target):
            size, mtime_ns = _facts(source[1])
            total += size
        else:
            entry = entry_of(line)
            size, pieces = made.open(entry)
            limits.check_file(path, size)
            total += size
            limits.check_total(total)
            mtime_ns = _write_file(target, entry, pieces)
            fresh.append(target)
        record[index] = b"%b %d %d\t%b" % (_key(line), size, mtime_ns, path)
    # Links last: whatever a hostile tree lists twice, no file is written through a link
    for index in links:
        _, pieces = made.open(entry_of(lines[index]))
        os.symlink(_at_most(pieces, LONGEST_TARGET), os.path.join(root, path_of(lines[index])))
    if made.finish is not None:
        made.finish(Path(os.fsdecode(root)))
    _sync(root, fresh)
    return record


_LINK, _MODULE = f"{SYMLINK} ".encode(), f"{SUBMODULE} ".encode()


def _key(line: bytes) -> bytes:
    """Mode and object id of a line."""
    return b" ".join(line[: line.index(b"\t")].split(b" ", 2)[:2])


def _facts(recorded: bytes) -> tuple[int, int]:
    """Size and mtime of a recorded line."""
    _, _, size, mtime_ns = recorded[: recorded.index(b"\t")].split(b" ")
    return int(size), int(mtime_ns)


def _beside(lines: Iterable[bytes], near: Sequence[Near]) -> Iterator[tuple[bytes, bytes | None]]:
    """Each line with that of the nearest version that has the same path, mode and content. Both by path."""
    recorded = iter(near[0].lines() if near else ())
    other, other_path = next(recorded, None), b""
    if other is not None:
        other_path = path_of(other)
    for line in lines:
        tab = line.index(b"\t")
        path = line[tab + 1 :]
        while other is not None and other_path < path:
            other = next(recorded, None)
            if other is not None:
                other_path = path_of(other)
        same = other is not None and other_path == path and other.startswith(line[:tab] + b" ")
        yield line, other if same else None


def _elsewhere(wanted: set[bytes], near: Sequence[Near]) -> dict[bytes, tuple[bytes, bytes]]:
    """For each wanted mode and content a directory and the recorded line of a file there that had it."""
    found: dict[bytes, tuple[bytes, bytes]] = {}
    for one in near if wanted else ():
        for recorded in one.lines():
            key = _key(recorded)
            if key in wanted:
                found.setdefault(key, (one.root, recorded))
    return found


def _make_folders(root: bytes, folder: bytes, made: set[bytes]) -> None:
    todo: list[bytes] = []
    while folder not in made:
        todo.append(folder)
        folder = folder.rpartition(b"/")[0]
    for folder in reversed(todo):
        os.mkdir(os.path.join(root, folder))
        made.add(folder)


def _link(root: bytes, recorded: bytes, target: bytes) -> bool:
    """Hard-link the recorded file below *root* if it is untouched since it was written."""
    source = b"%b/%b" % (root, path_of(recorded))
    try:
        facts = os.lstat(source)
        if not stat.S_ISREG(facts.st_mode) or (facts.st_size, facts.st_mtime_ns) != _facts(recorded):
            return False
        os.link(source, target, follow_symlinks=False)
    except OSError:
        # gone meanwhile, too many links, another owner, another file system: write it instead
        return False
    return True


def _write_file(target: bytes, entry: TreeEntry, pieces: Iterable[bytes]) -> int:
    # Read-only: versions share inodes, and a task must not change the past through one
    mode = 0o555 if entry.mode == EXECUTABLE else 0o444
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[os.write(descriptor, view) :]
        mtime_ns = mtime_of(entry.oid) * 1_000_000_000
        os.utime(descriptor, ns=(mtime_ns, mtime_ns))
    finally:
        os.close(descriptor)
    return mtime_ns


def _at_most(pieces: Iterable[bytes], most: int) -> bytes:
    found = b""
    for piece in pieces:
        found += piece[: most - len(found)]
    return found


def _sync(root: bytes, fresh: list[bytes]) -> None:
    """Get new content onto the disk before its directory gets its final name (power loss).

    Names need none of their own: file systems with a journal keep the order in which names change, and that
    final name comes after all of these.
    """
    if len(fresh) <= _SYNC_FILES_SINGLY:
        for path in fresh:
            sync(path)
        return
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


def sync(path: bytes) -> None:
    """Get one file or folder onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
