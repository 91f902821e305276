"""The exec strategy with a real Airflow in the pod, reached over the websocket."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import kube_api
from harness.airflow_env import AIRFLOW_VERSION
from harness.kube_cluster import Cluster, ConnectionLost, Output
from harness.other_airflow import BETA, OtherAirflow

pytestmark = [pytest.mark.full, pytest.mark.airflow, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with kube_api.serving(tmp_path / "kube") as made:
        yield made


@pytest.fixture
def images(postgres: Any, tmp_path: Path) -> Iterator[tuple[OtherAirflow, OtherAirflow]]:
    """The newer and the older Airflow on one database, which the newer migrated."""
    database = postgres.create("exec", migrated=False)
    newer = OtherAirflow(BETA, tmp_path / "newer", database)
    older = OtherAirflow(AIRFLOW_VERSION, tmp_path / "older", database)
    newer.cli("airflow", "db", "migrate", check=True)
    yield newer, older
    for image in (newer, older):
        image.close()
    database.drop()


def test_a_downgrade_in_a_pod_whose_connection_is_lost_on_the_way_reaches_its_target(
    cluster: Cluster, images: tuple[OtherAirflow, OtherAirflow], tmp_path: Path
) -> None:
    newer, older = images
    left: list[subprocess.Popen[bytes]] = []

    def airflow(words: list[str], output: Output) -> int:
        process = subprocess.Popen(
            [str(newer.programs / words[0]), *words[1:]],
            env=newer.env,
            cwd=newer.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        for line in process.stdout:
            output.stdout(line)
            if b"Running downgrade" in line and not left:
                # The network breaks; what was started goes on.
                left.append(process)
                raise ConnectionLost
        return process.wait()

    cluster.add_pod("airflow-api-server-1", airflow, image=f"apache/airflow:{BETA}")
    environment = {"KUBECONFIG": str(cluster.kubeconfig(tmp_path / "kubeconfig"))}
    flags = ("--allow-downgrade", "--strategy", "exec", "--accept-loss", "all")

    first = older.db("reconcile", *flags, check=False, env=environment)
    assert first["exit"] == 1
    assert "may still be at work" in first["error"]["detail"]

    second = older.db("reconcile", *flags, env=environment)
    left[0].communicate(timeout=120)
    assert second["exit"] == 0
    after = older.db("status")
    assert after["direction"] == "same"
    assert after["current"]["airflow"] == AIRFLOW_VERSION
