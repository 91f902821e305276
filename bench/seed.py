"""Many managed Dags in a database without parsing as many files.

One file is parsed and serialized by Airflow; its Dags are then multiplied under other ids and registered by
the service that the Dag processor calls, so that the rows are those of real pushes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.seed import serialized_dags
from harness.taking import take_in
from pinwheel.core.chunks import chunks

BUNDLE = "seed"
DAGS_PER_FILE = 100
_ID = "template_of_all"

WORKING = """
from datetime import datetime, timedelta, timezone
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

with DAG(
    "template_of_all",
    schedule="@daily",
    start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["bench", "team:one"],
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5), "owner": "bench"},
):
    tasks = [BashOperator(task_id=f"step_{n}", bash_command=f"echo REVISION {n}") for n in range(6)]
    tasks[0] >> tasks[1:5] >> tasks[5]
"""
EMPTY = """
from datetime import datetime, timezone
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
with DAG(
    "template_of_all",
    schedule=None,
    start_date=START,
    max_active_runs=10_000,
    is_paused_upon_creation=False,
):
    EmptyOperator(task_id="one") >> EmptyOperator(task_id="two")  # REVISION
"""
EACH_MINUTE = EMPTY.replace("schedule=None", 'schedule="* * * * *", catchup=False')


def seed(
    root: Path,
    count: int,
    *,
    revisions: int,
    template: str = WORKING,
    dags_per_file: int = DAGS_PER_FILE,
) -> list[str]:
    """Register *count* Dags of *revisions* builds each in the database that Airflow is bound to; their ids.

    The newest build is active, the others were.
    """
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.session import create_session

    from pinwheel.airflow3.host import airflow_host

    host = airflow_host()
    host.deployment.versioned |= {BUNDLE: True}
    with create_session() as session:
        session.merge(DagBundleModel(name=BUNDLE))
    dag_ids = [f"seeded_{number:05d}" for number in range(count)]
    for revision in range(1, revisions + 1):
        files = files_of(dag_ids, dags_per_file)
        _push(host, root, files, revision, template.replace("REVISION", f"r{revision}"))
    return dag_ids


def files_of(dag_ids: Sequence[str], dags_per_file: int = DAGS_PER_FILE) -> dict[str, Sequence[str]]:
    """The Dag files of seeded Dags, by path, with the ids of their Dags."""
    parts = enumerate(chunks(dag_ids, dags_per_file))
    return {f"file_{number * dags_per_file:05d}.py": part for number, part in parts}


def _push(host: Any, root: Path, files: Mapping[str, Sequence[str]], revision: int, source: str) -> None:
    from pinwheel.core.digest import with_placeholder
    from pinwheel.services.ingest import register

    version = hashlib.sha1(f"{revision}".encode()).hexdigest()
    path = root / version
    path.mkdir()
    (path / "dags.py").write_text(source)
    (dag,) = serialized_dags(path, "dags.py")
    text = json.dumps(with_placeholder(dag.data, str(path)))
    seq = take_in(
        host,
        BUNDLE,
        version,
        files=files,
        changed=files,
        path=str(path),
        about={"author": "Ada", "message": f"Push {revision}"},
    )
    for name, dag_ids in files.items():
        register.register(host, _parsed(text, source, version, seq, name, dag_ids))


def _parsed(text: str, source: str, version: str, seq: int, name: str, dag_ids: Sequence[str]) -> Any:
    from pinwheel.core.build import BuildContent
    from pinwheel.core.digest import digest_of
    from pinwheel.services.ingest.register import ParsedFile

    content = f"# {name}\n{source}".encode()
    digest = hashlib.sha256(content).hexdigest()
    return ParsedFile(
        bundle_name=BUNDLE,
        bundle_version=version,
        seq=seq,
        path=name,
        file_digest=digest,
        inputs_digest=digest_of(digest),
        inputs={"files": {name: digest}},
        contents=[
            BuildContent(
                dag_id=dag_id,
                bundle_name=BUNDLE,
                bundle_version=version,
                relative_fileloc=name,
                serialized=json.loads(text.replace(_ID, dag_id).replace("dags.py", name)),
                inputs_digest=digest_of(digest),
                files={name: digest},
                parse_seconds=0.25,
                pure=True,
            )
            for dag_id in dag_ids
        ],
        read_source=lambda _, __: content,
    )
