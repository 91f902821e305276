"""Sources of small Dags whose tasks print what really ran.

Each task prints ``EXEC_MARK=<mark>``, ``EXEC_FILE=<__file__>`` and ``EXEC_TRY=<n>`` (and ``EXEC_HELPER=``,
``EXEC_SQL=``, ``EXEC_YAML=`` where there is such an input), so that a log tells which code a try executed:
the truth that everything recorded is compared with. ``AirflowEnv.marks`` reads the lines back.
Every builder returns ``{path: text}`` for ``GitRepo.commit``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

Files = dict[str, str]


def dag(
    dag_id: str,
    mark: str = "m1",
    *,
    tasks: Sequence[str] = ("t",),
    path: str | None = None,
    schedule: str = "None",
    dag_args: str = "",
    task_args: str = "",
    body: str = "",
    top: str = "",
) -> Files:
    """One Dag file with a chain of tasks.

    Args:
        mark: what tasks print as EXEC_MARK; changing it alone is a body-only change.
        schedule: Python source of the ``schedule`` argument, as ``"'@daily'"``.
        dag_args, task_args: more source of arguments to ``DAG(...)`` and to ``@task(...)``.
        body: more statements in each task, after the prints (``context`` is the task's context).
        top: more statements at the top of the file.
    """
    lines = [
        f"# CODE_MARK: {mark}",
        "from datetime import datetime, timedelta, timezone",
        "from airflow.sdk import DAG, Asset, get_current_context, task",
        *textwrap.dedent(top).strip().splitlines(),
        "",
        "def _show():",
        "    context = get_current_context()",
        f"    print('EXEC_MARK={mark}')",
        "    print(f'EXEC_FILE={__file__}')",
        "    print(f\"EXEC_TRY={context['ti'].try_number}\")",
        "    return context",
        "",
        "START = datetime(2024, 1, 1, tzinfo=timezone.utc)",
        f"with DAG({dag_id!r}, schedule={schedule}, start_date=START, catchup=False, {dag_args}):",
        "    previous = None",
    ]
    for name in tasks:
        lines += [
            f"    @task({', '.join(part for part in (f'task_id={name!r}', task_args) if part)})",
            f"    def _{name}():",
            "        context = _show()",
            *textwrap.indent(textwrap.dedent(body).strip(), "        ").splitlines(),
            f"    current = _{name}()",
            "    if previous is not None:",
            "        previous >> current",
            "    previous = current",
        ]
    return {path or f"{dag_id}.py": "\n".join(lines) + "\n"}


def dag_with_helper(
    dag_id: str, mark: str = "m1", helper: str = "h1", *, module: str | None = None, **kwargs: str
) -> Files:
    """A Dag that imports a helper module; changing ``helper`` alone changes only the helper's file."""
    module = module or f"{dag_id}_helper"
    files = dag(
        dag_id,
        mark,
        top=f"import {module}",
        body=f"print(f'EXEC_HELPER={{{module}.value()}}')",
        **kwargs,  # type: ignore[arg-type]
    )
    return {**files, f"{module.replace('.', '/')}.py": f"def value():\n    return {helper!r}\n"}


def dag_with_sql(dag_id: str, mark: str = "m1", sql: str = "s1") -> Files:
    """A Dag with a templated task that reads ``<dag_id>.sql`` through Jinja."""
    files = dag(dag_id, mark)
    (name,) = files
    files[name] += textwrap.dedent(
        f"""
        from airflow.providers.standard.operators.bash import BashOperator

        with DAG({dag_id + "_sql"!r}, schedule=None, start_date=datetime(2024, 1, 1, tzinfo=timezone.utc)):
            BashOperator(task_id="t", bash_command={dag_id + ".sh"!r})
        """
    )
    files[f"{dag_id}.sh"] = f"echo EXEC_MARK={mark}; echo EXEC_SQL={sql}\n"
    return files


def dag_from_yaml(dag_id: str, yaml_value: str = "y1", mark: str = "m1") -> Files:
    """A Dag whose file reads ``<dag_id>.yaml`` beside it while it is parsed; tasks print the value."""
    top = f"""
    from pathlib import Path
    import yaml
    CONFIG = yaml.safe_load(Path(__file__).with_name({dag_id + ".yaml"!r}).read_text())
    """
    files = dag(dag_id, mark, top=top, body="print(f\"EXEC_YAML={CONFIG['value']}\")")
    return {**files, f"{dag_id}.yaml": f"value: {yaml_value}\n"}


def gated_dag(
    dag_id: str, gate: Path, mark: str = "m1", *, tasks: Sequence[str] = ("a", "b"), **kwargs: str
) -> Files:
    """Each task waits (a minute at most) for ``open_gate(gate, task_id)``: tests act while it runs."""
    body = f"""
    import pathlib, time
    gate = pathlib.Path({str(gate)!r}) / context['ti'].task_id
    end = time.time() + 60
    (gate.parent / (gate.name + '.reached')).touch()
    while not gate.exists():
        assert time.time() < end, f'no gate {{gate}}'
        time.sleep(0.1)
    """
    return dag(dag_id, mark, tasks=tasks, body=body, **kwargs)  # type: ignore[arg-type]


def open_gate(gate: Path, *task_ids: str) -> None:
    """Let tasks of a ``gated_dag`` go on."""
    gate.mkdir(parents=True, exist_ok=True)
    for task_id in task_ids:
        (gate / task_id).touch()


def gate_reached(gate: Path, task_id: str) -> bool:
    """Whether a task of a ``gated_dag`` waits at its gate (or has passed it)."""
    return (gate / f"{task_id}.reached").exists()


def failing_dag(dag_id: str, mark: str = "m1", **kwargs: str) -> Files:
    """A Dag whose task fails after its prints."""
    return dag(dag_id, mark, body="raise RuntimeError('meant to fail')", **kwargs)  # type: ignore[arg-type]


def broken(path: str) -> Files:
    """A Dag file that cannot be parsed."""
    return {path: "from airflow.sdk import DAG\nthis is not Python\n"}


def write(folder: Path, files: dict[str, str | None]) -> None:
    """Write (or, with None, delete) files below a folder."""
    for name, text in files.items():
        path = folder / name
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
