"""Requests in one line: services asked with the fields of a request, where a test needs no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pinwheel.core.release.decide import Verb
from pinwheel.core.request import (
    BackfillRequest,
    ChangeRequest,
    ClearRequest,
    HistoryRequest,
    Selection,
    TriggerRequest,
)
from pinwheel.core.selector import Selector
from pinwheel.services.change import Change
from pinwheel.services.history import tries
from pinwheel.services.history.tries import TryView
from pinwheel.services.once import Sees, all_of_them
from pinwheel.services.run import backfill as backfill_service
from pinwheel.services.run import clear as clear_service
from pinwheel.services.run import trigger as trigger_service
from pinwheel.services.run.backfill import Backfilled
from pinwheel.services.run.bound import Bound, Cleared


def change(
    verb: Verb,
    dag_ids: Sequence[str],
    *,
    actor: str = "ada",
    sees: Sees = all_of_them,
    sees_runs: Sees = all_of_them,
    decides: bool = True,
    **more: Any,
) -> Change:
    """A change of these Dags, to be given to ``services.change.apply``."""
    selection = Selection(selector=Selector(ids=tuple(dag_ids)))
    request = ChangeRequest(verb=verb, selection=selection, **more)
    return Change(
        request=request, dag_ids=dag_ids, actor=actor, sees=sees, sees_runs=sees_runs, decides=decides
    )


def trigger(host: Any, dag_id: str, *, actor: str = "ada", **more: Any) -> Bound:
    return trigger_service.trigger(host, TriggerRequest(dag_id=dag_id, **more), actor=actor)


def clear(
    host: Any, dag_id: str, run_ids: Sequence[str], *, actor: str = "ada", **more: Any
) -> list[Cleared]:
    return clear_service.clear(host, ClearRequest(dag_id=dag_id, run_ids=run_ids, **more), actor=actor)


def backfill(host: Any, dag_id: str, *, actor: str = "ada", **more: Any) -> Backfilled:
    return backfill_service.backfill(host, BackfillRequest(dag_id=dag_id, **more), actor=actor)


def history(host: Any, dag_id: str, **more: Any) -> list[TryView]:
    return list(tries.history(host, HistoryRequest(dag_id=dag_id, **more)).tries)
