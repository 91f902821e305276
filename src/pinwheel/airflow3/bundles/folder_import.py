"""Bringing a folder's files into a mirror: in pieces, in one pack, whatever the files' names and sizes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from pinwheel.airflow3.bundles.folder_scan import FolderMoved
from pinwheel.airflow3.bundles.git_command import PIECE
from pinwheel.airflow3.bundles.mirror import Mirror
from pinwheel.core.errors import HostError

# Equal on every machine, so that equal content gives an equal commit id; do not change, ever.
_COMMIT = (
    b"author Pinwheel <pinwheel@localhost> 0 +0000\n"
    b"committer Pinwheel <pinwheel@localhost> 0 +0000\n"
    b"data 17\nFolder's content.\n"
)
_ODD = re.compile(rb'[^ -~]|["\\]')
_INCOMING = "refs/pinwheel/incoming"


class Import:
    """One ``git fast-import`` at work."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def blob(self, size: int, pieces: Iterable[bytes]) -> str:
        """Store *pieces*, which are *size* bytes; the id of the blob.

        What *pieces* raises is raised; the blob is then of no use.
        """
        oid = hashlib.sha1(b"blob %d\0" % size)
        self._write(b"blob\ndata %d\n" % size)
        left = size
        try:
            for piece in pieces:
                oid.update(piece)
                self._write(piece)
                left -= len(piece)
        finally:
            while left:
                padding = bytes(min(left, PIECE))
                self._write(padding)
                left -= len(padding)
            self._write(b"\n")
        return oid.hexdigest()

    def commit(self, files: Mapping[bytes, tuple[str, str]]) -> None:
        """The commit of exactly these files: mode and blob by path."""
        self._write(f"commit {_INCOMING}\n".encode() + _COMMIT + b"deleteall\n")
        for path, (mode, oid) in files.items():
            self._write(f"M {mode} {oid} ".encode() + _quoted(path) + b"\n")


@contextmanager
def importing(mirror: Mirror) -> Iterator[Import]:
    """Inside ``mirror.fetching()``. Raises GitFailed."""
    moved: FolderMoved | None = None
    with mirror.git.fed("fast-import", "--quiet", "--force", "--done") as write:
        write(b"feature done\n")
        try:
            yield Import(write)
        except FolderMoved as error:
            # Not killed, which would leave a half-made pack: what came so far need not be read again
            moved = error
        write(b"done\n")
    if moved is not None:
        raise moved


def imported(mirror: Mirror, bundle_name: str) -> str:
    """The commit that was imported last. Raises HostError."""
    commit = mirror.resolve(_INCOMING)
    if commit is None:
        raise HostError(f"Can not take a version of bundle {bundle_name!r}", found="git made no commit")
    return commit


def _quoted(path: bytes) -> bytes:
    """A path as ``git fast-import`` reads it whatever bytes it holds."""
    return b'"' + _ODD.sub(lambda found: b"\\%03o" % found[0][0], path) + b'"'
