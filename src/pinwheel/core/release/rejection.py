"""Rejections: builds, or versions of one, that never come back by themselves.

What was rolled back is rejected, and what somebody rejects. No unpin, no push that brings the same content
back and no way back releases it; a person may on purpose, with a reason, which lifts the rejection.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import frozen

from pinwheel.core.build import Build
from pinwheel.core.record import Record
from pinwheel.core.release.stand import Head


@frozen(kw_only=True)
class NewRejection(Record):
    """A rejection of a Dag."""

    dag_id: str
    build_id: int
    inputs_digest: str | None = None
    """Where a Dag serializes differently at each parse, or asks the outside: all builds of these inputs."""
    first_seq: int | None = None
    last_seq: int | None = None
    """The heads of the bundle at which the build is rejected; None: wherever it stands."""
    actor: str
    reason: str | None
    at: datetime


@frozen(kw_only=True)
class Rejection(NewRejection):
    """One of the ledger."""

    id: int
    lifted_at: datetime | None = None
    lifted_by: str | None = None
    lifted_reason: str | None = None

    @property
    def lifted(self) -> bool:
        return self.lifted_at is not None

    @property
    def of_versions(self) -> bool:
        """It holds for some versions of its build only."""
        return self.first_seq is not None

    def covers(self, build: Build, seq: int | None = None) -> bool:
        """Whether it holds for the build, or for it at the head with this ``seq``.

        A rejection of some versions leaves the build free in others, so it does not cover the build as such.
        """
        if self.lifted:
            return False
        if self.of_versions:
            return build.id == self.build_id and seq is not None and self._holds(seq)
        return build.id == self.build_id or build.inputs_digest == self.inputs_digest

    def holds_at(self, head: Head | None) -> bool:
        """Whether it holds for its build where that stands in this version; one of all versions does."""
        return not self.lifted and (not self.of_versions or (head is not None and self._holds(head.seq)))

    def _holds(self, seq: int) -> bool:
        assert self.first_seq is not None
        return self.first_seq <= seq <= (self.first_seq if self.last_seq is None else self.last_seq)

    def is_of_versions_of(self, build: Build) -> bool:
        """Whether it holds for some versions of the build, whichever these are."""
        return not self.lifted and self.of_versions and build.id == self.build_id

    def said(self) -> str:
        """Who rejected it, when and why, as part of a sentence."""
        why = f": {self.reason}" if self.reason else ", without a reason"
        return f"{self.actor} rejected it at {self.at:%Y-%m-%d %H:%M} UTC{why}"


def rejection_of(
    rejections: Iterable[Rejection], build: Build | None, seq: int | None = None
) -> Rejection | None:
    """The newest rejection that holds for the build, at the head with this ``seq`` if one is given."""
    if build is None:
        return None
    holding = [rejection for rejection in rejections if rejection.covers(build, seq)]
    return max(holding, key=lambda rejection: rejection.id, default=None)
