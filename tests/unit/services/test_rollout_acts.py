"""What persons do to rollouts: each act in one transaction, refused as the table says, done once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from harness.in_memory import InMemory
from harness.pushing import File
from harness.rolling import Rolling
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, Refused
from pinwheel.core.release.decide import Verb
from pinwheel.core.rule_request import RolloutRequest
from pinwheel.services.rollout import acts, show
from pinwheel.services.rollout.acts import RolloutActed
from pinwheel.services.rules.overriding import Who
from pinwheel.store import tables as t

APPROVED = """
policies:
  - {name: critical, dags: all, steps: [{approve: {}}, release]}
"""
TWICE = """
policies:
  - {name: critical, dags: all, steps: [{approve: {count: 2}}, release]}
"""
CHECKED = """
policies:
  - {name: checked, dags: all, steps: [{check: {name: ci}}, release]}
"""
ALICE = [["author", "Alice <alice@corp.com>", "alice"], ["committer", "Carl <carl@corp.com>", "carl"]]
GATED = """
rules:
  - {name: four-eyes, require: {approve: {}}, dags: all, override: [incident]}
"""


def rolling_under(text: str) -> Rolling:
    """The Dag ``a`` has build 1, which is active, and build 2 on its way, by Alice and Carl."""
    made = Rolling()
    made.push(a=File())
    made.platform(text)
    made.push(a=File(body=1))
    by(made, ALICE)
    return made


def by(world: InMemory, authors: Any) -> None:
    """Let these be the authors of what is on its way."""
    world.host.unit.run(lambda s: s.execute(update(t.rollout).values(authors=authors)))


def do(world: InMemory, verb: str, actor: str = "grace", names: Any = (), **more: Any) -> RolloutActed:
    world.airflow.tick(60)
    wanted = RolloutRequest(**{"dag_id": "a", "verb": verb, **more})
    return acts.act(world.host, wanted, Who(actor=actor, names=frozenset(names)))


def problem(world: InMemory, verb: str, **more: Any) -> str:
    with pytest.raises((Conflict, Refused)) as refused:
        do(world, verb, **more)
    return str(refused.value.facts["problem"])


@pytest.fixture
def critical() -> Rolling:
    return rolling_under(APPROVED)


@pytest.mark.acceptance("rollouts", 21)
def test_authors_committers_and_promoter_can_not_approve(critical: Rolling) -> None:
    critical.do(Verb.PROMOTE, actor="paul")
    for actor in ("alice", "carl", "paul"):
        with pytest.raises(Refused) as refused:
            do(critical, "approve", actor)
        assert refused.value.facts["problem"] == "may-not-approve"
    assert do(critical, "approve", "grace").changed
    assert critical.turn() > 0
    critical.turn()
    assert (critical.active(), critical.states()) == ((2, 2), ["released"])


@pytest.mark.acceptance("rollouts", 22)
def test_two_approvals_are_two_persons() -> None:
    world = rolling_under(TWICE)
    assert do(world, "approve", "grace").changed
    again = do(world, "approve", "grace")
    assert (again.changed, len(again.rollout.verdicts if again.rollout else ())) == (False, 1)
    world.turn()
    assert world.active() == (1, 1)
    do(world, "approve", "dora")
    world.turn()
    world.turn()
    assert world.active() == (2, 2)


@pytest.mark.acceptance("rollouts", 23)
def test_an_approval_does_not_survive_a_new_build() -> None:
    world = rolling_under(TWICE)
    do(world, "approve", "grace")
    world.push(a=File(body=2))
    by(world, ALICE)
    assert world.states() == ["superseded", "waiting"]
    seen = show.of_dag(world.host, "a")
    assert seen.approvals is not None and (seen.approvals.given, seen.approvals.missing) == ((), 2)
    do(world, "approve", "dora")
    world.turn()
    assert world.active() == (1, 1)


def test_who_skips_a_gate_can_not_approve_the_next() -> None:
    world = rolling_under(CHECKED.replace("release]", "approve: {}}, release]").replace("}}, ap", "}}, {ap"))
    do(world, "skip", "sam", reason="ci is down")
    assert problem(world, "approve", actor="sam") == "may-not-approve"
    assert do(world, "approve", "grace").changed


def test_a_rejection_rejects_the_build_with_its_reason(critical: Rolling) -> None:
    done = do(critical, "reject", reason="the totals are wrong")
    assert done.changed and done.rollout is not None and done.rollout.state == "rejected"
    assert critical.rejected() == {2: "the totals are wrong"}
    (event,) = critical.events("reject")
    assert (event.actor, event.reason) == ("grace", "the totals are wrong")
    assert [each.verdict for each in done.rollout.verdicts] == ["failed"]


def test_a_pause_holds_and_a_resume_goes_on(critical: Rolling) -> None:
    held = do(critical, "pause", reason="month end")
    assert held.rollout is not None
    assert (held.rollout.state, held.rollout.cause, held.rollout.paused_by) == ("paused", "person", "grace")
    assert problem(critical, "approve") == "paused"
    gone_on = do(critical, "resume")
    assert gone_on.rollout is not None and gone_on.rollout.state == "waiting"


def test_an_abort_holds_the_place_until_a_restart(critical: Rolling) -> None:
    aborted = do(critical, "abort", reason="not now")
    assert aborted.rollout is not None
    assert (aborted.rollout.state, critical.rejected()) == ("aborted", {})
    assert [each.verb for each in aborted.rollout.acts] == ["restart"]
    critical.turn()
    assert critical.states() == ["aborted"]
    begun = do(critical, "restart", rollout=aborted.rollout.id)
    assert begun.rollout is not None and (begun.rollout.id, begun.rollout.state) == (2, "waiting")


def test_a_restart_supersedes_and_begins_at_the_first_step() -> None:
    world = rolling_under(CHECKED)
    world.say("ci", "error", version=world.last.place.version)
    world.turn()
    assert world.states() == ["paused"]
    do(world, "restart")
    assert world.states() == ["superseded", "waiting"]
    assert world.last.policy == "checked"


def test_a_restart_where_nothing_holds_the_newest_place_releases_it(empty: InMemory) -> None:
    world = rolling_under(CHECKED)
    world.platform("policies: []")
    done = do(world, "restart")
    assert (done.rollout, done.changed, world.active()) == (None, True, (2, 2))


def test_retry_begins_the_step_again_after_a_pause() -> None:
    world = rolling_under(CHECKED)
    world.say("ci", "inconclusive", version=world.last.place.version)
    world.turn()
    done = do(world, "retry")
    assert done.rollout is not None and (done.rollout.state, done.rollout.attempt) == ("waiting", 2)
    world.turn()
    assert world.states() == ["waiting"]


def test_a_skip_goes_past_one_gate_and_is_recorded_as_that() -> None:
    world = rolling_under(CHECKED)
    done = do(world, "skip", "sam", reason="ci is down")
    assert done.rollout is not None
    assert [step.where for step in done.rollout.steps] == ["skipped", "here"]
    (said,) = done.rollout.verdicts
    assert (said.name, said.verdict, said.actor, said.reason) == ("skip", "skipped", "sam", "ci is down")
    world.turn()
    assert world.active() == (2, 2)


@pytest.mark.acceptance("rollouts", 26)
def test_a_skip_and_its_reason_are_in_the_audit() -> None:
    world = rolling_under(CHECKED)
    with pytest.raises(InvalidInput, match="no reason is given"):
        RolloutRequest(dag_id="a", verb="skip")
    do(world, "skip", "sam", reason="ci is down")
    told = {(each.kind, each.actor, each.reason) for each in world.events("rollout", "verdict")}
    assert {("rollout", "sam", "ci is down"), ("verdict", "sam", "ci is down")} <= told
    audited = [each for each in world.airflow.tables.audit if each.actor == "sam"]
    assert {each.event for each in audited} == {"pinwheel_rollout", "pinwheel_verdict"}
    assert {each.details["reason"] for each in audited} == {"ci is down"}


def test_a_rules_gate_is_skipped_by_those_only_whom_the_rule_names() -> None:
    world = rolling_under(GATED)
    assert problem(world, "skip", reason="outage") == "may-not-override"
    assert do(world, "skip", "sam", ["incident"], reason="outage").changed


def test_an_act_on_what_has_moved_is_refused(critical: Rolling) -> None:
    seen = show.of_dag(critical.host, "a")
    do(critical, "pause")
    assert problem(critical, "abort", reason="x", expected_generation=seen.generation) == "stale-generation"
    assert do(critical, "resume", expected_generation=seen.generation + 1).changed
    critical.push(a=File(body=2))
    assert problem(critical, "pause", rollout=seen.id) == "stale-generation"
    assert critical.states() == ["superseded", "waiting"]


@pytest.mark.parametrize(
    "verb", ["approve", "reject", "pause", "resume", "retry", "skip", "abort", "restart"]
)
def test_where_nothing_is_on_its_way_each_act_says_so(verb: str) -> None:
    world = Rolling()
    world.push(a=File())
    expected = "active" if verb == "restart" else "nothing-live"
    before = world.everything()
    assert problem(world, verb, reason="why") == expected
    assert world.everything()[0] == before[0]


def test_a_plan_says_what_would_be_done_and_writes_nothing(critical: Rolling) -> None:
    before, announced = critical.everything()[0], list(critical.airflow.announced)
    planned = do(critical, "reject", reason="wrong", plan=True, request_id="once")
    assert (planned.plan, planned.changed, planned.rollout and planned.rollout.state) == (
        True,
        True,
        "rejected",
    )
    assert (critical.everything()[0], critical.airflow.announced) == (before, announced)
    done = do(critical, "reject", reason="wrong", request_id="once")
    assert done.message == planned.message
    assert problem(critical, "resume", plan=True) == "nothing-live"


@pytest.mark.acceptance("rollouts", 72)
def test_a_repeated_request_changes_nothing_and_answers_how_the_rollout_is(critical: Rolling) -> None:
    first = do(critical, "approve", request_id="ci-7")
    critical.turn()
    critical.turn()
    repeat = do(critical, "approve", request_id="ci-7")
    assert (first.changed, repeat.changed) == (True, False)
    assert first.rollout and repeat.rollout and repeat.rollout.id == first.rollout.id
    assert repeat.rollout.state == "released"
    with pytest.raises(Conflict, match="another request") as refused:
        do(critical, "pause", request_id="ci-7")
    assert refused.value.failed == "Cannot pause the rollout of a"
    assert refused.value.found.endswith(": approve the rollout of a")


def test_what_was_done_is_announced_after_the_commit(critical: Rolling) -> None:
    critical.airflow.announced.clear()
    do(critical, "pause")
    assert critical.airflow.announced == [{"kind": "rollout", "dag_id": "a"}]
    do(critical, "pause")
    assert len(critical.airflow.announced) == 1


def test_an_unknown_dag_is_not_found(critical: Rolling) -> None:
    with pytest.raises(NotFound):
        do(critical, "pause", dag_id="nope")


def test_what_is_no_act_on_a_rollout_is_no_request() -> None:
    with pytest.raises(InvalidInput, match="no act on a rollout"):
        RolloutRequest(dag_id="a", verb="pin")
