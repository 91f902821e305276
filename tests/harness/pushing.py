"""A Dag processor on the ports alone: what a parse gives is written down here, so that no Airflow is needed.

Whether Airflow takes such a serialized Dag is seen where the same pushes go to the real ports.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from attrs import evolve, frozen

from harness.taking import take_in
from pinwheel.core.build import BuildContent, label_of
from pinwheel.core.digest import digest_of
from pinwheel.services.ingest import register, settle
from pinwheel.services.ingest.builds import ParsedFile
from pinwheel.services.ports.host import Host

_SCHEDULES: dict[str | None, dict[str, Any]] = {
    None: {"__type": "airflow.timetables.simple.NullTimetable", "__var": {}},
    "daily": {
        "__type": "airflow.timetables.trigger.CronTriggerTimetable",
        "__var": {"expression": "5 4 * * *", "timezone": "UTC", "interval": 0.0, "run_immediately": False},
    },
    "assets": {
        "__type": "airflow.timetables.simple.AssetTriggeredTimetable",
        "__var": {
            "asset_condition": {
                "__type": "asset",
                "name": "a://1",
                "uri": "a://1/",
                "group": "asset",
                "extra": {},
            }
        },
    },
}
OUTLET = {
    "__type": "asset",
    "__var": {"name": "out://1", "uri": "out://1/", "group": "asset", "extra": {}},
}


@frozen(kw_only=True)
class File:
    """What a Dag file holds: a Dag that is called as the file. ``body`` changes nothing but the code."""

    body: int = 0
    tasks: tuple[str, ...] = ("only",)
    schedule: str | None = None
    tags: tuple[str, ...] = ()
    owner: str | None = None
    display_name: str | None = None
    outlets: bool = False
    depends_on_past: bool = False
    run_types: tuple[str, ...] | None = None
    unversioned: bool = False
    zone: str = "UTC"
    sensor: tuple[str, str] | None = None
    """A Dag and a task of it that one more task waits for."""
    clock: int = 0
    """What the file read from the clock: it gives another task then, from the same source."""

    @property
    def source(self) -> bytes:
        return f"# {evolve(self, clock=0)}\n".encode()

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.source).hexdigest()

    def serialized(self, dag_id: str, path: str) -> dict[str, Any]:
        """As Airflow's Dag processor writes it down, without what is the default."""
        return {
            "__version": 3,
            "dag": {
                "dag_id": dag_id,
                "start_date": 1704067200.0,
                "disable_bundle_versioning": self.unversioned,
                "max_active_tasks": 16,
                "max_active_runs": 16,
                "max_consecutive_failed_dag_runs": 0,
                "catchup": False,
                "timetable": _SCHEDULES[self.schedule],
                "timezone": self.zone,
                "tags": list(self.tags),
                "relative_fileloc": path,
                "fileloc": "{bundle}/" + path,
                "_processor_dags_folder": "/dags",
                "tasks": [
                    *(self._task(task_id) for task_id in self._tasks),
                    *([self._waiting(*self.sensor)] if self.sensor else []),
                ],
                "task_group": {
                    "_group_id": None,
                    "group_display_name": "",
                    "prefix_group_id": True,
                    "tooltip": "",
                    "ui_color": "CornflowerBlue",
                    "ui_fgcolor": "#000",
                    "children": {
                        task_id: ["operator", task_id]
                        for task_id in (*self._tasks, *(["wait"] if self.sensor else []))
                    },
                    "upstream_group_ids": [],
                    "downstream_group_ids": [],
                    "upstream_task_ids": [],
                    "downstream_task_ids": [],
                },
                "dag_dependencies": [self._dependency(dag_id, self.sensor[0])] if self.sensor else [],
                "deadline": None,
                "allowed_run_types": list(self.run_types) if self.run_types is not None else None,
                "edge_info": {},
                "params": [],
                **({"dag_display_name": self.display_name} if self.display_name else {}),
            },
        }

    def _waiting(self, dag_id: str, task_id: str) -> dict[str, Any]:
        task = self._task("wait")["__var"] | {
            "_is_sensor": True,
            "task_type": "ExternalTaskSensor",
            "_task_module": "airflow.providers.standard.sensors.external_task",
            "external_dag_id": dag_id,
            "external_task_id": task_id,
            "external_task_ids": [task_id],
        }
        return {"__type": "operator", "__var": task}

    @staticmethod
    def _dependency(dag_id: str, source: str) -> dict[str, Any]:
        return {
            "source": source,
            "target": dag_id,
            "label": "wait",
            "dependency_type": "sensor",
            "dependency_id": "wait",
        }

    @property
    def _tasks(self) -> tuple[str, ...]:
        return (*self.tasks, *((f"at_{self.clock}",) if self.clock else ()))

    def _task(self, task_id: str) -> dict[str, Any]:
        task = {
            "task_id": task_id,
            "retry_delay": 300.0,
            "task_type": "EmptyOperator",
            "_task_module": "airflow.providers.standard.operators.empty",
            "_needs_expansion": False,
            "template_fields": [],
            "has_retry_policy": False,
            "ui_color": "#e8f7e4",
            **({"owner": self.owner} if self.owner else {}),
            **({"outlets": [OUTLET]} if self.outlets else {}),
            **({"depends_on_past": True} if self.depends_on_past else {}),
        }
        return {"__type": "operator", "__var": task}


