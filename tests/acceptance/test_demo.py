"""The story of `make demo`, told once, as on a machine where nobody looks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.processes import SESSION_ID, SESSION_VARIABLE, processes_with

pytestmark = [pytest.mark.full, pytest.mark.airflow, pytest.mark.slow]


def test_the_demo_tells_its_story_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pinwheel.demo", "--once"],
        cwd=tmp_path,
        # Airflow settings of the surrounding shell must not matter; its temporary folder is found by TMPDIR.
        env={
            **os.environ,
            "TMPDIR": str(tmp_path),
            "AIRFLOW__CORE__EXECUTOR": "NoSuchExecutor",
            SESSION_VARIABLE: SESSION_ID,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=900,
    )
    assert done.returncode == 0, done.stdout
    for line in (
        "1. The first release",
        "$ pinwheel diff orders_daily 1 2",
        "+VAT_PERCENT = 21",
        "Pinned orders_daily: still release 2",
        "trial-of-build-3: 3 orders, 142.78 EUR with VAT 21 %",
        "Promoted orders_daily: release 3 (build 3) is active",
        "SyntaxError",
        "Rolled back orders_daily: release 4 (build 2) is active",
        "after-the-rollback: 4 orders, 173.03 EUR with VAT 21 %",
        "orders to suppliers revision 1",
        "inventory_hourly: the approval is counted.",
        "export_acme release 2 is watched: 0 of 3 runs ended well",
        "export_acme was rolled back by itself at ",
        "rolled_back: a run of build 2 failed (export-of-the-night)",
        "Every step showed what it should",
    ):
        assert line in done.stdout, f"{line!r} is not in\n{done.stdout}"
    assert list(tmp_path.iterdir()) == []
    left = [process for process in processes_with(SESSION_VARIABLE, SESSION_ID) if _of_the_demo(process)]
    assert left == []


def _of_the_demo(process: object) -> bool:
    return "PINWHEEL_STANDALONE" in process.environ()  # type: ignore[attr-defined]
