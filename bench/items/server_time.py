"""(b) What a rollback costs the server with many Dags in the database: one Dag, and many in one batch.

In process, through the service that API and CLI call, on PostgreSQL.
"""

from __future__ import annotations

import random
import time
from typing import Any

from bench.inprocess import bound
from bench.meter import percentile, summary
from bench.report import Row
from bench.seed import seed
from bench.setting import Setting

TITLE = "server time of a rollback"
PER_SIDE = False
TARGET_P99 = 0.100
TARGET_BATCH = 10.0


def measure(setting: Setting) -> dict[str, Any]:
    options = setting.options
    with setting.database("rollback") as database, bound(database):
        from pinwheel.airflow3.host import airflow_host
        from pinwheel.core.release.decide import Verb
        from pinwheel.core.request import ChangeRequest, Selection
        from pinwheel.core.selector import Selector
        from pinwheel.services import change

        began = time.perf_counter()
        dag_ids = seed(setting.folder("seed"), options.dags, revisions=2)
        seeded = time.perf_counter() - began
        setting.server.execute("ANALYZE", database.name)
        host = airflow_host()
        host.deployment.versioned |= {"seed": True}
        picked = random.Random(1).sample(dag_ids, min(len(dag_ids), options.rollbacks + options.batch + 5))
        warm, single, batch = picked[:5], picked[5 : options.rollbacks + 5], picked[options.rollbacks + 5 :]

        def roll_back(*ids: str) -> float:
            start = time.perf_counter()
            selection = Selection(selector=Selector(ids=ids))
            request = ChangeRequest(verb=Verb.ROLLBACK, selection=selection)
            wanted = change.Change(request=request, dag_ids=ids, actor="bench")
            outcomes = change.apply(host, wanted)
            assert all(outcome.changed for outcome in outcomes)
            return time.perf_counter() - start

        for dag_id in warm:
            roll_back(dag_id)
        times = [roll_back(dag_id) for dag_id in single]
        together = roll_back(*batch)
    return {
        "dags": len(dag_ids),
        "single": summary(times, 5),
        "batch": together,
        "batch_dags": len(batch),
        "seed_seconds": seeded,
    }


def rows(found: dict[str, Any]) -> list[Row]:
    times = found["single"]["values"]
    p50, p99 = percentile(times, 50), percentile(times, 99)
    return [
        Row(
            item="b",
            what=f"rollback on the server, {found['dags']} Dags in the database",
            target=f"p99 {TARGET_P99 * 1000:g} ms",
            pinwheel=f"p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms of {len(times)}",
            met=p99 <= TARGET_P99,
        ),
        Row(
            item="b",
            what=f"rollback of {found['batch_dags']} Dags in one transaction",
            target=f"{TARGET_BATCH:g} s",
            pinwheel=f"{found['batch']:.1f} s",
            met=found["batch"] <= TARGET_BATCH,
        ),
    ]
