"""Airflow's rows of Dags and their versions in memory, as releases write them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from attrs import evolve, frozen
from sqlalchemy import select, update

from pinwheel.core.digest import digest_of
from pinwheel.core.errors import Refused
from pinwheel.core.json import Json
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.drift import Drift
from pinwheel.core.release.follow import Follower, Step
from pinwheel.core.release.rows import Location, Projected, Projection
from pinwheel.core.run.mark import is_marked, without_mark
from pinwheel.services.ports.memory import form
from pinwheel.services.ports.memory.airflow import Airflow, AuditLine, DagRow, VersionRow
from pinwheel.services.ports.memory.reads import MemoryReads
from pinwheel.services.ports.rows import Observed
from pinwheel.store import start_rules
from pinwheel.store import tables as t
from pinwheel.store.holders import itself_and_around

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_OF_CONSUMERS = "task_inlet_asset_reference"
"""The one kind of references that a Dag off the schedule keeps."""
_OF_SCHEDULE = ("scheduled", "backfill")


@frozen
class MemoryRows:
    """Implements :class:`pinwheel.services.ports.rows.Rows`."""

    airflow: Airflow

    def project(self, session: Session, projections: Sequence[Projection]) -> dict[str, Projected]:
        self.reassert(session, projections)
        return {p.dag_id: self._add_version(p) for p in projections}

    def reassert(self, session: Session, projections: Sequence[Projection]) -> None:
        for p in projections:
            dags = self.airflow.tables.dags
            dags[p.dag_id] = evolve(
                dags.get(p.dag_id) or DagRow(dag_id=p.dag_id),
                bundle_name=p.location.bundle_name,
                bundle_version=p.row_version or p.location.bundle_version,
                relative_fileloc=p.location.relative_fileloc,
                is_stale=False,
                has_import_errors=False,
                display_name=form.display_name(p.serialized, p.dag_id),
                owners=form.owners(p.serialized),
                tags=form.tags(p.serialized),
                references=form.references(p.serialized),
                described=digest_of(form.inner(p.serialized)),
                next_run_at=form.due_at(p.serialized, self.airflow.now, self._last_date(p.dag_id)),
                last_parsed_at=self.airflow.now,
            )

    def standing(self, session: Session, dag_ids: Sequence[str]) -> dict[str, str]:
        found = {}
        for row in self._dags(dag_ids):
            if row.next_run_at is None or row.next_run_at > self.airflow.now:
                same = evolve(row, last_parsed_at=None, bundle_version=None, references=frozenset())
                found[row.dag_id] = digest_of(
                    [repr(same), sorted(row.references), self._last_date(row.dag_id)]
                )
        return found

    def due_to_follow(
        self, session: Session, bundle_name: str, version: str, dag_ids: Collection[str] | None
    ) -> list[Follower]:
        found = []
        for row in _managed(session, dag_ids):
            dag = self.airflow.tables.dags.get(row.dag_id)
            if dag is None or row.bundle_name != bundle_name or row.pinned or not _released(row):
                continue
            s = t.stand.c
            stand = session.execute(
                select(s.first_seq, s.last_seq, s.last_version)
                .where(
                    s.dag_id == row.dag_id,
                    s.bundle_name == bundle_name,
                    s.build_id == row.active_build_id,
                )
                .order_by(s.first_seq.desc())
                .limit(1)
            ).one_or_none()
            if stand is None or row.active_build_id is None:
                continue
            follows = row.follow_version == (stand.last_version or version)
            if follows and dag.bundle_version == row.row_version:
                continue
            found.append(
                Follower(
                    dag_id=row.dag_id,
                    active_build_id=row.active_build_id,
                    relative_fileloc=row.relative_fileloc,
                    first_seq=stand.first_seq,
                    last_seq=stand.last_seq,
                    last_version=stand.last_version,
                    stable_bundle=row.stable_bundle,
                    stable_fileloc=row.stable_fileloc,
                    released_version=row.released_version,
                    follow_version=row.follow_version,
                    row_version=row.row_version,
                    found=dag.bundle_version,
                )
            )
        return found

    def follow(self, session: Session, steps: Sequence[Step]) -> None:
        for step in steps:
            if step.row_version is not None:
                self.mark_rows(session, {step.dag_id: step.row_version})
            moved = {"follow_before": step.follow_before} if step.follow_before is not None else {}
            session.execute(
                update(t.dag)
                .where(t.dag.c.dag_id == step.dag_id)
                .values(follow_version=step.follow_version, **moved)
            )

    def mark_rows(self, session: Session, row_versions: Mapping[str, str]) -> None:
        for dag_id, row_version in row_versions.items():
            if dag_id in self.airflow.tables.dags:
                self.airflow.change_dag(dag_id, row_version)
            session.execute(update(t.dag).where(t.dag.c.dag_id == dag_id).values(row_version=row_version))

    def strip_marks(self, session: Session, but: Collection[str] = (), *, ended: bool = True) -> int:
        tables, changed = self.airflow.tables, 0
        for dag in [dag for dag in tables.dags.values() if dag.dag_id not in but]:
            if is_marked(dag.bundle_version):
                self.airflow.change_dag(dag.dag_id, without_mark(dag.bundle_version or ""))
                changed += 1
        for key, run in list(tables.runs.items()):
            waits = ended or run.state in ("queued", "running")
            if run.dag_id not in but and waits and is_marked(run.bundle_version):
                tables.runs[key] = evolve(run, bundle_version=without_mark(run.bundle_version or ""))
                changed += 1
        return changed

    def lost_marks(self, session: Session) -> list[str]:
        found = []
        for row in _managed(session, start_rules.dated(session)):
            dag = self.airflow.tables.dags.get(row.dag_id)
            if dag is not None and not row.retired and is_marked(row.row_version):
                found += [row.dag_id] if dag.bundle_version != row.row_version else []
        return found

    def touch(self, session: Session, dag_ids: Sequence[str]) -> None:
        for row in self._dags(dag_ids):
            self.airflow.tables.dags[row.dag_id] = evolve(row, last_parsed_at=self.airflow.now)

    def restore(self, session: Session, projections: Sequence[Projection]) -> dict[str, Projected]:
        written = {}
        for p in projections:
            assert p.dag_version_id is not None
            if p.dag_id not in self.airflow.tables.dags:
                self.reassert(session, [p])
            version = self.airflow.tables.versions.get(p.dag_version_id)
            if version is None:
                written[p.dag_id] = self._add_version(p)
                continue
            mended = evolve(
                version,
                bundle_name=p.location.bundle_name,
                bundle_version=p.location.bundle_version,
                version_data=dict(p.version_data) if p.version_data else None,
            )
            if p.written is None or _written(p.dag_id, mended) != p.written:
                mended = evolve(mended, serialized=dict(p.serialized), code=p.source_code)
            self.airflow.tables.versions[version.id] = mended
            written[p.dag_id] = _written(p.dag_id, mended)
        return written

    def retire(self, session: Session, dag_ids: Collection[str]) -> None:
        dags = self.airflow.tables.dags
        for row in self._dags(dag_ids):
            dags[row.dag_id] = evolve(row, is_stale=True)
        for row in list(dags.values()):
            if row.is_stale:
                dags[row.dag_id] = evolve(row, references=row.references & {_OF_CONSUMERS})

    def write_trial(self, session: Session, projection: Projection) -> UUID:
        versions = self.airflow.tables.versions
        id_ = self._add_version(projection).dag_version_id
        # Before all others by time too: Airflow finds "the latest" by it in places.
        oldest = min(row.created_at for row in versions.values() if row.dag_id == projection.dag_id)
        versions[id_] = evolve(versions[id_], created_at=oldest - timedelta(days=1))
        return id_

    def move_version(self, session: Session, dag_version_id: UUID, location: Location) -> None:
        versions = self.airflow.tables.versions
        versions[dag_version_id] = evolve(
            versions[dag_version_id],
            bundle_name=location.bundle_name,
            bundle_version=location.bundle_version,
        )

    def observe(self, session: Session, dags: Mapping[str, ManagedDag]) -> dict[str, Observed]:
        found = {}
        for dag_id, managed in dags.items():
            row, newest = self.airflow.tables.dags.get(dag_id), self.airflow.newest(dag_id)
            found[dag_id] = Observed(
                # Airflow deletes versions with their Dag's row.
                highest=max(newest.number, 0) if row is not None and newest is not None else 0,
                drift=self._drift(managed),
                references=row.references if row is not None else frozenset(),
                keeps_assets=self.airflow.tables.keeps_assets if row is not None else None,
            )
        return found

    def drifted(self, session: Session, dag_ids: Collection[str] | None = None) -> list[Drift]:
        return [drift for row in _managed(session, dag_ids) if (drift := self._drift(row)) is not None]

    def delete_unused_versions(self, session: Session, ids: Collection[UUID]) -> set[UUID]:
        found = MemoryReads(self.airflow).unused(session, ids)
        for each in found:
            self.airflow.tables.versions.pop(each, None)
        return found

    def with_runs(self, session: Session, dag_ids: Collection[str]) -> set[str]:
        return {dag_id for dag_id, _ in self.airflow.tables.runs} & {
            row.dag_id for row in self._dags(dag_ids)
        }

    def audit(
        self, session: Session, *, event: str, dag_id: str | None, actor: str, details: Mapping[str, Json]
    ) -> None:
        self.airflow.tables.audit.append(
            AuditLine(at=self.airflow.now, event=event, dag_id=dag_id, actor=actor, details=dict(details))
        )

    def show_errors(
        self,
        session: Session,
        bundle_name: str,
        errors: Mapping[str, Mapping[str, str]],
        *,
        tell: bool = True,
    ) -> None:
        shown = self.airflow.tables.errors
        wanted = {path: text for of_file in errors.values() for path, text in of_file.items()}
        for name, path in list(shown):
            # In a zip there are several: those of a file are at it or below it.
            if (
                name == bundle_name
                and path not in wanted
                and not errors.keys().isdisjoint(itself_and_around(path))
            ):
                del shown[name, path]
        shown.update({(bundle_name, path): text for path, text in wanted.items()})

    def show_warnings(
        self, session: Session, dag_ids: Collection[str], warnings: Sequence[Mapping[str, str]]
    ) -> None:
        shown = self.airflow.tables.warnings
        kinds = {warning["warning_type"] for warning in warnings} | {"runtime varying value"}
        for dag_id, kind in list(shown):
            if dag_id in dag_ids and kind in kinds:
                del shown[dag_id, kind]
        for warning in warnings:
            if warning["dag_id"] in self.airflow.tables.dags:
                shown[warning["dag_id"], warning["warning_type"]] = warning["message"]

    def _last_date(self, dag_id: str) -> datetime | None:
        """The last date of its schedule that has a run."""
        dates = [
            run.logical_date
            for run in self.airflow.tables.runs.values()
            if run.dag_id == dag_id and run.run_type in _OF_SCHEDULE and run.logical_date is not None
        ]
        return max(dates, default=None)

    def _dags(self, dag_ids: Collection[str]) -> list[DagRow]:
        found = self.airflow.tables.dags
        return [found[dag_id] for dag_id in sorted(set(dag_ids)) if dag_id in found]

    def _add_version(self, p: Projection) -> Projected:
        """:raises Refused: the Dag has a version of that number, as no database lets it have two."""
        versions = self.airflow.tables.versions
        if any((row.dag_id, row.number) == (p.dag_id, p.release) for row in versions.values()):
            raise Refused(
                f"Cannot write {p.dag_id} to Airflow's rows",
                found=f"it has a version {p.release}",
                remedy="Give the release another number",
            )
        made = VersionRow(
            id=p.dag_version_id or uuid4(),
            dag_id=p.dag_id,
            number=p.release,
            bundle_name=p.location.bundle_name,
            bundle_version=p.location.bundle_version,
            version_data=dict(p.version_data) if p.version_data else None,
            created_at=self.airflow.now,
            serialized=dict(p.serialized),
            code=p.source_code,
        )
        versions[made.id] = made
        return _written(p.dag_id, made)

    def _drift(self, managed: ManagedDag) -> Drift | None:
        if not _released(managed):
            return None
        row = self.airflow.tables.dags.get(managed.dag_id)
        if row is None:
            return Drift(dag_id=managed.dag_id, dag_missing=True)
        released = managed.active_release or 0
        version = self.airflow.tables.versions.get(managed.dag_version_id) if managed.dag_version_id else None
        found = _different(managed, row, version)
        foreign = [
            each
            for each in self.airflow.tables.versions.values()
            if each.dag_id == managed.dag_id and each.number >= released and each.id != managed.dag_version_id
        ]
        above = any(each.number > released for each in foreign)
        if version is not None and not above and not found:
            return None
        return Drift(
            dag_id=managed.dag_id,
            found=found,
            version_missing=version is None,
            foreign_versions=tuple(each.id for each in foreign),
        )


def _different(managed: ManagedDag, row: DagRow, version: VersionRow | None) -> dict[str, Json]:
    """What was found where something else was written."""
    compared: dict[str, tuple[str | None, str | None]] = {
        "dag.bundle_name": (row.bundle_name, managed.stable_bundle),
        "dag.bundle_version": (row.bundle_version, managed.row_version),
        "dag.relative_fileloc": (row.relative_fileloc, managed.stable_fileloc),
        "dag_version.bundle_version": (version.bundle_version if version else None, managed.released_version),
        "dag_version.bundle_name": (version.bundle_name if version else None, managed.stable_bundle),
        "serialized_dag.dag_hash": (version.serialized_hash if version else None, managed.projected_hash),
        "dag_code.source_code_hash": (version.code_hash if version else None, managed.projected_code_hash),
    }
    found: dict[str, Json] = {
        name: actual for name, (actual, wanted) in compared.items() if wanted is not None and actual != wanted
    }
    flags = {"dag.is_stale": row.is_stale, "dag.has_import_errors": row.has_import_errors}
    return found | {name: True for name, flag in flags.items() if flag}


def _written(dag_id: str, version: VersionRow) -> Projected:
    return Projected(
        dag_id=dag_id,
        dag_version_id=version.id,
        serialized_hash=version.serialized_hash or "",
        code_hash=version.code_hash or "",
    )


def _managed(session: Session, dag_ids: Collection[str] | None) -> list[ManagedDag]:
    """Pinwheel's rows of these Dags, or of all, by id."""
    rows = session.execute(select(t.dag).order_by(t.dag.c.dag_id)).mappings()
    found = [ManagedDag.from_row(row) for row in rows]
    return found if dag_ids is None else [row for row in found if row.dag_id in set(dag_ids)]


def _released(row: ManagedDag) -> bool:
    return row.active_release is not None and not row.retired
