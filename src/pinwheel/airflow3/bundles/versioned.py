"""What Pinwheel's bundles share: every version is a commit in a mirror of our own and an immutable directory.

Airflow's contract is ``dag_processing/bundles/base.py`` (3.3.2, 3.4.0b2): ``versions/<version>`` below the
bundle's base folder, ``_tracking/<bundle>/<version>`` as the lock against Airflow's clean-up.
"""

from __future__ import annotations

import logging
import os
import threading
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion, BundleVersionLock
from attrs import frozen

from pinwheel.airflow3.bundles.alias import apply_aliases
from pinwheel.airflow3.bundles.git_command import BlobReader, split_credentials, without_credentials
from pinwheel.airflow3.bundles.layout import Content, Limits, configured_limits
from pinwheel.airflow3.bundles.mirror import KEEP, Mirror
from pinwheel.airflow3.bundles.store import VersionStore
from pinwheel.airflow3.bundles.tree import LONGEST_TARGET, TreeEntry, links_left_out, resolve, without
from pinwheel.core.bundle_version import LeftOut, VersionInfo
from pinwheel.core.errors import HostError, InvalidInput, PinwheelError, RefusedVersion
from pinwheel.core.parse.facts import path_in_bundle, path_in_repository
from pinwheel.core.version_alias import split_target, split_version, target_bundle

log = logging.getLogger(__name__)

_TOLD = 20


@frozen
class Tree:
    """The files of one commit, and the mirrors of submodules that hold contents which our own has not."""

    entries: Mapping[str, TreeEntry]
    elsewhere: Mapping[str, Mirror]
    """Mirror by object id."""
    left_out: Sequence[LeftOut] = ()
    """What the commit has and the version has not."""


