"""DESIGN.md's invariants, checked on the rows of a database: what must hold after every fault and step."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa

from pinwheel.core.build import label_of
from pinwheel.core.digest import digest_of, normalized
from pinwheel.core.event import EventKind
from pinwheel.core.release.serialized import plan_from_json
from pinwheel.core.rollout.steps import Check
from pinwheel.store import tables as t

# The ledger: rows may be added, none may change or go.
COUNTING = (EventKind.FOLLOW, EventKind.FOLDED)
"""Events of which one says how often it was; what it counts grows."""
LEDGER = (t.release, t.event, t.build, t.broken_build, t.binding, t.trial, t.source)


class Broken(AssertionError):
    """An invariant does not hold."""


def check(engine: sa.Engine, *, drifted: Collection[str] = ()) -> None:
    """Check every managed Dag. In ``drifted`` ones somebody else wrote to Airflow's rows: not looked at."""
    with engine.connect() as connection:
        _check_ledger(connection)
        rows = connection.execute(sa.select(t.dag)).all()
        for row in rows:
            if row.active_release is None or row.dag_id in drifted:
                continue
            _check_active_is_latest(connection, row)
        _check_bindings(connection)
        check_rollouts(connection)


def _require(holds: Any, sentence: str) -> None:
    if not holds:
        raise Broken(sentence)


def _check_ledger(connection: sa.Connection) -> None:
    numbers: dict[str, list[int]] = {}
    kinds: dict[tuple[str, int], str] = {}
    releases = connection.execute(sa.select(t.release).order_by(t.release.c.id)).all()
    for row in releases:
        numbers.setdefault(row.dag_id, []).append(row.release)
        kinds[row.dag_id, row.release] = row.kind
    for dag_id, found in numbers.items():
        _require(found == sorted(set(found)), f"release numbers of {dag_id} do not rise: {found}")
    for row in connection.execute(sa.select(t.dag)):
        newest = max(numbers.get(row.dag_id, []), default=None)
        _require(row.active_release == newest, f"{row.dag_id}: active {row.active_release}, ledger {newest}")
    recorded: dict[tuple[str, int], int] = {}
    for row in connection.execute(sa.select(t.event).where(t.event.c.dag_id.is_not(None))):
        number = row.details.get("release") if "verb" in row.details else None
        if number == row.details.get("from_release") and not row.details.get("replaced"):
            number = None  # only the track changed
        if row.kind == "adopt":
            number = row.details["release"]
        if number is not None and kinds.get((row.dag_id, number)) == row.kind:
            recorded[row.dag_id, number] = recorded.get((row.dag_id, number), 0) + 1
    for key in kinds:
        _require(recorded.get(key) == 1, f"release {key} has {recorded.get(key, 0)} events of its kind")


def _check_active_is_latest(connection: sa.Connection, row: Any) -> None:
    name = row.dag_id
    release = connection.execute(
        sa.select(t.release).where(t.release.c.dag_id == name, t.release.c.release == row.active_release)
    ).one()
    build = connection.execute(sa.select(t.build).where(t.build.c.id == row.active_build_id)).one()
    _require(release.build_id == build.id, f"{name}: the active release is of another build")
    dag = _one(connection, "SELECT * FROM dag WHERE dag_id = :d", d=name)
    version = _one(
        connection, "SELECT * FROM dag_version WHERE dag_id = :d ORDER BY version_number DESC LIMIT 1", d=name
    )
    _require(version["version_number"] == row.active_release, f"{name}: newest version is no release")
    _require(_hex(version["id"]) == row.dag_version_id.hex, f"{name}: newest version is another row")
    _require(release.dag_version_id == row.dag_version_id, f"{name}: the ledger names another version")
    _require(
        version["bundle_version"] == release.bundle_version == row.released_version,
        f"{name}: bundle versions differ",
    )
    _require(dag["bundle_version"] == row.row_version, f"{name}: its row names another bundle version")
    _require(dag["bundle_name"] == version["bundle_name"] == row.stable_bundle, f"{name}: bundles differ")
    _require(dag["relative_fileloc"] == row.stable_fileloc, f"{name}: another file")
    _require(not dag["has_import_errors"], f"{name} is off the air: has_import_errors")
    _require(bool(dag["is_stale"]) == bool(row.retired), f"{name}: is_stale={dag['is_stale']}")

    serialized = _one(connection, "SELECT * FROM serialized_dag WHERE dag_version_id = :v", v=version["id"])
    code = _one(connection, "SELECT * FROM dag_code WHERE dag_version_id = :v", v=version["id"])
    _require(serialized["dag_hash"] == row.projected_hash, f"{name}: serialized Dag differs from its release")
    _require(code["source_code_hash"] == row.projected_code_hash, f"{name}: code differs from its release")
    data = _decoded(serialized["data"])
    if not data["dag"].get("deadline"):
        _require(
            digest_of(normalized(data)) == build.serialized_digest,
            f"{name}: the serialized Dag is no build's",
        )
    source = connection.scalar(
        sa.select(t.source.c.content).where(t.source.c.digest == build.files.get(build.relative_fileloc))
    )
    _require(source is None or code["source_code"] == source.decode(), f"{name}: the code is no build's")
    for table, order in (("serialized_dag", "created_at"), ("dag_code", "last_updated")):
        by_time = _one(
            connection,
            f"SELECT dag_version_id FROM {table} WHERE dag_id = :d ORDER BY {order} DESC LIMIT 1",
            d=name,
        )
        _require(_hex(by_time["dag_version_id"]) == row.dag_version_id.hex, f"{name}: newer {table} by time")

    inner = data["dag"]
    _require((dag["description"] or None) == (inner.get("description") or None), f"{name}: description")
    tags = connection.execute(sa.text("SELECT name FROM dag_tag WHERE dag_id = :d"), {"d": name})
    _require(sorted(tags.scalars()) == sorted(inner.get("tags") or []), f"{name}: tags")
    _require(label_of(inner.get("tags")) == build.label, f"{name}: label")
    for limit in ("max_active_runs", "max_active_tasks"):
        _require(inner.get(limit) is None or dag[limit] == inner[limit], f"{name}: {limit}")
    kind = inner["timetable"]["__type"].rpartition(".")[2]
    _require(str(dag["timetable_type"]).rpartition(".")[2] == kind, f"{name}: timetable")
    assets = connection.scalar(
        sa.text("SELECT count(*) FROM dag_schedule_asset_reference WHERE dag_id = :d"), {"d": name}
    )
    if not row.retired:
        _require(bool(assets) == (kind == "AssetTriggeredTimetable"), f"{name}: asset references")


