"""Timelines: set, unset, put whole, refused, shown, as of a time, checked, and the runs that do not match."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from attrs import evolve
from sqlalchemy import delete, update

from harness.dated import Dated
from harness.in_memory import InMemory
from harness.pushing import File
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, PinwheelError, Refused
from pinwheel.core.event import EventKind
from pinwheel.core.release.decide import Verb
from pinwheel.core.request import EraWish, TimelineRequest
from pinwheel.core.run.mark import is_marked
from pinwheel.services.timeline import change, check, clear_runs, show
from pinwheel.store import bindings, builds, keeping, prune, start_rules, timelines
from pinwheel.store import tables as t


@pytest.fixture
def dated(world: InMemory) -> Dated:
    """The Dag ``a`` has build 1 and, active, build 2; no timeline."""
    return Dated(world)


def problem(caught: pytest.ExceptionInfo[PinwheelError]) -> str | None:
    found: str | None = caught.value.facts.get("problem")
    return found


def events_of(dated: Dated, *kinds: EventKind) -> list[Any]:
    return [event for event in dated.world.rows(t.event) if event.kind in kinds]


def is_dated(world: InMemory) -> bool:
    return bool(world.host.unit.run(lambda s: start_rules.dated(s, ["a"])))


# Set and unset


def test_a_dag_without_a_timeline_is_one_gap(dated: Dated) -> None:
    shown = dated.show()
    assert (shown.revision, shown.zone, shown.actor) == (0, "UTC", None)
    assert dated.spans() == [(None, None, 2, True)]


def test_an_era_is_set_at_the_newest_version_in_which_its_build_stood(dated: Dated) -> None:
    made = dated.set("2019-01-01", "2020-01-01", reason="on premise")
    assert (made.changed, made.revision, made.from_revision) == (True, 1, 0)
    (stretch,) = made.changes
    assert (stretch.from_build, stretch.to_build) == (None, 1)
    assert stretch.bundle_version == dated.world.versions()[0]
    assert dated.spans() == [
        (None, "2019-01-01", 2, True),
        ("2019-01-01", "2020-01-01", 1, False),
        ("2020-01-01", None, 2, True),
    ]
    assert is_dated(dated.world)
    row = dated.world.row()
    assert is_marked(row.row_version) and is_marked(dated.world.airflow_has()[1])


def test_what_is_set_is_in_the_events_and_in_airflows_audit_log(dated: Dated) -> None:
    dated.set("2019-01-01", None, reason="first attempt")
    dated.unset("2021-01-01", None)
    first, second = events_of(dated, EventKind.TIMELINE_SET, EventKind.TIMELINE_UNSET)
    assert (first.kind, first.actor, first.reason) == ("timeline_set", "ada", "first attempt")
    assert first.details["changes"] == ["2019-01-01 → …: the active release → build 1"]
    assert second.details == {"revision": 2, "changes": ["2021-01-01 → …: build 1 → the active release"]}
    lines = [line.event for line in dated.world.airflow.tables.audit if "timeline" in line.event]
    assert lines == ["pinwheel_timeline_set", "pinwheel_timeline_unset"]
    announced = [each["kind"] for each in dated.world.airflow.announced if "timeline" in each["kind"]]
    assert announced == ["timeline_set", "timeline_unset"]


@pytest.mark.acceptance("dates", 14)
def test_set_cuts_what_is_there_and_unset_leaves_a_gap(dated: Dated) -> None:
    dated.set(None, "2024-01-01")
    dated.set("2019-01-01", "2020-01-01", build=2)
    assert [(each[0], each[1], each[2]) for each in dated.spans() if not each[3]] == [
        (None, "2019-01-01", 1),
        ("2019-01-01", "2020-01-01", 2),
        ("2020-01-01", "2024-01-01", 1),
    ]
    dated.unset("2018-01-01", "2022-01-01")
    assert dated.spans() == [
        (None, "2018-01-01", 1, False),
        ("2018-01-01", "2022-01-01", 2, True),
        ("2022-01-01", "2024-01-01", 1, False),
        ("2024-01-01", None, 2, True),
    ]


@pytest.mark.acceptance("dates", 14)
def test_eras_of_a_whole_timeline_that_overlap_are_refused_and_both_are_named(dated: Dated) -> None:
    with pytest.raises(InvalidInput) as caught:
        dated.ask(
            "put",
            EraWish(starts="2019-01-01", until="2020-06-01", build=1),
            EraWish(starts="2020-01-01", until="2021-01-01", build=2),
        )
    assert problem(caught) == "era-overlap"
    assert "2020-01-01 → 2021-01-01 on build 2" in caught.value.message
    assert "2019-01-01 → 2020-06-01 on build 1" in caught.value.message


def test_without_any_era_the_timeline_ends_and_the_dag_is_dated_no_longer(dated: Dated) -> None:
    dated.set("2019-01-01", None)
    made = dated.ask("put")
    assert made.revision == 2
    assert dated.spans() == [(None, None, 2, True)]
    assert not is_dated(dated.world)
    assert not is_marked(dated.world.airflow_has()[1])


def test_what_the_timeline_says_already_makes_no_revision(dated: Dated) -> None:
    dated.set("2019-01-01", "2020-01-01")
    again = dated.set("2019-01-01", "2020-01-01")
    assert (again.changed, again.revision) == (False, 1)
    assert len(show.revisions(dated.host, "a")) == 1


def test_a_plan_writes_nothing_of_the_timeline_and_says_what_would_change(dated: Dated) -> None:
    dated.world.trigger("r", build=None)
    planned = dated.set("2019-01-01", None, plan=True)
    assert planned.changed and planned.revision == 1
    assert (planned.runs, planned.differ) == (1, 0), "it waits: it would take what its date asks for"
    assert dated.show().revision == 0
    assert not is_dated(dated.world)


def test_a_whole_timeline_keeps_the_places_of_eras_that_stay(dated: Dated) -> None:
    dated.set("2019-01-01", "2020-01-01")
    place = dated.show().stretches[1].bundle_version
    dated.world.do(Verb.ROLLBACK, "a", build=1, to_blame=False)
    dated.world.push(a=File())
    kept = EraWish(starts="2019-01-01", until="2020-01-01", build=1)
    dated.ask("put", kept, EraWish(starts="2021-01-01", until=None, build=2))
    stretches = dated.show().stretches
    assert (stretches[1].bundle_version, stretches[1].since_revision) == (place, 1)
    assert stretches[3].since_revision == 2


# Repeats, stale revisions


@pytest.mark.acceptance("dates", 15)
def test_one_key_changes_once_and_a_stale_revision_is_a_conflict(dated: Dated) -> None:
    first = dated.set("2019-01-01", None, request_id="k", expected_revision=0)
    again = dated.set("2019-01-01", None, request_id="k", expected_revision=0)
    assert (again.changed, again.revision, again.changes) == (False, first.revision, first.changes)
    assert len(show.revisions(dated.host, "a")) == 1
    with pytest.raises(Conflict, match="its newest revision is 1, not 0") as caught:
        dated.set("2020-01-01", None, build=2, expected_revision=0)
    assert problem(caught) == "stale-revision"
    with pytest.raises(Conflict, match="stands for another request") as caught:
        dated.set("2020-01-01", None, build=2, request_id="k")
    assert caught.value.message.startswith("Cannot change the timeline of a: the request id 'k' stands for")
    assert ": change the timeline of a. " in caught.value.message


# Refused before anything is written


def refused(dated: Dated, *args: Any, **more: Any) -> pytest.ExceptionInfo[PinwheelError]:
    before = dated.host.unit.run(lambda s: timelines.newest(s, ["a"]))
    with pytest.raises(PinwheelError) as caught:
        dated.set(*args, **more)
    assert dated.host.unit.run(lambda s: timelines.newest(s, ["a"])) == before
    assert not is_dated(dated.world)
    return caught


@pytest.mark.acceptance("dates", 16)
@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("version-not-fetchable", "not found at origin", "force-pushed away"),
        ("bundle-ignores-version", "it made /tmp/x", "takes a version that does not exist"),
        ("does-not-import", "ModuleNotFoundError: No module named 'pandas1'", "can not be imported here"),
    ],
)
def test_what_a_dag_processor_can_not_use_is_refused(dated: Dated, name: str, error: str, said: str) -> None:
    dated.looking.answers = {1: (name, error)}
    caught = refused(dated, "2019-01-01", "2020-01-01")
    assert (problem(caught), type(caught.value)) == (name, Refused)
    assert said in caught.value.message and error in caught.value.message
    assert caught.value.message.startswith("Cannot set 2019-01-01 → 2020-01-01 on build 1: ")
    assert dated.looking.asked == [1]


@pytest.mark.acceptance("dates", 16)
def test_what_does_not_import_is_set_by_force_with_a_warning(dated: Dated) -> None:
    dated.looking.answers = {1: ("does-not-import", "ImportError: x")}
    made = dated.set("2019-01-01", None, force=True)
    assert made.changed
    assert any("does not import here: ImportError: x" in said for said in made.warnings)
    dated.looking.answers = {2: ("version-not-fetchable", "gone")}
    with pytest.raises(Refused):
        dated.set("2020-01-01", None, build=2, force=True)


@pytest.mark.acceptance("dates", 16)
@pytest.mark.parametrize("alive", [True, False])
def test_without_an_answer_of_a_dag_processor_it_is_refused_unless_it_goes_unchecked(
    dated: Dated, alive: bool
) -> None:
    dated.looking.dead = True
    dated.world.airflow.processors = ["here"] if alive else []
    caught = refused(dated, "2019-01-01", None)
    assert problem(caught) == "not-checked"
    assert ("answered in time" if alive else "no Dag processor is alive") in caught.value.message
    made = dated.set("2019-01-01", None, unchecked=True)
    assert made.changed and any("was not looked at" in said for said in made.warnings)


@pytest.mark.acceptance("dates", 16)
def test_a_build_that_no_head_showed_is_refused(dated: Dated) -> None:
    caught = refused(dated, "2019-01-01", None, build=None, version="f" * 40)
    assert (problem(caught), type(caught.value)) == ("build-off-head", NotFound)
    dated.host.unit.run(lambda s: s.execute(delete(t.stand)))
    caught = refused(dated, "2019-01-01", None)
    assert (problem(caught), type(caught.value)) == ("build-off-head", Refused)


@pytest.mark.acceptance("dates", 16)
def test_a_build_that_stood_elsewhere_and_one_that_is_broken_or_unknown_are_refused(dated: Dated) -> None:
    versions = dated.world.versions()
    caught = refused(dated, "2019-01-01", None, build=1, version=versions[1])
    assert "build 2 stood there" in caught.value.message
    assert isinstance(refused(dated, "2019-01-01", None, build=99).value, NotFound)


@pytest.mark.acceptance("dates", 16)
def test_a_dag_of_a_bundle_without_versions_or_that_opts_out_of_them_is_refused(empty: InMemory) -> None:
    empty.push(a=File(unversioned=True))
    dated = Dated(empty)
    assert problem(refused(dated, "2019-01-01", None)) == "unversioned-bundle"
    empty.airflow.tables.bundles["dags"] = evolve(empty.airflow.bundle("dags"), versioned=False)
    assert problem(refused(dated, "2019-01-01", None)) == "unversioned-bundle"


@pytest.mark.acceptance("dates", 16)
def test_a_rejected_build_needs_a_reason_and_the_plan_says_who_rejected_it(dated: Dated) -> None:
    dated.world.do(Verb.REJECT, "a", build=1, reason="wrong for 2026")
    caught = refused(dated, "2019-01-01", None)
    assert problem(caught) == "build-rejected"
    assert "wrong for 2026" in caught.value.message
    planned = dated.set("2019-01-01", None, reason="right for 2019", plan=True)
    assert any("ada rejected it" in said and "wrong for 2026" in said for said in planned.warnings)
    assert dated.set("2019-01-01", None, reason="right for 2019").changed


def test_a_build_that_is_rejected_later_stays(dated: Dated) -> None:
    dated.set("2019-01-01", "2020-01-01")
    dated.world.do(Verb.REJECT, "a", build=1, reason="wrong for 2026")
    assert dated.spans()[1] == ("2019-01-01", "2020-01-01", 1, False)


@pytest.mark.acceptance("dates", 13)
@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("2019-09-08T00:30", "local-time-missing", "clocks go from 00:00 to 01:00"),
        ("2019-04-06T23:30", "local-time-twice", "comes twice in America/Santiago"),
    ],
)
def test_dates_are_written_in_the_zone_of_the_active_releases_dag(
    empty: InMemory, text: str, name: str, said: str
) -> None:
    empty.push(a=File(zone="America/Santiago"))
    dated = Dated(empty)
    caught = refused(dated, text, None)
    assert problem(caught) == name
    assert said in caught.value.message
    dated.set("2019-09-08", None)
    start = dated.show().stretches[1].starts_at
    assert start == datetime(2019, 9, 8, 4, tzinfo=UTC), "a day without midnight begins at one o'clock"
    assert dated.show().zone == "America/Santiago"


def test_a_later_change_of_zone_moves_nothing(empty: InMemory) -> None:
    empty.push(a=File(zone="America/Santiago"))
    dated = Dated(empty)
    dated.set("2019-01-01", "2020-01-01")
    before = dated.show().stretches[1]
    empty.push(a=File(zone="Europe/Warsaw"))
    dated.ask("put", EraWish(starts="2019-01-01", until="2020-01-01", build=1))
    after = dated.show().stretches[1]
    assert (after.starts_at, after.ends_at) == (before.starts_at, before.ends_at)
    assert dated.show().zone == "Europe/Warsaw"


def test_after_a_change_of_zone_edges_are_shown_so_that_they_can_be_named(empty: InMemory) -> None:
    empty.push(a=File(zone="America/New_York"))
    empty.push(a=File(body=1, zone="America/New_York"))
    dated = Dated(empty)
    dated.set("2019-01-01", "2020-01-01")
    empty.push(a=File(body=2, zone="Europe/Warsaw"))
    shown = dated.spans()
    first, last = "2019-01-01T06:00+01:00", "2020-01-01T06:00+01:00"
    assert shown[1] == (first, last, 1, False)
    kept, more = EraWish(starts=first, until=last, build=1), EraWish(starts=last, build=2)
    dated.ask("put", kept, more)
    assert [each[:3] for each in dated.spans()[1:]] == [(first, last, 1), (last, None, 2)]
    dated.unset(first, last)
    assert dated.spans() == [(None, last, 3, True), (last, None, 2, False)]


def test_what_is_no_date_is_refused_with_what_is(dated: Dated) -> None:
    with pytest.raises(InvalidInput, match=r"Cannot set tomorrow → ….*Cannot read 'tomorrow' as a date"):
        dated.set("tomorrow", None)
    with pytest.raises(InvalidInput, match="ends before it begins"):
        dated.set("2020-01-01", "2019-01-01")


def test_a_good_answer_is_asked_for_once_by_a_plan_and_what_follows_it(dated: Dated) -> None:
    dated.set("2019-01-01", None, plan=True)
    dated.set("2019-01-01", None)
    dated.set("2018-01-01", None)
    assert dated.looking.asked == [1]


# Shown


@pytest.mark.acceptance("dates", 14)
def test_a_date_is_answered_as_it_is_and_as_it_was_believed(dated: Dated) -> None:
    dated.set("2019-01-01", "2020-01-01", reason="first attempt", actor="ben")
    then = dated.world.airflow.now
    dated.world.airflow.tick(3600)
    dated.set("2019-01-01", "2020-01-01", build=2)
    asked = dated.show(at="2019-05", when=then.isoformat()).asked
    assert asked is not None and asked.then is not None and asked.now is not None
    assert (asked.then.build, asked.then.revision, asked.then.actor) == (1, 1, "ben")
    assert (asked.now.build, asked.now.revision) == (2, 2)
    early = dated.show(at="2019-05", when="2000-01-01").asked
    assert early is not None and early.then is None
    gap = dated.show(at="2030").asked
    assert gap is not None and gap.now is not None and gap.now.build is None


@pytest.mark.acceptance("dates", 14)
def test_a_date_is_answered_with_the_revision_that_said_so_of_it_and_not_with_the_newest(
    dated: Dated,
) -> None:
    dated.set(None, "2020-01-01", reason="on premise", actor="ana")
    dated.set("2020-01-01", "2024-01-01", build=2, reason="cloud", actor="ben")
    dated.unset("2022-01-01", "2023-01-01", reason="no logic of its own", actor="cleo")
    dated.set("2024-01-01", None, reason="back", actor="dan")
    then = dated.world.airflow.now
    dated.world.airflow.tick(3600)
    dated.set("2018-01-01", "2019-01-01", build=2, reason="later", actor="eva")
    for at, expected in {
        "2017": (1, "ana", "on premise", 1),
        "2021": (2, "ben", "cloud", 2),
        "2022-05": (3, "cleo", "no logic of its own", None),
        "2025": (4, "dan", "back", 1),
        "2018": (5, "eva", "later", 2),
    }.items():
        asked = dated.show(at=at, when=then.isoformat()).asked
        assert asked is not None and asked.then is not None and asked.now is not None
        now = asked.now
        assert (now.revision, now.actor, now.reason, now.build) == expected
        assert asked.then == (now if at != "2018" else asked.then)
        if at == "2018":
            assert (asked.then.revision, asked.then.actor, asked.then.build) == (1, "ana", 1)
    made = {one.revision: one for one in show.revisions(dated.host, "a")}
    asked = dated.show(at="2017").asked
    assert asked is not None and asked.now is not None and asked.now.at == made[1].at


@pytest.mark.acceptance("dates", 14)
def test_a_time_alone_shows_the_eras_that_were_believed_then(dated: Dated) -> None:
    on(dated, "r", "2019-05-01")
    dated.set("2019-01-01", "2020-01-01", reason="first attempt", actor="ben")
    then = dated.world.airflow.now
    dated.world.airflow.tick(3600)
    dated.set(None, "2019-06-01", build=2)
    shown = dated.show(when=then.isoformat())
    assert (shown.revision, shown.actor, shown.reason) == (1, "ben", "first attempt")
    assert [(one.from_, one.until, one.build, one.gap, one.counts) for one in shown.stretches] == [
        (None, "2019-01-01", None, True, None),
        ("2019-01-01", "2020-01-01", 1, False, None),
        ("2020-01-01", None, None, True, None),
    ], "what was active then, and how runs stood, is not told"
    early = dated.show(when="2000-01-01")
    assert (early.revision, early.at, len(early.stretches)) == (0, None, 1)


def test_whoever_may_not_see_runs_is_not_told_what_the_newest_is_like(dated: Dated) -> None:
    on(dated, "r", "2019-05-01")
    assert dated.show().dated_by is not None
    assert dated.show(runs=False).dated_by is None


def test_the_history_has_each_revision_with_all_its_eras_newest_first(dated: Dated) -> None:
    dated.set("2019-01-01", None, reason="one")
    dated.set("2020-01-01", None, build=2, reason="two")
    found = show.revisions(dated.host, "a")
    assert [(each.revision, each.verb, each.reason, len(each.eras)) for each in found] == [
        (2, "set", "two", 2),
        (1, "set", "one", 1),
    ]
    assert [era.since_revision for era in found[0].eras] == [1, 2]


def test_of_a_dag_that_nobody_has_nothing_is_shown_or_set(dated: Dated) -> None:
    with pytest.raises(NotFound, match="Cannot find Dag nope"):
        show.show(dated.host, "nope")
    with pytest.raises(NotFound, match="Cannot find Dag nope"):
        show.revisions(dated.host, "nope")
    with pytest.raises(NotFound, match="Cannot find Dag nope"):
        change.change(dated.host, TimelineRequest(dag_id="nope"), actor="ada", sleep=dated.looking)


# Runs


@pytest.mark.acceptance("dates", 19)
def test_queued_runs_get_the_new_era_and_started_ones_keep_what_they_have(dated: Dated) -> None:
    world = dated.world
    world.airflow.make_run("a", "waits")
    world.airflow.make_run("a", "runs")
    world.airflow.start_run("a", "runs")
    world.trigger("chosen", build=2)
    before = {key: row.bundle_version for key, row in world.airflow.tables.runs.items()}
    made = dated.set("2019-01-01", None)
    assert made.queued == 1
    after = {key[1]: row.bundle_version for key, row in world.airflow.tables.runs.items()}
    assert is_marked(after["waits"])
    assert after["runs"] == before["a", "runs"]
    assert after["chosen"] == before["a", "chosen"], "somebody chose its build"


@pytest.mark.acceptance("dates", 26, 27)
@pytest.mark.parametrize("verb", [Verb.ROLLBACK, None])
def test_a_run_that_was_born_while_the_mark_was_lost_is_no_choice_after_a_release(
    dated: Dated, verb: Verb | None
) -> None:
    world, tables = dated.world, dated.world.airflow.tables
    dated.set("2019-01-01", "2020-01-01")
    world.airflow.tick(60)
    world.airflow.change_dag("a", plain := world.versions()[-1])
    world.airflow.make_run("a", "born")
    # Airflow's API was asked for the bundle version of release 1 (3.4).
    world.airflow.make_run("a", "chosen")
    (first,) = (row for row in tables.versions.values() if row.dag_id == "a" and row.number == 1)
    chosen = evolve(tables.runs["a", "chosen"], dag_version_id=first.id, bundle_version=world.versions()[0])
    tables.runs["a", "chosen"] = chosen
    assert tables.runs["a", "born"].bundle_version == plain
    if verb is None:
        world.push(a=File(body=2))
    else:
        world.do(verb)
    assert is_marked(tables.runs["a", "born"].bundle_version)
    assert tables.runs["a", "chosen"] == chosen
    assert is_marked(world.airflow_has()[1])


def on(dated: Dated, run_id: str, day: str, *, build: int | None = None) -> None:
    """A run of that day's data that ended, as it did before there was a timeline."""
    world = dated.world
    world.trigger(run_id, logical_date=datetime.fromisoformat(day).replace(tzinfo=UTC), build=build)
    world.finish(run_id)


