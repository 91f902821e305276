"""Pinwheel's tables come with ``airflow db migrate``, go without a trace, and are in nobody's way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from harness import asked, invariants, older_image
from harness.airflow_env import AIRFLOW_VERSION
from harness.inprocess import bound_airflow
from harness.operations import World
from harness.prebuilt import Prebuilt, Text, finish_run, start_run
from pinwheel import __version__
from pinwheel.core.release.decide import Verb
from pinwheel.services.upkeep import repair, uninstall
from pinwheel.store import bundles, files
from pinwheel.store.tables import VERSION_TABLE, metadata
from pinwheel.store.types import pack

OWN = {*metadata.tables, VERSION_TABLE}


def tables(database: Any) -> set[str]:
    return set(sa.inspect(database.engine()).get_table_names())


def drop_own(database: Any) -> None:
    """Make the database one of an Airflow that never had Pinwheel."""
    with database.engine().begin() as connection:
        metadata.drop_all(connection)
        connection.execute(sa.text(f"DROP TABLE IF EXISTS {VERSION_TABLE}"))


@contextmanager
def manager(database: Any) -> Iterator[Any]:
    from airflow.utils.session import create_session

    from pinwheel.airflow3.db_manager import PinwheelDBManager

    with bound_airflow(database), create_session() as session:
        yield PinwheelDBManager(session)


def schema(database: Any) -> dict[str, Any]:
    """Columns, keys and indexes of our tables, as the database has them."""
    inspector = sa.inspect(database.engine())
    found: dict[str, Any] = {}
    for name in sorted(OWN & set(inspector.get_table_names())):
        found[name] = {
            "columns": [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(name)],
            "primary": inspector.get_pk_constraint(name)["constrained_columns"],
            "unique": sorted(tuple(u["column_names"]) for u in inspector.get_unique_constraints(name)),
            "indexes": sorted((i["name"], tuple(i["column_names"])) for i in inspector.get_indexes(name)),
            "foreign": sorted(
                (tuple(f["constrained_columns"]), f["referred_table"])
                for f in inspector.get_foreign_keys(name)
            ),
        }
    return found


def test_airflows_command_knows_this_version_by_the_newest_revision(airflow_database: Any) -> None:
    """``airflow db-manager migrate --to-version`` and ``downgrade`` go by this map."""
    from alembic.script import ScriptDirectory

    with manager(airflow_database) as ours:
        head = ScriptDirectory.from_config(ours.get_alembic_config()).get_current_head()
        assert ours.revision_heads_map[__version__] == head


def test_migrate_makes_our_tables_beside_airflows(source: Any) -> None:
    database = source.create()
    assert tables(database) >= OWN | {"dag", "dag_version"}
    with manager(database) as ours:
        assert ours.check_migration()
    database.drop()


def test_migrate_adds_our_tables_to_an_airflow_that_runs_already(source: Any, airflow: Any) -> None:
    database = source.create()
    fresh = schema(database)
    with bound_airflow(database):
        world = World()
        asked.trigger(world.host, "a", actor="ada", run_id="run-1")
        start_run("a", "run-1")
        finish_run("a", "run-1")
    drop_own(database)
    before = invariants.dump(database.engine())
    airflow(database, "db", "migrate")
    assert schema(database) == fresh
    # Airflow's command line writes itself into the audit log.
    after = invariants.dump(database.engine(), but={*OWN, "log"})
    assert invariants.differing({k: v for k, v in before.items() if k != "log"}, after) == []
    airflow(database, "db", "check-migrations", "--migration-wait-timeout", "5")
    database.drop()


def test_the_migrations_make_what_the_tables_say_and_walk_down_again(source: Any) -> None:
    from alembic import command
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    database = source.create()
    by_create_all = schema(database)
    airflows = tables(database) - OWN
    with manager(database) as ours:
        ours.downgrade("base")
    assert tables(database) & set(metadata.tables) == set()
    with manager(database) as ours:
        command.upgrade(ours.get_alembic_config(), "head")
    by_migrations = schema(database)
    assert by_migrations.keys() == by_create_all.keys()
    for name, found in by_create_all.items():
        assert by_migrations[name] == found, name
    with database.engine().connect() as connection:
        options = {"include_name": lambda name, kind, _: kind != "table" or name in metadata.tables}
        context = MigrationContext.configure(
            connection, opts={**options, "version_table": VERSION_TABLE, "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
    assert tables(database) - OWN == airflows
    database.drop()


def test_going_back_to_0001_leaves_only_versions_that_were_once_the_newest(source: Any) -> None:
    from alembic import command

    database = source.create()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    with manager(database) as ours:
        bundles.advance(ours.session, "b", "good", expected_seq=0, now=now)
        assert bundles.refuse(ours.session, "b", "bad", "two ways lead to one folder", now=now)
        assert not bundles.refuse(ours.session, "b", "bad", "two ways lead to one folder", now=now)
        assert bundles.refuse(ours.session, "b", "bad", "another reason", now=now)
        ours.session.commit()
        ours.downgrade("0001")
        command.upgrade(ours.get_alembic_config(), "head")
    with database.engine().connect() as connection:
        rows = connection.execute(sa.text("SELECT version, state, seq FROM pinwheel_bundle_version"))
        assert [tuple(row) for row in rows] == [("good", "good", 1)]
    database.drop()


def test_of_several_bindings_of_a_start_the_last_one_stays_on_the_way_to_0009(source: Any) -> None:
    from alembic import command

    from pinwheel.core.run.binding import BoundBy
    from pinwheel.store import bindings

    database = source.create()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    versions = {(0, 0): "a", (1, 0): "b", (1, 1): "c"}
    with manager(database) as ours:
        for (seq, part), version in versions.items():
            new = bindings.NewBinding(
                dag_id="d",
                run_id="r",
                seq=seq,
                part=part,
                dag_version_id=None,
                bundle_version=version,
                bound_by=BoundBy.ERA,
                bound_at=now,
                date=now,
                segment=2,
            )
            assert bindings.add(ours.session, new, release=None, build_id=None)
            assert not bindings.add(ours.session, new, release=None, build_id=None)
        ours.session.commit()
        ours.downgrade("0009")
        command.upgrade(ours.get_alembic_config(), "head")
        found = bindings.of_runs(ours.session, "d", ["r"])["r"]
    assert [(one.seq, one.part, one.bundle_version) for one in found] == [(0, 0, "a"), (1, 0, "c")]
    assert {(one.date, one.segment) for one in found} == {(None, None)}
    database.drop()


def test_bindings_and_builds_survive_the_way_to_0003_and_back(source: Any) -> None:
    """With the words of each: ``default`` is ``active``, a hand's on a trial's version is ``trial``."""
    from alembic import command

    database = source.create()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    known, tried = uuid4(), uuid4()
    rows = {
        "default": (None, "default", "active"),
        "hand": (known, "hand", "hand"),
        "trial": (tried, "hand", "trial"),
    }

    def words() -> dict[str, str]:
        with database.engine().connect() as connection:
            found = connection.execute(sa.text("SELECT run_id, bound_by FROM pinwheel_binding"))
            return {run_id: bound_by for run_id, bound_by in found}

    with manager(database) as ours:
        ours.downgrade("0002")
        with database.engine().begin() as connection:
            old = sa.MetaData()
            names = (
                "environment", "bundle_version", "build", "build_version", "trial", "parse", "binding"
            )  # fmt: skip
            old.reflect(connection, only=[f"pinwheel_{name}" for name in names])
            columns = {name: old.tables[f"pinwheel_{name}"] for name in names}
            for name, values in {
                "environment": {"fingerprint": "e1", "details": b"", "first_seen_at": now},
                "bundle_version": {"bundle_name": "b", "version": "2", "seq": 2},
                "build": {
                    "id": 1,
                    "dag_id": "a",
                    "build": 1,
                    "environment": "e1",
                    "digest": "d",
                    "bundle_name": "b",
                },
                "build_version": {"build_id": 1, "bundle_name": "b", "bundle_version": "2", "seen_at": now},
                "parse": {"id": 1, "bundle_name": "b", "environment": "e1"},
                "trial": {"dag_version_id": tried, "dag_id": "a", "build_id": 1, "created_at": now},
            }.items():
                connection.execute(columns[name].insert().values(filled(columns[name], values, now)))
            for run_id, (version, word, _) in rows.items():
                values = {"dag_id": "a", "run_id": run_id, "dag_version_id": version, "bound_by": word}
                connection.execute(
                    columns["binding"].insert().values(filled(columns["binding"], values, now))
                )
        command.upgrade(ours.get_alembic_config(), "head")
        assert words() == {run_id: after for run_id, (_, _, after) in rows.items()}
        with database.engine().connect() as connection:
            for table in ("build", "parse"):
                assert connection.scalar(sa.text(f"SELECT runtime FROM pinwheel_{table}")) == "e1"
            assert connection.scalar(sa.text("SELECT fingerprint FROM pinwheel_runtime")) == "e1"
            stood = connection.execute(sa.text("SELECT * FROM pinwheel_stand")).one()
            assert tuple(stood) == ("a", "b", 2, 1, 2, "2", 2)
        ours.downgrade("0002")
        assert words() == {run_id: before for run_id, (_, before, _) in rows.items()}
        with database.engine().connect() as connection:
            assert connection.scalar(sa.text("SELECT environment FROM pinwheel_build")) == "e1"
            assert connection.scalar(sa.text("SELECT count(*) FROM pinwheel_build_version")) == 1
    database.drop()


def test_what_no_processor_had_looked_at_before_places_came_is_waited_for(source: Any) -> None:
    from alembic import command

    database = source.create()
    with bound_airflow(database):
        pusher = Prebuilt()
        first = pusher.push({dag_id: Text() for dag_id in ("changed", "gone", "known", "left")})
        pusher.advance(["changed"])
    with manager(database) as ours:
        ours.downgrade("0004")
        with database.engine().begin() as connection:
            connection.execute(
                sa.text("UPDATE pinwheel_file SET seq = 2 WHERE relative_fileloc != 'changed.py'")
            )
            connection.execute(sa.text("DELETE FROM pinwheel_file WHERE relative_fileloc = 'gone.py'"))
            connection.execute(
                sa.text("UPDATE pinwheel_file SET dag_ids = :none WHERE relative_fileloc = 'left.py'"),
                {"none": pack([])},
            )
        command.upgrade(ours.get_alembic_config(), "head")
    with bound_airflow(database):
        repair.follow_again(pusher.host)
    stood = database.rows("SELECT dag_id, last_seq FROM pinwheel_stand WHERE last_seq IS NULL")
    assert {row["dag_id"] for row in stood} == {"changed", "known"}
    rows = {row["dag_id"]: row["bundle_version"] for row in database.rows("SELECT * FROM dag")}
    assert rows == {"changed": first, "gone": first, "known": pusher.version(), "left": first}
    database.drop()


def test_declared_inputs_go_with_the_way_back_to_0005_and_all_else_of_a_bundle_stays(source: Any) -> None:
    from alembic import command

    database = source.create()
    rules = {"version": "c1", "rules": [{"dags": {"ids": ["a"]}, "files": ["dbt/**"]}]}
    with bound_airflow(database):
        pusher = Prebuilt()
        pusher.push({"a": Text()})
        (name,) = [row["name"] for row in database.rows("SELECT name FROM pinwheel_bundle")]
        pusher.host.unit.run(lambda session: bundles.declare(session, name, rules))
        assert pusher.host.unit.run(lambda session: bundles.declared(session, name)) == rules
    kept = "SELECT name, head_version, head_seq, settled_seq, before_version FROM pinwheel_bundle"
    before = database.rows(kept)
    with manager(database) as ours:
        ours.downgrade("0005")
        assert database.rows(kept) == before
        assert "declared" not in database.rows("SELECT * FROM pinwheel_bundle")[0]
        command.upgrade(ours.get_alembic_config(), "head")
    assert database.rows(kept) == before
    with bound_airflow(database):
        assert pusher.host.unit.run(lambda session: bundles.declared(session, name)) == {}, (
            "until the next version"
        )
    database.drop()


def test_files_wait_for_their_first_verification_from_when_they_were_parsed(source: Any) -> None:
    """On the way down nothing is lost but what was verified, and in which tree."""
    from alembic import command

    from pinwheel.store import verification

    database = source.create()
    with bound_airflow(database):
        pusher = Prebuilt()
        pusher.push({"a": Text(), "b": Text()})
        verified = {"seq": 1, "tree": "t", "now": pusher.host.unit.now()}
        for path in ("a.py", "b.py"):
            pusher.host.unit.run(lambda s, path=path: verification.mark(s, "prebuilt", path, **verified))
        assert pusher.host.unit.run(lambda s: verification.unverified(s, "prebuilt", "t")) == []
        assert len(pusher.host.unit.run(lambda s: verification.unverified(s, "prebuilt", "other"))) == 2
        pusher.host.unit.run(
            lambda s: verification.put_budget(s, share=0.05, level=-1.0, mean=0.1, now=pusher.host.unit.now())
        )
    before = database.rows("SELECT relative_fileloc, seq, parse_id, parsed_at FROM pinwheel_file")
    with manager(database) as ours:
        ours.downgrade("0005")
        assert "pinwheel_budget" not in tables(database)
        command.upgrade(ours.get_alembic_config(), "head")
    assert database.rows("SELECT relative_fileloc, seq, parse_id, parsed_at FROM pinwheel_file") == before
    with bound_airflow(database):
        waiting = pusher.host.unit.run(lambda s: verification.unverified(s, "prebuilt", "t"))
        assert {row.relative_fileloc for row in waiting} == {"a.py", "b.py"}
        known = pusher.host.unit.run(lambda s: files.of_bundle(s, "prebuilt"))
        assert {row.verified_at for row in known.values()} == {row.parsed_at for row in known.values()}
        assert {(row.verified_seq, row.always, row.unstable) for row in known.values()} == {(1, None, False)}
        assert pusher.host.unit.run(verification.budget) is None
    database.drop()


def test_events_survive_the_way_to_0008_and_are_told_one_by_one_after_it(source: Any) -> None:
    from alembic import command

    from pinwheel.services.show import events

    database = source.create()
    kept = "SELECT id, kind, dag_id, actor, reason, details FROM pinwheel_event ORDER BY id"
    with bound_airflow(database):
        pusher = Prebuilt()
        pusher.push({"a": Text(), "b": Text()})
        assert [view.alike.events for view in events.events(pusher.host, kinds=["build"], fold=True)] == [2]
    before = database.rows(kept)
    assert before
    with manager(database) as ours:
        ours.downgrade("0008")
        assert database.rows(kept) == before
        assert "batch" not in database.rows("SELECT * FROM pinwheel_event")[0]
        command.upgrade(ours.get_alembic_config(), "head")
    assert database.rows(kept) == before
    with bound_airflow(database):
        views = events.events(pusher.host, kinds=["build"], fold=True)
        assert [(view.alike.events, view.batch) for view in views] == [(1, None)] * 2
    database.drop()


def filled(table: sa.Table, values: dict[str, Any], now: datetime) -> dict[str, Any]:
    """A row of a table as the database describes it, with something in each column that must have a value."""
    empty: dict[type, Any] = {str: "x", int: 0, bool: False, bytes: b"", datetime: now}
    given = {
        name: value.hex if isinstance(value, UUID) and table.c[name].type.python_type is str else value
        for name, value in values.items()
    }
    return {
        column.name: empty[column.type.python_type]
        for column in table.c
        if not column.nullable and column.name not in values
    } | given


def test_no_foreign_key_of_ours_leads_out_of_our_tables(source: Any) -> None:
    database = source.create()
    inspector = sa.inspect(database.engine())
    for name in sorted(tables(database)):
        for key in inspector.get_foreign_keys(name):
            assert (name in OWN) == (key["referred_table"] in OWN), f"{name} -> {key['referred_table']}"
    database.drop()


@pytest.mark.slow
def test_airflows_own_maintenance_is_not_hindered(source: Any, airflow: Callable[..., str]) -> None:
    """`db clean`, deleting a Dag, `db downgrade`, `db reset`: each as if we were not there."""
    database = source.create()
    with bound_airflow(database):
        world = World()
        for number, dag_id in enumerate("ab"):
            asked.trigger(world.host, dag_id, actor="ada", run_id=f"run-{number}")
            start_run(dag_id, f"run-{number}")
            finish_run(dag_id, f"run-{number}")
        world.change(Verb.ROLLBACK)
    airflow(database, "dags", "delete", "c", "--yes")
    # Seen from the year 2100 everything is old, the Dags' own rows too.
    airflow(database, "db", "clean", "--clean-before-timestamp", "2100-01-01", "--skip-archive", "--yes")
    with bound_airflow(database):
        assert {drift.dag_id for drift in world.host.unit.run(world.host.rows.drifted)} == {"a", "b", "c"}
        from pinwheel.services.upkeep import repair

        repair.repair_drift(world.host)
        invariants.check(database.engine())
        world.change(Verb.UNPIN)
        invariants.check(database.engine())
    airflow(database, "db", "downgrade", "--to-version", "3.2.0", "--yes")
    assert tables(database) >= OWN
    older_image.execute(database, "DELETE FROM pinwheel_capsule")
    airflow(database, "db", "migrate")
    older_image.require_capsule(database, AIRFLOW_VERSION)
    airflow(database, "db", "reset", "--yes")
    with database.engine().connect() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM pinwheel_release")) == 0
    assert tables(database) >= OWN
    older_image.require_capsule(database, AIRFLOW_VERSION)
    database.drop()


def test_uninstalled_is_a_plain_airflow_that_goes_on(source: Any) -> None:
    database = source.create()
    with bound_airflow(database):
        world = World()
        asked.trigger(world.host, "a", actor="ada", run_id="run-1")
        world.change(Verb.ROLLBACK)
        before = {k: v for k, v in invariants.dump(database.engine()).items() if k not in OWN}
        told = uninstall.uninstall(world.host)
        assert set(told.tables) == OWN
        assert tables(database) & OWN == set()
        after = invariants.dump(database.engine(), but=OWN)
        assert invariants.differing(before, after) == []
        start_run("a", "run-1")
        finish_run("a", "run-1")
    with manager(database) as ours:
        ours.upgradedb()
    with bound_airflow(database):
        # And back again.
        from pinwheel.services.ingest import adopt

        assert adopt.adopt(world.host) == ["a", "b", "c"]
        invariants.check(_without_runs(database))
    database.drop()


def _without_runs(database: Any) -> Any:
    """Runs of the time without us have no bindings."""
    with database.engine().begin() as connection:
        connection.execute(sa.text("UPDATE dag_run SET state = 'queued'"))
    return database.engine()


def test_a_name_in_the_ledger_survives_each_text(source: Any) -> None:
    """Ids and texts as long as Airflow allows them fit our columns too."""
    database = source.create()
    dag_id = "d" * 250
    with bound_airflow(database):
        world = World()
        world.pusher.push({dag_id: Text("plain")})
        asked.trigger(world.host, dag_id, actor="a" * 250, run_id="r" * 250)
        world.change(Verb.PIN, [dag_id], reason="ä" * 5000, request_id="x" * 255)
        invariants.check(database.engine())
    database.drop()


def test_migrate_stores_a_capsule_of_the_airflow_that_migrated(source: Any) -> None:
    database = source.create()
    capsule = older_image.require_capsule(database, AIRFLOW_VERSION)
    assert capsule.revision == older_image.revision(database)
    database.drop()


def test_capsules_of_an_older_airflow_do_not_hinder_the_other_tables(source: Any) -> None:
    from pinwheel.reconcile.tables import ensure
    from pinwheel.reconcile.tables import tables as reconcile_tables

    database = source.create()
    fresh = schema(database)
    drop_own(database)
    with database.engine().begin() as connection:
        ensure(connection)
    assert tables(database) & set(metadata.tables) == reconcile_tables.names
    with manager(database) as ours:
        ours.upgradedb()
    assert schema(database) == fresh
    with manager(database) as ours:
        assert ours.check_migration()
    database.drop()
