"""Capsules in the database: who stores them, what of them is believed, and what the list says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from harness import older_image
from harness.databases import Database
from harness.inprocess import bound_airflow
from harness.older_image import OLD_HEAD, execute, newer_image, require_capsule
from pinwheel.core.errors import Refused
from pinwheel.reconcile import assess, capsule_store
from pinwheel.reconcile.capsule import Capsule
from pinwheel.reconcile.database import connected
from pinwheel.reconcile.installed import Deployment, installed_version
from pinwheel.reconcile.revisions import History, Revision
from pinwheel.reconcile.strategies.capsule import CapsuleStrategy
from pinwheel.reconcile.strategy import Downgrade
from pinwheel.reconcile.tables import tables

capsule = tables.capsule
VERSION = installed_version()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest) -> Iterator[Database]:
    """What this Airflow migrated, without a capsule."""
    made: Database = request.getfixturevalue(request.param).create("capsules")
    execute(made, capsule.delete())
    yield made
    made.drop()


@pytest.fixture(scope="module")
def packed(sqlite: Any) -> Capsule:
    """A capsule of this Airflow."""
    return newer_image(sqlite.create("packed")).capsule()


def put(database: Database, packed: Capsule) -> None:
    with database.engine().begin() as connection:
        capsule_store.put(connection, packed, now=datetime.now(UTC))


def at_hand(database: Database, image: Deployment | None = None) -> list[dict[str, Any]]:
    with database.engine().connect() as connection:
        return assess.capsules_at_hand(connection, image or newer_image(database))


def status(database: Database, image: Deployment) -> dict[str, Any]:
    with database.engine().connect() as connection:
        position = assess.locate(connection, image, to=None)
        return assess.status(connection, image, position, datetime.now(UTC))


# Who stores


@pytest.mark.parametrize("method", ["initdb", "upgradedb"])
def test_what_airflow_does_with_its_session_after_our_manager_takes_no_capsule_away(
    database: Database, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", older_image.FERNET_KEY)
    with bound_airflow(database), capture_logs() as logs:
        from airflow import settings

        from pinwheel.airflow3.db_manager import PinwheelDBManager

        session = settings.NonScopedSession()
        getattr(PinwheelDBManager(session), method)()
        settings.reconfigure_orm(disable_connection_pool=True)  # as after an upgrade: it closes all sessions
    require_capsule(database, VERSION)
    assert f"Stored a capsule of Airflow {VERSION}" in [line["event"] for line in logs]


def test_the_dag_processors_start_stores_what_a_migration_without_pinwheel_did_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pinwheel.airflow3.capsule import store_at_start

    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", older_image.FERNET_KEY)
    with bound_airflow(database), capture_logs() as logs:
        store_at_start()
        require_capsule(database, VERSION)
        store_at_start()
        execute(database, capsule.delete())
        execute(database, f"UPDATE alembic_version SET version_num = '{OLD_HEAD}'")
        store_at_start()
        assert at_hand(database) == []
        monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", "no key")
        store_at_start()
    told = [line["event"] for line in logs]
    assert told[:2] == [f"Stored a capsule of Airflow {VERSION}", f"A capsule of Airflow {VERSION} is stored"]
    assert told[2].startswith("No capsule is stored: the schema is not the installed Airflow's. Bring it")
    assert told[3].startswith("No capsule is stored: [core] fernet_key holds something that is no Fernet key")


def test_of_two_that_store_at_once_one_wins_and_the_other_says_that_it_is_stored(
    database: Database, packed: Capsule
) -> None:
    assert older_image.store_beside(database, packed) is False
    assert len(at_hand(database)) == 1
    # And when both have something unusable to replace.
    execute(database, capsule.update().values(signature="0" * 64))
    assert older_image.store_beside(database, packed) is False
    require_capsule(database, VERSION)


@pytest.mark.postgres
def test_a_user_that_may_only_read_gets_a_reason(postgres: Any, packed: Capsule) -> None:
    database = postgres.create("reader")
    role = f"reader_{database.name}"
    execute(database, capsule.delete())
    execute(database, f"CREATE ROLE {role} LOGIN")
    execute(database, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    url = sa.make_url(database.url).set(username=role)
    image = attrs.evolve(newer_image(database), engine=sa.create_engine(url, poolclass=sa.NullPool))

    def keep() -> bool:
        return capsule_store.keep(image, now=datetime.now(UTC), make=lambda: packed)

    with pytest.raises(Refused) as caught:
        keep()
    assert "permission denied for table pinwheel_capsule" in caught.value.found
    assert "Connect as a user" in caught.value.remedy
    with (
        pytest.raises(Refused, match=r"permission denied for table .* Connect as a user that may"),
        connected(image.engine) as connection,
    ):
        capsule_store.drop(connection, [1])
    put(database, packed)
    assert keep() is False and capsule_store.store(image, packed, now=datetime.now(UTC)) is False
    execute(database, "DROP TABLE pinwheel_capsule")
    with pytest.raises(Refused, match=r"permission denied for schema public\. Connect as a user"):
        keep()
    execute(database, f"DROP OWNED BY {role}")
    execute(database, f"DROP ROLE {role}")
    database.drop()


def test_a_sqlite_file_that_may_only_be_read_is_said_to_be_one(sqlite: Any, packed: Capsule) -> None:
    database = sqlite.create("reader")
    path = sa.make_url(database.url).database
    image = attrs.evolve(
        newer_image(database), engine=sa.create_engine(f"sqlite:///file:{path}?mode=ro&uri=true")
    )
    with (
        pytest.raises(Refused, match=r"readonly database\. Connect as a user that may"),
        connected(image.engine) as connection,
    ):
        capsule_store.drop(connection, [1])
    execute(database, capsule.delete())
    with pytest.raises(Refused, match=r"readonly database\. Connect as a user that may create"):
        capsule_store.keep(image, now=datetime.now(UTC), make=lambda: packed)
    database.drop()


# What is believed

ODD = ("é", "", "\N{ZERO WIDTH SPACE}" * 9, "{}", "null", "0" * 15, "G" * 16, "'; --", "\\udc80")


def test_whatever_stands_in_a_column_the_capsule_is_altered_and_nothing_fails(
    database: Database, packed: Capsule
) -> None:
    put(database, packed)
    image = newer_image(database)
    odd: dict[str, list[Any]] = {
        name: [sa.literal(text) for text in ODD] for name in ("signature", "key_id", "header")
    }
    odd["archive"] = [sa.literal(value, sa.LargeBinary) for value in (b"", b"PK", bytes(range(256)))]
    if database.backend == "sqlite":
        for values in odd.values():
            values += [sa.text("5"), sa.text("1.5"), sa.text("X'00FF'"), sa.text("CAST(X'FFFE' AS TEXT)")]
    good = {
        "signature": packed.signature,
        "key_id": packed.key_id,
        "header": packed.header_text,
        "archive": packed.archive,
    }
    for name, values in odd.items():
        for value in values:
            execute(database, capsule.update().values({name: value}))
            (found,) = at_hand(database, image)
            assert "altered or damaged" in found["fault"], (name, str(value))
            assert found["next"] is False and found["from"] == found["to"] == []
        execute(database, capsule.update().values({name: good[name]}))
        assert at_hand(database, image)[0]["fault"] is None
    execute(database, capsule.update().values(signature="é"))
    # And a new one takes its place.
    assert capsule_store.keep(image, now=datetime.now(UTC), make=lambda: packed)
    require_capsule(database, VERSION)


def test_columns_that_no_signature_covers_decide_nothing(database: Database, packed: Capsule) -> None:
    put(database, packed)
    odd = "CAST(X'FFFE' AS TEXT)" if database.backend == "sqlite" else "'infinity'"
    execute(database, f"UPDATE pinwheel_capsule SET airflow_version = 'é', revision = '', stored_at = {odd}")
    (found,) = at_hand(database)
    assert (found["fault"], found["airflow"], found["stored_at"]) == (None, VERSION, None)
    assert capsule_store.keep(newer_image(database), now=datetime.now(UTC), make=lambda: packed) is False


# What is said


def later_image(database: Database) -> Deployment:
    """An Airflow that brings one more migration."""
    image = newer_image(database)
    history = image.history
    return attrs.evolve(
        image,
        version="3.9.1",
        history=History(
            (*history.revisions, Revision("new", (history.head,), "3.9.0")), {**history.heads, "3.9.0": "new"}
        ),
    )


def test_the_version_is_the_one_that_wrote_it_or_said_to_be_unknown(
    database: Database, packed: Capsule
) -> None:
    later = later_image(database)
    line = VERSION.rpartition(".")[0]
    assert status(database, later)["current"]["airflow"] == f"{line}.0 or a later {line}"
    put(database, packed)
    assert status(database, later)["current"]["airflow"] == VERSION
    assert status(database, newer_image(database))["current"]["airflow"] == VERSION


def test_the_status_says_that_there_is_no_way_back_and_what_to_run(
    database: Database, packed: Capsule
) -> None:
    image = newer_image(database)
    told = status(database, image)["no_way_back"]
    assert told.startswith("No usable capsule knows the present schema")
    assert told.endswith("Run now: pinwheel db capsule store")
    put(database, packed)
    assert status(database, image)["no_way_back"] is None
    other = newer_image(database, older_image.OTHER_KEY)
    assert "No usable capsule" in status(database, other)["no_way_back"]
    none = attrs.evolve(image, fernet_keys=(), keys=type(image.keys)(()))
    assert "Set [core] fernet_key" in status(database, none)["no_way_back"]


def test_the_list_says_which_walks_a_capsule_makes_possible(database: Database, packed: Capsule) -> None:
    put(database, packed)
    image = attrs.evolve(later_image(database), package=newer_image(database).package)
    put(database, image.capsule())
    newest, older = at_hand(database)
    # The schema is this Airflow's: its own capsule ends there.
    assert (newest["airflow"], newest["next"]) == ("3.9.1", False)
    assert (older["airflow"], older["next"]) == (VERSION, True)
    assert newest["from"][:2] == ["3.9.1", VERSION] and newest["to"][0] == VERSION
    assert older["from"][0] == VERSION and "3.2.0 or a later 3.2" in older["to"]
    assert older["to"][-1] == newest["to"][-1] == "3.0.0 or a later 3.0 before 3.0.3"


def test_a_capsule_for_another_sqlalchemy_is_refused_before_anything_is_loaded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = newer_image(database)
    with monkeypatch.context() as patched:
        patched.setattr(sa, "__version__", "3.0.1")
        put(database, image.capsule())
    known = image.history
    older = attrs.evolve(image, history=History(known.revisions[: known.index(OLD_HEAD) + 1], known.heads))
    walk = Downgrade(from_revision=known.head, from_version=VERSION, to_revision=OLD_HEAD, to_version="3.2.2")
    with pytest.raises(Refused, match="are written for SQLAlchemy 3, and this image has 2") as caught:
        CapsuleStrategy(older).prepare(walk)
    assert "--strategy command" in caught.value.remedy and "--strategy exec" in caught.value.remedy
