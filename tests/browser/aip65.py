"""AIP-65's scenarios as real runs of Dags that change between runs, between tasks and between tries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from harness.truth import Player, Script
from integration.truth_scenarios import source


def dag(p: Player, mark: str, names: str, **kwargs: Any) -> dict[str, str | None]:
    return {f"{p.dag_id}.py": source(p.dag_id, mark, names, **kwargs)}


def clear_on(p: Player, run_id: str, build: int, task_ids: Sequence[str] | None = None) -> Script:
    """Clear a finished run, or some tasks of it, on a build, and wait until it has ended again."""
    path = f"/pinwheel/api/v1/dags/{p.dag_id}/runs/{run_id}/clear"
    reply = p.stage.env.api().post(path, json={"build": build, "task_ids": task_ids, "reason": "a test"})
    assert reply.status_code == 200, reply.text
    yield from p._again(run_id)


def between_runs(p: Player) -> Script:
    """Two tasks, three, two again; then only a body changes."""
    for mark, names in (("m1", "a b"), ("m2", "welcome a b"), ("m3", "b a"), ("m4", "b a")):
        yield from p.push(dag(p, mark, names))
        yield from p.run()


def between_groups(p: Player) -> Script:
    """A task moves from one group to another; later its old group is gone."""
    for mark, names in (("m1", "g1.x g1.y g2.z"), ("m2", "g1.y g2.x g2.z"), ("m3", "g2.x g2.z")):
        yield from p.push(dag(p, mark, names))
        yield from p.run()


def between_tasks(p: Player) -> Script:
    """One task of a finished run runs again on a build of which only a body differs."""
    yield from p.push(dag(p, "m1", "a b c"))
    run_id = yield from p.run()
    yield from p.push(dag(p, "m2", "a b c"))
    yield from clear_on(p, run_id, 2, ["b"])


def between_tasks_structural(p: Player) -> Script:
    """A >> B >> C becomes A >> C >> D while A and B have run: C and D run on the second version."""
    yield from p.push(dag(p, "m1", "a b c"))
    run_id = yield from p.run()
    yield from p.push(dag(p, "m2", "a c d"))
    yield from clear_on(p, run_id, 2, ["c"])


def between_tries(p: Player) -> Script:
    """The helper, then the body changes between the tries of one task."""
    top = f"from {p.dag_id}_helper import HELPER"
    body = 'print(f"EXEC_HELPER={HELPER}")'
    for number, (mark, helper) in enumerate((("m1", "h1"), ("m1", "h2"), ("m2", "h2")), 1):
        yield from p.push(
            {
                **dag(p, mark, "a b", top=top, body=body),
                f"{p.dag_id}_helper.py": f"# HELPER_MARK: <{helper}>\nHELPER = {helper!r}\n",
            }
        )
        if number == 1:
            run_id = yield from p.run()
        else:
            yield from clear_on(p, run_id, number, ["a"])


def bodies_and_helpers(p: Player) -> Script:
    """Body-only and helper-only changes between runs."""
    top = f"from {p.dag_id}_helper import HELPER"
    body = 'print(f"EXEC_HELPER={HELPER}")'
    for mark, helper in (("m1", "h1"), ("m2", "h1"), ("m2", "h2"), ("m3", "h3")):
        yield from p.push(
            {
                **dag(p, mark, "a", top=top, body=body),
                f"{p.dag_id}_helper.py": f"# HELPER_MARK: <{helper}>\nHELPER = {helper!r}\n",
            }
        )
        yield from p.run()


def to_be_cleared(p: Player) -> Script:
    """A run of an older version, for clears from the page."""
    yield from p.push(dag(p, "m1", "a b c"))
    yield from p.run()
    yield from p.push(dag(p, "m2", "a c d"))
    yield from p.released()


SCENARIOS: tuple[Callable[[Player], Script], ...] = (
    between_runs,
    between_groups,
    between_tasks,
    between_tasks_structural,
    between_tries,
    bodies_and_helpers,
    to_be_cleared,
)
