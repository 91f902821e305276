"""Binds runs by their dates as the scheduler starts them, or sends them back to the queue.

A run that carries the mark is bound at once, in a savepoint of the scheduler's own transaction: all or
nothing of it, and the other runs of the transaction are not touched. A run without it is looked at before
the commit, by its Dag: the mark may have been lost (``airflow dags test`` takes it off, say). What cannot be
bound now stays queued behind the others, and the keeper sees to it. No run of such a Dag starts unbound.

No lock of ours is taken here and no version row is made: a release that waits for one of the scheduler's rows
would wait for ever.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from airflow.sdk import timezone
from airflow.utils.state import DagRunState
from attrs import define, field
from sqlalchemy.orm import Session, object_session
from sqlalchemy.orm.attributes import set_committed_value

from pinwheel.core.run.mark import is_marked
from pinwheel.core.run.resolve import Bind, Keep
from pinwheel.store import start_rules
from pinwheel.store.locking import begin_write
from pinwheel.store.refusals import said

if TYPE_CHECKING:
    from airflow.models.dagrun import DagRun

    from pinwheel.services.ports.host import Host
    from pinwheel.services.run.judging import Case

T = TypeVar("T")
log = structlog.get_logger(__name__)

BUDGET = 0.25
"""So many seconds of binds in one transaction, and at least one: the scheduler has more to do."""
_MOST = 10_000
_AGAIN = 60.0
"""Seconds after which a look reads which Dags are judged by dates at all, and not of its runs alone."""
_read_all: list[float] = []
"""When this process did that last."""
_seen: set[str] = set()
"""Dags that this process saw to be judged by dates: where that can not be read, their runs wait."""
_to_bind: dict[tuple[int, int], None] = {}
"""Runs (with their clear numbers) that this process sent back without the mark: bound at once when they
start again. The mark would hide what somebody chose for them, or what they were bound to before."""
_told: dict[tuple[int, int], str] = {}
"""Why runs wait, as far as it was logged."""


@define
class Budget:
    """The binds of one transaction."""

    seconds: float = 0.0
    binds: int = 0

    @property
    def is_spent(self) -> bool:
        return self.binds > 0 and self.seconds >= BUDGET


class _Waits(Exception):
    """The run is not to start yet."""


def binds_at_once(dag_run: DagRun) -> bool:
    """Whether a run that starts has to be bound before anybody else sees it."""
    return is_marked(dag_run.bundle_version) or _key(dag_run) in _to_bind


def bind(dag_run: DagRun, budget: Budget) -> None:
    """Bind a run, or send it back. Whatever fails, it does not start unbound, and the others start."""
    session = object_session(dag_run)
    assert session is not None
    if budget.is_spent:
        hold(dag_run)
        return
    began = time.monotonic()
    try:
        version_id, bundle_version, dag = in_savepoint(session, lambda inner: _bound(inner, dag_run))
    except Exception as error:
        hold(dag_run)
        _tell(dag_run, str(error) if isinstance(error, _Waits) else said(error))
    else:
        # From here on no statement: one that failed would take the scheduler's transaction with it.
        set_committed_value(dag_run, "created_dag_version_id", version_id)
        set_committed_value(dag_run, "bundle_version", bundle_version)
        session.expire(dag_run, ["created_dag_version", "task_instances", "deadlines"])
        if dag is not None:
            dag_run.dag = dag
        _to_bind.pop(_key(dag_run), None)
        _told.pop(_key(dag_run), None)
    budget.binds += 1
    budget.seconds += time.monotonic() - began


def _bound(session: Session, dag_run: DagRun) -> tuple[Any, str | None, Any]:
    """Version row, bundle version and Dag that the run is put on; the Dag is None where it stays."""
    from airflow.models.dagrun import DagRun

    from pinwheel.services.run import judging

    host = _host(session)
    cases = judging.facts_of(host, session, [dag_run.id])
    if not cases:
        raise _Waits("Airflow has no row of it yet")
    (case,) = cases
    ruling = case.ruling(host.unit.now())
    if case.dag is not None and case.dag.dated:
        _remember(case.run.dag_id)
    if isinstance(ruling, Bind):
        judging.carry_out(host, session, case, ruling)
        run = session.get(DagRun, dag_run.id)
        return ruling.dag_version_id, ruling.place.bundle_version, getattr(run, "dag", None)
    if isinstance(ruling, Keep) and not case.facts.marked:
        return case.run.dag_version_id, case.run.bundle_version, None
    raise _Waits(ruling.why)


def _host(session: Session) -> Host:
    """Made where it is needed first: most processes that load this never judge a run."""
    from pinwheel.airflow3.deployment import AirflowDeployment
    from pinwheel.airflow3.reads import port as reads
    from pinwheel.airflow3.rows import port as rows
    from pinwheel.airflow3.run import port as runs
    from pinwheel.airflow3.unit import AirflowUnit
    from pinwheel.services.ports.host import Host

    return Host(unit=AirflowUnit(session), rows=rows, runs=runs, reads=reads, deployment=AirflowDeployment())


def in_savepoint(session: Session, work: Callable[[Session], T]) -> T:
    """What *work* gives, in a session of its own on the same connection; what it wrote is undone if it fails.

    Without a flush before: that would be one more statement outside of the savepoint. SQLite's write lock is
    taken first: a savepoint that read before another process wrote could write no more, and when it is undone
    that goes for the scheduler's transaction around it too, which ends the scheduler.
    """
    with session.no_autoflush:
        begin_write(session)
    inner = Session(
        bind=session.connection(),
        join_transaction_mode="create_savepoint",
        autoflush=False,
        expire_on_commit=False,
    )
    try:
        found = work(inner)
        inner.commit()
    except BaseException:
        inner.rollback()
        raise
    finally:
        inner.close()
    return found


def hold(dag_run: DagRun) -> None:
    """The run does not start: it stays queued as long as it was, and behind the others."""
    queued_at = dag_run.queued_at
    dag_run.state = DagRunState.QUEUED
    dag_run.queued_at = queued_at
    dag_run.last_scheduling_decision = timezone.utcnow()


@define
class Look:
    """A look at the runs that a transaction starts without the mark, right before its commit."""

    dated: set[str] = field(factory=set)
    """Those of their Dags that are judged by dates."""
    _answered: bool = False
    _start: set[tuple[int, int]] = field(factory=set)
    """The runs of these that may start."""
    _marks: dict[tuple[int, int], str] = field(factory=dict)
    """The bundle versions with the mark of those that go back."""
    _why: dict[tuple[int, int], str] = field(factory=dict)

    def nothing_is_judged(self) -> None:
        """There are no tables of ours, so no Dag is judged."""
        self._answered = True
        _seen.clear()
        _read_all.clear()

    def at(self, session: Session, runs: Sequence[DagRun]) -> None:
        """One statement where none of their Dags is judged by dates; then nothing else is done here."""
        self.dated = _dated(session, {run.dag_id for run in runs})
        if not self.dated:
            self._answered = True
            return
        from pinwheel.services.run import judging

        host = _host(session)
        now = host.unit.now()
        for case in judging.facts_of(host, session, [run.id for run in runs if run.dag_id in self.dated]):
            self._decide(host, session, case, now)
        self._answered = True

    def _decide(self, host: Host, session: Session, case: Case, now: datetime) -> None:
        from pinwheel.services.run import judging

        key, ruling = (case.run.id, case.run.clear_number), case.ruling(now)
        if isinstance(ruling, Bind) and case.stands_on(ruling):
            # Cleared, say, and still on what it was bound to: only the ledger lacks it.
            judging.record_as_it_stands(host, session, case, ruling)
            self._start.add(key)
        elif isinstance(ruling, Keep):
            self._start.add(key)
        else:
            self._why[key] = ruling.why
            again = case.as_marked()
            if isinstance(ruling, Bind) and again.ruling(now) == ruling:
                assert again.run.bundle_version is not None
                self._marks[key] = again.run.bundle_version
            elif isinstance(ruling, Bind):
                if len(_to_bind) >= _MOST:
                    _to_bind.clear()
                _to_bind[key] = None

    def send_back(self, runs: Sequence[DagRun]) -> None:
        """Hold what is not to start. Where the look failed: every run of a Dag that was seen to be judged."""
        dated = self.dated if self._answered else self.dated | _seen
        for run in runs:
            key = _key(run)
            if run.dag_id not in dated or (self._answered and key in self._start):
                continue
            hold(run)
            if self._answered and key in self._marks:
                run.bundle_version = self._marks[key]
            _tell(run, self._why.get(key, "whether it is judged by its date could not be read"))


def _dated(session: Session, dag_ids: set[str]) -> set[str]:
    """Which of these Dags are judged by dates. Now and then all are read, to know each of them later."""
    now = time.monotonic()
    if not _read_all or now - _read_all[0] >= _AGAIN:
        every = start_rules.dated(session)
        _read_all[:] = [now]
        _seen.clear()
        _seen.update(itertools.islice(every, _MOST))
        return every & dag_ids
    found = start_rules.dated(session, dag_ids)
    _seen.difference_update(dag_ids - found)
    for dag_id in found:
        _remember(dag_id)
    return found


def _remember(dag_id: str) -> None:
    if len(_seen) >= _MOST:
        _seen.clear()
    _seen.add(dag_id)


def _key(dag_run: DagRun) -> tuple[int, int]:
    return dag_run.id, dag_run.clear_number


def _tell(dag_run: DagRun, why: str) -> None:
    """Log why a run waits, once for each reason; the keeper makes the event of it."""
    key = _key(dag_run)
    if _told.get(key) == why:
        return
    if len(_told) >= _MOST:
        _told.clear()
    _told[key] = why
    log.warning(
        "A run does not start before it is bound by its date",
        dag_id=dag_run.dag_id,
        run_id=dag_run.run_id,
        reason=why,
    )
