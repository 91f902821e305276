"""Environments with other Airflow versions or more providers, and deployments that run on them.

Made with uv, in ``.venv-cache`` of the checkout, and kept there for the next run; all of them by
``python tests/harness/other_airflow.py`` (``make setup-all``), so that no test spends its time on it.
Pinwheel itself is installed from the checkout as it stands: a change of its sources needs no new environment.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.airflow_env import AIRFLOW_VERSION, BIN, DAG_PROCESSOR, AirflowEnv
from harness.databases import Database

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".venv-cache"
BETA = "3.4.0b2"
_DRIVERS = ("psycopg2-binary", "asyncpg")
_LIBRARIES = {"3.0.6": "2026-04-15", "3.1.8": "2026-04-15", "3.2.2": "2026-06-15", "3.3.2": "2026-10-15"}
"""Up to when libraries are taken: an old image has those of its time, as far as Pinwheel goes with them."""
_SYSTEM_CERTIFICATES = {"UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true"}
FAB = "apache-airflow-providers-fab==3.9.0"
ENVIRONMENTS: tuple[tuple[str, ...], ...] = (
    ("3.0.6",),
    ("3.1.8",),
    ("3.2.2",),
    (BETA,),
    (AIRFLOW_VERSION, FAB),
)
"""Version and packages of each that a test may ask for."""
REQUIRED = "PINWHEEL_REQUIRE_ENVIRONMENTS"
"""Set to 1 (as ``make test-all`` does): an environment that is not there fails the test that asks for it."""


def programs(version: str, *packages: str) -> Path:
    """The folder of programs of an environment with this Airflow and Pinwheel; made when it is not there."""
    if version == AIRFLOW_VERSION and not packages:
        return BIN
    if (version, *packages) not in ENVIRONMENTS:
        raise ValueError(f"{version} {packages} is not among ENVIRONMENTS, which make setup-all makes")
    CACHE.mkdir(exist_ok=True)
    name = "-".join([version, *(package.partition("==")[0] for package in packages)])
    with (CACHE / f"{name}.lock").open("w") as lock:
        # Two test runs at once make it once.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if version == BETA:
            home = ROOT / ".venv-34"
            if os.environ.get(REQUIRED) != "1" or not home.is_dir():
                _made_now(f"Airflow {version}")
                _run([str(ROOT / "scripts" / "bootstrap"), "--sync-34"])
            return home / "bin"
        return _made(version, CACHE / f"airflow-{name}", packages)


def _made_now(what: str) -> None:
    if os.environ.get(REQUIRED) == "1":
        raise RuntimeError(
            f"the environment of {what} is not there or not of this pyproject.toml: make setup-all"
        )


def _made(version: str, folder: Path, packages: Sequence[str]) -> Path:
    stamp = folder / "pinwheel-stamp"
    made_of = [(ROOT / "pyproject.toml").read_bytes(), sys.version.encode(), repr(packages).encode()]
    recipe = hashlib.sha256(b"".join(made_of)).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == recipe):
        _made_now(f"Airflow {version} {' '.join(packages)}".strip())
        uv = _uv()
        python = str(folder / "bin" / "python")
        _run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
        what = [f"apache-airflow=={version}", *packages, *_DRIVERS, "--editable", str(ROOT)]
        _run(
            [
                uv,
                "pip",
                "install",
                "--quiet",
                "--python",
                python,
                "--exclude-newer",
                _LIBRARIES[version],
                *what,
            ]
        )
        stamp.write_text(recipe)
    return folder / "bin"


def install_into(folder: Path, packages: tuple[str, ...]) -> None:
    """Packages, without what they need, in a folder for ``PYTHONPATH``; built when there are no wheels."""
    CACHE.mkdir(exist_ok=True)
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        into = ["--quiet", "--python", sys.executable, "--no-deps", "--target", str(folder)]
        _run([_uv(), "pip", "install", *into, *packages])


def _uv() -> str:
    found = subprocess.run(
        [str(ROOT / "scripts" / "bootstrap"), "--uv"], capture_output=True, text=True, check=True
    )
    return str(ROOT / found.stdout.strip())


def _run(command: list[str]) -> None:
    for more in ({}, _SYSTEM_CERTIFICATES):
        done = subprocess.run(
            command, env={**os.environ, **more}, cwd=ROOT, capture_output=True, text=True, timeout=900
        )
        if not done.returncode:
            return
    raise RuntimeError(f"{' '.join(command[:4])} failed: {done.stderr[-2000:]}")


class OtherAirflow(AirflowEnv):
    """An AirflowEnv on an environment of its own; its Dag processor is Airflow's unless told otherwise."""

    def __init__(
        self,
        version: str,
        root: Path,
        database: Database,
        *,
        packages: Sequence[str] = (),
        processor: str = "stock",
        **kwargs: Any,
    ) -> None:
        self.version = version
        self.programs = programs(version, *packages)
        super().__init__(root, database, processor=processor, **kwargs)
        self.env["PATH"] = f"{self.programs}{os.pathsep}{self.env['PATH']}"

    def _command(self, component: str) -> list[str]:
        if component == DAG_PROCESSOR:
            program = "pinwheel" if self.processor == "pinwheel" else "airflow"
            return [str(self.programs / program), "dag-processor"]
        return [str(self.programs / "airflow"), component]

    def cli(
        self, *args: str, check: bool = False, timeout: float = 300.0, **env: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(self.programs / args[0]), *args[1:]],
            env={**self.env, **env},
            cwd=self.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and done.returncode:
            raise AssertionError(
                f"{' '.join(args)} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
            )
        return done

    def db(self, *args: str, check: bool = True, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """``pinwheel db … --output json``: its answer, and ``exit``, ``error`` and ``told`` beside."""
        done = self.cli("pinwheel", "db", *args, "--output", "json", **(env or {}))
        assert "Traceback" not in done.stderr, done.stderr
        answer = json.loads(done.stdout) if done.stdout.strip() else {}
        error: dict[str, Any] = {}
        if done.returncode:
            error = json.loads(done.stderr.strip().splitlines()[-1])
        assert not (check and done.returncode), done.stderr
        if isinstance(answer, list):
            answer = {"capsules": answer}
        return {**answer, "exit": done.returncode, "error": error, "told": done.stderr}


if __name__ == "__main__":
    for environment in ENVIRONMENTS:
        print("Airflow", *environment, flush=True)
        programs(environment[0], *environment[1:])
    # It imports this module, under its own name.
    from harness import mariadb

    if mariadb.is_there():
        print("drivers for MariaDB", flush=True)
        mariadb.drivers()
