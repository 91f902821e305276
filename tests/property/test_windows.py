"""Task windows and Dags without the tasks that have no place, against oracles of their own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinwheel.core.errors import Refused
from pinwheel.core.structure.diff import edges_of, tasks_of
from pinwheel.core.structure.windows import Window, segment_at, segments, windows
from pinwheel.core.structure.without import ANY_OF_SEVERAL, bridged, without

ZERO = datetime(2019, 1, 1, tzinfo=UTC)
MICRO = timedelta(microseconds=1)
RULES = ["all_success", "none_failed", "all_done", *sorted(ANY_OF_SEVERAL)]


def seconds(day: int, micro: int = 0) -> float:
    return (ZERO + timedelta(days=day, microseconds=micro)).timestamp()


def dag_of(tasks: Mapping[str, Mapping[str, Any]], **values: Any) -> dict[str, Any]:
    return {
        "__version": 3,
        "dag": {
            "dag_id": "d",
            "tasks": [
                {"__type": "operator", "__var": {"task_id": name, **task}} for name, task in tasks.items()
            ],
            "task_group": {"_group_id": None, "children": {name: ["operator", name] for name in tasks}},
            **values,
        },
    }


@st.composite
def graphs(draw: st.DrawFn, *, gates: bool = False, rules: bool = False) -> dict[str, dict[str, Any]]:
    """Up to nine tasks without circles; some may skip what follows on them, some have other trigger rules."""
    count = draw(st.integers(2, 9))
    names = [f"t{number}" for number in range(count)]
    tasks: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(names):
        below = [one for one in names[number + 1 :] if draw(st.integers(0, 9)) < 4]
        tasks[name] = {"downstream_task_ids": below}
        if gates and draw(st.integers(0, 5)) == 0:
            tasks[name]["_can_skip_downstream"] = True
        if rules:
            tasks[name]["trigger_rule"] = draw(st.sampled_from(RULES))
    return tasks


def before(edges: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """All ordered pairs, found the slow way."""
    found = set(edges)
    while more := {(a, d) for a, b in found for c, d in found if b == c} - found:
        found |= more
    return found


@pytest.mark.acceptance("dates", 4)
@given(st.data())
def test_the_order_among_the_tasks_that_stay_is_the_authors(data: st.DataObject) -> None:
    tasks = data.draw(graphs())
    gone = data.draw(st.sets(st.sampled_from(sorted(tasks))))
    variant = without(dag_of(tasks), gone)
    old, new = edges_of(tasks), edges_of(tasks_of(variant["dag"]))
    kept = set(tasks) - gone
    assert set(tasks_of(variant["dag"])) == kept
    assert before(new) == {(a, b) for a, b in before(old) if a in kept and b in kept}
    assert {(a, b) for a, b in old if a in kept and b in kept} <= new, "what was written stays"


@pytest.mark.acceptance("dates", 4)
@given(st.data())
def test_no_bridge_says_what_the_rest_says_already(data: st.DataObject) -> None:
    tasks = data.draw(graphs())
    gone = data.draw(st.sets(st.sampled_from(sorted(tasks))))
    new = {(a, b) for a, follow in bridged(tasks, gone).items() for b in follow}
    for bridge in new - edges_of(tasks):
        assert bridge not in before(new - {bridge})


@given(st.data())
def test_a_bridge_never_adds_to_the_upstream_of_a_task_that_asks_for_any_of_several(
    data: st.DataObject,
) -> None:
    tasks = data.draw(graphs(rules=True))
    gone = data.draw(st.sets(st.sampled_from(sorted(tasks))))
    new = {(a, b) for a, follow in bridged(tasks, gone).items() for b in follow}
    bridges = new - edges_of(tasks)
    for _, below in bridges:
        has_others = any(b == below and a not in gone for a, b in edges_of(tasks))
        assert tasks[below]["trigger_rule"] not in ANY_OF_SEVERAL or not has_others


@pytest.mark.acceptance("dates", 6)
@given(st.data())
def test_what_follows_on_a_gate_over_absent_tasks_alone_is_refused_and_nothing_else(
    data: st.DataObject,
) -> None:
    tasks = data.draw(graphs(gates=True))
    gone = data.draw(st.sets(st.sampled_from(sorted(tasks))))
    old = edges_of(tasks)
    kept = set(tasks) - gone
    direct = before({(a, b) for a, b in old if a in kept and b in kept})
    over = {(a, b) for a, b in old if b in gone or a in gone}
    # Over absent tasks alone: a path whose inner tasks are all absent.
    inner = before({(a, b) for a, b in old if a in gone and b in gone}) | {(one, one) for one in gone}
    refused = {
        gate
        for gate in kept
        if tasks[gate].get("_can_skip_downstream")
        for first, last in inner
        if (gate, first) in over
        for below in kept
        if (last, below) in over and (gate, below) not in direct
    }
    if refused:
        with pytest.raises(Refused, match="decides by its own children") as caught:
            bridged(tasks, gone)
        gate, *between, below = caught.value.facts["tasks"]
        assert gate in refused
        assert set(between) <= gone
        assert below in kept
    else:
        bridged(tasks, gone)


BOUND = st.none() | st.integers(0, 8)


@st.composite
def bounds(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    start, end = draw(BOUND), draw(BOUND)
    if start is not None:
        found["start_date"] = seconds(start)
    if end is not None:
        found["end_date"] = seconds(end)
    return found


@given(st.lists(bounds(), min_size=1, max_size=6), bounds())
def test_a_task_is_absent_exactly_where_its_window_does_not_hold_the_date(
    tasks: list[dict[str, Any]], of_dag: dict[str, Any]
) -> None:
    """To the microsecond, with a bound open where it is the outermost one of the whole Dag."""
    dag = dag_of({f"t{number}": task for number, task in enumerate(tasks)}, **of_dag)
    spans = windows(dag)
    found = segments(spans)
    effective = [{**of_dag, **task} for task in tasks]
    first = min((one["start_date"] for one in [*effective, of_dag] if "start_date" in one), default=None)
    last = max((one["end_date"] for one in [*effective, of_dag] if "end_date" in one), default=None)
    if any("start_date" not in one for one in effective):
        first = None
    if any("end_date" not in one for one in effective):
        last = None
    for number, task in enumerate(tasks):
        for day in range(-1, 10):
            for micro in (-1, 0, 1):
                at = ZERO + timedelta(days=day, microseconds=micro)
                stamp = at.timestamp()
                start, end = task.get("start_date"), task.get("end_date")
                early = start is not None and start not in (first, of_dag.get("start_date")) and stamp < start
                late = end is not None and end not in (last, of_dag.get("end_date")) and stamp > end
                absent = f"t{number}" in found[segment_at(found, at)].absent
                assert absent == (early or late)


@given(st.lists(bounds(), min_size=1, max_size=6))
def test_there_is_at_most_one_segment_more_than_there_are_bounds(tasks: list[dict[str, Any]]) -> None:
    spans = windows(dag_of({f"t{number}": task for number, task in enumerate(tasks)}))
    found = segments(spans)
    distinct = {("start", span.start) for span in spans.values() if span.start is not None} | {
        ("end", span.end) for span in spans.values() if span.end is not None
    }
    assert 1 <= len(found) <= len(distinct) + 1
    assert found[0].starts_at is None
    assert all(one.absent != other.absent for one, other in pairwise(found))


def test_a_window_holds_both_its_ends() -> None:
    assert [Window(2, 4).holds(at) for at in range(1, 6)] == [False, True, True, True, False]
