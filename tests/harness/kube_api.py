"""A Kubernetes API server for tests: the real protocol, a small cluster behind it.

Over TLS with bearer tokens: discovery, objects (create, read, list with label selectors, apply, delete,
watch), roles that are enforced, and commands in pods over the websocket protocols ``v4.channel.k8s.io`` and
``v5``. Helm and the official client library both work against it. A Job that is created runs
``Cluster.run_job``.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import uvicorn
import yaml
from attrs import define
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from harness.certificates import make_certificates
from harness.kube_cluster import KINDS, Cluster, ConnectionLost, Key, Object, Output


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Cluster]:
    """A cluster whose API answers at ``cluster.url`` until the block ends."""
    cluster = Cluster()
    certificate, key, ca = make_certificates(folder)
    listener = socket.create_server(("127.0.0.1", 0))
    cluster.url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    cluster.ca_file = str(ca)
    config = uvicorn.Config(
        _application(cluster),
        ssl_certfile=str(certificate),
        ssl_keyfile=str(key),
        ssl_version=ssl.PROTOCOL_TLS_SERVER,
        lifespan="off",
        log_level="critical",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield cluster
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()


def _application(cluster: Cluster) -> Starlette:
    api = _Api(cluster)
    return Starlette(
        routes=[
            WebSocketRoute("/api/v1/namespaces/{namespace}/pods/{name}/exec", api.execute),
            Route("/version", api.version),
            Route("/api", api.core_versions),
            Route("/apis", api.groups),
            Route("/openapi/v3", api.schemas),
            Route("/openapi/v3/{path:path}", api.schema),
            Route("/api/v1", api.resources),
            Route("/apis/{group}/v1", api.resources),
            Route("/api/v1/{resource}", api.collection, methods=["GET"]),
            Route("/apis/{group}/v1/{resource}", api.collection, methods=["GET"]),
            Route("/api/v1/namespaces/{namespace}/{resource}", api.collection, methods=["GET", "POST"]),
            Route(
                "/apis/{group}/v1/namespaces/{namespace}/{resource}", api.collection, methods=["GET", "POST"]
            ),
            Route(
                "/api/v1/namespaces/{namespace}/{resource}/{name}",
                api.item,
                methods=["GET", "PUT", "PATCH", "DELETE"],
            ),
            Route(
                "/apis/{group}/v1/namespaces/{namespace}/{resource}/{name}",
                api.item,
                methods=["GET", "PUT", "PATCH", "DELETE"],
            ),
        ]
    )


class _Api:
    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster

    async def version(self, request: Request) -> Response:
        return JSONResponse({"major": "1", "minor": "35", "gitVersion": "v1.35.0", "platform": "linux/amd64"})

    async def core_versions(self, request: Request) -> Response:
        return JSONResponse({"kind": "APIVersions", "versions": ["v1"]})

    async def groups(self, request: Request) -> Response:
        def group(name: str) -> Object:
            version = {"groupVersion": f"{name}/v1", "version": "v1"}
            return {"name": name, "versions": [version], "preferredVersion": version}

        return JSONResponse(
            {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group(name) for name in KINDS if name]}
        )

    async def resources(self, request: Request) -> Response:
        group = request.path_params.get("group", "")
        verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
        return JSONResponse(
            {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": f"{group}/v1" if group else "v1",
                "resources": [
                    {
                        "name": name,
                        "singularName": kind.lower(),
                        "namespaced": True,
                        "kind": kind,
                        "verbs": verbs,
                    }
                    for name, kind in KINDS.get(group, {}).items()
                ],
            }
        )

    async def schemas(self, request: Request) -> Response:
        paths = [f"apis/{group}/v1" if group else "api/v1" for group in KINDS]
        return JSONResponse({"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in paths}})

    async def schema(self, request: Request) -> Response:
        """No more than what Helm looks for: that the server checks the fields itself."""
        group = request.path_params["path"].removeprefix("apis/").removesuffix("/v1").removeprefix("api")
        parameters = [{"name": "fieldValidation", "in": "query"}]
        paths = {
            f"/namespaces/{{namespace}}/{resource}/{{name}}": {
                "patch": {
                    "parameters": parameters,
                    "x-kubernetes-group-version-kind": {"group": group, "version": "v1", "kind": kind},
                }
            }
            for resource, kind in KINDS[group].items()
        }
        return JSONResponse({"openapi": "3.0.0", "info": {"title": "test", "version": "1"}, "paths": paths})

    async def collection(self, request: Request) -> Response:
        group, resource = request.path_params.get("group", ""), request.path_params["resource"]
        namespace = request.path_params.get("namespace", "")
        watching = request.query_params.get("watch") in ("1", "true")
        verb = "create" if request.method == "POST" else "watch" if watching else "list"
        if refusal := self._refusal(request.headers, verb, group, resource, namespace):
            return refusal
        if request.method == "POST":
            item = yaml.safe_load(await request.body())
            item["metadata"].setdefault("namespace", namespace)
            if (group, resource, namespace, item["metadata"]["name"]) in self.cluster.objects:
                return _status(
                    409, "AlreadyExists", f"{resource} {item['metadata']['name']!r} already exists"
                )
            return JSONResponse(self._created(group, resource, item), status_code=201)
        fields = request.query_params.get("fieldSelector", "")
        wanted = _Selection(
            group,
            resource,
            namespace,
            _selector(request.query_params.get("labelSelector", "")),
            dict(pair.split("=", 1) for pair in fields.split(",") if pair),
        )
        if watching:
            return StreamingResponse(self._watch(request, wanted), media_type="application/json")
        with self.cluster.lock:
            items = [copy.deepcopy(item) for key, item in self.cluster.objects.items() if wanted(key, item)]
            version = str(len(self.cluster.log))
        return JSONResponse(
            {
                "kind": f"{KINDS[group][resource]}List",
                "apiVersion": f"{group}/v1" if group else "v1",
                "metadata": {"resourceVersion": version},
                "items": items,
            }
        )

    async def item(self, request: Request) -> Response:
        path = request.path_params
        key: Key = (path.get("group", ""), path["resource"], path["namespace"], path["name"])
        verb = {"GET": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[request.method]
        if refusal := self._refusal(request.headers, verb, *key[:3]):
            return refusal
        old = self.cluster.objects.get(key)
        body = await request.body()
        if old is None and "apply-patch" not in request.headers.get("content-type", ""):
            return _status(404, "NotFound", f"{key[1]} {key[3]!r} not found")
        if request.method == "GET":
            return JSONResponse(old)
        if request.method == "DELETE":
            return JSONResponse(self.cluster.remove(key))
        new = yaml.safe_load(body)
        new["metadata"].setdefault("namespace", key[2]) if "metadata" in new else None
        if old is None:
            return JSONResponse(self._created(key[0], key[1], new), status_code=201)
        if request.method == "PATCH":
            new = _merged(old, new)
        return JSONResponse(self.cluster.put(key[0], key[1], new))

    async def execute(self, websocket: WebSocket) -> None:
        namespace, name = websocket.path_params["namespace"], websocket.path_params["name"]
        cluster = self.cluster
        if refusal := self._refusal(websocket.headers, cluster.exec_verb, "", "pods/exec", namespace):
            return await websocket.send_denial_response(refusal)
        pod = cluster.objects.get(("", "pods", namespace, name))
        if pod is None:
            return await websocket.send_denial_response(_status(404, "NotFound", f"pods {name!r} not found"))
        offered = websocket.scope["subprotocols"]
        protocol = next((ours for ours in cluster.protocols if ours in offered), None)
        if protocol is None:
            return await websocket.send_denial_response(
                _status(400, "BadRequest", "unable to negotiate protocol")
            )
        container = websocket.query_params.get("container", "")
        if container not in [found["name"] for found in pod["spec"]["containers"]]:
            return await websocket.send_denial_response(
                _status(400, "BadRequest", f"container {container} is not valid for pod {name}")
            )
        words = websocket.query_params.getlist("command")
        cluster.commands.append((name, container, words))
        await websocket.accept(subprotocol=protocol)
        # The API server opens every stream with an empty message.
        for channel in (1, 2, 3):
            await websocket.send_bytes(bytes([channel]))

        def write(channel: int) -> Callable[[bytes], None]:
            return lambda data: anyio.from_thread.run(websocket.send_bytes, bytes([channel]) + data)

        program = cluster.programs.get((namespace, name)) or (lambda words, output: 0)
        try:
            code = await anyio.to_thread.run_sync(program, words, Output(write(1), write(2)))
        except ConnectionLost:
            return await websocket.close(code=1011)
        except FileNotFoundError:
            end: Object = _status_body(
                500, "InternalError", f'error executing command in container: exec: "{words[0]}": not found'
            )
        else:
            end = {"metadata": {}, "status": "Success"}
            if code:
                end = _status_body(
                    500, "NonZeroExitCode", f"command terminated with non-zero exit code: {code}"
                )
                end["details"] = {"causes": [{"reason": "ExitCode", "message": str(code)}]}
        await websocket.send_bytes(b"\x03" + json.dumps(end).encode())
        if protocol.startswith("v5"):
            for channel in (1, 2):
                await websocket.send_bytes(bytes([255, channel]))
        await websocket.close()

    def _created(self, group: str, resource: str, item: Object) -> Object:
        created = self.cluster.put(group, resource, item)
        if resource == "jobs":
            threading.Thread(target=self._run, args=(created,), daemon=True).start()
        return created

    def _run(self, job: Object) -> None:
        """What the Job controller does, without the pods."""
        code = self.cluster.run_job(job)
        with self.cluster.lock:
            if (
                "batch",
                "jobs",
                job["metadata"]["namespace"],
                job["metadata"]["name"],
            ) in self.cluster.objects:
                done = {"type": "Failed" if code else "Complete", "status": "True", "reason": f"Exit{code}"}
                self.cluster.put(
                    "batch", "jobs", {**job, "status": {"conditions": [done], "failed": int(code > 0)}}
                )

    def _refusal(self, headers: Any, verb: str, group: str, resource: str, namespace: str) -> Response | None:
        user = self.cluster.user_of(headers.get("authorization", ""))
        if user is None:
            return _status(401, "Unauthorized", "Unauthorized")
        self.cluster.requests.append((user, verb, resource))
        if self.cluster.allows(user, verb, group, resource, namespace):
            return None
        who = "system:serviceaccount:" + user.removeprefix("service-account:")
        return _status(
            403,
            "Forbidden",
            f'{resource} is forbidden: User "{who}" cannot {verb} resource "{resource}" '
            f'in API group "{group}" in the namespace "{namespace}"',
        )

    async def _watch(self, request: Request, wanted: _Selection) -> AsyncIterator[str]:
        until = time.monotonic() + float(request.query_params.get("timeoutSeconds", 300))
        seen = int(request.query_params.get("resourceVersion") or 0)
        if request.query_params.get("sendInitialEvents") == "true":
            with self.cluster.lock:
                present = [item for key, item in self.cluster.objects.items() if wanted(key, item)]
                seen = len(self.cluster.log)
            for item in present:
                yield json.dumps({"type": "ADDED", "object": item}) + "\n"
            metadata = {
                "resourceVersion": str(seen),
                "annotations": {"k8s.io/initial-events-end": "true"},
            }
            kind = {
                "kind": KINDS[wanted.group][wanted.resource],
                "apiVersion": f"{wanted.group}/v1" if wanted.group else "v1",
            }
            yield json.dumps({"type": "BOOKMARK", "object": {**kind, "metadata": metadata}}) + "\n"
        while time.monotonic() < until and not await request.is_disconnected():
            for version, change, key, item in self.cluster.log[seen:]:
                seen = version
                if wanted(key, item):
                    yield json.dumps({"type": change, "object": item}) + "\n"
            await asyncio.sleep(0.02)


@define
class _Selection:
    group: str
    resource: str
    namespace: str
    labels: Callable[[Object], bool]
    fields: dict[str, str]

    def __call__(self, key: Key, item: Object) -> bool:
        return (
            key[:2] == (self.group, self.resource)
            and self.namespace in ("", key[2])
            and self.labels(item["metadata"].get("labels") or {})
            and self.fields.get("metadata.name", key[3]) == key[3]
        )


def _selector(text: str) -> Callable[[Object], bool]:
    """``a=b,c in (d,e)``"""
    tests = []
    depth, part, parts = 0, "", []
    for char in text + ",":
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += char
    for part in filter(None, parts):
        if " in " in part:
            name, _, values = part.partition(" in ")
            tests.append((name.strip(), set(values.strip(" ()").replace(" ", "").split(","))))
        else:
            name, _, value = part.partition("=")
            tests.append((name.strip(), {value.lstrip("=").strip()}))
    return lambda labels: all(labels.get(name) in values for name, values in tests)


def _merged(old: Any, new: Any) -> Any:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    merged = {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}
    return {name: value for name, value in merged.items() if value is not None}


def _status_body(code: int, reason: str, message: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }


def _status(code: int, reason: str, message: str) -> Response:
    return JSONResponse(_status_body(code, reason, message), status_code=code)
