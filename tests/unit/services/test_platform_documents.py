"""Documents of the platform: rules and policies are saved together, and only what changed changes."""

from __future__ import annotations

from typing import Any

import pytest

from harness.in_memory import InMemory
from harness.rollouts import rollout
from pinwheel.core.errors import InvalidInput, Refused
from pinwheel.core.rule_request import DocumentRequest
from pinwheel.services.policy.save import FILE, Saved, save
from pinwheel.services.show import events
from pinwheel.store import policies, rollouts, rules
from pinwheel.store import tables as t

BANK = """
rules:
  - {name: office, allow: {days: mon-thu, hours: "09:00-16:00", zone: UTC}, dags: {tags: [finance]}}
  - {name: four-eyes, require: {approve: {count: 1}}, dags: {tags: [sox]}}
policies:
  - {name: finance, dags: {tags: [finance]}, locked: true, steps: [{approve: {count: 2}}, release]}
"""


def put(world: InMemory, text: str, document: str = "bank", **more: Any) -> Saved:
    world.airflow.tick(60)
    return save(world.host, document, text.encode(), **{"actor": "ada", "reason": "why not", **more})


def live(world: InMemory) -> list[tuple[int, str, str | None]]:
    return [(each.id, each.rule.name, each.document) for each in world.host.unit.run(rules.live)]


def revisions(world: InMemory) -> dict[str, int]:
    return {each.policy.name: each.revision for each in world.host.unit.run(policies.live)}


def told(world: InMemory) -> list[Any]:
    return events.events(world.host, kinds=["policy"])[::-1]


def test_a_document_puts_its_rules_and_policies_in_force(world: InMemory) -> None:
    saved = put(world, BANK)
    assert saved.changed
    assert [(each.name, each.what, each.dags) for each in (*saved.rules, *saved.policies)] == [
        ("office", "added", "Dags tagged finance"),
        ("four-eyes", "added", "Dags tagged sox"),
        ("finance", "added", "Dags tagged finance"),
    ]
    assert [name for _, name, _ in live(world)] == ["office", "four-eyes"]
    assert revisions(world) == {"finance": 1}
    (event,) = told(world)
    assert (event.actor, event.reason, event.document, event.bundle) == ("ada", "why not", "bank", None)
    assert (event.policies, event.rules_added, event.rules_lifted) == (
        ["finance"],
        ["office", "four-eyes"],
        [],
    )
    assert world.airflow.tables.audit[-1].event == "pinwheel_policy"


def test_saved_again_it_changes_nothing(world: InMemory) -> None:
    put(world, BANK)
    before = world.everything()
    saved = put(world, "# the same\n" + BANK)
    assert (saved.changed, saved.rules, saved.policies) == (False, (), ())
    assert world.everything()[0] | {"pinwheel_lease": None} == before[0] | {"pinwheel_lease": None}


def test_what_stays_equal_keeps_its_row_and_what_changed_is_lifted_and_added(world: InMemory) -> None:
    put(world, BANK)
    (office, *_), (eyes, *_) = live(world)
    saved = put(
        world,
        BANK.replace("09:00-16:00", "09:00-12:00").replace("count: 2", "count: 1"),
        reason="shorter",
    )
    assert [(each.name, each.what, each.says) for each in saved.rules] == [
        ("office", "changed", ("open mon-thu 09:00-12:00 (UTC) only",))
    ]
    (policy,) = saved.policies
    assert (policy.what, policy.loosened) == ("changed", ("count of approve is 1, and was 2",))
    assert [name for _, name, _ in live(world)] == ["office", "four-eyes"], "in the order of the document"
    ids = {name: rule_id for rule_id, name, _ in live(world)}
    assert ids["four-eyes"] == eyes and ids["office"] != office
    gone = world.host.unit.run(lambda s: rules.one(s, office))
    assert gone is not None
    assert (gone.lifted_by, gone.lifted_reason) == ("ada", "shorter")
    assert revisions(world) == {"finance": 2}


def test_another_order_of_rules_is_kept_without_new_rows(world: InMemory) -> None:
    put(world, BANK)
    before = {name: rule_id for rule_id, name, _ in live(world)}
    head, office, eyes, *rest = BANK.strip().splitlines()
    put(world, "\n".join([head, eyes, office, *rest]))
    assert [name for _, name, _ in live(world)] == ["four-eyes", "office"]
    assert {name: rule_id for rule_id, name, _ in live(world)} == before


def test_an_empty_text_takes_a_document_away(world: InMemory) -> None:
    put(world, BANK)
    saved = put(world, "")
    assert [each.what for each in (*saved.rules, *saved.policies)] == ["removed"] * 3
    assert (live(world), revisions(world)) == ([], {})
    assert told(world)[-1].rules_lifted == ["office", "four-eyes"]


def test_a_plan_says_the_same_and_writes_nothing(world: InMemory) -> None:
    before = world.everything()
    planned = put(world, BANK, plan=True)
    assert world.everything() == before
    assert put(world, BANK) == planned


@pytest.mark.acceptance("rollouts", 5)
def test_what_is_wrong_is_refused_naming_each_line_and_nothing_of_it_is_taken(world: InMemory) -> None:
    put(world, BANK)
    before = world.everything()
    text = BANK.replace("zone: UTC", "zone: Europe/Berlni").replace("approve: {count: 1}", "aprove: {}")
    with pytest.raises(InvalidInput) as caught:
        put(world, text)
    assert [wrong["line"] for wrong in caught.value.facts["wrong"]] == [3, 4]
    assert "line 3: " in caught.value.message and "'Europe/Berlin', if that is meant" in caught.value.message
    assert caught.value.message.startswith("Cannot use the document bank: line 3: ")
    assert ".." not in caught.value.message and len(caught.value.message.splitlines()) == 2
    assert world.everything()[0] == before[0]


def test_a_name_is_its_own_over_all_documents(world: InMemory) -> None:
    put(world, BANK)
    with pytest.raises(InvalidInput) as caught:
        put(world, BANK, "other")
    assert [(wrong["line"], wrong["found"]) for wrong in caught.value.facts["wrong"]] == [
        (3, "there is a rule 'office' already, of the document bank"),
        (4, "there is a rule 'four-eyes' already, of the document bank"),
        (6, "there is a policy 'finance' already, of the document bank"),
    ]
    put(
        world,
        BANK.replace("office", "o").replace("four-eyes", "f").replace("name: finance", "name: g"),
        "other",
    )
    assert len(live(world)) == 4


def test_the_document_of_the_configured_file_is_nobody_elses(world: InMemory) -> None:
    with pytest.raises(Refused, match=r"it is what the file says"):
        put(world, BANK, FILE)
    assert put(world, BANK, FILE, of_file=True).changed


@pytest.mark.parametrize("name", ["", " ", ".", "..", "x" * 251, "a\nb", "a\0b", "a/b"])
def test_a_name_that_can_not_be_shown_or_asked_for_is_no_name(name: str) -> None:
    with pytest.raises(InvalidInput, match=r"printable"):
        DocumentRequest(document=name, text="")


def test_a_new_rule_wakes_what_is_on_its_way_and_a_policy_does_not(world: InMemory) -> None:
    def woken() -> list[Any]:
        return [row.next_at for row in world.rows(t.rollout)]

    world.host.unit.run(lambda s: rollouts.add(s, rollout(dag_id="a"), next_at=None))
    put(world, "policies: [{name: p, dags: all, steps: [{approve: {}}, release]}]")
    assert woken() == [None]
    put(world, "rules: [{name: frozen, freeze: {reason: audit}}]", "freezes")
    assert woken() == [world.airflow.now]
