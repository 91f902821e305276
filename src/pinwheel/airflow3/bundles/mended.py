"""A bundle whose mirror mends itself: what can not be read from it makes it anew."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from pinwheel.airflow3.bundles.git_command import GitFailed
from pinwheel.airflow3.bundles.layout import Limits
from pinwheel.airflow3.bundles.mirror import Mirror
from pinwheel.airflow3.bundles.repair import mend, refs_in_files
from pinwheel.airflow3.bundles.source import reason_of
from pinwheel.airflow3.bundles.versioned import SnapshotBundle
from pinwheel.core.errors import HostError
from pinwheel.core.version_alias import split_version, target_bundle

_Result = TypeVar("_Result")


class MendedBundle(SnapshotBundle):
    """As every :class:`SnapshotBundle`, whatever happens to its mirror.

    Looks for damage only when something can not be read from the mirror.
    """

    @abstractmethod
    def _fill(self, new: Mirror) -> None:
        """Bring all that the source has into *new*, as far as that is not done by the next refresh."""

    def _mend(self, *shas: str) -> bool:
        """Make the mirror anew if it, or what it has of *shas*, is damaged. Inside ``mirror.fetching()``."""
        return mend(self.mirror, f"bundle {self.name!r}", self._fill, shas)

    def _mending(self, work: Callable[[], _Result], version: str | None = None) -> _Result:
        try:
            return work()
        except GitFailed as error:
            if reason_of(error.stderr):
                raise
            shas: tuple[str, ...] = ()
            if version is not None:
                if target_bundle(version) is not None:
                    raise
                shas = (split_version(version)[0],)
            with self.mirror.fetching():
                if not self._mend(*shas):
                    raise
        return work()

    def _head(self) -> str | None:
        found = super()._head()
        if found is None:
            # What a damaged mirror remembers is still on disk
            remembered = refs_in_files(self.mirror.path).get(self._head_ref)
            if remembered and self.store.complete(remembered):
                return remembered
        return found

    def _require(self, sha: str) -> None:
        try:
            super()._require(sha)
        except HostError:
            with self.mirror.fetching():
                if not self._mend(sha):
                    raise
            super()._require(sha)

    def _materialize(self, version: str, limits: Limits | None) -> Path:
        work = super()._materialize
        return self._mending(lambda: work(version, limits), version)

    def read_file(self, version: str, path: str) -> bytes:
        work = super().read_file
        return self._mending(lambda: work(version, path), version)

    def protect(self, versions: Collection[str]) -> set[str]:
        work = super().protect
        return self._mending(lambda: work(versions))
