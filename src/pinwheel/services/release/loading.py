"""All that a change asks of the database before it decides, read once and under the Dags' locks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import field, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import PinwheelError, Refused, unknown_dag
from pinwheel.core.lookup import named
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.decide import unversioned_remedy
from pinwheel.core.release.follow import taken
from pinwheel.core.release.rejection import Rejection
from pinwheel.core.release.stand import Head
from pinwheel.core.release.state import DagState, Kind
from pinwheel.services.ports.host import Host
from pinwheel.services.rules.facts import Around
from pinwheel.store import builds, bundles, dags, rejections, releases, segments
from pinwheel.store.builds import StoredContent

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Loaded(Around):
    """What is known of some managed Dags. As good as the locks that its reader holds on them."""

    contents: Mapping[int, StoredContent] = field(factory=dict)
    """By id of the build, of those that may be released."""

    def numbered(self, dag_id: str, number: int) -> Build | None:
        """The build of a Dag that was asked for by number."""
        return next((b for b in self.builds.values() if (b.dag_id, b.build) == (dag_id, number)), None)


def managed(
    host: Host, session: Session, dag_ids: Sequence[str], rows: Mapping[str, ManagedDag] | None = None
) -> dict[str, ManagedDag]:
    """The rows of these Dags: *rows*, which the caller has locked, or as they are now.

    :raises NotFound: one of them is not managed.
    :raises Refused: one of them is Airflow's alone: its bundle keeps no versions.
    """
    found, unknown = known_and_not(host, session, dag_ids, rows)
    if unknown:
        raise next(iter(unknown.values()))
    return found


def known_and_not(
    host: Host, session: Session, dag_ids: Sequence[str], rows: Mapping[str, ManagedDag] | None = None
) -> tuple[dict[str, ManagedDag], dict[str, PinwheelError]]:
    """As :func:`managed`: the rows of those that are, and why the others are not.

    :raises NotFound: Airflow does not know one of them either.
    """
    found = dags.rows(session, dag_ids) if rows is None else rows
    missing = [dag_id for dag_id in dag_ids if dag_id not in found]
    known = {dag_id: found[dag_id] for dag_id in dag_ids if dag_id in found}
    return known, _not_managed(host, session, missing) if missing else {}


def load(
    host: Host,
    session: Session,
    rows: Mapping[str, ManagedDag],
    *,
    others: Collection[int] = (),
    numbered: tuple[str, int] | None = None,
    contents_of: Collection[int] = (),
    rejected: Mapping[str, Sequence[Rejection]] | None = None,
    in_force: bool = False,
) -> Loaded:
    """What is known of the Dags of these rows, *others* (ids of builds) and a numbered build included.

    The contents are those of the numbered one and of *contents_of*. *rejected* are the Dags' rejections,
    where the caller has them. With *in_force* the versions of new runs are looked up, whether or not the Dags
    followed to them.
    """
    rejected = rejections.of_dags(session, rows) if rejected is None else rejected
    own = {build_id for row in rows.values() for build_id in (row.active_build_id, row.newest_build_id)}
    ids = [build_id for build_id in {*own, *others} if build_id is not None]
    placed = builds.placed(session, ids, numbered=numbered, contents_of=contents_of)
    found = placed.builds
    versioned = {
        name: host.deployment.is_versioned(name) for name in {row.bundle_name for row in rows.values()}
    }
    automatic = _unused_auto_releases(host, session, rows, found)
    heads = _heads_of_followers(session, rows, in_force)
    states = {
        dag_id: DagState(
            dag_id=dag_id,
            track=row.track,
            active_release=row.active_release,
            active_build=named(found, row.active_build_id),
            newest_build=named(found, row.newest_build_id),
            retired=row.retired,
            versioned=versioned[row.bundle_name],
            bundle_name=row.bundle_name,
            unused_auto_release=dag_id in automatic,
            track_actor=row.track_actor,
            track_reason=row.track_reason,
            track_since=row.track_since,
            rejections=tuple(rejected.get(dag_id, ())),
            in_force=heads.get((row.bundle_name, taken(row.follow_version, row.released_version))),
            before=heads.get((row.bundle_name, row.follow_before)),
            places=placed.heads,
            version=taken(row.follow_version, row.released_version),
        )
        for dag_id, row in rows.items()
    }
    return Loaded(rows=rows, states=states, builds=found, contents=placed.contents, versions=placed.versions)


def _heads_of_followers(
    session: Session, rows: Mapping[str, ManagedDag], every: bool
) -> dict[tuple[str, str | None], Head]:
    """The versions that Dags took before they followed to another, and those that they (or all) take now."""
    wanted = {
        (row.bundle_name, version)
        for row in rows.values()
        if every or row.follow_before is not None
        for version in (row.follow_before, taken(row.follow_version, row.released_version))
        if version is not None
    }
    known = bundles.versions(session, wanted) if wanted else {}
    return {(name, version): Head(seq=row.seq, version=version) for (name, version), row in known.items()}


def load_state(host: Host, session: Session, dag_id: str) -> DagState:
    """The state of one managed Dag, as it is now.

    :raises NotFound, Refused: as :func:`managed`.
    """
    return load(host, session, managed(host, session, [dag_id])).states[dag_id]


def _unused_auto_releases(
    host: Host, session: Session, rows: Mapping[str, ManagedDag], found: Mapping[int, Build]
) -> set[str]:
    """The unstable Dags whose active release was automatic and that no run has used."""
    unstable = {
        row.dag_version_id: dag_id
        for dag_id, row in rows.items()
        if row.dag_version_id is not None
        and (newest := named(found, row.newest_build_id))
        and newest.unstable
    }
    unused = (
        {unstable[version_id] for version_id in host.reads.unused(session, unstable)} if unstable else set()
    )
    # Runs of some dates are on rows of their own
    unused = {dag_id for dag_id in unused if not _has_runs_of_dates(host, session, rows[dag_id])}
    ledger = releases.active_ones(session, unused) if unused else {}
    return {dag_id for dag_id, release in ledger.items() if release.kind is Kind.AUTO}


def _has_runs_of_dates(host: Host, session: Session, row: ManagedDag) -> bool:
    made = segments.versions_of(session, row.active_build_id) if row.active_build_id is not None else []
    return bool(set(made) - set(host.reads.unused(session, made))) if made else False


def _not_managed(host: Host, session: Session, dag_ids: Sequence[str]) -> dict[str, PinwheelError]:
    """Why Dags that Airflow has are not managed: not yet, or since their bundle keeps no versions."""
    known = {dag.dag_id: dag for dag in host.reads.airflow_dags(session, dag_ids)}
    why: dict[str, PinwheelError] = {}
    for dag_id in dag_ids:
        if dag_id not in known:
            raise unknown_dag(dag_id)
        dag = known[dag_id]
        if dag.bundle_version is not None:
            why[dag_id] = unknown_dag(dag_id)
            continue
        bundle_name = dag.bundle_name or ""
        why[dag_id] = Refused(
            f"Cannot change {dag_id}",
            found=f"its bundle {bundle_name!r} keeps no versions, so older code can not be fetched again",
            remedy=unversioned_remedy(bundle_name),
            problem="unversioned-bundle",
            dag_id=dag_id,
            bundle=bundle_name,
        )
    return why