def test_runs_on_another_build_than_their_dates_are_found_and_those_by_hand_apart(dated: Dated) -> None:
    on(dated, "old", "2019-05-01")
    on(dated, "new", "2021-05-01")
    on(dated, "chosen", "2019-06-01", build=2)
    dated.set("2019-01-01", "2020-01-01")
    found = dated.check()
    assert (found.revision, found.runs, found.match, found.waiting) == (1, 3, 1, 0)
    assert [(each.run_id, each.build, each.wanted) for each in found.differ] == [("old", 2, 1)]
    assert [each.run_id for each in found.by_hand] == ["chosen"]
    counts = dated.show().stretches[1].counts
    assert counts is not None
    assert (counts.runs, counts.match, counts.by_hand) == (2, 0, 1)
    assert [(each.build, each.runs) for each in counts.others] == [(2, 1)]
    assert dated.show(runs=False).stretches[1].counts is None


@pytest.mark.acceptance("dates", 20)
def test_what_does_not_match_runs_again_on_the_build_of_its_date_each_run_once(dated: Dated) -> None:
    for month in range(1, 13):
        on(dated, f"m{month:02}", f"2019-{month:02}-01")
    on(dated, "later", "2020-02-01")
    dated.set("2019-01-01", "2020-01-01")
    planned = dated.clear(plan=True)
    assert [each.run_id for each in planned.runs] == [f"m{month:02}" for month in range(1, 13)]
    assert planned.instances == 12
    assert len(dated.check().differ) == 12, "a plan changes nothing"
    done = dated.clear(request_id="k")
    assert [each.run_id for each in done.runs] == [f"m{month:02}" for month in range(1, 13)], "oldest first"
    found = dated.check()
    assert (len(found.differ), found.waiting, found.match) == (0, 12, 1)
    bound = dated.world.rows(t.binding)
    last = [row for row in bound if row.run_id == "m01"][-1]
    assert (last.bound_by, last.revision, last.seq) == ("era", 1, 1)
    assert last.bundle_version == dated.world.versions()[0]
    dated.world.finish("m01", number=2)
    assert dated.check().match == 2
    assert dated.clear(request_id="k").runs == ()


