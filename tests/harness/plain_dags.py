"""What Dags are and what their tasks print, found without Pinwheel: files run as plain Python, tasks called.

Run as a program it is one warm process: a line with a folder in, a line of JSON out.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

BROKEN = "broken"


class Oracle:
    """The warm process. What it says of a folder never changes, so each is asked for once."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True, exist_ok=True)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW__")},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, bundle: Path) -> dict[str, Any]:
        """By Dag id, of the files in ``dags/`` there: tasks, schedule, prints; or BROKEN, by file."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{bundle}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "the oracle ended"
        return dict(json.loads(answer))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)


def look(bundle: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    kept = set(sys.modules)
    sys.path.insert(0, str(bundle))
    try:
        for file in sorted((bundle / "dags").glob("*.py")):
            try:
                found |= _dags_of(file)
            except Exception as error:
                found[f"{BROKEN}:{file.name}"] = repr(error)
    finally:
        sys.path.remove(str(bundle))
        for name in set(sys.modules) - kept:
            if str(getattr(sys.modules[name], "__file__", "")).startswith(str(bundle)):
                del sys.modules[name]
    return found


def _dags_of(file: Path) -> dict[str, Any]:
    from airflow.sdk.definitions._internal.contextmanager import DagContext

    DagContext.autoregistered_dags.clear()
    # Airflow's own parser names the module that it makes of the file; any that there is will do
    DagContext.current_autoregister_module_name = __name__
    runpy.run_path(str(file))
    return {dag.dag_id: _shown(dag) for dag, _ in DagContext.autoregistered_dags}


def _shown(dag: Any) -> dict[str, Any]:
    tasks = {}
    for task in dag.tasks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            task.python_callable(*task.op_args, **task.op_kwargs)
        tasks[task.task_id] = [sorted(task.downstream_task_ids), printed.getvalue()]
    return {"schedule": str(dag.schedule), "tags": sorted(dag.tags), "tasks": tasks}


def main() -> None:
    answers = sys.stdout
    # What anything else prints is no answer
    sys.stdout = sys.stderr
    for line in sys.stdin:
        answers.write(json.dumps(look(Path(line.rstrip("\n")))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
