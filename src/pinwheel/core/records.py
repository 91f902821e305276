"""What the tables hold, as values: each is one row, complete, and never changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from attrs import field, frozen
from attrs.converters import optional

from pinwheel.core.event import EventKind, event_kind
from pinwheel.core.json import Json
from pinwheel.core.record import Record
from pinwheel.core.release.follow import as_released, taken
from pinwheel.core.release.state import Kind, Track
from pinwheel.core.run.how import How
from pinwheel.core.run.mark import is_marked


@frozen(kw_only=True)
class ManagedDag(Record):
    """A Dag as it stands: what is active, what is newest, what was written to Airflow's rows."""

    dag_id: str
    bundle_name: str
    relative_fileloc: str
    track: Track = field(converter=Track)
    active_release: int | None
    active_build_id: int | None
    newest_build_id: int | None
    newest_seq: int
    retired: bool
    missing_since: datetime | None
    stable_bundle: str | None
    stable_fileloc: str | None
    dag_version_id: UUID | None
    released_version: str | None
    """The bundle version that the active release names, as Airflow's version row has it."""
    row_version: str | None
    """The bundle version that Airflow's row of the Dag must name."""
    follow_version: str | None
    """The plain version of new runs; None: that of the release."""
    follow_before: str | None
    """The version that new runs had before they followed; None: they did not since the release."""
    projected_hash: str | None
    projected_code_hash: str | None
    track_actor: str | None
    track_reason: str | None
    track_since: datetime | None
    asserted_at: datetime | None
    policy_id: int | None
    """The revision of its repository's policy that is in force; None: none was."""
    proven_build_id: int | None
    proven_version: str | None
    """The last place that was proven."""

    @property
    def pinned(self) -> bool:
        return self.track is Track.PINNED

    @property
    def in_force(self) -> str | None:
        """The bundle version of new runs of the active build, as Airflow's row of such a run is to have it.

        The Dag's row names it too, unless it has the mark: then no run is born with it.
        """
        if not is_marked(self.row_version):
            return self.row_version
        version = taken(self.follow_version, self.released_version)
        return as_released(version, self.released_version) if version is not None else None


@frozen(kw_only=True)
class ReleaseRecord(Record):
    """One release of a Dag, of the ledger."""

    dag_id: str
    release: int
    build_id: int
    kind: Kind = field(converter=Kind)
    actor: str
    reason: str | None
    previous_release: int | None
    dag_version_id: UUID
    bundle_version: str | None
    created_at: datetime


@frozen(kw_only=True)
class NumberedRelease(ReleaseRecord):
    """A release with the number of its build."""

    build: int


@frozen(kw_only=True)
class Trial(Record):
    """Airflow's version row for runs of a build that was never released."""

    dag_version_id: UUID
    dag_id: str
    build_id: int
    bundle_version: str | None
    created_at: datetime


@frozen(kw_only=True)
class KnownVersion(Record):
    """What a version row of Airflow stands for."""

    dag_version_id: UUID
    release: int | None
    """None for a trial's."""
    build: int
    build_id: int
    bundle_version: str | None
    """None, too, for a row that was made for dates: which one a run of it has is its binding's."""
    segment: int | None = None
    """Of a row that was made for dates: the first position of its segments. Its release, if any, is the
    newest one of its build.
    """


@frozen(kw_only=True)
class RunOutcome(Record):
    """What a run came to, and on which version. A run that is cleared and ends again has one more."""

    dag_id: str
    run_id: str
    seq: int
    """The run's clear number."""
    state: str
    """``success`` or ``failed``."""
    ended_at: datetime
    dag_version_id: UUID | None
    release: int | None = None
    """None for a trial's."""
    build_id: int | None = None
    """None for a version from before Pinwheel."""
    started_at: datetime | None = None
    """None: it never did, or nobody noted it."""
    how: How | None = field(default=None, converter=optional(How))
    """None: nobody noted it."""


