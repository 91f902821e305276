"""Airflow's running pods: which there are, what image they run, and a command in one of them.

Spoken through the ``kubernetes`` client library, imported only when a cluster is asked. Every refusal of the
cluster leaves here as an error of :mod:`pinwheel.core.errors`.
"""

from __future__ import annotations

import argparse
import ast
import codecs
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from attrs import field, frozen

from pinwheel.core.errors import HostError, PinwheelError, Refused

COMPONENTS = ("api-server", "scheduler")
"""Labels ``component`` of the pods that carry Airflow's migrations, in the order in which they are asked."""

REQUEST_TIMEOUT_SECONDS = (10, 60)
"""To connect, and to wait for each piece of an answer."""

PING_SECONDS = 20.0
"""Proxies on the way drop a connection that is silent for a minute; a migration may be silent for longer."""

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_STDOUT, _STDERR, _STATUS = 1, 2, 3
_HANDSHAKE = re.compile(r"Handshake status (\d+)(?:.*-\+-\+- (.*))?", re.DOTALL)


@frozen(kw_only=True)
class RunningPod:
    """One pod with a running Airflow container, and how to name it to a person."""

    namespace: str
    name: str
    component: str
    container: str
    image: str
    ready: bool

    def __str__(self) -> str:
        return f"pod {self.name} ({self.image})"


@frozen
class Finished:
    """What a command in a pod left."""

    exit_code: int
    lines: list[str] = field(factory=list)
    """Everything it printed, both streams, in the order in which it arrived."""


def add_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--kube-namespace",
        metavar="NAME",
        help="where Airflow's pods run (default: the namespace of this pod or of the kubeconfig's context)",
    )
    group.add_argument(
        "--kube-release",
        metavar="NAME",
        help="Airflow's Helm release, its pods' label 'release' (default: the only one in the namespace)",
    )


