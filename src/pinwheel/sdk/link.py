"""Links into Pinwheel's pages, for alert mails and chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

NO_ADDRESS = "http://localhost:8080/"
"""As Airflow's own links (``ti.log_url``) where ``[api] base_url`` is not set."""


def release_url(of: Any) -> str:
    """The Dag's Releases tab, which says what the run ran on and offers the way back.

    ``of``: the context that Airflow gives to a task and to a callback, or a task instance. Of a context
    without a task instance the link is that of its run. It carries Dag, run and task; which release the run
    is bound to is not known where tasks run: the page looks it up.

    In a template: ``{{ macros.pinwheel.release_url(ti) }}``.

    :raises ValueError: *of* names no Dag.
    """
    if isinstance(of, Mapping):
        instance = of.get("ti") or of.get("task_instance")
        about = instance or of.get("dag_run") or of.get("dag")
        run_id = getattr(about, "run_id", None) or of.get("run_id")
    else:
        instance = about = of
        run_id = getattr(of, "run_id", None)
    dag_id = getattr(about, "dag_id", None)
    if not isinstance(dag_id, str):
        raise ValueError(
            "Cannot make a link: it names no Dag. Give the context of a task or a callback, or its `ti`"
        )
    wanted = {
        "run_id": run_id,
        "task_id": getattr(instance, "task_id", None),
        "map_index": _from(0, getattr(instance, "map_index", None)),
        "try_number": _from(1, getattr(instance, "try_number", None)),
    }
    said = {name: value for name, value in wanted.items() if value is not None}
    path = f"{_base_url()}/dags/{quote(dag_id, safe='')}/plugin/dag-releases"
    return f"{path}?{urlencode(said, quote_via=quote)}" if said else path


def _from(lowest: int, number: Any) -> int | None:
    return number if isinstance(number, int) and number >= lowest else None


def _base_url() -> str:
    # Here, so that importing pinwheel.sdk imports nothing of Airflow.
    from airflow.sdk.configuration import conf

    found: str = conf.get("api", "base_url", fallback="") or NO_ADDRESS
    return found.rstrip("/")
