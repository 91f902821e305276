"""Who changed what between two commits, as the commits say it. Whoever may push writes that freely."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Sequence, Set
from contextlib import closing
from typing import Any

from pinwheel.airflow3.bundles.git_command import Git
from pinwheel.core.parse.facts import path_in_bundle
from pinwheel.core.text import AUTHOR, fit, storable

MOST_COMMITS = 500
MOST_PATHS = 5_000
"""Of all commits together. Where there are more of anything, nobody looks through them: it is not known."""
MOST_PEOPLE = 5_000
MOST_BYTES = 16 << 20
SECONDS = 30.0
"""As long as git may take; the version waits to be taken in."""

Commit = dict[str, Any]
"""``{"people": [[party, "Name <mail>"], …], "paths": […]}``. Without people: nobody knows who did it."""


def contributors(git: Git, before: str, after: str, subdir: str | None) -> list[Commit] | None:
    """The commits between two that are here, with the paths that each changed, written as a bundle's are.

    A merge counts with what it changed itself: git does it once more, and what comes out otherwise is the
    work of who made it. A commit of *before* that *after* has not was taken back by somebody whom no commit
    names. None: it is not known (no common history, one that is cut off, a merge of more than two, too much).

    :raises GitFailed: one of them is not here, or git took too long.
    """
    if not git.run("merge-base", before, after, check=False).strip():
        return None
    mark = secrets.token_hex(16).encode()
    # Nobody who pushes knows the mark, so no name, trailer or path can pass for the beginning of a field
    said = "%x00" + mark.decode()
    pieces = git.pieces(
        "log", "-z", "--left-right", "--no-renames", "--diff-merges=remerge", "--name-only",
        f"--max-count={MOST_COMMITS + 1}",
        f"--format={said}c%m%H %P{said}a%an <%ae>{said}k%cn <%ce>"
        f"{said}t%(trailers:key=Co-authored-by,valueonly,unfold,separator={said}t)",
        f"{before}...{after}", "--", seconds=SECONDS,
    )  # fmt: skip
    out = _all_of(pieces)
    return None if out is None else _commits(out, mark, _cut_off(git), subdir)


def _all_of(pieces: Generator[bytes]) -> bytes | None:
    found = bytearray()
    with closing(pieces):
        for piece in pieces:
            found += piece
            if len(found) > MOST_BYTES:
                return None
    return bytes(found)


def _cut_off(git: Git) -> frozenset[str]:
    """Commits whose parents a shallow source did not have."""
    try:
        return frozenset((git.git_dir / "shallow").read_text().split())
    except FileNotFoundError:
        return frozenset()


def _commits(out: bytes, mark: bytes, cut_off: Set[str], subdir: str | None) -> list[Commit] | None:
    found: list[Commit] = []
    taken_back = first = False
    paths = people = 0
    for item in out.split(b"\0"):
        if item.startswith(mark):
            kind, value = item[len(mark) : len(mark) + 1], _text(item[len(mark) + 1 :]).strip()
            if kind == b"c":
                sha, *parents = value[1:].split()
                if len(parents) > 2 or sha in cut_off:
                    return None
                taken_back, first = value[0] == "<", True
                found.append({"people": [], "paths": []})
            elif value and not taken_back:
                _add(found[-1]["people"], kind, value)
                people += 1
        elif item:
            # git ends what it says of a commit with a line end, where paths follow
            path = item.removeprefix(b"\n") if first else item
            found[-1]["paths"].append(path_in_bundle(storable(_path(path)), subdir))
            first = False
            paths += 1
    if len(found) > MOST_COMMITS or paths > MOST_PATHS or people > MOST_PEOPLE:
        return None
    return [commit for commit in found if commit["paths"]]


def _add(people: list[Sequence[str]], kind: bytes, value: str) -> None:
    person = ["committer" if kind == b"k" else "author", fit(value, AUTHOR)]
    if person not in people:
        people.append(person)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _path(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
