"""A Dag processor whose parses are made in advance: a push costs milliseconds.

A Dag is serialized by Airflow once for each shape; a push only fills in its id and its source. For state
machines and fault injection, which push thousands of times.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import json
import tempfile
import textwrap
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

_TEMPLATE_ID = "the_dag"
_HEAD = """
    import datetime
    from airflow.sdk import DAG, Asset, task

"""
SHAPES = {
    "plain": """
    with DAG("the_dag", schedule=None, start_date=datetime.datetime(2024, 1, 1)):
        @task
        def only(): ...
        only()
    """,
    "daily": """
    with DAG(
        "the_dag", schedule="5 4 * * *", start_date=datetime.datetime(2024, 1, 1), catchup=False,
        tags=["team:x", "version:2.0"], description="daily", max_active_runs=3, dag_display_name="Daily",
    ):
        @task
        def first(): ...
        @task(outlets=[Asset("out://1")], retries=2)
        def second(): ...
        first() >> second()
    """,
    "assets": """
    with DAG("the_dag", schedule=Asset("a://1") | Asset("a://2"), tags=["assets"], max_active_tasks=4):
        @task
        def consume(): ...
        consume()
    """,
}


@frozen
class Text:
    """What a Dag file holds. ``body`` changes the code but not the serialized Dag."""

    shape: str = "plain"
    body: int = 0

    @property
    def source(self) -> bytes:
        return f"# {self.shape}, body {self.body}\n".encode()

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.source).hexdigest()


BROKEN = None
"""In place of a text: the file can not be imported."""


@functools.cache
def _template(shape: str) -> str:
    from harness.seed import serialized_dags

    with tempfile.TemporaryDirectory(prefix="pinwheel-shape-") as folder:
        path = Path(folder).resolve()
        (path / f"{_TEMPLATE_ID}.py").write_text(textwrap.dedent(_HEAD) + textwrap.dedent(SHAPES[shape]))
        (dag,) = serialized_dags(path, f"{_TEMPLATE_ID}.py")
        return json.dumps(dag.data).replace(str(path), "{bundle}")


def serialized(dag_id: str, shape: str) -> dict[str, Any]:
    """A serialized Dag of this shape, with the placeholder for the bundle's directory."""
    return dict(json.loads(_template(shape).replace(_TEMPLATE_ID, dag_id)))


