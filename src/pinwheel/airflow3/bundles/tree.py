"""The files of one version as git sees them: entries by path, and safe walking through their symlinks."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping

from attrs import frozen

from pinwheel.core.errors import HostError, NotFound

FILE, EXECUTABLE, SYMLINK, SUBMODULE = "100644", "100755", "120000", "160000"
_MAXIMUM_HOPS = 20


@frozen
class TreeEntry:
    """One file of a version. ``oid`` names its content: same oid, same bytes."""

    mode: str
    oid: str

    @property
    def is_file(self) -> bool:
        """Regular file, executable or not."""
        return self.mode in (FILE, EXECUTABLE)

    @property
    def content_id(self) -> str:
        """Identity of what a reader finds here: blob id, or what a link or submodule points at."""
        if self.mode == SYMLINK:
            return f"link:{self.oid}"
        return f"commit:{self.oid}" if self.mode == SUBMODULE else self.oid


def decode_path(raw: bytes) -> str:
    """A path as text; bytes that are not UTF-8 survive the way back (:func:`encode_path`)."""
    return raw.decode("utf-8", "surrogateescape")


def encode_path(path: str) -> bytes:
    """The bytes of a path given as text by :func:`decode_path`."""
    return path.encode("utf-8", "surrogateescape")


def parse_tree(listing: bytes) -> dict[str, TreeEntry]:
    """Entries by path from ``git ls-tree -r -z``.

    Raises HostError for a path that would be written outside the version's directory or into a ``.git``:
    git itself never makes one, a hostile repository can.
    """
    entries: dict[str, TreeEntry] = {}
    for line in listing.split(b"\0"):
        if not line:
            continue
        facts, _, raw_path = line.partition(b"\t")
        mode, _, oid = facts.split(b" ")
        path = decode_path(raw_path)
        for component in path.split("/"):
            if component in ("", ".", "..") or component.lower() == ".git":
                raise HostError(
                    "Can not use a bundle version",
                    found=f"its tree holds the unsafe path {path!r}",
                    remedy="Remove that file from the repository",
                )
        entries[path] = TreeEntry(mode.decode(), oid.decode())
    return entries


def below(entries: Mapping[str, TreeEntry], folder: str) -> dict[str, TreeEntry]:
    """The entries inside *folder* (``""`` for all), with paths relative to it."""
    if not folder:
        return dict(entries)
    prefix = folder + "/"
    return {path[len(prefix) :]: entry for path, entry in entries.items() if path.startswith(prefix)}


def sparse(entries: Mapping[str, TreeEntry], folders: list[str] | None) -> dict[str, TreeEntry]:
    """What ``git sparse-checkout set --cone`` keeps: *folders*, and files beside each of their parents."""
    if not folders:
        return dict(entries)
    whole = [folder.strip("/") for folder in folders]
    parents = {""}
    for folder in whole:
        while folder := posixpath.dirname(folder):
            parents.add(folder)
    return {
        path: entry
        for path, entry in entries.items()
        if posixpath.dirname(path) in parents
        or any(path == folder or path.startswith(folder + "/") for folder in whole)
    }


def resolve(
    entries: Mapping[str, TreeEntry], path: str, link_target: Callable[[TreeEntry], bytes]
) -> tuple[str, TreeEntry]:
    """The regular file that *path* means inside the tree, following symlinks that stay inside it.

    Raises NotFound when there is none, and for a link that leaves the tree: nothing outside is ever read.
    """
    rest, hops = path.split("/"), 0
    done: list[str] = []
    while rest:
        component = rest.pop(0)
        if component in ("", "."):
            continue
        if component == "..":
            if not done:
                raise NotFound(f"Can not read {path!r}", found="a link on the way leaves the bundle version")
            done.pop()
            continue
        done.append(component)
        entry = entries.get("/".join(done))
        if entry is None:
            continue
        if entry.mode == SYMLINK:
            hops += 1
            target = decode_path(link_target(entry))
            if target.startswith("/") or hops > _MAXIMUM_HOPS:
                raise NotFound(f"Can not read {path!r}", found="a link on the way leaves the bundle version")
            done.pop()
            rest = [*target.split("/"), *rest]
        elif entry.is_file and not rest:
            return "/".join(done), entry
    raise NotFound(f"Can not read {path!r}", found="the bundle version holds no such file")
