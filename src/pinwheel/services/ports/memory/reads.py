"""What there is to see in Airflow's rows in memory."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import chain
from typing import TYPE_CHECKING
from uuid import UUID

from attrs import frozen
from sqlalchemy import select as query_of

from pinwheel.core.json import Json
from pinwheel.core.selector import Selector
from pinwheel.core.structure.assets import assets_of_tasks
from pinwheel.core.structure.encoded import unwrapped
from pinwheel.services.ports.memory.airflow import VersionRow
from pinwheel.services.ports.memory.run_reads import RunReads
from pinwheel.services.ports.reads import AirflowDag, AirflowVersion, DagCard
from pinwheel.store import tables as t
from pinwheel.store.holders import itself_and_around

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen
class MemoryReads(RunReads):
    """Implements :class:`pinwheel.services.ports.reads.Reads`."""

    # Versions

    def existing_version_ids(self, session: Session, ids: Collection[UUID]) -> set[UUID]:
        return self.airflow.tables.versions.keys() & set(ids)

    def unused(self, session: Session, dag_version_ids: Collection[UUID]) -> set[UUID]:
        tables = self.airflow.tables
        of_tasks = chain(tables.tasks.values(), tables.earlier)
        used = {run.dag_version_id for run in tables.runs.values()}
        return set(dag_version_ids) - used - {row.dag_version_id for row in of_tasks}

    def airflow_versions(self, session: Session, ids: Collection[UUID]) -> dict[UUID, AirflowVersion]:
        return {row.id: _version(row) for row in self._versions(ids)}

    def version_id_of(self, session: Session, dag_id: str, number: int) -> UUID | None:
        numbered = (row for row in self._of_dag(dag_id) if row.number == number)
        return next((row.id for row in numbered), None)

    def versions_before(self, session: Session, dag_id: str, number: int) -> list[AirflowVersion]:
        found = [row for row in self._of_dag(dag_id) if 0 < row.number < number]
        return [_version(row) for row in sorted(found, key=lambda row: row.number, reverse=True)]

    def serialized_hashes(self, session: Session, version_ids: Collection[UUID]) -> dict[UUID, str]:
        return {row.id: found for row in self._versions(version_ids) if (found := row.serialized_hash)}

    def serialized(self, session: Session, version_ids: Collection[UUID]) -> dict[UUID, Mapping[str, Json]]:
        return {row.id: row.serialized for row in self._versions(version_ids) if row.serialized is not None}

    def view_urls(
        self, session: Session, places: Collection[tuple[str, str | None]]
    ) -> dict[tuple[str, str | None], str]:
        found: dict[tuple[str, str | None], str] = {}
        for name, version in places:
            bundle = self.airflow.tables.bundles.get(name)
            if bundle is not None and bundle.url is not None and version is not None:
                url = bundle.url.format(version=version)
                if url.startswith(("https://", "http://")):
                    found[name, version] = url
        return found

    # Dags

    def airflow_dags(self, session: Session, dag_ids: Collection[str] | None = None) -> list[AirflowDag]:
        found = []
        for dag_id, dag in sorted(self.airflow.tables.dags.items()):
            if dag_ids is not None and dag_id not in dag_ids:
                continue
            newest = self.airflow.newest(dag_id)
            found.append(
                AirflowDag(
                    dag_id=dag_id,
                    bundle_name=dag.bundle_name,
                    bundle_version=dag.bundle_version,
                    relative_fileloc=dag.relative_fileloc,
                    is_stale=dag.is_stale,
                    version_number=newest.number if newest else None,
                    dag_version_id=newest.id if newest else None,
                    dag_version_bundle=newest.bundle_name if newest else None,
                    dag_version_bundle_version=newest.bundle_version if newest else None,
                    serialized=newest.serialized if newest else None,
                    serialized_hash=newest.serialized_hash if newest else None,
                    code_hash=newest.code_hash if newest else None,
                    source_code=newest.code if newest else None,
                    version_data=newest.version_data if newest else None,
                    created_at=newest.created_at if newest else None,
                )
            )
        return found

    def lone_assets(
        self, session: Session, assets: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], bool]:
        used: set[tuple[str, str]] = set()
        for dag in self.airflow_dags(session):
            if dag.serialized is not None and not dag.is_stale:
                used |= assets_of_tasks(dag.serialized)
        return {
            (name, uri): not any(name == other or uri == its for other, its in used)
            for name, uri in set(assets) - used
        }

    def may_wait_for(self, session: Session, dag_id: str) -> set[str]:
        found = {row.dag_id for row in self.airflow.tables.versions.values() if row.number < 0}
        for dag in self.airflow_dags(session):
            inner = dag.serialized.get("dag") if dag.serialized is not None else None
            told = inner.get("dag_dependencies") if isinstance(inner, dict) else None
            for one in told if isinstance(told, list) and not dag.is_stale else ():
                wrapped = unwrapped(one)
                if wrapped.get("source") == dag_id and wrapped.get("dependency_type") == "sensor":
                    found.add(dag.dag_id)
        return found

    def select(self, session: Session, selector: Selector) -> list[str]:
        dags, wanted = self.airflow.tables.dags, set(selector.tags)
        managed = session.execute(query_of(t.dag.c.dag_id, t.dag.c.bundle_name).order_by(t.dag.c.dag_id))
        return [
            row.dag_id
            for row in managed
            if selector.bundle in (None, row.bundle_name)
            and (not wanted or (row.dag_id in dags and not wanted.isdisjoint(dags[row.dag_id].tags)))
            and selector.names(row.dag_id)
        ]

    def matching(
        self,
        session: Session,
        *,
        tags: Collection[str],
        all_tags: bool = False,
        owner: str | None,
        text: str | None,
    ) -> set[str] | None:
        if not tags and owner is None and text is None:
            return None
        return {
            dag.dag_id
            for dag in self.airflow.tables.dags.values()
            if (not tags or (set(tags) <= set(dag.tags) if all_tags else not set(tags).isdisjoint(dag.tags)))
            and (owner is None or owner in _names(dag.owners))
            and (text is None or any(text.lower() in of.lower() for of in (dag.dag_id, dag.display_name)))
        }

    def cards(self, session: Session, dag_ids: Collection[str]) -> dict[str, DagCard]:
        return {
            dag.dag_id: DagCard(
                display_name=dag.display_name,
                owners=tuple(_names(dag.owners)),
                tags=tuple(sorted(dag.tags)),
                paused=dag.paused,
            )
            for dag in self.airflow.tables.dags.values()
            if dag.dag_id in dag_ids
        }

    def owners_and_tags(self, session: Session, dag_ids: Collection[str]) -> tuple[list[str], list[str]]:
        cards = self.cards(session, dag_ids).values()
        return (
            sorted({name for card in cards for name in card.owners}),
            sorted({tag for card in cards for tag in card.tags}),
        )

    def tags_of(self, session: Session, dag_ids: Collection[str]) -> dict[str, set[str]]:
        dags = self.airflow.tables.dags
        return {i: set(dags[i].tags) for i in dag_ids if i in dags and dags[i].tags}

    def busy(self, session: Session, dag_ids: Collection[str]) -> set[str]:
        runs = self.airflow.tables.runs.values()
        return {run.dag_id for run in runs if run.dag_id in dag_ids and run.state in ("queued", "running")}

    def in_files(
        self, session: Session, places: Collection[tuple[str, str]]
    ) -> dict[tuple[str, str], set[str]]:
        found: dict[tuple[str, str], set[str]] = {place: set() for place in places}
        for dag in self.airflow.tables.dags.values():
            for path in itself_and_around(dag.relative_fileloc):
                if dag.bundle_name is not None and (dag.bundle_name, path) in found:
                    found[dag.bundle_name, path].add(dag.dag_id)
        return found

    def dags_of_bundles(self, session: Session) -> dict[str, dict[str, bool]]:
        found: dict[str, dict[str, bool]] = {}
        for dag in self.airflow.tables.dags.values():
            if dag.bundle_name is not None:
                found.setdefault(dag.bundle_name, {})[dag.dag_id] = not dag.is_stale
        return found

    def _versions(self, ids: Collection[UUID]) -> list[VersionRow]:
        return [row for row in self.airflow.tables.versions.values() if row.id in ids]

    def _of_dag(self, dag_id: str) -> list[VersionRow]:
        return [row for row in self.airflow.tables.versions.values() if row.dag_id == dag_id]


def _version(row: VersionRow) -> AirflowVersion:
    return AirflowVersion(
        id=row.id,
        version_number=row.number,
        bundle_name=row.bundle_name,
        bundle_version=row.bundle_version,
        created_at=row.created_at,
    )


def _names(owners: str) -> list[str]:
    return [name for part in owners.split(",") if (name := part.strip())]
