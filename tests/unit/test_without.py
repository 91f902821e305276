"""Dags without the tasks that have no place: groups, mapped tasks, refusals and warnings."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from pinwheel.core.errors import Refused
from pinwheel.core.structure.diff import tasks_of
from pinwheel.core.structure.windows import check_count, has_windows, segments, windows
from pinwheel.core.structure.without import warnings, without

START = datetime(2019, 1, 1, tzinfo=UTC).timestamp()
END = datetime(2020, 1, 1, tzinfo=UTC).timestamp()


def dag_of(*tasks: dict[str, Any], group: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    children = {task["task_id"]: ["operator", task["task_id"]] for task in tasks}
    return {
        "__version": 3,
        "dag": {
            "dag_id": "d",
            "tasks": [{"__type": "operator", "__var": task} for task in tasks],
            "task_group": group or {"_group_id": None, "children": children},
            **values,
        },
    }


def task(task_id: str, *below: str, **values: Any) -> dict[str, Any]:
    return {"task_id": task_id, "downstream_task_ids": list(below), **values}


def output_of(task_id: str) -> dict[str, Any]:
    return {"__type": "xcomref", "__var": {"task_id": task_id, "key": "return_value"}}


def mapped(task_id: str, over: str, *below: str) -> dict[str, Any]:
    return task(
        task_id,
        *below,
        _is_mapped=True,
        _expand_input_attr="op_kwargs_expand_input",
        op_kwargs_expand_input={"type": "dict-of-lists", "value": {"x": output_of(over)}},
    )


def test_the_serialized_dag_that_is_asked_about_stays_as_it_is() -> None:
    dag = dag_of(
        task("a", "b", end_date=END), task("b", "c"), task("c"), edge_info={"a": {"b": {"label": "x"}}}
    )
    was = copy.deepcopy(dag)
    without(dag, {"b"})
    assert dag == was


@pytest.mark.acceptance("dates", 5)
def test_a_task_mapped_over_an_absent_one_is_refused_and_both_are_named() -> None:
    with pytest.raises(Refused) as refused:
        without(dag_of(task("old", "new"), mapped("new", "old")), {"old"})
    assert refused.value.facts == {"problem": "mapped-over-absent", "tasks": ["new", "old"]}
    assert "Give it the window of old" in refused.value.message


def test_a_mapped_task_that_is_absent_with_what_it_is_mapped_over_is_left_out_as_a_whole() -> None:
    found = without(dag_of(task("old", "new"), mapped("new", "old", "last"), task("last")), {"old", "new"})
    assert list(tasks_of(found["dag"])) == ["last"]


@pytest.mark.acceptance("dates", 5)
def test_a_group_mapped_over_an_absent_task_is_refused_unless_all_of_it_is_absent() -> None:
    group = {
        "_group_id": None,
        "children": {
            "old": ["operator", "old"],
            "g": [
                "taskgroup",
                {
                    "_group_id": "g",
                    "is_mapped": True,
                    "expand_input": {"type": "dict-of-lists", "value": {"x": output_of("old")}},
                    "children": {"g.a": ["operator", "g.a"]},
                },
            ],
        },
    }
    dag = dag_of(task("old", "g.a"), task("g.a"), group=group)
    with pytest.raises(Refused, match="group g is mapped over"):
        without(dag, {"old"})
    assert without(dag, {"old", "g.a"})["dag"]["task_group"]["children"] == {}


def test_groups_lose_absent_tasks_are_gone_when_empty_and_so_are_edges_with_them() -> None:
    inner = {
        "_group_id": "inner",
        "children": {"outer.inner.a": ["operator", "outer.inner.a"]},
        "upstream_task_ids": ["x"],
        "downstream_task_ids": [],
    }
    group = {
        "_group_id": None,
        "children": {
            "outer": [
                "taskgroup",
                {
                    "_group_id": "outer",
                    "children": {"outer.inner": ["taskgroup", inner], "outer.b": ["operator", "outer.b"]},
                    "upstream_group_ids": [],
                    "downstream_group_ids": ["other"],
                    "upstream_task_ids": ["x"],
                    "downstream_task_ids": ["y"],
                },
            ],
            "other": [
                "taskgroup",
                {
                    "_group_id": "other",
                    "children": {"other.c": ["operator", "other.c"]},
                    "upstream_group_ids": ["outer", "outer.inner"],
                },
            ],
            "x": ["operator", "x"],
            "y": ["operator", "y"],
        },
    }
    tasks = [task(name) for name in ("outer.inner.a", "outer.b", "other.c", "x", "y")]
    found = without(dag_of(*tasks, group=group), {"outer.inner.a", "x"})["dag"]["task_group"]
    assert sorted(found["children"]) == ["other", "outer", "y"]
    outer, other = found["children"]["outer"][1], found["children"]["other"][1]
    assert sorted(outer["children"]) == ["outer.b"]
    assert (outer["upstream_task_ids"], outer["downstream_task_ids"]) == ([], ["y"])
    assert (outer["downstream_group_ids"], other["upstream_group_ids"]) == (["other"], ["outer"])


def test_labels_and_dependencies_of_absent_tasks_go_with_them() -> None:
    dag = dag_of(
        task("a", "b", "c"),
        task("b", "c"),
        task("c"),
        edge_info={"a": {"b": {"label": "x"}, "c": {"label": "y"}}, "b": {"c": {"label": "z"}}},
        dag_dependencies=[{"dependency_id": "b"}, {"dependency_id": "c"}],
    )
    found = without(dag, {"b"})["dag"]
    assert found["edge_info"] == {"a": {"c": {"label": "y"}}}
    assert found["dag_dependencies"] == [{"dependency_id": "c"}]


def test_dates_are_spent_and_only_what_depends_on_its_past_keeps_its_start() -> None:
    dag = dag_of(
        task("plain", start_date=END, end_date=END + 1),
        task("past", start_date=END, depends_on_past=True),
        task("outermost", start_date=START, depends_on_past=True),
        task("mapped", _is_mapped=True, partial_kwargs={"start_date": END, "retries": 2}),
        task("mapped past", _is_mapped=True, partial_kwargs={"start_date": END, "depends_on_past": True}),
        start_date=START,
        end_date=END + 2,
    )
    found = without(dag, ())["dag"]
    tasks = tasks_of(found)
    assert not {"start_date", "end_date"} & found.keys()
    assert [name for name, one in tasks.items() if "start_date" in one] == ["past"]
    assert not any("end_date" in one for one in tasks.values())
    assert tasks["mapped"]["partial_kwargs"] == {"retries": 2}
    assert tasks["mapped past"]["partial_kwargs"]["start_date"] == END


def test_a_teardown_is_not_tied_to_what_followed_on_an_absent_task_below_it() -> None:
    found = without(dag_of(task("t", "b", is_teardown=True), task("b", "c"), task("c")), {"b"})
    assert tasks_of(found["dag"])["t"]["downstream_task_ids"] == []


@pytest.mark.acceptance("dates", 6)
def test_what_follows_on_a_gate_over_an_absent_task_alone_is_refused_naming_three_tasks() -> None:
    dag = dag_of(task("choose", "old", _can_skip_downstream=True), task("old", "report"), task("report"))
    with pytest.raises(Refused) as refused:
        without(dag, {"old"})
    assert refused.value.facts["tasks"] == ["choose", "old", "report"]
    assert refused.value.message == (
        "Cannot make a build of this Dag: where old has no place, report would follow on choose alone, and "
        "choose decides by its own children what is skipped. Give report the window of old, or let it follow "
        "on choose itself."
    )


def test_what_an_author_may_not_expect_is_told() -> None:
    dag = dag_of(
        task("choose", "old", "new", _can_skip_downstream=True),
        task("old", "join"),
        task("new", "join"),
        task("join"),
        task("setup", "clean", is_setup=True),
        task("clean", is_teardown=True),
    )
    assert warnings(dag, {"old", "setup"}) == (
        "choose may choose old, which has no place at that date: what else follows on choose is skipped then",
        "clean tears down what setup would set up, and runs all the same",
    )
    assert warnings(dag, {"new", "setup", "clean"}) == (
        "choose may choose new, which has no place at that date: what else follows on choose is skipped then",
    )
    assert warnings(dag, ()) == ()


def test_who_takes_the_output_of_an_absent_task_is_told() -> None:
    template = "{{{{ task_instance.xcom_pull(task_ids='{}', dag_id='d', key='return_value') }}}}".format
    fields = ["op_args", "op_kwargs"]
    dag = dag_of(
        task("old", "publish", "each", "gone too"),
        task("new", "publish"),
        task("publish", template_fields=fields, op_args=[template("old"), template("new")], op_kwargs={}),
        task("gone too", template_fields=fields, op_args=[template("old")]),
        task("each", _is_mapped=True, partial_kwargs={"op_kwargs": {"b": output_of("old")}}),
    )
    assert warnings(dag, {"old", "gone too"}) == (
        "each takes what old gives, which has no place at that date: None there",
        "publish takes what old gives, which has no place at that date: None there",
    )
    assert warnings(dag, {"new"}) == (
        "publish takes what new gives, which has no place at that date: None there",
    )
    assert warnings(dag, ()) == ()


@pytest.mark.acceptance("dates", 7)
def test_more_segments_than_a_build_may_have_are_refused_with_their_count() -> None:
    day = 86400.0
    tasks = [task(f"t{number}", start_date=START + number * day) for number in range(25)]
    found = segments(windows(dag_of(*tasks, start_date=START)))
    assert len(found) == 25
    with pytest.raises(Refused, match="divide time into 25 stretches, and 24 are allowed"):
        check_count(found)
    check_count(segments(windows(dag_of(*tasks[:24], start_date=START))))


@pytest.mark.acceptance("dates", 8)
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_dag_whose_tasks_have_no_dates_but_the_dags_own_has_no_windows(wrapped: bool) -> None:
    def moment(seconds: float) -> Any:
        return {"__type": "datetime", "__var": seconds} if wrapped else seconds

    dag = dag_of(
        task("a", start_date=START, end_date=END),
        task("b", start_date=START + 5, end_date=END - 5),
        task("c"),
        start_date=moment(START),
        end_date=moment(END),
        default_args={
            "__type": "dict",
            "__var": {"start_date": moment(START + 5), "end_date": moment(END - 5)},
        },
    )
    found = segments(windows(dag))
    assert len(found) == 1
    assert not has_windows(found)
