"""The bundle classes that users write in ``[dag_processor] dag_bundle_config_list``.

::

    [{"name": "dags", "classpath": "pinwheel.bundles.FolderBundle", "kwargs": {"path": "/opt/airflow/dags"}}]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pinwheel import MINIMUM_AIRFLOW

if TYPE_CHECKING:
    from pinwheel.airflow3.bundles.folder import FolderBundle
    from pinwheel.airflow3.bundles.git import GitBundle

__all__ = ["FolderBundle", "GitBundle"]

_MODULES = {
    "FolderBundle": "pinwheel.airflow3.bundles.folder",
    "GitBundle": "pinwheel.airflow3.bundles.git",
}


def __getattr__(name: str) -> Any:
    """Import a class when it is first asked for. Raises ImportError, with the reason, on an older Airflow."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module
    from importlib.metadata import PackageNotFoundError, version

    needed = ".".join(str(part) for part in MINIMUM_AIRFLOW)
    found: str | None = None
    for distribution in ("apache-airflow-core", "apache-airflow"):
        try:
            found = version(distribution)
            break
        except PackageNotFoundError:
            continue
    if found is None or tuple(int(part) for part in found.split(".")[:2]) < MINIMUM_AIRFLOW:
        raise ImportError(
            f"pinwheel.bundles.{name} needs Apache Airflow {needed} or newer: found "
            f"{'none' if found is None else found}. "
            "Upgrade Airflow, or use its own GitDagBundle or LocalDagBundle."
        )
    return getattr(import_module(_MODULES[name]), name)
