"""What is known of Dags when something is decided: what rules still ask of a place, and what holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from harness.dated import Dated
from harness.pushing import File
from harness.rolling import Rolling
from pinwheel.core.release.decide import Verb
from pinwheel.core.release.rejection import NewRejection
from pinwheel.core.rollout.gate import Answer, OfVersion, Verdict
from pinwheel.core.rollout.hold import Hold, HoldKind
from pinwheel.core.rollout.state import Place
from pinwheel.services.release.loading import load
from pinwheel.services.rules import facts
from pinwheel.services.rules.facts import Asked, Found
from pinwheel.store import builds, dags, rejections, verdicts

CI = "rules: [{name: tested, require: {check: {name: ci}}}]"
CI_OF_VERSION = "rules: [{name: tested, require: {check: {name: ci, of: version}}}]"
CI_UNMET = ["a rule requires check ci"]
IDLE = "rules: [{name: idle, require: {wait: {idle: true}}}]"
FREEZE = "rules: [{name: month end, freeze: {reason: month end}}]"


def approvals(count: int, *persons: str) -> str:
    named = f", persons: [{', '.join(persons)}]" if persons else ""
    return f"rules: [{{name: four eyes, require: {{approve: {{count: {count}{named}}}}}}}]"


class Facts(Rolling):
    """The Dag ``a``: build 1 is active."""

    def found(self, *dag_ids: str, asked: Asked | None = None) -> dict[str, Found]:
        """Of these Dags, or of ``a``; the same is asked of each."""
        ids = dag_ids or ("a",)

        def work(session: Any) -> dict[str, Found]:
            rows = dags.rows(session, ids)
            known = facts.know(session, rows)
            loaded = load(self.host, session, rows, others=known.build_ids)
            wanted = {dag_id: asked for dag_id in ids} if asked is not None else None
            return facts.find(self.host, session, known, loaded, now=self.host.unit.now(), asked=wanted)

        return self.host.unit.run(work)

    def holds(self, **asked: Any) -> tuple[Hold, ...]:
        """What is closed for the newest place of ``a``, or for the one that is asked for."""
        return self.found(asked=Asked(**asked) if asked else None)["a"].facts.closed

    def unmet(self, **asked: Any) -> list[str | None]:
        """What rules still require of it."""
        closed = self.holds(**asked)
        assert {hold.kind for hold in closed} <= {HoldKind.GATE}
        return [hold.reason for hold in closed]

    def newest(self) -> Place:
        place = self.found()["a"].facts.newest
        assert place is not None
        return place.place

    def digest(self, number: int) -> str:
        return self.host.unit.run(lambda s: builds.by_numbers(s, [("a", number)]))["a", number].digest

    def reject(self, build_id: int, *, first: int | None = None, last: int | None = None) -> None:
        new = NewRejection(
            dag_id="a",
            build_id=build_id,
            first_seq=first,
            last_seq=last,
            actor="bob",
            reason="wrong totals",
            at=self.now(),
        )
        self.host.unit.run(lambda s: rejections.add_all(s, [new]))


@pytest.fixture
def held() -> Facts:
    """The Dag is pinned, and build 2 waits."""
    made = Facts()
    made.push(a=File(body=0))
    made.do(Verb.PIN)
    made.push(a=File(body=1))
    return made


# Checks that rules require


@pytest.mark.parametrize("of", ["place", "version", "digest"])
def test_a_check_that_a_rule_requires_is_met_once_it_passed_for_what_the_place_is(
    held: Facts, of: str
) -> None:
    held.platform(CI)
    assert held.unmet() == CI_UNMET
    place = held.newest()
    subjects: dict[str, Any] = {"place": place, "version": place.version, "digest": held.digest(2)}
    held.say("ci", "passed", **{of: subjects[of]})
    assert held.unmet() == []


@pytest.mark.parametrize("of", ["place", "digest"])
def test_a_check_of_the_version_takes_no_other_verdict(held: Facts, of: str) -> None:
    held.platform(CI_OF_VERSION)
    subjects: dict[str, Any] = {"place": held.newest(), "digest": held.digest(2)}
    held.say("ci", "passed", **{of: subjects[of]})
    assert held.unmet() == CI_UNMET
    held.say("ci", "passed", version=held.newest().version)
    assert held.unmet() == []


@pytest.mark.parametrize("answer", ["failed", "inconclusive", "error"])
def test_whatever_is_no_pass_does_not_meet_it_and_the_last_answer_counts(held: Facts, answer: str) -> None:
    held.platform(CI)
    place = held.newest()
    held.say("ci", answer, place=place)
    assert held.unmet() == CI_UNMET
    held.airflow.tick(60)
    held.say("ci", "passed", place=place)
    assert held.unmet() == []
    held.airflow.tick(60)
    held.say("ci", answer, place=place)
    assert held.unmet() == CI_UNMET


def test_what_was_said_of_another_place_or_by_another_check_meets_nothing(held: Facts) -> None:
    held.platform(CI)
    newest, active = held.newest(), held.found()["a"].facts.active
    assert active is not None
    held.say("ci", "passed", place=active)
    held.say("ci", "passed", version=active.version)
    held.say("ci", "passed", digest=held.digest(1))
    held.say("lint", "passed", place=newest)
    held.say("ci", "passed", place=Place(build_id=newest.build_id, version=active.version))
    assert held.unmet() == CI_UNMET
    assert held.unmet(place=active) == []


def test_a_verdict_meets_it_until_it_expires(held: Facts) -> None:
    held.platform(CI)
    now = held.now()
    said = Verdict(
        subject=OfVersion(bundle="dags", version=held.newest().version),
        name="ci",
        answer=Answer.PASSED,
        actor="ci",
        at=now,
        expires_at=now + timedelta(hours=1),
    )
    held.host.unit.run(lambda s: verdicts.add(s, said))
    assert held.unmet() == []
    held.airflow.tick(3600)
    assert held.unmet() == CI_UNMET


def test_each_gate_is_told_that_is_not_met_and_comes_after_a_freeze(held: Facts) -> None:
    held.platform(
        "rules: [{name: a, require: {check: {name: ci}}}, {name: b, require: {check: {name: lint}}}, "
        "{name: c, freeze: {reason: month end}}]"
    )
    told = [(hold.kind, hold.reason) for hold in held.holds()]
    assert [kind for kind, _ in told] == [HoldKind.FREEZE, HoldKind.GATE, HoldKind.GATE]
    assert [reason for _, reason in told[1:]] == ["a rule requires check ci", "a rule requires check lint"]
    held.say("ci", "passed", place=held.newest())
    assert [hold.reason for hold in held.holds()[1:]] == ["a rule requires check lint"]


def test_a_rule_about_other_dags_requires_nothing(held: Facts) -> None:
    held.platform("rules: [{name: tested, dags: {ids: [b]}, require: {check: {name: ci}}}]")
    assert held.holds() == ()


def test_the_gates_of_a_policy_are_none_that_a_rule_requires(held: Facts) -> None:
    """They are steps of the rollout that its promote begins."""
    held.platform("policies: [{name: p, dags: all, steps: [{check: {name: ci}}, release]}]")
    assert held.holds() == ()


# Approvals


@pytest.fixture
def asking() -> Facts:
    """Build 2 is at its approval, that a rule requires of two."""
    made = Facts()
    made.push(a=File(body=0))
    made.platform(approvals(2))
    made.push(a=File(body=1))
    assert made.states() == ["waiting"]
    return made


def test_approvals_count_in_the_rollout_in_which_they_were_given_and_nowhere_else(asking: Facts) -> None:
    asking.do(Verb.PIN)
    assert asking.states() == ["withdrawn"]
    for who in ("ann", "cyd"):
        asking.say("approve", "passed", by=who, rollout=asking.last)
    assert asking.unmet() == ["a rule requires 2 approvals"]


def test_what_a_check_says_is_no_approval(asking: Facts) -> None:
    asking.do(Verb.PIN)
    asking.platform(approvals(1))
    asking.say("approve", "passed", place=asking.newest(), by="bot")
    assert asking.unmet() == ["a rule requires 1 approval"]


# Waits


def test_a_wait_for_idle_is_met_while_no_run_of_the_dag_is_active(held: Facts) -> None:
    held.platform(IDLE)
    assert held.unmet() == []
    held.trigger("r")
    assert held.unmet() == ["a rule requires that no run of the Dag is active"]
    held.finish("r", None)
    assert held.unmet() == ["a rule requires that no run of the Dag is active"]
    held.airflow.end_run("a", "r", "failed")
    assert held.unmet() == []


def test_a_run_of_another_dag_keeps_none_from_being_idle(held: Facts) -> None:
    held.push(b=File())
    held.platform(IDLE)
    held.trigger("r", dag_id="b")
    found = held.found("a", "b")
    assert [found[dag_id].facts.gates.idle for dag_id in ("a", "b")] == [True, False]
    assert [len(found[dag_id].facts.closed) for dag_id in ("a", "b")] == [0, 1]


def test_whether_a_dag_is_idle_is_not_looked_at_where_nothing_waits_for_it(held: Facts) -> None:
    held.platform(CI)
    assert held.found()["a"].facts.gates.idle is None


def test_a_wait_until_an_instant_is_met_from_that_on(held: Facts) -> None:
    at = (held.now() + timedelta(hours=2)).replace(second=0, microsecond=0)
    held.platform(f"rules: [{{name: then, require: {{wait: {{until: '{at.isoformat()}'}}}}}}]")
    told = [f"a rule requires to wait until {at:%Y-%m-%d %H:%M} UTC"]
    held.airflow.now = at - timedelta(seconds=1)
    assert held.unmet() == told
    held.airflow.now = at
    assert held.unmet() == []


def test_a_time_that_must_go_by_has_not_gone_by_outside_of_a_rollout(held: Facts) -> None:
    held.platform("rules: [{name: later, require: {wait: {for: 1h}}}]")
    held.airflow.tick(86_400)
    assert held.unmet() == ["a rule requires a time to go by"]


# The rollout ahead


def test_gates_of_its_own_plan_are_not_asked_of_a_rollout_and_those_of_later_rules_are() -> None:
    world = Facts()
    world.push(a=File(body=0))
    world.platform(CI)
    world.push(a=File(body=1))
    assert world.unmet() == [], "it is at that gate"
    world.platform(f"{CI[:-1]}, {{name: linted, require: {{check: {{name: lint}}}}}}]")
    assert world.unmet() == ["a rule requires check lint"]
    world.say("lint", "passed", place=world.last.place)
    assert world.unmet() == []


def test_of_a_place_alone_each_gate_is_asked_although_a_rollout_has_it_ahead() -> None:
    world = Facts()
    world.push(a=File(body=0))
    world.platform(CI)
    world.push(a=File(body=1))
    place = world.last.place
    assert world.unmet(place=place, alone=True) == CI_UNMET
    assert world.unmet(place=place) == []
    world.say("ci", "passed", place=place)
    assert world.unmet(place=place, alone=True) == []


def test_rules_are_asked_of_the_place_of_the_rollout_and_not_of_one_that_came_after_it() -> None:
    """Its policy lets newer ones queue."""
    world = Facts()
    world.push(a=File(body=0))
    queue = "policies: [{name: p, dags: all, newer: queue, steps: [{check: {name: own}}, release]}]"
    world.platform(queue)
    world.push(a=File(body=1))
    world.push(a=File(body=2))
    found = world.found()["a"].facts
    assert found.ahead is not None and found.newest is not None
    assert found.ahead.place != found.newest.place
    world.platform(f"{CI}\n{queue}")
    world.say("ci", "passed", place=found.newest.place)
    assert world.unmet() == CI_UNMET
    world.say("ci", "passed", place=found.ahead.place)
    assert world.unmet() == []


def test_what_is_closed_at_the_instant_that_is_asked_for_is_told_apart(held: Facts) -> None:
    at = (held.now() + timedelta(hours=2)).replace(microsecond=0)
    held.platform(f"rules: [{{name: month end, freeze: {{from: '{at.isoformat()}', reason: month end}}}}]")
    found = held.found(asked=Asked(at=at))["a"].facts
    assert found.closed == ()
    assert [hold.kind for hold in found.closed_then] == [HoldKind.FREEZE]
    before = held.found(asked=Asked(at=at - timedelta(seconds=1)))["a"].facts
    assert before.closed_then == ()
    assert held.found()["a"].facts.closed_then == ()


# Eras, rejections


def test_an_era_over_the_present_is_told_with_who_made_it_and_until_when(held: Facts) -> None:
    held.platform(CI)
    assert held.found()["a"].facts.era is None
    Dated(held).set("2019-01-01", None, reason="restated")
    era = held.found()["a"].facts.era
    assert era is not None
    assert (era.kind, era.reason, era.by, era.until) == (HoldKind.ERA, "restated", "ada", None)
    assert era.since is not None and era.since <= held.now()


def test_an_era_of_the_past_holds_nothing(held: Facts) -> None:
    held.platform(CI)
    Dated(held).set("2019-01-01", "2020-01-01")
    assert held.found()["a"].facts.era is None


@pytest.fixture
def spread() -> Facts:
    """Build 2 stands in three versions, of which the second was named and the last is the newest."""
    made = Facts()
    made.push(a=File(body=0))
    made.do(Verb.PIN)
    made.platform(CI)
    made.push(a=File(body=1))
    made.push(a=File(body=1), b=File(body=1))
    made.push(a=File(body=1), b=File(body=2))
    return made


def named_ones(spread: Facts) -> dict[int, Place]:
    """By its place in the order of versions, each place of build 2."""
    from pinwheel.store import tables as t

    build_id = spread.newest().build_id
    return {
        row.seq: Place(build_id=build_id, version=row.version)
        for row in spread.rows(t.bundle_version)
        if row.seq > 1
    }


def rejected(world: Facts, place: Place) -> set[Place]:
    return set(world.found(asked=Asked(place=place))["a"].facts.rejected)


def test_a_rejected_build_is_so_in_each_of_its_places(spread: Facts) -> None:
    places = named_ones(spread)
    spread.reject(places[2].build_id)
    newest = spread.newest()
    assert all(rejected(spread, place) == {place, newest} for place in places.values())


def test_where_versions_are_rejected_only_the_places_in_them_are(spread: Facts) -> None:
    places = named_ones(spread)
    first, second, third = sorted(places)
    spread.reject(places[first].build_id, first=second, last=second)
    assert rejected(spread, places[first]) == set()
    assert rejected(spread, places[second]) == {places[second]}
    assert rejected(spread, places[third]) == set()
    spread.reject(places[first].build_id, first=third, last=third)
    assert rejected(spread, places[second]) == {places[second], places[third]}, "the newest is named too"


def test_of_a_version_that_nobody_knows_only_a_rejection_of_all_versions_holds(spread: Facts) -> None:
    places = named_ones(spread)
    lost = Place(build_id=places[2].build_id, version="lost")
    spread.reject(lost.build_id, first=1, last=99)
    assert lost not in rejected(spread, lost)
    spread.reject(lost.build_id)
    assert lost in rejected(spread, lost)


# How much is read


@contextmanager
def statements(world: Facts) -> Iterator[list[str]]:
    seen: list[str] = []
    engine = world.host.unit.connection.engine  # type: ignore[attr-defined]

    def note(_conn: Any, _cursor: Any, text: str, *_: Any) -> None:
        seen.append(text)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


EVERYTHING = (
    "rules: [{name: tested, require: {check: {name: ci}}}, {name: four eyes, require: {approve: {}}}, "
    "{name: idle, require: {wait: {idle: true}}}, {name: month end, freeze: {}}]\n"
    "policies: [{name: p, dags: {tags: [x]}, steps: [{check: {name: own}}, release]}]"
)


def test_as_many_statements_for_fifty_dags_as_for_five() -> None:
    world = Facts()
    ids = [f"d{number}" for number in range(50)]
    world.push(**{dag_id: File(tags=("x",)) for dag_id in ids})
    world.platform(EVERYTHING)
    world.push(**{dag_id: File(tags=("x",), body=1) for dag_id in ids})
    world.do_all(Verb.PIN, *ids[::2])
    counts = []
    for some in (ids[:5], ids):
        with statements(world) as seen:
            found = world.found(*some)
        assert all(found[dag_id].facts.closed for dag_id in some)
        assert {found[dag_id].facts.ahead is None for dag_id in some} == {True, False}
        counts.append(len(seen))
    assert counts[0] == counts[1] > 0


def test_where_there_is_neither_a_rule_nor_a_policy_nor_a_rollout_one_statement_finds_that_out(
    held: Facts,
) -> None:
    rows = held.host.unit.run(lambda s: dags.rows(s, ["a"]))
    with statements(held) as seen:
        assert held.host.unit.run(lambda s: facts.know(s, rows)).nothing
    assert len(seen) == 1
