"""Which errors of Dag files a user may read: the one place where every route that shows some asks.

An error quotes lines of its file, and so of all Dags in it. The rule and the words are Airflow's own (3.3,
3.4: ``core_api/routes/public/import_error.py``), so that Pinwheel shows nobody what Airflow hides:

* who may not see import errors gets none, as for Airflow's page of them;
* who may not read all Dags of the file is told so in place of the error.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pinwheel.api.access import Access, unreadable
from pinwheel.services.errors_of_files import told_of
from pinwheel.services.ports import Host

REDACTED = "REDACTED - you do not have read permission on all Dags in the file"


def redact(access: Access, host: Host, quoting: Iterable[tuple[str | None, dict[str, Any]]]) -> None:
    """Hide in place what the user may not read of these views, each given with the name of its bundle.

    A view quotes the ``error`` of the file ``path`` in ``bundle_version``.
    """
    shown = [(_place(bundle, view), view) for bundle, view in quoting if view.get("error") is not None]
    if not shown:
        return
    if not access.may_read_import_errors():
        for _, view in shown:
            view["error"] = None
        return
    told = told_of(host, {place for place, _ in shown})
    hidden = set(unreadable(access, {dag_id for dag_ids in told.values() for dag_id in dag_ids}))
    for place, view in shown:
        if told[place] & hidden:
            view["error"] = REDACTED


def redact_broken(access: Access, host: Host, dags: Iterable[dict[str, Any]]) -> None:
    """As :func:`redact`, for views of Dags that may be ``broken`` now."""
    redact(access, host, [(view["bundle"], view["broken"]) for view in dags if view["broken"]])


def _place(bundle: str | None, view: dict[str, Any]) -> tuple[str, str, str]:
    return bundle or "", view.get("bundle_version") or "", view.get("path") or ""