class Cluster:
    """The pods of one Airflow release in one namespace."""

    def __init__(self, namespace: str, release: str | None, api_client: Any) -> None:
        self.namespace = namespace
        self.release = release
        self._api_client = api_client

    @classmethod
    def connect(cls, options: argparse.Namespace) -> Cluster:
        """With the pod's service account inside a cluster, with the kubeconfig elsewhere. Sends nothing yet.

        :raises Refused: the client library is missing, or there are no credentials.
        """
        try:
            client: Any = import_module("kubernetes.client")
            config: Any = import_module("kubernetes.config")
        except ImportError as error:
            raise Refused(
                "Kubernetes can not be asked",
                found="its client library is not installed here",
                remedy="pip install 'airflow-pinwheel[kubernetes]'",
            ) from error
        settings = client.Configuration()
        namespace = getattr(options, "kube_namespace", None)
        try:
            if os.environ.get("KUBERNETES_SERVICE_HOST"):
                config.load_incluster_config(client_configuration=settings)
                namespace = namespace or _NAMESPACE_FILE.read_text().strip()
            else:
                # Named, as the library reads the variable only once, when it is imported.
                kubeconfig = os.environ.get("KUBECONFIG")
                config.load_kube_config(kubeconfig, client_configuration=settings)
                _, context = config.list_kube_config_contexts(kubeconfig)
                namespace = namespace or context["context"].get("namespace")
        except (config.ConfigException, OSError) as error:
            raise Refused(
                "Kubernetes can not be asked",
                found=f"no credentials for a cluster ({_first_line(error)})",
                remedy="In a pod, mount its service account's token (chart/pinwheel-reconcile does it for "
                "the exec strategy); elsewhere, point KUBECONFIG at a kubeconfig file",
            ) from error
        return cls(namespace or "default", getattr(options, "kube_release", None), client.ApiClient(settings))

    def running_pods(self) -> list[RunningPod]:
        """API servers before schedulers, ready ones first, newest first; never one that is being deleted.

        :raises Refused: there is none, there are several releases, or the cluster does not tell.
        """
        from kubernetes import client

        selector = f"tier=airflow,component in ({','.join(COMPONENTS)})"
        if self.release:
            selector += f",release={self.release}"
        with self._asking(f"list pods in namespace {self.namespace}"):
            found: list[Any] = (
                client.CoreV1Api(self._api_client)
                .list_namespaced_pod(
                    self.namespace, label_selector=selector, _request_timeout=REQUEST_TIMEOUT_SECONDS
                )
                .items
            )
        releases = {(pod.metadata.labels or {}).get("release", "") for pod in found}
        if len(releases) > 1:
            raise Refused(
                "It is not clear which Airflow is meant",
                found=f"namespace {self.namespace} has pods of the releases {', '.join(sorted(releases))}",
                remedy="Name one with --kube-release",
            )
        newest_first = sorted(found, key=lambda pod: str(pod.metadata.creation_timestamp), reverse=True)
        running = [pod for pod in map(self._running, newest_first) if pod is not None]
        if not running:
            states = ", ".join(f"{pod.metadata.name} is {_state(pod)}" for pod in found)
            raise Refused(
                "No running Airflow pod was found",
                found=states or f"namespace {self.namespace} has no pod with the labels {selector}",
                remedy="The capsule strategy needs no running pod; otherwise start an API server of the "
                "newer version, or name the place with --kube-namespace and --kube-release",
            )
        return sorted(running, key=lambda pod: (not pod.ready, COMPONENTS.index(pod.component)))

    def deployed_images(self) -> list[str]:
        """Images in the Deployments of API server and scheduler, also while none of their pods runs.

        :raises Refused: the cluster does not tell.
        """
        from kubernetes import client

        selector = f"tier=airflow,component in ({','.join(COMPONENTS)})"
        if self.release:
            selector += f",release={self.release}"
        with self._asking(f"list deployments in namespace {self.namespace}"):
            found: list[Any] = (
                client.AppsV1Api(self._api_client)
                .list_namespaced_deployment(
                    self.namespace, label_selector=selector, _request_timeout=REQUEST_TIMEOUT_SECONDS
                )
                .items
            )
        by_component = {
            deployment.metadata.labels["component"]: _airflow_container(
                deployment.spec.template.spec.containers, deployment.metadata.labels["component"]
            ).image
            for deployment in found
        }
        return [by_component[component] for component in COMPONENTS if component in by_component]

    def run(self, pod: RunningPod, command: list[str], say: Callable[[str], None] | None = None) -> Finished:
        """Run *command* in the pod's Airflow container and wait for its end, however long it takes.

        *say* gets each line when it arrives.

        :raises Refused: the cluster does not let us.
        :raises HostError: the connection broke before the command's exit code came. It may still be running.
        """
        from kubernetes import client
        from kubernetes.stream import stream

        # A client of its own: the library lends the one it is given to the websocket while it connects.
        api = client.CoreV1Api(client.ApiClient(self._api_client.configuration))
        with self._asking(f"run a command in pod {pod.name}"):
            connection = stream(
                api.connect_get_namespaced_pod_exec,
                pod.name,
                pod.namespace,
                container=pod.container,
                command=command,
                stdin=False,
                stdout=True,
                stderr=True,
                tty=False,
                binary=True,
                _preload_content=False,
            )
        output = _Lines(say)
        try:
            status = _read_to_the_end(connection, output)
        except Exception as error:
            raise _outcome_unknown(pod, command, _first_line(error) or type(error).__name__) from error
        finally:
            connection.close()
        if not status:
            raise _outcome_unknown(pod, command, "the cluster closed the connection without an exit code")
        return Finished(_exit_code(pod, command, json.loads(status)), output.lines)

    def _running(self, pod: Any) -> RunningPod | None:
        if pod.metadata.deletion_timestamp or _state(pod) != "Running":
            return None
        component = pod.metadata.labels["component"]
        container = _airflow_container(pod.spec.containers, component)
        statuses = {status.name: status for status in pod.status.container_statuses or []}
        status = statuses.get(container.name)
        if status is None or status.state is None or status.state.running is None:
            return None
        return RunningPod(
            namespace=pod.metadata.namespace,
            name=pod.metadata.name,
            component=component,
            container=container.name,
            image=container.image,
            ready=bool(status.ready),
        )

    @contextmanager
    def _asking(self, action: str) -> Iterator[None]:
        """Turn what the library raises into a refusal that names *action*."""
        from kubernetes.client.exceptions import ApiException
        from urllib3.exceptions import HTTPError

        try:
            yield
        except PinwheelError:
            raise
        except ApiException as error:
            answer = _said_by_the_cluster(error)
            if answer is None:
                raise _not_reached(error.reason) from error
            raise Refused(
                f"The cluster does not let Pinwheel {action}",
                found=answer,
                remedy="The exec strategy needs a service account that may list pods and run commands in "
                "them: chart/pinwheel-reconcile makes one with migrateDatabaseJob.allowDowngrade and "
                "migrateDatabaseJob.downgrade.strategy: exec. The capsule strategy needs none",
            ) from error
        except (HTTPError, OSError) as error:
            raise _not_reached(error) from error


