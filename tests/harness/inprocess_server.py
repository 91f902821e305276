"""Pinwheel's REST API as Airflow's API server mounts it, in the test process: no process, no port.

Who asks is somebody whom Airflow's simple auth manager would let in; tests of the login itself need a real
server. Airflow must be bound to the database (``harness.inprocess``).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

import httpx
import sqlalchemy as sa
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.testclient import TestClient

from harness.airflow_env import USERS
from harness.databases import Database, Queries
from pinwheel.api.access import Permission, View
from pinwheel.api.app import create_app
from pinwheel.cli.backend.remote import RemoteBackend

URL = "http://airflow.test"


class Person:
    """Reads everything and, but for a viewer, changes it too."""

    def __init__(self, user_name: str) -> None:
        self.user_name = user_name

    def may(self, permission: Permission, dag_id: str | None) -> bool:
        return USERS[self.user_name] != "viewer" or permission.name.startswith("READ")

    def lacking(self, permission: Permission, dag_ids: Collection[str]) -> list[str]:
        return [] if self.may(permission, None) else sorted(set(dag_ids))

    def readable(self) -> set[str]:
        from airflow.models.dag import DagModel
        from airflow.utils.session import create_session

        with create_session() as session:
            return set(session.scalars(sa.select(DagModel.dag_id)))

    def may_read_import_errors(self) -> bool:
        return True

    def has(self, view: View) -> bool:
        return True

    def names(self) -> frozenset[str]:
        return frozenset({self.user_name})

    def may_read_unbound_events(self) -> bool:
        return True


Token = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


async def _authenticated(token: Token = None) -> Person:
    if token is None:
        raise HTTPException(401, "Not authenticated")
    return Person(token.credentials)


class InProcessServer(Queries):
    """What tests of the API use of :class:`~harness.airflow_env.AirflowEnv`; a token is the user's name."""

    def __init__(self, host: Any, database: Database) -> None:
        self.database = database
        self.app = FastAPI()
        self.app.mount("/pinwheel", create_app(host, _authenticated))

    def engine(self) -> sa.Engine:
        return self.database.engine()

    def api(self, user: str | None = "admin") -> httpx.Client:
        """A client for this user; None: anonymous."""
        headers = {"Authorization": f"Bearer {user}"} if user else {}
        return TestClient(self.app, base_url=URL, headers=headers, raise_server_exceptions=False)

    def get(self, path: str, user: str = "admin", **params: Any) -> Any:
        """GET, must succeed; the JSON."""
        reply = self.api(user).get(path, params=params)
        assert reply.is_success, f"{path} -> {reply.status_code}: {reply.text[:2000]}"
        return reply.json()

    def remote(self, user: str | None = "admin") -> RemoteBackend:
        """The commands' backend, over this server."""
        client = self.api(user)

        def answer(asked: httpx.Request) -> httpx.Response:
            path = asked.url.raw_path.decode()
            reply = client.request(asked.method, path, content=asked.content, headers=dict(asked.headers))
            return httpx.Response(reply.status_code, content=reply.content, headers=reply.headers)

        return RemoteBackend(URL, user, transport=httpx.MockTransport(answer))
