"""(q) Many Dags of which few have eras: a follow, an idle turn of the keeper, the check of one timeline.

In process, through the services that the Dag processor, the keeper and the REST API call, on PostgreSQL. A
hundredth of the Dags has an era over all dates. A turn does all of the keeper's duties, as if each were due.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from bench.inprocess import bound
from bench.items.by_date import set_eras
from bench.items.follow import Bundle
from bench.meter import median, summary
from bench.report import Row
from bench.seed import EMPTY, seed
from bench.setting import Setting

TITLE = "many Dags, few of them dated"
PER_SIDE = False
PART = 100
"""One of so many Dags is dated."""
FOLLOW_SECONDS, TURN_SECONDS = 1.0, 0.05
TURNS = 20


def measure(setting: Setting) -> dict[str, Any]:
    from pinwheel.services.timeline.check import check

    options = setting.options
    with setting.database("few_dated") as database, bound(database):
        dag_ids = seed(setting.folder("seed"), options.dags, revisions=2, template=EMPTY)
        dated = dag_ids[::PART]
        set_eras(dated, 1)
        # In the first minute the keeper looks after runs that were made meanwhile: then it is not idle
        longer_ago = "UPDATE pinwheel_start_rule SET since = since - interval '1 hour'"
        setting.server.execute(longer_ago, database.name)
        setting.server.execute("ANALYZE", database.name)
        bundle = Bundle(setting, database, dag_ids)
        bundle.dags -= len(dated)  # Those stay marked
        bundle.push()  # The first has each Dag's follow_version to fill in, and a cold cache.
        turn = _turn(bundle.host)
        turn()  # What the pushes left to do
        cpu = time.process_time()
        turns = summary([_seconds_of(turn) for _ in range(TURNS)])
        cpu = (time.process_time() - cpu) / TURNS
        return {
            "dags": len(dag_ids),
            "dated": len(dated),
            "follow": summary([bundle.push()["all"] for _ in range(options.pushes)]),
            "turn": turns,
            "turn_cpu": cpu,
            "check": summary([_seconds_of(lambda: check(bundle.host, dated[0])) for _ in range(TURNS // 4)]),
        }


def _turn(host: Any) -> Callable[[], None]:
    from pinwheel.airflow3.keeper.duties import duties_of
    from pinwheel.services.upkeep.beat import Beat

    duties = duties_of(host, Beat(host))

    def work() -> None:
        for duty in duties:
            duty.work()

    return work


def _seconds_of(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def rows(found: dict[str, Any]) -> list[Row]:
    of = f"{found['dags']} Dags, {found['dated']} of them dated"
    follow, turn, check = found["follow"], found["turn"], found["check"]
    return [
        Row(
            item="q",
            what=f"{of}: all others follow a push",
            target=f"{FOLLOW_SECONDS:g} s",
            pinwheel=f"{median(follow['values']):.2f} s, slowest of {follow['n']} {follow['max']:.2f} s",
            met=follow["max"] <= FOLLOW_SECONDS,
        ),
        Row(
            item="q",
            what=f"{of}: an idle turn of the keeper",
            target=f"{TURN_SECONDS * 1000:g} ms",
            pinwheel=f"{_ms(median(turn['values']))}, slowest of {turn['n']} {_ms(turn['max'])};"
            f" {_ms(found['turn_cpu'])} CPU",
            met=median(turn["values"]) <= TURN_SECONDS,
        ),
        Row(
            item="q",
            what=f"{of}: pinwheel timeline check of one, with the sensors of all Dags",
            pinwheel=f"{_ms(median(check['values']))}, slowest of {check['n']} {_ms(check['max'])}",
        ),
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