@pytest.mark.acceptance("dates", 20)
def test_a_clear_that_was_killed_in_the_middle_goes_on_and_clears_each_run_once(
    dated: Dated, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clear_runs, "AT_ONCE", 5)
    for day in range(1, 13):
        on(dated, f"d{day:02}", f"2019-03-{day:02}")
    dated.set("2019-01-01", "2020-01-01")
    work, times = clear_runs._clear, []

    def killed(*args: Any, **more: Any) -> Any:
        times.append(1)
        if len(times) == 3:
            raise KeyboardInterrupt
        return work(*args, **more)

    monkeypatch.setattr(clear_runs, "_clear", killed)
    with pytest.raises(KeyboardInterrupt):
        dated.clear(request_id="k")
    assert len(dated.check().differ) == 2
    rest = dated.clear(request_id="k")
    assert [each.run_id for each in rest.runs] == ["d11", "d12"]
    cleared = events_of(dated, EventKind.CLEAR)
    assert sorted(event.details["run_id"] for event in cleared) == [f"d{day:02}" for day in range(1, 13)]


def test_runs_that_run_are_left_and_named(dated: Dated) -> None:
    on(dated, "ended", "2019-05-01")
    dated.world.trigger("goes on", logical_date=datetime(2019, 6, 1, tzinfo=UTC))
    dated.world.finish("goes on", None)
    dated.set("2019-01-01", "2020-01-01")
    done = dated.clear()
    assert [each.run_id for each in done.runs] == ["ended"]
    assert done.running == ("goes on",)