def _check_bindings(connection: sa.Connection) -> None:
    """Each started run of a managed Dag has one binding for what it runs now, and to that."""
    rows = connection.execute(
        sa.text(
            "SELECT r.dag_id, r.run_id, r.state, r.created_dag_version_id AS runs, b.dag_version_id AS bound,"
            " b.run_id AS known FROM dag_run r JOIN pinwheel_dag p ON p.dag_id = r.dag_id"
            " LEFT JOIN pinwheel_binding b ON b.dag_id = r.dag_id AND b.run_id = r.run_id"
            " AND b.seq = r.clear_number WHERE r.state IN ('running', 'success', 'failed')"
        )
    )
    for row in rows.mappings():
        _require(row["known"] is not None, f"run {row['run_id']} of {row['dag_id']} is bound to nothing")
        _require(
            _hex(row["runs"]) == _hex(row["bound"]),
            f"run {row['run_id']} of {row['dag_id']} left its binding",
        )


def check_rollouts(connection: sa.Connection) -> None:
    """What section 3.3 of the rollouts' design says of each moment; Pinwheel's tables alone are read."""
    dags = {row.dag_id: row for row in connection.execute(sa.select(t.dag))}
    builds = {row.id: row for row in connection.execute(sa.select(t.build))}
    released = {
        (row.dag_id, row.build_id) for row in connection.execute(sa.select(t.release.c["dag_id", "build_id"]))
    }
    told = Counter(
        row.details["rollout"]
        for row in connection.execute(sa.select(t.event).where(t.event.c.kind == EventKind.ROLLOUT))
    )
    said = connection.execute(sa.select(t.verdict).where(t.verdict.c.answer.in_(["passed", "skipped"]))).all()
    past_gates = {
        (row.dag_id, row.at)
        for row in connection.execute(sa.select(t.event).where(t.event.c.kind == "promote"))
        if row.details.get("overrides")
    }
    for row in connection.execute(sa.select(t.rollout)):
        name, dag = f"rollout {row.id} of {row.dag_id}", dags[row.dag_id]
        _require(told[row.id] == row.generation, f"{name}: {told[row.id]} events, {row.generation} writes")
        live = row.state in ("waiting", "watching", "paused")
        slot = ("watched" if row.released_at else "ahead") if live else None
        _require(row.slot == slot, f"{name}: {row.state} in slot {row.slot}")
        _require((row.ended_at is None) == live, f"{name}: {row.state}, ended at {row.ended_at}")
        if slot == "watched":
            _require(dag.active_build_id == row.build_id, f"{name}: what is watched is not active")
            _require(dag.track != "pinned", f"{name} is watched under a pin")
        if slot == "ahead":
            _require(dag.track != "pinned" or row.knows_pin, f"{name} is ahead under a pin")
        if row.released_at is None:
            _require(row.state not in ("released", "proven"), f"{name} was never released")
            continue
        _require((row.dag_id, row.build_id) in released, f"{name}: no release of its build")
        if (row.dag_id, row.released_at) not in past_gates:
            passed = {each.name for each in said if _is_about(each, row, dag, builds[row.build_id])}
            skipped = {each.step for each in said if each.answer == "skipped" and each.rollout_id == row.id}
            for at, step in enumerate(plan_from_json(row.plan).gates):
                if isinstance(step, Check) and at not in skipped:
                    _require(step.name in passed, f"{name}: released without check {step.name}")


