"""Airflow's own APIs in the test process: that of persons, and that of its workers. No process, no port."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from starlette.testclient import TestClient


@contextmanager
def of_persons(name: str = "ada") -> Iterator[httpx.Client]:
    """The REST API, with an administrator of this name."""
    from airflow.api_fastapi.app import create_app, purge_cached_app
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.api_fastapi.core_api.security import get_user

    app = create_app(apps="core")
    app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username=name, role="admin")
    yield TestClient(app, base_url="http://airflow.test/api/v2", raise_server_exceptions=False)
    purge_cached_app()


@contextmanager
def of_workers() -> Iterator[httpx.Client]:
    """The execution API, as ``dag.test()`` has it: whoever asks is a worker."""
    from airflow.api_fastapi.execution_api.app import InProcessExecutionAPI

    with TestClient(InProcessExecutionAPI().app, base_url="http://airflow.test") as client:
        yield client
