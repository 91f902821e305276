"""Rollouts through the services: what arrives waits for its gates, and goes on when they pass."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.orm import Session

from harness import asked
from harness.pushing import File, Pusher
from harness.rolling import Rolling
from pinwheel.core.errors import Conflict, InvalidInput, Refused
from pinwheel.core.json import JsonObject
from pinwheel.core.parse.pinwheel_yaml import read
from pinwheel.core.release.decide import Verb
from pinwheel.services import change
from pinwheel.services.release.outcome import OUTCOMES
from pinwheel.services.rollout import advance
from pinwheel.store import policies
from pinwheel.store.policies import PolicySource

CHECK = "policies: [{name: checked, dags: all, steps: [{check: {name: ci}}, release]}]"
APPROVE = "policies: [{name: approved, dags: all, steps: [{approve: {}}, release]}]"
FREEZE = "rules: [{name: month end, freeze: {reason: month end}}]"


@pytest.fixture
def rolling() -> Rolling:
    made = Rolling()
    made.push(a=File(body=0))
    return made


@pytest.mark.acceptance("rollouts", 1)
def test_without_a_policy_each_new_build_is_released_at_once(rolling: Rolling) -> None:
    rolling.push(a=File(body=1))
    assert rolling.active() == (2, 2)
    assert rolling.rollouts() == []


@pytest.mark.acceptance("rollouts", 9)
def test_the_first_build_of_a_dag_is_not_gated() -> None:
    world = Rolling()
    world.platform(CHECK + "\n" + FREEZE)
    world.push(a=File(body=0))
    assert world.active() == (1, 1)
    assert world.rollouts() == []


def test_a_gated_build_waits_and_is_released_when_its_check_passes(rolling: Rolling) -> None:
    rolling.platform(CHECK)
    head = rolling.push(a=File(body=1))
    assert rolling.active() == (1, 1)
    assert rolling.states() == ["waiting"]
    rolling.turn()
    assert rolling.active() == (1, 1)
    rolling.say("ci", "passed", version=head)
    rolling.turn()
    assert rolling.active() == (2, 2)
    assert rolling.states() == ["released"]
    assert rolling.ledger()[-1] == (2, 2, "auto")


@pytest.mark.acceptance("rollouts", 11)
def test_a_check_that_came_before_the_parse_counts(rolling: Rolling) -> None:
    rolling.platform(CHECK)
    coming = "c0ffee" * 6 + "beef"
    rolling.say("ci", "passed", version=coming)
    rolling.pusher.push({"a": File(body=1)}, version=coming)
    rolling.turn()
    assert rolling.active() == (2, 2)


@pytest.mark.acceptance("rollouts", 16)
def test_a_failed_gate_rejects_and_the_next_build_starts_afresh(rolling: Rolling) -> None:
    rolling.platform(CHECK)
    rolling.say("ci", "failed", version=rolling.push(a=File(body=1)))
    rolling.turn()
    assert rolling.active() == (1, 1)
    assert rolling.states() == ["rejected"]
    assert list(rolling.rejected()) == [2]
    rolling.say("ci", "passed", version=rolling.push(a=File(body=2)))
    rolling.turn()
    assert rolling.active() == (2, 3)
    assert rolling.states() == ["rejected", "released"]


@pytest.mark.acceptance("rollouts", 14)
def test_an_error_is_not_a_failure_it_pauses(rolling: Rolling) -> None:
    rolling.platform(CHECK)
    rolling.say("ci", "error", version=rolling.push(a=File(body=1)))
    rolling.turn()
    assert rolling.states() == ["paused"]
    assert rolling.rejected() == {}


@pytest.mark.acceptance("rollouts", 15)
def test_no_data_is_not_a_pass(rolling: Rolling) -> None:
    rolling.platform(CHECK)
    rolling.push(a=File(body=1))
    for _ in range(3):
        rolling.turn(86_400 * 30)
    assert rolling.active() == (1, 1)
    assert rolling.states() == ["waiting"]


@pytest.mark.acceptance("rollouts", 63)
def test_of_two_builds_in_a_minute_the_first_is_superseded_and_never_released(rolling: Rolling) -> None:
    rolling.platform(CHECK)
    first = rolling.push(a=File(body=1))
    second = rolling.push(a=File(body=2))
    rolling.say("ci", "passed", version=first)
    rolling.turn()
    assert rolling.states() == ["superseded", "waiting"]
    rolling.say("ci", "passed", version=second)
    rolling.turn()
    assert rolling.ledger() == [(1, 1, "auto"), (2, 3, "auto")]


@pytest.mark.acceptance("rollouts", 65)
@pytest.mark.acceptance("rollouts", 79)
def test_one_rollout_names_one_place_though_commits_of_its_digest_come_in_between(rolling: Rolling) -> None:
    rolling.platform(CHECK)
    judged = rolling.push(a=File(body=1))
    for body in range(3):
        rolling.push(a=File(body=1), b=File(body=body))
    assert rolling.states() == ["waiting"]
    rolling.say("ci", "passed", version=judged)
    rolling.turn()
    assert rolling.active() == (2, 2)
    assert rolling.versions()[-1] == judged
    assert rolling.airflow_has() == (2, judged, False)


@pytest.mark.acceptance("rollouts", 8)
def test_editing_a_policy_changes_no_running_rollout_and_a_new_freeze_stops_it(rolling: Rolling) -> None:
    rolling.platform(CHECK)
    head = rolling.push(a=File(body=1))
    rolling.platform(APPROVE + "\n" + FREEZE)
    rolling.say("ci", "passed", version=head)
    rolling.turn()
    assert rolling.active() == (1, 1)
    assert rolling.last.policy == "checked"
    rolling.platform(APPROVE)
    rolling.turn()
    assert rolling.active() == (2, 2)


@pytest.mark.acceptance("rollouts", 78)
def test_a_dag_in_a_closed_window_stands_and_catches_up_when_that_ends(rolling: Rolling) -> None:
    rolling.platform(FREEZE)
    first = rolling.status().bundle_version
    rolling.push(b=File(body=1))
    assert rolling.airflow_has() == (1, first, False)
    rolling.push(a=File(body=1))
    assert rolling.active() == (1, 1)
    assert rolling.states() == ["waiting"]
    rolling.platform("rules: []")
    rolling.turn()
    assert rolling.active() == (2, 2)


def test_promote_in_a_freeze_is_refused_and_says_which(rolling: Rolling) -> None:
    rolling.do(Verb.PIN)
    rolling.push(a=File(body=1))
    rolling.platform(FREEZE)
    with pytest.raises(Conflict) as refused:
        rolling.do(Verb.PROMOTE)
    assert refused.value.facts["problem"] == "rule-closed"
    assert "month end" in str(refused.value)
    assert rolling.active() == (1, 1)


@pytest.mark.acceptance("rollouts", 32)
def test_a_rollback_passes_a_closed_window(rolling: Rolling) -> None:
    rolling.push(a=File(body=1))
    rolling.platform(FREEZE)
    rolling.do(Verb.ROLLBACK)
    assert rolling.active() == (3, 1)


@pytest.mark.acceptance("rollouts", 34)
def test_only_named_persons_override_a_freeze(rolling: Rolling) -> None:
    rolling.do(Verb.PIN)
    rolling.push(a=File(body=1))
    rolling.platform("rules: [{name: month end, freeze: {}, override: [carla]}]")
    with pytest.raises(InvalidInput):
        rolling.do(Verb.PROMOTE, actor="carla", now=True)
    with pytest.raises(Refused) as refused:
        rolling.do(Verb.PROMOTE, actor="ci", now=True, reason="hurry")
    assert refused.value.facts["problem"] == "may-not-override"
    assert rolling.active() == (1, 1)
    rolling.do(Verb.PROMOTE, actor="carla", now=True, reason="the fix")
    assert rolling.active() == (2, 2)
    (event,) = rolling.events("promote")
    assert event.overrides == ["rule month end"]
    assert (event.actor, event.reason) == ("carla", "the fix")


def test_promote_at_waits_for_the_instant_and_is_in_effect_at_the_first_turn_after_it(
    rolling: Rolling,
) -> None:
    rolling.do(Verb.PIN)
    rolling.push(a=File(body=1))
    at = rolling.now() + timedelta(hours=2)
    outcome = rolling.do(Verb.PROMOTE, at=at)
    assert outcome.changed and rolling.active() == (1, 1)
    assert outcome.not_before == at and f"not before {at:%Y-%m-%d %H:%M:%S} UTC" in outcome.message
    rolling.turn(3600)
    assert rolling.active() == (1, 1)
    rolling.turn((at - rolling.now()).total_seconds())
    assert rolling.active() == (2, 2)
    assert rolling.last.not_before is None or rolling.last.not_before == at


def test_a_repeated_promote_at_names_the_instant_too(rolling: Rolling) -> None:
    rolling.platform(CHECK)
    rolling.push(a=File(body=1))
    at = rolling.now() + timedelta(hours=2)
    asked = [rolling.do(Verb.PROMOTE, at=at, request_id="wave") for _ in range(2)]
    asked.append(rolling.do(Verb.PROMOTE, at=at))
    assert [each.changed for each in asked] == [True, False, False]
    assert {each.not_before for each in asked} == {at}
    assert all(f"asked for, not before {at:%Y-%m-%d %H:%M:%S} UTC" in each.message for each in asked)
    assert rolling.do(Verb.PROMOTE).not_before is None


def test_an_answer_that_was_kept_before_outcomes_had_an_instant_is_read(rolling: Rolling) -> None:
    outcome = rolling.do(Verb.PIN)
    (kept,) = JsonObject.all_of(OUTCOMES.write([outcome]))
    before = {name: value for name, value in kept.fields.items() if name != "not_before"}
    assert OUTCOMES.readers[3]([before]) == OUTCOMES.readers[4](OUTCOMES.write([outcome])) == [outcome]


@pytest.mark.parametrize("plan", [False, True])
def test_nothing_is_asked_for_not_before_an_instant_that_has_passed(rolling: Rolling, plan: bool) -> None:
    rolling.do(Verb.PIN)
    rolling.push(a=File(body=1))
    rolling.airflow.tick(60)
    with pytest.raises(InvalidInput, match=r"has passed\. Leave --at out, or give an instant to come"):
        change.apply(rolling.host, asked.change(Verb.PROMOTE, ["a"], at=rolling.now(), plan=plan))
    assert rolling.states() == [] and rolling.active() == (1, 1)


def test_a_repeat_after_its_instant_answers_what_it_did(rolling: Rolling) -> None:
    rolling.do(Verb.PIN)
    rolling.push(a=File(body=1))
    at = rolling.now() + timedelta(hours=2)
    assert rolling.do(Verb.PROMOTE, at=at, request_id="k").changed
    rolling.turn(3 * 3600)
    again = rolling.do(Verb.PROMOTE, at=at, request_id="k")
    assert not again.changed and again.message.startswith("this request was carried out before")
    assert rolling.active() == (2, 2)


@pytest.mark.parametrize("year", [1, 1969, 9991, 9999])
def test_nobody_can_ask_for_an_instant_of_no_year_of_releases(rolling: Rolling, year: int) -> None:
    with pytest.raises(InvalidInput, match=f"the year {year} is given"):
        rolling.do(Verb.PROMOTE, at=datetime(year, 6, 1, tzinfo=UTC))


@pytest.mark.acceptance("rollouts", 35)
def test_the_keeper_knows_a_second_ahead_that_somebodys_instant_comes(rolling: Rolling) -> None:
    """It waits for that in its turn, so that the instant does not wait for the next one."""
    rolling.platform(CHECK)
    rolling.do(Verb.PIN)
    rolling.push(a=File(body=1))
    at = rolling.now() + timedelta(hours=2)
    rolling.do(Verb.PROMOTE, at=at)
    rolling.turn()
    second = timedelta(seconds=1)
    assert advance.soon(rolling.host, within=second) is None
    rolling.airflow.tick((at - rolling.now()).total_seconds() - 0.25)
    assert advance.soon(rolling.host, within=second) == pytest.approx(0.25)
    rolling.airflow.tick(0.25)
    assert advance.soon(rolling.host, within=second) is None, "it is due"
    rolling.turn(0)
    assert rolling.active() == (2, 2)


def test_a_pin_withdraws_what_is_on_its_way(rolling: Rolling) -> None:
    rolling.platform(CHECK)
    head = rolling.push(a=File(body=1))
    rolling.do(Verb.PIN)
    assert rolling.states() == ["withdrawn"]
    rolling.say("ci", "passed", version=head)
    rolling.turn()
    assert rolling.active() == (1, 1)
    rolling.do(Verb.UNPIN)
    assert rolling.states() == ["withdrawn", "waiting"]
    rolling.turn()
    assert rolling.active() == (2, 2)


@pytest.mark.acceptance("rollouts", 3)
def test_a_commit_that_drops_its_own_gate_is_still_judged_by_the_gate(rolling: Rolling) -> None:
    rolling.repository(CHECK)
    rolling.push(a=File(body=1))
    assert rolling.states() == ["waiting"]
    rolling.repository("policies: []")
    rolling.push(a=File(body=2))
    assert rolling.states() == ["superseded", "waiting"]
    assert rolling.last.policy == "checked"


@pytest.mark.acceptance("rollouts", 86)
def test_of_two_pushes_of_which_the_first_loosens_the_policy_the_second_is_judged_by_the_old_one(
    rolling: Rolling,
) -> None:
    rolling.repository(CHECK)
    rolling.push(a=File(body=1))
    rolling.repository("policies: []")
    rolling.push(a=File(body=2))
    head = rolling.push(a=File(body=3))
    assert rolling.last.policy == "checked"
    rolling.say("ci", "passed", version=head)
    rolling.turn()
    assert rolling.active() == (2, 4)
    rolling.push(a=File(body=4))
    assert rolling.active() == (3, 5), "from the release on the newest policy is in force"


@pytest.mark.acceptance("rollouts", 4)
def test_a_commit_that_removes_its_tag_is_judged_by_the_active_builds_tags() -> None:
    world = Rolling()
    world.push(a=File(body=0, tags=("critical",)))
    world.platform("policies: [{name: c, dags: {tags: [critical]}, steps: [{check: {name: ci}}, release]}]")
    world.push(a=File(body=1))
    assert world.states() == ["waiting"]


def test_a_pin_takes_no_place_that_its_rollout_would_not_let_through(rolling: Rolling) -> None:
    rolling.platform("rules: [{name: eyes, require: {approve: {}}}]")
    rolling.push(a=File(body=1))
    with pytest.raises(Conflict) as refused:
        rolling.do(Verb.PIN, build=2)
    assert refused.value.facts["problem"] == "rule-closed"
    for who in ("bo", "cleo"):
        rolling.say("approve", "passed", rollout=rolling.last, by=who)
    rolling.platform("rules: [{name: eyes, require: {approve: {}}}, {name: end, freeze: {}}]")
    rolling.turn()
    assert rolling.last.at_gate is None
    rolling.platform("rules: [{name: eyes, require: {approve: {}}}]")
    with pytest.raises(Conflict):
        rolling.do(Verb.PIN, build=2, actor="bo")
    rolling.do(Verb.PIN, build=2)
    assert rolling.active() == (2, 2)


@pytest.mark.acceptance("rollouts", 98)
def test_a_verdict_of_which_nobody_was_told_counts_when_its_time_is_over(rolling: Rolling) -> None:
    """Without a timeout the keeper comes to it in its rounds: test_lost_wakes.py."""
    rolling.platform("policies: [{name: c, dags: all, steps: [{check: {name: ci, timeout: 4h}}, release]}]")
    head = rolling.push(a=File(body=1))
    rolling.turn()
    rolling.say("ci", "passed", version=head, wake=False)
    rolling.turn(3600)
    assert rolling.active() == (1, 1)
    rolling.turn(3 * 3600)
    assert rolling.active() == (2, 2)
    assert rolling.states() == ["released"]


@pytest.mark.acceptance("rollouts", 98)
def test_a_window_that_opens_needs_nobody_to_tell_of_it(rolling: Rolling) -> None:
    until = (rolling.now() + timedelta(hours=3)).isoformat()
    rolling.platform(f"rules: [{{name: month end, freeze: {{until: '{until}'}}}}]")
    rolling.push(a=File(body=1))
    rolling.turn(3600)
    assert rolling.active() == (1, 1)
    rolling.turn(2 * 3600)
    assert rolling.active() == (2, 2)


def test_who_may_not_decide_at_gates_rejects_nothing_that_is_on_its_way(rolling: Rolling) -> None:
    rolling.platform(CHECK)
    rolling.push(a=File(body=1))
    with pytest.raises(Refused):
        rolling.do(Verb.REJECT, build=2, decides=False)
    assert rolling.states() == ["waiting"]
    rolling.do(Verb.REJECT, build=1, decides=False)
    assert list(rolling.rejected()) == [1], "what is not on its way is as ever"
    rolling.do(Verb.REJECT, build=2)
    assert rolling.states() == ["rejected"]


EYES = "rules: [{name: eyes, require: {approve: {}}, override: [carla]}]"


def test_a_rollback_to_a_build_that_was_never_before_is_no_way_back(rolling: Rolling) -> None:
    rolling.platform(FREEZE)
    rolling.push(a=File(body=1))
    with pytest.raises(Conflict) as refused:
        rolling.do(Verb.ROLLBACK, build=2, to_blame=False)
    assert refused.value.facts["problem"] == "rule-closed"
    assert rolling.active() == (1, 1)


@pytest.mark.parametrize("text", [CHECK, FREEZE, EYES])
def test_a_dag_that_comes_back_as_it_was_is_in_force_again(rolling: Rolling, text: str) -> None:
    rolling.platform(text)
    rolling.remove("a")
    assert rolling.airflow_has()[2]
    head = rolling.push(a=File(body=0))
    assert rolling.airflow_has() == (3, head, False)


@pytest.mark.parametrize("text", [CHECK, FREEZE, EYES])
def test_a_dag_that_comes_back_as_another_is_what_it_was_until_that_may_be_released(
    rolling: Rolling, text: str
) -> None:
    rolling.platform(text)
    rolling.remove("a")
    rolling.push(a=File(body=5))
    assert rolling.active() == (3, 1)
    assert not rolling.airflow_has()[2]
    assert rolling.states() == ["waiting"]
    rolling.platform("rules: []")
    rolling.say("ci", "passed", version=rolling.last.place.version)
    rolling.turn()
    assert rolling.active() == ((4, 2) if text != EYES else (3, 1))


def test_what_was_on_its_way_when_the_dag_went_does_not_overtake_what_comes_back(rolling: Rolling) -> None:
    rolling.platform(CHECK)
    first = rolling.push(a=File(body=1))
    rolling.remove("a")
    rolling.platform("policies: []")
    rolling.push(a=File(body=5))
    assert rolling.active()[1] == 3
    rolling.say("ci", "passed", version=first)
    rolling.turn()
    assert rolling.active()[1] == 3
    assert rolling.states() == ["superseded"]


@pytest.mark.acceptance("rollouts", 26)
def test_who_goes_past_a_required_gate_is_named_by_its_rule_and_the_event_names_the_rule(
    rolling: Rolling,
) -> None:
    rolling.platform(EYES)
    rolling.push(a=File(body=1))
    assert rolling.states() == ["waiting"]
    with pytest.raises(Refused):
        rolling.do(Verb.PROMOTE, now=True, reason="hurry", actor="bob")
    assert rolling.active() == (1, 1)
    rolling.do(Verb.PROMOTE, now=True, reason="hurry", actor="carla")
    (event,) = rolling.events("promote")
    assert "rule eyes" in event.overrides


def test_a_promote_of_a_build_does_not_ask_for_another_that_is_on_its_way(rolling: Rolling) -> None:
    rolling.platform(CHECK)
    rolling.push(a=File(body=1))
    rolling.push(a=File(body=2))
    for more in ({}, {"now": True, "reason": "hurry"}, {"at": rolling.now() + timedelta(hours=1)}):
        with pytest.raises(Conflict) as refused:
            rolling.do(Verb.PROMOTE, build=2, **more)
        assert refused.value.facts["problem"] == "other-ahead"
    assert rolling.active() == (1, 1)


def test_a_rejection_of_any_build_is_lifted_while_another_is_on_its_way(rolling: Rolling) -> None:
    rolling.platform(CHECK)
    rolling.push(a=File(body=1))
    rolling.do(Verb.REJECT, build=2)
    rolling.push(a=File(body=2))
    assert rolling.do(Verb.LIFT, build=2).lifted
    assert rolling.rejected() == {}


def test_a_repositorys_first_policy_is_no_way_round_the_platforms_for_its_own_commit(
    rolling: Rolling,
) -> None:
    rolling.platform(CHECK)
    rolling.repository("policies: [{name: mine, dags: all, steps: [release]}]")
    head = rolling.push(a=File(body=1))
    assert rolling.states() == ["waiting"]
    rolling.say("ci", "passed", version=head)
    rolling.turn()
    assert rolling.active() == (2, 2)
    rolling.push(a=File(body=2))
    assert rolling.active() == (3, 3), "from the release on it is the repository's own"


def test_the_release_asks_again_what_rules_require(rolling: Rolling) -> None:
    rolling.platform("rules: [{name: r, require: {check: {name: ci}}}, {name: end, freeze: {}}]")
    head = rolling.push(a=File(body=1))
    rolling.say("ci", "passed", version=head)
    rolling.turn()
    assert rolling.last.at_gate is None
    rolling.say("ci", "failed", version=head)
    rolling.platform("rules: [{name: r, require: {check: {name: ci}}}]")
    rolling.turn()
    assert rolling.active() == (1, 1)
    rolling.say("ci", "passed", version=head)
    rolling.turn()
    assert rolling.active() == (2, 2)


def test_a_stricter_rule_holds_what_a_looser_one_let_through(rolling: Rolling) -> None:
    loose = "rules: [{name: eyes, require: {approve: {not: []}}}, {name: end, freeze: {}}]"
    rolling.platform(loose)
    rolling.push(a=File(body=1))
    rolling.say("approve", "passed", rollout=rolling.last, by="bo")
    rolling.turn()
    assert rolling.last.at_gate is None
    rolling.platform("rules: [{name: eyes, require: {approve: {not: [], count: 2}}}]")
    rolling.turn()
    assert rolling.active() == (1, 1)


def test_a_build_that_keeps_no_versions_is_held_as_any_other(rolling: Rolling) -> None:
    rolling.platform(CHECK)
    head = rolling.push(a=File(body=1, unversioned=True))
    assert rolling.active() == (1, 1)
    rolling.say("ci", "passed", version=head)
    rolling.turn()
    assert rolling.active() == (2, 2)


def test_a_dag_that_follows_by_its_policy_stands_where_a_rule_requires_a_gate(rolling: Rolling) -> None:
    follows = "policies: [{name: f, dags: all, steps: [{approve: {}}, release], follow: true}]"
    rolling.platform(follows)
    head = rolling.push(b=File(body=1))
    assert rolling.airflow_has() == (1, head, False)
    rolling.platform(f"{follows}\n{EYES}")
    rolling.push(b=File(body=2))
    assert rolling.airflow_has() == (1, head, False)


def test_a_place_at_its_release_is_looked_at_again_when_a_rule_requires_a_time_since(
    rolling: Rolling,
) -> None:
    rolling.platform(FREEZE)
    rolling.push(a=File(body=1))
    until = rolling.now() + timedelta(hours=2)
    rolling.platform(f"rules: [{{name: w, require: {{wait: {{until: '{until.isoformat()}'}}}}}}]")
    rolling.turn()
    assert rolling.active() == (1, 1)
    rolling.turn(2 * 3600)
    assert rolling.active() == (2, 2)


def test_a_file_that_is_known_late_lets_no_frozen_dag_follow(rolling: Rolling) -> None:
    rolling.platform(FREEZE)
    first = rolling.status().bundle_version
    version, seq = rolling.pusher.advance([])
    rolling.pusher.files["a"] = File(body=0)
    rolling.pusher.push({"b": File(body=1)})
    rolling.pusher.register("a", version=version, seq=seq)
    assert rolling.airflow_has() == (1, first, False)


@pytest.mark.acceptance("rollouts", 21)
def test_who_approved_it_does_not_promote_it_afterwards(rolling: Rolling) -> None:
    rolling.platform(
        "policies: [{name: p, dags: all, steps: [{approve: {}}, {check: {name: ci}}, {release: by-hand}]}]"
    )
    head = rolling.push(a=File(body=1))
    for who in ("eve", "bo"):
        rolling.say("approve", "passed", rollout=rolling.last, by=who)
    rolling.turn()
    with pytest.raises(Refused) as refused:
        rolling.do(Verb.PROMOTE, actor="eve")
    assert refused.value.facts["problem"] == "may-not-promote"
    rolling.do(Verb.PROMOTE, actor="ada")
    rolling.say("ci", "passed", version=head)
    rolling.turn()
    assert rolling.active() == (2, 2)


def test_a_way_back_leads_only_to_what_was_in_force(rolling: Rolling) -> None:
    rolling.platform(EYES)
    rolling.push(a=File(body=1))
    rolling.push(a=File(body=2))
    for who in ("bo", "cleo"):
        rolling.say("approve", "passed", rollout=rolling.last, by=who)
    rolling.turn()
    assert rolling.active() == (2, 3)
    with pytest.raises(Conflict) as refused:
        rolling.do(Verb.ROLLBACK, build=2)
    assert refused.value.facts["problem"] == "rule-closed"
    rolling.do(Verb.ROLLBACK, build=1)
    assert rolling.active() == (3, 1)


def test_a_rollback_forward_is_judged_by_the_gates_of_the_build_that_it_names(rolling: Rolling) -> None:
    rolling.platform(EYES)
    rolling.push(a=File(body=1))
    with pytest.raises(Conflict):
        rolling.do(Verb.ROLLBACK, build=2, to_blame=False)
    assert rolling.active() == (1, 1)


def test_who_approved_it_goes_past_no_rule_that_names_others(rolling: Rolling) -> None:
    rolling.platform(
        "rules: [{name: eyes, require: {approve: {}}, override: [carla]}]\n"
        "policies: [{name: p, dags: all, steps: [{release: by-hand}]}]"
    )
    rolling.push(a=File(body=1))
    for who in ("eve", "bo"):
        rolling.say("approve", "passed", rollout=rolling.last, by=who)
    rolling.turn()
    with pytest.raises(Refused) as refused:
        rolling.do(Verb.PROMOTE, now=True, reason="hurry", actor="eve")
    assert refused.value.facts["problem"] == "may-not-override"
    rolling.do(Verb.PROMOTE, actor="ada")
    rolling.turn()
    assert rolling.active() == (2, 2)


def test_what_goes_and_comes_back_brings_no_looser_policy_into_force(rolling: Rolling) -> None:
    rolling.repository(CHECK)
    rolling.push(a=File(body=1))
    rolling.repository("policies: []")
    rolling.remove("a")
    rolling.push(a=File(body=1))
    rolling.push(a=File(body=2))
    assert rolling.active()[1] == 1
    assert rolling.last.policy == "checked"
    rolling.do(Verb.ROLLBACK, build=1)
    rolling.do(Verb.UNPIN)
    rolling.push(a=File(body=3))
    assert rolling.last.policy == "checked"
    assert rolling.active()[1] == 1


def test_a_longer_wait_that_a_rule_requires_since_holds_what_waited_for_less(rolling: Rolling) -> None:
    rolling.platform("rules: [{name: w, require: {wait: {for: 1h}}}, {name: end, freeze: {}}]")
    rolling.push(a=File(body=1))
    rolling.turn(3600)
    assert rolling.last.at_gate is None
    rolling.platform("rules: [{name: w, require: {wait: {for: 7d}}}]")
    rolling.turn()
    assert rolling.active() == (1, 1)


def test_a_dag_that_moves_to_another_bundle_is_judged_by_that_ones_policies(rolling: Rolling) -> None:
    rolling.side.add_bundle("other", url="https://other/{version}")
    other = Pusher(rolling.host, "other")

    def gated(session: Session) -> None:
        found = read(CHECK.encode()).policies
        policies.replace(session, PolicySource.REPOSITORY, "other", found, actor="dev", now=rolling.now())

    rolling.host.unit.run(gated)
    rolling.remove("a")
    rolling.airflow.tick(60)
    other.push({"a": File(body=9)})
    assert rolling.active()[1] == 1
    assert rolling.states() == ["waiting"]
    assert rolling.last.policy == "checked"
