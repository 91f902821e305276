"""Which policy a Dag is judged by and why, and what a file would mean before it is saved."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest
from attrs import evolve

from harness.in_memory import InMemory
from harness.pushing import File
from harness.taking import take_in
from pinwheel.core.errors import InvalidInput, NotFound
from pinwheel.core.parse.pinwheel_yaml import read
from pinwheel.core.request import Selection
from pinwheel.core.rule_request import FreezeRequest
from pinwheel.core.selector import Selector
from pinwheel.services.policy.explain import Explained, explain
from pinwheel.services.policy.save import save
from pinwheel.services.policy.show import document, documents
from pinwheel.services.policy.trial import Tried, TriedDag, try_out
from pinwheel.services.rollout import freeze
from pinwheel.services.rules import judging
from pinwheel.services.show.plain import plain
from pinwheel.store import dags, policies
from pinwheel.store import tables as t
from pinwheel.store.policies import PolicySource

ALL = "policies: [{name: all, dags: all, steps: [{approve: {}}, release]}]"
MINE = "policies: [{name: mine, dags: {ids: [a]}, steps: [{check: {name: ci}}, release]}]"
LOOSE = "policies: [{name: mine, dags: {ids: [a]}, steps: [release]}]"
RULES = """
rules:
  - {name: year-end, freeze: {reason: audit}, override: [ada]}
  - {name: four-eyes, require: {approve: {count: 2}}, dags: {ids: [a]}}
  - {name: others, forbid: [trials], dags: {ids: [b]}}
"""


def put(world: InMemory, text: str, name: str = "bank") -> None:
    save(world.host, name, text.encode(), actor="ada")


def push(world: InMemory, section: str, version: str) -> None:
    found = read(section.encode())
    assert not found.wrong
    take_in(world.host, "dags", version, files=["a.py"], changed=[], policies=found.policies)


def in_force(world: InMemory, dag_id: str = "a") -> None:
    """The repository's policy of now is in force for the Dag."""

    def work(session: Any) -> None:
        (own,) = [each for each in policies.live(session) if each.source == "repository"]
        dags.change(session, dag_id, policy_id=own.id)

    world.host.unit.run(work)


def of(world: InMemory, dag_id: str = "a") -> Explained:
    return explain(world.host, dag_id)


def tried(world: InMemory, text: str, **more: Any) -> Mapping[str, TriedDag]:
    found: Tried = try_out(world.host, text.encode(), **{"dag_ids": None, "document": "bank", **more})
    return {each.dag_id: each for each in found.dags}


# Explain


@pytest.mark.acceptance("rollouts", 1)
def test_without_a_policy_a_dag_is_released_at_once(world: InMemory) -> None:
    found = of(world)
    assert (found.policy, found.source, found.revision, found.at_once) == ("at-once", "built-in", None, True)
    assert [each.says for each in found.steps] == ["new runs take it"]
    assert (found.rules, found.closed, found.loosened) == ((), (), ())


@pytest.mark.acceptance("rollouts", 2)
def test_the_policy_is_told_with_the_reason_and_the_others_with_theirs(world: InMemory) -> None:
    put(world, ALL)
    push(world, MINE, "v1")
    first = of(world)
    assert (first.policy, bool(first.loosened)) == ("all", True), "it drops the platform's for no commit"
    in_force(world)
    found = of(world)
    assert (found.policy, found.source, found.revision) == ("mine", "repository", 1)
    assert found.why == "it selects the Dag by its id"
    assert [(each.name, each.chosen, each.why) for each in found.considered] == [
        ("mine", True, "it selects the Dag by its id"),
        ("all", False, "mine is of the repository, which is stronger"),
        ("at-once", False, "mine is of the repository, which is stronger"),
    ]


@pytest.mark.acceptance("rollouts", 7)
def test_what_rules_require_comes_before_a_repositorys_steps_whatever_it_says(world: InMemory) -> None:
    put(world, RULES)
    push(world, LOOSE, "v1")
    found = of(world)
    assert found.policy == "mine"
    assert [(each.kind, each.required) for each in found.steps] == [("approve", True), ("release", False)]
    assert found.steps[0].says.startswith("2 persons approve")
    assert [(each.name, each.kind, each.document) for each in found.rules] == [
        ("year-end", "freeze", "bank"),
        ("four-eyes", "require", "bank"),
    ]
    assert not found.at_once


def test_what_is_closed_now_is_told_with_its_end(world: InMemory) -> None:
    put(world, RULES)
    (hold,) = of(world).closed
    assert (hold.kind, hold.until, hold.by) == ("freeze", None, "ada")
    assert hold.reason is not None and "audit" in hold.reason and "year-end" in hold.reason


