"""The REST API inside the test process, on a real database, as users of the test's own choosing see it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from pinwheel.api.access import Permission, View
from pinwheel.api.app import create_app

API = "/api/v1"

PLAN = {"plan": True}
BODIES: dict[str, Any] = {
    "/dags/{dag_id}/promote": PLAN,
    "/dags/{dag_id}/rollback": PLAN,
    "/dags/{dag_id}/pin": PLAN,
    "/dags/{dag_id}/unpin": PLAN,
    "/dags/{dag_id}/reject": {"build": 2, **PLAN},
    "/changes": {"verb": "pin", "selector": {"globs": ["*"]}, **PLAN},
    "/dags/{dag_id}/runs": PLAN,
    "/dags/{dag_id}/runs/{run_id}/clear": PLAN,
    "/dags/{dag_id}/clear": {"run_ids": ["one"], **PLAN},
    "/dags/{dag_id}/backfills": {
        "from_date": "2026-01-01T00:00:00Z",
        "to_date": "2026-01-02T00:00:00Z",
        **PLAN,
    },
    "/dags/{dag_id}/history/cells": {"run_ids": ["one"], "task_ids": ["first"]},
    "/dags/{dag_id}/runs/{run_id}/clear/preview": {},
    "/dags/{dag_id}/timeline": {"eras": [], **PLAN},
    "/dags/{dag_id}/timeline/clear-runs": PLAN,
    "/rollouts/{rollout}/{verb}": PLAN,
    "/dags/{dag_id}/rollout/{verb}": PLAN,
    "/checks/{name}": {"digest": "d", "verdict": "passed"},
    "/freezes": {"selector": {"globs": ["*"]}, "reason": "outage", **PLAN},
    "/policies/test": {"text": ""},
    "/policies/{document}": {"text": "", **PLAN},
}
"""Each route with a body needs one here that is understood, so that tests can look at the answer."""


class Reader:
    """May do everything with some Dags, but for what it lacks, and nothing with the others."""

    user_name = "ada"

    def __init__(
        self,
        *dag_ids: str,
        import_errors: bool = True,
        policies: bool = True,
        without: Collection[Permission | View] = (),
    ) -> None:
        self.dag_ids = set(dag_ids)
        self.import_errors = import_errors
        self.without = {*without, *(() if policies else (View.POLICIES,))}

    def may(self, permission: Permission, dag_id: str | None) -> bool:
        return permission not in self.without and (dag_id is None or dag_id in self.dag_ids)

    def lacking(self, permission: Permission, dag_ids: Collection[str]) -> list[str]:
        return sorted(set(dag_ids) - (set() if permission in self.without else self.dag_ids))

    def readable(self) -> set[str]:
        return self.dag_ids

    def may_read_import_errors(self) -> bool:
        return self.import_errors

    def may_read_unbound_events(self) -> bool:
        return True

    def has(self, view: View) -> bool:
        return view not in self.without

    def names(self) -> frozenset[str]:
        return frozenset({self.user_name})


class Api:
    """The API over a host; ``as_`` says who asks next."""

    def __init__(self, host: Any) -> None:
        self.host = host
        self.reader: Any = None

        async def authenticated() -> Any:
            return self.reader

        self.app: FastAPI = create_app(host, authenticated)
        self.http = TestClient(self.app, raise_server_exceptions=False)

    def as_(self, *dag_ids: str, **more: Any) -> TestClient:
        self.reader = Reader(*dag_ids, **more)
        return self.http
