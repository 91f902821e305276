"""The ports of the transaction and of what is configured: the same sentences of the real and in memory."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from harness.projections import projection, release, seen
from harness.pushing import File, Pusher
from harness.sides import MemorySide, Side
from pinwheel.airflow3.compat import airflow_34_plus
from pinwheel.core.release.rows import Location
from pinwheel.core.retention import Keep
from pinwheel.services.ports.host import Host
from pinwheel.services.ports.memory import memory_host
from pinwheel.store import bundles
from pinwheel.store import tables as t


class Broken(Exception):
    """Of the test."""


def write_both(host: Host, session: Any) -> None:
    """A row on each side."""
    host.rows.project(session, [projection(1)])
    bundles.hold(session, "dags", now=host.unit.now())


def there(side: Side) -> tuple[list[str], list[str]]:
    """The Dags on Airflow's side, the bundles on ours."""
    found = side.host.unit.run(lambda s: side.host.reads.airflow_dags(s))
    return [dag.dag_id for dag in found], side.host.unit.run(
        lambda s: list(s.scalars(select(t.bundle.c.name)))
    )


def test_a_unit_commits_both_sides_and_gives_what_the_work_gave(side: Side) -> None:
    assert there(side) == ([], [])
    assert side.host.unit.run(lambda s: [write_both(side.host, s), 7][1]) == 7
    assert there(side) == (["a"], ["dags"])


def test_a_unit_undoes_both_sides_on_an_error(side: Side) -> None:
    def work(session: Any) -> None:
        write_both(side.host, session)
        raise Broken

    with pytest.raises(Broken):
        side.host.unit.run(work)
    assert there(side) == ([], [])


def test_a_rehearsal_undoes_both_sides_and_gives_what_the_work_gave(side: Side) -> None:
    def rehearsed(host: Host) -> int:
        host.unit.run(lambda s: write_both(host, s))
        host.unit.announce([{"kind": "never", "dag_id": "told"}])
        assert host.unit.run(lambda s: host.reads.airflow_dags(s))[0].dag_id == "a", "it sees its own writes"
        return 7

    assert side.host.rehearse(rehearsed) == 7
    assert there(side) == ([], [])
    assert side.host.unit.rehearse(lambda unit: unit.run(lambda s: write_both(side.host, s))) is None
    assert there(side) == ([], [])


def test_a_rehearsal_that_fails_undoes_both_sides(side: Side) -> None:
    def rehearsed(host: Host) -> None:
        host.unit.run(lambda s: write_both(host, s))
        raise Broken

    with pytest.raises(Broken):
        side.host.rehearse(rehearsed)
    assert there(side) == ([], [])


def test_the_clock_is_aware_and_in_utc_and_does_not_go_back(side: Side) -> None:
    first = side.host.unit.now()
    side.tick()
    second = side.host.unit.now()
    assert first.utcoffset() == timedelta() and first <= second
    assert first.astimezone(UTC) == first


def test_announcing_does_not_raise(side: Side) -> None:
    side.host.unit.announce([{"kind": "promote", "dag_id": "a"}])
    side.host.unit.announce([])


def test_as_much_is_kept_as_the_documentation_says_where_nothing_is_configured(side: Side) -> None:
    assert side.host.deployment.retention() == Keep()
    assert side.host.deployment.runs_a_turn() == 20
    offered = airflow_34_plus() or isinstance(side, MemorySide)
    assert side.host.deployment.runs_may_choose() is offered


def test_a_bundle_that_this_process_does_not_know_is_taken_to_keep_versions(side: Side) -> None:
    assert side.host.deployment.is_versioned("dags")
    assert side.host.deployment.is_versioned("unknown")


def test_a_bundle_is_configured_until_the_configuration_names_it_no_more(side: Side) -> None:
    def told(name: str) -> tuple[bool, bool]:
        deployment = side.host.deployment
        return (
            side.host.unit.run(lambda s: deployment.bundle_is_configured(s, name)),
            side.host.unit.run(lambda s: deployment.serves_moved_files(s, name)),
        )

    assert (told("dags"), told("unknown")) == ((True, True), (False, False))
    side.drop_bundle("dags")
    assert told("dags") == (False, False)


