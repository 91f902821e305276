"""Looking at a folder that somebody else may be writing: what is in it, and whether it holds still."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from attrs import define, field, frozen

from pinwheel.airflow3.bundles.git_command import PIECE
from pinwheel.airflow3.bundles.tree import (
    EXECUTABLE,
    FILE,
    MOST_FOLDERS_DEEP,
    SYMLINK,
    decode_path,
    shown,
    why_unusable,
)
from pinwheel.core.errors import HostError

_CACHE_HEADER = b"pinwheel-folder-cache 1"
_RACY_NS = 2_000_000_000
_DATA = b"..data"
_SPECIAL = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@frozen
class Seen:
    """One file as ``lstat`` shows it; equal values mean an untouched file (but see :meth:`is_racy`)."""

    mode: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    def is_racy(self, looked_at_ns: int) -> bool:
        """Whether the file could have changed after *looked_at_ns* without a new stamp (coarse clocks)."""
        return max(self.mtime_ns, self.ctime_ns) >= looked_at_ns - _RACY_NS


class FolderMoved(Exception):
    """The folder changed under the scan."""


class Unreadable(Exception):
    """One file can not be read, although it is there; the text says why."""

    def __init__(self, error: OSError) -> None:
        self.forbidden = isinstance(error, PermissionError)
        super().__init__(_reason(error))


def is_ignored(name: bytes, *, folder: bool) -> bool:
    """What is never part of a version: git's own files and Python's byte code."""
    if name.lower() == b".git" or (folder and name == b"__pycache__"):
        return True
    return not folder and name.endswith(b".pyc")


@define
class Look:
    """What one scan found."""

    files: dict[bytes, Seen] = field(factory=dict)
    """By path from the folder, sorted."""
    folders: dict[bytes, int] = field(factory=dict)
    """When a name last came or went in each folder."""
    targets: dict[bytes, bytes] = field(factory=dict)
    """Where the symlinks among the files lead, as the version is to say it."""
    elsewhere: dict[bytes, bytes] = field(factory=dict)
    """Where files lie that Kubernetes' ``..data`` leads to."""
    left_out: dict[bytes, str] = field(factory=dict)
    """What is there and can not be part of a version, with the reason."""

    def differences(self, other: Look) -> set[bytes]:
        """The files that are not the same in both, and the folders, which end with a slash."""
        files = {path for path, seen in self.files.items() if other.files.get(path) != seen}
        files |= other.files.keys() - self.files.keys()
        files |= {
            path
            for mine, its in ((self.targets, other.targets), (self.elsewhere, other.elsewhere))
            for path in mine.keys() | its.keys()
            if mine.get(path) != its.get(path)
        }
        folders = self.folders.keys() | other.folders.keys()
        return files | {path + b"/" for path in folders if self.folders.get(path) != other.folders.get(path)}


def scan(root: bytes) -> Look:
    """Every file and symlink below *root*, and what is left out.

    A folder that Kubernetes fills (a link ``..data`` to the folder of the moment, and links through it) is
    taken as its readers see it. Raises FolderMoved when *root* vanishes, and HostError when it, or for
    another reason than a permission a folder in it, can not be read.
    """
    look = Look()
    links: dict[bytes, bytes] = {}
    pending = [(b"", b"")]
    while pending:
        folder, real = pending.pop()
        try:
            look.folders[folder] = os.stat(_join(root, real)).st_ctime_ns
            with os.scandir(_join(root, real)) as entries:
                found = list(entries)
        except (FileNotFoundError, NotADirectoryError) as error:
            look.folders.pop(folder, None)
            if not folder:
                raise FolderMoved(os.fsdecode(root)) from error
            continue
        except OSError as error:
            look.folders.pop(folder, None)
            if not folder or (not isinstance(error, PermissionError) and error.errno != errno.ENAMETOOLONG):
                raise _unreadable(error) from error
            look.left_out[folder] = _reason(error)
            continue
        data = _data_folder(found)
        for entry in found:
            if data is not None and (entry.name == _DATA or _is_stamped(entry)):
                continue
            path, at = _join(folder, entry.name), _join(real, entry.name)
            try:
                _take(entry, path, at, look, links, pending, data and _join(real, data))
            except FileNotFoundError:
                continue
            except OSError as error:
                look.left_out[path] = _reason(error)
    _settle_links(root, links, look)
    look.files = dict(sorted(look.files.items()))
    return look


def _take(
    entry: os.DirEntry[bytes],
    path: bytes,
    at: bytes,
    look: Look,
    links: dict[bytes, bytes],
    pending: list[tuple[bytes, bytes]],
    data: bytes | None,
) -> None:
    facts = entry.stat(follow_symlinks=False)
    if is_ignored(entry.name, folder=stat.S_ISDIR(facts.st_mode)):
        return
    if stat.S_ISLNK(facts.st_mode):
        target = os.readlink(entry.path)
        if data is None or not target.startswith(_DATA + b"/"):
            links[path] = target
            look.files[path] = _seen(SYMLINK, facts)
            return
        root = entry.path[: -len(at)]
        at = os.path.normpath(data + target[len(_DATA) :])
        facts = os.lstat(root + at)
        if not at.startswith(data + b"/") or stat.S_ISLNK(facts.st_mode):
            look.left_out[path] = "a link through ..data that leads on to elsewhere"
            return
    if at != path:
        look.elsewhere[path] = at
    if stat.S_ISDIR(facts.st_mode):
        if path.count(b"/") >= MOST_FOLDERS_DEEP - 1:
            look.left_out[path] = f"a folder more than {MOST_FOLDERS_DEEP} folders deep"
        else:
            pending.append((path, at))
    elif (mode := _git_mode(facts)) is not None:
        look.files[path] = _seen(mode, facts)
    else:
        look.left_out[path] = _SPECIAL.get(stat.S_IFMT(facts.st_mode), "neither file nor folder")


