"""Leaving runs that are judged by their dates to a plain Airflow: bound where they can be, none marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.core.errors import PinwheelError
from pinwheel.core.run.resolve import Bind
from pinwheel.services.ports.host import Host
from pinwheel.services.release import dated, variants
from pinwheel.services.run.by_date import ruled
from pinwheel.services.run.judging import carry_out, facts_of
from pinwheel.store import builds, start_rules
from pinwheel.store import tables as t
from pinwheel.store.locking import lock_dags
from pinwheel.store.start_rules import RuleKind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_ALL = 1_000_000
_NEEDED = {t.start_rule.name, t.segment.name, t.timeline.name, t.binding.name, t.dag.name}


@frozen(kw_only=True)
class Freed:
    """What became of runs that were judged by their dates."""

    dated: tuple[str, ...] = ()
    bound: int = 0
    to_active: tuple[str, ...] = ()
    """Dag and run of those that can not be bound to what their dates ask for."""


def free_runs(host: Host, session: Session) -> Freed:
    """Bind each run that waits, and take the mark from all rows of Airflow's.

    Where our tables are not all there, the mark is taken off only.
    """
    if not set(host.deployment.own_tables(session)) >= _NEEDED:
        host.rows.strip_marks(session)
        return Freed()
    found = sorted(start_rules.dated(session))
    lock_dags(session, found)
    waiting = host.reads.unbound_runs(session, ["queued", "running"], _ALL)
    if waiting:
        _make_rows(host, session)
    bound, left = 0, []
    for one in facts_of(host, session, [run.id for run in waiting]):
        try:
            with session.begin_nested():
                case, ruling = ruled(host, session, one)
                if isinstance(ruling, Bind) and not case.stands_on(ruling):
                    carry_out(host, session, case, ruling)
        except PinwheelError:
            left.append(one)
        else:
            if not isinstance(ruling, Bind):
                left.append(one)
            elif not one.stands_on(ruling):
                bound += 1
    start_rules.remove(session, found, RuleKind.DATED)
    dated.settle_mark(host, session, found)
    host.rows.strip_marks(session)
    named = tuple(sorted(f"{case.run.dag_id} {case.run.run_id}" for case in left))
    return Freed(dated=tuple(found), bound=bound, to_active=named)


def _make_rows(host: Host, session: Session) -> None:
    for build_id, positions in variants.missing(host, session, _ALL).items():
        build = builds.by_ids(session, [build_id]).get(build_id)
        try:
            if build is not None:
                with session.begin_nested():
                    variants.make_rows(host, session, build, positions)
        except PinwheelError:
            # The runs that need them are among those that can not be bound.
            continue
