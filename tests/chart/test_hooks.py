"""When the hook runs: helm upgrade and rollback in a cluster, and Argo CD by the annotations it reads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from chart.conftest import Deployment, helm
from chart.test_manifests import values
from chart.test_request import TARGET, history, reconciled
from chart.test_request import values as both
from harness.kube_cluster import Object

OLDER = "3.1.0"


def test_the_installation_runs_no_hook_of_ours(deployment: Deployment) -> None:
    """There may be no database yet."""
    deployment.upgrade(both(allow=True, strategy="exec"))
    assert [job for job, _, _ in deployment.ran] == ["run-airflow-migrations"]
    assert deployment.cluster.named("roles") == []


def test_helm_rollback_runs_the_job_as_the_older_revision_has_it(deployment: Deployment) -> None:
    """With the older image: that is where the capsule strategy runs."""
    deployment.revision = history().head
    deployment.upgrade(both(OLDER, allow=False))
    deployment.upgrade(both(TARGET, allow=True))
    deployment.ran.clear()
    with pytest.raises(helm().HelmReleaseError, match="failed"):
        deployment.rollback(1)
    # Revision 1 did not allow it, whatever revision 2 says.
    assert deployment.ran == [reconciled(5, OLDER)]
    assert "Downgrade required but disabled" in deployment.output


def test_helm_rollback_goes_on_when_the_schema_fits(deployment: Deployment) -> None:
    deployment.revision = history().head
    deployment.upgrade(both(TARGET))
    deployment.upgrade(both(TARGET, allow=True))
    deployment.ran.clear()
    deployment.rollback(1)
    assert deployment.ran == [reconciled(0)]


def test_after_a_failed_job_the_same_upgrade_can_be_repeated(deployment: Deployment) -> None:
    deployment.revision = history().head
    deployment.upgrade(both(TARGET))
    with pytest.raises(helm().HelmReleaseError):
        deployment.upgrade(both(OLDER))
    assert deployment.cluster.named("jobs") == ["airflow-db-reconcile"]
    deployment.revision = history().head_of(OLDER)
    deployment.ran.clear()
    deployment.upgrade(both(OLDER))
    assert deployment.ran[0] == reconciled(0, OLDER)
    assert deployment.cluster.named("jobs") == []


def test_rights_of_a_failed_job_do_not_stay(deployment: Deployment) -> None:
    deployment.upgrade(both())
    deployment.revision = "abcdefabcdef"
    with pytest.raises(helm().HelmReleaseError):
        deployment.upgrade(both(allow=True, strategy="exec"))
    assert "No running Airflow pod was found" in deployment.output
    assert deployment.cluster.named("roles") == deployment.cluster.named("serviceaccounts") == []


# Argo CD


def argo(item: Object) -> tuple[set[str], int, set[str]]:
    """Phases, wave and delete policies of an object, by the rules of Argo CD's gitops-engine.

    Its own annotations come before Helm's, object by object; delete policies of both count.
    """
    annotations = item["metadata"]["annotations"]
    phases = set(annotations["argocd.argoproj.io/hook"].split(","))
    assert phases <= {"PreSync", "Sync", "PostSync", "SyncFail", "PostDelete", "PreDelete", "Skip"}
    helm_policies = {
        "before-hook-creation": "BeforeHookCreation",
        "hook-succeeded": "HookSucceeded",
        "hook-failed": "HookFailed",
    }
    policies = set(annotations["argocd.argoproj.io/hook-delete-policy"].split(","))
    policies |= {helm_policies[name] for name in annotations["helm.sh/hook-delete-policy"].split(",")}
    return phases, int(annotations["argocd.argoproj.io/sync-wave"]), policies


def test_argo_cd_runs_the_job_before_the_sync_and_after_its_rights(
    render: Callable[..., list[Object]],
) -> None:
    waves = {}
    for item in render(values(strategy="exec")):
        phases, waves[item["kind"]], policies = argo(item)
        assert phases == {"PreSync"}
        assert policies == {"BeforeHookCreation", "HookSucceeded"}
        weight = item["metadata"]["annotations"]["helm.sh/hook-weight"]
        assert int(weight) == waves[item["kind"]]
    assert sorted(waves, key=lambda kind: waves[kind]) == ["ServiceAccount", "Role", "RoleBinding", "Job"]
    assert waves["Job"] == -10


def test_the_first_sync_of_argo_cd_finds_an_empty_database_and_goes_on(deployment: Deployment) -> None:
    """Argo CD knows no installation: the job runs before anything is there to go back from."""
    deployment.upgrade(both())
    deployment.ran.clear()
    deployment.upgrade(both(allow=True))
    assert deployment.ran[0] == reconciled(0)
    assert "Nothing to go back from" in deployment.output