class SnapshotBundle(BaseDagBundle):
    """A bundle whose ``path`` is always the immutable directory of one version.

    In tracking mode (``version=None``) ``path`` moves to another directory when :meth:`refresh` finds a new
    version; a directory once returned never changes. Versions are full commit ids, or aliased ones (see
    :mod:`pinwheel.core.version_alias`).

    Safe for threads and processes. A version is looked for on disk, then in the local mirror, then at the
    source, then at *mirror_url*; the first two need no network and wait for nobody's fetch.

    *mirror_url* is a git repository, path or URL, that Pinwheel may push to: protected versions are kept
    there for workers that share no disk with the Dag processor.
    """

    supports_versioning = True
    subdir: str | None = None
    busy_with: str | None = None
    """What of its source it waits for just now, in words; None: for nothing. For other threads to read."""

    def __init__(self, *, mirror_url: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mirror_url, self._mirror_credentials = split_credentials(mirror_url or "")
        if self.mirror_url.startswith("-"):
            raise InvalidInput(f"Can not use {self.mirror_url!r} as mirror_url", found="it starts with '-'")
        self.mirror = Mirror(self.base_dir / "mirror.git", self.base_dir / "locks")
        self.store = VersionStore(self.base_dir, self.versions_dir)
        self._tracked: str | None = None
        self._refused: RefusedVersion | None = None
        self._told: tuple[LeftOut, ...] = ()
        self._held: dict[str, BundleVersionLock] = {}
        self._hold_lock = threading.Lock()

    def __del__(self) -> None:
        for version in list(getattr(self, "_held", ())):
            self._release(version)

    # -- what a kind of source provides -------------------------------------------------------------------

    @property
    @abstractmethod
    def _head_ref(self) -> str:
        """The ref that remembers the version last refreshed to, for this source and what is tracked of it."""

    @abstractmethod
    def _take_newest(self) -> str:
        """Bring the source's newest content into the mirror; its commit id. Raises HostError."""

    @abstractmethod
    def _sources(self, sha: str) -> Iterator[tuple[str, Callable[[], object]]]:
        """Named ways to bring the commit *sha* into the mirror from the source, cheapest first."""

    def _network(self) -> AbstractContextManager[dict[str, str]]:
        """The environment for git commands that talk to a remote, valid inside the context."""
        return nullcontext({})

    def _left_out_of_source(self, head: str) -> Sequence[LeftOut] | None:
        """What of the source is not in its commit *head*; None where commits hold all or it is not known."""
        return None

    def _tree(self, sha: str, limits: Limits) -> Tree:
        return Tree(self.mirror.entries(sha, check=limits.check_count), {})

    def _finish(self, sha: str) -> Callable[[Path], None] | None:
        """What to do with a version's finished temporary directory."""
        return None

    # -- Airflow's contract -------------------------------------------------------------------------------

    def initialize(self) -> None:
        """Make ``path`` exist: this version, or in tracking mode the newest one.

        An unreachable source in tracking mode leaves the version last refreshed to in use (with a logged
        error) and fails only if there is none.
        """
        if self.version:
            self._hold(self.version)
            self.materialize(self.version)
        else:
            try:
                self.refresh()
            except PinwheelError as error:
                head = self._head()
                if head is None:
                    raise
                log.error("Bundle %s stays at version %s: %s", self.name, head, error)
                self._track(head)
        super().initialize()

    def refresh(self) -> None:
        """Take over the source's newest content. On any failure the version in use stays.

        Raises HostError; RefusedVersion for content that can not be taken, which is looked at only once.
        """
        if self.version:
            raise InvalidInput(
                f"Can not refresh bundle {self.name!r}",
                found=f"it is fixed to version {self.version}",
                remedy="Refresh the bundle without a version",
            )
        try:
            head = self._take_newest()
        except OSError as error:
            raise HostError(
                f"Can not refresh bundle {self.name!r}", found=f"{error.strerror or error} ({error.filename})"
            ) from error
        self._track(head)
        self.store.sweep()

    @property
    def path(self) -> Path:
        """The directory of this version; in tracking mode, of the version last refreshed to."""
        version = self.version or self._tracked or self._head()
        # No version was ever seen here: a path that does not exist, as Airflow expects before initialize()
        return self._directory(version) if version else self.base_dir / "not-initialized"

    def get_current_version(self) -> BundleVersion:
        """The version that ``path`` shows. Raises HostError before the first refresh."""
        version = self.version or self._tracked or self._head()
        if version is None:
            raise HostError(
                f"Bundle {self.name!r} has no version yet", found="it was never initialized on this machine"
            )
        return BundleVersion(version=version)

    # -- for Pinwheel's Dag processor and services --------------------------------------------------------

    def materialize(self, version: str) -> Path:
        """The directory in which *version* lies, on disk from now on; what ``path`` is for it.

        Costs a look at the directory when it is there. Raises InvalidInput for a malformed version and
        HostError when the version is nowhere or can not be written; names what was tried. The limits hold for
        what is taken in, not here: what was released once is to run.
        """
        return self._materialize(version, None)

    @property
    def repository_path(self) -> Path:
        """The directory of the whole version, in which :attr:`path` is a folder or all."""
        parts = Path(self.subdir).parts if self.subdir else ()
        return self.path.parents[len(parts) - 1] if parts else self.path

    def left_out(self, version: str) -> tuple[LeftOut, ...]:
        """What of the source is not part of *version*, each with the reason; at most some 200.

        Known where the version lies on disk.
        """
        self._split(version)
        return self.store.left_out(version)

    def manifest(self, version: str) -> dict[str, str]:
        """Content id by path (posix, relative to the bundle's path) for every file of *version*.

        Reads no file: the ids are git's. A symlink's id tells where it points, a submodule's which commit.
        A path with an alias has the id of the file that serves it. What lies beside the bundle's folder in
        its repository has two slashes before its path from there: ``//lib/x.py``.
        """
        sha, aliases = self._split(version)
        if (other := target_bundle(version)) is not None:
            manifest = _bundle(other, sha).manifest(sha)
        else:
            manifest = {
                path_in_bundle(path, self.subdir): entry.content_id
                for path, entry in self._entries(sha).items()
            }
        served = {old: manifest.get(split_target(new)[1]) for old, new in aliases.items()}
        return {**manifest, **{old: oid for old, oid in served.items() if oid is not None}}

    def read_file(self, version: str, path: str) -> bytes:
        """The content of one file of *version*, *path* relative to the bundle's path.

        Symlinks are followed inside the version only. Raises NotFound when there is no such file, also for
        a link that points outside.
        """
        sha, aliases = self._split(version)
        bundle, real = split_target(aliases.get(path, path))
        if other := bundle or target_bundle(version):
            return _bundle(other, sha).read_file(sha, real)
        entries = self._entries(sha)
        tree = None if self.mirror.has(sha) else self._required_tree(sha)
        elsewhere = (tree or self._tree(sha, Limits())).elsewhere
        full = path_in_repository(real, self.subdir)
        with self._reader(elsewhere) as reader:
            entry = resolve(entries, full, lambda link: reader(link.oid).read(link.oid, most=LONGEST_TARGET))[
                1
            ]
            return b"".join(reader(entry.oid).open(entry.oid)[1])

    def version_info(self, version: str) -> VersionInfo:
        """Author, message, time and git tag of the commit behind *version*."""
        sha, _ = self._split(version)
        if (other := target_bundle(version)) is not None:
            return _bundle(other, sha).version_info(sha)
        self._require(sha)
        return self.mirror.info(sha)

    def contributors(self, before: str, after: str) -> list[dict[str, Any]] | None:
        """Who changed what between two versions, as far as both are here; None: it is not known.

        See :mod:`pinwheel.airflow3.bundles.contributors`. Of a folder nobody knows who changes it.
        """
        return None

    def protect(self, versions: Collection[str]) -> set[str]:
        """Make exactly *versions* the ones that stay fetchable whatever the source does. Safe to repeat.

        An aliased version protects its commit; one of another bundle is that bundle's to protect and is
        passed over here. Returns those of *versions* that are found nowhere or could not be pushed to
        ``mirror_url``; a reason is logged for each.
        """
        by_sha: dict[str, set[str]] = {}
        failed: set[str] = set()
        for version in versions:
            try:
                sha, _ = self._split(version)
                if target_bundle(version) is None:
                    by_sha.setdefault(sha, set()).add(version)
            except InvalidInput as error:
                log.error("Can not protect bundle version %r of %s: %s", version, self.name, error)
                failed.add(version)
        kept = self.mirror.refs(KEEP)
        create: dict[str, str] = {}
        for sha in by_sha.keys() - kept.keys():
            try:
                self._require(sha)
                create[KEEP + sha] = sha
            except PinwheelError as error:
                log.error("Can not protect bundle version %s of %s: %s", sha, self.name, error)
                failed |= by_sha[sha]
        if create or kept:
            self.mirror.update_refs(create=create, delete=[KEEP + sha for sha in kept.keys() - by_sha.keys()])
        here = [sha for sha in by_sha if sha in kept or KEEP + sha in create]
        if self.mirror_url and here:
            with self._mirror_network() as network:
                for sha in self.mirror.push_kept(self.mirror_url, network, here):
                    failed |= by_sha[sha]
        return failed

    def keep(self, version: str) -> None:
        """Let a version that is here stay until :meth:`protect` says otherwise; at ``mirror_url`` too.

        :raises HostError: the mirror did not take it; the reason is logged.
        """
        if self.mirror_url:
            self.send(version)
        elif target_bundle(version) is None:
            sha, _ = self._split(version)
            self.mirror.update_refs(create={KEEP + sha: sha})

    def send(self, version: str) -> None:
        """Have a version at ``mirror_url`` before it is used, where :meth:`protect` would bring it later.

        :raises HostError: the mirror did not take it; the reason is logged.
        """
        sha, _ = self._split(version)
        self.mirror.update_refs(create={KEEP + sha: sha})
        with self._mirror_network() as network:
            if self.mirror.push_kept(self.mirror_url, network, [sha]):
                raise HostError(
                    f"Can not send version {sha} of bundle {self.name!r} to its mirror",
                    found="it did not take it; the reason was logged",
                    remedy="It is tried again until it does",
                )

    # -- inside -------------------------------------------------------------------------------------------

    def _split(self, version: str) -> tuple[str, dict[str, str]]:
        try:
            return split_version(version)
        except ValueError as error:
            raise InvalidInput(
                f"Can not use this version of bundle {self.name!r}", found=str(error)
            ) from error

    def _directory(self, version: str) -> Path:
        self._split(version)
        root = self.versions_dir / version
        return Path(root, self.subdir) if self.subdir else Path(root)

    def _materialize(self, version: str, limits: Limits | None) -> Path:
        directory = self._directory(version)
        sha, _ = split_version(version)
        near = [sha] if sha != version else []
        if self._tracked:
            near.append(self._tracked)
        with self._naming(version):
            self.store.ensure(
                version, lambda: self._content(version, limits or Limits()), near=tuple(near), limits=limits
            )
        return directory

    @contextmanager
    def _naming(self, version: str | None) -> Iterator[None]:
        """Say in a refusal from inside which version of which bundle it is."""
        try:
            yield
        except RefusedVersion as refused:
            if refused.bundle_name:
                raise
            raise RefusedVersion.of(self.name, version, refused.reason, remedy=refused.remedy) from None

    @contextmanager
    def _busy_with(self, what: str) -> Iterator[None]:
        former, self.busy_with = self.busy_with, what
        try:
            yield
        finally:
            self.busy_with = former

    def _head(self) -> str | None:
        return self.mirror.resolve(self._head_ref)

    def _track(self, head: str) -> None:
        if self._refused is not None and self._refused.version == head:
            raise self._refused.with_traceback(None)
        former = self._head()
        self._hold(head)
        try:
            self._materialize(head, configured_limits() if head != former else None)
        except BaseException as error:
            self._refused = error if isinstance(error, RefusedVersion) else None
            if head != self._tracked:
                self._release(head)
            raise
        # Only now: a restart must not start from a version that could not be written
        previous, self._tracked, self._refused = self._tracked, head, None
        if former != head:
            self.mirror.update_refs(create={self._head_ref: head})
        if previous and previous != head:
            self._release(previous)
        self._tell_left_out(head)

    def _tell_left_out(self, head: str) -> None:
        try:
            if (left_out := self._left_out_of_source(head)) is not None:
                self.store.note_left_out(head, left_out)
        except OSError as error:
            log.warning("Can not note what bundle %s is taken without: %s", self.name, error)
        known, self._told = self._told, self.left_out(head)
        if self._told and self._told != known:
            some = "; ".join(f"{one.path!a}: {one.reason}" for one in self._told[:_TOLD])
            more = f"; and {len(self._told) - _TOLD} more" if len(self._told) > _TOLD else ""
            log.warning("Bundle %s is taken without these: %s%s", self.name, some, more)

    def _hold(self, version: str) -> None:
        """Keep Airflow's clean-up from removing *version* while this object uses it.

        ``BundleVersionLock`` also stamps the version as used, which makes Airflow clean it up later. A
        clean-up that is at work holds the file's lock: then this waits, and locks the file's successor.
        """
        self._split(version)
        with self._hold_lock:
            if version in self._held:
                return
            lock = BundleVersionLock(bundle_name=self.name, bundle_version=version)
            try:
                while True:
                    lock.acquire()
                    if lock.lock_file is None or lock.lock_file_path is None:
                        return
                    try:
                        if os.path.samestat(os.fstat(lock.lock_file.fileno()), lock.lock_file_path.stat()):
                            break
                    except FileNotFoundError:
                        pass
                    lock.release()
            except OSError as error:
                # A user who may only read (run_as_user): the supervising process holds the lock
                log.debug("Can not mark version %s of bundle %s as used: %s", version, self.name, error)
                return
            self._held[version] = lock

    def _release(self, version: str) -> None:
        with self._hold_lock:
            lock = self._held.pop(version, None)
        if lock is not None and lock.lock_file is not None:
            # Not release(): unlocking would also unlock it for forked children that still parse this version
            lock.lock_file.close()
            lock.lock_file = None

    @contextmanager
    def _mirror_network(self) -> Iterator[dict[str, str]]:
        with self._network() as network:
            yield {**network, **self._mirror_credentials}

    def _require(self, sha: str) -> None:
        """Bring *sha* into the mirror unless it is there. Raises HostError naming all that was tried."""
        if self.mirror.has(sha):
            return
        self.mirror.create()
        tried: list[str] = []
        for name, fetch in (*self._sources(sha), *self._mirror_sources(sha)):
            try:
                fetch()
            except (PinwheelError, OSError) as error:
                tried.append(f"{name}: {getattr(error, 'found', '') or error}")
                continue
            if self.mirror.has(sha):
                return
            tried.append(f"{name}: the commit is not there")
        raise HostError(
            f"Can not find version {sha} of bundle {self.name!r}",
            found="; ".join(["it is neither on disk nor in the local mirror", *tried]),
            remedy="Make the source reachable, or give the bundle a mirror_url, "
            "where protected versions are kept",
        )

    def _mirror_sources(self, sha: str) -> Iterator[tuple[str, Callable[[], object]]]:
        if self.mirror_url:

            def fetch() -> None:
                with self._mirror_network() as network:
                    self.mirror.fetch_kept(self.mirror_url, network, sha)

            yield f"the mirror {without_credentials(self.mirror_url)}", fetch

    def _required_tree(self, sha: str, limits: Limits | None = None) -> Tree:
        self._require(sha)
        with self._naming(sha):
            tree = self._tree(sha, limits or Limits())
        with self._reader(tree.elsewhere) as read:
            left_out = links_left_out(
                tree.entries, lambda entry: read(entry.oid).read(entry.oid, most=LONGEST_TARGET + 1)
            )
        if not left_out:
            return tree
        paths = {one.path for one in left_out}
        return Tree(without(tree.entries, paths.__contains__), tree.elsewhere, left_out)

    def _entries(self, sha: str) -> Mapping[str, TreeEntry]:
        record = self.store.record(sha)
        return self._required_tree(sha).entries if record is None else record

    @contextmanager
    def _reader(self, elsewhere: Mapping[str, Mirror]) -> Iterator[Callable[[str], BlobReader]]:
        """Who reads an object, by its id; one ``git`` for each mirror."""
        with ExitStack() as stack:
            readers: dict[Path, BlobReader] = {}

            def reader(oid: str) -> BlobReader:
                mirror = elsewhere.get(oid, self.mirror)
                if mirror.path not in readers:
                    readers[mirror.path] = stack.enter_context(mirror.git.blobs())
                return readers[mirror.path]

            yield reader

    @contextmanager
    def _content(self, version: str, limits: Limits) -> Iterator[Content]:
        sha, aliases = split_version(version)
        if (other := target_bundle(version)) is not None:
            with _bundle(other, sha)._content_for(sha, aliases, self.subdir, limits) as content:
                yield content
        else:
            with self._content_for(sha, aliases, self.subdir, limits) as content:
                yield content

    @contextmanager
    def _content_for(
        self, sha: str, aliases: Mapping[str, str], asked_subdir: str | None, limits: Limits
    ) -> Iterator[Content]:
        """This bundle's tree at *sha*, with *aliases* whose old paths are below *asked_subdir*."""
        tree = self._required_tree(sha, limits)
        with self._reader(tree.elsewhere) as reader:
            entries, generated = tree.entries, dict[str, bytes]()
            if aliases:
                old_root, new_root = _prefix(asked_subdir), _prefix(self.subdir)
                entries, generated = apply_aliases(
                    entries,
                    {old_root + old: new_root + split_target(new)[1] for old, new in aliases.items()},
                    read=lambda entry: reader(entry.oid).read(entry.oid, most=LONGEST_TARGET),
                    import_folder=self.subdir or "",
                )

            def opened(entry: TreeEntry) -> tuple[int, Iterator[bytes]]:
                made = generated.get(entry.oid)
                return reader(entry.oid).open(entry.oid) if made is None else (len(made), iter((made,)))

            yield Content(entries, opened, tree.left_out, self._finish(sha))


def _prefix(subdir: str | None) -> str:
    return f"{subdir}/" if subdir else ""


def _bundle(name: str, sha: str) -> SnapshotBundle:
    """The configured bundle *name* at *sha*."""
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    try:
        bundle = DagBundlesManager().get_bundle(name=name, version=sha)
    except Exception as error:
        raise HostError(
            f"Can not serve a file from bundle {name!r}",
            found=without_credentials(str(error)).rstrip("."),
            remedy="Keep that bundle in dag_bundle_config_list while runs of its releases can be cleared",
        ) from error
    if not isinstance(bundle, SnapshotBundle):
        raise HostError(
            f"Can not serve a file from bundle {name!r}",
            found=f"it is a {type(bundle).__name__}, which keeps no mirror",
            remedy="Configure it as pinwheel.bundles.GitBundle or pinwheel.bundles.FolderBundle",
        )
    return bundle