def test_what_waits_since_it_holds_less_is_told(world: InMemory) -> None:
    push(world, MINE, "v1")
    in_force(world)
    push(world, LOOSE, "v2")
    found = of(world)
    assert (found.policy, found.revision, found.waits) == ("mine", 1, "mine")
    assert found.loosened == ("check ci is gone",)
    assert found.why == "it was in force before, and the newer one holds less"
    push(world, "policies: []", "v3")
    assert (of(world).policy, of(world).waits) == ("mine", "at-once")


@pytest.mark.acceptance("rollouts", 97)
def test_of_other_repositories_nothing_is_told(world: InMemory) -> None:
    world.side.add_bundle("secret", url="https://git/{version}")
    take_in(world.host, "secret", "v1", files=[], changed=[], policies=read(ALL.encode()).policies)
    assert "secret" not in str(plain(of(world)))
    assert of(world).policy == "at-once"


def test_of_an_unknown_dag_nothing_is_explained(world: InMemory) -> None:
    with pytest.raises(NotFound):
        of(world, "nobody")


# Test


def test_a_file_is_tried_without_being_saved(three: InMemory) -> None:
    before = three.everything()
    found = tried(three, MINE)
    assert three.everything() == before
    assert {dag_id: (each.policy, each.changed) for dag_id, each in found.items()} == {
        "a": ("mine", True),
        "b": ("at-once", False),
        "c": ("at-once", False),
    }
    assert found["a"].steps == ("check ci passes", "new runs take it")
    assert found["a"].policy_now == "at-once"


def test_only_the_dags_that_are_asked_for_and_live_are_tried(three: InMemory) -> None:
    three.remove("c")
    assert list(tried(three, MINE)) == ["a", "b"]
    assert list(tried(three, MINE, dag_ids=["b", "c", "nobody"])) == ["b"]


def test_what_a_document_holds_less_than_now_is_told(world: InMemory) -> None:
    put(world, ALL)
    found = tried(world, ALL.replace("{approve: {}}, ", ""))["a"]
    assert (found.changed, found.loosened, found.waits) == (True, ("approve is gone",), False)
    assert tried(world, "", document="other")["a"].changed is False
    assert tried(world, RULES)["a"].closed


def test_a_repositorys_file_is_tried_for_dags_of_its_bundle(world: InMemory) -> None:
    push(world, MINE, "v1")
    in_force(world)
    found = tried(world, LOOSE, bundle="dags")["a"]
    assert (found.policy, found.loosened, found.waits) == ("mine", ("check ci is gone",), True)
    assert found.steps == ("check ci passes", "new runs take it"), "it is judged by what stood before"
    assert (found.changed, tried(world, MINE, bundle="dags")["a"].changed) == (False, False)
    stricter = MINE.replace("release]", "release], newer: queue").replace("{check", "{approve: {}}, {check")
    assert tried(world, stricter.replace(", newer: queue", ""), bundle="dags")["a"].waits is False
    assert tried(world, LOOSE, bundle="another") == {}


