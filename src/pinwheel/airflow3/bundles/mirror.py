"""A bare git repository of our own: every version of a bundle seen here, whatever its source does later.

Refs: ``refs/upstream/{heads,tags}/…`` as the source has them, ``refs/pinwheel/head/<key>`` the version last
refreshed to, ``refs/pinwheel/keep/<sha>`` the protected versions, ``refs/pinwheel/pushed/<key>/<sha>`` those
that the shared mirror at ``mirror_url`` already has.
"""

from __future__ import annotations

import hashlib
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import attrs

from pinwheel.airflow3.bundles.commit import COMMIT_BYTES, read_commit
from pinwheel.airflow3.bundles.credentials import for_remote
from pinwheel.airflow3.bundles.git_command import Git, GitFailed
from pinwheel.airflow3.bundles.locks import file_lock
from pinwheel.airflow3.bundles.repair import remove, salvage
from pinwheel.airflow3.bundles.tree import TreeEntry, parse_tree
from pinwheel.core.bundle_version import VersionInfo
from pinwheel.core.chunks import chunks
from pinwheel.core.text import LABEL, fit
from pinwheel.core.version_alias import is_commit_id

log = logging.getLogger(__name__)

KEEP = "refs/pinwheel/keep/"
_STALE_LOCK_SECONDS = 5.0
_GC_CONFIG = ("gc.auto=6700", "gc.autoPackLimit=50", "gc.autoDetach=false", "gc.pruneExpire=90.days.ago")


def key_of(*parts: str | None) -> str:
    """A short ref-safe name for a URL, path or ref; different inputs, different names."""
    return hashlib.sha256(
        "\0".join(part or "" for part in parts).encode("utf-8", "surrogateescape")
    ).hexdigest()[:16]


