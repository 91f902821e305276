"""The commands over the REST API of an Airflow elsewhere: same results, same errors as on its database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import httpx
from attrs import asdict, evolve

from pinwheel import __version__
from pinwheel.cli.backend.protocol import View
from pinwheel.cli.backend.told import error_of
from pinwheel.core.chunks import chunks
from pinwheel.core.errors import HostError, InvalidInput, NotFound, Refused, unknown_dag, unknown_document
from pinwheel.core.problem import CLASSES
from pinwheel.core.request import (
    ANY_STATE,
    EVERY,
    BackfillRequest,
    ChangeRequest,
    ClearDatedRequest,
    ClearRequest,
    HistoryRequest,
    Selection,
    States,
    TimelineRequest,
    TriggerRequest,
)
from pinwheel.core.rule_request import (
    CheckRequest,
    DocumentRequest,
    FreezeRequest,
    LiftRequest,
    RolloutRequest,
    TrialRequest,
)
from pinwheel.core.selector import Selector
from pinwheel.core.side import Which

Request = (
    ChangeRequest
    | TriggerRequest
    | ClearRequest
    | BackfillRequest
    | TimelineRequest
    | ClearDatedRequest
    | FreezeRequest
    | RolloutRequest
    | CheckRequest
)

PAGE = 1000
IDS_AT_ONCE = 100
"""So many ids go into one URL."""

TIMEOUT = httpx.Timeout(30.0, connect=10.0)
CHANGE_TIMEOUT = httpx.Timeout(300.0, connect=10.0)


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

    @property
    def address(self) -> str | None:
        """The server that is asked serves the pages too."""
        return self._url

    def __repr__(self) -> str:
        return f"RemoteBackend({self._url!r})"

    def close(self) -> None:
        self._client.close()

    # Backend

    def select(self, selection: Selection) -> list[str]:
        selector = selection.selector
        if selector.names_only:
            return sorted(set(selector.ids))
        return [view["dag_id"] for view in self.status(selection)]

    def status(
        self, selection: Selection = EVERY, *, states: States = ANY_STATE, runs: bool = False
    ) -> list[View]:
        selector = selection.selector
        wanted = {**asdict(states), "runs": runs or None}
        if selector.names_only:
            ids = sorted(set(selector.ids))
            found = (
                self._pages("/dags", "dags", {"ids": chunk, **wanted})
                for chunk in chunks(ids, size=IDS_AT_ONCE)
            )
            return [view for views in found for view in views]
        return self._pages("/dags", "dags", {**_selected(selector), "retired": selection.retired, **wanted})

    def bundles(self, names: Sequence[str] = ()) -> View:
        found: View = self._get("/bundles", {"name": list(names)})
        return found

    def keeper(self) -> View:
        return dict(self._get("/keeper", {}))

    def builds(self, dag_id: str) -> list[View]:
        return self._pages(f"/dags/{_part(dag_id)}/builds", "builds", {})

    def releases(self, dag_id: str, *, include_before: bool = False) -> list[View]:
        return self._pages(f"/dags/{_part(dag_id)}/releases", "releases", {"include_before": include_before})

    def history(self, request: HistoryRequest) -> list[View]:
        parameters = {"run_id": request.run_id, "task_id": request.task_id, "limit": request.limit}
        return list(self._get(f"/dags/{_part(request.dag_id)}/runs", parameters)["tries"])

    def diff(self, dag_id: str, from_build: Which = None, to_build: Which = None) -> View:
        return dict(self._get(f"/dags/{_part(dag_id)}/diff", {"from": from_build, "to": to_build}))

    def events(
        self,
        selection: Selection = EVERY,
        *,
        limit: int = 100,
        kinds: Sequence[str] | None = None,
        actor: str | None = None,
        search: str | None = None,
        batch: str | None = None,
        before_id: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        fold: bool = False,
    ) -> list[View]:
        found: list[View] = []
        while len(found) < limit:
            page = self._get(
                "/events",
                {
                    **_selected(selection.selector),
                    "kind": list(kinds or ()),
                    "actor": actor,
                    "search": search,
                    "batch": batch,
                    "fold": fold or None,
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

    def plan(self, request: ChangeRequest) -> View:
        answer = self._post("/changes", evolve(request, plan=True))
        return {"outcomes": answer["outcomes"], "refused": answer["refused"]}

    def change(self, request: ChangeRequest) -> list[View]:
        if not request.plan:
            return list(self._post("/changes", request)["outcomes"])
        planned = self.plan(request)
        for refusal in planned["refused"]:
            raise error_of(refusal)
        return list(planned["outcomes"])

    def trigger(self, request: TriggerRequest) -> View:
        return dict(self._post(f"/dags/{_part(request.dag_id)}/runs", request))

    def clear(self, request: ClearRequest) -> list[View]:
        return list(self._post(f"/dags/{_part(request.dag_id)}/clear", request)["runs"])

    def backfill(self, request: BackfillRequest) -> View:
        return dict(self._post(f"/dags/{_part(request.dag_id)}/backfills", request))

    def timeline(self, dag_id: str, *, at: str | None = None, as_of: str | None = None) -> View:
        return dict(self._get(f"/dags/{_part(dag_id)}/timeline", {"at": at, "as_of": as_of}))

    def timeline_history(self, dag_id: str) -> list[View]:
        return list(self._get(f"/dags/{_part(dag_id)}/timeline/history", {})["revisions"])

    def check_timeline(self, dag_id: str) -> View:
        return dict(self._get(f"/dags/{_part(dag_id)}/timeline/check", {}))

    def change_timeline(self, request: TimelineRequest) -> View:
        return dict(self._post(f"/dags/{_part(request.dag_id)}/timeline", request, method="PUT"))

    def clear_by_date(self, request: ClearDatedRequest) -> View:
        return dict(self._post(f"/dags/{_part(request.dag_id)}/timeline/clear-runs", request))

    def freeze(self, request: FreezeRequest) -> View:
        return dict(self._post("/freezes", request))

    def freezes(self) -> list[View]:
        return list(self._get("/freezes", {})["freezes"])

    def lift(self, request: LiftRequest) -> View:
        if "/" in request.name:
            # A server takes it for the end of the segment; no freeze that was made by hand has one.
            raise request.unknown
        path = f"/freezes/{quote(request.name, safe='')}"
        return dict(
            self._send(
                "DELETE",
                path,
                params={"reason": request.reason},
                headers=_key_of(request.request_id),
                timeout=CHANGE_TIMEOUT,
            )
        )

    def windows(self, dag_id: str, *, at: datetime | None = None) -> View:
        parameters = {"dag_id": dag_id, "at": at.isoformat() if at is not None else None}
        return dict(self._get("/windows", parameters))

    def policies(self) -> View:
        return dict(self._get("/policies", {}))

    def policy_document(self, name: str, *, repository: bool = False) -> View:
        if name in ("", ".", "..") or "/" in name:
            # No document's name is so, and a server takes it for another path
            raise unknown_document(name, repository=repository)
        return dict(self._get(f"/policies/{quote(name, safe='')}", {"repository": repository or None}))

    def save_policies(self, request: DocumentRequest) -> View:
        body = {"text": request.text, "reason": request.reason, "plan": request.plan}
        return dict(self._put(f"/policies/{quote(request.document, safe='')}", body))

    def try_policies(self, request: TrialRequest) -> View:
        body: dict[str, Any] = {
            "text": request.text,
            "document": request.document,
            "bundle": request.bundle,
        }
        if not request.selection.whole:
            body["selector"] = asdict(request.selection.selector)
        return dict(self._send("POST", "/policies/test", json=_given(body), timeout=CHANGE_TIMEOUT))

    def explain_policy(self, dag_id: str) -> View:
        return dict(self._get(f"/dags/{_part(dag_id)}/policy", {}))

    def rollouts(
        self,
        dag_ids: Sequence[str] = (),
        *,
        states: Sequence[str] = (),
        version: str | None = None,
        waiting_for: str | None = None,
        limit: int = 100,
    ) -> list[View]:
        asked = {
            "dag_id": list(dag_ids),
            "state": list(states),
            "commit": version,
            "waiting_for": waiting_for,
        }
        found: list[View] = []
        before: int | None = None
        while len(found) < limit:
            page = self._get("/rollouts", {**asked, "limit": min(limit, PAGE), "before_id": before})
            found += map(_without_may, page["rollouts"])
            before = page["next_before_id"]
            if before is None:
                break
        return found[:limit]

    def rollout(self, dag_id: str) -> View:
        return _without_may(self._get(f"/dags/{_part(dag_id)}/rollout", {}))

    def act(self, request: RolloutRequest) -> View:
        path = f"/dags/{_part(request.dag_id)}/rollout/{request.verb.value}"
        done = dict(self._post(path, request))
        del done["command"]
        if done["rollout"] is not None:
            done["rollout"] = _without_may(done["rollout"])
        return done

    def set_check(self, request: CheckRequest) -> View:
        return dict(self._post(f"/checks/{quote(request.name, safe='')}", request, method="PUT"))

    # HTTP

    def _put(self, path: str, body: dict[str, Any]) -> Any:
        return self._send("PUT", path, json=_given(body), timeout=CHANGE_TIMEOUT)

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

    def _post(self, path: str, request: Request, *, method: str = "POST") -> Any:
        headers = _key_of(request.request_id)
        return self._send(method, path, json=body_of(request), headers=headers, timeout=CHANGE_TIMEOUT)

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
        if kind in CLASSES and body.get("failed"):
            raise error_of(body)
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
        if answer.status_code == 413:
            # That of a proxy before the API server, whose own answer says what was too large.
            raise InvalidInput(
                f"Airflow at {self._url} does not take a request of this size",
                found="a server before it answered 413",
                remedy="Select Dags by glob, tag or bundle, or send less at once",
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


def _key_of(request_id: str | None) -> dict[str, str]:
    return {"Idempotency-Key": request_id} if request_id else {}


def body_of(request: Request) -> dict[str, Any]:
    """The request as REST takes it, without what stands in the path and in the headers."""
    body = asdict(request, value_serializer=_json_value)
    if selection := body.pop("selection", None):
        body["selector"] = selection["selector"]
    if isinstance(request, RolloutRequest):
        # Both stand in the path.
        del body["verb"], body["rollout"]
    if isinstance(request, CheckRequest):
        del body["name"]
        return {name: value for name, value in body.items() if value is not None and name != "request_id"}
    if isinstance(request, TimelineRequest):
        body["eras"] = [
            {"from" if name == "starts" else name: era[name] for name in era} for era in body["eras"]
        ]
    return {
        name: value
        for name, value in body.items()
        if value is not None and name not in ("dag_id", "request_id")
    }


def _without_may(rollout: dict[str, Any]) -> View:
    """A rollout as the services show it: what the user may do is said for pages."""
    return {name: value for name, value in rollout.items() if name != "may"}


def _given(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value is not None}


def _json_value(_: object, __: object, value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, StrEnum) else value


def _selected(selector: Selector) -> dict[str, Any]:
    """A selector as the parameters of a route say it."""
    return {
        "ids": list(selector.ids),
        # A pattern of all: without any, the route of events means retired Dags too.
        "glob": ["*"] if selector.everything else list(selector.globs),
        "tag": list(selector.tags),
        "bundle": selector.bundle,
    }


def _part(text: str) -> str:
    """One segment of a path, whatever it holds."""
    if text in ("", ".", ".."):
        raise NotFound(
            f"Cannot find Dag {text!r}", found="no Dag is called so", remedy="See: pinwheel status"
        )
    if "/" in text:
        # No Dag's id has one, and a server takes it for the end of the segment, however it is written.
        raise unknown_dag(text)
    return quote(text, safe="")


def _media_type(answer: httpx.Response) -> str:
    return str(answer.headers.get("content-type", "")).partition(";")[0].strip().lower()


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