class _Lines:
    """Cuts two byte streams into lines as they arrive."""

    def __init__(self, say: Callable[[str], None] | None) -> None:
        self.lines: list[str] = []
        self._say = say
        self._decoders = {c: codecs.getincrementaldecoder("utf-8")("replace") for c in (_STDOUT, _STDERR)}
        self._rest = {_STDOUT: "", _STDERR: ""}

    def feed(self, channel: int, data: bytes, *, final: bool = False) -> None:
        *whole, rest = (self._rest[channel] + self._decoders[channel].decode(data, final)).split("\n")
        self._rest[channel] = rest
        if final and rest:
            whole.append(rest)
        for line in whole:
            line = without_credentials(line.rstrip("\r"))
            self.lines.append(line)
            if self._say:
                self._say(line)


def _read_to_the_end(connection: Any, output: _Lines) -> bytes:
    status = b""
    asked_at = time.monotonic()
    while True:
        open_before = connection.is_open()
        connection.update(timeout=1)
        for channel in (_STDOUT, _STDERR):
            output.feed(channel, _taken(connection, channel))
        status += _taken(connection, _STATUS)
        if not open_before:
            break
        if connection.is_open() and time.monotonic() - asked_at > PING_SECONDS:
            connection.sock.ping()
            asked_at = time.monotonic()
    for channel in (_STDOUT, _STDERR):
        output.feed(channel, b"", final=True)
    return status


def _taken(connection: Any, channel: int) -> bytes:
    data = connection.read_channel(channel)
    return data if isinstance(data, bytes) else data.encode()


def _exit_code(pod: RunningPod, command: list[str], status: dict[str, Any]) -> int:
    """From the Status object that ends a command (channel 3)."""
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or []:
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    raise HostError(
        f"{' '.join(command)} did not start in pod {pod.name}",
        found=str(status.get("message") or status.get("reason") or "no reason was given").splitlines()[0],
        remedy="Run it again, or use another strategy",
    )


def _outcome_unknown(pod: RunningPod, command: list[str], why: str) -> HostError:
    return HostError(
        f"The connection to pod {pod.name} was lost while it ran {' '.join(command)}",
        found=f"{why}; the command may still be at work",
        remedy="Run the reconcile again: it waits for Airflow's migration lock and goes on from there",
    )


def _airflow_container(containers: list[Any], component: str) -> Any:
    """The official chart names it after the component; others put it first."""
    return next((container for container in containers if container.name == component), containers[0])


def _state(pod: Any) -> str:
    if pod.metadata.deletion_timestamp:
        return "being deleted"
    return str(pod.status.phase) if pod.status and pod.status.phase else "unknown"


def _said_by_the_cluster(error: Any) -> str | None:
    """The message of the Status object in an answer; None when there was no answer."""
    status, body = error.status, error.body or b""
    if handshake := _HANDSHAKE.match(error.reason or ""):
        # A websocket that was not opened: the library keeps the answer in the text of its exception only.
        status, body = int(handshake[1]), handshake[2] or ""
        if body.startswith(("b'", 'b"')):
            body = ast.literal_eval(body)
    if not status:
        return None
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
    try:
        message = json.loads(text)["message"]
    except (ValueError, KeyError, TypeError):
        message = _first_line(text) or _first_line(error.reason or "")
    return f"{message} ({status})"


def _not_reached(why: object) -> Refused:
    return Refused(
        "The cluster could not be reached",
        found=_first_line(why),
        remedy="Check the address and the network policies. The capsule strategy needs no cluster",
    )


def _first_line(error: object) -> str:
    return without_credentials(next(iter(str(error).strip().splitlines()), ""))


def without_credentials(text: str) -> str:
    """*text* with the password of every URL in it blanked."""
    return re.sub(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]*):[^\s/]*@", r"\1:***@", text, flags=re.IGNORECASE)
