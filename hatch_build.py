"""Puts the built web UI, which git does not hold, into distributions; refuses to make one without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUILT = Path("src/pinwheel/ui_dist")
MANIFEST = "manifest.json"


class WebUi(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return  # A source checkout: an API server without the UI says on its pages what to run.
        folder = Path(self.root) / BUILT
        inside = Path("pinwheel/ui_dist") if self.target_name == "wheel" else BUILT
        for name in _files(folder):
            build_data["force_include"][str(folder / name)] = str(inside / name)


def _files(folder: Path) -> list[str]:
    """What belongs to the newest build, and nothing that a former one left."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise SystemExit(
            f"Cannot build airflow-pinwheel: there is no built web UI in {BUILT}. "
            "Build it first: scripts/bootstrap"
        )
    chunks = {entry["file"] for entry in json.loads(manifest.read_text()).values()}
    missing = sorted(name for name in chunks if not (folder / name).is_file())
    if missing or "main.js" not in chunks:
        raise SystemExit(
            f"Cannot build airflow-pinwheel: {BUILT} lacks {', '.join(missing) or 'main.js'}. "
            "Delete it and build it again: scripts/bootstrap"
        )
    return sorted({*chunks, MANIFEST, *(path.name for path in folder.glob("*.svg"))})
