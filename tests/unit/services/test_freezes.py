"""Freezes made, listed and lifted by hand, on ports in memory; and what is told of a Dag's windows."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from harness.in_memory import InMemory
from harness.pushing import File
from harness.rollouts import rollout
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, PinwheelError, Refused
from pinwheel.core.event import EventKind
from pinwheel.core.release.rule import Rule
from pinwheel.core.request import Selection
from pinwheel.core.rollout.hold import Hold, HoldKind
from pinwheel.core.rollout.window import Deny, Freeze, Hours, Window
from pinwheel.core.rule_request import FreezeRequest, LiftRequest
from pinwheel.core.selector import Selector
from pinwheel.services.rollout import freeze
from pinwheel.services.rollout.freeze import FreezeChange
from pinwheel.services.rollout.windows import windows
from pinwheel.services.rules import judging
from pinwheel.store import dags, rollouts, rules
from pinwheel.store import tables as t

ALL = Selector(everything=True)
HOUR = timedelta(hours=1)


def now(world: InMemory) -> datetime:
    at: datetime = world.host.unit.now()
    return at


def frozen(world: InMemory, *ids: str, actor: str = "ada", sees: Any = None, **more: Any) -> FreezeChange:
    selector = more.pop("selector", None) or Selector(ids=ids or ("a",))
    asked = {"selection": Selection(selector=selector), "reason": "outage", **more}
    seeing = {} if sees is None else {"sees": sees}
    return freeze.freeze(world.host, FreezeRequest(**asked), actor=actor, **seeing)


def lifted(world: InMemory, name: str | None, *, actor: str = "ada", **more: Any) -> FreezeChange:
    asked = {"name": name, "reason": more.pop("reason", "it is over")}
    request = LiftRequest(**asked, request_id=more.pop("request_id", None))
    return freeze.lift(world.host, request, actor=actor, **more)


def closed(world: InMemory, dag_id: str = "a", at: datetime | None = None) -> tuple[Hold, ...]:
    def work(session: Any) -> tuple[Hold, ...]:
        rows = dags.rows(session, [dag_id])
        standing = judging.load(session, rows)
        about = judging.subjects(world.host, session, standing, rows)
        return standing.closed(about[dag_id], at or world.host.unit.now())

    return world.host.unit.run(work)


def put(world: InMemory, *wanted: Rule, document: str | None = "office") -> None:
    """Rules as they come with a document of the platform."""
    world.host.unit.run(
        lambda s: rules.add(s, wanted, document=document, actor="pat", reason=None, now=world.host.unit.now())
    )


def only(*seen: str) -> Any:
    return lambda dag_ids: set(dag_ids).intersection(seen)


# Made


def test_a_freeze_closes_what_it_selects_and_nothing_else(three: InMemory) -> None:
    made = frozen(three, "a", "b")
    assert (made.changed, made.message, made.freeze.dags) == (True, "it holds", 2)
    (held,) = closed(three)
    assert (held.kind, held.by, held.until, held.since) == (HoldKind.FREEZE, "ada", None, now(three))
    assert held.reason == f"frozen until it is lifted: outage (rule {made.freeze.name})"
    assert closed(three, "b") and not closed(three, "c")


def test_a_freeze_with_an_end_opens_by_itself_at_that_instant(world: InMemory) -> None:
    end = now(world) + HOUR
    frozen(world, until=end)
    assert closed(world, at=end - timedelta(seconds=1))[0].until == end
    assert closed(world, at=end) == ()


def test_a_freeze_that_begins_later_closes_nothing_before(world: InMemory) -> None:
    begin = now(world) + HOUR
    made = frozen(world, since=begin)
    assert made.freeze.since == begin
    assert closed(world, at=begin - timedelta(seconds=1)) == ()
    assert closed(world, at=begin)[0].since == begin


def test_dags_that_come_later_are_frozen_by_the_selector_that_means_them(world: InMemory) -> None:
    frozen(world, selector=ALL)
    world.push(late=File())
    assert closed(world, "late")


def test_a_selector_goes_by_the_tags_of_what_is_active(empty: InMemory) -> None:
    empty.push(a=File(tags=("finance",)), b=File())
    made = frozen(empty, selector=Selector(tags=("finance",), everything=True))
    assert (made.freeze.dags, made.freeze.dag_ids) == (1, ("a",))
    assert closed(empty, "a") and not closed(empty, "b")


def test_each_freeze_has_a_name_of_its_own_also_after_one_is_lifted(world: InMemory) -> None:
    first = frozen(world).freeze.name
    lifted(world, first)
    second, third = frozen(world).freeze.name, frozen(world).freeze.name
    assert len({first, second, third}) == 3


def test_a_plan_says_what_would_be_frozen_and_writes_nothing(three: InMemory) -> None:
    before = three.everything()
    planned = frozen(three, selector=Selector(globs=("?",)), plan=True)
    assert (planned.changed, planned.freeze.name, planned.freeze.dag_ids) == (True, None, ("a", "b", "c"))
    assert three.everything() == before


def test_a_retired_dag_is_counted_only_where_it_is_named(three: InMemory) -> None:
    three.remove("c")
    assert frozen(three, selector=ALL).freeze.dag_ids == ("a", "b")
    assert frozen(three, "c").freeze.dag_ids == ("c",)


@pytest.mark.parametrize("reason", ["", "  \n"])
def test_nobody_freezes_or_lifts_without_a_reason(world: InMemory, reason: str) -> None:
    with pytest.raises(InvalidInput, match="no reason is given"):
        frozen(world, reason=reason)
    made = frozen(world)
    with pytest.raises(InvalidInput, match="no reason is given"):
        lifted(world, made.freeze.name, reason=reason)
    assert closed(world)


def test_what_can_not_be_frozen_is_refused_and_leaves_nothing(world: InMemory) -> None:
    before = world.everything()
    many = tuple(f"d{number}" for number in range(501))
    cases: list[tuple[type[PinwheelError], str, dict[str, Any]]] = [
        (InvalidInput, "it would be over already", {"until": now(world)}),
        (InvalidInput, "it ends before it begins", {"since": now(world) + HOUR, "until": now(world) + HOUR}),
        (InvalidInput, "its reason has 251 letters", {"reason": "x" * 251}),
        (InvalidInput, "the year 9999 is given", {"until": datetime(9999, 1, 1, tzinfo=UTC)}),
        (InvalidInput, "the year 1 is given", {"since": datetime(1, 6, 1, tzinfo=UTC)}),
        (InvalidInput, "no Dag is named", {"selector": Selector()}),
        (InvalidInput, "501 ids are given", {"selector": Selector(ids=many)}),
        (InvalidInput, "it can not be kept", {"override": (" ",)}),
        (InvalidInput, "a override is empty", {"override": ("",)}),
        (NotFound, "Pinwheel has no build of it", {"selector": Selector(ids=("a", "nope"))}),
        (NotFound, "no Dag matches", {"selector": Selector(globs=("nope*",))}),
        (NotFound, "no Dag matches", {"selector": Selector(ids=("a",), bundle="other")}),
    ]
    for kind, found, more in cases:
        with pytest.raises(kind, match=found):
            frozen(world, **more)
    assert world.everything() == before


def test_a_request_with_an_id_freezes_once_and_is_answered_the_same_when_it_is_over(world: InMemory) -> None:
    asked = {"until": now(world) + HOUR, "request_id": "k"}
    first = frozen(world, **asked)
    world.airflow.tick(7200)
    again = frozen(world, **asked)
    assert (again.changed, again.message) == (False, "this request was carried out before")
    assert again.freeze == first.freeze
    assert len(world.rows(t.rule)) == 1
    with pytest.raises(Conflict, match="stands for another request"):
        frozen(world, reason="other", **asked)
    with pytest.raises(Conflict, match=r"^Cannot lift a freeze: the request id 'k' stands for another"):
        lifted(world, first.freeze.name, request_id="k")


def test_live_rollouts_are_looked_at_at_once_when_a_freeze_is_made_or_lifted(world: InMemory) -> None:
    def wait() -> None:
        world.host.unit.run(lambda s: s.execute(update(t.rollout).values(next_at=now(world) + 9 * HOUR)))

    def next_at() -> datetime:
        at: datetime = world.host.unit.run(lambda s: s.scalars(select(t.rollout.c.next_at)).one())
        return at

    one = rollout(world.row().newest_build_id, dag_id="a")
    world.host.unit.run(lambda s: rollouts.add(s, one, next_at=None))
    wait()
    made = frozen(world)
    assert next_at() == now(world)
    wait()
    lifted(world, made.freeze.name)
    assert next_at() == now(world)


# Written down


def test_who_froze_and_lifted_and_why_is_in_the_events_of_each_dag_that_was_named(three: InMemory) -> None:
    made = frozen(three, "a", "b")
    lifted(three, made.freeze.name, actor="bob")
    for dag_id in ("a", "b"):
        begun, ended = three.events("freeze", "freeze_lifted", dag_id=dag_id)
        assert (begun.kind, begun.actor, begun.reason) == (EventKind.FREEZE, "ada", "outage")
        assert (ended.kind, ended.actor, ended.reason) == (EventKind.FREEZE_LIFTED, "bob", "it is over")
        assert begun.rule == ended.rule == made.freeze.name
        assert begun.message == f"{dag_id} from {now(three):%Y-%m-%d %H:%M} UTC until it is lifted"
    lines = [(line.event, line.dag_id) for line in three.airflow.tables.audit if "freeze" in line.event]
    assert lines == [(f"pinwheel_{kind}", dag_id) for kind in ("freeze", "freeze_lifted") for dag_id in "ab"]
    told = [each["kind"] for each in three.airflow.announced if "freeze" in each["kind"]]
    assert told == ["freeze", "freeze_lifted"]


def test_a_freeze_of_dags_to_come_too_is_one_event_without_a_dag(three: InMemory) -> None:
    frozen(three, selector=ALL)
    (event,) = [row for row in three.rows(t.event) if row.kind == "freeze"]
    assert (event.dag_id, event.details["message"][:9]) == (None, "all Dags ")


# Lifted


def test_a_lifted_freeze_holds_no_more_and_its_record_stays(world: InMemory) -> None:
    made = frozen(world)
    done = lifted(world, made.freeze.name, actor="bob")
    assert (done.changed, done.message) == (True, "it holds no more")
    assert closed(world) == () and freeze.listed(world.host) == []
    (row,) = world.rows(t.rule)
    assert (row.actor, row.reason, row.lifted_by, row.lifted_reason) == ("ada", "outage", "bob", "it is over")
    with pytest.raises(NotFound, match="no freeze that holds or will hold is called so"):
        lifted(world, made.freeze.name)


def test_a_repeat_of_a_lift_is_answered_as_before(world: InMemory) -> None:
    made = frozen(world)
    first = lifted(world, made.freeze.name, request_id="k")
    again = lifted(world, made.freeze.name, request_id="k")
    assert (first.changed, again.changed) == (True, False)


def test_only_who_may_change_rules_lifts_what_somebody_else_made(world: InMemory) -> None:
    made = frozen(world, actor="bob")
    with pytest.raises(Refused, match="bob made it, and you may not change rules"):
        lifted(world, made.freeze.name, may_lift_others=False)
    assert closed(world)
    lifted(world, made.freeze.name, may_lift_others=True)
    assert not closed(world)


def test_ones_own_is_lifted_by_who_may_edit_all_dags_that_it_selects(three: InMemory) -> None:
    made = frozen(three, "a", "b")
    asked: list[Collection[str]] = []

    def may_not(dag_ids: Collection[str]) -> bool:
        asked.append(dag_ids)
        return False

    with pytest.raises(Refused, match="it selects Dags that you may not edit"):
        lifted(three, made.freeze.name, may_lift_others=False, may_edit=may_not)
    assert asked == [["a", "b"]] and closed(three)
    lifted(three, made.freeze.name, may_lift_others=False)
    assert not closed(three)


@pytest.mark.parametrize("may_lift_others", [True, False])
def test_nobody_lifts_a_documents_freeze_by_hand(world: InMemory, may_lift_others: bool) -> None:
    put(world, Rule(name="year-end", body=Freeze(reason="closing")))
    with pytest.raises(Refused, match="Change the document office, from which it comes"):
        lifted(world, "year-end", actor="pat", may_lift_others=may_lift_others)
    assert closed(world)


def test_a_window_is_no_freeze_that_could_be_lifted(world: InMemory) -> None:
    put(world, Rule(name="night", body=Deny((Window(zone="UTC"),))), document=None)
    with pytest.raises(NotFound):
        lifted(world, "night")
    assert freeze.listed(world.host) == []


# Listed


def test_what_is_listed_holds_or_will_hold(world: InMemory) -> None:
    put(world, Rule(name="year-end", body=Freeze(reason="closing"), override=("cfo",)))
    frozen(world, until=now(world) + HOUR)
    later = frozen(world, since=now(world) + 2 * HOUR)
    world.airflow.tick(3600)
    document, will = freeze.listed(world.host)
    assert (document.name, document.document, document.override) == ("year-end", "office", ("cfo",))
    assert (document.selector, document.by) == (ALL, "pat")
    assert will.name == later.freeze.name


def test_what_has_ended_is_lifted_when_the_next_one_is_made(world: InMemory) -> None:
    frozen(world, until=now(world) + HOUR)
    world.airflow.tick(3600)
    frozen(world)
    first, second = world.rows(t.rule)
    assert (first.lifted_by, first.lifted_reason, second.lifted_at) == ("pinwheel", "it has ended", None)


def test_nobody_is_told_of_dags_that_they_may_not_see(three: InMemory) -> None:
    frozen(three, "a", "b", reason="one")
    frozen(three, "c", reason="two")
    frozen(three, selector=ALL, reason="three")
    frozen(three, selector=Selector(globs=("b*",)), reason="four")
    told = {view.reason: view for view in freeze.listed(three.host, sees=only("a"))}
    assert {reason: (view.dags, view.dag_ids) for reason, view in told.items()} == {
        "one": (1, ("a",)),
        "three": (1, ("a",)),
        "four": (0, ()),
    }
    assert told["one"].selector == Selector(ids=("a",))


def test_a_freeze_of_unseen_dags_is_unknown_to_who_may_not_lift_others(three: InMemory) -> None:
    made = frozen(three, "c", actor="bob")
    with pytest.raises(NotFound):
        lifted(three, made.freeze.name, may_lift_others=False, sees=only("a"))


# Windows

NIGHT = Rule(name="night", body=Deny((Window(zone="UTC", hours=(Hours(22 * 60, 6 * 60),)),)))


def test_the_windows_of_a_dag_say_whether_it_is_open_why_not_and_what_comes(world: InMemory) -> None:
    put(world, NIGHT)
    evening = datetime(2026, 3, 2, 23, tzinfo=UTC)
    found = windows(world.host, "a", at=evening)
    morning = datetime(2026, 3, 3, 6, tzinfo=UTC)
    assert (found.open, found.next_change, found.next_opening) == (False, morning, morning)
    assert found.because == ("closed 22:00-06:00 (UTC) (rule night)",)
    (limit,) = found.limits
    assert (limit.rule, limit.says, limit.closes) == ("night", "closed 22:00-06:00 (UTC)", True)
    noon = windows(world.host, "a", at=datetime(2026, 3, 2, 12, tzinfo=UTC))
    assert (noon.open, noon.because, noon.limits[0].closes) == (True, (), False)
    assert noon.next_change == datetime(2026, 3, 2, 22, tzinfo=UTC)
    assert noon.next_opening == noon.at


def test_a_freeze_without_an_end_opens_at_no_instant_that_is_known(world: InMemory) -> None:
    made = frozen(world, "a", override=("cfo",))
    found = windows(world.host, "a")
    assert (found.at, found.open, found.next_opening) == (now(world), False, None)
    assert found.because == (f"frozen until it is lifted: outage (rule {made.freeze.name})",)
    assert (found.limits[0].override, found.limits[0].document, found.limits[0].by) == (("cfo",), None, "ada")


def test_without_rules_a_dag_is_always_open(world: InMemory) -> None:
    found = windows(world.host, "a")
    assert (found.open, found.next_change, found.next_opening, found.limits) == (True, None, found.at, ())


def test_windows_of_no_dag_or_of_no_time_are_not_told(world: InMemory) -> None:
    with pytest.raises(NotFound):
        windows(world.host, "nope")
    for year in (1, 9999):
        with pytest.raises(InvalidInput, match=f"the year {year} is given"):
            windows(world.host, "a", at=datetime(year, 6, 1, tzinfo=UTC))
