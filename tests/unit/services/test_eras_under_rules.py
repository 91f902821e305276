"""An era over data from now on asks what a release asks; that of the past alone asks nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from harness.dated import Dated
from harness.in_memory import InMemory
from harness.pushing import File
from harness.ruled import CHECK, Ruled
from pinwheel.core.errors import Conflict, InvalidInput, Refused
from pinwheel.core.event import EventKind
from pinwheel.core.request import EraWish, TimelineRequest
from pinwheel.core.rollout.gate import Answer
from pinwheel.services.timeline import change
from pinwheel.store import tables as t

pytestmark = pytest.mark.acceptance("rollouts", 77)


@pytest.fixture
def ruled(world: InMemory) -> Ruled:
    return Ruled(world)


@pytest.fixture
def dated(world: InMemory) -> Dated:
    """The Dag ``a`` has build 1 and, active, build 2; no timeline."""
    return Dated(world)


def said(dated: Dated) -> list[dict[str, Any]]:
    return [event.details for event in dated.world.rows(t.event) if event.kind == EventKind.TIMELINE_SET]


def tomorrow(dated: Dated) -> str:
    return f"{dated.host.unit.now() + timedelta(days=1):%Y-%m-%d}"


@pytest.mark.parametrize("plan", [False, True])
@pytest.mark.parametrize("shut", ["freeze", "window", "require"])
def test_an_era_over_the_present_is_refused_while_a_rule_is_closed(
    dated: Dated, ruled: Ruled, shut: str, plan: bool
) -> None:
    getattr(ruled, shut)()
    with pytest.raises(Conflict) as caught:
        dated.set("2019-01-01", None, plan=plan)
    assert caught.value.facts["problem"] == "rule-closed"
    assert (dated.show().revision, said(dated)) == (0, [])


def test_the_refusal_names_the_rule_and_when_it_opens(dated: Dated, ruled: Ruled) -> None:
    ruled.freeze(hours=2)
    with pytest.raises(Conflict, match=r"rule month-end\); it opens at 20\d\d-"):
        dated.set(None, None)


def test_an_era_of_later_dates_is_refused_too(dated: Dated, ruled: Ruled) -> None:
    ruled.freeze()
    with pytest.raises(Conflict):
        dated.set(tomorrow(dated), None)


def test_an_era_of_the_past_alone_asks_nothing(dated: Dated, ruled: Ruled) -> None:
    ruled.freeze()
    assert dated.set("2019-01-01", "2020-01-01").changed


def test_what_new_runs_use_already_may_be_written_down(dated: Dated, ruled: Ruled) -> None:
    ruled.freeze()
    assert dated.set("2019-01-01", None, build=2).changed


def test_to_give_dates_back_to_the_active_release_asks_nothing(dated: Dated, ruled: Ruled) -> None:
    dated.set("2019-01-01", None)
    ruled.freeze()
    assert dated.unset("2021-01-01", None).changed
    assert dated.ask("put").changed


def test_a_required_check_lets_the_place_pass_that_it_is_of(dated: Dated, ruled: Ruled) -> None:
    ruled.require(CHECK)
    first, second = dated.world.versions()
    assert first is not None and second is not None
    ruled.says(Answer.PASSED, build=2, version=second)
    with pytest.raises(Conflict):
        dated.set("2019-01-01", None)
    ruled.says(Answer.PASSED, build=1, version=first)
    assert dated.set("2019-01-01", None).changed


def test_it_goes_past_a_closed_rule_with_a_reason_and_the_event_names_the_rule(
    dated: Dated, ruled: Ruled
) -> None:
    ruled.freeze()
    ruled.require(CHECK)
    with pytest.raises(InvalidInput):
        dated.set("2019-01-01", None, now=True)
    dated.set("2019-01-01", None, now=True, reason="wrong rates since May")
    (details,) = said(dated)
    assert details["overrides"] == ["rule month-end", "rule tested"]
    audit = dated.world.side.audit("pinwheel_timeline_set")
    assert len(audit) == 1


def test_only_those_whom_the_rule_names_go_past_it(dated: Dated, ruled: Ruled) -> None:
    ruled.freeze(override=("incident",))
    asked = TimelineRequest(
        dag_id="a",
        verb="set",
        eras=(EraWish(starts="2019-01-01", build=1),),
        now=True,
        reason="wrong rates",
    )
    with pytest.raises(Refused) as caught:
        change.change(dated.host, asked, actor="ada", sleep=dated.looking)
    assert caught.value.facts["problem"] == "may-not-override"
    made = change.change(dated.host, asked, actor="ada", names=frozenset({"incident"}), sleep=dated.looking)
    assert made.changed


def test_without_a_closed_rule_nothing_is_overridden(dated: Dated, ruled: Ruled) -> None:
    ruled.freeze(dags=ruled.only("b"))
    dated.set("2019-01-01", None, now=True, reason="to be sure")
    assert [details.get("overrides") for details in said(dated)] == [None]


@pytest.mark.acceptance("rollouts", 94)
def test_under_an_era_over_the_present_a_rollout_is_held_and_goes_on_when_that_ends(
    dated: Dated, ruled: Ruled
) -> None:
    dated.set("2019-01-01", None, reason="the old rates")
    ruled.policy(CHECK)
    dated.world.push(a=File(tasks=("x", "y"), body=2))
    (ahead,) = ruled.live()
    ruled.says(Answer.PASSED, build=3, version=ahead.place.version)
    before = dated.spans()
    ruled.keep()
    ruled.keep(7200)
    hold = dated.world.status().holds[0]
    assert (hold.kind, hold.reason, hold.by) == ("era", "the old rates", "ada")
    assert (dated.world.active(), dated.spans()) == ((2, 2), before)
    dated.unset("2019-01-01", None)
    ruled.keep(0)
    assert dated.world.active() == (3, 3)
    assert ruled.kinds() == []