def _is_about(verdict: Any, rollout: Any, dag: Any, build: Any) -> bool:
    """Whether it is about the rollout's place, and not too late."""
    if verdict.at > rollout.released_at:
        return False
    if verdict.rollout_id is not None:
        return bool(verdict.rollout_id == rollout.id)
    if verdict.digest is not None:
        return bool(verdict.digest == build.digest)
    if verdict.bundle_version != rollout.bundle_version:
        return False
    return bool(verdict.build_id == rollout.build_id or verdict.bundle_name == dag.bundle_name)


def history(engine: sa.Engine, *, unused_too: bool = False) -> dict[str, tuple[Any, ...]]:
    """What every version that some task instance refers to says: structure, code and bundle version."""
    with engine.connect() as connection:
        tables = sa.inspect(connection).get_table_names()
        used = "SELECT dag_version_id FROM task_instance"
        if "task_instance_history" in tables:
            used += " UNION SELECT dag_version_id FROM task_instance_history"
        rows = connection.execute(
            sa.text(
                "SELECT v.id, v.dag_id, v.version_number, v.bundle_name, v.bundle_version, s.dag_hash,"
                " s.data, c.source_code, c.fileloc FROM dag_version v"
                " LEFT JOIN serialized_dag s ON s.dag_version_id = v.id"
                " LEFT JOIN dag_code c ON c.dag_version_id = v.id"
                + ("" if unused_too else f" WHERE v.id IN ({used})")
            )
        )
        return {_hex(row[0]): tuple(str(value) for value in row[1:]) for row in rows}


def check_history(
    before: dict[str, tuple[Any, ...]], engine: sa.Engine, forgotten: Iterable[str] = ()
) -> None:
    """No version that was used then says anything else now; those of ``forgotten`` Dags are not looked at.

    One that is used no more (its runs were deleted, or moved to another build) may be gone.
    """
    forgotten = set(forgotten)
    used, now = history(engine), history(engine, unused_too=True)
    for version, said in before.items():
        if said[0] in forgotten or (version not in used and version not in now):
            continue
        _require(now.get(version) == said, f"history changed: {said[:4]} is now {now.get(version)}")


def ledger(engine: sa.Engine) -> dict[str, set[str]]:
    """Every row of the append-only tables, as text; of an event that counts not how often."""
    with engine.connect() as connection:
        return {
            table.name: {repr(_lasting(row)) for row in connection.execute(sa.select(table)).mappings()}
            for table in LEDGER
        }


def _lasting(row: sa.RowMapping) -> dict[str, Any]:
    """What of a row never changes."""
    return {
        name: value for name, value in row.items() if name != "details" or row.get("kind") not in COUNTING
    }


def check_appended(before: dict[str, set[str]], after: dict[str, set[str]]) -> None:
    for name, rows in before.items():
        lost = rows - after[name]
        _require(not lost, f"{name} lost or changed {sorted(lost)[:2]}")


def dump(engine: sa.Engine, *, but: Collection[str] = ()) -> dict[str, list[str]]:
    """Every row of every table, Airflow's and ours, as text: equal dumps are equal databases."""
    found = {}
    with engine.connect() as connection:
        meta = _reflected(engine)
        for table in meta.sorted_tables:
            if table.name not in but:
                rows = connection.execute(sa.text(f'SELECT * FROM "{table.name}"'))
                found[table.name] = sorted(repr([_plain(value) for value in row]) for row in rows)
    return found


_metas: dict[str, sa.MetaData] = {}


def _reflected(engine: sa.Engine) -> sa.MetaData:
    key = str(engine.url)
    if key not in _metas:
        _metas[key] = sa.MetaData()
        for name in sa.inspect(engine).get_table_names():
            sa.Table(name, _metas[key])
    return _metas[key]


def differing(one: dict[str, list[str]], other: dict[str, list[str]]) -> list[str]:
    """Names of tables that differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _one(connection: sa.Connection, statement: str, **parameters: Any) -> dict[str, Any]:
    rows = connection.execute(sa.text(statement), parameters).mappings().all()
    _require(rows, f"no row: {statement} {parameters}")
    return dict(rows[0])


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _hex(value: Any) -> str:
    return str(value).replace("-", "")


def _decoded(value: Any) -> Any:
    return json.loads(value) if isinstance(value, (str, bytes)) else value
