"""Alembic environment of Pinwheel's own tables. Airflow's database manager gives the URL."""

from __future__ import annotations

from alembic import context
from sqlalchemy import create_engine, pool

from pinwheel.store.tables import VERSION_TABLE, metadata

_OPTIONS = {
    "target_metadata": metadata,
    "version_table": VERSION_TABLE,
    "compare_type": True,
    "render_as_batch": True,
    "include_name": lambda name, kind, parents: kind != "table" or str(name).startswith("pinwheel_"),
}


def _run_offline() -> None:
    context.configure(url=context.config.get_main_option("sqlalchemy.url"), literal_binds=True, **_OPTIONS)
    with context.begin_transaction():
        context.run_migrations()


def _run_online() -> None:
    engine = create_engine(context.config.get_main_option("sqlalchemy.url") or "", poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, **_OPTIONS)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    _run_offline()
else:
    _run_online()
