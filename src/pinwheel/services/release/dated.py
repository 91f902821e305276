"""Which Dags have runs that are judged by their dates, and the mark that these are born with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from pinwheel.core.event import EventKind
from pinwheel.core.json import Json
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.follow import plain
from pinwheel.core.run.mark import is_marked, marked
from pinwheel.services.audit import Told, tell
from pinwheel.services.ports.host import Host
from pinwheel.services.release.outcome import ACTOR
from pinwheel.store import dags, segments, start_rules, timelines
from pinwheel.store.start_rules import RuleKind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def settle(
    host: Host, session: Session, dag_ids: Collection[str], now: datetime, *, anew: bool = False
) -> None:
    """Let these Dags, which the caller has locked, be dated or not, as their timelines and builds say.

    What waits to start is judged by its date from the moment on from which its Dag's runs are. ``anew``: what
    they are judged by is another now; else runs that are bound stay so.
    """
    began = settle_rule(session, dag_ids, now)
    settle_mark(host, session, dag_ids)
    if judged := set(dag_ids) if anew else began:
        host.runs.mark_waiting(session, judged, marked=True, anew=True)


def settle_rule(session: Session, dag_ids: Collection[str], now: datetime) -> set[str]:
    """Judge runs of those of these Dags by date that have eras, or whose active build has task windows.

    Not of retired ones: no scheduler starts their runs, and they are dated again when they come back. Returns
    those whose runs are judged from now on.
    """
    rows = dags.rows(session, dag_ids)
    eras = {dag_id for dag_id, newest in timelines.newest(session, dag_ids).items() if newest.eras}
    windowed = segments.windowed(
        session, [row.active_build_id for row in rows.values() if row.active_build_id is not None]
    )
    dated = {
        dag_id
        for dag_id, row in rows.items()
        if not row.retired and (dag_id in eras or row.active_build_id in windowed)
    }
    before = start_rules.dated(session, dag_ids)
    start_rules.add(session, dated - before, RuleKind.DATED, now=now)
    start_rules.remove(session, before - dated, RuleKind.DATED)
    return dated - before


def settle_mark(host: Host, session: Session, dag_ids: Collection[str]) -> None:
    """Let the rows of these Dags have the mark if they are dated, and else neither they nor their runs.

    What the mark stands behind does not follow: it is there so that something can be fetched where the mark
    is stripped.
    """
    dated = start_rules.dated(session, dag_ids)
    wanted = {
        dag_id: (row, _row_version(row, dated=dag_id in dated))
        for dag_id, row in dags.rows(session, dag_ids).items()
    }
    changed = {
        dag_id: version
        for dag_id, (row, version) in wanted.items()
        if version is not None and version != row.row_version
    }
    if changed:
        host.rows.mark_rows(session, changed)
    if freed := wanted.keys() - dated:
        host.runs.mark_waiting(session, freed, marked=False)


def mark_restored(host: Host, session: Session, found: Mapping[str, str | None], *, bundle_name: str) -> None:
    """Say of Dags of a bundle that their mark was lost and put back, and mark the runs made meanwhile.

    ``found`` is what stood in its place, by Dag.
    """
    told = []
    for dag_id, version in sorted(found.items()):
        details: dict[str, Json] = {"found": {"dag.bundle_version": str(version)}}
        told.append(
            Told(
                kind=EventKind.MARK_RESTORED,
                actor=ACTOR,
                dag_id=dag_id,
                bundle_name=bundle_name,
                details=details,
                line=details,
            )
        )
    tell(host, session, told, now=host.unit.now())
    if found:
        host.runs.mark_waiting(session, found.keys(), marked=True)


def _row_version(row: ManagedDag, *, dated: bool) -> str | None:
    """What the row of a Dag is to name; None: it names none, and stays so."""
    if not dated:
        return row.in_force
    if is_marked(row.row_version) or row.row_version is None:
        return row.row_version
    return marked(plain(row.row_version))
