"""Gates: passed, failed, inconclusive and error are four things, and no data is none of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from harness.rollouts import APPROVE, BUNDLE, CHECK, HOUR, LATER, MINUTE, NOW, place, rollout, verdict
from pinwheel.core.rollout.authors import SOMEBODY
from pinwheel.core.rollout.gate import (
    Answer,
    Error,
    Failed,
    GateFacts,
    Inconclusive,
    Judgement,
    OfDigest,
    OfVersion,
    Passed,
    Verdict,
    Waits,
    approvers,
    judge,
    last_verdict,
    needed_approvals,
    why_more_approvals,
    why_not_approve,
)
from pinwheel.core.rollout.state import Cause, Contributor, Rollout, paused, resumed
from pinwheel.core.rollout.steps import Approve, Check, Gate, Of, OnTimeout, Party, Wait

CHECKED = rollout(2, CHECK)
KINDS: dict[Answer, type] = {
    Answer.PASSED: Passed,
    Answer.FAILED: Failed,
    Answer.INCONCLUSIVE: Inconclusive,
    Answer.ERROR: Error,
}
ALL_OF_2 = {
    "place": place(2),
    "version": OfVersion(bundle=BUNDLE, version="c2"),
    "digest": OfDigest(digest="d2"),
}


def facts(*verdicts: Verdict, **values: Any) -> GateFacts:
    made: dict[str, Any] = {"verdicts": verdicts, "bundle": BUNDLE, "digests": frozenset({"d2", "old d2"})}
    return GateFacts(**made | values)


def judged(gate: Gate, *verdicts: Verdict, at: datetime = LATER, of: Rollout | None = None) -> Judgement:
    return judge(gate, of or rollout(2, gate), facts(*verdicts), at)


@pytest.mark.parametrize("answer", KINDS)
@pytest.mark.parametrize("subject", ALL_OF_2)
def test_a_check_has_four_answers_and_each_is_another_thing(answer: Answer, subject: str) -> None:
    found = judged(CHECK, verdict(answer, ALL_OF_2[subject], reason="because"))
    assert type(found) is KINDS[answer]
    assert "check ci" in found.said
    assert "bot at 2026-01-05 10:00 UTC: because" in found.said
    if isinstance(found, Inconclusive):
        assert (found.cause, found.ends) == (Cause.INCONCLUSIVE, False)
    if isinstance(found, Error):
        assert found.cause is Cause.ERROR


@pytest.mark.acceptance("rollouts", 14)
def test_an_error_is_not_a_failure() -> None:
    assert isinstance(judged(CHECK, verdict(Answer.ERROR)), Error)
    assert isinstance(judged(CHECK, verdict(Answer.FAILED)), Failed)


@pytest.mark.acceptance("rollouts", 15)
@pytest.mark.parametrize("gate", [APPROVE, CHECK, Check(name="ci", of=Of.VERSION), Wait(idle=True)])
def test_no_data_is_not_a_pass(gate: Gate) -> None:
    assert isinstance(judged(gate), Waits)


@pytest.mark.acceptance("rollouts", 11)
def test_a_verdict_that_came_before_the_rollout_began_counts() -> None:
    assert isinstance(judged(CHECK, verdict(Answer.PASSED, at=NOW - HOUR)), Passed)
    assert isinstance(judged(CHECK, verdict(Answer.FAILED, at=NOW - HOUR)), Failed)


@pytest.mark.acceptance("rollouts", 12)
@pytest.mark.parametrize("digest", ["d2", "old d2"])
def test_a_verdict_on_a_digest_counts_for_the_same_build_from_another_commit(digest: str) -> None:
    elsewhere = evolve(CHECKED, place=place(2, "c9"))
    assert isinstance(judged(CHECK, verdict(Answer.PASSED, OfDigest(digest=digest)), of=elsewhere), Passed)
    assert isinstance(judged(CHECK, verdict(Answer.PASSED, place(2)), of=elsewhere), Waits)
    assert isinstance(judged(CHECK, verdict(Answer.PASSED, ALL_OF_2["version"]), of=elsewhere), Waits)


@pytest.mark.acceptance("rollouts", 13)
@given(
    answer=st.sampled_from(list(KINDS)),
    subject=st.sampled_from(
        [
            *(place(build, version) for build in (1, 3) for version in ("c1", "c2", "c3")),
            *(OfDigest(digest=digest) for digest in ("", "d1", "d3", "D2", "d2 ")),
            *(OfVersion(bundle=BUNDLE, version=version) for version in ("c1", "c3")),
            OfVersion(bundle="other", version="c2"),
            place(2, "c3"),
        ]
    ),
    of=st.sampled_from(list(Of)),
)
def test_a_check_of_another_build_never_counts(answer: Answer, subject: Any, of: Of) -> None:
    assert isinstance(judged(Check(name="ci", of=of), verdict(answer, subject)), Waits)


def test_a_check_of_the_version_takes_no_other_verdict() -> None:
    check = Check(name="ci", of=Of.VERSION)
    assert isinstance(judged(check, verdict(Answer.PASSED, ALL_OF_2["version"])), Passed)
    assert isinstance(judged(check, verdict(Answer.PASSED, ALL_OF_2["place"])), Waits)
    assert isinstance(judged(check, verdict(Answer.PASSED, ALL_OF_2["digest"])), Waits)


def test_a_check_by_another_name_says_nothing() -> None:
    assert isinstance(judged(CHECK, verdict(Answer.PASSED, name="cd")), Waits)


def test_the_newest_verdict_counts_whatever_it_is_about_and_in_whatever_order_they_are_read() -> None:
    passed = verdict(Answer.PASSED, ALL_OF_2["digest"], at=NOW)
    failed = verdict(Answer.FAILED, ALL_OF_2["version"], at=NOW + MINUTE)
    assert isinstance(judged(CHECK, passed, failed), Failed)
    assert isinstance(judged(CHECK, failed, passed), Failed)
    same_instant = evolve(passed, at=failed.at)
    assert isinstance(judged(CHECK, failed, same_instant), Passed)
    assert isinstance(judged(CHECK, same_instant, failed), Failed)


def test_a_verdict_that_has_expired_is_no_data_and_brings_none_before_it_back() -> None:
    passed = verdict(Answer.PASSED, at=NOW)
    expired = verdict(Answer.FAILED, at=NOW + MINUTE, expires_at=LATER)
    assert isinstance(judged(CHECK, passed, expired), Waits)
    assert isinstance(judged(CHECK, passed, evolve(expired, expires_at=LATER + MINUTE)), Failed)


def test_a_verdict_of_the_future_does_not_count_yet() -> None:
    assert last_verdict(CHECK, place(2), facts(verdict(Answer.PASSED, at=LATER + MINUTE)), LATER) is None
    assert last_verdict(CHECK, place(2), facts(verdict(Answer.PASSED, at=LATER)), LATER) is not None


def test_what_a_person_said_at_a_step_is_no_verdict_of_a_check() -> None:
    skipped = verdict(Answer.PASSED, rollout=2, step=0, attempt=1)
    assert isinstance(judged(CHECK, skipped), Waits)


def test_a_check_without_an_answer_times_out_and_pauses_or_ends_as_its_plan_says() -> None:
    check = Check(name="ci", timeout=HOUR)
    assert judged(check, at=LATER - MINUTE) == Waits(said="check ci", until=LATER)
    assert judged(check) == Inconclusive(cause=Cause.TIMEOUT, said="check ci has not answered in time")
    ends = judged(evolve(check, on_timeout=OnTimeout.ABORT))
    assert isinstance(ends, Inconclusive)
    assert ends.ends
    assert judged(CHECK, at=NOW + 1000 * HOUR) == Waits(said="check ci", until=None)


def test_an_answer_that_came_counts_although_nobody_looked_in_time() -> None:
    check = Check(name="ci", timeout=HOUR, on_timeout=OnTimeout.ABORT)
    assert isinstance(judged(check, verdict(Answer.PASSED), at=LATER + HOUR), Passed)
    assert isinstance(judged(check, verdict(Answer.FAILED), at=LATER + HOUR), Failed)


@pytest.mark.acceptance("rollouts", 61)
@pytest.mark.parametrize("answer", [Answer.FAILED, Answer.ERROR, Answer.INCONCLUSIVE])
def test_what_paused_a_check_is_set_aside_and_only_a_newer_answer_counts(answer: Answer) -> None:
    """It neither passes by itself, by a pass from before it either, nor pauses again."""
    before, said = verdict(Answer.PASSED, at=NOW), verdict(answer, at=NOW + MINUTE)
    again = resumed(paused(CHECKED, Cause.ERROR, "no answer", NOW), LATER)
    assert isinstance(judged(CHECK, before, said, of=again), Waits)
    assert isinstance(judged(CHECK, before, evolve(said, at=LATER), of=again), Waits)
    at = LATER + MINUTE
    assert type(judged(CHECK, before, said, verdict(answer, at=at), at=at, of=again)) is KINDS[answer]
    assert isinstance(judged(CHECK, said, verdict(Answer.PASSED, at=at), at=at, of=again), Passed)


def test_a_pass_that_came_during_the_pause_counts_after_it() -> None:
    again = resumed(paused(CHECKED, Cause.ERROR, "no answer", NOW), LATER)
    assert isinstance(judged(CHECK, verdict(Answer.PASSED, at=LATER - MINUTE), of=again), Passed)


def test_after_a_persons_pause_no_verdict_is_set_aside() -> None:
    again = resumed(paused(CHECKED, Cause.PERSON, "lunch", NOW, by="ada"), LATER)
    assert isinstance(judged(CHECK, verdict(Answer.FAILED), of=again), Failed)


def test_the_times_of_a_step_count_anew_after_a_pause() -> None:
    timed = rollout(2, Check(name="ci", timeout=HOUR))
    again = resumed(paused(timed, Cause.TIMEOUT, "too late", NOW), LATER)
    assert judged(Check(name="ci", timeout=HOUR), of=again) == Waits(said="check ci", until=LATER + HOUR)


def test_a_wait_is_over_after_its_time_or_at_its_instant() -> None:
    for gate in (Wait(span=HOUR), Wait(until=LATER)):
        waits = judged(gate, at=LATER - MINUTE)
        assert isinstance(waits, Waits)
        assert waits.until == LATER
        assert isinstance(judged(gate, at=LATER), Passed)
    assert judged(Wait(span=HOUR)) == Passed(said="1:00:00 since 2026-01-05 09:00 UTC is over")
    assert judged(Wait(until=LATER)) == Passed(said="2026-01-05 10:00 UTC is over")


@pytest.mark.parametrize("idle", [None, False, True])
def test_a_wait_for_an_idle_dag_has_patience_and_passes_only_when_somebody_looked(idle: bool | None) -> None:
    gate = Wait(idle=True, patience=HOUR)
    before, over = (judge(gate, rollout(2, gate), facts(idle=idle), at) for at in (LATER - MINUTE, LATER))
    if idle:
        assert isinstance(before, Passed)
        assert isinstance(over, Passed)
    else:
        assert before == Waits(said="no active run of the Dag", until=LATER)
        assert isinstance(over, Inconclusive)
        assert (over.cause, over.ends) == (Cause.TIMEOUT, False)
        assert over.said == "the Dag was not seen without an active run for 1:00:00"


def said_by(who: str, answer: Answer = Answer.PASSED, **values: Any) -> Verdict:
    return verdict(answer, name="approve", actor=who, **{"rollout": 2, "step": 0, "attempt": 1} | values)


def by(party: str, name: str, user: str | None) -> Contributor:
    return Contributor(party=Party(party), name=name, user=user)


WRITTEN = evolve(
    rollout(2, APPROVE),
    authors=(by("author", "alice@x.org", "alice"), by("committer", "bob@x.org", "bob")),
    promoters=frozenset({"carol"}),
)


@pytest.mark.parametrize("who", ["alice", "bob", "carol"])
def test_authors_committers_and_promoters_can_not_approve(who: str) -> None:
    assert isinstance(judged(APPROVE, said_by(who), of=WRITTEN), Waits)
    assert judged(APPROVE, said_by("dora"), of=WRITTEN) == Passed(said="approved by dora")
    why = {
        "alice": "alice wrote a part of it",
        "bob": "bob committed a part of it",
        "carol": "carol promoted it",
    }
    assert why_not_approve(APPROVE, WRITTEN, who, facts()) == why[who]
    assert why_not_approve(APPROVE, WRITTEN, "dora", facts()) is None


@pytest.mark.parametrize("party", list(Party))
def test_a_gate_that_excludes_one_party_lets_the_others_approve(party: Party) -> None:
    gate = Approve(excludes=frozenset({party}))
    approving = {"author": "alice", "committer": "bob", "promoter": "carol"}
    for each, who in approving.items():
        assert isinstance(judged(gate, said_by(who), of=WRITTEN), Waits) == (each == party.value)


def test_two_approvals_are_two_persons() -> None:
    gate = Approve(count=2)
    twice = judged(gate, said_by("dora"), said_by("dora", at=LATER), of=WRITTEN)
    assert isinstance(twice, Waits)
    assert twice.said == "1 approval, not of its author, committer or promoter"
    assert judged(gate, said_by("dora"), said_by("emil"), of=WRITTEN) == Passed(said="approved by dora, emil")


def test_the_author_of_any_commit_in_between_can_not_approve() -> None:
    typo_on_top = evolve(WRITTEN, authors=(by("author", "alice@x.org", "alice"), by("author", "bob", "bob")))
    assert isinstance(judged(APPROVE, said_by("alice"), of=typo_on_top), Waits)


def test_an_author_whom_nobody_knows_costs_one_more_approval_and_only_a_rule_allows_less() -> None:
    unknown = evolve(WRITTEN, authors=(by("author", "mallory", None), by("committer", "mallory", None)))
    assert isinstance(judged(APPROVE, said_by("dora"), of=unknown), Waits)
    assert isinstance(judged(APPROVE, said_by("dora"), said_by("emil"), of=unknown), Passed)
    known = facts(said_by("dora"), unknown_author_allowed=True)
    assert isinstance(judge(APPROVE, unknown, known, LATER), Passed)


@pytest.mark.parametrize(
    ("authors", "why"),
    [
        ((by("author", "alice", "alice"),), None),
        (None, "nobody knows who wrote it: one more approval"),
        (
            (by("author", "Tom", None), by("committer", "tom", None)),
            "nobody knows who is Tom: one more approval",
        ),
        (
            (by("author", "Tom", None), by("author", "Eve", None)),
            "nobody knows who is Tom, Eve: one more approval each",
        ),
        ((by("author", SOMEBODY, None),), "nobody knows who wrote a part of it: one more approval"),
        (
            (by("author", "Tom", None), by("author", SOMEBODY, None)),
            "nobody knows who is Tom and who wrote a part of it: one more approval each",
        ),
    ],
)
def test_why_more_approvals_are_needed_is_said(authors: Any, why: str | None) -> None:
    written = evolve(WRITTEN, authors=authors)
    assert why_more_approvals(APPROVE, written, facts()) == why
    assert why_more_approvals(APPROVE, written, facts(unknown_author_allowed=True)) is None


@pytest.mark.parametrize(
    ("authors", "excludes", "needed"),
    [
        ((), set(Party), 2),
        ((by("author", "x", None), by("author", "y", None)), set(Party), 4),
        ((by("author", "x", None), by("committer", "y", None)), {Party.AUTHOR}, 3),
        ((by("author", "x", None), by("committer", "y", None)), {Party.PROMOTER}, 2),
        ((by("author", "x", "x"),), set(Party), 2),
        # A range of commits that nobody can tell is one unknown author.
        (None, set(Party), 3),
        (None, {Party.AUTHOR}, 3),
        (None, {Party.COMMITTER}, 3),
        (None, {Party.PROMOTER}, 2),
    ],
)
def test_so_many_approvals_are_needed(authors: Any, excludes: set[Party], needed: int) -> None:
    gate = Approve(count=2, excludes=frozenset(excludes))
    assert needed_approvals(gate, evolve(WRITTEN, authors=authors), facts()) == needed
    assert needed_approvals(gate, evolve(WRITTEN, authors=authors), facts(unknown_author_allowed=True)) == 2


def test_only_named_persons_approve_where_some_are_named_and_no_service_user_does() -> None:
    gate = Approve(persons=frozenset({"dora", "emil"}))
    assert why_not_approve(gate, WRITTEN, "frida", facts()) == "only dora, emil may"
    assert why_not_approve(gate, WRITTEN, "dora", facts()) is None
    assert isinstance(judged(gate, said_by("frida"), of=WRITTEN), Waits)
    waits = judged(gate, of=WRITTEN)
    assert isinstance(waits, Waits)
    assert waits.said == "1 approval of dora, emil, not of its author, committer or promoter"
    machine = facts(said_by("dora"), not_approvers=frozenset({"dora"}))
    assert why_not_approve(gate, WRITTEN, "dora", machine) == "dora is not a person"
    assert approvers(gate, WRITTEN, machine, LATER) == frozenset()


@pytest.mark.parametrize("other", [{"rollout": 3}, {"step": 1}, {"attempt": 2}, {"rollout": None}])
def test_an_approval_is_of_one_rollout_step_and_attempt(other: dict[str, Any]) -> None:
    assert isinstance(judged(APPROVE, said_by("dora", **other), of=WRITTEN), Waits)
    assert isinstance(judged(APPROVE, said_by("dora", Answer.FAILED, **other), of=WRITTEN), Waits)


def test_one_who_rejects_fails_the_gate_whatever_others_say() -> None:
    found = judged(APPROVE, said_by("dora"), said_by("emil", Answer.FAILED, reason="no"), of=WRITTEN)
    assert found == Failed(said="rejected by emil at 2026-01-05 10:00 UTC: no")
    aside = evolve(WRITTEN, set_aside=LATER)
    assert isinstance(judged(APPROVE, said_by("emil", Answer.FAILED), of=aside), Waits)


def test_approvals_expire_and_the_gate_pauses_when_its_time_is_over() -> None:
    gate = Approve(count=2, expires=HOUR)
    over = judged(gate, said_by("dora"), of=WRITTEN)
    assert over == Inconclusive(cause=Cause.TIMEOUT, said="1 of 2 approvals came within 1:00:00")
    waits = judged(gate, said_by("dora"), at=LATER - MINUTE, of=WRITTEN)
    assert isinstance(waits, Waits)
    assert waits.until == LATER
    expired = said_by("dora", expires_at=LATER)
    assert isinstance(judged(APPROVE, expired, of=WRITTEN), Waits)
    assert isinstance(judged(APPROVE, expired, at=LATER - MINUTE, of=WRITTEN), Passed)


def test_more_than_one_approval_is_told_as_such() -> None:
    waits = judged(Approve(count=2, excludes=frozenset()), of=WRITTEN)
    assert waits == Waits(said="2 approvals", until=NOW + timedelta(days=14))


@pytest.mark.parametrize(
    ("words", "stored"), [(Answer, {"passed", "failed", "inconclusive", "error", "skipped"})]
)
def test_each_word_of_a_verdict_is_stored_as_it_always_was(words: type[StrEnum], stored: set[str]) -> None:
    assert {word.value for word in words} == stored