@frozen(kw_only=True)
class Event(Record):
    """An entry of the audit trail."""

    id: int
    at: datetime
    kind: EventKind | str = field(converter=event_kind)
    dag_id: str | None
    bundle_name: str | None
    actor: str
    reason: str | None
    details: Mapping[str, Any]
    batch: str | None
    """Events of one batch and kind can be told in one line."""


@frozen(kw_only=True)
class AnsweredRequest(Record):
    """A request with an id that was carried out, or has begun."""

    actor: str
    fingerprint: str
    verb: str
    dag_ids: Sequence[str]
    answer: Json
    """None: not yet."""
    at: datetime


@frozen(kw_only=True)
class DagFile(Record):
    """The newest known state of a Dag file."""

    bundle_name: str
    relative_fileloc: str
    seq: int
    version: str
    parse_id: int | None
    dag_ids: Sequence[str]
    impure: bool
    error: str | None
    broken_since: datetime | None
    pending_seq: int | None
    """The head in which it is not known what the file gives; None: it is known."""
    parsed_at: datetime
    verified_seq: int | None = None
    """The head in which it was last parsed or verified."""
    verified_tree: str | None = None
    """The tree of that head."""
    verified_at: datetime | None = None
    always: str | None = None
    """While this is its content id, it is parsed in each new tree."""
    unstable: bool = False
    """It gives something else at each parse."""


@frozen(kw_only=True)
class ParseResult(Record):
    """What a parse gave."""

    id: int
    file_digest: str
    builds: Mapping[str, int]
    error: str | None
    impure: Sequence[Mapping[str, str]] | None


@frozen(kw_only=True)
class NewParse(Record):
    """A parse of one file, with what it read and gave."""

    bundle_name: str
    relative_fileloc: str
    file_digest: str
    inputs_digest: str
    runtime: str
    inputs: Mapping[str, Any]
    builds: Mapping[str, int]
    error: str | None
    impure: Sequence[Mapping[str, str]] | None
    seconds: float | None
    parsed_at: datetime


@frozen(kw_only=True)
class Parse(NewParse):
    """A stored one."""

    id: int


@frozen(kw_only=True)
class BrokenBuild(Record):
    """A bundle version in which the file of a Dag could not be used."""

    dag_id: str
    bundle_name: str
    bundle_version: str
    relative_fileloc: str
    error: str
    created_at: datetime
    author: str | None
    message: str | None
    label: str | None


@frozen(kw_only=True)
class BundleVersion(Record):
    """A version that a bundle had, or that was refused (its seq is 0 then)."""

    bundle_name: str
    version: str
    seq: int
    author: str | None
    message: str | None
    committed_at: datetime | None
    label: str | None
    version_data: Any
    path: str | None
    first_seen_at: datetime
    state: str
    reason: str | None
    refused_at: datetime | None
    left_out: Any
    tree: str | None = None


@frozen(kw_only=True)
class RefusedHead(Record):
    """A version that was not taken, in short."""

    bundle_name: str
    version: str
    reason: str | None
    refused_at: datetime | None
    author: str | None
    message: str | None
    label: str | None


@frozen(kw_only=True)
class Head(Record):
    """Where a bundle stands, with what is known of its newest version."""

    name: str
    head_version: str | None
    head_seq: int
    settled_seq: int
    updated_at: datetime
    author: str | None
    message: str | None
    committed_at: datetime | None
    label: str | None
    left_out: Any


@frozen(kw_only=True)
class FleetDag(Record):
    """A managed Dag at a glance."""

    dag_id: str
    bundle_name: str
    relative_fileloc: str
    track: Track = field(converter=Track)
    track_actor: str | None
    track_reason: str | None
    track_since: datetime | None
    active_release: int | None
    active_build_id: int | None
    newest_build_id: int | None
    dag_version_id: UUID | None
    row_version: str | None
    retired: bool
    active_build: int | None
    newest_build: int | None
    newest_at: datetime | None
    """When the newest build was made."""
    released_at: datetime | None
    release_kind: str | None
    release_actor: str | None
    release_reason: str | None

    @property
    def pinned(self) -> bool:
        return self.track is Track.PINNED
