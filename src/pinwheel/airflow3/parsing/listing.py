"""Which files a bundle version's directory holds: walked once in the manager, inherited by each parser."""

from __future__ import annotations

import os
import stat
from bisect import bisect_left
from collections import OrderedDict
from itertools import islice, takewhile

from attrs import field, frozen

MOST_FILES = 50_000
_SKIPPED = frozenset({"__pycache__", ".git", ".hg", ".svn"})
_KEPT_LISTINGS = 16


@frozen(kw_only=True)
class BundleListing:
    """Paths are posix and relative to *root*. Links to directories are not walked."""

    root: str
    files: frozenset[str] = field(default=frozenset(), repr=False)
    basenames: frozenset[str] = field(default=frozenset(), repr=False)
    """The names of all files, without their folders."""
    folders: frozenset[str] = field(default=frozenset(), repr=False)
    folder_names: frozenset[str] = field(default=frozenset(), repr=False)
    links: bool = False
    """Whether some directory is a symbolic link, so that files have more paths than ``files`` says."""
    complete: bool = True
    _sorted: list[str] = field(factory=list, repr=False, eq=False)

    @property
    def knows_all_names(self) -> bool:
        """True when a name that is not in ``basenames`` is that of no file."""
        return self.complete and not self.links

    def below(self, folder: str) -> list[str]:
        """The files in a folder and in all folders in it, sorted."""
        if not self._sorted:
            self._sorted.extend(sorted(self.files))
        prefix = f"{folder}/" if folder else ""
        start = bisect_left(self._sorted, prefix)
        found = takewhile(lambda path: path.startswith(prefix), islice(self._sorted, start, None))
        return list(found)

    def has(self, path: str) -> bool:
        """True when there is a file at *path*."""
        if path in self.files:
            return True
        if self.knows_all_names:
            return False
        return os.path.isfile(os.path.join(self.root, path))


_listings: OrderedDict[tuple[str, int], BundleListing] = OrderedDict()


def listing_of(root: str) -> BundleListing:
    """The files below *root*, which holds one bundle version and so never changes.

    A directory that was replaced by another one at the same path is noticed (by its inode).
    """
    try:
        facts = os.stat(root)
    except OSError:
        return BundleListing(root=root)
    key = (root, facts.st_ino)
    known = _listings.get(key)
    if known is None:
        known = _listings[key] = _walk(root)
        while len(_listings) > _KEPT_LISTINGS:
            _listings.popitem(last=False)
    else:
        _listings.move_to_end(key)
    return known


def _walk(root: str) -> BundleListing:
    files: set[str] = set()
    folders: set[str] = set()
    links = False
    pending = [""]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as entries:
                for entry in entries:
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if entry.name not in _SKIPPED:
                            pending.append(path)
                            folders.add(path)
                    elif entry.is_symlink() and stat.S_ISDIR(_mode(entry)):
                        links = True
                    elif not entry.name.endswith(".pyc"):
                        files.add(path)
        except OSError:
            continue
        if len(files) > MOST_FILES:
            return BundleListing(root=root, links=links, complete=False)
    return BundleListing(
        root=root,
        files=frozenset(files),
        basenames=frozenset(path.rpartition("/")[2] for path in files),
        folders=frozenset(folders),
        folder_names=frozenset(path.rpartition("/")[2] for path in folders),
        links=links,
    )


def _mode(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat().st_mode
    except OSError:
        return 0
