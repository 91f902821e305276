"""The files of one version as git sees them: entries by path, and safe walking through their symlinks."""

from __future__ import annotations

import posixpath
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping

from attrs import frozen

from pinwheel.core.bundle_version import LeftOut
from pinwheel.core.errors import InvalidInput, NotFound, RefusedVersion
from pinwheel.core.text import fit

FILE, EXECUTABLE, SYMLINK, SUBMODULE = "100644", "100755", "120000", "160000"
MOST_FOLDERS_DEEP = 200
"""Python's own ways to walk and to remove folders end at some hundreds."""
LONGEST_TARGET = 4095
"""What a symlink can hold."""
_KINDS = {EXECUTABLE: "executable:", SYMLINK: "link:", SUBMODULE: "commit:"}
_MAXIMUM_HOPS = 20
_MAXIMUM_STEPS = 1000
"""From folder to folder, on the way of one link: thousands of links of as many steps are soon too many."""
_ABSURD_LINE = 1 << 16
_MODES = {mode.encode(): mode for mode in (FILE, EXECUTABLE, SYMLINK, SUBMODULE)}


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
        """Identity of what a reader finds here: blob id, or what a link or submodule points at.

        Whether a file may be executed is a part of it: a program that starts it finds another one.
        """
        return f"{_KINDS.get(self.mode, '')}{self.oid}"


class Listing(Mapping[str, TreeEntry]):
    """Entries by path, kept as the lines ``<mode> <oid>…<tab><path>``: for 200,000 files a sixth of a dict.

    *lines* are sorted by path, each path once.
    """

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines

    def __len__(self) -> int:
        return len(self.lines)

    def __iter__(self) -> Iterator[str]:
        return (decode_path(path_of(line)) for line in self.lines)

    def __getitem__(self, path: str) -> TreeEntry:
        try:
            raw = encode_path(path)
        except UnicodeEncodeError as error:
            raise KeyError(path) from error
        index = bisect_left(self.lines, raw, key=path_of)
        if index == len(self.lines) or path_of(self.lines[index]) != raw:
            raise KeyError(path)
        return entry_of(self.lines[index])


def path_of(line: bytes) -> bytes:
    """The path in one of a listing's lines."""
    return line[line.index(b"\t") + 1 :]


def lines_of(entries: Mapping[str, TreeEntry]) -> list[bytes]:
    """*entries* as lines ``<mode> <oid>…<tab><path>``, sorted by path."""
    if isinstance(entries, Listing):
        return entries.lines
    found = [f"{entry.mode} {entry.oid}\t".encode() + encode_path(path) for path, entry in entries.items()]
    found.sort(key=path_of)
    return found


def entry_of(line: bytes) -> TreeEntry:
    """The entry that one of a listing's lines stands for."""
    mode, oid = line[: line.index(b"\t")].split(b" ", 2)[:2]
    return TreeEntry(_MODES[mode], oid.decode())


def decode_path(raw: bytes) -> str:
    """A path as text; bytes that are not UTF-8 survive the way back (:func:`encode_path`)."""
    return raw.decode("utf-8", "surrogateescape")


def encode_path(path: str) -> bytes:
    """The bytes of a path given as text by :func:`decode_path`."""
    return path.encode("utf-8", "surrogateescape")


def shown(path: str) -> str:
    """A path for a message: quoted, printable, and not longer than one reads."""
    return fit(ascii(path), 300)


def refused(found: str, remedy: str) -> RefusedVersion:
    """The refusal of a tree; whoever knows bundle and version adds them."""
    return RefusedVersion("Can not use a bundle version", found=found, remedy=remedy)


def parse_tree(
    pieces: Iterable[bytes],
    *,
    wanted: Callable[[str], bool] | None = None,
    check: Callable[[int, int], object] | None = None,
) -> Listing:
    """Entries by path from what ``git ls-tree -r -z`` prints; with *wanted* only those of such paths.

    *check* is given the number of entries and of bytes so far, and may raise: a few trees that hold each
    other many times list more than any memory takes.

    Raises RefusedVersion for a path that would be written outside the version's directory or into a
    ``.git``, and for one that is listed twice: git itself never makes one, a hostile repository can. For a
    path too deep as well. (Modes are always one of four: git's ``canon_mode``, tree-walk.c.)
    """
    lines: list[bytes] = []
    size, rest = 0, b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\0")
        size += len(piece)
        lines += whole if wanted is None else [line for line in whole if wanted(decode_path(path_of(line)))]
        if check is not None:
            check(len(lines), size)
        if len(rest) > _ABSURD_LINE:
            raise refused(
                f"its tree holds a path that no directory takes ({shown(decode_path(path_of(rest)))})",
                "The version in use stays. Remove it from the repository",
            )
    last = b""
    in_order = True
    folder: bytes | None = None
    folders: set[bytes] = set()
    for index, line in enumerate(lines):
        facts, _, path = line.partition(b"\t")
        mode, _, oid = facts.split(b" ")
        parent, _, name = path.rpartition(b"/")
        if parent != folder:
            _refuse_unsafe(path)
            folder = parent
            while parent and parent not in folders:
                folders.add(parent)
                parent = parent.rpartition(b"/")[0]
        elif name in (b"", b".", b"..") or name.lower() == b".git":
            _refuse_unsafe(path)
        in_order = in_order and last < path
        last = path
        lines[index] = b"%b %b\t%b" % (mode, oid, path)
    if not in_order:
        lines.sort(key=path_of)
    before = b""
    for path in map(path_of, lines):
        if path == before or path in folders:
            raise refused(f"its tree lists {shown(decode_path(path))} twice", "Make that tree anew")
        before = path
    return Listing(lines)