def test_some_runs_are_cleared_by_name(dated: Dated) -> None:
    on(dated, "one", "2019-05-01")
    on(dated, "two", "2019-06-01")
    dated.set("2019-01-01", "2020-01-01")
    assert [each.run_id for each in dated.clear(run_ids=["two"]).runs] == ["two"]
    with pytest.raises(NotFound, match="Cannot find run nope"):
        dated.clear(run_ids=["nope"])


def test_a_run_of_an_era_that_is_gone_runs_again_on_the_active_release(dated: Dated) -> None:
    on(dated, "r", "2019-05-01")
    dated.set("2019-01-01", "2020-01-01")
    dated.clear()
    dated.world.finish("r", number=2)
    dated.unset("2019-01-01", "2020-01-01")
    (found,) = dated.check().differ
    assert (found.run_id, found.build, found.wanted) == ("r", 1, 2)
    dated.clear()
    dated.world.finish("r", number=3)
    assert dated.check().differ == ()


# Life with releases


@pytest.mark.acceptance("dates", 17)
def test_a_rollback_under_an_era_over_the_present_needs_a_choice(dated: Dated) -> None:
    dated.set("2020-01-01", None, build=2, reason="cloud")
    with pytest.raises(Refused) as caught:
        dated.world.do(Verb.ROLLBACK, reason="wrong")
    assert problem(caught) == "rollback-has-no-effect"
    assert "2020-01-01 → …, the present among it, is for build 2 (set by ada)" in caught.value.message
    assert dated.world.active() == (2, 2)


