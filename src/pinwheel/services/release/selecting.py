"""From a selector to Dag ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinwheel.core.errors import unknown_dag
from pinwheel.core.selector import Selector
from pinwheel.services.ports.host import Host
from pinwheel.store import dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def select(host: Host, selector: Selector, *, retired: bool = False) -> list[str]:
    """Ids of the Dags that *selector* means, sorted; it may be empty.

    Dags that only a pattern matches are left out when they are retired, unless ``retired`` is true: a
    release would bring them back. A Dag named by its id is taken as it is.

    :raises NotFound: a Dag is named that neither Pinwheel nor Airflow knows.
    """

    def work(session: Session) -> list[str]:
        if selector.names_only:
            return sorted(set(selector.ids))
        found = host.reads.select(
            session, ids=selector.ids, globs=selector.globs, tags=selector.tags, bundle=selector.bundle
        )
        rows = dags.rows(session, {*found, *selector.ids})
        for dag_id in selector.ids:
            if dag_id not in rows:
                raise unknown_dag(dag_id)
        named = set(selector.ids)
        return [dag_id for dag_id in found if retired or dag_id in named or not rows[dag_id].retired]

    return host.unit.run(work)
