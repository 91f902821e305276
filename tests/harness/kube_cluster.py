"""The small cluster behind ``kube_api``: objects, rights, and what runs in its pods."""

from __future__ import annotations

import copy
import datetime
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from attrs import define, field

ADMIN = "admin-token"
Object = dict[str, Any]
Key = tuple[str, str, str, str]
"""Group, resource, namespace, name."""

KINDS = {
    "": {"pods": "Pod", "secrets": "Secret", "serviceaccounts": "ServiceAccount", "configmaps": "ConfigMap"},
    "apps": {"deployments": "Deployment"},
    "batch": {"jobs": "Job"},
    "rbac.authorization.k8s.io": {"roles": "Role", "rolebindings": "RoleBinding"},
}


class ConnectionLost(Exception):
    """Raised by a command in a pod: the websocket ends without a word."""


@define
class Output:
    """What a command in a pod writes to."""

    stdout: Callable[[bytes], None]
    stderr: Callable[[bytes], None]


Program = Callable[[list[str], Output], int]
"""A command in a pod: its words and its streams in, its exit code out.

FileNotFoundError: there is no such program. ConnectionLost: the network broke.
"""


@define
class Cluster:
    """The state behind the API. Tests change it from their own thread."""

    url: str = ""
    ca_file: str = ""
    objects: dict[Key, Object] = field(factory=dict)
    programs: dict[tuple[str, str], Program] = field(factory=dict)
    """By namespace and pod."""
    commands: list[tuple[str, str, list[str]]] = field(factory=list)
    """Pod, container and words of each command, in order."""
    requests: list[tuple[str, str, str]] = field(factory=list)
    """User, verb and resource of each request."""
    protocols: tuple[str, ...] = ("v5.channel.k8s.io", "v4.channel.k8s.io")
    exec_verb: str = "create"
    """What a command over a websocket must be allowed: create since Kubernetes 1.35, get before."""
    run_job: Callable[[Object], int] = lambda job: 0
    log: list[tuple[int, str, Key, Object]] = field(factory=list)
    lock: Any = field(factory=threading.RLock)

    # Objects

    def put(self, group: str, resource: str, item: Object) -> Object:
        """Create or replace."""
        with self.lock:
            item = copy.deepcopy(item)
            metadata = item.setdefault("metadata", {})
            key = (group, resource, metadata.setdefault("namespace", "default"), metadata["name"])
            old = self.objects.get(key)
            metadata.setdefault("uid", old["metadata"]["uid"] if old else str(uuid.uuid4()))
            metadata.setdefault("creationTimestamp", _now())
            version = len(self.log) + 1
            metadata["resourceVersion"] = str(version)
            metadata["generation"] = 1
            item.setdefault("apiVersion", f"{group}/v1" if group else "v1")
            item.setdefault("kind", KINDS[group][resource])
            self.objects[key] = item
            self.log.append((version, "MODIFIED" if old else "ADDED", key, copy.deepcopy(item)))
            return copy.deepcopy(item)

    def remove(self, key: Key) -> Object | None:
        with self.lock:
            item = self.objects.pop(key, None)
            if item is not None:
                self.log.append((len(self.log) + 1, "DELETED", key, item))
            return item

    def named(self, resource: str) -> list[str]:
        """Names of all objects of a resource (``jobs``)."""
        with self.lock:
            return sorted(key[3] for key in self.objects if key[1] == resource)

    def add_pod(
        self,
        name: str,
        program: Program | None = None,
        *,
        image: str = "apache/airflow:3.4.0",
        component: str = "api-server",
        release: str = "airflow",
        namespace: str = "airflow",
        phase: str = "Running",
        ready: bool = True,
        deleting: bool = False,
        containers: list[str] | None = None,
        created_at: str | None = None,
    ) -> None:
        """A pod as the official chart makes it."""
        containers = containers or [component]
        metadata: Object = {
            "name": name,
            "namespace": namespace,
            "labels": {"tier": "airflow", "component": component, "release": release},
            "creationTimestamp": created_at or _now(),
        }
        if deleting:
            metadata["deletionTimestamp"] = _now()
        state = {"running": {"startedAt": _now()}} if phase == "Running" else {"waiting": {"reason": phase}}
        self.put(
            "",
            "pods",
            {
                "metadata": metadata,
                "spec": {"containers": [{"name": name, "image": image} for name in containers]},
                "status": {
                    "phase": phase,
                    "containerStatuses": [
                        {
                            "name": name,
                            "image": image,
                            "imageID": "",
                            "ready": ready,
                            "restartCount": 0,
                            "state": state,
                        }
                        for name in containers
                    ],
                },
            },
        )
        if program:
            self.programs[(namespace, name)] = program

    def add_deployment(
        self, component: str, image: str, *, namespace: str = "airflow", release: str = "airflow"
    ):
        labels = {"tier": "airflow", "component": component, "release": release}
        template = {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": component, "image": image}]},
        }
        self.put(
            "apps",
            "deployments",
            {
                "metadata": {"name": f"{release}-{component}", "namespace": namespace, "labels": labels},
                "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
            },
        )

    # Rights

    def token_of(self, namespace: str, service_account: str) -> str:
        return f"service-account:{namespace}:{service_account}"

    def user_of(self, authorization: str) -> str | None:
        token = authorization.removeprefix("Bearer ").removeprefix("bearer ")
        if token == ADMIN:
            return ADMIN
        with self.lock:
            known = {
                self.token_of(namespace, name)
                for _, resource, namespace, name in self.objects
                if resource == "serviceaccounts"
            }
        return token if token in known else None

    def allows(self, user: str, verb: str, group: str, resource: str, namespace: str) -> bool:
        """By the roles and role bindings in the cluster."""
        if user == ADMIN:
            return True
        _, user_namespace, user_name = user.split(":")
        subject = {"kind": "ServiceAccount", "name": user_name, "namespace": user_namespace}
        with self.lock:
            rbac = "rbac.authorization.k8s.io"
            bindings = [
                binding
                for key, binding in self.objects.items()
                if key[:3] == (rbac, "rolebindings", namespace) and subject in binding["subjects"]
            ]
            roles = [self.objects.get((rbac, "roles", namespace, b["roleRef"]["name"])) for b in bindings]
        return any(
            group in rule["apiGroups"] and resource in rule["resources"] and verb in rule["verbs"]
            for role in roles
            if role
            for rule in role["rules"]
        )

    def kubeconfig(self, path: Path, token: str = ADMIN, namespace: str = "airflow") -> Path:
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "test",
                    "contexts": [
                        {
                            "name": "test",
                            "context": {"cluster": "test", "user": "test", "namespace": namespace},
                        }
                    ],
                    "clusters": [
                        {
                            "name": "test",
                            "cluster": {"server": self.url, "certificate-authority": self.ca_file},
                        }
                    ],
                    "users": [{"name": "test", "user": {"token": token}}],
                }
            )
        )
        return path


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
