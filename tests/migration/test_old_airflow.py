"""On an Airflow older than 3.3 the package installs, does nothing and says so."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

OLD = "3.2.2"
ROOT = Path(__file__).parents[2]
SYSTEM_CERTIFICATES = {"UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true"}


@pytest.fixture(scope="module")
def old_airflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with the old Airflow and Pinwheel."""
    found = subprocess.run([str(ROOT / "scripts" / "bootstrap"), "--uv"], capture_output=True, text=True)
    if found.returncode:
        pytest.skip("needs uv to make an environment with an older Airflow")
    uv = str(ROOT / found.stdout.strip())
    home = tmp_path_factory.mktemp("old-airflow")
    python = home / "env" / "bin" / "python"
    for command in (
        [uv, "venv", "--quiet", "--python", sys.executable, str(home / "env")],
        [uv, "pip", "install", "--quiet", "--python", str(python), f"apache-airflow=={OLD}", str(ROOT)],
    ):
        if error := _fails(command, {}) and _fails(command, SYSTEM_CERTIFICATES):
            pytest.skip(f"no environment with Airflow {OLD}: {error[-300:]}")
    return python.parent


def _fails(command: list[str], more: dict[str, str]) -> str:
    done = subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, timeout=900)
    return done.stderr.strip() or "failed" if done.returncode else ""


def _run(programs: Path, tmp_path: Path, *command: str) -> Any:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "PYTHON"))}
    env |= {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    env["AIRFLOW__CORE__FERNET_KEY"] = base64.urlsafe_b64encode(bytes(32)).decode()
    return subprocess.run(
        [str(programs / command[0]), *command[1:]], env=env, capture_output=True, text=True, timeout=300
    )


@pytest.mark.full
@pytest.mark.slow
def test_on_an_older_airflow_pinwheel_is_switched_off_and_says_so(old_airflow: Path, tmp_path: Path) -> None:
    version = _run(old_airflow, tmp_path, "airflow", "version")
    assert version.returncode == 0, version.stderr
    assert OLD in version.stdout

    for command in (["status"], ["dag-processor"], ["rollback", "some_dag"]):
        done = _run(old_airflow, tmp_path, "pinwheel", *command)
        assert done.returncode == 5, (command, done.stdout, done.stderr)
        assert "Pinwheel needs Airflow 3.3 or newer" in done.stderr
        assert "Traceback" not in done.stderr

    migrated = _run(old_airflow, tmp_path, "airflow", "db", "migrate")
    assert migrated.returncode == 0, migrated.stderr[-3000:]
    asked = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "print([r[0] for r in c.execute(\"SELECT name FROM sqlite_master WHERE name LIKE 'pinwheel%'\")])"
    )
    found = _run(old_airflow, tmp_path, "python", "-c", asked, str(tmp_path / "airflow.db"))
    assert found.stdout.strip() == "[]"

    plugins = _run(old_airflow, tmp_path, "airflow", "plugins", "--output", "json")
    assert plugins.returncode == 0, plugins.stderr[-3000:]
    assert "Traceback" not in plugins.stderr


@pytest.mark.full
@pytest.mark.slow
def test_on_an_older_airflow_the_schema_can_be_reconciled(old_airflow: Path, tmp_path: Path) -> None:
    told = _run(old_airflow, tmp_path, "pinwheel", "db", "reconcile")
    assert told.returncode == 0, told.stderr
    assert "The schema of Airflow 3.2.2 was created." in told.stdout
    assert "Stored a capsule of Airflow 3.2.2" in told.stdout

    again = _run(old_airflow, tmp_path, "pinwheel", "db", "reconcile")
    assert again.returncode == 0 and "nothing to do" in again.stdout
    shown = _run(old_airflow, tmp_path, "pinwheel", "db", "capsule", "verify")
    assert shown.returncode == 0 and "3.2.2" in shown.stdout, shown.stderr
