"""(s) Many live rollouts of which none is due: an idle turn of the keeper for them.

In process, through the duty that the keeper calls, on PostgreSQL. Half of the Dags have a rollout that waits
for a check; the rows are copies of one that a push has begun.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from bench.inprocess import bound
from bench.meter import median, summary
from bench.report import Row
from bench.seed import EMPTY, seed
from bench.setting import Setting

TITLE = "many live rollouts, none due"
PER_SIDE = False
TARGET_SECONDS = 0.05
TURNS = 50
POLICY = b"policies: [{name: checked, dags: all, steps: [{check: {name: ci}}, release]}]"


def measure(setting: Setting) -> dict[str, Any]:
    from harness.many_rollouts import copy_rollout
    from pinwheel.airflow3.host import airflow_host
    from pinwheel.services.rollout import advance

    options = setting.options
    with setting.database("rollouts") as database, bound(database):
        first = seed(setting.folder("seed"), 1, revisions=1, template=EMPTY)[0]
        host = airflow_host()
        _put_in_force(host)
        seed(setting.folder("again"), 1, revisions=2, template=EMPTY)
        advance.turn(host, time.monotonic)
        live = options.dags // 2
        engine = _engine()
        copy_rollout(engine, options.dags - 1, dag_id=first)
        setting.server.execute(
            "UPDATE pinwheel_rollout SET slot = NULL, state = 'superseded', ended_at = began_at"
            f" WHERE id > {live}",
            database.name,
        )
        setting.server.execute("ANALYZE", database.name)
        advance.turn(host, time.monotonic)
        cpu = time.process_time()
        turns = summary([_seconds(host) for _ in range(TURNS)])
        return {
            "dags": options.dags,
            "live": live,
            "turn": turns,
            "turn_cpu": (time.process_time() - cpu) / TURNS,
        }


def _put_in_force(host: Any) -> None:
    from pinwheel.core.parse.policy_yaml import read_platform
    from pinwheel.store import policies
    from pinwheel.store.policies import PolicySource

    found = read_platform(POLICY).policies
    host.unit.run(
        lambda session: policies.replace(
            session, PolicySource.PLATFORM, "bench", found, actor="bench", now=host.unit.now()
        )
    )


def _engine() -> Any:
    from airflow import settings

    return settings.engine


def _seconds(host: Any) -> float:
    from pinwheel.services.rollout import advance

    began = time.perf_counter()
    done = advance.turn(host, time.monotonic)
    assert not (done.moved or done.faults), done
    assert advance.soon(host, within=timedelta(seconds=1)) is None
    return time.perf_counter() - began


def rows(found: dict[str, Any]) -> list[Row]:
    turn = found["turn"]
    return [
        Row(
            item="s",
            what=f"{found['dags']} Dags, {found['live']} live rollouts: an idle turn of the keeper for them",
            target=f"{TARGET_SECONDS * 1000:g} ms",
            pinwheel=f"{_ms(median(turn['values']))}, slowest of {turn['n']} {_ms(turn['max'])};"
            f" {_ms(found['turn_cpu'])} CPU",
            met=median(turn["values"]) <= TARGET_SECONDS,
        )
    ]


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
