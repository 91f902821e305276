"""Which errors of Dag files a user may read: the one place where every route that shows some asks.

An error quotes lines of its file, and so of all Dags in it. The rule and the words are Airflow's own (3.3,
3.4: ``core_api/routes/public/import_error.py``), so that Pinwheel shows nobody what Airflow hides:

* who may not see import errors gets none, as for Airflow's page of them;
* who may not read all Dags of the file is told so in place of the error.

Airflow has no permission on bundles. What is refused of a bundle, and what fails of it, may quote any of its
files, so the same rule holds with all Dags that are or were of the bundle; of the Dag processor, with all
Dags there are. A bundle is shown to whoever may read a Dag of it, and one without Dags to whoever may see
import errors.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from attrs import evolve

from pinwheel.api.access import Access, unreadable
from pinwheel.services import bundles
from pinwheel.services.errors_of_files import told_of, told_of_bundles
from pinwheel.services.ports import Host

REDACTED = "REDACTED - you do not have read permission on all Dags in the file"
REDACTED_BUNDLE = "REDACTED - you do not have read permission on all Dags in the bundle"

_TOLD_OF_BUNDLES = frozenset({"refused", "fault"})
"""Events whose reason tells of a bundle."""


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


def readable_standings(access: Access, host: Host, *, names: Collection[str] = ()) -> dict[str, Any]:
    """Where those bundles stand that the user may know of, and what fails of the processor; texts as allowed.

    :raises NotFound: there is no bundle of one of these names, or the user may not know of it.
    """
    found = bundles.standings(host)
    readable, with_errors = access.readable(), access.may_read_import_errors()
    known = [
        standing
        for standing in found.bundles
        if standing.dag_ids & readable or (with_errors and not standing.dag_ids)
    ]
    view = bundles.view(evolve(found, bundles=tuple(known)), names)
    hidden = {standing.name for standing in known if not standing.dag_ids <= readable}
    if with_errors:
        hidden |= _quoting_hidden(
            access, host, {bundle["name"] for bundle in view["bundles"] if _has_texts(bundle)} - hidden
        )
    for bundle in view["bundles"]:
        _hide_texts(bundle, with_errors=with_errors, partly=bundle["name"] in hidden)
    _hide_texts(view, with_errors=with_errors, partly=not found.dag_ids <= readable)
    return view


def redact_bundle_events(access: Access, host: Host, events: Iterable[dict[str, Any]]) -> None:
    """Hide in place the reasons of events that tell of a bundle, as those of the bundle itself."""
    shown = [event for event in events if event["kind"] in _TOLD_OF_BUNDLES and event["reason"] is not None]
    if not shown:
        return
    with_errors, readable = access.may_read_import_errors(), access.readable()
    found = bundles.standings(host)
    hidden = {standing.name for standing in found.bundles if not standing.dag_ids <= readable}
    if with_errors:
        hidden |= _quoting_hidden(access, host, {event["bundle"] for event in shown} - hidden - {None, ""})
    for event in shown:
        partly = event["bundle"] in hidden if event["bundle"] else not found.dag_ids <= readable
        event["reason"] = _text(event["reason"], with_errors=with_errors, partly=partly)


def _quoting_hidden(access: Access, host: Host, names: Collection[str]) -> set[str]:
    """Those of the bundles that once held a Dag which the user may not read."""
    told = told_of_bundles(host, names)
    hidden = set(unreadable(access, {dag_id for dag_ids in told.values() for dag_id in dag_ids}))
    return {name for name, dag_ids in told.items() if dag_ids & hidden}


def _has_texts(bundle: dict[str, Any]) -> bool:
    return any(bundle[name] for name in ("problem", "refused", "faults", "left_out"))


def _hide_texts(view: dict[str, Any], *, with_errors: bool, partly: bool) -> None:
    for fault in view["faults"]:
        fault["error"] = _text(fault["error"], with_errors=with_errors, partly=partly)
    for told in [*view.get("refused", ()), *([view["problem"]] if view.get("problem") else [])]:
        told["reason"] = _text(told["reason"], with_errors=with_errors, partly=partly)
    if "left_out" in view and (partly or not with_errors):
        view["left_out"] = None


def _text(text: str, *, with_errors: bool, partly: bool) -> str | None:
    if not with_errors:
        return None
    return REDACTED_BUNDLE if partly else text


def _place(bundle: str | None, view: dict[str, Any]) -> tuple[str, str, str]:
    return bundle or "", view.get("bundle_version") or "", view.get("path") or ""
