"""Builds: one Dag as parsed from one bundle version, and the digest that identifies its content."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from attrs import field, frozen

from pinwheel.core import text
from pinwheel.core.digest import digest_of, normalized, normalized_formerly

LABEL_TAG_PREFIX = "version:"
"""A Dag tag ``version:2.4.1`` is the author's version label ``2.4.1``."""


def _fitted_label(label: str | None) -> str | None:
    return text.fit(label, text.LABEL) if label is not None else None


@frozen(kw_only=True)
class BuildContent:
    """What one parse says about one Dag; the part of a build that does not depend on who registers it.

    ``serialized`` is Airflow's serialized Dag (``{"__version": …, "dag": {…}}``) in which every absolute
    path below the bundle version's directory is written with :data:`~pinwheel.core.digest.PATH_PLACEHOLDER`.
    ``files`` maps each used bundle file to the content id of its source.
    """

    dag_id: str
    bundle_name: str
    bundle_version: str
    relative_fileloc: str
    serialized: Mapping[str, Any] = field(repr=False)
    inputs_digest: str
    """Of all that the parse used and of all answers that it got."""
    content_digest: str = ""
    """Of the files that decide the content of this Dag; empty: those are all that it asked for."""
    used_digest: str = ""
    """Of all content that the parse used; empty: that is what decides."""
    objects_digest: str = ""
    """Of what the live Dag object holds, where it was walked (:class:`~pinwheel.core.parse.reach.Reach`)."""
    unread: tuple[str, ...] = ()
    """What could not be read of the object: then all that the parse used decides the content."""
    read_at_parse: tuple[str, ...] = ()
    """Those of ``files`` that the parse read and that do not decide the content of this Dag. Sorted."""
    files: Mapping[str, str] = field(factory=dict, repr=False)
    label: str | None = field(default=None, converter=_fitted_label)
    runtime: str = ""
    parse_seconds: float | None = None
    pure: bool = False
    version_data: Mapping[str, Any] | None = None
    told_apart: bool = False
    """The same content is a build of another bundle already."""

    @cached_property
    def serialized_digest(self) -> str:
        """Identity of the serialized Dag alone."""
        return digest_of(normalized(self.serialized))

    @cached_property
    def digest(self) -> str:
        """Identity of the build: serialized Dag, what its object reaches, label. Same digest, same build."""
        content = self.content_digest or self.inputs_digest
        parts: list[Any] = [self.serialized_digest, content, self.label]
        if self.objects_digest:
            parts.append({"objects": self.objects_digest})
        return self._whole(parts)

    @cached_property
    def former_digest(self) -> str:
        """The digest that a version of Pinwheel gave which did not look into Dag objects.

        A build that has it is this one: after an upgrade no Dag gets a new build for the rule's sake.
        """
        used = self.used_digest or self.content_digest or self.inputs_digest
        return self._whole([self.former_serialized_digest, used, self.label])

    @property
    def digests(self) -> frozenset[str]:
        """Those by which a build is known to be of this content."""
        return frozenset((self.digest, self.former_digest))

    @cached_property
    def former_serialized_digest(self) -> str:
        """The identity of the serialized Dag by the rule of that version."""
        return digest_of(normalized_formerly(self.serialized))

    def _whole(self, parts: list[Any]) -> str:
        return digest_of([*parts, self.bundle_name] if self.told_apart else parts)


@frozen(kw_only=True)
class Build:
    """A stored build. Immutable; ``build`` counts 1, 2, 3 … per Dag."""

    id: int
    dag_id: str
    build: int
    digest: str
    serialized_digest: str
    inputs_digest: str
    bundle_name: str
    bundle_version: str
    relative_fileloc: str
    created_at: datetime
    label: str | None = None
    author: str | None = None
    message: str | None = None
    committed_at: datetime | None = None
    runtime: str = ""
    parse_seconds: float | None = None
    pure: bool = False
    versioned: bool = True
    """False when the Dag opts out of bundle versioning (``disable_bundle_versioning``)."""
    unstable: tuple[str, ...] = ()
    """Attributes that differ at each parse of the same inputs; empty for a stable Dag."""
    adopted: bool = False
    """True for what Airflow already held before Pinwheel came: its inputs were never traced."""
    windowed: bool = False
    """Some of its tasks have no place at some dates (:mod:`pinwheel.core.structure.windows`)."""


def label_of(tags: Any) -> str | None:
    """The author's version label from a Dag's tags, or None. The first in alphabetical order wins."""
    found = sorted(t for t in tags or () if isinstance(t, str) and t.startswith(LABEL_TAG_PREFIX))
    return found[0].removeprefix(LABEL_TAG_PREFIX).strip() or None if found else None


def runtime_warnings(now_active: Build | None, target: Build | None) -> tuple[str, ...]:
    """Say when a build was parsed under other Python packages than the active one."""
    if now_active is None or target is None or not target.runtime or not now_active.runtime:
        return ()
    if target.runtime == now_active.runtime:
        return ()
    return (
        f"build {target.build} was parsed in another runtime (Python, Airflow or installed packages) "
        f"than build {now_active.build}; packages are not part of a bundle version",
    )
