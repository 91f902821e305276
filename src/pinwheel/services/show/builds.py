"""Builds and releases of a Dag, and what differs between two builds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Self, TypeVar

from attrs import evolve, frozen

from pinwheel.core.build import Build, runtime_warnings
from pinwheel.core.errors import NotFound
from pinwheel.core.json import Json
from pinwheel.core.records import BrokenBuild, NumberedRelease
from pinwheel.core.release.rejection import Rejection, rejection_of
from pinwheel.core.side import Which, side
from pinwheel.core.structure import diff as differences
from pinwheel.core.structure import without
from pinwheel.core.structure.windows import stretches
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import AirflowVersion
from pinwheel.services.release import keeping
from pinwheel.services.show.links import Links
from pinwheel.services.show.status import managed
from pinwheel.services.show.words import plain_version
from pinwheel.store import builds as store
from pinwheel.store import rejections
from pinwheel.store import releases as release_store

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

GOOD, BROKEN = "good", "broken"
BEFORE = "before"
"""The kind of Airflow's versions from before Pinwheel."""


@frozen(kw_only=True)
class RejectedView:
    """Why a build is never released by itself."""

    actor: str
    reason: str | None
    at: datetime

    @classmethod
    def of(cls, rejection: Rejection | None) -> Self | None:
        if rejection is None:
            return None
        return cls(actor=rejection.actor, reason=rejection.reason, at=rejection.at)


@frozen(kw_only=True)
class BuildView:
    """A build, good or broken; a broken one has neither number nor digest."""

    dag_id: str
    build: int | None
    digest: str | None
    bundle_version: str | None
    created_at: datetime
    author: str | None
    message: str | None
    label: str | None
    status: str
    releases: tuple[int, ...]
    """Numbers of the releases of it."""
    error: str | None
    pure: bool
    adopted: bool
    unstable: tuple[str, ...]
    unread: tuple[str, ...]
    """What could not be read of the Dag's object, so that all that its file reads decides the content."""
    bundle: str
    path: str
    """The Dag's file in the bundle."""
    committed_at: datetime | None
    rejected: RejectedView | None

    @classmethod
    def of(
        cls,
        build: Build,
        releases: Iterable[int],
        rejections: Iterable[Rejection],
        told: store.HowTold | None = None,
    ) -> Self:
        """A good one, with its releases; *rejections* are those of its Dag."""
        return cls(
            dag_id=build.dag_id,
            build=build.build,
            digest=build.digest,
            bundle_version=build.bundle_version,
            created_at=build.created_at,
            author=build.author,
            message=build.message,
            label=build.label,
            status=GOOD,
            releases=tuple(releases),
            error=None,
            pure=build.pure,
            adopted=build.adopted,
            unstable=build.unstable,
            unread=told.unread if told is not None else (),
            bundle=build.bundle_name,
            path=build.relative_fileloc,
            committed_at=build.committed_at,
            rejected=RejectedView.of(rejection_of(rejections, build)),
        )

    @classmethod
    def of_broken(cls, row: BrokenBuild) -> Self:
        return cls(
            dag_id=row.dag_id,
            build=None,
            digest=None,
            bundle_version=plain_version(row.bundle_version),
            created_at=row.created_at,
            author=row.author,
            message=row.message,
            label=row.label,
            status=BROKEN,
            releases=(),
            error=row.error,
            pure=False,
            adopted=False,
            unstable=(),
            unread=(),
            bundle=row.bundle_name,
            path=row.relative_fileloc,
            committed_at=None,
            rejected=None,
        )


@frozen(kw_only=True)
class BuildFile:
    """A file that a build used, without its content; see :func:`pinwheel.services.show.compare.file`."""

    path: str
    size: int | None
    """Bytes; None: not kept."""
    read_at_parse: bool
    """The parse read it, and it does not decide the content of the Dag."""


@frozen(kw_only=True)
class OneBuild(BuildView):
    """A good build with the files that it used."""

    url: str | None = None
    """Where its commit can be looked at."""
    files: tuple[BuildFile, ...] = ()
    """By path."""
    untraced: bool = False
    """It was adopted: only the Dag's own file is known."""


