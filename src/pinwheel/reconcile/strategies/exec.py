"""The walk in a pod that still runs the newer Airflow: ``airflow db downgrade`` through the Kubernetes API.

Needs the rights to list pods and to run commands in them, and such a pod. ``capsule`` needs neither.
"""

from __future__ import annotations

import argparse
import re

from pinwheel.core.errors import HostError, PinwheelError, Refused
from pinwheel.reconcile import kubernetes_pods
from pinwheel.reconcile.kubernetes_pods import Cluster, RunningPod
from pinwheel.reconcile.kubernetes_source import asked_version
from pinwheel.reconcile.strategy import Downgrade, Say

LINES_IN_ERROR = 15


def add_arguments(group: argparse._ArgumentGroup) -> None:
    kubernetes_pods.add_arguments(group)


def make(options: argparse.Namespace, deployment: object) -> ExecStrategy:
    return ExecStrategy(options)


class ExecStrategy:
    name = "exec"

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options

    def prepare(self, walk: Downgrade) -> list[str]:
        cluster = Cluster.connect(self._options)
        pod = _pod_with_the_newer_code(cluster, walk)
        return [
            f"run {' '.join(_command(walk))} in container {pod.container} of {pod}, namespace {pod.namespace}"
        ]

    def run(self, walk: Downgrade, say: Say) -> None:
        cluster = Cluster.connect(self._options)
        pod = _pod_with_the_newer_code(cluster, walk)
        command = _command(walk)
        say(f"{pod}: {' '.join(command)}")
        finished = cluster.run(pod, command, say)
        if finished.exit_code != 0:
            raise HostError(
                f"{' '.join(command)} failed in pod {pod.name}",
                found=f"exit code {finished.exit_code}\n" + "\n".join(finished.lines[-LINES_IN_ERROR:]),
                remedy="Run the reconcile again when the cause is gone: it goes on from where the schema is",
            )


def _command(walk: Downgrade) -> list[str]:
    return ["airflow", "db", "downgrade", "--to-version", walk.to_version, "--yes"]


def _pod_with_the_newer_code(cluster: Cluster, walk: Downgrade) -> RunningPod:
    """The first running pod whose Airflow is at least the schema's: it knows every script to undo.

    When nobody knows the schema's version, one that is newer than the target; Airflow there says the rest.
    """
    needed, target = _release(walk.from_version), _release(walk.to_version)
    seen = []
    for pod in cluster.running_pods():
        try:
            version = asked_version(cluster, pod)
        except PinwheelError as error:
            seen.append(f"{pod.name}: {error.failed}: {error.found}")
            continue
        if _release(version) >= needed and (needed or _release(version) > target):
            return pod
        seen.append(f"{pod.name} runs Airflow {version}")
    raise Refused(
        "No running pod has the migrations to undo",
        found=f"the schema is of Airflow {walk.from_version}; {'; '.join(seen)}",
        remedy="Use the capsule strategy, or start an API server of that version again",
    )


def _release(version: str) -> tuple[int, ...]:
    """3.4.0b2 counts as 3.4.0: which beta made a revision is not recorded anywhere."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
