"""(r) ``promote --at``: from the instant that is asked for until new runs take the place.

In process: the keeper's loop, which looks once a second, with its duty for rollouts alone, on PostgreSQL.
Each promotion is asked for a while before its instant. It is in effect when the transaction is committed that
changes Airflow's rows: the moment at which the keeper tells of it.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

from bench.inprocess import bound, telling
from bench.meter import median, summary
from bench.report import Row
from bench.seed import EMPTY, seed
from bench.setting import Setting

TITLE = "promote at an instant"
PER_SIDE = False
TARGET_SECONDS = 1.0
FIRST, EACH = timedelta(seconds=2), timedelta(seconds=1.3)
"""The instants are no whole turns apart, so that they fall anywhere between two looks."""


def measure(setting: Setting) -> dict[str, Any]:
    from pinwheel.airflow3.host import airflow_host
    from pinwheel.airflow3.keeper.duties import duties_of
    from pinwheel.airflow3.keeper.loop import Loop
    from pinwheel.core.release.decide import Verb
    from pinwheel.services.upkeep.beat import Beat

    with setting.database("promote_at") as database, bound(database):
        dag_ids = seed(setting.folder("seed"), setting.options.starts, revisions=2, template=EMPTY)
        host = airflow_host()
        for dag_id in dag_ids:
            _change(host, Verb.PIN, dag_id, build=1)
        first = host.unit.now() + FIRST
        instants = {dag_id: first + number * EACH for number, dag_id in enumerate(dag_ids)}
        for dag_id, at in instants.items():
            _change(host, Verb.PROMOTE, dag_id, at=at)
        told: dict[str, datetime] = {}
        host = telling(host, told)
        duties = [duty for duty in duties_of(host, Beat(host)) if duty.name == "advance rollouts"]
        turns = int((len(dag_ids) * EACH + FIRST).total_seconds()) + 3
        Loop(host, duties).run(threading.Event(), turns=turns)
        late = [(told[dag_id] - at).total_seconds() for dag_id, at in instants.items()]
        return {"late": summary(late)}


def _change(host: Any, verb: Any, dag_id: str, **more: Any) -> None:
    from harness import asked
    from pinwheel.services import change

    change.apply(host, asked.change(verb=verb, dag_ids=[dag_id], **more))


def rows(found: dict[str, Any]) -> list[Row]:
    late = found["late"]
    return [
        Row(
            item="r",
            what="promote --at: from the instant to in effect",
            target=f"{TARGET_SECONDS:g} s",
            pinwheel=f"{median(late['values']):.2f} s, slowest of {late['n']} {late['max']:.2f} s",
            met=late["max"] <= TARGET_SECONDS,
        )
    ]