@pytest.mark.acceptance("dates", 17)
def test_a_rollback_that_replaces_the_era_does_both_in_one_transaction(dated: Dated) -> None:
    dated.set("2019-01-01", "2020-01-01", build=2)
    dated.set("2020-01-01", None, build=2)
    done = dated.world.do(Verb.ROLLBACK, reason="wrong", eras="replace")
    assert dated.world.active() == (3, 1)
    assert [(each[0], each[1], each[2]) for each in dated.spans() if not each[3]] == [
        ("2019-01-01", "2020-01-01", 2),
        ("2020-01-01", None, 1),
    ]
    assert any("2020-01-01 → … is for build 1 from now on, no longer for 2" in said for said in done.warnings)
    assert any("build 1 was not looked at" in said for said in done.warnings)
    assert any(
        "2019-01-01 → 2020-01-01 stays on build 2, which is rejected" in said for said in done.warnings
    )
    assert show.revisions(dated.host, "a")[0].reason == "wrong"
    assert is_marked(dated.world.airflow_has()[1])


@pytest.mark.acceptance("dates", 17)
def test_a_rollback_that_keeps_the_era_says_what_stays(dated: Dated) -> None:
    dated.set("2020-01-01", None, build=2)
    planned = dated.world.plan(Verb.ROLLBACK, eras="keep")[0]
    assert any("the present among it, stays on build 2" in said for said in planned.warnings)
    dated.world.do(Verb.ROLLBACK, eras="keep")
    assert dated.world.active() == (3, 1)
    assert dated.spans()[1][2] == 2
    with pytest.raises(InvalidInput, match="eras goes with rollback only"):
        dated.world.do(Verb.PIN, eras="keep")


