"""What the chart renders: valid objects, the job's command, and values that are refused with a reason."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from chart.conftest import CHART, OFFICIAL_VALUES, helm
from harness.kube_cluster import Object
from pinwheel.cli.main import make_parser

Render = Callable[..., list[Object]]

OLDEST, NEWEST = "1.29", ".".join(kubernetes_validate.latest_version().split(".")[:2])

EVERYTHING: Object = {
    "airflowRelease": "prod",
    "airflowVersion": "3.3.2",
    "images": {"airflow": {"repository": "registry.example.com/airflow", "tag": "3.3.2-7"}},
    "imagePullSecrets": [{"name": "registry"}],
    "data": {"metadataSecretName": "our-connection"},
    "fernetKeySecretName": "our-key",
    "configMapName": "our-config",
    "migrateDatabaseJob": {
        "allowDowngrade": True,
        "downgrade": {
            "waitForWriters": "90s",
            "snapshot": {"path": "/snapshots/before 3.3.2.jsonl", "full": True},
            "extraEnv": [{"name": "AWS_REGION", "value": "eu-west-1"}],
            "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}},
            "serviceAccountName": "snapshots",
            "annotations": {"sidecar.istio.io/inject": "false"},
            "labels": {"team": "data"},
            "podLabels": {"network": "database"},
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "batch", "operator": "Exists"}],
            "affinity": {"nodeAffinity": {}},
            "volumes": [{"name": "snapshots", "persistentVolumeClaim": {"claimName": "snapshots"}}],
            "volumeMounts": [{"name": "snapshots", "mountPath": "/snapshots"}],
        },
    },
}


def values(*, allow: bool = True, version: str = "3.3.2", **downgrade: Any) -> Object:
    return {
        "airflowVersion": version,
        "migrateDatabaseJob": {"allowDowngrade": allow, "downgrade": downgrade},
    }


def job_of(objects: list[Object]) -> Object:
    return next(item for item in objects if item["kind"] == "Job")


def container_of(objects: list[Object]) -> Object:
    return job_of(objects)["spec"]["template"]["spec"]["containers"][0]


def arguments_of(objects: list[Object]) -> list[str]:
    """What ``pinwheel`` gets."""
    args = container_of(objects)["args"]
    assert args[:4] == ["bash", "-c", 'exec pinwheel "$@"', "pinwheel"]
    return args[4:]


def understood(arguments: list[str]) -> Any:
    """As the command line of this version takes them; an error where it does not."""
    return make_parser("db").parse_args(arguments)


@pytest.mark.parametrize("kubernetes", [OLDEST, NEWEST])
@pytest.mark.parametrize(
    "given",
    [
        EVERYTHING,
        *(
            values(allow=allow, strategy=strategy, currentVersionSource=source, command="docker run x")
            for allow, strategy, source in itertools.product(
                (True, False),
                ("auto", "capsule", "exec", "command"),
                ("alembic-table", "running-pod-image", "running-pod-exec"),
            )
            if strategy == "exec" or source == "alembic-table" or not allow
        ),
    ],
    ids=lambda given: "-".join(
        str(value)
        for value in (
            given["migrateDatabaseJob"]["allowDowngrade"],
            *list(given["migrateDatabaseJob"]["downgrade"].values())[:2],
        )
    ),
)
def test_every_object_is_valid_and_every_command_understood(
    render: Render, given: Object, kubernetes: str
) -> None:
    objects = render(given)
    for item in objects:
        kubernetes_validate.validate(item, kubernetes, strict=True)
    understood(arguments_of(objects))


def test_helm_finds_nothing_to_complain_of() -> None:
    report = helm().lint(CHART, values(), strict=True)
    assert [message for message in report["messages"] if message["severity"] > 1] == []
    assert report["errors"] == []


def test_by_default_a_downgrade_is_refused_and_nothing_is_granted(render: Render) -> None:
    objects = render({"airflowVersion": "3.3.2"})
    assert [item["kind"] for item in objects] == ["Job"]
    assert arguments_of(objects) == ["db", "reconcile", "--downgrade-only", "--to=3.3.2"]
    pod = job_of(objects)["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == "default"
    assert container_of(objects)["image"] == "apache/airflow:3.3.2"


def test_the_jobs_flags_are_the_values(render: Render) -> None:
    args = understood(arguments_of(render(EVERYTHING)))
    assert (args.allow_downgrade, args.downgrade_only, args.to) == (True, True, "3.3.2")
    assert (args.strategy, args.current_version_source) == ("capsule", "alembic-table")
    assert (args.wait_for_writers, args.snapshot, args.full) == (90, "/snapshots/before 3.3.2.jsonl", True)

    path = "s3://backups/{{ .Release.Name }}-{{ .Release.Revision }}.jsonl"
    saved = understood(arguments_of(render(values(snapshot={"path": path}))))
    assert saved.snapshot == "s3://backups/airflow-1.jsonl"

    lost = understood(arguments_of(render(values(acceptLoss=["asset_state", "dag.team"]))))
    assert [name for names in lost.accept_loss for name in names] == ["asset_state", "dag.team"]

    command = "docker run --rm 'newer image' airflow db downgrade --to-version {to_version} --yes"
    ran = understood(arguments_of(render(values(strategy="command", command=command))))
    assert (ran.strategy, ran.command) == ("command", command)

    pods = understood(arguments_of(render(values(strategy="exec") | {"airflowRelease": "prod"})))
    assert (pods.kube_namespace, pods.kube_release) == ("airflow", "prod")


def test_the_job_has_what_airflow_needs_from_where_the_official_chart_keeps_it(render: Render) -> None:
    def sources(objects: list[Object]) -> list[str]:
        container, pod = container_of(objects), job_of(objects)["spec"]["template"]["spec"]
        secrets = {
            entry["name"]: entry["valueFrom"]["secretKeyRef"]
            for entry in container["env"]
            if "valueFrom" in entry
        }
        assert secrets["AIRFLOW__CORE__FERNET_KEY"]["key"] == "fernet-key"
        assert secrets["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]["key"] == "connection"
        return [
            secrets["AIRFLOW__CORE__FERNET_KEY"]["name"],
            secrets["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]["name"],
            pod["volumes"][0]["configMap"]["name"],
        ]

    assert sources(render(values())) == ["airflow-fernet-key", "airflow-metadata", "airflow-config"]
    assert sources(render(values() | {"airflowRelease": "prod"}, name="prod-reconcile")) == [
        "prod-fernet-key",
        "prod-metadata",
        "prod-config",
    ]
    assert sources(render(EVERYTHING)) == ["our-key", "our-connection", "our-config"]
    assert {"name": "AWS_REGION", "value": "eu-west-1"} in container_of(render(EVERYTHING))["env"]


def test_a_refusal_is_not_repeated_and_an_interruption_is(render: Render) -> None:
    spec = job_of(render(values()))["spec"]
    assert spec["backoffLimit"] > 0
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    fail, ignore = spec["podFailurePolicy"]["rules"]
    assert fail["onExitCodes"]["containerName"] == container_of(render(values()))["name"]
    assert 5 in fail["onExitCodes"]["values"] and 1 not in fail["onExitCodes"]["values"]
    assert ignore["onPodConditions"][0]["type"] == "DisruptionTarget"


@pytest.mark.parametrize(
    ("source", "rules"),
    [
        ("alembic-table", {("", "pods", "get list"), ("", "pods/exec", "get create")}),
        ("running-pod-exec", {("", "pods", "get list"), ("", "pods/exec", "get create")}),
        (
            "running-pod-image",
            {
                ("", "pods", "get list"),
                ("", "pods/exec", "get create"),
                ("apps", "deployments", "get list"),
            },
        ),
    ],
)
def test_the_exec_strategy_has_these_rights_and_no_more(
    render: Render, source: str, rules: set[tuple[str, str, str]]
) -> None:
    objects = {item["kind"]: item for item in render(values(strategy="exec", currentVersionSource=source))}
    assert set(objects) == {"Job", "ServiceAccount", "Role", "RoleBinding"}
    granted = {
        (group, resource, " ".join(rule["verbs"]))
        for rule in objects["Role"]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert granted == rules
    name = "airflow-db-reconcile"
    assert {item["metadata"]["name"] for item in objects.values()} == {name}
    assert objects["RoleBinding"]["roleRef"]["name"] == name
    assert objects["RoleBinding"]["subjects"] == [
        {"kind": "ServiceAccount", "name": name, "namespace": "airflow"}
    ]
    assert objects["Job"]["spec"]["template"]["spec"]["serviceAccountName"] == name


@pytest.mark.parametrize("strategy", ["auto", "capsule", "exec", "command"])
@pytest.mark.parametrize("allow", [True, False])
def test_rights_are_rendered_only_for_exec_and_only_when_allowed(
    render: Render, strategy: str, allow: bool
) -> None:
    kinds = {item["kind"] for item in render(values(allow=allow, strategy=strategy, command="x"))}
    assert ("Role" in kinds) == (strategy == "exec" and allow)
    assert kinds <= {"Job", "ServiceAccount", "Role", "RoleBinding"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"airflowVersion": "latest"}, "/airflowVersion.*does not match pattern"),
        ({"airflowVersion": 3.3}, "/airflowVersion.*got number, want string"),
        ({"allowDowngrade": True}, "additional properties 'allowDowngrade' not allowed"),
        ({"migrateDatabaseJob": {"allowDowngrade": "yes"}}, "/allowDowngrade.*got string, want boolean"),
        (values(strategy="kubectl"), "/strategy.*must be one of 'auto', 'capsule', 'exec', 'command'"),
        (values(currentVersionSource="guess"), "/currentVersionSource.*must be one of 'alembic-table', "),
        (values(waitForWriters="soon"), "/waitForWriters.*does not match pattern"),
        (values(waitForWriters=300), "/waitForWriters.*got number, want string"),
        (values(acceptLoss="all"), "/acceptLoss.*got string, want array"),
        (values(acceptLoss=["x; rm"]), "/acceptLoss/0.*does not match pattern"),
        (values(extraEnv={"A": "b"}), "/extraEnv.*got object, want array"),
        (values(backoffLimit=-1), "/backoffLimit.*want 0"),
        (values(retries=1), "/downgrade.*additional properties 'retries' not allowed"),
        ({"airflowRelease": "Prod"}, "/airflowRelease.*does not match pattern"),
        ({}, r"images\.airflow\.tag or airflowVersion must name the image"),
        (values(strategy="command"), r"strategy is command: say which one in .*\.command"),
        (values(currentVersionSource="running-pod-exec"), "only the exec strategy has rights for"),
        (values(acceptLoss=["all"], snapshot={"path": "/x"}), r"acceptLoss or snapshot\.path, not both"),
        (
            values(strategy="exec", serviceAccountName="mine"),
            "the exec strategy brings its own service account",
        ),
    ],
)
def test_wrong_values_are_refused_with_their_place_and_reason(
    render: Render, given: Object, message: str
) -> None:
    with pytest.raises(helm().HelmError, match=rf"(?s){message}"):
        render(given)


def test_every_value_has_a_place_in_the_schema() -> None:
    """None of the chart's own values may be refused, and none may be unknown to it."""
    with helm().Chart.load(CHART) as chart:
        schema, default = chart.schema, chart.values

    def check(schema: Object, value: Any, path: str) -> None:
        assert schema, path
        if schema.get("additionalProperties") is False:
            assert set(value) <= set(schema["properties"]), path
            for name, inner in value.items():
                check(schema["properties"][name], inner, f"{path}/{name}")

    check(schema, default, "")


# The official chart's own values


def test_the_same_hook_goes_into_the_official_chart(render: Render, airflow_chart: Path) -> None:
    given = yaml.safe_load(OFFICIAL_VALUES.read_text()) | {"airflowVersion": "3.3.2"}
    objects = render(given, chart=airflow_chart)
    inside = next(item for item in objects if item["metadata"]["name"] == "airflow-db-reconcile")
    kubernetes_validate.validate(inside, NEWEST, strict=True)
    beside = job_of(render(values()))
    assert inside["metadata"]["annotations"] == beside["metadata"]["annotations"]
    for name in ("backoffLimit", "activeDeadlineSeconds", "podFailurePolicy"):
        assert inside["spec"][name] == beside["spec"][name]

    def flags(job: Object) -> Any:
        return vars(understood(arguments_of([job])))

    assert flags(inside) == flags(beside)
    container = container_of([inside])
    assert container["image"] == "apache/airflow:3.3.2"
    assert [entry["name"] for entry in container["env"]] == [
        "PYTHONUNBUFFERED",
        "TEAM",
        "AIRFLOW__CORE__FERNET_KEY",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    ]
    assert container["volumeMounts"] == container_of([beside])["volumeMounts"]