@frozen(kw_only=True)
class ReleaseView:
    """A release, or one of Airflow's versions from before Pinwheel."""

    dag_id: str
    release: int
    build: int | None
    kind: str
    actor: str | None
    reason: str | None
    created_at: datetime | None
    active: bool
    bundle_version: str | None
    label: str | None
    previous_release: int | None
    fetchable: bool
    """Its files are kept, so that it can be rolled back to."""

    @classmethod
    def of(cls, row: NumberedRelease, build: Build, *, active: bool, fetchable: bool) -> Self:
        """A release of this build."""
        return cls(
            dag_id=row.dag_id,
            release=row.release,
            build=row.build,
            kind=row.kind,
            actor=row.actor,
            reason=row.reason,
            created_at=row.created_at,
            active=active,
            bundle_version=plain_version(row.bundle_version),
            label=build.label,
            previous_release=row.previous_release,
            fetchable=fetchable,
        )

    @classmethod
    def of_before(cls, dag_id: str, version: AirflowVersion) -> Self:
        """Nobody can say which code such a version ran."""
        return cls(
            dag_id=dag_id,
            release=version.version_number,
            build=None,
            kind=BEFORE,
            actor=None,
            reason="before Pinwheel",
            created_at=version.created_at,
            active=False,
            bundle_version=plain_version(version.bundle_version),
            label=None,
            previous_release=None,
            fetchable=False,
        )


@frozen(kw_only=True)
class DiffView:
    """What changed between two builds of a Dag."""

    dag_id: str
    from_: int
    to: int
    structure: differences.Structure
    files: tuple[differences.FileChange, ...]
    untraced: bool
    """One of the builds was adopted, and its inputs were never traced: of its files only the Dag's own one
    is known, and the others are left out."""
    warnings: tuple[str, ...]


B = TypeVar("B", bound=BuildView)


def builds(host: Host, dag_id: str) -> list[BuildView]:
    """Good and broken builds of a Dag, newest first.

    :raises NotFound: the Dag is not managed.
    """

    def work(session: Session) -> list[BuildView]:
        managed(session, dag_id)
        numbers = release_store.numbers_by_build(session, dag_id)
        rejected = rejections.of_dag(session, dag_id)
        found = store.of_dag(session, dag_id)
        told = store.how_told(session, [build.id for build in found])
        good = [
            BuildView.of(build, numbers.get(build.id, ()), rejected, told.get(build.id)) for build in found
        ]
        bad = [BuildView.of_broken(row) for row in store.broken_of_dag(session, dag_id)]
        return by_time(good, bad)

    return host.unit.run(work)


def build(host: Host, dag_id: str, number: int) -> OneBuild:
    """One good build of a Dag with its files.

    :raises NotFound: the Dag is not managed, or has no good build of that number.
    """

    def work(session: Session) -> OneBuild:
        managed(session, dag_id)
        found = store.by_number(session, dag_id, number)
        if found is None:
            raise NotFound(
                f"Cannot show build {number} of {dag_id}",
                found=f"it has no good build {number}",
                remedy=f"See its builds: pinwheel builds {dag_id}",
                dag_id=dag_id,
                build=number,
            )
        told = store.how_told(session, [found.id])[found.id]
        files = store.files(session, found.id)
        sizes = store.sizes(session, files.values())
        shown = OneBuild.of(
            found,
            release_store.numbers_by_build(session, dag_id).get(found.id, ()),
            rejections.of_dag(session, dag_id),
            told,
        )
        links = Links.to(host, session, [(found.bundle_name, found.bundle_version)])
        return evolve(
            shown,
            url=links.of(found.bundle_name, found.bundle_version),
            files=tuple(
                BuildFile(path=path, size=sizes.get(digest), read_at_parse=path in told.read_at_parse)
                for path, digest in sorted(files.items())
            ),
            untraced=is_untraced(found),
        )

    return host.unit.run(work)


def is_untraced(build: Build) -> bool:
    """Whether only the Dag's own file is known of it: Airflow had it before, and no parse told the others."""
    return build.adopted and not build.inputs_digest


def by_time(good: Sequence[B], bad: Sequence[B]) -> list[B]:
    """Builds newest first: good ones keep the order of their numbers, broken ones go where their time is."""
    found: list[B] = []
    waiting = list(bad)
    for item in good:
        while waiting and waiting[0].created_at >= item.created_at:
            found.append(waiting.pop(0))
        found.append(item)
    return found + waiting


def releases(host: Host, dag_id: str, *, include_before: bool = False) -> list[ReleaseView]:
    """Releases of a Dag, newest first; with ``include_before`` then those from before Pinwheel.

    :raises NotFound: the Dag is not managed.
    """

    def work(session: Session) -> list[ReleaseView]:
        row = managed(session, dag_id)
        ledger = release_store.of_dag(session, dag_id)
        found = store.by_ids(session, {item.build_id for item in ledger})
        there = keeping.fetchable(host, session, {dag_id: row}).get(dag_id, ())
        shown = [
            ReleaseView.of(
                item,
                found[item.build_id],
                active=item.release == row.active_release,
                fetchable=item.release in there,
            )
            for item in ledger
        ]
        if include_before and ledger:
            shown += [
                ReleaseView.of_before(dag_id, version)
                for version in host.reads.versions_before(session, dag_id, ledger[-1].release)
            ]
        return shown

    return host.unit.run(work)


