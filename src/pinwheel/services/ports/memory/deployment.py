"""What is configured around the rows in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen
from sqlalchemy import inspect, text

from pinwheel.core.json import Json
from pinwheel.core.release.rows import APART
from pinwheel.core.retention import Keep
from pinwheel.core.rollout.authors import People
from pinwheel.services.ports.deployment import AirflowBundle, Leftovers
from pinwheel.services.ports.memory.airflow import Airflow
from pinwheel.store import tables as t

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen
class MemoryDeployment:
    """Implements :class:`pinwheel.services.ports.deployment.Deployment`."""

    airflow: Airflow

    def retention(self) -> Keep:
        return self.airflow.keep

    def runs_a_turn(self) -> int:
        return 20

    def runs_may_choose(self) -> bool:
        return True

    def most_segments(self) -> int:
        return self.airflow.most_segments

    def people(self, session: Session) -> People:
        return self.airflow.people

    def refuses_unknown(self, bundle_name: str, version: str, data: Json = None) -> bool | None:
        return bundle_name not in self.airflow.takes_any_version

    def is_versioned(self, bundle_name: str) -> bool:
        found = self.airflow.tables.bundles.get(bundle_name)
        return found is None or found.versioned

    def bundle_is_configured(self, session: Session, bundle_name: str) -> bool:
        found = self.airflow.tables.bundles.get(bundle_name)
        return found is not None and found.active

    def serves_moved_files(self, session: Session, bundle_name: str) -> bool:
        found = self.airflow.tables.bundles.get(bundle_name)
        return found is not None and found.active and found.serves_moved_files

    def bundles(self, session: Session) -> dict[str, AirflowBundle]:
        return {
            name: AirflowBundle(active=row.active, refreshed_at=row.refreshed_at)
            for name, row in self.airflow.tables.bundles.items()
        }

    def own_tables(self, session: Session) -> list[str]:
        existing = set(inspect(session.connection()).get_table_names())
        return sorted(existing & {*t.metadata.tables, t.VERSION_TABLE})

    def drop_own_tables(self, session: Session) -> None:
        self.airflow.tables.keeps_assets = False
        t.metadata.drop_all(session.connection())
        session.execute(text(f"DROP TABLE {t.VERSION_TABLE}"))

    def live_processors(self, session: Session) -> list[str]:
        return sorted(set(self.airflow.processors))

    def leftovers(self, session: Session) -> Leftovers:
        tables = self.airflow.tables
        return Leftovers(
            bundles=tuple(sorted(b.name for b in tables.bundles.values() if b.active and b.ours)),
            aliased_dags=tuple(
                sorted(dag.dag_id for dag in tables.dags.values() if "+" in (dag.bundle_version or ""))
            ),
            trial_versions=sum(-APART < version.number < 0 for version in tables.versions.values()),
            rows_for_dates=sum(version.number <= -APART for version in tables.versions.values()),
        )
