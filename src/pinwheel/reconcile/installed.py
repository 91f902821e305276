"""The installed Airflow: the one module of this package that imports it, and only what 3.0 has as well."""

from __future__ import annotations

import importlib.metadata
import json
import os
import zlib
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from attrs import field, frozen
from sqlalchemy.engine import Connection, Engine

from pinwheel.core.errors import HostError
from pinwheel.reconcile.capsule import Capsule, Schema, make
from pinwheel.reconcile.revisions import History, read_history
from pinwheel.reconcile.signing import Keys

_SERIALIZED_DAGS = """
SELECT s.dag_id, s.data, s.data_compressed FROM serialized_dag s JOIN dag d ON d.dag_id = s.dag_id
WHERE NOT d.is_stale AND (
    s.created_at = (SELECT max(other.created_at) FROM serialized_dag other WHERE other.dag_id = s.dag_id)
    OR s.dag_version_id IN (
        SELECT created_dag_version_id FROM dag_run WHERE state IN ('queued', 'running')
    )
)
"""


def installed_version() -> str:
    """The version of the installed Airflow, without importing it."""
    for name in ("apache-airflow-core", "apache-airflow"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    raise HostError("Cannot find Airflow", found="it is not installed in this environment")


@frozen
class Deployment:
    """The installed Airflow, as configured here, and its metadata database."""

    version: str
    package: Path
    history: History
    engine: Engine
    url: str = field(repr=False)
    connect_args: str
    fernet_keys: tuple[str, ...] = field(repr=False)
    keys: Keys
    heartbeat_seconds: float
    """A component that has been silent for longer is taken for dead, as its own health check does."""
    task_heartbeat_seconds: float

    def schema(self) -> Schema:
        """The tables and columns of the installed Airflow's models."""
        import airflow.models
        from airflow.models.base import Base

        airflow.models.import_all_models()
        tables: Any = Base.metadata.tables.values()
        return {table.name: tuple(column.name for column in table.columns) for table in tables}

    def unreadable_dags(self, connection: Connection) -> list[str]:
        """Dags whose serialized form the installed Airflow's own code can not read.

        Those are looked at that a scheduler reads: the latest of each Dag, and those of runs under way.
        """
        from airflow.serialization import serialized_objects

        reader: Any = (
            getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
        )
        rows = connection.execute(sa.text(_SERIALIZED_DAGS))
        found = set()
        for dag_id, data, compressed in rows:
            try:
                content = zlib.decompress(compressed) if compressed else data
                reader.from_dict(json.loads(content) if isinstance(content, str | bytes) else content)
            except Exception:
                found.add(str(dag_id))
        return sorted(found)

    def capsule(self) -> Capsule:
        """A capsule of the installed Airflow.

        :raises Refused: there is no Fernet key.
        """
        from airflow import sdk

        self.keys.require()  # before the work
        return make(
            package=self.package,
            sdk=Path(sdk.__file__).parent,
            airflow_version=self.version,
            history=self.history,
            schema=self.schema(),
            keys=self.keys,
        )


def deployment() -> Deployment:
    """Find the installed Airflow and its configuration. Does not connect."""
    import airflow
    from airflow import settings
    from airflow.configuration import conf

    if settings.engine is None:
        settings.configure_orm()
    engine: Any = settings.engine
    package = Path(airflow.__file__).parent
    fernet_keys = configured_keys(conf)
    return Deployment(
        version=installed_version(),
        package=package,
        history=read_history(package),
        engine=engine,
        url=engine.url.render_as_string(hide_password=False),
        connect_args=conf.get("database", "sql_alchemy_connect_args", fallback="") or "",
        fernet_keys=fernet_keys,
        keys=Keys.of(fernet_keys),
        heartbeat_seconds=max(
            conf.getfloat(section, option, fallback=30.0)
            for section, option in (
                ("scheduler", "scheduler_health_check_threshold"),
                ("triggerer", "triggerer_health_check_threshold"),
                ("dag_processor", "dag_processor_health_check_threshold"),
                ("scheduler", "dag_processor_health_check_threshold"),
            )
        ),
        task_heartbeat_seconds=conf.getfloat("scheduler", "task_instance_heartbeat_timeout", fallback=300.0),
    )


def configured_keys(conf: Any) -> tuple[str, ...]:
    """All Fernet keys, the one that encrypts first."""
    texts = (conf.get("core", "fernet_key", fallback="") or "").split(",")
    return tuple(text.strip() for text in texts if text.strip())


def fab_scripts() -> Path | None:
    """The folder of the FAB provider's migration scripts, when it is installed."""
    import importlib.util

    try:
        spec = importlib.util.find_spec("airflow.providers.fab")
    except ImportError:
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(next(iter(spec.submodule_search_locations))) / "migrations" / "versions"
    return folder if folder.is_dir() else None


def open_path(path: str, mode: str) -> Any:
    """A file here, or one of an object store as Airflow's ``ObjectStoragePath`` names it: ``s3://…``."""
    if "://" not in path:
        target = Path(path)
        if "w" in mode:
            target.parent.mkdir(parents=True, exist_ok=True)
            # It holds rows of the database: for this user only.
            return os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), mode)
        return target.open(mode)
    return _object_path(path).open(mode)


def path_exists(path: str) -> bool:
    return Path(path).exists() if "://" not in path else bool(_object_path(path).exists())


def _object_path(path: str) -> Any:
    from airflow.sdk import ObjectStoragePath

    return ObjectStoragePath(path)
