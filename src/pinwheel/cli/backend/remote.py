"""The commands over the REST API of an Airflow elsewhere: same results, same errors as on its database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import httpx

from pinwheel import __version__
from pinwheel.cli.backend.protocol import View
from pinwheel.core.chunks import chunks
from pinwheel.core.errors import (
    Conflict,
    HostError,
    InvalidInput,
    NotFound,
    PinwheelError,
    Refused,
    RefusedVersion,
)
from pinwheel.core.selector import Selector

PAGE = 1000
IDS_AT_ONCE = 100
"""So many ids go into one URL."""

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
CHANGE_TIMEOUT = httpx.Timeout(300.0, connect=10.0)

_ERRORS: dict[str, type[PinwheelError]] = {
    "urn:pinwheel:invalid-input": InvalidInput,
    "urn:pinwheel:not-found": NotFound,
    "urn:pinwheel:conflict": Conflict,
    "urn:pinwheel:refused": Refused,
    "urn:pinwheel:host-error": HostError,
    "urn:pinwheel:refused-version": RefusedVersion,
    "urn:pinwheel:unexpected": PinwheelError,
}
"""Problem type to error class; the other direction is ``pinwheel.api.errors.TYPES``."""


class RemoteBackend:
    """Implements :class:`pinwheel.cli.backend.protocol.Backend` on ``<url>/pinwheel/api/v1``.

    ``url`` is that of Airflow's API server, with the path under which a proxy may have put it. ``token`` is
    one of Airflow's ``POST /auth/token``; it is sent to that server only and appears in no message.
    """

    def __init__(
        self, url: str, token: str | None = None, *, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._url = _checked(url)
        self._client = httpx.Client(
            base_url=f"{self._url}/pinwheel/api/v1",
            headers={
                "Accept": "application/json",
                "User-Agent": f"pinwheel/{__version__}",
                **({"Authorization": f"Bearer {token.strip()}"} if token else {}),
            },
            timeout=TIMEOUT,
            # A redirect would carry the token to a place that nobody named.
            follow_redirects=False,
            transport=transport,
        )

    def __repr__(self) -> str:
        return f"RemoteBackend({self._url!r})"

    def close(self) -> None:
        self._client.close()

    # Backend

    def select(self, selector: Selector) -> list[str]:
        if selector.names_only:
            return sorted(set(selector.ids))
        return [view["dag_id"] for view in self._dags(selector)]

    def status(self, selector: Selector | None = None) -> list[View]:
        return self._dags(selector)

    def bundles(self, names: Sequence[str] = ()) -> View:
        found: View = self._get("/bundles", {"name": list(names)})
        return found

    def builds(self, dag_id: str) -> list[View]:
        return self._pages(f"/dags/{_part(dag_id)}/builds", "builds", {})

    def releases(self, dag_id: str, *, include_before: bool = False) -> list[View]:
        return self._pages(f"/dags/{_part(dag_id)}/releases", "releases", {"include_before": include_before})

    def history(
        self, dag_id: str, *, run_id: str | None = None, task_id: str | None = None, limit: int = 100
    ) -> list[View]:
        parameters = {"run_id": run_id, "task_id": task_id, "limit": limit}
        answer = self._get(f"/dags/{_part(dag_id)}/runs", parameters)
        return list(answer["tries"])

    def diff(self, dag_id: str, from_build: int | None = None, to_build: int | None = None) -> View:
        return dict(self._get(f"/dags/{_part(dag_id)}/diff", {"from": from_build, "to": to_build}))

    def events(
        self,
        selector: Selector | None = None,
        *,
        limit: int = 100,
        kinds: Sequence[str] | None = None,
        before_id: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[View]:
        found: list[View] = []
        while len(found) < limit:
            page = self._get(
                "/events",
                {
                    **_selection(selector),
                    "kind": list(kinds or ()),
                    "before_id": before_id,
                    "since": since.isoformat() if since else None,
                    "until": until.isoformat() if until else None,
                    "limit": min(PAGE, limit - len(found)),
                },
            )
            found += page["events"]
            before_id = page["next_before_id"]
            if before_id is None:
                break
        return found

    def change(
        self,
        verb: str,
        selector: Selector,
        *,
        build: int | None = None,
        bundle_version: str | None = None,
        to_release: int | None = None,
        expected_release: int | None = None,
        reason: str | None = None,
        rerun_failed: bool = False,
        to_blame: bool = True,
        plan: bool = False,
        request_id: str | None = None,
    ) -> list[View]:
        selector.require(verb)
        body = {
            "verb": str(verb),
            "selector": {
                "ids": list(selector.ids),
                "globs": list(selector.globs),
                "tags": list(selector.tags),
                "bundle": selector.bundle,
                "everything": selector.everything,
            },
            "build": build,
            "bundle_version": bundle_version,
            "to_release": to_release,
            "expected_release": expected_release,
            "reason": reason,
            "rerun_failed": rerun_failed,
            "to_blame": to_blame,
            "plan": plan,
        }
        return list(self._post("/changes", body, request_id)["outcomes"])

    def trigger(
        self,
        dag_id: str,
        *,
        build: int | None = None,
        bundle_version: str | None = None,
        run_id: str | None = None,
        logical_date: datetime | None = None,
        conf: dict[str, Any] | None = None,
        note: str | None = None,
        reason: str | None = None,
        request_id: str | None = None,
    ) -> View:
        body = {
            "build": build,
            "bundle_version": bundle_version,
            "run_id": run_id,
            "logical_date": logical_date.isoformat() if logical_date else None,
            "conf": conf,
            "note": note,
            "reason": reason,
        }
        return dict(self._post(f"/dags/{_part(dag_id)}/runs", body, request_id))

    def clear(
        self,
        dag_id: str,
        run_ids: Sequence[str],
        *,
        build: int | None = None,
        bundle_version: str | None = None,
        only_failed: bool = False,
        task_ids: Sequence[str] | None = None,
        reason: str | None = None,
        plan: bool = False,
        request_id: str | None = None,
    ) -> list[View]:
        body = {
            "run_ids": list(run_ids),
            "build": build,
            "bundle_version": bundle_version,
            "only_failed": only_failed,
            "task_ids": list(task_ids) if task_ids is not None else None,
            "reason": reason,
            "plan": plan,
        }
        return list(self._post(f"/dags/{_part(dag_id)}/clear", body, request_id)["runs"])

    def backfill(
        self,
        dag_id: str,
        *,
        from_date: datetime,
        to_date: datetime,
        build: int | None = None,
        bundle_version: str | None = None,
        max_active_runs: int = 10,
        run_backwards: bool = False,
        reprocess_behavior: str = "none",
        dag_run_conf: dict[str, Any] | None = None,
        reason: str | None = None,
        plan: bool = False,
        request_id: str | None = None,
    ) -> View:
        body = {
            "from_date": from_date.isoformat(),
            "to_date": to_date.isoformat(),
            "build": build,
            "bundle_version": bundle_version,
            "max_active_runs": max_active_runs,
            "run_backwards": run_backwards,
            "reprocess_behavior": reprocess_behavior,
            "dag_run_conf": dag_run_conf,
            "reason": reason,
            "plan": plan,
        }
        return dict(self._post(f"/dags/{_part(dag_id)}/backfills", body, request_id))

    # HTTP

    def _dags(self, selector: Selector | None) -> list[View]:
        if selector is not None and selector.names_only:
            ids = sorted(set(selector.ids))
            found = (self._pages("/dags", "dags", {"ids": chunk}) for chunk in chunks(ids, size=IDS_AT_ONCE))
            return [view for views in found for view in views]
        # Without a selector everything is shown; a pattern means what is not retired.
        parameters = {**_selection(selector), "retired": selector is None}
        return self._pages("/dags", "dags", parameters)

    def _pages(self, path: str, key: str, parameters: dict[str, Any]) -> list[View]:
        found: list[View] = []
        while True:
            page = self._get(path, {**parameters, "limit": PAGE, "offset": len(found)})
            found += page[key]
            if not page[key] or len(found) >= page["total_entries"]:
                return found

    def _get(self, path: str, parameters: dict[str, Any]) -> Any:
        given = {name: value for name, value in parameters.items() if value is not None}
        return self._send("GET", path, params=given)

    def _post(self, path: str, body: dict[str, Any], request_id: str | None) -> Any:
        given = {name: value for name, value in body.items() if value is not None}
        headers = {"Idempotency-Key": request_id} if request_id else {}
        return self._send("POST", path, json=given, headers=headers, timeout=CHANGE_TIMEOUT)

    def _send(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = self._client.request(method, path, **arguments)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise HostError(
                f"Cannot reach Airflow at {self._url}",
                found=str(error) or type(error).__name__,
                remedy="Check --url and that the API server runs",
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise HostError(
                f"Lost the connection to Airflow at {self._url}",
                found=f"{type(error).__name__}: {error}".rstrip(": "),
                remedy="Look whether it was done (pinwheel events) before you repeat it"
                if method != "GET"
                else "Try again",
            ) from error
        if answer.is_success and _media_type(answer) == "application/json":
            try:
                return answer.json()
            except ValueError:
                pass
        self._fail(answer)

    def _fail(self, answer: httpx.Response) -> NoReturn:
        """Raise the error that the server reported, or say what else came back.

        :raises PinwheelError: always, of the class with the same exit code as on the server.
        """
        body = _json(answer)
        kind = body.get("type") if _media_type(answer) == "application/problem+json" else None
        if kind in _ERRORS and body.get("failed"):
            facts = body.get("facts")
            raise _ERRORS[kind](
                str(body["failed"]),
                found=str(body.get("found") or ""),
                remedy=str(body.get("remedy") or ""),
                **_facts(facts),
            )
        detail = str(body.get("detail") or "") if isinstance(body.get("detail"), str) else ""
        if answer.status_code == 401:
            raise Refused(
                f"Airflow at {self._url} does not know you",
                found=detail or "no valid token was given",
                remedy="Get a token with POST /auth/token and give it as --token or $PINWHEEL_TOKEN",
            )
        if answer.status_code == 403:
            raise Refused(
                f"Airflow at {self._url} refuses",
                found=detail or "forbidden",
                remedy="Check the token, and your permissions on these Dags",
            )
        if answer.is_redirect or (answer.status_code < 500 and kind is None):
            raise HostError(
                f"There is no Pinwheel at {self._url}",
                found=f"{answer.request.url.path} answered {answer.status_code}, which is not Pinwheel's",
                remedy="Check --url; on that server install airflow-pinwheel and restart its API server",
            )
        raise HostError(
            f"Airflow at {self._url} failed",
            found=f"status {answer.status_code}" + (f", {detail}" if detail else ""),
            remedy="See the API server's log",
        )


def _checked(url: str) -> str:
    """The URL without a trailing slash.

    :raises InvalidInput: it is none, or holds credentials that would show up in messages.
    """
    try:
        parts = urlsplit(url.strip())
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise InvalidInput(
            "Cannot use --url", found="it is not a URL", remedy="Give it as: https://airflow.example.com"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InvalidInput(
            "Cannot use --url",
            found="it holds more than a server and a path",
            remedy="Give it as https://airflow.example.com/path, and the token with --token",
        )
    return url.strip().rstrip("/")


def _selection(selector: Selector | None) -> dict[str, Any]:
    if selector is None:
        return {}
    return {
        "ids": list(selector.ids),
        "glob": list(selector.globs),
        "tag": list(selector.tags),
        "bundle": selector.bundle,
    }


def _part(text: str) -> str:
    """One segment of a path, whatever it holds."""
    if text in ("", ".", ".."):
        raise NotFound(
            f"Cannot find Dag {text!r}", found="no Dag is called so", remedy="See: pinwheel status"
        )
    return quote(text, safe="")


def _media_type(answer: httpx.Response) -> str:
    return str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _facts(facts: Any) -> dict[str, Any]:
    """The facts that can be given by name beside the three sentences."""
    taken = {"failed", "found", "remedy", "self"}
    return {k: v for k, v in facts.items() if k not in taken} if isinstance(facts, dict) else {}
