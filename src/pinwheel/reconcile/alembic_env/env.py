"""Alembic environment of a walk over Airflow's migrations: the connection comes from the walk itself.

In place of Airflow's own ``env.py``, which imports every model: those may need libraries that an older image
lacks, and a walk needs none of them.
"""

from __future__ import annotations

from contextlib import nullcontext

from alembic import context

attributes = context.config.attributes
context.configure(
    connection=attributes["connection"],
    target_metadata=attributes["metadata"],
    version_table="alembic_version",
    # One transaction for all where the database can roll back a change of its schema: all or nothing.
    transaction_per_migration=not attributes["whole"],
    transactional_ddl=attributes["whole"] or None,
    render_as_batch=True,
    on_version_apply=attributes["on_version_apply"],
)
if attributes["connection"].dialect.name == "sqlite":
    # Scripts of 3.4 leave the transaction to switch foreign keys off; here they are off from the beginning.
    context.get_context().autocommit_block = nullcontext  # type: ignore[assignment, method-assign]
with context.begin_transaction():
    context.run_migrations()
