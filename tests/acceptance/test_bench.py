"""`make bench` at tiny sizes: it measures both sides, prints its table and leaves nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.processes import SESSION_ID, SESSION_VARIABLE

pytestmark = [pytest.mark.full, pytest.mark.airflow, pytest.mark.postgres, pytest.mark.slow]

_ROOT = Path(__file__).resolve().parents[2]


def _run(temporary: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *args],
        cwd=_ROOT,
        env={**os.environ, "TMPDIR": str(temporary), SESSION_VARIABLE: SESSION_ID},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=1500,
    )


def test_the_benchmark_prints_its_table_and_writes_json(session_root: Path, tmp_path: Path) -> None:
    path, temporary = tmp_path / "run.json", session_root / "bench"
    temporary.mkdir()
    done = _run(temporary, "bench", "--quick", "--only", "b,g,k,l,n,q,r,s,u", "--json", str(path))
    assert done.returncode == 0, done.stdout
    document = json.loads(path.read_text())
    # Each row begins with a whole cell: its first column, folded where it is long.
    firsts = [line.split("│")[1] for line in done.stdout.splitlines() if line.startswith("│")]
    table = " ".join("".join(firsts).split())
    assert all(f"({row['item']}) {row['what']}" in table for row in document["rows"]), table
    assert "(b) rollback on the server, 60 Dags in the database" in table
    assert "one line of a helper changed" in table
    assert [row["item"] for row in document["rows"]] == [*"bbggkkkllllnqqqrsu"]
    assert not any(row["error"] for row in document["rows"])
    single = document["measured"]["b"]["single"]
    assert 0 < single["p50"] <= single["p99"] <= single["max"] and single["n"] == 20
    helper = document["measured"]["g"]["pinwheel"]["helper"]
    assert helper["builds"] == 2 and helper["pinwheel"] > 500
    assert document["measured"]["g"]["stock"]["helper"]["pinwheel"] == 0
    follow = document["measured"]["k"]
    for side in (follow["alone"], follow["scheduler"]):
        assert 0 < side["taken"]["max"] <= side["all"]["max"]
        assert side["added"] == {"pinwheel_bundle_version": 1, "pinwheel_event": 1}
    assert follow["alone"]["at_once"] == [60] and follow["scheduler"]["runs_per_second"] > 0
    commits = document["measured"]["l"]
    assert len(commits["marks"]) == 5 and commits["commits"] == 24
    assert all(300 < grown < 900 for grown in commits["slopes"]["rows"])
    assert all(grown > 0 for grown in commits["slopes"]["versions"])
    traced = document["measured"]["n"]
    assert len(traced["stock"]) == len(traced["pinwheel"]) == traced["files"] == 12
    assert min(*traced["stock"], *traced["pinwheel"]) > 0
    assert document["facts"]["postgresql"] and str(session_root) not in path.read_text()
    assert list(temporary.iterdir()) == []

    table = _run(temporary, "bench.readme", str(path))
    assert table.returncode == 0, table.stdout
    assert table.stdout.startswith("| Item | Target | Stock Airflow | Pinwheel | Verdict |")
