"""Signals: which Dags the keeper is to look at, since something of them has happened.

Whoever sends one takes no lock that anybody else wants: it is a row of its own, in the sender's transaction.
One that is lost costs time and no decision.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.rollout.state import Slot
from pinwheel.store import rollouts
from pinwheel.store import tables as t
from pinwheel.store.locking import begin_write

MOST = 1_000
"""So many are taken at once."""


def send(session: Session, dag_ids: Collection[str]) -> None:
    """Signal those of the Dags that have a release under watch: one statement, which locks nothing."""
    c = t.rollout.c
    for chunk in chunks(sorted(dag_ids)):
        watched = select(c.dag_id).where(c.slot == Slot.WATCHED.value, c.dag_id.in_(chunk))
        session.execute(insert(t.signal).from_select(["dag_id"], watched))


def take(session: Session, now: datetime) -> int:
    """Wake the rollouts of the Dags that were signalled, and forget the signals; how many there were.

    Nothing is locked while there is none. Of two who take the same ones both wake, which is no harm.
    """
    found = session.execute(
        select(t.signal.c.id, t.signal.c.dag_id).order_by(t.signal.c.id).limit(MOST)
    ).all()
    if not found:
        return 0
    begin_write(session)
    rollouts.wake(session, now, {row.dag_id for row in found})
    for chunk in chunks([row.id for row in found]):
        session.execute(delete(t.signal).where(t.signal.c.id.in_(chunk)))
    return len(found)