def test_tasks_may_divide_time_unless_that_is_off_and_an_unknown_bundle_refuses_what_is_not_there(
    side: Side,
) -> None:
    assert side.host.deployment.most_segments() == 24
    assert side.host.deployment.refuses_unknown("unknown", "v1")


def test_bundles_are_told_with_whether_they_are_active(side: Side) -> None:
    side.add_bundle("other")
    side.drop_bundle("other")
    found = side.host.unit.run(lambda s: side.host.deployment.bundles(s))
    assert {name: each.active for name, each in found.items()} == {"dags": True, "other": False}
    assert {each.refreshed_at for each in found.values()} == {None}


def test_our_tables_are_there_until_they_are_dropped_and_airflows_rows_stay(
    side: Side, pusher: Pusher
) -> None:
    pusher.push({"a": File()})
    tables = side.host.unit.run(lambda s: side.host.deployment.own_tables(s))
    assert tables == sorted([*t.metadata.tables, t.VERSION_TABLE])
    side.host.unit.run(lambda s: side.host.deployment.drop_own_tables(s))
    assert side.host.unit.run(lambda s: side.host.deployment.own_tables(s)) == []
    assert seen(side).version_number == 1


def test_no_processor_is_alive_where_none_was_started(side: Side) -> None:
    assert side.host.unit.run(lambda s: side.host.deployment.live_processors(s)) == []


def test_what_stays_ours_are_aliases_and_trials(side: Side) -> None:
    def leftovers() -> Any:
        return side.host.unit.run(lambda s: side.host.deployment.leftovers(s))

    release(side, 1)
    assert (leftovers().aliased_dags, leftovers().trial_versions) == ((), 0)
    place = Location(bundle_name="dags", bundle_version="v2+x", relative_fileloc="a.py")
    release(side, 2, location=place)
    side.host.unit.run(lambda s: side.host.rows.write_trial(s, projection(-1)))
    assert (leftovers().aliased_dags, leftovers().trial_versions) == (("a",), 1)
    side.host.unit.run(lambda s: side.host.rows.write_trial(s, projection(-2_000_001)))
    assert (leftovers().trial_versions, leftovers().rows_for_dates) == (1, 1)
    assert leftovers().bundles == ()


def test_in_memory_a_transaction_inside_of_another_one_is_an_error() -> None:
    # A real database would let it wait for the other, for ever.
    host = memory_host()
    with pytest.raises(RuntimeError, match="inside of another one"):
        host.unit.run(lambda _: host.unit.run(lambda _: None))
    assert host.unit.run(lambda _: 1) == 1


def test_in_memory_each_host_has_tables_of_its_own() -> None:
    first, second = MemorySide(), MemorySide()
    first.add_bundle("dags")
    Pusher(first.host).push({"a": File()})
    assert list(first.host.unit.run(bundles.names)) == ["dags"]
    assert list(second.host.unit.run(bundles.names)) == []


def test_in_memory_the_clock_stands_where_it_was_set_and_what_was_told_is_kept() -> None:
    side = MemorySide()
    before = side.host.unit.now()
    assert side.host.unit.now() == before
    side.airflow.tick(60)
    assert side.host.unit.now() - before == timedelta(minutes=1)
    side.host.unit.announce([{"kind": "pin", "dag_id": "a"}])
    assert side.airflow.announced == [{"kind": "pin", "dag_id": "a"}]


def test_where_nothing_is_configured_an_author_of_an_address_that_no_user_has_is_nobody(side: Side) -> None:
    found = side.host.unit.run(lambda s: side.host.deployment.people(s))
    assert found.user("Eve <eve@else.where>") is None and found.is_person("Eve <eve@else.where>")
    assert found.not_approvers == frozenset()