def _refuse_unsafe(path: bytes) -> None:
    parts = path.split(b"/")
    if any(part in (b"", b".", b"..") or part.lower() == b".git" for part in parts):
        raise refused(
            f"its tree holds the unsafe path {shown(decode_path(path))}",
            "The version in use stays. Remove that file from the repository",
        )
    if len(parts) > MOST_FOLDERS_DEEP:
        raise refused(
            f"its tree is more than {MOST_FOLDERS_DEEP} folders deep ({shown(decode_path(path))})",
            "The version in use stays. Remove these folders from the repository",
        )


def sparse(folders: list[str] | None) -> Callable[[str], bool] | None:
    """Which paths ``git sparse-checkout set --cone`` keeps, None for all.

    That is all in *folders*, and the files beside each of their parents.
    """
    if not folders:
        return None
    whole = [folder.strip("/") for folder in folders]
    parents = {""}
    for folder in whole:
        while folder := posixpath.dirname(folder):
            parents.add(folder)
    return lambda path: (
        posixpath.dirname(path) in parents
        or any(path == folder or path.startswith(folder + "/") for folder in whole)
    )


def without(entries: Mapping[str, TreeEntry], unwanted: Callable[[str], bool]) -> Mapping[str, TreeEntry]:
    """The entries whose path is not *unwanted*."""
    if isinstance(entries, Listing):
        return Listing([line for line in entries.lines if not unwanted(decode_path(path_of(line)))])
    return {path: entry for path, entry in entries.items() if not unwanted(path)}


def links_left_out(
    entries: Mapping[str, TreeEntry], link_target: Callable[[TreeEntry], bytes]
) -> list[LeftOut]:
    """The symlinks that can not be part of a version: they lead out of it, round in a circle or too
    long a way, or are no path.

    One that leads to nothing inside stays: it is what the commit says, and harms nobody.
    """
    links: dict[str, bytes] = {}
    targets: dict[str, bytes] = {}
    for line in lines_of(entries):
        if line.startswith(b"120000 "):
            entry = entry_of(line)
            if entry.oid not in targets:
                targets[entry.oid] = link_target(entry)
            links[decode_path(path_of(line))] = targets[entry.oid]
    found: list[LeftOut] = []
    # Where a link is and what it says decide: of many that are alike one is followed
    known: dict[tuple[str, bytes], str | None] = {}
    for path, target in links.items():
        alike = posixpath.dirname(path), target
        if alike not in known:
            known[alike] = why_unusable(path, links)
        if (reason := known[alike]) is not None:
            found.append(LeftOut(path, reason))
    return found


def why_unusable(path: str, links: Mapping[str, bytes]) -> str | None:
    """Why the link at *path* can not be part of a version; None if it can. *links*: all targets by path."""
    rest, hops = path.split("/")[::-1], 0
    # Each the whole path so far
    done: list[str] = []
    for _ in range(_MAXIMUM_STEPS):
        if not rest:
            return None
        component = rest.pop()
        if component in ("", "."):
            continue
        if component == "..":
            if not done:
                return f"a link that leaves the bundle: it leads to {shown(decode_path(links[path]))}"
            done.pop()
            continue
        done.append(f"{done[-1]}/{component}" if done else component)
        target = links.get(done[-1])
        if target is None:
            continue
        if not target or b"\0" in target or len(target) > LONGEST_TARGET:
            return "a link whose target is no path"
        if target.startswith(b"/"):
            return f"a link that leaves the bundle: it leads to {shown(decode_path(target))}"
        hops += 1
        if hops > _MAXIMUM_HOPS:
            return "a link that leads round in a circle"
        done.pop()
        rest += decode_path(target).split("/")[::-1]
    return "a link that leads a way of too many folders"


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


def checked_subdir(subdir: str | None) -> str | None:
    """*subdir* in one spelling; None for the whole repository. Raises InvalidInput if it climbs out."""
    parts = [part for part in (subdir or "").split("/") if part not in ("", ".")]
    if ".." in parts or (subdir or "").startswith("/"):
        raise InvalidInput(f"Can not use {subdir!r} as subdir", found="it leaves the repository")
    return "/".join(parts) or None
