"""A bundle class that gives data with its versions: Airflow from 3.4 on keeps it and hands it out again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from airflow.dag_processing.bundles.base import BaseDagBundle, BundleVersion

from harness.manifests import version_of


class ManifestBundle(BaseDagBundle):
    """Files by content, as in an object store. A version's data is its manifest, known nowhere else."""

    supports_versioning = True

    def __init__(self, *, source: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = Path(source)
        self._manifest: dict[str, str] = dict(getattr(self, "version_data", None) or {})

    def initialize(self) -> None:
        if self.version is None:
            self.refresh()
        else:
            # The processor sets it after it has made the bundle.
            self._manifest = dict(self.version_data)
            self._write()
        super().initialize()

    def refresh(self) -> None:
        self._manifest = json.loads((self.source / "current.json").read_text())

    def get_current_version(self) -> Any:
        return BundleVersion(version=version_of(self._manifest), data=self._manifest)

    @property
    def path(self) -> Path:
        version = self.version or version_of(self._manifest)
        return self.versions_dir / version / version_of(self._manifest)[:8]

    def _write(self) -> None:
        for name, digest in self._manifest.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((self.source / digest).read_bytes())