class Mirror:
    """One bundle's mirror at *path*; *locks* is the folder of its lock files.

    Safe for threads and processes. Only :meth:`fetching` waits for another's fetch.
    """

    def __init__(self, path: Path, locks: Path) -> None:
        self.path = path
        self.git = Git(path)
        self._lock_path = locks / f"{path.name}.fetch"

    @property
    def exists(self) -> bool:
        """Whether the mirror was created; a half-made one never has this name."""
        return (self.path / "HEAD").exists()

    @contextmanager
    def fetching(self) -> Iterator[None]:
        """Exclusive right to bring objects in. Creates the mirror if it is missing."""
        self.create()
        with file_lock(self._lock_path):
            yield

    def create(self) -> None:
        """Make the empty mirror if there is none. Never waits for a fetch."""
        if not self.exists:
            with file_lock(self._lock_path.with_suffix(".create")):
                if not self.exists:
                    self._create()

    def _create(self) -> None:
        # Under the lock, so what lies there is of a process that died
        aside = self.path.with_name(self.path.name + ".old")
        if aside.exists() and not os.path.lexists(self.path):
            os.rename(aside, self.path)
            if self.exists:
                return
        if os.path.lexists(self.path):
            log.warning("%s is no git repository: making the mirror anew", self.path)
        new = self.made_aside()
        if lost := salvage(new, self.path):
            log.error("The mirror %s has lost %s", self.path, ", ".join(sorted(lost)))
        self._replace_by(new)

    def made_aside(self) -> Mirror:
        """An empty mirror beside this one, which may take its place (:meth:`replace_by`)."""
        making = self.path.with_name(self.path.name + ".making")
        remove(making)
        making.parent.mkdir(parents=True, exist_ok=True)
        Git(making).run("init", "--quiet", "--bare", "--template=", str(making))
        return Mirror(making, self._lock_path.parent)

    def replace_by(self, new: Mirror) -> None:
        """Put *new* in this mirror's place. Inside :meth:`fetching`. Readers see either, or none yet."""
        with file_lock(self._lock_path.with_suffix(".create")):
            self._replace_by(new)

    def _replace_by(self, new: Mirror) -> None:
        aside = self.path.with_name(self.path.name + ".old")
        remove(aside)
        # Aside and not away: after a kill between the two, what it holds is looked for there
        if os.path.lexists(self.path):
            os.rename(self.path, aside)
        os.rename(new.path, self.path)
        remove(aside)

    # -- reading ------------------------------------------------------------------------------------------

    def has(self, sha: str) -> bool:
        """Whether the commit and its whole tree are here. No network."""
        if not self.exists or not is_commit_id(sha):
            return False
        try:
            if self.git.run("cat-file", "-t", sha).strip() != b"commit":
                return False
            self.git.run("rev-list", "--objects", "--no-walk", "--quiet", sha)
        except GitFailed:
            return False
        return True

    def resolve(self, name: str) -> str | None:
        """The commit that a ref or abbreviated id names, or None."""
        if not self.exists or name.startswith("-"):
            return None
        out = self.git.run("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", check=False)
        sha = out.decode().strip()
        return sha if is_commit_id(sha) else None

    def entries(
        self,
        sha: str,
        *,
        wanted: Callable[[str], bool] | None = None,
        check: Callable[[int, int], object] | None = None,
    ) -> Mapping[str, TreeEntry]:
        """The files of a commit by path: all, or those whose path is *wanted*. See :func:`parse_tree`.

        Raises GitFailed when the commit is not here, RefusedVersion, and what *check* raises.
        """
        pieces = self.git.pieces("ls-tree", "-r", "-z", "--full-tree", f"{sha}^{{tree}}")
        with closing(pieces):
            return parse_tree(pieces, wanted=wanted, check=check)

    def refs(self, prefix: str) -> dict[str, str]:
        """Object ids by ref name without *prefix* (which ends in ``/``)."""
        if not self.exists:
            return {}
        out = self.git.run("for-each-ref", "--format=%(objectname) %(refname)", prefix.rstrip("/")).decode(
            "utf-8", "surrogateescape"
        )
        pairs = (line.split(" ", 1) for line in out.splitlines())
        return {name.removeprefix(prefix): oid for oid, name in pairs}

    def info(self, sha: str) -> VersionInfo:
        """Author, message, time and git tag of a commit, fitted: whatever it says is taken."""
        tags = self.git.run(
            "for-each-ref", "--sort=-version:refname", "--count=1", f"--points-at={sha}",
            "--format=%(refname:strip=3)", "refs/upstream/tags",
        ).decode("utf-8", "replace")  # fmt: skip
        facts = read_commit(self.git.beginning("commit", sha, COMMIT_BYTES))
        label = tags.rstrip("\n")
        return attrs.evolve(facts, label=fit(label, LABEL) if label else None)

    # -- writing ------------------------------------------------------------------------------------------

    def update_refs(self, *, create: Mapping[str, str] | None = None, delete: Collection[str] = ()) -> None:
        """Set and delete refs in one transaction. Safe to repeat."""
        lines = [f"update {name}\0{oid}\0\0" for name, oid in (create or {}).items()]
        lines += [f"delete {name}\0\0" for name in delete]
        if lines:
            self._retrying("update-ref", "--stdin", "-z", stdin="".join(lines).encode())

    def fetch_all(self, url: str, network: Mapping[str, str], *more: str) -> None:
        """Take over all branches and tags of *url*, rewritten and deleted ones too; *more* are refspecs.

        Inside :meth:`fetching`.
        """
        self._fetch(
            url,
            network,
            "--prune",
            "+refs/heads/*:refs/upstream/heads/*",
            "+refs/tags/*:refs/upstream/tags/*",
            *more,
        )

    def fetch_one(self, url: str, network: Mapping[str, str], what: str) -> None:
        """Fetch exactly one commit, if *url* gives out commits by id: touches no ref, so it needs no lock.

        Or what one refspec names, inside :meth:`fetching`.
        """
        self._fetch(url, network, what)

    def fetch_kept(self, url: str, network: Mapping[str, str], sha: str) -> None:
        """Fetch a protected version from a shared mirror. Touches no ref, so it needs no lock."""
        self._fetch(url, network, f"{KEEP}{sha}")

    def content_types(self, url: str, network: Mapping[str, str]) -> list[str]:
        """What an HTTP server at *url* says that its answers are, last one last."""
        remote, environment = for_remote(url, network)
        return self.git.content_types(remote, environment)

    def fetch_given(self, path: Path, refspec: str) -> None:
        """Take refs and what they need from the repository at *path*, as they are."""
        self._fetch(str(path), {}, refspec)

    def push_kept(self, url: str, network: Mapping[str, str], shas: Collection[str]) -> set[str]:
        """Push protected versions to the shared mirror; those it is known to have cost nothing.

        Returns the versions that it refused or that could not be sent; the reason is logged.
        """
        done_prefix = f"refs/pinwheel/pushed/{key_of(url)}/"
        done = self.refs(done_prefix)
        missing = sorted(set(shas) - done.keys())
        if not missing:
            return set()
        failed: set[str] = set()
        try:
            self._push(url, network, missing)
        except GitFailed as error:
            log.error("Can not push protected bundle versions to the mirror: %s", error)
            for sha in missing if len(missing) > 1 else ():
                try:
                    self._push(url, network, [sha])
                except GitFailed:
                    failed.add(sha)
            if len(missing) == 1:
                failed = set(missing)
        self.update_refs(create={done_prefix + sha: sha for sha in missing if sha not in failed})
        return failed

    def _push(self, url: str, network: Mapping[str, str], shas: list[str]) -> None:
        refspecs = "".join(f"{KEEP}{sha}:{KEEP}{sha}\n" for sha in shas).splitlines()
        for chunk in chunks(refspecs, size=500):
            remote, environment = for_remote(url, network)
            if remote != url:
                raise GitFailed(
                    "git push failed",
                    stderr="the query of mirror_url would be shown as an argument of git's: use a login",
                )
            self.git.run(
                "push", "--quiet", "--no-verify", "--force", "--", remote, *chunk, network=environment
            )

    def tidy(self) -> None:
        """Repack when many packs have come together; unreachable versions are kept for 90 days.

        Inside :meth:`fetching`.
        """
        try:
            self.git.run("gc", "--auto", "--quiet", config=_GC_CONFIG)
        except GitFailed as error:
            log.warning("Can not tidy the mirror %s: %s", self.path, error)

    def _fetch(self, url: str, network: Mapping[str, str], *what: str) -> None:
        options = [part for part in what if part.startswith("--")]
        refspecs = [part for part in what if not part.startswith("--")]
        remote, environment = for_remote(url, network)
        # A shallow clone is a source too: each version needs its own tree only. git else drops its branches
        self._retrying(
            "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
            "--update-shallow", *options, "--", remote, *refspecs, network=environment,
        )  # fmt: skip

    def _retrying(
        self, *arguments: str, stdin: bytes | None = None, network: Mapping[str, str] | None = None
    ) -> None:
        try:
            self.git.run(*arguments, stdin=stdin, network=network)
        except GitFailed as error:
            if ".lock'" not in error.stderr or not self._drop_dead_locks():
                raise
            self.git.run(*arguments, stdin=stdin, network=network)

    def _drop_dead_locks(self) -> bool:
        """Remove lock files that a killed git left: git holds one for moments, so one that stays is dead."""
        before = self._lock_files()
        if not before:
            return True
        time.sleep(_STALE_LOCK_SECONDS)
        after = self._lock_files()
        for path, stamp in before.items():
            if after.get(path) == stamp:
                log.warning("Removing a lock that a killed git left behind: %s", path)
                path.unlink(missing_ok=True)
        return True

    def _lock_files(self) -> dict[Path, tuple[int, int]]:
        found: dict[Path, tuple[int, int]] = {}
        for folder, _, names in os.walk(self.path):
            for name in names:
                if name.endswith(".lock"):
                    path = Path(folder, name)
                    try:
                        facts = path.stat()
                    except FileNotFoundError:
                        continue
                    found[path] = (facts.st_ino, facts.st_mtime_ns)
        return found
