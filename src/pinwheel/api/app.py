"""The FastAPI application, mounted below ``/pinwheel`` of Airflow's API server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI

from pinwheel import __version__
from pinwheel.api import errors, static
from pinwheel.api.access import current_access
from pinwheel.api.limits import LimitBody
from pinwheel.api.routes import (
    bundles,
    changes,
    checks,
    dags,
    events,
    fleet,
    freezes,
    history,
    line,
    live,
    policies,
    rollouts,
    runs,
    timeline,
)
from pinwheel.api.schemas.problems import Problem
from pinwheel.services.ports.host import Host

PREFIX = "/api/v1"
ROUTES = (
    dags,
    changes,
    rollouts,
    checks,
    runs,
    history,
    timeline,
    policies,
    freezes,
    line,
    fleet,
    bundles,
    events,
    live,
)

_SAID = {
    401: "No valid Airflow login.",
    403: "You may see the Dag, but not do this with it; or a rule of Pinwheel forbids it.",
    404: "No such Dag, build, release or run, or you may not see the Dag.",
    409: "Somebody else changed the Dag meanwhile, the run exists, or the Idempotency-Key stands for another "
    "request. Look again, then repeat.",
    413: "The body is larger than 8 MiB.",
    422: "The request cannot mean anything, or its body is not JSON.",
    502: "Airflow or its database failed underneath.",
}


def create_app(host: Host, authenticated: Callable[..., Any]) -> FastAPI:
    """The API over one host.

    *authenticated* is a FastAPI dependency that returns the request's
    :class:`~pinwheel.api.access.Access` or raises 401.
    """
    app = _Api(
        title="Pinwheel",
        version=__version__,
        description="Release management for Apache Airflow Dags. Build is not release: parsing makes builds, "
        "a release changes which build runs, and an unpinned Dag follows to newer commits of it.",
        openapi_url=None,  # served by a route that needs a login, as all do
        docs_url=None,
        redoc_url=None,
    )
    app.state.host = host
    app.dependency_overrides[current_access] = authenticated
    errors.install(app)
    app.add_middleware(LimitBody)
    api = APIRouter(prefix=PREFIX, responses=_responses())
    for routes in ROUTES:
        api.include_router(routes.router)
    app.include_router(api)
    app.mount(static.PATH, static.BuiltPages(static.FOLDER), name="static")
    return app


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """Adds the schemas of error answers, which FastAPI would file under another media type."""
        document = super().openapi()
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        found = document["components"]["schemas"]
        found |= {**problem.pop("$defs"), "Problem": problem}
        return document


def _responses() -> dict[int | str, dict[str, Any]]:
    return {
        status: {
            "description": text,
            "content": {errors.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, text in _SAID.items()
    }
