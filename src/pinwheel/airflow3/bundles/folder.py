"""Any folder as a bundle: one that git-sync, an S3 sync, a volume or an image fills."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from pinwheel.airflow3.bundles.alias import blob_id
from pinwheel.airflow3.bundles.folder_scan import FolderMoved, Look, Seen, load_cache, read, save_cache, scan
from pinwheel.airflow3.bundles.mirror import key_of
from pinwheel.airflow3.bundles.snapshot import SnapshotBundle
from pinwheel.core.bundle_version import VersionInfo
from pinwheel.core.errors import HostError, InvalidInput

log = logging.getLogger(__name__)

# Equal on every machine, so that equal content gives an equal commit id; do not change, ever.
_COMMIT = (
    b"author Pinwheel <pinwheel@localhost> 0 +0000\n"
    b"committer Pinwheel <pinwheel@localhost> 0 +0000\n"
    b"data 17\nFolder's content.\n"
)
_INCOMING = "refs/pinwheel/incoming"


class FolderBundle(SnapshotBundle):
    """A folder whose every state becomes an immutable version: the commit id of its content.

    The same content gives the same version on every machine, whoever looks and whenever. ``.git``,
    ``__pycache__`` and ``*.pyc`` are no content; ``.gitignore`` has no meaning here; executable bits and
    symlinks are kept. *path* may itself be a symlink that is swapped (git-sync).

    A folder that somebody is writing is waited for: a version is taken of a folder that was equal before and
    after reading and in which nothing changed for ``settle_seconds``. If it does not come to rest, the former
    version stays and a warning is logged.
    """

    settle_seconds = 0.5
    maximum_tries = 12

    def __init__(self, *, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not path:
            raise InvalidInput(f"Can not use bundle {self.name!r}", found="its path is empty")
        self.folder = os.path.abspath(os.path.expanduser(path))

    def __repr__(self) -> str:
        return f"<FolderBundle(name={self.name!r}, folder={self.folder!r}, version={self.version!r})>"

    @property
    def _head_ref(self) -> str:
        return f"refs/pinwheel/head/{key_of(self.folder)}"

    def version_info(self, version: str) -> VersionInfo:
        """Nothing: a folder does not say who changed it, when, or why."""
        self._split(version)
        return VersionInfo()

    def _take_newest(self) -> str:
        try:
            with self.mirror.fetching():
                return self._snapshot()
        except FolderMoved as moved:
            former = self._tracked or self._head()
            failed = f"Can not take a version of the folder {self.folder!r} of bundle {self.name!r}"
            found = f"it kept changing during {self.maximum_tries} looks (last at {str(moved)!r})"
            if former is None:
                raise HostError(
                    failed,
                    found=found,
                    remedy="Let whatever writes it finish, or fill the folder by a rename",
                ) from moved
            log.warning("%s: %s. Version %s stays in use", failed, found, former)
            return former

    def _sources(self, sha: str) -> Iterator[tuple[str, Callable[[], object]]]:
        # The version may be what the folder holds here and now, say on a worker with its own copy
        yield f"the folder {self.folder}", self._take_newest

    def _snapshot(self) -> str:
        """The commit of the folder's present content, in the mirror. Raises FolderMoved, HostError."""
        cache_path = self.base_dir / f"folder-{key_of(self.folder)}.cache"
        cached = load_cache(cache_path)
        if cached is not None and not self.mirror.has(cached[0]):
            cached = None
        moved = FolderMoved(self.folder)
        for attempt in range(self.maximum_tries):
            if attempt:
                time.sleep(self.settle_seconds)
            try:
                root = self._root()
                looked_at_ns = time.time_ns()
                look = scan(root)
                seen = look.files
                known: dict[bytes, tuple[Seen, str]] = {}
                if cached is not None:
                    commit, cached_at_ns, files = cached
                    known = {
                        path: files[path]
                        for path, now in seen.items()
                        if path in files and files[path][0] == now and not now.is_racy(cached_at_ns)
                    }
                    if len(known) == len(seen) == len(files):
                        return commit
                self._refuse_emptied(seen)
                self._refuse_unsettled(look, looked_at_ns, known)
                contents = {path: read(root, path, seen[path]) for path in seen if path not in known}
                if scan(root) != look or self._root() != root:
                    raise FolderMoved(self.folder)
            except FolderMoved as error:
                moved = error
                continue
            files = {path: known.get(path) or (seen[path], blob_id(contents[path])) for path in seen}
            if cached is None or _tree(files) != _tree(cached[2]):
                commit = self._commit(files, contents)
                self.mirror.tidy()
            else:
                commit = cached[0]
            save_cache(cache_path, commit, looked_at_ns, files)
            return commit
        raise moved

    def _root(self) -> bytes:
        root = os.path.realpath(self.folder)
        if not os.path.isdir(root):
            if os.path.islink(self.folder):
                raise (
                    FolderMoved(self.folder)
                    if os.path.lexists(root)
                    else self._missing("its link leads nowhere")
                )
            raise self._missing("it is a file" if os.path.exists(root) else "it does not exist")
        return os.fsencode(root)

    def _missing(self, found: str) -> HostError:
        return HostError(
            f"Can not read the folder {self.folder!r} of bundle {self.name!r}",
            found=found,
            remedy="The version in use stays. Create or mount the folder, or correct the bundle's path",
        )

    def _refuse_emptied(self, seen: dict[bytes, Seen]) -> None:
        head = None if seen else self._head()
        if head is not None and self.mirror.entries(head):
            raise HostError(
                f"Can not take a version of the folder {self.folder!r} of bundle {self.name!r}",
                found="it is empty and was not before, as a volume is that is not mounted",
                remedy="The version in use stays. Mount the volume; "
                "if the Dags are really gone, leave any file there",
            )

    def _refuse_unsettled(self, look: Look, looked_at_ns: int, known: dict[bytes, tuple[Seen, str]]) -> None:
        # ctime, which no writer can set back. A stamp from the future is another machine's clock: do not wait
        def fresh(stamp_ns: int) -> bool:
            return 0 <= looked_at_ns - stamp_ns < self.settle_seconds * 1e9

        for path, now in look.files.items():
            if path not in known and fresh(now.ctime_ns):
                raise FolderMoved(os.fsdecode(path))
        if fresh(look.folders_changed_ns):
            raise FolderMoved(self.folder)

    def _commit(self, files: dict[bytes, tuple[Seen, str]], contents: dict[bytes, bytes]) -> str:
        stream = [f"feature done\ncommit {_INCOMING}\n".encode(), _COMMIT, b"deleteall\n"]
        for path, (seen, oid) in files.items():
            content = contents.get(path)
            if content is None:
                stream.append(f"M {seen.mode} {oid} ".encode() + _quoted(path) + b"\n")
            else:
                stream.append(f"M {seen.mode} inline ".encode() + _quoted(path) + b"\n")
                stream += [b"data %d\n" % len(content), content, b"\n"]
        stream.append(b"done\n")
        self.mirror.git.run("fast-import", "--quiet", "--force", "--done", stdin=b"".join(stream))
        commit = self.mirror.resolve(_INCOMING)
        if commit is None:
            raise HostError(f"Can not take a version of bundle {self.name!r}", found="git made no commit")
        return commit


def _tree(files: dict[bytes, tuple[Seen, str]]) -> dict[bytes, tuple[str, str]]:
    return {path: (seen.mode, oid) for path, (seen, oid) in files.items()}


def _quoted(path: bytes) -> bytes:
    """A path as ``git fast-import`` reads it whatever bytes it holds."""
    return b'"' + b"".join(bytes([byte]) if _plain(byte) else b"\\%03o" % byte for byte in path) + b'"'


def _plain(byte: int) -> bool:
    return 32 <= byte < 127 and byte not in b'"\\'