def failed_on(dated: Dated, run_id: str, day: str, *, build: int | None = None) -> None:
    """A run of that day's data that failed."""
    at = datetime.fromisoformat(day).replace(tzinfo=UTC)
    dated.world.trigger(run_id, logical_date=at, build=build)
    dated.world.finish(run_id, "failed")


def last_of(dated: Dated, run_id: str) -> tuple[int | None, str, int]:
    """Of a run's last row in the ledger: its build, who chose that, and for which start."""
    rows = dated.host.unit.run(lambda s: bindings.of_runs(s, "a", [run_id]))[run_id]
    return rows[-1].build_id, str(rows[-1].bound_by), rows[-1].seq


@pytest.mark.acceptance("dates", 17)
@pytest.mark.parametrize("how", ["rerun_failed", "rerun_whole"])
def test_failed_runs_of_an_era_stay_with_it_when_its_build_is_rolled_back(dated: Dated, how: str) -> None:
    failed_on(dated, "before_the_era", "2019-04-01")
    dated.set("2019-01-01", "2020-01-01", build=2)
    failed_on(dated, "of_2019", "2019-05-01")
    failed_on(dated, "of_2019_by_hand", "2019-06-01", build=2)
    failed_on(dated, "of_2021", "2021-05-01")
    runs = ("of_2019_by_hand", "of_2021")
    for planned in (dated.world.plan(Verb.ROLLBACK)[0], dated.world.plan(Verb.ROLLBACK, **{how: True})[0]):
        assert sorted(planned.failed_runs) == sorted(runs)
    assert sorted(planned.rerun) == sorted(runs)
    done = dated.world.do(Verb.ROLLBACK, **{how: True})
    assert sorted(done.rerun) == sorted(runs)
    assert last_of(dated, "before_the_era") == (2, "active", 0)
    assert last_of(dated, "of_2019") == (2, "era", 0)
    assert [last_of(dated, run_id) for run_id in runs] == [(1, "hand", 1)] * 2


