"""An auth manager that takes Dags' permissions from their files, as FAB does, and notes what it is told."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

TOLD: list[tuple[str, Any]] = []
"""Dag id and access control, in the order in which Airflow or Pinwheel handed them over."""


class NotingFabAuthManager(SimpleAuthManager):
    """Airflow 3.4 asks each auth manager's class; 3.3 knows FAB by the name of the class."""

    @staticmethod
    def sync_dag_perms(dag: Any, *, session: Any) -> None:
        TOLD.append((dag.dag_id, dag.access_control))


class _ApplessAirflowSecurityManager:
    """In the place of FAB's, which 3.3 imports by name."""

    def __init__(self, session: Any) -> None:
        self.session = session

    def sync_perm_for_dag(self, dag_id: str, access_control: Any) -> None:
        TOLD.append((dag_id, access_control))


@contextmanager
def noting(monkeypatch: Any) -> Iterator[list[tuple[str, Any]]]:
    """While inside, it is the deployment's auth manager."""
    manager = f"{__name__}.{NotingFabAuthManager.__name__}"
    appless = ModuleType("airflow.providers.fab.www.security_appless")
    appless.ApplessAirflowSecurityManager = _ApplessAirflowSecurityManager  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", manager)
        for name in ("airflow.providers.fab", "airflow.providers.fab.www"):
            patch.setitem(sys.modules, name, ModuleType(name))
        patch.setitem(sys.modules, appless.__name__, appless)
        TOLD.clear()
        yield TOLD
