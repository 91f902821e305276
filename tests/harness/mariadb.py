"""A real MariaDB server for the test session: Debian's, with its data in a folder of the session.

Airflow wants the driver ``mysqlclient``, which has no wheels: it is built once into ``.venv-cache``.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness.databases import Database
from harness.other_airflow import CACHE, install_into
from harness.processes import SESSION_ID, SESSION_VARIABLE, free_port, tail, wait_for

REQUIRED = "PINWHEEL_REQUIRE_MARIADB"
"""Set to 1 (as .ci/run does): a missing MariaDB fails the tests instead of skipping them."""

HOW_TO_GET = "no MariaDB on PATH; get it with: apt-get install mariadb-server libmariadb-dev gcc pkg-config"
_DRIVERS = ("mysqlclient", "pymysql", "aiomysql")
_PLACES = f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin{os.pathsep}/usr/local/sbin"


def missing(reason: str) -> None:
    """Skip, or fail where CI asks for it."""
    if os.environ.get(REQUIRED) == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def is_there() -> bool:
    """Whether a MariaDB can be started here."""
    return all(shutil.which(name, path=_PLACES) for name in ("mariadbd", "mariadb-install-db"))


def drivers() -> Path:
    """A folder with Airflow's MySQL drivers, for ``PYTHONPATH`` of any environment of this Python."""
    recipe = hashlib.sha256(f"{sys.version}{_DRIVERS}".encode()).hexdigest()
    folder = CACHE / f"mysql-{recipe[:12]}"
    if not (folder / "done").is_file():
        install_into(folder, _DRIVERS)
        (folder / "done").touch()
    return folder


class MariaServer:
    """Starts at once; listens on 127.0.0.1. Everything in it is lost when it ends."""

    def __init__(self, root: Path) -> None:
        program = shutil.which("mariadbd", path=_PLACES)
        install = shutil.which("mariadb-install-db", path=_PLACES)
        if program is None or install is None:
            missing(HOW_TO_GET)
        try:
            self.drivers = drivers()
        except RuntimeError as error:
            missing(f"mysqlclient can not be built (apt-get install libmariadb-dev gcc pkg-config): {error}")
        self.port = free_port()
        # It does not run as root, but becomes the user of Debian's package.
        user = "mysql" if os.geteuid() == 0 else getpass.getuser()
        if os.geteuid() == 0:
            shutil.chown(root, user)
        data, log = root / "data", root / "mariadb.log"
        settings = ["--no-defaults", f"--user={user}", f"--datadir={data}"]
        subprocess.run(
            [str(install), *settings, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True,
            capture_output=True,
            timeout=120,
        )
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [
                    str(program),
                    *settings,
                    f"--port={self.port}",
                    "--bind-address=127.0.0.1",
                    f"--socket={root / 's'}",
                    f"--pid-file={root / 'pid'}",
                    "--character-set-server=utf8mb4",
                    # The data need not outlive the tests.
                    "--innodb-flush-log-at-trx-commit=0",
                    "--innodb-doublewrite=0",
                    "--skip-name-resolve",
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # So that the reaper knows it.
                env={**os.environ, SESSION_VARIABLE: SESSION_ID},
            )
        sys.path.append(str(self.drivers))
        wait_for(self._answers, 60, lambda: tail(log))

    def _answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except sa.exc.OperationalError:
            return False
        return True

    def url(self, database: str) -> str:
        return f"mysql+mysqldb://root@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str, database: str = "mysql") -> Any:
        engine = sa.create_engine(self.url(database), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            result = connection.exec_driver_sql(statement)
            return result.all() if result.returns_rows else None

    def create(self, name: str) -> Database:
        """An empty database."""
        name = f"{name}_{uuid.uuid4().hex[:8]}"
        self.execute(f"CREATE DATABASE {name}")
        return Database("mariadb", name, self.url(name), lambda: self._drop(name))

    def _drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name}")

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
