"""Each private name of Airflow that Pinwheel uses is there, with the parameters that Pinwheel passes."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import attrs
import pytest
from sqlalchemy import event, select

from pinwheel.airflow3.compat import airflow_version
from pinwheel.airflow3.private_names import PRIVATE_NAMES


@pytest.mark.parametrize(
    ("module", "name", "why"), PRIVATE_NAMES, ids=[f"{m}:{n}" for m, n, _ in PRIVATE_NAMES]
)
def test_a_private_name_is_still_there(module: str, name: str, why: str) -> None:
    path, _, parameters = name.partition("(")
    message = f"Airflow {airflow_version()}: {module}.{path} changed. It is used here: {why}"
    try:
        found = importlib.import_module(module)
    except ImportError:
        pytest.fail(f"{message}. The module is gone.")
    for part in path.split("."):
        if attrs.has(found) and part in attrs.fields_dict(found):
            found = attrs.fields_dict(found)[part]
        elif hasattr(found, part):
            found = getattr(found, part)
        else:
            pytest.fail(f"{message}. {part} is gone.")
    if parameters:
        expected = [p.strip() for p in parameters.rstrip(")").split(",") if p.strip()]
        actual = list(inspect.signature(found).parameters)
        assert actual == expected, f"{message}. Its parameters are now {actual}."


WRITERS = {
    ("models/dagrun.py", "__init__"),
    ("models/taskinstance.py", "_update_dagrun_to_latest_version"),
    ("models/taskinstance.py", "clear_task_instances"),
}
"""Functions of Airflow that give a run a bundle version: each is one of the ways past the mark, or to it."""


def test_no_other_function_of_airflow_gives_a_run_its_bundle_version() -> None:
    import airflow

    root = Path(airflow.__file__).parent
    found = set()
    for folder in (
        "models",
        "jobs",
        "api",
        "api_fastapi",
        "serialization",
        "utils",
        "assets",
        "cli",
        "timetables",
    ):
        for path in (root / folder).rglob("*.py"):
            text = path.read_text()
            if "bundle_version =" in text:
                found |= {(str(path.relative_to(root)), name) for name in _assigning(ast.parse(text))}
    assert found == WRITERS, f"Airflow {airflow_version()}: see airflow3/run/binder.py and ADR 12"


def _assigning(tree: ast.AST) -> set[str]:
    """Functions that assign ``bundle_version`` of what is called as a run, or in the run's own class."""
    found = set()
    for owner in ast.walk(tree):
        if not isinstance(owner, ast.ClassDef | ast.Module):
            continue
        runs = {"dr", "dag_run", "run", "dagrun"} | (
            {"self"} if isinstance(owner, ast.ClassDef) and owner.name == "DagRun" else set()
        )
        for function in owner.body:
            if not isinstance(function, ast.FunctionDef):
                continue
            for each in ast.walk(function):
                targets = each.targets if isinstance(each, ast.Assign) else ()
                for target in targets:
                    if (
                        isinstance(target, ast.Attribute)
                        and target.attr == "bundle_version"
                        and isinstance(target.value, ast.Name)
                        and target.value.id in runs
                    ):
                        found.add(function.name)
    return found


@pytest.mark.parametrize("fails", [False, True])
def test_a_session_in_a_savepoint_of_the_schedulers_connection_changes_nothing_else(
    airflow_database: Any, fails: bool
) -> None:
    """While commits of the scheduler's own session are forbidden; its object is told without a statement."""
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session
    from airflow.utils.sqlalchemy import prohibit_commit
    from sqlalchemy.orm.attributes import set_committed_value

    from pinwheel.airflow3.run.binder import in_savepoint

    def work(inner: Any) -> None:
        inner.get(Pool, kept_id).description = "inside"
        inner.flush()
        if fails:
            raise ValueError

    with create_session() as session:
        Pool.create_or_update_pool("kept", 1, "", False, session=session)
    statements: list[str] = []
    with create_session() as session, prohibit_commit(session) as guard:
        pool = session.scalars(select(Pool).where(Pool.pool == "kept")).one()
        kept_id, pool.slots = pool.id, 7
        if fails:
            with pytest.raises(ValueError):
                in_savepoint(session, work)
        else:
            in_savepoint(session, work)
        event.listen(session.get_bind(), "before_cursor_execute", lambda *args: statements.append(args[2]))
        set_committed_value(pool, "description", "inside")
        assert statements == [] and pool in session.dirty
        guard.commit()
    with create_session() as session:
        pool = session.scalars(select(Pool).where(Pool.pool == "kept")).one()
        assert (pool.slots, pool.description) == (7, "" if fails else "inside")
