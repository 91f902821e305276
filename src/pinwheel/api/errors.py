"""The single place where errors become HTTP: RFC 9457 problem details, never a traceback.

Every answer of 400 and above is ``application/problem+json``::

    {"type": "urn:pinwheel:conflict", "title": "Conflict", "status": 409,
     "detail": "Cannot promote etl: its active release is 4, not 3. Look again ...",
     "failed": "Cannot promote etl", "found": "its active release is 4, not 3", "remedy": "Look again ...",
     "facts": {"dag_id": "etl", "expected_release": 3, "active_release": 4}}
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError
from starlette.exceptions import HTTPException

from pinwheel.api.schemas.problems import Facts
from pinwheel.core.errors import HostError, InvalidInput, PinwheelError
from pinwheel.core.problem import problem_of
from pinwheel.core.text import visible
from pinwheel.store.refusals import is_locked

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

UNAUTHENTICATED = "urn:pinwheel:unauthenticated"


def declared(error: PinwheelError) -> dict[str, Any]:
    """The document of an error with those of its facts that the API declares."""
    facts = {name: value for name, value in error.facts.items() if name in Facts.model_fields}
    return problem_of(error) | {"facts": jsonable_encoder(facts)}


def _respond(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        dict(body), status_code=body["status"], media_type=MEDIA_TYPE, headers=dict(headers or {})
    )


def problem(error: PinwheelError) -> JSONResponse:
    return _respond(declared(error))


async def _on_pinwheel_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PinwheelError)
    return problem(error)


async def _on_http_error(request: Request, error: Exception) -> JSONResponse:
    """What FastAPI itself and Airflow's login say: 401, 403, 404 of an unknown route, 405, 413, 400."""
    assert isinstance(error, HTTPException)
    status = error.status_code
    if status == 413:
        refused = InvalidInput(
            "Cannot read the request", found=str(error.detail), remedy="Select Dags by glob, tag or bundle"
        )
        return _respond(declared(refused) | {"status": status})
    if status == 400:
        # FastAPI's word for a body that cannot be read, of which it says 422 where it knows why.
        found, remedy = "its body did not arrive whole", "Send it again"
        return problem(InvalidInput("Cannot read the request", found=found, remedy=remedy))
    title = HTTPStatus(status).phrase
    headers = dict(error.headers or {})
    kind = f"urn:pinwheel:{title.lower().replace(' ', '-')}"
    if status == 401:
        kind = UNAUTHENTICATED
        headers.setdefault("WWW-Authenticate", "Bearer")
    # Typed as text, but Airflow's own dependencies raise it with other values too.
    detail: object = error.detail
    detail = detail if isinstance(detail, str) else title
    return _respond({"type": kind, "title": title, "status": status, "detail": detail}, headers)


async def _on_invalid_request(request: Request, error: Exception) -> JSONResponse:
    """A body or parameter that does not fit. What was sent is not repeated: it may hold secrets."""
    assert isinstance(error, RequestValidationError)
    errors = [
        {"loc": [str(part)[:100] for part in item.get("loc", ())], "message": _message(item)}
        for item in error.errors()[:20]
    ]
    found = "; ".join(f"{'.'.join(e['loc'][1:] or e['loc'])}: {e['message']}" for e in errors) or "not valid"
    if isinstance(error.body, bytes):
        found = "its body does not say that it is JSON"
        errors = [{"loc": ["body"], "message": "needs the header Content-Type: application/json"}]
    body = declared(
        InvalidInput(
            "Cannot read the request", found=found, remedy="Compare it with openapi.json", errors=errors
        )
    )
    return _respond(_printable(body))


def _message(item: Mapping[str, Any]) -> str:
    """What is wrong, in words that repeat nothing of what was sent."""
    if item.get("type") == "json_invalid":
        return f"not JSON: {item.get('ctx', {}).get('error', 'it cannot be read')}"
    return str(item.get("msg", ""))


async def _on_database_error(request: Request, error: Exception) -> JSONResponse:
    """A value that the database cannot hold, or a database without our tables."""
    if isinstance(error, DataError):
        return problem(
            InvalidInput(
                "Cannot store the request",
                found="the database does not take one of its values",
                remedy="Look for unusual characters and very large numbers",
            )
        )
    log.exception("Pinwheel: the database failed during %s", visible(request.url.path), exc_info=error)
    # The driver's own words may name hosts and values, so they stay in the log.
    if "pinwheel_" in str(getattr(error, "orig", "")) and not is_locked(error):
        found, remedy = "a statement on them failed", "Create or upgrade them with: airflow db migrate"
        return problem(HostError("Cannot use Pinwheel's tables", found=found, remedy=remedy))
    found, remedy = "a statement failed; the API server's log tells more", "Try again in a few seconds"
    return problem(HostError("Cannot use Airflow's database", found=found, remedy=remedy))


async def _on_anything(request: Request, error: Exception) -> JSONResponse:
    # Starlette re-raises after this answer, so the traceback reaches the API server's log.
    return problem(
        PinwheelError(
            "Cannot answer this request",
            found="an unexpected failure, which the API server's log tells more about",
            remedy="Report it with that log",
        )
    )


def _printable(value: Any) -> Any:
    """Without lone surrogates, which JSON could carry in but UTF-8 can not carry out."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {key: _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list) else value


def install(app: FastAPI) -> None:
    """Make every failure of *app* a problem answer."""
    app.add_exception_handler(PinwheelError, _on_pinwheel_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(DBAPIError, _on_database_error)
    app.add_exception_handler(Exception, _on_anything)