class Prebuilt:
    """Pushes Dag files to one bundle and registers their parses. A file ``x.py`` holds the Dag ``x``."""

    def __init__(self, bundle_name: str = "prebuilt") -> None:
        from airflow.models.dagbundle import DagBundleModel
        from airflow.utils.session import create_session

        from pinwheel.airflow3.host import airflow_host

        self.bundle_name = bundle_name
        self.host = airflow_host()
        self.host.deployment.versioned |= {bundle_name: True}
        self.pushes = 0
        self.files: dict[str, Text | None] = {}
        """Every file of the newest version."""
        self.gives_data = False
        """The bundle's class gives data with each version: its own id, in a dict."""
        with create_session() as session:
            session.merge(DagBundleModel(name=bundle_name))

    def push(
        self, changes: Mapping[str, Text | None], removed: tuple[str, ...] = (), version: str | None = None
    ) -> str:
        """A commit that sets these Dags' files; all Dag files of the version are registered, then settled.

        ``version`` is one of before that comes back, as a reset or a force-push shows it.
        """
        self.files = {k: v for k, v in {**self.files, **changes}.items() if k not in removed}
        version, seq = self.advance(changes, version)
        for dag_id in changes:
            if dag_id in self.files:
                self.register(dag_id, version=version, seq=seq)
        self.settle(seq)
        return version

    def advance(self, changed: Collection[str] | None = None, version: str | None = None) -> tuple[str, int]:
        """A new bundle version (or one that comes back) in which these Dags' files changed: what they give is
        not known yet. Without, that is so of all files.
        """
        from harness.taking import take_in

        self.pushes += 1
        version = version or self.version()
        seq = take_in(
            self.host,
            self.bundle_name,
            version,
            files={f"{dag_id}.py" for dag_id in self.files},
            changed={f"{dag_id}.py" for dag_id in (self.files if changed is None else changed)},
            path=f"/bundles/{self.bundle_name}/{version}",
            about={
                "author": "Ada",
                "message": f"push {self.pushes}",
                "version_data": {"is": version} if self.gives_data else None,
            },
        )
        return version, seq

    def version(self, push: int | None = None) -> str:
        """That of the push in work, or of the one with this number."""
        number = self.pushes if push is None else push
        return hashlib.sha1(f"{self.bundle_name} {number}".encode()).hexdigest()

    def register(self, dag_id: str, *, version: str, seq: int, text: Any = ...) -> list[Any]:
        from pinwheel.services.ingest import register

        return register.register(self.host, self.parsed(dag_id, version=version, seq=seq, text=text))

    def settle(self, seq: int) -> list[Any]:
        from pinwheel.services.ingest import settle as settling

        paths = {f"{dag_id}.py" for dag_id in self.files}
        return settling.settle(
            self.host, bundle_name=self.bundle_name, seq=seq, paths=paths, grace_seconds=50
        )

    def foreign_parse(self, folder: Path, dag_id: str, text: Text, mark: str = "") -> None:
        """As `airflow tasks test` and `airflow dags reserialize` do: no bundle version, whatever is there."""
        from airflow.dag_processing.collection import update_dag_parsing_results_in_db
        from airflow.serialization.serialized_objects import LazyDeserializedDAG
        from airflow.utils.session import create_session

        path = folder / f"{dag_id}.py"
        path.write_text(f"# foreign {mark}\n" + text.source.decode())
        data = serialized(dag_id, text.shape)
        data["dag"] |= {"fileloc": str(path), "_processor_dags_folder": str(folder)}
        with create_session() as session:
            update_dag_parsing_results_in_db(
                self.bundle_name, None, [LazyDeserializedDAG(data=data)], {}, None, set(), session
            )

    def parsed(self, dag_id: str, *, version: str, seq: int, text: Any = ...) -> Any:
        """What a parse of the file gave in this bundle version."""
        from pinwheel.core.build import BuildContent, label_of
        from pinwheel.core.digest import digest_of
        from pinwheel.services.ingest.builds import ParsedFile

        if text is ...:
            text = self.files[dag_id]
        path = f"{dag_id}.py"
        digest = text.digest if text else hashlib.sha256(version.encode()).hexdigest()
        contents = []
        if text is not None:
            data = copy.deepcopy(serialized(dag_id, text.shape))
            contents.append(
                BuildContent(
                    dag_id=dag_id,
                    bundle_name=self.bundle_name,
                    bundle_version=version,
                    relative_fileloc=path,
                    serialized=data,
                    inputs_digest=digest_of(digest),
                    files={path: digest},
                    label=label_of(data["dag"].get("tags")),
                    parse_seconds=0.25,
                    pure=True,
                )
            )
        return ParsedFile(
            bundle_name=self.bundle_name,
            bundle_version=version,
            seq=seq,
            path=path,
            file_digest=digest,
            inputs_digest=digest_of(digest),
            inputs={"files": {path: digest}, "declared": {}},
            contents=contents,
            errors={path: f"Traceback ...\nSyntaxError: broken in {version[:8]}"} if text is None else {},
            read_source=lambda _, __: text.source if text else None,
        )


def start_run(dag_id: str, run_id: str) -> None:
    """What the scheduler does when it starts a queued run: the run and the listener, one transaction."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from airflow.utils.sqlalchemy import prohibit_commit
    from airflow.utils.state import DagRunState
    from sqlalchemy import select

    from pinwheel.airflow3.run import listener

    with contextlib.ExitStack() as stack:
        session = stack.enter_context(create_session())
        with prohibit_commit(session) as guard:
            run = session.scalars(
                select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
            ).one()
            run.set_state(DagRunState.RUNNING)
            listener.note_start(run)
            guard.commit()


def finish_run(dag_id: str, run_id: str, state: str = "success") -> None:
    """Each task instance of the run ran once more and ended like this; then the scheduler ends the run."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.sdk import timezone
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        query = select(TaskInstance).where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
        for ti in session.scalars(query):
            ti.state = state
            ti.try_number = max(ti.try_number, 1)
            ti.start_date = ti.end_date = timezone.utcnow()
        _end(session, dag_id, run_id, state)


def end_run(dag_id: str, run_id: str, state: str) -> None:
    """What the scheduler does when no task of a run is left: the run and the listener, one transaction."""
    from airflow.utils.session import create_session

    with create_session() as session:
        _end(session, dag_id, run_id, state)


def _end(session: Any, dag_id: str, run_id: str, state: str) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.state import DagRunState
    from sqlalchemy import select

    from pinwheel.airflow3.run import listener

    run = session.scalars(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)).one()
    run.set_state(DagRunState(state))
    ended = listener.on_dag_run_success if state == "success" else listener.on_dag_run_failed
    ended(dag_run=run, msg="ended")
