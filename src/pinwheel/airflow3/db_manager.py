"""Lets ``airflow db migrate`` create and upgrade Pinwheel's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from airflow.utils.db_manager import BaseDBManager
from sqlalchemy import inspect

import pinwheel.store as store
from pinwheel.airflow3.capsule import store_after_migration
from pinwheel.store.tables import VERSION_TABLE, metadata, reconcile

_STORE = Path(store.__file__).parent


class PinwheelDBManager(BaseDBManager):
    """Pinwheel's tables, in Airflow's metadata database, with a version table of their own."""

    metadata = metadata
    migration_dir = str(_STORE / "migrations")
    alembic_file = str(_STORE / "alembic.ini")
    version_table_name = VERSION_TABLE
    supports_table_dropping = True
    revision_heads_map: ClassVar[dict[str, str]] = {"0.1.0": "0012"}

    def initdb(self, use_migration_files: bool = False) -> None:
        """Create or upgrade the tables, then store a capsule of the Airflow that migrated its own."""
        super().initdb(use_migration_files=use_migration_files)
        store_after_migration(self.session)

    def upgradedb(
        self,
        to_revision: str | None = None,
        from_revision: str | None = None,
        show_sql_only: bool = False,
        use_migration_files: bool = False,
    ) -> None:
        """The same on a database that Airflow migrated before."""
        if not (to_revision or show_sql_only or use_migration_files) and self._has_only_capsules():
            # An older Airflow had capsules stored. That is no first revision without its version row.
            self.create_db_from_orm()
        else:
            super().upgradedb(to_revision, from_revision, show_sql_only, use_migration_files)
        if not show_sql_only:
            store_after_migration(self.session)

    def _has_only_capsules(self) -> bool:
        if self.get_current_revision():
            return False
        existing = set(inspect(self.session.get_bind()).get_table_names()) & set(metadata.tables)
        return bool(existing) and existing <= reconcile.names

    def downgrade(
        self, to_revision: str, from_revision: str | None = None, show_sql_only: bool = False
    ) -> None:
        """Walk Pinwheel's own tables down to a revision; ``base`` drops them all."""
        from alembic import command

        target: Any = f"{from_revision}:{to_revision}" if show_sql_only and from_revision else to_revision
        command.downgrade(self.get_alembic_config(), target, sql=show_sql_only)
