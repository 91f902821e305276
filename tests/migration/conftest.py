"""Databases in the states in which Pinwheel comes to them, or leaves them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.databases import FERNET_KEY, Database, airflow_executable


@pytest.fixture
def airflow(tmp_path: Path) -> Callable[..., str]:
    """Run ``airflow …`` on a database; its output. ``pinwheel=True`` runs ``pinwheel …``."""

    def run(database: Database, *args: str, check: bool = True, pinwheel: bool = False, **env: str) -> str:
        program = airflow_executable()
        if pinwheel:
            program = str(Path(sys.executable).parent / "pinwheel")
        done = subprocess.run(
            [program, *args],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
                "AIRFLOW_HOME": str(tmp_path / "home"),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__CORE__FERNET_KEY": FERNET_KEY,
                "AIRFLOW__CORE__DAGS_FOLDER": str(tmp_path / "dags"),
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.url,
                "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
                **env,
            },
            capture_output=True,
            text=True,
            timeout=600,
        )
        output = done.stdout + done.stderr
        assert not check or done.returncode == 0, f"{args} -> {done.returncode}\n{output[-6000:]}"
        return output

    return run


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def source(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)
