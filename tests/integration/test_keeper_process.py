"""``pinwheel keeper`` as a process: it says that it lives, ends when told, and with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from harness.processes import TIMEOUT_FACTOR as FACTOR
from pinwheel.services.upkeep import beat
from pinwheel.services.upkeep.beat import Beat
from pinwheel.services.upkeep.health import health
from pinwheel.services.upkeep.keeper_status import keeper_status
from pinwheel.store import start_rules
from pinwheel.store import tables as t
from pinwheel.store.start_rules import RuleKind

KEEPER = [sys.executable, "-m", "pinwheel.cli.main", "keeper"]


@pytest.fixture
def host(airflow_database: Any) -> Any:
    from pinwheel.airflow3.host import airflow_host

    return airflow_host()


@pytest.fixture
def started(tmp_path: Path, airflow_database: Any) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts processes on the database; what is left of them is ended."""
    made: list[subprocess.Popen[bytes]] = []
    env = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": airflow_database.url,
    }

    def start(*command: str) -> subprocess.Popen[bytes]:
        with (tmp_path / f"log{len(made)}").open("wb") as log:
            made.append(subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True))
        return made[-1]

    yield start
    for process in made:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def names(host: Any) -> list[str]:
    return [one.process for one in host.unit.run(beat.keepers) if one.alive]


def wait_for(holds: Callable[[], Any], seconds: float = 30.0) -> Any:
    end = time.monotonic() + seconds * FACTOR
    while not (found := holds()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.1)
    return found


def test_a_keeper_says_that_it_lives_and_ends_within_a_second_when_told(
    host: Any, started: Any, tmp_path: Path
) -> None:
    from pinwheel.airflow3.keeper.process import GRACE

    process = started(*KEEPER)
    (name,) = wait_for(lambda: names(host))
    assert name.endswith(f":{process.pid}")
    process.send_signal(signal.SIGTERM)
    process.wait(30 * FACTOR)
    assert process.returncode == 0
    # It waits for nothing but the turn that is under way, and for that so long at most.
    assert GRACE < 1.0
    cut_short = "in the middle of a turn" in (tmp_path / "log0").read_text()
    assert names(host) == [] or cut_short, "it said that it went"


def test_a_keeper_ends_with_the_process_that_started_it_though_that_is_killed(
    host: Any, started: Any
) -> None:
    parent = started(
        sys.executable,
        "-c",
        "import os, sys, subprocess, time\n"
        f"p = subprocess.Popen({KEEPER!r} + ['--parent', str(os.getpid())])\n"
        "time.sleep(600)\n",
    )
    (name,) = wait_for(lambda: names(host))
    os.kill(parent.pid, signal.SIGKILL)
    wait_for(lambda: names(host) == [])
    with pytest.raises(ProcessLookupError):
        wait_for(lambda: os.kill(int(name.rpartition(":")[2]), 0))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_dag_processor_has_a_keeper_that_ends_with_it_and_starts_again_when_it_ends_alone(
    host: Any, started: Any, how: signal.Signals
) -> None:
    processor = started(sys.executable, "-m", "pinwheel.cli.main", "dag-processor")
    (name,) = wait_for(lambda: names(host), 60)
    pid = int(name.rpartition(":")[2])
    assert psutil.Process(pid).ppid() == processor.pid
    if how is signal.SIGTERM:
        os.kill(pid, signal.SIGKILL)
        # The one that was killed counts as alive for a minute, which the next may take to come up.
        new = wait_for(lambda: [one for one in names(host) if one != name], 60)
        pid = int(new[0].rpartition(":")[2])
    processor.send_signal(how)
    wait_for(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    processor.wait(60 * FACTOR)


def test_a_keeper_that_was_not_heard_of_for_a_minute_is_gone_and_is_forgotten_later(host: Any) -> None:
    living, gone, old = (Beat(host, holder=name) for name in ("m:1", "m:2", "m:3"))
    for one in (living, gone, old):
        one.beat()
    age(host, gone, 61)
    age(host, old, 3600 + 61)
    found = host.unit.run(beat.keepers)
    assert [(one.process, one.alive) for one in found] == [("m:1", True), ("m:2", False), ("m:3", False)]
    living.beat()
    assert [one.process for one in host.unit.run(beat.keepers)] == ["m:1", "m:2"]
    living.end()
    assert names(host) == []


def test_health_says_when_dags_are_judged_by_date_and_no_keeper_lives(host: Any) -> None:
    assert health(host).problems == ()
    host.unit.run(lambda s: start_rules.add(s, ["a"], RuleKind.DATED, now=datetime.now(UTC)))
    (problem,) = health(host).problems
    assert problem.startswith("No keeper for 60 s, but the runs of 1 Dag are judged by their dates")
    assert keeper_status(host).problems == (problem,)
    Beat(host, holder="m:1").beat()
    assert health(host).problems == ()
    assert (keeper_status(host).dated_dags, keeper_status(host).keepers[0].process) == (1, "m:1")


def age(host: Any, one: Beat, seconds: float) -> None:
    """It was last heard of so long ago."""
    until = datetime.fromtimestamp(time.time() + beat.SECONDS - seconds, UTC)
    host.unit.run(
        lambda s: s.execute(sa.update(t.lease).where(t.lease.c.name == one.name).values(until=until))
    )
