"""Whatever is wrong, a downgrade is refused with what failed, what was found and what to do."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
import sqlalchemy as sa

from harness import invariants, older_image
from harness.databases import Database
from harness.older_image import OTHER_KEY, block_before, execute, go_down, unblock, wait_until_blocked
from pinwheel.core.errors import Conflict, HostError, PinwheelError, Refused
from pinwheel.reconcile import run, tables
from pinwheel.reconcile.database import our_lock

pytestmark = pytest.mark.postgres
capsule = tables.tables.capsule


def refused(database: Database, image: Any, kind: type[PinwheelError] = Refused, **request: Any) -> str:
    """The message of a refusal after which the database is what it was."""
    before, shape = invariants.dump(database.engine()), older_image.shape(database)
    with pytest.raises(kind) as caught:
        go_down(image, **request)
    assert invariants.differing(before, invariants.dump(database.engine())) == []
    assert older_image.shape(database) == shape
    error = caught.value
    assert error.found and error.remedy
    return error.message


def heartbeat(database: Database, job_type: str = "SchedulerJob") -> None:
    execute(
        database,
        "INSERT INTO job (job_type, state, hostname, start_date, latest_heartbeat) "
        "VALUES (:kind, 'running', 'host-1', :now, :now)",
        kind=job_type,
        now=datetime.now(UTC),
    )


def test_without_permission_both_versions_and_the_flag_are_named(newer: Database, older: Any) -> None:
    message = refused(newer, older, allow_downgrade=False)
    assert message.startswith("Downgrade required but disabled")
    assert "3.2.2" in message and older_image.newer_image(newer).version in message
    assert "--allow-downgrade" in message


@pytest.mark.parametrize("where", ["archive", "header", "signature"])
def test_a_capsule_with_one_byte_changed_is_never_used(newer: Database, older: Any, where: str) -> None:
    with newer.engine().connect() as connection:
        value = connection.scalar(sa.select(capsule.c[where]))
    if where == "archive":
        changed: Any = bytes([*value[:1000], value[1000] ^ 1, *value[1001:]])
    else:
        changed = value[:20] + ("0" if value[20] != "0" else "1") + value[21:]
    execute(newer, capsule.update().values({where: changed}))
    assert "does not match its signature" in refused(newer, older)


def test_a_capsule_signed_with_another_key_is_never_used(newer: Database, old_tables: Any) -> None:
    image = older_image.older_image(newer, old_tables, OTHER_KEY)
    assert "signed with another Fernet key" in refused(newer, image)


def test_each_key_of_a_rotation_is_tried(newer: Database, old_tables: Any) -> None:
    image = older_image.older_image(newer, old_tables, OTHER_KEY, older_image.FERNET_KEY)
    done, _ = go_down(image)
    assert done["changed"] and older_image.revision(newer) == older_image.OLD_HEAD


def test_without_a_fernet_key_the_feature_is_off_and_says_so(newer: Database, older: Any) -> None:
    from pinwheel.reconcile.signing import Keys

    image = attrs.evolve(older, fernet_keys=(), keys=Keys(()))
    assert "no Fernet key" in refused(newer, image)
    with pytest.raises(Refused, match="no Fernet key"):
        older_image.newer_image(newer).__class__.capsule(image)


def test_without_a_capsule_the_message_says_how_to_make_one(newer: Database, older: Any) -> None:
    execute(newer, capsule.delete())
    message = refused(newer, older)
    assert "no capsule is stored" in message and "pinwheel db capsule store" in message


def test_an_unknown_revision_is_refused(newer: Database, older: Any) -> None:
    execute(newer, "UPDATE alembic_version SET version_num = 'feedbeef0000'")
    message = refused(newer, older)
    assert "feedbeef0000" in message and "do not know it either" in message


def test_a_user_that_may_not_change_the_schema_is_refused(newer: Database, older: Any) -> None:
    role = f"reader_{newer.name}"
    execute(newer, f"CREATE ROLE {role} LOGIN")
    execute(newer, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    url = sa.make_url(newer.url).set(username=role).render_as_string(hide_password=False)
    image = attrs.evolve(older, engine=sa.create_engine(url, poolclass=sa.NullPool), url=url)
    message = refused(newer, image)
    assert role in message and "does not own" in message
    execute(newer, f"DROP OWNED BY {role}")
    execute(newer, f"DROP ROLE {role}")


def test_a_database_that_can_not_be_reached_is_told_without_its_password(older: Any, newer: Database) -> None:
    url = "postgresql+psycopg2://someone:hush-hush@127.0.0.1:1/airflow"
    image = attrs.evolve(older, engine=sa.create_engine(url, poolclass=sa.NullPool), url=url)
    message = refused(newer, image, HostError)
    assert "Cannot use Airflow's database" in message and "hush-hush" not in message


def test_a_connection_that_is_lost_on_the_way_leaves_the_schema_where_it_was(
    newer: Database, older: Any
) -> None:
    block_before(newer, older_image.OLD_HEAD)
    seen: list[PinwheelError] = []

    def go() -> None:
        with pytest.raises(HostError) as caught:
            go_down(older)
        seen.append(caught.value)

    at_work = threading.Thread(target=go)
    at_work.start()
    wait_until_blocked(newer)
    execute(newer, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    at_work.join(60)
    assert seen and "rolled back" in seen[0].message
    assert older_image.revision(newer) == older_image.newer_image(newer).history.head
    unblock(newer)
    assert go_down(older)[0]["changed"]


def test_live_writers_stop_it(newer: Database, older: Any) -> None:
    heartbeat(newer)
    message = refused(newer, older)
    assert "SchedulerJob host-1" in message and "--wait-for-writers" in message


def test_it_waits_for_writers_when_told_to(newer: Database, older: Any) -> None:
    heartbeat(newer, "TriggererJob")
    told: list[str] = []

    def say(line: str) -> None:
        told.append(line)
        if line.startswith("Waiting"):
            execute(newer, "UPDATE job SET state = 'success'")

    done = run.reconcile(older, run.Request(allow_downgrade=True, wait_seconds=60), say)
    assert done["changed"] and told[0].startswith("Waiting for 1 writers to end: TriggererJob host-1")


def test_two_at_once_are_one(newer: Database, older: Any) -> None:
    with our_lock(newer.engine()):
        assert "another pinwheel db reconcile" in refused(newer, older, Conflict)


def test_what_would_be_lost_must_be_named_or_saved(newer: Database, older: Any, tmp_path: Path) -> None:
    execute(newer, "INSERT INTO asset (name, uri, \"group\", extra, created_at, updated_at) "
            "VALUES ('a', 'a://', 'asset', '{}', now(), now())")  # fmt: skip
    execute(newer, "INSERT INTO asset_state_store (asset_id, key, value, updated_at) "
            "SELECT id, 'k', 'what it was', now() FROM asset")  # fmt: skip
    assert "asset_state_store (1 rows)" in refused(newer, older)
    assert "asset_state_store (1 rows)" in refused(newer, older, accept_loss=frozenset({"dag"}))

    saved = tmp_path / "saved"
    saved.write_text("an older one")
    assert "exists" in refused(newer, older, snapshot=str(saved))
    saved.unlink()

    done, _ = go_down(older, snapshot=str(saved))
    assert done["snapshot"] == str(saved) and "asset_state_store" not in older_image.shape(newer)
    assert saved.stat().st_mode & 0o077 == 0


def test_an_unknown_revision_is_refused_without_permission_too(newer: Database, older: Any) -> None:
    execute(newer, "UPDATE alembic_version SET version_num = 'feedbeef0000'")
    message = refused(newer, older, allow_downgrade=False)
    assert message.startswith("Cannot tell which Airflow the schema's revision feedbeef0000 belongs to")
    assert Refused.exit_code == 5
