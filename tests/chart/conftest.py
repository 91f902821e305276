"""The chart under the real Helm engine: rendered, and installed in the cluster of ``harness.kube_api``."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from attrs import define, field

from harness import kube_api
from harness.kube_cluster import Cluster, Object
from harness.sqlite import SqliteFiles
from harness.warm_cli import warm_pinwheel

ROOT = Path(__file__).parents[2]
CHART = ROOT / "chart" / "pinwheel-reconcile"
OFFICIAL_VALUES = ROOT / "chart" / "official-airflow-values.yaml"

# What the hook works beside: a chart with a migration job and extra objects as the official one has them.
AIRFLOW_CHART = {
    "Chart.yaml": "{apiVersion: v2, name: airflow, version: 1.0.0}",
    "values.yaml": """
airflowVersion: ""
uid: 50000
gid: 0
images: {airflow: {repository: apache/airflow, tag: "", pullPolicy: IfNotPresent}}
extraObjects: []
""",
    "templates/_helpers.yaml": """
{{ define "airflow_image" }}{{ .Values.images.airflow.repository }}:{{ .Values.airflowVersion }}{{ end }}
{{ define "airflow_config" }}{{ .Release.Name }}-config{{ end }}
{{- define "airflow_config_mount" }}
- name: config
  mountPath: /opt/airflow/airflow.cfg
  subPath: airflow.cfg
  readOnly: true
{{- end }}
{{- define "custom_airflow_environment_from" }}{{ end }}
{{- define "custom_airflow_environment" }}
  # Extra env
  - name: TEAM
    value: data
{{- end }}
{{- define "standard_airflow_environment" }}
  # Hard coded
  - name: AIRFLOW__CORE__FERNET_KEY
    valueFrom: {secretKeyRef: {name: {{ .Release.Name }}-fernet-key, key: fernet-key}}
  - name: AIRFLOW__DATABASE__SQL_ALCHEMY_CONN
    valueFrom: {secretKeyRef: {name: {{ .Release.Name }}-metadata, key: connection}}
{{- end }}
""",
    "templates/migrate.yaml": """
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-run-airflow-migrations
  annotations:
    helm.sh/hook: post-install,post-upgrade
    helm.sh/hook-weight: "1"
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  template:
    spec:
      restartPolicy: OnFailure
      containers: [{name: run-airflow-migrations, image: {{ include "airflow_image" . }}}]
""",
    "templates/extra-objects.yaml": """
{{- range .Values.extraObjects }}
---
{{ if kindIs "string" . }}{{ tpl . $ }}{{ else }}{{ tpl (toYaml .) $ }}{{ end }}
{{- end }}
""",
}


def helm() -> Any:
    """The Helm engine. Its library is loaded now, not when tests are collected: it brings Go's runtime."""
    if importlib.util.find_spec("helm_python") is None:
        pytest.skip("there is no Helm engine as a wheel for this platform")
    import helm_python

    return helm_python


def documents(rendered: dict[str, str]) -> list[Object]:
    return [item for text in rendered.values() for item in yaml.safe_load_all(text) if item]


@pytest.fixture(scope="session")
def render() -> Callable[..., list[Object]]:
    """Give the chart's objects for some values; ``chart`` for another chart than ours."""

    def rendered(values: Object, *, chart: Path = CHART, name: str = "airflow") -> list[Object]:
        with helm().Chart.load(chart) as loaded:
            return documents(loaded.render(values, name=name, namespace="airflow", is_upgrade=True))

    return rendered


@pytest.fixture(scope="session")
def airflow_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _written(tmp_path_factory.mktemp("airflow-chart") / "airflow")


def _written(folder: Path) -> Path:
    for name, text in AIRFLOW_CHART.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="session")
def both_charts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One chart of a team, with Airflow's and ours as its dependencies."""
    folder = tmp_path_factory.mktemp("both-charts") / "platform"
    (folder / "charts").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("{apiVersion: v2, name: platform, version: 1.0.0}")
    _written(folder / "charts" / "airflow")
    shutil.copytree(CHART, folder / "charts" / "pinwheel-reconcile")
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with kube_api.serving(tmp_path_factory.mktemp("kube")) as cluster:
        yield cluster


@define
class Deployment:
    """A Helm release in the cluster. Jobs run for real: their command, with this environment's Airflow."""

    cluster: Cluster
    helm: Any
    chart: Path
    database: Path
    folder: Path
    commands: Path
    """Where the job finds ``pinwheel``, with that database as Airflow's."""
    ran: list[tuple[str, str, int]] = field(factory=list)
    """Job, image and exit code of each hook job that ran, in order."""
    output: str = ""
    """What the last one printed."""
    rights: list[list[str]] = field(factory=list)
    """Names of the roles that were there when each job ran."""

    def upgrade(self, values: Object) -> None:
        action = self.helm.upgrade if self.helm.list(all_states=True) else self.helm.install
        action(self.chart, "airflow", values, timeout=60)

    def rollback(self, revision: int) -> None:
        self.helm.rollback("airflow", version=revision, timeout=60)

    @property
    def revision(self) -> str:
        with sqlite3.connect(self.database) as connection:
            return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])

    @revision.setter
    def revision(self, value: str) -> None:
        with sqlite3.connect(self.database) as connection:
            connection.execute("DELETE FROM alembic_version")
            connection.execute("INSERT INTO alembic_version VALUES (?)", (value,))

    def run_job(self, job: Object) -> int:
        pod = job["spec"]["template"]["spec"]
        container = pod["containers"][0]
        self.rights.append(self.cluster.named("roles"))
        code = 0
        if container.get("args"):
            code = self._run(pod, container)
        self.ran.append((job["metadata"]["name"].removeprefix("airflow-"), container["image"], code))
        return code

    def _run(self, pod: Object, container: Object) -> int:
        environment = {
            "PATH": f"{self.commands}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "KUBECONFIG": str(self.folder / "no-token"),
        }
        if pod["automountServiceAccountToken"]:
            token = self.cluster.token_of("airflow", pod["serviceAccountName"])
            environment["KUBECONFIG"] = str(self.cluster.kubeconfig(self.folder / "token", token))
        done = subprocess.run(
            container["args"], env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        self.output = done.stdout + done.stderr
        return done.returncode


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A folder with ``pinwheel`` in it, and the database that it works on."""
    folder = tmp_path_factory.mktemp("job")
    database = folder / "airflow.db"
    environment = {
        "PATH": os.environ["PATH"],
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__FERNET_KEY": "ChA1oPJ3ZsuNxYqD7s7KXq9M3fFqj1l1hBvVf3yYkqg=",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{database}",
    }
    with warm_pinwheel(folder / "bin", environment) as bin_folder:
        yield bin_folder, database


@pytest.fixture
def deployment(
    server: Cluster, both_charts: Path, commands: tuple[Path, Path], sqlite: SqliteFiles, tmp_path: Path
) -> Iterator[Deployment]:
    """Nothing installed yet; a database with all of Airflow's tables, without a revision."""
    for part in (server.objects, server.programs, server.commands, server.requests):
        part.clear()
    bin_folder, database = commands
    shutil.copyfile(sqlite.template(), database)
    with sqlite3.connect(database) as connection:
        connection.execute("DELETE FROM alembic_version")
    kubeconfig = server.kubeconfig(tmp_path / "kubeconfig")
    with helm().Config(
        kubeconfig_path=kubeconfig, namespace="airflow", storage_driver="memory", burst_limit=1000, qps=1000
    ) as config:
        made = Deployment(server, config, both_charts, database, tmp_path, bin_folder)
        server.run_job = made.run_job
        yield made