def _data_folder(entries: list[os.DirEntry[bytes]]) -> bytes | None:
    """Where ``..data`` leads among these entries of one folder, if it is as Kubernetes makes it."""
    for entry in entries:
        if entry.name == _DATA and entry.is_symlink():
            target = os.readlink(entry.path)
            if target.startswith(b"..") and b"/" not in target and target != b"..":
                return target
    return None


def _is_stamped(entry: os.DirEntry[bytes]) -> bool:
    return entry.name.startswith(b"..") and entry.is_dir(follow_symlinks=False)


def _settle_links(root: bytes, links: dict[bytes, bytes], look: Look) -> None:
    """Give each link the target that the version is to say, or leave it out.

    One that takes a way outside to a place inside (an absolute one, say) is made to stay inside.
    """
    for path, target in links.items():
        if why_unusable(decode_path(path), {decode_path(path): target}) is not None:
            real = os.path.realpath(_join(root, path))
            inside = real == root or real.startswith(root.rstrip(b"/") + b"/")
            if inside and os.path.lexists(real):
                start = os.path.dirname(_join(root, path))
                links[path] = os.path.relpath(real, os.path.realpath(start))
    texts = {decode_path(path): target for path, target in links.items()}
    for path, target in links.items():
        reason = why_unusable(decode_path(path), texts)
        if reason is None:
            look.targets[path] = target
        else:
            del look.files[path]
            look.left_out[path] = reason


def pieces(root: bytes, path: bytes, look: Look) -> Iterator[bytes]:
    """Content of a scanned file, or target of a symlink: as many bytes as were seen.

    Raises FolderMoved if the file is not as it was seen, at the latest after the last piece, and Unreadable.
    """
    seen = look.files[path]
    if seen.mode == SYMLINK:
        yield look.targets[path]
        return
    try:
        descriptor = os.open(
            _join(root, look.elsewhere.get(path, path)),
            os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC,
        )
        with open(descriptor, "rb", buffering=0) as file:
            left = seen.size
            moved = _now(descriptor) != seen
            while left and not moved:
                piece = file.read(min(left, PIECE))
                left -= len(piece or b"")
                moved = not piece
                if piece:
                    yield piece
            if moved or file.read(1) or _now(descriptor) != seen:
                raise FolderMoved(os.fsdecode(path))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FolderMoved(os.fsdecode(path)) from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise FolderMoved(os.fsdecode(path)) from error
        raise Unreadable(error) from error


def _join(folder: bytes, name: bytes) -> bytes:
    return b"%b/%b" % (folder, name) if folder and name else folder or name


def save_cache(path: Path, commit: str, looked_at_ns: int, files: dict[bytes, tuple[Seen, str]]) -> None:
    """Remember which content each file had, so that an untouched one is not read again."""
    lines = [_CACHE_HEADER, f"{commit} {looked_at_ns}".encode()]
    for name, (seen, oid) in files.items():
        facts = f"{seen.mode} {seen.size} {seen.mtime_ns} {seen.ctime_ns} {seen.inode} {oid}"
        lines.append(facts.encode() + b"\t" + name)
    writing = path.with_name(f"{path.name}.writing")
    writing.write_bytes(b"\0".join([*lines, b"end"]))
    os.replace(writing, path)


def load_cache(path: Path) -> tuple[str, int, dict[bytes, tuple[Seen, str]]] | None:
    """What :func:`save_cache` stored, or None when there is nothing whole."""
    try:
        header, *lines = path.read_bytes().split(b"\0")
    except FileNotFoundError:
        return None
    if header != _CACHE_HEADER or lines[-1:] != [b"end"]:
        return None
    commit, _, looked_at = lines[0].decode().partition(" ")
    files: dict[bytes, tuple[Seen, str]] = {}
    for line in lines[1:-1]:
        facts, _, name = line.partition(b"\t")
        mode, size, mtime_ns, ctime_ns, inode, oid = facts.decode().split(" ")
        files[name] = (Seen(mode, int(size), int(mtime_ns), int(ctime_ns), int(inode)), oid)
    return commit, int(looked_at), files


def _git_mode(facts: os.stat_result) -> str | None:
    if stat.S_ISREG(facts.st_mode):
        return EXECUTABLE if facts.st_mode & stat.S_IXUSR else FILE
    return None


def _seen(mode: str, facts: os.stat_result) -> Seen:
    return Seen(mode, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)


def _now(descriptor: int) -> Seen | None:
    facts = os.fstat(descriptor)
    mode = _git_mode(facts)
    return None if mode is None else _seen(mode, facts)


def _reason(error: OSError) -> str:
    return f"it can not be read ({error.strerror})"


def _unreadable(error: OSError) -> HostError:
    return HostError(
        "Can not read the folder of the bundle",
        found=f"{error.strerror} ({shown(os.fsdecode(error.filename or ''))})",
        remedy="The version in use stays. Give the Dag processor's user read access",
    )
