"""Each wake is lost: with the keeper's sweeps alone every rollout ends as it would have, later."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from harness.pushing import File
from harness.rolling import Rolling
from pinwheel.core.release.decide import Verb
from pinwheel.core.rule_request import RolloutRequest
from pinwheel.services.rollout import acts
from pinwheel.services.rollout.advance import Sweep
from pinwheel.services.rules.overriding import Who
from pinwheel.store import tables as t

CHECKED = "policies: [{name: checked, dags: all, steps: [{check: {name: ci}}, release]}]"
APPROVED = "policies: [{name: approved, dags: all, steps: [{approve: {}}, release]}]"
TIMED = "policies: [{name: timed, dags: all, steps: [{check: {name: ci, timeout: 4h}}, release]}]"
AN_HOUR = "policies: [{name: an hour, dags: all, steps: [{wait: {for: 1h}}, release]}]"
BY_HAND = "policies: [{name: by hand, dags: all, steps: [{release: by-hand}]}]"
FREEZE = "rules: [{name: month end, freeze: {reason: month end}}]"
MORNINGS = "rules: [{name: mornings, allow: {days: mon-fri, hours: '09:00-10:00', zone: UTC}}]"


class Heard(Rolling):
    """The keeper turns each second, and does what it was woken for."""

    def goes_on(self) -> None:
        while self.turn():
            pass


class Deaf(Rolling):
    """No rollout is ever due: who wakes one is not heard, and of no instant of its own is the keeper told."""

    def __init__(self) -> None:
        super().__init__()
        self.sweep = Sweep(self.host)

    def goes_on(self) -> None:
        self._forget()
        assert self.turn() == 0, "nothing is due"
        while self._swept():
            pass

    def _swept(self) -> int:
        self.airflow.tick(30)
        done = self.sweep.look()
        assert not done.faults, done.faults
        self._forget()
        return done.moved

    def _forget(self) -> None:
        self.host.unit.run(lambda session: session.execute(update(t.rollout).values(next_at=None)))


World = Heard | Deaf


def act(world: World, verb: str) -> None:
    world.airflow.tick(60)
    acts.act(world.host, RolloutRequest(dag_id="a", verb=verb, reason="because"), Who(actor="grace"))


def passes(world: World) -> None:
    world.platform(CHECKED)
    head = world.push(a=File(body=1))
    world.goes_on()
    world.say("ci", "passed", version=head)


def fails(world: World) -> None:
    world.platform(CHECKED)
    head = world.push(a=File(body=1))
    world.goes_on()
    world.say("ci", "failed", version=head)


def is_approved(world: World) -> None:
    world.platform(APPROVED)
    world.push(a=File(body=1))
    world.host.unit.run(lambda s: s.execute(update(t.rollout).values(authors=[])))
    world.goes_on()
    act(world, "approve")


def times_out(world: World) -> None:
    world.platform(TIMED)
    world.push(a=File(body=1))
    world.goes_on()
    world.airflow.tick(4 * 3600)


def waits_for_an_hour(world: World) -> None:
    world.platform(AN_HOUR)
    world.push(a=File(body=1))
    world.goes_on()
    world.airflow.tick(3600)


def freeze_is_lifted(world: World) -> None:
    world.platform(FREEZE)
    world.push(a=File(body=1))
    world.goes_on()
    world.platform("rules: []")


def window_opens(world: World) -> None:
    world.platform(MORNINGS)
    world.push(a=File(body=1))
    world.goes_on()
    world.airflow.tick(21.5 * 3600)


def is_promoted(world: World) -> None:
    world.platform(BY_HAND)
    world.push(a=File(body=1))
    world.goes_on()
    world.do(Verb.PROMOTE)


def is_promoted_at_an_instant_under_a_pin(world: World) -> None:
    world.do(Verb.PIN)
    world.push(a=File(body=1))
    world.do(Verb.PROMOTE, at=world.now() + timedelta(hours=2))
    world.goes_on()
    world.airflow.tick(2 * 3600)


def is_resumed_after_an_error(world: World) -> None:
    world.platform(CHECKED)
    head = world.push(a=File(body=1))
    world.say("ci", "error", version=head)
    world.goes_on()
    act(world, "resume")
    world.goes_on()
    world.say("ci", "passed", version=head)


def is_overtaken(world: World) -> None:
    world.platform(CHECKED)
    world.push(a=File(body=1))
    world.goes_on()
    world.say("ci", "passed", version=world.push(a=File(body=2)))


def is_unpinned(world: World) -> None:
    world.platform(CHECKED)
    world.do(Verb.PIN)
    world.say("ci", "passed", version=world.push(a=File(body=1)))
    world.do(Verb.UNPIN)


SCRIPTS: dict[Callable[[World], None], str] = {
    passes: "released",
    fails: "rejected",
    is_approved: "released",
    times_out: "paused",
    waits_for_an_hour: "released",
    freeze_is_lifted: "released",
    window_opens: "released",
    is_promoted: "released",
    is_promoted_at_an_instant_under_a_pin: "released",
    is_resumed_after_an_error: "released",
    is_overtaken: "released",
    is_unpinned: "released",
}


def ends(world: World) -> Any:
    """What became of the Dag and its rollouts, without when."""
    told = [
        (row.kind, row.details.get("state"), row.actor) for row in world.rows(t.event) if row.dag_id == "a"
    ]
    return world.states(), world.active(), world.ledger(), world.versions(), set(world.rejected()), told


@pytest.mark.acceptance("rollouts", 98)
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_with_every_wake_dropped_it_ends_the_same_later(script: Callable[[World], None]) -> None:
    heard, deaf = Heard(), Deaf()
    for world in (heard, deaf):
        world.push(a=File(body=0))
        script(world)
        world.goes_on()
    assert heard.states()[-1] == SCRIPTS[script]
    assert ends(deaf) == ends(heard)
    assert deaf.now() > heard.now()


@pytest.mark.acceptance("rollouts", 98)
def test_a_sweep_comes_to_each_of_many_live_rollouts_and_round_again() -> None:
    world = Deaf()
    many = [f"d{number:03}" for number in range(210)]
    world.push(**{dag_id: File() for dag_id in many})
    for body, some in enumerate((many, [many[0], many[-1]]), start=1):
        world.platform(FREEZE)
        world.push(**{dag_id: File(body=body) for dag_id in some})
        world.platform("rules: []")
        world.goes_on()
        assert {tuple(world.states(dag_id)) for dag_id in some} == {("released",) * body}
