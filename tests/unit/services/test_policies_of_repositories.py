"""A repository's policies come in with the version that brings them."""

from __future__ import annotations

from typing import Any

import pytest

from harness.in_memory import InMemory
from harness.taking import take_in
from pinwheel.core.parse.pinwheel_yaml import read
from pinwheel.services.rules import judging
from pinwheel.services.show import events
from pinwheel.store import policies
from pinwheel.store.policies import PolicySource, StoredPolicy

GATED = "policies: [{name: gated, dags: all, steps: [{approve: {}}, release]}]"
TWO = "policies: [{name: all, dags: all, steps: [release]}, " + GATED.removeprefix("policies: [")
STRICTER = GATED.replace("{}", "{count: 2}")


def bring(world: InMemory, version: str, section: str | None, author: str | None = "ada") -> None:
    world.airflow.tick(60)
    read_section = None if section is None else read(section.encode()).policies
    take_in(
        world.host,
        "dags",
        version,
        files=[],
        changed=[],
        about={"author": author} if author else {},
        policies=read_section,
    )


def offered(world: InMemory) -> list[StoredPolicy]:
    return list(world.host.unit.run(policies.live))


def shown(world: InMemory) -> list[tuple[str, int, str | None, str]]:
    return [(each.policy.name, each.revision, each.bundle_version, each.actor) for each in offered(world)]


def told(world: InMemory) -> list[Any]:
    return events.events(world.host, kinds=["policy"])[::-1]


def test_policies_come_in_with_the_version_that_brings_them(world: InMemory) -> None:
    bring(world, "v1", GATED)
    assert shown(world) == [("gated", 1, "v1", "ada")]
    assert {(each.source, each.document) for each in offered(world)} == {(PolicySource.REPOSITORY, "dags")}
    bring(world, "v2", GATED)
    assert shown(world) == [("gated", 1, "v1", "ada")], "it says what it said before"
    bring(world, "v3", TWO, author=None)
    assert shown(world) == [("all", 1, "v3", "pinwheel"), ("gated", 1, "v1", "ada")]
    bring(world, "v4", STRICTER)
    assert shown(world) == [("gated", 2, "v4", "ada")]
    bring(world, "v5", "policies: []")
    assert shown(world) == []


def test_each_change_is_an_event_that_names_what_changed_and_the_version(world: InMemory) -> None:
    lines = len(world.airflow.tables.audit)
    for version, section in [("v1", GATED), ("v2", GATED), ("v3", TWO), ("v4", STRICTER)]:
        bring(world, version, section)
    found = [(each.bundle, each.actor, each.bundle_version, each.policies) for each in told(world)]
    assert found == [
        ("dags", "ada", "v1", ["gated"]),
        ("dags", "ada", "v3", ["all"]),
        ("dags", "ada", "v4", ["all", "gated"]),
    ]
    assert len(world.airflow.tables.audit) - lines == 3


def test_a_version_whose_file_is_wrong_leaves_those_of_before(world: InMemory) -> None:
    bring(world, "v1", GATED)
    bring(world, "v2", None)
    assert shown(world) == [("gated", 1, "v1", "ada")]


def test_a_version_whose_policies_say_the_same_looks_at_no_dag_for_them(
    world: InMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    monkeypatch.setattr(judging, "come_into_force", lambda host, session, name: looked.append(name))
    bring(world, "v1", GATED)
    bring(world, "v2", GATED)
    assert looked == ["dags"]
