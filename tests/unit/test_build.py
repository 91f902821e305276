"""Digests: what makes two builds one."""

from __future__ import annotations

from pinwheel.core.build import BuildContent, label_of
from pinwheel.core.digest import digest_of, normalized, varying_attributes, with_bundle_path, with_placeholder

SERIALIZED = {
    "__version": 3,
    "dag": {
        "dag_id": "sales",
        "fileloc": "/bundles/v1/sales.py",
        "_processor_dags_folder": "/dags",
        "tags": ["b", "a"],
        "tasks": [
            {"__type": "operator", "__var": {"task_id": "b", "bash_command": "/bundles/v1/run.sh"}},
            {"__type": "operator", "__var": {"task_id": "a", "op_args": ["z", "y"]}},
        ],
    },
}


def content(serialized=SERIALIZED, **changes) -> BuildContent:
    values = {
        "dag_id": "sales",
        "bundle_name": "dags",
        "bundle_version": "v1",
        "relative_fileloc": "sales.py",
        "serialized": with_placeholder(serialized, "/bundles/v1"),
        "inputs_digest": "i1",
        **changes,
    }
    return BuildContent(**values)


def changed(path: str, value) -> dict:
    import copy

    data = copy.deepcopy(SERIALIZED)
    data["dag"][path] = value
    return data


def test_the_same_content_in_another_commit_and_directory_is_the_same_build() -> None:
    import json

    moved = json.loads(json.dumps(SERIALIZED).replace("/bundles/v1", "/elsewhere/v2"))
    again = content(with_placeholder(moved, "/elsewhere/v2"), bundle_version="v2")
    assert again.digest == content().digest


def test_a_changed_body_is_another_build_though_the_serialized_dag_is_the_same() -> None:
    other = content(inputs_digest="i2")
    assert other.serialized_digest == content().serialized_digest
    assert other.digest != content().digest


def test_another_label_is_another_build() -> None:
    assert content(label="2.0").digest != content(label="1.0").digest


def test_the_order_of_tags_and_tasks_does_not_count() -> None:
    shuffled = changed("tags", ["a", "b"])
    shuffled["dag"]["tasks"] = SERIALIZED["dag"]["tasks"][::-1]
    assert content(shuffled).digest == content().digest


def test_the_order_of_arguments_counts() -> None:
    data = changed(
        "tasks",
        [
            SERIALIZED["dag"]["tasks"][0],
            {"__type": "operator", "__var": {"task_id": "a", "op_args": ["y", "z"]}},
        ],
    )
    assert content(data).digest != content().digest


def test_where_a_dag_lies_on_one_machine_is_not_part_of_it() -> None:
    assert "fileloc" not in normalized(SERIALIZED)["dag"]
    assert content(changed("_processor_dags_folder", "/other")).digest == content().digest


def test_paths_come_back_as_they_were() -> None:
    assert with_bundle_path(with_placeholder(SERIALIZED, "/bundles/v1"), "/bundles/v1") == SERIALIZED
    assert "/bundles/v1" not in str(with_placeholder(SERIALIZED, "/bundles/v1"))


def test_the_label_is_the_authors_version_tag() -> None:
    assert label_of({"version:2.4.1", "team:x"}) == "2.4.1"
    assert label_of(["team:x"]) is None
    assert label_of(None) is None
    assert label_of(["version:"]) is None


def test_the_attribute_that_varies_is_named() -> None:
    assert varying_attributes(SERIALIZED, changed("start_date", 5.0)) == ("start_date",)
    one = changed("tasks", [{"__var": {"task_id": "a", "env": {"now": 1}}}])
    other = changed("tasks", [{"__var": {"task_id": "a", "env": {"now": 2}}}])
    assert varying_attributes(one, other) == ("tasks[a].env.now",)


def test_a_digest_does_not_depend_on_key_order() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1})


def test_the_name_of_a_dag_files_module_says_nothing_of_its_place() -> None:
    one, other = (
        changed("tasks", [{"__type": "operator", "__var": {"task_id": "a", "_task_module": module}}])
        for module in (f"unusual_prefix_{letter * 40}_sales" for letter in "ab")
    )
    assert content(one).digest == content(other).digest
    assert varying_attributes(one, other) == ()


def test_template_fields_that_come_from_a_set_are_the_same_in_any_order() -> None:
    one, other = (
        changed("tasks", [{"__type": "operator", "__var": {"task_id": "a", "template_fields": fields}}])
        for fields in (["x", "y"], ["y", "x"])
    )
    assert content(one).digest == content(other).digest


def test_what_an_object_holds_and_the_files_that_decide_are_the_content_and_other_files_are_not() -> None:
    base = content(content_digest="c1", used_digest="u1", objects_digest="o1")
    assert content(content_digest="c1", used_digest="u2", objects_digest="o1", inputs_digest="i2").digest == (
        base.digest
    )
    assert content(content_digest="c2", used_digest="u1", objects_digest="o1").digest != base.digest
    assert content(content_digest="c1", used_digest="u1", objects_digest="o2").digest != base.digest


def test_the_former_digest_is_that_of_a_pinwheel_that_did_not_look_into_objects() -> None:
    now = content(content_digest="c1", used_digest="u1", objects_digest="o1")
    assert now.former_digest == content(content_digest="u1").digest != now.digest
