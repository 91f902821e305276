"""From a selector to Dag ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinwheel.core.errors import unknown_dag
from pinwheel.core.request import Selection
from pinwheel.services.ports.host import Host
from pinwheel.store import dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def select(host: Host, selection: Selection) -> list[str]:
    """Ids of the Dags that *selection* means, sorted; it may be empty.

    A Dag named by its id is taken as it is; one that only a pattern matches is left out when it is retired,
    unless the selection says otherwise: a release would bring it back.

    :raises NotFound: a Dag is named that neither Pinwheel nor Airflow knows.
    """
    selector = selection.selector

    def work(session: Session) -> list[str]:
        if selector.names_only:
            return sorted(set(selector.ids))
        found = host.reads.select(session, selector)
        rows = dags.rows(session, {*found, *selector.ids})
        for dag_id in selector.ids:
            if dag_id not in rows:
                raise unknown_dag(dag_id)
        named = set(selector.ids)
        return [
            dag_id for dag_id in found if selection.retired or dag_id in named or not rows[dag_id].retired
        ]

    return host.unit.run(work)
