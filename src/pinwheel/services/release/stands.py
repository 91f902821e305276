"""In which heads of a bundle the builds of its Dags stand: written when that changes, never per commit."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import NotFound, Refused, spoken
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.stand import Head, Span, Standing, disproved, known
from pinwheel.store import bundles, files, stands, verification

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Showing:
    """The head that a bundle shows, and the one before it."""

    bundle_name: str
    head: Head | None
    before: Head | None

    def is_late(self, seq: int) -> bool:
        """Whether the version with this ``seq`` is no longer the head."""
        return self.head is not None and seq < self.head.seq


def showing(session: Session, bundle_name: str, *, hold: bool = False) -> Showing:
    """What the bundle shows; held, nobody moves it on until the transaction ends."""
    row = bundles.shown(session, bundle_name, hold=hold)
    if row is None or row.head_version is None:
        return Showing(bundle_name=bundle_name, head=None, before=None)
    head = Head(seq=row.head_seq, version=row.head_version)
    return Showing(bundle_name=bundle_name, head=head, before=head.before(row.before_version))


def became_known(session: Session, shown: Showing, builds: Mapping[str, int | None]) -> None:
    """What the files of these locked Dags give in the head: a build, or none."""
    if shown.head is not None and builds:
        _write_known(session, shown, stands.last_of(session, shown.bundle_name, builds), builds)


def _write_known(
    session: Session, shown: Showing, before: Mapping[str, Span], builds: Mapping[str, int | None]
) -> None:
    """*before* are the newest spans of these Dags, as they stand in the table."""
    after: dict[str, Collection[Span]] = {}
    for dag_id, build_id in builds.items():
        last = before.get(dag_id)
        standing = Standing(
            spans=(last,) if last is not None else (),
            head=shown.head,
            before=shown.before,
        )
        after[dag_id] = known(standing, build_id).spans
    stands.write(session, shown.bundle_name, before, after)


def not_good(session: Session, shown: Showing, dag_ids: Collection[str]) -> None:
    """A parse of the head gave no good build of these locked Dags: they stand in it no longer.

    But for those of which another parse of this very head did: a file that asks the outside may fail at its
    next parse, and no new run goes back in time for that.
    """
    if shown.head is None or not dag_ids:
        return
    last = stands.last_of(session, shown.bundle_name, dag_ids)
    good = {dag_id for dag_id, span in last.items() if span.open and span.verified_seq == shown.head.seq}
    _write_known(session, shown, last, dict.fromkeys(sorted(set(dag_ids) - good)))


def disprove(session: Session, shown: Showing, builds: Mapping[str, int | None]) -> None:
    """A verification of the head found what these locked Dags give there: a build, or none.

    What was only believed since their file was last parsed or verified is taken back: the other build's span
    ends there.
    """
    if shown.head is None or not builds:
        return
    last = stands.last_of(session, shown.bundle_name, builds)
    after: dict[str, Collection[Span]] = {}
    for dag_id, span in last.items():
        if span.open and span.build_id != builds[dag_id] and span.verified_seq < shown.head.seq:
            version = verification.version_of(session, shown.bundle_name, dag_id, span)
            ended = disproved(span, version)
            after[dag_id] = (ended,) if ended is not None else ()
    stands.write(session, shown.bundle_name, last, after)


def stand_again(session: Session, bundle_name: str, builds: Mapping[str, int], seq: int) -> None:
    """By Dag, builds that stand in the head with this ``seq`` after heads that nobody looked into."""
    before = stands.last_of(session, bundle_name, builds)
    after: dict[str, Collection[Span]] = {}
    for dag_id, build_id in builds.items():
        last = before.get(dag_id)
        if last is not None and last.open:
            continue
        known_at = last.verified_seq if last is not None and last.build_id == build_id else seq
        again = Span(build_id=build_id, first_seq=seq, verified_seq=known_at)
        after[dag_id] = (again,) if last is None else (last, again)
    stands.write(session, bundle_name, before, after)


def place_named(session: Session, row: ManagedDag, version: str, *, verb: str) -> tuple[Head, int]:
    """A version of a Dag's bundle that somebody names, and the id of the build that stood in it.

    :raises NotFound: the bundle never showed it, or no good build of the Dag stood there.
    """
    key = (row.bundle_name, version)
    known = bundles.versions(session, [key]).get(key)
    if known is None or known.seq < 1:
        raise NotFound(
            f"Cannot {spoken(verb)} {row.dag_id} to version {version}",
            found=f"it was never the newest version of bundle {row.bundle_name!r} while Pinwheel looked",
            remedy=f"See in which versions its builds stood: pinwheel builds {row.dag_id}",
            problem="build-off-head",
            dag_id=row.dag_id,
        )
    shown = showing(session, row.bundle_name)
    waits = shown.head is not None and shown.head.seq == known.seq
    pending = waits and row.relative_fileloc in files.pending(session, row.bundle_name)
    build_id = None if pending else stands.build_at(session, row.dag_id, row.bundle_name, known.seq)
    if build_id is None:
        raise NotFound(
            f"Cannot {spoken(verb)} {row.dag_id} to version {version}",
            found="what its file gives there is not known yet"
            if pending
            else "no good build of it stood there",
            remedy=f"See in which versions its builds stood: pinwheel builds {row.dag_id}",
            dag_id=row.dag_id,
        )
    return Head(seq=known.seq, version=version), build_id


def stood_another(verb: str, asked: Build, there: Build, version: str) -> Refused:
    """Why a build can not be taken from a version."""
    return Refused(
        f"Cannot {spoken(verb)} {asked.dag_id} to build {asked.build} of version {version}",
        found=f"build {there.build} stood there",
        remedy=f"Leave the build out, or name a version in which it stood: pinwheel builds {asked.dag_id}",
        dag_id=asked.dag_id,
        build=there.build,
    )


def last_shown(session: Session, bundle_name: str | None, build_ids: Collection[int]) -> dict[int, int]:
    """By id of the build, the place (seq) of the last head of this bundle that showed it."""
    shown = showing(session, bundle_name) if bundle_name is not None else None
    if shown is None or shown.head is None:
        return {}
    spans = stands.of_builds(session, shown.bundle_name, build_ids)
    return {
        build_id: shown.head.seq if span.last_seq is None else span.last_seq
        for build_id, span in spans.items()
    }
