"""What one parse of a Dag file touched, in the bundle and outside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from pinwheel.core.parse.reach import Reach

IMPURITY_KINDS = (
    "variable",
    "connection",
    "metadata",
    "network",
    "subprocess",
    "environment",
    "clock",
    "random",
    "file",
    "database",
    "write",
)
"""What a parse can depend on, or change, besides its bundle version.

``variable`` and ``connection``: Airflow's, wherever they are kept; ``metadata``: another question to
Airflow; ``environment``: environment variables and facts about the host; ``file``: a file outside the
bundle; ``database``: a local one, remote ones show as ``network``; ``write``: a file was opened for writing.
"""


BESIDE = "//"
"""Before the path of a file that lies beside the bundle's folder in its repository, relative to that."""
WHOLE_TREE = "/"
"""As a path: all files of the bundle version, those beside its folder too."""


def path_in_bundle(path: str, subdir: str | None) -> str:
    """The path of a file of the repository as the bundle writes it, whose folder there *subdir* is."""
    if not subdir:
        return path
    prefix = f"{subdir}/"
    return path[len(prefix) :] if path.startswith(prefix) else BESIDE + path


def path_in_repository(path: str, subdir: str | None) -> str:
    """The path from the repository's root of a file that the bundle writes so: the way back."""
    if path.startswith(BESIDE):
        return path.removeprefix(BESIDE)
    return f"{subdir}/{path}" if subdir else path


@frozen(kw_only=True)
class ParseFacts:
    """The recorded facts of one parse.

    Paths are posix, relative to the bundle's directory, sorted and unique; ``""`` in ``directories`` is the
    bundle's directory itself. What lies beside it in the repository is written ``//lib/x.py``.
    """

    files: tuple[str, ...] = ()
    """Bundle files that the parse imported or opened, the Dag file among them."""
    statically: tuple[str, ...] = ()
    """Bundle files that the parse did not touch but a task may: imported in function bodies, or named.

    A folder of many files is one entry, with a slash at its end.
    """
    directories: tuple[str, ...] = ()
    """Bundle directories whose names were listed."""
    absent: tuple[str, ...] = ()
    """Paths at which there was nothing, and where a new file would change what the parse or a task finds."""
    asked: tuple[str, ...] = ()
    """Other paths of which it was asked whether, or what, they are; files that were opened without an event.

    ``/`` stands for the whole version: what was opened could not be told.
    """
    impure: tuple[Mapping[str, str], ...] = ()
    """``{"kind": one of IMPURITY_KINDS, "detail": text}``; empty for a pure parse. Details hold no values."""
    skipped: tuple[str, ...] = ()
    """What was not looked at, in words."""
    reached: Mapping[str, Reach] = field(factory=dict)
    """By Dag, what its object reaches."""

    @property
    def used(self) -> tuple[str, ...]:
        """All files that count as inputs, sorted."""
        return tuple(sorted({*self.files, *self.statically}))

    def to_json(self) -> dict[str, Any]:
        return {
            "files": list(self.files),
            "statically": list(self.statically),
            "directories": list(self.directories),
            "absent": list(self.absent),
            "asked": list(self.asked),
            "impure": [dict(item) for item in self.impure],
            "skipped": list(self.skipped),
            "reached": {dag_id: reach.to_json() for dag_id, reach in self.reached.items()},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ParseFacts:
        return cls(
            files=tuple(value.get("files", ())),
            statically=tuple(value.get("statically", ())),
            directories=tuple(value.get("directories", ())),
            absent=tuple(value.get("absent", ())),
            asked=tuple(value.get("asked", ())),
            impure=tuple(dict(item) for item in value.get("impure", ())),
            skipped=tuple(value.get("skipped", ())),
            reached={dag_id: Reach.from_json(reach) for dag_id, reach in value.get("reached", {}).items()},
        )
