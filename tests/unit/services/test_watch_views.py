"""What is told of a release under watch: how far it is, where it goes back, and why it was rolled back."""

from __future__ import annotations

import pytest

from harness.pushing import File
from harness.rolling import Rolling
from pinwheel.cli import context, main
from pinwheel.cli.backend.local import LocalBackend
from pinwheel.core.rollout.waiting import Awaited
from pinwheel.services.policy.explain import explain
from pinwheel.services.rollout import show
from pinwheel.services.show import fleet, line
from pinwheel.services.show.fleet import FleetPage, Wish

WATCH = "policies: [{name: watched, dags: all, steps: [release, {soak: {at_most: 7d}}]}]"


def watched(before: int = 10, *, failed: int = 0) -> Rolling:
    """Build 1 of ``a`` ran so often, of which so many failed at first; then build 2 was released."""
    made = Rolling()
    made.push(a=File(body=0))
    made.ran(*(f"bad-{n}" for n in range(failed)), failed="failed")
    made.ran(*(f"before-{n}" for n in range(before - failed)))
    made.platform(WATCH)
    made.push(a=File(body=1))
    return made


def version(world: Rolling, at: int = 0) -> str:
    """The one with which the active build came, shortened as it is told."""
    proven = world.last.proven
    assert proven is not None
    return proven.version[:8]


def page(world: Rolling) -> FleetPage:
    return fleet.fleet(world.host, Wish(order_by="attention"), lambda: {"a", "b"})


def test_a_watched_release_tells_how_far_it_is_what_it_is_compared_with_and_where_it_goes_back() -> None:
    world = watched()
    world.ran("one", "two", "three")
    view = show.of_dag(world.host, "a")
    assert view.waits_for.kind is Awaited.RUNS
    assert view.waits_for.words.startswith("3 of 5 runs ended well; at most until ")
    assert view.steps[-1].words == (
        "it is watched: 5 runs; 1w at most; rolled back when more of 5 runs fail than of any 5 in a row of "
        "the 50 before"
    )
    assert view.watch is not None and view.watch.goes_back_to is not None
    assert (view.watch.release, view.watch.compared_with) == (2, "build 1: none of 10 failed")
    assert view.watch.goes_back_to.build == 1
    assert view.watch.back == f"goes back to build 1 at {version(world)}"
    status = world.status()
    assert status.watch is not None
    assert (status.watch.state, status.watch.words) == ("watching", view.waits_for.words)
    assert (status.watch.back, status.watch.release) == (view.watch.back, 2)


def test_what_failed_before_is_told_as_the_most_of_five() -> None:
    world = watched(before=12, failed=2)
    status = world.status()
    assert status.watch is not None
    assert status.watch.compared_with == "build 1: never more than 2 of 5 in 12"


def test_where_no_place_is_proven_it_is_said_what_will_pause() -> None:
    world = watched(before=4)
    status = world.status()
    assert status.watch is not None and status.watch.goes_back_to is None
    assert status.watch.compared_with == "build 1: 0 of 4 failed, too few to tell"
    assert status.watch.back == "no place is proven: 2 failures in 5 runs will pause"


def test_a_paused_watch_waits_for_a_person_and_comes_first_in_the_fleet() -> None:
    world = watched(before=4)
    world.push(b=File(body=0))
    world.ran("one", "two", failed="failed")
    world.turn()
    view = show.of_dag(world.host, "a")
    assert (view.state, view.cause, view.waits_for.kind) == ("paused", "no way back", Awaited.PERSON)
    assert "build 2 failed (one, two)" in (view.why or "")
    assert {act.verb for act in view.acts if act.problem is None} >= {"pause", "resume", "skip", "abort"}
    shown = page(world).dags
    assert [dag.dag_id for dag in shown] == ["a", "b"]
    assert shown[0].watch is not None and shown[1].watch is None
    assert (shown[0].watch.state, shown[0].watch.cause) == ("paused", "no way back")
    assert shown[0].watch.words == view.why


def test_a_release_that_was_rolled_back_by_itself_says_why_on_the_line() -> None:
    world = watched()
    assert [(r.release, r.watch and r.watch.state) for r in line.line(world.host, "a").releases] == [
        (2, "watching"),
        (1, None),
    ]
    world.ran("nightly", failed="failed")
    world.turn()
    third, second, first = line.line(world.host, "a").releases
    assert (third.kind, third.actor, third.watch, first.watch) == ("rollback", "pinwheel", None, None)
    assert second.watch is not None
    assert second.watch.state == "rolled_back"
    assert second.watch.words == third.reason == world.status().reason
    assert "a run of build 2 failed (nightly); build 1: none of 10" in second.watch.words
    assert world.status().watch is None
    view = show.of_dag(world.host, "a")
    assert (view.state, view.why) == ("rolled_back", second.watch.words)
    assert view.watch is not None and view.watch.compared_with == "build 1: none of 10 failed"
    assert view.watch.back is None


