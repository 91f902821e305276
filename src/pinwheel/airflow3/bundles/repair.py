"""Telling whether a mirror is damaged, and taking what is left of it into a new one.

Nothing here trusts that git can open the damaged one: its refs are read from its files, and its objects are
lent to an empty repository.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from pinwheel.airflow3.bundles.git_command import Git, GitFailed
from pinwheel.core.errors import HostError
from pinwheel.core.version_alias import is_commit_id

if TYPE_CHECKING:
    from pinwheel.airflow3.bundles.mirror import Mirror

log = logging.getLogger(__name__)

OURS = "refs/pinwheel/"
_GIVEN = "refs/given/"


def mend(
    mirror: Mirror, whose: str, fill: Callable[[Mirror], object] | None, shas: Collection[str] = ()
) -> bool:
    """Make *mirror* anew if it is damaged, or what it has of *shas* is. Inside ``mirror.fetching()``.

    Takes all that the source has, by *fill*, then all versions of ours that can still be read. Keeps the
    damaged one, and raises HostError, when the source is out of reach and a version would be lost.
    """
    found = damage(mirror, shas)
    if found is None:
        return False
    log.warning("The mirror of %s is damaged (%s): making it anew", whose, found)
    new = mirror.made_aside()
    unfetched: GitFailed | None = None
    try:
        if fill is not None:
            fill(new)
    except GitFailed as error:
        unfetched = error
    lost = salvage(new, mirror.path)
    if lost and unfetched is not None:
        remove(new.path)
        raise HostError(
            f"Can not mend the mirror of {whose}",
            found=f"it is damaged ({found}), and its repository can not be fetched ({unfetched.found})",
            remedy="The version in use stays. Make the repository reachable",
        )
    if lost:
        log.error("Lost with the mirror of %s: %s", whose, ", ".join(sorted(lost)))
    mirror.replace_by(new)
    return True


def damage(mirror: Mirror, shas: Collection[str] = ()) -> str | None:
    """What is wrong with *mirror*, or None. Reads every history, and all content of *shas*; no network."""
    if not mirror.exists:
        return "it is no git repository"
    try:
        known = mirror.git.run("for-each-ref", "--format=%(objectname) %(refname)").decode(
            "utf-8", "surrogateescape"
        )
        refs = {name: oid for oid, _, name in (line.partition(" ") for line in known.splitlines())}
        if unknown := refs_in_files(mirror.path).keys() - refs.keys():
            return f"its ref {min(unknown)} is broken"
        mirror.git.run("rev-list", "--quiet", "--all")
        ours = "".join(f"{oid}\n" for name, oid in refs.items() if name.startswith(OURS))
        mirror.git.run("rev-list", "--objects", "--no-walk", "--quiet", "--stdin", stdin=ours.encode())
        for sha in shas:
            begun = mirror.git.run("cat-file", "-t", sha, check=False)
            if begun and not _whole(mirror, sha):
                return f"version {sha} is here in parts only"
    except GitFailed as error:
        return error.found
    return None


def salvage(new: Mirror, old: Path) -> set[str]:
    """Take the versions that *old* keeps, and its refs of ours, into *new*; the versions that are lost.

    A version comes with its own tree and without the history before it: a hole there must not cost it.
    """
    if not (old / "objects").is_dir():
        return set()
    # The name of a ref of ours ends with what it keeps
    found = {name: oid or name.rpartition("/")[2] for name, oid in refs_in_files(old).items()}
    wanted = {name: oid for name, oid in found.items() if name.startswith(OURS) and is_commit_id(oid)}
    missing = sorted(oid for oid in set(wanted.values()) if not new.has(oid))
    if missing:
        _give(new, old, missing)
    here = {oid for oid in set(wanted.values()) if oid not in missing or new.has(oid)}
    new.update_refs(
        create={name: oid for name, oid in wanted.items() if oid in here},
        delete=[_GIVEN + oid for oid in new.refs(_GIVEN)],
    )
    return set(wanted.values()) - here


def _give(new: Mirror, old: Path, shas: list[str]) -> None:
    donor = type(new)(new.path.with_name(new.path.name + ".donor"), new.path.parent / "locks")
    remove(donor.path)
    try:
        Git(donor.path).run("init", "--quiet", "--bare", "--template=", str(donor.path))
        (donor.path / "objects" / "info").mkdir(exist_ok=True)
        (donor.path / "objects" / "info" / "alternates").write_text(f"{(old / 'objects').absolute()}\n")
        whole = [sha for sha in shas if _whole(donor, sha)]
        if not whole:
            return
        (donor.path / "shallow").write_text("".join(f"{sha}\n" for sha in whole))
        donor.update_refs(create={_GIVEN + sha: sha for sha in whole})
        new.fetch_given(donor.path, f"+{_GIVEN}*:{_GIVEN}*")
    except GitFailed as error:
        log.error("Can not take versions over from the damaged mirror %s: %s", old, error)
    finally:
        remove(donor.path)


def _whole(mirror: Mirror, sha: str) -> bool:
    if not mirror.has(sha):
        return False
    listing = mirror.git.run("rev-list", "--objects", "--no-walk", "--no-object-names", sha)
    return mirror.git.readable(listing)


def refs_in_files(repository: Path) -> dict[str, str]:
    """Object ids by ref name, from the files of a repository that git may be unable to open; "" if broken."""
    found: dict[str, str] = {}
    try:
        packed = (repository / "packed-refs").read_bytes()
    except OSError:
        packed = b""
    for line in packed.split(b"\n"):
        oid, _, name = os.fsdecode(line).partition(" ")
        if is_commit_id(oid) and name.startswith("refs/"):
            found[name] = oid
    for folder, _, names in os.walk(repository / "refs"):
        for name in names:
            path = Path(folder, name)
            if name.endswith(".lock"):
                continue
            try:
                oid = path.read_text("ascii", "replace").strip()
            except OSError:
                continue
            if is_commit_id(oid):
                found[str(path.relative_to(repository))] = oid
            else:
                found.setdefault(str(path.relative_to(repository)), "")
    return found


def remove(path: Path) -> None:
    """Remove whatever lies at *path*."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
