"""(g) What the database keeps of a one-line change of one Dag with five helpers, by real processors.

Each version has a run, since stock Airflow overwrites a version that none has used. Both sides keep rows
in Airflow's version tables; Pinwheel keeps its own beside them.
"""

from __future__ import annotations

from typing import Any

from bench import project
from bench.fleet import Fleet
from bench.inprocess import bound, make_run
from bench.meter import until
from bench.report import Row
from harness.airflow_env import DAG_PROCESSOR

TITLE = "bytes a build"
PER_SIDE = True
OWN_REPOSITORY = True
AIRFLOW_TABLES = ("dag_version", "serialized_dag", "dag_code")


def files(_options: Any) -> dict[str, str]:
    return project.one_line()


def measure(fleet: Fleet) -> dict[str, Any]:
    fleet.env.start(DAG_PROCESSOR, timeout=300)
    until(lambda: fleet.registered_dag(project.TINY, fleet.repo.head()), 300, "the first build")
    count = max(2, fleet.options.builds // 2)
    with bound(fleet.env.database):
        make_run(project.TINY, "first")
        helper = _phase(fleet, count, "helper")
        shown = _phase(fleet, count, "shown")
    return {"helper": helper, "shown": shown}


def _phase(fleet: Fleet, count: int, kind: str) -> dict[str, Any]:
    before, disk = _stored(fleet), _disk(fleet)
    for number in range(1, count + 1):
        change = {"in_helper": number, "shown": 0} if kind == "helper" else {"in_helper": 0, "shown": number}
        sha, _ = fleet.push(project.one_line(**change), f"One line ({kind} {number})")
        until(lambda sha=sha: fleet.registered_dag(project.TINY, sha), 300, f"{kind} {number}")
        make_run(project.TINY, f"{kind}-{number}")
    after = _stored(fleet)
    grown = {table: after[table] - before.get(table, 0) for table in after}
    ours = sum(size for table, size in grown.items() if table.startswith("pinwheel_"))
    return {
        "builds": count,
        "airflow": (sum(grown.values()) - ours) / count,
        "pinwheel": ours / count,
        "tables": {table: size / count for table, size in grown.items() if size},
        "versions": after["versions"] - before["versions"] if "versions" in after else None,
        "disk": (_disk(fleet) - disk) / count,
    }


def _stored(fleet: Fleet) -> dict[str, int]:
    """Bytes of all rows, compressed as PostgreSQL keeps them; indexes and page overhead do not count."""
    own = [row["tablename"] for row in fleet.env.rows("SELECT tablename FROM pg_tables")]
    tables = [*AIRFLOW_TABLES, *sorted(name for name in own if name.startswith("pinwheel_"))]
    return {
        table: int(fleet.env.scalar(f"SELECT coalesce(sum(pg_column_size(t.*)), 0) FROM {table} t"))
        for table in tables
    }


def _disk(fleet: Fleet) -> int:
    """Bytes of the bundle's local copies."""
    root = fleet.env.root / "bundles"
    seen: dict[tuple[int, int], int] = {}
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            stat = path.stat()
            seen[(stat.st_dev, stat.st_ino)] = stat.st_blocks * 512
    return sum(seen.values())


def rows(found: dict[str, Any]) -> list[Row]:
    titles = {"helper": "one line of a helper", "shown": "one line of the Dag's structure"}
    made = []
    for kind, title in titles.items():
        stock, ours = found["stock"][kind], found["pinwheel"][kind]
        made.append(
            Row(
                item="g",
                what=f"bytes stored for a build, {title} changed",
                stock=f"{stock['airflow']:.0f}"
                + (" (overwritten: no history)" if stock["airflow"] < 50 else ""),
                pinwheel=f"{ours['pinwheel'] + ours['airflow']:.0f}"
                f" ({ours['pinwheel']:.0f} own + {ours['airflow']:.0f} in Airflow's tables)",
            )
        )
    return made