@pytest.mark.acceptance("dates", 17)
def test_failed_runs_of_the_era_that_a_rollback_replaces_run_again_by_their_dates(dated: Dated) -> None:
    dated.set("2019-01-01", "2020-01-01", build=2)
    dated.set("2020-01-01", None, build=2)
    failed_on(dated, "of_2019", "2019-05-01")
    failed_on(dated, "of_2021", "2021-05-01")
    (kept,) = dated.world.plan(Verb.ROLLBACK, eras="keep", rerun_failed=True)
    assert kept.rerun == ()
    (planned,) = dated.world.plan(Verb.ROLLBACK, eras="replace", rerun_failed=True)
    done = dated.world.do(Verb.ROLLBACK, eras="replace", rerun_failed=True)
    assert planned.rerun == done.rerun == ("of_2021",)
    assert planned.rerun_tasks == done.rerun_tasks
    assert last_of(dated, "of_2019") == (2, "era", 0)
    assert last_of(dated, "of_2021") == (1, "era", 1)
    dated.world.finish("of_2021", number=2)
    assert dated.check().differ == ()


@pytest.mark.acceptance("dates", 17)
def test_the_era_that_is_replaced_need_not_be_of_the_active_build(dated: Dated) -> None:
    dated.world.push(a=File(body=2))
    dated.set("2020-01-01", None, build=2)
    failed_on(dated, "of_2021", "2021-05-01")
    failed_on(dated, "of_2021_by_hand", "2021-06-01", build=2)
    done = dated.world.do(Verb.ROLLBACK, eras="replace", build=1, rerun_failed=True)
    assert done.rerun == ("of_2021",)
    assert last_of(dated, "of_2021") == (1, "era", 1)


def test_an_era_over_the_present_is_told_with_its_plan_and_with_its_answer(dated: Dated) -> None:
    said = (
        "data of 2020-01-01 → …, the present among it, is for build 1: releases and rollbacks "
        "have no effect on new runs meanwhile"
    )
    assert said in dated.set("2020-01-01", None, plan=True).warnings
    assert said in dated.set("2020-01-01", None).warnings
    for made in (
        dated.set("2019-01-01", "2020-01-01"),
        dated.unset("2019-01-01", "2020-01-01"),
        dated.set("2020-01-01", None),
        dated.unset("2020-01-01", None),
    ):
        assert not any("the present among it" in one for one in made.warnings)


def test_that_workers_may_have_other_images_is_said_each_time_that_an_era_is_set(dated: Dated) -> None:
    dated.set("2019-01-01", "2020-01-01")
    again = dated.set("2021-01-01", "2022-01-01")
    assert change.ELSEWHERE in again.warnings, "the timeline has the place already"
    assert change.ELSEWHERE in dated.set("2022-01-01", "2023-01-01", plan=True).warnings
    for nothing_set in (dated.set("2021-01-01", "2022-01-01"), dated.unset("2021-01-01", None)):
        assert nothing_set.warnings == ()


def test_an_era_over_the_present_holds_the_dag_and_is_told_so(dated: Dated) -> None:
    dated.set("2019-01-01", "2020-01-01")
    assert dated.world.status().holds == ()
    dated.set("2020-01-01", "2100-01-01", reason="audit")
    (hold,) = dated.world.status().holds
    assert (hold.kind, hold.reason, hold.by) == ("era", "audit", "ada")
    assert hold.until == datetime(2100, 1, 1, tzinfo=UTC)
    dated.world.push(a=File(body=3))
    assert dated.world.active() == (3, 3), "releases go on: they are for the gaps"
    assert [each.kind for each in dated.world.status().holds] == ["era"]
    dated.set("2020-01-01", None, build=3)
    assert dated.world.status().holds == ()


@pytest.mark.acceptance("dates", 18)
@pytest.mark.acceptance("pushes", 18)
def test_a_push_moves_gaps_and_no_era(dated: Dated) -> None:
    dated.set("2019-01-01", "2020-01-01", build=2)
    era = dated.show().stretches[1]
    before = dated.world.row()
    dated.world.push(a=File(body=1), other=File())
    after = dated.world.row()
    assert after.follow_version != before.follow_version, "what runs of gaps take"
    assert after.row_version == before.row_version, "the mark's commit does not follow"
    assert dated.show().stretches[1] == era


def test_a_dag_that_is_gone_keeps_its_timeline_as_history_and_comes_back_without(dated: Dated) -> None:
    dated.set("2019-01-01", None)
    dated.world.remove("a")
    assert not is_dated(dated.world)
    assert [(each.revision, len(each.eras)) for each in show.revisions(dated.host, "a")] == [(2, 0), (1, 1)]
    dated.world.push(a=File(body=1))
    assert dated.spans()[0][3] and len(dated.spans()) == 1
    assert not is_marked(dated.world.airflow_has()[1])


@pytest.mark.parametrize("plan", [False, True])
def test_a_dag_that_is_gone_takes_no_eras_until_it_is_back(dated: Dated, plan: bool) -> None:
    dated.world.remove("a")
    with pytest.raises(Refused, match="the Dag is retired") as refused:
        dated.set("2019-01-01", None, plan=plan)
    assert "pinwheel pin a --build N" in refused.value.remedy
    assert not is_dated(dated.world)
    dated.world.do(Verb.PIN, build=1)
    dated.set("2019-01-01", None)
    assert is_dated(dated.world)


