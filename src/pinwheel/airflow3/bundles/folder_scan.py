"""Looking at a folder that somebody else may be writing: what is in it, and whether it holds still."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from attrs import frozen

from pinwheel.airflow3.bundles.tree import EXECUTABLE, FILE, SYMLINK
from pinwheel.core.errors import HostError

_CACHE_HEADER = b"pinwheel-folder-cache 1"
_RACY_NS = 2_000_000_000


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


def is_ignored(name: bytes, *, folder: bool) -> bool:
    """What is never part of a version: git's own files and Python's byte code."""
    if name == b".git" or (folder and name == b"__pycache__"):
        return True
    return not folder and name.endswith(b".pyc")


@frozen
class Look:
    """What one scan found."""

    files: dict[bytes, Seen]
    """By relative path, sorted."""
    folders_changed_ns: int
    """When a name last came or went in any folder."""


def scan(root: bytes) -> Look:
    """Every file and symlink below *root*. Sockets, pipes and devices are left out.

    Raises FolderMoved when something vanishes meanwhile and HostError for a folder that may not be read.
    """
    found: dict[bytes, Seen] = {}
    pending = [b""]
    newest = 0
    while pending:
        folder = pending.pop()
        try:
            newest = max(newest, os.stat(os.path.join(root, folder)).st_ctime_ns)
            with os.scandir(os.path.join(root, folder) if folder else root) as entries:
                for entry in entries:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if is_ignored(entry.name, folder=is_folder):
                        continue
                    path = os.path.join(folder, entry.name)
                    if is_folder:
                        pending.append(path)
                        continue
                    facts = entry.stat(follow_symlinks=False)
                    if (mode := _git_mode(facts)) is not None:
                        found[path] = Seen(
                            mode, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino
                        )
        except (FileNotFoundError, NotADirectoryError) as error:
            raise FolderMoved(os.fsdecode(folder)) from error
        except PermissionError as error:
            raise _unreadable(error) from error
    return Look(dict(sorted(found.items())), newest)


def read(root: bytes, path: bytes, seen: Seen) -> bytes:
    """Content of a scanned file, or target of a symlink. Raises FolderMoved if it is not as *seen*."""
    full = os.path.join(root, path)
    try:
        if seen.mode == SYMLINK:
            return os.readlink(full)
        descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            before = _seen(os.fstat(descriptor))
            content = file.read()
            if before != seen or _seen(os.fstat(descriptor)) != seen or len(content) != seen.size:
                raise FolderMoved(os.fsdecode(path))
            return content
    except PermissionError as error:
        raise _unreadable(error) from error
    except OSError as error:
        raise FolderMoved(os.fsdecode(path)) from error


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
    if stat.S_ISLNK(facts.st_mode):
        return SYMLINK
    if stat.S_ISREG(facts.st_mode):
        return EXECUTABLE if facts.st_mode & stat.S_IXUSR else FILE
    return None


def _seen(facts: os.stat_result) -> Seen | None:
    mode = _git_mode(facts)
    if mode is None:
        return None
    return Seen(mode, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)


def _unreadable(error: OSError) -> HostError:
    return HostError(
        "Can not read the folder of the bundle",
        found=f"{error.strerror} ({os.fsdecode(error.filename or '')})",
        remedy="The version in use stays. Give the Dag processor's user read access",
    )
