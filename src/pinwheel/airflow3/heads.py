"""What the Dag processor knows of the newest version of each bundle: where it lies and what is in it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle
from airflow.dag_processing.bundles.manager import DagBundlesManager
from attrs import define, frozen

from pinwheel.airflow3.bundles.snapshot import SnapshotBundle
from pinwheel.core.inputs import Inputs


@frozen(kw_only=True)
class Head:
    """The newest version of one bundle, lying in a directory that never changes."""

    bundle_name: str
    version: str
    seq: int
    path: Path
    manifest: Mapping[str, str]
    """Each file to its content id."""


@define(kw_only=True)
class KnownFile:
    """What is known of one Dag file; ``seq`` is that of the newest bundle version it was checked against."""

    seq: int
    inputs: Inputs | None
    impure: bool
    error: str | None = None
    parse_id: int | None = None
    tried: int = 0
    """Seq of the newest bundle version whose parse was to be registered, whether that worked or not."""


class SnapshotView(BaseDagBundle):
    """A versioned bundle class that is not ours, seen through one directory per version.

    Airflow's own git bundle, for one, parses from a working tree that a refresh changes in place. Here the
    tracking bundle only fetches; files are read from the directory that the same class makes for workers.
    """

    supports_versioning = True

    def __init__(self, inner: BaseDagBundle) -> None:
        super().__init__(name=inner.name, refresh_interval=inner.refresh_interval)
        self._inner = inner
        self._pinned: BaseDagBundle | None = None

    def initialize(self) -> None:
        if not self._inner.is_initialized:
            self._inner.initialize()
        self._follow()
        super().initialize()

    def refresh(self) -> None:
        self._inner.refresh()
        self._follow()

    def _follow(self) -> None:
        from airflow.dag_processing.bundles.base import unpack_bundle_version

        version, data = unpack_bundle_version(self._inner.get_current_version(), self._inner)
        if self._pinned is not None and self._pinned.version == version:
            return
        pinned = DagBundlesManager().get_bundle(self.name, version=version)
        if data is not None and hasattr(pinned, "version_data"):
            pinned.version_data = data
        pinned.initialize()
        self._pinned = pinned

    @property
    def path(self) -> Path:
        return self._pinned.path if self._pinned is not None else self._inner.path

    def get_current_version(self) -> Any:
        return self._inner.get_current_version()

    def view_url_template(self) -> str | None:
        return self._inner.view_url_template()


def manifest_of(bundle: BaseDagBundle, version: str) -> dict[str, str]:
    """Each file of a version to its content id: from git where it is one of ours, else by reading."""
    if isinstance(bundle, SnapshotBundle):
        return dict(bundle.manifest(version))
    return {path: _content_id(bundle.path / path) for path in sorted(_walk(bundle.path))}


def _walk(root: Path) -> list[str]:
    found = []
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if name not in {".git", "__pycache__"}]
        found += [
            str((Path(directory) / name).relative_to(root)) for name in files if not name.endswith(".pyc")
        ]
    return found


def _content_id(path: Path) -> str:
    if path.is_symlink():
        return hashlib.sha256(b"symlink " + os.readlink(path).encode()).hexdigest()
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_below(root: Path, relative: str, *, limit: int = 5_000_000) -> bytes | None:
    """The content of a used file, or None when it is gone, too large or leads out of the directory."""
    path = (root / relative).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file() or path.stat().st_size > limit:
        return None
    return path.read_bytes()
