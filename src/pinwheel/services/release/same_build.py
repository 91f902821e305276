"""Releases of the build that is active already, in a newer version of a bundle whose class gives it data.

Airflow 3.4 hands the data of the version row to whoever fetches a run's bundle version. A Dag that followed
would have its runs fetch a new version by the data of an older one; so each version is a release.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinwheel.core.release.decide import Verb, released_again
from pinwheel.services.ports.host import Host
from pinwheel.services.release.carry_out import carry_out
from pinwheel.services.release.follow import due
from pinwheel.services.release.loading import load, managed
from pinwheel.services.release.outcome import ACTOR, Act, Outcome
from pinwheel.store.locking import begin_write, lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

AT_ONCE = 200
"""So many Dags are released in one transaction."""


def release_again(host: Host, bundle_name: str) -> list[Outcome]:
    """Release the active builds of Dags that can not follow to a newer version in which they stand.

    Dags whose rows somebody holds, and those beyond :data:`AT_ONCE`, are left for the next time.
    """

    def work(session: Session) -> list[Outcome]:
        begin_write(session)
        dag_ids = due(host, session, bundle_name).with_data[:AT_ONCE]
        if not dag_ids:
            return []
        rows = managed(host, session, dag_ids, lock_dags(session, dag_ids))
        acts = [
            Act(
                dag=rows[dag_id],
                state=state,
                decision=released_again(state),
                verb=Verb.ARRIVE.value,
                actor=ACTOR,
            )
            for dag_id, state in sorted(load(host, session, rows).states.items())
        ]
        return carry_out(host, session, acts, now=host.unit.now())

    outcomes = host.unit.run(work)
    host.unit.announce([{"kind": o.kind or "", "dag_id": o.dag_id} for o in outcomes if o.changed])
    return outcomes
