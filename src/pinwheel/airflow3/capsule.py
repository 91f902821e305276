"""A capsule of the installed Airflow, stored beside what Airflow does, which never fails because of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import attrs
import structlog
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from pinwheel.reconcile import capsule_store
from pinwheel.reconcile.installed import Deployment, deployment

log = structlog.get_logger(__name__)


def store_after_migration(session: Session) -> None:
    """Store one, and commit it, with the session that Airflow gave its database managers.

    Airflow rolls that session back after an upgrade: it leaves its pool of a single connection by closing
    all sessions (``airflow/utils/db.py``, ``_run_upgradedb``; ``settings.dispose_orm``). A connection of our
    own could wait for what that session holds.
    """

    @contextmanager
    def begin() -> Iterator[Connection]:
        session.commit()  # An error of ours must not undo what others left in it.
        try:
            yield session.connection()
            session.commit()
        except BaseException:
            session.rollback()
            raise

    def located() -> Deployment:
        return attrs.evolve(deployment(), engine=session.get_bind().engine)

    _store(located, begin)


def store_at_start() -> None:
    """Store one when the database was migrated without Pinwheel: seconds of work once, then a look."""
    _store(deployment, None)


def _store(located: Callable[[], Deployment], begin: capsule_store.Begin | None) -> None:
    try:
        new = capsule_store.keep(here := located(), now=datetime.now(UTC), begin=begin)
    except Exception as error:
        # A capsule is for another day, the migration, or the Dag processor, for this one.
        log.warning(capsule_store.not_stored(error))
    else:
        log.info(capsule_store.is_stored(here, new=new))
