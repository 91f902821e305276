"""SQLite metadata databases: a file migrated once, then copied."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from harness.databases import Database, migrate

_MEMORY = Path("/dev/shm")
_ROOM = 4 * 2**30


class SqliteFiles:
    """``create`` copies a template that ``airflow db migrate`` filled once."""

    backend = "sqlite"

    def __init__(self, root: Path) -> None:
        self.root = root
        self._template: Path | None = None

    def create(self, name: str | None = None, *, migrated: bool = True) -> Database:
        name = f"{name or 'airflow'}_{uuid.uuid4().hex[:8]}"
        path = self.root / f"{name}.db"
        if migrated:
            shutil.copyfile(self.template(), path)
        return Database("sqlite", name, f"sqlite:///{path}", lambda: _remove(path))

    def template(self) -> Path:
        """The migrated file that ``create`` copies."""
        if self._template is None:
            path = self.root / "template.db"
            migrate(f"sqlite:///{path}")
            self._template = path
        return self._template


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def memory() -> Path | None:
    """A folder that is in memory, if this machine has one with room for the databases of a few sessions."""
    try:
        return _MEMORY if shutil.disk_usage(_MEMORY).free > _ROOM and os.access(_MEMORY, os.W_OK) else None
    except OSError:
        return None
