"""Joins below a task that has no place at a run's date act as in a Dag that never had the task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

import pytest
from airflow.task.trigger_rule import TriggerRule

from harness.dag_runs import Came, DagRuns
from harness.scheduling import Scheduler, listening_airflow
from harness.seed import Seeder
from pinwheel.services.release import variants

ENDS = ("success", "failed", "skipped", "upstream_failed")
RULES = sorted(TriggerRule.all_triggers())
BESIDE = [beside for many in (1, 2) for beside in combinations_with_replacement(ENDS, many)]
"""How what stays above a join ends."""
ANY_OF_SEVERAL = ["one_success", "one_failed", "one_done", "all_failed", "all_skipped", "always"]
"""To these one more task above means something else: what was ordered over an absent one is not any more."""
OF_2020 = datetime(2020, 6, 1, tzinfo=UTC)

SOURCE = """
    from datetime import datetime
    from airflow.providers.standard.operators.bash import BashOperator
    from airflow.providers.standard.operators.empty import EmptyOperator
    from airflow.sdk import DAG

    def task(name, **more):
        return BashOperator(task_id=name, bash_command="true", **more)

    def absent(name):
        return [task(name, end_date=datetime(2019, 12, 31))] if {varied} else []

    with DAG("{dag_id}", schedule=None, start_date=datetime(2018, 1, 1), max_active_tasks=1000):
        start = EmptyOperator(task_id="start")
        old = absent("old")
        above = {{}}
        for end in {ends}:
            for number in (1, 2):
                above[end, number] = task(f"{{end}}_{{number}}")
                start >> above[end, number]
                if end == "upstream_failed":
                    task(f"fails_{{number}}") >> above[end, number]
        for rule in {rules}:
            for beside in {beside}:
                join = EmptyOperator(task_id="-".join([rule, *beside]), trigger_rule=rule)
                ups = [above[end, number] for number, end in enumerate(beside, 1)]
                old + ups >> join
        start >> old
        over = {{end: absent(f"old_over_{{end}}") for end in ("success", "failed", "skipped")}}
        for end, between in over.items():
            above[end, 1] >> between
            for rule in {rules}:
                join = EmptyOperator(task_id=f"{{rule}}-over-{{end}}", trigger_rule=rule)
                above["success", 2] >> join
                if between:
                    between >> join
                elif rule not in {any_of_several}:
                    above[end, 1] >> join
        for end in ("success", "failed", "skipped"):
            setup = task(f"{{end}}_3").as_setup()
            teardown = task(f"teardown-{{end}}").as_teardown(setups=setup)
            setup >> [*absent(f"old_{{end}}"), task(f"work-{{end}}")] >> teardown
"""


@pytest.fixture(scope="module")
def airflow(sqlite: Any) -> Iterator[Any]:
    with listening_airflow(sqlite) as made:
        yield made


def outcomes(came: Came) -> dict[str, dict[str, str | None]]:
    """By rule: the states of its joins. And those of teardowns, which have one of their own."""
    found: dict[str, dict[str, str | None]] = defaultdict(dict)
    for task_id, state in came.tasks.items():
        rule, *beside = task_id.split("-")
        if beside and rule != "work":
            found[rule]["-".join(beside)] = state
    return dict(found)


@pytest.mark.acceptance("dates", 3)
def test_joins_of_every_rule_end_as_in_a_dag_that_never_had_the_absent_task(
    airflow: Any, tmp_path: Path
) -> None:
    """Whose author wrote an order over it down without it."""
    seeder = Seeder(tmp_path)
    parts = {
        "ends": ENDS,
        "rules": [str(rule) for rule in RULES],
        "beside": BESIDE,
        "any_of_several": ANY_OF_SEVERAL,
    }
    varied, twin = DagRuns(seeder.host, "varied"), DagRuns(seeder.host, "twin")
    seeder.push(
        {
            f"{name}.py": SOURCE.format(dag_id=name, varied=name == "varied", **parts)
            for name in ("varied", "twin")
        }
    )
    variants.make_missing(seeder.host)
    varied.unpause()
    twin.unpause()
    scheduler = Scheduler()
    scheduler.executor.ends |= {f"{end}_{number}": end for end in ENDS[:3] for number in (1, 2, 3)}
    scheduler.executor.ends |= dict.fromkeys(("fails_1", "fails_2"), "failed")
    made, expected = varied.run(OF_2020), twin.run(OF_2020)
    scheduler.settle(turns=20)
    came, wanted = varied.came(made), twin.came(expected)
    assert set(came.tasks) == set(wanted.tasks) and not any("old" in task_id for task_id in came.tasks)
    assert [one.segment for one in varied.bindings(made)] == [2]
    found = outcomes(came)
    assert found == outcomes(wanted)
    assert (came.state, came.tasks) == (wanted.state, wanted.tasks)
    assert {rule: len(ends) for rule, ends in found.items()} == {
        **dict.fromkeys(map(str, RULES), len(BESIDE) + 3),
        "teardown": 3,
    }
    every = {state for ends in found.values() for state in ends.values()}
    assert every == {"success", "skipped", "upstream_failed"}, "none waits, and not all are alike"
