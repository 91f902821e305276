"""What checks say from outside: whatever they name, known yet or not, and what follows of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from harness.pushing import File
from harness.rolling import Rolling
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, Refused
from pinwheel.core.rule_request import CheckRequest
from pinwheel.services.rollout import checks
from pinwheel.services.rollout.checks import CheckSet
from pinwheel.services.show import builds
from pinwheel.store import tables as t

CHECKED = """
policies:
  - {name: checked, dags: all, steps: [{check: {name: ci}}, release]}
"""


@pytest.fixture
def rolling() -> Rolling:
    """The Dag ``a`` has build 1, which is active; each build waits for the check *ci* from now on."""
    made = Rolling()
    made.push(a=File())
    made.platform(CHECKED)
    return made


def say(world: Rolling, verdict: str = "passed", name: str = "ci", **more: Any) -> CheckSet:
    world.airflow.tick(1)
    return checks.set_check(world.host, CheckRequest(name=name, verdict=verdict, **more), actor="bot")


def digest(world: Rolling, number: int) -> str:
    (found,) = [each.digest for each in builds.builds(world.host, "a") if each.build == number]
    assert found is not None
    return found


def settle(world: Rolling) -> None:
    world.turn()
    world.turn()


@pytest.mark.acceptance("rollouts", 11)
def test_a_check_that_came_before_the_parse_counts(rolling: Rolling) -> None:
    coming = rolling.clone().push(a=File(body=1))
    said = say(rolling, bundle="dags", bundle_version=coming)
    assert said.rollouts == ()
    assert rolling.push(a=File(body=1)) == coming
    settle(rolling)
    assert (rolling.active(), rolling.states()) == ((2, 2), ["released"])


@pytest.mark.acceptance("rollouts", 12)
def test_a_verdict_on_a_digest_counts_for_the_same_build_from_another_commit(rolling: Rolling) -> None:
    rolling.push(a=File(body=1))
    rolling.push(b=File())
    said = say(rolling, digest=digest(rolling, 2))
    assert said.rollouts == (rolling.last.id,)
    settle(rolling)
    assert rolling.active() == (2, 2)


@pytest.mark.acceptance("rollouts", 13)
def test_a_check_of_another_build_or_bundle_never_counts(rolling: Rolling) -> None:
    rolling.push(a=File(body=1))
    for more in (
        {"digest": digest(rolling, 1)},
        {"dag_id": "a", "build": 1},
        {"bundle": "other", "bundle_version": rolling.last.place.version},
        {"bundle": "dags", "bundle_version": "v1"},
        {"name": "other", "dag_id": "a", "build": 2},
    ):
        said = say(rolling, **more)
        assert said.rollouts == () or said.name == "other"
    settle(rolling)
    assert (rolling.active(), rolling.states()) == ((1, 1), ["waiting"])
    said = say(rolling, dag_id="a", build=2)
    assert (said.bundle_version, said.rollouts) == (rolling.last.place.version, (rolling.last.id,))
    settle(rolling)
    assert rolling.active() == (2, 2)


def test_a_verdict_wakes_the_rollouts_that_it_is_about(rolling: Rolling) -> None:
    rolling.push(a=File(body=1))
    settle(rolling)
    assert rolling.next_at() == [None]
    say(rolling, "failed", bundle_version=rolling.last.place.version)
    assert rolling.next_at() == [rolling.now()]
    settle(rolling)
    assert (rolling.states(), list(rolling.rejected())) == (["rejected"], [2])


def test_a_verdict_that_has_expired_counts_no_more(rolling: Rolling) -> None:
    rolling.push(a=File(body=1))
    say(rolling, dag_id="a", build=2, expires_at=rolling.now() + timedelta(seconds=30))
    rolling.airflow.tick(60)
    settle(rolling)
    assert rolling.active() == (1, 1)


def test_without_a_name_it_is_the_only_bundle(rolling: Rolling) -> None:
    assert say(rolling, bundle_version="abc").bundle == "dags"
    nothing = Rolling()
    with pytest.raises(InvalidInput, match="no bundle yet"):
        say(nothing, bundle_version="abc")


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"dag_id": "a", "build": 9}, NotFound),
        ({"dag_id": "nope", "build": 1}, NotFound),
        ({"dag_id": "a", "build": 1, "bundle_version": "never"}, NotFound),
        ({"dag_id": "a", "build": 1, "bundle_version": "v3"}, Refused),
    ],
)
def test_a_place_that_never_was_is_refused(rolling: Rolling, more: Any, error: type[Exception]) -> None:
    rolling.push(a=File(body=1))
    more = {**more, **({"bundle_version": rolling.last.place.version} if error is Refused else {})}
    before = rolling.rows(t.verdict)
    with pytest.raises(error):
        say(rolling, **more)
    assert rolling.rows(t.verdict) == before


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({}, "or none"),
        ({"digest": "d", "bundle_version": "v"}, "more than one"),
        ({"digest": "d", "dag_id": "a", "build": 1}, "more than one"),
        ({"bundle": "dags", "bundle_version": "v", "dag_id": "a", "build": 1}, "more than one"),
        ({"dag_id": "a"}, "a part of what it is about is missing"),
        ({"build": 1}, "a part of what it is about is missing"),
        ({"bundle": "dags"}, "a part of what it is about is missing"),
        ({"digest": "d", "url": "javascript:alert(1)"}, "neither of http nor of https"),
        ({"digest": "d", "verdict": "skipped"}, "its verdict is skipped"),
    ],
)
def test_a_request_that_can_not_be_is_refused_before_anything_is_read(more: Any, found: str) -> None:
    with pytest.raises(InvalidInput, match=found):
        CheckRequest(**{"name": "ci", "verdict": "passed", **more})


def test_a_repeat_notes_nothing_and_answers_the_same(rolling: Rolling) -> None:
    rolling.push(a=File(body=1))
    asked = {"dag_id": "a", "build": 2, "request_id": "run-7", "url": "https://ci.example/7", "reason": "ok"}
    first = say(rolling, **asked)
    assert say(rolling, **asked) == first
    assert len(rolling.rows(t.verdict)) == 1
    with pytest.raises(Conflict, match="another request"):
        say(rolling, "failed", **asked)
    with pytest.raises(Conflict, match=r"Cannot set check ci: "):
        say(rolling, bundle_version="abc", request_id="run-7")
    assert say(rolling, **{**asked, "request_id": None}).id != first.id


def test_it_is_told_in_events_and_in_the_audit_log(rolling: Rolling) -> None:
    rolling.push(a=File(body=1))
    say(rolling, dag_id="a", build=2, url="https://ci.example/7", reason="all green")
    say(rolling, bundle_version="abc")
    event, unbound = rolling.events("verdict")
    assert (event.dag_id, event.actor, event.reason, event.build) == ("a", "bot", "all green", 2)
    assert unbound.dag_id is None
    assert (unbound.bundle, unbound.bundle_version) == ("dags", "abc")
    lines = [(each.event, each.actor) for each in rolling.airflow.tables.audit if each.actor == "bot"]
    assert lines == [("pinwheel_verdict", "bot")] * 2
    assert {"kind": "verdict"} in rolling.airflow.announced


def test_whoever_may_not_see_a_dag_is_not_told_of_its_rollout(rolling: Rolling) -> None:
    rolling.push(a=File(body=1))
    request = CheckRequest(name="ci", verdict="passed", digest=digest(rolling, 2))
    said = checks.set_check(rolling.host, request, actor="bot", sees=lambda dag_ids: ())
    assert said.rollouts == ()
