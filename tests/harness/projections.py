"""Releases as the ports are given them, without a push."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from attrs import evolve

from harness.builds import build
from harness.pushing import File
from harness.sides import Side
from pinwheel.core.release.rows import Location, Projection
from pinwheel.core.release.state import Kind
from pinwheel.services.ports.reads import AirflowDag


def projection(number: int, file: File | None = None, dag_id: str = "a", **changes: Any) -> Projection:
    """Release *number* of a Dag: another number is another bundle version."""
    file, path = file or File(), f"{dag_id}.py"
    place = Location(bundle_name="dags", bundle_version=f"v{number}", relative_fileloc=path)
    made = Projection(
        dag_id=dag_id,
        release=number,
        kind=Kind.AUTO,
        build=build(abs(number), dag_id=dag_id, relative_fileloc=path),
        location=place,
        serialized=file.serialized(dag_id, path),
        source_code=file.source.decode(),
    )
    return evolve(made, **changes)


def release(side: Side, number: int, file: File | None = None, dag_id: str = "a", **changes: Any) -> UUID:
    """Write a release to Airflow's rows; the id of its version."""
    made = projection(number, file, dag_id, **changes)
    return side.host.unit.run(lambda s: side.host.rows.project(s, [made]))[dag_id].dag_version_id


def seen(side: Side, dag_id: str = "a") -> AirflowDag:
    """What Airflow holds of the Dag."""
    (found,) = side.host.unit.run(lambda s: side.host.reads.airflow_dags(s, [dag_id]))
    return found


def trigger(
    side: Side, version: UUID, run_id: str, dag_id: str = "a", bundle_version: str = "v1", **more: Any
) -> tuple[str, int]:
    """A queued run on a version."""
    options = {"logical_date": None, "conf": None, "note": None, **more}
    return side.host.unit.run(
        lambda s: side.host.runs.create_run(
            s, dag_id, version, bundle_version=bundle_version, run_id=run_id, actor="ada", **options
        )
    )
