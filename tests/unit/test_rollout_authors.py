"""Who had a part in what rolls out: every author in between, and nobody's word that there was none."""

from __future__ import annotations

from typing import Any

import pytest

from harness.rollouts import LATER, NOW, rollout, verdict
from pinwheel.core.rollout.authors import SOMEBODY, People, authors_of, goes_by, is_user, unknown
from pinwheel.core.rollout.gate import Answer, GateFacts, approvers, needed_approvals, why_not_approve
from pinwheel.core.rollout.state import Contributor
from pinwheel.core.rollout.steps import Approve, Party

ALICE, BOB, BOT = "Alice <Alice@corp.com>", "Bob <bob@corp.com>", "GitHub <noreply@github.com>"
PEOPLE = People(
    users={"alice@corp.com": "alice", "bob@corp.com": "bob"}, not_persons=frozenset({"noreply@github.com"})
)
GATE = Approve(excludes=frozenset({Party.AUTHOR, Party.COMMITTER, Party.PROMOTER}))


def commit(*paths: str, author: str = ALICE, committer: str | None = None) -> dict[str, Any]:
    people = [["author", author], ["committer", committer or author]]
    return {"people": people, "paths": list(paths)}


def found(*versions: Any, inputs: tuple[str, ...] = ("a.py",), people: People = PEOPLE) -> Any:
    return authors_of(versions, inputs, people)


def parties(authors: tuple[Contributor, ...]) -> set[tuple[str, str | None]]:
    return {(each.party.value, each.user) for each in authors}


def test_all_who_changed_an_input_in_any_version_in_between_are_authors() -> None:
    made = found(
        [commit("a.py"), commit("z.py", author="Zoe <z@corp.com>")], [commit("a.py", author=BOB)], []
    )
    assert parties(made) == {
        ("author", "alice"),
        ("committer", "alice"),
        ("author", "bob"),
        ("committer", "bob"),
    }
    assert found([commit("z.py")]) == found([]) == found() == ()


def test_each_part_is_told_once_and_in_an_order_of_its_own() -> None:
    one, other = commit("a.py"), commit("a.py", author=BOB, committer=ALICE)
    made = found([one, other], [one])
    assert made == found([other], [one])
    assert len(made) == 3


@pytest.mark.acceptance("rollouts", 87)
def test_who_changed_it_before_a_typo_of_another_can_not_approve() -> None:
    made = found([commit("a.py")], [commit("a.py", author=BOB)])
    held = rollout(2, GATE, authors=made)
    said = [why_not_approve(GATE, held, user, GateFacts()) for user in ("alice", "bob", "carol")]
    assert said == ["alice wrote a part of it", "bob wrote a part of it", None]


@pytest.mark.acceptance("rollouts", 88)
def test_an_author_who_is_no_user_costs_one_more_approval() -> None:
    stranger = commit("a.py", author="Sue <sue@else.where>")
    made = found([stranger, commit("a.py", author="Sue S. <SUE@else.where>")])
    assert {each.user for each in made} == {None} and len(unknown(made)) == 1
    held = rollout(2, GATE, authors=made)
    assert needed_approvals(GATE, held, GateFacts()) == GATE.count + 1
    assert needed_approvals(GATE, held, GateFacts(unknown_author_allowed=True)) == GATE.count
    assert len(unknown(found([stranger, commit("a.py", author="Tom <tom@else.where>")]))) == 2


def test_a_folder_that_is_an_input_is_changed_with_what_is_in_it() -> None:
    for path, counts in (("sql/x/y.sql", True), ("sql", False), ("sqlx/y", False)):
        assert bool(found([commit(path)], inputs=("sql/",))) is counts, path


def test_a_code_hosts_account_is_no_author() -> None:
    made = found([commit("a.py", committer=BOT)])
    assert parties(made) == {("author", "alice")}
    assert found([commit("a.py", author=BOT)]) == ()
    for said in ("github", "github <noreply@github.com>"):
        assert found([commit("a.py", author=BOT)], people=People(not_persons=frozenset({said}))) == ()


def test_of_a_version_that_is_not_known_somebody_unknown_may_be_an_author() -> None:
    assert found(None) is None
    assert found(None, [commit("z.py")]) is None
    made = found(None, [commit("z.py"), commit("a.py")])
    assert made == found([commit("a.py")], None)
    assert {each.name for each in made} == {ALICE, SOMEBODY} and len(unknown(made)) == 1
    assert {each.party for each in made if each.name == SOMEBODY} == {Party.AUTHOR, Party.COMMITTER}


def test_what_nobody_known_took_back_counts_where_it_is_an_input() -> None:
    taken_back = {"people": [], "paths": ["a.py"]}
    assert found([taken_back]) is None
    assert found([taken_back], inputs=("b.py",)) == ()
    assert len(unknown(found([taken_back, commit("a.py")]))) == 1


def test_the_address_says_who_it_is_before_the_name_does() -> None:
    people = People(users={"bob": "bob", "alice@corp.com": "alice"})
    assert people.user("Bob <alice@corp.com>") == "alice"
    assert people.user("Bob <bob@else.where>") == "bob"
    assert people.user("Eve <eve@else.where>") is None


@pytest.mark.parametrize(
    "person, names",
    [
        (ALICE, ("alice@corp.com", "alice")),
        ("Alice", ("alice",)),
        ("<a@b>", ("a@b",)),
        (" Al <ice> <a@b> ", ("a@b", "al <ice>")),
        ("Al <a@b", ("a@b", "al")),
        (" <> ", ()),
        ("", ()),
    ],
)
def test_a_person_goes_by_an_address_and_a_name(person: str, names: tuple[str, ...]) -> None:
    assert goes_by(person) == names


@pytest.mark.acceptance("rollouts", 21)
@pytest.mark.parametrize("user", ["alice@corp.com", "alice", "ALICE"])
def test_who_was_not_found_can_not_approve_under_the_name_that_the_commits_have(user: str) -> None:
    made = found([commit("a.py")], people=People())
    held = rollout(2, GATE, authors=made)
    asked = GateFacts(
        verdicts=(verdict(Answer.PASSED, actor=user, at=NOW, rollout=held.id, step=0, attempt=1),)
    )
    assert why_not_approve(GATE, held, user, asked) == f"{user} wrote a part of it"
    assert approvers(GATE, held, asked, LATER) == frozenset()
    assert why_not_approve(GATE, held, "carol", asked) is None


def test_who_was_found_is_that_user_and_no_other() -> None:
    author = Contributor(party=Party.AUTHOR, name=ALICE, user="al")
    assert is_user(author, "AL") and not is_user(author, "alice")


def test_persons_of_whom_nothing_is_said_are_still_persons() -> None:
    nobody = found([commit("a.py", author="<>")])
    assert len(unknown(nobody)) == 1 and not any(is_user(each, "") for each in nobody)