@pytest.mark.parametrize("bundle", [None, "dags"])
def test_a_wrong_file_is_told_by_line(world: InMemory, bundle: str | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        tried(world, "policies:\n  - {name: x, dags: all, steps: [{aprove: {}}, release]}", bundle=bundle)
    assert [wrong["line"] for wrong in caught.value.facts["wrong"]] == [2]


def test_names_of_other_documents_are_refused_as_when_it_is_saved(world: InMemory) -> None:
    put(world, ALL)
    with pytest.raises(InvalidInput, match=r"already, of the document bank"):
        tried(world, ALL, document="other")


# Show


def test_documents_and_repositories_are_listed_with_what_they_say(world: InMemory) -> None:
    put(world, RULES + ALL)
    push(world, MINE, "v1")
    found = documents(world.host)
    assert [(each.source, each.name) for each in found.documents] == [
        ("platform", "bank"),
        ("repository", "dags"),
    ]
    bank = found.documents[0]
    assert [rule.name for rule in bank.rules] == ["year-end", "four-eyes", "others"]
    assert bank.rules[0].override == ("ada",)
    assert (bank.policies[0].name, bank.policies[0].revision, bank.changed_by) == ("all", 1, "ada")
    assert [each.name for each in found.told([], problem=False).documents] == ["bank"]
    assert document(world.host, "dags", repository=True).policies[0].bundle_version == "v1"
    with pytest.raises(NotFound, match=r"Cannot find the document dags"):
        document(world.host, "dags")


def test_what_is_shown_as_notation_can_be_saved_again(world: InMemory) -> None:
    import json

    put(world, RULES + ALL)
    notation = plain(document(world.host, "bank"))["notation"]
    rows = world.rows(t.rule), world.rows(t.policy)
    put(world, json.dumps(notation))
    assert (world.rows(t.rule), world.rows(t.policy)) == rows


def test_a_rule_of_a_tag_is_about_dags_as_their_active_builds_are_tagged(empty: InMemory) -> None:
    empty.push(a=File(tags=("finance",)), b=File())
    put(empty, "rules: [{name: x, forbid: [trials], dags: {tags: [finance]}}]")
    assert [len(of(empty, dag_id).rules) for dag_id in ("a", "b")] == [1, 0]


# To somebody who may see some Dags


HIDDEN = """
rules:
  - {name: both, forbid: [trials], dags: {ids: [a, b]}}
  - {name: secret, freeze: {}, dags: {ids: [b], tags: [x]}}
  - {name: wide, forbid: [trials], dags: {ids: [b], globs: ["*"]}}
  - {name: nothing seen, forbid: [trials], dags: {ids: [b], globs: [b*]}}
  - {name: by glob, forbid: [trials], dags: {globs: [b*]}}
policies:
  - {name: theirs, dags: {ids: [b]}, steps: [release]}
  - {name: ours, dags: {ids: [b, a]}, steps: [{approve: {}}, release]}
"""


def only_a(dag_ids: Collection[str]) -> set[str]:
    return {"a"}.intersection(dag_ids)


@pytest.fixture
def two(empty: InMemory) -> InMemory:
    empty.push(a=File(), b=File(tags=("x",)))
    return empty


def test_no_dag_is_named_to_who_may_not_see_it(two: InMemory) -> None:
    put(two, HIDDEN)
    push(two, "policies: [{name: own, dags: {ids: [b]}, steps: [release]}]", "v1")
    (bank,) = documents(two.host, sees=only_a).documents
    assert [(each.name, each.dags) for each in bank.rules] == [
        ("both", "a"),
        ("wide", "*"),
        ("by glob", "b*"),
    ]
    assert [(each.name, each.dags) for each in bank.policies] == [("ours", "a")]
    rules, its_policies = bank.notation["rules"], bank.notation["policies"]
    assert isinstance(rules, list) and isinstance(its_policies, list)
    assert [each["dags"] for each in (*rules, *its_policies) if isinstance(each, dict)] == [
        {"ids": ["a"]},
        {"globs": ["*"]},
        {"globs": ["b*"]},
        {"ids": ["a"]},
    ]
    assert [len(each.rules) for each in documents(two.host).documents] == [5, 0]


def test_what_is_frozen_by_hand_is_told_to_the_same_people_as_freezes_are(two: InMemory) -> None:
    for ids in (("b",), ("a", "b")):
        selection = Selection(selector=Selector(ids=ids))
        freeze.freeze(two.host, FreezeRequest(selection=selection, reason="outage"), actor="ada")
    (told,) = documents(two.host, sees=only_a).by_hand
    assert [told.name] == [each.name for each in freeze.listed(two.host, sees=only_a)]
    assert told.dags == "a"
    assert len(documents(two.host).by_hand) == 2
    assert documents(two.host, sees=lambda _: ()).by_hand == ()


def test_an_explained_dag_names_no_other_that_may_not_be_seen(two: InMemory) -> None:
    put(two, HIDDEN)
    found = explain(two.host, "a", sees=only_a)
    assert [(each.name, each.dags) for each in found.rules] == [("both", "a"), ("wide", "*")]
    assert [each.dags for each in of(two).rules] == ["a, b", "b, *"]


# What a repository costs others


def test_policies_of_a_repository_are_read_for_its_own_dags_only(two: InMemory) -> None:
    put(two, ALL)
    push(two, MINE, "v1")
    two.side.add_bundle("other")
    others = read(LOOSE.replace("mine", "theirs").encode()).policies

    def work(session: Any) -> list[list[str]]:
        now = two.host.unit.now()
        policies.replace(session, PolicySource.REPOSITORY, "other", others, actor="eve", now=now)
        rows = dags.rows(session, ["a"])
        of_a = judging.load(session, rows)
        moved = {"a": evolve(rows["a"], policy_id=of_a.policies[-1].id, bundle_name="other")}
        of_other = judging.load(session, moved)
        assert [each.policy.name for each in of_other.former.values()] == ["mine"]
        return [[each.policy.name for each in found.policies] for found in (of_a, of_other)]

    assert two.host.unit.run(work) == [["all", "mine"], ["all", "theirs"]]
