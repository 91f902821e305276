"""A reconcile that is killed at any step is run again, and reaches its target."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from harness import invariants, older_image
from harness.databases import Database
from harness.older_image import block_before, execute, go_down, unblock, wait_until_blocked
from harness.processes import wait_for
from pinwheel.core.errors import HostError
from pinwheel.reconcile.strategies.capsule import CapsuleStrategy
from pinwheel.reconcile.strategy import Downgrade

pytestmark = pytest.mark.postgres


def kill_the_walk() -> None:
    (child,) = [p for p in psutil.Process(os.getpid()).children() if "pinwheel.reconcile.walk" in p.cmdline()]
    child.kill()


def killed_at(database: Database, image: Any, walk: Downgrade, target: str) -> None:
    """Walk, and kill the child inside of the step that leads to this revision."""
    block_before(database, target)
    ended: list[BaseException | None] = []

    def run() -> None:
        try:
            CapsuleStrategy(image).run(walk, lambda _: None)
        except HostError as error:
            ended.append(error)

    at_work = threading.Thread(target=run)
    at_work.start()
    wait_until_blocked(database)
    kill_the_walk()
    at_work.join(60)
    # Its server process sleeps on; it would notice its client's end when the statement has ended.
    execute(database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    unblock(database)
    assert ended and "cut off" in str(ended[0])


@pytest.mark.full
@pytest.mark.slow
def test_killed_at_each_migration_step_it_reaches_the_target_when_it_is_run_again(
    newer: Database, older: Any
) -> None:
    image = older_image.newer_image(newer)
    undone = image.history.between(image.history.head, older_image.OLD_HEAD)
    walk = Downgrade(
        from_revision=image.history.head,
        from_version=image.version,
        to_revision=older_image.OLD_HEAD,
        to_version=older_image.OLD_VERSION,
    )
    before, shape = invariants.dump(newer.engine()), older_image.shape(newer)
    for step in undone:
        killed_at(newer, older, walk, step.parents[0])
        # PostgreSQL takes all steps of a walk back as one.
        assert older_image.revision(newer) == image.history.head, step
    assert invariants.differing(before, invariants.dump(newer.engine())) == []
    assert older_image.shape(newer) == shape
    assert go_down(older)[0]["changed"]
    assert older_image.revision(newer) == older_image.OLD_HEAD


def test_a_killed_reconcile_is_taken_up_from_its_journal(newer: Database, older: Any, tmp_path: Any) -> None:
    execute(newer, "INSERT INTO asset (name, uri, \"group\", extra, created_at, updated_at) "
            "VALUES ('a', 'a://', 'asset', '{}', now(), now())")  # fmt: skip
    execute(newer, "INSERT INTO asset_state_store (asset_id, key, value, updated_at) "
            "SELECT id, 'k', 'what it was', now() FROM asset")  # fmt: skip
    saved = str(tmp_path / "saved")
    block_before(newer, older_image.OLD_HEAD)

    def run() -> None:
        with pytest.raises(HostError):
            go_down(older, snapshot=saved)

    at_work = threading.Thread(target=run)
    at_work.start()
    wait_until_blocked(newer)
    kill_the_walk()
    at_work.join(60)
    execute(newer, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
    unblock(newer)

    # The same command: its own snapshot is not in its way, as nothing was dropped yet.
    done, told = go_down(older, snapshot=saved)
    assert done["changed"] and done["snapshot"] == saved
    assert any(line.startswith("Taking up the walk") for line in told)
    with newer.engine().connect() as connection:
        states = connection.execute(sa.text("SELECT state FROM pinwheel_reconcile ORDER BY id")).scalars()
        assert list(states) == ["left", "done"]


def test_a_walk_dies_with_the_process_that_started_it(newer: Database) -> None:
    image = older_image.newer_image(newer)
    head = image.history.head
    block_before(newer, older_image.OLD_HEAD)
    order = {
        "mode": "walk",
        "package": str(image.package),
        "from_revision": head,
        "to_revision": older_image.OLD_HEAD,
        "undone": [revision.id for revision in image.history.between(head, older_image.OLD_HEAD)],
        "url": image.url,
        "connect_args": "",
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "pinwheel.reconcile.walk"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "_AIRFLOW__AS_LIBRARY": "1"},
        cwd=tempfile.mkdtemp(),
    )
    assert child.stdin is not None
    child.stdin.write(json.dumps(order).encode() + b"\ngo\n")
    child.stdin.flush()
    wait_until_blocked(newer)
    assert child.poll() is None
    child.stdin.close()
    assert wait_for(lambda: child.poll() is not None, 30, "the end of the walk")
    unblocked = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
    execute(newer, unblocked)
    assert older_image.revision(newer) == head
