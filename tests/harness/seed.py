"""Builds and releases in a database without a Dag processor: sources are parsed in the test process.

What is faked is only *who* parses: Airflow's own DagBag and serialization make the builds, and the same
service registers them. For tests of what stands in the database afterwards.
"""

from __future__ import annotations

import hashlib
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Seeder:
    """Plays the Dag processor for one bundle, in the database that Airflow is bound to."""

    def __init__(self, root: Path, bundle_name: str = "seed") -> None:
        from airflow.models.dagbundle import DagBundleModel
        from airflow.utils.session import create_session

        from pinwheel.airflow3.host import airflow_host

        self.bundle_name = bundle_name
        self.root = root
        self.host = airflow_host()
        self.host.deployment.versioned |= {bundle_name: True}
        self.pushes = 0
        with create_session() as session:
            session.merge(DagBundleModel(name=bundle_name))

    def push(
        self,
        files: Mapping[str, str],
        *,
        inputs: Mapping[str, str] | None = None,
        impure: tuple[Mapping[str, str], ...] = (),
        errors: Mapping[str, str] | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> str:
        """Make a bundle version of these files, parse each and register what it gave; return the version.

        ``inputs`` overrides a file's inputs digest: the same text twice is the same inputs. ``errors`` are
        files that could not be imported. ``about`` is said of the version besides.
        """
        from harness.taking import take_in
        from pinwheel.services.ingest import register, settle

        self.pushes += 1
        version = hashlib.sha1(f"{self.bundle_name} {self.pushes}".encode()).hexdigest()
        path = self.root / self.bundle_name / version
        for name, source in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(textwrap.dedent(source))
        seq = take_in(
            self.host,
            self.bundle_name,
            version,
            files=files,
            changed=files,
            path=str(path),
            about={"author": "Ada", "message": f"push {self.pushes}", **(about or {})},
        )
        for name in files:
            register.register(
                self.host,
                self._parsed(path, version, seq, name, inputs or {}, impure, dict(errors or {})),
            )
        settle.settle(self.host, bundle_name=self.bundle_name, seq=seq, paths=set(files), grace_seconds=50)
        return version

    def _parsed(
        self,
        path: Path,
        version: str,
        seq: int,
        name: str,
        inputs: Mapping[str, str],
        impure: tuple[Mapping[str, str], ...],
        errors: dict[str, str],
    ) -> Any:
        from pinwheel.core.build import BuildContent, label_of
        from pinwheel.core.digest import digest_of, with_placeholder
        from pinwheel.services.ingest.builds import ParsedFile

        source = (path / name).read_bytes()
        digest = hashlib.sha256(source).hexdigest()
        used = inputs.get(name) or digest
        contents, opted_out = [], set()
        for dag in () if name in errors else serialized_dags(path, name):
            if dag.data["dag"].get("disable_bundle_versioning"):
                opted_out.add(dag.dag_id)
            contents.append(
                BuildContent(
                    dag_id=dag.dag_id,
                    bundle_name=self.bundle_name,
                    bundle_version=version,
                    relative_fileloc=name,
                    serialized=with_placeholder(dag.data, str(path)),
                    inputs_digest=digest_of(used),
                    files={name: digest},
                    label=label_of(dag.tags),
                    parse_seconds=0.25,
                    pure=not impure,
                )
            )
        return ParsedFile(
            bundle_name=self.bundle_name,
            bundle_version=version,
            seq=seq,
            path=name,
            file_digest=digest,
            inputs_digest=digest_of(used),
            inputs={"files": {name: digest}},
            contents=contents,
            errors={name: errors[name]} if name in errors else {},
            impure=impure,
            unversioned_dags=frozenset(opted_out),
            read_source=lambda _, __: source,
        )


def serialized_dags(bundle_path: Path, name: str) -> list[Any]:
    """The Dags of one file, serialized by Airflow as its Dag processor does."""
    from airflow.dag_processing.dagbag import BundleDagBag
    from airflow.serialization.serialized_objects import DagSerialization, LazyDeserializedDAG

    before = list(sys.path)
    try:
        bag = BundleDagBag(
            dag_folder=str(bundle_path / name),
            bundle_path=bundle_path,
            bundle_name="seed",
            load_op_links=False,
        )
    finally:
        sys.path[:] = before
    assert not bag.import_errors, bag.import_errors
    return [
        LazyDeserializedDAG(data=DagSerialization.to_dict(dag), last_loaded=dag.last_loaded)
        for dag in bag.dags.values()
    ]
