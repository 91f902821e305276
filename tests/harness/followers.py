"""What tests of Dags that follow ask: the versions of new runs, and what was written for them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from harness import asked
from harness.faults import airflow_engine
from harness.inprocess import stock_run
from harness.prebuilt import Prebuilt
from pinwheel.core.release.decide import Verb
from pinwheel.services import change

COUNTED = ("pinwheel_build", "pinwheel_parse", "pinwheel_release", "pinwheel_stand", "dag_version")


def rows(query: str, **values: Any) -> list[Any]:
    with airflow_engine().connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query), values)]


def counts() -> dict[str, int]:
    return {table: rows(f"SELECT count(*) FROM {table}")[0][0] for table in COUNTED}


def changed(pusher: Prebuilt, verb: Verb, dag_id: str = "a", **more: Any) -> Any:
    wanted = asked.change(verb=verb, dag_ids=[dag_id], actor="ada", **more)
    (outcome,) = change.apply(pusher.host, wanted)
    return outcome


class Runs:
    """New runs, made as Airflow makes them."""

    def __init__(self) -> None:
        self.made = 0

    def version(self, dag_id: str = "a") -> str:
        """The bundle version that the next run has."""
        self.made += 1
        return stock_run(dag_id, f"run-{self.made}")
