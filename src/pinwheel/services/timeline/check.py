"""Which runs are on another build than that of their date?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pinwheel.core.run.fit import Fit
from pinwheel.services import once
from pinwheel.services.ports.host import Host
from pinwheel.services.run.known import known_dag
from pinwheel.services.timeline.known import known
from pinwheel.services.timeline.runs import judge_all
from pinwheel.services.timeline.sensors import waiting_in_vain
from pinwheel.services.timeline.views import CheckView

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def check(host: Host, dag_id: str, *, sees: once.Sees = once.all_of_them) -> CheckView:
    """All runs of a Dag against its timeline; those on which somebody decided are listed apart.

    Sensors that wait in vain are told of the Dags that *sees* lets through.

    :raises NotFound, Refused: the Dag is not managed.
    """

    def work(session: Session) -> CheckView:
        dag = known(host, session, dag_id)
        found = judge_all(host, session, dag, dag.eras)
        by = {fit: [each for each in found.runs if each.fit is fit] for fit in Fit}
        return CheckView(
            dag_id=dag_id,
            revision=dag.revision,
            runs=len(found.runs),
            match=len(by[Fit.MATCHES]),
            waiting=len(by[Fit.WAITS]),
            differ=tuple(found.view(each) for each in by[Fit.DIFFERS]),
            by_hand=tuple(found.view(each) for each in by[Fit.BY_HAND]),
            sensors=waiting_in_vain(host, session, dag, dag.eras, sees),
        )

    with known_dag(host, dag_id):
        return host.unit.run(work)