BROKEN = None
"""In place of a file's content: it can not be imported."""


class Pusher:
    """Pushes Dag files to one bundle and registers what they give. A file ``x.py`` holds the Dag ``x``."""

    def __init__(self, host: Host, bundle_name: str = "dags") -> None:
        self.host = host
        self.bundle_name = bundle_name
        self.pushes = 0
        self.files: dict[str, File | None] = {}
        """Every file of the newest version, by the Dag in it."""
        self.folders: dict[str, str] = {}
        """Of the Dags whose file is not at the top."""

    def push(
        self,
        changes: Mapping[str, File | None] | None = None,
        *,
        removed: Collection[str] = (),
        version: str | None = None,
        impure: Collection[str] = (),
        settle: bool = True,
    ) -> str:
        """A commit that sets these Dags' files; all are registered, then the version is settled.

        ``version`` is one of before that comes back. The parses of ``impure`` ones read from outside the
        bundle.
        """
        changes = changes or {}
        self.files = {k: v for k, v in {**self.files, **changes}.items() if k not in removed}
        version, seq = self.advance(changes, version)
        for dag_id in changes:
            self.register(dag_id, version=version, seq=seq, impure=dag_id in impure)
        if settle:
            self.settle(seq)
        return version

    def advance(self, changed: Collection[str], version: str | None = None) -> tuple[str, int]:
        """A bundle version in which these Dags' files changed: what they give is not known yet."""
        self.pushes += 1
        version = version or hashlib.sha1(f"{self.bundle_name} {self.pushes}".encode()).hexdigest()
        seq = take_in(
            self.host,
            self.bundle_name,
            version,
            files={self.path(dag_id) for dag_id in self.files},
            changed={self.path(dag_id) for dag_id in changed},
            path=f"/bundles/{self.bundle_name}/{version}",
            about={"author": "Ada", "message": f"push {self.pushes}"},
        )
        return version, seq

    def register(self, dag_id: str, *, version: str, seq: int, impure: bool = False) -> list[Any]:
        return register.register(self.host, self.parsed(dag_id, version=version, seq=seq, impure=impure))

    def settle(self, seq: int, grace_seconds: float = 50) -> list[Any]:
        paths = {self.path(dag_id) for dag_id in self.files}
        return settle.settle(
            self.host, bundle_name=self.bundle_name, seq=seq, paths=paths, grace_seconds=grace_seconds
        )

    def path(self, dag_id: str) -> str:
        return f"{self.folders.get(dag_id, '')}{dag_id}.py"

    def parsed(self, dag_id: str, *, version: str, seq: int, impure: bool = False) -> ParsedFile:
        file, path = self.files[dag_id], self.path(dag_id)
        digest = file.digest if file else hashlib.sha256(version.encode()).hexdigest()
        inputs_digest = digest_of([path, digest])
        contents = []
        if file is not None:
            data = file.serialized(dag_id, path)
            contents.append(
                BuildContent(
                    dag_id=dag_id,
                    bundle_name=self.bundle_name,
                    bundle_version=version,
                    relative_fileloc=path,
                    serialized=data,
                    inputs_digest=inputs_digest,
                    files={path: digest},
                    label=label_of(data["dag"]["tags"]),
                    parse_seconds=0.25,
                    pure=not impure,
                )
            )
        return ParsedFile(
            bundle_name=self.bundle_name,
            bundle_version=version,
            seq=seq,
            path=path,
            file_digest=digest,
            inputs_digest=inputs_digest,
            inputs={"files": {path: digest}, "declared": {}},
            contents=contents,
            errors={path: f"SyntaxError: broken in {version[:8]}"} if file is None else {},
            impure=({"kind": "clock", "what": "now"},) if impure else (),
            unversioned_dags=frozenset({dag_id} if file is not None and file.unversioned else ()),
            read_source=lambda _, __: file.source if file else None,
        )
