"""(o) What the fleet page asks of the server with many Dags.

The page, what its filters offer, and the question that it asks while nothing changes; and the events page.
In process, through the REST API as Airflow's API server serves it, on PostgreSQL.
"""

from __future__ import annotations

import time
from typing import Any

from bench.inprocess import bound
from bench.meter import percentile, summary
from bench.report import Row
from bench.seed import seed
from bench.setting import Setting

TITLE = "requests of the fleet page"
PER_SIDE = False
ROUNDS = 20
SMALL = 10
"""So many times fewer Dags are measured first, to tell how the times grow."""
TARGET_NEWS = 0.050
TARGET_PAGE = 2.0
API = "/pinwheel/api/v1"
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "page": ("/fleet", {"order_by": "attention", "tags_match_mode": "all", "limit": 50}),
    "last page": ("/fleet", {"order_by": "waits_since", "limit": 50, "offset": -50}),
    "filters": ("/fleet/filters", {}),
    "news": ("/changes", {"after": 1}),
    "events": ("/events", {"fold": True, "limit": 50}),
    "what people did": (
        "/events",
        {"fold": True, "limit": 50, "kind": ["pin", "rollback"], "search": "bench"},
    ),
}


def measure(setting: Setting) -> dict[str, Any]:
    wanted = setting.options.dags
    return {str(dags): _measured(setting, dags) for dags in sorted({max(1, wanted // SMALL), wanted})}


def _measured(setting: Setting, wanted: int) -> dict[str, Any]:
    from harness.inprocess_server import InProcessServer

    with setting.database(f"fleet-{wanted}") as database, bound(database):
        from pinwheel.airflow3.host import airflow_host
        from pinwheel.core.release.decide import Verb
        from pinwheel.core.request import ChangeRequest, Selection
        from pinwheel.core.selector import Selector
        from pinwheel.services import change

        dag_ids = seed(setting.folder("seed"), wanted, revisions=2)
        host = airflow_host()
        host.deployment.versioned |= {"seed": True}
        back = tuple(dag_ids[::20])
        request = ChangeRequest(
            verb=Verb.ROLLBACK, selection=Selection(selector=Selector(ids=back)), reason="bench"
        )
        change.apply(host, change.Change(request=request, dag_ids=back, actor="bench"))
        setting.server.execute("ANALYZE", database.name)
        server = InProcessServer(host, database)
        last = server.get(f"{API}/changes")["last_event_id"]
        found: dict[str, Any] = {"dags": len(dag_ids), "held": len(back)}
        for name, (path, asked) in REQUESTS.items():
            given = dict(asked)
            if "offset" in given:
                given["offset"] = max(0, len(dag_ids) + given["offset"])
            if "after" in given:
                given["after"] = last
            found[name] = summary(_times(server, f"{API}{path}", given))
    return found


def _times(server: Any, path: str, asked: dict[str, Any]) -> list[float]:
    times = []
    for _ in range(ROUNDS + 1):
        began = time.perf_counter()
        server.get(path, **asked)
        times.append(time.perf_counter() - began)
    return times[1:]  # The first one warms up.


def rows(found: dict[str, Any]) -> list[Row]:
    made = []
    for sized in found.values():
        for name in REQUESTS:
            p50 = percentile(sized[name]["values"], 50)
            target = TARGET_NEWS if name == "news" else TARGET_PAGE
            made.append(
                Row(
                    item="o",
                    what=f"fleet page: {name}, {sized['dags']} Dags",
                    target=f"p50 {target * 1000:g} ms",
                    pinwheel=f"p50 {p50 * 1000:.0f} ms",
                    met=p50 <= target,
                )
            )
    return made
