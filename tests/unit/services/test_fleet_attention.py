"""The fleet as somebody on call asks for it: what needs attention, since when, of which tags."""

from __future__ import annotations

from typing import Any

import pytest

from harness.in_memory import InMemory
from harness.pushing import BROKEN, File
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import States
from pinwheel.services.show import fleet, news, status
from pinwheel.services.show.fleet import FleetPage

DAYS = 24 * 3600


def page(world: InMemory, **wish: Any) -> FleetPage:
    return fleet.fleet(world.host, fleet.Wish(**wish), lambda: set("abcdef"))


def ids(world: InMemory, **wish: Any) -> str:
    return "".join(dag.dag_id for dag in page(world, **wish).dags)


@pytest.fixture
def troubled(empty: InMemory) -> InMemory:
    """``a`` and ``f`` are well; ``b`` is held, ``c`` broken; ``d`` failed first, then ``e``."""
    empty.push(**{name: File() for name in "abcdef"})
    empty.do(Verb.PIN, "b", reason="month end")
    empty.push(b=File(body=1), c=BROKEN)
    for name in "de":
        empty.run(f"bad_{name}", "failed", dag_id=name)
    return empty


def test_what_needs_attention_comes_first_and_of_that_what_is_new(troubled: InMemory) -> None:
    assert ids(troubled, order_by="attention") == "edcbaf"
    assert ids(troubled) == "abcdef"
    troubled.run("good_e", "success", dag_id="e")
    assert ids(troubled, order_by="attention") == "edcbaf", "another good run mends no failed one"


def test_the_order_by_age_begins_with_what_is_so_for_longest(troubled: InMemory) -> None:
    assert ids(troubled, order_by="failing_since") == "deabcf"
    troubled.do(Verb.PIN, "a", reason="too")
    troubled.push(a=File(body=2))
    assert ids(troubled, order_by="pinned_since")[:2] == "ba"
    assert ids(troubled, order_by="waits_since")[:2] == "ba"


def test_the_page_says_since_when_a_dag_fails_and_since_when_something_waits(troubled: InMemory) -> None:
    found = {dag.dag_id: dag for dag in page(troubled).dags}
    newest = found["b"].newest
    assert newest is not None and found["b"].waits_since == newest.created_at
    assert found["a"].waits_since is None and found["a"].failing_since is None
    first = found["d"].failing_since
    assert first is not None
    troubled.run("worse", "failed", dag_id="d")
    again = {dag.dag_id: dag for dag in page(troubled).dags}
    assert again["d"].failing_since == first


def test_what_was_held_after_it_had_run_waits_since_it_is_held(troubled: InMemory) -> None:
    troubled.push(a=File(body=1))
    troubled.airflow.tick(30 * DAYS)
    troubled.do(Verb.ROLLBACK, "a", reason="wrong totals")
    found = {dag.dag_id: dag for dag in page(troubled).dags}["a"]
    assert found.newest is not None and found.newest.created_at < troubled.host.unit.now()
    assert found.waits_since == found.holds[0].since == troubled.host.unit.now()
    assert ids(troubled, order_by="waits_since")[:2] == "ba"


def test_pins_of_a_certain_age_are_found(troubled: InMemory) -> None:
    troubled.airflow.tick(10 * DAYS)
    troubled.do(Verb.PIN, "a", reason="new")
    troubled.airflow.tick(5 * DAYS)
    assert ids(troubled, pinned_days=1) == "ab"
    assert ids(troubled, pinned_days=14) == "b"
    assert ids(troubled, pinned_days=16) == ""


def test_several_tags_are_any_of_them_or_all_of_them(empty: InMemory) -> None:
    empty.push(a=File(tags=("x", "y")), b=File(tags=("x",)), c=File())
    assert ids(empty, tags=("x", "y")) == "ab"
    assert ids(empty, tags=("x", "y"), all_tags=True) == "a"
    assert ids(empty, tags=("x",), all_tags=True) == "ab"
    assert ids(empty, all_tags=True) == "abc"


def test_dags_that_are_behind_are_found_held_or_not(troubled: InMemory) -> None:
    behind = {dag.dag_id for dag in page(troubled).dags if dag.behind is not None}
    assert set(ids(troubled, behind=True)) == behind and "b" in behind
    assert set(ids(troubled, behind=False)) == set("abcdef") - behind


def test_broken_dags_are_counted_with_their_files(troubled: InMemory) -> None:
    counts = page(troubled).counts
    assert (counts.broken, counts.broken_files) == (1, 1)


def test_runs_that_may_not_be_seen_make_no_dag_failing(troubled: InMemory) -> None:
    found = fleet.fleet(
        troubled.host,
        fleet.Wish(order_by="attention"),
        lambda: set("abcdef"),
        sees_runs=lambda dag_ids: set(dag_ids) - {"e"},
    )
    assert [dag.dag_id for dag in found.dags] == list("dcbaef")
    assert found.counts.failing == 1
    assert {dag.dag_id: dag.failing_since for dag in found.dags}["e"] is None


@pytest.mark.parametrize("state", ["held", "pinned", "broken", "failing", "behind"])
def test_status_finds_what_the_fleets_filter_shows(troubled: InMemory, state: str) -> None:
    for wanted in (True, False):
        found = status.status(troubled.host, states=States(**{state: wanted}))
        assert "".join(view.dag_id for view in found) == ids(troubled, **{state: wanted})


def test_status_counts_runs_when_it_is_asked_to(troubled: InMemory) -> None:
    found = {view.dag_id: view.runs for view in status.status(troubled.host, runs=True)}
    assert found["d"] == {"failed": 1} and found["a"] == {}
    hidden = status.status(troubled.host, runs=True, sees_runs=lambda dag_ids: set(dag_ids) - {"d"})
    assert {view.dag_id: view.runs for view in hidden}["d"] is None


# News


def runs_told(world: InMemory) -> str | None:
    return news.news(world.host, after=None, dag_id=None, readable=set).runs


def test_the_news_tell_that_a_run_began_and_that_it_ended_and_nothing_while_nothing_happens(
    troubled: InMemory,
) -> None:
    before = runs_told(troubled)
    troubled.airflow.tick(60)
    assert runs_told(troubled) == before
    troubled.run("goes_on", None, dag_id="a")
    began = runs_told(troubled)
    assert began != before
    troubled.airflow.end_run("a", "goes_on", "success")
    from pinwheel.services.run import bindings

    bindings.record_outcomes(troubled.host)
    assert runs_told(troubled) not in (before, began)


def test_news_of_one_dag_are_asked_without_those_of_runs(troubled: InMemory) -> None:
    assert news.news(troubled.host, after=None, dag_id="a", readable=set).runs is None
