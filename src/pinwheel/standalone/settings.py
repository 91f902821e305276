"""The home folder of a local deployment: its secrets, its login and Airflow's configuration."""

from __future__ import annotations

import base64
import configparser
import json
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pinwheel.core.errors import InvalidInput

USER = "admin"
_SECRETS = "secrets.json"
_PASSWORDS = "passwords.json"


class Home:
    """One folder that holds everything of a deployment; deleting it removes the deployment."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.logs = self.path / "logs"
        self.lock = self.path / "standalone.lock"

    def create(self) -> None:
        """Make the folder, readable by its owner only. Safe to repeat."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o700)
            self.logs.mkdir(exist_ok=True)
            ignore = self.path / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
        except OSError as error:
            raise InvalidInput(
                f"Cannot use {self.path} as home",
                found=error.strerror or str(error),
                remedy="Give a folder that you may write with --home",
            ) from error

    def secrets(self) -> dict[str, str]:
        """Fernet key, JWT secret and API secret: made once, so that logins survive a restart."""
        path = self.path / _SECRETS
        known = _read(path)
        known.setdefault("fernet_key", base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
        known.setdefault("jwt_secret", secrets.token_hex(32))
        known.setdefault("secret_key", secrets.token_hex(32))
        _write_private(path, json.dumps(known, indent=1))
        return known

    def password(self) -> str:
        """The admin's password, made once, in the file that Airflow's SimpleAuthManager reads."""
        path = self.path / _PASSWORDS
        known = _read(path)
        known.setdefault(USER, secrets.token_urlsafe(9))
        _write_private(path, json.dumps(known))
        return known[USER]


def airflow_settings(
    home: Home,
    *,
    host: str,
    port: int,
    bundles: Sequence[Mapping[str, Any]],
    database_url: str | None,
    more: Mapping[str, Any],
) -> dict[str, str]:
    """Airflow's configuration, ``{"section.option": value}``."""
    keys = home.secrets()
    home.password()
    url = base_url(host, port)
    settings: dict[str, Any] = {
        "core.executor": "LocalExecutor",
        "core.auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        "core.simple_auth_manager_users": f"{USER}:admin",
        "core.simple_auth_manager_passwords_file": home.path / _PASSWORDS,
        "core.dags_folder": home.path / "dags",
        "core.plugins_folder": home.path / "plugins",
        "core.load_examples": False,
        "core.fernet_key": keys["fernet_key"],
        "core.execution_api_server_url": f"{url}/execution/",
        "core.parallelism": 8,
        "database.sql_alchemy_conn": database_url or f"sqlite:///{home.path / 'airflow.db'}",
        "database.load_default_connections": False,
        "api.host": host,
        "api.port": port,
        "api.base_url": url,
        "api.workers": 1,
        "api.secret_key": keys["secret_key"],
        "api_auth.jwt_secret": keys["jwt_secret"],
        "logging.base_log_folder": home.logs / "tasks",
        "logging.dag_processor_child_process_log_directory": home.logs / "parse",
        # Two deployments on one machine must not meet on Airflow's fixed ports.
        "logging.worker_log_server_port": free_port(),
        "logging.trigger_log_server_port": free_port(),
        # Airflow replaces $NAME in every value; in JSON the sign can be written otherwise.
        "dag_processor.dag_bundle_config_list": json.dumps(list(bundles)).replace("$", "\\u0024"),
        "dag_processor.dag_bundle_storage_path": home.path / "bundles",
        "dag_processor.refresh_interval": 5,
        "dag_processor.bundle_refresh_check_interval": 1,
        # SQLite and one API worker under a burst of tasks: the default of 5 s is a production server's.
        "workers.execution_api_timeout": 30,
        "usage_data_collection.enabled": False,
    }
    settings.update(more)
    return {option: str(value) for option, value in settings.items()}


def environment(home: Home, settings: Mapping[str, str], base: Mapping[str, str]) -> dict[str, str]:
    """*base* for a process of this deployment: no Airflow setting of the surrounding shell remains."""
    env = {name: value for name, value in base.items() if not name.startswith("AIRFLOW_")}
    env["AIRFLOW_HOME"] = str(home.path)
    for option, value in settings.items():
        section, _, name = option.partition(".")
        env[f"AIRFLOW__{section.upper()}__{name.upper()}"] = value
    return env


def write_config_file(home: Home, settings: Mapping[str, str]) -> None:
    """Write ``airflow.cfg``: with AIRFLOW_HOME a shell can use ``airflow`` and ``pinwheel`` here."""
    parser = configparser.RawConfigParser()
    for option, value in sorted(settings.items()):
        section, _, name = option.partition(".")
        if not parser.has_section(section):
            parser.add_section(section)
        parser.set(section, name, value.replace("%", "%%"))
    path = home.path / "airflow.cfg"
    _write_private(path, "")
    with path.open("w") as file:
        file.write("# Written anew at each start of `pinwheel standalone`.\n")
        parser.write(file)


def base_url(host: str, port: int) -> str:
    """Where a browser on this machine finds the API server."""
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host
    return f"http://{shown}:{port}"


def free_port() -> int:
    """A port on this machine that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def port_is_free(host: str, port: int) -> bool:
    """Whether a server could listen on it now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _read(path: Path) -> dict[str, str]:
    try:
        return dict(json.loads(path.read_text()))
    except (FileNotFoundError, ValueError):
        return {}


def _write_private(path: Path, text: str) -> None:
    """Write a file that never is readable by others, not for a moment."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)
