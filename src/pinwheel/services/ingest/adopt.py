"""Taking over a deployment that already has history, without changing anything that runs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pinwheel.core import text
from pinwheel.core.build import Build, BuildContent, label_of
from pinwheel.core.errors import Refused
from pinwheel.core.event import EventKind, brought_by
from pinwheel.core.json import JsonObject
from pinwheel.core.records import ReleaseRecord
from pinwheel.core.release.state import Kind
from pinwheel.core.run.mark import is_marked
from pinwheel.core.structure.windows import stretches
from pinwheel.services.ingest.task_windows import check
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.reads import AirflowDag
from pinwheel.services.release import dated, variants
from pinwheel.services.release.outcome import ACTOR
from pinwheel.store import builds, bundles, dags, events, releases
from pinwheel.store.locking import begin_write, lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def adopt(host: Host) -> list[str]:
    """Make what Airflow holds as latest the first release of each Dag that Pinwheel does not manage yet.

    Only our own tables are written, but for the mark in the rows of Dags with task windows. Dags of
    unversioned bundles are left to Airflow. Returns the adopted Dag ids. Safe to repeat and to run from
    several processes at once.
    """

    def work(session: Session) -> list[str]:
        begin_write(session)
        managed = dags.rows(session)
        # Left by an earlier installation: nobody would bind their runs.
        host.rows.strip_marks(session, but=managed, ended=False)
        return [
            dag.dag_id
            for dag in host.reads.airflow_dags(session)
            if dag.dag_id not in managed and _adoptable(host, dag) and _adopt(host, session, dag)
        ]

    adopted = host.unit.run(work)
    host.unit.announce([{"kind": Kind.ADOPT.value, "dag_id": dag_id} for dag_id in adopted])
    return adopted


def _compile_windows(host: Host, session: Session, dag: AirflowDag, build: Build) -> list[str]:
    """Note when which tasks of an adopted build have no place; the tasks. Where that can not be, none."""
    serialized = dag.serialized or {}
    found, unversioned = stretches(serialized), JsonObject.of(serialized.get("dag", {})).fields
    if not found or unversioned.get("disable_bundle_versioning"):
        return []
    most = host.deployment.most_segments()
    try:
        why = variants.hindrance(host, session, build.bundle_name, build.bundle_version) if most else None
        if most and why is None:
            check(serialized, found, most=most)
    except (Refused, variants.Unanswered) as error:
        why = error.message
    if why is not None:
        variants.tell_none(session, build, why, now=host.unit.now())
    if not most or why is not None:
        return []
    variants.note(session, build, serialized, found)
    return sorted({task_id for segment in found for task_id in segment.absent})


def _told(left_out: Sequence[str]) -> str | None:
    if not left_out:
        return None
    more = f" and {len(left_out) - 5} more" if left_out[5:] else ""
    return text.fit(
        f"from now on its backfills leave out tasks at dates at which these have no place: "
        f"{', '.join(left_out[:5])}{more}",
        text.EVENT,
    )


def _adoptable(host: Host, dag: AirflowDag) -> bool:
    return (
        dag.bundle_name is not None
        and dag.dag_version_id is not None
        and dag.serialized is not None
        and dag.dag_version_bundle_version is not None
        and host.deployment.is_versioned(dag.bundle_name)
    )


def _adopt(host: Host, session: Session, dag: AirflowDag) -> bool:
    now = host.unit.now()
    assert dag.serialized is not None and dag.dag_version_id is not None and dag.version_number is not None
    bundle_name = dag.dag_version_bundle or dag.bundle_name or ""
    version = dag.dag_version_bundle_version or ""
    inside = JsonObject.of(dag.serialized.get("dag", {})).fields
    path = dag.relative_fileloc or str(inside.get("relative_fileloc") or "")
    if not dags.add(session, dag.dag_id, bundle_name=bundle_name, relative_fileloc=path):
        return False
    lock_dags(session, [dag.dag_id])
    code = (dag.source_code or "").encode()
    digest = hashlib.sha256(code).hexdigest()
    builds.add_sources(session, {digest: code} if digest in builds.missing_sources(session, [digest]) else {})
    bundles.remember(session, bundle_name, version, now=now, info={"version_data": dag.version_data})
    content = BuildContent(
        dag_id=dag.dag_id,
        bundle_name=bundle_name,
        bundle_version=version,
        relative_fileloc=path,
        serialized=dag.serialized,
        inputs_digest="",
        files={path: digest},
        label=label_of(inside.get("tags")),
    )
    (build,) = builds.add(session, [builds.NewBuild(content=content, adopted=True)], now=now)
    release = ReleaseRecord(
        dag_id=dag.dag_id,
        release=dag.version_number,
        build_id=build.id,
        kind=Kind.ADOPT,
        actor=ACTOR,
        reason="what Airflow ran before Pinwheel",
        previous_release=None,
        dag_version_id=dag.dag_version_id,
        bundle_version=version,
        created_at=now,
    )
    releases.add_all(session, [release])
    dags.change(
        session,
        dag.dag_id,
        active_release=dag.version_number,
        active_build_id=build.id,
        newest_build_id=build.id,
        retired=dag.is_stale,
        dag_version_id=dag.dag_version_id,
        released_version=version,
        row_version=version,
        projected_hash=dag.serialized_hash,
        projected_code_hash=dag.code_hash,
        stable_bundle=bundle_name,
        stable_fileloc=path,
        asserted_at=now,
    )
    left_out = _compile_windows(host, session, dag, build)
    if left_out and not dag.is_stale:
        dated.settle(host, session, [dag.dag_id], now)
    elif is_marked(dag.bundle_version):
        # An earlier installation left it.
        host.rows.mark_rows(session, {dag.dag_id: version})
        host.runs.mark_waiting(session, [dag.dag_id], marked=False)
    events.add(
        session,
        EventKind.ADOPT,
        now=now,
        actor=ACTOR,
        dag_id=dag.dag_id,
        bundle_name=bundle_name,
        reason=_told(left_out),
        details={"release": dag.version_number, "build": build.build, "bundle_version": version},
        batch=brought_by(bundle_name, version),
    )
    return True
