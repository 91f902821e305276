"""What a walk down drops comes back from its snapshot, and only from one that nobody touched."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness import older_image
from harness.databases import Database
from harness.older_image import execute, go_down, newer_image
from pinwheel.core.errors import InvalidInput, Refused
from pinwheel.reconcile import losses, saved_rows
from pinwheel.reconcile.strategy import Downgrade

pytestmark = pytest.mark.postgres
WALK = Downgrade(from_revision="b", from_version="3.3.2", to_revision="a", to_version="3.2.2")


@pytest.fixture
def saved(newer: Database, old_tables: Any, tmp_path: Path) -> Path:
    """A snapshot of one row; it is then gone from the database."""
    execute(newer, "INSERT INTO asset (name, uri, \"group\", extra, created_at, updated_at) "
            "VALUES ('a', 'a://', 'asset', '{}', now(), now())")  # fmt: skip
    execute(newer, "INSERT INTO asset_state_store (asset_id, key, value, updated_at) "
            "SELECT id, 'k', 'what it was', now() FROM asset")  # fmt: skip
    path = tmp_path / "saved"
    image = newer_image(newer)
    with newer.engine().connect() as connection:
        undone = [r.id for r in image.history.between(image.history.head, older_image.OLD_HEAD)]
        found = losses.find(connection, image.schema(), old_tables, undone)
        assert saved_rows.write(connection, str(path), WALK, found, image.keys) == 1
    execute(newer, "DELETE FROM asset_state_store")
    return path


def restore(database: Database, path: Path | str, *keys: str) -> saved_rows.Restored:
    image = newer_image(database, *keys)
    with image.engine.begin() as connection:
        return saved_rows.restore(connection, str(path), image.keys)


def value(database: Database) -> str | None:
    with database.engine().connect() as connection:
        found = connection.scalar(sa.text("SELECT value FROM asset_state_store"))
        return str(found) if found else None


def test_what_was_dropped_comes_back_and_a_repeat_changes_nothing(newer: Database, saved: Path) -> None:
    assert restore(newer, saved).back == {"asset_state_store": 1}
    assert value(newer) == "what it was"
    execute(newer, "UPDATE asset_state_store SET value = 'newer'")
    assert restore(newer, saved).left == {"asset_state_store": 1}
    assert value(newer) == "newer"


def test_a_row_whose_owner_is_gone_is_left_out(newer: Database, saved: Path) -> None:
    execute(newer, "DELETE FROM asset")
    assert restore(newer, saved).left == {"asset_state_store": 1}


def test_only_a_whole_snapshot_of_this_deployment_is_restored(
    newer: Database, saved: Path, tmp_path: Path
) -> None:
    lines = gzip.decompress(saved.read_bytes()).splitlines(keepends=True)
    for name, content in {
        "altered": [lines[0], lines[1].replace(b"what it was", b"what it wasn't"), lines[2]],
        "cut": lines[:-1],
        "signature": [*lines[:2], lines[2].replace(b'"signature": "', '"signature": "é'.encode())],
        "key": [lines[0].replace(b'"key_id":"', '"key_id":"é'.encode()), *lines[1:]],
        "deep": [lines[0], b"[" * 100_000],
        "other": [json.dumps({"some": "file"}).encode()],
    }.items():
        path = tmp_path / name
        path.write_bytes(gzip.compress(b"".join(content)))
        with pytest.raises(Refused, match="Cannot restore the snapshot"):
            restore(newer, path)
    (tmp_path / "bits").write_bytes(saved.read_bytes()[:60] + b"\xff" * 40)
    with pytest.raises(Refused, match="can not be read"):
        restore(newer, tmp_path / "bits")
    (tmp_path / "text").write_text("no gzip")
    with pytest.raises(Refused, match="can not be read"):
        restore(newer, tmp_path / "text")
    with pytest.raises(Refused, match="another Fernet key"):
        restore(newer, saved, older_image.OTHER_KEY)
    with pytest.raises(InvalidInput):
        restore(newer, tmp_path / "none")
    assert value(newer) is None


def test_a_schema_without_a_place_for_it_is_told(newer: Database, saved: Path) -> None:
    execute(newer, "DROP TABLE asset_state_store")
    with pytest.raises(Refused, match="this schema has no asset_state_store"):
        restore(newer, saved)


def test_a_snapshot_in_an_object_store_brings_back_what_was_dropped(
    newer: Database, saved: Path, older: Any, postgres: Any, tmp_path: Path
) -> None:
    upgraded = postgres.copy(newer)
    assert restore(newer, saved).back == {"asset_state_store": 1}
    path = f"file://{tmp_path}/lost.jsonl.gz"
    assert go_down(older, snapshot=path)[0]["snapshot"] == path
    assert restore(upgraded, path).back == {"asset_state_store": 1}
    assert value(upgraded) == "what it was"
    with pytest.raises(Refused, match="exists"):
        saved_rows.require_new(path)
    upgraded.drop()


def test_a_full_dump_beside_the_snapshot_is_the_database_of_before(
    newer: Database, saved: Path, older: Any, postgres: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert restore(newer, saved).back == {"asset_state_store": 1}
    programs = postgres.programs()
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    path = str(tmp_path / "lost.jsonl.gz")
    done, told = go_down(older, snapshot=path, full=True)
    assert done["changed"] and f"Writing a full dump to {path}.dump" in told

    copy = postgres.create("copy", migrated=False)
    whose = sa.make_url(copy.url)
    where = [f"--host={whose.host}", f"--port={whose.port}", f"--username={whose.username}"]
    subprocess.run(
        [f"{programs}/pg_restore", "--no-owner", "--exit-on-error", *where, f"-d{copy.name}", f"{path}.dump"],
        check=True,
        env={**os.environ, "PGPASSWORD": whose.password or ""},
    )
    assert value(copy) == "what it was"
    assert older_image.revision(copy) == newer_image(newer).history.head
    copy.drop()


def test_a_full_dump_without_the_program_is_refused_and_changes_nothing(
    newer: Database, saved: Path, older: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert restore(newer, saved).back == {"asset_state_store": 1}
    monkeypatch.setenv("PATH", str(tmp_path))
    head = older_image.revision(newer)
    with pytest.raises(Refused, match="there is no pg_dump in this image"):
        go_down(older, snapshot=str(tmp_path / "lost"), full=True)
    assert older_image.revision(newer) == head and value(newer) == "what it was"
