"""The exec strategy and the sources that ask a cluster, against a server that speaks Kubernetes' protocol."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness import kube_api
from harness.kube_cluster import ADMIN, Cluster, ConnectionLost, Output, Program
from pinwheel.core.errors import HostError, Refused
from pinwheel.reconcile import kubernetes_pods
from pinwheel.reconcile.kubernetes_source import current_version, version_in_image
from pinwheel.reconcile.strategies import exec as exec_strategy
from pinwheel.reconcile.strategy import Downgrade

WALK = Downgrade(from_revision="f0", from_version="3.4.0", to_revision="d0", to_version="3.2.2")
DOWNGRADE = ["airflow", "db", "downgrade", "--to-version", "3.2.2", "--yes"]


def airflow(version: str, downgrade: Callable[[Output], int] = lambda output: 0) -> Program:
    """A pod's ``airflow`` command."""

    def program(words: list[str], output: Output) -> int:
        if words == ["airflow", "version"]:
            output.stderr(b"UserWarning: something is deprecated\n")
            output.stdout(f"{version}\n".encode())
            return 0
        assert words == DOWNGRADE
        return downgrade(output)

    return program


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with kube_api.serving(tmp_path_factory.mktemp("kube")) as cluster:
        yield cluster


@pytest.fixture
def cluster(server: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Empty, and the one that the kubeconfig names."""
    for part in (server.objects, server.programs, server.commands, server.requests):
        part.clear()
    server.protocols = ("v5.channel.k8s.io", "v4.channel.k8s.io")
    server.exec_verb = "create"
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig")))
    return server


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    exec_strategy.add_arguments(parser.add_argument_group())
    return parser.parse_args(arguments)


def strategy(*arguments: str) -> exec_strategy.ExecStrategy:
    return exec_strategy.make(options(*arguments), None)


def downgrades(cluster: Cluster) -> list[str]:
    return [pod for pod, _, words in cluster.commands if words == DOWNGRADE]


@pytest.mark.parametrize("protocol", ["v4.channel.k8s.io", "v5.channel.k8s.io"])
def test_the_downgrade_runs_in_the_api_server_and_every_line_is_told(cluster: Cluster, protocol: str) -> None:
    def downgrade(output: Output) -> int:
        output.stdout(b"Performing downgrade with database ")
        output.stdout("…\n".encode()[:2])
        output.stdout("…\n".encode()[2:])
        output.stderr(b"INFO Running downgrade f0 -> e0\nINFO Running downgrade e0 -> d0\n")
        output.stdout(b"Downgrade complete")
        return 0

    cluster.protocols = (protocol,)
    cluster.add_pod("airflow-scheduler-1", airflow("3.4.0"), component="scheduler")
    cluster.add_pod(
        "airflow-api-server-1", airflow("3.4.0", downgrade), containers=["git-sync", "api-server"]
    )
    told: list[str] = []

    plan = strategy().prepare(WALK)
    assert not downgrades(cluster)
    strategy().run(WALK, told.append)

    assert plan == [
        "run airflow db downgrade --to-version 3.2.2 --yes in container api-server of "
        "pod airflow-api-server-1 (apache/airflow:3.4.0), namespace airflow"
    ]
    assert cluster.commands[-1] == ("airflow-api-server-1", "api-server", DOWNGRADE)
    assert told[0].endswith(" ".join(DOWNGRADE))
    assert sorted(told[1:]) == sorted(
        [
            "Performing downgrade with database …",
            "INFO Running downgrade f0 -> e0",
            "INFO Running downgrade e0 -> d0",
            "Downgrade complete",
        ]
    )


def test_a_line_is_told_while_the_command_still_runs(cluster: Cluster) -> None:
    told = threading.Event()

    def downgrade(output: Output) -> int:
        output.stdout(b"first\n")
        return 0 if told.wait(20) else 1

    cluster.add_pod("airflow-api-server-1", airflow("3.4.0", downgrade))
    strategy().run(WALK, lambda line: told.set() if line == "first" else None)


def test_a_large_output_arrives_whole(cluster: Cluster) -> None:
    def downgrade(output: Output) -> int:
        for number in range(2000):
            output.stdout(f"{number} {'x' * 200}\n".encode())
        return 0

    cluster.add_pod("airflow-api-server-1", airflow("3.4.0", downgrade))
    told: list[str] = []
    strategy().run(WALK, told.append)
    assert [int(line.split()[0]) for line in told[1:]] == list(range(2000))


def test_without_an_api_server_the_scheduler_is_taken(cluster: Cluster) -> None:
    cluster.add_pod("airflow-api-server-1", airflow("3.4.0"), phase="Pending")
    cluster.add_pod("airflow-scheduler-1", airflow("3.4.0"), component="scheduler")
    strategy().run(WALK, print)
    assert downgrades(cluster) == ["airflow-scheduler-1"]


def test_ready_pods_come_first_and_deleted_ones_never(cluster: Cluster) -> None:
    cluster.add_pod("a-deleted", airflow("3.4.0"), deleting=True)
    cluster.add_pod("b-not-ready", airflow("3.4.0"), ready=False, created_at="2026-02-01T00:00:00Z")
    cluster.add_pod("c-old", airflow("3.4.0"), created_at="2026-01-01T00:00:00Z")
    cluster.add_pod("d-new", airflow("3.4.0"), created_at="2026-01-02T00:00:00Z")
    pods = kubernetes_pods.Cluster.connect(options()).running_pods()
    assert [pod.name for pod in pods] == ["d-new", "c-old", "b-not-ready"]


def test_a_pod_of_the_older_version_is_passed_over(cluster: Cluster) -> None:
    """A deploy stopped half-way: the newest API server pod is already the older Airflow."""
    cluster.add_pod(
        "new-pod", airflow("3.2.2"), image="apache/airflow:3.2.2", created_at="2026-02-01T00:00:00Z"
    )
    cluster.add_pod("old-pod", airflow("3.4.0b2"), created_at="2026-01-01T00:00:00Z")
    strategy().run(WALK, print)
    assert downgrades(cluster) == ["old-pod"]


def test_refused_when_every_pod_is_older_than_the_schema(cluster: Cluster) -> None:
    cluster.add_pod("airflow-api-server-1", airflow("3.2.2"))
    with pytest.raises(Refused, match="No running pod has the migrations") as refusal:
        strategy().prepare(WALK)
    assert "airflow-api-server-1 runs Airflow 3.2.2" in refusal.value.found
    assert "capsule" in refusal.value.remedy


def test_refused_when_nothing_runs(cluster: Cluster) -> None:
    cluster.add_pod("airflow-api-server-1", phase="Pending")
    with pytest.raises(Refused, match="airflow-api-server-1 is Pending"):
        strategy().prepare(WALK)
    with pytest.raises(Refused, match="has no pod with the labels"):
        strategy("--kube-namespace", "elsewhere").prepare(WALK)


def test_two_releases_in_a_namespace_are_not_guessed_between(cluster: Cluster) -> None:
    cluster.add_pod("blue-api-server-1", airflow("3.4.0"), release="blue")
    cluster.add_pod("green-api-server-1", airflow("3.4.0"), release="green")
    with pytest.raises(Refused, match="releases blue, green"):
        strategy().prepare(WALK)
    strategy("--kube-release", "green").run(WALK, print)
    assert downgrades(cluster) == ["green-api-server-1"]


def test_a_failed_downgrade_says_its_code_and_its_last_lines_without_passwords(cluster: Cluster) -> None:
    def downgrade(output: Output) -> int:
        output.stderr(b"sqlalchemy.exc.OperationalError: postgresql://airflow:s3cret@db/airflow is gone\n")
        return 3

    cluster.add_pod("airflow-api-server-1", airflow("3.4.0", downgrade))
    with pytest.raises(HostError, match="failed in pod airflow-api-server-1") as failure:
        strategy().run(WALK, print)
    assert "exit code 3" in failure.value.found
    assert "postgresql://airflow:***@db/airflow is gone" in failure.value.found


def test_a_lost_connection_is_not_taken_for_an_end(cluster: Cluster) -> None:
    def downgrade(output: Output) -> int:
        output.stdout(b"Running downgrade f0 -> e0\n")
        raise ConnectionLost

    cluster.add_pod("airflow-api-server-1", airflow("3.4.0", downgrade))
    told: list[str] = []
    with pytest.raises(HostError, match=r"may still be at work.*Run the reconcile again"):
        strategy().run(WALK, told.append)
    assert "Running downgrade f0 -> e0" in told


def test_an_image_without_airflow_is_refused(cluster: Cluster) -> None:
    def nothing_there(words: list[str], output: Output) -> int:
        raise FileNotFoundError

    cluster.add_pod("airflow-api-server-1", nothing_there)
    with pytest.raises(Refused, match="did not start in pod airflow-api-server-1"):
        strategy().prepare(WALK)


def rights(cluster: Cluster, *rules: tuple[str, list[str]]) -> str:
    """A service account with these rights on resources without a group; gives its token."""
    cluster.put("", "serviceaccounts", {"metadata": {"name": "reconcile", "namespace": "airflow"}})
    cluster.put(
        "rbac.authorization.k8s.io",
        "roles",
        {
            "metadata": {"name": "reconcile", "namespace": "airflow"},
            "rules": [{"apiGroups": [""], "resources": [name], "verbs": verbs} for name, verbs in rules],
        },
    )
    subject = {"kind": "ServiceAccount", "name": "reconcile", "namespace": "airflow"}
    cluster.put(
        "rbac.authorization.k8s.io",
        "rolebindings",
        {
            "metadata": {"name": "reconcile", "namespace": "airflow"},
            "roleRef": {"kind": "Role", "name": "reconcile"},
            "subjects": [subject],
        },
    )
    return cluster.token_of("airflow", "reconcile")


def test_missing_rights_are_refused_with_what_the_cluster_said(cluster: Cluster, tmp_path: Path) -> None:
    cluster.add_pod("airflow-api-server-1", airflow("3.4.0"))
    token = rights(cluster)
    cluster.kubeconfig(tmp_path / "kubeconfig", token)
    with pytest.raises(Refused, match="does not let Pinwheel list pods") as refusal:
        strategy().prepare(WALK)
    assert 'cannot list resource "pods"' in refusal.value.found

    rights(cluster, ("pods", ["get", "list"]))
    with pytest.raises(Refused, match="No running pod has the migrations") as refusal:
        strategy().prepare(WALK)
    assert "does not let Pinwheel run a command in pod airflow-api-server-1" in refusal.value.found
    with pytest.raises(Refused, match=r'cannot create resource "pods/exec".*allowDowngrade'):
        current_version("running-pod-exec", options())

    rights(cluster, ("pods", ["get", "list"]), ("pods/exec", ["create"]))
    strategy().run(WALK, print)
    assert downgrades(cluster) == ["airflow-api-server-1"]


def test_a_token_that_is_not_known_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    cluster.kubeconfig(tmp_path / "kubeconfig", "wrong")
    with pytest.raises(Refused, match=r"Unauthorized \(401\)"):
        strategy().prepare(WALK)


def test_a_cluster_that_does_not_answer_is_refused(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (tmp_path / "kubeconfig").read_text()
    (tmp_path / "kubeconfig").write_text(text.replace(cluster.url, "https://127.0.0.1:1"))
    with pytest.raises(Refused, match="The cluster could not be reached"):
        strategy().prepare(WALK)


def test_no_credentials_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    with pytest.raises(Refused, match="no credentials for a cluster"):
        strategy().prepare(WALK)


def test_in_a_pod_the_service_accounts_token_and_namespace_are_used(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = rights(cluster, ("pods", ["get", "list"]), ("pods/exec", ["get", "create"]))
    (tmp_path / "token").write_text(token)
    (tmp_path / "namespace").write_text("airflow\n")
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr("kubernetes.config.incluster_config.SERVICE_CERT_FILENAME", cluster.ca_file)
    monkeypatch.setattr(kubernetes_pods, "_NAMESPACE_FILE", tmp_path / "namespace")
    host, port = cluster.url.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nothing"))
    cluster.add_pod("airflow-api-server-1", airflow("3.4.0"))

    strategy().run(WALK, print)

    assert downgrades(cluster) == ["airflow-api-server-1"]
    assert {user for user, _, _ in cluster.requests} == {token}

    (tmp_path / "token").unlink()
    with pytest.raises(Refused, match="no credentials for a cluster"):
        strategy().prepare(WALK)


def test_a_silent_command_is_waited_for(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """With pings in between, whose answers are no output."""
    monkeypatch.setattr(kubernetes_pods, "PING_SECONDS", 0.0)

    def downgrade(output: Output) -> int:
        output.stdout(b"begun\n")
        time.sleep(2.5)
        output.stdout(b"ended\n")
        return 0

    cluster.add_pod("airflow-api-server-1", airflow("3.4.0", downgrade))
    told: list[str] = []
    strategy().run(WALK, told.append)
    assert told[1:] == ["begun", "ended"]


def test_without_the_client_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("kubernetes", "kubernetes.client"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Refused, match=r"pip install 'airflow-pinwheel\[kubernetes\]'"):
        strategy().prepare(WALK)


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("apache/airflow:3.3.2", "3.3.2"),
        ("apache/airflow:slim-3.3.2-python3.12", "3.3.2"),
        ("apache/airflow:3.4.0b2-python3.12", "3.4.0b2"),
        ("registry.example.com:5000/data/airflow:v3.3.2", "3.3.2"),
        ("registry.example.com:5000/airflow:3.3.2-pinwheel0.1.0@sha256:" + "0" * 64, "3.3.2"),
        ("airflow:2026.11.21-3.3.2", "3.3.2"),
        ("airflow:3.3.2-from-3.2.2", None),
        ("airflow:latest", None),
        ("airflow:2026.11.21", None),
        ("registry.example.com:5000/airflow", None),
        ("airflow@sha256:" + "3" * 64, None),
    ],
)
def test_the_version_in_an_image(image: str, version: str | None) -> None:
    assert version_in_image(image) == version


def test_the_running_pods_image_tells_the_version(cluster: Cluster) -> None:
    cluster.add_pod("airflow-api-server-1", image="registry.example.com/airflow:3.3.2-team7")
    assert current_version("running-pod-image", options()) == "3.3.2"
    assert cluster.commands == []


def test_without_running_pods_the_deployments_image_tells(cluster: Cluster) -> None:
    cluster.add_deployment("api-server", "apache/airflow:3.3.2")
    assert current_version("running-pod-image", options()) == "3.3.2"


def test_images_that_do_not_agree_or_carry_no_version_are_refused(cluster: Cluster) -> None:
    cluster.add_pod("airflow-api-server-1", image="airflow:latest")
    with pytest.raises(Refused, match=r"their images are airflow:latest.*alembic-table"):
        current_version("running-pod-image", options())
    cluster.add_pod("airflow-api-server-1", image="airflow:3.3.2")
    cluster.add_pod("airflow-api-server-2", image="airflow:3.4.0")
    with pytest.raises(Refused, match=r"airflow:3\.3\.2, airflow:3\.4\.0"):
        current_version("running-pod-image", options())


def test_a_running_pod_is_asked_for_its_version(cluster: Cluster) -> None:
    cluster.add_pod("airflow-api-server-1", airflow("3.4.0b2"), image="airflow:latest")
    assert current_version("running-pod-exec", options()) == "3.4.0b2"
    assert cluster.commands == [("airflow-api-server-1", "api-server", ["airflow", "version"])]


def test_a_pod_that_tells_no_version_is_refused(cluster: Cluster) -> None:
    def broken(words: list[str], output: Output) -> int:
        output.stderr(b"airflow.exceptions.AirflowConfigException: no such section\n")
        return 1

    cluster.add_pod("airflow-api-server-1", broken)
    with pytest.raises(Refused, match=r"did not tell its Airflow version.*no such section"):
        current_version("running-pod-exec", options())


def test_the_kubeconfig_of_this_test_is_an_administrators(cluster: Cluster) -> None:
    cluster.add_pod("airflow-api-server-1", airflow("3.4.0"))
    strategy().prepare(WALK)
    assert {user for user, _, _ in cluster.requests} == {ADMIN}
