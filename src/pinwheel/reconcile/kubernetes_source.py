"""Which Airflow is deployed, as its running pods tell: by the tag of their image, or by asking one."""

from __future__ import annotations

import argparse
import re

from pinwheel.core.errors import Refused
from pinwheel.reconcile.kubernetes_pods import Cluster, RunningPod

SOURCES = ("running-pod-image", "running-pod-exec")

_VERSION = r"[2-9]\.\d{1,3}\.\d{1,3}(?:(?:a|b|rc)\d+)?"
_IN_TAG = re.compile(rf"(?<![0-9.])v?({_VERSION})(?![0-9.])")
_LINE = re.compile(rf"^{_VERSION}(?:\+\S+)?$")


def current_version(source: str, options: argparse.Namespace) -> str:
    """Airflow's version in the cluster, such as ``3.3.2``; *source* is one of ``SOURCES``.

    :raises Refused: no pod tells, or they do not agree.
    :raises HostError: the connection broke.
    """
    cluster = Cluster.connect(options)
    if source == "running-pod-exec":
        return asked_version(cluster, cluster.running_pods()[0])
    if source == "running-pod-image":
        return _deployed_version(cluster)
    raise ValueError(f"{source!r} is none of {', '.join(SOURCES)}")


def asked_version(cluster: Cluster, pod: RunningPod) -> str:
    """What ``airflow version`` says in *pod*."""
    finished = cluster.run(pod, ["airflow", "version"])
    # Airflow and its plugins may print warnings before it, also on standard output.
    for line in reversed(finished.lines):
        if _LINE.match(line.strip()):
            return line.strip().split("+")[0]
    last = finished.lines[-1] if finished.lines else "nothing"
    raise Refused(
        f"Pod {pod.name} did not tell its Airflow version",
        found=f"airflow version ended with code {finished.exit_code} and printed: {last}",
        remedy="Use --current-version-source alembic-table",
    )


def version_in_image(image: str) -> str | None:
    """The Airflow version in an image's tag: ``apache/airflow:slim-3.3.2-python3.12`` says 3.3.2.

    None when there is no tag, no version in it, or more than one.
    """
    tag = image.split("@")[0].rpartition("/")[2].partition(":")[2]
    # Versions of something else are named: 3.3.2-pinwheel0.1.0, 3.3.2-python3.12.4.
    found = _IN_TAG.findall(re.sub(r"(?:python|py|pinwheel)-?v?\d[\d.]*", "", tag, flags=re.IGNORECASE))
    return found[0] if len(set(found)) == 1 else None


def _deployed_version(cluster: Cluster) -> str:
    try:
        images = [pod.image for pod in cluster.running_pods() if pod.ready]
    except Refused:
        images = []
    # Without a running pod, what would run: the Deployments are still the ones before the upgrade.
    images = images or cluster.deployed_images()
    if not images:
        cluster.running_pods()  # raises, and says what is there
    versions = {version_in_image(image) for image in images}
    if len(versions) == 1 and (version := versions.pop()):
        return version
    raise Refused(
        "The running pods do not tell one Airflow version",
        found=f"their images are {', '.join(sorted(set(images)))}",
        remedy="Use --current-version-source alembic-table, or running-pod-exec to ask a pod",
    )
