"""(a) Rollback: from the command until the first task of a new run on the old code has started.

Stock Airflow has no such command: the commit is reverted and pushed, and what triggers the run waits until
the processor has parsed it. There, too, each fetch is one second after the other here; with Airflow's
default of 300 s the wait grows by up to 299 s, which is computed, not measured.
"""

from __future__ import annotations

import subprocess
import time
from typing import Any

from bench import project
from bench.fleet import DEFAULT_REFRESH, Fleet
from bench.meter import median, until
from bench.report import Row
from harness.airflow_env import BIN
from harness.releases import Releases

TITLE = "rollback to first task"
PER_SIDE = True
TARGET_SECONDS = 1.0


def measure(fleet: Fleet) -> dict[str, Any]:
    fleet.require_running()
    sha, _ = fleet.push(project.subject("m2"), "A bad change of the subject")
    until(lambda: fleet.registered_dag(project.SUBJECT, sha), 600, "the subject's second commit")
    for _ in range(2):  # The first runs of a fresh scheduler are slower.
        _run(fleet, time.time(), "m2")
    starts = fleet.options.starts
    if fleet.stock:
        return {"plain": [_run(fleet, time.time(), "m2") for _ in range(starts)], **_reverts(fleet)}
    return _rollbacks(fleet, starts)


def _run(fleet: Fleet, began: float, mark: str) -> float:
    """Trigger a run; seconds from *began* until its task started. It must have run the code *mark*."""
    run_id = fleet.env.trigger(project.SUBJECT)
    fleet.env.wait_run(project.SUBJECT, run_id, timeout=120)
    started = fleet.env.scalar(
        "SELECT start_date FROM task_instance WHERE dag_id = :d AND run_id = :r", d=project.SUBJECT, r=run_id
    )
    printed = fleet.env.marks(project.SUBJECT, run_id, "first")
    assert printed["EXEC_MARK"] == mark, f"{run_id} ran {printed}, not {mark}"
    return float(started.timestamp() - began)


def _rollbacks(fleet: Fleet, count: int) -> dict[str, Any]:
    """Plain triggers and rollbacks in turn."""
    releases, token = Releases(fleet.env), fleet.env.token()
    plain, rolled, commands, parses = [], [], [], 0
    for _ in range(count):
        plain.append(_run(fleet, time.time(), "m2"))
        before = fleet.forks.total
        began = time.time()
        done = subprocess.run(
            [str(BIN / "pinwheel"), "rollback", project.SUBJECT, "--reason", "bench", "--url", fleet.env.url],
            env={**fleet.env.env, "PINWHEEL_TOKEN": token},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"rollback exited with {done.returncode}: {done.stderr[-2000:]}"
        commands.append(time.time() - began)
        rolled.append(_run(fleet, began, "m1"))
        parses += fleet.forks.total - before
        releases.promote(project.SUBJECT, reason="bench")
    return {"plain": plain, "rolled": rolled, "commands": commands, "parses": parses}


def _reverts(fleet: Fleet) -> dict[str, Any]:
    rolled, parses = [], []
    for _ in range(max(1, fleet.options.starts // 3)):
        before = fleet.forks.total
        began = time.time()
        fleet.repo.git("revert", "--no-edit", "HEAD")
        fleet.repo.push()
        sha = fleet.repo.head()
        until(lambda sha=sha: fleet.registered_dag(project.SUBJECT, sha), 900, "the revert to be parsed")
        rolled.append(_run(fleet, began, "m1"))
        parses.append(fleet.forks.total - before)
        sha, _ = fleet.push(project.subject("m2"), "The bad change again")
        until(lambda sha=sha: fleet.registered_dag(project.SUBJECT, sha), 900, "the bad change to be parsed")
    return {"rolled": rolled, "parses": sum(parses) / len(parses)}


def rows(found: dict[str, Any]) -> list[Row]:
    stock, ours = found["stock"], found["pinwheel"]
    extra = {side: median(found[side]["rolled"]) - median(found[side]["plain"]) for side in found}
    worst = extra["stock"] + DEFAULT_REFRESH - 1
    return [
        Row(
            item="a",
            what="rollback, command to first task on the old code, minus a plain trigger",
            target=f"+{TARGET_SECONDS:g} s, 0 parses",
            stock=f"+{extra['stock']:.1f} s, {stock['parses']:.0f} parses"
            f" (fetch each 1 s; at the default 300 s up to +{worst:.0f} s)",
            pinwheel=f"+{extra['pinwheel']:.2f} s, {ours['parses']} parses"
            f" (a plain trigger takes {median(ours['plain']):.1f} s)",
            ratio=f"{extra['stock'] / max(extra['pinwheel'], 0.01):.0f} times faster",
            met=extra["pinwheel"] <= TARGET_SECONDS and ours["parses"] == 0,
        )
    ]
