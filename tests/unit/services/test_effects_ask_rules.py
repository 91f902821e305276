"""Whatever makes new runs use another place asks the rules in its transaction; the way back never does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from attrs import frozen

from harness.dated import Dated
from harness.in_memory import InMemory
from harness.pushing import File
from harness.ruled import CHECK, Ruled
from pinwheel.core.errors import Conflict
from pinwheel.core.release.decide import Verb
from pinwheel.core.rollout.gate import Answer
from pinwheel.core.rollout.steps import Check
from pinwheel.services.ingest import adopt
from pinwheel.services.ports.memory.airflow import DagRow, VersionRow
from pinwheel.services.release.same_build import release_again
from pinwheel.services.upkeep import repair
from pinwheel.store import tables as t

pytestmark = pytest.mark.acceptance("rollouts", 77)

SHUT = ("window", "freeze", "require")


@frozen
class Effect:
    """What changes the place of new runs, and what must have happened before."""

    does: Callable[[Ruled], object]
    before: Callable[[Ruled], object] = lambda ruled: None


def _held(ruled: Ruled) -> None:
    """Build 2 is active and pinned; builds 3 and 4 wait."""
    ruled.world.do(Verb.PIN)
    ruled.world.push(a=File(body=2))
    ruled.world.push(a=File(body=3))


def _on_its_way(ruled: Ruled) -> None:
    """Build 3 waits for a check, that has passed, and for a keeper."""
    ruled.policy(Check(name="own"))
    ruled.world.push(a=File(body=2))
    ruled.says(Answer.PASSED, build=3, version=ruled.live()[0].place.version, name="own")


def _stands(ruled: Ruled) -> None:
    """Build 2 stands in a later version whose data its bundle's class gives, and nobody looked since."""
    ruled.freeze(name="passing")
    ruled.world.push(a=File(body=1), b=File())
    ruled.lift()
    ruled.host.unit.run(lambda s: s.execute(t.bundle_version.update().values(version_data={"is": "x"})))


EFFECTS = {
    "promote": Effect(lambda r: r.world.do(Verb.PROMOTE), _held),
    "promote a named build": Effect(lambda r: r.world.do(Verb.PROMOTE, build=3), _held),
    "pin --build": Effect(lambda r: r.world.do(Verb.PIN, build=1)),
    "unpin": Effect(lambda r: r.world.do(Verb.UNPIN), _held),
    "a build arrives": Effect(lambda r: r.world.push(a=File(body=2))),
    "the release step of a rollout": Effect(lambda r: r.keep(), _on_its_way),
    "a follow": Effect(lambda r: r.world.push(a=File(body=1), b=File())),
    "an era over the present": Effect(lambda r: Dated(r.world).set("2019-01-01", None)),
    "the same build in a version with data": Effect(lambda r: release_again(r.host, "dags"), _stands),
}


def prepared(world: InMemory, effect: Effect) -> Ruled:
    ruled = Ruled(world)
    effect.before(ruled)
    return ruled


def used(world: InMemory) -> tuple[Any, ...]:
    """What new runs of ``a`` use: build and version of the release, and the eras of its timeline."""
    eras = Dated(world).show().stretches
    # A dated Dag carries a mark on its version.
    places = [(each.from_, each.until, each.bundle_version) for each in eras if not each.gap]
    return world.active()[1], (world.airflow_has()[1] or "").split("?")[0], places


@pytest.mark.parametrize("shut", SHUT)
@pytest.mark.parametrize("name", EFFECTS)
def test_what_has_an_effect_has_none_while_a_rule_is_closed(world: InMemory, name: str, shut: str) -> None:
    effect = EFFECTS[name]
    ruled = prepared(world, effect)
    getattr(ruled, shut)()
    before = used(world)
    try:
        effect.does(ruled)
    except Conflict as refused:
        assert refused.facts["problem"] == "rule-closed"
    assert used(world) == before


@pytest.mark.parametrize("name", EFFECTS)
def test_without_a_closed_rule_each_of_them_has_its_effect(world: InMemory, name: str) -> None:
    effect = EFFECTS[name]
    ruled = prepared(world, effect)
    ruled.freeze(dags=ruled.only("another"))
    before = used(world)
    effect.does(ruled)
    assert used(world) != before


def _way_back(ruled: Ruled) -> None:
    ruled.world.do(Verb.ROLLBACK)
    assert ruled.world.active()[1] == 1


def _way_back_to_a_build(ruled: Ruled) -> None:
    ruled.world.do(Verb.ROLLBACK, build=1)
    assert ruled.world.active()[1] == 1


def _way_back_of_an_era(ruled: Ruled) -> None:
    dated = Dated(ruled.world)
    dated.set("2019-01-01", None, build=2, now=True, reason="of the test")
    ruled.world.do(Verb.ROLLBACK, eras="replace", reason="wrong")
    assert dated.spans()[1][2] == 1


def _end_of_an_era(ruled: Ruled) -> None:
    dated = Dated(ruled.world)
    dated.set("2019-01-01", None, build=1, now=True, reason="of the test")
    dated.unset("2019-01-01", None)
    assert dated.spans() == [(None, None, 2, True)]


def _retire(ruled: Ruled) -> None:
    ruled.world.remove("a")
    ruled.world.airflow.tick(3600)
    ruled.world.push(b=File())
    assert ruled.world.status().retired


def _repair(ruled: Ruled) -> None:
    before = ruled.world.airflow_has()
    ruled.world.airflow.change_dag("a", None)
    repair.repair_drift(ruled.host)
    assert ruled.world.airflow_has() == before


def _first_build(ruled: Ruled) -> None:
    ruled.world.push(b=File())
    assert ruled.world.active("b") == (1, 1)


def _adoption(ruled: Ruled) -> None:
    airflow, version = ruled.world.airflow, uuid4()
    airflow.tables.dags["z"] = DagRow(
        dag_id="z", bundle_name="dags", bundle_version="v7", relative_fileloc="z.py"
    )
    airflow.tables.versions[version] = VersionRow(
        id=version,
        dag_id="z",
        number=7,
        bundle_name="dags",
        bundle_version="v7",
        version_data=None,
        created_at=airflow.now,
        serialized=File().serialized("z", "z.py"),
        code=File().source.decode(),
    )
    assert adopt.adopt(ruled.host) == ["z"]
    assert ruled.world.ledger("z") == [(7, 1, "adopt")]


NEVER = {
    "a rollback": _way_back,
    "a rollback to a build": _way_back_to_a_build,
    "a rollback that replaces an era": _way_back_of_an_era,
    "the end of an era": _end_of_an_era,
    "a retirement": _retire,
    "a repair": _repair,
    "a first build": pytest.param(_first_build, marks=pytest.mark.acceptance("rollouts", 9)),
    "an adoption": _adoption,
}


@pytest.mark.parametrize("passes", NEVER.values(), ids=NEVER)
def test_the_way_back_and_what_has_nothing_before_it_pass_all_that_is_closed(
    world: InMemory, passes: Callable[[Ruled], None]
) -> None:
    ruled = Ruled(world)
    ruled.freeze()
    ruled.window()
    ruled.require(CHECK)
    ruled.policy(CHECK)
    passes(ruled)
