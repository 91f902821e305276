"""What the difference between two builds shows."""

from __future__ import annotations

from typing import Any

import pytest

from pinwheel.core.structure.diff import (
    MASK,
    Changed,
    Structure,
    files,
    is_secret,
    masked,
    schedule_of,
    structure,
)


def task(task_id: str, *below: str, **values: Any) -> dict[str, Any]:
    inner = {"task_id": task_id, "task_type": "BashOperator", **values}
    if below:
        inner["downstream_task_ids"] = list(below)
    return {"__var": inner, "__type": "operator"}


def dag(*tasks: dict[str, Any], **values: Any) -> dict[str, Any]:
    return {"__version": 3, "dag": {"dag_id": "d", "fileloc": "/x/d.py", "tasks": list(tasks), **values}}


def cron(expression: str, **more: Any) -> dict[str, Any]:
    return {
        "__type": "airflow.timetables.trigger.CronTriggerTimetable",
        "__var": {
            "expression": expression,
            "timezone": "UTC",
            "interval": 0.0,
            "run_immediately": False,
            **more,
        },
    }


def group(group_id: str | None, **children: Any) -> dict[str, Any]:
    return {"_group_id": group_id, "children": children}


def test_equal_dags_have_no_difference() -> None:
    one = dag(task("a", "b"), task("b"), timetable=cron("@daily"), tags=["x", "y"])
    same = dag(task("b"), task("a", "b"), timetable=cron("@daily"), tags=["y", "x"])
    same["dag"]["fileloc"] = "/elsewhere/d.py"
    assert structure(one, same) == Structure(
        tasks_added=(),
        tasks_removed=(),
        tasks_changed=(),
        edges_added=(),
        edges_removed=(),
        groups_added=(),
        groups_removed=(),
        schedule=None,
        attributes={},
    )


def test_tasks_edges_and_attributes() -> None:
    found = structure(
        dag(task("a", "b", "c"), task("b", retries=1), task("c")),
        dag(task("a", "b"), task("b", "d", retries=3, pool="p"), task("d")),
    )
    assert (found.tasks_added, found.tasks_removed) == (("d",), ("c",))
    assert (found.edges_added, found.edges_removed) == ((("b", "d"),), (("a", "c"),))
    (changed,) = found.tasks_changed
    assert changed.task_id == "b"
    assert changed.attributes == {"pool": Changed(from_=None, to="p"), "retries": Changed(from_=1, to=3)}


def test_the_fixed_arguments_of_a_mapped_task_are_its_attributes() -> None:
    def mapped(retries: int, over: list[int]) -> dict[str, Any]:
        return task(
            "m",
            _is_mapped=True,
            partial_kwargs={"retries": retries, "op_kwargs": {"__var": {}, "__type": "dict"}},
            op_kwargs_expand_input={
                "type": "dict-of-lists",
                "value": {"__var": {"x": over}, "__type": "dict"},
            },
        )

    (changed,) = structure(dag(mapped(1, [1])), dag(mapped(2, [1, 2]))).tasks_changed
    assert changed.attributes["retries"] == Changed(from_=1, to=2)
    assert changed.attributes["op_kwargs_expand_input"].to["value"] == {"x": [1, 2]}


def test_a_task_that_moves_into_a_group() -> None:
    before = dag(task("a"), task_group=group(None, a=["operator", "a"]))
    inner = group("g", a=["operator", "a"])
    found = structure(before, dag(task("a"), task_group=group(None, g=["taskgroup", inner])))
    assert found.groups_added == ("g",)
    (changed,) = found.tasks_changed
    assert (changed.task_id, changed.attributes) == ("a", {"task_group": Changed(from_=None, to="g")})


def test_fields_of_the_dag() -> None:
    def param(default: int) -> dict[str, Any]:
        return {
            "__class": "airflow.sdk.definitions.param.Param",
            "default": default,
            "description": None,
            "schema": {"__var": {"type": "integer"}, "__type": "dict"},
            "source": None,
        }

    found = structure(
        dag(tags=["b", "a"], params=[["x", param(1)]], catchup=False),
        dag(tags=["a", "c"], params=[["x", param(2)]], catchup=True, description="new"),
    ).attributes
    assert found["tags"] == Changed(from_=["a", "b"], to=["a", "c"])
    assert found["catchup"] == Changed(from_=False, to=True)
    assert found["description"] == Changed(from_=None, to="new")
    assert found["params"].to["x"]["default"] == 2


@pytest.mark.parametrize(
    ("timetable", "text"),
    [
        (None, None),
        ({"__type": "airflow.timetables.simple.NullTimetable", "__var": {}}, None),
        (cron("0 5 * * *"), "0 5 * * * (UTC)"),
        (cron("0 5 * * *", run_immediately=True), "0 5 * * * (UTC)(run_immediately=True)"),
        ({"__type": "airflow.timetables.simple.OnceTimetable", "__var": {}}, "OnceTimetable"),
        ({"__type": "own.Shift", "__var": {"hours": 3, "token": "t"}}, "Shift(hours=3, token='***')"),
    ],
)
def test_a_schedule_reads_as_one_text(timetable: Any, text: str | None) -> None:
    assert schedule_of({"timetable": timetable}) == text


def test_a_changed_secret_shows_that_it_changed_but_not_what_it_is() -> None:
    def with_key(value: str) -> dict[str, Any]:
        return dag(default_args={"__var": {"api_key": value, "retries": 1}, "__type": "dict"})

    change = structure(with_key("one"), with_key("two")).attributes["default_args"]
    assert change == Changed(from_={"api_key": MASK, "retries": 1}, to={"api_key": MASK, "retries": 1})


def test_secrets_are_found_at_any_depth_and_in_any_case() -> None:
    value = {"env": [{"DB_PASSWORD": "x", "host": "h"}], "conn": {"private_key": {"a": 1}}, "token": ""}
    assert masked(value) == {
        "env": [{"DB_PASSWORD": MASK, "host": "h"}],
        "conn": {"private_key": MASK},
        "token": "",
    }
    assert is_secret("Authorization") and not is_secret("author")


def test_files_added_removed_and_modified() -> None:
    found = files(
        {"same.py": b"1\n", "gone.sql": b"select 1\n", "d.py": b"a\nb\n"},
        {"same.py": b"1\n", "new.py": b"x", "d.py": b"a\nc\n"},
    )
    assert [(file.path, file.change) for file in found] == [
        ("d.py", "modified"),
        ("gone.sql", "removed"),
        ("new.py", "added"),
    ]
    assert found[0].patch == "--- a/d.py\n+++ b/d.py\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
    assert found[1].patch.startswith("--- a/gone.sql\n+++ /dev/null\n")
    assert found[2].patch.endswith("+x\n\\ No newline at end of file\n")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\0b"])
def test_binary_files_say_so(content: bytes) -> None:
    (found,) = files({"x.bin": b"1"}, {"x.bin": content})
    assert found.patch.startswith("Binary files differ (1 and ")


def test_a_file_whose_content_was_not_kept_says_so() -> None:
    (found,) = files({"big.csv": None}, {"big.csv": b"1"})
    assert (found.change, found.patch) == ("modified", "The content of this file was not kept.\n")
