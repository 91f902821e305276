"""Why a Dag is held: the same on every surface, and who rolled back last is who holds it."""

from __future__ import annotations

from typing import Any

import pytest

from harness import asked
from harness.inprocess_api import API, Api
from harness.operations import World
from harness.prebuilt import Text
from harness.ruled import CHECK, Ruled
from pinwheel.core.release.decide import Verb
from pinwheel.services import change
from pinwheel.services.show import fleet, status
from pinwheel.services.show.plain import plain_all
from pinwheel.services.upkeep import uninstall


@pytest.fixture
def world(airflow_database: Any) -> World:
    return World()


def do(world: World, verb: Verb, actor: str, reason: str, dag_id: str = "a", **more: Any) -> Any:
    wanted = asked.change(verb=verb, dag_ids=[dag_id], actor=actor, reason=reason, **more)
    return change.apply(world.host, wanted)[0]


def holds_everywhere(world: World) -> dict[str, Any]:
    """By Dag what holds it, as status says; the other surfaces agree."""
    api = Api(world.host).as_("a", "b", "c")
    found = {view.dag_id: plain_all(view.holds) for view in status.status(world.host)}
    held = {dag_id for dag_id, holds in found.items() if holds}
    shown = fleet.fleet(world.host, fleet.Wish(), lambda: set(found))
    by_rest = {
        **{f"dags/{dag_id}": [api.get(f"{API}/dags/{dag_id}").json()] for dag_id in found},
        "dags": api.get(f"{API}/dags").json()["dags"],
        "fleet": api.get(f"{API}/fleet").json()["dags"],
    }
    for where, rows in {"fleet": plain_all(shown.dags), **by_rest}.items():
        for row in rows:
            assert (row["held"], row["holds"]) == (row["dag_id"] in held, found[row["dag_id"]]), where
    assert shown.counts.held == len(held)
    for path in ("dags", "fleet"):
        filtered = api.get(f"{API}/{path}", params={"held": True}).json()["dags"]
        assert {row["dag_id"] for row in filtered} == held
    assert uninstall.plan(world.host).held == tuple(sorted(held))
    return found


def test_every_surface_tells_the_same_of_what_is_held(world: World) -> None:
    assert holds_everywhere(world) == {"a": [], "b": [], "c": []}
    do(world, Verb.ROLLBACK, "ada", "wrong totals")
    do(world, Verb.PIN, "bob", "month end", "b")
    found = holds_everywhere(world)
    assert (found["b"], found["c"]) == ([], []), "what is pinned on its newest build is not held"
    said = {"reason": "wrong totals", "until": None, "by": "ada"}
    assert [hold.pop("since") is not None for hold in found["a"]] == [True, True]
    assert found["a"] == [{"kind": "pin", **said}, {"kind": "rejected", **said}]
    world.pusher.push({"b": Text("assets")})
    (hold,) = holds_everywhere(world)["b"]
    assert (hold["by"], hold["reason"]) == ("bob", "month end")
    do(world, Verb.PROMOTE, "eve", "checked", "b")
    do(world, Verb.UNPIN, "eve", "over")
    found = holds_everywhere(world)
    assert [hold["kind"] for hold in found.pop("a")] == ["rejected"]
    assert found == {"b": [], "c": []}
    do(world, Verb.LIFT, "eve", "it was right", build=2)
    assert holds_everywhere(world) == {"a": [], "b": [], "c": []}


def test_a_second_rollback_renews_who_holds_the_dag_why_and_since_when(world: World) -> None:
    world.pusher.push({"a": Text("assets")})
    do(world, Verb.ROLLBACK, "ada", "wrong totals")
    first, rejected = holds_everywhere(world)["a"]
    again = do(world, Verb.ROLLBACK, "bob", "wrong dates")
    assert (again.build, again.track) == (1, "pinned")
    second, still = holds_everywhere(world)["a"]
    assert (second["by"], second["reason"]) == ("bob", "wrong dates")
    assert second["since"] > first["since"]
    assert still == rejected, "the newest build was rejected by the first"
    # To what is active already: it says who holds it now, and releases nothing.
    third = do(world, Verb.ROLLBACK, "eve", "again", build=1)
    assert (third.changed, third.kind, third.release) == (True, None, again.release)
    assert [hold["by"] for hold in holds_everywhere(world)["a"]] == ["eve", "ada"]


@pytest.mark.acceptance("rollouts", 95)
def test_what_rules_and_rollouts_hold_is_told_alike_on_every_surface(world: World) -> None:
    ruled = Ruled(world)  # type: ignore[arg-type, unused-ignore]
    ruled.policy(CHECK, dags=ruled.only("a"))
    ruled.freeze(hours=2, dags=ruled.only("a", "b"))
    do(world, Verb.PIN, "bob", "month end", "c")
    world.pusher.push({"a": Text("assets"), "b": Text("assets"), "c": Text("assets")})
    found = holds_everywhere(world)
    kinds = {dag_id: [hold["kind"] for hold in holds] for dag_id, holds in found.items()}
    assert kinds == {"a": ["freeze", "gate"], "b": ["freeze"], "c": ["pin"]}
    freeze, gate = found["a"]
    assert freeze == found["b"][0]
    assert (freeze["by"], freeze["until"] is not None, freeze["since"] is not None) == ("ada", True, True)
    assert "check ci" in gate["reason"]
    ruled.lift()
    found = holds_everywhere(world)
    assert [[hold["kind"] for hold in found[dag_id]] for dag_id in "ac"] == [["gate"], ["pin"]]
