"""What ``harness.manifest_bundle`` reads, without Airflow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path


class ManifestSlot:
    """The store behind such a bundle."""

    def __init__(self, name: str, source: Path) -> None:
        self.name = name
        self.source = source
        self._manifest: dict[str, str] = {}
        source.mkdir(parents=True)
        self.push({".airflowignore": ""})

    def push(self, files: Mapping[str, str]) -> str:
        """Change these files; the new version."""
        for name, text in files.items():
            digest = hashlib.sha256(text.encode()).hexdigest()
            (self.source / digest).write_text(text)
            self._manifest[name] = digest
        new = self.source / "new.json"
        new.write_text(json.dumps(self._manifest))
        new.rename(self.source / "current.json")
        return version_of(self._manifest)


def version_of(manifest: Mapping[str, str]) -> str:
    return hashlib.sha1(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