def test_what_eras_name_stays_fetchable_and_is_not_pruned(dated: Dated) -> None:
    first = dated.world.versions()[0]
    assert first is not None
    dated.set("2019-01-01", None)
    far = dated.world.airflow.tick(30 * 24 * 3600)
    needed = dated.host.unit.run(lambda s: keeping.other_versions(s, "dags", since=far))
    assert first in needed
    named = dated.host.unit.run(lambda s: prune.named_builds(s, ["a"]))
    (era,) = dated.world.rows(t.era)
    assert era.build_id in named
    dated.unset(None, None)
    assert first not in dated.host.unit.run(lambda s: keeping.other_versions(s, "dags", since=far))


# Sensors of other Dags


def test_sensors_on_a_task_that_is_not_there_at_some_dates_are_named_with_them(dated: Dated) -> None:
    world = dated.world
    world.push(
        b=File(sensor=("a", "new")),
        c=File(sensor=("a", "only")),
        d=File(sensor=("a", "typo")),
        e=File(sensor=("b", "only")),
    )
    world.push(a=File(tasks=("only", "new")))
    assert dated.check().sensors == (), "without eras and windows all dates have the same tasks"
    planned = dated.set(None, "2020-01-01", build=1, plan=True)
    said = "b waits with wait for new, which is not there at … → 2020-01-01: until its timeout"
    assert said in planned.warnings
    dated.set(None, "2020-01-01", build=1)
    (found,) = dated.check().sensors
    assert (found.dag_id, found.task_id, found.waits_for) == ("b", "wait", "new")
    assert (found.from_, found.until) == (None, "2020-01-01")
    dated.set("2021-01-01", "2021-06-01", build=1)
    again = dated.set("2022-01-01", "2023-01-01", build=3, plan=True)
    assert not any("until its timeout" in one for one in again.warnings), "it waited in vain before"
    assert [(one.dag_id, one.from_, one.until) for one in dated.check().sensors] == [
        ("b", None, "2020-01-01"),
        ("b", "2021-01-01", "2021-06-01"),
    ]
    hidden = check.check(dated.host, "a", sees=lambda dag_ids: set(dag_ids) - {"b"})
    assert hidden.sensors == (), "a Dag that who asks may not read is not told of"
    world.push(b=File(sensor=("a", "only")))
    assert dated.check().sensors == ()


# What is around the code


def test_a_plan_tells_of_how_many_versions_the_place_is_the_newest(dated: Dated) -> None:
    first, second = dated.world.versions()[:2]
    planned = dated.set(None, "2020-01-01", build=1, plan=True)
    assert planned.warnings[0] == f"build 1 is taken from {first[:12]}, the only version in which it stood"
    third = dated.world.push(b=File())
    planned = dated.set(None, "2020-01-01", build=2, plan=True)
    assert (
        planned.warnings[0]
        == f"build 2 is taken from {third[:12]}, the newest of 2 versions in which it stood"
    )
    planned = dated.set(None, "2020-01-01", build=2, version=second, plan=True)
    assert planned.warnings[0] == f"build 2 is taken from {second[:12]}, one of 2 versions in which it stood"
    for again in (File(body=7), None, File(body=8), File(body=7)):
        last = dated.world.push(**({"a": again} if again else {"c": File()}))
    planned = dated.set(None, "2020-01-01", build=3, plan=True)
    said = f"build 3 is taken from {last[:12]}, the newest of 3 versions in which it stood"
    assert planned.warnings[0] == said, "what it was away in does not count"


def test_plans_tell_of_assets_that_only_the_old_build_needs(dated: Dated) -> None:
    dated.world.push(a=File(outlets=True))
    dated.world.push(a=File(body=3))
    planned = dated.set(None, "2020-01-01", build=3, plan=True)
    said = "asset out://1/ of build 3 has no other user now: kept active for its runs"
    assert said in planned.warnings
    on(dated, "r", "2019-05-01")
    dated.set(None, "2020-01-01", build=3)
    assert said in dated.clear(plan=True).warnings
    dated.world.push(b=File(outlets=True))
    assert not any("out://1/" in one for one in dated.clear(plan=True).warnings), "another Dag needs it"


def test_plans_tell_which_packages_were_others_when_a_build_was_parsed(dated: Dated) -> None:
    def here(session: Any) -> None:
        then = {"python": "3.11.9", "packages": ["pandas==1.1.5"]}
        builds.remember_runtime(session, "then", {"python": "3.11.9"}, now=dated.host.unit.now())
        builds.remember_runtime(session, "then", then, now=dated.host.unit.now())
        now = {"python": "3.11.9", "packages": ["pandas==2.2.3"]}
        builds.remember_runtime(session, "here", now, now=dated.host.unit.now())
        session.execute(update(t.build).values(runtime="then"))

    dated.host.unit.run(here)
    dated.looking.runtime = "here"
    on(dated, "r", "2019-05-01")
    planned = dated.set(None, "2020-01-01", build=1, plan=True)
    assert any("here now: pandas 1.1.5, here 2.2.3. Packages" in one for one in planned.warnings)
    dated.set(None, "2020-01-01", build=1)
    assert any("pandas 1.1.5, here 2.2.3" in one for one in dated.clear(plan=True).warnings)
