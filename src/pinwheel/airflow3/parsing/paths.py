"""From the paths that a process uses to paths relative to the bundle, through symbolic links."""

from __future__ import annotations

import os
from collections import OrderedDict

_MOST_REPOSITORIES = 500
_repositories: OrderedDict[str, str] = OrderedDict()


def remember_repository(bundle_path: str, root: str) -> None:
    """Say that this directory of a bundle is a folder in that of its repository, for parsers to come."""
    _repositories[bundle_path] = root
    while len(_repositories) > _MOST_REPOSITORIES:
        _repositories.popitem(last=False)


def repository_of(bundle_path: str) -> str:
    """The directory of the repository that holds a bundle's; the bundle's own where it is all there is."""
    return _repositories.get(bundle_path, bundle_path)


def subdir_of(bundle_path: str, root: str) -> str:
    """The folder of the repository in which a bundle's directory lies; empty: it is all of it."""
    relative = os.path.relpath(bundle_path, root).replace(os.sep, "/")
    return "" if relative == "." else relative


class BundlePaths:
    """Names places below one bundle directory, which may itself be reached through a link."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        self.real_root = os.path.realpath(root)
        self._is_link: dict[str, bool] = {}

    def absolute(self, relative: str) -> str:
        return os.path.join(self.root, relative) if relative else self.root

    def relative(self, path: str) -> str | None:
        """*path* relative to the bundle, "" for the bundle itself, None for a path outside."""
        for root in (self.root, self.real_root):
            if path == root:
                return ""
            if path.startswith(root + os.sep):
                return path[len(root) + 1 :].replace(os.sep, "/")
        return None

    def places(self, relative: str) -> list[str]:
        """What a reader of this path depends on: the place itself, or each link on the way and its target."""
        found: list[str] = []
        for _ in range(20):
            link = self._first_link(relative)
            if link is None:
                found.append(relative)
                return found
            found.append(link)
            target = os.path.join(os.path.dirname(self.absolute(link)), os.readlink(self.absolute(link)))
            rest = relative[len(link) :]
            inside = self.relative(os.path.normpath(target + rest))
            if inside is None:
                return found
            relative = inside
        return found

    def _first_link(self, relative: str) -> str | None:
        end = relative.find("/")
        while True:
            part = relative if end < 0 else relative[:end]
            is_link = self._is_link.get(part)
            if is_link is None:
                is_link = self._is_link[part] = os.path.islink(self.absolute(part))
            if is_link:
                return part
            if end < 0:
                return None
            end = relative.find("/", end + 1)
