"""Any folder as a bundle: one that git-sync, an S3 sync, a volume or an image fills."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pinwheel.airflow3.bundles.folder_import import Import, imported, importing
from pinwheel.airflow3.bundles.folder_scan import (
    FolderMoved,
    Look,
    Seen,
    Unreadable,
    load_cache,
    pieces,
    save_cache,
    scan,
)
from pinwheel.airflow3.bundles.folder_unrest import Unrest
from pinwheel.airflow3.bundles.git_command import GitFailed
from pinwheel.airflow3.bundles.layout import configured_limits
from pinwheel.airflow3.bundles.mended import MendedBundle
from pinwheel.airflow3.bundles.mirror import Mirror, key_of
from pinwheel.airflow3.bundles.tree import SYMLINK, decode_path, shown
from pinwheel.core.bundle_version import LeftOut, VersionInfo
from pinwheel.core.errors import HostError, InvalidInput

log = logging.getLogger(__name__)

Files = dict[bytes, tuple[Seen, str]]
"""What was seen of each file, and the id of its content."""


class FolderBundle(MendedBundle):
    """A folder whose every state becomes an immutable version: the commit id of its content.

    The same content gives the same version on every machine, whoever looks and whenever. ``.git``,
    ``__pycache__`` and ``*.pyc`` are no content; ``.gitignore`` has no meaning here; executable bits and
    symlinks are kept. *path* may itself be a symlink that is swapped (git-sync), or a volume as Kubernetes
    lays it out (``..data``). What can not be part of a version (links that leave the folder, what may not be
    read, sockets) is left out and named, see :meth:`left_out`.

    A folder that somebody is writing is waited for: a version is taken of a folder that was equal before and
    after reading and in which nothing changed for ``settle_seconds``. A file that is written all the time is
    not waited for: it keeps its former content, or is left out. If the rest does not come to rest, the former
    version stays, and refresh() says so.
    """

    settle_seconds = 0.5
    maximum_tries = 12

    def __init__(self, *, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not path:
            raise InvalidInput(f"Can not use bundle {self.name!r}", found="its path is empty")
        self.folder = os.path.abspath(os.path.expanduser(path))
        self._unrest = Unrest()
        self._noticed: tuple[str, list[LeftOut]] | None = None

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
            with self.mirror.fetching(), self._naming(None):
                try:
                    return self._snapshot()
                except GitFailed:
                    if not self._mend():
                        raise
                    return self._snapshot()
        except FolderMoved as moved:
            raise HostError(
                f"Can not take a version of the folder {self.folder!r} of bundle {self.name!r}",
                found=f"it has kept changing for {self._unrest.seconds:.0f} seconds "
                f"(last at {shown(str(moved).strip('/') or self.folder)})",
                remedy="The version in use stays. Let whatever writes it finish, "
                "or fill the folder by a rename",
            ) from moved

    def _fill(self, new: Mirror) -> None:
        """Nothing: a mirror that lacks the folder's content takes it anew."""

    def _left_out_of_source(self, head: str) -> Sequence[LeftOut] | None:
        return self._noticed[1] if self._noticed is not None and self._noticed[0] == head else None

    def _sources(self, sha: str) -> Iterator[tuple[str, Callable[[], object]]]:
        # The version may be what the folder holds here and now, say on a worker with its own copy
        yield f"the folder {self.folder}", self._take_newest

    def _snapshot(self) -> str:
        """The commit of the folder's present content, in the mirror. Raises FolderMoved, HostError."""
        cache_path = self.base_dir / f"folder-{key_of(self.folder)}.cache"
        cached = load_cache(cache_path)
        if cached is not None and not self.mirror.has(cached[0]):
            cached = None
        commit, cached_at_ns, former = cached or ("", 0, {})
        # The same of what was read in tries that came to nothing
        learnt: Files = {}
        learnt_at_ns = 0
        moved = FolderMoved(self.folder)
        self._unrest.begin()
        for attempt in range(self.maximum_tries):
            if attempt:
                time.sleep(self.settle_seconds)
            looked_at_ns = time.time_ns()
            try:
                root = self._root()
                look = scan(root)
                learnt, learnt_at_ns = _untouched(look, learnt, learnt_at_ns), looked_at_ns
                known = _untouched(look, former, cached_at_ns) | learnt
                if commit and known.items() == former.items() and len(known) == len(look.files):
                    self._notice(commit, look.left_out)
                    return commit
                self._refuse_emptied(look)
                moving = self._unrest.moving(look, looked_at_ns, known, self.settle_seconds)
                if (name := self._unrest.held_back_by(moving, look)) is not None:
                    raise FolderMoved(os.fsdecode(name))
                _check_limits(look, known)
                left_out = dict(look.left_out)
                with importing(self.mirror) as stream:
                    files = self._read(stream, root, look, known, moving, former, left_out, learnt)
                    changed = scan(root).differences(look)
                    if self._root() != root or not all(map(self._unrest.excuses, changed)):
                        raise FolderMoved(os.fsdecode(min(changed, default=b"/")))
                    if new := not commit or _tree(files) != _tree(former):
                        stream.commit(_tree(files))
            except FolderMoved as error:
                moved = error
                self._unrest.failed()
                continue
            if new:
                commit = imported(self.mirror, self.name)
                self.mirror.tidy()
            self._unrest.taken(moving)
            self._notice(commit, left_out)
            save_cache(cache_path, commit, looked_at_ns, files)
            return commit
        raise moved

    def _read(
        self,
        stream: Import,
        root: bytes,
        look: Look,
        known: Files,
        moving: set[bytes],
        former: Files,
        left_out: dict[bytes, str],
        learnt: Files,
    ) -> Files:
        """Every file of *look* with the id of its content, which is in the mirror afterwards."""

        def keep(path: bytes, why: str) -> None:
            if path in former:
                files[path] = former[path]
                left_out[path] = f"{why}; it stays as it was"
            else:
                left_out[path] = why

        files: Files = {}
        for path, seen in look.files.items():
            if path in known:
                files[path] = known[path]
            elif path in moving:
                keep(path, "it is written all the time")
            else:
                size = len(look.targets[path]) if seen.mode == SYMLINK else seen.size
                try:
                    files[path] = learnt[path] = (seen, stream.blob(size, pieces(root, path, look)))
                except FolderMoved:
                    if not self._unrest.excuses(path):
                        raise
                    keep(path, "it is written all the time")
                except Unreadable as error:
                    if error.forbidden:
                        left_out[path] = str(error)
                    else:
                        keep(path, str(error))
        return files

    def _notice(self, commit: str, left_out: dict[bytes, str]) -> None:
        self._noticed = commit, [LeftOut(decode_path(path), why) for path, why in sorted(left_out.items())]

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

    def _refuse_emptied(self, look: Look) -> None:
        head = None if look.files else self._head()
        if head is not None and self.mirror.entries(head):
            raise HostError(
                f"Can not take a version of the folder {self.folder!r} of bundle {self.name!r}",
                found="it is empty and was not before, as a volume is that is not mounted",
                remedy="The version in use stays. Mount the volume; "
                "if the Dags are really gone, leave any file there",
            )


def _untouched(look: Look, files: Files, looked_at_ns: int) -> Files:
    """Those of *files*, looked at then, that are still the same."""
    return {
        path: files[path]
        for path, now in look.files.items()
        if path in files and files[path][0] == now and not now.is_racy(looked_at_ns)
    }


def _check_limits(look: Look, known: Files) -> None:
    most = configured_limits()
    most.check_count(len(look.files))
    for path, seen in look.files.items():
        if path not in known:
            most.check_file(path, seen.size)
    most.check_total(sum(seen.size for seen in look.files.values()))


def _tree(files: Files) -> dict[bytes, tuple[str, str]]:
    return {path: (seen.mode, oid) for path, (seen, oid) in files.items()}