def diff(host: Host, dag_id: str, from_build: Which = None, to_build: Which = None) -> DiffView:
    """What changed between two builds of a Dag; without them: from the active build to the newest one.

    :raises NotFound: the Dag, a build or a release does not exist.
    :raises InvalidInput: one of the two is neither, or its number is below 1.
    """

    def work(session: Session) -> DiffView:
        old, new = two_builds(session, dag_id, from_build, to_build)
        stored = store.serialized(session, [old.id, new.id])
        before, after, untraced = files_of_two(session, old, new)
        told = store.how_told(session, {old.id, new.id})
        return DiffView(
            dag_id=dag_id,
            from_=old.build,
            to=new.build,
            structure=differences.structure(stored[old.id], stored[new.id]),
            files=_file_changes(
                session, before, after, read_at_parse(before, after, told[old.id], told[new.id])
            ),
            untraced=untraced,
            warnings=warnings_of(old, new, stored[new.id]),
        )

    return host.unit.run(work)


def warnings_of(old: Build, new: Build, serialized: Mapping[str, Json]) -> tuple[str, ...]:
    """What else may differ than files and structure, and what runs of some dates of the new one may do."""
    of_dates = [
        said
        for stretch in (stretches(serialized) if new.windowed else ())
        for said in without.warnings(serialized, stretch.absent)
    ]
    return (*runtime_warnings(old, new), *dict.fromkeys(of_dates))


def two_builds(session: Session, dag_id: str, from_build: Which, to_build: Which) -> tuple[Build, Build]:
    """These builds, or the active and the newest one, for comparing.

    :raises NotFound: the Dag, a build or a release does not exist.
    :raises InvalidInput: one of the two is neither, or its number is below 1.
    """
    row = managed(session, dag_id)
    return (
        _build_named(session, dag_id, from_build, row.active_build_id),
        _build_named(session, dag_id, to_build, row.newest_build_id),
    )


def files_of_two(session: Session, old: Build, new: Build) -> tuple[dict[str, str], dict[str, str], bool]:
    """Paths to content ids of both builds, and whether one of them is known by its Dag's file only."""
    found = store.files_of(session, {old.id, new.id})
    before, after = found.get(old.id, {}), found.get(new.id, {})
    untraced = any(map(is_untraced, (old, new)))
    if untraced:
        common = before.keys() & after.keys()
        before = {path: before[path] for path in common}
        after = {path: after[path] for path in common}
    return before, after, untraced


def read_at_parse(
    before: Mapping[str, str], after: Mapping[str, str], one: store.HowTold, other: store.HowTold
) -> frozenset[str]:
    """Files of two builds that decide the content of neither: a parse read them; the Dag holds nothing of it.

    *before* and *after* are the files of the two.
    """
    decide = (before.keys() - one.read_at_parse) | (after.keys() - other.read_at_parse)
    return frozenset({*before, *after} - decide)


def _build_named(session: Session, dag_id: str, which: Which, default_id: int | None) -> Build:
    asked = None if which is None else side(which)
    if asked is not None and not asked.release:
        found = store.by_number(session, dag_id, asked.number)
    else:
        released = release_store.one(session, dag_id, asked.number) if asked is not None else None
        build_id = default_id if asked is None else released.build_id if released is not None else None
        found = store.by_ids(session, [build_id]).get(build_id) if build_id is not None else None
    if found is not None:
        return found
    failed = f"Cannot compare builds of {dag_id}"
    if asked is not None and asked.release:
        raise NotFound(
            failed,
            found=f"it has no {asked}",
            remedy=f"See its releases: pinwheel releases {dag_id}",
            dag_id=dag_id,
            release=asked.number,
        )
    number = asked.number if asked is not None else None
    raise NotFound(
        failed,
        found=f"it has no good build {number}" if number else "it has no good build yet",
        remedy=f"See its builds: pinwheel builds {dag_id}",
        dag_id=dag_id,
        build=number,
    )


def _file_changes(
    session: Session, before: Mapping[str, str], after: Mapping[str, str], at_parse: Collection[str]
) -> tuple[differences.FileChange, ...]:
    changed = {path for path in {*before, *after} if before.get(path) != after.get(path)}
    digests = {m[path] for m in (before, after) for path in changed if path in m}
    contents = store.sources(session, digests)
    return differences.files(
        {path: contents.get(before[path]) for path in changed if path in before},
        {path: contents.get(after[path]) for path in changed if path in after},
        at_parse,
    )