def test_how_far_the_watch_is_stands_on_the_line_too() -> None:
    world = watched()
    world.ran("one")
    (second, _) = line.line(world.host, "a").releases
    assert second.watch is not None and second.watch.words.startswith("1 of 5 runs ended well")


def test_a_policy_is_explained_with_what_becomes_of_the_next_release() -> None:
    world = Rolling()
    world.push(a=File(body=0))
    assert explain(world.host, "a").back is None
    world.platform(WATCH)
    assert explain(world.host, "a").back == "no place is proven: 2 failures in 5 runs will pause"
    world.ran(*(f"before-{n}" for n in range(10)))
    assert (explain(world.host, "a").back or "").startswith("goes back to build 1 at ")
    world.push(a=File(body=1))
    under = world.status().watch
    assert under is not None and explain(world.host, "a").back == under.back


@pytest.mark.parametrize(
    ("rollback", "words"),
    [
        ("{when: never}", "nothing rolls it back"),
        ("{when: first-failure}", "rolled back when a run fails"),
        (
            "{when: {failures: 2, of: 3}, early: true, rerun_failed: true}",
            "rolled back when 2 of 3 runs fail, counted as soon as a task failed for good, and what failed "
            "runs again",
        ),
        (
            "{when: never, slower: true, deadline: missed, also: [{check: q}]}",
            "rolled back when 3 runs in a row are each slower than the slowest of the 20 before, or when a "
            "run misses a deadline, and none of the 20 before did, or when check q fails",
        ),
    ],
)
def test_what_rolls_back_is_a_part_of_the_plan_in_words(rollback: str, words: str) -> None:
    world = Rolling()
    world.push(a=File(body=0))
    world.platform(
        f"policies: [{{name: w, dags: all, steps: [release, {{soak: {{}}}}], rollback: {rollback}}}]"
    )
    assert explain(world.host, "a").steps[-1].says == f"it is watched: 5 runs; {words}"


def cli(
    world: Rolling, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: str
) -> str:
    monkeypatch.setattr(context, "make_backend", lambda args: LocalBackend(world.host, actor="ana"))
    monkeypatch.setenv("COLUMNS", "160")
    assert main.main(list(words)) == 0
    return capsys.readouterr().out


def test_the_command_line_tells_of_a_watch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = watched()
    world.ran("one", "two")
    back = f"goes back to build 1 at {version(world)}"
    told = cli(world, monkeypatch, capsys, "status", "a")
    assert "watched" in told
    assert "a release 2 is watched: 2 of 5 runs ended well" in told
    assert f"compared with build 1: none of 10 failed; if it is worse: {back}." in told
    told = cli(world, monkeypatch, capsys, "rollout", "show", "a")
    assert "compared with build 1: none of 10 failed\n" in told
    assert f"if it is worse: {back}\n" in told
    assert f"A release that is worse: {back}\n" in cli(world, monkeypatch, capsys, "policy", "explain", "a")


def test_the_command_line_tells_what_can_be_done_about_a_watch_that_is_paused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = watched(before=4)
    world.ran("one", "two", failed="failed")
    world.turn()
    told = cli(world, monkeypatch, capsys, "status", "a")
    assert "watch paused" in told
    assert "a waits for somebody: the watch of release 2 is paused: no other place is proven: 2 of 2" in told
    told = cli(world, monkeypatch, capsys, "rollout", "show", "a")
    for line_ in (
        "pinwheel rollout resume a: what caused the pause is set aside",
        "pinwheel rollout skip a --reason …: it is well, and proven by hand",
        "pinwheel rollout abort a --reason …: it stays, its watch ends",
        "pinwheel rollback a --reason …: new runs take the build before",
    ):
        assert line_ in told


def test_after_a_rollback_by_itself_the_command_line_names_the_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = watched()
    world.ran("nightly", failed="failed")
    world.turn()
    told = cli(world, monkeypatch, capsys, "status", "a")
    assert "a was rolled back by itself at " in told
    assert "a run of build 2 failed (nightly); build 1: none of 10." in told
    assert "build 2 is not released by itself: pinwheel rejected it" in told
    assert "nightly" in told
    told = cli(world, monkeypatch, capsys, "rollout", "show", "a")
    assert "rolled_back: a run of build 2 failed (nightly)" in told
