"""Lets ``airflow db migrate`` create and upgrade Pinwheel's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from airflow.utils.db_manager import BaseDBManager

import pinwheel.store as store
from pinwheel.store.tables import VERSION_TABLE, metadata

_STORE = Path(store.__file__).parent


class PinwheelDBManager(BaseDBManager):
    """Pinwheel's tables, in Airflow's metadata database, with a version table of their own."""

    metadata = metadata
    migration_dir = str(_STORE / "migrations")
    alembic_file = str(_STORE / "alembic.ini")
    version_table_name = VERSION_TABLE
    supports_table_dropping = True
    revision_heads_map: ClassVar[dict[str, str]] = {"0.1.0": "0001"}

    def downgrade(
        self, to_revision: str, from_revision: str | None = None, show_sql_only: bool = False
    ) -> None:
        """Walk Pinwheel's own tables down to a revision; ``base`` drops them all."""
        from alembic import command

        target: Any = f"{from_revision}:{to_revision}" if show_sql_only and from_revision else to_revision
        command.downgrade(self.get_alembic_config(), target, sql=show_sql_only)
