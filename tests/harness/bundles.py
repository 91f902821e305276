"""Entries of ``[dag_processor] dag_bundle_config_list``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

REFRESH_SECONDS = 1


def local(name: str, path: Path, **kwargs: Any) -> dict[str, Any]:
    """Airflow's own LocalDagBundle: unversioned."""
    return _entry(name, "airflow.dag_processing.bundles.local.LocalDagBundle", path=str(path), **kwargs)


def stock_git(name: str, url: str, tracking_ref: str = "main", **kwargs: Any) -> dict[str, Any]:
    """The git provider's GitDagBundle."""
    return _entry(
        name,
        "airflow.providers.git.bundles.git.GitDagBundle",
        repo_url=url,
        tracking_ref=tracking_ref,
        **kwargs,
    )


def git(name: str, url: str, tracking_ref: str = "main", **kwargs: Any) -> dict[str, Any]:
    """Pinwheel's GitBundle."""
    return _entry(name, "pinwheel.bundles.GitBundle", repo_url=url, tracking_ref=tracking_ref, **kwargs)


def quiet_git(name: str, url: str, tracking_ref: str = "main", **kwargs: Any) -> dict[str, Any]:
    """``harness.quiet_git``: the same, cheap to look into often. Needs ``tests`` on the PYTHONPATH."""
    return _entry(name, "harness.quiet_git.QuietGitBundle", repo_url=url, tracking_ref=tracking_ref, **kwargs)


def folder(name: str, path: Path, **kwargs: Any) -> dict[str, Any]:
    """Pinwheel's FolderBundle."""
    return _entry(name, "pinwheel.bundles.FolderBundle", path=str(path), **kwargs)


def manifests(name: str, source: Path, **kwargs: Any) -> dict[str, Any]:
    """``harness.manifest_bundle``: a class that gives data with its versions."""
    return _entry(name, "harness.manifest_bundle.ManifestBundle", source=str(source), **kwargs)


def _entry(name: str, classpath: str, **kwargs: Any) -> dict[str, Any]:
    kwargs.setdefault("refresh_interval", REFRESH_SECONDS)
    return {"name": name, "classpath": classpath, "kwargs": kwargs}
