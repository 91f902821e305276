"""Revisions and the Airflow versions they belong to, read from migration scripts without running them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from pinwheel.core.errors import HostError, NotFound

_OLDEST = (3, 0, 0)


@frozen
class Revision:
    """One migration script. ``version`` is the Airflow release that brought it."""

    id: str
    parents: tuple[str, ...]
    version: str


@frozen
class History:
    """All revisions that one Airflow knows, oldest first, and its table of versions and heads."""

    revisions: tuple[Revision, ...]
    heads: Mapping[str, str]

    def __contains__(self, revision: object) -> bool:
        return any(known.id == revision for known in self.revisions)

    @property
    def head(self) -> str:
        return self.revisions[-1].id

    def index(self, revision: str) -> int:
        return [known.id for known in self.revisions].index(revision)

    def version_of(self, revision: str) -> str:
        """The Airflow release whose schema, or a part on the way to it, this revision is."""
        return self.revisions[self.index(revision)].version

    def name_of(self, revision: str) -> str:
        """The same for people: a release without migrations of its own ends where the one before it does."""
        versions = self._versions()
        ending = next(
            (place for place, version in enumerate(versions) if self.heads[version] == revision), None
        )
        if ending is None:
            return self.version_of(revision)
        first = versions[ending]
        major, minor, _ = release_of(first)
        later = [v for v in versions[ending:] if release_of(v)[:2] == (major, minor)]
        before = next((f" before {v}" for v in later if self.heads[v] != revision), "")
        return f"{first} or a later {major}.{minor}{before}"

    def ends(self) -> list[str]:
        """The revisions that versions of Airflow 3 end at, the newest first."""
        ends = {self.head, *(self.heads[version] for version in self._versions())}
        return sorted(ends, key=self.index, reverse=True)

    def _versions(self) -> list[str]:
        """The versions of Airflow 3 that brought migrations, the oldest first."""
        known = [version for version, head in self.heads.items() if head in self]
        return sorted((v for v in known if release_of(v) >= _OLDEST), key=release_of)

    def between(self, newer: str, older: str) -> tuple[Revision, ...]:
        """The scripts to undo on the way from *newer* down to *older*, in that order."""
        return tuple(reversed(self.revisions[self.index(older) + 1 : self.index(newer) + 1]))

    def head_of(self, version: str) -> str:
        """The revision that Airflow *version* ends at.

        :raises NotFound: the version is older than all that are known.
        """
        wanted = release_of(version)
        known = [
            (release_of(name), revision)
            for name, revision in self.heads.items()
            if release_of(name) <= wanted
        ]
        if not known or wanted < _OLDEST:
            raise NotFound(
                f"Cannot go to Airflow {version or '?'}",
                found="no schema of Airflow 3 is known for that version",
                remedy="Name a version from 3.0.0 on",
            )
        return max(known)[1]

    def as_json(self) -> dict[str, Any]:
        return {
            "revisions": [[r.id, list(r.parents), r.version] for r in self.revisions],
            "heads": dict(self.heads),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> History:
        return cls(
            tuple(Revision(r, tuple(parents), version) for r, parents, version in value["revisions"]),
            dict(value["heads"]),
        )


def release_of(version: str) -> tuple[int, int, int]:
    """``3.4.0b2`` -> (3, 4, 0): beta and final have the same line of migrations.

    A text without a version is (0, 0, 0).
    """
    found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", version)
    if not found:
        return 0, 0, 0
    major, minor, patch = found.groups()
    return int(major), int(minor), int(patch or 0)


def read_history(airflow_package: Path) -> History:
    """The history that the Airflow in this folder (the one of ``airflow/__init__.py``) brings.

    :raises HostError: its scripts do not have the form that is known.
    """
    scripts = [
        _read_script(path) for path in sorted((airflow_package / "migrations" / "versions").glob("*.py"))
    ]
    heads = _read_heads(airflow_package / "utils" / "db.py")
    revisions = _in_order([script for script in scripts if script])
    if not revisions or not heads:
        raise HostError(
            "Cannot read the migrations of Airflow", found=f"no usable scripts below {airflow_package.name}"
        )
    return History(revisions, heads)


def _assigned(source: str) -> dict[str, Any]:
    """Names that get a literal value at the top of a module."""
    found = {}
    for node in ast.parse(source).body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        value = getattr(node, "value", None)
        for target in targets:
            if isinstance(target, ast.Name) and value is not None:
                try:
                    found[target.id] = ast.literal_eval(value)
                except ValueError:
                    continue
    return found


def _read_script(path: Path) -> Revision | None:
    names = _assigned(path.read_text(encoding="utf-8"))
    if "revision" not in names:
        return None
    down = names.get("down_revision")
    parents = (down,) if isinstance(down, str) else tuple(down or ())
    return Revision(names["revision"], parents, str(names.get("airflow_version", "")))


def _read_heads(path: Path) -> dict[str, str]:
    heads = _assigned(path.read_text(encoding="utf-8")).get("_REVISION_HEADS_MAP", {})
    return {str(version): str(revision) for version, revision in heads.items()}


def _in_order(scripts: Iterable[Revision]) -> tuple[Revision, ...]:
    """Each after its parents."""
    by_id = {script.id: script for script in scripts}
    ordered: dict[str, Revision] = {}
    waiting = list(by_id.values())
    while waiting:
        ready = [s for s in waiting if all(parent in ordered or parent not in by_id for parent in s.parents)]
        if not ready:
            raise HostError("Cannot read the migrations of Airflow", found="their order has a circle")
        ordered.update((script.id, script) for script in ready)
        waiting = [script for script in waiting if script.id not in ordered]
    return tuple(ordered.values())
